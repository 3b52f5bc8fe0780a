/* Gates; see gate.h.

   A gate is one word: how many threads are inside, and who keeps others out. Who enters adds itself
   and reads in the same step whether it may; who closes sets a bit, in one step too, and then waits
   until the number is 0. One of the two comes first in that word's order: either the one who enters
   sees the bit, steps back and waits, or the one who closes sees the other inside and waits for it.
   Who leaves, or steps back, and finds a bit and itself the last, tells under the lock, and who
   waits looks at the number under the lock, so no telling is lost.

   Lock: `lock` of rank LOG, for waiting alone; no other is taken inside it. No call holds a lock of
   Weir's that is not below the gate, and none waits for anything inside it. */

#include "base/gate.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/fork.h"
#include "base/handlers.h"
#include "base/lock.h"

/* How long who forks waits for the slices inside. */
static const uint64_t fork_patience_ns = UINT64_C(500000000);

/* How long the end of a process may take before calls fail. ThreadSanitizer's alone is a second. */
static const uint64_t ending_ns = UINT64_C(3000000000);

/* How long the last handler waits for standard streams that another thread keeps locked. */
static const uint64_t flush_ns = UINT64_C(200000000);

enum { FORKING = 1 << 29, ENDING = 1 << 30, CLOSED = FORKING | ENDING };

static wr_atomic_u32 gates[WR_GATE_COUNT]; /* atomic ACQ_REL; see above */
static struct wr_mutex lock = WR_MUTEX_INIT(WR_RANK_LOG);
static struct wr_cond told; /* with LOCK: a gate became empty or was opened */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool watched; /* immutable after once: the handler was registered */
static bool passed;  /* immutable after load: libraries register past Weir */
static pthread_once_t late = PTHREAD_ONCE_INIT;
static bool comes_last;      /* immutable after late: it was registered after the loader's */
static wr_atomic_u64 ending; /* atomic RELAXED: since when, by wr_clock_ns; written before ENDING */
static bool left_behind;     /* by the thread that ends the process, or is a child's only one */

static _Thread_local struct {
  uint8_t depth[WR_GATE_COUNT]; /* how often the thread is inside; a handful */
  uint8_t cancel;               /* what wr_cancel_off gave at the first of them: 0 or 1 */
  bool ends_process;            /* it runs the handlers */
  bool leaves;                  /* `leaves` will be told of its end */
} self;

/* ---- waiting ---- */

static uint32_t inside(enum wr_gate gate) {
  /* Acquire: what those who have left did inside comes before what follows. */
  return wr_load_acquire(&gates[gate]) & ~(uint32_t)CLOSED;
}

static bool wait_until_empty(enum wr_gate gate, uint64_t deadline_ns) {
  bool in_time = true;
  wr_mutex_lock(&lock);
  while (inside(gate) > 0 && in_time) in_time = wr_cond_wait_until(&told, &lock, deadline_ns);
  bool empty = inside(gate) == 0;
  wr_mutex_unlock(&lock);
  return empty;
}

static void tell(void) {
  wr_mutex_lock(&lock);
  wr_cond_broadcast(&told);
  wr_mutex_unlock(&lock);
}

/* Release: what was done inside comes before what who closes does after it. */
static void step_out(enum wr_gate gate) {
  uint32_t before = wr_fetch_sub_acq_rel(&gates[gate], 1u);
  if ((before & CLOSED) && (before & ~(uint32_t)CLOSED) == 1u) tell();
}

static void sleep_until(uint64_t ns) {
  struct timespec at = {.tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u)};
  int before = wr_cancel_off();
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL)) continue; /* a signal */
  wr_cancel_restore(before);
}

static void wait_until_open(enum wr_gate gate) {
  wr_mutex_lock(&lock);
  /* Acquire: pairs with the release of open. */
  while ((wr_load_acquire(&gates[gate]) & CLOSED) == FORKING) wr_cond_wait(&told, &lock);
  wr_mutex_unlock(&lock);
}

/* ---- the end of the process ---- */

static void set_up(void);

/* All gates together have the time that one has. Once shut, they stay so. */
bool wr_gate_shut(void) {
  if (self.ends_process) return !left_behind;
  self.ends_process = true;
  pthread_once(&once, set_up);
  const uint64_t now = wr_clock_ns();
  wr_store_relaxed(&ending, now); /* relaxed: read by who has seen ENDING, which is set after it */
  for (int i = 0; i < WR_GATE_COUNT; i++) (void)wr_fetch_or_acq_rel(&gates[i], (uint32_t)ENDING);
  for (int i = 0; i < WR_GATE_COUNT; i++) {
    if (!wait_until_empty((enum wr_gate)i, now + WR_GATE_PATIENCE_NS)) left_behind = true;
  }
  tell(); /* those who wait for a fork to be over */
  return !left_behind;
}

static void shut(void *unused) {
  (void)unused;
  (void)wr_gate_shut();
}

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
  static struct flush flush = {.lock = WR_MUTEX_INIT(WR_RANK_LOG)};
  pthread_t thread;
  wr_cond_init(&flush.over);
  if (pthread_create(&thread, NULL, flush_all, &flush)) return;
  pthread_detach(thread);
  const uint64_t deadline = wr_clock_ns() + ns;
  bool in_time = true;
  wr_mutex_lock(&flush.lock);
  while (!flush.done && in_time) {
    in_time = wr_cond_wait_until(&flush.over, &flush.lock, deadline);
  }
  wr_mutex_unlock(&flush.lock);
}

/* After all handlers of the program's, and before the destructors. */
static void last(int status, void *unused) {
  (void)unused;
  if (wr_gate_shut()) return;
  flush_within(flush_ns);
  _exit(status);
}

