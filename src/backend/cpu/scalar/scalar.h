#ifndef WR_BACKEND_CPU_SCALAR_SCALAR_H
#define WR_BACKEND_CPU_SCALAR_SCALAR_H

/* Elementwise functions of single values: <compute type>_<operation>, for f32, f64 and c64 (those
   of the integers are in their templates). The rows and the steps of groups loop over them. */

#include <complex.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "backend/cpu/loop/loop.h"
#include "backend/cpu/scalar/integer.h"
#include "backend/cpu/scalar/vector_angle.h"
#include "backend/cpu/scalar/vector_exp.h"
#include "backend/cpu/scalar/vector_inverse64.h"
#include "backend/cpu/scalar/vector_log.h"
#include "backend/cpu/scalar/vector_math.h"
#include "backend/cpu/scalar/vector_math64.h"

/* Far angles need more of pi than a loop without calls can afford. */
WR_INLINE bool f32_is_far(float x) { return fabsf(x) > WR_TURN_LIMIT; }
WR_INLINE float f32_sin(float x) { return f32_is_far(x) ? sinf(x) : wr_near_sin(x); }
WR_INLINE float f32_cos(float x) { return f32_is_far(x) ? cosf(x) : wr_near_cos(x); }
WR_INLINE float f32_tan(float x) { return f32_is_far(x) ? tanf(x) : wr_near_tan(x); }
WR_INLINE float f32_near_sin(float x) { return wr_near_sin(x); }
WR_INLINE float f32_near_cos(float x) { return wr_near_cos(x); }
WR_INLINE float f32_near_tan(float x) { return wr_near_tan(x); }

/* Far quotients need a long division. */
WR_INLINE float f32_remainder(float a, float b) {
  return f32_is_far_pair(a, b) ? wr_signed_remainder(fmodf(a, b), b) : f32_near_remainder(a, b);
}

WR_INLINE bool f64_is_far(double x) { return fabs(x) > (double)WR_TURN_LIMIT; }
WR_INLINE double f64_sin(double x) { return f64_is_far(x) ? sin(x) : f64_near_sin(x); }
WR_INLINE double f64_cos(double x) { return f64_is_far(x) ? cos(x) : f64_near_cos(x); }
WR_INLINE double f64_tan(double x) { return f64_is_far(x) ? tan(x) : f64_near_tan(x); }
WR_INLINE double f64_erf(double x) { return erf(x); }
WR_INLINE double f64_power(double a, double b) { return pow(a, b); }

