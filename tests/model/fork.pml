/*
 * A fork amid planning, fusing, submitting and running (K11): the store that switches a group's root over
 * (src/graph/fuse.c), the word of commands that write over their input (src/stream/in_place.c), and
 * what a child does with what its parent's threads had claimed (take_back in src/graph/plan.c). A
 * step here is an atomic access there, or a section that touches nothing that others look at.
 *
 * A node R reads M and I, M reads I twice, I has its value; a program holds R alone. In the parent
 * one thread plans, fuses, submits and runs, another forks, up to two times, at any moment. Where
 * the model goes on as the child, the first thread stands still for good, and two new ones force R.
 *
 * scenario: FUSED   R takes M in, and may be written over I
 * scenario: APART   R and M are commands of their own, and R may be written over M
 *
 * Checked: in the child each edge has its reference and leads to a value that is whole; R is
 * computed there once, or was over, and is right. In the parent a fork ends, and so does the work;
 * nothing is left then.
 *
 * mutant: MEMBERS_FIRST   the nodes taken in are emptied before the root is switched over
 * mutant: DROP_FIRST      doubled references are dropped before the root is switched over
 * mutant: OWN_EDGES       the root's own edges are changed, one at a time
 * mutant: NO_WORD         a command writes over its input without a word of it
 * mutant: LOOK_FIRST      the drainer looks for forks before it raises its word
 * mutant: WORDS_FIRST     the fork looks at the words before it says that it comes
 * mutant: END_EARLY       the word is lowered before the phase is raised
 * mutant: UNCOUNTED       the fork forgets who has told it already
 * mutant: ASK_BLIND       the fork marks the word without a look at what it was
 * mutant: BARE            a child takes back without the lock
 * mutant: OF_ANY_TIME     a child takes back what it has claimed itself
 */

#define I 0
#define M 1
#define R 2
#define NODES 3

#define LAZY 0
#define CLAIMED 1
#define SUBMITTED 2
#define DONE 3

#define NO_VALUE 0
#define HALF 1
#define OTHER 2 /* another node's result is there */
#define RIGHT 3

#define OUTSIDE 0
#define INSIDE 1
#define AWAITED 2

#define CHILDREN 2

byte phase[NODES];
bool claimed_here[NODES]; /* by the child: the generation in the state word */
byte refs[NODES];
byte value[NODES]; /* what is in the node's buffer */
bool own[NODES];   /* its own edges are there */
bool first_own = true; /* with OWN_EDGES: whether R's own edges still lead to M */
bool group;        /* R's edges are the group's: I */
byte computed;     /* of R, in the child */

byte word;
bool forking;
bool lock;
short left;

bool in_child;
byte ended;

inline release(n) { d_step { assert(refs[n] > 0); refs[n]-- } }

/* Of a node that has ended, with what it still holds. */
inline release_m() {
  release(M);
  if
  :: refs[M] == 0 && own[M] -> own[M] = false; release(I); release(I)
  :: else
  fi
}

/* ---- the parent's thread ---- */

inline drop_doubled() {
  release(I);
  release(I)
}

inline empty_member() {
  own[M] = false;
  refs[M] = 1
}

/* switch_root */
inline fuse() {
#ifdef MEMBERS_FIRST
  empty_member();
#endif
#ifdef DROP_FIRST
  drop_doubled();
#endif
#ifdef OWN_EDGES
  first_own = false;
#endif
  group = true;
#ifndef DROP_FIRST
  drop_doubled();
#endif
  own[R] = false;
#ifndef MEMBERS_FIRST
  empty_member();
#endif
  release_m() /* the plan's */
}

/* wr_stream_end_in_place */
inline end_in_place() {
  d_step { was = word; word = OUTSIDE };
  if
  :: was == AWAITED -> atomic { !lock -> lock = true }; left--; lock = false
  :: else
  fi;
  was = OUTSIDE
}

/* wr_stream_begin_in_place */
inline begin_in_place() {
#ifdef NO_WORD
  over_input = true
#else
#ifdef LOOK_FIRST
  over_input = !forking;
#endif
  word = INSIDE;
#ifndef LOOK_FIRST
  over_input = !forking;
#endif
  if
  :: over_input
  :: else -> end_in_place()
  fi
#endif
}

/* encode_node and finish_from, for R; `from` may be written over where nobody else has it. */
inline run_root(from) {
  if
  :: refs[from] == 1 -> begin_in_place()
  :: else
  fi;
  if
  :: over_input -> value[from] = HALF; value[from] = OTHER
  :: else -> skip
  fi;
  value[R] = RIGHT;
#ifdef END_EARLY
  if
  :: over_input -> end_in_place()
  :: else
  fi;
#endif
  phase[R] = DONE;
#if !defined(END_EARLY) && !defined(NO_WORD)
  if
  :: over_input -> end_in_place()
  :: else
  fi;
#endif
  over_input = false
}

