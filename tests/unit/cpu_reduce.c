/* Reductions against a plain loop over every mask of axes of a three-dimensional input, in several
   layouts; then the properties that a loop does not show: types, NaN, empty inputs, accuracy, ties.
 */

#include "backend/cpu/kernels.h"
#include "core/half.h"
#include "kernel_case.h"

enum { A = 5, B = 19, C = 300, N = A * B * C };

static int32_t data[N];

/* Sum and max of all elements whose kept coordinates are (i, j, k). */
static void expect_one(const struct wr_tensor *t, uint32_t axes, const int32_t kept[3],
                       uint32_t *sum, int32_t *max) {
  const int32_t *x = t->data;
  *sum = 0;
  *max = INT32_MIN;
  for (int32_t i = 0; i < t->shape[0]; i++) {
    for (int32_t j = 0; j < t->shape[1]; j++) {
      for (int32_t k = 0; k < t->shape[2]; k++) {
        bool mine = (axes & 1u || i == kept[0]) && (axes & 2u || j == kept[1]) &&
                    (axes & 4u || k == kept[2]);
        if (!mine) continue;
        int32_t v = x[i * t->strides[0] + j * t->strides[1] + k * t->strides[2]];
        *sum += (uint32_t)v;
        if (v > *max) *max = v;
      }
    }
  }
}

static void check_mask(const struct wr_tensor *in, uint32_t axes) {
  static int32_t sums[N];
  static int32_t maxima[N];
  int32_t shape[3];
  for (int d = 0; d < 3; d++) shape[d] = axes >> d & 1u ? 1 : in->shape[d];
  struct kernel_operand out;
  struct wr_reduce_params params = {.axes = axes};
  EXPECT(kernel_run(WR_OP_SUM, in, 1, operand_dense(&out, sums, WR_INT32, 3, shape), &params));
  EXPECT(kernel_run(WR_OP_MAX, in, 1, operand_dense(&out, maxima, WR_INT32, 3, shape), &params));
  bool same = true;
  int64_t step = out.t.size > 500 ? out.t.size / 97 : 1;
  for (int64_t o = 0; o < out.t.size; o += step) {
    int32_t kept[3] = {(int32_t)(o / shape[2] / shape[1]), (int32_t)(o / shape[2] % shape[1]),
                       (int32_t)(o % shape[2])};
    uint32_t sum;
    int32_t max;
    expect_one(in, axes, kept, &sum, &max);
    same = same && (uint32_t)sums[o] == sum && maxima[o] == max;
  }
  EXPECT(same);
}

static void test_layouts(void) {
  uint32_t seed = 1;
  for (int i = 0; i < N; i++) data[i] = (int32_t)(kernel_case_next(&seed) << 8);
  struct kernel_operand in;
  for (uint32_t axes = 0; axes < 8; axes++) {
    check_mask(operand_dense(&in, data, WR_INT32, 3, SHAPE(A, B, C)), axes);
    check_mask(operand_strided(&in, data, WR_INT32, 3, SHAPE(C, A, B), STRIDES(1, B * C, C)), axes);
    check_mask(operand_strided(&in, data + N - 1, WR_INT32, 3, SHAPE(A, B, C / 2),
                               STRIDES(-B * C, -C, -2)),
               axes);
    check_mask(operand_strided(&in, data, WR_INT32, 3, SHAPE(A, 7, C), STRIDES(0, C, 1)), axes);
  }
}

static double reduce_floats(enum wr_op op, float *x, int32_t n) {
  struct kernel_operand in, out;
  float y = -1.0f;
  EXPECT(kernel_run(op, operand_dense(&in, x, WR_FLOAT32, 1, SHAPE(n)), 1,
                    operand_dense(&out, &y, WR_FLOAT32, 1, SHAPE(1)),
                    &(struct wr_reduce_params){.axes = 1}));
  return (double)y;
}

