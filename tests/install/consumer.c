/* The program that tests/install builds against an installed Weir: a sum over a matrix product, so
   that the BLAS library behind it has to be there too. */
#include <mlx/c/mlx.h>
#include <stdio.h>
#include <weir/weir.h>

int main(void) {
  const float numbers[] = {1, 2, 3, 4};
  const int shape[] = {2, 2};
  mlx_stream stream = mlx_default_cpu_stream_new();
  mlx_array a = mlx_array_new_data(numbers, shape, 2, MLX_FLOAT32);
  mlx_array product = mlx_array_new();
  mlx_array total = mlx_array_new();
  float value = 0;

  int rc = mlx_matmul(&product, a, a, stream); /* 7 10 15 22 */
  if (rc == 0) rc = mlx_sum(&total, product, false, stream);
  if (rc == 0) rc = mlx_array_item_float32(&value, total);
  if (rc != 0) printf("failed: %s\n", weir_last_error());

  mlx_array_free(total);
  mlx_array_free(product);
  mlx_array_free(a);
  mlx_stream_free(stream);
  return rc == 0 && value == 54 ? 0 : 1;
}
