/* Linear algebra on the GPU by what has to hold of its results: products of factors give the matrix
   again, within what the type allows. Sizes from one element to what routines do in blocks, long
   and wide matrices, batches of few and of many, transposed and strided inputs. Matrices of which
   there is no result: the CPU's message, in that array alone, and the stream goes on. */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "anew.h"
#include "backend/backend.h"
#include "host_matrix.h"
#include "mlx/c/mlx.h"
#include "weir/error.h"

enum { SKIPPED = 77, MOST_SHOWN = 30 };

static mlx_stream gpu, cpu;
static int checks, failed;
static mlx_dtype type;

static void fail(const char *what, int m, int n, int count, double off) {
  if (failed++ < MOST_SHOWN) {
    fprintf(stderr, "%s of %d matrices of %d x %d, %s: off by %g\n", what, count, m, n,
            type == MLX_FLOAT64 ? "float64" : "float32", off);
  }
}

/* ---- arrays ---- */

static double next(void) {
  static uint32_t seed = 7;
  seed = seed * 1664525u + 1013904223u;
  return (double)(seed >> 8) / (1 << 23) - 1;
}

/* Numbers that the type has. */
static double *numbers(int64_t size) {
  double *x = malloc((size_t)size * sizeof *x + 1);
  for (int64_t i = 0; i < size; i++) x[i] = type == MLX_FLOAT64 ? next() : (double)(float)next();
  return x;
}

static double rounded(double x) { return type == MLX_FLOAT64 ? x : (double)(float)x; }

static mlx_array array_of(const double *x, int count, int rows, int columns) {
  const int shape[] = {count, rows, columns};
  const int64_t size = (int64_t)count * rows * columns;
  const int skip = count == 1;
  if (type == MLX_FLOAT64) return mlx_array_new_data(x, shape + skip, 3 - skip, type);
  float *narrow = malloc((size_t)size * sizeof *narrow + 1);
  for (int64_t i = 0; i < size; i++) narrow[i] = (float)x[i];
  mlx_array a = mlx_array_new_data(narrow, shape + skip, 3 - skip, type);
  free(narrow);
  return a;
}

enum form { DENSE, TURNED, STEPPED, FORMS };

/* The same values on the GPU in several layouts. */
static mlx_array input(const double *x, int count, int rows, int columns, enum form form) {
  const int64_t size = (int64_t)count * rows * columns;
  mlx_array r = mlx_array_new();
  if (form == DENSE) {
    mlx_array_free(r);
    return array_of(x, count, rows, columns);
  }
  if (form == TURNED) {
    double *y = malloc((size_t)size * sizeof *y + 1);
    transpose(y, x, count, rows, columns);
    mlx_array a = array_of(y, count, columns, rows);
    if (mlx_swapaxes(&r, a, -1, -2, gpu)) exit(1);
    mlx_array_free(a);
    free(y);
    return r;
  }
  double *y = numbers(2 * size);
  for (int64_t i = 0; i < size; i++) y[2 * i] = x[i];
  mlx_array a = array_of(y, count, rows, 2 * columns);
  const int ndim = (int)mlx_array_ndim(a), from[3] = {0}, by[] = {1, count == 1 ? 2 : 1, 2};
  if (mlx_slice(&r, a, from, (size_t)ndim, mlx_array_shape(a), (size_t)ndim, by, (size_t)ndim, gpu))
    exit(1);
  mlx_array_free(a);
  free(y);
  return r;
}

/* The elements; takes the array. NULL where it has failed. */
static double *values(mlx_array a, int64_t size) {
  double *x = NULL;
  mlx_array dense = mlx_array_new();
  if (mlx_contiguous(&dense, a, false, gpu) || mlx_array_eval(dense)) {
    fprintf(stderr, "%s\n", weir_last_error());
  } else if ((int64_t)mlx_array_size(dense) == size) {
    x = malloc((size_t)size * sizeof *x + 1);
    for (int64_t i = 0; i < size; i++) {
      const mlx_dtype t = mlx_array_dtype(dense);
      x[i] = t == MLX_FLOAT64   ? mlx_array_data_float64(dense)[i]
             : t == MLX_FLOAT32 ? (double)mlx_array_data_float32(dense)[i]
                                : mlx_array_data_uint32(dense)[i];
    }
  }
  mlx_array_free(dense);
  mlx_array_free(a);
  return x;
}

