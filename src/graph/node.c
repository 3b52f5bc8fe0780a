/* Nodes: recording, reference counts, handles, and what can be read without forcing. Recording is
   one allocation. Takes no lock. */

#include "graph/node.h"

#include <string.h>

#include "graph/internal.h"
#include "graph/trace.h"

/* ---- making ---- */

enum { EDGES_WORDS = sizeof(struct wr_edges) / sizeof(int64_t) };

static size_t shape_words(int ndim) { return ((size_t)ndim * sizeof(int32_t) + 7) / 8; }

/* Behind the shape of a node with several results: what each is, then their shapes. */
static size_t parts_words(const struct wr_record *r) {
  size_t words = (size_t)r->n_parts * (sizeof(struct wr_part) / 8);
  for (int i = 0; i < r->n_parts; i++) words += shape_words(r->parts[i].ndim);
  return words;
}

/* The tail: strides, edges, params (padded to 8), shape (the same), parts. 0: there are too many
   parts. */
static size_t tail_words(const struct wr_record *r) {
  const size_t params = (r->params_bytes + 7) / 8;
  const size_t words =
      (size_t)r->ndim + EDGES_WORDS + (size_t)r->n_in + params + shape_words(r->ndim);
  WR_ASSERT(r->ndim <= WR_MAX_NDIM && r->n_in >= 0);
  if (r->n_parts == 0) return words;
  return r->n_parts > 0 && r->n_parts <= UINT16_MAX ? words + parts_words(r) : 0;
}

_Static_assert(sizeof(struct wr_part) % 8 == 0, "parts stand in the same words");
_Static_assert(sizeof(void *) == sizeof(int64_t) && sizeof(struct wr_edges) == sizeof(int64_t),
               "edges stand in the 8-byte words of the tail");

static void copy_parts(struct wr_node *node, const struct wr_record *r) {
  struct wr_part *parts =
      (struct wr_part *)(void *)((int64_t *)(void *)(uintptr_t)node->shape + shape_words(r->ndim));
  int64_t *at = (int64_t *)(void *)(parts + r->n_parts);
  node->n_parts = (uint16_t)r->n_parts;
  for (int i = 0; i < r->n_parts; i++) {
    const size_t bytes = (size_t)r->parts[i].ndim * sizeof(int32_t);
    parts[i] = r->parts[i];
    parts[i].shape = (const int32_t *)(void *)at;
    if (bytes) memcpy(at, r->parts[i].shape, bytes);
    at += shape_words(r->parts[i].ndim);
  }
}

/* Of the few extents that most shapes have, in less time than a call of memcpy takes. */
static void copy_shape(int32_t *to, const int32_t *shape, int ndim) {
  if (ndim > 4) {
    memcpy(to, shape, (size_t)ndim * sizeof *to);
    return;
  }
  for (int i = ndim; i-- > 0;) to[i] = shape[i];
}

/* Returns the marks that come from the inputs. */
static unsigned lay_out_tail(struct wr_node *node, const struct wr_record *r) {
  struct wr_edges *edges = (struct wr_edges *)(void *)(node->strides + r->ndim);
  const int n_in = r->n_in;
  unsigned marks = 0;
  *edges = (struct wr_edges){.n = (uint32_t)n_in};
  for (int i = 0; i < n_in; i++) {
    struct wr_node *in = r->in[i];
    edges->in[i] = wr_node_retain(in);
    marks |= in->marks;
  }
  wr_store_relaxed(&node->edges, edges); /* relaxed: not yet shared */
  int64_t *at = node->strides + r->ndim + EDGES_WORDS + n_in;
  node->params = at;
  if (r->params_bytes) memcpy(at, r->params, r->params_bytes);
  at += (r->params_bytes + 7) / 8;
  node->shape = (const int32_t *)(void *)at;
  copy_shape((int32_t *)(void *)at, r->shape, r->ndim);
  if (r->n_parts) copy_parts(node, r);
  return marks & WR_NODE_STANDS_IN;
}

/* Whether it is the shape of the first input, as that node has it: then it has been checked. */
static bool is_inputs_shape(const struct wr_record *r) {
  return r->n_in > 0 && r->shape == r->in[0]->shape && r->ndim == r->in[0]->ndim;
}

