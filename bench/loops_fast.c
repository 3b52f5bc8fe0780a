// Compiled with -ffast-math, and with glibc's vector exp.
#include <math.h>

#include "loops.h"

void bench_group_fast(const float *restrict a, const float *restrict b, const float *restrict c,
                      float *restrict out, size_t n) {
  for (size_t i = 0; i < n; i++) out[i] = sqrtf(fabsf(a[i] * b[i] + c[i])) * expf(-a[i]);
}

void bench_plus(const float *restrict a, float by, float *restrict out, size_t n) {
  for (size_t i = 0; i < n; i++) out[i] = a[i] + by;
}
