#ifndef WR_BACKEND_CPU_SCALAR_VECTOR_ANGLE_H
#define WR_BACKEND_CPU_SCALAR_VECTOR_ANGLE_H

/* Functions of angles and angles of float32, as vector_exp.h has those of e^x: no calls, no
   branches, within 2 ulp. Where steps are fused all is float32; where they are not, multiples of
   pi / 2 are taken off in float64, and tangents are computed there. */

#include <math.h>

#include "backend/cpu/loop/loop.h"
#include "backend/cpu/scalar/vector_exp.h"
#include "backend/cpu/scalar/vector_math.h"

#define WR_HALF_PI_HIGH 0x1.921fb6p+0f
#define WR_HALF_PI_LOW (-0x1.777a5cp-25f)
#define WR_HALF_PI_LAST (-0x1.ee59dap-50f)
#define WR_QUARTER_PI (0.5f * WR_HALF_PI_HIGH)

/* The greatest angle of which multiples of pi / 2 are taken off here. */
#define WR_TURN_LIMIT 1e6f

#if WR_HAS_FMA
/* The angle past a multiple of pi / 2, that multiple's low bits, and what the last step is rounded
   by. pi / 2 is taken off in three parts: the first step is exact, as what is left has no bits
   below those of pi / 2's first part. The multiple is the nearest or one almost as near: up to
   WR_TURN_LIMIT the angle is below 0.82. */
WR_INLINE float wr_turn32_parts(float x, uint32_t *quarter, float *low) {
  const float shifted = wr_mul_addf(x, 0x1.45f306p-1f, 0x1.8p23f);
  const float n = shifted - 0x1.8p23f;
  *quarter = wr_f32_bits(shifted);
  const float a = wr_mul_addf(n, -WR_HALF_PI_HIGH, x);
  const float b = wr_mul_addf(n, -WR_HALF_PI_LOW, a);
  const float r = wr_mul_addf(n, -WR_HALF_PI_LAST, b);
  *low = wr_mul_addf(n, -WR_HALF_PI_LAST, b - r);
  return r;
}

WR_INLINE float wr_turn32(float x, uint32_t *quarter) {
  float low;
  return wr_turn32_parts(x, quarter, &low);
}
#else
/* The angle past a multiple of pi / 2, and that multiple's low bits. pi / 2 is taken off in two
   parts, the first with so few bits that its multiples are exact while |x| <= WR_TURN_LIMIT. */
WR_INLINE double wr_turn(float x, uint64_t *quarter) {
  const double d = (double)x;
  const double shifted = d * 0x1.45f306dc9c883p-1 + WR_ROUNDER;
  const double n = shifted - WR_ROUNDER;
  *quarter = wr_f64_bits(shifted);
  return (d - n * 0x1.921fb544p+0) - n * 0x1.0b4611a626331p-34;
}

WR_INLINE float wr_turn32(float x, uint32_t *quarter) {
  uint64_t turns;
  const float r = (float)wr_turn(x, &turns);
  *quarter = (uint32_t)turns;
  return r;
}
#endif

/* The sine of x plus so many quarters, for |x| <= WR_TURN_LIMIT. */
WR_INLINE float wr_sin_of_quarters(float x, uint32_t more) {
  uint32_t quarter;
  const float r = wr_turn32(x, &quarter);
  quarter += more;
  const float z = r * r;
  float s = -0x1.9953fep-13f;
  s = wr_mul_addf(s, z, 0x1.110778p-7f);
  s = wr_mul_addf(s, z, -0x1.555546p-3f);
  float c = 0x1.99e80cp-16f;
  c = wr_mul_addf(c, z, -0x1.6c0c28p-10f);
  c = wr_mul_addf(c, z, 0x1.55554ap-5f);
  c = wr_mul_addf(c, z, -0.5f);
  const float sine = wr_mul_addf(s, z * r, r);
  const float cosine = wr_mul_addf(c, z, 1.0f);
  const float y = quarter & 1 ? cosine : sine;
  return wr_f32_from_bits(wr_f32_bits(y) ^ (quarter & 2) << 30);
}

/* f32_sin and the like in scalar.h take any. */
WR_INLINE float wr_near_sin(float x) {
  const float y = wr_sin_of_quarters(x, 0);
  return x == 0.0f ? x : y; /* keeps the sign of 0 */
}

WR_INLINE float wr_near_cos(float x) { return wr_sin_of_quarters(x, 1); }

/* The tangent of an odd number of quarters more is -1 over that of the angle. */
#if WR_HAS_FMA
/* By a polynomial that is off by 2^-32; the quotient -1 / t is mended by what it leaves and by what
   t is rounded by. */
