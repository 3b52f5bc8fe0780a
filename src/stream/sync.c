/* Markers. A marker is a task that stands in a stream's queue and computes nothing; it is over when
   all that was submitted before it is over, also on a device that works asynchronously.
   Synchronizing, and waiting for a stream, is to append a marker and to wait for it. A marker never
   fails: that work before it has failed does not reach it. Lock: EVENT, each marker's own, for
   waits with a deadline; no thread waits for anything else while it holds it. */

#include <stdio.h>

#include "base/base.h"
#include "stream/dump.h"
#include "stream/internal.h"
#include "stream/request.h"
#include "stream/timeline.h"

/* How long a worker may take to come to a stream before a waiting thread asks for a reliever, and
   the longest time until it asks again; in between that time doubles. */
enum { LATE_NS = 2 * 1000 * 1000, LONGEST_NS = 64 * 1000 * 1000 };

struct wr_marker {
  struct wr_task task;
  struct wr_completion_hook hook;
  struct wr_completion completion;
  struct wr_waiter behind;  /* of one that stands in no queue */
  wr_atomic_u64 number;     /* atomic ACQ_REL: among its encoder's commands; 0: not encoded */
  wr_atomic_u32 refs;       /* atomic ACQ_REL */
  void (*then)(void *data); /* immutable after publish; or NULL */
  void *data;               /* immutable after publish */
  uint64_t since;           /* immutable after publish: when it was submitted, by wr_clock_ns */
  uint64_t time;            /* when it was over, by wr_clock_ns; written before the completion is */
  struct wr_mutex lock;
  struct wr_cond wake;      /* with LOCK */
  bool over;                /* under LOCK */
  struct wr_stream *stream; /* under LOCK; one reference until it is over */
};

struct wr_marker *wr_marker_retain(struct wr_marker *m) {
  wr_ref_take(&m->refs);
  return m;
}

void wr_marker_release(struct wr_marker *m) {
  if (!m || !wr_ref_drop(&m->refs)) return;
  wr_stream_release(m->stream);
  wr_cond_destroy(&m->wake);
  wr_mutex_destroy(&m->lock);
  wr_free(m);
}

static void marker_over(struct wr_completion_hook *hook, struct wr_error *error) {
  struct wr_marker *m = WR_CONTAINER_OF(hook, struct wr_marker, hook);
  wr_error_release(error);
  m->time = wr_clock_ns();
  wr_completion_finish(&m->completion, WR_PHASE_DONE);
  wr_mutex_lock(&m->lock);
  struct wr_stream *stream = m->stream;
  m->stream = NULL;
  m->over = true;
  wr_cond_broadcast(&m->wake);
  wr_mutex_unlock(&m->lock);
  wr_stream_release(stream);
  if (m->then) m->then(m->data);
  wr_marker_release(m);
}

static enum wr_step marker_run(struct wr_task *task, struct wr_stream *stream,
                               struct wr_drain *drain) {
  (void)drain;
  struct wr_marker *m = wr_marker_retain(WR_CONTAINER_OF(task, struct wr_marker, task));
  const struct wr_backend *backend = stream->backend;
  const struct wr_async_device *async = backend->async;
  struct wr_error *error = NULL;
  if (backend->encode_marker(stream->encoder, &m->hook, &error) == WR_ENCODE_DONE) {
    marker_over(&m->hook, error);
  } else if (async && async->encode_wait) {
    /* Release: the marker is in the device's queue. */
    wr_store_release(&m->number, async->last_number(stream->encoder));
  }
  wr_marker_release(m); /* the reference that kept it, in case it was over at once */
  return WR_STEP_DONE;
}

/* Acquire: pairs with the drainer's release. */
uint64_t wr_marker_number(const struct wr_marker *m) {
  return wr_load_acquire(&((struct wr_marker *)m)->number);
}

struct wr_marker *wr_marker_new(void (*then)(void *data), void *data) {
  struct wr_marker *m = wr_alloc(sizeof *m);
  if (!m) return NULL;
  *m = (struct wr_marker){
      .task = {.run = marker_run, .is_marker = true, .is_brief = true, .is_quick = true},
      .hook = {.fn = marker_over},
      .then = then,
      .data = data};
  wr_store_relaxed(&m->refs, 1u);
  wr_completion_init(&m->completion, WR_PHASE_LAZY);
  (void)wr_completion_claim(&m->completion, 0);
  (void)wr_completion_mark_submitted(&m->completion);
  wr_mutex_init(&m->lock, WR_RANK_EVENT);
  wr_cond_init(&m->wake);
  return m;
}

