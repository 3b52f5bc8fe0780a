/* Reductions, statistics and softmax: handles in, one operation, a handle out. Each comes in three
   forms, over all axes, some, or one; the first two become lists of axes. No logic, no locks. */

#include "api/ops_glue.h"
#include "mlx/c/ops.h"

static int reduce(const char *function, enum wr_op op, mlx_array *res, mlx_array a, const int *axes,
                  int n_axes, bool keepdims, mlx_stream s) {
  struct wr_error *error = NULL;
  struct wr_node *out = NULL;
  wr_api_result(res, "res", &error);
  struct wr_node *x = wr_api_array(a, "a", &error);
  if (n_axes > 0) wr_api_ints(axes, (size_t)n_axes, "axes", &error);
  struct wr_stream *stream = wr_api_stream(s, &error);
  if (!error) error = wr_ops_reduce(&out, op, x, axes, n_axes, keepdims, stream);
  return wr_api_finish_array(function, error, res, out);
}

int mlx_all_axes(mlx_array *res, const mlx_array a, const int *axes, size_t axes_num, bool keepdims,
                 const mlx_stream s) {
  return reduce("mlx_all_axes", WR_OP_ALL, res, a, axes, wr_api_count(axes_num), keepdims, s);
}

int mlx_all_axis(mlx_array *res, const mlx_array a, int axis, bool keepdims, const mlx_stream s) {
  return reduce("mlx_all_axis", WR_OP_ALL, res, a, &axis, 1, keepdims, s);
}

int mlx_all(mlx_array *res, const mlx_array a, bool keepdims, const mlx_stream s) {
  return reduce("mlx_all", WR_OP_ALL, res, a, NULL, WR_OPS_ALL_AXES, keepdims, s);
}

int mlx_any_axes(mlx_array *res, const mlx_array a, const int *axes, size_t axes_num, bool keepdims,
                 const mlx_stream s) {
  return reduce("mlx_any_axes", WR_OP_ANY, res, a, axes, wr_api_count(axes_num), keepdims, s);
}

int mlx_any_axis(mlx_array *res, const mlx_array a, int axis, bool keepdims, const mlx_stream s) {
  return reduce("mlx_any_axis", WR_OP_ANY, res, a, &axis, 1, keepdims, s);
}

int mlx_any(mlx_array *res, const mlx_array a, bool keepdims, const mlx_stream s) {
  return reduce("mlx_any", WR_OP_ANY, res, a, NULL, WR_OPS_ALL_AXES, keepdims, s);
}

int mlx_max_axes(mlx_array *res, const mlx_array a, const int *axes, size_t axes_num, bool keepdims,
                 const mlx_stream s) {
  return reduce("mlx_max_axes", WR_OP_MAX, res, a, axes, wr_api_count(axes_num), keepdims, s);
}

int mlx_max_axis(mlx_array *res, const mlx_array a, int axis, bool keepdims, const mlx_stream s) {
  return reduce("mlx_max_axis", WR_OP_MAX, res, a, &axis, 1, keepdims, s);
}

int mlx_max(mlx_array *res, const mlx_array a, bool keepdims, const mlx_stream s) {
  return reduce("mlx_max", WR_OP_MAX, res, a, NULL, WR_OPS_ALL_AXES, keepdims, s);
}

int mlx_min_axes(mlx_array *res, const mlx_array a, const int *axes, size_t axes_num, bool keepdims,
                 const mlx_stream s) {
  return reduce("mlx_min_axes", WR_OP_MIN, res, a, axes, wr_api_count(axes_num), keepdims, s);
}

int mlx_min_axis(mlx_array *res, const mlx_array a, int axis, bool keepdims, const mlx_stream s) {
  return reduce("mlx_min_axis", WR_OP_MIN, res, a, &axis, 1, keepdims, s);
}

int mlx_min(mlx_array *res, const mlx_array a, bool keepdims, const mlx_stream s) {
  return reduce("mlx_min", WR_OP_MIN, res, a, NULL, WR_OPS_ALL_AXES, keepdims, s);
}

int mlx_prod_axes(mlx_array *res, const mlx_array a, const int *axes, size_t axes_num,
                  bool keepdims, const mlx_stream s) {
  return reduce("mlx_prod_axes", WR_OP_PROD, res, a, axes, wr_api_count(axes_num), keepdims, s);
}

int mlx_prod_axis(mlx_array *res, const mlx_array a, int axis, bool keepdims, const mlx_stream s) {
  return reduce("mlx_prod_axis", WR_OP_PROD, res, a, &axis, 1, keepdims, s);
}

