/* Limits are guidelines, and a refusal of the system is an error of one array: K14, E1. FAILURES:
   B17, E8, F15, P11. */

#include <sched.h>
#include <sys/resource.h>

#include "anew.h"
#include "fake_device.h"
#include "programs.h"

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
/* They keep freed memory, need much address space, and make the first touch of a page slow. */
enum { ALL_MB = 48, ROUNDS = 20 };
#else
enum { ALL_MB = 1024, ROUNDS = 60 };
#endif

static const size_t mb = (size_t)1 << 20;

static size_t cached(void) {
  size_t bytes = 0;
  CHECK(mlx_get_cache_memory(&bytes) == 0);
  return bytes;
}

static size_t active(void) {
  size_t bytes = 0;
  CHECK(mlx_get_active_memory(&bytes) == 0);
  return bytes;
}

static size_t set_cache_limit(size_t bytes) {
  size_t old = 0;
  CHECK(mlx_set_cache_limit(&old, bytes) == 0);
  return old;
}

static size_t set_memory_limit(size_t bytes) {
  size_t old = 0;
  CHECK(mlx_set_memory_limit(&old, bytes) == 0);
  return old;
}

/* An array of so many bytes, computed, so that all of its pages are there, and gone again. */
static void come_and_go(size_t bytes) {
  int n = (int)(bytes / sizeof(float));
  mlx_array two = mlx_array_new_float(2), all = mlx_array_new();
  CHECK(mlx_full(&all, &n, 1, two, MLX_FLOAT32, (mlx_stream){0}) == 0);
  add_to(&all, two, (mlx_stream){0});
  CHECK(mlx_array_data_float32(all)[n - 1] == 4);
  mlx_array_free(all);
  mlx_array_free(two);
}

/* One gigabyte in rising sizes, of which none comes twice. */
static void rising_sizes(size_t limit) {
  size_t total = 0;
  for (size_t bytes = 4096; total < ALL_MB * mb; bytes += bytes / 16 + 64) {
    come_and_go(bytes);
    CHECK(cached() <= limit);
    total += bytes;
  }
}

/* E8. With the limit that is the default, then with one under which all of it is kept. */
static void e8_cache_within_its_limit(void) {
  rising_sizes(32 * mb);
  CHECK(mlx_clear_cache() == 0 && cached() == 0);
  size_t rss = rss_bytes();
  CHECK(set_cache_limit(4096 * mb) == 32 * mb);
  rising_sizes(4096 * mb);
  CHECK(cached() >= ALL_MB * mb / 2);
  if (!SANITIZED) CHECK(rss_bytes() > rss + 256 * mb);
  CHECK(mlx_clear_cache() == 0 && cached() == 0);
  if (!SANITIZED) CHECK(rss_bytes() < rss + 16 * mb);
  CHECK(set_cache_limit(32 * mb) == 4096 * mb);
}

/* ---- B17 ---- */

/* Half of the threads compute; the others take away all that is idle. */
static void work_or_clear(int i) {
  mlx_array one = mlx_array_new_float(1);
  for (int k = 0; k < ROUNDS; k++) {
    if (i % 2) {
      mlx_clear_cache();
      size_t old = set_cache_limit(0);
      mlx_clear_cache();
      set_cache_limit(old ? old : 32 * mb);
      continue;
    }
    mlx_array x = floats(1000 << (k % 10), 0);
    for (int j = 0; j < 10; j++) add_to(&x, one, (mlx_stream){0});
    mlx_vector_array v = mlx_vector_array_new_value(x);
    CHECK(mlx_async_eval(v) == 0);
    if (k % 4 == 0) CHECK(mlx_clear_cache() == 0);
    const float *data = mlx_array_data_float32(x);
    for (int j = 0; j < 1000; j++) CHECK(data[j] == (float)(j + 10));
    mlx_vector_array_free(v);
    mlx_array_free(x);
  }
  mlx_array_free(one);
}

static void b17_clear_with_work_in_flight(void) {
  run_threads(many(8), work_or_clear);
  set_cache_limit(0);
  CHECK(cached() == 0);
  set_cache_limit(32 * mb);
}

/* ---- the memory limit ---- */

/* Above it, what is idle goes first and the work goes on: also while another stream, which holds
   memory, does not move. */
static void k14_the_limit_is_a_guideline(mlx_stream gpu) {
  come_and_go(4 * mb);
  CHECK(cached() >= 4 * mb);
  mlx_array held = floats(1 << 19, 1);
  fake_device_hold();
  add_to(&held, held, gpu);
  mlx_vector_array v = mlx_vector_array_new_value(held);
  CHECK(mlx_async_eval(v) == 0);
  while (!fake_device_stats().queued) usleep(1000); /* it has its memory, and will keep it */
  size_t old = set_memory_limit(1 * mb);
  CHECK(active() > 1 * mb);
  mlx_array x = floats(3 << 18, 0), one = mlx_array_new_float(1);
  CHECK(cached() == 0); /* 3 MB were asked of the system */
  for (int i = 0; i < 10; i++) add_to(&x, one, (mlx_stream){0});
  CHECK(mlx_array_data_float32(x)[5] == 15);
  CHECK(set_memory_limit(old) == 1 * mb);
  fake_device_release();
  CHECK(mlx_array_data_float32(held)[0] == 2);
  mlx_vector_array_free(v);
  mlx_array_free(one);
  mlx_array_free(x);
  mlx_array_free(held);
  CHECK(mlx_synchronize(gpu) == 0); /* the device's thread has let go of its references too */
}

