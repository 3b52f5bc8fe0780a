/* K10. Derivatives of closures: vjp, jvp, value_and_grad, functions with rules of their own,
   checkpoints; in each other; and what is refused. */

#include <math.h>
#include <string.h>

#include "bracket.h"
#include "check.h"
#include "lists.h"
#include "mean_cpu.h"
#include "mlx/c/mlx.h"
#include "weir/error.h"
#include "weir/memory.h"

static const mlx_stream none;
static int reports;

static void hear(const char *message, void *n) {
  (void)message;
  __atomic_add_fetch((int *)n, 1, __ATOMIC_RELAXED);
}

static bool says(int rc, const char *text) {
  const bool said = rc == 1 && begins_rightly(weir_last_error()) && strstr(weir_last_error(), text);
  if (!said) fprintf(stderr, "rc %d, \"%s\", expected \"%s\"\n", rc, weir_last_error(), text);
  return said;
}

static bool near(float a, float b) { return fabsf(a - b) <= 1e-5f * (1 + fabsf(b)); }

/* x^3 y */
static int cubed(mlx_vector_array *res, const mlx_vector_array in) {
  mlx_array x = at(in, 0), y = at(in, 1), z = mlx_array_new();
  int rc =
      mlx_multiply(&z, x, x, none) || mlx_multiply(&z, z, x, none) || mlx_multiply(&z, z, y, none);
  mlx_array_free(x);
  mlx_array_free(y);
  return rc || give(res, z);
}

static void first_order(void) {
  mlx_closure f = mlx_closure_new_func(cubed);
  mlx_vector_array x = LIST(2, 5), one = LIST(1), t = LIST(1, 10), out = {NULL}, g = {NULL};
  CHECK(mlx_vjp(&out, &g, f, x, one) == 0);
  CHECK(value_at(out, 0) == 40 && value_at(g, 0) == 60 && value_at(g, 1) == 8);
  CHECK(mlx_jvp(&out, &g, f, x, t) == 0 && mlx_vector_array_size(g) == 1);
  CHECK(value_at(out, 0) == 40 && value_at(g, 0) == 140);
  const int both[] = {-1, 0}, second[] = {1};
  mlx_closure_value_and_grad vg = mlx_closure_value_and_grad_new();
  CHECK(mlx_value_and_grad(&vg, f, both, 2) == 0);
  CHECK(mlx_closure_free(f) == 0);
  CHECK(mlx_closure_value_and_grad_apply(&out, &g, vg, x) == 0);
  CHECK(mlx_vector_array_size(g) == 2 && value_at(g, 0) == 60 && value_at(g, 1) == 8);
  f = mlx_closure_new_func(cubed);
  CHECK(mlx_value_and_grad(&vg, f, second, 1) == 0);
  CHECK(mlx_closure_value_and_grad_apply(&out, &g, vg, x) == 0);
  CHECK(mlx_vector_array_size(g) == 1 && value_at(g, 0) == 8);
  /* One array as two arguments has two gradients. */
  mlx_array a = mlx_array_new_float(3);
  mlx_vector_array same = mlx_vector_array_new();
  mlx_vector_array_append_value(same, a);
  mlx_vector_array_append_value(same, a);
  CHECK(mlx_vjp(&out, &g, f, same, one) == 0 && value_at(g, 0) == 81 && value_at(g, 1) == 27);
  mlx_array_free(a);
  mlx_vector_array_free(same);
  mlx_closure_value_and_grad_free(vg);
  mlx_closure_free(f);
  mlx_vector_array_free(x);
  mlx_vector_array_free(one);
  mlx_vector_array_free(t);
  mlx_vector_array_free(out);
  mlx_vector_array_free(g);
}

/* The gradients of another closure, as a function. */
static int gradient_of(mlx_vector_array *res, const mlx_vector_array in, void *of) {
  mlx_vector_array one = LIST(1), out = {NULL};
  int rc = mlx_vjp(&out, res, *(mlx_closure *)of, in, one);
  mlx_vector_array_free(one);
  mlx_vector_array_free(out);
  return rc;
}

