/* out[i] = start + i step in double, cast to WR_A. */

#include "types.cuh"
#include "cast.cuh"

extern "C" __global__ void arange(WR_A *out, index_t n, double start, double step) {
  for (index_t i = thread_index(); i < n; i += thread_count()) {
    out[i] = cast_to<WR_A>::of(start + (double)i * step);
  }
}
