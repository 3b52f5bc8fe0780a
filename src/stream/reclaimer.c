/* The reclaimer: one thread, started when it is first needed, that runs code of the user's, which
   is destructors of buffers and callbacks, with no lock of Weir's held (K10). It is neither a
   worker of the pool nor a thread that waits for a result; so whatever a callback does, or waits
   for, all work goes on. Lock: EVENT. */

#include <errno.h>

#include "base/base.h"
#include "base/fork.h"
#include "stream/dump.h"
#include "stream/internal.h"

struct wr_callback {
  struct wr_link queued; /* under LOCK */
  void (*fn)(void *);
  void *data;
  const char *what; /* a text for good: what kind of function it is */
};

static struct {
  struct wr_mutex lock;
  struct wr_cond wake;   /* with LOCK: there are calls */
  struct wr_cond done;   /* with LOCK: `finished` went up */
  struct wr_dlist queue; /* under LOCK */
  uint64_t queued;       /* under LOCK: calls ever handed in */
  uint64_t finished;     /* under LOCK: calls ever run */
  bool running;          /* under LOCK: the thread exists */
  int stopping;          /* under LOCK: calls that wait for it to end; meanwhile it leaves when
                            nothing is queued */
  struct wr_ended ended; /* under LOCK: the thread before this one, or this one */
} reclaimer = {.lock = WR_MUTEX_INIT(WR_RANK_EVENT), .wake = {PTHREAD_COND_INITIALIZER}};

void wr_reclaimer_init(void) { wr_cond_init(&reclaimer.done); }

/* The next call; NULL when the thread is to end. */
static struct wr_callback *take_locked(void) {
  while (!reclaimer.queue.head && reclaimer.stopping == 0) {
    wr_cond_wait(&reclaimer.wake, &reclaimer.lock);
  }
  struct wr_link *first = reclaimer.queue.head;
  if (!first) return NULL;
  wr_dlist_remove(&reclaimer.queue, first);
  return WR_CONTAINER_OF(first, struct wr_callback, queued);
}

void wr_reclaimer_run_here(struct wr_callback *call) {
  wr_mutex_assert_none_held();
  struct wr_doing *doing =
      wr_doing_begin(WR_DOING_USERS, (const void *)(uintptr_t)call->fn, NULL, call->what);
  wr_run_users_code(call->fn, call->data);
  wr_doing_end(doing);
  wr_free(call);
}

static void *reclaimer_main(void *arg) {
  struct wr_callback *call;
  (void)arg;
  wr_mutex_lock(&reclaimer.lock);
  while ((call = take_locked()) != NULL) {
    wr_mutex_unlock(&reclaimer.lock);
    wr_reclaimer_run_here(call);
    wr_mutex_lock(&reclaimer.lock);
    reclaimer.finished++;
    wr_cond_broadcast(&reclaimer.done);
  }
  reclaimer.running = false;
  return wr_ended_leave(&reclaimer.ended, &reclaimer.done, &reclaimer.lock);
}

static bool running_locked(void) {
  pthread_t thread;
  if (!reclaimer.running)
    reclaimer.running = wr_thread_start("weir-reclaimer", reclaimer_main, NULL, &thread);
  return reclaimer.running;
}

static struct wr_error *ensure_thread(void) {
  wr_mutex_lock(&reclaimer.lock);
  int refusal = running_locked() ? 0 : errno;
  wr_mutex_unlock(&reclaimer.lock);
  return wr_thread_refused(refusal, "that callbacks and destructors run on");
}

struct wr_error *wr_reclaimer_reserve(void (*fn)(void *), void *data, const char *what,
                                      struct wr_callback **out) {
  struct wr_callback *call = wr_alloc(sizeof *call);
  if (!call) return wr_error_out_of_memory();
  *call = (struct wr_callback){.fn = fn, .data = data, .what = what};
  struct wr_error *error = ensure_thread();
  if (error) {
    wr_free(call);
  } else {
    *out = call;
  }
  return error;
}

void wr_reclaimer_post(struct wr_callback *call) {
  wr_mutex_lock(&reclaimer.lock);
  wr_dlist_append(&reclaimer.queue, &call->queued);
  reclaimer.queued++;
  /* The thread that ran when the call was reserved may have been shut down since. Where it cannot
     be started again, the call waits for the next one. */
  (void)running_locked();
  wr_cond_signal(&reclaimer.wake);
  wr_mutex_unlock(&reclaimer.lock);
}

/* Waits until all that has been handed in so far has run and the thread has ended; false at the
   deadline. */
static bool finish_locked(uint64_t deadline_ns) {
  uint64_t last = reclaimer.queued;
  while (reclaimer.finished < last || reclaimer.running) {
    if (!wr_cond_wait_until(&reclaimer.done, &reclaimer.lock, deadline_ns)) return false;
  }
  return true;
}

bool wr_reclaimer_stop(uint64_t deadline_ns) {
  wr_mutex_lock(&reclaimer.lock);
  reclaimer.stopping++;
  wr_cond_signal(&reclaimer.wake);
  bool in_time = finish_locked(deadline_ns);
  reclaimer.stopping--;
  wr_ended_stop(&reclaimer.ended, &reclaimer.lock);
  return in_time;
}

size_t wr_reclaimer_threads(void) {
  wr_mutex_lock(&reclaimer.lock);
  size_t n = reclaimer.running ? 1 : 0;
  wr_mutex_unlock(&reclaimer.lock);
  return n;
}

void wr_dump_reclaimer(struct wr_dump *d) {
  uint64_t queued = 0, finished = 0;
  (void)(wr_peek(&finished, &reclaimer.finished, sizeof finished) &&
         wr_peek(&queued, &reclaimer.queued, sizeof queued));
  wr_dump_say(d, "reclaimer: %llu calls of the user's functions are not over\n",
              (unsigned long long)(queued > finished ? queued - finished : 0));
}

/* The parent makes the calls that were queued. In the child, where its thread is not, all of them
   count as finished. */
static void forget_in_child(void) {
  wr_cond_init(&reclaimer.wake);
  wr_cond_init(&reclaimer.done);
  reclaimer.queue = (struct wr_dlist){0};
  reclaimer.finished = reclaimer.queued;
  reclaimer.running = false;
  reclaimer.ended.there = false;
  reclaimer.stopping = 0;
}

WR_AT_FORK(.rank = WR_RANK_EVENT, .lock = &reclaimer.lock, .child = forget_in_child)