static void test_values(void) {
  float x[3] = {1.0f, NAN, 3.0f};
  EXPECT(isnan(reduce_floats(WR_OP_MAX, x, 3)));
  EXPECT(isnan(reduce_floats(WR_OP_MIN, x, 3)));
  EXPECT(isnan(reduce_floats(WR_OP_SUM, x, 3)));
  EXPECT(reduce_floats(WR_OP_SUM, x, 0) == 0.0);
  EXPECT(reduce_floats(WR_OP_PROD, x, 0) == 1.0);
  EXPECT(reduce_floats(WR_OP_MAX, x, 0) == -(double)INFINITY);
  EXPECT(reduce_floats(WR_OP_MIN, x, 0) == (double)INFINITY);
  static float many[1 << 18];
  for (int i = 0; i < 1 << 18; i++) many[i] = 0.1f;
  double exact = (double)0.1f * (1 << 18);
  EXPECT(fabs(reduce_floats(WR_OP_SUM, many, 1 << 18) - exact) < exact * 1e-6);
}

static void test_narrow_types(void) {
  static uint16_t half[5000];
  for (int i = 0; i < 5000; i++) half[i] = wr_f32_to_f16(1.0f);
  struct kernel_operand in, out;
  struct wr_reduce_params all = {.axes = 1};
  uint16_t h = 0;
  EXPECT(kernel_run(WR_OP_SUM, operand_dense(&in, half, WR_FLOAT16, 1, SHAPE(5000)), 1,
                    operand_dense(&out, &h, WR_FLOAT16, 0, NULL), &all));
  EXPECT(wr_f16_to_f32(h) == 5000.0f);
  int8_t bytes[3] = {-128, -128, 127};
  int32_t wide = 0;
  EXPECT(kernel_run(WR_OP_SUM, operand_dense(&in, bytes, WR_INT8, 1, SHAPE(3)), 1,
                    operand_dense(&out, &wide, WR_INT32, 0, NULL), &all));
  EXPECT(wide == -129);
  int8_t lowest = 1;
  EXPECT(kernel_run(WR_OP_MAX, operand_dense(&in, bytes, WR_INT8, 1, SHAPE(0)), 1,
                    operand_dense(&out, &lowest, WR_INT8, 0, NULL), &all));
  EXPECT(lowest == -128);
  int64_t big[2] = {INT64_MAX, 2};
  int64_t wrapped = 0;
  EXPECT(kernel_run(WR_OP_PROD, operand_dense(&in, big, WR_INT64, 1, SHAPE(2)), 1,
                    operand_dense(&out, &wrapped, WR_INT64, 0, NULL), &all));
  EXPECT(wrapped == -2);
}

static void test_bool_and_complex(void) {
  struct kernel_operand in, out;
  struct wr_reduce_params last = {.axes = 2};
  uint8_t flags[6] = {1, 1, 1, 0, 1, 0};
  uint8_t got[2];
  operand_dense(&in, flags, WR_BOOL, 2, SHAPE(2, 3));
  operand_dense(&out, got, WR_BOOL, 1, SHAPE(2));
  EXPECT(kernel_run(WR_OP_ALL, &in.t, 1, &out.t, &last));
  EXPECT(got[0] == 1 && got[1] == 0);
  EXPECT(kernel_run(WR_OP_ANY, &in.t, 1, &out.t, &last));
  EXPECT(got[0] == 1 && got[1] == 1);
  operand_dense(&in, flags, WR_BOOL, 2, SHAPE(2, 0));
  EXPECT(kernel_run(WR_OP_ALL, &in.t, 1, &out.t, &last) && got[0] == 1 && got[1] == 1);
  EXPECT(kernel_run(WR_OP_ANY, &in.t, 1, &out.t, &last) && got[0] == 0 && got[1] == 0);
  wr_complex64 z[4] = {{1, 2}, {3, -1}, {1, 5}, {3, 0}};
  wr_complex64 w = {0, 0};
  operand_dense(&in, z, WR_COMPLEX64, 1, SHAPE(4));
  operand_dense(&out, &w, WR_COMPLEX64, 0, NULL);
  struct wr_reduce_params all = {.axes = 1};
  EXPECT(kernel_run(WR_OP_SUM, &in.t, 1, &out.t, &all) && w.re == 8 && w.im == 6);
  EXPECT(kernel_run(WR_OP_MAX, &in.t, 1, &out.t, &all) && w.re == 3 && w.im == 0);
  EXPECT(kernel_run(WR_OP_MIN, &in.t, 1, &out.t, &all) && w.re == 1 && w.im == 2);
}

