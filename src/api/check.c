/* Argument checks and result handles: what every function of the API begins and ends with. No
   locks. */

#include <stdarg.h>
#include <stdio.h>

#include "api/api.h"
#include "base/base.h"
#include "base/lock.h"
#include "core/shape.h"
#include "stream/policy.h"

/* Values cross the boundary by cast. */
_Static_assert((int)MLX_BOOL == (int)WR_BOOL && (int)MLX_INT8 == (int)WR_INT8 &&
                   (int)MLX_FLOAT16 == (int)WR_FLOAT16 && (int)MLX_FLOAT64 == (int)WR_FLOAT64 &&
                   (int)MLX_BFLOAT16 == (int)WR_BFLOAT16 && (int)MLX_COMPLEX64 == (int)WR_COMPLEX64,
               "mlx_dtype and wr_dtype have the same values");
_Static_assert(sizeof(int) == sizeof(int32_t), "shapes are passed on without a copy");

void wr_api_reject(struct wr_error **error, const char *param, const char *format, ...) {
  if (*error) return;
  char text[256];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  *error = wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "%s %s", param, text);
}

void wr_api_result(const void *pointer, const char *param, struct wr_error **error) {
  if (!pointer) wr_api_reject(error, param, "is NULL");
}

/* ---- handles ---- */

static void reject_handle(void *ctx, enum wr_kind kind, const char *param,
                          struct wr_error **error) {
  char text[WR_HANDLE_TEXT];
  if (!*error) wr_api_reject(error, param, "%s", wr_handle_fault(ctx, kind, text));
}

void *wr_api_object(void *ctx, enum wr_kind kind, const char *param, const char *words_if_empty,
                    struct wr_error **error) {
  void *object = wr_handle_object(ctx, kind);
  if (object) return object;
  if (ctx) {
    reject_handle(ctx, kind, param, error);
  } else {
    wr_api_reject(error, param, "%s", words_if_empty);
  }
  return NULL;
}

void *wr_api_give(const char *function, void *object, enum wr_kind kind, struct wr_error *error) {
  void *ctx = NULL;
  if (!error && object && wr_handle_give(&ctx, object, kind)) return ctx;
  wr_api_fail(function, error ? error : wr_error_out_of_memory());
  return NULL;
}

void *wr_api_give_or_end(const char *function, void *object, enum wr_kind kind,
                         struct wr_error *error, void (*end)(void *object)) {
  void *ctx = wr_api_give(function, object, kind, error);
  if (!ctx && object) end(object);
  return ctx;
}

void *wr_api_take(void *ctx, enum wr_kind kind, const char *param, struct wr_error **error) {
  void *object = wr_handle_take(ctx, kind);
  if (ctx && !object) reject_handle(ctx, kind, param, error);
  return object;
}

int wr_api_free(const char *function, void *ctx, enum wr_kind kind, const char *param,
                void (*end)(void *object)) {
  struct wr_error *error = NULL;
  void *object = wr_api_take(ctx, kind, param, &error);
  if (object) end(object);
  return wr_api_return(function, error);
}

void wr_api_result_slow(const void *place, enum wr_kind kind, const char *param,
                        struct wr_error **error) {
  wr_api_result(place, param, error);
  void *ctx = place ? *(void *const *)place : NULL;
  if (ctx && !wr_handle_object(ctx, kind)) reject_handle(ctx, kind, param, error);
}

struct wr_node *wr_api_array_slow(mlx_array a, const char *param, struct wr_error **error) {
  struct wr_handle *handle = wr_api_object(a.ctx, WR_KIND_ARRAY, param, "is an empty array", error);
  return handle ? handle->node : NULL;
}

static struct wr_error *default_stream(struct wr_stream **borrowed) {
  struct wr_device device;
  struct wr_error *error = wr_default_device(&device);
  return error ? error : wr_stream_default(device, borrowed);
}

