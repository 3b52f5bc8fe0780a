/* weir_*: Weir's own surface around streams. Checks handles and reports; no logic. */

#include "weir/stream.h"

#include "api/api.h"
#include "memory/buffer.h"
#include "stream/limit.h"
#include "stream/policy.h"

int weir_stream_scope_pop(void) { return wr_api_return(__func__, wr_stream_scope_pop()); }

int weir_stream_query(bool *idle, mlx_stream stream) {
  struct wr_error *error = NULL;
  struct wr_stream *s = wr_api_some_stream(stream, "stream", &error);
  wr_api_result(idle, "idle", &error);
  if (!error) *idle = wr_stream_idle(s);
  return wr_api_return(__func__, error);
}

int weir_stream_wait(mlx_stream stream, int64_t timeout_ns) {
  struct wr_error *error = NULL;
  struct wr_stream *s = wr_api_some_stream(stream, "stream", &error);
  uint64_t deadline = wr_api_deadline(timeout_ns, &error);
  if (!error) error = wr_stream_check(s);
  if (!error) error = wr_stream_wait(s, deadline);
  return wr_api_return(__func__, error);
}

int weir_stream_on_idle(mlx_stream stream, void (*fn)(void *data), void *data) {
  struct wr_error *error = NULL;
  struct wr_stream *s = wr_api_some_stream(stream, "stream", &error);
  if (!fn) wr_api_reject(&error, "fn", "is NULL");
  if (!error) error = wr_stream_check(s);
  if (!error) error = wr_stream_on_idle(s, fn, data);
  return wr_api_return(__func__, error);
}

int weir_stream_stats(weir_stream_stats_t *stats, mlx_stream stream) {
  struct wr_error *error = NULL;
  wr_api_result(stats, "stats", &error);
  struct wr_stream *s = wr_api_some_stream(stream, "stream", &error);
  if (!error) {
    struct wr_stream_numbers n;
    wr_stream_numbers(s, &n);
    *stats = (weir_stream_stats_t){n.queued, n.running, n.done, n.failed, n.busy_ns, n.bytes};
  }
  return wr_api_return(__func__, error);
}

int weir_runtime_stats(weir_runtime_stats_t *stats) {
  struct wr_error *error = NULL;
  wr_api_result(stats, "stats", &error);
  if (!error) {
    struct wr_stream_counts counts;
    wr_stream_count(&counts);
    /* Each live stream has an encoder. */
    *stats = (weir_runtime_stats_t){.live_streams = counts.live_streams,
                                    .live_encoders = counts.live_streams,
                                    .pooled = counts.pooled,
                                    .worker_threads = counts.workers,
                                    .other_threads = counts.helpers,
                                    .wired_bytes = wr_memory_wired(),
                                    .wired_shortfall_bytes = wr_memory_wired_shortfall()};
  }
  return wr_api_return(__func__, error);
}

int weir_shutdown(int64_t timeout_ns) {
  struct wr_error *error = NULL;
  uint64_t deadline = wr_api_deadline(timeout_ns, &error);
  if (!error && wr_in_users_code()) {
    error = wr_error_new(WEIR_ERROR_STATE,
                         "called inside a callback or a destructor, which it "
                         "would wait for");
  }
  if (!error) wr_handle_trim();
  if (!error && !wr_stream_shutdown(deadline)) {
    error = wr_error_new(WEIR_ERROR_TIMEOUT, "work or callbacks were still running");
  }
  return wr_api_return(__func__, error);
}
