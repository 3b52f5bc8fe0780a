/* Products by Weir's own kernels against sums in float64, for each set of instructions that this
   processor has, and the layout of the widest in the compiler's own vectors: every count of rows
   and columns around a tile's, both layouts of both operands, rows with gaps, alpha and beta, an
   added row, windows over lines, many products at once; nothing outside the result is written, and
   what counts for nothing may be NaN. What comes out alone and with the pool is the same, bit for
   bit, and so is what comes out of elements of two bytes and of the same as float32. */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backend/backend.h"
#include "backend/cpu/gemm_short.h"
#include "backend/cpu/product/inside.h"
#include "check.h"
#include "core/half.h"

/* The layout of AVX-512, whatever this processor has. */
extern const struct wr_gemm_kernels wide_f32, wide_f64;

static uint64_t seed = 88172645463325252u;

static double draw(void) {
  seed ^= seed << 13;
  seed ^= seed >> 7;
  seed ^= seed << 17;
  return (double)(seed % 2001) / 1000 - 1;
}

static void put(void *to, int64_t i, bool single, double x) {
  if (single) {
    ((float *)to)[i] = (float)x;
  } else {
    ((double *)to)[i] = x;
  }
}

static double get(const void *from, int64_t i, bool single) {
  return single ? (double)((const float *)from)[i] : ((const double *)from)[i];
}

/* rows x cols values with gaps of NaN behind each row, exactly as much memory as there may be read.
 */
static void *matrix(double *dense, int64_t rows, int64_t cols, int64_t ld, bool transposed,
                    bool single) {
  const int64_t lines = transposed ? cols : rows, length = transposed ? rows : cols;
  const int64_t n = lines > 0 ? (lines - 1) * ld + length : 0;
  void *out = malloc((size_t)n * (single ? 4 : 8) + 1);
  CHECK(out != NULL);
  for (int64_t i = 0; i < n; i++) put(out, i, single, (double)NAN);
  for (int64_t i = 0; i < rows; i++) {
    for (int64_t j = 0; j < cols; j++) {
      const double x = (double)(float)draw();
      dense[i * cols + j] = x;
      put(out, transposed ? j * ld + i : i * ld + j, single, x);
    }
  }
  return out;
}

static double *dense(int64_t rows, int64_t cols) {
  double *out = calloc((size_t)(rows * cols) + 1, sizeof *out);
  CHECK(out != NULL);
  return out;
}

static struct wr_gemm shape(bool single, int m, int n, int k, int flags) {
  const int gap = flags & 4 ? 3 : 0;
  struct wr_gemm g = {.dtype = single ? WR_FLOAT32 : WR_FLOAT64,
                      .a_transposed = flags & 1,
                      .b_transposed = flags & 2,
                      .m = m,
                      .n = n,
                      .k = k,
                      .alpha = 1};
  g.lda = (g.a_transposed ? m : k) + gap;
  g.ldb = (g.b_transposed ? k : n) + gap;
  g.ldc = n + gap;
  return g;
}

static void *result_new(const struct wr_gemm *g, bool single, double *before) {
  void *c = malloc((size_t)(g->m * g->ldc) * (single ? 4 : 8) + 1);
  CHECK(c != NULL);
  for (int64_t i = 0; i < g->m * g->ldc; i++) put(c, i, single, -77);
  for (int64_t i = 0; i < g->m; i++) {
    for (int64_t j = 0; j < g->n; j++) {
      before[i * g->n + j] = (double)(float)draw();
      put(c, i * g->ldc + j, single, g->beta == 0 ? (double)NAN : before[i * g->n + j]);
    }
  }
  return c;
}

/* The sum of n products, of which those of b lie `apart`, and of their sizes. Its numbers are this
   file's alone, so there is nothing for ThreadSanitizer to see, under which these sums took a third
   of the test's time. */
__attribute__((no_sanitize("thread"))) static double sum_of(const double *a, const double *b,
                                                            int64_t apart, int64_t n,
                                                            double *size) {
  double sum = 0;
  *size = 0;
  for (int64_t p = 0; p < n; p++) {
    sum += a[p] * b[p * apart];
    *size += fabs(a[p] * b[p * apart]);
  }
  return sum;
}

