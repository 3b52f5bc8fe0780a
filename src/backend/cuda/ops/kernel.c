/* Kernels of the user's: arguments as the generated function declares them (ops/kernel_source.c),
   and as many blocks as hold all threads. What the driver would refuse at the launch is an error
   here, so that it fails this command alone. */

#include <string.h>

#include "backend/cuda/ops/internal.h"

/* An input's extents and strides, as the kernel gets them; the rest is 0. */
struct facts {
  int32_t shape[WR_KERNEL_NDIM];
  int64_t strides[WR_KERNEL_NDIM];
  int32_t ndim;
};

static void facts_of(struct facts *f, const struct wr_tensor *t) {
  const size_t n = (size_t)(t->ndim < WR_KERNEL_NDIM ? t->ndim : WR_KERNEL_NDIM);
  *f = (struct facts){.ndim = t->ndim};
  if (n == 0) return;
  memcpy(f->shape, t->shape, n * sizeof *f->shape);
  memcpy(f->strides, t->strides, n * sizeof *f->strides);
}

static bool has(uint64_t bits, int i) { return (bits >> i & 1) != 0; }

static void add_arguments(struct wr_launch *l, struct facts *facts, const struct wr_call *call) {
  const struct wr_kernel_params *params = call->params;
  for (int i = 0; i < call->n_in; i++) {
    facts_of(&facts[i], &call->in[i]);
    wr_launch_pointer(l, call->in[i].data);
    if (has(params->shapes, i)) wr_launch_struct(l, facts[i].shape, sizeof facts[i].shape);
    if (has(params->strides, i)) wr_launch_struct(l, facts[i].strides, sizeof facts[i].strides);
    if (has(params->ndims, i)) wr_launch_struct(l, &facts[i].ndim, sizeof facts[i].ndim);
  }
  for (int i = 0; i < call->n_parts; i++) wr_launch_pointer(l, wr_call_part(call, i));
}

/* Fills with one value, by the kernel of arange: element i is start + i * 0. */
static struct wr_error *fill(struct wr_run *run, const struct wr_call *call, float value) {
  const struct wr_arange_params params = {.start = (double)value};
  struct wr_error *error = NULL;
  for (int i = 0; i < call->n_parts && !error; i++) {
    const struct wr_part *part = &call->parts[i];
    struct wr_call all = {.op = WR_OP_ARANGE, .params = &params};
    all.out = (struct wr_tensor){.data = wr_call_part(call, i),
                                 .shape = part->shape,
                                 .size = 1,
                                 .dtype = part->dtype,
                                 .ndim = part->ndim,
                                 .dense = true};
    for (int d = 0; d < part->ndim; d++) all.out.size *= part->shape[d];
    if (all.out.size > 0) error = wr_gpu_arange(run, &all);
  }
  return error;
}

/* False when there are more blocks than a grid has. */
static bool set_grid(struct wr_launch *l, const struct wr_kernel_params *params) {
  static const int64_t most[3] = {INT32_MAX, UINT16_MAX, UINT16_MAX};
  bool fits = true;
  for (int i = 0; i < 3; i++) {
    const int64_t threads = params->grid[i], group = params->block[i];
    const int64_t blocks = (threads + group - 1) / group;
    l->grid[i] = (unsigned)blocks;
    l->block[i] = (unsigned)(group < threads ? group : threads);
    fits = fits && blocks <= most[i];
  }
  return fits;
}

/* The driver reads as many arguments as the function has, of their sizes, and the text may come
   from a file, where another list stands than the one that is made here. */
static struct wr_error *check_parameters(struct wr_run *run, wr_cu_function function,
                                         const struct wr_launch *l, const char *name) {
  for (int i = 0; i <= l->n; i++) {
    size_t at, bytes = 0;
    const wr_cu_result result = wr_cu->function_parameter(function, (size_t)i, &at, &bytes);
    const bool exists = result == WR_CU_SUCCESS;
    if (!exists && result != WR_CU_INVALID_VALUE) {
      return wr_gpu_result(run->gpu, result, "cuFuncGetParamInfo");
    }
    if (exists != (i < l->n) || (exists && bytes != l->sizes[i])) {
      return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                          "%s has other parameters than its arrays need", name);
    }
  }
  return NULL;
}

static struct wr_error *launch(struct wr_run *run, const struct wr_call *call) {
  const struct wr_kernel_params *params = call->params;
  struct facts facts[WR_KERNEL_ARGUMENTS];
  struct wr_launch l;
  wr_cu_function function;
  unsigned most;
  struct wr_error *error =
      wr_kernel_find_users(run->gpu, params->text, params->shared_bytes, &function, &most);
  if (error) return error;
  wr_launch_start(&l, (struct wr_module_id){0}, 0);
  add_arguments(&l, facts, call);
  error = check_parameters(run, function, &l, params->text->entry);
  if (error) return error;
  l.shared_bytes = params->shared_bytes;
  if (!set_grid(&l, params)) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                        "%s has a grid of (%u, %u, %u) blocks, which is more than a GPU can count",
                        params->text->entry, l.grid[0], l.grid[1], l.grid[2]);
  }
  if (l.block[0] * l.block[1] * l.block[2] > most) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                        "%s may have %u threads in a group at most, not (%u, %u, %u)",
                        params->text->entry, most, l.block[0], l.block[1], l.block[2]);
  }
  wr_launch_function(&l, run, function);
  return NULL;
}

struct wr_error *wr_gpu_users_kernel(struct wr_run *run, const struct wr_call *call) {
  const struct wr_kernel_params *params = call->params;
  struct wr_error *error = params->begins ? fill(run, call, params->value) : NULL;
  const bool any = params->grid[0] && params->grid[1] && params->grid[2];
  return error || !any ? error : launch(run, call);
}
