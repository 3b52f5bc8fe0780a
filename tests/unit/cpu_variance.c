/* Variances and standard deviations against the definition in long double: each type, over each
   choice of axes of dense and strided arrays, by rows, by columns and in pieces; where the mean is
   large and the spread small, where the first element lies far off, of equal elements, and of what
   is not finite. */

#include "backend/cpu/kernels.h"
#include "core/half.h"
#include "kernel_case.h"

enum { MOST = 300000 };

/* Rooms for any type. */
static double room[MOST], results[MOST];

static double element(enum wr_dtype t, const void *data, int64_t i) {
  switch (t) {
    case WR_FLOAT16:
      return (double)wr_f16_to_f32(((const uint16_t *)data)[i]);
    case WR_BFLOAT16:
      return (double)wr_bf16_to_f32(((const uint16_t *)data)[i]);
    case WR_FLOAT32:
      return (double)((const float *)data)[i];
    case WR_FLOAT64:
      return ((const double *)data)[i];
    case WR_INT8:
      return (double)((const int8_t *)data)[i];
    case WR_UINT32:
      return (double)((const uint32_t *)data)[i];
    default:
      return (double)((const uint8_t *)data)[i]; /* BOOL */
  }
}

static void put(enum wr_dtype t, void *data, int64_t i, double x) {
  switch (t) {
    case WR_FLOAT16:
      ((uint16_t *)data)[i] = wr_f64_to_f16(x);
      break;
    case WR_BFLOAT16:
      ((uint16_t *)data)[i] = wr_f64_to_bf16(x);
      break;
    case WR_FLOAT32:
      ((float *)data)[i] = (float)x;
      break;
    case WR_FLOAT64:
      ((double *)data)[i] = x;
      break;
    case WR_INT8:
      ((int8_t *)data)[i] = (int8_t)x;
      break;
    case WR_UINT32:
      ((uint32_t *)data)[i] = (uint32_t)(int64_t)x;
      break;
    default:
      ((uint8_t *)data)[i] = x > 0; /* BOOL */
  }
}

/* The largest that rounding may come to, of the result. */
static double least(enum wr_dtype t) {
  return t == WR_FLOAT16 ? 1e-3 : t == WR_BFLOAT16 ? 8e-3 : t == WR_FLOAT64 ? 1e-13 : 1e-6;
}

static enum wr_dtype result_of(enum wr_dtype t) { return wr_dtype_to_inexact(t); }

/* Where position i of the axes in the mask, or of the others, lies. */
static int64_t place_of(const struct wr_tensor *t, uint32_t mask, int64_t i) {
  int64_t at = 0;
  for (int d = t->ndim - 1; d >= 0; d--) {
    if (!(mask >> d & 1u)) continue;
    at += i % t->shape[d] * t->strides[d];
    i /= t->shape[d];
  }
  return at;
}

/* Counted from the first element, so that equal ones have none. */
static long double expected(const struct wr_tensor *in, const struct wr_variance_params *p,
                            int64_t result, int64_t n) {
  const int64_t at = place_of(in, ~p->axes, result);
  const long double first = (long double)element(in->dtype, in->data, at);
  const double left = (double)n - p->ddof;
  long double sum = 0, mean = 0, squares = 0;
  for (int pass = 0; pass < 2; pass++) {
    for (int64_t i = 0; i < n; i++) {
      const double x = element(in->dtype, in->data, at + place_of(in, p->axes, i));
      const long double d = (long double)x - first - mean;
      if (pass == 1) squares += d * d;
      if (pass == 0) sum += d;
    }
    mean = sum / (long double)n;
  }
  squares /= left > 0 ? (long double)left : 0;
  return p->root ? sqrtl(squares) : squares;
}

/* The largest relative error; infinite where a NaN or infinity is missing. */
static double worst_of(const struct wr_tensor *in, const struct wr_variance_params *p) {
  struct kernel_operand o;
  int32_t shape[WR_MAX_NDIM];
  int64_t results_n = 1;
  double worst = 0;
  for (int d = 0; d < in->ndim; d++) {
    shape[d] = p->axes >> d & 1u ? 1 : in->shape[d];
    results_n *= shape[d];
  }
  struct wr_tensor *out = operand_dense(&o, results, result_of(in->dtype), in->ndim, shape);
  EXPECT(kernel_run(WR_OP_VARIANCE, in, 1, out, p));
  const int64_t n = in->size / results_n;
  for (int64_t i = 0; i < results_n; i++) {
    const double want = (double)expected(in, p, i, n), got = element(out->dtype, out->data, i);
    if (want == got || (isnan(want) && isnan(got))) continue;
    const double error = fabs(got - want) / (fabs(want) > 0 ? fabs(want) : 1);
    if (!(error <= worst)) worst = isnan(error) ? (double)INFINITY : error;
  }
  return worst;
}

static void over_all_axes(const struct wr_tensor *in, double most) {
  for (uint32_t axes = 1; axes < 1u << in->ndim; axes++) {
    const struct wr_variance_params p = {
        .axes = axes, .ddof = (int32_t)axes % 3, .root = axes % 2 == 0};
    const double worst = worst_of(in, &p);
    EXPECT(worst <= most);
    if (!(worst <= most))
      fprintf(stderr, "  %s, axes %x: %g\n", wr_dtype_name(in->dtype), axes, worst);
  }
}

/* Numbers of 8 bits, which every type holds; `spread` apart around `about`. */
static void fill(enum wr_dtype t, int64_t n, double about, double spread) {
  uint32_t seed = 7;
  for (int64_t i = 0; i < n; i++) {
    put(t, room, i, about + spread * ((double)(kernel_case_next(&seed) % 200u) - 100));
  }
}

