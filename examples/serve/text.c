/* Appending, by doubling; escapes as RFC 8259 has them. */
#include "text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "grow.h"

/* Room for `size` more bytes, or NULL. */
static char *reserve(struct text *text, size_t size) {
  char *const bytes =
      text->failed ? NULL : grow(text->bytes, &text->room, text->size + size + 1, 1);
  if (bytes == NULL) {
    text->failed = true;
    return NULL;
  }
  text->bytes = bytes;
  return bytes + text->size;
}

void text_add(struct text *text, const char *bytes, size_t size) {
  char *const end = reserve(text, size);
  if (end == NULL || size == 0) return;
  memcpy(end, bytes, size);
  text->size += size;
}

void text_puts(struct text *text, const char *string) { text_add(text, string, strlen(string)); }

void text_print(struct text *text, const char *format, ...) {
  char line[1024];
  va_list arguments;
  va_start(arguments, format);
  const int size = vsnprintf(line, sizeof(line), format, arguments);
  va_end(arguments);
  if (size < 0 || (size_t)size >= sizeof(line)) {
    text->failed = true;
  } else {
    text_add(text, line, (size_t)size);
  }
}

static void add_ascii(struct text *text, char c) {
  static const char short_names[] = "\"\\\b\f\n\r\t";
  static const char short_letters[] = "\"\\bfnrt";
  const char *const found = c != '\0' ? strchr(short_names, c) : NULL;
  if (found != NULL) {
    const char escape[] = {'\\', short_letters[found - short_names]};
    text_add(text, escape, sizeof(escape));
  } else if ((unsigned char)c < ' ') {
    text_print(text, "\\u%04x", (unsigned)c);
  } else {
    text_add(text, &c, 1);
  }
}

void text_add_json(struct text *text, const char *bytes, size_t size) {
  text_puts(text, "\"");
  for (size_t at = 0; at < size;) {
    utf8proc_int32_t code = -1;
    const utf8proc_ssize_t letter = utf8proc_iterate((const utf8proc_uint8_t *)bytes + at,
                                                     (utf8proc_ssize_t)(size - at), &code);
    if (letter <= 0) {
      text_puts(text, "\xef\xbf\xbd");
      at++;
    } else if (letter == 1) {
      add_ascii(text, bytes[at++]);
    } else {
      text_add(text, bytes + at, (size_t)letter);
      at += (size_t)letter;
    }
  }
  text_puts(text, "\"");
}

void text_add_base64(struct text *text, const void *bytes, size_t size) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const unsigned char *const in = bytes;
  char *out = reserve(text, (size + 2) / 3 * 4);
  if (out == NULL) return;
  for (size_t at = 0; at < size; at += 3) {
    const size_t left = size - at;
    const unsigned three = (unsigned)in[at] << 16 | (left > 1 ? (unsigned)in[at + 1] << 8 : 0) |
                           (left > 2 ? (unsigned)in[at + 2] : 0);
    *out++ = digits[three >> 18];
    *out++ = digits[three >> 12 & 63];
    *out++ = left > 1 ? digits[three >> 6 & 63] : '=';
    *out++ = left > 2 ? digits[three & 63] : '=';
  }
  text->size += (size + 2) / 3 * 4;
}

void text_free(struct text *text) {
  free(text->bytes);
  *text = (struct text){0};
}
