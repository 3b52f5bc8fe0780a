/* W3: query, waits with a time limit, callbacks when idle, labels, numbers. W5. K10 for the
   callbacks. K12: mlx_clear_streams under the free policy. */

#include <stdatomic.h>

#include "programs.h"

static mlx_stream stream;
static atomic_int called;
static pthread_t waiting_thread;

static void count_call(void *data) { atomic_fetch_add((atomic_int *)data, 1); }

/* K10: on a thread that neither waits nor runs work, and free to call anything. */
static void call_back_in(void *data) {
  CHECK(!pthread_equal(pthread_self(), waiting_thread));
  mlx_array a = floats(4, 1), b = mlx_array_new();
  CHECK(mlx_add(&b, a, a, stream) == 0 && mlx_array_eval(b) == 0);
  CHECK(mlx_synchronize(stream) == 0 && mlx_clear_cache() == 0);
  mlx_stream own = new_stream();
  CHECK(mlx_synchronize(own) == 0);
  mlx_stream_free(own);
  CHECK(weir_stream_on_idle(stream, count_call, data) == 0);
  mlx_array_free(a);
  mlx_array_free(b);
  count_call(data);
}

static void calls_become(int n) {
  for (int i = 0; i < 10000 && atomic_load(&called) < n; i++) usleep(1000);
  CHECK(atomic_load(&called) == n);
}

static void on_idle(void) {
  waiting_thread = pthread_self();
  mlx_array one = mlx_array_new_float(1), a = mlx_array_new_float(0);
  for (int i = 0; i < 1000; i++) add_to(&a, one, stream);
  mlx_vector_array v = mlx_vector_array_new_value(a);
  CHECK(mlx_async_eval(v) == 0);
  CHECK(weir_stream_on_idle(stream, call_back_in, &called) == 0);
  CHECK(mlx_synchronize(stream) == 0);
  calls_become(2);
  for (int i = 0; i < 500; i++) CHECK(weir_stream_on_idle(stream, count_call, &called) == 0);
  calls_become(502);
  CHECK(weir_stream_on_idle(stream, NULL, NULL) == 1 && strstr(weir_last_error(), "fn"));
  mlx_vector_array_free(v);
  mlx_array_free(a);
  mlx_array_free(one);
}

/* The label is in messages about failures; a label of 10 MB is an error. */
static void labels(void) {
  size_t n = 10 << 20;
  char *big = malloc(n);
  CHECK(big != NULL);
  memset(big, 'x', n - 1);
  big[n - 1] = '\0';
  CHECK(weir_stream_set_label(stream, "tokens") == 0);
  CHECK(weir_stream_set_label(stream, big) == 1);
  CHECK(weir_last_status() == WEIR_ERROR_INVALID_ARGUMENT && strlen(weir_last_error()) < 200);
  free(big);
  size_t limit = 0;
  int rows = 1 << 30, shape[2] = {rows, 1 << 14};
  CHECK(mlx_get_memory_limit(&limit) == 0);
  mlx_array huge = mlx_array_new(), one = mlx_array_new_float(1);
  CHECK(mlx_full(&huge, shape, 2, one, MLX_FLOAT32, stream) == 0);
  mlx_array sum = mlx_array_new();
  CHECK(mlx_add(&sum, huge, one, stream) == 0);
  CHECK(mlx_array_eval(sum) == 1);
  CHECK(weir_last_status() == WEIR_ERROR_OUT_OF_MEMORY);
  CHECK(strstr(weir_last_error(), "\"tokens\"") && strstr(weir_last_error(), "float32 of shape"));
  CHECK(weir_stream_set_label(stream, NULL) == 0);
  mlx_array_free(sum);
  mlx_array_free(huge);
  mlx_array_free(one);
}

static void numbers(void) {
  mlx_stream s = new_stream();
  weir_stream_stats_t n;
  mlx_array x = floats(1 << 16, 0), one = mlx_array_new_float(1), y = mlx_array_new();
  CHECK(weir_stream_stats(&n, s) == 0);
  CHECK(n.queued + n.running + n.done + n.failed + n.busy_ns + n.bytes == 0);
  CHECK(mlx_sort(&y, x, s) == 0 && mlx_array_eval(y) == 0);
  CHECK(weir_stream_stats(&n, s) == 0);
  CHECK(n.queued == 0 && n.running == 0 && n.done == 1 && n.failed == 0);
  CHECK(n.busy_ns > 0 && n.bytes == (1 << 16) * sizeof(float));
  bool idle = false;
  CHECK(mlx_synchronize(s) == 0 && weir_stream_query(&idle, s) == 0 && idle);
  weir_runtime_stats_t all;
  CHECK(weir_runtime_stats(&all) == 0);
  CHECK(all.live_streams >= 2 && all.live_encoders == all.live_streams);
  CHECK(weir_stream_stats(NULL, s) == 1 && weir_stream_stats(&n, (mlx_stream){0}) == 1);
  mlx_array_free(x);
  mlx_array_free(y);
  mlx_array_free(one);
  mlx_stream_free(s);
}

/* K12 */
static void clear(void) {
  size_t before = live_streams();
  CHECK(mlx_clear_streams() == 0);
  CHECK(mlx_clear_streams() == 0);
  mlx_array one = mlx_array_new_float(1), x = floats(1 << 18, 0);
  for (int i = 0; i < 20; i++) add_to(&x, one, (mlx_stream){0});
  CHECK(streams_become(before + 1));
  mlx_vector_array v = mlx_vector_array_new_value(x);
  CHECK(mlx_async_eval(v) == 0);
  CHECK(mlx_clear_streams() == 0);
  bool available = false;
  CHECK(_mlx_array_is_available(&available, x) == 0 && available);
  CHECK(streams_become(before) && !weir_thread_retired());
  add_to(&x, one, (mlx_stream){0});
  CHECK(mlx_array_eval(x) == 0 && mlx_array_data_float32(x)[3] == 24);
  CHECK(weir_stream_hand_over(stream, 1) == 0 && weir_stream_adopt(stream) == 0);
  mlx_vector_array_free(v);
  mlx_array_free(x);
  mlx_array_free(one);
}

int main(void) {
  mean_cpu();
  mlx_device cpu = mlx_device_new_type(MLX_CPU, 0);
  mlx_set_error_handler(quiet, NULL, NULL);
  stream = mlx_stream_new_thread_unsafe(cpu);
  CHECK(stream.ctx != NULL);
  on_idle();
  labels();
  numbers();
  clear();
  mlx_device_free(cpu);
  mlx_stream_free(stream);
  return 0;
}
