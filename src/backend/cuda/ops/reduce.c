/* Reductions over a mask of axes: sum, prod, max, min, all, any, and variances. The input's axes
   are in two parts: each position on the kept ones is a result, made of all positions on the
   reduced ones. Which kernel is used depends on which of the axes lie side by side in memory. Where
   there are too few results to fill the GPU each is made in splits. The block that is done last
   folds the totals of all splits in their order, so that a result is the same every time. */

#include "backend/cuda/ops/internal.h"

enum {
  SHORT_PACKS = 128, /* of 16 bytes: what a warp folds as soon as a block */
  MOST_SPLITS = 4096,
  LEAST_PER_SPLIT = 4096,
  ROUND_BYTES = 16384,
  STREAMED_BYTES = 128 << 20, /* more than the caches of any GPU hold */
  LEAST_ROUNDS = 128,         /* of a row that is streamed, which is no multiple of them */
  ON_EACH = 8,                /* blocks that a multiprocessor has at once */
  WARP_COLUMNS = 32,          /* results that share a counter, where not more do */
  PACK_MOST = 16              /* elements */
};

struct reduction {
  struct wr_layout kept;
  struct wr_layout reduced;
  struct wr_module_id id;
  const void *in;
  struct wr_reduction cut;
};

static bool is_side_by_side(const struct wr_layout *l) { return l->strides[0][l->ndim - 1] == 1; }

/* How many blocks keep every multiprocessor busy. */
static int64_t enough_blocks(const struct wr_run *run) {
  return (int64_t)run->gpu->multiprocessors * ON_EACH;
}

/* Without splits there would be `blocks` blocks; there are splits only where these are at most half
   of enough. A split is a whole number of packs of 16 bytes, and, where that makes it at
   most an eighth longer, a whole number of rounds of a block's loop, which are `round` elements
   each. No split has fewer than `least` elements. */
static void choose_splits(struct wr_reduction *r, const struct wr_run *run, int64_t blocks,
                          int64_t least, int64_t round) {
  int64_t n = r->n;
  int64_t wanted = blocks > 0 ? enough_blocks(run) / blocks : 1;
  int64_t most = n / least;
  if (wanted > most) wanted = most;
  if (wanted > MOST_SPLITS) wanted = MOST_SPLITS;
  if (wanted < 1) wanted = 1;
  const int64_t even = (n + wanted - 1) / wanted, rounded = (even + round - 1) / round * round;
  r->per_split = (rounded - even) * 8 <= even ? rounded : (even + 15) / 16 * 16;
  if (wanted == 1) r->per_split = n;
  r->splits = r->per_split > 0 ? (n + r->per_split - 1) / r->per_split : 1;
}

void wr_reduction_of_rows(struct wr_reduction *r, const struct wr_run *run, int64_t results,
                          int64_t n, size_t item, bool packs) {
  const int64_t pack = 16 / (int64_t)item, short_packs = (n + pack - 1) / pack;
  const int64_t round = ROUND_BYTES / (int64_t)item;
  *r = (struct wr_reduction){.results = results, .n = n, .splits = 1, .per_split = n};
  if (short_packs <= SHORT_PACKS) {
    r->entry = packs ? WR_ENTRY_REDUCE_SHORT_ROWS_DENSE : WR_ENTRY_REDUCE_SHORT_ROWS;
    r->lanes = (int)wr_lanes_of(short_packs);
  } else if (packs && n >= LEAST_ROUNDS * round && results * n * (int64_t)item >= STREAMED_BYTES) {
    /* Rounds are twice as long, half as many blocks run at once, and each split has a round. */
    r->entry = WR_ENTRY_REDUCE_ROWS_STREAMED;
    choose_splits(r, run, results * 2, round * 2, round * 2);
  } else {
    r->entry = packs ? WR_ENTRY_REDUCE_ROWS_DENSE : WR_ENTRY_REDUCE_ROWS;
    choose_splits(r, run, results, LEAST_PER_SPLIT, round);
  }
}

/* Columns are read by packs where this leaves at least half of the multiprocessors a block. Splits
   are chosen before, so that results do not depend on it; of maxima and minima there are twice as
   many, which is sooner done. */
