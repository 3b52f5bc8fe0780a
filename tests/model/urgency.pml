/*
 * How urgent streams are (src/stream/urgency.h, R5): a stream that blocks an urgent one is urgent up
 * to what is waited for, whoever came first of who blocked and who became urgent, over any number of
 * streams that block each other, and also in a circle.
 *
 * Each section under a stream's lock is one step. There are two classes; a deadline goes the same
 * ways. A place is the number of a task in its queue.
 *
 * scenario: CHAIN     the last of three streams waits for the second, and that for the first, which
 *                     has something urgent in front of what is waited for; urgent work is submitted
 *                     to the last one meanwhile, and other work to all
 * scenario: MIDDLE    the same, and urgent work is submitted to the second
 * scenario: CIRCLE    three streams of a device that block each other in a circle until the device
 *                     is done; urgent work is submitted to two of them
 *
 * Checked: whenever no raise is under way, what blocks a stream that has something urgent in its queue
 * is urgent at least until the place that is waited for; a walk of raises ends after one round; and
 * when all is over nothing is urgent any more.
 *
 * mutant: APPEND_SILENT   who submits does not look what blocks the stream
 * mutant: BLOCK_SILENT    who blocks does not raise
 * mutant: READ_FIRST      who blocks looks how urgent the stream is before it is blocked
 * mutant: ONE_STEP        a raise does not go on to what blocks the stream that is raised
 * mutant: URGENT_NOW      a walk ends at a stream that is urgent, if not as far as its queue goes
 * mutant: NO_END          a walk goes on where it changes nothing
 */

#define NONE 9
#define STREAMS 3

byte appended[STREAMS], finished[STREAMS], until[STREAMS]; /* the place of the last urgent task */
byte blocked_by[STREAMS];
byte place[STREAMS]; /* that is waited for */
byte raising;        /* sections that oblige to raise, and walks */
byte submitting;     /* who is not done */
bool device_done;

#define IS_URGENT(s) (until[s] > finished[s])

/* wr_stream_raise, from `at` on */
inline walk() {
  steps = 0;
  do
  :: at == NONE -> break
  :: else ->
     atomic {
       steps++;
       assert(steps <= STREAMS + 1);
       if
#ifdef URGENT_NOW
       :: finished[at] == appended[at] || IS_URGENT(at) -> at = NONE
#else
#ifdef NO_END
       :: finished[at] == appended[at] -> at = NONE
#else
       :: finished[at] == appended[at] || until[at] == appended[at] -> at = NONE
#endif
#endif
       :: else ->
          until[at] = appended[at];
#ifdef ONE_STEP
          at = NONE
#else
          at = blocked_by[at]
#endif
       fi
     }
  od
}

/* wr_stream_raise_blocker */
inline raise_blocker(s) {
  atomic { at = (IS_URGENT(s) -> blocked_by[s] : NONE) };
  walk();
  raising--
}

/* wr_stream_submit */
inline append_urgent(s) {
  atomic {
    appended[s]++;
    until[s] = appended[s];
    if
#ifndef APPEND_SILENT
    :: blocked_by[s] != NONE -> raising++; must = true
#endif
    :: else -> must = false
    fi
  };
  if
  :: must -> raise_blocker(s)
  :: else
  fi
}

/* The first task of s waits for the task at `p` of `by`. */
proctype drainer(byte s, by, p) {
  byte at = NONE, steps;
#ifdef READ_FIRST
  bool was;
  atomic { was = IS_URGENT(s) };
#endif
  /* wr_stream_block_on */
  atomic { blocked_by[s] = by; place[s] = p; raising++ };
#ifdef BLOCK_SILENT
  raising--;
#else
#ifdef READ_FIRST
  atomic { at = (was -> by : NONE) };
  walk();
  raising--;
#else
  raise_blocker(s);
#endif
#endif
  atomic { (finished[by] >= p || device_done) -> blocked_by[s] = NONE };
  do
  :: atomic { finished[s] < appended[s] -> finished[s]++ }
  :: atomic { finished[s] == appended[s] && submitting == 0 -> break }
  od
}

/* Nothing blocks the stream. */
proctype runner(byte s) {
  do
  :: atomic { finished[s] < appended[s] -> finished[s]++ }
  :: atomic { finished[s] == appended[s] && submitting == 0 -> break }
  od
}

proctype urgent_submitter(byte s) {
  byte at = NONE, steps;
  bool must;
  append_urgent(s);
  submitting--
}

proctype submitter() {
  atomic { appended[0]++ };
  atomic { appended[1]++ };
  submitting--
}

#define COVERED(s) \
  (blocked_by[s] == NONE || !IS_URGENT(s) || until[blocked_by[s]] >= place[s] || \
   finished[blocked_by[s]] >= place[s])

active proctype look() {
end_looking:
  do
  :: atomic { raising == 0 && !(COVERED(0) && COVERED(1) && COVERED(2)) -> assert(false) }
  od
}

init {
  atomic {
    blocked_by[0] = NONE;
    blocked_by[1] = NONE;
    blocked_by[2] = NONE;
    submitting = 2;
    appended[0] = 2;
    until[0] = 1;
    appended[1] = 1;
    appended[2] = 1;
#ifdef CIRCLE
    until[0] = 0;
    run drainer(0, 1, 1);
    run drainer(1, 2, 1);
    run drainer(2, 0, 2);
    run urgent_submitter(0);
    run urgent_submitter(1)
#else
    run runner(0);
    run drainer(1, 0, 2);
    run drainer(2, 1, 1);
    run submitter();
#ifdef MIDDLE
    run urgent_submitter(1)
#else
    run urgent_submitter(2)
#endif
#endif
  };
  submitting == 0;
  device_done = true;
  finished[0] == appended[0] && finished[1] == appended[1] && finished[2] == appended[2];
  assert(!IS_URGENT(0) && !IS_URGENT(1) && !IS_URGENT(2))
}
