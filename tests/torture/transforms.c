/* Every allocation fails once in each transform of what composes many operations: convolutions,
   Fourier transforms, linear algebra, quantised products, attention, gathers and scatters; and
   where graphs are shown, and functions written and read. */

#include <math.h>

#include "mean_cpu.h"
#include "memory/buffer.h"
#include "mlx/c/mlx.h"
#include "sweep.h"
#include "weir/weir.h"

enum { N = 32 };

static const mlx_stream none;
static char name[] = "/tmp/weir-torture-XXXXXX";

static void hear(const char *message, void *data) { CHECK(message[0] != '\0' && !data); }

static mlx_array numbers(const int *shape, int ndim) {
  float values[2 * N];
  for (int i = 0; i < 2 * N; i++) values[i] = sinf((float)(i * i));
  return mlx_array_new_data(values, shape, ndim, MLX_FLOAT32);
}

/* ---- functions of two arrays of 32 numbers; *y is x and becomes the result ---- */

static int conv(mlx_array *y, mlx_array *w) {
  return mlx_reshape(y, *y, (const int[]){1, 8, 4}, 3, none) ||
         mlx_reshape(w, *w, (const int[]){2, 4, 4}, 3, none) ||
         mlx_conv1d(y, *y, *w, 2, 1, 1, 1, none);
}

static int fourier(mlx_array *y, mlx_array *w) {
  return mlx_fft_rfft(y, *y, N, 0, MLX_FFT_NORM_BACKWARD, none) || mlx_square(y, *y, none) ||
         mlx_fft_irfft(y, *y, N, 0, MLX_FFT_NORM_BACKWARD, none) || mlx_multiply(y, *y, *w, none);
}

static int matrices(mlx_array *y, mlx_array *w) {
  const int shape[] = {4, 8};
  mlx_array a = mlx_array_new();
  const int rc = mlx_reshape(y, *y, shape, 2, none) || mlx_reshape(w, *w, shape, 2, none) ||
                 mlx_transpose(w, *w, none) || mlx_matmul(&a, *y, *w, none) ||
                 mlx_linalg_inv(&a, a, none) || mlx_linalg_solve(y, a, *y, none);
  mlx_array_free(a);
  return rc;
}

static int quantized(mlx_array *y, mlx_array *w) {
  const mlx_optional_int group = {32, true}, bits = {4, true};
  const mlx_array whole = {0};
  mlx_vector_array parts = mlx_vector_array_new();
  mlx_array part[3] = {mlx_array_new(), mlx_array_new(), mlx_array_new()};
  mlx_array constant = numbers((const int[]){2, N}, 2);
  int rc = !constant.ctx || mlx_quantize(&parts, constant, group, bits, "affine", whole, none);
  for (size_t i = 0; i < 3 && !rc; i++) rc = mlx_vector_array_get(&part[i], parts, i);
  rc = rc || mlx_multiply(y, *y, *w, none) || mlx_reshape(y, *y, (const int[]){1, N}, 2, none) ||
       mlx_quantized_matmul(y, *y, part[0], part[1], part[2], true, group, bits, "affine", none);
  for (int i = 0; i < 3; i++) mlx_array_free(part[i]);
  mlx_array_free(constant);
  mlx_vector_array_free(parts);
  return rc;
}

static int attention(mlx_array *y, mlx_array *w) {
  const int shape[] = {1, 1, 8, 4};
  const mlx_array absent = {0};
  const mlx_optional_float base = {10000, true};
  return mlx_reshape(y, *y, shape, 4, none) || mlx_reshape(w, *w, shape, 4, none) ||
         mlx_fast_rms_norm(y, *y, absent, 1e-5f, none) ||
         mlx_fast_rope(y, *y, 4, false, base, 1, 0, absent, none) ||
         mlx_fast_scaled_dot_product_attention(y, *y, *y, *w, 0.5f, "causal", absent, absent, none);
}

static int by_index(mlx_array *y, mlx_array *w) {
  mlx_array order = mlx_array_new();
  const int rc = mlx_argsort(&order, *w, none) || mlx_take_along_axis(y, *y, order, 0, none) ||
                 mlx_cumsum(y, *y, 0, false, true, none) ||
                 mlx_scatter_add_axis(y, *w, order, *y, 0, none);
  mlx_array_free(order);
  return rc;
}

static const struct row {
  const char *name;
  int (*of)(mlx_array *y, mlx_array *w);
  bool batched; /* there is a vmap */
} rows[] = {{"convolution", conv, true},        {"fourier", fourier, true},
            {"linear algebra", matrices, true}, {"quantized", quantized, false},
            {"attention", attention, true},     {"by index", by_index, true}};

static const struct row *row;

/* ---- transforms of them ---- */

static int summed(mlx_vector_array *res, const mlx_vector_array in) {
  mlx_array y = mlx_array_new(), w = mlx_array_new();
  const int rc = mlx_vector_array_get(&y, in, 0) || mlx_vector_array_get(&w, in, 1) ||
                 row->of(&y, &w) || mlx_sum(&y, y, false, none) ||
                 mlx_vector_array_set_value(res, y);
  mlx_array_free(w);
  mlx_array_free(y);
  return rc;
}

