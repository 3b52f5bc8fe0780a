/* Elementwise operations of one input. Dense inputs, and those whose rows are dense, go by packs of
   16 bytes, others by tiles (group_turned.c) or element by element through their layout. */

#include "backend/cuda/ops/internal.h"

static int entry_of(const struct wr_tensor *in, const struct wr_tensor *out,
                    const struct wr_layout *l, size_t k) {
  const size_t item = wr_dtype_size(in->dtype);
  if (!wr_pack_is_aligned(out->data, k, wr_dtype_size(out->dtype)) ||
      l->strides[0][l->ndim - 1] != 1) {
    return WR_ENTRY_STRIDED;
  }
  if (l->ndim == 1 && wr_pack_is_aligned(in->data, k, item)) return WR_ENTRY_DENSE;
  return wr_layout_has_packs(l, 0, in->data, item, k) ? WR_ENTRY_PACKS : WR_ENTRY_STRIDED;
}

/* For casts too: only their kernels are in another source. */
struct wr_error *wr_gpu_map(struct wr_run *run, enum wr_source source, const struct wr_call *call) {
  const struct wr_tensor *in = &call->in[0], *out = &call->out;
  const size_t a = wr_dtype_size(in->dtype), b = wr_dtype_size(out->dtype);
  const size_t k = wr_pack_count(b, a > b ? a : b, 32);
  struct wr_layout layout;
  struct wr_launch launch;
  if (out->size == 0) return NULL;
  wr_layout_of(&layout, in, wr_layout_all(in));
  const int entry = entry_of(in, out, &layout, k);
  if (entry == WR_ENTRY_STRIDED && wr_gpu_by_tiles(run, call, &layout)) return NULL;
  const struct wr_module_id id = {(uint8_t)source,           (uint8_t)call->op,
                                  (uint8_t)in->dtype,        (uint8_t)out->dtype,
                                  wr_layout_is_big(&layout), 0};
  wr_launch_start(&launch, id, entry);
  wr_launch_pointer(&launch, out->data);
  wr_launch_pointer(&launch, in->data);
  if (entry == WR_ENTRY_PACKS) {
    wr_layout_by_packs(&layout, k);
    return wr_launch_rows_of_packs(&launch, run, &layout);
  }
  return wr_launch_elements(&launch, run, out->size, entry == WR_ENTRY_DENSE ? k : 0, &layout);
}

struct wr_error *wr_gpu_no_body(const struct wr_call *call) {
  return wr_error_new(WEIR_ERROR_UNSUPPORTED, "%s has no GPU kernel for %s",
                      wr_op_info(call->op)->name, wr_dtype_name(call->in[0].dtype));
}

struct wr_error *wr_gpu_unary(struct wr_run *run, const struct wr_call *call) {
  if (!wr_op_takes(call->op, call->in[0].dtype)) return wr_gpu_no_body(call);
  return wr_gpu_map(run, WR_SOURCE_UNARY, call);
}
