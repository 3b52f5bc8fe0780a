/* weir_*: Weir's own surface around streams. Checks handles and reports; no logic. */

#include "weir/stream.h"

#include "api/api.h"
#include "base/lock.h"

/* A stream handle that must not be empty. */
static struct wr_stream *required(mlx_stream stream, struct wr_error **error) {
  if (!stream.ctx) wr_api_reject(error, "stream", "is an empty handle");
  return stream.ctx;
}

int weir_stream_scope_push(mlx_stream stream) {
  struct wr_error *error = NULL;
  struct wr_stream *s = required(stream, &error);
  if (!error) error = wr_stream_scope_push(s);
  return wr_api_finish(__func__, error);
}

int weir_stream_scope_pop(void) { return wr_api_finish(__func__, wr_stream_scope_pop()); }

int weir_stream_query(bool *idle, mlx_stream stream) {
  struct wr_error *error = NULL;
  struct wr_stream *s = required(stream, &error);
  wr_api_result(idle, "idle", &error);
  if (!error) *idle = wr_stream_idle(s);
  return wr_api_finish(__func__, error);
}

int weir_runtime_stats(weir_runtime_stats_t *stats) {
  struct wr_error *error = NULL;
  wr_api_result(stats, "stats", &error);
  if (!error) {
    struct wr_stream_counts counts;
    wr_stream_count(&counts);
    *stats = (weir_runtime_stats_t){.live_streams = counts.live_streams,
                                    .worker_threads = counts.workers,
                                    .other_threads = counts.helpers};
  }
  return wr_api_finish(__func__, error);
}

int weir_shutdown(uint64_t timeout_ns) {
  uint64_t now = wr_clock_ns();
  uint64_t deadline = timeout_ns > UINT64_MAX - now ? UINT64_MAX : now + timeout_ns;
  struct wr_error *error = NULL;
  if (!wr_stream_shutdown(deadline)) {
    error = wr_error_new(WEIR_ERROR_TIMEOUT, "work or callbacks were still running");
  }
  return wr_api_finish(__func__, error);
}
