#ifndef WR_BACKEND_CPU_SCALAR_VECTOR_MATH64_H
#define WR_BACKEND_CPU_SCALAR_VECTOR_MATH64_H

/* Functions of float64 that loops vectorise: no calls, no branches, within 2 ulp of the exact
   values (tests/unit/vector_math64.c). There is no wider type to compute in, so what would be
   rounded away is carried along: constants in parts, the first of which have so few bits that their
   products are exact, and small terms that are added last. The forms are those of fdlibm (Sun
   Microsystems, 1993), the coefficients Chebyshev interpolations made for this file. */

#include <math.h>

#include "backend/cpu/loop/loop.h"
#include "backend/cpu/scalar/vector_angle.h"
#include "backend/cpu/scalar/vector_math.h"

/* ln 2 in two parts: products of the first with whole numbers up to 2^12 are exact. */
#define WR_LN2_HIGH 0x1.62e42fefa4000p-1
#define WR_LN2_LOW (-0x1.8432a1b0e2634p-43)
#define WR_LOG2_E 0x1.71547652b82fep+0

/* ---- powers of e ---- */

/* x = n ln 2 + r with |r| <= ln 2 / 2: returns e^r - 1, leaves n + 2048. For |x| up to 800. */
WR_INLINE double wr_exp64_parts(double x, uint64_t *n) {
  const double shifted = x * WR_LOG2_E + WR_ROUNDER;
  const double k = shifted - WR_ROUNDER;
  const double high = x - k * WR_LN2_HIGH, low = k * WR_LN2_LOW;
  const double r = high - low;
  const double lost = (high - r) - low;
  double p = 0x1.1f7f27da618f1p-29;
  p = wr_horner3(p, r, 0x1.af4dea43cc39ep-26, 0x1.27e4d4192b23bp-22, 0x1.71de02312a642p-19);
  p = wr_horner3(p, r, 0x1.a01a01a9e9aaep-16, 0x1.a01a01abe824dp-13, 0x1.6c16c16c15a68p-10);
  p = wr_horner3(p, r, 0x1.11111111100dbp-7, 0x1.5555555555557p-5, 0x1.5555555555557p-3);
  p = p * r + 0.5;
  *n = (wr_f64_bits(shifted) + 2048) & 4095;
  return r + (p * r * r + lost);
}

/* 2^n in two factors, so that results near both ends of the range come out right. Past the bounds
   e^x is infinite or 0; a NaN passes both. */
WR_INLINE double f64_exp(double x) {
  double c = x > 710.0 ? 710.0 : x;
  c = c < -746.0 ? -746.0 : c;
  uint64_t n;
  const double p = wr_exp64_parts(c, &n);
  const uint64_t half = n >> 1;
  const double low = wr_f64_from_bits((half - 1) << 52);
  const double high = wr_f64_from_bits((n - half - 1) << 52);
  return (1.0 + p) * low * high;
}

/* 2 (2^(n - 1) (e^r - 1) + (2^(n - 1) - 1/2)), for x from -40 to 710. */
WR_INLINE double wr_expm1_64(double x) {
  uint64_t n;
  const double p = wr_exp64_parts(x, &n);
  const double half = wr_f64_from_bits((n - 2048 + 1022) << 52);
  return 2.0 * (p * half + (half - 0.5));
}

WR_INLINE double f64_expm1(double x) {
  double c = x > 710.0 ? 710.0 : x;
  c = c < -40.0 ? -40.0 : c;
  const double y = wr_expm1_64(c);
  return fabs(x) < 0x1p-54 ? x : y; /* also keeps the sign of 0 */
}

/* e / (1 + e) or 1 / (1 + e) for e = e^-|x|, which cannot overflow; less what 1 + e is rounded by,
   times that quotient and 1 / (1 + e), which is 1 less the first or the second itself. */
WR_INLINE double f64_sigmoid(double x) {
  const double e = f64_exp(-fabs(x));
  const double d = 1.0 + e;
  const double lost = (1.0 - d) + e;
  const double q = (x < 0.0 ? e : 1.0) / d;
  return q - q * (x < 0.0 ? 1.0 - q : q) * lost;
}

/* With t = e^(2|x|) - 1: while t is below 2, t / (t + 2), less what t + 2 is rounded by as above;
   from there on 1 - 2 / (t + 2). */
