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

/* x = n ln 2 + r with |r| <= ln 2 / 2: returns e^r - 1, leaves n in the low 12 bits. For |x| up to
   800; of others anything, of a NaN that. */
WR_INLINE double wr_exp64_parts(double x, uint64_t *n) {
  const double shifted = wr_mul_add(x, WR_LOG2_E, WR_ROUNDER);
  const double k = shifted - WR_ROUNDER;
  const double high = wr_mul_add(k, -WR_LN2_HIGH, x);
  const double r = wr_mul_add(k, -WR_LN2_LOW, high);
  const double lost = wr_mul_add(k, -WR_LN2_LOW, high - r);
  double p = 0x1.1f7f27da618f1p-29;
  p = wr_horner3(p, r, 0x1.af4dea43cc39ep-26, 0x1.27e4d4192b23bp-22, 0x1.71de02312a642p-19);
  p = wr_horner3(p, r, 0x1.a01a01a9e9aaep-16, 0x1.a01a01abe824dp-13, 0x1.6c16c16c15a68p-10);
  p = wr_horner3(p, r, 0x1.11111111100dbp-7, 0x1.5555555555557p-5, 0x1.5555555555557p-3);
  p = wr_mul_add(p, r, 0.5);
  *n = wr_f64_bits(shifted);
  return r + wr_mul_add(p, r * r, lost);
}

/* 2^n for n from -1022 to 1023 in the low 12 bits. */
WR_INLINE double wr_power_of_2_64(uint64_t n) { return wr_f64_from_bits((n + 1023) << 52); }

/* As f32_exp. */
WR_INLINE double f64_exp(double x) {
  uint64_t n;
  const double p = wr_exp64_parts(x, &n);
  const uint64_t bits = wr_f64_bits(1.0 + p) + (n << 52);
  const double small = wr_f64_from_bits(bits + (UINT64_C(128) << 52)) * 0x1p-128;
  const double y = x < -700.0 ? small : wr_f64_from_bits(bits);
  const double high = x <= 0x1.62e42fefa39efp+9 ? y : x * (double)INFINITY;
  return x < -746.0 ? 0.0 : high;
}

/* 2 (2^(n - 1) (e^r - 1) + (2^(n - 1) - 1/2)), for x from -40 to 710. */
WR_INLINE double wr_expm1_64(double x) {
  uint64_t n;
  const double p = wr_exp64_parts(x, &n);
  const double half = wr_power_of_2_64(n - 1);
  return 2.0 * wr_mul_add(p, half, half - 0.5);
}

WR_INLINE double f64_expm1(double x) {
  const double y = wr_expm1_64(x);
  const double high = x > 710.0 ? (double)INFINITY : y;
  const double inside = x < -40.0 ? -1.0 : high;
  return fabs(x) < 0x1p-54 ? x : inside; /* also keeps the sign of 0 */
}

/* e / (1 + e) or 1 / (1 + e) for e = e^-|x|, which cannot overflow; less what 1 + e is rounded by,
   times that quotient and 1 / (1 + e), which is 1 less the first or the second itself. */
WR_INLINE double f64_sigmoid(double x) {
  const double e = f64_exp(-fabs(x));
  const double d = 1.0 + e;
  const double lost = (1.0 - d) + e;
  const double q = (x < 0.0 ? e : 1.0) / d;
  return wr_mul_add(q * (x < 0.0 ? 1.0 - q : q), -lost, q);
}

/* With t = e^(2|x|) - 1: while t is below 2, t / (t + 2), less what t + 2 is rounded by as above;
   from there on 1 - 2 / (t + 2). */
WR_INLINE double f64_tanh(double x) {
  const double a = fabs(x) > 22.0 ? 22.0 : fabs(x);
  const double t = wr_expm1_64(2.0 * a);
  const double d = t + 2.0;
  const double lost = (2.0 - d) + t;
  const double q = (t < 2.0 ? t : 2.0) / d;
  const double small = wr_mul_add(q * wr_mul_add(-0.5, q, 0.5), -lost, q);
  return copysign(t < 2.0 ? small : 1.0 - q, x);
}

