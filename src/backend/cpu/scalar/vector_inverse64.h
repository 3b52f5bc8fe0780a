#ifndef WR_BACKEND_CPU_SCALAR_VECTOR_INVERSE64_H
#define WR_BACKEND_CPU_SCALAR_VECTOR_INVERSE64_H

/* The hyperbolic functions of float64, and the inverses of these and of the trigonometric ones: no
   calls, no branches, within 2 ulp, as vector_math64.h has the others; the forms are those of
   vector_exp.h, vector_log.h and vector_angle.h, the polynomials made in the same way. */

#include <math.h>

#include "backend/cpu/loop/loop.h"
#include "backend/cpu/scalar/vector_math64.h"

/* ---- hyperbolic functions ---- */

/* e^a / 4 for a >= 0 in two parts. What is infinite as a sinh is so at 710.6. */
WR_INLINE struct wr_pair64 wr_quarter_exp64(double a) {
  uint64_t n;
  const double p = wr_exp64_parts(a > 710.6 ? 710.6 : a, &n);
  const double scale = wr_power_of_2_64(n - 2);
  const double e = 1.0 + p;
  return (struct wr_pair64){e * scale, (p - (e - 1.0)) * scale};
}

/* Below 1 an odd polynomial, off by 2^-63. */
WR_INLINE double f64_sinh(double x) {
  const double a = fabs(x);
  const double z = a * a;
  double p = 0x1.b4c7589f1ba6bp-41;
  p = wr_horner3(p, z, 0x1.611a562549fc4p-33, 0x1.ae64671b023efp-26, 0x1.71de3a465b3efp-19);
  p = wr_horner3(p, z, 0x1.a01a01a02899ap-13, 0x1.11111111110a6p-7, 0x1.5555555555556p-3);
  const double small = wr_mul_add(p, z * a, a);
  const struct wr_pair64 h = wr_quarter_exp64(a);
  const double large = 2.0 * (h.y + (h.low - 0.0625 / h.y));
  return copysign(a < 1.0 ? small : large, x);
}

WR_INLINE double f64_cosh(double x) {
  const struct wr_pair64 h = wr_quarter_exp64(fabs(x));
  return 2.0 * (h.y + (h.low + 0.0625 / h.y));
}

/* log(1 + a + a^2 / (1 + sqrt(1 + a^2))), and from 2^60 on log 2a. */
WR_INLINE double f64_arcsinh(double x) {
  const double a = fabs(x);
  const bool is_large = a > 0x1p60;
  const double square = a * a;
  const double more = is_large ? 0.0 : square / (1.0 + sqrt(wr_mul_add(a, a, 1.0)));
  const double sum = a + more;
  const double y = wr_log1p64(sum, more - (sum - a), is_large ? 1.0 : 0.0);
  const double inside = a < 0x1p-27 ? a : y;
  return copysign(a < (double)INFINITY ? inside : a, x);
}

/* log(1 + t + sqrt(2 t + t^2)) for t = x - 1, and from 2^60 on log 2x. */
WR_INLINE double f64_arccosh(double x) {
  const bool is_large = x > 0x1p60;
  const double t = x - 1.0;
  const double root = is_large ? 0.0 : sqrt(wr_mul_add(t, t, 2.0 * t));
  const double sum = root + t;
  const double low = is_large ? 0.0 : t - (sum - root);
  const double y = wr_log1p64(sum, low, is_large ? 1.0 : 0.0);
  const double outside = x < 1.0 ? (double)NAN : x;
  const bool is_inside = (x >= 1.0) & (x < (double)INFINITY);
  return is_inside ? y : outside;
}

/* log(1 + 2 a + 2 a^2 / (1 - a)) / 2 */
WR_INLINE double f64_arctanh(double x) {
  const double a = fabs(x), twice = 2.0 * a;
  const double more = twice * a / (1.0 - a);
  const double sum = twice + more;
  const double greater = twice > more ? twice : more, least = twice > more ? more : twice;
  const double y = 0.5 * wr_log1p64(sum, least - (sum - greater), 0.0);
  const double outside = a == 1.0 ? (double)INFINITY : (double)NAN;
  const double inside = a < 0x1p-28 ? a : y;
  return copysign(a < 1.0 ? inside : outside, x);
}

/* ---- angles of numbers ---- */

/* pi / 4 in two parts: small multiples of the first are exact. */
#define WR_QUARTER_PI64_HIGH 0x1.921fb54442d00p-1
#define WR_QUARTER_PI64_LOW 0x1.8469898cc5170p-49
#define WR_HALF_PI64_LOW 0x1.1a62633145c07p-54

/* The angle of `least` over `most`, or, where that is above 1/2, pi / 4 and that of their
   difference over their sum; by a polynomial that is off by 2^-57. Then by octants: `down` is -1
   where that is taken from pi / 2, and `left` where the result is from pi, else 1. Numbers, since
   compilers make branches of conditions that are used again. Halves keep sums finite. */
