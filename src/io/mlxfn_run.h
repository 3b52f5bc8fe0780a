#ifndef WR_IO_MLXFN_RUN_H
#define WR_IO_MLXFN_RUN_H

/* Running what was read from a file of functions: operations are recorded on other arrays. Any
   thread; no locks. */

#include "base/base.h"
#include "graph/node.h"
#include "io/mlxfn.h"
#include "stream/stream.h"

/* Records trace number i on its inputs, constants (nodes, as many as the file has) and streams (as
   many too), and adds the outputs, which are lazy, to the empty list. What does not come out as the
   file says is an error, but where the file is shapeless. */
struct wr_error *wr_fn_run(const struct wr_fn_file *file, uint32_t i, struct wr_node *const *in,
                           struct wr_node *const *constants, struct wr_stream *const *streams,
                           struct wr_ptrs *outputs);

#endif
