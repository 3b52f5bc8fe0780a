/* K10, K13. vmap by trace and replace: outputs and their axes, one trace for several inputs, on
   several threads, in and around derivatives; functions with a vmap of their own; what has no
   value; chains of any length; and what is refused. */

#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "lists.h"
#include "mean_cpu.h"
#include "mlx/c/mlx.h"
#include "weir/error.h"

enum { THREADS = 16, LINKS = 100000 };

static const mlx_stream none;

static bool says(int rc, const char *text) {
  const bool said = rc == 1 && strstr(weir_last_error(), text);
  if (!said) fprintf(stderr, "rc %d, \"%s\", expected \"%s\"\n", rc, weir_last_error(), text);
  return said;
}

/* Rows of 0, 1, 2 and so on. */
static mlx_array counted(int rows, int columns) {
  mlx_array a = mlx_array_new();
  CHECK(mlx_arange(&a, 0, rows * columns, 1, MLX_FLOAT32, none) == 0);
  CHECK(mlx_reshape(&a, a, (const int[]){rows, columns}, 2, none) == 0);
  return a;
}

static mlx_vector_array take(mlx_array a) {
  mlx_vector_array v = mlx_vector_array_new_value(a);
  mlx_array_free(a);
  return v;
}

static bool has(mlx_vector_array v, size_t i, int ndim, const int *shape, const float *values) {
  mlx_array a = at(v, i), dense = mlx_array_new();
  bool right = mlx_array_ndim(a) == (size_t)ndim;
  for (int k = 0; right && k < ndim; k++) right = mlx_array_shape(a)[k] == shape[k];
  CHECK(mlx_contiguous(&dense, a, false, none) == 0);
  const float *data = mlx_array_data_float32(dense);
  CHECK(data != NULL);
  for (size_t k = 0; right && k < mlx_array_size(dense); k++) right = data[k] == values[k];
  mlx_array_free(dense);
  mlx_array_free(a);
  return right;
}
#define HAS(v, i, shape, ...) \
  has(v, i, (int)(sizeof(shape) / sizeof(int)), shape, (const float[]){__VA_ARGS__})

static const int one_out[] = {0}, first_axis[] = {0}, second_axis[] = {1};

static mlx_vector_array run(mlx_closure f, mlx_vector_array in, const int *axes, size_t n,
                            const int *out_axes, size_t n_out) {
  mlx_vector_array s_in = {NULL}, s_out = {NULL}, out = {NULL};
  CHECK(mlx_detail_vmap_trace(&s_in, &s_out, f, in, axes, n) == 0);
  CHECK(mlx_detail_vmap_replace(&out, in, s_in, s_out, axes, n, out_axes, n_out) == 0);
  mlx_vector_array_free(s_in);
  mlx_vector_array_free(s_out);
  return out;
}

/* ---- values ---- */

/* The sum of a row, the row and a constant. */
static int three_outputs(mlx_vector_array *res, const mlx_vector_array in) {
  mlx_array x = at(in, 0), sum = mlx_array_new(), seven = mlx_array_new_float(7);
  int rc = mlx_sum(&sum, x, false, none);
  mlx_vector_array v = mlx_vector_array_new_value(sum);
  rc = rc || mlx_vector_array_append_value(v, x) || mlx_vector_array_append_value(v, seven) ||
       mlx_vector_array_set(res, v);
  mlx_vector_array_free(v);
  mlx_array_free(x);
  mlx_array_free(sum);
  mlx_array_free(seven);
  return rc;
}

static void outputs_and_axes(void) {
  static const int s2[] = {2}, s3[] = {3}, s23[] = {2, 3}, s32[] = {3, 2};
  const int axes[] = {0, 1, 0};
  mlx_closure f = mlx_closure_new_func(three_outputs);
  mlx_vector_array x = take(counted(2, 3));
  mlx_vector_array out = run(f, x, first_axis, 1, axes, 3);
  CHECK(mlx_vector_array_size(out) == 3);
  CHECK(HAS(out, 0, s2, 3, 12) && HAS(out, 1, s32, 0, 3, 1, 4, 2, 5) && HAS(out, 2, s2, 7, 7));
  mlx_vector_array_free(out);
  out = run(f, x, second_axis, 1, axes, 3);
  CHECK(HAS(out, 0, s3, 3, 5, 7) && HAS(out, 1, s23, 0, 1, 2, 3, 4, 5));
  CHECK(HAS(out, 2, s3, 7, 7, 7));
  mlx_vector_array_free(out);
  mlx_vector_array_free(x);
  mlx_closure_free(f);
}

