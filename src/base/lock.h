#ifndef WR_BASE_LOCK_H
#define WR_BASE_LOCK_H

/* Mutexes with ranks. A thread may only take a mutex of a higher rank than any it holds; debug
   builds keep the list of held ranks per thread and abort with "weir bug" when the order is broken
   or a mutex is asserted that is not held. Release builds are plain pthread mutexes. */

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

enum wr_rank {
  WR_RANK_NONE, /* no lock's: rows of fork.h that come before all locks */
  WR_RANK_COMPILED,
  WR_RANK_REGISTRY,
  WR_RANK_REQUEST,
  WR_RANK_STREAM,
  WR_RANK_SCHEDULER,
  WR_RANK_EVENT,
  WR_RANK_ALLOCATOR,
  WR_RANK_ENCODER,
  WR_RANK_BACKEND,
  WR_RANK_TIMELINE,
  WR_RANK_LOG
};

struct wr_mutex {
  pthread_mutex_t os;
  enum wr_rank rank; /* immutable after publish */
};

#define WR_MUTEX_INIT(r) \
  { .os = PTHREAD_MUTEX_INITIALIZER, .rank = (r) }

void wr_mutex_init(struct wr_mutex *m, enum wr_rank rank);
void wr_mutex_destroy(struct wr_mutex *m);
void wr_mutex_lock(struct wr_mutex *m);
/* As wr_mutex_lock, but first looks for some microseconds whether it comes free: for locks that
   several threads take at once, each briefly, where sleeping takes longer than that. */
void wr_mutex_lock_awake(struct wr_mutex *m);
/* False, at once, where another thread has it. */
bool wr_mutex_try_lock(struct wr_mutex *m);
void wr_mutex_unlock(struct wr_mutex *m);
/* Debug builds abort unless the calling thread holds `m`. */
void wr_mutex_assert_held(const struct wr_mutex *m);
/* Debug builds abort if the calling thread holds any ranked mutex (before a user callback, K10). */
void wr_mutex_assert_none_held(void);

/* Condition variable on the monotonic clock. Waiting is no cancellation point. */
struct wr_cond {
  pthread_cond_t os;
};

void wr_cond_init(struct wr_cond *c);
void wr_cond_destroy(struct wr_cond *c);
void wr_cond_wait(struct wr_cond *c, struct wr_mutex *m);
/* Waits at most until `deadline_ns` of wr_clock_ns; false when the time ran out. */
bool wr_cond_wait_until(struct wr_cond *c, struct wr_mutex *m, uint64_t deadline_ns);
void wr_cond_signal(struct wr_cond *c);
void wr_cond_broadcast(struct wr_cond *c);

/* Brackets system calls that are cancellation points: no call of Weir's is one, since a thread that
   ended inside would keep locks, leave a stream that nobody else may drain, or a waiter on a stack
   that is gone. Restore takes what off returned. */
int wr_cancel_off(void);
void wr_cancel_restore(int before);

/* Sleeps that long, or until a signal; less than a second. No cancellation point. */
void wr_nap(uint64_t ns);

/* Monotonic time in nanoseconds. */
uint64_t wr_clock_ns(void);
/* The same clock as of the system's last tick: some milliseconds late, and five times as cheap. */
uint64_t wr_clock_coarse_ns(void);
/* Processor time of the calling thread in nanoseconds; a system call. */
uint64_t wr_cpu_ns(void);

/* Torture builds yield the processor here at random; others do nothing. Yields begin with the seed,
   which env.c sets and prints: WEIR_TORTURE_SEED, or one of its own. */
#ifdef WR_TORTURE
void wr_torture_seed(uint64_t seed);
void wr_torture_point(void);
#else
static inline void wr_torture_point(void) {}
#endif

#endif
