/* Random bits: Threefry-2x32 of 20 rounds, laid out as the host's core/threefry.h says, so that both
   draw the same numbers. A thread hashes a pair of counters and writes two words, one in each half
   of the key's block; the last word may be cut. */

#include "types.cuh"

INLINE u32 rotate(u32 x, int r) { return (x << r) | (x >> (32 - r)); }

struct words {
  u32 a, b;
};

INLINE words threefry(u32 k0, u32 k1, u32 c0, u32 c1) {
  const int rotations[2][4] = {{13, 15, 26, 6}, {17, 29, 16, 24}};
  const u32 ks[3] = {k0, k1, k0 ^ k1 ^ 0x1bd11bdau};
  u32 x0 = c0 + ks[0], x1 = c1 + ks[1];
#pragma unroll
  for (int i = 0; i < 5; i++) {
#pragma unroll
    for (int r = 0; r < 4; r++) {
      x0 += x1;
      x1 = rotate(x1, rotations[i % 2][r]) ^ x0;
    }
    x0 += ks[(i + 1) % 3];
    x1 += ks[(i + 2) % 3] + (u32)i + 1;
  }
  words w;
  w.a = x0;
  w.b = x1;
  return w;
}

/* Blocks of a key need not be aligned when its elements are narrow. */
INLINE void put_word(u8 *block, i64 bytes, bool aligned, i64 i, u32 word) {
  const i64 at = i * 4;
  if (aligned && at + 4 <= bytes) {
    *(u32 *)(block + at) = word;
    return;
  }
  for (int k = 0; k < 4 && at + k < bytes; k++) block[at + k] = (u8)(word >> (8 * k));
}

/* `pairs` threads' work for each key: half of the words, and one more when their number is odd. */
extern "C" __global__ void bits(u8 *out, const u32 *keys, i64 n_keys, i64 key_stride, i64 bytes,
                                i64 half, i64 odd, layout<1> l) {
  const i64 pairs = half + odd;
  const bool aligned = bytes % 4 == 0;
  for (i64 t = (i64)blockIdx.x * blockDim.x + threadIdx.x; t < n_keys * pairs;
       t += (i64)gridDim.x * blockDim.x) {
    const i64 key = t / pairs, i = t % pairs;
    const u32 *k = keys + offset_of(l, (index_t)key);
    const i64 second = i < half ? half + odd + i : 0;
    const words w = threefry(k[0], k[key_stride], (u32)i, (u32)second);
    put_word(out + key * bytes, bytes, aligned, i, w.a);
    if (i < half) put_word(out + key * bytes, bytes, aligned, second, w.b);
  }
}
