/* The form in which text is compared: lower-case letters and digits, with single spaces between
   words and one at either end, so that a word's beginning and end make trigrams of their own. */
#ifndef WR_EXAMPLES_SEARCH_LETTERS_H
#define WR_EXAMPLES_SEARCH_LETTERS_H

#include <stdbool.h>
#include <stddef.h>

/* Writes the letters of `text` to `out`, which has room for size + 2 bytes. Returns how many bytes
   were written: 0 when the text has neither a letter nor a digit, else at least 3. Bytes above 127
   count as letters, which is right for UTF-8. Never fails. */
size_t letters_from(char *out, const char *text, size_t size);

/* Whether `text` has a letter or digit. */
bool letters_in(const char *text, size_t size);

#endif
