/* Budgets of requests (R4): what the results of a request's commands take, and the taking back of
   what would take more.

   What counts. A result counts from the moment at which its command begins until its buffer ends,
   for all that the buffer takes. Where it is written over an input, that one's buffer counts for it
   from then on, whoever's it was before. Views have no buffer and count nothing, nor do copies for
   another device and what a command needs while it runs. A command begins under the request's LOCK
   (take_back.c); which input it is written over is found, and what it needs is reserved, in that
   section. Once it has run its buffer is charged instead (wr_budget_settle). What there is only
   falls meanwhile. So the sum of what is live and reserved is never above the budget; but a result
   that cannot be written over its input, while the process forks, counts beside it for a moment.

   What is taken back. A command whose result does not fit is not begun. It is taken back with all
   of its submission, what one call has submitted, that has not begun. Of other submissions of the
   same request what reads any of that, directly or not, is taken back too, since it cannot be
   computed where it stands. A pass through the request's work, inputs first, marks all of these;
   then one backwards takes back what is marked, as the end of a request does with all, and by the
   same argument: readers go before what they read, and what others have shared stays, with all that
   it needs. What stays is theirs: it begins although it does not fit, and is charged to nobody.

   What stands in no queue yet. A plan of the same request does not share what it finds in flight
   there, so it may rely on what is lazy again, or somebody else's, when it comes to be submitted.
   So each failure counts up `failures`, after the nodes have become lazy; a plan remembers the
   count from before its first look, and is submitted under the LOCK only as long as it is the same.
   Else it is planned anew (submit.c). A plan that has seen the higher count has seen what is lazy.
   What it had claimed it keeps: younger plans, with the higher count, may rely on that. A plan
   whose own submission has failed gives its claims back, and counts that as a failure, under the
   same LOCK.

   Who is told. Each submission of which something was taken back has the error; a call returns it
   where one of its arrays is lazy again. A call whose array another call had submitted, and that
   has no error itself, begins anew.

   tests/model/budget.pml has the protocol. Lock: REQUEST. */

#include "memory/budget.h"

#include <inttypes.h>

#include "core/shape.h"
#include "graph/internal.h"

/* ---- submissions ---- */

struct wr_submission {
  wr_atomic_u32 refs;  /* atomic ACQ_REL */
  wr_atomic_ptr error; /* atomic ACQ_REL: struct wr_error *, set once, under the request's LOCK; one
                          reference */
};

struct wr_submission *wr_submission_retain(struct wr_submission *submission) {
  if (submission) wr_ref_take(&submission->refs);
  return submission;
}

void wr_submission_release(struct wr_submission *submission) {
  if (!submission || !wr_ref_drop(&submission->refs)) return;
  wr_error_release(wr_load_relaxed(&submission->error)); /* relaxed: the last reference is ours */
  wr_free(submission);
}

struct wr_error *wr_submission_new(struct wr_request *request, struct wr_submission **out) {
  *out = NULL;
  if (!wr_request_account(wr_request_budget(request))) return NULL;
  struct wr_submission *submission = wr_calloc(sizeof *submission);
  if (!submission) return wr_error_out_of_memory();
  wr_store_relaxed(&submission->refs, 1u); /* relaxed: not yet shared */
  *out = submission;
  return NULL;
}

bool wr_submission_failed(struct wr_submission *submission) {
  /* Acquire: pairs with fail_with. */
  return submission && wr_load_acquire(&submission->error);
}

struct wr_error *wr_submission_error(struct wr_submission *submission) {
  if (!wr_submission_failed(submission)) return NULL;
  return wr_error_retain(wr_load_relaxed(&submission->error)); /* relaxed: it is set once */
}

static void fail_with(struct wr_submission *submission, struct wr_error *error) {
  if (!submission || wr_load_relaxed(&submission->error)) return; /* relaxed: under LOCK */
  /* Release: the error's words. */
  wr_store_release(&submission->error, wr_error_retain(error));
}

/* ---- plans ---- */

uint32_t wr_budget_failures(struct wr_request *request) {
  /* Acquire: who sees a failure sees what it took back. */
  return wr_load_acquire(&wr_request_budget(request)->failures);
}

void wr_budget_count_failure_locked(struct wr_request *request) {
  struct wr_request_budget *budget = wr_request_budget(request);
  /* Release: after all has become lazy. */
  wr_store_release(&budget->failures, wr_load_relaxed(&budget->failures) + 1);
}

bool wr_budget_failed_since(struct wr_request *request, uint32_t failures) {
  return wr_budget_failures(request) != failures;
}

/* ---- taking back ---- */

static struct wr_batch *batch_of(struct wr_request_work *work) {
  return WR_CONTAINER_OF(work, struct wr_batch, work);
}

