/*
 * The pool (src/stream/pool.c): how a ready stream comes to a thread while workers are inside long
 * commands (K9). Workers that are told, started and asleep; spare threads that look, stand in, and leave;
 * the places that are kept for streams that have used little.
 *
 * A stream is here a number of turns. A turn of a long one ends when all turns of the others have:
 * so where nobody is left to come to them, all stop, and Spin says so. Sections under the pool's
 * lock are one step each. Time is left out: who looks may find a stream late at any moment, and what
 * it may not take it waits for. Which ready stream is next is any of those that may be taken: the
 * order is that of ready.h, whose test is tests/stream/starving.c.
 *
 * scenario: ONE_LONG      a worker, a long stream and two others, each fresh or worn at each turn
 * scenario: TWO_LONG      a worker, two long streams of either kind and a fresh one
 * scenario: WORN_LONG     a worker, three long worn streams and a fresh one
 * scenario: PAIR          two workers, two long streams and a worn one with two turns
 *
 * Checked: the turns of others pass while long ones last; no more spare threads than there may be;
 * one of them looks at most.
 *
 * mutant: PUSH_BLIND      nobody is set to look when a stream becomes ready
 * mutant: TAKE_BLIND      nobody is set to look when a stream is taken and others are left
 * mutant: LEAVE_BLIND     who looks leaves although a stream is ready
 * mutant: WATCH_KEPT      who stands in counts as one that looks
 * mutant: BOTH_WATCH      who has stood in looks again although another one does
 * mutant: NONE_KEPT       worn streams may take the last place
 * mutant: ONLY_FRESH      who stands in never takes worn streams
 * mutant: ONE_SIGNAL      a worker that is awake counts as told
 * mutant: AWAKE_BLIND     a worker that has looked sleeps without another look under the lock
 */

#ifdef ONE_LONG
#define WORKERS 1
#define STREAMS 3
#define IS_LONG(s) (s == 0)
#define TURNS(s) (s == 1 -> 2 : 1)
#define OTHERS 3
#endif
#ifdef TWO_LONG
#define WORKERS 1
#define STREAMS 3
#define IS_LONG(s) (s < 2)
#define TURNS(s) 1
#define OTHERS 1
#endif
#ifdef WORN_LONG
#define WORKERS 1
#define STREAMS 4
#define IS_LONG(s) (s < 3)
#define TURNS(s) 1
#define OTHERS 1
#endif
#ifdef PAIR
#define WORKERS 2
#define STREAMS 3
#define IS_LONG(s) (s < 2)
#define TURNS(s) (s == 2 -> 2 : 1)
#define OTHERS 2
#endif

#define SPARES (WORKERS + 1)

bool roused;         /* a worker was woken for kernels, which looks once */
bool ready[STREAMS];
bool worn[STREAMS];
byte turns[STREAMS]; /* that are left */
byte others;         /* turns of those that are not long, that are left */
byte left = STREAMS; /* streams that are not over */

byte workers, idle, signalled; /* as in pool.c */
byte awake, told;              /* the halves of pool.c's `awake` */
byte sleeping;                 /* inside wr_cond_wait */
byte woken;                    /* signalled there, and not out yet */
byte starting;                 /* workers that are being made */
byte spares;
bool watched;
byte starting_spares;
byte looking;

/* What the scenario says of the stream that becomes ready. */
inline choose_class(s) {
#ifdef WORN_LONG
  worn[s] = IS_LONG(s)
#else
#ifdef PAIR
  worn[s] = true
#else
#ifdef TWO_LONG
  if
  :: IS_LONG(s) -> worn[s] = true
  :: worn[s] = false
  fi
#else
  if
  :: worn[s] = true
  :: worn[s] = false
  fi
#endif
#endif
#endif
}

#if STREAMS == 4
#define ANY_READY (ready[0] || ready[1] || ready[2] || ready[3])
#define FRESH_READY \
  ((ready[0] && !worn[0]) || (ready[1] && !worn[1]) || (ready[2] && !worn[2]) || \
   (ready[3] && !worn[3]))
#else
#define ANY_READY (ready[0] || ready[1] || ready[2])
#define FRESH_READY ((ready[0] && !worn[0]) || (ready[1] && !worn[1]) || (ready[2] && !worn[2]))
#endif

/* ---- sections under the lock ---- */

/* watch_locked and start_spare */
inline watch() {
  if
  :: !watched && idle == 0 && ANY_READY && spares <= WORKERS ->
     watched = true;
     spares++;
     starting_spares++;
     assert(spares <= SPARES)
  :: else
  fi
}

/* wr_pool_tell_awake_locked, of one */
inline tell() {
  if
  :: told < awake -> told++
  :: else
  fi
}

