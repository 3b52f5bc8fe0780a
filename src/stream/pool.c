/* The worker pool: one for all streams, at most as many threads as processors, started when there
   is work for them. Lock: SCHEDULER; never held while work runs. When the process ends, workers end
   with it wherever they are (K8); only wr_pool_stop joins them.

   How long a ready stream waits (K9, O3). A stream whose work is brief has been drained by the
   thread that submitted it (wr_stream_run_brief). For any other, a worker that sleeps is woken, and
   comes at once. Where no worker sleeps, each does one of two things, and alternates between them:
   it drains one stream for a turn, which is TURN_NS and the rest of the command in progress then;
   or it takes slices of a parallel kernel, of about SLICE_NS each, until a stream is ready. So a
   ready stream waits for the end of one turn or of one slice, then for the streams before it in the
   list (ready.h has their order). At most as many threads as there are processors take slices, and
   the threads that called the kernels count among them. So where the program's own threads compute,
   workers sleep; and the system runs a thread that has slept before threads that have computed.

   A worker that has taken slices looks for WR_POOL_AWAKE_NS before it sleeps, as a program that has
   run one parallel kernel mostly runs another soon: half a microsecond hands it over then, a
   sleeper is there after forty. For a ready stream a sleeper is woken all the same, but no spare is
   started where one that looks has been told. Kernels too small to wake a worker for wake one where
   they come one behind the other (awake.c): it looks as if it had taken slices.

   A command that is not cut in slices keeps its worker until its end. So while a stream is ready
   and no worker sleeps, a spare thread looks once every TICK_NS. If no stream was taken since it
   looked last, it drains fresh streams itself, and after WORN_TICKS any stream; while it drains,
   another spare looks. A spare may be kept by a long command too, so the number of spares has a
   bound: one more than there may be workers. The last of them takes fresh streams only. So where
   the long commands are those of worn streams, as in any program that has run for a while, a fresh
   stream waits for two ticks at most.

   Classes (R5). A turn of a stream that no stream of a higher class waited for ends with the
   command in progress, once one does; and with it once a kernel of a higher class has slices left.
   A turn that a stream has for its class's share is a whole one. */

#include <pthread.h>
#include <string.h>

#include "base/base.h"
#include "base/fork.h"
#include "base/peek.h"
#include "stream/pool.h"

enum { TURN_NS = WR_TORTURED ? 0 : 500 * 1000, TICK_NS = WR_TORTURED ? 50 * 1000 : 1000 * 1000 };

/* A spare counts the ticks at which streams were ready and after which none was taken. The first
   may have come just after a stream became ready; after the second one has waited a whole tick. */
enum { FRESH_TICKS = 2, WORN_TICKS = 16, LINGER_TICKS = 50 };

struct wr_worker {
  struct wr_worker *next;   /* under LOCK */
  pthread_t thread;         /* under LOCK: set as it leaves, for who joins it */
  struct wr_marker *marker; /* owner thread only: a reliever's, one reference */
  struct wr_thread block;   /* owner thread only: the thread's, while it works */
};

/* Who takes a stream from the lists: a worker, or a spare thread in the place of one. */
enum taker { WORKER, SPARE, SPARE_FOR_FRESH };

struct wr_pool wr_pool = {.lock = WR_MUTEX_INIT(WR_RANK_SCHEDULER),
                          .wake = {PTHREAD_COND_INITIALIZER}};

static void start_spare(void);

int wr_pool_most(void) {
  int wanted = wr_env_get()->workers;
  return wanted > 0 ? wanted : wr_cpu_count();
}

/* ---- how many are ready, without the lock ----

   Of each class so many bits of one word, the highest class in the lowest. */

enum { HINT_BITS = 21 };

static uint64_t hint_of(enum wr_class class) { return UINT64_C(1) << (class - 1) * HINT_BITS; }

