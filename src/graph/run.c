/* Running a batch: each node in turn gets its operands resolved, its output buffer, and is encoded.
   Called by the thread that drains the stream. The only waits are on inputs that other streams
   work on, on the device where it can, on commands that were begun and go on elsewhere, and on
   room (room.c); they suspend the stream, not the thread (O2, K14). No lock is held here. */

#include <stdio.h>

#include "base/peek.h"
#include "base/probes.h"
#include "core/shape.h"
#include "graph/internal.h"
#include "graph/room.h"
#include "graph/transfer.h"
#include "memory/budget.h"
#include "memory/derived.h"
#include "stream/limit.h"
#include "stream/timeline.h"

enum { MAX_INLINE_INPUTS = 8 };

/* The node was encoded or is over, or nothing happened, for want of memory. */
enum ran { RAN, LACKS_ROOM };

/* ---- finishing ---- */

/* A view's bytes are its input's. */
static uint64_t result_bytes(const struct wr_node *node) {
  if (!node->buffer || wr_op_info(node->op)->view) return 0;
  return (uint64_t)node->size * wr_dtype_size((enum wr_dtype)node->dtype);
}

uint64_t wr_node_counted_bytes(const struct wr_node *node) {
  if (node->next_edge != WR_COUNTED || wr_op_info(node->op)->view) return 0;
  return (uint64_t)node->size * wr_dtype_size((enum wr_dtype)node->dtype);
}

static void tell_callee(struct wr_node *node, const struct wr_error *error) {
  const struct wr_callee *callee = wr_callee_of(node);
  if (callee && callee->failed) callee->failed(wr_callee_params(node), error);
}

/* Publishes value or error (takes the reference) and drops edges, stream and the plan's
   reference. `in_place` is the stream of a command that was written over its input, or NULL: that
   ends as soon as nobody will compute it anew, before waiters fire and buffers end. */
static void finish_from(struct wr_node *node, struct wr_error *error, struct wr_stream *in_place) {
  enum wr_phase phase = error ? WR_PHASE_FAILED : WR_PHASE_DONE;
  /* A failed node keeps its buffer, if it has one, until it is freed: on an asynchronous device a
     later command may be encoding on it right now. */
  node->error = error;
  wr_probe_end(node, (int)node->stream_id, wr_name_of(node), error != NULL);
  if (error) tell_callee(node, error);
  wr_stream_note_finished(node->stream, error != NULL, result_bytes(node));
  if (wr_limit_is_used(node->stream)) {
    wr_limit_note_over(node->stream, wr_node_counted_bytes(node));
  }
  uint64_t raised = wr_completion_raise(&node->completion, phase);
  if (in_place) wr_stream_end_in_place(in_place);
  bool pinned = wr_completion_tell(&node->completion, raised);
  wr_node_drop_edges(node, pinned);
  wr_node_release(node);
}

static void finish(struct wr_node *node, struct wr_error *error) { finish_from(node, error, NULL); }

void wr_node_refuse(struct wr_node *node, struct wr_error *error) {
  wr_stream_note_submitted(node->stream, 1);
  finish(node, error);
}

/* The error of an input that failed, or NULL. Errors flow along edges as they are (E1). */
static struct wr_error *input_error(const struct wr_node *node) {
  const struct wr_edges *edges = wr_edges_of(node);
  for (uint32_t i = 0; i < edges->n; i++) {
    const struct wr_node *in = edges->in[i];
    if (wr_completion_phase(&in->completion) == WR_PHASE_FAILED) return in->error;
  }
  return NULL;
}

/* Operation, result, stream, then the reason: E1. Of several results it is the first one's type and
   shape, and how many there are. */
static struct wr_error *describe_take(const struct wr_node *node, struct wr_error *error) {
  char shape[160], stream[WR_STREAM_TEXT], more[32] = "";
  char prefix[sizeof shape + sizeof stream + sizeof more + 128];
  int n;
  const struct wr_part *parts = wr_node_parts(node, &n);
  const enum wr_dtype dtype = n ? parts[0].dtype : (enum wr_dtype)node->dtype;
  wr_shape_format(n ? parts[0].shape : node->shape, n ? parts[0].ndim : node->ndim, shape,
                  (int)sizeof shape);
  if (n > 1) snprintf(more, sizeof more, " and %d more", n - 1);
  snprintf(prefix, sizeof prefix, "%s to %s of shape %s%s on %s: ", wr_node_op_name(node),
           wr_dtype_name(dtype), shape, more, wr_stream_describe(node->stream, stream));
  return wr_error_prefix_take(error, prefix);
}

