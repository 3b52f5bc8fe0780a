/* Fusion. Elementwise nodes of one shape and stream become a group, which runs as one command; a
   reduction over the last axes, or a softmax over the last one, may be the group's last step, and
   some backends draw random bits in it. The
   walk goes over a plan's order from its end. Each node that may be the last step becomes the root
   of a group, which takes in nodes that its nodes read for as long as it can. The root stays in the
   order and is what runs; the nodes taken in leave the order.

   Which nodes may be taken in. A node of which the plan has one reference, nodes of the group have
   the others as edges, and nobody else has any. A new reference is always copied from an existing
   one. All existing ones are this thread's, since edges are read by the claimer alone (internal.h).
   So no other thread can come to the node any more: there is no handle, no edge of another node, no
   other planner that has met it, and no waiter, which would hold a reference. Nobody can ever ask
   for its value or phase, so it needs neither. Other threads may be dropping references while the
   count is read; then it is read as too high, and the node is left out, which is always right.

   One store. A group changes nothing in its root but the edges (struct wr_edges): new ones are made
   beside the old ones, then one store replaces these. Where an input is used several times in the
   group, the first use's reference becomes the new edge's; the other references are dropped, and
   the edges of the nodes taken in are cleared, after that store, when nobody can meet them any
   more. A fork may come between any two of these steps: its child finds the root with its old edges
   or with its new ones, each with its reference; references that were not dropped yet are lost
   there.

   What the rest of the library sees. A root is a node whose edges are the group's inputs. These
   stand earlier in the order, or were claimed by others, as the inputs of the single nodes did, so
   submitting, blocking and finishing need not know of groups. Inputs stand in the order in which a
   walk along the edges first meets them; so if several have failed, the error is the one that would
   come out without fusion (E1).

   The time is linear in the plan, since groups are bounded; there is no recursion (K13). When
   memory is refused the nodes are not fused, nor are those that are left when the plan's request
   ends (R3). No lock. */

#include <string.h>

#include "graph/internal.h"

/* Making a group costs as much as a few commands on small arrays. As measured, a group on arrays of
   64 floats pays from FEW nodes on; so in a plan with fewer, arrays below SMALL elements are not
   fused.
 */
enum { SMALL = 1024, FEW = 6 };

/* A node that nodes of the group read, and that is not in the group. */
struct input {
  struct wr_node *node;
  uint32_t uses; /* edges from the group's nodes */
};

struct group {
  const struct wr_plan *plan;
  const struct wr_backend *backend;
  const struct wr_node *last; /* of the elementwise nodes: the root, or what it reads */
  uint32_t most_nodes;
  uint32_t n_nodes;
  uint32_t n_in;
  struct wr_node *nodes[WR_GROUP_LONG]; /* the root first; each before those that it reads */
  struct input in[WR_GROUP_INPUTS];
};

/* True for a node that this plan has claimed, so that this thread may read its edges. A node that
   is a group already, from before a fork (plan.c) or recorded as one, runs as it is. */
static bool is_ours(const struct wr_plan *plan, struct wr_node *node) {
  /* Relaxed: equal only if this thread wrote it. */
  return wr_load_relaxed(&node->walked_by) == plan &&
         wr_completion_phase(&node->completion) == WR_PHASE_CLAIMED && !wr_is_group(node);
}

/* Copies are not fused: those of views are mostly transpositions, for which the copy kernel has a
   better order than a walk over the result; others are rare. */
static bool is_elementwise(const struct wr_node *node) {
  return wr_op_info(node->op)->fusable && node->op != WR_OP_COPY;
}

static bool is_supported(const struct group *g, const struct wr_node *node) {
  return g->backend->supports((enum wr_op)node->op, (enum wr_dtype)wr_edges_of(node)->in[0]->dtype);
}

/* Results are dense, so equal extents mean equal layouts. */
static bool same_shape(const struct wr_node *a, const struct wr_node *b) {
  if (a->size != b->size || a->ndim != b->ndim) return false;
  for (int d = 0; d < a->ndim; d++) {
    if (a->shape[d] != b->shape[d]) return false;
  }
  return true;
}

static uint32_t input_index(const struct group *g, const struct wr_node *node) {
  uint32_t i = 0;
  while (i < g->n_in && g->in[i].node != node) i++;
  return i;
}

/* True when the group stays within its bounds if the node is taken in: then it is no input any
   more, and its own inputs are. */
