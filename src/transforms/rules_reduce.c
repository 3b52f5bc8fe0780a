/* Rules of reductions, softmax and sorting. No locks. */

#include "transforms/rules.h"

static int axes_of(const struct wr_rule *r, int *axes) {
  const struct wr_reduce_params *p = r->params;
  int n = 0;
  for (int i = 0; i < wr_node_ndim(r->in[0]); i++) {
    if ((p->axes >> i & 1u) != 0) axes[n++] = i;
  }
  return n;
}

/* What has the result's elements, with the reduced axes as extents of 1. */
static struct wr_node *kept(const struct wr_rule *r, struct wr_node *a) {
  const struct wr_reduce_params *p = r->params;
  int32_t shape[WR_MAX_NDIM];
  const int ndim = wr_node_ndim(r->in[0]);
  for (int i = 0; i < ndim; i++) {
    shape[i] = (p->axes >> i & 1u) != 0 ? 1 : wr_node_shape(r->in[0])[i];
  }
  return wr_compose_reshape(r->c, a, ndim, shape);
}

static struct wr_node *spread(const struct wr_rule *r, struct wr_node *a) {
  struct wr_node *x = r->in[0];
  return wr_compose_broadcast(r->c, kept(r, a), wr_node_ndim(x), wr_node_shape(x));
}

static struct wr_node *summed(const struct wr_rule *r, struct wr_node *a) {
  int axes[WR_MAX_NDIM];
  const int n = axes_of(r, axes);
  return wr_rule_reshape_like(r, wr_compose_reduce(r->c, WR_OP_SUM, a, axes, n, true), r->y);
}

void wr_vjp_sum(const struct wr_rule *r, struct wr_node *d, struct wr_node **grads) {
  grads[0] = spread(r, d);
}

struct wr_node *wr_jvp_sum(const struct wr_rule *r, struct wr_node *const *t) {
  return summed(r, t[0]);
}

/* Equal ones share: 1 / their number where x is the result, 0 elsewhere. */
static struct wr_node *shares(const struct wr_rule *r) {
  struct wr_compose *c = r->c;
  int axes[WR_MAX_NDIM];
  const int n = axes_of(r, axes);
  struct wr_node *one = wr_compose_binary(c, WR_OP_EQUAL, r->in[0], kept(r, r->y));
  one = wr_compose_astype(c, one, wr_node_dtype(r->in[0]));
  struct wr_node *count = wr_compose_reduce(c, WR_OP_SUM, one, axes, n, true);
  return wr_compose_binary(c, WR_OP_DIVIDE, one, count);
}

void wr_vjp_extreme(const struct wr_rule *r, struct wr_node *d, struct wr_node **grads) {
  grads[0] = wr_rule_mul(r, shares(r), kept(r, d));
}

struct wr_node *wr_jvp_extreme(const struct wr_rule *r, struct wr_node *const *t) {
  return wr_rule_typed(r, summed(r, wr_rule_mul(r, shares(r), t[0])), t[0]);
}

/* ---- products ---- */

static struct wr_node *scan(const struct wr_rule *r, enum wr_op by, struct wr_node *a, int axis,
                            bool reverse, bool inclusive) {
  if (r->c->error) return NULL;
  struct wr_node **slot = wr_compose_slot(r->c);
  return wr_compose_step(r->c, wr_ops_scan(slot, by, a, axis, reverse, inclusive, r->c->stream));
}

/* Of each element the product of all others: of those before and of those behind it, along all
   reduced axes as one. */
static struct wr_node *others(const struct wr_rule *r) {
  const struct wr_reduce_params *p = r->params;
  struct wr_compose *c = r->c;
  struct wr_node *x = r->in[0];
  const int ndim = wr_node_ndim(x);
  int order[WR_MAX_NDIM], back[WR_MAX_NDIM], n = 0;
  int32_t moved[WR_MAX_NDIM], merged[2] = {1, 1};
  for (int pass = 0; pass < 2; pass++) {
    for (int i = 0; i < ndim; i++) {
      if ((int)(p->axes >> i & 1u) != pass) continue;
      merged[pass] *= wr_node_shape(x)[i];
      moved[n] = wr_node_shape(x)[i];
      back[i] = n;
      order[n++] = i;
    }
  }
  struct wr_node *rows = wr_compose_reshape(c, wr_compose_transpose(c, x, order), 2, merged);
  struct wr_node *all = wr_rule_mul(r, scan(r, WR_OP_MULTIPLY, rows, 1, false, false),
                                    scan(r, WR_OP_MULTIPLY, rows, 1, true, false));
  return wr_compose_transpose(c, wr_compose_reshape(c, all, ndim, moved), back);
}

