/* What the kernels of attention of 16-bit floats share: two elements in a word, and products of such. */

#include "matrices.cuh"
#include "two.cuh"

/* ---- d += a b of 16 x 16 by 16 x 8, each lane with its part of the three ---- */

#if __CUDA_ARCH__ >= 800
INLINE void multiply(WR_A, float *d, const u32 *a, const u32 *b) { multiply_pair(WR_A(), d, a, b); }
#else
INLINE float half_of(u32 word, int i) {
  WR_A x;
  x.v = (u16)(word >> (16 * i));
  return load<WR_A>(x);
}
/* The same from the other lanes' words, where there is no such instruction. In line it would be more
   than the assembler gets through in minutes. */
__device__ __noinline__ void multiply(WR_A, float *d, const u32 *a, const u32 *b) {
  const int lane = threadIdx.x % 32;
#pragma unroll
  for (int k = 0; k < 16; k += 2) {
    const int part = k % 8 / 2, high = k / 8;
    const u32 top = __shfl_sync(~0u, a[2 * high], lane / 4 * 4 + part);
    const u32 bottom = __shfl_sync(~0u, a[2 * high + 1], lane / 4 * 4 + part);
    const u32 left = __shfl_sync(~0u, b[high], lane % 4 * 8 + part);
    const u32 right = __shfl_sync(~0u, b[high], lane % 4 * 8 + 4 + part);
#pragma unroll
    for (int i = 0; i < 2; i++) {
      d[0] = fmaf(half_of(top, i), half_of(left, i), d[0]);
      d[1] = fmaf(half_of(top, i), half_of(right, i), d[1]);
      d[2] = fmaf(half_of(bottom, i), half_of(left, i), d[2]);
      d[3] = fmaf(half_of(bottom, i), half_of(right, i), d[3]);
    }
  }
}
#endif

INLINE u32 both(WR_A x, WR_A y) { return (u32)x.v | (u32)y.v << 16; }
INLINE u32 both(float x, float y) { return two_of(WR_A(), x, y); }
INLINE u32 two(const WR_A *p) { return *(const u32 *)(const void *)p; }
INLINE WR_A zero() { return store_as<WR_A>::of(0.0f); }
