#ifndef WR_TRANSFORMS_RULES_H
#define WR_TRANSFORMS_RULES_H

/* The rules of operations: what a cotangent of the result means for the inputs, and what tangents
   of the inputs mean for the result. Complex derivatives are such that Re(conj(cotangent) tangent)
   is the same on both sides: reverse rules multiply by the conjugate of what forward rules multiply
   by. All nodes are made by steps of one composition, on the stream of the operation. */

#include "ops/steps.h"

struct wr_rule {
  struct wr_compose *c;
  enum wr_op op;
  struct wr_node *y;         /* the result */
  struct wr_node *const *in; /* its inputs */
  int n_in;
  const void *params;
  const bool *wanted; /* reverse: inputs that need a cotangent */
  bool widens;        /* reverse: a cast that is part of a sum or product (graph/trace.h) */
};

/* Gives grads[k], borrowed, for wanted inputs; what it leaves NULL is zero. */
typedef void wr_vjp_rule(const struct wr_rule *r, struct wr_node *d, struct wr_node **grads);
/* The result's tangent, NULL for zero; t[k] is NULL where input k has none, and some has one. */
typedef struct wr_node *wr_jvp_rule(const struct wr_rule *r, struct wr_node *const *t);

struct wr_rules {
  wr_vjp_rule *vjp;
  wr_jvp_rule *jvp; /* both NULL: the result does not change with the inputs */
};
extern const struct wr_rules wr_rules[WR_OP_COUNT];

#define WR_RULE(ID, name, vmap) \
  wr_vjp_rule wr_vjp_##name;    \
  wr_jvp_rule wr_jvp_##name;
#define WR_RULE_ZERO(ID, vmap)
#include "transforms/rules.def"
#undef WR_RULE
#undef WR_RULE_ZERO

/* ---- for rules ---- */

struct wr_node *wr_rule_add(const struct wr_rule *r, struct wr_node *a, struct wr_node *b);
struct wr_node *wr_rule_mul(const struct wr_rule *r, struct wr_node *a, struct wr_node *b);
/* a times a number, in a's type. */
struct wr_node *wr_rule_scale(const struct wr_rule *r, struct wr_node *a, double by);
/* The conjugate; of real numbers themselves. */
struct wr_node *wr_rule_conj(const struct wr_rule *r, struct wr_node *a);
/* The last two axes change places; of complex numbers the conjugate. */
struct wr_node *wr_rule_adjoint(const struct wr_rule *r, struct wr_node *a);
struct wr_node *wr_rule_zeros(const struct wr_rule *r, struct wr_node *like);
/* a where the condition holds, 0 elsewhere. */
struct wr_node *wr_rule_where(const struct wr_rule *r, struct wr_node *condition,
                              struct wr_node *a);
/* In the type of `like`. */
struct wr_node *wr_rule_typed(const struct wr_rule *r, struct wr_node *a, struct wr_node *like);
/* a + b, either of which may be NULL. */
struct wr_node *wr_rule_sum(const struct wr_rule *r, struct wr_node *a, struct wr_node *b);
/* The same operation on other inputs (ops/again.h). */
struct wr_node *wr_rule_again(const struct wr_rule *r, struct wr_node *const *in);
struct wr_node *wr_rule_reshape_like(const struct wr_rule *r, struct wr_node *a,
                                     struct wr_node *like);

#endif
