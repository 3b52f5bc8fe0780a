/* Elementwise functions of single values, op_<operation>, for float, double, complex64 and the whole
   numbers. Where C leaves a result undefined it is defined, as on the CPU: overflow wraps, a
   remainder by 0 is 0, a negative power of a whole number is 1, -1 or 0. Complex functions go
   through double and round once. */

/* What is one expression. */
#define ONE(result, name, value) \
  template <class C>             \
  INLINE result op_##name(C x) { \
    return value;                \
  }
#define TWO(result, name, value)      \
  template <class C>                  \
  INLINE result op_##name(C a, C b) { \
    return value;                     \
  }

template <class C>
struct is_signed {
  static const bool value = (C)-1 < (C)0;
};

/* ---- whole numbers: any type that no overload below takes ---- */

ONE(C, negative, (C)(0 - (u64)x))
ONE(C, abs, x < 0 ? op_negative(x) : x)
ONE(C, sign, (C)((x > 0) - (x < 0)))
ONE(C, square, (C)((u64)x * (u64)x))
ONE(C, ceil, x)
ONE(C, floor, x)
ONE(C, round, x)
ONE(bool, isfinite, true)
ONE(bool, isinf, false)
ONE(bool, isnan, false)
ONE(bool, logical_not, x == 0)

TWO(C, add, (C)((u64)a + (u64)b))
TWO(C, subtract, (C)((u64)a - (u64)b))
TWO(C, multiply, (C)((u64)a * (u64)b))
TWO(C, maximum, a > b ? a : b)
TWO(C, minimum, a < b ? a : b)
template <class C>
INLINE C op_remainder(C a, C b) {
  if (b == 0 || (is_signed<C>::value && b == (C)-1)) return 0;
  C r = (C)(a % b);
  return (C)(r != 0 && (r < 0) != (b < 0) ? r + b : r);
}

/* By squaring, modulo 2^64: the low bits are right for every narrower type. */
INLINE u64 power_of(u64 base, u64 exponent) {
  u64 result = 1;
  for (; exponent != 0; exponent >>= 1) {
    if (exponent & 1u) result *= base;
    base *= base;
  }
  return result;
}

template <class C>
INLINE C op_power(C a, C b) {
  if (b < 0) return (C)(a == 1 ? 1 : a == (C)-1 ? (b & 1 ? -1 : 1) : 0);
  return (C)power_of((u64)a, (u64)b);
}
TWO(bool, equal, a == b)
TWO(bool, equal_nan, a == b || (a != a && b != b))
TWO(bool, not_equal, a != b)
TWO(bool, greater, a > b)
TWO(bool, greater_equal, a >= b)
TWO(bool, less, a < b)
TWO(bool, less_equal, a <= b)
TWO(bool, logical_and, (a != 0) & (b != 0))
TWO(bool, logical_or, (a != 0) | (b != 0))

TWO(C, bitwise_and, (C)(a & b))
TWO(C, bitwise_or, (C)(a | b))
TWO(C, bitwise_xor, (C)(a ^ b))
/* A count that is negative or past the width shifts everything out. */
TWO(C, left_shift, (C)((u64)b < 8 * sizeof(C) ? (u64)a << ((u64)b & 63) : 0))
template <class C>
INLINE C op_right_shift(C a, C b) {
  const u64 width = 8 * sizeof(C);
  if (is_signed<C>::value) return (C)(a >> (int)((u64)b < width ? (u64)b : width - 1));
  return (C)((u64)b < width ? a >> (int)((u64)b & 63) : 0);
}
/* The smallest integer by -1 wraps to itself. */
template <class C>
INLINE C op_floor_divide(C a, C b) {
  if (b == 0) return 0;
  if (is_signed<C>::value && b == (C)-1) return (C)(0 - (u64)a);
  const C q = (C)(a / b);
  return (C)(a % b != 0 && (a < 0) != (b < 0) ? q - 1 : q);
}
ONE(bool, isneginf, false)
ONE(bool, isposinf, false)
ONE(C, bitwise_invert, (C)~x)

#undef ONE
#undef TWO

/* ---- float and double ---- */

/* A row for both types: a function of CUDA's for each, or the same words. */
#define REAL(name, for_float, for_double)                  \
  INLINE float op_##name(float x) { return for_float(x); } \
  INLINE double op_##name(double x) { return for_double(x); }
#define SAME(name, value)                           \
  INLINE float op_##name(float x) { return value; } \
  INLINE double op_##name(double x) { return value; }
