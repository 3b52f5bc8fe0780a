/*
 * The state word of a node: src/stream/completion.c, with what src/graph/node.c does by its PINNED
 * bit. A step here is an atomic access there, or a section under a mutex that touches nothing else.
 * A load with the compare-and-swap loop behind it is one step: a failed attempt changes nothing.
 *
 * A planner claims and submits the node, one runner runs it. In TAKEN another one had claimed it and
 * takes it back; who waits by then is told that it is lazy, or waits for who claims it anew.
 *
 * scenario: WAITS         a thread waits parked on its own stack; the waiter of another planner
 *                         wants SUBMITTED, that of another stream wants DONE
 * scenario: PINS          two planners want to claim it, two threads borrow its stream, one is parked
 * scenario: TAKEN         the waiters of others, and the node is taken back and claimed anew
 *
 * Checked: each waiter fires once, with its phase reached and while its memory is there; one claim,
 * one run; the stream outlives each borrower and loses every reference; nobody sleeps for ever.
 *
 * mutant: WAKE_FIRST      finish fires the waiters, then raises the phase
 * mutant: NO_RECHECK      await does not look at the phase that was there when it set WAITERS
 * mutant: BIT_FIRST       await sets WAITERS, then pushes
 * mutant: SPLIT_FINISH    finish loads the word, then stores: two accesses
 * mutant: SPLIT_CLAIM     claim loads the word, then stores: two accesses
 * mutant: FLUSH_DROPS     flush forgets a waiter whose phase is not reached yet
 * mutant: LATE_WANT       await reads the waiter after others may have fired it
 * mutant: UNPARK_BARE     unpark sets `fired` without the mutex
 * mutant: UNPIN_BLIND     unpin does not look at the phase
 * mutant: FINISH_BLIND    finish drops the stream under the pinner
 * mutant: ALONE_BLIND     what is taken back in one step may have WAITERS
 * mutant: CLEAR_LAST      take_back clears WAITERS after it has taken the list
 */

#define LAZY 0
#define CLAIMED 1
#define SUBMITTED 2
#define DONE 3
#define FAILED 4
#define PHASE(word) ((word) & 7)
#define WAITERS 8
#define PINNED 16

/* Waiters by number; 0 is NULL. */
#define PARKED 1 /* on the stack of its thread */
#define OTHER_PLANNER 2
#define OTHER_STREAM 3
#define N_WAITERS 3

#ifdef PINS
#define PROCESSES 6
#else
#define PROCESSES 5
#endif

#ifdef TAKEN
byte state = CLAIMED; /* wr_completion.state */
#else
byte state = LAZY;
#endif
byte head;         /* wr_completion.waiters */
byte next[N_WAITERS + 1];
byte fired[N_WAITERS + 1];
bool gone[N_WAITERS + 1]; /* its memory is not there any more */
bool set;                 /* struct parked: fired */
bool asleep;              /* inside wr_cond_wait */

bool queued; /* the node stands in its stream's queue, and the stream's lock is free */
bool value;  /* buffer or error is written */
byte claims;
byte runs;
bool node_stream = true; /* node->stream is not NULL */
byte stream_refs = 1;    /* the node's */
byte ended;

#define WANT(w) ((w) == OTHER_PLANNER -> SUBMITTED : DONE)
#define LOCALS byte old, list, taken, tail, w

/* is_reached; elsewhere nobody waits for what is lazy, which here just comes to be claimed. */
#ifdef TAKEN
#define REACHED(phase, w) ((phase) >= WANT(w) || (phase) == LAZY)
#else
#define REACHED(phase, w) ((phase) >= WANT(w))
#endif

/* unpark, or the fire function of a waiter that frees itself. */
inline fire() {
  d_step {
    assert(!gone[w]);
    fired[w]++;
    assert(fired[w] == 1)
  };
#ifdef UNPARK_BARE
  if
  :: w == PARKED -> set = true; assert(!gone[w]); asleep = false
  :: else -> gone[w] = true
  fi
#else
  d_step {
    assert(!gone[w]);
    if
    :: w == PARKED -> set = true; asleep = false
    :: else -> gone[w] = true
    fi
  }
#endif
}

/* The list is the caller's from here on. Where flush is called from within flush, by await, the
   inner list comes first: it is put before what is left of the outer one. */
inline take() {
  d_step {
    taken = head;
    head = 0;
    if
    :: taken != 0 ->
       tail = taken;
       do
       :: next[tail] != 0 -> tail = next[tail]
       :: else -> break
       od;
       next[tail] = list;
       list = taken
    :: else
    fi;
    taken = 0;
    tail = 0
  }
}

inline push() { d_step { next[w] = head; head = w } }

/* wr_completion_await of waiter w; what it flushes is left to the caller's fire_list. */
inline await() {
#ifdef BIT_FIRST
  d_step { old = PHASE(state); state = state | WAITERS };
  push();
#else
  push();
  d_step { old = PHASE(state); state = state | WAITERS };
#endif
#ifdef LATE_WANT
  assert(!gone[w]);
#endif
#ifdef NO_RECHECK
  old = 0;
#else
  if
  :: REACHED(old, w) -> old = 0; take()
  :: else -> old = 0
  fi
#endif
}

