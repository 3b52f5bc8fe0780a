/* Vectors: growable arrays that own copies of what is put into them (references for arrays). One
   implementation for all element kinds: a kind says how to copy the i-th of the caller's elements
   and how to drop an item. Items are pointers; integers are kept in the pointer itself. A failed
   call changes nothing. As in mlx-c a vector is not to be changed by two threads at once. No locks.
 */

#include "mlx/c/vector.h"

#include <string.h>

#include "api/api.h"
#include "api/vector.h"
#include "base/base.h"

struct wr_vector_kind {
  enum wr_kind handles; /* what a handle leads to */
  /* Copies data[i] to *item, or sets *error. */
  void (*fetch)(const void *data, size_t i, const char *param, void **item,
                struct wr_error **error);
  /* Copies an item of another vector; false when memory is refused. */
  bool (*copy)(void *item, void **copy);
  void (*drop)(void *item);
};

struct vector {
  struct wr_kind_word kind;
  struct wr_ptrs items;
};

/* ---- one vector ---- */

/* Destructors of arrays that end here run on this thread: it is the caller's own free. */
static void truncate_to(const struct wr_vector_kind *kind, struct wr_ptrs *items, size_t count) {
  wr_free_scope_enter();
  while (items->count > count) kind->drop(items->items[--items->count]);
  wr_free_scope_leave();
}

static void vector_end(const struct wr_vector_kind *kind, struct vector *v) {
  if (!v) return;
  truncate_to(kind, &v->items, 0);
  wr_ptrs_free(&v->items);
  wr_free(v);
}

/* Room for at least one item: then `items` is never NULL, whatever the vector holds. */
static struct vector *vector_make(const struct wr_vector_kind *kind, size_t capacity) {
  struct vector *v = wr_calloc(sizeof *v);
  if (!v) return NULL;
  wr_kind_begin(&v->kind, kind->handles);
  if (wr_ptrs_reserve(&v->items, capacity ? capacity : 1)) return v;
  wr_free(v);
  return NULL;
}

static struct wr_error *append(const struct wr_vector_kind *kind, struct wr_ptrs *v,
                               const void *data, size_t n, const char *param) {
  struct wr_error *error = NULL;
  size_t before = v->count;
  size_t total;
  if (n && !data) wr_api_reject(&error, param, "is NULL");
  if (!error && (!wr_add_size(before, n, &total) || !wr_ptrs_reserve(v, total))) {
    return wr_error_out_of_memory();
  }
  for (size_t i = 0; i < n && !error; i++) {
    void *item = NULL;
    kind->fetch(data, i, param, &item, &error);
    if (!error) v->items[v->count++] = item;
  }
  if (error) truncate_to(kind, v, before);
  return error;
}

static struct vector *duplicate(const struct wr_vector_kind *kind, const struct vector *v) {
  const struct wr_ptrs *from = &v->items;
  struct vector *made = vector_make(kind, from->count);
  for (size_t i = 0; made && i < from->count; i++) {
    if (!kind->copy(from->items[i], &made->items.items[i])) {
      vector_end(kind, made);
      return NULL;
    }
    made->items.count++;
  }
  return made;
}

/* ---- what the functions of all kinds do ---- */

/* Takes `made`. In place: a handle is a plain struct, and in mlx-c its copies go on naming the same
   vector after one of them was set. */
static struct wr_error *put(const struct wr_vector_kind *kind, void **ctx, struct vector *made) {
  struct vector *vector = wr_handle_object(*ctx, kind->handles);
  if (!vector) {
    if (wr_handle_give(ctx, made, kind->handles)) return NULL;
    vector_end(kind, made);
    return wr_error_out_of_memory();
  }
  struct wr_ptrs old = vector->items;
  vector->items = made->items;
  made->items = old;
  vector_end(kind, made);
  return NULL;
}

static struct wr_error *make_from(const struct wr_vector_kind *kind, void **ctx, const void *data,
                                  size_t n, const char *param) {
  struct vector *made = vector_make(kind, 0); /* append checks the size before it reserves */
  if (!made) return wr_error_out_of_memory();
  struct wr_error *error = append(kind, &made->items, data, n, param);
  if (!error) return put(kind, ctx, made);
  vector_end(kind, made);
  return error;
}

