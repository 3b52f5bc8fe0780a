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
  const char *name;
  /* Another reference or copy; NULL when memory is refused. */
  void *(*copy)(void *value);
  void (*drop)(void *value);
};

struct iterator {
  size_t next;
};

enum { NOTHING_THERE = 2 };

/* ---- one map ---- */

/* Destructors of arrays that end here run on this thread: it is the caller's own free. */
static void map_end(const struct kind *kind, struct wr_map *map) {
  if (!map) return;
  wr_free_scope_enter();
  for (size_t i = 0; i < map->count; i++) kind->drop(map->entries[i].value);
  wr_free_scope_leave();
  wr_map_end(map);
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

static struct wr_map *duplicate(const struct kind *kind, const struct wr_map *map) {
  struct wr_map *made = wr_calloc(sizeof *made);
  for (size_t i = 0; made && i < map->count; i++) {
    void *value = kind->copy(map->entries[i].value);
    if (value && put(kind, made, map->entries[i].key, value)) continue;
    map_end(kind, made);
    made = NULL;
  }
  return made;
}

/* In place: a handle is a plain struct, and its copies go on naming the same map. */
static void replace(const struct kind *kind, void **ctx, struct wr_map *made) {
  struct wr_map *map = *ctx;
  if (!map) {
    *ctx = made;
    return;
  }
  struct wr_map old = *map;
  *map = *made;
  *made = old;
  map_end(kind, made);
}

static struct wr_map *check_map(const struct kind *kind, void *ctx, const char *param,
                                struct wr_error **error) {
  if (!ctx) wr_api_reject(error, param, "is empty: expected a non-empty %s", kind->name);
  return ctx;
}

/* ---- what the functions of both kinds do ---- */

static void *new_map(const char *function) {
  struct wr_map *map = wr_calloc(sizeof *map);
  if (!map) wr_api_fail(function, wr_error_out_of_memory());
  return map;
}

static int set_copy(const char *function, const struct kind *kind, void **ctx, void *src) {
  struct wr_error *error = NULL;
  wr_api_result(ctx, "map", &error);
  const struct wr_map *from = check_map(kind, src, "src", &error);
  struct wr_map *made = error ? NULL : duplicate(kind, from);
  if (!error && !made) error = wr_error_out_of_memory();
  if (error) return wr_api_fail(function, error);
  replace(kind, ctx, made);
  return 0;
}

/* `value` is the caller's, checked by it. */
static int insert(const char *function, const struct kind *kind, void *ctx, const char *key,
                  void *value, struct wr_error *error) {
  struct wr_map *map = check_map(kind, ctx, "map", &error);
  wr_api_result(key, "key", &error);
  void *copy = error ? NULL : kind->copy(value);
  if (!error && (!copy || !put(kind, map, key, copy))) error = wr_error_out_of_memory();
  return wr_api_finish(function, error);
}

/* The value, borrowed; NULL when there is none or on an error. */
static void *get(const struct kind *kind, void *ctx, const void *result, const char *key,
                 struct wr_error **error) {
  wr_api_result(result, "value", error);
  const struct wr_map *map = check_map(kind, ctx, "map", error);
  wr_api_result(key, "key", error);
  void **place = *error ? NULL : wr_map_find(map, key);
  return place ? *place : NULL;
}

static void *new_iterator(const char *function, const struct kind *kind, void *map_ctx) {
  struct wr_error *error = NULL;
  check_map(kind, map_ctx, "map", &error);
  struct iterator *it = error ? NULL : wr_calloc(sizeof *it);
  if (!error && !it) error = wr_error_out_of_memory();
  wr_api_finish(function, error);
  return it;
}

/* The next entry, borrowed, without going on; NULL at the end or on an error. */
static const struct wr_map_entry *peek(const struct kind *kind, const void *key, const void *value,
                                       void *ctx, void *map_ctx, struct wr_error **error) {
  wr_api_result(key, "key", error);
  wr_api_result(value, "value", error);
  const struct iterator *it = ctx;
  if (!it || !map_ctx) {
    wr_api_reject(error, "it", "is empty: expected a non-empty %s_iterator", kind->name);
  }
  if (*error) return NULL;
  const struct wr_map *map = map_ctx;
  return it->next < map->count ? &map->entries[it->next] : NULL;
}

/* ---- arrays ---- */

static void *copy_array(void *value) { return wr_node_retain(value); }

static void drop_array(void *value) { wr_node_release(value); }

static const struct kind arrays = {"mlx_map_string_to_array", copy_array, drop_array};

mlx_map_string_to_array mlx_map_string_to_array_new(void) {
  return (mlx_map_string_to_array){new_map("mlx_map_string_to_array_new")};
}

int mlx_map_string_to_array_set(mlx_map_string_to_array *map, const mlx_map_string_to_array src) {
  return set_copy("mlx_map_string_to_array_set", &arrays, map ? &map->ctx : NULL, src.ctx);
}

int mlx_map_string_to_array_free(mlx_map_string_to_array map) {
  map_end(&arrays, map.ctx);
  return 0;
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
  struct wr_node *node = get(&arrays, map.ctx, value, key, &error);
  if (!error && !node) return NOTHING_THERE;
  if (!error) wr_node_retain(node);
  return wr_api_finish_array("mlx_map_string_to_array_get", error, value, node);
}

mlx_map_string_to_array_iterator mlx_map_string_to_array_iterator_new(mlx_map_string_to_array map) {
  void *it = new_iterator("mlx_map_string_to_array_iterator_new", &arrays, map.ctx);
  return (mlx_map_string_to_array_iterator){it, it ? map.ctx : NULL};
}

int mlx_map_string_to_array_iterator_free(mlx_map_string_to_array_iterator it) {
  wr_free(it.ctx);
  return 0;
}

int mlx_map_string_to_array_iterator_next(const char **key, mlx_array *value,
                                          mlx_map_string_to_array_iterator it) {
  struct wr_error *error = NULL;
  const struct wr_map_entry *entry = peek(&arrays, key, value, it.ctx, it.map_ctx, &error);
  if (!error && !entry) return NOTHING_THERE;
  if (!error) error = wr_api_put_array(value, wr_node_retain(entry->value));
  if (error) return wr_api_fail("mlx_map_string_to_array_iterator_next", error);
  *key = entry->key;
  ((struct iterator *)it.ctx)->next++;
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

static const struct kind texts = {"mlx_map_string_to_string", copy_text, drop_text};

mlx_map_string_to_string mlx_map_string_to_string_new(void) {
  return (mlx_map_string_to_string){new_map("mlx_map_string_to_string_new")};
}

int mlx_map_string_to_string_set(mlx_map_string_to_string *map,
                                 const mlx_map_string_to_string src) {
  return set_copy("mlx_map_string_to_string_set", &texts, map ? &map->ctx : NULL, src.ctx);
}

int mlx_map_string_to_string_free(mlx_map_string_to_string map) {
  map_end(&texts, map.ctx);
  return 0;
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
  const char *text = get(&texts, map.ctx, value, key, &error);
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
  wr_free(it.ctx);
  return 0;
}

int mlx_map_string_to_string_iterator_next(const char **key, const char **value,
                                           mlx_map_string_to_string_iterator it) {
  struct wr_error *error = NULL;
  const struct wr_map_entry *entry = peek(&texts, key, value, it.ctx, it.map_ctx, &error);
  if (error) return wr_api_fail("mlx_map_string_to_string_iterator_next", error);
  if (!entry) return NOTHING_THERE;
  *key = entry->key;
  *value = entry->value;
  ((struct iterator *)it.ctx)->next++;
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

static struct wr_error *give(const struct kind *kind, void **ctx, struct wr_map *taken) {
  struct wr_map *made = wr_calloc(sizeof *made);
  struct wr_error *error = made ? NULL : wr_error_out_of_memory();
  if (made) {
    *made = *taken;
    *taken = (struct wr_map){0};
    replace(kind, ctx, made);
  }
  return error;
}

struct wr_error *wr_api_set_arrays(mlx_map_string_to_array *map, struct wr_map *taken) {
  return give(&arrays, &map->ctx, taken);
}

struct wr_error *wr_api_set_texts(mlx_map_string_to_string *map, struct wr_map *taken) {
  return give(&texts, &map->ctx, taken);
}
