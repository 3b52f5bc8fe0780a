#ifndef WR_BACKEND_CPU_SCALAR_VECTOR_EXP_H
#define WR_BACKEND_CPU_SCALAR_VECTOR_EXP_H

/* Functions of float32 that are made of e^x, for loops that vectorise: no calls, no branches, and
   float32 throughout, which is twice as many lanes as float64. Each is within 2 ulp of the exact
   value (tests/unit/vector_math.c): where rounding would add up to more, what a sum is rounded by
   is carried along. Angles are reduced as Cody and Waite do; the polynomials are minimax ones by
   Remez's exchange, made for this file with 50 digits and then rounded. */

#include <math.h>

#include "backend/cpu/loop/loop.h"
#include "backend/cpu/scalar/mul_add.h"

/* x = k ln 2 + r with |r| <= ln 2 / 2: returns r, leaves k in the low 9 bits. ln 2 is taken off in
   two parts, the first with so few bits that its multiples are exact; adding 1.5 * 2^23 leaves the
   nearest integer in the low bits. For |x| up to 150; of others anything, of a NaN that. */
WR_INLINE float wr_exp32_angle(float x, uint32_t *k) {
  const float shifted = wr_mul_addf(x, 0x1.715476p+0f, 0x1.8p23f);
  const float n = shifted - 0x1.8p23f;
  *k = wr_f32_bits(shifted);
  return wr_mul_addf(n, -0x1.7f7d1cp-20f, wr_mul_addf(n, -0x1.62e4p-1f, x));
}

/* e^r - 1, off by 2^-25.7 of it. */
WR_INLINE float wr_exp32_parts(float x, uint32_t *k) {
  const float r = wr_exp32_angle(x, k);
  float p = 0x1.6bebf8p-10f;
  p = wr_horner3f(p, r, 0x1.1227f6p-7f, 0x1.555674p-5f, 0x1.5554bp-3f);
  p = wr_mul_addf(p, r, 0x1.fffffep-2f);
  return wr_mul_addf(p, r * r, r);
}

/* 2^k for k from -126 to 127 in the low 9 bits. */
WR_INLINE float wr_power_of_2(uint32_t k) { return wr_f32_from_bits((k + 127u) << 23); }

/* k is added to the exponent of e^r. What may be subnormal is made 2^64 times as large first, so
   that it is rounded by a product. Past the bounds e^x is 0, or x times infinity, which also leaves
   a NaN one. */
WR_INLINE float f32_exp(float x) {
  uint32_t k;
  const float p = wr_exp32_parts(x, &k);
  const uint32_t bits = wr_f32_bits(1.0f + p) + (k << 23);
  const float small = wr_f32_from_bits(bits + (64u << 23)) * 0x1p-64f;
  const float y = x < -80.0f ? small : wr_f32_from_bits(bits);
  const float high = x <= 0x1.62e42ep+6f ? y : x * INFINITY;
  return x < -104.0f ? 0.0f : high;
}

/* The same bits for |x| <= WR_NEAR_EXP. */
#define WR_NEAR_EXP 86.0f
WR_INLINE float f32_near_exp(float x) {
  uint32_t k;
  const float p = wr_exp32_parts(x, &k);
  return wr_f32_from_bits(wr_f32_bits(1.0f + p) + (k << 23));
}

/* 2 (2^(k - 1) (e^r - 1) + (2^(k - 1) - 1/2)) */
WR_INLINE float f32_expm1(float x) {
  uint32_t k;
  const float p = wr_exp32_parts(x, &k);
  const float half = wr_power_of_2(k - 1);
  const float y = 2.0f * wr_mul_addf(p, half, half - 0.5f);
  const float high = x > 89.0f ? INFINITY : y;
  const float inside = x < -25.0f ? -1.0f : high;
  return fabsf(x) < 0x1p-26f ? x : inside; /* also keeps the sign of 0 */
}

/* 1 / (1 + e^-x) as 2^-k / (2^-k + 1 + (e^r - 1)), of which the first sum is carried in
   two parts. Below -105 it is 0; above 20 the clamp only keeps 2^-k finite. */
WR_INLINE float f32_sigmoid(float x) {
  float c = x > 20.0f ? 20.0f : x;
  c = c < -105.0f ? -105.0f : c;
  uint32_t k;
  const float p = wr_exp32_parts(-c, &k);
  const int32_t n = (int32_t)(k - 0x4b400000u), half = n >> 1;
  /* 2^-n, subnormal too */
  const float one = wr_power_of_2((uint32_t)-half) * wr_power_of_2((uint32_t)(half - n));
  const float sum = 1.0f + one;
  return one / (sum + (p + (one - (sum - 1.0f))));
}

