/* Products with quantised matrices against sums over what dequantize makes of them: every way of
   packing, both ways of multiplying, one row and many, by number, by values that are not finite;
   what is quantised is near what it was; and every float of 8 bits by every scale, bit by bit. */

#include "backend/cpu/kernels.h"
#include "backend/cpu/packed.h"
#include "core/quantized.h"
#include "kernel_case.h"

enum { K = 640, N = 130, M = 20, MATRICES = 2 };

static const struct wr_quantized_params ways[] = {
    {.mode = WR_AFFINE, .bits = 1, .group = 32},  {.mode = WR_AFFINE, .bits = 2, .group = 64},
    {.mode = WR_AFFINE, .bits = 3, .group = 128}, {.mode = WR_AFFINE, .bits = 4, .group = 32},
    {.mode = WR_AFFINE, .bits = 5, .group = 64},  {.mode = WR_AFFINE, .bits = 6, .group = 32},
    {.mode = WR_AFFINE, .bits = 8, .group = 128}, {.mode = WR_MXFP4, .bits = 4, .group = 32},
    {.mode = WR_MXFP8, .bits = 8, .group = 32},   {.mode = WR_NVFP4, .bits = 4, .group = 16},
};
enum { WAYS = sizeof ways / sizeof ways[0] };

static uint32_t seed = 7;
static float noise(void) { return (float)(kernel_case_next(&seed) % 2001u) / 1000.0f - 1.0f; }

/* A matrix, packed and unpacked, of `rows` rows of `n`. */
struct packed {
  float values[MATRICES * K * N];
  uint8_t bytes[8 * MATRICES * K * N];
  struct kernel_operand parts[3];
  struct wr_tensor in[3];
  int n_parts;
};
static struct packed w;

static void make_packed(const struct wr_quantized_params *how, int32_t rows, int32_t n) {
  static float source[MATRICES * K * N];
  const bool affine = how->mode == WR_AFFINE;
  const int64_t elements = (int64_t)MATRICES * rows * n;
  const struct wr_quantized_layout l = wr_quantized_layout_of(elements, how, WR_FLOAT32);
  const int32_t shape[3] = {MATRICES, rows, n}, words[3] = {MATRICES, rows, n * how->bits / 32};
  const int32_t groups[3] = {MATRICES, rows, n / how->group};
  struct kernel_operand from, to;
  for (int64_t i = 0; i < elements; i++) source[i] = noise();
  operand_dense(&from, source, WR_FLOAT32, 3, shape);
  operand_dense(&to, w.bytes, WR_UINT8, 1, SHAPE((int32_t)l.bytes));
  EXPECT(kernel_run(WR_OP_QUANTIZE, &from.t, 1, &to.t, how));
  operand_dense(&w.parts[0], w.bytes, WR_UINT32, 3, words);
  operand_dense(&w.parts[1], w.bytes + l.scales, affine ? WR_FLOAT32 : WR_UINT8, 3, groups);
  operand_dense(&w.parts[2], w.bytes + l.biases, WR_FLOAT32, 3, groups);
  w.n_parts = affine ? 3 : 2;
  for (int i = 0; i < w.n_parts; i++) w.in[i] = w.parts[i].t;
  operand_dense(&to, w.values, WR_FLOAT32, 3, shape);
  EXPECT(kernel_run(WR_OP_DEQUANTIZE, w.in, w.n_parts, &to.t, how));
  const float steps = affine ? (float)((1 << how->bits) - 1) : 3;
  for (int64_t i = 0; i < elements; i++) EXPECT(fabsf(w.values[i] - source[i]) <= 2.1f / steps);
}

static const int64_t lhs[3] = {1, -2, 9}, rhs[3] = {0, 1, -1}; /* 1, 0, 1 and 0, 1, 1 */

