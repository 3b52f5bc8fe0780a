/* Means, variances and standard deviations, with MLX's formulas: sums times the inverse of the
   count, variance as the mean square of the distance from the mean. No locks. */

#include "ops/internal.h"

/* Elements that one result is made of. The axes have been checked. */
static double count_over(const struct wr_node *a, uint32_t axes) {
  double count = 1;
  for (int i = 0; i < wr_node_ndim(a); i++) {
    if (wr_ops_has_axis(axes, i)) count *= wr_node_shape(a)[i];
  }
  return count;
}

static struct wr_node *mean(struct wr_compose *c, struct wr_node *a, const int *axes, int n_axes,
                            bool keepdims, double count) {
  enum wr_dtype t = wr_dtype_to_inexact(wr_node_dtype(a));
  struct wr_node *sum = wr_compose_reduce(c, WR_OP_SUM, a, axes, n_axes, keepdims);
  return wr_compose_binary(c, WR_OP_MULTIPLY, sum, wr_compose_scalar(c, 1.0 / count, t));
}

struct wr_error *wr_ops_mean(struct wr_node **out, struct wr_node *a, const int *axes, int n_axes,
                             bool keepdims, struct wr_stream *s) {
  uint32_t mask;
  struct wr_error *error = wr_ops_axes(axes, n_axes, wr_node_ndim(a), &mask);
  if (error) return error;
  struct wr_compose c = wr_compose_begin(s);
  return wr_compose_end(&c, out, mean(&c, a, axes, n_axes, keepdims, count_over(a, mask)));
}

static struct wr_node *variance(struct wr_compose *c, struct wr_node *a, const int *axes,
                                int n_axes, bool keepdims, int ddof, double count) {
  struct wr_node *mu = mean(c, a, axes, n_axes, true, count);
  struct wr_node *d = wr_compose_binary(c, WR_OP_SUBTRACT, a, mu);
  if (wr_node_dtype(a) == WR_COMPLEX64) d = wr_compose_unary(c, WR_OP_ABS, d);
  d = wr_compose_unary(c, WR_OP_SQUARE, d);
  struct wr_node *sum = wr_compose_reduce(c, WR_OP_SUM, d, axes, n_axes, keepdims);
  if (c->error) return NULL;
  enum wr_dtype t = wr_node_dtype(sum);
  if (ddof == 0) {
    return wr_compose_binary(c, WR_OP_MULTIPLY, sum, wr_compose_scalar(c, 1.0 / count, t));
  }
  double free_count = count - ddof;
  struct wr_node *divisor = wr_compose_scalar(c, free_count > 0 ? free_count : 0, t);
  return wr_compose_binary(c, WR_OP_DIVIDE, sum, divisor);
}

struct wr_error *wr_ops_var(struct wr_node **out, struct wr_node *a, const int *axes, int n_axes,
                            bool keepdims, int ddof, struct wr_stream *s) {
  uint32_t mask;
  struct wr_error *error = wr_ops_axes(axes, n_axes, wr_node_ndim(a), &mask);
  if (error) return error;
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *v = variance(&c, a, axes, n_axes, keepdims, ddof, count_over(a, mask));
  return wr_compose_end(&c, out, v);
}

struct wr_error *wr_ops_std(struct wr_node **out, struct wr_node *a, const int *axes, int n_axes,
                            bool keepdims, int ddof, struct wr_stream *s) {
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node **slot = wr_compose_slot(&c);
  struct wr_node *v = wr_compose_step(&c, wr_ops_var(slot, a, axes, n_axes, keepdims, ddof, s));
  return wr_compose_end(&c, out, wr_compose_unary(&c, WR_OP_SQRT, v));
}
