#ifndef WR_BACKEND_CUDA_OPS_GROUP_H
#define WR_BACKEND_CUDA_OPS_GROUP_H

/* Shared between group.c and group_rows.c: groups as kernels. */

#include "backend/cuda/ops/internal.h"

/* ---- group.c ---- */

/* True when all inputs can be read in packs of k elements along their rows; `kept` says where rows
   begin and `along` how they go on. Then *scalars has a bit for each input that has one value all
   along a row; else it is 0. */
bool wr_group_by_packs(const struct wr_group *group, const struct wr_layout *kept,
                       const struct wr_layout *along, size_t k, uint8_t *scalars);

/* ---- group_rows.c ---- */

/* Runs a group that ends in a reduction or a softmax as one kernel, and sets *ran; or leaves it to
   the caller, where there is no such kernel. */
struct wr_error *wr_group_run_rows(struct wr_run *run, const struct wr_group *group, bool *ran);
/* The axes that together hold what makes one result, or one row. */
uint32_t wr_group_row_axes(const struct wr_group *group);

#endif
