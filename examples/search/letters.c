/* Text to letters, for paragraphs and questions alike. ASCII is folded by hand: the result must not
   depend on the locale. */
#include "letters.h"

static char fold(char c) { return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c; }

static bool is_letter(char c) {
  const unsigned char byte = (unsigned char)c;
  return (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte >= 0x80;
}

size_t letters_from(char *out, const char *text, size_t size) {
  size_t length = 0;
  out[length++] = ' ';
  for (size_t i = 0; i < size; i++) {
    const char c = fold(text[i]);
    if (is_letter(c)) {
      out[length++] = c;
    } else if (out[length - 1] != ' ') {
      out[length++] = ' ';
    }
  }
  if (length == 1) return 0;
  if (out[length - 1] != ' ') out[length++] = ' ';
  return length;
}

bool letters_in(const char *text, size_t size) {
  for (size_t i = 0; i < size; i++) {
    if (is_letter(fold(text[i]))) return true;
  }
  return false;
}
