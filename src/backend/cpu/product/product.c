/* How a product is cut; inner.h has the inner loops. There are six ways, chosen by the shape and
   the layout alone:

   - few: a or b has a row or a column, or some. Each element of the other is used so few times that
     it is read once, where it lies (few.c).
   - small: b fits in the caches as it lies, so that packing it would only cost (small.c).
   - deep: the result is small and k long, which is cut in stretches (deep.c), each by another way.
   - in place: b has a few columns, whole vectors, and is read where it lies, as is a, part by part.
   - narrow: one block of rows. Each column of tiles of b is packed by whoever uses it, next to its
     use.
   - blocks: b is packed first, as much of it as CHUNK bytes, and shared by all blocks of rows.

   In the last two a is packed first as well, some of its rows at a time, where more than one piece
   reads a row of it. Windows go by blocks, and find their rows in lines (lines.c).

   Along k all but `few` go by parts of at most DEEP or DEEPER; the first adds beta d, each next one
   adds to what is there. */

#include "backend/cpu/product/product.h"

#include "backend/backend.h"
#include "backend/cpu/product/job.h"
#include "backend/cpu/product/short.h"
#include "base/atomic.h"
#include "base/base.h"
#include "memory/derived.h"

/* Of b, packed at once; of a, so much for each thread and once more, and no more than of b. */
enum { CHUNK_BYTES = 16 << 20, CHUNK_EACH = 2 << 20 };
/* What is packed side by side, so that long stretches of each row of b are read at once; twice as
   much of it where a block of a, whose rows take so many bytes at each place along k, leaves place
   for it in the second-level cache. And rows of them. */
enum { PACKED_BYTES = 512, PACKED_WIDE_STEP = 192, PACKED_DEEP = 16 };
/* Columns of tiles that do not pay for packing a, nor for packing b where its rows take no more
   than so many bytes. What a part along k is deep is so much, or so much more: tiles cut it in
   stretches. */
enum { FEW_TILES = 4, FEW_BYTES = 512, DEEP_STEP = WR_GEMM_STRETCHES };
enum { LINES_BYTES = 384 * 1024 /* of windows */, PAGE = 4096 };
enum { PACK_ROWS = 16, KEPT_ROWS = 256 * PACK_ROWS, KEPT_LEAST = 4096 };
/* What one piece of work has at most, for each column of a tile: about a millisecond. */
static const double piece_flops = 4.7e6;

/* Whole columns of tiles. */
static int64_t packed_cols(const struct wr_gemm_job *j) {
  return (j->g.m * j->element <= PACKED_WIDE_STEP ? 2 : 1) * PACKED_BYTES / j->element;
}

/* Of a part along k. Tiles of wide rows are done with it sooner than c comes from memory: with
   fewer, deeper parts it comes less often. */
static int64_t deep_most(const struct wr_gemm_job *j) {
  return j->with->cols * j->element > WR_LINE ? WR_GEMM_DEEPER : WR_GEMM_DEEP;
}

static int64_t padded(const struct wr_gemm_job *j) { return round_up(j->n, j->with->cols); }

/* Of the column of tiles that begins at `col` of the chunk, the part along k from `p` on. */
static char *packed_at(const struct wr_gemm_job *j, int64_t p, int64_t depth, int64_t col) {
  return j->packed + (p * padded(j) + col * depth) * j->element;
}

/* A packed block of a, at `packed`. */
static struct wr_gemm_block block_at(const struct wr_gemm_job *j, const char *packed, int64_t rows,
                                     int64_t depth) {
  const int64_t height = height_of(j, rows), step = j->with->rows;
  if (j->a_lines) {
    return (struct wr_gemm_block){
        .a = packed, .row = depth, .step = 1, .height = height, .tile = height * depth};
  }
  return (struct wr_gemm_block){
      .a = packed, .row = 1, .step = step, .height = height, .tile = step * depth};
}

