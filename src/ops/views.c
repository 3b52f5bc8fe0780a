/* Views of other layouts: axes that are added, moved or split, diagonals, strides and types that
   the caller names. Invariant: no view reaches an element outside its input. What no view can say
   is copied to a dense array first. No locks. */

#include "ops/internal.h"

struct wr_error *wr_ops_atleast(struct wr_node **out, struct wr_node *a, int n,
                                struct wr_stream *s) {
  /* Which axes of the result are new: of one dimension the second of two or three, but the first of
     two alone. */
  static const struct {
    int n;
    int axes[3];
  } added[4][3] = {
      [1] = {{1, {0}}},
      [2] = {{2, {0, 1}}, {1, {0}}},
      [3] = {{3, {0, 1, 2}}, {2, {0, 2}}, {1, {2}}},
  };
  const int ndim = wr_node_ndim(a);
  if (ndim < n) return wr_ops_expand_dims(out, a, added[n][ndim].axes, added[n][ndim].n, s);
  *out = wr_node_retain(a);
  return NULL;
}

struct wr_error *wr_ops_moveaxis(struct wr_node **out, struct wr_node *a, int source,
                                 int destination, struct wr_stream *s) {
  const int ndim = wr_node_ndim(a);
  int from, to;
  struct wr_error *error = wr_ops_axis("source", source, ndim, &from);
  if (!error) error = wr_ops_axis("destination", destination, ndim, &to);
  if (error) return error;
  int order[WR_MAX_NDIM];
  for (int i = 0, next = 0; i < ndim; i++) {
    if (next == from) next++;
    order[i] = i == to ? from : next++;
  }
  return wr_ops_transpose(out, a, order, ndim, s);
}

/* ---- one axis into several ---- */

static struct wr_error *unflatten_mismatch(const int32_t *shape, int n, int axis, int32_t extent) {
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                      "shape %s does not make up the extent %d of axis %d",
                      wr_ops_dims_text(shape, n).s, extent, axis);
}

/* The extents that `extent` is split into, with a -1 filled in. */
static struct wr_error *split_extent(const int32_t *shape, int n, int axis, int32_t extent,
                                     int32_t *to) {
  int unknown = -1;
  int64_t known = 1;
  for (int i = 0; i < n; i++) {
    to[i] = shape[i];
    if (shape[i] == -1 && unknown < 0) {
      unknown = i;
    } else if (shape[i] < 0) {
      return unflatten_mismatch(shape, n, axis, extent);
    } else {
      known *= shape[i];
      if (known > INT32_MAX) return unflatten_mismatch(shape, n, axis, extent);
    }
  }
  if (unknown >= 0) {
    if (known == 0 || extent % known != 0) return unflatten_mismatch(shape, n, axis, extent);
    to[unknown] = (int32_t)(extent / known);
    known *= to[unknown];
  }
  return known == extent ? NULL : unflatten_mismatch(shape, n, axis, extent);
}

struct wr_error *wr_ops_unflatten(struct wr_node **out, struct wr_node *a, int axis,
                                  const int32_t *shape, int n, struct wr_stream *s) {
  const int ndim = wr_node_ndim(a);
  int at;
  struct wr_error *error = wr_ops_axis("axis", axis, ndim, &at);
  if (error) return error;
  if (n == 0) return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "shape is empty");
  if (n > WR_MAX_NDIM + 1 - ndim) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                        "shape: a with %d dimensions and %d in the place of one has more than %d",
                        ndim, n, WR_MAX_NDIM);
  }
  int32_t to[WR_MAX_NDIM];
  for (int i = 0; i < at; i++) to[i] = wr_node_shape(a)[i];
  error = split_extent(shape, n, at, wr_node_shape(a)[at], to + at);
  if (error) return error;
  for (int i = at + 1; i < ndim; i++) to[i + n - 1] = wr_node_shape(a)[i];
  return wr_ops_reshape(out, a, to, ndim + n - 1, s);
}

/* ---- diagonals ---- */

