/* Forcing: plan, submit, and wait by draining. A plan on one stream is drained right here, without
   a thread hop; one on several streams goes to the pool too, so that they run side by side. */

#include "base/lock.h"
#include "graph/internal.h"
#include "graph/transfer.h"
#include "stream/limit.h"
#include "stream/policy.h"
#include "stream/timeline.h"

/* Waits for a node whose stream is drained by the pool or by another thread; this one helps
   draining while the node is queued. Before that, if another planner has claimed it, that one
   submits it soon. */
static void wait_over(struct wr_node *node) {
  while (!wr_completion_over(&node->completion)) {
    struct wr_stream *stream = wr_node_pending_stream(node);
    if (stream) {
      wr_stream_help(stream, &node->completion);
      wr_stream_release(stream);
    } else {
      wr_completion_park(&node->completion, WR_PHASE_SUBMITTED);
    }
  }
}

/* Taken back, of what was planned: its request has ended, or it went over the budget. */
static bool is_lazy(const struct wr_node *node) {
  return wr_completion_phase(&node->completion) == WR_PHASE_LAZY;
}

/* One is not in that phase yet, nor in a later one. */
static bool any_before(enum wr_phase phase, struct wr_node *const *nodes, size_t n) {
  size_t i = 0;
  while (i < n && wr_completion_phase(&nodes[i]->completion) >= phase) i++;
  return i < n;
}

static bool is_settled(struct wr_node *node) {
  return is_lazy(node) || wr_completion_over(&node->completion);
}

/* The same in a request, until that has ended, or the node was taken back. */
static void wait_in(struct wr_request *request, struct wr_node *node) {
  while (!is_settled(node) && !wr_request_ended(request)) {
    struct wr_stream *stream = wr_node_pending_stream(node);
    if (stream) {
      wr_stream_help_in(request, stream, &node->completion);
      wr_stream_release(stream);
    } else {
      wr_completion_park_in(request, &node->completion, WR_PHASE_SUBMITTED);
    }
  }
}

/* A call that has to wait for something fails when its request has ended (R2). */
static struct wr_error *wait_all_in(struct wr_request *request, struct wr_node *const *nodes,
                                    size_t n) {
  for (size_t i = 0; i < n; i++) wait_in(request, nodes[i]);
  return wr_request_error(request);
}

/* The thread's; NULL too where there is nothing to do or to wait for. */
static struct wr_request *request_for(struct wr_node *const *nodes, size_t n) {
  struct wr_request *request = wr_request_current();
  size_t i = 0;
  if (!request) return NULL;
  while (i < n && wr_completion_over(&nodes[i]->completion)) i++;
  return i < n ? request : NULL;
}

static struct wr_error *first_error(struct wr_node *const *nodes, size_t n) {
  for (size_t i = 0; i < n; i++) {
    if (wr_completion_phase(&nodes[i]->completion) == WR_PHASE_FAILED) {
      return wr_error_retain(nodes[i]->error);
    }
  }
  return NULL;
}

/* A plan on one stream is not given to the pool: this thread drains the stream until the last node
   of the order is over, and then so are all before it. That node is a root, so the caller keeps it
   alive. */
static void run_here(struct wr_plan *plan, bool for_host) {
  struct wr_node *last = plan->order.items[plan->order.count - 1];
  struct wr_stream *stream = wr_stream_retain(last->stream);
  struct wr_download *download = for_host ? wr_download_new(last, stream) : NULL;
  plan->download = download; /* the plan's no more once it is submitted */
  plan->stream = stream;
  plan->begins = true;
  plan->until = &last->completion;
  wr_plan_submit(plan, false);
  if (download) wr_download_end(download, stream);
  if (!wr_completion_over(&last->completion)) wr_stream_help(stream, &last->completion);
  wr_stream_release(stream);
}

/* ---- the checked policy: C1, C4 ---- */

struct check {
  struct wr_request *request; /* that the call is for; borrowed; NULL: none */
  struct wr_ptrs stack;       /* nodes still to be looked at; borrowed */
  uint32_t steps;             /* how many it has looked at */
  void *mark;                 /* on nodes that were looked at */
  uint64_t passed;            /* a stream that belongs to this thread */
  bool any_passed;
};

static struct wr_error *check_stream(struct check *check, const struct wr_node *node) {
  if (check->any_passed && check->passed == node->stream_id) return NULL;
  struct wr_error *error = wr_stream_check_id(node->stream_id);
  check->any_passed = !error;
  check->passed = node->stream_id;
  return error;
}