/* Rows as they come, one behind the other. */
static void pack_lines(const struct wr_gemm_job *j, char *out, int64_t row, int64_t rows, int64_t p,
                       int64_t depth) {
  const struct wr_gemm *g = &j->g;
  if (g->a_rows) {
    g->a_rows(g->a_of, out, row, rows, p, depth);
  } else {
    wr_gemm_widen(g->from, (float *)(void *)out, a_at(j, row, p), g->lda, rows, depth);
  }
}

/* Rows of one tile that somebody brings, some places along k at a time: of all of them the stack of
   a thread of 64 KB has no room, nor for this beside what else packs (K13). */
__attribute__((noinline)) static void pack_brought(const struct wr_gemm_job *j, char *out,
                                                   int64_t row, int64_t count, int64_t p,
                                                   int64_t depth) {
  enum { STRETCH = 64 };
  double brought[WR_TILE_ROWS * STRETCH]; /* or twice as many floats */
  for (int64_t q = 0; q < depth; q += STRETCH) {
    const int64_t n = least(STRETCH, depth - q);
    j->g.a_rows(j->g.a_of, brought, row, count, p + q, n);
    j->with->pack_a(out + q * j->with->rows * j->element, brought, n, false, n, count);
  }
}

static void pack_block(const struct wr_gemm_job *j, char *out, int64_t row, int64_t rows, int64_t p,
                       int64_t depth) {
  const struct wr_gemm *g = &j->g;
  const int64_t height = height_of(j, rows);
  if (j->a_lines) {
    pack_lines(j, out, row, rows, p, depth);
    return;
  }
  for (int64_t i = 0; i < rows; i += height, out += j->with->rows * depth * j->element) {
    const int64_t count = least(height, rows - i);
    if (g->a_rows) {
      pack_brought(j, out, row + i, count, p, depth);
    } else {
      wr_gemm_pack_a(j->with, g->from, out, a_at(j, row + i, p), g->lda, g->a_transposed, depth,
                     count);
    }
  }
}

/* Of the chunk's block that begins at `row`, the part along k from `p` on. */
static char *packed_a_at(const struct wr_gemm_job *j, int64_t row, int64_t p) {
  const int64_t room = round_up(j->rows, j->with->rows);
  return j->packed_a + ((row - j->first_row) / j->rows * j->g.k + p) * room * j->element;
}

/* ---- packing b ---- */

/* Rows of b where they lie are asked for before they are packed: one is as far from the next as the
   matrix is wide, which the processor does not foresee. */
static void ask_for(const struct wr_gemm_job *j, int64_t p, int64_t end, int64_t from, int64_t to) {
  const int64_t bytes = (to - from) * j->source;
  for (; p < end; p++) {
    const char *row = b_at(j, p, from);
    for (int64_t at = 0; at < bytes; at += WR_LINE) __builtin_prefetch(row + at, 0, 2);
  }
}

/* Some columns of tiles side by side, so that long stretches of each row are read at once; of b's
   columns [from, to), before `end`, the part along k from `p` on. They come to lie one behind the
   other. */
static void pack_columns(const struct wr_gemm_job *j, char *out, int64_t p, int64_t depth,
                         int64_t from, int64_t to, int64_t end) {
  const int64_t width = j->with->cols, step = j->g.b_transposed ? depth : PACKED_DEEP;
  const int64_t next = least(to + (to - from), end);
  for (int64_t q = 0; q < depth; q += step) {
    const int64_t rows = least(step, depth - q);
    if (q + step < depth) {
      ask_for(j, p + q + step, p + least(q + 2 * step, depth), from, to);
    } else if (!j->g.b_transposed) {
      ask_for(j, p, p + least(step, depth), to, next);
    }
    for (int64_t col = from; col < to; col += width) {
      wr_gemm_pack_b(j->with, j->g.from, out + ((col - from) * depth + q * width) * j->element,
                     b_at(j, p + q, col), j->g.ldb, j->g.b_transposed, rows,
                     least(width, to - col));
    }
  }
}

/* ---- pieces ---- */