/* ---- what has to hold ---- */

static void expect(const char *what, const double *have, const double *want, int rows, int columns,
                   int count, double scale) {
  const double off = apart(have, want, (int64_t)rows * columns);
  const int n = rows > columns ? rows : columns;
  checks++;
  if (!(off <= 40 * (type == MLX_FLOAT64 ? 2.3e-16 : 1.2e-7) * scale * (n + 4)))
    fail(what, rows, columns, count, off);
}

/* Columns are of length 1 and at right angles. */
static void expect_orthogonal(const char *what, const double *q, int rows, int columns, int count) {
  double *t = turned(q, rows, columns), *p = product(t, q, columns, rows, columns);
  double *e = identity(columns);
  expect(what, p, e, columns, columns, count, 1);
  free(t);
  free(p);
  free(e);
}

static void expect_triangle(const char *what, const double *a, int rows, int columns, bool upper,
                            int count) {
  checks++;
  for (int i = 0; i < rows; i++) {
    for (int j = 0; j < columns; j++) {
      const double x = a[(int64_t)i * columns + j];
      if ((upper ? j < i : j > i) && x != 0) {
        fail(what, rows, columns, count, x);
        return;
      }
    }
  }
}

/* ---- kinds of matrices ---- */

static double *positive(int count, int n) {
  double *a = malloc((size_t)count * (size_t)n * (size_t)n * sizeof *a + 1);
  for (int k = 0; k < count; k++) {
    double *x = numbers((int64_t)n * n), *t = turned(x, n, n), *p = product(x, t, n, n, n);
    for (int64_t i = 0; i < (int64_t)n * n; i++) {
      a[(int64_t)k * n * n + i] = rounded(p[i] / n + (i % (n + 1) == 0));
    }
    free(x);
    free(t);
    free(p);
  }
  return a;
}

/* Well conditioned, without being symmetric. */
static double *regular(int count, int n) {
  double *a = numbers((int64_t)count * n * n);
  for (int64_t i = 0; i < (int64_t)count * n * n; i++) {
    const int64_t at = i % ((int64_t)n * n), row = at / n, column = at % n;
    a[i] = rounded(a[i] / n + ((row + 1) % n == column ? 1.5 : 0) + (row == column ? 0.25 : 0));
  }
  return a;
}

/* As regular, with a triangle that counts. */
static double *triangular(int count, int n) {
  double *a = numbers((int64_t)count * n * n);
  for (int64_t i = 0; i < (int64_t)count * n * n; i++) {
    const int64_t at = i % ((int64_t)n * n);
    a[i] = rounded(at % (n + 1) == 0 ? 1 + fabs(a[i]) : a[i] / n);
  }
  return a;
}

/* ---- operations ---- */

static void cholesky(int count, int n, enum form form) {
  double *a = positive(count, n);
  for (int upper = 0; upper < 2; upper++) {
    mlx_array in = input(a, count, n, n, form), out = mlx_array_new();
    if (mlx_linalg_cholesky(&out, in, upper, gpu)) exit(1);
    double *l = values(out, (int64_t)count * n * n);
    for (int k = 0; k < count && l; k++) {
      const double *f = l + (int64_t)k * n * n;
      double *t = turned(f, n, n);
      double *p = upper ? product(t, f, n, n, n) : product(f, t, n, n, n);
      expect_triangle("cholesky's triangle", f, n, n, upper, count);
      expect("cholesky", p, a + (int64_t)k * n * n, n, n, count, 1);
      free(t);
      free(p);
    }
    if (!l) fail("cholesky", n, n, count, NAN);
    free(l);
    mlx_array_free(in);
  }
  free(a);
}

