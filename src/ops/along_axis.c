/* Writing along one axis: index arrays that have as many axes as the array, and of each an element
   for each value. The other axes count up. No locks. */

#include "ops/internal.h"

/* What a write is made of: the axis, and a's and the indices' shapes when all have broadcast, which
   they do but for the axis, along which a has its own extent. */
struct along {
  int ndim;
  int axis;
  int32_t whole[WR_MAX_NDIM];
  int32_t part[WR_MAX_NDIM];
};

/* False where they have no extent in common. */
static bool join_extents(int32_t a, int32_t b, int32_t *joint) {
  *joint = a == 1 ? b : a;
  return a == b || a == 1 || b == 1;
}

/* Extent d of values as an array of ndim; 1 where it has none. */
static int32_t extent_among(const struct wr_node *values, int ndim, int d) {
  const int i = d - (ndim - wr_node_ndim(values));
  return i < 0 ? 1 : wr_node_shape(values)[i];
}

static struct wr_error *along(struct along *w, const struct wr_node *a,
                              const struct wr_node *indices, const struct wr_node *values) {
  bool fits = wr_node_ndim(indices) == w->ndim && wr_node_ndim(values) <= w->ndim;
  for (int d = 0; fits && d < w->ndim; d++) {
    const int32_t own = wr_node_shape(a)[d];
    fits = join_extents(wr_node_shape(indices)[d], extent_among(values, w->ndim, d), &w->part[d]);
    w->whole[d] = own;
    if (d == w->axis) continue;
    fits = fits && join_extents(own, w->part[d], &w->whole[d]);
    w->part[d] = w->whole[d];
  }
  if (fits) return NULL;
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                      "indices with shape %s and values with shape %s do not fit a with shape %s "
                      "along axis %d",
                      wr_ops_shape_text(indices).s, wr_ops_shape_text(values).s,
                      wr_ops_shape_text(a).s, w->axis);
}

/* Three axes: those before, the axis, those behind. */
static struct wr_node *in_three(struct wr_compose *c, const struct along *w, struct wr_node *a,
                                const int32_t *shape, int32_t *three) {
  int64_t extents[3] = {1, shape[w->axis], 1};
  a = wr_compose_broadcast(c, a, w->ndim, shape);
  for (int d = 0; d < w->ndim; d++) {
    if (d != w->axis) extents[d < w->axis ? 0 : 2] *= shape[d];
  }
  for (int i = 0; i < 3 && !c->error; i++) {
    if (extents[i] > INT32_MAX) {
      c->error = wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                              "a has too many elements on one side of the axis in shape %s",
                              wr_ops_dims_text(shape, w->ndim).s);
    }
    three[i] = (int32_t)extents[i];
  }
  return wr_compose_reshape(c, a, 3, three);
}

/* What the other axes are counted in: the indices' own type where it holds any extent, since index
   arrays of several types would all be copied to one. */
static enum wr_dtype count_type(enum wr_dtype indices) {
  return wr_dtype_size(indices) >= 4 && indices != WR_UINT64 ? indices : WR_INT64;
}

/* The result, of elements of which there are some. */
static struct wr_node *scattered(struct wr_compose *c, enum wr_op by, const struct along *w,
                                 struct wr_node *a, struct wr_node *indices,
                                 struct wr_node *values) {
  int32_t whole[3], part[3];
  struct wr_node *x = in_three(c, w, a, w->whole, whole);
  struct wr_node *u = in_three(c, w, values, w->part, part);
  struct wr_node *list[3] = {NULL, in_three(c, w, indices, w->part, part), NULL};
  if (c->error) return NULL;
  u = wr_compose_reshape(c, u, 6, (const int32_t[]){part[0], part[1], part[2], 1, 1, 1});
  for (int i = 0; i < 3; i += 2) {
    struct wr_node *count = wr_compose_count(c, 0, part[i], count_type(wr_node_dtype(indices)));
    list[i] = wr_compose_reshape(c, count, 3,
                                 (const int32_t[]){i == 0 ? part[0] : 1, 1, i == 2 ? part[2] : 1});
  }
  /* uint64 has no integer type in common with the others; what int64 cannot hold is dropped. */
  if (!c->error && wr_node_dtype(indices) == WR_UINT64) {
    struct wr_node *far = wr_compose_scalar(c, INT32_MAX, WR_UINT64);
    list[1] = wr_compose_binary(c, WR_OP_MINIMUM, list[1], far);
    list[1] = wr_compose_astype(c, list[1], WR_INT64);
  }
  if (c->error) return NULL;
  struct wr_node **slot = wr_compose_slot(c);
  x = wr_compose_step(c, wr_ops_scatter_along(slot, by, x, list, 3, 1, u, c->stream));
  return wr_compose_reshape(c, x, w->ndim, w->whole);
}

/* Axes of values in front of the others, of extent 1, do not count. */
static struct wr_node *without_front(struct wr_compose *c, struct wr_node *values, int ndim) {
  const int more = wr_node_ndim(values) - ndim;
  if (more <= 0) return values;
  for (int d = 0; d < more; d++) {
    if (wr_node_shape(values)[d] != 1) return values;
  }
  return wr_compose_reshape(c, values, ndim, wr_node_shape(values) + more);
}

struct wr_error *wr_ops_scatter_axis(struct wr_node **out, enum wr_op by, struct wr_node *a,
                                     struct wr_node *indices, struct wr_node *values, int axis,
                                     struct wr_stream *s) {
  struct along w = {.ndim = wr_node_ndim(a)};
  struct wr_error *error = wr_ops_axis("axis", axis, w.ndim, &w.axis);
  if (error) return error;
  if (!wr_dtype_is_integer(wr_node_dtype(indices))) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "indices are %s, not integers",
                        wr_dtype_name(wr_node_dtype(indices)));
  }
  struct wr_compose c = wr_compose_begin(s);
  values = without_front(&c, values, w.ndim);
  if (!c.error) c.error = along(&w, a, indices, values);
  int64_t size = 0;
  if (!c.error) c.error = wr_ops_check_shape("indices' shape", w.part, w.ndim);
  if (!c.error) c.error = wr_ops_check_shape("the result's shape", w.whole, w.ndim);
  if (!c.error) wr_shape_size(w.part, w.ndim, &size); /* in range: just checked */
  struct wr_node *r = NULL;
  if (!c.error && size > 0 && w.whole[w.axis] > 0) {
    r = scattered(&c, by, &w, a, indices, values);
  } else {
    r = wr_compose_broadcast(&c, a, w.ndim, w.whole);
  }
  return wr_compose_end(&c, out, r);
}
