/* How variances are encoded, over the stand-in: over any axes of any layout, and cut into splits,
   they are one kernel; what may be differentiated, and complex numbers, are composed. The values
   are none: the stand-in computes nothing. */

#include "stand_in_case.h"

static mlx_stream gpu;

static mlx_array ones(int rows, int n, mlx_dtype dtype) {
  mlx_array a = mlx_array_new();
  CHECK(mlx_ones(&a, (const int[]){rows, n}, 2, dtype, gpu) == 0 && mlx_array_eval(a) == 0);
  return a;
}

/* How many kernels it takes to force it. Takes the array. */
static uint64_t kernels_of(mlx_array out) {
  CHECK(mlx_synchronize(gpu) == 0);
  const uint64_t before = stand_in_now().kernels;
  CHECK(mlx_array_eval(out) == 0 && mlx_synchronize(gpu) == 0);
  mlx_array_free(out);
  return stand_in_now().kernels - before;
}

static void of_matrix(mlx_array a) {
  for (int axis = 0; axis < 2; axis++) {
    mlx_array v = mlx_array_new(), d = mlx_array_new();
    CHECK(mlx_var_axis(&v, a, axis, axis == 0, 1, gpu) == 0 && kernels_of(v) == 1);
    CHECK(mlx_std_axis(&d, a, axis, axis == 1, 0, gpu) == 0 && kernels_of(d) == 1);
  }
  mlx_array all = mlx_array_new();
  CHECK(mlx_std(&all, a, false, 0, gpu) == 0 && kernels_of(all) == 1);
}

static void of_layouts(int rows, int n, mlx_dtype dtype) {
  mlx_array a = ones(rows, n, dtype), turned = mlx_array_new(), part = mlx_array_new();
  of_matrix(a);
  CHECK(mlx_transpose(&turned, a, gpu) == 0);
  of_matrix(turned);
  CHECK(mlx_slice(&part, a, (const int[]){0, 1}, 2, (const int[]){rows, n}, 2, (const int[]){1, 1},
                  2, gpu) == 0);
  of_matrix(part);
  mlx_array_free(a);
  mlx_array_free(turned);
  mlx_array_free(part);
}

static void of_complex(void) {
  mlx_array a = ones(9, 9, MLX_COMPLEX64), v = mlx_array_new();
  CHECK(mlx_var_axis(&v, a, 0, false, 0, gpu) == 0 && kernels_of(v) > 1);
  mlx_array_free(a);
}

int main(void) {
  stand_in_start();
  gpu = new_gpu_stream();
  const mlx_dtype types[] = {MLX_FLOAT32, MLX_FLOAT16, MLX_FLOAT64, MLX_INT32, MLX_BOOL};
  for (int k = 0; k < 5; k++) {
    of_layouts(3, 5, types[k]);
    of_layouts(700, 64, types[k]);
    of_layouts(2, 300001, types[k]);
  }
  of_complex();
  mlx_stream_free(gpu);
  CHECK(weir_shutdown(INT64_C(10000000000)) == 0);
  CHECK(streams_become(0) && allocations_become(0));
  return 0;
}
