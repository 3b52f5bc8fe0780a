/* Forcing several arrays, and transforms of closures. No locks of its own. */

#include "mlx/c/transforms.h"

#include "api/api.h"
#include "api/closure.h"
#include "graph/trace.h"
#include "mlx/c/transforms_impl.h"
#include "transforms/transforms.h"
#include "weir/stream.h"

static int force(const char *function, mlx_vector_array outputs,
                 struct wr_error *(*eval)(struct wr_node *const *, size_t)) {
  struct wr_error *error = NULL;
  size_t n = 0;
  struct wr_node *const *nodes = wr_api_vector(outputs, "outputs", &n, &error);
  if (!error) error = eval(nodes, n);
  return wr_api_return(function, error);
}

int mlx_eval(const mlx_vector_array outputs) { return force("mlx_eval", outputs, wr_eval); }

/* Inside a transform it is not for what the transform follows. */
static bool is_followed(const struct wr_node *node) {
  const struct wr_trace *trace = wr_trace_current();
  return wr_node_stands_in(node) || (trace && wr_trace_follows(trace, node));
}

static struct wr_error *check_followed(struct wr_node *const *nodes, size_t n) {
  for (size_t i = 0; i < n; i++) {
    if (!is_followed(nodes[i])) continue;
    return wr_error_new(WEIR_ERROR_STATE, "Not allowed inside a graph transformation.");
  }
  return NULL;
}

static struct wr_error *async_eval(struct wr_node *const *nodes, size_t n) {
  struct wr_error *error = check_followed(nodes, n);
  return error ? error : wr_async_eval(nodes, n);
}

static struct wr_error *try_async_eval(struct wr_node *const *nodes, size_t n) {
  struct wr_error *error = check_followed(nodes, n);
  return error ? error : wr_try_async_eval(nodes, n);
}

int mlx_async_eval(const mlx_vector_array outputs) {
  return force("mlx_async_eval", outputs, async_eval);
}

int weir_try_async_eval(const mlx_vector_array outputs) {
  return force("weir_try_async_eval", outputs, try_async_eval);
}

/* ---- derivatives ---- */

typedef struct wr_error *derivative(struct wr_function *, const struct wr_node_list *,
                                    const struct wr_node_list *, struct wr_ptrs *,
                                    struct wr_ptrs *);

static int derive(const char *function, derivative *of, mlx_vector_array *res_0,
                  mlx_vector_array *res_1, mlx_closure fun, mlx_vector_array primals,
                  mlx_vector_array others, const char *what) {
  struct wr_error *error = NULL;
  struct wr_ptrs held[2] = {{0}, {0}};
  struct wr_results results = {0};
  wr_api_result_handle(res_0, WR_KIND_VECTOR_ARRAY, "res_0", &error);
  wr_api_result_handle(res_1, WR_KIND_VECTOR_ARRAY, "res_1", &error);
  struct wr_function *f = wr_api_closure(fun, "fun", &error);
  const struct wr_node_list in = wr_api_hold(&held[0], primals, "primals", &error);
  const struct wr_node_list with = wr_api_hold(&held[1], others, what, &error);
  if (!error) error = of(f, &in, &with, &results.out[0], &results.out[1]);
  wr_api_let_go(held, 2);
  return wr_api_return_lists(function, error, &(struct wr_api_places){.out = {res_0, res_1}},
                             &results);
}

int mlx_vjp(mlx_vector_array *res_0, mlx_vector_array *res_1, const mlx_closure fun,
            const mlx_vector_array primals, const mlx_vector_array cotangents) {
  return derive("mlx_vjp", wr_vjp, res_0, res_1, fun, primals, cotangents, "cotangents");
}

int mlx_jvp(mlx_vector_array *res_0, mlx_vector_array *res_1, const mlx_closure fun,
            const mlx_vector_array primals, const mlx_vector_array tangents) {
  return derive("mlx_jvp", wr_jvp, res_0, res_1, fun, primals, tangents, "tangents");
}

/* ---- functions of functions ---- */

int mlx_value_and_grad(mlx_closure_value_and_grad *res, const mlx_closure fun, const int *argnums,
                       size_t argnums_num) {
  struct wr_error *error = NULL;
  struct wr_function *made = NULL;
  wr_api_result_handle(res, WR_KIND_CLOSURE_VALUE_AND_GRAD, "res", &error);
  struct wr_function *f = wr_api_closure(fun, "fun", &error);
  wr_api_ints(argnums, argnums_num, "argnums", &error);
  if (!error) error = wr_value_and_grad(&made, f, argnums, argnums_num);
  if (!error) error = wr_api_put_value_and_grad(res, made);
  return wr_api_return("mlx_value_and_grad", error);
}

