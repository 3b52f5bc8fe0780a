/* Normalisation of rows along the last axis: short rows by some lanes of a warp each, longer ones
   by a block; those that fit stay in registers, by packs of 16 bytes where they lie so. */

#include "backend/cuda/ops/internal.h"

enum { WARP = 32, THREADS = 128, THREADS_MOST = 1024, PACKS = 4, ONES = 8 };

/* The kernels' struct of this name. */
struct problem {
  void *out;
  const void *x, *weight, *bias;
  int64_t rows, n, stride;
  int64_t lanes;
  float eps;
  int32_t centred;
};

/* How a row is spread: which kernel, how many threads have it, and how many a block has. */
struct way {
  int entry;
  int64_t lanes;
  unsigned threads;
};

static int64_t warps_of(int64_t threads) { return (threads + WARP - 1) / WARP * WARP; }

/* `pieces` packs or elements, of which a thread keeps at most `most`. */
static struct way spread(int64_t pieces, int64_t most, int entry, int entry_long) {
  struct way w = {.entry = entry, .lanes = 1, .threads = THREADS};
  if (pieces > most * THREADS_MOST) {
    return (struct way){entry_long, THREADS_MOST, THREADS_MOST};
  }
  const int64_t least = (pieces + most - 1) / most;
  if (least <= WARP) {
    w.lanes = wr_lanes_of(pieces);
  } else {
    w.lanes = warps_of(least);
    w.threads = (unsigned)w.lanes;
  }
  return w;
}

/* Where there are fewer rows than multiprocessors, more threads have each. */
static struct way way_of(const struct wr_run *run, const struct wr_line_axis *l, bool packs,
                         int64_t k) {
  if (!packs) return spread(l->n, ONES, WR_ENTRY_NORM_ONES_8, WR_ENTRY_NORM_ONES_LONG);
  const int64_t n = l->n / k;
  const bool few = l->other.size < run->gpu->multiprocessors && n <= THREADS_MOST;
  if (n <= WARP || few) return spread(n, 1, WR_ENTRY_NORM_PACKS_1, WR_ENTRY_NORM_PACKS_LONG);
  return spread(n, PACKS, WR_ENTRY_NORM_PACKS_4, WR_ENTRY_NORM_PACKS_LONG);
}

/* Weight or bias, dense, and on 16 bytes: where it lies, or a copy. */
static struct wr_error *factor_of(struct wr_run *run, const struct wr_tensor *t, const void **out) {
  void *room;
  *out = t->data;
  if ((t->strides[0] == 1 || t->size == 1) && wr_aligned(t->data, 16)) return NULL;
  struct wr_error *error = wr_run_scratch(run, (size_t)t->size * wr_dtype_size(t->dtype), &room);
  if (!error) error = wr_gpu_convert(run, t, t->dtype, room);
  *out = room;
  return error;
}

struct wr_error *wr_gpu_row_norm(struct wr_run *run, const struct wr_call *call) {
  const struct wr_row_norm_params *params = call->params;
  const struct wr_tensor *in = &call->in[0];
  const size_t item = wr_dtype_size(in->dtype);
  const int64_t k = 16 / (int64_t)item;
  struct wr_line_axis lines;
  struct wr_launch l;
  struct wr_error *error = NULL;
  wr_line_axis_of(&lines, in, in->ndim - 1);
  struct problem p = {.out = call->out.data,
                      .x = in->data,
                      .rows = lines.other.size,
                      .n = lines.n,
                      .stride = lines.stride,
                      .eps = params->eps,
                      .centred = params->centred};
  if (params->has_weight) error = factor_of(run, &call->in[1], &p.weight);
  if (!error && params->has_bias) error = factor_of(run, &call->in[call->n_in - 1], &p.bias);
  if (error) return error;
  const bool packs = lines.n % k == 0 && lines.stride == 1 &&
                     wr_layout_is_aligned(&lines.other, 0, in->data, item, 16);
  const struct way way = way_of(run, &lines, packs, k);
  const struct wr_module_id id = {
      WR_SOURCE_ROW_NORM, (uint8_t)WR_OP_ROW_NORM,        (uint8_t)in->dtype,
      (uint8_t)in->dtype, wr_layout_is_big(&lines.other), 0};
  p.lanes = way.lanes;
  const int64_t each = way.threads / way.lanes;
  wr_launch_start(&l, id, way.entry);
  wr_launch_struct(&l, &p, sizeof p);
  wr_launch_layout(&l, &lines.other);
  wr_launch_blocks(&l, (p.rows + each - 1) / each, 1, way.threads);
  return wr_launch(&l, run);
}
