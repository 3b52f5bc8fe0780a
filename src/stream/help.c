/* Waiting for a completion. The thread drains the stream to which the work was submitted; if that
   one is suspended, the stream that it is blocked by, and so on. It sleeps only when it can drain
   none of them, because other threads drain them or a device works. Each stream has a list of the
   threads that sleep for it; the thread stands in the list of each of these streams then.

   No sleeper depends on the pool, which may have no worker free, or none at all where the system
   refuses threads. The argument:
   - When a stream becomes READY, or when its drainer finds that it has to be SUSPENDED, one of the
     threads in its list is poked, under the stream's lock. A worker is told of a READY stream only
     where the list is empty.
   - A thread enters the list of a stream before it looks at the stream. So whatever happens after
     that look pokes a thread that sleeps for the stream.
   - A poked thread does one of three things: it drains the stream; or it enters the list of the
     stream that this one is blocked by; or it leaves the list. A thread that leaves a list pokes
     the next one in it, unless some thread drains the stream: that one pokes when it has drained.
   So while threads sleep for a stream that could be drained, or that is blocked by one that could,
   one of them is awake or has been poked.

   Streams of a device can block each other in a circle: one waits, on the host, for a command that
   another has handed to the device, and that stream is blocked by the first in turn. A look notices
   that it has come round, asks the devices of the streams in the circle, and then sleeps.

   Locks: STREAM for the lists, then EVENT, each sleeper's own. Neither is held while waiting. */

#include <sched.h>

#include "base/base.h"
#include "base/doing.h"
#include "stream/internal.h"
#include "stream/request.h"
#include "stream/timeline.h"

/* A thread looks SPINS times before it sleeps: a few microseconds in all, about what sleeping and
   waking cost. From YIELD_FROM on it gives up its processor between two looks, since the thread
   that drains may be waiting for just that one. It is worth it: once the threads that share a
   stream sleep, each operation on it costs a wake-up. */
enum { INLINE_ENTRIES = 4, SPINS = 8, YIELD_FROM = 4, PAUSES = 30 };

/* One sleeping thread in the list of one stream. */
struct wr_sleeper_entry {
  struct wr_stream *stream; /* owner thread only; one reference */
  /* Owner thread only: the entry at the stream that blocks this one, as last seen. */
  struct wr_sleeper_entry *below;
  struct sleeper *sleeper;            /* immutable after publish; NULL: it is free */
  struct wr_sleeper_entry *next;      /* under the stream's LOCK */
  struct wr_sleeper_entry **previous; /* under the stream's LOCK */
};

struct sleeper {
  struct wr_waiter waiter;
  struct wr_sleeper_entry *top;                    /* owner thread only */
  struct wr_sleeper_entry entries[INLINE_ENTRIES]; /* owner thread only; more are on the heap */
  struct wr_mutex lock;
  struct wr_cond wake; /* with LOCK */
  bool over;           /* under LOCK: the waiter has fired */
  bool poked;          /* under LOCK */
};

/* ---- lists ---- */

bool wr_stream_poke_locked(struct wr_stream *s) {
  if (!s->sleepers) return false;
  struct sleeper *sleeper = s->sleepers->sleeper;
  wr_mutex_lock(&sleeper->lock);
  sleeper->poked = true;
  wr_cond_signal(&sleeper->wake);
  wr_mutex_unlock(&sleeper->lock);
  return true;
}

/* NULL when memory is refused: the thread then does not sleep for that stream, and depends on the
   pool for it. */
static struct wr_sleeper_entry *entry_new(struct sleeper *sleeper) {
  struct wr_sleeper_entry *entry = NULL;
  for (int i = 0; i < INLINE_ENTRIES && !entry; i++) {
    if (!sleeper->entries[i].sleeper) entry = &sleeper->entries[i];
  }
  if (!entry) entry = wr_alloc(sizeof *entry);
  if (entry) *entry = (struct wr_sleeper_entry){.sleeper = sleeper};
  return entry;
}

static void entry_free(struct wr_sleeper_entry *entry) {
  struct sleeper *sleeper = entry->sleeper;
  if (entry >= sleeper->entries && entry < sleeper->entries + INLINE_ENTRIES) {
    entry->sleeper = NULL;
  } else {
    wr_free(entry);
  }
}

static void enter_list(struct wr_sleeper_entry *entry, struct wr_stream *stream) {
  entry->stream = wr_stream_retain(stream);
  wr_mutex_lock(&stream->lock);
  entry->next = stream->sleepers;
  entry->previous = &stream->sleepers;
  if (entry->next) entry->next->previous = &entry->next;
  stream->sleepers = entry;
  wr_mutex_unlock(&stream->lock);
}

static void leave_list(struct wr_sleeper_entry *entry) {
  struct wr_stream *s = entry->stream;
  wr_mutex_lock(&s->lock);
  *entry->previous = entry->next;
  if (entry->next) entry->next->previous = entry->previous;
  bool waiting = s->state == WR_STREAM_READY || s->state == WR_STREAM_SUSPENDED;
  bool poked = waiting && wr_stream_poke_locked(s);
  bool untold = s->state == WR_STREAM_READY && !poked;
  wr_mutex_unlock(&s->lock);
  if (untold) wr_pool_wake();
  wr_stream_release(s);
}

