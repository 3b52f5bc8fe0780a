/* weir_*: requests. Checks handles and reports; no logic. */

#include "weir/request.h"

#include "api/api.h"
#include "stream/request.h"

static struct wr_request *some_request(weir_request request, struct wr_error **error) {
  return wr_api_object(request.ctx, WR_KIND_REQUEST, "request", "is an empty request", error);
}

int weir_request_leave(void) { return wr_api_return(__func__, wr_request_leave()); }

int weir_request_set_deadline(weir_request request, int64_t timeout_ns) {
  struct wr_error *error = NULL;
  struct wr_request *r = some_request(request, &error);
  uint64_t at = wr_api_deadline(timeout_ns, &error);
  if (timeout_ns == INT64_MAX) at = WR_NO_DEADLINE;
  if (!error) error = wr_request_set_deadline(r, at);
  return wr_api_return(__func__, error);
}

int weir_request_stats(weir_request_stats_t *stats, weir_request request) {
  struct wr_error *error = NULL;
  wr_api_result(stats, "stats", &error);
  struct wr_request *r = some_request(request, &error);
  if (!error) {
    struct wr_request_numbers n;
    wr_request_numbers(r, &n);
    *stats = (weir_request_stats_t){.queued = n.submitted - n.begun - n.taken_back,
                                    .begun = n.begun,
                                    .taken_back = n.taken_back,
                                    .live_bytes = n.live_bytes,
                                    .peak_bytes = n.peak_bytes};
  }
  return wr_api_return(__func__, error);
}