/* ---- logarithms ---- */

/* x = 2^k (1 + f) with 1 + f between sqrt(1/2) and sqrt(2). */
struct wr_log64 {
  double k, f;
};

/* Returns f, leaves k + 1024. For x that is not positive, normal and finite: anything. */
WR_INLINE double wr_log64_normal(double x, uint64_t *exponent) {
  const uint64_t root_half = UINT64_C(0x3fe6a09e667f3bcd);
  const uint64_t bits = wr_f64_bits(x);
  *exponent = (bits - root_half + (UINT64_C(1024) << 52)) >> 52;
  return wr_f64_from_bits(bits - (*exponent << 52) + (UINT64_C(1024) << 52)) - 1.0;
}

/* An exponent of wr_log64_normal, or one less by up to 1023, as k: added to the bits of 2^52 + 1024
   it stays positive there. */
WR_INLINE double wr_log64_k(uint64_t exponent) {
  return wr_f64_from_bits(exponent + UINT64_C(0x4330000000000400)) - 0x1.00000000008p+52;
}

/* A subnormal x counts as 2^54 x. */
WR_INLINE struct wr_log64 wr_log64_parts(double x) {
  const bool is_small = x < 0x1p-1022;
  const uint64_t more = (uint64_t)is_small * 54;
  uint64_t exponent;
  const double f = wr_log64_normal(x * wr_power_of_2_64(more), &exponent);
  return (struct wr_log64){wr_log64_k(exponent - more), f};
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
  const double low = wr_mul_add(l.k, WR_LN2_LOW, more);
  const double rest = wr_mul_add(s, wr_mul_add(p, z, square), low);
  return wr_mul_add(l.k, WR_LN2_HIGH, -((square - rest) - l.f));
}

/* What the logarithms of all other numbers are, and of a positive one `finite`. */
WR_INLINE double wr_log64_result(double x, double finite) {
  const double infinity = (double)INFINITY;
  const double outside = x == 0.0 ? -infinity : (double)NAN;
  const double y = x > 0.0 ? finite : outside;
  return x < infinity ? y : x;
}

/* Whether x is positive, normal and finite: of these the functions f64_usual_* are the same. */
WR_INLINE bool f64_is_usual(double x) {
  return wr_f64_bits(x) - (UINT64_C(1) << 52) < UINT64_C(0x7fe) << 52;
}

WR_INLINE struct wr_log64 wr_log64_usual(double x) {
  uint64_t exponent;
  const double f = wr_log64_normal(x, &exponent);
  return (struct wr_log64){wr_log64_k(exponent), f};
}

WR_INLINE double f64_usual_log(double x) { return wr_log64_sum(wr_log64_usual(x), 0.0); }

WR_INLINE double f64_log(double x) {
  return wr_log64_result(x, wr_log64_sum(wr_log64_parts(x), 0.0));
}

WR_INLINE double wr_log2_64(struct wr_log64 l) {
  const double log_m = wr_log64_sum((struct wr_log64){0.0, l.f}, 0.0);
  return wr_mul_add(log_m, WR_LOG2_E, l.k);
}

WR_INLINE double f64_usual_log2(double x) { return wr_log2_64(wr_log64_usual(x)); }
WR_INLINE double f64_log2(double x) { return wr_log64_result(x, wr_log2_64(wr_log64_parts(x))); }

/* The logarithm of m by ln 10, and k's of base 10 in two parts. */
WR_INLINE double wr_log10_64(struct wr_log64 l) {
  const double log_m = wr_log64_sum((struct wr_log64){0.0, l.f}, 0.0);
  const double low = wr_mul_add(l.k, 0x1.fef311f12b358p-46, log_m * 0x1.95355baaafad3p-57);
  const double of_m = wr_mul_add(log_m, 0x1.bcb7b1526e50ep-2, low);
  return wr_mul_add(l.k, 0x1.34413509f7800p-2, of_m);
}

