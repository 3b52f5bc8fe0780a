/* Completions: see completion.h for the states and why no wake-up is lost. */

#include "stream/completion.h"

#include <stddef.h>

#include "base/doing.h"
#include "base/lock.h"
#include "stream/timeline.h"

/* LAZY: it was taken back. */
static bool is_reached(enum wr_phase phase, enum wr_phase want) {
  return phase >= want || phase == WR_PHASE_LAZY;
}

bool wr_completion_claim(struct wr_completion *c, uint32_t owner) {
  uint64_t found = wr_load_relaxed(&c->state);
  wr_torture_point();
  while ((found & WR_PHASE_MASK) == WR_PHASE_LAZY) {
    /* Acq_rel: the winner reads edges that the recorder wrote, and others see that it won. */
    uint64_t claimed = (found % WR_PHASE_GENERATION) + WR_PHASE_CLAIMED +
                       wr_fork_generation * WR_PHASE_GENERATION + owner * WR_PHASE_OWNER;
    if (wr_cas_acq_rel(&c->state, &found, claimed)) return true;
  }
  return false;
}

bool wr_completion_mark_submitted(struct wr_completion *c) {
  /* Adding keeps the WAITERS bit. Release: the queue that holds the work is visible to whoever
     reads SUBMITTED; acquire: see the waiters behind the bit. */
  wr_torture_point();
  uint64_t old = wr_fetch_add_acq_rel(&c->state, WR_PHASE_SUBMITTED - WR_PHASE_CLAIMED);
  return (old & WR_PHASE_WAITERS) != 0;
}

uint64_t wr_completion_raise(struct wr_completion *c, enum wr_phase phase) {
  /* Release: value or error before the phase. Acquire: the waiters pushed before the bit. */
  wr_torture_point();
  uint64_t old = wr_exchange_acq_rel(&c->state, (uint64_t)phase);
  wr_torture_point();
  return old;
}

bool wr_completion_tell(struct wr_completion *c, uint64_t raised) {
  if (raised & WR_PHASE_WAITERS) wr_completion_flush(c);
  return (raised & WR_PHASE_PINNED) != 0;
}

bool wr_completion_finish(struct wr_completion *c, enum wr_phase phase) {
  return wr_completion_tell(c, wr_completion_raise(c, phase));
}

bool wr_completion_pin(struct wr_completion *c) {
  uint64_t found = wr_load_relaxed(&c->state);
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
  uint64_t old = wr_fetch_and_acq_rel(&c->state, ~(uint64_t)WR_PHASE_PINNED);
  return (old & WR_PHASE_MASK) >= WR_PHASE_DONE;
}

static void push(struct wr_completion *c, struct wr_waiter *w) {
  struct wr_waiter *head = wr_load_relaxed(&c->waiters);
  do {
    w->next = head;
    /* Release: whoever takes the list sees `next`. */
  } while (!wr_cas_weak_release(&c->waiters, &head, w));
}

bool wr_completion_enlist(struct wr_completion *c, struct wr_waiter *waiter) {
  enum wr_phase want = waiter->want;
  push(c, waiter);
  wr_torture_point();
  /* Acq_rel: the read-modify-write of the argument in completion.h. The waiter may be gone from
     here on. */
  uint64_t old = wr_fetch_or_acq_rel(&c->state, (uint64_t)WR_PHASE_WAITERS);
  return is_reached((enum wr_phase)(old & WR_PHASE_MASK), want);
}

void wr_completion_await(struct wr_completion *c, struct wr_waiter *waiter) {
  if (wr_completion_enlist(c, waiter)) wr_completion_flush(c);
}

void wr_completion_flush(struct wr_completion *c) {
  struct wr_waiter *list = wr_exchange_acq_rel(&c->waiters, NULL);
  wr_torture_point();
  while (list) {
    struct wr_waiter *w = list;
    list = w->next;
    if (is_reached(wr_completion_phase(c), w->want)) {
      w->fire(w);
    } else {
      wr_completion_await(c, w);
    }
  }
}

