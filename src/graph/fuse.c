/* Fusion: elementwise nodes of one shape and stream become one command, with a reduction over the
   last axes at the end of it, a softmax over the last, or neither. From the end of a plan's order,
   each such node in turn is the root of a group, which takes in what its nodes read for as long as
   it can; the root stays in the order and is what runs, the others leave it.

   Who may be taken in. A node whose references are the plan's own and the edges of nodes in the
   group, and no other: seen by its claimer. References only come from references, and these are all
   this thread's (edges are the claimer's, internal.h), so nobody else can reach the node any more:
   no handle, no edge of a node that is not in the group, no planner on another thread, no waiter
   (each keeps a reference to what it waits for). So nobody can ever ask for its value or phase, and
   it may vanish without one. A count that other threads are just lowering is read as higher than it
   is about to be; then the node is left alone, which is right as well.

   One store. All that a group changes in its root is which edges it has (struct wr_edges): the new
   ones are made beside the old, then one store switches the root over. The references go with it:
   of each input's uses in the group the first is the new edge, and the others are dropped, and the
   nodes taken in emptied, when nobody can come upon them any more. So the child of a fork, which
   may begin between any two of these steps, finds a root with its old edges or with its new ones,
   and each of them has its reference; what was not dropped yet is lost there.

   What stays as it was. The root's edges become the group's inputs, which stand earlier in the
   order or were claimed by others, exactly as the inputs of its nodes did: deferring, submitting,
   blocking and finishing see a node with those inputs, and know nothing of groups. Inputs are kept
   in the order in which a walk along the edges first meets them, so that of several inputs that
   have failed the same one's error comes out as without fusion (E1).

   Linear in the plan, since groups are bounded; explicit arrays, no recursion (K13). When memory is
   refused the nodes are not fused. No lock. */

#include <string.h>

#include "graph/internal.h"

/* Making a group costs as much as running a few commands on small arrays, so a plan with few of
   them runs as it is: measured, a group on 64 floats pays from six nodes on. */
enum { SMALL = 1024, FEW = 6 };

/* What the group's nodes read and is not among them. */
struct input {
  struct wr_node *node;
  uint32_t uses; /* edges from the group's nodes */
};

struct group {
  const struct wr_plan *plan;
  const struct wr_backend *backend;
  const struct wr_node *last; /* of the elementwise nodes: the root, or what it reads */
  uint32_t n_nodes;
  uint32_t n_in;
  struct wr_node *nodes[WR_GROUP_STEPS]; /* the root first; each before those that it reads */
  struct input in[WR_GROUP_INPUTS];
};

/* Claimed by this plan: the thread may read what the claimer alone may. A node that is a group
   already was claimed by the parent of this process, which was forked (plan.c), or recorded as one:
   it runs as it is. */
static bool is_ours(const struct wr_plan *plan, struct wr_node *node) {
  /* Relaxed: equal only if this thread wrote it. */
  return wr_load_relaxed(&node->walked_by) == plan &&
         wr_completion_phase(&node->completion) == WR_PHASE_CLAIMED && !wr_is_group(node);
}

/* Copies stay commands: those of views are transpositions, which have a way of their own through
   memory, and others are rare. */
static bool is_elementwise(const struct wr_node *node) {
  return wr_op_info(node->op)->fusable && node->op != WR_OP_COPY;
}

static bool is_supported(const struct group *g, const struct wr_node *node) {
  return g->backend->supports((enum wr_op)node->op, (enum wr_dtype)wr_edges_of(node)->in[0]->dtype);
}

/* All dense, so the extents say it all. */
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

/* True when the group has room for the node in the place of its input `i`. */
static bool has_room(const struct group *g, const struct wr_node *node) {
  uint32_t n = g->n_in - 1;
  const struct wr_edges *edges = wr_edges_of(node);
  for (uint32_t k = 0; k < edges->n; k++) n += input_index(g, edges->in[k]) == g->n_in;
  return n <= WR_GROUP_INPUTS && g->n_nodes < WR_GROUP_STEPS;
}

