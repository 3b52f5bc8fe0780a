/* Floats of 8 bits, E4M3: a sign, 4 bits of exponent with bias 7, 3 of mantissa, no infinities, and
   0x7f for NaN. Composed of steps on the bits of a wider float, most of which fuse. No locks. */

#include <math.h>

#include "ops/internal.h"

static struct wr_node *with(struct wr_compose *c, enum wr_op op, struct wr_node *x, double y) {
  if (c->error) return NULL;
  return wr_compose_binary(c, op, x, wr_compose_scalar(c, y, wr_node_dtype(x)));
}

static struct wr_node *bits_as(struct wr_compose *c, struct wr_node *x, enum wr_dtype dtype) {
  if (c->error) return NULL;
  return wr_compose_step(c, wr_ops_view_dtype(wr_compose_slot(c), x, dtype, c->stream));
}

/* What is taken apart: float64 as it is, the others as float32, which holds them. */
struct wide {
  enum wr_dtype real;
  enum wr_dtype whole;
  int mantissa; /* bits */
  int bias;
};

static struct wide wide_of(enum wr_dtype t) {
  return t == WR_FLOAT64 ? (struct wide){WR_FLOAT64, WR_UINT64, 52, 1023}
                         : (struct wide){WR_FLOAT32, WR_UINT32, 23, 127};
}

/* Exponent and mantissa of a magnitude of at least 2^-6, by its bits, cut to 3 bits of mantissa and
   rounded to even: a carry goes over into the exponent, as it should. */
static struct wr_node *rounded(struct wr_compose *c, struct wr_node *bits, const struct wide *w) {
  const int shift = w->mantissa - 3;
  struct wr_node *odd = with(c, WR_OP_BITWISE_AND, with(c, WR_OP_RIGHT_SHIFT, bits, shift), 1);
  struct wr_node *up = with(c, WR_OP_ADD, bits, (double)((INT64_C(1) << (shift - 1)) - 1));
  struct wr_node *r = with(c, WR_OP_RIGHT_SHIFT, wr_compose_binary(c, WR_OP_ADD, up, odd), shift);
  return with(c, WR_OP_SUBTRACT, r, (w->bias - 7) * 8);
}

struct wr_error *wr_ops_to_fp8(struct wr_node **out, struct wr_node *x, struct wr_stream *s) {
  const enum wr_dtype t = wr_node_dtype(x);
  if (!wr_dtype_is_floating(t)) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "x is %s, not a real floating type",
                        wr_dtype_name(t));
  }
  const struct wide w = wide_of(t);
  const int sign_bit = w.whole == WR_UINT64 ? 63 : 31;
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *value = wr_compose_astype(&c, x, w.real);
  struct wr_node *size = wr_compose_unary(&c, WR_OP_ABS, value);
  struct wr_node *normal = rounded(&c, bits_as(&c, size, w.whole), &w);
  /* Below 2^-6 steps are 2^-9 apart, and the eighth is 2^-6. */
  struct wr_node *steps = wr_compose_unary(&c, WR_OP_ROUND, with(&c, WR_OP_MULTIPLY, size, 512));
  struct wr_node *low = with(&c, WR_OP_LESS, size, 0x1p-6);
  struct wr_node *r = wr_compose_where(&c, low, wr_compose_astype(&c, steps, w.whole), normal);
  struct wr_node *sign = with(&c, WR_OP_RIGHT_SHIFT, bits_as(&c, value, w.whole), sign_bit - 7);
  r = wr_compose_binary(&c, WR_OP_BITWISE_OR, with(&c, WR_OP_MINIMUM, r, 0x7e),
                        with(&c, WR_OP_BITWISE_AND, sign, 0x80));
  return wr_compose_end(&c, out, wr_compose_astype(&c, r, WR_UINT8));
}

/* The bits stand in a float16's as they are, whose exponent has a bias of 15: 2^8 more. */
struct wr_error *wr_ops_from_fp8(struct wr_node **out, struct wr_node *x, enum wr_dtype dtype,
                                 struct wr_stream *s) {
  if (wr_node_dtype(x) != WR_UINT8) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "x is %s, not uint8",
                        wr_dtype_name(wr_node_dtype(x)));
  }
  if (!wr_dtype_is_floating(dtype)) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "dtype is %s, not a real floating type",
                        wr_dtype_name(dtype));
  }
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *wide = wr_compose_astype(&c, x, WR_UINT16);
  struct wr_node *size = with(&c, WR_OP_BITWISE_AND, wide, 0x7f);
  struct wr_node *sign = with(&c, WR_OP_BITWISE_AND, wide, 0x80);
  struct wr_node *bits =
      wr_compose_binary(&c, WR_OP_BITWISE_OR, with(&c, WR_OP_LEFT_SHIFT, size, 7),
                        with(&c, WR_OP_LEFT_SHIFT, sign, 8));
  struct wr_node *r = wr_compose_astype(&c, bits_as(&c, bits, WR_FLOAT16), dtype);
  r = with(&c, WR_OP_MULTIPLY, r, 256);
  struct wr_node *nan = wr_compose_scalar(&c, NAN, dtype);
  return wr_compose_end(&c, out, wr_compose_where(&c, with(&c, WR_OP_EQUAL, size, 0x7f), nan, r));
}
