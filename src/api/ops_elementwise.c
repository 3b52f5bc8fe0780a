/* Elementwise functions: handles in, one operation, a handle out. No logic, no locks. */

#include "api/ops_glue.h"
#include "mlx/c/ops.h"

static int unary(const char *function, enum wr_op op, mlx_array *res, mlx_array a, mlx_stream s) {
  struct wr_error *error = NULL;
  struct wr_node *out = NULL;
  wr_api_result(res, "res", &error);
  struct wr_node *x = wr_api_array(a, "a", &error);
  struct wr_stream *stream = wr_api_stream(s, &error);
  if (!error) error = wr_ops_unary(&out, op, x, stream);
  return wr_api_finish_array(function, error, res, out);
}

static int binary(const char *function, enum wr_op op, mlx_array *res, mlx_array a, mlx_array b,
                  mlx_stream s) {
  struct wr_error *error = NULL;
  struct wr_node *out = NULL;
  wr_api_result(res, "res", &error);
  struct wr_node *x = wr_api_array(a, "a", &error);
  struct wr_node *y = wr_api_array(b, "b", &error);
  struct wr_stream *stream = wr_api_stream(s, &error);
  if (!error) error = wr_ops_binary(&out, op, x, y, stream);
  return wr_api_finish_array(function, error, res, out);
}

int mlx_abs(mlx_array *res, const mlx_array a, const mlx_stream s) {
  return unary("mlx_abs", WR_OP_ABS, res, a, s);
}

int mlx_ceil(mlx_array *res, const mlx_array a, const mlx_stream s) {
  return unary("mlx_ceil", WR_OP_CEIL, res, a, s);
}

int mlx_cos(mlx_array *res, const mlx_array a, const mlx_stream s) {
  return unary("mlx_cos", WR_OP_COS, res, a, s);
}

int mlx_erf(mlx_array *res, const mlx_array a, const mlx_stream s) {
  return unary("mlx_erf", WR_OP_ERF, res, a, s);
}

int mlx_exp(mlx_array *res, const mlx_array a, const mlx_stream s) {
  return unary("mlx_exp", WR_OP_EXP, res, a, s);
}

int mlx_expm1(mlx_array *res, const mlx_array a, const mlx_stream s) {
  return unary("mlx_expm1", WR_OP_EXPM1, res, a, s);
}

int mlx_floor(mlx_array *res, const mlx_array a, const mlx_stream s) {
  return unary("mlx_floor", WR_OP_FLOOR, res, a, s);
}

int mlx_isfinite(mlx_array *res, const mlx_array a, const mlx_stream s) {
  return unary("mlx_isfinite", WR_OP_ISFINITE, res, a, s);
}

int mlx_isinf(mlx_array *res, const mlx_array a, const mlx_stream s) {
  return unary("mlx_isinf", WR_OP_ISINF, res, a, s);
}

int mlx_isnan(mlx_array *res, const mlx_array a, const mlx_stream s) {
  return unary("mlx_isnan", WR_OP_ISNAN, res, a, s);
}

int mlx_log(mlx_array *res, const mlx_array a, const mlx_stream s) {
  return unary("mlx_log", WR_OP_LOG, res, a, s);
}

int mlx_log1p(mlx_array *res, const mlx_array a, const mlx_stream s) {
  return unary("mlx_log1p", WR_OP_LOG1P, res, a, s);
}

int mlx_log2(mlx_array *res, const mlx_array a, const mlx_stream s) {
  return unary("mlx_log2", WR_OP_LOG2, res, a, s);
}

int mlx_logical_not(mlx_array *res, const mlx_array a, const mlx_stream s) {
  return unary("mlx_logical_not", WR_OP_LOGICAL_NOT, res, a, s);
}

int mlx_negative(mlx_array *res, const mlx_array a, const mlx_stream s) {
  return unary("mlx_negative", WR_OP_NEGATIVE, res, a, s);
}

int mlx_reciprocal(mlx_array *res, const mlx_array a, const mlx_stream s) {
  return unary("mlx_reciprocal", WR_OP_RECIPROCAL, res, a, s);
}

