/* The last line of each thread is kept with it; a line is one write, so that those of several
   threads do not mix. */
#include "complain.h"

#include <stdarg.h>
#include <stdio.h>

static _Thread_local char last[512];

void complain(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(last, sizeof(last), format, arguments);
  va_end(arguments);
  fprintf(stderr, "serve: %s\n", last);
}

const char *complaint(void) { return last; }
