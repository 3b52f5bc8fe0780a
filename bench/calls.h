// What the timing programs without rows of harness.h share: calls that must succeed, and the clock.
// On the public API alone.
#ifndef WR_BENCH_CALLS_H
#define WR_BENCH_CALLS_H

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "weir/error.h"

// Ends the program with the last error unless the call has succeeded.
static inline void must(int rc) {
  if (rc == 0) return;
  fprintf(stderr, "%s\n", weir_last_error());
  exit(1);
}

static inline double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

#endif
