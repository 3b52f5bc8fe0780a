/* Collectives as operations: shape rules, recording, and commands that stay pending while the
   group's engine is at them. A command gets its place in the group's order as it is submitted, and
   is begun when its stream comes to it. Its inputs are the group, as an array of the host's which
   holds a reference, and what is sent, dense. No locks. */

#include <stdio.h>
#include <string.h>

#include "backend/backend.h"
#include "base/base.h"
#include "base/fork.h"
#include "distributed/internal.h"
#include "ops/ops.h"
#include "stream/stream.h"

const char *const wr_collective_names[WR_COLLECTIVES] = {[WR_ALL_SUM] = "all_sum",
                                                         [WR_ALL_MAX] = "all_max",
                                                         [WR_ALL_MIN] = "all_min",
                                                         [WR_ALL_GATHER] = "all_gather",
                                                         [WR_SUM_SCATTER] = "sum_scatter",
                                                         [WR_SEND] = "send",
                                                         [WR_RECV] = "recv"};

/* Where a command is: UNPLACED, then PLACED once it is submitted, and TAKEN once it is begun or
   known never to be. */
enum place_state { UNPLACED, PLACED, TAKEN };

/* The last two are changed by who submits the command, and then by who runs it, in an order that
   its stream's lock makes. */
struct collective_params {
  struct wr_call_params call;
  int32_t what; /* enum wr_collective */
  int32_t peer;
  int32_t channel;
  int32_t state;         /* enum place_state */
  struct wr_comm *group; /* the first input's */
  struct wr_job *job;    /* its place; NULL: there was no memory, or the group is over */
};

/* ---- running ---- */

static struct wr_error *retain_const(const struct wr_error *error) {
  return wr_error_retain((struct wr_error *)(uintptr_t)error);
}

/* In the child of a fork, the parent's. */
static bool is_foreign(const struct wr_comm *group) {
  return group->generation != wr_fork_generation;
}

static struct wr_job *append(const struct collective_params *p) {
  struct wr_job *job =
      wr_channel_append(p->group, (enum wr_collective)p->what, p->channel, p->peer);
  if (!job) wr_comm_fail(p->group, wr_error_out_of_memory());
  return job;
}

static void submitted(void *params) {
  struct collective_params *p = params;
  p->state = PLACED;
  p->job = is_foreign(p->group) ? NULL : append(p);
}

static enum wr_encode_status begin(const struct wr_call *call, struct wr_completion_hook *hook,
                                   struct wr_error **error) {
  struct collective_params *p = (void *)(uintptr_t)call->params;
  struct wr_job *job = p->job;
  p->state = TAKEN;
  p->job = NULL;
  if (!job) {
    *error = wr_comm_failure(p->group);
    return WR_ENCODE_DONE;
  }
  const struct wr_tensor *x = call->n_in > 1 ? &call->in[1] : &call->out;
  job->in = call->n_in > 1 ? x->data : NULL;
  job->out = call->out.data;
  job->encoder = call->encoder;
  job->dtype = x->dtype;
  job->count = (size_t)x->size;
  job->hook = hook;
  wr_channel_fill(job);
  return WR_ENCODE_PENDING;
}

/* If it was not begun the others wait for what will not come from here: the group is over, once
   what has its place before is. */
static void failed(void *params, const struct wr_error *error) {
  struct collective_params *p = params;
  if (p->state == TAKEN || is_foreign(p->group)) return;
  struct wr_job *job = p->state == PLACED ? p->job : append(p);
  p->state = TAKEN;
  p->job = NULL;
  if (!job) return;
  job->why = retain_const(error);
  wr_channel_fill(job);
}

static const struct wr_callee callees[WR_COLLECTIVES] = {
#define CALLEE(ID, text)                                    \
  [ID] = {.name = text,                                     \
          .params_bytes = sizeof(struct collective_params), \
          .n_host = 1,                                      \
          .submitted = submitted,                           \
          .begin = begin,                                   \
          .failed = failed}
    CALLEE(WR_ALL_SUM, "all_sum"),
    CALLEE(WR_ALL_MAX, "all_max"),
    CALLEE(WR_ALL_MIN, "all_min"),
    CALLEE(WR_ALL_GATHER, "all_gather"),
    CALLEE(WR_SUM_SCATTER, "sum_scatter"),
    CALLEE(WR_SEND, "send"),
    CALLEE(WR_RECV, "recv"),
#undef CALLEE
};

/* ---- recording ---- */

static void let_go(void *group) { wr_comm_release(group); }

/* The group as an input; its elements are of no use to anybody else. */
static struct wr_error *source(struct wr_node **out, struct wr_comm *group) {
  const int32_t shape[1] = {(int32_t)sizeof *group};
  struct wr_error *error =
      wr_node_from_managed(out, group, 1, shape, WR_UINT8, wr_comm_retain(group), let_go);
  if (error) wr_comm_release(group);
  return error;
}

