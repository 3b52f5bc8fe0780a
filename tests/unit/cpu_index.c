/* Gather, take_along_axis and scatter in each of its ways: strided operands, several index arrays,
   every integer type of index, negative indices, indices out of range (rule E6), duplicates. */

#include "backend/cpu/kernels.h"
#include "core/half.h"
#include "kernel_case.h"

static void test_take(void) {
  int32_t a[12];
  for (int i = 0; i < 12; i++) a[i] = i;
  int64_t index[4] = {-1, 0, 2, 1};
  int32_t y[16];
  struct kernel_operand in[2], out;
  operand_strided(&in[0], a, WR_INT32, 3, SHAPE(2, 3, 2), STRIDES(1, 2, 6));
  operand_strided(&in[1], index, WR_INT64, 2, SHAPE(2, 2), STRIDES(1, 2));
  operand_dense(&out, y, WR_INT32, 4, SHAPE(2, 2, 2, 2));
  struct wr_tensor inputs[2] = {in[0].t, in[1].t};
  EXPECT(kernel_run(
      WR_OP_GATHER, inputs, 2, &out.t,
      &(struct wr_gather_params){.n_axes = 1, .before = 1, .dropped = true, .axes = {1}}));
  for (int i = 0; i < 2; i++) {
    for (int k = 0; k < 4; k++) {
      int pick = (int)index[k / 2 + k % 2 * 2];
      pick = pick < 0 ? pick + 3 : pick;
      for (int j = 0; j < 2; j++) EXPECT(y[(i * 4 + k) * 2 + j] == a[i + pick * 2 + j * 6]);
    }
  }
}

static float take_one(void *index, enum wr_dtype dtype) {
  float a[3] = {10, 20, 30};
  float y = 0;
  struct kernel_operand o[2], out;
  struct wr_tensor in[2] = {*operand_dense(&o[0], a, WR_FLOAT32, 1, SHAPE(3)),
                            *operand_dense(&o[1], index, dtype, 0, NULL)};
  EXPECT(kernel_run(WR_OP_GATHER, in, 2, operand_dense(&out, &y, WR_FLOAT32, 0, NULL),
                    &(struct wr_gather_params){.n_axes = 1, .dropped = true}));
  return y;
}

static void test_index_types(void) {
  EXPECT(take_one(&(int8_t){-3}, WR_INT8) == 10);
  EXPECT(take_one(&(int16_t){-1}, WR_INT16) == 30);
  EXPECT(take_one(&(int32_t){-4}, WR_INT32) == 10);
  EXPECT(take_one(&(int64_t){INT64_MIN}, WR_INT64) == 10);
  EXPECT(take_one(&(int64_t){INT64_MAX}, WR_INT64) == 30);
  EXPECT(take_one(&(uint8_t){1}, WR_UINT8) == 20);
  EXPECT(take_one(&(uint16_t){3}, WR_UINT16) == 30);
  EXPECT(take_one(&(uint32_t){UINT32_MAX}, WR_UINT32) == 30);
  EXPECT(take_one(&(uint64_t){UINT64_MAX}, WR_UINT64) == 30);
  EXPECT(take_one(&(uint8_t){1}, WR_BOOL) == 20);
}

/* Slices (2,2) of a (3,4) at three places, and along the first axis alone, behind the second. */
static void test_gather_slices(void) {
  int16_t a[12];
  for (int i = 0; i < 12; i++) a[i] = (int16_t)i;
  int8_t row[3] = {0, -1, 9}; /* the last two rows, where they lie outside */
  uint64_t column[1] = {1};
  int16_t y[12];
  struct kernel_operand o[3], out;
  struct wr_tensor in[3] = {*operand_dense(&o[0], a, WR_INT16, 2, SHAPE(3, 4)),
                            *operand_dense(&o[1], row, WR_INT8, 1, SHAPE(3)),
                            *operand_strided(&o[2], column, WR_UINT64, 1, SHAPE(3), STRIDES(0))};
  struct wr_gather_params params = {.n_axes = 2, .axes = {0, 1}};
  EXPECT(kernel_run(WR_OP_GATHER, in, 3, operand_dense(&out, y, WR_INT16, 3, SHAPE(3, 2, 2)),
                    &params));
  EXPECT(memcmp(y, (const int16_t[]){1, 2, 5, 6, 5, 6, 9, 10, 5, 6, 9, 10}, sizeof y) == 0);
  params = (struct wr_gather_params){.n_axes = 1, .before = 1, .axes = {1}};
  in[1] = in[2];
  EXPECT(kernel_run(WR_OP_GATHER, in, 2, operand_dense(&out, y, WR_INT16, 3, SHAPE(2, 3, 2)),
                    &params));
  EXPECT(memcmp(y, (const int16_t[]){1, 2, 1, 2, 1, 2, 5, 6, 5, 6, 5, 6}, sizeof y) == 0);
  params = (struct wr_gather_params){.n_axes = 0};
  EXPECT(
      kernel_run(WR_OP_GATHER, in, 1, operand_dense(&out, y, WR_INT16, 2, SHAPE(2, 3)), &params));
  EXPECT(memcmp(y, (const int16_t[]){0, 1, 2, 4, 5, 6}, 6 * sizeof y[0]) == 0);
}

