/* Matrix products on the GPU against the CPU: every dtype, operands by rows and by columns, batches
   with and without broadcasting, vectors, no terms at all, and with a summand. */

#include "gpu_case.h"

static double tolerance_of(enum wr_dtype t) {
  return t == WR_BFLOAT16 ? 3e-2 : t == WR_FLOAT16 ? 4e-3 : t == WR_FLOAT64 ? 1e-11 : 2e-5;
}

/* Takes the inputs: a, b, or c, a, b. */
static void run(enum wr_op op, enum wr_dtype t, int ndim, const int32_t *shape, int n_in,
                struct wr_node **in, const struct wr_addmm_params *params, const char *form) {
  char what[128];
  snprintf(what, sizeof what, "%s of %s, %s", wr_op_info(op)->name, wr_dtype_name(t), form);
  const struct gpu_case c = {.op = op,
                             .dtype = t,
                             .ndim = ndim,
                             .shape = shape,
                             .n_in = n_in,
                             .in = in,
                             .params = params,
                             .params_bytes = params ? sizeof *params : 0,
                             .tolerance = tolerance_of(t)};
  gpu_case_run(&c, what);
  for (int i = 0; i < n_in; i++) wr_node_release(in[i]);
}

static struct wr_node *matrix(enum wr_dtype t, int32_t rows, int32_t cols, bool turned,
                              uint32_t seed) {
  struct wr_node *m = gpu_case_array(
      t, 2, (const int32_t[]){turned ? cols : rows, turned ? rows : cols}, seed, false);
  if (!turned) return m;
  return gpu_case_view(m, 2, (const int32_t[]){rows, cols}, (const int64_t[]){1, rows}, 0);
}

static void plain(enum wr_dtype t) {
  static const int32_t sizes[][3] = {{1, 1, 1},   {5, 7, 3},     {64, 64, 64},   {1, 33, 50},
                                     {33, 1, 50}, {129, 65, 31}, {256, 300, 257}};
  for (int i = 0; i < 7; i++) {
    for (int turned = 0; turned < 4; turned++) {
      const int32_t m = sizes[i][0], n = sizes[i][1], k = sizes[i][2];
      struct wr_node *in[] = {matrix(t, m, k, turned & 1, 1u), matrix(t, k, n, turned & 2, 2u)};
      run(WR_OP_MATMUL, t, 2, (const int32_t[]){m, n}, 2, in, NULL, "plain");
    }
  }
}

static void batches(enum wr_dtype t) {
  const int32_t shape[] = {2, 3, 5, 4};
  struct wr_node *a = gpu_case_array(t, 4, (const int32_t[]){2, 3, 5, 6}, 1u, false);
  struct wr_node *b = gpu_case_array(t, 4, (const int32_t[]){2, 3, 6, 4}, 2u, false);
  struct wr_node *dense[] = {a, b};
  run(WR_OP_MATMUL, t, 4, shape, 2, dense, NULL, "batch");
  /* b is the same for each of the three, and each of the two. */
  a = gpu_case_array(t, 4, (const int32_t[]){2, 3, 5, 6}, 3u, false);
  b = gpu_case_array(t, 3, (const int32_t[]){2, 6, 4}, 4u, false);
  struct wr_node *inner[] = {
      a, gpu_case_view(b, 4, (const int32_t[]){2, 3, 6, 4}, (const int64_t[]){24, 0, 4, 1}, 0)};
  run(WR_OP_MATMUL, t, 4, shape, 2, inner, NULL, "broadcast inside");
  a = gpu_case_array(t, 4, (const int32_t[]){2, 3, 5, 6}, 5u, false);
  b = gpu_case_array(t, 2, (const int32_t[]){6, 4}, 6u, false);
  struct wr_node *all[] = {
      a, gpu_case_view(b, 4, (const int32_t[]){2, 3, 6, 4}, (const int64_t[]){0, 0, 4, 1}, 0)};
  run(WR_OP_MATMUL, t, 4, shape, 2, all, NULL, "broadcast all");
  a = gpu_case_array(t, 2, (const int32_t[]){40, 40}, 7u, false);
  b = gpu_case_array(t, 2, (const int32_t[]){40, 40}, 8u, false);
  struct wr_node *stepped[] = {
      gpu_case_view(a, 2, (const int32_t[]){9, 11}, (const int64_t[]){80, 3}, 5),
      gpu_case_view(b, 2, (const int32_t[]){11, 7}, (const int64_t[]){-40, 2}, 40 * 30)};
  run(WR_OP_MATMUL, t, 2, (const int32_t[]){9, 7}, 2, stepped, NULL, "steps");
}

static void sums(enum wr_dtype t) {
  static const struct wr_addmm_params params[] = {{1.0f, 1.0f, WR_PRECISION_FLOAT32},
                                                  {0.5f, -2.0f, WR_PRECISION_FLOAT32},
                                                  {2.0f, 0.0f, WR_PRECISION_FLOAT32}};
  for (int i = 0; i < 3; i++) {
    for (int32_t k = 0; k < 20; k += 10) {
      struct wr_node *c = gpu_case_array(t, 1, (const int32_t[]){12}, 1u, false);
      struct wr_node *in[] = {
          gpu_case_view(c, 2, (const int32_t[]){8, 12}, (const int64_t[]){0, 1}, 0),
          matrix(t, 8, k, false, 2u), matrix(t, k, 12, false, 3u)};
      run(WR_OP_ADDMM, t, 2, (const int32_t[]){8, 12}, 3, in, &params[i],
          k ? "with terms" : "without terms");
    }
  }
  struct wr_node *in[] = {matrix(t, 8, 0, false, 2u), matrix(t, 0, 12, false, 3u)};
  run(WR_OP_MATMUL, t, 2, (const int32_t[]){8, 12}, 2, in, NULL, "without terms");
}

int main(void) {
  static const enum wr_dtype types[] = {WR_FLOAT16, WR_FLOAT32, WR_FLOAT64, WR_BFLOAT16,
                                        WR_COMPLEX64};
  if (!gpu_case_start()) return GPU_CASE_SKIPPED;
  for (int i = 0; i < 5; i++) {
    plain(types[i]);
    batches(types[i]);
    sums(types[i]);
  }
  return gpu_case_end();
}
