/* Submitting a plan. Neighbouring nodes of the plan's order that are on one stream become a batch.
   Batches are appended in that order, each by one short step under its stream's lock. A node is
   marked SUBMITTED only when it stands in a queue (internal.h says why this cannot deadlock). Where
   the thread itself is about to drain the stream, and nothing stands there, the batch begins in
   that same step, and has mostly run when the plan is submitted.

   A node may need an input that another planner has claimed and not submitted yet. Then it is
   deferred: a thread that holds claims must not wait. The plan's nodes are moved into an object on
   the heap, with a waiter on each such input. Whenever one of these inputs is submitted, the thread
   that submits it makes a pass over the object, which submits the nodes that have all their inputs
   in queues by then. The call that made the plan waits until all of it stands in queues (force.c);
   it holds no claim then. Locks: STREAM, taken by wr_stream_submit; waiters fire with none held. */

#include "base/probes.h"
#include "graph/internal.h"
#include "graph/transfer.h"
#include "stream/limit.h"

/* A batch is bounded, so that the lock is held briefly and the stream can start meanwhile. */
enum { MAX_BATCH = WR_TORTURED ? 2 : 1024 };

/* What takes a place that others count on keeps it, with all that it needs: it is as if one of them
   were a caller here, whom the request is nothing to (take_back.c, which waits for its LOCK). */
static void take_place(struct wr_node *node) {
  const struct wr_callee *callee = wr_callee_of(node);
  if (!callee || !callee->submitted) return;
  callee->submitted(wr_callee_params(node));
  (void)wr_completion_share(&node->completion, 0);
}

static void mark_submitted(struct wr_task *task) {
  struct wr_batch *batch = WR_CONTAINER_OF(task, struct wr_batch, task);
  const uint32_t request = batch->work.request ? wr_request_number(batch->work.request) : 0;
  for (uint32_t i = 0; i < batch->count; i++) {
    struct wr_node *node = batch->nodes[i];
    wr_audit_submit(node);
    take_place(node);
    wr_probe_submit(node, (int)node->stream_id, wr_name_of(node), request);
    if (!wr_completion_mark_submitted(&node->completion)) continue;
    node->next_told = *batch->flush;
    *batch->flush = wr_node_retain(node);
  }
}

/* Fires the waiters of the nodes that mark_submitted has listed; no lock is held here. */
static void flush(struct wr_node *list) {
  while (list) {
    struct wr_node *node = list;
    list = node->next_told;
    wr_completion_flush(&node->completion);
    wr_node_release(node);
  }
}

/* Without memory for the batch its nodes fail. The caller may be about to drain the stream until
   one of these nodes is over, which they are now: it will not drain it. So the pool is told of what
   earlier batches of the plan have appended there. */
static void refuse_run(struct wr_node **nodes, uint32_t n) {
  wr_stream_kick(nodes[0]->stream);
  for (uint32_t i = 0; i < n; i++) wr_node_refuse(nodes[i], wr_error_out_of_memory());
}

/* Marks the nodes, and says how many bytes of results they have. */
static uint64_t count_bytes(struct wr_node **nodes, uint32_t n) {
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < n; i++) {
    nodes[i]->next_edge = WR_COUNTED;
    bytes += wr_node_counted_bytes(nodes[i]);
  }
  return bytes;
}

static void uncount_bytes(struct wr_node **nodes, uint32_t n, struct wr_stream *stream,
                          uint64_t bytes) {
  for (uint32_t i = 0; i < n; i++) nodes[i]->next_edge = 0;
  wr_limit_note_over(stream, bytes);
}

/* What became of a batch. One that has begun is the caller's to run, once no lock is held. */
enum appended { GIVEN_UP, APPENDED, BEGUN };

/* Begins all of a batch whose inputs are over (take_back.c says why without the request's LOCK).
   From then on it is as one of nobody's. */
static bool begin_at_once(struct wr_batch *batch, struct wr_stream *stream,
                          struct wr_request *request) {
  if (wr_request_ended(request)) return false;
  batch->work.request = request; /* for who marks */
  batch->task.wants = wr_request_urgency(request);
  const bool begun = wr_stream_begin(stream, &batch->task, mark_submitted);
  batch->work.request = NULL;
  if (begun) wr_request_note_at_once(request, batch->count);
  return begun;
}

/* Only then may it begin: the rest of a plan would stand in no queue while it runs, so that whoever
   needs that waits for it unseen, and what others submit meanwhile comes before it. */
static bool is_all(const struct wr_batch *batch, const struct wr_plan *plan) {
  return batch->count == plan->order.count;
}

