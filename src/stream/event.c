/* Events. An event has the marker that it was recorded with last, and an eventfd once somebody has
   asked for its descriptor. Lock: EVENT, each event's own. Markers are counted, so a thread that
   waits holds a reference to one, and no lock.

   All events stand in a list, for the sake of forks (K11). In the child each event gets a new lock,
   since a thread that is not in the child may hold the old one; what the lock guards is consistent
   at any moment. An event with a descriptor gets a new one in the child, with the same number. The
   list's lock, of rank REGISTRY, is held with no other. */

#include "stream/event.h"

#include <stdio.h>

#include "base/base.h"
#include "base/fork.h"
#include "base/list.h"
#include "stream/descriptor.h"
#include "stream/dump.h"
#include "stream/internal.h"
#include "stream/policy.h"
#include "stream/request.h"

struct wr_event {
  struct wr_kind_word kind;
  wr_atomic_u32 refs; /* atomic ACQ_REL */
  struct wr_listed listed;
  struct wr_mutex lock;
  struct wr_marker *marker; /* under LOCK; one reference; NULL: never recorded */
  int fd;                   /* under LOCK; -1: nobody has asked */
};

static struct wr_list list = {.lock = WR_MUTEX_INIT(WR_RANK_REGISTRY),
                              .offset = offsetof(struct wr_event, listed)};

struct wr_error *wr_event_new(struct wr_event **out) {
  struct wr_event *e = wr_alloc(sizeof *e);
  if (!e) return wr_error_out_of_memory();
  *e = (struct wr_event){.fd = -1};
  wr_kind_begin(&e->kind, WR_KIND_EVENT);
  wr_store_relaxed(&e->refs, 1u); /* relaxed: not yet shared */
  wr_mutex_init(&e->lock, WR_RANK_EVENT);
  wr_list_enter(&list, e);
  *out = e;
  return NULL;
}

/* Called without a lock, by the user's free or by a marker that is over. */
void wr_event_release(struct wr_event *e) {
  if (!e || !wr_ref_drop(&e->refs)) return;
  wr_list_leave(&list, e);
  wr_marker_release(e->marker);
  wr_descriptor_close(e->fd);
  wr_mutex_destroy(&e->lock);
  wr_free(e);
}

/* The marker that the event was recorded with last, with a reference; an error when it was never
   recorded. `name` is the caller's parameter, for the message. */
static struct wr_marker *last_marker(struct wr_event *e, const char *name,
                                     struct wr_error **error) {
  wr_mutex_lock(&e->lock);
  struct wr_marker *marker = e->marker ? wr_marker_retain(e->marker) : NULL;
  wr_mutex_unlock(&e->lock);
  if (!marker) {
    *error = wr_error_new(WEIR_ERROR_STATE, "%s was not recorded on a stream yet", name);
  }
  return marker;
}

/* ---- the file descriptor ---- */

/* In the child every marker of the parent's counts as passed (wr_marker_passed), so every event
   that was recorded is over. */
static void begin_in_child(void) {
  for (struct wr_event *e = wr_list_first(&list); e; e = wr_list_next(&list, e)) {
    wr_mutex_init(&e->lock, WR_RANK_EVENT);
    if (e->fd >= 0) e->fd = wr_descriptor_anew(e->fd);
    if (e->fd >= 0 && e->marker) wr_descriptor_raise(e->fd);
  }
}

WR_AT_FORK(.rank = WR_RANK_REGISTRY, .lock = &list.lock, .child = begin_in_child)

/* ---- recording ---- */

/* A marker of the event's is over: raises the descriptor if the event's last marker is. This may
   come before wr_event_record has stored the marker, or before anybody has asked for a descriptor:
   then wr_event_record, or wr_event_fd, finds the marker over, under the same lock. */
static void recording_over(void *event) {
  struct wr_event *e = event;
  wr_mutex_lock(&e->lock);
  if (e->fd >= 0 && e->marker && wr_marker_passed(e->marker)) wr_descriptor_raise(e->fd);
  wr_mutex_unlock(&e->lock);
  wr_event_release(e);
}

/* The marker is appended to the queue before it is stored in the event. So whoever waits for the
   event waits for work that stands in a queue already, as graph/internal.h wants it. */
struct wr_error *wr_event_record(struct wr_event *e, struct wr_stream *stream) {
  struct wr_error *error = wr_stream_check(stream);
  if (error) return error;
  const bool over = wr_stream_is_over(stream);
  struct wr_marker *marker = over ? wr_marker_new_over() : wr_marker_new(recording_over, e);
  if (!marker) return wr_error_out_of_memory();
  if (!over) {
    wr_ref_take(&e->refs); /* for recording_over */
    wr_marker_submit(marker, stream, true);
  }
  wr_mutex_lock(&e->lock);
  struct wr_marker *old = e->marker;
  e->marker = marker;
  if (e->fd >= 0) wr_descriptor_clear(e->fd);
  if (e->fd >= 0 && wr_marker_passed(marker)) wr_descriptor_raise(e->fd);
  wr_mutex_unlock(&e->lock);
  wr_marker_release(old);
  return NULL;
}

