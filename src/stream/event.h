#ifndef WR_STREAM_EVENT_H
#define WR_STREAM_EVENT_H

/* Events: a place in the order of one stream that the host or another stream waits for. Counted;
   every function may be called from any thread. Recording again moves the event: who waits already
   waits for the place that it had. */

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"

struct wr_event;
struct wr_stream;

struct wr_error *wr_event_new(struct wr_event **out);
void wr_event_release(struct wr_event *event); /* NULL is a no-op */
struct wr_error *wr_event_record(struct wr_event *event, struct wr_stream *stream);
/* What follows on the stream runs after what stood before the event. The caller does not wait. */
struct wr_error *wr_event_stream_wait(struct wr_event *event, struct wr_stream *stream);
struct wr_error *wr_event_query(struct wr_event *event, bool *over);
/* Until a deadline of wr_clock_ns; WEIR_ERROR_TIMEOUT when it comes first. */
struct wr_error *wr_event_host_wait(struct wr_event *event, uint64_t deadline_ns);
/* Nanoseconds from one to the other, negative when `end` was over first. */
struct wr_error *wr_event_elapsed(struct wr_event *start, struct wr_event *end, int64_t *ns);
/* Readable while what was recorded last is over; the event's own, closed with it. */
struct wr_error *wr_event_fd(struct wr_event *event, int *fd);

#endif
