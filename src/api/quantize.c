/* Quantised matrices: handles in, one operation, handles out. No logic, no locks. */

#include <string.h>

#include "api/ops_glue.h"
#include "base/base.h"
#include "mlx/c/ops.h"

int mlx_quantize(mlx_vector_array *res, const mlx_array w, mlx_optional_int group_size,
                 mlx_optional_int bits, const char *mode, const mlx_array global_scale,
                 const mlx_stream s) {
  struct wr_error *error = NULL;
  struct wr_node *parts[3];
  int n = 0;
  wr_api_result_handle(res, WR_KIND_VECTOR_ARRAY, "res", &error);
  struct wr_node *x = wr_api_array(w, "w", &error);
  struct wr_node *all = wr_api_array_or_none(global_scale, "global_scale", &error);
  wr_api_result(mode, "mode", &error);
  const struct wr_ops_how how = {.group_size = group_size.has_value ? &group_size.value : NULL,
                                 .bits = bits.has_value ? &bits.value : NULL,
                                 .mode = mode};
  struct wr_stream *stream = wr_api_stream(s, &error);
  struct wr_node **out = error ? NULL : wr_alloc(sizeof parts);
  if (!error && !out) error = wr_error_out_of_memory();
  if (!error) error = wr_ops_quantize(parts, &n, x, &how, all, stream);
  if (!error) memcpy(out, parts, (size_t)n * sizeof *parts);
  return wr_api_return_vector("mlx_quantize", error, res, out, error ? 0 : (size_t)n);
}
