/* weir_*: threads and streams. Checks handles and reports; no logic. */

#include "weir/thread.h"

#include "api/api.h"
#include "stream/policy.h"

int weir_set_thread_policy(weir_thread_policy policy) {
  struct wr_error *error = NULL;
  if (policy != WEIR_THREADS_FREE && policy != WEIR_THREADS_CHECKED) {
    wr_api_reject(&error, "policy", "%d is no policy", (int)policy);
  }
  if (!error) error = wr_policy_set(policy == WEIR_THREADS_CHECKED);
  return wr_api_return(__func__, error);
}

weir_thread_policy weir_get_thread_policy(void) {
  return wr_policy_checked() ? WEIR_THREADS_CHECKED : WEIR_THREADS_FREE;
}

weir_thread weir_thread_current(void) { return wr_thread_os_id(); }

int weir_stream_hand_over(mlx_stream stream, weir_thread thread) {
  struct wr_error *error = NULL;
  struct wr_stream *s = wr_api_some_stream(stream, "stream", &error);
  if (!error) error = wr_stream_hand_over(s, thread);
  return wr_api_return(__func__, error);
}

int weir_stream_adopt(mlx_stream stream) {
  struct wr_error *error = NULL;
  struct wr_stream *s = wr_api_some_stream(stream, "stream", &error);
  if (!error) error = wr_stream_adopt(s);
  return wr_api_return(__func__, error);
}

int weir_thread_revive(void) {
  wr_thread_revive();
  return 0;
}

/* ---- probes ---- */

bool weir_thread_retired(void) { return wr_thread_is_retired(); }

int weir_try_synchronize(mlx_stream stream) {
  struct wr_error *error = NULL;
  struct wr_stream *s = wr_handle_object(stream.ctx, WR_KIND_STREAM);
  if (s) error = wr_stream_check(s);
  if (s && !error) error = wr_stream_synchronize_in_request(s);
  wr_error_release(error);
  return 0;
}

int weir_try_default_stream(mlx_stream *stream, mlx_device dev) {
  struct wr_error *error = NULL;
  struct wr_stream *found = NULL;
  struct wr_device device = wr_api_device(dev, "dev", &error);
  if (!error) found = wr_stream_default_if_any(device);
  wr_error_release(error);
  if (stream) {
    void *old = stream->ctx;
    stream->ctx = NULL;
    wr_stream_release(wr_handle_take(old, WR_KIND_STREAM));
  }
  if (!found || !stream || !wr_handle_give(&stream->ctx, found, WR_KIND_STREAM)) {
    wr_stream_release(found);
  }
  return 0;
}
