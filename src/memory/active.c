/* How many bytes live buffers have, and the most that they ever had, both exact, without a word
   that each small allocation writes.

   Each thread has a credit: bytes that the shared count has ahead of it. Its allocations are paid
   with it and what it frees is added to it, in memory of its own; so

       active bytes = what is counted - all credits.

   A count that is ahead is no maximum. Therefore

       while some thread holds credit, the count is at most the peak.            (1)

   What threads do with their credits then moves the active bytes below the count, below the peak:
   no maximum is missed. How many threads hold credit stands in the count's own word, its highest
   bits, so one compare-and-swap changes the count and knows it.

   The count is raised by an allocation that no credit pays, and for a new credit:
   - to no more than the peak: (1) goes on to hold;
   - to more than the peak where nobody holds credit, and not for credit: the count is exact then,
   and is the new maximum. Else all credits are taken back first (settle_locked), under LOCK, which
   whoever becomes a holder takes too; so there is no holder afterwards until LOCK is released, and
   the second case is there. A reader of the active bytes does the same and reads the count.

   The peak falls by wr_memory_reset_peak alone. Whoever raises the count compares it with the peak
   and may raise that, in more than one step: under the flag of its own credit, or under LOCK where
   it has none. Reset holds LOCK and all flags, so it comes between no two of those steps; and so
   does a reader of the peak, who would else see one that a count already read is above. A peak of 0
   with live buffers is below the count: nobody becomes a holder until an allocation has made a
   peak.

   Where the count stands at the peak and keeps rising, or is read all the time, credits would be
   taken back as often as they are given, which costs more than a word that is shared. So a thread
   from which one was taken back soon is without for a while, each time for twice as long.

   Lock: LOCK, the list's, of rank ALLOCATOR; flags are taken under it, and nothing under a flag.
   tests/model/credit.pml has all of this. */

#include <sched.h>

#include "base/fork.h"
#include "base/lock.h"
#include "memory/credit.h"
#include "memory/internal.h"

enum {
  STEP = WR_CREDIT_MOST / 2, /* taken at a time, and kept of what is too much */
  HOLDERS_MOST = 4000,
  SOON = 64,        /* uses of a credit that cost as much as having it taken back */
  PAUSE_MOST = 4096 /* frees of a thread that is without */
};
#define HOLDER ((uint64_t)1 << 52)
#define BYTES (HOLDER - 1)

static struct wr_list credits = {.lock = WR_MUTEX_INIT(WR_RANK_ALLOCATOR),
                                 .offset = offsetof(struct wr_credit, listed)};

/* ---- flags ---- */

/* A thread for real time that only yielded could keep the holder off its processor for ever. */
void wr_credit_take_flag_slow(struct wr_credit *c) {
  enum { YIELDS = 16, NAP_NS = 20 * 1000 };
  for (int i = 0; wr_exchange_acq_rel(&c->busy, true); i++) {
    if (i < YIELDS) {
      sched_yield();
    } else {
      wr_nap(NAP_NS);
    }
  }
}

/* ---- the count; the caller has its flag, or LOCK ---- */

/* Relaxed, here and below: a word that is behind makes the swap fail, and the peak only rises
   meanwhile. */
static uint64_t word_now(void) { return wr_load_relaxed(&wr_accounts.counted); }
static uint64_t peak_now(void) { return wr_load_relaxed(&wr_accounts.peak); }

static void raise_peak(uint64_t bytes) {
  uint64_t peak = peak_now();
  while (bytes > peak) {
    if (wr_cas_acq_rel(&wr_accounts.peak, &peak, bytes)) return;
  }
}

/* Acquire and release, of all changes: who reads more active bytes sees what was held for them
   (limits.c). */
static bool raise_within_peak(uint64_t bytes) {
  uint64_t word = word_now();
  while ((word & BYTES) + bytes <= peak_now()) {
    if (wr_cas_acq_rel(&wr_accounts.counted, &word, word + bytes)) return true;
  }
  return false;
}