/* ---- commands that complete later ---- */

struct pending {
  struct wr_completion_hook hook;
  struct wr_node *node;
  uint64_t encoded; /* when the device was given it; 0: no trace ran, or it is no command */
  struct wr_staged staged;
};

/* The device may report a failure of this command, or have run it on the output of one that
   failed; then it is the input's error that counts. */
static void pending_over(struct wr_completion_hook *hook, struct wr_error *error) {
  struct pending *p = WR_CONTAINER_OF(hook, struct pending, hook);
  struct wr_node *node = p->node;
  struct wr_error *first = input_error(node);
  if (!first && !error) error = wr_staged_failure(&p->staged);
  wr_staged_release(&p->staged);
  if (p->encoded) wr_span_of(node, node->stream, p->encoded, first || error);
  wr_free(p);
  if (first) {
    wr_error_release(error);
    error = wr_error_retain(first);
  } else if (error) {
    error = describe_take(node, error);
  }
  finish(node, error);
}

/* Of a hook of these, for weir_dump. */
void (*wr_pending_key(void))(void) { return (void (*)(void))pending_over; }

const struct wr_node *wr_pending_peek(const struct wr_completion_hook *hook) {
  const struct pending *at = WR_CONTAINER_OF(hook, struct pending, hook);
  const struct wr_node *node;
  return wr_peek((void *)&node, &at->node, sizeof node) ? node : NULL;
}

/* Here, since a static library has a file only where something refers to it. */
__attribute__((constructor)) static void let_know(void) { wr_graph_let_know(); }

/* ---- operands ---- */

static struct wr_tensor tensor_of(const struct wr_node *node, struct wr_buffer *buffer,
                                  int64_t offset) {
  const int64_t at = offset ? offset * (int64_t)wr_dtype_size((enum wr_dtype)node->dtype) : 0;
  return (struct wr_tensor){.data = (char *)buffer->data + at,
                            .shape = node->shape,
                            .strides = node->strides,
                            .size = node->size,
                            .dtype = (enum wr_dtype)node->dtype,
                            .ndim = node->ndim,
                            .dense = wr_is_dense(node),
                            .buffer = buffer};
}

static size_t output_bytes(const struct wr_node *node) {
  return (size_t)node->size * wr_dtype_size((enum wr_dtype)node->dtype);
}

/* A view may be of the beginning of a much larger buffer, which the result would keep alive. */
enum { DONATED_MORE = 16384 };

/* Nobody but this node can ever read the input again: one edge, this one, and one buffer reference,
   the input's. References only come from references, so the counts stay at one. */
static bool may_donate(const struct wr_node *node, struct wr_node *in, struct wr_memory *memory) {
  /* First, since most have others. Acquire: the others' last reads happened before they dropped
     their references. */
  return wr_load_acquire(&in->own.refs) == 1u && wr_is_dense(in) && in->offset == 0 &&
         in->size == node->size &&
         wr_dtype_size((enum wr_dtype)in->dtype) == wr_dtype_size((enum wr_dtype)node->dtype) &&
         wr_completion_over(&in->completion) && in->buffer->memory == memory &&
         wr_buffer_unique(in->buffer) && in->buffer->bytes <= 2 * output_bytes(node) + DONATED_MORE;
}

/* An elementwise result may take the buffer of an input that ends here. */
static struct wr_node *donor(const struct wr_node *node, struct wr_memory *memory) {
  if (!wr_op_info(node->op)->fusable) return NULL;
  const struct wr_edges *edges = wr_edges_of(node);
  for (uint32_t i = 0; i < edges->n; i++) {
    if (may_donate(node, edges->in[i], memory)) return edges->in[i];
  }
  return NULL;
}

/* What a device does later no fork can wait for; in the child that device is not there. */
static bool may_write_over(struct wr_stream *stream, struct wr_memory *memory, bool *in_place) {
  *in_place = wr_memory_host_visible(memory) && wr_stream_begin_in_place(stream);
  return *in_place || !wr_memory_host_visible(memory);
}

struct wr_result wr_result_of(const struct wr_node *node, const struct wr_stream *stream) {
  struct wr_device device = wr_stream_device(stream);
  if (wr_op_info(node->op)->view || input_error(node)) return (struct wr_result){0};
  struct wr_node *in = donor(node, wr_stream_backend(stream)->memory(device.index));
  return (struct wr_result){
      .bytes = in ? in->buffer->bytes : wr_buffer_bytes_for(output_bytes(node)), .donor = in};
}

