/* Threads on the GPU, over the stand-in driver: each its own default stream, all on one, a thread
   per request; streams and arrays dropped while their work is in flight. K1 to K3, K6, K7, O1, O2.
   FAILURES: A1, A2, A3, B1, B4, B5, E1, E2, E3. */

#include "stand_in_case.h"

static mlx_stream shared_stream;
static mlx_array shared_array;

/* Sums, of which only the order on the device is looked at, and turns, which have a value. */
static void work_on(mlx_stream s, int i, int rounds) {
  mlx_array one = mlx_array_new_float(1);
  for (int k = 0; k < rounds; k++) {
    const int n = 3 + (i + k) % 40;
    mlx_array sum = floats(n, 0), turned = floats(n, (float)k);
    for (int j = 0; j < 12; j++) {
      add_to(&sum, one, s);
      turn(&turned, s);
      if (j % 5 == 0) CHECK(async_eval(j % 2 ? sum : turned) == 0);
    }
    if (k % 3 == 0) CHECK(mlx_array_eval(sum) == 0);
    if (k % 4 == 1) CHECK(mlx_synchronize(s) == 0);
    if (k % 2 == 0) expect_turned(turned, (float)k, 12);
    mlx_array_free(sum);
    mlx_array_free(turned);
  }
  mlx_array_free(one);
}

static void own_default(int i) {
  mlx_stream s = mlx_default_gpu_stream_new();
  CHECK(s.ctx != NULL);
  work_on(s, i, 20);
  mlx_stream_free(s);
}

static void on_shared_stream(int i) {
  work_on(shared_stream, i, 10);
  expect_turned(shared_array, 0, 50);
}

/* K3: all of them also force one array, made by another thread that has ended. */
static void *make_shared(void *arg) {
  mlx_stream s = new_gpu_stream();
  shared_array = floats(100, 0);
  for (int i = 0; i < 50; i++) turn(&shared_array, i % 2 ? s : shared_stream);
  mlx_stream_free(s);
  return arg;
}

static void one_stream_for_all(void) {
  pthread_t thread;
  shared_stream = new_gpu_stream();
  CHECK(pthread_create(&thread, NULL, make_shared, NULL) == 0);
  pthread_join(thread, NULL);
  run_threads(many(8), on_shared_stream);
  mlx_array_free(shared_array);
  mlx_stream_free(shared_stream);
}

/* E2: nothing waits for the work, and the thread ends. */
static void request(int i) {
  mlx_stream s = mlx_default_gpu_stream_new();
  mlx_array a = floats(16, (float)i), one = mlx_array_new_float(1);
  for (int k = 0; k < 5; k++) {
    add_to(&a, one, s);
    turn(&a, s);
  }
  if (i % 3 == 0) CHECK(mlx_array_data_float32(a) != NULL);
  if (i % 3 == 1) CHECK(async_eval(a) == 0);
  mlx_array_free(one);
  mlx_array_free(a);
  mlx_stream_free(s);
}

/* The pool of encoders and what is cached are bounded, so counts are the same after many. */
static void requests(void) {
  for (int i = 0; i < 10; i++) run_threads(16, request);
  CHECK(streams_become(0) && mlx_clear_cache() == 0);
  const struct stand_in_counts before = stand_in_now();
  for (int i = 0; i < 30; i++) run_threads(16, request);
  CHECK(streams_become(0) && mlx_clear_cache() == 0);
  CHECK(allocations_become(before.allocations));
  const struct stand_in_counts after = stand_in_now();
  CHECK(after.streams <= before.streams + 16 && after.modules == before.modules);
}

/* E3: the last handle goes while kernels are held; the work is done all the same. */
static void dropped_in_flight(void) {
  enum { STREAMS = 100 };
  static mlx_array kept[STREAMS / 10];
  mlx_array one = mlx_array_new_float(1);
  cuda->hold();
  for (int i = 0; i < STREAMS; i++) {
    mlx_stream s = new_gpu_stream();
    mlx_array a = floats(20, (float)i);
    for (int k = 0; k < 4; k++) {
      add_to(&a, one, s);
      CHECK(async_eval(a) == 0);
      turn(&a, s);
    }
    mlx_array t = floats(20, (float)i);
    turn(&t, s);
    CHECK(async_eval(a) == 0 && async_eval(t) == 0);
    mlx_stream_free(s);
    mlx_array_free(a);
    if (i % 10 == 0) {
      kept[i / 10] = t;
    } else {
      mlx_array_free(t);
    }
  }
  cuda->release();
  for (int i = 0; i < STREAMS; i += 10) {
    expect_turned(kept[i / 10], (float)i, 1);
    mlx_array_free(kept[i / 10]);
  }
  mlx_array_free(one);
  CHECK(streams_become(0));
}

/* B4: streams that come and go beside those that work. */
static void comes_and_goes(int i) {
  for (int k = 0; k < 30; k++) {
    mlx_stream s = new_gpu_stream();
    if (i % 2) work_on(s, i, 1);
    mlx_stream_free(s);
  }
}

int main(void) {
  stand_in_start();
  mlx_set_error_handler(quiet, NULL, NULL);
  run_threads(many(16), own_default);
  one_stream_for_all();
  cuda->pause(20000);
  run_threads(many(8), own_default);
  one_stream_for_all();
  requests();
  cuda->pause(0);
  dropped_in_flight();
  run_threads(many(8), comes_and_goes);
  CHECK(streams_become(0));
  CHECK(weir_shutdown(INT64_C(20000000000)) == 0);
  CHECK(allocations_become(0));
  return 0;
}
