#ifndef WR_CORE_QUANTIZED_H
#define WR_CORE_QUANTIZED_H

/* Quantised matrices as MLX packs them. A row of K elements of `bits` bits is one stream of bits in
   K bits / 32 words, least significant first; each group of elements has a scale, and in the affine
   mode a bias: an element is code scale + bias. In the other modes a code is a float of 4 bits
   (E2M1) or of 8 (E4M3), and a scale a power of two in 8 bits (E8M0), or E4M3 in nvfp4, which may
   have one more scale for all. Plain functions. */

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/half.h"
#include "core/op.h"

enum wr_quantized_mode { WR_AFFINE, WR_MXFP4, WR_MXFP8, WR_NVFP4, WR_QUANTIZED_MODES };

/* The largest magnitudes, and what a scale for all is counted in: their product. */
#define WR_E2M1_MOST 6.0f
#define WR_E4M3_MOST 448.0f
#define WR_NVFP4_MOST (WR_E2M1_MOST * WR_E4M3_MOST)

static inline float wr_e2m1_value(unsigned code) {
  static const float values[16] = {0,     0.5f,  1,     1.5f,  2,     3,     4,     6,
                                   -0.0f, -0.5f, -1.0f, -1.5f, -2.0f, -3.0f, -4.0f, -6.0f};
  return values[code & 15u];
}

/* Without a branch, so that compilers make vectors of it. The code's bits stand where float32 has
   them, and 120 more in the exponent; where the code's is 0, the same with one more, less what it
   then has too much: exact, and no subnormal float32 on the way. */
static inline float wr_e4m3_value(unsigned code) {
  const uint32_t field = (code & 127u) << 20, sign = (code & 128u) << 24;
  const bool is_small = field < 8u << 20;
  const float above = wr_f32_from_bits(field + (is_small ? 121u << 23 : 120u << 23));
  const float size = above - (is_small ? 0x1p-6f : 0.0f);
  const uint32_t bits = field == 127u << 20 ? 0x7fc00000u : wr_f32_bits(size);
  return wr_f32_from_bits(bits | sign);
}

static inline float wr_e8m0_value(unsigned code) {
  return wr_f32_from_bits(code == 0 ? 0x400000u : (uint32_t)code << 23);
}

/* The exponent of the least power of two that is not below x > 0, in E8M0 without infinity and NaN.
 */
static inline int wr_power_above(float x) {
  const uint32_t bits = wr_f32_bits(x);
  const int power = (int)(bits >> 23) - 127 + ((bits & 0x7fffffu) != 0);
  return power > 127 ? 127 : power;
}

/* The nearest, to even; what is greater than 448, infinities and NaN among it, is 448. */
static inline uint8_t wr_e4m3_code(float x) {
  const uint32_t bits = wr_f32_bits(x), size = bits & 0x7fffffffu;
  const uint32_t sign = bits >> 24 & 0x80u;
  uint32_t code;
  if (size < 0x3c800000u) { /* below 2^-6 steps are 2^-9 apart */
    code = (uint32_t)(int)nearbyintf(wr_f32_from_bits(size) * 512.0f);
  } else {
    code = ((size + 0x7ffffu + (size >> 20 & 1u)) >> 20) - (127 - 7) * 8;
  }
  return (uint8_t)(sign | (code < 0x7eu ? code : 0x7eu));
}

/* The nearest; of two the one nearer to 0, and what is near 0 is +0, as MLX quantises; or, `even`,
   by the rule of IEEE 754, as its products that quantise do. */
static inline uint8_t wr_e2m1_code(float x, bool even) {
  static const float middle[7] = {0.25f, 0.75f, 1.25f, 1.75f, 2.5f, 3.5f, 5.0f};
  const float size = fabsf(x);
  unsigned code = 0;
  for (unsigned i = 0; i < 7; i++) {
    code += size > middle[i] || (even && i % 2 == 1 && size == middle[i]);
  }
  if (code == 0 && !even) return 0;
  return (uint8_t)(code | (wr_f32_bits(x) >> 28 & 8u));
}

/* How many elements of `bits` bits so many words hold. */
static inline int64_t wr_packed_elements(int64_t words, int bits) {
  return words * 32 / bits; /* NOLINT(*-core.DivideZero): 0 was refused as it was given */
}

/* Where the parts of what quantize writes begin, in bytes: codes, scales, biases, end. Of so many
   elements of dtype t, which scales and biases have too in the affine mode. */
struct wr_quantized_layout {
  int64_t scales, biases, bytes;
};

static inline struct wr_quantized_layout wr_quantized_layout_of(
    int64_t elements, const struct wr_quantized_params *how, enum wr_dtype t) {
  enum { ALIGNED = 256 };
  const bool affine = how->mode == WR_AFFINE;
  const int64_t item = affine ? (int64_t)wr_dtype_size(t) : 1;
  const int64_t part = (elements / how->group * item + ALIGNED - 1) / ALIGNED * ALIGNED;
  struct wr_quantized_layout l;
  l.scales = (elements / 8 * how->bits + ALIGNED - 1) / ALIGNED * ALIGNED;
  l.biases = l.scales + part;
  l.bytes = l.biases + (affine ? part : 0);
  return l;
}

#endif