WR_INLINE double wr_octants64(double least, double most, double down, double left) {
  const double part = most > 0x1p1000 ? 0.5 : 1.0;
  const double a = part * least, b = part * most;
  const bool is_near = a + a > (b < 0x1.fffffffffffffp+1023 ? b : 0x1.fffffffffffffp+1023);
  const double q = (is_near ? a - b : a) / (is_near ? a + b : b);
  const double t = least == most ? 0.0 : q; /* of 0 and of infinity too */
  const double z = t * t;
  double p = 0x1.4b5829c7bf3e9p-7;
  p = wr_mul_add(p, z, -0x1.c1607c7ce68fap-6);
  p = wr_mul_add(p, z, 0x1.56ec04ce2e782p-5);
  p = wr_horner3(p, z, -0x1.a394ec36fa025p-5, 0x1.dfe8afa9e58b7p-5, -0x1.10f310518e5efp-4);
  p = wr_horner3(p, z, 0x1.3b113c4e50ae3p-4, -0x1.745cf4b38af8ap-4, 0x1.c71c708ff721bp-4);
  p = wr_horner3(p, z, -0x1.249249215b1c8p-3, 0x1.99999999910c1p-3, -0x1.5555555555516p-2);
  const double rest = p * z * t;
  const double first = is_near ? 1.0 : 0.0; /* of pi / 4 */
  const double second = wr_mul_add(down, first, 1.0 - down);
  const double third = wr_mul_add(left, second, wr_mul_add(-2.0, left, 2.0));
  const double sign = down * left;
  const double low = wr_mul_add(third, WR_QUARTER_PI64_LOW, sign * rest);
  return wr_mul_add(third, WR_QUARTER_PI64_HIGH, wr_mul_add(sign, t, low));
}

WR_INLINE double f64_arctan(double x) {
  const double a = fabs(x);
  const bool steep = a > 1.0;
  const double down = steep ? -1.0 : 1.0;
  return copysign(wr_octants64(steep ? 1.0 : a, steep ? a : 1.0, down, 1.0), x);
}

WR_INLINE double f64_arctan2(double y, double x) {
  const double a = fabs(x), b = fabs(y);
  const bool steep = b > a;
  const double down = steep ? -1.0 : 1.0;
  const double angle = wr_octants64(steep ? a : b, steep ? b : a, down, copysign(1.0, x));
  const bool is_nan = (x != x) | (y != y);
  return is_nan ? x + y : copysign(angle, y);
}

/* (asin(s) - s) / s for s^2 = z up to 1/4, off by 2^-59 of 1. */
WR_INLINE double wr_asin64_rest(double z) {
  double p = 0x1.0b4fc7822a5bap-5;
  p = wr_horner3(p, z, -0x1.581aab71c5d98p-6, 0x1.63b155667b315p-6, 0x1.e5afb177a6ba1p-9);
  p = wr_horner3(p, z, 0x1.614145eeb58aap-7, 0x1.7584ab9f86296p-7, 0x1.ca1fa99ba5dbbp-7);
  p = wr_horner3(p, z, 0x1.1c49ef20e0047p-6, 0x1.6e8bdef3096dbp-6, 0x1.f1c71a943853cp-6);
  p = wr_horner3(p, z, 0x1.6db6db72149b2p-5, 0x1.333333332e0f9p-4, 0x1.5555555555577p-3);
  return p * z;
}

#define WR_HALF_PI64 0x1.921fb54442d18p+0

/* Above 1/2 it is pi / 2 less twice the arcsine of sqrt((1 - a) / 2). */
WR_INLINE double f64_arcsin(double x) {
  const double a = fabs(x);
  const bool steep = a > 0.5;
  const double z = steep ? wr_mul_add(-0.5, a, 0.5) : a * a;
  const double s = steep ? sqrt(z) : a;
  const double rest = wr_asin64_rest(z) * s;
  const double quarter = 0.5 * WR_HALF_PI64;
  const double large =
      quarter + (wr_mul_add(-2.0, s, quarter) - wr_mul_add(2.0, rest, -WR_HALF_PI64_LOW));
  return copysign(steep ? large : s + rest, x);
}

WR_INLINE double f64_arccos(double x) {
  const double a = fabs(x);
  const bool steep = a > 0.5;
  const double z = steep ? wr_mul_add(-0.5, a, 0.5) : a * a;
  const double s = steep ? sqrt(z) : x;
  const double rest = wr_asin64_rest(z) * s;
  const double middle = WR_HALF_PI64 - (s - (WR_HALF_PI64_LOW - rest));
  const double small = 2.0 * (s + rest);
  const double large = 2.0 * (WR_HALF_PI64 - (s + (rest - WR_HALF_PI64_LOW)));
  return steep ? (x < 0.0 ? large : small) : middle;
}

#endif
