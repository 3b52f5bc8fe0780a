/* The elementwise loop; see loop.h. Dense operands, the common case, go to the row function at
   once, before anything is set up: a small kernel must cost no more than its arithmetic. Offsets
   are formed from indices inside the extents only, so no address outside an operand is computed.
   Large results go past the caches (past.h), piece by piece of a row. */

#include "backend/cpu/loop/loop.h"

#include "backend/cpu/loop/past.h"
#include "backend/cpu/loop/walk.h"
#include "core/shape.h"

struct loop {
  wr_row_fn fn;
  const struct wr_call *call;
  bool past;                        /* results go past the caches */
  bool copies;                      /* they are the input's bytes */
  int64_t out_bytes;                /* of an element */
  int64_t in_bytes[WR_LOOP_INPUTS]; /* of an element */
  int32_t ndim;                     /* merged axes, at least 1 */
  int64_t shape[WR_MAX_NDIM];
  int64_t strides[WR_LOOP_INPUTS][WR_MAX_NDIM];
};

static void loop_sizes(struct loop *l, const struct wr_call *call, wr_row_fn fn) {
  l->fn = fn;
  l->call = call;
  l->out_bytes = (int64_t)wr_dtype_size(call->out.dtype);
  for (int k = 0; k < call->n_in; k++) l->in_bytes[k] = (int64_t)wr_dtype_size(call->in[k].dtype);
}

/* ---- rows ---- */

static void move_row(const struct loop *l, struct wr_row *row, int64_t n) {
  row->out = (char *)row->out + n * l->out_bytes;
  for (int k = 0; k < l->call->n_in; k++) {
    row->in[k] = (const char *)row->in[k] + n * row->stride[k] * l->in_bytes[k];
  }
}

/* The next n elements of a row, where its results belong. */
static void run_next(const struct loop *l, struct wr_row *row, int64_t n) {
  row->n = n;
  if (n > 0) l->fn(row);
  move_row(l, row, n);
}

/* Elements of a piece, of which no operand has more bytes than that: asking for 4 KB of each at
   once took longer than asking for nothing. */
static int64_t elements_of_piece(const struct loop *l) {
  int64_t widest = l->out_bytes;
  for (int k = 0; k < l->call->n_in; k++) {
    if (l->in_bytes[k] > widest) widest = l->in_bytes[k];
  }
  return WR_PAST_PIECE / widest;
}

/* Asks for the n elements behind the next n of each input: while a piece is computed and stored the
   processor asks for few by itself, so that the time of loads would come on top. */
static inline void ask_ahead(const struct loop *l, const struct wr_row *row, int64_t n) {
  for (int k = 0; k < l->call->n_in; k++) {
    const int64_t bytes = row->stride[k] == 1 ? n * l->in_bytes[k] : 0;
    const uintptr_t from = (uintptr_t)row->in[k] + (uintptr_t)bytes;
    for (int64_t b = 0; b < bytes; b += WR_PAST_LINE) {
      __builtin_prefetch((const void *)(from + (uintptr_t)b));
    }
  }
}

/* By itself, so that the piece is on the stack of none but large rows (K13). The last one is as
   many lines as there are: rows of a few pieces would else have much of themselves in the caches.
 */
__attribute__((noinline)) static void row_past(const struct loop *l, struct wr_row row) {
  _Alignas(WR_PAST_LINE) char piece[WR_PAST_PIECE];
  const int64_t line = WR_PAST_LINE / l->out_bytes, n = row.n;
  int64_t at = wr_past_head(row.out, l->out_bytes), each = elements_of_piece(l);
  run_next(l, &row, at);
  for (; n - at >= line; at += each) {
    char *out = row.out;
    if (each > n - at) each = (n - at) & -line;
    row.out = piece;
    ask_ahead(l, &row, each);
    run_next(l, &row, each);
    row.out = out + each * l->out_bytes;
    wr_past_store(out, piece, each * l->out_bytes);
  }
  run_next(l, &row, n - at);
}

static void run_row_of(const struct loop *l, const struct wr_row *row) {
  const bool is_long = row->n * l->out_bytes >= 2 * WR_PAST_PIECE;
  if (l->past && is_long && l->copies && row->stride[0] == 1) {
    wr_past_copy(row->out, row->in[0], row->n * l->out_bytes);
  } else if (l->past && is_long && wr_past_head(row->out, l->out_bytes) >= 0) {
    row_past(l, *row);
  } else {
    l->fn(row);
  }
}

static void end_part(const struct loop *l) {
  if (l->past) wr_past_end();
}

/* ---- parts ---- */

static void dense_part(void *ctx, int64_t begin, int64_t end) {
  const struct loop *l = ctx;
  struct wr_row row = {.out = (char *)l->call->out.data + begin * l->out_bytes, .n = end - begin};
  for (int k = 0; k < l->call->n_in; k++) {
    row.in[k] = (const char *)l->call->in[k].data + begin * l->in_bytes[k];
    row.stride[k] = 1;
  }
  run_row_of(l, &row);
  end_part(l);
}

static bool all_dense(const struct wr_call *call) {
  for (int k = 0; k < call->n_in; k++) {
    if (!call->in[k].dense) return false;
  }
  return true;
}

/* True when, for every input, a step along axis d is the same as shape[d + 1] steps along the
   merged axis that follows it. */
