#ifndef WR_BACKEND_CPU_PRODUCT_INNER_H
#define WR_BACKEND_CPU_PRODUCT_INNER_H

/* The inner loops of products, once for each element type and set of instructions (kernel.inc is
   their template). Which sums are made in which order follows from the arguments alone. Plain
   functions; no locks, no allocation. Operands never overlap results. */

#include <stdbool.h>
#include <stdint.h>

/* Rows of a tile at most, and columns at most, over all sets. */
enum { WR_TILE_ROWS = 12, WR_TILE_COLS = 32 };
enum { WR_LINE = 64 };
/* Columns beside whole tiles that `edge` computes at once. */
enum { WR_EDGE_COLS = 4 };
/* Rows and columns of what `lines` and `dots` compute at once, at most. */
enum { WR_LINES_ROWS = 8, WR_LINES_DEEP = 8, WR_DOTS_ROWS = 8, WR_DOTS_COLS = 4 };

/* c = alpha a b + beta d for some rows and columns. Strides are in elements; the columns of b, c
   and d are dense. d is c itself, or anything that does not overlap it; with beta 0 it is not
   read. Of each row of b whole vectors are read, so what is packed is padded. */
struct wr_tile {
  int64_t k; /* of a tap */
  const void *a, *b, *d;
  void *c;
  int64_t a_row, a_step; /* from row to row, from one place along k to the next */
  int64_t taps;          /* WR_TILE_TAPS: so many stretches of k places follow each other */
  const int64_t *at;     /* where those begin, from a on */
  int64_t b_step;
  int64_t ldc, ldd;
  int64_t cols; /* that are there: 1 to the tile's own */
  double alpha, beta;
  bool ask; /* for the lines of c, which may lie in memory */
  /* Memory that is used soon, of which so many bytes are asked for at each place along k; two lines
     at most, and 0 for none. */
  uintptr_t soon; /* an address, maybe behind the end of what lies there: it is never read */
  int64_t soon_step;
  const uintptr_t *soons; /* WR_TILE_TAPS: in its place, one for each tap; or NULL */
};

/* A few rows of a, dense along k, times rows of b, dense along the columns, or columns of b, dense
   along k. */
struct wr_few {
  int64_t k;
  const void *a, *b, *d;
  void *c;
  int64_t lda, ldb;
  int64_t c_row, c_col, d_row, d_col;
  double alpha, beta;
};

/* How the operands of a tile lie: a_step is 1 where the rows of a are apart, a_row where they lie
   beside each other; both packed; and rows that are apart, in taps: with a loop over one tap the
   beginning of a tile took 30 cycles more, as many as three places along k. */
enum wr_tile_way {
  WR_TILE_ROWS_APART,
  WR_TILE_ROWS_BESIDE,
  WR_TILE_PACKED,
  WR_TILE_TAPS,
  WR_TILE_WAYS
};

/* Types of two bytes an element. */
enum wr_half { WR_HALF_BF16, WR_HALF_F16, WR_HALVES };

/* For a few rows of a, whatever b's elements are. */
struct wr_few_kernels {
  /* [n - 1]: c, n rows of `cols` dense elements, += a (n rows of k <= WR_LINES_DEEP elements) times
     b, k rows. Neither d nor alpha and beta are looked at. Up to lines_rows rows. */
  int lines_rows;
  void (*lines[WR_LINES_ROWS])(const struct wr_few *l, int64_t cols);
  /* [n - 1][m > 1]: c, n by m, = alpha a (n rows of k elements) times b (m columns of k elements)
     + beta d, as in wr_tile; m is 1 or WR_DOTS_COLS. Up to dots_rows rows. */
  int dots_rows;
  void (*dots[WR_DOTS_ROWS][2])(const struct wr_few *l);
};

struct wr_gemm_kernels {
  const char *name; /* of the instructions */
  int rows, cols;   /* of a tile */
  /* [n - 1][v][way]: n rows; v: half of the columns, or all, whatever t->cols is. */
  void (*tile[WR_TILE_ROWS][2][WR_TILE_WAYS])(const struct wr_tile *t);
  /* What is left to do where not all columns are there: `sums`, rows of a tile's columns one behind
     the other, are a times b. */
  void (*finish)(const struct wr_tile *t, int64_t rows, const void *sums);
  /* [v], as above: as tiles of all of so many rows that lie apart would, all columns of v
     there; for short k, where rows of a and of c follow each other without gaps. How many rows that
     was: none is left but the last few. */
  int64_t (*stream[2])(const struct wr_tile *t, int64_t rows);
  /* For tiles. b: k rows of `cols` elements, 1 to a tile's, one after another, each padded with
     zeros to a tile's; a: k columns of `count` elements, 1 to a tile's, each with room for a
     tile's. Of a matrix, or of its transpose. */
  void (*pack_b)(void *out, const void *b, int64_t ldb, bool transposed, int64_t k, int64_t cols);
  void (*pack_a)(void *out, const void *a, int64_t lda, bool transposed, int64_t k, int64_t count);
  /* Or NULL. A few columns beside whole tiles, up to WR_EDGE_COLS of b, are copied to where they
     lie along k, each padded to whole vectors of 16, as many as that in any case; then they meet
     all rows, which are dense along k and a_row apart. Of the tile k, a, b, c, d, a_row, ldc, ldd,
     cols, alpha and beta are looked at. */
  void (*pack_edge)(void *out, const void *b, int64_t ldb, int64_t k, int64_t cols);
  void (*edge)(const struct wr_tile *t, int64_t rows);
  const struct wr_few_kernels *few;
  /* The same for b of such elements, which become float32 in registers. NULL: none. */
  const struct wr_few_kernels *halves[WR_HALVES];
};

/* Those that every processor of the architecture runs, and those for more instructions. */
extern const struct wr_gemm_kernels wr_gemm_f32, wr_gemm_f64;
#if defined(__x86_64__)
extern const struct wr_gemm_kernels wr_gemm_f32_avx2, wr_gemm_f64_avx2;
extern const struct wr_gemm_kernels wr_gemm_f32_avx512, wr_gemm_f64_avx512;
#endif

#endif
