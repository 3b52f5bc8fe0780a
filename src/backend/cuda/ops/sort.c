/* Sort, argsort and partition along one axis; stable, NaN last. A line that fits into a block is
   sorted or parted there; a very short one is sorted whole for a partition, which puts every
   element where it may stand. Longer ones are sorted by the digits of their keys, a sweep for each,
   back and forth between two pieces of scratch memory; the last sweep writes the result. A
   partition of longer ones is in select.c. */

#include "backend/cuda/ops/internal.h"

/* What the kernels have of each. */
enum {
  FEW_SMALL = 512,  /* elements up to which a network is chosen over digits */
  FEW_LARGE = 1024, /* the same for those of 8 bytes, which have twice the digits */
  THREADS = 512,
  DIGITS = 256
};

/* The kernels' struct. */
struct way {
  const void *in;
  const void *keys;
  const void *places;
  void *out;
  void *to_keys;
  void *to_places;
};

struct sort {
  struct wr_line_axis axis;
  struct wr_lines_of lines;
  struct wr_module_id id;
  const struct wr_call *call;
  int64_t tiles; /* of a line */
  int passes;
  struct {
    void *keys;
    void *places;
  } scratch[2];
  /* What the sweeps tell each other, zeroed: counts of all digits, of each tile's for each pass,
     and a counter for each pass. */
  char *totals, *told, *drawn;
  size_t word;
};

/* Elements of a thread, of a block of a sweep. */
static int64_t each(const struct sort *s) { return s->passes == 8 ? 8 : 16; }

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

/* ---- in one block ---- */

static struct wr_error *in_block(struct sort *s, struct wr_run *run) {
  struct wr_launch l;
  const int64_t n = s->lines.n;
  const bool few = n <= (s->passes == 8 ? FEW_LARGE : FEW_SMALL);
  int64_t threads = n <= THREADS / 2 * each(s) ? THREADS / 2 : THREADS;
  if (few) threads = smaller((n + 63) / 64 * 32, THREADS);
  const struct wr_partition_params *partition = s->call->params;
  const bool parts = s->call->op == WR_OP_PARTITION && !few;
  wr_launch_start(&l, s->id,
                  few     ? WR_ENTRY_SORT_FEW
                  : parts ? WR_ENTRY_SORT_PARTS
                          : WR_ENTRY_SORT_ROWS);
  wr_launch_pointer(&l, s->call->out.data);
  wr_launch_pointer(&l, s->call->in[0].data);
  wr_launch_struct(&l, &s->lines, sizeof s->lines);
  wr_launch_layout(&l, &s->axis.other);
  if (parts) wr_launch_i64(&l, partition->kth);
  wr_launch_blocks(&l, s->lines.lines, 1, (unsigned)threads);
  return wr_launch(&l, run);
}

/* ---- in sweeps ---- */

static struct wr_error *state(struct sort *s, struct wr_run *run) {
  const size_t lines = (size_t)s->lines.lines, passes = (size_t)s->passes;
  const size_t totals = lines * passes * DIGITS * s->word;
  const size_t told = lines * (size_t)s->tiles * passes * DIGITS * s->word;
  const size_t bytes = totals + told + passes * sizeof(uint32_t);
  void *all;
  struct wr_error *error = wr_run_scratch(run, bytes, &all);
  if (error) return error;
  s->totals = all;
  s->told = s->totals + totals;
  s->drawn = s->told + told;
  return wr_run_zero(run, all, bytes);
}

/* The first sweep writes into the first piece, the second into the other one, and so on. */
static struct wr_error *scratch(struct sort *s, struct wr_run *run) {
  const size_t n = (size_t)s->call->in[0].size;
  const size_t item = wr_dtype_size(s->call->in[0].dtype);
  struct wr_error *error = NULL;
  for (int i = 0; i < 2 && i < s->passes - 1 && !error; i++) {
    error = wr_run_scratch(run, n * item, &s->scratch[i].keys);
    if (!error && s->call->op == WR_OP_ARGSORT) {
      error = wr_run_scratch(run, n * sizeof(uint32_t), &s->scratch[i].places);
    }
  }
  return error;
}

