#ifndef WR_TESTS_SUPPORT_LATER_H
#define WR_TESTS_SUPPORT_LATER_H

/* An operation that may stay pending (backend.h), for tests alone: of a float32 vector each element
   and one. A `later` says when it is over: as it is begun, before begin has returned, on a thread
   of the library's for what may block, or when the test opens it, on a thread of its own. */

#include "backend/backend.h"
#include "base/base.h"
#include "fixtures.h"
#include "graph/node.h"
#include "ops/internal.h"
#include "three.h"

enum later_when { LATER_DONE, LATER_AT_ONCE, LATER_BLOCKING, LATER_HELD };

struct later {
  enum later_when when;
  int fails; /* atomic; what is over from now on has failed */
  int begun; /* atomic: how many */
  pthread_mutex_t lock;
  struct later_work *held; /* under the lock */
};

struct later_params {
  struct wr_call_params call;
  struct later *later;
};

struct later_work {
  struct wr_blocking blocking;
  struct later_work *next;
  struct later *later;
  const float *in;
  float *out;
  int64_t size, stride;
  struct wr_completion_hook *hook;
};

static inline struct wr_error *later_compute(const struct later_work *w) {
  if (count_of(&w->later->fails)) return wr_error_new(WEIR_ERROR_DEVICE, "told to fail later");
  for (int64_t i = 0; i < w->size; i++) w->out[i] = w->in[i * w->stride] + 1;
  return NULL;
}

static inline void later_end(struct later_work *w) {
  struct wr_completion_hook *hook = w->hook;
  struct wr_error *error = later_compute(w);
  free(w);
  hook->fn(hook, error);
}

static inline void later_run(void *work) { later_end(work); }

static inline enum wr_encode_status later_start(struct later_work *w, struct wr_error **error) {
  struct later *later = w->later;
  if (later->when != LATER_HELD) probe_count(&later->begun);
  switch (later->when) {
    case LATER_DONE:
      *error = later_compute(w);
      free(w);
      return WR_ENCODE_DONE;
    case LATER_AT_ONCE:
      later_end(w);
      return WR_ENCODE_PENDING;
    case LATER_BLOCKING:
      *error = wr_blocking_submit(&w->blocking);
      if (*error) free(w);
      return *error ? WR_ENCODE_DONE : WR_ENCODE_PENDING;
    default:
      pthread_mutex_lock(&later->lock);
      w->next = later->held;
      later->held = w;
      probe_count(&later->begun);
      pthread_mutex_unlock(&later->lock);
      return WR_ENCODE_PENDING;
  }
}

static inline enum wr_encode_status later_begin(const struct wr_call *call,
                                                struct wr_completion_hook *hook,
                                                struct wr_error **error) {
  struct later *later = ((const struct later_params *)call->params)->later;
  struct later_work *w = malloc(sizeof *w);
  CHECK(w != NULL);
  *w = (struct later_work){.blocking = {.run = later_run},
                           .later = later,
                           .in = call->in[0].data,
                           .out = call->out.data,
                           .size = call->out.size,
                           .stride = call->in[0].strides[0],
                           .hook = hook};
  return later_start(w, error);
}

static const struct wr_callee later_callee = {
    .name = "later", .params_bytes = sizeof(struct later_params), .begin = later_begin};

static inline void later_init(struct later *later, enum later_when when) {
  *later = (struct later){.when = when, .lock = PTHREAD_MUTEX_INITIALIZER};
}

/* Ends what is held, the newest first. */
static inline void later_open(struct later *later) {
  pthread_mutex_lock(&later->lock);
  struct later_work *list = later->held;
  later->held = NULL;
  pthread_mutex_unlock(&later->lock);
  while (list) {
    struct later_work *w = list;
    list = w->next;
    later_end(w);
  }
}

/* True once so many are begun; for ten seconds at most. */
static inline bool later_begun(struct later *later, int n) { return becomes(&later->begun, n); }

/* Empty when memory is refused. */
static inline mlx_array later_of(struct later *later, mlx_array a, mlx_stream s) {
  const struct wr_handle *handle = wr_handle_object(a.ctx, WR_KIND_ARRAY);
  CHECK(handle != NULL);
  struct wr_node *in = handle->node, *node = NULL;
  const struct later_params params = {.call = {.callee = &later_callee}, .later = later};
  const struct wr_record record = {.op = WR_OP_CALL,
                                   .dtype = WR_FLOAT32,
                                   .ndim = 1,
                                   .shape = wr_node_shape(in),
                                   .n_in = 1,
                                   .in = &in,
                                   .params = &params,
                                   .params_bytes = sizeof params,
                                   .stream = inside(s)};
  wr_error_release(wr_node_record(&node, &record));
  return node ? three_handle(node) : (mlx_array){0};
}

#endif
