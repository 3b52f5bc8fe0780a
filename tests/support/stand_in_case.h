#ifndef WR_TESTS_SUPPORT_STAND_IN_CASE_H
#define WR_TESTS_SUPPORT_STAND_IN_CASE_H

/* What the programs of tests/cuda_host share: the stand-in driver that they run on, and counts of
   what is alive in it. On top of programs.h. */

#include <dlfcn.h>

#include "programs.h"
#include "stand_in.h"

static const struct stand_in *cuda;

/* Opened here and by the library alike, as LD_LIBRARY_PATH has it; skipped with any other driver.
 */
static inline void stand_in_start(void) {
  void *library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  void *symbol = library ? dlsym(library, STAND_IN_SYMBOL) : NULL;
  if (!symbol) {
    printf("skipped: libcuda.so.1 is not the stand-in, ctest sets LD_LIBRARY_PATH\n");
    exit(77);
  }
  cuda = symbol;
}

/* The compiler's orders; it is opened here if it is not yet. */
static inline void stand_in_nvrtc_order(const char *symbol, uint64_t n, int result) {
  void *library = dlopen("libnvrtc.so.13", RTLD_NOW | RTLD_LOCAL);
  void *address = library ? dlsym(library, STAND_IN_NVRTC_SYMBOL) : NULL;
  stand_in_nvrtc_fail fail;
  CHECK(address != NULL);
  memcpy(&fail, &address, sizeof fail);
  fail(symbol, n, result);
}

static inline struct stand_in_counts stand_in_now(void) {
  struct stand_in_counts now;
  cuda->counts(&now);
  return now;
}

/* True once the library has given back all memory of the devices but what encoders that are pooled
   keep; for ten seconds at most. */
static inline bool allocations_become(uint64_t n) {
  for (int i = 0; i < 10000 && stand_in_now().allocations > n; i++) usleep(1000);
  return stand_in_now().allocations <= n;
}

#endif