static void append_locked(struct wr_stream *s, enum wr_wear wear, struct wr_urgency urgency) {
  wr_ready_append(&wr_pool.ready, s, wear, urgency);
  wr_fetch_add_relaxed(&wr_pool.ready_hint, hint_of(urgency.class));
  if (urgency.class != WR_CLASS_NORMAL) wr_pool.has_classes = true;
}

static void note_left_locked(const struct wr_stream *s) {
  wr_fetch_sub_relaxed(&wr_pool.ready_hint, hint_of(s->ready_urgency.class));
}

static void unlink_locked(struct wr_stream *s) {
  wr_ready_unlink(&wr_pool.ready, s);
  note_left_locked(s);
}

bool wr_pool_has_ready_of(enum wr_class class) {
  return (wr_load_relaxed(&wr_pool.ready_hint) & ((UINT64_C(1) << class * HINT_BITS) - 1)) != 0;
}

static bool has_urgent_job(enum wr_class than) {
  uint32_t job = wr_load_relaxed(&wr_pool.open_class);
  return job && job < (uint32_t)than;
}

bool wr_pool_has_more_urgent(const struct wr_stream *s) {
  enum wr_class class = (enum wr_class)wr_load_relaxed(&((struct wr_stream *)s)->class_now);
  return class > WR_CLASS_HIGH &&
         (wr_pool_has_ready_of((enum wr_class)(class - 1)) || has_urgent_job(class));
}

/* ---- workers ---- */

static void drain_turn(struct wr_stream *s, bool gives_way) {
  struct wr_drain drain = {.deadline = wr_clock_ns() + TURN_NS, .gives_way = gives_way ? s : NULL};
  wr_stream_drain(s, &drain);
  wr_stream_release(s);
}

static void park_locked(void) {
  wr_pool.idle++;
  wr_cond_wait(&wr_pool.wake, &wr_pool.lock);
  wr_pool.idle--;
  if (wr_pool.signalled > 0) wr_pool.signalled--;
}

/* Called where streams have become ready, or one was taken and others may be left. True when the
   caller has to start a spare thread, after it has released the lock: a stream is ready, no worker
   sleeps or has just been woken, no spare looks, and there may be one more. `most` is
   wr_pool_most(). */
static bool watch_locked(int most) {
  if (wr_pool.watched || wr_pool.idle > 0 || !wr_ready_any(&wr_pool.ready)) return false;
  if (wr_pool.spares > most) return false;
  wr_pool.watched = true;
  wr_pool.spares++;
  return true;
}

static void note_taken_locked(enum taker by) {
  if (by == WORKER) wr_fetch_add_relaxed(&wr_pool.taken, UINT64_C(1));
  if (by != SPARE_FOR_FRESH) wr_pool.late[WR_WORN] = 0;
  wr_pool.late[WR_FRESH] = 0;
}

/* Drains the next stream for a turn, with the lock released; false when there is none. */
static bool drain_one_locked(enum taker by, int most) {
  bool by_share;
  struct wr_stream *s = wr_ready_take(&wr_pool.ready, by == SPARE_FOR_FRESH, &by_share);
  if (!s) return false;
  note_left_locked(s);
  bool whole = by_share || has_urgent_job(s->ready_urgency.class) || !wr_pool.has_classes;
  wr_pool.turns++;
  note_taken_locked(by);
  bool watch = watch_locked(most);
  wr_mutex_unlock(&wr_pool.lock);
  if (watch) start_spare();
  drain_turn(s, !whole);
  wr_mutex_lock(&wr_pool.lock);
  return true;
}

static void leave_locked(struct wr_worker *self) {
  self->thread = pthread_self();
  self->next = wr_pool.left;
  wr_pool.left = self;
  wr_cond_broadcast(&wr_pool.gone); /* several threads may shut down */
}

