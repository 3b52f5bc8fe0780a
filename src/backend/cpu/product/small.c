/* Small products: b fits in the caches as it lies, so that packing it would only cost. Tiles read
   it there; many rows by one or two vectors of columns go by without tiles. */

#include "backend/cpu/product/job.h"
#include "backend/cpu/product/short.h"
#include "base/base.h"

/* Multiplications of a product that is run without a job: not worth a second thread. */
enum { TINY = 1000000 };
/* Bytes of b, for any number of rows and for so many; rows of a piece. */
enum { BYTES = 24 * 1024, BYTES_FOR_SOME = 160 * 1024, SOME_ROWS = 256, PIECE_ROWS = 48 };
enum { PIECE_FEW = 4 };
enum { STREAM_DEEP = 32, EDGE_DEEP = 64 }; /* places along k: at most, and at least */

/* Columns behind whole tiles, whose width is a power of two: for the smallest products a division
   is a part of the time. */
static int64_t left_of(const struct wr_gemm_job *j) { return j->n & (j->with->cols - 1); }

/* Of what is left behind whole tiles, the columns that a tile of whole vectors takes, from the last
   one backwards. */
static int64_t last_tile(const struct wr_gemm_job *j) {
  const int64_t width = j->with->cols, left = left_of(j);
  return left == 0 ? 0 : left > width / 2 ? width : width / 2;
}

/* As many of them as are computed by themselves: all, or none. Four at once are copied, and of four
   rows by them 16 vectors of sums are added up in the end, which pays where they are long. */
static int64_t edge_of(const struct wr_gemm_kernels *with, int64_t left, int64_t k) {
  const bool pays =
      (left <= WR_EDGE_COLS && k >= EDGE_DEEP) || (left <= 2 * WR_EDGE_COLS && k >= 2 * EDGE_DEEP);
  return with->edge && pays ? left : 0;
}

static int64_t edge_room(int64_t k) { return WR_EDGE_COLS * round_up(k, 16); } /* elements */

/* Columns of which no whole vectors can be read where they lie: some may be computed twice, unless
   they are added to what is there. */
static int64_t packed_columns(const struct wr_gemm_job *j) {
  const int64_t left = left_of(j), last = last_tile(j);
  const bool once = j->g.beta != 0 && !j->g.d;
  return left == last || (!once && j->n >= last) ? 0 : left;
}

/* The rows of the next piece, where they follow: there are more of them than fit in caches. */
static struct wr_gemm_soon rows_next(const struct wr_gemm_job *j, int64_t row) {
  const struct wr_gemm *g = &j->g;
  if (g->m <= SOME_ROWS || g->a_transposed || g->lda > g->k || row >= g->m) {
    return (struct wr_gemm_soon){0};
  }
  return (struct wr_gemm_soon){a_at(j, row, 0), PIECE_ROWS * g->k * j->element};
}

/* None has so few that tiles of them take much longer for each. */
static int64_t rows_of_piece(int64_t m) {
  const int64_t left = m % PIECE_ROWS;
  return left == 0 || left > PIECE_FEW || m < PIECE_ROWS ? PIECE_ROWS
                                                         : parts(m, parts(m, PIECE_ROWS));
}

/* Many rows by one vector of columns, or two: what tiles cost beside their sums is a good part. */
static bool is_stream(const struct wr_gemm_job *j) {
  const struct wr_gemm *g = &j->g;
  const int64_t n = g->n, half = j->with->cols / 2;
  return g->m > SOME_ROWS && g->k <= STREAM_DEEP && (n == half || n == 2 * half) &&
         !g->a_transposed && g->lda == g->k && g->ldc == n;
}

/* Rows [row, row + rows) of such; the first that is left to tiles. */
static int64_t stream(const struct wr_gemm_job *j, int64_t row, int64_t rows) {
  const struct wr_gemm *g = &j->g;
  struct wr_tile t = {.k = g->k,
                      .a = a_at(j, row, 0),
                      .b = g->b,
                      .c = (char *)g->c + row * g->ldc * j->element,
                      .a_row = g->lda,
                      .a_step = 1,
                      .taps = 1,
                      .b_step = g->ldb,
                      .ldc = g->ldc,
                      .ldd = g->d ? g->ldd : g->ldc,
                      .cols = g->n,
                      .alpha = (double)g->alpha,
                      .beta = (double)g->beta};
  t.d = g->d ? (const char *)g->d + row * g->ldd * j->element : t.c;
  return row + j->with->stream[g->n == j->with->cols](&t, rows);
}

