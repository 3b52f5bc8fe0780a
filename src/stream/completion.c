/* Completions: see completion.h for the states and why no wake-up is lost. */

#include "stream/completion.h"

#include <stddef.h>

#include "base/lock.h"

static bool reached(const struct wr_completion *c, const struct wr_waiter *w) {
  return wr_completion_phase(c) >= w->want;
}

bool wr_completion_claim(struct wr_completion *c) {
  uint32_t found = wr_load_relaxed(&c->state);
  wr_torture_point();
  while ((found & WR_PHASE_MASK) == WR_PHASE_LAZY) {
    /* Acq_rel: the winner reads edges that the recorder wrote, and others see that it won. */
    uint32_t claimed =
        (found % WR_PHASE_GENERATION) + WR_PHASE_CLAIMED + wr_fork_generation * WR_PHASE_GENERATION;
    if (wr_cas_acq_rel(&c->state, &found, claimed)) return true;
  }
  return false;
}

bool wr_completion_mark_submitted(struct wr_completion *c) {
  /* Adding keeps the WAITERS bit. Release: the queue that holds the work is visible to whoever
     reads SUBMITTED; acquire: see the waiters behind the bit. */
  wr_torture_point();
  uint32_t old = wr_fetch_add_acq_rel(&c->state, WR_PHASE_SUBMITTED - WR_PHASE_CLAIMED);
  return (old & WR_PHASE_WAITERS) != 0;
}

uint32_t wr_completion_raise(struct wr_completion *c, enum wr_phase phase) {
  /* Release: value or error before the phase. Acquire: the waiters pushed before the bit. */
  wr_torture_point();
  uint32_t old = wr_exchange_acq_rel(&c->state, (uint32_t)phase);
  wr_torture_point();
  return old;
}

bool wr_completion_tell(struct wr_completion *c, uint32_t raised) {
  if (raised & WR_PHASE_WAITERS) wr_completion_flush(c);
  return (raised & WR_PHASE_PINNED) != 0;
}

bool wr_completion_finish(struct wr_completion *c, enum wr_phase phase) {
  return wr_completion_tell(c, wr_completion_raise(c, phase));
}

bool wr_completion_pin(struct wr_completion *c) {
  uint32_t found = wr_load_relaxed(&c->state);
  while ((found & (WR_PHASE_MASK | WR_PHASE_PINNED)) == WR_PHASE_SUBMITTED) {
    /* Acquire: the stream pointer, written before SUBMITTED. */
    if (wr_cas_acq_rel(&c->state, &found, found | WR_PHASE_PINNED)) return true;
  }
  return false;
}

bool wr_completion_unpin(struct wr_completion *c) {
  /* One order of this and finish's exchange: whichever is second sees the other. Finish clears the
     bit, so a pin never outlives its pinner. */
  wr_torture_point();
  uint32_t old = wr_fetch_and_acq_rel(&c->state, ~(uint32_t)WR_PHASE_PINNED);
  return (old & WR_PHASE_MASK) >= WR_PHASE_DONE;
}

static void push(struct wr_completion *c, struct wr_waiter *w) {
  struct wr_waiter *head = wr_load_relaxed(&c->waiters);
  do {
    w->next = head;
    /* Release: whoever takes the list sees `next`. */
  } while (!wr_cas_weak_release(&c->waiters, &head, w));
}

void wr_completion_await(struct wr_completion *c, struct wr_waiter *waiter) {
  enum wr_phase want = waiter->want;
  push(c, waiter);
  wr_torture_point();
  /* Acq_rel: the read-modify-write of the argument in completion.h. The waiter may be gone from
     here on. */
  uint32_t old = wr_fetch_or_acq_rel(&c->state, (uint32_t)WR_PHASE_WAITERS);
  if ((enum wr_phase)(old & WR_PHASE_MASK) >= want) wr_completion_flush(c);
}

void wr_completion_flush(struct wr_completion *c) {
  struct wr_waiter *list = wr_exchange_acq_rel(&c->waiters, NULL);
  wr_torture_point();
  while (list) {
    struct wr_waiter *w = list;
    list = w->next;
    if (reached(c, w)) {
      w->fire(w);
    } else {
      wr_completion_await(c, w);
    }
  }
}

/* A parked thread: on its stack, and safe there, because fire holds the mutex until its last touch
   and the thread leaves only after it has taken the mutex and seen `fired`. */
struct parked {
  struct wr_waiter waiter;
  struct wr_mutex lock;
  struct wr_cond wake;
  bool fired; /* under LOCK */
};

static void unpark(struct wr_waiter *w) {
  struct parked *p = (struct parked *)w;
  wr_mutex_lock(&p->lock);
  p->fired = true;
  wr_cond_signal(&p->wake);
  wr_mutex_unlock(&p->lock);
}

void wr_completion_park(struct wr_completion *c, enum wr_phase want) {
  struct parked p = {.waiter = {.want = want, .fire = unpark},
                     .lock = WR_MUTEX_INIT(WR_RANK_EVENT),
                     .fired = false};
  wr_cond_init(&p.wake);
  wr_completion_await(c, &p.waiter);
  wr_mutex_lock(&p.lock);
  while (!p.fired) wr_cond_wait(&p.wake, &p.lock);
  wr_mutex_unlock(&p.lock);
  wr_cond_destroy(&p.wake);
  wr_mutex_destroy(&p.lock);
}
