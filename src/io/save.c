/* Saving npy and safetensors. All is computed and checked before a byte is written. No locks. */

#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "base/bytes.h"
#include "base/json.h"
#include "io/io.h"
#include "ops/ops.h"

/* ---- arrays ---- */

void wr_save_release(struct wr_node **nodes, size_t n) {
  for (size_t i = 0; nodes && i < n; i++) wr_node_release(nodes[i]);
  wr_free(nodes);
}

struct wr_error *wr_save_prepare(struct wr_node ***out, const struct wr_map *arrays,
                                 struct wr_stream *stream) {
  size_t n = arrays->count;
  struct wr_error *error = NULL;
  struct wr_node **nodes = wr_calloc((n + 1) * sizeof *nodes);
  if (!nodes) return wr_error_out_of_memory();
  for (size_t i = 0; i < n && !error; i++) {
    error = wr_ops_contiguous(&nodes[i], arrays->entries[i].value, false, stream);
  }
  if (!error && n) error = wr_eval(nodes, n);
  if (error) {
    wr_save_release(nodes, n);
    nodes = NULL;
  }
  *out = nodes;
  return error;
}

static size_t bytes_of(const struct wr_node *node) {
  return (size_t)wr_node_size(node) * wr_dtype_size(wr_node_dtype(node));
}

struct wr_error *wr_save_data(struct wr_writer *writer, struct wr_node *node) {
  const void *data;
  struct wr_error *error = wr_node_host_data(node, &data);
  return error ? error : writer->write(writer, data, bytes_of(node));
}

static struct wr_error *check_good(struct wr_writer *writer, const char *operation) {
  if (writer->good(writer)) return NULL;
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "[%s] Failed to open %s", operation,
                      writer->label(writer));
}

/* ---- npy ---- */

static struct wr_error *write_npy(struct wr_writer *writer, struct wr_node *node) {
  size_t n;
  bool fortran = wr_node_is_col_contiguous(node);
  char *header =
      wr_npy_header(wr_node_dtype(node), wr_node_ndim(node), wr_node_shape(node), fortran, &n);
  if (!header) return wr_error_out_of_memory();
  struct wr_error *error = check_good(writer, "save");
  if (!error) error = writer->write(writer, header, n);
  if (!error) error = wr_save_data(writer, node);
  wr_free(header);
  return error;
}

struct wr_error *wr_save_npy(struct wr_writer *writer, struct wr_node *node,
                             struct wr_stream *stream) {
  struct wr_node *dense = NULL;
  if (wr_node_size(node) == 0) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "[save] cannot serialize an empty array");
  }
  struct wr_error *error = wr_ops_contiguous(&dense, node, true, stream);
  if (!error) error = wr_eval(&dense, 1);
  if (!error) error = write_npy(writer, dense);
  wr_node_release(dense);
  return error;
}

/* ---- safetensors ---- */

/* In quotes, with escapes where JSON wants them and nowhere else. */
static void add_quoted(struct wr_bytes *b, const char *text) {
  static const char special[] = "\"\\\b\f\n\r\t", names[] = "\"\\bfnrt";
  wr_bytes_add_text(b, "\"");
  for (const char *c = text; *c; c++) {
    const char *found = strchr(special, *c);
    char escape[8];
    if (found) {
      snprintf(escape, sizeof escape, "\\%c", names[found - special]);
      wr_bytes_add_text(b, escape);
    } else if ((unsigned char)*c < 0x20) {
      snprintf(escape, sizeof escape, "\\u%04x", (unsigned)*c);
      wr_bytes_add_text(b, escape);
    } else {
      wr_bytes_add(b, c, 1);
    }
  }
  wr_bytes_add_text(b, "\"");
}

/* Keys in their bytes' order, as MLX has them. */
static void add_metadata(struct wr_bytes *b, const struct wr_map *metadata) {
  wr_bytes_add_text(b, "\"__metadata__\":");
  if (metadata->count == 0) {
    wr_bytes_add_text(b, "null");
    return;
  }
  const struct wr_map_entry **order = wr_map_sorted(metadata);
  b->refused = b->refused || !order;
  for (size_t i = 0; order && i < metadata->count; i++) {
    wr_bytes_add_text(b, i ? "," : "{");
    add_quoted(b, order[i]->key);
    wr_bytes_add_text(b, ":");
    add_quoted(b, order[i]->value);
  }
  wr_bytes_add_text(b, "}");
  wr_free(order);
}

static void add_array(struct wr_bytes *b, const char *name, const struct wr_node *node,
                      uint64_t offset) {
  const uint64_t end = offset + bytes_of(node);
  add_quoted(b, name);
  wr_bytes_add_text(b, ":{\"data_offsets\":[");
  wr_bytes_format(b, "%llu", (unsigned long long)offset);
  wr_bytes_add_text(b, ",");
  wr_bytes_format(b, "%llu", (unsigned long long)end);
  wr_bytes_add_text(b, "],\"dtype\":\"");
  wr_bytes_add_text(b, wr_safetensors_dtype(wr_node_dtype(node)));
  wr_bytes_add_text(b, "\",\"shape\":[");
  for (int i = 0; i < wr_node_ndim(node); i++) {
    if (i) wr_bytes_add_text(b, ",");
    wr_bytes_format(b, "%d", (int)wr_node_shape(node)[i]);
  }
  wr_bytes_add_text(b, "]}");
}

