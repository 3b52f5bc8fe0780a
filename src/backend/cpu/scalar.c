/* The inverse error function of float64: that of float32, refined by Newton's method. Pure. */

#include "backend/cpu/scalar.h"

double wr_cpu_erfinv_f64(double x) {
  const double half_sqrt_pi = 0.88622692545275801365;
  if (!(fabs(x) < 1.0)) return fabs(x) == 1.0 ? copysign((double)INFINITY, x) : (double)NAN;
  /* Rounded to float32, x close to 1 would become 1. */
  double start = fabs(x) < 0.9999999 ? x : copysign(0.9999999, x);
  double y = (double)f32_erfinv((float)start);
  for (int i = 0; i < 4; i++) {
    /* erfc keeps the digits that erf loses in the tails. */
    double missing = x > 0 ? erfc(y) - (1.0 - x) : (1.0 + x) - erfc(-y);
    y += missing * half_sqrt_pi * exp(y * y);
  }
  return y;
}