/* For an allocation. False: above the peak, with credits out. */
static bool raise_count(uint64_t bytes) {
  uint64_t word = word_now();
  for (;;) {
    const uint64_t sum = (word & BYTES) + bytes;
    if (word >= HOLDER) return raise_within_peak(bytes);
    if (!wr_cas_acq_rel(&wr_accounts.counted, &word, word + bytes)) continue;
    raise_peak(sum);
    return true;
  }
}

static void lower_count(uint64_t bytes) { wr_fetch_sub_acq_rel(&wr_accounts.counted, bytes); }

/* ---- one thread's credit; the caller has its flag ---- */

static bool is_holder(const struct wr_credit *c) {
  return wr_load_relaxed(&((struct wr_credit *)c)->holder); /* relaxed: see the field */
}

bool wr_credit_pay_slow(struct wr_credit *c, uint64_t bytes) {
  if (!is_holder(c)) return raise_count(bytes);
  const uint64_t more = bytes - c->bytes;
  uint64_t rest = STEP;
  if (!raise_within_peak(more + rest)) {
    if (!raise_within_peak(more)) return false;
    rest = 0;
  }
  c->bytes = rest;
  c->uses++;
  return true;
}

void wr_credit_pay_back_slow(struct wr_credit *c, uint64_t bytes) {
  if (!is_holder(c)) {
    lower_count(bytes);
    if (c->without) c->without--;
    return;
  }
  lower_count(c->bytes + bytes - STEP);
  c->bytes = STEP;
  c->uses++;
}

static void end_credit(struct wr_credit *c) {
  if (!is_holder(c)) return;
  wr_fetch_sub_acq_rel(&wr_accounts.counted, c->bytes + HOLDER);
  c->bytes = 0;
  wr_store_relaxed(&c->holder, false);
}

/* Without for twice as long as the last time, where it has not even paid for what this costs. */
static void take_back(struct wr_credit *c) {
  if (!is_holder(c)) return;
  end_credit(c);
  if (c->uses >= SOON) {
    c->pause = 0;
  } else if (c->pause < PAUSE_MOST) {
    c->pause = 2 * c->pause + 1;
  }
  c->without = c->pause;
}

/* ---- all of them, under LOCK ---- */

static struct wr_credit *next_locked(struct wr_credit *c) {
  return c ? wr_list_next(&credits, c) : wr_list_first(&credits);
}

/* Nobody holds credit until LOCK is released. A flag is left alone where a look without it says
   that the thread holds none: it would need LOCK to become a holder. */
static void settle_locked(void) {
  for (struct wr_credit *c = NULL; word_now() >= HOLDER && (c = next_locked(c));) {
    if (!is_holder(c)) continue;
    wr_credit_take_flag(c);
    take_back(c);
    wr_credit_drop_flag(c);
  }
}

static void take_flags_locked(const struct wr_credit *but) {
  for (struct wr_credit *c = NULL; (c = next_locked(c));) {
    if (c != but) wr_credit_take_flag(c);
  }
}

static void drop_flags_locked(const struct wr_credit *but) {
  for (struct wr_credit *c = NULL; (c = next_locked(c));) {
    if (c != but) wr_credit_drop_flag(c);
  }
}

/* ---- what threads call, with neither flag nor lock ---- */

static void add_slow(uint64_t bytes) {
  wr_mutex_lock(&credits.lock);
  settle_locked();
  raise_count(bytes);
  wr_mutex_unlock(&credits.lock);
}

void wr_active_add(struct wr_credit *own, uint64_t bytes) {
  bool paid = false;
  if (own) {
    wr_credit_take_flag(own);
    paid = wr_credit_pay(own, bytes);
    wr_credit_drop_flag(own);
  }
  if (!paid) add_slow(bytes);
}

void wr_active_sub(struct wr_credit *own, uint64_t bytes) {
  if (!own) {
    lower_count(bytes);
    return;
  }
  wr_credit_take_flag(own);
  wr_credit_pay_back(own, bytes);
  wr_credit_drop_flag(own);
}

