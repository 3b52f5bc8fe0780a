#ifndef WR_BACKEND_CPU_ROW_MATH_SET_H
#define WR_BACKEND_CPU_ROW_MATH_SET_H

/* The steps of row_math.h, as they are compiled for each level (loop/level.h).
 */

#include <stdint.h>

#include "backend/cpu/loop/loop.h"

struct wr_row_math {
  float (*max)(const float *x, int64_t n, float start);
  double (*exp)(const float *x, float *y, int64_t n, float top);
  void (*scale)(float *y, int64_t n, float scale);
};

extern const struct wr_row_math wr_row_math_base;
#if defined(__x86_64__)
extern const struct wr_row_math wr_row_math_avx2, wr_row_math_avx512;
#endif

#endif
