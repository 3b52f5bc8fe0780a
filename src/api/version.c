/* The version of MLX whose interface and behaviour this library has. */

#include "mlx/c/version.h"

#include "api/api.h"

static const char compatible_with[] = "0.32.4";

int mlx_version(mlx_string *str) {
  struct wr_error *error = NULL;
  wr_api_result(str, "str_", &error);
  if (!error) error = wr_api_set_string(str, compatible_with);
  return wr_api_finish("mlx_version", error);
}
