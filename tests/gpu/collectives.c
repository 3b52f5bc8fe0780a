/* Collectives of arrays of a GPU's stream, in two processes that share the first GPU: values come
   from its memory and go back there, and what follows on the stream waits for them. */

#include "processes.h"

enum { SKIPPED = 77 };

static void on_gpu(int rank, int size) {
  int n = 0;
  mlx_device gpu = mlx_device_new_type(MLX_GPU, 0);
  bool there = false;
  CHECK(mlx_device_is_available(&there, gpu) == 0);
  mlx_device_free(gpu);
  if (!there) exit(SKIPPED);
  mlx_stream s = mlx_default_gpu_stream_new();
  mlx_distributed_group g = group_of_backend("ring");
  const int shape[2] = {300, 1000};
  mlx_array x = mlx_array_new(), y = mlx_array_new(), two = mlx_array_new_float(2);
  for (int i = 0; i < 20; i++) {
    CHECK(mlx_full(&x, shape, 2, two, MLX_FLOAT32, s) == 0 && mlx_square(&x, x, s) == 0);
    CHECK(mlx_distributed_all_sum(&y, x, g, s) == 0 && mlx_multiply(&y, y, two, s) == 0);
    CHECK(mlx_array_eval(y) == 0);
    const float *data = mlx_array_data_float32(y);
    CHECK(data != NULL && data[0] == 8.0f * (float)size && data[299999] == data[0]);
  }
  CHECK(mlx_distributed_all_gather(&y, x, g, s) == 0 && mlx_array_eval(y) == 0);
  n = mlx_array_dim(y, 0);
  CHECK(n == 300 * size && mlx_array_data_float32(y)[0] == 4);
  CHECK(mlx_synchronize(s) == 0);
  mlx_array_free(x);
  mlx_array_free(y);
  mlx_array_free(two);
  mlx_stream_free(s);
  CHECK(mlx_distributed_group_free(g) == 0);
  (void)rank;
}

int main(void) {
  struct processes p;
  int status[2];
  processes_begin(&p, 2, 1);
  for (int i = 0; i < 2; i++) start_rank(&p, i, on_gpu);
  for (int i = 0; i < 2; i++) status[i] = end_rank(&p, i);
  processes_end(&p);
  if (status[0] == SKIPPED << 8) {
    printf("skipped: there is no GPU\n");
    return SKIPPED;
  }
  CHECK(status[0] == 0 && status[1] == 0);
  return 0;
}
