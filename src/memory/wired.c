/* Wired memory: large host buffers whose pages the system is told to keep resident, while their sum
   stays within the wired limit. The limit is the one that was set plus what open guards ask for:
   two numbers, so that guards end in any order and a limit that is set meanwhile stays.

   Every buffer with a mapping of its own stands in a list here, under any limit, since a limit that
   rises must find the buffers that were made before. That costs a lock and a few pointer moves per
   mapping, a thousandth of the system calls around it; smaller buffers, and large ones out of the
   cache, pass by without a look. Idle buffers count like live ones: wiring follows the mapping.

   Locking pages that are in use takes the system up to half a second per gigabyte, so the lock
   (rank ALLOCATOR, taken with no other) is never held meanwhile. Instead the buffer is off the
   lists and `busy`; its thread goes on until the buffer agrees with the limit as it is then, and
   frees it if it has been destroyed in between, so that nobody waits. Who changes the limit walks
   the lists afterwards. So each buffer is looked at after each change: by the walk, or by the
   thread that it is busy with. */

#include <sys/mman.h>

#include "base/lock.h"
#include "memory/internal.h"

enum { UNIT_BITS = 12 }; /* guards ask for whole pages */

static struct {
  wr_atomic_u64 limit;   /* atomic RELAXED: as set, without the guards */
  wr_atomic_u64 asked;   /* atomic RELAXED: units that open guards ask for */
  struct wr_mutex lock;  /* rank ALLOCATOR */
  struct wr_dlist loose; /* under LOCK: not wired; those not tried in this pass come first */
  struct wr_dlist wired; /* under LOCK: wired, the oldest first */
  wr_atomic_u64 bytes;   /* atomic RELAXED, written under LOCK: wired, or about to be */
  wr_atomic_u64 refused; /* atomic RELAXED, written under LOCK: of loose buffers */
  uint64_t pass;         /* under LOCK: changes of the limit so far */
  uint32_t generation;   /* under LOCK: forks between the first process and this one */
} state = {.lock = WR_MUTEX_INIT(WR_RANK_ALLOCATOR)};

/* ---- the limit: relaxed loads, since the lock orders what is decided by it ---- */

static uint64_t limit_now(void) {
  uint64_t asked = wr_load_relaxed(&state.asked), limit;
  if (asked >> (64 - UNIT_BITS)) return UINT64_MAX;
  if (__builtin_add_overflow(wr_load_relaxed(&state.limit), asked << UNIT_BITS, &limit)) {
    return UINT64_MAX;
  }
  return limit;
}

static uint64_t wired_bytes(void) { return wr_load_relaxed(&state.bytes); }

static bool is_over_limit(void) { return wired_bytes() > limit_now(); }

static bool fits(size_t bytes) {
  uint64_t limit = limit_now(), wired = wired_bytes();
  return wired <= limit && bytes <= limit - wired;
}

/* ---- lists ---- */

static struct wr_mapped_buffer *first(const struct wr_dlist *list) {
  return list->head ? WR_CONTAINER_OF(list->head, struct wr_mapped_buffer, link) : NULL;
}

/* Of a buffer that is not busy: where it stands. */
static struct wr_dlist *list_of(const struct wr_mapped_buffer *m) {
  return m->wired ? &state.wired : &state.loose;
}

/* ---- one buffer ---- */

static void forgive_locked(struct wr_mapped_buffer *m) {
  if (!m->refused) return;
  m->refused = false;
  wr_fetch_sub_relaxed(&state.refused, m->buffer.bytes);
}

/* What the buffer counts for is over. */
static void discount_locked(struct wr_mapped_buffer *m) {
  forgive_locked(m);
  if (m->wired) wr_fetch_sub_relaxed(&state.bytes, m->buffer.bytes);
}

/* True when the pages are to be locked or unlocked now; the bytes then count as they will be. A
   buffer is tried once under each limit. */
static bool decide_locked(struct wr_mapped_buffer *m) {
  size_t bytes = m->buffer.bytes;
  if (m->dying) return false;
  if (m->wired) {
    if (!is_over_limit()) return false;
    wr_fetch_sub_relaxed(&state.bytes, bytes);
    return true;
  }
  if (m->pass == state.pass) return false;
  m->pass = state.pass;
  forgive_locked(m);
  if (!fits(bytes)) return false;
  wr_fetch_add_relaxed(&state.bytes, bytes);
  return true;
}

/* Pages are locked as they are first written, not here: so they are still made by the threads that
   write them, and those that nobody writes are never made. A refusal may come half way. */
static bool lock_pages(const struct wr_buffer *b) {
  if (mlock2(b->data, b->bytes, MLOCK_ONFAULT) == 0) return true;
  munlock(b->data, b->bytes);
  return false;
}

