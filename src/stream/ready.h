#ifndef WR_STREAM_READY_H
#define WR_STREAM_READY_H

/* The ready streams, in the order in which they get a turn; a part of the pool, under its LOCK.

   Two lists, each first in, first out: streams that have used less than a turn lately (fresh), and
   the others (worn). The fresh go first, so that a light request does not wait for the turns of all
   busy streams; but not more than FRESH_IN_A_ROW times while a worn one waits, so that new streams
   without end do not keep those from running (K9). So a fresh stream waits for the fresh ones that
   came before it and for one worn one after every three of them, however many worn ones there are;
   and a worn one gets at least every fourth turn. */

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
/* The stream stands in no list. References are the caller's affair. */
void wr_ready_append(struct wr_ready *ready, struct wr_stream *stream, enum wr_class class);
void wr_ready_unlink(struct wr_ready *ready, struct wr_stream *stream);
/* Takes out the stream whose turn is next, `only_fresh` or of both kinds; NULL: there is none. */
struct wr_stream *wr_ready_take(struct wr_ready *ready, bool only_fresh);

#endif
