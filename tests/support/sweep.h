#ifndef WR_TESTS_SUPPORT_SWEEP_H
#define WR_TESTS_SUPPORT_SWEEP_H

/* A walk over the allocations of a scenario: the n-th fails, for each n until none is left to fail.
   Every call of a scenario succeeds, or fails for want of memory alone; results of failed calls are
   left alone; after each round all threads of the library have ended and nothing is lost. For
   tests/torture. */

#include "base/base.h"
#include "programs.h"
#include "weir/error.h"

/* A call's rc: true when it has succeeded. */
static inline bool ok(int rc) {
  if (rc == 0) return true;
  if (weir_last_status() != WEIR_ERROR_OUT_OF_MEMORY) fprintf(stderr, "%s\n", weir_last_error());
  CHECK(rc == 1 && weir_last_status() == WEIR_ERROR_OUT_OF_MEMORY);
  return false;
}

/* A handle that was made: true when it is not empty. */
static inline bool got(const void *ctx) { return ok(ctx ? 0 : 1); }

/* A new stream of the CPU, or an empty one. */
static inline mlx_stream a_stream(void) {
  mlx_device cpu = mlx_device_new_type(MLX_CPU, 0);
  mlx_stream s = cpu.ctx ? mlx_stream_new_device(cpu) : (mlx_stream){0};
  got(s.ctx);
  mlx_device_free(cpu);
  return s;
}

/* Nothing of the library's runs any more, and what it keeps for later is given back; but this
   thread's last error, which is always the same one. Threads of a test's device end by themselves.
 */
static inline void settle(void) {
  CHECK(mlx_array_eval((mlx_array){0}) == 1);
  CHECK(weir_shutdown(INT64_C(20000000000)) == 0);
  for (int i = 0; i < 10000 && os_threads() > 1; i++) usleep(1000);
  CHECK(os_threads() == 1);
  CHECK(mlx_clear_cache() == 0);
}

/* One round; false when there were fewer than n allocations. */
static inline bool sweep_round(void (*scenario)(void), void (*fail_at)(uint64_t), uint64_t n) {
  fail_at(n);
  scenario();
  bool failed = wr_alloc_has_failed();
  fail_at(0);
  settle();
  return failed;
}

static inline void sweep_with(void (*scenario)(void), const char *name, void (*fail_at)(uint64_t)) {
  for (uint64_t n = 0; n < 3; n++) sweep_round(scenario, fail_at, n % 2); /* what stays, is there */
  size_t before = wr_alloc_live();
  uint64_t n = 1;
  for (; sweep_round(scenario, fail_at, n); n++) {
    if (wr_alloc_live() > before) {
      fprintf(stderr, "%s, allocation %llu: %zu blocks are lost\n", name, (unsigned long long)n,
              wr_alloc_live() - before);
    }
    CHECK(wr_alloc_live() <= before);
  }
  CHECK(n > 1);
}

/* The allocations of this thread. */
static inline void sweep(void (*scenario)(void), const char *name) {
  sweep_with(scenario, name, wr_alloc_fail_at);
}

/* Those of all threads, also the library's own: which one is the n-th differs from run to run. */
static inline void sweep_all_threads(void (*scenario)(void), const char *name) {
  sweep_with(scenario, name, wr_alloc_fail_anywhere_at);
}

#endif