static void inverse(int count, int n, enum form form) {
  double *a = regular(count, n), *e = identity(n);
  mlx_array in = input(a, count, n, n, form), out = mlx_array_new();
  if (mlx_linalg_inv(&out, in, gpu)) exit(1);
  double *x = values(out, (int64_t)count * n * n);
  for (int k = 0; k < count && x; k++) {
    double *p = product(a + (int64_t)k * n * n, x + (int64_t)k * n * n, n, n, n);
    expect("inv", p, e, n, n, count, 8);
    free(p);
  }
  if (!x) fail("inv", n, n, count, NAN);
  free(x);
  free(a);
  free(e);
  mlx_array_free(in);
}

static void triangles(int count, int n, int columns, enum form form) {
  double *a = triangular(count, n), *b = numbers((int64_t)count * n * columns), *e = identity(n);
  for (int upper = 0; upper < 2; upper++) {
    mlx_array in = input(a, count, n, n, form), rhs = input(b, count, n, columns, form);
    mlx_array inv = mlx_array_new(), sol = mlx_array_new();
    if (mlx_linalg_tri_inv(&inv, in, upper, gpu)) exit(1);
    if (mlx_linalg_solve_triangular(&sol, in, rhs, upper, gpu)) exit(1);
    double *x = values(inv, (int64_t)count * n * n);
    double *y = values(sol, (int64_t)count * n * columns);
    for (int k = 0; k < count && x && y; k++) {
      double *t = triangle_of(a + (int64_t)k * n * n, n, upper);
      double *p = product(t, x + (int64_t)k * n * n, n, n, n);
      double *q = product(t, y + (int64_t)k * n * columns, n, n, columns);
      expect_triangle("tri_inv's triangle", x + (int64_t)k * n * n, n, n, upper, count);
      expect("tri_inv", p, e, n, n, count, 8);
      expect("solve_triangular", q, b + (int64_t)k * n * columns, n, columns, count, 8);
      free(t);
      free(p);
      free(q);
    }
    if (!x || !y) fail("triangles", n, columns, count, NAN);
    free(x);
    free(y);
    mlx_array_free(in);
    mlx_array_free(rhs);
  }
  free(a);
  free(b);
  free(e);
}

static void solve(int count, int n, int columns, enum form form) {
  double *a = regular(count, n), *b = numbers((int64_t)count * n * columns);
  mlx_array in = input(a, count, n, n, form), rhs = input(b, count, n, columns, form);
  mlx_array out = mlx_array_new();
  if (mlx_linalg_solve(&out, in, rhs, gpu)) exit(1);
  double *x = values(out, (int64_t)count * n * columns);
  for (int k = 0; k < count && x; k++) {
    double *p = product(a + (int64_t)k * n * n, x + (int64_t)k * n * columns, n, n, columns);
    expect("solve", p, b + (int64_t)k * n * columns, n, columns, count, 8);
    free(p);
  }
  if (!x) fail("solve", n, columns, count, NAN);
  free(x);
  free(a);
  free(b);
  mlx_array_free(in);
  mlx_array_free(rhs);
}

static mlx_array part(mlx_vector_array v, size_t i) {
  mlx_array a = mlx_array_new();
  if (mlx_vector_array_get(&a, v, i)) exit(1);
  return a;
}

/* Of lu, whose rows of the product are taken by p; and of lu_factor, which says what to exchange.
 */
