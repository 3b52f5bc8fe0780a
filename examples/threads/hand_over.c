/* The checked policy: a stream and the lazy array on it move from one thread to another. */
#include <mlx/c/mlx.h>
#include <pthread.h>
#include <stdio.h>
#include <weir/weir.h>

static mlx_stream stream;
static mlx_array sum;

static void *take_over(void *arg) {
  (void)arg;
  mlx_array one = mlx_array_new_float(1);
  if (mlx_add(&sum, sum, one, stream) != 0) printf("not mine: %d\n", weir_last_status());
  if (weir_stream_adopt(stream) != 0) return NULL; /* mine from here on */
  float value = 0;
  if (mlx_add(&sum, sum, one, stream) == 0 && mlx_array_item_float32(&value, sum) == 0) {
    printf("%g\n", value);
  }
  mlx_array_free(one);
  mlx_clear_streams(); /* the last act of a thread, where MLX needs it */
  return NULL;
}

static void quiet(const char *message, void *data) {
  (void)message;
  (void)data;
}

int main(void) {
  pthread_t thread;
  mlx_set_error_handler(quiet, NULL, NULL);
  if (weir_set_thread_policy(WEIR_THREADS_CHECKED) != 0) return 1; /* before the first stream */
  mlx_device cpu = mlx_device_new_type(MLX_CPU, 0);
  stream = mlx_stream_new_device(cpu);
  mlx_array two = mlx_array_new_float(2);
  sum = mlx_array_new();
  int rc = mlx_add(&sum, two, two, stream);           /* lazy, and of this stream: it moves along */
  if (rc == 0) rc = weir_stream_hand_over(stream, 0); /* to whoever adopts it */
  if (rc == 0) rc = pthread_create(&thread, NULL, take_over, NULL);
  if (rc == 0) rc = pthread_join(thread, NULL);
  mlx_array_free(sum);
  mlx_array_free(two);
  mlx_stream_free(stream);
  mlx_device_free(cpu);
  return rc;
}
