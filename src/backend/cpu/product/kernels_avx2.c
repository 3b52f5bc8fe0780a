/* Products by AVX2 and FMA: 16 registers, 12 of them for sums. This file alone is compiled for them
   (cmake/WeirFlags.cmake). */

#include "backend/cpu/loop/loop.h"
#include "backend/cpu/product/inner.h"

#if defined(__x86_64__)
#define BYTES 32
#define ROWS 6
#define INSTRUCTIONS "AVX2"

#define EL float
#define NAME(x) f32_##x
#define KERNELS wr_gemm_f32_avx2
#include "backend/cpu/product/kernel.inc"

#define EL double
#define NAME(x) f64_##x
#define KERNELS wr_gemm_f64_avx2
#include "backend/cpu/product/kernel.inc"
#endif
