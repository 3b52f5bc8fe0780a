/* Functions of float64 that loops vectorise, through their row functions: within 2 ulp of the
   values of the C library's long double, over samples of all floats, of the ranges where they
   change, and around multiples of pi / 2 and the limits, at each level that this processor has; the
   same bits wherever in a row an element stands, and strided. */

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "backend/cpu/kernels.h"
#include "check.h"

enum { BLOCK = 4096, BLOCKS = 60, KINDS = 5 };

static long double sigmoid_of(long double x) { return 1.0L / (1.0L + expl(-x)); }

static const struct {
  const char *name;
  enum wr_op op;
  long double (*exact)(long double);
} functions[] = {{"exp", WR_OP_EXP, expl},           {"expm1", WR_OP_EXPM1, expm1l},
                 {"log", WR_OP_LOG, logl},           {"log1p", WR_OP_LOG1P, log1pl},
                 {"log2", WR_OP_LOG2, log2l},        {"sin", WR_OP_SIN, sinl},
                 {"cos", WR_OP_COS, cosl},           {"tan", WR_OP_TAN, tanl},
                 {"tanh", WR_OP_TANH, tanhl},        {"sigmoid", WR_OP_SIGMOID, sigmoid_of},
                 {"log10", WR_OP_LOG10, log10l},     {"sinh", WR_OP_SINH, sinhl},
                 {"cosh", WR_OP_COSH, coshl},        {"arcsin", WR_OP_ARCSIN, asinl},
                 {"arccos", WR_OP_ARCCOS, acosl},    {"arctan", WR_OP_ARCTAN, atanl},
                 {"arcsinh", WR_OP_ARCSINH, asinhl}, {"arccosh", WR_OP_ARCCOSH, acoshl},
                 {"arctanh", WR_OP_ARCTANH, atanhl}};

/* How many doubles lie between the value and the exact one, as a real number. */
static double ulps(double value, long double exact) {
  const double rounded = (double)exact;
  if (isnan(rounded)) return isnan(value) ? 0.0 : (double)INFINITY;
  if (value == rounded) return signbit(value) == signbit(rounded) ? 0.0 : (double)INFINITY;
  if (isnan(value) || isinf(value) || isinf(rounded)) return (double)INFINITY;
  int exponent;
  frexp(rounded, &exponent);
  const int last = exponent - 53 < -1074 ? -1074 : exponent - 53;
  return (double)(fabsl((long double)value - exact) / ldexpl(1.0L, last));
}

static uint64_t next_bits(void) {
  static uint64_t state = 1;
  state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return state ^ state >> 29;
}

/* Between -1 and 1. */
static double next_part(void) { return (double)(int64_t)next_bits() * 0x1p-63; }

