/* The steps of lanes.h by AVX2 with fused multiply-add. This file is compiled for these
   (cmake/WeirFlags.cmake). */

#include "backend/cpu/elementwise_sets.h"
#include "backend/cpu/lanes_set.h"
#include "backend/cpu/scalar/scalar.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define BYTES 32
#define PAST(to, v) _mm256_stream_si256((__m256i *)(void *)(to), (__m256i)(v))

#define NEAR_EXP
#define BRIEF
#define EL f32
#define SET wr_lanes_f32_avx2
#include "backend/cpu/lanes_steps.inc"

#define EL f64
#define SET wr_lanes_f64_avx2
#include "backend/cpu/lanes_steps.inc"
#endif
