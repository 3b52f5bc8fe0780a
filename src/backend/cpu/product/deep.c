/* Products whose result is small and whose sums are long: too few tiles for the pool, and too much
   work for one piece. Each stretch of k is a product of its own, into a result of its own; then
   these are added, in the order of k. How many there are follows from the shape alone, so that what
   comes out is the same on any number of threads. */

#include "backend/cpu/product/job.h"
#include "base/base.h"

/* Elements of a result at most; places of a stretch at least, and stretches at most. */
enum { RESULT = 4096, STRETCH = 4096, STRETCHES_MOST = 64 };

struct deep {
  const struct wr_gemm *g;
  const struct wr_gemm_kernels *with;
  int64_t element, source; /* bytes, of results and of operands */
  int64_t stretch;         /* places */
  char *results;           /* one behind the other */
  wr_atomic_ptr error;     /* atomic ACQ_REL: struct wr_error *, the first one; a reference */
};

bool wr_gemm_is_deep(const struct wr_gemm *g) {
  return g->k >= 2 * STRETCH && g->m * g->n <= RESULT && !g->windows && !g->a_rows;
}

static void body(void *ctx, int64_t begin, int64_t end) {
  struct deep *d = ctx;
  const struct wr_gemm *g = d->g;
  for (int64_t i = begin; i < end; i++) {
    const int64_t p = i * d->stretch;
    struct wr_gemm part = *g;
    part.k = least(d->stretch, g->k - p);
    part.a = (const char *)g->a + p * (g->a_transposed ? g->lda : 1) * d->source;
    part.b = (const char *)g->b + p * (g->b_transposed ? 1 : g->ldb) * d->source;
    part.c = d->results + i * g->m * g->n * d->element;
    part.ldc = g->n;
    part.beta = 0;
    part.d = NULL;
    part.b_of = NULL;
    wr_error_keep_first(&d->error, wr_gemm_run_whole(&part, d->with, true));
  }
}

static void add_f32(float *restrict to, const float *restrict from, int64_t n) {
  for (int64_t i = 0; i < n; i++) to[i] += from[i];
}

static void add_f64(double *restrict to, const double *restrict from, int64_t n) {
  for (int64_t i = 0; i < n; i++) to[i] += from[i];
}

/* The first result becomes the sum of all. */
static void add_up(const struct deep *d, int64_t n) {
  const int64_t size = d->g->m * d->g->n;
  for (int64_t s = 1; s < n; s++) {
    if (d->element == 4) {
      add_f32((float *)(void *)d->results, (const float *)(const void *)d->results + s * size,
              size);
    } else {
      add_f64((double *)(void *)d->results, (const double *)(const void *)d->results + s * size,
              size);
    }
  }
}

/* c = sums + beta d. */
static void finish_f32(const struct wr_gemm *g, const float *sums) {
  const float *of = g->d ? g->d : g->c;
  const int64_t ldd = g->d ? g->ldd : g->ldc;
  for (int64_t i = 0; i < g->m * g->n; i++) {
    const int64_t row = i / g->n, col = i % g->n;
    float *c = (float *)g->c + row * g->ldc + col;
    *c = g->beta == 0 ? sums[i] : sums[i] + g->beta * of[row * ldd + col];
  }
}

static void finish_f64(const struct wr_gemm *g, const double *sums) {
  const double *of = g->d ? g->d : g->c;
  const int64_t ldd = g->d ? g->ldd : g->ldc;
  for (int64_t i = 0; i < g->m * g->n; i++) {
    const int64_t row = i / g->n, col = i % g->n;
    double *c = (double *)g->c + row * g->ldc + col;
    *c = g->beta == 0 ? sums[i] : sums[i] + (double)g->beta * of[row * ldd + col];
  }
}

struct wr_error *wr_gemm_deep(const struct wr_gemm *g, const struct wr_gemm_kernels *with,
                              bool alone) {
  struct deep d = {.g = g, .with = with, .element = g->dtype == WR_FLOAT32 ? 4 : 8};
  d.source = g->from ? (int64_t)sizeof(uint16_t) : d.element;
  d.stretch = round_up(most(STRETCH, parts(g->k, STRETCHES_MOST)), WR_GEMM_DEEP);
  const int64_t n = parts(g->k, d.stretch);
  d.results = wr_alloc_aligned(64, (size_t)(n * g->m * g->n * d.element));
  if (!d.results) return wr_error_out_of_memory();
  wr_gemm_run_all(alone, n, 2.0 * (double)g->m * (double)g->n * (double)g->k, body, &d);
  struct wr_error *error = wr_load_acquire(&d.error); /* the pool has finished */
  if (!error) {
    add_up(&d, n);
    if (d.element == 4) {
      finish_f32(g, (const float *)(const void *)d.results);
    } else {
      finish_f64(g, (const double *)(const void *)d.results);
    }
  }
  wr_free(d.results);
  return error;
}
