// A C++ program whose error handler throws, as those written for mlx-c do: the exception passes
// through the library to the caller, each time. Built by the script `run` beside it.
#include <mlx/c/mlx.h>

#include <stdexcept>
#include <string>

namespace {

int ended = 0;

void raise(const char *message, void *) { throw std::runtime_error(message); }
void end(void *) { ++ended; }

bool raises(int depth) {
  if (depth > 0) return raises(depth - 1);
  mlx_array result = mlx_array_new();
  try {
    mlx_abs(&result, mlx_array{nullptr}, mlx_stream{nullptr});
  } catch (const std::runtime_error &error) {
    return std::string(error.what()).find("[abs]") == 0;
  }
  return false;
}

}  // namespace

int main() {
  int data = 0;
  mlx_set_error_handler(raise, &data, end);
  for (int depth : {0, 5, 0, 9, 9, 1}) {
    if (!raises(depth)) return 1;
  }
  mlx_set_error_handler(nullptr, nullptr, nullptr);
  return ended == 1 ? 0 : 2;
}
