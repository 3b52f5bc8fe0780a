/* Large results, which go past the caches, have the bytes that short ones have: wherever they
   begin, whatever their elements' size, of dense inputs, rows and numbers, in an input's place, of
   copies, and of groups; and nothing before or behind them is written. */

#include <stdlib.h>

#include "backend/cpu/loop/loop.h"
#include "kernel_case.h"

enum { SHORT = 1000, MARGIN = 64, COLUMNS = 1601, ROWS = 2700 };

static char *a, *b, *result, *expected;

static void fill(char *to, size_t bytes) {
  uint32_t seed = 20261130;
  for (size_t i = 0; i < bytes; i += 4) {
    const float x = (float)(kernel_case_next(&seed) % 4001) / 16 - 125;
    memcpy(to + i, &x, sizeof x);
  }
}

/* What the operation gives for a stretch at a time, of dense inputs. */
static void by_stretches(enum wr_op op, int n_in, enum wr_dtype in, enum wr_dtype out, int64_t n) {
  const size_t from = wr_dtype_size(in), to = wr_dtype_size(out);
  for (int64_t at = 0; at < n; at += SHORT) {
    struct kernel_operand x, y, z;
    const int32_t part = (int32_t)(n - at < SHORT ? n - at : SHORT);
    const struct wr_tensor ins[] = {*operand_dense(&x, a + (size_t)at * from, in, 1, SHAPE(part)),
                                    *operand_dense(&y, b + (size_t)at * from, in, 1, SHAPE(part))};
    EXPECT(kernel_run(op, ins, n_in,
                      operand_dense(&z, expected + (size_t)at * to, out, 1, SHAPE(part)), NULL));
  }
}

static void expect_within(const char *from, size_t bytes) {
  EXPECT(memcmp(from, expected, bytes) == 0);
  for (int i = 1; i <= MARGIN; i++) {
    if (from[-i] != 0x5a || from[bytes + (size_t)i - 1] != 0x5a) {
      EXPECT(!"bytes beside the result are as they were");
      return;
    }
  }
}

static char *place_at(size_t shift, size_t bytes) {
  memset(result, 0x5a, bytes + 4 * MARGIN);
  return result + MARGIN + shift;
}

static void try_dense(enum wr_op op, int n_in, enum wr_dtype in, enum wr_dtype out, size_t shift) {
  const size_t width = wr_dtype_size(out);
  const int32_t n = WR_PAST_LEAST / 2 / (int32_t)width + 777;
  struct kernel_operand x, y, z;
  const struct wr_tensor ins[] = {*operand_dense(&x, a, in, 1, SHAPE(n)),
                                  *operand_dense(&y, b, in, 1, SHAPE(n))};
  char *to = place_at(shift, (size_t)n * width);
  by_stretches(op, n_in, in, out, n);
  EXPECT(kernel_run(op, ins, n_in, operand_dense(&z, to, out, 1, SHAPE(n)), NULL));
  expect_within(to, (size_t)n * width);
}

/* The second input is a row for all rows, or a number. */
static void try_spread(int64_t stride) {
  struct kernel_operand x, y, z;
  char *to = place_at(0, sizeof(float) * ROWS * COLUMNS);
  const struct wr_tensor ins[] = {
      *operand_dense(&x, a, WR_FLOAT32, 2, SHAPE(ROWS, COLUMNS)),
      *operand_strided(&y, b, WR_FLOAT32, 2, SHAPE(ROWS, COLUMNS), STRIDES(0, stride))};
  EXPECT(kernel_run(WR_OP_SUBTRACT, ins, 2,
                    operand_dense(&z, to, WR_FLOAT32, 2, SHAPE(ROWS, COLUMNS)), NULL));
  for (int64_t i = 0; i < ROWS * COLUMNS; i++) {
    ((float *)expected)[i] = ((float *)a)[i] - ((float *)b)[i % COLUMNS * stride];
  }
  expect_within(to, sizeof(float) * ROWS * COLUMNS);
}