struct wr_marker *wr_marker_new_over(void) {
  struct wr_marker *m = wr_marker_new(NULL, NULL);
  if (!m) return NULL;
  m->time = wr_clock_ns();
  m->over = true;
  (void)wr_completion_finish(&m->completion, WR_PHASE_DONE);
  return m;
}

void wr_marker_submit(struct wr_marker *m, struct wr_stream *stream, bool schedule) {
  m->stream = wr_stream_retain(stream);
  m->since = wr_clock_ns();
  m->task.wants = wr_request_urgency(wr_request_current());
  wr_stream_submit(stream, &wr_marker_retain(m)->task, false, NULL);
  if (schedule) wr_stream_run_brief(stream);
}

struct wr_completion *wr_marker_completion(struct wr_marker *m) {
  return &m->completion;
}

struct wr_stream *wr_marker_stream(struct wr_marker *m) {
  wr_mutex_lock(&m->lock);
  struct wr_stream *stream = m->stream ? wr_stream_retain(m->stream) : NULL;
  wr_mutex_unlock(&m->lock);
  return stream;
}

uint64_t wr_marker_time(const struct wr_marker *m) { return m->time; }

bool wr_marker_passed(const struct wr_marker *m) {
  return wr_completion_over(&m->completion) || wr_completion_lost(&m->completion);
}

/* Where the system refuses to start a worker, the waiting thread drains itself; a command may keep
   it past its deadline then. */
static void help_without_workers(struct wr_marker *m) {
  struct wr_stream *stream = wr_pool_ensure_worker() ? NULL : wr_marker_stream(m);
  if (!stream) return;
  wr_stream_help(stream, &m->completion);
  wr_stream_release(stream);
}

void wr_marker_hurry(struct wr_marker *m) {
  if (!wr_pool_has_ready() || wr_clock_ns() - m->since < LATE_NS) return;
  struct wr_stream *stream = wr_marker_stream(m);
  if (stream && wr_stream_is_stranded(stream)) wr_pool_relieve(m);
  wr_stream_release(stream);
}

static bool is_due(struct wr_request *request) { return request && wr_request_is_due(request); }

/* The earlier one of the two; the request's may be moved, and then the thread is woken. */
static uint64_t earlier_end(uint64_t deadline_ns, struct wr_request *request) {
  uint64_t its = request ? wr_request_deadline(request) : WR_NO_DEADLINE;
  return its < deadline_ns ? its : deadline_ns;
}

static bool wait_until(struct wr_marker *m, uint64_t deadline_ns, struct wr_request *request) {
  bool in_time = true;
  wr_mutex_lock(&m->lock);
  while (!m->over && in_time && !is_due(request)) {
    uint64_t until = earlier_end(deadline_ns, request);
    if (!wr_cond_wait_until(&m->wake, &m->lock, until)) in_time = until < deadline_ns;
  }
  bool over = m->over;
  wr_mutex_unlock(&m->lock);
  return over;
}

/* Asks for a reliever again from time to time: a thread that drained the stream may have left it to
   the pool meanwhile. */
static bool wait_late(struct wr_marker *m, uint64_t deadline_ns, struct wr_request *request) {
  for (uint64_t step = LATE_NS;; step = step < LONGEST_NS ? step * 2 : step) {
    help_without_workers(m);
    wr_marker_hurry(m);
    uint64_t next = wr_clock_ns() + step;
    if (next >= deadline_ns) return wait_until(m, deadline_ns, request);
    if (wait_until(m, next, request)) return true;
    if (is_due(request)) return false;
  }
}

static bool marker_wait(struct wr_marker *m, uint64_t deadline_ns, struct wr_request *request) {
  help_without_workers(m);
  wr_marker_hurry(m);
  uint64_t late = wr_clock_ns() + LATE_NS;
  if (late >= deadline_ns) return wait_until(m, deadline_ns, request);
  if (wait_until(m, late, request)) return true;
  wr_pool_count_waiting(1);
  bool over = wait_late(m, deadline_ns, request);
  wr_pool_count_waiting(-1);
  return over;
}