/* Below 0.55 an odd polynomial, off by 2^-29; then 1 - 2 / (1 + e^(2|x|)), which is 1 from
   |x| = 10 on. */
WR_INLINE float f32_tanh(float x) {
  const float a = fabsf(x);
  const float z = a * a;
  float q = -0x1.9921a2p-8f;
  q = wr_horner3f(q, z, 0x1.58e518p-6f, -0x1.b91e7ep-5f, 0x1.110ceep-3f);
  q = wr_mul_addf(q, z, -0x1.55554ap-2f);
  const float small = wr_mul_addf(q, z * a, a);
  uint32_t k;
  const float p = wr_exp32_parts(a > 10.0f ? 20.0f : 2.0f * a, &k);
  const float large = 1.0f - 2.0f / wr_mul_addf(1.0f + p, wr_power_of_2(k), 1.0f);
  return copysignf(a < 0.55f ? small : large, x);
}

/* What sinh and cosh of a >= 0 are made of, without a quotient: a = k ln 2 + r, sinh r, off by
   2^-37 of it, cosh r - 1, off by 2^-33 of 1, and a quarter of 2^k and of 2^-k, of which what is
   subnormal is 0. What is infinite as a sinh is so at 89.5. */
struct wr_hyperbolic32 {
  float odd, even, up, down;
};

WR_INLINE struct wr_hyperbolic32 wr_hyperbolic32_parts(float a) {
  const float c = a > 89.5f ? 89.5f : a;
  uint32_t k;
  const float r = wr_exp32_angle(c, &k);
  const float z = r * r;
  const float odd = wr_mul_addf(wr_mul_addf(0x1.a1714cp-13f, z, 0x1.1110b2p-7f), z, 0x1.555556p-3f);
  const float even = wr_mul_addf(wr_mul_addf(0x1.6d5028p-10f, z, 0x1.5554e6p-5f), z, 0.5f);
  const uint32_t up = (k + 125u) << 23;
  const int32_t down = (int32_t)((250u << 23) - up);
  return (struct wr_hyperbolic32){.odd = wr_mul_addf(odd, z * r, r),
                                  .even = even * z,
                                  .up = wr_f32_from_bits(up),
                                  .down = wr_f32_from_bits((uint32_t)(down < 0 ? 0 : down))};
}

/* A difference of 2^k and 2^-k that is rounded is so by 2^-25 of it; near 0 it is 0, and what is
   tiny would lose bits by the quarters. */
WR_INLINE float f32_sinh(float x) {
  const float a = fabsf(x);
  const struct wr_hyperbolic32 h = wr_hyperbolic32_parts(a);
  const float difference = h.up - h.down;
  const float rest = wr_mul_addf(h.odd, h.up + h.down, h.even * difference);
  const float y = 2.0f * (difference + rest);
  return copysignf(a < 0x1p-12f ? a : y, x);
}

WR_INLINE float f32_cosh(float x) {
  const struct wr_hyperbolic32 h = wr_hyperbolic32_parts(fabsf(x));
  const float rest = wr_mul_addf(h.even, h.up + h.down, h.down);
  return 2.0f * (h.up + wr_mul_addf(h.odd, h.up - h.down, rest));
}

/* Below 1 an odd polynomial, off by 2^-27; then 1 - e^-g, where g is a polynomial for the negative
   logarithm of erfc, off by 2^-27 of erf; from 3.95 on erf is 1. */
WR_INLINE float f32_erf(float x) {
  const float a = fabsf(x);
  const float z = a * a;
  float p = 0x1.496a26p-14f;
  p = wr_horner3f(p, z, -0x1.a3f6fcp-11f, 0x1.5405b2p-8f, -0x1.b7f90cp-6f);
  p = wr_horner3f(p, z, 0x1.ce2cf8p-4f, -0x1.81273ep-2f, 0x1.06eba8p-3f);
  const float small = wr_mul_addf(p, a, a);
  const float c = a > 3.95f ? 3.95f : a;
  float g = -0x1.919c32p-13f;
  g = wr_horner3f(g, c, 0x1.89276ap-9f, -0x1.694c9p-6f, 0x1.a835a6p-4f);
  g = wr_horner3f(g, c, 0x1.467384p-1f, 0x1.209efep+0f, 0x1.0ceb2ep-12f);
  uint32_t k;
  const float e = wr_exp32_parts(-g, &k);
  const float scale = wr_power_of_2(k);
  const float large = wr_mul_addf(-e, scale, 1.0f - scale);
  return copysignf(a < 1.0f ? small : large, x);
}

#endif
