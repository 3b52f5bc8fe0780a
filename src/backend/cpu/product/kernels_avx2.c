/* Products by AVX2, FMA and F16C, which all processors with AVX2 have: 16 registers, 12 of them for
   sums. This file alone is compiled for them (cmake/WeirFlags.cmake). */

#include "backend/cpu/loop/loop.h"
#include "backend/cpu/product/inner.h"
#include "core/half.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define BYTES 32
#define ROWS 6
#define INSTRUCTIONS "AVX2"

#define EL float
#define NAME(x) f32_##x
#define HALVES
#define LOAD_BF16(from) \
  _mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(from))), 16)
#define LOAD_F16(from) _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(from)))
#define KERNELS wr_gemm_f32_avx2
#include "backend/cpu/product/kernel.inc"

#define EL double
#define NAME(x) f64_##x
#define KERNELS wr_gemm_f64_avx2
#include "backend/cpu/product/kernel.inc"
#endif
