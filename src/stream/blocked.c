/* Streams that wait: the first task is blocked by a completion, whose waiter makes the stream ready
   again, or by a command on the device. Locks: STREAM; waiters fire with none held. */

#include "base/base.h"
#include "base/probes.h"
#include "stream/internal.h"
#include "stream/timeline.h"

static struct wr_stream *wake_locked(struct wr_stream *s) {
  struct wr_stream *by = s->blocked_by;
  s->blocked_by = NULL;
  if (s->asleep_since) wr_timeline_put_blocked(s, s->asleep_since, by);
  s->asleep_since = 0;
  if (s->state == WR_STREAM_SUSPENDED) {
    wr_store_relaxed(&s->asleep, false);
    wr_stream_ready_locked(s);
  } else {
    s->resumed = true;
  }
  return by;
}

/* The reference that block_on took keeps the stream alive until here. */
static void resume(struct wr_stream *s) {
  wr_mutex_lock(&s->lock);
  struct wr_stream *by = wake_locked(s);
  wr_mutex_unlock(&s->lock);
  wr_stream_release(by);
  wr_stream_release(s);
}

static void wake_stream(struct wr_waiter *waiter) {
  resume(WR_CONTAINER_OF(waiter, struct wr_stream, wake));
}

struct wr_waiter wr_stream_waiter(void) {
  return (struct wr_waiter){.want = WR_PHASE_DONE, .fire = wake_stream};
}

static void set_blocked(struct wr_stream *stream, struct wr_stream *by) {
  wr_probe_wait(stream->index, by ? by->index : -1);
  wr_stream_retain(stream);
  wr_mutex_lock(&stream->lock);
  stream->blocked_by = by ? wr_stream_retain(by) : NULL;
  wr_mutex_unlock(&stream->lock);
}

void wr_stream_block_on(struct wr_stream *stream, struct wr_completion *c, struct wr_stream *by) {
  set_blocked(stream, by);
  wr_stream_raise_blocker(stream);
  wr_completion_await(c, &stream->wake);
}

/* ---- blocks that may end before what they wait for ----

   The waiter stays where it is, and finds that the stream was woken. References: the waiter's, and
   the one of who may wake it before. */

struct wr_wake {
  struct wr_waiter waiter;
  struct wr_stream *stream; /* immutable after publish; whoever sets `woken` drops its reference */
  wr_atomic_u32 refs;       /* atomic ACQ_REL */
  wr_atomic_bool woken;     /* atomic ACQ_REL: by one of the two */
  struct wr_wake *next;     /* of who may wake it before */
};

void wr_wake_release(struct wr_wake *wake) {
  if (wake && wr_ref_drop(&wake->refs)) wr_free(wake);
}

static void wake_take(struct wr_wake *wake) {
  if (!wr_exchange_acq_rel(&wake->woken, true)) resume(wake->stream);
  wr_wake_release(wake);
}

static void wake_fired(struct wr_waiter *waiter) {
  wake_take(WR_CONTAINER_OF(waiter, struct wr_wake, waiter));
}

bool wr_stream_block_locked(struct wr_stream *stream, struct wr_completion *c, struct wr_stream *by,
                            struct wr_wake **wake) {
  struct wr_wake *made = *wake = wr_alloc(sizeof *made);
  set_blocked(stream, by);
  if (!made) return wr_completion_enlist(c, &stream->wake);
  *made = (struct wr_wake){.waiter = {.want = WR_PHASE_DONE, .fire = wake_fired}, .stream = stream};
  wr_store_relaxed(&made->refs, 2u); /* relaxed: not yet shared */
  return wr_completion_enlist(c, &made->waiter);
}

void wr_wake_list(struct wr_wake *wake, struct wr_wake **list) {
  wake->next = *list;
  *list = wake;
}

void wr_wake_all(struct wr_wake *list) {
  while (list) {
    struct wr_wake *wake = list;
    list = wake->next;
    wake_take(wake);
  }
}

bool wr_stream_wait_on_device(struct wr_stream *s, struct wr_stream *other, uint64_t number) {
  if (number == 0) return false;
  if (s == other) return true;
  if (s->backend != other->backend || s->device.index != other->device.index) return false;
  const struct wr_async_device *async = s->backend->async;
  return async && async->encode_wait && async->encode_wait(s->encoder, other->encoder, number);
}
