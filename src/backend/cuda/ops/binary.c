/* Elementwise operations of two inputs of one dtype. Dense inputs, also with a single element for
   all on one side, go by packs of 16 bytes, and so do rows that are dense or of one element each;
   others go by tiles (group_turned.c) or element by element through their layout. */

#include "backend/cuda/ops/internal.h"

static size_t pack_count(const struct wr_call *call) {
  const size_t in = wr_dtype_size(call->in[0].dtype), out = wr_dtype_size(call->out.dtype);
  return wr_pack_count(out, in > out ? in : out, 16);
}

static int entry_of_rows(const struct wr_call *call, const struct wr_layout *l, size_t k) {
  const size_t item = wr_dtype_size(call->in[0].dtype);
  for (int i = 0; i < 2; i++) {
    if (!wr_layout_has_packs(l, i, call->in[i].data, item, k)) return WR_ENTRY_STRIDED;
  }
  return WR_ENTRY_PACKS;
}

/* Which of the kernels by packs fits; the strided one when none does. */
static int entry_of(const struct wr_call *call, const struct wr_layout *l, size_t k) {
  const size_t item = wr_dtype_size(call->in[0].dtype);
  if (!wr_pack_is_aligned(call->out.data, k, wr_dtype_size(call->out.dtype))) {
    return WR_ENTRY_STRIDED;
  }
  if (l->ndim > 1) return entry_of_rows(call, l, k);
  bool dense[2];
  for (int i = 0; i < 2; i++) {
    dense[i] = l->strides[i][0] == 1 && wr_pack_is_aligned(call->in[i].data, k, item);
  }
  if (dense[0] && dense[1]) return WR_ENTRY_DENSE;
  if (dense[1] && l->strides[0][0] == 0) return WR_ENTRY_SCALAR_LEFT;
  if (dense[0] && l->strides[1][0] == 0) return WR_ENTRY_SCALAR_RIGHT;
  return WR_ENTRY_STRIDED;
}

struct wr_error *wr_gpu_binary(struct wr_run *run, const struct wr_call *call) {
  const struct wr_tensor *a = &call->in[0], *b = &call->in[1], *out = &call->out;
  const size_t k = pack_count(call);
  struct wr_layout layout;
  struct wr_launch launch;
  if (!wr_op_takes(call->op, a->dtype)) return wr_gpu_no_body(call);
  if (out->size == 0) return NULL;
  wr_layout_start(&layout, 2);
  for (int d = 0; d < out->ndim; d++) {
    wr_layout_push(&layout, out->shape[d], (const int64_t[]){a->strides[d], b->strides[d]});
  }
  wr_layout_end(&layout);
  const struct wr_module_id id = {WR_SOURCE_BINARY,    (uint8_t)call->op,         (uint8_t)a->dtype,
                                  (uint8_t)out->dtype, wr_layout_is_big(&layout), 0};
  const int entry = entry_of(call, &layout, k);
  if (entry == WR_ENTRY_STRIDED && wr_gpu_by_tiles(run, call, &layout)) return NULL;
  wr_launch_start(&launch, id, entry);
  wr_launch_pointer(&launch, out->data);
  wr_launch_pointer(&launch, a->data);
  wr_launch_pointer(&launch, b->data);
  if (entry == WR_ENTRY_PACKS) {
    wr_layout_by_packs(&layout, k);
    return wr_launch_rows_of_packs(&launch, run, &layout);
  }
  return wr_launch_elements(&launch, run, out->size, entry == WR_ENTRY_STRIDED ? 0 : k, &layout);
}