/* A batch that charges a request's budget does so once the node has run. *in_place: the stream has
   to hear of the end. */
static struct wr_error *output_buffer(const struct wr_batch *batch, struct wr_node *node,
                                      struct wr_stream *stream, struct wr_memory *memory,
                                      bool *in_place) {
  struct wr_node *in = donor(node, memory);
  if (in && batch->charges) in = batch->donor; /* another one may have come to be one */
  if (in && may_write_over(stream, memory, in_place)) {
    if (!batch->charges) wr_buffer_discharge(in->buffer);
    wr_forms_end(in->buffer);
    node->buffer = wr_buffer_retain(in->buffer);
    return NULL;
  }
  return wr_buffer_alloc(memory, output_bytes(node), &node->buffer);
}

/* ---- one node ---- */

/* Streams wait for each other on the device. */
static bool takes_waits(const struct wr_backend *backend) {
  return backend->async && backend->async->encode_wait;
}

/* Where streams wait for each other on the device, a node says when it is queued there. Its hook
   may run before it could, so the node is kept meanwhile. */
static void begin_pending(struct wr_node *node, const struct wr_backend *backend) {
  if (takes_waits(backend)) wr_node_retain(node);
}

static void end_pending(struct wr_node *node, const struct wr_stream *stream, bool done) {
  const struct wr_backend *backend = wr_stream_backend(stream);
  if (!takes_waits(backend)) return;
  /* Release: the buffer, and the command in the device's queue. What stays pending is in none. */
  if (!done && !wr_op_may_stay((enum wr_op)node->op, node->params)) {
    wr_store_release(&node->encoded, backend->async->last_number(wr_stream_encoder(stream)));
  }
  wr_node_release(node);
}

static enum wr_encode_status encode_one(struct wr_node *node, struct wr_stream *stream,
                                        const struct wr_tensor *in, struct pending *pending,
                                        struct wr_error **error) {
  int n_parts;
  const struct wr_part *parts = wr_node_parts(node, &n_parts);
  const struct wr_call call = {.op = (enum wr_op)node->op,
                               .n_in = (int32_t)wr_edges_of(node)->n,
                               .in = in,
                               .out = tensor_of(node, node->buffer, 0),
                               .params = node->params,
                               .n_parts = n_parts,
                               .parts = parts,
                               .encoder = wr_stream_encoder(stream)};
  return wr_stream_backend(stream)->encode(wr_stream_encoder(stream), &call, &pending->hook, error);
}

/* The backend takes groups, or fuse.c would not have made one. */
static enum wr_encode_status encode_group(struct wr_node *node, struct wr_stream *stream,
                                          const struct wr_tensor *in, struct pending *pending,
                                          struct wr_error **error) {
  struct wr_edges *edges = wr_edges_of(node);
  const struct wr_group group = {.n_in = (int32_t)edges->n,
                                 .n_steps = (int32_t)edges->n_steps,
                                 .in = in,
                                 .steps = wr_group_steps(edges),
                                 .out = tensor_of(node, node->buffer, 0)};
  return wr_stream_backend(stream)->encode_group(wr_stream_encoder(stream), &group, &pending->hook,
                                                 error);
}

static struct wr_error *encode(struct wr_node *node, struct wr_stream *stream,
                               const struct wr_tensor *in, struct pending *pending, bool *done) {
  const struct wr_backend *backend = wr_stream_backend(stream);
  struct wr_error *error = NULL;
  const uint64_t encoded = pending->encoded = wr_timeline_begin();
  begin_pending(node, backend);
  const enum wr_encode_status status = wr_is_group(node)
                                           ? encode_group(node, stream, in, pending, &error)
                                           : encode_one(node, stream, in, pending, &error);
  *done = status == WR_ENCODE_DONE;
  end_pending(node, stream, *done);
  if (encoded && *done) wr_span_of(node, stream, encoded, error != NULL);
  return error;
}

static bool is_one_value(const struct wr_node *node) {
  int d = 0;
  while (d < node->ndim && (node->strides[d] == 0 || node->shape[d] == 1)) d++;
  return d == node->ndim && node->size > 0;
}

static bool is_key(struct wr_edges *edges, uint32_t i) {
  const struct wr_group_step *steps = wr_group_steps(edges);
  uint32_t s = 0;
  while (s < edges->n_steps && !(steps[s].op == WR_OP_RANDOM_BITS && steps[s].in[0] == i)) s++;
  return s < edges->n_steps;
}