/* Leaves the list that the entry at `slot` is in, and those of all entries below it. */
static void cut(struct wr_sleeper_entry **slot) {
  struct wr_sleeper_entry *entry = *slot;
  *slot = NULL;
  while (entry) {
    struct wr_sleeper_entry *below = entry->below;
    leave_list(entry);
    entry_free(entry);
    entry = below;
  }
}

/* Makes the entry at `slot` one in this stream's list, and returns the slot below it. */
static struct wr_sleeper_entry **take_entry(struct sleeper *sleeper, struct wr_sleeper_entry **slot,
                                            struct wr_stream *stream) {
  if (*slot && (*slot)->stream == stream) return &(*slot)->below;
  cut(slot);
  *slot = entry_new(sleeper);
  if (!*slot) return slot;
  enter_list(*slot, stream);
  return &(*slot)->below;
}

/* ---- one look ---- */

static struct wr_stream *blocker_of(struct wr_stream *s) {
  wr_mutex_lock(&s->lock);
  struct wr_stream *by = s->blocked_by ? wr_stream_retain(s->blocked_by) : NULL;
  wr_mutex_unlock(&s->lock);
  return by;
}

static bool is_asleep(struct wr_stream *s) { return s && wr_load_relaxed(&s->asleep); }

/* Asks the stream's device; true when it reported a command that is over. */
static bool poll_device(struct wr_stream *s) {
  const struct wr_async_device *async = s->backend->async;
  return async && async->poll && async->poll(s->encoder);
}

static bool is_suspended(struct wr_stream *s) {
  wr_mutex_lock(&s->lock);
  bool suspended = s->state == WR_STREAM_SUSPENDED;
  wr_mutex_unlock(&s->lock);
  return suspended;
}

/* A walk from a stream to the one that it is blocked by, and so on. It notices when it goes round
   in a circle by Brent's method: it remembers one stream, after 1, 2, 4, 8 steps and so on, and
   stops when it meets that one again. */
struct walk {
  struct wr_stream *seen; /* one reference; NULL at first */
  uint32_t steps;         /* since then */
  uint32_t limit;
};

static bool comes_round(struct walk *w, struct wr_stream *next) {
  w->steps++;
  if (next == w->seen) return true;
  if (w->steps < w->limit) return false;
  wr_stream_release(w->seen);
  *w = (struct walk){.seen = wr_stream_retain(next), .limit = 2 * w->limit + 1};
  return false;
}

/* Asks the devices of the streams in the circle, until one has something to report. */
static bool poll_circle(const struct walk *w) {
  struct wr_stream *s = wr_stream_retain(w->seen);
  bool found = false;
  for (uint32_t i = 0; s && i < w->steps && !found; i++) {
    found = poll_device(s);
    struct wr_stream *by = found ? NULL : blocker_of(s);
    wr_stream_release(s);
    s = by;
  }
  wr_stream_release(s);
  return found;
}

/* Drains the stream unless it is suspended. Before it runs anything the thread leaves the lists of
   the streams below, since it could not answer a poke from one of those meanwhile. */
static enum wr_drained drain_listed(struct wr_stream *stream, struct wr_drain *drain,
                                    struct wr_sleeper_entry **below) {
  if (is_suspended(stream)) return WR_DRAIN_SUSPENDED;
  cut(below);
  return wr_stream_drain(stream, drain);
}

/* Drains `home`, or what it is blocked by, or what that is blocked by in turn, as far as nobody
   else does, until what `why` says; with `sleeper`, listed at each of them. True when something ran
   or changed, so that another look is worth it. */
static bool look(struct wr_stream *home, const struct wr_drain *why, struct sleeper *sleeper) {
  struct wr_sleeper_entry **slot = sleeper ? &sleeper->top : NULL;
  struct wr_stream *stream = wr_stream_retain(home), *above = NULL;
  struct walk walk = {.seen = NULL};
  bool again = false;
  for (;;) {
    struct wr_drain drain = *why;
    drain.unblock = above;
    if (sleeper) slot = take_entry(sleeper, slot, stream);
    enum wr_drained result =
        sleeper ? drain_listed(stream, &drain, slot) : wr_stream_drain(stream, &drain);
    again = wr_completion_settled(why->target) || (above && !is_asleep(above));
    if (again) break;
    if (result != WR_DRAIN_SUSPENDED) {
      again = poll_device(stream);
      break;
    }
    struct wr_stream *by = blocker_of(stream);
    if (!by) {
      /* Its own device may be what it waits for: for room (graph/room.c). */
      again = poll_device(stream) || !is_asleep(stream);
      break;
    }
    wr_stream_release(above);
    above = stream;
    stream = by;
    if (comes_round(&walk, stream)) {
      again = poll_circle(&walk);
      break;
    }
  }
  if (sleeper) cut(slot);
  wr_stream_release(walk.seen);
  wr_stream_release(above);
  wr_stream_release(stream);
  return again;
}

