/* Index of the largest or smallest element along an axis, or over the whole input in row-major
   order (axis -1). The first of equal elements counts; a NaN wins over every number, the first NaN
   over the others. An empty input gives zeros. Where there are too few results to fill the GPU each
   is found in splits. */

#include "backend/cuda/ops/internal.h"

enum {
  MOST_SPLITS = 1024,
  LEAST_PER_SPLIT = 4096,
  ROWS_ON_EACH = 6,
  THREADS = 256,
  PACK_MOST = 16,
  SHORT = 512 /* elements, which some lanes of a warp search */
};

enum { EACH = 4 }; /* elements of a short row that a lane reads at a time */

/* Of the kernel for columns: results and threads of a block. */
enum { LANES = 32, SIDE = 8, LEAST_PER_COLUMN = 256, COLUMNS_ON_EACH = 8 };

struct search {
  struct wr_layout kept;
  struct wr_layout reduced;
  struct wr_module_id id;
  const struct wr_call *call;
  int64_t blocks; /* of each split */
  int64_t splits;
  int64_t per_split;
};

/* Without splits there would be s->blocks blocks; with them as many on each multiprocessor as there
   is room for at once, which is no more than there are counters. A split is a whole number of
   packs. */
static void choose_splits(struct search *s, const struct wr_run *run, int64_t least,
                          int64_t on_each) {
  const int64_t n = s->reduced.size;
  int64_t wanted = (int64_t)run->gpu->multiprocessors * on_each / s->blocks;
  if (wanted > n / least) wanted = n / least;
  if (wanted > MOST_SPLITS) wanted = MOST_SPLITS;
  if (wanted < 1) wanted = 1;
  s->per_split = ((n + wanted - 1) / wanted + PACK_MOST - 1) / PACK_MOST * PACK_MOST;
  s->splits = (n + s->per_split - 1) / s->per_split;
}

/* What all kernels have. What splits come to goes to scratch, which the block that comes last
   reads. */
static struct wr_error *start(struct wr_launch *l, struct search *s, struct wr_run *run,
                              int entry) {
  enum { PART = 16 /* bytes of what a split comes to */ };
  void *parts = NULL;
  uint32_t *counters = NULL;
  if (s->splits > 1) {
    struct wr_error *error = wr_run_counters(run, s->blocks, &counters);
    if (!error) error = wr_run_scratch(run, (size_t)(s->splits * s->kept.size) * PART, &parts);
    if (error) return error;
  }
  wr_launch_start(l, s->id, entry);
  wr_launch_pointer(l, s->call->out.data);
  wr_launch_pointer(l, parts);
  wr_launch_pointer(l, counters);
  wr_launch_pointer(l, s->call->in[0].data);
  wr_launch_layout(l, &s->kept);
  wr_launch_layout(l, &s->reduced);
  wr_launch_index(l, s->kept.size);
  wr_launch_i64(l, s->reduced.size);
  wr_launch_i64(l, s->per_split);
  return NULL;
}

/* ---- columns ---- */

static bool is_columns(const struct search *s) {
  const struct wr_layout *kept = &s->kept, *reduced = &s->reduced;
  return kept->strides[0][kept->ndim - 1] == 1 && reduced->strides[0][reduced->ndim - 1] != 1 &&
         kept->size >= 8;
}

/* Cuts columns among blocks that have so many results each. */
static void cut_columns(struct search *s, const struct wr_run *run, int64_t each) {
  s->blocks = (s->kept.size + each - 1) / each;
  choose_splits(s, run, LEAST_PER_COLUMN, COLUMNS_ON_EACH);
}

/* Whether columns are read by packs of 16 bytes; if so they are cut among blocks for that. */
static bool are_packed(struct search *s, const struct wr_run *run) {
  const struct wr_tensor *in = &s->call->in[0];
  const size_t item = wr_dtype_size(in->dtype), pack = 16 / item;
  if (!wr_layout_has_packs(&s->kept, 0, in->data, item, pack) ||
      !wr_layout_is_aligned(&s->reduced, 0, in->data, item, 16)) {
    return false;
  }
  cut_columns(s, run, LANES * (int64_t)pack);
  return s->blocks * s->splits * 2 >= run->gpu->multiprocessors;
}

/* As sums over columns are made (reduce.c). */
static struct wr_error *columns(struct search *s, struct wr_run *run) {
  const int64_t most = (int64_t)run->gpu->multiprocessors * 32;
  struct wr_launch l;
  const bool packed = are_packed(s, run);
  if (!packed) cut_columns(s, run, LANES);
  struct wr_error *error =
      start(&l, s, run, packed ? WR_ENTRY_ARG_PACKED_COLUMNS : WR_ENTRY_ARG_COLUMNS);
  if (error) return error;
  wr_launch_blocks(&l, s->blocks < most ? s->blocks : most, s->splits, LANES);
  l.block[1] = SIDE;
  return wr_launch(&l, run);
}

/* ---- rows ---- */

/* True when rows are read by packs of 16 bytes. */
static bool is_packed(const struct search *s) {
  const struct wr_tensor *in = &s->call->in[0];
  return wr_layout_is_dense(&s->reduced) &&
         wr_layout_is_aligned(&s->kept, 0, in->data, wr_dtype_size(in->dtype), 16);
}

static struct wr_error *rows(struct search *s, struct wr_run *run) {
  const int64_t most = (int64_t)run->gpu->multiprocessors * 32;
  struct wr_launch l;
  s->blocks = s->kept.size;
  choose_splits(s, run, LEAST_PER_SPLIT, ROWS_ON_EACH);
  const bool short_rows = s->reduced.size <= SHORT;
  struct wr_error *error = start(&l, s, run,
                                 short_rows     ? WR_ENTRY_ARG_SHORT_ROWS
                                 : is_packed(s) ? WR_ENTRY_ARG_PACKED_ROWS
                                                : WR_ENTRY_ARG_ROWS);
  if (error) return error;
  if (short_rows) {
    wr_launch_lanes(&l, s->kept.size, wr_lanes_of((s->reduced.size + EACH - 1) / EACH));
    return wr_launch(&l, run);
  }
  wr_launch_blocks(&l, s->blocks < most ? s->blocks : most, s->splits, THREADS);
  return wr_launch(&l, run);
}

struct wr_error *wr_gpu_arg_reduce(struct wr_run *run, const struct wr_call *call) {
  const struct wr_tensor *in = &call->in[0], *out = &call->out;
  const struct wr_axis_params *params = call->params;
  if (out->size == 0) return NULL;
  if (in->size == 0) {
    return wr_run_zero(run, out->data, (size_t)out->size * wr_dtype_size(out->dtype));
  }
  const uint32_t all = wr_layout_all(in);
  const uint32_t axes = params->axis < 0 || in->ndim == 0 ? all : 1u << params->axis;
  struct search s = {.call = call};
  wr_layout_of(&s.kept, in, all & ~axes);
  wr_layout_of(&s.reduced, in, axes);
  s.id = (struct wr_module_id){WR_SOURCE_ARG_REDUCE,
                               (uint8_t)call->op,
                               (uint8_t)in->dtype,
                               (uint8_t)out->dtype,
                               wr_layout_is_big(&s.kept) || wr_layout_is_big(&s.reduced),
                               0};
  return is_columns(&s) ? columns(&s, run) : rows(&s, run);
}
