/* Sort, argsort and partition along one axis; stable, NaN last. A partition is sorted whole, which
   puts every element where it may stand. Tiles are sorted first; then runs are merged in pairs,
   back and forth between two pieces of scratch memory, and the last step writes the result. */

#include "backend/cuda/ops/internal.h"

enum { TILE = 2048, TILE_THREADS = 512 };

/* The kernels' structs. */
struct lines_of {
  int64_t lines;
  int64_t n;
  int64_t stride;
  int64_t inner;
};

struct target {
  void *out;
  void *keys;
  void *places;
};

struct sort {
  struct wr_line_axis axis;
  struct lines_of lines;
  struct wr_module_id id;
  const struct wr_call *call;
  struct target scratch[2];
};

static struct wr_error *tiles(struct sort *s, struct wr_run *run, const struct target *to) {
  struct wr_launch l;
  wr_launch_start(&l, s->id, WR_ENTRY_SORT_TILES);
  wr_launch_struct(&l, to, sizeof *to);
  wr_launch_pointer(&l, s->call->in[0].data);
  wr_launch_struct(&l, &s->lines, sizeof s->lines);
  wr_launch_layout(&l, &s->axis.other);
  wr_launch_blocks(&l, (s->lines.n + TILE - 1) / TILE, s->lines.lines, TILE_THREADS);
  return wr_launch(&l, run);
}

static struct wr_error *merge(struct sort *s, struct wr_run *run, const struct target *from,
                              const struct target *to, int64_t width) {
  struct wr_launch l;
  wr_launch_start(&l, s->id, WR_ENTRY_SORT_MERGE);
  wr_launch_struct(&l, to, sizeof *to);
  wr_launch_pointer(&l, from->keys);
  wr_launch_pointer(&l, from->places);
  wr_launch_struct(&l, &s->lines, sizeof s->lines);
  wr_launch_i64(&l, width);
  wr_launch_threads(&l, run, s->lines.lines * s->lines.n, 256);
  return wr_launch(&l, run);
}

static struct wr_error *scratch(struct sort *s, struct wr_run *run) {
  const size_t n = (size_t)s->call->in[0].size;
  const size_t item = wr_dtype_size(s->call->in[0].dtype);
  struct wr_error *error = NULL;
  /* Tiles are sorted into the first piece. A second one is needed where a merge is not the last. */
  const int pieces = s->lines.n > 2 * TILE ? 2 : 1;
  for (int i = 0; i < pieces && !error; i++) {
    error = wr_run_scratch(run, n * item, &s->scratch[i].keys);
    if (!error && s->call->op == WR_OP_ARGSORT) {
      error = wr_run_scratch(run, n * sizeof(uint32_t), &s->scratch[i].places);
    }
  }
  return error;
}

static struct wr_error *sort_lines(struct sort *s, struct wr_run *run) {
  const struct target result = {.out = s->call->out.data};
  if (s->lines.n <= TILE) return tiles(s, run, &result);
  struct wr_error *error = scratch(s, run);
  if (!error) error = tiles(s, run, &s->scratch[0]);
  int from = 0;
  for (int64_t width = TILE; width < s->lines.n && !error; width *= 2, from = 1 - from) {
    bool last = 2 * width >= s->lines.n;
    error = merge(s, run, &s->scratch[from], last ? &result : &s->scratch[1 - from], width);
  }
  return error;
}

struct wr_error *wr_gpu_sort(struct wr_run *run, const struct wr_call *call) {
  const struct wr_tensor *in = &call->in[0];
  const struct wr_axis_params *axis = call->params;
  const struct wr_partition_params *partition = call->params;
  struct sort s = {.call = call};
  if (in->size == 0) return NULL;
  wr_line_axis_of(&s.axis, in, call->op == WR_OP_PARTITION ? partition->axis : axis->axis);
  s.lines = (struct lines_of){s.axis.other.size, s.axis.n, s.axis.stride, s.axis.inner};
  const enum wr_op op = call->op == WR_OP_ARGSORT ? WR_OP_ARGSORT : WR_OP_SORT;
  s.id = (struct wr_module_id){WR_SOURCE_SORT,
                               (uint8_t)op,
                               (uint8_t)in->dtype,
                               (uint8_t)call->out.dtype,
                               wr_layout_is_big(&s.axis.other),
                               0};
  return sort_lines(&s, run);
}