/* Forwards over backwards, backwards over backwards, three deep: x^3 y has 6 x y, 6 y. */
static void in_each_other(void) {
  mlx_closure f = mlx_closure_new_func(cubed);
  mlx_closure g = mlx_closure_new_func_payload(gradient_of, &f, NULL);
  mlx_vector_array x = LIST(2, 5), t = LIST(1, 0), d = LIST(1, 0), out = {NULL}, r = {NULL};
  CHECK(mlx_jvp(&out, &r, g, x, t) == 0);
  CHECK(value_at(out, 0) == 60 && value_at(r, 0) == 60 && value_at(r, 1) == 12);
  CHECK(mlx_vjp(&out, &r, g, x, d) == 0);
  CHECK(value_at(r, 0) == 60 && value_at(r, 1) == 12);
  mlx_closure h = mlx_closure_new_func_payload(gradient_of, &g, NULL);
  mlx_vector_array two = LIST(1, 1);
  CHECK(says(mlx_vjp(&out, &r, h, x, d), "does not match number of cotangents"));
  mlx_vector_array_free(two);
  mlx_closure_free(h);
  mlx_closure_free(g);
  mlx_closure_free(f);
  mlx_vector_array_free(x);
  mlx_vector_array_free(t);
  mlx_vector_array_free(d);
  mlx_vector_array_free(out);
  mlx_vector_array_free(r);
}

/* x^3 y and x^3 y, of which a gradient leaves the second by the way. */
static int cubed_twice(mlx_vector_array *res, const mlx_vector_array in) {
  if (cubed(res, in)) return 1;
  mlx_array y = at(*res, 0);
  int rc = mlx_vector_array_append_value(*res, y);
  mlx_array_free(y);
  return rc;
}

static int values_of(mlx_vector_array *res, const mlx_vector_array in, void *vg) {
  mlx_vector_array g = {NULL};
  int rc = mlx_closure_value_and_grad_apply(res, &g, *(mlx_closure_value_and_grad *)vg, in);
  mlx_vector_array_free(g);
  return rc;
}

static void by_the_way(void) {
  mlx_closure f = mlx_closure_new_func(cubed_twice);
  mlx_closure_value_and_grad vg = mlx_closure_value_and_grad_new();
  mlx_closure g = mlx_closure_new_func_payload(values_of, &vg, NULL);
  mlx_vector_array x = LIST(2, 5), d = LIST(1), t = LIST(1, 0), out = {NULL}, r = {NULL};
  CHECK(mlx_value_and_grad(&vg, f, (const int[]){0}, 1) == 0);
  CHECK(mlx_vjp(&out, &r, g, x, d) == 0 && value_at(out, 1) == 40);
  CHECK(value_at(r, 0) == 60 && value_at(r, 1) == 8);
  CHECK(mlx_jvp(&out, &r, g, x, t) == 0 && value_at(r, 0) == 60 && value_at(r, 1) == 0);
  mlx_closure_free(f);
  mlx_closure_free(g);
  mlx_closure_value_and_grad_free(vg);
  mlx_vector_array_free(x);
  mlx_vector_array_free(d);
  mlx_vector_array_free(t);
  mlx_vector_array_free(out);
  mlx_vector_array_free(r);
}

/* Values may be asked for meanwhile; what is not an argument is constant. */
static mlx_array outside;
static int by_value(mlx_vector_array *res, const mlx_vector_array in) {
  mlx_array x = at(in, 0), y = mlx_array_new(), z = mlx_array_new();
  float value = 0;
  int rc = mlx_multiply(&y, x, outside, none) || mlx_array_item_float32(&value, y);
  rc = rc || (value > 0 ? mlx_exp(&z, y, none) : mlx_negative(&z, y, none));
  mlx_array_free(x);
  mlx_array_free(y);
  return rc || give(res, z);
}

static void values_inside(void) {
  mlx_closure f = mlx_closure_new_func(by_value);
  outside = mlx_array_new_float(2);
  mlx_vector_array x = mlx_vector_array_new_value(outside), one = LIST(1), out = {NULL}, g = {NULL};
  CHECK(mlx_vjp(&out, &g, f, x, one) == 0 && near(value_at(g, 0), 2 * expf(4)));
  mlx_vector_array_free(x);
  x = LIST(-1);
  CHECK(mlx_vjp(&out, &g, f, x, one) == 0 && value_at(g, 0) == -2);
  mlx_array_free(outside);
  mlx_vector_array_free(x);
  mlx_vector_array_free(one);
  mlx_vector_array_free(out);
  mlx_vector_array_free(g);
  mlx_closure_free(f);
}

