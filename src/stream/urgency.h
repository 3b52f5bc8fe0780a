#ifndef WR_STREAM_URGENCY_H
#define WR_STREAM_URGENCY_H

/* How urgent a stream is: its class and its deadline, which decide when the pool comes to it
   (ready.h) and whose slices of a kernel run first (R3, R5).

   A task has the class of its request, or that of its stream where the request has none, and its
   request's deadline. A queue is first in, first out, so a stream is as urgent as the most urgent
   of its tasks, wherever that stands. To be waited for counts as well: a stream that blocks
   another, or that a thread in a request sleeps for, is raised to what is wanted there, and what
   blocks it in turn is raised too (wr_stream_raise). A raise is as if the task that is last in the
   queue now wanted that; what is waited for is that one or one before it. So it ends by itself.

   Of classes it is enough to know, for each, the place in the queue of the last task that wants it:
   the stream is of that class, or of a higher one, until the queue has got there. Of deadlines,
   tasks that have one and behind which no earlier one stands are linked in the order of the queue,
   which is that of their deadlines too; so the first is the earliest. As long as a stream has met
   normal class alone, and no deadline, only the places are counted.

   The argument for waits. While a stream is blocked, what blocks it is at least as urgent, up to
   what is waited for, or somebody is about to make it so: who blocks a stream reads its urgency,
   and who makes it more urgent reads what blocks it, in sections under its LOCK, so whichever comes
   second sees the other. A walk of raises ends at a stream in which it changes nothing; so it goes
   round a circle once. tests/model/urgency.pml has it.

   Lock: STREAM, the stream's own; the pool's below it. */

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"

struct wr_stream;
struct wr_task;

/* From the highest to the lowest; 0: whatever the stream's is. */
enum wr_class {
  WR_CLASS_OF_STREAM,
  WR_CLASS_HIGH,
  WR_CLASS_NORMAL,
  WR_CLASS_LOW,
  WR_CLASSES = WR_CLASS_LOW
};

struct wr_urgency {
  enum wr_class class;
  uint64_t deadline; /* by wr_clock_ns; 0: none */
};

/* A part of a stream; all under its LOCK. */
struct wr_queue_urgency {
  enum wr_class own;          /* the stream's; 0: normal */
  uint64_t appended;          /* tasks */
  uint64_t finished;          /* of those */
  uint64_t until[WR_CLASSES]; /* of each class from HIGH on: the place of its last one */
  struct wr_dlist due;        /* tasks with deadlines, in the order of both */
  uint64_t raised_deadline;   /* for the task that runs, while the queue is empty; 0: none */
  uint64_t raised_until;
  struct wr_urgency listed_as; /* of a READY stream: what the pool was told */
};

/* The task has been appended. True when what blocks the stream may have to be raised. */
bool wr_urgency_append_locked(struct wr_stream *stream, struct wr_task *task);
/* It has left the front of the queue; has come back there; is over. */
void wr_urgency_pop_locked(struct wr_stream *stream, struct wr_task *task);
void wr_urgency_unpop_locked(struct wr_stream *stream, struct wr_task *task);
void wr_urgency_finish_locked(struct wr_stream *stream);

/* As it is now, with a class. */
struct wr_urgency wr_urgency_locked(const struct wr_stream *stream);
/* Nothing is in flight any more, in the child of a fork. */
void wr_urgency_begin_in_child(struct wr_stream *stream);

#endif
