/* The worker pool: one for all streams, at most as many threads as processors, started when there
   is work for them. Lock: SCHEDULER; never held while work runs. When the process ends, workers end
   with it wherever they are (K8); only wr_pool_stop joins them.

   How long a ready stream waits (K9, O3). A stream whose work is brief has been drained by the
   thread that submitted it (wr_stream_run_brief). For any other, a worker that sleeps is woken, and
   comes at once. Where no worker sleeps, each does one of two things, and alternates between them:
   it drains one stream for a turn, which is TURN_NS and the rest of the command in progress then;
   or it takes slices of a parallel kernel, of about SLICE_NS each, until a stream is ready. So a
   ready stream waits for the end of one turn or of one slice, then for the streams before it in the
   list (ready.h has their order). At most as many threads as there are processors take slices, and
   the threads that called the kernels count among them. So where the program's own threads compute,
   workers sleep; and the system runs a thread that has slept before threads that have computed.

   A command that is not cut in slices keeps its worker until its end. So while a stream is ready
   and no worker sleeps, a spare thread looks once every TICK_NS. If no stream was taken since it
   looked last, it drains fresh streams itself, and after WORN_TICKS any stream; while it drains,
   another spare looks. A spare may be kept by a long command too, so the number of spares has a
   bound: one more than there may be workers, and one for each thread that waits without draining.
   The last of them takes fresh streams only. So where the long commands are those of worn streams,
   as in any program that has run for a while, a fresh stream waits for two ticks at most. */

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

/* A spare counts the ticks at which streams were ready and after which none was taken. The first
   may have come just after a stream became ready; after the second one has waited a whole tick. */
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

/* A slice that took too long makes the next ones shorter, so that the threads that take them soon
   come back to ready streams. Results do not depend on how a kernel is cut. */
static void note_slice(struct job *job, int64_t length, uint64_t took_ns) {
  if (took_ns <= SLICE_NS) return;
  int64_t next = (int64_t)((double)length * SLICE_NS / (double)took_ns);
  if (next < job->grain) next = job->grain;
  /* Relaxed, both: any length will do. */
  if (next < wr_load_relaxed(&job->chunk)) wr_store_relaxed(&job->chunk, next);
}

/* Runs the next slice; false when none is left. */
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

/* Runs slices until none is left, or until a stream is ready, which is drained next. */
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

/* A job that a worker should help with, or NULL. NULL too where as many threads take slices as
   there are processors: one more would make no job faster; and as it has not slept, it would get a
   processor late once a stream is ready. `most` is max_workers(). */
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

/* Called where streams have become ready, or one was taken and others may be left. True when the
   caller has to start a spare thread, after it has released the lock: a stream is ready, no worker
   sleeps or has just been woken, no spare looks, and there may be one more. `most` is
   max_workers(). */
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
    /* A turn of a stream, then slices, so that neither keeps the other waiting. Both release the
       lock meanwhile. */
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

/* Wakes up to `wanted` workers and says how many more to start. `signalled` counts those that were
   woken and do not run yet. A worker that wakes by itself (as the system allows) counts it down
   too; so one worker too many may be woken, never one too few. `most` is max_workers(), which is to
   be asked without the lock. */
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
  pthread_t thread; /* on this stack: the worker may have ended, and freed its struct, before
                       pthread_create writes it */
  struct worker *worker = wr_alloc(sizeof *worker);
  if (worker && wr_thread_start(worker_main, worker, &thread)) return true;
  wr_free(worker);
  return false;
}

static void start_workers(int n) {
  for (; n > 0; n--) {
    if (start_worker()) continue;
    /* The system refuses threads: those that wait drain their streams themselves. */
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

/* These workers have left their loop: they end at once. */
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

/* Waits until all threads have left. Where the system refuses to start any for streams that are
   ready, the calling thread drains them. */
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

   They drain as workers do, and put a stream that they leave back where the pool finds it, so no
   protocol depends on them. Only wr_pool_stop waits for them, and joins those that end meanwhile.

   Why a spare looks whenever it is needed. Streams become ready, and stay ready while another is
   taken, only in sections under the lock that end with watch_locked (except a stream for which a
   thread sleeps in wr_stream_help, and which that thread drains). watch_locked does without a new
   spare in three cases. A worker sleeps: it has been woken, and takes a stream before anything
   else. A spare looks already: it stops only in a section in which no stream was ready. There are
   as many spares as may be: each looks again when it comes back from draining. */

/* The end of a spare or a reliever, which has counted itself off; releases the lock. */
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

/* Whether the spare that looks has to drain now; *as says which streams it may take. Worn ones only
   where one more spare may be started after it, which then looks after the fresh ones. */
static bool is_late_locked(int most, enum taker *as) {
  bool worn = pool.late[WR_WORN] > WORN_TICKS && pool.spares <= most;
  *as = worn ? SPARE : SPARE_FOR_FRESH;
  return worn || pool.late[WR_FRESH] >= FRESH_TICKS;
}

/* Drains streams until there is none that it may take, or a worker has taken one. */
static void stand_in_locked(enum taker as, int most) {
  uint64_t taken = wr_pool_taken();
  while (drain_one_locked(as, most) && wr_pool_taken() == taken) continue;
}

/* Looks until no stream has been ready for a while, or until another spare looks, which was started
   while this one drained. */
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

/* Where the system refuses the thread, streams wait for a worker, or for the next attempt. */
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

/* A thread that waits with a time limit does not drain, so it leaves its processor free; a reliever
   drains in its place. It drains only what that thread waits for, and ends when it can do no more
   of that, or when a worker has come back to the streams. A waiting thread may give up and wait for
   something else while its reliever is kept by a long command. So that there are not as many such
   threads as streams in the end (K6), spares and relievers together have a bound: the most spares,
   and one for each thread that waits now. A thread that was refused a reliever asks again later. */
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

/* Counts one more, if it is needed. It is not where there are enough; where a worker sleeps, since
   then one was woken, or a thread that sleeps for the stream; or where a spare looks and finds that
   workers do come to streams, only not to this one yet. */
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

/* If streams are ready, wakes or starts a worker for them, or starts a spare that looks after them.
   Called with the pool's lock, which it releases. */
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

/* The caller takes slices too, so the job ends even if no worker ever comes. When none is left it
   waits for the slices that workers have begun; these end, since kernels wait for nothing. */
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
  /* Another job may have got no worker because of this one: one is woken for it. */
  start = open_job_locked(threads) ? wake_locked(1, threads) : 0;
  while (job.active > 0) wr_cond_wait(&job.finished, &pool.lock);
  wr_mutex_unlock(&pool.lock);
  start_workers(start);
  wr_cond_destroy(&job.finished);
}

/* ---- fork (K11) ----

   There are no workers in the child, and all streams there begin anew (wr_stream_fork_child). */

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
