/* JSON from memory: see json.h. No locks. */

#include "base/json.h"

#include <string.h>

#include "base/base.h"

static bool fail(struct wr_json *j, const char *fault) {
  if (!j->fault) j->fault = fault;
  return false;
}

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* The next character, where there is one; 0 otherwise, which no value begins with. */
static char look(const struct wr_json *j) { return j->at < j->n ? j->text[j->at] : '\0'; }

char wr_json_peek(struct wr_json *j) {
  while (j->at < j->n && is_blank(j->text[j->at])) j->at++;
  return j->fault ? '\0' : look(j);
}

bool wr_json_enter(struct wr_json *j, char opening) {
  if (wr_json_peek(j) != opening) {
    return fail(j, opening == '{' ? "expected an object" : "expected an array");
  }
  j->at++;
  return true;
}

bool wr_json_next(struct wr_json *j, char closing, bool first) {
  char c = wr_json_peek(j);
  if (j->fault) return false;
  if (c == closing && c) {
    j->at++;
    return false;
  }
  if (first) return c ? true : fail(j, "unexpected end");
  if (c != ',') return fail(j, c ? "expected a comma or the end" : "unexpected end");
  j->at++;
  return true;
}

/* ---- text ---- */

/* How long the UTF-8 sequence there is; 0 where there is none. Neither longer than need be, nor of
   a surrogate, nor above U+10FFFF. */
static size_t sequence(const unsigned char *s, size_t n) {
  if (s[0] < 0x80) return 1;
  size_t length = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
  if (s[0] < 0xc2 || s[0] > 0xf4 || length > n) return 0;
  for (size_t i = 1; i < length; i++) {
    if ((s[i] & 0xc0) != 0x80) return 0;
  }
  if (s[0] == 0xe0 && s[1] < 0xa0) return 0;
  if (s[0] == 0xed && s[1] > 0x9f) return 0;
  if (s[0] == 0xf0 && s[1] < 0x90) return 0;
  if (s[0] == 0xf4 && s[1] > 0x8f) return 0;
  return length;
}

bool wr_json_is_utf8(const char *text) {
  const unsigned char *s = (const unsigned char *)text;
  size_t n = strlen(text), length = 1;
  for (size_t at = 0; at < n && length; at += length) length = sequence(s + at, n - at);
  return length != 0;
}

