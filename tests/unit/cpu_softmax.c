/* Softmax and log-sum-exp against the definition in double, for each floating type and for strided
   rows; then infinities, NaN and long rows. */

#include "backend/cpu/kernels.h"
#include "core/half.h"
#include "kernel_case.h"

enum { ROWS = 3, LENGTH = 1100 };

static float values[ROWS * LENGTH];

static double exact_sum(const float *x, int64_t stride, double *top) {
  *top = -(double)INFINITY;
  for (int i = 0; i < LENGTH; i++) *top = fmax(*top, (double)x[i * stride]);
  double sum = 0.0;
  for (int i = 0; i < LENGTH; i++) sum += exp((double)x[i * stride] - *top);
  return sum;
}

static void check_f32(const struct wr_tensor *in) {
  static float y[ROWS * LENGTH];
  float lse[ROWS];
  struct kernel_operand out;
  struct wr_softmax_params precise = {.precise = false};
  EXPECT(
      kernel_run(WR_OP_SOFTMAX, in, 1, operand_dense(&out, y, WR_FLOAT32, 2, in->shape), &precise));
  EXPECT(kernel_run(WR_OP_LOGSUMEXP, in, 1, operand_dense(&out, lse, WR_FLOAT32, 1, SHAPE(ROWS)),
                    NULL));
  double worst = 0.0;
  for (int r = 0; r < ROWS; r++) {
    const float *x = (const float *)in->data + r * in->strides[0];
    double top;
    double sum = exact_sum(x, in->strides[1], &top);
    EXPECT(fabs((double)lse[r] - (top + log(sum))) < 1e-5);
    for (int i = 0; i < LENGTH; i++) {
      double exact = exp((double)x[i * in->strides[1]] - top) / sum;
      if (exact < 1e-37) continue;
      worst = fmax(worst, fabs((double)y[r * LENGTH + i] / exact - 1.0));
    }
  }
  /* x - maximum is rounded to float32: half an ulp below 64 is 1.9e-6. */
  EXPECT(worst < 2.5e-6);
}

static void test_f32(void) {
  uint32_t seed = 3;
  for (int i = 0; i < ROWS * LENGTH; i++) {
    values[i] = (float)(kernel_case_next(&seed) % 40000u) / 1000.0f - 20.0f;
  }
  struct kernel_operand in;
  check_f32(operand_dense(&in, values, WR_FLOAT32, 2, SHAPE(ROWS, LENGTH)));
  check_f32(operand_strided(&in, values, WR_FLOAT32, 2, SHAPE(ROWS, LENGTH), STRIDES(1, ROWS)));
}

static void test_half(void) {
  static uint16_t x[5000];
  static uint16_t y[5000];
  for (int i = 0; i < 5000; i++) x[i] = wr_f32_to_bf16((float)(i % 7));
  struct kernel_operand in, out;
  EXPECT(kernel_run(WR_OP_SOFTMAX, operand_dense(&in, x, WR_BFLOAT16, 1, SHAPE(5000)), 1,
                    operand_dense(&out, y, WR_BFLOAT16, 1, SHAPE(5000)),
                    &(struct wr_softmax_params){.precise = true}));
  double sum = 0.0;
  for (int i = 0; i < 5000; i++) sum += exp(i % 7 - 6.0);
  for (int i = 0; i < 7; i++) {
    double exact = exp(i - 6.0) / sum;
    EXPECT(fabs((double)wr_bf16_to_f32(y[i]) / exact - 1.0) < 1.0 / 256);
  }
  for (int i = 0; i < 2000; i++) x[i] = wr_f32_to_f16(1.0f);
  EXPECT(kernel_run(WR_OP_LOGSUMEXP, operand_dense(&in, x, WR_FLOAT16, 1, SHAPE(2000)), 1,
                    operand_dense(&out, y, WR_FLOAT16, 0, NULL), NULL));
  EXPECT(y[0] == wr_f32_to_f16(1.0f + logf(2000.0f)));
}

static float lse2(float a, float b) {
  float x[2] = {a, b};
  float y = 0.0f;
  struct kernel_operand in, out;
  EXPECT(kernel_run(WR_OP_LOGSUMEXP, operand_dense(&in, x, WR_FLOAT32, 1, SHAPE(2)), 1,
                    operand_dense(&out, &y, WR_FLOAT32, 0, NULL), NULL));
  return y;
}

static void test_special(void) {
  EXPECT(lse2(-INFINITY, -INFINITY) == -INFINITY);
  EXPECT(lse2(INFINITY, 1.0f) == INFINITY);
  EXPECT(isnan(lse2(NAN, 1.0f)));
  EXPECT(isnan(lse2(1.0f, NAN)));
  float x[6] = {-INFINITY, -INFINITY, INFINITY, 1.0f, -INFINITY, 0.0f};
  float y[6];
  struct kernel_operand in, out;
  EXPECT(kernel_run(WR_OP_SOFTMAX, operand_dense(&in, x, WR_FLOAT32, 2, SHAPE(3, 2)), 1,
                    operand_dense(&out, y, WR_FLOAT32, 2, SHAPE(3, 2)),
                    &(struct wr_softmax_params){.precise = false}));
  EXPECT(isnan(y[0]) && isnan(y[1]) && isnan(y[2]) && isnan(y[3]));
  EXPECT(y[4] == 0.0f && y[5] == 1.0f);
}

static void test_double_and_complex(void) {
  double x[3] = {1.0, 2.0, 3.0};
  double y[3];
  struct kernel_operand in, out;
  struct wr_softmax_params params = {.precise = false};
  EXPECT(kernel_run(WR_OP_SOFTMAX, operand_dense(&in, x, WR_FLOAT64, 1, SHAPE(3)), 1,
                    operand_dense(&out, y, WR_FLOAT64, 1, SHAPE(3)), &params));
  EXPECT(fabs(y[2] - 0.66524095577482178) < 1e-15);
  wr_complex64 z[5] = {{1, 2}, {3, -1}, {1, 5}, {0, 0}, {3, 0}};
  wr_complex64 w[5];
  EXPECT(kernel_run(WR_OP_SOFTMAX, operand_dense(&in, z, WR_COMPLEX64, 1, SHAPE(5)), 1,
                    operand_dense(&out, w, WR_COMPLEX64, 1, SHAPE(5)), &params));
  EXPECT(fabsf(w[1].re - 0.48985076f) < 1e-6f && fabsf(w[1].im + 0.27095583f) < 1e-6f);
  EXPECT(
      kernel_run(WR_OP_LOGSUMEXP, &in.t, 1, operand_dense(&out, w, WR_COMPLEX64, 0, NULL), NULL));
  EXPECT(fabsf(w[0].re - 3.58018398f) < 1e-5f && fabsf(w[0].im + 0.49474961f) < 1e-5f);
}

int main(void) {
  test_f32();
  test_half();
  test_special();
  test_double_and_complex();
  return kernel_case_failures() != 0;
}
