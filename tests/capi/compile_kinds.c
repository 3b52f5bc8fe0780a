/* K10. Identities of compiled closures, modes, other shapes, and ends. */

#include "compile_case.h"

/* ---- identities ---- */

static int twice(mlx_vector_array *res, const mlx_vector_array in) {
  mlx_array x = at(in, 0);
  runs++;
  int rc = mlx_add(&x, x, x, none);
  return rc || give(res, x);
}

static void identities(void) {
  mlx_closure f = mlx_closure_new_func(twice), g = mlx_closure_new_func(chain);
  mlx_closure a = mlx_closure_new(), b = mlx_closure_new(), k = mlx_closure_new();
  const uint64_t one[2] = {1, 2}, two[2] = {1, 3};
  mlx_vector_array in = LIST(3), out = {NULL};
  CHECK(mlx_detail_compile(&a, f, 77, false, one, 2) == 0);
  CHECK(mlx_detail_compile(&b, g, 77, false, one, 2) == 0);
  runs = 0;
  CHECK(mlx_closure_apply(&out, a, in) == 0 && value_at(out, 0) == 6);
  CHECK(mlx_closure_apply(&out, b, in) == 0 && value_at(out, 0) == 6 && runs == 1);
  CHECK(mlx_detail_compile(&k, f, 77, false, two, 2) == 0);
  CHECK(mlx_closure_apply(&out, k, in) == 0 && runs == 2);
  /* It stays when closures end. */
  mlx_closure_free(a);
  mlx_closure_free(k);
  a = mlx_closure_new();
  CHECK(mlx_detail_compile(&a, f, 77, false, one, 2) == 0);
  CHECK(mlx_closure_apply(&out, a, in) == 0 && runs == 2);
  CHECK(mlx_detail_compile_erase(78) == 0 && mlx_detail_compile_erase(77) == 0);
  CHECK(mlx_closure_apply(&out, a, in) == 0 && value_at(out, 0) == 6 && runs == 3);
  CHECK(mlx_detail_compile_clear_cache() == 0 && mlx_detail_compile_clear_cache() == 0);
  CHECK(mlx_closure_apply(&out, a, in) == 0 && value_at(out, 0) == 6 && runs == 4);
  CHECK(says(mlx_detail_compile(&a, f, 1, false, NULL, 2), "constants"));
  CHECK(mlx_detail_compile_erase(77) == 0);
  mlx_closure_free(a);
  mlx_closure_free(b);
  mlx_closure_free(f);
  mlx_closure_free(g);
  /* An identity of one's own is nobody else's. */
  a = compiled_func(twice);
  b = compiled_func(twice);
  runs = 0;
  CHECK(mlx_closure_apply(&out, a, in) == 0 && mlx_closure_apply(&out, b, in) == 0 && runs == 2);
  mlx_closure_set(&a, b); /* the same function */
  CHECK(mlx_closure_apply(&out, a, in) == 0 && runs == 2);
  mlx_closure_free(a);
  mlx_closure_free(b);
  mlx_vector_array_free(in);
  mlx_vector_array_free(out);
}

/* ---- modes ---- */

static void modes(void) {
  mlx_closure f = mlx_closure_new_func(chain);
  mlx_vector_array in = taken(ramp(5, 5, MLX_FLOAT32)), out = {NULL}, want = {NULL};
  CHECK(mlx_closure_apply(&want, f, in) == 0);
  mlx_closure before = compiled(f, false);
  CHECK(mlx_disable_compile() == 0);
  mlx_closure plain = compiled(f, false);
  CHECK(mlx_enable_compile() == 0);
  runs = 0;
  for (int i = 0; i < 3; i++) CHECK(mlx_closure_apply(&out, plain, in) == 0);
  CHECK(runs == 3);
  CHECK(mlx_disable_compile() == 0);
  for (int i = 0; i < 3; i++) CHECK(mlx_closure_apply(&out, before, in) == 0);
  CHECK(runs == 4 && all_equal(out, want));
  for (int mode = MLX_COMPILE_MODE_NO_SIMPLIFY; mode <= MLX_COMPILE_MODE_ENABLED; mode++) {
    CHECK(mlx_set_compile_mode((mlx_compile_mode)mode) == 0);
    mlx_closure c = compiled(f, false);
    for (int i = 0; i < 2; i++) CHECK(mlx_closure_apply(&out, c, in) == 0 && all_equal(out, want));
    mlx_closure_free(c);
  }
  CHECK(runs == 7);
  mlx_closure_free(f);
  mlx_closure_free(before);
  mlx_closure_free(plain);
  mlx_vector_array_free(in);
  mlx_vector_array_free(out);
  mlx_vector_array_free(want);
}

/* ---- shapeless ---- */

static int mean_of(mlx_vector_array *res, const mlx_vector_array in) {
  mlx_array x = at(in, 0);
  runs++;
  int rc = mlx_mean(&x, x, false, none);
  return rc || give(res, x);
}