/* The columns from `first` on. */
static void edge_rows(const struct wr_gemm_job *j, int64_t row, int64_t rows, int64_t first) {
  const struct wr_gemm *g = &j->g;
  struct wr_tile t = {.k = g->k,
                      .a = a_at(j, row, 0),
                      .b = j->packed,
                      .a_row = g->lda,
                      .ldc = g->ldc,
                      .ldd = g->d ? g->ldd : g->ldc,
                      .alpha = (double)g->alpha,
                      .beta = (double)g->beta};
  for (int64_t col = first; col < g->n; col += WR_EDGE_COLS) {
    t.cols = least(WR_EDGE_COLS, g->n - col);
    t.c = (char *)g->c + (row * g->ldc + col) * j->element;
    t.d = g->d ? (const char *)g->d + (row * g->ldd + col) * j->element : t.c;
    j->with->edge(&t, rows);
    t.b = (const char *)t.b + edge_room(g->k) * j->element;
  }
}

/* Rows against b where it lies, but for columns that are packed. */
static void body(void *ctx, int64_t begin, int64_t end) {
  const struct wr_gemm_job *j = ctx;
  const int64_t width = j->with->cols, whole = j->n - left_of(j), k = j->g.k;
  const int64_t last = j->n - last_tile(j);
  const int64_t after = least(j->g.m, end * j->rows);
  const int64_t row =
      is_stream(j) ? stream(j, begin * j->rows, after - begin * j->rows) : begin * j->rows;
  const int64_t rows = after - row;
  for (int64_t i = row; i < row + rows; i += j->rows) {
    const int64_t count = least(j->rows, row + rows - i);
    const struct wr_gemm_block block = wr_gemm_block_in_place(j, i, count, 0);
    const struct wr_gemm_soon soon = rows_next(j, i + count), none = {0};
    for (int64_t col = 0; col < whole; col += width) {
      wr_gemm_column(j, &block, i, count, b_at(j, 0, col), j->g.ldb, col, 0, k,
                     col == 0 ? soon : none);
    }
    if (j->edge) {
      edge_rows(j, i, count, whole);
    } else if (j->packed) {
      wr_gemm_column(j, &block, i, count, j->packed, width, whole, 0, k, none);
    } else if (whole < j->n) {
      wr_gemm_column(j, &block, i, count, b_at(j, 0, last), j->g.ldb, last, 0, k, none);
    }
  }
}

/* What the last columns need of b. False: memory was refused. */
static bool pack_last(struct wr_gemm_job *j) {
  const struct wr_gemm *g = &j->g;
  const int64_t width = j->with->cols, left = left_of(j), room = edge_room(g->k) * j->element;
  j->edge = g->a_transposed ? 0 : edge_of(j->with, left, g->k);
  const int64_t packed = j->edge > 0 ? 0 : packed_columns(j);
  const int64_t edges = parts(j->edge, WR_EDGE_COLS);
  if (packed + edges == 0) return true;
  j->packed = wr_alloc_aligned(64, (size_t)(edges > 0 ? edges * room : width * g->k * j->element));
  if (!j->packed) return false;
  for (int64_t i = 0, col = g->n - left; i < edges; i++, col += WR_EDGE_COLS) {
    j->with->pack_edge(j->packed + i * room, b_at(j, 0, col), g->ldb, g->k,
                       least(WR_EDGE_COLS, g->n - col));
  }
  if (packed > 0) {
    j->with->pack_b(j->packed, b_at(j, 0, j->n - packed), g->ldb, false, g->k, packed);
  }
  return true;
}

static void run(struct wr_gemm_job *j, bool alone) {
  if (!pack_last(j)) {
    wr_error_keep_first(&j->error, wr_error_out_of_memory());
    return;
  }
  j->rows = rows_of_piece(j->g.m);
  wr_gemm_run_all(alone, parts(j->g.m, j->rows), wr_gemm_flops(j), body, j);
  wr_free(j->packed);
}

/* ---- the smallest ---- */

