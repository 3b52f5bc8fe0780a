/* Matrix products against a plain triple loop in double: layouts that BLAS reads and those that it
   cannot, broadcast batches, vectors, K = 0, 16-bit floats, several tiles and slices. */

#include <stdlib.h>

#include "backend/cpu/kernels.h"
#include "core/half.h"
#include "kernel_case.h"

static struct kernel_operand a, b, c, out;

static double at(const struct wr_tensor *t, int64_t batch, int64_t row, int64_t col) {
  const int64_t i = batch * t->strides[0] + row * t->strides[1] + col * t->strides[2];
  switch (t->dtype) {
    case WR_FLOAT32:
      return (double)((const float *)t->data)[i];
    case WR_FLOAT64:
      return ((const double *)t->data)[i];
    case WR_FLOAT16:
      return (double)wr_f16_to_f32(((const uint16_t *)t->data)[i]);
    default:
      return (double)wr_bf16_to_f32(((const uint16_t *)t->data)[i]);
  }
}

static double expected(int64_t batch, int64_t row, int64_t col) {
  double sum = 0;
  for (int64_t k = 0; k < a.t.shape[2]; k++)
    sum += at(&a.t, batch, row, k) * at(&b.t, batch, k, col);
  return sum;
}

/* Small whole numbers: every product and sum is exact in float32, and in bfloat16 on its own. */
static void fill(void *data, enum wr_dtype dtype, int n) {
  uint32_t seed = 1;
  for (int i = 0; i < n; i++) {
    const float x = (float)(kernel_case_next(&seed) % 7) - 3;
    if (dtype == WR_FLOAT32) ((float *)data)[i] = x;
    if (dtype == WR_FLOAT64) ((double *)data)[i] = (double)x;
    if (dtype == WR_FLOAT16) ((uint16_t *)data)[i] = wr_f32_to_f16(x);
    if (dtype == WR_BFLOAT16) ((uint16_t *)data)[i] = wr_f32_to_bf16(x);
  }
}

static int count_wrong(void) {
  const int32_t *shape = out.t.shape;
  int bad = 0;
  for (int64_t i = 0; i < shape[0]; i++) {
    for (int64_t row = 0; row < shape[1]; row++) {
      for (int64_t col = 0; col < shape[2]; col++) {
        const double want = expected(i, row, col);
        bad += fabs(at(&out.t, i, row, col) - want) > fabs(want) / 250;
      }
    }
  }
  return bad;
}

/* 3 batches of 5 x 6 by 6 x 4, from buffers that are long enough for any of the strides below. */
static void check(enum wr_dtype dtype, const int64_t *a_strides, const int64_t *b_strides) {
  double x[512], y[512], result[60];
  fill(x, dtype, 512);
  fill(y, dtype, 512);
  operand_strided(&a, x, dtype, 3, SHAPE(3, 5, 6), a_strides);
  operand_strided(&b, y, dtype, 3, SHAPE(3, 6, 4), b_strides);
  operand_dense(&out, result, dtype, 3, SHAPE(3, 5, 4));
  const struct wr_tensor in[] = {a.t, b.t};
  EXPECT(kernel_run(WR_OP_MATMUL, in, 2, &out.t, NULL));
  EXPECT(count_wrong() == 0);
}

static void test_layouts(void) {
  static const enum wr_dtype dtypes[] = {WR_FLOAT32, WR_FLOAT64, WR_FLOAT16, WR_BFLOAT16};
  for (int i = 0; i < 4; i++) {
    check(dtypes[i], STRIDES(30, 6, 1), STRIDES(24, 4, 1));
    check(dtypes[i], STRIDES(30, 1, 5), STRIDES(24, 1, 6));
    check(dtypes[i], STRIDES(0, 9, 1), STRIDES(0, 1, 11));
    check(dtypes[i], STRIDES(60, 12, 2), STRIDES(1, 0, 3));
    check(dtypes[i], STRIDES(0, 0, 0), STRIDES(24, 4, 1));
    check(dtypes[i], STRIDES(1, 1, 1), STRIDES(24, 4, 1));
  }
}

static void check_size(int32_t m, int32_t n, int32_t k) {
  const size_t bytes = sizeof(float);
  float *x = malloc((size_t)m * (size_t)k * bytes + 1);
  float *y = malloc((size_t)k * (size_t)n * bytes + 1);
  float *result = malloc((size_t)m * (size_t)n * bytes + 1);
  fill(x, WR_FLOAT32, m * k);
  fill(y, WR_FLOAT32, k * n);
  operand_dense(&a, x, WR_FLOAT32, 3, SHAPE(1, m, k));
  operand_dense(&b, y, WR_FLOAT32, 3, SHAPE(1, k, n));
  operand_dense(&out, result, WR_FLOAT32, 3, SHAPE(1, m, n));
  const struct wr_tensor in[] = {a.t, b.t};
  EXPECT(kernel_run(WR_OP_MATMUL, in, 2, &out.t, NULL));
  EXPECT(count_wrong() == 0);
  free(result);
  free(y);
  free(x);
}

static void test_sizes(void) {
  check_size(1, 1, 1);
  check_size(1, 50, 70);
  check_size(50, 1, 70);
  check_size(1, 1, 70);
  check_size(3, 4, 0);
  check_size(0, 4, 3);
  check_size(65, 33, 129);
  check_size(1030, 3, 40);
  check_size(2, 1100, 500);
  check_size(1, 1, 1000000);
}

static void test_addmm(void) {
  float x[] = {1, 2, 3, 4}, y[] = {1, 0, 0, 1}, bias[] = {10, 20}, result[4];
  const struct wr_addmm_params params = {.alpha = 2, .beta = 0.5f};
  operand_strided(&c, bias, WR_FLOAT32, 2, SHAPE(2, 2), STRIDES(0, 1));
  operand_dense(&a, x, WR_FLOAT32, 2, SHAPE(2, 2));
  operand_dense(&b, y, WR_FLOAT32, 2, SHAPE(2, 2));
  operand_dense(&out, result, WR_FLOAT32, 2, SHAPE(2, 2));
  const struct wr_tensor in[] = {c.t, a.t, b.t};
  EXPECT(kernel_run(WR_OP_ADDMM, in, 3, &out.t, &params));
  EXPECT(memcmp(result, (const float[]){7, 14, 11, 18}, sizeof result) == 0);
  operand_dense(&a, NULL, WR_FLOAT32, 2, SHAPE(2, 0));
  operand_dense(&b, NULL, WR_FLOAT32, 2, SHAPE(0, 2));
  const struct wr_tensor empty[] = {c.t, a.t, b.t};
  EXPECT(kernel_run(WR_OP_ADDMM, empty, 3, &out.t, &params));
  EXPECT(memcmp(result, (const float[]){5, 10, 5, 10}, sizeof result) == 0);
}

static void test_complex(void) {
  wr_complex64 x[] = {{1, 1}, {0, 2}}, y[] = {{2, 0}, {0, 1}}, result;
  operand_dense(&a, x, WR_COMPLEX64, 2, SHAPE(1, 2));
  operand_dense(&b, y, WR_COMPLEX64, 2, SHAPE(2, 1));
  operand_dense(&out, &result, WR_COMPLEX64, 2, SHAPE(1, 1));
  const struct wr_tensor in[] = {a.t, b.t};
  EXPECT(kernel_run(WR_OP_MATMUL, in, 2, &out.t, NULL));
  EXPECT(result.re == 0 && result.im == 2);
}

int main(void) {
  test_layouts();
  test_sizes();
  test_addmm();
  test_complex();
  return kernel_case_failures() != 0;
}
