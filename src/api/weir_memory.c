/* Wired guards: Weir's own surface around memory. A guard's ctx is its record, alone with the one
   who has the handle; the sum of what guards ask for is kept in src/memory. No locks, so none is
   held during the wait. */

#include "weir/memory.h"

#include "api/api.h"
#include "base/base.h"
#include "memory/buffer.h"
#include "stream/policy.h"

struct guard {
  size_t bytes;
  size_t n;
  struct wr_stream *streams[]; /* references */
};

/* ---- begin ---- */

static void check_streams(const mlx_stream *streams, size_t n, struct wr_error **error) {
  if (n) wr_api_result(streams, "streams", error);
  for (size_t i = 0; !*error && i < n; i++) {
    if (!streams[i].ctx) wr_api_reject(error, "streams", "has an empty handle at %zu", i);
  }
}

/* The size cannot overflow: so many handles, as large as pointers, have just been looked at. */
static struct guard *guard_new(size_t bytes, const mlx_stream *streams, size_t n) {
  struct guard *g = wr_alloc(sizeof *g + n * sizeof g->streams[0]);
  if (!g) return NULL;
  g->bytes = bytes;
  g->n = n;
  for (size_t i = 0; i < n; i++) g->streams[i] = wr_stream_retain(streams[i].ctx);
  return g;
}

int weir_wired_guard_begin(weir_wired_guard *guard, size_t bytes, const mlx_stream *streams,
                           size_t n) {
  struct wr_error *error = NULL;
  wr_api_result(guard, "guard", &error);
  if (!error && guard->ctx) wr_api_reject(&error, "guard", "has begun already");
  check_streams(streams, n, &error);
  if (error) return wr_api_fail(__func__, error);
  struct guard *g = guard_new(bytes, streams, n);
  if (!g) return wr_api_fail(__func__, wr_error_out_of_memory());
  wr_memory_wired_raise(bytes);
  guard->ctx = g;
  return 0;
}

/* ---- end ---- */

/* Waits for the guard's streams, all of them also when one fails. A guard without streams is for
   what its thread does on its defaults. */
static struct wr_error *wait_for(const struct guard *g) {
  if (wr_thread_is_retired()) return NULL; /* it must not wait, and must restore */
  if (g->n == 0) return wr_thread_synchronize_defaults();
  struct wr_error *first = NULL;
  for (size_t i = 0; i < g->n; i++) {
    struct wr_error *error = wr_stream_check(g->streams[i]);
    if (!error) error = wr_stream_synchronize(g->streams[i]);
    if (first) {
      wr_error_release(error);
    } else {
      first = error;
    }
  }
  return first;
}

static void guard_free(struct guard *g) {
  wr_memory_wired_lower(g->bytes);
  for (size_t i = 0; i < g->n; i++) wr_stream_release(g->streams[i]);
  wr_free(g);
}

int weir_wired_guard_end(weir_wired_guard *guard) {
  struct wr_error *error = NULL;
  wr_api_result(guard, "guard", &error);
  if (error) return wr_api_fail(__func__, error);
  struct guard *g = guard->ctx;
  guard->ctx = NULL;
  if (!g) return 0;
  error = wait_for(g);
  guard_free(g);
  return wr_api_finish(__func__, error);
}
