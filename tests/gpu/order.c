/* Sorts, scans, softmax, log-sum-exp and transforms on the GPU against the CPU: every dtype, every
   axis, lines from one element to several tiles.

   Usage: order [DTYPE...], numbers of types, for their sorts, scans and softmax alone; else all. */

#include "gpu_case.h"

static void along(enum wr_op op, struct wr_node *in, enum wr_dtype to, const void *params,
                  size_t bytes, const char *form) {
  char what[128];
  const enum wr_dtype t = wr_node_dtype(in);
  snprintf(what, sizeof what, "%s of %s, %s", wr_op_info(op)->name, wr_dtype_name(t), form);
  const struct gpu_case c = {.op = op,
                             .dtype = to,
                             .ndim = wr_node_ndim(in),
                             .shape = wr_node_shape(in),
                             .n_in = 1,
                             .in = &in,
                             .params = params,
                             .params_bytes = bytes,
                             .tolerance = to == WR_FLOAT32 || to == WR_COMPLEX64 ? 2e-5 : 0};
  gpu_case_run(&c, what);
}

static void sorts(struct wr_node *in, int axis, const char *form) {
  const struct wr_axis_params params = {axis};
  along(WR_OP_SORT, in, wr_node_dtype(in), &params, sizeof params, form);
  along(WR_OP_ARGSORT, in, WR_UINT32, &params, sizeof params, form);
}

static void scans(struct wr_node *in, int axis, const char *form) {
  static const enum wr_op by[] = {WR_OP_ADD, WR_OP_MULTIPLY, WR_OP_MAXIMUM, WR_OP_MINIMUM,
                                  WR_OP_LOGADDEXP};
  const enum wr_dtype t = wr_node_dtype(in);
  for (int i = 0; i < 5; i++) {
    if (!wr_op_takes(by[i], t)) continue;
    /* Products of many leave the type, and then the parts of complex ones depend on the order. */
    const bool many = wr_node_shape(in)[axis] > 100;
    if (by[i] == WR_OP_MULTIPLY && t == WR_COMPLEX64 && many) continue;
    for (int way = 0; way < 4; way++) {
      const struct wr_scan_params params = {by[i], axis, way % 2 == 1, way < 2};
      char what[64];
      snprintf(what, sizeof what, "%s, by %s", form, wr_op_info(by[i])->name);
      along(WR_OP_SCAN, in, t, &params, sizeof params, what);
    }
  }
}

static void all_axes(struct wr_node *in, const char *form) {
  for (int axis = 0; axis < wr_node_ndim(in); axis++) {
    sorts(in, axis, form);
    scans(in, axis, form);
  }
}

static void log_sum(struct wr_node *in, const char *form) {
  char what[128];
  const enum wr_dtype t = wr_node_dtype(in);
  snprintf(what, sizeof what, "logsumexp of %s, %s", wr_dtype_name(t), form);
  const struct gpu_case c = {.op = WR_OP_LOGSUMEXP,
                             .dtype = t,
                             .ndim = wr_node_ndim(in) - 1,
                             .shape = wr_node_shape(in),
                             .n_in = 1,
                             .in = &in,
                             .tolerance = t == WR_COMPLEX64 ? 2e-5 : 0};
  gpu_case_run(&c, what);
}

static void softmaxes(enum wr_dtype t) {
  const struct wr_softmax_params params = {true};
  const int32_t lengths[] = {1, 5, 8, 64, 100, 512, 1000, 4096, 16384, 20000};
  for (int i = 0; i < 10; i++) {
    char form[32];
    struct wr_node *in = gpu_case_array(t, 2, (const int32_t[]){3, lengths[i]}, 7u, false);
    snprintf(form, sizeof form, "rows of %d", lengths[i]);
    along(WR_OP_SOFTMAX, in, t, &params, sizeof params, form);
    log_sum(in, form);
    wr_node_release(in);
  }
  for (int32_t n = 2; n <= 130; n = n * 3 / 2 + 1) {
    struct wr_node *in = gpu_case_array(t, 2, (const int32_t[]){1001, n}, 7u, false);
    along(WR_OP_SOFTMAX, in, t, &params, sizeof params, "short rows");
    log_sum(in, "short rows");
    wr_node_release(in);
  }
  struct wr_node *in = gpu_case_form_array(GPU_TURNED, t, 8u, false);
  along(WR_OP_SOFTMAX, in, t, &params, sizeof params, "turned");
  log_sum(in, "turned");
  wr_node_release(in);
  if (t == WR_COMPLEX64) return;
  in = gpu_case_array(t, 2, (const int32_t[]){64, 6}, 9u, true);
  along(WR_OP_SOFTMAX, in, t, &params, sizeof params, "odd values");
  log_sum(in, "odd values");
  wr_node_release(in);
}

static void hadamards(enum wr_dtype t) {
  const struct wr_hadamard_params params = {0.5};
  const int32_t extents[] = {1, 2, 8, 16, 64, 1024, 4096, 12, 24, 96, 20, 640, 28, 56, 3584};
  for (int i = 0; i < 15; i++) {
    char form[32];
    struct wr_node *in = gpu_case_array(t, 2, (const int32_t[]){5, extents[i]}, 10u, false);
    snprintf(form, sizeof form, "rows of %d", extents[i]);
    along(WR_OP_HADAMARD, in, t, &params, sizeof params, form);
    wr_node_release(in);
  }
  struct wr_node *in = gpu_case_array(t, 2, (const int32_t[]){64, 12}, 11u, false);
  in = gpu_case_view(in, 2, (const int32_t[]){12, 64}, (const int64_t[]){1, 12}, 0);
  along(WR_OP_HADAMARD, in, t, &params, sizeof params, "turned");
  wr_node_release(in);
}