void *wr_vector_new(const char *function, const struct wr_vector_kind *kind, const void *data,
                    size_t n, const char *param) {
  void *ctx = NULL;
  wr_api_return(function, make_from(kind, &ctx, data, n, param));
  return ctx;
}

int wr_vector_free(const char *function, const struct wr_vector_kind *kind, void *ctx) {
  struct wr_error *error = NULL;
  vector_end(kind, wr_api_take(ctx, kind->handles, "vec", &error));
  return wr_api_return(function, error);
}

/* `ctx` points into the caller's handle, NULL when the handle's address was. */
int wr_vector_set(const char *function, const struct wr_vector_kind *kind, void **ctx,
                  const void *data, size_t n, const char *param) {
  struct wr_error *error = NULL;
  wr_api_result_handle(ctx, kind->handles, "vec", &error);
  if (!error) error = make_from(kind, ctx, data, n, param);
  return wr_api_return(function, error);
}

static struct vector *check_vector(const struct wr_vector_kind *kind, void *ctx, const char *param,
                                   struct wr_error **error) {
  return wr_api_object(ctx, kind->handles, param, "is an empty vector handle", error);
}

int wr_vector_copy(const char *function, const struct wr_vector_kind *kind, void **ctx, void *src) {
  struct wr_error *error = NULL;
  wr_api_result_handle(ctx, kind->handles, "vec", &error);
  const struct vector *from = check_vector(kind, src, "src", &error);
  struct vector *made = error ? NULL : duplicate(kind, from);
  if (!error && !made) error = wr_error_out_of_memory();
  if (!error) error = put(kind, ctx, made);
  return wr_api_return(function, error);
}

int wr_vector_append(const char *function, const struct wr_vector_kind *kind, void *ctx,
                     const void *data, size_t n, const char *param) {
  struct wr_error *error = NULL;
  struct vector *v = check_vector(kind, ctx, "vec", &error);
  if (!error) error = append(kind, &v->items, data, n, param);
  return wr_api_return(function, error);
}

size_t wr_vector_size(const char *function, const struct wr_vector_kind *kind, void *ctx) {
  struct wr_error *error = NULL;
  const struct vector *v = check_vector(kind, ctx, "vec", &error);
  if (wr_api_return(function, error)) return 0;
  return v->items.count;
}

/* The item at `idx`, borrowed. */
static void *item_at(const struct wr_vector_kind *kind, void *ctx, size_t idx,
                     struct wr_error **error) {
  const struct vector *v = check_vector(kind, ctx, "vec", error);
  if (!*error && idx >= v->items.count) {
    wr_api_reject(error, "idx", "%zu is out of range for %zu items", idx, v->items.count);
  }
  return *error ? NULL : v->items.items[idx];
}

/* ---- arrays ---- */

static void fetch_array(const void *data, size_t i, const char *param, void **item,
                        struct wr_error **error) {
  struct wr_node *node = wr_api_array(((const mlx_array *)data)[i], param, error);
  if (node) *item = wr_node_retain(node);
}

static bool copy_array(void *item, void **copy) {
  *copy = wr_node_retain(item);
  return true;
}

static void drop_array(void *item) { wr_node_release(item); }

const struct wr_vector_kind wr_vector_arrays = {WR_KIND_VECTOR_ARRAY, fetch_array, copy_array,
                                                drop_array};

int mlx_vector_array_get(mlx_array *res, const mlx_vector_array vec, size_t idx) {
  struct wr_error *error = NULL;
  wr_api_result_handle(res, WR_KIND_ARRAY, "res", &error);
  struct wr_node *node = item_at(&wr_vector_arrays, vec.ctx, idx, &error);
  if (!error) wr_node_retain(node);
  return wr_api_return_array("mlx_vector_array_get", error, res, node);
}

/* ---- vectors of arrays ---- */

