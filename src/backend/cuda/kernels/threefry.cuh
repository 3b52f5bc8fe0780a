/* Threefry-2x32 of 20 rounds: two counters hashed by a key to two words.

   Rotations and exclusive ors have one pipe alone. Sums by themselves go there too, a third of them or
   so; as products by 1, which the compiler does not know to be 1, they have the other one. PRODUCTS:
   so do sums with the key, which pays where it is in registers and no argument of the kernel. */

INLINE u32 rotate(u32 x, int r) { return (x << r) | (x >> (32 - r)); }

struct words {
  u32 a, b;
};

template <bool PRODUCTS = false>
INLINE words threefry(u32 k0, u32 k1, u32 c0, u32 c1) {
  const int rotations[2][4] = {{13, 15, 26, 6}, {17, 29, 16, 24}};
  const u32 ks[3] = {k0, k1, k0 ^ k1 ^ 0x1bd11bdau};
  const u32 one = gridDim.y; /* of every kernel that draws */
  u32 x0 = c0 + ks[0], x1 = c1 + ks[1];
#pragma unroll
  for (int i = 0; i < 5; i++) {
#pragma unroll
    for (int r = 0; r < 4; r++) {
      x0 = x1 * one + x0;
      x1 = rotate(x1, rotations[i % 2][r]) ^ x0;
    }
    const u32 a = ks[(i + 1) % 3], b = ks[(i + 2) % 3] + (u32)i + 1;
    x0 = PRODUCTS ? a * one + x0 : x0 + a;
    x1 = PRODUCTS ? b * one + x1 : x1 + b;
  }
  words w;
  w.a = x0;
  w.b = x1;
  return w;
}
