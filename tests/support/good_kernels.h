#ifndef WR_TESTS_SUPPORT_GOOD_KERNELS_H
#define WR_TESTS_SUPPORT_GOOD_KERNELS_H

/* Handles of users' kernels, for tests of arguments. A CUDA kernel is made where there is a GPU
   alone (tests/cuda_host/users_kernels.c). Header-only. */

#include "check.h"
#include "mlx/c/mlx.h"

static inline mlx_fast_metal_kernel good_metal_kernel(void) {
  mlx_vector_string names = mlx_vector_string_new_value("x");
  mlx_fast_metal_kernel kernel =
      mlx_fast_metal_kernel_new("name", names, names, "source", "", true, false);
  CHECK(kernel.ctx && mlx_vector_string_free(names) == 0);
  return kernel;
}

#endif
