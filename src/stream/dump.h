#ifndef WR_STREAM_DUMP_H
#define WR_STREAM_DUMP_H

/* weir_dump: what the library is at, in words, whatever hangs (S1).

   It takes no lock at all, and follows pointers as a debugger does: by peeks (base/peek.h), which
   copy what is there and cannot fault. So it ends whoever holds whichever lock, and costs those who
   work nothing but a look at a cheap clock for each task of a stream. What is copied while others
   go on may be torn, and memory may be something else's by then. That is borne in three ways: each
   object that is followed has to look like one (its kind's word, a phase that there is, a number in
   its range), or it is left out; every loop has a bound; and nothing that was read is written to or
   called. Where something hangs, which is what a dump is for, it does not move, and all that is
   told of it is exact. Memory: a text and a few structs that are there from the beginning, one dump
   at a time; what does not fit is counted.

   The first line names the culprit: of all that goes on and waits for nothing of the library's, a
   command on a thread or a device, a function of the user's, a reader, a compiler, a process of
   another rank, a planner with a claim, what began first. Streams and threads that wait for others
   are followed to what they wait for.

   Modules tell what they know: of work, by kinds (below), and of themselves, by the functions at
   the end. Any thread, but no handler of a signal. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/doing.h"
#include "base/peek.h"

struct wr_dump;
struct wr_completion;
struct wr_request;
struct wr_stream;
struct wr_task;

/* Appends to the dump's text. */
void wr_dump_say(struct wr_dump *d, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* How long that is ago, by wr_clock_coarse_ns: "5.2 s". Returns text. */
enum { WR_DUMP_AGE = 32, WR_DUMP_WORDS = 320 };
char *wr_dump_age(const struct wr_dump *d, uint64_t since, char text[WR_DUMP_AGE]);
/* The culprit may be this, which began then. SEEN: it is known what goes on. GUESSED: only that
   something does not end; what is seen is more likely, unless that is much younger. */
enum wr_dump_sure { WR_DUMP_SEEN, WR_DUMP_GUESSED, WR_DUMP_SURES };
void wr_dump_blame(struct wr_dump *d, enum wr_dump_sure sure, uint64_t since, const char *format,
                   ...) __attribute__((format(printf, 4, 5)));

/* ---- kinds of work ---- */

enum wr_dump_wait {
  WR_DUMP_WAITS_NOT,
  WR_DUMP_WAITS_STREAM, /* for a command of another stream */
  WR_DUMP_WAITS_CLAIM,  /* for an array that a planner has claimed and not submitted */
  WR_DUMP_WAITS_OTHERS, /* for a command that was begun and goes on elsewhere: a load, a collective
                         */
  WR_DUMP_WAITS_SEAT,   /* for others' routines, which keep as many threads as they may */
  WR_DUMP_WAITS_ROOM,   /* for its device to come on with what it has */
  WR_DUMP_WAITS_MEMORY  /* for memory of its device */
};

struct wr_dump_work {
  char what[WR_DUMP_WORDS];         /* of the next command, or the one that runs; "": unknown */
  uint32_t left;                    /* commands that have not run, that one included */
  uint32_t all;                     /* of how many */
  const struct wr_request *request; /* whose it is; NULL: nobody's */
  const struct wr_task *task;       /* as which it stands in a queue, */
  const struct wr_stream *stream;   /* of this stream; NULL, both: not known */
  enum wr_dump_wait wait;           /* of the next command */
  char for_what[WR_DUMP_WORDS];     /* what that is; "": unknown */
  uint64_t by;                      /* of WAITS_STREAM: the other's id */
};

/* Work is known by a function that stands in it: that which runs a task, a hook's, that which takes
   back a request's work. With key NULL it is a completion, and `tell` finds out whether it is one
   of its. */
struct wr_dump_kind {
  void (*key)(void);
  void (*tell)(const void *work, struct wr_dump_work *told); /* told is zeroed; by peeks */
  struct wr_dump_kind *next;
};
/* At load; the kind stays for good. */
void wr_dump_know(struct wr_dump_kind *kind);
/* False, and *told is zeroed, when nobody knows it. */
bool wr_dump_tell(void (*key)(void), const void *work, struct wr_dump_work *told);

/* ---- what modules tell of themselves ---- */

void wr_dump_streams(struct wr_dump *d);   /* dump_streams.c */
void wr_dump_requests(struct wr_dump *d);  /* request.c */
void wr_dump_blocking(struct wr_dump *d);  /* blocking.c */
void wr_dump_reclaimer(struct wr_dump *d); /* reclaimer.c */

/* "request 7 \"label\"". */
void wr_dump_request_name(const struct wr_request *request, char text[WR_DUMP_WORDS]);
/* "stream 3 \"label\" (cpu:0)"; false when it is none. */
bool wr_dump_stream_name(const struct wr_stream *stream, char text[WR_DUMP_WORDS]);
/* What else the thread has been at since then or later; false: nothing that is known. */
bool wr_dump_thread_at(uintptr_t thread, uint64_t since, struct wr_doing_look *look);
/* How many commands stand before the task in its stream's queue, those included that a thread or a
   device is at. */
uint64_t wr_dump_before(const struct wr_stream *stream, const struct wr_task *task);
/* The live stream at the index, or the next one; NULL: none. By peeks (registry.c). */
const struct wr_stream *wr_registry_peek(size_t *index);

/* The whole: writes it to the descriptor. REFUSED: that does not take it, and errno says why. BUSY:
   another one is being made, and does not end. */
enum wr_dumped { WR_DUMP_WRITTEN, WR_DUMP_REFUSED, WR_DUMP_BUSY };
enum wr_dumped wr_dump_to(int fd);
/* WEIR_DUMP_SIGNAL, at load (dump_signal.c). */
void wr_dump_listen(void);

#endif
