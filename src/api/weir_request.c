/* weir_*: requests. Checks handles and reports; no logic. */

#include "weir/request.h"

#include "api/api.h"
#include "stream/request.h"

static struct wr_request *some_request(weir_request request, struct wr_error **error) {
  return wr_api_object(request.ctx, WR_KIND_REQUEST, "request", "is an empty request", error);
}

weir_request weir_request_new(void) {
  struct wr_request *request = NULL;
  struct wr_error *error = wr_request_new(&request);
  const weir_request made = {wr_api_give(__func__, request, WR_KIND_REQUEST, error)};
  if (!made.ctx) wr_request_release(request);
  return made;
}

int weir_request_free(weir_request request) {
  struct wr_error *error = NULL;
  wr_request_release(wr_api_take(request.ctx, WR_KIND_REQUEST, "request", &error));
  return wr_api_return(__func__, error);
}

int weir_request_set_label(weir_request request, const char *label) {
  struct wr_error *error = NULL;
  struct wr_request *r = some_request(request, &error);
  if (!error) error = wr_request_set_label(r, label);
  return wr_api_return(__func__, error);
}

int weir_request_set_trace_id(weir_request request, const uint8_t *id) {
  struct wr_error *error = NULL;
  struct wr_request *r = some_request(request, &error);
  wr_api_result(id, "id", &error);
  if (!error) wr_request_set_trace_id(r, id);
  return wr_api_return(__func__, error);
}

int weir_request_trace_id(uint8_t *id, weir_request request) {
  struct wr_error *error = NULL;
  wr_api_result(id, "id", &error);
  struct wr_request *r = some_request(request, &error);
  if (!error) wr_request_trace_id(r, id);
  return wr_api_return(__func__, error);
}

int weir_request_set_class(weir_request request, weir_class to) {
  struct wr_error *error = NULL;
  struct wr_request *r = some_request(request, &error);
  enum wr_class class = wr_api_class(to, &error);
  if (!error) wr_request_set_class(r, class);
  return wr_api_return(__func__, error);
}

int weir_request_enter(weir_request request) {
  struct wr_error *error = NULL;
  struct wr_request *r = some_request(request, &error);
  if (!error) error = wr_request_enter(r);
  return wr_api_return(__func__, error);
}

int weir_request_leave(void) { return wr_api_return(__func__, wr_request_leave()); }

int weir_request_cancel(weir_request request) {
  struct wr_error *error = NULL;
  struct wr_request *r = some_request(request, &error);
  if (!error) wr_request_cancel(r);
  return wr_api_return(__func__, error);
}

int weir_request_set_deadline(weir_request request, int64_t timeout_ns) {
  struct wr_error *error = NULL;
  struct wr_request *r = some_request(request, &error);
  uint64_t at = wr_api_deadline(timeout_ns, &error);
  if (timeout_ns == INT64_MAX) at = WR_NO_DEADLINE;
  if (!error) error = wr_request_set_deadline(r, at);
  return wr_api_return(__func__, error);
}

int weir_request_set_budget(weir_request request, size_t bytes) {
  struct wr_error *error = NULL;
  struct wr_request *r = some_request(request, &error);
  if (!error) error = wr_request_set_budget(r, bytes);
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
