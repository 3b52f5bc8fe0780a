/* Streams: counted objects with a queue of tasks that some thread drains, one at a time. Order is
   the order of the appends under the stream's lock (O1). No function here waits while it holds a
   lock. Locks: STREAM (each stream's own), and below it the pool's. */

#include "stream/stream.h"

#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "base/floats.h"
#include "stream/deadline.h"
#include "stream/internal.h"
#include "stream/policy.h"
#include "stream/request.h"
#include "stream/timeline.h"

/* ---- life ---- */

static struct wr_error *stream_init(struct wr_stream *s, struct wr_device device) {
  s->backend = wr_backend_for(device.type);
  s->device = device;
  wr_policy_fix();
  if (wr_policy_checked()) wr_store_relaxed(&s->owner, wr_thread_self());
  int before = wr_cancel_off(); /* a driver is opened */
  struct wr_error *error = s->backend->encoder_new(device.index, &s->encoder);
  wr_cancel_restore(before);
  if (error) return error;
  wr_kind_begin(&s->refs.kind, WR_KIND_STREAM);
  wr_store_relaxed(&s->refs.count, 1u);
  wr_mutex_init(&s->lock, WR_RANK_STREAM);
  s->wake = wr_stream_waiter();
  wr_store_relaxed(&s->class_now, (uint32_t)WR_CLASS_NORMAL);
  if (wr_registry_add(s)) return NULL;
  wr_mutex_destroy(&s->lock);
  s->backend->encoder_free(s->encoder);
  return wr_error_out_of_memory();
}

struct wr_error *wr_stream_new(struct wr_device device, struct wr_stream **out) {
  wr_stream_start_once();
  wr_timeline_start_asked();
  struct wr_error *error = wr_thread_check();
  if (!error) error = wr_device_check(device);
  if (error) return error;
  struct wr_stream *s = wr_calloc(sizeof *s);
  if (!s) return wr_error_out_of_memory();
  error = stream_init(s, device);
  if (error) {
    wr_free(s);
    return error;
  }
  if (wr_timeline_on()) wr_timeline_put_stream(s, NULL);
  *out = s;
  return NULL;
}

/* The last reference is gone: tasks hold references through what they work on, so the queue is
   empty and nobody drains. Nothing here blocks. */
void wr_stream_free_slow(struct wr_stream *s) {
  WR_ASSERT(!s->head && !s->blocked_by);
  wr_registry_remove(s);
  s->backend->encoder_free(s->encoder);
  wr_mutex_destroy(&s->lock);
  wr_free(s->label);
  wr_kind_end(&s->refs.kind);
  wr_free(s);
}

static void retain_found(struct wr_stream *s, void *found) {
  if (wr_stream_retain_if_alive(s)) *(struct wr_stream **)found = s;
}

struct wr_stream *wr_stream_with_id(uint64_t id) {
  struct wr_stream *found = NULL;
  wr_registry_visit(id, retain_found, &found);
  return found;
}

bool wr_stream_retain_if_alive(struct wr_stream *s) {
  uint64_t found = wr_load_relaxed(&s->refs.count);
  while (found != 0) {
    /* As wr_ref_take: the table, whose lock is held, published what is behind it. */
    if (wr_cas_weak_release(&s->refs.count, &found, found + 1)) return true;
  }
  return false;
}

struct wr_device wr_stream_device(const struct wr_stream *stream) {
  return stream->device;
}
int wr_stream_index(const struct wr_stream *stream) { return stream->index; }
uint64_t wr_stream_id(const struct wr_stream *stream) { return stream->id; }

char *wr_stream_describe(struct wr_stream *s, char *text) {
  const char *type = s->device.type == WR_DEVICE_CPU ? "cpu" : "gpu";
  wr_mutex_lock(&s->lock);
  if (s->label) {
    snprintf(text, WR_STREAM_TEXT, "stream %d \"%s\" (%s:%d)", s->index, s->label, type,
             s->device.index);
  } else {
    snprintf(text, WR_STREAM_TEXT, "stream %d (%s:%d)", s->index, type, s->device.index);
  }
  wr_mutex_unlock(&s->lock);
  return text;
}