/* ---- waiting ---- */

struct stream_wait {
  struct wr_task task;
  struct wr_marker *marker; /* one reference */
};

/* The stream waits on its device, where that can be done (O2); else it is suspended. */
static enum wr_step stream_wait_run(struct wr_task *task, struct wr_stream *stream,
                                    struct wr_drain *drain) {
  struct stream_wait *w = WR_CONTAINER_OF(task, struct stream_wait, task);
  (void)drain;
  if (!wr_marker_passed(w->marker)) {
    struct wr_stream *by = wr_marker_stream(w->marker);
    bool waits = by && wr_stream_wait_on_device(stream, by, wr_marker_number(w->marker));
    if (!waits) wr_stream_block_on(stream, wr_marker_completion(w->marker), by);
    wr_stream_release(by);
    if (!waits) return WR_STEP_BLOCKED;
  }
  wr_marker_release(w->marker);
  wr_free(w);
  return WR_STEP_DONE;
}

/* The marker has a reference of the task's, and says its stream while it is not over. */
static void tell_stream_wait(const void *task, struct wr_dump_work *told) {
  struct stream_wait w;
  struct wr_stream *by;
  snprintf(told->what, sizeof told->what, "a wait for an event");
  if (!wr_peek(&w, task, sizeof w) || !wr_marker_peek_stream(w.marker, &by)) return;
  told->wait = WR_DUMP_WAITS_STREAM;
  snprintf(told->for_what, sizeof told->for_what, "an event");
  if (!wr_peek(&told->by, &by->id, sizeof told->by)) told->by = UINT64_MAX;
}

static struct wr_dump_kind wait_kind = {.key = (void (*)(void))stream_wait_run,
                                        .tell = tell_stream_wait};
__attribute__((constructor)) static void let_know(void) { wr_dump_know(&wait_kind); }

struct wr_error *wr_event_stream_wait(struct wr_event *e, struct wr_stream *stream) {
  struct wr_error *error = wr_stream_check(stream);
  struct wr_marker *marker = error ? NULL : last_marker(e, "event", &error);
  if (!marker) return error;
  if (wr_marker_passed(marker)) {
    wr_marker_release(marker);
    return NULL;
  }
  struct stream_wait *w = wr_alloc(sizeof *w);
  if (!w) {
    wr_marker_release(marker);
    return wr_error_out_of_memory();
  }
  const struct wr_urgency wants = wr_request_urgency(wr_request_current());
  *w = (struct stream_wait){.task = {.run = stream_wait_run, .wants = wants, .is_brief = true},
                            .marker = marker};
  wr_stream_submit(stream, &w->task, false, NULL);
  wr_stream_run_brief(stream);
  return NULL;
}

struct wr_error *wr_event_query(struct wr_event *e, bool *over) {
  struct wr_error *error = NULL;
  struct wr_marker *marker = last_marker(e, "event", &error);
  if (!marker) return error;
  (void)wr_pool_ensure_worker();
  *over = wr_marker_passed(marker);
  if (!*over) wr_marker_hurry(marker);
  wr_marker_release(marker);
  return NULL;
}

struct wr_error *wr_event_host_wait(struct wr_event *e, uint64_t deadline_ns) {
  struct wr_error *error = wr_thread_check();
  struct wr_marker *marker = error ? NULL : last_marker(e, "event", &error);
  if (!marker) return error;
  struct wr_request *request = wr_request_current();
  if (!wr_marker_wait(marker, deadline_ns, request)) {
    error = wr_request_error(request);
    if (!error)
      error = wr_error_new(WEIR_ERROR_TIMEOUT, "what the event stands behind is not over");
  }
  wr_marker_release(marker);
  return error;
}

static struct wr_error *time_of(struct wr_event *e, const char *name, uint64_t *time) {
  struct wr_error *error = NULL;
  struct wr_marker *marker = last_marker(e, name, &error);
  if (!marker) return error;
  if (wr_completion_over(wr_marker_completion(marker))) {
    *time = wr_marker_time(marker);
  } else {
    error = wr_error_new(WEIR_ERROR_STATE, "%s is not over yet", name);
  }
  wr_marker_release(marker);
  return error;
}

struct wr_error *wr_event_elapsed(struct wr_event *start, struct wr_event *end, int64_t *ns) {
  uint64_t from = 0, to = 0;
  struct wr_error *error = time_of(start, "start", &from);
  if (!error) error = time_of(end, "end", &to);
  if (!error) *ns = (int64_t)(to - from);
  return error;
}

struct wr_error *wr_event_fd(struct wr_event *e, int *fd) {
  struct wr_error *error = NULL;
  (void)wr_pool_ensure_worker();
  wr_mutex_lock(&e->lock);
  if (e->fd < 0) {
    error = wr_descriptor_new(&e->fd);
    if (e->fd >= 0 && e->marker && wr_marker_passed(e->marker)) wr_descriptor_raise(e->fd);
  }
  *fd = e->fd;
  wr_mutex_unlock(&e->lock);
  return error;
}
