/* Rows of a that are windows over lines (product.h), as those of a convolution are: neighbours have
   most of what they read in common, so that a block of them is some lines, each once, and tiles
   find their rows there. The lines of a block stay in the second-level cache. */

#include "backend/cpu/product/job.h"

/* Of places along k that a part has at least; bytes of lines of a block that has one run. */
enum { EACH_LEAST = 48, LINES_MOST = 1 << 20 };

/* Whole taps, or a part of each. */
static int64_t each_of(const struct wr_gemm_windows *w) {
  int64_t n = parts(w->each, WR_GEMM_DEEP);
  while (w->each % n != 0) n++;
  return w->each / n;
}

int64_t wr_gemm_windows_deep(const struct wr_gemm_windows *w) {
  const int64_t each = each_of(w), taps = WR_GEMM_DEEP / each;
  return each < w->each ? each : each * parts(w->taps, parts(w->taps, taps));
}

/* Tiles are to have rows enough, for an addition waits for the one before. */
bool wr_gemm_takes_windows(const struct wr_gemm *g) {
  const struct wr_gemm_kernels *with = wr_gemm_kernels_of(g->dtype);
  const struct wr_gemm_windows *w = g->windows;
  const int64_t element = (int64_t)wr_dtype_size(g->dtype);
  return 2 * w->run >= 9 * parts(w->run, with->rows) &&
         (each_of(w) == w->each || each_of(w) >= EACH_LEAST) &&
         w->length * w->high <= LINES_MOST / element;
}

int64_t wr_gemm_windows_lines(const struct wr_gemm_windows *w, int64_t runs) {
  const int64_t images = (runs + w->runs - 2) / w->runs; /* that begin behind the first run */
  return (runs - 1) * w->apart + w->high + images * most(w->image - w->runs * w->apart, 0);
}

static int64_t line_of(const struct wr_gemm_windows *w, int64_t run) {
  return run / w->runs * w->image + run % w->runs * w->apart;
}

int64_t wr_gemm_windows_start(const struct wr_gemm_block *block, int64_t run) {
  const struct wr_gemm_windows *w = block->windows;
  return (line_of(w, block->run + run) - line_of(w, block->run)) * w->length;
}

struct wr_gemm_block wr_gemm_windows_bring(const struct wr_gemm_job *j, char *to, int64_t row,
                                           int64_t rows) {
  const struct wr_gemm_windows *w = j->g.windows;
  const int64_t run = row / w->run, line = line_of(w, run);
  struct wr_gemm_block block = {.a = to,
                                .row = j->g.lda,
                                .step = 1,
                                .height = height_of(j, w->run),
                                .windows = w,
                                .run = run,
                                .each = each_of(w)};
  block.tile = block.row * block.height;
  if (w->bring) {
    w->bring(w->of, to, line, line_of(w, run + rows / w->run - 1) + w->high - line);
  } else {
    block.a = (const char *)j->g.a + line * w->length * j->element;
  }
  return block;
}
