/* Streams: handles over src/stream. No locks of its own. */

#include "mlx/c/stream.h"

#include <stdio.h>

#include "api/api.h"
#include "stream/policy.h"

/* Takes the reference. */
static void replace_stream(mlx_stream *res, struct wr_stream *stream) {
  struct wr_stream *old = res->ctx;
  res->ctx = stream;
  wr_stream_release(old);
}

/* ---- life ---- */

mlx_stream mlx_stream_new(void) { return (mlx_stream){NULL}; }

static mlx_stream new_on(const char *function, mlx_device dev) {
  struct wr_error *error = NULL;
  struct wr_stream *stream = NULL;
  struct wr_device device = wr_api_device(dev, "dev", &error);
  if (!error) error = wr_stream_new(device, &stream);
  wr_api_finish(function, error);
  return (mlx_stream){stream};
}

mlx_stream mlx_stream_new_device(mlx_device dev) { return new_on("mlx_stream_new_device", dev); }

mlx_stream mlx_stream_new_thread_unsafe(mlx_device dev) {
  return new_on("mlx_stream_new_thread_unsafe", dev);
}

int mlx_stream_set(mlx_stream *stream, const mlx_stream src) {
  struct wr_error *error = NULL;
  wr_api_result(stream, "stream", &error);
  struct wr_stream *from = wr_api_some_stream(src, "src", &error);
  if (!error) error = wr_thread_check();
  if (error) return wr_api_fail("mlx_stream_set", error);
  replace_stream(stream, wr_stream_retain(from));
  return 0;
}

int mlx_stream_free(mlx_stream stream) {
  wr_stream_release(stream.ctx);
  return 0;
}

/* ---- clearing ---- */

int mlx_clear_streams(void) { return wr_api_finish("mlx_clear_streams", wr_stream_clear()); }

/* ---- what it is ---- */

int mlx_stream_tostring(mlx_string *str, mlx_stream stream) {
  struct wr_error *error = NULL;
  wr_api_result(str, "str", &error);
  struct wr_stream *s = wr_api_some_stream(stream, "stream", &error);
  if (error) return wr_api_fail("mlx_stream_tostring", error);
  char device[64];
  char text[128];
  wr_api_format_device(wr_stream_device(s), device, sizeof device);
  snprintf(text, sizeof text, "Stream(%s, %d)", device, wr_stream_index(s));
  return wr_api_finish("mlx_stream_tostring", wr_api_set_string(str, text));
}

bool mlx_stream_equal(mlx_stream lhs, mlx_stream rhs) {
  struct wr_error *error = NULL;
  struct wr_stream *a = wr_api_some_stream(lhs, "lhs", &error);
  struct wr_stream *b = wr_api_some_stream(rhs, "rhs", &error);
  if (!error) error = wr_thread_check();
  if (wr_api_finish("mlx_stream_equal", error)) return false;
  return a == b;
}

int mlx_stream_get_device(mlx_device *dev, mlx_stream stream) {
  struct wr_error *error = NULL;
  wr_api_result(dev, "dev", &error);
  struct wr_stream *s = wr_api_some_stream(stream, "stream", &error);
  if (!error) error = wr_thread_check();
  if (!error) *dev = wr_api_device_handle(wr_stream_device(s));
  return wr_api_finish("mlx_stream_get_device", error);
}

int mlx_stream_get_index(int *index, mlx_stream stream) {
  struct wr_error *error = NULL;
  wr_api_result(index, "index", &error);
  struct wr_stream *s = wr_api_some_stream(stream, "stream", &error);
  if (!error) error = wr_thread_check();
  if (!error) *index = wr_stream_index(s);
  return wr_api_finish("mlx_stream_get_index", error);
}

int mlx_synchronize(mlx_stream stream) {
  struct wr_error *error = NULL;
  struct wr_stream *s = wr_api_some_stream(stream, "stream", &error);
  if (!error) error = wr_stream_check(s);
  if (!error) error = wr_stream_synchronize(s);
  return wr_api_finish("mlx_synchronize", error);
}

/* ---- defaults ---- */

int mlx_get_default_stream(mlx_stream *stream, mlx_device dev) {
  struct wr_error *error = NULL;
  struct wr_stream *found = NULL;
  wr_api_result(stream, "stream", &error);
  struct wr_device device = wr_api_device(dev, "dev", &error);
  if (!error) error = wr_stream_default(device, &found);
  if (error) return wr_api_fail("mlx_get_default_stream", error);
  replace_stream(stream, wr_stream_retain(found));
  return 0;
}

int mlx_set_default_stream(mlx_stream stream) {
  struct wr_error *error = NULL;
  struct wr_stream *s = wr_api_some_stream(stream, "stream", &error);
  if (!error) error = wr_stream_set_default(s);
  return wr_api_finish("mlx_set_default_stream", error);
}

static mlx_stream first_default_of(const char *function, enum wr_device_type type) {
  struct wr_stream *found = NULL;
  struct wr_error *error = wr_stream_default((struct wr_device){type, 0}, &found);
  if (wr_api_finish(function, error)) return (mlx_stream){NULL};
  return (mlx_stream){wr_stream_retain(found)};
}

/* The whole of it on all calls but a thread's first: three loads and an addition (D1). */
static inline mlx_stream default_of(const char *function, enum wr_device_type type) {
  struct wr_stream *s = wr_thread_here->defaults[type][0];
  if (!s) return first_default_of(function, type);
  return (mlx_stream){wr_stream_retain(s)};
}

mlx_stream mlx_default_cpu_stream_new(void) {
  return default_of("mlx_default_cpu_stream_new", WR_DEVICE_CPU);
}

mlx_stream mlx_default_gpu_stream_new(void) {
  return default_of("mlx_default_gpu_stream_new", WR_DEVICE_GPU);
}
