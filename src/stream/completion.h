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
     bit 3     WAITERS: the list may be non-empty. Set by await, cleared by finish and take_back.
     bit 4     PINNED: a thread that waits has borrowed what is dropped at the end, a node's stream.
               Set by pin, while SUBMITTED and by one thread at a time; finish reads it and then
               leaves that reference to the pinner; unpin learns from the phase that it did.
     bit 5     SHARED: somebody needs it whom the owner's request (below) is nothing to, so it is
               not taken back. Set by share, while CLAIMED or SUBMITTED.
     bits 8-31 the generation of the process that claimed it: how many forks lie between the first
               process that loaded the library and this one. In a child, what was claimed in the
               parent and is not over is lost: the threads that would finish it are not there, nor
               are its waiters, whose memory may be used for something else. Set by claim, and gone
               with finish.
     bits 32-63 the owner: the number of the request (request.h) that it was claimed for; 0: none.
               Set by claim, and gone with finish or take_back.

   Taking back: CLAIMED or SUBMITTED -> LAZY, by who has it, the claimer or, under the request's
   lock, who ends the request, before anybody has begun it; but only where nobody else needs it, and
   the word says so at that moment: take_back and share are both compare-and-swaps of it. So one of
   the two comes first: share, and then it stays, with all that it needs; or take_back, and then who
   wanted to share it finds it LAZY, and may claim it. An owner of 0 has nothing taken back, and no
   share costs more there than the look at the word (src/graph/take_back.c has the whole protocol).
   Who waits for what is taken back is told at once, as if its phase were reached; that is somebody
   of the same request, since all others have shared it before. So a waiter that comes late, to a
   completion that is LAZY, fires too.

   Why no wake-up is lost. await puts its waiter into the list, then sets WAITERS by a
   read-modify-write of the state word. mark_submitted and finish change the phase by a
   read-modify-write of the same word. One of these two operations comes first. If it is await's,
   the other reads WAITERS and, since await's is a release, sees the waiter in the list. If it is
   the other, await reads the new phase and flushes the list itself. A list is taken as a whole, by
   an exchange, so each waiter is in the hands of one thread and fires exactly once.
   take_back clears WAITERS before it takes the list, and compares the word after that: an await in
   between sets the bit anew, also where others had set it before, and take_back begins again. Where
   WAITERS is not set it is one compare-and-swap: a waiter that is in the list by then sets the bit
   afterwards, and finds LAZY, or what somebody has claimed anew, for which it waits then. */

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
  WR_PHASE_SHARED = 32,
  WR_PHASE_GENERATION = 256 /* times the generation */
};
#define WR_PHASE_OWNER (UINT64_C(1) << 32) /* times the owner's number */

struct wr_waiter {
  struct wr_waiter *next;           /* who has taken the list only */
  enum wr_phase want;               /* immutable after publish: SUBMITTED or DONE (over) */
  void (*fire)(struct wr_waiter *); /* immutable after publish; called once, no lock held; may run
                                       inside await */
};

struct wr_completion {
  wr_atomic_u64 state;                 /* atomic ACQ_REL; see above */
  _Atomic(struct wr_waiter *) waiters; /* atomic ACQ_REL; a stack */
};

static inline void wr_completion_init(struct wr_completion *c, enum wr_phase phase) {
  wr_store_relaxed(&c->state, (uint64_t)phase);
  wr_store_relaxed(&c->waiters, NULL);
}

static inline enum wr_phase wr_completion_phase(const struct wr_completion *c) {
  /* Acquire: pairs with finish, so that the value behind DONE is visible. */
  return (enum wr_phase)(wr_load_acquire(&((struct wr_completion *)c)->state) & WR_PHASE_MASK);
}

static inline bool wr_completion_over(const struct wr_completion *c) {
  return wr_completion_phase(c) >= WR_PHASE_DONE;
}

/* Over, or lazy again since it was taken back: who waits for it is told in both cases. */
static inline bool wr_completion_settled(const struct wr_completion *c) {
  const enum wr_phase phase = wr_completion_phase(c);
  return phase >= WR_PHASE_DONE || phase == WR_PHASE_LAZY;
}

/* True when it was claimed in a parent of this process, and can no more be over. */
static inline bool wr_completion_lost(const struct wr_completion *c) {
  uint32_t found = (uint32_t)wr_load_acquire(&((struct wr_completion *)c)->state);
  uint32_t phase = found & WR_PHASE_MASK;
  return (phase == WR_PHASE_CLAIMED || phase == WR_PHASE_SUBMITTED) &&
         found / WR_PHASE_GENERATION != wr_fork_generation;
}

/* LAZY -> CLAIMED, for the request of that number, or 0; true when this call made the change. */
bool wr_completion_claim(struct wr_completion *c, uint32_t owner);
bool wr_completion_share_slow(struct wr_completion *c, uint32_t owner);
/* Says, for a request or 0, that what was claimed for another one is needed until it is over. False
   when it is LAZY, so that it can be claimed. */
static inline bool wr_completion_share(struct wr_completion *c, uint32_t owner) {
  uint64_t found = wr_load_acquire(&c->state); /* acquire: as wr_completion_phase */
  if ((found & WR_PHASE_MASK) == WR_PHASE_LAZY) return false;
  uint64_t of = found / WR_PHASE_OWNER;
  return of == 0 || of == owner || wr_completion_share_slow(c, owner);
}
/* For who could take it back: others need it. */
static inline bool wr_completion_is_shared(const struct wr_completion *c) {
  /* Acquire: as wr_completion_phase. */
  return (wr_load_acquire(&((struct wr_completion *)c)->state) & WR_PHASE_SHARED) != 0;
}
/* CLAIMED or SUBMITTED -> LAZY, by who has it and has not begun it. The waiters go to the front of
   the list, for wr_completion_fire once no lock is held. False when it is SHARED: then it stays as
   it is; waiters whose phase was reached already may be in the list all the same. */
bool wr_completion_take_back(struct wr_completion *c, struct wr_waiter **waiters);
void wr_completion_fire(struct wr_waiter *waiters);
/* CLAIMED -> SUBMITTED without firing; true when somebody waits: the caller, who keeps the
   completion alive, must then call wr_completion_flush once no lock is held. */
bool wr_completion_mark_submitted(struct wr_completion *c);
/* Raises the phase to DONE or FAILED and fires. The caller keeps the completion alive meanwhile.
   True when a pinner has taken over what would be dropped now. */
bool wr_completion_finish(struct wr_completion *c, enum wr_phase phase);
/* The same in two steps: the first raises the phase, the second fires. */
uint64_t wr_completion_raise(struct wr_completion *c, enum wr_phase phase);
bool wr_completion_tell(struct wr_completion *c, uint64_t raised);
/* Arranges for the waiter to fire once its phase is reached, perhaps before this returns. */
void wr_completion_await(struct wr_completion *c, struct wr_waiter *waiter);
/* The same in two steps, for who holds a lock: when the first is true the caller, who keeps the
   completion alive, calls wr_completion_flush once none is held. */
bool wr_completion_enlist(struct wr_completion *c, struct wr_waiter *waiter);
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