static void fetch_vector(const void *data, size_t i, const char *param, void **item,
                         struct wr_error **error) {
  const struct vector *v =
      check_vector(&wr_vector_arrays, ((const mlx_vector_array *)data)[i].ctx, param, error);
  if (*error) return;
  *item = duplicate(&wr_vector_arrays, v);
  if (!*item) *error = wr_error_out_of_memory();
}

static bool copy_vector(void *item, void **copy) {
  *copy = duplicate(&wr_vector_arrays, item);
  return *copy != NULL;
}

static void drop_vector(void *item) { vector_end(&wr_vector_arrays, item); }

const struct wr_vector_kind wr_vector_vectors = {WR_KIND_VECTOR_VECTOR_ARRAY, fetch_vector,
                                                 copy_vector, drop_vector};

int mlx_vector_vector_array_get(mlx_vector_array *res, const mlx_vector_vector_array vec,
                                size_t idx) {
  struct wr_error *error = NULL;
  wr_api_result_handle(res, WR_KIND_VECTOR_ARRAY, "res", &error);
  struct vector *item = item_at(&wr_vector_vectors, vec.ctx, idx, &error);
  struct vector *made = error ? NULL : duplicate(&wr_vector_arrays, item);
  if (!error && !made) error = wr_error_out_of_memory();
  if (!error) error = put(&wr_vector_arrays, &res->ctx, made);
  return wr_api_return("mlx_vector_vector_array_get", error);
}

/* ---- integers ---- */

static void fetch_int(const void *data, size_t i, const char *param, void **item,
                      struct wr_error **error) {
  (void)param;
  (void)error;
  *item = (void *)(intptr_t)((const int *)data)[i];
}

static bool copy_int(void *item, void **copy) {
  *copy = item;
  return true;
}

static void drop_int(void *item) { (void)item; }

const struct wr_vector_kind wr_vector_ints = {WR_KIND_VECTOR_INT, fetch_int, copy_int, drop_int};

int mlx_vector_int_get(int *res, const mlx_vector_int vec, size_t idx) {
  struct wr_error *error = NULL;
  wr_api_result(res, "res", &error);
  void *item = item_at(&wr_vector_ints, vec.ctx, idx, &error);
  if (!error) *res = (int)(intptr_t)item;
  return wr_api_return("mlx_vector_int_get", error);
}

/* ---- strings ---- */

static bool copy_string(void *item, void **copy) {
  size_t bytes = strlen(item) + 1;
  *copy = wr_alloc(bytes);
  if (*copy) memcpy(*copy, item, bytes);
  return *copy != NULL;
}

static void fetch_string(const void *data, size_t i, const char *param, void **item,
                         struct wr_error **error) {
  const char *text = ((const char *const *)data)[i];
  wr_api_result(text, param, error);
  if (!*error && !copy_string((void *)text, item)) *error = wr_error_out_of_memory();
}

static void drop_string(void *item) { wr_free(item); }

const struct wr_vector_kind wr_vector_strings = {WR_KIND_VECTOR_STRING, fetch_string, copy_string,
                                                 drop_string};

/* *res points into the vector and lives as long as the item. */
int mlx_vector_string_get(char **res, const mlx_vector_string vec, size_t idx) {
  struct wr_error *error = NULL;
  wr_api_result(res, "res", &error);
  char *text = item_at(&wr_vector_strings, vec.ctx, idx, &error);
  if (!error) *res = text;
  return wr_api_return("mlx_vector_string_get", error);
}

/* ---- for the other files of the API ---- */

/* Pointers to objects share one representation, here as everywhere that the library runs. */
struct wr_node *const *wr_api_vector(mlx_vector_array v, const char *param, size_t *n,
                                     struct wr_error **error) {
  const struct vector *found = check_vector(&wr_vector_arrays, v.ctx, param, error);
  if (*error) return NULL;
  *n = found->items.count;
  return (struct wr_node *const *)found->items.items;
}

const char *const *wr_api_strings(mlx_vector_string v, const char *param, size_t *n,
                                  struct wr_error **error) {
  const struct vector *found = check_vector(&wr_vector_strings, v.ctx, param, error);
  if (*error) return NULL;
  *n = found->items.count;
  return (const char *const *)found->items.items;
}

