#ifndef WR_API_NESTING_H
#define WR_API_NESTING_H

/* How deep a thread's calls of error handlers stand in each other. A handler may be left by longjmp
   or by an exception, or by a switch to another stack that may or may not come back, and nothing
   says so; a counter would go up and never down. So the places of the calls' frames are kept, and
   the next failure judges them by where its own frame is.

   On the thread's own stack, whose end the system tells:
   - A call at or below the new frame has been left: on one stack frames stand below their callers.
   - What lies above is the stack of the callers, so it can be read. Each frame has its own address
     written at both ends, and where that is gone the call was left.
   - The others are open. What remains is a call that was left for a deeper place, all of whose
     frame, two kilobytes, lies where the new frames wrote nothing; eight at once would have to be.

   On stacks that the program made, of which nothing is known and which may be freed by now, nothing
   is read:
   - A call at the very place of the new frame is over.
   - A call below it, by no more than a hop, does not count: it was left, or is another stack's.
   - Those above are open as far as each is at most a hop from the next. A thread of the library's
     users has 64 KB of stack at least (docs/threads.md), and a hop is less than that by so much
     that eight never lead across eight other stacks: those that wait inside their handlers do not
     silence a new one.
   There a handler that was left eight times, each time for a deeper place, is not told of the ninth
   that is deeper still; and one that needs more than a hop for each failure inside it is bounded by
   its stack alone.

   Owner thread only, no locks. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
  WR_NESTING_DEPTH = 8, /* calls of handlers in each other; a failure in the last is not told */
  WR_NESTING_KEPT = 32, /* calls known, of all stacks; the oldest is forgotten for a new one */
  WR_NESTING_HOP = 56 << 10, /* bytes: 8 hops are no more than 7 stacks of 64 KB */
  WR_NESTING_TEXT = 2048     /* bytes of what is told; longer is cut */
};

/* What stands on the stack of a call of a handler. All of it is written, so that no frame of an
   earlier call shines through. */
struct wr_nesting_frame {
  uintptr_t above; /* its own address */
  char text[WR_NESTING_TEXT];
  uintptr_t below; /* the same */
};

struct wr_nesting_call {
  uintptr_t frame; /* the address of it; not followed unless it is on the thread's own stack */
  void *handler;   /* a reference */
  bool counts;     /* false: probably left */
};

struct wr_nesting {
  uintptr_t stack_low; /* of the thread's own stack; both 0 until the system has told */
  uintptr_t stack_high;
  size_t count;
  struct wr_nesting_call calls[WR_NESTING_KEPT]; /* the oldest first */
};

/* Whether a failure whose frame has that address may call a handler. What calls held that were left
   for sure is given to `end` first. */
bool wr_nesting_enter(struct wr_nesting *n, uintptr_t frame, void (*end)(void *handler));
/* Writes the frame, and has the call open. Where there is no room the oldest call is forgotten, and
   its handler kept for ever, since it may be in use. */
void wr_nesting_open(struct wr_nesting *n, struct wr_nesting_frame *frame, const char *text,
                     void *handler);
/* The handler has returned: what the call held, or NULL where the call is not known (it was
   forgotten, or began on another thread). */
void *wr_nesting_close(struct wr_nesting *n, struct wr_nesting_frame *frame);
/* The thread ends, and its stack with it; calls on other stacks may go on, and keep their
   handlers. */
void wr_nesting_end(struct wr_nesting *n, void (*end)(void *handler));

#endif
