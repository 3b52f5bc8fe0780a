/* Reductions over a mask of axes: sum, prod, max, min, all, any. The input's axes are parted into
   kept ones (one result each, in order) and reduced ones; which kernel goes over them depends on
   what lies side by side in memory. Reductions with too few results to fill the GPU are cut into
   splits whose totals are merged in order, so that a result is the same every time. */

#include "backend/cuda/kernel.h"

enum { SHORT = 64, MOST_SPLITS = 1024, LEAST_PER_SPLIT = 4096 };

struct reduction {
  struct wr_layout kept;
  struct wr_layout reduced;
  struct wr_module_id id;
  const void *in;
  int entry;
  int64_t splits;
  int64_t per_split;
};

/* The kernels' struct target. */
struct target {
  void *out;
  void *totals;
};

static bool is_side_by_side(const struct wr_layout *l) { return l->strides[0][l->ndim - 1] == 1; }

/* All rows begin on 16 bytes. */
static bool rows_are_aligned(const struct reduction *r, size_t item) {
  bool aligned = wr_aligned(r->in, 16);
  for (int d = 0; d < r->kept.ndim; d++) {
    aligned = aligned && (r->kept.size == 1 || r->kept.strides[0][d] * (int64_t)item % 16 == 0);
  }
  return aligned;
}

/* Blocks that keep every multiprocessor busy. */
static int64_t enough_blocks(const struct wr_run *run) {
  return (int64_t)run->gpu->multiprocessors * 8;
}

/* `blocks` there are without splits. Splits end on packs of 16 bytes. */
static void choose_splits(struct reduction *r, const struct wr_run *run, int64_t blocks,
                          int64_t least) {
  int64_t n = r->reduced.size;
  int64_t wanted = blocks > 0 ? enough_blocks(run) / blocks : 1;
  int64_t most = n / least;
  if (wanted > most) wanted = most;
  if (wanted > MOST_SPLITS) wanted = MOST_SPLITS;
  if (wanted < 1) wanted = 1;
  r->per_split = ((n + wanted - 1) / wanted + 15) / 16 * 16;
  if (wanted == 1) r->per_split = n;
  r->splits = r->per_split > 0 ? (n + r->per_split - 1) / r->per_split : 1;
}

static void choose_kernel(struct reduction *r, const struct wr_run *run, size_t item) {
  const int64_t results = r->kept.size;
  r->splits = 1;
  r->per_split = r->reduced.size;
  if (is_side_by_side(&r->kept) && !is_side_by_side(&r->reduced) && results >= 8) {
    r->entry = WR_ENTRY_REDUCE_COLUMNS;
    choose_splits(r, run, (results + 31) / 32, 256);
  } else if (r->reduced.size <= SHORT) {
    r->entry = WR_ENTRY_REDUCE_SHORT_ROWS;
  } else {
    bool dense = wr_layout_is_dense(&r->reduced) && rows_are_aligned(r, item);
    r->entry = dense ? WR_ENTRY_REDUCE_ROWS_DENSE : WR_ENTRY_REDUCE_ROWS;
    choose_splits(r, run, results, LEAST_PER_SPLIT);
  }
}

static struct wr_error *run_kernel(struct reduction *r, struct wr_run *run,
                                   const struct target *target) {
  struct wr_launch l;
  const int64_t results = r->kept.size;
  wr_launch_start(&l, r->id, r->entry);
  wr_launch_struct(&l, target, sizeof *target);
  wr_launch_pointer(&l, r->in);
  wr_launch_layout(&l, &r->kept);
  if (r->entry != WR_ENTRY_REDUCE_ROWS_DENSE) wr_launch_layout(&l, &r->reduced);
  wr_launch_index(&l, results);
  wr_launch_i64(&l, r->reduced.size);
  if (r->entry == WR_ENTRY_REDUCE_SHORT_ROWS) {
    wr_launch_threads(&l, run, results * 32, 256);
  } else {
    wr_launch_i64(&l, r->per_split);
    int64_t blocks = r->entry == WR_ENTRY_REDUCE_COLUMNS ? (results + 31) / 32 : results;
    int64_t most = enough_blocks(run) * 4;
    wr_launch_blocks(&l, blocks < most ? blocks : most, r->splits, 256);
    if (r->entry == WR_ENTRY_REDUCE_COLUMNS) {
      l.block[0] = 32;
      l.block[1] = 8;
    }
  }
  return wr_launch(&l, run);
}

static struct wr_error *merge(struct reduction *r, struct wr_run *run,
                              const struct target *target) {
  struct wr_launch l;
  wr_launch_start(&l, r->id, WR_ENTRY_REDUCE_MERGE);
  wr_launch_pointer(&l, target->out);
  wr_launch_pointer(&l, target->totals);
  wr_launch_index(&l, r->kept.size);
  wr_launch_i64(&l, r->splits);
  wr_launch_threads(&l, run, r->kept.size * 32, 256);
  return wr_launch(&l, run);
}

struct wr_error *wr_gpu_reduce(struct wr_run *run, const struct wr_call *call) {
  const struct wr_tensor *in = &call->in[0];
  const struct wr_reduce_params *params = call->params;
  struct reduction r = {.in = in->data};
  struct target target = {.out = call->out.data};
  if (call->out.size == 0) return NULL;
  wr_layout_of(&r.kept, in, wr_layout_all(in) & ~params->axes);
  wr_layout_of(&r.reduced, in, wr_layout_all(in) & params->axes);
  r.id = (struct wr_module_id){WR_SOURCE_REDUCE, (uint8_t)call->op, (uint8_t)in->dtype,
                               (uint8_t)call->out.dtype,
                               wr_layout_is_big(&r.kept) || wr_layout_is_big(&r.reduced)};
  choose_kernel(&r, run, wr_dtype_size(in->dtype));
  if (r.splits > 1) {
    const size_t total = in->dtype == WR_COMPLEX64 ? 16 : 8;
    struct wr_error *error =
        wr_run_scratch(run, (size_t)(r.splits * r.kept.size) * total, &target.totals);
    if (error) return error;
  }
  struct wr_error *error = run_kernel(&r, run, &target);
  return !error && r.splits > 1 ? merge(&r, run, &target) : error;
}
