/* Elementwise operations of one input: the row in ops.def gives the types. Rounding to decimal
   places is composed, without an overflow on the way. No locks. */

#include <math.h>
#include <stdlib.h>

#include "ops/internal.h"

static struct wr_error *refuse(enum wr_op op, enum wr_dtype t) {
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "a is %s, which %s does not support%s",
                      wr_dtype_name(t), wr_op_info(op)->name,
                      op == WR_OP_NEGATIVE ? "; use logical_not" : "");
}

struct wr_error *wr_ops_unary(struct wr_node **out, enum wr_op op, struct wr_node *a,
                              struct wr_stream *s) {
  enum wr_dtype t = wr_node_dtype(a);
  struct wr_ops_types types = wr_ops_types_of(op, t);
  if (!wr_op_takes(op, types.compute)) return refuse(op, t);
  if (types.compute == t) return wr_ops_record_like(out, op, a, types.result, s);
  struct wr_node *cast;
  struct wr_error *error = wr_ops_astype(&cast, a, types.compute, s);
  if (error) return error;
  return wr_ops_and_release(cast, wr_ops_record_like(out, op, cast, types.result, s));
}

/* Where all of x's digits lie before the place that it is rounded to, x is the result; and so it is
   where x by the scale overflows. */
static struct wr_node *round_real(struct wr_compose *c, struct wr_node *x, int decimals) {
  enum wr_dtype t = wr_node_dtype(x);
  const double digits = t == WR_FLOAT64 ? 0x1p52 : 0x1p23;
  const enum wr_op up = decimals > 0 ? WR_OP_MULTIPLY : WR_OP_DIVIDE;
  const enum wr_op down = decimals > 0 ? WR_OP_DIVIDE : WR_OP_MULTIPLY;
  struct wr_node *scale = wr_compose_scalar(c, pow(10, abs(decimals)), t);
  struct wr_node *y = wr_compose_binary(c, up, x, scale);
  struct wr_node *r = wr_compose_unary(c, WR_OP_ROUND, y);
  r = wr_compose_binary(c, down, r, scale);
  struct wr_node *has_rest;
  if (t == WR_COMPLEX64) { /* its parts may have different sizes */
    has_rest = wr_compose_unary(c, WR_OP_ISFINITE, y);
  } else {
    has_rest = wr_compose_binary(c, WR_OP_LESS, wr_compose_unary(c, WR_OP_ABS, y),
                                 wr_compose_scalar(c, digits, t));
  }
  return wr_compose_where(c, has_rest, r, x);
}

/* Integers to multiples of 10^n, halves to an even multiple; what the type cannot hold wraps. */
static struct wr_node *round_integer(struct wr_compose *c, struct wr_node *a, int n) {
  enum wr_dtype t = wr_dtype_is_unsigned(wr_node_dtype(a)) ? WR_UINT64 : WR_INT64;
  const double unit = pow(10, n); /* exact */
  struct wr_node *x = wr_compose_astype(c, a, t);
  struct wr_node *size = wr_compose_scalar(c, unit, t);
  struct wr_node *rest = wr_compose_binary(c, WR_OP_REMAINDER, x, size);
  struct wr_node *low = wr_compose_binary(c, WR_OP_SUBTRACT, x, rest);
  struct wr_node *half = wr_compose_scalar(c, unit / 2, t);
  struct wr_node *odd =
      wr_compose_binary(c, WR_OP_REMAINDER, low, wr_compose_scalar(c, 2 * unit, t));
  struct wr_node *up = wr_compose_binary(
      c, WR_OP_LOGICAL_OR, wr_compose_binary(c, WR_OP_GREATER, rest, half),
      wr_compose_binary(c, WR_OP_LOGICAL_AND, wr_compose_binary(c, WR_OP_EQUAL, rest, half), odd));
  struct wr_node *step = wr_compose_where(c, up, size, wr_compose_scalar(c, 0, t));
  return wr_compose_binary(c, WR_OP_ADD, low, step);
}

/* To a place before all digits: 0, with the sign that it had, of what is finite. */
static struct wr_node *round_away(struct wr_compose *c, struct wr_node *a) {
  struct wr_node *zero = wr_compose_scalar(c, 0, wr_node_dtype(a));
  struct wr_node *finite = wr_compose_unary(c, WR_OP_ISFINITE, a);
  return wr_compose_where(c, finite, wr_compose_binary(c, WR_OP_MULTIPLY, a, zero), a);
}

/* The type that elements of type t are rounded in: one that has 10^n. */
static enum wr_dtype round_type(enum wr_dtype t, int decimals) {
  enum { FLOAT32_POWERS = 38 };
  if (t == WR_COMPLEX64 || t == WR_FLOAT64) return t;
  bool wide = abs(decimals) > FLOAT32_POWERS || !wr_dtype_is_floating(t);
  return wide ? WR_FLOAT64 : WR_FLOAT32;
}

static struct wr_error *same_array(struct wr_node **out, struct wr_node *a) {
  *out = wr_node_retain(a);
  return NULL;
}

struct wr_error *wr_ops_conjugate(struct wr_node **out, struct wr_node *a, struct wr_stream *s) {
  if (wr_node_dtype(a) != WR_COMPLEX64) return same_array(out, a);
  return wr_ops_unary(out, WR_OP_CONJUGATE, a, s);
}

struct wr_error *wr_ops_real(struct wr_node **out, struct wr_node *a, struct wr_stream *s) {
  if (wr_node_dtype(a) != WR_COMPLEX64) return same_array(out, a);
  return wr_ops_unary(out, WR_OP_REAL, a, s);
}

struct wr_error *wr_ops_imag(struct wr_node **out, struct wr_node *a, struct wr_stream *s) {
  if (wr_node_dtype(a) != WR_COMPLEX64) return wr_ops_fill_like(out, a, 0, s);
  return wr_ops_unary(out, WR_OP_IMAG, a, s);
}

struct wr_error *wr_ops_bitwise_invert(struct wr_node **out, struct wr_node *a,
                                       struct wr_stream *s) {
  bool logical = wr_node_dtype(a) == WR_BOOL;
  return wr_ops_unary(out, logical ? WR_OP_LOGICAL_NOT : WR_OP_BITWISE_INVERT, a, s);
}

struct wr_error *wr_ops_round(struct wr_node **out, struct wr_node *a, int decimals,
                              struct wr_stream *s) {
  enum { INT64_POWERS = 18, FLOAT64_POWERS = 308 };
  enum wr_dtype t = wr_node_dtype(a);
  const bool whole = t == WR_BOOL || wr_dtype_is_integer(t);
  if (decimals == 0) return wr_ops_unary(out, WR_OP_ROUND, a, s);
  if (decimals > FLOAT64_POWERS || (whole && decimals > 0)) {
    return wr_ops_contiguous(out, a, false, s);
  }
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *r;
  if (whole && decimals >= -INT64_POWERS) {
    r = round_integer(&c, a, -decimals);
  } else if (decimals < -FLOAT64_POWERS) {
    r = round_away(&c, a);
  } else {
    r = round_real(&c, wr_compose_astype(&c, a, round_type(t, decimals)), decimals);
  }
  return wr_compose_end(&c, out, wr_compose_astype(&c, r, t));
}

struct wr_error *wr_again_unary(struct wr_node **out, const struct wr_record *like) {
  return wr_ops_unary(out, like->op, like->in[0], like->stream);
}
