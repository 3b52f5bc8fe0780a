/* What the memory module reports and is told, over all memories (but the wired limit:
   wired.c). The numbers are atomics that order
   nothing: relaxed everywhere. Setting a limit is one exchange, so that of several threads each
   gets the value that it replaced. */

#include <pthread.h>

#include "memory/internal.h"

size_t wr_memory_active(void) { return wr_load_relaxed(&wr_accounts.active); }

/* Held is read first: an allocation in between makes the difference smaller, never negative by a
   live buffer; what is left of the race is cut off at zero. */
size_t wr_memory_cached(void) {
  uint64_t held = wr_load_relaxed(&wr_accounts.held);
  uint64_t active = wr_load_relaxed(&wr_accounts.active);
  return held > active ? held - active : 0;
}

size_t wr_memory_peak(void) { return wr_load_relaxed(&wr_accounts.peak); }
void wr_memory_reset_peak(void) { wr_store_relaxed(&wr_accounts.peak, 0u); }

/* MLX's defaults: four fifths of the machine's memory, 8 GB where that is unknown. */
static uint64_t default_limit(void) {
  size_t total = wr_host_total_bytes();
  return total ? (uint64_t)((double)total * 0.8) : (uint64_t)8 << 30;
}

/* Asked once, since the limit is looked at whenever memory is asked of the system. */
static pthread_once_t asked = PTHREAD_ONCE_INIT;
static void ask(void) { wr_store_relaxed(&wr_accounts.memory_limit, default_limit()); }

size_t wr_memory_limit(void) {
  pthread_once(&asked, ask);
  return wr_load_relaxed(&wr_accounts.memory_limit);
}

size_t wr_memory_set_limit(size_t bytes) {
  pthread_once(&asked, ask);
  return wr_exchange_acq_rel(&wr_accounts.memory_limit, (uint64_t)bytes);
}

size_t wr_memory_set_cache_limit(size_t bytes) {
  size_t old = wr_exchange_acq_rel(&wr_accounts.cache_limit, (uint64_t)bytes);
  wr_cache_trim(bytes);
  return old;
}
