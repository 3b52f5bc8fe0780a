#ifndef WR_BACKEND_CPU_SCALAR_VECTOR_MATH_H
#define WR_BACKEND_CPU_SCALAR_VECTOR_MATH_H

/* Functions of float32 that loops vectorise and that need more than float32 has: no calls, no
   branches. They compute in float64, whose 3 more bits of exponent hold every intermediate and
   whose 29 more bits of precision make simple series good enough: each result is within 1.1 ulp of
   the exact one (tests/unit/vector_math.c). vector_exp.h, vector_log.h and vector_angle.h have the
   functions that float32 is enough for. The series are Chebyshev interpolations made for this file,
   the quotients of polynomials iterated weighted least squares, with no more terms than leave an
   error that float32 does not see. */

#include <math.h>

#include "backend/cpu/loop/loop.h"
#include "backend/cpu/scalar/mul_add.h"

#define WR_LN2 0x1.62e42fefa39efp-1
/* Added to a number below 2^51 it leaves the nearest integer in the low bits. */
#define WR_ROUNDER 0x1.8p52

WR_INLINE double wr_f64_from_bits(uint64_t bits) {
  double d;
  memcpy(&d, &bits, sizeof d);
  return d;
}

WR_INLINE uint64_t wr_f64_bits(double d) {
  uint64_t bits;
  memcpy(&bits, &d, sizeof bits);
  return bits;
}

/* x = 2^k m with m between sqrt(1/2) and sqrt(2): returns log m, leaves k. As twice the atanh of
   (m - 1) / (m + 1), which is at most 0.1716; off by 2^-35 of it. For x that is not positive and
   finite: anything. */
WR_INLINE double wr_log_parts(double x, double *k) {
  const uint64_t root_half = UINT64_C(0x3fe6a09e667f3bcd);
  const uint64_t shifted = wr_f64_bits(x) - root_half + (UINT64_C(1024) << 52);
  const uint64_t exponent = shifted >> 52; /* k + 1024 */
  /* An integer below 2^52 in the low bits of 2^52. */
  *k = wr_f64_from_bits(exponent | UINT64_C(0x4330000000000000)) - 0x1p52 - 1024.0;
  const double m = wr_f64_from_bits(wr_f64_bits(x) - (exponent << 52) + (UINT64_C(1024) << 52));
  const double s = (m - 1.0) / (m + 1.0);
  const double z = s * s;
  double p = 0x1.ddd38f59194c2p-4;
  p = wr_horner3(p, z, 0x1.245c28dd25c56p-3, 0x1.9999eba8b1211p-3, 0x1.5555554ba304cp-2);
  const double twice = 2.0 * s;
  return wr_mul_add(twice * z, p, twice);
}

/* x = k ln 2 + r with |r| <= ln 2 / 2: returns e^r - 1, leaves 2^k. Off by 2^-32. For |x| up to
   700. */
WR_INLINE double wr_exp_parts(double x, double *scale) {
  const double shifted = wr_mul_add(x, 0x1.71547652b82fep+0, WR_ROUNDER);
  const double r = wr_mul_add(shifted - WR_ROUNDER, -WR_LN2, x);
  double p = 0x1.a1517cf4d7bd5p-13;
  p = wr_horner3(p, r, 0x1.6d4328b3180cbp-10, 0x1.1110c630c46cbp-7, 0x1.5554e90218711p-5);
  p = wr_mul_add(p, r, 0x1.555555675410cp-3);
  p = wr_mul_add(p, r, 0x1.0000000b9226ap-1);
  /* The low bits of `shifted` hold k; the others fall off. */
  *scale = wr_f64_from_bits((wr_f64_bits(shifted) + 1023) << 52);
  return wr_mul_add(p, r * r, r);
}

/* Whether y is a whole number or infinite; leaves its lowest bit. From 2^24 on all floats are even,
   so they count as 2^24, and so does a NaN: a minimum of bits, which is no branch. */
WR_INLINE bool wr_is_whole(float y, uint32_t *odd) {
  const uint32_t bits = wr_f32_bits(fabsf(y));
  const float a = wr_f32_from_bits(bits < 0x4b800000u ? bits : 0x4b800000u);
  const int32_t n = (int32_t)a;
  const bool whole = (float)n == a;
  *odd = whole ? (uint32_t)n & 1u : 0u;
  return whole;
}