static void *worker_main(void *arg) {
  struct wr_worker *self = arg;
  const int most = wr_pool_most();
  const bool looks = wr_cpu_count() > 1; /* else it would keep the processor from who tells it */
  uint64_t awake_until = 0;
  unsigned count = 0;
  wr_thread_lend(&self->block);
  wr_mutex_lock(&wr_pool.lock);
  for (;;) {
    /* A turn of a stream, then slices, so that neither keeps the other waiting. Both release the
       lock meanwhile. */
    bool drained = drain_one_locked(WORKER, most);
    bool sliced = wr_pool_slice_locked(most);
    if (sliced && looks) awake_until = wr_pool_awake_until();
    if (sliced || drained) continue;
    if (wr_pool.stopping > 0) break;
    if (wr_pool.roused) {
      wr_pool.roused = false;
      if (looks) awake_until = wr_pool_awake_until();
    }
    if (awake_until > 0 && wr_clock_ns() < awake_until) {
      if (!wr_pool_look_out_locked(awake_until, &count)) awake_until = 0;
    } else {
      park_locked();
    }
  }
  wr_pool.workers--;
  leave_locked(self);
  wr_mutex_unlock(&wr_pool.lock);
  wr_thread_take_back(); /* before it is joined, and its block freed */
  return NULL;
}

/* Wakes up to `wanted` workers and says how many more to start. `signalled` counts those that were
   woken and do not run yet. A worker that wakes by itself (as the system allows) counts it down
   too; so one worker too many may be woken, never one too few. `most` is wr_pool_most(), which is
   to be asked without the lock. */
int wr_pool_wake_locked(int wanted, int most) {
  for (; wanted > 0 && wr_pool.signalled < wr_pool.idle; wanted--) {
    wr_pool.signalled++;
    wr_cond_signal(&wr_pool.wake);
  }
  int start = most - wr_pool.workers;
  if (start > wanted) start = wanted;
  wr_pool.workers += start;
  return start;
}

static bool start_worker(void) {
  pthread_t thread; /* on this stack: the worker may have ended, and freed its struct, before
                       pthread_create writes it */
  struct wr_worker *worker = wr_calloc(sizeof *worker);
  if (worker && wr_thread_start("weir-worker", worker_main, worker, &thread)) return true;
  wr_free(worker);
  return false;
}

void wr_pool_start_workers(int n) {
  for (; n > 0; n--) {
    if (start_worker()) continue;
    /* The system refuses threads: those that wait drain their streams themselves. */
    wr_mutex_lock(&wr_pool.lock);
    wr_pool.workers -= n;
    wr_cond_broadcast(&wr_pool.gone);
    wr_mutex_unlock(&wr_pool.lock);
    return;
  }
}

void wr_pool_init(void) {
  wr_cond_init(&wr_pool.gone);
  wr_cond_init(&wr_pool.tick);
}

/* These workers have left their loop: they end at once. */
static void join_left(struct wr_worker *worker) {
  int before = wr_cancel_off();
  while (worker) {
    struct wr_worker *next = worker->next;
    pthread_join(worker->thread, NULL);
    wr_free(worker);
    worker = next;
  }
  wr_cancel_restore(before);
}

static int threads_locked(void) { return wr_pool.workers + wr_pool.spares + wr_pool.relievers; }

/* Waits until all threads have left. Where the system refuses to start any for streams that are
   ready, the calling thread drains them. */
static bool finish_locked(uint64_t deadline_ns) {
  while (threads_locked() > 0 || wr_ready_any(&wr_pool.ready)) {
    if (wr_pool.workers == 0 && wr_ready_any(&wr_pool.ready)) {
      (void)drain_one_locked(WORKER, wr_pool_most());
      if (wr_clock_ns() >= deadline_ns) break;
    } else if (!wr_cond_wait_until(&wr_pool.gone, &wr_pool.lock, deadline_ns)) {
      break;
    }
  }
  return threads_locked() == 0 && !wr_ready_any(&wr_pool.ready);
}

