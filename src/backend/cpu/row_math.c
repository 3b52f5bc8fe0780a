/* Steps over one dense row of float32 at the level of the processor; see
 * row_math.h. */

#include "backend/cpu/row_math.h"

#include "backend/cpu/row_math_set.h"

static const struct wr_row_math *best(void) {
#if defined(__x86_64__)
  const enum wr_level level = wr_level();
  if (level == WR_LEVEL_AVX512) return &wr_row_math_avx512;
  if (level == WR_LEVEL_AVX2) return &wr_row_math_avx2;
#endif
  return &wr_row_math_base;
}

float wr_row_max(const float *x, int64_t n, float start) { return best()->max(x, n, start); }

double wr_row_exp(const float *x, float *y, int64_t n, float top) {
  return best()->exp(x, y, n, top);
}

void wr_row_scale(float *y, int64_t n, float scale) { best()->scale(y, n, scale); }
