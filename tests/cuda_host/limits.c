/* The GPU's memory and its limits, over the stand-in driver: results that come faster than they can
   be held are waited for and not refused; what is too large fails in words, alone; limits and the
   cache are MLX's guidelines; and with none of it is an array or a byte left behind. K14, E1, E2.
   FAILURES: B17, E8, E9, F15. */

#include "stand_in_case.h"

enum { MB = 1 << 20, ALL = 96 };

static mlx_stream gpu;

static mlx_array of_megabytes(int mb, mlx_stream s) {
  const int n = mb * MB / 4;
  mlx_array value = mlx_array_new_float(1), out = mlx_array_new();
  CHECK(mlx_full(&out, &n, 1, value, MLX_FLOAT32, s) == 0);
  mlx_array_free(value);
  return out;
}

/* More than there is memory for, each let go at once, from several threads too; none may fail. */
static void faster_than_memory(int i) {
  mlx_stream s = i ? new_gpu_stream() : gpu;
  mlx_array m = of_megabytes(4, s), last = mlx_array_new();
  mlx_array one = mlx_array_new_float(1);
  CHECK(mlx_array_eval(m) == 0);
  for (int k = 0; k < 40; k++) {
    CHECK(mlx_cumsum(&last, m, 0, false, true, s) == 0 && mlx_add(&last, last, one, s) == 0);
    CHECK(async_eval(last) == 0);
  }
  CHECK(mlx_array_eval(last) == 0);
  mlx_array_free(m);
  mlx_array_free(last);
  mlx_array_free(one);
  if (i) mlx_stream_free(s);
}

/* As many threads as have results that all fit, and no more; what each has under way beside its
   last one does not. So a stream that is refused memory finds that what its own commands gave back
   was taken by another, and has to come to its turn. */
static mlx_array shared;

static void more_threads_than_memory(int i) {
  mlx_stream s = new_gpu_stream();
  mlx_array last = mlx_array_new(), one = mlx_array_new_float((float)i);
  for (int k = 0; k < 30; k++) {
    CHECK(mlx_cumsum(&last, shared, 0, false, true, s) == 0 && mlx_add(&last, last, one, s) == 0);
    CHECK(async_eval(last) == 0);
  }
  CHECK(mlx_array_eval(last) == 0);
  mlx_array_free(last);
  mlx_array_free(one);
  mlx_stream_free(s);
}

static void too_large(int i) {
  mlx_stream s = new_gpu_stream();
  mlx_array large = of_megabytes(2 * ALL + i, s), sum = mlx_array_new();
  CHECK(mlx_cumsum(&sum, large, 0, false, true, s) == 0);
  mlx_array turned = floats(50, 0);
  turn(&turned, s);
  for (int k = 0; k < 3; k++) {
    CHECK(mlx_array_eval(sum) == 1 && weir_last_status() == WEIR_ERROR_OUT_OF_MEMORY);
    CHECK(*weir_last_error() && mlx_synchronize(s) == 0);
  }
  expect_turned(turned, 0, 1);
  mlx_array_free(large);
  mlx_array_free(sum);
  mlx_array_free(turned);
  mlx_stream_free(s);
}

/* Who is refused for good, first in the line, lets the others come to their turn. */
static void too_large_among_others(int i) {
  if (i % 4 == 0) {
    too_large(i);
  } else {
    more_threads_than_memory(i);
  }
}

static size_t cached(void) {
  size_t bytes = 0;
  CHECK(mlx_get_cache_memory(&bytes) == 0);
  return bytes;
}

/* B17: what is in flight keeps its memory. */
static void cleared_in_flight(void) {
  mlx_array m = of_megabytes(4, gpu), turned = floats(MB, 0);
  size_t before = 0, back = 0;
  CHECK(mlx_set_cache_limit(&before, 0) == 0);
  cuda->hold();
  mlx_array sum = mlx_array_new();
  CHECK(mlx_cumsum(&sum, m, 0, false, true, gpu) == 0 && async_eval(sum) == 0);
  mlx_array_free(m);
  turn(&turned, gpu);
  CHECK(async_eval(turned) == 0 && mlx_clear_cache() == 0);
  cuda->release();
  expect_turned(turned, 0, 1);
  CHECK(mlx_array_eval(sum) == 0);
  mlx_array_free(sum);
  mlx_array_free(turned);
  CHECK(mlx_synchronize(gpu) == 0 && cached() == 0);
  CHECK(mlx_set_cache_limit(&back, before) == 0 && back == 0);
}

