/* Views by shape: the same buffer under other extents, strides and offset. Invariant: a view is
   made only where strides can say it; a reshape that they cannot say copies to a dense array first.
   An operation that changes nothing gives its input back. No locks. */

#include "base/base.h"
#include "ops/internal.h"

static struct wr_error *same(struct wr_node **out, struct wr_node *a) {
  *out = wr_node_retain(a);
  return NULL;
}

/* A view of a from its first element on, with parameters. */
static struct wr_error *view(struct wr_node **out, enum wr_op op, struct wr_node *a,
                             const void *params, int ndim, const int32_t *shape,
                             const int64_t *strides, struct wr_stream *s) {
  struct wr_record record = wr_ops_command_like(op, &a, 1, params, s);
  record.ndim = ndim;
  record.shape = shape;
  return wr_ops_view_of(out, &record, strides, wr_node_offset(a));
}

struct wr_error *wr_ops_broadcast_to(struct wr_node **out, struct wr_node *a, const int32_t *shape,
                                     int ndim, struct wr_stream *s) {
  const int32_t *from = wr_node_shape(a);
  int a_ndim = wr_node_ndim(a);
  if (wr_shape_equal(from, a_ndim, shape, ndim)) return same(out, a);
  struct wr_error *error = wr_ops_check_shape("shape", shape, ndim);
  if (error) return error;
  if (!wr_shape_broadcasts_to(from, a_ndim, shape, ndim)) {
    return wr_ops_broadcast_to_error(a, shape, ndim, "a and the result, by shape");
  }
  int64_t strides[WR_MAX_NDIM] = {0};
  for (int i = 0; i < a_ndim; i++) {
    int to = ndim - a_ndim + i;
    strides[to] = from[i] == shape[to] ? wr_node_strides(a)[i] : 0;
  }
  return view(out, WR_OP_BROADCAST_TO, a, NULL, ndim, shape, strides, s);
}

struct wr_error *wr_ops_expand_dims(struct wr_node **out, struct wr_node *a, const int *axes,
                                    int n_axes, struct wr_stream *s) {
  if (n_axes == 0) return same(out, a);
  if (n_axes > WR_MAX_NDIM - wr_node_ndim(a)) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                        "a with %d dimensions cannot have %d more axes, at most %d are supported",
                        wr_node_ndim(a), n_axes, WR_MAX_NDIM);
  }
  int ndim = wr_node_ndim(a) + n_axes;
  uint32_t mask;
  struct wr_error *error = wr_ops_axes(axes, n_axes, ndim, &mask);
  if (error) return error;
  int32_t shape[WR_MAX_NDIM];
  int64_t strides[WR_MAX_NDIM];
  for (int i = 0, from = 0; i < ndim; i++) {
    bool added = wr_ops_has_axis(mask, i);
    shape[i] = added ? 1 : wr_node_shape(a)[from];
    strides[i] = added ? 1 : wr_node_strides(a)[from];
    if (!added) from++;
  }
  const struct wr_axis_set_params params = {.axes = mask};
  return view(out, WR_OP_EXPAND_DIMS, a, &params, ndim, shape, strides, s);
}

/* Drops the axes of the mask, all of extent 1. */
static struct wr_error *squeeze(struct wr_node **out, struct wr_node *a, uint32_t mask,
                                struct wr_stream *s) {
  if (mask == 0) return same(out, a);
  int32_t shape[WR_MAX_NDIM];
  int64_t strides[WR_MAX_NDIM];
  int ndim = 0;
  for (int i = 0; i < wr_node_ndim(a); i++) {
    if (wr_ops_has_axis(mask, i)) continue;
    shape[ndim] = wr_node_shape(a)[i];
    strides[ndim++] = wr_node_strides(a)[i];
  }
  const struct wr_axis_set_params params = {.axes = mask};
  return view(out, WR_OP_SQUEEZE, a, &params, ndim, shape, strides, s);
}

struct wr_error *wr_ops_squeeze(struct wr_node **out, struct wr_node *a, const int *axes,
                                int n_axes, struct wr_stream *s) {
  uint32_t mask;
  struct wr_error *error = wr_ops_axes(axes, n_axes, wr_node_ndim(a), &mask);
  if (error) return error;
  for (int i = 0; i < wr_node_ndim(a); i++) {
    if (wr_ops_has_axis(mask, i) && wr_node_shape(a)[i] != 1) {
      return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                          "axis %d of a with shape %s is not 1 and cannot be squeezed", i,
                          wr_ops_shape_text(a).s);
    }
  }
  return squeeze(out, a, mask, s);
}

