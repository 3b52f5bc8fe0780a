/* Elementwise operations and groups of which some inputs are turned, as those of a transpose are:
   element by element such an input is read a whole sector of memory for each element. They go by
   tiles (kernels/turned.cuh) of the axis along which its neighbours lie and the result's last. A
   single operation is compiled for that as a group of one step, so that the modules of operations
   do not have to have such kernels for each choice of inputs. No locks but the table's. */

#include "backend/cuda/ops/group.h"

/* Of fewer elements a cache has all sectors until all of each was read, and a group runs by the
   kernel that it has (group_table.c). */
enum { LEAST_SIDE = 32, LEAST_SIZE = 1 << 16 };
/* With sides of 33 there is a tile of 32 x 32 for 272 elements; a grid has 2^30 blocks. */
static const int64_t most_size = INT64_C(1) << 38;

_Static_assert((int)WR_GROUP_INPUTS < (int)WR_LAYOUT_OPERANDS,
               "a layout holds all inputs and the result");

static bool is_turned(const struct wr_layout *l, int input, int row) {
  const int64_t across = l->strides[input][l->ndim - 1];
  return l->strides[input][row] == 1 && across != 1 && across != 0;
}

/* Another axis than the last, along which neighbours of some input lie; -1: there is none. */
static int turned_axis(const struct wr_layout *l, int inputs) {
  for (int d = l->ndim - 2; d >= 0; d--) {
    for (int i = 0; i < inputs && l->shape[d] >= LEAST_SIDE; i++) {
      if (is_turned(l, i, d)) return d;
    }
  }
  return -1;
}

int wr_group_turn(const struct wr_layout *l, struct wr_group_form *form) {
  const int inputs = form->group->n_in;
  int row = -1, turned = 0;
  const bool large = l->size > LEAST_SIZE && l->size <= most_size;
  if (large && l->shape[l->ndim - 1] >= LEAST_SIDE) row = turned_axis(l, inputs);
  for (int i = 0; i < inputs && row >= 0 && turned < WR_TURNED_MOST; i++) {
    if (!is_turned(l, i, row)) continue;
    form->turned |= (uint8_t)(1u << i);
    turned++;
  }
  return row;
}

static void swap_axes(struct wr_layout *l, int a, int b) {
  const int64_t extent = l->shape[a];
  l->shape[a] = l->shape[b];
  l->shape[b] = extent;
  for (int k = 0; k < l->operands; k++) {
    const int64_t stride = l->strides[k][a];
    l->strides[k][a] = l->strides[k][b];
    l->strides[k][b] = stride;
  }
}

/* Adds the result, which is dense, to the inputs' layout, and brings `row` to the last axis. */
static void layout_by_tiles(struct wr_layout *l, int row) {
  int64_t step = 1;
  for (int d = l->ndim; d-- > 0; step *= l->shape[d]) l->strides[l->operands][d] = step;
  l->operands++;
  for (int d = row; d < l->ndim - 2; d++) swap_axes(l, d, d + 1);
}

void wr_group_run_tiles(struct wr_run *run, const struct wr_group_form *form, struct wr_layout *l,
                        int row, wr_cu_function kernel, void *out) {
  enum { LANES = 32, ROWS = 8 }; /* as the kernel has them */
  const int64_t side = wr_group_tile(form);
  struct wr_launch launch;
  layout_by_tiles(l, row);
  const int64_t rows = l->shape[l->ndim - 2], cols = l->shape[l->ndim - 1];
  const int64_t matrices = l->size / (rows * cols);
  const int64_t tiles = matrices * ((rows + side - 1) / side) * ((cols + side - 1) / side);
  wr_launch_start(&launch, wr_group_module(form), 0);
  wr_launch_pointer(&launch, out);
  for (int i = 0; i < form->group->n_in; i++) wr_group_launch_input(&launch, form->group, i);
  wr_launch_layout(&launch, l);
  wr_launch_blocks(&launch, tiles, 1, LANES);
  launch.block[1] = ROWS;
  wr_launch_function(&launch, run, kernel);
}

bool wr_gpu_by_tiles(struct wr_run *run, const struct wr_call *call, struct wr_layout *l) {
  const struct wr_group_step step = {.op = (uint16_t)call->op,
                                     .dtype = (uint8_t)call->out.dtype,
                                     .n_in = (uint8_t)call->n_in,
                                     .in = {0, 1, 2}};
  const struct wr_group group = {
      .n_in = call->n_in, .n_steps = 1, .in = call->in, .steps = &step, .out = call->out};
  struct wr_group_form form = {.group = &group, .big = wr_layout_is_big(l)};
  const int row = wr_group_turn(l, &form);
  const wr_cu_function *kernels = row >= 0 ? wr_group_kernels(run->gpu, &form) : NULL;
  if (kernels) wr_group_run_tiles(run, &form, l, row, kernels[0], call->out.data);
  return kernels != NULL;
}
