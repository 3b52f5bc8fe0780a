/* The rows of float64 by AVX-512. This file is compiled for it (cmake/WeirFlags.cmake). No
   locks, no allocation. */

#define WR_LEVEL _avx512
#include "backend/cpu/loop/loop.h"

#if defined(__x86_64__)
#include "backend/cpu/rows_f64.inc"
#endif