static void lu(int count, int m, int n, enum form form) {
  const int k = m < n ? m : n;
  double *a = numbers((int64_t)count * m * n);
  mlx_array in = input(a, count, m, n, form), both = mlx_array_new(), pivots = mlx_array_new();
  mlx_vector_array parts = mlx_vector_array_new();
  if (mlx_linalg_lu(&parts, in, gpu) || mlx_linalg_lu_factor(&both, &pivots, in, gpu)) exit(1);
  double *p = values(part(parts, 0), (int64_t)count * m);
  double *l = values(part(parts, 1), (int64_t)count * m * k);
  double *u = values(part(parts, 2), (int64_t)count * k * n);
  double *f = values(both, (int64_t)count * m * n), *s = values(pivots, (int64_t)count * k);
  for (int c = 0; c < count && p && l && u && f && s; c++) {
    const double *lc = l + (int64_t)c * m * k, *uc = u + (int64_t)c * k * n;
    double *q = product(lc, uc, m, k, n), *taken = malloc((size_t)m * (size_t)n * sizeof *taken);
    double *x = turned(a + (int64_t)c * m * n, 1, m * n);
    for (int i = 0; i < m; i++) {
      const int row = (int)p[(int64_t)c * m + i];
      for (int j = 0; j < n; j++) {
        taken[(int64_t)i * n + j] = row < m ? q[(int64_t)row * n + j] : NAN;
      }
    }
    expect("lu", taken, x, m, n, count, 2);
    expect_triangle("lu's l", lc, m, k, false, count);
    expect_triangle("lu's u", uc, k, n, true, count);
    for (int i = 0; i < k; i++) {
      const int other = (int)s[(int64_t)c * k + i];
      for (int j = 0; j < n && other < m; j++) {
        const double kept = x[(int64_t)i * n + j];
        x[(int64_t)i * n + j] = x[(int64_t)other * n + j];
        x[(int64_t)other * n + j] = kept;
      }
    }
    expect("lu_factor", q, x, m, n, count, 2);
    for (int i = 0; i < m; i++) { /* l and u as they stand in one */
      for (int j = 0; j < n; j++) {
        const double in_l = j < k && j < i ? lc[(int64_t)i * k + j] : 0;
        taken[(int64_t)i * n + j] = j < i ? in_l : i < k ? uc[(int64_t)i * n + j] : 0;
      }
    }
    expect("lu_factor beside lu", f + (int64_t)c * m * n, taken, m, n, count, 2);
    free(q);
    free(taken);
    free(x);
  }
  if (!p || !l || !u || !f || !s) fail("lu", m, n, count, NAN);
  double *all[] = {a, p, l, u, f, s};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
  mlx_array_free(in);
  mlx_vector_array_free(parts);
}

static void qr(int count, int m, int n, enum form form) {
  const int k = m < n ? m : n;
  double *a = numbers((int64_t)count * m * n);
  mlx_array in = input(a, count, m, n, form), first = mlx_array_new(), second = mlx_array_new();
  if (mlx_linalg_qr(&first, &second, in, gpu)) exit(1);
  double *q = values(first, (int64_t)count * m * k), *r = values(second, (int64_t)count * k * n);
  for (int c = 0; c < count && q && r; c++) {
    double *p = product(q + (int64_t)c * m * k, r + (int64_t)c * k * n, m, k, n);
    expect("qr", p, a + (int64_t)c * m * n, m, n, count, 2);
    expect_orthogonal("qr's q", q + (int64_t)c * m * k, m, k, count);
    expect_triangle("qr's r", r + (int64_t)c * k * n, k, n, true, count);
    free(p);
  }
  if (!q || !r) fail("qr", m, n, count, NAN);
  free(a);
  free(q);
  free(r);
  mlx_array_free(in);
}

static void expect_ordered(const char *what, const double *x, int n, bool down, int count) {
  checks++;
  for (int i = 1; i < n; i++) {
    if (down ? !(x[i] <= x[i - 1]) : !(x[i] >= x[i - 1])) {
      fail(what, n, n, count, x[i] - x[i - 1]);
      return;
    }
  }
  if (down && n > 0 && !(x[n - 1] >= 0)) fail(what, n, n, count, x[n - 1]);
}

