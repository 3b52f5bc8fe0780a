/* Elementwise operations of one input. Dense inputs go by packs of 16 bytes, others element by
   element through their layout. */

#include "backend/cuda/ops/internal.h"

/* How many elements make a pack: as many of the wider type as 16 bytes hold. */
static size_t pack_count(enum wr_dtype a, enum wr_dtype b) {
  size_t x = wr_dtype_size(a), y = wr_dtype_size(b);
  return 16 / (x > y ? x : y);
}

/* For casts too: only their kernels are in another source. */
struct wr_error *wr_gpu_map(struct wr_run *run, enum wr_source source, const struct wr_call *call) {
  const struct wr_tensor *in = &call->in[0], *out = &call->out;
  const size_t k = pack_count(in->dtype, out->dtype);
  struct wr_layout layout;
  struct wr_launch launch;
  if (out->size == 0) return NULL;
  wr_layout_of(&layout, in, wr_layout_all(in));
  bool dense = wr_layout_is_dense(&layout) && wr_aligned(in->data, k * wr_dtype_size(in->dtype)) &&
               wr_aligned(out->data, k * wr_dtype_size(out->dtype));
  const struct wr_module_id id = {(uint8_t)source,           (uint8_t)call->op,
                                  (uint8_t)in->dtype,        (uint8_t)out->dtype,
                                  wr_layout_is_big(&layout), 0};
  wr_launch_start(&launch, id, dense ? WR_ENTRY_DENSE : WR_ENTRY_STRIDED);
  wr_launch_pointer(&launch, out->data);
  wr_launch_pointer(&launch, in->data);
  return wr_launch_elements(&launch, run, out->size, dense ? k : 0, &layout);
}

struct wr_error *wr_gpu_no_body(const struct wr_call *call) {
  return wr_error_new(WEIR_ERROR_UNSUPPORTED, "%s has no GPU kernel for %s",
                      wr_op_info(call->op)->name, wr_dtype_name(call->in[0].dtype));
}

struct wr_error *wr_gpu_unary(struct wr_run *run, const struct wr_call *call) {
  if (!wr_op_takes(call->op, call->in[0].dtype)) return wr_gpu_no_body(call);
  return wr_gpu_map(run, WR_SOURCE_UNARY, call);
}