WR_INLINE double f64_tanh(double x) {
  const double a = fabs(x) > 22.0 ? 22.0 : fabs(x);
  const double t = wr_expm1_64(2.0 * a);
  const double d = t + 2.0;
  const double lost = (2.0 - d) + t;
  const double q = (t < 2.0 ? t : 2.0) / d;
  const double small = q - q * (0.5 - 0.5 * q) * lost;
  return copysign(t < 2.0 ? small : 1.0 - q, x);
}

/* ---- logarithms ---- */

/* x = 2^k (1 + f) with 1 + f between sqrt(1/2) and sqrt(2). */
struct wr_log64 {
  double k, f;
};

/* A subnormal x counts as 2^54 x. For x that is not positive and finite: anything. */
WR_INLINE struct wr_log64 wr_log64_parts(double x) {
  const uint64_t root_half = UINT64_C(0x3fe6a09e667f3bcd);
  const bool is_small = x < 0x1p-1022;
  const uint64_t bits = wr_f64_bits(is_small ? x * 0x1p54 : x);
  const uint64_t exponent = (bits - root_half + (UINT64_C(1024) << 52)) >> 52;
  const double k = wr_f64_from_bits(exponent | UINT64_C(0x4330000000000000)) - 0x1p52;
  const double m = wr_f64_from_bits(bits - (exponent << 52) + (UINT64_C(1024) << 52));
  return (struct wr_log64){k - (is_small ? 1078.0 : 1024.0), m - 1.0};
}

/* k ln 2 + log(1 + f) + more: log(1 + f) is f - f^2 / 2 and a rest, that of atanh's series in
   f / (2 + f). */
WR_INLINE double wr_log64_sum(struct wr_log64 l, double more) {
  const double s = l.f / (2.0 + l.f);
  const double z = s * s;
  double p = 0x1.2b5c60d039819p-3;
  p = wr_horner3(p, z, 0x1.39fe0564e6ca4p-3, 0x1.7462b7a2de7a9p-3, 0x1.c71c62da162a0p-3);
  p = wr_horner3(p, z, 0x1.2492492dfb337p-2, 0x1.999999999527dp-2, 0x1.5555555555558p-1);
  const double square = 0.5 * l.f * l.f;
  const double rest = s * (square + p * z);
  return l.k * WR_LN2_HIGH - ((square - (rest + (l.k * WR_LN2_LOW + more))) - l.f);
}

/* What the logarithms of all other numbers are, and of a positive one `finite`. */
WR_INLINE double wr_log64_result(double x, double finite) {
  const double infinity = (double)INFINITY;
  const double outside = x == 0.0 ? -infinity : x < 0.0 ? (double)NAN : x;
  return x > 0.0 && x < infinity ? finite : outside;
}

WR_INLINE double f64_log(double x) {
  return wr_log64_result(x, wr_log64_sum(wr_log64_parts(x), 0.0));
}

WR_INLINE double f64_log2(double x) {
  const struct wr_log64 l = wr_log64_parts(x);
  const double log_m = wr_log64_sum((struct wr_log64){0.0, l.f}, 0.0);
  return wr_log64_result(x, l.k + log_m * WR_LOG2_E);
}

/* The logarithm of m by ln 10, and k's of base 10 in two parts. */
WR_INLINE double f64_log10(double x) {
  const struct wr_log64 l = wr_log64_parts(x);
  const double log_m = wr_log64_sum((struct wr_log64){0.0, l.f}, 0.0);
  const double low = l.k * 0x1.fef311f12b358p-46 + log_m * 0x1.95355baaafad3p-57;
  return wr_log64_result(x, l.k * 0x1.34413509f7800p-2 + (log_m * 0x1.bcb7b1526e50ep-2 + low));
}

/* log(1 + x + low) + `more` ln 2 for x > -1 and a low far smaller than 1 + x. What 1 + x is rounded
   by goes into the sum; where its logarithm needs no k, f is x itself. */
WR_INLINE double wr_log1p64(double x, double low, double more) {
  const double u = 1.0 + x;
  const double lost = x < 1.0 ? x - (u - 1.0) : 1.0 - (u - x);
  const struct wr_log64 l = wr_log64_parts(u);
  const bool is_near = l.k == 0.0;
  const struct wr_log64 exact = {l.k + more, is_near ? x : l.f};
  return wr_log64_sum(exact, (is_near ? low : lost + low) / u);
}

