/* Weir's own handlers for the end of the process. The C library runs handlers in the reverse order
   of their registration, so when each is registered says when it runs; gate.h has the argument. No
   locks but for the wait in flush_within. */

#include "base/ending.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/gate.h"
#include "base/handlers.h"
#include "base/lock.h"

static bool watched; /* immutable after wr_ending_set_up: all handlers were registered */
static bool passed;  /* immutable after load: libraries register past Weir */
static pthread_once_t late = PTHREAD_ONCE_INIT;
static bool comes_last; /* immutable after late: `last` was registered after the loader's handler */

static void (*call_last)(void); /* immutable after load; or NULL */

static _Thread_local bool thread_watched; /* thread_leaves will be told of the thread's end */

/* ---- what the handlers do ---- */

static void shut(void *unused) {
  (void)unused;
  (void)wr_gate_shut();
}

#ifdef __GLIBC__

/* How long the last handler waits for standard streams that another thread keeps locked. */
static const uint64_t flush_ns = UINT64_C(200000000);

struct flush {
  struct wr_mutex lock;
  struct wr_cond over; /* with LOCK */
  bool done;           /* under LOCK */
};

static void *flush_all(void *arg) {
  struct flush *f = arg;
  fflush(NULL);
  wr_mutex_lock(&f->lock);
  f->done = true;
  wr_cond_signal(&f->over);
  wr_mutex_unlock(&f->lock);
  return NULL;
}

/* A thread that reads a line keeps its stream locked until there is one, so another thread goes
   through the streams, and is not waited for long: standard input comes last among them. */
static void flush_within(uint64_t ns) {
  static struct flush flush; /* not on the stack: the other thread may outlive this call */
  pthread_t thread;
  flush.done = false;
  wr_mutex_init(&flush.lock, WR_RANK_LOG);
  wr_cond_init(&flush.over);
  /* The lock keeps the thread from ending: glibc's pthread_detach reads the thread's block after it
     has let go of it (sourceware bug 19951). */
  wr_mutex_lock(&flush.lock);
  if (pthread_create(&thread, NULL, flush_all, &flush)) {
    wr_mutex_unlock(&flush.lock);
    return;
  }
  pthread_detach(thread);
  const uint64_t deadline = wr_clock_ns() + ns;
  bool in_time = true;
  while (!flush.done && in_time) {
    in_time = wr_cond_wait_until(&flush.over, &flush.lock, deadline);
  }
  wr_mutex_unlock(&flush.lock);
}

/* Runs after all handlers of the program's, and before the destructors of libraries. Where a thread
   was left behind inside a library, these must not run: the process ends here. */
static void last(int status, void *unused) {
  (void)unused;
  if (call_last) call_last();
  if (wr_gate_shut()) return;
  flush_within(flush_ns);
  _exit(status);
}

static bool add_last(void) { return on_exit(last, NULL) == 0; }

#else

/* Other C libraries tell no handler the status. The gates are shut all the same, and waited for;
   but a process in which somebody is left inside goes on to its destructors. Those of a library
   behind a gate do not run there (wr_library_open_apart). */
static void last(void *unused) {
  if (call_last) call_last();
  shut(unused);
}

static bool add_last(void) { return wr_handlers_add(last); }

#endif

/* ---- when they are registered ---- */

static void register_last(void) { comes_last = add_last(); }

bool wr_ending_comes_last(void) {
  pthread_once(&late, register_last);
  return comes_last;
}

/* The C library never frees the slot of a handler, so there is a most. Where libraries register
   past Weir, their handlers cannot be kept from running once somebody is left behind. So the
   process ends before them there, and before those handlers of the program's that are older. */
static void go_first(wr_atomic_u32 *times, uint32_t most) {
  if (!watched || wr_fetch_add_relaxed(times, 1u) >= most) return;
  if (passed) {
    (void)add_last();
  } else {
    (void)wr_handlers_add(shut);
  }
}

void wr_ending_goes_first(void) {
  static wr_atomic_u32 times; /* atomic RELAXED: a number by itself */
  go_first(&times, 64);
}

/* The thread either just ends, or it ends the process and comes to the handlers next; nothing tells
   the two apart. In the second case a handler that is registered now is the first to run. In the
   first it is one too many, so it is registered only where it may be needed. */
static void thread_leaves(void *loaded_here) {
  static wr_atomic_u32 times; /* atomic RELAXED: a number by itself */
  if (loaded_here || wr_gate_holds_any()) go_first(&times, 1024);
}

static void watch_thread(void *loaded_here) {
  if (!thread_watched) thread_watched = wr_handlers_as_thread_leaves(thread_leaves, loaded_here);
}

void wr_ending_watch_thread(void) {
  if (passed) watch_thread(NULL);
}

__attribute__((constructor)) static void at_load(void) {
  watched = add_last();
  passed = !wr_handlers_in_front();
  if (passed) watch_thread(&passed);
}

void wr_ending_set_up(void) {
  if (wr_handlers_see_the_program()) watched = wr_ending_comes_last() && watched;
}

bool wr_ending_is_watched(void) { return watched; }

void wr_ending_call_last(void (*fn)(void)) { call_last = fn; }
