/* Rules of linear algebra, of real matrices. What reads one triangle of its input is a function of
   that triangle, and gives no cotangent to the other. Sources: M. Giles, An extended collection of
   matrix derivative results for forward and reverse mode algorithmic differentiation, 2008; I.
   Murray, Differentiation of the Cholesky decomposition, 2016. No locks. */

#include "transforms/rules.h"

static struct wr_node *by(const struct wr_rule *r, struct wr_node *a, struct wr_node *b) {
  return wr_compose_matmul(r->c, a, b);
}

static struct wr_node *minus(const struct wr_rule *r, struct wr_node *a) {
  return wr_compose_unary(r->c, WR_OP_NEGATIVE, a);
}

/* The triangle from diagonal k on, to the right or to the left; 0 elsewhere. */
static struct wr_node *triangle(const struct wr_rule *r, struct wr_node *a, bool upper, int k) {
  if (r->c->error) return NULL;
  struct wr_node **slot = wr_compose_slot(r->c);
  return wr_compose_step(
      r->c, upper ? wr_ops_triu(slot, a, k, r->c->stream) : wr_ops_tril(slot, a, k, r->c->stream));
}

static bool is_upper(const struct wr_rule *r) {
  return ((const struct wr_triangle_params *)r->params)->upper;
}

/* ---- inverses: d(1/a) = -1/a da 1/a ---- */

static struct wr_node *back_inv(const struct wr_rule *r, struct wr_node *d) {
  struct wr_node *y = wr_rule_adjoint(r, r->y);
  return minus(r, by(r, y, by(r, wr_rule_typed(r, d, r->y), y)));
}

static struct wr_node *on_inv(const struct wr_rule *r, struct wr_node *t) {
  return minus(r, by(r, r->y, by(r, wr_rule_typed(r, t, r->y), r->y)));
}

void wr_vjp_inv(const struct wr_rule *r, struct wr_node *d, struct wr_node **grads) {
  grads[0] = back_inv(r, d);
}

struct wr_node *wr_jvp_inv(const struct wr_rule *r, struct wr_node *const *t) {
  return on_inv(r, t[0]);
}

void wr_vjp_tri_inv(const struct wr_rule *r, struct wr_node *d, struct wr_node **grads) {
  grads[0] = triangle(r, back_inv(r, d), is_upper(r), 0);
}

struct wr_node *wr_jvp_tri_inv(const struct wr_rule *r, struct wr_node *const *t) {
  return on_inv(r, triangle(r, t[0], is_upper(r), 0));
}

/* ---- Cholesky: a = l l^T, dl = l half(1/l da 1/l^T) ---- */

/* The lower triangle with half the diagonal, which is its own adjoint. */
static struct wr_node *half(const struct wr_rule *r, struct wr_node *a) {
  struct wr_node *both = wr_rule_add(r, triangle(r, a, false, 0), triangle(r, a, false, -1));
  return wr_rule_scale(r, both, 0.5);
}

/* The lower factor, and its inverse. */
struct factor {
  struct wr_node *l, *inverse;
};

static struct factor factor_of(const struct wr_rule *r) {
  struct factor f = {.l = is_upper(r) ? wr_rule_adjoint(r, r->y) : r->y};
  if (r->c->error) return f;
  f.inverse =
      wr_compose_step(r->c, wr_ops_tri_inv(wr_compose_slot(r->c), f.l, false, r->c->stream));
  return f;
}

/* From the factor's to the lower triangle, which stands for the upper one as well. */
static struct wr_node *back_lower(const struct wr_rule *r, struct wr_node *d) {
  const struct factor f = factor_of(r);
  struct wr_node *s = by(r, half(r, by(r, wr_rule_adjoint(r, f.l), d)), f.inverse);
  s = by(r, wr_rule_adjoint(r, f.inverse), s);
  return wr_rule_add(r, triangle(r, s, false, 0), triangle(r, wr_rule_adjoint(r, s), false, -1));
}

static struct wr_node *on_lower(const struct wr_rule *r, struct wr_node *t) {
  const struct factor f = factor_of(r);
  t = wr_rule_add(r, triangle(r, t, false, 0), wr_rule_adjoint(r, triangle(r, t, false, -1)));
  t = by(r, f.inverse, by(r, t, wr_rule_adjoint(r, f.inverse)));
  return by(r, f.l, half(r, t));
}

void wr_vjp_cholesky(const struct wr_rule *r, struct wr_node *d, struct wr_node **grads) {
  d = wr_rule_typed(r, d, r->y);
  grads[0] =
      is_upper(r) ? wr_rule_adjoint(r, back_lower(r, wr_rule_adjoint(r, d))) : back_lower(r, d);
}

struct wr_node *wr_jvp_cholesky(const struct wr_rule *r, struct wr_node *const *t) {
  struct wr_node *typed = wr_rule_typed(r, t[0], r->y);
  return is_upper(r) ? wr_rule_adjoint(r, on_lower(r, wr_rule_adjoint(r, typed)))
                     : on_lower(r, typed);
}

/* ---- solving: a x = b, a dx = db - da x ---- */

static bool is_triangular(const struct wr_rule *r) { return r->op == WR_OP_SOLVE_TRIANGULAR; }

/* The solution for another right side, of the matrix or its transpose. */
static struct wr_node *solved(const struct wr_rule *r, bool transposed, struct wr_node *b) {
  struct wr_compose *c = r->c;
  struct wr_node *a = transposed ? wr_rule_adjoint(r, r->in[0]) : r->in[0];
  if (c->error) return NULL;
  struct wr_node **slot = wr_compose_slot(c);
  if (!is_triangular(r)) return wr_compose_step(c, wr_ops_solve(slot, a, b, c->stream));
  return wr_compose_step(c,
                         wr_ops_solve_triangular(slot, a, b, is_upper(r) != transposed, c->stream));
}

/* What counts of a matrix like the first input. */
static struct wr_node *counted(const struct wr_rule *r, struct wr_node *a) {
  return is_triangular(r) ? triangle(r, a, is_upper(r), 0) : a;
}

void wr_vjp_solve(const struct wr_rule *r, struct wr_node *d, struct wr_node **grads) {
  struct wr_node *e = solved(r, true, wr_rule_typed(r, d, r->y));
  if (r->wanted[0]) grads[0] = counted(r, minus(r, by(r, e, wr_rule_adjoint(r, r->y))));
  if (r->wanted[1]) grads[1] = e;
}

struct wr_node *wr_jvp_solve(const struct wr_rule *r, struct wr_node *const *t) {
  struct wr_node *b = t[1] ? wr_rule_typed(r, t[1], r->y) : NULL;
  if (t[0]) {
    struct wr_node *moved = by(r, counted(r, wr_rule_typed(r, t[0], r->y)), r->y);
    b = wr_rule_sum(r, b, minus(r, moved));
  }
  return solved(r, false, b);
}
