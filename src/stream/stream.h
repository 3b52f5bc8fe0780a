#ifndef WR_STREAM_STREAM_H
#define WR_STREAM_STREAM_H

/* What leaves the stream module for the API: streams as counted handles, per-thread defaults, and
   synchronizing. See docs/streams.md for the rules. Every function may be called from any thread. */

#include <stdbool.h>
#include <stdint.h>

#include "core/device.h"
#include "core/error.h"

struct wr_stream;

/* A new stream on the device, one reference. */
struct wr_error *wr_stream_new(struct wr_device device, struct wr_stream **out);
struct wr_stream *wr_stream_retain(struct wr_stream *stream);
void wr_stream_release(struct wr_stream *stream); /* NULL is a no-op; never blocks */
struct wr_device wr_stream_device(const struct wr_stream *stream);
int wr_stream_index(const struct wr_stream *stream);

/* The calling thread's default stream of the device (D1); borrowed: lives until the thread ends or
   replaces it. */
struct wr_error *wr_stream_default(struct wr_device device, struct wr_stream **borrowed);
/* Makes it the calling thread's default for the stream's device (D3). */
struct wr_error *wr_stream_set_default(struct wr_stream *stream);

/* The process-wide default device. */
struct wr_device wr_default_device(void);
struct wr_error *wr_set_default_device(struct wr_device device);
/* An error in words when there is no such device. */
struct wr_error *wr_device_check(struct wr_device device);

/* Waits for all that was submitted to the stream before the call. About time, not values: an array
   that failed there is no error here. */
struct wr_error *wr_stream_synchronize(struct wr_stream *stream);

/* Brackets the caller's own free: user destructors that become due inside run on the calling
   thread; everywhere else they go to the reclaimer (K10). */
void wr_free_scope_enter(void);
void wr_free_scope_leave(void);

#endif
