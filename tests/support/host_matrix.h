#ifndef WR_TESTS_SUPPORT_HOST_MATRIX_H
#define WR_TESTS_SUPPORT_HOST_MATRIX_H

/* Matrices of doubles on the host, row by row, for what has to hold of results. What is made is the
   caller's to free. */

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

static inline void transpose(double *to, const double *x, int count, int rows, int columns) {
  for (int64_t k = 0; k < count; k++) {
    for (int i = 0; i < rows; i++) {
      for (int j = 0; j < columns; j++) {
        to[k * rows * columns + (int64_t)j * rows + i] =
            x[k * rows * columns + (int64_t)i * columns + j];
      }
    }
  }
}

/* a (m x k) times b (k x n). */
static inline double *product(const double *a, const double *b, int m, int k, int n) {
  double *c = calloc((size_t)m * (size_t)n + 1, sizeof *c);
  for (int i = 0; i < m; i++) {
    for (int l = 0; l < k; l++) {
      for (int j = 0; j < n; j++)
        c[(int64_t)i * n + j] += a[(int64_t)i * k + l] * b[(int64_t)l * n + j];
    }
  }
  return c;
}

static inline double *turned(const double *a, int rows, int columns) {
  double *t = malloc((size_t)rows * (size_t)columns * sizeof *t + 1);
  transpose(t, a, 1, rows, columns);
  return t;
}

static inline double apart(const double *a, const double *b, int64_t size) {
  double most = 0;
  for (int64_t i = 0; i < size; i++) {
    const double d = fabs(a[i] - b[i]);
    if (!(d <= most)) most = d;
  }
  return most;
}

static inline double *identity(int n) {
  double *e = calloc((size_t)n * (size_t)n + 1, sizeof *e);
  for (int i = 0; i < n; i++) e[(int64_t)i * n + i] = 1;
  return e;
}

static inline double *triangle_of(const double *a, int n, bool upper) {
  double *t = calloc((size_t)n * (size_t)n + 1, sizeof *t);
  for (int i = 0; i < n; i++) {
    for (int j = 0; j < n; j++) {
      if (upper ? j >= i : j <= i) t[(int64_t)i * n + j] = a[(int64_t)i * n + j];
    }
  }
  return t;
}

#endif