static struct wr_error *check_record(const struct wr_record *r, int64_t *size) {
  if (r->ndim < 0 || r->ndim > WR_MAX_NDIM) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "%s: %d dimensions; arrays have 0 to %d",
                        wr_op_info(r->op)->name, r->ndim, WR_MAX_NDIM);
  }
  if (wr_shape_size(r->shape, r->ndim, size)) return NULL;
  char text[256];
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "%s: shape %s is negative or too large",
                      wr_op_info(r->op)->name,
                      wr_shape_format(r->shape, r->ndim, text, (int)sizeof text));
}

/* As each begins; copied whole, which takes half of the time of clearing it and storing these. */
static const struct wr_node fresh = {.own = {.kind = {WR_HANDLE_NONE}, .refs = 1},
                                     .completion = {.state = WR_PHASE_LAZY}};

/* A node without strides yet; holds references to inputs and stream. */
static struct wr_error *node_new(struct wr_node **out, const struct wr_record *r, bool dense) {
  int64_t size;
  if (is_inputs_shape(r)) {
    size = r->in[0]->size;
  } else {
    struct wr_error *error = check_record(r, &size);
    if (error) return error;
  }
  const size_t words = tail_words(r);
  struct wr_node *node = words ? wr_alloc(sizeof *node + words * sizeof(int64_t)) : NULL;
  if (!node) return wr_error_out_of_memory();
  memcpy(node, &fresh, sizeof fresh);
  node->own.node = node;
  node->op = (uint16_t)r->op;
  node->dtype = (uint8_t)r->dtype;
  node->ndim = (uint8_t)r->ndim;
  node->size = size;
  unsigned marks = lay_out_tail(node, r) | (dense ? WR_NODE_DENSE : 0);
  if (r->op == WR_OP_PLACEHOLDER) marks |= WR_NODE_STANDS_IN;
  if (r->stream) {
    struct wr_device device = wr_stream_device(r->stream);
    node->stream = wr_stream_retain(r->stream);
    node->stream_id = wr_stream_id(r->stream);
    node->device_index = (uint8_t)device.index;
    if (device.type == WR_DEVICE_GPU) marks |= WR_NODE_ON_GPU;
  }
  node->marks = (uint8_t)marks;
  *out = node;
  return NULL;
}

static struct wr_error *note(struct wr_node **out, struct wr_node *node,
                             const struct wr_record *record) {
  struct wr_error *error = wr_trace_note(node, record);
  if (error) {
    wr_node_release(node);
  } else {
    *out = node;
  }
  return error;
}

/* What is made of nothing is constant to a transform. */
static inline struct wr_error *finish(struct wr_node **out, struct wr_node *node,
                                      const struct wr_record *record) {
  if (wr_trace_current() && record->n_in > 0) return note(out, node, record);
  *out = node;
  return NULL;
}

struct wr_error *wr_node_record(struct wr_node **out, const struct wr_record *record) {
  struct wr_node *node = NULL;
  struct wr_error *error = node_new(&node, record, true);
  if (error) return error;
  wr_shape_row_strides(node->shape, node->ndim, node->strides);
  return finish(out, node, record);
}

/* As if fuse.c had made it, of a node that nobody else has seen: the references go over. */
static bool become_group(struct wr_node *node, const struct wr_group_step *steps, uint32_t n) {
  struct wr_edges *own = wr_own_edges(node);
  struct wr_edges *group =
      wr_alloc(sizeof *group + own->n * sizeof group->in[0] + n * sizeof *steps);
  if (!group) return false;
  *group = (struct wr_edges){.n = own->n, .n_steps = n};
  for (uint32_t i = 0; i < own->n; i++) group->in[i] = own->in[i];
  memcpy(wr_group_steps(group), steps, n * sizeof *steps);
  own->n = 0;
  wr_store_relaxed(&node->edges, group); /* relaxed: not yet shared */
  return true;
}

struct wr_error *wr_node_record_group(struct wr_node **out, const struct wr_record *record,
                                      const struct wr_group_step *steps, int n_steps) {
  struct wr_node *node = NULL;
  struct wr_error *error = wr_node_record(&node, record);
  if (error) return error;
  if (!become_group(node, steps, (uint32_t)n_steps)) {
    wr_node_release(node);
    return wr_error_out_of_memory();
  }
  *out = node;
  return NULL;
}

