/* Copies, casts, joins and arrays from nothing: handles in, one operation, a handle out. No logic,
   no locks. */

#include "api/ops_glue.h"
#include "mlx/c/ops.h"

int mlx_astype(mlx_array *res, const mlx_array a, mlx_dtype dtype, const mlx_stream s) {
  struct wr_error *error = NULL;
  struct wr_node *out = NULL;
  wr_api_result(res, "res", &error);
  struct wr_node *x = wr_api_array(a, "a", &error);
  enum wr_dtype type_of = wr_api_dtype(dtype, "dtype", &error);
  struct wr_stream *stream = wr_api_stream(s, &error);
  if (!error) error = wr_ops_astype(&out, x, type_of, stream);
  return wr_api_finish_array("mlx_astype", error, res, out);
}

int mlx_copy(mlx_array *res, const mlx_array a, const mlx_stream s) {
  struct wr_error *error = NULL;
  struct wr_node *out = NULL;
  wr_api_result(res, "res", &error);
  struct wr_node *x = wr_api_array(a, "a", &error);
  struct wr_stream *stream = wr_api_stream(s, &error);
  if (!error) error = wr_ops_copy(&out, x, stream);
  return wr_api_finish_array("mlx_copy", error, res, out);
}

int mlx_contiguous(mlx_array *res, const mlx_array a, bool allow_col_major, const mlx_stream s) {
  struct wr_error *error = NULL;
  struct wr_node *out = NULL;
  wr_api_result(res, "res", &error);
  struct wr_node *x = wr_api_array(a, "a", &error);
  struct wr_stream *stream = wr_api_stream(s, &error);
  if (!error) error = wr_ops_contiguous(&out, x, allow_col_major, stream);
  return wr_api_finish_array("mlx_contiguous", error, res, out);
}

int mlx_concatenate_axis(mlx_array *res, const mlx_vector_array arrays, int axis,
                         const mlx_stream s) {
  struct wr_error *error = NULL;
  struct wr_node *out = NULL;
  wr_api_result(res, "res", &error);
  size_t n = 0;
  struct wr_node *const *items = wr_api_vector(arrays, "arrays", &n, &error);
  struct wr_stream *stream = wr_api_stream(s, &error);
  if (!error) error = wr_ops_concatenate(&out, items, wr_api_count(n), axis, stream);
  return wr_api_finish_array("mlx_concatenate_axis", error, res, out);
}

int mlx_concatenate(mlx_array *res, const mlx_vector_array arrays, const mlx_stream s) {
  struct wr_error *error = NULL;
  struct wr_node *out = NULL;
  wr_api_result(res, "res", &error);
  size_t n = 0;
  struct wr_node *const *items = wr_api_vector(arrays, "arrays", &n, &error);
  struct wr_stream *stream = wr_api_stream(s, &error);
  if (!error) error = wr_ops_concatenate_all(&out, items, wr_api_count(n), stream);
  return wr_api_finish_array("mlx_concatenate", error, res, out);
}

int mlx_stack_axis(mlx_array *res, const mlx_vector_array arrays, int axis, const mlx_stream s) {
  struct wr_error *error = NULL;
  struct wr_node *out = NULL;
  wr_api_result(res, "res", &error);
  size_t n = 0;
  struct wr_node *const *items = wr_api_vector(arrays, "arrays", &n, &error);
  struct wr_stream *stream = wr_api_stream(s, &error);
  if (!error) error = wr_ops_stack(&out, items, wr_api_count(n), axis, stream);
  return wr_api_finish_array("mlx_stack_axis", error, res, out);
}

int mlx_stack(mlx_array *res, const mlx_vector_array arrays, const mlx_stream s) {
  struct wr_error *error = NULL;
  struct wr_node *out = NULL;
  wr_api_result(res, "res", &error);
  size_t n = 0;
  struct wr_node *const *items = wr_api_vector(arrays, "arrays", &n, &error);
  struct wr_stream *stream = wr_api_stream(s, &error);
  if (!error) error = wr_ops_stack(&out, items, wr_api_count(n), 0, stream);
  return wr_api_finish_array("mlx_stack", error, res, out);
}

