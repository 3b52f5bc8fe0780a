/* A GPU's memory as a source of buffers. It is allocated from a pool of the driver's that only Weir
   uses, in the order of a stream of the driver's that nothing else uses; so allocating and freeing
   never wait for kernels. (No other order is needed, since a buffer is freed only when no queued
   work uses it any more.) No locks. */

#include "backend/cuda/memory/memory.h"

struct wr_gpu_memory {
  struct wr_memory_source source; /* immutable after publish */
  struct wr_gpu *gpu;             /* immutable after publish */
  wr_cu_pool pool;                /* immutable after publish */
  wr_cu_stream stream;            /* immutable after publish */
  struct wr_memory *buffers;      /* immutable after publish */
};

static struct wr_gpu_memory *memory_of(const struct wr_memory_source *source) {
  return WR_CONTAINER_OF(source, struct wr_gpu_memory, source);
}

/* ---- a source ---- */

static void *source_alloc(const struct wr_memory_source *source, size_t bytes) {
  struct wr_gpu_memory *m = memory_of(source);
  struct wr_gpu *gpu = m->gpu;
  struct wr_error *error = wr_gpu_unusable(gpu);
  wr_cu_address address = 0;
  int before = wr_cancel_off();
  if (!error) {
    wr_gpu_enter(gpu);
    error = wr_gpu_result(gpu, wr_cu->alloc_async(&address, bytes, m->pool, m->stream),
                          "cuMemAllocAsync");
    if (!error) {
      error =
          wr_gpu_result_of_wait(gpu, wr_cu->stream_synchronize(m->stream), "cuStreamSynchronize");
    }
    wr_gpu_leave();
  }
  wr_cancel_restore(before);
  bool ok = error == NULL;
  wr_error_release(error);
  return ok ? (void *)(uintptr_t)address : NULL; /* NOLINT(performance-no-int-to-ptr) */
}

/* On a GPU that failed, and in a forked child, the memory is gone with the context. */
static void source_free(const struct wr_memory_source *source, void *data, size_t bytes) {
  struct wr_gpu_memory *m = memory_of(source);
  struct wr_gpu *gpu = m->gpu;
  (void)bytes;
  if (wr_gpu_forked() || wr_load_relaxed(&gpu->failed)) return; /* relaxed: compared alone */
  int before = wr_cancel_off(); /* the thread may be inside a free of the program's */
  wr_gpu_enter(gpu);
  (void)wr_cu->free_async((wr_cu_address)(uintptr_t)data, m->stream);
  wr_gpu_leave();
  wr_cancel_restore(before);
}

/* Memory that was freed goes back to the system once the driver's stream has come to the free. */
static void source_release(const struct wr_memory_source *source) {
  struct wr_gpu_memory *m = memory_of(source);
  struct wr_gpu *gpu = m->gpu;
  if (wr_gpu_forked() || wr_load_relaxed(&gpu->failed)) return; /* relaxed: compared alone */
  wr_gpu_enter(gpu);
  if (wr_cu->stream_synchronize(m->stream) == WR_CU_SUCCESS) {
    (void)wr_cu->pool_trim(m->pool, 0);
  }
  wr_gpu_leave();
}

static struct wr_error *source_refusal(const struct wr_memory_source *source) {
  return wr_gpu_unusable(memory_of(source)->gpu);
}

/* Of memory that was freed the driver keeps up to a sixteenth of the GPU's, until the cache is
   cleared: mapping memory anew takes longer than most kernels. */
static struct wr_error *pool_new(struct wr_gpu_memory *m, size_t total) {
  struct wr_gpu *gpu = m->gpu;
  const struct wr_cu_pool_properties properties = {.allocation_type = WR_CU_ALLOCATION_PINNED,
                                                   .location_type = WR_CU_LOCATION_DEVICE,
                                                   .location_id = gpu->index};
  wr_cu_result result = wr_cu->pool_new(&m->pool, &properties);
  if (result) return wr_gpu_result(gpu, result, "cuMemPoolCreate");
  uint64_t keep = total / 16;
  return wr_gpu_result(gpu, wr_cu->pool_set(m->pool, WR_CU_POOL_RELEASE_THRESHOLD, &keep),
                       "cuMemPoolSetAttribute");
}

/* Lets the other GPUs read and write this one's memory, if the machine can do that, so that copies
   go directly from one to the other. If it cannot, the driver copies through the host by itself. */
static void pool_share(struct wr_gpu_memory *m) {
  struct wr_gpu *gpu = m->gpu;
  for (int i = 0; i < wr_gpu_count(); i++) {
    const struct wr_cu_access access = {WR_CU_LOCATION_DEVICE, i, WR_CU_ACCESS_READ_WRITE};
    wr_cu_device peer;
    int possible = 0;
    if (i == gpu->index || wr_cu->device_get(&peer, i) != WR_CU_SUCCESS) continue;
    (void)wr_cu->peer_possible(&possible, peer, gpu->id);
    if (possible) (void)wr_cu->pool_access(m->pool, &access, 1);
  }
}

static struct wr_error *memory_make(struct wr_gpu_memory *m) {
  struct wr_gpu *gpu = m->gpu;
  size_t total = 0;
  struct wr_error *error =
      wr_gpu_result(gpu, wr_cu->device_memory(&total, gpu->id), "cuDeviceTotalMem");
  if (!error) error = pool_new(m, total);
  if (error) return error;
  pool_share(m);
  error = wr_gpu_result(gpu, wr_cu->stream_new(&m->stream, WR_CU_STREAM_NON_BLOCKING),
                        "cuStreamCreate");
  if (error) return error;
  m->source = (struct wr_memory_source){.device = {WR_DEVICE_GPU, gpu->index},
                                        .alloc = source_alloc,
                                        .free = source_free,
                                        .refusal = source_refusal,
                                        .release = source_release,
                                        .capacity = total};
  m->buffers = wr_memory_new(&m->source);
  return m->buffers ? NULL : wr_error_out_of_memory();
}

struct wr_error *wr_gpu_memory_new(struct wr_gpu *gpu) {
  struct wr_gpu_memory *m = wr_calloc(sizeof *m);
  if (!m) return wr_error_out_of_memory();
  m->gpu = gpu;
  struct wr_error *error = memory_make(m);
  if (error) {
    wr_free(m);
    return error;
  }
  gpu->memory = m;
  return NULL;
}

void wr_gpu_memory_free(struct wr_gpu_memory *m) {
  if (!m) return;
  wr_memory_free(m->buffers);
  wr_free(m);
}

struct wr_memory *wr_gpu_buffers(const struct wr_gpu *gpu) {
  return gpu->memory->buffers;
}
