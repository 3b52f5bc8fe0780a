/* Vectors, strings, arithmetic, printing, groups, managed data and kernels with the n-th allocation
   failing. */

#include <string.h>

#include "fixtures.h"
#include "later.h"
#include "memory/buffer.h"
#include "sweep.h"
#include "three.h"

static void hear(const char *message, void *data) { CHECK(message[0] != '\0' && !data); }

static void vectors_and_strings(void) {
  mlx_array a = mlx_array_new_float(1);
  mlx_vector_array v = mlx_vector_array_new(), w = mlx_vector_array_new();
  for (int i = 0; i < 20 && v.ctx && a.ctx; i++) mlx_vector_array_append_value(v, a);
  if (v.ctx) mlx_vector_array_set(&w, v);
  mlx_vector_vector_array vv = mlx_vector_vector_array_new_data(&v, v.ctx ? 1 : 0);
  const char *texts[2] = {"one", "two"};
  mlx_vector_string s = mlx_vector_string_new_data(texts, 2);
  mlx_vector_string_free(s);
  mlx_vector_vector_array_free(vv);
  mlx_vector_array_free(w);
  mlx_vector_array_free(v);
  mlx_array_free(a);
}

static void arithmetic(void) {
  int shape[2] = {2, 3};
  float data[6] = {1, 2, 3, 4, 5, 6};
  mlx_array a = mlx_array_new_data(data, shape, 2, MLX_FLOAT32), b = mlx_array_new();
  mlx_string text = mlx_string_new();
  if (a.ctx && mlx_add(&b, a, a, (mlx_stream){0}) == 0) {
    bool turned = mlx_transpose(&b, b, (mlx_stream){0}) == 0;
    const char *row = turned ? "[6, 12]" : "[8, 10, 12]";
    if (mlx_array_tostring(&text, b) == 0) CHECK(strstr(mlx_string_data(text), row));
    mlx_array_eval(b);
  }
  mlx_string_free(text);
  mlx_array_free(b);
  mlx_array_free(a);
}

/* Weights that are packed at their second use: what that is refused costs no result. */
static void packed_weights(void) {
  static float data[100 * 64];
  const int wide[2] = {100, 64}, tall[2] = {64, 100};
  mlx_stream s = {0};
  for (int i = 0; i < 100 * 64; i++) data[i] = 1;
  mlx_array a = mlx_array_new_data(data, tall, 2, MLX_FLOAT32), b = mlx_array_new();
  mlx_array w = mlx_array_new_data(data, wide, 2, MLX_FLOAT32);
  const bool made = a.ctx && w.ctx;
  for (int i = 0; made && i < 3; i++) {
    if (ok(mlx_matmul(&b, a, w, s)) && ok(mlx_array_eval(b))) {
      CHECK(mlx_array_data_float32(b)[64 * 64 - 1] == 100);
    }
  }
  mlx_array_free(b);
  mlx_array_free(w);
  mlx_array_free(a);
}

/* Groups: a chain that is fused, and one that ends in a sum. */
static void fusion(void) {
  static float data[2000];
  int n = 2000;
  mlx_stream s = {0};
  mlx_array a = mlx_array_new_data(data, &n, 1, MLX_FLOAT32), b = mlx_array_new();
  float total = 0;
  bool made =
      a.ctx && mlx_exp(&b, a, s) == 0 && mlx_add(&b, b, a, s) == 0 && mlx_negative(&b, b, s) == 0;
  if (made && mlx_array_eval(b) == 0) CHECK(mlx_array_data_float32(b)[n - 1] == -1);
  made = made && mlx_square(&b, b, s) == 0 && mlx_sum(&b, b, false, s) == 0;
  if (made && mlx_array_item_float32(&total, b) == 0) CHECK(total == (float)n);
  mlx_array_free(b);
  mlx_array_free(a);
}

static mlx_array filled(int rows, int columns, float value) {
  int shape[2] = {rows, columns};
  mlx_array v = mlx_array_new_float(value), a = mlx_array_new();
  if (got(v.ctx)) ok(mlx_full(&a, shape, 2, v, MLX_FLOAT32, (mlx_stream){0}));
  mlx_array_free(v);
  return a;
}

/* Small ones, large ones that are split over threads, and vectors. */
static void products(void) {
  static const int shapes[3][3] = {{4, 3, 5}, {96, 200, 33}, {1, 300, 70}};
  for (int i = 0; i < 3; i++) {
    const int *n = shapes[i];
    mlx_array a = filled(n[0], n[1], 1), b = filled(n[1], n[2], 2), c = mlx_array_new();
    if (a.ctx && b.ctx && ok(mlx_matmul(&c, a, b, (mlx_stream){0})) && ok(mlx_array_eval(c))) {
      CHECK(mlx_array_data_float32(c)[n[0] * n[2] - 1] == 2 * (float)n[1]);
    }
    mlx_array_free(c);
    mlx_array_free(b);
    mlx_array_free(a);
  }
}

