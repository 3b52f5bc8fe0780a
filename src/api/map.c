/* Maps: wr_map over two kinds of values, references to arrays and copies of text. One
   implementation for both: a kind says how to copy what the caller gives and how to drop a value. A
   failed call changes nothing. As in mlx-c a map is not to be changed by two threads at once. No
   locks. */

#include "mlx/c/map.h"

#include <string.h>

#include "api/api.h"
#include "api/map.h"
#include "base/base.h"

struct kind {
  enum wr_kind handles;   /* what a handle leads to, */
  enum wr_kind iterators; /* and an iterator's */
  const char *name;
  /* Another reference or copy; NULL when memory is refused. */
  void *(*copy)(void *value);
  void (*drop)(void *value);
};

struct map {
  struct wr_kind_word kind;
  struct wr_map entries;
};

struct iterator {
  struct wr_kind_word kind;
  size_t next;
};

enum { NOTHING_THERE = 2 };

/* ---- one map ---- */

static struct map *map_make(const struct kind *kind) {
  struct map *made = wr_calloc(sizeof *made);
  if (made) wr_kind_begin(&made->kind, kind->handles);
  return made;
}

/* Destructors of arrays that end here run on this thread: it is the caller's own free. */
static void map_end(const struct kind *kind, struct map *map) {
  if (!map) return;
  const struct wr_map *all = &map->entries;
  wr_free_scope_enter();
  for (size_t i = 0; i < all->count; i++) kind->drop(all->entries[i].value);
  wr_free_scope_leave();
  wr_map_end(&map->entries);
  wr_free(map);
}

/* Takes the value, also when memory for the entry is refused. */
static bool put(const struct kind *kind, struct wr_map *map, const char *key, void *value) {
  bool added;
  void **place = wr_map_add(map, key, &added);
  void *old = place ? *place : value;
  if (place) *place = value;
  wr_free_scope_enter();
  if (old) kind->drop(old);
  wr_free_scope_leave();
  return place != NULL;
}

static struct map *duplicate(const struct kind *kind, const struct wr_map *from) {
  struct map *made = map_make(kind);
  for (size_t i = 0; made && i < from->count; i++) {
    void *value = kind->copy(from->entries[i].value);
    if (value && put(kind, &made->entries, from->entries[i].key, value)) continue;
    map_end(kind, made);
    made = NULL;
  }
  return made;
}

/* Takes `made`. In place: a handle is a plain struct, and its copies go on naming the same map. */
static struct wr_error *replace(const struct kind *kind, void **ctx, struct map *made) {
  struct map *map = wr_handle_object(*ctx, kind->handles);
  if (!map && wr_handle_give(ctx, made, kind->handles)) return NULL;
  struct wr_error *error = map ? NULL : wr_error_out_of_memory();
  if (map) {
    struct wr_map old = map->entries;
    map->entries = made->entries;
    made->entries = old;
  }
  map_end(kind, made);
  return error;
}

static struct wr_map *check_map(const struct kind *kind, void *ctx, const char *param,
                                struct wr_error **error) {
  if (!ctx) wr_api_reject(error, param, "is empty: expected a non-empty %s", kind->name);
  struct map *map = wr_api_object(ctx, kind->handles, param, "", error);
  return map ? &map->entries : NULL;
}

/* ---- what the functions of both kinds do ---- */

static void *new_map(const char *function, const struct kind *kind) {
  struct map *map = map_make(kind);
  void *ctx = wr_api_give(function, map, kind->handles, NULL);
  if (!ctx) map_end(kind, map);
  return ctx;
}

static int free_map(const char *function, const struct kind *kind, void *ctx) {
  struct wr_error *error = NULL;
  map_end(kind, wr_api_take(ctx, kind->handles, "map", &error));
  return wr_api_return(function, error);
}

static int set_copy(const char *function, const struct kind *kind, void **ctx, void *src) {
  struct wr_error *error = NULL;
  wr_api_result_handle(ctx, kind->handles, "map", &error);
  const struct wr_map *from = check_map(kind, src, "src", &error);
  struct map *made = error ? NULL : duplicate(kind, from);
  if (!error && !made) error = wr_error_out_of_memory();
  if (!error) error = replace(kind, ctx, made);
  return wr_api_return(function, error);
}

/* `value` is the caller's, checked by it. */
static int insert(const char *function, const struct kind *kind, void *ctx, const char *key,
                  void *value, struct wr_error *error) {
  struct wr_map *map = check_map(kind, ctx, "map", &error);
  wr_api_result(key, "key", &error);
  void *copy = error ? NULL : kind->copy(value);
  if (!error && (!copy || !put(kind, map, key, copy))) error = wr_error_out_of_memory();
  return wr_api_return(function, error);
}

