/* The inverse error function of float64: that of float32, refined by Newton's method. Pure. */

#include "backend/cpu/scalar/scalar.h"

/* The difference of x and erf(y), by erfc near 1, where erf has lost the digits. */
static double missing(double x, double y) { return x < 0.5 ? x - erf(y) : erfc(y) - (1.0 - x); }

/* float32's; and closer to 1, where that would be rounded to 1, from erfc(y) being about
   e^(-y^2) / (y sqrt(pi)). */
static double first_guess(double x) {
  if (x < 0.9999999) return (double)f32_erfinv((float)x);
  const double l = -log(1.0 - x);
  return sqrt(l - 0.5 * log(3.14159265358979323846 * l));
}

double wr_cpu_erfinv_f64(double x) {
  const double half_sqrt_pi = 0.88622692545275801365;
  const double a = fabs(x);
  if (!(a < 1.0)) return a == 1.0 ? copysign((double)INFINITY, x) : (double)NAN;
  if (a < 0x1p-100) return x * half_sqrt_pi; /* float32 may have no such number */
  double y = first_guess(a);
  for (int i = 0; i < 4; i++) y += missing(a, y) * half_sqrt_pi * exp(y * y);
  return copysign(y, x);
}
