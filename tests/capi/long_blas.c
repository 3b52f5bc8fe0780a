/* An OpenBLAS with 64-bit integers is refused in words, and everything works but what needs it:
   products of complex numbers. */

#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "mlx/c/mlx.h"
#include "weir/error.h"

static void silent(const char *message, void *data) {
  (void)message;
  (void)data;
}

int main(void) {
  mlx_set_error_handler(silent, NULL, NULL);
  mlx_stream s = mlx_default_cpu_stream_new();
  mlx_array a = mlx_array_new(), r = mlx_array_new(), sum = mlx_array_new();
  const int shape[2] = {3, 3};
  float value = 0;
  CHECK(getenv("WEIR_OPENBLAS") != NULL);
  CHECK(mlx_ones(&a, shape, 2, MLX_COMPLEX64, s) == 0 && mlx_matmul(&r, a, a, s) == 0);
  CHECK(mlx_array_eval(r) == 1 && strstr(weir_last_error(), "64-bit integers"));
  CHECK(mlx_real(&a, a, s) == 0 && mlx_matmul(&r, a, a, s) == 0);
  CHECK(mlx_sum(&sum, r, false, s) == 0 && mlx_array_item_float32(&value, sum) == 0 && value == 27);
  CHECK(mlx_array_free(a) == 0 && mlx_array_free(r) == 0 && mlx_array_free(sum) == 0);
  return mlx_stream_free(s);
}
