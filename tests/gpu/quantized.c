/* Quantised matrices on the GPU against the CPU: packed to the same bits, unpacked to the same
   values, and products of one row, some and many. */

#include "core/quantized.h"
#include "gpu_case.h"

enum { ROWS = 32, COLUMNS = 512 }; /* the parts that are packed fill their places */

static const struct wr_quantized_params ways[] = {
    {.mode = WR_AFFINE, .bits = 1, .group = 32},  {.mode = WR_AFFINE, .bits = 2, .group = 64},
    {.mode = WR_AFFINE, .bits = 3, .group = 128}, {.mode = WR_AFFINE, .bits = 4, .group = 64},
    {.mode = WR_AFFINE, .bits = 5, .group = 64},  {.mode = WR_AFFINE, .bits = 6, .group = 32},
    {.mode = WR_AFFINE, .bits = 8, .group = 128}, {.mode = WR_MXFP4, .bits = 4, .group = 32},
    {.mode = WR_MXFP8, .bits = 8, .group = 32},   {.mode = WR_NVFP4, .bits = 4, .group = 16},
    {.mode = WR_AFFINE, .bits = 4, .group = 32},  {.mode = WR_AFFINE, .bits = 8, .group = 64},
};
enum { WAYS = sizeof ways / sizeof ways[0] };

static void pack(const struct wr_quantized_params *how, enum wr_dtype t, const char *what) {
  const struct wr_quantized_layout l = wr_quantized_layout_of(ROWS * COLUMNS, how, t);
  struct wr_node *w = gpu_case_array(t, 2, (const int32_t[]){ROWS, COLUMNS}, 1u, false);
  const struct gpu_case c = {.op = WR_OP_QUANTIZE,
                             .dtype = WR_UINT8,
                             .ndim = 1,
                             .shape = (const int32_t[]){(int32_t)l.bytes},
                             .n_in = 1,
                             .in = &w,
                             .params = how,
                             .params_bytes = sizeof *how};
  gpu_case_run(&c, what);
  wr_node_release(w);
}

static struct wr_node *rounded(const float *data, const int32_t *shape, enum wr_dtype t) {
  struct wr_node *wide = NULL, *node = NULL;
  struct wr_error *error = wr_node_from_data(&wide, data, 2, shape, WR_FLOAT32);
  const struct wr_record cast = {.op = WR_OP_ASTYPE,
                                 .dtype = t,
                                 .ndim = 2,
                                 .shape = shape,
                                 .n_in = 1,
                                 .in = &wide,
                                 .stream = gpu_case_cpu};
  if (!error) error = wr_node_record(&node, &cast);
  if (!error) error = wr_node_force(node);
  if (error) exit(1);
  wr_node_release(wide);
  return node;
}

/* Numbers from 0 to `most`. Products take such ones alone: the GPU rounds the unpacked matrix to
   the type where tensor cores take it, and relative to a sum of terms of one sign that is a
   rounding of the type, while what is left of terms that cancel can be as small as the rounding
   itself. */
static struct wr_node *terms(enum wr_dtype t, const int32_t *shape, float most, uint32_t seed) {
  const int64_t n = (int64_t)shape[0] * shape[1];
  float *data = malloc((size_t)n * sizeof *data);
  for (int64_t i = 0; i < n; i++) data[i] = most * (float)(gpu_case_next(&seed) >> 8) * 0x1p-24f;
  struct wr_node *node = rounded(data, shape, t);
  free(data);
  return node;
}

/* x, when it is a product, then codes, scales and biases. */
static void run(enum wr_op op, const struct wr_quantized_params *how, enum wr_dtype t,
                struct wr_node *x, const int32_t *shape, const char *what) {
  const bool affine = how->mode == WR_AFFINE;
  struct wr_node *in[4];
  int n = 0;
  if (x) in[n++] = x;
  const int first = n;
  const int32_t words[] = {ROWS, COLUMNS * how->bits / 32}, groups[] = {ROWS, COLUMNS / how->group};
  in[n++] = gpu_case_array(WR_UINT32, 2, words, 2u, false);
  if (x) { /* elements up to 2, by which sums stay finite in float16 */
    in[n++] = terms(t, groups, 1.0f / (float)(1 << how->bits), 3u);
    in[n++] = terms(t, groups, 1, 4u);
  } else {
    in[n++] = gpu_case_array(affine ? t : WR_UINT8, 2, groups, 3u, false);
    if (affine) in[n++] = gpu_case_array(t, 2, groups, 4u, false);
  }
  const struct gpu_case c = {.op = op,
                             .dtype = t,
                             .ndim = 2,
                             .shape = shape,
                             .n_in = n,
                             .in = in,
                             .params = how,
                             .params_bytes = sizeof *how,
                             .tolerance = x && t == WR_FLOAT32 ? 1e-5 : 0};
  gpu_case_run(&c, what);
  for (int i = first; i < n; i++) wr_node_release(in[i]);
}

/* Bytes that are scales near 1, of E8M0 or E4M3. */
static struct wr_node *bytes_near_one(const int32_t *shape, bool e4m3) {
  const int64_t n = (int64_t)shape[0] * shape[1];
  uint8_t *data = malloc((size_t)n);
  struct wr_node *node = NULL;
  uint32_t seed = 6;
  for (int64_t i = 0; i < n; i++) {
    data[i] = (uint8_t)((e4m3 ? 48 : 124) + (int)(gpu_case_next(&seed) % 6));
  }
  struct wr_error *error = wr_node_from_data(&node, data, 2, shape, WR_UINT8);
  free(data);
  if (error) exit(1);
  return node;
}

