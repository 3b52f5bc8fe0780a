/* Drawn at most ten times a second, so that a slow terminal does not slow what is measured. */
#include "progress.h"

#include <stdio.h>
#include <unistd.h>

#include "gauge.h"

enum { WIDTH = 40 };

struct progress progress_begin(const char *what, int total) {
  return (struct progress){.what = what, .total = total, .on = isatty(STDERR_FILENO) == 1};
}

void progress_show(struct progress *progress, int done) {
  static const char full[WIDTH + 1] = "########################################";
  static const char open[WIDTH + 1] = "........................................";
  if (!progress->on || gauge_seconds() < progress->next) return;
  progress->next = gauge_seconds() + 0.1;
  const int width = (int)((long)done * WIDTH / progress->total);
  fprintf(stderr, "\r%s [%.*s%.*s] %d/%d", progress->what, width, full, WIDTH - width, open, done,
          progress->total);
  fflush(stderr);
}

void progress_end(struct progress *progress) {
  if (progress->on) fprintf(stderr, "\r\033[K");
}
