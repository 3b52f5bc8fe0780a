/* Histories: of a root that stands in the thread's log, what of the log leads there; of any other
   what a plan claims, and gives back. No lock. */

#include "graph/history.h"

#include "base/grow.h"
#include "base/lock.h"
#include "graph/internal.h"
#include "graph/trace.h"

static bool reserve(struct wr_history *h) {
  return wr_grow(&h->steps, &h->room, h->count + 1, 64, sizeof *h->steps);
}

static bool add(struct wr_history *h, struct wr_node *node, bool given, struct wr_node *const *in,
                size_t n) {
  size_t total;
  if (!wr_add_size(h->in.count, n, &total) || !wr_ptrs_reserve(&h->in, total) || !reserve(h)) {
    return false;
  }
  h->steps[h->count++] = (struct wr_history_step){
      .node = wr_node_retain(node), .first_in = h->in.count, .n_in = (uint32_t)n, .given = given};
  for (size_t i = 0; i < n; i++) h->in.items[h->in.count++] = wr_node_retain(in[i]);
  return true;
}

/* The last step is a group. */
static bool add_ops(struct wr_history *h, const struct wr_group_step *steps, uint32_t n) {
  if (!wr_grow(&h->ops, &h->ops_room, h->n_ops + n, 64, sizeof *h->ops)) return false;
  struct wr_history_step *last = &h->steps[h->count - 1];
  last->n_ops = (uint8_t)n;
  last->first_op = h->n_ops;
  for (uint32_t i = 0; i < n; i++) h->ops[h->n_ops++] = steps[i].op;
  return true;
}

void wr_history_end(struct wr_history *h) {
  for (size_t i = 0; i < h->count; i++) wr_node_release(h->steps[i].node);
  wr_free(h->steps);
  wr_free(h->ops);
  wr_release_nodes(&h->in);
  *h = (struct wr_history){0};
}

/* ---- out of the log ---- */

/* A walk from the roots over entries, on an explicit stack; `seen` has a mark for each. */
struct walk {
  const struct wr_trace *trace;
  struct wr_history *history;
  unsigned char *seen; /* 1: on the stack, 2: in the history */
  struct wr_ptrs stack;
};

static bool is_given(const struct wr_trace_entry *e) {
  return e->n_in == 0 && (e->node->op == WR_OP_DATA || e->node->op == WR_OP_PLACEHOLDER);
}

static bool look(struct walk *w, struct wr_node *node) {
  const size_t i = wr_trace_find(w->trace, node);
  if (i == SIZE_MAX) return true; /* a constant: its readers alone show it */
  if (w->seen[i]) return true;
  w->seen[i] = 1;
  return wr_ptrs_push(&w->stack, node);
}

static bool step(struct walk *w) {
  struct wr_node *node = w->stack.items[w->stack.count - 1];
  const size_t i = wr_trace_find(w->trace, node);
  const struct wr_trace_entry *e = &w->trace->entries[i];
  struct wr_node *const *in = wr_trace_in(w->trace, i);
  const size_t before = w->stack.count;
  for (size_t k = 0; k < e->n_in && w->stack.count == before; k++) {
    if (!look(w, in[k])) return false;
  }
  if (w->stack.count > before) return true;
  w->stack.count--;
  return add(w->history, node, is_given(e), in, e->n_in);
}

static bool walk_log(struct walk *w, struct wr_node *root) {
  bool whole = look(w, root);
  while (whole && w->stack.count) whole = step(w);
  return whole;
}

/* Constants come first: they have no place of their own. */
static struct wr_error *of_log(struct wr_history *h, const struct wr_trace *trace,
                               struct wr_node *const *roots, size_t n) {
  struct walk w = {.trace = trace, .history = h, .seen = wr_calloc(trace->count)};
  bool whole = w.seen != NULL;
  for (size_t i = 0; i < n && whole; i++) whole = walk_log(&w, roots[i]);
  wr_free(w.seen);
  wr_ptrs_free(&w.stack);
  return whole ? NULL : wr_error_out_of_memory();
}

/* ---- out of a plan ---- */

static struct wr_error *of_plan(struct wr_history *h, struct wr_node *const *roots, size_t n) {
  struct wr_request *request = NULL;
  struct wr_plan plan;
  struct wr_error *error = wr_force_check(NULL, roots, n);
  if (!error) error = wr_request_new(&request);
  if (error) return error;
  wr_plan_look(&plan, request, roots, n);
  bool whole = !plan.refused;
  for (size_t i = 0; i < plan.order.count && whole; i++) {
    struct wr_node *node = plan.order.items[i];
    struct wr_edges *edges = wr_edges_of(node);
    whole = add(h, node, false, edges->in, edges->n) &&
            (!edges->n_steps || add_ops(h, wr_group_steps(edges), edges->n_steps));
  }
  wr_plan_give_back(&plan);
  wr_request_release(request);
  return whole ? NULL : wr_error_out_of_memory();
}

struct wr_error *wr_history_of(struct wr_history *history, struct wr_node *const *roots, size_t n) {
  const struct wr_trace *trace = wr_trace_current();
  bool logged = false;
  *history = (struct wr_history){0};
  for (size_t i = 0; i < n && trace && !logged; i++) {
    logged = wr_trace_find(trace, roots[i]) != SIZE_MAX;
  }
  const int before = wr_cancel_off();
  struct wr_error *error = logged ? of_log(history, trace, roots, n) : of_plan(history, roots, n);
  wr_cancel_restore(before);
  if (error) wr_history_end(history);
  return error;
}
