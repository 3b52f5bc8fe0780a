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

struct wr_node *wr_api_array(mlx_array a, const char *param, struct wr_error **error) {
  if (!a.ctx) wr_api_reject(error, param, "is an empty array");
  return wr_api_array_or_none(a);
}

struct wr_node *wr_api_array_or_none(mlx_array a) {
  const struct wr_handle *handle = a.ctx;
  return handle ? handle->node : NULL;
}

static struct wr_error *default_stream(struct wr_stream **borrowed) {
  struct wr_device device;
  struct wr_error *error = wr_default_device(&device);
  return error ? error : wr_stream_default(device, borrowed);
}

struct wr_stream *wr_api_stream(mlx_stream s, struct wr_error **error) {
  struct wr_stream *stream = s.ctx;
  if (!stream && !*error) *error = default_stream(&stream);
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

struct wr_error *wr_api_put_array(mlx_array *res, struct wr_node *out) {
  if (res->ctx) {
    wr_free_scope_enter();
    wr_handle_set(res->ctx, out);
    wr_free_scope_leave();
    return NULL;
  }
  res->ctx = wr_handle_new(out);
  if (res->ctx) return NULL;
  wr_node_release(out);
  return wr_error_out_of_memory();
}

int wr_api_finish_array(const char *function, struct wr_error *error, mlx_array *res,
                        struct wr_node *out) {
  if (error) {
    wr_node_release(out);
  } else {
    error = wr_api_put_array(res, out);
  }
  return wr_api_finish(function, error);
}

struct wr_stream *wr_api_some_stream(mlx_stream s, const char *param, struct wr_error **error) {
  if (!s.ctx) wr_api_reject(error, param, "is an empty stream");
  return s.ctx;
}

uint64_t wr_api_deadline(int64_t timeout_ns, struct wr_error **error) {
  uint64_t now = wr_clock_ns();
  if (timeout_ns < 0) wr_api_reject(error, "timeout_ns", "%lld is negative", (long long)timeout_ns);
  return now + (uint64_t)timeout_ns;
}
