#ifndef WR_TESTS_SUPPORT_BRACKET_H
#define WR_TESTS_SUPPORT_BRACKET_H

/* E4: messages begin with MLX's name of the operation in brackets: the function's, without what C
   needs to tell forms and families apart. Those that are others in C follow; those of items
   begin with no bracket, and those of closures that gave up with their kind. Header-only. */

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

static const char *const bracket_renamed[][2] = {
    {"mlx_array_eval", "[eval] "}, {"mlx_identity", "[eye] "},
    {"mlx_ones", "[full] "},       {"mlx_random_truncated_normal", "[trunc_normal] "},
    {"mlx_zeros", "[full] "},
};

static inline const char *after_beginning(const char *text, const char *beginning) {
  size_t n = strlen(beginning);
  return strncmp(text, beginning, n) ? NULL : text + n;
}

/* Whether it begins with some operation's bracket, or as a closure's does that gave up. */
static inline bool begins_rightly(const char *message) {
  return message[0] == '[' || after_beginning(message, "mlx_closure");
}

/* The message behind its bracket; NULL when that is not the function's. */
static inline const char *after_bracket(const char *function, const char *message) {
  for (size_t i = 0; i < sizeof bracket_renamed / sizeof bracket_renamed[0]; i++) {
    const char *const *row = bracket_renamed[i];
    if (!strcmp(function, row[0])) return after_beginning(message, row[1]);
  }
  if (after_beginning(function, "mlx_array_item_")) return message[0] == '[' ? NULL : message;
  const char *name = after_beginning(function, "mlx_random_");
  if (!name) name = after_beginning(function, "mlx_fast_");
  if (!name) name = after_beginning(function, "mlx_fft_");
  if (!name) name = after_beginning(function, "mlx_linalg_");
  const char *inside = after_beginning(message, "[linalg::");
  if (inside) message = inside - 1;
  if (!name) name = after_beginning(function, "mlx_");
  if (!name) name = function;
  const char *end = strstr(message, "] ");
  if (!end || (message[0] != '[' && !inside)) return NULL;
  size_t n = (size_t)(end - message) - 1;
  bool whole_words = !strncmp(name, message + 1, n) && (name[n] == '\0' || name[n] == '_');
  return n > 0 && whole_words ? end + 2 : NULL;
}

#endif
