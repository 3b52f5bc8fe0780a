#ifndef WR_TESTS_SUPPORT_FAILS_H
#define WR_TESTS_SUPPORT_FAILS_H

/* Calls that must fail: rc 1, a message that begins with the operation in brackets and has a word
   in it, and a result that still is what it was. Header-only, for one file of a test. */

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "mlx/c/mlx.h"
#include "weir/error.h"

static int failures;
static mlx_array res; /* holds `kept` all the time */
static void *kept;

static void silent(const char *message, void *data) {
  (void)message;
  (void)data;
}

/* Before the first call; mlx_array_free(res) after the last. */
static void begin_failing(void) {
  mlx_set_error_handler(silent, NULL, NULL);
  res = mlx_array_new_float(0.0f);
  kept = res.ctx;
}

static void fails(int rc, int line, const char *function, const char *word) {
  const char *message = weir_last_error();
  bool named = message[0] == '[' && strstr(message, "] ") && strstr(message, word);
  if (rc == 1 && named && res.ctx == kept) return;
  failures++;
  fprintf(stderr, "%d: %s: rc %d, message \"%s\", expected \"%s\"\n", line, function, rc, message,
          word);
}

/* FAILS(mlx_abs, "a", &res, ...): the function must fail and name the word. */
#define FAILS(function, word, ...) fails(function(__VA_ARGS__), __LINE__, #function, word)
#define INTS(...) ((const int[]){__VA_ARGS__})
#define STRIDES(...) ((const int64_t[]){__VA_ARGS__})

#endif
