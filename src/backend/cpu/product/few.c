/* Products of which one side has a few rows: vectors times matrices, and a little more. Each
   element of the other side, called wide here, is used so few times that memory sets the pace: it
   is read once, where it lies, in long stretches. Where it is dense along k its columns meet the
   rows one by one (dots); else its rows are added up, some at a time (lines). Of elements of two
   bytes the few rows are copied, as float32, and those of the wide side become float32 in
   registers; where the instructions have no loops for that, in stretches that the first-level cache
   has room for. */

#include <string.h>

#include "backend/backend.h"
#include "backend/cpu/product/inside.h"
#include "backend/cpu/product/short.h"
#include "base/atomic.h"
#include "base/base.h"

enum { SUMS = 8192, LEAST_COLS = 256, ROWS_BYTES = 32768 };
enum { SHORT_DEEP = 2048, SHORT_COLS = 1024, SHORT_ROOM = WR_DOTS_COLS * SHORT_DEEP };
static const double part_bytes = 256 * 1024; /* of the wide side: worth a second thread */
/* Of the wide side, what second-level caches may still have of the last product: then there is one
   piece for each processor, so that most find again what they read before. */
static const double cached_bytes = 4 << 20;

struct few {
  const struct wr_few_kernels *with;
  const struct wr_gemm_short *from; /* by which the wide side becomes float32 first; or NULL */
  int64_t element;                  /* bytes, of all but the wide side as it lies */
  int64_t source;                   /* bytes, of that */
  int64_t rows, cols, k;
  const char *x; /* rows of k elements */
  int64_t ldx;
  const char *wide;
  int64_t ld;
  bool along_k; /* the wide side is dense along k, else along its columns */
  struct wr_few result;
  int64_t piece;       /* columns */
  wr_atomic_ptr error; /* atomic ACQ_REL: struct wr_error *, the first one; a reference */
};

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

bool wr_gemm_is_few(const struct wr_gemm *g) { return g->m <= WR_GEMM_FEW || g->n <= WR_GEMM_FEW; }

/* ---- element by element ---- */

static double get(const void *from, int64_t i, int64_t element) {
  return element == 4 ? (double)((const float *)from)[i] : ((const double *)from)[i];
}

static void put(void *to, int64_t i, int64_t element, double x) {
  if (element == 4) {
    ((float *)to)[i] = (float)x;
  } else {
    ((double *)to)[i] = x;
  }
}

void wr_gemm_scale(const struct wr_gemm *g) {
  const int64_t element = (int64_t)wr_dtype_size(g->dtype);
  const void *d = g->d ? g->d : g->c;
  for (int64_t i = 0; i < g->m; i++) {
    for (int64_t j = 0; j < g->n; j++) {
      const double x = g->beta == 0 ? 0 : (double)g->beta * get(d, i * g->ldd + j, element);
      put(g->c, i * g->ldc + j, element, x);
    }
  }
}

/* Sums of `cols` columns from `first` on become results. */
static void finish(const struct few *f, const void *sums, int64_t first, int64_t cols) {
  const struct wr_few *r = &f->result;
  for (int64_t i = 0; i < f->rows; i++) {
    for (int64_t j = 0; j < cols; j++) {
      double x = r->alpha * get(sums, i * cols + j, f->element);
      if (r->beta != 0) {
        x += r->beta * get(r->d, i * r->d_row + (first + j) * r->d_col, f->element);
      }
      put(r->c, i * r->c_row + (first + j) * r->c_col, f->element, x);
    }
  }
}

/* ---- the two ways ---- */

/* Rows of the wide side, or a part of them, as float32. */
static const void *widened(const struct few *f, float *room, int64_t at, int64_t rows,
                           int64_t length) {
  wr_gemm_widen(f->from, room, (const uint16_t *)f->wide + at, f->ld, rows, length);
  return room;
}

