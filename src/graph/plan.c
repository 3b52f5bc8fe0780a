/* Planning: a depth-first walk from the roots that claims each lazy node by one compare-and-swap
   and lists it after its inputs. Private to the caller, linear in what it claims, and on an
   explicit stack, so that a graph of any depth fits a small thread stack (K13). Only claimed nodes
   are entered: their edges are this planner's alone. No lock. */

#include "graph/internal.h"

/* A node that another planner was faster with: nothing to do here but to remember whether it still
   has to be submitted, and whether it has failed. */
static void note_claimed(struct wr_plan *plan, struct wr_node *node) {
  enum wr_phase phase = wr_completion_phase(&node->completion);
  if (phase == WR_PHASE_CLAIMED) {
    /* Relaxed: equal only if this thread wrote it. */
    if (wr_load_relaxed(&node->planner) != plan) plan->foreign = true;
  } else if (phase == WR_PHASE_FAILED && !plan->failed) {
    plan->failed = wr_error_retain(node->error);
  }
}

/* Claims the node and puts it on the stack; false when memory is refused. */
static bool enter(struct wr_plan *plan, struct wr_node *node) {
  if (!wr_completion_claim(&node->completion)) {
    note_claimed(plan, node);
    return true;
  }
  wr_store_relaxed(&node->planner, plan); /* relaxed: see note_claimed */
  wr_node_retain(node);
  if (wr_ptrs_push(&plan->stack, node)) return true;
  wr_node_finish(node, wr_error_out_of_memory());
  return false;
}

static bool leave(struct wr_plan *plan, struct wr_node *node) {
  struct wr_node **order = (struct wr_node **)plan->order.items;
  if (plan->order.count && order[0]->stream != node->stream) plan->several_streams = true;
  if (!wr_ptrs_push(&plan->order, node)) return false;
  plan->stack.count--;
  return true;
}

static bool walk(struct wr_plan *plan) {
  while (plan->stack.count) {
    struct wr_node *node = plan->stack.items[plan->stack.count - 1];
    bool ok = node->cursor < node->n_in ? enter(plan, node->in[node->cursor++]) : leave(plan, node);
    if (!ok) return false;
  }
  return true;
}

void wr_fail_nodes(struct wr_ptrs *nodes, struct wr_error *taken) {
  for (size_t i = 0; i < nodes->count; i++) {
    wr_node_finish(nodes->items[i], wr_error_retain(taken));
  }
  nodes->count = 0;
  wr_error_release(taken);
}

void wr_plan_make(struct wr_plan *plan, struct wr_node *const *roots, size_t n) {
  *plan = (struct wr_plan){0};
  bool ok = true;
  for (size_t i = 0; i < n && ok; i++) ok = enter(plan, roots[i]) && walk(plan);
  if (!ok) {
    wr_fail_nodes(&plan->stack, wr_error_out_of_memory());
    wr_fail_nodes(&plan->order, wr_error_out_of_memory());
  }
  wr_ptrs_free(&plan->stack);
}
