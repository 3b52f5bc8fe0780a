/* Copies between dtypes and layouts, concatenation, slice_update, arange. */

#include <string.h>

#include "backend/cpu/kernels.h"
#include "core/half.h"
#include "kernel_case.h"

static struct kernel_operand a, b, out;

/* What a type cannot hold: see kernels.h. From float32 and float64. */
static void test_floats_to_integers(void) {
  enum { N = 9 };
  const float in[N] = {NAN, INFINITY, -INFINITY, 1e20f, 300.7f, -1.5f, 3e9f, -0x1p31f, 0x1p63f};
  const int64_t wide[N] = {INT64_MIN, INT64_MIN,  INT64_MIN, INT64_MIN, 300,
                           -1,        3000000000, INT32_MIN, INT64_MIN};
  const int32_t middle[N] = {INT32_MIN, INT32_MIN, INT32_MIN, INT32_MIN, 300,
                             -1,        INT32_MIN, INT32_MIN, INT32_MIN};
  const uint64_t natural[N] = {
      UINT64_C(1) << 63, 0, UINT64_C(1) << 63, 0, 300, UINT64_MAX, 3000000000u, UINT64_MAX << 31,
      UINT64_C(1) << 63};
  const uint32_t natural32[N] = {0, 0, 0, 0, 300, UINT32_MAX, 3000000000u, UINT32_C(1) << 31, 0};
  const uint8_t narrow[N] = {0, 0, 0, 0, 44, 255, 0, 0, 0};
  const struct {
    enum wr_dtype dtype;
    const void *want;
  } to[] = {{WR_INT64, wide},
            {WR_INT32, middle},
            {WR_UINT64, natural},
            {WR_UINT32, natural32},
            {WR_UINT8, narrow},
            {WR_INT8, narrow},
            {WR_BOOL, (const uint8_t[N]){1, 1, 1, 1, 1, 1, 1, 1, 1}}};
  double in64[N];
  for (int i = 0; i < N; i++) in64[i] = (double)in[i];
  for (size_t i = 0; i < sizeof to / sizeof *to; i++) {
    uint64_t got[N];
    for (int from = 0; from < 2; from++) {
      operand_dense(&a, from ? (void *)in64 : (void *)in, from ? WR_FLOAT64 : WR_FLOAT32, 1,
                    SHAPE(N));
      operand_dense(&out, got, to[i].dtype, 1, SHAPE(N));
      EXPECT(kernel_run(WR_OP_COPY, &a.t, 1, &out.t, NULL));
      EXPECT(memcmp(got, to[i].want, N * wr_dtype_size(to[i].dtype)) == 0);
    }
  }
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
      EXPECT(kernel_run(WR_OP_COPY, &a.t, 1, &out.t, NULL));
      operand_strided(&a, x, (enum wr_dtype)from, 1, SHAPE(3), STRIDES(2));
      operand_dense(&out, y, (enum wr_dtype)to, 1, SHAPE(3));
      EXPECT(kernel_run(WR_OP_COPY, &a.t, 1, &out.t, NULL));
      operand_dense(&b, back, WR_BOOL, 1, SHAPE(3));
      EXPECT(kernel_run(WR_OP_COPY, &out.t, 1, &b.t, NULL));
      EXPECT(back[0] == 0 && back[1] == 1 && back[2] == 1);
    }
  }
}

static void test_halves_round_to_even(void) {
  const float in[] = {2049.0f, 2051.0f, 65519.0f, 65520.0f, 0x1p-25f, 0x1.8p-25f};
  uint16_t half[6];
  operand_dense(&a, (void *)in, WR_FLOAT32, 1, SHAPE(6));
  operand_dense(&out, half, WR_FLOAT16, 1, SHAPE(6));
  EXPECT(kernel_run(WR_OP_COPY, &a.t, 1, &out.t, NULL));
  EXPECT(wr_f16_to_f32(half[0]) == 2048.0f && wr_f16_to_f32(half[1]) == 2052.0f);
  EXPECT(half[2] == 0x7bff && half[3] == 0x7c00 && half[4] == 0 && half[5] == 1);
}

static void test_transposed(void) {
  enum { ROWS = 211, COLS = 307 };
  static double x[ROWS * COLS], y[ROWS * COLS];
  for (int i = 0; i < ROWS * COLS; i++) x[i] = i;
  operand_strided(&a, x, WR_FLOAT64, 2, SHAPE(COLS, ROWS), STRIDES(1, COLS));
  operand_dense(&out, y, WR_FLOAT64, 2, SHAPE(COLS, ROWS));
  EXPECT(kernel_run(WR_OP_COPY, &a.t, 1, &out.t, NULL));
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
  EXPECT(kernel_run(WR_OP_CONCATENATE, in, 2, &out.t, &along_1));
  EXPECT(memcmp(result, (const int32_t[]){1, 2, 5, 3, 4, 6}, sizeof result) == 0);
}

static void test_slice_update(void) {
  int16_t x[10], update[] = {-1, -2, -3}, result[10];
  struct wr_slice_update_params by_2 = {.by = WR_OP_COPY, .at = {{{7, -2}}}};
  for (int i = 0; i < 10; i++) x[i] = (int16_t)i;
  operand_dense(&a, x, WR_INT16, 1, SHAPE(10));
  operand_dense(&b, update, WR_INT16, 1, SHAPE(3));
  operand_dense(&out, result, WR_INT16, 1, SHAPE(10));
  const struct wr_tensor in[] = {a.t, b.t};
  EXPECT(kernel_run(WR_OP_SLICE_UPDATE, in, 2, &out.t, &by_2));
  EXPECT(memcmp(result, (const int16_t[]){0, 1, 2, -3, 4, -2, 6, -1, 8, 9}, sizeof result) == 0);
  by_2.by = WR_OP_MULTIPLY;
  EXPECT(kernel_run(WR_OP_SLICE_UPDATE, in, 2, &out.t, &by_2));
  EXPECT(memcmp(result, (const int16_t[]){0, 1, 2, -9, 4, -10, 6, -7, 8, 9}, sizeof result) == 0);
  by_2.by = WR_OP_MAXIMUM;
  EXPECT(kernel_run(WR_OP_SLICE_UPDATE, in, 2, &out.t, &by_2));
  EXPECT(memcmp(result, x, sizeof result) == 0);
}

