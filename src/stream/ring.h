#ifndef WR_STREAM_RING_H
#define WR_STREAM_RING_H

/* Rings: a queue of completions with one descriptor (R7). What is delivered are entries that their
   makers embed (graph/ring_eval.c), so that delivering allocates nothing and cannot fail. Counted:
   an entry that is in flight holds a reference. Every function may be called from any thread. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

struct wr_ring;

struct wr_ring_entry {
  struct wr_ring_entry *next;                /* under the ring's LOCK, then of who has taken it */
  void *user;                                /* immutable after publish */
  enum weir_status status;                   /* written before it is delivered, both; */
  struct wr_error *error;                    /* WEIR_OK and NULL, or a reference */
  void (*drop)(struct wr_ring_entry *entry); /* immutable after publish; with no lock held; ends it,
                                                but not its error */
};

struct wr_error *wr_ring_new(struct wr_ring **out);
struct wr_ring *wr_ring_retain(struct wr_ring *ring);
void wr_ring_release(struct wr_ring *ring);
/* The handle's end: the descriptor is closed, and what was delivered, or will be, is dropped. Takes
   a reference. NULL is a no-op. */
void wr_ring_close_take(struct wr_ring *ring);
/* Takes the entry, which is the ring's until somebody takes it from there. No lock is held. */
void wr_ring_deliver(struct wr_ring *ring, struct wr_ring_entry *entry);
/* A list of up to n entries in the order in which they came; the caller releases their errors, and
   drops them. Waits until there is one, or until a deadline of wr_clock_ns: NULL. */
struct wr_ring_entry *wr_ring_take(struct wr_ring *ring, size_t n, uint64_t deadline_ns);
/* False when nobody comes to a stream that is ready while the program polls a descriptor, since the
   system refuses even one worker. */
bool wr_ring_has_worker(void);
/* Readable while there are entries to be taken; the ring's own, closed with it. */
struct wr_error *wr_ring_fd(struct wr_ring *ring, int *fd);

#endif
