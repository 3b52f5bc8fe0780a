#ifndef WR_STREAM_REQUEST_H
#define WR_STREAM_REQUEST_H

/* Requests: what is forced or submitted while a thread is inside one belongs to it, and can be
   taken back together (R1, R2). A request knows its work in flight, the batches of src/graph, in
   the order in which they were submitted, and the threads that sleep for it. Outside of any, all of
   this costs a submission one load. Every function may be called from any thread.

   Ending. A request is open until it is cancelled or its deadline passes; whoever finds that first
   (a thread that waits, one that is about to begin a command, the one for deadlines) ends it, under
   its BELL, once and for good: the word says so, and who sleeps in it is woken. That takes
   microseconds however much work there is, and who waits needs no more to return.

   Then what has not begun is taken back (graph/take_back.c), backwards through the work, a batch at
   a time under the LOCK. Under the LOCK too work is submitted, a command is begun, and a stream is
   blocked by what the next one waits for. The first to hold it and see the end makes the list of
   work `rest`: what was submitted before that is in it, and who comes to submit after that sees the
   end too. From then on nothing enters the list; nor does a command begin, so that nothing leaves
   it either, until all of `rest` is taken back: since what has not been looked at yet may be shared
   by what has. So to begin is to see an end that nobody has acted upon, or none, or to come after
   all of it; and whoever may not wait for that takes a part himself, in the same order, at the one
   place where the others have stopped. Waiters are told, and what has lost its last reference is
   freed, after each part, once the LOCK is let go of. Only what begins as it is submitted is
   nothing to the end, and so takes no lock (graph/take_back.c).

   Who takes back: a cancel all of it, before it returns. Of a request whose deadline has passed
   whoever found that takes a part, and leaves the rest to the thread for deadlines, which looks
   after each part whether another request is due; and any thread that drains comes to it, and stops
   there when it has to. Who asks for the request's numbers takes the rest too: they are those after
   it.

   Locks: REQUEST, LOCK, each request's own, below those of streams: its work. SCHEDULER, BELL, each
   one's own too, and taken alone or inside LOCK: who is told, and what its names are. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "stream/stream.h"

struct wr_node;
struct wr_request_work;

/* What ending takes back. */
struct wr_taken {
  struct wr_waiter *waiters;    /* to be told */
  struct wr_node *nodes;        /* without a reference: to be freed */
  struct wr_wake *wakes;        /* of streams that were blocked */
  struct wr_limit_wait *let_in; /* calls for which there is room now (limit.h) */
};

struct wr_request_work_kind {
  /* Under the request's LOCK: what has not begun leaves the queue. In a fraction of a millisecond.
   */
  void (*take_back)(struct wr_request_work *work, struct wr_taken *taken);
  /* With no lock held: frees what has lost its last reference. */
  void (*settle)(struct wr_taken *taken);
};

/* A part of a batch. */
struct wr_request_work {
  const struct wr_request_work_kind *kind; /* immutable after publish */
  struct wr_request *request;              /* immutable after publish; one reference; NULL: none */
  struct wr_request_work *next;            /* under LOCK */
  struct wr_request_work *before;          /* under LOCK */
  struct wr_wake *wake;                    /* under LOCK: its stream's, while it is blocked */
};

/* How it ended, if it has. */
enum wr_request_end { WR_REQUEST_OPEN, WR_REQUEST_CANCELLED, WR_REQUEST_PASSED };

/* What its results may take (R4), for graph/request_budget.c, which has the protocol. */
struct wr_budget;
struct wr_request_budget {
  wr_atomic_ptr account;  /* atomic ACQ_REL: struct wr_budget *, set once, under LOCK; one
                             reference; NULL: it never had a limit */
  uint64_t most;          /* under LOCK: bytes; WR_NO_BUDGET: counted alone */
  uint64_t reserved;      /* under LOCK: for commands that have begun and have no buffer yet */
  uint64_t peak;          /* under LOCK: the most that there was, with what was reserved */
  struct wr_error *error; /* under LOCK: of what was taken back last; one reference, or NULL */
  wr_atomic_u32 failures; /* atomic ACQ_REL, written under LOCK: how often something was taken back
                             while the request was open */
};

