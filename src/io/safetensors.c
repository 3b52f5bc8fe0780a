/* safetensors: the length of the header, a JSON object of names to {dtype, shape, data_offsets},
   and the data. What MLX takes is taken, gaps and overlaps too; what the format forbids and could
   only be read by guessing, such as a name that comes twice, is not. No locks. */

#include <string.h>

#include "base/base.h"
#include "base/json.h"
#include "io/formats.h"

static const struct {
  const char *name;
  enum wr_dtype dtype;
} types[] = {{"BOOL", WR_BOOL},     {"U8", WR_UINT8},      {"U16", WR_UINT16},
             {"U32", WR_UINT32},    {"U64", WR_UINT64},    {"I8", WR_INT8},
             {"I16", WR_INT16},     {"I32", WR_INT32},     {"I64", WR_INT64},
             {"F16", WR_FLOAT16},   {"F32", WR_FLOAT32},   {"BF16", WR_BFLOAT16},
             {"C64", WR_COMPLEX64}, {"F8_E4M3", WR_UINT8}, {"F8_E8M0", WR_UINT8}};

enum { TYPES = sizeof types / sizeof types[0] };

const char *wr_safetensors_dtype(enum wr_dtype dtype) {
  for (size_t i = 0; i < TYPES; i++) {
    if (types[i].dtype == dtype) return types[i].name;
  }
  return NULL;
}

void wr_formats_end(struct wr_map *map) {
  for (size_t i = 0; i < map->count; i++) wr_free(map->entries[i].value);
  wr_map_end(map);
}

/* What a parse carries along. */
struct header {
  const struct wr_header *of;
  struct wr_json json;
  uint64_t begin; /* of the data, in the file */
};

/* One array's members as they are read. */
struct entry {
  struct wr_stored stored;
  uint64_t offsets[2];
  bool has_dtype, has_shape, has_offsets;
};

/* The fault of the text, or, without one, of the memory. */
static struct wr_error *json_error(const struct header *h) {
  if (!h->json.fault) return wr_error_out_of_memory();
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                      "[load_safetensors] Invalid json metadata %s: %s at byte %zu of the header",
                      h->of->label, h->json.fault, h->json.at);
}

static struct wr_error *invalid(const struct header *h, const char *name, const char *what) {
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "[load_safetensors] Tensor '%.200s' in %s: %s",
                      name, h->of->label, what);
}

static struct wr_error *twice(const struct header *h, const char *name) {
  return invalid(h, name, "a name that comes twice");
}

/* Takes the value; NULL stands for one that could not be had. */
static struct wr_error *put(const struct header *h, struct wr_map *map, const char *name,
                            void *value) {
  bool added = false;
  void **place = value ? wr_map_add(map, name, &added) : NULL;
  if (added) {
    *place = value;
    return NULL;
  }
  wr_free(value);
  return place ? twice(h, name) : wr_error_out_of_memory();
}

/* ---- metadata ---- */

static struct wr_error *read_metadata(struct header *h) {
  struct wr_json *j = &h->json;
  if (wr_json_peek(j) == 'n') return wr_json_word(j, "null") ? NULL : json_error(h);
  if (!wr_json_enter(j, '{')) return json_error(h);
  for (bool first = true; wr_json_next(j, '}', first); first = false) {
    char *name = wr_json_name(j);
    char *text = name ? wr_json_text(j) : NULL;
    struct wr_error *error = text ? put(h, h->of->metadata, name, text) : json_error(h);
    wr_free(name);
    if (error) return error;
  }
  return j->fault ? json_error(h) : NULL;
}

/* ---- one array ---- */

static struct wr_error *read_dtype(struct header *h, struct entry *e) {
  char *text = wr_json_text(&h->json);
  if (!text) return json_error(h);
  struct wr_error *error = NULL;
  size_t i = 0;
  while (i < TYPES && strcmp(types[i].name, text) != 0) i++;
  if (i < TYPES) {
    e->stored.dtype = types[i].dtype;
  } else {
    error = wr_error_new(WEIR_ERROR_UNSUPPORTED, "[safetensor] unsupported dtype%.64s", text);
  }
  wr_free(text);
  return error;
}

static struct wr_error *read_shape(struct header *h, struct entry *e, const char *name) {
  struct wr_json *j = &h->json;
  uint64_t extent;
  e->stored.ndim = 0;
  if (!wr_json_enter(j, '[')) return json_error(h);
  for (bool first = true; wr_json_next(j, ']', first); first = false) {
    if (!wr_json_u64(j, &extent)) return json_error(h);
    if (e->stored.ndim == WR_MAX_NDIM) return invalid(h, name, "more than 32 dimensions");
    if (extent > INT32_MAX) return invalid(h, name, "a dimension of 2^31 or more");
    e->stored.shape[e->stored.ndim++] = (int32_t)extent;
  }
  return j->fault ? json_error(h) : NULL;
}

