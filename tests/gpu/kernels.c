/* One small call of every kind of kernel on the GPU against the CPU, in float32 and bfloat16: what
   compute-sanitizer can go through in a minute. The other programs here are thorough. */

#include "gpu_case.h"

static void one(enum wr_op op, enum wr_dtype to, int ndim, const int32_t *shape, int n_in,
                struct wr_node *const *in, const void *params, size_t bytes) {
  const struct gpu_case c = {.op = op,
                             .dtype = to,
                             .ndim = ndim,
                             .shape = shape,
                             .n_in = n_in,
                             .in = in,
                             .params = params,
                             .params_bytes = bytes,
                             .tolerance = wr_dtype_size(to) == 2 ? 0.05 : 2e-5};
  gpu_case_run(&c, wr_op_info(op)->name);
}

static void elementwise(enum wr_dtype t) {
  for (int form = 0; form < GPU_FORMS; form++) {
    struct wr_node *in[] = {gpu_case_form_array((enum gpu_case_form)form, WR_BOOL, 1u, false),
                            gpu_case_form_array((enum gpu_case_form)form, t, 2u, false),
                            gpu_case_form_array((enum gpu_case_form)form, t, 3u, false)};
    const int ndim = wr_node_ndim(in[0]);
    const int32_t *shape = wr_node_shape(in[0]);
    one(WR_OP_WHERE, t, ndim, shape, 3, in, NULL, 0);
    one(WR_OP_ADD, t, ndim, shape, 2, in + 1, NULL, 0);
    one(WR_OP_EXP, t, ndim, shape, 1, in + 1, NULL, 0);
    one(WR_OP_COPY, t, ndim, shape, 1, in + 1, NULL, 0);
    one(WR_OP_ASTYPE, WR_INT16, ndim, shape, 1, in + 1, NULL, 0);
    for (int i = 0; i < 3; i++) wr_node_release(in[i]);
  }
}

static void along_axes(enum wr_dtype t, int32_t rows, int32_t cols) {
  const int32_t shape[] = {rows, cols};
  struct wr_node *in = gpu_case_array(t, 2, shape, 4u, false);
  for (int axis = 0; axis < 2; axis++) {
    const struct wr_axis_params along = {axis};
    const struct wr_scan_params scan = {WR_OP_ADD, axis, axis == 1, true};
    const struct wr_reduce_params reduce = {1u << axis};
    const struct wr_variance_params variance = {.axes = 1u << axis, .ddof = 1, .root = axis == 1};
    const int32_t kept[] = {axis == 0 ? 1 : rows, axis == 1 ? 1 : cols};
    one(WR_OP_SORT, t, 2, shape, 1, &in, &along, sizeof along);
    one(WR_OP_ARGSORT, WR_UINT32, 2, shape, 1, &in, &along, sizeof along);
    one(WR_OP_SCAN, t, 2, shape, 1, &in, &scan, sizeof scan);
    one(WR_OP_SUM, t, 2, kept, 1, &in, &reduce, sizeof reduce);
    one(WR_OP_MAX, t, 2, kept, 1, &in, &reduce, sizeof reduce);
    one(WR_OP_VARIANCE, t, 2, kept, 1, &in, &variance, sizeof variance);
    one(WR_OP_ARGMAX, WR_UINT32, 2, kept, 1, &in, &along, sizeof along);
  }
  const struct wr_softmax_params softmax = {true};
  one(WR_OP_SOFTMAX, t, 2, shape, 1, &in, &softmax, sizeof softmax);
  one(WR_OP_LOGSUMEXP, t, 1, shape, 1, &in, NULL, 0);
  wr_node_release(in);
}

static void by_index(enum wr_dtype t) {
  const int32_t values[] = {3, -1, 40, 0, 3, -90, 16, 16, 2, 1};
  static const enum wr_op by[] = {WR_OP_ADD, WR_OP_MULTIPLY, WR_OP_MAXIMUM, WR_OP_MINIMUM};
  const struct wr_gather_params rows = {.n_axes = 1, .dropped = true};
  const struct wr_slice_update_params part = {WR_OP_MAXIMUM, {{{5, 1}, {0, 1}}}};
  struct wr_node *in[] = {gpu_case_form_array(GPU_STEPPED, t, 1u, false), NULL, NULL};
  if (wr_node_from_data(&in[1], values, 1, (const int32_t[]){10}, WR_INT32)) exit(1);
  one(WR_OP_GATHER, t, 2, (const int32_t[]){10, 23}, 2, in, &rows, sizeof rows);
  in[2] = in[1];
  in[1] = gpu_case_array(t, 3, (const int32_t[]){10, 1, 23}, 2u, false);
  for (int i = 0; i < 4; i++) {
    const struct wr_scatter_params scatter = {.by = by[i], .n_axes = 1};
    one(WR_OP_SCATTER, t, 2, (const int32_t[]){17, 23}, 3, in, &scatter, sizeof scatter);
  }
  wr_node_release(in[1]);
  in[1] = gpu_case_array(t, 2, (const int32_t[]){10, 23}, 3u, false);
  one(WR_OP_SLICE_UPDATE, t, 2, (const int32_t[]){17, 23}, 2, in, &part, sizeof part);
  for (int i = 0; i < 3; i++) wr_node_release(in[i]);
}

static void bits(void) {
  const uint32_t key[] = {5u, 6u};
  const struct wr_bits_params params = {1};
  struct wr_node *keys = NULL;
  if (wr_node_from_data(&keys, key, 1, (const int32_t[]){2}, WR_UINT32)) exit(1);
  one(WR_OP_RANDOM_BITS, WR_UINT8, 1, (const int32_t[]){1003}, 1, &keys, &params, sizeof params);
  wr_node_release(keys);
}

int main(void) {
  if (!gpu_case_start()) return GPU_CASE_SKIPPED;
  const enum wr_dtype types[] = {WR_FLOAT32, WR_BFLOAT16};
  for (int i = 0; i < 2; i++) {
    elementwise(types[i]);
    along_axes(types[i], 5, 40);
    along_axes(types[i], 3, 5003);
    by_index(types[i]);
  }
  along_axes(WR_FLOAT32, 1, 30011);
  bits();
  return gpu_case_end();
}
