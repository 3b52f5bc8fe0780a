#ifndef WR_STREAM_LIMIT_H
#define WR_STREAM_LIMIT_H

/* Room on a stream (R6): how many commands, and bytes of their results, may be in flight, which is
   submitted and not over. A call that submits comes in first, one stream after another, before it
   claims anything, since a thread that holds claims must not wait. It is let in where the stream is
   below its limits and nobody waits before it; then all that it submits goes through, however much
   that is. So a graph that is larger than a limit goes as any other, and what is in flight is below
   the limit but for what each of those adds that were let in. A call that was let in and has not
   submitted counts as one command. A thread that waits drains what it waits for (help.c), so room
   comes where there are no workers, too.

   Why nobody waits for ever. What is in flight ends without the calls that wait: all that it needs
   stands in queues itself (graph/internal.h). Each end of a command, each command that is taken
   back, each call that has submitted and each change of a limit looks, under the stream's LOCK, who
   may come in, after it has changed what is counted. A call that is to come into several streams
   holds none of them while it waits for one.

   A stream that never had a limit costs a submission, and the end of a command, the look at a flag.
   What has been submitted before the first limit counts as commands and not as bytes.

   Lock: STREAM. Waiters are told once no lock is held. */

#include <stdbool.h>
#include <stdint.h>

#include "base/atomic.h"
#include "core/error.h"

struct wr_stream;
struct wr_request;
struct wr_limit_wait;

/* A part of a stream. */
struct wr_limit {
  wr_atomic_bool is_used;      /* atomic SEQ_CST, for good: there has been a limit (limit.c) */
  uint64_t commands;           /* under LOCK, as all that follow; 0: no limit */
  uint64_t bytes;              /* 0: no limit */
  uint64_t bytes_in_flight;    /* of commands that were counted */
  uint64_t let_in;             /* calls that have not submitted yet */
  struct wr_limit_wait *first; /* calls that wait, in the order in which they came */
  struct wr_limit_wait *last;
};

/* atomic RELAXED: some stream has, or had, a limit. */
extern wr_atomic_bool wr_limits_are_used;

void wr_stream_set_limit(struct wr_stream *stream, uint64_t commands, uint64_t bytes);
bool wr_limit_is_used(const struct wr_stream *stream);

/* Comes in at once; false, and nothing has changed, where there is no room. */
bool wr_limit_try(struct wr_stream *stream);
/* Comes in when there is room, in the request until that has ended, which is an error. */
struct wr_error *wr_limit_enter(struct wr_stream *stream, struct wr_request *request);
/* The call has submitted, or does not. */
void wr_limit_leave(struct wr_stream *stream);
/* WEIR_ERROR_AGAIN, with numbers. */
struct wr_error *wr_limit_error(struct wr_stream *stream);

/* Results of so many bytes are in flight from now on; no more, and a command has ended. */
void wr_limit_note_submitted(struct wr_stream *stream, uint64_t bytes);
void wr_limit_note_over(struct wr_stream *stream, uint64_t bytes);
/* The same for who holds the lock of a request: who may come in is put in front of the list. */
void wr_limit_note_taken_back(struct wr_stream *stream, uint64_t bytes,
                              struct wr_limit_wait **let_in);
void wr_limit_tell(struct wr_limit_wait *let_in);

/* Nothing is in flight any more, in the child of a fork. */
void wr_limit_begin_in_child(struct wr_stream *stream);

#endif
