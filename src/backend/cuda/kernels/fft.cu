/* What is done around cuFFT's transforms, which have no factor, and read half a spectrum in whatever
   way is fast when it is none of a real line. */

#include "types.cuh"

/* n floats times a factor, in place. */
extern "C" __global__ void scale(float *x, i64 n, double factor) {
  for (i64 i = thread_index(); i < n; i += thread_count()) x[i] *= (float)factor;
}

/* Of each of the lines of half a spectrum, m elements long and dense, the first element becomes
   real, and the last where `last` says. */
extern "C" __global__ void real_ends(c64 *x, i64 lines, i64 m, i64 last) {
  for (i64 i = thread_index(); i < lines; i += thread_count()) {
    x[i * m].im = 0.0f;
    if (last) x[i * m + m - 1].im = 0.0f;
  }
}
