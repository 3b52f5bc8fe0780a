/* For the torture build: checks what internal.h promises, around each forcing. It looks only at
   what its thread may read: a plan is its planner's alone until it is submitted, a node that runs
   is its drainer's, and of a node that is over only the value counts. Other threads change counts
   meanwhile, but never below what is known to refer to the node. No lock. */

#include "base/base.h"

#ifdef WR_TORTURE

#include "graph/internal.h"

static void demand(bool truth, const char *what) {
  if (!truth) wr_bug(__FILE__, __LINE__, what);
}

/* Above half of the range a count has been dropped once too often. */
static bool counted(const struct wr_node *node, uint32_t least) {
  uint32_t refs = wr_load_relaxed(&((struct wr_node *)node)->own.refs);
  return refs >= least && refs <= UINT32_MAX / 2;
}

static bool in_plan(const struct wr_plan *plan, struct wr_node *node) {
  return wr_load_relaxed(&node->walked_by) == plan &&
         wr_completion_phase(&node->completion) == WR_PHASE_CLAIMED;
}

/* ---- the plan, before it is submitted ---- */

static void audit_claimed(const struct wr_plan *plan, struct wr_node *node) {
  demand(in_plan(plan, node), "a planned node is not this plan's");
  demand(node->stream != NULL, "a planned node has no stream");
  demand(!node->buffer && !node->error, "a planned node has run already");
  demand(node->next_edge != WR_TAKEN_IN, "a planned node is part of another");
  demand(counted(node, 1), "a planned node has no reference");
}

/* What a plan had found in flight may have been taken back since, where its request has ended or
   something of it has failed; and claimed by the plan then, behind its reader (take_back.c). With
   the LOCK, since a failure is counted after nodes have become lazy. */
static bool is_given_up(const struct wr_plan *plan) {
  struct wr_request *r = plan->request;
  if (!r || wr_request_ended(r)) return r != NULL;
  wr_request_lock(r);
  const bool failed = wr_budget_failed_since(r, plan->failures);
  wr_request_close(r);
  return failed || wr_request_ended(r);
}

/* Inputs of the plan's stand before the node; others have been claimed, or are over. */
static void audit_edges(const struct wr_plan *plan, const struct wr_node *node, uint32_t position,
                        uint32_t *edges) {
  const struct wr_edges *all = wr_edges_of(node);
  for (uint32_t i = 0; i < all->n; i++) {
    struct wr_node *in = all->in[i];
    demand(in && counted(in, 1), "an input has no reference");
    demand(wr_completion_phase(&in->completion) != WR_PHASE_LAZY || is_given_up(plan),
           "an input is not claimed");
    if (!in_plan(plan, in)) continue;
    demand((in->position < position && plan->order.items[in->position] == in) || is_given_up(plan),
           "an input does not stand before its reader");
    edges[in->position]++;
  }
}

/* Each node is referred to by the plan and by the edges that were found. Skipped where there is no
   memory to count in. */
void wr_audit_plan(const struct wr_plan *plan) {
  size_t n = plan->order.count;
  uint32_t *edges = n ? wr_calloc(n * sizeof *edges) : NULL;
  if (!edges) return;
  for (size_t i = 0; i < n; i++) {
    struct wr_node *node = plan->order.items[i];
    audit_claimed(plan, node);
    node->position = (uint32_t)i;
  }
  for (size_t i = 0; i < n; i++) {
    audit_edges(plan, plan->order.items[i], (uint32_t)i, edges);
  }
  for (size_t i = 0; i < n; i++) {
    demand(counted(plan->order.items[i], 1 + edges[i]), "a node has fewer references than edges");
  }
  wr_free(edges);
}

/* ---- a node that comes to stand in a queue ---- */

/* Under the lock of its stream and, where it is a request's, the LOCK, or all its inputs are over
   (what begins at once): so nothing is taken back meanwhile, to be claimed later and submitted
   behind its reader. */
void wr_audit_submit(const struct wr_node *node) {
  const struct wr_edges *all = wr_edges_of(node);
  for (uint32_t i = 0; i < all->n; i++) {
    demand(wr_completion_phase(&all->in[i]->completion) >= WR_PHASE_SUBMITTED,
           "a node stands in a queue before its input");
  }
}

/* ---- a node that is about to run ---- */

void wr_audit_run(const struct wr_node *node) {
  demand(wr_completion_phase(&node->completion) == WR_PHASE_SUBMITTED, "a node runs twice");
  demand(counted(node, 1), "a node that runs has no reference");
  demand(!node->buffer && !node->error, "a node that runs has a result");
  const struct wr_edges *all = wr_edges_of(node);
  for (uint32_t i = 0; i < all->n; i++) {
    const struct wr_node *in = all->in[i];
    demand(in && counted(in, 1), "an input of a node that runs has no reference");
    demand(wr_completion_phase(&in->completion) >= WR_PHASE_SUBMITTED,
           "a node runs before its input stands in a queue");
  }
}

/* ---- what was forced ---- */

void wr_audit_forced(struct wr_node *const *nodes, size_t n) {
  for (size_t i = 0; i < n; i++) {
    const struct wr_node *node = nodes[i];
    enum wr_phase phase = wr_completion_phase(&node->completion);
    demand(counted(node, 1), "a forced node has no reference");
    demand(phase == WR_PHASE_DONE || phase == WR_PHASE_FAILED, "a forced node is not over");
    if (phase == WR_PHASE_FAILED) {
      demand(node->error != NULL, "a failed node has no error");
      continue;
    }
    demand(!node->error && node->buffer, "a node that is done has no value");
    demand(wr_load_relaxed(&node->buffer->refs) - 1u < UINT32_MAX / 2, "a value has no reference");
  }
}

#endif
