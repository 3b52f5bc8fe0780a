#ifndef WR_TESTS_SUPPORT_COMPILE_CASE_H
#define WR_TESTS_SUPPORT_COMPILE_CASE_H

/* Functions to be compiled, which count how often they run, and what they give compared. For
   tests/capi. */

#include <string.h>

#include "bracket.h"
#include "check.h"
#include "lists.h"
#include "mean_cpu.h"
#include "mlx/c/mlx.h"
#include "weir/error.h"

static const mlx_stream none;
static int reports;
static int runs; /* of the functions below, while they are captured or plain */

static inline void hear(const char *message, void *n) {
  (void)message;
  (*(int *)n)++;
}

static inline bool says(int rc, const char *text) {
  const bool said = rc == 1 && begins_rightly(weir_last_error()) && strstr(weir_last_error(), text);
  if (!said) fprintf(stderr, "rc %d, \"%s\", expected \"%s\"\n", rc, weir_last_error(), text);
  return said;
}

static inline mlx_closure compiled(mlx_closure f, bool shapeless) {
  mlx_closure c = mlx_closure_new();
  CHECK(mlx_compile(&c, f, shapeless) == 0 && c.ctx);
  return c;
}

static inline mlx_closure compiled_func(int (*f)(mlx_vector_array *, const mlx_vector_array)) {
  mlx_closure plain = mlx_closure_new_func(f), c = compiled(plain, false);
  mlx_closure_free(plain);
  return c;
}

static inline mlx_closure compiled_with(int (*f)(mlx_vector_array *, const mlx_vector_array,
                                                 void *),
                                        void *payload) {
  mlx_closure plain = mlx_closure_new_func_payload(f, payload, NULL), c = compiled(plain, false);
  mlx_closure_free(plain);
  return c;
}

static inline mlx_array ramp(int rows, int columns, mlx_dtype dtype) {
  mlx_array a = mlx_array_new();
  const int shape[2] = {rows, columns};
  CHECK(mlx_linspace(&a, -1, 2, rows * columns, dtype, none) == 0);
  CHECK(mlx_reshape(&a, a, shape, 2, none) == 0);
  return a;
}

static inline mlx_vector_array taken(mlx_array a) {
  mlx_vector_array v = mlx_vector_array_new_value(a);
  mlx_array_free(a);
  return v;
}

static inline bool equal(mlx_array a, mlx_array b) {
  mlx_array same = mlx_array_new();
  bool is = false;
  CHECK(mlx_array_equal(&same, a, b, true, none) == 0 && mlx_array_item_bool(&is, same) == 0);
  mlx_array_free(same);
  return is && mlx_array_dtype(a) == mlx_array_dtype(b);
}

static inline bool all_equal(mlx_vector_array a, mlx_vector_array b) {
  bool is = mlx_vector_array_size(a) == mlx_vector_array_size(b);
  for (size_t i = 0; is && i < mlx_vector_array_size(a); i++) {
    mlx_array x = at(a, i), y = at(b, i);
    is = equal(x, y);
    mlx_array_free(x);
    mlx_array_free(y);
  }
  return is;
}

/* exp(x y) - y, the sum of that, y itself, and y once more. */
static inline int several(mlx_vector_array *res, const mlx_vector_array in) {
  mlx_array x = at(in, 0), y = at(in, 1), z = mlx_array_new(), sum = mlx_array_new();
  runs++;
  int rc = mlx_multiply(&z, x, y, none) || mlx_exp(&z, z, none) || mlx_subtract(&z, z, y, none) ||
           mlx_sum(&sum, z, false, none);
  const mlx_array all[4] = {z, sum, y, y};
  rc = rc || mlx_vector_array_set_data(res, all, 4);
  mlx_array_free(x);
  mlx_array_free(y);
  mlx_array_free(z);
  mlx_array_free(sum);
  return rc;
}

static inline void expect_same(mlx_closure f, mlx_closure c, mlx_array x, mlx_array y) {
  const mlx_array both[2] = {x, y};
  mlx_vector_array in = mlx_vector_array_new_data(both, 2), a = {NULL}, b = {NULL};
  CHECK(mlx_closure_apply(&a, f, in) == 0 && mlx_closure_apply(&b, c, in) == 0);
  CHECK(all_equal(a, b));
  mlx_vector_array_free(in);
  mlx_vector_array_free(a);
  mlx_vector_array_free(b);
}

/* A chain longer than a group. */
static inline int chain(mlx_vector_array *res, const mlx_vector_array in) {
  mlx_array x = at(in, 0), y = mlx_array_new();
  int rc = mlx_array_set(&y, x);
  runs++;
  for (int i = 0; i < 100 && !rc; i++) {
    rc = i % 3 == 0   ? mlx_sin(&y, y, none)
         : i % 3 == 1 ? mlx_add(&y, y, x, none)
                      : mlx_multiply(&y, y, y, none);
  }
  mlx_array_free(x);
  return rc || give(res, y);
}

#endif