static int product(mlx_vector_array *res, const mlx_vector_array in) {
  mlx_array x = at(in, 0), y = at(in, 1);
  int rc = mlx_multiply(&x, x, y, none);
  mlx_array_free(y);
  return rc || give(res, x);
}

/* The closure may go; each replacement is of its own inputs; what has no axis is that of the trace.
 */
static void one_trace(void) {
  static const int s23[] = {2, 3}, s13[] = {1, 3}, axes[] = {0, -1};
  mlx_closure f = mlx_closure_new_func(product);
  mlx_vector_array in = take(counted(2, 3)), other = take(counted(1, 3));
  mlx_array two = mlx_array_new_float(2);
  CHECK(mlx_vector_array_append_value(in, two) == 0);
  CHECK(mlx_vector_array_append_value(other, two) == 0);
  mlx_vector_array s_in = {NULL}, s_out = {NULL}, out = {NULL};
  CHECK(mlx_detail_vmap_trace(&s_in, &s_out, f, in, axes, 2) == 0);
  CHECK(mlx_vector_array_size(s_in) == 2 && mlx_vector_array_size(s_out) == 1);
  CHECK(mlx_closure_free(f) == 0);
  mlx_array stand_in = at(s_in, 0);
  CHECK(mlx_array_ndim(stand_in) == 1 && mlx_array_dim(stand_in, 0) == 3);
  for (int i = 0; i < 2; i++) {
    CHECK(mlx_detail_vmap_replace(&out, in, s_in, s_out, axes, 2, one_out, 1) == 0);
    CHECK(HAS(out, 0, s23, 0, 2, 4, 6, 8, 10));
  }
  CHECK(mlx_detail_vmap_replace(&out, other, s_in, s_out, axes, 2, one_out, 1) == 0);
  CHECK(HAS(out, 0, s13, 0, 2, 4));
  /* No value, before or after. */
  mlx_array made = at(s_out, 0);
  CHECK(says(mlx_array_eval(stand_in), "[eval] Attempting to eval an array during function"));
  CHECK(says(mlx_eval(s_out), "[eval] Attempting to eval an array during function"));
  CHECK(mlx_array_data_float32(made) == NULL);
  CHECK(says(mlx_async_eval(s_out), "[async_eval] Not allowed inside a graph transformation."));
  mlx_array_free(made);
  mlx_array_free(stand_in);
  mlx_array_free(two);
  mlx_vector_array_free(in);
  mlx_vector_array_free(other);
  mlx_vector_array_free(s_in);
  mlx_vector_array_free(s_out);
  mlx_vector_array_free(out);
}

/* ---- in and around derivatives ---- */

static int cube(mlx_vector_array *res, const mlx_vector_array in) {
  mlx_array x = at(in, 0), y = mlx_array_new();
  int rc = mlx_multiply(&y, x, x, none) || mlx_multiply(&y, y, x, none);
  mlx_array_free(x);
  return rc || give(res, y);
}

static int slope(mlx_vector_array *res, const mlx_vector_array in, void *vg) {
  mlx_vector_array values = {NULL};
  int rc = mlx_closure_value_and_grad_apply(&values, res, *(mlx_closure_value_and_grad *)vg, in);
  mlx_vector_array_free(values);
  return rc;
}

static int sum_over_all(mlx_vector_array *res, const mlx_vector_array in, void *closure) {
  mlx_vector_array all = run(*(mlx_closure *)closure, in, first_axis, 1, one_out, 1);
  mlx_array y = at(all, 0);
  mlx_vector_array_free(all);
  int rc = mlx_sum(&y, y, false, none);
  return rc || give(res, y);
}

