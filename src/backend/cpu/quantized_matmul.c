/* Products with quantised matrices, which are never written as a whole.

   A few rows by a transposed matrix take the integers that it has as they are (quantized_rows.h). A
   row that is not finite, or very large or small, is multiplied by values in float32, and so is one
   by E4M3.

   Many rows, and matrices that are not transposed, are multiplied by panels of values in float32
   that stay in the cache. Sums are float32. Parts of the result spread over the pool; no locks. */

#include <math.h>
#include <string.h>

#include "backend/cpu/blas/blas.h"
#include "backend/cpu/kernels.h"
#include "backend/cpu/loop/loop.h"
#include "backend/cpu/quantized_rows.h"
#include "base/atomic.h"
#include "base/base.h"

enum {
  FEW = 16,       /* rows of x that are multiplied by rows of w as integers, */
  FEW_FLOATS = 6, /* or as values */
  LANES = 16,     /* sums of a row by a row of values */
  PANEL_N = 128,  /* columns of the result in a panel */
  PANEL_M = 512,
  PANEL_K = WR_PACKED_CHUNK
};

struct product {
  bool transpose;
  int64_t m, n, k; /* of each product */
  int64_t x_count; /* matrices */
  int64_t w_count;
  const int64_t *lhs, *rhs; /* their numbers, or NULL */
  const float *x;           /* float32 */
  void *out;
  enum wr_dtype dtype;
  struct wr_rows rows; /* of x as integers, if there are any; the matrix */
  uint8_t *split;      /* of rows: whether they are, or NULL */
  const struct wr_rows_kernels *kernels;
  wr_atomic_ptr error; /* atomic ACQ_REL: struct wr_error *, the first one; a reference */
};

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* Which matrix the i-th product reads: one outside is the nearest. */
static int64_t matrix_of(const int64_t *numbers, int64_t count, int64_t i) {
  if (!numbers) return count > 1 ? i : 0;
  const int64_t at = numbers[i] < 0 ? numbers[i] + count : numbers[i];
  return at < 0 ? 0 : at < count ? at : count - 1;
}

/* ---- sums of products of values ---- */

WR_WIDE static void add_products(float *restrict lanes, const float *restrict x,
                                 const float *restrict w, int64_t n) {
  for (int64_t i = 0; i < n; i += LANES) {
    for (int l = 0; l < LANES; l++) lanes[l] += x[i + l] * w[i + l];
  }
}

/* The rows of x of a panel by one of w. */
static void row_of_values(const struct product *p, struct wr_rows_panel *panel, int64_t r) {
  float lanes[WR_ROWS_X][LANES] = {{0}};
  for (int64_t at = 0; at < p->k; at += WR_PACKED_CHUNK) {
    const int64_t n = least(WR_PACKED_CHUNK, p->k - at);
    float values[WR_PACKED_CHUNK];
    wr_packed_values(values, &p->rows.w, panel->w_first + r, at, n);
    for (int64_t m = 0; m < panel->rows; m++) {
      add_products(lanes[m], p->x + (panel->first + m) * p->k + at, values, n);
    }
  }
  for (int64_t m = 0; m < panel->rows; m++) {
    panel->y[m][r] = 0;
    for (int l = 0; l < LANES; l++) panel->y[m][r] += lanes[m][l];
  }
}

static bool are_integers(const struct product *p, const struct wr_rows_panel *panel) {
  for (int64_t m = 0; m < panel->rows; m++) {
    if (!p->split[panel->first + m]) return false;
  }
  return true;
}