/* A node that is to be taken back says so where planners left their mark, which nobody looks at in
   a queue. The mark is the failing submission's address. Relaxed: under LOCK. */
static bool is_marked(const struct wr_node *node, const void *mark) {
  return wr_load_relaxed(&((struct wr_node *)node)->walked_by) == mark;
}

static bool reads_marked(const struct wr_node *node, const void *mark) {
  const struct wr_edges *edges = wr_edges_of(node);
  for (uint32_t i = 0; i < edges->n; i++) {
    if (is_marked(edges->in[i], mark)) return true;
  }
  return false;
}

static void mark_batch(struct wr_batch *batch, struct wr_submission *failing,
                       struct wr_error *error) {
  for (uint32_t i = batch->next; i < batch->count; i++) {
    struct wr_node *node = batch->nodes[i];
    if (!node || !(batch->submission == failing || reads_marked(node, failing))) continue;
    wr_store_relaxed(&node->walked_by, failing);
    fail_with(batch->submission, error);
  }
}

static void take_back_marked(struct wr_batch *batch, const void *mark, struct wr_taken *taken) {
  if (wr_take_back_marked(batch, mark, taken) == 0) return;
  if (batch->work.wake) wr_wake_list(batch->work.wake, &taken->wakes);
  batch->work.wake = NULL;
}

static uint64_t live_of(struct wr_request_budget *budget) {
  return wr_budget_live(wr_request_account(budget));
}

static struct wr_error *error_of(struct wr_request *request, const struct wr_node *node,
                                 uint64_t needs) {
  struct wr_request_budget *budget = wr_request_budget(request);
  char shape[160], name[WR_REQUEST_NAME];
  wr_shape_format(node->shape, node->ndim, shape, (int)sizeof shape);
  return wr_error_new(WEIR_ERROR_BUDGET,
                      "the result of %s, of shape %s, takes %" PRIu64
                      " bytes; results of the request%s take %" PRIu64 " of the %" PRIu64
                      " bytes of its budget",
                      wr_node_op_name(node), shape, needs, wr_request_name(request, name),
                      live_of(budget) + budget->reserved, budget->most);
}

static void fail(struct wr_batch *batch, struct wr_error *error, struct wr_taken *taken) {
  struct wr_request *request = batch->work.request;
  struct wr_request_budget *budget = wr_request_budget(request);
  struct wr_submission *failing = batch->submission;
  struct wr_request_work *work = wr_request_first_locked(request);
  for (; work; work = work->next) mark_batch(batch_of(work), failing, error);
  for (work = wr_request_last_locked(request); work; work = work->before) {
    wr_torture_point();
    take_back_marked(batch_of(work), failing, taken);
  }
  wr_error_release(budget->error);
  budget->error = error;
  wr_budget_count_failure_locked(request);
}

/* ---- commands ---- */

static bool fits(struct wr_request_budget *budget, uint64_t needs) {
  const uint64_t takes = live_of(budget) + budget->reserved;
  return needs == 0 || budget->most == WR_NO_BUDGET ||
         (takes <= budget->most && needs <= budget->most - takes);
}

static void reserve(struct wr_batch *batch, const struct wr_result *result, uint64_t needs) {
  struct wr_request_budget *budget = wr_request_budget(batch->work.request);
  budget->reserved += needs;
  const uint64_t takes = live_of(budget) + budget->reserved;
  if (takes > budget->peak) budget->peak = takes;
  batch->charges = result->bytes > 0;
  batch->donor = result->donor;
  batch->reserved = needs;
}

bool wr_budget_admits_locked(struct wr_batch *batch, struct wr_node *node, struct wr_taken *taken) {
  struct wr_submission *submission = batch->submission;
  batch->charges = false;
  if (!submission) return true;
  struct wr_request_budget *budget = wr_request_budget(batch->work.request);
  const struct wr_result result = wr_result_of(node, batch->stream);
  const struct wr_node *in = result.donor;
  bool counts = in && wr_buffer_is_charged(in->buffer, wr_request_account(budget));
  uint64_t needs = counts ? 0 : result.bytes;
  if (fits(budget, needs)) {
    reserve(batch, &result, needs);
    return true;
  }
  /* Relaxed: under LOCK. What has failed and is there all the same is others'. */
  bool failed = wr_load_relaxed(&submission->error) != NULL;
  if (failed && wr_completion_is_shared(&node->completion)) return true;
  fail(batch, error_of(batch->work.request, node, needs), taken);
  return false;
}

void wr_budget_settle(struct wr_batch *batch, struct wr_node *node) {
  struct wr_request *request = batch->work.request;
  struct wr_request_budget *budget = wr_request_budget(request);
  wr_request_lock(request);
  if (node->buffer) wr_buffer_charge(node->buffer, wr_request_account(budget));
  budget->reserved -= batch->reserved;
  wr_request_close(request);
  batch->charges = false;
}