static int affine(mlx_vector_array *res, const mlx_vector_array in) {
  mlx_array x = at(in, 0), one = mlx_array_new_float(1), sum = mlx_array_new();
  runs++;
  int rc = mlx_add(&x, x, one, none) || mlx_sum_axis(&sum, x, 1, true, none) ||
           mlx_divide(&x, x, sum, none) || mlx_softmax_axis(&x, x, 0, false, none) ||
           mlx_transpose(&x, x, none) || mlx_flatten(&x, x, 0, -1, none);
  mlx_array_free(one);
  mlx_array_free(sum);
  return rc || give(res, x);
}

static int head(mlx_vector_array *res, const mlx_vector_array in) {
  mlx_array x = at(in, 0);
  const int start[2] = {0, 0}, stop[2] = {mlx_array_dim(x, 0), 2}, step[2] = {1, 1};
  runs++;
  int rc = mlx_slice(&x, x, start, 2, stop, 2, step, 2, none);
  return rc || give(res, x);
}

static void expect_shapes(int (*func)(mlx_vector_array *, const mlx_vector_array), int times) {
  static const int shapes[5][2] = {{3, 4}, {5, 4}, {3, 4}, {7, 9}, {2, 2}};
  mlx_closure f = mlx_closure_new_func(func), c = compiled(f, true);
  mlx_vector_array a = {NULL}, b = {NULL};
  runs = 0;
  for (int i = 0; i < 5; i++) {
    mlx_vector_array in = taken(ramp(shapes[i][0], shapes[i][1], MLX_FLOAT32));
    CHECK(mlx_closure_apply(&a, c, in) == 0);
    runs -= 1;
    CHECK(mlx_closure_apply(&b, f, in) == 0);
    CHECK(all_equal(a, b));
    mlx_vector_array_free(in);
  }
  if (runs != times) fprintf(stderr, "%d runs, not %d\n", runs, times);
  CHECK(runs == times);
  mlx_closure_free(f);
  mlx_closure_free(c);
  mlx_vector_array_free(a);
  mlx_vector_array_free(b);
}

/* Steps that operations are made of, whose inputs have the same extents though x has others. */

static int product(mlx_vector_array *res, const mlx_vector_array in) {
  mlx_array x = at(in, 0), y = at(in, 1);
  int rc = mlx_matmul(&x, x, y, none);
  mlx_array_free(y);
  return rc || give(res, x);
}

static int conv(mlx_vector_array *res, const mlx_vector_array in) {
  mlx_array x = at(in, 0), y = at(in, 1);
  int rc = mlx_transpose(&y, y, none) || mlx_expand_dims(&y, y, 1, none) ||
           mlx_conv1d(&x, x, y, 1, 0, 1, 1, none);
  mlx_array_free(y);
  return rc || give(res, x);
}

static int rolled(mlx_vector_array *res, const mlx_vector_array in) {
  mlx_array x = at(in, 0);
  int rc = mlx_roll(&x, x, (const int[]){1}, 1, none);
  return rc || give(res, x);
}

static int filled(mlx_vector_array *res, const mlx_vector_array in) {
  mlx_array x = at(in, 0), y = at(in, 1);
  int rc = mlx_max(&y, y, false, none) || mlx_full_like(&x, x, y, MLX_FLOAT32, none);
  mlx_array_free(y);
  return rc || give(res, x);
}

static int spread(mlx_vector_array *res, const mlx_vector_array in) {
  mlx_array y = at(in, 1);
  int rc = mlx_max(&y, y, false, none);
  mlx_vector_array both = {NULL};
  rc = rc || mlx_vector_array_set_value(&both, y);
  mlx_array x = at(in, 0);
  rc = rc || mlx_vector_array_append_value(both, x) || mlx_broadcast_arrays(res, both, none);
  mlx_vector_array_free(both);
  mlx_array_free(x);
  mlx_array_free(y);
  return rc;
}

static int shuffled(mlx_vector_array *res, const mlx_vector_array in) {
  mlx_array x = at(in, 0), y = at(in, 1), key = mlx_array_new();
  int rc =
      mlx_flatten(&y, y, 0, -1, none) ||
      mlx_slice(&key, y, (const int[]){0}, 1, (const int[]){2}, 1, (const int[]){1}, 1, none) ||
      mlx_astype(&key, key, MLX_UINT32, none) || mlx_random_permutation(&x, x, 0, key, none);
  mlx_array_free(y);
  mlx_array_free(key);
  return rc || give(res, x);
}

static int sum_of_first(mlx_vector_array *res, const mlx_vector_array in) {
  mlx_array x = at(in, 0);
  int rc = mlx_sum(&x, x, false, none);
  return rc || give(res, x);
}

static int sums_gradient(mlx_vector_array *res, const mlx_vector_array in) {
  mlx_array y = at(in, 1);
  mlx_closure f = mlx_closure_new_func(sum_of_first);
  int rc = mlx_max(&y, y, false, none);
  mlx_vector_array d = taken(y), out = {NULL};
  rc = rc || mlx_vjp(&out, res, f, in, d);
  mlx_vector_array_free(d);
  mlx_vector_array_free(out);
  mlx_closure_free(f);
  return rc;
}

