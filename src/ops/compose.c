/* Operations made of others. No locks. */

#include "ops/internal.h"
#include "stream/stream.h"

/* |a - b| in a type that holds it: float64 for real numbers, and before that, of integers with a
   common type, an unsigned one, in which the difference of the larger and the smaller is exact. */
static struct wr_node *distance(struct wr_compose *c, struct wr_node *a, struct wr_node *b,
                                enum wr_dtype common) {
  if (common == WR_COMPLEX64) {
    return wr_compose_unary(c, WR_OP_ABS, wr_compose_binary(c, WR_OP_SUBTRACT, a, b));
  }
  if (!wr_dtype_is_integer(common)) {
    struct wr_node *x = wr_compose_astype(c, a, WR_FLOAT64);
    struct wr_node *y = wr_compose_astype(c, b, WR_FLOAT64);
    return wr_compose_unary(c, WR_OP_ABS, wr_compose_binary(c, WR_OP_SUBTRACT, x, y));
  }
  struct wr_node *most = wr_compose_binary(c, WR_OP_MAXIMUM, a, b);
  struct wr_node *least = wr_compose_binary(c, WR_OP_MINIMUM, a, b);
  return wr_compose_binary(c, WR_OP_SUBTRACT, wr_compose_astype(c, most, WR_UINT64),
                           wr_compose_astype(c, least, WR_UINT64));
}

/* atol + rtol |b|, float64. */
static struct wr_node *tolerance(struct wr_compose *c, struct wr_node *b, double rtol,
                                 double atol) {
  struct wr_node *size = b;
  if (wr_node_dtype(b) != WR_COMPLEX64) size = wr_compose_astype(c, b, WR_FLOAT64);
  size = wr_compose_astype(c, wr_compose_unary(c, WR_OP_ABS, size), WR_FLOAT64);
  struct wr_node *bound =
      wr_compose_binary(c, WR_OP_MULTIPLY, wr_compose_scalar(c, rtol, WR_FLOAT64), size);
  return wr_compose_binary(c, WR_OP_ADD, wr_compose_scalar(c, atol, WR_FLOAT64), bound);
}

struct wr_error *wr_ops_isclose(struct wr_node **out, struct wr_node *a, struct wr_node *b,
                                double rtol, double atol, bool equal_nan, struct wr_stream *s) {
  enum wr_dtype common = wr_dtype_promote(wr_node_dtype(a), wr_node_dtype(b));
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *d = wr_compose_astype(&c, distance(&c, a, b, common), WR_FLOAT64);
  struct wr_node *close = wr_compose_binary(&c, WR_OP_LESS_EQUAL, d, tolerance(&c, b, rtol, atol));
  if (!wr_dtype_is_integer(common) && common != WR_BOOL) {
    /* What is not finite is close to what equals it alone. */
    struct wr_node *finite =
        wr_compose_binary(&c, WR_OP_LOGICAL_AND, wr_compose_unary(&c, WR_OP_ISFINITE, a),
                          wr_compose_unary(&c, WR_OP_ISFINITE, b));
    enum wr_op equal = equal_nan ? WR_OP_EQUAL_NAN : WR_OP_EQUAL;
    close = wr_compose_where(&c, finite, close, wr_compose_binary(&c, equal, a, b));
  }
  return wr_compose_end(&c, out, close);
}

struct wr_error *wr_ops_allclose(struct wr_node **out, struct wr_node *a, struct wr_node *b,
                                 double rtol, double atol, bool equal_nan, struct wr_stream *s) {
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node **slot = wr_compose_slot(&c);
  struct wr_node *close = wr_compose_step(&c, wr_ops_isclose(slot, a, b, rtol, atol, equal_nan, s));
  struct wr_node *r = wr_compose_reduce(&c, WR_OP_ALL, close, NULL, WR_OPS_ALL_AXES, false);
  return wr_compose_end(&c, out, r);
}

struct wr_error *wr_ops_array_equal(struct wr_node **out, struct wr_node *a, struct wr_node *b,
                                    bool equal_nan, struct wr_stream *s) {
  if (!wr_shape_equal(wr_node_shape(a), wr_node_ndim(a), wr_node_shape(b), wr_node_ndim(b))) {
    return wr_ops_scalar(out, 0, WR_BOOL);
  }
  enum wr_op op = equal_nan ? WR_OP_EQUAL_NAN : WR_OP_EQUAL;
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *r = wr_compose_binary(&c, op, a, b);
  r = wr_compose_reduce(&c, WR_OP_ALL, r, NULL, WR_OPS_ALL_AXES, false);
  return wr_compose_end(&c, out, r);
}

struct wr_error *wr_ops_clip(struct wr_node **out, struct wr_node *a, struct wr_node *a_min,
                             struct wr_node *a_max, struct wr_stream *s) {
  if (!a_min && !a_max) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "a_min and a_max are both empty");
  }
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *r = a;
  if (a_min) r = wr_compose_binary(&c, WR_OP_MAXIMUM, r, a_min);
  if (a_max) r = wr_compose_binary(&c, WR_OP_MINIMUM, r, a_max);
  return wr_compose_end(&c, out, r);
}

