/* Elementwise operations of one input: values at the edges, NaN and infinities, 16-bit rounding,
   strided and reversed views, the result in its input's place, sizes past the pool's grain. */

#include "backend/cpu/kernels.h"
#include "core/half.h"
#include "kernel_case.h"

static void floats(enum wr_op op, const float *in, float *out, int n) {
  struct kernel_operand x, y;
  EXPECT(kernel_run(op, operand_dense(&x, (void *)in, WR_FLOAT32, 1, SHAPE(n)), 1,
                    operand_dense(&y, out, WR_FLOAT32, 1, SHAPE(n)), NULL));
}

static void test_float_edges(void) {
  const float in[] = {NAN, INFINITY, -INFINITY, 0.5f, 1.5f, 2.5f, -0.5f};
  float out[7];
  floats(WR_OP_ROUND, in, out, 7);
  EXPECT(isnan(out[0]) && isinf(out[1]) && out[3] == 0 && out[4] == 2 && out[5] == 2);
  EXPECT(out[6] == 0 && signbit(out[6]));
  floats(WR_OP_SIGN, in, out, 7);
  EXPECT(out[0] == 0 && out[1] == 1 && out[2] == -1 && out[6] == -1);
  floats(WR_OP_EXP, in, out, 7);
  EXPECT(isnan(out[0]) && isinf(out[1]) && out[2] == 0);
  floats(WR_OP_SIGMOID, in, out, 7);
  EXPECT(isnan(out[0]) && out[1] == 1 && out[2] == 0);
  floats(WR_OP_TANH, in, out, 7);
  EXPECT(isnan(out[0]) && out[1] == 1 && out[2] == -1);
}

/* Within 2 units of the last place over the whole range, subnormal results included. */
static void test_exp(void) {
  enum { N = 20000 };
  static float in[N], out[N];
  for (int i = 0; i < N; i++) in[i] = -104.0f + 192.7f * (float)i / N;
  floats(WR_OP_EXP, in, out, N);
  int bad = 0;
  for (int i = 0; i < N; i++) {
    const double expected = exp((double)in[i]);
    const double unit = fmax(expected * 0x1p-23, 0x1p-149);
    if (fabs((double)out[i] - expected) > 2 * unit) bad++;
  }
  EXPECT(bad == 0);
}

static void test_erfinv(void) {
  const float in[] = {-1, -0.999f, -0.3f, 0, 0.3f, 0.999f, 1, 2};
  float out[8], back[8];
  floats(WR_OP_ERFINV, in, out, 8);
  floats(WR_OP_ERF, out, back, 8);
  EXPECT(isinf(out[0]) && out[0] < 0 && isinf(out[6]) && out[6] > 0 && isnan(out[7]));
  for (int i = 0; i < 7; i++) EXPECT(fabsf(back[i] - in[i]) < 1e-6f);
}

/* float64's own digits at both ends: erfinv(x) is x sqrt(pi) / 2 for a small x. */
static void test_erfinv_float64(void) {
  double in[] = {-0.0, 1e-20, -1e-300, 5e-9, 0.3, -0.75, 1 - 1e-10, 1 - 0x1p-53, -1}, out[9];
  struct kernel_operand x, y;
  operand_dense(&x, in, WR_FLOAT64, 1, SHAPE(9));
  operand_dense(&y, out, WR_FLOAT64, 1, SHAPE(9));
  EXPECT(kernel_run(WR_OP_ERFINV, &x.t, 1, &y.t, NULL));
  EXPECT(out[0] == 0 && signbit(out[0]) && isinf(out[8]) && out[8] < 0);
  for (int i = 1; i < 4; i++) EXPECT(fabs(out[i] / in[i] / 0.88622692545275801365 - 1) < 1e-15);
  for (int i = 4; i < 6; i++) EXPECT(fabs(erf(out[i]) / in[i] - 1) < 1e-15);
  for (int i = 6; i < 8; i++) EXPECT(fabs(erfc(out[i]) / (1 - in[i]) - 1) < 1e-13);
}

static void test_integers(void) {
  const int8_t in[] = {INT8_MIN, -3, 0, 5, INT8_MAX};
  int8_t out[5];
  struct kernel_operand x, y;
  operand_dense(&x, (void *)in, WR_INT8, 1, SHAPE(5));
  operand_dense(&y, out, WR_INT8, 1, SHAPE(5));
  EXPECT(kernel_run(WR_OP_ABS, &x.t, 1, &y.t, NULL));
  EXPECT(out[0] == INT8_MIN && out[1] == 3 && out[4] == INT8_MAX);
  EXPECT(kernel_run(WR_OP_NEGATIVE, &x.t, 1, &y.t, NULL));
  EXPECT(out[0] == INT8_MIN && out[1] == 3 && out[3] == -5);
  EXPECT(kernel_run(WR_OP_SQUARE, &x.t, 1, &y.t, NULL));
  EXPECT(out[0] == 0 && out[1] == 9 && out[4] == 1);
  EXPECT(kernel_run(WR_OP_SIGN, &x.t, 1, &y.t, NULL));
  EXPECT(out[0] == -1 && out[2] == 0 && out[3] == 1);
}

