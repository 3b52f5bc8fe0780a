/* Functions with several results, and the lists of a slice. No logic, no locks. */

#include <string.h>

#include "api/ops_glue.h"
#include "base/base.h"
#include "graph/trace.h"
#include "mlx/c/ops.h"

struct wr_ops_range wr_api_range(const int *start, size_t start_num, const int *stop,
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
  if (n == 0) n = 1;
  struct wr_node **parts = wr_mul_size(n, sizeof *parts, &bytes) ? wr_alloc(bytes) : NULL;
  if (!parts) *error = wr_error_out_of_memory();
  return parts;
}

int mlx_split(mlx_vector_array *res, const mlx_array a, int num_splits, int axis,
              const mlx_stream s) {
  struct wr_error *error = NULL;
  wr_api_result_handle(res, WR_KIND_VECTOR_ARRAY, "res", &error);
  struct wr_node *x = wr_api_array(a, "a", &error);
  struct wr_stream *stream = wr_api_stream(s, &error);
  if (!error) error = wr_ops_split_check(x, num_splits, axis);
  size_t n = num_splits > 0 ? (size_t)num_splits : 0;
  struct wr_node **parts = parts_new(n, &error);
  if (!error) error = split_equal(parts, x, num_splits, axis, stream);
  return wr_api_return_vector("mlx_split", error, res, parts, error ? 0 : n);
}

int mlx_split_sections(mlx_vector_array *res, const mlx_array a, const int *indices,
                       size_t indices_num, int axis, const mlx_stream s) {
  struct wr_error *error = NULL;
  wr_api_result_handle(res, WR_KIND_VECTOR_ARRAY, "res", &error);
  struct wr_node *x = wr_api_array(a, "a", &error);
  const int32_t *at = wr_api_ints(indices, indices_num, "indices", &error);
  if (indices_num >= INT_MAX) wr_api_reject(&error, "indices", "has too many entries");
  struct wr_stream *stream = wr_api_stream(s, &error);
  struct wr_node **parts = parts_new(indices_num + 1, &error);
  if (!error) error = split_at(parts, x, at, (int)indices_num, axis, stream);
  size_t n = error ? 0 : indices_num + 1;
  return wr_api_return_vector("mlx_split_sections", error, res, parts, n);
}

/* Both, or none. */
static struct wr_error *divide_both(struct wr_node **parts, struct wr_node *a, struct wr_node *b,
                                    struct wr_stream *s) {
  struct wr_error *error = wr_ops_binary(&parts[0], WR_OP_FLOOR_DIVIDE, a, b, s);
  if (error) return error;
  error = wr_ops_binary(&parts[1], WR_OP_REMAINDER, a, b, s);
  if (error) wr_node_release(parts[0]);
  return error;
}

int mlx_divmod(mlx_vector_array *res, const mlx_array a, const mlx_array b, const mlx_stream s) {
  struct wr_error *error = NULL;
  wr_api_result_handle(res, WR_KIND_VECTOR_ARRAY, "res", &error);
  struct wr_node *x = wr_api_array(a, "a", &error);
  struct wr_node *y = wr_api_array(b, "b", &error);
  struct wr_stream *stream = wr_api_stream(s, &error);
  struct wr_node **parts = parts_new(2, &error);
  if (!error) error = divide_both(parts, x, y, stream);
  return wr_api_return_vector("mlx_divmod", error, res, parts, error ? 0 : 2);
}

static struct wr_error *broadcast_all(struct wr_node **parts, struct wr_node *const *arrays,
                                      size_t n, struct wr_stream *s) {
  int32_t shape[WR_MAX_NDIM];
  int ndim;
  wr_trace_pin(WR_PIN_EXTENTS);
  struct wr_error *error = wr_ops_common_shape(arrays, n, shape, &ndim);
  for (size_t i = 0; i < n && !error; i++) {
    error = wr_ops_broadcast_to(&parts[i], arrays[i], shape, ndim, s);
    if (error) release_all(parts, i);
  }
  return error;
}

int mlx_broadcast_arrays(mlx_vector_array *res, const mlx_vector_array inputs, const mlx_stream s) {
  struct wr_error *error = NULL;
  size_t n = 0;
  wr_api_result_handle(res, WR_KIND_VECTOR_ARRAY, "res", &error);
  struct wr_node *const *arrays = wr_api_vector(inputs, "inputs", &n, &error);
  struct wr_stream *stream = wr_api_stream(s, &error);
  struct wr_node **parts = parts_new(n, &error);
  if (!error) error = broadcast_all(parts, arrays, n, stream);
  return wr_api_return_vector("mlx_broadcast_arrays", error, res, parts, error ? 0 : n);
}

static struct wr_error *grid(struct wr_node **parts, struct wr_node *const *arrays, size_t n,
                             bool sparse, const char *indexing, struct wr_stream *s) {
  const bool swapped = strcmp(indexing, "xy") == 0;
  struct wr_error *error = NULL;
  if (!swapped && strcmp(indexing, "ij") != 0) {
    wr_api_reject(&error, "indexing", "is \"%.40s\", neither \"xy\" nor \"ij\"", indexing);
  }
  for (size_t i = 0; i < n && !error; i++) {
    const int count = wr_api_count(n);
    error = wr_ops_meshgrid_part(&parts[i], arrays, count, (int)i, sparse, swapped, s);
    if (error) release_all(parts, i);
  }
  return error;
}

int mlx_meshgrid(mlx_vector_array *res, const mlx_vector_array arrays, bool sparse,
                 const char *indexing, const mlx_stream s) {
  struct wr_error *error = NULL;
  size_t n = 0;
  wr_api_result_handle(res, WR_KIND_VECTOR_ARRAY, "res", &error);
  struct wr_node *const *inputs = wr_api_vector(arrays, "arrays", &n, &error);
  wr_api_result(indexing, "indexing", &error);
  struct wr_stream *stream = wr_api_stream(s, &error);
  struct wr_node **parts = parts_new(n, &error);
  if (!error) error = grid(parts, inputs, n, sparse, indexing, stream);
  return wr_api_return_vector("mlx_meshgrid", error, res, parts, error ? 0 : n);
}

static struct wr_error *depend_all(struct wr_node **parts, struct wr_node *const *in, size_t n,
                                   struct wr_node *const *on, size_t n_on, struct wr_stream *s) {
  for (size_t i = 0; i < n; i++) {
    struct wr_error *error = wr_ops_depends(&parts[i], in[i], on, n_on, s);
    if (!error) continue;
    release_all(parts, i);
    return error;
  }
  return NULL;
}

int mlx_depends(mlx_vector_array *res, const mlx_vector_array inputs,
                const mlx_vector_array dependencies) {
  struct wr_error *error = NULL;
  size_t n = 0, n_on = 0;
  wr_api_result_handle(res, WR_KIND_VECTOR_ARRAY, "res", &error);
  struct wr_node *const *in = wr_api_vector(inputs, "inputs", &n, &error);
  struct wr_node *const *on = wr_api_vector(dependencies, "dependencies", &n_on, &error);
  struct wr_stream *stream = wr_api_stream((mlx_stream){0}, &error);
  struct wr_node **parts = parts_new(n + 1, &error);
  if (!error) error = depend_all(parts, in, n, on, n_on, stream);
  return wr_api_return_vector("mlx_depends", error, res, parts, error ? 0 : n);
}