struct command {
  enum wr_collective what;
  int peer;
  enum wr_dtype dtype;
  int ndim;
  const int32_t *shape; /* of the result */
};

static struct wr_device device_of(const struct wr_comm *group) {
  const struct wr_device cpu = {.type = WR_DEVICE_CPU, .index = 0};
  return group->engine->device ? group->engine->device(group) : cpu;
}

/* Where the command stands: the caller's stream, or the thread's own of the group's device. */
static struct wr_error *on_device(const struct wr_comm *group, struct wr_stream **stream) {
  const struct wr_device has = wr_stream_device(*stream), wants = device_of(group);
  if (has.type == wants.type && has.index == wants.index) return NULL;
  return wr_stream_default(wants, stream);
}

/* x: what is sent, or NULL. */
static struct wr_error *command(struct wr_node **out, const struct command *c, struct wr_node *x,
                                struct wr_comm *group, struct wr_stream *s) {
  struct wr_node *in[2] = {NULL, NULL};
  int channel = 0;
  struct wr_error *error = group->engine->channel(group, c->what, c->peer, &channel);
  if (!error) error = source(&in[0], group);
  if (!error && x) error = wr_ops_contiguous(&in[1], x, false, s);
  if (!error) error = on_device(group, &s);
  const struct collective_params params = {.call = {.callee = &callees[c->what]},
                                           .what = (int32_t)c->what,
                                           .peer = c->peer,
                                           .channel = channel,
                                           .group = group};
  const struct wr_record record = {.op = WR_OP_CALL,
                                   .dtype = c->dtype,
                                   .ndim = c->ndim,
                                   .shape = c->shape,
                                   .n_in = x ? 2 : 1,
                                   .in = in,
                                   .params = &params,
                                   .params_bytes = sizeof params,
                                   .stream = s};
  if (!error) error = wr_node_record(out, &record);
  for (int i = 0; i < 2; i++) wr_node_release(in[i]);
  return error;
}

static struct wr_error *like(struct wr_node **out, enum wr_collective what, int peer,
                             struct wr_node *x, const int32_t *shape, int ndim,
                             struct wr_comm *group, struct wr_stream *s) {
  const struct command c = {
      .what = what, .peer = peer, .dtype = wr_node_dtype(x), .ndim = ndim, .shape = shape};
  return command(out, &c, x, group, s);
}

/* ---- shapes ---- */

static struct wr_error *gathered(const struct wr_node *x, int size, int32_t *shape, int *ndim) {
  int64_t first = wr_node_ndim(x) ? wr_node_shape(x)[0] : 1, all;
  *ndim = wr_node_ndim(x) ? wr_node_ndim(x) : 1;
  memcpy(shape, wr_node_shape(x), (size_t)wr_node_ndim(x) * sizeof *shape);
  first *= size;
  shape[0] = (int32_t)first;
  if (first <= INT32_MAX && wr_shape_size(shape, *ndim, &all)) return NULL;
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                      "[all_gather] the arrays of %d processes are too large together", size);
}

static struct wr_error *scattered(const struct wr_node *x, int size, int32_t *shape, int *ndim) {
  char text[256];
  *ndim = wr_node_ndim(x);
  memcpy(shape, wr_node_shape(x), (size_t)*ndim * sizeof *shape);
  if (*ndim > 0 && shape[0] % size == 0) {
    shape[0] /= size;
    return NULL;
  }
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                      "[sum_scatter] Invalid shape=%s for a group of size %d. The first dimension "
                      "(axis 0) must be divisible by the group size.",
                      wr_shape_format(shape, *ndim, text, (int)sizeof text), size);
}

/* ---- reductions that an engine does not have ---- */

/* Integers of 16 bits as some of 32, whose lower halves are the same. */
static struct wr_error *by_wider(struct wr_node **out, enum wr_collective what, struct wr_node *x,
                                 struct wr_comm *group, struct wr_stream *s) {
  const enum wr_dtype dtype = wr_node_dtype(x);
  struct wr_node *wide = NULL, *sum = NULL;
  struct wr_error *error = wr_ops_astype(&wide, x, dtype == WR_INT16 ? WR_INT32 : WR_UINT32, s);
  if (!error) error = wr_collect(&sum, what, wide, group, s);
  if (!error) error = wr_ops_astype(out, sum, dtype, s);
  wr_node_release(wide);
  wr_node_release(sum);
  return error;
}

