/* Elementwise operations as MLX's: most have one of their own; tests for infinities and NaNs, and
   the inversion of bits, are made of others. No locks. */

#include "io/mlxfn_step.h"

#include <string.h>

#include "backend/backend.h"
#include "core/shape.h"

static void put_simple(struct wr_fn_step *s) {
  static const struct {
    enum wr_op op;
    enum wr_fn_kind kind;
  } rows[] = {
#define FN(name, state, least, most, run, op) {WR_OP_##op, WR_FN_##name},
#include "io/mlxfn.def"
#undef FN
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    if (rows[i].op != s->op || *wr_fn_infos[rows[i].kind].state) continue;
    wr_fn_step_whole(s, rows[i].kind);
    return;
  }
  wr_fn_step_unable(s);
}

/* MLX's magnitudes of complex numbers are complex, and cast. */
static uint64_t magnitude(struct wr_fn_step *s, const struct wr_fn_value *of) {
  struct wr_fn_value size = *of;
  const uint64_t id = wr_fn_step_put(s, WR_FN_Abs, s->in, 1, of);
  if (of->dtype != WR_COMPLEX64) return id;
  size.dtype = WR_FLOAT32;
  wr_fn_put_dtype(&s->state, WR_FLOAT32);
  return wr_fn_step_put(s, WR_FN_AsType, &id, 1, &size);
}

static void put_bitwise(struct wr_fn_step *s) {
  int which = 0;
  while (wr_fn_bitwise_ops[which] != s->op) which++;
  wr_fn_step_i32(s, which);
  wr_fn_step_whole(s, WR_FN_BitwiseBinary);
}

/* All bits are those of -1, which a cast gives each type. */
static void put_invert(struct wr_fn_step *s) {
  const uint64_t ones =
      wr_fn_step_number(s, wr_dtype_is_unsigned(s->out.dtype) ? 0 : -1, &s->out, s->in[0]);
  uint64_t mask = ones;
  if (wr_dtype_is_unsigned(s->out.dtype)) {
    /* 0 - 1 wraps around. */
    mask = wr_fn_step_two(s, WR_FN_Subtract, ones, wr_fn_step_number(s, 1, &s->out, s->in[0]),
                          &s->out);
  }
  const uint64_t in[] = {s->in[0], mask};
  wr_fn_step_i32(s, 2);
  s->id = wr_fn_step_put(s, WR_FN_BitwiseBinary, in, 2, &s->out);
}

static uint64_t is_infinite(struct wr_fn_step *s, double which) {
  const struct wr_fn_value x = wr_fn_value_of(s->from[0]);
  struct wr_fn_value size = x;
  if (x.dtype == WR_COMPLEX64) size.dtype = WR_FLOAT32;
  const uint64_t value = which == 0 ? magnitude(s, &x) : s->in[0];
  const double infinity = which < 0 ? -(double)__builtin_inf() : (double)__builtin_inf();
  const struct wr_fn_value *like = which == 0 ? &size : &x;
  return wr_fn_step_two(s, WR_FN_Equal, value, wr_fn_step_number(s, infinity, like, value),
                        &s->out);
}

static uint64_t is_nan(struct wr_fn_step *s) {
  return wr_fn_step_two(s, WR_FN_NotEqual, s->in[0], s->in[0], &s->out);
}

/* MLX refuses to look for NaNs in others. */
static bool is_inexact(enum wr_dtype t) { return wr_dtype_is_floating(t) || t == WR_COMPLEX64; }

