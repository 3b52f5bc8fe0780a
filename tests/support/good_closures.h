#ifndef WR_TESTS_SUPPORT_GOOD_CLOSURES_H
#define WR_TESTS_SUPPORT_GOOD_CLOSURES_H

/* A closure of each kind that works, for tests that go through all functions. `h` is a struct with
   a member for each, as tools/generate names them. */

#include "check.h"
#include "mlx/c/closure.h"

static int give_back(mlx_vector_array *res, const mlx_vector_array input) {
  return mlx_vector_array_set(res, input);
}

static int give_back_named(mlx_vector_array *res, const mlx_vector_array input,
                           const mlx_map_string_to_array named) {
  (void)named;
  return mlx_vector_array_set(res, input);
}

static int give_back_twice(mlx_vector_array *res_0, mlx_vector_array *res_1,
                           const mlx_vector_array input) {
  return mlx_vector_array_set(res_0, input) || mlx_vector_array_set(res_1, input);
}

static int give_back_first(mlx_vector_array *res, const mlx_vector_array first,
                           const mlx_vector_array second, const mlx_vector_array third) {
  (void)second;
  (void)third;
  return mlx_vector_array_set(res, first);
}

static int give_back_primals(mlx_vector_array *res, const mlx_vector_array primals,
                             const mlx_vector_array tangents, const int *list, size_t n) {
  (void)tangents;
  (void)list;
  (void)n;
  return mlx_vector_array_set(res, primals);
}

static int give_back_mapped(mlx_vector_array *res_0, mlx_vector_int *res_1,
                            const mlx_vector_array input, const int *axes, size_t n) {
  (void)axes;
  (void)n;
  return mlx_vector_array_set(res_0, input) || mlx_vector_int_set_value(res_1, 0);
}

#define MAKE_CLOSURES(h)                                                              \
  ((h).closure = mlx_closure_new_func(give_back),                                     \
   (h).closure_kwargs = mlx_closure_kwargs_new_func(give_back_named),                 \
   (h).closure_value_and_grad = mlx_closure_value_and_grad_new_func(give_back_twice), \
   (h).closure_custom = mlx_closure_custom_new_func(give_back_first),                 \
   (h).closure_custom_jvp = mlx_closure_custom_jvp_new_func(give_back_primals),       \
   (h).closure_custom_vmap = mlx_closure_custom_vmap_new_func(give_back_mapped))

#define FREE_CLOSURES(h)                                                    \
  (CHECK(mlx_closure_free((h).closure) == 0),                               \
   CHECK(mlx_closure_kwargs_free((h).closure_kwargs) == 0),                 \
   CHECK(mlx_closure_value_and_grad_free((h).closure_value_and_grad) == 0), \
   CHECK(mlx_closure_custom_free((h).closure_custom) == 0),                 \
   CHECK(mlx_closure_custom_jvp_free((h).closure_custom_jvp) == 0),         \
   CHECK(mlx_closure_custom_vmap_free((h).closure_custom_vmap) == 0))

#endif
