/* While all workers are in long kernels, streams that waiting threads drain themselves come and go,
   and do not pile up in the pool's list: K6, K9. FAILURES: E1, D1. */

#include "programs.h"

static int submit(mlx_array a) {
  mlx_vector_array v = mlx_vector_array_new_value(a);
  int rc = mlx_async_eval(v);
  mlx_vector_array_free(v);
  return rc;
}

static mlx_array long_sort(mlx_stream s) {
  int n = 1 << 21;
  mlx_array bits = mlx_array_new(), sorted = mlx_array_new();
  CHECK(mlx_random_bits(&bits, &n, 1, 4, (mlx_array){0}, s) == 0);
  CHECK(mlx_sort(&sorted, bits, s) == 0);
  CHECK(submit(sorted) == 0);
  mlx_array_free(bits);
  return sorted;
}

static void request(void) {
  mlx_stream s = new_stream();
  mlx_array a = mlx_array_new_float(1);
  add_to(&a, a, s);
  CHECK(submit(a) == 0);
  CHECK(float_of(a) == 2);
  mlx_array_free(a);
  mlx_stream_free(s);
}

int main(void) {
  enum { LONG = 8 };
  mlx_stream streams[LONG];
  mlx_array sorts[LONG];
  size_t most = 0;
  for (int i = 0; i < LONG; i++) {
    streams[i] = new_stream();
    sorts[i] = long_sort(streams[i]);
  }
  for (int i = 0; i < 2000; i++) {
    request();
    size_t now = live_streams();
    if (now > most) most = now;
  }
  CHECK(most <= LONG + 8);
  for (int i = 0; i < LONG; i++) {
    CHECK(mlx_array_eval(sorts[i]) == 0);
    mlx_array_free(sorts[i]);
    mlx_stream_free(streams[i]);
  }
  return 0;
}