/* The packed column of tiles behind that at `col` and `p`, of those of [from, to); or none. */
static struct wr_gemm_soon column_next(const struct wr_gemm_job *j, int64_t p, int64_t depth,
                                       int64_t col, int64_t from, int64_t to) {
  const int64_t next = p + depth, after = least(j->deep, j->g.k - next), width = j->with->cols;
  const int64_t bytes = width * depth * j->element;
  const bool across = col + width < to;
  if (!j->packed || (!across && next >= j->g.k)) return (struct wr_gemm_soon){0};
  return (struct wr_gemm_soon){across ? packed_at(j, p, depth, col + width - j->first_col)
                                      : packed_at(j, next, after, from - j->first_col),
                               bytes};
}

/* Of lines of windows, the part along k from `p` on. */
static struct wr_gemm_block part_of(const struct wr_gemm_job *j, const struct wr_gemm_block *lines,
                                    int64_t p) {
  const struct wr_gemm_windows *w = lines->windows;
  struct wr_gemm_block block = *lines;
  block.at = w->at + p / w->each;
  block.a += p % w->each * j->element;
  return block;
}

/* Rows where they lie, and where the part along k behind this one does. */
static struct wr_gemm_block block_in_place(const struct wr_gemm_job *j, int64_t row, int64_t rows,
                                           int64_t p, int64_t depth) {
  struct wr_gemm_block block = wr_gemm_block_in_place(j, row, rows, p);
  if (p + depth == j->g.k) return block;
  block.next = a_at(j, row, p + depth);
  block.next_depth = least(depth, j->g.k - p - depth);
  return block;
}

/* The part along k from `p` on of the rows; what is to be packed or brought for it is, to
 * `scratch`. */
static struct wr_gemm_block block_of(const struct wr_gemm_job *j, const struct wr_gemm_block *lines,
                                     char *scratch, int64_t row, int64_t rows, int64_t p,
                                     int64_t depth) {
  if (j->g.windows) return part_of(j, lines, p);
  if (j->a_in_place) return block_in_place(j, row, rows, p, depth);
  if (j->packed_a) return block_at(j, packed_a_at(j, row, p), rows, depth);
  pack_block(j, scratch, row, rows, p, depth);
  return block_at(j, scratch, rows, depth);
}

/* What a column of tiles asks for where b is read where it lies: its share of the part of b behind
   this one, or of the rows of a behind the last part's. */
static struct wr_gemm_soon share_of(const struct wr_gemm_job *j, int64_t row, int64_t rows,
                                    int64_t p, int64_t depth, int64_t column) {
  const struct wr_gemm *g = &j->g;
  const int64_t columns = parts(g->n, j->with->cols);
  const bool last = p + depth == g->k;
  if (last && (!j->a_in_place || g->lda > g->k || row + rows >= g->m)) {
    return (struct wr_gemm_soon){0};
  }
  const int64_t share = parts(last ? rows * g->lda : depth * g->ldb, columns) * j->element;
  const char *at = last ? a_at(j, row + rows, 0) : b_at(j, p + depth, 0);
  return (struct wr_gemm_soon){at + share * column, share};
}

static void columns_in_place(const struct wr_gemm_job *j, const struct wr_gemm_block *block,
                             int64_t row, int64_t rows, int64_t from, int64_t to, int64_t p,
                             int64_t depth) {
  const int64_t width = j->with->cols;
  for (int64_t col = from; col < to; col += width) {
    wr_gemm_column(j, block, row, rows, b_at(j, p, col), j->g.ldb, col, p, depth,
                   share_of(j, row, rows, p, depth, col / width));
  }
}

/* The columns [from, to) of the rows: some columns of tiles at a time are packed into `scratch_b`,
   unless they are already, and met by all rows. */
