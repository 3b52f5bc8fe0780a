/* A caller that asks for more than it is given: what does not fit is not computed for it, and what
   it has is still there. */
#include <mlx/c/mlx.h>
#include <stdio.h>
#include <weir/weir.h>

static void ignore(const char *message, void *data) { (void)message, (void)data; }

/* An array of n bytes. */
static mlx_array table(int n, mlx_stream stream) {
  mlx_array one = mlx_array_new_int(1), made = mlx_array_new();
  mlx_full(&made, &n, 1, one, MLX_INT8, stream);
  mlx_array_free(one);
  return made;
}

int main(void) {
  mlx_stream stream = mlx_default_cpu_stream_new();
  weir_request request = weir_request_new();
  weir_request_stats_t stats;
  mlx_array small = table(3 << 20, stream), large = table(2 << 20, stream);
  mlx_set_error_handler(ignore, NULL, NULL);
  weir_request_set_budget(request, 4 << 20);
  weir_request_enter(request);
  if (mlx_array_eval(small) != 0) return 1; /* 3 of 4 MB */
  if (mlx_array_eval(large) == 0 || weir_last_status() != WEIR_ERROR_BUDGET) return 1;
  printf("%s\n", weir_last_error());
  mlx_array_free(small); /* room again */
  if (mlx_array_eval(large) != 0) return 1;
  weir_request_leave();
  weir_request_stats(&stats, request);
  printf("%llu bytes of results now, at most %llu\n", (unsigned long long)stats.live_bytes,
         (unsigned long long)stats.peak_bytes);
  mlx_array_free(large);
  weir_request_free(request);
  mlx_stream_free(stream);
  return 0;
}
