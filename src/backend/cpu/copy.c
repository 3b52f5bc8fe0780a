/* Kernels that move elements: copies between dtypes and layouts, concatenation, writing into a
   slice, and arange. A source may have any strides; the result is dense, and where a part of it is
   written (concatenate, slice_update) that part is walked as a view. No locks, no allocation. */

#include <string.h>

#include "backend/cpu/kernels.h"
#include "backend/cpu/loop/loop.h"
#include "backend/cpu/update.h"

static void row_copy_1(const struct wr_row *r) {
  wr_copy_run(r->out, 1, r->in[0], r->stride[0], r->n, 1);
}
static void row_copy_2(const struct wr_row *r) {
  wr_copy_run(r->out, 1, r->in[0], r->stride[0], r->n, 2);
}
static void row_copy_4(const struct wr_row *r) {
  wr_copy_run(r->out, 1, r->in[0], r->stride[0], r->n, 4);
}
static void row_copy_8(const struct wr_row *r) {
  wr_copy_run(r->out, 1, r->in[0], r->stride[0], r->n, 8);
}

static wr_row_fn copy_row(size_t element) {
  switch (element) {
    case 1:
      return row_copy_1;
    case 2:
      return row_copy_2;
    case 4:
      return row_copy_4;
    default:
      return row_copy_8;
  }
}

/* A copy of a view whose last two axes are the other way round in memory goes by blocks: read along
   memory into a block on the stack, written out along memory. Element by element, every read of a
   large matrix would miss the cache. */
enum { BLOCK = 32 };

struct transposition {
  const struct wr_tensor *in;
  char *out;
  int64_t element; /* bytes */
  int64_t rows, cols, col_stride;
  int64_t bands; /* of BLOCK rows, in a matrix */
};

static bool is_turned(const struct wr_tensor *t) {
  if (t->ndim < 2) return false;
  const int row = t->ndim - 2, col = t->ndim - 1;
  return t->strides[row] == 1 && t->strides[col] != 1 && t->strides[col] != 0 &&
         t->shape[row] >= BLOCK && t->shape[col] >= BLOCK;
}

static void transpose_block(const struct transposition *t, const char *in, char *out, int64_t rows,
                            int64_t cols) {
  _Alignas(8) char block[BLOCK * BLOCK * 8];
  const int size = (int)t->element;
  for (int64_t c = 0; c < cols; c++) {
    wr_copy_run(block + c * size, BLOCK, in + c * t->col_stride * size, 1, rows, size);
  }
  for (int64_t r = 0; r < rows; r++) {
    memcpy(out + r * t->cols * size, block + r * BLOCK * size, (size_t)(cols * size));
  }
}

static int64_t at_most_block(int64_t n) { return n < BLOCK ? n : BLOCK; }

static void turn_part(void *ctx, int64_t begin, int64_t end) {
  const struct transposition *t = ctx;
  for (int64_t i = begin; i < end; i++) {
    const int64_t matrix = i / t->bands, row = i % t->bands * BLOCK;
    const char *in =
        (const char *)t->in->data + (wr_matrix_offset(t->in, matrix) + row) * t->element;
    char *out = t->out + (matrix * t->rows + row) * t->cols * t->element;
    for (int64_t col = 0; col < t->cols; col += BLOCK) {
      transpose_block(t, in + col * t->col_stride * t->element, out + col * t->element,
                      at_most_block(t->rows - row), at_most_block(t->cols - col));
    }
  }
}

static void transpose(const struct wr_tensor *in, void *out) {
  struct transposition t = {.in = in,
                            .out = out,
                            .element = (int64_t)wr_dtype_size(in->dtype),
                            .rows = in->shape[in->ndim - 2],
                            .cols = in->shape[in->ndim - 1],
                            .col_stride = in->strides[in->ndim - 1]};
  t.bands = (t.rows + BLOCK - 1) / BLOCK;
  if (in->size == 0) return;
  wr_spread(in->size / (t.rows * t.cols) * t.bands, 1 + WR_CPU_GRAIN / (BLOCK * t.cols), turn_part,
            &t);
}

