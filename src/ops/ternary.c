/* Elementwise selection. Invariant: the three inputs of a recorded node have one shape; the first
   is bool, the others have one dtype. No locks. */

#include "ops/internal.h"

static struct wr_error *common_shape(struct wr_node *condition, struct wr_node *x,
                                     struct wr_node *y, int32_t *shape, int *ndim) {
  int32_t pair[WR_MAX_NDIM];
  int pair_ndim;
  if (!wr_shape_broadcast(wr_node_shape(condition), wr_node_ndim(condition), wr_node_shape(x),
                          wr_node_ndim(x), pair, &pair_ndim)) {
    return wr_ops_broadcast_to_error(condition, wr_node_shape(x), wr_node_ndim(x),
                                     "condition and x");
  }
  if (wr_shape_broadcast(pair, pair_ndim, wr_node_shape(y), wr_node_ndim(y), shape, ndim)) {
    return NULL;
  }
  return wr_ops_broadcast_error(pair, pair_ndim, wr_node_shape(y), wr_node_ndim(y),
                                "condition with x, and y");
}

struct wr_error *wr_ops_where(struct wr_node **out, struct wr_node *condition, struct wr_node *x,
                              struct wr_node *y, struct wr_stream *s) {
  int32_t shape[WR_MAX_NDIM];
  int ndim;
  struct wr_error *error = common_shape(condition, x, y, shape, &ndim);
  if (error) return error;
  enum wr_dtype dtype = wr_dtype_promote(wr_node_dtype(x), wr_node_dtype(y));
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *in[3] = {
      wr_compose_operand(&c, wr_compose_astype(&c, condition, WR_BOOL), ndim, shape),
      wr_compose_operand(&c, wr_compose_astype(&c, x, dtype), ndim, shape),
      wr_compose_operand(&c, wr_compose_astype(&c, y, dtype), ndim, shape)};
  struct wr_record record = {.op = WR_OP_WHERE,
                             .dtype = dtype,
                             .ndim = ndim,
                             .shape = shape,
                             .n_in = 3,
                             .in = in,
                             .stream = s};
  return wr_compose_end(&c, out, wr_compose_record(&c, &record));
}

struct wr_error *wr_again_ternary(struct wr_node **out, const struct wr_record *like) {
  return wr_ops_where(out, like->in[0], like->in[1], like->in[2], like->stream);
}