struct wr_error *wr_ops_squeeze_all(struct wr_node **out, struct wr_node *a, struct wr_stream *s) {
  uint32_t mask = 0;
  for (int i = 0; i < wr_node_ndim(a); i++) {
    if (wr_node_shape(a)[i] == 1) mask |= UINT32_C(1) << i;
  }
  return squeeze(out, a, mask, s);
}

/* Strides under which `to` walks the elements of a in the same order; false when none exist. Groups
   of axes with equal products on both sides are matched; a group can be said by strides when its
   old axes are nested without gaps. Sizes are equal and not zero. */
static bool reshape_strides(const struct wr_node *a, const int32_t *to, int ndim,
                            int64_t *strides) {
  int32_t shape[WR_MAX_NDIM];
  int64_t old[WR_MAX_NDIM];
  int n = 0;
  for (int i = 0; i < wr_node_ndim(a); i++) {
    if (wr_node_shape(a)[i] == 1) continue;
    shape[n] = wr_node_shape(a)[i];
    old[n++] = wr_node_strides(a)[i];
  }
  int done = 0;
  for (int i = 0; i < n;) {
    int first = done;
    int64_t from_size = shape[i];
    int64_t to_size = to[done++];
    int last = i;
    while (from_size != to_size) {
      if (to_size < from_size) {
        to_size *= to[done++];
      } else {
        if (old[last] != shape[last + 1] * old[last + 1]) return false;
        from_size *= shape[++last];
      }
    }
    int64_t stride = old[last];
    for (int j = done - 1; j >= first; stride *= to[j--]) strides[j] = stride;
    i = last + 1;
  }
  while (done < ndim) strides[done++] = 1; /* trailing extents of 1 */
  return true;
}

static struct wr_error *reshape_view(struct wr_node **out, enum wr_op op, struct wr_node *a,
                                     const void *params, const int32_t *shape, int ndim,
                                     struct wr_stream *s) {
  int64_t strides[WR_MAX_NDIM];
  bool fits = true;
  if (wr_node_size(a) == 0 || wr_node_is_row_contiguous(a)) {
    wr_shape_row_strides(shape, ndim, strides);
  } else {
    fits = reshape_strides(a, shape, ndim, strides);
  }
  if (fits) return view(out, op, a, params, ndim, shape, strides, s);
  struct wr_node *dense;
  struct wr_error *error = wr_ops_copy(&dense, a, s);
  if (error) return error;
  return wr_ops_and_release(dense, reshape_view(out, op, dense, params, shape, ndim, s));
}

static struct wr_error *reshape_mismatch(const struct wr_node *a, const int32_t *shape, int ndim) {
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                      "a with shape %s and %lld elements cannot be reshaped to shape %s",
                      wr_ops_shape_text(a).s, (long long)wr_node_size(a),
                      wr_ops_dims_text(shape, ndim).s);
}

/* Puts the extent in the place of a -1. */
static struct wr_error *infer_extent(const struct wr_node *a, const int32_t *shape, int ndim,
                                     int32_t *full) {
  int unknown = -1;
  for (int i = 0; i < ndim; i++) {
    full[i] = shape[i];
    if (shape[i] != -1) continue;
    if (unknown >= 0) {
      return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "shape %s has more than one -1",
                          wr_ops_dims_text(shape, ndim).s);
    }
    unknown = i;
    full[i] = 1;
  }
  struct wr_error *error = wr_ops_check_shape("shape", full, ndim);
  if (error) return error;
  int64_t size = 1;
  wr_shape_size(full, ndim, &size); /* in range: just checked */
  if (unknown >= 0) {
    int64_t extent = size ? wr_node_size(a) / size : -1;
    if (extent < 0 || extent > INT32_MAX) return reshape_mismatch(a, shape, ndim);
    full[unknown] = (int32_t)extent;
    size *= extent;
  }
  return size == wr_node_size(a) ? NULL : reshape_mismatch(a, shape, ndim);
}

struct wr_error *wr_ops_reshape(struct wr_node **out, struct wr_node *a, const int32_t *shape,
                                int ndim, struct wr_stream *s) {
  if (wr_shape_equal(wr_node_shape(a), wr_node_ndim(a), shape, ndim)) return same(out, a);
  if (ndim > WR_MAX_NDIM) return wr_ops_check_shape("shape", shape, ndim);
  int32_t full[WR_MAX_NDIM];
  struct wr_error *error = infer_extent(a, shape, ndim, full);
  return error ? error : reshape_view(out, WR_OP_RESHAPE, a, NULL, full, ndim, s);
}

