// Compiled by the rules of Weir's kernels, and with their exp: the product and the sum are two
// steps, the root is exact.
#include "backend/cpu/scalar/scalar.h"
#include "loops.h"

void bench_group_same(const float *restrict a, const float *restrict b, const float *restrict c,
                      float *restrict out, size_t n) {
  for (size_t i = 0; i < n; i++) out[i] = f32_sqrt(f32_abs(a[i] * b[i] + c[i])) * f32_exp(-a[i]);
}
