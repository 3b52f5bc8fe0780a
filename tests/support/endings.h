#ifndef WR_TESTS_SUPPORT_ENDINGS_H
#define WR_TESTS_SUPPORT_ENDINGS_H

/* Programs that end at a chosen moment, on any thread, and what is asked of their ends (K8, P1):
   the status is the program's, the end takes less than a second, and the program's own handlers
   run, the one that was registered before first use and the one after. On top of programs.h and
   fixtures.h; works with the library's inside or from outside. */

#include <sys/mman.h>

#include "programs.h"

enum end_from { END_MAIN, END_OWN_THREAD, END_STRANGER, END_WAYS };

static const char *const end_names[] = {"main", "a thread that works", "a thread that never did"};

/* Of the child, seen by its parent. */
struct ending {
  volatile double began;      /* ending_now() at the call of exit */
  volatile double handled;    /* as the last of the program's handlers ran; 0: it has not */
  volatile double destructed; /* as its destructor ran; 0: it has not, as after a quick end */
  volatile int handlers;      /* that have run: 1 for the early one, 2 for the late */
};

static struct ending *ending;

static inline double ending_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void ending_early(void) {
  ending->handlers |= 1;
  ending->handled = ending_now();
}

static void ending_late(void) { ending->handlers |= 2; }

__attribute__((destructor)) static void ending_destructor(void) {
  if (ending) ending->destructed = ending_now();
}

/* The program's end, after so many microseconds. */
static struct {
  enum end_from from;
  useconds_t after;
  void *(*work)(void *); /* never ends by itself */
  int threads;
} ending_program;

static inline void ending_leave(void) {
  usleep(ending_program.after);
  CHECK(atexit(ending_late) == 0);
  ending->began = ending_now();
  exit(42);
}

static void *ending_stranger(void *arg) {
  ending_leave();
  return arg;
}

static void *ending_worker(void *arg) {
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, ending_program.work, arg) == 0);
  CHECK(pthread_detach(thread) == 0);
  /* One use of the library, so that the thread is known to it. */
  mlx_array a = mlx_array_new_float(1), b = mlx_array_new();
  mlx_stream s = mlx_default_cpu_stream_new();
  CHECK(mlx_add(&b, a, a, s) == 0 && float_of(b) == 2);
  ending_leave();
  return arg;
}

static void ending_child(void) {
  pthread_t thread;
  CHECK(atexit(ending_early) == 0);
  for (int i = 0; i < ending_program.threads; i++) {
    CHECK(pthread_create(&thread, NULL, ending_program.work, NULL) == 0);
    CHECK(pthread_detach(thread) == 0);
  }
  if (ending_program.from == END_MAIN) ending_leave();
  CHECK(pthread_create(&thread, NULL,
                       ending_program.from == END_STRANGER ? ending_stranger : ending_worker,
                       NULL) == 0);
  for (;;) pause();
}

/* What an end took. The system gives the memory of a process back during its end, so a program that
   holds many GB ends late whatever a library does. */
struct ending_took {
  double seconds;
  double peak_gb; /* of the host's memory, over the whole run */
};

static inline double ending_part(double from, double to) {
  return from > 0 && to > 0 ? to - from : -1;
}

/* The parts in which the end was late, -1 for one that was not come to. */
static inline void ending_print(struct ending_took took, double over, const struct rusage *used) {
  fprintf(stderr,
          "  %.2f s: to the last handler %.2f, from there to the destructors %.2f, from these to "
          "the end %.2f; %.2f GB of memory, %.2f s in the system\n",
          took.seconds, ending_part(ending->began, ending->handled),
          ending_part(ending->handled, ending->destructed), ending_part(ending->destructed, over),
          took.peak_gb, (double)used->ru_stime.tv_sec + (double)used->ru_stime.tv_usec * 1e-6);
}

/* Runs it once. */
static inline struct ending_took ending_run(const char *name, void *(*work)(void *), int threads,
                                            enum end_from from, int after) {
  const unsigned limit = SANITIZED ? 100 : 30;
  struct rusage used;
  if (!ending) {
    ending = mmap(NULL, sizeof *ending, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(ending != MAP_FAILED);
  }
  ending_program.from = from;
  ending_program.after = (useconds_t)after;
  ending_program.work = work;
  ending_program.threads = threads;
  *ending = (struct ending){0};
  const int status = in_child_used(ending_child, limit, &used);
  const double over = ending_now();
  const struct ending_took took = {over - ending->began, (double)used.ru_maxrss / 1e6};
  if (status != 42 || ending->handlers != 3 || took.seconds >= 1) {
    fprintf(stderr, "%s, left by %s after %d us: status %d, handlers %d\n", name, end_names[from],
            after, status, ending->handlers);
    ending_print(took, over, &used);
  }
  CHECK(status == 42 && ending->handlers == 3);
  return took;
}

#endif