/* Each row twice. */
static void try_repeated(size_t shift) {
  enum { TALL = ROWS / 2 };
  struct kernel_operand x, y;
  char *to = place_at(shift, sizeof(float) * 2 * TALL * COLUMNS);
  const struct wr_tensor in =
      *operand_strided(&x, a + 4, WR_FLOAT32, 3, SHAPE(TALL, 2, COLUMNS), STRIDES(COLUMNS, 0, 1));
  EXPECT(kernel_run(WR_OP_COPY, &in, 1,
                    operand_dense(&y, to, WR_FLOAT32, 3, SHAPE(TALL, 2, COLUMNS)), NULL));
  for (int64_t i = 0; i < (int64_t)2 * TALL; i++) {
    memcpy(expected + i * COLUMNS * 4, a + 4 + i / 2 * COLUMNS * 4, COLUMNS * 4);
  }
  expect_within(to, sizeof(float) * 2 * TALL * COLUMNS);
}

/* A large array of `width` bytes an element beside or behind a smaller one. */
static void try_concatenated(enum wr_dtype t, int axis, size_t shift) {
  const size_t width = wr_dtype_size(t);
  const int32_t most = WR_PAST_LEAST / 2 / (int32_t)width / COLUMNS + 1;
  const int32_t columns = axis ? COLUMNS + 7 : COLUMNS, rows = axis ? most : most + 9;
  struct kernel_operand x, y, z;
  char *to = place_at(shift, width * (size_t)rows * (size_t)columns);
  const struct wr_tensor ins[] = {
      *operand_dense(&x, a + width, t, 2, SHAPE(most, COLUMNS)),
      *operand_dense(&y, b, t, 2, axis ? SHAPE(most, 7) : SHAPE(9, COLUMNS))};
  EXPECT(kernel_run(WR_OP_CONCATENATE, ins, 2, operand_dense(&z, to, t, 2, SHAPE(rows, columns)),
                    &(struct wr_axis_params){.axis = axis}));
  for (size_t r = 0, at = 0; r < (size_t)rows; r++) {
    const bool behind = r >= (size_t)most;
    const char *row =
        behind ? b + (r - (size_t)most) * COLUMNS * width : a + width + r * COLUMNS * width;
    memcpy(expected + at, row, COLUMNS * width);
    at += COLUMNS * width;
    if (axis) memcpy(expected + at, b + r * 7 * width, 7 * width);
    if (axis) at += 7 * width;
  }
  expect_within(to, width * (size_t)rows * (size_t)columns);
}

static void try_in_place(void) {
  const int32_t n = WR_PAST_LEAST / 8 + 5;
  const size_t bytes = (size_t)n * sizeof(float);
  struct kernel_operand x, y, z;
  char *to = place_at(0, bytes);
  memcpy(to, a, bytes);
  const struct wr_tensor ins[] = {*operand_dense(&x, to, WR_FLOAT32, 1, SHAPE(n)),
                                  *operand_dense(&y, b, WR_FLOAT32, 1, SHAPE(n))};
  by_stretches(WR_OP_ADD, 2, WR_FLOAT32, WR_FLOAT32, n);
  EXPECT(kernel_run(WR_OP_ADD, ins, 2, operand_dense(&z, to, WR_FLOAT32, 1, SHAPE(n)), NULL));
  expect_within(to, bytes);
}

/* -(a + b), or whether a + b is less than b. */
static void try_group(bool compares, size_t shift) {
  const enum wr_dtype out = compares ? WR_BOOL : WR_FLOAT32;
  const size_t width = wr_dtype_size(out);
  const int32_t n = WR_PAST_LEAST / 2 / (int32_t)width + 777;
  struct wr_group_step steps[] = {
      {.op = WR_OP_ADD, .dtype = WR_FLOAT32, .n_in = 2, .in = {0, 1}},
      {.op = WR_OP_NEGATIVE, .dtype = WR_FLOAT32, .n_in = 1, .in = {2}}};
  struct kernel_operand x, y, z;
  const struct wr_tensor ins[] = {*operand_dense(&x, a, WR_FLOAT32, 1, SHAPE(n)),
                                  *operand_dense(&y, b, WR_FLOAT32, 1, SHAPE(n))};
  char *to = place_at(shift, (size_t)n * width);
  if (compares) {
    steps[1] = (struct wr_group_step){.op = WR_OP_LESS, .dtype = WR_BOOL, .n_in = 2, .in = {2, 1}};
  }
  const struct wr_group g = {.n_in = 2,
                             .n_steps = 2,
                             .in = ins,
                             .steps = steps,
                             .out = *operand_dense(&z, to, out, 1, SHAPE(n))};
  struct wr_error *error = NULL;
  (void)wr_backend_cpu.encode_group(NULL, &g, NULL, &error);
  EXPECT(!error);
  for (int64_t i = 0; i < n; i++) {
    const float sum = ((float *)a)[i] + ((float *)b)[i], y_i = ((float *)b)[i];
    if (compares) {
      expected[i] = sum < y_i;
    } else {
      ((float *)expected)[i] = -sum;
    }
  }
  expect_within(to, (size_t)n * width);
}

