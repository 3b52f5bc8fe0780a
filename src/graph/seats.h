#ifndef WR_GRAPH_SEATS_H
#define WR_GRAPH_SEATS_H

/* Seats for commands that keep the thread of the pool that encodes them for long: seats.c. */

#include <stdbool.h>

#include "base/list.h"

/* Of a batch. Each seat that was taken is left once. */
struct wr_seat {
  struct wr_link link;             /* under LOCK: in line */
  void (*found)(struct wr_seat *); /* a seat was left, and is its own now; called without LOCK */
};

/* True: the caller has one. False: it stands in line, and `found` is called. */
bool wr_seat_take(struct wr_seat *seat);
/* One anyway, for who cannot wait. */
void wr_seat_take_anyway(void);
void wr_seat_leave(void);

#endif
