#ifndef WR_API_API_H
#define WR_API_API_H

/* What the files of src/api share: handles in and out, argument checks, error reports. What a
   handle's ctx is says handle.h alone; NULL is an empty one. The objects: wr_handle of mlx_array,
   wr_stream of mlx_stream, ...; base/kinds.def lists the kinds.

   Checks take `struct wr_error **error`, which must be NULL or hold an error already: then they do
   nothing, so that a function runs all of its checks in a row and looks once. What they return is
   borrowed from the handle. A typical function:

     struct wr_error *error = NULL;
     struct wr_node *x = wr_api_array(a, "a", &error);
     struct wr_stream *stream = wr_api_stream(s, &error);
     struct wr_node *out = NULL;
     wr_api_result_handle(res, WR_KIND_ARRAY, "res", &error);
     if (!error) error = wr_ops_unary(&out, WR_OP_ABS, x, stream);
     return wr_api_return_array("mlx_abs", error, res, out);

   Parameter names are those of mlx-c's prototypes: messages carry them (H1). */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/handle.h"
#include "core/device.h"
#include "core/dtype.h"
#include "core/error.h"
#include "graph/node.h"
#include "mlx/c/array.h"
#include "mlx/c/device.h"
#include "mlx/c/stream.h"
#include "mlx/c/string.h"
#include "mlx/c/vector.h"
#include "ops/function.h"
#include "stream/stream.h"
#include "weir/stream.h"

/* ---- reporting ---- */

/* Stores "function: message" and its status as the calling thread's last error, calls the handler,
   takes the reference of `error`. Returns 1. No lock may be held; nor anything else, since the
   handler need not return. */
int wr_api_fail(const char *function, struct wr_error *error);
/* 0 when error is NULL, else wr_api_fail. */
static inline int wr_api_return(const char *function, struct wr_error *error) {
  return error ? wr_api_fail(function, error) : 0;
}
/* The end of a function with an array for a result: *res receives `out` (its reference is taken)
   and what it held is released; on an error `out` is released, if any, and res left alone. */
int wr_api_return_array(const char *function, struct wr_error *error, mlx_array *res,
                        struct wr_node *out);
/* The same for a vector of arrays: takes `out`, memory of wr_alloc, and the references in it. */
int wr_api_return_vector(const char *function, struct wr_error *error, mlx_vector_array *res,
                         struct wr_node **out, size_t n);
/* The same for lists: as many of the places as are not NULL, in the order of the lists. Takes what
   `results` hold, and their memory. */
struct wr_api_places {
  mlx_vector_array *out[WR_RESULT_LISTS];
  mlx_vector_int *numbers;
};
int wr_api_return_lists(const char *function, struct wr_error *error,
                        const struct wr_api_places *places, struct wr_results *results);
/* The calling thread's last error, a reference; NULL when there is none. */
struct wr_error *wr_api_last_error(void);

/* ---- checks ---- */

/* An error that names the parameter; for what only the caller can judge. */
__attribute__((format(printf, 3, 4))) void wr_api_reject(struct wr_error **error, const char *param,
                                                         const char *format, ...);
/* A pointer through which a result is written, or an input pointer that must not be NULL. */
void wr_api_result(const void *pointer, const char *param, struct wr_error **error);
/* The object of a handle: an error where it is not a live one of that kind, also where it is empty
   (words_if_empty: "is an empty array"). */
void *wr_api_object(void *ctx, enum wr_kind kind, const char *param, const char *words_if_empty,
                    struct wr_error **error);
/* For functions that answer a new handle: the handle's ctx, or NULL, and the error is reported: the
   one that making the object gave, or that memory is refused, as where there is no object. Then the
   object is still the caller's. */
void *wr_api_give(const char *function, void *object, enum wr_kind kind, struct wr_error *error);
/* The same, where an object without a handle ends by `end`. */
void *wr_api_give_or_end(const char *function, void *object, enum wr_kind kind,
                         struct wr_error *error, void (*end)(void *object));
/* For free: the object of a handle that ends. NULL without an error when it is empty. */
void *wr_api_take(void *ctx, enum wr_kind kind, const char *param, struct wr_error **error);
/* All of a free: `end` is called with the object, if there is one. */
int wr_api_free(const char *function, void *ctx, enum wr_kind kind, const char *param,
                void (*end)(void *object));
void wr_api_result_slow(const void *place, enum wr_kind kind, const char *param,
                        struct wr_error **error);
