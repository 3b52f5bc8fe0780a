/* Encoders: a leased stream of the driver and a queue of the commands in flight on it.

   encode() launches and appends; it never waits. Completion is found out by marks: events on the
   stream that cover all commands up to one. A mark is set after every MARK_EVERY commands, and by
   whoever looks for results and finds commands that no mark covers, so that a lone command costs
   one event and a thousand in a row cost few. Whoever looks (the "reaper" of an encoder, one thread
   at a time, marked by `reaper`) takes the commands of a mark that is over off the queue and calls
   their hooks in order, with no lock held. That is a thread that waits for a result (poll), or else
   the GPU's own thread, which looks at all encoders with work in flight and sleeps in between.

   An encoder is counted: its owner's reference, and one of each thread that reaps it, since a hook
   may drop the owner's. When the last is gone its stream goes back to a bounded pool. Lock: the
   GPU's. */

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>

#include "backend/cuda/kernel.h"

enum {
  MARK_EVERY = 16,
  SPIN_NS = 400 * 1000,   /* a waiting thread looks that long, then sleeps */
  NAP_MIN_NS = 20 * 1000, /* the GPU's thread, between two looks */
  NAP_MAX_NS = 500 * 1000,
  NAP_EAGER_NS = 40 * 1000, /* the longest nap while some thread may be parked */
  EAGER_NS = 100 * 1000 * 1000,
  LINGER_NS = 20 * 1000 * 1000, /* it stays awake that long after the last work */
  BATCH = 64                    /* encoders that it looks at in one round */
};

/* A command in flight; owned by the queue, then by its reaper. */
struct command {
  struct command *next;
  struct wr_completion_hook *hook;
  struct wr_ptrs scratch;
  uint64_t number; /* of the encoder's commands, from 1 */
};

struct mark {
  struct mark *next;
  wr_cu_event event;
  uint64_t covers; /* all commands up to this number */
};

/* Who publishes, or looks for what there is to publish. The GPU's thread never waits while it does.
 */
enum reaper { REAPER_NONE, REAPER_WAITER, REAPER_WATCHER };

struct wr_encoder {
  struct wr_gpu *gpu;           /* immutable after publish */
  wr_cu_stream stream;          /* immutable after publish */
  struct wr_buffer *workspace;  /* owner thread only: whoever encodes; or NULL */
  unsigned refs;                /* under LOCK */
  enum reaper reaper;           /* under LOCK */
  bool in_busy_list;            /* under LOCK */
  uint64_t encoded;             /* under LOCK: number of the last command */
  uint64_t marked;              /* under LOCK: what the last mark covers */
  struct command *first;        /* under LOCK */
  struct command **last;        /* under LOCK */
  struct mark *marks;           /* under LOCK, oldest first */
  struct mark **last_mark;      /* under LOCK */
  struct wr_encoder *busy_next; /* under LOCK */
  struct wr_encoder *busy_prev; /* under LOCK */
};

/* ---- the list of encoders with commands in flight ---- */

static void busy_insert_locked(struct wr_encoder *e) {
  struct wr_gpu *gpu = e->gpu;
  if (e->in_busy_list) return;
  e->in_busy_list = true;
  e->busy_prev = NULL;
  e->busy_next = gpu->busy;
  if (gpu->busy) gpu->busy->busy_prev = e;
  gpu->busy = e;
  if (!gpu->reaper_sleeps && wr_clock_ns() > gpu->eager_until) return;
  gpu->reaper_sleeps = false;
  wr_cond_signal(&gpu->wake);
}

static void busy_remove_locked(struct wr_encoder *e) {
  if (!e->in_busy_list) return;
  e->in_busy_list = false;
  if (e->busy_prev) {
    e->busy_prev->busy_next = e->busy_next;
  } else {
    e->gpu->busy = e->busy_next;
  }
  if (e->busy_next) e->busy_next->busy_prev = e->busy_prev;
}

/* ---- life ---- */

