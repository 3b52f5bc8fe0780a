/* Planning: a depth-first walk from the roots, which claims each lazy node by one compare-and-swap
   and appends it to the order after its inputs. The walk goes on only through nodes that it has
   claimed, whose edges no other thread reads. It is private to its thread, takes time linear in
   what it claims, and keeps a stack of its own on the heap, so that a graph of any depth does on a
   small thread stack (K13). In a request it looks again and again whether that has ended, and then
   gives back what it has claimed (R3). No lock; but in the child of a fork EVENT, for nodes that
   the parent's threads had claimed. */

#include <string.h>

#include "base/fork.h"
#include "base/lock.h"
#include "graph/internal.h"

bool wr_plan_ended_slow(struct wr_plan *plan) {
  plan->ended = plan->request && wr_request_ended(plan->request);
  return plan->ended;
}

/* Puts a claimed node, whose reference it takes, on the stack. False when memory is refused, or the
   request has ended: a walk looks as its stack becomes so many nodes deeper, and as so many more
   are in order, which costs nothing elsewhere. */
static bool push(struct wr_plan *plan, struct wr_node *node) {
  wr_store_relaxed(&node->walked_by, plan); /* relaxed: see note_claimed */
  if (wr_ptrs_push(&plan->stack, node)) return !wr_plan_ended(plan, plan->stack.count);
  if (plan->looked_at) {
    wr_withdraw(&node, 1, NULL);
  } else {
    wr_node_refuse(node, wr_error_out_of_memory());
  }
  return false;
}

/* By which a plan knows the nodes that its caller had claimed, until its walk comes to them. */
static void *mark_of(struct wr_plan *plan) { return &plan->stack; }

/* For a node that has been claimed already: remembers it if another planner has still to submit it,
   and its error if it has failed. False when memory is refused. */
static bool note_claimed(struct wr_plan *plan, struct wr_node *node) {
  enum wr_phase phase = wr_completion_phase(&node->completion);
  if (phase == WR_PHASE_FAILED && !plan->failed) plan->failed = wr_error_retain(node->error);
  if (phase != WR_PHASE_CLAIMED) return true;
  /* Relaxed: equal only if this thread wrote it. */
  const void *by = wr_load_relaxed(&node->walked_by);
  if (by == plan) return true;
  if (by == mark_of(plan)) return push(plan, node);
  if (!wr_ptrs_push(&plan->foreign, node)) return false;
  wr_node_retain(node);
  return true;
}

/* ---- what a fork has left behind (K11) ---- */

static struct wr_mutex lost_lock = WR_MUTEX_INIT(WR_RANK_EVENT);
WR_AT_FORK(.rank = WR_RANK_EVENT, .lock = &lost_lock)

/* True when the command may have overwritten its input before the fork. Elementwise commands may
   write over an input that nobody else reads (run.c). On the host none is inside such a command at
   the moment of a fork (stream/in_place.c). On a device one may be; the device cannot be used in
   the child, so nobody can find out what its memory holds. */
static bool written_in_place(const struct wr_node *node) {
  if (!node->buffer || wr_op_info(node->op)->view) return false;
  const struct wr_edges *edges = wr_edges_of(node);
  for (uint32_t i = 0; i < edges->n; i++) {
    if (edges->in[i]->buffer == node->buffer) return true;
  }
  return false;
}

/* Makes the node lazy again. It was not over when the process forked, so it has its edges, its own
   or a group's (struct wr_edges). Its waiters are threads of the parent's, and are dropped unread;
   a thread of this process adds one only after it has seen that this process claimed the node. A
   buffer that it had is released. The reference of the parent's plan is lost. */
static void take_back_locked(struct wr_node *node) {
  if (!wr_completion_lost(&node->completion)) return;
  wr_store_relaxed(&node->completion.waiters, NULL); /* relaxed, all: published by the state */
  wr_store_relaxed(&node->walked_by, NULL);
  wr_store_relaxed(&node->encoded, UINT64_C(0));
  node->next_edge = 0;
  node->error = NULL;
  enum wr_phase phase = WR_PHASE_LAZY;
  if (written_in_place(node)) {
    node->error = wr_error_new(WEIR_ERROR_STATE, "%s: was being computed when the process forked",
                               wr_node_op_name(node));
    phase = WR_PHASE_FAILED;
  } else {
    struct wr_buffer *buffer = node->buffer;
    node->buffer = NULL;
    wr_buffer_release(buffer);
  }
  /* Release: all of the above before somebody claims it, or reads the error. */
  wr_store_release(&node->completion.state, (uint64_t)phase);
}

