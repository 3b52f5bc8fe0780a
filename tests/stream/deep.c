/* Graphs of any depth on a thread with a 64 KB stack, and many streams alive: K13.
   FAILURES: D1 (one window for the process), B17, B18. */

#include "programs.h"

static void *deep_graph(void *arg) {
  mlx_array one = mlx_array_new_float(1), a = mlx_array_new_float(0);
  for (int i = 0; i < 200000; i++) add_to(&a, one, (mlx_stream){0});
  CHECK(float_of(a) == 200000);
  for (int i = 0; i < 200000; i++) add_to(&a, one, (mlx_stream){0});
  mlx_array_free(a); /* never forced: freed on the same small stack */
  mlx_array_free(one);
  return arg;
}

/* B18: handlers are swapped while other threads fail; each handler's data lives while it is used.
 */
static void handler(const char *message, void *data) {
  CHECK(message[0] != '\0');
  __atomic_add_fetch((int *)data, 1, __ATOMIC_RELAXED);
}

static void b18_swap_or_fail(int i) {
  mlx_array a = floats(3, 0), b = floats(4, 0), c = mlx_array_new();
  for (int k = 0; k < 500; k++) {
    if (i % 2) {
      mlx_set_error_handler(handler, calloc(1, sizeof(int)), free);
    } else {
      CHECK(mlx_add(&c, a, b, (mlx_stream){0}) == 1);
    }
  }
  mlx_array_free(c);
  mlx_array_free(b);
  mlx_array_free(a);
}

/* B17: the cache is cleared and its limit is 0 while work is in flight. */
static void b17_clear_or_work(int i) {
  size_t before = 0;
  for (int k = 0; k < 200; k++) {
    if (i % 4 == 0) {
      CHECK(mlx_clear_cache() == 0);
      CHECK(mlx_set_cache_limit(&before, k % 2 ? 0 : SIZE_MAX / 2) == 0);
    } else {
      mlx_array a = floats(1000, (float)i);
      for (int n = 0; n < 10; n++) add_to(&a, a, (mlx_stream){0});
      CHECK(mlx_array_data_float32(a)[1] == (float)(i + 1) * 1024);
      mlx_array_free(a);
    }
  }
}

int main(void) {
  mean_cpu();
  mlx_set_error_handler(quiet, NULL, NULL);
  run_on_small_stack(deep_graph, NULL);
  run_threads(many(8), b18_swap_or_fail);
  mlx_set_error_handler(quiet, NULL, NULL);
  run_threads(many(8), b17_clear_or_work);
  return 0;
}