int mlx_rsqrt(mlx_array *res, const mlx_array a, const mlx_stream s) {
  return unary("mlx_rsqrt", WR_OP_RSQRT, res, a, s);
}

int mlx_sigmoid(mlx_array *res, const mlx_array a, const mlx_stream s) {
  return unary("mlx_sigmoid", WR_OP_SIGMOID, res, a, s);
}

int mlx_sign(mlx_array *res, const mlx_array a, const mlx_stream s) {
  return unary("mlx_sign", WR_OP_SIGN, res, a, s);
}

int mlx_sin(mlx_array *res, const mlx_array a, const mlx_stream s) {
  return unary("mlx_sin", WR_OP_SIN, res, a, s);
}

int mlx_sqrt(mlx_array *res, const mlx_array a, const mlx_stream s) {
  return unary("mlx_sqrt", WR_OP_SQRT, res, a, s);
}

int mlx_square(mlx_array *res, const mlx_array a, const mlx_stream s) {
  return unary("mlx_square", WR_OP_SQUARE, res, a, s);
}

int mlx_tan(mlx_array *res, const mlx_array a, const mlx_stream s) {
  return unary("mlx_tan", WR_OP_TAN, res, a, s);
}

int mlx_tanh(mlx_array *res, const mlx_array a, const mlx_stream s) {
  return unary("mlx_tanh", WR_OP_TANH, res, a, s);
}

int mlx_add(mlx_array *res, const mlx_array a, const mlx_array b, const mlx_stream s) {
  return binary("mlx_add", WR_OP_ADD, res, a, b, s);
}

int mlx_divide(mlx_array *res, const mlx_array a, const mlx_array b, const mlx_stream s) {
  return binary("mlx_divide", WR_OP_DIVIDE, res, a, b, s);
}

int mlx_equal(mlx_array *res, const mlx_array a, const mlx_array b, const mlx_stream s) {
  return binary("mlx_equal", WR_OP_EQUAL, res, a, b, s);
}

int mlx_greater(mlx_array *res, const mlx_array a, const mlx_array b, const mlx_stream s) {
  return binary("mlx_greater", WR_OP_GREATER, res, a, b, s);
}

int mlx_greater_equal(mlx_array *res, const mlx_array a, const mlx_array b, const mlx_stream s) {
  return binary("mlx_greater_equal", WR_OP_GREATER_EQUAL, res, a, b, s);
}

int mlx_less(mlx_array *res, const mlx_array a, const mlx_array b, const mlx_stream s) {
  return binary("mlx_less", WR_OP_LESS, res, a, b, s);
}

int mlx_less_equal(mlx_array *res, const mlx_array a, const mlx_array b, const mlx_stream s) {
  return binary("mlx_less_equal", WR_OP_LESS_EQUAL, res, a, b, s);
}

int mlx_logical_and(mlx_array *res, const mlx_array a, const mlx_array b, const mlx_stream s) {
  return binary("mlx_logical_and", WR_OP_LOGICAL_AND, res, a, b, s);
}

int mlx_logical_or(mlx_array *res, const mlx_array a, const mlx_array b, const mlx_stream s) {
  return binary("mlx_logical_or", WR_OP_LOGICAL_OR, res, a, b, s);
}

int mlx_maximum(mlx_array *res, const mlx_array a, const mlx_array b, const mlx_stream s) {
  return binary("mlx_maximum", WR_OP_MAXIMUM, res, a, b, s);
}

int mlx_minimum(mlx_array *res, const mlx_array a, const mlx_array b, const mlx_stream s) {
  return binary("mlx_minimum", WR_OP_MINIMUM, res, a, b, s);
}

int mlx_multiply(mlx_array *res, const mlx_array a, const mlx_array b, const mlx_stream s) {
  return binary("mlx_multiply", WR_OP_MULTIPLY, res, a, b, s);
}

int mlx_not_equal(mlx_array *res, const mlx_array a, const mlx_array b, const mlx_stream s) {
  return binary("mlx_not_equal", WR_OP_NOT_EQUAL, res, a, b, s);
}

int mlx_power(mlx_array *res, const mlx_array a, const mlx_array b, const mlx_stream s) {
  return binary("mlx_power", WR_OP_POWER, res, a, b, s);
}

