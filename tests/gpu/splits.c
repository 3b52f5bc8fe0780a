/* Reductions that are cut into splits give the same bits every time, in whatever order blocks end:
   one after the other on a stream, as nodes of a graph that is launched again, and on several
   streams at once, which is what the counters of their blocks must stand. */

#include "programs.h"

enum { ROWS = 5003, COLUMNS = 40, ROUNDS = 30, RESULTS = 5, THREADS = 6 };

static mlx_array input(mlx_stream s) {
  const int shape[] = {ROWS, COLUMNS};
  mlx_array a = mlx_array_new();
  CHECK(mlx_arange(&a, 1, ROWS * COLUMNS + 1, 1, MLX_FLOAT32, s) == 0);
  CHECK(mlx_reciprocal(&a, a, s) == 0);
  CHECK(mlx_reshape(&a, a, shape, 2, s) == 0);
  CHECK(mlx_array_eval(a) == 0);
  return a;
}

/* Over all, over rows and over columns; each is cut. */
static void reduce(mlx_array out[RESULTS], mlx_array a, mlx_stream s) {
  mlx_vector_array all = mlx_vector_array_new();
  mlx_array flat = mlx_array_new();
  for (int i = 0; i < RESULTS; i++) out[i] = mlx_array_new();
  CHECK(mlx_sum(&out[0], a, false, s) == 0);
  CHECK(mlx_max(&out[1], a, false, s) == 0);
  CHECK(mlx_sum_axis(&out[2], a, 0, false, s) == 0);
  CHECK(mlx_min_axis(&out[3], a, 0, false, s) == 0);
  CHECK(mlx_reshape(&flat, a, (const int[]){2, ROWS * COLUMNS / 2}, 2, s) == 0);
  CHECK(mlx_sum_axis(&out[4], flat, 1, false, s) == 0);
  CHECK(mlx_vector_array_append_data(all, out, RESULTS) == 0);
  CHECK(mlx_eval(all) == 0);
  mlx_vector_array_free(all);
  mlx_array_free(flat);
}

static void expect_same(mlx_array a, mlx_array b) {
  const float *x = mlx_array_data_float32(a), *y = mlx_array_data_float32(b);
  CHECK(x && y && mlx_array_size(a) == mlx_array_size(b));
  CHECK(memcmp(x, y, mlx_array_size(a) * sizeof *x) == 0);
}

static void free_all(mlx_array *arrays) {
  for (int i = 0; i < RESULTS; i++) mlx_array_free(arrays[i]);
}

static void on_own_stream(int thread) {
  mlx_stream s = new_gpu_stream();
  mlx_array a = input(s), first[RESULTS];
  (void)thread;
  reduce(first, a, s);
  const float *largest = mlx_array_data_float32(first[1]);
  CHECK(largest && *largest == 1.0f);
  for (int i = 0; i < ROUNDS; i++) {
    mlx_array again[RESULTS];
    reduce(again, a, s);
    for (int k = 0; k < RESULTS; k++) expect_same(again[k], first[k]);
    free_all(again);
  }
  free_all(first);
  mlx_array_free(a);
  mlx_stream_free(s);
}

int main(void) {
  if (!has_gpu()) return 77;
  on_own_stream(0);
  run_threads(THREADS, on_own_stream);
  CHECK(weir_shutdown(INT64_C(10000000000)) == 0);
  return 0;
}
