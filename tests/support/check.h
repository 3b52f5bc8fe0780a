#ifndef WR_TESTS_SUPPORT_CHECK_H
#define WR_TESTS_SUPPORT_CHECK_H

/* One check: it ends the program with the place and the condition. Also valid in a child process
   and on any thread. */

#include <stdio.h>
#include <stdlib.h>

static inline void check_failed(const char *file, int line, const char *what) {
  fprintf(stderr, "%s:%d: not true: %s\n", file, line, what);
  fflush(stderr);
  _Exit(1);
}

#define CHECK(cond) ((cond) ? (void)0 : check_failed(__FILE__, __LINE__, #cond))

#endif
