#ifndef WR_GRAPH_INTERNAL_H
#define WR_GRAPH_INTERNAL_H

/* Shared between the files of src/graph alone: the node, the batch, and who does what with them.

   A node's life. Recorded: LAZY, edges to its inputs, a reference to its stream. A planner that
   claims it (completion.h) may read its edges and takes a reference, the plan's, which goes with
   the node into a batch. The batch runs in its stream's order; whoever runs the node writes buffer
   or error, finishes the completion, then drops the edges, the stream and the plan's reference.
   Nobody but the claimer reads edges, so they can be dropped at once. What stands in for an array
   that is not there is never claimed, and its edges and stream are anyone's to read.

   Why FIFO queues cannot deadlock. A node is appended to its stream's queue only after all of its
   inputs stand in queues themselves (phase SUBMITTED): within a plan by topological order, and for
   inputs that another planner has claimed by being deferred until that one submits (submit.c), not
   until there is a result. Markers, and waits for markers that stand in queues, are appended as
   they come. So all appends, over all streams and threads, form one topological order of the graph;
   each task waits only for what was appended before it, and the earliest unfinished append can
   always run. */

#include "backend/backend.h"
#include "base/base.h"
#include "core/device.h"
#include "graph/node.h"
#include "stream/completion.h"
#include "stream/request.h"
#include "stream/stream.h"

/* What a node reads, and what it computes of it: its own operation, or the steps of a group, of
   which it is the root (fuse.c). A node begins with edges of its own, which stand in its tail. All
   that a group changes in its root changes by the one store to `edges`, before which the old edges
   are whole and after which the new ones are. So at any moment a claimed or submitted node can be
   made lazy again, with one set of edges, each with its reference: in the child of a fork (plan.c),
   where the claimer is not there, or by whoever takes the node back from a queue. A group that was
   taken back stays a group: nobody but its root can reach the nodes that it took in. */
struct wr_edges {
  uint32_t n;           /* claimer only, from claim to finish; then 0 */
  uint32_t n_steps;     /* immutable after publish; 0: no group, and in the node's tail */
  struct wr_node *in[]; /* claimer only; counted. Behind those of a group, its steps */
};

/* Its root stays in the plan's order, and it does not. */
#define WR_TAKEN_IN UINT32_MAX
/* The bytes of its result count against its stream's limit. */
#define WR_COUNTED (UINT32_MAX - 1)

/* In one byte, which is stored once. */
enum {
  WR_NODE_DENSE = 1,     /* row-major without gaps */
  WR_NODE_STANDS_IN = 2, /* a placeholder, or made of one */
  WR_NODE_ON_GPU = 4     /* its stream's device is one */
};

