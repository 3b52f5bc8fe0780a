/* Variances and standard deviations of real numbers over a mask of axes, in one pass over memory:
   by rows or by columns, as reductions go (reduce.c). The spread of a block, which stays in the
   cache, is made by two passes, from its mean and then from the distances from it, in the type that
   elements are computed in; blocks are joined in double by the formula of Chan, Golub and LeVeque
   ("Updating formulae and a pairwise algorithm for computing sample variances", 1979). So nothing
   is lost where the spread is small beside the mean. Which elements are a block depends on the
   shape and the strides alone, not on the number of threads. Takes no locks, allocates nothing. */

#include <math.h>

#include "backend/cpu/kernels.h"
#include "backend/cpu/loop/loop.h"
#include "backend/cpu/reduce_types.h"

/* BLOCK elements of a row; DEEP rows of columns, at most WIDE of these, or NARROW where elements
   must be converted: so that the totals of all and the rows converted stay in the first-level cache
   and on small stacks. */
enum { LANES = 64, FEW_LANES = 8, BLOCK = 1024, DEEP = 8, WIDE = 1024, NARROW = 256 };
enum { ROOM_BYTES = DEEP * NARROW * sizeof(double) };

/* How many elements, their mean, and the sum of their squared distances from it. The mean is
   counted from an origin, the first element of the result: from 0 doubles would be as coarse as
   elements. */
struct spread {
  double n, mean, squares;
};

/* The same for columns side by side, all of as many. */
struct columns {
  double *mean, *squares;
  const void *origin; /* a row of the type computed in */
};

/* Of what comes to `before` elements: its part of all, and what the square of the distance of the
   means counts. */
struct share {
  double before, share, weight;
};

#define SPEED WR_WIDE
#define EL f32
#include "backend/cpu/variance_kernel.inc"
#define EL f64
#include "backend/cpu/variance_kernel.inc"

struct variance {
  const char *in;
  int64_t item; /* bytes of an element */
  enum wr_dtype dtype, computed;
  const struct wr_tensor *out;
  double divisor;
  bool root;
  struct wr_walk kept, reduced;
};

static struct share share_of(double before, double more) {
  const double share = more / (before + more);
  return (struct share){before, share, before * share};
}

static void join(struct spread *to, const struct spread *more) {
  if (more->n == 0) return;
  if (to->n == 0) {
    *to = *more;
    return;
  }
  const struct share by = share_of(to->n, more->n);
  const double far = more->mean - to->mean;
  to->n += more->n;
  to->mean += far * by.share;
  to->squares += more->squares + far * far * by.weight;
}

static void store(const struct variance *v, double squares, int64_t i) {
  const double result = squares / v->divisor;
  wr_reduce_store_real(v->root ? sqrt(result) : result, v->out->data, i, v->out->dtype);
}

/* Whether elements are computed with where they lie. */
static bool lies(const struct variance *v) { return v->dtype == v->computed; }

/* n elements from `p` on, as the type computed in. */
static void convert(const struct variance *v, void *to, const char *p, int64_t stride, int64_t n) {
  const struct wr_row row = {.out = to, .in = {p}, .stride = {stride}, .n = n};
  wr_cpu_cast_row(v->computed, v->dtype)(&row);
}

/* ---- rows ---- */

/* The element at `p`. */
static double origin_of(const struct variance *v, const char *p) {
  double d;
  float f;
  const bool wide = v->computed == WR_FLOAT64;
  convert(v, wide ? (void *)&d : (void *)&f, p, 1, 1);
  return wide ? d : (double)f;
}

/* Elements of the type computed in that are not counted yet. */
struct held {
  const struct variance *v;
  double origin;
  struct spread total;
  int64_t n;
  _Alignas(64) char block[BLOCK * sizeof(double)];
};

static struct spread block(const struct variance *v, const void *elements, int64_t n,
                           double origin) {
  return (v->computed == WR_FLOAT64 ? spread_block_f64 : spread_block_f32)(elements, n, origin);
}

static void count_block(struct held *h, const void *elements, int64_t n) {
  const struct spread more = block(h->v, elements, n, h->origin);
  join(&h->total, &more);
}

static void count_held(struct held *h) {
  if (h->n > 0) count_block(h, h->block, h->n);
  h->n = 0;
}

/* A run: blocks where they lie, and what is none, beside what is left of other runs, as one; where
   there are no others, all where it lies. */