WR_INLINE double f64_usual_log10(double x) { return wr_log10_64(wr_log64_usual(x)); }
WR_INLINE double f64_log10(double x) { return wr_log64_result(x, wr_log10_64(wr_log64_parts(x))); }

/* log(1 + x + low) + `more` ln 2 for x > -1 and a low far smaller than 1 + x. What 1 + x is rounded
   by goes into the sum, over 1 + f. */
WR_INLINE double wr_log1p64(double x, double low, double more) {
  const double u = 1.0 + x;
  const double lost = x < 1.0 ? x - (u - 1.0) : 1.0 - (u - x);
  uint64_t exponent;
  const double f = wr_log64_normal(u, &exponent);
  const uint64_t down = exponent < 2046 ? exponent : 2046;
  const double rest = (lost + low) * wr_f64_from_bits((2047 - down) << 52); /* by 2^k */
  const struct wr_log64 l = {wr_log64_k(exponent) + more, f};
  return wr_log64_sum(l, wr_mul_add(-rest, f, rest));
}

WR_INLINE double f64_log1p(double x) {
  const double y = wr_log1p64(x, 0.0, 0.0);
  const double outside = x == -1.0 ? -(double)INFINITY : (double)NAN;
  const double number = x > -1.0 ? copysign(y, x) : outside; /* keeps the sign of 0 */
  return x < (double)INFINITY ? number : x;
}

/* ---- trigonometric functions ---- */

/* An angle in two parts, the second below the last digit of the first. */
struct wr_angle {
  double r, low;
  uint64_t quarter; /* the multiple of pi / 2 that was taken off; its low bits */
};

#if WR_HAS_FMA
/* Takes off multiples of pi / 2 in three parts. The first step is exact, as what is left has no
   bits below those of pi / 2's first part. The second product is one in two parts, and `a`,
   whatever its size, has no bits far below those of the first of them, so `lost` is exact. */
WR_INLINE struct wr_angle wr_turn64(double x) {
  const double shifted = wr_mul_add(x, 0x1.45f306dc9c883p-1, WR_ROUNDER);
  const double n = shifted - WR_ROUNDER;
  const double a = wr_mul_add(n, -0x1.921fb54442d18p+0, x);
  const double product = n * 0x1.1a62633145c07p-54;
  const double more = wr_mul_add(n, 0x1.1a62633145c07p-54, -product);
  const double b = a - product;
  const double lost = (a - b) - product;
  const double rest = wr_mul_add(n, 0x1.f1976b7ed8fbcp-110, lost - more);
  const double r = b + rest;
  return (struct wr_angle){r, (b - r) + rest, wr_f64_bits(shifted)};
}
#else
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
#endif

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
  p = wr_mul_add(p, z, 0x1.1111111110bb2p-7);
  p = wr_mul_add(p, z, -0x1.5555555555555p-3);
  return wr_sum64(r, wr_mul_add(p, z * r, wr_mul_add(-0.5 * z, low, low)));
}

WR_INLINE struct wr_pair64 wr_cos64_series(double r, double low) {
  const double z = r * r;
  double p = -0x1.907d97ace1924p-37;
  p = wr_horner3(p, z, 0x1.1eeb68da438c7p-29, -0x1.27e4fa17cd3fep-22, 0x1.a01a019f4ea7cp-16);
  p = wr_mul_add(p, z, -0x1.6c16c16c16967p-10);
  p = wr_mul_add(p, z, 0x1.5555555555555p-5);
  const double half = 0.5 * z;
  const double first = 1.0 - half;
  return wr_sum64(first, ((1.0 - first) - half) + wr_mul_add(p, z * z, -(r * low)));
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
  const double over = 1.0 / c.y;
#if WR_HAS_FMA
  const double first = s.y * over;
  const double left = wr_mul_add(-first, c.y, s.y) + wr_mul_add(-first, c.low, s.low);
#else
  const double first = s.y / c.y;
  const double left = s.low - first * c.low;
#endif
  const double y = wr_mul_add(left, over, first);
  return x == 0.0 ? x : y;
}

#endif
