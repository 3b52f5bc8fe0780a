/* Rules of elementwise operations. Where the derivative is a factor, one function gives it for both
   directions, so that the two cannot disagree. No locks. */

#include <math.h>

#include "transforms/rules.h"

static struct wr_node *un(const struct wr_rule *r, enum wr_op op, struct wr_node *a) {
  return wr_compose_unary(r->c, op, a);
}

static struct wr_node *bin(const struct wr_rule *r, enum wr_op op, struct wr_node *a,
                           struct wr_node *b) {
  return wr_compose_binary(r->c, op, a, b);
}

static struct wr_node *num(const struct wr_rule *r, double value) {
  return wr_compose_scalar(r->c, value, wr_node_dtype(r->in[0]));
}

/* 1 - a, 1 + a and the like: `value` op a. */
static struct wr_node *with(const struct wr_rule *r, double value, enum wr_op op,
                            struct wr_node *a) {
  return bin(r, op, num(r, value), a);
}

static struct wr_node *squared(const struct wr_rule *r) { return un(r, WR_OP_SQUARE, r->in[0]); }

static struct wr_node *bell(const struct wr_rule *r, double scale, struct wr_node *power) {
  return wr_rule_scale(r, un(r, WR_OP_EXP, power), scale);
}

/* The derivative, in the type of the input. */
static struct wr_node *unary_factor(const struct wr_rule *r) {
  struct wr_node *x = r->in[0], *y = r->y;
  switch ((int)r->op) {
    case WR_OP_ARCCOS:
      return un(r, WR_OP_NEGATIVE, un(r, WR_OP_RSQRT, with(r, 1, WR_OP_SUBTRACT, squared(r))));
    case WR_OP_ARCSIN:
      return un(r, WR_OP_RSQRT, with(r, 1, WR_OP_SUBTRACT, squared(r)));
    case WR_OP_ARCCOSH: /* of two roots: their product is right in the whole complex plane */
      return bin(r, WR_OP_MULTIPLY, un(r, WR_OP_RSQRT, with(r, -1, WR_OP_ADD, x)),
                 un(r, WR_OP_RSQRT, with(r, 1, WR_OP_ADD, x)));
    case WR_OP_ARCSINH:
      return un(r, WR_OP_RSQRT, with(r, 1, WR_OP_ADD, squared(r)));
    case WR_OP_ARCTAN:
      return un(r, WR_OP_RECIPROCAL, with(r, 1, WR_OP_ADD, squared(r)));
    case WR_OP_ARCTANH:
      return un(r, WR_OP_RECIPROCAL, with(r, 1, WR_OP_SUBTRACT, squared(r)));
    case WR_OP_COS:
      return un(r, WR_OP_NEGATIVE, un(r, WR_OP_SIN, x));
    case WR_OP_COSH:
      return un(r, WR_OP_SINH, x);
    case WR_OP_ERF:
      return bell(r, 2 / sqrt(M_PI), un(r, WR_OP_NEGATIVE, squared(r)));
    case WR_OP_ERFINV:
      return bell(r, sqrt(M_PI) / 2, un(r, WR_OP_SQUARE, y));
    case WR_OP_EXP:
      return y;
    case WR_OP_EXPM1:
      return un(r, WR_OP_EXP, x);
    case WR_OP_LOG:
      return un(r, WR_OP_RECIPROCAL, x);
    case WR_OP_LOG10:
      return un(r, WR_OP_RECIPROCAL, wr_rule_scale(r, x, M_LN10));
    case WR_OP_LOG2:
      return un(r, WR_OP_RECIPROCAL, wr_rule_scale(r, x, M_LN2));
    case WR_OP_LOG1P:
      return un(r, WR_OP_RECIPROCAL, with(r, 1, WR_OP_ADD, x));
    case WR_OP_NEGATIVE:
      return num(r, -1);
    case WR_OP_RECIPROCAL:
      return un(r, WR_OP_NEGATIVE, un(r, WR_OP_SQUARE, y));
    case WR_OP_RSQRT:
      return wr_rule_scale(r, bin(r, WR_OP_DIVIDE, y, x), -0.5);
    case WR_OP_SIGMOID:
      return wr_rule_mul(r, y, with(r, 1, WR_OP_SUBTRACT, y));
    case WR_OP_SIN:
      return un(r, WR_OP_COS, x);
    case WR_OP_SINH:
      return un(r, WR_OP_COSH, x);
    case WR_OP_SQRT:
      return bin(r, WR_OP_DIVIDE, num(r, 0.5), y);
    case WR_OP_SQUARE:
      return wr_rule_scale(r, x, 2);
    case WR_OP_TAN:
      return un(r, WR_OP_RECIPROCAL, un(r, WR_OP_SQUARE, un(r, WR_OP_COS, x)));
    case WR_OP_TANH:
      return with(r, 1, WR_OP_SUBTRACT, un(r, WR_OP_SQUARE, y));
    default:
      return wr_compose_fail(r->c, "%s has no derivative here", wr_op_info(r->op)->name);
  }
}