static struct wr_error *view_diagonal(struct wr_node **out, struct wr_node *a, int offset,
                                      int axis1, int axis2, struct wr_stream *s) {
  const int ndim = wr_node_ndim(a);
  int rows, columns;
  struct wr_error *error = wr_ops_axis("axis1", axis1, ndim, &rows);
  if (!error) error = wr_ops_axis("axis2", axis2, ndim, &columns);
  if (error) return error;
  if (rows == columns) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "axis1 %d and axis2 %d are the same axis",
                        axis1, axis2);
  }
  const int64_t down = offset < 0 ? -(int64_t)offset : 0, right = offset > 0 ? offset : 0;
  const int64_t height = wr_node_shape(a)[rows] - down, width = wr_node_shape(a)[columns] - right;
  const int64_t length = height < width ? height : width;
  const int64_t *stride = wr_node_strides(a);
  struct wr_diagonal_params params;
  int32_t shape[WR_MAX_NDIM];
  int64_t strides[WR_MAX_NDIM];
  int n = 0;
  for (int i = 0; i < ndim; i++) {
    params.axis[i] = (struct wr_diagonal_axis){.with = ndim - 2};
    if (i == rows || i == columns) continue;
    params.axis[i].with = n;
    shape[n] = wr_node_shape(a)[i];
    strides[n++] = stride[i];
  }
  shape[n] = (int32_t)(length > 0 ? length : 0);
  strides[n] = stride[rows] + stride[columns];
  params.axis[rows].start = (int32_t)(length > 0 ? down : 0);
  params.axis[columns].start = (int32_t)(length > 0 ? right : 0);
  return wr_ops_view_diagonal(out, a, &params, n + 1, shape, strides, s);
}

/* Dense, as MLX's is: programs read its elements one behind the other. */
struct wr_error *wr_ops_diagonal(struct wr_node **out, struct wr_node *a, int offset, int axis1,
                                 int axis2, struct wr_stream *s) {
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *x =
      wr_compose_step(&c, view_diagonal(wr_compose_slot(&c), a, offset, axis1, axis2, s));
  return wr_compose_end(&c, out, wr_compose_dense(&c, x));
}

/* A vector before or behind |k| zeros, so that element i is that of row i. */
static struct wr_node *rows_of(struct wr_compose *c, struct wr_node *a, int k) {
  if (k == 0) return a;
  const int32_t zeros = k < 0 ? -k : k;
  struct wr_node *none = wr_compose_zeros(c, 1, &zeros, wr_node_dtype(a));
  struct wr_node *parts[2] = {k < 0 ? none : a, k < 0 ? a : none};
  return wr_compose_join(c, parts, 2, 0);
}

static struct wr_error *matrix_with_diagonal(struct wr_node **out, struct wr_node *a, int k,
                                             struct wr_stream *s) {
  const int64_t size = wr_node_shape(a)[0] + (k < 0 ? -(int64_t)k : k);
  if (size > INT32_MAX) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                        "k is %d, and with a of shape %s gives too large a matrix", k,
                        wr_ops_shape_text(a).s);
  }
  const int n = (int)size;
  const enum wr_dtype t = wr_node_dtype(a);
  struct wr_error *error = wr_ops_check_shape("the result's shape", (int32_t[]){n, n}, 2);
  if (error) return error;
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node **slot = wr_compose_slot(&c);
  struct wr_node *mask = wr_compose_step(&c, wr_ops_eye(slot, n, n, k, WR_BOOL, s));
  struct wr_node *rows = wr_compose_expand(&c, rows_of(&c, a, k), 1);
  return wr_compose_end(&c, out, wr_compose_where(&c, mask, rows, wr_compose_scalar(&c, 0, t)));
}

struct wr_error *wr_ops_diag(struct wr_node **out, struct wr_node *a, int k, struct wr_stream *s) {
  if (wr_node_ndim(a) == 1) return matrix_with_diagonal(out, a, k, s);
  if (wr_node_ndim(a) == 2) return wr_ops_diagonal(out, a, k, 0, 1, s);
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "a has %d dimensions, not 1 or 2",
                      wr_node_ndim(a));
}

struct wr_error *wr_ops_trace(struct wr_node **out, struct wr_node *a, int offset, int axis1,
                              int axis2, enum wr_dtype dtype, struct wr_stream *s) {
  const int last = -1;
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node **slot = wr_compose_slot(&c);
  struct wr_node *x = wr_compose_step(&c, view_diagonal(slot, a, offset, axis1, axis2, s));
  x = wr_compose_astype(&c, x, dtype);
  x = wr_compose_reduce(&c, WR_OP_SUM, x, &last, 1, false);
  return wr_compose_end(&c, out, wr_compose_dense(&c, x));
}

/* ---- strides and types that the caller names ---- */

