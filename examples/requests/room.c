/* A stream with a limit: who submits faster than it computes is told, or waits. */
#include <mlx/c/mlx.h>
#include <stdio.h>
#include <weir/weir.h>

enum { CALLERS = 200, IN_FLIGHT = 16 };

static void quiet(const char *message, void *data) { (void)message, (void)data; }

int main(void) {
  const int shape[] = {64, 64};
  int at_once = 0, waited = 0;
  mlx_device cpu = mlx_device_new_type(MLX_CPU, 0);
  mlx_stream stream = mlx_stream_new_device(cpu);
  mlx_array one = mlx_array_new_float(1), ones = mlx_array_new();
  mlx_set_error_handler(quiet, NULL, NULL); /* to be told to come again is no news */
  if (mlx_full(&ones, shape, 2, one, MLX_FLOAT32, stream) != 0) return 1;
  if (mlx_array_eval(ones) != 0) return 1;

  if (weir_stream_set_limit(stream, IN_FLIGHT, 0) != 0) return 1;
  for (int i = 0; i < CALLERS; i++) {
    mlx_array product = mlx_array_new();
    if (mlx_matmul(&product, ones, ones, stream) != 0) return 1;
    mlx_vector_array outputs = mlx_vector_array_new_value(product);
    if (weir_try_async_eval(outputs) == 0) {
      at_once++;
    } else if (weir_last_status() == WEIR_ERROR_AGAIN) {
      /* Nothing was submitted: a place to turn a caller away, or to do something else. This one
         waits for room, and computes meanwhile. */
      if (mlx_async_eval(outputs) != 0) return 1;
      waited++;
    } else {
      return 1;
    }
    weir_stream_stats_t stats;
    if (weir_stream_stats(&stats, stream) != 0) return 1;
    if (stats.queued + stats.running > IN_FLIGHT) return 1; /* never: each call adds one */
    mlx_vector_array_free(outputs);
    mlx_array_free(product);
  }
  printf("%d of %d\n", at_once + waited, CALLERS);

  if (mlx_synchronize(stream) != 0) return 1;
  mlx_array_free(ones);
  mlx_array_free(one);
  mlx_stream_free(stream);
  mlx_device_free(cpu);
  return 0;
}
