/* The steps of lanes.h by what every processor of the architecture has: SSE2, NEON, or whatever the
   compiler makes of vectors of 16 bytes. */

#include "backend/cpu/elementwise_sets.h"
#include "backend/cpu/lanes_set.h"
#include "backend/cpu/scalar/scalar.h"

#define BYTES 16
#if defined(__x86_64__)
#include <immintrin.h>
#define PAST(to, v) _mm_stream_si128((__m128i *)(void *)(to), (__m128i)(v))
#endif

#define NEAR_EXP
#define BRIEF
#define EL f32
#define SET wr_lanes_f32
#include "backend/cpu/lanes_steps.inc"

#define EL f64
#define SET wr_lanes_f64
#include "backend/cpu/lanes_steps.inc"