static void with_derivatives(void) {
  static const int s3[] = {3};
  mlx_closure f = mlx_closure_new_func(cube);
  mlx_closure_value_and_grad vg = mlx_closure_value_and_grad_new();
  CHECK(mlx_value_and_grad(&vg, f, one_out, 1) == 0);
  mlx_closure df = mlx_closure_new_func_payload(slope, &vg, NULL);
  mlx_array x = mlx_array_new_data((const float[]){1, 2, 3}, s3, 1, MLX_FLOAT32);
  mlx_vector_array in = take(x);
  mlx_vector_array out = run(df, in, first_axis, 1, one_out, 1);
  CHECK(HAS(out, 0, s3, 3, 12, 27));
  mlx_closure sum = mlx_closure_new_func_payload(sum_over_all, &f, NULL);
  mlx_vector_array one = LIST(1), values = {NULL}, grads = {NULL};
  CHECK(mlx_vjp(&values, &grads, sum, in, one) == 0);
  CHECK(value_at(values, 0) == 36 && HAS(grads, 0, s3, 3, 12, 27));
  CHECK(mlx_jvp(&values, &grads, sum, in, in) == 0 && value_at(grads, 0) == 108);
  mlx_closure again = mlx_closure_new();
  CHECK(mlx_checkpoint(&again, f) == 0);
  mlx_vector_array_free(out);
  out = run(again, in, first_axis, 1, one_out, 1);
  CHECK(HAS(out, 0, s3, 1, 8, 27));
  mlx_closure_free(again);
  mlx_closure_free(sum);
  mlx_closure_free(df);
  mlx_closure_free(f);
  mlx_closure_value_and_grad_free(vg);
  mlx_vector_array_free(in);
  mlx_vector_array_free(one);
  mlx_vector_array_free(out);
  mlx_vector_array_free(values);
  mlx_vector_array_free(grads);
}

/* Of w and x: the sum of x w w, and 2 w, which is the same for all x. */
static int weighed(mlx_vector_array *res, const mlx_vector_array in) {
  mlx_array w = at(in, 0), x = at(in, 1), y = mlx_array_new(), twice = mlx_array_new();
  int rc = mlx_square(&y, w, none) || mlx_multiply(&y, x, y, none) || mlx_sum(&y, y, false, none) ||
           mlx_add(&twice, w, w, none);
  mlx_vector_array v = mlx_vector_array_new_value(y);
  rc = rc || mlx_vector_array_append_value(v, twice) || mlx_vector_array_set(res, v);
  mlx_vector_array_free(v);
  mlx_array_free(w);
  mlx_array_free(x);
  mlx_array_free(y);
  mlx_array_free(twice);
  return rc;
}

/* Of w and x: the sum's derivative by w, 2 w x. */
static int weighed_slope(mlx_vector_array *res, const mlx_vector_array in, void *closure) {
  mlx_vector_array values = {NULL};
  mlx_array one = mlx_array_new_float(1), none_of_it = mlx_array_new(), w = at(in, 0);
  int rc = mlx_zeros_like(&none_of_it, w, none);
  mlx_vector_array d = mlx_vector_array_new_value(one), grads = {NULL};
  rc = rc || mlx_vector_array_append_value(d, none_of_it) ||
       mlx_vjp(&values, &grads, *(mlx_closure *)closure, in, d);
  mlx_array_free(one);
  mlx_array_free(none_of_it);
  mlx_array_free(w);
  mlx_vector_array_free(values);
  mlx_vector_array_free(d);
  if (rc) return rc;
  mlx_array slope_of_w = at(grads, 0);
  mlx_vector_array_free(grads);
  return give(res, slope_of_w);
}

/* For all rows of x, with one w. */
static int for_rows(mlx_vector_array *res, const mlx_vector_array in, void *closure) {
  const int in_axes[] = {-1, 0}, out_axes[] = {0, 0};
  mlx_vector_array all = run(*(mlx_closure *)closure, in, in_axes, 2, out_axes, 2);
  int rc = mlx_vector_array_set(res, all);
  mlx_vector_array_free(all);
  return rc;
}