bool wr_pool_stop(uint64_t deadline_ns) {
  wr_mutex_lock(&wr_pool.lock);
  wr_pool.stopping++;
  wr_cond_broadcast(&wr_pool.wake);
  bool in_time = finish_locked(deadline_ns);
  wr_pool.stopping--;
  struct wr_worker *left = wr_pool.left;
  wr_pool.left = NULL;
  wr_mutex_unlock(&wr_pool.lock);
  join_left(left);
  return in_time;
}

/* ---- spare threads, and relievers ----

   They drain as workers do, and put a stream that they leave back where the pool finds it, so no
   protocol depends on them. Only wr_pool_stop waits for them, and joins those that end meanwhile.

   Why a spare looks whenever it is needed. Streams become ready, and stay ready while another is
   taken, only in sections under the lock that end with watch_locked (except a stream for which a
   thread sleeps in wr_stream_help, and which that thread drains). watch_locked does without a new
   spare in three cases. A worker sleeps: it has been woken, and takes a stream before anything
   else. A spare looks already: it stops only in a section in which no stream was ready. There are
   as many spares as may be: each looks again when it comes back from draining. And tell_unlock does
   without one where it has told a worker that looks: for each that is told one ends its look, and
   takes a stream before anything else. */

/* The end of a spare or a reliever, which has counted itself off; releases the lock. */
static void end_uncounted(struct wr_worker *self) {
  bool awaited = wr_pool.stopping > 0;
  if (awaited) leave_locked(self);
  wr_mutex_unlock(&wr_pool.lock);
  wr_thread_take_back();
  if (awaited) return;
  wr_free(self);
  pthread_detach(pthread_self());
}

static void tick_locked(void) {
  wr_cond_wait_until(&wr_pool.tick, &wr_pool.lock, wr_clock_ns() + TICK_NS);
  for (int c = 0; c < WR_WEARS; c++) {
    wr_pool.late[c] = wr_ready_any(&wr_pool.ready) ? wr_pool.late[c] + 1 : 0;
  }
}

/* Whether the spare that looks has to drain now; *as says which streams it may take. Worn ones only
   where one more spare may be started after it, which then looks after the fresh ones. */
static bool is_late_locked(int most, enum taker *as) {
  bool worn = wr_pool.late[WR_WORN] > WORN_TICKS && wr_pool.spares <= most;
  *as = worn ? SPARE : SPARE_FOR_FRESH;
  return worn || wr_pool.late[WR_FRESH] >= FRESH_TICKS;
}

/* Drains streams until there is none that it may take, or a worker has taken one. */
static void stand_in_locked(enum taker as, int most) {
  uint64_t taken = wr_pool_taken();
  while (drain_one_locked(as, most) && wr_pool_taken() == taken) continue;
}

/* Looks until no stream has been ready for a while, or until another spare looks, which was started
   while this one drained. */
static void watch_for_late_locked(int most) {
  enum taker as;
  int quiet = 0;
  while (quiet < (wr_pool.stopping > 0 ? 1 : LINGER_TICKS)) {
    tick_locked();
    quiet = wr_ready_any(&wr_pool.ready) ? 0 : quiet + 1;
    if (!is_late_locked(most, &as)) continue;
    wr_pool.watched = false;
    stand_in_locked(as, most);
    if (wr_pool.watched) return;
    wr_pool.watched = true;
  }
  wr_pool.watched = false;
}

static void *spare_main(void *arg) {
  struct wr_worker *self = arg;
  const int most = wr_pool_most();
  wr_thread_lend(&self->block);
  wr_mutex_lock(&wr_pool.lock);
  watch_for_late_locked(most);
  wr_pool.spares--;
  end_uncounted(self);
  return NULL;
}

/* Where the system refuses the thread, streams wait for a worker, or for the next attempt. */
static void start_spare(void) {
  pthread_t thread; /* as in start_worker */
  struct wr_worker *self = wr_calloc(sizeof *self);
  if (self && wr_thread_start("weir-reliever", spare_main, self, &thread)) return;
  wr_free(self);
  wr_mutex_lock(&wr_pool.lock);
  wr_pool.watched = false;
  wr_pool.spares--;
  wr_cond_broadcast(&wr_pool.gone);
  wr_mutex_unlock(&wr_pool.lock);
}