struct wr_error *wr_gpu_encoder_new(int index, struct wr_encoder **out) {
  struct wr_gpu *gpu;
  struct wr_error *error = wr_gpu_get(index, &gpu);
  if (error) return error;
  struct wr_encoder *e = wr_calloc(sizeof *e);
  if (!e) return wr_error_out_of_memory();
  e->gpu = gpu;
  e->refs = 1;
  e->last = &e->first;
  e->last_mark = &e->marks;
  wr_gpu_enter(gpu);
  error = wr_gpu_stream_take(gpu, &e->stream);
  wr_gpu_leave();
  if (error) {
    wr_free(e);
    return error;
  }
  *out = e;
  return NULL;
}

/* In a forked child the stream is left alone: it is the parent's. */
static void encoder_drop(struct wr_encoder *e) {
  wr_mutex_lock(&e->gpu->lock);
  bool last = --e->refs == 0;
  wr_mutex_unlock(&e->gpu->lock);
  if (!last) return;
  WR_ASSERT(!e->first && !e->marks && !e->in_busy_list);
  if (!wr_gpu_forked()) {
    wr_gpu_enter(e->gpu);
    wr_gpu_stream_give(e->gpu, e->stream);
    wr_gpu_leave();
  }
  wr_buffer_release(e->workspace);
  wr_free(e);
}

void wr_gpu_encoder_free(struct wr_encoder *encoder) { encoder_drop(encoder); }

/* ---- marks ---- */

/* Between enter and leave. A mark that cannot be set leaves its commands to the next attempt. */
static struct wr_error *mark_set_locked(struct wr_encoder *e) {
  struct mark *m = wr_alloc(sizeof *m);
  if (!m) return wr_error_out_of_memory();
  *m = (struct mark){.covers = e->encoded};
  struct wr_error *error = wr_gpu_event_take_locked(e->gpu, &m->event);
  if (!error) {
    error = wr_gpu_result(e->gpu, wr_cu->event_record(m->event, e->stream), "cuEventRecord");
    if (error) wr_gpu_event_give_locked(e->gpu, m->event);
  }
  if (error) {
    wr_free(m);
    return error;
  }
  e->marked = m->covers;
  *e->last_mark = m;
  e->last_mark = &m->next;
  return NULL;
}

static void mark_drop_locked(struct wr_encoder *e) {
  struct mark *m = e->marks;
  e->marks = m->next;
  if (!e->marks) e->last_mark = &e->marks;
  wr_gpu_event_give_locked(e->gpu, m->event);
  wr_free(m);
}

/* ---- publishing ---- */

/* Takes the commands up to a number off the queue. */
static struct command *take_commands_locked(struct wr_encoder *e, uint64_t up_to) {
  struct command *list = NULL;
  struct command **end = &list;
  while (e->first && e->first->number <= up_to) {
    struct command *c = e->first;
    e->first = c->next;
    c->next = NULL;
    *end = c;
    end = &c->next;
  }
  if (!e->first) {
    e->last = &e->first;
    busy_remove_locked(e);
  }
  return list;
}

static void scratch_release(struct wr_ptrs *scratch) {
  for (size_t i = 0; i < scratch->count; i++) wr_buffer_release(scratch->items[i]);
  wr_ptrs_free(scratch);
}

static void command_end(struct command *c, struct wr_error *failure) {
  struct wr_completion_hook *hook = c->hook;
  scratch_release(&c->scratch);
  wr_free(c);
  hook->fn(hook, failure ? wr_error_retain(failure) : NULL);
}

static void publish(struct command *list, struct wr_error *failure) {
  while (list) {
    struct command *c = list;
    list = c->next;
    command_end(c, failure);
  }
}

/* All that is in flight fails: the GPU is out of use, or not this process's any more. */
static void fail_all(struct wr_encoder *e, struct wr_error *failure) {
  wr_mutex_lock(&e->gpu->lock);
  while (e->marks) mark_drop_locked(e);
  struct command *list = take_commands_locked(e, UINT64_MAX);
  wr_mutex_unlock(&e->gpu->lock);
  publish(list, failure);
}

