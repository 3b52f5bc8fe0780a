/* Elementwise operations of one input: a row function per operation and dtype, from templates, and
   the table that finds it. No locks, no allocation. */

#include "backend/cpu/kernels.h"
#include "backend/cpu/scalar/scalar.h"

#define EL b8
#define BOOLEAN
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

static const wr_row_fn *const rows[WR_DTYPE_COUNT] = {
    [WR_BOOL] = b8_rows,       [WR_UINT8] = u8_rows,      [WR_UINT16] = u16_rows,
    [WR_UINT32] = u32_rows,    [WR_UINT64] = u64_rows,    [WR_INT8] = i8_rows,
    [WR_INT16] = i16_rows,     [WR_INT32] = i32_rows,     [WR_INT64] = i64_rows,
    [WR_FLOAT16] = f16_rows,   [WR_FLOAT32] = f32_rows,   [WR_FLOAT64] = f64_rows,
    [WR_BFLOAT16] = bf16_rows, [WR_COMPLEX64] = c64_rows,
};

wr_row_fn wr_cpu_unary_row(enum wr_op op, enum wr_dtype dtype) { return rows[dtype][op]; }

struct wr_error *wr_cpu_unary(const struct wr_call *call) {
  return wr_cpu_elementwise(call, wr_cpu_unary_row(call->op, call->in[0].dtype));
}
