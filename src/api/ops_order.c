/* Scans and sorts: handles in, one operation, a handle out. No logic, no locks. */

#include "api/ops_glue.h"
#include "mlx/c/ops.h"

int mlx_cumsum(mlx_array *res, const mlx_array a, int axis, bool reverse, bool inclusive,
               const mlx_stream s) {
  struct wr_error *error = NULL;
  struct wr_node *out = NULL;
  wr_api_result(res, "res", &error);
  struct wr_node *x = wr_api_array(a, "a", &error);
  struct wr_stream *stream = wr_api_stream(s, &error);
  if (!error) error = wr_ops_cumsum(&out, x, axis, reverse, inclusive, stream);
  return wr_api_finish_array("mlx_cumsum", error, res, out);
}

int mlx_sort_axis(mlx_array *res, const mlx_array a, int axis, const mlx_stream s) {
  struct wr_error *error = NULL;
  struct wr_node *out = NULL;
  wr_api_result(res, "res", &error);
  struct wr_node *x = wr_api_array(a, "a", &error);
  struct wr_stream *stream = wr_api_stream(s, &error);
  if (!error) error = wr_ops_sort(&out, WR_OP_SORT, x, axis, stream);
  return wr_api_finish_array("mlx_sort_axis", error, res, out);
}

int mlx_sort(mlx_array *res, const mlx_array a, const mlx_stream s) {
  struct wr_error *error = NULL;
  struct wr_node *out = NULL;
  wr_api_result(res, "res", &error);
  struct wr_node *x = wr_api_array(a, "a", &error);
  struct wr_stream *stream = wr_api_stream(s, &error);
  if (!error) error = wr_ops_sort_all(&out, WR_OP_SORT, x, stream);
  return wr_api_finish_array("mlx_sort", error, res, out);
}

int mlx_argsort_axis(mlx_array *res, const mlx_array a, int axis, const mlx_stream s) {
  struct wr_error *error = NULL;
  struct wr_node *out = NULL;
  wr_api_result(res, "res", &error);
  struct wr_node *x = wr_api_array(a, "a", &error);
  struct wr_stream *stream = wr_api_stream(s, &error);
  if (!error) error = wr_ops_sort(&out, WR_OP_ARGSORT, x, axis, stream);
  return wr_api_finish_array("mlx_argsort_axis", error, res, out);
}

int mlx_argsort(mlx_array *res, const mlx_array a, const mlx_stream s) {
  struct wr_error *error = NULL;
  struct wr_node *out = NULL;
  wr_api_result(res, "res", &error);
  struct wr_node *x = wr_api_array(a, "a", &error);
  struct wr_stream *stream = wr_api_stream(s, &error);
  if (!error) error = wr_ops_sort_all(&out, WR_OP_ARGSORT, x, stream);
  return wr_api_finish_array("mlx_argsort", error, res, out);
}

int mlx_topk_axis(mlx_array *res, const mlx_array a, int k, int axis, const mlx_stream s) {
  struct wr_error *error = NULL;
  struct wr_node *out = NULL;
  wr_api_result(res, "res", &error);
  struct wr_node *x = wr_api_array(a, "a", &error);
  struct wr_stream *stream = wr_api_stream(s, &error);
  if (!error) error = wr_ops_topk(&out, x, k, axis, stream);
  return wr_api_finish_array("mlx_topk_axis", error, res, out);
}

int mlx_topk(mlx_array *res, const mlx_array a, int k, const mlx_stream s) {
  struct wr_error *error = NULL;
  struct wr_node *out = NULL;
  wr_api_result(res, "res", &error);
  struct wr_node *x = wr_api_array(a, "a", &error);
  struct wr_stream *stream = wr_api_stream(s, &error);
  if (!error) error = wr_ops_topk_all(&out, x, k, stream);
  return wr_api_finish_array("mlx_topk", error, res, out);
}