/* Looks until the mark is over or the time is up, then, with `sleep`, waits for it. */
static wr_cu_result look(wr_cu_event event, uint64_t spin_ns, bool sleep) {
  wr_cu_result result = wr_cu->event_query(event);
  if (result != WR_CU_NOT_READY || spin_ns == 0) return result;
  uint64_t deadline = wr_clock_ns() + spin_ns;
  do {
    result = wr_cu->event_query(event);
  } while (result == WR_CU_NOT_READY && wr_clock_ns() < deadline);
  if (result == WR_CU_NOT_READY && sleep) result = wr_cu->event_finish(event);
  return result;
}

enum found { FOUND_NOTHING, FOUND_LATER, FOUND_DONE, FOUND_FAULT };

/* The oldest mark's commands are published if it is over. Called by the encoder's reaper. */
static enum found reap_mark(struct wr_encoder *e, bool wait) {
  struct wr_gpu *gpu = e->gpu;
  wr_mutex_lock(&gpu->lock);
  if (!e->first) {
    wr_mutex_unlock(&gpu->lock);
    return FOUND_NOTHING;
  }
  struct wr_error *error = e->marks ? NULL : mark_set_locked(e);
  wr_cu_event event = error ? NULL : e->marks->event;
  uint64_t covers = error ? 0 : e->marks->covers;
  wr_mutex_unlock(&gpu->lock);
  if (error) {
    bool dry = wr_error_status(error) == WEIR_ERROR_OUT_OF_MEMORY;
    wr_error_release(error);
    return dry ? FOUND_LATER : FOUND_FAULT;
  }
  wr_cu_result result = look(event, wait ? SPIN_NS : 0, wait);
  if (result == WR_CU_NOT_READY) return FOUND_LATER;
  if (result != WR_CU_SUCCESS) {
    wr_error_release(wr_gpu_result(gpu, result, "cuEventQuery"));
    return result == WR_CU_DEINITIALIZED ? FOUND_LATER : FOUND_FAULT;
  }
  wr_mutex_lock(&gpu->lock);
  mark_drop_locked(e);
  struct command *list = take_commands_locked(e, covers);
  wr_mutex_unlock(&gpu->lock);
  wr_gpu_leave();
  publish(list, NULL);
  wr_gpu_enter(gpu);
  return FOUND_DONE;
}

/* The failure that all commands in flight get after a fault. */
static struct wr_error *fault_of(struct wr_gpu *gpu) {
  struct wr_error *error = wr_gpu_unusable(gpu);
  return error ? error
               : wr_error_new(WEIR_ERROR_DEVICE, "gpu:%d cannot say whether the work is done",
                              gpu->index);
}

/* Becomes the encoder's reaper, with a reference; false when there is nothing to do, or another is
   at it. */
static bool reap_begin_locked(struct wr_encoder *e, enum reaper as) {
  if (e->reaper != REAPER_NONE || !e->first) return false;
  e->reaper = as;
  e->refs++;
  return true;
}

static void reap_end(struct wr_encoder *e) {
  wr_mutex_lock(&e->gpu->lock);
  e->reaper = REAPER_NONE;
  wr_mutex_unlock(&e->gpu->lock);
  encoder_drop(e);
}

/* One mark when it waits, else all marks that are over. True when something was published. */
static bool reap(struct wr_encoder *e, bool wait) {
  enum found found = FOUND_FAULT;
  bool progress = false;
  struct wr_error *unusable = wr_gpu_unusable(e->gpu);
  if (!unusable) {
    wr_gpu_enter(e->gpu);
    do {
      found = reap_mark(e, wait);
      progress = progress || found == FOUND_DONE;
    } while (found == FOUND_DONE && !wait);
    wr_gpu_leave();
  }
  if (found == FOUND_FAULT) {
    if (!unusable) unusable = fault_of(e->gpu);
    fail_all(e, unusable);
    progress = true;
  }
  wr_error_release(unusable);
  return progress;
}

/* While the GPU's own thread is at it, this one stays: parked, it would be told only after one of
   that thread's naps. */
