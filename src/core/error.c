/* Errors as counted, immutable values. The static out-of-memory error stands in where none can be
   made; its count is never touched, so it is never freed. No locks. */

#include "core/error.h"

#include <stdarg.h>
#include <string.h>

#include "base/atomic.h"
#include "base/base.h"
#include "base/text.h"

struct wr_error {
  wr_atomic_u32 refs;      /* atomic ACQ_REL */
  enum weir_status status; /* immutable after publish */
  const char *message;     /* immutable after publish; in the same block, or a literal */
};

static struct wr_error out_of_memory = {
    .refs = 1, .status = WEIR_ERROR_OUT_OF_MEMORY, .message = "out of memory"};

struct wr_error *wr_error_out_of_memory(void) {
  return &out_of_memory;
}

/* An error with room for a message of `length`, which the caller writes to *text. */
static struct wr_error *error_make(enum weir_status status, size_t length, char **text) {
  struct wr_error *e = wr_alloc(sizeof *e + length + 1);
  if (!e) return NULL;
  *text = (char *)(e + 1);
  wr_store_relaxed(&e->refs, 1u);
  e->status = status;
  e->message = *text;
  return e;
}

struct wr_error *wr_error_new(enum weir_status status, const char *format, ...) {
  va_list args;
  va_start(args, format);
  int length = wr_text_format(NULL, 0, format, args);
  va_end(args);
  char *text;
  struct wr_error *e = length < 0 ? NULL : error_make(status, (size_t)length, &text);
  if (!e) return &out_of_memory;
  va_start(args, format);
  (void)wr_text_format(text, (size_t)length + 1, format, args);
  va_end(args);
  return e;
}

struct wr_error *wr_error_prefix_take(struct wr_error *error, const char *prefix) {
  size_t prefix_length = strlen(prefix);
  size_t length = strlen(error->message);
  char *text;
  struct wr_error *e = error_make(error->status, prefix_length + length, &text);
  if (!e) return error;
  memcpy(text, prefix, prefix_length);
  memcpy(text + prefix_length, error->message, length + 1);
  wr_error_release(error);
  return e;
}

struct wr_error *wr_error_retain(struct wr_error *error) {
  if (error != &out_of_memory) wr_ref_take(&error->refs);
  return error;
}

void wr_error_release(struct wr_error *error) {
  if (!error || error == &out_of_memory) return;
  if (wr_ref_drop(&error->refs)) wr_free(error);
}

void wr_error_keep_first(wr_atomic_ptr *first, struct wr_error *error) {
  void *none = NULL;
  if (error && !wr_cas_acq_rel(first, &none, (void *)error)) wr_error_release(error);
}

enum weir_status wr_error_status(const struct wr_error *error) { return error->status; }
const char *wr_error_message(const struct wr_error *error) { return error->message; }
