/* How far float32 products on the GPU are from the exact ones, in each of the three ways that
   weir/matmul.h describes, against its bounds: squares from 256 to 4096, batches, operands by rows
   and by columns, added to something, and elements of one sign, of both, of many magnitudes in a
   row and of large and small rows; what is infinite or no number is that in each way. The exact
   product is the GPU's of float64, which tests/gpu/matmul.c compares with the CPU's. Prints for
   each case the largest error of an element in units of 2^-24 of the sum of |a| |b| over its terms.
 */

#include <math.h>

#include "programs.h"

static mlx_stream gpu;
static int failures;

static const char *const names[] = {"float32", "TF32", "TF32X3"};

enum elements { BOTH_SIGNS, ONE_SIGN, MIXED, LARGE_AND_SMALL, KINDS };
static const char *const kinds[KINDS] = {"both signs", "one sign", "mixed", "large and small"};

/* ---- operands ---- */

static uint32_t next(uint32_t *seed) {
  *seed = *seed * 1664525u + 1013904223u;
  return *seed >> 8;
}

/* An element of row or column `line`. Above 2^40 and below 2^-90 a line is not split (odd()). */
static float element(enum elements kind, int line, bool of_a, uint32_t *seed) {
  const float x = (float)next(seed) * 0x1p-24f;
  const uint32_t r = next(seed);
  switch (kind) {
    case ONE_SIGN:
      return x;
    case MIXED:
      return ldexpf(r & 1 ? x : -x, (int)(r / 2 % 40) - 20);
    case LARGE_AND_SMALL:
      return ldexpf(r & 1 ? x : -x, of_a ? -(line % 80) : line % 39);
    default:
      return r & 1 ? x : -x;
  }
}

/* batch matrices of side x side; lines lie along columns if `turned`. */
static mlx_array operand(enum elements kind, int batch, int side, bool of_a, bool turned) {
  const size_t n = (size_t)batch * (size_t)side * (size_t)side;
  const int shape[] = {batch, side, side};
  float *data = malloc(n * sizeof *data);
  uint32_t seed = 7u + (uint32_t)side + of_a;
  CHECK(data != NULL);
  for (size_t i = 0; i < n; i++) {
    const size_t row = i / (size_t)side % (size_t)side, column = i % (size_t)side;
    data[i] = element(kind, (int)(of_a != turned ? row : column), of_a, &seed);
  }
  mlx_array a = mlx_array_new_data(data, shape + (batch == 1), 3 - (batch == 1), MLX_FLOAT32);
  free(data);
  if (turned) CHECK(mlx_swapaxes(&a, a, -1, -2, gpu) == 0);
  return a;
}

static mlx_array wide(mlx_array a, bool magnitude) {
  mlx_array out = mlx_array_new();
  CHECK(mlx_astype(&out, a, MLX_FLOAT64, gpu) == 0);
  if (magnitude) CHECK(mlx_abs(&out, out, gpu) == 0);
  return out;
}

static mlx_array product(mlx_array a, mlx_array b) {
  mlx_array out = mlx_array_new();
  CHECK(mlx_matmul(&out, a, b, gpu) == 0 && mlx_array_eval(out) == 0);
  return out;
}

static mlx_array wide_product(mlx_array a, mlx_array b, bool magnitude) {
  mlx_array x = wide(a, magnitude), y = wide(b, magnitude);
  mlx_array out = product(x, y);
  mlx_array_free(x);
  mlx_array_free(y);
  return out;
}

/* ---- errors ---- */

/* In units of 2^-24 of the sum of |a| |b|: the bounds of weir/matmul.h. */
enum { ADDED = 4 }; /* what a factor, another term and the last rounding add to them */
static double bound(weir_matmul_precision how, int k) {
  if (how == WEIR_MATMUL_TF32) return 0x1p15 + k;
  return how == WEIR_MATMUL_FLOAT32 ? k : 8 + 2 * ((k < 512 ? k : 512) + k / 512.0);
}

struct exact {
  const double *products, *sums;
  size_t n;
};

