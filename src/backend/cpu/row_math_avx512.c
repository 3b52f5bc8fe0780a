/* Steps over one dense row of float32 by AVX-512, for which this file is
   compiled (cmake/WeirFlags.cmake). */

#define WR_LEVEL _avx512
#include "backend/cpu/loop/loop.h"

#if defined(__x86_64__)
#include "backend/cpu/row_math.inc"
#endif
