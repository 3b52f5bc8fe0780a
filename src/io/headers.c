/* Reading headers: from a reader to a parser, and from what that gives to lazy arrays. No locks. */

#include <string.h>

#include "base/base.h"
#include "io/io.h"
#include "io/load.h"

static const char *label_of(struct wr_reader *reader) { return reader->kind->label(reader); }

static struct wr_error *check_good(struct wr_reader *reader, const char *operation) {
  if (reader->kind->good(reader)) return NULL;
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "[%s] Failed to open %s", operation,
                      label_of(reader));
}

/* ---- npy ---- */

/* Headers are some hundred bytes; what says that it has more than a megabyte is none. */
enum { NPY_MAX = 1 << 20 };

static struct wr_error *npy_length(struct wr_reader *reader, uint64_t *begin, size_t *length) {
  unsigned char bytes[WR_NPY_BEGINNING];
  size_t more = 0;
  struct wr_error *error = reader->kind->read(reader, bytes, WR_NPY_BEGINNING);
  if (!error) error = wr_npy_begin(bytes, label_of(reader), &more);
  if (!error) error = reader->kind->read(reader, bytes, more);
  if (error) return error;
  *begin = WR_NPY_BEGINNING + more;
  *length = 0;
  for (size_t i = more; i > 0; i--) *length = *length << 8 | bytes[i - 1];
  if (*length <= NPY_MAX) return NULL;
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                      "[load] Invalid header in %s: it is longer than a megabyte",
                      label_of(reader));
}

static struct wr_error *npy_header(struct wr_reader *reader, struct wr_stored *stored) {
  uint64_t begin;
  size_t length;
  struct wr_error *error = npy_length(reader, &begin, &length);
  if (error) return error;
  char *header = wr_alloc(length + 1);
  if (!header) return wr_error_out_of_memory();
  error = reader->kind->read(reader, header, length);
  if (!error) error = wr_npy_parse(header, length, label_of(reader), stored);
  stored->offset = begin + length;
  wr_free(header);
  return error;
}

struct wr_error *wr_load_npy(struct wr_node **out, struct wr_reader *reader,
                             struct wr_stream *stream) {
  struct wr_stored stored;
  struct wr_node *source = NULL;
  struct wr_error *error = check_good(reader, "load");
  if (!error) error = npy_header(reader, &stored);
  if (!error) error = wr_load_source(&source, reader);
  if (!error) error = wr_load_array(out, source, &stored, stream);
  wr_node_release(source);
  return error;
}

/* ---- what the formats have in common ---- */

/* Reads what the header says of arrays and metadata. */
typedef struct wr_error *(*header_fn)(struct wr_map *arrays, struct wr_map *metadata,
                                      struct wr_reader *reader);

static struct wr_error *load(const char *function, header_fn header, struct wr_map *arrays,
                             struct wr_map *metadata, struct wr_reader *reader,
                             struct wr_stream *stream) {
  *arrays = *metadata = (struct wr_map){0};
  struct wr_error *error = check_good(reader, function);
  if (!error) error = header(arrays, metadata, reader);
  if (!error) error = wr_load_arrays(arrays, reader, stream);
  if (error) wr_formats_end(metadata);
  return error;
}

/* ---- safetensors ---- */

static struct wr_error *safetensors_length(struct wr_reader *reader, uint64_t *length,
                                           uint64_t *size) {
  unsigned char bytes[WR_SAFETENSORS_LENGTH];
  struct wr_error *error = reader->kind->read(reader, bytes, sizeof bytes);
  if (error) return error;
  *length = 0;
  for (size_t i = sizeof bytes; i > 0; i--) *length = *length << 8 | bytes[i - 1];
  if (*length == 0 || *length >= WR_SAFETENSORS_MAX) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                        "[load_safetensors] Invalid json header length %s", label_of(reader));
  }
  error = reader->kind->size(reader, size);
  if (error || (*size >= sizeof bytes && *length <= *size - sizeof bytes)) return error;
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                      "[load_safetensors] The JSON header is %llu bytes long but the file is only "
                      "%llu bytes. Perhaps an incomplete download or corrupt file?",
                      (unsigned long long)*length, (unsigned long long)*size);
}

static struct wr_error *safetensors_header(struct wr_map *arrays, struct wr_map *metadata,
                                           struct wr_reader *reader) {
  uint64_t length, size;
  struct wr_error *error = safetensors_length(reader, &length, &size);
  if (!error) error = reader->kind->seek(reader, WR_SAFETENSORS_LENGTH);
  if (error) return error;
  char *header = wr_alloc((size_t)length);
  if (!header) return wr_error_out_of_memory();
  error = reader->kind->read(reader, header, (size_t)length);
  if (!error) {
    error = wr_safetensors_parse(
        &(struct wr_header){header, (size_t)length, size, label_of(reader), arrays, metadata});
  }
  wr_free(header);
  return error;
}

struct wr_error *wr_load_safetensors(struct wr_map *arrays, struct wr_map *metadata,
                                     struct wr_reader *reader, struct wr_stream *stream) {
  return load("load_safetensors", safetensors_header, arrays, metadata, reader, stream);
}

/* ---- gguf ---- */

/* How long the header is nobody says: it is read as far as parsing goes, and each time twice as
   far. */
enum { FIRST_BYTES = 1 << 16 };

static struct wr_error *gguf_header(struct wr_map *arrays, struct wr_map *metadata,
                                    struct wr_reader *reader) {
  uint64_t size, wanted = FIRST_BYTES, have = 0;
  unsigned char *bytes = NULL;
  struct wr_error *error = reader->kind->size(reader, &size);
  while (!error && wanted > 0) {
    if (wanted < 2 * have) wanted = 2 * have;
    if (wanted > size) wanted = size;
    unsigned char *more = wanted < SIZE_MAX ? wr_realloc(bytes, (size_t)wanted + 1) : NULL;
    if (more) bytes = more;
    error = more ? reader->kind->read_at(reader, bytes + have, (size_t)(wanted - have), have)
                 : wr_error_out_of_memory();
    have = wanted;
    if (!error) {
      error = wr_gguf_parse(
          &(struct wr_header){bytes, (size_t)have, size, label_of(reader), arrays, metadata},
          &wanted);
    }
  }
  wr_free(bytes);
  return error;
}

struct wr_error *wr_load_gguf(struct wr_map *arrays, struct wr_map *metadata,
                              struct wr_reader *reader, struct wr_stream *stream) {
  return load("load_gguf", gguf_header, arrays, metadata, reader, stream);
}
