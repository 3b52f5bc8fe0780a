/* Tangents of functions of whole numbers: float32 where a derivative is, and then as the operations
   behind it have them, whatever type their own results have. */

#include <math.h>

#include "check.h"
#include "lists.h"
#include "mean_cpu.h"
#include "mlx/c/mlx.h"

static bool near(float a, float b) { return fabsf(a - b) <= 1e-5f * (1 + fabsf(b)); }

static const mlx_stream none;

static mlx_array whole(void) {
  return mlx_array_new_data((const int64_t[]){1, 2, 3}, (const int[]){3}, 1, MLX_INT64);
}

static int powers(mlx_array *y, mlx_vector_array in) {
  mlx_array x = at(in, 0), base = whole();
  int rc = mlx_power(y, base, x, none);
  mlx_array_free(x);
  mlx_array_free(base);
  return rc;
}

static int sum_of_powers(mlx_vector_array *res, const mlx_vector_array in) {
  mlx_array y = mlx_array_new();
  return powers(&y, in) || mlx_sum(&y, y, false, none) || give(res, y);
}

static int last_of_sums(mlx_vector_array *res, const mlx_vector_array in) {
  mlx_array y = mlx_array_new();
  mlx_array two = mlx_array_new_int(2);
  int rc = powers(&y, in) || mlx_cumsum(&y, y, 0, false, true, none) || mlx_take(&y, y, two, none);
  mlx_array_free(two);
  return rc || give(res, y);
}

static int joined(mlx_vector_array *res, const mlx_vector_array in) {
  mlx_array y = mlx_array_new(), x = whole();
  int rc = powers(&y, in);
  const mlx_array both[2] = {y, x};
  mlx_vector_array v = mlx_vector_array_new_data(both, 2);
  rc = rc || mlx_concatenate(&y, v, none) || mlx_sum(&y, y, false, none);
  mlx_vector_array_free(v);
  mlx_array_free(x);
  return rc || give(res, y);
}

int main(void) {
  mean_cpu();
  int (*const functions[])(mlx_vector_array *, const mlx_vector_array) = {sum_of_powers,
                                                                          last_of_sums, joined};
  const float right = 4 * logf(2) + 27 * logf(3);
  mlx_array x = whole(), ones = mlx_array_new();
  CHECK(mlx_ones_like(&ones, x, none) == 0);
  mlx_vector_array in = mlx_vector_array_new_value(x), t = mlx_vector_array_new_value(ones);
  mlx_vector_array out = {NULL}, g = {NULL};
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
    mlx_closure f = mlx_closure_new_func(functions[i]);
    CHECK(mlx_jvp(&out, &g, f, in, t) == 0);
    mlx_array made = at(g, 0);
    CHECK(mlx_array_dtype(made) == MLX_FLOAT32 && near(value_at(g, 0), right));
    mlx_array_free(made);
    mlx_closure_free(f);
  }
  mlx_array_free(x);
  mlx_array_free(ones);
  mlx_vector_array_free(in);
  mlx_vector_array_free(t);
  mlx_vector_array_free(out);
  mlx_vector_array_free(g);
  return 0;
}
