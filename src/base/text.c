/* Texts apart from the program's locale; see text.h. The locale "C" is part of the C library: to
   ask for it reads no file and fails only where there are no locales at all. */

#include "base/text.h"

#include <stdio.h>
#include <string.h>

#include "base/base.h"

static locale_t plain(void) { return newlocale(LC_ALL_MASK, "C", (locale_t)0); }

struct wr_text_state wr_text_begin(void) {
  return (struct wr_text_state){.locale = uselocale(plain()), .floats = wr_floats_enter()};
}

void wr_text_end(struct wr_text_state before) {
  wr_floats_leave(before.floats);
  (void)uselocale(before.locale);
}

int wr_text_format(char *buf, size_t n, const char *format, va_list args) {
  struct wr_text_state before = wr_text_begin();
  int length = vsnprintf(buf, n, format, args);
  wr_text_end(before);
  return length;
}

char *wr_text_copy(const char *text) {
  const size_t bytes = strlen(text) + 1;
  char *copy = wr_alloc(bytes);
  return copy ? memcpy(copy, text, bytes) : NULL;
}

const char *wr_text_of_errno(int number) {
  locale_t c = plain();
  return c ? strerror_l(number, c) : strerror(number);
}