static void test_take_along_axis(void) {
  int16_t a[6] = {1, 2, 3, 4, 5, 6};
  int32_t index[4] = {2, -3, 0, 9};
  int16_t y[4];
  struct kernel_operand o[2], out;
  struct wr_tensor in[2] = {*operand_dense(&o[0], a, WR_INT16, 2, SHAPE(2, 3)),
                            *operand_dense(&o[1], index, WR_INT32, 2, SHAPE(2, 2))};
  EXPECT(kernel_run(WR_OP_GATHER_AXIS, in, 2, operand_dense(&out, y, WR_INT16, 2, SHAPE(2, 2)),
                    &(struct wr_axis_params){.axis = 1}));
  EXPECT(memcmp(y, (const int16_t[]){3, 1, 4, 6}, sizeof y) == 0);
  in[0] = *operand_strided(&o[0], a, WR_INT16, 2, SHAPE(3, 2), STRIDES(1, 3));
  EXPECT(kernel_run(WR_OP_GATHER_AXIS, in, 2, &out.t, &(struct wr_axis_params){.axis = 0}));
  EXPECT(memcmp(y, (const int16_t[]){3, 4, 1, 6}, sizeof y) == 0);
}

static void test_scatter_elements(void) {
  float a[4] = {1, 1, 1, 1};
  float updates[5] = {1, 2, 4, 8, 16};
  int32_t index[5] = {0, 3, 0, -1, 4};
  float y[4];
  struct kernel_operand o[3], out;
  struct wr_tensor in[3] = {*operand_dense(&o[0], a, WR_FLOAT32, 1, SHAPE(4)),
                            *operand_dense(&o[1], updates, WR_FLOAT32, 2, SHAPE(5, 1)),
                            *operand_dense(&o[2], index, WR_INT32, 1, SHAPE(5))};
  struct wr_scatter_params params = {.by = WR_OP_ADD, .n_axes = 1, .axes = {0}};
  EXPECT(
      kernel_run(WR_OP_SCATTER, in, 3, operand_dense(&out, y, WR_FLOAT32, 1, SHAPE(4)), &params));
  EXPECT(y[0] == 6 && y[1] == 1 && y[2] == 1 && y[3] == 11);
}