/* Rows read and written by index, and written into a slice, in ways that join. */
static void by_index(void) {
  mlx_stream s = {0};
  static const int start[2] = {1, 0}, stop[2] = {20, 30}, step[2] = {2, 1}, sizes[2] = {1, 30};
  const int rows[2] = {3, -1}, two = 2;
  mlx_array a = filled(20, 30, 2), at = mlx_array_new_data(rows, &two, 1, MLX_INT32);
  mlx_array one = mlx_array_new_float(1), b = mlx_array_new(), c = mlx_array_new();
  float total = 0;
  bool made =
      got(at.ctx) && got(one.ctx) && a.ctx && ok(mlx_gather_single(&b, a, at, 0, sizes, 2, s)) &&
      ok(mlx_scatter_prod_single(&c, a, at, b, 0, s)) && ok(mlx_astype(&c, c, MLX_FLOAT16, s)) &&
      ok(mlx_scatter_add_single(&c, c, at, b, 0, s)) &&
      ok(mlx_slice_update_add(&c, c, one, start, 2, stop, 2, step, 2, s)) &&
      ok(mlx_astype(&c, c, MLX_FLOAT32, s)) && ok(mlx_sum(&c, c, false, s));
  if (made && ok(mlx_array_item_float32(&total, c))) CHECK(total == 18 * 60 + 2 * 180 + 10 * 30);
  mlx_array_free(c);
  mlx_array_free(b);
  mlx_array_free(one);
  mlx_array_free(at);
  mlx_array_free(a);
}

static void masked(void) {
  mlx_stream s = {0};
  mlx_array a = filled(20, 30, 2), mask = mlx_array_new(), rows = mlx_array_new();
  float total = 0;
  bool made = a.ctx && ok(mlx_equal(&mask, a, a, s)) && ok(mlx_square(&rows, a, s)) &&
              ok(mlx_flatten(&rows, rows, 0, -1, s)) &&
              ok(mlx_masked_scatter(&a, a, mask, rows, s)) && ok(mlx_sum(&a, a, false, s));
  if (made && ok(mlx_array_item_float32(&total, a))) CHECK(total == 4 * 600);
  mlx_array_free(rows);
  mlx_array_free(mask);
  mlx_array_free(a);
}

/* Packed, and multiplied by a row and by many. */
static void quantized(void) {
  const mlx_stream s = {0};
  const mlx_optional_int own = {0, false};
  mlx_vector_array parts = mlx_vector_array_new();
  mlx_array w = filled(16, 64, 1), b = mlx_array_new(), p[3] = {{0}};
  const mlx_array none = {0};
  if (w.ctx && got(parts.ctx) && ok(mlx_quantize(&parts, w, own, own, "affine", none, s))) {
    bool all = true;
    for (size_t i = 0; i < 3 && all; i++) all = ok(mlx_vector_array_get(&p[i], parts, i));
    if (all && ok(mlx_quantized_matmul(&b, w, p[0], p[1], p[2], true, own, own, "affine", s))) {
      ok(mlx_array_eval(b));
    }
    if (all && ok(mlx_dequantize(&b, p[0], p[1], p[2], own, own, "affine", none,
                                 (mlx_optional_dtype){0}, s))) {
      ok(mlx_array_eval(b));
    }
  }
  for (int i = 0; i < 3; i++) mlx_array_free(p[i]);
  mlx_array_free(b);
  mlx_array_free(w);
  mlx_vector_array_free(parts);
}

/* Commands that stay pending, of which one reads the other. */
static void pending(void) {
  static struct later later;
  later_init(&later, LATER_BLOCKING);
  mlx_stream s = mlx_default_cpu_stream_new();
  mlx_array a = filled(1, 40, 2), b = {0}, c = {0};
  if (s.ctx && a.ctx && ok(mlx_flatten(&a, a, 0, -1, s))) b = later_of(&later, a, s);
  if (b.ctx) c = later_of(&later, b, s);
  if (c.ctx && ok(mlx_array_eval(c))) CHECK(mlx_array_data_float32(c)[39] == 4);
  mlx_array_free(c);
  mlx_array_free(b);
  mlx_array_free(a);
  mlx_stream_free(s);
}

