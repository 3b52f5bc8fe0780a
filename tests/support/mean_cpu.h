#ifndef WR_TESTS_SUPPORT_MEAN_CPU_H
#define WR_TESTS_SUPPORT_MEAN_CPU_H

/* Without a stream operations go to the default device, which is a GPU where the machine has one. A
   test that gives no stream and means the CPU says so as it begins. On the public API alone. */

#include "check.h"
#include "mlx/c/mlx.h"

static inline void mean_cpu(void) {
  mlx_device cpu = mlx_device_new_type(MLX_CPU, 0);
  CHECK(mlx_set_default_device(cpu) == 0);
  mlx_device_free(cpu);
}

#endif