/* Rows that are 0 but for one element, another in each. */
static struct wr_node *unit_rows(enum wr_dtype t, int32_t m, int32_t k) {
  const int32_t shape[] = {m, k};
  float *data = calloc((size_t)m * (size_t)k, sizeof *data);
  for (int32_t i = 0; i < m; i++) data[(int64_t)i * k + i * 37 % k] = 1 + (float)(i % 4);
  struct wr_node *node = rounded(data, shape, t);
  free(data);
  return node;
}

/* Any codes, of E4M3 but the one that is no number. */
static struct wr_node *codes_of(const int32_t *shape, bool e4m3) {
  const int64_t n = (int64_t)shape[0] * shape[1];
  uint32_t *data = malloc((size_t)n * sizeof *data), seed = 2;
  struct wr_node *node = NULL;
  for (int64_t i = 0; i < n; i++) {
    data[i] = gpu_case_next(&seed) ^ gpu_case_next(&seed) << 16;
    if (e4m3) data[i] &= 0xf7f7f7f7u;
  }
  struct wr_error *error = wr_node_from_data(&node, data, 2, shape, WR_UINT32);
  free(data);
  if (error) exit(1);
  return node;
}

/* Matrices of any size: m rows of x by n rows of k packed elements. Codes of E2M1 and E4M3 are of
   both signs: there x is a row of one element, the others 0, and the sum one product. */
static void multiply_sized(struct wr_quantized_params how, enum wr_dtype t, int32_t m, int32_t n,
                           int32_t k) {
  char what[128];
  const bool affine = how.mode == WR_AFFINE;
  const int32_t words[] = {n, k * how.bits / 32}, groups[] = {n, k / how.group};
  struct wr_node *in[4] = {NULL, codes_of(words, how.mode == WR_MXFP8)};
  int count = 3;
  if (affine) {
    in[0] = terms(t, (const int32_t[]){m, k}, 2, 5u);
    in[2] = terms(t, groups, 1.0f / (float)(1 << how.bits), 3u);
    in[count++] = terms(t, groups, 1, 4u);
  } else {
    in[0] = unit_rows(t, m, k);
    in[2] = bytes_near_one(groups, how.mode == WR_NVFP4);
  }
  how.transpose = true;
  snprintf(what, sizeof what, "mode %d, %d bits, of %s, %d x %d x %d", how.mode, how.bits,
           wr_dtype_name(t), m, n, k);
  const struct gpu_case c = {.op = WR_OP_QUANTIZED_MATMUL,
                             .dtype = t,
                             .ndim = 2,
                             .shape = (const int32_t[]){m, n},
                             .n_in = count,
                             .in = in,
                             .params = &how,
                             .params_bytes = sizeof how};
  gpu_case_run(&c, what);
  for (int i = 0; i < count; i++) wr_node_release(in[i]);
}

static void multiply(struct wr_quantized_params how, enum wr_dtype t, int32_t m, bool transpose,
                     const char *what) {
  const int32_t k = transpose ? COLUMNS : ROWS, n = transpose ? ROWS : COLUMNS;
  struct wr_node *x = terms(t, (const int32_t[]){m, k}, 2, 5u);
  how.transpose = transpose;
  run(WR_OP_QUANTIZED_MATMUL, &how, t, x, (const int32_t[]){m, n}, what);
  wr_node_release(x);
}

/* quantized [PART OF]: all ways of packing, or each so many-th of them. */
int main(int argc, char **argv) {
  static const enum wr_dtype types[] = {WR_FLOAT32, WR_FLOAT16, WR_BFLOAT16};
  /* Each tile, filled and not; one whose k is no multiple of what they take. */
  static const int32_t sizes[][3] = {
      {9, 64, 1024},    {16, 33, 128},    {20, 70, 640},  {40, 64, 1152}, {70, 257, 384},
      {130, 4300, 256}, {257, 9000, 128}, {33, 40, 4096}, {12, 7, 512},   {200, 4250, 320}};
  if (!gpu_case_start()) return GPU_CASE_SKIPPED;
  const size_t first = argc > 2 ? strtoul(argv[1], NULL, 10) : 0;
  const size_t step = argc > 2 ? strtoul(argv[2], NULL, 10) : 1;
  for (size_t i = first; i < WAYS; i += step) {
    const struct wr_quantized_params *how = &ways[i];
    for (int k = 0; k < 3; k++) {
      char what[96];
      snprintf(what, sizeof what, "mode %d, %d bits, of %s", how->mode, how->bits,
               wr_dtype_name(types[k]));
      pack(how, types[k], what);
      for (size_t j = 0; k > 0 && j < sizeof sizes / sizeof *sizes; j++) {
        if (how->bits > 1) multiply_sized(*how, types[k], sizes[j][0], sizes[j][1], sizes[j][2]);
      }
      /* Scales of E8M0 drawn from all bytes are infinite now and then. */
      if (how->mode != WR_AFFINE) continue;
      run(WR_OP_DEQUANTIZE, how, types[k], NULL, (const int32_t[]){ROWS, COLUMNS}, what);
      multiply(*how, types[k], 1, true, what);
      multiply(*how, types[k], 5, true, what);
      multiply(*how, types[k], 70, true, what);
      multiply(*how, types[k], 3, false, what);
    }
  }
  return gpu_case_end();
}