/* Whether all that the strides reach from `offset` on lies in [0, size). */
static bool stays_inside(const int32_t *shape, const int64_t *strides, int n, uint64_t offset,
                         int64_t size) {
  int64_t low = 0, high = 0; /* of what the axes so far reach, from the first element */
  for (int i = 0; i < n; i++) {
    int64_t way;
    if (__builtin_mul_overflow(strides[i], (int64_t)shape[i] - 1, &way)) return false;
    if (__builtin_add_overflow(way < 0 ? low : high, way, way < 0 ? &low : &high)) return false;
  }
  if (offset >= (uint64_t)size) return false;
  return low >= -(int64_t)offset && high < size - (int64_t)offset;
}

struct wr_error *wr_ops_as_strided(struct wr_node **out, struct wr_node *a, const int32_t *shape,
                                   int n, const int64_t *strides, int n_strides, size_t offset,
                                   struct wr_stream *s) {
  struct wr_error *error = wr_ops_check_shape("shape", shape, n);
  if (error) return error;
  if (n != n_strides) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "strides has %d entries, shape %d", n_strides,
                        n);
  }
  int64_t size = 0;
  wr_shape_size(shape, n, &size); /* in range: just checked */
  const bool none = size == 0;
  if (!none && !stays_inside(shape, strides, n, offset, wr_node_size(a))) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                        "strides: shape %s from offset %zu on leaves the %lld elements of a",
                        wr_ops_dims_text(shape, n).s, offset, (long long)wr_node_size(a));
  }
  int64_t own[WR_MAX_NDIM];
  if (none) {
    wr_shape_row_strides(shape, n, own);
  } else {
    /* No stride is far beyond the array, even one that is not used: they are multiplied. */
    for (int i = 0; i < n; i++) own[i] = shape[i] == 1 ? 0 : strides[i];
  }
  struct wr_node *dense;
  error = wr_ops_contiguous(&dense, a, false, s);
  if (error) return error;
  const int64_t first = wr_node_offset(dense) + (none ? 0 : (int64_t)offset);
  struct wr_as_strided_params params = {.offset = first - wr_node_offset(dense)};
  for (int i = 0; i < n; i++) params.strides[i] = own[i];
  struct wr_record record = wr_ops_command_like(WR_OP_AS_STRIDED, &dense, 1, &params, s);
  record.ndim = n;
  record.shape = shape;
  record.params_bytes = offsetof(struct wr_as_strided_params, strides) + (size_t)n * sizeof own[0];
  return wr_ops_and_release(dense, wr_ops_view_of(out, &record, params.strides, first));
}

static size_t alignment_of(enum wr_dtype t) {
  return t == WR_COMPLEX64 ? _Alignof(wr_complex64) : wr_dtype_size(t);
}

/* Whether elements of the type can be read where a's lie: the last axis dense, where the sizes
   differ, and all others at multiples of the larger size. Memory of the caller's is aligned for its
   own type alone (mlx_array_new_data_managed). */
static bool can_reinterpret(const struct wr_node *a, enum wr_dtype to) {
  const enum wr_dtype from = wr_node_dtype(a);
  const int64_t old = (int64_t)wr_dtype_size(from), item = (int64_t)wr_dtype_size(to);
  const int last = wr_node_ndim(a) - 1;
  if (alignment_of(to) > alignment_of(from)) return false;
  if (old == item) return true;
  if (wr_node_shape(a)[last] != 1 && wr_node_strides(a)[last] != 1) return false;
  if (wr_node_offset(a) * old % item != 0) return false;
  for (int i = 0; i < last; i++) {
    if (wr_node_shape(a)[i] != 1 && wr_node_strides(a)[i] * old % item != 0) return false;
  }
  return true;
}

static struct wr_error *reinterpret(struct wr_node **out, struct wr_node *a, enum wr_dtype to,
                                    struct wr_stream *s) {
  const int64_t old = (int64_t)wr_dtype_size(wr_node_dtype(a)), item = (int64_t)wr_dtype_size(to);
  const int ndim = wr_node_ndim(a);
  int32_t shape[WR_MAX_NDIM];
  int64_t strides[WR_MAX_NDIM];
  for (int i = 0; i < ndim; i++) {
    const bool resized = i == ndim - 1 && old != item;
    const int64_t extent = wr_node_shape(a)[i];
    shape[i] = (int32_t)(resized ? extent * old / item : extent);
    strides[i] = resized ? 1 : wr_node_strides(a)[i] * old / item;
  }
  const int64_t first = wr_node_offset(a) * old / item;
  const struct wr_view_params params = {.at = -1};
  struct wr_record record = wr_ops_command(WR_OP_VIEW, &a, 1, &params, s);
  record.dtype = to;
  record.ndim = ndim;
  record.shape = shape;
  return wr_ops_view_of(out, &record, strides, first);
}

