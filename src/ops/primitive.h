#ifndef WR_OPS_PRIMITIVE_H
#define WR_OPS_PRIMITIVE_H

/* What MLX calls an operation with these parameters, or any where they are NULL: "Add", "CumSum",
   "Reshape". No locks. */

#include "core/op.h"

const char *wr_ops_primitive(enum wr_op op, const void *params);

#endif
