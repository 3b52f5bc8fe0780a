/* Arrays as text: what MLX prints for the same values. */

#include <math.h>
#include <string.h>

#include "check.h"
#include "mean_cpu.h"
#include "mlx/c/mlx.h"

static void expect(mlx_array a, const char *text) {
  mlx_string s = mlx_string_new();
  CHECK(mlx_array_tostring(&s, a) == 0);
  if (strcmp(mlx_string_data(s), text)) {
    fprintf(stderr, "got      %s\nexpected %s\n", mlx_string_data(s), text);
    CHECK(!"the text that MLX prints");
  }
  mlx_string_free(s);
  mlx_array_free(a);
}

static mlx_array zeros(int ndim, const int *shape, mlx_dtype dtype) {
  mlx_array a = mlx_array_new();
  CHECK(mlx_zeros(&a, shape, (size_t)ndim, dtype, (mlx_stream){0}) == 0);
  return a;
}

static mlx_array as_type(mlx_array a, mlx_dtype dtype) {
  CHECK(mlx_astype(&a, a, dtype, (mlx_stream){0}) == 0);
  return a;
}

static mlx_array range(int n) {
  mlx_array a = mlx_array_new();
  CHECK(mlx_arange(&a, 0, n, 1, MLX_INT32, (mlx_stream){0}) == 0);
  return a;
}

static mlx_array floats(const float *data, int n) {
  return mlx_array_new_data(data, &n, 1, MLX_FLOAT32);
}

static void scalars(void) {
  expect(mlx_array_new_bool(true), "array(true, dtype=bool)");
  expect(mlx_array_new_float(1.5f), "array(1.5, dtype=float32)");
  expect(mlx_array_new_int(-3), "array(-3, dtype=int32)");
  expect(mlx_array_new_complex(1, 2), "array(1+2j, dtype=complex64)");
  expect(mlx_array_new_double(1.0 / 3), "array(0.333333, dtype=float64)");
}

static void numbers(void) {
  const float a[] = {1e10f, 1e-10f, 1.0f / 3, NAN, INFINITY, -0.0f};
  const float b[] = {1e6f, 123456789.0f, 1234567.0f, 100000.0f};
  const float c[] = {1.5f / 7, 3.0f / 7};
  expect(floats(a, 6), "array([1e+10, 1e-10, 0.333333, nan, inf, -0], dtype=float32)");
  expect(floats(b, 4), "array([1e+06, 1.23457e+08, 1.23457e+06, 100000], dtype=float32)");
  expect(as_type(floats(c, 2), MLX_FLOAT16), "array([0.214233, 0.428467], dtype=float16)");
  expect(as_type(floats(c, 2), MLX_BFLOAT16), "array([0.213867, 0.427734], dtype=bfloat16)");
  const int64_t wide[] = {INT64_MIN, INT64_MAX};
  const uint64_t large[] = {UINT64_MAX};
  const int8_t small[] = {-128, 127};
  int two = 2, one = 1;
  expect(mlx_array_new_data(wide, &two, 1, MLX_INT64),
         "array([-9223372036854775808, 9223372036854775807], dtype=int64)");
  expect(mlx_array_new_data(large, &one, 1, MLX_UINT64),
         "array([18446744073709551615], dtype=uint64)");
  expect(mlx_array_new_data(small, &two, 1, MLX_INT8), "array([-128, 127], dtype=int8)");
  const float pairs[] = {1e10f, -0.0f, INFINITY, -INFINITY, -0.0f, -1, 1.5f, NAN};
  int four = 4;
  expect(mlx_array_new_data(pairs, &four, 1, MLX_COMPLEX64),
         "array([1e+10+-0j, inf-infj, -0-1j, 1.5+nanj], dtype=complex64)");
}

static void rows(void) {
  expect(range(6), "array([0, 1, 2, 3, 4, 5], dtype=int32)");
  expect(range(7), "array([0, 1, 2, ..., 4, 5, 6], dtype=int32)");
  expect(range(20), "array([0, 1, 2, ..., 17, 18, 19], dtype=int32)");
  expect(zeros(2, (int[]){2, 3}, MLX_FLOAT32),
         "array([[0, 0, 0],\n       [0, 0, 0]], dtype=float32)");
  expect(zeros(3, (int[]){2, 2, 2}, MLX_BOOL),
         "array([[[false, false],\n        [false, false]],\n"
         "       [[false, false],\n        [false, false]]], dtype=bool)");
  expect(zeros(2, (int[]){7, 1}, MLX_UINT8),
         "array([[0],\n       [0],\n       [0],\n       ...,\n       [0],\n       [0],\n"
         "       [0]], dtype=uint8)");
}

static void empty_ones(void) {
  expect(zeros(1, (int[]){0}, MLX_FLOAT32), "array([], dtype=float32)");
  expect(zeros(2, (int[]){2, 0}, MLX_FLOAT32), "array([[],\n       []], dtype=float32)");
  expect(zeros(2, (int[]){0, 2}, MLX_FLOAT32), "array([], dtype=float32)");
  expect(zeros(3, (int[]){2, 0, 3}, MLX_FLOAT32), "array([[],\n       []], dtype=float32)");
}

static void views(void) {
  mlx_array a = range(6), t = mlx_array_new();
  CHECK(mlx_reshape(&t, a, (int[]){2, 3}, 2, (mlx_stream){0}) == 0);
  CHECK(mlx_transpose(&t, t, (mlx_stream){0}) == 0);
  mlx_array_free(a);
  expect(t, "array([[0, 3],\n       [1, 4],\n       [2, 5]], dtype=int32)");
}

int main(void) {
  mean_cpu();
  scalars();
  numbers();
  rows();
  empty_ones();
  views();
  return 0;
}
