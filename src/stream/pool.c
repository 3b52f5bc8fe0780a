/* The worker pool: one for all streams, at most as many threads as processors, started when there
   is work for them. A worker takes slices of parallel kernels first (somebody waits for those),
   then a stream that is ready, and drains it for a turn. Locks: SCHEDULER; never held while work
   runs. At process exit workers just end with the process (K8); only wr_pool_stop joins them. */

#include <pthread.h>
#include <string.h>

#include "base/base.h"
#include "base/fork.h"
#include "stream/internal.h"

enum { TURN_NS = WR_TORTURED ? 0 : 2 * 1000 * 1000 };

/* A parallel kernel in progress, on its caller's stack. */
struct job {
  struct job *next;        /* under LOCK */
  wr_parallel_body body;   /* immutable after publish */
  void *ctx;               /* immutable after publish */
  int64_t n;               /* immutable after publish */
  int64_t chunk;           /* immutable after publish */
  wr_atomic_i64 begin;     /* atomic RELAXED: the next slice; results are published by LOCK */
  int active;              /* under LOCK: workers inside */
  struct wr_cond finished; /* with LOCK */
};

struct worker {
  struct worker *next;      /* under LOCK */
  pthread_t thread;         /* under LOCK: set as it leaves, for who joins it */
  struct wr_marker *marker; /* owner thread only: a reliever's, one reference */
};

static struct {
  struct wr_mutex lock;
  struct wr_cond wake;          /* with LOCK */
  struct wr_cond gone;          /* with LOCK: a worker has left */
  struct worker *left;          /* under LOCK: workers that only have to be joined */
  int stopping;                 /* under LOCK: calls that wait for the workers to leave, which
                                   they do meanwhile when there is no work */
  struct wr_stream *ready_head; /* under LOCK */
  struct wr_stream *ready_tail; /* under LOCK */
  struct job *jobs;             /* under LOCK */
  int workers;                  /* under LOCK */
  int relievers;                /* under LOCK: threads of wr_pool_relieve */
  int waiting;                  /* under LOCK: threads that have waited a while without draining */
  int idle;                     /* under LOCK: inside wr_cond_wait */
  int signalled;                /* under LOCK: of those, how many were told to wake up */
  wr_atomic_u32 ready_hint;     /* atomic RELAXED: streams in the list, a hint */
} pool = {.lock = WR_MUTEX_INIT(WR_RANK_SCHEDULER), .wake = {PTHREAD_COND_INITIALIZER}};

static int max_workers(void) {
  int wanted = wr_env_get()->workers;
  return wanted > 0 ? wanted : wr_cpu_count();
}

/* ---- workers ---- */

static void run_job_slices(struct job *job) {
  for (;;) {
    /* Relaxed: only which slice; the data is published by the pool's lock. */
    int64_t begin = wr_fetch_add_relaxed(&job->begin, job->chunk);
    if (begin >= job->n) return;
    int64_t end = job->n - begin < job->chunk ? job->n : begin + job->chunk;
    job->body(job->ctx, begin, end);
  }
}

static void help_job_locked(struct job *job) {
  job->active++;
  wr_mutex_unlock(&pool.lock);
  run_job_slices(job);
  wr_mutex_lock(&pool.lock);
  if (--job->active == 0) wr_cond_signal(&job->finished);
}

static struct job *open_job_locked(void) {
  for (struct job *job = pool.jobs; job; job = job->next) {
    if (wr_load_relaxed(&job->begin) < job->n) return job;
  }
  return NULL;
}

static void append_ready_locked(struct wr_stream *s) {
  s->in_ready_list = true;
  s->ready_next = NULL;
  s->ready_prev = pool.ready_tail;
  if (pool.ready_tail) {
    pool.ready_tail->ready_next = s;
  } else {
    pool.ready_head = s;
  }
  pool.ready_tail = s;
  wr_fetch_add_relaxed(&pool.ready_hint, 1u);
}