struct wr_error *wr_api_set_strings(mlx_vector_string *vec, const char *const *items, size_t n) {
  return make_from(&wr_vector_strings, &vec->ctx, items, n, "items");
}

static struct vector *vector_of_nodes(struct wr_node *const *nodes, size_t n) {
  struct vector *made = vector_make(&wr_vector_arrays, n);
  for (size_t i = 0; made && i < n; i++) made->items.items[made->items.count++] = nodes[i];
  return made;
}

int wr_api_return_vector(const char *function, struct wr_error *error, mlx_vector_array *res,
                         struct wr_node **out, size_t n) {
  struct vector *made = error ? NULL : vector_of_nodes(out, n);
  if (!error && !made) error = wr_error_out_of_memory();
  for (size_t i = 0; !made && i < n; i++) wr_node_release(out[i]);
  wr_free(out);
  if (!error) error = put(&wr_vector_arrays, &res->ctx, made);
  return wr_api_return(function, error);
}

struct wr_error *wr_api_make_vector(mlx_vector_array *vec, struct wr_node *const *nodes, size_t n) {
  struct vector *made = vector_of_nodes(nodes, n);
  if (!made) return wr_error_out_of_memory();
  for (size_t i = 0; i < n; i++) wr_node_retain(nodes[i]);
  return put(&wr_vector_arrays, &vec->ctx, made);
}

static void take(const struct wr_vector_kind *kind, void *ctx, struct wr_ptrs *items,
                 struct wr_error **error) {
  struct vector *v = wr_api_take(ctx, kind->handles, "res", error);
  if (!v) return;
  *items = v->items;
  wr_free(v);
}

void wr_api_take_vector(mlx_vector_array vec, struct wr_ptrs *nodes, struct wr_error **error) {
  take(&wr_vector_arrays, vec.ctx, nodes, error);
}

void wr_api_take_ints(mlx_vector_int vec, struct wr_ptrs *items, struct wr_error **error) {
  take(&wr_vector_ints, vec.ctx, items, error);
}

/* A vector of the items, which it takes; NULL, and nothing is taken, when memory is refused. */
static struct vector *vector_of(const struct wr_vector_kind *kind, struct wr_ptrs *items) {
  struct vector *made = wr_ptrs_reserve(items, 1) ? wr_calloc(sizeof *made) : NULL;
  if (!made) return NULL;
  wr_kind_begin(&made->kind, kind->handles);
  made->items = *items;
  *items = (struct wr_ptrs){0};
  return made;
}

struct placed {
  const struct wr_vector_kind *kind;
  void **ctx; /* NULL: not wanted */
  struct wr_ptrs *items;
  struct vector *made;
};

static struct wr_error *give_all(struct placed *all, size_t n) {
  struct wr_error *error = NULL;
  for (size_t i = 0; i < n && !error; i++) {
    if (!all[i].ctx) continue;
    all[i].made = vector_of(all[i].kind, all[i].items);
    if (!all[i].made) error = wr_error_out_of_memory();
  }
  for (size_t i = 0; i < n; i++) {
    if (error) {
      vector_end(all[i].kind, all[i].made);
    } else if (all[i].ctx) {
      error = put(all[i].kind, all[i].ctx, all[i].made);
    }
  }
  return error;
}

/* All are made before the first is given, so that a failed call changes nothing. */
int wr_api_return_lists(const char *function, struct wr_error *error,
                        const struct wr_api_places *places, struct wr_results *results) {
  struct placed all[] = {
      {&wr_vector_arrays, places->out[0] ? &places->out[0]->ctx : NULL, &results->out[0], NULL},
      {&wr_vector_arrays, places->out[1] ? &places->out[1]->ctx : NULL, &results->out[1], NULL},
      {&wr_vector_ints, places->numbers ? &places->numbers->ctx : NULL, &results->numbers, NULL}};
  if (!error) error = give_all(all, sizeof all / sizeof all[0]);
  wr_results_end(results);
  return wr_api_return(function, error);
}