static void piece(const struct wr_gemm_job *j, char *scratch_a, char *scratch_b, int64_t row,
                  int64_t rows, int64_t from, int64_t to) {
  const int64_t width = j->with->cols, group = packed_cols(j);
  struct wr_gemm_block lines = {0};
  if (j->g.windows) lines = wr_gemm_windows_bring(j, scratch_a, row, rows);
  for (int64_t p = 0; p < j->g.k; p += j->deep) {
    const int64_t depth = least(j->deep, j->g.k - p);
    const struct wr_gemm_block block = block_of(j, &lines, scratch_a, row, rows, p, depth);
    if (j->b_in_place) {
      columns_in_place(j, &block, row, rows, from, to, p, depth);
      continue;
    }
    for (int64_t first = from; first < to; first += group) {
      const int64_t last = least(first + group, to);
      const char *b = scratch_b;
      if (j->packed) {
        b = packed_at(j, p, depth, first - j->first_col);
      } else {
        pack_columns(j, scratch_b, p, depth, first, last, to);
      }
      for (int64_t col = first; col < last; col += width, b += width * depth * j->element) {
        wr_gemm_column(j, &block, row, rows, b, width, col, p, depth,
                       column_next(j, p, depth, col, from, to));
      }
    }
  }
}

static void pieces_body(void *ctx, int64_t begin, int64_t end) {
  struct wr_gemm_job *j = ctx;
  const struct wr_gemm_windows *windows = j->g.windows;
  const int64_t a_rows = j->packed_a || j->a_in_place ? 0 : round_up(j->rows, j->with->rows);
  const int64_t a_size =
      !windows         ? a_rows * j->deep
      : windows->bring ? wr_gemm_windows_lines(windows, j->rows / windows->run) * windows->length
                       : 0;
  const int64_t columns =
      j->packed || j->b_in_place ? 0 : least(packed_cols(j), round_up(j->cols, j->with->cols));
  const int64_t b_bytes = columns * j->deep * j->element;
  const int64_t bytes = b_bytes + a_size * j->element;
  char *scratch = bytes > 0 ? wr_alloc_aligned(64, (size_t)bytes) : NULL;
  if (bytes > 0 && !scratch) {
    wr_error_keep_first(&j->error, wr_error_out_of_memory());
    return;
  }
  for (int64_t i = begin; i < end; i++) {
    const int64_t row = j->first_row + i / j->across * j->rows;
    const int64_t col = j->first_col + i % j->across * j->cols;
    piece(j, scratch ? scratch + b_bytes : NULL, scratch, row,
          least(j->rows, j->first_row + j->m - row), col,
          least(col + j->cols, j->first_col + j->n));
  }
  wr_free(scratch);
}

/* Parts along k of the chunk's blocks, those of one block after those of another. */
static void pack_a_body(void *ctx, int64_t begin, int64_t end) {
  const struct wr_gemm_job *j = ctx;
  const int64_t deep_parts = parts(j->g.k, j->deep);
  for (int64_t i = begin; i < end; i++) {
    const int64_t row = j->first_row + i / deep_parts * j->rows, p = i % deep_parts * j->deep;
    pack_block(j, packed_a_at(j, row, p), row, least(j->rows, j->first_row + j->m - row), p,
               least(j->deep, j->g.k - p));
  }
}

/* Columns of tiles of the chunk, all along k. */
static void pack_body(void *ctx, int64_t begin, int64_t end) {
  const struct wr_gemm_job *j = ctx;
  const int64_t width = j->with->cols, to = least(end * width, j->n), group = packed_cols(j);
  for (int64_t p = 0; p < j->g.k; p += j->deep) {
    const int64_t depth = least(j->deep, j->g.k - p);
    for (int64_t col = begin * width; col < to; col += group) {
      const int64_t first = j->first_col + col;
      pack_columns(j, packed_at(j, p, depth, col), p, depth, first,
                   j->first_col + least(col + group, to), j->first_col + to);
    }
  }
}

