/* NVIDIA GPUs as a backend: the table of kernels, and what each dtype has. Everything is found at
   first need; see library.h. No locks. */

#include "backend/cuda/kernel.h"

/* Views share their input's buffer: wr_gpu_view is declared by their rows and never defined, and so
   is wr_gpu_none, of operations without a body. */
#define wr_gpu_view NULL
#define wr_gpu_none NULL
static const wr_gpu_kernel kernels[WR_OP_COUNT] = {
#define WR_OP(ID, name, family, arity, rule, types, params, fusable, cpu, cuda) \
  [WR_OP_##ID] = wr_gpu_##cuda,
#include "core/ops.def"
#undef WR_OP
};
#undef wr_gpu_view
#undef wr_gpu_none

wr_gpu_kernel wr_gpu_kernel_for(enum wr_op op) { return kernels[op]; }

static bool supports(enum wr_op op, enum wr_dtype dtype) {
  return (kernels[op] || wr_op_info(op)->view) && wr_op_takes(op, dtype);
}

const struct wr_backend wr_backend_cuda = {
    .name = "cuda",
    .type = WR_DEVICE_GPU,
    .device_count = wr_gpu_count,
    .absent_reason = wr_gpu_absent_reason,
    .usable = wr_gpu_usable,
    .encoder_new = wr_gpu_encoder_new,
    .encoder_free = wr_gpu_encoder_free,
    .encode = wr_gpu_encode,
    .encode_group = wr_gpu_encode_group,
    .encode_marker = wr_gpu_encode_marker,
    .encode_upload = wr_gpu_encode_upload,
    .encode_download = wr_gpu_encode_download,
    .flush = wr_gpu_flush,
    .full = wr_gpu_full,
    .when_room = wr_gpu_when_room,
    .place = wr_gpu_place,
    .encode_wait = wr_gpu_encode_wait,
    .label = wr_gpu_label,
    .memory = wr_gpu_memory,
    .read = wr_gpu_read,
    .write = wr_gpu_write,
    .copy = wr_gpu_peer_copy,
    .poll = wr_gpu_poll,
    .settle = wr_gpu_settle,
    .threads = wr_gpu_threads,
    .pooled = wr_gpu_pooled,
    .supports = supports,
    .facts = wr_gpu_facts,
};
