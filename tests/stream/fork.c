/* The child of a process that uses Weir has a working CPU runtime, and never hangs: K11.
   FAILURES: D11. */

#include "programs.h"

static void keep_busy(int i) {
  mlx_stream s = new_stream();
  int n = 1 << 16;
  for (int k = 0; k < 40; k++) {
    mlx_array bits = mlx_array_new(), sorted = mlx_array_new();
    CHECK(mlx_random_bits(&bits, &n, 1, 4, (mlx_array){0}, s) == 0);
    CHECK(mlx_sort(&sorted, bits, s) == 0);
    mlx_vector_array v = mlx_vector_array_new_value(sorted);
    CHECK(mlx_async_eval(v) == 0);
    if (k % 8 == i % 8) CHECK(mlx_synchronize(s) == 0);
    mlx_vector_array_free(v);
    mlx_array_free(sorted);
    mlx_array_free(bits);
  }
  CHECK(mlx_synchronize(s) == 0);
  mlx_stream_free(s);
}

/* In the child: small and large work, its own streams, work for the pool. */
static void d11_evaluate_in_the_child(void) {
  mlx_stream a = new_stream(), b = new_stream();
  mlx_array x = floats(1 << 18, 0), one = mlx_array_new_float(1);
  for (int i = 0; i < 10; i++) add_to(&x, one, i % 3 ? a : b);
  mlx_vector_array v = mlx_vector_array_new_value(x);
  CHECK(mlx_async_eval(v) == 0);
  CHECK(mlx_array_data_float32(x)[5] == 15);
  CHECK(synchronize_default() == 0);
  mlx_vector_array_free(v);
  mlx_array_free(one);
  mlx_array_free(x);
  mlx_stream_free(a);
  mlx_stream_free(b);
  _exit(42);
}

static void *busy(void *arg) {
  run_threads(3, keep_busy);
  return arg;
}

int main(void) {
  if (SANITIZED) return 77;
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, busy, NULL) == 0);
  for (int i = 0; i < 60; i++) CHECK(in_child(d11_evaluate_in_the_child, 20) == 42);
  pthread_join(thread, NULL);
  return 0;
}
