/* weir_*: events. Checks handles and reports; no logic. */

#include "weir/event.h"

#include "api/api.h"
#include "stream/event.h"

static struct wr_event *some_event(weir_event event, const char *param, struct wr_error **error) {
  return wr_api_object(event.ctx, WR_KIND_EVENT, param, "is an empty event", error);
}

weir_event weir_event_new(void) {
  struct wr_event *event = NULL;
  struct wr_error *error = wr_event_new(&event);
  const weir_event made = {wr_api_give(__func__, event, WR_KIND_EVENT, error)};
  if (!made.ctx) wr_event_release(event);
  return made;
}

int weir_event_free(weir_event event) {
  struct wr_error *error = NULL;
  wr_event_release(wr_api_take(event.ctx, WR_KIND_EVENT, "event", &error));
  return wr_api_return(__func__, error);
}

int weir_event_record(weir_event event, mlx_stream stream) {
  struct wr_error *error = NULL;
  struct wr_event *e = some_event(event, "event", &error);
  struct wr_stream *s = wr_api_some_stream(stream, "stream", &error);
  if (!error) error = wr_event_record(e, s);
  return wr_api_return(__func__, error);
}

int weir_event_wait(weir_event event, mlx_stream stream) {
  struct wr_error *error = NULL;
  struct wr_event *e = some_event(event, "event", &error);
  struct wr_stream *s = wr_api_some_stream(stream, "stream", &error);
  if (!error) error = wr_event_stream_wait(e, s);
  return wr_api_return(__func__, error);
}

int weir_event_query(bool *done, weir_event event) {
  struct wr_error *error = NULL;
  wr_api_result(done, "done", &error);
  struct wr_event *e = some_event(event, "event", &error);
  if (!error) error = wr_event_query(e, done);
  return wr_api_return(__func__, error);
}

int weir_event_synchronize(weir_event event, int64_t timeout_ns) {
  struct wr_error *error = NULL;
  struct wr_event *e = some_event(event, "event", &error);
  uint64_t deadline = wr_api_deadline(timeout_ns, &error);
  if (!error) error = wr_event_host_wait(e, deadline);
  return wr_api_return(__func__, error);
}

int weir_event_elapsed(int64_t *ns, weir_event start, weir_event end) {
  struct wr_error *error = NULL;
  wr_api_result(ns, "ns", &error);
  struct wr_event *from = some_event(start, "start", &error);
  struct wr_event *to = some_event(end, "end", &error);
  if (!error) error = wr_event_elapsed(from, to, ns);
  return wr_api_return(__func__, error);
}

int weir_event_fd(int *fd, weir_event event) {
  struct wr_error *error = NULL;
  wr_api_result(fd, "fd", &error);
  struct wr_event *e = some_event(event, "event", &error);
  if (!error) error = wr_event_fd(e, fd);
  return wr_api_return(__func__, error);
}
