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

/* As mlx_synchronize, for `timeout_ns` nanoseconds at most: rc 1 (WEIR_ERROR_TIMEOUT) when they
   pass first. INT64_MAX is as good as for ever; a negative timeout is an error. The calling thread
   runs none of the stream's work meanwhile, so that it can keep to the time. */
int weir_stream_wait(mlx_stream stream, int64_t timeout_ns);

/* fn(data) is called once, after all that was submitted to the stream before this call is over, on
   a thread of Weir's that holds no lock and runs no work: it may call anything. On rc 1 it will not
   be called. */
int weir_stream_on_idle(mlx_stream stream, void (*fn)(void *data), void *data);

/* A name for messages, copied; at most 255 bytes, longer ones are an error. NULL takes it away. */
int weir_stream_set_label(mlx_stream stream, const char *label);

/* What the stream has done and has before it. A command is the making of one array. */
typedef struct weir_stream_stats_t {
  uint64_t queued;  /* commands submitted and not begun */
  uint64_t running; /* commands being run: 0 or 1 on a CPU stream */
  uint64_t done;    /* commands that succeeded */
  uint64_t failed;  /* commands that failed */
  uint64_t busy_ns; /* nanoseconds that threads spent on its work */
  uint64_t bytes;   /* of the results that it made */
} weir_stream_stats_t;

int weir_stream_stats(weir_stream_stats_t *stats, mlx_stream stream);

/* What the process holds right now; a consistent snapshot of each field, not of all together. */
typedef struct weir_runtime_stats_t {
  size_t live_streams;          /* streams that something refers to */
  size_t live_encoders;         /* the devices' queues behind them */
  size_t pooled;                /* encoders kept for the next stream */
  size_t worker_threads;        /* threads of the one pool, at most as many as processors */
  size_t other_threads;         /* the reclaimer, which runs users' destructors, and one of each
                                   GPU in use */
  size_t wired_bytes;           /* memory whose pages are locked (weir/memory.h) */
  size_t wired_shortfall_bytes; /* what the wired limit allows and the system refuses to lock */
} weir_runtime_stats_t;

int weir_runtime_stats(weir_runtime_stats_t *stats);

/* For leak checkers; no program needs it. Lets submitted work finish, ends the library's threads,
   drops the calling thread's default streams and all idle memory. rc 1 (WEIR_ERROR_TIMEOUT) when
   that takes longer than `timeout_ns`; a negative timeout is an error. Not to be called inside a
   callback of the library's. The library can be used again afterwards. */
int weir_shutdown(int64_t timeout_ns);

#ifdef __cplusplus
}
#endif

#endif