static void test_predicates(void) {
  const float in[] = {NAN, INFINITY, 1, -INFINITY};
  const int32_t whole[] = {1, 2};
  uint8_t out[4];
  struct kernel_operand x, y;
  operand_dense(&x, (void *)in, WR_FLOAT32, 1, SHAPE(4));
  operand_dense(&y, out, WR_BOOL, 1, SHAPE(4));
  EXPECT(kernel_run(WR_OP_ISNAN, &x.t, 1, &y.t, NULL));
  EXPECT(memcmp(out, (const uint8_t[]){1, 0, 0, 0}, 4) == 0);
  EXPECT(kernel_run(WR_OP_ISINF, &x.t, 1, &y.t, NULL));
  EXPECT(memcmp(out, (const uint8_t[]){0, 1, 0, 1}, 4) == 0);
  EXPECT(kernel_run(WR_OP_ISFINITE, &x.t, 1, &y.t, NULL));
  EXPECT(memcmp(out, (const uint8_t[]){0, 0, 1, 0}, 4) == 0);
  operand_dense(&x, (void *)whole, WR_INT32, 1, SHAPE(2));
  operand_dense(&y, out, WR_BOOL, 1, SHAPE(2));
  EXPECT(kernel_run(WR_OP_ISFINITE, &x.t, 1, &y.t, NULL));
  EXPECT(out[0] == 1 && out[1] == 1);
}

static void test_halves(void) {
  uint16_t in[2] = {wr_f32_to_f16(2.0f), wr_f32_to_f16(-65504.0f)};
  uint16_t out[2];
  struct kernel_operand x, y;
  operand_dense(&x, in, WR_FLOAT16, 1, SHAPE(2));
  operand_dense(&y, out, WR_FLOAT16, 1, SHAPE(2));
  EXPECT(kernel_run(WR_OP_SQRT, &x.t, 1, &y.t, NULL));
  EXPECT(out[0] == wr_f32_to_f16(sqrtf(2.0f)));
  EXPECT(kernel_run(WR_OP_SQUARE, &x.t, 1, &y.t, NULL));
  EXPECT(out[0] == wr_f32_to_f16(4.0f) && isinf(wr_f16_to_f32(out[1])));
}

static void test_complex(void) {
  const wr_complex64 in[] = {{3, -4}, {0, 0}};
  wr_complex64 out[2];
  float size[2];
  struct kernel_operand x, y;
  operand_dense(&x, (void *)in, WR_COMPLEX64, 1, SHAPE(2));
  operand_dense(&y, size, WR_FLOAT32, 1, SHAPE(2));
  EXPECT(kernel_run(WR_OP_ABS, &x.t, 1, &y.t, NULL));
  EXPECT(size[0] == 5 && size[1] == 0);
  operand_dense(&y, out, WR_COMPLEX64, 1, SHAPE(2));
  EXPECT(kernel_run(WR_OP_SQRT, &x.t, 1, &y.t, NULL));
  EXPECT(fabsf(out[0].re - 2) < 1e-6f && fabsf(out[0].im + 1) < 1e-6f);
  EXPECT(kernel_run(WR_OP_SIGN, &x.t, 1, &y.t, NULL));
  EXPECT(fabsf(out[0].re - 0.6f) < 1e-6f && out[1].re == 0 && out[1].im == 0);
  EXPECT(!wr_cpu_unary_row(WR_OP_ERF, WR_COMPLEX64));
}

static void test_views(void) {
  float in[12], out[6];
  struct kernel_operand x, y;
  for (int i = 0; i < 12; i++) in[i] = (float)i;
  /* Columns reversed, every second row: in[(2r) * 4 + 3 - c] for a 2 x 3 view. */
  operand_strided(&x, in + 3, WR_FLOAT32, 2, SHAPE(2, 3), STRIDES(8, -1));
  operand_dense(&y, out, WR_FLOAT32, 2, SHAPE(2, 3));
  EXPECT(kernel_run(WR_OP_NEGATIVE, &x.t, 1, &y.t, NULL));
  EXPECT(memcmp(out, (const float[]){-3, -2, -1, -11, -10, -9}, sizeof out) == 0);
  operand_strided(&x, in + 7, WR_FLOAT32, 2, SHAPE(2, 3), STRIDES(0, 0));
  EXPECT(kernel_run(WR_OP_SQUARE, &x.t, 1, &y.t, NULL));
  for (int i = 0; i < 6; i++) EXPECT(out[i] == 49);
}

static void test_in_place_and_large(void) {
  enum { N = 3 * WR_LOOP_GRAIN + 17 };
  static float data[N];
  struct kernel_operand x, y;
  for (int i = 0; i < N; i++) data[i] = (float)i;
  operand_dense(&x, data, WR_FLOAT32, 1, SHAPE(N));
  operand_dense(&y, data, WR_FLOAT32, 1, SHAPE(N));
  EXPECT(kernel_run(WR_OP_NEGATIVE, &x.t, 1, &y.t, NULL));
  int bad = 0;
  for (int i = 0; i < N; i++) bad += data[i] != -(float)i;
  EXPECT(bad == 0);
}

static void test_empty(void) {
  struct kernel_operand x, y;
  operand_dense(&x, NULL, WR_FLOAT32, 2, SHAPE(3, 0));
  operand_dense(&y, NULL, WR_FLOAT32, 2, SHAPE(3, 0));
  EXPECT(kernel_run(WR_OP_EXP, &x.t, 1, &y.t, NULL));
}

int main(void) {
  test_float_edges();
  test_exp();
  test_erfinv();
  test_erfinv_float64();
  test_integers();
  test_predicates();
  test_halves();
  test_complex();
  test_views();
  test_in_place_and_large();
  test_empty();
  return kernel_case_failures() != 0;
}
