#ifndef MLX_STREAM_H
#define MLX_STREAM_H

/* Streams: serial queues of work on one device.

   A handle is a counted reference; mlx_stream_free releases it, and never waits. A copy of the
   struct is no reference of its own: not to be used once one of them was freed or set. When nothing
   refers to a stream any more (no handle, no thread's default, no unevaluated array, no pending
   work), it is gone. A stream has no owning thread: any thread may record on it, force what was
   recorded, synchronize it or free it. Work on one stream runs in the order in which the
   submitting calls took effect. What was freed, was never set or is no stream is an error, as
   mlx/c/array.h says.

   Functions return 0, or 1 after an error: weir_last_error() then has the message, which names
   the operation and the parameter, and the handler of mlx_set_error_handler has been called.
   Those that return a handle, a pointer or a value return an empty handle, NULL or 0 instead.
   Any function may be called from any thread with any handle; only changing one handle variable
   while another thread uses that same variable needs a lock of the caller's. */

#include <stdbool.h>

#include "mlx/c/device.h"
#include "mlx/c/string.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mlx_stream_ {
  void *ctx; /* NULL: empty */
} mlx_stream;

/* A new empty handle. */
mlx_stream mlx_stream_new(void);

/* A new stream on the device; the caller frees it. Empty, with WEIR_ERROR_NO_DEVICE and the reason,
   where there is no such device. */
mlx_stream mlx_stream_new_device(mlx_device dev);

/* The same, by the name that newer versions of mlx-c have for it; here any thread may use it. */
mlx_stream mlx_stream_new_thread_unsafe(mlx_device dev);

/* Finishes the work that was submitted to the calling thread's default streams and drops them; the
   thread makes new ones when it needs them. Harmless to repeat. Under Weir's checked policy
   (weir/thread.h) it is a thread's last act: it finishes all streams that belong to the thread, and
   retires it. If it fails, nothing is dropped and the thread stays usable. */
int mlx_clear_streams(void);

/* Makes *stream another reference to src, in place of what it held. An empty src is an error. */
int mlx_stream_set(mlx_stream *stream, const mlx_stream src);

/* Releases the handle; an empty one is a no-op. Never waits, and never fails for a live handle.
   Submitted work is not dropped. */
int mlx_stream_free(mlx_stream stream);

/* Writes "Stream(Device(cpu, 0), 3)" into *str, in place of what it held; the caller frees that.
   On a live handle, on any thread, it fails only when memory is refused. */
int mlx_stream_tostring(mlx_string *str, mlx_stream stream);

/* Whether both refer to the same stream. Empty handles are an error, and false. */
bool mlx_stream_equal(mlx_stream lhs, mlx_stream rhs);

/* The stream's device, a plain value; and its index, 0 or more: unique among live streams, and used
   again only when nothing refers to the old one. */
int mlx_stream_get_device(mlx_device *dev, mlx_stream stream);
int mlx_stream_get_index(int *index, mlx_stream stream);

/* Waits for all that was submitted to the stream before the call; the calling thread runs it
   meanwhile. Arrays that are only recorded are not submitted (mlx_async_eval). About time, not
   values: 0 also after a failure. */
int mlx_synchronize(mlx_stream stream);

/* The calling thread's default stream of the device, as a new reference in place of what *stream
   held; made at first use. */
int mlx_get_default_stream(mlx_stream *stream, mlx_device dev);

/* Makes it the default of the calling thread alone, for the stream's device; the thread keeps a
   reference of its own. */
int mlx_set_default_stream(mlx_stream stream);

/* The calling thread's default stream of cpu:0 or gpu:0, as a new reference that the caller frees.
   With no GPU the second is empty, and the message says why. */
mlx_stream mlx_default_cpu_stream_new(void);
mlx_stream mlx_default_gpu_stream_new(void);

#ifdef __cplusplus
}
#endif

#endif
