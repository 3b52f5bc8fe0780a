/* Kronecker products against plain loops, of which a CPU makes those with a short last axis of
   joined rows: large and small ones, of as many axes and not, of arrays that are read backwards. */

#include <stdlib.h>

#include "check.h"
#include "mean_cpu.h"
#include "mlx/c/mlx.h"

enum { MOST_AXES = 4 };

struct factor {
  int shape[MOST_AXES];
  int ndim, size;
  int *data;
  mlx_array array;
};

static struct factor factor_of(const int *shape, int ndim, int first, mlx_stream s) {
  struct factor f = {.ndim = ndim, .size = 1};
  for (int i = 0; i < ndim; i++) f.size *= f.shape[i] = shape[i];
  f.data = malloc((size_t)f.size * sizeof *f.data);
  CHECK(f.data != NULL);
  /* The array has them the other way round, and is turned back. */
  for (int i = 0; i < f.size; i++) f.data[f.size - 1 - i] = first + i * 7 % 23;
  const int from = f.size - 1, to = -f.size - 1, step = -1;
  mlx_array line = mlx_array_new_data(f.data, &f.size, 1, MLX_INT32), back = mlx_array_new();
  CHECK(mlx_slice(&back, line, &from, 1, &to, 1, &step, 1, s) == 0);
  f.array = mlx_array_new();
  CHECK(mlx_reshape(&f.array, back, shape, (size_t)ndim, s) == 0);
  CHECK(mlx_array_free(line) == 0 && mlx_array_free(back) == 0);
  for (int i = 0; i < f.size; i++) f.data[i] = first + i * 7 % 23;
  return f;
}

/* The i-th of n axes, counted where both factors have as many. */
static int extent(const struct factor *f, int i, int n) {
  return i < n - f->ndim ? 1 : f->shape[i - (n - f->ndim)];
}

static int wanted(const struct factor *a, const struct factor *b, int n, int at) {
  int x = 0, y = 0, x_step = 1, y_step = 1;
  for (int i = n - 1; i >= 0; i--) {
    const int p = extent(a, i, n), q = extent(b, i, n), here = at % (p * q);
    x += here / q * x_step;
    y += here % q * y_step;
    x_step *= p;
    y_step *= q;
    at /= p * q;
  }
  return a->data[x] * b->data[y];
}

static void check(const int *shape_a, int ndim_a, const int *shape_b, int ndim_b, mlx_stream s) {
  struct factor a = factor_of(shape_a, ndim_a, -9, s), b = factor_of(shape_b, ndim_b, -4, s);
  const int n = ndim_a > ndim_b ? ndim_a : ndim_b;
  mlx_array r = mlx_array_new();
  CHECK(mlx_kron(&r, a.array, b.array, s) == 0 && mlx_array_eval(r) == 0);
  CHECK(mlx_array_ndim(r) == (size_t)n && mlx_array_size(r) == (size_t)a.size * (size_t)b.size);
  for (int i = 0; i < n; i++) CHECK(mlx_array_shape(r)[i] == extent(&a, i, n) * extent(&b, i, n));
  const int *data = mlx_array_data_int32(r);
  for (int i = 0; i < a.size * b.size; i++) CHECK(data[i] == wanted(&a, &b, n, i));
  CHECK(mlx_array_free(r) == 0 && mlx_array_free(a.array) == 0 && mlx_array_free(b.array) == 0);
  free(a.data);
  free(b.data);
}

int main(void) {
  mean_cpu();
  mlx_stream s = mlx_default_cpu_stream_new();
  check((const int[]){16, 3}, 2, (const int[]){128, 4}, 2, s);
  check((const int[]){8, 5}, 2, (const int[]){64, 16}, 2, s);
  check((const int[]){3, 4, 5}, 3, (const int[]){40, 7}, 2, s);
  check((const int[]){40, 7}, 2, (const int[]){3, 5, 3}, 3, s);
  check((const int[]){2000}, 1, (const int[]){20, 1}, 2, s);
  check((const int[]){20, 1}, 2, (const int[]){2000}, 1, s);
  check((const int[]){300, 20}, 2, (const int[]){3, 3}, 2, s);
  check((const int[]){3, 3}, 2, (const int[]){300, 20}, 2, s);
  check((const int[]){4, 3}, 2, (const int[]){5, 2}, 2, s);
  return mlx_stream_free(s);
}