/* ---- cut ---- */

static int stopped(mlx_vector_array *res, const mlx_vector_array in) {
  mlx_array x = at(in, 0), y = mlx_array_new(), z = mlx_array_new();
  int rc = mlx_stop_gradient(&y, x, none) || mlx_multiply(&z, x, y, none) ||
           mlx_vector_array_set_value(res, z) || mlx_vector_array_append_value(*res, y);
  mlx_array_free(x);
  mlx_array_free(y);
  mlx_array_free(z);
  return rc;
}

static void cuts(void) {
  mlx_closure f = mlx_closure_new_func(stopped);
  mlx_vector_array x = LIST(3), one = LIST(1), out = {NULL}, g = {NULL};
  CHECK(mlx_vjp(&out, &g, f, x, one) == 0); /* the second output takes no cotangent */
  CHECK(value_at(out, 0) == 9 && value_at(g, 0) == 3);
  CHECK(mlx_jvp(&out, &g, f, x, one) == 0 && value_at(g, 0) == 3 && value_at(g, 1) == 0);
  mlx_vector_array_free(x);
  mlx_vector_array_free(one);
  mlx_vector_array_free(out);
  mlx_vector_array_free(g);
  mlx_closure_free(f);
}

/* ---- rules of one's own ---- */

static int seven(mlx_vector_array *res, const mlx_vector_array primals, const mlx_vector_array d,
                 const mlx_vector_array outputs) {
  CHECK(mlx_vector_array_size(d) == 1 && value_at(outputs, 0) == 40);
  mlx_vector_array_free(*res);
  *res = mlx_vector_array_new();
  for (size_t i = 0; i < mlx_vector_array_size(primals); i++) {
    mlx_array a = mlx_array_new_float(7 + (float)i);
    CHECK(mlx_vector_array_append_value(*res, a) == 0);
    mlx_array_free(a);
  }
  return 0;
}

static int tangent_nine(mlx_vector_array *res, const mlx_vector_array primals,
                        const mlx_vector_array tangents, const int *numbers, size_t n) {
  CHECK(mlx_vector_array_size(primals) == 2 && mlx_vector_array_size(tangents) == n);
  CHECK(n == 2 && numbers[0] == 0 && numbers[1] == 1);
  return give(res, mlx_array_new_float(9));
}

static int too_few(mlx_vector_array *res, const mlx_vector_array primals, const mlx_vector_array d,
                   const mlx_vector_array outputs) {
  (void)primals;
  (void)outputs;
  return mlx_vector_array_set(res, d);
}

static void custom(void) {
  mlx_closure f = mlx_closure_new_func(cubed), c = mlx_closure_new();
  mlx_closure_custom vjp = mlx_closure_custom_new_func(seven), few = {NULL};
  mlx_closure_custom_jvp jvp = mlx_closure_custom_jvp_new_func(tangent_nine);
  mlx_vector_array x = LIST(2, 5), one = LIST(1), t = LIST(1, 10), out = {NULL}, g = {NULL};
  CHECK(mlx_custom_vjp(&c, f, vjp) == 0);
  CHECK(mlx_closure_apply(&out, c, x) == 0 && value_at(out, 0) == 40);
  CHECK(mlx_vjp(&out, &g, c, x, one) == 0 && value_at(out, 0) == 40);
  CHECK(value_at(g, 0) == 7 && value_at(g, 1) == 8);
  CHECK(mlx_jvp(&out, &g, c, x, t) == 0 && value_at(g, 0) == 140); /* that of f */
  CHECK(mlx_custom_function(&c, f, (mlx_closure_custom){0}, jvp, (mlx_closure_custom_vmap){0}) ==
        0);
  CHECK(mlx_jvp(&out, &g, c, x, t) == 0 && value_at(g, 0) == 9);
  CHECK(mlx_vjp(&out, &g, c, x, one) == 0 && value_at(g, 0) == 60 && value_at(g, 1) == 8);
  few = mlx_closure_custom_new_func(too_few);
  CHECK(mlx_custom_vjp(&c, f, few) == 0);
  CHECK(says(mlx_vjp(&out, &g, c, x, one), "1 arrays instead of 2"));
  mlx_closure_free(f);
  mlx_closure_free(c);
  mlx_closure_custom_free(vjp);
  mlx_closure_custom_free(few);
  mlx_closure_custom_jvp_free(jvp);
  mlx_vector_array_free(x);
  mlx_vector_array_free(one);
  mlx_vector_array_free(t);
  mlx_vector_array_free(out);
  mlx_vector_array_free(g);
}

