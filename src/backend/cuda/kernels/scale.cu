/* x = factor x, in place: what is left of a matrix product without terms. */

#include "types.cuh"

INLINE c64 scaled(c64 x, float factor) { return make_c64(x.re * factor, x.im * factor); }
INLINE float scaled(float x, float factor) { return x * factor; }
INLINE double scaled(double x, float factor) { return x * (double)factor; }

extern "C" __global__ void scale(WR_A *x, index_t n, float factor) {
  for (index_t i = thread_index(); i < n; i += thread_count()) {
    x[i] = store_as<WR_A>::of(scaled(load<WR_A>(x[i]), factor));
  }
}
