#ifndef WR_BACKEND_CPU_PRODUCT_PRODUCT_H
#define WR_BACKEND_CPU_PRODUCT_PRODUCT_H

/* Products of real matrices by Weir's own code, in the manner of BLIS: a tile of the result stays
   in registers while a column of tiles of b, packed, stays in the first-level cache, and a block of
   a in the second.

   Each element is a sum over k in an order that follows from the shapes, the layouts and the
   processor's instructions: not from how many threads there are, nor from where a tile begins.

   No locks. Any thread; scratch is the call's own. */

#include <stdbool.h>
#include <stdint.h>

#include "backend/cpu/product/inner.h"
#include "core/dtype.h"
#include "core/error.h"
#include "memory/buffer.h"

/* A type of two bytes an element; there is one of these for each. */
struct wr_gemm_short {
  enum wr_half half;
  void (*widen)(float *out, const uint16_t *in, int64_t n);
};

/* Rows that are windows over lines, as those of a convolution are: row r is, for each of the taps,
   `each` elements that follow each other, from the tap's place on. Elements count from line to
   line, each of which has `length`. */
struct wr_gemm_windows {
  /* Puts lines there, zeros for those that are outside; any thread. NULL: they lie at the gemm's a.
   */
  void (*bring)(const void *of, void *to, int64_t line, int64_t lines);
  const void *of;
  int64_t length;
  int64_t run;   /* rows that begin on one line, lda elements one behind the other */
  int64_t runs;  /* of an image, the first of them on the image's first line */
  int64_t apart; /* lines, from one of them to the next */
  int64_t image; /* lines, from image to image */
  int64_t high;  /* lines that a row reads */
  int64_t taps, each;
  const int64_t *at; /* elements, from where a row begins to each tap */
};

/* c = alpha op(a) op(b) + beta c. op(a) is m x k, op(b) k x n, c m x n, all row-major; op
   transposes where the flag says. With beta 0, c is not read, and with alpha 0 neither a nor b. */
struct wr_gemm {
  enum wr_dtype dtype; /* WR_FLOAT32, WR_FLOAT64 or WR_COMPLEX64 */
  /* NULL; or a's and b's elements have two bytes, and become float32, which `dtype` is, by this. */
  const struct wr_gemm_short *from;
  bool a_transposed;
  bool b_transposed;
  int64_t m, n, k;
  const void *a, *b;
  int64_t lda, ldb, ldc;
  void *c;
  float alpha, beta;
  /* In place of beta c: beta d, m x n, whose rows are ldd apart, with 0 one row for all. It
     overlaps nothing that is written. NULL: c itself. Not for complex numbers. */
  const void *d;
  int64_t ldd;
  /* In place of a, not transposed: puts the places [p, p + depth) of `rows` rows from `row` on one
     behind the other, any thread. NULL: a. Only for real numbers and where m and n are above
     WR_GEMM_FEW. */
  void (*a_rows)(const void *of, void *to, int64_t row, int64_t rows, int64_t p, int64_t depth);
  const void *a_of;
  /* The same, of windows, for which `k` is taps times each, and `m` as many rows as some images
     have; where wr_gemm_takes_windows says so. */
  const struct wr_gemm_windows *windows;
  /* Whose bytes b's are, if its packed form may be kept for the next product; else NULL. */
  struct wr_buffer *b_of;
};

/* With so many rows or columns, or fewer, operands are read where they lie. */
enum { WR_GEMM_FEW = 8 };

/* Whether windows pay, and not only where many of them read the same. */
bool wr_gemm_takes_windows(const struct wr_gemm *g);

/* On the calling thread alone. An error is refused scratch memory. */
struct wr_error *wr_gemm_run(const struct wr_gemm *g);
/* Bytes from one product's matrices to those of the next. */
struct wr_gemm_apart {
  int64_t a, b, c, d;
};
/* As wr_gemm_run of each of `count` products of one shape and layout, `first` and those behind it.
 */
struct wr_error *wr_gemm_run_many(const struct wr_gemm *first, int64_t count,
                                  const struct wr_gemm_apart *apart);
/* By the pool too (wr_parallel_for), in pieces of a millisecond at most where the shape allows it.
   What comes out is the same, bit for bit. */
struct wr_error *wr_gemm_spread(const struct wr_gemm *g);

#endif
