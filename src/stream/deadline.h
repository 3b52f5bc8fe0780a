#ifndef WR_STREAM_DEADLINE_H
#define WR_STREAM_DEADLINE_H

/* Deadlines of requests (R3), for request.c and the ends of the library. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/heap.h"
#include "core/error.h"

/* What a request has among those that have a deadline. */
struct wr_deadline {
  struct wr_heaped due;          /* under LOCK; its key by wr_clock_ns */
  bool listed;                   /* under LOCK */
  struct wr_deadline *next_left; /* under LOCK: among those that were left to the thread */
};

/* Sees to it that the thread is there that ends requests whose deadline passes. */
struct wr_error *wr_deadline_thread(void);
/* Around put and remove, and what has to change with them. Lock: REGISTRY, one for all. */
void wr_deadline_lock(void);
void wr_deadline_unlock(void);
void wr_deadline_put_locked(struct wr_deadline *d, uint64_t at);
void wr_deadline_remove_locked(struct wr_deadline *d);

/* Leaves the taking back of what a request had in its work to the thread, which takes the caller's
   reference. False, and nothing was done, when there is no thread. */
bool wr_deadline_leave(struct wr_deadline *d);

size_t wr_deadline_threads(void);
/* Ends the thread; false when that takes longer. */
bool wr_deadline_stop(uint64_t until_ns);
void wr_deadline_init(void);

/* request.c: the request, with a reference; NULL when its last one is gone. Under LOCK. */
struct wr_request;
struct wr_request *wr_request_of_deadline(struct wr_deadline *d);
/* The request of one that was left to the thread; borrowed. */
struct wr_request *wr_request_left(struct wr_deadline *d);

#endif