static void svd(int count, int m, int n, enum form form) {
  const int k = m < n ? m : n;
  double *a = numbers((int64_t)count * m * n);
  mlx_array in = input(a, count, m, n, form);
  mlx_vector_array parts = mlx_vector_array_new(), alone = mlx_vector_array_new();
  if (mlx_linalg_svd(&parts, in, true, gpu) || mlx_linalg_svd(&alone, in, false, gpu)) exit(1);
  double *u = values(part(parts, 0), (int64_t)count * m * m);
  double *s = values(part(parts, 1), (int64_t)count * k);
  double *v = values(part(parts, 2), (int64_t)count * n * n);
  double *t = values(part(alone, 0), (int64_t)count * k);
  const double scale = 2 * sqrt((double)(m > n ? m : n));
  for (int c = 0; c < count && u && s && v && t; c++) {
    const double *uc = u + (int64_t)c * m * m, *vc = v + (int64_t)c * n * n;
    double *us = calloc((size_t)m * (size_t)n + 1, sizeof *us), *right = turned(vc, n, n);
    for (int i = 0; i < m; i++) {
      for (int j = 0; j < k; j++)
        us[(int64_t)i * n + j] = uc[(int64_t)i * m + j] * s[(int64_t)c * k + j];
    }
    double *p = product(us, vc, m, n, n);
    expect("svd", p, a + (int64_t)c * m * n, m, n, count, scale);
    expect_orthogonal("svd's u", uc, m, m, count);
    expect_orthogonal("svd's v", right, n, n, count);
    expect_ordered("svd's s", s + (int64_t)c * k, k, true, count);
    expect("svd's values alone", t + (int64_t)c * k, s + (int64_t)c * k, k, 1, count, scale);
    free(us);
    free(right);
    free(p);
  }
  if (!u || !s || !v || !t) fail("svd", m, n, count, NAN);
  double *all[] = {a, u, s, v, t};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
  mlx_array_free(in);
  mlx_vector_array_free(parts);
  mlx_vector_array_free(alone);
}

/* Of the triangle that counts; the other one has NaNs. */
static void eigh(int count, int n, enum form form) {
  for (int upper = 0; upper < 2; upper++) {
    double *a = numbers((int64_t)count * n * n), *whole = malloc((size_t)n * (size_t)n * sizeof *a);
    for (int64_t i = 0; i < (int64_t)count * n * n; i++) {
      const int64_t at = i % ((int64_t)n * n), row = at / n, column = at % n;
      if (upper ? column < row : column > row) a[i] = NAN;
    }
    mlx_array in = input(a, count, n, n, form), first = mlx_array_new(), second = mlx_array_new();
    mlx_array alone = mlx_array_new();
    const char *part_of = upper ? "U" : "L";
    if (mlx_linalg_eigh(&first, &second, in, part_of, gpu) ||
        mlx_linalg_eigvalsh(&alone, in, part_of, gpu))
      exit(1);
    double *w = values(first, (int64_t)count * n), *v = values(second, (int64_t)count * n * n);
    double *t = values(alone, (int64_t)count * n);
    const double scale = 2 * sqrt((double)n);
    for (int c = 0; c < count && w && v && t; c++) {
      const double *vc = v + (int64_t)c * n * n, *ac = a + (int64_t)c * n * n;
      double *vw = malloc((size_t)n * (size_t)n * sizeof *vw), *right = turned(vc, n, n);
      for (int64_t i = 0; i < (int64_t)n * n; i++) {
        const int64_t row = i / n, column = i % n;
        whole[i] = (upper ? column < row : column > row) ? ac[column * n + row] : ac[i];
        vw[i] = vc[i] * w[(int64_t)c * n + column];
      }
      double *p = product(vw, right, n, n, n);
      expect("eigh", p, whole, n, n, count, scale);
      expect_orthogonal("eigh's v", vc, n, n, count);
      expect_ordered("eigh's w", w + (int64_t)c * n, n, false, count);
      expect("eigvalsh", t + (int64_t)c * n, w + (int64_t)c * n, n, 1, count, scale);
      free(vw);
      free(right);
      free(p);
    }
    if (!w || !v || !t) fail("eigh", n, n, count, NAN);
    double *all[] = {a, whole, w, v, t};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
    mlx_array_free(in);
  }
}

/* ---- what cannot be ---- */

/* What is said of the matrix. */
static const char *reason(void) {
  const char *end = strstr(weir_last_error(), "): ");
  return end ? end : weir_last_error();
}

