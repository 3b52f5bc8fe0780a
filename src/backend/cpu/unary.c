/* Elementwise operations of one input: a row function per operation and dtype, from templates, and
   the table that finds it. No locks, no allocation. */

#include "backend/cpu/kernels.h"
#include "backend/cpu/scalar.h"

/* Predicates whose answer does not depend on the value: every integer is finite. */
static void integer_is(const struct wr_row *r) { memset(r->out, 1, (size_t)r->n); }
static void integer_is_not(const struct wr_row *r) { memset(r->out, 0, (size_t)r->n); }

#define EL b8
#include "backend/cpu/unary_int.h"
#define EL u8
#include "backend/cpu/unary_int.h"
#define EL u16
#include "backend/cpu/unary_int.h"
#define EL u32
#include "backend/cpu/unary_int.h"
#define EL u64
#include "backend/cpu/unary_int.h"
#define EL i8
#define SIGNED
#include "backend/cpu/unary_int.h"
#define EL i16
#define SIGNED
#include "backend/cpu/unary_int.h"
#define EL i32
#define SIGNED
#include "backend/cpu/unary_int.h"
#define EL i64
#define SIGNED
#include "backend/cpu/unary_int.h"
#define EL f16
#define CT f32
#include "backend/cpu/unary_float.h"
#define EL f32
#define CT f32
#include "backend/cpu/unary_float.h"
#define EL f64
#define CT f64
#include "backend/cpu/unary_float.h"
#define EL bf16
#define CT f32
#include "backend/cpu/unary_complex.h"
#include "backend/cpu/unary_float.h"

/* Its inputs are bool by the operation's dtype rule. */
static void b8_row_logical_not(const struct wr_row *r) {
  uint8_t *out = r->out;
  const uint8_t *in = r->in[0];
  const int64_t n = r->n, s = r->stride[0];
  for (int64_t i = 0; i < n; i++) out[i] = in[i * s] == 0;
}

static const wr_row_fn *const rows[WR_DTYPE_COUNT] = {
    [WR_BOOL] = b8_rows,       [WR_UINT8] = u8_rows,      [WR_UINT16] = u16_rows,
    [WR_UINT32] = u32_rows,    [WR_UINT64] = u64_rows,    [WR_INT8] = i8_rows,
    [WR_INT16] = i16_rows,     [WR_INT32] = i32_rows,     [WR_INT64] = i64_rows,
    [WR_FLOAT16] = f16_rows,   [WR_FLOAT32] = f32_rows,   [WR_FLOAT64] = f64_rows,
    [WR_BFLOAT16] = bf16_rows, [WR_COMPLEX64] = c64_rows,
};

wr_row_fn wr_cpu_unary_row(enum wr_op op, enum wr_dtype dtype) {
  if (op == WR_OP_LOGICAL_NOT) return dtype == WR_BOOL ? b8_row_logical_not : NULL;
  return rows[dtype][op];
}

static struct wr_error *run(const struct wr_call *call, enum wr_op op) {
  return wr_cpu_elementwise(call, wr_cpu_unary_row(op, call->in[0].dtype));
}

struct wr_error *wr_cpu_abs(const struct wr_call *call) {
  return run(call, WR_OP_ABS);
}
struct wr_error *wr_cpu_ceil(const struct wr_call *call) {
  return run(call, WR_OP_CEIL);
}
struct wr_error *wr_cpu_cos(const struct wr_call *call) {
  return run(call, WR_OP_COS);
}
struct wr_error *wr_cpu_erf(const struct wr_call *call) {
  return run(call, WR_OP_ERF);
}
struct wr_error *wr_cpu_erfinv(const struct wr_call *call) {
  return run(call, WR_OP_ERFINV);
}
struct wr_error *wr_cpu_exp(const struct wr_call *call) {
  return run(call, WR_OP_EXP);
}
struct wr_error *wr_cpu_expm1(const struct wr_call *call) {
  return run(call, WR_OP_EXPM1);
}
struct wr_error *wr_cpu_floor(const struct wr_call *call) {
  return run(call, WR_OP_FLOOR);
}
struct wr_error *wr_cpu_isfinite(const struct wr_call *call) {
  return run(call, WR_OP_ISFINITE);
}
struct wr_error *wr_cpu_isinf(const struct wr_call *call) {
  return run(call, WR_OP_ISINF);
}
struct wr_error *wr_cpu_isnan(const struct wr_call *call) {
  return run(call, WR_OP_ISNAN);
}
struct wr_error *wr_cpu_log(const struct wr_call *call) {
  return run(call, WR_OP_LOG);
}
struct wr_error *wr_cpu_log1p(const struct wr_call *call) {
  return run(call, WR_OP_LOG1P);
}
struct wr_error *wr_cpu_log2(const struct wr_call *call) {
  return run(call, WR_OP_LOG2);
}
struct wr_error *wr_cpu_logical_not(const struct wr_call *call) {
  return run(call, WR_OP_LOGICAL_NOT);
}
struct wr_error *wr_cpu_negative(const struct wr_call *call) {
  return run(call, WR_OP_NEGATIVE);
}
struct wr_error *wr_cpu_reciprocal(const struct wr_call *call) {
  return run(call, WR_OP_RECIPROCAL);
}
struct wr_error *wr_cpu_round(const struct wr_call *call) {
  return run(call, WR_OP_ROUND);
}
struct wr_error *wr_cpu_rsqrt(const struct wr_call *call) {
  return run(call, WR_OP_RSQRT);
}
struct wr_error *wr_cpu_sigmoid(const struct wr_call *call) {
  return run(call, WR_OP_SIGMOID);
}
struct wr_error *wr_cpu_sign(const struct wr_call *call) {
  return run(call, WR_OP_SIGN);
}
struct wr_error *wr_cpu_sin(const struct wr_call *call) {
  return run(call, WR_OP_SIN);
}
struct wr_error *wr_cpu_sqrt(const struct wr_call *call) {
  return run(call, WR_OP_SQRT);
}
struct wr_error *wr_cpu_square(const struct wr_call *call) {
  return run(call, WR_OP_SQUARE);
}
struct wr_error *wr_cpu_tan(const struct wr_call *call) {
  return run(call, WR_OP_TAN);
}
struct wr_error *wr_cpu_tanh(const struct wr_call *call) {
  return run(call, WR_OP_TANH);
}
