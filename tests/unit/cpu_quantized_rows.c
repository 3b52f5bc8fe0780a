/* A few rows by a quantised matrix with each set of instructions that this processor has: the same
   bits from all of them, for every count of bits, group and mode, lengths that fill no block, one
   row and some, x with 15 and with 30 bits; and near the sum of the products in float64. Nothing is
   read behind the last row: the matrix ends where its memory does. */

#include <stdlib.h>

#include "backend/cpu/quantized_rows.h"
#include "core/quantized.h"
#include "kernel_case.h"

enum { W_ROWS = 5, X_ROWS = 9, K_MOST = 4480 };

static uint32_t seed = 11;
static float noise(void) { return (float)(kernel_case_next(&seed) % 2001u) / 1000.0f - 1.0f; }

/* A matrix of W_ROWS rows, and x, both on the heap, where a sanitizer watches their ends. */
struct sides {
  struct wr_rows x;
  uint8_t *codes;
  char *scales, *biases;
  float *values;
  void *words;
};

static void fill_scales(struct sides *s, const struct wr_quantized_params *how, int64_t groups) {
  const int64_t n = W_ROWS * groups;
  s->scales = malloc((size_t)n * 4);
  s->biases = malloc((size_t)n * 4);
  for (int64_t i = 0; i < n; i++) {
    if (how->mode == WR_AFFINE) {
      ((float *)(void *)s->scales)[i] = noise();
      ((float *)(void *)s->biases)[i] = noise();
    } else {
      s->scales[i] = (char)(how->mode == WR_NVFP4 ? 40 + i % 32 : 120 + i % 16);
    }
  }
}

static void make(struct sides *s, const struct wr_quantized_params *how, int64_t k, int64_t m,
                 bool exact) {
  const int64_t row = k / 8 * how->bits, groups = k / how->group;
  s->codes = malloc((size_t)(W_ROWS * row));
  s->values = malloc((size_t)(m * k) * sizeof(float));
  for (int64_t i = 0; i < W_ROWS * row; i++) s->codes[i] = (uint8_t)kernel_case_next(&seed);
  for (int64_t i = 0; i < m * k; i++) s->values[i] = noise();
  fill_scales(s, how, groups);
  const struct wr_packed_rows w = {.codes = s->codes,
                                   .scales = s->scales,
                                   .biases = s->biases,
                                   .mode = (enum wr_quantized_mode)how->mode,
                                   .dtype = WR_FLOAT32,
                                   .bits = how->bits,
                                   .group = how->group,
                                   .row_bytes = row,
                                   .groups = groups,
                                   .all = 1};
  wr_rows_begin(&s->x, &w, k, m, exact);
  s->words = malloc((size_t)(m * s->x.x_length) * 2);
  s->x.words = s->words;
  s->x.steps = malloc((size_t)(m * groups) * sizeof(float));
  s->x.sums = malloc((size_t)(m * groups) * sizeof(float));
  for (int64_t i = 0; i < m; i++) EXPECT(wr_rows_split(&s->x, i, s->values + i * k));
}

static void destroy(struct sides *s) {
  free(s->codes);
  free(s->scales);
  free(s->biases);
  free(s->values);
  free(s->words);
  free(s->x.steps);
  free(s->x.sums);
}

static void check_near(const struct sides *s, const struct wr_rows_panel *p) {
  const double most = s->x.exact ? 2e-6 : 1e-4;
  static float w[K_MOST];
  for (int64_t r = 0; r < p->w_rows; r++) {
    for (int64_t at = 0; at < s->x.k; at += WR_PACKED_CHUNK) {
      const int64_t n = s->x.k - at < WR_PACKED_CHUNK ? s->x.k - at : WR_PACKED_CHUNK;
      wr_packed_values(w + at, &s->x.w, r, at, n);
    }
    for (int64_t m = 0; m < p->rows; m++) {
      double sum = 0, size = 0;
      for (int64_t i = 0; i < s->x.k; i++) {
        const double term = (double)w[i] * (double)s->values[(p->first + m) * s->x.k + i];
        sum += term;
        size += fabs(term);
      }
      EXPECT(fabs((double)p->y[m][r] - sum) <= size * most);
    }
  }
}

/* Panels of as many rows of x as are multiplied at once. */
static void try_lengths(const struct wr_quantized_params *how, int64_t k, int64_t m, bool exact) {
  struct sides s;
  make(&s, how, k, m, exact);
  for (int64_t first = 0; first < m; first += WR_ROWS_X) {
    const int64_t rows = m - first < WR_ROWS_X ? m - first : WR_ROWS_X;
    struct wr_rows_panel best = {.x = &s.x, .first = first, .rows = rows, .w_rows = W_ROWS};
    wr_rows_kernels()->multiply(&best);
    check_near(&s, &best);
    for (int i = 0; wr_rows_kernels_at(i); i++) {
      struct wr_rows_panel other = {.x = &s.x, .first = first, .rows = rows, .w_rows = W_ROWS};
      wr_rows_kernels_at(i)->multiply(&other);
      for (int64_t r = 0; r < rows; r++) {
        EXPECT(memcmp(best.y[r], other.y[r], W_ROWS * sizeof(float)) == 0);
      }
    }
  }
  destroy(&s);
}

static void try_way(struct wr_quantized_params how) {
  const int64_t lengths[] = {how.group < 32 ? 32 : how.group, 384, 640, 1024, K_MOST};
  for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
    for (int exact = 0; exact < 2; exact++) {
      try_lengths(&how, lengths[i], 1, exact);
      try_lengths(&how, lengths[i], X_ROWS, exact);
    }
  }
}

/* Whether a row with one element of that size among others of 0.1 goes by integers. */
static bool is_split(float size, bool exact) {
  const struct wr_quantized_params how = {.mode = WR_AFFINE, .bits = 4, .group = 64};
  struct sides s;
  make(&s, &how, 256, 1, exact);
  for (int i = 0; i < 256; i++) s.values[i] = 0.1f;
  s.values[70] = size;
  const bool split = wr_rows_split(&s.x, 0, s.values);
  destroy(&s);
  return split;
}

int main(void) {
  EXPECT(is_split(30, false) && !is_split(1000, false));
  EXPECT(is_split(300, true) && !is_split(1e8f, true));
  for (int bits = 1; bits <= 8; bits++) {
    for (int group = 32; group <= 128; group *= 2) {
      try_way((struct wr_quantized_params){.mode = WR_AFFINE, .bits = bits, .group = group});
    }
  }
  try_way((struct wr_quantized_params){.mode = WR_MXFP4, .bits = 4, .group = 32});
  try_way((struct wr_quantized_params){.mode = WR_NVFP4, .bits = 4, .group = 16});
  for (int i = 0; wr_rows_kernels_at(i); i++) printf("%s\n", wr_rows_kernels_at(i)->name);
  return kernel_case_failures() != 0;
}
