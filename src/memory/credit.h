#ifndef WR_MEMORY_CREDIT_H
#define WR_MEMORY_CREDIT_H

/* Threads' shares in the count of active bytes, which active.c explains. A credit stands at the
   head of its thread's magazine, whose flag is its own: an allocation is paid as its buffer is
   taken. */

#include "base/atomic.h"
#include "base/base.h"
#include "base/list.h"

/* More is given back. */
enum { WR_CREDIT_MOST = WR_TORTURED ? 512 : 128 << 10 };

struct wr_credit {
  wr_atomic_bool busy; /* atomic ACQ_REL: the flag, taken by its thread and by who takes it back */
  wr_atomic_bool holder;   /* atomic RELAXED; set under LOCK and the flag, cleared under the flag */
  uint32_t uses;           /* under the flag; since it became a holder */
  uint32_t without;        /* under the flag; frees until it may become one */
  uint32_t pause;          /* under the flag; what `without` was when credit was taken back last */
  uint64_t bytes;          /* under the flag; 0 but in a holder */
  struct wr_listed listed; /* under LOCK */
};

void wr_credit_take_flag_slow(struct wr_credit *c);
/* Acquire: see what the flag's last holder did. */
static inline void wr_credit_take_flag(struct wr_credit *c) {
  if (wr_exchange_acq_rel(&c->busy, true)) wr_credit_take_flag_slow(c);
}
/* Release: pairs with the next holder's acquire. */
static inline void wr_credit_drop_flag(struct wr_credit *c) { wr_store_release(&c->busy, false); }

/* ---- its thread, with its flag ---- */

/* Counts an allocation. False: it is to be counted by wr_active_add, without the flag. */
bool wr_credit_pay_slow(struct wr_credit *c, uint64_t bytes);
static inline bool wr_credit_pay(struct wr_credit *c, uint64_t bytes) {
  if (c->bytes < bytes) return wr_credit_pay_slow(c, bytes);
  c->bytes -= bytes;
  c->uses++;
  return true;
}
/* Counts a free. */
void wr_credit_pay_back_slow(struct wr_credit *c, uint64_t bytes);
static inline void wr_credit_pay_back(struct wr_credit *c, uint64_t bytes) {
  bool holder = wr_load_relaxed(&c->holder);
  if (!holder || c->bytes + bytes > WR_CREDIT_MOST) {
    wr_credit_pay_back_slow(c, bytes);
  } else {
    c->bytes += bytes;
    c->uses++;
  }
}
/* Whether it is time to call wr_credit_begin, without the flag. */
static inline bool wr_credit_is_due(const struct wr_credit *c) {
  return !c->without && !wr_load_relaxed(&((struct wr_credit *)c)->holder);
}

/* ---- its thread, without ---- */

void wr_credit_open(struct wr_credit *c);  /* all zeros before; it is known from then on */
void wr_credit_close(struct wr_credit *c); /* and from then on no more */
void wr_credit_begin(struct wr_credit *c); /* to hold, if that may be */

/* ---- all, in no order ---- */

void wr_credits_lock(void);
void wr_credits_unlock(void);
struct wr_credit *wr_credits_next_locked(struct wr_credit *c); /* NULL: the first; at the end */

#endif