static void expect(const struct wr_gemm *g, bool single, const double *a, const double *b,
                   const double *d, int64_t d_row) {
  const double unit = single ? 6e-8 : 1.2e-16; /* of rounding */
  for (int64_t i = 0; i < g->m; i++) {
    for (int64_t j = 0; j < g->n; j++) {
      double size;
      double sum = sum_of(a + i * g->k, b + j, g->n, g->k, &size) * (double)g->alpha;
      if (g->beta != 0) {
        sum += (double)g->beta * d[i * d_row + j];
        size += fabs((double)g->beta * d[i * d_row + j]);
      }
      CHECK(fabs(get(g->c, i * g->ldc + j, single) - sum) <=
            unit * (sqrt((double)g->k) + 4) * size);
    }
    for (int64_t j = g->n; j < g->ldc; j++) CHECK(get(g->c, i * g->ldc + j, single) == -77);
  }
}

/* added: 0 nothing, 1 beta c, 2 beta d, 3 one row for all. */
static void try_one(const struct wr_gemm_kernels *with, bool single, int m, int n, int k, int flags,
                    int added) {
  struct wr_gemm g = shape(single, m, n, k, flags);
  double *a = dense(m, k), *b = dense(k, n), *d = dense(m, n), *row = dense(m + 1, n);
  void *in_a = matrix(a, m, k, g.lda, g.a_transposed, single);
  void *in_b = matrix(b, k, n, g.ldb, g.b_transposed, single);
  void *in_d = matrix(row, added == 3 ? 1 : m, n, n + 2, false, single);
  if (added > 0) {
    g.alpha = -0.5f;
    g.beta = 1.5f;
  }
  void *c = g.c = result_new(&g, single, d);
  g.a = in_a;
  g.b = in_b;
  if (added > 1) {
    g.d = in_d;
    g.ldd = added == 3 ? 0 : n + 2;
  }
  CHECK(wr_gemm_run_with(&g, with, true) == NULL);
  expect(&g, single, a, b, added > 1 ? row : d, added == 3 ? 0 : n);
  if (added != 1) {
    void *again = malloc((size_t)(m * g.ldc) * 8 + 1);
    CHECK(again != NULL);
    memcpy(again, c, (size_t)(m * g.ldc) * (single ? 4 : 8));
    g.c = again;
    CHECK(wr_gemm_run_with(&g, with, false) == NULL);
    CHECK(memcmp(again, c, (size_t)(m * g.ldc) * (single ? 4 : 8)) == 0);
    free(again);
  }
  free(c);
  free(in_a);
  free(in_b);
  free(in_d);
  free(a);
  free(b);
  free(d);
  free(row);
}

/* Sanitizers, and a build with little optimisation, make this file's own arithmetic slow: a few of
   the sizes have all that they look for, and of threads what is cut for the pool. */
#if defined(__SANITIZE_THREAD__) || defined(WR_TORTURE) || !defined(__OPTIMIZE__)
enum { SIZE_STEP = 7, FLAGS_STEP = 7 };
#elif defined(__SANITIZE_ADDRESS__)
enum { SIZE_STEP = 3, FLAGS_STEP = 3 };
#else
enum { SIZE_STEP = 1, FLAGS_STEP = 1 };
#endif

static void edges(const struct wr_gemm_kernels *with, bool single) {
  static const int ks[] = {1, 2, 7, 33};
  for (int m = 0; m <= with->rows + 4; m += SIZE_STEP) {
    for (int n = 0; n <= with->cols + 2; n += SIZE_STEP) {
      for (int i = 0; i < 4; i++) {
        const int flags = (m + n + i) % 8;
        try_one(with, single, m, n, ks[i], flags, (m + 2 * n + i) % 4);
      }
    }
  }
}