/* A key, or an input of a group, that goes with the command, without a copy of its own; not where
   the group ends in a reduction or softmax, whose kernels read all inputs on the device. */
static bool stays_on_host(struct wr_node *node, const struct wr_stream *stream, uint32_t i) {
  struct wr_edges *edges = wr_edges_of(node);
  const struct wr_node *in = edges->in[i];
  if (!wr_stream_backend(stream)->draws || wr_needs_transfer(in->buffer, wr_memory_host()))
    return false;
  if (!wr_is_group(node)) {
    return node->op == WR_OP_RANDOM_BITS && in->ndim == 1 && wr_is_dense(in);
  }
  if (wr_op_info((enum wr_op)wr_group_steps(edges)[edges->n_steps - 1].op)->ends_group)
    return false;
  return is_key(edges, i) ? wr_is_dense(in) : is_one_value(in);
}

static struct wr_error *operands(struct wr_node *node, struct wr_stream *stream,
                                 struct wr_memory *memory, struct wr_tensor *in,
                                 struct wr_staged *staged) {
  const struct wr_edges *edges = wr_edges_of(node);
  const struct wr_callee *callee = wr_callee_of(node);
  const uint32_t hosts = callee ? (uint32_t)callee->n_host : 0;
  for (uint32_t i = 0; i < edges->n; i++) {
    struct wr_node *input = edges->in[i];
    struct wr_buffer *buffer = input->buffer;
    int64_t offset = input->offset;
    const bool needed = i >= hosts && wr_needs_transfer(buffer, memory);
    const bool on_host = needed && stays_on_host(node, stream, i);
    if (needed && !on_host) {
      struct wr_error *error = wr_stage(input, stream, staged, &buffer, &offset);
      if (error) return error;
    }
    in[i] = tensor_of(input, buffer, offset);
    in[i].on_host = on_host;
  }
  return NULL;
}

/* Takes the reference of a failure; NULL: success. */
static enum ran finish_now(struct wr_node *node, struct wr_error *error) {
  finish(node, error ? describe_take(node, error) : NULL);
  return RAN;
}

/* Nothing of the attempt is left. */
static enum ran undo(struct wr_node *node, struct wr_error *error) {
  struct wr_buffer *buffer = node->buffer;
  wr_error_release(error);
  node->buffer = NULL; /* first, for the child of a fork in between */
  wr_buffer_release(buffer);
  return LACKS_ROOM;
}

/* Encodes with room for the operands at `in`. A backend whose memory the host sees runs each call
   before it returns (backend.h), so all that commands release is released before the next one asks
   for memory; for others, and for a CALL that may stay pending, the record of the command is on the
   heap. Memory that a device refuses may be there once commands under way have ended. */
static enum ran encode_with(const struct wr_batch *batch, struct wr_memory *memory,
                            struct wr_node *node, struct wr_stream *stream, struct wr_tensor *in,
                            enum wr_lacking lacking) {
  const bool may_stay = !wr_memory_host_visible(memory) || wr_op_may_stay(node->op, node->params);
  struct pending now = {.hook = {.fn = pending_over}, .node = node};
  struct pending *pending = &now;
  bool done = true, in_place = false;
  if (may_stay) {
    pending = wr_alloc(sizeof *pending);
    if (!pending) return finish_now(node, wr_error_out_of_memory());
    *pending = now;
  }
  struct wr_error *error = operands(node, stream, memory, in, &pending->staged);
  if (!error) error = output_buffer(batch, node, stream, memory, &in_place);
  if (!error) error = encode(node, stream, in, pending, &done);
  if (!done) return RAN;
  wr_staged_release(&pending->staged);
  if (pending != &now) wr_free(pending);
  bool dry = error && wr_error_status(error) == WEIR_ERROR_OUT_OF_MEMORY;
  if (dry && lacking != WR_LACKING_ALL_TRIED) return undo(node, error);
  finish_from(node, error ? describe_take(node, error) : NULL, in_place ? stream : NULL);
  return RAN;
}

/* The host's memory is refused for good. */
static enum ran encode_node(const struct wr_batch *batch, struct wr_node *node,
                            struct wr_stream *stream, struct wr_tensor *in) {
  struct wr_device device = wr_stream_device(stream);
  struct wr_memory *memory = wr_stream_backend(stream)->memory(device.index);
  const bool host = wr_memory_host_visible(memory);
  if (!host && !wr_room_may_ask(stream, batch->lacking, memory, output_bytes(node))) {
    return LACKS_ROOM;
  }
  enum ran ran =
      encode_with(batch, memory, node, stream, in, host ? WR_LACKING_ALL_TRIED : batch->lacking);
  if (!host) wr_room_asked(stream);
  return ran;
}

