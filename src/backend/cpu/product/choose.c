/* Which kernels: those of the best instructions that the processor has. Asking it takes a load or
   two, so nothing is kept. */

#include "backend/cpu/product/inside.h"

const struct wr_gemm_kernels *wr_gemm_kernels_of(enum wr_dtype dtype) {
  const bool single = dtype == WR_FLOAT32;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
    return single ? &wr_gemm_f32_avx512 : &wr_gemm_f64_avx512;
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    return single ? &wr_gemm_f32_avx2 : &wr_gemm_f64_avx2;
  }
#endif
  return single ? &wr_gemm_f32 : &wr_gemm_f64;
}
