/* K7, K9: as stream/real_time.c on a GPU: a thread for real time (SCHED_FIFO) has the only
   processor, and what it waits for may be published only behind what another stream's thread has
   taken off the queue. That thread goes on only if it gets the processor, so the other one sleeps.
   Skipped where the system allows no such thread. */

#include <inttypes.h>
#include <sched.h>

#include "fixtures.h"
#include "library_threads.h"
#include "stand_in_case.h"

static const uint64_t a_second = 1000000000;

static mlx_stream leading;
static int over;

static uint64_t ns_of(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Evaluates on the leading stream all the time, and so publishes what ends there. */
static void *lead(void *arg) {
  while (count_of(&over) == 0) {
    mlx_array a = floats(64, 0);
    for (int i = 0; i < 8; i++) turn(&a, leading);
    CHECK(mlx_array_eval(a) == 0);
    mlx_array_free(a);
  }
  return arg;
}

/* What it makes depends on what stands behind the other's work. It uses the processor for a round
   no longer than it may look for results: the rest of the time it sleeps. */
static void *follow_for_real_time(void *arg) {
  mlx_stream own = new_gpu_stream();
  be_for_real_time();
  const uint64_t end = ns_of(CLOCK_MONOTONIC) + 2 * a_second;
  uint64_t before = ns_of(CLOCK_THREAD_CPUTIME_ID), longest = 0;
  for (int i = 0; ns_of(CLOCK_MONOTONIC) < end; i++) {
    mlx_array a = floats(64, 0);
    turn(&a, leading);
    turn(&a, own);
    expect_turned(a, 0, 2);
    mlx_array_free(a);
    usleep(1 + (useconds_t)(i % 60));
    const uint64_t now = ns_of(CLOCK_THREAD_CPUTIME_ID);
    if (now - before > longest) longest = now - before;
    before = now;
  }
  if (longest > a_second / 2) fprintf(stderr, "%" PRIu64 " ns for a round\n", longest);
  CHECK(longest <= a_second / 2);
  mlx_stream_free(own);
  probe_count(&over);
  return arg;
}

static void program(void) {
  stay_on_one(); /* and so do the threads that this one starts */
  leading = new_gpu_stream();
  pthread_t ordinary = start_thread(lead, NULL);
  pthread_t real_time = start_thread(follow_for_real_time, NULL);
  pthread_join(real_time, NULL);
  pthread_join(ordinary, NULL);
  mlx_stream_free(leading);
  _exit(42);
}

int main(void) {
  if (SANITIZED || !may_be_for_real_time()) return 77;
  stand_in_start();
  repeat(program, "real time", 1);
  return 0;
}