static enum appended append_alone(struct wr_batch *batch, struct wr_stream *stream, bool schedule,
                                  const struct wr_plan *plan) {
  if (plan->begins && is_all(batch, plan) &&
      wr_stream_begin(stream, &batch->task, mark_submitted)) {
    return BEGUN;
  }
  wr_stream_submit(stream, &batch->task, schedule, mark_submitted);
  return APPENDED;
}

/* The batch is given up, and freed, when its request has ended, or has taken something back for its
   budget since the plan (request_budget.c). */
static enum appended append(struct wr_batch *batch, struct wr_stream *stream, bool schedule,
                            const struct wr_plan *plan) {
  struct wr_request *request = plan->request;
  if (!request) return append_alone(batch, stream, schedule, plan);
  if (plan->at_once && is_all(batch, plan) && begin_at_once(batch, stream, request)) return BEGUN;
  bool open = wr_request_open(request);
  if (!open || wr_budget_failed_since(request, plan->failures)) {
    if (open) wr_request_close(request);
    wr_submission_release(batch->submission);
    wr_free(batch);
    return GIVEN_UP;
  }
  batch->stream = wr_stream_retain(stream);
  batch->task.wants = wr_request_urgency(request);
  wr_request_add_locked(request, &batch->work, batch->count);
  bool raises = wr_stream_append(stream, &batch->task, schedule, mark_submitted);
  wr_request_close(request);
  if (raises) wr_stream_raise_blocker(stream);
  return APPENDED;
}

/* Appends nodes[0..n), all of one stream, and takes their references; but false, and nothing was
   done, when the plan's request has ended, or it has to be made anew. Where they begin at once they
   have run, unless something blocks them. `download`, unless NULL, is of the last. */
static bool submit_run(struct wr_node **nodes, uint32_t n, bool schedule,
                       const struct wr_plan *plan, struct wr_download *download) {
  struct wr_node *to_flush = NULL;
  struct wr_batch *batch = wr_alloc(sizeof *batch + n * sizeof(struct wr_node *));
  if (!batch) {
    refuse_run(nodes, n);
    if (download) wr_download_refuse(download);
    return true;
  }
  batch->task =
      (struct wr_task){.run = wr_batch_run, .is_brief = plan->brief, .is_quick = plan->quick};
  batch->work = (struct wr_request_work){.kind = &wr_batch_work};
  batch->stream = NULL;
  batch->count = n;
  batch->next = 0;
  batch->staying = 0;
  batch->flush = &to_flush;
  batch->lacking = WR_LACKING_NOTHING;
  batch->room = NULL;
  batch->has_seat = false;
  batch->download = download;
  batch->submission = plan->submission ? wr_submission_retain(plan->submission) : NULL;
  batch->charges = false;
  batch->begun = NULL;
  batch->over = false;
  batch->blocked = false;
  for (uint32_t i = n; i-- > 0;) batch->nodes[i] = nodes[i]; /* mostly few: no call of memcpy */
  /* The nodes' references to the stream may go as soon as it is appended. */
  struct wr_stream *stream = plan->stream ? plan->stream : wr_stream_retain(nodes[0]->stream);
  const bool limited = wr_limit_is_used(stream);
  const uint64_t bytes = limited ? count_bytes(nodes, n) : 0;
  if (limited) wr_limit_note_submitted(stream, bytes);
  wr_stream_note_submitted(stream, n);
  const enum appended how = append(batch, stream, schedule, plan);
  if (how == GIVEN_UP) wr_stream_note_taken_back(stream, n);
  /* A limit may have been set meanwhile, and a call may wait for these to be over. */
  if (how == GIVEN_UP && wr_limit_is_used(stream)) uncount_bytes(nodes, n, stream, bytes);
  if (to_flush) flush(to_flush);
  if (how == BEGUN) wr_stream_run_begun(stream, &batch->task, plan->until);
  if (!plan->stream) wr_stream_release(stream);
  return how != GIVEN_UP;
}

/* Says how many it has submitted: all but what submit_run did not take. */
static size_t submit_order(const struct wr_plan *plan, bool schedule) {
  struct wr_node **nodes = (struct wr_node **)plan->order.items;
  size_t i = 0, n = plan->order.count;
  while (i < n) {
    size_t j = i + 1;
    while (j < n && j - i < MAX_BATCH && nodes[j]->stream == nodes[i]->stream) j++;
    if (!submit_run(nodes + i, (uint32_t)(j - i), schedule, plan, j == n ? plan->download : NULL)) {
      return i;
    }
    i = j;
  }
  return n;
}

