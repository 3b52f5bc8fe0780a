#ifndef WR_TESTS_SUPPORT_USERS_KERNEL_H
#define WR_TESTS_SUPPORT_USERS_KERNEL_H

/* Short ways to make a CUDA kernel and to apply it, for tests. Header-only. */

#include "check.h"
#include "mlx/c/mlx.h"

/* Names end with NULL. */
static inline mlx_vector_string users_names(const char *const *names) {
  mlx_vector_string v = mlx_vector_string_new();
  for (; *names; names++) CHECK(mlx_vector_string_append_value(v, *names) == 0);
  return v;
}

static inline mlx_fast_cuda_kernel users_kernel(const char *name, const char *const *in,
                                                const char *const *out, const char *source,
                                                const char *header, bool contiguous, int shared) {
  mlx_vector_string inputs = users_names(in), outputs = users_names(out);
  mlx_fast_cuda_kernel kernel =
      mlx_fast_cuda_kernel_new(name, inputs, outputs, source, header, contiguous, shared);
  mlx_vector_string_free(inputs);
  mlx_vector_string_free(outputs);
  return kernel;
}

/* n threads, in groups of 256. */
static inline mlx_fast_cuda_kernel_config users_config(int n) {
  mlx_fast_cuda_kernel_config c = mlx_fast_cuda_kernel_config_new();
  CHECK(c.ctx != NULL);
  CHECK(mlx_fast_cuda_kernel_config_set_grid(c, n, 1, 1) == 0);
  CHECK(mlx_fast_cuda_kernel_config_set_thread_group(c, 256, 1, 1) == 0);
  return c;
}

static inline int users_apply(mlx_vector_array *out, mlx_fast_cuda_kernel kernel,
                              mlx_fast_cuda_kernel_config config, const mlx_array *in, size_t n,
                              mlx_stream s) {
  mlx_vector_array inputs = mlx_vector_array_new_data(in, n);
  int rc = mlx_fast_cuda_kernel_apply(out, kernel, inputs, config, s);
  mlx_vector_array_free(inputs);
  return rc;
}

static inline mlx_array users_result(mlx_vector_array v, size_t i) {
  mlx_array a = mlx_array_new();
  CHECK(mlx_vector_array_get(&a, v, i) == 0);
  return a;
}

#endif
