// The CPU table through Weir's C API, as a user's program would call it: the public headers alone,
// each thread on its own default stream, results read back and compared. One process per call;
// rows share no state.
#include <pthread.h>
#include <stdlib.h>

#include "harness.h"
#include "mlx/c/mlx.h"
#include "weir/weir.h"

struct inputs {
  mlx_array a, b, c, y;
};

static void must(int rc) {
  if (rc) bench_fail(weir_last_error());
}

static mlx_array from(const float *data, int rows, int columns) {
  int shape[] = {rows, columns};
  mlx_array made = rows ? mlx_array_new_data(data, shape, 2, MLX_FLOAT32)
                        : mlx_array_new_data(data, shape + 1, 1, MLX_FLOAT32);
  if (!made.ctx) bench_fail(weir_last_error());
  return made;
}

static const float *values(mlx_array y) {
  must(mlx_array_eval(y));
  const float *data = mlx_array_data_float32(y);
  if (!data) bench_fail(weir_last_error());
  return data;
}

// The second and third input may be absent.
static struct inputs inputs_of(const float *a, const float *b, const float *c, int rows,
                               int columns) {
  return (struct inputs){
      .a = from(a, rows, columns),
      .b = b ? from(b, rows, columns) : mlx_array_new(),
      .c = c ? from(c, rows, columns) : mlx_array_new(),
      .y = mlx_array_new(),
  };
}

static void release(struct inputs *in) {
  mlx_array_free(in->a);
  mlx_array_free(in->b);
  mlx_array_free(in->c);
  mlx_array_free(in->y);
}

// A result that is dropped before the next is made leaves its buffer to it, as in MLX's program.
static void drop(mlx_array *y) {
  mlx_array_free(*y);
  *y = mlx_array_new();
}

static void step_default_stream(void *state) {
  (void)state;
  mlx_stream_free(mlx_default_cpu_stream_new());
}

static void run_default_stream(const struct bench_row *row) {
  bench_emit(row, "s", bench_time(step_default_stream, NULL));
}

static void *open_small(void) {
  struct inputs *in = malloc(sizeof *in);
  float *a = bench_data(BENCH_SMALL, 1), *b = bench_data(BENCH_SMALL, 2);
  if (!in) bench_fail("out of memory");
  *in = inputs_of(a, b, NULL, 0, BENCH_SMALL);
  free(a);
  free(b);
  return in;
}

static void close_small(void *state) {
  release(state);
  free(state);
}

static void add_on_default(struct inputs *in) {
  mlx_stream s = mlx_default_cpu_stream_new();
  must(mlx_add(&in->y, in->a, in->b, s));
  mlx_stream_free(s);
}

static void step_record(void *state) { add_on_default(state); }

static void step_small_eval(void *state) {
  struct inputs *in = state;
  add_on_default(in);
  must(mlx_array_eval(in->y));
}

static void check_small(const struct bench_row *row, const struct inputs *in) {
  float *a = bench_data(BENCH_SMALL, 1), *b = bench_data(BENCH_SMALL, 2);
  bench_check_add(row, values(in->y), a, b, BENCH_SMALL);
  free(a);
  free(b);
}

static void run_small(const struct bench_row *row, bench_step step) {
  struct inputs *in = open_small();
  bench_emit(row, "s", bench_time(step, in));
  check_small(row, in);
  close_small(in);
}

static void run_record(const struct bench_row *row) { run_small(row, step_record); }
static void run_small_eval(const struct bench_row *row) { run_small(row, step_small_eval); }

static void step_chain(void *state) {
  struct inputs *in = state;
  mlx_stream s = mlx_default_cpu_stream_new();
  mlx_array sum = mlx_array_new();
  must(mlx_array_set(&in->y, in->a));
  for (int i = 0; i < BENCH_CHAIN / 2; i++) {
    must(mlx_add(&sum, in->y, in->b, s));
    must(mlx_transpose(&in->y, sum, s));
  }
  must(mlx_array_eval(in->y));
  mlx_array_free(sum);
  mlx_stream_free(s);
}

static void run_chain(const struct bench_row *row) {
  enum { SIDE = BENCH_CHAIN_SIDE };
  float *a = bench_data(SIDE * SIDE, 1), *b = bench_data(SIDE * SIDE, 2);
  struct inputs in = inputs_of(a, b, NULL, SIDE, SIDE);
  bench_emit(row, "s", bench_time(step_chain, &in) / BENCH_CHAIN);
  mlx_stream s = mlx_default_cpu_stream_new();
  mlx_array dense = mlx_array_new();
  must(mlx_contiguous(&dense, in.y, false, s));
  bench_check_chain(row, values(dense), a, b);
  mlx_array_free(dense);
  mlx_stream_free(s);
  release(&in);
  free(a);
  free(b);
}

