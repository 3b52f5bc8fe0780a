/* Products over chosen axes: inner, outer, Kronecker, tensor. Contractions are matrix products of
   arrays whose axes were brought together by a view. No locks. */

#include <string.h>

#include "ops/internal.h"
#include "stream/stream.h"

/* ---- tensordot ---- */

/* One operand: the axes that are summed over, and the others, in their order. */
struct factor {
  int summed[WR_MAX_NDIM];
  int free[WR_MAX_NDIM];
  int n_summed, n_free;
};

static struct wr_error *factor_of(const char *argument, const struct wr_node *a, const int *axes,
                                  int n, struct factor *f) {
  const int ndim = wr_node_ndim(a);
  uint32_t mask;
  *f = (struct factor){.n_summed = n};
  struct wr_error *error = wr_ops_axes(axes, n, ndim, &mask);
  if (error) return wr_error_prefix_take(error, argument);
  for (int i = 0; i < n; i++) f->summed[i] = axes[i] < 0 ? axes[i] + ndim : axes[i];
  for (int i = 0; i < ndim; i++) {
    if (!wr_ops_has_axis(mask, i)) f->free[f->n_free++] = i;
  }
  return NULL;
}

static int64_t extents(const struct wr_node *a, const int *axes, int n) {
  int64_t size = 1;
  for (int i = 0; i < n; i++) size *= wr_node_shape(a)[axes[i]];
  return size;
}

/* A matrix whose rows run over the first axes, and its columns over the second. */
static struct wr_node *as_matrix(struct wr_compose *c, struct wr_node *a, const int *first,
                                 int n_first, const int *second, int n_second) {
  int order[WR_MAX_NDIM];
  for (int i = 0; i < n_first; i++) order[i] = first[i];
  for (int i = 0; i < n_second; i++) order[n_first + i] = second[i];
  const int64_t rows = extents(a, first, n_first), columns = extents(a, second, n_second);
  if (!c->error && (rows > INT32_MAX || columns > INT32_MAX)) {
    c->error = wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                            "shape %s is too large for a matrix of %lld rows and %lld columns",
                            wr_ops_shape_text(a).s, (long long)rows, (long long)columns);
  }
  struct wr_node *x = wr_compose_transpose(c, a, order);
  return wr_compose_reshape(c, x, 2, (int32_t[]){(int32_t)rows, (int32_t)columns});
}

static struct wr_error *contract(struct wr_node **out, struct wr_node *a, struct wr_node *b,
                                 const struct factor *f, const struct factor *g,
                                 struct wr_stream *s) {
  int32_t shape[2 * WR_MAX_NDIM];
  int n = 0;
  for (int i = 0; i < f->n_free; i++) shape[n++] = wr_node_shape(a)[f->free[i]];
  for (int i = 0; i < g->n_free; i++) shape[n++] = wr_node_shape(b)[g->free[i]];
  struct wr_error *error = wr_ops_check_shape("the result's shape", shape, n);
  if (error) return error;
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *x = as_matrix(&c, a, f->free, f->n_free, f->summed, f->n_summed);
  struct wr_node *y = as_matrix(&c, b, g->summed, g->n_summed, g->free, g->n_free);
  x = wr_compose_matmul(&c, x, y);
  return wr_compose_end(&c, out, wr_compose_reshape(&c, x, n, shape));
}

struct wr_error *wr_ops_tensordot(struct wr_node **out, struct wr_node *a, struct wr_node *b,
                                  const int *axes_a, int n_a, const int *axes_b, int n_b,
                                  struct wr_stream *s) {
  struct factor f, g;
  if (n_a != n_b) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "axes_a has %d entries, axes_b %d", n_a, n_b);
  }
  struct wr_error *error = factor_of("axes_a: ", a, axes_a, n_a, &f);
  if (!error) error = factor_of("axes_b: ", b, axes_b, n_b, &g);
  if (error) return error;
  for (int i = 0; i < n_a; i++) {
    if (wr_node_shape(a)[f.summed[i]] == wr_node_shape(b)[g.summed[i]]) continue;
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                        "axis %d of a with shape %s has not the extent of axis %d of b with shape "
                        "%s",
                        axes_a[i], wr_ops_shape_text(a).s, axes_b[i], wr_ops_shape_text(b).s);
  }
  return contract(out, a, b, &f, &g, s);
}

struct wr_error *wr_ops_tensordot_axis(struct wr_node **out, struct wr_node *a, struct wr_node *b,
                                       int axis, struct wr_stream *s) {
  int last[WR_MAX_NDIM], first[WR_MAX_NDIM];
  if (axis < 0 || axis > wr_node_ndim(a) || axis > wr_node_ndim(b)) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                        "axis is %d, not a number of axes that both a with shape %s and b with "
                        "shape %s have",
                        axis, wr_ops_shape_text(a).s, wr_ops_shape_text(b).s);
  }
  for (int i = 0; i < axis; i++) {
    last[i] = wr_node_ndim(a) - axis + i;
    first[i] = i;
  }
  return wr_ops_tensordot(out, a, b, last, axis, first, axis, s);
}

