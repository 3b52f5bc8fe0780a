/*
 * R2, taking back: src/graph/take_back.c and src/stream/request.c, with what plan.c, submit.c and
 * completion.c do for them. The graph is 2 = f(1), 1 = f(0), on one stream, whose queue is one
 * number a node here: the place at which it was appended.
 *
 * A thread in the request forces 1, and so 0; somebody cancels; another thread, in no request,
 * forces 2. A step is an atomic access, or a section under a lock that touches nothing else.
 *
 * The thread in the request may find that it has ended at any moment of its walk too. That is one
 * store; what stands in the queue is taken back after it, a batch at a time, by whoever ended the
 * request and by the drainer, which has to begin what stands behind.
 *
 * scenario: ONE       0 and 1 stand in one batch
 * scenario: TWO       in two, so that the request may end between the two appends
 * scenario: FORCED_0  the other thread forces 0 as well, first
 * scenario: PASSED    two threads may find that the deadline has passed, as who waits and who would
 *                     begin a command do, and one may leave what is left to the other
 * scenario: RETURNS   the thread in the request leaves as soon as that has ended, and forces 1 anew
 *
 * Checked: a node is begun once after it was claimed last, with inputs that stand before it in the
 * queue; what was taken back has no reader in the queue; what others have shared runs; the other
 * thread gets its value; nothing is left claimed or submitted. Once somebody takes back, a node of
 * the request begins only after all of that, and because others need it; so no batch leaves the
 * request's list meanwhile.
 *
 * mutant: NO_CLOSURE     what stays does not share its inputs
 * mutant: FORWARD        ending goes from the first node to the last
 * mutant: SPLIT_TAKE     take_back loads the word, then stores: two accesses
 * mutant: SPLIT_SHARE    share loads the word, then stores
 * mutant: NO_SHARE       the other planner relies on what it finds in flight
 * mutant: SUBMIT_BLIND   the submitter does not look whether the request has ended
 * mutant: BEGIN_BLIND    the drainer begins a node without the request's lock
 * mutant: END_OFTEN      who finds the request ended ends it once more
 * mutant: KEEP_PLAN      what was claimed and is shared is submitted, and not planned anew
 * mutant: BEGIN_EARLY    the drainer begins a node of the request before all is taken back
 * mutant: TAKE_FIRST     the drainer takes back what it would begin, and not the last
 * mutant: LIST_AT_END    what is to be taken back is listed as the request ends, without the lock
 * mutant: AT_ONCE_BLIND  what begins as it is submitted may have an input that is not over
 */

#define NODES 3
#define LAZY 0
#define CLAIMED 1
#define SUBMITTED 2
#define DONE 3

byte phase[NODES];
bool owned[NODES];  /* the owner is the request */
bool shared[NODES];
byte place[NODES];  /* in the queue, from 1; 0: it stands in none */
bool in_batch[NODES]; /* of the request, and neither begun nor taken back */
byte begun[NODES];  /* since it was claimed last */
byte places;
bool lock;          /* the request's */
bool ended;
bool taking;        /* under the lock: the list is there */
byte rest;          /* under the lock: nodes from here on were looked at; 0: nothing is left */
bool running;       /* a thread drains the queue, with what it began as it submitted it */
byte ends;
byte left = 4;

/* The one input of node n is n - 1. */
#define HAS_INPUT(n) ((n) > 0)
#define QUEUED(n) (phase[n] == SUBMITTED)
#ifndef AT_ONCE_BLIND
#define MAY_BEGIN(n) (!HAS_INPUT(n) || phase[n - 1] == DONE)
#else
#define MAY_BEGIN(n) (!HAS_INPUT(n) || phase[n - 1] != CLAIMED)
#endif
#ifdef ONE
#define ONE_BATCH true
#else
#define ONE_BATCH false
#endif

inline claim(n, mine) {
  phase[n] = CLAIMED;
  owned[n] = mine;
  begun[n] = 0
}

/* Under the stream's lock. */
inline append(n, mine) {
  assert(phase[n] == CLAIMED);
  if
  :: HAS_INPUT(n) -> assert(phase[n - 1] >= SUBMITTED)
  :: else
  fi;
  places++;
  place[n] = places;
  phase[n] = SUBMITTED;
  in_batch[n] = mine
}

/* wr_completion_take_back; `taken` says whether it was. */
inline take(n) {
#ifdef SPLIT_TAKE
  taken = !shared[n];
  if
  :: taken -> atomic { phase[n] = LAZY; owned[n] = false; shared[n] = false; place[n] = 0 }
  :: else
  fi;
#else
  atomic {
    taken = !shared[n];
    if
    :: taken -> phase[n] = LAZY; owned[n] = false; place[n] = 0
    :: else
    fi
  };
#endif
  if
#ifndef NO_CLOSURE
  :: !taken && HAS_INPUT(n) ->
     atomic {
       if
       :: owned[n - 1] && phase[n - 1] != LAZY && phase[n - 1] != DONE -> shared[n - 1] = true
       :: else
       fi
     }
#endif
  :: else
  fi
}