static struct wr_error *read_offsets(struct header *h, struct entry *e, const char *name) {
  struct wr_json *j = &h->json;
  size_t n = 0;
  uint64_t offset;
  if (!wr_json_enter(j, '[')) return json_error(h);
  for (bool first = true; wr_json_next(j, ']', first); first = false) {
    if (!wr_json_u64(j, &offset)) return json_error(h);
    if (n < 2) e->offsets[n] = offset;
    n++;
  }
  if (j->fault) return json_error(h);
  if (n == 2) return NULL;
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                      "[load_safetensors] Tensor '%.200s' data_offsets must have exactly 2 entries "
                      "but has %zu",
                      name, n);
}

/* `has` is the place of what says that the member was there. */
static struct wr_error *read_member(struct header *h, struct entry *e, const char *name,
                                    const char *member) {
  bool *has = !strcmp(member, "dtype")          ? &e->has_dtype
              : !strcmp(member, "shape")        ? &e->has_shape
              : !strcmp(member, "data_offsets") ? &e->has_offsets
                                                : NULL;
  if (!has) return wr_json_skip(&h->json) ? NULL : json_error(h);
  if (*has) return invalid(h, name, "a member that comes twice");
  *has = true;
  return has == &e->has_dtype   ? read_dtype(h, e)
         : has == &e->has_shape ? read_shape(h, e, name)
                                : read_offsets(h, e, name);
}

static struct wr_error *read_members(struct header *h, struct entry *e, const char *name) {
  struct wr_json *j = &h->json;
  if (!wr_json_enter(j, '{')) return json_error(h);
  for (bool first = true; wr_json_next(j, '}', first); first = false) {
    char *member = wr_json_name(j);
    struct wr_error *error = member ? read_member(h, e, name, member) : json_error(h);
    wr_free(member);
    if (error) return error;
  }
  return j->fault ? json_error(h) : NULL;
}

static struct wr_error *check_place(const struct header *h, struct entry *e, const char *name) {
  int64_t elements;
  if (!e->has_dtype || !e->has_shape || !e->has_offsets) {
    return invalid(h, name, "dtype, shape or data_offsets is missing");
  }
  if (!wr_shape_size(e->stored.shape, e->stored.ndim, &elements)) {
    return invalid(h, name, "the shape is too large");
  }
  uint64_t bytes = (uint64_t)elements * wr_dtype_size(e->stored.dtype);
  const uint64_t *at = e->offsets;
  if (at[1] < at[0] || at[1] - at[0] != bytes) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                        "[load_safetensors] Tensor '%.200s' invalid data offsets (%llu, %llu). "
                        "Expecting %llu bytes.",
                        name, (unsigned long long)at[0], (unsigned long long)at[1],
                        (unsigned long long)bytes);
  }
  if (at[1] > h->of->size - h->begin) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                        "[load_safetensors] Tensor '%.200s' data offsets (%llu, %llu) exceeding "
                        "the size of the file. Perhaps an incomplete download or corrupt file?",
                        name, (unsigned long long)at[0], (unsigned long long)at[1]);
  }
  e->stored.offset = h->begin + at[0];
  return NULL;
}

static struct wr_error *read_array(struct header *h, const char *name) {
  struct entry e = {.stored = {.form = WR_LOAD_PLAIN}};
  struct wr_error *error = read_members(h, &e, name);
  if (!error) error = check_place(h, &e, name);
  if (error) return error;
  struct wr_stored *stored = wr_alloc(sizeof *stored);
  if (stored) *stored = e.stored;
  return put(h, h->of->arrays, name, stored);
}

/* ---- the header ---- */

static struct wr_error *read_all(struct header *h) {
  struct wr_json *j = &h->json;
  bool has_metadata = false;
  if (!wr_json_enter(j, '{')) return json_error(h);
  for (bool first = true; wr_json_next(j, '}', first); first = false) {
    char *name = wr_json_name(j);
    bool is_metadata = name && !strcmp(name, "__metadata__");
    struct wr_error *error = !name                         ? json_error(h)
                             : is_metadata && has_metadata ? twice(h, name)
                             : is_metadata                 ? read_metadata(h)
                                                           : read_array(h, name);
    has_metadata = has_metadata || is_metadata;
    wr_free(name);
    if (error) return error;
  }
  return wr_json_end(j) ? NULL : json_error(h);
}

struct wr_error *wr_safetensors_parse(const struct wr_header *header) {
  struct header h = {.of = header,
                     .json = {.text = header->bytes, .n = header->n},
                     .begin = WR_SAFETENSORS_LENGTH + (uint64_t)header->n};
  *header->arrays = *header->metadata = (struct wr_map){0};
  struct wr_error *error = read_all(&h);
  if (error) {
    wr_formats_end(header->arrays);
    wr_formats_end(header->metadata);
  }
  return error;
}