static bool inputs_over(const struct wr_node *node) {
  const struct wr_edges *edges = wr_edges_of(node);
  for (uint32_t i = 0; i < edges->n; i++) {
    if (!wr_completion_over(&edges->in[i]->completion)) return false;
  }
  return true;
}

/* A view shares the first input's buffer. Where an input is only queued on this very stream, the
   view is over when a marker behind it is. */
static void run_view(struct wr_node *node, struct wr_stream *stream) {
  node->buffer = wr_buffer_retain(wr_edges_of(node)->in[0]->buffer);
  if (inputs_over(node)) {
    finish(node, NULL);
    return;
  }
  struct wr_error *error = NULL;
  struct pending *pending = wr_alloc(sizeof *pending);
  if (!pending) {
    finish(node, describe_take(node, wr_error_out_of_memory()));
    return;
  }
  *pending = (struct pending){.hook = {.fn = pending_over}, .node = node};
  const struct wr_backend *backend = wr_stream_backend(stream);
  begin_pending(node, backend);
  bool done =
      backend->encode_marker(wr_stream_encoder(stream), &pending->hook, &error) == WR_ENCODE_DONE;
  end_pending(node, stream, done);
  if (done) pending_over(&pending->hook, error);
}

static enum ran run_node(const struct wr_batch *batch, struct wr_node *node,
                         struct wr_stream *stream) {
  struct wr_error *error = input_error(node);
  if (error) {
    finish(node, wr_error_retain(error));
    return RAN;
  }
  if (wr_op_info(node->op)->view) {
    run_view(node, stream);
    return RAN;
  }
  struct wr_tensor few[MAX_INLINE_INPUTS], *in = few;
  const uint32_t n = wr_edges_of(node)->n;
  if (n > MAX_INLINE_INPUTS) in = wr_alloc(n * sizeof *in);
  if (!in) return finish_now(node, wr_error_out_of_memory());
  enum ran ran = encode_node(batch, node, stream, in);
  if (in != few) wr_free(in);
  return ran;
}

/* Runs the node; false when the stream waits first, for memory. */
static bool run_or_wait(struct wr_batch *batch, struct wr_node *node, struct wr_stream *stream) {
  while (run_node(batch, node, stream) == LACKS_ROOM) {
    if (wr_room_for_result(batch, stream)) return false;
  }
  wr_room_found(batch, stream);
  return true;
}

/* ---- the batch ---- */

/* Lets the stream wait for the input on the device, where it is queued on another stream of the
   same device; false when only the host can wait. */
bool wr_wait_on_device(struct wr_node *in, struct wr_stream *stream) {
  /* Acquire: the buffer, and the command in the device's queue. */
  uint64_t number = wr_load_acquire(&in->encoded);
  if (!number) return false;
  struct wr_stream *other = wr_node_pending_stream(in);
  if (!other) return wr_completion_over(&in->completion);
  bool waits = wr_stream_wait_on_device(stream, other, number);
  wr_stream_release(other);
  return waits;
}

/* ---- commands that stay pending where all others are over at once ----

   They are begun one behind the other, so they run side by side. What reads their results waits,
   and so does what comes behind them in the stream's order but in their own batch: markers, and
   what was forced later (O1). */

static bool stays(const struct wr_node *node) {
  return wr_op_may_stay((enum wr_op)node->op, node->params);
}

/* The places in front are those of nodes that have run. */
static void keep_staying(struct wr_batch *batch, struct wr_node *taken) {
  if (wr_completion_over(&taken->completion)) {
    wr_node_release(taken);
  } else {
    batch->nodes[batch->staying++] = taken;
  }
}

/* Suspends the stream while one of the batch is not over; false when all are. */
static bool wait_for_staying(struct wr_batch *batch, struct wr_stream *stream) {
  while (batch->staying > 0) {
    struct wr_node *node = batch->nodes[batch->staying - 1];
    if (!wr_completion_over(&node->completion)) {
      wr_stream_block_on(stream, &node->completion, NULL);
      return true;
    }
    batch->staying--;
    wr_node_release(node);
  }
  return false;
}

/* An input that must be over before the node can be encoded: any that is not, unless it was encoded
   on this stream before, which the device's own order covers, or on another that the device can
   wait for. For what stays pending any, whatever the device: an input that failed ends it. */
