/* Reporting: the last error of each thread and the handler of the process. The last error is a
   counted reference, so that keeping it never fails; a thread's end drops it. Thread-local storage
   holds pointers alone: the C library keeps little room for that of libraries which a running
   program opens (ctypes, plug-ins). The handler is a counted object: whoever reports takes a
   reference, so its data lives until its last use, also while another thread replaces it.

   A handler need not return: bindings leave it by longjmp or by a C++ exception. What fails inside
   one is told as well, down to a bounded depth: nesting.h knows which calls of handlers are open,
   and has their references, since nothing behind a call need ever run. Lock: EVENT, for the pointer
   to the handler alone; handlers and destructors run without it (K10). */

#include "mlx/c/error.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "api/api.h"
#include "api/nesting.h"
#include "base/atomic.h"
#include "base/base.h"
#include "base/fork.h"
#include "base/handlers.h"
#include "base/lock.h"
#include "base/text.h"

enum { LINE_BYTES = 2048 }; /* of what is printed or formatted; longer is cut */

static _Thread_local struct wr_error *last;      /* owner thread only; a reference or NULL */
static _Thread_local struct wr_nesting *nesting; /* owner thread only; made by the first report */

static struct wr_mutex lock = WR_MUTEX_INIT(WR_RANK_EVENT);

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static bool key_made; /* immutable after once; else the C library's other means is used */

static void handler_drop(void *handler);

static void thread_ends(void *error) {
  struct wr_nesting *n = nesting;
  last = NULL;
  nesting = NULL;
  wr_error_release(error);
  if (n) wr_nesting_end(n, handler_drop);
  wr_free(n);
}

static struct wr_fork_row fork_row = {.rank = WR_RANK_EVENT, .lock = &lock};
static void start(void) { key_made = pthread_key_create(&key, thread_ends) == 0; }

/* At load: later another library may have taken the last key. */
__attribute__((constructor)) static void start_at_load(void) {
  wr_fork_register(&fork_row);
  pthread_once(&once, start);
}

const char *weir_last_error(void) { return last ? wr_error_message(last) : ""; }
weir_status weir_last_status(void) { return last ? wr_error_status(last) : WEIR_OK; }

struct wr_error *wr_api_last_error(void) {
  return last ? wr_error_retain(last) : NULL;
}

static void thread_leaves(void *unused) {
  (void)unused;
  thread_ends(last);
}

/* Of a thread that has remembered something, other than what needs no dropping. */
static bool is_watched(void) { return last && last != wr_error_out_of_memory(); }

static bool watch_end(struct wr_error *error) {
  if (key_made) return pthread_setspecific(key, error) == 0;
  return is_watched() || wr_handlers_as_thread_leaves(thread_leaves, NULL);
}

/* Where nothing would drop the reference at the thread's end, the one error that needs no dropping
   stands in. */
static void remember(struct wr_error *error) {
  struct wr_error *old = last;
  pthread_once(&once, start);
  last = watch_end(error) ? wr_error_retain(error) : wr_error_out_of_memory();
  wr_error_release(old);
}

/* ---- the handler ---- */

struct handler {
  wr_atomic_u32 refs;        /* atomic ACQ_REL */
  mlx_error_handler_func fn; /* immutable after publish */
  void *data;                /* immutable after publish */
  struct wr_callback *end;   /* immutable after publish; the data's destructor, or NULL */
};

static struct handler *current; /* under LOCK; NULL: the default, a line on stderr */

static struct handler *handler_get(void) {
  wr_mutex_lock(&lock);
  struct handler *h = current;
  if (h) wr_ref_take(&h->refs);
  wr_mutex_unlock(&lock);
  return h;
}

/* After a report the data's destructor does not run here: this thread may hold a lock of the
   user's. */
static void handler_drop(void *handler) {
  struct handler *h = handler;
  if (!wr_ref_drop(&h->refs)) return;
  if (h->end) wr_reclaimer_post(h->end);
  wr_free(h);
}

/* In the call that replaces it. */
static void handler_end(struct handler *h) {
  if (h->end) wr_reclaimer_run_here(h->end);
  wr_free(h);
}

/* ---- telling ---- */

static void tell_default(const struct wr_error *error) {
  char line[LINE_BYTES];
  snprintf(line, sizeof line, "weir: %s", wr_error_message(error));
  wr_log_line(line);
}

/* Where no thread's end drops it, it goes when no call is open. */
static void forget_nesting(void) {
  if (!nesting || nesting->count > 0) return;
  wr_free(nesting);
  nesting = NULL;
}

/* The handler has returned. Whatever failed in it, the call that it was told of is the last to
   fail. By itself, so that the thread's own variables are looked up anew: with its stack, the call
   may have come to another thread. */
__attribute__((noinline)) static void close_call(struct wr_nesting_frame *frame,
                                                 enum weir_status status) {
  struct handler *h = nesting ? wr_nesting_close(nesting, frame) : NULL;
  if (!key_made && !is_watched()) forget_nesting();
  if (weir_last_status() != status ||
      strncmp(weir_last_error(), frame->text, sizeof frame->text - 1) != 0) {
    struct wr_error *error = wr_error_new(status, "%s", frame->text);
    remember(error);
    wr_error_release(error);
  }
  if (h) handler_drop(h);
}

/* Takes both references. The text is on the stack, where it is as long as the handler can read it,
   however that ends and whatever else fails. AddressSanitizer would put it on a stack of its own,
   where its place says nothing. */
