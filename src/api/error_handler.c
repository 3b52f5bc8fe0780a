/* The program's error handler, and its calls. The handler is a counted object: who calls it takes a
   reference, so its data lives until its last use, also while another thread replaces it.

   A handler need not return: bindings leave it by longjmp or by a C++ exception. What fails inside
   one is told to it as well, down to a bounded depth: nesting.h knows which calls of handlers are
   open, and holds their references, since nothing behind a call need ever run. Lock: EVENT, for the
   pointer to the handler alone; handlers and destructors run without it (K10). */

#include <stdio.h>
#include <string.h>

#include "api/api.h"
#include "api/error.h"
#include "api/nesting.h"
#include "base/atomic.h"
#include "base/base.h"
#include "base/fork.h"
#include "base/lock.h"
#include "mlx/c/error.h"

enum { LINE_BYTES = 2048 }; /* of what is printed; longer is cut */

struct handler {
  wr_atomic_u32 refs;        /* atomic ACQ_REL */
  mlx_error_handler_func fn; /* immutable after publish */
  void *data;                /* immutable after publish */
  struct wr_callback *end;   /* immutable after publish; the data's destructor, or NULL */
};

static struct wr_mutex lock = WR_MUTEX_INIT(WR_RANK_EVENT);
static struct handler *current; /* under LOCK; NULL: the default, a line on stderr */
static _Thread_local struct wr_nesting *nesting; /* owner thread only; made by the first report */

WR_AT_FORK(.rank = WR_RANK_EVENT, .lock = &lock)

static struct handler *handler_get(void) {
  wr_mutex_lock(&lock);
  struct handler *h = current;
  if (h) wr_ref_take(&h->refs);
  wr_mutex_unlock(&lock);
  return h;
}

/* For who has told it something. The data's destructor runs on the reclaimer: the calling thread
   may hold a lock of the program's. */
static void handler_drop(void *handler) {
  struct handler *h = handler;
  if (!wr_ref_drop(&h->refs)) return;
  if (h->end) wr_reclaimer_post(h->end);
  wr_free(h);
}

/* For the call that replaced it, which dropped the last reference: the destructor runs here. */
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

void wr_error_calls_end(void) {
  struct wr_nesting *n = nesting;
  nesting = NULL;
  if (n) wr_nesting_end(n, handler_drop);
  wr_free(n);
}

/* Where the thread's end will not call wr_error_calls_end, `nesting` goes when no call is open. */
static void free_unseen_nesting(void) {
  if (wr_thread_end_is_seen() || !nesting || nesting->count > 0) return;
  wr_free(nesting);
  nesting = NULL;
}

/* The handler has returned. Calls inside it may have failed; the thread's last error is again the
   one that it was told of. The function is not inlined because the handler may have switched stacks
   and returned on another thread: so the addresses of thread-local variables are computed anew. */
__attribute__((noinline)) static void close_call(struct wr_nesting_frame *frame,
                                                 enum weir_status status) {
  struct handler *h = nesting ? wr_nesting_close(nesting, frame) : NULL;
  free_unseen_nesting();
  if (weir_last_status() != status ||
      strncmp(weir_last_error(), frame->text, sizeof frame->text - 1) != 0) {
    struct wr_error *error = wr_error_new(status, "%s", frame->text);
    wr_last_error_set(error);
    wr_error_release(error);
  }
  if (h) handler_drop(h);
}

/* Takes both references. The text stands on the stack, so that it lives as long as the handler can
   read it, however the handler ends. Where the frame is tells how deep calls are nested
   (nesting.h); AddressSanitizer would move it to a stack of its own. */
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

/* Where memory for `nesting` is refused, the error is printed as without a handler. */
void wr_error_tell(struct wr_error *error) {
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

/* What running the data's destructor needs is allocated now: later nobody could be told of a
   refusal. */
static struct wr_error *handler_make(mlx_error_handler_func fn, void *data, void (*dtor)(void *),
                                     struct handler **out) {
  struct handler *h = wr_alloc(sizeof *h);
  if (!h) return wr_error_out_of_memory();
  wr_store_relaxed(&h->refs, 1u); /* relaxed: not yet shared */
  h->fn = fn;
  h->data = data;
  h->end = NULL;
  struct wr_error *error =
      dtor ? wr_reclaimer_reserve(dtor, data, "destructor of an error handler", &h->end) : NULL;
  if (error) {
    wr_free(h);
  } else {
    *out = h;
  }
  return error;
}

/* Drops the references of calls that have been left by a jump, so that they do not keep the old
   handler's data alive. */
__attribute__((noinline, no_sanitize("address"))) static void end_left_calls(void) {
  struct wr_nesting_frame here;
  if (nesting) (void)wr_nesting_enter(nesting, (uintptr_t)&here, handler_drop);
}

/* When memory is refused the old handler stays, and is told. Data for which there is no handler
   ends at once. */
void mlx_set_error_handler(mlx_error_handler_func handler, void *data, void (*dtor)(void *)) {
  struct handler *h = NULL;
  struct wr_error *error = handler ? handler_make(handler, data, dtor, &h) : NULL;
  if (!h && dtor) dtor(data);
  if (error) {
    wr_api_fail("mlx_set_error_handler", error);
    return;
  }
  end_left_calls();
  struct handler *old = handler_swap(h);
  if (old && wr_ref_drop(&old->refs)) handler_end(old);
}