struct wr_request_numbers {
  uint64_t submitted; /* commands, as of a stream (stream.h) */
  uint64_t begun;
  uint64_t taken_back;
  uint64_t live_bytes; /* of results; 0 without a budget */
  uint64_t peak_bytes;
};

/* What a request begins with (request.c asserts it): what is looked at for each call. */
struct wr_request_head {
  struct wr_kind_word kind;
  wr_atomic_u32 refs;     /* atomic ACQ_REL */
  uint32_t number;        /* immutable after publish; never 0, and of no other request alive */
  wr_atomic_u32 end;      /* atomic ACQ_REL, enum wr_request_end: leaves OPEN once, under BELL */
  wr_atomic_u64 deadline; /* atomic RELAXED, written under BELL and the LOCK of deadlines: by
                             wr_clock_ns; WR_NO_DEADLINE: none */
};
static inline struct wr_request_head *wr_request_head(const struct wr_request *request) {
  return (struct wr_request_head *)(void *)(uintptr_t)request;
}

struct wr_error *wr_request_new(struct wr_request **out);
struct wr_request *wr_request_retain(struct wr_request *request);
void wr_request_release(struct wr_request *request); /* NULL is a no-op */
static inline uint32_t wr_request_number(const struct wr_request *request) {
  return wr_request_head(request)->number;
}

/* Copies; a label of at most WR_REQUEST_LABEL - 1 bytes, NULL takes it away. */
enum { WR_REQUEST_LABEL = 256, WR_TRACE_ID_BYTES = 16 };
struct wr_error *wr_request_set_label(struct wr_request *request, const char *label);
void wr_request_set_trace_id(struct wr_request *request, const uint8_t id[WR_TRACE_ID_BYTES]);
void wr_request_trace_id(struct wr_request *request, uint8_t id[WR_TRACE_ID_BYTES]);
void wr_request_numbers(struct wr_request *request, struct wr_request_numbers *numbers);

/* Of what is submitted in it from then on; 0: that of each stream. */
void wr_request_set_class(struct wr_request *request, enum wr_class class);
/* What its work wants of streams; of no request nothing. */
struct wr_urgency wr_request_urgency(struct wr_request *request);

/* For the timeline: 1 when the trace of that number meets the request for the first time; copies
   the label to `label`, of WR_REQUEST_LABEL bytes. */
uint16_t wr_request_meet(struct wr_request *request, uint32_t trace, char *label);

/* The calling thread's, borrowed: the one that it entered last and has not left; NULL: none. */
static inline struct wr_request *wr_request_current(void) { return wr_thread_here->request; }
struct wr_error *wr_request_enter(struct wr_request *request);
struct wr_error *wr_request_leave(void);

void wr_request_cancel(struct wr_request *request);
/* When it ends by itself (R3), by wr_clock_ns; one load, which orders nothing. */
#define WR_NO_DEADLINE UINT64_MAX
static inline uint64_t wr_request_deadline(const struct wr_request *request) {
  return wr_load_relaxed(&wr_request_head(request)->deadline);
}
/* Moves the deadline, or takes it away. Of a request that has ended it changes nothing. */
struct wr_error *wr_request_set_deadline(struct wr_request *request, uint64_t at);

bool wr_request_ended_slow(struct wr_request *request);
/* True when it is no longer open. One whose deadline has passed is ended here: no lock is held. */
static inline bool wr_request_ended(struct wr_request *request) {
  /* Acquire: pairs with end. */
  if (wr_load_acquire(&wr_request_head(request)->end) != WR_REQUEST_OPEN) return true;
  return wr_request_deadline(request) != WR_NO_DEADLINE && wr_request_ended_slow(request);
}
/* A look, also where locks are held: it has ended, or its deadline has passed, unless that is being
   moved at this moment. */