/* Parts of WR_ROWS_W columns of the result. */
static void few_rows(void *ctx, int64_t begin, int64_t end) {
  const struct product *p = ctx;
  const int64_t parts = (p->n + WR_ROWS_W - 1) / WR_ROWS_W;
  for (int64_t part = begin; part < end; part++) {
    const int64_t i = part / parts, first = part % parts * WR_ROWS_W;
    const int64_t x_row = matrix_of(p->lhs, p->x_count, i) * p->m;
    struct wr_rows_panel panel = {.x = &p->rows};
    panel.w_first = matrix_of(p->rhs, p->w_count, i) * p->n + first;
    panel.w_rows = least(WR_ROWS_W, p->n - first);
    for (int64_t at = 0; at < p->m; at += WR_ROWS_X) {
      panel.first = x_row + at;
      panel.rows = least(WR_ROWS_X, p->m - at);
      if (p->split && are_integers(p, &panel)) {
        p->kernels->multiply(&panel);
      } else {
        for (int64_t r = 0; r < panel.w_rows; r++) row_of_values(p, &panel, r);
      }
      for (int64_t m = 0; m < panel.rows; m++) {
        const int64_t to = (i * p->m + at + m) * p->n + first;
        for (int64_t r = 0; r < panel.w_rows; r++)
          wr_packed_store(p->out, p->dtype, to + r, panel.y[m][r]);
      }
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
      wr_packed_values(s->w + i * length, &p->rows.w, row, p->transpose ? at : first, length);
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

static bool is_few(const struct product *p) {
  return p->transpose && p->m <= (p->rows.w.mode == WR_MXFP8 ? FEW_FLOATS : FEW);
}

static struct wr_error *run(struct product *p, int64_t products) {
  if (is_few(p)) {
    const int64_t parts = products * ((p->n + WR_ROWS_W - 1) / WR_ROWS_W);
    const int64_t each = WR_ROWS_W * p->m * p->k, grain = 4 * WR_CPU_GRAIN / (each > 0 ? each : 1);
    wr_spread(parts, grain > 1 ? grain : 1, few_rows, p);
    return NULL;
  }
  const int64_t parts =
      products * ((p->n + PANEL_N - 1) / PANEL_N) * ((p->m + PANEL_M - 1) / PANEL_M);
  wr_spread(parts, 1, by_panels, p);
  return wr_load_acquire(&p->error); /* the pool has finished */
}

static void split_rows(void *ctx, int64_t begin, int64_t end) {
  struct product *p = ctx;
  for (int64_t r = begin; r < end; r++) p->split[r] = wr_rows_split(&p->rows, r, p->x + r * p->k);
}

/* Scratch for the rows as integers, in one piece. */
static void *split(struct product *p, int64_t rows) {
  struct wr_rows *to = &p->rows;
  const struct wr_packed_rows w = to->w;
  wr_rows_begin(to, &w, p->k, p->m, p->dtype == WR_FLOAT32);
  const size_t words = (size_t)(rows * to->x_length), groups = (size_t)(rows * to->x_groups);
  const size_t size = words * sizeof(int16_t) + 2 * groups * sizeof(float) + (size_t)rows;
  char *scratch = wr_alloc_aligned(64, size); /* by vectors that cross no line */
  if (!scratch) return NULL;
  to->words = (int16_t *)(void *)scratch;
  to->steps = (float *)(void *)(to->words + words);
  to->sums = to->steps + groups;
  p->split = (uint8_t *)(to->sums + groups);
  p->kernels = wr_rows_kernels();
  wr_spread(rows, wr_cpu_grain(p->k), split_rows, p);
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
                      .dtype = out->dtype};
  if (out->size == 0) return NULL;
  if (x->size == 0 || w->size == 0) { /* sums of nothing */
    memset(out->data, 0, (size_t)out->size * wr_dtype_size(out->dtype));
    return NULL;
  }
  wr_packed_rows_of(&p.rows.w, call->in + 1, how);
  p.x_count = x->size / (p.m * p.k);
  p.w_count = w->size / ((int64_t)w->shape[w->ndim - 2] * w->shape[w->ndim - 1]);
  if (how->gathers) {
    p.lhs = call->in[call->n_in - 2].data;
    p.rhs = call->in[call->n_in - 1].data;
  }
  void *scratch = NULL, *integers = NULL;
  struct wr_error *error = widen(&p, x, &scratch);
  if (!error && is_few(&p) && how->mode != WR_MXFP8) {
    integers = split(&p, x->size / p.k);
    if (!integers) error = wr_error_out_of_memory();
  }
  if (!error) error = run(&p, out->size / (p.m * p.n));
  wr_free(integers);
  wr_free(scratch);
  return error;
}
