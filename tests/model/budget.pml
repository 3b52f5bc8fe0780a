/*
 * R4, budgets: what goes over the budget of its request is taken back, with its submission and what
 * reads it, while the request stays open: src/graph/request_budget.c, with what plan.c, submit.c,
 * force.c and take_back.c do for it. request.pml has the end of a request; the words are the same here. The
 * graph is 2 = f(1), 1 = f(0), on one stream. The result of 0 does not fit, that of 1 does.
 *
 * Two threads in the request force 0 and 1, each with submissions of its own, and plan anew as long
 * as nothing of their own has failed; in THREE another one forces 2, and in OUTSIDE one that is in no
 * request.
 *
 * scenario: ALONE     the two in the request
 * scenario: THREE     and a third
 * scenario: OUTSIDE   and one in none
 *
 * Checked: a node begins once after it was claimed last, with inputs that stand before it in the
 * queue and are done; what is over the budget begins only if others need it; a thread in the request
 * ends with a value or with the error of its own submission, the other one with its value; nothing
 * is left claimed or submitted.
 *
 * mutant: NO_MARKS     what reads a node that is taken back is not
 * mutant: NO_COUNT     a plan is submitted however often something was taken back since
 * mutant: COUNT_FIRST  the count goes up before nodes become lazy
 * mutant: OLD_CLAIMS   claims of a plan that is too old are given back, and younger plans not told
 * mutant: NO_RECOUNT   nor where its own submission has failed
 * mutant: FORWARD      the first node is taken back first
 * mutant: NO_CLOSURE   what stays does not share its inputs
 * mutant: NO_RETRY     a call that has not failed itself does not plan anew
 */

#define NODES 3
#define LAZY 0
#define CLAIMED 1
#define SUBMITTED 2
#define DONE 3
#define TRIES 4

byte phase[NODES];
bool owned[NODES];    /* the owner is the request */
bool shared[NODES];
byte place[NODES];    /* in the queue, from 1 */
bool in_batch[NODES]; /* of the request, and neither begun nor taken back */
byte within[NODES];   /* the submission whose batch that is */
bool marked[NODES];
byte begun[NODES];    /* since it was claimed last */
bool failed[3 * TRIES];
byte failures;
byte places;
bool lock;            /* the request's */
byte left;

#define HAS_INPUT(n) ((n) > 0)

inline claim(n, by_request) {
  phase[n] = CLAIMED;
  owned[n] = by_request;
  shared[n] = false;
  begun[n] = 0;
  mine[n] = true
}

/* Under the stream's lock, and the request's. */
inline append(n, submission, by_request) {
  assert(phase[n] == CLAIMED);
  if
  :: HAS_INPUT(n) -> assert(phase[n - 1] >= SUBMITTED)
  :: else
  fi;
  places++;
  place[n] = places;
  phase[n] = SUBMITTED;
  in_batch[n] = by_request;
  within[n] = submission;
  mine[n] = false
}

inline share(n) {
  if
  :: owned[n] && (phase[n] == CLAIMED || phase[n] == SUBMITTED) -> shared[n] = true
  :: else
  fi
}

/* wr_take_back. */
inline take(n) {
  atomic {
    taken = !shared[n];
    if
    :: taken -> phase[n] = LAZY; owned[n] = false; place[n] = 0
    :: else
    fi
  };
#ifndef NO_CLOSURE
  if
  :: !taken && HAS_INPUT(n) -> atomic { share(n - 1) }
  :: else
  fi
#endif
}

/* For nobody's request. A node that this thread has claimed already is `mine`. */
inline plan_and_submit(top) {
  n = top;
  stop = false;
  do
  :: atomic {
       if
       :: mine[n]
       :: else ->
          if
          :: phase[n] == LAZY -> claim(n, false)
          :: else -> share(n); stop = true
          fi
       fi
     };
     if
     :: stop || n == 0 -> break
     :: else -> n--
     fi
  od;
  n = 0;
  do
  :: n <= top ->
     if
     :: mine[n] -> atomic { !HAS_INPUT(n) || phase[n - 1] != CLAIMED -> append(n, 0, false) }
     :: else
     fi;
     n++
  :: else -> break
  od;
  n = 0
}

/* wr_withdraw, with the request's lock. */
inline withdraw() {
  atomic { !lock -> lock = true };
  n = NODES;
  upper = NODES;
  do
  :: n > 0 ->
     n--;
     if
     :: mine[n] ->
        take(n);
        if
        :: taken -> mine[n] = false
        :: !taken && upper == NODES -> upper = n
        :: else
        fi
     :: else
     fi
  :: else -> break
  od;
#if !defined OLD_CLAIMS && !defined NO_RECOUNT
  failures++;
#endif
  lock = false;
  if
  :: upper < NODES -> plan_and_submit(upper)
  :: else
  fi
}

#define LOCALS byte n, upper; bool taken, stop; bool mine[NODES]