/* ---- the others ---- */

struct wr_error *wr_ops_inner(struct wr_node **out, struct wr_node *a, struct wr_node *b,
                              struct wr_stream *s) {
  const int last = -1;
  if (wr_node_ndim(a) == 0 || wr_node_ndim(b) == 0) {
    return wr_ops_binary(out, WR_OP_MULTIPLY, a, b, s);
  }
  return wr_ops_tensordot(out, a, b, &last, 1, &last, 1, s);
}

struct wr_error *wr_ops_outer(struct wr_node **out, struct wr_node *a, struct wr_node *b,
                              struct wr_stream *s) {
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *rows = wr_compose_expand(&c, wr_compose_flatten(&c, a), 1);
  struct wr_node *columns = wr_compose_flatten(&c, b);
  return wr_compose_end(&c, out, wr_compose_binary(&c, WR_OP_MULTIPLY, rows, columns));
}

/* Each axis of the result is one of a and one of b, side by side until the product is made. */
static struct wr_node *apart(struct wr_compose *c, struct wr_node *a, int ndim, int side) {
  int32_t shape[2 * WR_MAX_NDIM];
  const int missing = ndim - wr_node_ndim(a);
  for (int i = 0; i < ndim; i++) {
    shape[2 * i + side] = i < missing ? 1 : wr_node_shape(a)[i - missing];
    shape[2 * i + 1 - side] = 1;
  }
  return wr_compose_reshape(c, a, 2 * ndim, shape);
}

/* What apart makes, with both of the last two axes: as long as b's last one is short, a CPU has
   longer rows to multiply where they are one axis, and both sides have all of it. */
static struct wr_node *joined(struct wr_compose *c, struct wr_node *x, int32_t extent_a,
                              int32_t extent_b) {
  if (c->error) return NULL;
  const int ndim = wr_node_ndim(x);
  int32_t shape[WR_MAX_NDIM];
  memcpy(shape, wr_node_shape(x), (size_t)ndim * sizeof *shape);
  shape[ndim - 2] = extent_a;
  shape[ndim - 1] = extent_b;
  x = wr_compose_broadcast(c, x, ndim, shape);
  shape[ndim - 2] = extent_a * extent_b;
  return wr_compose_reshape(c, x, ndim - 1, shape);
}

/* Whether that is worth both copies, which have the other's last axis: of a, one element again and
   again, it is the dearer one. */
static bool is_joined(const struct wr_node *a, const struct wr_node *b, const struct wr_stream *s) {
  enum { SHORT = 16, ROWS = 8, LEAST = 1 << 14 };
  const int na = wr_node_ndim(a), nb = wr_node_ndim(b);
  if (na == 0 || nb == 0 || wr_stream_device(s).type != WR_DEVICE_CPU) return false;
  const int64_t x = wr_node_size(a), y = wr_node_size(b);
  const int64_t m = wr_node_shape(a)[na - 1], n = wr_node_shape(b)[nb - 1];
  return n <= SHORT && y / n >= n && x / m >= ROWS && x <= INT64_MAX / y && x * y >= LEAST;
}

struct wr_error *wr_ops_kron(struct wr_node **out, struct wr_node *a, struct wr_node *b,
                             struct wr_stream *s) {
  const int na = wr_node_ndim(a), nb = wr_node_ndim(b), ndim = na > nb ? na : nb;
  if (wr_node_size(a) == 0 || wr_node_size(b) == 0) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "%s has no elements",
                        wr_node_size(a) == 0 ? "a" : "b");
  }
  if (2 * ndim > WR_MAX_NDIM) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                        "%s has %d dimensions, at most %d are supported", na > nb ? "a" : "b", ndim,
                        WR_MAX_NDIM / 2);
  }
  int32_t shape[WR_MAX_NDIM];
  for (int i = 0; i < ndim; i++) {
    const int64_t x = i < ndim - na ? 1 : wr_node_shape(a)[i - (ndim - na)];
    const int64_t y = i < ndim - nb ? 1 : wr_node_shape(b)[i - (ndim - nb)];
    const int64_t extent = x * y;
    if (extent > INT32_MAX) {
      return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                          "a and b would have %lld elements along axis %d", (long long)extent, i);
    }
    shape[i] = (int32_t)extent;
  }
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *x = apart(&c, a, ndim, 0), *y = apart(&c, b, ndim, 1);
  if (is_joined(a, b, s)) {
    const int32_t m = wr_node_shape(a)[na - 1], n = wr_node_shape(b)[nb - 1];
    x = joined(&c, x, m, n);
    y = joined(&c, y, m, n);
  }
  x = wr_compose_binary(&c, WR_OP_MULTIPLY, x, y);
  return wr_compose_end(&c, out, wr_compose_reshape(&c, x, ndim, shape));
}