/* The stream gets more results to make than the device, or the limit, has room for, one after the
   other let go of. It waits for those that are under way, and nobody waits with it: neither who
   submits nor another stream. */
static void results_come_and_go(mlx_stream gpu, float expected) {
  enum { RESULTS = 64 };
  mlx_array x = floats(1 << 18, 1), last = mlx_array_new();
  fake_device_hold();
  for (int i = 0; i < RESULTS; i++) {
    CHECK(mlx_add(&last, x, x, gpu) == 0); /* lets go of the one before */
    mlx_vector_array v = mlx_vector_array_new_value(last);
    CHECK(mlx_async_eval(v) == 0);
    mlx_vector_array_free(v);
  }
  come_and_go(1 * mb); /* on the host */
  fake_device_release();
  CHECK(mlx_array_data_float32(last)[77] == expected);
  mlx_array_free(last);
  mlx_array_free(x);
  CHECK(mlx_synchronize(gpu) == 0);
  CHECK(mlx_clear_cache() == 0);
}

static void k14_waits_for_its_own_stream(mlx_stream gpu) {
  CHECK(mlx_clear_cache() == 0);
  fake_device_capacity(8 * mb);
  results_come_and_go(gpu, 2 * 78);
  fake_device_capacity(0);
  size_t old = set_memory_limit(4 * mb);
  results_come_and_go(gpu, 2 * 78);
  set_memory_limit(old);
}

/* F15 on a device: what is alive fills it. The stream goes on, and when there is room again so does
   what was refused before, anew. */
static void f15_a_full_device(mlx_stream gpu) {
  enum { ARRAYS = 12, FIT = 8 };
  mlx_array x = floats(1 << 18, 1), kept[ARRAYS];
  fake_device_capacity((FIT + 1) * mb); /* and x */
  for (int i = 0; i < ARRAYS; i++) {
    kept[i] = mlx_array_new();
    CHECK(mlx_add(&kept[i], x, x, gpu) == 0);
    CHECK(mlx_array_eval(kept[i]) == (i < FIT ? 0 : 1));
    CHECK(i < FIT || weir_last_status() == WEIR_ERROR_OUT_OF_MEMORY);
  }
  mlx_array_free(kept[0]);
  kept[0] = mlx_array_new();
  CHECK(mlx_add(&kept[0], x, x, gpu) == 0);
  CHECK(mlx_array_data_float32(kept[0])[1] == 4);
  for (int i = 0; i < ARRAYS; i++) mlx_array_free(kept[i]);
  mlx_array_free(x);
  fake_device_capacity(0);
  CHECK(mlx_synchronize(gpu) == 0);
}

/* ---- F15 ---- */

static void expect_refusal(mlx_array a, const char *operation) {
  for (int i = 0; i < 2; i++) {
    CHECK(mlx_array_eval(a) == 1);
    CHECK(weir_last_status() == WEIR_ERROR_OUT_OF_MEMORY);
    CHECK(strstr(weir_last_error(), "out of memory") && strstr(weir_last_error(), operation));
  }
}

/* 64 TB in one array; `small` is on the same stream, behind it. */
static void f15_one_array_fails(void) {
  int shape[2] = {1 << 23, 1 << 21};
  mlx_array one = mlx_array_new_float(1), huge = mlx_array_new(), small = floats(4, 0);
  mlx_array sum = mlx_array_new();
  CHECK(mlx_broadcast_to(&huge, one, shape, 2, (mlx_stream){0}) == 0);
  add_to(&huge, one, (mlx_stream){0});
  CHECK(mlx_sum(&sum, huge, false, (mlx_stream){0}) == 0);
  add_to(&small, one, (mlx_stream){0});
  mlx_array all[] = {sum, small};
  mlx_vector_array v = mlx_vector_array_new_data(all, 2);
  CHECK(mlx_eval(v) == 1);
  CHECK(weir_last_status() == WEIR_ERROR_OUT_OF_MEMORY);
  CHECK(mlx_array_data_float32(small)[3] == 4);
  expect_refusal(huge, "add");
  expect_refusal(sum, "add");
  mlx_vector_array_free(v);
  mlx_array_free(sum);
  mlx_array_free(small);
  mlx_array_free(huge);
  mlx_array_free(one);
}