/* A lazy node whose stream belongs to this thread is claimed by another one only for a plan that
   this thread has made, and has left, as its request ended, while an input was still to be
   submitted; else its edges do not change while they are read. A node that is claimed was claimed
   by its stream's thread, and this one would only wait for it: that is allowed. */
static struct wr_error *check_node(struct check *check, struct wr_node *node) {
  if (wr_completion_phase(&node->completion) != WR_PHASE_LAZY) return NULL;
  struct wr_error *error = check_stream(check, node);
  if (!error && ++check->steps % WR_PLAN_STEPS == 0) error = wr_request_error(check->request);
  if (error || wr_completion_phase(&node->completion) != WR_PHASE_LAZY) return error;
  /* Relaxed: equal only by this thread's doing. */
  if (wr_load_relaxed(&node->walked_by) == check->mark) return NULL;
  wr_store_relaxed(&node->walked_by, check->mark);
  const struct wr_edges *edges = wr_edges_of(node);
  for (uint32_t i = 0; i < edges->n; i++) {
    if (!wr_ptrs_push(&check->stack, edges->in[i])) return wr_error_out_of_memory();
  }
  return NULL;
}

/* What is made of a placeholder says so itself, and nobody else has it for an input. */
static struct wr_error *check_values(struct wr_node *const *nodes, size_t n) {
  size_t i = 0;
  while (i < n && !wr_node_stands_in(nodes[i])) i++;
  if (i == n) return NULL;
  return wr_error_new(WEIR_ERROR_STATE,
                      "[eval] Attempting to eval an array during function transformations like "
                      "compile or vmap is not allowed.");
}

/* Fails before anything is claimed, so that the array stays lazy for the thread that may. */
struct wr_error *wr_force_check(struct wr_request *request, struct wr_node *const *nodes,
                                size_t n) {
  struct wr_error *error = wr_thread_check();
  if (!error) error = check_values(nodes, n);
  if (error || !wr_policy_checked()) return error;
  static wr_atomic_u64 walks; /* atomic RELAXED: each walk's number is its own */
  /* Odd, so that it is never equal to the address of a plan. */
  uintptr_t number = (uintptr_t)(wr_fetch_add_relaxed(&walks, UINT64_C(2)) + 1);
  struct check check = {.request = request, .mark = (void *)number};
  for (size_t i = 0; i < n && !error; i++) {
    error = check_node(&check, nodes[i]);
    while (!error && check.stack.count) {
      error = check_node(&check, check.stack.items[--check.stack.count]);
    }
  }
  wr_ptrs_free(&check.stack);
  return error;
}

/* ---- how long a plan takes ---- */

static bool stays_here(const struct wr_plan *plan) {
  return plan->order.count && !plan->several_streams && !plan->foreign.count && !plan->refused;
}

/* What is brief takes microseconds, and is computed where it is submitted; of what is quick no
   command takes as long as a thread may be late (R3). */
enum { BRIEF_NODES = 16, BRIEF_ELEMENTS = 4096, QUICK_ELEMENTS = 32768 };

/* Elements that the command reads and writes, once for each of its steps; of more than `most` only
   that they are more. */
static int64_t work_of(const struct wr_node *node, int64_t most) {
  const struct wr_edges *edges = wr_edges_of(node);
  if (wr_op_info(node->op)->view) return 0;
  int64_t elements = node->size;
  for (uint32_t i = 0; i < edges->n && elements <= most; i++) elements += edges->in[i]->size;
  return elements <= most ? elements * (1 + (int64_t)edges->n_steps) : elements;
}

static bool is_simple(const struct wr_node *node) {
  const struct wr_op_info *info = wr_op_info(node->op);
  return info->view || info->fusable || info->ends_group;
}

static bool is_brief(const struct wr_plan *plan) {
  int64_t work = 0;
  if (!stays_here(plan) || plan->order.count > BRIEF_NODES) return false;
  for (size_t i = 0; i < plan->order.count && work <= BRIEF_ELEMENTS; i++) {
    const struct wr_node *node = plan->order.items[i];
    if (!is_simple(node)) return false;
    work += work_of(node, BRIEF_ELEMENTS);
  }
  return work <= BRIEF_ELEMENTS;
}

/* Of the nodes of a plan, what they do not read of each other. */
static bool inputs_over(const struct wr_plan *plan) {
  for (size_t i = 0; i < plan->order.count; i++) {
    const struct wr_edges *edges = wr_edges_of(plan->order.items[i]);
    for (uint32_t k = 0; k < edges->n; k++) {
      struct wr_node *in = edges->in[k];
      const enum wr_phase phase = wr_completion_phase(&in->completion);
      if (phase >= WR_PHASE_DONE) continue;
      /* Relaxed: of what is claimed, equal only if this thread wrote it. */
      if (phase != WR_PHASE_CLAIMED || wr_load_relaxed(&in->walked_by) != plan) return false;
    }
  }
  return true;
}