struct wr_node {
  struct wr_handle own; /* the array's first handle, and the count of references */
  struct wr_completion completion;
  uint16_t op;          /* immutable after publish; enum wr_op */
  uint8_t dtype;        /* immutable after publish; enum wr_dtype */
  uint8_t ndim;         /* immutable after publish */
  uint8_t marks;        /* immutable after publish; WR_NODE_DENSE and the like */
  uint8_t device_index; /* immutable after publish */
  uint16_t n_parts;     /* immutable after publish; wr_node_parts; mostly 0 */
  uint32_t next_edge;   /* planner only: which of the edges its walk looks at next; at the end
                           WR_TAKEN_IN, if the node became part of a group. Then submitter and
                           drainer only: WR_COUNTED, if it is */
  uint32_t traced;      /* immutable after publish; one more than the place in the log of
                          the recording thread (trace.h); 0: in none */
  int64_t size;         /* immutable after publish; elements */
  int64_t offset;       /* immutable after publish; elements from the buffer's start */
  const int32_t *shape; /* immutable after publish; in the tail */
  _Atomic(struct wr_edges *) edges; /* claimer only; atomic ACQ_REL for a fork's sake: when a group
                                       replaces them, what it is made of was stored before, and
                                       what it replaces is let go of after that */
  const void *params;               /* immutable after publish; in the tail */
  struct wr_stream *stream;         /* claimer only once claimed; a reference until finished; others
                                       through wr_node_pending_stream */
  uint64_t stream_id;               /* immutable after publish; that stream's; it may be gone */
  struct wr_buffer *buffer;         /* claimer only; read by others after DONE */
  struct wr_error *error;           /* claimer only; read by others after FAILED */
  union {                           /* one after the other: who tells waiters holds a reference */
    struct wr_node *next_told;      /* submitter only: of the nodes whose waiters it tells */
    struct wr_node *next_freed; /* who dropped the last reference only: of those that it frees */
  };
  wr_atomic_ptr walked_by;   /* atomic RELAXED: whose walk came to the node last. Only compared,
                                with the walk of the thread that looks: the address of its plan,
                                or, while the node is lazy, the number of its check (force.c) */
  wr_atomic_u64 encoded;     /* atomic ACQ_REL: its number among its encoder's commands (the
                                buffer may be read), or 0 */
  wr_atomic_ptr host_copy;   /* atomic ACQ_REL: struct wr_buffer *, set once */
  wr_atomic_ptr device_copy; /* the same, for the first device that used a value of the host's */
#ifdef WR_TORTURE
  uint32_t position; /* planner only: in the plan's order, for audit.c */
#endif
  int64_t strides[]; /* immutable after publish; and behind them the rest of the tail:
                        edges, params, shape, parts */
};

_Static_assert(offsetof(struct wr_node, own) == 0, "node.h counts without seeing the struct");
_Static_assert(WR_DEVICE_INDICES <= UINT8_MAX && WR_DEVICE_TYPE_COUNT <= 2, "a device fits");

static inline bool wr_is_dense(const struct wr_node *node) { return node->marks & WR_NODE_DENSE; }

/* Relaxed: the claimer alone reads and writes them. */
static inline struct wr_edges *wr_edges_of(const struct wr_node *node) {
  return wr_load_relaxed(&((struct wr_node *)node)->edges);
}
static inline struct wr_edges *wr_own_edges(struct wr_node *node) {
  return (struct wr_edges *)(void *)(node->strides + node->ndim);
}
static inline bool wr_is_group(const struct wr_node *node) {
  return wr_edges_of(node)->n_steps > 0;
}
/* Of a CALL what it calls, else NULL; and its parameters, which the callee may change while the
   node is claimed. */
static inline const struct wr_callee *wr_callee_of(const struct wr_node *node) {
  if (node->op != WR_OP_CALL) return NULL;
  return ((const struct wr_call_params *)node->params)->callee;
}
/* As wr_node_op_name, for probes: what nobody looks at costs nothing. The lower half of a stream's
   id is its index. */
static inline const char *wr_name_of(const struct wr_node *node) {
  const struct wr_callee *callee = wr_callee_of(node);
  return callee ? callee->name : wr_op_info((enum wr_op)node->op)->name;
}
static inline void *wr_callee_params(struct wr_node *node) {
  return (void *)(uintptr_t)node->params;
}
static inline struct wr_group_step *wr_group_steps(struct wr_edges *edges) {
  return (struct wr_group_step *)(void *)(edges->in + edges->n);
}

struct wr_download; /* transfer.h */

/* What the next node of a batch has waited for, for want of memory (room.c): nothing yet, the
   stream's own commands, or all that it can. */
enum wr_lacking { WR_LACKING_NOTHING, WR_LACKING_OWN_TRIED, WR_LACKING_ALL_TRIED };

/* One short submission: nodes of one stream in order. Of a request (`work`), nodes that were taken
   back are NULL, and from `next` on they are there under the request's LOCK only. */
