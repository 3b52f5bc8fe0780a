/* Reductions over a mask of axes: sum, prod, max, min, all, any. The input's axes are parted into
   kept ones (one result each, in order) and reduced ones. Three ways through memory: along the
   reduced axes for each result (rows); along the last kept axis when that is the dense one, adding
   whole rows into a line of totals (columns); and, for few large results, the reduced positions cut
   into pieces that the pool folds and the caller merges in order, so that the result does not
   depend on the number of threads. An empty reduction gives the neutral element; for max and min of
   whole numbers, the lowest or highest value. Takes no locks, allocates nothing. */

#include <string.h>

#include "backend/cpu/kernels.h"
#include "backend/cpu/loop/loop.h"
#include "backend/cpu/reduce_types.h"
#include "core/half.h"

enum { FEW_RESULTS = 8 };

struct reduction {
  const struct wr_reducer *reducer;
  const char *in;
  int64_t item; /* bytes of an input element */
  const struct wr_tensor *out;
  struct wr_walk kept;
  struct wr_walk reduced;
};

/* The neutral element of an empty max or min, in the narrow type itself. */
static uint64_t clamp_whole(union wr_total t, enum wr_dtype dtype) {
  if (wr_dtype_is_unsigned(dtype)) return t.u;
  int64_t highest = INT64_MAX >> (64 - 8 * (int)wr_dtype_size(dtype));
  if (t.i == INT64_MAX) return (uint64_t)highest;
  if (t.i == INT64_MIN) return (uint64_t)(-highest - 1);
  return t.u;
}

static void store_whole(uint64_t u, void *out, int64_t i, enum wr_dtype dtype) {
  switch (wr_dtype_size(dtype)) {
    case 1:
      ((uint8_t *)out)[i] = dtype == WR_BOOL ? u != 0 : (uint8_t)u;
      break;
    case 2:
      ((uint16_t *)out)[i] = (uint16_t)u;
      break;
    case 4:
      ((uint32_t *)out)[i] = (uint32_t)u;
      break;
    default:
      ((uint64_t *)out)[i] = u;
      break;
  }
}

void wr_reduce_store_real(double d, void *out, int64_t i, enum wr_dtype dtype) {
  switch (dtype) {
    case WR_FLOAT16:
      ((uint16_t *)out)[i] = wr_f64_to_f16(d);
      break;
    case WR_BFLOAT16:
      ((uint16_t *)out)[i] = wr_f64_to_bf16(d);
      break;
    case WR_FLOAT64:
      ((double *)out)[i] = d;
      break;
    default:
      ((float *)out)[i] = (float)d;
      break;
  }
}

void wr_reduce_store(const struct wr_reducer *reducer, const union wr_total *total,
                     const struct wr_tensor *out, int64_t i) {
  switch (reducer->kind) {
    case WR_TOTAL_WHOLE:
      store_whole(total->u, out->data, i, out->dtype);
      break;
    case WR_TOTAL_REAL:
      wr_reduce_store_real(total->d, out->data, i, out->dtype);
      break;
    case WR_TOTAL_COMPLEX:
      ((wr_complex64 *)out->data)[i] = (wr_complex64){(float)total->c.re, (float)total->c.im};
      break;
  }
}

static void store(const struct reduction *r, union wr_total *total, int64_t i) {
  if (r->reduced.size == 0 && r->reducer->kind == WR_TOTAL_WHOLE) {
    total->u = clamp_whole(*total, r->out->dtype);
  }
  wr_reduce_store(r->reducer, total, r->out, i);
}

/* Folds reduced positions [begin, end) of the result that starts at `p`. */
static void fold(const struct reduction *r, const char *p, int64_t begin, int64_t end,
                 union wr_total *total) {
  int64_t stride = wr_walk_stride(&r->reduced, 0);
  if (r->reduced.ndim == 1) { /* short rows would feel the cursor */
    r->reducer->row(p + begin * stride * r->item, end - begin, stride, total);
    return;
  }
  struct wr_cursor c;
  wr_cursor_start(&c, &r->reduced, begin, end);
  int64_t at[WR_WALK_OPERANDS];
  for (int64_t n; (n = wr_cursor_next(&c, at)) > 0;) {
    r->reducer->row(p + at[0] * r->item, n, stride, total);
    if (wr_reduce_is_over(r->reducer, total)) break;
  }
}

static void rows_body(void *ctx, int64_t begin, int64_t end) {
  const struct reduction *r = ctx;
  struct wr_each e;
  wr_each_start(&e, &r->kept, begin, end);
  while (wr_each_next(&e)) {
    union wr_total total;
    r->reducer->init(&total);
    fold(r, r->in + e.at[0] * r->item, 0, r->reduced.size, &total);
    store(r, &total, e.i);
  }
}

/* n results, as many as the reducer takes, whose inputs start side by side at `p`. */
static void fold_columns(const struct reduction *r, const char *p, int64_t n, int64_t first) {
  union wr_total totals[WR_REDUCE_TOTALS / sizeof(union wr_total)];
  r->reducer->start_columns(totals, n);
  struct wr_cursor c;
  wr_cursor_start(&c, &r->reduced, 0, r->reduced.size);
  int64_t stride = wr_walk_stride(&r->reduced, 0);
  int64_t at[WR_WALK_OPERANDS];
  for (int64_t rows; (rows = wr_cursor_next(&c, at)) > 0;) {
    r->reducer->columns(p + at[0] * r->item, n, rows, stride, totals);
  }
  for (int64_t k = 0; k < n; k++) {
    union wr_total total;
    memcpy(&total, (char *)totals + k * r->reducer->size, (size_t)r->reducer->size);
    store(r, &total, first + k);
  }
}

