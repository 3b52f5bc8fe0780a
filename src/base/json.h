#ifndef WR_BASE_JSON_H
#define WR_BASE_JSON_H

/* Reads JSON (RFC 8259) from memory, value by value, without a tree: strict, in one pass, in
   bounded stack. The text may be anybody's. Once something is wrong all functions fail, and `fault`
   says what, and `at` where. Text has to be UTF-8. Owner thread only. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WR_JSON_DEPTH = 128 }; /* of values that are skipped */

struct wr_json {
  const char *text;
  size_t n;
  size_t at;
  const char *fault; /* a literal; NULL: nothing is wrong */
};

/* The first character of the next value: one of { [ " - t f n and digits; 0 at the end. */
char wr_json_peek(struct wr_json *j);
/* Enters an object or an array, by '{' or '['. */
bool wr_json_enter(struct wr_json *j, char opening);
/* Whether a member comes; else leaves it, or fails. `first`: no member was read yet. */
bool wr_json_next(struct wr_json *j, char closing, bool first);
/* A text, in memory of wr_alloc; one with a zero inside is refused. NULL: failed, and without a
   fault memory was refused. */
char *wr_json_text(struct wr_json *j);
/* The name of an object's member, and the colon behind it. */
char *wr_json_name(struct wr_json *j);
/* A whole number without sign, fraction and exponent. */
bool wr_json_u64(struct wr_json *j, uint64_t *value);
/* true, false or null, by its word. */
bool wr_json_word(struct wr_json *j, const char *word);
/* Any value. */
bool wr_json_skip(struct wr_json *j);
/* Nothing but blanks is left. */
bool wr_json_end(struct wr_json *j);

/* Whether a text is UTF-8, which it has to be as JSON. */
bool wr_json_is_utf8(const char *text);

#endif
