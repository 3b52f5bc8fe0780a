// E4, K10, P12: error handlers that are left by C++ exceptions, at any depth of the stack and of
// handlers in each other.

#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>

#include "mlx/c/mlx.h"
#include "weir/error.h"

static void check(bool holds, const char *what) {
  if (holds) return;
  std::fprintf(stderr, "not true: %s\n", what);
  std::_Exit(1);
}

static int calls;

static void fail_once() {
  mlx_array out = mlx_array_new();
  mlx_abs(&out, mlx_array{}, mlx_stream{});
}

static void raise_it(const char *message, void *) {
  calls++;
  throw std::runtime_error(message);
}

// The message of what is thrown at the bottom; `depth` says how far below.
static std::string caught(int depth) {
  if (depth > 0) return caught(depth - 1) + " ";
  try {
    fail_once();
  } catch (const std::runtime_error &error) {
    return error.what();
  }
  return "nothing";
}

// Catches, and then fails further below, again and again.
static void deeper_each_time(int levels) {
  volatile char room[256];
  for (volatile char &c : room) c = (char)levels;
  try {
    fail_once();
    check(false, "an exception came");
  } catch (const std::runtime_error &) {
  }
  if (levels > 0) deeper_each_time(levels - 1);
  check(room[0] == (char)levels, "the frame is whole");
}

// Raises only once it stands in itself seven times: through all of those.
static void raise_from_the_deepest(const char *message, void *) {
  if (++calls % 8 == 0) throw std::runtime_error(message);
  fail_once();
}

int main() {
  mlx_set_error_handler(raise_it, nullptr, nullptr);
  for (int i = 0; i < 1000; i++) {
    check(caught(i % 13).compare(0, 6, "[abs] ") == 0, "the exception has the message");
  }
  check(calls == 1000, "each was told");
  calls = 0;
  deeper_each_time(50);
  check(calls == 51, "each was told, however deep");
  mlx_set_error_handler(raise_from_the_deepest, nullptr, nullptr);
  calls = 0;
  for (int i = 1; i <= 100; i++) {
    check(caught(i % 5).compare(0, 6, "[abs] ") == 0, "the exception came through eight handlers");
    check(calls == 8 * i, "eight calls in each other");
  }
  check(std::string(weir_last_error()).compare(0, 6, "[abs] ") == 0, "the last error is there");
  return 0;
}
