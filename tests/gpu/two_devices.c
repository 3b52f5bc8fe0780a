/* Two GPUs: streams and buffers stay on theirs, and values go from one to the other; the default
   stream of gpu:1 is on gpu:1 (D5). */

#include "programs.h"

int main(void) {
  enum { N = 1 << 20 };
  int count = 0;
  mlx_stream s[2];
  CHECK(mlx_device_count(&count, MLX_GPU) == 0);
  if (count < 2) {
    printf("skipped: there are no two GPUs\n");
    return 77;
  }
  for (int i = 0; i < 2; i++) {
    mlx_device device = mlx_device_new_type(MLX_GPU, i);
    s[i] = mlx_stream_new_device(device);
    CHECK(s[i].ctx != NULL);
    mlx_stream its = mlx_stream_new();
    mlx_device found = mlx_device_new();
    CHECK(mlx_get_default_stream(&its, device) == 0 && mlx_stream_get_device(&found, its) == 0);
    CHECK(mlx_device_equal(found, device));
    mlx_device_free(found);
    mlx_stream_free(its);
    mlx_device_free(device);
  }
  mlx_array a = floats(N, 0), one = mlx_array_new_float(1);
  for (int i = 0; i < 40; i++) add_to(&a, one, s[i / 3 % 2]);
  const float *data = mlx_array_data_float32(a);
  CHECK(data != NULL);
  for (int i = 0; i < N; i++) CHECK(data[i] == (float)(i + 40));
  mlx_array_free(a);
  mlx_array_free(one);
  for (int i = 0; i < 2; i++) mlx_stream_free(s[i]);
  return 0;
}
