#ifndef WR_BACKEND_CPU_LOOP_PAST_H
#define WR_BACKEND_CPU_LOOP_PAST_H

/* Results of what goes through far more memory than a core's own caches hold go past these: an
   ordinary store reads its line first and drives out what was to be read next. What computes a
   result puts a piece of it into a scratch in the first-level cache, and the piece goes from there
   to memory by whole lines that nobody reads. So a row function needs no version of its own. Where
   the next to read the result would have found it in a cache that all cores share, it reads memory
   instead: that was still the faster way together, as measured (bench/RESULTS.md). No locks, no
   allocation. */

#include "backend/backend.h"

enum {
  WR_PAST_LEAST = 8 << 20,  /* bytes that are read and written: four caches of 2 MB */
  WR_PAST_RESULT = 1 << 20, /* bytes of these that are the result */
  WR_PAST_READ = 1 << 20,   /* bytes of these that are read: a core's own caches have fewer */
  WR_PAST_PIECE = 1024,     /* bytes: so few that computing hides what storing waits for */
  WR_PAST_LINE = 64
};

/* Whether this result goes past the caches: not where it takes an input's place, whose lines are
   read anyway, nor where next to nothing is read and the result alone has room in the cache that
   cores share, and where the processor has such stores. */
bool wr_past_wanted(const struct wr_tensor *out, const struct wr_tensor *in, int n_in);

/* Elements of `width` bytes from `out` to where a line begins; -1 where none begins with one. */
int64_t wr_past_head(const void *out, int64_t width);

/* To where a line begins. */
void wr_past_store(void *out, const void *in, int64_t bytes);

/* To anywhere. What is copied as it is needs no piece: by way of one, rows that begin anywhere took
   twice as long. */
void wr_past_copy(void *out, const void *in, int64_t bytes);

/* After a thread's last one, before others may look. */
void wr_past_end(void);

#endif
