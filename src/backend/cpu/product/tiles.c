/* Tiles of a product, one after another: what a tile is told, and in which order tiles come. */

#include "backend/cpu/product/job.h"

static const double part_flops = 1e6; /* worth a second thread */

static enum wr_tile_way way_of(const struct wr_gemm_job *j, const struct wr_gemm_block *block,
                               int64_t b_step) {
  if (block->step == j->with->rows && block->row == 1 && b_step == j->with->cols) {
    return WR_TILE_PACKED;
  }
  if (block->windows || block->next) return WR_TILE_TAPS;
  return block->step == 1 ? WR_TILE_ROWS_APART : WR_TILE_ROWS_BESIDE;
}

/* Of rows that are read where they lie, part by part, the tile's stretches of k: in every other one
   it asks for its share of the next part of one of its rows, which are far from each other, so that
   the processor does not foresee it; in those between, for its share of b. */
struct stretches {
  int64_t at[WR_GEMM_STRETCHES];
  uintptr_t soons[WR_GEMM_STRETCHES];
  uintptr_t next; /* its first row's */
  int64_t apart;  /* bytes, from row to row */
};

static void stretch(const struct wr_gemm_job *j, const struct wr_gemm_block *block,
                    struct wr_tile *t, struct stretches *s, int64_t col) {
  const int64_t columns = parts(j->n, j->with->cols), column = (col - j->first_col) / j->with->cols;
  const int64_t share = parts(block->next_depth * j->element, columns);
  t->k /= WR_GEMM_STRETCHES;
  t->taps = WR_GEMM_STRETCHES;
  for (int i = 0; i < WR_GEMM_STRETCHES; i++) s->at[i] = i * t->k;
  t->at = s->at;
  t->soons = s->soons;
  s->next = (uintptr_t)block->next + (uintptr_t)(column * share);
  s->apart = j->g.lda * j->element;
  /* Half of the places have what all would. */
  t->soon_step = least(most(2 * t->soon_step, parts(share, t->k)), 2 * WR_LINE);
}

static void ask_for_rows(struct stretches *s, const struct wr_tile *t, int64_t count) {
  for (int i = 0; i < WR_TILE_ROWS; i++) {
    s->soons[2 * i] = s->next + (uintptr_t)(least(i, count - 1) * s->apart);
    s->soons[2 * i + 1] = t->soon + (uintptr_t)(i * t->k * t->soon_step);
  }
  s->next += (uintptr_t)(count * s->apart);
}

/* A tile of which not all columns are there: its sums go to a scratch first. */
__attribute__((noinline)) static void edge(const struct wr_gemm_kernels *with,
                                           void (*tile)(const struct wr_tile *t),
                                           const struct wr_tile *t, int64_t rows, int64_t element) {
  _Alignas(WR_LINE) union {
    float singles[WR_TILE_ROWS * WR_TILE_COLS];
    double doubles[WR_TILE_ROWS * WR_TILE_COLS / 2];
  } sums;
  struct wr_tile whole = *t;
  whole.c = &sums;
  whole.ldc = with->cols;
  whole.alpha = 1;
  whole.beta = 0;
  whole.ask = false;
  for (int64_t i = 0; i < rows; i++) {
    __builtin_prefetch((char *)t->c + i * t->ldc * element, 1);
  }
  tile(&whole);
  with->finish(t, rows, &sums);
}

/* Tiles of `rows` rows from t->a on. */
static void tiles(const struct wr_gemm_job *j, const struct wr_gemm_block *block, struct wr_tile *t,
                  struct stretches *s, enum wr_tile_way way, int64_t rows) {
  const struct wr_gemm_kernels *with = j->with;
  const int64_t half = with->cols / 2;
  const int wide = t->cols > half;
  const bool all = t->cols == (wide ? with->cols : half);
  const int64_t places = t->soons ? t->k * WR_TILE_ROWS : t->k * t->taps;
  for (int64_t i = 0; i < rows; i += block->height) {
    const int64_t count = least(block->height, rows - i);
    if (t->soons) ask_for_rows(s, t, count);
    if (all) {
      with->tile[count - 1][wide][way](t);
    } else {
      edge(with, with->tile[count - 1][wide][way], t, count, j->element);
    }
    t->a = (const char *)t->a + block->tile * j->element;
    t->c = (char *)t->c + count * t->ldc * j->element;
    t->d = (const char *)t->d + count * t->ldd * j->element;
    t->soon += (uintptr_t)(places * t->soon_step);
  }
}