#define TEST(name, value)                          \
  INLINE bool op_##name(float x) { return value; } \
  INLINE bool op_##name(double x) { return value; }
#define PAIR(name, value)                                    \
  INLINE float op_##name(float a, float b) { return value; } \
  INLINE double op_##name(double a, double b) { return value; }

INLINE float infinity_like(float) { return __int_as_float(0x7f800000); }
INLINE double infinity_like(double) { return __longlong_as_double(0x7ff0000000000000ll); }
INLINE float remainder_of(float a, float b) { return fmodf(a, b); }
INLINE double remainder_of(double a, double b) { return fmod(a, b); }

REAL(abs, fabsf, fabs)
REAL(arccos, acosf, acos)
REAL(arccosh, acoshf, acosh)
REAL(arcsin, asinf, asin)
REAL(arcsinh, asinhf, asinh)
REAL(arctan, atanf, atan)
REAL(arctanh, atanhf, atanh)
REAL(ceil, ceilf, ceil)
REAL(cos, cosf, cos)
REAL(cosh, coshf, cosh)
REAL(erf, erff, erf)
REAL(erfinv, erfinvf, erfinv)
REAL(exp, expf, exp)
REAL(expm1, expm1f, expm1)
REAL(floor, floorf, floor)
REAL(log, logf, log)
REAL(log10, log10f, log10)
REAL(log1p, log1pf, log1p)
REAL(log2, log2f, log2)
REAL(round, rintf, rint)
REAL(sin, sinf, sin)
REAL(sinh, sinhf, sinh)
REAL(sqrt, sqrtf, sqrt)
REAL(tan, tanf, tan)
REAL(tanh, tanhf, tanh)
SAME(negative, -x)
SAME(reciprocal, 1 / x)
SAME(rsqrt, 1 / op_sqrt(x))
SAME(sign, (x > 0) - (x < 0))
SAME(square, x * x)
TEST(isnan, x != x)
TEST(isinf, op_abs(x) == infinity_like(x))
TEST(isfinite, op_abs(x) < infinity_like(x))
TEST(isneginf, x < 0 && op_isinf(x))
TEST(isposinf, x > 0 && op_isinf(x))
PAIR(add, a + b)
PAIR(subtract, a - b)
PAIR(multiply, a * b)
PAIR(divide, a / b)
PAIR(floor_divide, op_floor(a / b))
PAIR(maximum, a != a || a > b ? a : b)
PAIR(minimum, a != a || a < b ? a : b)

/* exp is taken of -|x|, which cannot overflow. */
template <class T>
INLINE T sigmoid_of(T x) {
  const T e = op_exp(-op_abs(x));
  return (x < 0 ? e : 1) / (1 + e);
}
SAME(sigmoid, sigmoid_of(x))

/* The sign of the divisor. */
template <class T>
INLINE T signed_remainder(T a, T b) {
  const T r = remainder_of(a, b);
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}
PAIR(remainder, signed_remainder(a, b))

INLINE float op_arctan2(float a, float b) { return atan2f(a, b); }
INLINE double op_arctan2(double a, double b) { return atan2(a, b); }
INLINE float op_power(float a, float b) { return powf(a, b); }
INLINE double op_power(double a, double b) { return pow(a, b); }

/* log(e^a + e^b) from the greater one; equal infinities are what they are. */
template <class T>
INLINE T log_of_sum(T a, T b) {
  if (a != a || b != b) return a + b;
  const T most = a > b ? a : b;
  return op_isinf(most) ? most : most + op_log1p(op_exp(-op_abs(a - b)));
}
PAIR(logaddexp, log_of_sum(a, b))
#undef REAL
#undef SAME
#undef TEST
#undef PAIR

/* ---- complex64 ---- */

/* 1 or 0 in the place of an infinite or a finite part, and 0 in that of a NaN. */
INLINE double boxed(double x) { return copysign(isinf(x) ? 1.0 : 0.0, x); }
INLINE double without_nan(double x) { return x != x ? copysign(0.0, x) : x; }

/* An infinite factor makes an infinite product, also where its parts cancel to NaN. */
INLINE z128 z_multiply(z128 a, z128 b) {
  const z128 p = make_z128(a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re);
  const bool a_infinite = isinf(a.re) || isinf(a.im), b_infinite = isinf(b.re) || isinf(b.im);
  if (p.re == p.re || p.im == p.im || !(a_infinite || b_infinite)) return p;
  if (a_infinite) a = make_z128(boxed(a.re), boxed(a.im));
  if (b_infinite) b = make_z128(boxed(b.re), boxed(b.im));
  a = make_z128(without_nan(a.re), without_nan(a.im));
  b = make_z128(without_nan(b.re), without_nan(b.im));
  const double infinity = __longlong_as_double(0x7ff0000000000000ll);
  return make_z128(infinity * (a.re * b.re - a.im * b.im), infinity * (a.re * b.im + a.im * b.re));
}

