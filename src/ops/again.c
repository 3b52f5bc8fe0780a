/* The same operation on other inputs (again.h): each family has a function, beside the rules that
   it shares; leaving one out is a link error. No locks. */

#include "ops/again.h"

#include "backend/backend.h"
#include "base/base.h"
#include "ops/internal.h"

typedef struct wr_error *again(struct wr_node **out, const struct wr_record *like);

static again *const families[WR_OP_COUNT] = {
#define WR_OP(ID, name, family, ...) [WR_OP_##ID] = wr_again_##family,
#include "core/ops.def"
#undef WR_OP
};

/* Of those that have as many entries as there are axes, no more is there. */
static size_t params_bytes(const struct wr_node *node, const struct wr_node *first) {
  const size_t ndim = (size_t)wr_node_ndim(node);
  switch ((int)wr_node_op(node)) {
    case WR_OP_TRANSPOSE:
      return ndim * sizeof((struct wr_axes_params *)NULL)->axes[0];
    case WR_OP_SLICE:
    case WR_OP_SPLIT:
      return ndim * sizeof(struct wr_slice_axis);
    case WR_OP_DIAGONAL:
      return first ? (size_t)wr_node_ndim(first) * sizeof(struct wr_diagonal_axis) : 0;
    case WR_OP_AS_STRIDED:
      return offsetof(struct wr_as_strided_params, strides) + ndim * sizeof(int64_t);
    case WR_OP_CALL:
      return ((const struct wr_call_params *)wr_node_params(node))->callee->params_bytes;
    default:
      return wr_op_info(wr_node_op(node))->params_bytes;
  }
}

struct wr_record wr_ops_record_of(const struct wr_node *node, struct wr_node *const *in, int n_in,
                                  struct wr_stream *s) {
  struct wr_record record = {.op = wr_node_op(node),
                             .dtype = wr_node_dtype(node),
                             .ndim = wr_node_ndim(node),
                             .shape = wr_node_shape(node),
                             .n_in = n_in,
                             .in = in,
                             .params = wr_node_params(node),
                             .stream = s};
  record.params_bytes = params_bytes(node, n_in ? in[0] : NULL);
  record.parts = wr_node_parts(node, &record.n_parts);
  return record;
}

struct wr_error *wr_ops_again(struct wr_node **out, const struct wr_record *like) {
  return families[like->op](out, like);
}

/* The callee alone knows what it makes; it may count on dense inputs. */
struct wr_error *wr_again_call(struct wr_node **out, const struct wr_record *like) {
  struct wr_record dense = *like;
  struct wr_compose c = wr_compose_begin(like->stream);
  struct wr_node *few[4], **in = few;
  if (like->n_in > 4) in = wr_alloc((size_t)like->n_in * sizeof(struct wr_node *));
  if (!in) return wr_error_out_of_memory();
  for (int i = 0; i < like->n_in; i++) in[i] = wr_compose_dense(&c, like->in[i]);
  dense.in = in;
  struct wr_node *r = wr_compose_record(&c, &dense);
  if (in != few) wr_free(in);
  return wr_compose_end(&c, out, r);
}
