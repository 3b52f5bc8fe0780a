/* Functions of float32 that loops vectorise, through their row functions: within 2 ulp of the exact
   values over dense samples of all floats and around the limits, at each level that this processor
   has; the same bits wherever in a row an element stands, strided, and with one operand broadcast,
   and at both levels whose steps are fused. */

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/cpu/kernels.h"
#include "check.h"

/* Values are the same in builds that look for something else, where code takes many times as long:
   a sixteenth of them there. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__) || defined(WR_TORTURE) || \
    !defined(__OPTIMIZE__)
enum { BLOCK = 4096, STEP = 16141, PAIR_BLOCKS = 32 };
#else
enum { BLOCK = 4096, STEP = 1009, PAIR_BLOCKS = 500 };
#endif

static double tanh_of(double x) { return tanh(x); }
static double sigmoid_of(double x) { return 1.0 / (1.0 + exp(-x)); }

/* Newton's method from Winitzki's formula, on erf or on erfc, whichever keeps more digits. */
static double erfinv_of(double x) {
  const double a = fabs(x), pi = 3.14159265358979323846, c = 0.147;
  if (!(a < 1.0)) return a == 1.0 ? copysign((double)INFINITY, x) : (double)NAN;
  const double l = log1p(-a * a);
  const double t = 2.0 / (pi * c) + 0.5 * l;
  double y = a < 0.01 ? a * sqrt(pi) * 0.5 : sqrt(sqrt(t * t - l / c) - t);
  for (int i = 0; i < 4; i++) {
    const double missing = a < 0.5 ? a - erf(y) : erfc(y) - (1.0 - a);
    y += missing * sqrt(pi) * 0.5 * exp(y * y);
  }
  return copysign(y, x);
}

static const struct {
  const char *name;
  enum wr_op op;
  double (*exact)(double);
} functions[] = {{"exp", WR_OP_EXP, exp},
                 {"expm1", WR_OP_EXPM1, expm1},
                 {"log", WR_OP_LOG, log},
                 {"log1p", WR_OP_LOG1P, log1p},
                 {"log2", WR_OP_LOG2, log2},
                 {"sin", WR_OP_SIN, sin},
                 {"cos", WR_OP_COS, cos},
                 {"tan", WR_OP_TAN, tan},
                 {"erf", WR_OP_ERF, erf},
                 {"log10", WR_OP_LOG10, log10},
                 {"sinh", WR_OP_SINH, sinh},
                 {"cosh", WR_OP_COSH, cosh},
                 {"arcsin", WR_OP_ARCSIN, asin},
                 {"arccos", WR_OP_ARCCOS, acos},
                 {"arctan", WR_OP_ARCTAN, atan},
                 {"arcsinh", WR_OP_ARCSINH, asinh},
                 {"arccosh", WR_OP_ARCCOSH, acosh},
                 {"arctanh", WR_OP_ARCTANH, atanh},
                 {"tanh", WR_OP_TANH, tanh_of},
                 {"erfinv", WR_OP_ERFINV, erfinv_of},
                 {"sigmoid", WR_OP_SIGMOID, sigmoid_of}};

/* In float64 the sum, where there is one, could round twice. */
static double remainder_of(double x, double y) {
  const float r = fmodf((float)x, (float)y);
  return r != 0.0f && (r < 0.0f) != (y < 0.0) ? r + (float)y : r;
}

static const struct {
  const char *name;
  enum wr_op op;
  double (*exact)(double, double);
} pair_functions[] = {{"power", WR_OP_POWER, pow},
                      {"remainder", WR_OP_REMAINDER, remainder_of},
                      {"arctan2", WR_OP_ARCTAN2, atan2}};