static void reduction_of_columns(struct wr_reduction *r, const struct wr_run *run, int64_t results,
                                 int64_t n, size_t item, int pack, bool any_cut) {
  *r = (struct wr_reduction){
      .results = results, .n = n, .entry = WR_ENTRY_REDUCE_COLUMNS, .side = WARP_COLUMNS};
  /* Narrow elements come many to a pack, and so to few blocks. Where they do not come by packs
     there are as many times the counters. */
  const int64_t each = WARP_COLUMNS * (item < 4 ? PACK_MOST / (int64_t)item : 1);
  const int64_t blocks = (results + each - 1) / each;
  choose_splits(r, run, any_cut ? (blocks + 1) / 2 : blocks, item < 4 ? 128 : 256, 32);
  if (pack == 1 || results / (WARP_COLUMNS * pack) * r->splits * 2 < run->gpu->multiprocessors)
    return;
  r->entry = WR_ENTRY_REDUCE_PACKED_COLUMNS;
  r->side = WARP_COLUMNS * pack;
}

/* Blocks along the results. */
static int64_t blocks_of(const struct wr_reduction *r) {
  return r->side > 0 ? (r->results + r->side - 1) / r->side : r->results;
}

_Static_assert(ON_EACH / 2 * PACK_MOST <= WR_RUN_COUNTERS, "a counter for each block with splits");

static struct wr_error *take_target(struct wr_reduction *r, struct wr_run *run, size_t total,
                                    void *out) {
  r->target.out = out;
  if (r->splits == 1) return NULL;
  struct wr_error *error = wr_run_counters(run, blocks_of(r), &r->target.counters);
  if (error) return error;
  return wr_run_scratch(run, (size_t)(r->splits * r->results) * total, &r->target.totals);
}

struct wr_error *wr_reduction_target(struct wr_reduction *r, struct wr_run *run, enum wr_dtype from,
                                     void *out) {
  return take_target(r, run, from == WR_COMPLEX64 ? 16 : 8, out);
}

void wr_reduction_grid(const struct wr_reduction *r, const struct wr_run *run,
                       struct wr_launch *l) {
  wr_launch_index(l, r->results);
  wr_launch_i64(l, r->n);
  if (r->lanes > 0) {
    wr_launch_lanes(l, r->results, (unsigned)r->lanes);
    return;
  }
  const int64_t blocks = blocks_of(r);
  const int64_t most = enough_blocks(run) * 4;
  if (r->entry != WR_ENTRY_REDUCE_ROWS_STREAMED) wr_launch_i64(l, r->per_split);
  wr_launch_blocks(l, blocks < most ? blocks : most, r->splits, 256);
  if (r->side == 0) return;
  l->block[0] = WARP_COLUMNS;
  l->block[1] = 8;
}

/* The innermost axis of the results, whose elements lie side by side, is a whole number of packs,
   and so are the steps of the others. */
static bool has_packs(const struct wr_layout *l, int pack) {
  bool whole = l->shape[l->ndim - 1] % pack == 0;
  for (int d = 0; d < l->ndim - 1; d++) whole = whole && l->strides[0][d] % pack == 0;
  return whole;
}

static void choose_kernel(struct reduction *r, const struct wr_run *run, size_t item) {
  const int64_t results = r->kept.size, n = r->reduced.size;
  if (is_side_by_side(&r->kept) && !is_side_by_side(&r->reduced) && results >= 8) {
    const int pack = 16 / (int)item;
    const bool packs =
        has_packs(&r->kept, pack) && wr_layout_is_aligned(&r->reduced, 0, r->in, item, 16);
    /* Elements of four bytes are those for which this was measured. Not where they come by packs
       alone: which of 0 and -0 a maximum is follows from how it is cut. */
    const bool any_cut = item == 4 && (r->id.op == WR_OP_MAX || r->id.op == WR_OP_MIN);
    reduction_of_columns(&r->cut, run, results, n, item, packs ? pack : 1, any_cut);
  } else {
    bool packs =
        wr_layout_is_dense(&r->reduced) && wr_layout_is_aligned(&r->kept, 0, r->in, item, 16);
    wr_reduction_of_rows(&r->cut, run, results, n, item, packs);
  }
}