static void count_run(struct held *h, const char *p, int64_t stride, int64_t n) {
  const struct variance *v = h->v;
  const int64_t item = (int64_t)wr_dtype_size(v->computed);
  const bool side_by_side = stride == 1 && lies(v);
  for (int64_t i = 0, m; i < n; i += m) {
    const char *at = p + i * stride * v->item;
    if (h->n == 0 && side_by_side && (n - i >= BLOCK || v->reduced.ndim == 1)) {
      m = n - i < BLOCK ? n - i : BLOCK;
      count_block(h, at, m);
      continue;
    }
    m = n - i < BLOCK - h->n ? n - i : BLOCK - h->n;
    convert(v, h->block + h->n * item, at, stride, m);
    h->n += m;
    if (h->n == BLOCK) count_held(h);
  }
}

/* Reduced positions [begin, end) of the result that starts at `p`. */
static struct spread spread_of(const struct variance *v, const char *p, int64_t begin,
                               int64_t end) {
  struct held h; /* the block is not initialised */
  struct wr_cursor c;
  int64_t at[WR_WALK_OPERANDS];
  const int64_t stride = wr_walk_stride(&v->reduced, 0);
  const bool one_run = v->reduced.ndim == 1;
  if (one_run && lies(v) && stride == 1 && begin == 0 && end <= BLOCK) return block(v, p, end, 0);
  h.v = v;
  h.origin = origin_of(v, p);
  h.total = (struct spread){0};
  h.n = 0;
  if (one_run) { /* short rows would feel the cursor */
    count_run(&h, p + begin * stride * v->item, stride, end - begin);
  } else {
    wr_cursor_start(&c, &v->reduced, begin, end);
    for (int64_t n; (n = wr_cursor_next(&c, at)) > 0;) {
      count_run(&h, p + at[0] * v->item, stride, n);
    }
  }
  count_held(&h);
  return h.total;
}

static void rows_body(void *ctx, int64_t begin, int64_t end) {
  const struct variance *v = ctx;
  struct wr_each e;
  wr_each_start(&e, &v->kept, begin, end);
  while (wr_each_next(&e)) {
    store(v, spread_of(v, v->in + e.at[0] * v->item, 0, v->reduced.size).squares, e.i);
  }
}

/* One large result, its reduced positions in pieces of equal size. */
struct pieces {
  const struct variance *v;
  const char *p;
  int64_t length;
  struct spread spreads[WR_REDUCE_PIECES];
};

static void pieces_body(void *ctx, int64_t begin, int64_t end) {
  struct pieces *s = ctx;
  for (int64_t i = begin; i < end; i++) {
    const int64_t first = i * s->length, left = s->v->reduced.size - first;
    s->spreads[i] = spread_of(s->v, s->p, first, first + (left < s->length ? left : s->length));
  }
}

static void in_pieces(const struct variance *v, int64_t length) {
  const int64_t n = (v->reduced.size + length - 1) / length;
  struct wr_each e;
  wr_each_start(&e, &v->kept, 0, v->kept.size);
  while (wr_each_next(&e)) {
    struct pieces s = {.v = v, .p = v->in + e.at[0] * v->item, .length = length};
    struct spread total = {0};
    wr_spread(n, 1, pieces_body, &s);
    for (int64_t i = 0; i < n; i++) join(&total, &s.spreads[i]);
    store(v, total.squares, e.i);
  }
}

/* ---- columns ---- */

/* Columns side by side, which have had `before` elements each. */
struct slab {
  const struct variance *v;
  struct columns totals;
  int64_t n, before;
};

static void add(struct slab *s, const void *const *rows, int64_t count) {
  const bool wide = s->v->computed == WR_FLOAT64;
  if (count == DEEP) {
    const struct share by = share_of((double)s->before, DEEP);
    (wide ? spread_rows_f64 : spread_rows_f32)(&s->totals, rows, s->n, &by);
  } else {
    for (int64_t k = 0; k < count; k++) {
      const struct share by = share_of((double)(s->before + k), 1);
      (wide ? spread_row_f64 : spread_row_f32)(&s->totals, rows[k], s->n, &by);
    }
  }
  s->before += count;
}

/* Rows where they lie. */
static void add_lying(struct slab *s, const char *p, int64_t rows, int64_t stride) {
  const void *at[DEEP];
  for (int64_t r = 0; r < rows; r += DEEP) {
    const int64_t count = rows - r < DEEP ? rows - r : DEEP;
    for (int64_t k = 0; k < count; k++) at[k] = p + (r + k) * stride * s->v->item;
    add(s, at, count);
  }
}

