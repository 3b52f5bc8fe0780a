#ifndef WR_STREAM_TIMELINE_INTERNAL_H
#define WR_STREAM_TIMELINE_INTERNAL_H

/* Shared between the files of the timeline alone: rings, and the writer's text. */

#include "stream/timeline_record.h"

/* A ring has one producer, its thread, and one consumer: the writer while a trace runs, else
   whoever holds LOCK. `head` and `tail` only grow; the word at n stands at n % RING_WORDS. */
enum { RING_WORDS = WR_TORTURED ? 2048 : 32768, MOST_RINGS = 256, THREAD_NAME = 16 };

struct wr_record_ring {
  struct wr_record_ring *next;     /* consumer only, once it is in the list */
  uint64_t tid;                    /* immutable after publish */
  char name[THREAD_NAME];          /* immutable after publish */
  wr_atomic_bool ended;            /* atomic RELEASE: nothing comes any more */
  uint32_t session;                /* consumer only: that has heard of the thread */
  uint64_t lost_before;            /* consumer only: of `lost`, what is counted */
  wr_atomic_u64 tail;              /* atomic RELEASE: by the consumer, what it has copied */
  _Alignas(64) wr_atomic_u64 head; /* atomic RELEASE: by the producer, what is whole */
  uint64_t tail_seen;              /* owner thread only: it is there at least */
  wr_atomic_u64 lost;              /* atomic RELAXED: records that found no room */
  uint64_t words[RING_WORDS];      /* the producer's before head, the consumer's behind it */
};

/* The text that the writer makes. Owner thread only: the writer. */
enum { TEXT_BYTES = 1 << 17, EVENT_BYTES = 1 << 14 };
struct wr_timeline_text {
  int fd;
  int failed; /* errno of the first write that failed; 0: none */
  bool any;   /* an event stands in the file */
  int32_t pid;
  uint64_t since;           /* spans that end before are of an earlier trace */
  uint64_t ringless_before; /* records of threads without a ring, before this trace */
  uint64_t commands;        /* written */
  struct {
    bool named;
    uint64_t live, cached;
  } devices[WR_DEVICE_TYPE_COUNT][WR_DEVICE_INDICES];
  size_t n;
  char text[TEXT_BYTES];
};

void wr_timeline_text_begin(struct wr_timeline_text *t);
void wr_timeline_text_thread(struct wr_timeline_text *t, const struct wr_record_ring *ring);
void wr_timeline_text_record(struct wr_timeline_text *t, uint64_t tid, const uint64_t *words);
/* The host's memory now, if it has changed. */
void wr_timeline_text_memory(struct wr_timeline_text *t);
/* So many records are lost by now. */
void wr_timeline_text_lost(struct wr_timeline_text *t, uint64_t lost);
void wr_timeline_text_end(struct wr_timeline_text *t, uint64_t lost);
/* Hands to the system what there is; whole events. */
void wr_timeline_text_flush(struct wr_timeline_text *t);

/* The calling thread's ring, made at the first call; NULL: it has none, which is counted. */
struct wr_record_ring *wr_timeline_ring(void);
/* A ring is more than half full: the writer is told. */
void wr_timeline_hurry(void);

#endif
