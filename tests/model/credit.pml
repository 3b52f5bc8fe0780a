/*
 * Credits of threads in the count of active bytes (src/memory/active.c): threads that allocate and
 * free one byte at a time, become holders and end; one that reads the active bytes and the peak, and
 * one that resets the peak. A credit is one byte more than is needed, and two are too much.
 *
 * The count and the number of holders are one word. A step is an atomic access, or what a thread
 * does under its flag to what the flag guards.
 *
 * scenario: READ       two threads allocate and free, one reads
 * scenario: RESET      the same, and one resets the peak before it reads
 * scenario: END        one of the two ends early, and allocates and frees without a credit then
 * thorough: THREE      three threads, one reads
 *
 * Checked: what is read is what a ledger has that each allocation, free and reset enters in one
 * step; credits are out only while the count is at most the peak; after taking them back nobody
 * holds any.
 *
 * mutant: NO_SETTLE    who raises the count above the peak does not look for holders
 * mutant: SPLIT_WORD   the holders stand in a word of their own
 * mutant: HOLD_BLIND   a thread becomes a holder while the count is above the peak
 * mutant: HOLD_BARE    a thread becomes a holder without the lock
 * mutant: STEP_BLIND   credit is taken above the peak
 * mutant: READ_BARE    a reader takes the count as it stands
 * mutant: PEAK_BARE    a reader of the peak takes no flags
 * mutant: RESET_BARE   a reset takes no flags
 * mutant: RESET_KEEPS  a reset leaves the credits
 * mutant: TAKE_BARE    credits are taken back without their threads' flags
 */

#ifdef THREE
#define THREADS 3
#define OPS 2
#else
#define THREADS 2
#define OPS 3
#endif

byte count, holders, peak;
bool lock;
bool flag[THREADS], holder[THREADS];
byte credit[THREADS];

byte live, most; /* the ledger */
byte left;

#define ENTER_ALLOC() live++; most = (live > most -> live : most)
#define ENTER_FREE() live--

inline take_lock() { atomic { !lock -> lock = true } }
inline drop_lock() { lock = false }
inline take_flag(i) { atomic { !flag[i] -> flag[i] = true } }
inline drop_flag(i) { flag[i] = false }

/* raise_within_peak: for one that is needed, and `rest`. The ledger's entry is the swap. */
inline raise_within(rest) {
  done = false;
  do
  :: true ->
     atomic { c = count; h = holders };
     p = peak;
     if
#ifdef STEP_BLIND
     :: c + 1 + rest > p && rest == 0 -> break
#else
     :: c + 1 + rest > p -> break
#endif
     :: else ->
        atomic {
          if
          :: count == c && holders == h ->
             count = count + 1 + rest;
             ENTER_ALLOC();
             done = true;
             break
          :: else
          fi
        }
     fi
  od
}

/* raise_count */
inline raise() {
  do
  :: true ->
     atomic { c = count; h = holders };
     if
#ifndef NO_SETTLE
     :: h > 0 -> raise_within(0); break
#endif
     :: else ->
        atomic {
          if
#ifdef SPLIT_WORD
          :: count == c ->
#else
          :: count == c && holders == h ->
#endif
             count++;
             ENTER_ALLOC();
             done = true
          :: else -> done = false
          fi
        };
        if
        :: !done
        :: else ->
           /* raise_peak */
           do
           :: true ->
              p = peak;
              if
              :: c + 1 <= p -> break
              :: else ->
                 atomic {
                   if
                   :: peak == p -> peak = c + 1; break
                   :: else
                   fi
                 }
              fi
           od;
           break
        fi
     fi
  od
}

/* end_credit, under the flag */
inline end_credit(i) {
  if
  :: holder[i] ->
     atomic { count = count - credit[i]; holders--; credit[i] = 0; holder[i] = false }
  :: else
  fi
}

/* settle_locked */
inline settle() {
  k = 0;
  do
  :: k < THREADS ->
     if
     :: holder[k] ->
#ifdef TAKE_BARE
        c = credit[k];
        atomic {
          if
          :: holder[k] -> count = count - c; holders--; credit[k] = 0; holder[k] = false
          :: else
          fi
        }
#else
        take_flag(k);
        end_credit(k);
        drop_flag(k)
#endif
     :: else
     fi;
     k++
  :: else -> break
  od;
  k = 0
}

