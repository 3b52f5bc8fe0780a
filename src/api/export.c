/* Functions in files: handles in, a capture of the function, and src/io. No locks. */

#include "mlx/c/export.h"

#include <string.h>

#include "api/api.h"
#include "api/closure.h"
#include "api/map.h"
#include "base/base.h"
#include "base/text.h"
#include "io/mlxfn_import.h"
#include "io/mlxfn_write.h"

struct exporter {
  struct wr_kind_word kind;
  struct wr_fn_exporter *file;
  struct wr_function *function; /* a reference */
  bool shapeless;
};

struct imported {
  struct wr_kind_word kind;
  struct wr_fn_import *function;
};

/* ---- arguments ---- */

/* Positional ones, and named ones sorted by their names. */
struct inputs {
  struct wr_node_list in;
  struct wr_ptrs held[1];
  size_t n_named;
  const char **names; /* the map's */
  struct wr_node **named;
};

/* What is named has references too, since the function may change the map. */
static void take_named(struct inputs *i, const struct wr_map *map, struct wr_error **error) {
  const struct wr_map_entry **sorted = wr_map_sorted(map);
  i->names = wr_calloc((map->count + 1) * sizeof *i->names);
  i->named = wr_calloc((map->count + 1) * sizeof *i->named);
  if (!sorted || !i->names || !i->named) *error = wr_error_out_of_memory();
  for (size_t k = 0; k < map->count && !*error; k++) {
    char *name = wr_text_copy(sorted[k]->key);
    if (!name) *error = wr_error_out_of_memory();
    if (!name) break;
    i->names[k] = name;
    i->named[k] = wr_node_retain(sorted[k]->value);
    i->n_named++;
  }
  wr_free(sorted);
}

static struct inputs take_inputs(mlx_vector_array args, const mlx_map_string_to_array *kwargs,
                                 struct wr_error **error) {
  struct inputs i = {.n_named = 0};
  i.in = wr_api_hold(&i.held[0], args, "args", error);
  const struct wr_map *map = kwargs ? wr_api_map_of_arrays(*kwargs, "kwargs", error) : NULL;
  if (map && !*error) take_named(&i, map, error);
  return i;
}

static void drop_inputs(struct inputs *i) {
  for (size_t k = 0; k < i->n_named; k++) {
    wr_free((void *)i->names[k]);
    wr_node_release(i->named[k]);
  }
  wr_free(i->names);
  wr_free(i->named);
  wr_api_let_go(i->held, 1);
}

/* ---- tracing ---- */

static struct wr_error *stand_in(struct wr_capturing *making, const struct wr_node *like,
                                 struct wr_node **out) {
  return wr_capture_input(making, wr_node_ndim(like), wr_node_shape(like), wr_node_dtype(like),
                          out);
}

/* Calls the function on what stands for the inputs; with named ones where it takes such. */
static struct wr_error *call(struct wr_capturing *making, struct wr_function *f,
                             const struct inputs *i, bool takes_named, struct wr_results *results) {
  struct wr_error *error = NULL;
  struct wr_map named = {0};
  struct wr_node *in;
  for (size_t k = 0; k < i->in.n && !error; k++) error = stand_in(making, i->in.items[k], &in);
  for (size_t k = 0; k < i->n_named && !error; k++) {
    bool added;
    error = stand_in(making, i->named[k], &in);
    void **place = error ? NULL : wr_map_add(&named, i->names[k], &added);
    if (place) *place = in;
    if (!error && !place) error = wr_error_out_of_memory();
  }
  const struct wr_arguments arguments = {
      .in = {{(struct wr_node *const *)making->in.items, i->in.n}},
      .named = takes_named ? &named : NULL};
  if (!error) error = wr_function_call(f, &arguments, results);
  wr_map_end(&named);
  return error;
}

/* For other extents nothing is broadcast to those of this call, as far as the function lets it.
   Also where it made a number, which need not be one of extents: no call makes it anew. Where one
   is, inputs of other extents are better refused by what is broadcast than divided by a count of
   others. */
