/* Evaluations by ring. One block of memory has all that an evaluation needs until its end: the
   entry for the ring, a waiter for each node, and the hook by which the request tells of its end.
   It is had before anything is submitted, so nothing that comes later can be refused.

   Who delivers. The last waiter to fire, or the request as it ends, and not both: the hook stands
   in the request's list, and whoever takes it out, under the request's BELL, delivers. Without a
   request it is the last waiter. A waiter fires when its node is over, or was taken back
   (completion.h). That is for the end of the evaluation's own request or for its budget, since what
   others have claimed was shared before (take_back.c); and nothing is taken back before the end,
   which takes the hooks out in the section that says so: who comes to take one out waits for that.
   So where the last waiter has taken the hook out, all nodes are over, or there is an
   error of the budget's (request_budget.c).

   The block has two references: the entry's, which goes with it through the ring, and the waiters',
   which their last one drops. So an evaluation whose request has ended keeps its nodes until the
   last of them is over, which is when no waiter stands in their lists any more. No lock is held
   where anything here is called, but the request's for its list. */

#include "graph/ring_eval.h"

#include "base/base.h"
#include "graph/internal.h"
#include "stream/ring.h"

struct ring_wait {
  struct wr_waiter waiter;
  struct ring_eval *eval; /* immutable after publish */
  struct wr_node *node;   /* immutable after publish; one reference, until the last has fired */
};

struct ring_eval {
  struct wr_ring_entry entry;
  struct wr_request_hook hook;
  struct wr_ring *ring;       /* immutable after publish; one reference */
  struct wr_request *request; /* immutable after publish; one reference until all have fired; NULL:
                                 none */
  wr_atomic_u32 refs;         /* atomic ACQ_REL: see above */
  wr_atomic_u32 left;         /* atomic ACQ_REL: waiters that have not fired, and the call */
  size_t n;                   /* immutable after publish */
  struct ring_wait waits[];
};

static void drop(struct ring_eval *e) {
  if (!wr_ref_drop(&e->refs)) return;
  wr_ring_release(e->ring);
  wr_free(e);
}

static void drop_entry(struct wr_ring_entry *entry) {
  drop(WR_CONTAINER_OF(entry, struct ring_eval, entry));
}

/* ---- the end ---- */

/* The ring may have been closed, and the entry taken and dropped by another thread, before deliver
   comes back. */
static void deliver(struct ring_eval *e, enum weir_status status, struct wr_error *error) {
  struct wr_ring *ring = wr_ring_retain(e->ring);
  e->entry.status = status;
  e->entry.error = error;
  wr_ring_deliver(ring, &e->entry);
  wr_ring_release(ring);
}

/* The status is the request's also where there is no memory for the words. */
static void request_ended(struct wr_request_hook *hook) {
  struct ring_eval *e = WR_CONTAINER_OF(hook, struct ring_eval, hook);
  deliver(e, wr_request_status(e->request), wr_request_error(e->request));
}

/* It was taken back, and the request has not ended: the last error of its budget is this one's, or
   one of another that has failed since; without any, memory was refused as it was to be submitted
   anew. */
static struct wr_error *over_budget(const struct ring_eval *e) {
  WR_ASSERT(e->request);
  struct wr_error *error = e->request ? wr_request_budget_error(e->request) : NULL;
  return error ? error : wr_error_out_of_memory();
}

static struct wr_error *first_error(const struct ring_eval *e) {
  for (size_t i = 0; i < e->n; i++) {
    struct wr_node *node = e->waits[i].node;
    if (wr_completion_phase(&node->completion) < WR_PHASE_DONE) return over_budget(e);
    if (wr_completion_phase(&node->completion) == WR_PHASE_FAILED) {
      return wr_error_retain(node->error);
    }
  }
  return NULL;
}

static void drop_waits(struct ring_eval *e) {
  for (size_t i = 0; i < e->n; i++) wr_node_release(e->waits[i].node);
  wr_request_release(e->request);
}

