/* Threads for work that may block for as long as it likes, such as a read from a slow disk or by a
   function of the user's. They are neither workers of the pool nor threads that wait for a result,
   so nothing else is held up by them (K9, K10). A thread is started when work comes and none is
   idle, unless there are as many as may be; then the work waits for earlier work of this kind. A
   thread that has been idle for a second ends.

   A function of the user's may itself wait for an array that is to be read here. If all threads
   waited so, none would be left to read. So for each thread that waits inside the user's code there
   may be one more than the bound says. Lock: EVENT. */

#include <errno.h>

#include "base/base.h"
#include "base/floats.h"
#include "base/fork.h"
#include "stream/dump.h"
#include "stream/internal.h"

enum { MAX_THREADS = WR_TORTURED ? 2 : 64 };

#define IDLE_NS UINT64_C(1000000000)

static struct {
  struct wr_mutex lock;
  struct wr_cond wake;   /* with LOCK: there is work, or the threads are to end */
  struct wr_cond done;   /* with LOCK: a thread has ended */
  struct wr_dlist queue; /* under LOCK: what no thread has taken yet */
  size_t queued;         /* under LOCK: how much that is */
  size_t threads;        /* under LOCK */
  size_t idle;           /* under LOCK */
  size_t waiting;        /* under LOCK: threads that wait inside the user's code */
  int stopping;          /* under LOCK: calls that wait for the end; idle threads leave */
  struct wr_ended ended; /* under LOCK: the thread that ended last */
} pool = {.lock = WR_MUTEX_INIT(WR_RANK_EVENT), .wake = {PTHREAD_COND_INITIALIZER}};

void wr_blocking_init(void) {
  wr_cond_init(&pool.wake);
  wr_cond_init(&pool.done);
}

/* The next work; NULL when the thread is to end. */
static struct wr_blocking *take_locked(void) {
  uint64_t until = wr_clock_ns() + IDLE_NS;
  bool in_time = true;
  pool.idle++;
  while (!pool.queue.head && pool.stopping == 0 && in_time) {
    in_time = wr_cond_wait_until(&pool.wake, &pool.lock, until);
  }
  pool.idle--;
  struct wr_link *first = pool.queue.head;
  if (!first) return NULL;
  wr_dlist_remove(&pool.queue, first);
  pool.queued--;
  return WR_CONTAINER_OF(first, struct wr_blocking, queued);
}

static void *blocking_main(void *arg) {
  struct wr_blocking *work;
  (void)arg;
  wr_mutex_lock(&pool.lock);
  while ((work = take_locked()) != NULL) {
    wr_mutex_unlock(&pool.lock);
    (void)wr_floats_enter(); /* the user's code that ran here before may have left another (T1) */
    wr_run_users_code(work->run, work);
    wr_mutex_lock(&pool.lock);
  }
  pool.threads--;
  return wr_ended_leave(&pool.ended, &pool.done, &pool.lock);
}

/* False, with errno, when there is none and the system refuses one. */
static bool have_thread_locked(void) {
  pthread_t thread;
  if (pool.idle > pool.queued || pool.threads >= MAX_THREADS + pool.waiting) return true;
  if (!wr_thread_start("weir-blocking", blocking_main, NULL, &thread)) return pool.threads > 0;
  pool.threads++;
  return true;
}

struct wr_error *wr_blocking_submit(struct wr_blocking *work) {
  wr_mutex_lock(&pool.lock);
  int refusal = have_thread_locked() ? 0 : errno;
  if (refusal == 0) {
    wr_dlist_append(&pool.queue, &work->queued);
    pool.queued++;
    wr_cond_signal(&pool.wake);
  }
  wr_mutex_unlock(&pool.lock);
  return wr_thread_refused(refusal, "that it would block");
}

/* Work may be queued that no thread comes to until this one goes on, and this one may be waiting
   for just that. So a thread for it is started here. */
void wr_blocking_waits(bool begins) {
  wr_mutex_lock(&pool.lock);
  pool.waiting += begins ? 1 : (size_t)-1;
  if (begins && pool.idle < pool.queued) {
    pthread_t thread;
    bool more = pool.threads < MAX_THREADS + pool.waiting;
    if (more && wr_thread_start("weir-blocking", blocking_main, NULL, &thread)) pool.threads++;
  }
  wr_mutex_unlock(&pool.lock);
}

bool wr_blocking_stop(uint64_t deadline_ns) {
  bool in_time = true;
  wr_mutex_lock(&pool.lock);
  pool.stopping++;
  wr_cond_broadcast(&pool.wake);
  while (in_time && pool.threads > 0) {
    in_time = wr_cond_wait_until(&pool.done, &pool.lock, deadline_ns);
  }
  pool.stopping--;
  wr_ended_stop(&pool.ended, &pool.lock);
  return in_time;
}

size_t wr_blocking_threads(void) {
  wr_mutex_lock(&pool.lock);
  size_t n = pool.threads;
  wr_mutex_unlock(&pool.lock);
  return n;
}

void wr_dump_blocking(struct wr_dump *d) {
  size_t queued = 0, threads = 0, idle = 0;
  (void)(wr_peek(&queued, &pool.queued, sizeof queued) &&
         wr_peek(&threads, &pool.threads, sizeof threads) &&
         wr_peek(&idle, &pool.idle, sizeof idle));
  wr_dump_say(d, "threads that may block: %zu, %zu of them idle; %zu pieces of work wait for one\n",
              threads, idle, queued);
}

/* The threads, and the work that they had, are left to the parent. The child computes the arrays
   anew. */
static void forget_in_child(void) {
  wr_blocking_init();
  pool.queue = (struct wr_dlist){0};
  pool.queued = 0;
  pool.threads = 0;
  pool.idle = 0;
  pool.waiting = 0;
  pool.stopping = 0;
  pool.ended.there = false;
}

WR_AT_FORK(.rank = WR_RANK_EVENT, .lock = &pool.lock, .child = forget_in_child)
