/* Checked allocation: malloc, and in torture builds the failure of the n-th allocation of a thread.
   The countdown is thread-local: no lock, and a test hurts only itself. */

#include <stdlib.h>

#include "base/base.h"

#ifdef WR_TORTURE

static _Thread_local uint64_t countdown;

void wr_alloc_fail_at(uint64_t n) { countdown = n; }

static bool refused(void) { return countdown && --countdown == 0; }

#else

static bool refused(void) { return false; }

#endif

void *wr_alloc(size_t bytes) { return refused() ? NULL : malloc(bytes ? bytes : 1); }
void *wr_calloc(size_t bytes) { return refused() ? NULL : calloc(1, bytes ? bytes : 1); }

void *wr_realloc(void *old, size_t bytes) {
  return refused() ? NULL : realloc(old, bytes ? bytes : 1);
}

void *wr_alloc_aligned(size_t align, size_t bytes) {
  void *p;
  if (refused() || posix_memalign(&p, align, bytes ? bytes : 1)) return NULL;
  return p;
}

void wr_free(void *p) { free(p); }
