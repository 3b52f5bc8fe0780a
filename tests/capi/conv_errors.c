/* Convolutions called wrongly: lists of another length than there are axes, sizes that cannot be,
   and a weight larger than what it goes over. Lists are named as they are spread over the axes, and
   as they were given where they cannot be. */

#include "fails.h"
#include "mean_cpu.h"

static const mlx_stream none = {NULL};
static mlx_array image, weight;

static mlx_array zeros(const int *shape, int ndim) {
  static const char data[4096];
  return mlx_array_new_data(data, shape, ndim, MLX_FLOAT32);
}

#define CONV(message, ...) \
  FAILS(mlx_conv_general, message, &res, image, weight, __VA_ARGS__, 1, false, none)

static void test_lengths(void) {
  CONV("[conv] Invalid padding (1,1) | (1,2,3) for 2D convolution.", NULL, 0, INTS(1), 1,
       INTS(1, 2, 3), 3, NULL, 0, NULL, 0);
  CONV("[conv] Invalid padding (1,2,3) | (0,0) for 2D convolution.", NULL, 0, INTS(1, 2, 3), 3,
       NULL, 0, NULL, 0, NULL, 0);
  CONV("[conv] Invalid padding (1,2,3) | (3,2,1) for 2D convolution.", NULL, 0, INTS(1, 2, 3), 3,
       INTS(3, 2, 1), 3, NULL, 0, NULL, 0);
  CONV("[conv] Invalid strides (1,2,3) for 2D convolution.", INTS(1, 2, 3), 3, INTS(1, 2, 3), 3,
       NULL, 0, NULL, 0, NULL, 0);
}

static void test_sizes(void) {
  CONV("[conv] Stride sizes must be positive. Got strides (0,0).", INTS(0), 1, NULL, 0, NULL, 0,
       NULL, 0, NULL, 0);
  CONV(
      "at axis 1 for input with shape (1,3,0,3), padding low (0,0), padding high (2,0), and weight "
      "of shape (2,9,9,3).",
      NULL, 0, INTS(-1, -9), 2, INTS(2, -3), 2, NULL, 0, NULL, 0);
}

int main(void) {
  mean_cpu();
  begin_failing();
  image = zeros(INTS(1, 4, 4, 3), 4);
  weight = zeros(INTS(2, 9, 9, 3), 4);
  test_lengths();
  test_sizes();
  mlx_array_free(image);
  mlx_array_free(weight);
  mlx_array_free(res);
  return failures != 0;
}
