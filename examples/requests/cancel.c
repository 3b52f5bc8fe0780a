/* A caller that hangs up: what was computed for it is given up, what others need is not. */
#include <mlx/c/mlx.h>
#include <pthread.h>
#include <stdio.h>
#include <weir/weir.h>

static mlx_array shared; /* what both callers need */

struct caller {
  weir_request request;
  mlx_stream stream;
  char answer[64];
};

static void *serve(void *arg) {
  struct caller *c = arg;
  mlx_array product = mlx_array_new();
  if (mlx_matmul(&product, shared, shared, c->stream) != 0) return NULL;
  if (weir_request_enter(c->request) != 0) return NULL; /* what is forced here belongs to it */
  const float *data = mlx_array_data_float32(product);
  if (data) {
    snprintf(c->answer, sizeof c->answer, "%g", (double)data[0]);
  } else if (weir_last_status() == WEIR_ERROR_CANCELLED) {
    snprintf(c->answer, sizeof c->answer, "hung up"); /* the array is lazy, and no failure */
  }
  weir_request_leave();
  mlx_array_free(product);
  return NULL;
}

/* Also a caller that nobody listens to any more reports its errors. */
static void ignore(const char *message, void *data) { (void)message, (void)data; }

int main(void) {
  int shape[] = {512, 512};
  pthread_t threads[2];
  struct caller callers[2];
  mlx_stream stream = mlx_default_cpu_stream_new();
  mlx_array half = mlx_array_new_float(0.5f);
  mlx_set_error_handler(ignore, NULL, NULL);
  if (mlx_full(&shared, shape, 2, half, MLX_FLOAT32, stream) != 0) return 1;
  for (int i = 0; i < 2; i++) {
    callers[i] = (struct caller){.request = weir_request_new(), .stream = stream};
    if (pthread_create(&threads[i], NULL, serve, &callers[i])) return 1;
  }
  weir_request_cancel(callers[1].request); /* from any thread, at any moment, also too late */
  for (int i = 0; i < 2; i++) {
    pthread_join(threads[i], NULL);
    printf("%s\n", callers[i].answer);
    weir_request_free(callers[i].request);
  }
  mlx_array_free(shared);
  mlx_array_free(half);
  mlx_stream_free(stream);
  return callers[0].answer[0] ? 0 : 1;
}
