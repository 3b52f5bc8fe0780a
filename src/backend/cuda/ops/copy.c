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

/* True when the last two axes lie in memory the other way round. Then elements are copied tile by
   tile, so that neighbouring threads read, and write, neighbouring elements. */
static bool is_turned(const struct wr_tensor *t) {
  if (t->ndim < 2) return false;
  const int row = t->ndim - 2, col = t->ndim - 1;
  return t->strides[row] == 1 && t->strides[col] != 1 && t->strides[col] != 0 &&
         t->shape[row] >= TILE && t->shape[col] >= TILE;
}

static struct wr_error *transpose(struct wr_run *run, const struct wr_tensor *in, void *out) {
  enum { ROWS = 8, MOST = 65535 };
  struct wr_layout matrices;
  struct wr_launch launch;
  const int64_t rows = in->shape[in->ndim - 2], cols = in->shape[in->ndim - 1];
  wr_layout_of(&matrices, in, wr_layout_all(in) & ~(3u << (in->ndim - 2)));
  wr_launch_start(&launch, copy_id(in->dtype, wr_layout_is_big(&matrices)), WR_ENTRY_COPY_TURN);
  wr_launch_pointer(&launch, out);
  wr_launch_pointer(&launch, in->data);
  wr_launch_i64(&launch, rows);
  wr_launch_i64(&launch, cols);
  wr_launch_i64(&launch, in->strides[in->ndim - 1]);
  wr_launch_i64(&launch, matrices.size);
  wr_launch_layout(&launch, &matrices);
  wr_launch_blocks(&launch, (cols + TILE - 1) / TILE, (rows + TILE - 1) / TILE, TILE);
  launch.block[1] = ROWS;
  launch.grid[2] = (unsigned)(matrices.size < MOST ? matrices.size : MOST);
  return wr_launch(&launch, run);
}

static struct wr_error *copy_strided(struct wr_run *run, const struct wr_tensor *in, void *out) {
  struct wr_layout layout;
  struct wr_launch launch;
  wr_layout_of(&layout, in, wr_layout_all(in));
  if (wr_layout_is_dense(&layout)) {
    return wr_run_copy(run, out, in->data, (size_t)in->size * wr_dtype_size(in->dtype));
  }
  wr_launch_start(&launch, copy_id(in->dtype, wr_layout_is_big(&layout)), WR_ENTRY_COPY_STRIDED);
  wr_launch_pointer(&launch, out);
  wr_launch_pointer(&launch, in->data);
  return wr_launch_elements(&launch, run, in->size, 0, &layout);
}

struct wr_error *wr_gpu_convert(struct wr_run *run, const struct wr_tensor *t, enum wr_dtype to,
                                void *out) {
  if (t->size == 0) return NULL;
  if (t->dtype != to) {
    struct wr_call call = {.op = WR_OP_ASTYPE, .n_in = 1, .in = t, .out = *t};
    call.out.data = out;
    call.out.dtype = to;
    return wr_gpu_map(run, WR_SOURCE_CAST, &call);
  }
  if (t->data == out && t->dense) return NULL;
  return is_turned(t) ? transpose(run, t, out) : copy_strided(run, t, out);
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
  if (by == WR_OP_COPY) {
    wr_launch_start(&launch, copy_id(t->dtype, big), WR_ENTRY_COPY_PASTE);
  } else {
    wr_launch_start(&launch, update_id(by, t->dtype, big), WR_ENTRY_ONLY);
  }
  wr_launch_pointer(&launch, to);
  wr_launch_pointer(&launch, t->data);
  return wr_launch_elements(&launch, run, t->size, 0, &layout);
}

struct wr_error *wr_gpu_concatenate(struct wr_run *run, const struct wr_call *call) {
  const struct wr_axis_params *params = call->params;
  const int64_t *strides = call->out.strides;
  char *to = call->out.data;
  struct wr_error *error = NULL;
  for (int i = 0; i < call->n_in && !error && call->out.size > 0; i++) {
    const struct wr_tensor *t = &call->in[i];
    error = paste(run, WR_OP_COPY, t, to, strides);
    to += t->shape[params->axis] * strides[params->axis] * (int64_t)wr_dtype_size(t->dtype);
  }
  return error;
}

struct wr_error *wr_gpu_slice_update(struct wr_run *run, const struct wr_call *call) {
  const struct wr_slice_update_params *params = call->params;
  const struct wr_tensor *out = &call->out;
  int64_t strides[WR_MAX_NDIM];
  int64_t first = 0;
  if (out->size == 0) return NULL;
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
