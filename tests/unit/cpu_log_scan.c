/* Running logarithms of sums of exponentials on the CPU, of floats of 16 and 32 bits, against what
   they are: lines shorter and longer than what is scanned at a time, dense and with gaps, side by
   side. */

#include "backend/cpu/kernels.h"
#include "core/half.h"
#include "kernel_case.h"
#include "log_sums.h"

enum { LONGEST = 2000, LINES = 3, GAP = 2, MOST = LINES * LONGEST * GAP };

static float given[MOST], got[MOST];
static uint16_t narrow_given[MOST], narrow_got[MOST];

static uint16_t narrowed(float x, enum wr_dtype t) {
  return t == WR_FLOAT16 ? wr_f32_to_f16(x) : wr_f32_to_bf16(x);
}
static float widened(uint16_t x, enum wr_dtype t) {
  return t == WR_FLOAT16 ? wr_f16_to_f32(x) : wr_bf16_to_f32(x);
}

static void fill(int kind, enum wr_dtype t, int64_t n, int64_t step) {
  uint32_t seed = 9;
  for (int64_t i = 0; i < LINES * n * step; i++) {
    given[i] = log_sums_element(kind, i / step % n, n, &seed);
    if (t == WR_FLOAT32) continue;
    narrow_given[i] = narrowed(given[i], t);
    given[i] = widened(narrow_given[i], t);
  }
}

/* Lines of n elements, `step` apart, one behind the other. */
static void check(int kind, enum wr_dtype t, int32_t n, int64_t step, bool reverse,
                  bool inclusive) {
  const int bits = t == WR_FLOAT32 ? 24 : t == WR_FLOAT16 ? 11 : 8;
  const bool is_wide = t == WR_FLOAT32;
  struct kernel_operand in, out;
  const struct wr_scan_params params = {
      .by = WR_OP_LOGADDEXP, .axis = 1, .reverse = reverse, .inclusive = inclusive};
  operand_strided(&in, is_wide ? (void *)given : narrow_given, t, 2, SHAPE(LINES, n),
                  STRIDES(n * step, step));
  operand_dense(&out, is_wide ? (void *)got : narrow_got, t, 2, SHAPE(LINES, n));
  EXPECT(kernel_run(WR_OP_SCAN, &in.t, 1, &out.t, &params));
  for (int64_t line = 0; line < LINES; line++) {
    float x[LONGEST], y[LONGEST];
    for (int64_t i = 0; i < n; i++) {
      x[i] = given[(line * n + i) * step];
      y[i] = is_wide ? got[line * n + i] : widened(narrow_got[line * n + i], t);
    }
    const int64_t at = log_sums_wrong(x, y, n, 1, reverse, inclusive, bits, kind);
    if (at >= 0) {
      fprintf(stderr, "kind %d, %d of %s, element %lld: %a of %a\n", kind, n, wr_dtype_name(t),
              (long long)at, (double)y[at], (double)x[at]);
    }
    EXPECT(at < 0);
  }
}

static void test_kinds(enum wr_dtype t) {
  static const int32_t lengths[] = {1, 63, 64, 255, 256, 257, 300, LONGEST};
  for (int kind = 0; kind < LOG_SUMS_KINDS; kind++) {
    for (int i = 0; i < 8 * 2; i++) {
      const int64_t step = i % 2 ? GAP : 1;
      fill(kind, t, lengths[i / 2], step);
      for (int way = 0; way < 4; way++) check(kind, t, lengths[i / 2], step, way & 1, way & 2);
    }
  }
}

int main(void) {
  test_kinds(WR_FLOAT32);
  test_kinds(WR_FLOAT16);
  test_kinds(WR_BFLOAT16);
  return kernel_case_failures() != 0;
}
