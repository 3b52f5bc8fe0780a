#ifndef WR_BACKEND_CPU_PRODUCT_JOB_H
#define WR_BACKEND_CPU_PRODUCT_JOB_H

/* A product on its way, and how its tiles are run; product.c cuts it, small.c has those that need
   no packing. Plain data: what a job has is set before the pool sees it. */

#include "backend/backend.h"
#include "backend/cpu/product/inside.h"
#include "base/atomic.h"

/* Places of a part along k, at most: a column of tiles of b has 24 KB of float32 in 16 columns.
   DEEPER: the same where a row of a tile has two lines: 66 KB, of the second-level cache. Bytes of
   a block of a that is DEEP: 144 rows of float32; of DEEPER 304 KB, of a cache of 512 KB. */
enum { WR_GEMM_DEEP = 384, WR_GEMM_DEEPER = 528, WR_GEMM_BLOCK = 221184 };

/* Of a tile's part along k, each row's and as many between them. */
enum { WR_GEMM_STRETCHES = 2 * WR_TILE_ROWS };

struct wr_gemm_job {
  struct wr_gemm g;
  const struct wr_gemm_kernels *with;
  int64_t element;      /* bytes, of what is computed with and of c */
  int64_t source;       /* bytes, of a and b */
  int64_t deep;         /* of a part along k, all but the last */
  int64_t rows, cols;   /* of a piece */
  int64_t across;       /* pieces in a row of them */
  int64_t first_col, n; /* of this chunk of b's columns */
  int64_t first_row, m; /* of this chunk of a's rows */
  bool a_in_place;      /* it is read where it lies, by too few columns to pay for packing it */
  bool a_lines;         /* or packed as lines, where it cannot be read so */
  bool b_in_place;      /* its columns are few, and are read where they lie */
  int64_t edge;         /* columns beside whole tiles that are computed by themselves */
  char *packed_a;       /* the chunk: each block of rows, of that each part along k; or NULL: each
                           piece packs what it reads */
  char *packed; /* the chunk: for each part along k, each column of tiles; NULL where it is not
                   packed first */
  struct wr_form *kept; /* whose bytes `packed` is; or NULL */
  wr_atomic_ptr error;  /* atomic ACQ_REL: struct wr_error *, the first one; a reference */
};

/* Rows of a as tiles read them. */
struct wr_gemm_block {
  const char *a;
  int64_t row, step; /* elements: from row to row, from place to place along k */
  int64_t height;    /* rows of a tile */
  int64_t tile;      /* elements: from tile to tile */
  /* Of windows, else NULL: their runs from this one on, of which the first begins at a; places of
     a tap, and where the taps are. */
  const struct wr_gemm_windows *windows;
  int64_t run, each;
  const int64_t *at;
  /* Of rows that are read where they lie, where the next part along k of the first is, and its
     places, which tiles ask for. NULL: nowhere. */
  const char *next;
  int64_t next_depth;
};

static inline int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }
static inline int64_t parts(int64_t extent, int64_t part) { return (extent + part - 1) / part; }
static inline int64_t round_up(int64_t n, int64_t to) { return parts(n, to) * to; }

static inline const char *a_at(const struct wr_gemm_job *j, int64_t row, int64_t p) {
  const struct wr_gemm *g = &j->g;
  return (const char *)g->a + (g->a_transposed ? p * g->lda + row : row * g->lda + p) * j->source;
}

static inline const char *b_at(const struct wr_gemm_job *j, int64_t p, int64_t col) {
  const struct wr_gemm *g = &j->g;
  return (const char *)g->b + (g->b_transposed ? col * g->ldb + p : p * g->ldb + col) * j->source;
}

/* As few tiles as may be have as many rows each, about: one of few rows takes longer for each. */
static inline int64_t height_of(const struct wr_gemm_job *j, int64_t rows) {
  return rows <= j->with->rows ? rows : parts(rows, parts(rows, j->with->rows));
}

/* A block of a where it lies. */
struct wr_gemm_block wr_gemm_block_in_place(const struct wr_gemm_job *j, int64_t row, int64_t rows,
                                            int64_t p);

/* What is read soon and may lie in memory: the tiles of a column ask for so many bytes of it, all
   the time. NULL: nothing. Some may lie behind the end of what is there. */
struct wr_gemm_soon {
  const char *at;
  int64_t bytes;
};

/* The tiles of one column: rows from `row` on, columns from `col` on. */
void wr_gemm_column(const struct wr_gemm_job *j, const struct wr_gemm_block *block, int64_t row,
                    int64_t rows, const void *b, int64_t b_step, int64_t col, int64_t p,
                    int64_t depth, struct wr_gemm_soon soon);

/* All n of what takes so many operations, on this thread or by the pool. */
void wr_gemm_run_all(bool alone, int64_t n, double flops, wr_parallel_body body, void *ctx);
/* The same for what is too small to wake a worker for: only those that are awake share it. */
void wr_gemm_run_awake(int64_t n, double flops, wr_parallel_body body, void *ctx);
double wr_gemm_flops(const struct wr_gemm_job *j);

/* One of the smallest products, of which describing them is a good part of the time: they are run
   at once, on this thread, many of one shape by one description. */
struct wr_gemm_tiny {
  const struct wr_gemm_kernels *with;
  struct wr_tile tile;   /* of each the same */
  int64_t element, m, n; /* bytes; rows and columns */
  int64_t last;          /* columns of the tile behind whole ones */
  int64_t edge;          /* or that many are computed by themselves */
  int64_t tiles, height; /* along the rows, of so many at most */
};

/* False: g is not one of them. For m and n above WR_GEMM_FEW, and what run_with has seen to; g->ldd
   need not be set. Where the matrices lie wr_gemm_tiny_run is told; d may be NULL if g's is. */
bool wr_gemm_tiny(struct wr_gemm_tiny *tiny, const struct wr_gemm *g,
                  const struct wr_gemm_kernels *with);
void wr_gemm_tiny_run(const struct wr_gemm_tiny *tiny, const void *a, const void *b, void *c,
                      const void *d);
/* The one of g, which has no elements of two bytes; workers that are awake take a part. */
void wr_gemm_tiny_spread(const struct wr_gemm_tiny *tiny, const struct wr_gemm *g);
/* `first`, of elements of two bytes, and those behind it. An error is refused scratch memory. */
struct wr_error *wr_gemm_tiny_short(const struct wr_gemm_tiny *tiny, const struct wr_gemm *first,
                                    int64_t count, const struct wr_gemm_apart *apart);
/* Small products: b is read where it lies. */
bool wr_gemm_is_small(const struct wr_gemm_job *j);
struct wr_error *wr_gemm_small(struct wr_gemm_job *j, bool alone);

/* Windows (product.h): how deep a part along k is, lines that some runs read at most, and the lines
   of some runs, from `to` on or where they lie. */
int64_t wr_gemm_windows_deep(const struct wr_gemm_windows *w);
int64_t wr_gemm_windows_lines(const struct wr_gemm_windows *w, int64_t runs);
struct wr_gemm_block wr_gemm_windows_bring(const struct wr_gemm_job *j, char *to, int64_t row,
                                           int64_t rows);
/* Where a run begins, in elements from that of the block's first. */
int64_t wr_gemm_windows_start(const struct wr_gemm_block *block, int64_t run);

#endif
