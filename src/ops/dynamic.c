/* Parts whose place is known only when it is computed: `start` is an array. Its values are clamped
   so that the part lies in the array. A part is read by one gather along each such axis; writing
   one chooses between the two arrays, element by element. No locks. */

#include "ops/internal.h"

/* The axes that `start` has a value for. */
struct places {
  int n;
  int axes[WR_MAX_NDIM];
};

static struct wr_error *places_of(const struct wr_node *a, const struct wr_node *start,
                                  const int *axes, int n_axes, struct places *p) {
  const enum wr_dtype t = wr_node_dtype(start);
  if (!wr_dtype_is_integer(t)) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "start is %s, not integers", wr_dtype_name(t));
  }
  if (wr_node_ndim(start) > 1 || wr_node_size(start) != n_axes) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                        "start with shape %s is no list of values for %d axes",
                        wr_ops_shape_text(start).s, n_axes);
  }
  uint32_t mask;
  struct wr_error *error = wr_ops_axes(axes, n_axes, wr_node_ndim(a), &mask);
  if (error) return error;
  p->n = n_axes;
  for (int i = 0; i < n_axes; i++) {
    p->axes[i] = axes[i] < 0 ? axes[i] + wr_node_ndim(a) : axes[i];
  }
  return NULL;
}

/* Value i of start, int64, (1), within 0 and `last`. */
static struct wr_node *start_of(struct wr_compose *c, struct wr_node *start, int i, int32_t last) {
  if (c->error) return NULL;
  struct wr_node *x = start;
  if (wr_node_ndim(start) == 0) {
    x = wr_compose_expand(c, start, 0);
  } else {
    x = wr_compose_slice_axis(c, start, 0, i, i + 1);
  }
  /* What int64 cannot hold is beyond any end. */
  if (wr_node_dtype(start) == WR_UINT64) {
    x = wr_compose_binary(c, WR_OP_MINIMUM, x, wr_compose_scalar(c, last, WR_UINT64));
  }
  x = wr_compose_astype(c, x, WR_INT64);
  x = wr_compose_binary(c, WR_OP_MINIMUM, x, wr_compose_scalar(c, last, WR_INT64));
  return wr_compose_binary(c, WR_OP_MAXIMUM, x, wr_compose_scalar(c, 0, WR_INT64));
}

static struct wr_error *check_part(const struct wr_node *a, const int32_t *size, int n) {
  bool fits = n == wr_node_ndim(a);
  for (int i = 0; fits && i < n; i++) fits = size[i] >= 0 && size[i] <= wr_node_shape(a)[i];
  if (fits) return NULL;
  if (n > WR_MAX_NDIM) return wr_ops_check_shape("slice_size", size, n);
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "slice_size %s is no part of a with shape %s",
                      wr_ops_dims_text(size, n).s, wr_ops_shape_text(a).s);
}

/* Axes without a value first: a view, so that less is gathered. */
struct wr_error *wr_ops_slice_dynamic(struct wr_node **out, struct wr_node *a,
                                      struct wr_node *start, const int *axes, int n_axes,
                                      const int32_t *size, int n_size, struct wr_stream *s) {
  struct places p;
  struct wr_error *error = places_of(a, start, axes, n_axes, &p);
  if (!error) error = check_part(a, size, n_size);
  if (error) return error;
  bool placed[WR_MAX_NDIM] = {false};
  for (int i = 0; i < p.n; i++) placed[p.axes[i]] = true;
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *x = a;
  for (int d = 0; d < n_size; d++) {
    if (!placed[d] && size[d] < wr_node_shape(a)[d]) {
      x = wr_compose_slice_axis(&c, x, d, 0, size[d]);
    }
  }
  for (int i = 0; i < p.n; i++) {
    const int d = p.axes[i];
    const int32_t last = wr_node_shape(a)[d] - size[d];
    if (last == 0) continue;
    struct wr_node *at = wr_compose_binary(&c, WR_OP_ADD, start_of(&c, start, i, last),
                                           wr_compose_count(&c, 0, size[d], WR_INT64));
    x = wr_compose_take(&c, x, at, d);
  }
  return wr_compose_end(&c, out, wr_compose_dense(&c, x));
}

/* The part's extents: the update's, and where it has none, 1 of the axes with a value, all of the
   others. */
