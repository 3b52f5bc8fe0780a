/* What the elementwise kernels share. No locks. */

#include "backend/cpu/kernels.h"

struct wr_error *wr_cpu_elementwise(const struct wr_call *call, wr_row_fn row) {
  if (!row) {
    return wr_error_new(WEIR_ERROR_UNSUPPORTED, "%s has no CPU kernel for %s",
                        wr_op_info(call->op)->name, wr_dtype_name(call->in[0].dtype));
  }
  wr_loop_run(call, row);
  return NULL;
}
