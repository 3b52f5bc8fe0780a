/* The version of MLX whose C functions this library has: programs tell by it which arguments they
   take. */

#include "mlx/c/version.h"

#include "api/api.h"

static const char compatible_with[] = "0.31.2";

int mlx_version(mlx_string *str) {
  struct wr_error *error = NULL;
  wr_api_result_handle(str, WR_KIND_STRING, "str_", &error);
  if (!error) error = wr_api_set_string(str, compatible_with);
  return wr_api_return("mlx_version", error);
}
