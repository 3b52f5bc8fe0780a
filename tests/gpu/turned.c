/* Elementwise operations and groups on the GPU of which some inputs are transposes, large enough to
   be read by tiles: they give the bytes that they give of copies of the same inputs. All dtypes,
   with axes before, between and broadcast, and sides that tiles do not fill. */

#include <stdlib.h>

#include "gpu_case.h"
#include "mlx/c/mlx.h"

static mlx_stream gpu, cpu;

static void must(int status) {
  if (status == 0) return;
  fprintf(stderr, "a call failed\n");
  exit(1);
}

/* What is refused for a dtype is refused for copies too. */
static void refused(const char *message, void *data) {
  (void)message;
  (void)data;
}

/* How an input lies: the order in which its axes do, and the axis along which it has one element
   for all; -1: none. */
struct form {
  int order[3];
  int same;
};

static const struct form dense = {{0, 1, 2}, -1}, turned = {{0, 2, 1}, -1},
                         outward = {{2, 1, 0}, -1}, between = {{1, 2, 0}, -1}, row = {{0, 1, 2}, 1},
                         turned_for_all = {{0, 2, 1}, 0};

struct shape {
  int n[3];
};

/* A view of the shape, of an array whose axes lie as the form says. */
static mlx_array input(struct form f, struct shape s, mlx_dtype dtype, uint32_t seed) {
  int shape[3], back[3], n = 1;
  for (int i = 0; i < 3; i++) {
    shape[i] = f.order[i] == f.same ? 1 : s.n[f.order[i]];
    back[f.order[i]] = i;
    n *= shape[i];
  }
  float *data = malloc((size_t)n * sizeof *data);
  must(data == NULL);
  for (int i = 0; i < n; i++) data[i] = (float)gpu_case_real(&seed, false);
  mlx_array a = mlx_array_new_data(data, shape, 3, MLX_FLOAT32);
  free(data);
  must(mlx_astype(&a, a, dtype, gpu));
  must(mlx_array_eval(a));
  must(mlx_transpose_axes(&a, a, back, 3, gpu));
  must(mlx_broadcast_to(&a, a, s.n, 3, gpu));
  return a;
}

static mlx_array copy_of(mlx_array a) {
  mlx_array copy = mlx_array_new();
  must(mlx_contiguous(&copy, a, false, gpu));
  must(mlx_array_eval(copy));
  return copy;
}

enum { KINDS = 10 };

/* Of two inputs and a condition; the last three are groups. */
static int made(mlx_array *r, int kind, const mlx_array *in) {
  mlx_array x = mlx_array_new();
  int status = 0;
  switch (kind) {
    case 0:
      status = mlx_add(r, in[0], in[1], gpu);
      break;
    case 1:
      status = mlx_less(r, in[1], in[0], gpu);
      break;
    case 2:
      status = mlx_add(r, in[1], in[1], gpu);
      break;
    case 3:
      status = mlx_where(r, in[2], in[0], in[1], gpu);
      break;
    case 4:
      status = mlx_square(r, in[1], gpu);
      break;
    case 5:
      status = mlx_astype(r, in[1], MLX_FLOAT16, gpu);
      break;
    case 6:
      status = mlx_astype(r, in[1], MLX_FLOAT64, gpu);
      break;
    case 7:
      status = mlx_add(&x, in[0], in[1], gpu) || mlx_multiply(r, x, in[0], gpu);
      break;
    case 8:
      status = mlx_maximum(&x, in[1], in[0], gpu) || mlx_where(r, in[2], x, in[1], gpu);
      break;
    default:
      status =
          mlx_square(&x, in[1], gpu) || mlx_add(&x, x, in[0], gpu) || mlx_greater(r, x, in[1], gpu);
  }
  mlx_array_free(x);
  return status || mlx_array_eval(*r);
}

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

static void compare(struct form f, struct form g, struct form condition, struct shape s,
                    mlx_dtype dtype) {
  const mlx_array in[] = {input(f, s, dtype, 1u), input(g, s, dtype, 2u),
                          input(condition, s, MLX_BOOL, 3u)};
  const mlx_array copies[] = {copy_of(in[0]), copy_of(in[1]), copy_of(in[2])};
  for (int kind = 0; kind < KINDS; kind++) {
    mlx_array a = mlx_array_new(), b = mlx_array_new();
    char what[64];
    snprintf(what, sizeof what, "kind %d of dtype %d, %d x %d x %d", kind, (int)dtype, s.n[0],
             s.n[1], s.n[2]);
    const int status = made(&a, kind, in), wanted = made(&b, kind, copies);
    gpu_case_checks++;
    if (status != wanted || (status == 0 && !same(a, b))) gpu_case_fail(what, "differs");
    mlx_array_free(a);
    mlx_array_free(b);
  }
  for (int i = 0; i < 3; i++) {
    mlx_array_free(in[i]);
    mlx_array_free(copies[i]);
  }
}

int main(void) {
  if (!gpu_case_start()) return GPU_CASE_SKIPPED;
  gpu = mlx_default_gpu_stream_new();
  cpu = mlx_default_cpu_stream_new();
  mlx_set_error_handler(refused, NULL, NULL);
  for (int dtype = 0; dtype < WR_DTYPE_COUNT; dtype++) {
    const mlx_dtype t = (mlx_dtype)dtype;
    compare(dense, turned, dense, (struct shape){{1, 300, 259}}, t);
    compare(turned, turned, turned, (struct shape){{3, 130, 193}}, t);
    compare(row, turned, turned, (struct shape){{2, 1031, 33}}, t);
    compare(dense, outward, turned, (struct shape){{66, 5, 211}}, t);
    compare(outward, between, dense, (struct shape){{70, 40, 33}}, t);
    compare(turned_for_all, turned, dense, (struct shape){{4, 128, 192}}, t);
    compare(turned, dense, outward, (struct shape){{2, 32, 4099}}, t);
  }
  mlx_stream_free(gpu);
  mlx_stream_free(cpu);
  return gpu_case_end();
}
