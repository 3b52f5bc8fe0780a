/* Writing along one axis: index arrays that have as many axes as the array, and of each an element
   for each value. The other axes count up. No locks. */

#include "ops/internal.h"

/* Shapes that fit: indices and values broadcast against a but for the axis, and values to what then
   are the indices. */
static struct wr_error *along(const struct wr_node *a, const struct wr_node *indices,
                              const struct wr_node *values, int axis, int32_t *whole,
                              int32_t *part) {
  const int ndim = wr_node_ndim(a);
  bool fits = wr_node_ndim(indices) == ndim && wr_node_ndim(values) <= ndim;
  const int missing = ndim - wr_node_ndim(values);
  for (int d = 0; fits && d < ndim; d++) {
    const int32_t x = wr_node_shape(a)[d], y = wr_node_shape(indices)[d];
    const int32_t z = d < missing ? 1 : wr_node_shape(values)[d - missing];
    whole[d] = x;
    part[d] = y;
    if (d != axis) {
      whole[d] = part[d] = x != 1 ? x : y != 1 ? y : z;
      fits = (x == whole[d] || x == 1) && (y == whole[d] || y == 1);
    }
    fits = fits && (z == part[d] || z == 1);
  }
  if (fits) return NULL;
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                      "indices with shape %s and values with shape %s do not fit a with shape %s "
                      "along axis %d",
                      wr_ops_shape_text(indices).s, wr_ops_shape_text(values).s,
                      wr_ops_shape_text(a).s, axis);
}

/* Every place of the part by an index along each axis. */
static void all_indices(struct wr_compose *c, struct wr_node *indices, int axis, int ndim,
                        const int32_t *part, struct wr_node **list) {
  for (int d = 0; d < ndim && !c->error; d++) {
    list[d] = indices;
    if (d == axis) continue;
    int32_t shape[WR_MAX_NDIM];
    for (int i = 0; i < ndim; i++) shape[i] = i == d ? part[d] : 1;
    list[d] = wr_compose_reshape(c, wr_compose_count(c, 0, part[d], WR_INT32), ndim, shape);
  }
}

/* a in its broadcast shape, the indices, and the values as updates of one element each. */
static struct wr_node *scattered(struct wr_compose *c, struct wr_node *a, struct wr_node *indices,
                                 struct wr_node *values, int axis, const int32_t *whole,
                                 const int32_t *part) {
  const int ndim = wr_node_ndim(a);
  int axes[WR_MAX_NDIM];
  int32_t shape[2 * WR_MAX_NDIM];
  struct wr_node *list[WR_MAX_NDIM];
  for (int d = 0; d < ndim; d++) {
    axes[d] = d;
    shape[d] = part[d];
    shape[ndim + d] = 1;
  }
  struct wr_node *x = wr_compose_broadcast(c, a, ndim, whole);
  struct wr_node *at = wr_compose_broadcast(c, indices, ndim, part);
  struct wr_node *u = wr_compose_broadcast(c, values, ndim, part);
  u = wr_compose_reshape(c, u, 2 * ndim, shape);
  all_indices(c, at, axis, ndim, part, list);
  if (c->error) return NULL;
  struct wr_node **slot = wr_compose_slot(c);
  return wr_compose_step(c,
                         wr_ops_scatter(slot, WR_OP_ADD, x, list, ndim, u, axes, ndim, c->stream));
}

struct wr_error *wr_ops_scatter_add_axis(struct wr_node **out, struct wr_node *a,
                                         struct wr_node *indices, struct wr_node *values, int axis,
                                         struct wr_stream *s) {
  int at;
  int32_t whole[WR_MAX_NDIM], part[WR_MAX_NDIM];
  struct wr_error *error = wr_ops_axis("axis", axis, wr_node_ndim(a), &at);
  if (!error) error = along(a, indices, values, at, whole, part);
  if (error) return error;
  struct wr_compose c = wr_compose_begin(s);
  return wr_compose_end(&c, out, scattered(&c, a, indices, values, at, whole, part));
}
