/* NVIDIA GPUs as a backend: the rooms' functions in the form of backend.h. Everything is found at
   first need; see driver/library.h. No locks. */

#include "backend/cuda/device.h"
#include "backend/cuda/driver/driver.h"
#include "backend/cuda/memory/memory.h"
#include "backend/cuda/ops/ops.h"
#include "backend/cuda/queue/queue.h"

static struct wr_error *encoder_new(int index, struct wr_encoder **out) {
  struct wr_gpu *gpu;
  struct wr_error *error = wr_gpu_get(index, &gpu);
  return error ? error : wr_gpu_encoder_new(gpu, out);
}

/* NULL: nothing was ever made on that GPU. */
static struct wr_memory *memory(int index) {
  const struct wr_gpu *gpu = wr_gpu_known(index);
  return gpu ? wr_gpu_buffers(gpu) : NULL;
}

static const struct wr_async_device async = {
    .flush = wr_gpu_flush,
    .stop = wr_gpu_stop,
    .poll = wr_gpu_poll,
    .full = wr_gpu_full,
    .when_room = wr_gpu_when_room,
    .waits_within = wr_gpu_waits_within,
    .take_begin = wr_gpu_take_begin,
    .take_end = wr_gpu_take_end,
    .line_wait = wr_gpu_line_wait,
    .line_leave = wr_gpu_line_leave,
    .is_over = wr_gpu_is_over,
    .last_number = wr_gpu_last_number,
    .encode_wait = wr_gpu_encode_wait,
    .encode_upload = wr_gpu_encode_upload,
    .encode_download = wr_gpu_encode_download,
    .look = wr_gpu_look,
    .threads = wr_gpu_threads,
    .pooled = wr_gpu_pooled,
};

const struct wr_backend wr_backend_cuda = {
    .name = "cuda",
    .type = WR_DEVICE_GPU,
    .device_count = wr_gpu_count,
    .absent_reason = wr_gpu_absent_reason,
    .usable = wr_gpu_usable,
    .encoder_new = encoder_new,
    .encoder_free = wr_gpu_encoder_free,
    .encode = wr_gpu_encode,
    .encode_group = wr_gpu_encode_group,
    .long_groups = true,
    .draws = true,
    .encode_marker = wr_gpu_encode_marker,
    .label = wr_gpu_label,
    .memory = memory,
    .read = wr_gpu_read,
    .write = wr_gpu_write,
    .copy = wr_gpu_peer_copy,
    .async = &async,
    .exchanges = &wr_gpu_exchanges,
    .solves = wr_gpu_solves,
    .supports = wr_gpu_supports,
    .facts = wr_gpu_facts,
};
