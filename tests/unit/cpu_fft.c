/* Fourier transforms against sums by their definition in double: every kind, lengths of every sort
   of factor, lines side by side and single ones as a matrix, strided and backwards; and lines by
   themselves, where one of them is no number. */

#include <stdlib.h>

#include "backend/cpu/fft_plan.h"
#include "backend/cpu/kernels.h"
#include "kernel_case.h"

enum { LONGEST = 65536 };

/* The n-th roots of one, for the latest n. */
static double roots[LONGEST][2];
static int64_t roots_of;

static void want_roots(int64_t n) {
  const double full_turn = 6.28318530717958647692528676655900577;
  if (roots_of == n) return;
  roots_of = n;
  for (int64_t i = 0; i < n; i++) {
    roots[i][0] = cos(full_turn * (double)i / (double)n);
    roots[i][1] = sin(full_turn * (double)i / (double)n);
  }
}

struct line {
  int64_t n;
  double *re, *im;
};

static struct line line_new(int64_t n) {
  struct line l = {n, calloc((size_t)n, sizeof(double)), calloc((size_t)n, sizeof(double))};
  if (!l.re || !l.im) abort();
  return l;
}

static void line_free(struct line l) {
  free(l.re);
  free(l.im);
}

/* Element k of the transform; sign -1 forward. */
static void element(const struct line *x, int64_t k, double sign, double *re, double *im) {
  *re = *im = 0;
  for (int64_t j = 0; j < x->n; j++) {
    const double *root = roots[j * k % x->n];
    *re += x->re[j] * root[0] - sign * x->im[j] * root[1];
    *im += sign * x->re[j] * root[1] + x->im[j] * root[0];
  }
}

/* What a line of the input means: all of it, a real one, or half a spectrum. */
static struct line meaning(const float *in, int64_t n, enum wr_fft_kind kind) {
  struct line x = line_new(n);
  for (int64_t j = 0; j < n; j++) {
    if (kind == WR_FFT_REAL) {
      x.re[j] = (double)in[j];
      continue;
    }
    const bool mirrored = kind == WR_FFT_REAL_INVERSE && j > n / 2;
    const int64_t at = mirrored ? n - j : j;
    const bool real = kind == WR_FFT_REAL_INVERSE && (at == 0 || 2 * at == n);
    x.re[j] = (double)in[2 * at];
    x.im[j] = real ? 0 : mirrored ? -(double)in[2 * at + 1] : (double)in[2 * at + 1];
  }
  return x;
}

static void expect_line(const float *in, const float *out, int64_t n, int64_t m,
                        enum wr_fft_kind kind, double scale) {
  const double sign = kind == WR_FFT_INVERSE || kind == WR_FFT_REAL_INVERSE ? 1 : -1;
  const double bound = 1e-6 * fabs(scale) * sqrt((double)n) * (log2((double)n) + 2);
  struct line x = meaning(in, n, kind);
  const int64_t step = 1 + m / 60;
  want_roots(n);
  for (int64_t k = 0; k < m; k += step) {
    double re, im;
    element(&x, k, sign, &re, &im);
    if (kind == WR_FFT_REAL_INVERSE) {
      EXPECT(fabs((double)out[k] - scale * re) <= bound);
    } else {
      EXPECT(fabs((double)out[2 * k] - scale * re) <= bound);
      EXPECT(fabs((double)out[2 * k + 1] - scale * im) <= bound);
    }
  }
  line_free(x);
}

static int floats_of(enum wr_dtype t) { return t == WR_COMPLEX64 ? 2 : 1; }

static float *numbers(int64_t n, uint32_t seed) {
  float *x = malloc((size_t)n * sizeof *x);
  if (!x) abort();
  for (int64_t i = 0; i < n; i++) x[i] = (float)(kernel_case_next(&seed) % 2001u) / 1000 - 1;
  return x;
}

