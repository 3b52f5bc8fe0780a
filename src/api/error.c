/* Reporting: the last error of each thread and the handler of the process. The last error is a
   counted reference, so that keeping it never fails; a thread's end drops it. Thread-local storage
   holds pointers alone: the C library keeps little room for that of libraries which a running
   program opens (ctypes, plug-ins). The handler is a counted object: whoever reports takes a
   reference, so its data lives until its last use, also while another thread replaces it. A handler
   need not return: bindings leave it by longjmp or by a C++ exception. So nothing of a report is on
   its stack or behind its call. Lock: EVENT, for the pointer alone; handlers and destructors run
   without it (K10). */

#include "mlx/c/error.h"

#include <execinfo.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "api/api.h"
#include "base/atomic.h"
#include "base/base.h"
#include "base/fork.h"
#include "base/lock.h"
#include "base/text.h"

enum {
  LINE_BYTES = 2048,  /* of what is printed or formatted; longer is cut */
  HANDLER_DEPTH = 256 /* of calls between a handler and what fails in it; deeper is told to it */
};

static _Thread_local struct wr_error *last; /* owner thread only; a reference or NULL */

/* The report that the thread's handler is in, or has left without returning. */
struct told {
  struct handler *handler; /* owner thread only; a reference, NULL: there is no such report */
  struct wr_error *error;  /* owner thread only; a reference */
  const void *returns_to;  /* owner thread only; the code behind the call of tell() */
};

static _Thread_local struct told *told; /* owner thread only; made by the first report */

static struct wr_mutex lock = WR_MUTEX_INIT(WR_RANK_EVENT);

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static bool key_made; /* immutable after once */

static void told_drop(void);

static void thread_ends(void *error) {
  last = NULL;
  wr_error_release(error);
  told_drop();
  wr_free(told);
  told = NULL;
}

static struct wr_fork_row fork_row = {.rank = WR_RANK_EVENT, .lock = &lock};
__attribute__((constructor)) static void watch_forks(void) { wr_fork_register(&fork_row); }

static void start(void) { key_made = pthread_key_create(&key, thread_ends) == 0; }

const char *weir_last_error(void) { return last ? wr_error_message(last) : ""; }
weir_status weir_last_status(void) { return last ? wr_error_status(last) : WEIR_OK; }

/* Without a key nothing would drop the reference at the thread's end; then the one error that needs
   no dropping stands in. */
static void remember(struct wr_error *error) {
  struct wr_error *old = last;
  pthread_once(&once, start);
  bool kept = key_made && pthread_setspecific(key, error) == 0;
  last = kept ? wr_error_retain(error) : wr_error_out_of_memory();
  wr_error_release(old);
}

/* ---- the handler ---- */

struct handler {
  wr_atomic_u32 refs;        /* atomic ACQ_REL */
  mlx_error_handler_func fn; /* immutable after publish */
  void *data;                /* immutable after publish */
  void (*dtor)(void *);      /* immutable after publish; may be NULL */
};

static struct handler *current; /* under LOCK; NULL: the default, a line on stderr */

static struct handler *handler_get(void) {
  wr_mutex_lock(&lock);
  struct handler *h = current;
  if (h) wr_ref_take(&h->refs);
  wr_mutex_unlock(&lock);
  return h;
}

static void handler_end(void *handler) {
  struct handler *h = handler;
  if (h->dtor) h->dtor(h->data);
  wr_free(h);
}

/* After a report the data's destructor does not run here: this thread may hold a lock of the
   user's. Without a reclaimer nobody else is there to run it. */
static void handler_drop(struct handler *h) {
  if (!wr_ref_drop(&h->refs)) return;
  if (!h->dtor || !wr_reclaimer_call(handler_end, h)) handler_end(h);
}

static void told_drop(void) {
  struct handler *h = told ? told->handler : NULL;
  if (!h) return;
  told->handler = NULL;
  wr_error_release(told->error);
  handler_drop(h);
}

/* Whether the thread is inside its handler: whether the call of it is still on the stack. A flag
   would stay set for ever when the handler was left by a jump, which nothing here can notice. */
static bool inside_handler(void) {
  if (!told || !told->handler) return false;
  void *calls[HANDLER_DEPTH];
  int n = backtrace(calls, HANDLER_DEPTH);
  for (int i = 0; i < n; i++) {
    if (calls[i] == told->returns_to) return true;
  }
  return false;
}

/* By itself, so that its return address says that a report is on the stack. */
__attribute__((noinline)) static void tell(void) {
  told->returns_to = __builtin_return_address(0);
  told->handler->fn(wr_error_message(told->error), told->handler->data);
}

static void tell_default(const struct wr_error *error) {
  char line[LINE_BYTES];
  snprintf(line, sizeof line, "weir: %s", wr_error_message(error));
  wr_log_line(line);
}