/* `least`: what an error may be whatever the sum. */
static double largest_error(const float *got, const struct exact *e, double least) {
  double most = 0;
  for (size_t i = 0; i < e->n; i++) {
    const double error = fmax(fabs((double)got[i] - e->products[i]) - least, 0);
    if (error > 0) most = fmax(most, error / e->sums[i] * 0x1p24);
    if (isnan(got[i])) return INFINITY;
  }
  return most;
}

/* A result in one of the ways, which it takes, against the exact ones. */
static void judge(mlx_array c, const struct exact *e, int how, double least, double allowed) {
  const float *got = mlx_array_data_float32(c);
  CHECK(got != NULL);
  const double most = largest_error(got, e, least);
  printf("  %s %.3f (of %.0f)", names[how], most, allowed);
  if (most > allowed) {
    failures++;
    printf(" TOO FAR");
  }
  mlx_array_free(c);
}

static struct exact exact_of(mlx_array products, mlx_array sums) {
  const struct exact e = {mlx_array_data_float64(products), mlx_array_data_float64(sums),
                          mlx_array_size(products)};
  CHECK(e.products && e.sums);
  return e;
}

static void compare(mlx_array a, mlx_array b, int k, double least, const char *what) {
  mlx_array products = wide_product(a, b, false), sums = wide_product(a, b, true);
  const struct exact e = exact_of(products, sums);
  printf("%s:", what);
  for (int how = 0; how < 3; how++) {
    CHECK(weir_set_matmul_precision((weir_matmul_precision)how) == 0);
    judge(product(a, b), &e, how, least, bound((weir_matmul_precision)how, k));
  }
  printf("\n");
  mlx_array_free(products);
  mlx_array_free(sums);
}

/* Below float32's normal numbers each term may be 2^-150 off. What the split leaves out below 2^-96
   of a row's largest is far less than 2^-24 of the sum for these elements. */
static double least_of(int k) { return k * 0x1p-149; }

static void squares(void) {
  char what[128];
  for (int side = 256; side <= 4096; side *= 2) {
    for (int kind = 0; kind < KINDS; kind++) {
      for (int turned = 0; turned < 4; turned++) {
        if (side > 1024 && turned != kind) continue;
        mlx_array a = operand((enum elements)kind, 1, side, true, turned & 1);
        mlx_array b = operand((enum elements)kind, 1, side, false, turned & 2);
        snprintf(what, sizeof what, "%d, %s, a by %s, b by %s", side, kinds[kind],
                 turned & 1 ? "columns" : "rows", turned & 2 ? "columns" : "rows");
        compare(a, b, side, least_of(side), what);
        mlx_array_free(a);
        mlx_array_free(b);
      }
    }
  }
}

/* One operand the same matrix for all, and one for each; large enough to be split. */
static void batches(void) {
  enum { SIDE = 4096, COUNT = 2 };
  mlx_array a = operand(BOTH_SIGNS, COUNT, SIDE, true, false);
  mlx_array one = operand(BOTH_SIGNS, 1, SIDE, false, true);
  mlx_array each = operand(BOTH_SIGNS, COUNT, SIDE, false, true);
  compare(a, one, SIDE, 0, "2 of 4096 and one");
  compare(one, a, SIDE, 0, "one and 2 of 4096");
  compare(a, each, SIDE, 0, "2 of 4096 and 2");
  mlx_array_free(a);
  mlx_array_free(one);
  mlx_array_free(each);
}

/* ---- products that are added to something ---- */

static mlx_array sum_of(mlx_array c, mlx_array a, mlx_array b, float alpha, float beta) {
  mlx_array out = mlx_array_new();
  CHECK(mlx_addmm(&out, c, a, b, alpha, beta, gpu) == 0 && mlx_array_eval(out) == 0);
  return out;
}

static mlx_array wide_sum(mlx_array c, mlx_array a, mlx_array b, float alpha, float beta,
                          bool magnitude) {
  mlx_array z = wide(c, magnitude), x = wide(a, magnitude), y = wide(b, magnitude);
  mlx_array out =
      magnitude ? sum_of(z, x, y, fabsf(alpha), fabsf(beta)) : sum_of(z, x, y, alpha, beta);
  mlx_array_free(x);
  mlx_array_free(y);
  mlx_array_free(z);
  return out;
}

