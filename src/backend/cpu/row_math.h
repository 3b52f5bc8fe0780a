#ifndef WR_BACKEND_CPU_ROW_MATH_H
#define WR_BACKEND_CPU_ROW_MATH_H

/* Steps over one dense row of float32, vector code: what softmax and attention
   are made of. Sums are of lanes and blocks, which add up in double. Plain
   functions. */

#include <stdint.h>

/* The greatest of `start` and all elements; a NaN is none. */
float wr_row_max(const float *x, int64_t n, float start);
/* y = e^(x - top) for x <= top or NaN; x and y may be the same. Returns the sum
 * of y. */
double wr_row_exp(const float *x, float *y, int64_t n, float top);
void wr_row_scale(float *y, int64_t n, float scale);

#endif
