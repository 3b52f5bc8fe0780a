/* The steps of lanes.h by AVX-512: 32 registers. This file is compiled for it
   (cmake/WeirFlags.cmake). */

#include "backend/cpu/elementwise_sets.h"
#include "backend/cpu/lanes_set.h"
#include "backend/cpu/scalar/scalar.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define BYTES 64
#define PAST(to, v) _mm512_stream_si512((void *)(to), (__m512i)(v))

#define NEAR_EXP
#define BRIEF
#define EL f32
#define SET wr_lanes_f32_avx512
#include "backend/cpu/lanes_steps.inc"

#define EL f64
#define SET wr_lanes_f64_avx512
#include "backend/cpu/lanes_steps.inc"
#endif
