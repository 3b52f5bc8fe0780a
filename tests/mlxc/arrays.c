/* What mlx-c's examples of arrays call, on the default stream of a GPU, or of the CPU where there
   is none, and in float64; and the version, at run time as when it was compiled. */

#include <mlx/c/mlx.h>
#include <mlx/version.h>
#include <stdio.h>
#include <string.h>

static int failures;

static void expect(int rc, mlx_array a, const char *text) {
  mlx_string str = mlx_string_new();
  if (rc || mlx_array_tostring(&str, a) || strcmp(mlx_string_data(str), text)) {
    fprintf(stderr, "rc %d, %s, not %s\n", rc, mlx_string_data(str), text);
    failures++;
  }
  mlx_string_free(str);
}

static void version_is_the_compiled_one(void) {
  mlx_string version = mlx_string_new();
  char text[32];
  snprintf(text, sizeof text, "%d.%d.%d", MLX_VERSION_MAJOR, MLX_VERSION_MINOR, MLX_VERSION_PATCH);
  failures += mlx_version(&version) || strcmp(mlx_string_data(version), text);
  mlx_string_free(version);
}

static void floats(mlx_stream stream) {
  const float data[] = {1, 2, 3, 4};
  const int shape[] = {2, 2};
  mlx_array a = mlx_array_new_data(data, shape, 2, MLX_FLOAT32);
  mlx_array two = mlx_array_new_int(2);
  expect(mlx_divide(&a, a, two, stream), a, "array([[0.5, 1],\n       [1.5, 2]], dtype=float32)");
  expect(mlx_arange(&a, 0, 2, 0.5, MLX_FLOAT32, stream), a,
         "array([0, 0.5, 1, 1.5], dtype=float32)");
  mlx_array_free(two);
  mlx_array_free(a);
}

static void doubles(void) {
  mlx_stream stream = mlx_default_cpu_stream_new();
  const double data[] = {1, 2};
  const int shape[] = {2};
  mlx_array a = mlx_array_new_data(data, shape, 1, MLX_FLOAT64);
  mlx_array three = mlx_array_new_float64(3);
  expect(mlx_multiply(&a, a, three, stream), a, "array([3, 6], dtype=float64)");
  mlx_array_free(three);
  mlx_array_free(a);
  mlx_stream_free(stream);
}

int main(void) {
  mlx_device gpu = mlx_device_new_type(MLX_GPU, 0);
  bool there = false;
  failures += mlx_device_is_available(&there, gpu);
  mlx_stream stream = there ? mlx_default_gpu_stream_new() : mlx_default_cpu_stream_new();
  version_is_the_compiled_one();
  floats(stream);
  doubles();
  mlx_stream_free(stream);
  mlx_device_free(gpu);
  return failures;
}