bool wr_gemm_tiny(struct wr_gemm_tiny *tiny, const struct wr_gemm *g,
                  const struct wr_gemm_kernels *with) {
  const int64_t m = g->m, n = g->n, k = g->k, half = with->cols / 2, left = n & (with->cols - 1);
  const int64_t element = g->dtype == WR_FLOAT32 ? 4 : 8;
  if (g->a_transposed || g->b_transposed || g->a_rows || g->windows) return false;
  if (g->from && (m > 2 * PIECE_ROWS || n * k * element > BYTES)) return false;
  if (m > SOME_ROWS || k > WR_GEMM_DEEP || n * k * element > BYTES_FOR_SOME) return false;
  if (n < half || m * n * k > TINY) return false;
  tiny->edge = left == 0 ? 0 : edge_of(with, left, k);
  const int64_t last = left == 0 || tiny->edge > 0 ? 0 : left > half ? with->cols : half;
  if (left != last + tiny->edge && g->beta != 0 && !g->d) return false;
  tiny->with = with;
  tiny->element = element;
  tiny->m = m;
  tiny->n = n;
  tiny->last = last;
  tiny->height = with->rows;
  tiny->tiles = 1;
  while (tiny->tiles * with->rows < m) tiny->tiles++; /* counted sooner than divided */
  while ((tiny->height - 1) * tiny->tiles >= m) tiny->height--;
  tiny->tile = (struct wr_tile){.k = k,
                                .a_row = g->from ? k : g->lda,
                                .a_step = 1,
                                .taps = 1,
                                .b_step = g->from ? n : g->ldb,
                                .ldc = g->ldc,
                                .ldd = g->d ? g->ldd : g->ldc,
                                .alpha = (double)g->alpha,
                                .beta = (double)g->beta};
  return true;
}

/* Where the rows of a tile begin. */
struct tile_rows {
  const char *a;
  char *c;
  const char *d;
};

/* `rows` rows by half or all of a tile's columns from `col` on. */
static void tile_at(const struct wr_gemm_tiny *tiny, struct wr_tile *t, const struct tile_rows *of,
                    int64_t rows, int wide, const char *b, int64_t col) {
  const int64_t bytes = col * tiny->element;
  t->b = b + bytes;
  t->c = of->c + bytes;
  t->d = of->d + bytes;
  tiny->with->tile[rows - 1][wide][WR_TILE_ROWS_APART](t);
}

/* All columns of the rows of a tile, but for those that are computed by themselves. Behind whole
   tiles there is one that ends with the matrix; where there are fewer columns than that, two of
   half a tile's take its place. */
static void columns(const struct wr_gemm_tiny *tiny, struct wr_tile *t, const struct tile_rows *of,
                    int64_t rows, const char *b) {
  const int64_t n = tiny->n, width = tiny->with->cols, last = tiny->last;
  t->a = of->a;
  for (int64_t col = 0; col + width <= n; col += width) tile_at(tiny, t, of, rows, 1, b, col);
  if (last == 0) return;
  if (n < last) tile_at(tiny, t, of, rows, 0, b, 0);
  const int64_t end = n < last ? width / 2 : last;
  tile_at(tiny, t, of, rows, end == width, b, n - end);
}

/* Of all rows those columns that are computed by themselves. A function of its own: most products
   have none, and it takes room on the stack. */
__attribute__((noinline)) static void edges(const struct wr_gemm_tiny *tiny, const void *a,
                                            const char *b, char *c, const char *d) {
  enum { ROOM = WR_EDGE_COLS * WR_GEMM_DEEP };
  _Alignas(WR_LINE) float packed[ROOM]; /* only kernels of float32 have an edge */
  struct wr_tile t = tiny->tile;
  t.a = a;
  t.b = packed;
  for (int64_t col = tiny->n - tiny->edge; col < tiny->n; col += WR_EDGE_COLS) {
    const int64_t bytes = col * tiny->element;
    t.cols = least(WR_EDGE_COLS, tiny->n - col);
    t.c = c + bytes;
    t.d = d + bytes;
    tiny->with->pack_edge(packed, b + bytes, t.b_step, t.k, t.cols);
    tiny->with->edge(&t, tiny->m);
  }
}

/* Row by row of tiles, the heights of which differ by one at most. Tiles are written in place:
   copies of what was written a moment ago are what the smallest products would wait for. */
void wr_gemm_tiny_run(const struct wr_gemm_tiny *tiny, const void *a, const void *b, void *c,
                      const void *d) {
  struct wr_tile t = tiny->tile;
  struct tile_rows of = {a, c, d ? d : c};
  if (tiny->edge > 0) edges(tiny, a, b, c, of.d);
  int64_t height = tiny->height, left = tiny->m;
  for (int64_t tiles = tiny->tiles; tiles > 0; tiles--) {
    if ((height - 1) * tiles >= left) height--;
    columns(tiny, &t, &of, height, b);
    left -= height;
    if (left == 0) return;
    of.a += height * t.a_row * tiny->element;
    of.c += height * t.ldc * tiny->element;
    of.d += height * t.ldd * tiny->element;
  }
}