void wr_vjp_prod(const struct wr_rule *r, struct wr_node *d, struct wr_node **grads) {
  grads[0] = wr_rule_mul(r, wr_rule_conj(r, others(r)), kept(r, d));
}

struct wr_node *wr_jvp_prod(const struct wr_rule *r, struct wr_node *const *t) {
  return summed(r, wr_rule_mul(r, others(r), t[0]));
}

/* ---- softmax ---- */

static struct wr_node *sum_last(const struct wr_rule *r, struct wr_node *a) {
  static const int axis = -1;
  return wr_compose_reduce(r->c, WR_OP_SUM, a, &axis, 1, true);
}

static struct wr_node *softmax_along(const struct wr_rule *r, struct wr_node *d) {
  struct wr_node *s = wr_rule_mul(r, r->y, d);
  return wr_compose_binary(r->c, WR_OP_SUBTRACT, s, wr_rule_mul(r, r->y, sum_last(r, s)));
}

void wr_vjp_softmax(const struct wr_rule *r, struct wr_node *d, struct wr_node **grads) {
  grads[0] = softmax_along(r, d);
}

struct wr_node *wr_jvp_softmax(const struct wr_rule *r, struct wr_node *const *t) {
  return softmax_along(r, t[0]);
}

static struct wr_node *weights(const struct wr_rule *r) {
  static const int axis = -1;
  if (r->c->error) return NULL;
  struct wr_node **slot = wr_compose_slot(r->c);
  return wr_compose_step(r->c, wr_ops_softmax(slot, r->in[0], &axis, 1, true, r->c->stream));
}

void wr_vjp_logsumexp(const struct wr_rule *r, struct wr_node *d, struct wr_node **grads) {
  struct wr_node *x = r->in[0];
  int32_t shape[WR_MAX_NDIM];
  const int ndim = wr_node_ndim(x);
  for (int i = 0; i < ndim; i++) shape[i] = i == ndim - 1 ? 1 : wr_node_shape(x)[i];
  grads[0] = wr_rule_mul(r, weights(r), wr_compose_reshape(r->c, d, ndim, shape));
}

struct wr_node *wr_jvp_logsumexp(const struct wr_rule *r, struct wr_node *const *t) {
  return wr_rule_reshape_like(r, sum_last(r, wr_rule_mul(r, weights(r), t[0])), r->y);
}

/* ---- sorting ---- */

static struct wr_node *take_along(const struct wr_rule *r, struct wr_node *a, struct wr_node *at,
                                  int axis) {
  if (r->c->error) return NULL;
  struct wr_node **slot = wr_compose_slot(r->c);
  return wr_compose_step(r->c, wr_ops_take_along_axis(slot, a, at, axis, r->c->stream));
}

static struct wr_node *put_along(const struct wr_rule *r, struct wr_node *a, struct wr_node *at,
                                 int axis) {
  struct wr_node *zeros = wr_rule_zeros(r, a);
  if (r->c->error) return NULL;
  struct wr_node **slot = wr_compose_slot(r->c);
  return wr_compose_step(r->c,
                         wr_ops_scatter_axis(slot, WR_OP_COPY, zeros, at, a, axis, r->c->stream));
}

static int sorted_axis(const struct wr_rule *r) {
  if (r->op == WR_OP_PARTITION) return ((const struct wr_partition_params *)r->params)->axis;
  return ((const struct wr_axis_params *)r->params)->axis;
}

/* The k-th smallest of x stands at places(x)[k], and in a partition of it at places(y)[k]. */
void wr_vjp_sort(const struct wr_rule *r, struct wr_node *d, struct wr_node **grads) {
  const int axis = sorted_axis(r);
  if (r->op == WR_OP_PARTITION) {
    d = take_along(r, d, wr_compose_sort(r->c, WR_OP_ARGSORT, r->y, axis), axis);
  }
  grads[0] = put_along(r, d, wr_compose_sort(r->c, WR_OP_ARGSORT, r->in[0], axis), axis);
}

struct wr_node *wr_jvp_sort(const struct wr_rule *r, struct wr_node *const *t) {
  const int axis = sorted_axis(r);
  struct wr_node *at = wr_compose_sort(r->c, WR_OP_ARGSORT, r->in[0], axis);
  struct wr_node *sorted = take_along(r, t[0], at, axis);
  if (r->op == WR_OP_SORT) return sorted;
  return put_along(r, sorted, wr_compose_sort(r->c, WR_OP_ARGSORT, r->y, axis), axis);
}
