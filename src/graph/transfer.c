/* Transfers between memories: see transfer.h. What is copied of an array is the span of its buffer
   from its lowest element to its highest, so the copy has the array's strides. No locks. */

#include "graph/transfer.h"

#include <string.h>

static bool host_sees(const struct wr_memory *memory) {
  return !memory || wr_memory_host_visible(memory);
}

bool wr_needs_transfer(const struct wr_buffer *buffer, const struct wr_memory *memory) {
  return buffer->memory != memory && !(host_sees(buffer->memory) && host_sees(memory));
}

/* The span of elements that the node touches: [*low, *low + *count). */
static void span(const struct wr_node *node, int64_t *low, int64_t *count) {
  int64_t first = node->offset;
  int64_t last = node->offset;
  *low = first;
  *count = 0;
  if (node->size == 0) return;
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
  const char *data = (const char *)from->data + start;
  if (host_sees(from->memory)) {
    memcpy(to, data, bytes);
    return NULL;
  }
  const struct wr_device device = wr_memory_device(from->memory);
  return wr_backend_for(device.type)->read(device.index, to, data, bytes);
}

static struct wr_error *copy_from_host(struct wr_buffer *to, const void *from, size_t bytes) {
  if (host_sees(to->memory)) {
    memcpy(to->data, from, bytes);
    return NULL;
  }
  const struct wr_device device = wr_memory_device(to->memory);
  return wr_backend_for(device.type)->write(device.index, to->data, from, bytes);
}

/* From one device of a backend to another, where the backend can; *copied says whether it could. */
static struct wr_error *copy_to_peer(const struct wr_buffer *from, size_t start,
                                     struct wr_buffer *to, size_t bytes, bool *copied) {
  const struct wr_device source = wr_memory_device(from->memory);
  const struct wr_device target = wr_memory_device(to->memory);
  const struct wr_backend *backend = wr_backend_for(source.type);
  *copied = source.type == target.type && backend->copy;
  if (!*copied) return NULL;
  return backend->copy(target.index, to->data, source.index, (const char *)from->data + start,
                       bytes);
}

/* Between devices that cannot copy to each other the bytes go through the host. */
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

/* Makes a buffer in `memory` for the node's span, which is *bytes bytes from *start on in the
   node's own buffer. In the new one element 0 is element *offset. */
static struct wr_error *buffer_for_span(const struct wr_node *node, struct wr_memory *memory,
                                        struct wr_buffer **out, int64_t *offset, size_t *start,
                                        size_t *bytes) {
  const size_t item = wr_dtype_size((enum wr_dtype)node->dtype);
  int64_t low, count;
  span(node, &low, &count);
  *offset = node->offset - low;
  *start = (size_t)low * item;
  *bytes = (size_t)count * item;
  return wr_buffer_alloc(memory, *bytes, out);
}

/* ---- to a device ----

   A few bytes are uploaded by a command of the stream that needs them first. Until that command is
   over, only commands that are encoded on the same stream afterwards may read the copy: its
   buffer's `only_on` is the stream's id then. Another stream that needs the array meanwhile makes a
   copy of its own. When the command is over, `only_on` is EVERYWHERE; if it failed, NOWHERE, so
   that nobody uses the copy any more, and commands that had been encoded in between fail as they
   end. Neither is ever a stream's id. */

#define EVERYWHERE UINT64_MAX
#define NOWHERE (UINT64_MAX - 1)

struct upload {
  struct wr_completion_hook hook;
  struct wr_buffer *buffer; /* one reference */
};

static void upload_over(struct wr_completion_hook *hook, struct wr_error *error) {
  struct upload *u = WR_CONTAINER_OF(hook, struct upload, hook);
  /* Release: whoever reads EVERYWHERE may read the bytes, on any stream. */
  wr_store_release(&u->buffer->only_on, error ? NOWHERE : EVERYWHERE);
  wr_error_release(error);
  wr_buffer_release(u->buffer);
  wr_free(u);
}

static bool upload(struct wr_buffer *to, const void *from, size_t bytes, struct wr_stream *stream) {
  const struct wr_async_device *async = wr_stream_backend(stream)->async;
  struct wr_error *error = NULL;
  if (!async || !async->encode_upload || bytes == 0 || bytes > WR_UPLOAD_BYTES) return false;
  struct upload *u = wr_alloc(sizeof *u);
  if (!u) return false;
  *u = (struct upload){.hook = {.fn = upload_over}, .buffer = wr_buffer_retain(to)};
  wr_store_relaxed(&to->only_on, wr_stream_id(stream)); /* relaxed: not yet shared */
  if (async->encode_upload(wr_stream_encoder(stream), to->data, from, bytes, &u->hook, &error) ==
      WR_ENCODE_PENDING) {
    return true;
  }
  wr_error_release(error);
  wr_buffer_release(to);
  wr_free(u);
  return false;
}

