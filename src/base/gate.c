/* Gates; see gate.h. Handlers that were registered after main began run before the destructors that
   the loader calls for all libraries, but handlers that were registered later come before. So the
   handler is registered again as libraries come to register theirs; it works once. First it is
   registered as Weir is loaded: a first call that comes upon the end of the process, while the
   destructors run, must find that out, and a handler registered then would run after them.

   A gate is a read-write lock: a call holds it for reading, who closes it for writing. Writers come
   first, so a stream of calls cannot keep them out. No call holds a lock of Weir's that is not
   below the gate, and none waits for anything inside it. */

#include "base/gate.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/atomic.h"
#include "base/lock.h"

/* How long who closes a gate waits for the calls inside. A product's slice is short. A driver's or
   compiler's call can take seconds on a loaded machine; what goes on before it is over crashes, so
   only a driver that hangs is left behind. */
static const int64_t patience_ns[WR_GATE_COUNT] = {
    [WR_GATE_PRODUCTS] = INT64_C(500000000), [WR_GATE_GPU] = INT64_C(10000000000)};

/* How long the end of a process may take before calls fail. ThreadSanitizer's alone is a second. */
static const uint64_t ending_ns = UINT64_C(3000000000);

static pthread_rwlock_t gates[WR_GATE_COUNT];
static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool watched;         /* immutable after once: the handler was registered */
static wr_atomic_u64 ending; /* atomic RELAXED: since when, by wr_clock_ns, or 0; written before the
                                gates are closed */

static _Thread_local struct {
  uint16_t depth[WR_GATE_COUNT]; /* how often the thread is inside */
  bool ends_process;             /* it runs the handlers */
} self;

static void make_all(void) {
  pthread_rwlockattr_t attr;
  pthread_rwlockattr_init(&attr);
  /* The one kind of glibc's in which writers come first. */
  pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
  for (int i = 0; i < WR_GATE_COUNT; i++) pthread_rwlock_init(&gates[i], &attr);
  pthread_rwlockattr_destroy(&attr);
}

static bool close_within(enum wr_gate gate, int64_t patience) {
  struct timespec deadline;
  clock_gettime(CLOCK_REALTIME, &deadline);
  int64_t ns = deadline.tv_nsec + patience;
  deadline.tv_sec += (time_t)(ns / 1000000000);
  deadline.tv_nsec = (long)(ns % 1000000000);
  return pthread_rwlock_timedwrlock(&gates[gate], &deadline) == 0;
}

static void set_up(void);

static void at_exit(void) {
  if (self.ends_process) return;
  self.ends_process = true;
  pthread_once(&once, set_up);
  /* Relaxed: who does not see it holds a gate for reading, and is waited for. */
  wr_store_relaxed(&ending, wr_clock_ns());
  for (int i = 0; i < WR_GATE_COUNT; i++) {
    if (!close_within((enum wr_gate)i, patience_ns[i])) continue;
    /* Who comes to hold the gate after that sees that the process is ending, and since when: what
       the rest of it takes is counted from here. */
    wr_store_relaxed(&ending, wr_clock_ns());
    pthread_rwlock_unlock(&gates[i]);
  }
}

/* The locks know their holders by thread ids, and those of the parent's other threads, which are
   not here; so they are made anew. Where the system refuses the handler, a child may find them
   held. */
static void set_up(void) {
  make_all();
  /* Once more, before what the program has registered since. Only the system refuses it; and where
     it was refused twice, nothing is opened. */
  watched = atexit(at_exit) == 0 || watched;
  (void)pthread_atfork(NULL, NULL, make_all);
}

__attribute__((constructor)) static void at_load(void) { watched = atexit(at_exit) == 0; }

/* Each takes a slot of the C library's for good, so that their number has an end. */
void wr_gate_goes_first(void) {
  enum { MOST = 64 };
  static wr_atomic_u32 times; /* atomic RELAXED: a number by itself */
  if (watched && wr_fetch_add_relaxed(&times, 1u) < MOST) (void)atexit(at_exit);
}

static void sleep_until(uint64_t ns) {
  struct timespec at = {.tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u)};
  int before = wr_cancel_off();
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL)) continue; /* a signal */
  wr_cancel_restore(before);
}

bool wr_gate_enter(enum wr_gate gate) {
  if (self.depth[gate] > 0) {
    self.depth[gate]++;
    return true;
  }
  if (self.ends_process) return false;
  pthread_once(&once, set_up);
  if (!watched) return false;
  pthread_rwlock_rdlock(&gates[gate]);
  uint64_t since = wr_load_relaxed(&ending);
  if (!since) {
    self.depth[gate] = 1;
    return true;
  }
  pthread_rwlock_unlock(&gates[gate]);
  sleep_until(since + ending_ns);
  return false;
}

bool wr_gate_ends_here(void) { return self.ends_process; }

void wr_gate_leave(enum wr_gate gate) {
  if (self.depth[gate] == 0 || --self.depth[gate] > 0) return;
  pthread_rwlock_unlock(&gates[gate]);
}

bool wr_gate_close(enum wr_gate gate) {
  pthread_once(&once, set_up);
  return close_within(gate, patience_ns[WR_GATE_PRODUCTS]);
}

void wr_gate_open(enum wr_gate gate) { pthread_rwlock_unlock(&gates[gate]); }
