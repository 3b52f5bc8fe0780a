/* Saving gguf, version 3, as MLX writes it: metadata, then descriptions of tensors, then the data,
   each at a multiple of 32 bytes, or of what the metadata say. Arrays of the metadata come as they
   were read: struct wr_gguf_value. No locks. */

#include <string.h>

#include "base/base.h"
#include "base/bytes.h"
#include "io/io.h"

enum { VALUE_TEXT = 8, VALUE_ARRAY = 9 };

static void add_u32(struct wr_bytes *b, uint32_t x) { wr_bytes_add(b, &x, sizeof x); }
static void add_u64(struct wr_bytes *b, uint64_t x) { wr_bytes_add(b, &x, sizeof x); }

static void add_text(struct wr_bytes *b, const char *text) {
  size_t n = strlen(text);
  add_u64(b, n);
  wr_bytes_add(b, text, n);
}

static const char zeros[4096];

/* How many bytes there are up to the next multiple. */
static uint64_t padding(uint64_t bytes, uint64_t alignment) {
  return (alignment - bytes % alignment) % alignment;
}

static void add_padding(struct wr_bytes *b, uint64_t alignment) {
  for (uint64_t left = padding(b->n, alignment); left > 0 && !b->refused;) {
    size_t n = left < sizeof zeros ? (size_t)left : sizeof zeros;
    wr_bytes_add(b, zeros, n);
    left -= n;
  }
}

/* ---- metadata ---- */

static void add_texts(struct wr_bytes *b, const struct wr_gguf_value *value) {
  const char *text = (const char *)value->data;
  for (size_t i = 0; i < value->count; i++) {
    add_text(b, text);
    text += strlen(text) + 1;
  }
}

static struct wr_error *add_value(struct wr_bytes *b, const struct wr_gguf_value *value) {
  uint32_t type;
  if (value->kind == WR_GGUF_TEXT) {
    add_u32(b, VALUE_TEXT);
    add_texts(b, value);
    return NULL;
  }
  if (value->kind == WR_GGUF_TEXTS) {
    type = VALUE_TEXT;
  } else if (!wr_gguf_value_type(value->dtype, &type)) {
    return wr_error_new(WEIR_ERROR_UNSUPPORTED,
                        "[save_gguf] array type %s not support for metadata.",
                        wr_dtype_name(value->dtype));
  }
  if (!value->scalar) {
    add_u32(b, VALUE_ARRAY);
    add_u32(b, type);
    add_u64(b, value->count);
  } else {
    add_u32(b, type);
  }
  if (value->kind == WR_GGUF_TEXTS) {
    add_texts(b, value);
  } else {
    wr_bytes_add(b, value->data, value->count * wr_dtype_size(value->dtype));
  }
  return NULL;
}

/* ---- tensors ---- */

static size_t bytes_of(const struct wr_node *node) {
  return (size_t)wr_node_size(node) * wr_dtype_size(wr_node_dtype(node));
}

static struct wr_error *add_tensor(struct wr_bytes *b, const char *name, const struct wr_node *node,
                                   uint64_t offset) {
  uint32_t type;
  int ndim = wr_node_ndim(node);
  if (!wr_gguf_tensor_type(wr_node_dtype(node), &type)) {
    return wr_error_new(WEIR_ERROR_UNSUPPORTED, "[save_gguf] dtype %s is not supported",
                        wr_dtype_name(wr_node_dtype(node)));
  }
  add_text(b, name);
  add_u32(b, (uint32_t)ndim);
  for (int i = ndim - 1; i >= 0; i--) add_u64(b, (uint64_t)wr_node_shape(node)[i]);
  add_u32(b, type);
  add_u64(b, offset);
  return NULL;
}

static struct wr_error *make_header(struct wr_bytes *b, const struct wr_map *arrays,
                                    const struct wr_map *metadata, uint64_t alignment) {
  struct wr_error *error = NULL;
  uint64_t offset = 0;
  wr_bytes_add(b, "GGUF", 4);
  add_u32(b, 3);
  add_u64(b, arrays->count);
  add_u64(b, metadata->count);
  for (size_t i = 0; i < metadata->count && !error; i++) {
    add_text(b, metadata->entries[i].key);
    error = add_value(b, metadata->entries[i].value);
  }
  for (size_t i = 0; i < arrays->count && !error; i++) {
    const struct wr_node *node = arrays->entries[i].value;
    error = add_tensor(b, arrays->entries[i].key, node, offset);
    offset += bytes_of(node) + padding(bytes_of(node), alignment);
  }
  if (arrays->count) add_padding(b, alignment);
  return error || !b->refused ? error : wr_error_out_of_memory();
}

static struct wr_error *write_padding(struct wr_writer *writer, size_t bytes, uint64_t alignment) {
  struct wr_error *error = NULL;
  for (uint64_t left = padding(bytes, alignment); left > 0 && !error;) {
    size_t n = left < sizeof zeros ? (size_t)left : sizeof zeros;
    error = writer->write(writer, zeros, n);
    left -= n;
  }
  return error;
}

static struct wr_error *find_alignment(const struct wr_map *metadata, uint64_t *alignment) {
  void **place = wr_map_find(metadata, "general.alignment");
  if (wr_gguf_alignment(place ? *place : NULL, alignment)) return NULL;
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                      "[save_gguf] general.alignment is no power of two up to 2^20");
}

struct wr_error *wr_save_gguf(struct wr_writer *writer, const struct wr_map *arrays,
                              const struct wr_map *metadata, struct wr_stream *stream) {
  struct wr_bytes header = {0};
  struct wr_node **nodes = NULL;
  uint64_t alignment;
  struct wr_error *error = find_alignment(metadata, &alignment);
  if (!error) error = make_header(&header, arrays, metadata, alignment);
  if (!error) error = wr_save_prepare(&nodes, arrays, stream);
  if (!error) error = writer->write(writer, header.data, header.n);
  for (size_t i = 0; i < arrays->count && !error; i++) {
    error = wr_save_data(writer, nodes[i]);
    if (!error && i + 1 < arrays->count)
      error = write_padding(writer, bytes_of(nodes[i]), alignment);
  }
  wr_save_release(nodes, arrays->count);
  wr_free(header.data);
  return error;
}
