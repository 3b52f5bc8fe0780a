/* An OpenBLAS that computes nothing: it keeps what the longest of its calls would have done, and
   what all of them together. See capi/slices.c. */

#include "counting_blas.h"

#include <stdio.h>
#include <stdlib.h>

static struct counting *counting; /* immutable after the library's start */

__attribute__((constructor)) static void find(void) {
  const char *text = getenv(COUNTING_BLAS_AT);
  void *at = NULL;
  if (!text || sscanf(text, "%p", &at) != 1) abort();
  counting = at;
}

void openblas_set_num_threads(int n);
int openblas_get_parallel(void);

void openblas_set_num_threads(int n) { (void)n; }
int openblas_get_parallel(void) { return 1; }

/* The operands are m by k and k by n. */
static void count(double m, double n, double k, double flops, double element) {
  const double bytes = (m * k + k * n) * element;
  pthread_mutex_lock(&counting->lock);
  struct counted *c = &counting->counted;
  c->flops += flops * m * n * k;
  if (flops * m * n * k > c->most_flops) c->most_flops = flops * m * n * k;
  if (bytes > c->most_bytes) c->most_bytes = bytes;
  pthread_mutex_unlock(&counting->lock);
}

/* ---- as cblas.h declares them ---- */

#define UNUSED_GEMM (void)order, (void)ta, (void)tb, (void)a, (void)b, (void)c, (void)lda, (void)ldb

void cblas_cgemm(int order, int ta, int tb, int m, int n, int k, const void *alpha, const void *a,
                 int lda, const void *b, int ldb, const void *beta, void *c, int ldc);

void cblas_cgemm(int order, int ta, int tb, int m, int n, int k, const void *alpha, const void *a,
                 int lda, const void *b, int ldb, const void *beta, void *c, int ldc) {
  UNUSED_GEMM, (void)alpha, (void)beta, (void)ldc;
  count(m, n, k, 8, 2 * sizeof(float));
}
