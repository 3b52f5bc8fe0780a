/* Sort, argsort and partition: against qsort on random lines with many ties, along inner axes,
   NaN last, stability, and lines built to defeat a pivot; blocks of lines of each width along
   either axis against insertion by the order of elements, bit by bit. */

#include <stdlib.h>

#include "backend/cpu/elements.h"
#include "backend/cpu/kernels.h"
#include "core/half.h"
#include "kernel_case.h"

enum { LENGTH = 5000 };

static int32_t x[LENGTH];
static int32_t sorted[LENGTH];
static int32_t y[LENGTH];
static uint32_t order[LENGTH];

static int compare(const void *a, const void *b) {
  int32_t p = *(const int32_t *)a;
  int32_t q = *(const int32_t *)b;
  return (p > q) - (p < q);
}

static void check_order(int32_t n) {
  bool right = true;
  for (int32_t i = 0; i < n; i++) {
    right = right && x[order[i]] == sorted[i];
    if (i > 0 && sorted[i - 1] == sorted[i]) right = right && order[i - 1] < order[i];
  }
  EXPECT(right);
}

static void check_partition(const struct wr_tensor *in, int32_t n, int32_t kth) {
  struct kernel_operand out;
  EXPECT(kernel_run(WR_OP_PARTITION, in, 1, operand_dense(&out, y, WR_INT32, 1, SHAPE(n)),
                    &(struct wr_partition_params){.axis = 0, .kth = kth}));
  bool right = y[kth] == sorted[kth];
  for (int32_t i = 0; i < n; i++) right = right && (i < kth ? y[i] <= y[kth] : y[i] >= y[kth]);
  EXPECT(right);
  qsort(y, (size_t)n, sizeof *y, compare);
  EXPECT(memcmp(y, sorted, (size_t)n * sizeof *y) == 0);
}

static void check_line(int32_t n) {
  struct kernel_operand in, out;
  memcpy(sorted, x, sizeof x);
  qsort(sorted, (size_t)n, sizeof *sorted, compare);
  operand_dense(&in, x, WR_INT32, 1, SHAPE(n));
  struct wr_axis_params axis = {.axis = 0};
  EXPECT(kernel_run(WR_OP_SORT, &in.t, 1, operand_dense(&out, y, WR_INT32, 1, SHAPE(n)), &axis));
  EXPECT(memcmp(y, sorted, (size_t)n * sizeof *y) == 0);
  EXPECT(kernel_run(WR_OP_ARGSORT, &in.t, 1, operand_dense(&out, order, WR_UINT32, 1, SHAPE(n)),
                    &axis));
  check_order(n);
  for (int i = 0; i < 4 && n > 0; i++) check_partition(&in.t, n, (n - 1) * i / 3);
}

static void test_lines(void) {
  static const int32_t lengths[] = {0, 1, 2, 15, 16, 17, 33, 100, 1000, LENGTH};
  uint32_t seed = 9;
  for (size_t l = 0; l < sizeof lengths / sizeof *lengths; l++) {
    for (int i = 0; i < LENGTH; i++) x[i] = (int32_t)(kernel_case_next(&seed) % 700u) - 350;
    check_line(lengths[l]);
    for (int i = 0; i < LENGTH; i++) x[i] = LENGTH - i;
    check_line(lengths[l]);
    for (int i = 0; i < LENGTH; i++) x[i] = i % 2 ? i : LENGTH - i;
    check_line(lengths[l]);
    for (int i = 0; i < LENGTH; i++) x[i] = 7;
    check_line(lengths[l]);
  }
}

/* What std::nth_element of GCC's library makes of these lines: topk shows the order of the others.
 */
static void test_steps(void) {
  enum { N = 40 };
  static const int32_t want[N] = {-30, -48, -37, -48, -41, -41, -37, -24, -30, -25,
                                  -25, -29, -29, -24, -23, 8,   -7,  18,  -9,  -9,
                                  18,  -20, 21,  27,  8,   23,  13,  -7,  30,  21,
                                  27,  -23, 23,  13,  30,  35,  48,  42,  42,  48};
  static const int32_t last[N] = {35,  -48, -23, 30,  13, 23, -37, 27,  21,  -20, -7, -29, -24, 8,
                                  -30, -41, -25, 18,  -9, -9, 18,  -25, -41, -30, 8,  -24, -29, -7,
                                  -48, 21,  27,  -37, 23, 13, 30,  -23, 42,  42,  48, 48};
  struct kernel_operand in, out;
  for (int i = 0; i < N; i++) x[i] = (i * i * 7919 + i * 131) % 97 - 48;
  operand_dense(&in, x, WR_INT32, 1, SHAPE(N));
  operand_dense(&out, y, WR_INT32, 1, SHAPE(N));
  struct wr_partition_params params = {.axis = 0, .kth = 13};
  EXPECT(kernel_run(WR_OP_PARTITION, &in.t, 1, &out.t, &params));
  EXPECT(memcmp(y, want, sizeof want) == 0);
  params.kth = N - 1;
  EXPECT(kernel_run(WR_OP_PARTITION, &in.t, 1, &out.t, &params));
  EXPECT(memcmp(y, last, sizeof last) == 0);
}