bool wr_gpu_poll(struct wr_encoder *encoder) {
  struct wr_gpu *gpu = encoder->gpu;
  wr_mutex_lock(&gpu->lock);
  bool watched = encoder->reaper == REAPER_WATCHER && !wr_gpu_forked();
  bool mine = reap_begin_locked(encoder, REAPER_WAITER);
  /* The caller parks. What it waits for may not be encoded yet: the GPU's thread finds it then. */
  if (!mine && !watched) gpu->eager_until = wr_clock_ns() + EAGER_NS;
  wr_mutex_unlock(&gpu->lock);
  if (watched) sched_yield();
  if (!mine) return watched;
  bool progress = reap(encoder, true);
  reap_end(encoder);
  return progress;
}

/* ---- encoding ---- */

struct wr_error *wr_run_workspace(struct wr_run *run, size_t bytes, void **out) {
  struct wr_buffer **workspace = &run->encoder->workspace;
  if (!*workspace) {
    struct wr_error *error = wr_buffer_alloc(run->gpu->memory, bytes, workspace);
    if (error) return error;
  }
  *out = (*workspace)->data;
  return NULL;
}

static void *watcher_main(void *arg);

/* The thread that publishes what nobody waits for. */
static struct wr_error *watcher_start_locked(struct wr_gpu *gpu) {
  sigset_t all, old;
  /* The user's signals go to the user's threads. */
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &old);
  pthread_t thread;
  int refused = pthread_create(&thread, NULL, watcher_main, gpu);
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  if (refused) return wr_error_new(WEIR_ERROR_OUT_OF_MEMORY, "no thread for gpu:%d", gpu->index);
  pthread_detach(thread);
  gpu->watched = true;
  return NULL;
}

/* Before a command is launched; then append, or encode_end where there is nothing to append. The
   GPU's thread runs from here until what is appended is over. */
static struct wr_error *encode_begin(struct wr_gpu *gpu) {
  struct wr_error *error = wr_gpu_unusable(gpu);
  if (error) return error;
  wr_mutex_lock(&gpu->lock);
  if (!gpu->watched) error = watcher_start_locked(gpu);
  if (!error) gpu->encoding++;
  wr_mutex_unlock(&gpu->lock);
  return error;
}

static void encode_end(struct wr_gpu *gpu) {
  wr_mutex_lock(&gpu->lock);
  gpu->encoding--;
  wr_mutex_unlock(&gpu->lock);
}

/* Appends the command, whose work has been launched. Between enter and leave. */
static void append(struct wr_encoder *e, struct command *c) {
  wr_mutex_lock(&e->gpu->lock);
  e->gpu->encoding--;
  c->number = ++e->encoded;
  *e->last = c;
  e->last = &c->next;
  busy_insert_locked(e);
  /* A mark that is refused now is set by the reaper. */
  if (e->encoded - e->marked >= MARK_EVERY) wr_error_release(mark_set_locked(e));
  wr_mutex_unlock(&e->gpu->lock);
}

static struct wr_error *run_call(struct wr_run *run, const struct wr_call *call) {
  wr_gpu_kernel kernel = wr_gpu_kernel_for(call->op);
  if (kernel) return kernel(run, call);
  return wr_error_new(WEIR_ERROR_UNSUPPORTED, "%s has no GPU kernel", wr_op_info(call->op)->name);
}

/* A call, or else a group. */
static enum wr_encode_status encode(struct wr_encoder *e, const struct wr_call *call,
                                    const struct wr_group *group, struct wr_completion_hook *hook,
                                    struct wr_error **error) {
  struct wr_gpu *gpu = e->gpu;
  struct wr_run run = {.gpu = gpu, .stream = e->stream, .encoder = e};
  struct command *c = wr_alloc(sizeof *c);
  *error = c ? encode_begin(gpu) : wr_error_out_of_memory();
  if (*error) {
    wr_free(c);
    return WR_ENCODE_DONE;
  }
  wr_gpu_enter(gpu);
  *error = group ? wr_gpu_group(&run, group) : run_call(&run, call);
  if (!*error) {
    *c = (struct command){.hook = hook, .scratch = run.scratch};
    append(e, c);
  } else if (run.launched) {
    /* A part of the call is running and uses its operands, which are let go after this. */
    (void)wr_cu->stream_finish(e->stream);
  }
  wr_gpu_leave();
  if (!*error) return WR_ENCODE_PENDING;
  encode_end(gpu);
  scratch_release(&run.scratch);
  wr_free(c);
  return WR_ENCODE_DONE;
}

