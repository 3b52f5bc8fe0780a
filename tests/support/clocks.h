#ifndef WR_TESTS_SUPPORT_CLOCKS_H
#define WR_TESTS_SUPPORT_CLOCKS_H

/* Condition variables whose deadlines are of the monotonic clock, as the library's: musl 1.2.3
   lacks the function that takes the clock with the wait. */

#include <pthread.h>
#include <time.h>

#include "check.h"

static inline void by_monotonic_clock(pthread_cond_t *cond) {
  pthread_condattr_t attr;
  CHECK(pthread_condattr_init(&attr) == 0);
  CHECK(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
  CHECK(pthread_cond_init(cond, &attr) == 0);
  CHECK(pthread_condattr_destroy(&attr) == 0);
}

#endif