/* Each way that a product goes, and both sides of where it changes. */
static void ways(const struct wr_gemm_kernels *with, bool single) {
  static const int shapes[][3] = {
      {1, 300, 700},  {300, 1, 700},   {5, 77, 800},    {77, 5, 800},   {8, 9, 1000},
      {9, 8, 5000},   {50, 33, 100},   {100, 64, 64},   {130, 70, 390}, {40, 300, 50},
      {13, 40, 0},    {300, 60, 130},  {60, 500, 400},  {20, 700, 800}, {210, 130, 800},
      {160, 600, 40}, {1, 9000, 9},    {20000, 3, 3},   {1, 1, 5000},   {3, 2800, 200},
      {30, 32, 1000}, {13, 64, 2000},  {160, 64, 800},  {150, 50, 900}, {49, 48, 385},
      {60, 100, 40},  {100, 50, 30},   {256, 16, 70},   {99, 27, 40},   {98, 31, 20},
      {20, 33, 8192}, {12, 40, 9000},  {300, 16, 16},   {501, 32, 32},  {1003, 16, 5},
      {259, 32, 20},  {150, 200, 529}, {100, 100, 100}, {61, 37, 131},  {45, 40, 200},
      {34, 66, 64},   {50, 39, 384},   {257, 36, 150}};
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
    for (int flags = 0; flags < 8; flags += FLAGS_STEP) {
      try_one(with, single, shapes[i][0], shapes[i][1], shapes[i][2], flags, (int)(i + 1) % 4);
    }
  }
  try_one(with, single, 20, 20, 0, 0, 1);
  try_one(with, single, 20, 20, 0, 0, 2);
}

/* Elements of two bytes, each of which is a float32 of the same value, so that both products are to
   have the same bits, unless one is summed in parts along k that the other has not, as where no
   kernels read such elements, or in its last columns as the other is not: more of those of float32
   are small. */
static void try_short(const struct wr_gemm_kernels *with, bool brain, int m, int n, int k,
                      int flags) {
  struct wr_gemm g = shape(true, m, n, k, flags);
  const int64_t a_rows = g.a_transposed ? k : m, b_rows = g.b_transposed ? n : k;
  const int64_t a_size = a_rows * g.lda, b_size = b_rows * g.ldb;
  const int64_t a_last = a_size - (flags & 4 ? 3 : 0), b_last = b_size - (flags & 4 ? 3 : 0);
  float *wide = malloc((size_t)(a_size + b_size) * sizeof *wide);
  uint16_t *a = malloc((size_t)a_last * sizeof *a), *b = malloc((size_t)b_last * sizeof *b);
  float *c = malloc((size_t)(m * g.ldc) * sizeof *c),
        *same = malloc((size_t)(m * g.ldc) * sizeof *c);
  CHECK(wide && a && b && c && same);
  for (int64_t i = 0; i < a_size + b_size; i++) {
    const float x = (float)draw();
    const uint16_t h = brain ? wr_f32_to_bf16(x) : wr_f32_to_f16(x);
    wide[i] = brain ? wr_bf16_to_f32(h) : wr_f16_to_f32(h);
    if (i < a_last) a[i] = h;
    if (i >= a_size && i - a_size < b_last) b[i - a_size] = h;
  }
  for (int64_t i = 0; i < m * g.ldc; i++) c[i] = same[i] = (float)i;
  const int left = n % with->cols;
  const bool both_small = m <= 96 && n * k * 4 <= 24 * 1024;
  const bool alike = !with->edge || left == 0 || left > 2 * WR_EDGE_COLS || both_small;
  if (flags & 1) g.beta = 0.5f;
  g.a = wide;
  g.b = wide + a_size;
  g.c = same;
  CHECK(wr_gemm_run_with(&g, with, true) == NULL);
  g.from = wr_cpu_gemm_short(brain ? WR_BFLOAT16 : WR_FLOAT16);
  g.a = a;
  g.b = b;
  for (int alone = 1; alone >= 0; alone--) {
    for (int64_t i = 0; i < m * g.ldc; i++) c[i] = (float)i;
    g.c = c;
    CHECK(wr_gemm_run_with(&g, with, alone) == NULL);
    for (int64_t i = 0; i < m * g.ldc; i++) {
      if (alike && (k <= 2048 || with->halves[g.from->half])) CHECK(c[i] == same[i]);
      CHECK(fabsf(c[i] - same[i]) <= 1e-4f * (float)k);
    }
  }
  free(wide);
  free(a);
  free(b);
  free(c);
  free(same);
}