static bool hex4(struct wr_json *j, uint32_t *unit) {
  *unit = 0;
  for (int i = 0; i < 4; i++) {
    char c = look(j);
    uint32_t digit;
    if (is_digit(c)) {
      digit = (uint32_t)(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      digit = (uint32_t)(c - 'a') + 10;
    } else if (c >= 'A' && c <= 'F') {
      digit = (uint32_t)(c - 'A') + 10;
    } else {
      return fail(j, "expected four hexadecimal digits");
    }
    *unit = *unit << 4 | digit;
    j->at++;
  }
  return true;
}

/* The character behind a backslash and a u, perhaps of two escapes. */
static bool unicode(struct wr_json *j, uint32_t *point) {
  uint32_t low;
  if (!hex4(j, point)) return false;
  if (*point == 0) return fail(j, "a text has a zero inside");
  if (*point < 0xd800 || *point > 0xdfff) return true;
  bool pair =
      *point < 0xdc00 && j->n - j->at >= 2 && j->text[j->at] == '\\' && j->text[j->at + 1] == 'u';
  if (!pair) return fail(j, "half a surrogate pair");
  j->at += 2;
  if (!hex4(j, &low)) return false;
  if (low < 0xdc00 || low > 0xdfff) return fail(j, "half a surrogate pair");
  *point = 0x10000 + ((*point - 0xd800) << 10) + (low - 0xdc00);
  return true;
}

static size_t put_point(char *to, uint32_t point) {
  if (point < 0x80) {
    to[0] = (char)point;
    return 1;
  }
  size_t length = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
  static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
  for (size_t i = length - 1; i > 0; i--) {
    to[i] = (char)(0x80 | (point & 0x3f));
    point >>= 6;
  }
  to[0] = (char)(lead[length] | point);
  return length;
}

static bool escape(struct wr_json *j, char *to, size_t *length) {
  static const char names[] = "\"\\/bfnrt", means[] = "\"\\/\b\f\n\r\t";
  char c = look(j);
  j->at++;
  if (c == 'u') {
    uint32_t point;
    if (!unicode(j, &point)) return false;
    *length = put_point(to, point);
    return true;
  }
  const char *name = c ? strchr(names, c) : NULL;
  if (!name) {
    j->at--;
    return fail(j, "no such escape");
  }
  *to = means[name - names];
  *length = 1;
  return true;
}

/* One character of a text, decoded to `to`, which has room for four bytes. */
static bool character(struct wr_json *j, char *to, size_t *length) {
  const unsigned char *s = (const unsigned char *)j->text + j->at;
  if (j->at >= j->n) return fail(j, "a text without an end");
  if (*s == '\\') {
    j->at++;
    return escape(j, to, length);
  }
  if (*s < 0x20) return fail(j, "a control character in a text");
  *length = sequence(s, j->n - j->at);
  if (!*length) return fail(j, "a text is no UTF-8");
  memcpy(to, s, *length);
  j->at += *length;
  return true;
}

/* Decodes up to the closing quote; with `to` NULL the bytes are only counted. */
static bool decode(struct wr_json *j, char *to, size_t *bytes) {
  char one[4];
  size_t length;
  *bytes = 0;
  if (wr_json_peek(j) != '"') return fail(j, "expected a text");
  j->at++;
  while (look(j) != '"' || j->at >= j->n) {
    if (!character(j, one, &length)) return false;
    if (to) memcpy(to + *bytes, one, length);
    *bytes += length;
  }
  j->at++;
  return true;
}

char *wr_json_text(struct wr_json *j) {
  size_t bytes, begin = (wr_json_peek(j), j->at);
  if (!decode(j, NULL, &bytes)) return NULL;
  char *text = wr_alloc(bytes + 1);
  if (!text) return NULL;
  j->at = begin;
  (void)decode(j, text, &bytes);
  text[bytes] = '\0';
  return text;
}

static bool colon(struct wr_json *j) {
  if (wr_json_peek(j) != ':') return fail(j, "expected a colon");
  j->at++;
  return true;
}

char *wr_json_name(struct wr_json *j) {
  char *name = wr_json_text(j);
  if (!name || colon(j)) return name;
  wr_free(name);
  return NULL;
}

/* ---- numbers and words ---- */

static bool digits(struct wr_json *j) {
  if (!is_digit(look(j))) return fail(j, "expected a digit");
  while (is_digit(look(j))) j->at++;
  return true;
}

bool wr_json_u64(struct wr_json *j, uint64_t *value) {
  *value = 0;
  char c = wr_json_peek(j);
  if (!is_digit(c)) return fail(j, "expected a whole number");
  size_t begin = j->at;
  while (is_digit(c = look(j))) {
    if (__builtin_mul_overflow(*value, UINT64_C(10), value) ||
        __builtin_add_overflow(*value, (uint64_t)(c - '0'), value)) {
      return fail(j, "a number is too large");
    }
    j->at++;
  }
  if (j->at - begin > 1 && j->text[begin] == '0') return fail(j, "a number begins with 0");
  if (c == '.' || c == 'e' || c == 'E') return fail(j, "expected a whole number");
  return true;
}

static bool number(struct wr_json *j) {
  if (look(j) == '-') j->at++;
  size_t begin = j->at;
  if (!digits(j)) return false;
  if (j->at - begin > 1 && j->text[begin] == '0') return fail(j, "a number begins with 0");
  if (look(j) == '.') {
    j->at++;
    if (!digits(j)) return false;
  }
  if (look(j) != 'e' && look(j) != 'E') return true;
  j->at++;
  if (look(j) == '+' || look(j) == '-') j->at++;
  return digits(j);
}

bool wr_json_word(struct wr_json *j, const char *word) {
  size_t n = strlen(word);
  (void)wr_json_peek(j);
  if (j->fault || j->n - j->at < n || memcmp(j->text + j->at, word, n) != 0) {
    return fail(j, "expected a value");
  }
  j->at += n;
  return true;
}

/* ---- any value ---- */

static bool scalar(struct wr_json *j) {
  size_t bytes;
  switch (wr_json_peek(j)) {
    case '"':
      return decode(j, NULL, &bytes);
    case 't':
      return wr_json_word(j, "true");
    case 'f':
      return wr_json_word(j, "false");
    case 'n':
      return wr_json_word(j, "null");
    default:
      return j->fault ? false : number(j);
  }
}

static bool name(struct wr_json *j) {
  size_t bytes;
  return decode(j, NULL, &bytes) && colon(j);
}

/* `open` holds the closings of what is entered and not left. */
bool wr_json_skip(struct wr_json *j) {
  char open[WR_JSON_DEPTH];
  size_t depth = 0;
  bool first = false;
  do {
    /* A value stands here, or the end of what was just entered or of its last member. */
    if (depth > 0) {
      if (!wr_json_next(j, open[depth - 1], first)) {
        if (j->fault) return false;
        depth--;
        first = false;
        continue;
      }
      if (open[depth - 1] == '}' && !name(j)) return false;
    }
    char c = wr_json_peek(j);
    first = c == '{' || c == '[';
    if (first) {
      if (depth == WR_JSON_DEPTH) return fail(j, "values are nested too deep");
      open[depth++] = c == '{' ? '}' : ']';
      j->at++;
    } else if (!scalar(j)) {
      return false;
    }
  } while (depth > 0);
  return true;
}

bool wr_json_end(struct wr_json *j) {
  (void)wr_json_peek(j);
  if (j->fault) return false;
  return j->at == j->n ? true : fail(j, "something stands behind the end");
}
