/* A caller who waits, beside a batch for which nobody does. */
#include <mlx/c/mlx.h>
#include <stdio.h>
#include <weir/weir.h>

enum { STREAMS = 8, PRODUCTS = 50 };

/* square * square * square ..., left to the workers. */
static int begin(mlx_stream stream, mlx_array square, int n) {
  mlx_array power = mlx_array_new();
  int rc = mlx_array_set(&power, square);
  for (int i = 0; i < n && rc == 0; i++) rc = mlx_matmul(&power, power, square, stream);
  mlx_vector_array outputs = mlx_vector_array_new_value(power);
  if (rc == 0) rc = mlx_async_eval(outputs);
  mlx_vector_array_free(outputs);
  mlx_array_free(power);
  return rc;
}

int main(void) {
  const int shape[] = {256, 256};
  mlx_device cpu = mlx_device_new_type(MLX_CPU, 0);
  mlx_stream mine = mlx_stream_new_device(cpu), streams[STREAMS];
  weir_request batch = weir_request_new(), caller = weir_request_new();
  if (weir_request_set_class(batch, WEIR_CLASS_LOW) != 0) return 1;
  if (weir_request_set_class(caller, WEIR_CLASS_HIGH) != 0) return 1;

  mlx_array zero = mlx_array_new_float(0), zeros = mlx_array_new(), answer = mlx_array_new();
  if (mlx_full(&zeros, shape, 2, zero, MLX_FLOAT32, mine) != 0) return 1;
  if (mlx_array_eval(zeros) != 0) return 1;

  if (weir_request_enter(batch) != 0) return 1; /* waits for its turn, but never for ever */
  for (int i = 0; i < STREAMS; i++) {
    streams[i] = mlx_stream_new_device(cpu);
    if (begin(streams[i], zeros, PRODUCTS) != 0) return 1;
  }
  weir_request_leave();

  float value = -1;
  weir_request_stats_t left = {0};
  if (weir_request_enter(caller) != 0) return 1; /* is next, whatever else is ready */
  if (mlx_matmul(&answer, zeros, zeros, mine) != 0) return 1;
  if (mlx_sum(&answer, answer, false, mine) != 0) return 1;
  if (mlx_array_item_float32(&value, answer) != 0) return 1;
  weir_request_leave();
  if (weir_request_stats(&left, batch) != 0) return 1;
  printf("%g, %s the batch\n", (double)value, left.queued ? "before" : "after");

  for (int i = 0; i < STREAMS; i++) {
    if (mlx_synchronize(streams[i]) != 0) return 1;
    mlx_stream_free(streams[i]);
  }
  mlx_array_free(answer);
  mlx_array_free(zeros);
  mlx_array_free(zero);
  weir_request_free(caller);
  weir_request_free(batch);
  mlx_stream_free(mine);
  mlx_device_free(cpu);
  return 0;
}
