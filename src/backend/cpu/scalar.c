/* The inverse error function, by a pair of polynomials in w = -ln(1 - x^2): one for the middle, one
   for the tails (M. Giles, "Approximating the erfinv function", 2010, single precision). float64
   refines it by Newton's method. Pure functions. */

#include "backend/cpu/scalar.h"

static float polynomial(const float *coefficients, int n, float w) {
  float p = coefficients[0];
  for (int i = 1; i < n; i++) p = p * w + coefficients[i];
  return p;
}

float wr_cpu_erfinv_f32(float x) {
  static const float middle[] = {2.81022636e-08f,  3.43273939e-07f, -3.5233877e-06f,
                                 -4.39150654e-06f, 0.00021858087f,  -0.00125372503f,
                                 -0.00417768164f,  0.246640727f,    1.50140941f};
  static const float tails[] = {-0.000200214257f, 0.000100950558f, 0.00134934322f,
                                -0.00367342844f,  0.00573950773f,  -0.0076224613f,
                                0.00943887047f,   1.00167406f,     2.83297682f};
  if (fabsf(x) == 1.0f) return copysignf(INFINITY, x);
  float w = -logf((1.0f - x) * (1.0f + x));
  float p = w < 5.0f ? polynomial(middle, 9, w - 2.5f) : polynomial(tails, 9, sqrtf(w) - 3.0f);
  return p * x;
}

double wr_cpu_erfinv_f64(double x) {
  const double half_sqrt_pi = 0.88622692545275801365;
  if (!(fabs(x) < 1.0)) return fabs(x) == 1.0 ? copysign((double)INFINITY, x) : (double)NAN;
  /* Rounded to float32, x close to 1 would become 1. */
  double start = fabs(x) < 0.9999999 ? x : copysign(0.9999999, x);
  double y = (double)wr_cpu_erfinv_f32((float)start);
  for (int i = 0; i < 4; i++) {
    /* erfc keeps the digits that erf loses in the tails. */
    double missing = x > 0 ? erfc(y) - (1.0 - x) : (1.0 + x) - erfc(-y);
    y += missing * half_sqrt_pi * exp(y * y);
  }
  return y;
}
