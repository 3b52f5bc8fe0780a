/* A fault of one of two GPUs, over the stand-in driver: what was in flight there fails in words,
   the GPU is out of use, and the CPU and the other GPU go on, with the values that they had. E1 to
   E3. Pinned memory of a wait that failed goes to nobody (K14). Before that, values that go from
   one GPU to the other: D5, O2. Each fault in a process of its own. */

#include "stand_in_case.h"

static mlx_stream gpu[2], host;

static mlx_stream stream_of(int index) {
  mlx_device device = mlx_device_new_type(MLX_GPU, index);
  mlx_stream s = mlx_stream_new_device(device);
  mlx_device_free(device);
  return s;
}

/* From one GPU to the other and through the CPU. */
static void from_one_to_the_other(int i) {
  mlx_array a = floats(1000, (float)i);
  for (int k = 0; k < 60; k++) {
    turn(&a, k % 7 == 3 ? host : gpu[(k + k / 3 + i) % 2]);
    if (k % 9 == 0) CHECK(async_eval(a) == 0);
  }
  expect_turned(a, (float)i, 60);
  mlx_array_free(a);
}

static void fails_in_words(mlx_array a) {
  for (int i = 0; i < 2; i++) {
    CHECK(mlx_array_eval(a) == 1 && weir_last_status() == WEIR_ERROR_DEVICE);
    CHECK(strstr(weir_last_error(), "gpu:0") != NULL);
  }
  CHECK(mlx_array_data_float32(a) == NULL);
}

static void goes_on(mlx_stream s) {
  mlx_array a = floats(100, 5);
  for (int i = 0; i < 10; i++) turn(&a, s);
  expect_turned(a, 5, 10);
  mlx_array_free(a);
}

/* Threads that work on both GPUs and the CPU while the one fails: those of the other see nothing.
 */
static mlx_stream streams_of_threads[6];

static void through_the_fault(int i) {
  mlx_stream s = streams_of_threads[i];
  mlx_array one = mlx_array_new_float(1);
  bool failed = false;
  for (int k = 0; k < 60 && !failed; k++) {
    mlx_array a = floats(30, (float)k), sum = floats(30, 0);
    for (int j = 0; j < 4; j++) {
      turn(&a, s);
      add_to(&sum, one, s);
    }
    (void)async_eval(sum);
    failed = mlx_array_eval(a) || mlx_array_eval(sum);
    if (i % 3 != 0) CHECK(!failed);
    if (failed) fails_in_words(mlx_array_eval(a) ? a : sum);
    mlx_array_free(a);
    mlx_array_free(sum);
    CHECK(mlx_synchronize(s) == 0);
  }
  mlx_array_free(one);
}

static int fault_at;

static void a_fault(void) {
  host = new_stream();
  for (int i = 0; i < 2; i++) gpu[i] = stream_of(i);
  CHECK(gpu[0].ctx && gpu[1].ctx);
  mlx_array before = floats(100, 0), elsewhere = floats(100, 0), one = mlx_array_new_float(1);
  turn(&before, gpu[0]);
  turn(&elsewhere, gpu[1]);
  CHECK(mlx_array_data_float32(elsewhere) && mlx_array_eval(before) == 0);
  for (int i = 0; i < 6; i++) {
    streams_of_threads[i] = i % 3 == 2 ? new_stream() : stream_of(i % 3);
  }
  cuda->hold();
  mlx_array sum = floats(100, 0), after = mlx_array_new(), on_host = mlx_array_new();
  for (int i = 0; i < fault_at; i++) {
    CHECK(mlx_cumsum(&sum, sum, 0, false, true, gpu[0]) == 0);
    CHECK(async_eval(sum) == 0);
  }
  CHECK(mlx_add(&after, sum, one, gpu[1]) == 0 && mlx_add(&on_host, after, one, host) == 0);
  CHECK(async_eval(on_host) == 0);
  weir_event event = weir_event_new();
  CHECK(weir_event_record(event, gpu[0]) == 0 && weir_event_wait(event, gpu[1]) == 0);
  /* 719: a kernel went wrong. The first kernel that runs now is gpu:0's, as all others wait. */
  cuda->fault(1, 719);
  cuda->release();
  CHECK(mlx_synchronize(gpu[0]) == 0);
  fails_in_words(sum);
  fails_in_words(after);
  fails_in_words(on_host);
  CHECK(weir_event_synchronize(event, INT64_MAX) == 0 && weir_event_free(event) == 0);
  run_threads(6, through_the_fault);
  CHECK(stream_of(0).ctx == NULL && strstr(weir_last_error(), "out of use"));
  goes_on(gpu[1]);
  goes_on(host);
  expect_turned(elsewhere, 0, 1);
  mlx_array all[] = {before, elsewhere, one, sum, after, on_host};
  for (int i = 0; i < 6; i++) mlx_array_free(all[i]);
  for (int i = 0; i < 6; i++) mlx_stream_free(streams_of_threads[i]);
  for (int i = 0; i < 2; i++) mlx_stream_free(gpu[i]);
  mlx_stream_free(host);
  CHECK(weir_shutdown(INT64_C(20000000000)) == 0 && streams_become(0));
  _exit(42);
}

