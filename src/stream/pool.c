/* The worker pool: one for all streams, at most as many threads as processors, started when there
   is work for them. Locks: SCHEDULER; never held while work runs. At process exit workers just end
   with the process (K8); only wr_pool_stop joins them.

   What a ready stream waits for (K9, O3), one that is not done where it is submitted
   (wr_stream_run_brief). A worker that is idle is told, and comes at once. Else
   the workers are inside something, and come back from it: a worker drains one stream for a turn
   (TURN_NS and the command that it is in then), and takes slices of parallel kernels until a stream
   is ready (each about SLICE_NS), by turns, so that neither waits for more than one of the other.
   Which stream is next: ready.h. The threads that take slices are no more than processors, the
   calling ones included: where programs' own threads compute, workers sleep, and the system lets a
   thread that has slept run at once, before those.

   A command that is not cut in slices keeps its worker for as long as it takes. So while a stream
   is ready and no worker idle, a spare thread looks once every TICK_NS; where nobody has taken a
   stream meanwhile, it drains fresh ones in the workers' place, and after WORN_TICKS all. While it
   drains, another spare looks. Each may end up in a long command too, so there is a bound: one more
   than there are workers, and one for each thread that waits without draining. The last of them
   never takes a worn stream, so where the long commands are those of streams that have had them
   before, as in any program that goes on for long, a fresh one waits for two ticks at most. */

#include <pthread.h>
#include <string.h>

#include "base/base.h"
#include "base/fork.h"
#include "stream/internal.h"
#include "stream/ready.h"

enum {
  TURN_NS = WR_TORTURED ? 0 : 500 * 1000,
  SLICE_NS = 1000 * 1000,
  TICK_NS = WR_TORTURED ? 50 * 1000 : 1000 * 1000
};

/* A spare counts ticks at which streams were ready. Two without a take: for a whole tick nobody
   came. */
enum { FRESH_TICKS = 2, WORN_TICKS = 16, LINGER_TICKS = 50 };

/* A parallel kernel in progress, on its caller's stack. */
struct job {
  struct job *next;        /* under LOCK */
  wr_parallel_body body;   /* immutable after publish */
  void *ctx;               /* immutable after publish */
  int64_t n;               /* immutable after publish */
  wr_atomic_i64 chunk;     /* atomic RELAXED: how much is the next slice; only falls */
  int64_t grain;           /* immutable after publish: the least */
  wr_atomic_i64 begin;     /* atomic RELAXED: the next slice; results are published by LOCK */
  int active;              /* under LOCK: workers inside */
  struct wr_cond finished; /* with LOCK */
};

struct worker {
  struct worker *next;      /* under LOCK */
  pthread_t thread;         /* under LOCK: set as it leaves, for who joins it */
  struct wr_marker *marker; /* owner thread only: a reliever's, one reference */
};

/* Who takes a stream from the lists: a worker, or a spare thread in the place of one. */
enum taker { WORKER, SPARE, SPARE_FOR_FRESH };

static struct {
  struct wr_mutex lock;
  struct wr_cond wake;      /* with LOCK */
  struct wr_cond gone;      /* with LOCK: a worker has left */
  struct wr_cond tick;      /* with LOCK: never signalled */
  struct worker *left;      /* under LOCK: workers that only have to be joined */
  int stopping;             /* under LOCK: calls that wait for the workers to leave, which they do
                               meanwhile when there is no work */
  struct wr_ready ready;    /* under LOCK */
  wr_atomic_u64 taken;      /* atomic RELAXED, written under LOCK: streams, by workers */
  struct job *jobs;         /* under LOCK */
  int in_jobs;              /* under LOCK: threads that take slices now, callers too */
  int workers;              /* under LOCK */
  int spares;               /* under LOCK: threads that look, or drain in the workers' place */
  int relievers;            /* under LOCK: threads of wr_pool_relieve */
  bool watched;             /* under LOCK: one of the spare threads looks, or is being started */
  int late[WR_CLASSES];     /* under LOCK: ticks at which streams were ready, since one was taken by
                               whoever takes streams of that class */
  int waiting;              /* under LOCK: threads that have waited a while without draining */
  int idle;                 /* under LOCK: inside wr_cond_wait */
  int signalled;            /* under LOCK: of those, how many were told to wake up */
  wr_atomic_u32 ready_hint; /* atomic RELAXED: streams in the list, a hint */
} pool = {.lock = WR_MUTEX_INIT(WR_RANK_SCHEDULER), .wake = {PTHREAD_COND_INITIALIZER}};

static void start_spare(void);