struct wr_batch {
  struct wr_task task;
  struct wr_request_work work; /* its request is NULL of most */
  struct wr_stream *stream;    /* of a request: immutable after publish, a reference, as all nodes
                                  may leave the batch; else NULL */
  uint32_t count;
  uint32_t next;           /* drainer only: the first node that has not run; of a request under its
                              LOCK: that has not begun */
  struct wr_node **flush;  /* submitter only, while it submits: gets the nodes that have waiters */
  uint32_t staying;        /* drainer only: how many of those that have run stay pending, and stand
                              first in `nodes`, with a reference each */
  enum wr_lacking lacking; /* drainer only */
  struct wr_room *room;    /* drainer only: what the stream waits for, or has waited for */
  struct wr_download *download; /* drainer only: of the last node, which it comes behind; or NULL */
  struct wr_submission *submission; /* immutable after publish; a reference, or NULL */
  struct wr_node *donor; /* drainer only, these three, of a node that has begun: an input that it
                            is written over, borrowed, or NULL; */
  uint64_t reserved;     /* what was reserved for it; */
  bool charges;          /* and whether it is charged to the request */
  struct wr_node *begun; /* drainer only: of a request's, what has begun and not run */
  bool over;             /* drainer only: the same, nothing is left to begin, and the request does
                            not know of the batch any more */
  bool blocked;          /* drainer only: the same, its stream has been blocked by an input */
  bool has_seat;         /* drainer only: it has one, or will as its stream goes on (seats.h) */
  struct wr_node *nodes[];
};

/* The name of what the node runs, for messages. */
const char *wr_node_op_name(const struct wr_node *node);

/* Drops the references that a finished node has besides its value: edges and, unless a pinner has
   taken it over, the stream. */
void wr_node_drop_edges(struct wr_node *node, bool keep_stream);

/* The stream that a submitted, unfinished node is queued on, with a reference; NULL in any other
   phase. The caller holds a reference to the node. */
struct wr_stream *wr_node_pending_stream(struct wr_node *node);

/* run.c: runs a batch as a stream's task. */
enum wr_step wr_batch_run(struct wr_task *task, struct wr_stream *stream, struct wr_drain *drain);
/* dump.c: lets weir_dump know batches and arrays; once, at load. */
void wr_graph_let_know(void);
/* What hooks of commands that end later are known by (stream/dump.h), and the node of one, by a
   peek; NULL where nothing is there. */
void (*wr_pending_key(void))(void);
const struct wr_node *wr_pending_peek(const struct wr_completion_hook *hook);
/* The failure of a claimed node that never stood in a queue, which its stream counts all the same;
   takes the reference. */
void wr_node_refuse(struct wr_node *node, struct wr_error *error);

/* What of a submitted node counts against its stream's limit. */
uint64_t wr_node_counted_bytes(const struct wr_node *node);

/* plan.c: claims all that the roots need and nobody has claimed yet. */
enum { WR_PLAN_FEW = 8 };
struct wr_plan {
  struct wr_ptrs order;   /* claimed nodes, inputs first, one reference each */
  struct wr_ptrs stack;   /* while planning: claimed nodes whose inputs are being looked at */
  struct wr_ptrs foreign; /* roots and inputs that another planner has claimed and not yet
                             submitted, one reference each */
  bool several_streams;   /* `order` has nodes of more than one stream */
  bool refused;           /* memory was refused: the last of `order` may be no root */
  bool ended;             /* a look has found that the request has ended */
  size_t fusable;         /* nodes in `order` whose operation may be in a group */
  bool kept;              /* never submitted: groups are made once for many times */
  bool looked_at;         /* never submitted: claims are given back (wr_plan_give_back) */
  bool brief;             /* all of `order` takes microseconds: see wr_stream_run_brief */
  bool quick;             /* none of it takes a millisecond */
  uint32_t failures;      /* of the request's budget, as the plan began (request_budget.c) */
  struct wr_submission *submission; /* borrowed; NULL: the request has no budget */
  struct wr_request *request;       /* that it is made for; borrowed; NULL: none */
  struct wr_error *failed; /* the first input or root that had failed before; a reference or NULL */
  struct wr_download *download; /* of the last of `order`, on a plan without foreign; or NULL */
  struct wr_stream *stream;     /* of all of `order`, where the caller has a reference; or NULL */
  bool begins;  /* the caller drains that as soon as `order` is submitted; so, where `order` is one
                   batch and the stream has nothing to do, it begins in the same step */
  bool at_once; /* of a request: all of `order` takes microseconds and is made of what is over; so,
                   where it is one batch, it begins as it is submitted, or stands in the queue */
  struct wr_completion *until; /* until which the caller drains; NULL: as wr_stream_run_brief */
  void *few[WR_PLAN_FEW]; /* where the first of `order` lie, so that a plan stays where it is */
};
/* Each root is over, in `order` or claimed by others then, so that it can be waited for. When
   memory is refused, the nodes for which there is none fail with that error; the others stay
   planned. When the request ends meanwhile, the plan is empty, and its nodes are lazy again. */
