/* The log of a transform (trace.h): a growing array of entries, and one of all their inputs. Owner
   thread only, no locks. */

#include "graph/trace.h"

#include "base/grow.h"
#include "graph/internal.h"

static bool reserve(struct wr_trace *trace, size_t more) {
  size_t total;
  return wr_add_size(trace->count, more, &total) &&
         wr_grow(&trace->entries, &trace->room, total, 64, sizeof *trace->entries);
}

bool wr_trace_follows(const struct wr_trace *trace, const struct wr_node *node) {
  const size_t i = wr_trace_find(trace, node);
  return i != SIZE_MAX && trace->entries[i].follows;
}

void wr_trace_begin_at(struct wr_trace *trace, const struct wr_node *node) {
  const size_t i = wr_trace_find(trace, node);
  if (i != SIZE_MAX) trace->entries[i].follows = true;
}

/* There is room. Indices stand in 32 bits of the node, one more than they are. */
static void add(struct wr_trace *trace, struct wr_node *node, struct wr_trace_call *call,
                struct wr_node *const *in, size_t n_in, struct wr_stream *stream) {
  bool follows = false;
  for (size_t i = 0; i < n_in && !follows; i++) follows = wr_trace_follows(trace, in[i]);
  trace->entries[trace->count] =
      (struct wr_trace_entry){.node = wr_node_retain(node),
                              .stream = stream ? wr_stream_retain(stream) : NULL,
                              .call = call,
                              .first_in = trace->in.count,
                              .n_in = (uint32_t)n_in,
                              .follows = follows};
  for (size_t i = 0; i < n_in; i++) {
    trace->in.items[trace->in.count++] = wr_node_retain(in[i]);
  }
  node->traced = (uint32_t)++trace->count;
}

static bool has_room(struct wr_trace *trace, size_t entries, size_t in) {
  size_t inputs;
  return trace->count + entries < UINT32_MAX && reserve(trace, entries) &&
         wr_add_size(trace->in.count, in, &inputs) && wr_ptrs_reserve(&trace->in, inputs);
}

struct wr_error *wr_trace_note(struct wr_node *node, const struct wr_record *record) {
  struct wr_trace *trace = wr_trace_current();
  if (!has_room(trace, 1, (size_t)record->n_in)) return wr_error_out_of_memory();
  add(trace, node, NULL, record->in, (size_t)record->n_in, record->stream);
  return NULL;
}

struct wr_error *wr_trace_note_source(struct wr_trace *trace, struct wr_node *node) {
  if (!has_room(trace, 1, 0)) return wr_error_out_of_memory();
  add(trace, node, NULL, NULL, 0, NULL);
  return NULL;
}

void wr_trace_hide(struct wr_trace *trace, size_t from, size_t seer) {
  for (size_t i = from; i < trace->count; i++) {
    uint32_t *hidden = &trace->entries[i].hidden;
    if (*hidden == 0 || *hidden > seer + 1) *hidden = (uint32_t)seer + 1;
  }
}

void wr_trace_widens(const struct wr_node *node) {
  struct wr_trace *trace = wr_trace_current();
  const size_t i = trace ? wr_trace_find(trace, node) : SIZE_MAX;
  if (i != SIZE_MAX) trace->entries[i].widens = true;
}

/* One result of a call: with what its function gave behind the inputs, if that is seen. */
static void add_result(struct wr_trace *trace, struct wr_trace_call *call,
                       const struct wr_trace_results *of, size_t i) {
  add(trace, of->out[i], call, of->in, of->n_in, of->stream);
  if (of->seer == 0) return;
  struct wr_trace_entry *e = &trace->entries[trace->count - 1];
  e->passes = (uint32_t)of->seer + 1;
  e->n_in++;
  trace->in.items[trace->in.count++] = wr_node_retain(of->made[i]);
}

struct wr_error *wr_trace_note_call(struct wr_trace *trace, struct wr_trace_call *call,
                                    const struct wr_trace_results *of) {
  size_t inputs;
  bool fits = of->n_in < UINT32_MAX && wr_mul_size(of->n_out, of->n_in + 1, &inputs) &&
              has_room(trace, of->n_out, inputs);
  if (!fits || of->n_out == 0) {
    call->end(call);
    return fits ? NULL : wr_error_out_of_memory();
  }
  call->entries = of->n_out;
  for (size_t i = 0; i < of->n_out; i++) add_result(trace, call, of, i);
  return NULL;
}

struct wr_error *wr_trace_open(struct wr_trace **out) {
  struct wr_thread *thread = wr_thread_own();
  if (!thread) return wr_error_out_of_memory();
  if (!thread->trace) thread->trace = wr_calloc(sizeof *thread->trace);
  struct wr_trace *trace = thread->trace;
  if (!trace) return wr_error_out_of_memory();
  trace->open++;
  *out = trace;
  return NULL;
}

static void drop_entry(struct wr_trace_entry *e) {
  wr_node_release(e->node);
  wr_stream_release(e->stream);
  if (e->call && --e->call->entries == 0) e->call->end(e->call);
}

void wr_trace_close(struct wr_trace *trace) {
  if (--trace->open > 0) return;
  wr_thread_here->trace = NULL;
  while (trace->count > 0) drop_entry(&trace->entries[--trace->count]);
  while (trace->in.count > 0) wr_node_release(trace->in.items[--trace->in.count]);
  wr_ptrs_free(&trace->in);
  wr_free(trace->entries);
  wr_free(trace);
}

size_t wr_trace_find(const struct wr_trace *trace, const struct wr_node *node) {
  size_t i = (size_t)node->traced - 1; /* of what is in no log: far beyond */
  return i < trace->count && trace->entries[i].node == node ? i : SIZE_MAX;
}
