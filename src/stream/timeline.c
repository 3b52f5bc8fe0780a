/* The timeline: rings, the writer's thread, starting and ending; see timeline.h.

   A ring is made with the first record of its thread and put in front of a list, without a lock:
   records are also made under locks of any rank. Only the consumer takes rings out, when their
   threads have ended: so the list behind the first ring is its own, and where the first ring goes
   it is by compare-and-swap. A thread's end says `ended`, after its last record; the consumer reads
   that, then `head`: so what it has taken out by then was all.

   The consumer is the writer from start, which makes it, until it is WRITTEN, and whoever holds
   LOCK before and after; all of that changes hands under LOCK.

   A record that is made as the trace ends may come after the writer's last look. It stays in its
   ring, and is thrown away as the next trace starts, or is left out by its time.

   The end of the process waits for the writer a short while, since the disk may be slow (K8). The
   child of a fork has no writer, and no trace: it closes its copy of the descriptor, which it
   shares with the parent, unread. Lock: TIMELINE; never held where the disk is waited for. */

#include "stream/timeline.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/base.h"
#include "base/ending.h"
#include "base/fork.h"
#include "base/text.h"
#include "base/thread.h"
#include "stream/internal.h"
#include "stream/timeline_internal.h"

wr_atomic_u32 wr_timeline_session;

/* How long records stay in their rings when these do not fill, and how long the end of the process
   waits for the file. */
static const uint64_t period_ns = 10 * 1000 * 1000;
static const uint64_t patience_ns = 250 * 1000 * 1000;

enum state { NONE, RUNNING, ENDING, WRITTEN };

static struct {
  struct wr_mutex lock;
  struct wr_cond wake;           /* with LOCK: the writer */
  struct wr_cond changed;        /* with LOCK: who waits for it */
  enum state state;              /* under LOCK */
  pthread_t thread;              /* under LOCK */
  uint32_t sessions;             /* under LOCK: so many were started */
  struct wr_timeline_text *text; /* the writer's, from start until it is WRITTEN */
} timeline = {.lock = WR_MUTEX_INIT(WR_RANK_TIMELINE)};

static _Atomic(struct wr_record_ring *) rings; /* atomic ACQ_REL: the first of the list */
static wr_atomic_u32 ring_count;               /* atomic RELAXED: how many there are */
static wr_atomic_u64 ringless;                 /* atomic RELAXED: records of threads without one */
static wr_atomic_bool hurried;                 /* atomic RELAXED: the writer was told to hurry */

/* ---- rings, for their threads ---- */

static struct wr_record_ring *make_ring(void) {
  struct wr_record_ring *ring = NULL;
  if (wr_fetch_add_relaxed(&ring_count, 1u) < MOST_RINGS) {
    ring = wr_alloc_aligned(_Alignof(struct wr_record_ring), sizeof *ring);
  }
  if (!ring) {
    wr_fetch_sub_relaxed(&ring_count, 1u);
    return NULL;
  }
  memset(ring, 0, offsetof(struct wr_record_ring, words));
  ring->tid = wr_thread_os_id();
  if (pthread_getname_np(pthread_self(), ring->name, sizeof ring->name)) ring->name[0] = '\0';
  ring->next = wr_load_relaxed(&rings);
  while (!wr_cas_weak_release(&rings, &ring->next, ring)) continue; /* release: what is in it */
  return ring;
}

struct wr_record_ring *wr_timeline_ring(void) {
  struct wr_record_ring *ring = wr_thread_here->records;
  if (ring) return ring;
  struct wr_thread *t = wr_thread_own();
  if (t) ring = t->records = make_ring();
  if (!ring) wr_fetch_add_relaxed(&ringless, UINT64_C(1));
  return ring;
}

/* Without the lock, which the calling thread may not take; if the writer is just about to sleep it
   misses this, and looks after a period. */
