/* Captures: from a range of the log to a table (capture.h). What becomes
   of it is in capture_run.c and capture_plan.c. All walks are along arrays, no recursion (K13). No
   locks. */

#include "ops/capture.h"

#include <string.h>

#include "backend/backend.h"
#include "base/numbers.h"
#include "ops/capture_internal.h"
#include "stream/stream.h"

/* ---- references ---- */

struct wr_capture *wr_capture_retain(struct wr_capture *c) {
  wr_ref_take(&c->refs);
  return c;
}

static void release_all(struct wr_node **nodes, uint32_t n) {
  for (uint32_t i = 0; nodes && i < n; i++) wr_node_release(nodes[i]);
  wr_free(nodes);
}

void wr_capture_release(struct wr_capture *c) {
  if (!c || !wr_ref_drop(&c->refs)) return;
  for (uint32_t i = 0; c->steps && i < c->n_steps; i++) {
    wr_node_release(c->steps[i].like);
    wr_stream_release(c->steps[i].stream);
  }
  wr_free(c->steps);
  release_all(c->placeholders, c->n_in + c->n_keys);
  release_all(c->constants, c->n_constants);
  wr_free(c->in);
  wr_free(c->out);
  wr_free(c);
}

struct wr_node *wr_capture_value(const struct wr_capture *c, uint32_t value) {
  const uint32_t steps = wr_capture_first_step(c), constants = wr_capture_first_constant(c);
  if (value < steps) return c->placeholders[value];
  return value < constants ? c->steps[value - steps].like : c->constants[value - constants];
}

size_t wr_capture_bytes(const struct wr_capture *c) {
  enum { NODE = 256 }; /* one with few axes and inputs */
  const size_t nodes = (size_t)c->n_in + c->n_keys + c->n_steps;
  size_t bytes = sizeof *c + nodes * NODE + c->n_steps * sizeof *c->steps;
  for (uint32_t i = 0; i < c->n_steps; i++) {
    bytes += c->steps[i].n_in * (sizeof(struct wr_node *) + sizeof *c->in) +
             c->steps[i].n_steps * sizeof(struct wr_group_step);
  }
  for (uint32_t i = 0; i < c->n_constants; i++) {
    struct wr_node *constant = c->constants[i];
    bytes += sizeof(struct wr_node *);
    if (wr_node_is_shared(constant)) continue;
    bytes += NODE + (size_t)wr_node_size(constant) * wr_dtype_size(wr_node_dtype(constant));
  }
  return bytes;
}

void wr_capture_forget_streams(struct wr_capture *c) {
  for (uint32_t i = 0; i < c->n_steps; i++) {
    struct wr_node *like = c->steps[i].like;
    if (wr_node_stands_in(like)) wr_node_forget_stream(like);
  }
}

/* ---- the range ---- */

struct wr_error *wr_capture_begin(struct wr_capturing *making, unsigned how) {
  *making = (struct wr_capturing){.how = how};
  struct wr_error *error = wr_trace_open(&making->trace);
  if (error) return error;
  making->trace->captures++;
  if (how & WR_CAPTURE_STORES) making->trace->stores++;
  making->start = making->trace->count;
  making->draws_before = making->trace->draws;
  making->trace->draws = how & WR_CAPTURE_DRAWS ? &making->keys : NULL;
  making->pinned_before = making->trace->pinned;
  making->trace->pinned = 0;
  return NULL;
}

void wr_capture_drop(struct wr_ptrs *nodes) {
  while (nodes->count) wr_node_release(nodes->items[--nodes->count]);
  wr_ptrs_free(nodes);
}

void wr_capture_end(struct wr_capturing *making) {
  making->trace->draws = making->draws_before;
  making->trace->pinned |= making->pinned_before;
  making->trace->captures--;
  if (making->how & WR_CAPTURE_STORES) making->trace->stores--;
  wr_trace_close(making->trace);
  wr_capture_drop(&making->in);
  wr_capture_drop(&making->keys);
}

