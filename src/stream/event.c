/* Events: the marker that was recorded last, and an eventfd when somebody has asked for one. Lock:
   EVENT, each event's own; markers are counted, so waits hold a reference and no lock. In the child
   of a fork the lock is made anew at its first use, since a thread that is not there may hold it
   (K11); what it guards is whole at any moment. */

#include "stream/event.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/base.h"
#include "stream/internal.h"
#include "stream/policy.h"

struct wr_event {
  wr_atomic_u32 refs;     /* atomic ACQ_REL */
  wr_atomic_u32 made_for; /* atomic ACQ_REL: twice the generation of the process (completion.h) that
                             the lock was made in; and 1 while a thread of it makes the lock */
  struct wr_mutex lock;
  struct wr_marker *marker; /* under LOCK; one reference; NULL: never recorded */
  int fd;                   /* under LOCK; -1: nobody has asked */
};

static void lock_event(struct wr_event *e) {
  const uint32_t ours = 2 * wr_fork_generation;
  uint32_t found = wr_load_acquire(&e->made_for); /* acquire: the lock as it was made */
  while (found != ours) {
    if (found == ours + 1) {
      sched_yield();
      found = wr_load_acquire(&e->made_for);
    } else if (wr_cas_acq_rel(&e->made_for, &found, ours + 1)) {
      wr_mutex_init(&e->lock, WR_RANK_EVENT);
      wr_store_release(&e->made_for, ours); /* release: the lock before it is used */
      found = ours;
    }
  }
  wr_mutex_lock(&e->lock);
}

struct wr_error *wr_event_new(struct wr_event **out) {
  struct wr_event *e = wr_alloc(sizeof *e);
  if (!e) return wr_error_out_of_memory();
  *e = (struct wr_event){.fd = -1};
  wr_store_relaxed(&e->refs, 1u); /* relaxed, both: not yet shared */
  wr_store_relaxed(&e->made_for, 2 * wr_fork_generation);
  wr_mutex_init(&e->lock, WR_RANK_EVENT);
  *out = e;
  return NULL;
}

void wr_event_release(struct wr_event *e) {
  if (!e || !wr_ref_drop(&e->refs)) return;
  wr_marker_release(e->marker);
  if (e->fd >= 0) close(e->fd);
  wr_mutex_destroy(&e->lock);
  wr_free(e);
}

/* The place that it has now, with a reference; an error when it has none. `name` is the caller's
   parameter. */
static struct wr_error *place(struct wr_event *e, const char *name, struct wr_marker **out) {
  lock_event(e);
  *out = e->marker ? wr_marker_retain(e->marker) : NULL;
  wr_mutex_unlock(&e->lock);
  if (*out) return NULL;
  return wr_error_new(WEIR_ERROR_STATE, "%s was not recorded on a stream yet", name);
}

/* ---- the file descriptor ---- */

/* An eventfd that does not block: a full counter is readable too, an empty one is what is wanted.
 */
static void fd_raise(int fd) {
  uint64_t one = 1;
  int before = wr_cancel_off();
  ssize_t written = write(fd, &one, sizeof one);
  wr_cancel_restore(before);
  (void)written;
}

static void fd_clear(int fd) {
  uint64_t count;
  int before = wr_cancel_off();
  ssize_t got = read(fd, &count, sizeof count);
  wr_cancel_restore(before);
  (void)got;
}

/* ---- recording ---- */

/* Raises the descriptor if the event is at this place, or at one that is over too. Where this comes
   before the event has got the marker, or somebody asked for a descriptor, they look at the marker
   themselves under the lock. */
static void recording_over(void *event) {
  struct wr_event *e = event;
  lock_event(e);
  if (e->fd >= 0 && e->marker && wr_marker_passed(e->marker)) fd_raise(e->fd);
  wr_mutex_unlock(&e->lock);
  wr_event_release(e);
}

