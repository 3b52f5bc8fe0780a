#ifndef WR_BACKEND_CUDA_GROUP_H
#define WR_BACKEND_CUDA_GROUP_H

/* Shared between group.c, group_table.c, group_rows.c and group_source.c: groups as kernels. */

#include "backend/cuda/kernel.h"

/* How a group's kernel goes over its elements. All but the first are for groups that end in a
   reduction or a softmax, whose rows the kernel makes itself and folds as the operation's own
   kernel does (kernels/reduce.cuh, softmax.cuh). */
enum wr_group_way {
  WR_GROUP_EACH, /* element by element: the entries "dense" and "strided" */
  WR_GROUP_ROWS_BY_PACKS,
  WR_GROUP_ROWS,
  WR_GROUP_SHORT_ROWS,
  WR_GROUP_SOFTMAX_1, /* packs in the registers of each thread */
  WR_GROUP_SOFTMAX_4
};

/* What decides over a group's kernel: never extents, and of strides only what is said here. */
struct wr_group_form {
  const struct wr_group *group;
  enum wr_group_way way;
  bool packed;     /* rows: inputs are read by packs, or are the same all along a row */
  bool big;        /* as in a wr_module_id */
  uint8_t scalars; /* packed: a bit for each input that is the same all along a row; a kernel that
                      had to ask would wait for one load before it begins the next */
};

/* Its steps that are elementwise. */
static inline int wr_group_steps(const struct wr_group_form *form) {
  return form->group->n_steps - (form->way != WR_GROUP_EACH);
}

/* ---- group_source.c ---- */

enum { WR_GROUP_TEXT = 16 * 1024 };

/* The form as CUDA source, and what that is to be compiled for. */
void wr_group_source(const struct wr_group_form *form, char text[WR_GROUP_TEXT]);
struct wr_module_id wr_group_module(const struct wr_group_form *form);
/* How many elements are read at a time where inputs are read by packs. */
size_t wr_group_pack(const struct wr_group_form *form);
/* The entry's name; NULL past the last. */
const char *wr_group_entry(enum wr_group_way way, int entry);

/* ---- group_table.c ---- */

enum { WR_GROUP_ENTRIES = 2 };

/* The kernels of the form on this GPU, by their entries; NULL when the group is to run step by
   step. Between enter and leave. */
const wr_cu_function *wr_group_kernels(struct wr_run *run, const struct wr_group_form *form);

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
