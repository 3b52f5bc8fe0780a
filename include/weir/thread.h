#ifndef WEIR_THREAD_H
#define WEIR_THREAD_H

/* Threads and streams. Under the free policy, the default, any thread may use any stream, and
   nothing here is needed. Under the checked policy a stream belongs to one thread at a time, as on
   MLX itself: for programs that must also run there, and want to be told where they would not.
   docs/streams.md has the rules. Every function may be called from any thread; rc 0 is success,
   rc 1 an error (weir/error.h). Nothing here takes ownership of a handle. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mlx/c/device.h"
#include "mlx/c/stream.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum weir_thread_policy {
  WEIR_THREADS_FREE,   /* any thread, any stream */
  WEIR_THREADS_CHECKED /* a stream is used by the thread that it belongs to, or the call fails */
} weir_thread_policy;

/* Sets the policy of the process, before its first stream. The environment variable WEIR_THREADS
   (free or checked), which is read as the library is loaded, sets it too. Once it is set, or there
   was a stream, another policy is an error (WEIR_ERROR_STATE); the same one again is none. */
int weir_set_thread_policy(weir_thread_policy policy);
weir_thread_policy weir_get_thread_policy(void);

/* The calling thread, as the system numbers it (gettid): never 0, and used again by the system once
   the thread has ended; a thread has no stream of an earlier one with its number. */
typedef uint64_t weir_thread;
weir_thread weir_thread_current(void);

/* Whose stream it is. A stream belongs to the thread that made it.
     hand_over: the calling thread, to which `stream` belongs, gives it to `thread`, or with 0 to
                whichever thread adopts it first. If it was the caller's default, the caller gets a
                new one at its next use.
     adopt:     the calling thread takes a stream that was handed over to it or to nobody, or whose
                thread has ended.
   Work that was submitted before runs before; lazy arrays that were recorded on it move along.
   Handles stay whose they are. Under the free policy both succeed and change nothing. Errors:
   WEIR_ERROR_WRONG_THREAD when it belongs to another thread, WEIR_ERROR_STATE when it was finished
   by mlx_clear_streams, WEIR_ERROR_INVALID_ARGUMENT when this process has no such thread or the
   handle is empty, WEIR_ERROR_THREAD_RETIRED on a retired thread. */
int weir_stream_hand_over(mlx_stream stream, weir_thread thread);
int weir_stream_adopt(mlx_stream stream);

/* A thread that called mlx_clear_streams under the checked policy is retired: every call on it that
   would work fails with WEIR_ERROR_THREAD_RETIRED. revive makes it usable again, with new default
   streams; what was cleared stays finished. On a thread that is not retired it does nothing. Never
   fails. */
int weir_thread_revive(void);

/* For destructors, which may run on a thread that is retired. They never fail.
   retired:            whether the calling thread is.
   try_synchronize:    as mlx_synchronize, and nothing at all where that would be an error: on a
                       retired thread, for a handle that is empty or leads to no stream, or for
                       another thread's stream.
   try_default_stream: *stream becomes the calling thread's default stream of the device, or empty
                       when it has none; never makes one. The caller frees it. */
bool weir_thread_retired(void);
int weir_try_synchronize(mlx_stream stream);
int weir_try_default_stream(mlx_stream *stream, mlx_device dev);

#ifdef __cplusplus
}
#endif

#endif
