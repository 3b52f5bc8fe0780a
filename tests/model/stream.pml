/*
 * Streams and the pool: submit, drain (src/stream/stream.c), suspend and resume (src/stream/blocked.c),
 * the list of ready streams and the workers' sleep (src/stream/pool.c), a batch as a task (src/graph/run.c), and the
 * threads that wait and help (src/stream/help.c, src/graph/force.c).
 *
 * A completion is one step here: await registers or fires, finish takes the whole list; node.pml
 * shows that the code may be read so. A section under a stream's lock is one step where only its
 * last access is seen outside that lock (the pool's lock is taken last); wake_stream has two.
 * The device is the CPU: a node is over when it has run, or stays pending, and then a thread that
 * drains nothing ends it (run.c). A worker takes any of the streams in the
 * list, since their order (src/stream/ready.h) depends on how much each has used; pool.pml has the
 * spare threads.
 *
 * scenario: ALONE_CROSS   a chain of batches over two streams, forced by one thread while another
 *                         forces its own batch on one of them; no worker can be had
 * scenario: ALONE_CHAIN   the same with three streams, each blocked by the next, in the wrong order
 *                         for the pool; one thread waits for the end, one for the middle
 * scenario: ALONE_SHARED  two threads force nodes on one stream, and there is work behind them
 * scenario: ALONE_WAITED  the same, where both submit first and wait then, as for several streams
 * scenario: CROSS         the chain over two streams, with one worker; nobody waits for the other batch
 * scenario: CHAIN         the chain over three, with one worker, and one thread that waits
 * scenario: SHARED        with one worker, and nobody waits for the work behind
 * scenario: WORKERS       the chain over two streams is left to two workers; nobody waits
 * scenario: BRIEF         two batches of a chain, which their thread runs as far as it goes and then
 *                         leaves (wr_stream_run_brief), while another forces its own batch on one of
 *                         the streams; one worker
 * scenario: ALONE_BRIEF   the same with the whole chain; no worker can be had, and the other thread
 *                         waits for the end too
 * scenario: STAYS         two nodes of a batch stay pending, and a third reads the first of them; a
 *                         batch behind them on the stream, whose end a thread waits for; one worker
 * scenario: ALONE_STAYS   the same, with a batch on another stream that reads the second, for which
 *                         another thread waits; no worker can be had
 * scenario: ALONE_TAKEN   what a thread in a request waits for is taken back, while its stream is blocked
 *                         or about to be; another thread, in none, then plans the same anew, behind it;
 *                         no worker can be had
 * thorough: FULL_CROSS    ALONE_CROSS with one worker: 77 million states
 *
 * Checked: each node runs once, in the order of its stream's appends, after its inputs, and after
 * all of the batches before, while its stream is there; nobody sleeps for ever while there is work; all references come back; a thread
 * that waits starts at most one node after its result is there (K9); it never goes round in circles.
 *
 * mutant: AWAIT_FIRST     block_on sets the waiter before it holds its reference
 * mutant: RESUME_LOST     a wake that finds the stream RUNNING leaves no mark
 * mutant: RESUME_KEPT     the drainer suspends the stream although it was resumed
 * mutant: PARK_BLIND      a worker goes to sleep without another look at the list
 * mutant: ONE_SIGNAL      the pool counts a worker as told although that one is awake
 * mutant: KICK_FORGOTTEN  a drainer that stops leaves the rest of the queue to nobody
 * mutant: SUBMIT_SILENT   a task on a stream that nobody drains is not announced
 * mutant: BRIEF_KEPT      a thread that runs brief tasks leaves the rest of the queue to nobody
 * mutant: BRIEF_LOOKS     it looks whether somebody drains the stream, and submits then
 * mutant: UNPOP_BACK      a task that blocked goes to the end of the queue
 * mutant: TWO_DRAINERS    drain does not look whether the stream is RUNNING
 * mutant: BEGIN_AHEAD     a task is begun as it is submitted, whatever stands in the queue
 * mutant: BEGIN_BESIDE    the same, whoever drains the stream
 * mutant: STAYING_LEFT    a batch ends while nodes of it are pending
 * mutant: STAYING_READ    what reads a pending node of its own stream does not wait for it
 * mutant: BY_ITSELF       a stream that waits for a node of its own is blocked by itself
 * mutant: REF_FORGOTTEN   the pool's list holds no reference
 * mutant: NO_STOP         between two tasks the drainer does not ask whether it should stop
 * mutant: HELP_SPINS      a thread that finds nothing to drain looks again instead of sleeping
 * mutant: POKE_LOST       a stream that becomes READY neither pokes nor is the pool told
 * mutant: NOT_PASSED_ON   who leaves a stream's list does not poke the next one
 * mutant: LOOK_FIRST      a thread looks at the stream, and then enters its list
 * mutant: OVER_ALONE      a thread waits until its target is over, also when its waiter has fired since
 *                         that was taken back
 */

