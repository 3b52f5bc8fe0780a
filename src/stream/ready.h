#ifndef WR_STREAM_READY_H
#define WR_STREAM_READY_H

/* The ready streams, in the order in which they are drained; a part of the pool, under its LOCK.

   Classes come first (R5). As long as a class has ready streams, the lower ones wait; but after
   SHARE - 1 turns that it was given while one of them waited, the lower ones are given a turn. So
   of SHARE turns at least one is of a lower class than high, and of SHARE of those at least one is
   of low class, if such streams wait: none waits for ever.

   In a class, streams with deadlines come first, the earliest of them before the others (R3); but
   after SHARE - 1 of them one without a deadline is taken, if one waits.

   Those without stand in two lists, each first in, first out: of streams that have used less than a
   turn lately (fresh), and of the others (worn). Fresh streams go first, so that a light request
   does not wait for the turns of all busy streams. But after FRESH_IN_A_ROW of them a worn one is
   taken, if one waits, so that ever new streams do not keep busy ones from running (K9). So a fresh
   stream waits for the fresh ones before it in the list and for one worn one after every three of
   those, however many worn ones there are; and of four turns at least one is a worn stream's.

   Streams with deadlines stand in heaps (base/heap.h). */

#include <stdbool.h>

#include "base/heap.h"
#include "base/list.h"
#include "stream/urgency.h"

struct wr_stream;

enum wr_wear { WR_FRESH, WR_WORN, WR_WEARS };
enum { WR_SHARE = 8, WR_FRESH_IN_A_ROW = 3 };

struct wr_ready_class {
  struct wr_dlist lists[WR_WEARS];
  struct wr_heaped *due[WR_WEARS]; /* with deadlines: the roots of heaps */
  int fresh_taken;                 /* since a worn one was taken, or none waited */
  int due_taken;                   /* since one without a deadline was, or none waited */
  int taken;                       /* since one of a lower class was, or none waited */
};

/* Under the pool's LOCK, all of it. */
struct wr_ready {
  struct wr_ready_class classes[WR_CLASSES];
  int64_t count;
};

static inline bool wr_ready_any(const struct wr_ready *r) { return r->count > 0; }
/* The stream must not stand there. References are the caller's business. */
void wr_ready_append(struct wr_ready *ready, struct wr_stream *stream, enum wr_wear wear,
                     struct wr_urgency urgency);
void wr_ready_unlink(struct wr_ready *ready, struct wr_stream *stream);
/* Takes out the stream that is drained next, with `only_fresh` the next fresh one; NULL: none.
 *by_share says whether streams of a higher class wait, and this one is taken for its share. */
struct wr_stream *wr_ready_take(struct wr_ready *ready, bool only_fresh, bool *by_share);

#endif
