/* Elementwise operations of two and three inputs: what C leaves undefined, NaN, broadcasting in
   each position, complex order, where over every size of element. */

#include "backend/cpu/kernels.h"
#include "kernel_case.h"

static struct kernel_operand a, b, out;

static void int32s(enum wr_op op, int32_t x, int32_t y, int32_t expected) {
  int32_t result = 77;
  operand_dense(&a, &x, WR_INT32, 0, NULL);
  operand_dense(&b, &y, WR_INT32, 0, NULL);
  operand_dense(&out, &result, WR_INT32, 0, NULL);
  const struct wr_tensor in[] = {a.t, b.t};
  EXPECT(kernel_run(op, in, 2, &out.t, NULL));
  EXPECT(result == expected);
}

static float float32s(enum wr_op op, float x, float y) {
  float result = 77;
  operand_dense(&a, &x, WR_FLOAT32, 0, NULL);
  operand_dense(&b, &y, WR_FLOAT32, 0, NULL);
  operand_dense(&out, &result, WR_FLOAT32, 0, NULL);
  const struct wr_tensor in[] = {a.t, b.t};
  EXPECT(kernel_run(op, in, 2, &out.t, NULL));
  return result;
}

static bool complexes(enum wr_op op, wr_complex64 x, wr_complex64 y) {
  uint8_t result = 7;
  operand_dense(&a, &x, WR_COMPLEX64, 0, NULL);
  operand_dense(&b, &y, WR_COMPLEX64, 0, NULL);
  operand_dense(&out, &result, WR_BOOL, 0, NULL);
  const struct wr_tensor in[] = {a.t, b.t};
  EXPECT(kernel_run(op, in, 2, &out.t, NULL));
  return result == 1;
}

static void test_integers(void) {
  int32s(WR_OP_REMAINDER, 5, 3, 2);
  int32s(WR_OP_REMAINDER, -5, 3, 1);
  int32s(WR_OP_REMAINDER, 5, -3, -1);
  int32s(WR_OP_REMAINDER, -5, -3, -2);
  int32s(WR_OP_REMAINDER, 5, 0, 0);
  int32s(WR_OP_REMAINDER, INT32_MIN, -1, 0);
  int32s(WR_OP_POWER, 3, 4, 81);
  int32s(WR_OP_POWER, -2, 31, INT32_MIN);
  int32s(WR_OP_POWER, 5, 0, 1);
  int32s(WR_OP_POWER, 2, -1, 0);
  int32s(WR_OP_POWER, 1, -3, 1);
  int32s(WR_OP_POWER, -1, -3, -1);
  int32s(WR_OP_POWER, -1, -2, 1);
  int32s(WR_OP_POWER, 0, -1, 0);
  int32s(WR_OP_POWER, 3, INT32_MIN, 0);
  int32s(WR_OP_ADD, INT32_MAX, 1, INT32_MIN);
  int32s(WR_OP_SUBTRACT, INT32_MIN, 1, INT32_MAX);
  int32s(WR_OP_MULTIPLY, INT32_MAX, INT32_MAX, 1);
}

static void test_floats(void) {
  EXPECT(isnan(float32s(WR_OP_MAXIMUM, NAN, 1)) && isnan(float32s(WR_OP_MAXIMUM, 1, NAN)));
  EXPECT(isnan(float32s(WR_OP_MINIMUM, NAN, 1)) && isnan(float32s(WR_OP_MINIMUM, 1, NAN)));
  EXPECT(float32s(WR_OP_MAXIMUM, -INFINITY, 1) == 1);
  EXPECT(float32s(WR_OP_REMAINDER, -5, 3) == 1 && float32s(WR_OP_REMAINDER, 5, -3) == -1);
  EXPECT(isnan(float32s(WR_OP_REMAINDER, 5, 0)));
  EXPECT(isinf(float32s(WR_OP_DIVIDE, 1, 0)) && isnan(float32s(WR_OP_DIVIDE, 0, 0)));
  EXPECT(float32s(WR_OP_POWER, 2, -1) == 0.5f);
}

static void test_complex_order(void) {
  const wr_complex64 x = {1, 2}, y = {1, 3}, z = {0, 9}, nan = {NAN, 0};
  EXPECT(complexes(WR_OP_LESS, x, y) && !complexes(WR_OP_LESS, y, x));
  EXPECT(complexes(WR_OP_GREATER, x, z) && complexes(WR_OP_LESS_EQUAL, x, x));
  EXPECT(!complexes(WR_OP_LESS, nan, x) && !complexes(WR_OP_GREATER_EQUAL, nan, x));
  EXPECT(!complexes(WR_OP_EQUAL, nan, nan) && complexes(WR_OP_EQUAL_NAN, nan, nan));
  EXPECT(complexes(WR_OP_NOT_EQUAL, nan, nan) && complexes(WR_OP_EQUAL, x, x));
  EXPECT(!wr_cpu_binary_row(WR_OP_REMAINDER, WR_COMPLEX64));
}

/* Rounded at each step: where a loop fuses two, the sign of a 0 tells. */
static wr_complex64 product(wr_complex64 x, wr_complex64 y) {
  volatile float parts[] = {x.re * y.re, x.im * y.im, x.re * y.im, x.im * y.re};
  return (wr_complex64){parts[0] - parts[1], parts[2] + parts[3]};
}

