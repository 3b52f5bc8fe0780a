/* Runs of elements that are written into a result; see update.h. The row functions of elementwise
   operations have dense results: what is not dense goes by way of a block on the stack. */

#include "backend/cpu/update.h"

#include "backend/cpu/kernels.h"
#include "backend/cpu/loop/loop.h"

struct wr_error *wr_update_by(struct wr_update *update, enum wr_op by, enum wr_dtype dtype) {
  *update = (struct wr_update){.item = (int64_t)wr_dtype_size(dtype)};
  if (by == WR_OP_COPY) return NULL;
  update->row = wr_cpu_binary_row(by, dtype);
  if (update->row) return NULL;
  return wr_error_new(WEIR_ERROR_UNSUPPORTED, "no update of %s by %s", wr_dtype_name(dtype),
                      wr_op_info(by)->name);
}

static void join(const struct wr_update *u, void *dst, const void *src, int64_t src_stride,
                 int64_t n) {
  u->row(&(struct wr_row){.out = dst, .in = {dst, src}, .stride = {1, src_stride}, .n = n});
}

static void join_by_blocks(const struct wr_update *u, char *dst, int64_t dst_stride,
                           const char *src, int64_t src_stride, int64_t n) {
  enum { BLOCK = 256 };
  _Alignas(8) char block[BLOCK * sizeof(double)];
  for (int64_t at = 0; at < n; at += BLOCK) {
    const int64_t m = n - at < BLOCK ? n - at : BLOCK;
    char *to = dst + at * dst_stride * u->item;
    wr_copy_run(block, 1, to, dst_stride, m, (int)u->item);
    join(u, block, src + at * src_stride * u->item, src_stride, m);
    wr_copy_run(to, dst_stride, block, 1, m, (int)u->item);
  }
}

void wr_update_run(const struct wr_update *update, void *dst, int64_t dst_stride, const void *src,
                   int64_t src_stride, int64_t n) {
  if (!update->row) {
    wr_copy_run(dst, dst_stride, src, src_stride, n, (int)update->item);
  } else if (dst_stride == 1 || n == 1) {
    join(update, dst, src, src_stride, n);
  } else {
    join_by_blocks(update, dst, dst_stride, src, src_stride, n);
  }
}