/* Forms: the lines along the last axis; along the first; backwards from every other element. */
static void test_lines(int32_t n, int32_t lines, enum wr_fft_kind kind, int form) {
  const bool real_in = kind == WR_FFT_REAL, real_out = kind == WR_FFT_REAL_INVERSE;
  const int32_t m_in = real_out ? n / 2 + 1 : n, m_out = real_in ? n / 2 + 1 : n;
  const enum wr_dtype t_in = real_in ? WR_FLOAT32 : WR_COMPLEX64;
  const enum wr_dtype t_out = real_out ? WR_FLOAT32 : WR_COMPLEX64;
  const int f_in = floats_of(t_in), f_out = floats_of(t_out);
  const int axis = form == 1 ? 0 : 1, gap = form == 2 ? 2 : 1;
  const struct wr_fft_params params = {axis, n, (int32_t)kind, 0.5};
  float *plain = numbers((int64_t)lines * m_in * f_in, (uint32_t)n);
  float *given = numbers((int64_t)lines * m_in * f_in * gap, 1);
  float *out = numbers((int64_t)lines * m_out * f_out, 2);
  float *got = numbers((int64_t)m_out * f_out, 3);
  const int64_t last = ((int64_t)lines * m_in - 1) * gap;
  struct kernel_operand in, result;
  for (int64_t l = 0; l < lines; l++) {
    for (int64_t j = 0; j < m_in; j++) {
      const int64_t at = form == 0   ? l * m_in + j
                         : form == 1 ? j * lines + l
                                     : last - 2 * (l * m_in + j);
      memcpy(given + at * f_in, plain + (l * m_in + j) * f_in, (size_t)f_in * sizeof *plain);
    }
  }
  if (form == 1) {
    operand_dense(&in, given, t_in, 2, SHAPE(m_in, lines));
    operand_dense(&result, out, t_out, 2, SHAPE(m_out, lines));
  } else {
    const int64_t way = form == 0 ? 1 : -2;
    operand_strided(&in, form == 0 ? given : given + last * f_in, t_in, 2, SHAPE(lines, m_in),
                    STRIDES(way * m_in, way));
    operand_dense(&result, out, t_out, 2, SHAPE(lines, m_out));
  }
  EXPECT(kernel_run(WR_OP_FFT, &in.t, 1, &result.t, &params));
  for (int64_t l = 0; l < lines; l++) {
    for (int64_t k = 0; k < m_out; k++) {
      const int64_t at = form == 1 ? k * lines + l : l * m_out + k;
      memcpy(got + k * f_out, out + at * f_out, (size_t)f_out * sizeof *got);
    }
    expect_line(plain + l * m_in * f_in, got, n, m_out, kind, 0.5);
  }
  free(got);
  free(out);
  free(given);
  free(plain);
}

static void test_length(int32_t n) {
  for (int kind = WR_FFT_FORWARD; kind <= WR_FFT_REAL_INVERSE; kind++) {
    for (int form = 0; form < 3; form++) {
      test_lines(n, 1, (enum wr_fft_kind)kind, form);
      test_lines(n, 2, (enum wr_fft_kind)kind, form);
      if (n < 300) test_lines(n, 37, (enum wr_fft_kind)kind, form);
    }
  }
}

/* A NaN stays in its line. */
static void test_apart(void) {
  enum { N = 12, LINES = 20, BAD = 5 };
  static float x[LINES * N * 2], y[LINES * N * 2];
  struct kernel_operand in, out;
  const struct wr_fft_params params = {1, N, WR_FFT_FORWARD, 1};
  x[BAD * N * 2] = NAN;
  operand_dense(&in, x, WR_COMPLEX64, 2, SHAPE(LINES, N));
  operand_dense(&out, y, WR_COMPLEX64, 2, SHAPE(LINES, N));
  EXPECT(kernel_run(WR_OP_FFT, &in.t, 1, &out.t, &params));
  for (int i = 0; i < LINES * N; i++) EXPECT(isnan(y[2 * i]) == (i / N == BAD));
}

/* More lengths than are kept. */
static void test_many_lengths(void) {
  for (int turn = 0; turn < 2; turn++) {
    for (int32_t n = 1; n < 90; n++) test_lines(n, 1, WR_FFT_FORWARD, 0);
  }
  for (int32_t n = 60000; n < 60006; n++) test_lines(n, 1, WR_FFT_REAL, 0);
}

/* A plan that is too large to be kept does not drive out the others. */
static void test_kept(void) {
  enum { LARGE = 67 * 23000 };
  const struct wr_fft_plan *small = wr_fft_plan_get(96);
  wr_fft_plan_release(wr_fft_plan_get(LARGE));
  const struct wr_fft_plan *again = wr_fft_plan_get(96);
  EXPECT(small && small == again);
  wr_fft_plan_release(again);
  wr_fft_plan_release(small);
}

int main(void) {
  static const int32_t lengths[] = {1,   2,    3,    4,    5,    6,    7,    8,    11,   16,
                                    30,  49,   61,   67,   122,  128,  134,  143,  256,  257,
                                    360, 1024, 1031, 1155, 3721, 4096, 6561, 8209, 16384};
  for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) test_length(lengths[i]);
  test_apart();
  test_many_lengths();
  test_kept();
  return kernel_case_failures() != 0;
}
