/* Deadlines (R3): the requests that have one, in a heap, and one thread that ends each as it
   passes. The thread is started with the first deadline and ended by a shutdown; in the child of a
   fork, or after a shutdown, the next call in a request that has a deadline starts it again.

   It is what tells events, callbacks and whoever else does not wait in a call. A thread that waits
   in a request sleeps no longer than its deadline, and whoever would begin a command looks at the
   clock; either ends the request itself. So the promise to return in time needs one thread to be
   woken, the one that waits; and threads that sleep get a processor soon, also where all compute.

   The heap is a pairing heap, whose links stand in the requests: so setting a deadline is never
   refused memory, and costs the same with ten thousand requests as with ten. It holds no
   references. A request takes itself out before it is freed, under the LOCK; the thread takes a
   reference under the LOCK, unless the last one is gone.

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
  struct wr_deadline *first; /* under LOCK: the heap's root */
  wr_atomic_bool running;    /* atomic RELAXED, written under LOCK: the thread exists */
  bool to_join;              /* under LOCK: it does, or has ended since and was not joined */
  int stopping;              /* under LOCK: calls that wait for it to end */
  pthread_t thread;          /* under LOCK */
} timer = {.lock = WR_MUTEX_INIT(WR_RANK_REGISTRY), .wake = {PTHREAD_COND_INITIALIZER}};

void wr_deadline_init(void) {
  wr_cond_init(&timer.wake);
  wr_cond_init(&timer.gone);
}

void wr_deadline_lock(void) { wr_mutex_lock(&timer.lock); }
void wr_deadline_unlock(void) { wr_mutex_unlock(&timer.lock); }

/* ---- the heap ---- */

/* Of two roots, either of which may be NULL. */
static struct wr_deadline *meld(struct wr_deadline *a, struct wr_deadline *b) {
  if (!a || !b) return a ? a : b;
  struct wr_deadline *up = a->at <= b->at ? a : b, *below = up == a ? b : a;
  below->back = up;
  below->next = up->down;
  if (below->next) below->next->back = below;
  up->down = below;
  return up;
}

static struct wr_deadline *pop(struct wr_deadline **list) {
  struct wr_deadline *d = *list;
  if (!d) return NULL;
  *list = d->next;
  d->next = NULL;
  d->back = NULL;
  return d;
}

/* Of roots beside each other: in pairs, then all to one, which is what keeps the heap flat. */
static struct wr_deadline *meld_all(struct wr_deadline *list) {
  struct wr_deadline *pairs = NULL, *root = NULL;
  while (list) {
    struct wr_deadline *a = pop(&list), *pair = meld(a, pop(&list));
    pair->next = pairs;
    pairs = pair;
  }
  while (pairs) {
    struct wr_deadline *pair = pop(&pairs);
    root = meld(root, pair);
  }
  return root;
}

void wr_deadline_remove_locked(struct wr_deadline *d) {
  if (!d->listed) return;
  struct wr_deadline *below = meld_all(d->down);
  if (d == timer.first) {
    timer.first = below;
  } else {
    if (d->back->down == d) {
      d->back->down = d->next;
    } else {
      d->back->next = d->next;
    }
    if (d->next) d->next->back = d->back;
    timer.first = meld(timer.first, below);
  }
  *d = (struct wr_deadline){0};
}

void wr_deadline_put_locked(struct wr_deadline *d, uint64_t at) {
  wr_deadline_remove_locked(d);
  *d = (struct wr_deadline){.at = at, .listed = true};
  timer.first = meld(timer.first, d);
  if (timer.first == d) wr_cond_signal(&timer.wake);
}

/* ---- the thread ---- */

/* The request whose deadline has passed, taken out, with a reference; sleeps until there is one.
   NULL when the thread is to end. */
static struct wr_request *next_locked(void) {
  while (timer.stopping == 0) {
    struct wr_deadline *d = timer.first;
    if (!d) {
      wr_cond_wait(&timer.wake, &timer.lock);
    } else if (wr_clock_ns() < d->at) {
      (void)wr_cond_wait_until(&timer.wake, &timer.lock, d->at);
    } else {
      wr_deadline_remove_locked(d);
      struct wr_request *request = wr_request_of_deadline(d);
      if (request) return request;
    }
  }
  return NULL;
}

static void *timer_main(void *arg) {
  struct wr_request *request;
  (void)arg;
  pthread_setname_np(pthread_self(), "weir-deadlines");
  wr_mutex_lock(&timer.lock);
  while ((request = next_locked()) != NULL) {
    wr_mutex_unlock(&timer.lock);
    (void)wr_request_ended(request);
    wr_request_release(request);
    wr_mutex_lock(&timer.lock);
  }
  wr_store_relaxed(&timer.running, false);
  wr_cond_broadcast(&timer.gone);
  wr_mutex_unlock(&timer.lock);
  return NULL;
}

/* True for one caller: it joins the thread, which has ended, without the lock. */
static bool take_ended_locked(pthread_t *thread) {
  if (!timer.to_join || wr_load_relaxed(&timer.running)) return false;
  timer.to_join = false;
  *thread = timer.thread;
  return true;
}

/* One that has ended and was not waited for until its end is left to itself. */
static bool start_locked(void) {
  pthread_t ended;
  if (wr_load_relaxed(&timer.running)) return true;
  if (take_ended_locked(&ended)) pthread_detach(ended);
  timer.to_join = wr_thread_start(timer_main, NULL, &timer.thread);
  wr_store_relaxed(&timer.running, timer.to_join);
  return timer.to_join;
}

struct wr_error *wr_deadline_thread(void) {
  if (wr_load_relaxed(&timer.running)) return NULL;
  wr_mutex_lock(&timer.lock);
  int refusal = start_locked() ? 0 : errno;
  wr_mutex_unlock(&timer.lock);
  if (refusal == 0) return NULL;
  if (refusal == ENOMEM) return wr_error_out_of_memory();
  return wr_error_new(WEIR_ERROR_STATE, "the system refuses the thread that keeps to deadlines");
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
  pthread_t ended;
  bool join = take_ended_locked(&ended);
  wr_mutex_unlock(&timer.lock);
  int before = wr_cancel_off();
  if (join) pthread_join(ended, NULL);
  wr_cancel_restore(before);
  return in_time;
}

size_t wr_deadline_threads(void) { return wr_load_relaxed(&timer.running) ? 1 : 0; }

/* The thread is the parent's; the deadlines are those of the child's requests too. */
static void forget_in_child(void) {
  wr_deadline_init();
  wr_store_relaxed(&timer.running, false);
  timer.to_join = false;
  timer.stopping = 0;
}

static struct wr_fork_row fork_row = {
    .rank = WR_RANK_REGISTRY, .lock = &timer.lock, .child = forget_in_child};
__attribute__((constructor)) static void watch_forks(void) { wr_fork_register(&fork_row); }
