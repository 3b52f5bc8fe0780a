/* K1, R2, R4: threads in a request wait for a stream of an asynchronous device, beside others that
   submit to it in none. A thread in a request drains only what is quick, and what there is for a
   device is not: it leaves the stream to who can take it, also where what it waits for is taken
   back, or is room that others' commands have. */

#include "fake_device.h"
#include "fixtures.h"

/* What MANY elements take is not quick. */
enum { SECONDS = 60, FEW = 8, MANY = 40000 };

static mlx_stream stream;
static int rounds;

static mlx_array sum(int elements) {
  mlx_array a = floats(elements, 1);
  add_to(&a, a, stream);
  return a;
}

/* ---- amid a flush ---- */

static _Thread_local bool meddles;

static void *submit_another(void *arg) {
  mlx_array a = sum(MANY);
  CHECK(submit(a) == 0);
  mlx_array_free(a);
  return arg;
}

/* The queue was empty when this thread, which is in the request, came to flush. */
static void append_amid(void) {
  if (!meddles) return;
  meddles = false;
  pthread_join(start_thread(submit_another, NULL), NULL);
}

static void *wait_in_request(void *array) {
  weir_request r = weir_request_new();
  CHECK(weir_request_enter(r) == 0);
  meddles = true;
  CHECK(mlx_array_eval(*(mlx_array *)array) == 0);
  CHECK(weir_request_leave() == 0 && weir_request_free(r) == 0);
  return NULL;
}

/* The device holds what the thread waits for; all else goes to the device all the same. */
static void amid_flush(void) {
  fake_device_on_flush = append_amid;
  stream = new_gpu_stream();
  mlx_array a = sum(MANY);
  fake_device_hold();
  CHECK(submit(a) == 0);
  while (fake_device_stats().queued < 1) usleep(1000);
  pthread_t thread = start_thread(wait_in_request, &a);
  usleep(20000);
  (void)submit_another(NULL);
  while (fake_device_stats().queued < 2) usleep(1000);
  fake_device_release();
  CHECK(pthread_join(thread, NULL) == 0);
}

/* ---- as it comes ---- */

/* Every result is over the budget. */
static void in_budget(void) {
  weir_request r = weir_request_new();
  CHECK(weir_request_set_budget(r, 1) == 0 && weir_request_enter(r) == 0);
  for (int i = 0; i < rounds; i++) {
    mlx_array a = sum(FEW);
    CHECK(mlx_array_eval(a) == 1 && weir_last_status() == WEIR_ERROR_BUDGET);
    mlx_array_free(a);
  }
  CHECK(weir_request_leave() == 0 && weir_request_free(r) == 0);
}

static void in_request(void) {
  weir_request r = weir_request_new();
  CHECK(weir_request_enter(r) == 0);
  for (int i = 0; i < rounds; i++) {
    mlx_array a = sum(FEW);
    CHECK(submit(a) == 0);
    mlx_array_free(a);
  }
  CHECK(weir_request_leave() == 0 && weir_request_free(r) == 0);
}

static void in_none(void) {
  for (int i = 0; i < rounds; i++) {
    mlx_array a = sum(FEW);
    CHECK((i % 2 ? mlx_array_eval(a) : submit(a)) == 0);
    mlx_array_free(a);
  }
}

static void beside(int i) {
  if (i == 0) {
    in_budget();
  } else {
    in_none();
  }
}

static void in_line(int i) {
  if (i == 0) {
    in_request();
  } else {
    in_none();
  }
}

static void budget(void) {
  stream = new_gpu_stream();
  run_threads(3, beside);
}

static void room(void) {
  stream = new_gpu_stream();
  CHECK(weir_stream_set_limit(stream, 1, 0) == 0);
  run_threads(3, in_line);
}

int main(void) {
  fake_device_install();
  mlx_set_error_handler(quiet, NULL, NULL);
  CHECK(in_child(amid_flush, SECONDS) == 0);
  rounds = SANITIZED || WR_TORTURED ? 1000 : times(10000, 300000);
  CHECK(in_child(budget, SECONDS) == 0);
  CHECK(in_child(room, SECONDS) == 0);
  return 0;
}