static void take_back(struct wr_node *node) {
  wr_mutex_lock(&lost_lock);
  take_back_locked(node);
  wr_mutex_unlock(&lost_lock);
}

/* ---- the walk ---- */

static bool claim(struct wr_node *node, uint32_t owner) {
  if (wr_completion_claim(&node->completion, owner)) return true;
  if (!wr_completion_lost(&node->completion)) return false;
  take_back(node);
  return wr_completion_claim(&node->completion, owner);
}

/* Claims the node and puts it on the stack; false when memory is refused. What another request has
   claimed is shared with that, or was taken back meanwhile (completion.h). What is done stays so,
   and most inputs are: one look is enough for those. */
static bool enter(struct wr_plan *plan, struct wr_node *node) {
  if (wr_completion_phase(&node->completion) == WR_PHASE_DONE) return true;
  const uint32_t owner = plan->request ? wr_request_number(plan->request) : 0;
  while (!claim(node, owner)) {
    if (plan->looked_at) return true;
    if (wr_completion_share(&node->completion, owner)) return note_claimed(plan, node);
  }
  return push(plan, wr_node_retain(node));
}

static bool leave(struct wr_plan *plan, struct wr_node *node) {
  struct wr_node **order = (struct wr_node **)plan->order.items;
  if (plan->order.count && order[0]->stream != node->stream) plan->several_streams = true;
  if (!wr_ptrs_push(&plan->order, node)) return false;
  const struct wr_op_info *info = wr_op_info(node->op);
  plan->fusable += info->fusable || info->ends_group;
  plan->stack.count--;
  return !wr_plan_ended(plan, plan->order.count);
}

static bool walk(struct wr_plan *plan) {
  while (plan->stack.count) {
    struct wr_node *node = plan->stack.items[plan->stack.count - 1];
    const struct wr_edges *edges = wr_edges_of(node);
    bool more = node->next_edge < edges->n;
    if (!(more ? enter(plan, edges->in[node->next_edge++]) : leave(plan, node))) return false;
  }
  return true;
}

void wr_fail_nodes(struct wr_ptrs *nodes, struct wr_error *taken) {
  for (size_t i = 0; i < nodes->count; i++) {
    wr_node_refuse(nodes->items[i], wr_error_retain(taken));
  }
  nodes->count = 0;
  wr_error_release(taken);
}

void wr_release_nodes(struct wr_ptrs *nodes) {
  for (size_t i = 0; i < nodes->count; i++) wr_node_release(nodes->items[i]);
  wr_ptrs_free(nodes);
}

/* Of the stack each is an input of the one below it, so it is withdrawn the other way round. */
static void withdraw_stack(struct wr_plan *plan) {
  struct wr_node **nodes = (struct wr_node **)plan->stack.items;
  const size_t n = plan->stack.count;
  for (size_t i = 0; i < n / 2; i++) {
    struct wr_node *other = nodes[n - 1 - i];
    nodes[n - 1 - i] = nodes[i];
    nodes[i] = other;
  }
  plan->stack.count = 0;
  if (n) wr_withdraw(nodes, n, NULL);
}

/* Nothing is left in the plan then. */
static void withdraw_all(struct wr_plan *plan) {
  struct wr_node **nodes = (struct wr_node **)plan->order.items;
  if (plan->order.count) wr_withdraw(nodes, plan->order.count, NULL);
  wr_ptrs_free(&plan->order);
  wr_release_nodes(&plan->foreign);
}

/* The walk has not come to its end. */
static void stop(struct wr_plan *plan) {
  if (plan->looked_at || plan->ended) {
    withdraw_stack(plan);
  } else {
    wr_fail_nodes(&plan->stack, wr_error_out_of_memory());
  }
  if (plan->ended) return;
  plan->refused = true;
  if (!plan->failed) plan->failed = wr_error_out_of_memory();
}

static void claim_all(struct wr_plan *plan, struct wr_node *const *roots, size_t n) {
  void *room[16]; /* graphs of so small a depth need no memory for it */
  plan->stack = wr_ptrs_in(room, sizeof room / sizeof *room);
  for (size_t i = 0; i < n; i++) {
    if (enter(plan, roots[i]) && walk(plan)) continue;
    stop(plan);
    if (plan->ended) break;
  }
  wr_ptrs_free(&plan->stack);
}

