/* Groups: elementwise operations that run as one kernel, generated from the group (group_source.c).
   A reduction or softmax at the end is folded into the kernel where rows allow it (group_rows.c);
   else it is the operation's own kernel over the group's result in scratch. A group whose kernel is
   not there (group_table.c) runs step by step. Results are bit for bit the same in every way. No
   locks but the table's. */

#include "backend/cuda/ops/group.h"

/* ---- one kernel ---- */

bool wr_group_by_packs(const struct wr_group *g, const struct wr_layout *kept,
                       const struct wr_layout *along, size_t k, uint8_t *scalars) {
  uint8_t same = 0;
  *scalars = 0;
  if (along->ndim > 1) return false;
  for (int i = 0; i < g->n_in; i++) {
    const int64_t stride = along->strides[i][0];
    const size_t item = wr_dtype_size(g->in[i].dtype);
    if (stride == 0) {
      same |= (uint8_t)(1u << i);
    } else if (stride != 1 ||
               !wr_layout_is_aligned(kept, i, g->in[i].data, item, wr_pack_bytes(k, item))) {
      return false;
    }
  }
  *scalars = same;
  return true;
}

/* A key has no place in it. */
static void layout_of_group(struct wr_layout *l, const struct wr_group *g) {
  const struct wr_tensor *like = wr_group_like(g);
  int64_t strides[WR_GROUP_INPUTS];
  wr_layout_start(l, g->n_in);
  for (int d = 0; d < like->ndim; d++) {
    for (int i = 0; i < g->n_in; i++) {
      strides[i] = wr_group_is_key(g, i) ? 0 : g->in[i].strides[d];
    }
    wr_layout_push(l, like->shape[d], strides);
  }
  wr_layout_end(l);
}

/* Of an input that lies on the host: of a single value, or of a key. */
static size_t host_bytes(const struct wr_group *g, int i) {
  return wr_dtype_size(g->in[i].dtype) * (wr_group_is_key(g, i) ? 2 : 1);
}

void wr_group_launch_input(struct wr_launch *l, const struct wr_group *g, int i) {
  if (g->in[i].on_host) {
    wr_launch_struct(l, g->in[i].data, host_bytes(g, i));
  } else {
    wr_launch_pointer(l, g->in[i].data);
  }
}

/* Where a group's elements are, and how its kernel goes over them. */
struct elements {
  struct wr_layout layout;
  int64_t size;
  int64_t pairs_or_size; /* of draws a thread makes two elements */
  size_t k;
  bool dense;
  uint32_t scalars; /* dense: inputs that are single elements */
};

static void elements_of(struct elements *e, const struct wr_group_form *form, const void *out) {
  const struct wr_group *g = form->group;
  const bool draws = wr_group_draws(g);
  const enum wr_dtype to = (enum wr_dtype)g->steps[g->n_steps - 1].dtype;
  uint8_t same;
  struct wr_layout row; /* one of all elements */
  wr_layout_start(&row, g->n_in);
  wr_layout_end(&row);
  e->size = wr_group_like(g)->size;
  e->pairs_or_size = draws ? (e->size + 1) / 2 : e->size;
  e->k = wr_group_pack(form);
  e->dense = (!draws || e->size % (2 * (int64_t)e->k) == 0) &&
             wr_pack_is_aligned(out, e->k, wr_dtype_size(to)) &&
             wr_group_by_packs(g, &row, &e->layout, e->k, &same);
  e->scalars = e->dense ? same : 0;
}

/* Whether the kernel for rows of packs fits, where the one for dense inputs does not. */
static bool has_rows_of_packs(const struct elements *e, const struct wr_group_form *form,
                              const void *out) {
  const struct wr_group *g = form->group;
  const enum wr_dtype to = (enum wr_dtype)g->steps[g->n_steps - 1].dtype;
  bool packs = !e->dense && !wr_group_draws(g) && wr_pack_is_aligned(out, e->k, wr_dtype_size(to));
  for (int i = 0; i < g->n_in && packs; i++) {
    packs = wr_layout_has_packs(&e->layout, i, g->in[i].data, wr_dtype_size(g->in[i].dtype), e->k);
  }
  return packs;
}

