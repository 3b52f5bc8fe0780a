/* Operations made of others, with MLX's formulas, so that results agree in dtype and in the last
   place. No locks. */

#include <math.h>

#include "ops/internal.h"

/* Where a is +inf, or -inf, by sign. */
static struct wr_node *is_infinity(struct wr_compose *c, struct wr_node *a, double infinity) {
  return wr_compose_binary(c, WR_OP_EQUAL, a, wr_compose_scalar(c, infinity, WR_FLOAT32));
}

struct wr_error *wr_ops_isclose(struct wr_node **out, struct wr_node *a, struct wr_node *b,
                                double rtol, double atol, bool equal_nan, struct wr_stream *s) {
  struct wr_compose c = wr_compose_begin(s);
  /* |a - b| <= atol + rtol |b| for finite numbers; infinities are close to themselves alone. */
  struct wr_node *size = wr_compose_unary(&c, WR_OP_ABS, b);
  struct wr_node *bound =
      wr_compose_binary(&c, WR_OP_MULTIPLY, wr_compose_scalar(&c, rtol, WR_FLOAT32), size);
  bound = wr_compose_binary(&c, WR_OP_ADD, wr_compose_scalar(&c, atol, WR_FLOAT32), bound);
  struct wr_node *distance =
      wr_compose_unary(&c, WR_OP_ABS, wr_compose_binary(&c, WR_OP_SUBTRACT, a, b));
  struct wr_node *close = wr_compose_binary(&c, WR_OP_LESS_EQUAL, distance, bound);
  struct wr_node *any_infinite =
      wr_compose_binary(&c, WR_OP_LOGICAL_OR, wr_compose_unary(&c, WR_OP_ISINF, a),
                        wr_compose_unary(&c, WR_OP_ISINF, b));
  close = wr_compose_binary(&c, WR_OP_LOGICAL_AND, close,
                            wr_compose_unary(&c, WR_OP_LOGICAL_NOT, any_infinite));
  for (int sign = 1; sign >= -1; sign -= 2) {
    struct wr_node *both =
        wr_compose_binary(&c, WR_OP_LOGICAL_AND, is_infinity(&c, a, sign * INFINITY),
                          is_infinity(&c, b, sign * INFINITY));
    close = wr_compose_binary(&c, WR_OP_LOGICAL_OR, close, both);
  }
  if (equal_nan) {
    struct wr_node *both =
        wr_compose_binary(&c, WR_OP_LOGICAL_AND, wr_compose_unary(&c, WR_OP_ISNAN, a),
                          wr_compose_unary(&c, WR_OP_ISNAN, b));
    close = wr_compose_binary(&c, WR_OP_LOGICAL_OR, close, both);
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

/* The positions [0, extent) + shift along an axis of a matrix. int32 would overflow for a large
   shift, so they are int64. */
static struct wr_node *positions(struct wr_compose *c, int extent, double shift, int axis) {
  if (c->error) return NULL;
  struct wr_node **slot = wr_compose_slot(c);
  struct wr_node *x =
      wr_compose_step(c, wr_ops_arange(slot, shift, shift + extent, 1, WR_INT64, c->stream));
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
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *rows = positions(&c, n, k, 1);
  struct wr_node *columns = positions(&c, m, 0, 0);
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
      wr_compose_step(&c, diagonal(slot, op, shape[ndim - 2], shape[ndim - 1], k, WR_BOOL, s));
  struct wr_node *zero = wr_compose_scalar(&c, 0, wr_node_dtype(x));
  return wr_compose_end(&c, out, wr_compose_where(&c, mask, x, zero));
}

struct wr_error *wr_ops_tril(struct wr_node **out, struct wr_node *x, int k, struct wr_stream *s) {
  return triangle(out, WR_OP_GREATER_EQUAL, x, k, s);
}

struct wr_error *wr_ops_triu(struct wr_node **out, struct wr_node *x, int k, struct wr_stream *s) {
  return triangle(out, WR_OP_LESS_EQUAL, x, k, s);
}
