/* Seats for commands that keep the thread that encodes them for long, as routines of a library do
   that wait for the device (waits_within in backend.h). A thread of the pool that encodes one takes
   a seat, and there are seats for half of the workers, at least for one. So the others go on with
   what is ready (K9); where there is one worker alone, a spare thread does (stream/pool.c). A
   stream that finds no seat stands in line and holds no thread meanwhile. What is left goes to the
   first in line, so nobody who comes later is before it.

   Who has a seat waits for the device alone, never for a seat or for another stream: so each is
   left. Threads that drain what they wait for themselves need none, as they hold up nobody else.

   Lock: LOCK, of rank EVENT; nothing is called under it. */

#include "graph/seats.h"

#include "base/fork.h"
#include "base/lock.h"
#include "stream/stream.h"

static struct {
  struct wr_mutex lock;
  struct wr_dlist line; /* under LOCK: who waits, the first to come first */
  int taken;            /* under LOCK */
} seats = {.lock = WR_MUTEX_INIT(WR_RANK_EVENT)};

/* Asked without the lock, as wr_pool_most is. */
static int most_seats(void) {
  const int workers = wr_pool_most();
  return workers > 3 ? workers / 2 : 1;
}

bool wr_seat_take(struct wr_seat *seat) {
  const int most = most_seats();
  wr_mutex_lock(&seats.lock);
  const bool found = seats.taken < most;
  if (found) {
    seats.taken++;
  } else {
    wr_dlist_append(&seats.line, &seat->link);
  }
  wr_mutex_unlock(&seats.lock);
  return found;
}

void wr_seat_take_anyway(void) {
  wr_mutex_lock(&seats.lock);
  seats.taken++;
  wr_mutex_unlock(&seats.lock);
}

void wr_seat_leave(void) {
  const int most = most_seats();
  wr_mutex_lock(&seats.lock);
  struct wr_link *first = seats.taken <= most ? seats.line.head : NULL;
  if (first) {
    wr_dlist_remove(&seats.line, first);
  } else {
    seats.taken--;
  }
  wr_mutex_unlock(&seats.lock);
  if (!first) return;
  struct wr_seat *next = WR_CONTAINER_OF(first, struct wr_seat, link);
  next->found(next);
}

/* The threads that had them are gone, and so are the streams in line. */
static void forget_in_child(void) {
  seats.line = (struct wr_dlist){0};
  seats.taken = 0;
}

WR_AT_FORK(.rank = WR_RANK_EVENT, .lock = &seats.lock, .child = forget_in_child)
