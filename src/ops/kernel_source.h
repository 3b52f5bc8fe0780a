#ifndef WR_OPS_KERNEL_SOURCE_H
#define WR_OPS_KERNEL_SOURCE_H

/* What a user's kernel becomes for inputs of certain types: for ops/kernel.c. */

#include "core/kernel_text.h"
#include "ops/kernel.h"

/* The text; and in `params` what each input brings besides its address. */
struct wr_error *wr_ops_kernel_source(struct wr_kernel_params *params,
                                      const struct wr_ops_kernel *kernel,
                                      const struct wr_ops_kernel_call *call,
                                      struct wr_node *const *in);

#endif