/* COPY and ASTYPE. A source at the result's own address is there already. */
struct wr_error *wr_cpu_copy(const struct wr_call *call) {
  const struct wr_tensor *in = &call->in[0];
  if (in->dtype != call->out.dtype) {
    wr_loop_run(call, wr_cpu_cast_row(call->out.dtype, in->dtype));
  } else if (is_turned(in)) {
    transpose(in, call->out.data);
  } else if (in->data != call->out.data || !in->dense) {
    wr_loop_copy(call, copy_row(wr_dtype_size(in->dtype)));
  }
  return NULL;
}

/* A tensor written into a view of the result of the same shape. */
struct paste {
  struct wr_update update;
  struct wr_walk walk; /* operand 0: the tensor, 1: the view */
  const char *from;
  char *to;
  bool past; /* dense runs go past the caches (loop/past.h) */
};

static void paste_run(const struct paste *p, const int64_t *at, int64_t n) {
  const int64_t item = p->update.item, bytes = n * item;
  const int64_t stride = wr_walk_stride(&p->walk, 0), to_stride = wr_walk_stride(&p->walk, 1);
  if (p->past && stride == 1 && to_stride == 1 && bytes >= WR_PAST_PIECE) {
    wr_past_copy(p->to + at[1] * item, p->from + at[0] * item, bytes);
  } else {
    wr_update_run(&p->update, p->to + at[1] * item, to_stride, p->from + at[0] * item, stride, n);
  }
}

static void paste_part(void *ctx, int64_t begin, int64_t end) {
  const struct paste *p = ctx;
  struct wr_cursor cursor;
  int64_t at[WR_WALK_OPERANDS];
  int64_t n;
  wr_cursor_start(&cursor, &p->walk, begin, end);
  while ((n = wr_cursor_next(&cursor, at)) > 0) paste_run(p, at, n);
  if (p->past) wr_past_end();
}

/* Writes `t` to where the view (first element, strides) of the result says. */
static void paste(struct wr_update update, const struct wr_tensor *t, void *to,
                  const int64_t *strides) {
  struct paste p = {.update = update, .from = t->data, .to = to};
  if (t->size == 0) return;
  p.past = !update.row && 2 * t->size * update.item >= WR_PAST_LEAST;
  wr_walk_start(&p.walk);
  for (int d = 0; d < t->ndim; d++) {
    wr_walk_push(&p.walk, t->shape[d], t->strides[d], strides[d]);
  }
  wr_walk_end(&p.walk);
  wr_spread(t->size, WR_CPU_GRAIN, paste_part, &p);
}

struct wr_error *wr_cpu_concatenate(const struct wr_call *call) {
  const struct wr_axis_params *params = call->params;
  const int64_t *strides = call->out.strides;
  char *to = call->out.data;
  struct wr_update update;
  struct wr_error *error = wr_update_by(&update, WR_OP_COPY, call->out.dtype);
  if (error || call->out.size == 0) return error;
  for (int i = 0; i < call->n_in; i++) {
    const struct wr_tensor *t = &call->in[i];
    paste(update, t, to, strides);
    to += t->shape[params->axis] * strides[params->axis] * update.item;
  }
  return NULL;
}

/* Whether the update is of all elements, in their order. */
static bool is_whole(const struct wr_call *call, const struct wr_slice_update_params *params) {
  bool whole = call->in[1].size == call->out.size;
  for (int d = 0; d < call->out.ndim && whole; d++) whole = params->at.axis[d].step == 1;
  return whole;
}

/* Whether to copy only what lies around an update that most of the result is of: a padded array
   would else be written twice. Not in place, not in rows so short that each is mostly a call, and
   not of a view, whose copy has ways of its own; but of one element for all. */
static bool is_framed(const struct wr_call *call, const struct wr_slice_update_params *params) {
  enum { ROW_BYTES = 1024 };
  const struct wr_tensor *in = &call->in[0], *update = &call->in[1], *out = &call->out;
  const int last = out->ndim - 1;
  bool steady = in->data != out->data && update->size >= out->size / 2 && last >= 0, single = true;
  for (int d = 0; d <= last; d++) {
    steady = steady && params->at.axis[d].step == 1;
    single = single && (in->shape[d] == 1 || in->strides[d] == 0);
  }
  if (!steady || !(in->dense || single)) return false;
  return update->shape[last] == out->shape[last] ||
         out->shape[last] >= ROW_BYTES / (int64_t)wr_dtype_size(out->dtype);
}