/* P11: what no machine has is refused before the cache is emptied: 4 TB, more bytes than a number
   of 64 bits holds, and more elements than that. Of the two last the call itself may say so. */
static void p11_refused_before_anything_is_given_up(void) {
  static const int shapes[][4] = {{1 << 20, 1 << 20, 1, 1},
                                  {INT32_MAX, INT32_MAX, 1, 1},
                                  {INT32_MAX, INT32_MAX, 4, 1},
                                  {INT32_MAX, INT32_MAX, INT32_MAX, INT32_MAX}};
  mlx_array one = mlx_array_new_float(1);
  come_and_go(8 * mb);
  const size_t kept = cached();
  CHECK(kept >= 8 * mb);
  for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
    mlx_array huge = mlx_array_new(), wide = mlx_array_new();
    int rc = mlx_full(&huge, shapes[i], 4, one, MLX_FLOAT32, (mlx_stream){0});
    if (rc == 0) rc = mlx_array_eval(huge);
    CHECK(rc == 1 && weir_last_error()[0]);
    rc = mlx_broadcast_to(&wide, one, shapes[i], 4, (mlx_stream){0});
    if (rc == 0) rc = mlx_add(&wide, wide, one, (mlx_stream){0});
    if (rc == 0) rc = mlx_array_eval(wide);
    CHECK(rc == 1 && weir_last_error()[0]);
    mlx_array_free(huge);
    mlx_array_free(wide);
    CHECK(cached() >= kept);
  }
  mlx_array_free(one);
  CHECK(mlx_clear_cache() == 0);
}

static mlx_array doubled(mlx_array a) {
  mlx_array out = mlx_array_new();
  CHECK(mlx_add(&out, a, a, (mlx_stream){0}) == 0);
  return out;
}

static void on_one_processor(void) {
  cpu_set_t all, one;
  CHECK(sched_getaffinity(0, sizeof all, &all) == 0);
  int first = 0;
  while (!CPU_ISSET(first, &all)) first++;
  CPU_ZERO(&one);
  CPU_SET(first, &one);
  CHECK(sched_setaffinity(0, sizeof one, &one) == 0);
}

/* In a child with room for little more than it has: arrays of 8 MB are kept until one is refused.
   When some are let go, what is idle then serves the next, also one of another size. */
static void until_the_system_refuses(void) {
  enum { MOST = 64 };
  on_one_processor(); /* each worker's stack takes of that room */
  mlx_array kept[MOST];
  struct rlimit limit;
  set_cache_limit(1024 * mb);
  kept[0] = floats(2 << 20, 1);
  CHECK(mlx_array_data_float32(kept[0]) && synchronize_default() == 0);
  CHECK(getrlimit(RLIMIT_AS, &limit) == 0);
  FILE *f = fopen("/proc/self/statm", "r");
  unsigned long pages = 0;
  CHECK(f && fscanf(f, "%lu", &pages) == 1);
  fclose(f);
  limit.rlim_cur = pages * (rlim_t)sysconf(_SC_PAGESIZE) + 200 * mb;
  CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
  int n = 1, rc = 0;
  while (n < MOST && !rc) {
    kept[n] = doubled(kept[0]);
    rc = mlx_array_eval(kept[n++]);
  }
  CHECK(rc == 1 && n > 10);
  expect_refusal(kept[n - 1], "add");
  mlx_array small = floats(100, 1);
  add_to(&small, small, (mlx_stream){0});
  CHECK(mlx_array_data_float32(small)[9] == 20);
  for (int i = n - 8; i < n; i++) mlx_array_free(kept[i]);
  CHECK(cached() >= 56 * mb);
  come_and_go(40 * mb); /* no idle array serves: the cache is emptied at the refusal */
  CHECK(mlx_array_data_float32(kept[1])[1] == 4);
  for (int i = 0; i < n - 8; i++) mlx_array_free(kept[i]);
  mlx_array_free(small);
}

int main(void) {
  mean_cpu();
  mlx_set_error_handler(quiet, NULL, NULL);
  if (!SANITIZED && !emulated()) CHECK(in_child(until_the_system_refuses, 20) == 0);
  fake_device_install();
  set_cache_limit(32 * mb); /* the default, but in the hostile build */
  e8_cache_within_its_limit();
  b17_clear_with_work_in_flight();
  mlx_device device = mlx_device_new_type(MLX_GPU, 0);
  mlx_stream gpu = mlx_stream_new_device(device);
  CHECK(gpu.ctx != NULL);
  k14_the_limit_is_a_guideline(gpu);
  k14_waits_for_its_own_stream(gpu);
  f15_a_full_device(gpu);
  f15_one_array_fails();
  p11_refused_before_anything_is_given_up();
  mlx_stream_free(gpu);
  mlx_device_free(device);
  CHECK(weir_shutdown(UINT64_C(10000000000)) == 0);
  CHECK(fake_device_shutdown() == 0);
  return 0;
}