bool wr_request_is_due(struct wr_request *request);
struct wr_error *wr_request_error_slow(struct wr_request *request);
/* Why the request is no longer open, as an error; NULL while it is. NULL also of no request. */
static inline struct wr_error *wr_request_error(struct wr_request *request) {
  return request && wr_request_ended(request) ? wr_request_error_slow(request) : NULL;
}
/* Of one that has ended: the status of that error, also where memory for it is refused. */
enum weir_status wr_request_status(struct wr_request *request);
/* The same for a call that begins; also an error when nobody would keep to its deadline. */
struct wr_error *wr_request_check(struct wr_request *request);

/* Gives the request a budget, or moves it. */
struct wr_error *wr_request_set_budget(struct wr_request *request, uint64_t bytes);
struct wr_request_budget *wr_request_budget(struct wr_request *request);
static inline struct wr_budget *wr_request_account(struct wr_request_budget *budget) {
  return wr_load_acquire(&budget->account); /* acquire: pairs with set_budget */
}
/* The label in quotes, with a space before it, or "": for messages. */
enum { WR_REQUEST_NAME = WR_REQUEST_LABEL + 4 };
const char *wr_request_name(struct wr_request *request, char name[WR_REQUEST_NAME]);
/* Why the last of its commands that went over the budget did, as an error. */
struct wr_error *wr_request_budget_error(struct wr_request *request);

/* ---- for work ---- */

void wr_request_lock(struct wr_request *request);
/* The same for who begins commands; false, and without it, while there is a part that an end has
   left. */
bool wr_request_lock_if_settled(struct wr_request *request);
/* Of one that has ended: takes back a part of what is left, with no lock held; true when there is
   more. */
bool wr_request_take_back_some(struct wr_request *request);
/* Takes the lock; false, and without it, when the request has ended. */
bool wr_request_open(struct wr_request *request);
void wr_request_close(struct wr_request *request);
/* With the lock held, and the stream's next: adds work of n commands, with a reference. */
void wr_request_add_locked(struct wr_request *request, struct wr_request_work *work, uint64_t n);
/* n commands were submitted and have begun, none of which it ever had in its work. No lock. */
void wr_request_note_at_once(struct wr_request *request, uint64_t n);
/* With the lock held. Unlinked work keeps its reference, which the caller drops. */
void wr_request_begin_locked(struct wr_request *request);
void wr_request_taken_locked(struct wr_request *request, uint64_t n);
/* The work in flight, in the order in which it was submitted: the first, and the last. */
struct wr_request_work *wr_request_first_locked(struct wr_request *request);
struct wr_request_work *wr_request_last_locked(struct wr_request *request);
void wr_request_unlink_locked(struct wr_request_work *work);

/* ---- who is told ---- */

/* Called, with no lock held, by whoever ends the request; embedded by who waits without a thread.
 */
struct wr_request_hook {
  void (*ended)(struct wr_request_hook *hook); /* immutable after publish; may free it */
  /* Under the request's BELL, then of who ends it; link NULL: in no list. */
  struct wr_listed listed;
};
/* False, and it will not be called, when the request has ended. */
bool wr_request_hook(struct wr_request *request, struct wr_request_hook *hook);
/* True when it was there still, and will not be called. */
bool wr_request_unhook(struct wr_request *request, struct wr_request_hook *hook);

/* ---- waiting ---- */

/* A thread that sleeps with a lock of its own. Whoever ends the request wakes it by that. */
struct wr_request_sleeper {
  struct wr_mutex *lock;   /* immutable after publish */
  struct wr_cond *wake;    /* immutable after publish */
  struct wr_listed listed; /* under the request's BELL */
};
void wr_request_sleep_begin(struct wr_request *request, struct wr_request_sleeper *sleeper);
void wr_request_sleep_end(struct wr_request *request, struct wr_request_sleeper *sleeper);
/* As wr_completion_park, until the request has ended (sync.c). */
void wr_completion_park_in(struct wr_request *request, struct wr_completion *c, enum wr_phase want);

#endif
