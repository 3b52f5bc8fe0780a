/*
 * Claims and submission: planners whose subgraphs overlap (src/graph/plan.c), batches, and plans
 * that are deferred since another planner has claimed an input (src/graph/submit.c). Streams are
 * queues here whose heads run once their inputs are over; stream.pml shows who drains them. Await,
 * submit and finish are the steps that node.pml shows them to be.
 *
 * scenario: CROSSED   two planners force 2 = f(0, 1) and 3 = f(1, 0), on two streams
 * scenario: THREE     three planners force 1 = f(0), 2 = f(1) and 3 = f(2), on alternating streams
 * scenario: TWICE     one thread forces 1 = f(0), then 2 = f(1) by a plan at the same address, while
 *                     another forces 0; it does not wait in between, as where the root of the first
 *                     call was refused memory and what it had claimed was deferred
 *
 * Checked: each node is claimed, appended and run once; only after its inputs stand in queues
 * themselves; edges are read by the claimer alone and not after the node has run; a pass over a
 * deferred plan is made by one thread at a time; what a call has submitted stands in queues when it
 * returns; every node that was forced ends.
 *
 * mutant: SPLIT_CLAIM     claim loads the phase, then stores: two accesses
 * mutant: IGNORE_FOREIGN  a plan is submitted although another planner holds an input
 * mutant: KEEP_PLANNER    deferred nodes keep the mark of a plan whose address is used again
 * mutant: PARENTS_FIRST   the walk lists a node before its inputs
 * mutant: PUBLISH_FIRST   nodes are SUBMITTED before they stand in the queue
 * mutant: NO_RECHECK      await does not look at the phase that was there before
 * mutant: SIGNALS_FROM_0  others may make passes while the maker still sets waiters
 * mutant: SIGNAL_LOST     a signal that came during a pass is taken off with the others
 * mutant: PLANNERS_WAIT   a planner waits for foreign inputs while it holds its own claims
 * mutant: RETURN_EARLY    a call returns while what it submitted is deferred
 */

#define NODES 4
#define NONE 15

#define LAZY 0
#define CLAIMED 1
#define SUBMITTED 2
#define DONE 3

#define STREAMS 2
#define PLANS 4
#ifdef THREE
#define THREADS 3
#else
#define THREADS 2
#endif

byte stream_of[NODES];
byte in0[NODES];
byte in1[NODES];

byte phase[NODES];
byte waiting[NODES]; /* bit d: deferred plan d has a waiter there that wants SUBMITTED */
byte planner[NODES]; /* 0, or a plan's address */
bool appended[NODES];
bool edges_gone[NODES];
byte claims[NODES];

bool lock[STREAMS];
chan queue0 = [NODES] of { byte };
chan queue1 = [NODES] of { byte };

/* struct deferred */
byte signals[PLANS];
byte kept[PLANS * NODES]; /* its nodes in topological order */
byte length[PLANS];
byte refs[PLANS];
bool in_pass[PLANS];

byte ended;

/* A thread's plans all have the same address; a deferred plan has one of its own. */
#define PLAN(thread) (1 + (thread))
#define DEFERRED(d) (8 + (d))

#define OVER(n) ((n) == NONE || phase[n] == DONE)
#define IN_QUEUE(n) ((n) == NONE || appended[n])

#define LOCALS \
  byte i, j, k, n, m, s, d, list, passes, to_flush, seen; \
  bool blocked

/* wr_stream_submit of the nodes from[at] to[at + size - 1], without the flush. */
inline append_node(n) {
  assert(!appended[n] && IN_QUEUE(in0[n]) && IN_QUEUE(in1[n]));
  appended[n] = true;
  if
  :: stream_of[n] == 0 -> queue0 ! n
  :: else -> queue1 ! n
  fi
}

inline publish_node(n) {
  d_step {
    assert(phase[n] == CLAIMED);
    phase[n] = SUBMITTED;
    if
    :: waiting[n] != 0 -> to_flush = to_flush | (1 << n)
    :: else
    fi
  }
}

inline lowest(set, at) {
  at = 0;
  do
  :: !(set & (1 << at)) -> at++
  :: else -> break
  od;
  set = set & ~(1 << at)
}

/* wr_completion_flush: whose waiters this thread fires from here on */
inline take_waiters(n) {
  list = list | waiting[n];
  waiting[n] = 0
}

inline drop(d) {
  assert(refs[d] > 0);
  refs[d]--;
  assert(refs[d] > 0 || length[d] == 0)
}

/* ask_for_pass. Passes are listed, and made by whoever calls fire_all. */
inline ask_for_pass(d) {
  d_step {
    if
    :: signals[d] == 0 -> refs[d]++; passes = passes | (1 << d)
    :: else
    fi;
    signals[d]++;
    drop(d)
  }
}

