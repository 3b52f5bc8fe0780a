/* Idle streams and events of the driver, kept for the next encoder or mark: both cost the driver
   microseconds to make. Bounded; what does not fit is freed. Lock: the GPU's. */

#include "backend/cuda/driver/driver.h"

struct wr_error *wr_gpu_stream_take(struct wr_gpu *gpu, wr_cu_stream *out) {
  *out = NULL;
  wr_mutex_lock(&gpu->lock);
  if (gpu->n_idle_streams > 0) *out = gpu->idle_streams[--gpu->n_idle_streams];
  wr_mutex_unlock(&gpu->lock);
  if (*out) return NULL;
  return wr_gpu_result(gpu, wr_cu->stream_new(out, WR_CU_STREAM_NON_BLOCKING), "cuStreamCreate");
}

void wr_gpu_stream_give(struct wr_gpu *gpu, wr_cu_stream stream) {
  wr_mutex_lock(&gpu->lock);
  bool keep = gpu->n_idle_streams < WR_GPU_IDLE_STREAMS;
  if (keep) gpu->idle_streams[gpu->n_idle_streams++] = stream;
  wr_mutex_unlock(&gpu->lock);
  if (!keep) (void)wr_cu->stream_free(stream);
}

size_t wr_gpu_total(size_t (*of_locked)(const struct wr_gpu *gpu)) {
  size_t n = 0;
  for (int i = 0; i < WR_GPU_MAX && !wr_gpu_forked(); i++) {
    struct wr_gpu *gpu = wr_gpu_known(i);
    if (!gpu) continue;
    wr_mutex_lock(&gpu->lock);
    n += of_locked(gpu);
    wr_mutex_unlock(&gpu->lock);
  }
  return n;
}

static size_t pooled_locked(const struct wr_gpu *gpu) { return (size_t)gpu->n_idle_streams; }
size_t wr_gpu_pooled(void) { return wr_gpu_total(pooled_locked); }

struct wr_error *wr_gpu_event_take_locked(struct wr_gpu *gpu, bool blocking, wr_cu_event *out) {
  struct wr_gpu_events *idle = &gpu->idle_events[blocking];
  const unsigned flags = WR_CU_EVENT_NO_TIMING | (blocking ? WR_CU_EVENT_BLOCKING : 0u);
  if (idle->n > 0) {
    *out = idle->events[--idle->n];
    return NULL;
  }
  return wr_gpu_result(gpu, wr_cu->event_new(out, flags), "cuEventCreate");
}

void wr_gpu_event_give_locked(struct wr_gpu *gpu, bool blocking, wr_cu_event event) {
  struct wr_gpu_events *idle = &gpu->idle_events[blocking];
  if (idle->n < WR_GPU_IDLE_EVENTS) {
    idle->events[idle->n++] = event;
  } else {
    (void)wr_cu->event_free(event);
  }
}