#ifdef ALONE_TAKEN
#define TAKEN
#define ALONE
#endif

#ifdef ALONE_CROSS
#define CROSS
#define ALONE
#endif
#ifdef FULL_CROSS
#define CROSS
#endif
#ifdef ALONE_BRIEF
#define BRIEF
#define ALONE
#endif
#ifdef ALONE_STAYS
#define STAYS
#define ALONE
#endif
#ifdef ALONE_CHAIN
#define CHAIN
#define ALONE
#endif
#ifdef ALONE_WAITED
#define ALONE_SHARED
#endif
#ifdef ALONE_SHARED
#define SHARED
#define ALONE
#endif

#define NONE 15

#define IDLE 0
#define READY 1
#define RUNNING 2
#define SUSPENDED 3

#define DRAINED 1
#define BUSY 2
#define ASLEEP 3

#define STEP_DONE 1
#define STEP_BLOCKED 2
#define STEP_YIELD 3

#ifdef CHAIN
#define STREAMS 3
#else
#define STREAMS 2
#endif
#define NODES 5
#define QUEUE 3
#ifdef WORKERS
#define MAX_WORKERS 2
#endif
#ifdef ALONE
#define MAX_WORKERS 0
#endif
#ifndef MAX_WORKERS
#define MAX_WORKERS 1
#endif
#define THREADS 2

/* How often a thread may look without a node run or sleep in between; what ends elsewhere lets it
   look once more each. */
#if defined(STAYS) || defined(TAKEN)
#define ROUNDS 7
#else
#define ROUNDS 5
#endif

/* A waiter's bit in a node's list: stream s has bit s, thread t the bit THREAD(t). */
#define THREAD(t) (STREAMS + (t))

byte stream_of[NODES];
byte input[NODES]; /* the one input, on another stream, or NONE */
byte first[NODES]; /* batch b has nodes first[b] to first[b] + count[b] - 1 */
byte count[NODES];
byte next[NODES];

bool over[NODES];
#ifdef STAYS
/* The first two nodes. */
#define STAYS_PENDING(n) (n < 2)
#define STAYING(b) (b == 0 && (!over[0] || !over[1]))
bool begun[NODES];
#else
#define STAYS_PENDING(n) false
#define STAYING(b) false
#endif
#ifdef TAKEN
/* Node 1 stands in batch 1, of the request, until it is taken back, and in batch 2 when it is claimed
   anew. Its request's lock is held while it is begun, or its stream blocked for it. */
#define GONE(b) (b == 1 && gone)
#define SETTLED(n) (over[n] || (n == 1 && lazy))
bool gone, lazy, requests_lock, has_ended;
#else
#define GONE(b) false
#define SETTLED(n) over[n]
#endif
byte waiters[NODES];
byte place[NODES]; /* in the order of its stream's appends */

bool lock[STREAMS]; /* held over a step's end */
byte state[STREAMS];
bool resumed[STREAMS];
bool asleep[STREAMS];
byte blocked_by[STREAMS];
byte queue[STREAMS * QUEUE];
byte length[STREAMS];
byte refs[STREAMS];
byte appended[STREAMS];
byte ran[STREAMS];