/* Of one that is brief, and of a request (take_back.c). */
static bool may_begin_at_once(const struct wr_plan *plan) {
  return !plan->submission && inputs_over(plan);
}

static bool is_quick(struct wr_plan *plan) {
  if (!stays_here(plan)) return false;
  const struct wr_node *last = plan->order.items[plan->order.count - 1];
  if (!wr_stream_is_at_once(last->stream)) return false;
  for (size_t i = 0; i < plan->order.count; i++) {
    const struct wr_node *node = plan->order.items[i];
    if (!is_simple(node) || work_of(node, QUICK_ELEMENTS) > QUICK_ELEMENTS) return false;
    if (wr_plan_ended(plan, i)) return false; /* it is not submitted */
  }
  return true;
}

/* ---- forcing ---- */

/* In a request this thread may have to leave before what it submits has run: what is quick it runs
   all the same, by wr_stream_help_in, and all else is the pool's. Returns the stream of what is
   quick, a reference, or NULL. */
static struct wr_stream *run_in(struct wr_plan *plan) {
  plan->quick = is_quick(plan);
  struct wr_stream *stream = NULL;
  if (plan->quick) {
    struct wr_node *last = plan->order.items[plan->order.count - 1];
    plan->stream = stream = wr_stream_retain(last->stream);
    plan->until = &last->completion;
    plan->at_once = is_brief(plan) && may_begin_at_once(plan);
  }
  wr_plan_submit(plan, !plan->quick);
  return stream;
}

/* The thread that was to run it leaves before it is over, as the request has ended: what stays in
   the queue, since others need it, is the pool's now. */
static void leave_to_pool(struct wr_stream *stream, struct wr_node *const *nodes, size_t n) {
  if (!stream) return;
  if (any_before(WR_PHASE_DONE, nodes, n)) wr_stream_kick(stream);
  wr_stream_release(stream);
}

/* Of a call in a request that is open, which has waited until all its arrays had reached the phase,
   or were lazy again: why something of it was taken back. NULL where none is before that phase; or,
   with *again, where it is another call's failure, and this one has to plan anew
   (request_budget.c). Takes the submission's reference. */
static struct wr_error *budget_error(struct wr_submission *taken, enum wr_phase phase,
                                     struct wr_node *const *nodes, size_t n, bool *again) {
  const bool lacks = any_before(phase, nodes, n);
  struct wr_error *error = lacks ? wr_submission_error(taken) : NULL;
  *again = lacks && !error;
  wr_submission_release(taken);
  return error;
}

static struct wr_error *eval_once(struct wr_request *request, struct wr_node *const *nodes,
                                  size_t n, bool *again) {
  struct wr_submission *submission = NULL;
  struct wr_error *error = wr_request_check(request);
  if (!error) error = wr_submission_new(request, &submission);
  *again = false;
  if (error) return error;
  struct wr_plan plan;
  wr_plan_make(&plan, nodes, n);
  plan.submission = submission;
  if (plan.failed) wr_error_release(plan.failed);
  struct wr_stream *stream = run_in(&plan);
  error = wait_all_in(request, nodes, n);
  leave_to_pool(stream, nodes, n);
  if (!error) return budget_error(submission, WR_PHASE_DONE, nodes, n, again);
  wr_submission_release(submission);
  return error;
}

static struct wr_error *eval_in(struct wr_request *request, struct wr_node *const *nodes,
                                size_t n) {
  struct wr_error *error;
  bool again;
  do error = eval_once(request, nodes, n, &again);
  while (again);
  return error;
}

static void eval_alone(struct wr_node *const *nodes, size_t n, bool for_host) {
  struct wr_plan plan;
  wr_plan_make(&plan, nodes, n);
  if (plan.failed) wr_error_release(plan.failed);
  if (stays_here(&plan)) {
    run_here(&plan, for_host);
  } else {
    wr_plan_submit(&plan, true);
  }
  for (size_t i = 0; i < n; i++) wait_over(nodes[i]);
}

static struct wr_error *eval(struct wr_node *const *nodes, size_t n, bool for_host) {
  struct wr_request *request = request_for(nodes, n);
  struct wr_error *error = wr_force_check(request, nodes, n);
  if (!error && request) error = eval_in(request, nodes, n);
  if (error) return error;
  if (!request) eval_alone(nodes, n, for_host);
  wr_audit_forced(nodes, n);
  return first_error(nodes, n);
}