static void unlink_ready_locked(struct wr_stream *s) {
  if (s->ready_prev) {
    s->ready_prev->ready_next = s->ready_next;
  } else {
    pool.ready_head = s->ready_next;
  }
  if (s->ready_next) {
    s->ready_next->ready_prev = s->ready_prev;
  } else {
    pool.ready_tail = s->ready_prev;
  }
  s->in_ready_list = false;
  wr_fetch_sub_relaxed(&pool.ready_hint, 1u);
}

/* The next stream, with the list's reference; NULL when there is none. */
static struct wr_stream *pop_ready_locked(void) {
  struct wr_stream *s = pool.ready_head;
  if (s) unlink_ready_locked(s);
  return s;
}

static void drain_turn(struct wr_stream *s) {
  struct wr_drain drain = {.deadline = wr_clock_ns() + TURN_NS};
  wr_stream_drain(s, &drain);
  wr_stream_release(s);
}

static void park_locked(void) {
  pool.idle++;
  wr_cond_wait(&pool.wake, &pool.lock);
  pool.idle--;
  if (pool.signalled > 0) pool.signalled--;
}

/* Does one piece of work, with the lock released meanwhile; false when there is none. */
static bool work_locked(void) {
  struct job *job = open_job_locked();
  if (job) {
    help_job_locked(job);
    return true;
  }
  struct wr_stream *s = pop_ready_locked();
  if (!s) return false;
  wr_mutex_unlock(&pool.lock);
  drain_turn(s);
  wr_mutex_lock(&pool.lock);
  return true;
}

static void leave_locked(struct worker *self) {
  self->thread = pthread_self();
  self->next = pool.left;
  pool.left = self;
  wr_cond_broadcast(&pool.gone); /* several threads may shut down */
}

static void *worker_main(void *arg) {
  struct worker *self = arg;
  pthread_setname_np(pthread_self(), "weir-worker");
  wr_mutex_lock(&pool.lock);
  for (;;) {
    if (work_locked()) continue;
    if (pool.stopping > 0) break;
    park_locked();
  }
  pool.workers--;
  leave_locked(self);
  wr_mutex_unlock(&pool.lock);
  return NULL;
}

/* Wakes up to `wanted` workers and says how many more to start. A worker that wakes for no reason
   takes another's signal off the count: then one more is woken than there is work for, never one
   fewer. `most` is max_workers(), asked without the lock. */
static int wake_locked(int wanted, int most) {
  for (; wanted > 0 && pool.signalled < pool.idle; wanted--) {
    pool.signalled++;
    wr_cond_signal(&pool.wake);
  }
  int start = most - pool.workers;
  if (start > wanted) start = wanted;
  pool.workers += start;
  return start;
}

static bool start_worker(void) {
  pthread_t thread; /* the worker may be gone by the time that this is written */
  struct worker *worker = wr_alloc(sizeof *worker);
  if (worker && wr_thread_start(worker_main, worker, &thread)) return true;
  wr_free(worker);
  return false;
}

static void start_workers(int n) {
  for (; n > 0; n--) {
    if (start_worker()) continue;
    /* No thread to be had: threads that wait drain their streams themselves. */
    wr_mutex_lock(&pool.lock);
    pool.workers -= n;
    wr_cond_broadcast(&pool.gone);
    wr_mutex_unlock(&pool.lock);
    return;
  }
}

void wr_pool_init(void) { wr_cond_init(&pool.gone); }

/* They have let go of the lock, or are about to: nothing to wait for. */
static void join_left(struct worker *worker) {
  int before = wr_cancel_off();
  while (worker) {
    struct worker *next = worker->next;
    pthread_join(worker->thread, NULL);
    wr_free(worker);
    worker = next;
  }
  wr_cancel_restore(before);
}

/* Waits for the workers to leave; what is ready after that, since no thread was to be had, runs
   here. */
