#ifndef WR_BACKEND_CPU_QUANTIZED_ROWS_H
#define WR_BACKEND_CPU_QUANTIZED_ROWS_H

/* A few rows of x by rows of a quantised matrix whose codes are integers, or halves of them.

   A row of x becomes integers of 16 bits, a power of two for each group times those, and where x is
   float32 15 bits more. Codes lie in words of 16 bits, some in each, so that shifts alone bring
   them under the elements of x, which lie in that order: planes, one for each code of a word. A
   block is 64 bytes of codes, or as many codes as 64 bytes would hold of 8 bits each; 16 lanes each
   have the sum of the products of neighbours in it, exact in 32 bits, and becoming float32 only as
   the scale comes to it. So a result is the same on every processor, whatever instructions it is
   made with. Plain functions; no locks, no allocation. */

#include "backend/cpu/packed.h"

enum {
  WR_ROWS_X = 8,       /* rows of x at once, at most */
  WR_ROWS_W = 16,      /* rows of w in a panel, at most */
  WR_ROWS_WORDS = 32,  /* of a block */
  WR_ROWS_LANES = 16,  /* two words each */
  WR_ROWS_CODES = 4096 /* of a row in a chunk at most, whole blocks and groups */
};

/* Codes of a word: as many planes. */
static inline int wr_rows_planes(const struct wr_packed_rows *w) {
  return w->bits == 2 ? 8 : w->bits == 4 ? 4 : 2;
}
static inline int wr_rows_block(const struct wr_packed_rows *w) {
  return WR_ROWS_WORDS * wr_rows_planes(w);
}

/* Rows of x as integers, each in as many words as WR_ROWS_X or fewer rows of its matrix that are
   multiplied at once: of a block first those of one row, then of the next, and of each first the
   high ones, then, if exact, the low ones, plane by plane. */
struct wr_rows {
  struct wr_packed_rows w;
  int64_t k, m;                       /* m: rows of a matrix */
  bool exact;                         /* with 15 bits more */
  int16_t *words;                     /* whole blocks, the last one filled with 0 */
  float *steps, *sums;                /* of groups: what an integer is worth; the sum of x */
  int64_t x_length, x_groups;         /* from a row to the next */
  int32_t lane_groups[WR_ROWS_LANES]; /* which group of a block's has a lane */
};

/* Rows of x by a matrix: all but the memory, and how much of it a row takes, in elements. */
void wr_rows_begin(struct wr_rows *r, const struct wr_packed_rows *w, int64_t k, int64_t m,
                   bool exact);

/* A row of x, the `row`th of those to be, of k elements; false where they are not finite, or so
   large or small that scales might make infinities and zeros of what is worth something, or where
   one is so much larger than the rest of its group that this would be lost. */
bool wr_rows_split(struct wr_rows *to, int64_t row, const float *x);

/* y[i][r]: the i-th row of x, of `rows` at most WR_ROWS_X from `first` on, by row w_first + r. */
struct wr_rows_panel {
  const struct wr_rows *x;
  int64_t first, rows;
  int64_t w_first, w_rows; /* at most WR_ROWS_W */
  float y[WR_ROWS_X][WR_ROWS_W];
};

struct wr_rows_kernels {
  const char *name; /* of the instructions */
  void (*multiply)(struct wr_rows_panel *p);
};
/* The best that the processor has; of all that it has the n-th, or NULL. */
const struct wr_rows_kernels *wr_rows_kernels(void);
const struct wr_rows_kernels *wr_rows_kernels_at(int n);

#endif
