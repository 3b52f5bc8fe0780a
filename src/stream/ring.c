/* Rings: see ring.h. An entry stands in the queue of its ring from deliver until one thread takes
   it, or the ring is closed. Lock: EVENT, each ring's own, held for a few stores and, where the
   queue begins or ceases to be empty, for the one system call that makes the descriptor readable or
   not: so it is readable exactly while there is something to take, and each change from empty to
   not is an edge.

   Sleepers. Each delivery signals one of them, if there is one. A thread that was woken and finds
   that another one has taken what it was woken for sleeps on; one that leaves at its deadline looks
   once more first. So an entry is never left in the queue while a thread sleeps that was not
   signalled for it or for one before.

   Forks (K11). All rings stand in a list. In the child each has a new lock, an empty queue, and, if
   it had a descriptor, a new one with the same number. Entries of the parent, in flight or in the
   queue, are never looked at again there; what they hold references to is kept by them for good.
   The list's lock, of rank REGISTRY, is held with no other. */

#include "stream/ring.h"

#include "base/base.h"
#include "base/fork.h"
#include "base/list.h"
#include "stream/descriptor.h"
#include "stream/internal.h"

struct wr_ring {
  struct wr_kind_word kind;
  wr_atomic_u32 refs; /* atomic ACQ_REL */
  struct wr_listed listed;
  struct wr_mutex lock;
  struct wr_cond wake;         /* with LOCK */
  struct wr_ring_entry *first; /* under LOCK */
  struct wr_ring_entry *last;  /* under LOCK; of a queue that is not empty */
  int sleepers;                /* under LOCK */
  int fd;                      /* under LOCK; -1: nobody has asked */
  bool closed;                 /* under LOCK */
};

static struct wr_list list = {.lock = WR_MUTEX_INIT(WR_RANK_REGISTRY),
                              .offset = offsetof(struct wr_ring, listed)};

static void begin_in_child(void) {
  for (struct wr_ring *r = wr_list_first(&list); r; r = wr_list_next(&list, r)) {
    wr_mutex_init(&r->lock, WR_RANK_EVENT);
    wr_cond_init(&r->wake);
    r->first = NULL;
    r->sleepers = 0;
    if (r->fd >= 0) r->fd = wr_descriptor_anew(r->fd);
  }
}

WR_AT_FORK(.rank = WR_RANK_REGISTRY, .lock = &list.lock, .child = begin_in_child)

/* ---- life ---- */

struct wr_error *wr_ring_new(struct wr_ring **out) {
  struct wr_ring *r = wr_alloc(sizeof *r);
  if (!r) return wr_error_out_of_memory();
  *r = (struct wr_ring){.fd = -1};
  wr_kind_begin(&r->kind, WR_KIND_RING);
  wr_store_relaxed(&r->refs, 1u); /* relaxed: not yet shared */
  wr_mutex_init(&r->lock, WR_RANK_EVENT);
  wr_cond_init(&r->wake);
  wr_list_enter(&list, r);
  *out = r;
  return NULL;
}

struct wr_ring *wr_ring_retain(struct wr_ring *r) {
  wr_ref_take(&r->refs);
  return r;
}

void wr_ring_release(struct wr_ring *r) {
  if (!wr_ref_drop(&r->refs)) return;
  wr_list_leave(&list, r);
  wr_cond_destroy(&r->wake);
  wr_mutex_destroy(&r->lock);
  wr_free(r);
}

static void drop_all(struct wr_ring_entry *entries) {
  while (entries) {
    struct wr_ring_entry *entry = entries;
    entries = entry->next;
    wr_error_release(entry->error);
    entry->drop(entry);
  }
}

void wr_ring_close_take(struct wr_ring *r) {
  if (!r) return;
  wr_mutex_lock(&r->lock);
  struct wr_ring_entry *left = r->first;
  r->first = NULL;
  r->closed = true;
  wr_descriptor_close(r->fd);
  r->fd = -1;
  wr_mutex_unlock(&r->lock);
  drop_all(left);
  wr_ring_release(r);
}

/* ---- the queue ---- */

static void append_locked(struct wr_ring *r, struct wr_ring_entry *entry) {
  entry->next = NULL;
  if (r->first) {
    r->last->next = entry;
  } else {
    r->first = entry;
    if (r->fd >= 0) wr_descriptor_raise(r->fd);
  }
  r->last = entry;
  if (r->sleepers > 0) wr_cond_signal(&r->wake);
}

/* The entry may have been taken and dropped, and with it a reference to the ring, once the lock is
   let go of: the caller's reference is what keeps the ring. */
void wr_ring_deliver(struct wr_ring *r, struct wr_ring_entry *entry) {
  wr_torture_point();
  wr_mutex_lock(&r->lock);
  const bool closed = r->closed;
  if (!closed) append_locked(r, entry);
  wr_mutex_unlock(&r->lock);
  if (!closed) return;
  entry->next = NULL;
  drop_all(entry);
}

static void wait_locked(struct wr_ring *r, uint64_t deadline_ns) {
  bool in_time = true;
  r->sleepers++;
  while (!r->first && in_time) in_time = wr_cond_wait_until(&r->wake, &r->lock, deadline_ns);
  r->sleepers--;
}

static struct wr_ring_entry *take_locked(struct wr_ring *r, size_t n) {
  struct wr_ring_entry *taken = r->first, **end = &taken;
  for (size_t i = 0; i < n && *end; i++) end = &(*end)->next;
  r->first = *end;
  *end = NULL;
  if (taken && !r->first && r->fd >= 0) wr_descriptor_clear(r->fd);
  return taken;
}

struct wr_ring_entry *wr_ring_take(struct wr_ring *r, size_t n, uint64_t deadline_ns) {
  (void)wr_pool_ensure_worker();
  if (n == 0) return NULL;
  wr_mutex_lock(&r->lock);
  if (!r->first && deadline_ns > wr_clock_ns()) wait_locked(r, deadline_ns);
  struct wr_ring_entry *taken = take_locked(r, n);
  wr_mutex_unlock(&r->lock);
  return taken;
}

bool wr_ring_has_worker(void) { return wr_pool_ensure_worker(); }

struct wr_error *wr_ring_fd(struct wr_ring *r, int *fd) {
  struct wr_error *error = NULL;
  (void)wr_pool_ensure_worker();
  wr_mutex_lock(&r->lock);
  if (r->fd < 0) {
    error = wr_descriptor_new(&r->fd);
    if (r->fd >= 0 && r->first) wr_descriptor_raise(r->fd);
  }
  *fd = r->fd;
  wr_mutex_unlock(&r->lock);
  return error;
}