/* a^y for a that is not below 0, as e^(y log a), which past 90 is infinite and below -105 is 0. */
WR_INLINE float wr_power_of_abs(float a, float y) {
  double k;
  const double log_m = wr_log_parts((double)a, &k);
  const double inside = a == INFINITY ? (double)INFINITY : wr_mul_add(k, WR_LN2, log_m);
  const double log_a = a == 0.0f ? -(double)INFINITY : inside;
  double t = a == 1.0f ? 0.0 : (double)y * log_a; /* 1 to the infinity is 1 */
  t = t > 90.0 ? 90.0 : t;
  t = t < -105.0 ? -105.0 : t;
  double scale;
  const double p = wr_exp_parts(t, &scale);
  return (float)wr_mul_add(p, scale, scale);
}

/* What C's pow says of signs and of NaN. Conditions are joined by & and |: && and || are branches,
   which end vectorisation. */
WR_INLINE float f32_power(float x, float y) {
  uint32_t odd;
  const bool whole = wr_is_whole(y, &odd);
  const uint32_t sign = wr_f32_bits(x) & odd << 31;
  const float power = wr_f32_from_bits(wr_f32_bits(wr_power_of_abs(fabsf(x), y)) | sign);
  const bool no_root = (x < 0.0f) & (x > -INFINITY) & !whole;
  const float of_number = no_root ? NAN : power;
  const float of_y = y != y ? y : of_number;
  const float of_x = x != x ? x : of_y;
  const bool is_one = (x == 1.0f) | (y == 0.0f); /* of a NaN too */
  return is_one ? 1.0f : of_x;
}

/* The remainder with the divisor's sign, as Python's, from any that is less than the divisor. */
WR_INLINE float wr_signed_remainder(float r, float b) {
  const float other = (r < 0.0f) != (b < 0.0f) ? r + b : r;
  return r != 0.0f ? other : r;
}

/* The remainder by the nearest whole quotient is exact in float64 while that has at most 28 bits.
   f32_remainder in scalar.h takes those past it. */
WR_INLINE bool f32_is_far_pair(float a, float b) {
  const bool has_quotient = (fabsf(a) < INFINITY) & (b != 0.0f);
  return has_quotient & ((double)fabsf(a) > (double)fabsf(b) * 0x1p28);
}

WR_INLINE float f32_near_remainder(float a, float b) {
  const double n = (double)a / (double)b + WR_ROUNDER - WR_ROUNDER;
  const float nearest = (float)(wr_mul_add(-n, (double)b, (double)a));
  const float finite = nearest == 0.0f ? copysignf(0.0f, a) : nearest; /* as fmod has it */
  const float r = wr_signed_remainder(fabsf(b) == INFINITY ? a : finite, b);
  const bool is_number = (fabsf(a) < INFINITY) & (b == b) & (b != 0.0f);
  return is_number ? r : NAN;
}

/* erfinv(x) / x is a smooth function of w = -log(1 - x^2), which is below 16 for every x but 1: it
   is taken from a quotient of polynomials in w, fitted to all of that by iterated weighted least
   squares, off by 2^-29. 1 - x^2 is exact where it is not close to 1. */
WR_INLINE float f32_erfinv(float x) {
  const double d = (double)x;
  double k;
  const double log_m = wr_log_parts(wr_mul_add(-d, d, 1.0), &k);
  const double w = -(wr_mul_add(k, WR_LN2, log_m));
  double p = 0x1.75e6888f4e91ap-24;
  p = wr_horner3(p, w, 0x1.2a82bdaf61868p-15, 0x1.879eddcf2b1cdp-11, 0x1.15699cf7bd795p-7);
  p = wr_horner3(p, w, 0x1.00a70031448ebp-4, 0x1.4072df360f1a8p-2, 0x1.c5bf890db7179p-1);
  double q = 0x1.7fffd400de6f9p-19;
  q = wr_horner3(q, w, 0x1.d4bf9989405ecp-13, 0x1.1ac530eae9930p-9, 0x1.149c06cd48ab6p-5);
  q = wr_mul_add(q, w, 0x1.760526a38ef32p-4);
  q = wr_mul_add(q, w, 1.0);
  const float inside = (float)(d * p / q);
  const float limit = fabsf(x) == 1.0f ? copysignf(INFINITY, x) : NAN;
  const float y = fabsf(x) < 1.0f ? inside : limit;
  return x != x ? x : y;
}

#endif
