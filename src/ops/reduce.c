/* Reductions. A kernel node is recorded with its final shape: reduced axes kept as 1 or dropped,
   the data is the same. Invariant: the input of a recorded node has the type that the result is
   made in. Axes that all have extent 1 need no kernel. No locks. */

#include "ops/internal.h"

struct reduction {
  uint32_t axes;
  int ndim;     /* of the result */
  bool is_noop; /* only extents of 1 go */
  int32_t shape[WR_MAX_NDIM];
};

static struct reduction reduced_shape(const struct wr_node *a, uint32_t axes, bool keepdims) {
  struct reduction r = {.axes = axes, .is_noop = true};
  const int32_t *shape = wr_node_shape(a);
  for (int i = 0; i < wr_node_ndim(a); i++) {
    bool gone = wr_ops_has_axis(axes, i);
    if (gone && shape[i] != 1) r.is_noop = false;
    if (!gone || keepdims) r.shape[r.ndim++] = gone ? 1 : shape[i];
  }
  return r;
}

/* The greatest or least of no elements does not exist. */
static struct wr_error *check_not_empty(enum wr_op op, const struct wr_node *a, uint32_t axes) {
  if (op != WR_OP_MAX && op != WR_OP_MIN) return NULL;
  if (axes == 0 && wr_node_size(a) == 0) { /* as in MLX 0.31, though there is nothing to go over */
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "Cannot %s reduce zero size array. It is a.",
                        wr_op_info(op)->name);
  }
  for (int i = 0; i < wr_node_ndim(a); i++) {
    if (wr_ops_has_axis(axes, i) && wr_node_shape(a)[i] == 0) {
      return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                          "a with shape %s has no elements along axis %d", wr_ops_shape_text(a).s,
                          i);
    }
  }
  return NULL;
}

static struct wr_error *record(struct wr_node **out, enum wr_op op, struct wr_node *a,
                               enum wr_dtype dtype, const struct reduction *r, const void *params,
                               struct wr_stream *s) {
  struct wr_record record = wr_ops_command(op, &a, 1, params, s);
  record.dtype = dtype;
  record.ndim = r->ndim;
  record.shape = r->shape;
  return wr_ops_record(out, &record);
}

struct wr_error *wr_ops_reduce(struct wr_node **out, enum wr_op op, struct wr_node *a,
                               const int *axes, int n_axes, bool keepdims, struct wr_stream *s) {
  uint32_t mask;
  struct wr_error *error = wr_ops_axes(axes, n_axes, wr_node_ndim(a), &mask);
  if (!error) error = check_not_empty(op, a, mask);
  if (error) return error;
  /* MLX leaves these as they are, narrow integers too, when there is no axis to go over. */
  if (mask == 0 && (op == WR_OP_SUM || op == WR_OP_PROD)) {
    *out = wr_node_retain(a);
    return NULL;
  }
  struct reduction r = reduced_shape(a, mask, keepdims);
  struct wr_reduce_params params = {.axes = r.axes};
  struct wr_ops_types types = wr_ops_types_of(op, wr_node_dtype(a));
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *x =
      r.is_noop ? wr_compose_astype(&c, a, types.compute) : wr_compose_widen(&c, a, types.compute);
  struct wr_node *result = NULL;
  if (!c.error) {
    struct wr_node **slot = wr_compose_slot(&c);
    result = wr_compose_step(&c, r.is_noop ? wr_ops_reshape(slot, x, r.shape, r.ndim, s)
                                           : record(slot, op, x, types.result, &r, &params, s));
  }
  return wr_compose_end(&c, out, result);
}

static struct wr_error *record_arg(struct wr_node **out, enum wr_op op, struct wr_node *a, int axis,
                                   const struct reduction *r, struct wr_stream *s) {
  if (wr_node_size(a) == 0) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "a with shape %s has no elements",
                        wr_ops_shape_text(a).s);
  }
  /* Along an axis they always have a number. */
  if (axis < 0 && wr_node_size(a) > INT64_C(1) << 32) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                        "a with shape %s has more elements than uint32 can number",
                        wr_ops_shape_text(a).s);
  }
  struct wr_axis_params params = {.axis = axis};
  return record(out, op, a, WR_UINT32, r, &params, s);
}

struct wr_error *wr_ops_arg_reduce(struct wr_node **out, enum wr_op op, struct wr_node *a, int axis,
                                   bool keepdims, struct wr_stream *s) {
  int normal;
  struct wr_error *error = wr_ops_axis("axis", axis, wr_node_ndim(a), &normal);
  if (error) return error;
  struct reduction r = reduced_shape(a, UINT32_C(1) << normal, keepdims);
  return record_arg(out, op, a, normal, &r, s);
}

struct wr_error *wr_ops_arg_reduce_all(struct wr_node **out, enum wr_op op, struct wr_node *a,
                                       bool keepdims, struct wr_stream *s) {
  struct reduction r = reduced_shape(a, UINT32_MAX, keepdims);
  return record_arg(out, op, a, -1, &r, s);
}

struct wr_error *wr_again_reduce(struct wr_node **out, const struct wr_record *like) {
  struct wr_node *a = like->in[0];
  const bool keepdims = like->ndim == wr_node_ndim(a);
  if (like->op == WR_OP_ARGMAX || like->op == WR_OP_ARGMIN) {
    const int axis = ((const struct wr_axis_params *)like->params)->axis;
    if (axis < 0) return wr_ops_arg_reduce_all(out, like->op, a, keepdims, like->stream);
    return wr_ops_arg_reduce(out, like->op, a, axis, keepdims, like->stream);
  }
  const struct wr_variance_params *variance = like->op == WR_OP_VARIANCE ? like->params : NULL;
  const uint32_t mask =
      variance ? variance->axes : ((const struct wr_reduce_params *)like->params)->axes;
  int axes[WR_MAX_NDIM], n = 0;
  for (int i = 0; i < WR_MAX_NDIM; i++) {
    if (wr_ops_has_axis(mask, i)) axes[n++] = i;
  }
  if (variance) {
    return (variance->root ? wr_ops_std : wr_ops_var)(out, a, axes, n, keepdims, variance->ddof,
                                                      like->stream);
  }
  return wr_ops_reduce(out, like->op, a, axes, n, keepdims, like->stream);
}