bool listed[STREAMS];
byte ready; /* streams in the list */
byte workers, idle, signalled; /* as in pool.c */
byte sleeping;                 /* inside wr_cond_wait */
byte woken;                    /* signalled there, and not out yet */
byte starting;                 /* threads that are being made */

byte sleepers[STREAMS]; /* threads in the stream's list */
byte newest[STREAMS];   /* the first in that list */
bool poked[THREADS];
bool fired[THREADS]; /* the sleeper's waiter has */
byte ended;

/* ---- references ---- */

inline retain(s) {
  assert(refs[s] > 0);
  refs[s]++
}

inline release(s) {
  assert(refs[s] > 0);
  refs[s]--;
  assert(refs[s] > 0 || (length[s] == 0 && state[s] == IDLE && blocked_by[s] == NONE))
}

/* ---- the pool's list ---- */

/* wake_locked(1) and start_workers */
inline pool_tell() {
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
     fi
  :: else ->
     if
     :: workers < MAX_WORKERS -> workers++; starting++
     :: else
     fi
  fi
}

inline poke(s) {
  assert(sleepers[s] & (1 << newest[s]));
  poked[newest[s]] = true
}

/* ready_locked, with wr_pool_push */
inline make_ready(s) {
  state[s] = READY;
  if
  :: !listed[s] ->
     listed[s] = true;
     ready++;
#ifndef REF_FORGOTTEN
     refs[s]++
#endif
  :: else
  fi;
  if
#ifdef POKE_LOST
  :: sleepers[s] != 0
#else
  :: sleepers[s] != 0 -> poke(s)
#endif
  :: else -> pool_tell()
  fi
}

/* ---- queues, under the stream's lock ---- */

inline append(s, b) {
  queue[s * QUEUE + length[s]] = b;
  length[s]++
}

inline pop(s, b) {
  b = queue[s * QUEUE];
  queue[s * QUEUE] = queue[s * QUEUE + 1];
  queue[s * QUEUE + 1] = queue[s * QUEUE + 2];
  queue[s * QUEUE + 2] = 0;
  length[s]--
}

inline unpop(s, b) {
#ifdef UNPOP_BACK
  append(s, b);
#else
  queue[s * QUEUE + 2] = queue[s * QUEUE + 1];
  queue[s * QUEUE + 1] = queue[s * QUEUE];
  queue[s * QUEUE] = b;
  length[s]++;
#endif
}

/* wr_stream_submit; publish is part of the step, see claim.pml for what lies inside */
inline submit(b, schedule) {
  d_step {
    n = first[b];
    s = stream_of[n];
    assert(refs[s] > 0)
  };
  d_step {
    !lock[s] ->
    append(s, b);
    do
    :: n < first[b] + count[b] -> place[n] = appended[s]; appended[s]++; n++
    :: else -> break
    od;
#ifndef SUBMIT_SILENT
    if
    :: schedule && state[s] == IDLE -> make_ready(s)
    :: else
    fi;
#endif
    n = 0;
    s = 0
  }
}

/* wr_stream_begin, or wr_stream_submit where that is false. The lock is held on to the first pop in
   drain_running. */
inline begin_or_submit(b) {
  d_step {
    n = first[b];
    s = stream_of[n];
    assert(refs[s] > 0)
  };
  d_step {
    !lock[s] ->
    if
#ifndef BEGIN_BESIDE
    :: state[s] == IDLE &&
#else
    ::
#endif
#ifndef BEGIN_AHEAD
       length[s] == 0 ->
#else
       true ->
#endif
       result = DRAINED;
       step = STEP_DONE;
       state[s] = RUNNING;
       lock[s] = true;
#ifdef BEGIN_AHEAD
       unpop(s, b)
#else
       append(s, b)
#endif
    :: else -> result = BUSY; append(s, b)
    fi;
    do
    :: n < first[b] + count[b] -> place[n] = appended[s]; appended[s]++; n++
    :: else -> break
    od;
    n = 0
  }
}

/* ---- completions ---- */

