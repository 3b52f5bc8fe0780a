#ifndef WR_TESTS_CUDA_DRIVER_SLOW_H
#define WR_TESTS_CUDA_DRIVER_SLOW_H

/* What NVIDIA's libraries do that makes the end of a process hard: opening one takes long and
   registers handlers all the while, and so does a first call. A handler ends what all calls use.
   Each library of the stand-in includes this once; see stand_in.h. Any thread. */

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/atomic.h"

enum { SLOW_HANDLERS = 40 };

/* What NVIDIA's libraries import. ThreadSanitizer's atexit would not come by it. */
int __cxa_atexit(void (*fn)(void *), void *arg, void *library);
extern void *__dso_handle;

/* Atomic relaxed: numbers by themselves, and the handler that looks is to find any thread inside.
 */
static wr_atomic_u32 slow_inside;
static wr_atomic_bool slow_ended;

static _Noreturn void slow_misuse(const char *what) {
  fprintf(stderr, "stand-in library: %s\n", what);
  fflush(stderr);
  abort();
}

static void slow_end(void *unused) {
  (void)unused;
  if (wr_load_relaxed(&slow_inside)) slow_misuse("torn down with a thread inside");
  wr_store_relaxed(&slow_ended, true);
}

static void slow_enter(void) {
  wr_fetch_add_relaxed(&slow_inside, 1u);
  if (wr_load_relaxed(&slow_ended)) slow_misuse("used after it was torn down");
}

static void slow_leave(void) { wr_fetch_sub_relaxed(&slow_inside, 1u); }

/* Registers handlers for so many milliseconds as the environment says. */
static void slow_register(void) {
  const char *text = getenv("WEIR_STAND_IN_SLOW");
  const long ms = text ? atol(text) : 0;
  const struct timespec part = {.tv_nsec = ms * 1000000 / SLOW_HANDLERS};
  slow_enter();
  for (int i = 0; i < SLOW_HANDLERS; i++) {
    __cxa_atexit(slow_end, NULL, &__dso_handle);
    if (ms) nanosleep(&part, NULL);
  }
  slow_leave();
}

/* The library's constructor: `own` is a handler besides, or NULL. */
static inline void slow_open(void (*own)(void *)) {
  if (own) __cxa_atexit(own, NULL, &__dso_handle);
  slow_register();
}

static inline void slow_first_call(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, slow_register);
}

#endif
