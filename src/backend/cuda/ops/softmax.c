/* Softmax and log-sum-exp over the last axis. Rows that lie dense, begin on 16 bytes and are not
   too long are kept in registers; others are read three times. */

#include "backend/cuda/ops/internal.h"

enum { THREADS_MOST = 1024 };

int wr_softmax_packs(int64_t n, size_t item, unsigned *threads) {
  const int64_t k = 16 / (int64_t)item, packs = n / k;
  if (n % k != 0 || packs > 4 * THREADS_MOST) return 0;
  const int per_thread = packs > 128 ? 4 : 1;
  *threads = packs <= 32 ? wr_lanes_of(packs)
                         : (unsigned)(((packs + per_thread - 1) / per_thread + 31) / 32 * 32);
  return per_thread;
}

/* The kernel that keeps rows like these in registers, with *threads threads a block, which takes no
   stride; -1 if the rows are too long or do not lie dense. */
static int in_registers(enum wr_op op, const struct wr_tensor *in, const struct wr_line_axis *l,
                        unsigned *threads) {
  const size_t item = wr_dtype_size(in->dtype);
  const bool fits = l->stride == 1 && wr_layout_is_aligned(&l->other, 0, in->data, item, 16);
  const int per_thread = fits ? wr_softmax_packs(l->n, item, threads) : 0;
  if (per_thread == 0) return -1;
  if (op != WR_OP_SOFTMAX) return per_thread == 4 ? WR_ENTRY_LOGSUMEXP_4 : WR_ENTRY_LOGSUMEXP_1;
  return per_thread == 4 ? WR_ENTRY_SOFTMAX_4 : WR_ENTRY_SOFTMAX_1;
}

static unsigned threads_for(int64_t n) {
  enum { EACH = 4, SHORT = 32 * EACH };
  unsigned threads = 32;
  if (n <= SHORT) return wr_lanes_of((n + EACH - 1) / EACH);
  while (threads < THREADS_MOST && threads * 4 < n) threads *= 2;
  return threads;
}

struct wr_error *wr_gpu_softmax(struct wr_run *run, const struct wr_call *call) {
  const struct wr_tensor *in = &call->in[0];
  struct wr_line_axis lines;
  struct wr_launch l;
  if (in->size == 0) return NULL;
  wr_line_axis_of(&lines, in, in->ndim - 1);
  unsigned threads = threads_for(lines.n);
  const int strided = call->op == WR_OP_SOFTMAX ? WR_ENTRY_SOFTMAX : WR_ENTRY_LOGSUMEXP;
  const int entry = in_registers(call->op, in, &lines, &threads);
  const struct wr_module_id id = {
      WR_SOURCE_SOFTMAX,  (uint8_t)WR_OP_SOFTMAX,         (uint8_t)in->dtype,
      (uint8_t)in->dtype, wr_layout_is_big(&lines.other), 0};
  wr_launch_start(&l, id, entry < 0 ? strided : entry);
  wr_launch_pointer(&l, call->out.data);
  wr_launch_pointer(&l, in->data);
  wr_launch_i64(&l, lines.other.size);
  wr_launch_i64(&l, lines.n);
  if (entry < 0) wr_launch_i64(&l, lines.stride);
  wr_launch_layout(&l, &lines.other);
  wr_launch_lanes(&l, lines.other.size, threads);
  return wr_launch(&l, run);
}
