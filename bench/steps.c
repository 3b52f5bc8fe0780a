// Does one kind of operation so many times and ends: for counters of instructions, which have no
// use for a clock. bench/counts runs it.
//
//   bench_steps default_stream|record|small_eval|in_request|by_ring|chain|fused|called|compiled
//   COUNT

#include <stdio.h>
#include <string.h>

#include "calls.h"
#include "mlx/c/mlx.h"
#include "weir/weir.h"

static mlx_array one, two;
static const mlx_stream none;

static void default_stream(void) { mlx_stream_free(mlx_default_cpu_stream_new()); }

static void record(void) {
  mlx_array out = mlx_array_new();
  must(mlx_add(&out, one, two, none));
  mlx_array_free(out);
}

static void small_eval(void) {
  mlx_array out = mlx_array_new();
  must(mlx_add(&out, one, two, none));
  must(mlx_array_eval(out));
  mlx_array_free(out);
}

// The same in a request, which the thread is inside from the first step on.
static weir_request request;

static void in_request(void) {
  if (!request.ctx) {
    request = weir_request_new();
    must(weir_request_enter(request));
  }
  small_eval();
}

// By a ring, started and taken.
static void by_ring(void) {
  static weir_ring ring;
  weir_completion done;
  size_t taken = 0;
  if (!ring.ctx) ring = weir_ring_new();
  mlx_array out = mlx_array_new();
  must(mlx_add(&out, one, two, none));
  mlx_vector_array v = mlx_vector_array_new_value(out);
  must(weir_ring_eval(ring, v, request, NULL));
  must(weir_ring_take(&taken, ring, &done, 1, 1000000000));
  if (taken != 1 || done.status != WEIR_OK) must(1);
  mlx_vector_array_free(v);
  mlx_array_free(out);
}

// Ten additions that depend on each other.
static void chain(void) {
  mlx_array out = mlx_array_new();
  must(mlx_add(&out, one, two, none));
  for (int i = 1; i < 10; i++) must(mlx_add(&out, out, one, none));
  must(mlx_array_eval(out));
  mlx_array_free(out);
}

// sqrt(abs(a*a+b)), one group where groups are on.
static void fused(void) {
  mlx_array out = mlx_array_new();
  must(mlx_multiply(&out, one, one, none));
  must(mlx_add(&out, out, two, none));
  must(mlx_abs(&out, out, none));
  must(mlx_sqrt(&out, out, none));
  must(mlx_array_eval(out));
  mlx_array_free(out);
}

// A hundred elementwise steps on small arrays, as they are called and as they were compiled.
static int hundred(mlx_vector_array *res, const mlx_vector_array in) {
  mlx_array x = mlx_array_new(), y = mlx_array_new();
  must(mlx_vector_array_get(&x, in, 0));
  must(mlx_vector_array_get(&y, in, 1));
  for (int i = 0; i < 50; i++) {
    must(mlx_add(&x, x, y, none));
    must(mlx_abs(&x, x, none));
  }
  must(mlx_vector_array_set_value(res, x));
  mlx_array_free(x);
  mlx_array_free(y);
  return 0;
}

static mlx_closure function;

static void apply(void) {
  mlx_array both[2] = {one, two}, out = mlx_array_new();
  mlx_vector_array in = mlx_vector_array_new_data(both, 2), res = mlx_vector_array_new();
  if (!function.ctx) function = mlx_closure_new_func(hundred);
  must(mlx_closure_apply(&res, function, in));
  must(mlx_vector_array_get(&out, res, 0));
  must(mlx_array_eval(out));
  mlx_array_free(out);
  mlx_vector_array_free(in);
  mlx_vector_array_free(res);
}

static void called(void) { apply(); }

static void compiled(void) {
  if (!function.ctx) {
    mlx_closure plain = mlx_closure_new_func(hundred);
    function = mlx_closure_new();
    must(mlx_compile(&function, plain, false));
    mlx_closure_free(plain);
  }
  apply();
}

static mlx_array ones(void) {
  const int shape = 16;
  mlx_array value = mlx_array_new_float(1), out = mlx_array_new();
  must(mlx_full(&out, &shape, 1, value, MLX_FLOAT32, none));
  must(mlx_array_eval(out));
  mlx_array_free(value);
  return out;
}

int main(int argc, char **argv) {
  static const struct {
    const char *name;
    void (*step)(void);
  } kinds[] = {{"default_stream", default_stream},
               {"record", record},
               {"small_eval", small_eval},
               {"in_request", in_request},
               {"by_ring", by_ring},
               {"chain", chain},
               {"fused", fused},
               {"called", called},
               {"compiled", compiled}};
  if (argc != 3) return 2;
  must(mlx_set_default_device(mlx_device_new_type(MLX_CPU, 0)));  // also where there is a GPU
  one = ones();
  two = ones();
  for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
    if (strcmp(argv[1], kinds[k].name) != 0) continue;
    for (long n = atol(argv[2]); n > 0; n--) kinds[k].step();
    mlx_array_free(one);
    mlx_array_free(two);
    mlx_closure_free(function);
    return 0;
  }
  return 2;
}
