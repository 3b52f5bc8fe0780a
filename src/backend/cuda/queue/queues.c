/* What is kept for the queues of one GPU, and the list of its encoders that hold something back, or
   have commands in flight or being reported. Lock: the GPU's. */

#include "backend/cuda/queue/internal.h"

struct wr_error *wr_gpu_queues_new(struct wr_gpu *gpu) {
  struct wr_gpu_queues *q = wr_calloc(sizeof *q);
  if (!q) return wr_error_out_of_memory();
  wr_cond_init(&q->wake);
  wr_cond_init(&q->ended);
  struct wr_error *error = wr_graph_table_new(&q->graphs);
  if (error) {
    wr_free(q);
    return error;
  }
  gpu->queues = q;
  return NULL;
}

void wr_gpu_queues_free(struct wr_gpu_queues *q) {
  if (!q) return;
  wr_graph_table_free(q->graphs);
  wr_free(q);
}

/* ---- the list of encoders that are busy ---- */

/* The list holds a reference to each encoder: a command that only downloads bytes does not keep its
   stream, so the encoder's owner may be gone before the command is over. The reaper that reports an
   encoder's last command, and takes it off the list, has a reference of its own. */
void wr_busy_insert_locked(struct wr_encoder *e) {
  struct wr_gpu *gpu = e->gpu;
  if (e->in_busy_list) return;
  e->refs++;
  e->in_busy_list = true;
  (void)wr_fetch_add_relaxed(&gpu->queues->n_busy, 1u);
  e->busy_prev = NULL;
  e->busy_next = gpu->queues->busy;
  if (gpu->queues->busy) gpu->queues->busy->busy_prev = e;
  gpu->queues->busy = e;
}

void wr_busy_tell_locked(struct wr_gpu *gpu) {
  if (!gpu->queues->reaper_sleeps && wr_clock_ns() > gpu->queues->eager_until) return;
  gpu->queues->reaper_sleeps = false;
  wr_cond_signal(&gpu->queues->wake);
}

static void unlink_locked(struct wr_encoder *e) {
  e->refs--;
  e->in_busy_list = false;
  (void)wr_fetch_sub_relaxed(&e->gpu->queues->n_busy, 1u);
  if (e->busy_prev) {
    e->busy_prev->busy_next = e->busy_next;
  } else {
    e->gpu->queues->busy = e->busy_next;
  }
  if (e->busy_next) e->busy_next->busy_prev = e->busy_prev;
}

void wr_busy_remove_locked(struct wr_encoder *e) {
  if (e->in_busy_list && !e->opened && !e->first && !e->reporting) unlink_locked(e);
}

void wr_busy_rotate_locked(struct wr_gpu *gpu, struct wr_encoder *const *looked, int n) {
  struct wr_encoder *tail = gpu->queues->busy;
  if (!tail) return;
  while (tail->busy_next) tail = tail->busy_next;
  for (int i = 0; i < n; i++) {
    struct wr_encoder *e = looked[i];
    if (!e->in_busy_list || e == tail) continue;
    unlink_locked(e);
    e->refs++;
    e->in_busy_list = true;
    (void)wr_fetch_add_relaxed(&gpu->queues->n_busy, 1u);
    e->busy_next = NULL;
    e->busy_prev = tail;
    tail->busy_next = e;
    tail = e;
  }
}