/* Whole runs, whose lines stay in the second-level cache, and a few pieces for each processor. */
static int64_t rows_of_windows(const struct wr_gemm_job *j, bool alone) {
  const struct wr_gemm_windows *w = j->g.windows;
  const int64_t lines = LINES_BYTES / (w->length * j->element), all = j->g.m / w->run;
  const int64_t enough = parts(j->with->rows * 4, w->run);
  int64_t runs = most((lines - w->high) / w->apart + 1, enough);
  if (!alone) runs = least(runs, most(parts(all, 2 * (int64_t)wr_cpu_count()), enough));
  return parts(all, parts(all, least(runs, all))) * w->run;
}

/* Rows of pieces that have all columns, so that each packs its own rows, and nothing is waited for
   in between; where b is at hand, and such pieces are enough, none too long or too low. Else 0. */
static int64_t rows_of_whole(const struct wr_gemm_job *j, int64_t fits) {
  const int64_t processors = wr_cpu_count();
  if (j->g.windows || (!j->packed && !j->b_in_place)) return 0;
  const double longest =
      piece_flops * (double)j->with->cols / (2.0 * (double)j->n * (double)j->g.k);
  const int64_t highest = longest < (double)fits ? (int64_t)longest : fits;
  const int64_t lowest = 3 * j->with->rows;
  if (highest < lowest) return 0;
  const int64_t pieces = most(2 * processors, round_up(parts(j->g.m, highest), processors));
  const int64_t rows = parts(j->g.m, pieces);
  return rows < lowest ? 0 : rows;
}

/* Pieces are a few for each processor, but of no more than a millisecond, and of no fewer rows than
   pay for what is packed. */
static void cut(struct wr_gemm_job *j, bool alone) {
  const int64_t height = j->with->rows, width = j->with->cols;
  const int64_t fits = WR_GEMM_BLOCK / (WR_GEMM_DEEP * j->element) / height * height;
  if (j->g.windows) {
    j->rows = rows_of_windows(j, alone);
  } else {
    j->rows = round_up(parts(j->g.m, parts(j->g.m, fits)), height);
  }
  j->cols = round_up(j->n, width);
  if (alone) return;
  const int64_t whole = rows_of_whole(j, fits);
  if (whole > 0) {
    j->rows = whole;
    return;
  }
  const double fit = piece_flops * (double)width / (2.0 * (double)j->rows * (double)j->g.k);
  int64_t cols = least(j->cols, fit > (double)(8 * width) ? (int64_t)fit : 8 * width);
  const int64_t wanted = parts(2 * (int64_t)wr_cpu_count(), parts(j->g.m, j->rows));
  cols = least(cols, round_up(parts(j->n, wanted), width));
  j->cols = round_up(parts(j->n, parts(j->n, cols)), width);
}

/* All columns of the chunk. Packing takes about as long as PACK_ROWS rows. */
static void pack_all(struct wr_gemm_job *j, bool alone) {
  const double flops = wr_gemm_flops(j) * PACK_ROWS / (double)j->g.m;
  wr_gemm_run_all(alone, parts(j->n, j->with->cols), flops, pack_body, j);
}

/* Whether a is read where it lies by many columns. Not where its rows are nearly whole pages apart:
   what a tile reads of them is then in the same lines of the first-level cache, which holds as many
   as a tile has rows. Two tiles of rows are only to save threads the wait for their packing. */
static bool pays_in_place(const struct wr_gemm_job *j) {
  const int64_t apart = j->g.lda * j->element % PAGE;
  if (apart < WR_LINE || apart > PAGE - WR_LINE) return false;
  return j->g.m > 2 * j->with->rows || (j->across > 1 && wr_cpu_count() > 1);
}