static uint32_t arg(enum wr_op op, float *x, int32_t n, int axis) {
  struct kernel_operand in, out;
  uint32_t at = 77;
  EXPECT(kernel_run(op, operand_dense(&in, x, WR_FLOAT32, 1, SHAPE(n)), 1,
                    operand_dense(&out, &at, WR_UINT32, 1, SHAPE(1)),
                    &(struct wr_axis_params){.axis = axis}));
  return at;
}

static void test_arg(void) {
  float ties[5] = {2, 7, 7, 1, 1};
  EXPECT(arg(WR_OP_ARGMAX, ties, 5, 0) == 1);
  EXPECT(arg(WR_OP_ARGMIN, ties, 5, -1) == 3);
  float nans[4] = {2, NAN, NAN, -INFINITY};
  EXPECT(arg(WR_OP_ARGMAX, nans, 4, 0) == 1);
  EXPECT(arg(WR_OP_ARGMIN, nans, 4, 0) == 1);
  EXPECT(arg(WR_OP_ARGMIN, nans + 1, 3, 0) == 0);
  int32_t grid[6] = {1, 9, 3, 4, 9, 9};
  struct kernel_operand in, out;
  uint32_t at[3];
  operand_strided(&in, grid, WR_INT32, 2, SHAPE(3, 2), STRIDES(1, 3));
  EXPECT(kernel_run(WR_OP_ARGMAX, &in.t, 1, operand_dense(&out, at, WR_UINT32, 1, SHAPE(3)),
                    &(struct wr_axis_params){.axis = 1}));
  EXPECT(at[0] == 1 && at[1] == 0 && at[2] == 1);
  EXPECT(kernel_run(WR_OP_ARGMAX, &in.t, 1, operand_dense(&out, at, WR_UINT32, 0, NULL),
                    &(struct wr_axis_params){.axis = -1}));
  EXPECT(at[0] == 2);
}

/* Long runs of each type with few different values, so that blocks and pieces have equal ones,
   against a loop: extremes of all and where they lie first, from each of some beginnings. */
enum { LONG = 200000 };

static double read_real(const void *p, enum wr_dtype t, int64_t i) {
  switch (t) {
    case WR_BOOL:
    case WR_UINT8:
      return ((const uint8_t *)p)[i];
    case WR_INT8:
      return ((const int8_t *)p)[i];
    case WR_UINT16:
      return ((const uint16_t *)p)[i];
    case WR_INT16:
      return ((const int16_t *)p)[i];
    case WR_UINT32:
      return ((const uint32_t *)p)[i];
    case WR_INT32:
      return ((const int32_t *)p)[i];
    case WR_UINT64:
      return (double)((const uint64_t *)p)[i];
    case WR_INT64:
      return (double)((const int64_t *)p)[i];
    case WR_FLOAT32:
      return (double)((const float *)p)[i];
    case WR_FLOAT16:
      return (double)wr_f16_to_f32(((const uint16_t *)p)[i]);
    case WR_BFLOAT16:
      return (double)wr_bf16_to_f32(((const uint16_t *)p)[i]);
    default:
      return ((const double *)p)[i];
  }
}

static bool has_nans(enum wr_dtype t) { return t == WR_FLOAT32 || t == WR_FLOAT64; }

static void write_real(void *p, enum wr_dtype t, int64_t i, double x) {
  if (t == WR_FLOAT64) {
    ((double *)p)[i] = x;
  } else if (t == WR_FLOAT32) {
    ((float *)p)[i] = (float)x;
  } else if (t == WR_FLOAT16) {
    ((uint16_t *)p)[i] = wr_f32_to_f16((float)x);
  } else if (t == WR_BFLOAT16) {
    ((uint16_t *)p)[i] = wr_f32_to_bf16((float)x);
  } else {
    uint64_t whole = (uint64_t)(int64_t)x; /* its low bytes come first */
    memcpy((char *)p + (size_t)i * wr_dtype_size(t), &whole, wr_dtype_size(t));
  }
}