/* It is not in the child. */
proctype thread() {
  byte was;
  bool over_input;
  {
  /* wr_plan_make */
  phase[R] = CLAIMED;
  refs[R]++;
  phase[M] = CLAIMED;
  refs[M]++;
#ifdef FUSED
  fuse();
#else
  phase[M] = SUBMITTED;
#endif
  phase[R] = SUBMITTED;
#ifdef FUSED
  run_root(I);
  release(I);
  group = false;
#else
  /* M in a buffer of its own */
  value[M] = HALF;
  value[M] = RIGHT;
  phase[M] = DONE;
  own[M] = false;
  release(I);
  release(I);
  release_m();
  run_root(M);
  own[R] = false;
  release_m();
  release(I);
#endif
  release(R);
  }
  unless { in_child };
  ended++
}

/* ---- the thread that forks ---- */

inline ask() {
#ifdef ASK_BLIND
  asked = word == INSIDE;
  word = AWAITED;
#else
  d_step {
    if
    :: word == INSIDE -> word = AWAITED; asked = 1
    :: else -> asked = 0
    fi
  }
#endif
}

/* keep_out */
inline keep_out() {
#ifdef WORDS_FIRST
  ask();
  forking = true;
#else
  forking = true;
  ask();
#endif
  atomic { !lock -> lock = true };
#ifdef UNCOUNTED
  left = asked;
#else
  left = left + asked;
#endif
  lock = false;
  atomic { !lock && left <= 0 -> asked = 0 }
}

/* The process is copied between two steps of the other thread. With the locks of modules, but not
   that of in_place.c, which is made anew. */
inline become_child() {
  d_step { in_child = true; lock = false; left = 0; forking = false; word = OUTSIDE };
  run child(); run child()
}

proctype forker() {
  byte asked, forks;
  do
  :: forks < 2 ->
     forks++;
     keep_out();
     if
     :: atomic { true -> become_child() }; break
     :: forking = false
     fi
  :: forks < 2 -> break
  :: else -> break
  od;
  ended++
}

/* ---- the child's threads ---- */

#define LOST(n) ((phase[n] == CLAIMED || phase[n] == SUBMITTED) && IS_OLD(n))
#ifdef OF_ANY_TIME
#define IS_OLD(n) true
#else
#define IS_OLD(n) (!claimed_here[n])
#endif

/* claim in plan.c */
inline claim(n) {
  mine = false;
  d_step {
    if
    :: phase[n] == LAZY -> phase[n] = CLAIMED; claimed_here[n] = true; mine = true
    :: else
    fi
  };
  if
  :: !mine && LOST(n) ->
#ifdef BARE
     phase[n] = LAZY;
#else
     atomic {
       !lock -> lock = true
     };
     if
     :: LOST(n) -> phase[n] = LAZY
     :: else
     fi;
     lock = false;
#endif
     d_step {
       if
       :: phase[n] == LAZY -> phase[n] = CLAIMED; claimed_here[n] = true; mine = true
       :: else
       fi
     }
  :: else
  fi
}

inline read_value(n) { assert(refs[n] > 0 && phase[n] == DONE && value[n] == RIGHT) }

/* M, which nobody but R's claimer can reach. */
inline compute_m() {
  assert(refs[M] > 0);
  if
  :: phase[M] == DONE
  :: else ->
     claim(M);
     assert(mine && own[M] && refs[I] >= 2);
     read_value(I);
     value[M] = RIGHT;
     phase[M] = DONE;
     own[M] = false;
     release(I);
     release(I)
  fi;
  read_value(M)
}

inline compute_r() {
  if
  :: group -> read_value(I); release(I)
  :: else ->
     assert(own[R] && first_own);
     compute_m();
     read_value(I);
     release_m();
     release(I)
  fi;
  computed++;
  assert(computed == 1);
  value[R] = RIGHT;
  phase[R] = DONE
}

proctype child() {
  bool mine;
  claim(R);
  if
  :: mine -> compute_r()
  :: else
  fi;
  phase[R] == DONE;
  read_value(R);
  ended++
}

init {
  atomic {
    phase[I] = DONE;
    value[I] = RIGHT;
    refs[I] = 3;
    refs[M] = 1;
    refs[R] = 1;
    own[M] = true;
    own[R] = true;
    run thread();
    run forker()
  };
  if
  :: in_child -> ended == 2 + CHILDREN
  :: ended == 2 && !in_child ->
     assert(phase[R] == DONE && value[R] == RIGHT && refs[R] == 1);
     assert(refs[M] == 0 && refs[I] == 0 && word == OUTSIDE && left == 0 && !forking)
  fi
}