static void run_kernel(struct wr_run *run, const struct wr_group_form *form, struct elements *e,
                       const wr_cu_function *kernels, void *out) {
  const struct wr_group *g = form->group;
  struct wr_launch launch;
  wr_launch_start(&launch, wr_group_module(form), 0);
  wr_launch_pointer(&launch, out);
  for (int i = 0; i < g->n_in; i++) wr_group_launch_input(&launch, g, i);
  if (form->packed) wr_layout_by_packs(&e->layout, e->k);
  wr_launch_index(&launch, form->packed ? e->layout.size : e->size);
  if (e->dense) {
    wr_launch_struct(&launch, &e->scalars, sizeof e->scalars);
    wr_launch_packs(&launch, e->pairs_or_size, e->k);
  } else {
    wr_launch_layout(&launch, &e->layout);
    if (form->packed) {
      wr_launch_packs(&launch, e->layout.size, 1);
    } else {
      wr_launch_threads(&launch, run, e->pairs_or_size, 256);
    }
  }
  wr_launch_function(&launch, run, kernels[e->dense || form->packed ? 0 : 1]);
}

/* ---- step by step ---- */

/* Inputs that lie on the host come to scratch; all others are where they were. */
static struct wr_error *bring_inputs(struct wr_run *run, const struct wr_group *g,
                                     struct wr_tensor *in) {
  struct wr_error *error = NULL;
  for (int i = 0; i < g->n_in && !error; i++) {
    in[i] = g->in[i];
    if (!in[i].on_host) continue;
    in[i].on_host = false;
    error = wr_run_scratch(run, host_bytes(g, i), &in[i].data);
    if (!error) error = wr_gpu_put(run, in[i].data, g->in[i].data, host_bytes(g, i));
  }
  return error;
}

/* A dense operand of the group's shape. */
static struct wr_tensor dense_tensor(const struct wr_group *g, const int64_t *strides,
                                     enum wr_dtype dtype, void *data) {
  struct wr_tensor t = *wr_group_like(g);
  t.data = data;
  t.strides = strides;
  t.dtype = dtype;
  t.dense = true;
  t.on_host = false;
  return t;
}

/* Scratch whose last reader was launched. What comes behind that on the stream may write over it.
 */
struct spares {
  void *data[WR_GROUP_LONG];
  size_t item[WR_GROUP_LONG];
  int n;
};

static struct wr_error *take_scratch(struct wr_run *run, struct spares *spares, int64_t size,
                                     size_t item, void **data) {
  int i = spares->n - 1;
  while (i >= 0 && spares->item[i] != item) i--;
  if (i < 0) return wr_run_scratch(run, (size_t)size * item, data);
  *data = spares->data[i];
  spares->n--;
  spares->data[i] = spares->data[spares->n];
  spares->item[i] = spares->item[spares->n];
  return NULL;
}

/* The values that step i reads last, each once. */
static void give_scratch(struct spares *spares, const struct wr_group *g, int i, uint8_t *last,
                         const struct wr_tensor *values) {
  const struct wr_group_step *s = &g->steps[i];
  for (int j = 0; j < s->n_in; j++) {
    const int v = s->in[j] - g->n_in;
    if (v < 0 || last[v] != i) continue;
    last[v] = 0; /* nothing reads a value in the first step */
    spares->data[spares->n] = values[v].data;
    spares->item[spares->n++] = wr_dtype_size(values[v].dtype);
  }
}

static struct wr_error *run_steps(struct wr_run *run, const struct wr_group *g, int n_steps,
                                  const int64_t *strides, void *out) {
  static const struct wr_bits_params bits = {.width = 4};
  struct wr_tensor inputs[WR_GROUP_INPUTS], values[WR_GROUP_LONG];
  uint8_t last[WR_GROUP_LONG] = {0};
  struct spares spares = {.n = 0};
  for (int i = 0; i < n_steps; i++) {
    for (int j = 0; j < g->steps[i].n_in; j++) {
      if (g->steps[i].in[j] >= g->n_in) last[g->steps[i].in[j] - g->n_in] = (uint8_t)i;
    }
  }
  struct wr_error *error = bring_inputs(run, g, inputs);
  for (int i = 0; i < n_steps && !error; i++) {
    const struct wr_group_step *s = &g->steps[i];
    const enum wr_dtype dtype = (enum wr_dtype)s->dtype;
    struct wr_tensor in[WR_GROUP_OPERANDS];
    void *data = out;
    if (i < n_steps - 1) {
      error = take_scratch(run, &spares, wr_group_like(g)->size, wr_dtype_size(dtype), &data);
      if (error) break;
    }
    values[i] = dense_tensor(g, strides, dtype, data);
    for (int j = 0; j < s->n_in; j++) {
      in[j] = s->in[j] < g->n_in ? inputs[s->in[j]] : values[s->in[j] - g->n_in];
    }
    const struct wr_call call = {.op = (enum wr_op)s->op,
                                 .n_in = s->n_in,
                                 .in = in,
                                 .out = values[i],
                                 .params = s->op == WR_OP_RANDOM_BITS ? &bits : NULL};
    error = wr_gpu_kernel_for(call.op)(run, &call);
    give_scratch(&spares, g, i, last, values);
  }
  return error;
}