/* A new copy of the node's span, for commands that are encoded on the stream from now on. */
static struct wr_error *copy_to_device(const struct wr_node *node, struct wr_memory *memory,
                                       struct wr_stream *stream, struct wr_buffer **out,
                                       int64_t *offset) {
  const struct wr_async_device *async = wr_stream_backend(stream)->async;
  const struct wr_buffer *from = node->buffer;
  size_t start, bytes;
  struct wr_error *error = buffer_for_span(node, memory, out, offset, &start, &bytes);
  if (error) return error;
  if (host_sees(from->memory) && upload(*out, (char *)from->data + start, bytes, stream)) {
    return NULL;
  }
  wr_store_relaxed(&(*out)->only_on, EVERYWHERE);     /* relaxed: not yet shared */
  if (async) async->flush(wr_stream_encoder(stream)); /* the copy below may take long */
  error = copy_bytes(from, start, *out, bytes);
  if (error) wr_buffer_release(*out);
  return error;
}

/* The copy that the node has in this memory already, if commands of the stream may read it; else
   NULL. */
static struct wr_buffer *known_copy(struct wr_node *node, const struct wr_memory *memory,
                                    uint64_t stream) {
  /* Acquire: the bytes behind the pointer. */
  struct wr_buffer *copy = wr_load_acquire(&node->device_copy);
  if (!copy || copy->memory != memory) return NULL;
  uint64_t on = wr_load_acquire(&copy->only_on); /* acquire: the upload was over before */
  return on == EVERYWHERE || on == stream ? copy : NULL;
}

/* Takes the reference. */
static struct wr_error *keep(struct wr_staged *staged, struct wr_buffer *buffer) {
  if (wr_ptrs_push(&staged->buffers, buffer)) return NULL;
  wr_buffer_release(buffer);
  return wr_error_out_of_memory();
}

struct wr_error *wr_stage(struct wr_node *node, struct wr_stream *stream, struct wr_staged *staged,
                          struct wr_buffer **buffer, int64_t *offset) {
  const struct wr_device device = wr_stream_device(stream);
  struct wr_memory *memory = wr_stream_backend(stream)->memory(device.index);
  *buffer = known_copy(node, memory, wr_stream_id(stream));
  if (*buffer) {
    int64_t low, count;
    span(node, &low, &count);
    *offset = node->offset - low;
  } else {
    struct wr_error *error = copy_to_device(node, memory, stream, buffer, offset);
    if (error) return error;
    void *none = NULL;
    if (wr_memory_host_visible(memory) ||
        !wr_cas_acq_rel(&node->device_copy, &none, (void *)*buffer)) {
      return keep(staged, *buffer);
    }
  }
  /* The node has the copy. If an upload is under way, `staged` keeps it too: wr_staged_failure asks
     for it when the command is over. */
  if (wr_load_relaxed(&(*buffer)->only_on) == EVERYWHERE) return NULL;
  return keep(staged, wr_buffer_retain(*buffer));
}

/* The upload was encoded before the command, on the same stream, so it is over too. Acquire: pairs
   with upload_over. */
struct wr_error *wr_staged_failure(const struct wr_staged *staged) {
  for (size_t i = 0; i < staged->buffers.count; i++) {
    struct wr_buffer *buffer = staged->buffers.items[i];
    if (wr_load_acquire(&buffer->only_on) == NOWHERE) {
      return wr_error_new(WEIR_ERROR_DEVICE, "an input did not reach the device");
    }
  }
  return NULL;
}

void wr_staged_release(struct wr_staged *staged) {
  for (size_t i = 0; i < staged->buffers.count; i++) wr_buffer_release(staged->buffers.items[i]);
  wr_ptrs_free(&staged->buffers);
}

/* ---- values for the host ---- */

/* Where several threads have made a copy, the node keeps the first; the others are dropped. */
static const struct wr_buffer *keep_host_copy(struct wr_node *node, struct wr_buffer *made) {
  void *copy = NULL;
  if (wr_cas_acq_rel(&node->host_copy, &copy, (void *)made)) return made;
  wr_buffer_release(made);
  return copy;
}

