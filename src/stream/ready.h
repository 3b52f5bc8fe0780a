#ifndef WR_STREAM_READY_H
#define WR_STREAM_READY_H

/* The ready streams, in the order in which they are drained; a part of the pool, under its LOCK.

   There are two lists, each first in, first out: of streams that have used less than a turn lately
   (fresh), and of the others (worn). Fresh streams go first, so that a light request does not wait
   for the turns of all busy streams. But after FRESH_IN_A_ROW of them a worn one is taken, if one
   waits, so that ever new streams do not keep busy ones from running (K9). So a fresh stream waits
   for the fresh ones before it in the list and for one worn one after every three of those, however
   many worn ones there are; and of four turns at least one is a worn stream's. */

#include <stdbool.h>

struct wr_stream;

enum wr_class { WR_FRESH, WR_WORN, WR_CLASSES };

struct wr_ready_list {
  struct wr_stream *head; /* under the pool's LOCK, these three */
  struct wr_stream *tail;
};

struct wr_ready {
  struct wr_ready_list lists[WR_CLASSES];
  int fresh_taken; /* since a worn one was taken, or none waited */
};

static inline bool wr_ready_any(const struct wr_ready *r) {
  return r->lists[WR_FRESH].head || r->lists[WR_WORN].head;
}
/* The stream must stand in neither list. References are the caller's business. */
void wr_ready_append(struct wr_ready *ready, struct wr_stream *stream, enum wr_class class);
void wr_ready_unlink(struct wr_ready *ready, struct wr_stream *stream);
/* Takes out the stream that is drained next, with `only_fresh` the next fresh one; NULL: none. */
struct wr_stream *wr_ready_take(struct wr_ready *ready, bool only_fresh);

#endif