void wr_timeline_hurry(void) {
  if (wr_load_relaxed(&hurried)) return;
  wr_store_relaxed(&hurried, true);
  wr_cond_signal(&timeline.wake);
}

/* ---- rings, for the consumer ---- */

static void unlink_ring(struct wr_record_ring *before, struct wr_record_ring *ring) {
  struct wr_record_ring *first = ring;
  if (!before && wr_cas_acq_rel(&rings, &first, ring->next)) return;
  /* Others have come in front of it. */
  if (!before) before = first;
  while (before->next != ring) before = before->next;
  before->next = ring->next;
}

static void free_ring(struct wr_record_ring *before, struct wr_record_ring *ring) {
  unlink_ring(before, ring);
  wr_free(ring);
  wr_fetch_sub_relaxed(&ring_count, 1u);
}

/* Forgets all records; the rings of threads that have ended go. */
static void sweep(void) {
  struct wr_record_ring *before = NULL, *next;
  for (struct wr_record_ring *ring = wr_load_acquire(&rings); ring; ring = next) {
    next = ring->next;
    if (wr_load_acquire(&ring->ended)) {
      free_ring(before, ring);
      continue;
    }
    wr_store_release(&ring->tail, wr_load_acquire(&ring->head));
    ring->lost_before = wr_load_relaxed(&ring->lost);
    before = ring;
  }
}

void wr_timeline_thread_ends(struct wr_record_ring *ring) {
  if (!ring) return;
  wr_store_release(&ring->ended, true); /* release: its last record */
  wr_mutex_lock(&timeline.lock);
  if (timeline.state == NONE) sweep();
  wr_mutex_unlock(&timeline.lock);
}

/* ---- the writer ---- */

static void take_record(const struct wr_record_ring *ring, uint64_t at, uint64_t *words) {
  struct wr_record_head head;
  memcpy(&head, &ring->words[at % RING_WORDS], sizeof head);
  for (uint32_t i = 0; i < head.words; i++) words[i] = ring->words[(at + i) % RING_WORDS];
}

/* What there is now; what comes meanwhile is for the next time. */
static void drain_ring(struct wr_record_ring *ring, struct wr_timeline_text *text) {
  uint64_t words[WR_RECORD_WORDS];
  uint64_t tail = wr_load_relaxed(&ring->tail);
  const uint64_t head = wr_load_acquire(&ring->head); /* acquire: the records before it */
  if (tail != head && ring->session != timeline.sessions) {
    wr_timeline_text_thread(text, ring);
    ring->session = timeline.sessions;
  }
  while (tail != head) {
    struct wr_record_head first;
    take_record(ring, tail, words);
    memcpy(&first, words, sizeof first);
    tail += first.words;
    wr_store_release(&ring->tail, tail); /* release: the copy was made */
    wr_timeline_text_record(text, ring->tid, words);
  }
}

/* Returns how many records were lost since the last time. */
static uint64_t drain_all(struct wr_timeline_text *text) {
  uint64_t lost = 0;
  struct wr_record_ring *before = NULL, *next;
  wr_store_relaxed(&hurried, false);
  for (struct wr_record_ring *ring = wr_load_acquire(&rings); ring; ring = next) {
    const bool ended = wr_load_acquire(&ring->ended);
    next = ring->next;
    drain_ring(ring, text);
    const uint64_t sum = wr_load_relaxed(&ring->lost);
    lost += sum - ring->lost_before;
    ring->lost_before = sum;
    if (ended) {
      free_ring(before, ring);
    } else {
      before = ring;
    }
  }
  return lost;
}

static uint64_t write_what_there_is(struct wr_timeline_text *text, uint64_t *ringless_before) {
  uint64_t lost = drain_all(text);
  const uint64_t sum = wr_load_relaxed(&ringless);
  lost += sum - *ringless_before;
  *ringless_before = sum;
  wr_timeline_text_memory(text);
  return lost;
}