static int for_rows_slope(mlx_vector_array *res, const mlx_vector_array in, void *closure) {
  const int in_axes[] = {-1, 0}, out_axes[] = {0};
  mlx_vector_array all = run(*(mlx_closure *)closure, in, in_axes, 2, out_axes, 1);
  int rc = mlx_vector_array_set(res, all);
  mlx_vector_array_free(all);
  return rc;
}

/* Cotangents of 1 for all results of a function, of w and x; which a capture runs as well. */
static int back_from_ones(mlx_vector_array *res, const mlx_vector_array in, void *closure) {
  mlx_vector_array values = {NULL}, d = mlx_vector_array_new();
  int rc = mlx_closure_apply(&values, *(mlx_closure *)closure, in);
  for (size_t i = 0; rc == 0 && i < mlx_vector_array_size(values); i++) {
    mlx_array one = at(values, i);
    rc = mlx_ones_like(&one, one, none) || mlx_vector_array_append_value(d, one);
    mlx_array_free(one);
  }
  rc = rc || mlx_vjp(&values, res, *(mlx_closure *)closure, in, d);
  mlx_vector_array_free(values);
  mlx_vector_array_free(d);
  return rc;
}

static void check_back(mlx_closure f, mlx_vector_array in, const float *by_w) {
  static const int s3[] = {3};
  mlx_closure back = mlx_closure_new_func_payload(back_from_ones, &f, NULL), made = {NULL};
  mlx_vector_array grads = {NULL};
  CHECK(mlx_closure_apply(&grads, back, in) == 0 && has(grads, 0, 1, s3, by_w));
  CHECK(mlx_compile(&made, back, false) == 0);
  for (int i = 0; i < 2; i++) {
    CHECK(mlx_closure_apply(&grads, made, in) == 0 && has(grads, 0, 1, s3, by_w));
  }
  mlx_vector_array_free(grads);
  mlx_closure_free(made);
  mlx_closure_free(back);
}

/* A derivative by what is the same for all calls sees what a function with rules of its own does
   with that alone: once the calls are one, the function's rules are gone. */
static void with_one_for_all(void) {
  static const int s3[] = {3}, rows[] = {2, 3}, s2[] = {2};
  mlx_closure f = mlx_closure_new_func(weighed), kept = {NULL};
  CHECK(mlx_checkpoint(&kept, f) == 0);
  mlx_array x = mlx_array_new_data((const float[]){1, 1, 1, 1, 2, 3}, rows, 2, MLX_FLOAT32);
  mlx_vector_array in = take(mlx_array_new_data((const float[]){1, 2, 3}, s3, 1, MLX_FLOAT32));
  CHECK(mlx_vector_array_append_value(in, x) == 0);
  for (int i = 0; i < 2; i++) {
    mlx_closure *one = i ? &kept : &f;
    mlx_closure all = mlx_closure_new_func_payload(for_rows, one, NULL);
    check_back(all, in, (const float[]){8, 16, 28});
    mlx_array none_of_x = mlx_array_new(), t = mlx_array_new();
    CHECK(mlx_zeros_like(&none_of_x, x, none) == 0 && mlx_ones(&t, s3, 1, MLX_FLOAT32, none) == 0);
    mlx_vector_array tangents = take(t), values = {NULL}, out = {NULL};
    CHECK(mlx_vector_array_append_value(tangents, none_of_x) == 0);
    CHECK(mlx_jvp(&values, &out, all, in, tangents) == 0);
    CHECK(HAS(out, 0, s2, 12, 28) && HAS(out, 1, rows, 2, 2, 2, 2, 2, 2));
    mlx_closure slope_of_one = mlx_closure_new_func_payload(weighed_slope, one, NULL);
    mlx_closure slopes = mlx_closure_new_func_payload(for_rows_slope, &slope_of_one, NULL);
    check_back(slopes, in, (const float[]){4, 6, 8});
    mlx_array_free(none_of_x);
    mlx_vector_array_free(tangents);
    mlx_vector_array_free(values);
    mlx_vector_array_free(out);
    mlx_closure_free(slopes);
    mlx_closure_free(slope_of_one);
    mlx_closure_free(all);
  }
  mlx_array_free(x);
  mlx_vector_array_free(in);
  mlx_closure_free(kept);
  mlx_closure_free(f);
}

