#ifndef WR_BASE_TEXT_H
#define WR_BASE_TEXT_H

/* Texts that are the same whatever the program's locale and the thread's rounding are (T3): between
   begin and end the calling thread has the locale "C" and the environment of floats.h. They nest.
   No user code may run in between. Any thread; no locks. */

#include <locale.h>
#include <stdarg.h>
#include <stddef.h>

#include "base/floats.h"

struct wr_text_state {
  locale_t locale;
  struct wr_floats floats;
};

struct wr_text_state wr_text_begin(void);
void wr_text_end(struct wr_text_state before);

/* vsnprintf in between. */
int wr_text_format(char *buf, size_t n, const char *format, va_list args);
/* Another text of the same characters, of wr_alloc; NULL when memory is refused. */
char *wr_text_copy(const char *text);
/* What the system says of an errno. */
const char *wr_text_of_errno(int number);

#endif
