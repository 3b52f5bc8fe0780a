/* Parallel kernels: work that is cut into slices, which the caller takes, and workers between their
   turns. Lock: SCHEDULER, the pool's; never held while slices run.

   A kernel has the class of the stream that its caller drains (R5), whatever that becomes
   meanwhile. Slices of a high class run first: a worker that has taken one looks for more urgent
   kernels, and for streams that are as urgent as the kernel, before it takes the next. What is less
   urgent has its share: of WR_SHARE slices or turns one. */

#include <sched.h>
#include <string.h>

#include "base/base.h"
#include "stream/pool.h"
#include "stream/timeline.h"

enum { SLICE_NS = 1000 * 1000 };

/* A parallel kernel in progress, on its caller's stack. */
struct wr_job {
  struct wr_job *next;   /* under LOCK */
  wr_parallel_body body; /* immutable after publish */
  void *ctx;             /* immutable after publish */
  int64_t n;             /* immutable after publish */
  wr_atomic_i64 chunk;   /* atomic RELAXED: how much is the next slice; only falls */
  int64_t grain;         /* immutable after publish: the least */
  wr_atomic_i64 begin;   /* atomic RELAXED: the next slice; results are published by LOCK */
  const struct wr_stream *stream; /* immutable after publish: that the caller drains, or NULL */
  wr_atomic_u32 active;           /* atomic RELAXED, written under LOCK: workers inside */
  struct wr_cond finished;        /* with LOCK */
};

/* A slice that took too long makes the next ones shorter, so that the threads that take them soon
   come back to ready streams. Results do not depend on how a kernel is cut. */
static void note_slice(struct wr_job *job, int64_t length, uint64_t took_ns) {
  if (took_ns <= SLICE_NS) return;
  int64_t next = (int64_t)((double)length * SLICE_NS / (double)took_ns);
  if (next < job->grain) next = job->grain;
  /* Relaxed, both: any length will do. */
  if (next < wr_load_relaxed(&job->chunk)) wr_store_relaxed(&job->chunk, next);
}