static void check_extremes(void *p, enum wr_dtype t, int32_t n, bool largest) {
  int64_t first = 0;
  for (int64_t i = 1; i < n; i++) {
    const double a = read_real(p, t, first), b = read_real(p, t, i);
    if (a == a && (b != b || (largest ? b > a : b < a))) first = i;
  }
  struct kernel_operand in, out;
  uint32_t at = 0;
  uint64_t got = 0;
  operand_dense(&in, p, t, 1, SHAPE(n));
  EXPECT(kernel_run(largest ? WR_OP_ARGMAX : WR_OP_ARGMIN, &in.t, 1,
                    operand_dense(&out, &at, WR_UINT32, 1, SHAPE(1)),
                    &(struct wr_axis_params){.axis = -1}));
  EXPECT(kernel_run(largest ? WR_OP_MAX : WR_OP_MIN, &in.t, 1,
                    operand_dense(&out, &got, t, 0, NULL), &(struct wr_reduce_params){.axes = 1}));
  const double x = read_real(&got, t, 0), best = read_real(p, t, first);
  EXPECT(at == first && (x == best || (x != x && best != best)));
}

static void test_long(void) {
  static const enum wr_dtype types[] = {WR_BOOL,  WR_UINT8,   WR_INT8,   WR_UINT16,
                                        WR_INT16, WR_UINT32,  WR_INT32,  WR_UINT64,
                                        WR_INT64, WR_FLOAT32, WR_FLOAT64};
  static const int32_t lengths[] = {1,   15,   16,   17,   63,   64,   65,   127,  128, 129,
                                    191, 1023, 1024, 1025, 4095, 4096, 4097, 5000, LONG};
  static const double odd[] = {0.0, -0.0, (double)INFINITY, -(double)INFINITY, (double)NAN};
  static double values[LONG];
  uint32_t seed = 5;
  for (size_t k = 0; k < sizeof types / sizeof types[0]; k++) {
    const enum wr_dtype t = types[k];
    for (size_t l = 0; l < sizeof lengths / sizeof lengths[0]; l++) {
      const int32_t n = lengths[l];
      for (int turn = 0; turn < 7; turn++) {
        const bool low = wr_dtype_is_unsigned(t);
        for (int32_t i = 0; i < n; i++) {
          const uint32_t r = kernel_case_next(&seed);
          const int shift = low || turn == 1 ? 0 : turn == 2 ? 200 : 70; /* of one sign, too */
          write_real(values, t, i, t == WR_BOOL ? r % 2 : (double)((int)(r % 100) - shift));
        }
        for (int o = 0; has_nans(t) && o < turn - 2; o++) {
          write_real(values, t, kernel_case_next(&seed) % (uint32_t)n, odd[o]);
          if (turn == 6) write_real(values, t, kernel_case_next(&seed) % (uint32_t)n, odd[4]);
        }
        check_extremes(values, t, n, true);
        check_extremes(values, t, n, false);
      }
    }
  }
}

/* Of zeros of both signs in a long run the first stays, as in MLX; with a NaN of either sign
   anywhere all are NaN. */
static void test_signs(void) {
  enum { FEW = 300 }; /* in lanes, and too few for them */
  float x[FEW];
  for (int n = 16; n <= FEW; n += n < 100 ? 1 : 7) {
    for (int sign = 0; sign < 2; sign++) {
      const float first = sign ? -0.0f : 0.0f;
      for (int i = 0; i < n; i++) x[i] = i < n / 3 ? -1.0f : i == n / 3 ? first : -first;
      EXPECT(!signbit(reduce_floats(WR_OP_MAX, x, n)) == !sign);
      for (int i = 0; i < n / 3; i++) x[i] = 1.0f;
      EXPECT(!signbit(reduce_floats(WR_OP_MIN, x, n)) == !sign);
    }
    for (int sign = 0; sign < 2; sign++) {
      for (int i = 0; i < n; i++) x[i] = sign ? 2.0f : -2.0f;
      for (int at = 0; at < n; at++) {
        const float kept = x[at];
        x[at] = copysignf(NAN, at % 2 ? 1.0f : -1.0f);
        EXPECT(isnan(reduce_floats(WR_OP_MAX, x, n)) && isnan(reduce_floats(WR_OP_MIN, x, n)));
        EXPECT(arg(WR_OP_ARGMAX, x, n, 0) == (uint32_t)at);
        EXPECT(arg(WR_OP_ARGMIN, x, n, -1) == (uint32_t)at);
        x[at] = kept;
      }
    }
  }
}