static bool is_of_dense_rows(const struct wr_reduction *r) {
  return r->entry == WR_ENTRY_REDUCE_ROWS_DENSE || r->entry == WR_ENTRY_REDUCE_ROWS_STREAMED ||
         r->entry == WR_ENTRY_REDUCE_SHORT_ROWS_DENSE;
}

/* Parts the axes, and chooses how the call is launched. */
static void start(struct reduction *r, const struct wr_run *run, const struct wr_call *call,
                  enum wr_source source, uint32_t axes) {
  const struct wr_tensor *in = &call->in[0];
  r->in = in->data;
  wr_layout_of(&r->kept, in, wr_layout_all(in) & ~axes);
  wr_layout_of(&r->reduced, in, wr_layout_all(in) & axes);
  r->id = (struct wr_module_id){(uint8_t)source,
                                (uint8_t)call->op,
                                (uint8_t)in->dtype,
                                (uint8_t)call->out.dtype,
                                wr_layout_is_big(&r->kept) || wr_layout_is_big(&r->reduced),
                                0};
  choose_kernel(r, run, wr_dtype_size(in->dtype));
}

/* Whether a row of a block's threads reads two rows at a time, as sums do of rows that are a pack
   to each lane. */
static bool has_two_rows(const struct reduction *r) {
  return r->id.source == WR_SOURCE_REDUCE && r->cut.entry == WR_ENTRY_REDUCE_SHORT_ROWS_DENSE &&
         r->cut.n * (int64_t)wr_dtype_size((enum wr_dtype)r->id.a) == r->cut.lanes * 16;
}

/* `target`, of so many bytes, is the kernel's struct of this name. */
static struct wr_error *launch(struct reduction *r, struct wr_run *run, const void *target,
                               size_t bytes) {
  struct wr_launch l;
  wr_launch_start(&l, r->id, r->cut.entry);
  wr_launch_struct(&l, target, bytes);
  wr_launch_pointer(&l, r->in);
  wr_launch_layout(&l, &r->kept);
  if (!is_of_dense_rows(&r->cut)) wr_launch_layout(&l, &r->reduced);
  wr_reduction_grid(&r->cut, run, &l);
  if (has_two_rows(r)) l.grid[0] = (l.grid[0] + 1) / 2;
  return wr_launch(&l, run);
}

struct wr_error *wr_gpu_reduce(struct wr_run *run, const struct wr_call *call) {
  const struct wr_reduce_params *params = call->params;
  struct reduction r;
  if (call->out.size == 0) return NULL;
  start(&r, run, call, WR_SOURCE_REDUCE, params->axes);
  struct wr_error *error = wr_reduction_target(&r.cut, run, call->in[0].dtype, call->out.data);
  return error ? error : launch(&r, run, &r.cut.target, sizeof r.cut.target);
}

/* Half as many blocks run at once as of sums, since each keeps more in registers. */
static void halve_splits(struct wr_reduction *r, const struct wr_run *run, size_t item) {
  if (r->entry != WR_ENTRY_REDUCE_ROWS_DENSE || r->splits == 1) return;
  choose_splits(r, run, r->results * 2, LEAST_PER_SPLIT, ROUND_BYTES / (int64_t)item);
}

struct wr_error *wr_gpu_variance(struct wr_run *run, const struct wr_call *call) {
  enum { TOTAL_BYTES = 24 }; /* the kernel's struct spread */
  const struct wr_variance_params *params = call->params;
  struct reduction r;
  struct {
    void *out, *totals;
    uint32_t *counters;
    double divisor, over;
    int64_t root;
  } target;
  if (call->out.size == 0) return NULL;
  start(&r, run, call, WR_SOURCE_VARIANCE, params->axes);
  halve_splits(&r.cut, run, wr_dtype_size(call->in[0].dtype));
  struct wr_error *error = take_target(&r.cut, run, TOTAL_BYTES, call->out.data);
  if (error) return error;
  target.out = r.cut.target.out;
  target.totals = r.cut.target.totals;
  target.counters = r.cut.target.counters;
  target.divisor = wr_variance_divisor(params, r.reduced.size);
  target.over = 1 / target.divisor;
  target.root = params->root;
  return launch(&r, run, &target, sizeof target);
}
