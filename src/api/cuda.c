/* Whether there are NVIDIA GPUs. No locks. */

#include "mlx/c/cuda.h"

#include "api/api.h"
#include "backend/backend.h"

int mlx_cuda_is_available(bool *res) {
  struct wr_error *error = NULL;
  wr_api_result(res, "res", &error);
  if (!error) *res = wr_backend_for(WR_DEVICE_GPU)->device_count() > 0;
  return wr_api_return("mlx_cuda_is_available", error);
}
