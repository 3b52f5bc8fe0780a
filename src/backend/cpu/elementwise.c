/* Elementwise operations of one and of two inputs, which have one dtype: the tables that find the
   row function of an operation and a dtype. No locks, no allocation. */

#include "backend/cpu/elementwise_tables.h"

#define BY_DTYPE(family)                                                            \
  {                                                                                 \
    [WR_BOOL] = wr_cpu_##family##_b8, [WR_UINT8] = wr_cpu_##family##_u8,            \
    [WR_UINT16] = wr_cpu_##family##_u16, [WR_UINT32] = wr_cpu_##family##_u32,       \
    [WR_UINT64] = wr_cpu_##family##_u64, [WR_INT8] = wr_cpu_##family##_i8,          \
    [WR_INT16] = wr_cpu_##family##_i16, [WR_INT32] = wr_cpu_##family##_i32,         \
    [WR_INT64] = wr_cpu_##family##_i64, [WR_FLOAT16] = wr_cpu_##family##_f16,       \
    [WR_FLOAT32] = wr_cpu_##family##_f32, [WR_FLOAT64] = wr_cpu_##family##_f64,     \
    [WR_BFLOAT16] = wr_cpu_##family##_bf16, [WR_COMPLEX64] = wr_cpu_##family##_c64, \
  }

static const wr_row_fn *const unary[WR_DTYPE_COUNT] = BY_DTYPE(unary);
static const wr_row_fn *const binary[WR_DTYPE_COUNT] = BY_DTYPE(binary);

wr_row_fn wr_cpu_unary_row(enum wr_op op, enum wr_dtype dtype) { return unary[dtype][op]; }
wr_row_fn wr_cpu_binary_row(enum wr_op op, enum wr_dtype dtype) { return binary[dtype][op]; }

static struct wr_error *run_rows(const struct wr_call *call, wr_row_fn row) {
  if (!row) {
    return wr_error_new(WEIR_ERROR_UNSUPPORTED, "%s has no CPU kernel for %s",
                        wr_op_info(call->op)->name, wr_dtype_name(call->in[0].dtype));
  }
  wr_loop_run(call, row);
  return NULL;
}

struct wr_error *wr_cpu_unary(const struct wr_call *call) {
  return run_rows(call, wr_cpu_unary_row(call->op, call->in[0].dtype));
}

struct wr_error *wr_cpu_binary(const struct wr_call *call) {
  return run_rows(call, wr_cpu_binary_row(call->op, call->in[0].dtype));
}
