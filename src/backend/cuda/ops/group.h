#ifndef WR_BACKEND_CUDA_OPS_GROUP_H
#define WR_BACKEND_CUDA_OPS_GROUP_H

/* Shared between group.c, group_rows.c and group_turned.c: groups as kernels. */

#include "backend/cuda/ops/internal.h"

/* ---- group.c ---- */

/* True when all inputs can be read in packs of k elements along their rows; `kept` says where rows
   begin and `along` how they go on. Then *scalars has a bit for each input that has one value all
   along a row; else it is 0. */
bool wr_group_by_packs(const struct wr_group *group, const struct wr_layout *kept,
                       const struct wr_layout *along, size_t k, uint8_t *scalars);

/* The argument of input i of a kernel: where it lies, or its value. */
void wr_group_launch_input(struct wr_launch *launch, const struct wr_group *group, int i);

/* ---- group_turned.c ---- */

/* Chooses the inputs of the layout that are to be read by tiles, as bits of form->turned, and
   returns the axis of tiles that is not the last; -1: none is. */
int wr_group_turn(const struct wr_layout *layout, struct wr_group_form *form);
/* Launches the kernel of such a form; the layout is its own then. */
void wr_group_run_tiles(struct wr_run *run, const struct wr_group_form *form,
                        struct wr_layout *layout, int row, wr_cu_function kernel, void *out);

/* ---- group_rows.c ---- */

/* Runs a group that ends in a reduction or a softmax as one kernel, and sets *ran; or leaves it to
   the caller, where there is no such kernel. */
struct wr_error *wr_group_run_rows(struct wr_run *run, const struct wr_group *group, bool *ran);
/* The axes that together hold what makes one result, or one row. */
uint32_t wr_group_row_axes(const struct wr_group *group);

#endif
