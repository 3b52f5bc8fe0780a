/* Steps over one dense row of float32; see row_math.h. */

#include "backend/cpu/row_math.h"

#include "backend/cpu/loop/loop.h"
#include "core/half.h"

enum { LANES = 16, BLOCK = 512 };

/* e^x for x <= 0 or NaN, within 2 ulp, without branches: x = n ln 2 + r, and 2^n is put together
   from its bits. Below -87.3 the result would be subnormal and is 0. */
static inline float exp_below_zero(float x) {
  float bounded = x < -87.3f ? -87.3f : x;
  float n = bounded * 1.44269504f + 12582912.0f; /* 1.5 * 2^23: rounds to a whole number */
  int32_t power = (int32_t)(wr_f32_bits(n) - 0x4b400000u);
  n -= 12582912.0f;
  float r = (bounded - n * 0.693145752f) - n * 1.42860677e-6f;
  float p = 1.98412698e-4f;
  p = p * r + 1.38888889e-3f;
  p = p * r + 8.33333333e-3f;
  p = p * r + 4.16666667e-2f;
  p = p * r + 1.66666667e-1f;
  p = p * r + 0.5f;
  p = p * r * r + r + 1.0f;
  float scale = wr_f32_from_bits((uint32_t)(power + 127) << 23);
  return x < -87.3f ? 0.0f : p * scale;
}

WR_WIDE static float top_of_row(const float *x, int64_t n, float start) {
  float lanes[LANES];
  for (int l = 0; l < LANES; l++) lanes[l] = start;
  int64_t i = 0;
  for (; i + LANES <= n; i += LANES) {
    for (int l = 0; l < LANES; l++) lanes[l] = x[i + l] > lanes[l] ? x[i + l] : lanes[l];
  }
  for (int l = 0; i < n; i++, l++) lanes[l] = x[i] > lanes[l] ? x[i] : lanes[l];
  float top = lanes[0];
  for (int l = 1; l < LANES; l++) top = lanes[l] > top ? lanes[l] : top;
  return top;
}

WR_WIDE static double exponentials(const float *x, float *y, int64_t n, float top) {
  double total = 0.0;
  for (int64_t b = 0; b < n; b += BLOCK) {
    int64_t end = n - b < BLOCK ? n : b + BLOCK;
    float lanes[LANES] = {0};
    int64_t i = b;
    for (; i + LANES <= end; i += LANES) {
      for (int l = 0; l < LANES; l++) {
        y[i + l] = exp_below_zero(x[i + l] - top);
        lanes[l] += y[i + l];
      }
    }
    for (int l = 0; i < end; i++, l++) {
      y[i] = exp_below_zero(x[i] - top);
      lanes[l] += y[i];
    }
    for (int l = 0; l < LANES; l++) total += (double)lanes[l];
  }
  return total;
}

WR_WIDE static void scale_by(float *y, int64_t n, float scale) {
  for (int64_t i = 0; i < n; i++) y[i] *= scale;
}

float wr_row_max(const float *x, int64_t n, float start) { return top_of_row(x, n, start); }

double wr_row_exp(const float *x, float *y, int64_t n, float top) {
  return exponentials(x, y, n, top);
}

void wr_row_scale(float *y, int64_t n, float scale) { scale_by(y, n, scale); }