struct wr_error *wr_stream_set_label(struct wr_stream *s, const char *label) {
  size_t length = label ? strnlen(label, WR_STREAM_LABEL) : 0;
  if (length == WR_STREAM_LABEL) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "label is longer than %d bytes",
                        WR_STREAM_LABEL - 1);
  }
  char *copy = NULL;
  if (label) {
    copy = wr_alloc(length + 1);
    if (!copy) return wr_error_out_of_memory();
    memcpy(copy, label, length + 1);
  }
  wr_mutex_lock(&s->lock);
  char *old = s->label;
  s->label = copy;
  if (wr_timeline_on()) wr_timeline_put_stream(s, copy);
  wr_mutex_unlock(&s->lock);
  wr_free(old);
  if (s->backend->label) s->backend->label(s->encoder, label);
  return NULL;
}

struct wr_encoder *wr_stream_encoder(const struct wr_stream *stream) {
  return stream->encoder;
}

const struct wr_backend *wr_stream_backend(const struct wr_stream *stream) {
  return stream->backend;
}

void wr_stream_count(struct wr_stream_counts *counts) {
  counts->live_streams = wr_registry_live();
  counts->workers = wr_pool_workers();
  counts->helpers = wr_reclaimer_threads() + wr_pool_relievers() + wr_blocking_threads() +
                    wr_timeline_threads() + wr_deadline_threads();
  counts->pooled = 0;
  for (int type = 0; type < WR_DEVICE_TYPE_COUNT; type++) {
    const struct wr_backend *backend = wr_backend_for((enum wr_device_type)type);
    const struct wr_async_device *async = backend->async;
    if (async && async->threads) counts->helpers += async->threads();
    if (async && async->pooled) counts->pooled += async->pooled();
  }
}

/* ---- submitting ---- */

/* A stream that has used less than FRESH_NS lately is fresh, and goes first (ready.h). The time
   that it uses is added to its debt. While it has nothing to do, the debt falls by a PAY_BACK-th of
   the time that passes. While it is ready and waits it does not fall: where there are many streams,
   each waits for long, and all of them would become fresh. The debt never grows beyond MOST_NS, so
   half a second without work always makes a stream fresh again. */
enum {
  FRESH_NS = WR_TORTURED ? 20 * 1000 : 500 * 1000,
  PAY_BACK = 32,
  MOST_NS = PAY_BACK * FRESH_NS,
  BRIEF_NS = FRESH_NS / 16
};

static void pay_back_locked(struct wr_stream *s, uint64_t now) {
  uint64_t paid = (now - s->debt_at) / PAY_BACK;
  s->debt_ns = s->debt_ns > paid ? s->debt_ns - paid : 0;
  s->debt_at = now;
}

static void charge_locked(struct wr_stream *s, uint64_t used, uint64_t now) {
  s->debt_ns = s->debt_ns + used < MOST_NS ? s->debt_ns + used : MOST_NS;
  s->debt_at = now;
}

/* For a stream that has had nothing to do until now. Reads the clock only where there is a debt. */
static enum wr_wear wear_locked(struct wr_stream *s) {
  if (s->debt_ns >= FRESH_NS) pay_back_locked(s, wr_clock_ns());
  return s->debt_ns < FRESH_NS ? WR_FRESH : WR_WORN;
}

void wr_stream_ready_locked(struct wr_stream *s) {
  s->state = WR_STREAM_READY;
  s->began = wr_clock_coarse_ns();
  s->urgency.listed_as = wr_urgency_locked(s);
  wr_pool_push(s, wear_locked(s), s->urgency.listed_as, !wr_stream_poke_locked(s));
}

static void append_locked(struct wr_stream *s, struct wr_task *task) {
  task->next = NULL;
  if (s->head) {
    s->tail->next = task;
  } else {
    s->head = task;
  }
  s->tail = task;
}

bool wr_stream_append(struct wr_stream *stream, struct wr_task *task, bool schedule,
                      void (*appended)(struct wr_task *task)) {
  wr_mutex_lock(&stream->lock);
  append_locked(stream, task);
  bool raises = wr_urgency_append_locked(stream, task);
  if (appended) appended(task);
  if (schedule && stream->state == WR_STREAM_IDLE) wr_stream_ready_locked(stream);
  wr_mutex_unlock(&stream->lock);
  return raises;
}