/* What the evaluation has held on to is let go of before anybody hears of its end. */
static void all_fired(struct ring_eval *e) {
  bool mine = !e->request || wr_request_unhook(e->request, &e->hook);
  struct wr_error *error = mine ? first_error(e) : NULL;
  drop_waits(e);
  if (mine) deliver(e, error ? wr_error_status(error) : WEIR_OK, error);
  drop(e);
}

static void count_off(struct ring_eval *e) {
  /* Acq_rel: the last sees what the others have seen. */
  if (wr_fetch_sub_acq_rel(&e->left, 1u) == 1) all_fired(e);
}

static void node_over(struct wr_waiter *waiter) {
  count_off(WR_CONTAINER_OF(waiter, struct ring_wait, waiter)->eval);
}

/* ---- the beginning ---- */

static struct ring_eval *make(struct wr_ring *ring, struct wr_node *const *nodes, size_t n,
                              struct wr_request *request, void *user) {
  struct ring_eval *e = wr_alloc(sizeof *e + n * sizeof(struct ring_wait));
  if (!e) return NULL;
  *e = (struct ring_eval){.entry = {.user = user, .drop = drop_entry},
                          .hook = {.ended = request_ended},
                          .ring = wr_ring_retain(ring),
                          .request = request ? wr_request_retain(request) : NULL,
                          .n = n};
  wr_store_relaxed(&e->refs, 2u); /* relaxed, both: not yet shared */
  wr_store_relaxed(&e->left, 1u);
  for (size_t i = 0; i < n; i++) {
    e->waits[i] = (struct ring_wait){.waiter = {.want = WR_PHASE_DONE, .fire = node_over},
                                     .eval = e,
                                     .node = wr_node_retain(nodes[i])};
  }
  return e;
}

/* Nothing was submitted, and nobody else knows of it. */
static void unmake(struct ring_eval *e) {
  drop_waits(e);
  wr_ring_release(e->ring);
  wr_free(e);
}

static void wait_for_all(struct ring_eval *e) {
  for (size_t i = 0; i < e->n; i++) {
    struct ring_wait *w = &e->waits[i];
    if (wr_completion_over(&w->node->completion)) continue;
    (void)wr_fetch_add_relaxed(&e->left, 1u); /* relaxed: the call's own is not yet off */
    wr_completion_await(&w->node->completion, &w->waiter);
  }
}

/* Where the system refuses to start even one worker, nobody would come to the streams while the
   thread polls a descriptor: it computes here. */
static struct wr_error *submit_here(struct wr_node *const *nodes, size_t n) {
  struct wr_error *error = wr_async_eval_begin(nodes, n);
  if (!error && !wr_ring_has_worker()) wr_error_release(wr_eval(nodes, n));
  return error;
}

static struct wr_error *submit(struct wr_node *const *nodes, size_t n, struct wr_request *request) {
  if (!request || request == wr_request_current()) return submit_here(nodes, n);
  struct wr_error *error = wr_request_enter(request);
  if (error) return error;
  error = submit_here(nodes, n);
  wr_error_release(wr_request_leave());
  return error;
}

/* On an error whose reason is that the request has ended, the hook has been taken out, and a
   completion says so. */
static struct wr_error *start(struct ring_eval *e, struct wr_node *const *nodes) {
  bool open = !e->request || wr_request_hook(e->request, &e->hook);
  struct wr_error *error = open ? submit(nodes, e->n, e->request) : NULL;
  if (error && (!e->request || wr_request_unhook(e->request, &e->hook))) {
    unmake(e);
    return error;
  }
  if (!open) {
    request_ended(&e->hook);
  } else if (!error) {
    wait_for_all(e);
  }
  wr_error_release(error);
  count_off(e);
  return NULL;
}

/* The thread cannot be cancelled meanwhile (K7), as in force.c. */
struct wr_error *wr_ring_eval(struct wr_ring *ring, struct wr_node *const *nodes, size_t n,
                              struct wr_request *request, void *user) {
  struct ring_eval *e = make(ring, nodes, n, request ? request : wr_request_current(), user);
  if (!e) return wr_error_out_of_memory();
  int before = wr_cancel_off();
  struct wr_error *error = start(e, nodes);
  wr_cancel_restore(before);
  return error;
}
