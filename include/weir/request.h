#ifndef WEIR_REQUEST_H
#define WEIR_REQUEST_H

/* Requests: a name for all that is computed on behalf of one caller of a program's, so that it can
   be given up together, also where it shares streams, devices and arrays with others.

   What is forced or submitted by a thread that is inside a request belongs to it; recording belongs
   to nobody. Any number of threads may be inside one at a time, and a thread may enter several,
   which nest: what it does belongs to the one that it entered last. A function of the user's that
   the library calls (a destructor, a callback, a reader) is inside none, but what it enters itself.

   A request that ended, because it was cancelled or its deadline passed, takes back what has not
   begun: its commands leave their queues, their arrays are lazy again, with nothing of them
   allocated, and can be forced by anybody. What runs goes on to its end; small commands that are
   forced together, and take microseconds in all, begin together. What others need too,
   another request or a thread that is inside none, stays and gets its value; they notice nothing.
   In the request, calls that have to wait for an array or a stream fail from then on, at once, and
   so do those that wait already; nothing has become an array that failed.

   Every function may be called from any thread with any handle. rc 0 is success, rc 1 an error
   (weir/error.h): an empty handle or a NULL result is one, which names the parameter
   (WEIR_ERROR_INVALID_ARGUMENT), a handle that was freed, was never set or is of another kind, as
   mlx/c/array.h says, and refused memory. Nothing here takes ownership of a handle. In the child of
   a fork requests are what they were, with none of the parent's work in flight. */

#include <stddef.h>
#include <stdint.h>

#include "mlx/c/stream.h"
#include "weir/stream.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weir_request_ {
  void *ctx; /* NULL: empty */
} weir_request;

/* A new request, which nobody is inside; the caller frees it. Empty only when memory is refused. */
weir_request weir_request_new(void);

/* Releases the handle; an empty one is a no-op. Never waits. Threads that are inside stay there,
   and work that was submitted goes on. */
int weir_request_free(weir_request request);

/* A name for messages, copied; at most 255 bytes, longer ones are an error and change nothing. NULL
   takes it away. */
int weir_request_set_label(weir_request request, const char *label);

/* The 16 bytes at `id` that traces of the program know the request by; zeros until they are set. */
int weir_request_set_trace_id(weir_request request, const uint8_t *id);
int weir_request_trace_id(uint8_t *id, weir_request request);

/* The class (weir/stream.h) of what is submitted in the request from then on, whatever the class of
   the stream; WEIR_CLASS_DEFAULT, as of a new one: that of each stream. What the request waits for,
   and what stands in front of its work, is drained as of its class until it is over, also where
   others have submitted it. WEIR_ERROR_INVALID_ARGUMENT for what is no class. */
int weir_request_set_class(weir_request request, weir_class to);

/* The calling thread is inside the request until the matching leave. A leave without an enter is
   WEIR_ERROR_STATE. A thread that ends leaves all; whoever is inside keeps the request alive. */
int weir_request_enter(weir_request request);
int weir_request_leave(void);

/* Ends the request, for good; what that means is said above, and calls in it fail with
   WEIR_ERROR_CANCELLED. A request that has ended already stays as it is, which is no error. Never
   waits for work. From any thread, also one that is inside. */
int weir_request_cancel(weir_request request);

/* The request ends by itself `timeout_ns` nanoseconds from now, as if it were cancelled then, but
   that calls in it fail with WEIR_ERROR_DEADLINE; also when nobody waits in it, so that events and
   callbacks come. No command of it begins after that, and a call that waits returns at most a
   millisecond later, or as soon as the system gives its thread a processor. Another call moves the
   deadline, to either side; INT64_MAX takes it away; 0 ends the request before the call returns. Of
   a request that has ended nothing changes, which is no error. A negative number is one, and so is
   a refusal of the thread that keeps to deadlines, one for all, which the first deadline starts. */
int weir_request_set_deadline(weir_request request, int64_t timeout_ns);

/* The results of the request's commands that are alive at a time may take so many bytes, together.
   From this call on a command whose result would take more does not begin: it is taken back, with
   all that has not begun of what the same call has submitted, and that call, or where it has come
   back whoever forces these arrays, fails with WEIR_ERROR_BUDGET and the numbers in words; nothing
   has become an array that failed. The request stays open, and what it has submitted otherwise is
   computed, unless it reads what was taken back. Others are not touched: what they need too is
   computed all the same, and counts for nobody.

   A result counts from when its command begins until its memory is free again or belongs to another
   result, which was written over it, for as much as mlx_get_active_memory counts for it. Views,
   constants, copies for another device, and what a command needs while it runs do not count; nor do
   commands that were submitted before the first call of this. Another call moves the budget: what
   is there already stays. SIZE_MAX refuses nothing, and counts. */
int weir_request_set_budget(weir_request request, size_t bytes);

/* What the request has had computed. A command is the making of one array, as in weir/stream.h;
   those of calls that found the request ended are not counted. */
typedef struct weir_request_stats_t {
  uint64_t queued; /* commands submitted, and neither begun nor taken back */
  uint64_t begun;  /* commands that a device or a processor was given */
  uint64_t
      taken_back; /* commands that left their queues when the request ended, or for its budget */
  uint64_t live_bytes; /* of results, as weir_request_set_budget says; 0 without a budget */
  uint64_t peak_bytes; /* the most that this has been */
} weir_request_stats_t;

/* Fills *stats, as they were at one moment; of a request that has ended, one at which nothing is
   left to be taken back. Never waits. */
int weir_request_stats(weir_request_stats_t *stats, weir_request request);

#ifdef __cplusplus
}
#endif

#endif
