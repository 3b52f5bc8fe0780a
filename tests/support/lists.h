#ifndef WR_TESTS_SUPPORT_LISTS_H
#define WR_TESTS_SUPPORT_LISTS_H

/* Vectors of single numbers, in and out of the functions of closures. */

#include "check.h"
#include "mlx/c/mlx.h"

static inline mlx_array at(mlx_vector_array v, size_t i) {
  mlx_array a = mlx_array_new();
  CHECK(mlx_vector_array_get(&a, v, i) == 0);
  return a;
}

static inline float value_at(mlx_vector_array v, size_t i) {
  float x = -1;
  mlx_array a = at(v, i);
  CHECK(mlx_array_item_float32(&x, a) == 0);
  mlx_array_free(a);
  return x;
}

static inline mlx_vector_array list(int n, const float *x) {
  mlx_vector_array v = mlx_vector_array_new();
  for (int i = 0; i < n; i++) {
    mlx_array a = mlx_array_new_float(x[i]);
    CHECK(mlx_vector_array_append_value(v, a) == 0);
    mlx_array_free(a);
  }
  return v;
}
#define LIST(...) \
  list((int)(sizeof((float[]){__VA_ARGS__}) / sizeof(float)), (float[]){__VA_ARGS__})

static inline int give(mlx_vector_array *res, mlx_array a) {
  int rc = mlx_vector_array_set_value(res, a);
  mlx_array_free(a);
  return rc;
}

#endif