/* make_pass; what its submissions fire only asks for further passes. */
inline make_pass(d) {
  d_step { assert(!in_pass[d]); in_pass[d] = true; i = 0; j = 0 };
  do
  :: i < length[d] ->
     /* input_unsubmitted */
     atomic {
       n = kept[d * NODES + i];
       assert(!edges_gone[n]);
       blocked = in0[n] != NONE && phase[in0[n]] == CLAIMED
     };
     if
     :: !blocked && in1[n] != NONE -> blocked = phase[in1[n]] == CLAIMED
     :: else
     fi;
     if
     :: blocked -> d_step { kept[d * NODES + j] = n; j++; blocked = false }
     :: else ->
#ifdef PUBLISH_FIRST
        publish_node(n);
        atomic { !lock[stream_of[n]] -> append_node(n) };
#else
        atomic { !lock[stream_of[n]] -> append_node(n); publish_node(n) };
#endif
        if
        :: to_flush != 0 ->
           d_step { to_flush = 0; take_waiters(n) };
           do
           :: list != 0 -> atomic { lowest(list, k); ask_for_pass(k) }
           :: else -> break
           od
        :: else
        fi
     fi;
     i++
  :: else -> break
  od;
  atomic {
    do
    :: i > j -> i--; kept[d * NODES + i] = 0
    :: else -> break
    od;
    length[d] = j;
    in_pass[d] = false;
    i = 0;
    j = 0;
    k = 0;
    n = 0
  }
}

/* Fires the waiters in `list`, each with the passes that it asks for: input_submitted, run_passes,
   make_passes_asked. The outer list rests in `rest` meanwhile. */
inline fire_all() {
  rest = list;
  list = 0;
  do
  :: passes != 0 ->
     d_step { lowest(passes, d); seen = signals[d] };
     do
     :: seen != 0 ->
        make_pass(d);
#ifdef SIGNAL_LOST
        d_step { signals[d] = 0; seen = 0 }
#else
        d_step { signals[d] = signals[d] - seen; seen = signals[d] }
#endif
     :: else -> break
     od;
     atomic { drop(d); d = 0 }
  :: passes == 0 && rest != 0 -> atomic { lowest(rest, k); ask_for_pass(k); k = 0 }
  :: passes == 0 && rest == 0 -> break
  od
}

/* ---- a planner ---- */

/* Claims node m and puts it on the stack, or notes who has it. One step: the mark that is written
   after the claim and read after a failed one means something to its writer alone. */
inline enter() {
#ifdef SPLIT_CLAIM
  entered = phase[m] == LAZY;
#endif
  d_step {
#ifndef SPLIT_CLAIM
    entered = phase[m] == LAZY;
#endif
    if
    :: entered ->
       phase[m] = CLAIMED;
       claims[m]++;
       assert(claims[m] == 1);
       planner[m] = PLAN(self);
       stack[depth] = m;
       cursor[depth] = 0;
       depth++;
#ifdef PARENTS_FIRST
       order[total] = m;
       total++
#endif
    :: else ->
       /* note_claimed */
       if
       :: phase[m] == CLAIMED && planner[m] != PLAN(self) -> foreign = true
       :: else
       fi
    fi;
    entered = false
  }
}

/* wr_plan_make */
inline plan(root) {
  m = root;
  enter();
  do
  :: depth > 0 ->
     atomic {
       n = stack[depth - 1];
       assert(!edges_gone[n]);
       m = (cursor[depth - 1] == 0 -> in0[n] : in1[n]);
       cursor[depth - 1]++;
       if
       :: cursor[depth - 1] <= 2 && m != NONE -> enter()
       :: cursor[depth - 1] <= 2 && m == NONE
       :: else ->
          depth--;
          stack[depth] = 0;
          cursor[depth] = 0;
#ifndef PARENTS_FIRST
          order[total] = n;
          total++
#endif
       fi;
       m = 0;
       n = 0
     }
  :: else -> break
  od
}

/* submit_list: runs of nodes on one stream */
inline submit_list() {
  i = 0;
  do
  :: i < total ->
     s = stream_of[order[i]];
     k = i;
#ifdef PUBLISH_FIRST
     do
     :: i < total && stream_of[order[i]] == s -> publish_node(order[i]); i++
     :: else -> break
     od;
     i = k;
#endif
     atomic {
       !lock[s] ->
       lock[s] = true;
       do
       :: i < total && stream_of[order[i]] == s -> append_node(order[i]); i++
       :: else -> break
       od;
       i = k;
       k = 0
     };
     do
     :: atomic {
#ifndef PUBLISH_FIRST
          publish_node(order[i]);
#endif
          i++;
          if
          :: i < total && stream_of[order[i]] == s
          :: else -> lock[s] = false; break
          fi
        }
     od;
     resume_at = i;
     do
     :: to_flush != 0 -> d_step { lowest(to_flush, k); take_waiters(k) }; fire_all()
     :: else -> break
     od;
     i = resume_at
  :: else -> break
  od;
  i = 0;
  resume_at = 0
}

/* foreign_inputs: what other planners hold now */
inline note_input(m) {
  if
  :: m != NONE ->
     if
     :: phase[m] == CLAIMED && planner[m] != PLAN(self) -> inputs = inputs | (1 << m)
     :: else
     fi
  :: else
  fi
}