/* What a request waits for is as urgent as it is (R5). */
static void raise_for(struct wr_request *request, struct wr_marker *m) {
  const struct wr_urgency urgency = wr_request_urgency(request);
  if (!urgency.class && !urgency.deadline) return;
  struct wr_stream *stream = wr_marker_stream(m);
  wr_stream_raise(stream, urgency);
  wr_stream_release(stream);
}

static bool marker_wait_in(struct wr_marker *m, uint64_t deadline_ns, struct wr_request *request) {
  struct wr_request_sleeper sleeper = {.lock = &m->lock, .wake = &m->wake};
  if (!request) return marker_wait(m, deadline_ns, NULL);
  raise_for(request, m);
  wr_request_sleep_begin(request, &sleeper);
  bool over = marker_wait(m, deadline_ns, request);
  wr_request_sleep_end(request, &sleeper);
  return over;
}

/* Where the request was due and its deadline has just been moved, the wait goes on. */
static bool wait_in(struct wr_marker *m, uint64_t deadline_ns, struct wr_request *request) {
  bool over, goes_on;
  do {
    over = marker_wait_in(m, deadline_ns, request);
    goes_on = !over && request && !wr_request_ended(request) && wr_clock_ns() < deadline_ns;
  } while (goes_on);
  return over;
}

/* The thread may drain (help_without_workers), so it cannot be cancelled. */
bool wr_marker_wait(struct wr_marker *m, uint64_t deadline_ns, struct wr_request *request) {
  /* In the child of a fork nobody may be there to set `over`, or to let go of the lock. */
  if (wr_marker_passed(m)) return true;
  int before = wr_cancel_off();
  const uint64_t begin = wr_timeline_begin();
  struct wr_stream *stream = wr_marker_stream(m);
  struct wr_doing *doing = wr_doing_begin(WR_DOING_WAIT, &m->completion, stream, NULL);
  bool over = wait_in(m, deadline_ns, request);
  wr_doing_end(doing);
  wr_timeline_put_span(WR_SPAN_SLEEP, begin, 0, stream);
  wr_stream_release(stream);
  wr_cancel_restore(before);
  return over;
}

/* ---- for weir_dump ---- */

static void tell_task(const void *task, struct wr_dump_work *told) {
  (void)task;
  snprintf(told->what, sizeof told->what, "a marker");
}

bool wr_marker_peek_stream(const struct wr_marker *m, struct wr_stream **stream) {
  return wr_peek((void *)stream, &m->stream, sizeof *stream) && *stream;
}

static struct wr_dump_kind task_kind = {.key = (void (*)(void))marker_run, .tell = tell_task};
static struct wr_dump_kind hook_kind = {.key = (void (*)(void))marker_over, .tell = tell_task};
__attribute__((constructor)) static void let_know(void) {
  wr_dump_know(&task_kind);
  wr_dump_know(&hook_kind);
}

/* ---- waiting for a stream ---- */

static struct wr_error *synchronize(struct wr_stream *stream) {
  struct wr_marker *m = wr_marker_new(NULL, NULL);
  if (!m) return wr_error_out_of_memory();
  wr_marker_submit(m, stream, false);
  wr_stream_help(stream, &m->completion);
  wr_marker_release(m);
  return NULL;
}

/* Not to be cancelled, as a thread that forces (graph/force.c): it may drain. */
struct wr_error *wr_stream_synchronize(struct wr_stream *stream) {
  int before = wr_cancel_off();
  struct wr_error *error = synchronize(stream);
  wr_cancel_restore(before);
  return error;
}

/* Without draining, so that the end of the request is seen in time. */
struct wr_error *wr_stream_synchronize_in_request(struct wr_stream *stream) {
  struct wr_request *request = wr_request_current();
  if (!request) return wr_stream_synchronize(stream);
  struct wr_error *error = wr_request_check(request);
  if (error) return error;
  struct wr_marker *m = wr_marker_new(NULL, NULL);
  if (!m) return wr_error_out_of_memory();
  wr_marker_submit(m, stream, true);
  if (!wr_marker_wait(m, UINT64_MAX, request)) error = wr_request_error(request);
  wr_marker_release(m);
  return error;
}

/* ---- waiting in a request ---- */

