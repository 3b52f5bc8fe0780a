/* Rows of float16 by way of float32: every float16 and what float32 rounds to at each step, with
   the bits that one element at a time has (core/half.h); rows of every length around a vector's and
   a stretch's, dense, broadcast and strided. */

#include "backend/cpu/float16_rows.h"
#include "backend/cpu/kernels.h"
#include "kernel_case.h"

enum { ALL = 1 << 16, LONGEST = 2100 };

static bool is_nan(uint16_t h) { return (h & 0x7fff) > 0x7c00; }

static void test_widen(void) {
  static uint16_t in[ALL];
  static float out[ALL];
  for (int i = 0; i < ALL; i++) in[i] = (uint16_t)i;
  wr_f16_widen(out, in, 1, ALL);
  int wrong = 0;
  for (int i = 0; i < ALL; i++) {
    const float one = wr_f16_to_f32(in[i]);
    wrong += is_nan(in[i]) ? !isnan(out[i]) || signbit(out[i]) != signbit(one)
                           : wr_f32_bits(out[i]) != wr_f32_bits(one);
  }
  EXPECT(wrong == 0);
}

/* All upper halves of a float32, with lower halves on both sides of each place where the result
   changes. */
static void test_narrow(void) {
  static const uint16_t low[] = {0,      1,      0xfff,  0x1000, 0x1001, 0x1fff, 0x2000, 0x2fff,
                                 0x3000, 0x3001, 0x7fff, 0x8000, 0x8001, 0xe000, 0xf000, 0xffff};
  enum { LOWS = sizeof low / sizeof *low };
  int wrong = 0;
  for (uint32_t high = 0; high < ALL; high++) {
    float in[LOWS];
    uint16_t out[LOWS];
    for (int i = 0; i < LOWS; i++) in[i] = wr_f32_from_bits(high << 16 | low[i]);
    wr_f16_narrow(out, in, LOWS);
    for (int i = 0; i < LOWS; i++) wrong += out[i] != wr_f32_to_f16(in[i]);
  }
  EXPECT(wrong == 0);
}

static uint16_t a[3 * LONGEST], b[3 * LONGEST];

static bool row_is_right(int64_t n, int64_t s, int64_t t) {
  static uint16_t sum[LONGEST + 1];
  static uint8_t less[LONGEST + 1];
  sum[n] = 7;
  less[n] = 7;
  struct wr_row row = {.out = sum, .in = {a, b}, .stride = {s, t}, .n = n};
  wr_cpu_binary_row(WR_OP_ADD, WR_FLOAT16)(&row);
  row.out = less;
  wr_cpu_binary_row(WR_OP_LESS, WR_FLOAT16)(&row);
  bool right = sum[n] == 7 && less[n] == 7;
  for (int64_t i = 0; i < n; i++) {
    const float x = wr_f16_to_f32(a[i * s]), y = wr_f16_to_f32(b[i * t]);
    right = right && sum[i] == wr_f32_to_f16(x + y) && less[i] == (x < y);
  }
  return right;
}

static bool one_input_is_right(int64_t n, int64_t s) {
  static uint16_t out[LONGEST];
  static uint8_t finite[LONGEST];
  struct wr_row row = {.out = out, .in = {a}, .stride = {s}, .n = n};
  wr_cpu_unary_row(WR_OP_SQUARE, WR_FLOAT16)(&row);
  row.out = finite;
  wr_cpu_unary_row(WR_OP_ISFINITE, WR_FLOAT16)(&row);
  bool right = true;
  for (int64_t i = 0; i < n; i++) {
    const float x = wr_f16_to_f32(a[i * s]);
    right = right && out[i] == wr_f32_to_f16(x * x) && finite[i] == !!isfinite(x);
  }
  return right;
}

static void test_rows(void) {
  static const int64_t lengths[] = {1, 2, 7, 8, 9, 17, 1000, 1023, 1024, 1025, 2048, LONGEST};
  uint32_t state = 1;
  for (int i = 0; i < 3 * LONGEST; i++) {
    state = state * 1664525u + 1013904223u;
    a[i] = (uint16_t)(state >> 16);
    state = state * 1664525u + 1013904223u;
    b[i] = (uint16_t)(state >> 16);
  }
  for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
    for (int64_t s = 0; s < 4; s++) {
      EXPECT(one_input_is_right(lengths[i], s));
      for (int64_t t = 0; t < 4; t++) EXPECT(row_is_right(lengths[i], s, t));
    }
  }
}

/* The result at the place of an input. */
static void test_in_place(void) {
  uint16_t before[LONGEST];
  memcpy(before, a, sizeof before);
  const struct wr_row row = {.out = a, .in = {a, b}, .stride = {1, 1}, .n = LONGEST};
  wr_cpu_binary_row(WR_OP_MULTIPLY, WR_FLOAT16)(&row);
  int wrong = 0;
  for (int i = 0; i < LONGEST; i++) {
    wrong += a[i] != wr_f32_to_f16(wr_f16_to_f32(before[i]) * wr_f16_to_f32(b[i]));
  }
  EXPECT(wrong == 0);
}

int main(void) {
  test_widen();
  test_narrow();
  test_rows();
  test_in_place();
  return kernel_case_failures() != 0;
}
