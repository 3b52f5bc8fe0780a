/* A few bytes between host and device, by one block: `put` has them among its arguments, `get` writes
   to memory of the host's that the device can reach. */

#include "types.cuh"

template <int N>
struct alignas(8) bytes {
  u8 b[N];
};

template <int N>
INLINE void write(u8 *to, u32 n, const bytes<N> &from) {
  for (u32 i = threadIdx.x; i < n; i += blockDim.x) to[i] = from.b[i];
}

extern "C" __global__ void put_few(u8 *to, u32 n, const __grid_constant__ bytes<16> from) {
  write(to, n, from);
}

extern "C" __global__ void put(u8 *to, u32 n, const __grid_constant__ bytes<1024> from) {
  write(to, n, from);
}

extern "C" __global__ void get(u8 *to, const u8 *from, u32 n) {
  for (u32 i = threadIdx.x; i < n; i += blockDim.x) to[i] = from[i];
}