/* ---- a vmap of one's own ---- */

static int vmaps, axis_seen, ends;

static void end(void *count) { __atomic_add_fetch((int *)count, 1, __ATOMIC_RELEASE); }

/* Two outputs: the product of all calls as it is, and one that is the same for all. */
static int own_vmap(mlx_vector_array *res, mlx_vector_int *axes, const mlx_vector_array in,
                    const int *in_axes, size_t n, void *payload) {
  (void)payload;
  CHECK(n == 2 && in_axes[1] == -1);
  int out_axes[] = {in_axes[0], -1};
  vmaps++;
  axis_seen = in_axes[0];
  mlx_array x = at(in, 0), y = at(in, 1), forty = mlx_array_new_float(40);
  int rc = mlx_multiply(&x, x, y, none);
  mlx_vector_array v = mlx_vector_array_new_value(x);
  rc = rc || mlx_vector_array_append_value(v, forty) || mlx_vector_array_set(res, v) ||
       mlx_vector_int_set_data(axes, out_axes, 2);
  mlx_vector_array_free(v);
  mlx_array_free(x);
  mlx_array_free(y);
  mlx_array_free(forty);
  return rc;
}

static int two_products(mlx_vector_array *res, const mlx_vector_array in) {
  mlx_array x = at(in, 0), y = at(in, 1);
  int rc = mlx_multiply(&y, x, y, none);
  mlx_vector_array v = mlx_vector_array_new_value(y);
  rc = rc || mlx_vector_array_append_value(v, x) || mlx_vector_array_set(res, v);
  mlx_vector_array_free(v);
  mlx_array_free(x);
  mlx_array_free(y);
  return rc;
}

static int too_few(mlx_vector_array *res, mlx_vector_int *axes, const mlx_vector_array in,
                   const int *in_axes, size_t n) {
  (void)n;
  mlx_array x = at(in, 0);
  int axis = in_axes[0];
  return mlx_vector_int_set_data(axes, &axis, 1) || give(res, x);
}

static void of_ones_own(void) {
  static const int s32[] = {3, 2}, s3[] = {3}, in_axes[] = {1, -1}, out_axes[] = {0, 0};
  mlx_closure f = mlx_closure_new_func(two_products), custom = mlx_closure_new();
  mlx_closure_custom_vmap v = mlx_closure_custom_vmap_new_func_payload(own_vmap, &ends, end);
  const mlx_closure_custom no_vjp = {NULL};
  const mlx_closure_custom_jvp no_jvp = {NULL};
  CHECK(mlx_custom_function(&custom, f, no_vjp, no_jvp, v) == 0);
  CHECK(mlx_closure_custom_vmap_free(v) == 0);
  mlx_vector_array in = take(counted(2, 3));
  mlx_array ten = mlx_array_new_float(10);
  CHECK(mlx_vector_array_append_value(in, ten) == 0);
  mlx_vector_array s_in = {NULL}, s_out = {NULL}, out = {NULL};
  CHECK(mlx_detail_vmap_trace(&s_in, &s_out, custom, in, in_axes, 2) == 0 && vmaps == 0);
  CHECK(mlx_closure_free(custom) == 0);
  CHECK(mlx_detail_vmap_replace(&out, in, s_in, s_out, in_axes, 2, out_axes, 2) == 0);
  CHECK(vmaps == 1 && axis_seen == 1);
  CHECK(HAS(out, 0, s32, 0, 30, 10, 40, 20, 50) && HAS(out, 1, s3, 40, 40, 40));
  mlx_vector_array_free(s_in);
  mlx_vector_array_free(s_out);
  v = mlx_closure_custom_vmap_new_func(too_few);
  custom = mlx_closure_new();
  CHECK(mlx_custom_function(&custom, f, no_vjp, no_jvp, v) == 0);
  s_in.ctx = s_out.ctx = NULL;
  CHECK(mlx_detail_vmap_trace(&s_in, &s_out, custom, in, in_axes, 2) == 0);
  CHECK(says(mlx_detail_vmap_replace(&out, in, s_in, s_out, in_axes, 2, out_axes, 2),
             "The vmap function gave 1 arrays and 1 axes instead of 2."));
  mlx_closure_custom_vmap_free(v);
  mlx_closure_free(custom);
  mlx_closure_free(f);
  mlx_array_free(ten);
  mlx_vector_array_free(in);
  mlx_vector_array_free(s_in);
  mlx_vector_array_free(s_out);
  mlx_vector_array_free(out);
}

