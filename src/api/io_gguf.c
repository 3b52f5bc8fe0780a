/* gguf files as values: arrays and metadata by name. As in mlx-c one is not to be changed by two
   threads at once. No locks. */

#include <string.h>

#include "api/api.h"
#include "api/io_types.h"
#include "base/base.h"
#include "io/formats.h"
#include "ops/ops.h"

enum { NOTHING_THERE = 2, ANOTHER_KIND = 3 };

typedef struct wr_api_gguf_item item;

/* ---- one file ---- */

static void item_end(item *it) {
  if (!it) return;
  wr_node_release(it->node);
  mlx_string_free(it->text);
  mlx_vector_string_free(it->texts);
  wr_free(it);
}

/* Destructors of arrays that end here run on this thread: it is the caller's own free. */
static void empty(struct wr_api_gguf *gguf) {
  wr_free_scope_enter();
  for (size_t i = 0; i < gguf->arrays.count; i++) {
    wr_node_release(gguf->arrays.entries[i].value);
  }
  for (size_t i = 0; i < gguf->metadata.count; i++) item_end(gguf->metadata.entries[i].value);
  wr_free_scope_leave();
  wr_map_end(&gguf->arrays);
  wr_map_end(&gguf->metadata);
}

/* Makes *io a new one, into which what is taken goes. */
static struct wr_error *make(mlx_io_gguf *io, const struct wr_api_gguf *taken) {
  struct wr_api_gguf *gguf = wr_calloc(sizeof *gguf);
  if (gguf) {
    *gguf = *taken;
    wr_kind_begin(&gguf->kind, WR_KIND_GGUF);
    if (wr_handle_give(&io->ctx, gguf, WR_KIND_GGUF)) return NULL;
  }
  wr_free(gguf);
  return wr_error_out_of_memory();
}

mlx_io_gguf mlx_io_gguf_new(void) {
  static const struct wr_api_gguf nothing;
  mlx_io_gguf io = {NULL};
  wr_api_return("mlx_io_gguf_new", make(&io, &nothing));
  return io;
}

int mlx_io_gguf_free(mlx_io_gguf io) {
  struct wr_error *error = NULL;
  struct wr_api_gguf *gguf = wr_api_take(io.ctx, WR_KIND_GGUF, "io", &error);
  if (gguf) empty(gguf);
  wr_free(gguf);
  return wr_api_return("mlx_io_gguf_free", error);
}

struct wr_api_gguf *wr_api_gguf(mlx_io_gguf io, const char *param, struct wr_error **error) {
  return wr_api_object(io.ctx, WR_KIND_GGUF, param, "is empty: expected a non-empty mlx_io_gguf",
                       error);
}

/* ---- getting ---- */

int mlx_io_gguf_get_keys(mlx_vector_string *keys, mlx_io_gguf io) {
  struct wr_error *error = NULL;
  wr_api_result_handle(keys, WR_KIND_VECTOR_STRING, "keys", &error);
  const struct wr_api_gguf *gguf = wr_api_gguf(io, "io", &error);
  size_t n = error ? 0 : gguf->arrays.count;
  const char **names = error ? NULL : wr_alloc((n + 1) * sizeof *names);
  if (!error && !names) error = wr_error_out_of_memory();
  for (size_t i = 0; names && i < n; i++) names[i] = gguf->arrays.entries[i].key;
  if (!error) error = wr_api_set_strings(keys, names, n);
  wr_free(names);
  return wr_api_return("mlx_io_gguf_get_keys", error);
}

/* What is under the key, borrowed; NULL when there is nothing or on an error. */
static void *find(bool metadata, mlx_io_gguf io, const char *key, struct wr_error **error) {
  struct wr_api_gguf *gguf = wr_api_gguf(io, "io", error);
  wr_api_result(key, "key", error);
  if (*error) return NULL;
  void **place = wr_map_find(metadata ? &gguf->metadata : &gguf->arrays, key);
  return place ? *place : NULL;
}