/* One product by itself, cut for workers that are awake: they take rows of tiles. */
struct cut_tiny {
  const struct wr_gemm_tiny *tiny;
  const struct wr_gemm *g;
};

static int64_t row_of(const struct wr_gemm_tiny *tiny, int64_t tile) {
  const int64_t low = tiny->height - 1, high = tiny->m - low * tiny->tiles;
  return low * tile + least(tile, high);
}

static void tiny_body(void *ctx, int64_t begin, int64_t end) {
  const struct cut_tiny *cut = ctx;
  const struct wr_gemm *g = cut->g;
  struct wr_gemm_tiny part = *cut->tiny;
  const int64_t row = row_of(&part, begin), bytes = row * part.element;
  part.m = row_of(&part, end) - row;
  part.tiles = end - begin;
  wr_gemm_tiny_run(&part, (const char *)g->a + bytes * part.tile.a_row, g->b,
                   (char *)g->c + bytes * part.tile.ldc,
                   g->d ? (const char *)g->d + bytes * part.tile.ldd : NULL);
}

void wr_gemm_tiny_spread(const struct wr_gemm_tiny *tiny, const struct wr_gemm *g) {
  static const double enough = 1e6; /* less is over about as soon on one processor */
  const double flops = 2.0 * (double)(g->m * g->n * g->k);
  const struct cut_tiny cut = {tiny, g};
  if (flops < enough) {
    wr_gemm_tiny_run(tiny, g->a, g->b, g->c, g->d);
    return;
  }
  wr_gemm_run_awake(tiny->tiles, flops, tiny_body, (void *)&cut);
}

/* Of two bytes an element: each is widened whole. */
struct wr_error *wr_gemm_tiny_short(const struct wr_gemm_tiny *tiny, const struct wr_gemm *first,
                                    int64_t count, const struct wr_gemm_apart *apart) {
  const int64_t m = tiny->m, n = tiny->n, k = tiny->tile.k;
  const char *a = first->a, *b = first->b, *d = first->d;
  char *c = first->c;
  float *wide = wr_alloc_aligned(64, (size_t)((m + n) * k) * sizeof *wide);
  if (!wide) return wr_error_out_of_memory();
  for (int64_t i = 0; i < count; i++) {
    if (i == 0 || apart->b != 0) {
      wr_gemm_widen(first->from, wide, b + i * apart->b, first->ldb, k, n);
    }
    wr_gemm_widen(first->from, wide + n * k, a + i * apart->a, first->lda, m, k);
    wr_gemm_tiny_run(tiny, wide + n * k, wide, c + i * apart->c, d ? d + i * apart->d : NULL);
  }
  wr_free(wide);
  return NULL;
}

/* ---- */

bool wr_gemm_is_small(const struct wr_gemm_job *j) {
  const struct wr_gemm *g = &j->g;
  const int64_t bytes = g->k * g->n * j->element;
  return !g->b_transposed && g->k <= WR_GEMM_DEEP &&
         bytes <= (g->m <= SOME_ROWS ? BYTES_FOR_SOME : BYTES) &&
         (!g->a_transposed || g->m * g->k * j->element <= BYTES) &&
         (!g->from || (g->m <= 2 * PIECE_ROWS && bytes <= BYTES)) && !g->a_rows && !g->windows;
}

/* Operands of two bytes an element become matrices of float32 for it. */
static struct wr_error *run_short(struct wr_gemm_job *j, bool alone) {
  struct wr_gemm *g = &j->g;
  const int64_t a_rows = g->a_transposed ? g->k : g->m, a_cols = g->a_transposed ? g->m : g->k;
  float *wide = wr_alloc_aligned(64, (size_t)(g->m + g->n) * (size_t)g->k * sizeof *wide);
  if (!wide) return wr_error_out_of_memory();
  float *b = wide, *a = wide + g->k * g->n;
  wr_gemm_widen(g->from, b, g->b, g->ldb, g->k, g->n);
  wr_gemm_widen(g->from, a, g->a, g->lda, a_rows, a_cols);
  g->a = a;
  g->lda = a_cols;
  g->b = b;
  g->ldb = g->n;
  j->source = j->element;
  run(j, alone);
  wr_free(wide);
  return wr_load_acquire(&j->error); /* the pool has finished */
}

struct wr_error *wr_gemm_small(struct wr_gemm_job *j, bool alone) {
  if (j->g.from) return run_short(j, alone);
  run(j, alone);
  return wr_load_acquire(&j->error); /* the pool has finished */
}
