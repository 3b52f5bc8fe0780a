#ifndef WR_TRANSFORMS_BATCH_H
#define WR_TRANSFORMS_BATCH_H

/* The rules of vmap: an operation once for n calls. A mapped input has an axis of n in front of its
   own, others are the same for all calls; the result has that axis in front. */

#include "ops/again.h"
#include "ops/steps.h"

struct wr_batch {
  struct wr_compose *c;
  struct wr_record like; /* as it was recorded for one call, but for the inputs */
  const bool *mapped;    /* inputs; at least one is */
  int32_t n;
  struct wr_node **room; /* for the rule: as many as inputs, and two more */
};

typedef struct wr_node *wr_vmap_rule(const struct wr_batch *b);
extern wr_vmap_rule *const wr_vmap_rules[WR_OP_COUNT];

#define WR_RULE(ID, name, vmap) wr_vmap_rule wr_vmap_##vmap;
#define WR_RULE_ZERO(ID, vmap) wr_vmap_rule wr_vmap_##vmap;
#include "transforms/rules.def"
#undef WR_RULE
#undef WR_RULE_ZERO

/* ---- for rules; on an error they do nothing and give NULL ---- */

/* An input's extents in one call. */
static inline int wr_batch_ndim(const struct wr_batch *b, int k) {
  return wr_node_ndim(b->like.in[k]) - b->mapped[k];
}
static inline const int32_t *wr_batch_shape(const struct wr_batch *b, int k) {
  return wr_node_shape(b->like.in[k]) + b->mapped[k];
}
/* The input with the axis, also where it is the same for all. */
struct wr_node *wr_batch_full(const struct wr_batch *b, int k);
/* In the result's shape. */
struct wr_node *wr_batch_reshaped(const struct wr_batch *b, struct wr_node *a);
struct wr_node *wr_batch_moved(const struct wr_batch *b, struct wr_node *a, int from, int to);
/* The operation again on the first n_in nodes in the room, with the result's shape; and with one
   given. */
struct wr_node *wr_batch_again(const struct wr_batch *b, int n_in, const void *params,
                               size_t params_bytes);
struct wr_node *wr_batch_again_as(const struct wr_batch *b, int n_in, const void *params,
                                  size_t params_bytes, int ndim, const int32_t *shape);

#endif