int mlx_io_gguf_get_array(mlx_array *arr, mlx_io_gguf io, const char *key) {
  struct wr_error *error = NULL;
  wr_api_result_handle(arr, WR_KIND_ARRAY, "arr", &error);
  struct wr_node *node = find(false, io, key, &error);
  if (!error && !node) return NOTHING_THERE;
  if (!error) wr_node_retain(node);
  return wr_api_return_array("mlx_io_gguf_get_array", error, arr, node);
}

int mlx_io_gguf_get_metadata_array(mlx_array *arr, mlx_io_gguf io, const char *key) {
  struct wr_error *error = NULL;
  wr_api_result_handle(arr, WR_KIND_ARRAY, "arr", &error);
  const item *it = find(true, io, key, &error);
  if (!error && (!it || !it->node)) return it ? ANOTHER_KIND : NOTHING_THERE;
  struct wr_node *node = error ? NULL : wr_node_retain(it->node);
  return wr_api_return_array("mlx_io_gguf_get_metadata_array", error, arr, node);
}

int mlx_io_gguf_get_metadata_string(mlx_string *str, mlx_io_gguf io, const char *key) {
  struct wr_error *error = NULL;
  wr_api_result_handle(str, WR_KIND_STRING, "str", &error);
  const item *it = find(true, io, key, &error);
  if (!error && (!it || !it->text.ctx)) return it ? ANOTHER_KIND : NOTHING_THERE;
  if (!error) error = wr_api_set_string(str, mlx_string_data(it->text));
  return wr_api_return("mlx_io_gguf_get_metadata_string", error);
}

int mlx_io_gguf_get_metadata_vector_string(mlx_vector_string *vstr, mlx_io_gguf io,
                                           const char *key) {
  struct wr_error *error = NULL;
  wr_api_result_handle(vstr, WR_KIND_VECTOR_STRING, "vstr", &error);
  const item *it = find(true, io, key, &error);
  if (error) return wr_api_fail("mlx_io_gguf_get_metadata_vector_string", error);
  if (!it || !it->texts.ctx) return it ? ANOTHER_KIND : NOTHING_THERE;
  return mlx_vector_string_set(vstr, it->texts);
}

enum kind { ARRAY, TEXT, TEXTS };

static int has(const char *function, enum kind kind, bool *flag, mlx_io_gguf io, const char *key) {
  struct wr_error *error = NULL;
  wr_api_result(flag, "flag", &error);
  const item *it = find(true, io, key, &error);
  if (error) return wr_api_fail(function, error);
  *flag = it && (kind == ARRAY  ? it->node != NULL
                 : kind == TEXT ? it->text.ctx != NULL
                                : it->texts.ctx != NULL);
  return it ? 0 : NOTHING_THERE;
}

int mlx_io_gguf_has_metadata_array(bool *flag, mlx_io_gguf io, const char *key) {
  return has("mlx_io_gguf_has_metadata_array", ARRAY, flag, io, key);
}

int mlx_io_gguf_has_metadata_string(bool *flag, mlx_io_gguf io, const char *key) {
  return has("mlx_io_gguf_has_metadata_string", TEXT, flag, io, key);
}

int mlx_io_gguf_has_metadata_vector_string(bool *flag, mlx_io_gguf io, const char *key) {
  return has("mlx_io_gguf_has_metadata_vector_string", TEXTS, flag, io, key);
}

/* ---- setting ---- */

int mlx_io_gguf_set_array(mlx_io_gguf io, const char *key, const mlx_array arr) {
  struct wr_error *error = NULL;
  bool added;
  struct wr_api_gguf *gguf = wr_api_gguf(io, "io", &error);
  wr_api_result(key, "key", &error);
  struct wr_node *node = wr_api_array(arr, "arr", &error);
  void **place = error ? NULL : wr_map_add(&gguf->arrays, key, &added);
  if (!error && !place) error = wr_error_out_of_memory();
  if (!error && added) *place = wr_node_retain(node);
  return wr_api_return("mlx_io_gguf_set_array", error);
}

/* Takes the item; NULL stands for one that could not be had. */
static struct wr_error *put(struct wr_api_gguf *gguf, const char *key, item *it) {
  bool added = false;
  void **place = it ? wr_map_add(&gguf->metadata, key, &added) : NULL;
  if (added) {
    *place = it;
  } else {
    item_end(it);
  }
  return place ? NULL : wr_error_out_of_memory();
}