static bool finish_locked(uint64_t deadline_ns) {
  while (pool.workers > 0 || pool.relievers > 0 || pool.ready_head) {
    if (pool.workers == 0 && pool.ready_head) {
      (void)work_locked();
      if (wr_clock_ns() >= deadline_ns) break;
    } else if (!wr_cond_wait_until(&pool.gone, &pool.lock, deadline_ns)) {
      break;
    }
  }
  return pool.workers == 0 && pool.relievers == 0 && !pool.ready_head;
}

bool wr_pool_stop(uint64_t deadline_ns) {
  wr_mutex_lock(&pool.lock);
  pool.stopping++;
  wr_cond_broadcast(&pool.wake);
  bool in_time = finish_locked(deadline_ns);
  pool.stopping--;
  struct worker *left = pool.left;
  pool.left = NULL;
  wr_mutex_unlock(&pool.lock);
  join_left(left);
  return in_time;
}

/* ---- relievers ----

   Workers are as many as processors, and may all be inside long commands. A thread that waits
   without draining leaves its processor to others, so one more thread for what it waits for is not
   one too many. It runs nothing else, and ends when it can do no more. Who gives up and waits for
   something else may leave it inside a long command: so that such threads do not become as many as
   streams (K6), there are no more than one for each thread that waits now, and as many as workers.

   Nothing depends on a reliever: it drains like a worker, and what it leaves stands where the pool
   finds it. Nor is one missed, since who waits looks again. Nobody joins one, but the end of the
   pool those that it waits for. */

static void *reliever_main(void *arg) {
  struct worker *self = arg;
  pthread_setname_np(pthread_self(), "weir-reliever");
  struct wr_stream *stream = wr_marker_stream(self->marker);
  if (stream) wr_stream_help_at_once(stream, wr_marker_completion(self->marker));
  wr_stream_release(stream);
  wr_marker_release(self->marker);
  wr_mutex_lock(&pool.lock);
  pool.relievers--;
  bool awaited = pool.stopping > 0;
  if (awaited) leave_locked(self);
  wr_mutex_unlock(&pool.lock);
  if (awaited) return NULL;
  wr_free(self);
  pthread_detach(pthread_self());
  return NULL;
}

/* Counts one more unless there are enough, or a worker is idle: that one has been told, or somebody
   who sleeps for the stream. */
static bool count_reliever(void) {
  int most = max_workers();
  wr_mutex_lock(&pool.lock);
  bool wanted = pool.idle == 0 && pool.relievers < most + pool.waiting;
  if (wanted) pool.relievers++;
  wr_mutex_unlock(&pool.lock);
  return wanted;
}

static void uncount_reliever(void) {
  wr_mutex_lock(&pool.lock);
  pool.relievers--;
  wr_cond_broadcast(&pool.gone);
  wr_mutex_unlock(&pool.lock);
}

void wr_pool_relieve(struct wr_marker *marker) {
  if (!count_reliever()) return;
  struct worker *self = wr_alloc(sizeof *self);
  if (self) {
    pthread_t thread; /* as in start_worker */
    self->marker = wr_marker_retain(marker);
    if (wr_thread_start(reliever_main, self, &thread)) return;
    wr_marker_release(marker);
    wr_free(self);
  }
  uncount_reliever();
}

void wr_pool_count_waiting(int n) {
  wr_mutex_lock(&pool.lock);
  pool.waiting += n;
  wr_mutex_unlock(&pool.lock);
}

size_t wr_pool_relievers(void) {
  wr_mutex_lock(&pool.lock);
  size_t n = (size_t)pool.relievers;
  wr_mutex_unlock(&pool.lock);
  return n;
}

/* ---- streams ---- */

