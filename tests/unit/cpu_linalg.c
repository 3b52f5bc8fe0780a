/* The bounds of LAPACK's counts in 32 bits: eigenvectors and singular vectors of larger matrices
   are refused before anything is read or allocated, in words that say why. */

#include <string.h>

#include "backend/cpu/kernels.h"
#include "core/error.h"
#include "kernel_case.h"

/* Of a matrix with one element in memory; the results are not there. */
static void refuse(enum wr_op op, enum wr_dtype t, int32_t rows, int32_t columns,
                   struct wr_error *(*kernel)(const struct wr_call *call), const void *params,
                   const char *why) {
  const int32_t shape[2] = {rows, columns};
  const int64_t strides[2] = {0, 0};
  double zero[2] = {0, 0};
  char text[64];
  struct kernel_operand in;
  operand_strided(&in, zero, t, 2, shape, strides);
  const struct wr_call call = {.op = op, .n_in = 1, .in = &in.t, .params = params};
  struct wr_error *error = kernel(&call);
  EXPECT(error != NULL);
  if (!error) return;
  snprintf(text, sizeof text, "shape (%d,%d)", rows, columns);
  EXPECT(strstr(wr_error_message(error), text));
  EXPECT(strstr(wr_error_message(error), why));
  wr_error_release(error);
}

static void refuse_all(enum wr_dtype t) {
  const struct wr_eigh_params eigh = {.vectors = true};
  const struct wr_vectors_params svd = {.vectors = true};
  refuse(WR_OP_EIGH, t, 32767, 32767, wr_cpu_eigh, &eigh, "at most 32766 rows");
  refuse(WR_OP_SVD, t, 26755, 26755, wr_cpu_svd, &svd, "singular vectors");
  refuse(WR_OP_SVD, t, 26755, 90000, wr_cpu_svd, &svd, "singular vectors");
  if (t == WR_COMPLEX64) return;
  refuse(WR_OP_SVD, t, 23170, 42478, wr_cpu_svd, &svd, "singular vectors");
}

int main(void) {
  refuse_all(WR_FLOAT32);
  refuse_all(WR_FLOAT64);
  refuse_all(WR_COMPLEX64);
  return kernel_case_failures() != 0;
}