static struct wr_api_gguf *check_set(mlx_io_gguf io, const char *key, struct wr_error **error) {
  struct wr_api_gguf *gguf = wr_api_gguf(io, "io", error);
  wr_api_result(key, "key", error);
  return gguf;
}

int mlx_io_gguf_set_metadata_array(mlx_io_gguf io, const char *key, const mlx_array marr) {
  struct wr_error *error = NULL;
  struct wr_api_gguf *gguf = check_set(io, key, &error);
  struct wr_node *node = wr_api_array(marr, "marr", &error);
  item *it = error ? NULL : wr_calloc(sizeof *it);
  if (it) it->node = wr_node_retain(node);
  if (!error) error = put(gguf, key, it);
  return wr_api_return("mlx_io_gguf_set_metadata_array", error);
}

int mlx_io_gguf_set_metadata_string(mlx_io_gguf io, const char *key, const char *mstr) {
  struct wr_error *error = NULL;
  struct wr_api_gguf *gguf = check_set(io, key, &error);
  wr_api_result(mstr, "mstr", &error);
  item *it = error ? NULL : wr_calloc(sizeof *it);
  if (it) error = wr_api_set_string(&it->text, mstr);
  if (error) {
    wr_free(it);
  } else {
    error = put(gguf, key, it);
  }
  return wr_api_return("mlx_io_gguf_set_metadata_string", error);
}

int mlx_io_gguf_set_metadata_vector_string(mlx_io_gguf io, const char *key,
                                           const mlx_vector_string mvstr) {
  struct wr_error *error = NULL;
  struct wr_api_gguf *gguf = check_set(io, key, &error);
  wr_api_object(mvstr.ctx, WR_KIND_VECTOR_STRING, "mvstr", "is an empty vector handle", &error);
  if (error) return wr_api_fail("mlx_io_gguf_set_metadata_vector_string", error);
  item *it = wr_calloc(sizeof *it);
  if (it && mlx_vector_string_set(&it->texts, mvstr) != 0) {
    wr_free(it);
    return 1;
  }
  return wr_api_return("mlx_io_gguf_set_metadata_vector_string", put(gguf, key, it));
}

/* ---- from a file ---- */

static struct wr_error *set_texts(mlx_vector_string *to, const struct wr_gguf_value *value) {
  const char *at = (const char *)value->data;
  const char **texts = wr_alloc((value->count + 1) * sizeof *texts);
  if (!texts) return wr_error_out_of_memory();
  for (size_t i = 0; i < value->count; i++) {
    texts[i] = at;
    at += strlen(at) + 1;
  }
  struct wr_error *error = wr_api_set_strings(to, texts, value->count);
  wr_free(texts);
  return error;
}

static struct wr_error *item_of(item *it, const struct wr_gguf_value *value) {
  const int32_t shape[1] = {(int32_t)value->count};
  switch (value->kind) {
    case WR_GGUF_ARRAY:
      return wr_node_from_data(&it->node, value->data, value->scalar ? 0 : 1, shape, value->dtype);
    case WR_GGUF_TEXT:
      return wr_api_set_string(&it->text, (const char *)value->data);
    default:
      return set_texts(&it->texts, value);
  }
}

static struct wr_error *take_values(struct wr_api_gguf *gguf, const struct wr_map *values) {
  struct wr_error *error = NULL;
  for (size_t i = 0; i < values->count && !error; i++) {
    item *it = wr_calloc(sizeof *it);
    error = it ? item_of(it, values->entries[i].value) : wr_error_out_of_memory();
    if (error) {
      item_end(it);
    } else {
      error = put(gguf, values->entries[i].key, it);
    }
  }
  return error;
}

