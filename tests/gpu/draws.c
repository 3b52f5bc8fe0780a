/* Random bits that are drawn in a group give the bits, and what is made of them the bytes, that the
   commands give one by one: for numbers of elements around halves and packs, keys on the host and
   on the GPU, two draws in one group, draws that several steps read, inputs of each layout; single
   values of the host's of every dtype. Each runs three times, so that small ones run step by step
   first and then by their kernel. And the bits are the CPU's. */

#include <stdlib.h>

#include "gpu_case.h"
#include "mlx/c/mlx.h"

static mlx_stream gpu, cpu;
static bool apart;

static void must(int status) {
  if (status == 0) return;
  fprintf(stderr, "a call failed\n");
  exit(1);
}

/* Takes what was there. */
static void step(int status, mlx_array r) {
  must(status);
  if (apart) must(mlx_array_eval(r));
}

static bool same(mlx_array a, mlx_array b) {
  mlx_array x = mlx_array_new(), y = mlx_array_new();
  must(mlx_copy(&x, a, cpu) || mlx_copy(&y, b, cpu) || mlx_array_eval(x) || mlx_array_eval(y));
  const size_t bytes = mlx_array_nbytes(x);
  const bool result = mlx_array_dtype(x) == mlx_array_dtype(y) && bytes == mlx_array_nbytes(y) &&
                      memcmp(mlx_array_data_uint8(x), mlx_array_data_uint8(y), bytes) == 0;
  mlx_array_free(x);
  mlx_array_free(y);
  return result;
}

/* ---- draws ---- */

enum { WAYS = 6 };

struct drawing {
  int shape[2];
  mlx_array keys[2];
  mlx_array row; /* uint32, of the last axis */
  mlx_array turned;
};

static mlx_array drawn(const struct drawing *d, int way, mlx_stream s) {
  mlx_array x = mlx_array_new(), y = mlx_array_new(), five = mlx_array_new_int(5);
  must(mlx_astype(&five, five, MLX_UINT32, cpu) || mlx_array_eval(five));
  step(mlx_random_bits(&x, d->shape, 2, 4, d->keys[0], s), x);
  switch (way) {
    case 0: /* the key and a value of the host's */
      step(mlx_bitwise_xor(&x, x, five, s), x);
      step(mlx_bitwise_or(&x, x, five, s), x);
      break;
    case 1: /* two draws */
      step(mlx_random_bits(&y, d->shape, 2, 4, d->keys[1], s), y);
      step(mlx_subtract(&x, x, y, s), x);
      step(mlx_bitwise_xor(&x, x, y, s), x);
      break;
    case 2: /* a row */
      step(mlx_add(&x, x, d->row, s), x);
      step(mlx_right_shift(&x, x, five, s), x);
      break;
    case 3: /* turned */
      step(mlx_add(&x, d->turned, x, s), x);
      step(mlx_maximum(&x, x, d->turned, s), x);
      break;
    case 4: /* another width, read twice */
      step(mlx_astype(&y, x, MLX_UINT8, s), y);
      step(mlx_astype(&x, x, MLX_UINT64, s), x);
      step(mlx_add(&x, x, y, s), x);
      break;
    default: /* a sum over rows is no part of it */
      step(mlx_bitwise_and(&x, x, five, s), x);
      step(mlx_multiply(&x, x, five, s), x);
      step(mlx_sum_axis(&x, x, 1, false, s), x);
  }
  must(mlx_array_eval(x));
  mlx_array_free(y);
  mlx_array_free(five);
  return x;
}

static mlx_array counting(int rows, int columns, bool turn) {
  const int shape[] = {turn ? columns : rows, turn ? rows : columns};
  mlx_array a = mlx_array_new();
  must(mlx_arange(&a, 0, rows * columns, 1, MLX_UINT32, gpu) || mlx_reshape(&a, a, shape, 2, gpu) ||
       mlx_array_eval(a));
  if (turn) must(mlx_transpose(&a, a, gpu));
  return a;
}