/* Infinite by finite is infinite and finite by infinite 0, also where parts cancel to NaN. */
INLINE z128 z_divide(z128 a, z128 b) {
  /* Floats squared neither overflow nor vanish in double. */
  double d = b.re * b.re + b.im * b.im, factor = 1 / d;
  if (d == 0 && !(b.re != b.re) && !(b.im != b.im)) return make_z128(a.re / fabs(b.re), a.im / fabs(b.re));
  const z128 q = make_z128((a.re * b.re + a.im * b.im) / d, (a.im * b.re - a.re * b.im) / d);
  const bool a_infinite = isinf(a.re) || isinf(a.im), b_infinite = isinf(b.re) || isinf(b.im);
  if (q.re == q.re || q.im == q.im || a_infinite == b_infinite) return q;
  if (a_infinite ? b.re != b.re || b.im != b.im : a.re != a.re || a.im != a.im) return q;
  if (a_infinite) {
    a = make_z128(boxed(a.re), boxed(a.im));
    factor = __longlong_as_double(0x7ff0000000000000ll);
  } else {
    b = make_z128(boxed(b.re), boxed(b.im));
    factor = 0;
  }
  return make_z128(factor * (a.re * b.re + a.im * b.im), factor * (a.im * b.re - a.re * b.im));
}

/* A factor that is exactly 0 makes 0, also beside an infinite one or a NaN. */
INLINE double times(double a, double b) {
  return a == 0 || b == 0 ? copysign(0.0, a) * copysign(1.0, b) : a * b;
}

INLINE z128 z_exp(z128 x) {
  double e = exp(x.re);
  if (x.im == 0) return make_z128(e, x.im);
  if (isinf(x.re) && !(fabs(x.im) < __longlong_as_double(0x7ff0000000000000ll))) {
    return x.re > 0 ? make_z128(x.re, x.im - x.im) : make_z128(0, 0);
  }
  return make_z128(times(e, cos(x.im)), times(e, sin(x.im)));
}

INLINE z128 z_log(z128 x) { return make_z128(log(hypot(x.re, x.im)), atan2(x.im, x.re)); }

/* Special values here and in cosh and sinh: C11, annex G. */
INLINE z128 z_sqrt(z128 x) {
  if (x.re == 0 && x.im == 0) return make_z128(0, x.im);
  if (isinf(x.im)) return make_z128(fabs(x.im), x.im);
  if (isinf(x.re)) {
    const double zero = fabs(x.im - x.im); /* or NaN */
    return x.re > 0 ? make_z128(x.re, copysign(zero, x.im)) : make_z128(zero, copysign(x.re, x.im));
  }
  double r = hypot(x.re, x.im);
  double s = sqrt(0.5 * (r + fabs(x.re)));
  double t = fabs(x.im) / (2 * s);
  if (x.re >= 0) return make_z128(s, copysign(t, x.im));
  return make_z128(t, copysign(s, x.im));
}

INLINE z128 z_tanh(z128 x) {
  /* Past that the result is 1 to all digits of a float. */
  if (fabs(x.re) > 25) return make_z128(copysign(1.0, x.re), copysign(0.0, sin(2 * x.im)));
  double d = cosh(2 * x.re) + cos(2 * x.im);
  return make_z128(sinh(2 * x.re) / d, sin(2 * x.im) / d);
}

/* An infinite real part beside an imaginary one that is not finite: only the size is known. */
INLINE bool is_lost(z128 x) { return isinf(x.re) && x.im - x.im != 0; }

INLINE z128 z_cosh(z128 x) {
  if (is_lost(x)) return make_z128(fabs(x.re), x.im - x.im);
  return make_z128(times(cosh(x.re), cos(x.im)), times(sinh(x.re), sin(x.im)));
}

INLINE z128 z_sinh(z128 x) {
  if (is_lost(x)) return make_z128(x.re, x.im - x.im);
  return make_z128(times(sinh(x.re), cos(x.im)), times(cosh(x.re), sin(x.im)));
}

INLINE bool z_isinf(z128 x) { return isinf(x.re) || isinf(x.im); }
/* The angle above the axis of one that is infinite; C11, annex G has the results. */
INLINE double z_far_angle(z128 x) {
  return atan2(isinf(x.im) ? 1 : 0 * fabs(x.im), isinf(x.re) ? copysign(1.0, x.re) : 0 * x.re);
}