static struct wr_error *generalize(struct wr_capture **capture) {
  struct wr_capture *general = NULL;
  if ((*capture)->pinned & WR_PIN_EXTENTS) return NULL;
  struct wr_error *error = wr_capture_generalize(&general, *capture);
  if (error || !general) return error;
  wr_capture_release(*capture);
  *capture = general;
  return NULL;
}

static struct wr_error *trace(struct wr_capture **out, struct wr_function *f,
                              const struct inputs *i, bool takes_named, bool shapeless) {
  struct wr_capturing making;
  struct wr_results results = {0};
  struct wr_error *error =
      wr_capture_begin(&making, WR_CAPTURE_STORES | (shapeless ? WR_CAPTURE_VIEWS : 0));
  if (error) return error;
  error = call(&making, f, i, takes_named, &results);
  if (!error) error = wr_capture_of_results(out, &making, &results);
  wr_capture_end(&making);
  return error || !shapeless ? error : generalize(out);
}

/* ---- exporting ---- */

static struct wr_error *add(struct exporter *x, const struct inputs *i) {
  struct wr_capture *capture = NULL;
  const size_t n = i->in.n + i->n_named;
  struct wr_node **all = wr_alloc((n + 1) * sizeof *all);
  if (!all) return wr_error_out_of_memory();
  for (size_t k = 0; k < n; k++) all[k] = k < i->in.n ? i->in.items[k] : i->named[k - i->in.n];
  const bool twice = wr_fn_exporter_has(x->file, all, n, i->names, i->n_named);
  wr_free(all);
  if (twice) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                        "[export_function] Attempting to export a function twice with the same "
                        "signature is not allowed.");
  }
  struct wr_error *error = trace(&capture, x->function, i, false, x->shapeless);
  if (!error) error = wr_fn_exporter_add(x->file, capture, i->names, i->n_named);
  wr_capture_release(capture);
  return error;
}

/* Once the function has been traced. */
static struct wr_error *write_one(const char *file, bool shapeless, struct wr_function *f,
                                  const struct inputs *i, bool takes_named) {
  struct wr_capture *capture = NULL;
  struct wr_fn_exporter *x = NULL;
  struct wr_error *error = trace(&capture, f, i, takes_named, shapeless);
  if (!error) error = wr_fn_exporter_new(&x, file, shapeless);
  if (!error) error = wr_fn_exporter_add(x, capture, i->names, i->n_named);
  wr_fn_exporter_free(x);
  wr_capture_release(capture);
  return error;
}

int mlx_export_function(const char *file, const mlx_closure fun, const mlx_vector_array args,
                        bool shapeless) {
  struct wr_error *error = NULL;
  wr_api_result(file, "file", &error);
  struct wr_function *f = wr_api_closure(fun, "fun", &error);
  struct inputs i = take_inputs(args, NULL, &error);
  if (!error) error = write_one(file, shapeless, f, &i, false);
  drop_inputs(&i);
  return wr_api_return("mlx_export_function", error);
}

int mlx_export_function_kwargs(const char *file, const mlx_closure_kwargs fun,
                               const mlx_vector_array args, const mlx_map_string_to_array kwargs,
                               bool shapeless) {
  struct wr_error *error = NULL;
  wr_api_result(file, "file", &error);
  struct wr_function *f = wr_api_closure_kwargs(fun, "fun", &error);
  struct inputs i = take_inputs(args, &kwargs, &error);
  if (!error) error = write_one(file, shapeless, f, &i, true);
  drop_inputs(&i);
  return wr_api_return("mlx_export_function_kwargs", error);
}

static void exporter_end(void *object) {
  struct exporter *x = object;
  wr_fn_exporter_free(x->file);
  wr_function_release(x->function);
  wr_free(x);
}

mlx_function_exporter mlx_function_exporter_new(const char *file, const mlx_closure fun,
                                                bool shapeless) {
  struct wr_error *error = NULL;
  wr_api_result(file, "file", &error);
  struct wr_function *f = wr_api_closure(fun, "fun", &error);
  struct exporter *x = error ? NULL : wr_calloc(sizeof *x);
  if (!error && !x) error = wr_error_out_of_memory();
  if (!error) error = wr_fn_exporter_new(&x->file, file, shapeless);
  if (!error) {
    wr_kind_begin(&x->kind, WR_KIND_FUNCTION_EXPORTER);
    x->function = wr_function_retain(f);
    x->shapeless = shapeless;
  }
  return (mlx_function_exporter){wr_api_give_or_end(
      "mlx_function_exporter_new", x, WR_KIND_FUNCTION_EXPORTER, error, exporter_end)};
}

