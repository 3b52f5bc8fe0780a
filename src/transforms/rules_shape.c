/* Rules of views, and of copies that join, replace or cast. No locks. */

#include "base/base.h"
#include "transforms/rules.h"

/* Sums d over the axes that were added or stretched. */
static struct wr_node *unbroadcast(const struct wr_rule *r, struct wr_node *d,
                                   struct wr_node *like) {
  int axes[WR_MAX_NDIM], n = 0;
  if (r->c->error) return NULL;
  const int more = wr_node_ndim(d) - wr_node_ndim(like);
  for (int i = 0; i < wr_node_ndim(d); i++) {
    if (i < more || wr_node_shape(like)[i - more] != wr_node_shape(d)[i]) axes[n++] = i;
  }
  struct wr_node *sum = n ? wr_compose_reduce(r->c, WR_OP_SUM, d, axes, n, true) : d;
  return wr_rule_reshape_like(r, sum, like);
}

void wr_vjp_broadcast(const struct wr_rule *r, struct wr_node *d, struct wr_node **grads) {
  grads[0] = unbroadcast(r, d, r->in[0]);
}

struct wr_node *wr_jvp_broadcast(const struct wr_rule *r, struct wr_node *const *t) {
  return wr_compose_broadcast(r->c, t[0], wr_node_ndim(r->y), wr_node_shape(r->y));
}

void wr_vjp_reshape(const struct wr_rule *r, struct wr_node *d, struct wr_node **grads) {
  grads[0] = wr_rule_reshape_like(r, d, r->in[0]);
}

struct wr_node *wr_jvp_reshape(const struct wr_rule *r, struct wr_node *const *t) {
  return wr_rule_reshape_like(r, t[0], r->y);
}

/* What is waited for alone does not change it. */
void wr_vjp_depends(const struct wr_rule *r, struct wr_node *d, struct wr_node **grads) {
  if (r->wanted[0]) grads[0] = d;
}

struct wr_node *wr_jvp_depends(const struct wr_rule *r, struct wr_node *const *t) {
  (void)r;
  return t[0];
}

void wr_vjp_transpose(const struct wr_rule *r, struct wr_node *d, struct wr_node **grads) {
  const struct wr_axes_params *p = r->params;
  int back[WR_MAX_NDIM] = {0};
  for (int i = 0; i < wr_node_ndim(r->y); i++) back[p->axes[i]] = i;
  grads[0] = wr_compose_transpose(r->c, d, back);
}

struct wr_node *wr_jvp_transpose(const struct wr_rule *r, struct wr_node *const *t) {
  const struct wr_axes_params *p = r->params;
  int axes[WR_MAX_NDIM] = {0};
  for (int i = 0; i < wr_node_ndim(r->y); i++) axes[i] = p->axes[i];
  return wr_compose_transpose(r->c, t[0], axes);
}

/* ---- slices ---- */

struct lists {
  int start[WR_MAX_NDIM], stop[WR_MAX_NDIM], step[WR_MAX_NDIM];
};

/* The range of an array of `whole` extents that has `part` elements from those starts on. */
static struct wr_ops_range range_of(struct lists *l, const struct wr_slice_axis *axis, int ndim,
                                    const int32_t *whole, const int32_t *part) {
  for (int i = 0; i < ndim; i++) {
    const int64_t last = axis[i].start + ((int64_t)part[i] - 1) * axis[i].step;
    l->start[i] = part[i] ? axis[i].start : 0;
    l->step[i] = part[i] ? axis[i].step : 1;
    const int64_t stop = l->step[i] > 0 ? last + 1 : last - 1;
    l->stop[i] = part[i] == 0 ? 0 : stop < 0 ? -whole[i] - 1 : (int)stop;
  }
  return (struct wr_ops_range){l->start, l->stop, l->step, ndim, ndim, ndim};
}

static struct wr_node *slice(const struct wr_rule *r, struct wr_node *a,
                             const struct wr_ops_range *range) {
  if (r->c->error) return NULL;
  return wr_compose_step(r->c, wr_ops_slice(wr_compose_slot(r->c), a, range, r->c->stream));
}

static struct wr_node *update(const struct wr_rule *r, enum wr_op by, struct wr_node *a,
                              struct wr_node *part, const struct wr_ops_range *range) {
  if (r->c->error) return NULL;
  struct wr_node **slot = wr_compose_slot(r->c);
  return wr_compose_step(r->c, wr_ops_slice_update(slot, by, a, part, range, r->c->stream));
}

static struct wr_ops_range slice_range(const struct wr_rule *r, struct lists *l) {
  const struct wr_slice_params *p = r->params;
  return range_of(l, p->axis, wr_node_ndim(r->y), wr_node_shape(r->in[0]), wr_node_shape(r->y));
}