/* `cols` columns that lie along k, of which places [p, p + part->k) are in part->b. */
static void dots_rows(const struct few *f, struct wr_few *part, int64_t p, int64_t j,
                      int64_t cols) {
  for (int64_t i = 0; i < f->rows; i += f->with->dots_rows) {
    const int64_t at = (i * part->c_row + j * part->c_col) * f->element;
    part->a = f->x + (i * f->ldx + p) * f->element;
    part->c = (char *)f->result.c + at;
    part->d = p > 0 ? part->c
                    : (const char *)f->result.d + (i * part->d_row + j * part->d_col) * f->element;
    f->with->dots[least(f->with->dots_rows, f->rows - i) - 1][cols > 1](part);
  }
}

/* How many places along k at once: as many as the rows, or what is widened, have in the first-level
   cache. */
static int64_t depth_of(const struct few *f) {
  const int64_t most = ROWS_BYTES / (f->rows * f->element), n = (f->k + most - 1) / most;
  return f->from ? SHORT_DEEP : ((f->k + n - 1) / n + 63) / 64 * 64;
}

static void dots(const struct few *f, float *room, int64_t first, int64_t cols) {
  const int64_t end = first + cols, depth = depth_of(f);
  struct wr_few part = f->result;
  for (int64_t p = 0; p < f->k; p += depth) {
    part.k = least(depth, f->k - p);
    if (f->from) part.ldb = part.k;
    for (int64_t j = first, step; j < end; j += step) {
      const int64_t at = j * f->ld + p;
      step = end - j < WR_DOTS_COLS ? 1 : WR_DOTS_COLS;
      part.b = f->from ? widened(f, room, at, step, part.k) : f->wide + at * f->source;
      dots_rows(f, &part, p, j, step);
    }
    part.beta = 1;
    part.d_row = part.c_row;
    part.d_col = part.c_col;
  }
}

static void lines(const struct few *f, char *sums, float *room, int64_t first, int64_t cols) {
  struct wr_few part = {.lda = f->ldx, .ldb = f->from ? cols : f->ld, .c_row = cols};
  memset(sums, 0, (size_t)(f->rows * cols * f->element));
  for (int64_t p = 0; p < f->k; p += WR_LINES_DEEP) {
    const int64_t at = p * f->ld + first;
    part.k = least(WR_LINES_DEEP, f->k - p);
    part.b = f->from ? widened(f, room, at, part.k, cols) : f->wide + at * f->source;
    for (int64_t i = 0; i < f->rows; i += f->with->lines_rows) {
      part.a = f->x + (i * f->ldx + p) * f->element;
      part.c = sums + i * cols * f->element;
      f->with->lines[least(f->with->lines_rows, f->rows - i) - 1](&part, cols);
    }
  }
  finish(f, sums, first, cols);
}

static void body(void *ctx, int64_t begin, int64_t end) {
  struct few *f = ctx;
  const int64_t sums = f->along_k ? 0 : f->rows * f->piece * f->element;
  const int64_t room = f->from ? SHORT_ROOM * f->element : 0;
  char *scratch = sums + room > 0 ? wr_alloc_aligned(64, (size_t)(sums + room)) : NULL;
  if (!scratch && sums + room > 0) {
    wr_error_keep_first(&f->error, wr_error_out_of_memory());
    return;
  }
  float *widened_room = room > 0 ? (float *)(void *)(scratch + sums) : NULL;
  for (int64_t i = begin; i < end; i++) {
    const int64_t first = i * f->piece, cols = least(f->piece, f->cols - first);
    if (f->along_k) {
      dots(f, widened_room, first, cols);
    } else {
      lines(f, scratch, widened_room, first, cols);
    }
  }
  wr_free(scratch);
}

/* ---- */

/* Rows of elements of two bytes, as float32, in a copy. */
static void *widened_copy(const struct wr_gemm_short *from, const void *in, int64_t ld,
                          int64_t rows, int64_t length) {
  float *out = wr_alloc((size_t)(rows * length) * sizeof *out);
  if (out) wr_gemm_widen(from, out, in, ld, rows, length);
  return out;
}

