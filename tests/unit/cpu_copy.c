/* Copies between dtypes and layouts, concatenation, slice_update, arange. */

#include "backend/cpu/kernels.h"
#include "core/half.h"
#include "kernel_case.h"

static struct kernel_operand a, b, out;

static void test_floats_to_integers(void) {
  const float in[] = {NAN, INFINITY, -INFINITY, 1e20f, 300.7f, -1.5f, 3e9f};
  int64_t wide[7];
  uint64_t natural[7];
  uint8_t narrow[7];
  operand_dense(&a, (void *)in, WR_FLOAT32, 1, SHAPE(7));
  operand_dense(&out, wide, WR_INT64, 1, SHAPE(7));
  EXPECT(kernel_run(wr_cpu_copy, &a.t, 1, &out.t, NULL));
  EXPECT(wide[0] == 0 && wide[1] == INT64_MAX && wide[2] == INT64_MIN && wide[3] == INT64_MAX);
  EXPECT(wide[4] == 300 && wide[5] == -1 && wide[6] == 3000000000);
  operand_dense(&out, natural, WR_UINT64, 1, SHAPE(7));
  EXPECT(kernel_run(wr_cpu_copy, &a.t, 1, &out.t, NULL));
  EXPECT(natural[1] == UINT64_MAX && natural[5] == UINT64_MAX && natural[6] == 3000000000u);
  operand_dense(&out, narrow, WR_UINT8, 1, SHAPE(7));
  EXPECT(kernel_run(wr_cpu_copy, &a.t, 1, &out.t, NULL));
  EXPECT(narrow[0] == 0 && narrow[4] == 44 && narrow[5] == 255);
  operand_dense(&out, narrow, WR_BOOL, 1, SHAPE(7));
  EXPECT(kernel_run(wr_cpu_copy, &a.t, 1, &out.t, NULL));
  for (int i = 0; i < 7; i++) EXPECT(narrow[i] == 1);
}

/* 0 and 1 survive the way from every dtype to every other, through a strided view. */
static void test_all_pairs(void) {
  const uint8_t bits[] = {0, 1, 1, 0, 1};
  for (int from = 0; from < WR_DTYPE_COUNT; from++) {
    for (int to = 0; to < WR_DTYPE_COUNT; to++) {
      wr_complex64 x[5], y[3];
      uint8_t back[3];
      operand_dense(&a, (void *)bits, WR_BOOL, 1, SHAPE(5));
      operand_dense(&out, x, (enum wr_dtype)from, 1, SHAPE(5));
      EXPECT(kernel_run(wr_cpu_copy, &a.t, 1, &out.t, NULL));
      operand_strided(&a, x, (enum wr_dtype)from, 1, SHAPE(3), STRIDES(2));
      operand_dense(&out, y, (enum wr_dtype)to, 1, SHAPE(3));
      EXPECT(kernel_run(wr_cpu_copy, &a.t, 1, &out.t, NULL));
      operand_dense(&b, back, WR_BOOL, 1, SHAPE(3));
      EXPECT(kernel_run(wr_cpu_copy, &out.t, 1, &b.t, NULL));
      EXPECT(back[0] == 0 && back[1] == 1 && back[2] == 1);
    }
  }
}

static void test_halves_round_to_even(void) {
  const float in[] = {2049.0f, 2051.0f, 65519.0f, 65520.0f, 0x1p-25f, 0x1.8p-25f};
  uint16_t half[6];
  operand_dense(&a, (void *)in, WR_FLOAT32, 1, SHAPE(6));
  operand_dense(&out, half, WR_FLOAT16, 1, SHAPE(6));
  EXPECT(kernel_run(wr_cpu_copy, &a.t, 1, &out.t, NULL));
  EXPECT(wr_f16_to_f32(half[0]) == 2048.0f && wr_f16_to_f32(half[1]) == 2052.0f);
  EXPECT(half[2] == 0x7bff && half[3] == 0x7c00 && half[4] == 0 && half[5] == 1);
}

static void test_transposed(void) {
  enum { ROWS = 211, COLS = 307 };
  static double x[ROWS * COLS], y[ROWS * COLS];
  for (int i = 0; i < ROWS * COLS; i++) x[i] = i;
  operand_strided(&a, x, WR_FLOAT64, 2, SHAPE(COLS, ROWS), STRIDES(1, COLS));
  operand_dense(&out, y, WR_FLOAT64, 2, SHAPE(COLS, ROWS));
  EXPECT(kernel_run(wr_cpu_copy, &a.t, 1, &out.t, NULL));
  int bad = 0;
  for (int i = 0; i < ROWS * COLS; i++) bad += y[i] != x[i % ROWS * COLS + i / ROWS];
  EXPECT(bad == 0);
}

static void test_concatenate(void) {
  int32_t x[] = {1, 2, 3, 4}, y[] = {5, 6}, result[6];
  const struct wr_axis_params along_1 = {.axis = 1};
  operand_dense(&a, x, WR_INT32, 2, SHAPE(2, 2));
  operand_dense(&b, y, WR_INT32, 2, SHAPE(2, 1));
  operand_dense(&out, result, WR_INT32, 2, SHAPE(2, 3));
  const struct wr_tensor in[] = {a.t, b.t};
  EXPECT(kernel_run(wr_cpu_concatenate, in, 2, &out.t, &along_1));
  EXPECT(memcmp(result, (const int32_t[]){1, 2, 5, 3, 4, 6}, sizeof result) == 0);
}

static void test_slice_update(void) {
  int16_t x[10], update[] = {-1, -2, -3}, result[10];
  const struct wr_slice_params by_2 = {.start = {7}, .step = {-2}};
  for (int i = 0; i < 10; i++) x[i] = (int16_t)i;
  operand_dense(&a, x, WR_INT16, 1, SHAPE(10));
  operand_dense(&b, update, WR_INT16, 1, SHAPE(3));
  operand_dense(&out, result, WR_INT16, 1, SHAPE(10));
  const struct wr_tensor in[] = {a.t, b.t};
  EXPECT(kernel_run(wr_cpu_slice_update, in, 2, &out.t, &by_2));
  EXPECT(memcmp(result, (const int16_t[]){0, 1, 2, -3, 4, -2, 6, -1, 8, 9}, sizeof result) == 0);
}

static void test_arange(void) {
  float result[700];
  const struct wr_arange_params tenths = {.start = 1, .step = 0.1};
  operand_dense(&out, result, WR_FLOAT32, 1, SHAPE(700));
  EXPECT(kernel_run(wr_cpu_arange, NULL, 0, &out.t, &tenths));
  EXPECT(result[0] == 1 && result[699] == (float)(1 + 699 * 0.1));
  operand_dense(&out, NULL, WR_FLOAT32, 1, SHAPE(0));
  EXPECT(kernel_run(wr_cpu_arange, NULL, 0, &out.t, &tenths));
}

int main(void) {
  test_floats_to_integers();
  test_all_pairs();
  test_halves_round_to_even();
  test_transposed();
  test_concatenate();
  test_slice_update();
  test_arange();
  return kernel_case_failures() != 0;
}