void wr_vjp_slice(const struct wr_rule *r, struct wr_node *d, struct wr_node **grads) {
  struct lists l;
  const struct wr_ops_range range = slice_range(r, &l);
  grads[0] = update(r, WR_OP_COPY, wr_rule_zeros(r, r->in[0]), d, &range);
}

struct wr_node *wr_jvp_slice(const struct wr_rule *r, struct wr_node *const *t) {
  struct lists l;
  const struct wr_ops_range range = slice_range(r, &l);
  return slice(r, t[0], &range);
}

static struct wr_ops_range update_range(const struct wr_rule *r, struct lists *l) {
  const struct wr_slice_update_params *p = r->params;
  return range_of(l, p->at.axis, wr_node_ndim(r->y), wr_node_shape(r->in[0]),
                  wr_node_shape(r->in[1]));
}

/* Where the maximum, or minimum, of both is the update alone. */
static struct wr_node *won(const struct wr_rule *r, enum wr_op by,
                           const struct wr_ops_range *range) {
  return wr_compose_binary(r->c, by == WR_OP_MAXIMUM ? WR_OP_GREATER : WR_OP_LESS, r->in[1],
                           slice(r, r->in[0], range));
}

static struct wr_node *from_source(const struct wr_rule *r, enum wr_op by, struct wr_node *d,
                                   struct wr_node *by_update, const struct wr_ops_range *range) {
  struct wr_node *part = slice(r, d, range);
  switch ((int)by) {
    case WR_OP_ADD:
      return d;
    case WR_OP_MULTIPLY:
      return update(r, WR_OP_MULTIPLY, d, by_update, range);
    case WR_OP_COPY:
      return update(r, WR_OP_COPY, d, wr_rule_zeros(r, r->in[1]), range);
    default:
      if (r->c->error) return NULL;
      part = wr_compose_where(r->c, won(r, by, range), wr_compose_scalar(r->c, 0, wr_node_dtype(d)),
                              part);
      return update(r, WR_OP_COPY, d, part, range);
  }
}

static struct wr_node *from_update(const struct wr_rule *r, enum wr_op by, struct wr_node *part,
                                   struct wr_node *source, const struct wr_ops_range *range) {
  if (by == WR_OP_MULTIPLY) return wr_rule_mul(r, part, source);
  if (by == WR_OP_ADD || by == WR_OP_COPY) return part;
  return wr_rule_where(r, won(r, by, range), part);
}

void wr_vjp_slice_update(const struct wr_rule *r, struct wr_node *d, struct wr_node **grads) {
  const struct wr_slice_update_params *p = r->params;
  struct lists l;
  const struct wr_ops_range range = update_range(r, &l);
  if (r->wanted[0]) grads[0] = from_source(r, p->by, d, wr_rule_conj(r, r->in[1]), &range);
  if (r->wanted[1]) {
    struct wr_node *source = wr_rule_conj(r, slice(r, r->in[0], &range));
    grads[1] = from_update(r, p->by, slice(r, d, &range), source, &range);
  }
}

struct wr_node *wr_jvp_slice_update(const struct wr_rule *r, struct wr_node *const *t) {
  const struct wr_slice_update_params *p = r->params;
  struct lists l;
  const struct wr_ops_range range = update_range(r, &l);
  struct wr_node *y = t[0] ? from_source(r, p->by, t[0], r->in[1], &range) : wr_rule_zeros(r, r->y);
  if (!t[1]) return y;
  struct wr_node *part = from_update(r, p->by, t[1], slice(r, r->in[0], &range), &range);
  return update(r, WR_OP_ADD, y, part, &range);
}

/* ---- other layouts ---- */

/* Adds d at places of the flattened input. */
void wr_vjp_as_strided(const struct wr_rule *r, struct wr_node *d, struct wr_node **grads) {
  const struct wr_as_strided_params *p = r->params;
  static const int axis = 0;
  struct wr_compose *c = r->c;
  struct wr_node *x = r->in[0], *at = wr_compose_scalar(c, (double)p->offset, WR_INT64);
  const int ndim = wr_node_ndim(r->y);
  for (int i = 0; i < ndim && !c->error; i++) {
    int32_t shape[WR_MAX_NDIM];
    for (int k = 0; k < ndim; k++) shape[k] = k == i ? wr_node_shape(r->y)[i] : 1;
    struct wr_node *count = wr_compose_count(c, 0, wr_node_shape(r->y)[i], WR_INT64);
    count = wr_rule_scale(r, count, (double)p->strides[i]);
    at = wr_rule_add(r, at, wr_compose_reshape(c, count, ndim, shape));
  }
  at = wr_compose_flatten(c, wr_compose_broadcast(c, at, ndim, wr_node_shape(r->y)));
  struct wr_node *flat = wr_compose_flatten(c, wr_rule_zeros(r, x)), *parts = NULL;
  if (!c->error) {
    parts = wr_compose_reshape(c, d, 2, (const int32_t[]){(int32_t)wr_node_size(d), 1});
  }
  if (c->error) return;
  flat = wr_compose_step(
      c, wr_ops_scatter(wr_compose_slot(c), WR_OP_ADD, flat, &at, 1, parts, &axis, 1, c->stream));
  grads[0] = wr_rule_reshape_like(r, flat, x);
}