struct wr_stream *wr_api_stream(mlx_stream s, struct wr_error **error) {
  struct wr_stream *stream = NULL;
  if (s.ctx) {
    stream = wr_api_object(s.ctx, WR_KIND_STREAM, "s", "", error);
  } else if (!*error) {
    *error = default_stream(&stream);
  }
  if (!*error) *error = wr_stream_check(stream);
  return stream;
}

enum wr_dtype wr_api_dtype(mlx_dtype dtype, const char *param, struct wr_error **error) {
  if (wr_dtype_valid((int)dtype)) return (enum wr_dtype)dtype;
  wr_api_reject(error, param, "%d is not a dtype", (int)dtype);
  return WR_BOOL;
}

void wr_api_list(const void *values, size_t n, const char *param, struct wr_error **error) {
  if (n && !values) wr_api_reject(error, param, "is NULL");
}

const int32_t *wr_api_ints(const int *values, size_t n, const char *param,
                           struct wr_error **error) {
  wr_api_list(values, n, param, error);
  return values;
}

const int32_t *wr_api_shape(const int *shape, size_t n, const char *param,
                            struct wr_error **error) {
  wr_api_ints(shape, n, param, error);
  if (*error) return NULL;
  if (n > WR_MAX_NDIM) {
    wr_api_reject(error, param, "has %zu dimensions; at most %d are possible", n, WR_MAX_NDIM);
    return NULL;
  }
  for (size_t i = 0; i < n; i++) {
    if (shape[i] < 0) wr_api_reject(error, param, "has a negative dimension, %d", shape[i]);
  }
  return shape;
}

/* Takes the reference. */
static struct wr_error *make_handle(mlx_array *res, struct wr_node *out) {
  struct wr_handle *handle = wr_handle_new(out);
  if (!handle) {
    wr_node_release(out);
    return wr_error_out_of_memory();
  }
  if (wr_handle_give(&res->ctx, handle, WR_KIND_ARRAY)) return NULL;
  wr_handle_free(handle);
  return wr_error_out_of_memory();
}

struct wr_error *wr_api_put_array(mlx_array *res, struct wr_node *out) {
  if (!res->ctx) return make_handle(res, out);
  struct wr_error *error = NULL;
  struct wr_handle *handle = res->ctx;
  if (!wr_handle_is_plain(handle, WR_KIND_ARRAY)) { /* or has ended since the call began */
    handle = wr_api_object(res->ctx, WR_KIND_ARRAY, "res", "", &error);
    if (!handle) {
      wr_node_release(out);
      return error;
    }
  }
  wr_free_scope_enter();
  wr_handle_set(handle, out);
  wr_free_scope_leave();
  return NULL;
}

int wr_api_return_array(const char *function, struct wr_error *error, mlx_array *res,
                        struct wr_node *out) {
  if (error) {
    wr_node_release(out);
  } else {
    error = wr_api_put_array(res, out);
  }
  return wr_api_return(function, error);
}

struct wr_stream *wr_api_some_stream(mlx_stream s, const char *param, struct wr_error **error) {
  return wr_api_object(s.ctx, WR_KIND_STREAM, param, "is an empty stream", error);
}

enum wr_class wr_api_class(weir_class to, struct wr_error **error) {
  static const enum wr_class classes[] = {[WEIR_CLASS_DEFAULT] = WR_CLASS_OF_STREAM,
                                          [WEIR_CLASS_HIGH] = WR_CLASS_HIGH,
                                          [WEIR_CLASS_NORMAL] = WR_CLASS_NORMAL,
                                          [WEIR_CLASS_LOW] = WR_CLASS_LOW};
  if ((unsigned)to < sizeof classes / sizeof *classes) return classes[to];
  wr_api_reject(error, "to", "%d is not a class", (int)to);
  return WR_CLASS_OF_STREAM;
}

uint64_t wr_api_deadline(int64_t timeout_ns, struct wr_error **error) {
  uint64_t now = wr_clock_ns();
  if (timeout_ns < 0) wr_api_reject(error, "timeout_ns", "%lld is negative", (long long)timeout_ns);
  return now + (uint64_t)timeout_ns;
}
