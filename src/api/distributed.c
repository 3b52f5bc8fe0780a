/* Groups and collectives: handles in, one function of src/distributed, handles out. A handle is a
   block of its own with a reference to its group, so that a second free of one is seen while others
   have the group. No locks. */

#include "mlx/c/distributed.h"

#include "api/ops_glue.h"
#include "base/base.h"
#include "distributed/distributed.h"

struct group_handle {
  struct wr_kind_word kind;
  struct wr_comm *group; /* a reference */
};

static struct wr_comm *group_of(mlx_distributed_group group, const char *param,
                                struct wr_error **error) {
  struct group_handle *handle =
      wr_api_object(group.ctx, WR_KIND_GROUP, param, "is an empty group", error);
  return handle ? handle->group : NULL;
}

static void end_handle(struct group_handle *handle) {
  if (!handle) return;
  wr_kind_end(&handle->kind);
  wr_comm_release(handle->group);
  wr_free(handle);
}

/* Takes the reference, also when memory is refused. */
static struct wr_error *put_group(mlx_distributed_group *res, struct wr_comm *group) {
  struct group_handle *handle = wr_alloc(sizeof *handle);
  void *ctx = NULL;
  if (handle) {
    handle->group = group;
    wr_kind_begin(&handle->kind, WR_KIND_GROUP);
  }
  if (!handle || !wr_handle_give(&ctx, handle, WR_KIND_GROUP)) {
    wr_free(handle);
    wr_comm_release(group);
    return wr_error_out_of_memory();
  }
  if (res->ctx) end_handle(wr_handle_take(res->ctx, WR_KIND_GROUP));
  res->ctx = ctx;
  return NULL;
}

/* Where no group is meant, the one that "any" gives; the caller's reference. */
static struct wr_comm *take_group(mlx_distributed_group group, struct wr_error **error) {
  struct wr_comm *out = NULL;
  if (*error) return NULL;
  if (!group.ctx) {
    *error = wr_comm_init(&out, false, "any");
  } else {
    out = group_of(group, "group", error);
    if (out) wr_comm_retain(out);
  }
  return out;
}

/* ---- groups ---- */

mlx_distributed_group mlx_distributed_group_new(void) { return (mlx_distributed_group){NULL}; }

int mlx_distributed_group_free(mlx_distributed_group group) {
  struct wr_error *error = NULL;
  end_handle(wr_api_take(group.ctx, WR_KIND_GROUP, "group", &error));
  return wr_api_return("mlx_distributed_group_free", error);
}

int mlx_distributed_init(mlx_distributed_group *res, bool strict, const char *bk) {
  struct wr_error *error = NULL;
  struct wr_comm *group = NULL;
  wr_api_result_handle(res, WR_KIND_GROUP, "res", &error);
  if (!error) error = wr_comm_init(&group, strict, bk ? bk : "any");
  if (!error) error = put_group(res, group);
  return wr_api_return("mlx_distributed_init", error);
}

static int ask(const char *function, mlx_distributed_group group,
               int (*number)(const struct wr_comm *comm)) {
  struct wr_error *error = NULL;
  struct wr_comm *g = group_of(group, "group", &error);
  if (g) return number(g);
  (void)wr_api_fail(function, error);
  return 0;
}

int mlx_distributed_group_rank(mlx_distributed_group group) {
  return ask("mlx_distributed_group_rank", group, wr_comm_rank);
}

int mlx_distributed_group_size(mlx_distributed_group group) {
  return ask("mlx_distributed_group_size", group, wr_comm_size);
}

int mlx_distributed_group_split(mlx_distributed_group *res, mlx_distributed_group group, int color,
                                int key) {
  struct wr_error *error = NULL;
  struct wr_comm *out = NULL;
  wr_api_result_handle(res, WR_KIND_GROUP, "res", &error);
  struct wr_comm *g = group_of(group, "group", &error);
  if (!error) {
    wr_comm_retain(g); /* the caller may free its handle meanwhile */
    error = wr_comm_split(&out, g, color, key);
    wr_comm_release(g);
  }
  if (!error) error = put_group(res, out);
  return wr_api_return("mlx_distributed_group_split", error);
}

bool mlx_distributed_is_available(const char *bk) {
  struct wr_error *error = NULL;
  bool available = wr_comm_is_available(bk ? bk : "any", &error);
  return wr_api_return("mlx_distributed_is_available", error) == 0 && available;
}

/* ---- collectives ---- */