/* Runs the next slice; false when none is left. */
static bool run_slice(struct wr_job *job) {
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

static enum wr_class class_of(const struct wr_job *job) {
  if (!job->stream) return WR_CLASS_NORMAL;
  return (enum wr_class)wr_load_relaxed(&((struct wr_stream *)job->stream)->class_now);
}

static bool is_open(struct wr_job *job) { return wr_load_relaxed(&job->begin) < job->n; }

/* The most urgent that has slices left, or NULL; the hints are of that then. */
static struct wr_job *most_urgent_locked(int most) {
  struct wr_job *best = NULL;
  for (struct wr_job *job = wr_pool.jobs; job; job = job->next) {
    if (is_open(job) && (!best || class_of(job) < class_of(best))) best = job;
  }
  const uint32_t class = best ? (uint32_t)class_of(best) : 0u;
  if (best && class != WR_CLASS_NORMAL) wr_pool.has_classes = true;
  wr_store_relaxed(&wr_pool.job_class, class);
  wr_store_relaxed(&wr_pool.open_class, wr_pool.in_jobs < most ? class : 0u);
  return best;
}

/* After n slices: whether the worker has to look what is next. */
static bool is_enough(const struct wr_job *job, int n) {
  const enum wr_class class = class_of(job);
  const uint32_t other = wr_load_relaxed(&wr_pool.job_class);
  if (wr_pool_has_ready_of(class) || (other && other < (uint32_t) class)) return true;
  return n >= WR_SHARE - 1 && wr_pool_has_ready();
}

static void run_some_slices(struct wr_job *job) {
  int n = 1;
  while (run_slice(job) && !is_enough(job, n)) n++;
}

static void help_job_locked(struct wr_job *job) {
  wr_fetch_add_relaxed(&job->active, 1u);
  wr_pool.in_jobs++;
  wr_mutex_unlock(&wr_pool.lock);
  const uint64_t begin = wr_timeline_begin();
  run_some_slices(job);
  wr_timeline_put_span(WR_SPAN_SLICES, begin, 0, NULL);
  wr_mutex_lock_awake(&wr_pool.lock);
  wr_pool.in_jobs--;
  if (wr_fetch_sub_relaxed(&job->active, 1u) == 1u) wr_cond_signal(&job->finished);
}

/* A job that a worker should help with, or NULL. NULL too where as many threads take slices as
   there are processors: one more would make no job faster; and as it has not slept, it would get a
   processor late once a stream is ready. `most` is wr_pool_most(). */
static struct wr_job *open_job_locked(int most) {
  struct wr_job *job = most_urgent_locked(most);
  return wr_pool.in_jobs < most ? job : NULL;
}

bool wr_pool_slice_locked(int most) {
  struct wr_job *job = open_job_locked(most);
  if (!job) return false;
  bool waits =
      class_of(job) > WR_CLASS_HIGH && wr_pool_has_ready_of((enum wr_class)(class_of(job) - 1));
  if (waits && wr_pool.turns < WR_SHARE - 1) return false;
  wr_pool.turns = 0;
  help_job_locked(job);
  return true;
}

/* The class of a stream that is drained has changed. */
void wr_pool_note_class(void) {
  if (!wr_load_relaxed(&wr_pool.job_class)) return;
  const int most = wr_pool_most();
  wr_mutex_lock(&wr_pool.lock);
  (void)most_urgent_locked(most);
  wr_mutex_unlock(&wr_pool.lock);
}

static void remove_job_locked(struct wr_job *job) {
  struct wr_job **p = &wr_pool.jobs;
  while (*p != job) p = &(*p)->next;
  *p = job->next;
}

/* Waits for the workers inside; with the lock held again. The last slice is mostly over before a
   sleep would be. That the count is 0 says nothing before the lock is held: whoever counted itself
   off may still be about to signal. */
static void await_workers_locked(struct wr_job *job, bool looks) {
  if (looks && wr_load_relaxed(&job->active) > 0) {
    const uint64_t until = wr_pool_awake_until();
    wr_mutex_unlock(&wr_pool.lock);
    for (int i = 1; wr_load_relaxed(&job->active) > 0 && wr_clock_ns() < until; i++) {
      wr_pause();
      if (i % WR_POOL_LOOKS == 0) sched_yield();
    }
    wr_mutex_lock_awake(&wr_pool.lock);
  }
  while (wr_load_relaxed(&job->active) > 0) wr_cond_wait(&job->finished, &wr_pool.lock);
}

static void push_locked(struct wr_job *job, int threads) {
  job->next = wr_pool.jobs;
  wr_pool.jobs = job;
  wr_pool.in_jobs++;
  (void)most_urgent_locked(threads);
}

/* Threads that may take slices of a job besides its caller, of whom `slices` - 1 have one. */
static int helpers_locked(int64_t slices, int threads) {
  const int room = threads - wr_pool.in_jobs - 1;
  if (room < 0) return 0;
  return slices - 1 < room ? (int)(slices - 1) : room;
}

/* Wakes a worker, or starts one, that looks for kernels before it sleeps; none where as many
   threads take slices as may. */
static void rouse(int64_t slices, int threads) {
  int start = 0;
  wr_mutex_lock_awake(&wr_pool.lock);
  const int before = wr_pool.signalled;
  if (helpers_locked(slices, threads) > 0) start = wr_pool_wake_locked(1, threads);
  if (start > 0 || wr_pool.signalled > before) wr_pool.roused = true;
  wr_mutex_unlock(&wr_pool.lock);
  wr_pool_start_workers(start);
}

/* Whether a kernel has slices left, a hint. Small ones are not shared then: who is awake has enough
   to do, and of many threads with small kernels all would wait for the lock for longer than helpers
   save. */
static bool is_any_open(void) { return wr_load_relaxed(&wr_pool.job_class) != 0; }

/* How often a small kernel tries the lock, which the worker of the one before has for a moment. */
enum { SMALL_TRIES = 20 };

/* False, and nothing is done, where the job is too small for a thread that sleeps and none is
   awake, or others keep the lock. */
static bool begin(struct wr_job *job, int64_t slices, bool small, int threads) {
  int start = 0;
  if (!small) wr_mutex_lock_awake(&wr_pool.lock);
  for (int i = 0; small && !wr_mutex_try_lock(&wr_pool.lock); i++) {
    if (i == SMALL_TRIES) return false;
    wr_pause();
  }
  const int helpers = helpers_locked(slices, threads), awake = wr_pool_tell_awake_locked(helpers);
  const bool pays = !small || awake > 0;
  if (pays) push_locked(job, threads);
  if (!small) start = wr_pool_wake_locked(helpers - awake, threads);
  wr_mutex_unlock(&wr_pool.lock);
  wr_pool_start_workers(start);
  return pays;
}

static void end(struct wr_job *job, int threads, bool looks) {
  int start = 0;
  wr_mutex_lock_awake(&wr_pool.lock);
  wr_pool.in_jobs--;
  remove_job_locked(job);
  /* Another job may have got no worker because of this one. */
  if (open_job_locked(threads) && wr_pool_tell_awake_locked(1) == 0) {
    start = wr_pool_wake_locked(1, threads);
  }
  await_workers_locked(job, looks);
  wr_mutex_unlock(&wr_pool.lock);
  wr_pool_start_workers(start);
}

static int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

/* The caller takes slices too, so the job ends even if no worker ever comes. When none is left it
   waits for the slices that workers have begun; these end, since kernels wait for nothing. */
void wr_pool_parallel(int64_t n, int64_t grain, int64_t least, wr_parallel_body body, void *ctx) {
  const int threads = wr_pool_most();
  const bool small = n <= grain, looks = wr_cpu_count() > 1;
  least = most(small ? least : grain, 1);
  const bool alone = n <= least || threads == 1;
  const int64_t chunk = most(n / (4 * (int64_t)threads), least), slices = (n + chunk - 1) / chunk;
  const bool asleep = small && wr_pool_looking() == 0, others = small && is_any_open();
  if (!alone && asleep && !others && looks && wr_pool_is_row_of_small(wr_thread_here)) {
    rouse(slices, threads);
  }
  if (!alone && !asleep && !others) {
    struct wr_job job = {
        .body = body, .ctx = ctx, .n = n, .grain = least, .stream = wr_thread_here->drains};
    wr_store_relaxed(&job.chunk, chunk); /* relaxed: not yet shared */
    wr_cond_init(&job.finished);
    const bool begun = begin(&job, slices, small, threads);
    if (begun) {
      while (run_slice(&job)) continue;
      end(&job, threads, looks);
    }
    wr_cond_destroy(&job.finished);
    if (begun) return;
  }
  if (n > 0) body(ctx, 0, n);
}
