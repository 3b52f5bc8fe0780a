/* The stand-in driver under the library: a stream on it, sums, events on the host and between
   streams, bytes there and back; and after all that nothing is left. */

#include "stand_in_case.h"

/* K6: what the stream did is over once its results are, and it is gone with its handle. */
static void sums(void) {
  mlx_stream s = new_gpu_stream();
  mlx_array a = floats(1000, 0), one = mlx_array_new_float(1);
  for (int i = 0; i < 100; i++) add_to(&a, one, s);
  const uint64_t before = stand_in_now().kernels;
  CHECK(mlx_array_eval(a) == 0 && mlx_synchronize(s) == 0);
  CHECK(stand_in_now().kernels > before);
  mlx_array_free(a);
  mlx_array_free(one);
  mlx_stream_free(s);
}

/* W2. */
static void events(void) {
  mlx_stream s = new_gpu_stream(), other = new_gpu_stream();
  mlx_array a = floats(10, 0), one = mlx_array_new_float(1), b = mlx_array_new();
  weir_event event = weir_event_new();
  bool over = true;
  cuda->hold();
  add_to(&a, one, s);
  CHECK(async_eval(a) == 0 && weir_event_record(event, s) == 0);
  CHECK(weir_event_wait(event, other) == 0 && mlx_add(&b, one, one, other) == 0);
  CHECK(async_eval(b) == 0);
  CHECK(weir_event_query(&over, event) == 0 && !over);
  CHECK(weir_event_synchronize(event, 1000) == 1 && weir_last_status() == WEIR_ERROR_TIMEOUT);
  cuda->release();
  CHECK(weir_event_synchronize(event, INT64_MAX) == 0);
  CHECK(weir_event_query(&over, event) == 0 && over && mlx_array_eval(b) == 0);
  CHECK(weir_event_free(event) == 0);
  mlx_array_free(a);
  mlx_array_free(b);
  mlx_array_free(one);
  mlx_stream_free(s);
  mlx_stream_free(other);
}

/* A copy on the device of what the host wrote there, read back: joined, since one array alone would
   be the same array. More than fits one piece of staging. */
static void there_and_back(int n) {
  mlx_stream s = new_gpu_stream();
  mlx_array a = floats(n, 1), b = mlx_array_new();
  const mlx_array both[] = {a, a};
  mlx_vector_array v = mlx_vector_array_new_data(both, 2);
  CHECK(mlx_concatenate_axis(&b, v, 0, s) == 0);
  const uint64_t before = stand_in_now().copies;
  const float *data = mlx_array_data_float32(b);
  CHECK(data != NULL && stand_in_now().copies >= before + 3);
  mlx_vector_array_free(v);
  mlx_array_free(a);
  mlx_array_free(b);
  mlx_stream_free(s);
}

int main(void) {
  stand_in_start();
  int count = 0;
  CHECK(mlx_device_count(&count, MLX_GPU) == 0 && count == 1);
  mlx_set_error_handler(quiet, NULL, NULL);
  sums();
  events();
  there_and_back(1000);
  there_and_back(5 << 20);
  CHECK(weir_shutdown(INT64_C(10000000000)) == 0);
  CHECK(streams_become(0) && allocations_become(0));
  CHECK(stand_in_now().bytes == 0);
  return 0;
}
