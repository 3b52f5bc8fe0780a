#ifndef WR_TESTS_SUPPORT_ANEW_H
#define WR_TESTS_SUPPORT_ANEW_H

/* A test that starts its own program anew, and tests under an emulator of another processor
   (tools/arm-check), which WEIR_TEST_EMULATOR names: the system cannot start such a program by
   itself, there are no limits of address space, and the emulator's memory counts as the program's.
 */

#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "check.h"

static inline bool emulated(void) { return getenv("WEIR_TEST_EMULATOR") != NULL; }

/* Becomes this program with one argument: the library may have read its environment before main. */
static inline void run_anew(const char *word) {
  const char *emulator = getenv("WEIR_TEST_EMULATOR");
  char path[PATH_MAX];
  ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
  CHECK(n > 0);
  path[n] = '\0';
  if (emulator) {
    execl(emulator, emulator, path, word, (char *)NULL);
  } else {
    execl(path, path, word, (char *)NULL);
  }
  CHECK(!"the program can run itself");
}

#endif