static bool unlock_pages(const struct wr_buffer *b) { return munlock(b->data, b->bytes) == 0; }

/* Does what was decided, without the lock. False when the system refuses. */
static bool change_locked(struct wr_mapped_buffer *m) {
  size_t bytes = m->buffer.bytes;
  wr_mutex_unlock(&state.lock);
  bool done = m->wired ? unlock_pages(&m->buffer) : lock_pages(&m->buffer);
  wr_mutex_lock(&state.lock);
  if (done) {
    m->wired = !m->wired;
  } else if (m->wired) {
    wr_fetch_add_relaxed(&state.bytes, bytes);
  } else {
    wr_fetch_sub_relaxed(&state.bytes, bytes);
    wr_fetch_add_relaxed(&state.refused, bytes);
    m->refused = true;
  }
  return done;
}

/* Brings a buffer that is in no list into agreement with the limit, and puts it where it belongs.
   The lock is released and taken again. False when the system refused to unlock pages. */
static bool follow_limit_locked(struct wr_mapped_buffer *m) {
  bool done = true;
  m->busy = true;
  while (done && decide_locked(m)) done = change_locked(m) || !m->wired;
  m->busy = false;
  if (!m->dying) {
    wr_dlist_append(list_of(m), &m->link);
    return done;
  }
  discount_locked(m);
  wr_mutex_unlock(&state.lock);
  wr_buffer_return(&m->buffer);
  wr_mutex_lock(&state.lock);
  return done;
}

static bool take_and_settle_locked(struct wr_mapped_buffer *m) {
  wr_dlist_remove(list_of(m), &m->link);
  return follow_limit_locked(m);
}

void wr_wired_add(struct wr_mapped_buffer *m) {
  wr_mutex_lock(&state.lock);
  m->generation = state.generation;
  follow_limit_locked(m);
  wr_mutex_unlock(&state.lock);
}

bool wr_wired_remove(struct wr_mapped_buffer *m) {
  wr_mutex_lock(&state.lock);
  bool here = m->generation == state.generation;
  bool busy = here && m->busy;
  if (busy) {
    m->dying = true;
  } else if (here) {
    wr_dlist_remove(list_of(m), &m->link);
    discount_locked(m);
  }
  wr_mutex_unlock(&state.lock);
  return !busy;
}

/* ---- changes of the limit ---- */

/* The first walk ends early when the system will not unlock pages: the next change tries again. The
   second ends at the first buffer that was tried under this limit or a later one. */
static void limit_changed(void) {
  struct wr_mapped_buffer *m;
  wr_mutex_lock(&state.lock);
  uint64_t pass = ++state.pass;
  while (is_over_limit() && (m = first(&state.wired)) && take_and_settle_locked(m)) {
  }
  while ((m = first(&state.loose)) && m->pass < pass) take_and_settle_locked(m);
  wr_mutex_unlock(&state.lock);
}

size_t wr_memory_set_wired_limit(size_t bytes) {
  /* One exchange: of several threads each gets the value that it replaced. */
  size_t old = wr_exchange_acq_rel(&state.limit, (uint64_t)bytes);
  if (old != bytes) limit_changed();
  return old;
}

/* More than a processor addresses is as good as that, and keeps the sum of a hundred million guards
   below 2^64. */
static uint64_t units_of(size_t bytes) {
  uint64_t most = (uint64_t)1 << 47, unit = (uint64_t)1 << UNIT_BITS;
  return ((bytes < most ? bytes : most) + unit - 1) >> UNIT_BITS;
}

void wr_memory_wired_raise(size_t bytes) {
  wr_fetch_add_relaxed(&state.asked, units_of(bytes));
  limit_changed();
}

void wr_memory_wired_lower(size_t bytes) {
  wr_fetch_sub_relaxed(&state.asked, units_of(bytes));
  limit_changed();
}

/* ---- reports ---- */

size_t wr_memory_wired_limit(void) { return limit_now(); }

size_t wr_memory_wired(void) { return wired_bytes(); }

/* Each buffer that fits is tried, so more can be refused than would fit together. */
size_t wr_memory_wired_shortfall(void) {
  uint64_t limit = limit_now(), wired = wired_bytes();
  uint64_t refused = wr_load_relaxed(&state.refused);
  uint64_t room = wired < limit ? limit - wired : 0;
  return refused < room ? refused : room;
}

/* A child has none of its parent's locked pages, and the lists may have been in the middle of a
   change. Buffers of the parent's are left as they are; the child's own are wired. */
void wr_wired_fork_child(void) {
  wr_mutex_init(&state.lock, WR_RANK_ALLOCATOR);
  state.loose = state.wired = (struct wr_dlist){0};
  wr_store_relaxed(&state.bytes, 0u);
  wr_store_relaxed(&state.refused, 0u);
  state.generation++;
}
