#ifndef WR_BACKEND_CPU_LOOP_LEVEL_H
#define WR_BACKEND_CPU_LOOP_LEVEL_H

/* Sets of instructions for which there are files of their own, <name>_<level>.c, each compiled for
   its set alone (cmake/WeirFlags.cmake): the rows of floats, the steps of groups, the inner loops
   of products. All of them ask here, so that one process computes an element alike, whichever of
   them it goes by. Other architectures have the base alone, with all that it has. */

enum wr_level {
  WR_LEVEL_BASE,
  WR_LEVEL_AVX2,   /* with fused multiply-add, which all processors with AVX2 have */
  WR_LEVEL_AVX512, /* with the parts BW, DQ and VL */
  WR_LEVELS
};

/* The best that the processor has. Asking it takes a load or two, so nothing is kept. */
static inline enum wr_level wr_level(void) {
#if defined(__x86_64__)
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return WR_LEVEL_BASE;
  const int wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                   __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  return wide ? WR_LEVEL_AVX512 : WR_LEVEL_AVX2;
#else
  return WR_LEVEL_BASE;
#endif
}

#endif