static void several_results(void) {
  mlx_stream s = mlx_default_cpu_stream_new();
  mlx_array a = filled(1, 40, 2), out[3];
  double sum = 0;
  if (s.ctx && a.ctx && ok(mlx_flatten(&a, a, 0, -1, s)) && three_of(out, a, s)) {
    if (ok(mlx_array_item_float64(&sum, out[2]))) CHECK(sum == 80);
    if (ok(mlx_array_eval(out[0]))) CHECK(mlx_array_data_float32(out[0])[39] == 4);
    three_free(out);
  }
  mlx_array_free(a);
  mlx_stream_free(s);
}

static void other_kernels(void) {
  mlx_stream s = {0};
  mlx_array a = filled(20, 30, 2), b = mlx_array_new();
  mlx_vector_array two = mlx_vector_array_new();
  if (a.ctx && ok(mlx_softmax_axis(&b, a, 1, true, s))) ok(mlx_array_eval(b));
  if (a.ctx && ok(mlx_sort(&b, a, s))) ok(mlx_array_eval(b));
  if (a.ctx && ok(mlx_cumsum(&b, a, 0, false, true, s))) ok(mlx_array_eval(b));
  if (a.ctx && ok(mlx_logcumsumexp(&b, a, 1, true, false, s))) ok(mlx_array_eval(b));
  if (a.ctx && ok(mlx_mean(&b, a, false, s))) ok(mlx_array_eval(b));
  mlx_array c = filled(3, 40, 1);
  if (c.ctx && ok(mlx_hadamard_transform(&b, c, (mlx_optional_float){0}, s))) ok(mlx_array_eval(b));
  mlx_array_free(c);
  quantized();
  if (a.ctx && got(two.ctx) && ok(mlx_vector_array_append_value(two, a)) &&
      ok(mlx_vector_array_append_value(two, a)) && ok(mlx_concatenate(&b, two, s))) {
    ok(mlx_array_eval(b));
  }
  mlx_vector_array_free(two);
  mlx_array_free(b);
  mlx_array_free(a);
}

/* At each address, also those from which data has to be copied: the destructor runs once where the
   array was made, and else not at all. */
static void managed(void) {
  static _Alignas(16) unsigned char room[16 * sizeof(double) + 16];
  const int shape[1] = {16};
  for (int offset = 0; offset < 16; offset += 3) {
    int ends = 0;
    double sum = 1;
    memset(room, 0, sizeof room);
    mlx_array a = mlx_array_new_data_managed_payload(room + offset, shape, 1, MLX_FLOAT64, &ends,
                                                     probe_count);
    mlx_array b = mlx_array_new();
    const bool made = got(a.ctx);
    if (!made || offset % 8) CHECK(count_of(&ends) == made);
    if (made && ok(mlx_sum(&b, a, false, (mlx_stream){0})) && ok(mlx_array_eval(b))) {
      CHECK(mlx_array_item_float64(&sum, b) == 0 && sum == 0);
    }
    mlx_array_free(b);
    mlx_array_free(a);
    CHECK(becomes(&ends, made));
  }
}

static int add_to_itself(mlx_vector_array *out, const mlx_vector_array in, void *ends) {
  (void)ends;
  mlx_array a = mlx_array_new();
  int rc = mlx_vector_array_get(&a, in, 0) || mlx_add(&a, a, a, (mlx_stream){0}) ||
           mlx_vector_array_set_value(out, a);
  mlx_array_free(a);
  return rc;
}

static int add_named(mlx_vector_array *out, const mlx_vector_array in,
                     const mlx_map_string_to_array named, void *ends) {
  (void)named;
  return add_to_itself(out, in, ends);
}

static int both(mlx_vector_array *values, mlx_vector_array *grads, const mlx_vector_array in) {
  return mlx_vector_array_set(values, in) || mlx_vector_array_set(grads, in);
}