/* Joined through a stride, longer than a block; the updates are turned. */
static void test_long_slice_update(void) {
  enum { N = 700 };
  static float x[2 * N * 3], update[N * 3], result[2 * N * 3];
  const struct wr_slice_update_params add = {.by = WR_OP_ADD, .at = {{{2, -1}, {1, 2}}}};
  for (int i = 0; i < 2 * N * 3; i++) x[i] = (float)i;
  for (int i = 0; i < N * 3; i++) update[i] = (float)(1000 * i);
  operand_dense(&a, x, WR_FLOAT32, 2, SHAPE(3, 2 * N));
  operand_strided(&b, update, WR_FLOAT32, 2, SHAPE(3, N), STRIDES(1, 3));
  operand_dense(&out, result, WR_FLOAT32, 2, SHAPE(3, 2 * N));
  const struct wr_tensor in[] = {a.t, b.t};
  EXPECT(kernel_run(WR_OP_SLICE_UPDATE, in, 2, &out.t, &add));
  for (int r = 0; r < 3; r++) {
    for (int c = 0; c < 2 * N; c++) {
      const int at = r * 2 * N + c;
      EXPECT(result[at] == x[at] + (c % 2 ? (float)(1000 * (2 - r + 3 * (c / 2))) : 0));
    }
  }
}

/* Bytes of elements that lie around an update, by `size`, of a result of `shape`. One of all
   sources is a single element. */
static void check_framed(enum wr_dtype dtype, const int32_t shape[3], const int32_t start[3],
                         const int32_t size[3], bool single) {
  enum { MOST = 70000 };
  static uint8_t x[MOST * 8], update[MOST * 8], result[MOST * 8];
  const size_t item = wr_dtype_size(dtype);
  const int64_t strides[3] = {single ? 0 : (int64_t)shape[1] * shape[2], single ? 0 : shape[2],
                              single ? 0 : 1};
  struct wr_slice_update_params params = {.by = WR_OP_COPY};
  for (size_t i = 0; i < MOST * item; i++) x[i] = (uint8_t)(i * 7 % 251), update[i] = 255;
  for (int d = 0; d < 3; d++) {
    params.at.axis[d].start = start[d];
    params.at.axis[d].step = 1;
  }
  operand_strided(&a, x, dtype, 3, shape, strides);
  operand_dense(&b, update, dtype, 3, size);
  operand_dense(&out, result, dtype, 3, shape);
  const struct wr_tensor in[] = {a.t, b.t};
  EXPECT(kernel_run(WR_OP_SLICE_UPDATE, in, 2, &out.t, &params));
  for (int64_t i = 0; i < out.t.size; i++) {
    const int64_t at[3] = {i / shape[2] / shape[1], i / shape[2] % shape[1], i % shape[2]};
    bool inside = true;
    for (int d = 0; d < 3; d++) inside &= at[d] >= start[d] && at[d] < start[d] + size[d];
    const uint8_t *want = inside ? update : x + (single ? 0 : (size_t)i * item);
    EXPECT(memcmp(result + (size_t)i * item, want, item) == 0);
  }
}

static void test_framed_slice_update(void) {
  static const struct {
    int32_t shape[3], start[3], size[3];
  } cases[] = {{{1, 1, 9}, {0, 0, 2}, {1, 1, 5}},       {{1, 40, 600}, {0, 1, 1}, {1, 38, 597}},
               {{5, 40, 300}, {1, 0, 3}, {4, 40, 290}}, {{5, 40, 300}, {0, 2, 0}, {4, 30, 300}},
               {{60, 50, 9}, {3, 1, 0}, {50, 49, 9}},   {{60, 50, 9}, {3, 1, 1}, {50, 49, 7}},
               {{1, 1, 2048}, {0, 0, 0}, {1, 1, 2047}}, {{2, 3, 2048}, {0, 0, 1}, {2, 3, 2047}}};
  static const enum wr_dtype types[] = {WR_BOOL, WR_BFLOAT16, WR_FLOAT32, WR_COMPLEX64};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    for (int k = 0; k < 8; k++) {
      check_framed(types[k / 2], cases[i].shape, cases[i].start, cases[i].size, k % 2);
    }
  }
}

static void test_arange(void) {
  float result[700];
  const struct wr_arange_params tenths = {.start = 1, .step = 0.1};
  operand_dense(&out, result, WR_FLOAT32, 1, SHAPE(700));
  EXPECT(kernel_run(WR_OP_ARANGE, NULL, 0, &out.t, &tenths));
  EXPECT(result[0] == 1 && result[699] == (float)(1 + 699 * 0.1));
  operand_dense(&out, NULL, WR_FLOAT32, 1, SHAPE(0));
  EXPECT(kernel_run(WR_OP_ARANGE, NULL, 0, &out.t, &tenths));
}

int main(void) {
  test_floats_to_integers();
  test_all_pairs();
  test_halves_round_to_even();
  test_transposed();
  test_concatenate();
  test_slice_update();
  test_long_slice_update();
  test_framed_slice_update();
  test_arange();
  return kernel_case_failures() != 0;
}