static void test_axis(void) {
  int16_t v[6] = {3, -1, 2, 1, 5, -7};
  int16_t w[6];
  struct kernel_operand in, out;
  operand_dense(&in, v, WR_INT16, 2, SHAPE(3, 2));
  operand_dense(&out, w, WR_INT16, 2, SHAPE(3, 2));
  EXPECT(kernel_run(WR_OP_SORT, &in.t, 1, &out.t, &(struct wr_axis_params){.axis = 0}));
  EXPECT(memcmp(w, (const int16_t[]){2, -7, 3, -1, 5, 1}, sizeof w) == 0);
  operand_strided(&in, v, WR_INT16, 2, SHAPE(2, 3), STRIDES(1, 2));
  operand_dense(&out, w, WR_INT16, 2, SHAPE(2, 3));
  EXPECT(kernel_run(WR_OP_SORT, &in.t, 1, &out.t, &(struct wr_axis_params){.axis = 1}));
  EXPECT(memcmp(w, (const int16_t[]){2, 3, 5, -7, -1, 1}, sizeof w) == 0);
}

static void test_nan(void) {
  float v[5] = {2.0f, NAN, -INFINITY, NAN, INFINITY};
  float w[5];
  uint32_t o[5];
  struct kernel_operand in, out;
  struct wr_axis_params axis = {.axis = 0};
  operand_dense(&in, v, WR_FLOAT32, 1, SHAPE(5));
  EXPECT(kernel_run(WR_OP_SORT, &in.t, 1, operand_dense(&out, w, WR_FLOAT32, 1, SHAPE(5)), &axis));
  EXPECT(w[0] == -INFINITY && w[1] == 2.0f && w[2] == INFINITY && isnan(w[3]) && isnan(w[4]));
  EXPECT(
      kernel_run(WR_OP_ARGSORT, &in.t, 1, operand_dense(&out, o, WR_UINT32, 1, SHAPE(5)), &axis));
  EXPECT(memcmp(o, (const uint32_t[]){2, 0, 4, 1, 3}, sizeof o) == 0);
  EXPECT(kernel_run(WR_OP_PARTITION, &in.t, 1, operand_dense(&out, w, WR_FLOAT32, 1, SHAPE(5)),
                    &(struct wr_partition_params){.axis = 0, .kth = 2}));
  EXPECT(w[2] == INFINITY && isnan(w[3]) && isnan(w[4]));
  float zeros[4] = {0.0f, -0.0f, 0.0f, -0.0f};
  operand_dense(&in, zeros, WR_FLOAT32, 1, SHAPE(4));
  EXPECT(
      kernel_run(WR_OP_ARGSORT, &in.t, 1, operand_dense(&out, o, WR_UINT32, 1, SHAPE(4)), &axis));
  EXPECT(memcmp(o, (const uint32_t[]){0, 1, 2, 3}, 4 * sizeof *o) == 0);
}

static void test_other_types(void) {
  wr_complex64 z[4] = {{3, -1}, {1, 5}, {1, 2}, {0, 0}};
  uint32_t o[4];
  struct kernel_operand in, out;
  struct wr_axis_params axis = {.axis = 0};
  EXPECT(kernel_run(WR_OP_ARGSORT, operand_dense(&in, z, WR_COMPLEX64, 1, SHAPE(4)), 1,
                    operand_dense(&out, o, WR_UINT32, 1, SHAPE(4)), &axis));
  EXPECT(memcmp(o, (const uint32_t[]){3, 2, 1, 0}, sizeof o) == 0);
  uint16_t h[3] = {wr_f32_to_bf16(1.0f), wr_f32_to_bf16(-2.0f), wr_f32_to_bf16(0.5f)};
  EXPECT(kernel_run(WR_OP_ARGSORT, operand_dense(&in, h, WR_BFLOAT16, 1, SHAPE(3)), 1,
                    operand_dense(&out, o, WR_UINT32, 1, SHAPE(3)), &axis));
  EXPECT(o[0] == 1 && o[1] == 2 && o[2] == 0);
}

/* Elements of which many are equal, zeros of either sign and NaN of several kinds among them. */
enum { MOST_ELEMENTS = 40 * 600 };

static union {
  uint16_t f16[MOST_ELEMENTS];
  float f32[MOST_ELEMENTS];
  double f64[MOST_ELEMENTS];
  int8_t i8[MOST_ELEMENTS];
  int64_t i64[MOST_ELEMENTS];
  wr_complex64 c64[MOST_ELEMENTS];
} from, to, want;
static uint32_t places[MOST_ELEMENTS];