/* A placeholder in the log, so that it is found there; the list has the reference. */
static struct wr_error *add_placeholder(struct wr_trace *trace, struct wr_ptrs *list, int ndim,
                                        const int32_t *shape, enum wr_dtype dtype,
                                        struct wr_node **out) {
  if (!wr_ptrs_reserve(list, list->count + 1)) return wr_error_out_of_memory();
  struct wr_error *error = wr_node_placeholder(out, ndim, shape, dtype);
  if (error) return error;
  list->items[list->count++] = *out;
  return wr_trace_note_source(trace, *out);
}

struct wr_error *wr_capture_input(struct wr_capturing *making, int ndim, const int32_t *shape,
                                  enum wr_dtype dtype, struct wr_node **out) {
  return add_placeholder(making->trace, &making->in, ndim, shape, dtype, out);
}

struct wr_error *wr_capture_key(struct wr_node **out) {
  static const int32_t two = 2;
  struct wr_trace *trace = wr_trace_current();
  struct wr_node *key = NULL;
  *out = NULL;
  if (!trace || !trace->draws) return NULL;
  struct wr_error *error = add_placeholder(trace, trace->draws, 1, &two, WR_UINT32, &key);
  if (!error) *out = wr_node_retain(key);
  return error;
}

/* ---- from the log to the table ---- */

struct making {
  const struct wr_capturing *from;
  const struct wr_trace *trace;
  size_t n;        /* entries in the range */
  bool *anew;      /* of each entry: happens at each run, though it depends on no placeholder */
  bool *live;      /* of each entry: leads to an output */
  uint32_t *value; /* of each entry: its number */
  struct wr_numbers constants;
  struct wr_ptrs found; /* constants, in their order; borrowed */
  struct wr_capture *c;
};

static const struct wr_trace_entry *entry(const struct making *m, size_t i) {
  return &m->trace->entries[m->from->start + i];
}

/* The entry in the range that says how the node was made; SIZE_MAX: none. The results of a call
   stand twice, and their first entries are right before those of the call. */
static size_t place_of(const struct making *m, const struct wr_node *node) {
  size_t i = wr_trace_find(m->trace, node);
  if (i == SIZE_MAX || i < m->from->start) return SIZE_MAX;
  if (m->trace->entries[i].call) i -= m->trace->entries[i].call->entries;
  return i - m->from->start;
}

/* The same where there is need to know, since the value is not there, or another at each run. */
static size_t entry_of(const struct making *m, const struct wr_node *node) {
  const bool is_view = m->from->how & WR_CAPTURE_VIEWS && wr_node_op(node) == WR_OP_BROADCAST_TO;
  const size_t i = place_of(m, node);
  return i != SIZE_MAX && (wr_node_stands_in(node) || is_view || m->anew[i]) ? i : SIZE_MAX;
}

/* What takes a place among others of its kind, as collectives do, is done as often as it is asked
   for; so is what comes of it. */
static bool find_anew(struct making *m) {
  m->anew = wr_calloc(m->n + 1);
  for (size_t i = 0; m->anew && i < m->n; i++) {
    const struct wr_node *node = entry(m, i)->node;
    struct wr_node *const *in = wr_trace_in(m->trace, m->from->start + i);
    if (wr_node_op(node) == WR_OP_CALL) {
      const struct wr_call_params *params = wr_node_params(node);
      m->anew[i] = params->callee->submitted != NULL;
    }
    for (uint32_t k = 0; k < entry(m, i)->n_in && !m->anew[i]; k++) {
      const size_t at = place_of(m, in[k]);
      m->anew[i] = at != SIZE_MAX && m->anew[at];
    }
  }
  return m->anew != NULL;
}

static bool is_step(const struct making *m, size_t i) {
  return m->live[i] && wr_node_op(entry(m, i)->node) != WR_OP_PLACEHOLDER;
}