static inline void finish(struct wr_plan *plan) {
  if (plan->fusable > 1 && !plan->refused && !plan->ended) wr_plan_fuse(plan);
  if (plan->ended) withdraw_all(plan);
  wr_audit_plan(plan);
}

/* All but `few`; copied, which takes a third of the time of clearing it. */
static const struct wr_plan fresh;

void wr_plan_make(struct wr_plan *plan, struct wr_node *const *roots, size_t n) {
  memcpy(plan, &fresh, offsetof(struct wr_plan, few));
  plan->request = wr_request_current();
  plan->order = wr_ptrs_in(plan->few, WR_PLAN_FEW);
  if (plan->request) plan->failures = wr_budget_failures(plan->request); /* before it looks */
  claim_all(plan, roots, n);
  finish(plan);
}

/* Of the caller's those to which the walk had not come as the request ended; says how many. */
static size_t put_rest_first(struct wr_plan *plan, struct wr_node **claimed, size_t n) {
  size_t rest = 0;
  for (size_t i = 0; i < n; i++) {
    struct wr_node *node = claimed[i];
    if (wr_load_relaxed(&node->walked_by) != mark_of(plan)) continue;
    claimed[i] = claimed[rest];
    claimed[rest++] = node;
  }
  return rest;
}

/* Where memory is refused, or the request ends, a node may be over, and gone, before the loop comes
   to it: so each has a reference more meanwhile. */
void wr_plan_make_anew(struct wr_plan *plan, const struct wr_plan *like, struct wr_node **claimed,
                       size_t n) {
  *plan = (struct wr_plan){0};
  if (like) {
    plan->request = like->request;
    plan->submission = like->submission;
    plan->failures = wr_budget_failures(like->request); /* before it looks */
  }
  for (size_t i = 0; i < n; i++) {
    wr_node_retain(claimed[i])->next_edge = 0;
    wr_store_relaxed(&claimed[i]->walked_by, mark_of(plan)); /* relaxed: see note_claimed */
  }
  for (size_t i = 0; i < n && !plan->ended; i++) {
    bool walked = wr_load_relaxed(&claimed[i]->walked_by) != mark_of(plan);
    if (!walked && (!push(plan, claimed[i]) || !walk(plan))) stop(plan);
  }
  const size_t rest = plan->ended ? put_rest_first(plan, claimed, n) : 0;
  for (size_t i = 0; i < n; i++) wr_node_release(claimed[i]);
  if (rest) wr_withdraw(claimed, rest, NULL);
  wr_ptrs_free(&plan->stack);
  finish(plan);
}

/* ---- plans that are looked at ---- */

/* Only a claimer reads edges, so who wants to see them claims the nodes, for a request that is as
   good as ended: what became of its claims is what becomes of any that stand in no queue when their
   request ends (take_back.c). Others that come upon one meanwhile share it, and wait until it is
   submitted; it is, then. tests/model/look.pml has it. */
void wr_plan_look(struct wr_plan *plan, struct wr_request *request, struct wr_node *const *roots,
                  size_t n) {
  *plan = (struct wr_plan){.request = request, .looked_at = true};
  claim_all(plan, roots, n);
}

void wr_plan_give_back(struct wr_plan *plan) {
  withdraw_all(plan);
  wr_error_release(plan->failed);
}

/* ---- plans that are kept ---- */

struct wr_error *wr_node_plan(struct wr_ptrs *order, struct wr_node *const *roots, size_t n,
                              bool fuse) {
  struct wr_plan plan = {.kept = true};
  claim_all(&plan, roots, n);
  if (!plan.refused && fuse) wr_plan_fuse(&plan);
  struct wr_error *error = plan.failed;
  if (error) {
    wr_release_nodes(&plan.order);
  } else {
    wr_audit_plan(&plan);
    *order = plan.order;
  }
  wr_release_nodes(&plan.foreign);
  return error;
}

struct wr_record wr_node_planned(const struct wr_node *node) {
  struct wr_edges *edges = wr_edges_of(node);
  return (struct wr_record){.n_in = (int)edges->n, .in = edges->in, .stream = node->stream};
}

const struct wr_group_step *wr_node_planned_steps(const struct wr_node *node, int *n) {
  struct wr_edges *edges = wr_edges_of(node);
  *n = (int)edges->n_steps;
  return *n ? wr_group_steps(edges) : NULL;
}
