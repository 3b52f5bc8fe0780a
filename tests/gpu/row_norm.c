/* Norms of rows on the GPU against the CPU: short rows and long, lengths that make packs and not,
   few rows and many, strided ones, factors that lie anywhere, and what is not finite. */

#include "gpu_case.h"

enum form { DENSE, WIDE, STEPPED, TURNED, FORMS };

/* (2, rows, n), in several layouts. */
static struct wr_node *array(enum wr_dtype t, int32_t rows, int32_t n, enum form form, bool odd) {
  const int32_t shape[] = {2, rows, n};
  const int64_t step = n + 24;
  struct wr_node *base;
  switch (form) {
    case WIDE: /* rows begin on 16 bytes if they do when dense */
      base = gpu_case_array(t, 3, (const int32_t[]){2, rows, (int32_t)step}, 7u, odd);
      return gpu_case_view(base, 3, shape, (const int64_t[]){rows * step, step, 1}, 8);
    case STEPPED:
      base = gpu_case_array(t, 3, (const int32_t[]){2, rows, 2 * n}, 8u, odd);
      return gpu_case_view(base, 3, shape, (const int64_t[]){2 * rows * n, 2 * n, 2}, 1);
    case TURNED:
      base = gpu_case_array(t, 3, (const int32_t[]){2, n, rows}, 9u, odd);
      return gpu_case_view(base, 3, shape, (const int64_t[]){n * rows, 1, rows}, 0);
    default:
      return gpu_case_array(t, 3, shape, 10u, odd);
  }
}

/* Dense, beside the places where packs begin, or one number for all. */
static struct wr_node *factor(enum wr_dtype t, int32_t n, int place, uint32_t seed) {
  struct wr_node *base = gpu_case_array(t, 1, (const int32_t[]){n + 1}, seed, false);
  return gpu_case_view(base, 1, &n, (const int64_t[]){place < 2}, place % 2);
}

static void run(int32_t rows, int32_t n, enum wr_dtype t, enum form form, int how, bool odd) {
  char what[128];
  struct wr_node *in[3] = {array(t, rows, n, form, odd)};
  const struct wr_row_norm_params params = {
      .eps = 1e-3f, .centred = how & 1, .has_weight = how & 2, .has_bias = how & 4};
  int count = 1;
  if (params.has_weight) in[count++] = factor(t, n, how / 2 % 3, 11u);
  if (params.has_bias) in[count++] = factor(t, n, how % 3, 12u);
  snprintf(what, sizeof what, "%d rows of %d of %s, form %d, how %d, odd %d", 2 * rows, n,
           wr_dtype_name(t), (int)form, how, odd);
  const struct gpu_case c = {.op = WR_OP_ROW_NORM,
                             .dtype = t,
                             .ndim = 3,
                             .shape = (const int32_t[]){2, rows, n},
                             .n_in = count,
                             .in = in,
                             .params = &params,
                             .params_bytes = sizeof params,
                             .tolerance = t == WR_FLOAT16    ? 4e-3
                                          : t == WR_BFLOAT16 ? 3.2e-2
                                                             : 1e-5};
  gpu_case_run(&c, what);
  for (int i = 0; i < count; i++) wr_node_release(in[i]);
}

int main(void) {
  static const enum wr_dtype types[] = {WR_FLOAT32, WR_FLOAT16, WR_BFLOAT16};
  static const int32_t shapes[][2] = {{1, 1},     {9, 5},    {33, 8},    {300, 64},  {5, 100},
                                      {70, 128},  {3, 255},  {40, 1024}, {200, 768}, {1, 4096},
                                      {90, 4096}, {2, 5000}, {3, 9001},  {1, 40000}, {2, 40001}};
  if (!gpu_case_start()) return GPU_CASE_SKIPPED;
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
    for (int k = 0; k < 3; k++) {
      const int32_t rows = shapes[i][0], n = shapes[i][1];
      for (int how = 0; how < 8; how++) run(rows, n, types[k], DENSE, how, false);
      for (int form = WIDE; form < FORMS; form++) run(rows, n, types[k], (enum form)form, 7, false);
      run(rows, n, types[k], DENSE, 2, true);
      run(rows, n, types[k], DENSE, 7, true);
    }
  }
  return gpu_case_end();
}