static float from_bits(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

/* How many floats lie between the value and the exact one, as a real number. */
static double ulps(float value, double exact) {
  float rounded = (float)exact;
  if (isnan(rounded)) return isnan(value) ? 0.0 : INFINITY;
  if (value == rounded) return signbit(value) == signbit(rounded) ? 0.0 : INFINITY;
  if (isnan(value)) return INFINITY;
  if (isinf(rounded)) return fabs((double)value) > 0.999 * (double)FLT_MAX ? 1.0 : INFINITY;
  if (isinf(value)) return fabs(exact) > 0.999 * (double)FLT_MAX ? 1.0 : INFINITY;
  int exponent;
  frexp(exact, &exponent);
  double ulp = ldexp(1.0, exponent - 24 < -149 ? -149 : exponent - 24);
  return fabs((double)value - exact) / ulp;
}

/* The level whose rows are called. */
static enum wr_level level;

static struct {
  double off;
  float x, y;
} worst[WR_LEVELS];

static void note(float value, double exact, float x, float y) {
  const double off = ulps(value, exact);
  if (!(off > worst[level].off)) return;
  worst[level].off = off;
  worst[level].x = x;
  worst[level].y = y;
}

static void report(const char *name) {
  for (level = WR_LEVEL_BASE; level <= wr_level(); level++) {
    fprintf(stderr, "%-9s level %d %.3f ulp, at %a %a\n", name, (int)level, worst[level].off,
            (double)worst[level].x, (double)worst[level].y);
    CHECK(worst[level].off <= 2.0);
  }
  memset(worst, 0, sizeof worst);
}

/* The levels above the base round alike; a NaN has any bits. */
static void check_like_last_level(const float *out, int n) {
  static float last[BLOCK];
  for (int i = 0; i < n && level > WR_LEVEL_AVX2; i++) {
    CHECK(memcmp(&out[i], &last[i], sizeof *out) == 0 || (isnan(out[i]) && isnan(last[i])));
  }
  memcpy(last, out, (size_t)n * sizeof *out);
}

/* ---- one input ---- */

static void apply(enum wr_op op, const float *in, int64_t stride, int64_t n, float *out) {
  const struct wr_row row = {.out = out, .in = {in}, .stride = {stride}, .n = n};
  wr_cpu_unary_row_of(level, op, WR_FLOAT32)(&row);
}

/* Beside others, of which a row may go another way as a whole. */
static void check_mixed(size_t k, const float *in, const float *out, int n) {
  float mixed[BLOCK], again[BLOCK];
  for (int i = 0; i < n; i++) mixed[i] = i % 2 ? (float)INFINITY : in[i];
  apply(functions[k].op, mixed, 1, n, again);
  for (int i = 0; i < n; i += 2) {
    CHECK(memcmp(&again[i], &out[i], sizeof *out) == 0 || isnan(out[i]));
  }
}

static void check_level(size_t k, const float *in, const double *exact, int n) {
  float out[BLOCK], again[BLOCK];
  apply(functions[k].op, in, 1, n, out);
  for (int i = 0; i < n; i++) note(out[i], exact[i], in[i], 0.0f);
  check_like_last_level(out, n);
  /* From another place on, so that elements fall into other lanes and into the loop's end. */
  apply(functions[k].op, in + 3, 1, n - 7, again);
  CHECK(memcmp(again, out + 3, (size_t)(n - 7) * sizeof *out) == 0);
  apply(functions[k].op, in, 2, n / 2, again);
  for (int i = 0; i < n / 2; i++) CHECK(memcmp(&again[i], &out[2 * i], sizeof *out) == 0);
  check_mixed(k, in, out, n);
}

static void check_block(size_t k, const float *in, int n) {
  static double exact[BLOCK];
  for (int i = 0; i < n; i++) exact[i] = functions[k].exact((double)in[i]);
  for (level = WR_LEVEL_BASE; level <= wr_level(); level++) check_level(k, in, exact, n);
}

static void sample(size_t k) {
  static float in[BLOCK];
  int n = 0;
  for (uint64_t bits = 0; bits <= UINT32_MAX; bits += STEP) {
    in[n++] = from_bits((uint32_t)bits);
    if (n < BLOCK && bits + STEP <= UINT32_MAX) continue;
    check_block(k, in, n);
    n = 0;
  }
}

/* Around each of these, and of their negatives. */
static void limits(size_t k) {
  static const float at[] = {0.0f,      1.0f,       2.0f,       0.5f,     4.0f,
                             88.72284f, 103.97208f, 1e6f,       0.55f,    0.7071068f,
                             3.5f,      1.5707964f, 3.1415927f, 1e-38f,   FLT_MIN,
                             89.41599f, 0x1p30f,    0x1p-12f,   3.95f,    16.64f,
                             FLT_MAX,   0x1p-26f,   87.33655f,  INFINITY, NAN};
  static float in[BLOCK];
  int n = 0;
  for (size_t i = 0; i < sizeof at / sizeof at[0]; i++) {
    uint32_t bits;
    memcpy(&bits, &at[i], sizeof bits);
    for (uint32_t d = 0; d < 64; d++) {
      in[n] = from_bits(bits + d - 32);
      in[n + 1] = -in[n];
      n += 2;
    }
  }
  check_block(k, in, n);
}

/* ---- two inputs ---- */

struct pairs {
  float x[BLOCK], y[BLOCK];
};

static void apply_pairs(enum wr_op op, const float *x, int64_t x_stride, const float *y,
                        int64_t y_stride, int64_t n, float *out) {
  const struct wr_row row = {.out = out, .in = {x, y}, .stride = {x_stride, y_stride}, .n = n};
  wr_cpu_binary_row_of(level, op, WR_FLOAT32)(&row);
}

static void check_pairs_level(size_t k, const struct pairs *p, const double *exact) {
  const enum wr_op op = pair_functions[k].op;
  float out[BLOCK], again[BLOCK];
  apply_pairs(op, p->x, 1, p->y, 1, BLOCK, out);
  for (int i = 0; i < BLOCK; i++) note(out[i], exact[i], p->x[i], p->y[i]);
  check_like_last_level(out, BLOCK);
  apply_pairs(op, p->x + 3, 1, p->y + 3, 1, BLOCK - 7, again);
  CHECK(memcmp(again, out + 3, (BLOCK - 7) * sizeof *out) == 0);
  apply_pairs(op, p->x, 2, p->y, 2, BLOCK / 2, again);
  for (int i = 0; i < BLOCK / 2; i++) CHECK(memcmp(&again[i], &out[2 * i], sizeof *out) == 0);
}

static void check_pairs(size_t k, const struct pairs *p) {
  static double exact[BLOCK];
  for (int i = 0; i < BLOCK; i++) {
    exact[i] = pair_functions[k].exact((double)p->x[i], (double)p->y[i]);
  }
  for (level = WR_LEVEL_BASE; level <= wr_level(); level++) check_pairs_level(k, p, exact);
}

/* One of the pairs, with either operand broadcast, among enough others to fill vectors. */
static void check_broadcast(size_t k, const struct pairs *p, int i) {
  enum { N = 67 };
  const enum wr_op op = pair_functions[k].op;
  static float same_x[N], same_y[N];
  float dense[N], spread[N];
  for (int j = 0; j < N; j++) {
    same_x[j] = p->x[i];
    same_y[j] = p->y[i];
  }
  const int from = i < BLOCK - N ? i : BLOCK - N;
  apply_pairs(op, p->x + from, 1, same_y, 1, N, dense);
  apply_pairs(op, p->x + from, 1, p->y + i, 0, N, spread);
  CHECK(memcmp(dense, spread, sizeof dense) == 0);
  apply_pairs(op, same_x, 1, p->y + from, 1, N, dense);
  apply_pairs(op, p->x + i, 0, p->y + from, 1, N, spread);
  CHECK(memcmp(dense, spread, sizeof dense) == 0);
}

static uint32_t next_bits(void) {
  static uint64_t state = 1;
  state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (uint32_t)(state >> 32);
}

/* Between -1 and 1. */
static double next_part(void) { return (double)(int32_t)next_bits() * 0x1p-31; }

/* By turns, and in blocks of their own since a row with one far pair goes another way: any two
   floats; a y that keeps the power finite, or almost; a small whole or half y; a y whose quotient
   is not far. */
static void fill_pairs(struct pairs *p, int kind) {
  for (int i = 0; i < BLOCK; i++) {
    const float x = from_bits(next_bits());
    const double reach = next_part() * 155.0 / log2(fabs((double)x));
    const int32_t halves = (int32_t)next_bits() % 100;
    const double near = (double)x * exp2(next_part() * 27.0);
    p->x[i] = kind == 2 ? (float)(next_part() * 8.0) : x;
    p->y[i] = kind == 0   ? from_bits(next_bits())
              : kind == 1 ? (float)reach
              : kind == 2 ? (float)halves * 0.5f
                          : (float)(halves % 2 ? near : -near);
  }
}

static void sample_pairs(size_t k) {
  static struct pairs p;
  for (int block = 0; block < PAIR_BLOCKS; block++) {
    fill_pairs(&p, block % 4);
    check_pairs(k, &p);
  }
}

/* Each of these and its negative with each. */
static void limit_pairs(size_t k) {
  static const float at[] = {0.0f,           0x1p-149f,      0x1.8p-140f,    FLT_MIN,   0x1p-30f,
                             0.5f,           0x1.fffffep-1f, 1.0f,           1.000001f, 1.5f,
                             2.0f,           3.0f,           4.0f,           5.5f,      127.0f,
                             128.0f,         149.0f,         150.0f,         0x1p22f,   4194304.5f,
                             0x1.fffffep22f, 8388609.0f,     0x1.fffffep23f, 0x1p24f,   33554434.f,
                             0x1p31f,        0x1p60f,        FLT_MAX,        INFINITY,  NAN,
                             0.1f,           10.0f};
  enum { N = 2 * (int)(sizeof at / sizeof at[0]) };
  _Static_assert(N * N == BLOCK, "they fill a block");
  static struct pairs p;
  for (int i = 0; i < BLOCK; i++) {
    const float x = at[i / N / 2], y = at[i % N / 2];
    p.x[i] = i / N % 2 ? -x : x;
    p.y[i] = i % 2 ? -y : y;
  }
  check_pairs(k, &p);
  for (level = WR_LEVEL_BASE; level <= wr_level(); level++) {
    for (int i = 0; i < BLOCK; i++) check_broadcast(k, &p, i);
  }
}

int main(void) {
  for (size_t k = 0; k < sizeof functions / sizeof functions[0]; k++) {
    sample(k);
    limits(k);
    report(functions[k].name);
  }
  for (size_t k = 0; k < sizeof pair_functions / sizeof pair_functions[0]; k++) {
    sample_pairs(k);
    limit_pairs(k);
    report(pair_functions[k].name);
  }
  return 0;
}
