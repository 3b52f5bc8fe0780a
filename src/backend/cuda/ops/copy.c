/* Kernels that move elements: copies between dtypes and layouts, concatenation, writing into a
   slice, and arange. A source may have any strides; where a part of the result is written, that
   part is a view. */

#include "backend/cuda/ops/internal.h"

enum { TILE = 32 };

static struct wr_module_id copy_id(enum wr_dtype dtype, bool big) {
  const uint8_t type = (uint8_t)wr_dtype_of_size(dtype);
  return (struct wr_module_id){WR_SOURCE_COPY, WR_OP_COPY, type, type, big, 0};
}

static struct wr_module_id update_id(enum wr_op by, enum wr_dtype dtype, bool big) {
  return (struct wr_module_id){WR_SOURCE_UPDATE, (uint8_t)by, (uint8_t)dtype,
                               (uint8_t)dtype,   big,         0};
}

/* ---- turned ---- */

/* The axis whose elements lie side by side, where that is not the last. Then elements are copied
   tile by tile of that axis and the last, so that neighbouring threads read, and write,
   neighbouring elements. -1: elements are copied as they come. */
static int turned_axis(const struct wr_tensor *t) {
  const int col = t->ndim - 1;
  if (t->ndim < 2 || t->shape[col] < TILE || t->strides[col] == 1 || t->strides[col] == 0)
    return -1;
  int row = col - 1;
  while (row >= 0 && !(t->strides[row] == 1 && t->shape[row] >= TILE)) row--;
  return row;
}

/* All axes but those two: where they are read, and in the dense result. */
static void matrices_of(struct wr_layout *l, const struct wr_tensor *t, int row, int64_t *down) {
  int64_t dense[WR_MAX_NDIM];
  int64_t step = 1;
  *down = 1;
  for (int d = t->ndim; d-- > 0; step *= t->shape[d]) {
    dense[d] = step;
    if (d == row) *down = step;
  }
  wr_layout_start(l, 2);
  for (int d = 0; d < t->ndim - 1; d++) {
    if (d != row) wr_layout_push(l, t->shape[d], (const int64_t[]){t->strides[d], dense[d]});
  }
  wr_layout_end(l);
}

static struct wr_error *transpose(struct wr_run *run, const struct wr_tensor *in, int row,
                                  void *out) {
  /* As the kernel has them. */
  enum { LANES = 32, ROWS = 8, MOST = 65535 };
  const int64_t turn = wr_dtype_size(in->dtype) <= 4 ? 64 : 32;
  struct wr_layout matrices;
  struct wr_launch launch;
  int64_t down;
  const int64_t rows = in->shape[row], cols = in->shape[in->ndim - 1];
  matrices_of(&matrices, in, row, &down);
  wr_launch_start(&launch, copy_id(in->dtype, wr_layout_is_big(&matrices)), WR_ENTRY_COPY_TURN);
  wr_launch_pointer(&launch, out);
  wr_launch_pointer(&launch, in->data);
  wr_launch_i64(&launch, rows);
  wr_launch_i64(&launch, cols);
  wr_launch_i64(&launch, in->strides[in->ndim - 1]);
  wr_launch_i64(&launch, down);
  wr_launch_i64(&launch, matrices.size);
  wr_launch_layout(&launch, &matrices);
  wr_launch_blocks(&launch, (cols + turn - 1) / turn, (rows + turn - 1) / turn, LANES);
  launch.block[1] = ROWS;
  launch.grid[2] = (unsigned)(matrices.size < MOST ? matrices.size : MOST);
  return wr_launch(&launch, run);
}

/* ---- long rows ---- */

/* As the kernels have them. A shorter row would leave a thread fewer than two reads at a time. */
enum { THREADS = 256, AHEAD = 4, LONG_ROW = THREADS * AHEAD };
struct runs {
  int64_t n;
  int64_t runs;
  int64_t per;
};

/* A run is a whole number of warps. */
static struct runs runs_of(int64_t n) {
  enum { WARP = 32 };
  const int64_t runs = (n + THREADS * AHEAD - 1) / (THREADS * AHEAD);
  const int64_t per = ((n + runs - 1) / runs + WARP - 1) / WARP * WARP;
  return (struct runs){n, (n + per - 1) / per, per};
}

/* Begins the end of such a launch: r stays until that. */
static void launch_runs(struct wr_launch *l, int64_t rows, const struct runs *r) {
  wr_launch_index(l, rows);
  wr_launch_struct(l, r, sizeof *r);
  wr_launch_blocks(l, rows * r->runs, 1, THREADS);
}

/* What wr_layout_of made of an array, and as a second operand where it goes in a dense one. */
static void add_dense(struct wr_layout *l) {
  int64_t step = 1;
  l->operands = 2;
  for (int d = l->ndim; d-- > 0; step *= l->shape[d]) l->strides[1][d] = step;
}

