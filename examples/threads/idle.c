/* Waiting with a time limit, and being told instead of waiting. */
#include <mlx/c/mlx.h>
#include <semaphore.h>
#include <stdio.h>
#include <weir/weir.h>

static sem_t told;

/* Runs on a thread of the library's that holds no lock: it may call anything, and should be brief,
   since the next callback waits for it. */
static void tell(void *data) {
  (void)data;
  sem_post(&told);
}

int main(void) {
  const int shape[] = {512, 512};
  mlx_stream stream = mlx_default_cpu_stream_new();
  mlx_array a = mlx_array_new();
  int rc = mlx_ones(&a, shape, 2, MLX_FLOAT32, stream);
  for (int i = 0; rc == 0 && i < 50; i++) rc = mlx_cumsum(&a, a, 0, false, true, stream);
  mlx_vector_array results = mlx_vector_array_new_value(a);

  sem_init(&told, 0, 0);
  if (rc == 0) rc = weir_stream_set_label(stream, "sums"); /* in messages about failures */
  if (rc == 0) rc = mlx_async_eval(results);               /* submitted: what waits count on */
  if (rc == 0) rc = weir_stream_on_idle(stream, tell, NULL);
  if (rc == 0) sem_wait(&told);
  if (rc == 0) rc = weir_stream_wait(stream, 10 * INT64_C(1000000000)); /* ten seconds at most */
  if (rc != 0 && weir_last_status() == WEIR_ERROR_TIMEOUT) printf("later, then\n");
  const float *sums = rc == 0 ? mlx_array_data_float32(a) : NULL; /* there: it does not wait */
  if (sums) printf("%g\n", sums[0]);

  mlx_vector_array_free(results);
  mlx_array_free(a);
  mlx_stream_free(stream);
  return rc;
}