static void test_complex_products(void) {
  enum { N = 37 };
  static const float values[] = {0, -0.0F, 1e-45F, -1e-45F, 0.25F, -0.25F, 1e-30F};
  wr_complex64 x[2 * N], y[2 * N], z[N];
  for (unsigned i = 0; i < 2 * N; i++) {
    x[i] = (wr_complex64){values[i % 7], values[i / 7 % 7]};
    y[i] = (wr_complex64){values[i * 5 % 7], values[i / 3 % 7]};
  }
  for (int form = 0; form < 9; form++) {
    int s = form / 3, t = form % 3;
    operand_strided(&a, x, WR_COMPLEX64, 1, SHAPE(N), STRIDES(s));
    operand_strided(&b, y, WR_COMPLEX64, 1, SHAPE(N), STRIDES(t));
    operand_dense(&out, z, WR_COMPLEX64, 1, SHAPE(N));
    const struct wr_tensor in[] = {a.t, b.t};
    EXPECT(kernel_run(WR_OP_MULTIPLY, in, 2, &out.t, NULL));
    for (int i = 0; i < N; i++) {
      wr_complex64 want = product(x[i * s], y[i * t]);
      EXPECT(memcmp(&z[i], &want, sizeof want) == 0);
    }
  }
}

/* Bool arithmetic is C's: add is or, multiply and, subtract exclusive or. */
static void test_bool(void) {
  uint8_t x[] = {0, 0, 1, 1}, y[] = {0, 1, 0, 1}, result[4];
  operand_dense(&a, x, WR_BOOL, 1, SHAPE(4));
  operand_dense(&b, y, WR_BOOL, 1, SHAPE(4));
  operand_dense(&out, result, WR_BOOL, 1, SHAPE(4));
  const struct wr_tensor in[] = {a.t, b.t};
  EXPECT(kernel_run(WR_OP_ADD, in, 2, &out.t, NULL));
  EXPECT(memcmp(result, (const uint8_t[]){0, 1, 1, 1}, 4) == 0);
  EXPECT(kernel_run(WR_OP_MULTIPLY, in, 2, &out.t, NULL));
  EXPECT(memcmp(result, (const uint8_t[]){0, 0, 0, 1}, 4) == 0);
  EXPECT(kernel_run(WR_OP_SUBTRACT, in, 2, &out.t, NULL));
  EXPECT(memcmp(result, (const uint8_t[]){0, 1, 1, 0}, 4) == 0);
  EXPECT(kernel_run(WR_OP_LOGICAL_AND, in, 2, &out.t, NULL));
  EXPECT(memcmp(result, (const uint8_t[]){0, 0, 0, 1}, 4) == 0);
  EXPECT(kernel_run(WR_OP_LOGICAL_OR, in, 2, &out.t, NULL));
  EXPECT(memcmp(result, (const uint8_t[]){0, 1, 1, 1}, 4) == 0);
}

/* x - y over a ROWS x COLS view, with the operands' strides as given, against the plain loop. */
static void check_strides(int64_t xr, int64_t xc, int64_t yr, int64_t yc) {
  enum { ROWS = 37, COLS = 1100 }; /* more than one part for the pool */
  static float x[ROWS * COLS], y[ROWS * COLS], result[ROWS * COLS];
  for (int i = 0; i < ROWS * COLS; i++) {
    x[i] = (float)i;
    y[i] = (float)(3 * i);
  }
  operand_strided(&a, x, WR_FLOAT32, 2, SHAPE(ROWS, COLS), STRIDES(xr, xc));
  operand_strided(&b, y, WR_FLOAT32, 2, SHAPE(ROWS, COLS), STRIDES(yr, yc));
  operand_dense(&out, result, WR_FLOAT32, 2, SHAPE(ROWS, COLS));
  const struct wr_tensor in[] = {a.t, b.t};
  EXPECT(kernel_run(WR_OP_SUBTRACT, in, 2, &out.t, NULL));
  int bad = 0;
  for (int r = 0; r < ROWS; r++) {
    for (int c = 0; c < COLS; c++) {
      bad += result[r * COLS + c] != x[r * xr + c * xc] - y[r * yr + c * yc];
    }
  }
  EXPECT(bad == 0);
}

static void test_broadcast(void) {
  check_strides(1100, 1, 1100, 1);
  check_strides(1100, 1, 0, 1);
  check_strides(1100, 1, 0, 0);
  check_strides(0, 0, 1100, 1);
  check_strides(1, 0, 0, 1);
  check_strides(1, 37, 1100, 1);
  check_strides(0, 0, 0, 0);
}

static void check_where(enum wr_dtype dtype) {
  static const uint8_t condition[6] = {1, 0, 1, 0, 0, 1};
  const size_t size = wr_dtype_size(dtype);
  uint8_t x[6 * 8], y[8], result[6 * 8];
  struct kernel_operand c;
  memset(y, 0, sizeof y);
  for (size_t i = 0; i < sizeof x; i++) x[i] = (uint8_t)(i + 1);
  operand_dense(&c, (void *)condition, WR_BOOL, 2, SHAPE(2, 3));
  operand_dense(&a, x, dtype, 2, SHAPE(2, 3));
  operand_strided(&b, y, dtype, 2, SHAPE(2, 3), STRIDES(0, 0));
  operand_dense(&out, result, dtype, 2, SHAPE(2, 3));
  const struct wr_tensor in[] = {c.t, a.t, b.t};
  EXPECT(kernel_run(WR_OP_WHERE, in, 3, &out.t, NULL));
  for (size_t i = 0; i < 6; i++) {
    EXPECT(memcmp(result + i * size, condition[i] ? x + i * size : y, size) == 0);
  }
}

static void test_where(void) {
  check_where(WR_UINT8);
  check_where(WR_BFLOAT16);
  check_where(WR_FLOAT32);
  check_where(WR_COMPLEX64);
}

int main(void) {
  test_integers();
  test_floats();
  test_complex_order();
  test_complex_products();
  test_bool();
  test_broadcast();
  test_where();
  return kernel_case_failures() != 0;
}