static struct wr_error *copy_rows(struct wr_run *run, struct wr_layout *l, struct wr_module_id id,
                                  bool packs, const void *from, void *to) {
  struct wr_launch launch;
  const struct runs runs = runs_of(l->shape[l->ndim - 1]);
  if (l->operands == 1) add_dense(l);
  wr_launch_start(&launch, id, packs ? WR_ENTRY_COPY_PASTE_ROWS_PACKS : WR_ENTRY_COPY_PASTE_ROWS);
  wr_launch_pointer(&launch, to);
  wr_launch_pointer(&launch, from);
  launch_runs(&launch, l->size / runs.n, &runs);
  wr_launch_layout(&launch, l);
  return wr_launch(&launch, run);
}

/* ---- as they come ---- */

/* Makes elements of the innermost axis one pack of 16 bytes, where all operands allow that. False:
   they do not. */
static bool by_packs(struct wr_layout *l, size_t item, const void *to, const void *from) {
  const int64_t pack = 16 / (int64_t)item;
  const int last = l->ndim - 1;
  bool whole = l->shape[last] % pack == 0 && wr_aligned(to, 16) && wr_aligned(from, 16);
  for (int k = 0; k < l->operands; k++) {
    whole = whole && l->strides[k][last] == 1;
    for (int d = 0; d < last; d++) whole = whole && l->strides[k][d] % pack == 0;
  }
  if (!whole) return false;
  l->shape[last] /= pack;
  l->size /= pack;
  for (int k = 0; k < l->operands; k++) {
    for (int d = 0; d < last; d++) l->strides[k][d] /= pack;
  }
  return true;
}

/* An array into a dense result, or, where the layout has two operands, into a view. */
static struct wr_error *copy(struct wr_run *run, struct wr_layout *l, enum wr_dtype dtype,
                             const void *from, void *to) {
  struct wr_launch launch;
  const struct wr_module_id id = copy_id(dtype, wr_layout_is_big(l));
  const bool packs = by_packs(l, wr_dtype_size(dtype), to, from);
  if (l->shape[l->ndim - 1] >= LONG_ROW) return copy_rows(run, l, id, packs, from, to);
  wr_launch_start(&launch, id,
                  l->operands == 1 ? packs ? WR_ENTRY_COPY_STRIDED_PACKS : WR_ENTRY_COPY_STRIDED
                  : packs          ? WR_ENTRY_COPY_PASTE_PACKS
                                   : WR_ENTRY_COPY_PASTE);
  wr_launch_pointer(&launch, to);
  wr_launch_pointer(&launch, from);
  return wr_launch_elements(&launch, run, l->size, 0, l);
}

static struct wr_error *copy_strided(struct wr_run *run, const struct wr_tensor *in, void *out,
                                     bool held) {
  struct wr_layout layout;
  wr_layout_of(&layout, in, wr_layout_all(in));
  if (!held && wr_layout_is_dense(&layout)) {
    return wr_run_copy(run, out, in->data, (size_t)in->size * wr_dtype_size(in->dtype));
  }
  return copy(run, &layout, in->dtype, in->data, out);
}

static struct wr_error *convert(struct wr_run *run, const struct wr_tensor *t, enum wr_dtype to,
                                void *out, bool held) {
  if (t->size == 0) return NULL;
  if (t->dtype != to) {
    struct wr_call call = {.op = WR_OP_ASTYPE, .n_in = 1, .in = t, .out = *t};
    call.out.data = out;
    call.out.dtype = to;
    return wr_gpu_map(run, WR_SOURCE_CAST, &call);
  }
  if (t->data == out && t->dense) return NULL;
  const int row = turned_axis(t);
  return row >= 0 ? transpose(run, t, row, out) : copy_strided(run, t, out, held);
}

struct wr_error *wr_gpu_convert(struct wr_run *run, const struct wr_tensor *t, enum wr_dtype to,
                                void *out) {
  return convert(run, t, to, out, false);
}

struct wr_error *wr_gpu_convert_held(struct wr_run *run, const struct wr_tensor *t,
                                     enum wr_dtype to, void *out) {
  return convert(run, t, to, out, true);
}

/* COPY and ASTYPE. There is nothing to do where the result took over the input's memory. */
struct wr_error *wr_gpu_copy(struct wr_run *run, const struct wr_call *call) {
  return wr_gpu_convert(run, &call->in[0], call->out.dtype, call->out.data);
}

/* Writes `t` into a part of the result, whose first element is at `to`. COPY replaces what is
   there; any other operation is given what is there and `t`, and its result is stored. */
static struct wr_error *paste(struct wr_run *run, enum wr_op by, const struct wr_tensor *t,
                              void *to, const int64_t *strides) {
  struct wr_layout layout;
  struct wr_launch launch;
  if (t->size == 0) return NULL;
  wr_layout_start(&layout, 2);
  for (int d = 0; d < t->ndim; d++) {
    wr_layout_push(&layout, t->shape[d], (const int64_t[]){t->strides[d], strides[d]});
  }
  wr_layout_end(&layout);
  const bool big = wr_layout_is_big(&layout);
  if (by == WR_OP_COPY && wr_layout_is_dense(&layout) && layout.strides[1][0] == 1) {
    return wr_run_copy(run, to, t->data, (size_t)t->size * wr_dtype_size(t->dtype));
  }
  if (by == WR_OP_COPY) return copy(run, &layout, t->dtype, t->data, to);
  wr_launch_start(&launch, update_id(by, t->dtype, big), WR_ENTRY_ONLY);
  wr_launch_pointer(&launch, to);
  wr_launch_pointer(&launch, t->data);
  return wr_launch_elements(&launch, run, t->size, 0, &layout);
}