/* Claims node n and what it needs for nobody's request; `deep` is how far down. What was found in
   flight is shared; what another planner has claimed is waited for before the append (deferred). */
inline plan_and_submit(top) {
  n = top;
  do
  :: true ->
#ifdef SPLIT_SHARE
     found = phase[n];
     if
     :: found == CLAIMED || found == SUBMITTED -> shared[n] = owned[n]; stop = true
     :: found == DONE -> stop = true
     :: else ->
        atomic {
          if
          :: phase[n] == LAZY -> claim(n, false); mine[n] = true
          :: else -> shared[n] = owned[n]; stop = true
          fi
        }
     fi;
#else
     atomic {
       if
       :: phase[n] == LAZY -> claim(n, false); mine[n] = true
#ifndef NO_SHARE
       :: (phase[n] == CLAIMED || phase[n] == SUBMITTED) && owned[n] -> shared[n] = true;
          stop = true
#endif
       :: else -> stop = true
       fi
     };
#endif
     if
     :: stop || n == 0 -> break
     :: else -> n--
     fi
  od;
  stop = false;
  n = 0;
  do
  :: n <= top ->
     if
     :: mine[n] ->
        atomic { !HAS_INPUT(n) || phase[n - 1] != CLAIMED -> append(n, false); mine[n] = false }
     :: else
     fi;
     n++
  :: else -> break
  od;
  n = 0
}

/* wr_withdraw of the nodes of `mine`. */
inline withdraw() {
  n = NODES;
  do
  :: n > 0 ->
     n--;
     if
     :: mine[n] ->
        take(n);
        if
        :: taken -> mine[n] = false
        :: else -> again[n] = true; mine[n] = false
        fi
     :: else
     fi
  :: else -> break
  od;
  do
  :: n < NODES ->
     if
     :: again[n] ->
        mine[n] = true;
        again[n] = false;
#ifdef KEEP_PLAN
        atomic { append(n, false); mine[n] = false }
#else
        if
        :: HAS_INPUT(n) -> upper = n; plan_and_submit_below()
        :: else -> atomic { append(n, false); mine[n] = false }
        fi
#endif
     :: else
     fi;
     n++
  :: else -> break
  od;
  n = 0
}

/* Node 1 is claimed already; its input may be lazy again. */
inline plan_and_submit_below() {
  atomic {
    if
    :: phase[0] == LAZY -> claim(0, false); mine[0] = true
    :: (phase[0] == CLAIMED || phase[0] == SUBMITTED) && owned[0] -> shared[0] = true
    :: else
    fi
  };
  if
  :: mine[0] -> atomic { append(0, false); mine[0] = false }
  :: else
  fi;
  atomic { phase[0] != CLAIMED -> append(upper, false); mine[upper] = false }
}

/* A node of a batch that began as it was submitted. */
inline run_begun(k) {
  atomic {
    assert(phase[k] == SUBMITTED && begun[k] == 0);
    assert(!HAS_INPUT(k) || phase[k - 1] == DONE);
    begun[k] = 1;
    phase[k] = DONE;
    owned[k] = false;
    shared[k] = false
  }
}

#define LOCALS byte n, found, upper; bool taken, stop; bool mine[NODES]; bool again[NODES]

/* A thread in the request forces 1. */
proctype inside() {
  LOCALS;
  byte at;
  bool both;
  if
  :: ended -> goto over
  :: else
  fi;
  n = 1;
  do
  :: atomic {
       if
       :: phase[n] == LAZY -> claim(n, true); mine[n] = true
       :: else -> stop = true
       fi
     };
     if
     :: ended -> withdraw(); goto over
     :: true
     fi;
     if
     :: stop || n == 0 -> break
     :: else -> n--
     fi
  od;
  stop = false;
  do
  :: at <= 1 ->
     /* begin_at_once, in submit.c: without the lock, where nothing stands in the queue */
     if
     :: mine[at] && !ended ->
        atomic {
          if
          :: !running && !QUEUED(0) && !QUEUED(1) && !QUEUED(2) && MAY_BEGIN(at) ->
             running = true;
             places++;
             place[at] = places;
             phase[at] = SUBMITTED;
             mine[at] = false;
             if
             :: ONE_BATCH && at == 0 && mine[1] -> append(1, false); mine[1] = false; both = true
             :: else
             fi
          :: true
          fi
        };
        if
        :: !mine[at] ->
           run_begun(at);
           if
           :: both -> run_begun(1); both = false
           :: else
           fi;
           running = false
        :: else
        fi
     :: else
     fi;
     if
     :: mine[at] ->
        /* What others have claimed is waited for. */
        !HAS_INPUT(at) || phase[at - 1] != CLAIMED || mine[at - 1];
        atomic { !lock -> lock = true };
#ifndef SUBMIT_BLIND
        if
        :: ended -> lock = false; withdraw(); goto over
        :: else
        fi;
#endif
        atomic {
          append(at, true);
          mine[at] = false;
#ifdef ONE
          if
          :: at == 0 && mine[1] -> append(1, true); mine[1] = false
          :: else
          fi;
#endif
          lock = false
        }
     :: else
     fi;
     at++
  :: else -> break
  od;
over:
#ifdef RETURNS
  plan_and_submit(1);
  phase[1] == DONE;
#endif
  left--
}

