#ifndef WEIR_EVENT_H
#define WEIR_EVENT_H

/* Events: a place in the order of a stream that the host, an event loop or another stream waits
   for. About time, not values: a failure before it does not reach it. Every function may be called
   from any thread with any handle; rc 0 is success, rc 1 an error (weir/error.h). Recording an
   event again moves it; who waits already waits for the place that it had. */

#include <stdbool.h>
#include <stdint.h>

#include "mlx/c/stream.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weir_event_ {
  void *ctx; /* NULL: empty */
} weir_event;

/* A new event, not recorded yet; the caller frees it. Empty when memory is refused. */
weir_event weir_event_new(void);

/* Releases the handle; an empty one is a no-op. Waits that were begun go on. Closes the event's
   file descriptor. */
int weir_event_free(weir_event event);

/* Puts the event behind all that was submitted to the stream before the call. */
int weir_event_record(weir_event event, mlx_stream stream);

/* What is submitted to the stream from now on runs after what stands before the event. The calling
   thread does not wait. An event that was never recorded is an error (WEIR_ERROR_STATE), here and
   in the functions below. */
int weir_event_wait(weir_event event, mlx_stream stream);

/* *done becomes true when what stands before the event is over. Never waits. */
int weir_event_query(bool *done, weir_event event);

/* Waits on the calling thread. rc 1 (WEIR_ERROR_TIMEOUT) when `timeout_ns` nanoseconds pass first;
   INT64_MAX is as good as for ever; a negative timeout is an error. */
int weir_event_synchronize(weir_event event, int64_t timeout_ns);

/* Nanoseconds from `start` to `end` on one clock; negative when `end` was over first. Both must be
   over, else WEIR_ERROR_STATE. */
int weir_event_elapsed(int64_t *ns, weir_event start, weir_event end);

/* An eventfd for poll, select or epoll: readable while what stands before the event is over, not
   readable after the event is recorded again and until that is over. Works also for an event that
   is not recorded yet. It belongs to the event: do not read, write or close it. */
int weir_event_fd(int *fd, weir_event event);

#ifdef __cplusplus
}
#endif

#endif