static int max_workers(void) {
  int wanted = wr_env_get()->workers;
  return wanted > 0 ? wanted : wr_cpu_count();
}

/* ---- slices ---- */

/* One that took long makes the next ones shorter, so that who takes them comes to a stream that is
   ready. Results do not depend on how a kernel is cut. */
static void note_slice(struct job *job, int64_t length, uint64_t took_ns) {
  if (took_ns <= SLICE_NS) return;
  int64_t next = (int64_t)((double)length * SLICE_NS / (double)took_ns);
  if (next < job->grain) next = job->grain;
  /* Relaxed, both: any length will do. */
  if (next < wr_load_relaxed(&job->chunk)) wr_store_relaxed(&job->chunk, next);
}

/* False when none is left. */
static bool run_slice(struct job *job) {
  int64_t chunk = wr_load_relaxed(&job->chunk);
  /* Relaxed: only which slice; the data is published by the pool's lock. */
  int64_t begin = wr_fetch_add_relaxed(&job->begin, chunk);
  if (begin >= job->n) return false;
  int64_t end = job->n - begin < chunk ? job->n : begin + chunk;
  uint64_t start = wr_clock_ns();
  job->body(job->ctx, begin, end);
  note_slice(job, end - begin, wr_clock_ns() - start);
  return true;
}

/* Up to the end, or until a stream is ready: that one's turn is next. */
static void run_some_slices(struct job *job) {
  while (run_slice(job) && !wr_pool_has_ready()) continue;
}

static void help_job_locked(struct job *job) {
  job->active++;
  pool.in_jobs++;
  wr_mutex_unlock(&pool.lock);
  run_some_slices(job);
  wr_mutex_lock(&pool.lock);
  pool.in_jobs--;
  if (--job->active == 0) wr_cond_signal(&job->finished);
}

/* A job that a worker should help. None where as many threads take slices as there are processors:
   one more would make no job faster, and would have used up its share of the processors by the time
   that a stream is ready. `most` is max_workers(). */
static struct job *open_job_locked(int most) {
  if (pool.in_jobs >= most) return NULL;
  for (struct job *job = pool.jobs; job; job = job->next) {
    if (wr_load_relaxed(&job->begin) < job->n) return job;
  }
  return NULL;
}

static bool slice_one_locked(int most) {
  struct job *job = open_job_locked(most);
  if (job) help_job_locked(job);
  return job != NULL;
}

/* ---- workers ---- */

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

/* True when the caller has to start a spare thread, once no lock is held: streams are ready, nobody
   has been told or looks, and there may be one more. `most` is max_workers(). */
static bool watch_locked(int most) {
  if (pool.watched || pool.idle > 0 || !wr_ready_any(&pool.ready)) return false;
  if (pool.spares > most) return false;
  pool.watched = true;
  pool.spares++;
  return true;
}

static void note_taken_locked(enum taker by) {
  if (by == WORKER) wr_fetch_add_relaxed(&pool.taken, UINT64_C(1));
  if (by != SPARE_FOR_FRESH) pool.late[WR_WORN] = 0;
  pool.late[WR_FRESH] = 0;
}

