/* weir_*: how precisely GPUs multiply. No locks. */

#include "weir/matmul.h"

#include "api/api.h"
#include "ops/ops.h"

_Static_assert((int)WEIR_MATMUL_FLOAT32 == (int)WR_PRECISION_FLOAT32 &&
                   (int)WEIR_MATMUL_TF32 == (int)WR_PRECISION_TF32 &&
                   (int)WEIR_MATMUL_TF32X3 == (int)WR_PRECISION_TF32X3,
               "weir_matmul_precision and wr_precision have the same values");

int weir_set_matmul_precision(weir_matmul_precision precision) {
  struct wr_error *error = NULL;
  if ((int)precision < (int)WEIR_MATMUL_FLOAT32 || (int)precision > (int)WEIR_MATMUL_TF32X3) {
    wr_api_reject(&error, "precision", "%d is no precision", (int)precision);
  }
  if (!error) wr_ops_set_precision((enum wr_precision)precision);
  return wr_api_return(__func__, error);
}

weir_matmul_precision weir_get_matmul_precision(void) {
  return (weir_matmul_precision)wr_ops_precision();
}