void wr_plan_make(struct wr_plan *plan, struct wr_node *const *roots, size_t n);
/* The same of nodes that the caller has claimed already, inputs first, for the request and of the
   submission of `like`, or for no request where that is NULL; takes their references. Of what they
   need, some may be lazy again. */
void wr_plan_make_anew(struct wr_plan *plan, const struct wr_plan *like, struct wr_node **claimed,
                       size_t n);

/* Between two looks a plan takes microseconds, or some tens of them where it makes groups. */
enum { WR_PLAN_STEPS = WR_TORTURED ? 1 : 64 };
bool wr_plan_ended_slow(struct wr_plan *plan);
/* For step i of planning: true when a look, at each so many of them, finds that the plan's request
   has ended (R3). Then planning stops, and what was claimed is given back. */
static inline bool wr_plan_ended(struct wr_plan *plan, size_t i) {
  return i % WR_PLAN_STEPS == 0 && i > 0 && wr_plan_ended_slow(plan);
}

/* Claims the same to look at it, for a request of the caller's that nobody else knows. What others
   have claimed is left out, and is nothing to them. When memory is refused, so is the plan, and
   some of it is missing; no node fails. */
void wr_plan_look(struct wr_plan *plan, struct wr_request *request, struct wr_node *const *roots,
                  size_t n);
/* Its nodes are lazy again, but for those that others have come to need: these are submitted. */
void wr_plan_give_back(struct wr_plan *plan);

/* force.c: fails before anything is claimed where the calling thread may not force the nodes, or
   one of them stands in for an array. */
struct wr_error *wr_force_check(struct wr_request *request, struct wr_node *const *nodes, size_t n);

/* force.c: as wr_async_eval, but an error means that nothing was submitted; what is wrong else
   shows in the nodes, or in the request. The thread cannot be cancelled (K7). */
struct wr_error *wr_async_eval_begin(struct wr_node *const *nodes, size_t n);

/* fuse.c: takes out of the order what can run as part of a later node. */
void wr_plan_fuse(struct wr_plan *plan);

/* submit.c: appends the plan's nodes to their streams; takes the references of its lists. With
   `schedule` the pool drains the streams, else the caller does. */
void wr_plan_submit(struct wr_plan *plan, bool schedule);
/* Fails all nodes of the list, and takes its references. */
void wr_fail_nodes(struct wr_ptrs *nodes, struct wr_error *taken);
/* Drops the list's references, and its memory. */
void wr_release_nodes(struct wr_ptrs *nodes);

/* request_budget.c */
struct wr_submission;
struct wr_submission *wr_submission_retain(struct wr_submission *submission); /* NULL: NULL */
void wr_submission_release(struct wr_submission *submission);                 /* NULL is a no-op */
/* Of what a call submits in a request; *out is NULL where that has no budget. */
struct wr_error *wr_submission_new(struct wr_request *request, struct wr_submission **out);
bool wr_submission_failed(struct wr_submission *submission); /* of NULL: false */
/* Why something of it was taken back, a reference; NULL: nothing was. */
struct wr_error *wr_submission_error(struct wr_submission *submission);
/* True when something was taken back for its budget since the plan, or was given back by a plan of
   the request, so that this one may rely on what is lazy again. Exact with the request's LOCK held.
 */