/* The value, borrowed; NULL when there is none or on an error. */
static void *get(const struct kind *kind, void *ctx, const char *key, struct wr_error **error) {
  const struct wr_map *map = check_map(kind, ctx, "map", error);
  wr_api_result(key, "key", error);
  void **place = *error ? NULL : wr_map_find(map, key);
  return place ? *place : NULL;
}

static struct wr_error *make_iterator(const struct kind *kind, void **ctx) {
  struct iterator *it = wr_calloc(sizeof *it);
  if (it) {
    wr_kind_begin(&it->kind, kind->iterators);
    if (wr_handle_give(ctx, it, kind->iterators)) return NULL;
  }
  wr_free(it);
  return wr_error_out_of_memory();
}

static void *new_iterator(const char *function, const struct kind *kind, void *map_ctx) {
  struct wr_error *error = NULL;
  void *ctx = NULL;
  check_map(kind, map_ctx, "map", &error);
  if (!error) error = make_iterator(kind, &ctx);
  wr_api_return(function, error);
  return ctx;
}

static int free_iterator(const char *function, const struct kind *kind, void *ctx) {
  struct wr_error *error = NULL;
  wr_free(wr_api_take(ctx, kind->iterators, "it", &error));
  return wr_api_return(function, error);
}

/* The next entry, borrowed, without going on; NULL at the end or on an error. */
static const struct wr_map_entry *peek(const struct kind *kind, void *ctx, void *map_ctx,
                                       struct iterator **it, struct wr_error **error) {
  if (!ctx || !map_ctx) {
    wr_api_reject(error, "it", "is empty: expected a non-empty %s_iterator", kind->name);
  }
  *it = wr_api_object(ctx, kind->iterators, "it", "", error);
  const struct wr_map *map = check_map(kind, map_ctx, "it's map", error);
  if (*error) return NULL;
  return (*it)->next < map->count ? &map->entries[(*it)->next] : NULL;
}

/* ---- arrays ---- */

static void *copy_array(void *value) { return wr_node_retain(value); }

static void drop_array(void *value) { wr_node_release(value); }

static const struct kind arrays = {WR_KIND_MAP_ARRAY, WR_KIND_MAP_ARRAY_ITERATOR,
                                   "mlx_map_string_to_array", copy_array, drop_array};

mlx_map_string_to_array mlx_map_string_to_array_new(void) {
  return (mlx_map_string_to_array){new_map("mlx_map_string_to_array_new", &arrays)};
}

int mlx_map_string_to_array_set(mlx_map_string_to_array *map, const mlx_map_string_to_array src) {
  return set_copy("mlx_map_string_to_array_set", &arrays, map ? &map->ctx : NULL, src.ctx);
}

int mlx_map_string_to_array_free(mlx_map_string_to_array map) {
  return free_map("mlx_map_string_to_array_free", &arrays, map.ctx);
}

int mlx_map_string_to_array_insert(mlx_map_string_to_array map, const char *key,
                                   const mlx_array value) {
  struct wr_error *error = NULL;
  struct wr_node *node = wr_api_array(value, "value", &error);
  return insert("mlx_map_string_to_array_insert", &arrays, map.ctx, key, node, error);
}

int mlx_map_string_to_array_get(mlx_array *value, const mlx_map_string_to_array map,
                                const char *key) {
  struct wr_error *error = NULL;
  wr_api_result_handle(value, WR_KIND_ARRAY, "value", &error);
  struct wr_node *node = get(&arrays, map.ctx, key, &error);
  if (!error && !node) return NOTHING_THERE;
  if (!error) wr_node_retain(node);
  return wr_api_return_array("mlx_map_string_to_array_get", error, value, node);
}

mlx_map_string_to_array_iterator mlx_map_string_to_array_iterator_new(mlx_map_string_to_array map) {
  void *it = new_iterator("mlx_map_string_to_array_iterator_new", &arrays, map.ctx);
  return (mlx_map_string_to_array_iterator){it, it ? map.ctx : NULL};
}

int mlx_map_string_to_array_iterator_free(mlx_map_string_to_array_iterator it) {
  return free_iterator("mlx_map_string_to_array_iterator_free", &arrays, it.ctx);
}

int mlx_map_string_to_array_iterator_next(const char **key, mlx_array *value,
                                          mlx_map_string_to_array_iterator it) {
  struct wr_error *error = NULL;
  struct iterator *at;
  wr_api_result(key, "key", &error);
  wr_api_result_handle(value, WR_KIND_ARRAY, "value", &error);
  const struct wr_map_entry *entry = peek(&arrays, it.ctx, it.map_ctx, &at, &error);
  if (!error && !entry) return NOTHING_THERE;
  if (!error) error = wr_api_put_array(value, wr_node_retain(entry->value));
  if (error) return wr_api_fail("mlx_map_string_to_array_iterator_next", error);
  *key = entry->key;
  at->next++;
  return 0;
}