// Functions: called, and as they were compiled.
static int hundred(mlx_vector_array *res, const mlx_vector_array in) {
  const mlx_stream none = {NULL};
  mlx_array x = mlx_array_new(), b = mlx_array_new();
  must(mlx_vector_array_get(&x, in, 0));
  must(mlx_vector_array_get(&b, in, 1));
  for (int i = 0; i < BENCH_STEPS / 2; i++) {
    must(mlx_add(&x, x, b, none));
    must(mlx_abs(&x, x, none));
  }
  must(mlx_vector_array_set_value(res, x));
  mlx_array_free(x);
  mlx_array_free(b);
  return 0;
}

struct function {
  struct inputs in;
  mlx_closure f;
};

static void step_function(void *state) {
  struct function *function = state;
  const mlx_array both[2] = {function->in.a, function->in.b};
  mlx_vector_array in = mlx_vector_array_new_data(both, 2), out = mlx_vector_array_new();
  must(mlx_closure_apply(&out, function->f, in));
  must(mlx_vector_array_get(&function->in.y, out, 0));
  must(mlx_array_eval(function->in.y));
  mlx_vector_array_free(in);
  mlx_vector_array_free(out);
}

static void run_function(const struct bench_row *row, mlx_closure taken) {
  float *a = bench_data(BENCH_SMALL, 1), *b = bench_data(BENCH_SMALL, 2);
  struct function function = {inputs_of(a, b, NULL, 0, BENCH_SMALL), taken};
  bench_emit(row, "s", bench_time(step_function, &function));
  bench_check_steps(row, values(function.in.y), a, b);
  release(&function.in);
  mlx_closure_free(taken);
  free(a);
  free(b);
}

static void run_steps_called(const struct bench_row *row) {
  run_function(row, mlx_closure_new_func(hundred));
}

static void run_steps_compiled(const struct bench_row *row) {
  mlx_closure plain = mlx_closure_new_func(hundred), made = mlx_closure_new();
  must(mlx_compile(&made, plain, false));
  mlx_closure_free(plain);
  run_function(row, made);
}

static void step_products(void *state) {
  struct inputs *in = state;
  mlx_stream s = mlx_default_cpu_stream_new();
  must(mlx_array_set(&in->y, in->a));
  for (int i = 0; i < BENCH_PRODUCTS; i++) must(mlx_matmul(&in->y, in->y, in->b, s));
  must(mlx_array_eval(in->y));
  mlx_stream_free(s);
}

static void run_matmul_chain(const struct bench_row *row) {
  enum { SIDE = BENCH_PRODUCT_SIDE };
  float *a = bench_data(SIDE * SIDE, 1), *turn = bench_rotation(1);
  struct inputs in = inputs_of(a, turn, NULL, SIDE, SIDE);
  bench_emit(row, "s", bench_time(step_products, &in) / BENCH_PRODUCTS);
  bench_check_products(row, values(in.y), a);
  release(&in);
  free(a);
  free(turn);
}

static void step_fused(void *state) {
  struct inputs *in = state;
  mlx_stream s = mlx_default_cpu_stream_new();
  mlx_array decay = mlx_array_new(), root = mlx_array_new();
  drop(&in->y);
  must(mlx_multiply(&root, in->a, in->b, s));
  must(mlx_add(&root, root, in->c, s));
  must(mlx_abs(&root, root, s));
  must(mlx_sqrt(&root, root, s));
  must(mlx_negative(&decay, in->a, s));
  must(mlx_exp(&decay, decay, s));
  must(mlx_multiply(&in->y, root, decay, s));
  mlx_array_free(root);
  mlx_array_free(decay);
  must(mlx_array_eval(in->y));
  mlx_stream_free(s);
}

static void step_add(void *state) {
  struct inputs *in = state;
  drop(&in->y);
  step_small_eval(in);
}

static void step_sum(void *state) {
  struct inputs *in = state;
  mlx_stream s = mlx_default_cpu_stream_new();
  must(mlx_sum(&in->y, in->a, false, s));
  must(mlx_array_eval(in->y));
  mlx_stream_free(s);
}