/* `offsets` are those of the map's entries. */
static void add_header(struct wr_bytes *b, const struct wr_map *arrays,
                       const struct wr_map *metadata, const uint64_t *offsets) {
  const struct wr_map_entry **order = wr_map_sorted(arrays);
  bool told = false;
  b->refused = !order;
  wr_bytes_add_text(b, "{");
  for (size_t i = 0; order && i <= arrays->count; i++) {
    const struct wr_map_entry *entry = i < arrays->count ? order[i] : NULL;
    if (!told && (!entry || strcmp(entry->key, "__metadata__") > 0)) {
      add_metadata(b, metadata);
      if (entry) wr_bytes_add_text(b, ",");
      told = true;
    }
    if (!entry) continue;
    add_array(b, entry->key, entry->value, offsets[entry - arrays->entries]);
    if (!told || i + 1 < arrays->count) wr_bytes_add_text(b, ",");
  }
  wr_bytes_add_text(b, "}");
  wr_free(order);
}

/* Readers, this library's too, refuse a header with such a text in it. */
static struct wr_error *check_text(const char *text, const char *what) {
  if (wr_json_is_utf8(text)) return NULL;
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "[save_safetensors] %s is no UTF-8", what);
}

static struct wr_error *check_metadata(const struct wr_map *metadata) {
  struct wr_error *error = NULL;
  for (size_t i = 0; i < metadata->count && !error; i++) {
    error = check_text(metadata->entries[i].key, "a key of the metadata");
    if (!error) error = check_text(metadata->entries[i].value, "a text of the metadata");
  }
  return error;
}

static struct wr_error *check_arrays(const struct wr_map *arrays) {
  for (size_t i = 0; i < arrays->count; i++) {
    const struct wr_node *node = arrays->entries[i].value;
    const char *key = arrays->entries[i].key;
    struct wr_error *error = check_text(key, "the name of an array");
    if (error) return error;
    if (wr_node_size(node) == 0) {
      return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                          "[save_safetensors] Cannot serialize an empty array ('%.200s')", key);
    }
    if (!wr_safetensors_dtype(wr_node_dtype(node))) {
      return wr_error_new(WEIR_ERROR_UNSUPPORTED,
                          "[save_safetensors] received invalid dtype. ('%.200s' is %s)", key,
                          wr_dtype_name(wr_node_dtype(node)));
    }
    if (!strcmp(key, "__metadata__")) {
      return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                          "[save_safetensors] no array can be called __metadata__");
    }
  }
  return NULL;
}

static struct wr_error *write_safetensors(struct wr_writer *writer, const struct wr_bytes *header,
                                          struct wr_node **nodes, size_t n) {
  unsigned char length[WR_SAFETENSORS_LENGTH];
  for (size_t i = 0; i < sizeof length; i++) {
    length[i] = (unsigned char)((uint64_t)header->n >> 8 * i);
  }
  struct wr_error *error = check_good(writer, "save_safetensors");
  if (!error) error = writer->write(writer, length, sizeof length);
  if (!error) error = writer->write(writer, header->data, header->n);
  for (size_t i = 0; i < n && !error; i++) error = wr_save_data(writer, nodes[i]);
  return error;
}

static struct wr_error *make_header(struct wr_bytes *header, const struct wr_map *arrays,
                                    const struct wr_map *metadata) {
  uint64_t *offsets = wr_alloc((arrays->count + 1) * sizeof *offsets), at = 0;
  if (!offsets) return wr_error_out_of_memory();
  for (size_t i = 0; i < arrays->count; i++) {
    offsets[i] = at;
    at += bytes_of(arrays->entries[i].value);
  }
  add_header(header, arrays, metadata, offsets);
  wr_free(offsets);
  if (header->refused) return wr_error_out_of_memory();
  if (header->n < WR_SAFETENSORS_MAX) return NULL;
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                      "[save_safetensors] the header would have %zu bytes; readers take less than "
                      "%d",
                      header->n, WR_SAFETENSORS_MAX);
}

struct wr_error *wr_save_safetensors(struct wr_writer *writer, const struct wr_map *arrays,
                                     const struct wr_map *metadata, struct wr_stream *stream) {
  struct wr_bytes header = {0};
  struct wr_node **nodes = NULL;
  struct wr_error *error = check_arrays(arrays);
  if (!error) error = check_metadata(metadata);
  if (!error) error = make_header(&header, arrays, metadata);
  if (!error) error = wr_save_prepare(&nodes, arrays, stream);
  if (!error) error = write_safetensors(writer, &header, nodes, arrays->count);
  wr_save_release(nodes, arrays->count);
  wr_free(header.data);
  return error;
}
