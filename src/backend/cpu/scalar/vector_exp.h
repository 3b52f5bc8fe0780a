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

/* x = k ln 2 + r with |r| <= ln 2 / 2: returns e^r - 1, off by 2^-25.7 of it, leaves k in the low 9
   bits. ln 2 is taken off in two parts, the first with so few bits that its multiples are exact;
   adding 1.5 * 2^23 leaves the nearest integer in the low bits. For |x| up to 150; of others
   anything, of a NaN that. */
WR_INLINE float wr_exp32_parts(float x, uint32_t *k) {
  const float shifted = wr_mul_addf(x, 0x1.715476p+0f, 0x1.8p23f);
  const float n = shifted - 0x1.8p23f;
  const float r = wr_mul_addf(n, -0x1.7f7d1cp-20f, wr_mul_addf(n, -0x1.62e4p-1f, x));
  float p = 0x1.6bebf8p-10f;
  p = wr_horner3f(p, r, 0x1.1227f6p-7f, 0x1.555674p-5f, 0x1.5554bp-3f);
  p = wr_mul_addf(p, r, 0x1.fffffep-2f);
  *k = wr_f32_bits(shifted);
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

/* e^a / 4 for a >= 0 in two parts, the second what the first is rounded by. What is infinite as
   a sinh is so at 89.5. */
WR_INLINE float wr_quarter_exp(float a, float *low) {
  uint32_t k;
  const float p = wr_exp32_parts(a > 89.5f ? 89.5f : a, &k);
  const float scale = wr_power_of_2(k - 2);
  const float e = 1.0f + p;
  *low = (p - (e - 1.0f)) * scale;
  return e * scale;
}

/* Below 1 an odd polynomial, off by 2^-31. */
WR_INLINE float f32_sinh(float x) {
  const float a = fabsf(x);
  const float z = a * a;
  float p = 0x1.756c1ep-19f;
  p = wr_horner3f(p, z, 0x1.a022bcp-13f, 0x1.1110ep-7f, 0x1.555556p-3f);
  const float small = wr_mul_addf(p, z * a, a);
  float low;
  const float h = wr_quarter_exp(a, &low);
  const float large = 2.0f * (h + (low - 0.0625f / h));
  return copysignf(a < 1.0f ? small : large, x);
}

WR_INLINE float f32_cosh(float x) {
  float low;
  const float h = wr_quarter_exp(fabsf(x), &low);
  return 2.0f * (h + (low + 0.0625f / h));
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
