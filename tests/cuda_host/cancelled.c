/* K7 on a GPU: a thread that is told to end while it is inside a call ends after that call, whether
   the call opens the driver, compiles, sets a GPU up or waits for it, and others go on. The request
   stands before the first call, and every call of the stand-in is a cancellation point. FAILURES:
   P7. */

#include "stand_in_case.h"

static mlx_stream shared;
static mlx_array lazy; /* what another thread forces too */

static void events(mlx_stream s) {
  int fd = -1;
  weir_event event = weir_event_new();
  CHECK(weir_event_fd(&fd, event) == 0 && weir_event_record(event, s) == 0);
  CHECK(weir_event_wait(event, shared) == 0);
  CHECK(weir_event_synchronize(event, INT64_C(60000000000)) == 0);
  CHECK(weir_event_free(event) == 0);
}

static void work(mlx_stream s) {
  mlx_array a = floats(2000, 0), sum = mlx_array_new();
  for (int i = 0; i < 20; i++) turn(&a, s);
  CHECK(mlx_add(&sum, a, a, s) == 0 && async_eval(sum) == 0);
  expect_turned(a, 0, 20);
  CHECK(mlx_array_eval(sum) == 0);
  mlx_array_free(a);
  mlx_array_free(sum);
}

/* The default device is looked for here first. */
static void *first_calls(void *came_back) {
  CHECK(pthread_cancel(pthread_self()) == 0);
  mlx_stream mine = mlx_default_gpu_stream_new(), own = new_gpu_stream();
  work((mlx_stream){0});
  work(own);
  if (lazy.ctx) expect_turned(lazy, 0, 50);
  if (shared.ctx) events(own);
  CHECK(mlx_synchronize(own) == 0 && weir_stream_wait(mine, INT64_C(60000000000)) == 0);
  CHECK(weir_stream_set_label(own, "cancelled") == 0);
  mlx_stream_free(own);
  mlx_stream_free(mine);
  CHECK(mlx_clear_cache() == 0 && mlx_clear_streams() == 0);
  *(int *)came_back = 1;
  pthread_testcancel();
  return NULL;
}

static void *force(void *arg) {
  expect_turned(lazy, 0, 50);
  return arg;
}

static void cancel_one(void) {
  int came_back = 0;
  void *result;
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, first_calls, &came_back) == 0);
  CHECK(pthread_join(thread, &result) == 0 && result == PTHREAD_CANCELED && came_back);
}

/* The process's first call, then one beside another thread. */
static void program(void) {
  cancel_one();
  pthread_t other;
  shared = new_gpu_stream();
  lazy = floats(300, 0);
  for (int i = 0; i < 50; i++) turn(&lazy, shared);
  CHECK(pthread_create(&other, NULL, force, NULL) == 0);
  cancel_one();
  CHECK(pthread_join(other, NULL) == 0);
  work(shared);
  mlx_array_free(lazy);
  mlx_stream_free(shared);
  exit(42);
}

int main(void) {
  CHECK(setenv("WEIR_STAND_IN_SLOW", "40", 1) == 0);
  stand_in_start();
  repeat(program, "cancelled on a GPU", 5);
  return 0;
}
