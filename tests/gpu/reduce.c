/* Reductions, variances, and searches for the largest and smallest on the GPU against the CPU:
   every dtype, over each choice of axes of dense and strided inputs, small and large enough to be
   cut into splits, and of empty ones.

   Usage: reduce [DTYPE...], numbers of types; else all. */

#include "gpu_case.h"

static enum wr_dtype sum_type(enum wr_dtype t) {
  bool narrow = t == WR_BOOL || (wr_dtype_is_integer(t) && wr_dtype_size(t) < 4);
  if (!narrow) return t;
  return wr_dtype_is_unsigned(t) && t != WR_BOOL ? WR_UINT32 : WR_INT32;
}

static int kept_shape(const struct wr_node *in, uint32_t axes, int32_t *shape) {
  for (int d = 0; d < wr_node_ndim(in); d++) {
    shape[d] = axes >> d & 1u ? 1 : wr_node_shape(in)[d];
  }
  return wr_node_ndim(in);
}

static void reduce_one(enum wr_op op, struct wr_node *in, uint32_t axes, enum wr_dtype to,
                       const char *form) {
  char what[128];
  int32_t shape[WR_MAX_NDIM];
  const struct wr_reduce_params params = {axes};
  const enum wr_dtype t = wr_node_dtype(in);
  snprintf(what, sizeof what, "%s of %s over %x, %s", wr_op_info(op)->name, wr_dtype_name(t), axes,
           form);
  const struct gpu_case c = {.op = op,
                             .dtype = to,
                             .ndim = kept_shape(in, axes, shape),
                             .shape = shape,
                             .n_in = 1,
                             .in = &in,
                             .params = &params,
                             .params_bytes = sizeof params,
                             .tolerance = t == WR_COMPLEX64 || t == WR_FLOAT32 ? 2e-5 : 0};
  gpu_case_run(&c, what);
}

/* Of integers it is made in float64 where float32 does not hold them, on either side. */
static void vary_one(struct wr_node *in, uint32_t axes, const char *form) {
  char what[128];
  int32_t shape[WR_MAX_NDIM];
  const enum wr_dtype t = wr_node_dtype(in);
  if (t == WR_COMPLEX64 || axes == 0) return;
  const struct wr_variance_params params = {
      .axes = axes, .ddof = (int32_t)axes % 2, .root = axes % 3 == 0};
  snprintf(what, sizeof what, "variance of %s over %x, %s", wr_dtype_name(t), axes, form);
  const struct gpu_case c = {.op = WR_OP_VARIANCE,
                             .dtype = wr_dtype_to_inexact(t),
                             .ndim = kept_shape(in, axes, shape),
                             .shape = shape,
                             .n_in = 1,
                             .in = &in,
                             .params = &params,
                             .params_bytes = sizeof params,
                             .tolerance = t == WR_FLOAT16    ? 4e-3
                                          : t == WR_BFLOAT16 ? 3.2e-2
                                          : t == WR_FLOAT64  ? 1e-12
                                                             : 1e-5};
  gpu_case_run(&c, what);
}

static void search_one(enum wr_op op, struct wr_node *in, int axis, const char *form) {
  char what[128];
  int32_t shape[WR_MAX_NDIM];
  const struct wr_axis_params params = {axis};
  const uint32_t axes = axis < 0 ? (1u << wr_node_ndim(in)) - 1u : 1u << axis;
  snprintf(what, sizeof what, "%s of %s over %d, %s", wr_op_info(op)->name,
           wr_dtype_name(wr_node_dtype(in)), axis, form);
  const struct gpu_case c = {.op = op,
                             .dtype = WR_UINT32,
                             .ndim = kept_shape(in, axes, shape),
                             .shape = shape,
                             .n_in = 1,
                             .in = &in,
                             .params = &params,
                             .params_bytes = sizeof params};
  gpu_case_run(&c, what);
}

