/* Norms of rows against the definition in double: each type, dense and strided rows, with a mean or
   without, each factor; then infinities and NaN. */

#include <math.h>

#include "backend/cpu/kernels.h"
#include "core/half.h"
#include "kernel_case.h"

enum { ROWS = 3, LENGTH = 1100 };

static float values[ROWS * LENGTH], weight[LENGTH], bias[LENGTH];

static double element(const struct wr_tensor *t, int64_t at) {
  const uint16_t *h = t->data;
  if (t->dtype == WR_FLOAT32) return (double)((const float *)t->data)[at];
  return (double)(t->dtype == WR_FLOAT16 ? wr_f16_to_f32(h[at]) : wr_bf16_to_f32(h[at]));
}

/* The largest difference, relative to 1 and more. */
static double worst_of(const struct wr_tensor *in, const struct wr_tensor *out,
                       const struct wr_row_norm_params *p) {
  double worst = 0;
  for (int r = 0; r < ROWS; r++) {
    double mean = 0, squares = 0;
    const int64_t row = r * in->strides[0], step = in->strides[1];
    for (int i = 0; i < LENGTH; i++) mean += element(in, row + i * step) / LENGTH;
    if (!p->centred) mean = 0;
    for (int i = 0; i < LENGTH; i++) squares += pow(element(in, row + i * step) - mean, 2) / LENGTH;
    for (int i = 0; i < LENGTH; i++) {
      double y = (element(in, row + i * step) - mean) / sqrt(squares + (double)p->eps);
      if (p->has_weight) y *= (double)weight[i];
      if (p->has_bias) y += (double)bias[i];
      const double d = fabs(element(out, r * LENGTH + i) - y) / (1 + fabs(y));
      if (!(d <= worst)) worst = d;
    }
  }
  return worst;
}

static void fill(void *to, enum wr_dtype t, const float *from, int64_t n) {
  uint16_t *h = to;
  for (int64_t i = 0; i < n; i++) {
    if (t == WR_FLOAT32) ((float *)to)[i] = from[i];
    if (t == WR_FLOAT16) h[i] = wr_f32_to_f16(from[i]);
    if (t == WR_BFLOAT16) h[i] = wr_f32_to_bf16(from[i]);
  }
}

static void check(enum wr_dtype t, double most, bool turned, int how) {
  static float x[ROWS * LENGTH], y[ROWS * LENGTH], factors[2][LENGTH];
  struct kernel_operand operands[4];
  struct wr_tensor in[3];
  int n = 1;
  const struct wr_row_norm_params params = {
      .eps = 1e-5f, .centred = how & 1, .has_weight = how & 2, .has_bias = how & 4};
  fill(x, t, values, (int64_t)ROWS * LENGTH);
  in[0] = *(turned ? operand_strided(&operands[0], x, t, 2, SHAPE(ROWS, LENGTH), STRIDES(1, ROWS))
                   : operand_dense(&operands[0], x, t, 2, SHAPE(ROWS, LENGTH)));
  for (int k = 0; k < 2; k++) {
    if (!(how & 2 << k)) continue;
    fill(factors[k], t, k ? bias : weight, LENGTH);
    in[n] = *operand_dense(&operands[n], factors[k], t, 1, SHAPE(LENGTH));
    n++;
  }
  struct wr_tensor *out = operand_dense(&operands[3], y, t, 2, SHAPE(ROWS, LENGTH));
  EXPECT(kernel_run(WR_OP_ROW_NORM, in, n, out, &params));
  EXPECT(worst_of(in, out, &params) < most);
}

static void test_odd(void) {
  float x[4] = {1, (float)INFINITY, 2, 3}, y[4];
  struct kernel_operand in, out;
  const struct wr_row_norm_params plain = {.eps = 1e-5f};
  for (int k = 0; k < 2; k++) {
    EXPECT(kernel_run(WR_OP_ROW_NORM, operand_dense(&in, x, WR_FLOAT32, 2, SHAPE(1, 4)), 1,
                      operand_dense(&out, y, WR_FLOAT32, 2, SHAPE(1, 4)), &plain));
    EXPECT(isnan(y[1]) && (k ? isnan(y[0]) : y[0] == 0));
    x[1] = (float)NAN;
  }
}

int main(void) {
  uint32_t seed = 3;
  for (int i = 0; i < ROWS * LENGTH; i++) {
    values[i] = wr_bf16_to_f32(wr_f32_to_bf16((float)(kernel_case_next(&seed) % 64u) / 8 - 3));
  }
  for (int i = 0; i < LENGTH; i++) {
    weight[i] = (float)(kernel_case_next(&seed) % 16u) / 8 - 1;
    bias[i] = (float)(kernel_case_next(&seed) % 16u) / 8 - 1;
  }
  for (int how = 0; how < 8; how++) {
    for (int turned = 0; turned < 2; turned++) {
      check(WR_FLOAT32, 1e-6, turned, how);
      check(WR_FLOAT16, 1e-3, turned, how);
      check(WR_BFLOAT16, 8e-3, turned, how);
    }
  }
  test_odd();
  return kernel_case_failures() != 0;
}