/* A thread in the request forces `top`. */
proctype inside(byte top; byte first) {
  LOCALS;
  byte at, seen, submission;
  bool is_void;
  submission = first;
again:
  assert(submission < first + TRIES);
anew:
  seen = failures;
  n = top;
  stop = false;
  do
  :: atomic {
       if
       :: mine[n]
       :: else ->
          if
          :: phase[n] == LAZY -> claim(n, true)
          :: else -> stop = true
          fi
       fi
     };
     if
     :: stop || n == 0 -> break
     :: else -> n--
     fi
  od;
  at = 0;
  is_void = false;
  do
  :: at <= top && !is_void ->
     if
     :: mine[at] ->
        /* What others have claimed is waited for. */
        atomic { (!HAS_INPUT(at) || phase[at - 1] != CLAIMED) && !lock -> lock = true };
#ifndef NO_COUNT
        is_void = failures != seen;
#endif
        atomic {
          if
          :: !is_void -> append(at, submission, true)
          :: else
          fi;
          lock = false
        }
     :: else
     fi;
     at++
  :: else -> break
  od;
  if
#ifndef OLD_CLAIMS
  :: is_void && !failed[submission] -> goto anew
  :: is_void && failed[submission] -> withdraw()
#else
  :: is_void -> withdraw()
#endif
  :: else
  fi;
  (phase[top] == DONE || phase[top] == LAZY);
#ifndef NO_RETRY
  if
  :: phase[top] == DONE || failed[submission]
  :: else -> submission++; goto again
  fi;
#endif
  assert(phase[top] == DONE || failed[submission]);
  left--
}

/* In no request. */
proctype other() {
  LOCALS;
  plan_and_submit(2);
  phase[2] == DONE;
  left--
}

#define BEFORE(n, m) (phase[m] != SUBMITTED || place[n] < place[m])
#define FIRST(n, m, k) (phase[n] == SUBMITTED && BEFORE(n, m) && BEFORE(n, k))
#define ANY (phase[0] == SUBMITTED || phase[1] == SUBMITTED || phase[2] == SUBMITTED)

#ifdef NO_MARKS
#define READS_MARKED(n) false
#else
#define READS_MARKED(n) (HAS_INPUT(n) && marked[n - 1])
#endif

inline fail() {
  atomic {
    k = 0;
    do
    :: k < NODES ->
       if
       :: in_batch[k] && (within[k] == within[n] || READS_MARKED(k)) -> marked[k] = true; failed[within[k]] = true
       :: else
       fi;
       k++
    :: else -> break
    od
  };
#ifdef COUNT_FIRST
  failures++;
#endif
  k = 0;
  do
  :: k < NODES ->
#ifdef FORWARD
     n = k;
#else
     n = NODES - 1 - k;
#endif
     if
     :: marked[n] ->
        marked[n] = false;
        take(n);
        if
        :: taken -> in_batch[n] = false
        :: else
        fi
     :: else
     fi;
     k++
  :: else -> break
  od;
#ifndef COUNT_FIRST
  failures++;
#endif
  lock = false
}

/* In the order of the queue. The request's lock is held from the look at the next node of one of
   its batches until that has begun, or all that fails with it is taken back. */
proctype drainer() {
  byte n, k;
  bool taken;
end:
  do
  :: atomic {
       ANY ->
       if
       :: FIRST(0, 1, 2) -> n = 0
       :: FIRST(1, 0, 2) -> n = 1
       :: FIRST(2, 0, 1) -> n = 2
       fi;
       if
       :: in_batch[n] && lock -> n = NODES
       :: else
       fi;
       if
       :: n == NODES
       :: n < NODES && n == 0 && in_batch[0] && !(failed[within[0]] && shared[0]) -> lock = true
       :: else ->
          if
          :: HAS_INPUT(n) -> assert(phase[n - 1] == DONE)
          :: else
          fi;
          assert(begun[n] == 0);
          begun[n] = 1;
          in_batch[n] = false;
          phase[n] = DONE;
          owned[n] = false;
          shared[n] = false;
          n = NODES
       fi
     };
     if
     :: n < NODES -> fail()
     :: else -> !lock || !ANY
     fi
  :: left == 1 && !ANY -> break
  od;
  left--
}

init {
  atomic {
    left = 3;
    run inside(0, 0);
    run inside(1, TRIES);
#ifdef THREE
    left++;
    run inside(2, 2 * TRIES);
#endif
#ifdef OUTSIDE
    left++;
    run other();
#endif
    run drainer()
  };
  left == 0;
  assert(!lock && !in_batch[0] && !in_batch[1] && !in_batch[2]);
  assert((phase[0] == LAZY || phase[0] == DONE) && (phase[1] == LAZY || phase[1] == DONE));
#ifdef OUTSIDE
  assert(phase[0] == DONE && phase[1] == DONE && phase[2] == DONE)
#else
  assert(phase[0] == LAZY && phase[1] == LAZY && phase[2] == LAZY)
#endif
}