void wr_stream_submit(struct wr_stream *stream, struct wr_task *task, bool schedule,
                      void (*appended)(struct wr_task *task)) {
  if (wr_stream_append(stream, task, schedule, appended)) wr_stream_raise_blocker(stream);
}

void wr_stream_kick(struct wr_stream *stream) {
  wr_mutex_lock(&stream->lock);
  if (stream->state == WR_STREAM_IDLE && stream->head) wr_stream_ready_locked(stream);
  wr_mutex_unlock(&stream->lock);
}

/* What the device has reported is asked without the lock, since who else asks it may be inside the
   driver, which this stream's other callers do not wait for. It only grows, and nothing that is
   encoded meanwhile is asked for. */
bool wr_stream_is_over(struct wr_stream *s) {
  const struct wr_async_device *async = s->backend->async;
  if (async && !async->is_over) return false;
  wr_mutex_lock(&s->lock);
  const bool idle = s->state == WR_STREAM_IDLE && !s->head;
  const uint64_t last = idle && async ? async->last_number(s->encoder) : 0;
  wr_mutex_unlock(&s->lock);
  return idle && (!async || async->is_over(s->encoder, last));
}

/* Commands that a device has accepted stand in no queue; only the counts know of them. A stream
   whose drainer is about to leave, with nothing more to run, counts as idle: the caller may have
   waited for the last marker, which is over before the drainer has left. */
bool wr_stream_idle(struct wr_stream *stream) {
  struct wr_stream_numbers n;
  (void)wr_pool_ensure_worker();
  wr_stream_numbers(stream, &n);
  wr_mutex_lock(&stream->lock);
  bool drained =
      stream->state == WR_STREAM_IDLE || (stream->state == WR_STREAM_RUNNING && !stream->in_work);
  bool idle = drained && !stream->head;
  wr_mutex_unlock(&stream->lock);
  return idle && n.queued + n.running == 0;
}

/* ---- numbers ---- */

void wr_stream_note_submitted(struct wr_stream *s, uint64_t n) {
  wr_fetch_add_relaxed(&s->submitted, n);
}

void wr_stream_note_taken_back(struct wr_stream *s, uint64_t n) {
  wr_fetch_sub_seq_cst(&s->submitted, n); /* seq_cst: for limit.c */
}

void wr_stream_note_finished(struct wr_stream *s, bool failed, uint64_t bytes) {
  /* Seq_cst: for limit.c. */
  (void)wr_fetch_add_seq_cst(failed ? &s->failed : &s->done, UINT64_C(1));
  if (bytes) wr_fetch_add_relaxed(&s->bytes, bytes);
}

/* `finished` is read before `submitted`, which falls only where something is taken back. */
void wr_stream_numbers(struct wr_stream *s, struct wr_stream_numbers *n) {
  *n = (struct wr_stream_numbers){.done = wr_load_relaxed(&s->done),
                                  .failed = wr_load_relaxed(&s->failed),
                                  .bytes = wr_load_relaxed(&s->bytes),
                                  .busy_ns = wr_load_relaxed(&s->busy_ns)};
  uint64_t finished = n->done + n->failed;
  uint64_t submitted = wr_load_relaxed(&s->submitted);
  uint64_t left = submitted > finished ? submitted - finished : 0;
  wr_mutex_lock(&s->lock);
  n->running = s->state == WR_STREAM_RUNNING && left > 0 ? 1 : 0;
  wr_mutex_unlock(&s->lock);
  n->queued = left - n->running;
}

/* ---- draining ---- */

/* Asked after each command, since a single one may take longer than a turn. */
bool wr_drain_stop(struct wr_drain *drain) {
  if (drain->target) {
    if (wr_completion_settled(drain->target)) return true;
    if (drain->request && wr_request_is_due(drain->request)) return true;
    if (drain->taken && *drain->taken != wr_pool_taken()) return true;
    return drain->unblock && !wr_load_relaxed(&drain->unblock->asleep);
  }
  if (drain->gives_way && wr_pool_has_more_urgent(drain->gives_way)) return true;
  return wr_pool_has_ready() && wr_clock_ns() >= drain->deadline;
}