void wr_vjp_unary(const struct wr_rule *r, struct wr_node *d, struct wr_node **grads) {
  grads[0] = wr_rule_mul(r, d, wr_rule_conj(r, unary_factor(r)));
}

struct wr_node *wr_jvp_unary(const struct wr_rule *r, struct wr_node *const *t) {
  return wr_rule_mul(r, t[0], unary_factor(r));
}

/* ---- what is not holomorphic ---- */

void wr_vjp_abs(const struct wr_rule *r, struct wr_node *d, struct wr_node **grads) {
  grads[0] = wr_rule_mul(r, d, un(r, WR_OP_SIGN, r->in[0]));
}

struct wr_node *wr_jvp_abs(const struct wr_rule *r, struct wr_node *const *t) {
  struct wr_node *sign = wr_rule_conj(r, un(r, WR_OP_SIGN, r->in[0]));
  struct wr_node *product = wr_rule_mul(r, sign, t[0]);
  if (r->c->error || wr_node_dtype(r->in[0]) != WR_COMPLEX64) return product;
  return un(r, WR_OP_REAL, product);
}

void wr_vjp_conjugate(const struct wr_rule *r, struct wr_node *d, struct wr_node **grads) {
  grads[0] = wr_rule_conj(r, d);
}

struct wr_node *wr_jvp_conjugate(const struct wr_rule *r, struct wr_node *const *t) {
  return wr_rule_conj(r, t[0]);
}

void wr_vjp_real(const struct wr_rule *r, struct wr_node *d, struct wr_node **grads) {
  grads[0] = wr_compose_astype(r->c, d, WR_COMPLEX64);
}

struct wr_node *wr_jvp_real(const struct wr_rule *r, struct wr_node *const *t) {
  return un(r, WR_OP_REAL, t[0]);
}

/* i, as the root of -1: no other constant here is complex. */
static struct wr_node *imaginary(const struct wr_rule *r) {
  return un(r, WR_OP_SQRT, wr_compose_scalar(r->c, -1, WR_COMPLEX64));
}

void wr_vjp_imag(const struct wr_rule *r, struct wr_node *d, struct wr_node **grads) {
  grads[0] = wr_rule_mul(r, wr_compose_astype(r->c, d, WR_COMPLEX64), imaginary(r));
}

struct wr_node *wr_jvp_imag(const struct wr_rule *r, struct wr_node *const *t) {
  return un(r, WR_OP_IMAG, t[0]);
}

/* Of real numbers it does not change. Of complex ones it turns: t / |x| less its part along x,
   which is the same in both directions; 0 at 0. */
static struct wr_node *turned(const struct wr_rule *r, struct wr_node *t) {
  struct wr_node *size = un(r, WR_OP_ABS, r->in[0]);
  struct wr_node *along = un(r, WR_OP_REAL, wr_rule_mul(r, wr_rule_conj(r, r->y), t));
  struct wr_node *across = bin(r, WR_OP_SUBTRACT, t, wr_rule_mul(r, r->y, along));
  if (r->c->error) return NULL;
  struct wr_node *some =
      bin(r, WR_OP_GREATER, size, wr_compose_scalar(r->c, 0, wr_node_dtype(size)));
  return wr_rule_where(r, some, bin(r, WR_OP_DIVIDE, across, size));
}

void wr_vjp_sign(const struct wr_rule *r, struct wr_node *d, struct wr_node **grads) {
  if (wr_node_dtype(r->y) == WR_COMPLEX64) grads[0] = turned(r, d);
}

struct wr_node *wr_jvp_sign(const struct wr_rule *r, struct wr_node *const *t) {
  return wr_node_dtype(r->y) == WR_COMPLEX64 ? turned(r, t[0]) : NULL;
}

/* ---- two inputs ---- */

/* e^(a - y), the share of an input in a logarithm of a sum. */
static struct wr_node *share(const struct wr_rule *r, int k) {
  struct wr_node *mine = r->in[k], *other = r->in[1 - k];
  if (wr_node_dtype(r->y) == WR_COMPLEX64) {
    return un(r, WR_OP_EXP, bin(r, WR_OP_SUBTRACT, mine, r->y));
  }
  return un(r, WR_OP_SIGMOID, bin(r, WR_OP_SUBTRACT, mine, other));
}

/* b / (a^2 + b^2) and -a / (a^2 + b^2). */
static struct wr_node *angle_factor(const struct wr_rule *r, int k) {
  struct wr_node *far =
      wr_rule_add(r, un(r, WR_OP_SQUARE, r->in[0]), un(r, WR_OP_SQUARE, r->in[1]));
  struct wr_node *top = k == 0 ? r->in[1] : un(r, WR_OP_NEGATIVE, r->in[0]);
  return bin(r, WR_OP_DIVIDE, top, far);
}