/* ---- refused ---- */

static int forces(mlx_vector_array *res, const mlx_vector_array in) {
  mlx_array x = at(in, 0);
  int rc = mlx_array_eval(x);
  return give(res, x) || rc;
}

static int waits_for_none(mlx_vector_array *res, const mlx_vector_array in) {
  mlx_array x = at(in, 0);
  int rc = give(res, x);
  return rc || mlx_async_eval(*res);
}

static void refused(void) {
  static const int bad[] = {2}, below[] = {-2}, all_none[] = {-1}, two[] = {0, 0};
  mlx_closure f = mlx_closure_new_func(cube), g = mlx_closure_new_func(forces);
  mlx_closure h = mlx_closure_new_func(product), a = mlx_closure_new_func(waits_for_none);
  mlx_vector_array in = take(counted(2, 3)), number = LIST(1), s_in = {NULL}, s_out = {NULL};
  mlx_vector_array out = {NULL};
  CHECK(says(mlx_detail_vmap_trace(&s_in, &s_out, f, in, two, 2),
             "[vmap] The number of in axes (2) must match the number of inputs (1)."));
  CHECK(says(mlx_detail_vmap_trace(&s_in, &s_out, f, number, first_axis, 1),
             "[vmap] Cannot vmap an input with zero dimensions."));
  CHECK(says(mlx_detail_vmap_trace(&s_in, &s_out, f, in, bad, 1),
             "[vmap] Axis 2 invalid for input with 2 dimensions."));
  CHECK(says(mlx_detail_vmap_trace(&s_in, &s_out, f, in, below, 1),
             "[vmap] Axis -2 invalid for input with 2 dimensions."));
  CHECK(says(mlx_detail_vmap_trace(&s_in, &s_out, g, in, first_axis, 1),
             "[eval] Attempting to eval an array during function transformations like compile or "
             "vmap is not allowed."));
  CHECK(says(mlx_detail_vmap_trace(&s_in, &s_out, a, in, first_axis, 1),
             "[async_eval] Not allowed inside a graph transformation."));
  mlx_vector_array pair = take(counted(2, 3));
  mlx_array tall = counted(4, 3);
  CHECK(mlx_vector_array_append_value(pair, tall) == 0);
  CHECK(says(mlx_detail_vmap_trace(&s_in, &s_out, h, pair, two, 2),
             "[vmap] Inconsistent axis sizes: 4 and 2."));
  CHECK(!s_in.ctx && !s_out.ctx);
  CHECK(mlx_detail_vmap_trace(&s_in, &s_out, f, in, first_axis, 1) == 0);
  CHECK(says(mlx_detail_vmap_replace(&out, in, s_in, s_out, first_axis, 1, two, 2),
             "[vmap] The number of out axes (2) must match the number of outputs (1)."));
  CHECK(says(mlx_detail_vmap_replace(&out, in, s_in, s_out, all_none, 1, one_out, 1),
             "At least one of in_axes must be non-None."));
  CHECK(says(mlx_detail_vmap_replace(&out, in, s_in, s_out, first_axis, 1, bad, 1),
             "[vmap] Axis 2 invalid for output with 2 dimensions."));
  CHECK(says(mlx_detail_vmap_replace(&out, in, s_in, s_out, first_axis, 1, all_none, 1),
             "[vmap] Axis -1 invalid for output with 2 dimensions."));
  CHECK(says(mlx_detail_vmap_replace(&out, in, s_in, s_out, second_axis, 1, one_out, 1),
             "does not fit one that was traced with shape (3)"));
  CHECK(!out.ctx);
  mlx_array_free(tall);
  mlx_vector_array_free(pair);
  mlx_vector_array_free(in);
  mlx_vector_array_free(number);
  mlx_vector_array_free(s_in);
  mlx_vector_array_free(s_out);
  mlx_closure_free(f);
  mlx_closure_free(g);
  mlx_closure_free(h);
  mlx_closure_free(a);
}

