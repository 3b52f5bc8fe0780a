#ifndef WR_TESTS_SUPPORT_GOOD_IMPORTED_H
#define WR_TESTS_SUPPORT_GOOD_IMPORTED_H

/* A function that was written and read, for tests of arguments. Header-only. */

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "check.h"
#include "mlx/c/mlx.h"

static inline int imported_identity(mlx_vector_array *res, const mlx_vector_array in) {
  return mlx_vector_array_set(res, in);
}

static inline mlx_imported_function good_imported_function(mlx_vector_array args) {
  char name[] = "/tmp/weir-function-XXXXXX";
  const int file = mkstemp(name);
  mlx_closure f = mlx_closure_new_func(imported_identity);
  CHECK(file >= 0 && close(file) == 0 && mlx_export_function(name, f, args, false) == 0);
  mlx_imported_function imported = mlx_imported_function_new(name);
  CHECK(imported.ctx && mlx_closure_free(f) == 0 && unlink(name) == 0);
  return imported;
}

#endif
