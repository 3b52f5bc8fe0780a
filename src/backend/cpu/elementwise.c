/* Elementwise operations of one and of two inputs, which have one dtype: the tables that find the
   row function of an operation and a dtype, at the level of the processor. No locks, no allocation.
 */

#include "backend/cpu/elementwise_tables.h"

struct tables {
  const wr_row_fn *unary, *binary;
};

/* Of floats there is a table for each level, of other types one for all. */
#define SAME(el) \
  { wr_cpu_unary_##el, wr_cpu_binary_##el }
#if defined(__x86_64__)
#define EACH(el)                                                          \
  {                                                                       \
    [WR_LEVEL_BASE] = SAME(el##_base), [WR_LEVEL_AVX2] = SAME(el##_avx2), \
    [WR_LEVEL_AVX512] = SAME(el##_avx512)                                 \
  }
#else
#define EACH(el) \
  { [WR_LEVEL_BASE] = SAME(el##_base) }
#endif
#define OF_boolean(el) \
  { SAME(el), SAME(el), SAME(el) }
#define OF_integer OF_boolean
#define OF_complex64 OF_boolean
#define OF_floating(el) EACH(el)

static const struct tables tables[WR_DTYPE_COUNT][WR_LEVELS] = {
#define WR_EL(ID, el) [ID] = WR_PASTE(OF_, WR_CLASS_##el)(el),
#include "backend/cpu/types.def"
#undef WR_EL
};

wr_row_fn wr_cpu_unary_row_of(enum wr_level level, enum wr_op op, enum wr_dtype dtype) {
  return tables[dtype][level].unary[op];
}
wr_row_fn wr_cpu_binary_row_of(enum wr_level level, enum wr_op op, enum wr_dtype dtype) {
  return tables[dtype][level].binary[op];
}

wr_row_fn wr_cpu_unary_row(enum wr_op op, enum wr_dtype dtype) {
  return wr_cpu_unary_row_of(wr_level(), op, dtype);
}
wr_row_fn wr_cpu_binary_row(enum wr_op op, enum wr_dtype dtype) {
  return wr_cpu_binary_row_of(wr_level(), op, dtype);
}

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