/* P14: what is idle on the GPU and on the host together keeps to a limit that was set; and P11:
   what a GPU does not have is refused with the cache untouched. */
static void cache_keeps_its_limit(void) {
  size_t before = 0, back = 0;
  CHECK(mlx_clear_cache() == 0 && mlx_set_cache_limit(&before, MB) == 0);
  for (int k = 0; k < 40; k++) {
    const int n = 500 << (k % 10);
    mlx_array x = floats(n, k), turned = floats(n, k), host = floats(n, k);
    mlx_stream cpu = mlx_default_cpu_stream_new();
    turn(&turned, gpu);
    CHECK(mlx_add(&host, host, x, cpu) == 0 && mlx_array_eval(host) == 0);
    expect_turned(turned, k, 1);
    mlx_array_free(x);
    mlx_array_free(turned);
    mlx_array_free(host);
    mlx_stream_free(cpu);
    CHECK(mlx_synchronize(gpu) == 0);
    if (cached() > MB) fprintf(stderr, "%d: %zu bytes are cached\n", k, cached());
    CHECK(cached() <= MB);
  }
  const size_t kept = cached();
  CHECK(kept > 0);
  mlx_array large = of_megabytes(2 * ALL, gpu);
  CHECK(mlx_array_eval(large) == 1 && weir_last_status() == WEIR_ERROR_OUT_OF_MEMORY);
  mlx_array_free(large);
  CHECK(mlx_synchronize(gpu) == 0 && cached() >= kept);
  CHECK(mlx_set_cache_limit(&back, before) == 0 && back == MB);
}

/* E9: limits that change while others work. */
static void limits_change(int i) {
  size_t old = 0;
  for (int k = 0; k < 20; k++) {
    if (i == 0) {
      CHECK(mlx_set_memory_limit(&old, (size_t)(8 + k) * MB) == 0);
      CHECK(mlx_set_cache_limit(&old, (size_t)(k % 4) * MB) == 0);
      CHECK(mlx_clear_cache() == 0);
    } else {
      mlx_array a = of_megabytes(2, gpu), turned = floats(1000 * i, 1);
      mlx_array sum = mlx_array_new();
      CHECK(mlx_cumsum(&sum, a, 0, false, true, gpu) == 0 && async_eval(sum) == 0);
      turn(&turned, gpu);
      mlx_array_free(a);
      expect_turned(turned, 1, 1);
      CHECK(mlx_array_eval(sum) == 0);
      mlx_array_free(turned);
      mlx_array_free(sum);
    }
  }
}

int main(void) {
  stand_in_start();
  mlx_set_error_handler(quiet, NULL, NULL);
  cuda->capacity((size_t)ALL * MB);
  gpu = new_gpu_stream();
  faster_than_memory(0);
  cuda->pause(100000);
  run_threads(4, faster_than_memory);
  shared = of_megabytes(4, gpu);
  CHECK(mlx_array_eval(shared) == 0);
  for (int i = 0; i < 3; i++) run_threads(16, more_threads_than_memory);
  run_threads(16, too_large_among_others);
  mlx_array_free(shared);
  cuda->pause(0);
  run_threads(4, too_large);
  for (int i = 0; i < 3; i++) cleared_in_flight();
  cache_keeps_its_limit();
  run_threads(4, limits_change);
  mlx_stream_free(gpu);
  CHECK(weir_shutdown(INT64_C(20000000000)) == 0 && mlx_clear_cache() == 0);
  size_t bytes = 1;
  CHECK(streams_become(0) && allocations_become(0));
  CHECK(mlx_get_active_memory(&bytes) == 0);
  if (bytes || cached()) fprintf(stderr, "%zu active, %zu cached\n", bytes, cached());
  CHECK(bytes == 0 && cached() == 0);
  return 0;
}
