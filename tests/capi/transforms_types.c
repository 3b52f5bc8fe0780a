/* Tangents of functions of whole numbers: float32 where a derivative is, and then as the operations
   behind it have them, whatever type their own results have. Cotangents of sums and products have
   the type that these are made in, and those of casts the type that was cast. */

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

static int product_of_sums(mlx_vector_array *res, const mlx_vector_array in) {
  mlx_array x = at(in, 0), y = mlx_array_new();
  int rc = mlx_sum_axis(&y, x, 0, false, none) || mlx_prod(&y, y, false, none);
  mlx_array_free(x);
  return rc || give(res, y);
}

static int sum_of_cast(mlx_vector_array *res, const mlx_vector_array in) {
  mlx_array x = at(in, 0), y = mlx_array_new();
  int rc = mlx_astype(&y, x, MLX_INT32, none) || mlx_sum(&y, y, false, none);
  mlx_array_free(x);
  return rc || give(res, y);
}

/* Of rows (1, 2), (3, 4): sums 4 and 6. */
static void cotangents(int (*of)(mlx_vector_array *, const mlx_vector_array), mlx_dtype expected,
                       int first, int second) {
  const int shape[2] = {2, 2};
  const int8_t data[4] = {1, 2, 3, 4};
  mlx_array x = mlx_array_new_data(data, shape, 2, MLX_INT8), one = mlx_array_new_int(1);
  mlx_vector_array in = mlx_vector_array_new_value(x), d = mlx_vector_array_new_value(one);
  mlx_vector_array out = {NULL}, g = {NULL};
  mlx_closure f = mlx_closure_new_func(of);
  CHECK(mlx_vjp(&out, &g, f, in, d) == 0);
  mlx_array made = at(g, 0);
  CHECK(mlx_array_dtype(made) == expected && mlx_astype(&made, made, MLX_INT32, none) == 0);
  CHECK(mlx_contiguous(&made, made, false, none) == 0 && mlx_array_eval(made) == 0);
  const int32_t *all = mlx_array_data_int32(made);
  CHECK(all[0] == first && all[1] == second && all[2] == first && all[3] == second);
  mlx_closure_free(f);
  mlx_array_free(made);
  mlx_array_free(x);
  mlx_array_free(one);
  mlx_vector_array_free(in);
  mlx_vector_array_free(d);
  mlx_vector_array_free(out);
  mlx_vector_array_free(g);
}

int main(void) {
  mean_cpu();
  cotangents(product_of_sums, MLX_INT32, 6, 4);
  cotangents(sum_of_cast, MLX_INT8, 1, 1);
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