/* Kahan, "Branch cuts for complex elementary functions", with his products of two square roots,
   which put each sign on the right side of the cuts. */
INLINE z128 z_arcsinh(z128 x) {
  if (z_isinf(x)) {
    const double angle = z_far_angle(make_z128(fabs(x.re), x.im));
    return make_z128(copysign(hypot(x.re, x.im), x.re), copysign(angle, x.im));
  }
  const z128 a = z_sqrt(make_z128(1 + x.im, -x.re)), b = z_sqrt(make_z128(1 - x.im, x.re));
  return make_z128(asinh(a.re * b.im - a.im * b.re), atan2(x.im, a.re * b.re - a.im * b.im));
}
INLINE z128 z_arccos(z128 x) {
  if (z_isinf(x)) return make_z128(z_far_angle(x), -copysign(hypot(x.re, x.im), x.im));
  const z128 a = z_sqrt(make_z128(1 - x.re, -x.im)), b = z_sqrt(make_z128(1 + x.re, x.im));
  return make_z128(2 * atan2(a.re, b.re), asinh(b.re * a.im - b.im * a.re));
}
INLINE z128 z_arccosh(z128 x) {
  if (z_isinf(x)) return make_z128(hypot(x.re, x.im), copysign(z_far_angle(x), x.im));
  const z128 a = z_sqrt(make_z128(x.re - 1, x.im)), b = z_sqrt(make_z128(x.re + 1, x.im));
  return make_z128(asinh(a.re * b.re + a.im * b.im), 2 * atan2(a.im, b.re));
}
/* log((1 + x) / (1 - x)) / 2: the size from 4 re / |1 - x|^2, which keeps a small one's digits. */
INLINE z128 z_arctanh(z128 x) {
  if (z_isinf(x)) {
    return make_z128(copysign(0.0, x.re), x.im != x.im ? x.im : copysign(1.5707963267948966, x.im));
  }
  const double far = 1 - x.re, square = far * far + x.im * x.im;
  const double re = 0.25 * log1p(4 * x.re / square);
  const double im = 0.5 * atan2(2 * x.im, far * (1 + x.re) - x.im * x.im);
  return make_z128(re, im);
}

INLINE float op_abs(c64 x) { return hypotf(x.re, x.im); }
INLINE bool op_isnan(c64 x) { return x.re != x.re || x.im != x.im; }
INLINE bool op_isinf(c64 x) { return op_isinf(x.re) || op_isinf(x.im); }
INLINE bool op_isfinite(c64 x) { return op_isfinite(x.re) && op_isfinite(x.im); }
INLINE c64 op_exp(c64 x) { return narrow(z_exp(widen(x))); }
INLINE c64 op_log(c64 x) { return narrow(z_log(widen(x))); }
INLINE c64 op_sqrt(c64 x) { return narrow(z_sqrt(widen(x))); }
INLINE c64 op_tanh(c64 x) { return narrow(z_tanh(widen(x))); }
INLINE c64 op_negative(c64 x) { return make_c64(-x.re, -x.im); }
INLINE c64 op_round(c64 x) { return make_c64(rintf(x.re), rintf(x.im)); }
INLINE z128 times_i(c64 x) { return make_z128(-(double)x.im, (double)x.re); }
INLINE c64 by_minus_i(z128 x) { return make_c64((float)x.im, (float)-x.re); }
/* cos z = cosh(i z), sin z = -i sinh(i z). */
INLINE c64 op_cos(c64 x) { return narrow(z_cosh(times_i(x))); }
INLINE c64 op_sin(c64 x) { return by_minus_i(z_sinh(times_i(x))); }
/* tan z = -i tanh(i z). */
INLINE c64 op_tan(c64 x) { return by_minus_i(z_tanh(times_i(x))); }
INLINE c64 op_log2(c64 x) {
  z128 l = z_log(widen(x));
  return make_c64((float)(l.re * 1.4426950408889634), (float)(l.im * 1.4426950408889634));
}
/* |1 + x|^2 = 1 + re (2 + re) + im^2, so that a small x keeps its digits; near x = -1 that would lose
   them, and the distance from there has them. */
