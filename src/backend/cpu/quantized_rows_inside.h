#ifndef WR_BACKEND_CPU_QUANTIZED_ROWS_INSIDE_H
#define WR_BACKEND_CPU_QUANTIZED_ROWS_INSIDE_H

/* What the kernels of quantized_rows.h have in common: all that is float32, and so its order. */

#include <string.h>

#include "backend/cpu/loop/loop.h"
#include "backend/cpu/quantized_rows.h"

enum { WR_ROWS_GROUPS = WR_ROWS_CODES / 16 }; /* of a chunk */

/* By instructions: the same results. */
extern const struct wr_rows_kernels wr_rows_plain, wr_rows_avx2, wr_rows_avx512;

/* A chunk of a row of w: of a group, what a sum of integers of a row of x is worth. Behind the last
   one are zeros, as many as a block may have groups more. */
typedef float wr_rows_factors[WR_ROWS_GROUPS + WR_ROWS_LANES];

/* Of many rows of x a chunk stays in the first cache, beside the lanes. */
WR_INLINE int64_t wr_rows_chunk(const struct wr_rows_panel *p) {
  return p->rows == 1 ? WR_ROWS_CODES : WR_ROWS_CODES / 4;
}

/* The words of the panel's rows of x from code `at` on, which begins a block. */
WR_INLINE const int16_t *wr_rows_words(const struct wr_rows_panel *p, int64_t at) {
  return p->x->words + p->first * p->x->x_length + p->rows * at * (p->x->exact ? 2 : 1);
}

WR_INLINE void wr_rows_factors_of(wr_rows_factors *f, const struct wr_rows_panel *p, int64_t w_row,
                                  int64_t first, int64_t n) {
  const struct wr_rows *x = p->x;
  float own[WR_ROWS_GROUPS];
  const float *scales = wr_packed_scales_at(own, &x->w, w_row, first, n);
  const float unit = x->w.mode == WR_AFFINE ? 1.0f : 0.5f;
  for (int64_t m = 0; m < p->rows; m++) {
    const float *steps = x->steps + (p->first + m) * x->x_groups + first;
    for (int64_t g = 0; g < n; g++) f[m][g] = scales[g] * (steps[g] * unit);
    memset(f[m] + n, 0, WR_ROWS_LANES * sizeof(float));
  }
}

/* Halves come together until one is left. */
WR_INLINE float wr_rows_total(const float *lanes) {
  float eight[8], four[4];
  for (int l = 0; l < 8; l++) eight[l] = lanes[l] + lanes[l + 8];
  for (int l = 0; l < 4; l++) four[l] = eight[l] + eight[l + 4];
  return (four[0] + four[2]) + (four[1] + four[3]);
}

WR_INLINE float wr_rows_bias(const float *biases, const float *sums, int64_t n) {
  float lanes[WR_ROWS_LANES] = {0};
  int64_t g = 0;
  for (; g + WR_ROWS_LANES <= n; g += WR_ROWS_LANES) {
    for (int l = 0; l < WR_ROWS_LANES; l++) lanes[l] += biases[g + l] * sums[g + l];
  }
  for (int l = 0; g < n; g++, l++) lanes[l] += biases[g] * sums[g];
  return wr_rows_total(lanes);
}

/* The whole: lanes are those of a row of w by each row of x. */
WR_INLINE void wr_rows_finish(struct wr_rows_panel *p,
                              float lanes[WR_ROWS_W][WR_ROWS_X][WR_ROWS_LANES]) {
  const struct wr_rows *x = p->x;
  for (int64_t r = 0; r < p->w_rows; r++) {
    for (int64_t m = 0; m < p->rows; m++) p->y[m][r] = wr_rows_total(lanes[r][m]);
    for (int64_t at = 0; x->w.mode == WR_AFFINE && at < x->w.groups; at += WR_ROWS_GROUPS) {
      const int64_t n = x->w.groups - at < WR_ROWS_GROUPS ? x->w.groups - at : WR_ROWS_GROUPS;
      float own[WR_ROWS_GROUPS];
      const float *biases = wr_packed_biases_at(own, &x->w, p->w_first + r, at, n);
      for (int64_t m = 0; m < p->rows; m++) {
        p->y[m][r] += wr_rows_bias(biases, x->sums + (p->first + m) * x->x_groups + at, n);
      }
    }
  }
}

#endif