struct wr_error *wr_ops_flatten(struct wr_node **out, struct wr_node *a, int start_axis,
                                int end_axis, struct wr_stream *s) {
  int ndim = wr_node_ndim(a);
  int32_t shape[WR_MAX_NDIM] = {1};
  struct wr_flatten_params params = {.first = 0, .last = -1};
  if (ndim == 0) return reshape_view(out, WR_OP_FLATTEN, a, &params, shape, 1, s);
  int64_t start = start_axis < 0 ? (int64_t)start_axis + ndim : start_axis;
  int64_t end = end_axis < 0 ? (int64_t)end_axis + ndim : end_axis;
  if (start < 0) start = 0;
  if (end > ndim - 1) end = ndim - 1;
  if (start > end) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                        "start_axis %d does not come before end_axis %d in a with %d dimensions",
                        start_axis, end_axis, ndim);
  }
  if (start == end) return same(out, a);
  int64_t merged = 1;
  for (int64_t i = start; i <= end; i++) {
    /* One past the limit is enough to know, and keeps the product in range until a 0 comes. */
    if (merged > INT32_MAX) merged = (int64_t)INT32_MAX + 1;
    merged *= wr_node_shape(a)[i];
  }
  if (merged > INT32_MAX) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                        "a with shape %s has too many elements to be flattened",
                        wr_ops_shape_text(a).s);
  }
  int n = 0;
  for (int i = 0; i < ndim; i++) {
    if (i == start) shape[n++] = (int32_t)merged;
    if (i < start || i > end) shape[n++] = wr_node_shape(a)[i];
  }
  params = (struct wr_flatten_params){.first = (int32_t)start, .last = (int32_t)end};
  return reshape_view(out, WR_OP_FLATTEN, a, &params, shape, n, s);
}

/* order[i]: the axis of a that becomes axis i; a permutation. */
static struct wr_error *transpose(struct wr_node **out, struct wr_node *a, const int *order,
                                  struct wr_stream *s) {
  struct wr_axes_params params;
  int32_t shape[WR_MAX_NDIM];
  int64_t strides[WR_MAX_NDIM];
  int ndim = wr_node_ndim(a);
  for (int i = 0; i < ndim; i++) {
    params.axes[i] = (uint8_t)order[i];
    shape[i] = wr_node_shape(a)[order[i]];
    strides[i] = wr_node_strides(a)[order[i]];
  }
  struct wr_record record = wr_ops_command_like(WR_OP_TRANSPOSE, &a, 1, &params, s);
  record.ndim = ndim;
  record.shape = shape;
  record.params_bytes = (size_t)ndim * sizeof params.axes[0];
  return wr_ops_view_of(out, &record, strides, wr_node_offset(a));
}

struct wr_error *wr_ops_transpose(struct wr_node **out, struct wr_node *a, const int *axes,
                                  int n_axes, struct wr_stream *s) {
  int ndim = wr_node_ndim(a);
  if (n_axes != ndim) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "axes: %d are given, a has %d dimensions",
                        n_axes, ndim);
  }
  uint32_t mask;
  struct wr_error *error = wr_ops_axes(axes, n_axes, ndim, &mask);
  if (error) return error;
  int order[WR_MAX_NDIM];
  for (int i = 0; i < ndim; i++) order[i] = axes[i] < 0 ? axes[i] + ndim : axes[i];
  return transpose(out, a, order, s);
}

struct wr_error *wr_ops_transpose_all(struct wr_node **out, struct wr_node *a,
                                      struct wr_stream *s) {
  int order[WR_MAX_NDIM];
  int ndim = wr_node_ndim(a);
  for (int i = 0; i < ndim; i++) order[i] = ndim - 1 - i;
  return transpose(out, a, order, s);
}

struct wr_error *wr_ops_swapaxes(struct wr_node **out, struct wr_node *a, int axis1, int axis2,
                                 struct wr_stream *s) {
  int ndim = wr_node_ndim(a);
  int i, j;
  struct wr_error *error = wr_ops_axis("axis1", axis1, ndim, &i);
  if (!error) error = wr_ops_axis("axis2", axis2, ndim, &j);
  if (error) return error;
  int order[WR_MAX_NDIM];
  for (int k = 0; k < ndim; k++) order[k] = k;
  order[i] = j;
  order[j] = i;
  return transpose(out, a, order, s);
}