static struct wr_node *blocking_input(struct wr_node *node, struct wr_stream *stream) {
  uint64_t id = wr_stream_id(stream);
  const bool all = stays(node);
  const struct wr_edges *edges = wr_edges_of(node);
  for (uint32_t i = 0; i < edges->n; i++) {
    struct wr_node *in = edges->in[i];
    if (wr_completion_over(&in->completion)) continue;
    if (all) return in;
    if (in->stream_id == id ? stays(in) : !wr_wait_on_device(in, stream)) return in;
  }
  return NULL;
}

/* False when the stream is blocked by an input. */
static bool inputs_ready(struct wr_node *node, struct wr_stream *stream) {
  struct wr_node *blocker = blocking_input(node, stream);
  if (!blocker) return true;
  bool here = blocker->stream_id == wr_stream_id(stream);
  struct wr_stream *by = here ? NULL : wr_node_pending_stream(blocker);
  wr_stream_block_on(stream, &blocker->completion, by);
  wr_stream_release(by);
  return false;
}

/* The node's inputs are ready. False when the stream is blocked. */
static bool run_next(struct wr_batch *batch, struct wr_node *node, struct wr_stream *stream) {
  wr_audit_run(node);
  wr_probe_begin(node, (int)node->stream_id, wr_name_of(node));
  struct wr_node *staying = stays(node) ? wr_node_retain(node) : NULL;
  bool ran = run_or_wait(batch, node, stream);
  if (ran && staying) keep_staying(batch, staying);
  if (!ran) wr_node_release(staying);
  return ran;
}

static enum wr_step end_batch(struct wr_batch *batch, struct wr_stream *stream) {
  if (wait_for_staying(batch, stream)) return WR_STEP_BLOCKED;
  if (batch->download) wr_download_run(batch->download, stream);
  wr_free(batch);
  return WR_STEP_DONE;
}

/* What counts against the request's budget counts as soon as there is a buffer. */
static bool run_charged(struct wr_batch *batch, struct wr_node *node, struct wr_stream *stream) {
  if (!batch->charges) return run_next(batch, node, stream);
  wr_node_retain(node);
  bool ran = run_next(batch, node, stream);
  if (ran) wr_budget_settle(batch, node);
  wr_node_release(node);
  return ran;
}

/* The batch of a request, which may end between any two commands (take_back.c). */
static enum wr_step run_requested(struct wr_batch *batch, struct wr_stream *stream,
                                  struct wr_drain *drain) {
  while (batch->begun || !batch->over) {
    if (wr_room_for_command(batch, stream)) return WR_STEP_BLOCKED;
    enum wr_step step = batch->begun ? WR_STEP_DONE : wr_batch_begin(batch, stream, drain);
    if (step != WR_STEP_DONE) return step;
    if (!batch->begun) break;
    if (wr_room_for_routine(batch, stream, batch->begun, drain)) return WR_STEP_BLOCKED;
    if (!run_charged(batch, batch->begun, stream)) return WR_STEP_BLOCKED;
    batch->begun = NULL;
    if (!batch->over && wr_drain_stop(drain)) return WR_STEP_YIELD;
  }
  struct wr_request *request = batch->work.request;
  struct wr_submission *submission = batch->submission;
  struct wr_stream *its = batch->stream;
  enum wr_step step = end_batch(batch, stream);
  if (step != WR_STEP_DONE) return step;
  wr_stream_release(its); /* never the last: the drainer has one */
  wr_request_release(request);
  wr_submission_release(submission);
  return step;
}

enum wr_step wr_batch_run(struct wr_task *task, struct wr_stream *stream, struct wr_drain *drain) {
  struct wr_batch *batch = WR_CONTAINER_OF(task, struct wr_batch, task);
  if (batch->work.request) return run_requested(batch, stream, drain);
  while (batch->next < batch->count) {
    struct wr_node *node = batch->nodes[batch->next];
    if (!inputs_ready(node, stream)) return WR_STEP_BLOCKED;
    if (wr_room_for_command(batch, stream)) return WR_STEP_BLOCKED;
    if (wr_room_for_routine(batch, stream, node, drain)) return WR_STEP_BLOCKED;
    if (!run_next(batch, node, stream)) return WR_STEP_BLOCKED;
    batch->next++;
    if (batch->next < batch->count && wr_drain_stop(drain)) return WR_STEP_YIELD;
  }
  return end_batch(batch, stream);
}
