#ifndef WR_STREAM_TIMELINE_RECORD_H
#define WR_STREAM_TIMELINE_RECORD_H

/* The layout of records in the rings of the timeline: words of 64 bits, of which the first says
   what the others are. Written by the threads that record, read by the writer alone. */

#include <stdint.h>

#include "backend/backend.h"
#include "stream/timeline.h"

enum wr_record_kind {
  WR_RECORD_COMMAND, /* wr_command_record, tensors, steps */
  WR_RECORD_SPAN,    /* wr_span_record */
  WR_RECORD_BLOCKED, /* wr_span_record, on a stream's track */
  WR_RECORD_REQUEST, /* wr_request_record */
  WR_RECORD_STREAM   /* wr_stream_record */
};

struct wr_record_head {
  uint8_t kind;
  uint8_t words;   /* of the whole record */
  uint16_t what;   /* enum wr_op, enum wr_span */
  uint32_t number; /* of the request, or another one */
};

/* A stream, as tracks know it. */
struct wr_record_track {
  uint64_t number; /* one more than its id; 0: none */
  uint32_t index;
  uint16_t device_index;
  uint16_t device_type; /* enum wr_device_type */
};

/* A tensor is a word and its extents, two in each word; of those beyond RECORD_DIMS the first. */
enum { WR_RECORD_DIMS = 8, WR_RECORD_INPUTS = 8, WR_RECORD_WORDS = 128 };
struct wr_record_tensor {
  uint8_t dtype;
  uint8_t ndim;
  uint8_t kept; /* extents that follow */
  uint8_t unused[5];
};

struct wr_command_record {
  struct wr_record_head head; /* what: the operation, of a group the last; number: the request */
  uint64_t begin, end;
  uint64_t encoded; /* when it was handed to the device */
  struct wr_record_track stream;
  uint64_t live, cached; /* bytes in the device's memory */
  const char *name;      /* of what is called, of static storage; NULL: the operation's */
  uint8_t tensors;       /* that follow: the result, then inputs */
  uint8_t steps;         /* of a group, that follow: wr_group_step each; of a long one the first */
  uint16_t inputs;       /* in all */
  uint8_t failed;
  uint8_t unused[3];
};

struct wr_span_record {
  struct wr_record_head head; /* what: enum wr_span; number: arrays */
  uint64_t begin, end;
  struct wr_record_track stream; /* or none */
  struct wr_record_track by;     /* of BLOCKED; or none */
};

struct wr_request_record {
  struct wr_record_head head; /* number: the request; what: 1: the trace meets it first here */
  uint64_t at;
  uint8_t trace_id[16];
  char label[256];
};

struct wr_stream_record {
  struct wr_record_head head;
  struct wr_record_track stream;
  char label[256];
};

#define WR_WORDS_OF(type) (sizeof(type) / sizeof(uint64_t))
_Static_assert(sizeof(struct wr_record_head) == 8 && sizeof(struct wr_record_tensor) == 8 &&
                   sizeof(struct wr_group_step) == 8,
               "one word each");
_Static_assert(WR_WORDS_OF(struct wr_command_record) +
                       (1 + WR_RECORD_INPUTS) * (1 + WR_RECORD_DIMS / 2) + WR_GROUP_STEPS <=
                   WR_RECORD_WORDS,
               "any command fits");

#endif