struct wr_error *wr_node_view(struct wr_node **out, const struct wr_record *record,
                              const int64_t *strides, int64_t offset) {
  struct wr_node *node = NULL;
  struct wr_error *error = node_new(&node, record, false);
  if (error) return error;
  if (record->ndim) memcpy(node->strides, strides, (size_t)record->ndim * sizeof *strides);
  node->offset = offset;
  if (wr_shape_is_row_contiguous(record->shape, strides, record->ndim)) {
    node->marks |= WR_NODE_DENSE;
  }
  return finish(out, node, record);
}

/* A node that has its value: takes the buffer's reference. */
static struct wr_error *node_with_value(struct wr_node **out, int ndim, const int32_t *shape,
                                        enum wr_dtype dtype, struct wr_buffer *buffer) {
  struct wr_record record = {.op = WR_OP_DATA, .dtype = dtype, .ndim = ndim, .shape = shape};
  struct wr_error *error = wr_node_record(out, &record);
  if (error) return error;
  (*out)->buffer = buffer;
  wr_completion_init(&(*out)->completion, WR_PHASE_DONE);
  return NULL;
}

struct wr_error *wr_node_placeholder(struct wr_node **out, int ndim, const int32_t *shape,
                                     enum wr_dtype dtype) {
  return wr_node_record(
      out,
      &(struct wr_record){.op = WR_OP_PLACEHOLDER, .dtype = dtype, .ndim = ndim, .shape = shape});
}

static struct wr_error *data_bytes(int ndim, const int32_t *shape, enum wr_dtype dtype,
                                   size_t *bytes) {
  struct wr_record record = {.op = WR_OP_DATA, .dtype = dtype, .ndim = ndim, .shape = shape};
  int64_t size;
  struct wr_error *error = check_record(&record, &size);
  if (!error) *bytes = (size_t)size * wr_dtype_size(dtype);
  return error;
}

/* Kernels count on bools that are 0 or 1; in a caller's memory any other byte is true as well. */
static void copy_data(void *to, const void *from, size_t bytes, enum wr_dtype dtype) {
  if (dtype != WR_BOOL) {
    memcpy(to, from, bytes);
    return;
  }
  const uint8_t *x = from;
  uint8_t *y = to;
  for (size_t i = 0; i < bytes; i++) y[i] = x[i] != 0;
}

struct wr_error *wr_node_from_data(struct wr_node **out, const void *data, int ndim,
                                   const int32_t *shape, enum wr_dtype dtype) {
  size_t bytes;
  struct wr_buffer *buffer;
  struct wr_error *error = data_bytes(ndim, shape, dtype, &bytes);
  if (!error) error = wr_buffer_alloc(wr_memory_host(), bytes, &buffer);
  if (error) return error;
  if (bytes) copy_data(buffer->data, data, bytes, dtype);
  error = node_with_value(out, ndim, shape, dtype, buffer);
  if (error) wr_buffer_release(buffer);
  return error;
}

/* Of an element, in bytes. A complex number is aligned as its parts are. */
static size_t alignment_of(enum wr_dtype dtype) {
  return dtype == WR_COMPLEX64 ? _Alignof(wr_complex64) : wr_dtype_size(dtype);
}

struct wr_error *wr_node_from_managed(struct wr_node **out, void *data, int ndim,
                                      const int32_t *shape, enum wr_dtype dtype, void *payload,
                                      void (*dtor)(void *)) {
  size_t bytes;
  struct wr_error *error = data_bytes(ndim, shape, dtype, &bytes);
  if (error) return error;
  /* Kernels read elements where C lets them lie. */
  if (bytes && (uintptr_t)data % alignment_of(dtype) != 0) {
    error = wr_node_from_data(out, data, ndim, shape, dtype);
    if (!error && dtor) dtor(payload);
    return error;
  }
  struct wr_buffer *buffer;
  error = wr_buffer_wrap(data, bytes, dtor, payload, &buffer);
  if (error) return error;
  error = node_with_value(out, ndim, shape, dtype, buffer);
  if (error) wr_buffer_unwrap(buffer); /* the caller keeps the memory */
  return error;
}