bool wr_budget_failed_since(struct wr_request *request, uint32_t failures);
uint32_t wr_budget_failures(struct wr_request *request);
/* With the LOCK held, once nodes of the request have become lazy that its plans may rely on. */
void wr_budget_count_failure_locked(struct wr_request *request);
/* With the LOCK held, for the next node of the batch: true when it may begin, and its bytes are
   reserved. Else it was taken back, with all of its submission, and something is in `taken`; or it
   has to stay, and may begin the next time. */
bool wr_budget_admits_locked(struct wr_batch *batch, struct wr_node *node, struct wr_taken *taken);
/* What was reserved for the node is charged for its buffer. It has run; a reference is held. */
void wr_budget_settle(struct wr_batch *batch, struct wr_node *node);

/* run.c: what a node's result takes. Its inputs are ready. */
struct wr_result {
  uint64_t bytes;        /* of its buffer; 0: it gets none */
  struct wr_node *donor; /* the input that it is written over, if it can be; borrowed; or NULL */
};
struct wr_result wr_result_of(const struct wr_node *node, const struct wr_stream *stream);

/* take_back.c: what a batch is to its request. */
extern const struct wr_request_work_kind wr_batch_work;
/* Begins the next node of a request's batch, for its drainer: DONE, and that is the batch's
   `begun`, or NULL where none is left; BLOCKED, the stream is blocked by an input; YIELD, the drain
   stops before it is known which one is next. */
enum wr_step wr_batch_begin(struct wr_batch *batch, struct wr_stream *stream,
                            struct wr_drain *drain);
/* Lets the stream wait for the input on the device; false when only the host can wait (run.c). */
bool wr_wait_on_device(struct wr_node *in, struct wr_stream *stream);
/* With the request's LOCK held: takes back those of the batch that have not begun, that mark alone
   (request_budget.c) or, where it is NULL, all; says how many. */
uint64_t wr_take_back_marked(struct wr_batch *batch, const void *mark, struct wr_taken *taken);
/* Makes a node lazy again that has not begun; false when others need it: then it stays, with all
   that it needs. With the request's LOCK held, or for its claimer. */
bool wr_take_back(struct wr_node *node, struct wr_taken *taken);
/* Takes back claimed nodes, inputs first, of which none stands in a queue, since their request has
   ended or their submission has failed; takes their references. Those that others need are planned
   anew, for nobody's request. `request` is NULL where it has ended, as no other plan of it comes to
   be submitted then, or nobody else knows it. */
void wr_withdraw(struct wr_node **nodes, size_t n, struct wr_request *request);

/* A node that others may share is dropped here and freed later, where locks are held now. */
void wr_node_drop_to_list(struct wr_node *node, struct wr_node **list);
void wr_node_free_list(struct wr_node *list);

/* spans.c: tells the timeline of a command that is over and not finished; `encoded` is when its
   device was given it. */
void wr_span_of(struct wr_node *node, struct wr_stream *stream, uint64_t encoded, bool failed);

/* audit.c: torture builds end the process when a plan, a node about to be submitted or to run, or
   what was forced is not as this header says; others do nothing. */
#ifdef WR_TORTURE
void wr_audit_plan(const struct wr_plan *plan);
void wr_audit_submit(const struct wr_node *node);
void wr_audit_run(const struct wr_node *node);
void wr_audit_forced(struct wr_node *const *nodes, size_t n);
#else
static inline void wr_audit_plan(const struct wr_plan *plan) { (void)plan; }
static inline void wr_audit_submit(const struct wr_node *node) { (void)node; }
static inline void wr_audit_run(const struct wr_node *node) { (void)node; }
static inline void wr_audit_forced(struct wr_node *const *nodes, size_t n) {
  (void)nodes;
  (void)n;
}
#endif

#endif