/* ---- long, and many ---- */

static int links(mlx_vector_array *res, const mlx_vector_array in) {
  mlx_array x = at(in, 0), one = mlx_array_new_float(1);
  int rc = 0;
  for (int i = 0; i < LINKS / 2 && !rc; i++) {
    rc = mlx_add(&x, x, one, none) || mlx_negative(&x, x, none);
  }
  mlx_array_free(one);
  return rc || give(res, x);
}

static void *vmap_links(void *unused) {
  static const int s2[] = {2};
  mlx_closure f = mlx_closure_new_func(links);
  mlx_array x = mlx_array_new_data((const float[]){4, 5}, s2, 1, MLX_FLOAT32);
  mlx_vector_array in = take(x), out = run(f, in, first_axis, 1, one_out, 1);
  CHECK(HAS(out, 0, s2, 4, 5));
  mlx_closure_free(f);
  mlx_vector_array_free(in);
  mlx_vector_array_free(out);
  return unused;
}

static void deep(void) {
  pthread_attr_t attr;
  pthread_t thread;
  CHECK(pthread_attr_init(&attr) == 0 && pthread_attr_setstacksize(&attr, 256 << 10) == 0);
  CHECK(pthread_create(&thread, &attr, vmap_links, NULL) == 0);
  CHECK(pthread_join(thread, NULL) == 0 && pthread_attr_destroy(&attr) == 0);
}

static mlx_vector_array shared_in, shared_s_in, shared_s_out;

static void *replace_often(void *number) {
  static const int s23[] = {2, 3};
  for (int i = 0; i < 50; i++) {
    mlx_vector_array out = {NULL};
    CHECK(mlx_detail_vmap_replace(&out, shared_in, shared_s_in, shared_s_out, first_axis, 1,
                                  one_out, 1) == 0);
    CHECK(HAS(out, 0, s23, 0, 1, 8, 27, 64, 125));
    mlx_vector_array_free(out);
  }
  return number;
}

static void many_threads(void) {
  pthread_t threads[THREADS];
  mlx_closure f = mlx_closure_new_func(cube);
  shared_in = take(counted(2, 3));
  CHECK(mlx_detail_vmap_trace(&shared_s_in, &shared_s_out, f, shared_in, first_axis, 1) == 0);
  CHECK(mlx_closure_free(f) == 0);
  for (int i = 0; i < THREADS; i++) {
    CHECK(pthread_create(&threads[i], NULL, replace_often, NULL) == 0);
  }
  for (int i = 0; i < THREADS; i++) CHECK(pthread_join(threads[i], NULL) == 0);
  mlx_vector_array_free(shared_in);
  mlx_vector_array_free(shared_s_in);
  mlx_vector_array_free(shared_s_out);
}

static void hear(const char *message, void *unused) {
  (void)message;
  (void)unused;
}

int main(void) {
  mean_cpu();
  mlx_set_error_handler(hear, NULL, NULL);
  outputs_and_axes();
  one_trace();
  with_derivatives();
  with_one_for_all();
  of_ones_own();
  refused();
  deep();
  many_threads();
  mlx_set_error_handler(NULL, NULL, NULL);
  for (int i = 0; i < 10000 && !__atomic_load_n(&ends, __ATOMIC_ACQUIRE); i++) usleep(1000);
  CHECK(ends == 1);
  return 0;
}