static bool find_live(struct making *m, const struct wr_node_list *outputs) {
  m->live = wr_calloc(m->n + 1);
  m->value = wr_calloc((m->n + 1) * sizeof *m->value);
  if (!m->live || !m->value) return false;
  for (size_t i = 0; i < outputs->n; i++) {
    const size_t at = entry_of(m, outputs->items[i]);
    if (at != SIZE_MAX) m->live[at] = true;
  }
  for (size_t i = m->n; i-- > 0;) {
    struct wr_node *const *in = wr_trace_in(m->trace, m->from->start + i);
    for (uint32_t k = 0; m->live[i] && k < entry(m, i)->n_in; k++) {
      const size_t at = entry_of(m, in[k]);
      if (at != SIZE_MAX) m->live[at] = true;
    }
  }
  return true;
}

static void number_placeholders(struct making *m, const struct wr_ptrs *list, uint32_t first) {
  for (size_t i = 0; i < list->count; i++) {
    const size_t at = entry_of(m, list->items[i]);
    m->value[at] = first + (uint32_t)i;
  }
}

/* Of the steps, and of what they read. */
static bool count_steps(struct making *m, size_t *n_in) {
  size_t n = 0;
  number_placeholders(m, &m->from->in, 0);
  number_placeholders(m, &m->from->keys, m->c->n_in);
  *n_in = 0;
  for (size_t i = 0; i < m->n; i++) {
    if (!is_step(m, i)) continue;
    m->value[i] = wr_capture_first_step(m->c) + (uint32_t)n++;
    *n_in += entry(m, i)->n_in;
    if (entry(m, i)->n_in > m->c->most_in) m->c->most_in = entry(m, i)->n_in;
  }
  m->c->n_steps = (uint32_t)n;
  return *n_in < UINT32_MAX;
}

bool wr_capture_equal_scalars(const struct wr_node *a, const struct wr_node *b) {
  const void *x = wr_node_constant(a), *y = wr_node_constant(b);
  return x && y && wr_node_ndim(a) == 0 && wr_node_ndim(b) == 0 &&
         wr_node_dtype(a) == wr_node_dtype(b) && memcmp(x, y, wr_dtype_size(wr_node_dtype(a))) == 0;
}

/* Whether two constants are views that broadcast the same array, or equal scalars, to one shape:
   each operation with a scalar has one of its own. */
static bool are_alike(const struct making *m, const struct wr_node *a, const struct wr_node *b) {
  const size_t i = place_of(m, a), k = place_of(m, b);
  if (wr_node_op(a) != WR_OP_BROADCAST_TO || wr_node_op(b) != WR_OP_BROADCAST_TO || i == SIZE_MAX ||
      k == SIZE_MAX || wr_node_dtype(a) != wr_node_dtype(b) ||
      !wr_shape_equal(wr_node_shape(a), wr_node_ndim(a), wr_node_shape(b), wr_node_ndim(b))) {
    return false;
  }
  const struct wr_node *x = wr_trace_in(m->trace, m->from->start + i)[0];
  const struct wr_node *y = wr_trace_in(m->trace, m->from->start + k)[0];
  return x == y || wr_capture_equal_scalars(x, y);
}

/* The number of a constant that was found before and is as good, or of the next one. Functions have
   few that differ. */
static uint32_t constant_like(const struct making *m, const struct wr_node *node) {
  enum { FAR = 16 };
  const uint32_t n = (uint32_t)m->found.count;
  for (uint32_t i = n; i-- > 0 && n - i <= FAR;) {
    if (are_alike(m, m->found.items[i], node)) return i;
  }
  return n;
}

/* False when memory is refused. */
static bool number_of(struct making *m, struct wr_node *node, uint32_t *value) {
  const size_t at = entry_of(m, node);
  if (at != SIZE_MAX) {
    *value = m->value[at];
    return true;
  }
  uint32_t i = constant_like(m, node);
  if (!wr_numbers_add(&m->constants, node, &i)) return false;
  if (i == m->found.count && !wr_ptrs_push(&m->found, node)) return false;
  *value = wr_capture_first_constant(m->c) + i;
  return true;
}

void wr_capture_set_stream(struct wr_capture_step *step, struct wr_stream *stream) {
  step->device = wr_stream_device(stream);
  step->stream = wr_stream_is_default(stream) ? NULL : wr_stream_retain(stream);
}

