/* The first program: two arrays, an operation on a stream, its value, and what an error looks like. */
#include <mlx/c/mlx.h>
#include <stdio.h>
#include <weir/weir.h>

int main(void) {
  const float numbers[] = {1, 2, 3, 4, 5, 6};
  const int shape[] = {2, 3};
  mlx_array a = mlx_array_new_data(numbers, shape, 2, MLX_FLOAT32); /* copies the numbers */
  mlx_array ten = mlx_array_new_float(10);
  mlx_array result = mlx_array_new();                /* an empty handle, filled by a call below */
  mlx_string text = mlx_string_new();
  mlx_stream stream = mlx_default_cpu_stream_new();  /* the calling thread's own stream */

  int rc = mlx_multiply(&result, a, ten, stream);    /* recorded, not yet computed */
  if (rc == 0) rc = mlx_array_eval(result);          /* computed */
  if (rc == 0) rc = mlx_array_tostring(&text, result);
  if (rc == 0) printf("%s\n", mlx_string_data(text));

  mlx_array wrong = mlx_array_new();
  if (mlx_matmul(&wrong, a, a, stream) != 0) {       /* 2x3 times 2x3: an error is a value, */
    printf("as expected: %s\n", weir_last_error());  /* and one line on stderr by default */
  }

  mlx_array_free(wrong);
  mlx_stream_free(stream);
  mlx_string_free(text);
  mlx_array_free(result);
  mlx_array_free(ten);
  mlx_array_free(a);
  return rc;
}