inline alloc(me, own) {
  done = false;
  if
  :: own ->
     take_flag(me);
     if
     :: holder[me] && credit[me] > 0 ->
        x = credit[me];
        atomic { credit[me] = x - 1; ENTER_ALLOC(); done = true }
     :: holder[me] && credit[me] == 0 ->
        raise_within(1);
        if
        :: done -> credit[me] = 1
        :: else -> raise_within(0)
        fi
     :: else -> raise()
     fi;
     drop_flag(me)
  :: else
  fi;
  if
  :: done
  :: else ->
     take_lock();
     settle();
     raise();
     assert(done);
     drop_lock()
  fi
}

inline free(me, own) {
  if
  :: own ->
     take_flag(me);
     if
     :: holder[me] && credit[me] < 2 ->
        x = credit[me];
        atomic { credit[me] = x + 1; ENTER_FREE() }
     :: holder[me] && credit[me] >= 2 ->
        /* Its own flag keeps others from what is between. */
        atomic { count = count - 2; ENTER_FREE() };
        credit[me] = 1
     :: else -> atomic { count--; ENTER_FREE() }
     fi;
     drop_flag(me)
  :: else -> atomic { count--; ENTER_FREE() }
  fi
}

/* wr_credit_begin */
inline begin(me) {
#ifndef HOLD_BARE
  take_lock();
#endif
  take_flag(me);
  do
  :: true ->
     atomic { c = count; h = holders };
     p = peak;
     if
#ifndef HOLD_BLIND
     :: c > p -> break
#endif
     :: else ->
        atomic {
          if
          :: count == c && holders == h -> holders++; holder[me] = true; break
          :: else
          fi
        }
     fi
  od;
  drop_flag(me);
#ifndef HOLD_BARE
  drop_lock()
#endif
}

/* Ends with what it has. */
proctype worker(byte me; byte ops) {
  byte c, h, p, k, x, mine;
  bool done, own = true;
  do
  :: ops == 0 -> break
  :: ops > 0 ->
     atomic { ops--; c = 0; h = 0; p = 0; x = 0; done = false };
     if
     :: alloc(me, own); mine++
     :: mine > 0 -> free(me, own); mine--
     :: own && !holder[me] -> begin(me)
#ifdef END
     :: me == 0 && own -> take_flag(me); end_credit(me); drop_flag(me); own = false
#endif
     fi
  od;
  atomic { c = 0; h = 0; p = 0; x = 0; done = false; left-- }
}

inline take_flags() {
  k = 0;
  do
  :: k < THREADS -> take_flag(k); k++
  :: else -> break
  od
}

inline drop_flags() {
  k = 0;
  do
  :: k < THREADS -> drop_flag(k); k++
  :: else -> break
  od;
  k = 0
}

/* The lock keeps two of these apart. */
inline read_active() {
#ifdef READ_BARE
  assert(count == live);
#else
  if
  :: atomic { holders == 0 -> assert(count == live) }
  :: atomic { else -> skip };
     take_lock();
     settle();
     atomic { assert(holders == 0); assert(count == live) };
     drop_lock()
  fi
#endif
}

inline read_peak() {
  take_lock();
#ifndef PEAK_BARE
  take_flags();
#endif
  assert(peak == most);
#ifndef PEAK_BARE
  drop_flags();
#endif
  drop_lock()
}

inline reset() {
  take_lock();
#ifndef RESET_BARE
  take_flags();
#endif
#ifndef RESET_KEEPS
  k = 0;
  do
  :: k < THREADS -> end_credit(k); k++
  :: else -> break
  od;
  k = 0;
#endif
  atomic { peak = 0; most = 0 };
#ifndef RESET_BARE
  drop_flags();
#endif
  drop_lock()
}

proctype reader() {
  byte c, h, p, k;
#ifdef RESET
  reset();
#endif
  if
  :: read_active()
  :: read_peak()
  fi;
  left--
}

init {
  byte k;
  atomic {
    left = THREADS + 1;
    do
    :: k < THREADS -> run worker(k, OPS); k++
    :: else -> break
    od;
    run reader()
  };
  left == 0;
  /* Whoever reads now. */
  atomic {
    assert(peak == most);
    k = 0;
    do
    :: k < THREADS -> count = count - credit[k]; k++
    :: else -> break
    od;
    assert(count == live)
  }
}

/* (1) */
active proctype watch() {
end:
  do
  :: atomic { holders > 0 && count > peak -> assert(false) }
  od
}
