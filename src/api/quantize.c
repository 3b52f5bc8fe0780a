/* Quantised matrices: handles in, one operation, handles out. No logic, no locks. */

#include <string.h>

#include "api/ops_glue.h"
#include "base/base.h"
#include "mlx/c/ops.h"

static struct wr_ops_how how(const mlx_optional_int *group_size, const mlx_optional_int *bits,
                             const char *mode, struct wr_error **error) {
  wr_api_result(mode, "mode", error);
  return (struct wr_ops_how){.group_size = group_size->has_value ? &group_size->value : NULL,
                             .bits = bits->has_value ? &bits->value : NULL,
                             .mode = mode};
}

int mlx_dequantize(mlx_array *res, const mlx_array w, const mlx_array scales,
                   const mlx_array biases, mlx_optional_int group_size, mlx_optional_int bits,
                   const char *mode, const mlx_array global_scale, mlx_optional_dtype dtype,
                   const mlx_stream s) {
  struct wr_api_call call = wr_api_begin("mlx_dequantize", res, s);
  struct wr_node *x = wr_api_array(w, "w", &call.error);
  struct wr_node *scale = wr_api_array(scales, "scales", &call.error);
  struct wr_node *bias = wr_api_array_or_none(biases, "biases", &call.error);
  struct wr_node *all = wr_api_array_or_none(global_scale, "global_scale", &call.error);
  const struct wr_ops_how given = how(&group_size, &bits, mode, &call.error);
  enum wr_dtype to = WR_BOOL;
  if (dtype.has_value) to = wr_api_dtype(dtype.value, "dtype", &call.error);
  if (!call.error) {
    call.error = wr_ops_dequantize(&call.out, x, scale, bias, &given, all,
                                   dtype.has_value ? &to : NULL, call.stream);
  }
  return wr_api_end(&call);
}

int mlx_quantize(mlx_vector_array *res, const mlx_array w, mlx_optional_int group_size,
                 mlx_optional_int bits, const char *mode, const mlx_array global_scale,
                 const mlx_stream s) {
  struct wr_error *error = NULL;
  struct wr_node *parts[3];
  int n = 0;
  wr_api_result_handle(res, WR_KIND_VECTOR_ARRAY, "res", &error);
  struct wr_node *x = wr_api_array(w, "w", &error);
  struct wr_node *all = wr_api_array_or_none(global_scale, "global_scale", &error);
  const struct wr_ops_how given = how(&group_size, &bits, mode, &error);
  struct wr_stream *stream = wr_api_stream(s, &error);
  struct wr_node **out = error ? NULL : wr_alloc(sizeof parts);
  if (!error && !out) error = wr_error_out_of_memory();
  if (!error) error = wr_ops_quantize(parts, &n, x, &given, all, stream);
  if (!error) memcpy(out, parts, (size_t)n * sizeof *parts);
  return wr_api_return_vector("mlx_quantize", error, res, out, error ? 0 : (size_t)n);
}
