/*
 * Room on streams (src/stream/limit.c, R6): calls that come in, wait in line, submit and leave, while
 * what is in flight ends. Each stream has room for one command, and each call submits one to each of
 * its streams.
 *
 * Each section under a stream's lock is one step; what is counted without it is a step of its own.
 * That who waits drains what it waits for is stream.pml's matter: here commands in flight end.
 *
 * scenario: ONE       three calls for one stream; the second may give up, as its request ends
 * scenario: TWO       two calls for both streams, in either order, and one for the first of them
 *
 * Checked: what is in flight never passes the limit; nobody waits for ever; when all is over, nobody is
 * in, or in line.
 *
 * mutant: END_SILENT      who ends a command does not look who may come in
 * mutant: END_LOOKS       it looks, and counts the command then
 * mutant: LEAVE_SILENT    who has submitted does not look who may come in
 * mutant: JOIN_BLIND      who found no room joins the line without another look
 * mutant: GIVEN_UP        who gives up stays in line
 * mutant: HOLDS_ON        a call stays in one stream while it waits for another
 * mutant: NOT_COUNTED     who was let in does not count until it has submitted
 */

#define CALLS 3
#define STREAMS 2
#define NONE 9

byte submitted[STREAMS], finished[STREAMS], inside[STREAMS];
bool waits[STREAMS * CALLS]; /* in the line of the stream */
byte line[STREAMS];          /* how many; the order is left out */
bool is_in[STREAMS * CALLS]; /* was let in by others */
byte done;

#define IN_FLIGHT(s) (submitted[s] - finished[s])
#ifdef NOT_COUNTED
#define HAS_ROOM(s) (IN_FLIGHT(s) < 1)
#else
#define HAS_ROOM(s) (IN_FLIGHT(s) + inside[s] < 1)
#endif

/* let_in_locked, of any who waits */
inline let_in(s) {
  do
  :: line[s] > 0 && HAS_ROOM(s) ->
     if
     :: waits[s * CALLS + 0] -> waits[s * CALLS + 0] = false; is_in[s * CALLS + 0] = true
     :: waits[s * CALLS + 1] -> waits[s * CALLS + 1] = false; is_in[s * CALLS + 1] = true
     :: waits[s * CALLS + 2] -> waits[s * CALLS + 2] = false; is_in[s * CALLS + 2] = true
     fi;
     line[s]--;
     inside[s]++
#ifdef NOT_COUNTED
     ; break
#endif
  :: else -> break
  od
}

/* wr_limit_leave */
inline leave(s) {
  atomic {
    inside[s]--;
#ifndef LEAVE_SILENT
    let_in(s)
#endif
  }
}

#define ME(s) ((s) * CALLS + self)

inline try(s) {
  atomic {
    ok = line[s] == 0 && HAS_ROOM(s);
    if
    :: ok -> inside[s]++
    :: else
    fi
  }
}

/* wr_limit_enter, after a try: joins, waits, leaves the line. */
inline enter(s) {
  atomic {
#ifdef JOIN_BLIND
    ok = false;
#else
    ok = line[s] == 0 && HAS_ROOM(s);
#endif
    if
    :: ok -> inside[s]++
    :: else -> waits[ME(s)] = true; line[s]++
    fi
  };
  if
  :: ok
  :: else ->
     if
     :: is_in[ME(s)]
     :: may_end -> skip /* the request ends */
     fi;
     atomic {
       ok = is_in[ME(s)];
       is_in[ME(s)] = false;
       if
       :: ok
       :: else ->
#ifndef GIVEN_UP
          waits[ME(s)] = false;
          line[s]--;
          let_in(s)
#endif
       fi
     }
  fi
}

proctype call(byte self, first, second; bool may_end) {
  bool ok;
  byte a = first, b = second;
come_in:
  try(a);
  if
  :: ok
  :: else ->
     enter(a);
     if
     :: ok
     :: else -> goto end
     fi
  fi;
  if
  :: b == NONE
  :: else ->
     try(b);
     if
     :: ok
     :: else ->
#ifdef HOLDS_ON
        enter(b)
#else
        leave(a);
        /* That one is the first then. */
        atomic { a = b; b = (b == first -> second : first) };
        enter(a);
        try(b);
        if
        :: ok
        :: else -> leave(a); goto come_in
        fi
#endif
     fi
  fi;
  /* wr_stream_note_submitted, and appended */
  atomic { submitted[a]++; assert(IN_FLIGHT(a) <= 1) };
  if
  :: b != NONE -> atomic { submitted[b]++; assert(IN_FLIGHT(b) <= 1) }
  :: else
  fi;
  leave(a);
  if
  :: b != NONE -> leave(b)
  :: else
  fi;
end:
  done++
}

/* Commands end. */
active [STREAMS] proctype device() {
  byte s = _pid;
end_idle:
  do
  :: IN_FLIGHT(s) > 0 ->
#ifdef END_LOOKS
     atomic { let_in(s) };
     finished[s]++
#else
     finished[s]++;
#ifndef END_SILENT
     atomic { let_in(s) }
#endif
#endif
  od
}

init {
  atomic {
#ifdef ONE
    run call(0, 0, NONE, false);
    run call(1, 0, NONE, true);
    run call(2, 0, NONE, false)
#else
    run call(0, 0, 1, false);
    run call(1, 1, 0, false);
    run call(2, 0, NONE, false)
#endif
  };
  done == CALLS && IN_FLIGHT(0) == 0 && IN_FLIGHT(1) == 0;
  assert(inside[0] == 0 && inside[1] == 0 && line[0] == 0 && line[1] == 0)
}