/* All rows by the columns of the chunk. */
static void all_rows(struct wr_gemm_job *j, bool alone) {
  const int64_t m = j->g.m, k = j->g.k;
  cut(j, alone);
  j->across = parts(j->n, j->cols);
  int64_t chunk = m;
  const bool lies = !j->g.a_transposed && !j->g.windows, few = j->n <= FEW_TILES * j->with->cols;
  const bool made = j->g.from || j->g.a_rows; /* as it lies it is not what tiles read */
  j->a_lines = lies && few && made;
  j->a_in_place = lies && !made && (few || pays_in_place(j));
  if (j->across > 1 && !j->a_in_place && !j->g.windows) {
    const int64_t bytes = least(CHUNK_BYTES, CHUNK_EACH * ((int64_t)wr_cpu_count() + 1));
    chunk = least(round_up(m, j->rows), bytes / (k * j->element) / j->rows * j->rows);
    if (chunk < j->rows) chunk = j->rows;
    const int64_t room = parts(chunk, j->rows) * round_up(j->rows, j->with->rows);
    j->packed_a = wr_alloc_aligned(64, (size_t)(room * k * j->element));
    if (!j->packed_a) {
      wr_error_keep_first(&j->error, wr_error_out_of_memory());
      return;
    }
  }
  for (j->first_row = 0; j->first_row < m; j->first_row += chunk) {
    j->m = least(chunk, m - j->first_row);
    const int64_t stretches = parts(j->m, j->rows);
    const double flops = 2.0 * (double)j->m * (double)j->n * (double)k;
    if (j->packed_a) {
      wr_gemm_run_all(alone, stretches * parts(k, j->deep), flops * PACK_ROWS / (double)j->n,
                      pack_a_body, j);
    }
    wr_gemm_run_all(alone, stretches * j->across, flops, pieces_body, j);
  }
  wr_free(j->packed_a);
  j->packed_a = NULL;
}

static void blocks(struct wr_gemm_job *j, bool alone) {
  const int64_t n = j->n, width = j->with->cols;
  if (j->kept || j->b_in_place) {
    all_rows(j, alone);
    return;
  }
  int64_t chunk = CHUNK_BYTES / (j->g.k * j->element) / width * width;
  if (chunk < 16 * width) chunk = 16 * width;
  chunk = round_up(parts(n, parts(n, chunk)), width);
  j->packed =
      wr_alloc_aligned(64, (size_t)(round_up(least(chunk, n), width) * j->g.k * j->element));
  if (!j->packed) {
    wr_error_keep_first(&j->error, wr_error_out_of_memory());
    return;
  }
  for (j->first_col = 0; j->first_col < n; j->first_col += chunk) {
    j->n = least(chunk, n - j->first_col);
    pack_all(j, alone);
    all_rows(j, alone);
  }
  wr_free(j->packed);
}

/* ---- what stays packed ---- */

/* Packs b for this product and those that follow, once it is used again: where packing it each time
   would take a good part of the time, and finding it does not. */
static void keep(struct wr_gemm_job *j, bool alone) {
  const struct wr_gemm *g = &j->g;
  if (!g->b_of || g->m > KEPT_ROWS || g->n * g->k < KEPT_LEAST) return;
  const struct wr_form_key key = {.maker = g->from ? (const void *)g->from : j->with,
                                  .at = (const char *)g->b - (const char *)g->b_of->data,
                                  .rows = g->k,
                                  .cols = g->n,
                                  .apart = g->ldb,
                                  .deep = j->deep,
                                  .turned = g->b_transposed};
  bool fresh;
  j->kept = wr_form_hold(g->b_of, &key, (size_t)(padded(j) * g->k * j->element), &fresh);
  if (!j->kept) return;
  j->packed = wr_form_data(j->kept);
  if (!fresh) return;
  pack_all(j, alone);
  wr_form_ready(j->kept);
}

/* Columns that are whole vectors and lie near each other need no packing: a row of b follows the
   one before, near enough. */
static bool b_in_place(const struct wr_gemm_job *j) {
  const struct wr_gemm *g = &j->g;
  return !g->b_transposed && !g->from && !g->windows && g->n % (j->with->cols / 2) == 0 &&
         g->n <= FEW_TILES * j->with->cols && g->ldb * j->element <= FEW_BYTES;
}

