/* Errors: of the thread that made the call, or of the array that failed. */
#include <mlx/c/mlx.h>
#include <pthread.h>
#include <stdio.h>
#include <weir/weir.h>

/* Called on the thread that failed, with no lock held. The message is data, never a format. */
static void write_down(const char *message, void *log) { fprintf(log, "%s\n", message); }

static void *fail_here(void *arg) {
  mlx_array nothing = mlx_array_new();
  if (mlx_array_eval(nothing) != 0) printf("here: %d, %s\n", weir_last_status(), weir_last_error());
  return arg;
}

int main(void) {
  pthread_t thread;
  const int huge[] = {1 << 30, 1 << 20};
  mlx_set_error_handler(write_down, stderr, NULL);
  if (pthread_create(&thread, NULL, fail_here, NULL)) return 1;
  pthread_join(thread, NULL);
  printf("main: %d, \"%s\"\n", weir_last_status(), weir_last_error()); /* not this thread's */

  mlx_stream stream = mlx_default_cpu_stream_new();
  mlx_array x = mlx_array_new(), y = mlx_array_new(), one = mlx_array_new_float(1);
  if (mlx_ones(&x, huge, 2, MLX_FLOAT32, stream) != 0) return 1;
  if (mlx_exp(&x, x, stream) != 0) return 1; /* recorded: nothing has been computed yet */
  if (mlx_add(&y, one, one, stream) != 0) return 1;
  printf("x: %d\n", mlx_array_eval(x)); /* 1: four petabytes are refused; and so every time */
  printf("y: %d\n", mlx_array_eval(y)); /* 0: the stream and all other arrays go on */
  mlx_array_free(one);
  mlx_array_free(y);
  mlx_array_free(x);
  mlx_stream_free(stream);
  return 0;
}
