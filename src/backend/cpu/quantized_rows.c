/* A few rows by a quantised matrix; see quantized_rows.h: rows of x as integers, the kernel in
   plain C, and which kernel is taken. */

#include "backend/cpu/quantized_rows.h"

#include <math.h>

#include "backend/cpu/quantized_rows_inside.h"

/* ---- rows of x as integers ---- */

enum { LANES = WR_ROWS_LANES, GROUP_MOST = 128 };

void wr_rows_begin(struct wr_rows *r, const struct wr_packed_rows *w, int64_t k, int64_t m,
                   bool exact) {
  const int64_t block = wr_rows_block(w), length = (k + block - 1) / block * block;
  *r = (struct wr_rows){.w = *w,
                        .k = k,
                        .m = m,
                        .exact = exact,
                        .x_length = exact ? 2 * length : length,
                        .x_groups = w->groups};
  for (int l = 0; l < LANES; l++) r->lane_groups[l] = (int32_t)(l * (block / LANES) / w->group);
}

/* A power of two, by which the group's elements are at most 2^15 - 1. It is bounded so that a
   scale's product with it is neither 0 nor infinite while that scale is any likely one. */
static float step_of(float most) {
  int exponent;
  (void)frexpf(most, &exponent);
  if (exponent < -48) exponent = -48;
  const float step = ldexpf(1.0f, exponent - 15);
  return rintf(most / step) > 32767.0f ? step * 2 : step;
}

WR_WIDE static void split_group(const float *restrict x, int16_t *restrict high,
                                int16_t *restrict low, int64_t n, float inverse) {
  for (int64_t i = 0; i < n; i++) {
    const float v = x[i] * inverse;
    const float whole = (v + 12582912.0f) - 12582912.0f; /* 1.5 * 2^23: to the nearest */
    high[i] = (int16_t)(int32_t)whole;
    low[i] = (int16_t)(int32_t)((v - whole) * 32768.0f);
  }
}

WR_WIDE static float largest(const float *x, int64_t n) {
  float lanes[LANES] = {0};
  for (int64_t i = 0; i < n; i += LANES) {
    for (int l = 0; l < LANES; l++) {
      const float size = fabsf(x[i + l]);
      lanes[l] = size > lanes[l] ? size : lanes[l];
    }
  }
  float most = 0;
  for (int l = 0; l < LANES; l++) most = lanes[l] > most ? lanes[l] : most;
  return most;
}

WR_WIDE static float sum_of(const float *x, int64_t n) {
  float lanes[LANES] = {0};
  for (int64_t i = 0; i < n; i += LANES) {
    for (int l = 0; l < LANES; l++) lanes[l] += x[i + l];
  }
  float sum = 0;
  for (int l = 0; l < LANES; l++) sum += lanes[l];
  return sum;
}

/* Where the words of a row begin, and how far apart those of blocks are. */
static int16_t *words_of(const struct wr_rows *to, int64_t row, int64_t *step) {
  const int64_t within = row % to->m, at = within % WR_ROWS_X;
  const int64_t rows = to->m - (within - at) < WR_ROWS_X ? to->m - (within - at) : WR_ROWS_X;
  const int64_t each = wr_rows_block(&to->w) * (to->exact ? 2 : 1);
  *step = rows * each;
  return to->words + (row - at) * to->x_length + at * each;
}

/* Neighbours go to one plane after the other. */
static void to_planes(int16_t *out, int64_t step, const int16_t *in, const struct wr_packed_rows *w,
                      int64_t first) {
  const int planes = wr_rows_planes(w), block = wr_rows_block(w);
  for (int64_t i = 0; i < w->group; i += planes) {
    const int64_t at = first + i;
    int16_t *to = out + at / block * step + at % block / planes;
    for (int k = 0; k < planes; k++) to[k * WR_ROWS_WORDS] = in[i + k];
  }
}

/* Of the elements' sizes. In float64, in which the largest does not swallow the others. */
WR_WIDE static double sum_of_sizes(const float *x, int64_t n) {
  double lanes[LANES] = {0};
  for (int64_t i = 0; i < n; i += LANES) {
    for (int l = 0; l < LANES; l++) lanes[l] += (double)fabsf(x[i + l]);
  }
  double sum = 0;
  for (int l = 0; l < LANES; l++) sum += lanes[l];
  return sum;
}

/* Whether a group has an element so large that steps for it leave too little of the others: where
   codes are 0 under the one, these are all of the result. */
static bool is_swallowed(const float *x, int64_t group, float largest, float step, bool exact) {
  const double rest = sum_of_sizes(x, group) - (double)largest;
  const double lost = (double)group * (double)step * (exact ? 0x1p-16 : 0.5);
  return rest > 0 && lost > rest * (exact ? 0x1p-18 : 0x1p-6);
}