struct wr_error *wr_gpu_concatenate(struct wr_run *run, const struct wr_call *call) {
  const struct wr_axis_params *params = call->params;
  const int64_t *strides = call->out.strides;
  char *to = call->out.data;
  struct wr_error *error = NULL;
  if (call->out.size > 0 && wr_gpu_joins(call)) return wr_gpu_join(run, call);
  for (int i = 0; i < call->n_in && !error && call->out.size > 0; i++) {
    const struct wr_tensor *t = &call->in[i];
    error = paste(run, WR_OP_COPY, t, to, strides);
    to += t->shape[params->axis] * strides[params->axis] * (int64_t)wr_dtype_size(t->dtype);
  }
  return error;
}

/* ---- a part and what lies around it ---- */

/* The kernel's struct part_of_array, of WR_AXES axes. */
struct part_of_array {
  int64_t ndim;
  int64_t shape[WR_AXES];
  int64_t around[WR_AXES];
  int64_t within[WR_AXES];
  int64_t first[WR_AXES];
  int64_t count[WR_AXES];
};

/* Whether an update is of so much of the result that copying what it goes into would nearly double
   what is written. Not in place, and not into a view, whose copy has ways of its own; but into one
   element for all. */
static bool is_framed(const struct wr_call *call, const struct wr_slice_update_params *params) {
  const struct wr_tensor *in = &call->in[0], *update = &call->in[1], *out = &call->out;
  enum { PACK = 16 };
  const int last = out->ndim - 1;
  bool steady = params->by == WR_OP_COPY && in->dtype == out->dtype && in->data != out->data &&
                update->size >= out->size / 2 && update->size > 0 && out->size <= INT32_MAX &&
                last >= 0 && last < WR_AXES,
       single = true;
  for (int d = 0; d <= last && steady; d++) {
    steady = params->at.axis[d].step == 1;
    single = single && (in->shape[d] == 1 || in->strides[d] == 0);
  }
  return steady && (in->dense || single) && out->shape[last] >= PACK && wr_aligned(out->data, PACK);
}

static struct wr_error *update_framed(struct wr_run *run, const struct wr_call *call,
                                      const struct wr_slice_update_params *params) {
  const struct wr_tensor *in = &call->in[0], *update = &call->in[1], *out = &call->out;
  struct part_of_array p = {.ndim = out->ndim};
  struct wr_launch l;
  for (int d = 0; d < out->ndim; d++) {
    p.shape[d] = out->shape[d];
    p.around[d] = in->strides[d];
    p.within[d] = update->strides[d];
    p.first[d] = params->at.axis[d].start;
    p.count[d] = update->shape[d];
  }
  wr_launch_start(&l, copy_id(out->dtype, false), WR_ENTRY_COPY_FRAMED);
  wr_launch_pointer(&l, out->data);
  wr_launch_pointer(&l, in->data);
  wr_launch_pointer(&l, update->data);
  wr_launch_index(&l, out->size);
  wr_launch_struct(&l, &p, sizeof p);
  wr_launch_packs(&l, out->size, 16 / wr_dtype_size(out->dtype));
  return wr_launch(&l, run);
}

struct wr_error *wr_gpu_slice_update(struct wr_run *run, const struct wr_call *call) {
  const struct wr_slice_update_params *params = call->params;
  const struct wr_tensor *out = &call->out;
  int64_t strides[WR_MAX_NDIM];
  int64_t first = 0;
  if (out->size == 0) return NULL;
  if (is_framed(call, params)) return update_framed(run, call, params);
  struct wr_error *error = wr_gpu_convert(run, &call->in[0], out->dtype, out->data);
  if (error || call->in[1].size == 0) return error;
  for (int d = 0; d < out->ndim; d++) {
    first += params->at.axis[d].start * out->strides[d];
    strides[d] = params->at.axis[d].step * out->strides[d];
  }
  char *to = (char *)out->data + first * (int64_t)wr_dtype_size(out->dtype);
  return paste(run, params->by, &call->in[1], to, strides);
}

struct wr_error *wr_gpu_arange(struct wr_run *run, const struct wr_call *call) {
  const struct wr_arange_params *params = call->params;
  const struct wr_tensor *out = &call->out;
  struct wr_launch launch;
  if (out->size == 0) return NULL;
  const struct wr_module_id id = {WR_SOURCE_ARANGE,    WR_OP_ARANGE,          (uint8_t)out->dtype,
                                  (uint8_t)out->dtype, out->size > INT32_MAX, 0};
  wr_launch_start(&launch, id, WR_ENTRY_ONLY);
  wr_launch_pointer(&launch, out->data);
  wr_launch_index(&launch, out->size);
  wr_launch_f64(&launch, params->start);
  wr_launch_f64(&launch, params->step);
  wr_launch_threads(&launch, run, out->size, 256);
  return wr_launch(&launch, run);
}