static void check(const struct wr_quantized_params *how, const float *x, const float *y, int32_t m,
                  int32_t n, int32_t k, int product) {
  const int a = product == 1 ? 0 : 1, b = product == 0 ? 0 : 1;
  for (int32_t i = 0; i < m; i++) {
    for (int32_t j = 0; j < n; j++) {
      double sum = 0, size = 0;
      for (int32_t d = 0; d < k; d++) {
        const int32_t at = how->transpose ? j * k + d : d * n + j;
        const double term = (double)x[(a * m + i) * k + d] * (double)w.values[b * n * k + at];
        sum += term;
        size += fabs(term);
      }
      const double got = (double)y[(product * m + i) * n + j];
      const bool near = fabs(got - sum) <= size * 2e-6 + 1e-30;
      EXPECT(near || (isnan(sum) && isnan(got)) || got == sum);
    }
  }
}

static void multiply(struct wr_quantized_params how, int32_t m, bool transpose, bool odd) {
  static float x[2 * M * K], y[3 * M * K];
  const int32_t n = transpose ? N : K, k = transpose ? K : N;
  struct kernel_operand factor, numbers[2], out;
  for (int32_t i = 0; i < 2 * m * k; i++) x[i] = noise();
  if (odd) {
    x[0] = INFINITY;
    x[m * k + 3] = NAN;
    for (int32_t i = k / 2; i < k; i++) x[i] *= 1e-20f;
  }
  how.transpose = transpose;
  how.gathers = true;
  operand_dense(&factor, x, WR_FLOAT32, 3, SHAPE(2, m, k));
  operand_dense(&numbers[0], (void *)lhs, WR_INT64, 1, SHAPE(3));
  operand_dense(&numbers[1], (void *)rhs, WR_INT64, 1, SHAPE(3));
  operand_dense(&out, y, WR_FLOAT32, 3, SHAPE(3, m, n));
  struct wr_tensor in[6] = {factor.t};
  for (int i = 0; i < w.n_parts; i++) in[1 + i] = w.in[i];
  in[1 + w.n_parts] = numbers[0].t;
  in[2 + w.n_parts] = numbers[1].t;
  EXPECT(kernel_run(WR_OP_QUANTIZED_MATMUL, in, 3 + w.n_parts, &out.t, &how));
  for (int i = 0; i < 3; i++) check(&how, x, y, m, n, k, i);
}

static void test_way(const struct wr_quantized_params *how) {
  make_packed(how, N, K);
  multiply(*how, 1, true, false);
  multiply(*how, 3, true, true);
  multiply(*how, M, true, false);
  multiply(*how, M, true, true);
  make_packed(how, N, K); /* (K, N): as many rows as x has columns */
  multiply(*how, 2, false, false);
}

/* 8 groups of 32 are all codes. */
static void test_e4m3(void) {
  uint8_t codes[256], scales[8];
  for (int i = 0; i < 256; i++) codes[i] = (uint8_t)i;
  const struct wr_packed_rows rows = {.codes = codes,
                                      .scales = (const char *)scales,
                                      .mode = WR_MXFP8,
                                      .bits = 8,
                                      .group = 32,
                                      .row_bytes = 256,
                                      .groups = 8};
  for (unsigned scale = 0; scale < 256; scale++) {
    float values[256];
    memset(scales, (int)scale, sizeof scales);
    wr_packed_values(values, &rows, 0, 0, 256);
    for (unsigned i = 0; i < 256; i++) {
      const unsigned field = i >> 3 & 15u, m = i & 7u;
      const float size = field ? ldexpf((float)(8 + m), (int)field - 10) : ldexpf((float)m, -9);
      const float value = (i & 127u) == 127u ? NAN : i & 128u ? -size : size;
      const float want = value * wr_e8m0_value(scale);
      EXPECT(isnan(want) ? isnan(values[i]) : wr_f32_bits(values[i]) == wr_f32_bits(want));
      EXPECT(scale != 127 || wr_f32_bits(values[i]) == wr_f32_bits(wr_e4m3_value(i)));
    }
  }
}

int main(void) {
  for (size_t i = 0; i < WAYS; i++) test_way(&ways[i]);
  test_e4m3();
  return kernel_case_failures() != 0;
}