/* defer */
inline defer(own) {
  do
  :: i < total ->
     d_step { assert(!edges_gone[order[i]]); note_input(in0[order[i]]) };
     d_step { note_input(in1[order[i]]); i++ }
  :: else -> break
  od;
  atomic {
    refs[own] = 1;
#ifdef SIGNALS_FROM_0
    signals[own] = 0;
#else
    signals[own] = 1;
#endif
    i = 0;
    do
    :: i < total ->
       kept[own * NODES + i] = order[i];
#ifndef KEEP_PLANNER
       planner[order[i]] = DEFERRED(own);
#endif
       i++
    :: else -> break
    od;
    length[own] = total;
    i = 0
  };
  do
  :: inputs != 0 ->
     /* wait_for_input */
     d_step { lowest(inputs, m); refs[own]++; seen = phase[m]; waiting[m] = waiting[m] | (1 << own) };
     if
#ifndef NO_RECHECK
     :: seen >= SUBMITTED -> d_step { seen = 0; take_waiters(m) }; fire_all()
#endif
     :: else -> seen = 0
     fi
  :: else -> break
  od;
#ifdef SIGNALS_FROM_0
  signals[own]++;
#endif
  passes = passes | (1 << own);
  fire_all()
}

/* wr_async_eval */
inline force(root, own) {
  plan(root);
  if
#ifdef PLANNERS_WAIT
  :: foreign ->
     do
     :: i < total ->
        atomic { in0[order[i]] == NONE || phase[in0[order[i]]] != CLAIMED ||
                 planner[in0[order[i]]] == PLAN(self) };
        atomic { in1[order[i]] == NONE || phase[in1[order[i]]] != CLAIMED ||
                 planner[in1[order[i]]] == PLAN(self) };
        i++
     :: else -> break
     od;
     submit_list()
#elif !defined(IGNORE_FOREIGN)
  :: foreign && total > 0 -> defer(own)
#endif
  :: else -> submit_list()
  fi;
#ifndef TWICE
  /* wait_submitted */
#ifndef RETURN_EARLY
  phase[root] >= SUBMITTED;
#endif
  assert(IN_QUEUE(root) && IN_QUEUE(in0[root]) && IN_QUEUE(in1[root]));
#endif
  atomic {
    do
    :: total > 0 -> total--; order[total] = 0
    :: else -> break
    od;
    foreign = false;
    m = 0;
    s = 0;
    k = 0
  }
}

/* What is forced first and second by each thread. */
inline choose_root(self, round, root) {
#ifdef CROSSED
  root = (round == 0 -> 2 + self : NONE)
#elif defined(THREE)
  root = (round == 0 -> 1 + self : NONE)
#else
  root = (self == 0 -> 1 + round : (round == 0 -> 0 : NONE))
#endif
}

proctype thread(byte self) {
  LOCALS;
  byte rest, depth, total, inputs, resume_at;
  byte stack[NODES];
  byte cursor[NODES];
  byte order[NODES];
  bool foreign, entered;
  byte round, root, own;
  do
  :: round < 2 ->
     choose_root(self, round, root);
     own = self + 2 * round;
     if
     :: root != NONE -> force(root, own)
     :: else
     fi;
     round++
  :: else -> break
  od;
  /* wait_over */
  do
  :: round > 0 ->
     round--;
     choose_root(self, round, root);
     if
     :: root != NONE -> phase[root] == DONE
     :: else
     fi
  :: else -> break
  od;
  ended++
}

/* Whoever drains the stream. A node's finish also fires waiters that its submitter has not reached
   yet. */
proctype drainer(byte self) {
  LOCALS;
  byte rest;
end:
  do
  :: atomic {
       !lock[self] && (self == 0 -> len(queue0) : len(queue1)) > 0 ->
       if
       :: self == 0 -> queue0 ? m
       :: else -> queue1 ? m
       fi
     };
     /* Blocked until its inputs are over. */
     d_step {
       OVER(in0[m]) && OVER(in1[m]) ->
       assert(phase[m] == SUBMITTED);
       phase[m] = DONE;
       edges_gone[m] = true;
       take_waiters(m);
       m = 0
     };
     fire_all()
  od
}

init {
  atomic {
    in0[0] = NONE;
    in1[0] = NONE;
#ifdef CROSSED
    in0[1] = NONE;
    in1[1] = NONE;
    in0[2] = 0;
    in1[2] = 1;
    in0[3] = 1;
    in1[3] = 0;
#else
    in0[1] = 0;
    in1[1] = NONE;
    in0[2] = 1;
    in1[2] = NONE;
    in0[3] = 2;
    in1[3] = NONE;
#endif
    stream_of[1] = 1;
    stream_of[3] = 1;
    run thread(0);
    run thread(1);
#ifdef THREE
    run thread(2);
#endif
    run drainer(0);
    run drainer(1)
  };
  /* Each waiter has fired, and no deferred plan is left. */
  ended == THREADS && refs[0] == 0 && refs[1] == 0 && refs[2] == 0 && refs[3] == 0;
  assert(phase[0] == DONE && phase[1] == DONE && phase[2] == DONE &&
         (phase[3] == DONE || phase[3] == LAZY))
}