/* ---- plans of a request that something was taken back from ---- */

static void defer_foreign(struct wr_plan *plan);

/* Takes nodes that could not be submitted as `like` says. Once the request has ended, or this
   submission has failed itself, they are withdrawn. Else they stay claimed, and are planned anew
   with what is lazy again of all that they need: since none of them becomes lazy, no other plan has
   to be made anew for their sake, and this goes on only while submissions fail. */
static void give_up(struct wr_node **nodes, size_t n, const struct wr_plan *like) {
  struct wr_ptrs order = {0};
  while (n && !wr_request_ended(like->request) && !wr_submission_failed(like->submission)) {
    struct wr_plan plan;
    wr_plan_make_anew(&plan, like, nodes, n);
    wr_error_release(plan.failed);
    defer_foreign(&plan);
    wr_ptrs_free(&order);
    order = plan.order;
    const size_t done = submit_order(&plan, true);
    nodes = (struct wr_node **)order.items + done;
    n = order.count - done;
  }
  if (n) wr_withdraw(nodes, n, wr_request_ended(like->request) ? NULL : like->request);
  wr_ptrs_free(&order);
}

/* ---- plans with inputs that others have claimed ---- */

struct deferred;

struct foreign_wait {
  struct wr_waiter waiter;
  struct deferred *deferred; /* immutable after publish */
  struct wr_node *input;     /* immutable after publish; one reference */
};

struct deferred {
  wr_atomic_u32 refs; /* atomic ACQ_REL: one per waiter, and the maker's */
  wr_atomic_u32
      signals; /* atomic ACQ_REL: passes asked for; the thread that raises it from 0 makes them */
  struct wr_ptrs nodes;  /* the thread that makes a pass only */
  struct wr_plan like;   /* immutable after publish: what its plan says of all its nodes; with
                            references to request and submission */
  struct deferred *next; /* owner thread only: the list of passes to make */
};

/* While the thread is inside run_passes: the list of passes that this call has still to make; else
   NULL. A pass fires waiters, which may ask for passes of other deferred plans. Those are put on
   the list, and not made at once: passes inside passes would need a stack without bound (K13). */
static _Thread_local struct deferred **passes;

static bool input_unsubmitted(const struct wr_node *node) {
  const struct wr_edges *edges = wr_edges_of(node);
  for (uint32_t i = 0; i < edges->n; i++) {
    if (wr_completion_phase(&edges->in[i]->completion) == WR_PHASE_CLAIMED) return true;
  }
  return false;
}

/* Nothing more goes as it was planned: neither of the nodes that the pass has kept, nor of those
   from `at` on. */
static void give_up_rest(struct deferred *d, size_t kept, size_t at) {
  while (at < d->nodes.count) d->nodes.items[kept++] = d->nodes.items[at++];
  d->nodes.count = 0;
  give_up((struct wr_node **)d->nodes.items, kept, &d->like);
}

/* Nothing of the plan may be submitted any more. */
static bool is_void(const struct wr_plan *like) {
  struct wr_request *r = like->request;
  return r && (wr_request_ended(r) || wr_budget_failed_since(r, like->failures));
}

/* One pass, in topological order: a node goes when all its inputs went before. Once the request has
   ended, or has taken something back for its budget, none waits any longer: an input may have been
   taken back, of which this plan hears no more, and be claimed by somebody else. Who has seen that
   sees the end, or the failure, too. */
static void make_pass(struct deferred *d) {
  size_t kept = 0;
  for (size_t i = 0; i < d->nodes.count; i++) {
    struct wr_node *node = d->nodes.items[i];
    if (i > 0 && i % WR_PLAN_STEPS == 0 && is_void(&d->like)) {
      give_up_rest(d, kept, i);
      return;
    }
    if (input_unsubmitted(node)) {
      d->nodes.items[kept++] = node;
      continue;
    }
    /* Its mark is the address of d, which another's may be later (request_budget.c). Relaxed: the
       node is claimed by this plan, and published by what submits it. */
    wr_store_relaxed(&node->walked_by, NULL);
    if (!submit_run(&node, 1, true, &d->like, NULL)) {
      give_up_rest(d, kept, i);
      return;
    }
  }
  d->nodes.count = kept;
  if (kept && is_void(&d->like)) give_up_rest(d, kept, kept);
}

static void deferred_drop(struct deferred *d) {
  if (!wr_ref_drop(&d->refs)) return;
  WR_ASSERT(d->nodes.count == 0);
  wr_ptrs_free(&d->nodes);
  wr_request_release(d->like.request);
  wr_submission_release(d->like.submission);
  wr_free(d);
}