struct wr_error *wr_api_set_gguf(mlx_io_gguf *io, struct wr_map *arrays, struct wr_map *values) {
  struct wr_api_gguf made = {.arrays = *arrays};
  struct wr_api_gguf *gguf = wr_handle_object(io->ctx, WR_KIND_GGUF);
  struct wr_error *error = take_values(&made, values);
  wr_formats_end(values);
  if (!error && !gguf) error = make(io, &made);
  if (error) {
    empty(&made);
  } else if (gguf) {
    empty(gguf);
    gguf->arrays = made.arrays;
    gguf->metadata = made.metadata;
  }
  return error;
}

/* ---- to a file ---- */

static struct wr_gguf_value *value_new(enum wr_gguf_kind kind, size_t count, size_t bytes) {
  struct wr_gguf_value *value = wr_calloc(sizeof *value + bytes);
  if (!value) return NULL;
  value->kind = kind;
  value->count = count;
  return value;
}

static struct wr_error *value_of_dense(struct wr_gguf_value **out, struct wr_node *node) {
  const void *data;
  size_t bytes = (size_t)wr_node_size(node) * wr_dtype_size(wr_node_dtype(node));
  struct wr_error *error = wr_node_host_data(node, &data);
  if (error) return error;
  *out = value_new(WR_GGUF_ARRAY, (size_t)wr_node_size(node), bytes);
  if (!*out) return wr_error_out_of_memory();
  (*out)->dtype = wr_node_dtype(node);
  (*out)->scalar = wr_node_ndim(node) == 0;
  memcpy((*out)->data, data, bytes);
  return NULL;
}

static struct wr_error *value_of_array(struct wr_gguf_value **out, struct wr_node *node,
                                       struct wr_stream *stream) {
  struct wr_node *dense = NULL;
  if (wr_node_ndim(node) > 1) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                        "[save_gguf] Cannot save arrays with more than one dimension.");
  }
  if (wr_node_size(node) == 0) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "[save_gguf] Cannot save empty arrays.");
  }
  struct wr_error *error = wr_ops_contiguous(&dense, node, false, stream);
  if (!error) error = value_of_dense(out, dense);
  wr_node_release(dense);
  return error;
}

static struct wr_error *value_of_texts(struct wr_gguf_value **out, mlx_vector_string texts) {
  size_t bytes = 0, n = mlx_vector_string_size(texts);
  char *text;
  for (size_t i = 0; i < n && mlx_vector_string_get(&text, texts, i) == 0; i++) {
    bytes += strlen(text) + 1;
  }
  *out = value_new(WR_GGUF_TEXTS, n, bytes);
  if (!*out) return wr_error_out_of_memory();
  char *to = (char *)(*out)->data;
  for (size_t i = 0; i < n && mlx_vector_string_get(&text, texts, i) == 0; i++) {
    const size_t length = strlen(text) + 1;
    memcpy(to, text, length);
    to += length;
  }
  return NULL;
}

static struct wr_error *value_of_text(struct wr_gguf_value **out, mlx_string string) {
  const char *text = mlx_string_data(string);
  const size_t bytes = strlen(text) + 1;
  *out = value_new(WR_GGUF_TEXT, 1, bytes);
  if (!*out) return wr_error_out_of_memory();
  memcpy((*out)->data, text, bytes);
  return NULL;
}

static struct wr_error *value_of(struct wr_gguf_value **out, const item *it,
                                 struct wr_stream *stream) {
  if (it->node) return value_of_array(out, it->node, stream);
  return it->text.ctx ? value_of_text(out, it->text) : value_of_texts(out, it->texts);
}

struct wr_error *wr_api_gguf_values(struct wr_map *values, const struct wr_api_gguf *gguf,
                                    struct wr_stream *stream) {
  struct wr_error *error = NULL;
  *values = (struct wr_map){0};
  for (size_t i = 0; i < gguf->metadata.count && !error; i++) {
    const struct wr_map_entry *entry = &gguf->metadata.entries[i];
    bool added = false;
    struct wr_gguf_value *value = NULL;
    error = value_of(&value, entry->value, stream);
    void **place = error ? NULL : wr_map_add(values, entry->key, &added);
    if (place) *place = value;
    if (!error && !place) error = wr_error_out_of_memory();
    if (!place) wr_free(value);
  }
  if (error) wr_formats_end(values);
  return error;
}
