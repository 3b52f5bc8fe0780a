#ifndef WR_BACKEND_CUDA_OPS_GROUP_H
#define WR_BACKEND_CUDA_OPS_GROUP_H

/* Shared between group.c and group_rows.c: groups as kernels. */

#include "backend/cuda/ops/internal.h"

/* ---- group.c ---- */

/* True when packs of k elements can be read along all rows: `kept` has where rows begin, `along`
   how they go on. A bit in *scalars for each input that is the same all along a row; 0 when not
   true. */
bool wr_group_by_packs(const struct wr_group *group, const struct wr_layout *kept,
                       const struct wr_layout *along, size_t k, uint8_t *scalars);

/* ---- group_rows.c ---- */

/* Runs a group that ends in a reduction or a softmax as one kernel, and sets *ran; or leaves it to
   the caller, where there is no such kernel. */
struct wr_error *wr_group_run_rows(struct wr_run *run, const struct wr_group *group, bool *ran);
/* The axes that together hold what makes one result, or one row. */
uint32_t wr_group_row_axes(const struct wr_group *group);

#endif