/* The few rows, as columns of a matrix whose rows are ld apart, copied. */
static void *turned(const void *from, int64_t ld, int64_t rows, int64_t k, int64_t element) {
  void *out = wr_alloc((size_t)(rows * k * element));
  if (!out) return NULL;
  for (int64_t p = 0; p < k; p++) {
    for (int64_t i = 0; i < rows; i++) {
      if (element == 4) {
        ((float *)out)[i * k + p] = ((const float *)from)[p * ld + i];
      } else {
        ((double *)out)[i * k + p] = ((const double *)from)[p * ld + i];
      }
    }
  }
  return out;
}

static void pieces(struct few *f, bool alone) {
  const double bytes = (double)f->cols * (double)f->k * (double)f->element;
  const int64_t by_bytes = (int64_t)(part_bytes * (double)f->cols / bytes) + 1;
  f->piece = least(f->cols, SUMS / f->rows / 16 * 16); /* so the last few alone have no group */
  if (f->from) f->piece = least(f->piece, SHORT_COLS);
  if (!alone && bytes >= 2 * part_bytes) {
    const int64_t n = (bytes <= cached_bytes ? 1 : 2) * wr_cpu_count();
    int64_t cols = (f->cols + n - 1) / n;
    if (cols < by_bytes) cols = by_bytes;
    if (!f->along_k && cols < LEAST_COLS) cols = LEAST_COLS;
    f->piece = least(f->piece, (cols + 15) / 16 * 16);
  }
  const int64_t n = (f->cols + f->piece - 1) / f->piece;
  if (alone || n < 2 || bytes < 2 * part_bytes) {
    body(f, 0, n);
  } else {
    wr_parallel_for(n, 1, body, f);
  }
}

/* The few rows as the kernels read them, in a copy where they do not lie so: that is *copy, or
   NULL. False: memory was refused. */
static bool prepare(struct few *f, const struct wr_gemm_short *from, bool turn, void **copy) {
  void *wide = NULL;
  *copy = NULL;
  if (from) {
    *copy = wide = widened_copy(from, f->x, f->ldx, turn ? f->k : f->rows, turn ? f->rows : f->k);
    if (!wide) return false;
    f->x = wide;
    f->ldx = turn ? f->rows : f->k;
  }
  if (!turn) return true;
  *copy = turned(f->x, f->ldx, f->rows, f->k, f->element);
  wr_free(wide);
  f->x = *copy;
  f->ldx = f->k;
  return *copy != NULL;
}

struct wr_error *wr_gemm_few(const struct wr_gemm *g, const struct wr_gemm_kernels *with,
                             bool alone) {
  const bool rows = g->m <= g->n; /* it is a that has a few */
  const struct wr_few_kernels *halves = g->from ? with->halves[g->from->half] : NULL;
  struct few f = {.with = halves ? halves : with->few,
                  .from = halves ? NULL : g->from,
                  .element = (int64_t)wr_dtype_size(g->dtype),
                  .k = g->k};
  f.source = g->from ? (int64_t)sizeof(uint16_t) : f.element;
  const void *d = g->d ? g->d : g->c;
  const bool turn = rows ? g->a_transposed : !g->b_transposed;
  void *copy = NULL;
  f.rows = rows ? g->m : g->n;
  f.cols = rows ? g->n : g->m;
  f.x = rows ? g->a : g->b;
  f.ldx = rows ? g->lda : g->ldb;
  f.wide = rows ? g->b : g->a;
  f.ld = rows ? g->ldb : g->lda;
  f.along_k = rows ? g->b_transposed : !g->a_transposed;
  if (!prepare(&f, g->from, turn, &copy)) return wr_error_out_of_memory();
  f.result = (struct wr_few){.k = f.k,
                             .d = d,
                             .c = g->c,
                             .lda = f.ldx,
                             .ldb = f.ld,
                             .c_row = rows ? g->ldc : 1,
                             .c_col = rows ? 1 : g->ldc,
                             .d_row = rows ? g->ldd : 1,
                             .d_col = rows ? 1 : g->ldd,
                             .alpha = (double)g->alpha,
                             .beta = (double)g->beta};
  pieces(&f, alone);
  wr_free(copy);
  return wr_load_acquire(&f.error); /* the pool has finished */
}
