/* Idle streams and events of the driver, kept for the next encoder or mark: both cost the driver
   microseconds to make. Bounded; what does not fit is freed. Lock: the GPU's. */

#include "backend/cuda/gpu.h"

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

struct wr_error *wr_gpu_event_take_locked(struct wr_gpu *gpu, wr_cu_event *out) {
  if (gpu->n_idle_events > 0) {
    *out = gpu->idle_events[--gpu->n_idle_events];
    return NULL;
  }
  return wr_gpu_result(gpu, wr_cu->event_new(out, WR_CU_EVENT_BLOCKING | WR_CU_EVENT_NO_TIMING),
                       "cuEventCreate");
}

void wr_gpu_event_give_locked(struct wr_gpu *gpu, wr_cu_event event) {
  if (gpu->n_idle_events < WR_GPU_IDLE_EVENTS) {
    gpu->idle_events[gpu->n_idle_events++] = event;
  } else {
    (void)wr_cu->event_free(event);
  }
}
