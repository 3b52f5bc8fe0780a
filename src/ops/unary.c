/* Elementwise operations of one input: the row in ops.def gives the types. No locks. */

#include <math.h>

#include "ops/internal.h"

static struct wr_error *refuse(enum wr_op op, enum wr_dtype t) {
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "a is %s, which %s does not support%s",
                      wr_dtype_name(t), wr_op_info(op)->name,
                      op == WR_OP_NEGATIVE ? "; use logical_not" : "");
}

struct wr_error *wr_ops_unary(struct wr_node **out, enum wr_op op, struct wr_node *a,
                              struct wr_stream *s) {
  enum wr_dtype t = wr_node_dtype(a);
  struct wr_ops_types types = wr_ops_types_of(op, t);
  if (!wr_op_takes(op, types.compute)) return refuse(op, t);
  if (types.compute == t) return wr_ops_record_like(out, op, a, types.result, s);
  struct wr_node *cast;
  struct wr_error *error = wr_ops_astype(&cast, a, types.compute, s);
  if (error) return error;
  error = wr_ops_record_like(out, op, cast, types.result, s);
  wr_node_release(cast);
  return error;
}

struct wr_error *wr_ops_round(struct wr_node **out, struct wr_node *a, int decimals,
                              struct wr_stream *s) {
  if (decimals == 0) return wr_ops_unary(out, WR_OP_ROUND, a, s);
  enum wr_dtype t = wr_node_dtype(a);
  enum wr_dtype inexact = wr_dtype_to_inexact(t);
  float scale = (float)pow(10, decimals);
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *up = wr_compose_scalar(&c, scale, inexact);
  struct wr_node *down = wr_compose_scalar(&c, 1 / scale, inexact);
  struct wr_node *r = wr_compose_binary(&c, WR_OP_MULTIPLY, a, up);
  r = wr_compose_unary(&c, WR_OP_ROUND, r);
  r = wr_compose_binary(&c, WR_OP_MULTIPLY, r, down);
  return wr_compose_end(&c, out, wr_compose_astype(&c, r, t));
}
