/* Parts whose place is known only when it is computed: `start` is an array. Its values are clamped
   so that the part lies in the array. A part is read by a gather of one slice, and written by a
   scatter of one. No locks. */

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

/* Value i of start, int64, without axes, within 0 and `last`. */
static struct wr_node *start_of(struct wr_compose *c, struct wr_node *start, int i, int32_t last) {
  if (c->error) return NULL;
  struct wr_node *x = start;
  if (wr_node_ndim(start) > 0) {
    x = wr_compose_reshape(c, wr_compose_slice_axis(c, start, 0, i, i + 1), 0, NULL);
  }
  x = wr_compose_places(c, x);
  x = wr_compose_binary(c, WR_OP_MINIMUM, x, wr_compose_scalar(c, last, WR_INT64));
  return wr_compose_binary(c, WR_OP_MAXIMUM, x, wr_compose_scalar(c, 0, WR_INT64));
}

/* Where a part of the given extents starts, of those axes along which it may start elsewhere. */
struct starts {
  int n;
  int axes[WR_MAX_NDIM];
  struct wr_node *at[WR_MAX_NDIM];
};

static void starts_of(struct wr_compose *c, struct starts *to, const struct wr_node *a,
                      const int32_t *size, struct wr_node *start, const struct places *p) {
  to->n = 0;
  for (int i = 0; i < p->n; i++) {
    const int d = p->axes[i];
    const int32_t last = wr_node_shape(a)[d] - size[d];
    if (last == 0) continue;
    to->axes[to->n] = d;
    to->at[to->n++] = start_of(c, start, i, last);
  }
}

static struct wr_error *check_part(const struct wr_node *a, const int32_t *size, int n) {
  bool fits = n == wr_node_ndim(a);
  for (int i = 0; fits && i < n; i++) fits = size[i] >= 0 && size[i] <= wr_node_shape(a)[i];
  if (fits) return NULL;
  if (n > WR_MAX_NDIM) return wr_ops_check_shape("slice_size", size, n);
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "slice_size %s is no part of a with shape %s",
                      wr_ops_dims_text(size, n).s, wr_ops_shape_text(a).s);
}

struct wr_error *wr_ops_slice_dynamic(struct wr_node **out, struct wr_node *a,
                                      struct wr_node *start, const int *axes, int n_axes,
                                      const int32_t *size, int n_size, struct wr_stream *s) {
  struct places p;
  struct starts from;
  struct wr_error *error = places_of(a, start, axes, n_axes, &p);
  if (!error) error = check_part(a, size, n_size);
  if (error) return error;
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *x = a;
  starts_of(&c, &from, a, size, start, &p);
  for (int d = 0; d < n_size && from.n == 0; d++) {
    if (size[d] < wr_node_shape(a)[d]) x = wr_compose_slice_axis(&c, x, d, 0, size[d]);
  }
  if (from.n > 0 && !c.error) {
    x = wr_compose_step(&c, wr_ops_gather(wr_compose_slot(&c), a, from.at, from.n, from.axes,
                                          from.n, size, n_size, s));
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

struct wr_error *wr_ops_slice_update_dynamic(struct wr_node **out, struct wr_node *src,
                                             struct wr_node *update, struct wr_node *start,
                                             const int *axes, int n_axes, struct wr_stream *s) {
  struct places p;
  struct starts to;
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
  struct wr_node *x = wr_compose_astype(&c, update, wr_node_dtype(src));
  x = wr_compose_broadcast(&c, x, ndim, size);
  starts_of(&c, &to, src, size, start, &p);
  /* As large as src, it is the result. */
  if (!c.error && wr_node_size(x) < wr_node_size(src)) {
    x = wr_compose_step(
        &c, wr_ops_scatter(wr_compose_slot(&c), WR_OP_COPY, src, to.at, to.n, x, to.axes, to.n, s));
  }
  return wr_compose_end(&c, out, x);
}