__attribute__((noinline, no_sanitize("address"))) static void tell(struct handler *h,
                                                                   struct wr_error *error) {
  struct wr_nesting_frame frame;
  if (!wr_nesting_enter(nesting, (uintptr_t)&frame, handler_drop)) {
    wr_error_release(error);
    handler_drop(h);
    return;
  }
  enum weir_status status = wr_error_status(error);
  wr_nesting_open(nesting, &frame, wr_error_message(error), h);
  wr_error_release(error);
  h->fn(frame.text, h->data);
  close_call(&frame, status);
}

/* Takes the reference. Calls of handlers are kept off the stack; where memory for that is refused,
   it is told as without a handler. */
static void report(struct wr_error *error) {
  wr_mutex_assert_none_held();
  struct handler *h = handler_get();
  if (h && !nesting) nesting = wr_calloc(sizeof *nesting);
  if (h && nesting) {
    tell(h, error);
    return;
  }
  tell_default(error);
  wr_error_release(error);
  if (h) handler_drop(h);
}

/* ---- setting the handler ---- */

static struct handler *handler_swap(struct handler *h) {
  wr_mutex_lock(&lock);
  struct handler *old = current;
  current = h;
  wr_mutex_unlock(&lock);
  return old;
}

/* Without a handler the data has nobody to be given to, and ends at once. */
/* What the data's destructor needs is had now: later nobody could be told of a refusal. */
static struct wr_error *handler_make(mlx_error_handler_func fn, void *data, void (*dtor)(void *),
                                     struct handler **out) {
  struct handler *h = wr_alloc(sizeof *h);
  if (!h) return wr_error_out_of_memory();
  wr_store_relaxed(&h->refs, 1u); /* relaxed: not yet shared */
  h->fn = fn;
  h->data = data;
  h->end = NULL;
  struct wr_error *error = dtor ? wr_reclaimer_reserve(dtor, data, &h->end) : NULL;
  if (error) {
    wr_free(h);
  } else {
    *out = h;
  }
  return error;
}

/* What a handler that was left still holds is not to keep its data alive. */
__attribute__((noinline, no_sanitize("address"))) static void end_left_calls(void) {
  struct wr_nesting_frame here;
  if (nesting) (void)wr_nesting_enter(nesting, (uintptr_t)&here, handler_drop);
}

/* When memory is refused the old handler stays, and hears of it. */
void mlx_set_error_handler(mlx_error_handler_func handler, void *data, void (*dtor)(void *)) {
  struct handler *h = NULL;
  struct wr_error *error = handler ? handler_make(handler, data, dtor, &h) : NULL;
  if (!h && dtor) dtor(data);
  if (error) {
    wr_api_fail("mlx_set_error_handler", error);
    return;
  }
  pthread_once(&once, start);
  end_left_calls();
  struct handler *old = handler_swap(h);
  if (old && wr_ref_drop(&old->refs)) handler_end(old);
}

/* ---- failing ---- */

/* Takes the reference, and is the last that a function does: the handler may not come back. */
static int fail(struct wr_error *error) {
  remember(error);
  report(error);
  return 1;
}

/* What MLX's operation is called, where it is not as the function. */
static const struct {
  const char *function;
  const char *name;
} operations[] = {{"mlx_array_eval", "eval"},
                  {"mlx_identity", "eye"},
                  {"mlx_ones", "full"},
                  {"mlx_scatter_add", "scatter"},
                  {"mlx_scatter_add_single", "scatter"},
                  {"mlx_scatter_max", "scatter"},
                  {"mlx_scatter_max_single", "scatter"},
                  {"mlx_scatter_min", "scatter"},
                  {"mlx_scatter_min_single", "scatter"},
                  {"mlx_scatter_prod", "scatter"},
                  {"mlx_scatter_prod_single", "scatter"},
                  {"mlx_slice_update_add", "slice_update"},
                  {"mlx_slice_update_max", "slice_update"},
                  {"mlx_slice_update_min", "slice_update"},
                  {"mlx_slice_update_prod", "slice_update"},
                  {"mlx_scatter_add_axis", "scatter_add_axis"},
                  {"mlx_random_truncated_normal", "trunc_normal"},
                  {"mlx_random_categorical_shape", "categorical"},
                  {"mlx_zeros", "full"}};

/* What tells the forms of one operation apart in C. */
static const char *const forms[] = {
    "_axes",      "_axis",      "_sections", "_num",    "_single", "_dynamic", "_num_samples",
    "_broadcast", "_symmetric", "_reader",   "_writer", "_matrix", "_l2"};

static bool ends_with(const char *name, size_t length, const char *end) {
  size_t n = strlen(end);
  return length > n && !strncmp(name + length - n, end, n);
}

/* The name in a function's, and how long it is. */
static const char *operation_in(const char *function, size_t *length) {
  static const char *const headers[] = {"mlx_random_", "mlx_fast_", "mlx_fft_", "mlx_linalg_",
                                        "mlx_"};
  const char *name = function;
  for (size_t i = 0; i < sizeof headers / sizeof headers[0] && name == function; i++) {
    if (!strncmp(name, headers[i], strlen(headers[i]))) name += strlen(headers[i]);
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
  static const char linalg[] = "mlx_linalg_";
  const bool is_linalg = strncmp(function, linalg, strlen(linalg)) == 0;
  snprintf(prefix, bytes, "[%s%.*s] ", is_linalg ? "linalg::" : "", (int)length, name);
}

/* A message that has its bracket already keeps it: some come from a part that many operations
   share. */
int wr_api_fail(const char *function, struct wr_error *error) {
  char prefix[96];
  if (wr_error_message(error)[0] == '[') return fail(error);
  format_prefix(function, prefix, sizeof prefix);
  return fail(wr_error_prefix_take(error, prefix));
}

/* Apart, so that the text is not on the stack below a handler as well. */
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