static bool add_steps(struct making *m) {
  uint32_t at = 0, n = 0;
  for (size_t i = 0; i < m->n; i++) {
    if (!is_step(m, i)) continue;
    const struct wr_trace_entry *e = entry(m, i);
    struct wr_node *const *in = wr_trace_in(m->trace, m->from->start + i);
    struct wr_capture_step *step = &m->c->steps[n++];
    step->like = wr_node_retain(e->node);
    step->first_in = at;
    step->n_in = e->n_in;
    wr_capture_set_stream(step, e->stream);
    for (uint32_t k = 0; k < e->n_in; k++) {
      if (!number_of(m, in[k], &m->c->in[at++])) return false;
    }
  }
  return true;
}

static const struct wr_ptrs no_more;

struct wr_node **wr_capture_retained(const struct wr_ptrs *list, const struct wr_ptrs *more) {
  struct wr_node **nodes = wr_calloc((list->count + more->count + 1) * sizeof(struct wr_node *));
  size_t n = 0;
  if (!nodes) return NULL;
  for (size_t i = 0; i < list->count; i++) nodes[n++] = wr_node_retain(list->items[i]);
  for (size_t i = 0; i < more->count; i++) nodes[n++] = wr_node_retain(more->items[i]);
  return nodes;
}

bool wr_capture_make_room(struct wr_capture *c, size_t n_in, size_t n_out) {
  c->steps = wr_calloc((c->n_steps + (size_t)1) * sizeof *c->steps);
  c->in = wr_calloc((n_in + 1) * sizeof *c->in);
  c->out = wr_calloc((n_out + 1) * sizeof *c->out);
  c->n_out = (uint32_t)n_out;
  return c->steps && c->in && c->out;
}

struct wr_capture *wr_capture_new(void) {
  struct wr_capture *c = wr_calloc(sizeof *c);
  if (c) wr_store_relaxed(&c->refs, 1u); /* relaxed: not yet shared */
  return c;
}

bool wr_capture_copy_sources(struct wr_capture *made, const struct wr_capture *c) {
  const struct wr_ptrs placeholders = {.items = (void **)c->placeholders,
                                       .count = c->n_in + (size_t)c->n_keys};
  const struct wr_ptrs constants = {.items = (void **)c->constants, .count = c->n_constants};
  made->pinned = c->pinned;
  made->placeholders = wr_capture_retained(&placeholders, &no_more);
  made->constants = wr_capture_retained(&constants, &no_more);
  if (made->placeholders) made->n_in = c->n_in;
  if (made->placeholders) made->n_keys = c->n_keys;
  if (made->constants) made->n_constants = c->n_constants;
  return made->placeholders && made->constants;
}

static bool fill(struct making *m, const struct wr_node_list *outputs) {
  struct wr_capture *c = m->c;
  size_t n_in;
  c->placeholders = wr_capture_retained(&m->from->in, &m->from->keys);
  if (!c->placeholders) return false;
  c->n_in = (uint32_t)m->from->in.count;
  c->n_keys = (uint32_t)m->from->keys.count;
  if (!find_anew(m) || !find_live(m, outputs) || !count_steps(m, &n_in) ||
      !wr_capture_make_room(c, n_in, outputs->n) || !add_steps(m)) {
    return false;
  }
  for (size_t i = 0; i < outputs->n; i++) {
    if (!number_of(m, outputs->items[i], &c->out[i])) return false;
  }
  c->constants = wr_capture_retained(&m->found, &no_more);
  if (c->constants) c->n_constants = (uint32_t)m->found.count;
  return c->constants != NULL;
}

struct wr_error *wr_capture_make(struct wr_capture **out, struct wr_capturing *making,
                                 const struct wr_node_list *outputs) {
  struct making m = {.from = making,
                     .trace = making->trace,
                     .n = making->trace->count - making->start,
                     .c = wr_capture_new()};
  const bool made = m.c && fill(&m, outputs);
  wr_free(m.anew);
  wr_free(m.live);
  wr_free(m.value);
  wr_numbers_end(&m.constants);
  wr_ptrs_free(&m.found);
  if (made) {
    m.c->pinned = making->trace->pinned;
    *out = m.c;
  } else {
    wr_capture_release(m.c);
  }
  return made ? NULL : wr_error_out_of_memory();
}

