/* Bytes that grow: by doubling, so that what is added costs no more than a copy. No locks. */

#include "base/bytes.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"

void wr_bytes_add(struct wr_bytes *b, const void *data, size_t n) {
  size_t total;
  if (b->refused || n == 0) return;
  if (!wr_add_size(b->n, n, &total)) total = SIZE_MAX;
  if (total > b->capacity) {
    size_t capacity = total > SIZE_MAX / 2 ? total : 2 * total;
    char *more = wr_realloc(b->data, capacity);
    b->refused = !more;
    if (!more) return;
    b->data = more;
    b->capacity = capacity;
  }
  memcpy(b->data + b->n, data, n);
  b->n = total;
}

void wr_bytes_add_text(struct wr_bytes *b, const char *text) {
  wr_bytes_add(b, text, strlen(text));
}

void wr_bytes_format(struct wr_bytes *b, const char *format, ...) {
  char piece[256];
  va_list args;
  va_start(args, format);
  vsnprintf(piece, sizeof piece, format, args);
  va_end(args);
  wr_bytes_add_text(b, piece);
}