struct wr_node *wr_jvp_as_strided(const struct wr_rule *r, struct wr_node *const *t) {
  const struct wr_as_strided_params *p = r->params;
  const int ndim = wr_node_ndim(r->y);
  if (r->c->error) return NULL;
  return wr_compose_step(
      r->c, wr_ops_as_strided(wr_compose_slot(r->c), t[0], wr_node_shape(r->y), ndim, p->strides,
                              ndim, (size_t)p->offset, r->c->stream));
}

/* Adds d along the diagonals: each axis of the input counts up with one of the result. */
void wr_vjp_diagonal(const struct wr_rule *r, struct wr_node *d, struct wr_node **grads) {
  const struct wr_diagonal_params *p = r->params;
  const int ndim = wr_node_ndim(r->y), n = wr_node_ndim(r->in[0]);
  struct wr_compose *c = r->c;
  struct wr_node *at[WR_MAX_NDIM];
  int axes[WR_MAX_NDIM];
  int32_t shape[2 * WR_MAX_NDIM];
  if (ndim + n > WR_MAX_NDIM) {
    wr_compose_fail(r->c,
                    "[diagonal] The gradient of an array with %d dimensions is not supported.", n);
    return;
  }
  for (int i = 0; i < n; i++) {
    const int with = p->axis[i].with;
    for (int k = 0; k < ndim; k++) shape[k] = k == with ? wr_node_shape(r->y)[k] : 1;
    const double first = p->axis[i].start;
    at[i] = wr_compose_count(c, first, first + wr_node_shape(r->y)[with], WR_INT64);
    at[i] = wr_compose_reshape(c, at[i], ndim, shape);
    axes[i] = i;
  }
  for (int k = 0; k < ndim + n; k++) shape[k] = k < ndim ? wr_node_shape(r->y)[k] : 1;
  for (int i = 0; i < n; i++) at[i] = wr_compose_broadcast(c, at[i], ndim, shape);
  struct wr_node *zeros = wr_rule_zeros(r, r->in[0]);
  d = wr_compose_reshape(c, d, ndim + n, shape);
  if (c->error) return;
  grads[0] = wr_compose_step(
      c, wr_ops_scatter(wr_compose_slot(c), WR_OP_ADD, zeros, at, n, d, axes, n, c->stream));
}

struct wr_node *wr_jvp_diagonal(const struct wr_rule *r, struct wr_node *const *t) {
  const struct wr_diagonal_params *p = r->params;
  int64_t strides[WR_MAX_NDIM] = {0};
  if (r->c->error) return NULL;
  for (int i = 0; i < wr_node_ndim(t[0]); i++) {
    strides[p->axis[i].with] += wr_node_strides(t[0])[i];
  }
  return wr_compose_step(r->c,
                         wr_ops_view_diagonal(wr_compose_slot(r->c), t[0], p, wr_node_ndim(r->y),
                                              wr_node_shape(r->y), strides, r->c->stream));
}

/* ---- copies ---- */

void wr_vjp_astype(const struct wr_rule *r, struct wr_node *d, struct wr_node **grads) {
  grads[0] = r->widens ? d : wr_compose_astype(r->c, d, wr_node_dtype(r->in[0]));
}

struct wr_node *wr_jvp_astype(const struct wr_rule *r, struct wr_node *const *t) {
  return wr_compose_astype(r->c, t[0], wr_node_dtype(r->y));
}

void wr_vjp_concatenate(const struct wr_rule *r, struct wr_node *d, struct wr_node **grads) {
  const int axis = ((const struct wr_axis_params *)r->params)->axis;
  int32_t at = 0;
  for (int k = 0; k < r->n_in; k++) {
    const int32_t extent = wr_node_shape(r->in[k])[axis];
    if (r->wanted[k]) grads[k] = wr_compose_slice_axis(r->c, d, axis, at, at + extent);
    at += extent;
  }
}

struct wr_node *wr_jvp_concatenate(const struct wr_rule *r, struct wr_node *const *t) {
  const int axis = ((const struct wr_axis_params *)r->params)->axis;
  size_t bytes = (size_t)r->n_in * sizeof(struct wr_node *);
  struct wr_node **all = wr_alloc(bytes);
  if (!all && !r->c->error) r->c->error = wr_error_out_of_memory();
  for (int k = 0; all && k < r->n_in; k++) all[k] = t[k] ? t[k] : wr_rule_zeros(r, r->in[k]);
  struct wr_node *y = NULL;
  if (!r->c->error) y = wr_compose_join(r->c, all, r->n_in, axis);
  wr_free(all);
  return y;
}
