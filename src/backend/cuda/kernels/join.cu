/* Arrays side by side in rows of a result, by a kernel for all of them: so each row is written once,
   from its one end to the other. By the size of elements, WR_A, or by packs of 16 bytes. */

#include "types.cuh"

enum { PIECES = 8 };

/* Elements of more bytes, read and written, than caches hold leave alone what those have. */
enum { STREAMED_BYTES = 100 << 20 };

struct piece {
  const void *from;
  i64 step; /* between its rows */
  i64 end;  /* of the joined row: where the next piece begins */
};

struct pieces {
  piece each[PIECES];
  i64 count;
  i64 width; /* of the joined row */
  i64 step;  /* between the result's rows */
};

/* A thread reads AHEAD elements before it writes any. */
template <int AHEAD, class E>
INLINE void join(E *out, index_t n, const pieces &p) {
  const index_t width = (index_t)p.width, block = AHEAD * blockDim.x;
  const bool streams = (i64)n >= STREAMED_BYTES / (i64)(2 * sizeof(E));
  for (index_t first = blockIdx.x * block; first < n; first += gridDim.x * block) {
    E x[AHEAD];
    i64 to[AHEAD];
#pragma unroll
    for (int u = 0; u < AHEAD; u++) {
      const index_t i = first + u * blockDim.x + threadIdx.x;
      if (i >= n) continue;
      const index_t row = i / width;
      const i64 j = (i64)(i - row * width);
      i64 begin = 0;
      int k = 0;
      while (j >= p.each[k].end) begin = p.each[k++].end;
      const E *from = (const E *)p.each[k].from + (i64)row * p.each[k].step + (j - begin);
      x[u] = streams ? __ldcs(from) : *from;
      to[u] = (i64)row * p.step + j;
    }
#pragma unroll
    for (int u = 0; u < AHEAD; u++) {
      if (first + u * blockDim.x + threadIdx.x >= n) continue;
      if (streams) {
        __stcs(out + to[u], x[u]);
      } else {
        out[to[u]] = x[u];
      }
    }
  }
}

extern "C" __global__ void __launch_bounds__(256)
    elements(WR_A *out, index_t n, const __grid_constant__ pieces p) {
  join<4>(out, n, p);
}
extern "C" __global__ void __launch_bounds__(256)
    packs(uint4 *out, index_t n, const __grid_constant__ pieces p) {
  join<2>(out, n, p);
}