/* The array fails on the GPU with the words that it fails with on the CPU. */
static void refused(const char *what, mlx_array on_gpu, mlx_array on_cpu) {
  char words[256];
  checks++;
  const int rc = mlx_array_eval(on_gpu);
  snprintf(words, sizeof words, "%s", rc ? reason() : "no error");
  if (!rc || !mlx_array_eval(on_cpu) || strcmp(words, reason()) != 0) {
    failed++;
    fprintf(stderr, "%s: \"%s\", on the CPU \"%s\"\n", what, words, reason());
  }
  mlx_array_free(on_gpu);
  mlx_array_free(on_cpu);
}

static void impossible(int count, int n) {
  double *good = positive(count, n), *zeros = calloc((size_t)count * (size_t)n * (size_t)n, 8);
  const int64_t last = (int64_t)(count - 1) * n * n;
  double *indefinite = turned(good, 1, count * n * n), *odd = turned(good, 1, count * n * n);
  indefinite[last + (int64_t)(n - 1) * (n + 1)] = -1;
  odd[last] = NAN;
  double *hole = turned(good, 1, count * n * n);
  hole[last + (int64_t)(n / 2) * (n + 1)] = 0;
  mlx_array in[5] = {input(good, count, n, n, DENSE), input(zeros, count, n, n, DENSE),
                     input(indefinite, count, n, n, DENSE), input(odd, count, n, n, DENSE),
                     input(hole, count, n, n, DENSE)};
  mlx_array r[2], other[2];
  mlx_vector_array v[2];
  const mlx_stream both[2] = {gpu, cpu};
#define REFUSED(what, ...)        \
  do {                            \
    for (int i = 0; i < 2; i++) { \
      r[i] = mlx_array_new();     \
      if (__VA_ARGS__) exit(1);   \
    }                             \
    refused(what, r[0], r[1]);    \
  } while (0)
  REFUSED("cholesky", mlx_linalg_cholesky(&r[i], in[2], false, both[i]));
  REFUSED("cholesky", mlx_linalg_cholesky(&r[i], in[2], true, both[i]));
  REFUSED("inv", mlx_linalg_inv(&r[i], in[1], both[i]));
  REFUSED("solve", mlx_linalg_solve(&r[i], in[1], in[0], both[i]));
  REFUSED("tri_inv", mlx_linalg_tri_inv(&r[i], in[4], true, both[i]));
  REFUSED("solve_triangular", mlx_linalg_solve_triangular(&r[i], in[4], in[0], false, both[i]));
  REFUSED("eigvalsh", mlx_linalg_eigvalsh(&r[i], in[3], "L", both[i]));
  for (int k = 0; k < 2; k++) {
    for (int i = 0; i < 2; i++) other[i] = mlx_array_new();
    REFUSED("eigh",
            mlx_linalg_eigh(k ? &r[i] : &other[i], k ? &other[i] : &r[i], in[3], "U", both[i]));
    for (int i = 0; i < 2; i++) mlx_array_free(other[i]);
  }
  for (size_t k = 0; k < 3; k++) {
    for (int i = 0; i < 2; i++) v[i] = mlx_vector_array_new();
    REFUSED("svd",
            mlx_linalg_svd(&v[i], in[3], true, both[i]) || mlx_vector_array_get(&r[i], v[i], k));
    for (int i = 0; i < 2; i++) mlx_vector_array_free(v[i]);
  }
#undef REFUSED
  /* Of a singular matrix there are factors. */
  mlx_vector_array parts = mlx_vector_array_new();
  if (mlx_linalg_lu(&parts, in[1], gpu)) exit(1);
  double *u = values(part(parts, 2), (int64_t)count * n * n);
  checks++;
  if (!u || apart(u, zeros, (int64_t)count * n * n) > 0) fail("lu of zeros", n, n, count, NAN);
  free(u);
  mlx_vector_array_free(parts);
  for (int i = 0; i < 5; i++) mlx_array_free(in[i]);
  double *all[] = {good, zeros, indefinite, odd, hole};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

/* A value that comes of one that failed fails too; what stands behind it on the stream does not. */
static void goes_on(void) {
  double *zeros = calloc(16, sizeof *zeros), *good = positive(1, 4);
  mlx_array a = input(zeros, 1, 4, 4, DENSE), b = input(good, 1, 4, 4, DENSE);
  mlx_array x = mlx_array_new(), y = mlx_array_new(), z = mlx_array_new();
  if (mlx_linalg_inv(&x, a, gpu) || mlx_add(&y, x, b, gpu) || mlx_add(&z, b, b, gpu)) exit(1);
  checks++;
  if (!mlx_array_eval(y) || !strstr(weir_last_error(), "the matrix is singular") ||
      mlx_array_eval(z) || mlx_synchronize(gpu)) {
    failed++;
    fprintf(stderr, "what comes of a failed inverse: %s\n", weir_last_error());
  }
  const mlx_array all[] = {a, b, x, y, z};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) mlx_array_free(all[i]);
  free(zeros);
  free(good);
}

