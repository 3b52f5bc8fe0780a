/* Products by AVX-512: 32 registers, 24 of them for sums. This file alone is compiled for it
   (cmake/WeirFlags.cmake). */

#include "backend/cpu/loop/loop.h"
#include "backend/cpu/product/inner.h"
#include "core/half.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define BYTES 64
#define ROWS 12
#define INSTRUCTIONS "AVX-512"

#define EL float
#define NAME(x) f32_##x
#define HALVES
#define LOAD_BF16(from) \
  _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(from))), 16)
#define LOAD_F16(from) _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(from)))
#define LANES_16
#define LOAD_SOME(from, n) _mm512_maskz_loadu_ps((__mmask16)((1u << (n)) - 1), from)
#define KERNELS wr_gemm_f32_avx512
#include "backend/cpu/product/kernel.inc"

#define EL double
#define NAME(x) f64_##x
#define KERNELS wr_gemm_f64_avx512
#include "backend/cpu/product/kernel.inc"
#endif