/* Of types that hold whole numbers all of these are as of numbers that are not NaN. */
static void put_test(struct wr_fn_step *s) {
  const enum wr_dtype t = wr_node_dtype(s->from[0]);
  const bool inexact = is_inexact(t);
  if (s->op == WR_OP_ISNAN || (!inexact && s->op != WR_OP_ISFINITE)) {
    s->id = is_nan(s);
  } else if (!inexact) {
    s->id = wr_fn_step_two(s, WR_FN_Equal, s->in[0], s->in[0], &s->out);
  } else if (s->op == WR_OP_ISFINITE) {
    const uint64_t nan = is_nan(s), infinite = is_infinite(s, 0);
    const uint64_t any = wr_fn_step_two(s, WR_FN_LogicalOr, nan, infinite, &s->out);
    s->id = wr_fn_step_put(s, WR_FN_LogicalNot, &any, 1, &s->out);
  } else {
    s->id = is_infinite(s, s->op == WR_OP_ISINF ? 0 : s->op == WR_OP_ISPOSINF ? 1 : -1);
  }
}

/* Operands of a generalised capture may be of several shapes, which MLX's operations are not given:
   each is broadcast to the others, by an operation that has them for inputs, so that it holds for
   other extents too. */
static void broadcast_operands(struct wr_fn_step *s) {
  uint64_t in[WR_GROUP_OPERANDS], others[WR_GROUP_OPERANDS];
  if (s->n > WR_GROUP_OPERANDS) return;
  memcpy(in, s->in, s->n * sizeof *in);
  for (size_t i = 0; i < s->n; i++) {
    const struct wr_node *x = s->from[i];
    if (wr_shape_equal(wr_node_shape(x), wr_node_ndim(x), s->out.shape, s->out.ndim)) continue;
    const struct wr_fn_value out = {wr_node_dtype(x), s->out.ndim, s->out.shape};
    size_t n = 0;
    others[n++] = in[i];
    for (size_t k = 0; k < s->n; k++) {
      if (k != i) others[n++] = in[k];
    }
    wr_fn_put_shape(&s->state, out.shape, out.ndim);
    s->in[i] = wr_fn_step_put(s, WR_FN_Broadcast, others, n, &out);
  }
}

void wr_fn_step_elementwise(struct wr_fn_step *s) {
  broadcast_operands(s);
  switch ((int)s->op) {
    case WR_OP_LOG2:
    case WR_OP_LOG10:
    case WR_OP_LOG:
      wr_fn_step_i32(s, s->op == WR_OP_LOG2 ? 0 : s->op == WR_OP_LOG10 ? 1 : 2);
      wr_fn_step_whole(s, WR_FN_Log);
      return;
    case WR_OP_SQRT:
    case WR_OP_RSQRT:
      wr_fn_step_flag(s, s->op == WR_OP_RSQRT);
      wr_fn_step_whole(s, WR_FN_Sqrt);
      return;
    case WR_OP_RECIPROCAL:
      s->id = wr_fn_step_two(s, WR_FN_Divide, wr_fn_step_number(s, 1, &s->out, s->in[0]), s->in[0],
                             &s->out);
      return;
    case WR_OP_EQUAL:
    case WR_OP_EQUAL_NAN:
      wr_fn_step_flag(s, s->op == WR_OP_EQUAL_NAN && is_inexact(wr_node_dtype(s->from[0])));
      wr_fn_step_whole(s, WR_FN_Equal);
      return;
    case WR_OP_FLOOR_DIVIDE: {
      const struct wr_fn_value both[] = {s->out, s->out};
      s->id = wr_fn_put_entry(s->w, WR_FN_DivMod, s->in, 2, NULL, both, 2);
      return;
    }
    case WR_OP_BITWISE_AND:
    case WR_OP_BITWISE_OR:
    case WR_OP_BITWISE_XOR:
    case WR_OP_LEFT_SHIFT:
    case WR_OP_RIGHT_SHIFT:
      put_bitwise(s);
      return;
    case WR_OP_BITWISE_INVERT:
      put_invert(s);
      return;
    case WR_OP_ISFINITE:
    case WR_OP_ISINF:
    case WR_OP_ISNAN:
    case WR_OP_ISNEGINF:
    case WR_OP_ISPOSINF:
      put_test(s);
      return;
    case WR_OP_ABS: {
      const struct wr_fn_value x = wr_fn_value_of(s->from[0]);
      s->id = magnitude(s, &x);
      return;
    }
    default:
      put_simple(s);
  }
}