/* A thread that waits with a time limit does not drain, so it leaves its processor free; a reliever
   drains in its place. It drains only what that thread waits for, and ends when it can do no more
   of that, or when a worker has come back to the streams. A waiting thread may give up and wait for
   something else while its reliever is kept by a long command. So that there are not as many such
   threads as streams in the end (K6), spares and relievers together have a bound: the most spares,
   and one for each thread that waits now. A thread that was refused a reliever asks again later. */
static void *reliever_main(void *arg) {
  struct wr_worker *self = arg;
  wr_thread_lend(&self->block);
  struct wr_stream *stream = wr_marker_stream(self->marker);
  if (stream) wr_stream_help_at_once(stream, wr_marker_completion(self->marker));
  wr_stream_release(stream);
  wr_marker_release(self->marker);
  wr_mutex_lock(&wr_pool.lock);
  wr_pool.relievers--;
  end_uncounted(self);
  return NULL;
}

/* Counts one more, if it is needed. It is not where there are enough; where a worker sleeps, since
   then one was woken, or a thread that sleeps for the stream; or where a spare looks and finds that
   workers do come to streams, only not to this one yet. */
static bool count_reliever(void) {
  int most = wr_pool_most();
  wr_mutex_lock(&wr_pool.lock);
  bool late = !wr_pool.watched || wr_pool.late[WR_WORN] > WORN_TICKS;
  bool wanted =
      late && wr_pool.idle == 0 && wr_pool.relievers + wr_pool.spares < most + 1 + wr_pool.waiting;
  if (wanted) wr_pool.relievers++;
  wr_mutex_unlock(&wr_pool.lock);
  return wanted;
}

static void uncount_reliever(void) {
  wr_mutex_lock(&wr_pool.lock);
  wr_pool.relievers--;
  wr_cond_broadcast(&wr_pool.gone);
  wr_mutex_unlock(&wr_pool.lock);
}

void wr_pool_relieve(struct wr_marker *marker) {
  if (!count_reliever()) return;
  struct wr_worker *self = wr_calloc(sizeof *self);
  if (self) {
    pthread_t thread; /* as in start_worker */
    self->marker = wr_marker_retain(marker);
    if (wr_thread_start("weir-reliever", reliever_main, self, &thread)) return;
    wr_marker_release(marker);
    wr_free(self);
  }
  uncount_reliever();
}

void wr_pool_count_waiting(int n) {
  wr_mutex_lock(&wr_pool.lock);
  wr_pool.waiting += n;
  wr_mutex_unlock(&wr_pool.lock);
}

size_t wr_pool_relievers(void) {
  wr_mutex_lock(&wr_pool.lock);
  size_t n = (size_t)wr_pool.relievers + (size_t)wr_pool.spares;
  wr_mutex_unlock(&wr_pool.lock);
  return n;
}

/* ---- streams ---- */

/* If streams are ready, wakes or starts a worker for them, or starts a spare that looks after them.
   Called with the pool's lock, which it releases. */
static void tell_unlock(void) {
  int most = wr_pool_most();
  bool any = wr_ready_any(&wr_pool.ready);
  int start = any ? wr_pool_wake_locked(1, most) : 0;
  bool told_one = any && wr_pool_tell_awake_locked(1) > 0;
  bool watch = start == 0 && !told_one && watch_locked(most);
  wr_mutex_unlock(&wr_pool.lock);
  wr_pool_start_workers(start);
  if (watch) start_spare();
}