/* A payload ends once if there was a closure, and never else. */
static void closures(void) {
  int ends = 0;
  mlx_array a = mlx_array_new_float(3), b = mlx_array_new();
  mlx_vector_array in = mlx_vector_array_new(), out = {NULL}, grads = {NULL};
  mlx_map_string_to_array named = mlx_map_string_to_array_new();
  mlx_closure f = mlx_closure_new_func_payload(add_to_itself, &ends, probe_count), g = {NULL};
  const bool made = got(f.ctx);
  bool whole = got(a.ctx) && got(in.ctx) && got(named.ctx);
  whole = whole && ok(mlx_vector_array_append_value(in, a));
  mlx_closure_kwargs k = mlx_closure_kwargs_new_func_payload(add_named, NULL, NULL);
  mlx_closure_value_and_grad v = mlx_closure_value_and_grad_new_func(both);
  if (made) (void)ok(mlx_closure_set(&g, f));
  if (made && whole && ok(mlx_closure_apply(&out, f, in))) {
    float x = 0;
    if (ok(mlx_vector_array_get(&b, out, 0)) && ok(mlx_array_item_float32(&x, b))) CHECK(x == 6);
  }
  if (got(k.ctx) && whole) (void)ok(mlx_closure_kwargs_apply(&out, k, in, named));
  if (got(v.ctx) && whole && !ok(mlx_closure_value_and_grad_apply(&out, &grads, v, in))) {
    CHECK(!grads.ctx);
  }
  mlx_closure_free(f);
  CHECK(count_of(&ends) == (made && !g.ctx));
  mlx_closure_free(g);
  CHECK(count_of(&ends) == made);
  mlx_closure_kwargs_free(k);
  mlx_closure_value_and_grad_free(v);
  mlx_map_string_to_array_free(named);
  mlx_vector_array_free(in);
  mlx_vector_array_free(out);
  mlx_vector_array_free(grads);
  mlx_array_free(b);
  mlx_array_free(a);
}

static int product(mlx_vector_array *out, const mlx_vector_array in) {
  mlx_array a = mlx_array_new(), b = mlx_array_new();
  int rc = mlx_vector_array_get(&a, in, 0) || mlx_sin(&b, a, (mlx_stream){0}) ||
           mlx_multiply(&b, a, b, (mlx_stream){0}) || mlx_sum(&b, b, false, (mlx_stream){0}) ||
           mlx_vector_array_set_value(out, b);
  mlx_array_free(a);
  mlx_array_free(b);
  return rc;
}

static int gradient(mlx_vector_array *out, const mlx_vector_array in) {
  mlx_closure f = mlx_closure_new_func(product), c = {NULL};
  mlx_closure_value_and_grad vg = {NULL};
  mlx_vector_array values = {NULL};
  const int zero = 0;
  int rc = !f.ctx || mlx_checkpoint(&c, f) || mlx_value_and_grad(&vg, c, &zero, 1) ||
           mlx_closure_value_and_grad_apply(&values, out, vg, in);
  mlx_closure_free(f);
  mlx_closure_free(c);
  mlx_closure_value_and_grad_free(vg);
  mlx_vector_array_free(values);
  return rc;
}

static void derivatives(void) {
  mlx_array a = mlx_array_new_float(2);
  mlx_vector_array in = mlx_vector_array_new(), d = mlx_vector_array_new();
  mlx_vector_array out = {NULL}, grads = {NULL};
  mlx_closure f = mlx_closure_new_func(product), g = mlx_closure_new_func(gradient);
  bool whole = got(a.ctx) && got(in.ctx) && got(d.ctx) && got(f.ctx) && got(g.ctx);
  whole =
      whole && ok(mlx_vector_array_append_value(in, a)) && ok(mlx_vector_array_append_value(d, a));
  if (whole) (void)ok(mlx_vjp(&out, &grads, g, in, d));
  if (whole) (void)ok(mlx_jvp(&out, &grads, f, in, d));
  if (grads.ctx) (void)ok(mlx_eval(grads));
  mlx_closure_free(f);
  mlx_closure_free(g);
  mlx_vector_array_free(in);
  mlx_vector_array_free(d);
  mlx_vector_array_free(out);
  mlx_vector_array_free(grads);
  mlx_array_free(a);
}

static int several_products(mlx_vector_array *out, const mlx_vector_array in) {
  const mlx_stream s = {0};
  const int shape[1] = {3};
  mlx_array a = mlx_array_new(), b = mlx_array_new();
  int rc = mlx_vector_array_get(&a, in, 0) || mlx_sin(&b, a, s) || mlx_multiply(&b, a, b, s) ||
           mlx_random_uniform(&a, a, b, shape, 1, MLX_FLOAT32, (mlx_array){0}, s) ||
           mlx_sum(&a, a, false, s);
  const mlx_array both[2] = {a, b};
  rc = rc || mlx_vector_array_set_data(out, both, 2);
  mlx_array_free(a);
  mlx_array_free(b);
  return rc;
}

/* A function of any shapes, the gradient of another, and each applied again; all is as it was when
   the closures are gone. */