static void compare(const struct drawing *d, int way, const char *keys) {
  char what[96];
  apart = true;
  mlx_array by_steps = drawn(d, way, gpu), on_cpu = drawn(d, way, cpu);
  apart = false;
  snprintf(what, sizeof what, "way %d, %d x %d, keys %s", way, d->shape[0], d->shape[1], keys);
  gpu_case_checks++;
  if (!same(by_steps, on_cpu)) gpu_case_fail(what, "the CPU's differ");
  for (int i = 0; i < 3; i++) {
    mlx_array at_once = drawn(d, way, gpu);
    gpu_case_checks++;
    if (!same(by_steps, at_once)) gpu_case_fail(what, "differs from its operations");
    mlx_array_free(at_once);
  }
  mlx_array_free(by_steps);
  mlx_array_free(on_cpu);
}

static void draws(int rows, int columns) {
  struct drawing d = {.shape = {rows, columns},
                      .row = counting(1, columns, false),
                      .turned = counting(rows, columns, true)};
  for (int on_gpu = 0; on_gpu < 2; on_gpu++) {
    for (int i = 0; i < 2; i++) {
      d.keys[i] = mlx_array_new();
      must(mlx_random_key(&d.keys[i], (uint64_t)(rows * 7 + columns + i) << 31));
    }
    /* Rows of one array, of which the second begins in its middle. */
    if (on_gpu) {
      must(mlx_random_split(&d.keys[0], &d.keys[1], d.keys[0], gpu) || mlx_array_eval(d.keys[0]) ||
           mlx_array_eval(d.keys[1]));
    }
    for (int way = 0; way < WAYS; way++) compare(&d, way, on_gpu ? "on the GPU" : "on the host");
    for (int i = 0; i < 2; i++) mlx_array_free(d.keys[i]);
  }
  mlx_array_free(d.row);
  mlx_array_free(d.turned);
}

/* ---- keys of compiled functions, which are planned before there is a key ---- */

static int drawing_of(mlx_vector_array *res, const mlx_array key) {
  static const int shape[] = {33, 64};
  mlx_array x = mlx_array_new(), y = mlx_array_new();
  int rc = mlx_random_bits(&x, shape, 2, 4, key, gpu) || mlx_bitwise_invert(&y, x, gpu) ||
           mlx_right_shift(&x, x, y, gpu) || mlx_bitwise_xor(&x, x, y, gpu) ||
           mlx_vector_array_append_value(*res, x);
  mlx_array_free(x);
  mlx_array_free(y);
  return rc;
}

static int of_argument(mlx_vector_array *res, const mlx_vector_array in) {
  mlx_array key = mlx_array_new();
  *res = mlx_vector_array_new();
  int rc = mlx_vector_array_get(&key, in, 0) || drawing_of(res, key);
  mlx_array_free(key);
  return rc;
}

static int of_constant(mlx_vector_array *res, const mlx_vector_array in, void *key) {
  (void)in;
  *res = mlx_vector_array_new();
  return drawing_of(res, *(mlx_array *)key);
}

static mlx_array applied(mlx_closure f, mlx_array key) {
  mlx_vector_array in = mlx_vector_array_new_value(key), out = mlx_vector_array_new();
  mlx_array r = mlx_array_new();
  must(mlx_closure_apply(&out, f, in) || mlx_vector_array_get(&r, out, 0) || mlx_array_eval(r));
  mlx_vector_array_free(in);
  mlx_vector_array_free(out);
  return r;
}