enum wr_encode_status wr_gpu_encode(struct wr_encoder *e, const struct wr_call *call,
                                    struct wr_completion_hook *hook, struct wr_error **error) {
  return encode(e, call, NULL, hook, error);
}

enum wr_encode_status wr_gpu_encode_group(struct wr_encoder *e, const struct wr_group *group,
                                          struct wr_completion_hook *hook,
                                          struct wr_error **error) {
  return encode(e, NULL, group, hook, error);
}

/* With nothing in flight a marker is over at once. */
enum wr_encode_status wr_gpu_encode_marker(struct wr_encoder *e, struct wr_completion_hook *hook,
                                           struct wr_error **error) {
  struct command *c = wr_alloc(sizeof *c);
  *error = c ? encode_begin(e->gpu) : wr_error_out_of_memory();
  if (*error) {
    wr_free(c);
    return WR_ENCODE_DONE;
  }
  *c = (struct command){.hook = hook};
  wr_gpu_enter(e->gpu);
  append(e, c);
  wr_gpu_leave();
  return WR_ENCODE_PENDING;
}

/* An event is only borrowed: the wait keeps what was recorded. */
bool wr_gpu_encode_wait(struct wr_encoder *e, struct wr_encoder *other) {
  struct wr_gpu *gpu = e->gpu;
  wr_cu_event event;
  if (other->gpu != gpu || wr_gpu_forked()) return false;
  wr_gpu_enter(gpu);
  wr_mutex_lock(&gpu->lock);
  struct wr_error *error = wr_gpu_event_take_locked(gpu, &event);
  wr_mutex_unlock(&gpu->lock);
  if (!error) {
    error = wr_gpu_result(gpu, wr_cu->event_record(event, other->stream), "cuEventRecord");
    if (!error) {
      error = wr_gpu_result(gpu, wr_cu->stream_wait(e->stream, event, 0), "cuStreamWaitEvent");
    }
    wr_mutex_lock(&gpu->lock);
    wr_gpu_event_give_locked(gpu, event);
    wr_mutex_unlock(&gpu->lock);
  }
  wr_gpu_leave();
  wr_error_release(error);
  return !error;
}

/* ---- the GPU's thread ---- */

/* Encoders that nobody reaps; this thread becomes their reaper. */
static int collect_locked(struct wr_gpu *gpu, struct wr_encoder **out) {
  int n = 0;
  for (struct wr_encoder *e = gpu->busy; e && n < BATCH; e = e->busy_next) {
    if (reap_begin_locked(e, REAPER_WATCHER)) out[n++] = e;
  }
  return n;
}

/* Those that were looked at go to the end, so that all come to their turn. */
static void rotate_locked(struct wr_gpu *gpu, struct wr_encoder *const *looked, int n) {
  struct wr_encoder *tail = gpu->busy;
  if (n < BATCH || !tail) return;
  while (tail->busy_next) tail = tail->busy_next;
  for (int i = 0; i < n; i++) {
    struct wr_encoder *e = looked[i];
    if (!e->in_busy_list || e == tail) continue;
    busy_remove_locked(e);
    e->in_busy_list = true;
    e->busy_next = NULL;
    e->busy_prev = tail;
    tail->busy_next = e;
    tail = e;
  }
}

static bool look_round(struct wr_gpu *gpu) {
  struct wr_encoder *mine[BATCH];
  bool progress = false;
  wr_mutex_lock(&gpu->lock);
  int n = collect_locked(gpu, mine);
  rotate_locked(gpu, mine, n);
  wr_mutex_unlock(&gpu->lock);
  for (int i = 0; i < n; i++) {
    progress = reap(mine[i], false) || progress;
    reap_end(mine[i]);
  }
  return progress;
}

