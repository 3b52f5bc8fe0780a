/* R2: a call in a request waits for what is taken back, with the n-th allocation failing while it
   plans and waits. It returns, with the request's error or that of memory; of those that waited by
   the time that the request was cancelled, one waits without what it wanted to allocate. */

#include "fixtures.h"
#include "sweep.h"

enum { MOST = 20, SECONDS = 30 };

static weir_request request;
static mlx_array array;
static uint64_t nth;

static void *force(void *arg) {
  CHECK(weir_request_enter(request) == 0);
  wr_alloc_fail_at(nth);
  CHECK(mlx_array_eval(array) == 1);
  wr_alloc_fail_at(0);
  CHECK(weir_request_leave() == 0);
  return arg;
}

/* The stream is busy. Once the array is in its queue the thread waits, or is about to. */
static void cancelled(void) {
  mlx_set_error_handler(quiet, NULL, NULL);
  mlx_stream s = new_stream();
  mlx_array many = floats(100000, 1);
  weir_request_stats_t stats;
  struct stall stall;
  request = weir_request_new();
  array = mlx_array_new();
  stall_begin(&stall, s);
  CHECK(mlx_add(&array, many, many, s) == 0);
  pthread_t thread = start_thread(force, NULL);
  for (int i = 0; i < 200; i++) {
    CHECK(weir_request_stats(&stats, request) == 0);
    usleep(stats.queued ? 20000 : 1000);
    if (stats.queued) break;
  }
  CHECK(weir_request_cancel(request) == 0);
  CHECK(pthread_join(thread, NULL) == 0);
  stall_end(&stall);
}

int main(void) {
  for (nth = 1; nth <= MOST; nth++) {
    int status = in_child(cancelled, SECONDS);
    if (status) fprintf(stderr, "allocation %d: status %d\n", (int)nth, status);
    CHECK(status == 0);
  }
  return 0;
}