static void add_converted(struct slab *s, const char *p, int64_t rows, int64_t stride) {
  _Alignas(64) char room[ROOM_BYTES];
  const int64_t bytes = s->n * (int64_t)wr_dtype_size(s->v->computed);
  const void *at[DEEP];
  for (int64_t r = 0; r < rows; r += DEEP) {
    const int64_t count = rows - r < DEEP ? rows - r : DEEP;
    for (int64_t k = 0; k < count; k++) {
      at[k] = room + k * bytes;
      convert(s->v, room + k * bytes, p + (r + k) * stride * s->v->item, 1, s->n);
    }
    add(s, at, count);
  }
}

static void add_all(struct slab *s, const char *p) {
  struct wr_cursor c;
  int64_t at[WR_WALK_OPERANDS];
  const int64_t stride = wr_walk_stride(&s->v->reduced, 0);
  wr_cursor_start(&c, &s->v->reduced, 0, s->v->reduced.size);
  for (int64_t rows; (rows = wr_cursor_next(&c, at)) > 0;) {
    (lies(s->v) ? add_lying : add_converted)(s, p + at[0] * s->v->item, rows, stride);
  }
}

static void slab_at(const struct variance *v, const char *p, int64_t n, int64_t first) {
  double mean[WIDE], squares[WIDE];
  struct slab s = {.v = v, .totals = {mean, squares, p}, .n = n};
  add_all(&s, p);
  for (int64_t k = 0; k < n; k++) store(v, squares[k], first + k);
}

static void converted_slab_at(const struct variance *v, const char *p, int64_t n, int64_t first) {
  double mean[NARROW], squares[NARROW], origin[NARROW];
  struct slab s = {.v = v, .totals = {mean, squares, origin}, .n = n};
  convert(v, origin, p, 1, n);
  add_all(&s, p);
  for (int64_t k = 0; k < n; k++) store(v, squares[k], first + k);
}

/* Equal parts of n columns, whole cache lines but for the last. */
static int64_t columns_at_once(const struct variance *v, int64_t n) {
  const int64_t most = lies(v) ? WIDE : NARROW, parts = (n + most - 1) / most;
  const int64_t part = ((n + parts - 1) / parts + 63) / 64 * 64;
  return part < most ? part : most;
}

static void columns_body(void *ctx, int64_t begin, int64_t end) {
  const struct variance *v = ctx;
  struct wr_cursor c;
  int64_t at[WR_WALK_OPERANDS];
  wr_cursor_start(&c, &v->kept, begin, end);
  for (int64_t n, i = begin; (n = wr_cursor_next(&c, at)) > 0; i += n) {
    const int64_t part = columns_at_once(v, n);
    for (int64_t k = 0; k < n; k += part) {
      (lies(v) ? slab_at : converted_slab_at)(v, v->in + (at[0] + k) * v->item,
                                              n - k < part ? n - k : part, i + k);
    }
  }
}

/* As reductions do. */
static bool by_columns(const struct variance *v) {
  const int64_t width = v->kept.shape[v->kept.ndim - 1];
  return wr_walk_stride(&v->kept, 0) == 1 && wr_walk_stride(&v->reduced, 0) != 1 && width >= 8;
}

struct wr_error *wr_cpu_variance(const struct wr_call *call) {
  const struct wr_tensor *in = &call->in[0];
  const struct wr_variance_params *params = call->params;
  struct variance v = {.in = in->data,
                       .item = (int64_t)wr_dtype_size(in->dtype),
                       .dtype = in->dtype,
                       .computed = wr_variance_type(in->dtype),
                       .out = &call->out,
                       .root = params->root};
  wr_walk_axes(&v.kept, in, wr_axes_all(in) & ~params->axes);
  wr_walk_axes(&v.reduced, in, params->axes);
  if (v.kept.size == 0) return NULL;
  v.divisor = wr_variance_divisor(params, v.reduced.size);
  const int64_t n = v.reduced.size > 0 ? v.reduced.size : 1;
  const int64_t grain = wr_cpu_grain(n);
  const int64_t piece = wr_reduce_piece(v.kept.size, n);
  if (by_columns(&v)) {
    wr_spread(v.kept.size, wr_reduce_columns_grain(v.kept.size, n), columns_body, &v);
  } else if (piece > 0) {
    in_pieces(&v, piece);
  } else {
    wr_spread(v.kept.size, grain, rows_body, &v);
  }
  return NULL;
}