/* The count may rise meanwhile, which the swap finds; the peak does not fall, under LOCK. */
static bool may_hold(uint64_t word) {
  return (word & BYTES) <= peak_now() && word / HOLDER < HOLDERS_MOST;
}

static bool enter_locked(void) {
  uint64_t word = word_now();
  while (may_hold(word)) {
    if (wr_cas_acq_rel(&wr_accounts.counted, &word, word + HOLDER)) return true;
  }
  return false;
}

void wr_credit_begin(struct wr_credit *c) {
  if (!may_hold(word_now())) return; /* a guess, for the lock's sake */
  wr_mutex_lock(&credits.lock);
  wr_credit_take_flag(c);
  if (enter_locked()) {
    wr_store_relaxed(&c->holder, true);
    c->uses = 0;
  }
  wr_credit_drop_flag(c);
  wr_mutex_unlock(&credits.lock);
}

void wr_credit_open(struct wr_credit *c) { wr_list_enter(&credits, c); }

void wr_credit_close(struct wr_credit *c) {
  wr_credit_take_flag(c);
  end_credit(c);
  wr_credit_drop_flag(c);
  wr_list_leave(&credits, c);
}

void wr_credits_lock(void) { wr_mutex_lock(&credits.lock); }
void wr_credits_unlock(void) { wr_mutex_unlock(&credits.lock); }
struct wr_credit *wr_credits_next_locked(struct wr_credit *c) {
  return next_locked(c);
}

/* ---- readers ---- */

/* Acquire: see raise_within_peak. */
static uint64_t word_acquired(void) { return wr_load_acquire(&wr_accounts.counted); }

uint64_t wr_active_at_most(void) { return word_acquired() & BYTES; }

uint64_t wr_active_at_least(void) {
  const uint64_t word = word_acquired(), out = (word / HOLDER) * WR_CREDIT_MOST;
  return (word & BYTES) > out ? (word & BYTES) - out : 0;
}

uint64_t wr_active_bytes(void) {
  uint64_t word = word_acquired();
  if (word < HOLDER) return word;
  wr_mutex_lock(&credits.lock);
  settle_locked();
  word = word_acquired();
  wr_mutex_unlock(&credits.lock);
  return word;
}

size_t wr_memory_peak(void) {
  wr_mutex_lock(&credits.lock);
  take_flags_locked(NULL);
  const uint64_t peak = peak_now();
  drop_flags_locked(NULL);
  wr_mutex_unlock(&credits.lock);
  return peak;
}

void wr_memory_reset_peak(void) {
  wr_mutex_lock(&credits.lock);
  take_flags_locked(NULL);
  for (struct wr_credit *c = NULL; (c = next_locked(c));) take_back(c);
  wr_store_relaxed(&wr_accounts.peak, 0u);
  drop_flags_locked(NULL);
  wr_mutex_unlock(&credits.lock);
}

/* ---- forks ---- */

/* All flags but its own are the forking thread's, so that each credit and each magazine is whole in
   the child. */
static void take_flags(void) { take_flags_locked(wr_magazine_credit()); }
static void drop_flags(void) { drop_flags_locked(wr_magazine_credit()); }

/* The other threads are gone, and so are their credits; what is counted is exact then. Called by
   the row of cache.c, with LOCK held. */
uint64_t wr_active_fork_child(void) {
  struct wr_credit *own = wr_magazine_credit();
  for (struct wr_credit *c = NULL; (c = next_locked(c));) end_credit(c);
  credits.first = NULL;
  if (own) wr_listed_enter(&own->listed, &credits.first);
  return word_now();
}

/* The flags are taken under the lock: two rows, the second behind the first. */
__attribute__((constructor)) static void watch_forks(void) {
  static struct wr_fork_row locks = {.rank = WR_RANK_ALLOCATOR, .lock = &credits.lock};
  static struct wr_fork_row flags = {
      .rank = WR_RANK_ALLOCATOR, .before = take_flags, .parent = drop_flags};
  wr_fork_register(&locks);
  wr_fork_register(&flags);
}