/* The same array once more, as a view of all inputs. */
static struct wr_error *alias(struct wr_node **out, enum wr_op op, struct wr_node *const *in,
                              int n_in, struct wr_stream *s) {
  const struct wr_record record = wr_ops_command_like(op, in, n_in, NULL, s);
  return wr_ops_view_of(out, &record, wr_node_strides(in[0]), wr_node_offset(in[0]));
}

struct wr_error *wr_ops_depends(struct wr_node **out, struct wr_node *a,
                                struct wr_node *const *dependencies, size_t n,
                                struct wr_stream *s) {
  size_t bytes;
  if (n >= INT32_MAX) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "dependencies has too many entries");
  }
  struct wr_node **in =
      wr_mul_size(n + 1, sizeof(struct wr_node *), &bytes) ? wr_alloc(bytes) : NULL;
  if (!in) return wr_error_out_of_memory();
  in[0] = a;
  for (size_t i = 0; i < n; i++) in[i + 1] = dependencies[i];
  struct wr_error *error = alias(out, WR_OP_DEPENDS, in, (int)n + 1, s);
  wr_free(in);
  return error;
}

struct wr_error *wr_ops_stop_gradient(struct wr_node **out, struct wr_node *a,
                                      struct wr_stream *s) {
  return alias(out, WR_OP_STOP_GRADIENT, &a, 1, s);
}

/* ---- again ---- */

/* The axes of the mask. */
static int listed(uint32_t mask, int *axes) {
  int n = 0;
  for (int i = 0; i < WR_MAX_NDIM; i++) {
    if (wr_ops_has_axis(mask, i)) axes[n++] = i;
  }
  return n;
}

static struct wr_error *transpose_again(struct wr_node **out, const struct wr_record *like) {
  const struct wr_axes_params *p = like->params;
  int order[WR_MAX_NDIM];
  for (int i = 0; i < like->ndim; i++) order[i] = p->axes[i];
  return wr_ops_transpose(out, like->in[0], order, like->ndim, like->stream);
}

static struct wr_error *flatten_again(struct wr_node **out, const struct wr_record *like) {
  const struct wr_flatten_params *p = like->params;
  if (p->last < 0) return wr_ops_flatten(out, like->in[0], 0, -1, like->stream);
  return wr_ops_flatten(out, like->in[0], p->first, p->last, like->stream);
}

static struct wr_error *as_strided_again(struct wr_node **out, const struct wr_record *like) {
  const struct wr_as_strided_params *p = like->params;
  return wr_ops_as_strided(out, like->in[0], like->shape, like->ndim, p->strides, like->ndim,
                           (size_t)p->offset, like->stream);
}

struct wr_error *wr_again_shape(struct wr_node **out, const struct wr_record *like) {
  struct wr_node *a = like->in[0];
  struct wr_stream *s = like->stream;
  int axes[WR_MAX_NDIM];
  switch ((int)like->op) {
    case WR_OP_AS_STRIDED:
      return as_strided_again(out, like);
    case WR_OP_BROADCAST_TO:
      return wr_ops_broadcast_to(out, a, like->shape, like->ndim, s);
    case WR_OP_CUSTOM: /* the result alone: what it leads to is for vmap */
      return alias(out, WR_OP_DEPENDS, like->in, 1, s);
    case WR_OP_DEPENDS:
    case WR_OP_STOP_GRADIENT:
      return alias(out, like->op, like->in, like->n_in, s);
    case WR_OP_DIAGONAL:
      return wr_again_diagonal(out, like);
    case WR_OP_EXPAND_DIMS: {
      const int n = listed(((const struct wr_axis_set_params *)like->params)->axes, axes);
      return wr_ops_expand_dims(out, a, axes, n, s);
    }
    case WR_OP_SQUEEZE: {
      const int n = listed(((const struct wr_axis_set_params *)like->params)->axes, axes);
      return wr_ops_squeeze(out, a, axes, n, s);
    }
    case WR_OP_FLATTEN:
      return flatten_again(out, like);
    case WR_OP_PART:
      return wr_again_part(out, like);
    case WR_OP_SLICE:
    case WR_OP_SPLIT:
      return wr_again_slice(out, like);
    case WR_OP_TRANSPOSE:
      return transpose_again(out, like);
    case WR_OP_VIEW:
      return wr_again_view(out, like);
    default: /* RESHAPE */
      return wr_ops_reshape(out, a, like->shape, like->ndim, s);
  }
}
