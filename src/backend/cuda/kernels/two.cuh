/* Two neighbours of a 16-bit float at once, the first in the lower half of a word: by instructions of
   compute capability 8.0, else one by one. */

INLINE float low_of(f16, u32 x) {
  f16 h;
  h.v = (u16)x;
  return to_float(h);
}
INLINE float high_of(f16, u32 x) { return low_of(f16(), x >> 16); }
INLINE float low_of(bf16, u32 x) { return __uint_as_float(x << 16); }
INLINE float high_of(bf16, u32 x) { return __uint_as_float(x & 0xffff0000u); }

#if __CUDA_ARCH__ >= 800

INLINE u32 two_of(f16, float low, float high) {
  u32 r;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(high), "f"(low));
  return r;
}
INLINE u32 two_of(bf16, float low, float high) {
  u32 r;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(high), "f"(low));
  return r;
}
/* a b + c, rounded once. */
INLINE u32 multiply_add(f16, u32 a, u32 b, u32 c) {
  u32 r;
  asm("fma.rn.f16x2 %0, %1, %2, %3;" : "=r"(r) : "r"(a), "r"(b), "r"(c));
  return r;
}
INLINE u32 multiply_add(bf16, u32 a, u32 b, u32 c) {
  u32 r;
  asm("fma.rn.bf16x2 %0, %1, %2, %3;" : "=r"(r) : "r"(a), "r"(b), "r"(c));
  return r;
}

#else

template <class E>
INLINE u32 two_of(E, float low, float high) {
  return (u32)store_as<E>::of(low).v | (u32)store_as<E>::of(high).v << 16;
}
template <class E>
INLINE u32 multiply_add(E, u32 a, u32 b, u32 c) {
  return two_of(E(), low_of(E(), a) * low_of(E(), b) + low_of(E(), c),
                high_of(E(), a) * high_of(E(), b) + high_of(E(), c));
}

#endif

/* 1 twice; and -0 twice, by which a product is what it is alone. */
INLINE u32 ones_of(f16) { return 0x3c003c00u; }
INLINE u32 ones_of(bf16) { return 0x3f803f80u; }
enum : u32 { NOTHING_ADDED = 0x80008000u };
