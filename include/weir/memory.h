#ifndef WEIR_MEMORY_H
#define WEIR_MEMORY_H

/* What Weir has around mlx_set_wired_limit, and what the limit of mlx_set_memory_limit counts.
   Every function may be called from any thread; one guard by one thread at a time. rc 0 is success,
   rc 1 an error (weir/error.h).

   Wired memory is kept resident: on the CPU the pages of arrays of 2 MB and more are locked, while
   their sum stays within the wired limit, which is 0 at first. Pages that the system does not allow
   to be locked (RLIMIT_MEMLOCK) stay as they are, without an error; weir_runtime_stats has the
   shortfall.

   The memory limit and mlx_get_active_memory count buffers of arrays. On a GPU these are also the
   scratch of commands, until they are over. What a kernel on the CPU takes for the time that it
   runs is the C library's, and is not counted: copies of operands in another type or order, 16-bit
   results in float32, and workspaces, LAPACK's for as many matrices at a time as there are threads.
   It comes from no cache and stays in none. Where the system refuses it the array fails, with
   WEIR_ERROR_OUT_OF_MEMORY. */

#include <stddef.h>

#include "mlx/c/stream.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Raises the wired limit from begin to end. Start with an empty one: `= {0}`. */
typedef struct weir_wired_guard_ {
  void *ctx;
} weir_wired_guard;

/* Raises the wired limit by `bytes`, in whole pages. Open guards add up, on top of the limit that
   mlx_set_wired_limit set and reports; so they end in any order, and a limit that is set meanwhile
   stays. The guard keeps references of its own to the `n` streams whose work it is for; `streams`
   may be NULL when n is 0. Error: a NULL guard, one that has begun, an empty stream handle
   (WEIR_ERROR_INVALID_ARGUMENT), or no memory; the limit is then left alone. */
int weir_wired_guard_begin(weir_wired_guard *guard, size_t bytes, const mlx_stream *streams,
                           size_t n);

/* Waits for all that was submitted to the guard's streams, or, when it has none, to the calling
   thread's default streams; then takes the guard's bytes off the limit and leaves the guard empty.
   The limit falls also when a wait fails. An empty guard, and so one that has ended, is a
   no-op. Any thread may end a guard. Under the checked policy (weir/thread.h) a retired thread does
   not wait, and another thread's stream is not waited for, which is WEIR_ERROR_WRONG_THREAD. Other
   errors: a NULL guard, one that was never set, or is a copy of one that has ended
   (mlx/c/array.h), no memory to wait. */
int weir_wired_guard_end(weir_wired_guard *guard);

#ifdef __cplusplus
}
#endif

#endif