/* c is as large as the product, or one row for all. */
static void added(int side, float alpha, float beta, bool row) {
  mlx_array a = operand(MIXED, 1, side, true, false), b = operand(MIXED, 1, side, false, true);
  mlx_array c = operand(BOTH_SIGNS, 1, side, true, row);
  const int zero[] = {0, 0}, one[] = {1, side}, step[] = {1, 1};
  if (row) CHECK(mlx_slice(&c, c, zero, 2, one, 2, step, 2, gpu) == 0);
  mlx_array sums = wide_sum(c, a, b, alpha, beta, false);
  mlx_array magnitudes = wide_sum(c, a, b, alpha, beta, true);
  const struct exact e = exact_of(sums, magnitudes);
  printf("%d, %g a b + %g c, c %s:", side, (double)alpha, (double)beta, row ? "a row" : "whole");
  for (int how = 0; how < 3; how++) {
    CHECK(weir_set_matmul_precision((weir_matmul_precision)how) == 0);
    judge(sum_of(c, a, b, alpha, beta), &e, how, least_of(side),
          bound((weir_matmul_precision)how, side) + ADDED);
  }
  printf("\n");
  mlx_array_free(sums);
  mlx_array_free(magnitudes);
  mlx_array_free(a);
  mlx_array_free(b);
  mlx_array_free(c);
}

static void all_added(void) {
  for (int side = 512; side <= 4096; side *= 8) {
    added(side, 1, 1, false);
    added(side, -0.75f, 1.5f, false);
    added(side, 1, 1, true);
    added(side, 3, 0, true);
  }
}

/* ---- what is no ordinary number ---- */

/* Rows of a and a column of b that cannot be split, among ones that can. */
static mlx_array odd_operand(int side, bool of_a) {
  static const float odd[] = {INFINITY, -INFINITY, NAN, 0x1p100f, 0x1p-100f, 0};
  const int shape[] = {side, side};
  float *data = malloc((size_t)side * (size_t)side * sizeof *data);
  uint32_t seed = 3u + of_a;
  CHECK(data != NULL);
  for (int row = 0; row < side; row++) {
    for (int column = 0; column < side; column++) {
      const int line = of_a ? row : column, at = of_a ? column : row;
      float x = element(BOTH_SIGNS, line, of_a, &seed);
      if (line % 97 < 3 && at == 5) x = odd[line % 97];
      if (line % 97 == 3 && of_a) x *= odd[3];
      if (line % 97 == 4) x *= odd[4];
      if (line % 97 == 5) x = 0;
      data[row * side + column] = x;
    }
  }
  mlx_array a = mlx_array_new_data(data, shape, 2, MLX_FLOAT32);
  free(data);
  return a;
}

/* Every way gives infinities and NaN where float32 does, and lines that are not split its values to
   the order of the sum. */
static void odd_lines(int side) {
  mlx_array a = odd_operand(side, true), b = odd_operand(side, false);
  mlx_array c[3];
  const float *got[3];
  size_t wrong = 0, others = 0;
  for (int how = 0; how < 3; how++) {
    CHECK(weir_set_matmul_precision((weir_matmul_precision)how) == 0);
    c[how] = product(a, b);
    got[how] = mlx_array_data_float32(c[how]);
    CHECK(got[how] != NULL);
  }
  for (size_t i = 0; i < (size_t)side * (size_t)side; i++) {
    const float full = got[WEIR_MATMUL_FLOAT32][i];
    others += !isfinite(full);
    for (int how = 1; how < 3; how++) {
      const float x = got[how][i];
      wrong += isnan(full) ? !isnan(x) : isinf(full) ? x != full : !isfinite(x);
    }
  }
  printf("%d with odd lines: %zu not finite, %zu wrong\n", side, others, wrong);
  failures += wrong > 0 || others == 0;
  for (int how = 0; how < 3; how++) mlx_array_free(c[how]);
  mlx_array_free(a);
  mlx_array_free(b);
}

int main(void) {
  if (!has_gpu()) return 77;
  gpu = new_gpu_stream();
  squares();
  batches();
  all_added();
  odd_lines(256);
  odd_lines(4096);
  mlx_stream_free(gpu);
  printf("%d failed\n", failures);
  return failures != 0;
}
