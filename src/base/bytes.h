#ifndef WR_BASE_BYTES_H
#define WR_BASE_BYTES_H

/* Bytes that grow, text or not. `{0}` is a valid empty one; once memory was refused, what is added
   is lost. Owner thread only; no locks. */

#include <stdbool.h>
#include <stddef.h>

struct wr_bytes {
  char *data; /* of wr_alloc */
  size_t n;
  size_t capacity;
  bool refused;
};

void wr_bytes_add(struct wr_bytes *b, const void *data, size_t n);
/* A text, without its end. */
void wr_bytes_add_text(struct wr_bytes *b, const char *text);
/* At most 255 characters of formatted text; in the program's locale, so no fractions. */
__attribute__((format(printf, 2, 3))) void wr_bytes_format(struct wr_bytes *b, const char *format,
                                                           ...);

#endif
