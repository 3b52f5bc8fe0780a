/* Elementwise operations of one and of two inputs, which have one dtype: the tables that find the
   row function of an operation and a dtype. No locks, no allocation. */

#include "backend/cpu/elementwise_tables.h"

static const wr_row_fn *const unary[WR_DTYPE_COUNT] = {
#define WR_EL(ID, el) [ID] = wr_cpu_unary_##el,
#include "backend/cpu/types.def"
#undef WR_EL
};

static const wr_row_fn *const binary[WR_DTYPE_COUNT] = {
#define WR_EL(ID, el) [ID] = wr_cpu_binary_##el,
#include "backend/cpu/types.def"
#undef WR_EL
};

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
