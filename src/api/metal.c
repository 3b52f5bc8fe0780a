/* Metal, which is not there: an answer for programs that ask, an error for those that use it. No
   locks. */

#include "mlx/c/metal.h"

#include "api/api.h"

int mlx_metal_is_available(bool *res) {
  struct wr_error *error = NULL;
  wr_api_result(res, "res", &error);
  if (!error) *res = false;
  return wr_api_return("mlx_metal_is_available", error);
}

static struct wr_error *no_metal(void) {
  return wr_error_new(WEIR_ERROR_UNSUPPORTED,
                      "Metal is not available: there is nothing to capture");
}

int mlx_metal_start_capture(const char *path) {
  struct wr_error *error = NULL;
  wr_api_result(path, "path", &error);
  return wr_api_fail("mlx_metal_start_capture", error ? error : no_metal());
}

int mlx_metal_stop_capture(void) { return wr_api_fail("mlx_metal_stop_capture", no_metal()); }