/* With the lock held: whoever is the first to hold it once the request has ended. */
inline list_rest() {
  if
  :: !taking && ended ->
     taking = true;
#ifndef LIST_AT_END
     rest = 2
#endif
  :: else
  fi
}

inline take_listed(m) {
  if
  :: in_batch[m] ->
     take(m);
     if
     :: taken -> in_batch[m] = false
     :: else
     fi
  :: else
  fi
}

/* take_back_some_locked, in request.c: the last batch that is left, its last node first. */
inline take_part() {
  do
  :: rest > 0 ->
     atomic {
       rest--;
#ifdef FORWARD
       n = 1 - rest
#else
       n = rest
#endif
     };
     take_listed(n);
     if
     :: ONE_BATCH
     :: else -> break
     fi
  :: else -> break
  od;
  n = 0
}

/* Ends the request, and takes back, as far as nobody else does; a deadline's may leave it there. */
proctype canceller() {
  bool taken;
  byte n;
  atomic {
    if
#ifndef END_OFTEN
    :: ended
    :: !ended ->
#else
    :: true ->
#endif
       ends++;
       ended = true;
#ifdef LIST_AT_END
       rest = (in_batch[1] -> 2 : (in_batch[0] -> 1 : 0))
#endif
    fi
  };
  do
  :: atomic { !lock -> lock = true };
     list_rest();
     take_part();
     if
     :: rest == 0 -> break
#ifdef PASSED
     :: rest > 0 -> break
#endif
     :: rest > 0 -> lock = false
     fi
  od;
  atomic { lock = false; left-- }
}

/* In no request. */
proctype other() {
  LOCALS;
#ifdef FORCED_0
  plan_and_submit(0);
#endif
  plan_and_submit(2);
  phase[2] == DONE;
  left--
}

/* In the order of the queue: the node with the lowest place. What was taken back has none. */


inline begin(k) {
  if
  :: HAS_INPUT(k) -> assert(phase[k - 1] == DONE)
  :: else
  fi;
  assert(phase[k] == SUBMITTED && begun[k] == 0);
  assert(!in_batch[k] || (rest == 0 && (!taking || shared[k])));
  begun[k] = 1;
  in_batch[k] = false;
  phase[k] = DONE;
  owned[k] = false;
  shared[k] = false;
  k = 0
}

/* look, in take_back.c: what is not a node of the request needs no lock. */
proctype drainer() {
  byte n, next;
  bool taken, locked;
end:
  do
  :: atomic {
       !running && (QUEUED(0) || QUEUED(1) || QUEUED(2)) ->
       if
       :: phase[0] == SUBMITTED &&
          (phase[1] != SUBMITTED || place[0] < place[1]) &&
          (phase[2] != SUBMITTED || place[0] < place[2]) -> next = 0
       :: phase[1] == SUBMITTED &&
          (phase[0] != SUBMITTED || place[1] < place[0]) &&
          (phase[2] != SUBMITTED || place[1] < place[2]) -> next = 1
       :: phase[2] == SUBMITTED &&
          (phase[0] != SUBMITTED || place[2] < place[0]) &&
          (phase[1] != SUBMITTED || place[2] < place[1]) -> next = 2
       fi;
       if
#ifndef BEGIN_BLIND
       :: in_batch[next] && !lock -> lock = true; locked = true
       :: in_batch[next] && lock -> next = 0
       :: !in_batch[next] -> begin(next)
#else
       :: begin(next)
#endif
       fi
     };
     if
     :: locked ->
        list_rest();
        if
#ifndef BEGIN_EARLY
        :: rest > 0 ->
#ifdef TAKE_FIRST
           take_listed(next)
#else
           take_part()
#endif
        :: rest == 0 && phase[next] == SUBMITTED && in_batch[next] -> atomic { begin(next) }
#else
        :: atomic { begin(next) }
#endif
        fi;
        atomic { lock = false; locked = false; next = 0 }
     :: else
     fi
  :: left == 1 && phase[0] != SUBMITTED && phase[1] != SUBMITTED && phase[2] != SUBMITTED -> break
  od;
  left--
}

init {
  atomic {
    run inside();
    run canceller();
#ifdef PASSED
    left++;
    run canceller();
#endif
    run other();
    run drainer()
  };
  left == 0;
  assert(phase[2] == DONE && phase[1] == DONE && phase[0] == DONE);
  assert(!lock && !in_batch[0] && !in_batch[1] && ends == 1)
}