/* ---- references ---- */

/* Drops one reference; a node that it ended goes on the worklist. */
void wr_node_drop_to_list(struct wr_node *node, struct wr_node **list) {
  if (!wr_ref_drop(&node->own.refs)) return;
  node->next_freed = *list;
  *list = node;
}

/* The last reference to the node is gone: frees its block, unless a handle that was moved is still
   in it. A handle is moved before its reference to the node is dropped, so that is seen here.
   Acquire: where the handle has LEFT, its user's last access to the block comes before the block is
   freed. */
static void end_block(struct wr_node *node) {
  uint32_t state = wr_load_acquire(&node->own.kind.word);
  if (state == WR_HANDLE_MOVED &&
      wr_cas_acq_rel(&node->own.kind.word, &state, (uint32_t)WR_HANDLE_ALONE)) {
    return;
  }
  wr_free(node);
}

/* It may be a group: in the child of a fork that the parent made, or recorded as one. */
static void free_listed(struct wr_node *node, struct wr_node **list) {
  struct wr_edges *edges = wr_edges_of(node);
  for (uint32_t i = 0; i < edges->n; i++) wr_node_drop_to_list(edges->in[i], list);
  if (edges->n_steps) wr_free(edges);
  wr_stream_release(node->stream);
  wr_buffer_release(node->buffer);
  /* Relaxed: the last reference is ours. */
  wr_buffer_release(wr_load_relaxed(&node->host_copy));
  wr_buffer_release(wr_load_relaxed(&node->device_copy));
  wr_error_release(node->error);
  end_block(node);
}

/* A worklist instead of recursion: a graph of any depth is freed on a bounded stack (K13). */
void wr_node_free_list(struct wr_node *list) {
  while (list) {
    struct wr_node *node = list;
    list = node->next_freed;
    free_listed(node, &list);
  }
}

void wr_node_release(struct wr_node *node) {
  struct wr_node *list = NULL;
  if (!node) return;
  wr_node_drop_to_list(node, &list);
  if (list) wr_node_free_list(list);
}

/* The pointer is cleared before its reference is dropped, here as everywhere: the child of a fork
   may begin in between, and would drop the reference again. */
static void drop_stream(struct wr_node *node) {
  struct wr_stream *stream = node->stream;
  node->stream = NULL;
  wr_stream_release(stream);
}

void wr_node_forget_stream(struct wr_node *node) { drop_stream(node); }

void wr_node_drop_edges(struct wr_node *node, bool keep_stream) {
  struct wr_node *list = NULL;
  struct wr_edges *edges = wr_edges_of(node), *own = wr_own_edges(node);
  uint32_t n = edges->n;
  own->n = 0;
  wr_store_release(&node->edges, own); /* release: emptied before */
  edges->n = 0;
  for (uint32_t i = 0; i < n; i++) wr_node_drop_to_list(edges->in[i], &list);
  if (list) wr_node_free_list(list);
  if (edges->n_steps) wr_free(edges);
  if (!keep_stream) drop_stream(node);
}

/* One thread at a time can pin the node, and so its stream; others look the stream up by its id. */
struct wr_stream *wr_node_pending_stream(struct wr_node *node) {
  if (!wr_completion_pin(&node->completion)) {
    bool queued = wr_completion_phase(&node->completion) == WR_PHASE_SUBMITTED;
    return queued ? wr_stream_with_id(node->stream_id) : NULL;
  }
  struct wr_stream *stream = wr_stream_retain(node->stream);
  if (wr_completion_unpin(&node->completion)) drop_stream(node); /* finish left it to the pinner */
  return stream;
}

/* ---- handles ---- */

static bool is_state(struct wr_handle *handle, enum wr_handle_state state) {
  return wr_load_relaxed(&handle->kind.word) == (uint32_t)state;
}

static void set_state(struct wr_handle *handle, enum wr_handle_state state) {
  wr_store_relaxed(&handle->kind.word, (uint32_t)state);
}