/* What is told to the handler needs a place off the stack; where memory for that is refused, it is
   told as without a handler. */
static bool told_begin(struct wr_error *error) {
  struct handler *h = handler_get();
  if (h && !told) told = wr_calloc(sizeof *told);
  if (!h || !told) {
    if (h) handler_drop(h);
    return false;
  }
  told->handler = h;
  told->error = error;
  return true;
}

/* Takes the reference. The call that failed is the last to fail, whatever failed in the handler. */
static void report(struct wr_error *error) {
  wr_mutex_assert_none_held();
  told_drop();
  if (!told_begin(error)) {
    tell_default(error);
    wr_error_release(error);
    return;
  }
  tell();
  if (last != told->error) remember(told->error);
  told_drop();
}

static struct handler *handler_swap(struct handler *h) {
  wr_mutex_lock(&lock);
  struct handler *old = current;
  current = h;
  wr_mutex_unlock(&lock);
  return old;
}

/* Without a handler the data has nobody to be given to, and ends at once. */
static struct handler *handler_make(mlx_error_handler_func fn, void *data, void (*dtor)(void *)) {
  struct handler *h = fn ? wr_alloc(sizeof *h) : NULL;
  if (!h) {
    if (dtor) dtor(data);
    return NULL;
  }
  wr_store_relaxed(&h->refs, 1u); /* relaxed: not yet shared */
  h->fn = fn;
  h->data = data;
  h->dtor = dtor;
  return h;
}

/* When memory is refused the old handler stays, and hears of it. */
void mlx_set_error_handler(mlx_error_handler_func handler, void *data, void (*dtor)(void *)) {
  struct handler *h = handler_make(handler, data, dtor);
  if (handler && !h) {
    wr_api_fail("mlx_set_error_handler", wr_error_out_of_memory());
    return;
  }
  pthread_once(&once, start);
  if (!inside_handler()) told_drop();
  struct handler *old = handler_swap(h);
  if (old && wr_ref_drop(&old->refs)) handler_end(old);
}

/* ---- failing ---- */

/* Takes the reference, and is the last that a function does: the handler may not come back. A
   failure inside the handler is remembered, but the handler does not hear of it: one that fails
   each time would never return. */
static int fail(struct wr_error *error) {
  remember(error);
  if (inside_handler()) {
    wr_error_release(error);
  } else {
    report(error);
  }
  return 1;
}

/* What MLX's operation is called, where it is not as the function. */
static const struct {
  const char *function;
  const char *name;
} operations[] = {{"mlx_array_eval", "eval"}, {"mlx_identity", "eye"},
                  {"mlx_ones", "full"},       {"mlx_scatter_add", "scatter"},
                  {"mlx_zeros", "full"},      {"mlx_scatter_add_single", "scatter"}};

/* What tells the forms of one operation apart in C. */
static const char *const forms[] = {"_axes", "_axis", "_sections", "_num"};

static bool ends_with(const char *name, size_t length, const char *end) {
  size_t n = strlen(end);
  return length > n && !strncmp(name + length - n, end, n);
}

/* The name in a function's, and how long it is. */
static const char *operation_in(const char *function, size_t *length) {
  static const char random[] = "mlx_random_", plain[] = "mlx_";
  const char *name = function;
  if (!strncmp(name, random, strlen(random))) {
    name += strlen(random);
  } else if (!strncmp(name, plain, strlen(plain))) {
    name += strlen(plain);
  }
  *length = strlen(name);
  if (ends_with(name, *length, "_along_axis")) return name;
  for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
    if (!ends_with(name, *length, forms[i])) continue;
    *length -= strlen(forms[i]);
    break;
  }
  return name;
}

/* Messages begin as MLX's do, which programs take apart: with the operation in brackets, and those
   of items with nothing. */
static void format_prefix(const char *function, char *prefix, size_t bytes) {
  size_t length;
  const char *name = operation_in(function, &length);
  for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++) {
    if (strcmp(function, operations[i].function) != 0) continue;
    name = operations[i].name;
    length = strlen(name);
  }
  prefix[0] = '\0';
  if (strncmp(function, "mlx_array_item_", 15) == 0) return;
  snprintf(prefix, bytes, "[%.*s] ", (int)length, name);
}

/* A message that has its bracket already keeps it: some come from a part that many operations
   share. */
int wr_api_fail(const char *function, struct wr_error *error) {
  char prefix[96];
  if (wr_error_message(error)[0] == '[') return fail(error);
  format_prefix(function, prefix, sizeof prefix);
  return fail(wr_error_prefix_take(error, prefix));
}

void _mlx_error(const char *file, const int line, const char *fmt, ...) {
  char message[LINE_BYTES];
  va_list args;
  va_start(args, fmt);
  (void)wr_text_format(message, sizeof message, fmt, args);
  va_end(args);
  fail(wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "%s at %s:%d", message, file, line));
}