bool wr_rows_split(struct wr_rows *to, int64_t row, const float *x) {
  const int64_t group = to->w.group, block = wr_rows_block(&to->w);
  float *steps = to->steps + row * to->x_groups, *sums = to->sums + row * to->x_groups;
  float most = 0;
  for (int64_t g = 0; g < to->w.groups; g++) {
    const float size = largest(x + g * group, group);
    sums[g] = sum_of(x + g * group, group);
    if (!isfinite(sums[g])) return false;
    steps[g] = step_of(size);
    most = size > most ? size : most;
    if (is_swallowed(x + g * group, group, size, steps[g], to->exact)) return false;
  }
  if (most > 0x1p48f || (most > 0 && most < 0x1p-40f)) return false;
  int64_t step;
  int16_t *words = words_of(to, row, &step);
  if (to->k % block != 0) {
    memset(words + to->k / block * step, 0, (size_t)(block * (to->exact ? 2 : 1)) * sizeof *words);
  }
  for (int64_t g = 0; g < to->w.groups; g++) {
    int16_t high[GROUP_MOST], low[GROUP_MOST];
    split_group(x + g * group, high, low, group, 1.0f / steps[g]);
    to_planes(words, step, high, &to->w, g * group);
    if (to->exact) to_planes(words + block, step, low, &to->w, g * group);
  }
  return true;
}

/* ---- in plain C ---- */

/* Twice the values of E2M1: 0, 1, 2, 3, 4, 6, 8, 12. */
static int16_t halves_of(unsigned code) {
  const int m = code & 7u, size = m < 5 ? m : m == 5 ? 6 : m == 6 ? 8 : 12;
  return (int16_t)(code & 8u ? -size : size);
}

/* The block from code `at` on, with zeros behind the row's end. */
static void planes_of(int16_t planes[][WR_ROWS_WORDS], const struct wr_packed_rows *w, int64_t row,
                      int64_t at, int64_t k) {
  const int count = wr_rows_planes(w), bits = 16 / count;
  const int64_t block = wr_rows_block(w), n = k - at < block ? k - at : block;
  uint8_t bytes[2 * WR_ROWS_WORDS] = {0};
  uint16_t words[WR_ROWS_WORDS];
  if (bits == w->bits) {
    memcpy(bytes, w->codes + row * w->row_bytes + at / count * 2, (size_t)(n / count * 2));
  } else {
    wr_packed_codes(bytes, w, row, at, n);
  }
  memcpy(words, bytes, sizeof words); /* little-endian */
  for (int p = 0; p < count; p++) {
    for (int i = 0; i < WR_ROWS_WORDS; i++) {
      planes[p][i] = (int16_t)(words[i] >> (p * bits) & ((1 << bits) - 1));
    }
    if (w->mode == WR_AFFINE) continue;
    for (int i = 0; i < WR_ROWS_WORDS; i++) planes[p][i] = halves_of((unsigned)planes[p][i]);
  }
}

static void sum_block(int32_t *restrict sums, int16_t planes[][WR_ROWS_WORDS],
                      const int16_t *restrict x, int count) {
  for (int i = 0; i < WR_ROWS_WORDS; i++) sums[i] = 0;
  for (int p = 0; p < count; p++) {
    for (int i = 0; i < WR_ROWS_WORDS; i++) {
      sums[i] += (int32_t)planes[p][i] * (int32_t)x[p * WR_ROWS_WORDS + i];
    }
  }
}

static void add_block(const struct wr_rows_panel *p, wr_rows_factors *f, int64_t w_row,
                      int64_t first, int64_t at, float lanes[WR_ROWS_X][LANES]) {
  const struct wr_rows *x = p->x;
  const int count = wr_rows_planes(&x->w), block = wr_rows_block(&x->w);
  int16_t planes[8][WR_ROWS_WORDS];
  planes_of(planes, &x->w, w_row, at, x->k);
  for (int64_t m = 0; m < p->rows; m++) {
    const int16_t *words = wr_rows_words(p, at) + m * (x->exact ? 2 * block : block);
    int32_t high[WR_ROWS_WORDS], low[WR_ROWS_WORDS] = {0};
    sum_block(high, planes, words, count);
    if (x->exact) sum_block(low, planes, words + block, count);
    for (int l = 0; l < LANES; l++) {
      const int64_t group = (at - first + 2 * l * count) / x->w.group;
      const float sum = (float)(high[2 * l] + high[2 * l + 1]);
      const float more = (float)(low[2 * l] + low[2 * l + 1]) * 0x1p-15f;
      lanes[m][l] += (sum + more) * f[m][group];
    }
  }
}

static void multiply(struct wr_rows_panel *p) {
  const struct wr_rows *x = p->x;
  const int64_t chunk = wr_rows_chunk(p), block = wr_rows_block(&x->w);
  float lanes[WR_ROWS_W][WR_ROWS_X][LANES];
  memset(lanes, 0, sizeof lanes);
  for (int64_t first = 0; first < x->k; first += chunk) {
    const int64_t end = x->k - first < chunk ? x->k : first + chunk;
    for (int64_t r = 0; r < p->w_rows; r++) {
      wr_rows_factors f[WR_ROWS_X];
      wr_rows_factors_of(f, p, p->w_first + r, first / x->w.group, (end - first) / x->w.group);
      for (int64_t at = first; at < end; at += block) {
        add_block(p, f, p->w_first + r, first, at, lanes[r]);
      }
    }
  }
  wr_rows_finish(p, lanes);
}

const struct wr_rows_kernels wr_rows_plain = {.name = "C", .multiply = multiply};

/* ---- which ---- */

const struct wr_rows_kernels *wr_rows_kernels_at(int n) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512vnni") && n-- == 0) {
    return &wr_rows_avx512;
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && n-- == 0) {
    return &wr_rows_avx2;
  }
#endif
  return n == 0 ? &wr_rows_plain : NULL;
}

const struct wr_rows_kernels *wr_rows_kernels(void) { return wr_rows_kernels_at(0); }
