/* Deadlines (R3): the requests that have one, in a heap, and one thread that ends each as it
   passes. The thread is started with the first deadline and ended by a shutdown; in the child of a
   fork, or after a shutdown, the next call in a request that has a deadline starts it again.

   It is what tells events, callbacks and whoever else does not wait in a call, and what takes back
   most of the work of requests that have ended, a part at a time, between which it looks whether
   another deadline has passed (request.h). A thread that waits
   in a request sleeps no longer than its deadline, and whoever would begin a command looks at the
   clock; either ends the request itself. So the promise to return in time needs one thread to be
   woken, the one that waits; and threads that sleep get a processor soon, also where all compute.

   The links of the heap stand in the requests (base/heap.h): so setting a deadline is never refused
   memory, and costs the same with ten thousand requests as with ten. It holds no references. A
   request takes itself out before it is freed, under the LOCK; the thread takes a reference under
   the LOCK, unless the last one is gone. A request whose rest was left to it comes with a
   reference; a thread that ends takes back what is left first.

   Lock: REGISTRY; a request's is taken inside it, where both say when (request.c). */

#include "stream/deadline.h"

#include <errno.h>

#include "base/base.h"
#include "base/fork.h"
#include "stream/internal.h"
#include "stream/request.h"

static struct {
  struct wr_mutex lock;
  struct wr_cond wake;       /* with LOCK: another deadline is first, or the thread is to end */
  struct wr_cond gone;       /* with LOCK: it has ended */
  struct wr_heaped *first;   /* under LOCK: the heap's root */
  struct wr_deadline *left;  /* under LOCK: the first of those left to the thread; a reference to
                                each one's request */
  struct wr_deadline **last; /* under LOCK: where the next one is put; NULL: at `left` */
  wr_atomic_bool running;    /* atomic RELAXED, written under LOCK: the thread exists */
  int stopping;              /* under LOCK: calls that wait for it to end */
  struct wr_ended ended;     /* under LOCK: the thread before this one, or this one */
} timer = {.lock = WR_MUTEX_INIT(WR_RANK_REGISTRY), .wake = {PTHREAD_COND_INITIALIZER}};

void wr_deadline_init(void) {
  wr_cond_init(&timer.wake);
  wr_cond_init(&timer.gone);
}

void wr_deadline_lock(void) { wr_mutex_lock(&timer.lock); }
void wr_deadline_unlock(void) { wr_mutex_unlock(&timer.lock); }

/* ---- the heap ---- */

void wr_deadline_remove_locked(struct wr_deadline *d) {
  if (d->listed) wr_heap_remove(&timer.first, &d->due);
  d->listed = false;
}

void wr_deadline_put_locked(struct wr_deadline *d, uint64_t at) {
  wr_deadline_remove_locked(d);
  wr_heap_put(&timer.first, &d->due, at);
  d->listed = true;
  if (timer.first == &d->due) wr_cond_signal(&timer.wake);
}

/* ---- what is left to the thread ---- */

bool wr_deadline_leave(struct wr_deadline *d) {
  wr_mutex_lock(&timer.lock);
  const bool running = wr_load_relaxed(&timer.running);
  if (running) {
    d->next_left = NULL;
    *(timer.last ? timer.last : &timer.left) = d;
    timer.last = &d->next_left;
    wr_cond_signal(&timer.wake);
  }
  wr_mutex_unlock(&timer.lock);
  return running;
}

/* ---- the thread ---- */

/* A request whose deadline has passed, taken out, with a reference; NULL: there is none now. */
static struct wr_request *take_due_locked(void) {
  while (timer.first && wr_clock_ns() >= timer.first->key) {
    struct wr_deadline *d = WR_CONTAINER_OF(timer.first, struct wr_deadline, due);
    wr_deadline_remove_locked(d);
    struct wr_request *request = wr_request_of_deadline(d);
    if (request) return request;
  }
  return NULL;
}

static void end_due(struct wr_request *request) {
  wr_mutex_unlock(&timer.lock);
  (void)wr_request_ended(request);
  wr_request_release(request);
  wr_mutex_lock(&timer.lock);
}

/* A part of what the first one left; only this thread takes any out. */
static void take_back_some(struct wr_deadline *d) {
  struct wr_request *request = wr_request_left(d);
  wr_mutex_unlock(&timer.lock);
  const bool more = wr_request_take_back_some(request);
  wr_mutex_lock(&timer.lock);
  if (more) return;
  timer.left = d->next_left;
  if (!timer.left) timer.last = NULL;
  wr_mutex_unlock(&timer.lock);
  wr_request_release(request);
  wr_mutex_lock(&timer.lock);
}

static void sleep_locked(void) {
  if (timer.first) {
    (void)wr_cond_wait_until(&timer.wake, &timer.lock, timer.first->key);
  } else {
    wr_cond_wait(&timer.wake, &timer.lock);
  }
}

/* What passes comes before what is left, of which a shutdown leaves nothing. */
static void keep_to_all_locked(void) {
  while (timer.stopping == 0 || timer.left) {
    struct wr_request *due = timer.stopping == 0 ? take_due_locked() : NULL;
    if (due) {
      end_due(due);
    } else if (timer.left) {
      take_back_some(timer.left);
    } else {
      sleep_locked();
    }
  }
}

static void *timer_main(void *arg) {
  (void)arg;
  wr_mutex_lock(&timer.lock);
  keep_to_all_locked();
  wr_store_relaxed(&timer.running, false);
  return wr_ended_leave(&timer.ended, &timer.gone, &timer.lock);
}

static bool start_locked(void) {
  pthread_t thread;
  bool running = wr_load_relaxed(&timer.running) ||
                 wr_thread_start("weir-deadlines", timer_main, NULL, &thread);
  wr_store_relaxed(&timer.running, running);
  return running;
}

struct wr_error *wr_deadline_thread(void) {
  if (wr_load_relaxed(&timer.running)) return NULL;
  wr_mutex_lock(&timer.lock);
  int refusal = start_locked() ? 0 : errno;
  wr_mutex_unlock(&timer.lock);
  return wr_thread_refused(refusal, "that keeps to deadlines");
}

bool wr_deadline_stop(uint64_t until_ns) {
  bool in_time = true;
  wr_mutex_lock(&timer.lock);
  timer.stopping++;
  wr_cond_signal(&timer.wake);
  while (in_time && wr_load_relaxed(&timer.running)) {
    in_time = wr_cond_wait_until(&timer.gone, &timer.lock, until_ns);
  }
  timer.stopping--;
  wr_ended_stop(&timer.ended, &timer.lock);
  return in_time;
}

size_t wr_deadline_threads(void) { return wr_load_relaxed(&timer.running) ? 1 : 0; }

/* The thread is the parent's; the deadlines are those of the child's requests too. */
static void forget_in_child(void) {
  wr_deadline_init();
  wr_store_relaxed(&timer.running, false);
  timer.ended.there = false;
  timer.stopping = 0;
  timer.left = NULL;
  timer.last = NULL;
}

WR_AT_FORK(.rank = WR_RANK_REGISTRY, .lock = &timer.lock, .child = forget_in_child)