static bool stays_bounded(const struct group *g, const struct wr_node *node) {
  uint32_t n = g->n_in - 1;
  const struct wr_edges *edges = wr_edges_of(node);
  for (uint32_t k = 0; k < edges->n; k++) n += input_index(g, edges->in[k]) == g->n_in;
  return n <= WR_GROUP_INPUTS && g->n_nodes < g->most_nodes;
}

/* Random bits that the group can draw (backend.h). More than two of them, so that nothing else in
   the group has the key's shape: then nothing takes the key in, and no other kind of step reads
   it. */
static bool is_draw(const struct group *g, const struct wr_node *node) {
  if (node->op != WR_OP_RANDOM_BITS || node->dtype != WR_UINT32) return false;
  const struct wr_node *key = wr_edges_of(node)->in[0];
  return g->backend->draws && g->last == g->nodes[0] && node->size > 2 && key->ndim == 1 &&
         wr_is_dense(key);
}

static bool may_join(const struct group *g, uint32_t i) {
  struct wr_node *node = g->in[i].node;
  if (!same_shape(node, g->last) || !is_ours(g->plan, node)) return false;
  return (is_draw(g, node) || (is_elementwise(node) && is_supported(g, node))) &&
         /* Acquire: the others' last reads happened before they dropped their references. */
         wr_load_acquire(&node->own.refs) == 1u + g->in[i].uses &&
         node->stream == g->nodes[0]->stream && stays_bounded(g, node);
}

static void remove_input(struct group *g, uint32_t i) {
  g->n_in--;
  for (; i < g->n_in; i++) g->in[i] = g->in[i + 1];
}

static void insert_input(struct group *g, uint32_t at, struct input input) {
  for (uint32_t i = g->n_in++; i > at; i--) g->in[i] = g->in[i - 1];
  g->in[at] = input;
}

/* Puts the inputs of a node that has been taken in at the place `at`, in their order. One that
   stands further to the left already stays there; one that stands to the right moves. Returns the
   place behind them. */
static uint32_t add_inputs(struct group *g, const struct wr_node *node, uint32_t at) {
  const struct wr_edges *edges = wr_edges_of(node);
  for (uint32_t k = 0; k < edges->n; k++) {
    struct input input = {.node = edges->in[k], .uses = 1};
    uint32_t i = input_index(g, input.node);
    if (i < at) {
      g->in[i].uses++;
      continue;
    }
    if (i < g->n_in) {
      input.uses += g->in[i].uses;
      remove_input(g, i);
    }
    insert_input(g, at++, input);
  }
  return at;
}

/* Takes in the rightmost input that may join, again and again: so the steps that make one operand
   stand together, and few values are alive at a time. One pass from right to left is enough: an
   input that could not join may only become able to when it gets another use, and then it has moved
   to the left. */
static void grow(struct group *g) {
  for (uint32_t i = g->n_in; i-- > 0;) {
    if (!may_join(g, i)) continue;
    struct wr_node *node = g->in[i].node;
    g->nodes[g->n_nodes++] = node;
    remove_input(g, i);
    i = add_inputs(g, node, i);
  }
}

/* The number of the step that computes the group's node. Steps are in the reverse order of `nodes`,
   so that each comes after those that it reads, and the root's is the last. */
static uint32_t step_of(const struct group *g, const struct wr_node *node) {
  uint32_t step = 0;
  while (g->nodes[g->n_nodes - 1 - step] != node) step++;
  return step;
}

/* The number by which a step reads the node's value: inputs come first, then the steps. */
static uint8_t value_of(const struct group *g, const struct wr_node *node) {
  uint32_t i = input_index(g, node);
  return (uint8_t)(i < g->n_in ? i : g->n_in + step_of(g, node));
}

static void write_steps(const struct group *g, struct wr_edges *fused) {
  struct wr_group_step *steps = wr_group_steps(fused);
  for (uint32_t s = 0; s < g->n_nodes; s++) {
    const struct wr_node *node = g->nodes[g->n_nodes - 1 - s];
    const struct wr_edges *edges = wr_edges_of(node);
    steps[s] =
        (struct wr_group_step){.op = node->op, .dtype = node->dtype, .n_in = (uint8_t)edges->n};
    for (uint32_t k = 0; k < edges->n; k++) steps[s].in[k] = value_of(g, edges->in[k]);
  }
}

/* The group's edges, one for each input, whose reference is that of its first use. NULL: memory is
   refused. */
