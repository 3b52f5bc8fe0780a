/* Gates; see gate.h for what they are for, ending.c for the handlers that shut them.

   A gate is one word: the number of threads inside, and two bits, either of which closes it. A
   thread that enters adds one to the number, and reads the bits in the same atomic step. Whoever
   closes sets a bit, in one atomic step too, then waits until the number is 0. One of the two steps
   comes first. If it is the closing one, the thread that enters sees the bit, takes its one back,
   and waits. If it is the entering one, whoever closes sees the thread in the number, and waits for
   it.

   A thread that takes its one away and finds a bit set and the number 0 wakes those who wait, with
   the lock held; those look at the number with the lock held before each sleep. So no wake-up is
   lost.

   Lock: `lock`, of rank LOG, only for these waits; no other is taken while it is held. */

#include "base/gate.h"

#include <pthread.h>
#include <time.h>

#include "base/atomic.h"
#include "base/ending.h"
#include "base/fork.h"
#include "base/lock.h"

/* How long a fork waits for the threads inside. */
static const uint64_t fork_patience_ns = UINT64_C(500000000);

/* How long after the gates were shut calls that come to them begin to fail. The end of a process
   under ThreadSanitizer takes a second. */
static const uint64_t ending_ns = UINT64_C(3000000000);

enum { FORKING = 1 << 29, ENDING = 1 << 30, CLOSED = FORKING | ENDING };

static wr_atomic_u32 gates[WR_GATE_COUNT]; /* atomic ACQ_REL; see above */
static struct wr_mutex lock = WR_MUTEX_INIT(WR_RANK_LOG);
static struct wr_cond told; /* with LOCK: a gate became empty or was opened */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static wr_atomic_u64 ending; /* atomic RELAXED: since when, by wr_clock_ns; written before ENDING */
static bool left_behind;     /* a thread was inside when the others went on; only the thread that
                                ends the process, or a child's only thread, reads and writes it */

static _Thread_local struct {
  uint8_t depth[WR_GATE_COUNT]; /* how often the thread is inside; a handful */
  uint8_t cancel;               /* what wr_cancel_off gave at the first of them: 0 or 1 */
  bool ends_process;            /* it runs the handlers of the process's end */
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

static void set_up(void) {
  wr_cond_init(&told);
  wr_ending_set_up();
}

/* All gates are waited for together, not one after the other. Once shut they stay so. */
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

static bool anybody_inside(void) {
  for (int i = 0; i < WR_GATE_COUNT; i++) {
    if (inside((enum wr_gate)i) > 0) return true;
  }
  return false;
}

bool wr_gate_holds_any(void) { return left_behind || anybody_inside(); }

bool wr_gate_ends_here(void) { return self.ends_process; }

/* ---- the child of a fork ---- */

/* Called by the only thread of the child. The gates begin anew: the threads inside are the
   parent's, and so is an end of the process that the parent had begun. But a call that one of those
   threads was inside will never return here, and its library stays in whatever state it was: as
   where a thread is left behind, it must not be torn down. */
static void in_child(void) {
  left_behind = left_behind || anybody_inside();
  if (left_behind) wr_ending_watch_thread();
  wr_mutex_init(&lock, WR_RANK_LOG);
  wr_cond_init(&told);
  for (int i = 0; i < WR_GATE_COUNT; i++) {
    wr_store_relaxed(&gates[i], 0u); /* relaxed, both: the only thread */
    self.depth[i] = 0;
  }
  wr_store_relaxed(&ending, UINT64_C(0));
  self.ends_process = false;
}

WR_AT_FORK(.rank = WR_RANK_NONE, .child = in_child)

/* ---- passing ---- */

bool wr_gate_is_inside(void) {
  for (int i = 0; i < WR_GATE_COUNT; i++) {
    if (self.depth[i] > 0) return true;
  }
  return false;
}

/* Cancelling is off inside: a cancelled thread would never leave the gate, and would leave the
   library with a lock taken, or half opened. */
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
  if (!wr_ending_is_watched()) return false;
  wr_ending_watch_thread();
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