/* Takes one of the waiters in `list` that this thread has to fire. */
inline fire_list() {
  do
  :: list != 0 ->
     d_step {
       w = 0;
       do
       :: !(list & (1 << w)) -> w++
       :: else -> break
       od;
       list = list & ~(1 << w)
     };
     if
     :: w >= STREAMS -> fired[w - STREAMS] = true
     :: else ->
        /* wake_stream */
        d_step { !lock[w] -> assert(refs[w] > 0); lock[w] = true; by = blocked_by[w];
                 blocked_by[w] = NONE;
                 if
                 :: state[w] == SUSPENDED -> asleep[w] = false
#ifndef RESUME_LOST
                 :: else -> resumed[w] = true
#else
                 :: else
#endif
                 fi };
        d_step {
          if
          :: state[w] == SUSPENDED -> make_ready(w)
          :: else
          fi;
          lock[w] = false;
          if
          :: by != NONE -> release(by); by = NONE
          :: else
          fi;
          release(w)
        }
     fi
  :: else -> break
  od;
  w = 0
}

/* ---- draining ---- */

/* Why a thread drains. */
#define HELPS 0
#define WORKS 1
#define BRIEFLY 2

/* wr_drain_stop and may_run_locked: true by what the drainer waits for; a worker's turn ends at any
   time once others are ready; who runs brief tasks stops between any two. */
#define DRAIN_STOP(why) \
  (why == BRIEFLY -> tired : \
   (why == WORKS -> ready > 0 && tired : \
    SETTLED(target) || (blocked != NONE && !asleep[blocked])))

/* Some time passes. */
inline get_tired(why) {
  if
  :: why != HELPS -> if :: tired = true :: tired = false fi
  :: else
  fi
}

/* Suspends stream s, soon, until node c is over. */
inline block_on(c) {
  step = STEP_BLOCKED;
  /* wr_node_pending_stream */
  d_step {
    if
#ifndef BY_ITSELF
    :: !over[c] && stream_of[c] != s ->
#else
    :: !over[c] ->
#endif
       by = stream_of[c];
       retain(by)
    :: else -> by = NONE
    fi
  };
  /* wr_stream_block_on */
#ifndef AWAIT_FIRST
  d_step { !lock[s] -> retain(s); blocked_by[s] = by; by = NONE };
#endif
  d_step {
    if
    :: over[c] -> list = 1 << s
    :: else -> waiters[c] = waiters[c] | (1 << s)
    fi
  };
#ifdef AWAIT_FIRST
  d_step { !lock[s] -> retain(s); blocked_by[s] = by; by = NONE }
#endif
}

/* wr_stream_drain of stream s. `result` says what came of it. */
inline drain(why) {
  drain_begin(why);
  drain_running(why)
}

inline drain_begin(why) {
  d_step {
    !lock[s] ->
    assert(refs[s] > 0);
    if
    :: state[s] == SUSPENDED -> result = ASLEEP
#ifndef TWO_DRAINERS
    :: state[s] == RUNNING || (why == BRIEFLY && (state[s] != IDLE || length[s] == 0)) ->
       result = BUSY
#endif
    :: else ->
       result = DRAINED;
       if
       :: state[s] == READY && listed[s] ->
          /* wr_pool_remove */
          ready--;
          listed[s] = false;
          was_listed = true
       :: else
       fi;
       state[s] = RUNNING;
       step = STEP_DONE;
       lock[s] = true
    fi
  }
}

