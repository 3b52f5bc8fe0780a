/* Reading and adding by index, and matrix products: handles in, one operation, a handle out. No
   logic, no locks. */

#include "api/ops_glue.h"
#include "mlx/c/ops.h"

int mlx_take_axis(mlx_array *res, const mlx_array a, const mlx_array indices, int axis,
                  const mlx_stream s) {
  struct wr_error *error = NULL;
  struct wr_node *out = NULL;
  wr_api_result(res, "res", &error);
  struct wr_node *x = wr_api_array(a, "a", &error);
  struct wr_node *at = wr_api_array(indices, "indices", &error);
  struct wr_stream *stream = wr_api_stream(s, &error);
  if (!error) error = wr_ops_take(&out, x, at, axis, stream);
  return wr_api_finish_array("mlx_take_axis", error, res, out);
}

int mlx_take(mlx_array *res, const mlx_array a, const mlx_array indices, const mlx_stream s) {
  struct wr_error *error = NULL;
  struct wr_node *out = NULL;
  wr_api_result(res, "res", &error);
  struct wr_node *x = wr_api_array(a, "a", &error);
  struct wr_node *at = wr_api_array(indices, "indices", &error);
  struct wr_stream *stream = wr_api_stream(s, &error);
  if (!error) error = wr_ops_take_all(&out, x, at, stream);
  return wr_api_finish_array("mlx_take", error, res, out);
}

int mlx_take_along_axis(mlx_array *res, const mlx_array a, const mlx_array indices, int axis,
                        const mlx_stream s) {
  struct wr_error *error = NULL;
  struct wr_node *out = NULL;
  wr_api_result(res, "res", &error);
  struct wr_node *x = wr_api_array(a, "a", &error);
  struct wr_node *at = wr_api_array(indices, "indices", &error);
  struct wr_stream *stream = wr_api_stream(s, &error);
  if (!error) error = wr_ops_take_along_axis(&out, x, at, axis, stream);
  return wr_api_finish_array("mlx_take_along_axis", error, res, out);
}

int mlx_scatter_add(mlx_array *res, const mlx_array a, const mlx_vector_array indices,
                    const mlx_array updates, const int *axes, size_t axes_num, const mlx_stream s) {
  struct wr_error *error = NULL;
  struct wr_node *out = NULL;
  wr_api_result(res, "res", &error);
  struct wr_node *x = wr_api_array(a, "a", &error);
  size_t n = 0;
  struct wr_node *const *at = wr_api_vector(indices, "indices", &n, &error);
  struct wr_node *u = wr_api_array(updates, "updates", &error);
  const int32_t *list = wr_api_ints(axes, axes_num, "axes", &error);
  struct wr_stream *stream = wr_api_stream(s, &error);
  if (!error) {
    error =
        wr_ops_scatter_add(&out, x, at, wr_api_count(n), u, list, wr_api_count(axes_num), stream);
  }
  return wr_api_finish_array("mlx_scatter_add", error, res, out);
}

int mlx_scatter_add_single(mlx_array *res, const mlx_array a, const mlx_array indices,
                           const mlx_array updates, int axis, const mlx_stream s) {
  struct wr_error *error = NULL;
  struct wr_node *out = NULL;
  wr_api_result(res, "res", &error);
  struct wr_node *x = wr_api_array(a, "a", &error);
  struct wr_node *at = wr_api_array(indices, "indices", &error);
  struct wr_node *u = wr_api_array(updates, "updates", &error);
  struct wr_stream *stream = wr_api_stream(s, &error);
  if (!error) error = wr_ops_scatter_add(&out, x, &at, 1, u, &axis, 1, stream);
  return wr_api_finish_array("mlx_scatter_add_single", error, res, out);
}

int mlx_matmul(mlx_array *res, const mlx_array a, const mlx_array b, const mlx_stream s) {
  struct wr_error *error = NULL;
  struct wr_node *out = NULL;
  wr_api_result(res, "res", &error);
  struct wr_node *x = wr_api_array(a, "a", &error);
  struct wr_node *y = wr_api_array(b, "b", &error);
  struct wr_stream *stream = wr_api_stream(s, &error);
  if (!error) error = wr_ops_matmul(&out, x, y, stream);
  return wr_api_finish_array("mlx_matmul", error, res, out);
}

int mlx_addmm(mlx_array *res, const mlx_array c, const mlx_array a, const mlx_array b, float alpha,
              float beta, const mlx_stream s) {
  struct wr_error *error = NULL;
  struct wr_node *out = NULL;
  wr_api_result(res, "res", &error);
  struct wr_node *z = wr_api_array(c, "c", &error);
  struct wr_node *x = wr_api_array(a, "a", &error);
  struct wr_node *y = wr_api_array(b, "b", &error);
  struct wr_stream *stream = wr_api_stream(s, &error);
  if (!error) error = wr_ops_addmm(&out, z, x, y, alpha, beta, stream);
  return wr_api_finish_array("mlx_addmm", error, res, out);
}