static bool wait_a_period(void) {
  wr_mutex_lock(&timeline.lock);
  if (timeline.state == RUNNING) {
    (void)wr_cond_wait_until(&timeline.wake, &timeline.lock, wr_clock_ns() + period_ns);
  }
  const bool runs = timeline.state == RUNNING;
  wr_mutex_unlock(&timeline.lock);
  return runs;
}

static void *writer_main(void *arg) {
  struct wr_timeline_text *text = arg;
  uint64_t lost = 0, ringless_before = text->ringless_before;
  bool runs = true;
  wr_timeline_text_begin(text);
  while (runs) {
    wr_timeline_text_flush(text);
    runs = wait_a_period();
    const uint64_t more = write_what_there_is(text, &ringless_before);
    lost += more;
    if (more) wr_timeline_text_lost(text, lost);
  }
  wr_timeline_text_end(text, lost);
  wr_timeline_text_flush(text);
  wr_mutex_lock(&timeline.lock);
  timeline.state = WRITTEN;
  wr_cond_broadcast(&timeline.changed);
  wr_mutex_unlock(&timeline.lock);
  return NULL;
}

/* ---- start ---- */

static struct wr_error *cannot(const char *file) {
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "file %s cannot be written: %s", file,
                      wr_text_of_errno(errno));
}

/* Emptied only once it is known that no other process writes it. */
static struct wr_error *open_file(const char *file, int *fd) {
  *fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY, 0666);
  if (*fd < 0) return cannot(file);
  if (flock(*fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK) {
    (void)close(*fd);
    return wr_error_new(WEIR_ERROR_STATE, "another trace is being written to %s", file);
  }
  if (ftruncate(*fd, 0) && errno != EINVAL) { /* EINVAL: a pipe */
    struct wr_error *error = cannot(file);
    (void)close(*fd);
    return error;
  }
  return NULL;
}

static struct wr_error *already(void) {
  return wr_error_new(WEIR_ERROR_STATE, "a trace is running; weir_trace_stop ends it");
}

static void put_stream(struct wr_stream *stream, void *unused) {
  (void)unused;
  wr_mutex_lock(&stream->lock);
  wr_timeline_put_stream(stream, stream->label);
  wr_mutex_unlock(&stream->lock);
}

static struct wr_error *start_locked(struct wr_timeline_text *text) {
  if (timeline.state != NONE) return already();
  sweep();
  if (!wr_thread_start("weir-trace", writer_main, text, &timeline.thread))
    return wr_error_out_of_memory();
  timeline.text = text;
  timeline.state = RUNNING;
  wr_store_relaxed(&wr_timeline_session, ++timeline.sessions);
  return NULL;
}

static struct wr_error *start(int fd) {
  struct wr_timeline_text *text = wr_alloc(sizeof *text);
  if (!text) return wr_error_out_of_memory();
  memset(text, 0, offsetof(struct wr_timeline_text, text));
  text->fd = fd;
  text->pid = (int32_t)getpid();
  text->since = wr_clock_ns();
  text->ringless_before = wr_load_relaxed(&ringless);
  wr_mutex_lock(&timeline.lock);
  struct wr_error *error = start_locked(text);
  wr_mutex_unlock(&timeline.lock);
  if (error) {
    wr_free(text);
    return error;
  }
  wr_registry_visit_all(put_stream, NULL);
  return NULL;
}

static bool runs(void) {
  wr_mutex_lock(&timeline.lock);
  const bool does = timeline.state != NONE;
  wr_mutex_unlock(&timeline.lock);
  return does;
}

/* Opening may wait, for who reads a pipe. */
struct wr_error *wr_timeline_start(const char *file) {
  int fd = -1;
  if (runs()) return already();
  int before = wr_cancel_off();
  struct wr_error *error = open_file(file, &fd);
  if (!error) {
    error = start(fd);
    if (error) (void)close(fd);
  }
  wr_cancel_restore(before);
  return error;
}