inline drain_running(why) {
  do
  :: result != DRAINED || step == STEP_YIELD -> break
  :: result == DRAINED && step != STEP_YIELD ->
     /* run_tasks_locked: the top of its loop, in the same section as what came before */
     atomic {
       lock[s] = false;
       if
       :: length[s] == 0 -> state[s] = IDLE; break
       :: length[s] > 0 -> pop(s, b)
       :: length[s] > 0 && why == BRIEFLY ->
          /* The first task is not brief, or they were enough. */
          state[s] = IDLE;
#ifndef BRIEF_KEPT
          make_ready(s);
#endif
          break
       fi
     };
     step = STEP_DONE;
     /* wr_batch_run */
     do
     :: step == STEP_DONE && next[b] < count[b] ->
        n = first[b] + next[b];
#ifdef TAKEN
        if
        :: b == 1 -> atomic { !requests_lock -> requests_lock = true }
        :: else
        fi;
#endif
        if
#ifndef STAYING_READ
        :: !GONE(b) && input[n] != NONE && !over[input[n]] ->
#else
        :: !GONE(b) && input[n] != NONE && !over[input[n]] && stream_of[input[n]] != s ->
#endif
           n = input[n];
           block_on(n);
#ifdef TAKEN
           if
           :: b == 1 -> requests_lock = false
           :: else
           fi
        :: GONE(b) ->
           atomic { next[b]++; ran[s]++; requests_lock = false }
#endif
        :: else ->
           atomic {
             next[b]++;
#ifdef TAKEN
             if
             :: b == 1 -> requests_lock = false
             :: else
             fi
#endif
           };
           atomic {
             assert(!over[n] && place[n] == ran[s]);
             assert(input[n] == NONE || over[input[n]]);
#ifdef STAYS
             assert(n != 3 || (over[0] && over[1] && over[2]));
#endif
             ran[s]++;
             if
             :: why == HELPS && over[target] -> late++; assert(late <= 1)
             :: else
             fi;
             rounds = 0
           };
           if
#ifdef STAYS
           :: STAYS_PENDING(n) -> begun[n] = true
#endif
           :: else ->
              /* finish, in run.c */
              d_step { over[n] = true; list = waiters[n]; waiters[n] = 0 }
           fi
        fi;
        fire_list();
        if
        :: step == STEP_DONE ->
           d_step {
             if
             :: !STAYS_PENDING(n) && !GONE(b) -> release(s) /* the node's */
             :: else
             fi
           };
           get_tired(why);
           if
           :: next[b] < count[b] && DRAIN_STOP(why) -> step = STEP_YIELD
           :: else
           fi
        :: else
        fi
#ifdef STAYS
#ifndef STAYING_LEFT
     :: step == STEP_DONE && next[b] == count[b] && STAYING(b) ->
        /* wait_for_staying */
        atomic { n = (over[1] -> 0 : 1) };
        block_on(n);
        fire_list()
#endif
     :: step != STEP_DONE || (next[b] == count[b] && !STAYING(b)) -> break
#ifdef STAYING_LEFT
     :: step == STEP_DONE && next[b] == count[b] && STAYING(b) -> break
#endif
#else
     :: else -> break
#endif
     od;
     /* run_tasks_locked after the task has run, and the end of drain_locked */
     atomic {
       !lock[s];
       if
       :: step == STEP_DONE ->
#ifndef NO_STOP
          if
          :: length[s] > 0 && DRAIN_STOP(why) -> step = STEP_YIELD
          :: else
          fi
#else
          skip
#endif
       :: step == STEP_YIELD -> unpop(s, b)
       :: step == STEP_BLOCKED ->
          unpop(s, b);
          if
#ifndef RESUME_KEPT
          :: resumed[s] -> resumed[s] = false
#endif
          :: else ->
             state[s] = SUSPENDED;
             asleep[s] = true;
             result = ASLEEP;
             if
             :: sleepers[s] != 0 -> poke(s)
             :: else
             fi
          fi
       fi;
       if
       :: step == STEP_YIELD ->
          state[s] = IDLE;
#ifndef KICK_FORGOTTEN
          if
          :: length[s] > 0 -> make_ready(s)
          :: else
          fi
#endif
       :: else -> lock[s] = result == DRAINED
       fi;
       n = 0;
       b = 0
     }
  od;
  atomic {
    if
    :: was_listed -> release(s); was_listed = false
    :: else
    fi;
    step = 0;
    tired = false
  }
}

#define LOCALS \
  byte s, b, n, w, list, result, step, late, rounds; \
  byte by = NONE, blocked = NONE, target = NONE; \
  bool was_listed, tired

/* ---- threads ---- */

