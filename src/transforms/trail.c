/* Walks over what a function recorded: backwards for cotangents, forwards for tangents. Arrays by
   place in the log, no recursion (K13). No locks. */

#include "transforms/internal.h"

#include "stream/stream.h"

void wr_nodes_end(struct wr_ptrs *nodes) {
  while (nodes->count > 0) wr_node_release(nodes->items[--nodes->count]);
  wr_ptrs_free(nodes);
}

struct wr_error *wr_transform_stream(const struct wr_node *node, struct wr_stream **borrowed) {
  struct wr_device device;
  struct wr_error *error = NULL;
  if (!wr_node_device(node, &device)) error = wr_default_device(&device);
  return error ? error : wr_stream_default(device, borrowed);
}

/* ---- running the function ---- */

static struct wr_error *make_tracer(struct wr_node **out, struct wr_node *primal) {
  struct wr_stream *stream;
  struct wr_error *error = wr_transform_stream(primal, &stream);
  return error ? error : wr_ops_depends(out, primal, NULL, 0, stream);
}

static struct wr_error *make_tracers(struct wr_trail *w, const struct wr_node_list *primals,
                                     const bool *wanted) {
  if (!wr_ptrs_reserve(&w->tracers, primals->n)) return wr_error_out_of_memory();
  for (size_t i = 0; i < primals->n; i++) {
    struct wr_node *tracer = NULL;
    if (wanted && !wanted[i]) {
      tracer = wr_node_retain(primals->items[i]);
    } else {
      struct wr_error *error = make_tracer(&tracer, primals->items[i]);
      if (error) return error;
      wr_trace_begin_at(w->trace, tracer);
    }
    w->tracers.items[w->tracers.count++] = tracer;
  }
  return NULL;
}

static struct wr_error *run(struct wr_trail *w, struct wr_function *f) {
  struct wr_results results = {0};
  struct wr_arguments arguments = {.in = {wr_list_of(&w->tracers)}};
  struct wr_error *error = wr_function_call(f, &arguments, &results);
  if (error) return error;
  w->outputs = results.out[0];
  results.out[0] = (struct wr_ptrs){0};
  wr_results_end(&results);
  return NULL;
}

size_t wr_trail_find(const struct wr_trail *w, const struct wr_node *node) {
  const size_t i = wr_trace_find(w->trace, node);
  return i >= w->start && i < w->end ? i - w->start : SIZE_MAX;
}

static const struct wr_trace_entry *entry_of(const struct wr_trail *w, size_t i) {
  return &w->trace->entries[w->start + i];
}

static bool is_reached(const struct wr_trail *w, const struct wr_node *node) {
  const size_t i = wr_trail_find(w, node);
  return i != SIZE_MAX && w->reached[i];
}

static bool any_reached(const struct wr_trail *w, size_t i) {
  const struct wr_trace_entry *e = entry_of(w, i);
  struct wr_node *const *in = wr_trace_in(w->trace, w->start + i);
  if (wr_trace_hides(e, w->start) || (!e->call && !wr_rules[wr_node_op(e->node)].vjp)) return false;
  if (wr_trace_passes(e, w->start)) return is_reached(w, in[e->n_in - 1]);
  for (uint32_t k = 0; k < wr_trace_n_in(e); k++) {
    if (is_reached(w, in[k])) return true;
  }
  return false;
}

/* Arrays for all entries, and scratch for the one with most inputs. */
static bool make_room(struct wr_trail *w) {
  const size_t n = w->end - w->start + 1;
  size_t most = 1;
  for (size_t i = 0; i + 1 < n; i++) {
    if (entry_of(w, i)->n_in > most) most = entry_of(w, i)->n_in;
  }
  w->value = wr_calloc(n * sizeof(struct wr_node *));
  w->reached = wr_calloc(n);
  w->is_tracer = wr_calloc(n);
  w->in = wr_calloc(most * sizeof(struct wr_node *));
  w->given = wr_calloc(most * sizeof(struct wr_node *));
  w->wanted = wr_calloc(most);
  return w->value && w->reached && w->is_tracer && w->in && w->given && w->wanted;
}

static void mark(struct wr_trail *w) {
  for (size_t k = 0; k < w->tracers.count; k++) {
    const size_t i = wr_trail_find(w, w->tracers.items[k]);
    if (i != SIZE_MAX) w->is_tracer[i] = w->reached[i] = true;
  }
  for (size_t i = 0; i < w->end - w->start; i++) {
    if (!w->is_tracer[i]) w->reached[i] = any_reached(w, i);
  }
}