static bool all_over_locked(const struct wr_gpu *gpu) { return !gpu->busy && gpu->encoding == 0; }

/* Until it is told. */
static void sleep_locked(struct wr_gpu *gpu) {
  gpu->reaper_sleeps = true;
  while (gpu->reaper_sleeps) wr_cond_wait(&gpu->wake, &gpu->lock);
}

/* Naps grow while nothing ends. Some time after the last work the thread sleeps until it is told:
   in between, threads that wait for their own results need not wake it. */
static void nap_locked(struct wr_gpu *gpu, uint64_t *nap_ns, uint64_t *idle_since) {
  uint64_t now = wr_clock_ns();
  uint64_t most = now < gpu->eager_until || gpu->stopping ? NAP_EAGER_NS : NAP_MAX_NS;
  if (gpu->busy) *idle_since = now;
  if (!gpu->busy && !gpu->stopping && now - *idle_since > LINGER_NS) {
    sleep_locked(gpu);
    *idle_since = wr_clock_ns();
    *nap_ns = NAP_MIN_NS;
    return;
  }
  bool busy = gpu->busy != NULL;
  if (*nap_ns > most) *nap_ns = most;
  wr_cond_wait_until(&gpu->wake, &gpu->lock, now + (busy ? *nap_ns : most));
  *nap_ns = busy ? *nap_ns * 2 : NAP_MIN_NS;
}

static void *watcher_main(void *arg) {
  struct wr_gpu *gpu = arg;
  uint64_t nap_ns = NAP_MIN_NS;
  uint64_t idle_since = wr_clock_ns();
  pthread_setname_np(pthread_self(), "weir-gpu");
  prctl(PR_SET_TIMERSLACK, 1000ul); /* naps are shorter than the usual slack */
  wr_mutex_lock(&gpu->lock);
  while (!gpu->stopping || !all_over_locked(gpu)) {
    wr_mutex_unlock(&gpu->lock);
    if (look_round(gpu)) nap_ns = NAP_MIN_NS;
    wr_mutex_lock(&gpu->lock);
    if (!gpu->stopping || !all_over_locked(gpu)) nap_locked(gpu, &nap_ns, &idle_since);
  }
  gpu->watched = false;
  wr_cond_broadcast(&gpu->ended);
  wr_mutex_unlock(&gpu->lock);
  return NULL;
}

static bool watcher_stop(struct wr_gpu *gpu, uint64_t deadline_ns) {
  bool in_time = true;
  wr_mutex_lock(&gpu->lock);
  gpu->stopping = true;
  gpu->reaper_sleeps = false;
  wr_cond_signal(&gpu->wake);
  while (gpu->watched && in_time) {
    in_time = wr_cond_wait_until(&gpu->ended, &gpu->lock, deadline_ns);
  }
  bool ended = !gpu->watched;
  gpu->stopping = false;
  wr_mutex_unlock(&gpu->lock);
  return ended;
}

bool wr_gpu_settle(uint64_t deadline_ns) {
  bool settled = true;
  for (int i = 0; i < WR_GPU_MAX && !wr_gpu_forked(); i++) {
    struct wr_gpu *gpu = wr_gpu_known(i);
    if (gpu) settled = watcher_stop(gpu, deadline_ns) && settled;
  }
  return settled;
}

size_t wr_gpu_threads(void) {
  size_t n = 0;
  for (int i = 0; i < WR_GPU_MAX && !wr_gpu_forked(); i++) {
    struct wr_gpu *gpu = wr_gpu_known(i);
    if (!gpu) continue;
    wr_mutex_lock(&gpu->lock);
    n += gpu->watched;
    wr_mutex_unlock(&gpu->lock);
  }
  return n;
}

void wr_gpu_streams_forked(struct wr_gpu *gpu) {
  gpu->reaper_sleeps = false;
  for (struct wr_encoder *e = gpu->busy; e; e = e->busy_next) e->reaper = REAPER_NONE;
}