/* worker_main */
#ifndef ALONE
active [MAX_WORKERS] proctype worker() {
  LOCALS;
end_unborn:
  atomic { starting > 0 -> starting-- };
look:
  atomic {
    if
    :: listed[0] -> s = 0; listed[0] = false; ready--
    :: listed[1] -> s = 1; listed[1] = false; ready--
#if STREAMS > 2
    :: listed[2] -> s = 2; listed[2] = false; ready--
#endif
    :: ready == 0 ->
#ifdef PARK_BLIND
       goto park
#else
       idle++;
       sleeping++;
       goto sleep
#endif
    fi
  };
  drain(WORKS);
  d_step { release(s); s = 0; result = 0 };
  goto look;
#ifdef PARK_BLIND
park:
  atomic { idle++; sleeping++ };
#endif
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
#endif

/* cut: gives up the places from `from` on, the last one first */
inline cut(from) {
  do
  :: d_step { places > from && !lock[spot[places - 1]] ->
       places--;
       sleepers[spot[places]] = sleepers[spot[places]] & ~(1 << self);
       newest[spot[places]] = (sleepers[spot[places]] != 0 -> 1 - self : 0);
#ifndef NOT_PASSED_ON
       if
       :: (state[spot[places]] == READY || state[spot[places]] == SUSPENDED) &&
          sleepers[spot[places]] != 0 -> poke(spot[places])
       :: state[spot[places]] == READY && sleepers[spot[places]] == 0 && ready > 0 ->
          pool_tell()
       :: else
       fi;
#endif
       release(spot[places]);
       spot[places] = 0
     }
  :: places <= from -> break
  od;
  skip /* where a break may lead to */
}

/* take_place */
inline take_place() {
  if
  :: atomic { depth < places && spot[depth] == s -> depth++ }
  :: depth >= places || spot[depth] != s ->
     cut(depth);
     d_step {
       !lock[s] ->
       spot[depth] = s;
       depth++;
       places = depth;
       retain(s);
       sleepers[s] = sleepers[s] | (1 << self);
       newest[s] = self
     }
  fi
}

/* look: s is what is drained, `blocked` what it blocks; `again` is the answer. */
inline look(from_places) {
  atomic {
    rounds++;
    assert(rounds < ROUNDS);
    s = home;
    retain(s);
    result = 0;
    again = false
  };
  do
  :: true ->
     if
     :: from_places ->
#ifndef LOOK_FIRST
        take_place();
#endif
        /* drain_from_place */
        d_step {
          !lock[s] -> result = (state[s] == SUSPENDED -> ASLEEP : 0)
        };
        if
        :: result != ASLEEP -> cut(depth); drain(HELPS)
        :: else
        fi;
#ifdef LOOK_FIRST
        take_place()
#endif
     :: else -> drain(HELPS)
     fi;
     atomic {
       again = SETTLED(target) || (blocked != NONE -> !asleep[blocked] : false);
       if
       :: again || result != ASLEEP -> break
       :: else
       fi
     };
     atomic {
       !lock[s];
       by = blocked_by[s];
       if
       :: by == NONE -> again = !asleep[s]; break
       :: else -> retain(by)
       fi;
       if
       :: blocked != NONE -> release(blocked)
       :: else
       fi;
       blocked = s;
       s = by;
       by = NONE
     }
  od;
  if
  :: from_places -> cut(depth)
  :: else
  fi;
  atomic {
    if
    :: blocked != NONE -> release(blocked); blocked = NONE
    :: else
    fi;
    release(s);
    s = 0;
    depth = 0;
    result = 0
  }
}

/* wr_stream_help; the caller has a reference to `home`. */
inline help() {
  do
  :: SETTLED(target) -> break
  :: else ->
     look(false);
     if
     :: again
     :: else -> break
     fi
  od;
  /* help_or_sleep; for who is done already it changes nothing */
  atomic {
    if
    :: SETTLED(target) -> fired[self] = true
    :: else -> waiters[target] = waiters[target] | (1 << THREAD(self))
    fi
  };
  do
#ifdef OVER_ALONE
  :: over[target] -> break
  :: atomic { !over[target] -> poked[self] = false };
#else
  :: SETTLED(target) || fired[self] -> break
  :: atomic { !SETTLED(target) && !fired[self] -> poked[self] = false };
#endif
     look(true);
     if
     :: again
     :: else ->
#ifndef HELP_SPINS
        d_step {
          fired[self] || poked[self] ->
          if
          :: poked[self] -> rounds = 0
          :: else
          fi
        }
#else
        skip
#endif
     fi
  od;
  cut(0);
  atomic { fired[self] -> fired[self] = false; poked[self] = false; rounds = 0; again = false }
}

/* wait_over */
inline wait_over(n) {
  target = n;
  do
  :: over[target] -> break
  :: else ->
     d_step {
       if
       :: !over[target] -> home = stream_of[target]; retain(home)
       :: else
       fi
     };
     if
     :: home != NONE -> help(); atomic { release(home); home = NONE }
     :: else
     fi
  od
}

/* submit_brief, with wr_stream_run_brief */
inline run_brief(b) {
  d_step { home = stream_of[first[b]]; retain(home); was_idle = state[home] == IDLE };
  submit(b, false);
  s = home;
  if
#ifdef BRIEF_LOOKS
  :: !was_idle
#endif
  :: else -> drain(BRIEFLY)
  fi;
  atomic { release(home); home = NONE; s = 0; result = 0; was_idle = false }
}

/* run_here */
inline run_here(b, n) {
  d_step { target = n; home = stream_of[target]; retain(home) };
  begin_or_submit(b);
  drain_running(HELPS);
  atomic { s = 0; result = 0 };
  help();
  atomic { release(home); home = NONE }
}

#ifdef STAYS
/* What a callee leaves to a thread of its own: pending_over, in run.c. */
active proctype elsewhere() {
  byte n, w, list, by = NONE;
again_here:
  if
  :: over[0] && over[1] -> goto end
  :: begun[0] && !over[0] -> n = 0
  :: begun[1] && !over[1] -> n = 1
  fi;
  d_step { over[n] = true; list = waiters[n]; waiters[n] = 0 };
  fire_list();
  d_step { release(0) };
  goto again_here;
end:
  skip
}
#endif

#ifdef TAKEN
/* Ends the request: end and take_back_some_locked in request.c, with the stream's struct wr_wake. */
active proctype ender() {
  byte n, w, list, by = NONE;
  atomic { appended[1] > 0 && !requests_lock -> requests_lock = true };
  if
  :: next[1] == 0 ->
     atomic {
       gone = true;
       lazy = true;
       list = waiters[1];
       waiters[1] = 0
     };
     atomic {
       if
       :: waiters[0] & (1 << 1) -> waiters[0] = waiters[0] & ~(1 << 1); list = list | (1 << 1)
       :: else
       fi
     }
  :: else
  fi;
  requests_lock = false;
  fire_list();
  has_ended = true
}
#endif

proctype user(byte self) {
  LOCALS;
  byte home = NONE, depth, places;
  byte spot[STREAMS];
  bool again, was_idle;
#ifdef BRIEF
  if
  :: self == 0 ->
     run_brief(0);
     run_brief(1);
#ifdef ALONE
     run_brief(2)
#endif
  :: else ->
     run_here(3, 3);
#ifdef ALONE
     appended[0] > 1; /* park until SUBMITTED */
     wait_over(2)
#endif
  fi;
#endif
#ifdef CROSS
  if
  :: self == 0 -> submit(0, true); submit(1, true); submit(2, true); wait_over(2)
#if defined(ALONE) || defined(FULL_CROSS)
  :: else -> run_here(3, 3)
#else
  :: else -> submit(3, true)
#endif
  fi;
#endif
#ifdef CHAIN
  if
  :: self == 0 -> submit(0, true); submit(1, true); submit(2, true); wait_over(2)
#ifdef ALONE
  :: else ->
     appended[1] > 0; /* park until SUBMITTED */
     wait_over(1)
#else
  :: else
#endif
  fi;
#endif
#ifdef SHARED
  if
#ifdef ALONE_WAITED
  :: self == 0 -> submit(0, true); wait_over(1)
#else
  :: self == 0 -> run_here(0, 1)
#endif
  :: else ->
     submit(1, true);
     wait_over(2);
     submit(2, true);
#ifdef ALONE
     wait_over(4)
#endif
  fi;
#endif
#ifdef STAYS
  if
  :: self == 0 -> submit(0, true); submit(1, true); wait_over(3)
#ifdef ALONE
  :: else ->
     appended[0] > 0; /* park until SUBMITTED */
     submit(2, true);
     wait_over(4)
#else
  :: else
#endif
  fi;
#endif
#ifdef TAKEN
  if
  :: self == 0 ->
     submit(0, true);
     submit(1, true);
     target = 1;
     d_step {
       if
       :: !SETTLED(1) -> home = 1; retain(1)
       :: else
       fi
     };
     if
     :: home != NONE -> help(); atomic { release(1); home = NONE }
     :: else
     fi
  :: else ->
     atomic {
       has_ended || lazy ->
       if
       :: lazy -> lazy = false; again = true
       :: else
       fi
     };
     if
     :: again -> again = false; submit(2, true)
     :: else
     fi;
     wait_over(1)
  fi;
#endif
#ifdef WORKERS
  if
  :: self == 0 -> submit(0, true); submit(1, true); submit(2, true)
  :: else -> submit(3, true)
  fi;
#endif
  ended++
}

inline node(n, on, needs) {
  stream_of[n] = on;
  input[n] = needs;
  refs[on]++
}

inline batch(b, from, n) {
  first[b] = from;
  count[b] = n
}

#define ALL_OVER (over[0] && over[1] && over[2] && (over[3] || !FOUR) && (over[4] || !FIVE))

init {
  atomic {
    byte i;
    for (i : 0 .. STREAMS - 1) { blocked_by[i] = NONE }
#if defined(CROSS) || defined(WORKERS) || defined(BRIEF)
#define FOUR 1
#define FIVE 0
    node(0, 0, NONE);
    node(1, 1, 0);
#if defined(BRIEF) && !defined(ALONE)
    over[2] = true; /* there is none */
#else
    node(2, 0, 1);
#endif
    node(3, 1, NONE);
    batch(0, 0, 1);
    batch(1, 1, 1);
    batch(2, 2, 1);
    batch(3, 3, 1);
#endif
#ifdef CHAIN
#define FOUR 0
#define FIVE 0
    node(0, 0, NONE);
    node(1, 1, 0);
    node(2, 2, 1);
    batch(0, 0, 1);
    batch(1, 1, 1);
    batch(2, 2, 1);
#endif
#ifdef TAKEN
#define FOUR 0
#define FIVE 0
    node(0, 0, NONE);
    node(1, 1, 0);
    over[2] = true; /* there is none */
    batch(0, 0, 1);
    batch(1, 1, 1);
    batch(2, 1, 1);
#endif
#ifdef SHARED
#define FOUR 1
#define FIVE 1
    node(0, 0, NONE);
    node(1, 0, NONE);
    node(2, 0, NONE);
    node(3, 0, NONE);
    node(4, 0, NONE);
    batch(0, 0, 2);
    batch(1, 2, 2);
    batch(2, 4, 1);
#endif
#ifdef STAYS
#define FOUR 1
#define FIVE 1
    node(0, 0, NONE);
    node(1, 0, NONE);
    node(2, 0, 0);
    node(3, 0, NONE);
#ifdef ALONE
    node(4, 1, 1);
#else
    over[4] = true; /* there is none */
#endif
    batch(0, 0, 3);
    batch(1, 3, 1);
    batch(2, 4, 1);
#endif
    run user(0);
    run user(1)
  };
  /* Handles are gone by now: the last references were the nodes'. */
  ended == THREADS && ALL_OVER && refs[0] == 0 && refs[1] == 0;
  assert(length[0] == 0 && length[1] == 0)
}
