/* Quantised matrices (core/quantized.h), one way of packing to a module: WR_VARIANT is the number of
   bits in the affine mode, else 15 and the mode. Affine scales and biases are of WR_A. */

enum { AFFINE, MXFP4, MXFP8, NVFP4 };
enum {
  MODE = WR_VARIANT < 16 ? AFFINE : WR_VARIANT - 15,
  BITS = WR_VARIANT < 16 ? WR_VARIANT : MODE == MXFP8 ? 8 : 4,
  MASK = (1 << BITS) - 1,
  BLOCK = 8 /* elements that begin and end between bytes */
};

typedef compute<WR_A>::type value_t;

/* What the exponents of the float16 with these bits are larger by goes into the factor. */
INLINE float e2m1_value(u32 code) {
  f16 h;
  h.v = (u16)((code & 7u) << 9 | (code & 8u) << 12);
  return to_float(h) * 16384.0f;
}

INLINE float e4m3_value(u32 code) {
  f16 h;
  h.v = (u16)((code & 127u) << 7 | (code & 128u) << 8);
  return (code & 127u) == 127u ? __uint_as_float(0x7fffffffu) : to_float(h) * 256.0f;
}

INLINE float e8m0_value(u32 code) { return __uint_as_float(code == 0 ? 0x400000u : code << 23); }

/* A code without its scale. */
INLINE value_t code_value(u32 code) {
  if (MODE == AFFINE) return (value_t)code;
  return (value_t)(MODE == MXFP8 ? e4m3_value(code) : e2m1_value(code));
}

INLINE value_t scale_value(const void *scales, i64 i) {
  if (MODE == AFFINE) return load<WR_A>(((const WR_A *)scales)[i]);
  const u32 code = ((const u8 *)scales)[i];
  return (value_t)(MODE == NVFP4 ? e4m3_value(code) : e8m0_value(code));
}

INLINE value_t bias_value(const void *biases, i64 i) {
  return MODE == AFFINE ? load<WR_A>(((const WR_A *)biases)[i]) : (value_t)0;
}

/* The codes of `count` elements, at most BLOCK, that begin at a byte; no byte behind them is read. */
INLINE u64 block_bits(const u8 *p, int count) {
  u64 word = 0;
  const int bytes = (count * BITS + 7) / 8;
#pragma unroll
  for (int i = 0; i < BITS; i++) {
    if (i < bytes) word |= (u64)p[i] << (8 * i);
  }
  return word;
}

INLINE u32 code_of(u64 word, int k) { return (u32)(word >> (k * BITS)) & MASK; }
