/* The table of rules, and what they have in common. No locks. */

#include "transforms/rules.h"

#include "ops/again.h"
#include "ops/primitive.h"

const struct wr_rules wr_rules[WR_OP_COUNT] = {
#define WR_RULE(ID, name, vmap) [WR_OP_##ID] = {wr_vjp_##name, wr_jvp_##name},
#define WR_RULE_ZERO(ID, vmap) [WR_OP_##ID] = {NULL, NULL},
#include "transforms/rules.def"
#undef WR_RULE
#undef WR_RULE_ZERO
};

enum {
  ROWS = 0
#define WR_RULE(ID, name, vmap) +1
#define WR_RULE_ZERO(ID, vmap) +1
#include "transforms/rules.def"
#undef WR_RULE
#undef WR_RULE_ZERO
};
_Static_assert((int)ROWS == (int)WR_OP_COUNT, "an operation has no row in transforms/rules.def");

struct wr_node *wr_rule_add(const struct wr_rule *r, struct wr_node *a, struct wr_node *b) {
  return wr_compose_binary(r->c, WR_OP_ADD, a, b);
}

struct wr_node *wr_rule_mul(const struct wr_rule *r, struct wr_node *a, struct wr_node *b) {
  return wr_compose_binary(r->c, WR_OP_MULTIPLY, a, b);
}

struct wr_node *wr_rule_scale(const struct wr_rule *r, struct wr_node *a, double by) {
  if (r->c->error || by == 1) return a;
  return wr_rule_mul(r, a, wr_compose_scalar(r->c, by, wr_node_dtype(a)));
}

struct wr_node *wr_rule_conj(const struct wr_rule *r, struct wr_node *a) {
  if (r->c->error || wr_node_dtype(a) != WR_COMPLEX64) return a;
  return wr_compose_unary(r->c, WR_OP_CONJUGATE, a);
}

struct wr_node *wr_rule_adjoint(const struct wr_rule *r, struct wr_node *a) {
  if (r->c->error) return NULL;
  struct wr_node **slot = wr_compose_slot(r->c);
  return wr_rule_conj(r, wr_compose_step(r->c, wr_ops_swapaxes(slot, a, -1, -2, r->c->stream)));
}

struct wr_node *wr_rule_zeros(const struct wr_rule *r, struct wr_node *like) {
  if (r->c->error) return NULL;
  return wr_compose_zeros(r->c, wr_node_ndim(like), wr_node_shape(like), wr_node_dtype(like));
}

struct wr_node *wr_rule_where(const struct wr_rule *r, struct wr_node *condition,
                              struct wr_node *a) {
  if (r->c->error) return NULL;
  return wr_compose_where(r->c, condition, a, wr_compose_scalar(r->c, 0, wr_node_dtype(a)));
}

struct wr_node *wr_rule_typed(const struct wr_rule *r, struct wr_node *a, struct wr_node *like) {
  if (r->c->error) return NULL;
  return wr_compose_astype(r->c, a, wr_node_dtype(like));
}

struct wr_node *wr_rule_sum(const struct wr_rule *r, struct wr_node *a, struct wr_node *b) {
  if (!a || !b) return a ? a : b;
  return wr_rule_add(r, a, b);
}

struct wr_node *wr_rule_again(const struct wr_rule *r, struct wr_node *const *in) {
  if (r->c->error) return NULL;
  const struct wr_record like = wr_ops_record_of(r->y, in, r->n_in, r->c->stream);
  return wr_compose_step(r->c, wr_ops_again(wr_compose_slot(r->c), &like));
}

struct wr_node *wr_rule_reshape_like(const struct wr_rule *r, struct wr_node *a,
                                     struct wr_node *like) {
  if (r->c->error) return NULL;
  return wr_compose_reshape(r->c, a, wr_node_ndim(like), wr_node_shape(like));
}

/* Of one of several results the operation that made all. */
static enum wr_op maker(const struct wr_rule *r) {
  const enum wr_op from = wr_node_op(r->in[0]);
  return r->op == WR_OP_PART || (r->op == WR_OP_VIEW && from == WR_OP_QUANTIZE) ? from : r->op;
}

static void fail_none(const struct wr_rule *r, const char *what) {
  const enum wr_op op = maker(r);
  const bool view = op == WR_OP_VIEW; /* says its type */
  wr_compose_fail(r->c, "[Primitive::%s] Not implemented for %s%s%s.", what,
                  wr_ops_primitive(op, NULL), view ? " " : "",
                  view ? wr_dtype_name(wr_node_dtype(r->y)) : "");
}

void wr_vjp_none(const struct wr_rule *r, struct wr_node *d, struct wr_node **grads) {
  (void)d;
  (void)grads;
  fail_none(r, "vjp");
}

struct wr_node *wr_jvp_none(const struct wr_rule *r, struct wr_node *const *t) {
  (void)t;
  fail_none(r, "jvp");
  return NULL;
}

void wr_vjp_linear(const struct wr_rule *r, struct wr_node *d, struct wr_node **grads) {
  (void)r;
  grads[0] = d;
}

struct wr_node *wr_jvp_linear(const struct wr_rule *r, struct wr_node *const *t) {
  return wr_rule_again(r, t);
}