static void test_scatter_slices(void) {
  int32_t a[12] = {0};
  int32_t updates[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  uint32_t row[2] = {1, 2};
  int8_t column[2] = {-3, 1};
  int32_t y[12];
  struct kernel_operand o[4], out;
  /* a (3,4); each update is a slice (1,2) at (row, column); the updates are read transposed. */
  struct wr_tensor in[4] = {
      *operand_strided(&o[0], a, WR_INT32, 2, SHAPE(3, 4), STRIDES(0, 0)),
      *operand_strided(&o[1], updates, WR_INT32, 3, SHAPE(2, 1, 2), STRIDES(1, 0, 2)),
      *operand_dense(&o[2], row, WR_UINT32, 1, SHAPE(2)),
      *operand_dense(&o[3], column, WR_INT8, 1, SHAPE(2))};
  struct wr_scatter_params params = {.by = WR_OP_ADD, .n_axes = 2, .axes = {0, 1}};
  operand_dense(&out, y, WR_INT32, 2, SHAPE(3, 4));
  EXPECT(kernel_run(WR_OP_SCATTER, in, 4, &out.t, &params));
  static const int32_t expected[12] = {0, 0, 0, 0, 0, 1, 3, 0, 0, 2, 4, 0};
  EXPECT(memcmp(y, expected, sizeof y) == 0);
  column[0] = 3; /* the slice would stick out */
  EXPECT(kernel_run(WR_OP_SCATTER, in, 4, &out.t, &params));
  EXPECT(y[5] == 0 && y[7] == 0 && y[8] == 0 && y[9] == 2);
}

static void test_scatter_types(void) {
  uint16_t a[1] = {wr_f32_to_f16(0.5f)};
  uint16_t updates[2] = {wr_f32_to_f16(1.0f), wr_f32_to_f16(2.0f)};
  uint8_t index[2] = {0, 0};
  uint16_t y[1];
  struct kernel_operand o[3], out;
  struct wr_tensor in[3] = {*operand_dense(&o[0], a, WR_FLOAT16, 1, SHAPE(1)),
                            *operand_dense(&o[1], updates, WR_FLOAT16, 2, SHAPE(2, 1)),
                            *operand_dense(&o[2], index, WR_UINT8, 1, SHAPE(2))};
  struct wr_scatter_params params = {.by = WR_OP_ADD, .n_axes = 1, .axes = {0}};
  EXPECT(
      kernel_run(WR_OP_SCATTER, in, 3, operand_dense(&out, y, WR_FLOAT16, 1, SHAPE(1)), &params));
  EXPECT(wr_f16_to_f32(y[0]) == 3.5f);
}

/* Scatters four updates {a, b, c, d} to elements {0, 0, 1, 7} of x. */
static void scatter_four(enum wr_op by, enum wr_dtype t, void *x, void *updates, void *y) {
  int32_t index[4] = {0, -2, 1, 7};
  struct kernel_operand o[3], out;
  struct wr_tensor in[3] = {*operand_dense(&o[0], x, t, 1, SHAPE(2)),
                            *operand_dense(&o[1], updates, t, 2, SHAPE(4, 1)),
                            *operand_dense(&o[2], index, WR_INT32, 1, SHAPE(4))};
  struct wr_scatter_params params = {.by = by, .n_axes = 1, .axes = {0}};
  EXPECT(kernel_run(WR_OP_SCATTER, in, 3, operand_dense(&out, y, t, 1, SHAPE(2)), &params));
}

static void test_scatter_ways(void) {
  float x[2] = {2, 3}, u[4] = {5, -4, NAN, 9}, y[2];
  scatter_four(WR_OP_COPY, WR_FLOAT32, x, u, y);
  EXPECT(y[0] == -4 && y[1] != y[1]);
  scatter_four(WR_OP_MAXIMUM, WR_FLOAT32, x, u, y);
  EXPECT(y[0] == 5 && y[1] != y[1]);
  scatter_four(WR_OP_MINIMUM, WR_FLOAT32, x, u, y);
  EXPECT(y[0] == -4 && y[1] != y[1]);
  scatter_four(WR_OP_MULTIPLY, WR_FLOAT32, x, u, y);
  EXPECT(y[0] == -40 && y[1] != y[1]);
  uint8_t flags[2] = {0, 1}, v[4] = {0, 1, 0, 1}, w[2];
  scatter_four(WR_OP_ADD, WR_BOOL, flags, v, w);
  EXPECT(w[0] == 1 && w[1] == 1);
  scatter_four(WR_OP_MULTIPLY, WR_BOOL, flags, v, w);
  EXPECT(w[0] == 0 && w[1] == 0);
  int8_t a[2] = {100, -128}, b[4] = {100, 3, -1, 0}, c[2];
  scatter_four(WR_OP_MULTIPLY, WR_INT8, a, b, c);
  EXPECT(c[0] == 48 && c[1] == -128);
  wr_complex64 z[2] = {{1, 1}, {2, 0}}, s[4] = {{0, 1}, {2, 0}, {2, 1}, {0, 0}}, r[2];
  scatter_four(WR_OP_MULTIPLY, WR_COMPLEX64, z, s, r);
  EXPECT(r[0].re == -2 && r[0].im == 2 && r[1].re == 4 && r[1].im == 2);
  scatter_four(WR_OP_MAXIMUM, WR_COMPLEX64, z, s, r);
  EXPECT(r[0].re == 2 && r[1].im == 1);
}

/* Slices large enough for several threads, of which the last of those that overlap stays, and one
   that is written through a stride. */
static void test_large_slices(void) {
  enum { ROWS = 40, COLUMNS = 3001 };
  static int32_t a[COLUMNS * 2], updates[ROWS * COLUMNS], y[COLUMNS * 2];
  int64_t index[ROWS];
  for (int i = 0; i < ROWS * COLUMNS; i++) updates[i] = i;
  for (int i = 0; i < ROWS; i++) index[i] = i % 2;
  struct kernel_operand o[3], out;
  struct wr_tensor in[3] = {*operand_dense(&o[0], a, WR_INT32, 2, SHAPE(COLUMNS, 2)),
                            *operand_dense(&o[1], updates, WR_INT32, 3, SHAPE(ROWS, COLUMNS, 1)),
                            *operand_dense(&o[2], index, WR_INT64, 1, SHAPE(ROWS))};
  struct wr_scatter_params params = {.by = WR_OP_COPY, .n_axes = 1, .axes = {1}};
  operand_dense(&out, y, WR_INT32, 2, SHAPE(COLUMNS, 2));
  EXPECT(kernel_run(WR_OP_SCATTER, in, 3, &out.t, &params));
  for (int i = 0; i < 2 * COLUMNS; i++) EXPECT(y[i] == (ROWS - 2 + i % 2) * COLUMNS + i / 2);
  params.by = WR_OP_ADD;
  EXPECT(kernel_run(WR_OP_SCATTER, in, 3, &out.t, &params));
  for (int i = 0; i < 2 * COLUMNS; i++) {
    int32_t sum = 0;
    for (int r = i % 2; r < ROWS; r += 2) sum += r * COLUMNS + i / 2;
    EXPECT(y[i] == sum);
  }
}

/* Long slices whose ends and beginnings lie on each other: the last stays, also where threads share
   the work, and sums miss none. With an axis in front along which they lie side by side. */
static void test_large_overlaps(enum wr_op by, int rows) {
  enum { PLACES = 30, ROWS = 4, EXTENT = 1500, SHIFT = 7, ALL = EXTENT + PLACES * SHIFT };
  static int32_t a[ROWS * ALL], updates[PLACES * ROWS * EXTENT], y[ROWS * ALL],
      expected[ROWS * ALL];
  int16_t index[PLACES];
  memset(expected, 0, sizeof expected);
  for (int p = 0; p < PLACES; p++) {
    index[p] = (int16_t)(p * 11 % PLACES * SHIFT);
    for (int i = 0; i < rows * EXTENT; i++) {
      int32_t *u = &updates[p * rows * EXTENT + i], *at;
      at = &expected[i / EXTENT * ALL + index[p] + i % EXTENT];
      *u = p * 31 + i;
      *at = by == WR_OP_ADD ? *at + *u : *u;
    }
  }
  struct kernel_operand o[3], out;
  struct wr_tensor in[3] = {
      *operand_dense(&o[0], a, WR_INT32, 2, SHAPE(rows, ALL)),
      *operand_dense(&o[1], updates, WR_INT32, 3, SHAPE(PLACES, rows, EXTENT)),
      *operand_dense(&o[2], index, WR_INT16, 1, SHAPE(PLACES))};
  struct wr_scatter_params params = {.by = by, .n_axes = 1, .axes = {1}};
  operand_dense(&out, y, WR_INT32, 2, SHAPE(rows, ALL));
  EXPECT(kernel_run(WR_OP_SCATTER, in, 3, &out.t, &params));
  EXPECT(memcmp(y, expected, (size_t)rows * ALL * sizeof y[0]) == 0);
}

int main(void) {
  test_take();
  test_index_types();
  test_gather_slices();
  test_take_along_axis();
  test_scatter_elements();
  test_scatter_slices();
  test_scatter_types();
  test_scatter_ways();
  test_large_slices();
  test_large_overlaps(WR_OP_COPY, 1);
  test_large_overlaps(WR_OP_COPY, 4);
  test_large_overlaps(WR_OP_ADD, 1);
  test_large_overlaps(WR_OP_ADD, 4);
  return kernel_case_failures() != 0;
}