/* Axis by axis what lies in front of the update and behind it: of axes before, where the update is;
   of those after, everything. */
static void copy_frame(const struct wr_call *call, const struct wr_slice_update_params *params,
                       struct wr_update copy) {
  const struct wr_tensor *in = &call->in[0], *update = &call->in[1], *out = &call->out;
  int32_t shape[WR_MAX_NDIM];
  struct wr_tensor slab = *in;
  int64_t at = 0; /* in the result */
  slab.shape = shape;
  for (int d = 0; d < out->ndim; d++) shape[d] = out->shape[d];
  for (int d = 0; d < out->ndim; d++) {
    const int32_t start = params->at.axis[d].start, behind = start + update->shape[d];
    const int32_t parts[2][2] = {{0, start}, {behind, out->shape[d] - behind}};
    const int64_t each = slab.size / shape[d];
    char *const from = slab.data;
    for (int k = 0; k < 2; k++) {
      shape[d] = parts[k][1];
      slab.size = each * shape[d];
      slab.data = from + parts[k][0] * slab.strides[d] * copy.item;
      paste(copy, &slab, (char *)out->data + (at + parts[k][0] * out->strides[d]) * copy.item,
            out->strides);
    }
    shape[d] = update->shape[d];
    slab.size = each * shape[d];
    slab.data = from + start * slab.strides[d] * copy.item;
    at += start * out->strides[d];
  }
}

struct wr_error *wr_cpu_slice_update(const struct wr_call *call) {
  const struct wr_slice_update_params *params = call->params;
  const struct wr_tensor *out = &call->out;
  const struct wr_call copy = {.op = WR_OP_COPY, .n_in = 1, .in = call->in, .out = *out};
  struct wr_update update;
  int64_t strides[WR_MAX_NDIM];
  int64_t first = 0;
  struct wr_error *error = wr_update_by(&update, params->by, out->dtype);
  if (!error && update.row && is_whole(call, params)) {
    wr_loop_run(&(struct wr_call){.op = params->by, .n_in = 2, .in = call->in, .out = *out},
                update.row);
    return NULL;
  }
  if (error || out->size == 0) return error;
  if (!update.row && call->in[1].size > 0 && is_framed(call, params)) {
    copy_frame(call, params, update);
  } else {
    error = wr_cpu_copy(&copy);
  }
  if (error || call->in[1].size == 0) return error;
  for (int d = 0; d < out->ndim; d++) {
    first += params->at.axis[d].start * out->strides[d];
    strides[d] = params->at.axis[d].step * out->strides[d];
  }
  paste(update, &call->in[1], (char *)out->data + first * update.item, strides);
  return NULL;
}

/* Values are made in double, a block at a time, and cast to the result's type. */
static void arange_part(void *ctx, int64_t begin, int64_t end) {
  enum { VALUES = 256 };
  const struct wr_call *call = ctx;
  const struct wr_arange_params *params = call->params;
  const wr_row_fn cast = wr_cpu_cast_row(call->out.dtype, WR_FLOAT64);
  const int64_t element = (int64_t)wr_dtype_size(call->out.dtype);
  double block[VALUES];
  for (int64_t at = begin; at < end; at += VALUES) {
    const int64_t n = end - at < VALUES ? end - at : VALUES;
    for (int64_t i = 0; i < n; i++) block[i] = params->start + (double)(at + i) * params->step;
    const struct wr_row row = {
        .out = (char *)call->out.data + at * element, .in = {block}, .stride = {1}, .n = n};
    cast(&row);
  }
}

struct wr_error *wr_cpu_arange(const struct wr_call *call) {
  wr_spread(call->out.size, WR_CPU_GRAIN, arange_part, (void *)call);
  return NULL;
}
