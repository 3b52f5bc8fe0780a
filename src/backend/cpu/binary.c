/* Elementwise operations of two inputs: a row function per operation and dtype, from templates, and
   the table that finds it. Both inputs have one dtype. No locks, no allocation. */

#include "backend/cpu/kernels.h"
#include "backend/cpu/scalar/scalar.h"

/* By squaring, modulo 2^64: the low bits are right for every narrower type, signed or not. */
static uint64_t integer_power(uint64_t base, uint64_t exponent) {
  uint64_t result = 1;
  for (; exponent != 0; exponent >>= 1) {
    if (exponent & 1u) result *= base;
    base *= base;
  }
  return result;
}

#define TAKES_any(...) __VA_ARGS__
#define TAKES_boolean(...) __VA_ARGS__
#define TAKES_integer(...)
#define TAKES_floating(...)
#define TAKES_inexact(...)
#define TAKES_number(...)
#define TAKES_real(...) __VA_ARGS__
#define TAKES_whole(...) __VA_ARGS__
#define EL b8
#include "backend/cpu/binary_int.h"
#undef TAKES_boolean
#undef TAKES_integer
#undef TAKES_number
#define TAKES_boolean(...)
#define TAKES_integer(...) __VA_ARGS__
#define TAKES_number(...) __VA_ARGS__
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
#undef TAKES_floating
#undef TAKES_inexact
#undef TAKES_integer
#undef TAKES_whole
#define TAKES_integer(...)
#define TAKES_whole(...)
#define TAKES_floating(...) __VA_ARGS__
#define TAKES_inexact(...) __VA_ARGS__
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
#undef TAKES_floating
#undef TAKES_real
#define TAKES_floating(...)
#define TAKES_real(...)
#define EL c64
#define CT c64
#define NO_WIDE_PRODUCT
#include "backend/cpu/binary_rows.h"

static const wr_row_fn *const rows[WR_DTYPE_COUNT] = {
    [WR_BOOL] = b8_rows,       [WR_UINT8] = u8_rows,      [WR_UINT16] = u16_rows,
    [WR_UINT32] = u32_rows,    [WR_UINT64] = u64_rows,    [WR_INT8] = i8_rows,
    [WR_INT16] = i16_rows,     [WR_INT32] = i32_rows,     [WR_INT64] = i64_rows,
    [WR_FLOAT16] = f16_rows,   [WR_FLOAT32] = f32_rows,   [WR_FLOAT64] = f64_rows,
    [WR_BFLOAT16] = bf16_rows, [WR_COMPLEX64] = c64_rows,
};

wr_row_fn wr_cpu_binary_row(enum wr_op op, enum wr_dtype dtype) { return rows[dtype][op]; }

struct wr_error *wr_cpu_binary(const struct wr_call *call) {
  return wr_cpu_elementwise(call, wr_cpu_binary_row(call->op, call->in[0].dtype));
}
