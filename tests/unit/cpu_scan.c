/* Scans: both directions, with and without the element itself, along each axis, strided inputs,
   every way of joining, wrapping, the totals of nothing in every type, NaN, infinities, and
   accuracy of 16-bit floats. */

#include "backend/cpu/kernels.h"
#include "core/half.h"
#include "kernel_case.h"

static bool scans_to(bool reverse, bool inclusive, const int8_t *expected) {
  int8_t x[4] = {100, 100, -3, 1};
  int8_t y[4];
  struct kernel_operand in, out;
  struct wr_scan_params params = {
      .by = WR_OP_ADD, .axis = 0, .reverse = reverse, .inclusive = inclusive};
  EXPECT(kernel_run(WR_OP_SCAN, operand_dense(&in, x, WR_INT8, 1, SHAPE(4)), 1,
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
    struct wr_scan_params params = {
        .by = WR_OP_ADD, .axis = axis, .reverse = false, .inclusive = true};
    EXPECT(kernel_run(WR_OP_SCAN, &in.t, 1, &out.t, &params));
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

/* Lines side by side, more of them than are taken at once, along the middle one of three axes, and
   lines along the last axis: what each of them is by itself, to the bit. */
enum { OUTER = 2, ROWS = 7, COLS = 4500, BESIDE = OUTER * ROWS * COLS };

static void check_lines(void *x, enum wr_dtype t, struct wr_scan_params params) {
  static double y[BESIDE];
  double expected[ROWS], got[ROWS];
  struct kernel_operand in, out, line, one;
  const size_t item = wr_dtype_size(t), step = params.axis == 1 ? COLS : 1;
  const int32_t *shape = params.axis == 1 ? SHAPE(OUTER, ROWS, COLS) : SHAPE(OUTER, COLS, ROWS);
  operand_dense(&in, x, t, 3, shape);
  operand_dense(&out, y, t, 3, shape);
  EXPECT(kernel_run(WR_OP_SCAN, &in.t, 1, &out.t, &params));
  bool same = true;
  for (int c = 0; c < OUTER * COLS; c++) {
    const size_t first = (size_t)(step == 1 ? c * ROWS : c / COLS * ROWS * COLS + c % COLS);
    operand_strided(&line, (char *)x + first * item, t, 1, SHAPE(ROWS), STRIDES((int64_t)step));
    params.axis = 0;
    EXPECT(kernel_run(WR_OP_SCAN, &line.t, 1, operand_dense(&one, expected, t, 1, SHAPE(ROWS)),
                      &params));
    for (size_t i = 0; i < ROWS; i++) {
      memcpy((char *)got + i * item, (char *)y + (first + i * step) * item, item);
    }
    same = same && memcmp(got, expected, ROWS * item) == 0;
  }
  EXPECT(same);
}

static void test_lines(void) {
  static const enum wr_dtype types[] = {WR_FLOAT32,   WR_FLOAT16, WR_BFLOAT16, WR_FLOAT64,
                                        WR_COMPLEX64, WR_INT8,    WR_UINT64};
  static const enum wr_op ways[] = {WR_OP_ADD, WR_OP_MULTIPLY, WR_OP_MAXIMUM, WR_OP_MINIMUM,
                                    WR_OP_LOGADDEXP};
  static float x[BESIDE];
  static double typed[BESIDE];
  for (int i = 0; i < BESIDE; i++) x[i] = (float)(i % 97) - 40.5f;
  for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
    struct kernel_operand in, out;
    operand_dense(&in, x, WR_FLOAT32, 1, SHAPE(BESIDE));
    EXPECT(kernel_run(WR_OP_ASTYPE, &in.t, 1,
                      operand_dense(&out, typed, types[t], 1, SHAPE(BESIDE)), NULL));
    for (int way = 0; way < 40; way++) {
      struct wr_scan_params params = {.by = ways[way / 8], .axis = way & 4 ? 2 : 1};
      params.reverse = way & 1;
      params.inclusive = way & 2;
      if (params.by == WR_OP_LOGADDEXP && wr_dtype_is_integer(types[t])) continue;
      check_lines(typed, types[t], params);
    }
  }
}

static void test_types(void) {
  static uint16_t x[4096];
  static uint16_t y[4096];
  for (int i = 0; i < 4096; i++) x[i] = wr_f32_to_f16(1.0f);
  struct kernel_operand in, out;
  struct wr_scan_params params = {.by = WR_OP_ADD, .axis = 0, .reverse = false, .inclusive = true};
  EXPECT(kernel_run(WR_OP_SCAN, operand_dense(&in, x, WR_FLOAT16, 1, SHAPE(4096)), 1,
                    operand_dense(&out, y, WR_FLOAT16, 1, SHAPE(4096)), &params));
  EXPECT(wr_f16_to_f32(y[4095]) == 4096.0f);
  uint8_t flags[3] = {0, 1, 0};
  uint8_t any[3];
  EXPECT(kernel_run(WR_OP_SCAN, operand_dense(&in, flags, WR_BOOL, 1, SHAPE(3)), 1,
                    operand_dense(&out, any, WR_BOOL, 1, SHAPE(3)), &params));
  EXPECT(memcmp(any, (const uint8_t[]){0, 1, 1}, 3) == 0);
  wr_complex64 z[2] = {{1, 2}, {3, -5}};
  wr_complex64 w[2];
  EXPECT(kernel_run(WR_OP_SCAN, operand_dense(&in, z, WR_COMPLEX64, 1, SHAPE(2)), 1,
                    operand_dense(&out, w, WR_COMPLEX64, 1, SHAPE(2)), &params));
  EXPECT(w[1].re == 4 && w[1].im == -3);
}

/* The exclusive scan of one element: what comes before it. */
static void *nothing(enum wr_op by, enum wr_dtype t, void *y) {
  char x[8] = {0};
  struct kernel_operand in, out;
  struct wr_scan_params params = {.by = by, .axis = 0};
  memset(y, 0, 8);
  EXPECT(kernel_run(WR_OP_SCAN, operand_dense(&in, x, t, 1, SHAPE(1)), 1,
                    operand_dense(&out, y, t, 1, SHAPE(1)), &params));
  return y;
}

/* The ends of the types of whole numbers, as 64 bits that are cut to the type's width. */
static void test_totals_of_nothing(void) {
  for (int i = 0; i < WR_DTYPE_COUNT; i++) {
    const enum wr_dtype t = (enum wr_dtype)i;
    uint64_t y;
    if (!wr_dtype_is_integer(t)) continue;
    const unsigned bits = 8u * (unsigned)wr_dtype_size(t);
    const uint64_t all = UINT64_MAX >> (64 - bits), sign = UINT64_C(1) << (bits - 1);
    const bool has_sign = !wr_dtype_is_unsigned(t);
    EXPECT(*(uint64_t *)nothing(WR_OP_ADD, t, &y) == 0);
    EXPECT(*(uint64_t *)nothing(WR_OP_MULTIPLY, t, &y) == 1);
    EXPECT(*(uint64_t *)nothing(WR_OP_MAXIMUM, t, &y) == (has_sign ? sign : 0));
    EXPECT(*(uint64_t *)nothing(WR_OP_MINIMUM, t, &y) == (has_sign ? all ^ sign : all));
  }
  uint8_t flag[8];
  EXPECT(*(uint8_t *)nothing(WR_OP_MAXIMUM, WR_BOOL, flag) == 0);
  EXPECT(*(uint8_t *)nothing(WR_OP_MINIMUM, WR_BOOL, flag) == 1);
  uint16_t half[4];
  EXPECT(*(uint16_t *)nothing(WR_OP_LOGADDEXP, WR_FLOAT16, half) == 0xfc00);
  EXPECT(*(uint16_t *)nothing(WR_OP_MINIMUM, WR_BFLOAT16, half) == 0x7f80);
  float f[2];
  EXPECT(*(float *)nothing(WR_OP_MAXIMUM, WR_FLOAT32, f) == -INFINITY);
  EXPECT(*(float *)nothing(WR_OP_MULTIPLY, WR_FLOAT32, f) == 1.0f);
  wr_complex64 z;
  (void)nothing(WR_OP_MINIMUM, WR_COMPLEX64, &z);
  EXPECT(z.re == INFINITY && z.im == INFINITY);
  (void)nothing(WR_OP_LOGADDEXP, WR_COMPLEX64, &z);
  EXPECT(z.re == -INFINITY && z.im == 0);
}

/* The inclusive scan of five floats. */
static const float *scan_floats(enum wr_op by, const float *values) {
  static float x[5], y[5];
  struct kernel_operand in, out;
  struct wr_scan_params params = {.by = by, .axis = 0, .inclusive = true};
  memcpy(x, values, sizeof x);
  EXPECT(kernel_run(WR_OP_SCAN, operand_dense(&in, x, WR_FLOAT32, 1, SHAPE(5)), 1,
                    operand_dense(&out, y, WR_FLOAT32, 1, SHAPE(5)), &params));
  return y;
}

static void test_joins(void) {
  const float *y = scan_floats(WR_OP_MAXIMUM, (const float[]){2, -INFINITY, 3, NAN, 9});
  EXPECT(y[0] == 2 && y[1] == 2 && y[2] == 3 && y[3] != y[3] && y[4] != y[4]);
  y = scan_floats(WR_OP_MINIMUM, (const float[]){2, 5, -1, NAN, -9});
  EXPECT(y[0] == 2 && y[1] == 2 && y[2] == -1 && y[3] != y[3] && y[4] != y[4]);
  y = scan_floats(WR_OP_MULTIPLY, (const float[]){2, -3, 0.5f, 0, INFINITY});
  EXPECT(y[1] == -6 && y[2] == -3 && y[3] == 0 && y[4] != y[4]);
  y = scan_floats(WR_OP_LOGADDEXP, (const float[]){-INFINITY, 0, 0, 1000, INFINITY});
  EXPECT(y[0] == -INFINITY && y[1] == 0 && fabsf(y[2] - 0.6931472f) < 1e-6f && y[3] == 1000);
  EXPECT(y[4] == INFINITY);
  y = scan_floats(WR_OP_LOGADDEXP, (const float[]){1, NAN, 2, INFINITY, 3});
  EXPECT(y[0] == 1 && y[1] != y[1] && y[3] != y[3] && y[4] != y[4]);
}

/* Sums of -0 alone are -0; of zeros that are the greatest the last one counts, and of those that
   are the least the first. All as in MLX. */
static void test_zeros(void) {
  const float *y = scan_floats(WR_OP_ADD, (const float[]){-0.0f, -0.0f, 0, -0.0f, 1});
  EXPECT(signbit(y[0]) && signbit(y[1]) && !signbit(y[2]) && !signbit(y[3]) && y[4] == 1);
  y = scan_floats(WR_OP_MAXIMUM, (const float[]){-1, 0, -0.0f, 0, -3});
  EXPECT(y[1] == 0 && !signbit(y[1]) && signbit(y[2]) && !signbit(y[3]) && !signbit(y[4]));
  y = scan_floats(WR_OP_MINIMUM, (const float[]){1, -0.0f, 0, -0.0f, 3});
  EXPECT(y[1] == 0 && signbit(y[1]) && signbit(y[2]) && signbit(y[3]) && signbit(y[4]));
  float x[2] = {-0.0f, 1}, z[2];
  struct kernel_operand in, out;
  const struct wr_scan_params params = {.by = WR_OP_ADD, .axis = 0, .inclusive = false};
  EXPECT(kernel_run(WR_OP_SCAN, operand_dense(&in, x, WR_FLOAT32, 1, SHAPE(2)), 1,
                    operand_dense(&out, z, WR_FLOAT32, 1, SHAPE(2)), &params));
  EXPECT(!signbit(z[0]) && !signbit(z[1]));
}

static void test_complex(void) {
  wr_complex64 z[3] = {{1, 2}, {1, -5}, {0, NAN}}, w[3];
  struct kernel_operand in, out;
  struct wr_scan_params params = {.by = WR_OP_MAXIMUM, .axis = 0, .inclusive = true};
  operand_dense(&in, z, WR_COMPLEX64, 1, SHAPE(3));
  operand_dense(&out, w, WR_COMPLEX64, 1, SHAPE(3));
  EXPECT(kernel_run(WR_OP_SCAN, &in.t, 1, &out.t, &params));
  EXPECT(w[1].im == 2 && w[2].im != w[2].im);
  params.by = WR_OP_MULTIPLY;
  EXPECT(kernel_run(WR_OP_SCAN, &in.t, 1, &out.t, &params));
  EXPECT(w[1].re == 11 && w[1].im == -3);
  /* e^(i pi / 2) and its opposite have no sum, and so the sum no logarithm but -inf or nearly so.
   */
  z[0] = (wr_complex64){0, 1.5707964f};
  z[1] = (wr_complex64){0, -1.5707964f};
  z[2] = (wr_complex64){0, 0};
  params.by = WR_OP_LOGADDEXP;
  EXPECT(kernel_run(WR_OP_SCAN, &in.t, 1, &out.t, &params));
  EXPECT(w[1].re < -15 && fabsf(w[2].re) < 1e-6f);
}

int main(void) {
  test_directions();
  test_axes();
  test_lines();
  test_types();
  test_totals_of_nothing();
  test_joins();
  test_zeros();
  test_complex();
  return kernel_case_failures() != 0;
}