struct wr_error *wr_trail_begin(struct wr_trail *w, struct wr_function *f,
                                const struct wr_node_list *primals, const bool *wanted) {
  *w = (struct wr_trail){.outermost = !wr_trace_current()};
  struct wr_error *error = wr_trace_open(&w->trace);
  if (error) return error;
  w->start = w->trace->count;
  error = make_tracers(w, primals, wanted);
  if (!error) error = run(w, f);
  w->end = w->trace->count;
  if (!error && !make_room(w)) error = wr_error_out_of_memory();
  if (error) {
    wr_trail_end(w);
    return error;
  }
  mark(w);
  if (w->outermost) (void)wr_trace_pause();
  return NULL;
}

void wr_trail_end(struct wr_trail *w) {
  for (size_t i = 0; w->value && i < w->end - w->start; i++) wr_node_release(w->value[i]);
  wr_free(w->value);
  wr_free(w->reached);
  wr_free(w->is_tracer);
  wr_free(w->in);
  wr_free(w->given);
  wr_free(w->wanted);
  wr_nodes_end(&w->tracers);
  wr_nodes_end(&w->outputs);
  wr_trace_close(w->trace);
}

/* ---- values ---- */

struct wr_error *wr_trail_add(struct wr_trail *w, struct wr_node *node, struct wr_node *value,
                              struct wr_stream *stream) {
  const size_t i = wr_trail_find(w, node);
  if (i == SIZE_MAX || !w->reached[i]) return NULL;
  struct wr_node *old = w->value[i];
  if (!old) {
    w->value[i] = wr_node_retain(value);
    return NULL;
  }
  struct wr_error *error = wr_ops_binary(&w->value[i], WR_OP_ADD, old, value, stream);
  if (!error) wr_node_release(old);
  return error;
}

struct wr_error *wr_trail_take(const struct wr_trail *w, struct wr_node *node, struct wr_node *like,
                               struct wr_ptrs *list) {
  const size_t i = wr_trail_find(w, node);
  struct wr_node *value = NULL;
  if (i != SIZE_MAX && w->value[i]) {
    value = wr_node_retain(w->value[i]);
  } else {
    struct wr_stream *stream;
    struct wr_error *error = wr_transform_stream(like, &stream);
    if (!error) error = wr_ops_fill_like(&value, like, 0, stream);
    if (error) return error;
  }
  if (wr_ptrs_push(list, value)) return NULL;
  wr_node_release(value);
  return wr_error_out_of_memory();
}

/* The rule's view of an entry. Inputs are copied: rules may make the log grow. */
static struct wr_rule rule_of(struct wr_trail *w, size_t i, struct wr_compose *c) {
  const struct wr_trace_entry *e = entry_of(w, i);
  struct wr_node *const *in = wr_trace_in(w->trace, w->start + i);
  for (uint32_t k = 0; k < e->n_in; k++) {
    w->in[k] = in[k];
    w->given[k] = NULL;
    w->wanted[k] = is_reached(w, in[k]);
  }
  return (struct wr_rule){.c = c,
                          .op = wr_node_op(e->node),
                          .y = e->node,
                          .in = w->in,
                          .n_in = (int)e->n_in,
                          .params = wr_node_params(e->node),
                          .wanted = w->wanted,
                          .widens = e->widens};
}

/* The entries of one call stand together: the first of those that end at i. */
static size_t first_of_call(const struct wr_trail *w, size_t i) {
  while (i > 0 && entry_of(w, i - 1)->call == entry_of(w, i)->call) i--;
  return i;
}

/* ---- backwards ---- */

/* Gives the values of the call's inputs, once for all of its results, which end at `last`. */
static struct wr_error *back_call(struct wr_trail *w, size_t last, size_t first) {
  struct wr_ptrs grads = {0};
  struct wr_stream *stream = entry_of(w, last)->stream;
  struct wr_error *error = wr_custom_back(entry_of(w, last)->call, &w->value[first], &grads);
  for (size_t k = 0; k < grads.count && !error; k++) {
    struct wr_node *in = wr_trace_in(w->trace, w->start + last)[k];
    error = wr_trail_add(w, in, grads.items[k], stream);
  }
  wr_nodes_end(&grads);
  return error;
}