/* ---- functions that give what they should not, and change what they were called with ---- */

static int three(mlx_vector_array *res) {
  return give(res, mlx_array_new_data((const float[]){1, 2, 3}, (const int[]){3}, 1, MLX_FLOAT32));
}

static int three_back(mlx_vector_array *res, const mlx_vector_array primals,
                      const mlx_vector_array d, const mlx_vector_array outputs) {
  (void)primals, (void)d, (void)outputs;
  return three(res);
}

static int three_on(mlx_vector_array *res, const mlx_vector_array primals,
                    const mlx_vector_array tangents, const int *numbers, size_t n) {
  (void)primals, (void)tangents, (void)numbers, (void)n;
  return three(res);
}

static int two_back(mlx_vector_array *res, const mlx_vector_array primals, const mlx_vector_array d,
                    const mlx_vector_array outputs) {
  (void)primals, (void)d, (void)outputs;
  return give(res, mlx_array_new_float(2));
}

static int summed_up(mlx_vector_array *res, const mlx_vector_array in) {
  mlx_array x = at(in, 0), y = mlx_array_new();
  int rc = mlx_sum(&y, x, false, none);
  mlx_array_free(x);
  return rc || give(res, y);
}

/* The function of another size when it runs again. */
static int grows(mlx_vector_array *res, const mlx_vector_array in) {
  static int times;
  return times++ == 0 ? summed_up(res, in) : three(res);
}

static int sum_of_call(mlx_vector_array *res, const mlx_vector_array in, void *closure) {
  mlx_vector_array inner = {NULL};
  int rc = mlx_closure_apply(&inner, *(mlx_closure *)closure, in) || summed_up(res, inner);
  mlx_vector_array_free(inner);
  return rc;
}

static void other_shapes(void) {
  const mlx_closure_custom no_vjp = {0};
  const mlx_closure_custom_vmap no_vmap = {0};
  mlx_closure f = mlx_closure_new_func(summed_up), c = mlx_closure_new();
  mlx_closure outer = mlx_closure_new_func_payload(sum_of_call, &c, NULL);
  mlx_closure_custom back = mlx_closure_custom_new_func(three_back);
  mlx_closure_custom one_number = mlx_closure_custom_new_func(two_back);
  mlx_closure_custom_jvp on = mlx_closure_custom_jvp_new_func(three_on);
  mlx_vector_array x = LIST(2), one = LIST(1), many = {NULL}, out = {NULL}, g = {NULL};
  CHECK(mlx_custom_vjp(&c, f, back) == 0);
  CHECK(says(mlx_vjp(&out, &g, outer, x, one),
             "The vjp function gave an array of shape (3) for one of shape ()."));
  CHECK(mlx_custom_function(&c, f, no_vjp, on, no_vmap) == 0);
  CHECK(says(mlx_jvp(&out, &g, outer, x, one),
             "The jvp function gave an array of shape (3) for one of shape ()."));
  CHECK(mlx_custom_vjp(&c, f, one_number) == 0 && three(&many) == 0);
  CHECK(mlx_vjp(&out, &g, outer, many, one) == 0);
  mlx_array all = at(g, 0);
  CHECK(mlx_array_size(all) == 3 && mlx_sum(&all, all, false, none) == 0);
  CHECK(mlx_vector_array_set_value(&g, all) == 0 && value_at(g, 0) == 6);
  mlx_closure changing = mlx_closure_new_func(grows);
  CHECK(mlx_custom_vjp(&c, changing, back) == 0);
  CHECK(says(mlx_jvp(&out, &g, outer, x, one),
             "The function, run again, gave an array of shape (3) for one of shape ()."));
  mlx_array_free(all);
  mlx_closure_free(changing);
  mlx_closure_free(f);
  mlx_closure_free(c);
  mlx_closure_free(outer);
  mlx_closure_custom_free(back);
  mlx_closure_custom_free(one_number);
  mlx_closure_custom_jvp_free(on);
  mlx_vector_array_free(x);
  mlx_vector_array_free(one);
  mlx_vector_array_free(many);
  mlx_vector_array_free(out);
  mlx_vector_array_free(g);
}

