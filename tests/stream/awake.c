/* Workers that have taken slices are awake when the next parallel kernel comes soon, and asleep
   when none comes; kernels too small to wake one do so together. What is counted is how often
   threads of this process slept, and its processor time. A worker that is awake yields to other
   programs, so where these keep the processors busy a round is repeated until they have left one
   alone. */

#include <pthread.h>
#include <sys/resource.h>

#include "base/base.h"
#include "fixtures.h"
#include "grind.h"

enum { ROUNDS = 5, KERNELS = 50, SLICES = 8, SLICE_NS = 5 * 1000 };
static const uint64_t LONGEST_NS = UINT64_C(30000000000);

static void slices(void *ctx, int64_t begin, int64_t end) {
  (void)ctx;
  const uint64_t until = wr_clock_ns() + (uint64_t)(end - begin) * SLICE_NS;
  while (wr_clock_ns() < until) continue;
}

static void kernels(void) {
  for (int i = 0; i < KERNELS; i++) wr_pool_parallel(SLICES, 1, 1, slices, NULL);
}

static long sleeps(void) {
  struct rusage usage;
  CHECK(getrusage(RUSAGE_SELF, &usage) == 0);
  return usage.ru_nvcsw;
}

static uint64_t cpu_ns(void) {
  struct timespec t;
  CHECK(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) == 0);
  return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void one_behind_the_other(void) {
  const uint64_t until = wr_clock_ns() + LONGEST_NS;
  long slept = KERNELS;
  while (slept >= KERNELS / 2 && wr_clock_ns() < until) {
    const long before = sleeps();
    kernels();
    slept = sleeps() - before;
  }
  CHECK(slept < KERNELS / 2);
}

static pthread_t caller;
static wr_atomic_bool shared; /* atomic RELAXED: another thread took slices */

static void seen_slices(void *ctx, int64_t begin, int64_t end) {
  slices(ctx, begin, end);
  if (!pthread_equal(pthread_self(), caller)) wr_store_relaxed(&shared, true);
}

/* What is too small to wake a worker for: one that is awake takes a part, one that sleeps none. */
static void small_kernels(void) {
  const uint64_t until = wr_clock_ns() + LONGEST_NS;
  caller = pthread_self();
  while (!wr_load_relaxed(&shared) && wr_clock_ns() < until) {
    kernels(); /* behind the last of which the worker is not there at once */
    for (int k = 0; k < KERNELS; k++) wr_pool_parallel(SLICES, SLICES, 1, seen_slices, NULL);
  }
  CHECK(wr_load_relaxed(&shared));
  wr_nap(10 * 1000 * 1000);
  wr_store_relaxed(&shared, false);
  for (int i = 0; i < KERNELS; i++) wr_pool_parallel(SLICES, SLICES, 1, seen_slices, NULL);
  CHECK(!wr_load_relaxed(&shared));
}

static void short_slices(void *ctx, int64_t begin, int64_t end) {
  const uint64_t until = wr_clock_ns() + (uint64_t)(end - begin) * SLICE_NS / 5;
  (void)ctx;
  while (wr_clock_ns() < until) continue;
  if (!pthread_equal(pthread_self(), caller)) wr_store_relaxed(&shared, true);
}

/* Many of them, one soon behind the other, wake one; a few do not. */
static void row_of_small_kernels(void) {
  const uint64_t until = wr_clock_ns() + LONGEST_NS;
  wr_nap(10 * 1000 * 1000);
  wr_store_relaxed(&shared, false);
  for (int i = 0; i < 4; i++) wr_pool_parallel(SLICES, SLICES, 1, short_slices, NULL);
  CHECK(!wr_load_relaxed(&shared));
  while (!wr_load_relaxed(&shared) && wr_clock_ns() < until) {
    wr_pool_parallel(SLICES, SLICES, 1, short_slices, NULL);
  }
  CHECK(wr_load_relaxed(&shared));
}

static void nothing_to_do(void) {
  enum { NAP_NS = 100 * 1000 * 1000 };
  uint64_t least = UINT64_MAX;
  for (int i = 0; i < ROUNDS; i++) {
    kernels();
    const uint64_t before = cpu_ns();
    wr_nap(NAP_NS);
    const uint64_t used = cpu_ns() - before;
    if (used < least) least = used;
  }
  CHECK(least < NAP_NS / 20);
}

int main(void) {
  if (wr_cpu_count() < 2 || WR_TORTURED) return 77;
  mlx_stream s = new_stream(); /* the library begins */
  one_behind_the_other();
  small_kernels();
  CHECK(wr_thread_own()); /* as each has that evaluates */
  row_of_small_kernels();
  nothing_to_do();
  mlx_stream_free(s);
  return 0;
}
