/* Transfers between memories: see transfer.h. A copy covers the span from the lowest to the highest
   element of the array in its buffer, so strides stay as they are. */

#include "graph/transfer.h"

#include <string.h>

/* The device whose memory this is; false for the host's and for memory of the user's. */
static bool device_of(const struct wr_memory *memory, struct wr_device *device) {
  for (int type = 0; memory && type < WR_DEVICE_TYPE_COUNT; type++) {
    const struct wr_backend *backend = wr_backend_for((enum wr_device_type)type);
    for (int i = 0; backend && i < WR_DEVICE_INDICES; i++) {
      if (backend->memory(i) != memory) continue;
      *device = (struct wr_device){.type = (enum wr_device_type)type, .index = i};
      return !wr_memory_host_visible(memory);
    }
  }
  return false;
}

static bool host_sees(const struct wr_memory *memory) {
  return !memory || wr_memory_host_visible(memory);
}

bool wr_needs_transfer(const struct wr_buffer *buffer, const struct wr_memory *memory) {
  return buffer->memory != memory && !(host_sees(buffer->memory) && host_sees(memory));
}

/* The span of elements that a non-empty node touches: [*low, *low + *count). */
static void span(const struct wr_node *node, int64_t *low, int64_t *count) {
  int64_t first = node->offset;
  int64_t last = node->offset;
  for (int i = 0; i < node->ndim; i++) {
    int64_t reach = (node->shape[i] - 1) * node->strides[i];
    if (reach < 0) {
      first += reach;
    } else {
      last += reach;
    }
  }
  *low = first;
  *count = last - first + 1;
}

static struct wr_error *copy_to_host(const struct wr_buffer *from, size_t start, void *to,
                                     size_t bytes) {
  struct wr_device device;
  const char *data = (const char *)from->data + start;
  if (!device_of(from->memory, &device)) {
    memcpy(to, data, bytes);
    return NULL;
  }
  return wr_backend_for(device.type)->read(device.index, to, data, bytes);
}

static struct wr_error *copy_from_host(struct wr_buffer *to, const void *from, size_t bytes) {
  struct wr_device device;
  if (!device_of(to->memory, &device)) {
    memcpy(to->data, from, bytes);
    return NULL;
  }
  return wr_backend_for(device.type)->write(device.index, to->data, from, bytes);
}

/* From one device of a backend to another, where it has a way; *copied says whether it had. */
static struct wr_error *copy_to_peer(const struct wr_buffer *from, size_t start,
                                     struct wr_buffer *to, size_t bytes, bool *copied) {
  struct wr_device source, target;
  *copied = false;
  if (!device_of(from->memory, &source) || !device_of(to->memory, &target)) return NULL;
  const struct wr_backend *backend = wr_backend_for(source.type);
  if (source.type != target.type || !backend->copy) return NULL;
  *copied = true;
  return backend->copy(target.index, to->data, source.index, (const char *)from->data + start,
                       bytes);
}

/* Between devices that know no other way the bytes go through the host. */
static struct wr_error *copy_bytes(const struct wr_buffer *from, size_t start, struct wr_buffer *to,
                                   size_t bytes) {
  struct wr_buffer *host;
  if (bytes == 0) return NULL;
  if (host_sees(to->memory)) return copy_to_host(from, start, to->data, bytes);
  if (host_sees(from->memory)) return copy_from_host(to, (char *)from->data + start, bytes);
  bool copied;
  struct wr_error *error = copy_to_peer(from, start, to, bytes, &copied);
  if (error || copied) return error;
  error = wr_buffer_alloc(wr_memory_host(), bytes, &host);
  if (error) return error;
  error = copy_to_host(from, start, host->data, bytes);
  if (!error) error = copy_from_host(to, host->data, bytes);
  wr_buffer_release(host);
  return error;
}

/* A copy in `memory` of what the node covers; element 0 is at *offset of it. */
static struct wr_error *copy_span(const struct wr_node *node, struct wr_memory *memory,
                                  struct wr_buffer **out, int64_t *offset) {
  size_t item = wr_dtype_size((enum wr_dtype)node->dtype);
  int64_t low = node->offset;
  int64_t count = 0;
  if (node->size > 0) span(node, &low, &count);
  struct wr_error *error = wr_buffer_alloc(memory, (size_t)count * item, out);
  if (error) return error;
  *offset = node->offset - low;
  error = copy_bytes(node->buffer, (size_t)low * item, *out, (size_t)count * item);
  if (error) wr_buffer_release(*out);
  return error;
}

/* The copy that the node has in this memory, or NULL. */
static struct wr_buffer *known_copy(struct wr_node *node, const struct wr_memory *memory) {
  /* Acquire: the bytes behind the pointer. */
  struct wr_buffer *copy = wr_load_acquire(&node->device_copy);
  return copy && copy->memory == memory ? copy : NULL;
}

struct wr_error *wr_stage(struct wr_node *node, struct wr_memory *memory, struct wr_staged *staged,
                          struct wr_buffer **buffer, int64_t *offset) {
  *buffer = known_copy(node, memory);
  if (*buffer) {
    int64_t low = node->offset, count;
    if (node->size > 0) span(node, &low, &count);
    *offset = node->offset - low;
    return NULL;
  }
  struct wr_error *error = copy_span(node, memory, buffer, offset);
  if (error) return error;
  void *none = NULL;
  if (!wr_memory_host_visible(memory) &&
      wr_cas_acq_rel(&node->device_copy, &none, (void *)*buffer)) {
    return NULL;
  }
  if (wr_ptrs_push(&staged->buffers, *buffer)) return NULL;
  wr_buffer_release(*buffer);
  return wr_error_out_of_memory();
}

void wr_staged_release(struct wr_staged *staged) {
  for (size_t i = 0; i < staged->buffers.count; i++) wr_buffer_release(staged->buffers.items[i]);
  wr_ptrs_free(&staged->buffers);
}

/* ---- values for the host ---- */

/* The host's copy, made once: of threads that race, one publishes its copy and the others drop
   theirs. */
static struct wr_error *host_copy(struct wr_node *node, const char **data) {
  void *copy = wr_load_acquire(&node->host_copy); /* acquire: the bytes behind the pointer */
  if (!copy) {
    struct wr_buffer *made;
    int64_t offset;
    struct wr_error *error = copy_span(node, wr_memory_host(), &made, &offset);
    if (error) return error;
    if (wr_cas_acq_rel(&node->host_copy, &copy, (void *)made)) {
      copy = made;
    } else {
      wr_buffer_release(made);
    }
  }
  *data = ((struct wr_buffer *)copy)->data;
  return NULL;
}

struct wr_error *wr_node_host_data(struct wr_node *node, const void **data) {
  struct wr_error *error = wr_node_wait(node);
  if (error) return error;
  int64_t offset = node->offset;
  const char *base = node->buffer->data;
  if (!host_sees(node->buffer->memory)) {
    int64_t low = node->offset;
    int64_t count = 0;
    if (node->size > 0) span(node, &low, &count);
    offset -= low;
    error = host_copy(node, &base);
    if (error) return error;
  }
  *data = base ? base + offset * (int64_t)wr_dtype_size((enum wr_dtype)node->dtype) : NULL;
  return NULL;
}