static struct wr_error *back_one(struct wr_trail *w, size_t i) {
  struct wr_compose c = wr_compose_begin(entry_of(w, i)->stream);
  const struct wr_rule rule = rule_of(w, i, &c);
  wr_rules[rule.op].vjp(&rule, w->value[i], w->given);
  for (int k = 0; k < rule.n_in && !c.error; k++) {
    if (w->given[k]) c.error = wr_trail_add(w, w->in[k], w->given[k], c.stream);
  }
  return wr_compose_drop(&c);
}

/* To what the function of the call gave. */
static struct wr_error *pass_back(struct wr_trail *w, size_t i) {
  const struct wr_trace_entry *e = entry_of(w, i);
  struct wr_node *made = wr_trace_in(w->trace, w->start + i)[e->n_in - 1];
  return wr_trail_add(w, made, w->value[i], e->stream);
}

/* What an entry had goes once it was handed on. */
static void drop_values(struct wr_trail *w, size_t first, size_t last) {
  for (size_t i = first; i <= last; i++) {
    wr_node_release(w->value[i]);
    w->value[i] = NULL;
  }
}

struct wr_error *wr_trail_back(struct wr_trail *w) {
  struct wr_error *error = NULL;
  for (size_t i = w->end - w->start; i-- > 0 && !error;) {
    const bool call = entry_of(w, i)->call != NULL;
    if (!w->value[i] || w->is_tracer[i]) continue;
    if (!call || wr_trace_passes(entry_of(w, i), w->start)) {
      error = call ? pass_back(w, i) : back_one(w, i);
      drop_values(w, i, i);
      continue;
    }
    const size_t first = first_of_call(w, i);
    size_t last = i;
    while (last + 1 < w->end - w->start && entry_of(w, last + 1)->call == entry_of(w, i)->call) {
      last++;
    }
    error = back_call(w, last, first);
    drop_values(w, first, last);
  }
  return error;
}

/* ---- forwards ---- */

static bool has_tangents(struct wr_trail *w, size_t i) {
  const struct wr_trace_entry *e = entry_of(w, i);
  struct wr_node *const *in = wr_trace_in(w->trace, w->start + i);
  bool any = false;
  for (uint32_t k = 0; k < wr_trace_n_in(e); k++) {
    const size_t at = wr_trail_find(w, in[k]);
    w->given[k] = at == SIZE_MAX ? NULL : w->value[at];
    any = any || w->given[k];
  }
  return any;
}

static struct wr_error *on_call(struct wr_trail *w, size_t first) {
  struct wr_ptrs out = {0};
  struct wr_trace_call *call = entry_of(w, first)->call;
  const size_t n = call->entries;
  struct wr_error *error = wr_custom_on(call, w->given, &out);
  for (size_t k = 0; k < n && k < out.count && !error; k++) {
    w->value[first + k] = wr_node_retain(out.items[k]);
  }
  wr_nodes_end(&out);
  return error;
}

static struct wr_error *on_one(struct wr_trail *w, size_t i) {
  struct wr_compose c = wr_compose_begin(entry_of(w, i)->stream);
  struct wr_node *given = NULL;
  const struct wr_trace_entry *e = entry_of(w, i);
  struct wr_node *const *in = wr_trace_in(w->trace, w->start + i);
  for (uint32_t k = 0; k < e->n_in; k++) w->in[k] = in[k];
  const struct wr_rule rule = {.c = &c,
                               .op = wr_node_op(e->node),
                               .y = e->node,
                               .in = w->in,
                               .n_in = (int)e->n_in,
                               .params = wr_node_params(e->node)};
  given = wr_rules[rule.op].jvp(&rule, w->given);
  if (!c.error && given) w->value[i] = wr_node_retain(given);
  return wr_compose_drop(&c);
}

/* From what the function of the call gave. */
static void pass_on(struct wr_trail *w, size_t i) {
  const struct wr_trace_entry *e = entry_of(w, i);
  const size_t at = wr_trail_find(w, wr_trace_in(w->trace, w->start + i)[e->n_in - 1]);
  if (at != SIZE_MAX && w->value[at]) w->value[i] = wr_node_retain(w->value[at]);
}

struct wr_error *wr_trail_on(struct wr_trail *w) {
  struct wr_error *error = NULL;
  for (size_t i = 0; i < w->end - w->start && !error; i++) {
    if (w->is_tracer[i] || !w->reached[i] || w->value[i]) continue;
    if (wr_trace_passes(entry_of(w, i), w->start)) {
      pass_on(w, i);
      continue;
    }
    if (!has_tangents(w, i)) continue;
    error = entry_of(w, i)->call ? on_call(w, i) : on_one(w, i);
  }
  return error;
}
