/* The steps of a composition. Each node that a step makes is owned by the composition until its
   end, so that a composite reads like its formula and has one way out. No locks. */

#include "base/base.h"
#include "ops/internal.h"

struct wr_node **wr_compose_slot(struct wr_compose *c) {
  WR_ASSERT(c->count < WR_COMPOSE_MAX);
  return &c->made[c->count];
}

struct wr_node *wr_compose_step(struct wr_compose *c, struct wr_error *error) {
  if (error) {
    c->error = error;
    return NULL;
  }
  return c->made[c->count++];
}

struct wr_node *wr_compose_unary(struct wr_compose *c, enum wr_op op, struct wr_node *a) {
  if (c->error) return NULL;
  return wr_compose_step(c, wr_ops_unary(wr_compose_slot(c), op, a, c->stream));
}

struct wr_node *wr_compose_binary(struct wr_compose *c, enum wr_op op, struct wr_node *a,
                                  struct wr_node *b) {
  if (c->error) return NULL;
  return wr_compose_step(c, wr_ops_binary(wr_compose_slot(c), op, a, b, c->stream));
}

struct wr_node *wr_compose_where(struct wr_compose *c, struct wr_node *condition, struct wr_node *x,
                                 struct wr_node *y) {
  if (c->error) return NULL;
  return wr_compose_step(c, wr_ops_where(wr_compose_slot(c), condition, x, y, c->stream));
}

struct wr_node *wr_compose_astype(struct wr_compose *c, struct wr_node *a, enum wr_dtype dtype) {
  if (c->error) return NULL;
  return wr_compose_step(c, wr_ops_astype(wr_compose_slot(c), a, dtype, c->stream));
}

struct wr_node *wr_compose_scalar(struct wr_compose *c, double value, enum wr_dtype dtype) {
  if (c->error) return NULL;
  return wr_compose_step(c, wr_ops_scalar(wr_compose_slot(c), value, dtype));
}

struct wr_node *wr_compose_reduce(struct wr_compose *c, enum wr_op op, struct wr_node *a,
                                  const int *axes, int n_axes, bool keepdims) {
  if (c->error) return NULL;
  return wr_compose_step(
      c, wr_ops_reduce(wr_compose_slot(c), op, a, axes, n_axes, keepdims, c->stream));
}

struct wr_node *wr_compose_broadcast(struct wr_compose *c, struct wr_node *a, int ndim,
                                     const int32_t *shape) {
  if (c->error) return NULL;
  return wr_compose_step(c, wr_ops_broadcast_to(wr_compose_slot(c), a, shape, ndim, c->stream));
}

struct wr_node *wr_compose_flatten(struct wr_compose *c, struct wr_node *a) {
  if (c->error) return NULL;
  return wr_compose_step(c, wr_ops_flatten(wr_compose_slot(c), a, 0, -1, c->stream));
}

struct wr_error *wr_compose_end(struct wr_compose *c, struct wr_node **out,
                                struct wr_node *result) {
  if (!c->error) *out = wr_node_retain(result);
  for (int i = c->count - 1; i >= 0; i--) wr_node_release(c->made[i]);
  return c->error;
}
