/* The GPU's own thread, which reports what nobody waits for: it looks at all encoders with work
   in flight, and naps in between. Lock: the GPU's. */

#include <pthread.h>
#include <sys/prctl.h>

#include "backend/cuda/queue/internal.h"
#include "base/fork.h"
#include "base/thread.h"

enum {
  NAP_MAX_NS = 500 * 1000,
  NAP_EAGER_NS = 40 * 1000,     /* the longest nap while some thread may be parked */
  LINGER_NS = 20 * 1000 * 1000, /* it stays awake that long after the last work */
  BATCH = 64                    /* encoders that it looks at in one round */
};

/* Encoders that nobody reaps; this thread becomes their reaper. */
static int collect_locked(struct wr_gpu *gpu, struct wr_encoder **out) {
  int n = 0;
  for (struct wr_encoder *e = gpu->queues->busy; e && n < BATCH; e = e->busy_next) {
    if (wr_reap_begin_locked(e, WR_REAPER_WATCHER)) out[n++] = e;
  }
  return n;
}

static bool look_round(struct wr_gpu *gpu) {
  struct wr_encoder *mine[BATCH];
  bool progress = false;
  wr_mutex_lock(&gpu->lock);
  int n = collect_locked(gpu, mine);
  if (n == BATCH) wr_busy_rotate_locked(gpu, mine, n);
  wr_mutex_unlock(&gpu->lock);
  for (int i = 0; i < n; i++) {
    bool blocked;
    progress = wr_reap(mine[i], false, &blocked) || progress;
    wr_reap_end(mine[i]);
  }
  return progress;
}

/* Until another thread clears the flag and signals. */
static void sleep_locked(struct wr_gpu *gpu) {
  gpu->queues->reaper_sleeps = true;
  while (gpu->queues->reaper_sleeps) wr_cond_wait(&gpu->queues->wake, &gpu->lock);
}

/* Naps grow while nothing ends. Some time after the last work the thread sleeps until it is told:
   in between, threads that wait for their own results need not wake it. */
static void nap_locked(struct wr_gpu *gpu, uint64_t *nap_ns, uint64_t *idle_since) {
  uint64_t now = wr_clock_ns();
  uint64_t most =
      now < gpu->queues->eager_until || gpu->queues->stopping ? NAP_EAGER_NS : NAP_MAX_NS;
  if (gpu->queues->busy) *idle_since = now;
  if (!gpu->queues->busy && !gpu->queues->stopping && now - *idle_since > LINGER_NS) {
    sleep_locked(gpu);
    *idle_since = wr_clock_ns();
    *nap_ns = WR_NAP_MIN_NS;
    return;
  }
  bool busy = gpu->queues->busy != NULL;
  if (*nap_ns > most) *nap_ns = most;
  wr_cond_wait_until(&gpu->queues->wake, &gpu->lock, now + (busy ? *nap_ns : most));
  *nap_ns = busy ? *nap_ns * 2 : WR_NAP_MIN_NS;
}

static void *watcher_main(void *arg) {
  struct wr_gpu *gpu = arg;
  uint64_t nap_ns = WR_NAP_MIN_NS;
  uint64_t idle_since = wr_clock_ns();
  prctl(PR_SET_TIMERSLACK, 1000ul); /* naps are shorter than the usual slack */
  wr_mutex_lock(&gpu->lock);
  for (bool closed = false;; closed = true) {
    while (!gpu->queues->stopping || gpu->queues->busy) {
      wr_mutex_unlock(&gpu->lock);
      if (look_round(gpu)) nap_ns = WR_NAP_MIN_NS;
      wr_mutex_lock(&gpu->lock);
      if (!gpu->queues->stopping || gpu->queues->busy) nap_locked(gpu, &nap_ns, &idle_since);
    }
    if (closed) break;
    /* The idle buffers of this thread go to the shared cache before wr_gpu_stop returns, whose
       caller may be about to empty that. */
    wr_mutex_unlock(&gpu->lock);
    wr_memory_thread_exit();
    wr_mutex_lock(&gpu->lock);
  }
  gpu->queues->watched = false;
  wr_cond_broadcast(&gpu->queues->ended);
  wr_mutex_unlock(&gpu->lock);
  return NULL;
}

static struct wr_error *watcher_start_locked(struct wr_gpu *gpu) {
  pthread_t thread;
  if (!wr_thread_start("weir-gpu", watcher_main, gpu, &thread)) {
    return wr_error_new(WEIR_ERROR_OUT_OF_MEMORY, "no thread for gpu:%d", gpu->index);
  }
  pthread_detach(thread);
  gpu->queues->watched = true;
  return NULL;
}

struct wr_error *wr_watch_locked(struct wr_gpu *gpu) {
  return gpu->queues->watched ? NULL : watcher_start_locked(gpu);
}

static bool watcher_stop(struct wr_gpu *gpu, uint64_t deadline_ns) {
  bool in_time = true;
  wr_mutex_lock(&gpu->lock);
  gpu->queues->stopping++;
  gpu->queues->reaper_sleeps = false;
  wr_cond_signal(&gpu->queues->wake);
  while (gpu->queues->watched && in_time) {
    in_time = wr_cond_wait_until(&gpu->queues->ended, &gpu->lock, deadline_ns);
  }
  bool ended = !gpu->queues->watched;
  gpu->queues->stopping--;
  wr_mutex_unlock(&gpu->lock);
  return ended;
}

bool wr_gpu_stop(uint64_t deadline_ns) {
  bool stopped = true;
  for (int i = 0; i < WR_GPU_MAX && !wr_gpu_forked(); i++) {
    struct wr_gpu *gpu = wr_gpu_known(i);
    if (gpu) stopped = watcher_stop(gpu, deadline_ns) && stopped;
  }
  return stopped;
}

static size_t watched_locked(const struct wr_gpu *gpu) { return gpu->queues->watched; }
size_t wr_gpu_threads(void) { return wr_gpu_total(watched_locked); }

/* ---- fork ---- */

/* Nothing that was in flight will ever end there. */
static void forget_in_child(void) {
  for (int i = 0; i < WR_GPU_MAX; i++) {
    struct wr_gpu *gpu = wr_gpu_known(i);
    if (!gpu) continue;
    gpu->queues->reaper_sleeps = false;
    wr_line_forget(gpu->queues);
    for (struct wr_encoder *e = gpu->queues->busy; e; e = e->busy_next) e->reaper = WR_REAPER_NONE;
  }
}

/* The locks are taken by the row of driver/gpu.c. */
WR_AT_FORK(.rank = WR_RANK_ENCODER, .child = forget_in_child)