/* Whether the first is taken of zeros whose signs alternate, from element n / 3 on, among others.
 */
static bool takes_first_zero(enum wr_op op, enum wr_dtype t, int n, int step, double others,
                             double first) {
  enum { MOST = 600 };
  double values[MOST], got = 1;
  struct kernel_operand in, out;
  double zero = first;
  for (int i = 0; i < n; i++) {
    write_real(values, t, i * step, i < n / 3 || i % 2 ? others : zero);
    if (i >= n / 3 && i % 2 == 0) zero = -zero;
  }
  EXPECT(n * step <= MOST);
  EXPECT(kernel_run(op, operand_strided(&in, values, t, 1, SHAPE(n), STRIDES(step)), 1,
                    operand_dense(&out, &got, t, 0, NULL), &(struct wr_reduce_params){.axes = 1}));
  const double zero_found = read_real(&got, t, 0);
  return zero_found == 0 && !signbit(zero_found) == !signbit(first);
}

static void test_first_zeros(void) {
  static const enum wr_dtype types[] = {WR_FLOAT16, WR_BFLOAT16, WR_FLOAT32, WR_FLOAT64};
  for (size_t k = 0; k < sizeof types / sizeof types[0]; k++) {
    for (int n = 4; n <= 200; n += n < 40 ? 1 : 23) {
      for (int step = 1; step <= 3; step++) {
        for (int sign = 0; sign < 2; sign++) {
          const double first = sign ? -0.0 : 0.0;
          EXPECT(takes_first_zero(WR_OP_MAX, types[k], n, step, -1, first));
          EXPECT(takes_first_zero(WR_OP_MIN, types[k], n, step, 1, first));
        }
      }
    }
  }
}

/* Wide columns of every type, of which some have NaN, against each by itself. Sums of these are
   exact in any order. */
enum { TALL = 150, WIDE = 4200 };

static void check_columns(enum wr_op op, void *in_data, enum wr_dtype t, enum wr_dtype result,
                          int32_t rows, int32_t width) {
  static double results[WIDE];
  struct kernel_operand in, out, column, one;
  const size_t size = wr_dtype_size(result);
  operand_strided(&in, in_data, t, 2, SHAPE(rows, width), STRIDES(WIDE, 1));
  EXPECT(kernel_run(op, &in.t, 1, operand_dense(&out, results, result, 1, SHAPE(width)),
                    &(struct wr_reduce_params){.axes = 1}));
  bool same = true;
  for (int32_t c = 0; c<width; c += width> 1000 ? 13 : 1) {
    double alone[2] = {0, 0};
    operand_strided(&column, (char *)in_data + (size_t)c * wr_dtype_size(t), t, 1, SHAPE(rows),
                    STRIDES(WIDE));
    EXPECT(kernel_run(op, &column.t, 1, operand_dense(&one, alone, result, 1, SHAPE(1)),
                      &(struct wr_reduce_params){.axes = 1}));
    same = same && memcmp((char *)results + (size_t)c * size, alone, size) == 0;
  }
  EXPECT(same);
}

static void test_columns(void) {
  static const int32_t widths[] = {8, 17, 511, 1023, 1025, 1537, 2049, WIDE};
  static const int32_t heights[] = {1, 2, 63, 64, 65, TALL};
  static float values[TALL * WIDE];
  static double typed[TALL * WIDE];
  uint32_t seed = 9;
  for (int i = 0; i < TALL * WIDE; i++) {
    const uint32_t r = kernel_case_next(&seed) % 500u;
    values[i] = i % WIDE % 7 == 3 ? 0.0f : r == 0 ? NAN : (float)((int)(r % 5u) - 2);
  }
  for (int k = 0; k < WR_DTYPE_COUNT; k++) {
    const enum wr_dtype t = (enum wr_dtype)k;
    struct kernel_operand in, out;
    operand_dense(&in, values, WR_FLOAT32, 1, SHAPE(TALL * WIDE));
    EXPECT(kernel_run(WR_OP_ASTYPE, &in.t, 1, operand_dense(&out, typed, t, 1, SHAPE(TALL * WIDE)),
                      NULL));
    for (size_t w = 0; w < sizeof widths / sizeof *widths; w++) {
      const int32_t rows = heights[(w + (size_t)k) % (sizeof heights / sizeof *heights)];
      check_columns(t == WR_BOOL ? WR_OP_ALL : WR_OP_MIN, typed, t, t, rows, widths[w]);
      check_columns(t == WR_BOOL ? WR_OP_ANY : WR_OP_MAX, typed, t, t, rows, widths[w]);
      if (t != WR_BOOL) check_columns(WR_OP_SUM, typed, t, t, rows, widths[w]);
    }
  }
}

