/* How norms are encoded, over the stand-in: rows of any length and layout are one kernel, and a
   factor that does not begin on 16 bytes is copied first; float64 is composed. The values are none:
   the stand-in computes nothing. */

#include <stdlib.h>
#include <unistd.h>

#include "stand_in_case.h"

static mlx_stream gpu;
static const mlx_array absent;

static mlx_array ones(int rows, int n, mlx_dtype dtype) {
  mlx_array a = mlx_array_new();
  const int shape[] = {rows, n};
  const bool line = rows == 0;
  CHECK(mlx_ones(&a, shape + line, 2 - (size_t)line, dtype, gpu) == 0 && mlx_array_eval(a) == 0);
  return a;
}

/* Forced, it is one kernel, and so many copies. Takes the array. */
static void forced(mlx_array out, uint64_t copies) {
  CHECK(mlx_synchronize(gpu) == 0);
  const struct stand_in_counts before = stand_in_now();
  CHECK(mlx_array_eval(out) == 0 && mlx_synchronize(gpu) == 0);
  const struct stand_in_counts after = stand_in_now();
  CHECK(after.kernels == before.kernels + 1 && after.copies == before.copies + copies);
  mlx_array_free(out);
}

static void norms(int rows, int n, mlx_dtype dtype) {
  mlx_array x = ones(rows, n, dtype), all = ones(0, n + 1, dtype), w = mlx_array_new();
  mlx_array y = mlx_array_new();
  CHECK(mlx_slice(&w, all, (const int[]){0}, 1, (const int[]){n}, 1, (const int[]){1}, 1, gpu) ==
        0);
  CHECK(mlx_fast_rms_norm(&y, x, absent, 1e-5f, gpu) == 0);
  forced(y, 0);
  y = mlx_array_new();
  CHECK(mlx_fast_layer_norm(&y, x, w, w, 1e-5f, gpu) == 0);
  forced(y, 0);
  y = mlx_array_new();
  CHECK(mlx_slice(&w, all, (const int[]){1}, 1, (const int[]){n + 1}, 1, (const int[]){1}, 1,
                  gpu) == 0);
  CHECK(mlx_fast_rms_norm(&y, x, w, 1e-5f, gpu) == 0);
  forced(y, 1);
  mlx_array_free(x);
  mlx_array_free(all);
  mlx_array_free(w);
}

/* Rows that do not lie side by side. */
static void turned(void) {
  mlx_array x = ones(300, 70, MLX_FLOAT32), y = mlx_array_new();
  CHECK(mlx_swapaxes(&x, x, 0, 1, gpu) == 0);
  CHECK(mlx_fast_layer_norm(&y, x, absent, absent, 1e-5f, gpu) == 0);
  forced(y, 0);
  mlx_array_free(x);
}

/* float64 has no kernel, and is more than one. */
static void composed(void) {
  mlx_array x = ones(30, 70, MLX_FLOAT64), y = mlx_array_new();
  CHECK(mlx_fast_rms_norm(&y, x, absent, 1e-5f, gpu) == 0);
  CHECK(mlx_synchronize(gpu) == 0);
  const uint64_t before = stand_in_now().kernels;
  CHECK(mlx_array_eval(y) == 0 && mlx_synchronize(gpu) == 0);
  CHECK(stand_in_now().kernels > before + 1);
  mlx_array_free(x);
  mlx_array_free(y);
}

static int bare_norm(mlx_vector_array *out, const mlx_vector_array in) {
  mlx_array x = mlx_array_new(), y = mlx_array_new();
  int rc = mlx_vector_array_get(&x, in, 0) ||
           mlx_fast_layer_norm(&y, x, absent, absent, 1e-5f, gpu) ||
           mlx_vector_array_set_value(out, y);
  mlx_array_free(x);
  mlx_array_free(y);
  return rc;
}

/* In a file a norm has both factors. */
static void exported(void) {
  char name[] = "/tmp/weir-norm-XXXXXX";
  CHECK(close(mkstemp(name)) == 0);
  mlx_array x = ones(4, 16, MLX_FLOAT32);
  mlx_vector_array in = mlx_vector_array_new_value(x), out = mlx_vector_array_new();
  mlx_closure f = mlx_closure_new_func(bare_norm);
  CHECK(mlx_export_function(name, f, in, false) == 0);
  mlx_imported_function g = mlx_imported_function_new(name);
  CHECK(g.ctx && mlx_imported_function_apply(&out, g, in) == 0 && mlx_eval(out) == 0);
  mlx_imported_function_free(g);
  mlx_closure_free(f);
  mlx_vector_array_free(in);
  mlx_vector_array_free(out);
  mlx_array_free(x);
  CHECK(unlink(name) == 0);
}

int main(void) {
  static const int lengths[] = {1, 8, 100, 768, 4096, 5001, 40000, 40001};
  stand_in_start();
  mlx_set_error_handler(quiet, NULL, NULL);
  gpu = new_gpu_stream();
  exported();
  for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
    norms(1, lengths[i], MLX_BFLOAT16);
    norms(1000, lengths[i], MLX_FLOAT32);
  }
  turned();
  composed();
  mlx_stream_free(gpu);
  CHECK(weir_shutdown(INT64_C(10000000000)) == 0);
  CHECK(streams_become(0) && allocations_become(0));
  return 0;
}
