/* The last error of each thread, and how a public function fails. The last error is a counted
   reference, so that keeping it never fails; a thread's end drops it. Thread-local storage holds
   pointers alone: the C library keeps little room for that of libraries which a running program
   opens (ctypes, plug-ins). No locks. */

#include "api/error.h"

#include <pthread.h>
#include <stdarg.h>

#include "api/api.h"
#include "base/base.h"
#include "base/handlers.h"
#include "base/text.h"
#include "mlx/c/error.h"

enum { LINE_BYTES = 2048 }; /* of what is formatted; longer is cut */

static _Thread_local struct wr_error *last; /* owner thread only; a reference or NULL */

/* ---- the end of a thread ----

   A key with a destructor tells of it. Where the program's keys are used up there is another way,
   which takes memory for each thread (base/handlers.h). */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static bool key_made; /* immutable after once */

static void thread_ends(void *error) {
  last = NULL;
  wr_error_release(error);
  wr_error_calls_end();
}

static void start(void) { key_made = pthread_key_create(&key, thread_ends) == 0; }

/* At load: later another library may have taken the last key. */
__attribute__((constructor)) static void start_at_load(void) { pthread_once(&once, start); }

static void thread_leaves(void *unused) {
  (void)unused;
  thread_ends(last);
}

/* Without a key: a thread whose last error needs dropping has been registered. */
static bool is_registered(void) { return last && last != wr_error_out_of_memory(); }

bool wr_thread_end_is_seen(void) { return key_made || is_registered(); }

/* False: nothing will drop the reference at the thread's end. */
static bool watch_end(struct wr_error *error) {
  if (key_made) return pthread_setspecific(key, error) == 0;
  return is_registered() || wr_handlers_as_thread_leaves(thread_leaves, NULL);
}

/* ---- the last error ---- */

const char *weir_last_error(void) { return last ? wr_error_message(last) : ""; }
weir_status weir_last_status(void) { return last ? wr_error_status(last) : WEIR_OK; }

struct wr_error *wr_api_last_error(void) {
  return last ? wr_error_retain(last) : NULL;
}

/* Where nothing would drop the reference at the thread's end, the one error that needs no dropping
   stands in. */
void wr_last_error_set(struct wr_error *error) {
  struct wr_error *old = last;
  pthread_once(&once, start); /* a call may come before this library's constructors */
  last = watch_end(error) ? wr_error_retain(error) : wr_error_out_of_memory();
  wr_error_release(old);
}

/* ---- failing ---- */

/* Takes the reference, and is the last that a function does: the handler may not come back. */
static int fail(struct wr_error *error) {
  wr_last_error_set(error);
  wr_error_tell(error);
  return 1;
}

/* A message that begins with a bracket already keeps it: some come from a part that many operations
   share. One of a closure's begins with that word, by which programs for mlx-c know it. */
int wr_api_fail(const char *function, struct wr_error *error) {
  char prefix[WR_ERROR_PREFIX];
  if (wr_error_message(error)[0] == '[' || wr_error_of_closure(error)) return fail(error);
  wr_error_prefix(function, prefix);
  return fail(wr_error_prefix_take(error, prefix));
}

/* Not inlined, so that the text is off the stack before a handler is called. */
__attribute__((noinline)) static struct wr_error *format_error(const char *file, int line,
                                                               const char *fmt, va_list args) {
  char message[LINE_BYTES];
  (void)wr_text_format(message, sizeof message, fmt, args);
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "%s at %s:%d", message, file, line);
}

void _mlx_error(const char *file, const int line, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  struct wr_error *error = format_error(file, line, fmt, args);
  va_end(args);
  fail(error);
}
