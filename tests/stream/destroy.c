/* Nothing is left of streams and threads that ended: K6, K7. FAILURES: B4, E1, E2, E3. */

#include "anew.h"
#include "programs.h"

static void one_add(mlx_stream s) {
  mlx_array a = floats(16, 1);
  add_to(&a, a, s);
  CHECK(mlx_array_eval(a) == 0);
  mlx_array_free(a);
}

static void request(int i) {
  (void)i;
  one_add((mlx_stream){0});
}

/* E1: streams one after another. */
static void e1_stream_per_request(void) {
  one_add((mlx_stream){0});
  int threads = os_threads();
  size_t streams = live_streams();
  for (int i = 0; i < 20000; i++) {
    mlx_stream s = new_stream();
    one_add(s);
    mlx_stream_free(s);
  }
  CHECK(os_threads() <= threads + 1);
  CHECK(streams_become(streams));
}

/* E2: threads one after another, joined; their streams go with them. */
static void e2_thread_per_request(void) {
  size_t streams = live_streams();
  for (int i = 0; i < 200; i++) run_threads(1, request);
  size_t rss = rss_bytes();
  for (int i = 0; i < 2000; i++) run_threads(1, request);
  CHECK(streams_become(streams));
  CHECK(SANITIZED || emulated() || rss_bytes() < rss + (1 << 20));
}

/* E3: freed with work in flight: the work is done, then the stream is gone. */
static void e3_free_with_work(void) {
  size_t streams = live_streams();
  mlx_stream s = new_stream();
  mlx_array a = floats(1 << 16, 1);
  mlx_array zero = mlx_array_new_float(0);
  for (int i = 0; i < 50; i++) add_to(&a, zero, s);
  mlx_vector_array v = mlx_vector_array_new_value(a);
  CHECK(mlx_async_eval(v) == 0);
  mlx_stream_free(s);
  CHECK(mlx_array_data_float32(a)[100] == 101);
  CHECK(synchronize_default() == 0);
  CHECK(weir_shutdown(UINT64_C(10000000000)) == 0);
  CHECK(live_streams() <= streams);
  mlx_vector_array_free(v);
  mlx_array_free(zero);
  mlx_array_free(a);
}

/* B4: streams come and go while others work. */
static void b4_streams_come_and_go(int i) {
  for (int k = 0; k < 500; k++) {
    if (i % 2) {
      one_add((mlx_stream){0});
      continue;
    }
    mlx_stream s = new_stream();
    one_add(s);
    mlx_stream_free(s);
  }
}

int main(void) {
  mean_cpu();
  e1_stream_per_request();
  e2_thread_per_request();
  e3_free_with_work();
  run_threads(many(8), b4_streams_come_and_go);
  return 0;
}
