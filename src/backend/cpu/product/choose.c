/* Which kernels: those of the best instructions that the processor has. */

#include "backend/cpu/loop/loop.h"
#include "backend/cpu/product/inside.h"

const struct wr_gemm_kernels *wr_gemm_kernels_of(enum wr_dtype dtype) {
  const bool single = dtype == WR_FLOAT32;
#if defined(__x86_64__)
  const enum wr_level level = wr_level();
  if (level == WR_LEVEL_AVX512) return single ? &wr_gemm_f32_avx512 : &wr_gemm_f64_avx512;
  if (level == WR_LEVEL_AVX2) return single ? &wr_gemm_f32_avx2 : &wr_gemm_f64_avx2;
#endif
  return single ? &wr_gemm_f32 : &wr_gemm_f64;
}