static struct wr_edges *make_edges(const struct group *g) {
  struct wr_edges *fused = wr_alloc(sizeof *fused + g->n_in * sizeof fused->in[0] +
                                    g->n_nodes * sizeof(struct wr_group_step));
  if (!fused) return NULL;
  *fused = (struct wr_edges){.n = g->n_in, .n_steps = g->n_nodes};
  for (uint32_t i = 0; i < g->n_in; i++) fused->in[i] = g->in[i].node;
  write_steps(g, fused);
  return fused;
}

/* Gives the root its new edges. Of the nodes taken in only the plan's references are left. */
static void switch_root(const struct group *g, struct wr_edges *fused) {
  struct wr_node *root = g->nodes[0];
  wr_torture_point();
  /* Acq_rel: `fused` is written before it and references are dropped after it, also as the child of
     a fork sees it. */
  (void)wr_exchange_acq_rel(&root->edges, fused);
  wr_torture_point();
  for (uint32_t i = 0; i < g->n_in; i++) {
    for (uint32_t k = 1; k < g->in[i].uses; k++) wr_node_release(g->in[i].node);
  }
  wr_own_edges(root)->n = 0;
  for (uint32_t i = 1; i < g->n_nodes; i++) {
    struct wr_node *node = g->nodes[i];
    wr_torture_point();
    wr_own_edges(node)->n = 0;
    node->next_edge = WR_TAKEN_IN;
    wr_store_relaxed(&node->own.refs, 1u); /* relaxed: nobody else can reach it */
  }
}

/* True when the operation goes over the last axes: the elements that make one result, or one row of
   results, follow each other. */
static bool is_over_last_axes(const struct wr_node *root) {
  if (wr_op_info(root->op)->ends_group == WR_ENDS_ROWS) return true;
  const struct wr_reduce_params *params = root->params;
  const int ndim = wr_edges_of(root)->in[0]->ndim;
  uint64_t beyond = (uint64_t)params->axes + (params->axes & -params->axes);
  return params->axes && beyond == UINT64_C(1) << ndim;
}

static bool pays(const struct wr_plan *plan, const struct wr_node *node) {
  return plan->kept || node->size >= SMALL || plan->fusable >= FEW;
}

/* A quick look, before anything is set up: false for most nodes that will be the root of no group.
 */
static bool may_begin(const struct wr_plan *plan, const struct wr_node *root) {
  const struct wr_edges *edges = wr_edges_of(root);
  if (wr_op_info(root->op)->ends_group) {
    const struct wr_node *in = edges->in[0];
    return is_elementwise(in) && in->size > 0 && pays(plan, in) && is_over_last_axes(root);
  }
  if (!is_elementwise(root) || !pays(plan, root)) return false;
  for (uint32_t k = 0; k < edges->n; k++) {
    const struct wr_node *in = edges->in[k];
    const bool may_join = is_elementwise(in) || in->op == WR_OP_RANDOM_BITS;
    if (may_join && in->size == root->size) return true;
  }
  return false;
}

static void fuse_into(const struct wr_plan *plan, struct wr_node *root) {
  struct group g;
  g.plan = plan;
  g.backend = wr_stream_backend(root->stream);
  g.last = wr_op_info(root->op)->ends_group ? wr_edges_of(root)->in[0] : root;
  g.most_nodes = plan->kept && g.backend->long_groups ? WR_GROUP_LONG : WR_GROUP_STEPS;
  g.n_in = 0;
  g.n_nodes = 1;
  g.nodes[0] = root;
  if (!g.backend->encode_group || !is_supported(&g, root)) return;
  add_inputs(&g, root, 0);
  grow(&g);
  if (g.n_nodes < 2) return;
  struct wr_edges *fused = make_edges(&g);
  if (fused) switch_root(&g, fused);
}

/* From the end, so that the nodes that read a node are looked at before it. Those that stay in the
   order are gathered at its end, then moved to its beginning. */
void wr_plan_fuse(struct wr_plan *plan) {
  struct wr_node **order = (struct wr_node **)plan->order.items;
  size_t kept = plan->order.count;
  if (!wr_env_get()->fuse) return;
  for (size_t i = plan->order.count; i-- > 0;) {
    struct wr_node *node = order[i];
    if (node->next_edge == WR_TAKEN_IN) {
      wr_node_release(node);
      continue;
    }
    if (!plan->ended && !wr_plan_ended(plan, i) && !wr_is_group(node) && may_begin(plan, node)) {
      fuse_into(plan, node);
    }
    order[--kept] = node;
  }
  plan->order.count -= kept;
  if (kept) memmove(order, order + kept, plan->order.count * sizeof *order);
}
