/* Making records. A record is made on the stack and copied into its thread's ring as a whole, then
   `head` moves: so the consumer never sees a part of one, nor does the child of a fork, which
   forgets them all. No locks but the request's, for its label. */

#include <string.h>

#include "stream/internal.h"
#include "stream/request.h"
#include "stream/timeline_internal.h"

static void copy_in(struct wr_record_ring *ring, uint64_t at, const uint64_t *words, size_t n) {
  const size_t first = at % RING_WORDS, until_end = RING_WORDS - first;
  const size_t before = n < until_end ? n : until_end;
  memcpy(ring->words + first, words, before * sizeof *words);
  memcpy(ring->words, words + before, (n - before) * sizeof *words);
}

void wr_timeline_put(const uint64_t *words, size_t n) {
  struct wr_record_ring *ring = wr_timeline_ring();
  if (!ring) return;
  const uint64_t head = wr_load_relaxed(&ring->head);
  if (head + n - ring->tail_seen > RING_WORDS / 2) {
    ring->tail_seen = wr_load_acquire(&ring->tail); /* acquire: what stood there was copied */
    if (head + n - ring->tail_seen > RING_WORDS / 2) wr_timeline_hurry();
    if (head + n - ring->tail_seen > RING_WORDS) {
      wr_store_relaxed(&ring->lost, wr_load_relaxed(&ring->lost) + 1);
      return;
    }
  }
  copy_in(ring, head, words, n);
  wr_store_release(&ring->head, head + n); /* release: the record */
}

static void put_record(void *record, size_t bytes) {
  uint64_t words[WR_RECORD_WORDS];
  struct wr_record_head *head = record;
  head->words = (uint8_t)((bytes + 7) / 8);
  memcpy(words, record, (size_t)head->words * 8);
  wr_timeline_put(words, head->words);
}

static struct wr_record_track track_of(const struct wr_stream *stream) {
  if (!stream) return (struct wr_record_track){0};
  return (struct wr_record_track){.number = stream->id + 1,
                                  .index = (uint32_t)stream->index,
                                  .device_index = (uint16_t)stream->device.index,
                                  .device_type = (uint16_t)stream->device.type};
}

void wr_timeline_put_span_slow(enum wr_span what, uint64_t begin, uint64_t end, uint32_t number,
                               const struct wr_stream *stream) {
  struct wr_span_record r = {
      .head = {.kind = WR_RECORD_SPAN, .what = (uint16_t)what, .number = number},
      .begin = begin,
      .end = end,
      .stream = track_of(stream)};
  put_record(&r, sizeof r);
}

void wr_timeline_put_blocked(struct wr_stream *stream, uint64_t begin, const struct wr_stream *by) {
  const uint64_t end = wr_clock_ns();
  struct wr_span_record r = {.head = {.kind = WR_RECORD_BLOCKED},
                             .begin = wr_timeline_claim(stream, begin, end),
                             .end = end,
                             .stream = track_of(stream),
                             .by = track_of(by)};
  put_record(&r, sizeof r);
}

/* Only as much of the label as there is. */
static size_t label_bytes(size_t before, const char *label) { return before + strlen(label) + 1; }

void wr_timeline_put_stream(const struct wr_stream *stream, const char *label) {
  struct wr_stream_record r = {.head = {.kind = WR_RECORD_STREAM}, .stream = track_of(stream)};
  _Static_assert(sizeof r.label == WR_STREAM_LABEL, "a label fits");
  if (label) memcpy(r.label, label, strlen(label) + 1);
  put_record(&r, label_bytes(offsetof(struct wr_stream_record, label), r.label));
}

/* The clock is read after the request was marked: so what begins the flow comes first in time. */
void wr_timeline_put_request(struct wr_request *request) {
  if (!request) return;
  struct wr_request_record r = {
      .head = {.kind = WR_RECORD_REQUEST, .number = wr_request_number(request)}};
  _Static_assert(sizeof r.label == WR_REQUEST_LABEL && sizeof r.trace_id == WR_TRACE_ID_BYTES,
                 "a label fits");
  const uint64_t before = wr_clock_ns();
  r.head.what = wr_request_meet(request, wr_load_relaxed(&wr_timeline_session), r.label);
  r.at = r.head.what ? before : wr_clock_ns();
  wr_request_trace_id(request, r.trace_id);
  put_record(&r, label_bytes(offsetof(struct wr_request_record, label), r.label));
}

uint64_t wr_timeline_claim(struct wr_stream *stream, uint64_t begin, uint64_t end) {
  uint64_t until = wr_load_relaxed(&stream->shown_until);
  /* Relaxed: a time by itself, which only grows; whoever makes it grow has what lies between. */
  while (until < end && !wr_cas_acq_rel(&stream->shown_until, &until, end)) continue;
  if (begin >= until) return begin;
  return until < end ? until : end;
}
