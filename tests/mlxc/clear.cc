// The C++ function that programs for mlx-c call of MLX itself.
#include <mlx/c/mlx.h>
#include <mlx/stream.h>

int main() {
  mlx_stream before = mlx_default_cpu_stream_new();
  mlx::core::clear_streams();
  mlx_stream after = mlx_default_cpu_stream_new();
  const bool another = !mlx_stream_equal(before, after);
  mlx_stream_free(after);
  mlx_stream_free(before);
  return another ? 0 : 1;
}
