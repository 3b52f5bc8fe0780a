/* Products with quantised matrices, which are never written as a whole.

   A few rows by a transposed matrix take the integers that it has as they are: a row of x becomes
   integers of 16 bits, a power of two for each group times those, and where x is float32 15 bits
   more, so that a group's sum of products is a sum of integers, exact and the same on every
   processor, and for which they have instructions. Then the group's scale comes to it, and its bias
   to the sum of x. The codes of E2M1 are integers too, halves; a row with an infinity or a NaN is
   multiplied by the values in float32, and so is one by E4M3.

   Many rows, and matrices that are not transposed, are multiplied by panels of values in float32
   that stay in the cache. Sums are float32. Parts of the result spread over the pool; no locks. */

#include <math.h>
#include <string.h>

#include "backend/cpu/blas/blas.h"
#include "backend/cpu/kernels.h"
#include "backend/cpu/loop/loop.h"
#include "backend/cpu/packed.h"
#include "base/atomic.h"
#include "base/base.h"

enum {
  FEW = 6,       /* rows of x that are multiplied one by one */
  ROWS = 16,     /* rows of w in a part of such a product */
  LANES = 16,    /* sums of a row by a row; a chunk has at most as many groups */
  PANEL_N = 128, /* columns of the result in a panel */
  PANEL_M = 512,
  PANEL_K = WR_PACKED_CHUNK
};

struct product {
  struct wr_packed_rows w;
  bool transpose;
  int64_t m, n, k; /* of each product */
  int64_t x_count; /* matrices */
  int64_t w_count;
  const int64_t *lhs, *rhs; /* their numbers, or NULL */
  const float *x;           /* float32 */
  void *out;
  enum wr_dtype dtype;
  /* Of rows as integers: */
  bool exact; /* with 15 bits more */
  int16_t *high, *low;
  float *steps, *sums; /* of groups: what an integer is worth; the sum of x */
  uint8_t *finite;     /* of rows */
  wr_atomic_ptr error; /* atomic ACQ_REL: struct wr_error *, the first one; a reference */
};

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* Which matrix the i-th product reads: one outside is the nearest. */
static int64_t matrix_of(const int64_t *numbers, int64_t count, int64_t i) {
  if (!numbers) return count > 1 ? i : 0;
  const int64_t at = numbers[i] < 0 ? numbers[i] + count : numbers[i];
  return at < 0 ? 0 : at < count ? at : count - 1;
}

/* ---- rows of x as integers ---- */