/* ---- text ---- */

static void *copy_text(void *value) {
  size_t bytes = strlen(value) + 1;
  void *copy = wr_alloc(bytes);
  if (copy) memcpy(copy, value, bytes);
  return copy;
}

static void drop_text(void *value) { wr_free(value); }

static const struct kind texts = {WR_KIND_MAP_STRING, WR_KIND_MAP_STRING_ITERATOR,
                                  "mlx_map_string_to_string", copy_text, drop_text};

mlx_map_string_to_string mlx_map_string_to_string_new(void) {
  return (mlx_map_string_to_string){new_map("mlx_map_string_to_string_new", &texts)};
}

int mlx_map_string_to_string_set(mlx_map_string_to_string *map,
                                 const mlx_map_string_to_string src) {
  return set_copy("mlx_map_string_to_string_set", &texts, map ? &map->ctx : NULL, src.ctx);
}

int mlx_map_string_to_string_free(mlx_map_string_to_string map) {
  return free_map("mlx_map_string_to_string_free", &texts, map.ctx);
}

int mlx_map_string_to_string_insert(mlx_map_string_to_string map, const char *key,
                                    const char *value) {
  struct wr_error *error = NULL;
  wr_api_result(value, "value", &error);
  return insert("mlx_map_string_to_string_insert", &texts, map.ctx, key, (void *)value, error);
}

int mlx_map_string_to_string_get(const char **value, const mlx_map_string_to_string map,
                                 const char *key) {
  struct wr_error *error = NULL;
  wr_api_result(value, "value", &error);
  const char *text = get(&texts, map.ctx, key, &error);
  if (error) return wr_api_fail("mlx_map_string_to_string_get", error);
  if (!text) return NOTHING_THERE;
  *value = text;
  return 0;
}

mlx_map_string_to_string_iterator mlx_map_string_to_string_iterator_new(
    mlx_map_string_to_string map) {
  void *it = new_iterator("mlx_map_string_to_string_iterator_new", &texts, map.ctx);
  return (mlx_map_string_to_string_iterator){it, it ? map.ctx : NULL};
}

int mlx_map_string_to_string_iterator_free(mlx_map_string_to_string_iterator it) {
  return free_iterator("mlx_map_string_to_string_iterator_free", &texts, it.ctx);
}

int mlx_map_string_to_string_iterator_next(const char **key, const char **value,
                                           mlx_map_string_to_string_iterator it) {
  struct wr_error *error = NULL;
  struct iterator *at;
  wr_api_result(key, "key", &error);
  wr_api_result(value, "value", &error);
  const struct wr_map_entry *entry = peek(&texts, it.ctx, it.map_ctx, &at, &error);
  if (error) return wr_api_fail("mlx_map_string_to_string_iterator_next", error);
  if (!entry) return NOTHING_THERE;
  *key = entry->key;
  *value = entry->value;
  at->next++;
  return 0;
}

/* ---- for the other files of the API ---- */

struct wr_map *wr_api_map_of_arrays(mlx_map_string_to_array map, const char *param,
                                    struct wr_error **error) {
  return check_map(&arrays, map.ctx, param, error);
}

struct wr_map *wr_api_map_of_texts(mlx_map_string_to_string map, const char *param,
                                   struct wr_error **error) {
  return check_map(&texts, map.ctx, param, error);
}

struct wr_error *wr_api_set_maps(mlx_map_string_to_array *arrays_res, struct wr_map *arrays_taken,
                                 mlx_map_string_to_string *texts_res, struct wr_map *texts_taken) {
  struct map *first = map_make(&arrays), *second = map_make(&texts);
  if (!first || !second) {
    map_end(&arrays, first);
    map_end(&texts, second);
    return wr_error_out_of_memory();
  }
  first->entries = *arrays_taken;
  second->entries = *texts_taken;
  *arrays_taken = *texts_taken = (struct wr_map){0};
  struct wr_error *error = replace(&arrays, &arrays_res->ctx, first);
  if (error) {
    map_end(&texts, second);
  } else {
    error = replace(&texts, &texts_res->ctx, second);
  }
  return error;
}

struct wr_error *wr_api_make_arrays(mlx_map_string_to_array *map, const struct wr_map *from) {
  struct map *made = duplicate(&arrays, from);
  return made ? replace(&arrays, &map->ctx, made) : wr_error_out_of_memory();
}