static void of_shapes(enum wr_dtype t) {
  struct kernel_operand o;
  fill(t, MOST, t == WR_UINT32 ? 1000 : 0, 1);
  over_all_axes(operand_dense(&o, room, t, 1, SHAPE(1)), least(t));
  over_all_axes(operand_dense(&o, room, t, 1, SHAPE(MOST)), least(t));
  over_all_axes(operand_dense(&o, room, t, 2, SHAPE(7, 9)), least(t));
  over_all_axes(operand_dense(&o, room, t, 2, SHAPE(3, 70001)), least(t));
  over_all_axes(operand_dense(&o, room, t, 2, SHAPE(130, 1399)), least(t));
  over_all_axes(operand_dense(&o, room, t, 3, SHAPE(5, 83, 70)), least(t));
  over_all_axes(operand_dense(&o, room, t, 4, SHAPE(9, 3, 2, 17)), least(t));
  over_all_axes(operand_dense(&o, room, t, 2, SHAPE(9999, 16)), least(t));
  over_all_axes(operand_strided(&o, room, t, 2, SHAPE(1399, 130), STRIDES(1, 1399)), least(t));
  over_all_axes(operand_strided(&o, room, t, 3, SHAPE(70, 83, 5), STRIDES(1, 70, 5810)), least(t));
  over_all_axes(operand_strided(&o, room, t, 2, SHAPE(50, 40), STRIDES(200, 3)), least(t));
  over_all_axes(operand_strided(&o, (char *)room + 49 * 80 * wr_dtype_size(t), t, 2, SHAPE(50, 40),
                                STRIDES(-80, 2)),
                least(t));
  over_all_axes(operand_strided(&o, room, t, 2, SHAPE(30, 40), STRIDES(0, 1)), least(t));
}

/* The spread is a unit of the last place or so of the mean, or the first element of each row and
   column lies far off: as a difference of sums little would be left of it. */
static void test_hard(void) {
  struct kernel_operand o;
  const struct wr_tensor *in = operand_dense(&o, room, WR_FLOAT32, 2, SHAPE(300, 999));
  fill(WR_FLOAT32, MOST, 1 << 24, 2);
  over_all_axes(in, 1e-6);
  fill(WR_FLOAT32, MOST, 0, 1e-3);
  for (int i = 0; i < 999; i++) put(WR_FLOAT32, room, i, 1e4);
  for (int i = 0; i < 300; i++) put(WR_FLOAT32, room, i * INT64_C(999), 1e4);
  over_all_axes(in, 1e-6);
  in = operand_dense(&o, room, WR_FLOAT64, 2, SHAPE(300, 999));
  fill(WR_FLOAT64, MOST, 1e15, 1);
  over_all_axes(in, 1e-13);
}

static void test_equal(enum wr_dtype t) {
  struct kernel_operand o;
  const double values[] = {0.1, 1e-3, -3e38, 3e38, 1e308};
  for (int k = 0; k < (t == WR_FLOAT64 ? 5 : t == WR_FLOAT16 ? 2 : 4); k++) {
    fill(t, MOST, values[k], 0);
    const struct wr_tensor *in = operand_dense(&o, room, t, 2, SHAPE(157, 1301));
    over_all_axes(in, 0);
    over_all_axes(operand_strided(&o, room, t, 2, SHAPE(157, 1301), STRIDES(1, 157)), 0);
  }
}

/* At each place of a block, of a row of blocks, and behind them; alone, too. */
static void test_not_finite(enum wr_dtype t) {
  static const int places[] = {0, 1, 5, 7, 8, 63, 64, 100, 130};
  struct kernel_operand o;
  for (int k = 0; k < 27; k++) {
    fill(t, 131 * 40, 0, 1);
    const double odd = k % 3 == 0 ? (double)NAN : k % 3 == 1 ? (double)INFINITY : -(double)INFINITY;
    put(t, room, places[k / 3] * INT64_C(40) + 3, odd);
    over_all_axes(operand_dense(&o, room, t, 2, SHAPE(131, 40)), least(t));
    over_all_axes(operand_strided(&o, room, t, 2, SHAPE(40, 131), STRIDES(1, 40)), least(t));
    put(t, room, 0, odd);
    over_all_axes(operand_dense(&o, room, t, 2, SHAPE(1, 40)), least(t));
    over_all_axes(operand_dense(&o, room, t, 1, SHAPE(1)), least(t));
  }
}

/* By none, and by less than none: 0 / 0 and x / 0; by more than there are. */
static void test_divisor(void) {
  struct kernel_operand o;
  fill(WR_FLOAT32, 40, 0, 1);
  for (int32_t ddof = -3; ddof < 8; ddof++) {
    for (int root = 0; root < 2; root++) {
      const struct wr_variance_params p = {.axes = 2, .ddof = ddof, .root = root};
      EXPECT(worst_of(operand_dense(&o, room, WR_FLOAT32, 2, SHAPE(8, 5)), &p) <= 1e-6);
      EXPECT(worst_of(operand_strided(&o, room, WR_FLOAT32, 2, SHAPE(8, 5), STRIDES(1, 0)), &p) ==
             0);
    }
  }
}

int main(void) {
  static const enum wr_dtype types[] = {WR_FLOAT32, WR_FLOAT64, WR_FLOAT16, WR_BFLOAT16,
                                        WR_BOOL,    WR_INT8,    WR_UINT32};
  for (size_t i = 0; i < sizeof types / sizeof *types; i++) of_shapes(types[i]);
  for (size_t i = 0; i < 4; i++) {
    test_equal(types[i]);
    test_not_finite(types[i]);
  }
  test_hard();
  test_divisor();
  return kernel_case_failures() != 0;
}