/* Each takes a slot of the C library's for good, so that their number has an end. Past Weir nothing
   keeps the handlers of libraries from running once somebody is left behind: so the process ends
   before them, and before what of the program's was registered earlier. */
static void go_first(wr_atomic_u32 *times, uint32_t most) {
  if (!watched || wr_fetch_add_relaxed(times, 1u) >= most) return;
  if (passed) {
    (void)on_exit(last, NULL);
  } else {
    (void)wr_handlers_add(shut);
  }
}

static void come_last(void) { comes_last = on_exit(last, NULL) == 0; }

bool wr_gate_comes_last(void) {
  pthread_once(&late, come_last);
  return comes_last;
}

void wr_gate_goes_first(void) {
  static wr_atomic_u32 times; /* atomic RELAXED: a number by itself */
  go_first(&times, 64);
}

static bool anybody_inside(void) {
  for (int i = 0; i < WR_GATE_COUNT; i++) {
    if (inside((enum wr_gate)i) > 0) return true;
  }
  return false;
}

/* The thread ends, or it ends the process and comes to the handlers next. Only the second matters,
   and the two look alike; so this is for where libraries register past Weir alone. */
static void leaves(void *loaded_here) {
  static wr_atomic_u32 times; /* atomic RELAXED: as above */
  if (loaded_here || left_behind || anybody_inside()) go_first(&times, 1024);
}

static void watch_thread(void *loaded_here) {
  if (!self.leaves) self.leaves = wr_handlers_as_thread_leaves(leaves, loaded_here);
}

__attribute__((constructor)) static void at_load(void) {
  watched = on_exit(last, NULL) == 0;
  passed = !wr_handlers_in_front();
  if (passed) watch_thread(&passed);
}

bool wr_gate_ends_here(void) { return self.ends_process; }

/* ---- set-up, and the child of a fork ---- */

/* The only thread of the child. What its parent's other threads held, and the parent's end, are not
   its own; but who was inside a call is not here, and will not finish it: the library under it is
   as one that a thread was left behind in, and never torn down. */
static void in_child(void) {
  left_behind = left_behind || anybody_inside();
  if (left_behind && passed) watch_thread(NULL);
  wr_mutex_init(&lock, WR_RANK_LOG);
  wr_cond_init(&told);
  for (int i = 0; i < WR_GATE_COUNT; i++) {
    wr_store_relaxed(&gates[i], 0u); /* relaxed, both: the only thread */
    self.depth[i] = 0;
  }
  wr_store_relaxed(&ending, UINT64_C(0));
  self.ends_process = false;
}

static struct wr_fork_row fork_row = {.rank = WR_RANK_NONE, .child = in_child};
__attribute__((constructor)) static void watch_forks(void) { wr_fork_register(&fork_row); }

static void set_up(void) {
  wr_cond_init(&told);
  if (wr_handlers_see_the_program()) watched = wr_gate_comes_last() && watched;
}

/* ---- passing ---- */

bool wr_gate_is_inside(void) {
  for (int i = 0; i < WR_GATE_COUNT; i++) {
    if (self.depth[i] > 0) return true;
  }
  return false;
}

/* A thread that was cancelled inside would be waited for by the end of the process, and leave what
   the library had begun: its lock, a half of what it opens. */
static void go_inside(enum wr_gate gate) {
  if (!wr_gate_is_inside()) self.cancel = (uint8_t)wr_cancel_off();
  self.depth[gate] = 1;
}

bool wr_gate_enter(enum wr_gate gate) {
  if (self.depth[gate] > 0) {
    self.depth[gate]++;
    return true;
  }
  if (self.ends_process) return false;
  pthread_once(&once, set_up);
  if (!watched) return false;
  if (passed) watch_thread(NULL);
  for (;;) {
    /* Acquire: what was done while the gate was closed. Release: as a step in the word's order. */
    uint32_t before = wr_fetch_add_acq_rel(&gates[gate], 1u);
    if (!(before & CLOSED)) {
      go_inside(gate);
      return true;
    }
    step_out(gate);
    if (before & ENDING) break;
    wait_until_open(gate);
  }
  sleep_until(wr_load_relaxed(&ending) + ending_ns);
  return false;
}

void wr_gate_leave(enum wr_gate gate) {
  if (self.depth[gate] == 0 || --self.depth[gate] > 0) return;
  step_out(gate);
  if (!wr_gate_is_inside()) wr_cancel_restore(self.cancel);
}

void wr_gate_lend(enum wr_gate gate) { go_inside(gate); }

bool wr_gate_close(enum wr_gate gate) {
  const uint64_t deadline = wr_clock_ns() + fork_patience_ns;
  bool in_time = true;
  pthread_once(&once, set_up);
  wr_mutex_lock(&lock);
  while ((wr_load_relaxed(&gates[gate]) & FORKING) && in_time) { /* relaxed: read again below */
    in_time = wr_cond_wait_until(&told, &lock, deadline);
  }
  /* Set and cleared under the lock alone. */
  if (in_time) in_time = !(wr_fetch_or_acq_rel(&gates[gate], (uint32_t)FORKING) & FORKING);
  wr_mutex_unlock(&lock);
  if (!in_time) return false;
  if (wait_until_empty(gate, deadline)) return true;
  wr_gate_open(gate);
  return false;
}

void wr_gate_open(enum wr_gate gate) {
  wr_mutex_lock(&lock);
  /* Release: what was done while it was closed. */
  (void)wr_fetch_and_acq_rel(&gates[gate], ~(uint32_t)FORKING);
  wr_cond_broadcast(&told);
  wr_mutex_unlock(&lock);
}
