/* K10. Compiled closures: what they give, how often their function runs, what is constant to them;
   random numbers; with transforms; on streams; and what is refused. */

#include <math.h>

#include "compile_case.h"

static void values(void) {
  mlx_closure f = mlx_closure_new_func(several), c = compiled(f, false);
  mlx_array x = ramp(3, 4, MLX_FLOAT32), y = ramp(1, 4, MLX_FLOAT32), turned = mlx_array_new();
  runs = 0;
  expect_same(f, c, x, y);
  CHECK(runs == 2);
  CHECK(mlx_negative(&x, x, none) == 0);
  expect_same(f, c, x, y);
  CHECK(runs == 3); /* f alone */
  mlx_array tall = ramp(4, 3, MLX_FLOAT32);
  CHECK(mlx_transpose(&turned, tall, none) == 0); /* lies otherwise */
  expect_same(f, c, turned, y);
  CHECK(runs == 4);
  mlx_array narrow = ramp(3, 4, MLX_FLOAT16), other = ramp(3, 1, MLX_FLOAT32);
  expect_same(f, c, narrow, y);
  CHECK(runs == 6);
  expect_same(f, c, x, other);
  CHECK(runs == 8);
  expect_same(f, c, x, x);
  expect_same(f, c, narrow, y);
  expect_same(f, c, turned, turned);
  CHECK(runs == 12);
  /* The function may end before what was compiled. */
  mlx_closure_free(f);
  f = mlx_closure_new_func(several);
  expect_same(f, c, x, other);
  mlx_array_free(x);
  mlx_array_free(y);
  mlx_array_free(turned);
  mlx_array_free(tall);
  mlx_array_free(narrow);
  mlx_array_free(other);
  mlx_closure_free(f);
  mlx_closure_free(c);
}

static int no_outputs(mlx_vector_array *res, const mlx_vector_array in) {
  (void)in;
  runs++;
  mlx_vector_array none_at_all = mlx_vector_array_new();
  int rc = mlx_vector_array_set(res, none_at_all);
  mlx_vector_array_free(none_at_all);
  return rc;
}

static void forms(void) {
  mlx_closure f = mlx_closure_new_func(chain), c = compiled(f, false);
  mlx_vector_array in = taken(ramp(8, 8, MLX_FLOAT32)), a = {NULL}, b = {NULL};
  for (int i = 0; i < 3; i++) {
    CHECK(mlx_closure_apply(&a, f, in) == 0 && mlx_closure_apply(&b, c, in) == 0);
    CHECK(all_equal(a, b));
  }
  mlx_closure_free(f);
  mlx_closure_free(c);
  c = compiled_func(no_outputs);
  runs = 0;
  CHECK(mlx_closure_apply(&a, c, in) == 0 && mlx_vector_array_size(a) == 0);
  CHECK(mlx_closure_apply(&a, c, in) == 0 && mlx_vector_array_size(a) == 0 && runs == 1);
  mlx_closure_free(c);
  mlx_vector_array_free(in);
  mlx_vector_array_free(a);
  mlx_vector_array_free(b);
}

/* ---- what is constant ---- */

static mlx_array known;

static int adds_known(mlx_vector_array *res, const mlx_vector_array in) {
  mlx_array x = at(in, 0);
  runs++;
  int rc = mlx_add(&x, x, known, none);
  return rc || give(res, x);
}

