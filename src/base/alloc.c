/* Checked allocation: malloc, and in torture builds the failure of the n-th allocation, of a thread
   (thread-local, so that a test hurts only itself) or of the process, and a count of live blocks.
   No lock. */

#include <stdlib.h>

#include "base/base.h"

#ifdef WR_TORTURE

#include "base/atomic.h"

static _Thread_local uint64_t countdown;
static wr_atomic_u64 common; /* atomic RELAXED, these three: they order nothing */
static wr_atomic_bool has_failed;
static wr_atomic_u64 live;

void wr_alloc_fail_at(uint64_t n) {
  countdown = n;
  wr_store_relaxed(&has_failed, false);
}

void wr_alloc_fail_anywhere_at(uint64_t n) {
  wr_store_relaxed(&common, n);
  wr_store_relaxed(&has_failed, false);
}

bool wr_alloc_has_failed(void) { return wr_load_relaxed(&has_failed); }
size_t wr_alloc_live(void) { return wr_load_relaxed(&live); }

static bool common_refused(void) {
  uint64_t n = wr_load_relaxed(&common);
  while (n != 0) {
    if (wr_cas_acq_rel(&common, &n, n - 1)) return n == 1;
  }
  return false;
}

static bool refused(void) {
  bool now = (countdown && --countdown == 0) || common_refused();
  if (now) wr_store_relaxed(&has_failed, true);
  return now;
}

static void *made(void *p) {
  if (p) wr_fetch_add_relaxed(&live, UINT64_C(1));
  return p;
}

static void freed(const void *p) {
  if (p) wr_fetch_sub_relaxed(&live, UINT64_C(1));
}

#else

static bool refused(void) { return false; }
static void *made(void *p) { return p; }
static void freed(const void *p) { (void)p; }

#endif

void *wr_alloc(size_t bytes) { return refused() ? NULL : made(malloc(bytes ? bytes : 1)); }
void *wr_calloc(size_t bytes) { return refused() ? NULL : made(calloc(1, bytes ? bytes : 1)); }

void *wr_realloc(void *old, size_t bytes) {
  void *moved = refused() ? NULL : realloc(old, bytes ? bytes : 1);
  return old ? moved : made(moved);
}

void *wr_alloc_aligned(size_t align, size_t bytes) {
  void *p;
  if (refused() || posix_memalign(&p, align, bytes ? bytes : 1)) return NULL;
  return made(p);
}

void wr_free(void *p) {
  freed(p);
  free(p);
}
