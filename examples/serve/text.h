/* Text that grows, and what JSON makes of it. */
#ifndef WR_EXAMPLES_SERVE_TEXT_H
#define WR_EXAMPLES_SERVE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Zero is an empty text. One thread at a time. When memory is refused the text is `failed`, and
   what is added to it is left out, so that a writer asks once, at the end. */
struct text {
  char *bytes; /* not terminated */
  size_t size, room;
  bool failed;
};

void text_add(struct text *text, const char *bytes, size_t size);
void text_puts(struct text *text, const char *string);
void text_print(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A string of JSON, with its quotes; bytes that are no UTF-8 become U+FFFD. */
void text_add_json(struct text *text, const char *bytes, size_t size);

/* `size` bytes in base64 (RFC 4648). */
void text_add_base64(struct text *text, const void *bytes, size_t size);

void text_free(struct text *text);

#endif