void wr_pool_push(struct wr_stream *stream, bool tell) {
  int start = 0, most = max_workers();
  wr_mutex_lock(&pool.lock);
  if (!stream->in_ready_list) append_ready_locked(wr_stream_retain(stream));
  if (tell) start = wake_locked(1, most);
  wr_mutex_unlock(&pool.lock);
  start_workers(start);
}

void wr_pool_wake(void) {
  int start = 0, most = max_workers();
  wr_mutex_lock(&pool.lock);
  if (pool.ready_head) start = wake_locked(1, most);
  wr_mutex_unlock(&pool.lock);
  start_workers(start);
}

bool wr_pool_remove(struct wr_stream *stream) {
  wr_mutex_lock(&pool.lock);
  bool listed = stream->in_ready_list;
  if (listed) unlink_ready_locked(stream);
  wr_mutex_unlock(&pool.lock);
  return listed;
}

bool wr_pool_ensure_worker(void) {
  if (!wr_pool_has_ready()) return true;
  int most = max_workers(), start = 0;
  wr_mutex_lock(&pool.lock);
  if (pool.workers == 0 && pool.ready_head) start = wake_locked(1, most);
  wr_mutex_unlock(&pool.lock);
  start_workers(start);
  return start == 0 || wr_pool_workers() > 0;
}

bool wr_pool_has_ready(void) { return wr_load_relaxed(&pool.ready_hint) > 0; }

size_t wr_pool_workers(void) {
  wr_mutex_lock(&pool.lock);
  size_t n = (size_t)pool.workers;
  wr_mutex_unlock(&pool.lock);
  return n;
}

/* ---- parallel kernels ---- */

static void remove_job_locked(struct job *job) {
  struct job **p = &pool.jobs;
  while (*p != job) p = &(*p)->next;
  *p = job->next;
}

/* The caller takes slices too, so the job ends even if no worker ever comes. It then waits only for
   slices that workers have begun, which are bounded: bodies are kernels, which wait for nothing. */
void wr_pool_parallel(int64_t n, int64_t grain, wr_parallel_body body, void *ctx) {
  int threads = max_workers();
  if (grain < 1) grain = 1;
  if (n <= grain || threads == 1) {
    if (n > 0) body(ctx, 0, n);
    return;
  }
  int64_t chunk = n / (4 * (int64_t)threads);
  struct job job = {.body = body, .ctx = ctx, .n = n, .chunk = chunk > grain ? chunk : grain};
  int64_t slices = (n + job.chunk - 1) / job.chunk;
  wr_cond_init(&job.finished);
  wr_mutex_lock(&pool.lock);
  job.next = pool.jobs;
  pool.jobs = &job;
  int start = wake_locked((int)(slices - 1 < threads - 1 ? slices - 1 : threads - 1), threads);
  wr_mutex_unlock(&pool.lock);
  start_workers(start);
  run_job_slices(&job);
  wr_mutex_lock(&pool.lock);
  remove_job_locked(&job);
  while (job.active > 0) wr_cond_wait(&job.finished, &pool.lock);
  wr_mutex_unlock(&pool.lock);
  wr_cond_destroy(&job.finished);
}

/* ---- fork (K11) ----

   The workers are not in the child, and all streams there begin anew (wr_stream_fork_child). */

static void forget_in_child(void) {
  wr_cond_init(&pool.wake);
  wr_cond_init(&pool.gone);
  pool.jobs = NULL;
  pool.left = NULL;
  pool.ready_head = NULL;
  pool.ready_tail = NULL;
  wr_store_relaxed(&pool.ready_hint, 0u);
  pool.workers = 0;
  pool.relievers = 0;
  pool.waiting = 0;
  pool.idle = 0;
  pool.signalled = 0;
  pool.stopping = 0;
}

static struct wr_fork_row fork_row = {
    .rank = WR_RANK_SCHEDULER, .lock = &pool.lock, .child = forget_in_child};
__attribute__((constructor)) static void watch_forks(void) { wr_fork_register(&fork_row); }