/* Products of many numbers leave the range of every type: theirs are kept short. */
static void all_of(struct wr_node *in, const char *form, bool small) {
  const enum wr_dtype t = wr_node_dtype(in);
  const uint32_t all = (1u << wr_node_ndim(in)) - 1u;
  for (uint32_t axes = 0; axes <= all; axes++) {
    reduce_one(WR_OP_SUM, in, axes, sum_type(t), form);
    reduce_one(WR_OP_MAX, in, axes, t, form);
    reduce_one(WR_OP_MIN, in, axes, t, form);
    vary_one(in, axes, form);
    if (small) reduce_one(WR_OP_PROD, in, axes, sum_type(t), form);
    if (t != WR_BOOL) continue;
    reduce_one(WR_OP_ALL, in, axes, WR_BOOL, form);
    reduce_one(WR_OP_ANY, in, axes, WR_BOOL, form);
  }
  for (int axis = -1; axis < wr_node_ndim(in); axis++) {
    search_one(WR_OP_ARGMAX, in, axis, form);
    search_one(WR_OP_ARGMIN, in, axis, form);
  }
}

/* Over the first axis, by packs of neighbouring results: in splits, and without. Of narrow types
   also as many as have splits and no packs. */
static void columns_of(enum wr_dtype t) {
  static const int32_t shapes[][2] = {{2100, 4096}, {40, 67584}, {2100, 4098}, {520, 70001}};
  const int n = wr_dtype_size(t) < 4 ? 4 : 3;
  for (int i = 0; i < n; i++) {
    struct wr_node *in = gpu_case_array(t, 2, shapes[i], 7u, false);
    reduce_one(WR_OP_SUM, in, 1u, sum_type(t), "columns");
    reduce_one(WR_OP_MAX, in, 1u, t, "columns");
    vary_one(in, 1u, "columns");
    search_one(WR_OP_ARGMAX, in, 0, "columns");
    search_one(WR_OP_ARGMIN, in, 0, "columns");
    wr_node_release(in);
  }
}

static void over(struct wr_node *in, int axis, const char *form) {
  const enum wr_dtype t = wr_node_dtype(in);
  reduce_one(WR_OP_SUM, in, 1u << axis, sum_type(t), form);
  reduce_one(WR_OP_MAX, in, 1u << axis, t, form);
  vary_one(in, 1u << axis, form);
  search_one(WR_OP_ARGMAX, in, axis, form);
  search_one(WR_OP_ARGMIN, in, axis, form);
}

/* Many rows of few elements, dense ones and others, which some lanes of a warp have; and results
   that lie in packs along the last axis alone. */
static void short_rows_of(enum wr_dtype t) {
  static const int32_t lengths[] = {2, 7, 16, 36, 100, 512, 513, 2080};
  for (int i = 0; i < 8; i++) {
    const int32_t n = lengths[i], rows = i < 5 ? 1001 : 67;
    struct wr_node *in = gpu_case_array(t, 2, (const int32_t[]){rows, n}, 9u, false);
    over(in, 1, "short rows");
    struct wr_node *part =
        gpu_case_view(in, 2, (const int32_t[]){rows, n - 1}, (const int64_t[]){n, 1}, 1);
    over(part, 1, "parts of short rows");
    wr_node_release(part);
  }
  static const int32_t cubes[][3] = {{9, 70, 64}, {5, 300, 48}, {70, 40, 256}, {9, 70, 62}};
  for (int i = 0; i < 4; i++) {
    struct wr_node *in = gpu_case_array(t, 3, cubes[i], 10u, false);
    over(in, 1, "the middle");
    wr_node_release(in);
  }
}

