/* What the memory module reports and is told, over all memories (but the wired limit: wired.c). The
   numbers are atomics that order nothing: relaxed everywhere. Setting a limit is one exchange, so
   that of several threads each gets the value that it replaced. */

#include "memory/derived.h"
#include "memory/internal.h"

/* Read one after the other, two counts can be further apart than they ever were: cut off at zero.
 */
static uint64_t less(uint64_t a, uint64_t b) { return a > b ? a - b : 0; }

/* Derived forms are told as cached: they are made again when they are gone, and what a caller has
   made and freed leaves no more than before. */
size_t wr_memory_active(void) {
  return less(wr_load_relaxed(&wr_accounts.all.active), wr_forms_bytes());
}

/* Held is read first: an allocation in between makes the difference smaller, never negative by a
   live buffer. */
size_t wr_memory_cached(void) {
  uint64_t held = wr_load_relaxed(&wr_accounts.all.held);
  return less(held, wr_memory_active());
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

/* Active is read first, and acquired: whoever made it larger counted what it holds before. So an
   allocation in between makes the difference larger, and a free in between asks for itself. */
static uint64_t idle_in(const struct wr_memory *m) {
  const struct wr_account *own = is_host(m) ? &wr_accounts.all : &m->account;
  uint64_t active = wr_load_acquire(&own->active), held = wr_load_relaxed(&own->held);
  if (!is_host(m)) return less(held, active);
  uint64_t others = wr_load_relaxed(&wr_accounts.devices.held);
  return less(less(held, active), less(others, wr_load_relaxed(&wr_accounts.devices.active)));
}

void wr_memory_usage(const struct wr_memory *m, size_t *active, size_t *cached) {
  const uint64_t forms = is_host(m) ? wr_forms_bytes() : 0;
  *active = less(active_in(m), forms);
  *cached = idle_in(m) + forms;
}

static uint64_t idle_in_all(void) {
  uint64_t active = wr_load_acquire(&wr_accounts.all.active);
  return less(wr_load_relaxed(&wr_accounts.all.held), active);
}

static uint64_t default_cache_limit(const struct wr_memory *m) {
  size_t capacity = WR_TORTURED ? 0 : m->source->capacity;
  return capacity ? capacity / 8 : wr_load_relaxed(&wr_accounts.cache_limit);
}

uint64_t wr_account_excess(const struct wr_memory *m) {
  if (!wr_load_relaxed(&wr_accounts.cache_limited)) return less(idle_in(m), default_cache_limit(m));
  return less(idle_in_all() + wr_forms_bytes(), wr_load_relaxed(&wr_accounts.cache_limit));
}

bool wr_account_may_keep(size_t bytes) {
  return !wr_load_relaxed(&wr_accounts.cache_limited) ||
         wr_memory_cached() + bytes <= wr_load_relaxed(&wr_accounts.cache_limit);
}

bool wr_account_oversized(const struct wr_memory *m, size_t bytes) {
  bool limited = wr_load_relaxed(&wr_accounts.cache_limited);
  return bytes > (limited ? wr_load_relaxed(&wr_accounts.cache_limit) : default_cache_limit(m));
}

/* MLX's defaults: four fifths of the memory that this process may use, 8 GB where that is unknown.
 */
static uint64_t default_limit(void) {
  uint64_t memory = wr_machine_memory();
  return memory == UINT64_MAX ? (uint64_t)8 << 30 : (uint64_t)((double)memory * 0.8);
}

size_t wr_memory_default_limit(size_t capacity) { return capacity / 5 * 4; }

uint64_t wr_account_memory_limit(const struct wr_memory *m) {
  uint64_t limit = wr_load_relaxed(&wr_accounts.memory_limit);
  if (limit != WR_LIMIT_UNSET) return limit;
  return m->source->capacity ? wr_memory_default_limit(m->source->capacity) : default_limit();
}

bool wr_memory_crowded(const struct wr_memory *m, size_t bytes) {
  return active_in(m) + bytes > wr_account_memory_limit(m);
}

/* ---- limits ---- */

size_t wr_memory_peak(void) { return wr_load_relaxed(&wr_accounts.peak); }
void wr_memory_reset_peak(void) { wr_store_relaxed(&wr_accounts.peak, 0u); }

/* A capacity of 0 is not known. */
bool wr_memory_lacks(const struct wr_memory *m, size_t bytes) {
  uint64_t most = is_host(m) ? wr_machine_most() : m->source->capacity;
  return most && (bytes > most || active_in(m) > most - bytes);
}

static uint64_t limit_or_default(uint64_t limit) {
  return limit == WR_LIMIT_UNSET ? default_limit() : limit;
}

size_t wr_memory_limit(void) {
  return limit_or_default(wr_load_relaxed(&wr_accounts.memory_limit));
}

size_t wr_memory_set_limit(size_t bytes) {
  return limit_or_default(wr_exchange_acq_rel(&wr_accounts.memory_limit, (uint64_t)bytes));
}

size_t wr_memory_set_cache_limit(size_t bytes) {
  size_t old = wr_exchange_acq_rel(&wr_accounts.cache_limit, (uint64_t)bytes);
  wr_store_relaxed(&wr_accounts.cache_limited, true);
  wr_cache_trim(bytes);
  return old;
}
