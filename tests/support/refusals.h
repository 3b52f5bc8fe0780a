#ifndef WR_TESTS_SUPPORT_REFUSALS_H
#define WR_TESTS_SUPPORT_REFUSALS_H

/* What the system refuses for a moment: descriptors, and address space, so that nothing is mapped
   (a library, a large block), while small blocks may be had. One at a time. Header-only. */

#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "check.h"

static struct rlimit refusals_before;

static inline void take(int what, rlim_t most) {
  CHECK(getrlimit(what, &refusals_before) == 0);
  const struct rlimit none = {.rlim_cur = most, .rlim_max = refusals_before.rlim_max};
  CHECK(setrlimit(what, &none) == 0);
}

static inline void take_descriptors(void) { take(RLIMIT_NOFILE, 3); }

static inline void give_descriptors(void) {
  CHECK(setrlimit(RLIMIT_NOFILE, &refusals_before) == 0);
}

static inline void take_memory(void) {
  unsigned long pages = 0;
  FILE *f = fopen("/proc/self/statm", "r");
  CHECK(f != NULL && fscanf(f, "%lu", &pages) == 1);
  fclose(f);
  take(RLIMIT_AS, (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE));
}

static inline void give_memory(void) { CHECK(setrlimit(RLIMIT_AS, &refusals_before) == 0); }

#endif