static bool merges(const struct loop *l, int d, int64_t extent) {
  int top = l->ndim - 1;
  for (int k = 0; k < l->call->n_in; k++) {
    if (l->strides[k][top] != l->call->in[k].strides[d] * extent) return false;
  }
  return true;
}

static void loop_merge(struct loop *l) {
  const struct wr_tensor *out = &l->call->out;
  l->ndim = 0;
  for (int d = 0; d < out->ndim; d++) {
    int64_t extent = out->shape[d];
    if (extent == 1) continue;
    if (l->ndim > 0 && merges(l, d, extent)) {
      l->shape[l->ndim - 1] *= extent;
    } else {
      l->shape[l->ndim++] = extent;
    }
    for (int k = 0; k < l->call->n_in; k++) {
      l->strides[k][l->ndim - 1] = l->call->in[k].strides[d];
    }
  }
  if (l->ndim > 0) return;
  l->ndim = 1;
  l->shape[0] = 1;
  for (int k = 0; k < l->call->n_in; k++) l->strides[k][0] = 1;
}

/* Where a part of the loop stands. */
struct place {
  int64_t index[WR_MAX_NDIM];
  int64_t offset[WR_LOOP_INPUTS];
};

static void place_at(struct place *p, const struct loop *l, int64_t element) {
  for (int k = 0; k < WR_LOOP_INPUTS; k++) p->offset[k] = 0;
  for (int d = l->ndim - 1; d >= 0; d--) {
    p->index[d] = element % l->shape[d];
    element /= l->shape[d];
    for (int k = 0; k < l->call->n_in; k++) p->offset[k] += p->index[d] * l->strides[k][d];
  }
}

static void place_move(struct place *p, const struct loop *l, int d, int64_t by) {
  p->index[d] += by;
  for (int k = 0; k < l->call->n_in; k++) p->offset[k] += by * l->strides[k][d];
}

/* Rows along the axis before the innermost, while there are whole ones. Gives how many. */
static int64_t run_rows(const struct loop *l, struct wr_row *row, const struct place *p,
                        int64_t left) {
  const int d = l->ndim - 2, n_in = l->call->n_in;
  int64_t rows = l->shape[d] - p->index[d];
  if (rows > left / row->n) rows = left / row->n;
  for (int64_t i = 0; i < rows; i++) {
    run_row_of(l, row);
    row->out = (char *)row->out + row->n * l->out_bytes;
    for (int k = 0; k < n_in; k++) {
      row->in[k] = (const char *)row->in[k] + l->strides[k][d] * l->in_bytes[k];
    }
  }
  return rows;
}

static void strided_part(void *ctx, int64_t begin, int64_t end) {
  const struct loop *l = ctx;
  const struct wr_call *call = l->call;
  const int inner = l->ndim - 1;
  struct place p;
  struct wr_row row = {.out = (char *)call->out.data + begin * l->out_bytes};
  for (int k = 0; k < call->n_in; k++) row.stride[k] = l->strides[k][inner];
  place_at(&p, l, begin);
  while (begin < end) {
    row.n = l->shape[inner] - p.index[inner];
    if (row.n > end - begin) row.n = end - begin;
    for (int k = 0; k < call->n_in; k++) {
      row.in[k] = (const char *)call->in[k].data + p.offset[k] * l->in_bytes[k];
    }
    int moved = inner;
    if (inner > 0 && row.n == l->shape[inner]) {
      const int64_t rows = run_rows(l, &row, &p, end - begin);
      begin += rows * row.n;
      place_move(&p, l, --moved, rows);
    } else {
      run_row_of(l, &row);
      begin += row.n;
      row.out = (char *)row.out + row.n * l->out_bytes;
      place_move(&p, l, inner, row.n);
    }
    for (int d = moved; d > 0 && p.index[d] == l->shape[d]; d--) {
      place_move(&p, l, d, -l->shape[d]);
      place_move(&p, l, d - 1, 1);
    }
  }
  end_part(l);
}

/* One row is all there is to do. */
static void run_row(const struct wr_call *call, wr_row_fn fn) {
  struct wr_row row = {.out = call->out.data, .stride = {1, 1, 1}, .n = call->out.size};
  for (int k = 0; k < call->n_in; k++) row.in[k] = call->in[k].data;
  fn(&row);
}

static void run_parts(const struct wr_call *call, wr_row_fn fn, bool dense, bool copies) {
  struct loop l = {.copies = copies};
  loop_sizes(&l, call, fn);
  l.past = wr_past_wanted(&call->out, call->in, call->n_in);
  if (!dense) loop_merge(&l);
  wr_spread_awake(call->out.size, WR_LOOP_GRAIN, dense ? dense_part : strided_part, &l);
}

static void run(const struct wr_call *call, wr_row_fn fn, bool copies) {
  const bool dense = all_dense(call);
  if (call->out.size == 0) return;
  if (dense && call->out.size <= WR_LOOP_GRAIN) {
    run_row(call, fn);
  } else {
    run_parts(call, fn, dense, copies);
  }
}

void wr_loop_run(const struct wr_call *call, wr_row_fn fn) { run(call, fn, false); }

void wr_loop_copy(const struct wr_call *call, wr_row_fn fn) { run(call, fn, true); }