/* A call of one of them: as wr_api_call, with a group. What the function itself checks comes
   between begin and with_group. */
struct group_call {
  struct wr_api_call base;
  struct wr_comm *group; /* a reference, or NULL */
};

static struct wr_error **begin(struct group_call *call, const char *function, mlx_array *res,
                               mlx_stream s) {
  call->group = NULL;
  call->base = wr_api_begin(function, res, s);
  return &call->base.error;
}

/* True when nothing is wrong so far. */
static bool with_group(struct group_call *call, mlx_distributed_group group) {
  call->group = take_group(group, &call->base.error);
  return !call->base.error;
}

/* A call on an array: its node, or NULL where something is wrong. */
static struct wr_node *begin_with(struct group_call *call, const char *function, mlx_array *res,
                                  mlx_array x, mlx_distributed_group group, mlx_stream s) {
  struct wr_error **error = begin(call, function, res, s);
  struct wr_node *node = wr_api_array(x, "x", error);
  return with_group(call, group) ? node : NULL;
}

static int end(struct group_call *call) {
  wr_comm_release(call->group);
  return wr_api_end(&call->base);
}

static int collect(const char *function, mlx_array *res, enum wr_collective what, mlx_array x,
                   mlx_distributed_group group, mlx_stream s) {
  struct group_call call;
  struct wr_node *node = begin_with(&call, function, res, x, group, s);
  if (node) {
    call.base.error = wr_collect(&call.base.out, what, node, call.group, call.base.stream);
  }
  return end(&call);
}

int mlx_distributed_all_gather(mlx_array *res, const mlx_array x, const mlx_distributed_group group,
                               const mlx_stream S) {
  struct wr_error *error = NULL;
  if (S.ctx) (void)wr_api_some_stream(S, "S", &error); /* mlx-c's name for it */
  if (error) return wr_api_fail("mlx_distributed_all_gather", error);
  return collect("mlx_distributed_all_gather", res, WR_ALL_GATHER, x, group, S);
}

int mlx_distributed_all_max(mlx_array *res, const mlx_array x, const mlx_distributed_group group,
                            const mlx_stream s) {
  return collect("mlx_distributed_all_max", res, WR_ALL_MAX, x, group, s);
}

int mlx_distributed_all_min(mlx_array *res, const mlx_array x, const mlx_distributed_group group,
                            const mlx_stream s) {
  return collect("mlx_distributed_all_min", res, WR_ALL_MIN, x, group, s);
}

int mlx_distributed_all_sum(mlx_array *res, const mlx_array x, const mlx_distributed_group group,
                            const mlx_stream s) {
  return collect("mlx_distributed_all_sum", res, WR_ALL_SUM, x, group, s);
}

int mlx_distributed_sum_scatter(mlx_array *res, const mlx_array x,
                                const mlx_distributed_group group, const mlx_stream s) {
  return collect("mlx_distributed_sum_scatter", res, WR_SUM_SCATTER, x, group, s);
}

int mlx_distributed_send(mlx_array *res, const mlx_array x, int dst,
                         const mlx_distributed_group group, const mlx_stream s) {
  struct group_call call;
  struct wr_node *node = begin_with(&call, "mlx_distributed_send", res, x, group, s);
  if (node) {
    call.base.error = wr_send(&call.base.out, node, dst, call.group, call.base.stream);
  }
  return end(&call);
}

int mlx_distributed_recv(mlx_array *res, const int *shape, size_t shape_num, mlx_dtype dtype,
                         int src, const mlx_distributed_group group, const mlx_stream s) {
  struct group_call call;
  struct wr_error **error = begin(&call, "mlx_distributed_recv", res, s);
  const int32_t *extents = wr_api_shape(shape, shape_num, "shape", error);
  enum wr_dtype type = wr_api_dtype(dtype, "dtype", error);
  if (with_group(&call, group)) {
    *error =
        wr_recv(&call.base.out, extents, (int)shape_num, type, src, call.group, call.base.stream);
  }
  return end(&call);
}

int mlx_distributed_recv_like(mlx_array *res, const mlx_array x, int src,
                              const mlx_distributed_group group, const mlx_stream s) {
  struct group_call call;
  struct wr_node *node = begin_with(&call, "mlx_distributed_recv_like", res, x, group, s);
  if (node) {
    call.base.error = wr_recv(&call.base.out, wr_node_shape(node), wr_node_ndim(node),
                              wr_node_dtype(node), src, call.group, call.base.stream);
  }
  return end(&call);
}
