// E4, K10, P12: error handlers that are left by C++ exceptions, at any depth of the stack and of
// handlers in each other, and inside functions that a transform runs.

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

// ---- inside a transform ----

static mlx_array first_of(mlx_vector_array v) {
  mlx_array a = mlx_array_new();
  check(mlx_vector_array_get(&a, v, 0) == 0, "a first array");
  return a;
}

static int give(mlx_vector_array *res, mlx_array a) {
  const int rc = mlx_vector_array_set_value(res, a);
  mlx_array_free(a);
  return rc;
}

static int gives_nothing(mlx_vector_array *, const mlx_vector_array) { return 1; }

// x x, beside calls that fail: a simple one, and a transform whose function fails.
static int square_amid_failures(mlx_vector_array *res, const mlx_vector_array in) {
  check(caught(3).compare(0, 6, "[abs] ") == 0, "an exception inside a function");
  mlx_closure bad = mlx_closure_new_func(gives_nothing);
  mlx_vector_array out = mlx_vector_array_new(), grads = mlx_vector_array_new();
  bool told = false;
  try {
    mlx_vjp(&out, &grads, bad, in, in);
  } catch (const std::runtime_error &) {
    told = true;
  }
  check(told, "the failure of a transform inside a function was told");
  mlx_vector_array_free(out);
  mlx_vector_array_free(grads);
  mlx_closure_free(bad);
  mlx_array x = first_of(in);
  const int rc = mlx_multiply(&x, x, x, mlx_stream{});
  return rc ? rc : give(res, x);
}

// The transform goes on as if nothing had been.
static void inside_transforms() {
  mlx_closure f = mlx_closure_new_func(square_amid_failures);
  mlx_array three = mlx_array_new_float(3), one = mlx_array_new_float(1);
  mlx_vector_array x = mlx_vector_array_new_value(three), d = mlx_vector_array_new_value(one);
  mlx_vector_array out = mlx_vector_array_new(), grads = mlx_vector_array_new();
  for (int i = 0; i < 100; i++) {
    check(mlx_vjp(&out, &grads, f, x, d) == 0, "a transform amid failures");
    mlx_array g = first_of(grads);
    float value = 0;
    check(mlx_array_item_float32(&value, g) == 0 && value == 6, "its gradient");
    mlx_array_free(g);
  }
  mlx_vector_array_free(x);
  mlx_vector_array_free(d);
  mlx_vector_array_free(out);
  mlx_vector_array_free(grads);
  mlx_array_free(three);
  mlx_array_free(one);
  mlx_closure_free(f);
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
  inside_transforms();
  mlx_set_error_handler(raise_from_the_deepest, nullptr, nullptr);
  calls = 0;
  for (int i = 1; i <= 100; i++) {
    check(caught(i % 5).compare(0, 6, "[abs] ") == 0, "the exception came through eight handlers");
    check(calls == 8 * i, "eight calls in each other");
  }
  check(std::string(weir_last_error()).compare(0, 6, "[abs] ") == 0, "the last error is there");
  return 0;
}
