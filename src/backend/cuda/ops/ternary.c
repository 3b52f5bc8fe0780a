/* where(condition, x, y): moves elements by their size alone, whatever their dtype. The condition
   is bool by the operation's dtype rule. */

#include "backend/cuda/ops/internal.h"

static int entry_of(const struct wr_call *call, const struct wr_layout *l, size_t k) {
  const size_t item = wr_dtype_size(call->out.dtype);
  bool dense = l->ndim == 1, packs = wr_aligned(call->out.data, 16);
  for (int i = 0; i < 3; i++) {
    const size_t size = i == 0 ? 1 : item;
    dense = dense && l->strides[i][0] == 1 && wr_aligned(call->in[i].data, k * size);
    packs = packs && wr_layout_has_packs(l, i, call->in[i].data, size, k);
  }
  return dense && wr_aligned(call->out.data, 16) ? WR_ENTRY_DENSE
         : packs                                 ? WR_ENTRY_PACKS
                                                 : WR_ENTRY_STRIDED;
}

struct wr_error *wr_gpu_where(struct wr_run *run, const struct wr_call *call) {
  const struct wr_tensor *in = call->in, *out = &call->out;
  const enum wr_dtype type = wr_dtype_of_size(out->dtype);
  const size_t k = 16 / wr_dtype_size(type);
  struct wr_layout layout;
  struct wr_launch launch;
  if (out->size == 0) return NULL;
  wr_layout_start(&layout, 3);
  for (int d = 0; d < out->ndim; d++) {
    const int64_t strides[] = {in[0].strides[d], in[1].strides[d], in[2].strides[d]};
    wr_layout_push(&layout, out->shape[d], strides);
  }
  wr_layout_end(&layout);
  const int entry = entry_of(call, &layout, k);
  if (entry == WR_ENTRY_STRIDED && wr_gpu_by_tiles(run, call, &layout)) return NULL;
  const struct wr_module_id id = {WR_SOURCE_WHERE, (uint8_t)call->op,         (uint8_t)type,
                                  (uint8_t)type,   wr_layout_is_big(&layout), 0};
  wr_launch_start(&launch, id, entry);
  wr_launch_pointer(&launch, out->data);
  for (int i = 0; i < 3; i++) wr_launch_pointer(&launch, in[i].data);
  if (entry == WR_ENTRY_PACKS) {
    wr_layout_by_packs(&layout, k);
    return wr_launch_rows_of_packs(&launch, run, &layout);
  }
  return wr_launch_elements(&launch, run, out->size, entry == WR_ENTRY_DENSE ? k : 0, &layout);
}
