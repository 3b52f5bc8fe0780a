/* Forcing several arrays. No locks of its own. */

#include "mlx/c/transforms.h"

#include "api/api.h"

static int force(const char *function, mlx_vector_array outputs,
                 struct wr_error *(*eval)(struct wr_node *const *, size_t)) {
  struct wr_error *error = NULL;
  size_t n = 0;
  struct wr_node *const *nodes = wr_api_vector(outputs, "outputs", &n, &error);
  if (!error) error = eval(nodes, n);
  return wr_api_finish(function, error);
}

int mlx_eval(const mlx_vector_array outputs) { return force("mlx_eval", outputs, wr_eval); }

int mlx_async_eval(const mlx_vector_array outputs) {
  return force("mlx_async_eval", outputs, wr_async_eval);
}
