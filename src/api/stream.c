/* Streams: handles over src/stream. No locks of its own. */

#include "mlx/c/stream.h"

#include <stdio.h>

#include "api/api.h"
#include "stream/policy.h"

/* Takes the reference. What the handle was before ends. */
static struct wr_error *put_stream(mlx_stream *res, struct wr_stream *stream) {
  void *old = res->ctx;
  if (!wr_handle_give(&res->ctx, stream, WR_KIND_STREAM)) {
    wr_stream_release(stream);
    return wr_error_out_of_memory();
  }
  wr_stream_release(wr_handle_take(old, WR_KIND_STREAM));
  return NULL;
}

/* A new handle; takes the reference, if there is no error. */
static mlx_stream return_new(const char *function, struct wr_error *error,
                             struct wr_stream *stream) {
  mlx_stream made = {NULL};
  if (!error) error = put_stream(&made, stream);
  wr_api_return(function, error);
  return made;
}

/* ---- life ---- */

mlx_stream mlx_stream_new(void) { return (mlx_stream){NULL}; }

static mlx_stream new_on(const char *function, mlx_device dev) {
  struct wr_error *error = NULL;
  struct wr_stream *stream = NULL;
  struct wr_device device = wr_api_device(dev, "dev", &error);
  if (!error) error = wr_stream_new(device, &stream);
  return return_new(function, error, stream);
}

mlx_stream mlx_stream_new_device(mlx_device dev) { return new_on("mlx_stream_new_device", dev); }

mlx_stream mlx_stream_new_thread_unsafe(mlx_device dev) {
  return new_on("mlx_stream_new_thread_unsafe", dev);
}

/* The handle's stream, by a thread that may ask. */
static struct wr_stream *checked_stream(mlx_stream s, const char *param, struct wr_error **error) {
  struct wr_stream *stream = wr_api_some_stream(s, param, error);
  if (!*error) *error = wr_thread_check();
  return stream;
}

int mlx_stream_set(mlx_stream *stream, const mlx_stream src) {
  struct wr_error *error = NULL;
  wr_api_result_handle(stream, WR_KIND_STREAM, "stream", &error);
  struct wr_stream *from = checked_stream(src, "src", &error);
  if (!error) error = put_stream(stream, wr_stream_retain(from));
  return wr_api_return("mlx_stream_set", error);
}

static int free_slow(mlx_stream stream) {
  struct wr_error *error = NULL;
  wr_stream_release(wr_api_take(stream.ctx, WR_KIND_STREAM, "stream", &error));
  return wr_api_return("mlx_stream_free", error);
}

/* Of the thread's default this is all: what the thread keeps as that is a stream. */
int mlx_stream_free(mlx_stream stream) {
  if (!stream.ctx) return 0;
  struct wr_stream *const *given = wr_thread_here->given;
  if (stream.ctx != given[WR_DEVICE_CPU] && stream.ctx != given[WR_DEVICE_GPU]) {
    return free_slow(stream);
  }
  wr_stream_release(stream.ctx);
  return 0;
}

/* ---- clearing ---- */

int mlx_clear_streams(void) { return wr_api_return("mlx_clear_streams", wr_stream_clear()); }

/* ---- what it is ---- */

int mlx_stream_tostring(mlx_string *str, mlx_stream stream) {
  struct wr_error *error = NULL;
  wr_api_result_handle(str, WR_KIND_STRING, "str", &error);
  struct wr_stream *s = wr_api_some_stream(stream, "stream", &error);
  if (error) return wr_api_fail("mlx_stream_tostring", error);
  char device[64];
  char text[128];
  wr_api_format_device(wr_stream_device(s), device, sizeof device);
  snprintf(text, sizeof text, "Stream(%s, %d)", device, wr_stream_index(s));
  return wr_api_return("mlx_stream_tostring", wr_api_set_string(str, text));
}

bool mlx_stream_equal(mlx_stream lhs, mlx_stream rhs) {
  struct wr_error *error = NULL;
  struct wr_stream *a = wr_api_some_stream(lhs, "lhs", &error);
  struct wr_stream *b = checked_stream(rhs, "rhs", &error);
  if (wr_api_return("mlx_stream_equal", error)) return false;
  return a == b;
}

int mlx_stream_get_device(mlx_device *dev, mlx_stream stream) {
  struct wr_error *error = NULL;
  wr_api_result_handle(dev, WR_KIND_DEVICE, "dev", &error);
  struct wr_stream *s = checked_stream(stream, "stream", &error);
  if (!error) error = wr_api_put_device(dev, wr_stream_device(s));
  return wr_api_return("mlx_stream_get_device", error);
}

int mlx_stream_get_index(int *index, mlx_stream stream) {
  struct wr_error *error = NULL;
  wr_api_result(index, "index", &error);
  struct wr_stream *s = checked_stream(stream, "stream", &error);
  if (!error) *index = wr_stream_index(s);
  return wr_api_return("mlx_stream_get_index", error);
}

int mlx_synchronize(mlx_stream stream) {
  struct wr_error *error = NULL;
  struct wr_stream *s = wr_api_some_stream(stream, "stream", &error);
  if (!error) error = wr_stream_check(s);
  if (!error) error = wr_stream_synchronize_in_request(s);
  return wr_api_return("mlx_synchronize", error);
}

/* ---- defaults ---- */

int mlx_get_default_stream(mlx_stream *stream, mlx_device dev) {
  struct wr_error *error = NULL;
  struct wr_stream *found = NULL;
  wr_api_result_handle(stream, WR_KIND_STREAM, "stream", &error);
  struct wr_device device = wr_api_device(dev, "dev", &error);
  if (!error) error = wr_stream_default(device, &found);
  if (!error) error = put_stream(stream, wr_stream_retain(found));
  return wr_api_return("mlx_get_default_stream", error);
}

static mlx_stream default_of_slow(const char *function, enum wr_device_type type) {
  struct wr_stream *found = NULL;
  struct wr_error *error = wr_stream_default((struct wr_device){type, 0}, &found);
  return return_new(function, error, error ? NULL : wr_stream_retain(found));
}

/* The whole of it on all calls but a thread's first: two loads and an addition (D1). */
static inline mlx_stream default_of(const char *function, enum wr_device_type type) {
  struct wr_stream *s = wr_thread_here->given[type];
  if (!s) return default_of_slow(function, type);
  return (mlx_stream){wr_stream_retain(s)};
}

mlx_stream mlx_default_cpu_stream_new(void) {
  return default_of("mlx_default_cpu_stream_new", WR_DEVICE_CPU);
}

mlx_stream mlx_default_gpu_stream_new(void) {
  return default_of("mlx_default_gpu_stream_new", WR_DEVICE_GPU);
}