/* ---- sleeping ---- */

static void target_over(struct wr_waiter *waiter) {
  struct sleeper *sleeper = WR_CONTAINER_OF(waiter, struct sleeper, waiter);
  wr_mutex_lock(&sleeper->lock);
  sleeper->over = true;
  wr_cond_signal(&sleeper->wake);
  wr_mutex_unlock(&sleeper->lock);
}

/* Forgets pokes; false once the waiter has fired. That is to be asked for, and not the target
   alone: it may have been taken back, and be somebody else's by now. */
static bool looks_again(struct sleeper *sleeper) {
  wr_mutex_lock(&sleeper->lock);
  sleeper->poked = false;
  const bool over = sleeper->over;
  wr_mutex_unlock(&sleeper->lock);
  return !over;
}

/* Sleeps until the waiter has fired or, unless the thread is `leaving`, until it is poked. */
static void sleep_on(struct sleeper *sleeper, bool leaving) {
  wr_mutex_lock(&sleeper->lock);
  while (!sleeper->over && (leaving || !sleeper->poked)) {
    wr_cond_wait(&sleeper->wake, &sleeper->lock);
  }
  wr_mutex_unlock(&sleeper->lock);
}

/* The sleeper is on this stack. Nobody touches it after it is gone: whoever pokes it holds the lock
   of a stream in whose list it stands; and the waiter touches it last with its lock held, which
   this thread takes before it returns. */
static void help_or_sleep(struct wr_stream *home, struct wr_completion *target) {
  struct sleeper sleeper = {.waiter = {.want = WR_PHASE_DONE, .fire = target_over},
                            .lock = WR_MUTEX_INIT(WR_RANK_EVENT)};
  const struct wr_drain why = {.target = target};
  const bool in_users_code = wr_in_users_code();
  struct wr_doing *doing = wr_doing_begin(WR_DOING_WAIT, target, home, NULL);
  if (in_users_code) wr_blocking_waits(true);
  wr_cond_init(&sleeper.wake);
  wr_completion_await(target, &sleeper.waiter);
  while (!wr_completion_over(target) && looks_again(&sleeper)) {
    /* Where it is lazy again the waiter is about to fire, or to wait for who claims it anew. */
    if (!wr_completion_settled(target) && look(home, &why, &sleeper)) continue;
    const uint64_t begin = wr_timeline_begin();
    sleep_on(&sleeper, false);
    wr_timeline_put_span(WR_SPAN_SLEEP, begin, 0, home);
  }
  cut(&sleeper.top);
  sleep_on(&sleeper, true);
  if (in_users_code) wr_blocking_waits(false);
  wr_doing_end(doing);
  wr_cond_destroy(&sleeper.wake);
  wr_mutex_destroy(&sleeper.lock);
}

void wr_stream_help_at_once(struct wr_stream *stream, struct wr_completion *c) {
  const uint64_t taken = wr_pool_taken();
  const struct wr_drain why = {.target = c, .taken = &taken};
  bool more = true;
  while (more && !wr_completion_settled(c) && taken == wr_pool_taken()) {
    more = look(stream, &why, NULL);
  }
}

bool wr_stream_is_stranded(struct wr_stream *stream) {
  struct wr_stream *s = wr_stream_retain(stream), *by;
  struct walk walk = {.seen = NULL};
  while (is_suspended(s) && (by = blocker_of(s)) != NULL) {
    wr_stream_release(s);
    s = by;
    if (comes_round(&walk, s)) break;
  }
  wr_stream_release(walk.seen);
  wr_mutex_lock(&s->lock);
  bool stranded = s->state == WR_STREAM_READY;
  wr_mutex_unlock(&s->lock);
  wr_stream_release(s);
  return stranded;
}

static void pause_for(const struct wr_completion *c) {
  for (int i = 0; i < PAUSES && !wr_completion_settled(c); i++) wr_pause();
}

static bool is_ended(struct wr_request *request) { return request && wr_request_ended(request); }

/* Usually the first look is enough, without an entry in any list. Where threads share a stream and
   their work is small, the work that this thread waits behind is over before it would sleep. In a
   request the thread does what is quick alone and gives up its processor only to sleep: where all
   compute, it would have it back too late. */
void wr_stream_help_awake(struct wr_stream *stream, struct wr_completion *c,
                          struct wr_request *request) {
  const int spins = wr_cpu_count() == 1 ? 1 : request ? YIELD_FROM : SPINS;
  const struct wr_drain why = {.target = c, .request = request, .only_quick = request != NULL};
  for (int i = 0; i < spins && !wr_completion_settled(c) && !is_ended(request);) {
    if (look(stream, &why, NULL)) continue;
    if (++i < spins) pause_for(c);
    if (i >= YIELD_FROM && i < spins && !wr_completion_settled(c)) sched_yield();
  }
}

void wr_stream_help(struct wr_stream *stream, struct wr_completion *c) {
  wr_stream_retain(stream);
  wr_stream_help_awake(stream, c, NULL);
  if (!wr_completion_settled(c)) help_or_sleep(stream, c);
  wr_stream_release(stream);
}