/* Each process reduces what all have. */
static struct wr_error *by_gathering(struct wr_node **out, enum wr_collective what,
                                     struct wr_node *x, struct wr_comm *group,
                                     struct wr_stream *s) {
  const int first = 0;
  struct wr_node *row = NULL, *rows = NULL;
  struct wr_error *error = wr_ops_expand_dims(&row, x, &first, 1, s);
  if (!error) error = wr_collect(&rows, WR_ALL_GATHER, row, group, s);
  const enum wr_op op = what == WR_ALL_MAX ? WR_OP_MAX : WR_OP_MIN;
  if (!error) error = wr_ops_reduce(out, op, rows, &first, 1, false, s);
  wr_node_release(row);
  wr_node_release(rows);
  return error;
}

static struct wr_error *another_way(struct wr_node **out, enum wr_collective what,
                                    struct wr_node *x, struct wr_comm *group, struct wr_stream *s) {
  const enum wr_dtype dtype = wr_node_dtype(x);
  const bool is_short = dtype == WR_INT16 || dtype == WR_UINT16;
  return (is_short ? by_wider : by_gathering)(out, what, x, group, s);
}

static bool has_reduction(const struct wr_comm *group, enum wr_collective what,
                          enum wr_dtype dtype) {
  return !group->engine->reduces || group->engine->reduces(what, dtype);
}

struct wr_error *wr_collect(struct wr_node **out, enum wr_collective what, struct wr_node *x,
                            struct wr_comm *group, struct wr_stream *s) {
  int32_t shape[WR_MAX_NDIM] = {0};
  int ndim = wr_node_ndim(x);
  struct wr_error *error = NULL;
  if (group->size == 1) {
    *out = wr_node_retain(x);
    return NULL;
  }
  if (!has_reduction(group, what, wr_node_dtype(x))) return another_way(out, what, x, group, s);
  memcpy(shape, wr_node_shape(x), (size_t)ndim * sizeof *shape);
  if (what == WR_ALL_GATHER) error = gathered(x, group->size, shape, &ndim);
  if (what == WR_SUM_SCATTER) error = scattered(x, group->size, shape, &ndim);
  return error ? error : like(out, what, -1, x, shape, ndim, group, s);
}

static struct wr_error *check_peer(const struct wr_comm *group, int peer, const char *verb,
                                   const char *end) {
  if (group->size == 1) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "Cannot %s a singleton group", verb);
  }
  if (peer >= 0 && peer < group->size) return NULL;
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "Invalid %s=%d for a group of size %d", end,
                      peer, group->size);
}

struct wr_error *wr_send(struct wr_node **out, struct wr_node *x, int dst, struct wr_comm *group,
                         struct wr_stream *s) {
  struct wr_error *error = check_peer(group, dst, "send to", "destination");
  if (error) return error;
  return like(out, WR_SEND, dst, x, wr_node_shape(x), wr_node_ndim(x), group, s);
}

struct wr_error *wr_recv(struct wr_node **out, const int32_t *shape, int ndim, enum wr_dtype dtype,
                         int src, struct wr_comm *group, struct wr_stream *s) {
  const struct command c = {
      .what = WR_RECV, .peer = src, .dtype = dtype, .ndim = ndim, .shape = shape};
  int64_t size;
  struct wr_error *error = check_peer(group, src, "recv from", "source");
  if (error) return error;
  if (!wr_shape_size(shape, ndim, &size)) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "shape is too large");
  }
  return command(out, &c, NULL, group, s);
}

struct wr_error *wr_gather_bytes(struct wr_comm *group, const void *mine, int n, void *all) {
  const int32_t shape[1] = {n};
  struct wr_stream *s = NULL;
  struct wr_node *x = NULL, *y = NULL;
  const void *data = NULL;
  struct wr_error *error = wr_stream_default(device_of(group), &s);
  if (!error) error = wr_node_from_data(&x, mine, 1, shape, WR_UINT8);
  if (!error) error = wr_collect(&y, WR_ALL_GATHER, x, group, s);
  if (!error) error = wr_node_host_data(y, &data);
  if (!error) memcpy(all, data, (size_t)n * (size_t)group->size);
  wr_node_release(x);
  wr_node_release(y);
  return error;
}

/* ---- for the rules of derivatives ---- */

bool wr_collective_is(const struct wr_call_params *params, enum wr_collective *what) {
  for (int i = 0; i < WR_COLLECTIVES; i++) {
    *what = (enum wr_collective)i;
    if (params->callee == &callees[i]) return true;
  }
  return false;
}

int wr_collective_rank(const struct wr_node *group) {
  return ((const struct wr_comm *)wr_node_constant(group))->rank;
}

struct wr_error *wr_collective_again(struct wr_node **out, const struct wr_call_params *params,
                                     struct wr_node *const *in, struct wr_stream *s) {
  const struct collective_params *p = (const void *)params;
  if (p->what == WR_SEND) return wr_send(out, in[1], p->peer, p->group, s);
  return wr_collect(out, (enum wr_collective)p->what, in[1], p->group, s);
}