WR_INLINE float wr_near_tan(float x) {
  uint32_t quarter;
  float low;
  const float r = wr_turn32_parts(x, &quarter, &low);
  const float z = r * r;
  float p = 0x1.26c798p-9f;
  p = wr_horner3f(p, z, -0x1.1aa70ap-10f, 0x1.64909cp-8f, 0x1.0a0efep-7f);
  p = wr_horner3f(p, z, 0x1.691354p-6f, 0x1.b9f08cp-5f, 0x1.1111acp-3f);
  p = wr_mul_addf(p, z, 0x1.555554p-2f);
  const float cube = z * r;
  const float t = wr_mul_addf(p, cube, r);
  const float rest = wr_mul_addf(p, cube, r - t) + low;
  const float q = -1.0f / t;
  const float left = wr_mul_addf(q, rest, wr_mul_addf(q, t, 1.0f));
  const float y = quarter & 1 ? wr_mul_addf(q, left, q) : t;
  return x == 0.0f ? x : y;
}
#else
WR_INLINE float wr_near_tan(float x) {
  uint64_t turns;
  const double r = wr_turn(x, &turns);
  const double z = r * r;
  double p = 0x1.1ee009219f579p-8;
  p = wr_horner3(p, z, 0x1.6e76bc77c9b75p-14, 0x1.631f5de97edf3p-7, 0x1.5cad5602804ecp-6);
  p = wr_horner3(p, z, 0x1.badc1c07830b1p-5, 0x1.110d8c74a933fp-3, 0x1.5555605f74bd4p-2);
  const float t = (float)(p * z * r + r);
  const bool odd = (uint32_t)turns & 1;
  const float y = (odd ? -1.0f : t) / (odd ? t : 1.0f);
  return x == 0.0f ? x : y;
}
#endif

/* ---- angles of numbers ---- */

/* (atan(t) - t) / t for t from -1 to 1, off by 2^-28 of 1. */
WR_INLINE float wr_atan_rest(float t) {
  const float z = t * t;
  float p = -0x1.d35606p-10f;
  p = wr_horner3f(p, z, 0x1.6423e2p-7f, -0x1.fd7e0ep-6f, 0x1.da2a3ep-5f);
  p = wr_horner3f(p, z, -0x1.58092ap-4f, 0x1.c08c5p-4f, -0x1.242086p-3f);
  p = wr_mul_addf(p, z, 0x1.9991e4p-3f);
  p = wr_mul_addf(p, z, -0x1.55553ep-2f);
  return p * z;
}

/* Above 1 it is pi / 2 less the angle of 1 / a. */
WR_INLINE float f32_arctan(float x) {
  const float a = fabsf(x);
  const bool steep = a > 1.0f;
  const float t = (steep ? -1.0f : a) / (steep ? a : 1.0f);
  const float rest = wr_mul_addf(wr_atan_rest(t), t, steep ? WR_HALF_PI_LOW : 0.0f);
  return copysignf((steep ? WR_HALF_PI_HIGH : 0.0f) + (t + rest), x);
}

/* The angle between 0 and pi / 4 of the smaller over the greater, then by octants. */
WR_INLINE float f32_arctan2(float y, float x) {
  const float a = fabsf(x), b = fabsf(y);
  const bool steep = b > a;
  const float least = steep ? a : b, most = steep ? b : a;
  const float q = least / most;
  const float t = most == 0.0f ? 0.0f : least == INFINITY ? 1.0f : q;
  const float angle = wr_mul_addf(wr_atan_rest(t), t, t);
  const bool back = (wr_f32_bits(x) >> 31) != 0;
  const float turned = steep ? (WR_HALF_PI_HIGH - angle) + WR_HALF_PI_LOW : angle;
  const float result = back ? (2.0f * WR_HALF_PI_HIGH - turned) + 2.0f * WR_HALF_PI_LOW : turned;
  const bool is_nan = (x != x) | (y != y);
  return is_nan ? x + y : copysignf(result, y);
}

/* (asin(s) - s) / s for s^2 = z up to 1/4, off by 2^-27 of 1. */
WR_INLINE float wr_asin_rest(float z) {
  float p = 0x1.596d66p-5f;
  p = wr_horner3f(p, z, 0x1.8c2d82p-6f, 0x1.747d06p-5f, 0x1.3301fcp-4f);
  p = wr_mul_addf(p, z, 0x1.5555c8p-3f);
  return p * z;
}

/* Above 1/2 it is pi / 2 less twice the arcsine of sqrt((1 - a) / 2); pi / 4 less 2 s is exact, or
   almost. */
WR_INLINE float f32_arcsin(float x) {
  const float a = fabsf(x);
  const bool steep = a > 0.5f;
  const float z = steep ? wr_mul_addf(-0.5f, a, 0.5f) : a * a;
  const float s = steep ? sqrtf(z) : a;
  const float rest = wr_asin_rest(z) * s;
  const float large = WR_QUARTER_PI + (wr_mul_addf(-2.0f, s, WR_QUARTER_PI) -
                                       wr_mul_addf(2.0f, rest, -WR_HALF_PI_LOW));
  return copysignf(steep ? large : s + rest, x);
}

WR_INLINE float f32_arccos(float x) {
  const float a = fabsf(x);
  const bool steep = a > 0.5f;
  const float z = steep ? wr_mul_addf(-0.5f, a, 0.5f) : a * a;
  const float s = steep ? sqrtf(z) : x;
  const float rest = wr_asin_rest(z) * s;
  const float middle = WR_HALF_PI_HIGH - (s - (WR_HALF_PI_LOW - rest));
  const float small = 2.0f * (s + rest);
  const float large = 2.0f * (WR_HALF_PI_HIGH - (s + (rest - WR_HALF_PI_LOW)));
  return steep ? (x < 0.0f ? large : small) : middle;
}

#endif