int mlx_function_exporter_free(mlx_function_exporter xfunc) {
  return wr_api_free("mlx_function_exporter_free", xfunc.ctx, WR_KIND_FUNCTION_EXPORTER, "xfunc",
                     exporter_end);
}

static int apply(const char *function, mlx_function_exporter xfunc, mlx_vector_array args,
                 const mlx_map_string_to_array *kwargs) {
  struct wr_error *error = NULL;
  struct exporter *x =
      wr_api_object(xfunc.ctx, WR_KIND_FUNCTION_EXPORTER, "xfunc",
                    "is empty: expected a non-empty mlx_function_exporter", &error);
  struct inputs i = take_inputs(args, kwargs, &error);
  if (!error) error = add(x, &i);
  drop_inputs(&i);
  return wr_api_return(function, error);
}

int mlx_function_exporter_apply(const mlx_function_exporter xfunc, const mlx_vector_array args) {
  return apply("mlx_function_exporter_apply", xfunc, args, NULL);
}

int mlx_function_exporter_apply_kwargs(const mlx_function_exporter xfunc,
                                       const mlx_vector_array args,
                                       const mlx_map_string_to_array kwargs) {
  return apply("mlx_function_exporter_apply_kwargs", xfunc, args, &kwargs);
}

/* ---- importing ---- */

static void imported_end(void *object) {
  struct imported *i = object;
  wr_free_scope_enter();
  wr_fn_import_free(i->function);
  wr_free_scope_leave();
  wr_free(i);
}

mlx_imported_function mlx_imported_function_new(const char *file) {
  struct wr_error *error = NULL;
  wr_api_result(file, "file", &error);
  struct imported *i = error ? NULL : wr_calloc(sizeof *i);
  if (!error && !i) error = wr_error_out_of_memory();
  if (!error) error = wr_fn_import_new(&i->function, file);
  if (!error) wr_kind_begin(&i->kind, WR_KIND_IMPORTED_FUNCTION);
  return (mlx_imported_function){wr_api_give_or_end(
      "mlx_imported_function_new", i, WR_KIND_IMPORTED_FUNCTION, error, imported_end)};
}

int mlx_imported_function_free(mlx_imported_function xfunc) {
  return wr_api_free("mlx_imported_function_free", xfunc.ctx, WR_KIND_IMPORTED_FUNCTION, "xfunc",
                     imported_end);
}

static int run(const char *function, mlx_vector_array *res, mlx_imported_function xfunc,
               mlx_vector_array args, const mlx_map_string_to_array *kwargs) {
  struct wr_error *error = NULL;
  struct wr_results results = {0};
  wr_api_result_handle(res, WR_KIND_VECTOR_ARRAY, "res", &error);
  const struct imported *f =
      wr_api_object(xfunc.ctx, WR_KIND_IMPORTED_FUNCTION, "xfunc",
                    "is empty: expected a non-empty mlx_imported_function", &error);
  size_t n = 0;
  struct wr_node *const *in = wr_api_vector(args, "args", &n, &error);
  const struct wr_map *named = kwargs ? wr_api_map_of_arrays(*kwargs, "kwargs", &error) : NULL;
  const struct wr_node_list list = {in, n};
  if (!error) error = wr_fn_import_call(f->function, &list, named, &results.out[0]);
  return wr_api_return_lists(function, error, &(struct wr_api_places){.out = {res}}, &results);
}

int mlx_imported_function_apply(mlx_vector_array *res, const mlx_imported_function xfunc,
                                const mlx_vector_array args) {
  return run("mlx_imported_function_apply", res, xfunc, args, NULL);
}

int mlx_imported_function_apply_kwargs(mlx_vector_array *res, const mlx_imported_function xfunc,
                                       const mlx_vector_array args,
                                       const mlx_map_string_to_array kwargs) {
  return run("mlx_imported_function_apply_kwargs", res, xfunc, args, &kwargs);
}