/* Drains the next stream for a turn, with the lock released; false when there is none. */
static bool drain_one_locked(enum taker by, int most) {
  struct wr_stream *s = wr_ready_take(&pool.ready, by == SPARE_FOR_FRESH);
  if (!s) return false;
  wr_fetch_sub_relaxed(&pool.ready_hint, 1u);
  note_taken_locked(by);
  bool watch = watch_locked(most);
  wr_mutex_unlock(&pool.lock);
  if (watch) start_spare();
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
  const int most = max_workers();
  pthread_setname_np(pthread_self(), "weir-worker");
  wr_mutex_lock(&pool.lock);
  for (;;) {
    /* Each with the lock released meanwhile; by turns, so that neither keeps the other waiting. */
    bool drained = drain_one_locked(WORKER, most);
    if (slice_one_locked(most) || drained) continue;
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

void wr_pool_init(void) {
  wr_cond_init(&pool.gone);
  wr_cond_init(&pool.tick);
}

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

static int threads_locked(void) { return pool.workers + pool.spares + pool.relievers; }

/* Waits for the workers to leave; what is ready after that, since no thread was to be had, runs
   here. */
static bool finish_locked(uint64_t deadline_ns) {
  while (threads_locked() > 0 || wr_ready_any(&pool.ready)) {
    if (pool.workers == 0 && wr_ready_any(&pool.ready)) {
      (void)drain_one_locked(WORKER, max_workers());
      if (wr_clock_ns() >= deadline_ns) break;
    } else if (!wr_cond_wait_until(&pool.gone, &pool.lock, deadline_ns)) {
      break;
    }
  }
  return threads_locked() == 0 && !wr_ready_any(&pool.ready);
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

/* ---- spare threads, and relievers ----

   Nothing depends on them: they drain like workers, and what they leave stands where the pool finds
   it. Nobody joins one, but the end of the pool those that it waits for.

   That somebody looks wherever it is needed: streams become ready, or are left ready by who takes
   one, in sections that end with watch_locked (a stream for which a thread sleeps apart, which that
   one drains). It lets go only of what an idle worker has been told of, which takes a stream before
   it does anything else; of what a spare looks after, which leaves in a section in which none was
   ready; and where there are enough of them: then one that comes back looks. */

/* The end of a spare or a reliever, which is counted no more; lets go of the lock. */
static void end_uncounted(struct worker *self) {
  bool awaited = pool.stopping > 0;
  if (awaited) leave_locked(self);
  wr_mutex_unlock(&pool.lock);
  if (awaited) return;
  wr_free(self);
  pthread_detach(pthread_self());
}

static void tick_locked(void) {
  wr_cond_wait_until(&pool.tick, &pool.lock, wr_clock_ns() + TICK_NS);
  for (int c = 0; c < WR_CLASSES; c++) {
    pool.late[c] = wr_ready_any(&pool.ready) ? pool.late[c] + 1 : 0;
  }
}

/* Whether the spare that looks has to take something, and as whom. It leaves a place for another
   spare before it takes a worn stream. */
static bool is_late_locked(int most, enum taker *as) {
  bool worn = pool.late[WR_WORN] > WORN_TICKS && pool.spares <= most;
  *as = worn ? SPARE : SPARE_FOR_FRESH;
  return worn || pool.late[WR_FRESH] >= FRESH_TICKS;
}

/* Drains streams until there is none for it, or a worker has come back to them. */
static void stand_in_locked(enum taker as, int most) {
  uint64_t taken = wr_pool_taken();
  while (drain_one_locked(as, most) && wr_pool_taken() == taken) continue;
}

/* Looks until nothing was ready for a while, or another one looks. */
static void watch_for_late_locked(int most) {
  enum taker as;
  int quiet = 0;
  while (quiet < (pool.stopping > 0 ? 1 : LINGER_TICKS)) {
    tick_locked();
    quiet = wr_ready_any(&pool.ready) ? 0 : quiet + 1;
    if (!is_late_locked(most, &as)) continue;
    pool.watched = false;
    stand_in_locked(as, most);
    if (pool.watched) return;
    pool.watched = true;
  }
  pool.watched = false;
}

static void *spare_main(void *arg) {
  struct worker *self = arg;
  const int most = max_workers();
  pthread_setname_np(pthread_self(), "weir-reliever");
  wr_mutex_lock(&pool.lock);
  watch_for_late_locked(most);
  pool.spares--;
  end_uncounted(self);
  return NULL;
}

/* Where the system refuses a thread, streams wait for a worker, or the next one that is started. */
static void start_spare(void) {
  pthread_t thread; /* as in start_worker */
  struct worker *self = wr_calloc(sizeof *self);
  if (self && wr_thread_start(spare_main, self, &thread)) return;
  wr_free(self);
  wr_mutex_lock(&pool.lock);
  pool.watched = false;
  pool.spares--;
  wr_cond_broadcast(&pool.gone);
  wr_mutex_unlock(&pool.lock);
}

/* A thread that waits without draining leaves its processor to others, so one more thread for what
   it waits for is not one too many. It runs nothing else, and ends when it can do no more, or a
   worker has come back to the streams. Who gives up and waits for something else may leave it
   inside a long command: so that such threads do not become as many as streams (K6), there are with
   the spare ones no more than the most of those and one for each thread that waits now. None is
   missed, since who waits looks again. */
static void *reliever_main(void *arg) {
  struct worker *self = arg;
  pthread_setname_np(pthread_self(), "weir-reliever");
  struct wr_stream *stream = wr_marker_stream(self->marker);
  if (stream) wr_stream_help_at_once(stream, wr_marker_completion(self->marker));
  wr_stream_release(stream);
  wr_marker_release(self->marker);
  wr_mutex_lock(&pool.lock);
  pool.relievers--;
  end_uncounted(self);
  return NULL;
}

/* Counts one more unless there are enough, or a worker is idle: that one has been told, or somebody
   who sleeps for the stream; or the workers come to the streams, though this one's turn is not yet.
 */
static bool count_reliever(void) {
  int most = max_workers();
  wr_mutex_lock(&pool.lock);
  bool late = !pool.watched || pool.late[WR_WORN] > WORN_TICKS;
  bool wanted = late && pool.idle == 0 && pool.relievers + pool.spares < most + 1 + pool.waiting;
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
  size_t n = (size_t)(pool.relievers + pool.spares);
  wr_mutex_unlock(&pool.lock);
  return n;
}

/* ---- streams ---- */

/* Tells a worker of streams that are ready, or has a spare thread look after them. Called with the
   pool's lock, which it lets go of. */
static void tell_unlock(void) {
  int most = max_workers();
  int start = wr_ready_any(&pool.ready) ? wake_locked(1, most) : 0;
  bool watch = start == 0 && watch_locked(most);
  wr_mutex_unlock(&pool.lock);
  start_workers(start);
  if (watch) start_spare();
}

void wr_pool_push(struct wr_stream *stream, bool fresh, bool tell) {
  wr_mutex_lock(&pool.lock);
  if (!stream->in_ready_list) {
    wr_ready_append(&pool.ready, wr_stream_retain(stream), fresh ? WR_FRESH : WR_WORN);
    wr_fetch_add_relaxed(&pool.ready_hint, 1u);
  }
  if (tell) {
    tell_unlock();
  } else {
    wr_mutex_unlock(&pool.lock);
  }
}

void wr_pool_wake(void) {
  wr_mutex_lock(&pool.lock);
  tell_unlock();
}

bool wr_pool_remove(struct wr_stream *stream) {
  wr_mutex_lock(&pool.lock);
  bool listed = stream->in_ready_list;
  if (listed) {
    wr_ready_unlink(&pool.ready, stream);
    wr_fetch_sub_relaxed(&pool.ready_hint, 1u);
  }
  wr_mutex_unlock(&pool.lock);
  return listed;
}

bool wr_pool_ensure_worker(void) {
  if (!wr_pool_has_ready()) return true;
  int most = max_workers(), start = 0;
  wr_mutex_lock(&pool.lock);
  if (pool.workers == 0 && wr_ready_any(&pool.ready)) start = wake_locked(1, most);
  wr_mutex_unlock(&pool.lock);
  start_workers(start);
  return start == 0 || wr_pool_workers() > 0;
}

uint64_t wr_pool_taken(void) { return wr_load_relaxed(&pool.taken); }

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
  if (chunk < grain) chunk = grain;
  struct job job = {.body = body, .ctx = ctx, .n = n, .grain = grain};
  wr_store_relaxed(&job.chunk, chunk); /* relaxed: not yet shared */
  int64_t slices = (n + chunk - 1) / chunk;
  wr_cond_init(&job.finished);
  wr_mutex_lock(&pool.lock);
  job.next = pool.jobs;
  pool.jobs = &job;
  pool.in_jobs++;
  int room = threads > pool.in_jobs ? threads - pool.in_jobs : 0;
  int start = wake_locked((int)(slices - 1 < room ? slices - 1 : room), threads);
  wr_mutex_unlock(&pool.lock);
  start_workers(start);
  while (run_slice(&job)) continue;
  wr_mutex_lock(&pool.lock);
  pool.in_jobs--;
  remove_job_locked(&job);
  /* Another job may have gone without help because of this one. */
  start = open_job_locked(threads) ? wake_locked(1, threads) : 0;
  while (job.active > 0) wr_cond_wait(&job.finished, &pool.lock);
  wr_mutex_unlock(&pool.lock);
  start_workers(start);
  wr_cond_destroy(&job.finished);
}

/* ---- fork (K11) ----

   The workers are not in the child, and all streams there begin anew (wr_stream_fork_child). */

static void forget_in_child(void) {
  wr_cond_init(&pool.wake);
  wr_cond_init(&pool.gone);
  wr_cond_init(&pool.tick);
  pool.jobs = NULL;
  pool.left = NULL;
  memset(&pool.ready, 0, sizeof pool.ready);
  memset(pool.late, 0, sizeof pool.late);
  pool.in_jobs = 0;
  pool.watched = false;
  wr_store_relaxed(&pool.ready_hint, 0u);
  pool.workers = 0;
  pool.spares = 0;
  pool.relievers = 0;
  pool.waiting = 0;
  pool.idle = 0;
  pool.signalled = 0;
  pool.stopping = 0;
}

static struct wr_fork_row fork_row = {
    .rank = WR_RANK_SCHEDULER, .lock = &pool.lock, .child = forget_in_child};
__attribute__((constructor)) static void watch_forks(void) { wr_fork_register(&fork_row); }