static void shorts(const struct wr_gemm_kernels *with) {
  static const int shapes[][3] = {
      {1, 300, 700},  {300, 1, 700},  {5, 77, 800},   {77, 5, 800}, {8, 9, 1000},   {9, 8, 5000},
      {50, 33, 100},  {100, 64, 64},  {130, 70, 390}, {13, 40, 3},  {300, 60, 130}, {20, 700, 800},
      {210, 130, 70}, {97, 20, 20},   {2, 3000, 9},   {3, 2, 4100}, {16, 16, 16},   {64, 64, 64},
      {33, 23, 50},   {1, 600, 4100}, {700, 7, 600},  {41, 36, 100}};
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
    for (int flags = 0; flags < 8; flags += FLAGS_STEP) {
      try_short(with, flags & 1, shapes[i][0], shapes[i][1], shapes[i][2], flags);
      try_short(with, !(flags & 1), shapes[i][0], shapes[i][1], shapes[i][2], flags);
    }
  }
}

/* Lines of some images, of which each row of a is a window of 2 lines by 3 pixels. */
enum { IMAGES = 3, HIGH = 8, WIDE = 15, LINES_HIGH = 2, LINES_WIDE = 3 };
struct lines {
  const char *data;
  int64_t bytes; /* of a line */
};

static void bring(const void *of, void *to, int64_t line, int64_t n) {
  const struct lines *l = of;
  memcpy(to, l->data + line * l->bytes, (size_t)(n * l->bytes));
}

static void try_windows(const struct wr_gemm_kernels *with, bool single, int each, int n, int apart,
                        bool brought) {
  enum { TAPS = LINES_HIGH * LINES_WIDE, RUN = WIDE - LINES_WIDE + 1 };
  const int64_t length = WIDE * each, runs = (HIGH - LINES_HIGH) / apart + 1, k = TAPS * each;
  const int64_t m = IMAGES * runs * RUN, element = single ? 4 : 8;
  int64_t at[TAPS];
  double *in = dense(IMAGES * HIGH, length), *a = dense(m, k), *b = dense(k, n), *d = dense(m, n);
  void *lines = matrix(in, IMAGES * HIGH, length, length, false, single);
  const struct lines of = {lines, length * element};
  for (int i = 0; i < TAPS; i++) at[i] = i / LINES_WIDE * length + i % LINES_WIDE * each;
  const struct wr_gemm_windows w = {.bring = brought ? bring : NULL,
                                    .of = &of,
                                    .length = length,
                                    .run = RUN,
                                    .runs = runs,
                                    .apart = apart,
                                    .image = HIGH,
                                    .high = LINES_HIGH,
                                    .taps = TAPS,
                                    .each = each,
                                    .at = at};
  for (int64_t i = 0; i < m * k; i++) {
    const int64_t row = i / k, run = row / RUN, line = run / runs * HIGH + run % runs * apart;
    const int64_t tap = i % k / each;
    a[i] = in[line * length + row % RUN * each + at[tap] + i % each];
  }
  struct wr_gemm g = shape(single, (int)m, n, (int)k, 2);
  void *in_b = matrix(b, k, n, g.ldb, true, single);
  void *c = g.c = result_new(&g, single, d), *same = malloc((size_t)(m * n) * 8);
  CHECK(same != NULL);
  g.windows = &w;
  g.a = brought ? NULL : lines;
  g.lda = each;
  g.b = in_b;
  CHECK(wr_gemm_run_with(&g, with, true) == NULL);
  expect(&g, single, a, b, NULL, 0);
  g.c = same;
  CHECK(wr_gemm_run_with(&g, with, false) == NULL);
  CHECK(memcmp(same, c, (size_t)(m * n * element)) == 0);
  free(c);
  free(same);
  free(in_b);
  free(lines);
  free(in);
  free(a);
  free(b);
  free(d);
}

static void windows(const struct wr_gemm_kernels *with, bool single) {
  static const int eachs[] = {2, 13, 64, 130, 400};
  for (int i = 0; i < (SIZE_STEP == 1 ? 5 : 3); i++) {
    try_windows(with, single, eachs[i], 20 + 33 * i, 1 + i % 2, i % 3);
    try_windows(with, single, eachs[i], 9 + i, 1 + i % 3, !(i % 3));
  }
}