INLINE c64 op_log1p(c64 x) {
  double re = x.re, im = x.im;
  double square = re * (2 + re) + im * im;
  double size = square < -0.5 ? log(hypot(1 + re, im)) : 0.5 * log1p(square);
  return make_c64((float)size, (float)atan2(im, 1 + re));
}
INLINE c64 op_reciprocal(c64 x) { return narrow(z_divide(make_z128(1, 0), widen(x))); }
INLINE c64 op_rsqrt(c64 x) { return narrow(z_divide(make_z128(1, 0), z_sqrt(widen(x)))); }
INLINE c64 op_sign(c64 x) {
  double r = hypot((double)x.re, (double)x.im);
  return r == 0 ? x : make_c64((float)(x.re / r), (float)(x.im / r));
}

INLINE float op_imag(c64 x) { return x.im; }
INLINE float op_real(c64 x) { return x.re; }
INLINE bool op_isneginf(c64 x) { return op_isneginf(x.re) && x.im == 0; }
INLINE bool op_isposinf(c64 x) { return op_isposinf(x.re) && x.im == 0; }
INLINE c64 op_conjugate(c64 x) { return make_c64(x.re, -x.im); }
INLINE c64 op_cosh(c64 x) { return narrow(z_cosh(widen(x))); }
INLINE c64 op_sinh(c64 x) { return narrow(z_sinh(widen(x))); }
INLINE c64 op_log10(c64 x) {
  z128 l = z_log(widen(x));
  return make_c64((float)(l.re * 0.43429448190325182), (float)(l.im * 0.43429448190325182));
}
INLINE c64 op_arcsinh(c64 x) { return narrow(z_arcsinh(widen(x))); }
INLINE c64 op_arccosh(c64 x) { return narrow(z_arccosh(widen(x))); }
INLINE c64 op_arctanh(c64 x) { return narrow(z_arctanh(widen(x))); }
/* arcsin z = -i arcsinh(i z), arctan z = -i arctanh(i z). */
INLINE c64 op_arcsin(c64 x) { return by_minus_i(z_arcsinh(times_i(x))); }
INLINE c64 op_arctan(c64 x) { return by_minus_i(z_arctanh(times_i(x))); }
INLINE c64 op_arccos(c64 x) { return narrow(z_arccos(widen(x))); }

INLINE c64 op_add(c64 a, c64 b) { return make_c64(a.re + b.re, a.im + b.im); }
INLINE c64 op_subtract(c64 a, c64 b) { return make_c64(a.re - b.re, a.im - b.im); }
INLINE c64 op_multiply(c64 a, c64 b) {
  return make_c64(a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re);
}
INLINE c64 op_square(c64 x) { return op_multiply(x, x); }
INLINE c64 op_divide(c64 a, c64 b) { return narrow(z_divide(widen(a), widen(b))); }
/* To the power of 0 all is 1, and 0 to a power with a positive real part is 0. */
INLINE c64 op_power(c64 a, c64 b) {
  if (b.re == 0 && b.im == 0) return make_c64(1, 0);
  if (a.re == 0 && a.im == 0 && b.re > 0) return make_c64(0, 0);
  return narrow(z_exp(z_multiply(widen(b), z_log(widen(a)))));
}
INLINE bool op_equal(c64 a, c64 b) { return a.re == b.re && a.im == b.im; }
INLINE bool op_not_equal(c64 a, c64 b) { return !op_equal(a, b); }
INLINE bool op_equal_nan(c64 a, c64 b) { return op_equal(a, b) || (op_isnan(a) && op_isnan(b)); }
/* By real, then imaginary part. */
INLINE bool op_less(c64 a, c64 b) { return a.re < b.re || (a.re == b.re && a.im < b.im); }
INLINE bool op_less_equal(c64 a, c64 b) { return a.re < b.re || (a.re == b.re && a.im <= b.im); }
INLINE bool op_greater(c64 a, c64 b) { return op_less(b, a); }
INLINE bool op_greater_equal(c64 a, c64 b) { return op_less_equal(b, a); }
INLINE c64 op_maximum(c64 a, c64 b) { return op_isnan(a) || op_greater(a, b) ? a : b; }
INLINE c64 op_minimum(c64 a, c64 b) { return op_isnan(a) || op_less(a, b) ? a : b; }
/* log(e^a + e^b) from the one that is greater in the order of complex numbers. */
INLINE c64 op_logaddexp(c64 a, c64 b) {
  if (op_isnan(a) || op_isnan(b)) return make_c64(__int_as_float(0x7fc00000), __int_as_float(0x7fc00000));
  const c64 most = op_maximum(a, b), least = op_minimum(a, b);
  if (op_isneginf(least.re) || op_isposinf(most.re)) return most;
  return op_add(most, op_log1p(op_exp(op_subtract(least, most))));
}