static void compiled_key(mlx_array key, const char *what) {
  mlx_closure plain[2] = {mlx_closure_new_func(of_argument),
                          mlx_closure_new_func_payload(of_constant, &key, NULL)};
  for (int i = 0; i < 2; i++) {
    mlx_closure compiled = mlx_closure_new();
    must(mlx_compile(&compiled, plain[i], false));
    apart = true;
    mlx_array expected = applied(plain[i], key);
    apart = false;
    for (int turn = 0; turn < 3; turn++) {
      mlx_array r = applied(compiled, key);
      gpu_case_checks++;
      if (!same(expected, r)) gpu_case_fail(what, i ? "as a constant" : "as an argument");
      mlx_array_free(r);
    }
    mlx_array_free(expected);
    mlx_closure_free(compiled);
    mlx_closure_free(plain[i]);
  }
}

static void compiled_keys(bool on_gpu) {
  static const uint32_t words[] = {7, 1u << 31, 12, 5, 77, 3};
  const int three[] = {2, 3}, two = 2, starts[] = {0, 1}, ends[] = {2, 2}, steps[] = {1, 1};
  const int last = 1, none = -3, back = -1;
  mlx_stream s = on_gpu ? gpu : cpu;
  mlx_array all = mlx_array_new_data(words, three, 2, MLX_UINT32), value = mlx_array_new();
  mlx_array dense = mlx_array_new(), column = mlx_array_new(), turned = mlx_array_new(),
            spread = mlx_array_new();
  must(mlx_random_key(&dense, 99) || mlx_add(&dense, dense, dense, s) ||
       mlx_multiply(&all, all, all, s) ||
       mlx_slice(&column, all, starts, 2, ends, 2, steps, 2, s) ||
       mlx_squeeze_axis(&column, column, 1, s) ||
       mlx_slice(&turned, dense, &last, 1, &none, 1, &back, 1, s) ||
       mlx_max(&value, all, false, s) || mlx_broadcast_to(&spread, value, &two, 1, s) ||
       mlx_array_eval(dense) || mlx_array_eval(column) || mlx_array_eval(turned) ||
       mlx_array_eval(spread));
  compiled_key(dense, on_gpu ? "dense, on the GPU" : "dense");
  compiled_key(column, on_gpu ? "a column, on the GPU" : "a column");
  compiled_key(turned, on_gpu ? "turned, on the GPU" : "turned");
  compiled_key(spread, on_gpu ? "a single value, on the GPU" : "a single value");
  mlx_array made[] = {all, value, dense, column, turned, spread};
  for (int i = 0; i < 6; i++) mlx_array_free(made[i]);
}

/* ---- distributions ---- */

/* They are what they are of evaluated bits: all of uniform and of yes and no, and what the CPU has
   of others but for its last digits. */
static void distributions(int n) {
  mlx_array key = mlx_array_new(), low = mlx_array_new_float(-2), high = mlx_array_new_float(5);
  mlx_array third = mlx_array_new_float(0.3f), p = mlx_array_new();
  must(mlx_random_key(&key, (uint64_t)n));
  for (int t = 0; t < 3; t++) {
    static const mlx_dtype types[] = {MLX_FLOAT32, MLX_FLOAT16, MLX_BFLOAT16};
    must(mlx_astype(&p, third, types[t], cpu));
    for (int k = 0; k < 5; k++) {
      mlx_array r[2] = {mlx_array_new(), mlx_array_new()};
      mlx_array x = mlx_array_new(), y = mlx_array_new(), close = mlx_array_new();
      for (int i = 0; i < 2; i++) {
        const mlx_stream s = i ? cpu : gpu;
        for (int again = 0; again < 3; again++) {
          must(k == 0   ? mlx_random_uniform(&r[i], low, high, &n, 1, types[t], key, s)
               : k == 1 ? mlx_random_normal(&r[i], &n, 1, types[t], 0, 1, key, s)
               : k == 2 ? mlx_random_normal(&r[i], &n, 1, types[t], 3, 0.5, key, s)
               : k == 3 ? mlx_random_bernoulli(&r[i], p, &n, 1, key, s)
                        : mlx_random_gumbel(&r[i], &n, 1, types[t], key, s));
          must(mlx_array_eval(r[i]));
        }
      }
      bool is_close = false;
      must(mlx_astype(&x, r[0], MLX_FLOAT32, cpu) || mlx_astype(&y, r[1], MLX_FLOAT32, cpu));
      must(mlx_allclose(&close, x, y,
                        t == 0   ? 1e-5
                        : t == 1 ? 2e-3
                                 : 2e-2,
                        t == 0 ? 1e-6 : 1e-3, false, cpu) ||
           mlx_array_item_bool(&is_close, close));
      char what[64];
      snprintf(what, sizeof what, "distribution %d of type %d, %d numbers", k, t, n);
      gpu_case_checks++;
      if (!is_close || ((k == 0 || k == 3) && !same(r[0], r[1])))
        gpu_case_fail(what, "the CPU's differ");
      mlx_array all[] = {r[0], r[1], x, y, close};
      for (int i = 0; i < 5; i++) mlx_array_free(all[i]);
    }
  }
  mlx_array_free(key);
  mlx_array_free(low);
  mlx_array_free(high);
  mlx_array_free(third);
  mlx_array_free(p);
}

