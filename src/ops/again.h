#ifndef WR_OPS_AGAIN_H
#define WR_OPS_AGAIN_H

/* The same operation on other inputs: what a replay, a rule of vmap, or a reader of a file of
   functions needs of each operation. Any thread may call these; no locks. */

#include "graph/node.h"

/* What the node was recorded from: operation, dtype, shape, parameters, results in parts. Inputs
   and stream are as given; as many inputs as the node had, and where they are others, the first has
   as many axes as its. All else belongs to the node. */
struct wr_record wr_ops_record_of(const struct wr_node *node, struct wr_node *const *in, int n_in,
                                  struct wr_stream *s);

/* Records the operation and parameters of `like` on its inputs and stream. The inputs are such as
   the operation itself is recorded on: elementwise ones are cast and broadcast to each other anew,
   others have the dtypes that they had, and may have other extents; how they lie in memory does not
   matter. The result's dtype and shape follow from inputs and parameters where the operation says
   them. Else they are those of `like`: the dtype of WR_RULE_GIVEN, the shape of ARANGE, AS_STRIDED,
   BROADCAST_TO, CALL, KERNEL, RANDOM_BITS, RESHAPE, SLICE, SPLIT, of VIEW on the bytes of QUANTIZE,
   the diagonal's extent, the slices' extents of a GATHER that drops no axes. Reductions keep their
   axes where `like` has as many as the input; so does LOGSUMEXP, which goes over as many of the
   last axes as are missing. An operation with results in parts gives the bytes, of which PART makes
   views; so does QUANTIZE. What does not fit is an error, without the operation's name. The result
   is a new node or, where nothing is to be done, an input; the caller owns it. DATA and PLACEHOLDER
   have no inputs, and are an error. */
struct wr_error *wr_ops_again(struct wr_node **out, const struct wr_record *like);

#endif