/* Acquire: whoever had the node's own handle used it last, or moved it, before letting go. */
struct wr_handle *wr_handle_new(struct wr_node *taken) {
  if (wr_load_acquire(&taken->own.refs) == 1u && is_state(&taken->own, WR_HANDLE_NONE)) {
    set_state(&taken->own, WR_HANDLE_OWN);
    return &taken->own;
  }
  struct wr_handle *handle = wr_calloc(sizeof *handle);
  if (!handle) return NULL;
  handle->node = taken;
  set_state(handle, WR_HANDLE_APART);
  return handle;
}

void wr_handle_set(struct wr_handle *handle, struct wr_node *taken) {
  struct wr_node *old = handle->node;
  /* Only once: from then on the end of the old node may change the state, on another thread. */
  if (taken != old && is_state(handle, WR_HANDLE_OWN)) set_state(handle, WR_HANDLE_MOVED);
  handle->node = taken;
  wr_node_release(old);
}

/* A handle that is part of a node ends before the node may. True: the block is left to the caller.
 */
static bool end_handle(struct wr_handle *handle) {
  uint32_t state = wr_load_acquire(&handle->kind.word); /* acquire: ALONE, the node's last use */
  if (state == WR_HANDLE_MOVED &&
      wr_cas_acq_rel(&handle->kind.word, &state, (uint32_t)WR_HANDLE_LEFT)) {
    return false;
  }
  wr_kind_end(&handle->kind);
  return state != WR_HANDLE_OWN;
}

void wr_handle_free(struct wr_handle *handle) {
  struct wr_node *node = handle->node;
  if (end_handle(handle)) wr_free(handle); /* of a node too: it begins with the handle */
  wr_node_release(node);
}

/* ---- reading ---- */

enum wr_op wr_node_op(const struct wr_node *node) { return (enum wr_op)node->op; }
const void *wr_node_params(const struct wr_node *node) { return node->params; }
bool wr_node_stands_in(const struct wr_node *node) { return node->marks & WR_NODE_STANDS_IN; }

struct wr_node *const *wr_node_stand_in_inputs(const struct wr_node *node, int *n) {
  const struct wr_edges *edges = wr_edges_of(node);
  *n = (int)edges->n;
  return edges->in;
}

struct wr_stream *wr_node_stand_in_stream(const struct wr_node *node) {
  return node->stream;
}

bool wr_node_device(const struct wr_node *node, struct wr_device *device) {
  *device = (struct wr_device){node->marks & WR_NODE_ON_GPU ? WR_DEVICE_GPU : WR_DEVICE_CPU,
                               node->device_index};
  return node->stream_id != 0;
}

enum wr_dtype wr_node_dtype(const struct wr_node *node) { return (enum wr_dtype)node->dtype; }
int wr_node_ndim(const struct wr_node *node) { return node->ndim; }
const int32_t *wr_node_shape(const struct wr_node *node) { return node->shape; }
const int64_t *wr_node_strides(const struct wr_node *node) { return node->strides; }
int64_t wr_node_offset(const struct wr_node *node) { return node->offset; }
int64_t wr_node_size(const struct wr_node *node) { return node->size; }
bool wr_node_is_row_contiguous(const struct wr_node *node) { return wr_is_dense(node); }

const struct wr_part *wr_node_parts(const struct wr_node *node, int *n) {
  const int64_t *shape = (const int64_t *)(const void *)node->shape;
  *n = node->n_parts;
  return *n ? (const struct wr_part *)(const void *)(shape + shape_words(node->ndim)) : NULL;
}

const char *wr_node_op_name(const struct wr_node *node) {
  if (node->op != WR_OP_CALL) return wr_op_info(node->op)->name;
  return ((const struct wr_call_params *)node->params)->callee->name;
}

bool wr_node_is_col_contiguous(const struct wr_node *node) {
  return wr_shape_is_col_contiguous(node->shape, node->strides, node->ndim);
}

/* A constant is DONE from the beginning, and its value is in the host's memory. */
const void *wr_node_constant(const struct wr_node *node) {
  return node->op == WR_OP_DATA ? node->buffer->data : NULL;
}

bool wr_node_is_available(const struct wr_node *node) {
  return wr_completion_over(&node->completion);
}