static void constants(void) {
  mlx_closure c = compiled_func(adds_known);
  mlx_vector_array in = LIST(2), out = {NULL};
  known = mlx_array_new_float(3);
  CHECK(mlx_exp(&known, known, none) == 0); /* lazy */
  CHECK(mlx_closure_apply(&out, c, in) == 0 && fabsf(value_at(out, 0) - 22.0855f) < 1e-3f);
  mlx_array_set_float(&known, 5); /* another array */
  CHECK(mlx_closure_apply(&out, c, in) == 0 && fabsf(value_at(out, 0) - 22.0855f) < 1e-3f);
  mlx_closure_free(c);
  mlx_array_free(known);
  /* An input by another way. */
  c = compiled_func(adds_known);
  known = at(in, 0);
  CHECK(says(mlx_closure_apply(&out, c, in), "uncaptured inputs is not allowed"));
  mlx_array_free(known);
  known = mlx_array_new_float(7);
  CHECK(mlx_closure_apply(&out, c, in) == 0 && value_at(out, 0) == 9);
  mlx_array_free(known);
  mlx_closure_free(c);
  mlx_vector_array_free(in);
  mlx_vector_array_free(out);
}

/* A view, and the same dense. */
static int dense(mlx_vector_array *res, const mlx_vector_array in) {
  mlx_array x = at(in, 0);
  int rc = mlx_contiguous(&x, x, false, none);
  return rc || give(res, x);
}

static void layouts(void) {
  mlx_closure c = compiled_func(dense);
  mlx_array a = ramp(3, 4, MLX_FLOAT32), t = mlx_array_new();
  mlx_vector_array in = mlx_vector_array_new_value(a), out = {NULL};
  CHECK(mlx_closure_apply(&out, c, in) == 0);
  mlx_array square = ramp(4, 3, MLX_FLOAT32);
  CHECK(mlx_transpose(&t, square, none) == 0);
  CHECK(mlx_vector_array_set_value(&in, t) == 0 && mlx_closure_apply(&out, c, in) == 0);
  mlx_array made = at(out, 0);
  bool is = false;
  CHECK(equal(made, t) && _mlx_array_is_row_contiguous(&is, made) == 0 && is);
  CHECK(_mlx_array_is_row_contiguous(&is, t) == 0 && !is);
  mlx_array_free(made);
  mlx_array_free(square);
  mlx_array_free(a);
  mlx_array_free(t);
  mlx_closure_free(c);
  mlx_vector_array_free(in);
  mlx_vector_array_free(out);
}

/* ---- what fails ---- */

static int fails; /* how: 1: forces, 2: says so itself, 3: an operation's error */

static int may_fail(mlx_vector_array *res, const mlx_vector_array in) {
  mlx_array x = at(in, 0), y = mlx_array_new();
  float value;
  runs++;
  int rc = mlx_add(&y, x, x, none);
  if (fails == 1) rc = rc || mlx_array_item_float32(&value, y);
  if (fails == 2) rc = 1;
  const int shape[1] = {7};
  if (fails == 3) rc = rc || mlx_reshape(&y, y, shape, 1, none);
  mlx_array_free(x);
  if (!rc) return give(res, y);
  mlx_array_free(y);
  return rc;
}

static int swallows(mlx_vector_array *res, const mlx_vector_array in) {
  mlx_array x = at(in, 0), y = mlx_array_new();
  int rc = mlx_add(&y, x, x, none);
  CHECK(rc != 0 || mlx_array_eval(y) == 1); /* as captured */
  mlx_array_free(x);
  return rc || give(res, y);
}

static void failures(void) {
  mlx_closure c = compiled_func(may_fail);
  mlx_vector_array in = LIST(2), out = {NULL};
  runs = 0;
  fails = 1;
  CHECK(says(mlx_closure_apply(&out, c, in),
             "[eval] Attempting to eval an array during function transformations like compile or "
             "vmap is not allowed."));
  fails = 2;
  CHECK(mlx_closure_apply(&out, c, in) == 1);
  fails = 3;
  CHECK(says(mlx_closure_apply(&out, c, in), "cannot be reshaped"));
  CHECK(runs == 3 && out.ctx == NULL);
  fails = 0;
  CHECK(mlx_closure_apply(&out, c, in) == 0 && value_at(out, 0) == 4);
  fails = 2; /* not run any more */
  CHECK(mlx_closure_apply(&out, c, in) == 0 && value_at(out, 0) == 4 && runs == 4);
  mlx_closure_free(c);
  c = compiled_func(swallows);
  CHECK(mlx_closure_apply(&out, c, in) == 0 && value_at(out, 0) == 4);
  mlx_closure_free(c);
  mlx_vector_array_free(in);
  mlx_vector_array_free(out);
  /* Handles. */
  mlx_closure empty = mlx_closure_new(), res = mlx_closure_new();
  CHECK(says(mlx_compile(&res, empty, false), "fun"));
  CHECK(says(mlx_compile(NULL, empty, false), "res"));
  CHECK(says(mlx_set_compile_mode((mlx_compile_mode)4), "mode"));
}