static void expect_boxes(int (*func)(mlx_vector_array *, const mlx_vector_array)) {
  static const int shapes[5][3] = {{2, 3, 4}, {3, 2, 4}, {6, 1, 4}, {5, 2, 4}, {2, 5, 4}};
  mlx_closure f = mlx_closure_new_func(func), c = compiled(f, true);
  mlx_vector_array a = {NULL}, b = {NULL};
  for (int i = 0; i < 5; i++) {
    mlx_array x = ramp(shapes[i][0] * shapes[i][1], shapes[i][2], MLX_FLOAT32);
    mlx_array y = ramp(4, 2, MLX_FLOAT32);
    CHECK(mlx_reshape(&x, x, shapes[i], 3, none) == 0);
    mlx_vector_array in = taken(x);
    CHECK(mlx_vector_array_append_value(in, y) == 0);
    CHECK(mlx_closure_apply(&a, c, in) == 0 && mlx_closure_apply(&b, f, in) == 0);
    CHECK(all_equal(a, b));
    mlx_array_free(y);
    mlx_vector_array_free(in);
  }
  mlx_closure_free(f);
  mlx_closure_free(c);
  mlx_vector_array_free(a);
  mlx_vector_array_free(b);
}

/* By a multiple of the first box's extents, which leaves that one as it is. */
static int rolled_round(mlx_vector_array *res, const mlx_vector_array in) {
  mlx_array x = at(in, 0);
  int rc = mlx_roll_axes(&x, x, (const int[]){6, 6}, 2, (const int[]){0, 1}, 2, none);
  return rc || give(res, x);
}

static int centred(mlx_vector_array *res, const mlx_vector_array in) {
  mlx_array x = at(in, 0);
  int rc = mlx_fft_fftshift(&x, x, (const int[]){0}, 1, none);
  return rc || give(res, x);
}

/* One element has no other place than the middle; three have. */
static void expect_centred(void) {
  mlx_closure f = mlx_closure_new_func(centred), c = compiled(f, true);
  mlx_vector_array a = {NULL}, b = {NULL};
  for (int n = 1; n <= 3; n++) {
    mlx_vector_array in = taken(ramp(n, 4, MLX_FLOAT32));
    CHECK(mlx_closure_apply(&a, c, in) == 0 && mlx_closure_apply(&b, f, in) == 0);
    CHECK(all_equal(a, b));
    mlx_vector_array_free(in);
  }
  mlx_closure_free(f);
  mlx_closure_free(c);
  mlx_vector_array_free(a);
  mlx_vector_array_free(b);
}

static void shapeless(void) {
  expect_centred();
  expect_boxes(rolled_round);
  expect_boxes(product);
  expect_boxes(conv);
  expect_boxes(rolled);
  expect_boxes(filled);
  expect_boxes(spread);
  expect_boxes(shuffled);
  expect_boxes(sums_gradient);
  expect_shapes(twice, 1);
  expect_shapes(chain, 1);
  expect_shapes(affine, 1);
  expect_shapes(mean_of, 4); /* counts elements */
  expect_shapes(head, 4);
  /* Other dtypes and numbers of axes are other calls; operands of several shapes. */
  mlx_closure f = mlx_closure_new_func(several), c = compiled(f, true);
  mlx_array x = ramp(3, 4, MLX_FLOAT32), y = ramp(3, 4, MLX_FLOAT32), z = ramp(5, 2, MLX_FLOAT32);
  mlx_array row = ramp(1, 2, MLX_FLOAT32), h = ramp(5, 2, MLX_FLOAT16);
  runs = 0;
  expect_same(f, c, x, y);
  expect_same(f, c, z, z);
  CHECK(runs == 3);
  expect_same(f, c, z, row); /* an axis of one is another kind */
  CHECK(runs == 5);
  expect_same(f, c, h, z);
  CHECK(runs == 7);
  mlx_array_free(x);
  mlx_array_free(y);
  mlx_array_free(z);
  mlx_array_free(row);
  mlx_array_free(h);
  mlx_closure_free(f);
  mlx_closure_free(c);
}

/* ---- ends ---- */

static int ended;
static void count_end(void *payload) {
  (void)payload;
  ended++;
}
static int with_payload(mlx_vector_array *res, const mlx_vector_array in, void *payload) {
  (void)payload;
  return twice(res, in);
}

static void ends(void) {
  mlx_closure f = mlx_closure_new_func_payload(with_payload, &ended, count_end);
  mlx_closure c = compiled(f, false);
  mlx_vector_array in = LIST(3), out = {NULL};
  CHECK(mlx_closure_apply(&out, c, in) == 0 && value_at(out, 0) == 6);
  mlx_closure_free(f);
  CHECK(mlx_closure_apply(&out, c, in) == 0 && ended == 0);
  mlx_closure_free(c);
  CHECK(ended == 1);
  mlx_vector_array_free(in);
  mlx_vector_array_free(out);
}

int main(void) {
  mean_cpu();
  mlx_set_error_handler(hear, &reports, NULL);
  identities();
  modes();
  shapeless();
  ends();
  return 0;
}
