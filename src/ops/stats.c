/* Means, variances and standard deviations: sums divided by the count, and the variance as the mean
   square of the distance from the mean: a command of its own, which reads memory once, where the
   device has a kernel, else composed. All is computed in a type in which sums neither wrap nor
   stop growing, and rounded to the result's once, at the end. No locks. */

#include "backend/backend.h"
#include "graph/trace.h"
#include "ops/internal.h"
#include "stream/stream.h"

/* Over which axes, and how many elements one result is made of. */
struct spread {
  const int *axes;
  int n_axes;
  uint32_t mask;
  double count;
};

static struct wr_error *spread_of(struct spread *s, const struct wr_node *a, const int *axes,
                                  int n_axes) {
  *s = (struct spread){.axes = axes, .n_axes = n_axes, .count = 1};
  struct wr_error *error = wr_ops_axes(axes, n_axes, wr_node_ndim(a), &s->mask);
  if (error) return error;
  for (int i = 0; i < wr_node_ndim(a); i++) {
    if (wr_ops_has_axis(s->mask, i)) s->count *= wr_node_shape(a)[i];
  }
  return NULL;
}

static struct wr_node *mean(struct wr_compose *c, struct wr_node *x, const struct spread *s,
                            bool keepdims) {
  struct wr_node *sum = wr_compose_reduce(c, WR_OP_SUM, x, s->axes, s->n_axes, keepdims);
  if (c->error) return NULL;
  wr_trace_pin(WR_PIN_EXTENTS); /* the divisor, as that of a variance, for which it is made too */
  enum wr_dtype t = wr_node_dtype(sum);
  /* A complex quotient is no better than the product, and takes longer. */
  if (t == WR_COMPLEX64) {
    return wr_compose_binary(c, WR_OP_MULTIPLY, sum, wr_compose_scalar(c, 1.0 / s->count, t));
  }
  return wr_compose_binary(c, WR_OP_DIVIDE, sum, wr_compose_scalar(c, s->count, t));
}

struct wr_error *wr_ops_mean(struct wr_node **out, struct wr_node *a, const int *axes, int n_axes,
                             bool keepdims, struct wr_stream *s) {
  struct spread over;
  struct wr_error *error = spread_of(&over, a, axes, n_axes);
  if (error) return error;
  enum wr_dtype t = wr_node_dtype(a);
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *x = wr_compose_astype(&c, a, wr_variance_type(t));
  struct wr_node *m = mean(&c, x, &over, keepdims);
  return wr_compose_end(&c, out, wr_compose_astype(&c, m, wr_dtype_to_inexact(t)));
}

/* The first element along the axes, which stay as extents of 1. There is one. */
static struct wr_node *first_of(struct wr_compose *c, struct wr_node *a, uint32_t mask) {
  for (int i = 0; i < wr_node_ndim(a); i++) {
    if (!wr_ops_has_axis(mask, i) || c->error) continue;
    a = wr_compose_step(c,
                        wr_ops_slice_axis(wr_compose_slot(c), WR_OP_SLICE, a, i, 0, 1, c->stream));
  }
  return a;
}

/* In the type computed in. Distances are counted from the first element, not from 0, so that equal
   elements have the distance 0 and the variance 0, whatever their sum is rounded to. The distance
   is made anew for each of the two sums, so that each is one pass over `a`. */
static struct wr_node *variance(struct wr_compose *c, struct wr_node *a, const struct spread *s,
                                bool keepdims, int ddof) {
  const enum wr_dtype t = wr_variance_type(wr_node_dtype(a));
  struct wr_node *first = NULL;
  if (s->count > 0) first = wr_compose_astype(c, first_of(c, a, s->mask), t);
  struct wr_node *x[2];
  for (int i = 0; i < 2; i++) {
    x[i] = wr_compose_astype(c, a, t);
    if (first) x[i] = wr_compose_binary(c, WR_OP_SUBTRACT, x[i], first);
  }
  struct wr_node *d = wr_compose_binary(c, WR_OP_SUBTRACT, x[1], mean(c, x[0], s, true));
  if (t == WR_COMPLEX64) d = wr_compose_unary(c, WR_OP_ABS, d);
  d = wr_compose_unary(c, WR_OP_SQUARE, d);
  struct wr_node *sum = wr_compose_reduce(c, WR_OP_SUM, d, s->axes, s->n_axes, keepdims);
  if (c->error) return NULL;
  const double free_count = s->count - ddof;
  struct wr_node *divisor =
      wr_compose_scalar(c, free_count > 0 ? free_count : 0, wr_node_dtype(sum));
  return wr_compose_binary(c, WR_OP_DIVIDE, sum, divisor);
}

/* The type of a variance of elements of type t. */
static enum wr_dtype result_type(enum wr_dtype t) {
  return t == WR_COMPLEX64 ? WR_FLOAT32 : wr_dtype_to_inexact(t);
}

static struct wr_error *record(struct wr_node **out, struct wr_node *a, const struct spread *over,
                               bool keepdims, int ddof, bool root, struct wr_stream *s) {
  const struct wr_variance_params params = {.axes = over->mask, .ddof = ddof, .root = root};
  struct wr_record command = wr_ops_command(WR_OP_VARIANCE, &a, 1, &params, s);
  int32_t shape[WR_MAX_NDIM];
  for (int i = 0; i < wr_node_ndim(a); i++) {
    const bool gone = wr_ops_has_axis(over->mask, i);
    if (!gone || keepdims) shape[command.ndim++] = gone ? 1 : wr_node_shape(a)[i];
  }
  command.dtype = result_type(wr_node_dtype(a));
  command.shape = shape;
  return wr_ops_record(out, &command);
}

/* While it may be differentiated it is composed, since the steps are what has derivatives; so is
   what becomes a file, since MLX has no such operation. Nothing is divided by along no axis, nor of
   no elements. */
static bool has_kernel(const struct wr_node *a, const struct spread *over,
                       const struct wr_stream *s) {
  return over->mask != 0 && wr_node_size(a) > 0 && !wr_trace_derives() && !wr_trace_stores() &&
         wr_stream_backend(s)->supports(WR_OP_VARIANCE, wr_node_dtype(a));
}

/* The root, of a standard deviation, is taken before the result is rounded. */
static struct wr_error *compose(struct wr_node **out, struct wr_node *a, const struct spread *over,
                                bool keepdims, int ddof, bool root, struct wr_stream *s) {
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *v = variance(&c, a, over, keepdims, ddof);
  if (root) v = wr_compose_unary(&c, WR_OP_SQRT, v);
  return wr_compose_end(&c, out, wr_compose_astype(&c, v, result_type(wr_node_dtype(a))));
}

static struct wr_error *var_or_std(struct wr_node **out, struct wr_node *a, const int *axes,
                                   int n_axes, bool keepdims, int ddof, bool root,
                                   struct wr_stream *s) {
  struct spread over;
  struct wr_error *error = spread_of(&over, a, axes, n_axes);
  if (error) return error;
  return (has_kernel(a, &over, s) ? record : compose)(out, a, &over, keepdims, ddof, root, s);
}

struct wr_error *wr_ops_var(struct wr_node **out, struct wr_node *a, const int *axes, int n_axes,
                            bool keepdims, int ddof, struct wr_stream *s) {
  return var_or_std(out, a, axes, n_axes, keepdims, ddof, false, s);
}

struct wr_error *wr_ops_std(struct wr_node **out, struct wr_node *a, const int *axes, int n_axes,
                            bool keepdims, int ddof, struct wr_stream *s) {
  return var_or_std(out, a, axes, n_axes, keepdims, ddof, true, s);
}