/* ---- single values of the host's ---- */

static mlx_array with_values(mlx_array a, const mlx_array *value) {
  mlx_array r = mlx_array_new(), b = mlx_array_new();
  step(mlx_maximum(&r, a, value[0], gpu), r);
  step(mlx_less(&b, r, value[1], gpu), b);
  step(mlx_where(&r, b, r, value[1], gpu), r);
  step(mlx_minimum(&r, value[2], r, gpu), r);
  must(mlx_array_eval(r));
  mlx_array_free(b);
  return r;
}

static void values(enum wr_dtype t, int n) {
  mlx_array value[3], a = mlx_array_new();
  uint32_t seed = (uint32_t)t * 100 + (uint32_t)n;
  for (int i = 0; i < 3; i++) {
    const int one = 1;
    uint64_t bits = 0;
    gpu_case_put(&bits, 0, t, &seed, false);
    value[i] = mlx_array_new_data(&bits, &one, i > 0, (mlx_dtype)t);
  }
  must(mlx_arange(&a, -5, n - 5, 1, MLX_FLOAT32, gpu) || mlx_astype(&a, a, (mlx_dtype)t, gpu) ||
       mlx_array_eval(a));
  apart = true;
  mlx_array by_steps = with_values(a, value);
  apart = false;
  for (int i = 0; i < 3; i++) {
    mlx_array at_once = with_values(a, value);
    char what[64];
    snprintf(what, sizeof what, "values of dtype %d, %d elements", (int)t, n);
    gpu_case_checks++;
    if (!same(by_steps, at_once)) gpu_case_fail(what, "differs from its operations");
    mlx_array_free(at_once);
  }
  for (int i = 0; i < 3; i++) mlx_array_free(value[i]);
  mlx_array_free(a);
  mlx_array_free(by_steps);
}

int main(void) {
  static const int sizes[][2] = {{1, 3},   {1, 4},     {2, 2},      {5, 1},
                                 {7, 11},  {8, 16},    {3, 1024},   {1, 1030},
                                 {33, 77}, {64, 1024}, {257, 1021}, {512, 1032}};
  if (!gpu_case_start()) return GPU_CASE_SKIPPED;
  gpu = mlx_default_gpu_stream_new();
  cpu = mlx_default_cpu_stream_new();
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) draws(sizes[i][0], sizes[i][1]);
  compiled_keys(false);
  compiled_keys(true);
  for (int n = 3; n < 2000000; n = n * 7 + 2) distributions(n);
  distributions(1 << 20);
  for (int t = 0; t < WR_DTYPE_COUNT; t++) {
    values((enum wr_dtype)t, 37);
    values((enum wr_dtype)t, 4096);
  }
  mlx_stream_free(gpu);
  mlx_stream_free(cpu);
  return gpu_case_end();
}