/* Waits until all that the call submits, and all that this needs, stands in queues. So what the
   caller submits next comes behind it (O1), also an event that another stream waits for, and all
   appends have one order (internal.h). Mostly it stands there already. Where another planner has
   claimed a part and is still walking, this waits until that one has submitted it: which waits for
   nobody, and this thread holds no claim. */
static void wait_submitted(struct wr_node *const *nodes, size_t n) {
  for (size_t i = 0; i < n; i++) {
    struct wr_completion *c = &nodes[i]->completion;
    if (wr_completion_phase(c) < WR_PHASE_SUBMITTED) wr_completion_park(c, WR_PHASE_SUBMITTED);
  }
}

static void wait_submitted_in(struct wr_request *request, struct wr_node *const *nodes, size_t n) {
  for (size_t i = 0; i < n; i++) {
    struct wr_completion *c = &nodes[i]->completion;
    if (wr_completion_phase(c) >= WR_PHASE_SUBMITTED) continue;
    wr_completion_park_in(request, c, WR_PHASE_SUBMITTED);
  }
}

static void submit_brief(struct wr_plan *plan) {
  struct wr_node *last = plan->order.items[plan->order.count - 1];
  struct wr_stream *stream = wr_stream_retain(last->stream);
  const int before = wr_cancel_off(); /* the thread may drain */
  plan->brief = true;
  plan->stream = stream;
  plan->begins = wr_stream_is_at_once(stream);
  plan->at_once = plan->begins && plan->request && may_begin_at_once(plan);
  wr_plan_submit(plan, false);
  if (!wr_completion_over(&last->completion)) wr_stream_run_brief(stream);
  wr_cancel_restore(before);
  wr_stream_release(stream);
}

/* The first error of what it needs that is known already, a reference. */
static struct wr_error *submit_plan(struct wr_plan *plan) {
  struct wr_error *failed = plan->failed;
  if (is_brief(plan)) {
    submit_brief(plan);
  } else {
    wr_plan_submit(plan, true);
  }
  return failed;
}

static struct wr_error *submit_once(struct wr_request *request, struct wr_node *const *nodes,
                                    size_t n, bool *begun, bool *again) {
  struct wr_submission *submission = NULL;
  struct wr_error *error = wr_submission_new(request, &submission);
  *again = false;
  if (error) return error;
  *begun = true;
  struct wr_plan plan;
  wr_plan_make(&plan, nodes, n);
  plan.submission = submission;
  struct wr_error *failed = submit_plan(&plan);
  wait_submitted_in(request, nodes, n);
  if (!failed) failed = wr_request_error(request);
  if (!failed) return budget_error(submission, WR_PHASE_SUBMITTED, nodes, n, again);
  wr_submission_release(submission);
  return failed;
}

static struct wr_error *submit_in(struct wr_request *request, struct wr_node *const *nodes,
                                  size_t n, bool *begun) {
  struct wr_error *error;
  bool again;
  do error = submit_once(request, nodes, n, begun, &again);
  while (again);
  return error;
}

static struct wr_error *submit_alone(struct wr_node *const *nodes, size_t n) {
  struct wr_plan plan;
  wr_plan_make(&plan, nodes, n);
  struct wr_error *failed = submit_plan(&plan);
  wait_submitted(nodes, n);
  return failed;
}

/* ---- room (stream/limit.h) ---- */

/* The streams with limits on which the lazy ones of the nodes were recorded; a reference each. */
static bool limited_streams(struct wr_ptrs *streams, struct wr_node *const *nodes, size_t n) {
  for (size_t i = 0; i < n; i++) {
    if (wr_completion_phase(&nodes[i]->completion) != WR_PHASE_LAZY) continue;
    struct wr_stream *s = wr_stream_with_id(nodes[i]->stream_id);
    bool is_new = s && wr_limit_is_used(s);
    for (size_t k = 0; is_new && k < streams->count; k++) is_new = streams->items[k] != s;
    if (!is_new) {
      wr_stream_release(s);
    } else if (!wr_ptrs_push(streams, s)) {
      wr_stream_release(s);
      return false;
    }
  }
  return true;
}

static void leave_first(const struct wr_ptrs *streams, size_t n) {
  for (size_t i = 0; i < n; i++) wr_limit_leave(streams->items[i]);
}

/* Comes into all of them, or into none: while it waits for one it is in no other. That one is the
   first then. */
