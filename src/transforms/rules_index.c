/* Rules of reading and writing by index. Indices are whole numbers: they get no cotangent. No
   locks. */

#include "transforms/rules.h"

static struct wr_node *scatter(const struct wr_rule *r, enum wr_op by, struct wr_node *a,
                               struct wr_node *const *at, int n, struct wr_node *updates,
                               const uint8_t *axes) {
  int list[WR_MAX_NDIM];
  if (r->c->error) return NULL;
  for (int i = 0; i < n; i++) list[i] = axes[i];
  struct wr_node **slot = wr_compose_slot(r->c);
  return wr_compose_step(r->c, wr_ops_scatter(slot, by, a, at, n, updates, list, n, r->c->stream));
}

/* d as updates: the index arrays' axes in front, then an extent for each axis of the input. */
static struct wr_node *as_updates(const struct wr_rule *r, struct wr_node *d) {
  const struct wr_gather_params *p = r->params;
  const int ndim = wr_node_ndim(r->in[0]);
  int32_t sizes[WR_MAX_NDIM], shape[2 * WR_MAX_NDIM];
  int order[WR_MAX_NDIM], n = 0;
  const int n_index = wr_gather_sizes(p, ndim, wr_node_ndim(r->y), wr_node_shape(r->y), sizes);
  int before = 0; /* axes of the result that stand in front of the indices' */
  uint32_t indexed = 0;
  for (int k = 0; k < p->n_axes; k++) indexed |= UINT32_C(1) << p->axes[k];
  for (int k = 0; k < p->before; k++) before += !(p->dropped && (indexed >> k & 1u) != 0);
  for (int i = 0; i < n_index; i++) order[n++] = before + i;
  for (int i = 0; i < wr_node_ndim(r->y); i++) {
    if (i < before || i >= before + n_index) order[n++] = i;
  }
  if (n_index + ndim > WR_MAX_NDIM) {
    return wr_compose_fail(r->c,
                           "[gather] The gradient of a gather of %d axes by %d is not supported.",
                           ndim, n_index);
  }
  for (int i = 0; i < n_index; i++) shape[i] = wr_node_shape(r->y)[before + i];
  for (int i = 0; i < ndim; i++) shape[n_index + i] = sizes[i];
  return wr_compose_reshape(r->c, wr_compose_transpose(r->c, d, order), n_index + ndim, shape);
}

void wr_vjp_gather(const struct wr_rule *r, struct wr_node *d, struct wr_node **grads) {
  const struct wr_gather_params *p = r->params;
  if (!r->wanted[0]) return;
  struct wr_node *updates = as_updates(r, d);
  grads[0] =
      scatter(r, WR_OP_ADD, wr_rule_zeros(r, r->in[0]), r->in + 1, p->n_axes, updates, p->axes);
}

/* The same on the tangent, with the same indices. */
static struct wr_node *again_on(const struct wr_rule *r, struct wr_node *t) {
  struct wr_node *in[2 + WR_MAX_NDIM];
  if (!t) return NULL;
  for (int k = 0; k < r->n_in; k++) in[k] = k == 0 ? t : r->in[k];
  return wr_rule_again(r, in);
}

struct wr_node *wr_jvp_gather(const struct wr_rule *r, struct wr_node *const *t) {
  return again_on(r, t[0]);
}

void wr_vjp_gather_axis(const struct wr_rule *r, struct wr_node *d, struct wr_node **grads) {
  const struct wr_axis_params *p = r->params;
  struct wr_node *zeros = wr_rule_zeros(r, r->in[0]);
  if (!r->wanted[0] || r->c->error) return;
  struct wr_node **slot = wr_compose_slot(r->c);
  grads[0] = wr_compose_step(
      r->c, wr_ops_scatter_axis(slot, WR_OP_ADD, zeros, r->in[1], d, p->axis, r->c->stream));
}

