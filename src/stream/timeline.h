#ifndef WR_STREAM_TIMELINE_H
#define WR_STREAM_TIMELINE_H

/* The timeline: what weir/trace.h writes to a file, spans of time on tracks of streams and threads
   (S2). It has nothing to do with the traces of transforms (graph/trace.h).

   Each thread puts records into a ring of its own, without a lock; one thread of the library's,
   the writer, takes them out and writes them (timeline.c has the protocol). A record that finds no
   room is dropped and counted. While no trace runs each place that would record looks at one word,
   and does no more.

   Lock: TIMELINE, of starting, stopping and ends of threads; no record takes it. Any thread. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/atomic.h"
#include "base/lock.h"
#include "core/device.h"
#include "core/error.h"

struct wr_stream;
struct wr_request;
struct wr_record_ring;

/* The number of the trace that runs; 0: none. Atomic RELAXED: whoever reads it late drops a record,
   or puts one too many, which the writer leaves out. */
extern wr_atomic_u32 wr_timeline_session;
static inline bool wr_timeline_on(void) {
  return __builtin_expect(wr_load_relaxed(&wr_timeline_session) != 0, 0);
}
/* When a span begins; 0: no trace runs, and there is none to put at its end. */
static inline uint64_t wr_timeline_begin(void) { return wr_timeline_on() ? wr_clock_ns() : 0; }

struct wr_error *wr_timeline_start(const char *file);
/* NULL too where no trace runs. Returns when the file is whole. */
struct wr_error *wr_timeline_stop(void);
/* The trace that the environment asks for; at the first call, before the first stream. */
void wr_timeline_start_asked(void);
/* 1 while the writer's thread is there. */
size_t wr_timeline_threads(void);
/* The ring of a thread that ends, which is freed once it is empty; NULL is a no-op. */
void wr_timeline_thread_ends(struct wr_record_ring *ring);

/* ---- records, on the calling thread's track unless another is named ---- */

enum wr_span {
  WR_SPAN_EVAL,  /* of so many arrays */
  WR_SPAN_ASYNC, /* the same, without waiting */
  WR_SPAN_DRAIN, /* of a stream */
  WR_SPAN_SLEEP, /* waits for what is queued on a stream */
  WR_SPAN_PARK,  /* waits for what another thread plans */
  WR_SPAN_SLICES /* of another thread's kernel */
};
void wr_timeline_put_span_slow(enum wr_span what, uint64_t begin, uint64_t end, uint32_t number,
                               const struct wr_stream *stream);
/* A span that ends now; of one that began at 0, nothing. `number` is a count of arrays or 0, and
   `stream` NULL where there is none. */
static inline void wr_timeline_put_span(enum wr_span what, uint64_t begin, uint32_t number,
                                        const struct wr_stream *stream) {
  if (begin) wr_timeline_put_span_slow(what, begin, wr_clock_ns(), number, stream);
}
/* The thread is inside a span and begins to work for the request, which may be NULL. */
void wr_timeline_put_request(struct wr_request *request);
/* The stream's device, and its label; NULL: none. */
void wr_timeline_put_stream(const struct wr_stream *stream, const char *label);
/* On the stream's track; by: what it waited for, or NULL. */
void wr_timeline_put_blocked(struct wr_stream *stream, uint64_t begin, const struct wr_stream *by);

/* What is shown of a stream does not overlap: takes the time from `begin` to `end`, as far as
   nothing else has, and returns when that begins. Any thread. */
uint64_t wr_timeline_claim(struct wr_stream *stream, uint64_t begin, uint64_t end);

/* A record of so many words, made by its caller (timeline_record.h). */
void wr_timeline_put(const uint64_t *words, size_t n);

#endif
