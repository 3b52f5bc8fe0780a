/* Softmax and logsumexp. The kernels work over the last axis; other axes are composed of reductions
   and elementwise steps with the same formula (subtract the maximum first), as MLX does, complex
   numbers too. No locks. */

#include "ops/internal.h"

/* True when the axes, as they are written, are the last one, after none but axes of extent 1 that
   come just before it: MLX goes over such rows at once and gives a floating type, and on its other
   way, with the same numbers in another order, softmax gives integers. */
static bool is_last_axis(const struct wr_node *a, const int *axes, int n_axes) {
  int ndim = wr_node_ndim(a);
  bool all = n_axes == WR_OPS_ALL_AXES;
  int n = all ? ndim : n_axes;
  if (n == 0) return false;
  int last = all ? ndim - 1 : axes[n - 1];
  if (last != ndim - 1 && last != -1) return false;
  for (int i = 1; i < n; i++) {
    int axis = last - i;
    if (!all && axes[n - 1 - i] != axis) return false;
    if (wr_node_shape(a)[axis < 0 ? axis + ndim : axis] != 1) return false;
  }
  return true;
}

static struct wr_error *softmax_last(struct wr_node **out, struct wr_node *a, bool precise,
                                     struct wr_stream *s) {
  struct wr_softmax_params params = {.precise = precise};
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *x = wr_compose_astype(&c, a, wr_dtype_to_inexact(wr_node_dtype(a)));
  struct wr_node *result = wr_compose_alike(&c, WR_OP_SOFTMAX, x, &params);
  return wr_compose_end(&c, out, result);
}

static struct wr_error *softmax_any(struct wr_node **out, struct wr_node *a, const int *axes,
                                    int n_axes, struct wr_stream *s) {
  enum wr_dtype t = wr_node_dtype(a);
  struct wr_compose c = wr_compose_begin(s);
  /* Rounded once, at the end; `precise` has nothing to add. */
  const bool wide = t == WR_FLOAT64 || t == WR_COMPLEX64;
  struct wr_node *x = wr_compose_astype(&c, a, wide ? t : WR_FLOAT32);
  struct wr_node *max = wr_compose_reduce(&c, WR_OP_MAX, x, axes, n_axes, true);
  struct wr_node *e =
      wr_compose_unary(&c, WR_OP_EXP, wr_compose_binary(&c, WR_OP_SUBTRACT, x, max));
  struct wr_node *sum = wr_compose_reduce(&c, WR_OP_SUM, e, axes, n_axes, true);
  /* Back to the input's type, integers too: so does MLX on this path. */
  struct wr_node *r = wr_compose_astype(&c, wr_compose_binary(&c, WR_OP_DIVIDE, e, sum), t);
  return wr_compose_end(&c, out, r);
}

struct wr_error *wr_ops_softmax(struct wr_node **out, struct wr_node *a, const int *axes,
                                int n_axes, bool precise, struct wr_stream *s) {
  if (wr_node_size(a) == 0) { /* whatever the axes, as in MLX */
    *out = wr_node_retain(a);
    return NULL;
  }
  uint32_t mask;
  struct wr_error *error = wr_ops_axes(axes, n_axes, wr_node_ndim(a), &mask);
  if (error) return error;
  if (wr_node_dtype(a) != WR_COMPLEX64 && is_last_axis(a, axes, n_axes)) {
    return softmax_last(out, a, precise, s);
  }
  return softmax_any(out, a, axes, n_axes, s);
}

/* a with the last axis dropped or kept as 1, and with it those of extent 1 in the mask. */
static struct wr_error *logsumexp_last(struct wr_node **out, struct wr_node *a, uint32_t axes,
                                       bool keepdims, struct wr_stream *s) {
  int32_t shape[WR_MAX_NDIM];
  int ndim = 0;
  for (int i = 0; i < wr_node_ndim(a); i++) {
    bool gone = wr_ops_has_axis(axes, i);
    if (!gone || keepdims) shape[ndim++] = gone ? 1 : wr_node_shape(a)[i];
  }
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *x = wr_compose_astype(&c, a, wr_dtype_to_inexact(wr_node_dtype(a)));
  struct wr_node *result = NULL;
  if (!c.error) {
    struct wr_record record = wr_ops_command_like(WR_OP_LOGSUMEXP, &x, 1, NULL, s);
    record.ndim = ndim;
    record.shape = shape;
    result = wr_compose_record(&c, &record);
  }
  return wr_compose_end(&c, out, result);
}

/* log(sum(exp(a - max))) + max; where the maximum is infinite, it is the answer. */
static struct wr_error *logsumexp_any(struct wr_node **out, struct wr_node *a, const int *axes,
                                      int n_axes, bool keepdims, struct wr_stream *s) {
  const enum wr_dtype t = wr_node_dtype(a);
  const bool wide = t == WR_FLOAT64 || t == WR_COMPLEX64;
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *x = wr_compose_astype(&c, a, wide ? t : WR_FLOAT32);
  struct wr_node *max = wr_compose_reduce(&c, WR_OP_MAX, x, axes, n_axes, true);
  struct wr_node *e =
      wr_compose_unary(&c, WR_OP_EXP, wr_compose_binary(&c, WR_OP_SUBTRACT, x, max));
  struct wr_node *sum = wr_compose_reduce(&c, WR_OP_SUM, e, axes, n_axes, keepdims);
  struct wr_node *log = wr_compose_unary(&c, WR_OP_LOG, sum);
  if (!c.error) {
    max = wr_compose_step(
        &c, wr_ops_reshape(wr_compose_slot(&c), max, wr_node_shape(log), wr_node_ndim(log), s));
  }
  struct wr_node *r = wr_compose_binary(&c, WR_OP_ADD, log, max);
  r = wr_compose_where(&c, wr_compose_unary(&c, WR_OP_ISINF, max), max, r);
  return wr_compose_end(&c, out, wr_compose_astype(&c, r, wr_dtype_to_inexact(t)));
}

struct wr_error *wr_ops_logsumexp(struct wr_node **out, struct wr_node *a, const int *axes,
                                  int n_axes, bool keepdims, struct wr_stream *s) {
  uint32_t mask;
  struct wr_error *error = wr_ops_axes(axes, n_axes, wr_node_ndim(a), &mask);
  if (error) return error;
  if (wr_node_size(a) == 0) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "a with shape %s has no elements",
                        wr_ops_shape_text(a).s);
  }
  if (wr_node_dtype(a) != WR_COMPLEX64 && is_last_axis(a, axes, n_axes)) {
    return logsumexp_last(out, a, mask, keepdims, s);
  }
  return logsumexp_any(out, a, axes, n_axes, keepdims, s);
}

struct wr_error *wr_again_softmax(struct wr_node **out, const struct wr_record *like) {
  struct wr_node *a = like->in[0];
  const int ndim = wr_node_ndim(a), missing = ndim - like->ndim, last = -1;
  if (like->op == WR_OP_SOFTMAX) {
    const struct wr_softmax_params *p = like->params;
    return wr_ops_softmax(out, a, &last, 1, p->precise, like->stream);
  }
  int axes[WR_MAX_NDIM];
  for (int i = 0; i < missing; i++) axes[i] = like->ndim + i;
  return missing > 0 ? wr_ops_logsumexp(out, a, axes, missing, false, like->stream)
                     : wr_ops_logsumexp(out, a, &last, 1, true, like->stream);
}