struct wr_node *wr_jvp_gather_axis(const struct wr_rule *r, struct wr_node *const *t) {
  return again_on(r, t[0]);
}

/* ---- scatter ---- */

/* What stands in `a` where the updates went, in their shape. */
static struct wr_node *at_updates(const struct wr_rule *r, struct wr_node *a) {
  const struct wr_scatter_params *p = r->params;
  const int ndim = wr_node_ndim(r->y), first = wr_node_ndim(r->in[1]) - ndim;
  int axes[WR_MAX_NDIM], sizes[WR_MAX_NDIM];
  if (r->c->error) return NULL;
  for (int i = 0; i < p->n_axes; i++) axes[i] = p->axes[i];
  for (int i = 0; i < ndim; i++) sizes[i] = wr_node_shape(r->in[1])[first + i];
  struct wr_node **slot = wr_compose_slot(r->c);
  return wr_compose_step(r->c, wr_ops_gather(slot, a, r->in + 2, p->n_axes, axes, p->n_axes, sizes,
                                             ndim, r->c->stream));
}

static struct wr_node *scattered(const struct wr_rule *r, enum wr_op by, struct wr_node *a,
                                 struct wr_node *updates) {
  const struct wr_scatter_params *p = r->params;
  return scatter(r, by, a, r->in + 2, p->n_axes, updates, p->axes);
}

static struct wr_node *equal(const struct wr_rule *r, struct wr_node *a, struct wr_node *b) {
  return wr_compose_binary(r->c, WR_OP_EQUAL, a, b);
}

static struct wr_node *from_source(const struct wr_rule *r, struct wr_node *d,
                                   struct wr_node *updates) {
  switch ((int)((const struct wr_scatter_params *)r->params)->by) {
    case WR_OP_COPY:
      return scattered(r, WR_OP_COPY, d, wr_rule_zeros(r, r->in[1]));
    case WR_OP_ADD:
      return d;
    case WR_OP_MULTIPLY:
      return scattered(r, WR_OP_MULTIPLY, d, updates);
    default:
      return wr_rule_where(r, equal(r, r->y, r->in[0]), d);
  }
}

/* An update that the source equals is not what stands there. */
static struct wr_node *from_update(const struct wr_rule *r, struct wr_node *d) {
  const enum wr_op by = ((const struct wr_scatter_params *)r->params)->by;
  if (by == WR_OP_COPY || by == WR_OP_ADD) return d;
  struct wr_node *mine = equal(r, at_updates(r, r->y), r->in[1]);
  struct wr_node *ours =
      wr_compose_binary(r->c, WR_OP_NOT_EQUAL, at_updates(r, r->in[0]), r->in[1]);
  return wr_rule_where(r, wr_compose_binary(r->c, WR_OP_LOGICAL_AND, mine, ours), d);
}

static bool is_product(const struct wr_rule *r) {
  return ((const struct wr_scatter_params *)r->params)->by == WR_OP_MULTIPLY;
}

void wr_vjp_scatter(const struct wr_rule *r, struct wr_node *d, struct wr_node **grads) {
  if (r->wanted[0]) grads[0] = from_source(r, d, wr_rule_conj(r, r->in[1]));
  if (!r->wanted[1]) return;
  if (is_product(r)) {
    wr_compose_fail(r->c, "[scatter] VJP not implemented for scatter_prod");
    return;
  }
  grads[1] = from_update(r, at_updates(r, d));
}

struct wr_node *wr_jvp_scatter(const struct wr_rule *r, struct wr_node *const *t) {
  struct wr_node *y = t[0] ? from_source(r, t[0], r->in[1]) : wr_rule_zeros(r, r->y);
  if (!t[1]) return y;
  if (is_product(r)) return wr_compose_fail(r->c, "[scatter] JVP not yet implemented");
  const struct wr_scatter_params *p = r->params;
  return scattered(r, p->by == WR_OP_COPY ? WR_OP_COPY : WR_OP_ADD, y, from_update(r, t[1]));
}