/* wr_pool_push, with wake_locked and start_workers */
inline push(s) {
  choose_class(s);
  ready[s] = true;
  if
#ifdef ONE_SIGNAL
  :: signalled < workers ->
#else
  :: signalled < idle ->
#endif
     signalled++;
     if
     :: sleeping > 0 -> sleeping--; woken++
     :: else
     fi;
     tell()
  :: else ->
     if
     :: workers < WORKERS -> workers++; starting++; tell()
     :: else ->
        if
        :: told < awake -> told++
        :: else ->
#ifdef PUSH_BLIND
           skip
#else
           watch()
#endif
        fi
     fi
  fi
}

/* wr_ready_take: any that may be taken; there is one. */
inline take(only_fresh) {
  if
  :: ready[0] && !(only_fresh && worn[0]) -> s = 0
  :: ready[1] && !(only_fresh && worn[1]) -> s = 1
  :: ready[2] && !(only_fresh && worn[2]) -> s = 2
#if STREAMS == 4
  :: ready[3] && !(only_fresh && worn[3]) -> s = 3
#endif
  fi;
  ready[s] = false;
#ifndef TAKE_BLIND
  watch()
#endif
}

/* drain_turn; what is left makes the stream ready again. */
inline drain_turn() {
  if
  :: IS_LONG(s) -> others == 0
  :: else -> atomic { others--; skip }
  fi;
  atomic {
    turns[s]--;
    if
    :: turns[s] > 0 -> push(s)
    :: else -> left--
    fi;
    s = 0
  }
}

/* ---- threads ---- */

active [WORKERS] proctype worker() {
  byte s;
  bool has_worked; /* so that it may look once before it sleeps */
end_unborn:
  atomic { starting > 0 -> starting-- };
look:
  atomic {
    if
    :: ANY_READY -> take(false)
    :: else ->
       if
       :: has_worked || roused -> has_worked = false; roused = false; awake++; goto look_out
       :: idle++; sleeping++; goto sleep
       fi
    fi
  };
  drain_turn();
  has_worked = true;
  goto look;
look_out:
  /* end_look; its time is over at any moment */
  atomic {
    awake--;
    if
    :: told > 0 -> told--
    :: else
    fi;
#ifdef AWAKE_BLIND
    idle++; sleeping++; goto sleep
#endif
  };
  goto look;
sleep:
end_asleep:
  atomic {
    woken > 0 ->
    woken--;
    idle--;
    if
    :: signalled > 0 -> signalled--
    :: else
    fi
  };
  goto look
}

/* Kernels too small to wake a worker for, one behind the other, wake one at some moment (rouse). */
active proctype small_kernels() {
end_none:
  atomic {
    if
    :: signalled < idle ->
       signalled++;
       if
       :: sleeping > 0 -> sleeping--; woken++
       :: else
       fi;
       roused = true
    :: idle == signalled && workers < WORKERS -> workers++; starting++; roused = true
    fi
  }
}

#ifdef NONE_KEPT
#define ROOM_FOR_WORN true
#else
#define ROOM_FOR_WORN (spares <= WORKERS)
#endif

/* spare_main; the thread is there once it is started, and may be so again. */
active [SPARES] proctype spare() {
  byte s;
  bool only_fresh;
end_unborn:
  atomic { starting_spares > 0 -> starting_spares--; looking++; assert(looking == 1) };
look:
  /* tick_locked, is_late_locked */
  atomic {
    if
#ifndef ONLY_FRESH
    :: ANY_READY && ROOM_FOR_WORN -> only_fresh = false
#endif
    :: FRESH_READY -> only_fresh = true
#ifdef LEAVE_BLIND
    :: true ->
#else
    :: !ANY_READY ->
#endif
       watched = false;
       looking--;
       spares--;
       goto end_unborn
    fi;
#ifndef WATCH_KEPT
    watched = false;
#endif
    looking--;
    take(only_fresh)
  };
stand_in:
  drain_turn();
  atomic {
    if
    :: (only_fresh -> FRESH_READY : ANY_READY) -> take(only_fresh); goto stand_in
    :: true
    fi;
    /* A worker has come back, or nothing is left for it. */
    if
#if !defined(BOTH_WATCH) && !defined(WATCH_KEPT)
    :: watched -> spares--; only_fresh = false; goto end_unborn
#endif
    :: else -> watched = true; looking++; assert(looking == 1); only_fresh = false
    fi
  };
  goto look
}

init {
  byte i;
  d_step {
    others = OTHERS;
    for (i : 0 .. STREAMS - 1) { turns[i] = TURNS(i) };
    i = 0
  };
  do
  :: i < STREAMS -> atomic { push(i); i++ }
  :: else -> break
  od;
  left == 0;
  assert(others == 0)
}