static bool may_join(const struct group *g, uint32_t i) {
  struct wr_node *node = g->in[i].node;
  return is_elementwise(node) && same_shape(node, g->last) && is_ours(g->plan, node) &&
         /* Acquire: the others' last reads happened before they dropped their references. */
         wr_load_acquire(&node->own.refs) == 1u + g->in[i].uses &&
         node->stream == g->nodes[0]->stream && has_room(g, node) && is_supported(g, node);
}

static void remove_input(struct group *g, uint32_t i) {
  g->n_in--;
  for (; i < g->n_in; i++) g->in[i] = g->in[i + 1];
}

static void insert_input(struct group *g, uint32_t at, struct input input) {
  for (uint32_t i = g->n_in++; i > at; i--) g->in[i] = g->in[i - 1];
  g->in[at] = input;
}

/* The inputs of a node that has been taken in come to stand at `at`, in their order; those that the
   walk meets earlier stay where they are. Returns the place behind them. */
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

/* The last input that can join goes first, so that the steps of one operand stand together and few
   values are alive at a time. One that could not join can only later if it gets another use, and
   then it has moved to the left. */
static void grow(struct group *g) {
  for (uint32_t i = g->n_in; i-- > 0;) {
    if (!may_join(g, i)) continue;
    struct wr_node *node = g->in[i].node;
    g->nodes[g->n_nodes++] = node;
    remove_input(g, i);
    i = add_inputs(g, node, i);
  }
}

/* The number of a node of the group's as a step: steps run from what is read to the root. */
static uint32_t step_of(const struct group *g, const struct wr_node *node) {
  uint32_t step = 0;
  while (g->nodes[g->n_nodes - 1 - step] != node) step++;
  return step;
}

/* The value's number, for the step that reads it. */
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

/* The group's edges, one for each input, with the reference of its first use; NULL: memory is
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

/* The nodes taken in keep the plan's reference alone. */
static void switch_root(const struct group *g, struct wr_edges *fused) {
  struct wr_node *root = g->nodes[0];
  wr_torture_point();
  /* Acq_rel: what was made comes before it, and what follows comes after it, to a fork as well. */
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
    node->taken_in = true;
    wr_store_relaxed(&node->own.refs, 1u); /* relaxed: nobody else can reach it */
  }
}

/* True when each result, or row of them, is made of elements that stand one after the other. */
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

/* False for most nodes that begin no group, before anything is set up. */
static bool may_begin(const struct wr_plan *plan, const struct wr_node *root) {
  const struct wr_edges *edges = wr_edges_of(root);
  if (wr_op_info(root->op)->ends_group) {
    const struct wr_node *in = edges->in[0];
    return is_elementwise(in) && in->size > 0 && pays(plan, in) && is_over_last_axes(root);
  }
  if (!is_elementwise(root) || !pays(plan, root)) return false;
  for (uint32_t k = 0; k < edges->n; k++) {
    const struct wr_node *in = edges->in[k];
    if (is_elementwise(in) && in->size == root->size) return true;
  }
  return false;
}

static void fuse_into(const struct wr_plan *plan, struct wr_node *root) {
  struct group g;
  g.plan = plan;
  g.backend = wr_stream_backend(root->stream);
  g.last = wr_op_info(root->op)->ends_group ? wr_edges_of(root)->in[0] : root;
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

/* From the end, so that a node comes after all that read it; what is kept is gathered there. */
void wr_plan_fuse(struct wr_plan *plan) {
  struct wr_node **order = (struct wr_node **)plan->order.items;
  size_t kept = plan->order.count;
  if (!wr_env_get()->fuse) return;
  for (size_t i = plan->order.count; i-- > 0;) {
    struct wr_node *node = order[i];
    if (node->taken_in) {
      wr_node_release(node);
      continue;
    }
    if (!wr_is_group(node) && may_begin(plan, node)) fuse_into(plan, node);
    order[--kept] = node;
  }
  plan->order.count -= kept;
  if (kept) memmove(order, order + kept, plan->order.count * sizeof *order);
}
