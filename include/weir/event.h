#ifndef WEIR_EVENT_H
#define WEIR_EVENT_H

/* Events: a place in the order of a stream that the host, an event loop or another stream waits
   for. About time, not values: a failure before it does not reach it. Recording an event again
   moves it; who waits already waits for the place that it had.

   Every function may be called from any thread with any handle; under the checked policy
   (weir/thread.h) record and wait belong on the stream's thread, and synchronize on one that is not
   retired. rc 0 is success, rc 1 an error (weir/error.h): an empty handle or a NULL result is one,
   which names the parameter (WEIR_ERROR_INVALID_ARGUMENT), a handle that was freed, was never set
   or is of another kind, as mlx/c/array.h says, and refused memory. An event that was
   never recorded has no place: waiting for it, query and elapsed are WEIR_ERROR_STATE. Nothing here
   takes ownership of a handle. In the child of a fork, a place that was not over counts as over. */

#include <stdbool.h>
#include <stdint.h>

#include "mlx/c/stream.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weir_event_ {
  void *ctx; /* NULL: empty */
} weir_event;

/* A new event, not recorded yet; the caller frees it. Empty only when memory is refused. */
weir_event weir_event_new(void);

/* Releases the handle; an empty one is a no-op. Never waits, and never fails for a live handle;
   waits that were begun go on.
   The event's file descriptor is closed at once, or, while a place that it was recorded at is not
   over, as soon as that is: take it out of an event loop before. */
int weir_event_free(weir_event event);

/* Puts the event behind all that was submitted to the stream before the call. Arrays that are only
   recorded there, and not forced, are not submitted (mlx_async_eval). The event keeps the stream
   alive until it is over. */
int weir_event_record(weir_event event, mlx_stream stream);

/* What is submitted to the stream from now on runs after what stands before the event, on whichever
   stream and device that is. The calling thread does not wait. */
int weir_event_wait(weir_event event, mlx_stream stream);

/* *done becomes whether what stands before the event is over. Never waits. */
int weir_event_query(bool *done, weir_event event);

/* Waits on the calling thread, which runs none of the work meanwhile. rc 1 (WEIR_ERROR_TIMEOUT)
   when `timeout_ns` nanoseconds pass first, with 0 at once; INT64_MAX is as good as for ever; a
   negative timeout is an error. */
int weir_event_synchronize(weir_event event, int64_t timeout_ns);

/* Nanoseconds from the moment when `start` was over to that of `end`, on one clock that is never
   set; negative when `end` was first. Both must be over, in this process, else WEIR_ERROR_STATE. */
int weir_event_elapsed(int64_t *ns, weir_event start, weir_event end);

/* An eventfd for poll, select or epoll: readable while what stands before the event is over, not
   readable after the event is recorded again and until that is over. Works also for an event that
   is not recorded yet, and is the same each time. It belongs to the event: do not read, write or
   close it. Not blocking, closed on exec. WEIR_ERROR_STATE when the system has none left. */
int weir_event_fd(int *fd, weir_event event);

#ifdef __cplusplus
}
#endif

#endif
