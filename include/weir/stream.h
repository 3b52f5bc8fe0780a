#ifndef WEIR_STREAM_H
#define WEIR_STREAM_H

/* What Weir has around mlx_stream. Every function may be called from any thread with any handle;
   rc 0 is success, rc 1 an error (weir/error.h). Nothing here takes ownership of a handle. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mlx/c/stream.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Makes `stream` the calling thread's default for its device until the matching pop, which restores
   the one before. Scopes nest. A pop without a push is an error. */
int weir_stream_scope_push(mlx_stream stream);
int weir_stream_scope_pop(void);

/* *idle becomes true when nothing is queued or running on the stream. Never waits. */
int weir_stream_query(bool *idle, mlx_stream stream);

/* What the process holds right now; a consistent snapshot of each field, not of all together. */
typedef struct weir_runtime_stats_t {
  size_t live_streams;   /* streams that something refers to */
  size_t worker_threads; /* threads of the one pool, at most as many as processors */
  size_t other_threads;  /* the reclaimer, which runs users' destructors: 0 or 1 */
} weir_runtime_stats_t;

int weir_runtime_stats(weir_runtime_stats_t *stats);

/* For leak checkers; no program needs it. Lets submitted work finish, ends the library's threads,
   drops the calling thread's default streams and all idle memory. rc 1 (WEIR_ERROR_TIMEOUT) when
   that takes longer than `timeout_ns`. Not to be called inside a callback of the library's. The
   library can be used again afterwards. */
int weir_shutdown(uint64_t timeout_ns);

#ifdef __cplusplus
}
#endif

#endif
