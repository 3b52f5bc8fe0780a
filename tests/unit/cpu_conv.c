/* Convolutions against sums by the definition: lines, rows, tiles and direct sums, every parameter,
   types, strided operands, and what has no elements to add up. */

#include <stdlib.h>

#include "backend/cpu/kernels.h"
#include "core/half.h"
#include "kernel_case.h"

enum { MOST = 1 << 16, AXES = 2 };

static float input[MOST], weight[MOST], result[MOST];

struct shape {
  int32_t n, in[AXES], channels, out_channels, kernel[AXES], result[AXES];
};

/* Along each axis. */
static int64_t under(const struct wr_conv_params *p, const struct shape *s, int axis, int64_t at,
                     int64_t k) {
  const int64_t x = at * p->stride[axis] - p->padding[axis] + k * p->kernel_dilation[axis];
  if (x < 0 || x % p->input_dilation[axis] != 0) return -1;
  return x / p->input_dilation[axis] < s->in[axis] ? x / p->input_dilation[axis] : -1;
}

static double sum_at(const struct wr_conv_params *p, const struct shape *s, const int64_t at[4]) {
  const int64_t each = s->channels / p->groups, group = at[3] / (s->out_channels / p->groups);
  double sum = 0;
  for (int64_t i = 0; i < s->kernel[0]; i++) {
    for (int64_t j = 0; j < s->kernel[1]; j++) {
      const int64_t y = under(p, s, 0, at[1], i), x = under(p, s, 1, at[2], j);
      if (y < 0 || x < 0) continue;
      for (int64_t c = 0; c < each; c++) {
        const int64_t from =
            ((at[0] * s->in[0] + y) * s->in[1] + x) * s->channels + group * each + c;
        const int64_t with = ((at[3] * s->kernel[0] + i) * s->kernel[1] + j) * each + c;
        sum += (double)input[from] * (double)weight[with];
      }
    }
  }
  return sum;
}

static void expect_sums(const struct wr_conv_params *p, const struct shape *s, double bound) {
  int64_t i = 0, at[4];
  for (at[0] = 0; at[0] < s->n; at[0]++) {
    for (at[1] = 0; at[1] < s->result[0]; at[1]++) {
      for (at[2] = 0; at[2] < s->result[1]; at[2]++) {
        for (at[3] = 0; at[3] < s->out_channels; at[3]++, i++) {
          EXPECT(fabs((double)result[i] - sum_at(p, s, at)) <= bound);
        }
      }
    }
  }
}

static void fill(void) {
  uint32_t seed = 1;
  for (int i = 0; i < MOST; i++) {
    input[i] = (float)(kernel_case_next(&seed) % 17u) / 8 - 1;
    weight[i] = (float)(kernel_case_next(&seed) % 17u) / 8 - 1;
  }
}

/* In a type whose values are those of float32 here. */
static void run(const struct wr_conv_params *p, const struct shape *s, enum wr_dtype t) {
  static double wide[3][MOST];
  static uint16_t shortened[3][MOST];
  struct kernel_operand in[2], out;
  void *data[3] = {input, weight, result};
  for (int i = 0; i < MOST && t == WR_FLOAT64; i++) {
    wide[0][i] = (double)input[i];
    wide[1][i] = (double)weight[i];
  }
  for (int i = 0; i < MOST && t == WR_FLOAT16; i++) {
    shortened[0][i] = wr_f64_to_f16((double)input[i]);
    shortened[1][i] = wr_f64_to_f16((double)weight[i]);
  }
  for (int i = 0; i < 3 && t != WR_FLOAT32; i++) {
    data[i] = t == WR_FLOAT64 ? (void *)wide[i] : (void *)shortened[i];
  }
  operand_dense(&in[0], data[0], t, 4, SHAPE(s->n, s->in[0], s->in[1], s->channels));
  operand_dense(&in[1], data[1], t, 4,
                SHAPE(s->out_channels, s->kernel[0], s->kernel[1], s->channels / p->groups));
  operand_dense(&out, data[2], t, 4, SHAPE(s->n, s->result[0], s->result[1], s->out_channels));
  const struct wr_tensor both[2] = {in[0].t, in[1].t};
  EXPECT(kernel_run(WR_OP_CONV, both, 2, &out.t, p));
  for (int64_t i = 0; i < out.t.size && t != WR_FLOAT32; i++) {
    result[i] = t == WR_FLOAT64 ? (float)wide[2][i] : wr_f16_to_f32(shortened[2][i]);
  }
}

