/* What the memory module reports and is told, over all memories (but the wired limit: wired.c). The
   numbers are atomics that order nothing: relaxed, where nothing else is said. Setting a limit is
   one exchange, so that of several threads each gets the value that it replaced.

   Who frees asks how much is idle, and keeps its buffer if that is within the limit. So its answer
   must never be less than there was at some moment between its own free's being counted and its
   keeping it: of all frees that are kept the last such moment saw all others, and the limit holds
   when nothing is in flight. Idle bytes are

       made - returned - active,

   three numbers that are read one after the other. Those that are subtracted come first, and made
   and returned only grow, so what was made or returned in between makes the answer larger: it is no
   less than what was idle at the moment when the active bytes were read. Who sees a buffer returned
   sees it no longer active: that is counted first, and the return released. (With one number for
   what is held, read last, a buffer that another thread freed and gave back in between was
   subtracted twice: still active, and no longer held.) The same holds of the bytes of devices, of
   which the host's active bytes are less: taken less freed, freed read first. */

#include "memory/derived.h"
#include "memory/internal.h"

/* Read one after the other, two counts can be further apart than they ever were: cut off at zero.
 */
static uint64_t less(uint64_t a, uint64_t b) { return a > b ? a - b : 0; }

/* Derived forms are told as cached: they are made again when they are gone, and what a caller has
   made and freed leaves no more than before. */
size_t wr_memory_active(void) { return less(wr_active_bytes(), wr_forms_bytes()); }

static uint64_t made_by(const struct wr_held *held) { return wr_load_relaxed(&held->made); }
/* Acquire: read before what follows. */
static uint64_t returned_by(const struct wr_held *held) { return wr_load_acquire(&held->returned); }

static uint64_t held_by(const struct wr_held *held) {
  const uint64_t returned = returned_by(held);
  return less(made_by(held), returned);
}

/* What is made is read first: an allocation in between makes the difference smaller, never negative
   by a live buffer. Acquire, as above. */
size_t wr_memory_cached(void) {
  const uint64_t made =
      wr_load_acquire(&wr_accounts.host.made) + wr_load_acquire(&wr_accounts.devices.made);
  const uint64_t gone = returned_by(&wr_accounts.host) + returned_by(&wr_accounts.devices);
  return less(less(made, gone), wr_memory_active());
}

/* ---- one memory ---- */

static bool is_host(const struct wr_memory *m) { return m == wr_memory_host(); }

static const struct wr_held *held_of(const struct wr_memory *m) {
  return is_host(m) ? &wr_accounts.host : &m->held;
}

uint64_t wr_account_held(const struct wr_memory *m) { return held_by(held_of(m)); }

/* Acquire: read before what follows. */
static uint64_t freed_in_devices(void) { return wr_load_acquire(&wr_accounts.devices_freed); }
static uint64_t taken_in_devices(void) { return wr_load_relaxed(&wr_accounts.devices_taken); }

uint64_t wr_account_active_in_devices(void) {
  const uint64_t freed = freed_in_devices();
  return less(taken_in_devices(), freed);
}

static uint64_t host_part(uint64_t active) { return less(active, wr_account_active_in_devices()); }

static uint64_t active_in(const struct wr_memory *m) {
  return is_host(m) ? host_part(wr_active_bytes()) : wr_load_relaxed(&m->active);
}

/* A look: as many, or more by credits of threads. */
static uint64_t active_at_most_in(const struct wr_memory *m) {
  return is_host(m) ? host_part(wr_active_at_most()) : active_in(m);
}

/* Whether all that are live and so many bytes more are above `most`. Credits are taken back only
   where they would decide it. */
static bool is_above(const struct wr_memory *m, uint64_t bytes, uint64_t most) {
  if (bytes > most) return true;
  return active_at_most_in(m) > most - bytes && active_in(m) > most - bytes;
}

/* Idle bytes, as the head of this file has them: what is read before the active bytes, and what is
   made of it and of them. */
struct gone {
  uint64_t returned, devices_returned, devices_freed;
};

static struct gone gone_now(void) {
  struct gone gone = {.returned = returned_by(&wr_accounts.host)};
  gone.devices_returned = returned_by(&wr_accounts.devices);
  gone.devices_freed = freed_in_devices();
  return gone;
}

static uint64_t idle_in_all(struct gone gone, uint64_t active) {
  const uint64_t made = made_by(&wr_accounts.host) + made_by(&wr_accounts.devices);
  return less(made, gone.returned + gone.devices_returned + active) + wr_forms_bytes();
}

static uint64_t idle_in_host(struct gone gone, uint64_t active) {
  const uint64_t devices = less(taken_in_devices(), gone.devices_freed);
  return less(made_by(&wr_accounts.host), gone.returned + less(active, devices));
}

static uint64_t idle_in_device(const struct wr_memory *m) {
  const uint64_t returned = returned_by(&m->held), active = wr_load_acquire(&m->active);
  return less(made_by(&m->held), returned + active);
}

void wr_memory_usage(const struct wr_memory *m, size_t *active, size_t *cached) {
  const struct gone gone = gone_now();
  const uint64_t all = is_host(m) ? wr_active_bytes() : 0;
  const uint64_t forms = is_host(m) ? wr_forms_bytes() : 0;
  *active = less(is_host(m) ? host_part(all) : active_in(m), forms);
  *cached = (is_host(m) ? idle_in_host(gone, all) : idle_in_device(m)) + forms;
}

static uint64_t default_cache_limit(const struct wr_memory *m) {
  size_t capacity = WR_TORTURED ? 0 : m->source->capacity;
  return capacity ? capacity / 8 : wr_load_relaxed(&wr_accounts.cache_limit);
}

static bool is_limited(void) { return wr_load_relaxed(&wr_accounts.cache_limited); }

/* Idle bytes that the host's limit is for, if so many are active. */
static uint64_t idle_for_host(struct gone gone, uint64_t active) {
  return is_limited() ? idle_in_all(gone, active) : idle_in_host(gone, active);
}

bool wr_account_roomy(void) {
  const struct gone gone = gone_now();
  return idle_for_host(gone, wr_active_at_least()) <= wr_load_relaxed(&wr_accounts.cache_limit);
}

uint64_t wr_account_excess(const struct wr_memory *m) {
  uint64_t limit = wr_load_relaxed(&wr_accounts.cache_limit);
  if (!is_limited() && !is_host(m)) return less(idle_in_device(m), default_cache_limit(m));
  if (wr_account_roomy()) return 0;
  const struct gone gone = gone_now();
  return less(idle_for_host(gone, wr_active_bytes()), limit);
}

bool wr_account_may_keep(size_t bytes) {
  if (!is_limited()) return true;
  const struct gone gone = gone_now();
  return idle_in_all(gone, wr_active_bytes()) + bytes <= wr_load_relaxed(&wr_accounts.cache_limit);
}

bool wr_account_oversized(const struct wr_memory *m, size_t bytes) {
  return bytes >
         (is_limited() ? wr_load_relaxed(&wr_accounts.cache_limit) : default_cache_limit(m));
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
  return is_above(m, bytes, wr_account_memory_limit(m));
}

/* ---- limits ---- */

/* A capacity of 0 is not known. */
bool wr_memory_lacks(const struct wr_memory *m, size_t bytes) {
  uint64_t most = is_host(m) ? wr_machine_most() : m->source->capacity;
  return most && is_above(m, bytes, most);
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