static void start_asked(void) {
  const char *file = wr_env_get()->trace;
  if (!*file || runs()) return;
  struct wr_error *error = wr_timeline_start(file);
  if (error && wr_error_status(error) == WEIR_ERROR_STATE) {
    char another[sizeof wr_env_get()->trace + 16];
    snprintf(another, sizeof another, "%s.%d", file, (int)getpid());
    wr_error_release(error);
    error = wr_timeline_start(another);
  }
  if (!error) return;
  char line[700];
  snprintf(line, sizeof line, "weir: WEIR_TRACE: %s", wr_error_message(error));
  wr_log_line(line);
  wr_error_release(error);
}

void wr_timeline_start_asked(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, start_asked);
}

size_t wr_timeline_threads(void) { return runs() ? 1 : 0; }

/* ---- end ---- */

static void say_end_locked(void) {
  if (timeline.state != RUNNING) return;
  timeline.state = ENDING;
  wr_store_relaxed(&wr_timeline_session, 0u);
  wr_cond_signal(&timeline.wake);
}

/* False at the deadline. */
static bool wait_written_locked(uint64_t deadline_ns) {
  bool in_time = true;
  while (timeline.state == ENDING && in_time) {
    in_time = wr_cond_wait_until(&timeline.changed, &timeline.lock, deadline_ns);
  }
  return timeline.state != ENDING;
}

/* Whoever finds it WRITTEN joins the writer, which has nothing left to do. */
static struct wr_error *take_away_unlock(void) {
  struct wr_timeline_text *text = timeline.state == WRITTEN ? timeline.text : NULL;
  const pthread_t thread = timeline.thread;
  if (text) {
    (void)close(text->fd); /* under the lock: the child of a fork closes it while it is here */
    timeline.state = NONE;
    timeline.text = NULL;
    sweep();
  }
  wr_mutex_unlock(&timeline.lock);
  if (!text) return NULL;
  pthread_join(thread, NULL);
  const int failed = text->failed;
  wr_free(text);
  if (!failed) return NULL;
  return wr_error_new(WEIR_ERROR_DEVICE, "the trace's file could not be written to its end: %s",
                      wr_text_of_errno(failed));
}

bool wr_timeline_stop_until(uint64_t deadline_ns, struct wr_error **error) {
  int before = wr_cancel_off(); /* it joins */
  wr_mutex_lock(&timeline.lock);
  say_end_locked();
  const bool written = wait_written_locked(deadline_ns);
  *error = take_away_unlock();
  wr_cancel_restore(before);
  return written;
}

struct wr_error *wr_timeline_stop(void) {
  struct wr_error *error;
  (void)wr_timeline_stop_until(UINT64_MAX, &error);
  return error;
}

static void process_ends(void) {
  struct wr_error *error;
  (void)wr_timeline_stop_until(wr_clock_ns() + patience_ns, &error);
  wr_error_release(error);
}

/* ---- fork (K11) ---- */

static void forget_in_child(void) {
  wr_cond_init(&timeline.wake);
  wr_cond_init(&timeline.changed);
  wr_store_relaxed(&wr_timeline_session, 0u); /* relaxed, all: the only thread */
  if (timeline.text) (void)close(timeline.text->fd);
  wr_free(timeline.text);
  timeline.text = NULL;
  timeline.state = NONE;
  /* The one for all threads is never written. */
  if (wr_thread_here->records) wr_thread_here->records = NULL;
  struct wr_record_ring *ring = wr_exchange_acq_rel(&rings, NULL), *next;
  for (; ring; ring = next) {
    next = ring->next;
    wr_free(ring);
  }
  wr_store_relaxed(&ring_count, 0u);
}

static struct wr_fork_row fork_row = {
    .rank = WR_RANK_TIMELINE, .lock = &timeline.lock, .child = forget_in_child};

__attribute__((constructor)) static void at_load(void) {
  wr_cond_init(&timeline.wake);
  wr_cond_init(&timeline.changed);
  wr_fork_register(&fork_row);
  wr_ending_call_last(process_ends);
}