/* ---- all of it ---- */

static void square(int count, int n, enum form form) {
  cholesky(count, n, form);
  inverse(count, n, form);
  triangles(count, n, n > 3 ? n / 3 : 1, form);
  solve(count, n, 1, form);
  solve(count, n, n > 2 ? n / 2 : 3, form);
  eigh(count, n, form);
}

static void quiet(const char *message, void *data) { (void)message, (void)data; }

int main(void) {
  static const int sizes[] = {1, 2, 3, 5, 16, 33, 64, 100, 200};
  static const int shapes[][2] = {{1, 1},  {3, 2},   {2, 5},   {1, 7},    {40, 1},
                                  {33, 9}, {17, 64}, {70, 70}, {200, 90}, {60, 180}};
  static const int small[][3] = {{6, 5, 4},   {3, 2, 2},  {7, 1, 3},
                                 {2, 32, 32}, {2, 33, 4}, {50, 31, 32}};
  static const int counts[] = {1, 3, 20};
  if (!getenv("WEIR_LINALG")) {
    setenv("WEIR_LINALG", "gpu", 1);
    run_anew("all");
  }
  const struct wr_backend *backend = wr_backend_for(WR_DEVICE_GPU);
  const struct wr_matrices what = {
      .op = WR_OP_INV, .dtype = WR_FLOAT32, .m = 4, .n = 4, .count = 1};
  if (backend->device_count() == 0 || !backend->solves || !backend->solves(&what)) {
    printf("skipped: there is no GPU, or no libcusolver.so\n");
    return SKIPPED;
  }
  mlx_set_error_handler(quiet, NULL, NULL);
  gpu = mlx_default_gpu_stream_new();
  cpu = mlx_default_cpu_stream_new();
  for (int t = 0; t < 2; t++) {
    type = t ? MLX_FLOAT64 : MLX_FLOAT32;
    for (int c = 0; c < 3; c++) {
      const int count = counts[c], most = count > 3 ? 5 : count > 1 ? 8 : 9;
      const enum form form = (enum form)((c + t) % FORMS);
      for (int i = 0; i < most; i++) square(count, sizes[i], form);
      for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        if (count > 3 && shapes[i][0] > 50) continue;
        lu(count, shapes[i][0], shapes[i][1], form);
        qr(count, shapes[i][0], shapes[i][1], form);
        svd(count, shapes[i][0], shapes[i][1], form);
      }
    }
    square(2, 270, DENSE); /* several, and not small */
    for (int form = 0; form < FORMS; form++) {
      square(2, 6, (enum form)form);
      lu(2, 5, 6, (enum form)form);
      qr(2, 6, 5, (enum form)form);
      svd(2, 5, 6, (enum form)form);
      svd(2, 6, 5, (enum form)form);
    }
    for (size_t i = 0; i < sizeof small / sizeof *small; i++) {
      svd(small[i][0], small[i][1], small[i][2], DENSE);
    }
    lu(1, 9000, 3, DENSE); /* rows that do not fit in shared memory */
    impossible(1, 6);
    impossible(1, 90);
    impossible(3, 6);
    goes_on();
  }
  printf("%d checks, %d failed\n", checks, failed);
  return failed != 0;
}
