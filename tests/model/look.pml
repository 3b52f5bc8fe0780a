/*
 * Looking at a graph that stays lazy: wr_plan_look and wr_plan_give_back in src/graph/plan.c, which
 * claim for a request that nobody else knows, with wr_withdraw and wr_completion_share. The graph is
 * 2 = f(1), 1 = f(0), on one stream, whose queue is one number a node: the place at which it was
 * appended.
 *
 * Somebody looks at 2, and reads the edges of what it has claimed; a thread in no request forces
 * TOP. A step is an atomic access, or a section under a lock that touches nothing else.
 *
 * scenario: ALONE      nobody forces anything
 * scenario: FORCE_1    somebody forces 1
 * scenario: FORCE_2    somebody forces 2
 * scenario: TWO_LOOK   somebody forces 2 while another one looks at 1
 *
 * Checked: edges are read by a claimer alone; a node is begun once, with inputs that stand before it
 * in the queue; what is forced gets its value; what nobody needs is lazy in the end; nothing is left
 * claimed.
 *
 * mutant: NO_SHARE     the planner relies on what it finds claimed
 * mutant: FOR_NOBODY   who looks claims for no request, so that nobody says that it shares
 * mutant: SPLIT_TAKE   take_back loads the word, then stores: two accesses
 * mutant: KEEP_PLAN    what is shared is submitted, and not planned anew
 * mutant: NO_RETURN    who looks keeps what it has claimed
 */

#define NODES 3
#define LAZY 0
#define CLAIMED 1
#define SUBMITTED 2
#define DONE 3

#ifdef FORCE_1
#define TOP 1
#else
#define TOP 2
#endif

byte phase[NODES];
byte owner[NODES];  /* 0: nobody's request; else that of who looks */
bool shared[NODES];
byte place[NODES];  /* in the queue, from 1; 0: it stands in none */
byte begun[NODES];
byte places;
byte left;

#define HAS_INPUT(n) ((n) > 0)

inline claim(n, mine_is) {
  phase[n] = CLAIMED;
  owner[n] = mine_is
}

/* Under the stream's lock. */
inline append(n) {
  assert(phase[n] == CLAIMED);
  if
  :: HAS_INPUT(n) -> assert(phase[n - 1] >= SUBMITTED)
  :: else
  fi;
  places++;
  place[n] = places;
  phase[n] = SUBMITTED
}

/* wr_completion_take_back; `taken` says whether it was. Then share_inputs. */
inline take(n) {
#ifdef SPLIT_TAKE
  taken = !shared[n];
  if
  :: taken -> atomic { phase[n] = LAZY; owner[n] = 0 }
  :: else
  fi;
#else
  atomic {
    taken = !shared[n];
    if
    :: taken -> phase[n] = LAZY; owner[n] = 0
    :: else
    fi
  };
#endif
  if
  :: !taken && HAS_INPUT(n) ->
     atomic {
       if
       :: owner[n - 1] && phase[n - 1] != LAZY && phase[n - 1] != DONE -> shared[n - 1] = true
       :: else
       fi
     }
  :: else
  fi
}

/* For nobody's request: claims from node n down what is lazy, and shares what it finds claimed. */
inline plan_from() {
  do
  :: true ->
     atomic {
       if
       :: phase[n] == LAZY -> claim(n, 0); mine[n] = true
#ifndef NO_SHARE
       :: (phase[n] == CLAIMED || phase[n] == SUBMITTED) && owner[n] -> shared[n] = true;
          stop = true
#endif
       :: else -> stop = true
       fi
     };
     if
     :: stop || n == 0 -> break
     :: else -> n--
     fi
  od;
  stop = false
}

/* Inputs first; what another one has claimed is waited for before the append (deferred). */
inline submit_mine() {
  n = 0;
  do
  :: n < NODES ->
     if
     :: mine[n] ->
        atomic { !HAS_INPUT(n) || phase[n - 1] != CLAIMED -> append(n); mine[n] = false }
     :: else
     fi;
     n++
  :: else -> break
  od;
  n = 0
}

#define LOCALS byte n, k; bool taken, stop; bool mine[NODES]; bool again[NODES]

/* wr_withdraw of the nodes of `mine`; each that stays is planned anew. */
inline withdraw() {
  k = NODES;
  do
  :: k > 0 ->
     k--;
     if
     :: mine[k] ->
        take(k);
        mine[k] = false;
        again[k] = !taken
     :: else
     fi
  :: else -> break
  od;
  k = 0;
  do
  :: k < NODES ->
     if
     :: again[k] ->
        again[k] = false;
#ifndef KEEP_PLAN
        if
        :: HAS_INPUT(k) -> n = k - 1; plan_from()
        :: else
        fi;
#endif
        mine[k] = true
     :: else
     fi;
     k++
  :: else -> break
  od;
#ifdef KEEP_PLAN
  n = 0;
  do
  :: n < NODES ->
     if
     :: mine[n] -> atomic { append(n); mine[n] = false }
     :: else
     fi;
     n++
  :: else -> break
  od
#else
  submit_mine()
#endif
}

/* Claims what is lazy from `top` down; what others have is nothing to it. */
proctype looker(byte top; byte me) {
  LOCALS;
  n = top;
  do
  :: atomic {
       if
#ifdef FOR_NOBODY
       :: phase[n] == LAZY -> claim(n, 0); mine[n] = true
#else
       :: phase[n] == LAZY -> claim(n, me); mine[n] = true
#endif
       :: else -> stop = true
       fi
     };
     if
     :: stop || n == 0 -> break
     :: else -> n--
     fi
  od;
  stop = false;
  n = 0;
  do
  :: n < NODES ->
     /* What it shows. */
     assert(!mine[n] || (phase[n] == CLAIMED && begun[n] == 0));
     n++
  :: else -> break
  od;
#ifndef NO_RETURN
  withdraw();
#endif
  left--
}

/* In no request. */
proctype other() {
  LOCALS;
  n = TOP;
  plan_from();
  submit_mine();
  phase[TOP] == DONE;
  left--
}

/* In the order of the queue. */
proctype drainer() {
  byte n, i, best;
end:
  do
  :: atomic {
       phase[0] == SUBMITTED || phase[1] == SUBMITTED || phase[2] == SUBMITTED ->
       best = 255;
       i = 0;
       do
       :: i < NODES ->
          if
          :: phase[i] == SUBMITTED && place[i] < best -> best = place[i]; n = i
          :: else
          fi;
          i++
       :: else -> break
       od;
       assert(!HAS_INPUT(n) || phase[n - 1] == DONE);
       assert(begun[n] == 0);
       begun[n] = 1;
       phase[n] = DONE;
       owner[n] = 0;
       shared[n] = false
     }
  od
}

init {
  atomic {
    left = 1;
    run looker(2, 1);
#ifdef TWO_LOOK
    left++;
    run looker(1, 2);
#endif
#ifndef ALONE
    left++;
    run other();
#endif
    run drainer()
  };
  left == 0;
  atomic {
    (phase[0] != SUBMITTED && phase[1] != SUBMITTED && phase[2] != SUBMITTED) ->
#ifdef ALONE
    assert(phase[0] == LAZY && phase[1] == LAZY && phase[2] == LAZY);
#else
    assert(phase[0] == DONE && phase[1] == DONE);
#ifdef FORCE_1
    assert(phase[2] == LAZY)
#else
    assert(phase[2] == DONE)
#endif
#endif
  }
}