static int give_closure(const char *function, struct wr_error *error, mlx_closure *res,
                        struct wr_function *made) {
  if (!error) error = wr_api_put_closure(res, made);
  return wr_api_return(function, error);
}

int mlx_custom_function(mlx_closure *res, const mlx_closure fun, const mlx_closure_custom fun_vjp,
                        const mlx_closure_custom_jvp fun_jvp,
                        const mlx_closure_custom_vmap fun_vmap) {
  struct wr_error *error = NULL;
  struct wr_function *made = NULL;
  wr_api_result_handle(res, WR_KIND_CLOSURE, "res", &error);
  struct wr_function *f = wr_api_closure(fun, "fun", &error);
  struct wr_function *vjp = wr_api_custom_or_none(fun_vjp, "fun_vjp", &error);
  struct wr_function *jvp = wr_api_custom_jvp_or_none(fun_jvp, "fun_jvp", &error);
  struct wr_function *vmap = wr_api_custom_vmap_or_none(fun_vmap, "fun_vmap", &error);
  if (!error) error = wr_custom_function(&made, f, vjp, jvp, vmap);
  return give_closure("mlx_custom_function", error, res, made);
}

int mlx_custom_vjp(mlx_closure *res, const mlx_closure fun, const mlx_closure_custom fun_vjp) {
  struct wr_error *error = NULL;
  struct wr_function *made = NULL;
  wr_api_result_handle(res, WR_KIND_CLOSURE, "res", &error);
  struct wr_function *f = wr_api_closure(fun, "fun", &error);
  struct wr_function *vjp = wr_api_custom_or_none(fun_vjp, "fun_vjp", &error);
  if (!error) error = wr_custom_function(&made, f, vjp, NULL, NULL);
  return give_closure("mlx_custom_vjp", error, res, made);
}

int mlx_checkpoint(mlx_closure *res, const mlx_closure fun) {
  struct wr_error *error = NULL;
  struct wr_function *made = NULL;
  wr_api_result_handle(res, WR_KIND_CLOSURE, "res", &error);
  struct wr_function *f = wr_api_closure(fun, "fun", &error);
  if (!error) error = wr_checkpoint(&made, f);
  return give_closure("mlx_checkpoint", error, res, made);
}

/* ---- vmap ---- */

int mlx_detail_vmap_trace(mlx_vector_array *res_0, mlx_vector_array *res_1, const mlx_closure fun,
                          const mlx_vector_array inputs, const int *in_axes, size_t in_axes_num) {
  struct wr_error *error = NULL;
  struct wr_ptrs held = {0};
  struct wr_results results = {0};
  wr_api_result_handle(res_0, WR_KIND_VECTOR_ARRAY, "res_0", &error);
  wr_api_result_handle(res_1, WR_KIND_VECTOR_ARRAY, "res_1", &error);
  struct wr_function *f = wr_api_closure(fun, "fun", &error);
  const struct wr_node_list in = wr_api_hold(&held, inputs, "inputs", &error);
  wr_api_ints(in_axes, in_axes_num, "in_axes", &error);
  if (!error) {
    error = wr_vmap_trace(f, &in, in_axes, in_axes_num, &results.out[0], &results.out[1]);
  }
  wr_api_let_go(&held, 1);
  return wr_api_return_lists("mlx_detail_vmap_trace", error,
                             &(struct wr_api_places){.out = {res_0, res_1}}, &results);
}

int mlx_detail_vmap_replace(mlx_vector_array *res, const mlx_vector_array inputs,
                            const mlx_vector_array s_inputs, const mlx_vector_array s_outputs,
                            const int *in_axes, size_t in_axes_num, const int *out_axes,
                            size_t out_axes_num) {
  struct wr_error *error = NULL;
  struct wr_ptrs held[3] = {{0}, {0}, {0}};
  struct wr_results results = {0};
  wr_api_result_handle(res, WR_KIND_VECTOR_ARRAY, "res", &error);
  const struct wr_vmap_lists lists = {
      .inputs = wr_api_hold(&held[0], inputs, "inputs", &error),
      .traced = wr_api_hold(&held[1], s_inputs, "s_inputs", &error),
      .outputs = wr_api_hold(&held[2], s_outputs, "s_outputs", &error),
  };
  wr_api_ints(in_axes, in_axes_num, "in_axes", &error);
  wr_api_ints(out_axes, out_axes_num, "out_axes", &error);
  if (!error) {
    error = wr_vmap_replace(&lists, in_axes, in_axes_num, out_axes, out_axes_num, &results.out[0]);
  }
  wr_api_let_go(held, 3);
  return wr_api_return_lists("mlx_detail_vmap_replace", error,
                             &(struct wr_api_places){.out = {res}}, &results);
}