/* The sign of the divisor, as Python's. */
WR_INLINE double f64_remainder(double a, double b) {
  double r = fmod(a, b);
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

#define CT f32
#define CM f
#include "backend/cpu/scalar/scalar_float.h"
#define CT f64
#define CM
#include "backend/cpu/scalar/scalar_float.h"

double wr_cpu_erfinv_f64(double x);
WR_INLINE double f64_erfinv(double x) { return wr_cpu_erfinv_f64(x); }

/* complex64 through C's own complex type, of the same layout. */
WR_INLINE float complex c64_to_c(wr_complex64 x) {
  float complex z;
  memcpy(&z, &x, sizeof z);
  return z;
}
WR_INLINE wr_complex64 c64_from_c(float complex z) {
  wr_complex64 x;
  memcpy(&x, &z, sizeof x);
  return x;
}

WR_INLINE float c64_abs(wr_complex64 x) { return hypotf(x.re, x.im); }
WR_INLINE bool c64_isnan(wr_complex64 x) { return x.re != x.re || x.im != x.im; }
WR_INLINE bool c64_isinf(wr_complex64 x) { return f32_isinf(x.re) || f32_isinf(x.im); }
WR_INLINE bool c64_isfinite(wr_complex64 x) { return f32_isfinite(x.re) && f32_isfinite(x.im); }

/* Whether x is the given infinity and 0 i. */
WR_INLINE bool c64_isneginf(wr_complex64 x) { return x.re == -INFINITY && x.im == 0; }
WR_INLINE bool c64_isposinf(wr_complex64 x) { return x.re == INFINITY && x.im == 0; }
WR_INLINE float c64_imag(wr_complex64 x) { return x.im; }
WR_INLINE float c64_real(wr_complex64 x) { return x.re; }

/* Those that C's library has, by its names. */
#define C64(name, f) \
  WR_INLINE wr_complex64 c64_##name(wr_complex64 x) { return c64_from_c(f(c64_to_c(x))); }
C64(arccos, cacosf)
C64(arccosh, cacoshf)
C64(arcsin, casinf)
C64(arcsinh, casinhf)
C64(arctan, catanf)
C64(arctanh, catanhf)
C64(cosh, ccoshf)
C64(sinh, csinhf)
C64(cos, ccosf)
C64(exp, cexpf)
C64(log, clogf)
C64(sin, csinf)
C64(sqrt, csqrtf)
C64(tan, ctanf)
C64(tanh, ctanhf)
#undef C64

WR_INLINE wr_complex64 c64_conjugate(wr_complex64 x) { return (wr_complex64){x.re, -x.im}; }
WR_INLINE wr_complex64 c64_negative(wr_complex64 x) { return (wr_complex64){-x.re, -x.im}; }
WR_INLINE wr_complex64 c64_round(wr_complex64 x) {
  return (wr_complex64){rintf(x.re), rintf(x.im)};
}
WR_INLINE wr_complex64 c64_reciprocal(wr_complex64 x) { return c64_from_c(1.0f / c64_to_c(x)); }
WR_INLINE wr_complex64 c64_rsqrt(wr_complex64 x) { return c64_from_c(1.0f / csqrtf(c64_to_c(x))); }

WR_INLINE wr_complex64 c64_log2(wr_complex64 x) {
  wr_complex64 l = c64_log(x);
  return (wr_complex64){l.re * 0x1.715476p+0f, l.im * 0x1.715476p+0f};
}

WR_INLINE wr_complex64 c64_log10(wr_complex64 x) {
  wr_complex64 l = c64_log(x);
  return (wr_complex64){l.re * 0x1.bcb7b2p-2f, l.im * 0x1.bcb7b2p-2f};
}

/* |1 + x|^2 = 1 + re (2 + re) + im^2, so that a small x keeps its digits; near x = -1 that would
   lose them, and the distance from there has them. */
WR_INLINE wr_complex64 c64_log1p(wr_complex64 x) {
  double re = x.re;
  double im = x.im;
  double square = re * (2 + re) + im * im;
  double size = square < -0.5 ? log(hypot(1 + re, im)) : 0.5 * log1p(square);
  return (wr_complex64){(float)size, (float)atan2(im, 1 + re)};
}

/* In double, in which the magnitude is finite. */
WR_INLINE wr_complex64 c64_sign(wr_complex64 x) {
  double r = hypot((double)x.re, (double)x.im);
  return r == 0 ? x : (wr_complex64){(float)(x.re / r), (float)(x.im / r)};
}

WR_INLINE wr_complex64 c64_add(wr_complex64 a, wr_complex64 b) {
  return (wr_complex64){a.re + b.re, a.im + b.im};
}
WR_INLINE wr_complex64 c64_subtract(wr_complex64 a, wr_complex64 b) {
  return (wr_complex64){a.re - b.re, a.im - b.im};
}
WR_INLINE wr_complex64 c64_multiply(wr_complex64 a, wr_complex64 b) {
  return (wr_complex64){a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}
WR_INLINE wr_complex64 c64_square(wr_complex64 x) { return c64_multiply(x, x); }
WR_INLINE wr_complex64 c64_divide(wr_complex64 a, wr_complex64 b) {
  return c64_from_c(c64_to_c(a) / c64_to_c(b));
}
/* exp(b log a) in double. To the power of 0 all is 1, as for real numbers, and 0 to a power with a
   positive real part is 0; the logarithm knows neither. */
WR_INLINE wr_complex64 c64_power(wr_complex64 a, wr_complex64 b) {
  if (b.re == 0 && b.im == 0) return (wr_complex64){1, 0};
  if (a.re == 0 && a.im == 0 && b.re > 0) return (wr_complex64){0, 0};
  return c64_from_c((float complex)cpow((double complex)c64_to_c(a), (double complex)c64_to_c(b)));
}

WR_INLINE bool c64_equal(wr_complex64 a, wr_complex64 b) { return a.re == b.re && a.im == b.im; }
WR_INLINE bool c64_not_equal(wr_complex64 a, wr_complex64 b) { return !c64_equal(a, b); }
WR_INLINE bool c64_equal_nan(wr_complex64 a, wr_complex64 b) {
  return c64_equal(a, b) || (c64_isnan(a) && c64_isnan(b));
}
/* By real, then imaginary part. */
WR_INLINE bool c64_less(wr_complex64 a, wr_complex64 b) {
  return a.re < b.re || (a.re == b.re && a.im < b.im);
}
WR_INLINE bool c64_less_equal(wr_complex64 a, wr_complex64 b) {
  return a.re < b.re || (a.re == b.re && a.im <= b.im);
}
WR_INLINE bool c64_greater(wr_complex64 a, wr_complex64 b) { return c64_less(b, a); }
WR_INLINE bool c64_greater_equal(wr_complex64 a, wr_complex64 b) { return c64_less_equal(b, a); }
WR_INLINE wr_complex64 c64_maximum(wr_complex64 a, wr_complex64 b) {
  return c64_isnan(a) || c64_greater(a, b) ? a : b;
}
WR_INLINE wr_complex64 c64_minimum(wr_complex64 a, wr_complex64 b) {
  return c64_isnan(a) || c64_less(a, b) ? a : b;
}

/* log(e^a + e^b) from the one that is greater in the order of complex numbers. */
WR_INLINE wr_complex64 c64_logaddexp(wr_complex64 a, wr_complex64 b) {
  if (c64_isnan(a) || c64_isnan(b)) return (wr_complex64){NAN, NAN};
  wr_complex64 most = c64_maximum(a, b), least = c64_minimum(a, b);
  if (least.re == -INFINITY || most.re == INFINITY) return most;
  return c64_add(most, c64_log1p(c64_exp(c64_subtract(least, most))));
}

#endif
