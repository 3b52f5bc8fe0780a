#ifndef WR_TESTS_SUPPORT_DUMP_CASE_H
#define WR_TESTS_SUPPORT_DUMP_CASE_H

/* What programs about dumps (S1) share: children that hang on purpose, and what a dump's first line
   says there. On top of fixtures.h. */

#include <fcntl.h>
#include <sys/mman.h>

#include "fixtures.h"

static char dumped[1 << 19];

/* A dump of this process, in `dumped`. */
static inline void take_dump(void) {
  const int fd = memfd_create("dump", MFD_CLOEXEC);
  CHECK(fd >= 0 && weir_dump(fd) == 0);
  const ssize_t n = pread(fd, dumped, sizeof dumped - 1, 0);
  CHECK(n > 0);
  dumped[n] = '\0';
  close(fd);
}

/* The first line alone. */
static inline const char *first_line(void) {
  static char line[2048];
  const size_t n = strcspn(dumped, "\n");
  CHECK(n < sizeof line);
  memcpy(line, dumped, n);
  line[n] = '\0';
  return line;
}

/* Takes dumps until the first line has all of the words, which are separated by '|'; the child's
   limit ends it. Returns when the process hangs in that way, so it is still so. */
static inline void culprit_is(const char *words) {
  const double start = seconds_now();
  for (;;) {
    char copy[256], *rest = copy;
    bool all = true;
    snprintf(copy, sizeof copy, "%s", words);
    take_dump();
    for (char *word = strtok_r(copy, "|", &rest); word; word = strtok_r(NULL, "|", &rest)) {
      all = all && strstr(first_line(), word);
    }
    if (all) return;
    if (seconds_now() - start > 20 * patience()) {
      fprintf(stderr, "not in the first line: %s\n%s\n", words, dumped);
      CHECK(!"the culprit is named");
    }
    usleep(10 * 1000);
  }
}

/* Takes dumps until one has this. */
static inline void dump_has(const char *words) {
  const double start = seconds_now();
  while (!strstr(dumped, words)) {
    if (seconds_now() - start > 20 * patience()) {
      fprintf(stderr, "not in the dump: %s\n%s\n", words, dumped);
      CHECK(!"the dump has it");
    }
    usleep(10 * 1000);
    take_dump();
  }
}

/* Each in a child, which ends while it hangs. */
static inline void hangs(void (*fn)(void), const char *name) {
  const int status = in_child(fn, 60);
  if (status) fprintf(stderr, "%s: status %d\n", name, status);
  CHECK(status == 0);
}
#define HANGS(fn) hangs(fn, #fn)

/* Never opened. */
static sem_t never;
static inline void wait_for_ever(void) {
  while (sem_wait(&never)) continue;
}

/* A thread that forces the array, named. */
static inline void *force_for_ever(void *array) {
  pthread_setname_np(pthread_self(), "forces");
  (void)mlx_array_eval(*(mlx_array *)array);
  return NULL;
}
/* The handle is copied: the thread may begin after the caller's function has returned. */
static inline void force_elsewhere(const mlx_array *array) {
  static mlx_array forced[8];
  static int n;
  CHECK(n < 8);
  forced[n] = *array;
  (void)start_thread(force_for_ever, &forced[n++]);
}

#endif