/* -(a + b), of a row for all rows. */
static void try_group_of_rows(size_t shift) {
  const int32_t *shape = SHAPE(ROWS, COLUMNS);
  struct wr_group_step steps[] = {
      {.op = WR_OP_ADD, .dtype = WR_FLOAT32, .n_in = 2, .in = {0, 1}},
      {.op = WR_OP_NEGATIVE, .dtype = WR_FLOAT32, .n_in = 1, .in = {2}}};
  struct kernel_operand x, y, z;
  const struct wr_tensor ins[] = {*operand_dense(&x, a, WR_FLOAT32, 2, shape),
                                  *operand_strided(&y, b, WR_FLOAT32, 2, shape, STRIDES(0, 1))};
  char *to = place_at(shift, sizeof(float) * ROWS * COLUMNS);
  const struct wr_group g = {.n_in = 2,
                             .n_steps = 2,
                             .in = ins,
                             .steps = steps,
                             .out = *operand_dense(&z, to, WR_FLOAT32, 2, shape)};
  struct wr_error *error = NULL;
  (void)wr_backend_cpu.encode_group(NULL, &g, NULL, &error);
  EXPECT(!error);
  for (int64_t i = 0; i < ROWS * COLUMNS; i++) {
    ((float *)expected)[i] = -(((float *)a)[i] + ((float *)b)[i % COLUMNS]);
  }
  expect_within(to, sizeof(float) * ROWS * COLUMNS);
}

static char *room(size_t bytes) {
  char *p = aligned_alloc(WR_PAST_LINE, bytes);
  if (!p) exit(1);
  return p;
}

/* A table of a row and a column reads next to nothing: it is the cache's size that counts. Nothing
   is read or written here. */
static void try_wanted(void) {
#if defined(__x86_64__)
  char places[3];
  const int32_t large[] = {1 << 20, 1 << 20}, small[] = {900, 300};
  const int64_t dense[] = {1 << 20, 1}, column[] = {1, 0}, row[] = {0, 1};
  struct wr_tensor in[] = {
      {.data = places, .shape = large, .strides = column, .ndim = 2, .dtype = WR_FLOAT32},
      {.data = places + 1, .shape = large, .strides = row, .ndim = 2, .dtype = WR_FLOAT32}};
  struct wr_tensor out = in[0];
  out.data = places + 2;
  out.strides = dense;
  out.dense = true;
  out.size = (int64_t)1 << 40;
  EXPECT(wr_past_wanted(&out, in, 2));
  in[0].shape = in[1].shape = out.shape = small;
  out.size = 900 * 300;
  EXPECT(!wr_past_wanted(&out, in, 2));
#endif
}

int main(void) {
  const size_t most = (size_t)5 * WR_PAST_LEAST / 2;
  a = room(most), b = room(most), result = room(most), expected = room(most);
  fill(a, most);
  fill(b, most);
  for (size_t shift = 0; shift < WR_PAST_LINE; shift += 20) {
    try_dense(WR_OP_ADD, 2, WR_FLOAT32, WR_FLOAT32, shift);
    try_dense(WR_OP_ADD, 2, WR_COMPLEX64, WR_COMPLEX64, shift);
    try_dense(WR_OP_LESS, 2, WR_FLOAT32, WR_BOOL, shift + 1);
    try_dense(WR_OP_ASTYPE, 1, WR_FLOAT32, WR_BFLOAT16, shift + 2);
    try_group(false, shift);
    try_group(true, shift + 3);
    try_group_of_rows(shift);
    try_repeated(shift);
    try_concatenated(WR_FLOAT32, 0, shift);
    try_concatenated(WR_UINT8, 1, shift + 3);
    try_concatenated(WR_COMPLEX64, 1, shift);
  }
  try_dense(WR_OP_MULTIPLY, 2, WR_INT64, WR_INT64, 8);
  try_dense(WR_OP_NEGATIVE, 1, WR_FLOAT32, WR_FLOAT32, 4);
  try_spread(1);
  try_spread(0);
  try_in_place();
  try_wanted();
  free(a);
  free(b);
  free(result);
  free(expected);
  return kernel_case_failures() != 0;
}