static int clears(mlx_vector_array *res, const mlx_vector_array in, void *vectors) {
  const mlx_array nothing = {0};
  mlx_vector_array *own = vectors;
  for (int i = 0; i < 2; i++) CHECK(mlx_vector_array_set_data(&own[i], &nothing, 0) == 0);
  return cubed(res, in);
}

/* The vectors that a call was given are the caller's to change inside it. */
static void own_vectors(void) {
  mlx_vector_array own[2] = {LIST(2, 5), LIST(1)}, out = {NULL}, g = {NULL};
  mlx_closure f = mlx_closure_new_func_payload(clears, own, NULL);
  mlx_closure_value_and_grad vg = mlx_closure_value_and_grad_new();
  CHECK(mlx_vjp(&out, &g, f, own[0], own[1]) == 0 && value_at(g, 1) == 8);
  mlx_vector_array_free(own[0]);
  mlx_vector_array_free(own[1]);
  own[0] = LIST(2, 5), own[1] = LIST(1, 0);
  CHECK(mlx_jvp(&out, &g, f, own[0], own[1]) == 0 && value_at(g, 0) == 60);
  mlx_vector_array_free(own[0]);
  own[0] = LIST(2, 5);
  CHECK(mlx_value_and_grad(&vg, f, (const int[]){1}, 1) == 0);
  CHECK(mlx_closure_value_and_grad_apply(&out, &g, vg, own[0]) == 0 && value_at(g, 0) == 8);
  mlx_closure_value_and_grad_free(vg);
  mlx_closure_free(f);
  for (int i = 0; i < 2; i++) mlx_vector_array_free(own[i]);
  mlx_vector_array_free(out);
  mlx_vector_array_free(g);
}

static int runs;
static int counted(mlx_vector_array *res, const mlx_vector_array in) {
  runs++;
  return cubed(res, in);
}

static void checkpoints(void) {
  mlx_closure f = mlx_closure_new_func(counted), c = mlx_closure_new();
  mlx_vector_array x = LIST(2, 5), one = LIST(1), d = LIST(1, 0), out = {NULL}, g = {NULL};
  CHECK(mlx_checkpoint(&c, f) == 0 && mlx_closure_free(f) == 0);
  CHECK(mlx_closure_apply(&out, c, x) == 0 && runs == 1);
  CHECK(mlx_vjp(&out, &g, c, x, one) == 0 && runs == 3);
  CHECK(value_at(out, 0) == 40 && value_at(g, 0) == 60 && value_at(g, 1) == 8);
  mlx_closure twice = mlx_closure_new_func_payload(gradient_of, &c, NULL);
  CHECK(mlx_vjp(&out, &g, twice, x, d) == 0 && value_at(g, 0) == 60 && value_at(g, 1) == 12);
  mlx_closure_free(twice);
  mlx_closure_free(c);
  mlx_vector_array_free(x);
  mlx_vector_array_free(one);
  mlx_vector_array_free(d);
  mlx_vector_array_free(out);
  mlx_vector_array_free(g);
}

/* ---- refused ---- */

static int not_scalar(mlx_vector_array *res, const mlx_vector_array in) {
  mlx_array x = at(in, 0), y = mlx_array_new();
  int rc = mlx_broadcast_to(&y, x, (const int[]){3}, 1, none);
  mlx_array_free(x);
  return rc || give(res, y);
}