static struct wr_error *come_in(struct wr_ptrs *streams, struct wr_request *request, bool waits) {
  size_t in = 0;
  while (in < streams->count) {
    struct wr_stream *next = streams->items[in];
    if (wr_limit_try(next)) {
      in++;
      continue;
    }
    leave_first(streams, in);
    if (!waits) return wr_limit_error(next);
    streams->items[in] = streams->items[0];
    streams->items[0] = next;
    struct wr_error *error = wr_limit_enter(next, request);
    if (error) return error;
    in = 1;
  }
  return NULL;
}

static struct wr_error *find_room(struct wr_ptrs *streams, struct wr_node *const *nodes, size_t n,
                                  struct wr_request *request, bool waits) {
  /* Relaxed: a limit that is set at this moment may come after this call. */
  if (!wr_load_relaxed(&wr_limits_are_used)) return NULL;
  if (!limited_streams(streams, nodes, n)) return wr_error_out_of_memory();
  return come_in(streams, request, waits);
}

static void leave_room(struct wr_ptrs *streams, bool is_in) {
  if (is_in) leave_first(streams, streams->count);
  for (size_t i = 0; i < streams->count; i++) wr_stream_release(streams->items[i]);
  wr_ptrs_free(streams);
}

/* *begun becomes true unless the error means that nothing was submitted. */
static struct wr_error *async_eval(struct wr_node *const *nodes, size_t n, bool waits,
                                   bool *begun) {
  struct wr_ptrs streams = {0};
  struct wr_request *request = request_for(nodes, n);
  struct wr_error *error = wr_force_check(request, nodes, n);
  if (!error) error = wr_request_check(request);
  if (!error) error = find_room(&streams, nodes, n, request, waits);
  const bool is_in = !error;
  *begun = is_in && !request;
  if (is_in) error = request ? submit_in(request, nodes, n, begun) : submit_alone(nodes, n);
  leave_room(&streams, is_in);
  return error;
}

/* ---- cancellation (K7) ----

   A thread that was cancelled in here would leave claims, a stream that it drains, a GPU whose
   reaper it is, or a waiter on its stack, and others would wait for it for ever. The calls below
   reach code of all kinds (drivers, compilers, the loader, files, OpenBLAS), any of which may be a
   cancellation point. So from the first claim to the last look at the result the thread cannot be
   cancelled; a request that comes meanwhile is acted upon after the call. That costs some
   nanoseconds for each forcing. What runs on the library's own threads is nobody's to cancel. */

/* For the timeline; 0: no trace runs. */
static uint64_t begin_span(void) {
  const uint64_t begin = wr_timeline_begin();
  if (begin) wr_timeline_put_request(wr_request_current());
  return begin;
}

static struct wr_error *eval_whole(struct wr_node *const *nodes, size_t n, bool for_host) {
  int before = wr_cancel_off();
  const uint64_t begin = begin_span();
  struct wr_error *error = eval(nodes, n, for_host);
  wr_timeline_put_span(WR_SPAN_EVAL, begin, (uint32_t)n, NULL);
  wr_cancel_restore(before);
  return error;
}

/* *begun as of async_eval. */
static struct wr_error *async_eval_whole(struct wr_node *const *nodes, size_t n, bool waits,
                                         bool *begun) {
  int before = wr_cancel_off();
  const uint64_t begin = begin_span();
  struct wr_error *error = async_eval(nodes, n, waits, begun);
  wr_timeline_put_span(WR_SPAN_ASYNC, begin, (uint32_t)n, NULL);
  wr_cancel_restore(before);
  return error;
}

struct wr_error *wr_eval(struct wr_node *const *nodes, size_t n) {
  return eval_whole(nodes, n, false);
}

struct wr_error *wr_async_eval(struct wr_node *const *nodes, size_t n) {
  bool begun;
  return async_eval_whole(nodes, n, true, &begun);
}

struct wr_error *wr_try_async_eval(struct wr_node *const *nodes, size_t n) {
  bool begun;
  return async_eval_whole(nodes, n, false, &begun);
}

struct wr_error *wr_async_eval_begin(struct wr_node *const *nodes, size_t n) {
  bool begun;
  struct wr_error *error = async_eval_whole(nodes, n, false, &begun);
  if (!begun) return error;
  wr_error_release(error);
  return NULL;
}

struct wr_error *wr_node_force_for_host(struct wr_node *node) {
  if (wr_completion_over(&node->completion)) return wr_node_force(node);
  return eval_whole(&node, 1, true); /* the bytes right behind, where that can be */
}

struct wr_error *wr_node_force(struct wr_node *node) {
  if (!wr_completion_over(&node->completion)) return wr_eval(&node, 1);
  struct wr_error *error = wr_thread_check();
  return error ? error : first_error(&node, 1);
}