/* Equal parts of n columns, whole cache lines but for the last. */
static int64_t columns_at_once(const struct reduction *r, int64_t n) {
  const int64_t width = r->reducer->width, parts = (n + width - 1) / width;
  const int64_t part = ((n + parts - 1) / parts + 63) / 64 * 64;
  return part < width ? part : width;
}

static void columns_body(void *ctx, int64_t begin, int64_t end) {
  const struct reduction *r = ctx;
  struct wr_cursor c;
  wr_cursor_start(&c, &r->kept, begin, end);
  int64_t at[WR_WALK_OPERANDS];
  for (int64_t n, i = begin; (n = wr_cursor_next(&c, at)) > 0; i += n) {
    const int64_t part = columns_at_once(r, n);
    for (int64_t k = 0; k < n; k += part) {
      fold_columns(r, r->in + (at[0] + k) * r->item, n - k < part ? n - k : part, i + k);
    }
  }
}

int64_t wr_reduce_columns_grain(int64_t n, int64_t per_result) {
  enum { WHOLE = 16 };
  const int64_t least = WR_REDUCE_COLUMNS / 2, parts = n >= 4 * least ? 4 : 2;
  const int64_t grain = WR_CPU_GRAIN / per_result;
  int64_t range = ((n + parts - 1) / parts + WHOLE - 1) / WHOLE * WHOLE;
  if (range < least || range > WR_REDUCE_COLUMNS) range = WR_REDUCE_COLUMNS;
  return grain < range ? range : grain;
}

/* One large result, its reduced positions in pieces of equal size. */
struct pieces {
  const struct reduction *r;
  const char *p;
  int64_t length;
  union wr_total totals[WR_REDUCE_PIECES];
};

int64_t wr_reduce_piece(int64_t results, int64_t per_result) {
  if (results >= FEW_RESULTS || per_result < 2 * WR_CPU_GRAIN) return 0;
  int64_t length = (per_result + WR_REDUCE_PIECES - 1) / WR_REDUCE_PIECES;
  return length < WR_CPU_GRAIN ? WR_CPU_GRAIN : length;
}

static void pieces_body(void *ctx, int64_t begin, int64_t end) {
  struct pieces *s = ctx;
  for (int64_t i = begin; i < end; i++) {
    int64_t first = i * s->length;
    int64_t last = first + s->length;
    if (last > s->r->reduced.size) last = s->r->reduced.size;
    s->r->reducer->init(&s->totals[i]);
    fold(s->r, s->p, first, last, &s->totals[i]);
  }
}

static void fold_in_pieces(const struct reduction *r, const char *p, int64_t length,
                           int64_t result) {
  struct pieces s = {.r = r, .p = p, .length = length};
  int64_t n = (r->reduced.size + length - 1) / length;
  wr_spread(n, 1, pieces_body, &s);
  union wr_total total;
  r->reducer->init(&total);
  for (int64_t i = 0; i < n; i++) r->reducer->merge(&total, &s.totals[i]);
  store(r, &total, result);
}

static void reduce_few(const struct reduction *r, int64_t piece) {
  struct wr_each e;
  wr_each_start(&e, &r->kept, 0, r->kept.size);
  while (wr_each_next(&e)) fold_in_pieces(r, r->in + e.at[0] * r->item, piece, e.i);
}

/* True when walking along the last kept axis is the better way: it is dense, the reduced one is
   not, and it is long enough to pay for the totals. */
static bool by_columns(const struct reduction *r) {
  int64_t width = r->kept.shape[r->kept.ndim - 1];
  return wr_walk_stride(&r->kept, 0) == 1 && wr_walk_stride(&r->reduced, 0) != 1 && width >= 8;
}

enum wr_reduce_op wr_reduce_op_of(enum wr_op op) {
  switch (op) {
    case WR_OP_PROD:
      return WR_REDUCE_PROD;
    case WR_OP_ANY:
    case WR_OP_MAX:
      return WR_REDUCE_MAX;
    case WR_OP_ALL:
    case WR_OP_MIN:
      return WR_REDUCE_MIN;
    default:
      return WR_REDUCE_SUM;
  }
}

static struct wr_error *reduce(const struct wr_call *call, enum wr_op op) {
  const struct wr_tensor *in = &call->in[0];
  const struct wr_reduce_params *params = call->params;
  struct reduction r;
  r.reducer = wr_reducer_for(wr_reduce_op_of(op), in->dtype);
  r.in = in->data;
  r.item = (int64_t)wr_dtype_size(in->dtype);
  r.out = &call->out;
  wr_walk_axes(&r.kept, in, wr_axes_all(in) & ~params->axes);
  wr_walk_axes(&r.reduced, in, params->axes);
  if (r.kept.size == 0) return NULL;
  int64_t per_result = r.reduced.size > 0 ? r.reduced.size : 1;
  int64_t grain = wr_cpu_grain(per_result);
  int64_t piece = wr_reduce_piece(r.kept.size, per_result);
  if (by_columns(&r)) {
    wr_spread(r.kept.size, wr_reduce_columns_grain(r.kept.size, per_result), columns_body, &r);
  } else if (piece > 0) {
    reduce_few(&r, piece);
  } else {
    wr_spread(r.kept.size, grain, rows_body, &r);
  }
  return NULL;
}

#define REDUCE(name, OP)                                              \
  struct wr_error *wr_cpu_reduce_##name(const struct wr_call *call) { \
    return reduce(call, OP);                                          \
  }
REDUCE(all, WR_OP_ALL)
REDUCE(any, WR_OP_ANY)
REDUCE(max, WR_OP_MAX)
REDUCE(min, WR_OP_MIN)
REDUCE(prod, WR_OP_PROD)
REDUCE(sum, WR_OP_SUM)
