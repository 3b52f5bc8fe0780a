/* While all workers are in long kernels, streams that waiting threads drain themselves come and go,
   and do not pile up in the pool's list; and waits with a time limit, which drain nothing, do not
   wait for those kernels: K6, K9, O3. FAILURES: E1, D1. */

#include "base/base.h"
#include "fixtures.h"

static mlx_array long_sort(mlx_stream s) {
  int n = 1 << 21;
  mlx_array bits = mlx_array_new(), sorted = mlx_array_new();
  CHECK(mlx_random_bits(&bits, &n, 1, 4, (mlx_array){0}, s) == 0);
  CHECK(mlx_sort(&sorted, bits, s) == 0);
  CHECK(submit(sorted) == 0);
  mlx_array_free(bits);
  return sorted;
}

static void request(void) {
  mlx_stream s = new_stream();
  mlx_array a = mlx_array_new_float(1);
  add_to(&a, a, s);
  CHECK(submit(a) == 0);
  CHECK(float_of(a) == 2);
  mlx_array_free(a);
  mlx_stream_free(s);
}

/* ---- waits with a time limit, every worker stalled ---- */

enum { MOST_WORKERS = 64 };

static const int64_t long_ns = INT64_C(60000000000);

static int stall_all(struct stall *stalls, mlx_stream *streams) {
  int n = wr_env_get()->workers > 0 ? wr_env_get()->workers : wr_cpu_count();
  CHECK(n <= MOST_WORKERS);
  for (int i = 0; i < n; i++) {
    streams[i] = new_stream();
    stall_begin(&stalls[i], streams[i]);
  }
  return n;
}

/* An array on `second` that needs one on `first`; both are submitted. */
static mlx_array across(mlx_stream first, mlx_stream second) {
  mlx_array one = mlx_array_new_float(1), a = chain(0, 400, first);
  add_to(&a, one, second);
  CHECK(submit(a) == 0);
  mlx_array_free(one);
  return a;
}

static void wait_each_way(int way) {
  bool done = false;
  mlx_stream first = new_stream(), second = new_stream();
  weir_event e = weir_event_new();
  mlx_array a = across(first, second);
  CHECK(weir_event_record(e, second) == 0);
  if (way % 3 == 0) CHECK(weir_stream_wait(second, long_ns) == 0);
  if (way % 3 == 1) CHECK(weir_event_synchronize(e, long_ns) == 0);
  while (way % 3 == 2 && !done) CHECK(sched_yield() == 0 && weir_event_query(&done, e) == 0);
  CHECK(available(a) && float_of(a) == 401);
  mlx_array_free(a);
  weir_event_free(e);
  mlx_stream_free(first);
  mlx_stream_free(second);
}

/* What stands behind a stalled stream is late whoever helps, and no threads gather for it. */
static void give_up_in_time(mlx_stream stalled) {
  mlx_stream s = new_stream();
  mlx_array last = mlx_array_new_float(0);
  weir_event e = weir_event_new();
  CHECK(weir_event_record(e, stalled) == 0 && weir_event_wait(e, s) == 0);
  int most = os_threads() + 2;
  for (int i = 0; i < 20; i++) {
    mlx_array a = chain(0, 3, s);
    CHECK(submit(a) == 0);
    CHECK(weir_stream_wait(s, 5000000) == 1 && weir_last_status() == WEIR_ERROR_TIMEOUT);
    CHECK(!available(a) && os_threads() <= most);
    mlx_array_free(last);
    last = a;
  }
  weir_event_free(e);
  mlx_array_free(last);
  mlx_stream_free(s);
}

/* Waits that give up and leave somebody inside a long command each: still no thread per stream. */
static void give_up_on_many(int workers) {
  enum { MANY = 100 };
  static struct stall stalls[MANY];
  static mlx_stream streams[MANY];
  int most = os_threads() + workers + 2;
  for (int i = 0; i < MANY; i++) {
    streams[i] = new_stream();
    stall_submit(&stalls[i], streams[i]);
  }
  for (int i = 0; i < MANY; i++) {
    CHECK(weir_stream_wait(streams[i], 5000000) == 1);
    CHECK(os_threads() <= most);
  }
  for (int i = 0; i < MANY; i++) sem_post(&stalls[i].open);
  for (int i = 0; i < MANY; i++) {
    CHECK(weir_stream_wait(streams[i], long_ns) == 0);
    mlx_stream_free(streams[i]);
  }
}

static void timed_waits(void) {
  static struct stall stalls[MOST_WORKERS];
  static mlx_stream stalled[MOST_WORKERS];
  weir_runtime_stats_t stats;
  size_t before = live_streams();
  int n = stall_all(stalls, stalled);
  for (int i = 0; i < times(15, 300); i++) wait_each_way(i);
  run_threads(many(8), wait_each_way);
  give_up_in_time(stalled[0]);
  give_up_on_many(n);
  for (int i = 0; i < n; i++) {
    stall_end(&stalls[i]);
    mlx_stream_free(stalled[i]);
  }
  CHECK(weir_shutdown(long_ns) == 0);
  CHECK(weir_runtime_stats(&stats) == 0 && stats.worker_threads == 0 && stats.other_threads == 0);
  CHECK(streams_become(before));
}

int main(void) {
  enum { LONG = 8 };
  mlx_set_error_handler(quiet, NULL, NULL);
  timed_waits();
  mlx_stream streams[LONG];
  mlx_array sorts[LONG];
  size_t most = 0;
  for (int i = 0; i < LONG; i++) {
    streams[i] = new_stream();
    sorts[i] = long_sort(streams[i]);
  }
  for (int i = 0; i < 2000; i++) {
    request();
    size_t now = live_streams();
    if (now > most) most = now;
  }
  CHECK(most <= LONG + 8);
  for (int i = 0; i < LONG; i++) {
    CHECK(mlx_array_eval(sorts[i]) == 0);
    mlx_array_free(sorts[i]);
    mlx_stream_free(streams[i]);
  }
  return 0;
}
