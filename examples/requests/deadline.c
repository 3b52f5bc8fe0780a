/* An answer that is of no use after 50 ms: either it is there by then, or the caller hears that it
   is not, and nothing more is computed for it. */
#include <mlx/c/mlx.h>
#include <stdint.h>
#include <stdio.h>
#include <weir/weir.h>

static void ignore(const char *message, void *data) { (void)message, (void)data; }

/* x times x, so often, for a caller with a time limit. */
static void answer(int times, int64_t limit_ns, mlx_stream stream) {
  int shape[] = {256, 256};
  weir_request request = weir_request_new();
  mlx_array tiny = mlx_array_new_float(1.0f / 256), x = mlx_array_new(), y = mlx_array_new();
  mlx_full(&x, shape, 2, tiny, MLX_FLOAT32, stream);
  mlx_array_set(&y, x);
  for (int i = 0; i < times; i++) mlx_matmul(&y, y, x, stream);
  weir_request_set_deadline(request, limit_ns); /* from now */
  weir_request_enter(request);
  if (mlx_array_eval(y) == 0) {
    printf("%d products in time\n", times);
  } else if (weir_last_status() == WEIR_ERROR_DEADLINE) {
    weir_request_stats_t stats;
    weir_request_stats(&stats, request);
    printf("too late: %s\n", stats.begun < (uint64_t)times ? "the rest was given up" : "just so");
  }
  weir_request_leave();
  mlx_array_free(tiny);
  mlx_array_free(x);
  mlx_array_free(y);
  weir_request_free(request);
}

int main(void) {
  mlx_stream stream = mlx_default_cpu_stream_new();
  mlx_set_error_handler(ignore, NULL, NULL);
  answer(1, INT64_C(10000000000), stream);
  answer(100000, 50000000, stream);
  mlx_stream_free(stream);
  return 0;
}