int mlx_arange(mlx_array *res, double start, double stop, double step, mlx_dtype dtype,
               const mlx_stream s) {
  struct wr_error *error = NULL;
  struct wr_node *out = NULL;
  wr_api_result(res, "res", &error);
  enum wr_dtype type_of = wr_api_dtype(dtype, "dtype", &error);
  struct wr_stream *stream = wr_api_stream(s, &error);
  if (!error) error = wr_ops_arange(&out, start, stop, step, type_of, stream);
  return wr_api_finish_array("mlx_arange", error, res, out);
}

int mlx_linspace(mlx_array *res, double start, double stop, int num, mlx_dtype dtype,
                 const mlx_stream s) {
  struct wr_error *error = NULL;
  struct wr_node *out = NULL;
  wr_api_result(res, "res", &error);
  enum wr_dtype type_of = wr_api_dtype(dtype, "dtype", &error);
  struct wr_stream *stream = wr_api_stream(s, &error);
  if (!error) error = wr_ops_linspace(&out, start, stop, num, type_of, stream);
  return wr_api_finish_array("mlx_linspace", error, res, out);
}

int mlx_full(mlx_array *res, const int *shape, size_t shape_num, const mlx_array vals,
             mlx_dtype dtype, const mlx_stream s) {
  struct wr_error *error = NULL;
  struct wr_node *out = NULL;
  wr_api_result(res, "res", &error);
  const int32_t *dims = wr_api_shape(shape, shape_num, "shape", &error);
  struct wr_node *v = wr_api_array(vals, "vals", &error);
  enum wr_dtype type_of = wr_api_dtype(dtype, "dtype", &error);
  struct wr_stream *stream = wr_api_stream(s, &error);
  if (!error) error = wr_ops_full(&out, dims, wr_api_count(shape_num), v, type_of, stream);
  return wr_api_finish_array("mlx_full", error, res, out);
}

int mlx_full_like(mlx_array *res, const mlx_array a, const mlx_array vals, mlx_dtype dtype,
                  const mlx_stream s) {
  struct wr_error *error = NULL;
  struct wr_node *out = NULL;
  wr_api_result(res, "res", &error);
  struct wr_node *x = wr_api_array(a, "a", &error);
  struct wr_node *v = wr_api_array(vals, "vals", &error);
  enum wr_dtype type_of = wr_api_dtype(dtype, "dtype", &error);
  struct wr_stream *stream = wr_api_stream(s, &error);
  if (!error) error = wr_ops_full_like(&out, x, v, type_of, stream);
  return wr_api_finish_array("mlx_full_like", error, res, out);
}

int mlx_zeros(mlx_array *res, const int *shape, size_t shape_num, mlx_dtype dtype,
              const mlx_stream s) {
  struct wr_error *error = NULL;
  struct wr_node *out = NULL;
  wr_api_result(res, "res", &error);
  const int32_t *dims = wr_api_shape(shape, shape_num, "shape", &error);
  enum wr_dtype type_of = wr_api_dtype(dtype, "dtype", &error);
  struct wr_stream *stream = wr_api_stream(s, &error);
  if (!error) error = wr_ops_fill(&out, dims, wr_api_count(shape_num), 0, type_of, stream);
  return wr_api_finish_array("mlx_zeros", error, res, out);
}

int mlx_zeros_like(mlx_array *res, const mlx_array a, const mlx_stream s) {
  struct wr_error *error = NULL;
  struct wr_node *out = NULL;
  wr_api_result(res, "res", &error);
  struct wr_node *x = wr_api_array(a, "a", &error);
  struct wr_stream *stream = wr_api_stream(s, &error);
  if (!error) error = wr_ops_fill_like(&out, x, 0, stream);
  return wr_api_finish_array("mlx_zeros_like", error, res, out);
}

