/* Wired guards: Weir's own surface around memory. A guard leads to its record, alone with the one
   who has the handle; the sum of what guards ask for is kept in src/memory. No locks, so none is
   held during the wait. */

#include "weir/memory.h"

#include "api/api.h"
#include "base/base.h"
#include "memory/buffer.h"
#include "stream/policy.h"

struct guard {
  struct wr_kind_word kind;
  size_t n;
  size_t bytes;
  struct wr_stream *streams[]; /* references */
};

/* ---- begin ---- */

static void drop(struct guard *g) {
  for (size_t i = 0; i < g->n; i++) wr_stream_release(g->streams[i]);
  wr_free(g);
}

static struct guard *guard_alloc(size_t bytes, size_t n) {
  size_t room;
  if (!wr_mul_size(n, sizeof(struct wr_stream *), &room)) return NULL;
  if (!wr_add_size(room, sizeof(struct guard), &room)) return NULL;
  struct guard *g = wr_alloc(room);
  if (!g) return NULL;
  wr_kind_begin(&g->kind, WR_KIND_GUARD);
  g->n = 0;
  g->bytes = bytes;
  return g;
}

/* NULL with an error when there was one. */
static struct guard *guard_new(size_t bytes, const mlx_stream *streams, size_t n,
                               struct wr_error **error) {
  if (n) wr_api_result(streams, "streams", error);
  struct guard *g = *error ? NULL : guard_alloc(bytes, n);
  if (!*error && !g) *error = wr_error_out_of_memory();
  for (size_t i = 0; !*error && i < n; i++) {
    if (!streams[i].ctx) wr_api_reject(error, "streams", "has an empty handle at %zu", i);
    struct wr_stream *stream = wr_api_some_stream(streams[i], "streams", error);
    if (stream) g->streams[g->n++] = wr_stream_retain(stream);
  }
  if (!*error || !g) return g;
  drop(g);
  return NULL;
}

int weir_wired_guard_begin(weir_wired_guard *guard, size_t bytes, const mlx_stream *streams,
                           size_t n) {
  struct wr_error *error = NULL;
  wr_api_result(guard, "guard", &error);
  if (!error && guard->ctx) wr_api_reject(&error, "guard", "has begun already");
  struct guard *g = guard_new(bytes, streams, n, &error);
  if (!error && !wr_handle_give(&guard->ctx, g, WR_KIND_GUARD)) {
    drop(g);
    error = wr_error_out_of_memory();
  }
  if (!error) wr_memory_wired_raise(bytes);
  return wr_api_return(__func__, error);
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

int weir_wired_guard_end(weir_wired_guard *guard) {
  struct wr_error *error = NULL;
  wr_api_result(guard, "guard", &error);
  struct guard *g = error ? NULL : wr_api_take(guard->ctx, WR_KIND_GUARD, "guard", &error);
  if (!g) return wr_api_return(__func__, error);
  guard->ctx = NULL;
  error = wait_for(g);
  wr_memory_wired_lower(g->bytes);
  drop(g);
  return wr_api_return(__func__, error);
}