struct wr_error *wr_capture_of_results(struct wr_capture **out, struct wr_capturing *making,
                                       struct wr_results *results) {
  const struct wr_ptrs *list = &results->out[0];
  const struct wr_node_list outputs = {(struct wr_node *const *)list->items, list->count};
  struct wr_error *error = wr_capture_make(out, making, &outputs);
  wr_results_end(results);
  return error;
}

static struct wr_error *run_on_placeholders(struct wr_capturing *making, struct wr_function *f,
                                            const struct wr_node_list *inputs,
                                            struct wr_results *results) {
  for (size_t i = 0; i < inputs->n; i++) {
    const struct wr_node *like = inputs->items[i];
    struct wr_node *in;
    struct wr_error *error =
        wr_capture_input(making, wr_node_ndim(like), wr_node_shape(like), wr_node_dtype(like), &in);
    if (error) return error;
  }
  const struct wr_arguments arguments = {
      .in = {{(struct wr_node *const *)making->in.items, making->in.count}}};
  return wr_function_call(f, &arguments, results);
}

struct wr_error *wr_capture_function(struct wr_capture **out, struct wr_function *f,
                                     const struct wr_node_list *inputs, unsigned how) {
  struct wr_capturing making;
  struct wr_results results = {0};
  struct wr_error *error = wr_capture_begin(&making, how);
  if (error) return error;
  error = run_on_placeholders(&making, f, inputs, &results);
  if (!error) error = wr_capture_of_results(out, &making, &results);
  wr_capture_end(&making);
  return error;
}

/* ---- parts of a table ---- */

/* The numbers of what stays; steps close up, and constants with them. */
static void renumber(const struct wr_capture *c, const uint32_t *same, uint32_t kept,
                     uint32_t *number) {
  const uint32_t first = wr_capture_first_step(c), constants = wr_capture_first_constant(c);
  uint32_t next = first;
  for (uint32_t i = 0; i < wr_capture_values(c); i++) {
    if (i >= constants) {
      number[i] = i - c->n_steps + kept;
    } else if (i < first) {
      number[i] = i;
    } else if (same[i] == i) {
      number[i] = next++;
    }
  }
}

static bool fill_reduced(struct wr_capture *made, const struct wr_capture *c,
                         const uint32_t *same) {
  const uint32_t first = wr_capture_first_step(c);
  size_t n_in = 0;
  uint32_t at = 0, n = 0, kept = 0;
  uint32_t *number = wr_calloc((wr_capture_values(c) + (size_t)1) * sizeof *number);
  for (uint32_t i = 0; i < c->n_steps; i++) {
    n_in += c->steps[i].n_in;
    kept += same[first + i] == first + i;
  }
  made->n_steps = kept;
  made->most_in = c->most_in;
  if (!number || !wr_capture_copy_sources(made, c) || !wr_capture_make_room(made, n_in, c->n_out)) {
    wr_free(number);
    return false;
  }
  renumber(c, same, kept, number);
  for (uint32_t i = 0; i < c->n_steps; i++) {
    struct wr_capture_step step = c->steps[i];
    if (same[first + i] != first + i) continue;
    wr_node_retain(step.like);
    if (step.stream) wr_stream_retain(step.stream);
    for (uint32_t k = 0; k < step.n_in; k++)
      made->in[at + k] = number[same[c->in[step.first_in + k]]];
    step.first_in = at;
    at += step.n_in;
    made->steps[n++] = step;
  }
  for (uint32_t i = 0; i < c->n_out; i++) made->out[i] = number[same[c->out[i]]];
  wr_free(number);
  return true;
}

struct wr_error *wr_capture_reduced(struct wr_capture **out, const struct wr_capture *c,
                                    const uint32_t *same) {
  struct wr_capture *made = wr_capture_new();
  if (made && fill_reduced(made, c, same)) {
    *out = made;
    return NULL;
  }
  wr_capture_release(made);
  return wr_error_out_of_memory();
}