/* The marker stands in the queue before the event has it, so that whoever waits for the event waits
   for work that was appended before (graph/internal.h). */
struct wr_error *wr_event_record(struct wr_event *e, struct wr_stream *stream) {
  struct wr_error *error = wr_stream_check(stream);
  if (error) return error;
  struct wr_marker *marker = wr_marker_new(recording_over, e);
  if (!marker) return wr_error_out_of_memory();
  wr_ref_take(&e->refs); /* for recording_over */
  wr_marker_submit(marker, stream, true);
  lock_event(e);
  struct wr_marker *old = e->marker;
  e->marker = marker;
  if (e->fd >= 0) fd_clear(e->fd);
  if (e->fd >= 0 && wr_marker_passed(marker)) fd_raise(e->fd);
  wr_mutex_unlock(&e->lock);
  wr_marker_release(old);
  return NULL;
}

/* ---- waiting ---- */

struct stream_wait {
  struct wr_task task;
  struct wr_marker *marker; /* one reference */
};

/* On the device where it can (O2); else the stream is suspended. */
static enum wr_step stream_wait_run(struct wr_task *task, struct wr_stream *stream,
                                    struct wr_drain *drain) {
  struct stream_wait *w = WR_CONTAINER_OF(task, struct stream_wait, task);
  (void)drain;
  if (!wr_marker_passed(w->marker)) {
    struct wr_stream *by = wr_marker_stream(w->marker);
    bool waits = by && wr_stream_wait_on_device(stream, by, wr_marker_place(w->marker));
    if (!waits) wr_stream_block_on(stream, wr_marker_completion(w->marker), by);
    wr_stream_release(by);
    if (!waits) return WR_STEP_BLOCKED;
  }
  wr_marker_release(w->marker);
  wr_free(w);
  return WR_STEP_DONE;
}

struct wr_error *wr_event_stream_wait(struct wr_event *e, struct wr_stream *stream) {
  struct wr_marker *marker;
  struct wr_error *error = wr_stream_check(stream);
  if (!error) error = place(e, "event", &marker);
  if (error) return error;
  struct stream_wait *w = wr_alloc(sizeof *w);
  if (!w) {
    wr_marker_release(marker);
    return wr_error_out_of_memory();
  }
  *w = (struct stream_wait){.task = {.run = stream_wait_run}, .marker = marker};
  wr_stream_submit(stream, &w->task, true, NULL);
  return NULL;
}

struct wr_error *wr_event_query(struct wr_event *e, bool *over) {
  struct wr_marker *marker;
  struct wr_error *error = place(e, "event", &marker);
  if (error) return error;
  (void)wr_pool_ensure_worker();
  *over = wr_marker_passed(marker);
  if (!*over) wr_marker_hurry(marker);
  wr_marker_release(marker);
  return NULL;
}

struct wr_error *wr_event_host_wait(struct wr_event *e, uint64_t deadline_ns) {
  struct wr_marker *marker;
  struct wr_error *error = wr_thread_check();
  if (!error) error = place(e, "event", &marker);
  if (error) return error;
  if (!wr_marker_wait(marker, deadline_ns)) {
    error = wr_error_new(WEIR_ERROR_TIMEOUT, "what the event stands behind is not over");
  }
  wr_marker_release(marker);
  return error;
}

static struct wr_error *time_of(struct wr_event *e, const char *name, uint64_t *time) {
  struct wr_marker *marker;
  struct wr_error *error = place(e, name, &marker);
  if (error) return error;
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
  lock_event(e);
  if (e->fd < 0) {
    e->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (e->fd >= 0 && e->marker && wr_marker_passed(e->marker)) fd_raise(e->fd);
  }
  *fd = e->fd;
  if (e->fd < 0) error = wr_error_new(WEIR_ERROR_STATE, "eventfd: %s", strerror(errno));
  wr_mutex_unlock(&e->lock);
  return error;
}
