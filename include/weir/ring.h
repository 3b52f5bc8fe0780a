#ifndef WEIR_RING_H
#define WEIR_RING_H

/* Rings: the way to compute from an event loop. A thread starts evaluations, as many as it likes,
   on any streams and devices and in any requests; each becomes one completion, which it takes from
   the ring. The ring has one descriptor for all of them.

     weir_ring_eval(ring, arrays, request, mine);    starts, and does not wait
     epoll_wait(...)                                 weir_ring_fd(&fd, ring) is readable
     weir_ring_take(&n, ring, completions, 64, 0);   completions[i].user == mine

   No completion is lost: each weir_ring_eval that returned 0 gives exactly one, also when an array
   fails, a device does, memory runs out, or the request ends. What it needs is set aside by the
   call that starts the evaluation, so a ring holds as much memory as it has evaluations in flight
   and completions to be taken, and nothing is bounded but by the limits of streams
   (weir_stream_set_limit): stop reading from your clients when there are enough.

   Every function may be called from any thread with any handle: any number of threads may start
   evaluations, and any number take, each completion going to one of them. Under the checked policy
   (weir/thread.h) an evaluation is started by the thread that may force the arrays. rc 0 is
   success, rc 1 an error (weir/error.h): an empty handle or a NULL result is one, which names the
   parameter (WEIR_ERROR_INVALID_ARGUMENT), a handle that was freed, was never set or is of another
   kind, as mlx/c/array.h says, and refused memory. Nothing here takes ownership of a handle.

   In the child of a fork a ring is empty, with a descriptor of its own under the same number: what
   the parent had in flight completes in the parent alone. */

#include <stddef.h>
#include <stdint.h>

#include "mlx/c/vector.h"
#include "weir/error.h"
#include "weir/request.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weir_ring_ {
  void *ctx; /* NULL: empty */
} weir_ring;

/* How an evaluation ended. */
enum { WEIR_COMPLETION_MESSAGE = 240 };
typedef struct weir_completion {
  void *user;         /* as weir_ring_eval was given it */
  weir_status status; /* WEIR_OK: each array has its value. Else why one has none: the error of the
                         first, in their order, that failed, or how the request ended
                         (WEIR_ERROR_CANCELLED and the others of weir/request.h) */
  char message[WEIR_COMPLETION_MESSAGE]; /* the error in words, at whose end "..." stands for what
                                            there is no room for; "" with WEIR_OK */
} weir_completion;

/* A new ring; the caller frees it. Empty only when memory is refused. */
weir_ring weir_ring_new(void);

/* Releases the handle; an empty one is a no-op. Never waits. What is in flight goes on, as after
   mlx_async_eval, and nobody is told: `user` of what was not taken is the caller's to look after.
   The descriptor is closed at once: take it out of an event loop before. No other thread may be in
   a call with the ring. */
int weir_ring_free(weir_ring ring);

/* Starts the evaluation of all of the arrays, of which there may be none, as mlx_async_eval does;
   one completion with `user` comes once all of them are over. It belongs to `request`, or, where
   that is empty, to the one that the calling thread is inside, if any. When the request ends first,
   the completion comes at once, while what has begun still runs; the arrays have not failed then. A
   request that has ended already gives a completion that says so.

   The arrays and the request may be freed after the call. It never waits for work, but what takes
   microseconds it computes itself, and where the system refuses to start any thread, everything.
   rc 1: nothing was started, and no completion comes; WEIR_ERROR_AGAIN where a stream has no room
   (weir_stream_set_limit). */
int weir_ring_eval(weir_ring ring, mlx_vector_array arrays, weir_request request /* may be empty */,
                   void *user /* may be null */);

/* Takes up to n completions, which it writes to completions[0..*taken), in the order in which they
   came. Waits until there is one, for `timeout_ns` nanoseconds at most: 0 is not to wait, INT64_MAX
   is as good as for ever, a negative timeout is an error. *taken is 0 only when that time is over,
   which is no error, or n is 0. The wait belongs to no request: it goes on when one that the thread
   is inside ends. */
int weir_ring_take(size_t *taken, weir_ring ring, weir_completion *completions, size_t n,
                   int64_t timeout_ns);

/* An eventfd for poll, select or epoll: readable while there are completions to be taken, and only
   then. Whoever polls for edges (EPOLLET) sees one whenever a completion comes to a ring that had
   none: take until fewer came than were asked for. The same each time. It belongs to the ring: do
   not read, write or close it. Not blocking, closed on exec. WEIR_ERROR_STATE when the system has
   none left. */
int weir_ring_fd(int *fd, weir_ring ring);

#ifdef __cplusplus
}
#endif

#endif
