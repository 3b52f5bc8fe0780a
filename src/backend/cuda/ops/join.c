/* Concatenation of arrays whose elements along the axis and behind it lie side by side, and whose
   rows before it are equally far apart: a kernel joins some of them at a time. Others are written
   one by one (copy.c). No locks, no allocation. */

#include "backend/cuda/ops/internal.h"

enum { PIECES = 8, PACK = 16 };

/* The kernel's structs, in bytes until scale() makes them units. */
struct piece {
  const void *from;
  int64_t step;
  int64_t end;
};

struct pieces {
  struct piece each[PIECES];
  int64_t count;
  int64_t width;
  int64_t step;
};

/* The array's rows: where they begin, and how long each is. False: it has none. */
static bool piece_of(struct piece *p, const struct wr_tensor *t, int axis, int64_t *bytes) {
  const int64_t item = (int64_t)wr_dtype_size(t->dtype);
  const uint32_t before = (1u << axis) - 1;
  struct wr_layout rows, row;
  wr_layout_of(&rows, t, before);
  wr_layout_of(&row, t, wr_layout_all(t) & ~before);
  if (rows.ndim > 1 || row.ndim > 1 || (row.size > 1 && row.strides[0][0] != 1)) return false;
  *p = (struct piece){.from = t->data, .step = rows.size > 1 ? rows.strides[0][0] * item : 0};
  *bytes = row.size * item;
  return true;
}

/* The most bytes, up to a pack's, of which all is made: a power of two. */
static int64_t unit_of(const struct pieces *p, const char *out) {
  uintptr_t all = (uintptr_t)out | (uintptr_t)p->step | PACK;
  for (int i = 0; i < p->count; i++) {
    all |= (uintptr_t)p->each[i].from | (uintptr_t)p->each[i].step | (uintptr_t)p->each[i].end;
  }
  return (int64_t)(all & (~all + 1));
}

static void scale(struct pieces *p, int64_t unit) {
  for (int i = 0; i < p->count; i++) {
    p->each[i].step /= unit;
    p->each[i].end /= unit;
  }
  p->width /= unit;
  p->step /= unit;
}

static enum wr_dtype dtype_of(int64_t unit) {
  return unit == 1 ? WR_UINT8 : unit == 2 ? WR_UINT16 : unit == 4 ? WR_UINT32 : WR_UINT64;
}

static struct wr_error *join(struct wr_run *run, struct pieces *p, int64_t rows, char *out) {
  enum { THREADS = 256, AHEAD = 4, AHEAD_PACKS = 2 };
  struct wr_launch l;
  const int64_t unit = unit_of(p, out);
  const uint8_t type = (uint8_t)dtype_of(unit);
  const int64_t each = THREADS * (unit == PACK ? AHEAD_PACKS : AHEAD);
  scale(p, unit);
  const int64_t n = rows * p->width;
  const struct wr_module_id id = {WR_SOURCE_JOIN, WR_OP_CONCATENATE, type, type, n > INT32_MAX, 0};
  wr_launch_start(&l, id, unit == PACK ? WR_ENTRY_JOIN_PACKS : WR_ENTRY_JOIN_ELEMENTS);
  wr_launch_pointer(&l, out);
  wr_launch_index(&l, n);
  wr_launch_struct(&l, p, sizeof *p);
  wr_launch_blocks(&l, (n + each - 1) / each, 1, THREADS);
  return wr_launch(&l, run);
}

/* Arrays of one row each are copied as well by the driver. */
bool wr_gpu_joins(const struct wr_call *call) {
  const struct wr_axis_params *params = call->params;
  bool joins = call->n_in > 1;
  int64_t rows = 1, bytes;
  for (int d = 0; d < params->axis; d++) rows *= call->out.shape[d];
  for (int i = 0; i < call->n_in && joins; i++) {
    struct piece p;
    joins = piece_of(&p, &call->in[i], params->axis, &bytes);
  }
  return joins && rows > 1;
}

struct wr_error *wr_gpu_join(struct wr_run *run, const struct wr_call *call) {
  const struct wr_axis_params *params = call->params;
  const int64_t item = (int64_t)wr_dtype_size(call->out.dtype);
  struct wr_error *error = NULL;
  char *to = call->out.data;
  int64_t rows = 1, step = item;
  for (int d = 0; d < params->axis; d++) rows *= call->out.shape[d];
  for (int d = params->axis; d < call->out.ndim; d++) step *= call->out.shape[d];
  for (int i = 0; i < call->n_in && !error;) {
    struct pieces p = {.step = step};
    for (; i < call->n_in && p.count < PIECES; i++) {
      int64_t bytes;
      if (call->in[i].size == 0) continue;
      piece_of(&p.each[p.count], &call->in[i], params->axis, &bytes);
      p.width += bytes;
      p.each[p.count++].end = p.width;
    }
    const int64_t width = p.width;
    if (p.count > 0) error = join(run, &p, rows, to);
    to += width;
  }
  return error;
}
