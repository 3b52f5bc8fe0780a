/* Workers that have taken slices are awake when the next parallel kernel comes soon, and asleep
   when none comes. What is counted is how often threads of this process slept, and its processor
   time; of some rounds the least, as other programs may take the processors away in any of them. */

#include <sys/resource.h>

#include "base/base.h"
#include "fixtures.h"
#include "grind.h"

enum { ROUNDS = 20, KERNELS = 50, SLICES = 8, SLICE_NS = 5 * 1000 };

static void slices(void *ctx, int64_t begin, int64_t end) {
  (void)ctx;
  const uint64_t until = wr_clock_ns() + (uint64_t)(end - begin) * SLICE_NS;
  while (wr_clock_ns() < until) continue;
}

static void kernels(void) {
  for (int i = 0; i < KERNELS; i++) wr_pool_parallel(SLICES, 1, slices, NULL);
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
  long least = 10 * KERNELS;
  for (int i = 0; i < ROUNDS; i++) {
    const long before = sleeps();
    kernels();
    const long slept = sleeps() - before;
    if (slept < least) least = slept;
  }
  CHECK(least < KERNELS / 2);
}

static void nothing_to_do(void) {
  enum { NAP_NS = 100 * 1000 * 1000 };
  uint64_t least = UINT64_MAX;
  for (int i = 0; i < ROUNDS / 4; i++) {
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
  nothing_to_do();
  mlx_stream_free(s);
  return 0;
}
