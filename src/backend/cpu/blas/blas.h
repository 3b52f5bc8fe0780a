#ifndef WR_BACKEND_CPU_BLAS_BLAS_H
#define WR_BACKEND_CPU_BLAS_BLAS_H

/* Products of matrices by OpenBLAS, in slices that the end of the process can wait for. */

#include <stdbool.h>
#include <stdint.h>

#include "core/dtype.h"
#include "core/error.h"

/* c = alpha op(a) op(b) + beta c. op(a) is m x k, op(b) k x n, c m x n, all row-major; op
   transposes where the flag says. With beta 0, c is not read. */
struct wr_gemm {
  enum wr_dtype dtype; /* WR_FLOAT32, WR_FLOAT64 or WR_COMPLEX64 */
  bool a_transposed;
  bool b_transposed;
  int64_t m, n, k;
  const void *a, *b;
  int64_t lda, ldb, ldc;
  void *c;
  float alpha, beta;
};

/* Runs a product that takes a few milliseconds at most, on the calling thread alone. An error when
   there is no OpenBLAS, or when the process is ending (base/gate.h). */
struct wr_error *wr_cpu_gemm(const struct wr_gemm *g);

#endif