int mlx_remainder(mlx_array *res, const mlx_array a, const mlx_array b, const mlx_stream s) {
  return binary("mlx_remainder", WR_OP_REMAINDER, res, a, b, s);
}

int mlx_subtract(mlx_array *res, const mlx_array a, const mlx_array b, const mlx_stream s) {
  return binary("mlx_subtract", WR_OP_SUBTRACT, res, a, b, s);
}

int mlx_round(mlx_array *res, const mlx_array a, int decimals, const mlx_stream s) {
  struct wr_error *error = NULL;
  struct wr_node *out = NULL;
  wr_api_result(res, "res", &error);
  struct wr_node *x = wr_api_array(a, "a", &error);
  struct wr_stream *stream = wr_api_stream(s, &error);
  if (!error) error = wr_ops_round(&out, x, decimals, stream);
  return wr_api_finish_array("mlx_round", error, res, out);
}

int mlx_where(mlx_array *res, const mlx_array condition, const mlx_array x, const mlx_array y,
              const mlx_stream s) {
  struct wr_error *error = NULL;
  struct wr_node *out = NULL;
  wr_api_result(res, "res", &error);
  struct wr_node *c = wr_api_array(condition, "condition", &error);
  struct wr_node *p = wr_api_array(x, "x", &error);
  struct wr_node *q = wr_api_array(y, "y", &error);
  struct wr_stream *stream = wr_api_stream(s, &error);
  if (!error) error = wr_ops_where(&out, c, p, q, stream);
  return wr_api_finish_array("mlx_where", error, res, out);
}

int mlx_clip(mlx_array *res, const mlx_array a, const mlx_array a_min, const mlx_array a_max,
             const mlx_stream s) {
  struct wr_error *error = NULL;
  struct wr_node *out = NULL;
  wr_api_result(res, "res", &error);
  struct wr_node *x = wr_api_array(a, "a", &error);
  struct wr_node *low = wr_api_array_or_none(a_min);
  struct wr_node *high = wr_api_array_or_none(a_max);
  struct wr_stream *stream = wr_api_stream(s, &error);
  if (!error) error = wr_ops_clip(&out, x, low, high, stream);
  return wr_api_finish_array("mlx_clip", error, res, out);
}

int mlx_isclose(mlx_array *res, const mlx_array a, const mlx_array b, double rtol, double atol,
                bool equal_nan, const mlx_stream s) {
  struct wr_error *error = NULL;
  struct wr_node *out = NULL;
  wr_api_result(res, "res", &error);
  struct wr_node *x = wr_api_array(a, "a", &error);
  struct wr_node *y = wr_api_array(b, "b", &error);
  struct wr_stream *stream = wr_api_stream(s, &error);
  if (!error) error = wr_ops_isclose(&out, x, y, rtol, atol, equal_nan, stream);
  return wr_api_finish_array("mlx_isclose", error, res, out);
}

int mlx_allclose(mlx_array *res, const mlx_array a, const mlx_array b, double rtol, double atol,
                 bool equal_nan, const mlx_stream s) {
  struct wr_error *error = NULL;
  struct wr_node *out = NULL;
  wr_api_result(res, "res", &error);
  struct wr_node *x = wr_api_array(a, "a", &error);
  struct wr_node *y = wr_api_array(b, "b", &error);
  struct wr_stream *stream = wr_api_stream(s, &error);
  if (!error) error = wr_ops_allclose(&out, x, y, rtol, atol, equal_nan, stream);
  return wr_api_finish_array("mlx_allclose", error, res, out);
}

int mlx_array_equal(mlx_array *res, const mlx_array a, const mlx_array b, bool equal_nan,
                    const mlx_stream s) {
  struct wr_error *error = NULL;
  struct wr_node *out = NULL;
  wr_api_result(res, "res", &error);
  struct wr_node *x = wr_api_array(a, "a", &error);
  struct wr_node *y = wr_api_array(b, "b", &error);
  struct wr_stream *stream = wr_api_stream(s, &error);
  if (!error) error = wr_ops_array_equal(&out, x, y, equal_nan, stream);
  return wr_api_finish_array("mlx_array_equal", error, res, out);
}