static void compiling(void) {
  mlx_array a = mlx_array_new_float(2), v = mlx_array_new();
  mlx_vector_array in = mlx_vector_array_new(), wide = mlx_vector_array_new(), out = {NULL};
  mlx_closure f = mlx_closure_new_func(several_products), g = mlx_closure_new_func(gradient);
  mlx_closure c[3] = {{NULL}};
  const int axis = 0;
  bool whole = got(a.ctx) && got(in.ctx) && got(wide.ctx) && got(f.ctx) && got(g.ctx) &&
               ok(mlx_vector_array_append_value(in, a)) &&
               ok(mlx_expand_dims(&v, a, axis, (mlx_stream){0})) &&
               ok(mlx_vector_array_append_value(wide, v));
  whole = whole && ok(mlx_compile(&c[0], f, true)) && ok(mlx_compile(&c[1], g, false)) &&
          ok(mlx_detail_compile(&c[2], f, 9, false, NULL, 0));
  for (int i = 0; i < 6 && whole; i++) {
    if (ok(mlx_closure_apply(&out, c[i % 3], i % 3 == 0 && i ? wide : in))) ok(mlx_eval(out));
  }
  for (int i = 0; i < 3; i++) mlx_closure_free(c[i]);
  CHECK(mlx_detail_compile_erase(9) == 0);
  mlx_closure_free(f);
  mlx_closure_free(g);
  mlx_vector_array_free(in);
  mlx_vector_array_free(wide);
  mlx_vector_array_free(out);
  mlx_array_free(a);
  mlx_array_free(v);
}

static int all_at_once(mlx_vector_array *out, mlx_vector_int *axes, const mlx_vector_array in,
                       const int *in_axes, size_t n) {
  int axis = in_axes[0];
  return n != 1 || mlx_vector_int_set_data(axes, &axis, 1) || mlx_vector_array_set(out, in);
}

static int through(mlx_vector_array *out, const mlx_vector_array in) {
  return mlx_vector_array_set(out, in);
}

/* A gradient, and a function with a vmap of its own behind it. */
static int steep(mlx_vector_array *out, const mlx_vector_array in) {
  mlx_closure f = mlx_closure_new_func(through), c = {NULL};
  mlx_closure_custom_vmap v = mlx_closure_custom_vmap_new_func(all_at_once);
  mlx_vector_array slope = {NULL};
  int rc =
      !f.ctx || !v.ctx ||
      mlx_custom_function(&c, f, (mlx_closure_custom){NULL}, (mlx_closure_custom_jvp){NULL}, v) ||
      gradient(&slope, in) || mlx_closure_apply(out, c, slope);
  mlx_closure_free(f);
  mlx_closure_free(c);
  mlx_closure_custom_vmap_free(v);
  mlx_vector_array_free(slope);
  return rc;
}

static void vmap(void) {
  static const int two = 2, zero = 0;
  mlx_array a = mlx_array_new_data((const float[]){1, 2}, &two, 1, MLX_FLOAT32);
  mlx_vector_array in = mlx_vector_array_new(), s_in = {NULL}, s_out = {NULL}, out = {NULL};
  mlx_closure f = mlx_closure_new_func(steep);
  bool whole = got(a.ctx) && got(in.ctx) && got(f.ctx) && ok(mlx_vector_array_append_value(in, a));
  if (whole && ok(mlx_detail_vmap_trace(&s_in, &s_out, f, in, &zero, 1))) {
    (void)ok(mlx_detail_vmap_replace(&out, in, s_in, s_out, &zero, 1, &zero, 1));
  }
  if (out.ctx) (void)ok(mlx_eval(out));
  mlx_closure_free(f);
  mlx_vector_array_free(in);
  mlx_vector_array_free(s_in);
  mlx_vector_array_free(s_out);
  mlx_vector_array_free(out);
  mlx_array_free(a);
}

static void handlers(void) { mlx_set_error_handler(hear, NULL, NULL); }

int main(void) {
  mean_cpu();
  mlx_set_error_handler(hear, NULL, NULL);
  wr_memory_set_cache_limit(0); /* every buffer is an allocation */
  sweep(vectors_and_strings, "vectors and strings");
  sweep(arithmetic, "arithmetic");
  wr_memory_set_cache_limit((size_t)1 << 30); /* which packed weights keep to */
  sweep(packed_weights, "packed weights");
  wr_memory_set_cache_limit(0);
  sweep(fusion, "fusion");
  sweep(products, "products");
  sweep(other_kernels, "other kernels");
  sweep(several_results, "several results");
  sweep(pending, "pending");
  sweep_all_threads(pending, "pending, all threads");
  sweep(by_index, "by index");
  sweep(masked, "masked");
  sweep(managed, "managed data");
  sweep_all_threads(managed, "managed data, all threads");
  sweep(closures, "closures");
  sweep(derivatives, "derivatives");
  sweep(vmap, "vmap");
  sweep(compiling, "compiling");
  sweep(handlers, "handlers");
  sweep_all_threads(products, "products, all threads");
  return 0;
}
