/* The bound of LAPACK's counts in 32 bits: eigenvectors of more rows are refused before anything is
   read or allocated, in words that name the bound. */

#include <string.h>

#include "backend/cpu/kernels.h"
#include "core/error.h"
#include "kernel_case.h"

/* Of a matrix with one element in memory; the results are not there. */
static void refuse(enum wr_dtype t) {
  const struct wr_eigh_params params = {.vectors = true};
  const int32_t shape[2] = {32767, 32767};
  const int64_t strides[2] = {0, 0};
  const double zero[2] = {0, 0};
  struct kernel_operand in;
  operand_strided(&in, (void *)zero, t, 2, shape, strides);
  const struct wr_call call = {.op = WR_OP_EIGH, .n_in = 1, .in = &in.t, .params = &params};
  struct wr_error *error = wr_cpu_eigh(&call);
  EXPECT(error != NULL);
  if (!error) return;
  EXPECT(strstr(wr_error_message(error), "shape (32767,32767)"));
  EXPECT(strstr(wr_error_message(error), "at most 32766 rows"));
  wr_error_release(error);
}

int main(void) {
  refuse(WR_FLOAT32);
  refuse(WR_FLOAT64);
  refuse(WR_COMPLEX64);
  return kernel_case_failures() != 0;
}