/* b a^(b - 1), which is 0 for b = 0 wherever a is; and y log a, 0 where y is. */
static struct wr_node *power_factor(const struct wr_rule *r, int k) {
  struct wr_node *a = r->in[0], *b = r->in[1], *zero = num(r, 0);
  if (k == 0) {
    struct wr_node *less = bin(r, WR_OP_POWER, a, bin(r, WR_OP_SUBTRACT, b, num(r, 1)));
    return wr_rule_where(r, bin(r, WR_OP_NOT_EQUAL, b, zero), wr_rule_mul(r, b, less));
  }
  struct wr_node *log = wr_rule_mul(r, r->y, un(r, WR_OP_LOG, a));
  return wr_rule_where(r, bin(r, WR_OP_NOT_EQUAL, r->y, zero), log);
}

/* The quotient rounded down; of whole numbers in float32, as MLX has it. */
static struct wr_node *whole_quotient(const struct wr_rule *r) {
  struct wr_node *a = r->in[0], *b = r->in[1];
  if (wr_dtype_is_floating(wr_node_dtype(a))) return bin(r, WR_OP_FLOOR_DIVIDE, a, b);
  return un(r, WR_OP_FLOOR, bin(r, WR_OP_DIVIDE, a, b));
}

static struct wr_node *binary_factor(const struct wr_rule *r, int k) {
  struct wr_node *b = r->in[1];
  switch ((int)r->op) {
    case WR_OP_ADD:
      return num(r, 1);
    case WR_OP_SUBTRACT:
      return num(r, k == 0 ? 1 : -1);
    case WR_OP_MULTIPLY:
      return r->in[1 - k];
    case WR_OP_DIVIDE:
      if (k == 0) return un(r, WR_OP_RECIPROCAL, b);
      return un(r, WR_OP_NEGATIVE, bin(r, WR_OP_DIVIDE, r->y, b));
    case WR_OP_REMAINDER:
      if (k == 0) return num(r, 1);
      return un(r, WR_OP_NEGATIVE, whole_quotient(r));
    case WR_OP_ARCTAN2:
      return angle_factor(r, k);
    case WR_OP_LOGADDEXP:
      return share(r, k);
    case WR_OP_POWER:
      return power_factor(r, k);
    default:
      return wr_compose_fail(r->c, "%s has no derivative here", wr_op_info(r->op)->name);
  }
}

static bool passes_on(const struct wr_rule *r, int k) {
  return r->op == WR_OP_ADD || ((r->op == WR_OP_SUBTRACT || r->op == WR_OP_REMAINDER) && k == 0);
}

void wr_vjp_binary(const struct wr_rule *r, struct wr_node *d, struct wr_node **grads) {
  for (int k = 0; k < 2; k++) {
    if (!r->wanted[k]) continue;
    grads[k] = passes_on(r, k) ? d : wr_rule_mul(r, d, wr_rule_conj(r, binary_factor(r, k)));
  }
}

struct wr_node *wr_jvp_binary(const struct wr_rule *r, struct wr_node *const *t) {
  struct wr_node *sum = NULL;
  for (int k = 0; k < 2; k++) {
    if (!t[k]) continue;
    sum = wr_rule_sum(r, sum, passes_on(r, k) ? t[k] : wr_rule_mul(r, t[k], binary_factor(r, k)));
  }
  return sum;
}

/* The first input alone where it is beyond the second; equal ones are the second's, NaN nobody's.
 */
static struct wr_node *chosen(const struct wr_rule *r, int k) {
  static const enum wr_op tests[2][2] = {{WR_OP_GREATER, WR_OP_LESS_EQUAL},
                                         {WR_OP_LESS, WR_OP_GREATER_EQUAL}};
  return bin(r, tests[r->op == WR_OP_MINIMUM][k], r->in[0], r->in[1]);
}

void wr_vjp_choice(const struct wr_rule *r, struct wr_node *d, struct wr_node **grads) {
  for (int k = 0; k < 2; k++) {
    if (r->wanted[k]) grads[k] = wr_rule_where(r, chosen(r, k), d);
  }
}

struct wr_node *wr_jvp_choice(const struct wr_rule *r, struct wr_node *const *t) {
  struct wr_node *sum = NULL;
  for (int k = 0; k < 2; k++) {
    if (t[k]) sum = wr_rule_sum(r, sum, wr_rule_where(r, chosen(r, k), t[k]));
  }
  return sum;
}

void wr_vjp_where(const struct wr_rule *r, struct wr_node *d, struct wr_node **grads) {
  struct wr_node *zero = wr_compose_scalar(r->c, 0, wr_node_dtype(d));
  if (r->wanted[1]) grads[1] = wr_compose_where(r->c, r->in[0], d, zero);
  if (r->wanted[2]) grads[2] = wr_compose_where(r->c, r->in[0], zero, d);
}

struct wr_node *wr_jvp_where(const struct wr_rule *r, struct wr_node *const *t) {
  if (!t[1] && !t[2]) return NULL;
  struct wr_node *zero = wr_compose_scalar(r->c, 0, wr_node_dtype(r->y));
  return wr_compose_where(r->c, r->in[0], t[1] ? t[1] : zero, t[2] ? t[2] : zero);
}