/* Long products of complex numbers that are exact in any order: of 1, i, -1 and -i. */
static void turns(void) {
  static const float quarters[4][2] = {{1, 0}, {0, 1}, {-1, 0}, {0, -1}};
  static float data[2][9001][2];
  const int32_t shape[] = {2, 9001};
  struct wr_node *in = NULL;
  for (int i = 0; i < 2 * 9001; i++) {
    memcpy(data[i / 9001][i % 9001], quarters[i * 7 / 3 % 4], sizeof data[0][0]);
  }
  struct wr_error *error = wr_node_from_data(&in, data, 2, shape, WR_COMPLEX64);
  if (error) exit(1);
  for (int way = 0; way < 4; way++) {
    const struct wr_scan_params params = {WR_OP_MULTIPLY, 1, way % 2 == 1, way < 2};
    along(WR_OP_SCAN, in, WR_COMPLEX64, &params, sizeof params, "quarter turns");
  }
  wr_node_release(in);
}

/* Every kind along every axis, dense and turned, scaled so that the error is that of one. */
static void transforms(enum wr_fft_kind kind, int32_t n, int axis, bool turned) {
  const bool back = kind == WR_FFT_REAL_INVERSE;
  const struct wr_fft_params params = {axis, n, (int32_t)kind, 1 / sqrt((double)n)};
  const enum wr_dtype t = kind == WR_FFT_REAL ? WR_FLOAT32 : WR_COMPLEX64;
  const int32_t m = back ? n / 2 + 1 : n;
  int32_t shape[3] = {3, 4, 5}, out[3], base[3];
  char form[64];
  shape[axis] = m;
  for (int i = 0; i < 3; i++) base[i] = shape[turned ? 2 - i : i];
  memcpy(out, shape, sizeof out);
  out[axis] = kind == WR_FFT_REAL ? n / 2 + 1 : n;
  struct wr_node *in = gpu_case_array(t, 3, base, 12u, false);
  const int64_t strides[3] = {1, shape[0], (int64_t)shape[0] * shape[1]};
  if (turned) in = gpu_case_view(in, 3, shape, strides, 0);
  snprintf(form, sizeof form, "transform %d of %d along %d%s", (int)kind, n, axis,
           turned ? ", turned" : "");
  const struct gpu_case c = {.op = WR_OP_FFT,
                             .dtype = back ? WR_FLOAT32 : WR_COMPLEX64,
                             .ndim = 3,
                             .shape = out,
                             .n_in = 1,
                             .in = &in,
                             .params = &params,
                             .params_bytes = sizeof params,
                             .tolerance = 2e-5};
  gpu_case_run(&c, form);
  wr_node_release(in);
}

static void all_transforms(void) {
  const int32_t lengths[] = {1, 2, 5, 64, 67, 1000, 4099};
  for (int i = 0; i < 7 * 4 * 3 * 2; i++) {
    transforms((enum wr_fft_kind)(i / 6 % 4), lengths[i / 24], i / 2 % 3, i % 2);
  }
}

static void of_type(enum wr_dtype t) {
  struct wr_node *in = gpu_case_array(t, 3, (const int32_t[]){3, 33, 40}, 1u, false);
  all_axes(in, "dense");
  in = gpu_case_view(in, 3, (const int32_t[]){40, 3, 33}, (const int64_t[]){1, 1320, 40}, 0);
  all_axes(in, "turned");
  wr_node_release(in);
  in = gpu_case_array(t, 2, (const int32_t[]){2, 9001}, 2u, false);
  sorts(in, 1, "several tiles");
  sorts(in, 0, "pairs");
  scans(in, 1, "long");
  wr_node_release(in);
  in = gpu_case_array(t, 1, (const int32_t[]){100003}, 3u, false);
  all_axes(in, "one line");
  wr_node_release(in);
  in = gpu_case_array(t, 2, (const int32_t[]){2000, 3}, 4u, false);
  all_axes(in, "many short lines");
  wr_node_release(in);
  in = gpu_case_array(t, 1, (const int32_t[]){500}, 5u, true);
  sorts(in, 0, "odd values");
  wr_node_release(in);
  in = gpu_case_array(t, 2, (const int32_t[]){0, 3}, 6u, false);
  all_axes(in, "empty");
  wr_node_release(in);
  if (wr_dtype_is_floating(t) || t == WR_COMPLEX64) softmaxes(t);
}

int main(int argc, char **argv) {
  if (!gpu_case_start()) return GPU_CASE_SKIPPED;
  for (int i = 1; i < argc; i++) of_type((enum wr_dtype)atoi(argv[i]));
  if (argc > 1) return gpu_case_end();
  for (int t = 0; t < WR_DTYPE_COUNT; t++) of_type((enum wr_dtype)t);
  turns();
  hadamards(WR_FLOAT32);
  hadamards(WR_FLOAT64);
  all_transforms();
  return gpu_case_end();
}
