/* What the process holds at a moment, and clocks. */
#ifndef WR_EXAMPLES_SERVE_GAUGE_H
#define WR_EXAMPLES_SERVE_GAUGE_H

#include <stddef.h>

struct gauge {
  size_t live_streams; /* as Weir counts them */
  size_t os_threads;   /* the entries of /proc/self/task */
  size_t resident;     /* bytes, from /proc/self/statm */
};

/* Reads all three; what the system does not tell is 0. Any thread. */
struct gauge gauge_read(void);

/* The larger of each. */
struct gauge gauge_most(struct gauge a, struct gauge b);

/* Seconds since some fixed moment. */
double gauge_seconds(void);

#endif