/* Long runs of bool, of which one element alone says what any and all are. */
static void test_known_early(void) {
  static uint8_t flags[LONG];
  static const int32_t places[] = {0, 1, 4095, 4096, 70000, LONG - 1};
  struct kernel_operand in, out;
  for (int value = 0; value < 2; value++) {
    const enum wr_op op = value ? WR_OP_ANY : WR_OP_ALL;
    memset(flags, !value, sizeof flags);
    for (int32_t n = 1; n <= LONG; n = n < LONG && 7 * n > LONG ? LONG : 7 * n) {
      uint8_t got = 7;
      operand_dense(&in, flags, WR_BOOL, 1, SHAPE(n));
      operand_dense(&out, &got, WR_BOOL, 1, SHAPE(1));
      EXPECT(kernel_run(op, &in.t, 1, &out.t, &(struct wr_reduce_params){.axes = 1}));
      EXPECT(got == !value);
      for (size_t k = 0; k < sizeof places / sizeof *places && places[k] < n; k++) {
        flags[places[k]] = (uint8_t)value;
        EXPECT(kernel_run(op, &in.t, 1, &out.t, &(struct wr_reduce_params){.axes = 1}));
        EXPECT(got == value);
        flags[places[k]] = !value;
      }
    }
  }
}

/* Columns side by side, of which some have NaN or one value alone, against each as a line. */
static void test_arg_columns(void) {
  enum { ROWS = 70, WIDTH = 600 };
  static const enum wr_dtype types[] = {WR_FLOAT32, WR_FLOAT16, WR_INT8, WR_COMPLEX64, WR_FLOAT64};
  static float values[ROWS * WIDTH];
  static double typed[ROWS * WIDTH];
  static uint32_t found[WIDTH];
  uint32_t seed = 5;
  for (int i = 0; i < ROWS * WIDTH; i++) {
    const uint32_t r = kernel_case_next(&seed) % 400u;
    values[i] = i % WIDTH % 7 == 3 ? 1.0f : r == 0 ? NAN : (float)((int)(r % 23u) - 11);
  }
  for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
    struct kernel_operand in, out;
    operand_dense(&in, values, WR_FLOAT32, 2, SHAPE(ROWS, WIDTH));
    EXPECT(kernel_run(WR_OP_ASTYPE, &in.t, 1,
                      operand_dense(&out, typed, types[t], 2, SHAPE(ROWS, WIDTH)), NULL));
    for (int which = 0; which < 2; which++) {
      const enum wr_op op = which ? WR_OP_ARGMIN : WR_OP_ARGMAX;
      operand_dense(&in, typed, types[t], 2, SHAPE(ROWS, WIDTH));
      EXPECT(kernel_run(op, &in.t, 1, operand_dense(&out, found, WR_UINT32, 2, SHAPE(1, WIDTH)),
                        &(struct wr_axis_params){.axis = 0}));
      bool right = true;
      for (int c = 0; c < WIDTH; c++) {
        uint32_t alone;
        char *column = (char *)typed + (size_t)c * wr_dtype_size(types[t]);
        operand_strided(&in, column, types[t], 1, SHAPE(ROWS), STRIDES(WIDTH));
        EXPECT(kernel_run(op, &in.t, 1, operand_dense(&out, &alone, WR_UINT32, 0, SHAPE(1)),
                          &(struct wr_axis_params){.axis = -1}));
        right = right && alone == found[c];
      }
      EXPECT(right);
    }
  }
}

int main(void) {
  test_arg_columns();
  test_columns();
  test_known_early();
  test_long();
  test_signs();
  test_first_zeros();
  test_layouts();
  test_values();
  test_narrow_types();
  test_bool_and_complex();
  test_arg();
  return kernel_case_failures() != 0;
}
