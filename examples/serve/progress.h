/* A progress bar on stderr, if that is a terminal; else nothing. */
#ifndef WR_EXAMPLES_SERVE_PROGRESS_H
#define WR_EXAMPLES_SERVE_PROGRESS_H

#include <stdbool.h>

/* One thread only. */
struct progress {
  const char *what;
  int total;
  bool on;     /* stderr is a terminal */
  double next; /* when to draw again, by gauge_seconds */
};

struct progress progress_begin(const char *what, int total);
void progress_show(struct progress *progress, int done);

/* Removes the bar. */
void progress_end(struct progress *progress);

#endif