static int fails_inside(mlx_vector_array *res, const mlx_vector_array in) {
  mlx_array x = at(in, 0), y = mlx_array_new();
  int rc = mlx_sum_axis(&y, x, 4, false, none);
  mlx_array_free(x);
  if (!rc) return give(res, y);
  mlx_array_free(y);
  return rc;
}

static int async_inside(mlx_vector_array *res, const mlx_vector_array in) {
  return mlx_async_eval(in) || mlx_vector_array_set(res, in);
}

/* What is constant may be computed meanwhile. */
static int async_constant(mlx_vector_array *res, const mlx_vector_array in) {
  mlx_array two = mlx_array_new_float(2);
  int rc = mlx_square(&two, two, none);
  mlx_vector_array v = mlx_vector_array_new_value(two);
  rc = rc || mlx_async_eval(v) || mlx_vector_array_set(res, in);
  mlx_vector_array_free(v);
  mlx_array_free(two);
  return rc;
}

static int async_later(mlx_vector_array *res, const mlx_vector_array in) {
  mlx_array x = at(in, 0);
  int rc = mlx_square(&x, x, none) || give(res, x);
  return rc || mlx_async_eval(*res);
}

static int views_bytes(mlx_vector_array *res, const mlx_vector_array in) {
  mlx_array x = at(in, 0), y = mlx_array_new();
  int rc = mlx_view(&y, x, MLX_INT32, none) || mlx_astype(&y, y, MLX_FLOAT32, none);
  mlx_array_free(x);
  return rc || give(res, y);
}

static int inverts_bits(mlx_vector_array *res, const mlx_vector_array in) {
  mlx_array x = at(in, 0), y = mlx_array_new();
  int rc = mlx_astype(&y, x, MLX_INT32, none) || mlx_bitwise_invert(&y, y, none) ||
           mlx_astype(&y, y, MLX_FLOAT32, none);
  mlx_array_free(x);
  return rc || give(res, y);
}

static int scatters_product(mlx_vector_array *res, const mlx_vector_array in) {
  mlx_array x = at(in, 0), y = mlx_array_new(), zero = mlx_array_new_int(0);
  const mlx_vector_array index = mlx_vector_array_new_value(zero);
  const int first = 0;
  int rc = mlx_expand_dims(&x, x, 0, none) || mlx_scatter_prod(&y, x, index, x, &first, 1, none) ||
           mlx_sum(&y, y, false, none);
  mlx_vector_array_free(index);
  mlx_array_free(zero);
  mlx_array_free(x);
  return rc || give(res, y);
}

static int scales_of(mlx_vector_array *res, const mlx_vector_array in) {
  mlx_array x = at(in, 0);
  mlx_vector_array parts = {NULL};
  const mlx_optional_int group = {32, true}, bits = {4, true};
  const mlx_array nothing = {0};
  int rc = mlx_broadcast_to(&x, x, (const int[]){1, 32}, 2, none) ||
           mlx_quantize(&parts, x, group, bits, "affine", nothing, none) ||
           mlx_vector_array_get(&x, parts, 1) || mlx_sum(&x, x, false, none);
  mlx_vector_array_free(parts);
  return rc || give(res, x);
}

static int factor(mlx_vector_array *res, const mlx_vector_array in) {
  mlx_array x = at(in, 0), q = mlx_array_new();
  int rc = mlx_broadcast_to(&x, x, (const int[]){2, 2}, 2, none) ||
           mlx_linalg_qr(&q, &x, x, none) || mlx_sum(&q, q, false, none);
  mlx_array_free(x);
  return rc || give(res, q);
}

