/* Views, slices and splits: handles in, one operation, handles out. No logic, no locks. */

#include "api/ops_glue.h"
#include "base/base.h"
#include "mlx/c/ops.h"

int mlx_broadcast_to(mlx_array *res, const mlx_array a, const int *shape, size_t shape_num,
                     const mlx_stream s) {
  struct wr_error *error = NULL;
  struct wr_node *out = NULL;
  wr_api_result(res, "res", &error);
  struct wr_node *x = wr_api_array(a, "a", &error);
  const int32_t *dims = wr_api_shape(shape, shape_num, "shape", &error);
  struct wr_stream *stream = wr_api_stream(s, &error);
  if (!error) error = wr_ops_broadcast_to(&out, x, dims, wr_api_count(shape_num), stream);
  return wr_api_finish_array("mlx_broadcast_to", error, res, out);
}

int mlx_expand_dims_axes(mlx_array *res, const mlx_array a, const int *axes, size_t axes_num,
                         const mlx_stream s) {
  struct wr_error *error = NULL;
  struct wr_node *out = NULL;
  wr_api_result(res, "res", &error);
  struct wr_node *x = wr_api_array(a, "a", &error);
  const int32_t *list = wr_api_ints(axes, axes_num, "axes", &error);
  struct wr_stream *stream = wr_api_stream(s, &error);
  if (!error) error = wr_ops_expand_dims(&out, x, list, wr_api_count(axes_num), stream);
  return wr_api_finish_array("mlx_expand_dims_axes", error, res, out);
}

int mlx_expand_dims(mlx_array *res, const mlx_array a, int axis, const mlx_stream s) {
  struct wr_error *error = NULL;
  struct wr_node *out = NULL;
  wr_api_result(res, "res", &error);
  struct wr_node *x = wr_api_array(a, "a", &error);
  struct wr_stream *stream = wr_api_stream(s, &error);
  if (!error) error = wr_ops_expand_dims(&out, x, &axis, 1, stream);
  return wr_api_finish_array("mlx_expand_dims", error, res, out);
}

int mlx_squeeze_axes(mlx_array *res, const mlx_array a, const int *axes, size_t axes_num,
                     const mlx_stream s) {
  struct wr_error *error = NULL;
  struct wr_node *out = NULL;
  wr_api_result(res, "res", &error);
  struct wr_node *x = wr_api_array(a, "a", &error);
  const int32_t *list = wr_api_ints(axes, axes_num, "axes", &error);
  struct wr_stream *stream = wr_api_stream(s, &error);
  if (!error) error = wr_ops_squeeze(&out, x, list, wr_api_count(axes_num), stream);
  return wr_api_finish_array("mlx_squeeze_axes", error, res, out);
}

int mlx_squeeze_axis(mlx_array *res, const mlx_array a, int axis, const mlx_stream s) {
  struct wr_error *error = NULL;
  struct wr_node *out = NULL;
  wr_api_result(res, "res", &error);
  struct wr_node *x = wr_api_array(a, "a", &error);
  struct wr_stream *stream = wr_api_stream(s, &error);
  if (!error) error = wr_ops_squeeze(&out, x, &axis, 1, stream);
  return wr_api_finish_array("mlx_squeeze_axis", error, res, out);
}

int mlx_squeeze(mlx_array *res, const mlx_array a, const mlx_stream s) {
  struct wr_error *error = NULL;
  struct wr_node *out = NULL;
  wr_api_result(res, "res", &error);
  struct wr_node *x = wr_api_array(a, "a", &error);
  struct wr_stream *stream = wr_api_stream(s, &error);
  if (!error) error = wr_ops_squeeze_all(&out, x, stream);
  return wr_api_finish_array("mlx_squeeze", error, res, out);
}

