/* Rules of scans. Sums give sums. Products and logarithms of sums obey h_k = a_k h_(k-1) + b_k,
   which is solved by doubling the stride (Hillis and Steele 1986, of pairs a, b): no division, so
   that zeros are right, also in derivatives of the rule. Greatest and least belong to the last of
   equal ones. An exclusive scan is an inclusive one moved by one. No locks. */

#include "transforms/rules.h"

struct line {
  int axis;
  int32_t n;
  bool reverse; /* the first element is the last along the axis */
};

static struct line line_of(const struct wr_rule *r) {
  const struct wr_scan_params *p = r->params;
  return (struct line){p->axis, wr_node_shape(r->y)[p->axis], p->reverse};
}

/* Elements [from, to) in the line's order. */
static struct wr_node *part(const struct wr_rule *r, struct line l, struct wr_node *a, int32_t from,
                            int32_t to) {
  if (l.reverse) return wr_compose_slice_axis(r->c, a, l.axis, l.n - to, l.n - from);
  return wr_compose_slice_axis(r->c, a, l.axis, from, to);
}

static struct wr_node *join(const struct wr_rule *r, struct line l, struct wr_node *first,
                            struct wr_node *second) {
  struct wr_node *both[2] = {l.reverse ? second : first, l.reverse ? first : second};
  return wr_compose_join(r->c, both, 2, l.axis);
}

static struct wr_node *filled(const struct wr_rule *r, struct line l, struct wr_node *like,
                              double value) {
  int32_t shape[WR_MAX_NDIM];
  if (r->c->error) return NULL;
  for (int i = 0; i < wr_node_ndim(like); i++) shape[i] = wr_node_shape(like)[i];
  shape[l.axis] = 1;
  return wr_compose_broadcast(r->c, wr_compose_scalar(r->c, value, wr_node_dtype(like)),
                              wr_node_ndim(like), shape);
}

/* Moved one place on, with `value` in front; and one place back, with 0 behind. */
static struct wr_node *later(const struct wr_rule *r, struct line l, struct wr_node *a,
                             double value) {
  return join(r, l, filled(r, l, a, value), part(r, l, a, 0, l.n - 1));
}

static struct wr_node *sooner(const struct wr_rule *r, struct line l, struct wr_node *a) {
  return join(r, l, part(r, l, a, 1, l.n), filled(r, l, a, 0));
}

/* h_k = a_k h_(k-1) + b_k along the line, h_(-1) = 0. */
static struct wr_node *recurrence(const struct wr_rule *r, struct line l, struct wr_node *a,
                                  struct wr_node *b) {
  for (int64_t s = 1; s < l.n && !r->c->error; s *= 2) {
    const int32_t at = (int32_t)s;
    struct wr_node *more = wr_rule_mul(r, part(r, l, a, at, l.n), part(r, l, b, 0, l.n - at));
    struct wr_node *rest = wr_rule_add(r, part(r, l, b, at, l.n), more);
    b = join(r, l, part(r, l, b, 0, at), rest);
    if (2 * s >= l.n) break;
    rest = wr_rule_mul(r, part(r, l, a, at, l.n), part(r, l, a, 0, l.n - at));
    a = join(r, l, part(r, l, a, 0, at), rest);
  }
  return b;
}

static struct wr_node *scan(const struct wr_rule *r, enum wr_op by, struct wr_node *a,
                            struct line l, bool inclusive) {
  if (r->c->error) return NULL;
  struct wr_node **slot = wr_compose_slot(r->c);
  return wr_compose_step(r->c,
                         wr_ops_scan(slot, by, a, l.axis, l.reverse, inclusive, r->c->stream));
}

/* e^(a - b), and 0 where both are the logarithm of 0. */
static struct wr_node *ratio(const struct wr_rule *r, struct wr_node *a, struct wr_node *b) {
  struct wr_node *e =
      wr_compose_unary(r->c, WR_OP_EXP, wr_compose_binary(r->c, WR_OP_SUBTRACT, a, b));
  if (r->c->error) return NULL;
  struct wr_node *real =
      wr_node_dtype(b) == WR_COMPLEX64 ? wr_compose_unary(r->c, WR_OP_REAL, b) : b;
  struct wr_node *none = wr_compose_unary(r->c, WR_OP_ISNEGINF, real);
  return wr_rule_where(r, wr_compose_unary(r->c, WR_OP_LOGICAL_NOT, none), e);
}