void wr_gemm_column(const struct wr_gemm_job *j, const struct wr_gemm_block *block, int64_t row,
                    int64_t rows, const void *b, int64_t b_step, int64_t col, int64_t p,
                    int64_t depth, struct wr_gemm_soon soon) {
  const struct wr_gemm *g = &j->g;
  const struct wr_gemm_kernels *with = j->with;
  const struct wr_gemm_windows *windows = block->windows;
  const bool again = p > 0 || !g->d;
  const int64_t run = windows ? windows->run : rows;
  struct wr_tile t = {.k = windows ? block->each : depth,
                      .a = block->a,
                      .b = b,
                      .a_row = block->row,
                      .a_step = block->step,
                      .taps = windows ? depth / block->each : 1,
                      .at = block->at,
                      .b_step = b_step,
                      .ldc = g->ldc,
                      .ldd = again ? g->ldc : g->ldd,
                      .cols = least(with->cols, j->first_col + j->n - col),
                      .ask = true,
                      .alpha = (double)g->alpha,
                      .beta = p > 0 ? 1 : (double)g->beta};
  const enum wr_tile_way way = way_of(j, block, b_step);
  t.c = (char *)g->c + (row * g->ldc + col) * j->element;
  t.d = again ? t.c : (const char *)g->d + (row * g->ldd + col) * j->element;
  if (soon.at) {
    t.soon_step = parts(soon.bytes, depth * parts(rows, run) * parts(run, block->height));
    t.soon_step = least(t.soon_step, 2 * WR_LINE);
  }
  t.soon = (uintptr_t)(soon.at ? soon.at : b);
  struct stretches s;
  if (block->next) stretch(j, block, &t, &s, col);
  for (int64_t i = 0; i < rows; i += run) {
    if (i > 0) t.a = block->a + wr_gemm_windows_start(block, i / run) * j->element;
    tiles(j, block, &t, &s, way, run);
  }
}

struct wr_gemm_block wr_gemm_block_in_place(const struct wr_gemm_job *j, int64_t row, int64_t rows,
                                            int64_t p) {
  const struct wr_gemm *g = &j->g;
  struct wr_gemm_block block = {
      .a = a_at(j, row, p), .row = g->lda, .step = 1, .height = height_of(j, rows)};
  if (g->a_transposed) {
    block.row = 1;
    block.step = g->lda;
  }
  block.tile = block.row * block.height;
  return block;
}

void wr_gemm_run_awake(int64_t n, double flops, wr_parallel_body body, void *ctx) {
  if (n < 2 || flops < 2 * part_flops / WR_PARALLEL_AWAKE) {
    body(ctx, 0, n);
  } else {
    wr_parallel_for_awake(n, n, (n + WR_PARALLEL_AWAKE - 1) / WR_PARALLEL_AWAKE, body, ctx);
  }
}

void wr_gemm_run_all(bool alone, int64_t n, double flops, wr_parallel_body body, void *ctx) {
  if (alone || n < 2) {
    body(ctx, 0, n);
  } else if (flops < 2 * part_flops) {
    wr_gemm_run_awake(n, flops, body, ctx);
  } else {
    const double grain = part_flops * (double)n / flops;
    wr_parallel_for(n, grain > 1 ? (int64_t)grain : 1, body, ctx);
  }
}

double wr_gemm_flops(const struct wr_gemm_job *j) {
  return 2.0 * (double)j->g.m * (double)j->g.n * (double)j->g.k;
}