/* The fault comes upon threads that are busy on all devices. */
static void a_fault_among_threads(void) {
  for (int i = 0; i < 6; i++) {
    streams_of_threads[i] = i % 3 == 2 ? new_stream() : stream_of(i % 3);
  }
  cuda->fault((uint64_t)fault_at * 13, 700);
  /* It may be gpu:1's kernel: then the threads change their parts. */
  for (int i = 1; i < 6; i += 3) {
    mlx_stream_free(streams_of_threads[i]);
    streams_of_threads[i] = new_stream();
  }
  run_threads(6, through_the_fault);
  for (int i = 0; i < 6; i++) mlx_stream_free(streams_of_threads[i]);
  CHECK(weir_shutdown(INT64_C(20000000000)) == 0 && streams_become(0));
  _exit(42);
}

/* Pinned memory through which bytes went whose wait failed belongs to nobody any more, since the
   device may still write to it: the other GPU gets a new piece. Without a failure it gets the same
   one, which shows that it is looked at the right place. */
static void pieces_after_a_failed_wait(void) {
  enum { N = 100000 };
  for (int i = 0; i < 2; i++) gpu[i] = stream_of(i);
  mlx_array a = floats(N, 1), b = floats(N, 2), c = floats(N, 3);
  turn(&a, gpu[0]);
  expect_turned(a, 1, 1);
  const uint64_t pinned = stand_in_now().pinned;
  turn(&b, gpu[1]);
  expect_turned(b, 2, 1);
  CHECK(stand_in_now().pinned == pinned);
  turn(&c, gpu[0]);
  cuda->fail("cuStreamSynchronize", 1, 719);
  CHECK(mlx_array_eval(c) == 1 && cuda->has_failed());
  fails_in_words(c);
  CHECK(stand_in_now().pinned == pinned);
  mlx_array d = floats(N, 4);
  turn(&d, gpu[1]);
  expect_turned(d, 4, 1);
  CHECK(stand_in_now().pinned == pinned + 1);
  const mlx_array all[] = {a, b, c, d};
  for (int i = 0; i < 4; i++) mlx_array_free(all[i]);
  for (int i = 0; i < 2; i++) mlx_stream_free(gpu[i]);
  CHECK(weir_shutdown(INT64_C(20000000000)) == 0 && streams_become(0));
  _exit(42);
}

int main(void) {
  CHECK(setenv("WEIR_STAND_IN_DEVICES", "2", 1) == 0);
  stand_in_start();
  mlx_set_error_handler(quiet, NULL, NULL);
  for (fault_at = 1; fault_at < 6; fault_at++) {
    repeat(a_fault, "fault", 1);
    repeat(a_fault_among_threads, "fault among threads", 1);
  }
  repeat(pieces_after_a_failed_wait, "pieces", 1);
  host = new_stream();
  for (int i = 0; i < 2; i++) gpu[i] = stream_of(i);
  from_one_to_the_other(0);
  run_threads(many(6), from_one_to_the_other);
  for (int i = 0; i < 2; i++) mlx_stream_free(gpu[i]);
  mlx_stream_free(host);
  CHECK(weir_shutdown(INT64_C(20000000000)) == 0);
  CHECK(streams_become(0) && allocations_become(0));
  return 0;
}