static struct wr_error *count(struct sort *s, struct wr_run *run) {
  struct wr_launch l;
  /* As many as run at once: one more would begin when they are done, and take as long as they. */
  const int64_t most = larger((int64_t)run->gpu->multiprocessors * 2 / s->lines.lines, 1);
  wr_launch_start(&l, s->id, WR_ENTRY_SORT_COUNT);
  wr_launch_pointer(&l, s->totals);
  wr_launch_pointer(&l, s->call->in[0].data);
  wr_launch_struct(&l, &s->lines, sizeof s->lines);
  wr_launch_layout(&l, &s->axis.other);
  wr_launch_blocks(&l, smaller(s->tiles, most), s->lines.lines, THREADS);
  return wr_launch(&l, run);
}

static struct wr_error *sweep(struct sort *s, struct wr_run *run, int pass) {
  struct wr_launch l;
  const bool first = pass == 0, last = pass == s->passes - 1;
  const int from = 1 - pass % 2, to = pass % 2;
  const struct way way = {.in = first ? s->call->in[0].data : NULL,
                          .keys = first ? NULL : s->scratch[from].keys,
                          .places = first ? NULL : s->scratch[from].places,
                          .out = last ? s->call->out.data : NULL,
                          .to_keys = last ? NULL : s->scratch[to].keys,
                          .to_places = last ? NULL : s->scratch[to].places};
  const int64_t tiles = s->lines.lines * s->tiles;
  wr_launch_start(&l, s->id, WR_ENTRY_SORT_SWEEP);
  wr_launch_struct(&l, &way, sizeof way);
  wr_launch_struct(&l, &s->lines, sizeof s->lines);
  wr_launch_layout(&l, &s->axis.other);
  wr_launch_pointer(&l, s->totals);
  wr_launch_pointer(&l, s->told + (size_t)(pass * tiles) * DIGITS * s->word);
  wr_launch_pointer(&l, s->drawn + (size_t)pass * sizeof(uint32_t));
  wr_launch_i64(&l, s->tiles);
  wr_launch_i64(&l, pass);
  wr_launch_blocks(&l, tiles, 1, THREADS);
  return wr_launch(&l, run);
}

static struct wr_error *in_sweeps(struct sort *s, struct wr_run *run) {
  struct wr_error *error = scratch(s, run);
  if (!error) error = state(s, run);
  if (!error) error = count(s, run);
  for (int pass = 0; pass < s->passes && !error; pass++) error = sweep(s, run, pass);
  return error;
}

struct wr_error *wr_gpu_sort(struct wr_run *run, const struct wr_call *call) {
  enum { COUNTABLE = 1 << 30 }; /* what a word of 32 bits tells of */
  const struct wr_tensor *in = &call->in[0];
  const struct wr_axis_params *axis = call->params;
  const struct wr_partition_params *partition = call->params;
  struct sort s = {.call = call, .passes = (int)wr_dtype_size(in->dtype)};
  if (in->size == 0) return NULL;
  wr_line_axis_of(&s.axis, in, call->op == WR_OP_PARTITION ? partition->axis : axis->axis);
  s.lines = (struct wr_lines_of){s.axis.other.size, s.axis.n, s.axis.stride, s.axis.inner};
  const enum wr_op op = call->op == WR_OP_ARGSORT ? WR_OP_ARGSORT : WR_OP_SORT;
  const bool big = wr_layout_is_big(&s.axis.other) || s.axis.n >= COUNTABLE;
  s.id = (struct wr_module_id){WR_SOURCE_SORT,           (uint8_t)op, (uint8_t)in->dtype,
                               (uint8_t)call->out.dtype, big,         0};
  s.word = big ? sizeof(uint64_t) : sizeof(uint32_t);
  const int64_t tile = THREADS * each(&s);
  s.tiles = (s.lines.n + tile - 1) / tile;
  if (s.tiles == 1) return in_block(&s, run);
  if (call->op == WR_OP_PARTITION) return wr_gpu_part_lines(run, call, &s.axis, &s.lines, big);
  return in_sweeps(&s, run);
}