/* ---- random numbers ---- */

static int noise(mlx_vector_array *res, const mlx_vector_array in) {
  mlx_array x = at(in, 0), a = mlx_array_new(), b = mlx_array_new();
  const mlx_array no_key = {0};
  const int shape[1] = {5};
  runs++;
  int rc = mlx_random_normal(&a, shape, 1, MLX_FLOAT32, 0, 1, no_key, none) ||
           mlx_random_bits(&b, shape, 1, 4, no_key, none) || mlx_multiply(&a, a, x, none);
  const mlx_array both[2] = {a, b};
  rc = rc || mlx_vector_array_set_data(res, both, 2);
  mlx_array_free(x);
  mlx_array_free(a);
  mlx_array_free(b);
  return rc;
}

static void randoms(void) {
  mlx_closure f = mlx_closure_new_func(noise), c = compiled(f, false);
  mlx_vector_array in = LIST(2), plain[3] = {{0}}, made[3] = {{0}};
  CHECK(mlx_random_seed(11) == 0);
  for (int i = 0; i < 3; i++) CHECK(mlx_closure_apply(&plain[i], f, in) == 0);
  CHECK(mlx_random_seed(11) == 0);
  runs = 0;
  for (int i = 0; i < 3; i++) CHECK(mlx_closure_apply(&made[i], c, in) == 0);
  CHECK(runs == 1);
  for (int i = 0; i < 3; i++) CHECK(all_equal(plain[i], made[i]));
  CHECK(!all_equal(made[0], made[1]) && !all_equal(made[1], made[2]));
  for (int i = 0; i < 3; i++) {
    mlx_vector_array_free(plain[i]);
    mlx_vector_array_free(made[i]);
  }
  /* Inside another one, whose calls draw anew too. */
  mlx_closure outer = mlx_closure_new();
  CHECK(mlx_compile(&outer, c, false) == 0);
  mlx_vector_array a = {NULL}, b = {NULL};
  CHECK(mlx_closure_apply(&a, outer, in) == 0 && mlx_closure_apply(&b, outer, in) == 0);
  CHECK(!all_equal(a, b));
  mlx_vector_array_free(a);
  mlx_vector_array_free(b);
  mlx_vector_array_free(in);
  mlx_closure_free(outer);
  mlx_closure_free(f);
  mlx_closure_free(c);
}

/* Bits, and the first two rows of x, which say nothing of other extents. */
static int bits_and_rows(mlx_vector_array *res, const mlx_vector_array in) {
  mlx_array x = at(in, 0), bits = mlx_array_new();
  const mlx_array no_key = {0};
  const int shape[1] = {5}, start[2] = {0, 0}, stop[2] = {2, 1}, step[2] = {1, 1};
  int rc = mlx_random_bits(&bits, shape, 1, 4, no_key, none) ||
           mlx_slice(&x, x, start, 2, stop, 2, step, 2, none);
  const mlx_array both[2] = {bits, x};
  rc = rc || mlx_vector_array_set_data(res, both, 2);
  mlx_array_free(x);
  mlx_array_free(bits);
  return rc;
}

