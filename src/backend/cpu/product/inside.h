#ifndef WR_BACKEND_CPU_PRODUCT_INSIDE_H
#define WR_BACKEND_CPU_PRODUCT_INSIDE_H

/* What the files of this room have in common. */

#include "backend/cpu/product/inner.h"
#include "backend/cpu/product/product.h"

/* The best that the processor runs, of float32 or float64. */
const struct wr_gemm_kernels *wr_gemm_kernels_of(enum wr_dtype dtype);

/* wr_gemm_run or, unless alone, wr_gemm_spread by these kernels. */
struct wr_error *wr_gemm_run_with(const struct wr_gemm *g, const struct wr_gemm_kernels *with,
                                  bool alone);
/* The same, and never by stretches of k. */
struct wr_error *wr_gemm_run_whole(const struct wr_gemm *g, const struct wr_gemm_kernels *with,
                                   bool alone);

/* c = beta d. */
void wr_gemm_scale(const struct wr_gemm *g);

/* Whether the result is small and the sums are long. What comes out is then put together of
   stretches of k. */
bool wr_gemm_is_deep(const struct wr_gemm *g);
struct wr_error *wr_gemm_deep(const struct wr_gemm *g, const struct wr_gemm_kernels *with,
                              bool alone);

/* Whether a or b has so few rows or columns that the other is read once, where it lies. */
bool wr_gemm_is_few(const struct wr_gemm *g);
struct wr_error *wr_gemm_few(const struct wr_gemm *g, const struct wr_gemm_kernels *with,
                             bool alone);

#endif