void wr_pool_push(struct wr_stream *stream, enum wr_wear wear, struct wr_urgency urgency,
                  bool tell) {
  wr_mutex_lock(&wr_pool.lock);
  if (!stream->in_ready_list) append_locked(wr_stream_retain(stream), wear, urgency);
  if (tell) {
    tell_unlock();
  } else {
    wr_mutex_unlock(&wr_pool.lock);
  }
}

void wr_pool_wake(void) {
  wr_mutex_lock(&wr_pool.lock);
  tell_unlock();
}

void wr_pool_move(struct wr_stream *stream, struct wr_urgency urgency) {
  wr_mutex_lock(&wr_pool.lock);
  if (stream->in_ready_list) {
    unlink_locked(stream);
    append_locked(stream, stream->ready_wear, urgency);
  }
  wr_mutex_unlock(&wr_pool.lock);
}

bool wr_pool_remove(struct wr_stream *stream) {
  wr_mutex_lock(&wr_pool.lock);
  bool listed = stream->in_ready_list;
  if (listed) unlink_locked(stream);
  wr_mutex_unlock(&wr_pool.lock);
  return listed;
}

bool wr_pool_ensure_worker(void) {
  if (!wr_pool_has_ready()) return true;
  int most = wr_pool_most(), start = 0;
  wr_mutex_lock(&wr_pool.lock);
  if (wr_pool.workers == 0 && wr_ready_any(&wr_pool.ready)) start = wr_pool_wake_locked(1, most);
  wr_mutex_unlock(&wr_pool.lock);
  wr_pool_start_workers(start);
  return start == 0 || wr_pool_workers() > 0;
}

uint64_t wr_pool_taken(void) { return wr_load_relaxed(&wr_pool.taken); }

bool wr_pool_has_ready(void) { return wr_load_relaxed(&wr_pool.ready_hint) != 0; }

void wr_pool_peek(struct wr_pool_look *l) {
  *l = (struct wr_pool_look){.most = wr_pool_most()};
  (void)(wr_peek(&l->workers, &wr_pool.workers, sizeof l->workers) &&
         wr_peek(&l->idle, &wr_pool.idle, sizeof l->idle) &&
         wr_peek(&l->others, &wr_pool.spares, sizeof l->others));
  const uint64_t hint = wr_load_relaxed(&wr_pool.ready_hint);
  for (int i = 0; i < 3; i++)
    l->ready += (uint32_t)(hint >> i * HINT_BITS) & ((1u << HINT_BITS) - 1);
}

size_t wr_pool_workers(void) {
  wr_mutex_lock(&wr_pool.lock);
  size_t n = (size_t)wr_pool.workers;
  wr_mutex_unlock(&wr_pool.lock);
  return n;
}

/* ---- fork (K11) ----

   There are no workers in the child, and all streams there begin anew (wr_stream_fork_child). */

static void forget_in_child(void) {
  wr_cond_init(&wr_pool.wake);
  wr_cond_init(&wr_pool.gone);
  wr_cond_init(&wr_pool.tick);
  wr_pool.jobs = NULL;
  wr_pool.left = NULL;
  memset(&wr_pool.ready, 0, sizeof wr_pool.ready);
  memset(wr_pool.late, 0, sizeof wr_pool.late);
  wr_pool.in_jobs = 0;
  wr_pool.watched = false;
  wr_store_relaxed(&wr_pool.ready_hint, UINT64_C(0));
  wr_store_relaxed(&wr_pool.job_class, 0u);
  wr_store_relaxed(&wr_pool.open_class, 0u);
  wr_pool.turns = 0;
  wr_pool.workers = 0;
  wr_pool.spares = 0;
  wr_pool.relievers = 0;
  wr_pool.waiting = 0;
  wr_pool.idle = 0;
  wr_pool.signalled = 0;
  wr_pool.roused = false;
  wr_store_relaxed(&wr_pool.awake, UINT64_C(0));
  wr_pool.stopping = 0;
}

WR_AT_FORK(.rank = WR_RANK_SCHEDULER, .lock = &wr_pool.lock, .child = forget_in_child)