int mlx_reshape(mlx_array *res, const mlx_array a, const int *shape, size_t shape_num,
                const mlx_stream s) {
  struct wr_error *error = NULL;
  struct wr_node *out = NULL;
  wr_api_result(res, "res", &error);
  struct wr_node *x = wr_api_array(a, "a", &error);
  const int32_t *dims = wr_api_ints(shape, shape_num, "shape", &error);
  struct wr_stream *stream = wr_api_stream(s, &error);
  if (!error) error = wr_ops_reshape(&out, x, dims, wr_api_count(shape_num), stream);
  return wr_api_finish_array("mlx_reshape", error, res, out);
}

int mlx_flatten(mlx_array *res, const mlx_array a, int start_axis, int end_axis,
                const mlx_stream s) {
  struct wr_error *error = NULL;
  struct wr_node *out = NULL;
  wr_api_result(res, "res", &error);
  struct wr_node *x = wr_api_array(a, "a", &error);
  struct wr_stream *stream = wr_api_stream(s, &error);
  if (!error) error = wr_ops_flatten(&out, x, start_axis, end_axis, stream);
  return wr_api_finish_array("mlx_flatten", error, res, out);
}

int mlx_transpose_axes(mlx_array *res, const mlx_array a, const int *axes, size_t axes_num,
                       const mlx_stream s) {
  struct wr_error *error = NULL;
  struct wr_node *out = NULL;
  wr_api_result(res, "res", &error);
  struct wr_node *x = wr_api_array(a, "a", &error);
  const int32_t *list = wr_api_ints(axes, axes_num, "axes", &error);
  struct wr_stream *stream = wr_api_stream(s, &error);
  if (!error) error = wr_ops_transpose(&out, x, list, wr_api_count(axes_num), stream);
  return wr_api_finish_array("mlx_transpose_axes", error, res, out);
}

int mlx_transpose(mlx_array *res, const mlx_array a, const mlx_stream s) {
  struct wr_error *error = NULL;
  struct wr_node *out = NULL;
  wr_api_result(res, "res", &error);
  struct wr_node *x = wr_api_array(a, "a", &error);
  struct wr_stream *stream = wr_api_stream(s, &error);
  if (!error) error = wr_ops_transpose_all(&out, x, stream);
  return wr_api_finish_array("mlx_transpose", error, res, out);
}

int mlx_swapaxes(mlx_array *res, const mlx_array a, int axis1, int axis2, const mlx_stream s) {
  struct wr_error *error = NULL;
  struct wr_node *out = NULL;
  wr_api_result(res, "res", &error);
  struct wr_node *x = wr_api_array(a, "a", &error);
  struct wr_stream *stream = wr_api_stream(s, &error);
  if (!error) error = wr_ops_swapaxes(&out, x, axis1, axis2, stream);
  return wr_api_finish_array("mlx_swapaxes", error, res, out);
}

static struct wr_ops_range range_of(const int *start, size_t start_num, const int *stop,
                                    size_t stop_num, const int *strides, size_t strides_num,
                                    struct wr_error **error) {
  return (struct wr_ops_range){
      .start = wr_api_ints(start, start_num, "start", error),
      .stop = wr_api_ints(stop, stop_num, "stop", error),
      .strides = wr_api_ints(strides, strides_num, "strides", error),
      .n_start = wr_api_count(start_num),
      .n_stop = wr_api_count(stop_num),
      .n_strides = wr_api_count(strides_num),
  };
}

int mlx_slice(mlx_array *res, const mlx_array a, const int *start, size_t start_num,
              const int *stop, size_t stop_num, const int *strides, size_t strides_num,
              const mlx_stream s) {
  struct wr_error *error = NULL;
  struct wr_node *out = NULL;
  wr_api_result(res, "res", &error);
  struct wr_node *x = wr_api_array(a, "a", &error);
  struct wr_ops_range range =
      range_of(start, start_num, stop, stop_num, strides, strides_num, &error);
  struct wr_stream *stream = wr_api_stream(s, &error);
  if (!error) error = wr_ops_slice(&out, x, &range, stream);
  return wr_api_finish_array("mlx_slice", error, res, out);
}

