/* Groups that end in a reduction over the last axes or in a softmax over the last, as one kernel:
   the row that the operation folds is made while it is folded, and never written. The kernel has
   the operation's own way through a row, with the extents that its input would have, dense and
   aligned, so results are bit for bit those of the two one after the other.

   Rows that a softmax cannot keep in registers, or take by packs, are left to the caller: they are
   read three times, which costs more than writing them once. */

#include "backend/cuda/ops/group.h"

/* The inputs' axes in two parts: those that say which row, and those along a row. */
struct rows {
  struct wr_layout kept;
  struct wr_layout reduced;
};

uint32_t wr_group_row_axes(const struct wr_group *g) {
  const enum wr_op op = (enum wr_op)g->steps[g->n_steps - 1].op;
  const struct wr_tensor *t = &g->in[0];
  const int64_t length = t->size / g->out.size;
  uint32_t axes = 0;
  int64_t n = 1;
  if (wr_op_info(op)->ends_group == WR_ENDS_ROWS) return 1u << (t->ndim - 1);
  for (int d = t->ndim; d-- > 0 && n < length;) {
    n *= t->shape[d];
    axes |= 1u << d;
  }
  return axes;
}

static void rows_of(struct rows *r, const struct wr_group *g) {
  const uint32_t axes = wr_group_row_axes(g);
  int64_t strides[WR_GROUP_INPUTS];
  wr_layout_start(&r->kept, g->n_in);
  wr_layout_start(&r->reduced, g->n_in);
  for (int d = 0; d < g->in[0].ndim; d++) {
    for (int i = 0; i < g->n_in; i++) strides[i] = g->in[i].strides[d];
    wr_layout_push(axes >> d & 1u ? &r->reduced : &r->kept, g->in[0].shape[d], strides);
  }
  wr_layout_end(&r->kept);
  wr_layout_end(&r->reduced);
}

/* The arguments that all kernels of rows have behind the address of the results. */
static void launch_inputs(struct wr_launch *l, const struct wr_group_form *f, struct rows *r) {
  for (int i = 0; i < f->group->n_in; i++) wr_launch_pointer(l, f->group->in[i].data);
  wr_launch_layout(l, &r->kept);
  if (!f->packed) wr_launch_layout(l, &r->reduced);
}

static enum wr_group_way way_of(const struct wr_reduction *cut) {
  if (cut->lanes > 0) return WR_GROUP_SHORT_ROWS;
  if (cut->entry == WR_ENTRY_REDUCE_ROWS_STREAMED) return WR_GROUP_ROWS_BY_TURNS;
  return cut->entry == WR_ENTRY_REDUCE_ROWS_DENSE ? WR_GROUP_ROWS_BY_PACKS : WR_GROUP_ROWS;
}

static struct wr_error *run_reduction(struct wr_run *run, struct wr_group_form *f, struct rows *r,
                                      enum wr_dtype dtype, bool *ran) {
  const int64_t results = r->kept.size, n = r->reduced.size;
  const int64_t item = (int64_t)wr_dtype_size(dtype);
  struct wr_reduction cut;
  struct wr_launch l;
  /* Cut in the same way as the rows of a dense input, so that results have the same bits. */
  wr_reduction_of_rows(&cut, run, results, n, (size_t)item, results == 1 || n * item % 16 == 0);
  f->way = way_of(&cut);
  const wr_cu_function *kernels = wr_group_kernels(run->gpu, f);
  if (!kernels) return NULL;
  struct wr_error *error = wr_reduction_target(&cut, run, dtype, f->group->out.data);
  if (error) return error;
  *ran = true;
  wr_launch_start(&l, wr_group_module(f), 0);
  wr_launch_struct(&l, &cut.target, sizeof cut.target);
  launch_inputs(&l, f, r);
  wr_reduction_grid(&cut, run, &l);
  wr_launch_function(&l, run, kernels[0]);
  return NULL;
}

static void run_softmax(struct wr_run *run, struct wr_group_form *f, struct rows *r,
                        enum wr_dtype dtype, bool *ran) {
  const int64_t rows = r->kept.size, n = r->reduced.size;
  unsigned threads;
  struct wr_launch l;
  const int packs = wr_softmax_packs(n, wr_dtype_size(dtype), &threads);
  if (packs == 0) return;
  f->way = packs == 1 ? WR_GROUP_SOFTMAX_1 : WR_GROUP_SOFTMAX_4;
  const wr_cu_function *kernels = wr_group_kernels(run->gpu, f);
  if (!kernels) return;
  *ran = true;
  wr_launch_start(&l, wr_group_module(f), 0);
  wr_launch_pointer(&l, f->group->out.data);
  launch_inputs(&l, f, r);
  wr_launch_i64(&l, rows);
  wr_launch_i64(&l, n);
  wr_launch_lanes(&l, rows, threads);
  wr_launch_function(&l, run, kernels[0]);
}

struct wr_error *wr_group_run_rows(struct wr_run *run, const struct wr_group *group, bool *ran) {
  const struct wr_group_step *last = &group->steps[group->n_steps - 2], *end = last + 1;
  const enum wr_dtype dtype = (enum wr_dtype)last->dtype;
  const bool reduces = wr_op_info((enum wr_op)end->op)->ends_group == WR_ENDS_REDUCED;
  struct rows r;
  rows_of(&r, group);
  struct wr_group_form form = {.group = group,
                               .way = WR_GROUP_ROWS, /* run_reduction chooses another; the size of
                                                        packs does not depend on it */
                               .big = wr_layout_is_big(&r.kept) || wr_layout_is_big(&r.reduced)};
  form.packed = wr_group_by_packs(group, &r.kept, &r.reduced, wr_group_pack(&form), &form.scalars);
  *ran = false;
  if (reduces) return run_reduction(run, &form, &r, dtype, ran);
  run_softmax(run, &form, &r, dtype, ran);
  return NULL;
}