/* What does not lie where the type allows is copied; a copy does. */
static struct wr_error *view_as(struct wr_node **out, struct wr_node *a, enum wr_dtype to,
                                struct wr_stream *s) {
  if (can_reinterpret(a, to)) return reinterpret(out, a, to, s);
  struct wr_node *dense;
  struct wr_error *error = wr_ops_copy(&dense, a, s);
  if (error) return error;
  error = reinterpret(out, dense, to, s);
  wr_node_release(dense);
  return error;
}

static struct wr_error *check_sizes(const struct wr_node *a, enum wr_dtype to) {
  const int64_t old = (int64_t)wr_dtype_size(wr_node_dtype(a)), item = (int64_t)wr_dtype_size(to);
  const int ndim = wr_node_ndim(a);
  if (old == item) return NULL;
  const int64_t bytes = ndim ? wr_node_shape(a)[ndim - 1] * old : 1;
  if (bytes % item == 0 && bytes / item <= INT32_MAX && ndim) return NULL;
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                      "a with shape %s of %s has no last axis of whole elements of %s",
                      wr_ops_shape_text(a).s, wr_dtype_name(wr_node_dtype(a)), wr_dtype_name(to));
}

/* Kernels count on bools that are 0 or 1, so that other bytes are compared with 0. */
struct wr_error *wr_ops_view_dtype(struct wr_node **out, struct wr_node *a, enum wr_dtype to,
                                   struct wr_stream *s) {
  if (wr_node_dtype(a) == to) {
    *out = wr_node_retain(a);
    return NULL;
  }
  struct wr_error *error = check_sizes(a, to);
  if (error || to != WR_BOOL) return error ? error : view_as(out, a, to, s);
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *bytes = a;
  if (wr_node_dtype(a) != WR_UINT8) {
    bytes = wr_compose_step(&c, view_as(wr_compose_slot(&c), a, WR_UINT8, s));
  }
  return wr_compose_end(&c, out, wr_compose_astype(&c, bytes, WR_BOOL));
}

/* ---- again ---- */

/* An axis of the result that runs with one of the input has its extent from there on; where several
   run together it is as long as it was, if they are. */
struct wr_error *wr_again_diagonal(struct wr_node **out, const struct wr_record *like) {
  const struct wr_diagonal_params *params = like->params;
  struct wr_node *a = like->in[0];
  int32_t shape[WR_MAX_NDIM];
  int64_t strides[WR_MAX_NDIM] = {0};
  int with[WR_MAX_NDIM] = {0};
  bool fits = true;
  for (int i = 0; i < wr_node_ndim(a); i++) with[params->axis[i].with]++;
  for (int k = 0; k < like->ndim; k++) shape[k] = like->shape[k];
  for (int i = 0; i < wr_node_ndim(a); i++) {
    const int k = params->axis[i].with;
    const int32_t start = params->axis[i].start, left = wr_node_shape(a)[i] - start;
    if (with[k] == 1) shape[k] = left;
    strides[k] += wr_node_strides(a)[i];
    fits = fits && left >= shape[k] && (left > 0 || start == 0);
  }
  if (fits) return wr_ops_view_diagonal(out, a, params, like->ndim, shape, strides, like->stream);
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "a with shape %s has no such diagonal",
                      wr_ops_shape_text(a).s);
}

/* Part of the bytes that QUANTIZE wrote, which are dense. */
static struct wr_error *view_bytes(struct wr_node **out, const struct wr_record *like, int64_t at) {
  int64_t strides[WR_MAX_NDIM], size = 0;
  const int64_t item = (int64_t)wr_dtype_size(like->dtype);
  wr_shape_row_strides(like->shape, like->ndim, strides);
  if (wr_node_dtype(like->in[0]) != WR_UINT8 || !wr_shape_size(like->shape, like->ndim, &size) ||
      at % item != 0 || at + size * item > wr_node_size(like->in[0])) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "a with shape %s has not those bytes",
                        wr_ops_shape_text(like->in[0]).s);
  }
  return wr_ops_view_of(out, like, strides, at / item);
}

struct wr_error *wr_again_view(struct wr_node **out, const struct wr_record *like) {
  const int64_t at = ((const struct wr_view_params *)like->params)->at;
  if (at >= 0) return view_bytes(out, like, at);
  return wr_ops_view_dtype(out, like->in[0], like->dtype, like->stream);
}
