/* What kernels ask of a block's shared memory is there on GPUs of each compute capability on which
   they run, over the stand-in, which refuses a launch that asks for more: convolutions in tiles of
   each shape, attention in each way, and products of quantised matrices. The values are none: the
   stand-in computes nothing. */

#include "anew.h"
#include "mlx/c/fast.h"
#include "stand_in_case.h"

static mlx_stream gpu;

static mlx_array ones(const int *shape, size_t ndim, mlx_dtype dtype) {
  mlx_array a = mlx_array_new();
  CHECK(mlx_ones(&a, shape, ndim, dtype, gpu) == 0);
  return a;
}

static void forced(int rc, mlx_array out) {
  if (rc || mlx_array_eval(out)) {
    fprintf(stderr, "capability %s: %s\n", getenv("WEIR_STAND_IN_CAPABILITY"), weir_last_error());
    CHECK(!"it has room");
  }
  mlx_array_free(out);
}

static void convolution(int side, int channels, int out_channels, mlx_dtype dtype) {
  mlx_array x = ones((const int[]){8, side, side, channels}, 4, dtype);
  mlx_array w = ones((const int[]){out_channels, 3, 3, channels}, 4, dtype);
  mlx_array y = mlx_array_new();
  const int rc = mlx_conv2d(&y, x, w, 1, 1, 1, 1, 1, 1, 1, gpu);
  forced(rc, y);
  mlx_array_free(x);
  mlx_array_free(w);
}

static void convolutions(mlx_dtype dtype) {
  static const int columns[] = {8, 32, 48, 64, 100, 128, 512};
  for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++) {
    convolution(5, 24, columns[i], dtype);
    convolution(40, 24, columns[i], dtype);
  }
}

static void attention(int queries, int keys, int length, mlx_dtype dtype) {
  const mlx_array none = {0};
  mlx_array q = ones((const int[]){1, 4, queries, length}, 4, dtype);
  mlx_array k = ones((const int[]){1, 4, keys, length}, 4, dtype), y = mlx_array_new();
  const int rc = mlx_fast_scaled_dot_product_attention(&y, q, k, k, 0.1f, "", none, none, gpu);
  forced(rc, y);
  mlx_array_free(q);
  mlx_array_free(k);
}

static void attentions(mlx_dtype dtype) {
  static const int lengths[] = {32, 64, 72, 128}, queries[] = {1, 12, 100, 600};
  for (int i = 0; i < 4; i++) {
    for (int j = 0; j < 4; j++) attention(queries[j], 300 + 2400 * (j % 2), lengths[i], dtype);
  }
}

static void quantised(int rows, int bits, mlx_dtype dtype) {
  mlx_array x = ones((const int[]){rows, 512}, 2, dtype), y = mlx_array_new();
  mlx_array w = ones((const int[]){512, 16 * bits}, 2, MLX_UINT32);
  mlx_array scales = ones((const int[]){512, 8}, 2, dtype);
  const int rc = mlx_quantized_matmul(
      &y, x, w, scales, scales, true, (mlx_optional_int){.value = 64, .has_value = true},
      (mlx_optional_int){.value = bits, .has_value = true}, "affine", gpu);
  forced(rc, y);
  mlx_array_free(x);
  mlx_array_free(w);
  mlx_array_free(scales);
}

static void everything(void) {
  static const mlx_dtype types[] = {MLX_FLOAT16, MLX_BFLOAT16, MLX_FLOAT32, MLX_FLOAT64};
  gpu = new_gpu_stream();
  for (int i = 0; i < 4; i++) {
    convolutions(types[i]);
    if (types[i] == MLX_FLOAT64) continue;
    attentions(types[i]);
    for (int bits = 4; bits <= 8; bits += 4) {
      for (int rows = 1; rows <= 512; rows *= 8) quantised(rows, bits, types[i]);
    }
  }
  mlx_stream_free(gpu);
}

static const char *capability;

static void on_it(void) {
  CHECK(setenv("WEIR_STAND_IN_CAPABILITY", capability, 1) == 0);
  run_anew("everything");
}

int main(int argc, char **argv) {
  static const char *const all[] = {"70", "75", "80", "86", "89", "90", "100", "120"};
  (void)argv;
  stand_in_start();
  if (argc > 1) {
    mlx_set_error_handler(quiet, NULL, NULL);
    everything();
    return 0;
  }
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
    capability = all[i];
    CHECK(in_child(on_it, SANITIZED ? 100 : 30) == 0);
  }
  return 0;
}