/* Of the inclusive scan w: T_k = a_k T_(k-1) + f_k t_k is how tangents go. */
struct linear {
  struct wr_node *a, *f;
};

static struct linear linear_of(const struct wr_rule *r, struct line l, enum wr_op by) {
  struct wr_node *x = r->in[0];
  if (by == WR_OP_MULTIPLY) return (struct linear){x, scan(r, by, x, l, false)};
  struct wr_node *w = scan(r, by, x, l, true);
  return (struct linear){ratio(r, later(r, l, w, -__builtin_inf()), w), ratio(r, x, w)};
}

/* Where the element stands that w_k is, in the array's order; equal ones: the last in the line's.
 */
static struct wr_node *owner(const struct wr_rule *r, struct line l, enum wr_op by) {
  struct wr_compose *c = r->c;
  struct wr_node *x = r->in[0], *w = scan(r, by, x, l, true);
  int32_t shape[WR_MAX_NDIM];
  for (int i = 0; i < wr_node_ndim(x); i++) shape[i] = i == l.axis ? l.n : 1;
  struct wr_node *count = wr_compose_count(c, 0, l.n, WR_INT32);
  count = wr_compose_reshape(c, count, wr_node_ndim(x), shape);
  struct wr_node *own = wr_compose_binary(c, WR_OP_EQUAL_NAN, x, w);
  struct wr_node *filler = wr_compose_scalar(c, l.reverse ? l.n : -1, WR_INT32);
  struct wr_node *at = wr_compose_where(c, own, count, filler);
  return scan(r, l.reverse ? WR_OP_MINIMUM : WR_OP_MAXIMUM, at, l, true);
}

static bool is_extreme(enum wr_op by) { return by == WR_OP_MAXIMUM || by == WR_OP_MINIMUM; }

static struct line turned(struct line l) {
  l.reverse = !l.reverse;
  return l;
}

void wr_vjp_scan(const struct wr_rule *r, struct wr_node *d, struct wr_node **grads) {
  const struct wr_scan_params *p = r->params;
  const struct line l = line_of(r);
  struct wr_compose *c = r->c;
  if (wr_node_size(r->y) == 0) return;
  if (p->by == WR_OP_ADD) {
    grads[0] = scan(r, WR_OP_ADD, d, turned(l), p->inclusive);
    return;
  }
  if (!p->inclusive) d = sooner(r, l, d);
  if (is_extreme(p->by)) {
    struct wr_node *at = owner(r, l, p->by), *zeros = wr_rule_zeros(r, r->in[0]);
    if (c->error) return;
    grads[0] = wr_compose_step(
        c, wr_ops_scatter_axis(wr_compose_slot(c), WR_OP_ADD, zeros, at, d, l.axis, c->stream));
    return;
  }
  const struct linear how = linear_of(r, l, p->by);
  struct wr_node *a = wr_rule_conj(r, sooner(r, l, how.a));
  d = wr_rule_mul(r, wr_rule_conj(r, how.f), recurrence(r, turned(l), a, d));
  const bool whole = c->error || wr_dtype_is_integer(wr_node_dtype(d));
  grads[0] = whole ? wr_compose_astype(c, d, WR_FLOAT32) : d; /* as MLX has it */
}

struct wr_node *wr_jvp_scan(const struct wr_rule *r, struct wr_node *const *t) {
  const struct wr_scan_params *p = r->params;
  const struct line l = line_of(r);
  struct wr_compose *c = r->c;
  struct wr_node *y = NULL;
  if (p->by == WR_OP_ADD || wr_node_size(r->y) == 0) {
    return scan(r, WR_OP_ADD, t[0], l, p->inclusive);
  }
  if (is_extreme(p->by)) {
    struct wr_node *at = owner(r, l, p->by);
    if (c->error) return NULL;
    y = wr_compose_step(c, wr_ops_take_along_axis(wr_compose_slot(c), t[0], at, l.axis, c->stream));
  } else {
    const struct linear how = linear_of(r, l, p->by);
    y = recurrence(r, l, how.a, wr_rule_mul(r, how.f, t[0]));
  }
  return p->inclusive ? y : later(r, l, y, 0);
}