static struct wr_error *run_job(const struct wr_gemm *g, const struct wr_gemm_kernels *with,
                                bool alone) {
  struct wr_gemm_job j = {
      .g = *g, .with = with, .element = (int64_t)wr_dtype_size(g->dtype), .n = g->n};
  j.source = g->from ? (int64_t)sizeof(uint16_t) : j.element;
  if (!g->d) j.g.ldd = g->ldc;
  if (g->k == 0 || g->alpha == 0) {
    wr_gemm_scale(&j.g);
    return NULL;
  }
  if (wr_gemm_is_few(&j.g)) return wr_gemm_few(&j.g, j.with, alone);
  if (wr_gemm_is_small(&j)) return wr_gemm_small(&j, alone);
  j.deep = g->windows ? wr_gemm_windows_deep(g->windows)
                      : round_up(parts(g->k, parts(g->k, deep_most(&j))), DEEP_STEP);
  j.b_in_place = b_in_place(&j);
  if (!j.b_in_place) keep(&j, alone);
  if (g->m <= WR_GEMM_BLOCK / (WR_GEMM_DEEP * j.element) && !g->windows) {
    all_rows(&j, alone);
  } else {
    blocks(&j, alone);
  }
  if (j.kept) wr_form_leave(j.kept);
  return wr_load_acquire(&j.error); /* the pool has finished */
}

static bool is_tiny(struct wr_gemm_tiny *tiny, const struct wr_gemm *g,
                    const struct wr_gemm_kernels *with) {
  return g->k > 0 && g->alpha != 0 && !wr_gemm_is_few(g) && wr_gemm_tiny(tiny, g, with);
}

struct wr_error *wr_gemm_run_whole(const struct wr_gemm *g, const struct wr_gemm_kernels *with,
                                   bool alone) {
  struct wr_gemm_tiny tiny;
  if (!is_tiny(&tiny, g, with)) return run_job(g, with, alone);
  if (g->from) return wr_gemm_tiny_short(&tiny, g, 1, &(struct wr_gemm_apart){0});
  if (alone) {
    wr_gemm_tiny_run(&tiny, g->a, g->b, g->c, g->d);
  } else {
    wr_gemm_tiny_spread(&tiny, g);
  }
  return NULL;
}

struct wr_error *wr_gemm_run_with(const struct wr_gemm *g, const struct wr_gemm_kernels *with,
                                  bool alone) {
  const bool is_deep = g->alpha != 0 && !wr_gemm_is_few(g) && wr_gemm_is_deep(g);
  if (g->m == 0 || g->n == 0) return NULL;
  return is_deep ? wr_gemm_deep(g, with, alone) : wr_gemm_run_whole(g, with, alone);
}

struct wr_error *wr_gemm_run(const struct wr_gemm *g) {
  return wr_gemm_run_with(g, wr_gemm_kernels_of(g->dtype), true);
}

struct wr_error *wr_gemm_run_many(const struct wr_gemm *first, int64_t count,
                                  const struct wr_gemm_apart *apart) {
  const struct wr_gemm_kernels *with = wr_gemm_kernels_of(first->dtype);
  struct wr_gemm_tiny tiny;
  const bool at_once = first->m > 0 && first->n > 0 && is_tiny(&tiny, first, with);
  struct wr_gemm g = *first;
  struct wr_error *error = NULL;
  if (at_once && g.from) return wr_gemm_tiny_short(&tiny, first, count, apart);
  for (int64_t i = 0; i < count && !error; i++) {
    g.a = (const char *)first->a + i * apart->a;
    g.b = (const char *)first->b + i * apart->b;
    g.c = (char *)first->c + i * apart->c;
    if (g.d) g.d = (const char *)first->d + i * apart->d;
    if (at_once) {
      wr_gemm_tiny_run(&tiny, g.a, g.b, g.c, g.d);
    } else {
      error = wr_gemm_run_with(&g, with, true);
    }
  }
  return error;
}

struct wr_error *wr_gemm_spread(const struct wr_gemm *g) {
  return wr_gemm_run_with(g, wr_gemm_kernels_of(g->dtype), false);
}