/* Many rows by few columns have the bits that some of these rows have by themselves. */
static void rows_alone(const struct wr_gemm_kernels *with, bool single) {
  enum { ROWS = 700, PART = 100, DEEP = 19 };
  struct wr_gemm g = shape(single, ROWS, with->cols, DEEP, 0);
  const int64_t element = single ? 4 : 8, size = ROWS * g.n;
  double *a = dense(ROWS, DEEP), *b = dense(DEEP, g.n);
  char *in_a = matrix(a, ROWS, DEEP, DEEP, false, single);
  char *c = malloc((size_t)size * 8), *same = malloc((size_t)size * 8);
  CHECK(c && same);
  g.a = in_a;
  g.b = matrix(b, DEEP, g.n, g.n, false, single);
  g.c = c;
  CHECK(wr_gemm_run_with(&g, with, false) == NULL);
  g.m = PART;
  for (int64_t row = 0; row < ROWS; row += PART) {
    g.a = in_a + row * DEEP * element;
    g.c = same + row * g.n * element;
    CHECK(wr_gemm_run_with(&g, with, true) == NULL);
  }
  CHECK(memcmp(c, same, (size_t)(size * element)) == 0);
  free((void *)g.b);
  free(in_a);
  free(a);
  free(b);
  free(c);
  free(same);
}

/* Neither a nor b is looked at where alpha is 0, and infinities go where they belong. */
static void values(void) {
  float a[12 * 12], b[12 * 12], c[12 * 12];
  struct wr_gemm g = {.dtype = WR_FLOAT32, .m = 12, .n = 12, .k = 12, .a = a, .b = b, .c = c};
  g.lda = g.ldb = g.ldc = 12;
  g.beta = 2;
  for (int i = 0; i < 144; i++) {
    a[i] = b[i] = NAN;
    c[i] = (float)i;
  }
  CHECK(wr_gemm_run(&g) == NULL);
  for (int i = 0; i < 144; i++) CHECK(c[i] == 2 * (float)i);
  for (int i = 0; i < 144; i++) a[i] = b[i] = 1;
  b[5] = INFINITY;
  b[18] = NAN;
  g.alpha = 1;
  g.beta = 0;
  CHECK(wr_gemm_run(&g) == NULL);
  for (int i = 0; i < 144; i++) {
    CHECK(i % 12 == 5 ? isinf(c[i]) : i % 12 == 6 ? isnan(c[i]) != 0 : c[i] == 12);
  }
}

/* Products of one shape, one by one and all at once, with matrices that are apart by more than they
   have, or the same for all. */
static void try_many(bool single, int m, int n, int k, int flags, bool added) {
  enum { COUNT = 3 };
  const int64_t element = single ? 4 : 8;
  struct wr_gemm g = shape(single, m, n, k, flags);
  double *room = dense(COUNT * (m + n + 3), m + n + k + 12);
  const int64_t a_size = (g.a_transposed ? k : m) * g.lda + 5;
  const int64_t b_size = (g.b_transposed ? n : k) * g.ldb, c_size = m * g.ldc + 7;
  char *a = matrix(room, COUNT, a_size, a_size, false, single);
  char *b = matrix(room, 1, b_size, b_size, false, single);
  char *d = matrix(room, COUNT, n + 1, n + 1, false, single);
  char *one = calloc(COUNT, (size_t)(c_size * element)),
       *all = calloc(COUNT, (size_t)(c_size * element));
  CHECK(one != NULL && all != NULL);
  g.beta = added ? 2 : 0;
  for (int i = 0; i < COUNT; i++) {
    g.a = a + i * a_size * element;
    g.b = b;
    g.c = one + i * c_size * element;
    g.d = added ? d + i * (n + 1) * element : NULL;
    CHECK(wr_gemm_run(&g) == NULL);
  }
  g.a = a;
  g.c = all;
  g.d = added ? d : NULL;
  const struct wr_gemm_apart apart = {a_size * element, 0, c_size * element, (n + 1) * element};
  CHECK(wr_gemm_run_many(&g, COUNT, &apart) == NULL);
  CHECK(memcmp(one, all, (size_t)(COUNT * c_size * element)) == 0);
  free(a);
  free(b);
  free(d);
  free(one);
  free(all);
  free(room);
}

static void many(bool single) {
  static const int shapes[][3] = {{16, 16, 16}, {13, 40, 24}, {9, 33, 7}, {37, 24, 100}, {1, 20, 9},
                                  {0, 4, 3},    {5, 0, 2},    {6, 9, 0},  {90, 130, 120}};
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
    for (int flags = 0; flags < 8; flags++) {
      try_many(single, shapes[i][0], shapes[i][1], shapes[i][2], flags, flags & 4);
      try_many(single, shapes[i][0], shapes[i][1], shapes[i][2], flags, !(flags & 4));
    }
  }
}