/* What is tried for other extents in vain takes no keys away. */
static void shapeless_randoms(void) {
  enum { SIZES = 4 };
  mlx_closure f = mlx_closure_new_func(bits_and_rows), c = compiled(f, true);
  mlx_closure both[2] = {f, c};
  mlx_vector_array made[2][SIZES] = {{{0}}};
  for (int k = 0; k < 2; k++) {
    CHECK(mlx_random_seed(11) == 0);
    for (int i = 0; i < SIZES; i++) {
      mlx_vector_array in = taken(ramp(3 + i % 3, 2, MLX_FLOAT32));
      CHECK(mlx_closure_apply(&made[k][i], both[k], in) == 0);
      mlx_vector_array_free(in);
    }
  }
  for (int i = 0; i < SIZES; i++) {
    CHECK(all_equal(made[0][i], made[1][i]));
    for (int k = 0; k < 2; k++) mlx_vector_array_free(made[k][i]);
  }
  mlx_closure_free(f);
  mlx_closure_free(c);
}

/* ---- with transforms ---- */

/* x^3 y */
static int cubed(mlx_vector_array *res, const mlx_vector_array in) {
  mlx_array x = at(in, 0), y = at(in, 1), z = mlx_array_new();
  runs++;
  int rc =
      mlx_multiply(&z, x, x, none) || mlx_multiply(&z, z, x, none) || mlx_multiply(&z, z, y, none);
  mlx_array_free(x);
  mlx_array_free(y);
  return rc || give(res, z);
}

static int gradient_of(mlx_vector_array *res, const mlx_vector_array in, void *of) {
  mlx_vector_array one = LIST(1), out = {NULL};
  int rc = mlx_vjp(&out, res, *(mlx_closure *)of, in, one);
  mlx_vector_array_free(one);
  mlx_vector_array_free(out);
  return rc;
}

/* d z ^ 2 for the cotangent of x, whatever it is. */
static int rule(mlx_vector_array *res, const mlx_vector_array primals, const mlx_vector_array d,
                const mlx_vector_array outputs) {
  mlx_array z = at(outputs, 0), c = at(d, 0), y = at(primals, 1);
  int rc = mlx_multiply(&z, z, z, none) || mlx_multiply(&z, z, c, none);
  const mlx_array both[2] = {z, y};
  rc = rc || mlx_vector_array_set_data(res, both, 2);
  mlx_array_free(z);
  mlx_array_free(c);
  mlx_array_free(y);
  return rc;
}

static void transforms(void) {
  mlx_closure f = mlx_closure_new_func(cubed), c = compiled(f, false);
  mlx_vector_array x = LIST(2, 5), one = LIST(1), t = LIST(1, 10), out = {NULL}, g = {NULL};
  /* of a compiled one */
  CHECK(mlx_closure_apply(&out, c, x) == 0 && value_at(out, 0) == 40);
  CHECK(mlx_vjp(&out, &g, c, x, one) == 0);
  CHECK(value_at(out, 0) == 40 && value_at(g, 0) == 60 && value_at(g, 1) == 8);
  CHECK(mlx_jvp(&out, &g, c, x, t) == 0 && value_at(g, 0) == 140);
  /* compiled */
  mlx_closure d = mlx_closure_new_func_payload(gradient_of, &c, NULL), dd = compiled(d, false);
  runs = 0;
  for (int i = 0; i < 3; i++) {
    CHECK(mlx_closure_apply(&out, dd, x) == 0);
    CHECK(value_at(out, 0) == 60 && value_at(out, 1) == 8);
  }
  CHECK(runs == 1);
  /* of a compiled gradient, compiled */
  mlx_closure h = mlx_closure_new_func_payload(gradient_of, &c, NULL);
  mlx_vector_array seconds = LIST(1, 0);
  CHECK(mlx_vjp(&out, &g, dd, x, seconds) == 0 && value_at(g, 0) == 60 && value_at(g, 1) == 12);
  mlx_closure_free(h);
  /* a checkpoint, and a rule of its own, inside a compiled gradient */
  mlx_closure saved = mlx_closure_new(), own = mlx_closure_new();
  CHECK(mlx_checkpoint(&saved, f) == 0);
  mlx_closure s = compiled_with(gradient_of, &saved);
  mlx_closure_custom r = mlx_closure_custom_new_func(rule);
  CHECK(mlx_custom_vjp(&own, f, r) == 0);
  mlx_closure o = compiled_with(gradient_of, &own);
  for (int i = 0; i < 2; i++) {
    CHECK(mlx_closure_apply(&out, s, x) == 0 && value_at(out, 0) == 60 && value_at(out, 1) == 8);
    CHECK(mlx_closure_apply(&out, o, x) == 0);
    CHECK(value_at(out, 0) == 1600 && value_at(out, 1) == 5);
  }
  mlx_closure_custom_free(r);
  mlx_closure_free(saved);
  mlx_closure_free(own);
  mlx_closure_free(s);
  mlx_closure_free(o);
  mlx_closure_free(d);
  mlx_closure_free(dd);
  mlx_closure_free(f);
  mlx_closure_free(c);
  mlx_vector_array_free(seconds);
  mlx_vector_array_free(x);
  mlx_vector_array_free(one);
  mlx_vector_array_free(t);
  mlx_vector_array_free(out);
  mlx_vector_array_free(g);
}