WR_INLINE double f64_log1p(double x) {
  const double y = wr_log1p64(x, 0.0, 0.0);
  const double inside = fabs(x) < 0x1p-54 ? x : y;
  const double outside = x == -1.0 ? -(double)INFINITY : x < -1.0 ? (double)NAN : x;
  const bool is_inside = (x > -1.0) & (x < (double)INFINITY);
  return is_inside ? inside : outside;
}

/* ---- trigonometric functions ---- */

/* An angle in two parts, the second below the last digit of the first. */
struct wr_angle {
  double r, low;
  uint64_t quarter; /* the multiple of pi / 2 that was taken off; its low bits */
};

/* a - b and what that is rounded by. */
WR_INLINE double wr_difference(double a, double b, double *lost) {
  const double d = a - b;
  const double c = a - d;
  *lost = (a - (d + c)) + (c - b);
  return d;
}

/* Takes off multiples of pi / 2 in four parts: those of the first three are exact while |x| <=
   WR_TURN_LIMIT, and the first leaves no rounding. */
WR_INLINE struct wr_angle wr_turn64(double x) {
  const double shifted = x * 0x1.45f306dc9c883p-1 + WR_ROUNDER;
  const double n = shifted - WR_ROUNDER;
  double lost1, lost2;
  const double a = x - n * 0x1.921fb544p+0;
  const double b = wr_difference(a, n * 0x1.0b4611a6p-34, &lost1);
  const double c = wr_difference(b, n * 0x1.3198a2ep-69, &lost2);
  const double more = (lost1 + lost2) - n * 0x1.b839a252049c1p-104;
  const double r = c + more;
  return (struct wr_angle){r, (c - r) + more, wr_f64_bits(shifted)};
}

/* A number in two parts, as the angle. */
struct wr_pair64 {
  double y, low;
};

/* Of a number and one that is smaller. */
WR_INLINE struct wr_pair64 wr_sum64(double a, double b) {
  const double y = a + b;
  return (struct wr_pair64){y, (a - y) + b};
}

WR_INLINE struct wr_pair64 wr_sin64_series(double r, double low) {
  const double z = r * r;
  double p = 0x1.5e0b0f516cacbp-33;
  p = wr_horner3(p, z, -0x1.ae600ae816ae0p-26, 0x1.71de3796740e1p-19, -0x1.a01a019e839d7p-13);
  p = p * z + 0x1.1111111110bb2p-7;
  p = p * z - 0x1.5555555555555p-3;
  return wr_sum64(r, p * (z * r) + (low - 0.5 * z * low));
}

WR_INLINE struct wr_pair64 wr_cos64_series(double r, double low) {
  const double z = r * r;
  double p = -0x1.907d97ace1924p-37;
  p = wr_horner3(p, z, 0x1.1eeb68da438c7p-29, -0x1.27e4fa17cd3fep-22, 0x1.a01a019f4ea7cp-16);
  p = p * z - 0x1.6c16c16c16967p-10;
  p = p * z + 0x1.5555555555555p-5;
  const double half = 0.5 * z;
  const double first = 1.0 - half;
  return wr_sum64(first, ((1.0 - first) - half) + (p * (z * z) - r * low));
}

/* The sine of the angle and so many quarters more. */
WR_INLINE struct wr_pair64 wr_sin64_of(struct wr_angle a, uint64_t more) {
  const uint64_t quarter = a.quarter + more;
  const uint64_t sign = (quarter & 2) << 62;
  const struct wr_pair64 s = wr_sin64_series(a.r, a.low);
  const struct wr_pair64 c = wr_cos64_series(a.r, a.low);
  const double y = quarter & 1 ? c.y : s.y;
  const double low = quarter & 1 ? c.low : s.low;
  return (struct wr_pair64){wr_f64_from_bits(wr_f64_bits(y) ^ sign),
                            wr_f64_from_bits(wr_f64_bits(low) ^ sign)};
}

WR_INLINE double f64_near_sin(double x) {
  const double y = wr_sin64_of(wr_turn64(x), 0).y;
  return x == 0.0 ? x : y; /* keeps the sign of 0 */
}

WR_INLINE double f64_near_cos(double x) { return wr_sin64_of(wr_turn64(x), 1).y; }

WR_INLINE double f64_near_tan(double x) {
  const struct wr_angle a = wr_turn64(x);
  const struct wr_pair64 s = wr_sin64_of(a, 0), c = wr_sin64_of(a, 1);
  const double first = s.y / c.y;
  const double y = first + (s.low - first * c.low) / c.y;
  return x == 0.0 ? x : y;
}

#endif