/* For both arguments, of what computes its own way again. */
static int gradients(mlx_vector_array *res, const mlx_vector_array in) {
  mlx_closure f = mlx_closure_new_func(summed), again = {NULL};
  mlx_closure_value_and_grad both = {NULL};
  mlx_vector_array values = {NULL};
  const int rc = !f.ctx || mlx_checkpoint(&again, f) ||
                 mlx_value_and_grad(&both, again, (const int[]){0, 1}, 2) ||
                 mlx_closure_value_and_grad_apply(&values, res, both, in);
  mlx_vector_array_free(values);
  mlx_closure_value_and_grad_free(both);
  mlx_closure_free(again);
  mlx_closure_free(f);
  return rc;
}

/* Two arrays of the shape; false, and *v may be empty, where memory was refused. */
static bool inputs(mlx_vector_array *v, const int *shape, int ndim) {
  mlx_array x[2] = {numbers(shape, ndim), {NULL}};
  bool whole = got(x[0].ctx) && ok(mlx_cos(&x[1], x[0], none)) && ok(mlx_array_eval(x[1]));
  if (whole) *v = mlx_vector_array_new_data(x, 2);
  whole = whole && got(v->ctx);
  for (int i = 0; i < 2; i++) mlx_array_free(x[i]);
  return whole;
}

static void forced(mlx_vector_array v) {
  if (v.ctx) (void)ok(mlx_eval(v));
  mlx_vector_array_free(v);
}

static void derived(void) {
  const int n = N;
  mlx_vector_array in = {NULL}, d = {NULL}, out = {NULL}, grads = {NULL}, tangents = {NULL};
  mlx_array one = mlx_array_new_float(1);
  mlx_closure f = mlx_closure_new_func(summed);
  bool whole = got(one.ctx) && got(f.ctx) && inputs(&in, &n, 1);
  if (whole) d = mlx_vector_array_new_value(one);
  if (whole && got(d.ctx)) {
    (void)ok(mlx_vjp(&out, &grads, f, in, d));
    (void)ok(mlx_jvp(&out, &tangents, f, in, in));
  }
  forced(grads);
  forced(tangents);
  mlx_closure_free(f);
  mlx_array_free(one);
  mlx_vector_array_free(out);
  mlx_vector_array_free(d);
  mlx_vector_array_free(in);
}

static void compiled(void) {
  const int n = N;
  mlx_vector_array in = {NULL}, out = {NULL};
  mlx_closure f = mlx_closure_new_func(gradients), c = {NULL};
  if (got(f.ctx) && inputs(&in, &n, 1) && ok(mlx_compile(&c, f, false))) {
    (void)ok(mlx_closure_apply(&out, c, in));
    if (ok(mlx_closure_apply(&out, c, in))) (void)ok(mlx_eval(out));
  }
  mlx_closure_free(c);
  mlx_closure_free(f);
  mlx_vector_array_free(out);
  mlx_vector_array_free(in);
}

static void batched(void) {
  const int shape[] = {2, N}, axes[] = {0, 0};
  mlx_vector_array in = {NULL}, traced = {NULL}, made = {NULL}, out = {NULL};
  mlx_closure f = mlx_closure_new_func(gradients);
  if (got(f.ctx) && inputs(&in, shape, 2) &&
      ok(mlx_detail_vmap_trace(&traced, &made, f, in, axes, 2))) {
    (void)ok(mlx_detail_vmap_replace(&out, in, traced, made, axes, 2, axes, 2));
  }
  forced(out);
  mlx_closure_free(f);
  mlx_vector_array_free(made);
  mlx_vector_array_free(traced);
  mlx_vector_array_free(in);
}

/* ---- graphs and files of them ---- */

static void shown(void) {
  const int n = N;
  mlx_node_namer namer = mlx_node_namer_new();
  mlx_vector_array in = {NULL}, out = {NULL};
  mlx_closure f = mlx_closure_new_func(summed);
  FILE *nowhere = fopen("/dev/null", "w");
  CHECK(nowhere != NULL);
  if (got(namer.ctx) && got(f.ctx) && inputs(&in, &n, 1) && ok(mlx_closure_apply(&out, f, in))) {
    /* Whatever is refused there, the array itself stays as it is. */
    const bool failed = !ok(mlx_print_graph(nowhere, namer, out));
    const int rc = mlx_eval(out);
    CHECK(rc == 0 || !failed);
    (void)ok(rc);
  }
  CHECK(fclose(nowhere) == 0);
  mlx_closure_free(f);
  mlx_vector_array_free(out);
  mlx_vector_array_free(in);
  mlx_node_namer_free(namer);
}

static void filed(void) {
  const int n = N;
  mlx_vector_array in = {NULL}, out = {NULL};
  mlx_closure f = mlx_closure_new_func(summed);
  mlx_imported_function read = {NULL};
  if (got(f.ctx) && inputs(&in, &n, 1) && ok(mlx_export_function(name, f, in, false))) {
    read = mlx_imported_function_new(name);
    if (got(read.ctx) && ok(mlx_imported_function_apply(&out, read, in))) (void)ok(mlx_eval(out));
  }
  mlx_imported_function_free(read);
  mlx_closure_free(f);
  mlx_vector_array_free(out);
  mlx_vector_array_free(in);
}

int main(void) {
  mean_cpu();
  mlx_set_error_handler(hear, NULL, NULL);
  wr_memory_set_cache_limit(0); /* every buffer is an allocation */
  const int file = mkstemp(name);
  CHECK(file >= 0 && close(file) == 0);
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    row = &rows[i];
    sweep(derived, row->name);
    sweep(compiled, row->name);
    if (row->batched) sweep(batched, row->name);
  }
  row = &rows[0];
  sweep(shown, "shown");
  sweep(filed, "filed");
  CHECK(unlink(name) == 0);
  return 0;
}
