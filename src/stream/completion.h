#ifndef WR_STREAM_COMPLETION_H
#define WR_STREAM_COMPLETION_H

/* A completion: the state of a piece of work, and the list of those who wait for it. Nodes,
   markers and whatever else is waited for embed one. It takes no lock.

   The state word
     bits 0-2  the phase, which only rises: LAZY, CLAIMED, SUBMITTED, then DONE or FAILED.
               LAZY -> CLAIMED: by the planner whose compare-and-swap wins (ACQ_REL: it then reads
               the edges). CLAIMED -> SUBMITTED: by the submitter, under the stream's lock, after
               the work stands in the stream's queue. -> DONE or FAILED: by whoever ran it, after
               value or error is written (RELEASE); readers load with ACQUIRE.
     bit 3     WAITERS: the list may be non-empty. Set by await, cleared by finish.
     bit 4     PINNED: a thread that waits has borrowed what is dropped at the end (a node's
   stream). Set by pin, while SUBMITTED and by one thread at a time; finish reads it and then leaves
   that reference to the pinner; unpin learns from the phase that it did.

     bits 8-31 the generation of the process that claimed it: how many forks lie between the first
               process that loaded the library and this one. In a child, what was claimed in the
               parent and is not over is lost: the threads that would finish it are not there, nor
               are its waiters, whose memory may be used for something else. Set by claim, and gone
               with finish.

   Why no wake-up is lost. await puts its waiter into the list, then sets WAITERS by a
   read-modify-write of the state word. mark_submitted and finish change the phase by a
   read-modify-write of the same word. One of these two operations comes first. If it is await's,
   the other reads WAITERS and, since await's is a release, sees the waiter in the list. If it is
   the other, await reads the new phase and flushes the list itself. A list is taken as a whole, by
   an exchange, so each waiter is in the hands of one thread and fires exactly once. */

#include <stdbool.h>

#include "base/atomic.h"
#include "base/fork.h"

enum wr_phase {
  WR_PHASE_LAZY,
  WR_PHASE_CLAIMED,
  WR_PHASE_SUBMITTED,
  WR_PHASE_DONE,
  WR_PHASE_FAILED,
  WR_PHASE_MASK = 7,
  WR_PHASE_WAITERS = 8,
  WR_PHASE_PINNED = 16,
  WR_PHASE_GENERATION = 256 /* times the generation */
};

struct wr_waiter {
  struct wr_waiter *next;           /* who has taken the list only */
  enum wr_phase want;               /* immutable after publish: SUBMITTED or DONE (over) */
  void (*fire)(struct wr_waiter *); /* immutable after publish; called once, no lock held; may run
                                       inside await */
};

struct wr_completion {
  wr_atomic_u32 state;                 /* atomic ACQ_REL; see above */
  _Atomic(struct wr_waiter *) waiters; /* atomic ACQ_REL; a stack */
};

static inline void wr_completion_init(struct wr_completion *c, enum wr_phase phase) {
  wr_store_relaxed(&c->state, (uint32_t)phase);
  wr_store_relaxed(&c->waiters, NULL);
}

static inline enum wr_phase wr_completion_phase(const struct wr_completion *c) {
  /* Acquire: pairs with finish, so that the value behind DONE is visible. */
  return (enum wr_phase)(wr_load_acquire(&((struct wr_completion *)c)->state) & WR_PHASE_MASK);
}

static inline bool wr_completion_over(const struct wr_completion *c) {
  return wr_completion_phase(c) >= WR_PHASE_DONE;
}

/* True when it was claimed in a parent of this process, and can no more be over. */
static inline bool wr_completion_lost(const struct wr_completion *c) {
  uint32_t found = wr_load_acquire(&((struct wr_completion *)c)->state);
  uint32_t phase = found & WR_PHASE_MASK;
  return (phase == WR_PHASE_CLAIMED || phase == WR_PHASE_SUBMITTED) &&
         found / WR_PHASE_GENERATION != wr_fork_generation;
}

/* LAZY -> CLAIMED; true when this call made the change. */
bool wr_completion_claim(struct wr_completion *c);
/* CLAIMED -> SUBMITTED without firing; true when somebody waits: the caller, who keeps the
   completion alive, must then call wr_completion_flush once no lock is held. */
bool wr_completion_mark_submitted(struct wr_completion *c);
/* Raises the phase to DONE or FAILED and fires. The caller keeps the completion alive meanwhile.
   True when a pinner has taken over what would be dropped now. */
bool wr_completion_finish(struct wr_completion *c, enum wr_phase phase);
/* The same in two steps: the first raises the phase, the second fires. */
uint32_t wr_completion_raise(struct wr_completion *c, enum wr_phase phase);
bool wr_completion_tell(struct wr_completion *c, uint32_t raised);
/* Arranges for the waiter to fire once its phase is reached, perhaps before this returns. */
void wr_completion_await(struct wr_completion *c, struct wr_waiter *waiter);
/* Pins while SUBMITTED; false in any other phase, or when another thread has pinned. */
bool wr_completion_pin(struct wr_completion *c);
/* Ends a pin; true when the work is over and the pinner must drop what finish left to it. */
bool wr_completion_unpin(struct wr_completion *c);
/* Fires all waiters whose phase is reached. */
void wr_completion_flush(struct wr_completion *c);
/* Blocks the calling thread until that phase is reached (SUBMITTED or DONE). Never called with a
   lock held. */
void wr_completion_park(struct wr_completion *c, enum wr_phase want);

#endif
