#ifndef WR_BASE_ONCE_H
#define WR_BASE_ONCE_H

/* What is done once, and may be refused for the moment (descriptors, threads, memory): unlike
   pthread_once, a refusal is not kept, and the next call tries again (T2). What will not change is
   for `attempt` to keep. In the child of a fork an attempt that was under way in the parent is made
   anew. Any thread; an attempt runs on one at a time, with cancellation off, and the others wait.
   `{0}` is one that was not done yet. */

#include <stdbool.h>

#include "base/atomic.h"

struct wr_once {
  wr_atomic_u32
      state; /* atomic ACQ_REL: 0, done, or the number of forks before it tried, and one */
};

/* True once `attempt` has returned true; false when it returned false in this call. */
bool wr_once_try(struct wr_once *once, bool (*attempt)(void *arg), void *arg);

/* True when the system has no descriptor left: what was not found now may be there later. */
bool wr_lacks_descriptors(void);

/* Why a library could not be opened. */
struct wr_refusal {
  bool for_now;   /* of the moment: no descriptor, or no memory left */
  char text[400]; /* in the locale "C" */
};

/* Whether these words of the loader's, in the locale "C", are of a refusal of the moment. */
bool wr_refusal_is_of_the_moment(const char *text);

/* dlopen; NULL where it fails, and then *why is filled. */
void *wr_library_open(const char *name, int flags, struct wr_refusal *why);

/* A copy of the library for the caller alone, with copies of all that it needs, in a namespace of
   the loader's: what the program, or another library, does with its own copy and what is done with
   this one do not meet. Pages that are only read are shared by all copies. Where the loader has no
   namespace left or knows none (musl), or the C library is older than 2.34, it is the program's own
   copy, or becomes it. With another C library than glibc its destructors do not run.
   Handlers for the end of the process that the copy registers run with the loader's destructors,
   and its handlers around a fork not at all. NULL and *why as above. */
void *wr_library_open_apart(const char *name, struct wr_refusal *why);

#endif
