/* A thread for each request: its own default stream, its own errors, nothing to clean up. */
#include <mlx/c/mlx.h>
#include <pthread.h>
#include <stdio.h>
#include <weir/weir.h>

static mlx_array weights; /* made once; every request reads it */

/* One request, on its own thread. */
static void *serve(void *arg) {
  float x = (float)*(int *)arg, y = 0;
  mlx_array input = mlx_array_new_float(x), scaled = mlx_array_new(), sum = mlx_array_new();
  mlx_stream mine = {0}; /* empty: this thread's default */
  int rc = mlx_multiply(&scaled, weights, input, mine);
  if (rc == 0) rc = mlx_sum(&sum, scaled, false, mine);
  if (rc == 0) rc = mlx_array_item_float32(&y, sum);
  if (rc == 0) *(int *)arg = (int)y;
  if (rc != 0) fprintf(stderr, "request failed: %s\n", weir_last_error());
  mlx_array_free(sum);
  mlx_array_free(scaled);
  mlx_array_free(input);
  return NULL; /* the thread's default stream goes with it */
}

int main(void) {
  const float values[] = {1, 2, 3};
  const int shape[] = {3};
  weights = mlx_array_new_data(values, shape, 1, MLX_FLOAT32);
  pthread_t threads[8];
  int numbers[8];
  for (int i = 0; i < 8; i++) {
    numbers[i] = i;
    if (pthread_create(&threads[i], NULL, serve, &numbers[i])) return 1;
  }
  for (int i = 0; i < 8; i++) pthread_join(threads[i], NULL);
  for (int i = 0; i < 8; i++) printf("%d ", numbers[i]);
  printf("\n");
  mlx_array_free(weights);
  return 0;
}