/* ---- taking back ---- */

bool wr_completion_share_slow(struct wr_completion *c, uint32_t owner) {
  uint64_t found = wr_load_acquire(&c->state);
  wr_torture_point();
  for (;;) {
    enum wr_phase phase = (enum wr_phase)(found & WR_PHASE_MASK);
    if (phase == WR_PHASE_LAZY) return false;
    uint64_t of = found / WR_PHASE_OWNER;
    if (phase >= WR_PHASE_DONE || of == 0 || of == owner || found & WR_PHASE_SHARED) return true;
    /* Acq_rel: one order with take_back's, and what the phase publishes. */
    if (wr_cas_acq_rel(&c->state, &found, found | WR_PHASE_SHARED)) return true;
  }
}

/* Who waits for no more than the phase that it has is told; the others wait on. */
static void give_back(struct wr_completion *c, uint64_t found, struct wr_waiter *list,
                      struct wr_waiter **told) {
  while (list) {
    struct wr_waiter *w = list;
    list = w->next;
    if (is_reached((enum wr_phase)(found & WR_PHASE_MASK), w->want)) {
      w->next = *told;
      *told = w;
    } else {
      (void)wr_completion_enlist(c, w); /* not reached before the caller lets it be */
    }
  }
}

static void put_before(struct wr_waiter *list, struct wr_waiter **others) {
  struct wr_waiter **end = &list;
  while (*end) end = &(*end)->next;
  *end = *others;
  *others = list;
}

/* Of what nobody waits for or shares, which is most: one step. A waiter that comes into the list
   before it sets WAITERS after it, and finds LAZY, or what was claimed anew, for which it waits. */
static bool take_back_alone(struct wr_completion *c) {
  uint64_t found = wr_load_relaxed(&c->state);
  if (found & (WR_PHASE_WAITERS | WR_PHASE_SHARED)) return false;
  wr_torture_point();
  /* Release: as below. */
  return wr_cas_acq_rel(&c->state, &found, found & WR_PHASE_PINNED);
}

/* Takes the list before the phase falls: afterwards another planner may have claimed it, and its
   waiters are not ours. WAITERS is cleared before the list is taken: so who comes between that and
   the fall sets the bit again, which changes the word, and who comes later finds it LAZY. */
bool wr_completion_take_back(struct wr_completion *c, struct wr_waiter **waiters) {
  struct wr_waiter *mine = NULL;
  uint64_t found;
  if (take_back_alone(c)) return true;
  do {
    /* Acquire: the waiters pushed before the bit, and one order with share. */
    found = wr_fetch_and_acq_rel(&c->state, ~(uint64_t)WR_PHASE_WAITERS);
    found &= ~(uint64_t)WR_PHASE_WAITERS;
    wr_torture_point();
    put_before(wr_exchange_acq_rel(&c->waiters, NULL), &mine);
    if (found & WR_PHASE_SHARED) {
      give_back(c, found, mine, waiters);
      return false;
    }
    wr_torture_point();
    /* Release: whoever claims it next reads what this thread wrote. PINNED is the pinner's. */
  } while (!wr_cas_acq_rel(&c->state, &found, found & WR_PHASE_PINNED));
  put_before(mine, waiters);
  return true;
}

void wr_completion_fire(struct wr_waiter *waiters) {
  while (waiters) {
    struct wr_waiter *w = waiters;
    waiters = w->next;
    w->fire(w);
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
  const uint64_t begin = wr_timeline_begin();
  struct wr_doing *doing = wr_doing_begin(WR_DOING_WAIT, c, NULL, NULL);
  wr_cond_init(&p.wake);
  wr_completion_await(c, &p.waiter);
  wr_mutex_lock(&p.lock);
  while (!p.fired) wr_cond_wait(&p.wake, &p.lock);
  wr_mutex_unlock(&p.lock);
  wr_doing_end(doing);
  wr_cond_destroy(&p.wake);
  wr_mutex_destroy(&p.lock);
  wr_timeline_put_span(WR_SPAN_PARK, begin, 0, NULL);
}