int mlx_ones(mlx_array *res, const int *shape, size_t shape_num, mlx_dtype dtype,
             const mlx_stream s) {
  struct wr_error *error = NULL;
  struct wr_node *out = NULL;
  wr_api_result(res, "res", &error);
  const int32_t *dims = wr_api_shape(shape, shape_num, "shape", &error);
  enum wr_dtype type_of = wr_api_dtype(dtype, "dtype", &error);
  struct wr_stream *stream = wr_api_stream(s, &error);
  if (!error) error = wr_ops_fill(&out, dims, wr_api_count(shape_num), 1, type_of, stream);
  return wr_api_finish_array("mlx_ones", error, res, out);
}

int mlx_ones_like(mlx_array *res, const mlx_array a, const mlx_stream s) {
  struct wr_error *error = NULL;
  struct wr_node *out = NULL;
  wr_api_result(res, "res", &error);
  struct wr_node *x = wr_api_array(a, "a", &error);
  struct wr_stream *stream = wr_api_stream(s, &error);
  if (!error) error = wr_ops_fill_like(&out, x, 1, stream);
  return wr_api_finish_array("mlx_ones_like", error, res, out);
}

int mlx_eye(mlx_array *res, int n, int m, int k, mlx_dtype dtype, const mlx_stream s) {
  struct wr_error *error = NULL;
  struct wr_node *out = NULL;
  wr_api_result(res, "res", &error);
  enum wr_dtype type_of = wr_api_dtype(dtype, "dtype", &error);
  struct wr_stream *stream = wr_api_stream(s, &error);
  if (!error) error = wr_ops_eye(&out, n, m, k, type_of, stream);
  return wr_api_finish_array("mlx_eye", error, res, out);
}

int mlx_identity(mlx_array *res, int n, mlx_dtype dtype, const mlx_stream s) {
  struct wr_error *error = NULL;
  struct wr_node *out = NULL;
  wr_api_result(res, "res", &error);
  enum wr_dtype type_of = wr_api_dtype(dtype, "dtype", &error);
  struct wr_stream *stream = wr_api_stream(s, &error);
  if (!error) error = wr_ops_eye(&out, n, n, 0, type_of, stream);
  return wr_api_finish_array("mlx_identity", error, res, out);
}

int mlx_tri(mlx_array *res, int n, int m, int k, mlx_dtype type, const mlx_stream s) {
  struct wr_error *error = NULL;
  struct wr_node *out = NULL;
  wr_api_result(res, "res", &error);
  enum wr_dtype type_of = wr_api_dtype(type, "type", &error);
  struct wr_stream *stream = wr_api_stream(s, &error);
  if (!error) error = wr_ops_tri(&out, n, m, k, type_of, stream);
  return wr_api_finish_array("mlx_tri", error, res, out);
}

int mlx_tril(mlx_array *res, const mlx_array x, int k, const mlx_stream s) {
  struct wr_error *error = NULL;
  struct wr_node *out = NULL;
  wr_api_result(res, "res", &error);
  struct wr_node *matrix = wr_api_array(x, "x", &error);
  struct wr_stream *stream = wr_api_stream(s, &error);
  if (!error) error = wr_ops_tril(&out, matrix, k, stream);
  return wr_api_finish_array("mlx_tril", error, res, out);
}

int mlx_triu(mlx_array *res, const mlx_array x, int k, const mlx_stream s) {
  struct wr_error *error = NULL;
  struct wr_node *out = NULL;
  wr_api_result(res, "res", &error);
  struct wr_node *matrix = wr_api_array(x, "x", &error);
  struct wr_stream *stream = wr_api_stream(s, &error);
  if (!error) error = wr_ops_triu(&out, matrix, k, stream);
  return wr_api_finish_array("mlx_triu", error, res, out);
}
