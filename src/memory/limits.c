/* What the memory module reports and is told, over all memories (but the wired limit: wired.c). The
   numbers are atomics that order nothing: relaxed everywhere. Setting a limit is one exchange, so
   that of several threads each gets the value that it replaced. */

#include <pthread.h>

#include "memory/internal.h"

/* Read one after the other, two counts can be further apart than they ever were: cut off at zero.
 */
static uint64_t less(uint64_t a, uint64_t b) { return a > b ? a - b : 0; }

size_t wr_memory_active(void) { return wr_load_relaxed(&wr_accounts.all.active); }

/* Held is read first: an allocation in between makes the difference smaller, never negative by a
   live buffer. */
size_t wr_memory_cached(void) {
  uint64_t held = wr_load_relaxed(&wr_accounts.all.held);
  return less(held, wr_load_relaxed(&wr_accounts.all.active));
}

/* ---- one memory ---- */

static bool is_host(const struct wr_memory *m) { return m == wr_memory_host(); }

uint64_t wr_account_held(const struct wr_memory *m) {
  if (!is_host(m)) return wr_load_relaxed(&m->account.held);
  uint64_t held = wr_load_relaxed(&wr_accounts.all.held);
  return less(held, wr_load_relaxed(&wr_accounts.devices.held));
}

static uint64_t active_in(const struct wr_memory *m) {
  if (!is_host(m)) return wr_load_relaxed(&m->account.active);
  uint64_t active = wr_load_relaxed(&wr_accounts.all.active);
  return less(active, wr_load_relaxed(&wr_accounts.devices.active));
}

uint64_t wr_account_idle(const struct wr_memory *m) {
  uint64_t held = wr_account_held(m);
  return less(held, active_in(m));
}

uint64_t wr_account_cache_limit(const struct wr_memory *m) {
  size_t capacity = WR_TORTURED ? 0 : m->source->capacity;
  if (!capacity || wr_load_relaxed(&wr_accounts.cache_limited)) {
    return wr_load_relaxed(&wr_accounts.cache_limit);
  }
  return capacity / 8;
}

uint64_t wr_account_memory_limit(const struct wr_memory *m) {
  size_t capacity = m->source->capacity;
  if (!capacity || wr_load_relaxed(&wr_accounts.memory_limited)) return wr_memory_limit();
  return capacity / 5 * 4;
}

bool wr_memory_crowded(const struct wr_memory *m, size_t bytes) {
  return active_in(m) + bytes > wr_account_memory_limit(m);
}

/* ---- limits ---- */

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
  wr_store_relaxed(&wr_accounts.memory_limited, true);
  return wr_exchange_acq_rel(&wr_accounts.memory_limit, (uint64_t)bytes);
}

size_t wr_memory_set_cache_limit(size_t bytes) {
  size_t old = wr_exchange_acq_rel(&wr_accounts.cache_limit, (uint64_t)bytes);
  wr_store_relaxed(&wr_accounts.cache_limited, true);
  wr_cache_trim(bytes);
  return old;
}
