/* A library that has a few of MLX's functions and is not Weir: what it says of its version is what
   a program says that runs on it. */

#include "mlx/c/mlx.h"

mlx_string mlx_string_new(void) { return (mlx_string){NULL}; }
const char *mlx_string_data(mlx_string str) { return str.ctx; }

int mlx_string_free(mlx_string str) {
  (void)str;
  return 0;
}

int mlx_version(mlx_string *str_) {
  static char text[] = "another";
  str_->ctx = text;
  return 0;
}
