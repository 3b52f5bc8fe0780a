/* Mutexes with ranks, condition variables on the monotonic clock, and the clock. Debug builds keep,
   per thread, the mutexes that it holds in the order taken, and abort on a wrong order; the list is
   thread-local, so the checks themselves need no lock. A refusal of pthread's is a defect of ours
   (a mutex that is not initialised or not held), never the caller's. */

#include "base/lock.h"

#include <errno.h>
#include <time.h>

#include "base/atomic.h"
#include "base/base.h"

/* ---- the list of held mutexes ---- */

#ifdef WR_DEBUG

enum { MAX_HELD = 16 };

static _Thread_local struct {
  const struct wr_mutex *items[MAX_HELD];
  int count;
} held;

static void check_order(const struct wr_mutex *m) {
  for (int i = 0; i < held.count; i++) {
    if (held.items[i]->rank >= m->rank) wr_bug(__FILE__, __LINE__, "locks taken out of rank");
  }
}

static void note_lock(const struct wr_mutex *m) {
  if (held.count == MAX_HELD) wr_bug(__FILE__, __LINE__, "too many locks held");
  held.items[held.count++] = m;
}

static int find_held(const struct wr_mutex *m) {
  for (int i = held.count - 1; i >= 0; i--) {
    if (held.items[i] == m) return i;
  }
  return -1;
}

static void note_unlock(const struct wr_mutex *m) {
  int at = find_held(m);
  if (at < 0) wr_bug(__FILE__, __LINE__, "a lock released that is not held");
  held.count--;
  for (int i = at; i < held.count; i++) held.items[i] = held.items[i + 1];
}

void wr_mutex_assert_held(const struct wr_mutex *m) {
  if (find_held(m) < 0) wr_bug(__FILE__, __LINE__, "a lock is not held that must be");
}

void wr_mutex_assert_none_held(void) {
  if (held.count) wr_bug(__FILE__, __LINE__, "a lock is held where none may be");
}

#else

static void check_order(const struct wr_mutex *m) { (void)m; }
static void note_lock(const struct wr_mutex *m) { (void)m; }
static void note_unlock(const struct wr_mutex *m) { (void)m; }
void wr_mutex_assert_held(const struct wr_mutex *m) { (void)m; }
void wr_mutex_assert_none_held(void) {}

#endif

/* ---- mutexes ---- */

enum { LOCK_LOOKS = 100 };

static void must(int rc, const char *what) {
  if (rc) wr_bug(__FILE__, __LINE__, what);
}

void wr_mutex_init(struct wr_mutex *m, enum wr_rank rank) {
  must(pthread_mutex_init(&m->os, NULL), "pthread_mutex_init failed");
  m->rank = rank;
}

void wr_mutex_destroy(struct wr_mutex *m) { pthread_mutex_destroy(&m->os); }

void wr_mutex_lock(struct wr_mutex *m) {
  wr_torture_point();
  check_order(m);
  must(pthread_mutex_lock(&m->os), "pthread_mutex_lock failed");
  note_lock(m);
}

bool wr_mutex_try_lock(struct wr_mutex *m) {
  check_order(m);
  if (pthread_mutex_trylock(&m->os) != 0) return false;
  note_lock(m);
  return true;
}

void wr_mutex_lock_awake(struct wr_mutex *m) {
  wr_torture_point();
  for (int i = 0; i < LOCK_LOOKS; i++) {
    if (wr_mutex_try_lock(m)) return;
    wr_pause();
  }
  wr_mutex_lock(m);
}

void wr_mutex_unlock(struct wr_mutex *m) {
  note_unlock(m);
  must(pthread_mutex_unlock(&m->os), "pthread_mutex_unlock failed");
  wr_torture_point();
}

/* ---- cancellation ---- */

int wr_cancel_off(void) {
  int before;
  pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
  return before;
}

void wr_cancel_restore(int before) { pthread_setcancelstate(before, NULL); }

void wr_nap(uint64_t ns) {
  const struct timespec time = {.tv_nsec = (long)ns};
  int before = wr_cancel_off();
  (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL);
  wr_cancel_restore(before);
}

/* ---- condition variables ---- */

void wr_cond_init(struct wr_cond *c) {
  pthread_condattr_t attr;
  must(pthread_condattr_init(&attr), "pthread_condattr_init failed");
  must(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC), "no monotonic clock");
  must(pthread_cond_init(&c->os, &attr), "pthread_cond_init failed");
  pthread_condattr_destroy(&attr);
}

void wr_cond_destroy(struct wr_cond *c) { pthread_cond_destroy(&c->os); }

void wr_cond_wait(struct wr_cond *c, struct wr_mutex *m) {
  wr_mutex_assert_held(m);
  int before = wr_cancel_off();
  must(pthread_cond_wait(&c->os, &m->os), "pthread_cond_wait failed");
  wr_cancel_restore(before);
}

bool wr_cond_wait_until(struct wr_cond *c, struct wr_mutex *m, uint64_t deadline_ns) {
  wr_mutex_assert_held(m);
  struct timespec at = {.tv_sec = (time_t)(deadline_ns / 1000000000u),
                        .tv_nsec = (long)(deadline_ns % 1000000000u)};
  int before = wr_cancel_off();
  int rc = pthread_cond_timedwait(&c->os, &m->os, &at);
  wr_cancel_restore(before);
  if (rc == ETIMEDOUT) return false;
  must(rc, "pthread_cond_timedwait failed");
  return true;
}

void wr_cond_signal(struct wr_cond *c) { pthread_cond_signal(&c->os); }
void wr_cond_broadcast(struct wr_cond *c) { pthread_cond_broadcast(&c->os); }

/* ---- time ---- */

static uint64_t read_clock(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t wr_clock_ns(void) { return read_clock(CLOCK_MONOTONIC); }

uint64_t wr_clock_coarse_ns(void) { return read_clock(CLOCK_MONOTONIC_COARSE); }

uint64_t wr_cpu_ns(void) { return read_clock(CLOCK_THREAD_CPUTIME_ID); }

#ifdef WR_TORTURE

static wr_atomic_u64 seed;    /* atomic RELAXED: set once; 0 before that */
static wr_atomic_u64 threads; /* atomic RELAXED: how many have begun; each gets its own number */

void wr_torture_seed(uint64_t value) { wr_store_relaxed(&seed, value); }

/* xorshift64; the state of each thread begins at the seed mixed with its number, so that a run with
   one seed repeats as far as the scheduler allows. */
static uint64_t next_random(uint64_t from) {
  static _Thread_local uint64_t state;
  if (!state) {
    uint64_t number = wr_fetch_add_relaxed(&threads, UINT64_C(1)) + 1;
    state = (from ^ (number * 0x9e3779b97f4a7c15u)) | 1u;
  }
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state;
}

/* The shortest sleep: whatever is ready gets ahead, and this thread is back at once also where
   other programs keep the processors busy. After sched_yield one of those would run out its whole
   turn, and a test that passes here a million times would take minutes. */
void wr_torture_point(void) {
  static const struct timespec shortest = {.tv_nsec = 1};
  uint64_t from = wr_load_relaxed(&seed);
  if (!from || next_random(from) % 64 != 0) return;
  int before = wr_cancel_off();
  nanosleep(&shortest, NULL);
  wr_cancel_restore(before);
}

#endif
