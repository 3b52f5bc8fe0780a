/* Products by what every processor of the architecture has: NEON, with 32 registers, SSE2 with 16,
   or whatever the compiler makes of vectors of 16 bytes. */

#include "backend/cpu/loop/loop.h"
#include "backend/cpu/product/inner.h"
#include "core/half.h"

#define BYTES 16
#if defined(__aarch64__)
#define ROWS 12
#define INSTRUCTIONS "NEON"
#else
#define ROWS 6
#define INSTRUCTIONS "vectors of 16 bytes"
#endif

#define EL float
#define NAME(x) f32_##x
#define HALVES
#define KERNELS wr_gemm_f32
#include "backend/cpu/product/kernel.inc"

#define EL double
#define NAME(x) f64_##x
#define KERNELS wr_gemm_f64
#include "backend/cpu/product/kernel.inc"