static void step_softmax(void *state) {
  struct inputs *in = state;
  mlx_stream s = mlx_default_cpu_stream_new();
  drop(&in->y);
  must(mlx_softmax_axis(&in->y, in->a, -1, false, s));
  must(mlx_array_eval(in->y));
  mlx_stream_free(s);
}

static void step_matmul(void *state) {
  struct inputs *in = state;
  mlx_stream s = mlx_default_cpu_stream_new();
  drop(&in->y);
  must(mlx_matmul(&in->y, in->a, in->b, s));
  must(mlx_array_eval(in->y));
  mlx_stream_free(s);
}

static void run_fused(const struct bench_row *row) {
  float *a = bench_data(BENCH_LARGE, 1);
  float *b = bench_data(BENCH_LARGE, 2);
  float *c = bench_data(BENCH_LARGE, 3);
  struct inputs in = inputs_of(a, b, c, 0, BENCH_LARGE);
  bench_emit(row, "s", bench_time(step_fused, &in));
  bench_check_fused(row, values(in.y), a, b, c);
  release(&in);
  free(a);
  free(b);
  free(c);
}

static void run_add(const struct bench_row *row) {
  float *a = bench_data(BENCH_LARGE, 1), *b = bench_data(BENCH_LARGE, 2);
  struct inputs in = inputs_of(a, b, NULL, 0, BENCH_LARGE);
  bench_emit(row, "s", bench_time(step_add, &in));
  bench_check_add(row, values(in.y), a, b, BENCH_LARGE);
  release(&in);
  free(a);
  free(b);
}

static void run_sum(const struct bench_row *row) {
  float *a = bench_data(BENCH_LARGE, 1);
  struct inputs in = inputs_of(a, NULL, NULL, 0, BENCH_LARGE);
  bench_emit(row, "s", bench_time(step_sum, &in));
  bench_check_sum(row, values(in.y)[0], a);
  release(&in);
  free(a);
}

static void run_softmax(const struct bench_row *row) {
  enum { SIDE = BENCH_SOFTMAX_SIDE };
  float *a = bench_data((size_t)SIDE * SIDE, 1);
  struct inputs in = inputs_of(a, NULL, NULL, SIDE, SIDE);
  bench_emit(row, "s", bench_time(step_softmax, &in));
  bench_check_softmax(row, values(in.y), a);
  release(&in);
  free(a);
}

static void run_matmul(const struct bench_row *row) {
  enum { SIDE = BENCH_MATMUL_SIDE };
  float *a = bench_data(SIDE * SIDE, 1), *b = bench_data(SIDE * SIDE, 2);
  struct inputs in = inputs_of(a, b, NULL, SIDE, SIDE);
  bench_emit(row, "flop/s", 2.0 * SIDE * SIDE * SIDE / bench_time(step_matmul, &in));
  bench_check_matmul(row, values(in.y), a, b);
  release(&in);
  free(a);
  free(b);
}

static void *request_main(void *state) {
  step_small_eval(state);
  return NULL;
}

static void step_thread_request(void *state) {
  pthread_t thread;
  if (pthread_create(&thread, NULL, request_main, state)) bench_fail("no thread");
  pthread_join(thread, NULL);
}

static void step_stream_request(void *state) {
  struct inputs *in = state;
  mlx_device cpu = mlx_device_new_type(MLX_CPU, 0);
  mlx_stream s = mlx_stream_new_device(cpu);
  must(mlx_add(&in->y, in->a, in->b, s));
  must(mlx_array_eval(in->y));
  mlx_stream_free(s);
  mlx_device_free(cpu);
}

static void run_requests(const struct bench_row *row, bench_step step) {
  struct inputs *in = open_small();
  bench_requests(row, step, in);
  check_small(row, in);
  close_small(in);
}

static void run_thread_request(const struct bench_row *row) {
  run_requests(row, step_thread_request);
}

static void run_stream_request(const struct bench_row *row) {
  run_requests(row, step_stream_request);
}

static void run_evals(const struct bench_row *row, int threads) {
  static const struct bench_worker worker = {open_small, step_small_eval, close_small};
  bench_parallel(row, &worker, threads);
}

static void run_evals_1(const struct bench_row *row) { run_evals(row, 1); }
static void run_evals_2(const struct bench_row *row) { run_evals(row, 2); }
static void run_evals_4(const struct bench_row *row) { run_evals(row, 4); }
static void run_evals_8(const struct bench_row *row) { run_evals(row, 8); }

static const struct bench_row rows[] = {
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

int main(int argc, char **argv) {
  return bench_main(argc, argv, rows, sizeof rows / sizeof rows[0]);
}
