/* Running sums: both directions, with and without the element itself, along each axis, strided
   inputs, wrapping, and accuracy of 16-bit floats. */

#include "backend/cpu/kernels.h"
#include "core/half.h"
#include "kernel_case.h"

static bool scans_to(bool reverse, bool inclusive, const int8_t *expected) {
  int8_t x[4] = {100, 100, -3, 1};
  int8_t y[4];
  struct kernel_operand in, out;
  struct wr_scan_params params = {.axis = 0, .reverse = reverse, .inclusive = inclusive};
  EXPECT(kernel_run(WR_OP_CUMSUM, operand_dense(&in, x, WR_INT8, 1, SHAPE(4)), 1,
                    operand_dense(&out, y, WR_INT8, 1, SHAPE(4)), &params));
  return memcmp(y, expected, 4) == 0;
}

static void test_directions(void) {
  EXPECT(scans_to(false, true, (const int8_t[]){100, -56, -59, -58}));
  EXPECT(scans_to(false, false, (const int8_t[]){0, 100, -56, -59}));
  EXPECT(scans_to(true, true, (const int8_t[]){-58, 98, -2, 1}));
  EXPECT(scans_to(true, false, (const int8_t[]){98, -2, 1, 0}));
}

static void test_axes(void) {
  float x[24];
  float y[24];
  for (int i = 0; i < 24; i++) x[i] = (float)(i + 1);
  struct kernel_operand in, out;
  operand_strided(&in, x, WR_FLOAT32, 3, SHAPE(4, 2, 3), STRIDES(1, 12, 4));
  operand_dense(&out, y, WR_FLOAT32, 3, SHAPE(4, 2, 3));
  for (int axis = 0; axis < 3; axis++) {
    struct wr_scan_params params = {.axis = axis, .reverse = false, .inclusive = true};
    EXPECT(kernel_run(WR_OP_CUMSUM, &in.t, 1, &out.t, &params));
    for (int i = 0; i < 24; i++) {
      int at[3] = {i / 6, i / 3 % 2, i % 3};
      float sum = 0.0f;
      for (int n = at[axis]; n >= 0; n--) {
        at[axis] = n;
        sum += x[at[0] + at[1] * 12 + at[2] * 4];
      }
      EXPECT(y[i] == sum);
    }
  }
}

static void test_types(void) {
  static uint16_t x[4096];
  static uint16_t y[4096];
  for (int i = 0; i < 4096; i++) x[i] = wr_f32_to_f16(1.0f);
  struct kernel_operand in, out;
  struct wr_scan_params params = {.axis = 0, .reverse = false, .inclusive = true};
  EXPECT(kernel_run(WR_OP_CUMSUM, operand_dense(&in, x, WR_FLOAT16, 1, SHAPE(4096)), 1,
                    operand_dense(&out, y, WR_FLOAT16, 1, SHAPE(4096)), &params));
  EXPECT(wr_f16_to_f32(y[4095]) == 4096.0f);
  uint8_t flags[3] = {1, 1, 1};
  int32_t counts[3];
  EXPECT(kernel_run(WR_OP_CUMSUM, operand_dense(&in, flags, WR_BOOL, 1, SHAPE(3)), 1,
                    operand_dense(&out, counts, WR_INT32, 1, SHAPE(3)), &params));
  EXPECT(counts[0] == 1 && counts[2] == 3);
  wr_complex64 z[2] = {{1, 2}, {3, -5}};
  wr_complex64 w[2];
  EXPECT(kernel_run(WR_OP_CUMSUM, operand_dense(&in, z, WR_COMPLEX64, 1, SHAPE(2)), 1,
                    operand_dense(&out, w, WR_COMPLEX64, 1, SHAPE(2)), &params));
  EXPECT(w[1].re == 4 && w[1].im == -3);
}

int main(void) {
  test_directions();
  test_axes();
  test_types();
  return kernel_case_failures() != 0;
}
