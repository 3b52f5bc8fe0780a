/* Elementwise operations of two inputs. Invariant: both inputs of a recorded node have the result's
   shape (through broadcast views) and one dtype (through casts). No locks. */

#include "ops/internal.h"

static struct wr_error *record(struct wr_node **out, enum wr_op op, enum wr_dtype dtype,
                               struct wr_node *a, struct wr_node *b, struct wr_stream *s) {
  struct wr_node *in[2] = {a, b};
  return wr_node_record(out, &(struct wr_record){.op = op,
                                                 .dtype = dtype,
                                                 .ndim = wr_node_ndim(a),
                                                 .shape = wr_node_shape(a),
                                                 .n_in = 2,
                                                 .in = in,
                                                 .stream = s});
}

static bool same_shape(const struct wr_node *a, const struct wr_node *b) {
  return wr_shape_equal(wr_node_shape(a), wr_node_ndim(a), wr_node_shape(b), wr_node_ndim(b));
}

/* Casts and broadcasts first. */
static struct wr_error *record_mixed(struct wr_node **out, enum wr_op op, struct wr_ops_types types,
                                     struct wr_node *a, struct wr_node *b, struct wr_stream *s) {
  int32_t shape[WR_MAX_NDIM];
  int ndim;
  if (!wr_shape_broadcast(wr_node_shape(a), wr_node_ndim(a), wr_node_shape(b), wr_node_ndim(b),
                          shape, &ndim)) {
    return wr_ops_broadcast_to_error(a, wr_node_shape(b), wr_node_ndim(b), "a and b");
  }
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *x = wr_compose_operand(&c, wr_compose_astype(&c, a, types.compute), ndim, shape);
  struct wr_node *y = wr_compose_operand(&c, wr_compose_astype(&c, b, types.compute), ndim, shape);
  struct wr_node *result = NULL;
  if (!c.error)
    result = wr_compose_step(&c, record(wr_compose_slot(&c), op, types.result, x, y, s));
  return wr_compose_end(&c, out, result);
}

struct wr_error *wr_ops_binary(struct wr_node **out, enum wr_op op, struct wr_node *a,
                               struct wr_node *b, struct wr_stream *s) {
  enum wr_dtype ta = wr_node_dtype(a);
  enum wr_dtype tb = wr_node_dtype(b);
  enum wr_dtype common = ta == tb ? ta : wr_dtype_promote(ta, tb);
  struct wr_ops_types types = wr_ops_types_of(op, common);
  if (!wr_op_takes(op, types.compute)) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "a is %s and b is %s; %s does not support %s",
                        wr_dtype_name(ta), wr_dtype_name(tb), wr_op_info(op)->name,
                        wr_dtype_name(common));
  }
  if (ta == types.compute && tb == types.compute && same_shape(a, b)) {
    return record(out, op, types.result, a, b, s);
  }
  return record_mixed(out, op, types, a, b, s);
}

struct wr_error *wr_again_binary(struct wr_node **out, const struct wr_record *like) {
  return wr_ops_binary(out, like->op, like->in[0], like->in[1], like->stream);
}