/* A pointer to a handle, as all of them are laid out, that gets a result: as wr_api_result, and
   what it holds is empty or a live handle of that kind. */
static inline void wr_api_result_handle(const void *place, enum wr_kind kind, const char *param,
                                        struct wr_error **error) {
  void *ctx = place ? *(void *const *)place : NULL;
  if (place && (!ctx || wr_handle_is_plain(ctx, kind))) return;
  wr_api_result_slow(place, kind, param, error);
}
struct wr_node *wr_api_array_slow(mlx_array a, const char *param, struct wr_error **error);
static inline struct wr_node *wr_api_array(mlx_array a, const char *param,
                                           struct wr_error **error) {
  struct wr_handle *handle = a.ctx;
  if (wr_handle_is_plain(handle, WR_KIND_ARRAY)) return handle->node;
  return wr_api_array_slow(a, param, error);
}
/* NULL without an error when the handle is empty: for parameters that mlx-c lets be absent. */
static inline struct wr_node *wr_api_array_or_none(mlx_array a, const char *param,
                                                   struct wr_error **error) {
  return a.ctx ? wr_api_array(a, param, error) : NULL;
}
/* The items of a vector, *n of them; never NULL unless *error. */
struct wr_node *const *wr_api_vector(mlx_vector_array v, const char *param, size_t *n,
                                     struct wr_error **error);
/* The handle's stream; for an empty one the calling thread's default of the default device (D2). */
struct wr_stream *wr_api_stream(mlx_stream s, struct wr_error **error);
/* The handle's stream, where none is an error; whose it is does not matter. */
struct wr_stream *wr_api_some_stream(mlx_stream s, const char *param, struct wr_error **error);
/* When a timeout that begins now ends, in nanoseconds of wr_clock_ns; a negative one is an error.
 */
uint64_t wr_api_deadline(int64_t timeout_ns, struct wr_error **error);
/* What is no class is an error. */
enum wr_class wr_api_class(weir_class to, struct wr_error **error);
enum wr_dtype wr_api_dtype(mlx_dtype dtype, const char *param, struct wr_error **error);
/* A list of `n` of anything. NULL is fine when n is 0. */
void wr_api_list(const void *values, size_t n, const char *param, struct wr_error **error);
/* `n` integers: axes, extents of reshape, strides. NULL is fine when n is 0. */
const int32_t *wr_api_ints(const int *values, size_t n, const char *param, struct wr_error **error);
/* `n` extents: at most WR_MAX_NDIM, none negative. */
const int32_t *wr_api_shape(const int *shape, size_t n, const char *param, struct wr_error **error);

/* ---- handles of the other kinds, for the files of this folder ---- */

/* Makes *res, and its copies, refer to `out`, in place of what they did; takes the reference, also
   when memory for a new handle is refused. Runs due destructors on this thread (the caller's own
   free). */
struct wr_error *wr_api_put_array(mlx_array *res, struct wr_node *out);
/* The strings of a vector, *n of them; never NULL unless *error. */
const char *const *wr_api_strings(mlx_vector_string v, const char *param, size_t *n,
                                  struct wr_error **error);
/* A vector of further references. */
struct wr_error *wr_api_make_vector(mlx_vector_array *vec, struct wr_node *const *nodes, size_t n);
/* Ends a vector that was given as a result, and gives what it held; no destructor runs here. */
void wr_api_take_vector(mlx_vector_array vec, struct wr_ptrs *nodes, struct wr_error **error);
void wr_api_take_ints(mlx_vector_int vec, struct wr_ptrs *items, struct wr_error **error);
/* Copies the text into *str, replacing what it holds. */
struct wr_error *wr_api_set_string(mlx_string *str, const char *text);
/* Replaces *vec by a vector of copies of the strings. */
struct wr_error *wr_api_set_strings(mlx_vector_string *vec, const char *const *items, size_t n);
struct wr_device wr_api_device(mlx_device dev, const char *param, struct wr_error **error);
/* Whether ctx looks like a device where handles are no numbers. */
bool wr_api_is_device(const void *ctx);
/* Makes *dev that device. */
struct wr_error *wr_api_put_device(mlx_device *dev, struct wr_device device);
/* Writes "Device(cpu, 0)". Returns buf. */
char *wr_api_format_device(struct wr_device device, char *buf, size_t n);
/* Forces and formats as MLX prints; *text is to be freed with wr_free. */
struct wr_error *wr_api_format_array(struct wr_node *node, char **text);

#endif
