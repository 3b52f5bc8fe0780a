// Data of the rows and what their results must be, computed here in double from the same inputs.
// Large results are sampled at places that no block size divides evenly. No state, no locks.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "harness.h"

static const double angle = 0.003;

float *bench_floats(size_t n) {
  float *p = aligned_alloc(64, (n * sizeof(float) + 63) / 64 * 64);
  if (!p) bench_fail("out of memory");
  return p;
}

float *bench_data(size_t n, unsigned seed) {
  float *p = bench_floats(n);
  for (size_t i = 0; i < n; i++) {
    seed = seed * 1664525u + 1013904223u;
    p[i] = 0.5f + (float)(seed >> 8) / 16777216.0f;
  }
  return p;
}

float *bench_rotation(int turns) {
  enum { SIDE = BENCH_PRODUCT_SIDE };
  float *p = bench_floats(SIDE * SIDE);
  for (int i = 0; i < SIDE * SIDE; i++) p[i] = 0.0f;
  float c = (float)cos(turns * angle), s = (float)sin(turns * angle);
  for (int i = 0; i < SIDE; i += 2) {
    p[i * SIDE + i] = c;
    p[i * SIDE + i + 1] = s;
    p[(i + 1) * SIDE + i] = -s;
    p[(i + 1) * SIDE + i + 1] = c;
  }
  return p;
}

void bench_same(const struct bench_row *row, double got, double want, double tolerance) {
  if (fabs(got - want) <= tolerance * fabs(want)) return;
  fprintf(stderr, "bench: %s: got %.9g, expected %.9g\n", row->name, got, want);
  exit(1);
}

void bench_check_add(const struct bench_row *row, const float *y, const float *a, const float *b,
                     size_t n) {
  size_t step = n > 1000 ? 9973 : 1;
  for (size_t i = 0; i < n; i += step) bench_same(row, y[i], (double)a[i] + b[i], 1e-6);
  bench_same(row, y[n - 1], (double)a[n - 1] + b[n - 1], 1e-6);
}

// Half of the steps add b, and the others take what is positive as it is.
void bench_check_steps(const struct bench_row *row, const float *y, const float *a,
                       const float *b) {
  for (int i = 0; i < BENCH_SMALL; i++) {
    bench_same(row, y[i], a[i] + BENCH_STEPS / 2 * (double)b[i], 1e-4);
  }
}

// Two steps of "add b, transpose" add b and its transpose once.
void bench_check_chain(const struct bench_row *row, const float *y, const float *a,
                       const float *b) {
  enum { SIDE = BENCH_CHAIN_SIDE, PAIRS = BENCH_CHAIN / 4 };
  for (int i = 0; i < SIDE; i++) {
    for (int j = 0; j < SIDE; j++) {
      double both = (double)b[i * SIDE + j] + b[j * SIDE + i];
      bench_same(row, y[i * SIDE + j], a[i * SIDE + j] + PAIRS * both, 1e-4);
    }
  }
}

void bench_check_products(const struct bench_row *row, const float *y, const float *a) {
  enum { SIDE = BENCH_PRODUCT_SIDE };
  double c = cos(BENCH_PRODUCTS * angle), s = sin(BENCH_PRODUCTS * angle);
  for (int i = 0; i < SIDE * SIDE; i += 2) {
    double first = a[i] * c - a[i + 1] * s, second = a[i] * s + a[i + 1] * c;
    // Against the pair's length: one of the two may be close to zero.
    double length = hypot(a[i], a[i + 1]);
    bench_same(row, y[i] + 4 * length, first + 4 * length, 1e-3);
    bench_same(row, y[i + 1] + 4 * length, second + 4 * length, 1e-3);
  }
}

void bench_check_fused(const struct bench_row *row, const float *y, const float *a, const float *b,
                       const float *c) {
  for (size_t i = 0; i < BENCH_LARGE; i += 9973) {
    double want = sqrt(fabs((double)a[i] * b[i] + c[i])) * exp(-(double)a[i]);
    bench_same(row, y[i], want, 1e-5);
  }
}

void bench_check_sum(const struct bench_row *row, float y, const float *a) {
  double want = 0;
  for (size_t i = 0; i < BENCH_LARGE; i++) want += a[i];
  bench_same(row, y, want, 1e-3);
}

void bench_check_softmax(const struct bench_row *row, const float *y, const float *a) {
  enum { SIDE = BENCH_SOFTMAX_SIDE };
  for (size_t r = 0; r < SIDE; r += 97) {
    double total = 0;
    for (size_t j = 0; j < SIDE; j++) total += exp((double)a[r * SIDE + j]);
    for (size_t j = 0; j < SIDE; j += 131) {
      bench_same(row, y[r * SIDE + j], exp((double)a[r * SIDE + j]) / total, 1e-4);
    }
  }
}

void bench_check_matmul(const struct bench_row *row, const float *y, const float *a,
                        const float *b) {
  enum { SIDE = BENCH_MATMUL_SIDE };
  for (size_t at = 0; at < (size_t)SIDE * SIDE; at += 9973) {
    double want = 0;
    for (size_t k = 0; k < SIDE; k++) {
      want += (double)a[at / SIDE * SIDE + k] * b[k * SIDE + at % SIDE];
    }
    bench_same(row, y[at], want, 1e-4);
  }
}