int mlx_prod(mlx_array *res, const mlx_array a, bool keepdims, const mlx_stream s) {
  return reduce("mlx_prod", WR_OP_PROD, res, a, NULL, WR_OPS_ALL_AXES, keepdims, s);
}

int mlx_sum_axes(mlx_array *res, const mlx_array a, const int *axes, size_t axes_num, bool keepdims,
                 const mlx_stream s) {
  return reduce("mlx_sum_axes", WR_OP_SUM, res, a, axes, wr_api_count(axes_num), keepdims, s);
}

int mlx_sum_axis(mlx_array *res, const mlx_array a, int axis, bool keepdims, const mlx_stream s) {
  return reduce("mlx_sum_axis", WR_OP_SUM, res, a, &axis, 1, keepdims, s);
}

int mlx_sum(mlx_array *res, const mlx_array a, bool keepdims, const mlx_stream s) {
  return reduce("mlx_sum", WR_OP_SUM, res, a, NULL, WR_OPS_ALL_AXES, keepdims, s);
}

static int arg_reduce(const char *function, enum wr_op op, mlx_array *res, mlx_array a, int axis,
                      bool keepdims, mlx_stream s) {
  struct wr_error *error = NULL;
  struct wr_node *out = NULL;
  wr_api_result(res, "res", &error);
  struct wr_node *x = wr_api_array(a, "a", &error);
  struct wr_stream *stream = wr_api_stream(s, &error);
  if (!error) error = wr_ops_arg_reduce(&out, op, x, axis, keepdims, stream);
  return wr_api_finish_array(function, error, res, out);
}

static int arg_reduce_all(const char *function, enum wr_op op, mlx_array *res, mlx_array a,
                          bool keepdims, mlx_stream s) {
  struct wr_error *error = NULL;
  struct wr_node *out = NULL;
  wr_api_result(res, "res", &error);
  struct wr_node *x = wr_api_array(a, "a", &error);
  struct wr_stream *stream = wr_api_stream(s, &error);
  if (!error) error = wr_ops_arg_reduce_all(&out, op, x, keepdims, stream);
  return wr_api_finish_array(function, error, res, out);
}

int mlx_argmax_axis(mlx_array *res, const mlx_array a, int axis, bool keepdims,
                    const mlx_stream s) {
  return arg_reduce("mlx_argmax_axis", WR_OP_ARGMAX, res, a, axis, keepdims, s);
}

int mlx_argmax(mlx_array *res, const mlx_array a, bool keepdims, const mlx_stream s) {
  return arg_reduce_all("mlx_argmax", WR_OP_ARGMAX, res, a, keepdims, s);
}

int mlx_argmin_axis(mlx_array *res, const mlx_array a, int axis, bool keepdims,
                    const mlx_stream s) {
  return arg_reduce("mlx_argmin_axis", WR_OP_ARGMIN, res, a, axis, keepdims, s);
}

int mlx_argmin(mlx_array *res, const mlx_array a, bool keepdims, const mlx_stream s) {
  return arg_reduce_all("mlx_argmin", WR_OP_ARGMIN, res, a, keepdims, s);
}

typedef struct wr_error *(*over_fn)(struct wr_node **out, struct wr_node *a, const int *axes,
                                    int n_axes, bool keepdims, struct wr_stream *s);

static int over(const char *function, over_fn fn, mlx_array *res, mlx_array a, const int *axes,
                int n_axes, bool keepdims, mlx_stream s) {
  struct wr_error *error = NULL;
  struct wr_node *out = NULL;
  wr_api_result(res, "res", &error);
  struct wr_node *x = wr_api_array(a, "a", &error);
  if (n_axes > 0) wr_api_ints(axes, (size_t)n_axes, "axes", &error);
  struct wr_stream *stream = wr_api_stream(s, &error);
  if (!error) error = fn(&out, x, axes, n_axes, keepdims, stream);
  return wr_api_finish_array(function, error, res, out);
}

int mlx_mean_axes(mlx_array *res, const mlx_array a, const int *axes, size_t axes_num,
                  bool keepdims, const mlx_stream s) {
  return over("mlx_mean_axes", wr_ops_mean, res, a, axes, wr_api_count(axes_num), keepdims, s);
}

int mlx_mean_axis(mlx_array *res, const mlx_array a, int axis, bool keepdims, const mlx_stream s) {
  return over("mlx_mean_axis", wr_ops_mean, res, a, &axis, 1, keepdims, s);
}

int mlx_mean(mlx_array *res, const mlx_array a, bool keepdims, const mlx_stream s) {
  return over("mlx_mean", wr_ops_mean, res, a, NULL, WR_OPS_ALL_AXES, keepdims, s);
}