static float drawn(uint32_t *seed) {
  const uint32_t r = kernel_case_next(seed) % 64u;
  if (r == 0) return -0.0f;
  if (r < 3) return r == 1 ? NAN : -NAN;
  if (r < 5) return r == 3 ? INFINITY : -INFINITY;
  return (float)((int)(r % 32u) - 16) * 0.25f;
}

static void fill(enum wr_dtype dtype, int64_t n, uint32_t *seed) {
  for (int64_t i = 0; i < n; i++) {
    const float v = drawn(seed), w = drawn(seed);
    const int64_t whole = (int64_t)kernel_case_next(seed) - 2147483648LL;
    if (dtype == WR_FLOAT16) from.f16[i] = wr_f32_to_f16(v);
    if (dtype == WR_FLOAT32) from.f32[i] = v;
    if (dtype == WR_FLOAT64) from.f64[i] = (double)v;
    if (dtype == WR_INT8) from.i8[i] = (int8_t)(whole & 0x7f) - 64;
    if (dtype == WR_INT64) from.i64[i] = i % 3 ? whole * 1000003 : whole % 5;
    if (dtype == WR_COMPLEX64) from.c64[i] = (wr_complex64){v, w};
  }
}

static bool less(enum wr_dtype dtype, int64_t a, int64_t b) {
  switch ((int)dtype) {
    case WR_FLOAT16:
      return less_f16(from.f16[a], from.f16[b]);
    case WR_FLOAT32:
      return less_f32(from.f32[a], from.f32[b]);
    case WR_FLOAT64:
      return less_f64(from.f64[a], from.f64[b]);
    case WR_INT8:
      return from.i8[a] < from.i8[b];
    case WR_INT64:
      return from.i64[a] < from.i64[b];
    default:
      return less_c64(from.c64[a], from.c64[b]);
  }
}

/* The places of a line's elements in their order; the i-th lies at first + i * stride. */
static void in_order(enum wr_dtype dtype, int64_t first, int64_t n, int64_t stride, int64_t *at) {
  for (int64_t i = 0; i < n; i++) {
    int64_t j = i;
    for (; j > 0 && less(dtype, first + i * stride, at[j - 1]); j--) at[j] = at[j - 1];
    at[j] = first + i * stride;
  }
}

static void check_block(enum wr_dtype dtype, int32_t rows, int32_t columns, int axis) {
  static int64_t at[600];
  const size_t item = wr_dtype_size(dtype);
  const int64_t n = axis == 0 ? rows : columns, stride = axis == 0 ? columns : 1;
  struct kernel_operand in, out;
  struct wr_axis_params along = {.axis = axis};
  operand_dense(&in, &from, dtype, 2, SHAPE(rows, columns));
  EXPECT(kernel_run(WR_OP_SORT, &in.t, 1, operand_dense(&out, &to, dtype, 2, SHAPE(rows, columns)),
                    &along));
  EXPECT(kernel_run(WR_OP_ARGSORT, &in.t, 1,
                    operand_dense(&out, places, WR_UINT32, 2, SHAPE(rows, columns)), &along));
  bool right = true;
  for (int64_t line = 0; line < (axis == 0 ? columns : rows); line++) {
    const int64_t first = axis == 0 ? line : line * columns;
    in_order(dtype, first, n, stride, at);
    for (int64_t i = 0; i < n; i++) {
      const int64_t place = first + i * stride;
      memcpy((char *)&want + (size_t)place * item, (char *)&from + (size_t)at[i] * item, item);
      right = right && (int64_t)places[place] == (at[i] - first) / stride;
    }
  }
  EXPECT(right);
  EXPECT(memcmp(&to, &want, (size_t)(rows * columns) * item) == 0);
}

static void test_blocks(void) {
  static const enum wr_dtype types[] = {WR_FLOAT16, WR_FLOAT32, WR_FLOAT64,
                                        WR_INT8,    WR_INT64,   WR_COMPLEX64};
  static const int32_t shapes[][2] = {{1, 40}, {7, 8},   {8, 9},   {9, 40},  {40, 31},
                                      {64, 3}, {65, 17}, {100, 4}, {300, 5}, {600, 40}};
  uint32_t seed = 77;
  for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
      fill(types[t], (int64_t)shapes[i][0] * shapes[i][1], &seed);
      check_block(types[t], shapes[i][0], shapes[i][1], 0);
      check_block(types[t], shapes[i][1], shapes[i][0], 1);
    }
  }
}

int main(void) {
  test_blocks();
  test_lines();
  test_steps();
  test_axis();
  test_nan();
  test_other_types();
  return kernel_case_failures() != 0;
}