int mlx_slice_update(mlx_array *res, const mlx_array src, const mlx_array update, const int *start,
                     size_t start_num, const int *stop, size_t stop_num, const int *strides,
                     size_t strides_num, const mlx_stream s) {
  struct wr_error *error = NULL;
  struct wr_node *out = NULL;
  wr_api_result(res, "res", &error);
  struct wr_node *x = wr_api_array(src, "src", &error);
  struct wr_node *u = wr_api_array(update, "update", &error);
  struct wr_ops_range range =
      range_of(start, start_num, stop, stop_num, strides, strides_num, &error);
  struct wr_stream *stream = wr_api_stream(s, &error);
  if (!error) error = wr_ops_slice_update(&out, x, u, &range, stream);
  return wr_api_finish_array("mlx_slice_update", error, res, out);
}

static void release_all(struct wr_node **parts, size_t n) {
  for (size_t i = 0; i < n; i++) wr_node_release(parts[i]);
}

static struct wr_error *split_equal(struct wr_node **parts, struct wr_node *a, int n, int axis,
                                    struct wr_stream *s) {
  for (int i = 0; i < n; i++) {
    struct wr_error *error = wr_ops_split_part(&parts[i], a, n, axis, i, s);
    if (!error) continue;
    release_all(parts, (size_t)i);
    return error;
  }
  return NULL;
}

static struct wr_error *split_at(struct wr_node **parts, struct wr_node *a, const int *indices,
                                 int n_indices, int axis, struct wr_stream *s) {
  for (int i = 0; i <= n_indices; i++) {
    struct wr_error *error = wr_ops_split_section(&parts[i], a, indices, n_indices, axis, i, s);
    if (!error) continue;
    release_all(parts, (size_t)i);
    return error;
  }
  return NULL;
}

/* Room for the parts of a split; NULL with an error when there was one or memory is refused. */
static struct wr_node **parts_new(size_t n, struct wr_error **error) {
  if (*error) return NULL;
  size_t bytes;
  struct wr_node **parts = wr_mul_size(n, sizeof *parts, &bytes) ? wr_alloc(bytes) : NULL;
  if (!parts) *error = wr_error_out_of_memory();
  return parts;
}

int mlx_split(mlx_vector_array *res, const mlx_array a, int num_splits, int axis,
              const mlx_stream s) {
  struct wr_error *error = NULL;
  wr_api_result(res, "res", &error);
  struct wr_node *x = wr_api_array(a, "a", &error);
  struct wr_stream *stream = wr_api_stream(s, &error);
  if (!error) error = wr_ops_split_check(x, num_splits, axis);
  size_t n = num_splits > 0 ? (size_t)num_splits : 0;
  struct wr_node **parts = parts_new(n, &error);
  if (!error) error = split_equal(parts, x, num_splits, axis, stream);
  return wr_api_finish_vector("mlx_split", error, res, parts, error ? 0 : n);
}

int mlx_split_sections(mlx_vector_array *res, const mlx_array a, const int *indices,
                       size_t indices_num, int axis, const mlx_stream s) {
  struct wr_error *error = NULL;
  wr_api_result(res, "res", &error);
  struct wr_node *x = wr_api_array(a, "a", &error);
  const int32_t *at = wr_api_ints(indices, indices_num, "indices", &error);
  if (indices_num >= INT_MAX) wr_api_reject(&error, "indices", "has too many entries");
  struct wr_stream *stream = wr_api_stream(s, &error);
  struct wr_node **parts = parts_new(indices_num + 1, &error);
  if (!error) error = split_at(parts, x, at, (int)indices_num, axis, stream);
  size_t n = error ? 0 : indices_num + 1;
  return wr_api_finish_vector("mlx_split_sections", error, res, parts, n);
}