typedef struct wr_error *(*moment_fn)(struct wr_node **out, struct wr_node *a, const int *axes,
                                      int n_axes, bool keepdims, int ddof, struct wr_stream *s);

static int moment(const char *function, moment_fn fn, mlx_array *res, mlx_array a, const int *axes,
                  int n_axes, bool keepdims, int ddof, mlx_stream s) {
  struct wr_error *error = NULL;
  struct wr_node *out = NULL;
  wr_api_result(res, "res", &error);
  struct wr_node *x = wr_api_array(a, "a", &error);
  if (n_axes > 0) wr_api_ints(axes, (size_t)n_axes, "axes", &error);
  struct wr_stream *stream = wr_api_stream(s, &error);
  if (!error) error = fn(&out, x, axes, n_axes, keepdims, ddof, stream);
  return wr_api_finish_array(function, error, res, out);
}

int mlx_var_axes(mlx_array *res, const mlx_array a, const int *axes, size_t axes_num, bool keepdims,
                 int ddof, const mlx_stream s) {
  return moment("mlx_var_axes", wr_ops_var, res, a, axes, wr_api_count(axes_num), keepdims, ddof,
                s);
}

int mlx_var_axis(mlx_array *res, const mlx_array a, int axis, bool keepdims, int ddof,
                 const mlx_stream s) {
  return moment("mlx_var_axis", wr_ops_var, res, a, &axis, 1, keepdims, ddof, s);
}

int mlx_var(mlx_array *res, const mlx_array a, bool keepdims, int ddof, const mlx_stream s) {
  return moment("mlx_var", wr_ops_var, res, a, NULL, WR_OPS_ALL_AXES, keepdims, ddof, s);
}

int mlx_std_axes(mlx_array *res, const mlx_array a, const int *axes, size_t axes_num, bool keepdims,
                 int ddof, const mlx_stream s) {
  return moment("mlx_std_axes", wr_ops_std, res, a, axes, wr_api_count(axes_num), keepdims, ddof,
                s);
}

int mlx_std_axis(mlx_array *res, const mlx_array a, int axis, bool keepdims, int ddof,
                 const mlx_stream s) {
  return moment("mlx_std_axis", wr_ops_std, res, a, &axis, 1, keepdims, ddof, s);
}

int mlx_std(mlx_array *res, const mlx_array a, bool keepdims, int ddof, const mlx_stream s) {
  return moment("mlx_std", wr_ops_std, res, a, NULL, WR_OPS_ALL_AXES, keepdims, ddof, s);
}

static int softmax_over(const char *function, mlx_array *res, mlx_array a, const int *axes,
                        int n_axes, bool precise, mlx_stream s) {
  struct wr_error *error = NULL;
  struct wr_node *out = NULL;
  wr_api_result(res, "res", &error);
  struct wr_node *x = wr_api_array(a, "a", &error);
  if (n_axes > 0) wr_api_ints(axes, (size_t)n_axes, "axes", &error);
  struct wr_stream *stream = wr_api_stream(s, &error);
  if (!error) error = wr_ops_softmax(&out, x, axes, n_axes, precise, stream);
  return wr_api_finish_array(function, error, res, out);
}

int mlx_softmax_axes(mlx_array *res, const mlx_array a, const int *axes, size_t axes_num,
                     bool precise, const mlx_stream s) {
  return softmax_over("mlx_softmax_axes", res, a, axes, wr_api_count(axes_num), precise, s);
}

int mlx_softmax_axis(mlx_array *res, const mlx_array a, int axis, bool precise,
                     const mlx_stream s) {
  return softmax_over("mlx_softmax_axis", res, a, &axis, 1, precise, s);
}

int mlx_softmax(mlx_array *res, const mlx_array a, bool precise, const mlx_stream s) {
  return softmax_over("mlx_softmax", res, a, NULL, WR_OPS_ALL_AXES, precise, s);
}

int mlx_logsumexp_axes(mlx_array *res, const mlx_array a, const int *axes, size_t axes_num,
                       bool keepdims, const mlx_stream s) {
  return over("mlx_logsumexp_axes", wr_ops_logsumexp, res, a, axes, wr_api_count(axes_num),
              keepdims, s);
}

int mlx_logsumexp_axis(mlx_array *res, const mlx_array a, int axis, bool keepdims,
                       const mlx_stream s) {
  return over("mlx_logsumexp_axis", wr_ops_logsumexp, res, a, &axis, 1, keepdims, s);
}

int mlx_logsumexp(mlx_array *res, const mlx_array a, bool keepdims, const mlx_stream s) {
  return over("mlx_logsumexp", wr_ops_logsumexp, res, a, NULL, WR_OPS_ALL_AXES, keepdims, s);
}
