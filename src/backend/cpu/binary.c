/* Elementwise operations of two inputs: a row function per operation and dtype, from templates, and
   the table that finds it. Both inputs have one dtype. No locks, no allocation. */

#include "backend/cpu/kernels.h"
#include "backend/cpu/scalar.h"

/* By squaring, modulo 2^64: the low bits are right for every narrower type, signed or not. */
static uint64_t integer_power(uint64_t base, uint64_t exponent) {
  uint64_t result = 1;
  for (; exponent != 0; exponent >>= 1) {
    if (exponent & 1u) result *= base;
    base *= base;
  }
  return result;
}

#define EL b8
#include "backend/cpu/binary_int.h"
#define EL u8
#include "backend/cpu/binary_int.h"
#define EL u16
#include "backend/cpu/binary_int.h"
#define EL u32
#include "backend/cpu/binary_int.h"
#define EL u64
#include "backend/cpu/binary_int.h"
#define EL i8
#define SIGNED
#include "backend/cpu/binary_int.h"
#define EL i16
#define SIGNED
#include "backend/cpu/binary_int.h"
#define EL i32
#define SIGNED
#include "backend/cpu/binary_int.h"
#define EL i64
#define SIGNED
#include "backend/cpu/binary_int.h"
#define NEAR_REMAINDER
#define EL f16
#define CT f32
#include "backend/cpu/binary_rows.h"
#define EL f32
#define CT f32
#include "backend/cpu/binary_rows.h"
#define EL bf16
#define CT f32
#include "backend/cpu/binary_rows.h"
#undef NEAR_REMAINDER
#define EL f64
#define CT f64
#include "backend/cpu/binary_rows.h"
/* GCC 12 knows complex products as a pattern, and makes fused steps of it in some loops whatever
   -ffp-contract says: the sign of a 0 would depend on the strides. */
#define EL c64
#define CT c64
#define NO_REMAINDER
#define NO_WIDE_MULTIPLY
#include "backend/cpu/binary_rows.h"
#undef NO_REMAINDER
#undef NO_WIDE_MULTIPLY

/* The inputs of the two logical operations are bool by their dtype rule. */
static void b8_row_logical_and(const struct wr_row *r) {
  uint8_t *out = r->out;
  const uint8_t *a = r->in[0], *b = r->in[1];
  const int64_t n = r->n, s = r->stride[0], t = r->stride[1];
  for (int64_t i = 0; i < n; i++) out[i] = (a[i * s] != 0) & (b[i * t] != 0);
}

static void b8_row_logical_or(const struct wr_row *r) {
  uint8_t *out = r->out;
  const uint8_t *a = r->in[0], *b = r->in[1];
  const int64_t n = r->n, s = r->stride[0], t = r->stride[1];
  for (int64_t i = 0; i < n; i++) out[i] = (a[i * s] != 0) | (b[i * t] != 0);
}

static const wr_row_fn *const rows[WR_DTYPE_COUNT] = {
    [WR_BOOL] = b8_rows,       [WR_UINT8] = u8_rows,      [WR_UINT16] = u16_rows,
    [WR_UINT32] = u32_rows,    [WR_UINT64] = u64_rows,    [WR_INT8] = i8_rows,
    [WR_INT16] = i16_rows,     [WR_INT32] = i32_rows,     [WR_INT64] = i64_rows,
    [WR_FLOAT16] = f16_rows,   [WR_FLOAT32] = f32_rows,   [WR_FLOAT64] = f64_rows,
    [WR_BFLOAT16] = bf16_rows, [WR_COMPLEX64] = c64_rows,
};

wr_row_fn wr_cpu_binary_row(enum wr_op op, enum wr_dtype dtype) {
  if (op == WR_OP_LOGICAL_AND) return dtype == WR_BOOL ? b8_row_logical_and : NULL;
  if (op == WR_OP_LOGICAL_OR) return dtype == WR_BOOL ? b8_row_logical_or : NULL;
  return rows[dtype][op];
}

static struct wr_error *run(const struct wr_call *call, enum wr_op op) {
  return wr_cpu_elementwise(call, wr_cpu_binary_row(op, call->in[0].dtype));
}

struct wr_error *wr_cpu_add(const struct wr_call *call) {
  return run(call, WR_OP_ADD);
}
struct wr_error *wr_cpu_divide(const struct wr_call *call) {
  return run(call, WR_OP_DIVIDE);
}
struct wr_error *wr_cpu_equal(const struct wr_call *call) {
  return run(call, WR_OP_EQUAL);
}
struct wr_error *wr_cpu_equal_nan(const struct wr_call *call) {
  return run(call, WR_OP_EQUAL_NAN);
}
struct wr_error *wr_cpu_greater(const struct wr_call *call) {
  return run(call, WR_OP_GREATER);
}
struct wr_error *wr_cpu_greater_equal(const struct wr_call *call) {
  return run(call, WR_OP_GREATER_EQUAL);
}
struct wr_error *wr_cpu_less(const struct wr_call *call) {
  return run(call, WR_OP_LESS);
}
struct wr_error *wr_cpu_less_equal(const struct wr_call *call) {
  return run(call, WR_OP_LESS_EQUAL);
}
struct wr_error *wr_cpu_logical_and(const struct wr_call *call) {
  return run(call, WR_OP_LOGICAL_AND);
}
struct wr_error *wr_cpu_logical_or(const struct wr_call *call) {
  return run(call, WR_OP_LOGICAL_OR);
}
struct wr_error *wr_cpu_maximum(const struct wr_call *call) {
  return run(call, WR_OP_MAXIMUM);
}
struct wr_error *wr_cpu_minimum(const struct wr_call *call) {
  return run(call, WR_OP_MINIMUM);
}
struct wr_error *wr_cpu_multiply(const struct wr_call *call) {
  return run(call, WR_OP_MULTIPLY);
}
struct wr_error *wr_cpu_not_equal(const struct wr_call *call) {
  return run(call, WR_OP_NOT_EQUAL);
}
struct wr_error *wr_cpu_power(const struct wr_call *call) {
  return run(call, WR_OP_POWER);
}
struct wr_error *wr_cpu_remainder(const struct wr_call *call) {
  return run(call, WR_OP_REMAINDER);
}
struct wr_error *wr_cpu_subtract(const struct wr_call *call) {
  return run(call, WR_OP_SUBTRACT);
}