static struct wr_error *updated_part(const struct wr_node *src, const struct wr_node *update,
                                     const struct places *p, int32_t *size) {
  const int ndim = wr_node_ndim(src), missing = ndim - wr_node_ndim(update);
  bool fits = missing >= 0;
  for (int d = 0; fits && d < missing; d++) size[d] = wr_node_shape(src)[d];
  for (int i = 0; fits && i < p->n; i++) {
    if (p->axes[i] < missing) size[p->axes[i]] = 1;
  }
  for (int d = missing; fits && d < ndim; d++) {
    size[d] = wr_node_shape(update)[d - missing];
    fits = size[d] <= wr_node_shape(src)[d];
  }
  for (int d = 0; fits && d < missing; d++) fits = size[d] <= wr_node_shape(src)[d];
  if (fits) return NULL;
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                      "update with shape %s is no part of src with shape %s",
                      wr_ops_shape_text(update).s, wr_ops_shape_text(src).s);
}

/* Which value of start axis d has, or -1. */
static int value_of(const struct places *p, int d) {
  for (int i = 0; i < p->n; i++) {
    if (p->axes[i] == d) return i;
  }
  return -1;
}

/* From the start of the part, for each place along axis d: int64, shaped for an array of ndim. */
static struct wr_node *distances(struct wr_compose *c, struct wr_node *start, int value, int d,
                                 int ndim, int32_t extent, int32_t size) {
  int32_t shape[WR_MAX_NDIM];
  struct wr_node *at = wr_compose_count(c, 0, extent, WR_INT64);
  if (value >= 0) {
    struct wr_node *first = start_of(c, start, value, extent - size);
    at = wr_compose_binary(c, WR_OP_SUBTRACT, at, first);
  }
  for (int i = 0; i < ndim; i++) shape[i] = i == d ? extent : 1;
  return wr_compose_reshape(c, at, ndim, shape);
}

static struct wr_node *both(struct wr_compose *c, struct wr_node *x, struct wr_node *y) {
  return x ? wr_compose_binary(c, WR_OP_LOGICAL_AND, x, y) : y;
}

/* Gathers the update to the whole shape, where places outside of the part have anything, and takes
   src there. */
static struct wr_node *placed_over(struct wr_compose *c, struct wr_node *src, struct wr_node *part,
                                   const int32_t *size, struct wr_node *start,
                                   const struct places *p) {
  const int ndim = wr_node_ndim(src);
  struct wr_node *inside = NULL;
  for (int d = 0; d < ndim && !c->error; d++) {
    const int32_t extent = wr_node_shape(src)[d];
    if (size[d] == extent) continue;
    struct wr_node *way = distances(c, start, value_of(p, d), d, ndim, extent, size[d]);
    struct wr_node *zero = wr_compose_scalar(c, 0, WR_INT64);
    inside = both(c, inside, wr_compose_binary(c, WR_OP_GREATER_EQUAL, way, zero));
    struct wr_node *end = wr_compose_scalar(c, size[d], WR_INT64);
    inside = both(c, inside, wr_compose_binary(c, WR_OP_LESS, way, end));
    struct wr_node *from = wr_compose_binary(c, WR_OP_MAXIMUM, way, zero); /* take clamps the end */
    part = wr_compose_take(c, part, wr_compose_reshape(c, from, 1, &extent), d);
  }
  return inside ? wr_compose_where(c, inside, part, src) : part;
}

struct wr_error *wr_ops_slice_update_dynamic(struct wr_node **out, struct wr_node *src,
                                             struct wr_node *update, struct wr_node *start,
                                             const int *axes, int n_axes, struct wr_stream *s) {
  struct places p;
  int32_t size[WR_MAX_NDIM];
  const int ndim = wr_node_ndim(src);
  struct wr_error *error = places_of(src, start, axes, n_axes, &p);
  if (!error) error = updated_part(src, update, &p, size);
  if (error) return error;
  for (int d = 0; d < ndim; d++) {
    if (size[d] > 0) continue;
    *out = wr_node_retain(src); /* an empty part */
    return NULL;
  }
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *part = wr_compose_astype(&c, update, wr_node_dtype(src));
  part = wr_compose_broadcast(&c, part, ndim, size);
  return wr_compose_end(&c, out, placed_over(&c, src, part, size, start, &p));
}