static void make_passes_asked(struct deferred *d) {
  uint32_t seen = wr_load_acquire(&d->signals);
  for (;;) {
    make_pass(d);
    /* Acq_rel: only the signals that were there before the pass are taken off; one that has come
       since is left, and then there is another pass. */
    uint32_t left = wr_fetch_sub_acq_rel(&d->signals, seen) - seen;
    if (left == 0) return;
    seen = left;
  }
}

static void run_passes(struct deferred *first) {
  struct deferred *list = first;
  passes = &list;
  while (list) {
    struct deferred *d = list;
    list = d->next;
    make_passes_asked(d);
    deferred_drop(d);
  }
  passes = NULL;
}

/* Makes a pass; if this thread is inside run_passes already, leaves it to that call. Takes a
   reference. */
static void pass_take(struct deferred *d) {
  d->next = passes ? *passes : NULL;
  if (passes) {
    *passes = d;
  } else {
    run_passes(d);
  }
}

/* Asks for a pass. The thread that raises `signals` from 0 makes it; while it does, other threads
   only raise `signals`, and it makes another pass for them. */
static void ask_for_pass(struct deferred *d) {
  if (wr_fetch_add_acq_rel(&d->signals, 1u) != 0) return;
  wr_ref_take(&d->refs);
  pass_take(d);
}

static void input_submitted(struct wr_waiter *waiter) {
  struct foreign_wait *w = WR_CONTAINER_OF(waiter, struct foreign_wait, waiter);
  struct deferred *d = w->deferred;
  struct wr_node *input = w->input;
  wr_free(w);
  ask_for_pass(d);
  deferred_drop(d);
  wr_node_release(input);
}

static bool wait_for_input(struct deferred *d, struct wr_node *input) {
  struct foreign_wait *w = wr_alloc(sizeof *w);
  if (!w) return false;
  *w = (struct foreign_wait){.waiter = {.want = WR_PHASE_SUBMITTED, .fire = input_submitted},
                             .deferred = d,
                             .input = wr_node_retain(input)};
  wr_ref_take(&d->refs);
  wr_completion_await(&input->completion, &w->waiter);
  return true;
}

/* Memory is refused: no pass will be made for what could not be waited for. */
static void wait_for_inputs(struct deferred *d, const struct wr_ptrs *inputs) {
  bool waiting = true;
  for (size_t i = 0; i < inputs->count && waiting; i++) {
    waiting = wait_for_input(d, inputs->items[i]);
  }
  if (!waiting) wr_fail_nodes(&d->nodes, wr_error_out_of_memory());
}

/* Takes the plan's nodes into a deferred submission. `signals` starts at 1, held by this thread, so
   that no pass runs before all waiters are set; then it makes the first pass itself. False when
   memory is refused; nothing has changed then. */
static bool defer(struct wr_plan *plan) {
  struct deferred *d = wr_ptrs_leave_room(&plan->order) ? wr_calloc(sizeof *d) : NULL;
  if (!d) return false;
  wr_store_relaxed(&d->refs, 1u);
  wr_store_relaxed(&d->signals, 1u);
  d->nodes = plan->order;
  d->like = (struct wr_plan){.request = plan->request ? wr_request_retain(plan->request) : NULL,
                             .submission = wr_submission_retain(plan->submission),
                             .failures = plan->failures};
  plan->order = (struct wr_ptrs){0};
  /* The plan may be gone before these nodes are submitted (where a root was refused memory, nobody
     waits for the rest), and its address may be another plan's. They must not pass for that one's.
   */
  for (size_t i = 0; i < d->nodes.count; i++) {
    wr_store_relaxed(&((struct wr_node *)d->nodes.items[i])->walked_by, d);
  }
  wait_for_inputs(d, &plan->foreign);
  pass_take(d); /* the maker's reference */
  return true;
}

/* What needs others' claims is deferred, and no more in the plan then. */
static void defer_foreign(struct wr_plan *plan) {
  bool deferred = plan->foreign.count && plan->order.count && defer(plan);
  if (plan->foreign.count && !deferred) wr_fail_nodes(&plan->order, wr_error_out_of_memory());
  if (plan->foreign.items) wr_release_nodes(&plan->foreign);
}

void wr_plan_submit(struct wr_plan *plan, bool schedule) {
  defer_foreign(plan);
  const size_t n = plan->order.count, done = submit_order(plan, schedule);
  if (done < n) give_up((struct wr_node **)plan->order.items + done, n - done, plan);
  wr_ptrs_free(&plan->order);
}
