// The rows of cpu.c through MLX's own C++ headers and library, as its wheel has them. Each thread
// works on its own default stream: since 0.32 a stream belongs to the thread that made it.
// An exception of MLX ends the program with 1 and its message, so that the driver shows a gap.
#include <cstdlib>
#include <exception>
#include <functional>
#include <optional>
#include <thread>
#include <vector>

#include "harness.h"
#include "mlx/mlx.h"

namespace mx = mlx::core;

namespace {

using Row = bench_row;

const mx::Device cpu(mx::Device::cpu, 0);

mx::array from(const float *data, mx::Shape shape) { return mx::array(data, std::move(shape)); }

struct Inputs {
  mx::array a, b, c;
  std::optional<mx::array> y;
};

float *small_data(unsigned seed) { return bench_data(BENCH_SMALL, seed); }

mx::array small_array(unsigned seed) {
  float *data = small_data(seed);
  mx::array made = from(data, {BENCH_SMALL});
  std::free(data);
  return made;
}

void keep_stream(void *) {
  mx::Stream s = mx::default_stream(cpu);
  asm volatile("" : : "r"(s.index) : "memory");
}

// A C interface must put its objects on the heap, behind functions of a library, so the two
// cheapest rows are measured that way too.
#define CALLED extern "C" __attribute__((noinline))

CALLED void *c_default_stream() {
  try {
    return new mx::Stream(mx::default_stream(cpu));
  } catch (const std::exception &) {
    return nullptr;
  }
}

CALLED void c_stream_free(void *stream) { delete static_cast<mx::Stream *>(stream); }

CALLED void *c_add(const void *x, const void *y, const void *stream) {
  try {
    return new mx::array(mx::add(*static_cast<const mx::array *>(x),
                                 *static_cast<const mx::array *>(y),
                                 *static_cast<const mx::Stream *>(stream)));
  } catch (const std::exception &) {
    return nullptr;
  }
}

CALLED void c_array_free(void *array) { delete static_cast<mx::array *>(array); }

void keep_stream_handle(void *) { c_stream_free(c_default_stream()); }

void run_default_stream(const Row *row) {
  bench_emit(row, "s", bench_time(keep_stream, nullptr));
  bench_emit_part(row, "handle", "s", bench_time(keep_stream_handle, nullptr));
}

Inputs *open_small() {
  return new Inputs{small_array(1), small_array(2), small_array(3), std::nullopt};
}

void record_small(void *state) {
  auto *in = static_cast<Inputs *>(state);
  in->y = mx::add(in->a, in->b);
}

void record_small_handle(void *state) {
  auto *in = static_cast<Inputs *>(state);
  void *s = c_default_stream();
  c_array_free(c_add(&in->a, &in->b, s));
  c_stream_free(s);
}

void eval_small(void *state) {
  auto *in = static_cast<Inputs *>(state);
  mx::array y = mx::add(in->a, in->b);
  y.eval();
  in->y = y;
}

void check_small(const Row *row, Inputs *in) {
  in->y->eval();
  float *a = small_data(1), *b = small_data(2);
  bench_check_add(row, in->y->data<float>(), a, b, BENCH_SMALL);
  std::free(a);
  std::free(b);
}

void run_small(const Row *row, bench_step step) {
  Inputs *in = open_small();
  bench_emit(row, "s", bench_time(step, in));
  check_small(row, in);
  delete in;
}

void run_record(const Row *row) {
  run_small(row, record_small);
  Inputs *in = open_small();
  bench_emit_part(row, "handle", "s", bench_time(record_small_handle, in));
  delete in;
}

void run_small_eval(const Row *row) { run_small(row, eval_small); }

void step_chain(void *state) {
  auto *in = static_cast<Inputs *>(state);
  mx::array x = in->a;
  for (int i = 0; i < BENCH_CHAIN / 2; i++) x = mx::transpose(mx::add(x, in->b));
  x.eval();
  in->y = x;
}

void run_chain(const Row *row) {
  const int side = BENCH_CHAIN_SIDE;
  float *a = bench_data(side * side, 1), *b = bench_data(side * side, 2);
  mx::array ma = from(a, {side, side}), mb = from(b, {side, side});
  Inputs in{ma, mb, mb, std::nullopt};
  bench_emit(row, "s", bench_time(step_chain, &in) / double{BENCH_CHAIN});
  mx::array dense = mx::contiguous(*in.y);
  dense.eval();
  bench_check_chain(row, dense.data<float>(), a, b);
}

using Arrays = std::vector<mx::array>;
using Function = std::function<Arrays(const Arrays &)>;

Arrays hundred(const Arrays &in) {
  mx::array x = in[0];
  for (int i = 0; i < BENCH_STEPS / 2; i++) x = mx::abs(mx::add(x, in[1]));
  return {x};
}

struct Applied {
  Function f;
  Inputs in;
};

void step_function(void *state) {
  auto *applied = static_cast<Applied *>(state);
  applied->in.y = applied->f({applied->in.a, applied->in.b})[0];
  applied->in.y->eval();
}

void run_function(const Row *row, Function f) {
  Applied applied{std::move(f), {small_array(1), small_array(2), small_array(3), std::nullopt}};
  bench_emit(row, "s", bench_time(step_function, &applied));
  float *a = small_data(1), *b = small_data(2);
  bench_check_steps(row, applied.in.y->data<float>(), a, b);
  std::free(a);
  std::free(b);
}

void run_steps_called(const Row *row) { run_function(row, hundred); }
void run_steps_compiled(const Row *row) { run_function(row, mx::compile(Function(hundred))); }

void step_products(void *state) {
  auto *in = static_cast<Inputs *>(state);
  mx::array x = in->a;
  for (int i = 0; i < BENCH_PRODUCTS; i++) x = mx::matmul(x, in->b);
  x.eval();
  in->y = x;
}

void run_matmul_chain(const Row *row) {
  const int side = BENCH_PRODUCT_SIDE;
  float *a = bench_data(side * side, 1), *turn = bench_rotation(1);
  mx::array ma = from(a, {side, side}), mb = from(turn, {side, side});
  Inputs in{ma, mb, mb, std::nullopt};
  bench_emit(row, "s", bench_time(step_products, &in) / double{BENCH_PRODUCTS});
  bench_check_products(row, in.y->data<float>(), a);
}

void step_fused(void *state) {
  auto *in = static_cast<Inputs *>(state);
  in->y.reset();
  mx::array root = mx::sqrt(mx::abs(mx::add(mx::multiply(in->a, in->b), in->c)));
  mx::array y = mx::multiply(root, mx::exp(mx::negative(in->a)));
  y.eval();
  in->y = y;
}

void step_add(void *state) {
  auto *in = static_cast<Inputs *>(state);
  in->y.reset();
  eval_small(state);
}

void step_sum(void *state) {
  auto *in = static_cast<Inputs *>(state);
  mx::array y = mx::sum(in->a);
  y.eval();
  in->y = y;
}

void step_softmax(void *state) {
  auto *in = static_cast<Inputs *>(state);
  in->y.reset();
  mx::array y = mx::softmax(in->a, -1);
  y.eval();
  in->y = y;
}

void step_matmul(void *state) {
  auto *in = static_cast<Inputs *>(state);
  in->y.reset();
  mx::array y = mx::matmul(in->a, in->b);
  y.eval();
  in->y = y;
}

void run_fused(const Row *row) {
  float *a = bench_data(BENCH_LARGE, 1), *b = bench_data(BENCH_LARGE, 2),
        *c = bench_data(BENCH_LARGE, 3);
  mx::Shape shape{BENCH_LARGE};
  Inputs in{from(a, shape), from(b, shape), from(c, shape), std::nullopt};
  bench_emit(row, "s", bench_time(step_fused, &in));
  bench_check_fused(row, in.y->data<float>(), a, b, c);
}

void run_add(const Row *row) {
  float *a = bench_data(BENCH_LARGE, 1), *b = bench_data(BENCH_LARGE, 2);
  mx::array ma = from(a, {BENCH_LARGE}), mb = from(b, {BENCH_LARGE});
  Inputs in{ma, mb, mb, std::nullopt};
  bench_emit(row, "s", bench_time(step_add, &in));
  bench_check_add(row, in.y->data<float>(), a, b, BENCH_LARGE);
}

void run_sum(const Row *row) {
  float *a = bench_data(BENCH_LARGE, 1);
  mx::array ma = from(a, {BENCH_LARGE});
  Inputs in{ma, ma, ma, std::nullopt};
  bench_emit(row, "s", bench_time(step_sum, &in));
  bench_check_sum(row, in.y->item<float>(), a);
}

void run_softmax(const Row *row) {
  const int side = BENCH_SOFTMAX_SIDE;
  float *a = bench_data(static_cast<size_t>(side) * side, 1);
  mx::array ma = from(a, {side, side});
  Inputs in{ma, ma, ma, std::nullopt};
  bench_emit(row, "s", bench_time(step_softmax, &in));
  bench_check_softmax(row, in.y->data<float>(), a);
}

void run_matmul(const Row *row) {
  const int side = BENCH_MATMUL_SIDE;
  float *a = bench_data(side * side, 1), *b = bench_data(side * side, 2);
  mx::array ma = from(a, {side, side}), mb = from(b, {side, side});
  Inputs in{ma, mb, mb, std::nullopt};
  bench_emit(row, "flop/s", 2.0 * side * side * side / bench_time(step_matmul, &in));
  bench_check_matmul(row, in.y->data<float>(), a, b);
}

void run_thread_request(const Row *row) {
  Inputs *in = open_small();
  bench_requests(
      row,
      [](void *state) {
        std::thread([state] {
          try {
            eval_small(state);
          } catch (const std::exception &e) {
            bench_fail(e.what());
          }
        }).join();
      },
      in);
  check_small(row, in);
  delete in;
}

void step_stream_request(void *state) {
  auto *in = static_cast<Inputs *>(state);
  mx::Stream stream = mx::new_stream(cpu);
  mx::array y = mx::add(in->a, in->b, stream);
  y.eval();
  in->y = y;
}

void run_stream_request(const Row *row) {
  Inputs *in = open_small();
  bench_requests(row, step_stream_request, in);
  check_small(row, in);
  delete in;
}

void eval_guarded(void *state) {
  try {
    eval_small(state);
  } catch (const std::exception &e) {
    bench_fail(e.what());
  }
}

const bench_worker small_worker = {
    [] { return static_cast<void *>(open_small()); },
    eval_guarded,
    [](void *state) { delete static_cast<Inputs *>(state); },
};

void run_evals_1(const Row *row) { bench_parallel(row, &small_worker, 1); }
void run_evals_2(const Row *row) { bench_parallel(row, &small_worker, 2); }
void run_evals_4(const Row *row) { bench_parallel(row, &small_worker, 4); }
void run_evals_8(const Row *row) { bench_parallel(row, &small_worker, 8); }

const Row rows[] = {
    {"default_stream", run_default_stream},
    {"record", run_record},
    {"small_eval", run_small_eval},
    {"chain", run_chain},
    {"steps_called", run_steps_called},
    {"steps_compiled", run_steps_compiled},
    {"matmul_chain", run_matmul_chain},
    {"fused", run_fused},
    {"add", run_add},
    {"sum", run_sum},
    {"softmax", run_softmax},
    {"matmul", run_matmul},
    {"thread_request", run_thread_request},
    {"stream_request", run_stream_request},
    {"evals_1", run_evals_1},
    {"evals_2", run_evals_2},
    {"evals_4", run_evals_4},
    {"evals_8", run_evals_8},
};

}  // namespace

int main(int argc, char **argv) {
  try {
    mx::set_default_device(cpu);
    int rc = bench_main(argc, argv, rows, sizeof rows / sizeof rows[0]);
    // MLX's own teardown with threads alive is no part of what is measured.
    std::_Exit(rc);
  } catch (const std::exception &e) {
    bench_fail(e.what());
  }
}