/* ---- groups ---- */

static uint8_t values_of(const struct wr_group *g) {
  uint8_t values = 0;
  for (int i = 0; i < g->n_in; i++) values |= (uint8_t)((g->in[i].on_host ? 1u : 0u) << i);
  return values;
}

/* What is compiled is planned on dense inputs; a key that comes later may be any view. */
static bool keys_are_dense(const struct wr_group *g) {
  int i = 0;
  while (i < g->n_in && (g->in[i].dense || !wr_group_is_key(g, i))) i++;
  return i == g->n_in;
}

static struct wr_error *run_elementwise(struct wr_run *run, const struct wr_group *g, int n_steps,
                                        const int64_t *strides, void *out) {
  struct wr_group elementwise = *g;
  struct elements e;
  elementwise.n_steps = n_steps;
  layout_of_group(&e.layout, g);
  struct wr_group_form form = {
      .group = &elementwise, .big = wr_layout_is_big(&e.layout), .values = values_of(g)};
  elements_of(&e, &form, out);
  form.packed = has_rows_of_packs(&e, &form, out);
  const int row = wr_group_draws(g) ? -1 : wr_group_turn(&e.layout, &form);
  const wr_cu_function *kernels = keys_are_dense(g) ? wr_group_kernels(run->gpu, &form) : NULL;
  if (!kernels) return run_steps(run, g, n_steps, strides, out);
  if (row >= 0) {
    wr_group_run_tiles(run, &form, &e.layout, row, kernels[0], out);
  } else {
    run_kernel(run, &form, &e, kernels, out);
  }
  return NULL;
}

/* The operation that ends the group, over the group's result in scratch. */
static struct wr_error *run_over_scratch(struct wr_run *run, const struct wr_group *g, int n_steps,
                                         const int64_t *strides) {
  const enum wr_dtype dtype = (enum wr_dtype)g->steps[n_steps - 1].dtype;
  const enum wr_op op = (enum wr_op)g->steps[n_steps].op;
  const bool reduces = wr_op_info(op)->ends_group == WR_ENDS_REDUCED;
  const struct wr_reduce_params reduced = {.axes = wr_group_row_axes(g)};
  void *values;
  struct wr_error *error =
      wr_run_scratch(run, (size_t)g->in[0].size * wr_dtype_size(dtype), &values);
  if (!error) error = run_elementwise(run, g, n_steps, strides, values);
  if (error) return error;
  const struct wr_tensor in = dense_tensor(g, strides, dtype, values);
  const struct wr_call call = {
      .op = op, .n_in = 1, .in = &in, .out = g->out, .params = reduces ? &reduced : NULL};
  return wr_gpu_kernel_for(op)(run, &call);
}

static struct wr_error *run_ended(struct wr_run *run, const struct wr_group *group, int n_steps,
                                  const int64_t *strides) {
  bool ran = false;
  struct wr_error *error = wr_group_run_rows(run, group, &ran);
  return error || ran ? error : run_over_scratch(run, group, n_steps, strides);
}

struct wr_error *wr_gpu_group(struct wr_run *run, const struct wr_group *group) {
  const bool ends = wr_op_info((enum wr_op)group->steps[group->n_steps - 1].op)->ends_group;
  const int n_steps = group->n_steps - ends;
  const struct wr_tensor *like = wr_group_like(group);
  int64_t strides[WR_MAX_NDIM];
  int64_t stride = 1;
  if (group->out.size == 0) return NULL;
  for (int d = like->ndim; d-- > 0;) {
    strides[d] = stride;
    stride *= like->shape[d];
  }
  return ends ? run_ended(run, group, n_steps, strides)
              : run_elementwise(run, group, n_steps, strides, group->out.data);
}