static struct wr_error *check_matrix(const char *argument, int extent) {
  if (extent >= 0) return NULL;
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "%s is %d, negative", argument, extent);
}

/* The positions [0, extent) + shift along an axis of a matrix. */
static struct wr_node *positions(struct wr_compose *c, int extent, double shift, int axis,
                                 enum wr_dtype type) {
  if (c->error) return NULL;
  struct wr_node **slot = wr_compose_slot(c);
  struct wr_node *x =
      wr_compose_step(c, wr_ops_arange(slot, shift, shift + extent, 1, type, c->stream));
  if (c->error) return NULL;
  return wr_compose_step(c, wr_ops_expand_dims(wr_compose_slot(c), x, &axis, 1, c->stream));
}

/* Compares row + k with column, as a matrix of `type`. */
static struct wr_error *diagonal(struct wr_node **out, enum wr_op op, int n, int m, int k,
                                 enum wr_dtype type, struct wr_stream *s) {
  struct wr_error *error = check_matrix("n", n);
  if (!error) error = check_matrix("m", m);
  if (!error) error = wr_ops_check_shape("n and m:", (const int32_t[]){n, m}, 2);
  if (error) return error;
  /* Whose ranges may be longer than memory. */
  if (n == 0 || m == 0) return wr_ops_fill(out, (const int[]){n, m}, 2, 0, type, s);
  struct wr_compose c = wr_compose_begin(s);
  const enum wr_dtype places = k <= INT32_MAX - n ? WR_INT32 : WR_INT64;
  struct wr_node *rows = positions(&c, n, k, 1, places);
  struct wr_node *columns = positions(&c, m, 0, 0, places);
  return wr_compose_end(&c, out,
                        wr_compose_astype(&c, wr_compose_binary(&c, op, rows, columns), type));
}

struct wr_error *wr_ops_eye(struct wr_node **out, int n, int m, int k, enum wr_dtype dtype,
                            struct wr_stream *s) {
  return diagonal(out, WR_OP_EQUAL, n, m, k, dtype, s);
}

struct wr_error *wr_ops_tri(struct wr_node **out, int n, int m, int k, enum wr_dtype type,
                            struct wr_stream *s) {
  return diagonal(out, WR_OP_GREATER_EQUAL, n, m, k, type, s);
}

/* The same as bool, of which each row is the one before moved by an element: parts of one line,
   which a CPU reads from its first-level cache. */
static struct wr_error *slid_diagonal(struct wr_node **out, enum wr_op op, int n, int m, int k,
                                      struct wr_stream *s) {
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *columns = wr_compose_count(&c, 0, (double)n - 1 + m, WR_INT64);
  struct wr_node *row = wr_compose_scalar(&c, (double)k + n - 1, WR_INT64);
  struct wr_node *line = wr_compose_binary(&c, op, row, columns);
  if (!c.error) {
    const int64_t strides[] = {-1, 1};
    struct wr_node **slot = wr_compose_slot(&c);
    line = wr_compose_step(&c, wr_ops_as_strided(slot, line, (const int32_t[]){n, m}, 2, strides, 2,
                                                 (size_t)n - 1, s));
  }
  return wr_compose_end(&c, out, line);
}

static struct wr_error *mask_of(struct wr_node **out, enum wr_op op, int n, int m, int k,
                                struct wr_stream *s) {
  const bool slides = n > 0 && m > 0 && n <= INT32_MAX - m;
  if (slides && wr_stream_device(s).type == WR_DEVICE_CPU) {
    return slid_diagonal(out, op, n, m, k, s);
  }
  return diagonal(out, op, n, m, k, WR_BOOL, s);
}

/* x where row + k compares so with column, 0 elsewhere. */
static struct wr_error *triangle(struct wr_node **out, enum wr_op op, struct wr_node *x, int k,
                                 struct wr_stream *s) {
  int ndim = wr_node_ndim(x);
  if (ndim < 2) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "x with shape %s has less than 2 dimensions",
                        wr_ops_shape_text(x).s);
  }
  const int32_t *shape = wr_node_shape(x);
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node **slot = wr_compose_slot(&c);
  struct wr_node *mask =
      wr_compose_step(&c, mask_of(slot, op, shape[ndim - 2], shape[ndim - 1], k, s));
  struct wr_node *zero = wr_compose_scalar(&c, 0, wr_node_dtype(x));
  return wr_compose_end(&c, out, wr_compose_where(&c, mask, x, zero));
}

struct wr_error *wr_ops_tril(struct wr_node **out, struct wr_node *x, int k, struct wr_stream *s) {
  return triangle(out, WR_OP_GREATER_EQUAL, x, k, s);
}

struct wr_error *wr_ops_triu(struct wr_node **out, struct wr_node *x, int k, struct wr_stream *s) {
  return triangle(out, WR_OP_LESS_EQUAL, x, k, s);
}
