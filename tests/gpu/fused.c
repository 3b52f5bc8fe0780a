/* Groups on the GPU: chains of elementwise operations, with a reduction, a softmax or nothing at
   the end, evaluated at once, give the bytes that they give when every operation is evaluated by
   itself, for all dtypes, for dense, broadcast and turned inputs, and for rows of each length that
   kernels tell apart. Each chain runs three times, so that small ones run step by step first and
   then by their kernel. NaN is NaN. */

#include <math.h>
#include <stdlib.h>

#include "gpu_case.h"
#include "mlx/c/mlx.h"

enum { ROWS = 37, LINKS = 12, CHAINS = 16 };

/* Short, odd, in packs of every dtype or of some, in registers by one pack or four, longer. */
static const int columns_of[] = {31, 129, 144, 4099, 132, 1024, 7, 16400};

static mlx_stream gpu, cpu;
static uint32_t seed;

typedef int (*unary_fn)(mlx_array *, mlx_array, mlx_stream);
typedef int (*binary_fn)(mlx_array *, mlx_array, mlx_array, mlx_stream);

static const unary_fn unaries[] = {mlx_abs,  mlx_exp, mlx_square,  mlx_negative, mlx_tanh,
                                   mlx_sqrt, mlx_sin, mlx_sigmoid, mlx_sign,     mlx_isfinite};
static const binary_fn binaries[] = {mlx_add,     mlx_subtract, mlx_multiply,  mlx_maximum,
                                     mlx_minimum, mlx_divide,   mlx_remainder, mlx_less,
                                     mlx_greater, mlx_equal};

static void must(int status) {
  if (status == 0) return;
  fprintf(stderr, "a call failed\n");
  exit(1);
}

static void refused(const char *message, void *data) {
  (void)message;
  (void)data;
}

static uint32_t below(uint32_t n) { return gpu_case_next(&seed) % n; }

/* Form 0: dense; 1: one row for all; 2: one element for all; 3: turned. */
static mlx_array input(uint32_t form, int columns, mlx_dtype dtype) {
  const int shape[] = {form == 1 || form == 2 ? 1
                       : form == 3            ? columns
                                              : ROWS,
                       form == 2   ? 1
                       : form == 3 ? ROWS
                                   : columns};
  const int n = shape[0] * shape[1];
  float *data = malloc((size_t)n * sizeof *data);
  must(data == NULL);
  for (int i = 0; i < n; i++) data[i] = (float)gpu_case_real(&seed, false);
  mlx_array a = mlx_array_new_data(data, shape, 2, MLX_FLOAT32);
  free(data);
  must(mlx_astype(&a, a, dtype, gpu));
  must(mlx_array_eval(a));
  if (form == 3) must(mlx_transpose(&a, a, gpu));
  return a;
}

/* Not every dtype has every operation: what is refused is left out, the same both times. */
static void link_on(mlx_array *r, const mlx_array *in, mlx_dtype dtype) {
  switch (below(8)) {
    case 0:
      mlx_where(r, in[3], *r, in[below(3)], gpu);
      break;
    case 1:
      must(mlx_astype(r, *r, dtype, gpu));
      break;
    case 2:
    case 3:
      unaries[below(sizeof unaries / sizeof unaries[0])](r, *r, gpu);
      break;
    default:
      binaries[below(sizeof binaries / sizeof binaries[0])](r, *r, in[below(3)], gpu);
  }
}

static void end_on(mlx_array *r) {
  switch (below(10)) {
    case 0:
      mlx_sum_axis(r, *r, -1, false, gpu);
      break;
    case 1:
      mlx_max(r, *r, false, gpu);
      break;
    case 2:
      mlx_min_axis(r, *r, -1, true, gpu);
      break;
    case 3:
      mlx_all_axis(r, *r, -1, false, gpu);
      break;
    case 4:
      mlx_sum(r, *r, false, gpu);
      break;
    case 5:
    case 6:
    case 7:
      mlx_softmax_axis(r, *r, -1, below(2) != 0, gpu);
      break;
    default:
      break;
  }
}

static mlx_array chain(const mlx_array *in, mlx_dtype dtype, uint32_t from, bool apart) {
  mlx_array r = mlx_array_new();
  seed = from;
  must(mlx_array_set(&r, in[0]));
  for (int i = 0; i < LINKS; i++) {
    link_on(&r, in, dtype);
    if (apart) must(mlx_array_eval(r));
  }
  end_on(&r);
  must(mlx_array_eval(r));
  return r;
}

/* One NaN counts as another. */
static bool same(mlx_array a, mlx_array b) {
  mlx_array x = mlx_array_new(), y = mlx_array_new(), equal = mlx_array_new();
  bool result = false;
  must(mlx_copy(&x, a, cpu));
  must(mlx_copy(&y, b, cpu));
  must(mlx_array_equal(&equal, x, y, true, cpu));
  must(mlx_array_item_bool(&result, equal));
  result = result && mlx_array_dtype(a) == mlx_array_dtype(b);
  mlx_array_free(x);
  mlx_array_free(y);
  mlx_array_free(equal);
  return result;
}

static void compare(mlx_dtype dtype, int columns) {
  mlx_array in[4];
  for (int i = 0; i < 3; i++) in[i] = input(i == 0 ? 0 : below(4), columns, dtype);
  in[3] = input(below(4), columns, MLX_BOOL);
  const uint32_t from = gpu_case_next(&seed);
  mlx_array apart = chain(in, dtype, from, true);
  for (int i = 0; i < 3; i++) {
    mlx_array at_once = chain(in, dtype, from, false);
    char what[64];
    snprintf(what, sizeof what, "chain %u of dtype %d, %d columns", from, (int)dtype, columns);
    gpu_case_checks++;
    if (!same(apart, at_once)) gpu_case_fail(what, "differs from its operations");
    mlx_array_free(at_once);
  }
  mlx_array_free(apart);
  for (int i = 0; i < 4; i++) mlx_array_free(in[i]);
}

int main(void) {
  if (!gpu_case_start()) return GPU_CASE_SKIPPED;
  gpu = mlx_default_gpu_stream_new();
  cpu = mlx_default_cpu_stream_new();
  mlx_set_error_handler(refused, NULL, NULL);
  for (int dtype = 0; dtype < WR_DTYPE_COUNT; dtype++) {
    for (uint32_t i = 0; i < CHAINS; i++) {
      seed = (uint32_t)dtype * 1000u + i + 1u;
      compare((mlx_dtype)dtype, columns_of[i % (sizeof columns_of / sizeof columns_of[0])]);
    }
  }
  mlx_stream_free(gpu);
  mlx_stream_free(cpu);
  return gpu_case_end();
}