static double any_double(void) {
  const uint64_t bits = next_bits();
  double x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

static double near_quarter(void) {
  double x = (double)((int64_t)next_bits() % 700000) * 1.57079632679489661923;
  for (uint64_t steps = next_bits() >> 33 & 3; steps > 0; steps--) x = nextafter(x, 1e9);
  return x;
}

static double next_sample(int kind) {
  switch (kind) {
    case 0:
      return any_double();
    case 1:
      return next_part() * 750.0;
    case 2:
      return next_part() * 4.0;
    case 3:
      return next_part();
    default:
      return near_quarter();
  }
}

/* The level whose rows are called. */
static enum wr_level level;

static void apply(enum wr_op op, const double *in, int64_t stride, int64_t n, double *out) {
  const struct wr_row row = {.out = out, .in = {in}, .stride = {stride}, .n = n};
  wr_cpu_unary_row_of(level, op, WR_FLOAT64)(&row);
}

static struct { double off, at; } worst[WR_LEVELS];

static void note(double value, long double exact, double at) {
  const double off = ulps(value, exact);
  if (!(off > worst[level].off)) return;
  worst[level].off = off;
  worst[level].at = at;
}

static void report(const char *name) {
  for (level = WR_LEVEL_BASE; level <= wr_level(); level++) {
    fprintf(stderr, "%-8s level %d %.3f ulp, at %a\n", name, (int)level, worst[level].off,
            worst[level].at);
    CHECK(worst[level].off <= 2.0);
  }
  memset(worst, 0, sizeof worst);
}

/* Beside others, of which a row may go another way as a whole. */
static void check_mixed(size_t k, const double *in, const double *out, int n) {
  double mixed[BLOCK], again[BLOCK];
  for (int i = 0; i < n; i++) mixed[i] = i % 2 ? (double)INFINITY : in[i];
  apply(functions[k].op, mixed, 1, n, again);
  for (int i = 0; i < n; i += 2) {
    CHECK(memcmp(&again[i], &out[i], sizeof *out) == 0 || isnan(out[i]));
  }
}

static void check_level(size_t k, const double *in, const long double *exact, int n) {
  double out[BLOCK], again[BLOCK];
  apply(functions[k].op, in, 1, n, out);
  for (int i = 0; i < n; i++) note(out[i], exact[i], in[i]);
  /* From another place on, so that elements fall into other lanes and into the loop's end. */
  apply(functions[k].op, in + 3, 1, n - 7, again);
  CHECK(memcmp(again, out + 3, (size_t)(n - 7) * sizeof *out) == 0);
  apply(functions[k].op, in, 2, n / 2, again);
  for (int i = 0; i < n / 2; i++) CHECK(memcmp(&again[i], &out[2 * i], sizeof *out) == 0);
  check_mixed(k, in, out, n);
}

static void check_block(size_t k, const double *in, int n) {
  static long double exact[BLOCK];
  for (int i = 0; i < n; i++) exact[i] = functions[k].exact((long double)in[i]);
  for (level = WR_LEVEL_BASE; level <= wr_level(); level++) check_level(k, in, exact, n);
}

/* A block is of one kind, since a row with one far angle goes another way. */
static void sample(size_t k) {
  static double in[BLOCK];
  for (int block = 0; block < BLOCKS; block++) {
    for (int i = 0; i < BLOCK; i++) in[i] = next_sample(block % KINDS);
    check_block(k, in, BLOCK);
  }
}

/* Around each of these, and of their negatives. */
static void limits(size_t k) {
  static const double at[] = {0.0,
                              1.0,
                              2.0,
                              0.5,
                              22.0,
                              40.0,
                              709.782712893384,
                              745.133,
                              708.3964,
                              1e6,
                              0x1p-54,
                              0x1p-28,
                              DBL_MIN,
                              DBL_MAX,
                              1e300,
                              0.7071067811865476,
                              1.4142135623730951,
                              0.34657359027997264,
                              710.4758600739439,
                              0x1p60,
                              0x1p-27,
                              (double)INFINITY,
                              (double)NAN};
  static double in[BLOCK];
  int n = 0;
  for (size_t i = 0; i < sizeof at / sizeof at[0]; i++) {
    uint64_t bits;
    memcpy(&bits, &at[i], sizeof bits);
    for (uint64_t d = 0; d < 64; d++) {
      const uint64_t moved = bits + d - 32;
      memcpy(&in[n], &moved, sizeof moved);
      in[n + 1] = -in[n];
      n += 2;
    }
  }
  check_block(k, in, n);
}

/* Numbers of any size and like size, and the limits with each other. */
static void fill_pairs(double *y, double *x, int block) {
  static const double at[] = {0.0,   0x1p-1074, DBL_MIN,          1.0,        2.0,
                              1e300, DBL_MAX,   (double)INFINITY, (double)NAN};
  enum { N = sizeof at / sizeof at[0] };
  for (int i = 0; i < BLOCK; i++) {
    x[i] = block % 3 == 0 ? any_double() : next_part();
    y[i] = block % 3 == 0 ? any_double() : next_part();
    if (block % 3 == 1) x[i] = ldexp(x[i], block * 16), y[i] = ldexp(y[i], block * 16);
    if (block % 3 == 2) {
      x[i] = copysign(at[i % N], x[i]);
      y[i] = copysign(at[i / N % N], y[i]);
    }
  }
}

static void arctan2_level(const double *y, const double *x) {
  static double out[BLOCK], again[BLOCK];
  const wr_row_fn fn = wr_cpu_binary_row_of(level, WR_OP_ARCTAN2, WR_FLOAT64);
  fn(&(struct wr_row){.out = out, .in = {y, x}, .stride = {1, 1}, .n = BLOCK});
  for (int i = 0; i < BLOCK; i++) {
    note(out[i], atan2l((long double)y[i], (long double)x[i]), y[i]);
  }
  fn(&(struct wr_row){.out = again, .in = {y, x}, .stride = {2, 2}, .n = BLOCK / 2});
  for (int i = 0; i < BLOCK / 2; i++) CHECK(memcmp(&again[i], &out[2 * i], sizeof *out) == 0);
}

static void arctan2(void) {
  static double y[BLOCK], x[BLOCK];
  for (int block = 0; block < BLOCKS; block++) {
    fill_pairs(y, x, block);
    for (level = WR_LEVEL_BASE; level <= wr_level(); level++) arctan2_level(y, x);
  }
}

int main(void) {
  for (size_t k = 0; k < sizeof functions / sizeof functions[0]; k++) {
    sample(k);
    limits(k);
    report(functions[k].name);
  }
  arctan2();
  report("arctan2");
  return 0;
}