static struct wr_error *host_copy(struct wr_node *node, const char **data) {
  /* Acquire: the bytes behind the pointer. */
  const struct wr_buffer *copy = wr_load_acquire(&node->host_copy);
  if (!copy) {
    struct wr_buffer *made;
    int64_t offset;
    size_t start, bytes;
    struct wr_error *error =
        buffer_for_span(node, wr_memory_host(), &made, &offset, &start, &bytes);
    if (error) return error;
    error = copy_bytes(node->buffer, start, made, bytes);
    if (error) {
      wr_buffer_release(made);
      return error;
    }
    copy = keep_host_copy(node, made);
  }
  *data = copy->data;
  return NULL;
}

/* Counted: one reference is the caller's, and one the batch's, which drops it as the completion is
   over. */
struct wr_download {
  struct wr_completion_hook hook;
  struct wr_completion completion;
  wr_atomic_u32 refs;     /* atomic ACQ_REL */
  struct wr_node *node;   /* immutable after publish; the caller's reference outlives its use */
  struct wr_buffer *host; /* immutable after publish; one reference */
  bool came;              /* written before the completion is over */
};

static void download_release(struct wr_download *d) {
  if (!wr_ref_drop(&d->refs)) return;
  wr_buffer_release(d->host);
  wr_free(d);
}

static void download_finish(struct wr_download *d, bool came) {
  d->came = came;
  (void)wr_completion_finish(&d->completion, WR_PHASE_DONE);
  download_release(d);
}

static void download_over(struct wr_completion_hook *hook, struct wr_error *error) {
  download_finish(WR_CONTAINER_OF(hook, struct wr_download, hook), !error);
  wr_error_release(error);
}

struct wr_download *wr_download_new(struct wr_node *node, const struct wr_stream *stream) {
  int64_t low, count, offset;
  size_t start, bytes;
  const struct wr_async_device *async = wr_stream_backend(stream)->async;
  if (!async || !async->encode_download || node->size == 0) return NULL;
  span(node, &low, &count);
  if (count > WR_DOWNLOAD_BYTES / (int64_t)wr_dtype_size((enum wr_dtype)node->dtype)) return NULL;
  struct wr_download *d = wr_alloc(sizeof *d);
  if (!d) return NULL;
  *d = (struct wr_download){.hook = {.fn = download_over}, .node = node};
  wr_error_release(buffer_for_span(node, wr_memory_host(), &d->host, &offset, &start, &bytes));
  if (!d->host) {
    wr_free(d);
    return NULL;
  }
  wr_store_relaxed(&d->refs, 2u); /* relaxed: not yet shared */
  wr_completion_init(&d->completion, WR_PHASE_SUBMITTED);
  return d;
}

/* False where there is nothing to download: the node failed, or it is a view of bytes that lie on
   the host. */
static bool lies_on_device(const struct wr_node *node, const struct wr_stream *stream) {
  const struct wr_device device = wr_stream_device(stream);
  return wr_completion_phase(&node->completion) != WR_PHASE_FAILED &&
         node->buffer->memory == wr_stream_backend(stream)->memory(device.index);
}

void wr_download_run(struct wr_download *d, struct wr_stream *stream) {
  const struct wr_node *node = d->node;
  struct wr_error *error = NULL;
  bool pending = false;
  if (lies_on_device(node, stream)) {
    const size_t item = wr_dtype_size((enum wr_dtype)node->dtype);
    int64_t low, count;
    span(node, &low, &count);
    pending = wr_stream_backend(stream)->async->encode_download(
                  wr_stream_encoder(stream), d->host->data,
                  (const char *)node->buffer->data + low * (int64_t)item, (size_t)count * item,
                  &d->hook, &error) == WR_ENCODE_PENDING;
  }
  wr_error_release(error);
  if (!pending) download_finish(d, false);
}

void wr_download_refuse(struct wr_download *d) { download_finish(d, false); }

void wr_download_end(struct wr_download *d, struct wr_stream *stream) {
  wr_stream_help(stream, &d->completion);
  if (d->came) (void)keep_host_copy(d->node, wr_buffer_retain(d->host));
  download_release(d);
}

struct wr_error *wr_node_host_data(struct wr_node *node, const void **data) {
  struct wr_error *error = wr_node_force_for_host(node);
  if (error) return error;
  int64_t offset = node->offset;
  const char *base = node->buffer->data;
  if (!host_sees(node->buffer->memory)) {
    int64_t low, count;
    span(node, &low, &count);
    offset -= low;
    error = host_copy(node, &base);
    if (error) return error;
  }
  *data = base + offset * (int64_t)wr_dtype_size((enum wr_dtype)node->dtype);
  return NULL;
}