/* The loop of wr_completion_flush. */
inline fire_list() {
  do
  :: list != 0 ->
     d_step { w = list; assert(!gone[w]); list = next[w]; next[w] = 0 };
     if
     :: REACHED(PHASE(state), w) -> fire()
#ifdef FLUSH_DROPS
     :: else
#else
     :: else -> await()
#endif
     fi
  :: else -> break
  od;
  w = 0
}

proctype planner() {
  LOCALS;
  /* wr_completion_claim */
#ifdef SPLIT_CLAIM
  if
  :: PHASE(state) == LAZY -> state = state + CLAIMED; claims++
  :: else -> goto over
  fi;
#else
  atomic {
    if
    :: PHASE(state) == LAZY -> state = state + CLAIMED; claims++
#ifndef TAKEN
    :: else -> goto over
#endif
    fi
  };
#endif
  assert(claims == 1);
  /* wr_stream_submit: publish, then the lock is let go, then the flush */
  d_step { old = state & WAITERS; state = state + SUBMITTED - CLAIMED };
  queued = true;
  if
  :: old -> old = 0; take(); fire_list()
  :: else
  fi;
over:
  ended++
}

/* finish, in run.c */
proctype runner() {
  LOCALS;
  byte phase;
  bool pinned;
  d_step { queued -> runs++; assert(runs == 1); value = true };
  if
  :: phase = DONE
  :: phase = FAILED
  fi;
#ifdef WAKE_FIRST
  take();
  do
  :: list != 0 -> d_step { w = list; list = next[w]; next[w] = 0 }; fire()
  :: else -> break
  od;
#endif
#ifdef SPLIT_FINISH
  old = state;
  state = phase;
#else
  atomic { old = state; state = phase };
#endif
  d_step { pinned = (old & PINNED) != 0; old = old & WAITERS; phase = 0 };
#ifndef WAKE_FIRST
  if
  :: old -> old = 0; take(); fire_list()
  :: else
  fi;
#endif
  /* wr_node_drop_edges */
#ifdef FINISH_BLIND
  pinned = false;
#endif
  d_step {
    if
    :: pinned
    :: else -> stream_refs--; node_stream = false
    fi
  };
  ended++
}

/* wr_completion_park. The two sections under its mutex are one step each: the thread leaves the
   wait and looks again, or leaves for good and its stack is gone. */
proctype parker() {
  LOCALS;
  w = PARKED;
  await();
  fire_list();
  do
  :: d_step { !asleep && !set -> asleep = true }
  :: d_step { !asleep && set -> gone[PARKED] = true; assert(value); assert(PHASE(state) >= DONE) };
     break
  od;
  ended++
}

/* Somebody who goes on when the waiter fires. */
proctype awaiter(byte self) {
  LOCALS;
  w = self;
  await();
  fire_list();
#ifdef TAKEN
  d_step { fired[self] == 1 -> ended++ }
#else
  d_step { fired[self] == 1 -> assert(self != OTHER_STREAM || value); ended++ }
#endif
}

/* wr_completion_take_back, by who has claimed it, and then wr_completion_fire. Nobody shares it. */
proctype taker() {
  LOCALS;
  byte seen;
  bool lazy;
  seen = state;
#ifdef ALONE_BLIND
  lazy = true;
#else
  lazy = !(seen & WAITERS);
#endif
  atomic {
    if
    :: lazy && state == seen -> state = state & PINNED
    :: else -> lazy = false
    fi
  };
  do
  :: !lazy ->
#ifdef CLEAR_LAST
     take();
     d_step { state = state & ~WAITERS; seen = state };
#else
     d_step { state = state & ~WAITERS; seen = state };
     take();
#endif
     atomic {
       if
       :: state == seen -> state = state & PINNED; lazy = true
       :: else
       fi
     }
  :: else -> break
  od;
  do
  :: list != 0 -> d_step { w = list; list = next[w]; next[w] = 0 }; fire()
  :: else -> break
  od;
  ended++
}

/* wr_node_pending_stream, and at last the reference that it gave is dropped. */
proctype pinner() {
  byte old;
  atomic {
    if
    :: (state & (7 | PINNED)) == SUBMITTED -> state = state | PINNED
    :: else -> goto over
    fi
  };
  d_step { assert(node_stream && stream_refs > 0); stream_refs++ };
  d_step { old = PHASE(state); state = state & ~PINNED };
#ifdef UNPIN_BLIND
  old = 0;
#endif
  if
  :: old >= DONE -> d_step { assert(node_stream); stream_refs--; node_stream = false }
  :: else
  fi;
  d_step { assert(stream_refs > 0); stream_refs-- };
over:
  ended++
}

init {
  atomic {
    run planner();
    run runner();
#ifdef TAKEN
    run taker();
#else
    run parker();
#endif
#ifdef PINS
    run planner();
    run pinner();
    run pinner()
#else
    run awaiter(OTHER_PLANNER);
    run awaiter(OTHER_STREAM)
#endif
  };
  ended == PROCESSES;
  assert(PHASE(state) >= DONE && !(state & PINNED) && head == 0);
  assert(claims == 1 && runs == 1 && stream_refs == 0 && !node_stream)
}
