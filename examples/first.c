/* The first program: two arrays, an operation on a stream, its value, and what an error is. */
#include <mlx/c/mlx.h>
#include <stdio.h>
#include <weir/weir.h>

int main(void) {
  const float numbers[] = {1, 2, 3, 4, 5, 6};
  const int shape[] = {2, 3};
  mlx_array a = mlx_array_new_data(numbers, shape, 2, MLX_FLOAT32);
  mlx_array ten = mlx_array_new_float(10);
  mlx_array result = mlx_array_new(); /* an empty handle, for a call to fill */
  mlx_string text = mlx_string_new();
  mlx_stream stream = mlx_stream_new(); /* empty: the default, on a GPU where there is one */

  int rc = mlx_multiply(&result, a, ten, stream); /* recorded, not yet computed */
  if (rc == 0) rc = mlx_array_eval(result);       /* computed */
  if (rc == 0) rc = mlx_array_tostring(&text, result);
  if (rc == 0) printf("%s\n", mlx_string_data(text));

  /* Shapes 2x3 and 2x3 do not multiply: rc 1, a line on stderr, and the program goes on. */
  if (mlx_matmul(&result, a, a, stream) != 0) printf("as expected: %s\n", weir_last_error());

  mlx_stream_free(stream);
  mlx_string_free(text);
  mlx_array_free(result);
  mlx_array_free(ten);
  mlx_array_free(a);
  return rc;
}