bool wr_drain_is_brief(const struct wr_drain *drain) { return drain->only_brief; }

static struct wr_task *pop_locked(struct wr_stream *s) {
  struct wr_task *task = s->head;
  s->head = task->next;
  if (!s->head) s->tail = NULL;
  wr_urgency_pop_locked(s, task);
  return task;
}

static void unpop_locked(struct wr_stream *s, struct wr_task *task) {
  task->next = s->head;
  s->head = task;
  if (!s->tail) s->tail = task;
  wr_urgency_unpop_locked(s, task);
}

/* Flushes the device's encoder with the lock released. Meanwhile tasks may be appended, and a
   stream that is about to suspend may be resumed. */
static void flush_unlocked(struct wr_stream *s) {
  if (!s->backend->async) return;
  wr_mutex_unlock(&s->lock);
  s->backend->async->flush(s->encoder);
  wr_mutex_lock(&s->lock);
}

/* The first task blocks: suspends the stream, unless what blocked it is over by now. */
static bool suspend_locked(struct wr_stream *s) {
  if (!s->resumed) flush_unlocked(s);
  if (s->resumed) {
    s->resumed = false;
    return false;
  }
  s->state = WR_STREAM_SUSPENDED;
  s->asleep_since = wr_timeline_begin();
  wr_store_relaxed(&s->asleep, true);
  (void)wr_stream_poke_locked(s);
  return true;
}

static bool is_quick(const struct wr_task *task) { return task->is_quick || task->is_brief; }

/* The first task is one that this drain may run. */
static bool may_run_locked(const struct wr_stream *s, struct wr_drain *drain) {
  if (drain->only_quick && !is_quick(s->head)) return false;
  return !drain->only_brief || (s->head->is_brief && drain->left-- > 0);
}

/* A task frees itself when it is done, so it leaves the queue before it runs. */
static struct wr_task *begin_first_locked(struct wr_stream *s) {
  struct wr_task *task = pop_locked(s);
  s->in_work = !task->is_marker;
  s->current = task;
  s->began = wr_clock_coarse_ns();
  return task;
}

/* Runs a task that was begun; called without the lock, and left with it. */
static enum wr_step run_task(struct wr_stream *s, struct wr_drain *drain, struct wr_task *task) {
  enum wr_step step = task->run(task, s, drain);
  wr_torture_point();
  wr_mutex_lock(&s->lock);
  s->in_work = false;
  s->current = NULL;
  if (step == WR_STEP_DONE) {
    wr_urgency_finish_locked(s);
  } else {
    unpop_locked(s, task);
  }
  return step;
}

/* Runs tasks until the queue is empty, the first one blocks, or the drain stops. With a task that
   was begun already it is called without the lock. False when the stream is suspended. */
static bool run_tasks_locked(struct wr_stream *s, struct wr_drain *drain, struct wr_task *begun) {
  while (begun || (s->head && may_run_locked(s, drain))) {
    struct wr_task *task = begun;
    if (!task) {
      task = begin_first_locked(s);
      wr_mutex_unlock(&s->lock);
    }
    begun = NULL;
    enum wr_step step = run_task(s, drain, task);
    if (step == WR_STEP_YIELD) return true;
    if (step == WR_STEP_BLOCKED && suspend_locked(s)) return false;
    if (step == WR_STEP_DONE && s->head && wr_drain_stop(drain)) return true;
  }
  return true;
}

/* What a drain adds to the stream's debt. For a drain of the pool's it is processor time: if the
   time on the clock counted, a light stream would look busy whenever the system kept its drainer
   from running. Threads that drain for themselves spare the call that asks for processor time: for
   one that waits the time on the clock counts, up to a turn; for brief tasks, BRIEF_NS. */
bool wr_drain_is_by_pool(const struct wr_drain *drain) {
  return !drain->target && !drain->only_brief;
}

static uint64_t used_by(const struct wr_drain *drain, uint64_t elapsed, uint64_t cpu_start) {
  uint64_t most = drain->only_brief ? BRIEF_NS : FRESH_NS;
  if (wr_drain_is_by_pool(drain)) most = wr_cpu_ns() - cpu_start;
  return elapsed < most ? elapsed : most;
}