/* x times what the compiled closure makes of `known`, which is followed, by way of a constant. */
static int reads_known(mlx_vector_array *res, const mlx_vector_array in, void *compiled_one) {
  mlx_vector_array v = LIST(1);
  mlx_array x = at(in, 0);
  CHECK(mlx_array_set(&known, x) == 0);
  int rc = mlx_closure_apply(res, *(mlx_closure *)compiled_one, v);
  mlx_vector_array_free(v);
  mlx_array_free(x);
  return rc;
}

static void followed_by_the_way(void) {
  known = mlx_array_new();
  mlx_closure c = compiled_func(adds_known);
  mlx_closure f = mlx_closure_new_func_payload(reads_known, &c, NULL);
  mlx_vector_array x = LIST(2), one = LIST(1), out = {NULL}, g = {NULL};
  for (int i = 0; i < 2; i++) {
    CHECK(mlx_vjp(&out, &g, f, x, one) == 0);
    CHECK(value_at(out, 0) == 3 && value_at(g, 0) == 1);
  }
  mlx_array_free(known);
  mlx_closure_free(f);
  mlx_closure_free(c);
  mlx_vector_array_free(x);
  mlx_vector_array_free(one);
  mlx_vector_array_free(out);
  mlx_vector_array_free(g);
}

/* ---- streams ---- */

static mlx_stream named;

static int on_streams(mlx_vector_array *res, const mlx_vector_array in) {
  mlx_array x = at(in, 0);
  int rc = mlx_exp(&x, x, named) || mlx_negative(&x, x, none);
  return rc || give(res, x);
}

static void streams(void) {
  mlx_device cpu = mlx_device_new_type(MLX_CPU, 0);
  named = mlx_stream_new_device(cpu);
  mlx_closure c = compiled_func(on_streams);
  mlx_vector_array in = LIST(0), out = {NULL};
  for (int i = 0; i < 3; i++) {
    CHECK(mlx_closure_apply(&out, c, in) == 0 && value_at(out, 0) == -1);
  }
  mlx_closure_free(c);
  mlx_stream_free(named);
  mlx_device_free(cpu);
  mlx_vector_array_free(in);
  mlx_vector_array_free(out);
}

int main(void) {
  mean_cpu();
  mlx_set_error_handler(hear, &reports, NULL);
  values();
  forms();
  constants();
  layouts();
  failures();
  randoms();
  shapeless_randoms();
  transforms();
  followed_by_the_way();
  streams();
  return 0;
}
