/* Captures for other extents. Operands of elementwise operations are recorded after views that
   broadcast them to each other, whose shapes are those of one call; the operation itself makes such
   views when it is recorded again, so here they are left out, where it would make the same. Two
   walks along the steps. No locks. */

#include "ops/capture_internal.h"

#include "core/shape.h"

struct general {
  const struct wr_capture *c;
  bool *kept;     /* of each value: it is no view that is left out */
  uint32_t *same; /* of each value: what stands for it */
};

static bool is_operand_of(const struct wr_capture_step *step) {
  return wr_op_info(wr_node_op(step->like))->fusable && step->n_in > 1;
}

static uint32_t value_of(const struct general *g, uint32_t i) {
  return wr_capture_first_step(g->c) + i;
}

static const uint32_t *in_of(const struct general *g, const struct wr_capture_step *step) {
  return g->c->in + step->first_in;
}

/* Views that only elementwise operations of several inputs read. */
static void find_views(struct general *g) {
  const struct wr_capture *c = g->c;
  for (uint32_t i = 0; i < wr_capture_values(c); i++) g->kept[i] = true;
  for (uint32_t i = 0; i < c->n_steps; i++) {
    g->kept[value_of(g, i)] = wr_node_op(c->steps[i].like) != WR_OP_BROADCAST_TO;
  }
  for (uint32_t i = 0; i < c->n_out; i++) g->kept[c->out[i]] = true;
  for (uint32_t i = 0; i < c->n_steps; i++) {
    const struct wr_capture_step *step = &c->steps[i];
    for (uint32_t k = 0; k < step->n_in && !is_operand_of(step); k++) {
      g->kept[in_of(g, step)[k]] = true;
    }
  }
}

/* What an operand is without its view. */
static const struct wr_node *operand(const struct general *g, uint32_t value) {
  while (!g->kept[value]) {
    value = in_of(g, &g->c->steps[value - wr_capture_first_step(g->c)])[0];
  }
  return wr_capture_value(g->c, value);
}

/* Whether the operation has its shape without the views. */
static bool is_as_large(const struct general *g, const struct wr_capture_step *step) {
  int32_t shape[WR_MAX_NDIM];
  int ndim = 0;
  for (uint32_t k = 0; k < step->n_in; k++) {
    const struct wr_node *x = operand(g, in_of(g, step)[k]);
    int32_t both[WR_MAX_NDIM];
    int n;
    if (!wr_shape_broadcast(shape, ndim, wr_node_shape(x), wr_node_ndim(x), both, &n)) return false;
    for (int d = 0; d < n; d++) shape[d] = both[d];
    ndim = n;
  }
  return wr_shape_equal(shape, ndim, wr_node_shape(step->like), wr_node_ndim(step->like));
}

/* A view that makes a result larger was asked for. With it the others' check holds all the more. */
static void keep_larger(struct general *g) {
  for (uint32_t i = 0; i < g->c->n_steps; i++) {
    const struct wr_capture_step *step = &g->c->steps[i];
    if (!is_operand_of(step) || is_as_large(g, step)) continue;
    for (uint32_t k = 0; k < step->n_in; k++) g->kept[in_of(g, step)[k]] = true;
  }
}

static void stand_for(struct general *g) {
  for (uint32_t i = 0; i < wr_capture_values(g->c); i++) g->same[i] = i;
  for (uint32_t i = 0; i < g->c->n_steps; i++) {
    const uint32_t value = value_of(g, i);
    if (!g->kept[value]) g->same[value] = g->same[in_of(g, &g->c->steps[i])[0]];
  }
}

struct wr_error *wr_capture_generalize(struct wr_capture **out, struct wr_capture *c) {
  const size_t n = wr_capture_values(c) + (size_t)1;
  *out = NULL;
  struct general g = {.c = c, .kept = wr_alloc(n), .same = wr_alloc(n * sizeof *g.same)};
  struct wr_error *error = g.kept && g.same ? NULL : wr_error_out_of_memory();
  if (!error) {
    find_views(&g);
    keep_larger(&g);
    stand_for(&g);
    error = wr_capture_reduced(out, c, g.same);
  }
  wr_free(g.kept);
  wr_free(g.same);
  return error;
}