static void refused(void) {
  static const int bad[] = {2}, twice[] = {0, -2}, zero[] = {0};
  mlx_closure f = mlx_closure_new_func(cubed), g = mlx_closure_new_func(not_scalar);
  mlx_closure h = mlx_closure_new_func(fails_inside), a = mlx_closure_new_func(async_inside);
  mlx_closure constant = mlx_closure_new_func(async_constant);
  mlx_closure later = mlx_closure_new_func(async_later);
  mlx_closure v = mlx_closure_new_func(views_bytes), q = mlx_closure_new_func(scales_of);
  mlx_closure l = mlx_closure_new_func(factor);
  mlx_closure b = mlx_closure_new_func(inverts_bits), p = mlx_closure_new_func(scatters_product);
  mlx_closure_value_and_grad vg = mlx_closure_value_and_grad_new();
  mlx_vector_array x = LIST(2, 5), one = LIST(1), nothing = mlx_vector_array_new(), out = {NULL};
  mlx_vector_array grads = {NULL};
  CHECK(says(mlx_vjp(&out, &grads, f, x, nothing),
             "[vjp] Number of outputs to compute gradients for (1) does not match number of "
             "cotangents (0)."));
  CHECK(says(mlx_vjp(&out, &grads, g, x, one),
             "[vjp] Output shape (3) does not match cotangent shape (). If you are using grad"));
  CHECK(says(mlx_jvp(&out, &grads, f, x, one),
             "[jvp] Number of inputs does not match number of tangents."));
  CHECK(says(mlx_vjp(&out, &grads, h, x, one), "[sum]"));
  CHECK(says(mlx_vjp(&out, &grads, a, x, one), "[async_eval] Not allowed inside a graph"));
  CHECK(says(mlx_vjp(&out, &grads, later, x, one), "[async_eval] Not allowed inside a graph"));
  CHECK(mlx_vjp(&out, &grads, constant, x, x) == 0 && value_at(grads, 1) == 5);
  mlx_vector_array_free(out);
  mlx_vector_array_free(grads);
  out.ctx = grads.ctx = NULL;
  CHECK(says(mlx_vjp(&out, &grads, v, x, one), "[Primitive::vjp] Not implemented for View int32."));
  CHECK(says(mlx_jvp(&out, &grads, v, x, x), "[Primitive::jvp] Not implemented for View int32."));
  CHECK(says(mlx_vjp(&out, &grads, q, x, one), "[Primitive::vjp] Not implemented for Quantize."));
  CHECK(says(mlx_vjp(&out, &grads, l, x, one), "[Primitive::vjp] Not implemented for QRF."));
  CHECK(
      says(mlx_vjp(&out, &grads, b, x, one), "[Primitive::vjp] Not implemented for BitwiseInvert"));
  CHECK(says(mlx_jvp(&out, &grads, b, x, x), "[Primitive::jvp] Not implemented for BitwiseInvert"));
  CHECK(says(mlx_vjp(&out, &grads, p, x, one), "[scatter] VJP not implemented for scatter_prod"));
  CHECK(says(mlx_jvp(&out, &grads, p, x, x), "[scatter] JVP not yet implemented"));
  CHECK(says(mlx_value_and_grad(&vg, f, NULL, 0), "[grad] Must specify at least one argument."));
  CHECK(!vg.ctx && mlx_value_and_grad(&vg, f, bad, 1) == 0);
  CHECK(says(mlx_closure_value_and_grad_apply(&out, &grads, vg, x),
             "[grad] Invalid argument number for function with 2 inputs."));
  CHECK(mlx_value_and_grad(&vg, f, twice, 2) == 0);
  CHECK(says(mlx_closure_value_and_grad_apply(&out, &grads, vg, x),
             "[grad] Repeat argument number not allowed in grad."));
  CHECK(mlx_value_and_grad(&vg, g, zero, 1) == 0);
  CHECK(says(mlx_closure_value_and_grad_apply(&out, &grads, vg, x), "must return a scalar."));
  CHECK(!out.ctx && !grads.ctx);
  mlx_closure_value_and_grad_free(vg);
  mlx_closure_free(f);
  mlx_closure_free(g);
  mlx_closure_free(h);
  mlx_closure_free(a);
  mlx_closure_free(b);
  mlx_closure_free(p);
  mlx_closure_free(constant);
  mlx_closure_free(later);
  mlx_closure_free(v);
  mlx_closure_free(q);
  mlx_closure_free(l);
  mlx_vector_array_free(x);
  mlx_vector_array_free(one);
  mlx_vector_array_free(nothing);
}

int main(void) {
  mean_cpu();
  mlx_set_error_handler(hear, &reports, NULL);
  first_order();
  in_each_other();
  by_the_way();
  values_inside();
  cuts();
  custom();
  other_shapes();
  own_vectors();
  checkpoints();
  refused();
  mlx_set_error_handler(NULL, NULL, NULL);
  return 0;
}
