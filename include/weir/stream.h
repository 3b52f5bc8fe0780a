#ifndef WEIR_STREAM_H
#define WEIR_STREAM_H

/* What Weir has around mlx_stream. Every function may be called from any thread with any handle;
   under the checked policy (weir/thread.h) wait and on_idle belong on the stream's thread, and
   scopes on one that is not retired. rc 0 is success, rc 1 an error (weir/error.h): an empty handle
   or a NULL result is one, which names the parameter (WEIR_ERROR_INVALID_ARGUMENT), and refused
   memory. Nothing here takes ownership of a handle. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mlx/c/stream.h"
#include "mlx/c/vector.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Makes `stream` the calling thread's default for its device until the matching pop, which restores
   the one before. Scopes nest; the thread keeps references. What drops the thread's defaults
   (mlx_clear_streams, weir_shutdown, its end) closes its scopes too. A pop without a push is
   WEIR_ERROR_STATE. */
int weir_stream_scope_push(mlx_stream stream);
int weir_stream_scope_pop(void);

/* *idle becomes whether nothing is queued or running on the stream. Never waits. Arrays that are
   only recorded do not count. */
int weir_stream_query(bool *idle, mlx_stream stream);

/* As mlx_synchronize, for `timeout_ns` nanoseconds at most: rc 1 (WEIR_ERROR_TIMEOUT) when they
   pass first, and the work goes on. INT64_MAX is as good as for ever; a negative timeout is an
   error. The calling thread runs none of the stream's work meanwhile, so that it can keep to the
   time. */
int weir_stream_wait(mlx_stream stream, int64_t timeout_ns);

/* fn(data) is called once, after all that was submitted to the stream before this call is over, on
   a thread of Weir's that holds no lock and runs no work: it may call anything but weir_shutdown.
   Callbacks come one after another, so one that waits for another waits for ever. `data` stays the
   caller's. On rc 1 (also a NULL fn) it will not be called, nor in the child of a fork, and it may
   not be when the process ends first. */
int weir_stream_on_idle(mlx_stream stream, void (*fn)(void *data), void *data);

/* A name for messages, copied; at most 255 bytes, longer ones are an error and change nothing. NULL
   takes it away. A GPU stream's is also told to the tool that listens by NVTX, such as Nsight
   Systems, where there is one. */
int weir_stream_set_label(mlx_stream stream, const char *label);

/* Who comes first where more streams have work than there are threads for it, as has the CPU's pool
   of workers, and the drivers of GPUs, which are fed by it. A lower class waits while a higher one
   has work ready, but not for ever: of eight turns of the pool one is a lower class's
   (docs/threads.md). A class decides between streams: work on one stream stays in its order, and
   each part of a stream's queue has the class of the highest part behind it. What is begun is
   finished. */
typedef enum weir_class {
  WEIR_CLASS_DEFAULT = 0, /* a stream's: normal; a request's: that of each stream that it uses */
  WEIR_CLASS_HIGH,
  WEIR_CLASS_NORMAL,
  WEIR_CLASS_LOW
} weir_class;

/* The class of what is submitted to the stream from then on, but by requests that have a class of
   their own (weir/request.h). WEIR_ERROR_INVALID_ARGUMENT for what is no class. */
int weir_stream_set_class(mlx_stream stream, weir_class to);

/* How much may be in flight on the stream, which is submitted and not over: so many commands
   (below), and so many bytes of their results; 0: any number. mlx_async_eval waits until the
   streams on which the lazy ones of its arrays were recorded are below their limits, in the order
   in which calls came, and no longer than the request lasts that the thread is inside; meanwhile
   the thread computes what it waits for, where nobody else does. Then all that the call submits
   goes through, also a graph that is larger than a limit by itself, and also what it needs on other
   streams. So what is in flight stays below the limit but for what one call adds, or as many calls
   as come at one moment, each of which counts as a command until it has submitted. Calls that wait
   for values, as mlx_eval, do not wait for room: a thread has one of them in flight. A limit counts
   from this call on; of what is in flight already, commands and not bytes. */
int weir_stream_set_limit(mlx_stream stream, uint64_t commands, uint64_t bytes);

/* As mlx_async_eval, but it never waits for room: WEIR_ERROR_AGAIN where a stream has none, and
   then nothing was submitted. */
int weir_try_async_eval(const mlx_vector_array outputs);

/* What the stream has done and has before it. A command is the making of one array, by one
   operation or by several that were fused; views are commands too. */
typedef struct weir_stream_stats_t {
  uint64_t queued;  /* commands submitted and not begun */
  uint64_t running; /* commands being run: 0 or 1 on a CPU stream */
  uint64_t done;    /* commands that succeeded */
  uint64_t failed;  /* commands that failed */
  uint64_t busy_ns; /* nanoseconds that threads of this machine spent on its work */
  uint64_t bytes;   /* of the results that it made; a view has none */
} weir_stream_stats_t;

/* Fills *stats. The fields are read one by one while the stream goes on. Never waits. */
int weir_stream_stats(weir_stream_stats_t *stats, mlx_stream stream);

/* What the process holds right now; a consistent snapshot of each field, not of all together. */
typedef struct weir_runtime_stats_t {
  size_t live_streams;          /* streams that something refers to */
  size_t live_encoders;         /* the devices' queues behind them */
  size_t pooled;                /* encoders kept for the next stream */
  size_t worker_threads;        /* of the one pool: at most one per processor, or as many as the
                                   environment's WEIR_NUM_THREADS says */
  size_t other_threads;         /* the reclaimer, which runs users' destructors, one of each GPU in
                                   use, one for deadlines of requests, the one that writes a
                                   trace, those that may block, and those in the place of threads
                                   that wait with a time limit while all workers are in long
                                   commands; not the one that waits for WEIR_DUMP_SIGNAL */
  size_t wired_bytes;           /* memory whose pages are locked (weir/memory.h) */
  size_t wired_shortfall_bytes; /* what the wired limit allows and the system refuses to lock */
} weir_runtime_stats_t;

/* Fills *stats. Never waits. */
int weir_runtime_stats(weir_runtime_stats_t *stats);

/* For leak checkers; no program needs it. Lets submitted work and callbacks finish, ends the
   library's threads, drops the calling thread's default streams and scopes and all idle memory.
   rc 1 (WEIR_ERROR_TIMEOUT) when that takes longer than `timeout_ns` nanoseconds, with the rest
   still running; a negative timeout is an error. Other threads may use the library meanwhile, which
   may make it last longer. Inside a callback or a destructor it is WEIR_ERROR_STATE. The library
   can be used again afterwards. */
int weir_shutdown(int64_t timeout_ns);

#ifdef __cplusplus
}
#endif

#endif