/* The same of elements of two bytes, with a b of its own for each or not. */
static void many_short(bool brain, int m, int n, int k, bool own) {
  enum { COUNT = 3, APART = 5 };
  const int64_t a_size = m * (k + 2) + APART, b_size = k * n + APART, c_size = m * n + APART;
  uint16_t *a = malloc((size_t)(COUNT * (a_size + b_size)) * sizeof *a), *b = a + COUNT * a_size;
  float *one = calloc(2 * COUNT, (size_t)c_size * sizeof *one), *all = one + COUNT * c_size;
  CHECK(a != NULL && one != NULL);
  for (int64_t i = 0; i < COUNT * (a_size + b_size); i++) {
    a[i] = brain ? wr_f32_to_bf16((float)draw()) : wr_f32_to_f16((float)draw());
  }
  struct wr_gemm g = {.dtype = WR_FLOAT32, .m = m, .n = n, .k = k, .alpha = 1};
  g.from = wr_cpu_gemm_short(brain ? WR_BFLOAT16 : WR_FLOAT16);
  g.lda = k + 2;
  g.ldb = g.ldc = n;
  for (int i = 0; i < COUNT; i++) {
    g.a = a + i * a_size;
    g.b = b + (own ? i * b_size : 0);
    g.c = one + i * c_size;
    CHECK(wr_gemm_run(&g) == NULL);
  }
  g.a = a;
  g.b = b;
  g.c = all;
  const struct wr_gemm_apart apart = {.a = a_size * 2, .b = own ? b_size * 2 : 0, .c = c_size * 4};
  CHECK(wr_gemm_run_many(&g, COUNT, &apart) == NULL);
  CHECK(memcmp(one, all, (size_t)(COUNT * c_size) * sizeof *one) == 0);
  free(a);
  free(one);
}

static void many_shorts(void) {
  static const int shapes[][3] = {
      {16, 16, 16}, {13, 40, 24}, {9, 17, 7}, {64, 64, 64}, {97, 20, 9}};
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
    for (int flags = 0; flags < 4; flags++) {
      many_short(flags & 1, shapes[i][0], shapes[i][1], shapes[i][2], flags & 2);
    }
  }
}

static void all(const struct wr_gemm_kernels *f32, const struct wr_gemm_kernels *f64) {
  edges(f32, true);
  edges(f64, false);
  ways(f32, true);
  ways(f64, false);
  shorts(f32);
  windows(f32, true);
  windows(f64, false);
  rows_alone(f32, true);
  rows_alone(f64, false);
}

/* In place of the pool: in as many pieces as may be, the last one first. */
static void in_pieces(int64_t n, int64_t grain, int64_t least, wr_parallel_body body, void *ctx) {
  const int64_t length = n > grain ? grain : least > 0 ? least : 1;
  for (int64_t begin = (n - 1) / length * length; begin >= 0; begin -= length) {
    body(ctx, begin, begin + length < n ? begin + length : n);
  }
}

int main(void) {
  wr_backend_set_parallel(in_pieces);
  all(&wr_gemm_f32, &wr_gemm_f64);
  all(&wide_f32, &wide_f64);
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    all(&wr_gemm_f32_avx2, &wr_gemm_f64_avx2);
  }
  if (wr_gemm_kernels_of(WR_FLOAT32) == &wr_gemm_f32_avx512) {
    all(&wr_gemm_f32_avx512, &wr_gemm_f64_avx512);
  }
#endif
  many(true);
  many(false);
  many_shorts();
  values();
  return 0;
}

#include "backend/cpu/loop/loop.h"
#pragma GCC diagnostic ignored "-Wpsabi" /* vectors wider than registers are passed to nobody */
#define BYTES 64
#define ROWS 12
#define INSTRUCTIONS "wide"
#define EL float
#define NAME(x) wide_f32_##x
#define LANES_16
#define KERNELS wide_f32
#include "backend/cpu/product/kernel.inc"
#define EL double
#define NAME(x) wide_f64_##x
#define KERNELS wide_f64
#include "backend/cpu/product/kernel.inc"