/* A power of two, by which the group's elements are at most 2^15 - 1. */
static float step_of(float most) {
  int exponent;
  if (most == 0) return 0x1p-126f;
  (void)frexpf(most, &exponent);
  if (exponent < -110) exponent = -110;
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

static void split_rows(void *ctx, int64_t begin, int64_t end) {
  const struct product *p = ctx;
  const int64_t group = p->w.group;
  for (int64_t r = begin; r < end; r++) {
    p->finite[r] = true;
    for (int64_t g = 0; g < p->w.groups; g++) {
      const int64_t at = r * p->k + g * group, i = r * p->w.groups + g;
      const float sum = sum_of(p->x + at, group), most = largest(p->x + at, group);
      if (!isfinite(sum) || most > 0x1p90f) {
        p->finite[r] = false;
        break;
      }
      const float step = step_of(most);
      split_group(p->x + at, p->high + at, p->low + at, group, 1.0f / step);
      p->steps[i] = step;
      p->sums[i] = sum;
    }
  }
}

/* ---- sums of products of integers ---- */

#define DOTS(name, code_t)                                                          \
  WR_INLINE void name(int32_t *restrict out, const code_t *restrict codes,          \
                      const int16_t *restrict x, int64_t groups, const int group) { \
    for (int64_t g = 0; g < groups; g++) {                                          \
      int32_t sum = 0;                                                              \
      for (int i = 0; i < group; i++) {                                             \
        const int16_t code = codes[g * group + i];                                  \
        sum += (int32_t)code * (int32_t)x[g * group + i];                           \
      }                                                                             \
      out[g] = sum;                                                                 \
    }                                                                               \
  }
DOTS(dots, uint8_t)
DOTS(signed_dots, int8_t)

WR_WIDE static void dots_32(int32_t *out, const uint8_t *codes, const int16_t *x, int64_t groups) {
  dots(out, codes, x, groups, 32);
}
WR_WIDE static void dots_64(int32_t *out, const uint8_t *codes, const int16_t *x, int64_t groups) {
  dots(out, codes, x, groups, 64);
}
WR_WIDE static void dots_128(int32_t *out, const uint8_t *codes, const int16_t *x, int64_t groups) {
  dots(out, codes, x, groups, 128);
}
WR_WIDE static void halves_16(int32_t *out, const uint8_t *codes, const int16_t *x,
                              int64_t groups) {
  signed_dots(out, (const int8_t *)codes, x, groups, 16);
}
WR_WIDE static void halves_32(int32_t *out, const uint8_t *codes, const int16_t *x,
                              int64_t groups) {
  signed_dots(out, (const int8_t *)codes, x, groups, 32);
}

typedef void (*dots_fn)(int32_t *out, const uint8_t *codes, const int16_t *x, int64_t groups);

static dots_fn dots_of(const struct wr_packed_rows *w) {
  if (w->mode == WR_NVFP4) return halves_16;
  if (w->mode == WR_MXFP4) return halves_32;
  return w->group == 32 ? dots_32 : w->group == 64 ? dots_64 : dots_128;
}

/* What a chunk of a row of w has beside its codes. */
struct factors {
  float scale[2 * LANES], bias[2 * LANES];
};

WR_WIDE static void add_groups(float *restrict lanes, const int32_t *restrict high,
                               const int32_t *restrict low, const struct factors *restrict f,
                               const float *restrict steps, const float *restrict sums,
                               int64_t groups) {
  for (int64_t g = 0; g < groups; g++) {
    const float whole = (float)high[g] + (float)low[g] * 0x1p-15f;
    lanes[g] += f->scale[g] * (steps[g] * whole) + f->bias[g] * sums[g];
  }
}

static void chunk_factors(struct factors *f, const struct wr_packed_rows *w, int64_t row,
                          int64_t first, int64_t groups) {
  wr_packed_scales(f->scale, w, row, first, groups);
  wr_packed_biases(f->bias, w, row, first, groups);
  if (w->mode == WR_AFFINE) return;
  for (int64_t g = 0; g < groups; g++) f->scale[g] *= 0.5f;
}

/* The row of w by the m rows of x from x_row on, which are finite. */
static void row_of_integers(const struct product *p, float *y, int64_t x_row, int64_t w_row) {
  const struct wr_packed_rows *w = &p->w;
  const dots_fn sum_products = dots_of(w);
  float lanes[FEW][2 * LANES] = {{0}};
  for (int64_t at = 0; at < p->k; at += WR_PACKED_CHUNK) {
    const int64_t n = least(WR_PACKED_CHUNK, p->k - at), groups = n / w->group;
    const int64_t first = at / w->group;
    uint8_t codes[WR_PACKED_CHUNK], halves[WR_PACKED_CHUNK];
    const uint8_t *integers = w->mode == WR_AFFINE ? codes : halves;
    int32_t high[2 * LANES], low[2 * LANES] = {0};
    struct factors f;
    wr_packed_codes(codes, w, w_row, at, n);
    if (w->mode != WR_AFFINE) wr_packed_halves((int8_t *)halves, codes, n);
    chunk_factors(&f, w, w_row, first, groups);
    for (int64_t m = 0; m < p->m; m++) {
      const int64_t x = (x_row + m) * p->k + at, i = (x_row + m) * w->groups + first;
      sum_products(high, integers, p->high + x, groups);
      if (p->exact) sum_products(low, integers, p->low + x, groups);
      add_groups(lanes[m], high, low, &f, p->steps + i, p->sums + i, groups);
    }
  }
  for (int64_t m = 0; m < p->m; m++) {
    y[m] = 0;
    for (int l = 0; l < 2 * LANES; l++) y[m] += lanes[m][l];
  }
}

/* ---- sums of products of values ---- */

WR_WIDE static void add_products(float *restrict lanes, const float *restrict x,
                                 const float *restrict w, int64_t n) {
  for (int64_t i = 0; i < n; i += LANES) {
    for (int l = 0; l < LANES; l++) lanes[l] += x[i + l] * w[i + l];
  }
}

static void row_of_values(const struct product *p, float *y, int64_t x_row, int64_t w_row) {
  float lanes[FEW][LANES] = {{0}};
  for (int64_t at = 0; at < p->k; at += WR_PACKED_CHUNK) {
    const int64_t n = least(WR_PACKED_CHUNK, p->k - at);
    float values[WR_PACKED_CHUNK];
    wr_packed_values(values, &p->w, w_row, at, n);
    for (int64_t m = 0; m < p->m; m++) {
      add_products(lanes[m], p->x + (x_row + m) * p->k + at, values, n);
    }
  }
  for (int64_t m = 0; m < p->m; m++) {
    y[m] = 0;
    for (int l = 0; l < LANES; l++) y[m] += lanes[m][l];
  }
}

static bool all_finite(const struct product *p, int64_t x_row) {
  for (int64_t m = 0; m < p->m; m++) {
    if (!p->finite[x_row + m]) return false;
  }
  return true;
}

/* Parts of ROWS columns of the result. */
static void few_rows(void *ctx, int64_t begin, int64_t end) {
  const struct product *p = ctx;
  const int64_t parts = (p->n + ROWS - 1) / ROWS;
  for (int64_t part = begin; part < end; part++) {
    const int64_t i = part / parts, first = part % parts * ROWS;
    const int64_t x_row = matrix_of(p->lhs, p->x_count, i) * p->m;
    const int64_t w_row = matrix_of(p->rhs, p->w_count, i) * p->n;
    const bool integers = p->high && all_finite(p, x_row);
    for (int64_t n = first; n < least(first + ROWS, p->n); n++) {
      float y[FEW];
      (integers ? row_of_integers : row_of_values)(p, y, x_row, w_row + n);
      for (int64_t m = 0; m < p->m; m++)
        wr_packed_store(p->out, p->dtype, (i * p->m + m) * p->n + n, y[m]);
    }
  }
}

/* ---- panels ---- */

struct panel {
  float w[PANEL_N * PANEL_K];
  float y[PANEL_M * PANEL_N];
};

static struct wr_error *multiply_panel(const struct product *p, struct panel *s, const float *x,
                                       int64_t w_first, int64_t rows, int64_t first,
                                       int64_t count) {
  for (int64_t at = 0; at < p->k; at += PANEL_K) {
    const int64_t depth = least(PANEL_K, p->k - at);
    const int64_t lines = p->transpose ? count : depth;
    const int64_t length = p->transpose ? depth : count;
    for (int64_t i = 0; i < lines; i++) {
      const int64_t row = w_first + (p->transpose ? first : at) + i;
      wr_packed_values(s->w + i * length, &p->w, row, p->transpose ? at : first, length);
    }
    const struct wr_gemm g = {.dtype = WR_FLOAT32,
                              .b_transposed = p->transpose,
                              .m = rows,
                              .n = count,
                              .k = depth,
                              .a = x + at,
                              .b = s->w,
                              .lda = p->k,
                              .ldb = length,
                              .ldc = count,
                              .c = s->y,
                              .alpha = 1,
                              .beta = at > 0 ? 1.0f : 0.0f};
    struct wr_error *error = wr_cpu_gemm(&g);
    if (error) return error;
  }
  return NULL;
}

static struct wr_error *part_by_panels(const struct product *p, struct panel *s, int64_t part) {
  const int64_t columns = (p->n + PANEL_N - 1) / PANEL_N, tall = (p->m + PANEL_M - 1) / PANEL_M;
  const int64_t i = part / (columns * tall);
  const int64_t row = part / columns % tall * PANEL_M, first = part % columns * PANEL_N;
  const int64_t rows = least(PANEL_M, p->m - row), count = least(PANEL_N, p->n - first);
  const int64_t w_rows = p->transpose ? p->n : p->k;
  const float *x = p->x + (matrix_of(p->lhs, p->x_count, i) * p->m + row) * p->k;
  const int64_t w_first = matrix_of(p->rhs, p->w_count, i) * w_rows;
  struct wr_error *error = multiply_panel(p, s, x, w_first, rows, first, count);
  for (int64_t m = 0; m < rows && !error; m++) {
    const int64_t to = (i * p->m + row + m) * p->n + first;
    for (int64_t n = 0; n < count; n++)
      wr_packed_store(p->out, p->dtype, to + n, s->y[m * count + n]);
  }
  return error;
}

static void by_panels(void *ctx, int64_t begin, int64_t end) {
  struct product *p = ctx;
  struct panel *s = wr_alloc(sizeof *s);
  struct wr_error *error = s ? NULL : wr_error_out_of_memory();
  for (int64_t part = begin; part < end && !error; part++) error = part_by_panels(p, s, part);
  wr_free(s);
  wr_error_keep_first(&p->error, error);
}

/* ---- the whole ---- */

static struct wr_error *run(struct product *p, int64_t products) {
  if (p->transpose && p->m <= FEW) {
    const int64_t parts = products * ((p->n + ROWS - 1) / ROWS);
    const int64_t each = ROWS * p->m * p->k, grain = 4 * WR_CPU_GRAIN / (each > 0 ? each : 1);
    wr_spread(parts, grain > 1 ? grain : 1, few_rows, p);
    return NULL;
  }
  const int64_t parts =
      products * ((p->n + PANEL_N - 1) / PANEL_N) * ((p->m + PANEL_M - 1) / PANEL_M);
  wr_spread(parts, 1, by_panels, p);
  return wr_load_acquire(&p->error); /* the pool has finished */
}

static bool takes_integers(const struct product *p) {
  return p->transpose && p->m <= FEW && p->w.mode != WR_MXFP8;
}

/* Scratch for the rows as integers, in one piece: `words` of 16 bits, and of groups. */
static void *split(struct product *p, int64_t rows) {
  const size_t words = (size_t)(rows * p->k), groups = (size_t)(rows * p->w.groups);
  char *scratch = wr_alloc(2 * groups * sizeof(float) + 2 * words * sizeof(int16_t) + (size_t)rows);
  if (!scratch) return NULL;
  p->steps = (float *)(void *)scratch;
  p->sums = p->steps + groups;
  p->high = (int16_t *)(void *)(p->sums + groups);
  p->low = p->high + words;
  p->finite = (uint8_t *)(void *)(p->low + words);
  wr_spread(rows, p->k >= WR_CPU_GRAIN ? 1 : WR_CPU_GRAIN / p->k, split_rows, p);
  return scratch;
}

static struct wr_error *widen(struct product *p, const struct wr_tensor *x, void **scratch) {
  p->x = x->data;
  if (x->dtype == WR_FLOAT32) return NULL;
  *scratch = wr_alloc((size_t)x->size * sizeof(float));
  if (!*scratch) return wr_error_out_of_memory();
  wr_cpu_cast(x, WR_FLOAT32, *scratch, x->strides);
  p->x = *scratch;
  return NULL;
}

struct wr_error *wr_cpu_quantized_matmul(const struct wr_call *call) {
  const struct wr_quantized_params *how = call->params;
  const struct wr_tensor *x = &call->in[0], *w = &call->in[1], *out = &call->out;
  struct product p = {.transpose = how->transpose,
                      .m = out->shape[out->ndim - 2],
                      .n = out->shape[out->ndim - 1],
                      .k = x->shape[x->ndim - 1],
                      .out = out->data,
                      .dtype = out->dtype,
                      .exact = out->dtype == WR_FLOAT32};
  if (out->size == 0) return NULL;
  if (x->size == 0 || w->size == 0) { /* sums of nothing */
    memset(out->data, 0, (size_t)out->size * wr_dtype_size(out->dtype));
    return NULL;
  }
  wr_packed_rows_of(&p.w, call->in + 1, how);
  p.x_count = x->size / (p.m * p.k);
  p.w_count = w->size / ((int64_t)w->shape[w->ndim - 2] * w->shape[w->ndim - 1]);
  if (how->gathers) {
    p.lhs = call->in[call->n_in - 2].data;
    p.rhs = call->in[call->n_in - 1].data;
  }
  void *scratch = NULL, *integers = NULL;
  struct wr_error *error = widen(&p, x, &scratch);
  if (!error && takes_integers(&p)) {
    integers = split(&p, x->size / p.k);
    if (!integers) error = wr_error_out_of_memory();
  }
  if (!error) error = run(&p, out->size / (p.m * p.n));
  wr_free(integers);
  wr_free(scratch);
  return error;
}
