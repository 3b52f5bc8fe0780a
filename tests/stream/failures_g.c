/* The end of programs. G1, G2, G3 and G5 stand in exit.c, in children with a time limit. Here: a
   program that frees everything, and leaves nothing to a leak checker (G8), as often as it likes.
 */

#include "fixtures.h"

static int probes;

static void use_everything(int i) {
  mlx_stream s = new_stream();
  mlx_array a = chain((float)i, 10, s), p = probe(&probes), keys = mlx_array_new();
  mlx_array sum = mlx_array_new(), bad = failing(s), product = mlx_array_new();
  int shape[2] = {64, 64};
  CHECK(mlx_add(&sum, p, a, s) == 0);
  CHECK(mlx_random_normal(&keys, shape, 2, MLX_FLOAT32, 0, 1, (mlx_array){0}, s) == 0);
  CHECK(mlx_matmul(&product, keys, keys, (mlx_stream){0}) == 0);
  CHECK(mlx_set_default_stream(s) == 0);
  CHECK(submit(product) == 0 && submit(bad) == 0);
  CHECK(mlx_array_eval(sum) == 0);
  CHECK(mlx_array_eval(bad) == 1);
  mlx_string text = mlx_string_new();
  CHECK(mlx_array_tostring(&text, sum) == 0);
  mlx_string_free(text);
  mlx_array all[] = {a, p, keys, sum, bad, product};
  for (size_t k = 0; k < sizeof all / sizeof *all; k++) mlx_array_free(all[k]);
  mlx_stream_free(s);
}

static void g8_free_everything(void) {
  size_t bytes = 1;
  int threads = 0;
  for (int round = 1; round <= 10; round++) {
    run_threads(4, use_everything);
    use_everything(0);
    CHECK(weir_shutdown(UINT64_C(20000000000)) == 0);
    CHECK(count_of(&probes) == 5 * round);
    CHECK(live_streams() == 0);
    CHECK(mlx_get_active_memory(&bytes) == 0 && bytes == 0);
    CHECK(mlx_get_cache_memory(&bytes) == 0 && bytes == 0);
    weir_runtime_stats_t stats;
    CHECK(weir_runtime_stats(&stats) == 0);
    CHECK(stats.worker_threads == 0 && stats.other_threads == 0);
    if (round == 1) threads = os_threads(); /* a threaded BLAS has its own */
    CHECK(threads_become(threads));
  }
}

int main(void) {
  mean_cpu();
  mlx_set_error_handler(quiet, NULL, NULL);
  g8_free_everything();
  mlx_set_error_handler(NULL, NULL, NULL);
  return 0;
}