static void behind_over(struct wr_waiter *waiter) {
  struct wr_marker *m = WR_CONTAINER_OF(waiter, struct wr_marker, behind);
  marker_over(&m->hook, NULL);
}

struct wr_marker *wr_marker_behind(struct wr_completion *c, enum wr_phase want,
                                   struct wr_stream *stream) {
  struct wr_marker *m = wr_marker_new(NULL, NULL);
  if (!m) return NULL;
  m->stream = stream ? wr_stream_retain(stream) : NULL;
  m->since = wr_clock_ns();
  m->behind = (struct wr_waiter){.want = want, .fire = behind_over};
  (void)wr_marker_retain(m); /* the waiter's */
  wr_completion_await(c, &m->behind);
  return m;
}

static void sleep_in(struct wr_request *request, struct wr_stream *stream,
                     struct wr_completion *c) {
  struct wr_marker *m = wr_marker_behind(c, WR_PHASE_DONE, stream);
  if (!m) {
    wr_stream_help(stream, c); /* refused memory: it may wait longer than the request lasts */
    return;
  }
  const bool in_users_code = wr_in_users_code();
  if (in_users_code) wr_blocking_waits(true);
  (void)wr_marker_wait(m, UINT64_MAX, request);
  if (in_users_code) wr_blocking_waits(false);
  wr_marker_release(m);
}

/* What another planner has claimed; where memory is refused it may wait longer than the request
   lasts. */
void wr_completion_park_in(struct wr_request *request, struct wr_completion *c,
                           enum wr_phase want) {
  struct wr_marker *m = wr_marker_behind(c, want, NULL);
  if (m) {
    (void)wr_marker_wait(m, UINT64_MAX, request);
  } else {
    wr_completion_park(c, want);
  }
  wr_marker_release(m);
}

/* Who would have drained the stream may leave before: the pool gets it. */
void wr_stream_help_in(struct wr_request *request, struct wr_stream *stream,
                       struct wr_completion *c) {
  wr_stream_help_awake(stream, c, request);
  if (wr_completion_over(c)) return; /* who drained it has left nothing behind */
  wr_stream_kick(stream);
  if (!wr_completion_over(c) && !wr_request_ended(request)) sleep_in(request, stream, c);
}

/* If a marker stands last in the queue, that one, with a reference; else NULL. It does for every
   wait that comes before anything else is submitted. So a program that waits with short timeouts
   again and again, for a stream that does not come on, does not fill its queue with markers. */
static struct wr_marker *last_marker(struct wr_stream *stream) {
  struct wr_marker *m = NULL;
  wr_mutex_lock(&stream->lock);
  if (stream->tail && stream->tail->run == marker_run) {
    m = wr_marker_retain(WR_CONTAINER_OF(stream->tail, struct wr_marker, task));
  }
  wr_mutex_unlock(&stream->lock);
  return m;
}

struct wr_error *wr_stream_wait(struct wr_stream *stream, uint64_t deadline_ns) {
  struct wr_marker *m = last_marker(stream);
  if (m) {
    wr_stream_kick(stream);
  } else {
    m = wr_marker_new(NULL, NULL);
    if (!m) return wr_error_out_of_memory();
    wr_marker_submit(m, stream, true);
  }
  bool over = wr_marker_wait(m, deadline_ns, wr_request_current());
  wr_marker_release(m);
  if (over) return NULL;
  struct wr_error *ended = wr_request_error(wr_request_current());
  if (ended) return ended;
  char text[WR_STREAM_TEXT];
  return wr_error_new(WEIR_ERROR_TIMEOUT, "%s still has work", wr_stream_describe(stream, text));
}

/* ---- callbacks ---- */

static void stream_idle(void *call) { wr_reclaimer_post(call); }

struct wr_error *wr_stream_on_idle(struct wr_stream *stream, void (*fn)(void *), void *data) {
  struct wr_callback *call;
  struct wr_error *error = wr_reclaimer_reserve(fn, data, "callback when a stream is idle", &call);
  if (error) return error;
  struct wr_marker *m = wr_marker_new(stream_idle, call);
  if (!m) {
    wr_free(call);
    return wr_error_out_of_memory();
  }
  wr_marker_submit(m, stream, true);
  wr_marker_release(m);
  return NULL;
}