static void of_type(enum wr_dtype t) {
  const int32_t cube[] = {3, 5, 8}, tall[] = {4099, 9}, wide[] = {3, 70001}, tiny[] = {2, 3},
                empty[] = {2, 0, 3};
  struct wr_node *in = gpu_case_array(t, 3, cube, 1u, false);
  all_of(in, "dense", false);
  in = gpu_case_view(in, 3, (const int32_t[]){8, 3, 5}, (const int64_t[]){1, 40, 8}, 0);
  all_of(in, "turned", false);
  wr_node_release(in);
  in = gpu_case_array(t, 2, tiny, 2u, false);
  all_of(in, "tiny", true);
  wr_node_release(in);
  in = gpu_case_array(t, 2, tall, 3u, false);
  all_of(in, "tall", false);
  wr_node_release(in);
  in = gpu_case_array(t, 2, wide, 4u, false);
  all_of(in, "wide", false);
  wr_node_release(in);
  in = gpu_case_array(t, 1, (const int32_t[]){300}, 5u, true);
  search_one(WR_OP_ARGMAX, in, 0, "odd values");
  search_one(WR_OP_ARGMIN, in, 0, "odd values");
  reduce_one(WR_OP_MAX, in, 1u, t, "odd values");
  reduce_one(WR_OP_MIN, in, 1u, t, "odd values");
  vary_one(in, 1u, "odd values");
  wr_node_release(in);
  in = gpu_case_array(t, 2, (const int32_t[]){700, 40}, 8u, true);
  search_one(WR_OP_ARGMAX, in, 0, "odd columns");
  search_one(WR_OP_ARGMIN, in, 0, "odd columns");
  vary_one(in, 1u, "odd columns");
  vary_one(in, 2u, "odd rows");
  wr_node_release(in);
  in = gpu_case_array(t, 3, empty, 6u, false);
  for (uint32_t axes = 0; axes < 8; axes++) {
    reduce_one(WR_OP_SUM, in, axes, sum_type(t), "empty");
    reduce_one(WR_OP_PROD, in, axes, sum_type(t), "empty");
    reduce_one(WR_OP_MAX, in, axes, t, "empty");
    reduce_one(WR_OP_MIN, in, axes, t, "empty");
  }
  wr_node_release(in);
}

/* Of more than the caches hold. */
static void large_of(enum wr_dtype t) {
  const int32_t n = (int32_t)((129 << 20) / wr_dtype_size(t)) + 5;
  struct wr_node *in = gpu_case_array(t, 1, &n, 11u, false);
  reduce_one(WR_OP_MAX, in, 1u, t, "large");
  vary_one(in, 1u, "large");
  if (!wr_dtype_is_floating(t) && t != WR_COMPLEX64)
    reduce_one(WR_OP_SUM, in, 1u, sum_type(t), "large");
  wr_node_release(in);
}

/* What is large beside its spread, and the first element far from the others. */
static void hard_of(enum wr_dtype t) {
  enum { ROWS = 700, COLUMNS = 516 };
  static double numbers[ROWS * COLUMNS];
  struct wr_node *in = NULL;
  const int32_t shape[] = {ROWS, COLUMNS};
  const bool wide = t == WR_FLOAT64;
  for (int far = 0; far < 2; far++) {
    uint32_t seed = 13;
    for (int i = 0; i < ROWS * COLUMNS; i++) {
      const double x = (double)(gpu_case_next(&seed) % 64u) * (far ? 1e-3 : 2);
      const bool first = i < COLUMNS || i % COLUMNS == 0;
      const double y = far ? (first ? 1e4 : x) : (wide ? 1e15 : 1 << 24) + x;
      if (wide) numbers[i] = y;
      if (!wide) ((float *)numbers)[i] = (float)y;
    }
    struct wr_error *error = wr_node_from_data(&in, numbers, 2, shape, t);
    if (error) exit(1);
    for (uint32_t axes = 1; axes < 4; axes++) vary_one(in, axes, far ? "far" : "near");
    wr_node_release(in);
  }
}

static void all_of_type(enum wr_dtype t) {
  of_type(t);
  columns_of(t);
  short_rows_of(t);
  if (t == WR_FLOAT32 || t == WR_FLOAT64) hard_of(t);
  if (t == WR_FLOAT32 || t == WR_UINT8) large_of(t);
}

int main(int argc, char **argv) {
  if (!gpu_case_start()) return GPU_CASE_SKIPPED;
  for (int i = 1; i < argc; i++) all_of_type((enum wr_dtype)atoi(argv[i]));
  for (int t = 0; t < WR_DTYPE_COUNT && argc == 1; t++) all_of_type((enum wr_dtype)t);
  return gpu_case_end();
}
