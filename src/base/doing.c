/* The table of what threads are at; see doing.h.

   The word of an entry: 0 is free, BUSY is being written, else its kind and, above that, how often
   it was used. Who takes an entry changes 0 to BUSY, by a compare-and-swap; so it alone writes the
   fields. It publishes them with the word. Who looks reads the word, the fields and the word again:
   equal words mean one use of the entry, whose fields were written before the first look (acquire)
   and not since: each new use changes the word before it writes. The fields are read with acquire,
   so that the second look at the word comes behind them; and who sees a field of a later use may
   still see the old word, so the fields are written with release, behind the BUSY of that use. Only
   its thread ends an entry. No locks. */

#include "base/doing.h"

#include <pthread.h>

#include "base/atomic.h"
#include "base/base.h"
#include "base/fork.h"
#include "base/lock.h"

enum { KIND_BITS = 8, BUSY = (1 << KIND_BITS) - 1, TRIES = 64 };

struct wr_doing {
  wr_atomic_u64 word; /* atomic ACQ_REL; see above */
  uint64_t uses;      /* who has taken the entry only */
  wr_atomic_ptr of;   /* atomic ACQ_REL, all below */
  wr_atomic_ptr on;
  wr_atomic_ptr text;
  wr_atomic_u64 since;
  wr_atomic_u64 thread;
  wr_atomic_u32 thread_id;
};

static struct wr_doing table[WR_DOING_ENTRIES];
static wr_atomic_u64 missed; /* atomic RELAXED: a number by itself */

/* Threads begin at places of their own. */
static struct wr_doing *take(uintptr_t thread) {
  const unsigned from = (unsigned)((thread >> 12) * 0x9e3779b1u >> 16);
  for (unsigned i = 0; i < TRIES; i++) {
    struct wr_doing *e = &table[(from + i) % WR_DOING_ENTRIES];
    uint64_t free = 0;
    if (wr_load_relaxed(&e->word) == 0 && wr_cas_acq_rel(&e->word, &free, (uint64_t)BUSY)) return e;
  }
  wr_fetch_add_relaxed(&missed, UINT64_C(1));
  return NULL;
}

struct wr_doing *wr_doing_begin(enum wr_doing_kind kind, const void *of, const void *on,
                                const char *text) {
  const uintptr_t thread = (uintptr_t)pthread_self();
  struct wr_doing *e = take(thread);
  if (!e) return NULL;
  e->uses++;
  wr_store_release(&e->of, (void *)(uintptr_t)of);
  wr_store_release(&e->on, (void *)(uintptr_t)on);
  wr_store_release(&e->text, (void *)(uintptr_t)text);
  wr_store_release(&e->since, wr_clock_coarse_ns());
  wr_store_release(&e->thread, (uint64_t)thread);
  wr_store_release(&e->thread_id, (uint32_t)wr_thread_os_id());
  wr_store_release(&e->word, e->uses << KIND_BITS | (uint64_t)kind); /* release: the fields */
  return e;
}

void wr_doing_end(struct wr_doing *e) {
  if (e) wr_store_release(&e->word, UINT64_C(0)); /* release: `uses`, to who takes it next */
}

void wr_doing_look(int i, struct wr_doing_look *look) {
  struct wr_doing *e = &table[i];
  const uint64_t word = wr_load_acquire(&e->word);
  const uint64_t kind = word & BUSY;
  *look = (struct wr_doing_look){.kind = WR_DOING_NOTHING};
  if (kind == WR_DOING_NOTHING || kind >= WR_DOING_KINDS) return;
  struct wr_doing_look found = {.kind = (enum wr_doing_kind)kind,
                                .of = wr_load_acquire(&e->of),
                                .on = wr_load_acquire(&e->on),
                                .text = wr_load_acquire(&e->text),
                                .since = wr_load_acquire(&e->since),
                                .thread = (uintptr_t)wr_load_acquire(&e->thread),
                                .thread_id = wr_load_acquire(&e->thread_id)};
  if (wr_load_relaxed(&e->word) == word) *look = found;
}

uint64_t wr_doing_missed(void) { return wr_load_relaxed(&missed); }

/* Of the parent's threads there is one here, which may be inside a function of the user's. */
static void forget_in_child(void) {
  const uint64_t self = (uint64_t)(uintptr_t)pthread_self();
  for (int i = 0; i < WR_DOING_ENTRIES; i++) {
    struct wr_doing *e = &table[i];
    const bool own = wr_load_relaxed(&e->thread) == self && wr_load_relaxed(&e->word) != BUSY;
    if (!own) wr_store_relaxed(&e->word, UINT64_C(0));
    if (own) wr_store_relaxed(&e->thread_id, (uint32_t)wr_thread_os_id());
  }
}

WR_AT_FORK(.rank = WR_RANK_NONE, .child = forget_in_child)