static void set_running_locked(struct wr_stream *s) {
  s->drained_since = wr_clock_ns();
  if (s->state != WR_STREAM_READY) pay_back_locked(s, s->drained_since);
  s->state = WR_STREAM_RUNNING;
  s->drainer = (uintptr_t)pthread_self();
}

/* The stream is RUNNING, by this thread. Called with the lock held, unless a task was begun, and
   left with it; says what became of the stream. */
static enum wr_drained drain_running(struct wr_stream *s, struct wr_drain *drain,
                                     struct wr_task *begun) {
  const uint64_t cpu_start = wr_drain_is_by_pool(drain) ? wr_cpu_ns() : 0, start = s->drained_since;
  bool live, more, worked = begun;
  do {
    worked = worked || s->head;
    live = run_tasks_locked(s, drain, begun);
    begun = NULL;
    if (live) flush_unlocked(s);
    more = live && s->head && s->backend->async && !wr_drain_stop(drain);
  } while (more);
  uint64_t end = wr_clock_ns();
  /* Relaxed: under LOCK; read without it. */
  wr_store_relaxed(&s->busy_ns, wr_load_relaxed(&s->busy_ns) + (end - start));
  charge_locked(s, used_by(drain, end - start, cpu_start), end);
  if (wr_timeline_on() && worked) wr_timeline_put_span_slow(WR_SPAN_DRAIN, start, end, 0, s);
  if (!live) return WR_DRAIN_SUSPENDED;
  /* A thread that sleeps for the stream may have asked the device before anything was flushed to
     it; now there may be something to wait for, so it is poked. Not where this drain ran nothing:
     the poked thread may be this one, which would drain and poke itself again and again. */
  const struct wr_async_device *async = s->backend->async;
  if (async && async->poll && worked) (void)wr_stream_poke_locked(s);
  s->state = WR_STREAM_IDLE;
  if (s->head) wr_stream_ready_locked(s);
  return WR_DRAINED;
}

static enum wr_drained drain_locked(struct wr_stream *s, struct wr_drain *drain) {
  set_running_locked(s);
  return drain_running(s, drain, NULL);
}

bool wr_stream_is_at_once(const struct wr_stream *s) {
  return !s->backend->async && wr_memory_host_visible(s->backend->memory(s->device.index));
}

/* True when this drain could do nothing: then the stream is left as it is, the pool's or idle. To
   encode for a device may be to compile first, which is not quick. That holds for an empty queue,
   too: it may be empty no more once the device's encoder is flushed (flush_unlocked). */
static bool is_others_locked(const struct wr_stream *s, const struct wr_drain *drain) {
  if (s->state == WR_STREAM_RUNNING) return true;
  return drain->only_quick && (!wr_stream_is_at_once(s) || (s->head && !is_quick(s->head)));
}

/* Relaxed: a hint. */
static bool has_urgency(struct wr_stream *s) { return wr_load_relaxed(&s->has_urgency); }

/* What kernels of this thread belong to from now on. */
static struct wr_thread *begin_drain(struct wr_stream *stream) {
  struct wr_thread *thread = has_urgency(stream) ? wr_thread_own() : wr_thread_here;
  if (!thread) thread = wr_thread_here; /* its kernels are of normal class then */
  if (thread->is_own) thread->drains = stream;
  return thread;
}

/* If the stream was READY, it is taken out of the pool's list: otherwise streams that waiting
   threads have drained would pile up there while all workers are busy. All kernels run inside this
   function, or on a worker that takes slices; so here the caller's floating point environment is
   replaced by the default one, and restored afterwards (T1). */
enum wr_drained wr_stream_drain(struct wr_stream *stream, struct wr_drain *drain) {
  enum wr_drained result = WR_DRAIN_BUSY;
  bool listed = false;
  struct wr_thread *thread = begin_drain(stream);
  wr_mutex_lock(&stream->lock);
  if (stream->state == WR_STREAM_SUSPENDED) {
    result = WR_DRAIN_SUSPENDED;
  } else if (!is_others_locked(stream, drain)) {
    listed = stream->state == WR_STREAM_READY && wr_pool_remove(stream);
    struct wr_floats callers = wr_floats_enter();
    result = drain_locked(stream, drain);
    wr_floats_leave(callers);
  }
  wr_mutex_unlock(&stream->lock);
  if (thread->is_own) thread->drains = NULL;
  if (listed) wr_stream_release(stream); /* not the last reference: the caller holds one */
  return result;
}