static void test_shape(int32_t channels, int32_t out_channels, int32_t groups, int32_t stride,
                       int32_t across, int32_t padding, int32_t dilation, int32_t apart) {
  const struct wr_conv_params p = {.axes = AXES,
                                   .stride = {stride, across, 1},
                                   .padding = {padding, 2 * padding, 0},
                                   .kernel_dilation = {dilation, 1, 1},
                                   .input_dilation = {1, apart, 1},
                                   .groups = groups};
  struct shape s = {
      .n = 2, .in = {9, 6}, .channels = channels, .out_channels = out_channels, .kernel = {3, 2}};
  for (int i = 0; i < AXES; i++) {
    const int32_t filled = 1 + p.input_dilation[i] * (s.in[i] - 1) + 2 * p.padding[i];
    s.result[i] = (filled - 1 - p.kernel_dilation[i] * (s.kernel[i] - 1)) / p.stride[i] + 1;
  }
  run(&p, &s, WR_FLOAT32);
  expect_sums(&p, &s, 1e-4);
  run(&p, &s, WR_FLOAT64);
  expect_sums(&p, &s, 1e-5);
  run(&p, &s, WR_FLOAT16);
  expect_sums(&p, &s, 0.1);
}

/* Padding behind the input alone, which the parameters do not name: the result says how much. The
   input ends where it is NaN. */
static void test_behind(int32_t stride, int32_t rows_more, int32_t columns_more) {
  const struct wr_conv_params p = {.axes = AXES,
                                   .stride = {stride, stride, 1},
                                   .kernel_dilation = {1, 1, 1},
                                   .input_dilation = {1, 1, 1},
                                   .groups = 1};
  struct shape s = {.n = 2, .in = {9, 6}, .channels = 16, .out_channels = 24, .kernel = {3, 2}};
  s.result[0] = (s.in[0] + rows_more - s.kernel[0]) / stride + 1;
  s.result[1] = (s.in[1] + columns_more - s.kernel[1]) / stride + 1;
  const int end = 2 * 9 * 6 * 16;
  const float after = input[end];
  input[end] = NAN;
  run(&p, &s, WR_FLOAT32);
  expect_sums(&p, &s, 1e-4);
  input[end] = after;
}

/* Without channels every sum is 0. */
static void test_nothing(void) {
  const struct wr_conv_params p = {.axes = AXES,
                                   .stride = {1, 1, 1},
                                   .kernel_dilation = {1, 1, 1},
                                   .input_dilation = {1, 1, 1},
                                   .groups = 1};
  const struct shape s = {1, {3, 3}, 0, 2, {2, 2}, {2, 2}};
  result[0] = result[7] = 1;
  run(&p, &s, WR_FLOAT32);
  for (int i = 0; i < 8; i++) EXPECT(result[i] == 0);
}

int main(void) {
  static const int32_t channels[][3] = {{3, 5, 1},    {40, 24, 1},  {8, 8, 8},
                                        {8, 16, 8},   {12, 6, 2},   {6, 4, 2},
                                        {70, 140, 1}, {400, 12, 1}, {389, 10, 1}};
  fill();
  for (int i = 1; i < 8; i++) test_behind(1 + i / 4, i % 2, i / 2 % 2 * 2);
  for (size_t i = 0; i < sizeof channels / sizeof channels[0]; i++) {
    const int32_t *c = channels[i];
    test_shape(c[0], c[1], c[2], 1, 1, 0, 1, 1);
    test_shape(c[0], c[1], c[2], 2, 1, 1, 1, 1);
    test_shape(c[0], c[1], c[2], 1, 2, 1, 2, 1);
    test_shape(c[0], c[1], c[2], 1, 1, 1, 2, 2);
    test_shape(c[0], c[1], c[2], 3, 1, 2, 1, 3);
  }
  test_nothing();
  return kernel_case_failures() != 0;
}
