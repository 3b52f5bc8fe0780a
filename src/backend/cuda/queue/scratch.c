/* What an operation has while it is encoded, besides launches: memory for the time of the call or
   of the stream, and copies and fills by the driver. No locks but the encoder's. */

#include "backend/cuda/queue/internal.h"

/* ---- memory ---- */

void wr_run_scratch_release(struct wr_ptrs *scratch) {
  for (size_t i = 0; i < scratch->count; i++) wr_buffer_release(scratch->items[i]);
  wr_ptrs_free(scratch);
}

static struct wr_error *scratch_of(struct wr_run *run, struct wr_memory *memory, size_t bytes,
                                   void **out) {
  struct wr_buffer *buffer;
  struct wr_error *error = wr_buffer_alloc(memory, bytes, &buffer);
  if (error) return error;
  if (!wr_ptrs_push(&run->scratch, buffer)) {
    wr_buffer_release(buffer);
    return wr_error_out_of_memory();
  }
  *out = buffer->data;
  return NULL;
}

struct wr_error *wr_run_scratch(struct wr_run *run, size_t bytes, void **out) {
  return scratch_of(run, wr_gpu_buffers(run->gpu), bytes, out);
}

struct wr_error *wr_run_host_scratch(struct wr_run *run, size_t bytes, void **out) {
  return scratch_of(run, wr_memory_host(), bytes, out);
}

struct wr_error *wr_run_workspace(struct wr_run *run, void **out) {
  struct wr_buffer **workspace = &run->encoder->workspace;
  if (!*workspace) {
    struct wr_error *error = wr_buffer_alloc(wr_gpu_buffers(run->gpu), WR_RUN_WORKSPACE, workspace);
    if (error) return error;
  }
  *out = (*workspace)->data;
  return NULL;
}

/* Zeroed on the stream itself, once: what is launched there afterwards finds them so. */
struct wr_error *wr_run_counters(struct wr_run *run, int64_t count, uint32_t **out) {
  struct wr_buffer **counters = &run->encoder->counters;
  const int64_t all = (int64_t)run->gpu->multiprocessors * WR_RUN_COUNTERS;
  WR_ASSERT(count <= all);
  (void)count;
  if (!*counters) {
    const size_t bytes = (size_t)all * sizeof(uint32_t);
    struct wr_buffer *buffer;
    struct wr_error *error = wr_buffer_alloc(wr_gpu_buffers(run->gpu), bytes, &buffer);
    if (error) return error;
    error = wr_run_zero(run, buffer->data, bytes);
    if (error) {
      wr_buffer_release(buffer);
      return error;
    }
    *counters = buffer;
  }
  *out = (*counters)->data;
  return NULL;
}

/* ---- by the driver ---- */

struct wr_error *wr_run_copy(struct wr_run *run, void *to, const void *from, size_t bytes) {
  if (!wr_run_direct(run)) return NULL;
  struct wr_error *error =
      wr_gpu_result(run->gpu,
                    wr_cu->copy_on_device((wr_cu_address)(uintptr_t)to,
                                          (wr_cu_address)(uintptr_t)from, bytes, run->stream),
                    "cuMemcpyDtoDAsync");
  if (!error) run->launched = true;
  return error;
}

/* Of a command that has failed, too: it reads nothing, and counters serve those that come later. */
struct wr_error *wr_run_zero(struct wr_run *run, void *at, size_t bytes) {
  (void)wr_run_direct(run);
  struct wr_error *error = wr_gpu_result(
      run->gpu, wr_cu->fill_bytes((wr_cu_address)(uintptr_t)at, 0, bytes, run->stream),
      "cuMemsetD8Async");
  if (!error) run->launched = true;
  return error;
}