/* For brief tasks, of which so many have begun. */
static struct wr_drain brief_drain(int begun) {
  enum { MOST_BRIEF = 8 };
  return (struct wr_drain){.deadline = UINT64_MAX, .only_brief = true, .left = MOST_BRIEF - begun};
}

/* ---- tasks that are begun as they are submitted ---- */

bool wr_stream_begin(struct wr_stream *stream, struct wr_task *task,
                     void (*appended)(struct wr_task *task)) {
  wr_mutex_lock(&stream->lock);
  const bool begins = stream->state == WR_STREAM_IDLE && !stream->head;
  if (begins) {
    append_locked(stream, task);
    (void)wr_urgency_append_locked(stream, task); /* an idle stream is blocked by none */
    appended(task);
    set_running_locked(stream);
    (void)begin_first_locked(stream);
  }
  wr_mutex_unlock(&stream->lock);
  return begins;
}

void wr_stream_run_begun(struct wr_stream *stream, struct wr_task *task,
                         struct wr_completion *target) {
  struct wr_drain drain = {.target = target};
  if (!target) drain = brief_drain(1);
  struct wr_thread *thread = begin_drain(stream);
  struct wr_floats callers = wr_floats_enter();
  (void)drain_running(stream, &drain, task);
  wr_floats_leave(callers);
  wr_mutex_unlock(&stream->lock);
  if (thread->is_own) thread->drains = NULL;
}

/* ---- brief tasks ---- */

/* Runs brief tasks, a bounded number of them, however fast others append more. Afterwards the task
   that was just submitted has run, or it is certain to be run. If the stream is RUNNING, its
   drainer looks for more tasks before it leaves, in the section in which it leaves. If it is
   SUSPENDED, it becomes ready when it is resumed. If it is READY, it stands in the pool's list, or
   a thread that sleeps for it was poked. If it is IDLE, it is drained here, and made ready if tasks
   are left. */
static void run_brief_locked(struct wr_stream *s) {
  struct wr_drain drain = brief_drain(0);
  struct wr_floats callers = wr_floats_enter();
  (void)drain_locked(s, &drain);
  wr_floats_leave(callers);
}

/* The thread may drain, so it cannot be cancelled, as where it forces (graph/force.c). */
void wr_stream_run_brief(struct wr_stream *s) {
  if (!wr_stream_is_at_once(s)) {
    wr_stream_kick(s);
    return;
  }
  int before = wr_cancel_off();
  wr_mutex_lock(&s->lock);
  if (s->state == WR_STREAM_IDLE && s->head) run_brief_locked(s);
  wr_mutex_unlock(&s->lock);
  wr_cancel_restore(before);
}

/* ---- fork (K11) ----

   The child has one thread. What the parent's other threads were draining is half done there, and
   what they waited for or held is on stacks that no longer exist; so nothing of it is looked at.
   All queues begin empty. An array that was submitted in the parent is computed anew when the child
   forces it (graph/plan.c). The tasks in the parent's queues, and the references that they hold,
   are lost to the child. */
void wr_stream_fork_child(struct wr_stream *s, void *unused) {
  (void)unused;
  wr_mutex_init(&s->lock, WR_RANK_STREAM);
  s->head = NULL;
  s->tail = NULL;
  s->state = WR_STREAM_IDLE;
  s->resumed = false;
  s->in_work = false;
  s->current = NULL;
  s->blocked_by = NULL;
  s->sleepers = NULL;
  s->in_ready_list = false;
  wr_urgency_begin_in_child(s);
  wr_limit_begin_in_child(s);
  wr_store_relaxed(&s->asleep, false); /* relaxed, all: the only thread */
  wr_store_relaxed(&s->in_place, 0u);
  s->asleep_since = 0;
  wr_store_relaxed(&s->submitted, wr_load_relaxed(&s->done) + wr_load_relaxed(&s->failed));
}
