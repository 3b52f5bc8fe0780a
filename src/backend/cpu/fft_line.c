/* One long line as a matrix, in two steps that each go over it once: its columns are transformed,
   neighbours side by side, and turned; then its rows, whose results stand in columns again, so that
   nothing is left to be put in order. Between the steps the line lies as blocks of columns. */

#include "backend/cpu/fft_line.h"

#include <stdlib.h>
#include <string.h>

#include "backend/cpu/loop/loop.h"
#include "base/atomic.h"
#include "base/base.h"

enum { LANES = WR_FFT_LANES };

/* ---- elements to lanes and back ---- */

/* Neighbouring lines whose complex numbers lie one after the other. */
static bool are_neighbours(const struct wr_fft_side *side, const int64_t *offsets, int count) {
  if (side->re + side->im != 1) return false; /* 0 and 1, in any order */
  for (int l = 1; l < count; l++) {
    if (offsets[l] != offsets[0] + 2 * l) return false;
  }
  return true;
}

WR_WIDE static void load_neighbours(struct wr_fft_lanes *restrict to, int64_t n,
                                    const struct wr_fft_side *from, int64_t offset) {
  const float *p = from->data + offset;
  const int re = (int)from->re, im = (int)from->im;
  for (int64_t j = 0; j < n; j++, p += from->step) {
    for (int l = 0; l < LANES; l++) to[j].re[l] = p[2 * l + re];
    for (int l = 0; l < LANES; l++) to[j].im[l] = p[2 * l + im];
  }
}

/* Lines whose elements are nearer to each other than to the next line's go a stretch at a time,
   each lane along its line: lines that are a power of two apart meet in the same few places of the
   cache, and element by element each would lose what was read of the others. */
static bool are_near(const struct wr_fft_side *side, const int64_t *offsets) {
  return llabs(side->step) < llabs(offsets[1] - offsets[0]);
}

enum { LANE_STEP = sizeof(struct wr_fft_lanes) / sizeof(float), STRETCH = 16 };

static int64_t stretch_of(int64_t j, int64_t n) { return n - j < STRETCH ? n - j : STRETCH; }

static void load_stretch(float *restrict to, int64_t n, const float *from, int64_t step,
                         const int64_t *offsets) {
  for (int l = 0; l < LANES; l++) {
    const float *p = from + offsets[l];
    for (int64_t j = 0; j < n; j++) to[j * LANE_STEP + l] = p[j * step];
  }
}

WR_WIDE static void load_part(float *restrict to, int64_t n, const struct wr_fft_side *from,
                              int64_t part, const int64_t *offsets) {
  const float *p = from->data + (part == WR_FFT_NONE ? 0 : part);
  for (int64_t j = 0; j < n; j++, p += from->step) {
    for (int l = 0; l < LANES; l++) {
      to[j * LANE_STEP + l] = part == WR_FFT_NONE ? 0.0f : p[offsets[l]];
    }
  }
}

void wr_fft_load(struct wr_fft_lanes *to, int64_t n, const struct wr_fft_side *from,
                 const int64_t *offsets) {
  if (n == 0) return;
  if (are_neighbours(from, offsets, LANES)) {
    load_neighbours(to, n, from, offsets[0]);
    return;
  }
  if (!are_near(from, offsets) || from->re == WR_FFT_NONE || from->im == WR_FFT_NONE) {
    load_part(to->re, n, from, from->re, offsets);
    load_part(to->im, n, from, from->im, offsets);
    return;
  }
  for (int64_t j = 0; j < n; j += STRETCH) {
    const float *p = from->data + j * from->step;
    load_stretch(to[j].re, stretch_of(j, n), p + from->re, from->step, offsets);
    load_stretch(to[j].im, stretch_of(j, n), p + from->im, from->step, offsets);
  }
}

WR_WIDE static void store_neighbours(const struct wr_fft_lanes *restrict from, int64_t n,
                                     const struct wr_fft_side *to, int64_t offset, float scale) {
  float *p = to->data + offset;
  const int exchanged = (int)to->re;
  for (int64_t j = 0; j < n; j++, p += to->step) {
    const float *first = exchanged ? from[j].im : from[j].re;
    const float *second = exchanged ? from[j].re : from[j].im;
    for (int l = 0; l < LANES; l++) {
      p[2 * l] = first[l] * scale;
      p[2 * l + 1] = second[l] * scale;
    }
  }
}

static void store_stretch(const float *from, int64_t n, float *to, int64_t step,
                          const int64_t *offsets, int count, float scale) {
  for (int l = 0; l < count; l++) {
    float *p = to + offsets[l];
    for (int64_t j = 0; j < n; j++) p[j * step] = from[j * LANE_STEP + l] * scale;
  }
}

static void store_part(const float *from, int64_t n, const struct wr_fft_side *to, int64_t part,
                       const int64_t *offsets, int count, float scale) {
  if (part == WR_FFT_NONE) return;
  float *p = to->data + part;
  for (int64_t j = 0; j < n; j++, p += to->step) {
    for (int l = 0; l < count; l++) p[offsets[l]] = from[j * LANE_STEP + l] * scale;
  }
}

void wr_fft_store(const struct wr_fft_lanes *from, int64_t n, const struct wr_fft_side *to,
                  const int64_t *offsets, int count, float scale) {
  if (n == 0) return;
  if (count == LANES && are_neighbours(to, offsets, LANES)) {
    store_neighbours(from, n, to, offsets[0], scale);
    return;
  }
  if (!are_near(to, offsets) || to->re == WR_FFT_NONE || to->im == WR_FFT_NONE) {
    store_part(from->re, n, to, to->re, offsets, count, scale);
    store_part(from->im, n, to, to->im, offsets, count, scale);
    return;
  }
  for (int64_t j = 0; j < n; j += STRETCH) {
    float *p = to->data + j * to->step;
    store_stretch(from[j].re, stretch_of(j, n), p + to->re, to->step, offsets, count, scale);
    store_stretch(from[j].im, stretch_of(j, n), p + to->im, to->step, offsets, count, scale);
  }
}

/* ---- the two steps ---- */

struct line {
  const struct wr_fft_plan *plan;
  const struct wr_fft_side *from;
  const struct wr_fft_side *to;
  struct wr_fft_lanes *middle; /* blocks of columns, each of all rows */
  float scale;
  wr_atomic_bool refused; /* atomic RELAXED: memory was; read once the pool has finished */
};

static int64_t blocks_of(int64_t n) { return (n + LANES - 1) / LANES; }

/* Offsets of LANES lines from the first one on, which are `step` floats apart; those past the n-th
   are the last again. Gives how many there are. */
static int line_offsets(int64_t *offsets, int64_t first, int64_t n, int64_t step) {
  for (int64_t l = 0; l < LANES; l++) {
    offsets[l] = (first + l < n ? first + l : n - 1) * step;
  }
  return (int)(n - first < LANES ? n - first : LANES);
}

/* Element k of each column j times turn j k. */
WR_WIDE static void turn_columns(const struct wr_fft_plan *plan, int64_t first,
                                 const struct wr_fft_lanes *restrict from,
                                 struct wr_fft_lanes *restrict to) {
  for (int64_t k = 0; k < plan->rows; k++) {
    const struct wr_fft_turn w = wr_fft_turn_of(&plan->turns, first * k);
    const float re = (float)w.re, im = (float)w.im;
    const struct wr_fft_lanes *v = &plan->column_turns[k], *x = &from[k];
    struct wr_fft_lanes *y = &to[k];
    WR_INDEPENDENT
    for (int l = 0; l < LANES; l++) {
      const float a = v->re[l] * re - v->im[l] * im, b = v->re[l] * im + v->im[l] * re;
      y->re[l] = x->re[l] * a - x->im[l] * b;
      y->im[l] = x->re[l] * b + x->im[l] * a;
    }
  }
}

static struct wr_fft_lanes *buffers_new(struct line *line, int64_t n) {
  struct wr_fft_lanes *a = wr_alloc_aligned(64, 2 * (size_t)n * sizeof *a);
  if (!a) wr_store_relaxed(&line->refused, true); /* relaxed: see the word */
  return a;
}

static void columns_body(void *ctx, int64_t begin, int64_t end) {
  struct line *line = ctx;
  const struct wr_fft_plan *plan = line->plan;
  const int64_t rows = plan->rows, columns = plan->columns, step = line->from->step;
  struct wr_fft_side from = *line->from;
  struct wr_fft_lanes *a = buffers_new(line, rows);
  if (!a) return;
  from.step = columns * step;
  for (int64_t block = begin; block < end; block++) {
    int64_t offsets[LANES];
    (void)line_offsets(offsets, block * LANES, columns, step);
    wr_fft_load(a, rows, &from, offsets);
    turn_columns(plan, block * LANES, wr_fft_passes_run(plan->down, a, a + rows),
                 line->middle + block * rows);
  }
  wr_free(a);
}

/* Elements of a block of rows side by side, out of the blocks of columns. */
WR_WIDE static void gather_rows(const struct line *line, int64_t block,
                                struct wr_fft_lanes *restrict to) {
  const int64_t rows = line->plan->rows, columns = line->plan->columns, first = block * LANES;
  const int count = (int)(rows - first < LANES ? rows - first : LANES);
  for (int64_t j = 0; j < columns; j += LANES) {
    const struct wr_fft_lanes *from = line->middle + j / LANES * rows + first;
    const int n = (int)(columns - j < LANES ? columns - j : LANES);
    for (int i = 0; i < n; i++) {
      for (int l = 0; l < count; l++) to[j + i].re[l] = from[l].re[i];
      for (int l = 0; l < count; l++) to[j + i].im[l] = from[l].im[i];
    }
  }
}

static void rows_body(void *ctx, int64_t begin, int64_t end) {
  struct line *line = ctx;
  const int64_t rows = line->plan->rows, columns = line->plan->columns, step = line->to->step;
  struct wr_fft_side to = *line->to;
  struct wr_fft_lanes *a = buffers_new(line, columns);
  if (!a) return;
  memset(a, 0, (size_t)columns * sizeof *a); /* lanes without a row are computed too */
  to.step = rows * step;
  for (int64_t block = begin; block < end; block++) {
    int64_t offsets[LANES];
    const int count = line_offsets(offsets, block * LANES, rows, step);
    gather_rows(line, block, a);
    const struct wr_fft_lanes *r = wr_fft_passes_run(line->plan->along, a, a + columns);
    wr_fft_store(r, columns, &to, offsets, count, line->scale);
  }
  wr_free(a);
}

static int64_t grain(int64_t n) { return wr_cpu_grain(n * LANES); }

/* Of plan->length elements. */
static bool matrix(const struct wr_fft_plan *plan, const struct wr_fft_side *from,
                   const struct wr_fft_side *to, float scale) {
  struct line line = {.plan = plan, .from = from, .to = to, .scale = scale};
  const int64_t blocks = blocks_of(plan->columns);
  line.middle = wr_alloc_aligned(64, (size_t)(blocks * plan->rows) * sizeof *line.middle);
  if (!line.middle) return false;
  wr_spread(blocks, grain(plan->rows), columns_body, &line);
  wr_spread(blocks_of(plan->rows), grain(plan->columns), rows_body, &line);
  wr_free(line.middle);
  return !wr_load_relaxed(&line.refused); /* relaxed: the pool has finished */
}

bool wr_fft_line_in_place(const struct wr_fft_plan *plan, float *line, bool exchanged) {
  struct wr_fft_side side = wr_fft_dense(line);
  if (exchanged) side = wr_fft_exchanged(side);
  return matrix(plan, &side, &side, 1.0f);
}

/* ---- a length with a large prime factor ---- */

static float part(const struct wr_fft_side *side, int64_t j, int64_t at) {
  return at == WR_FFT_NONE ? 0.0f : side->data[j * side->step + at];
}

static void put(const struct wr_fft_side *side, int64_t j, int64_t at, float value) {
  if (at != WR_FFT_NONE) side->data[j * side->step + at] = value;
}

/* x = x w, of complex numbers. */
static void times(float *x, const float *w, int64_t n) {
  WR_INDEPENDENT
  for (int64_t j = 0; j < n; j++) {
    const float re = x[2 * j], im = x[2 * j + 1];
    x[2 * j] = re * w[2 * j] - im * w[2 * j + 1];
    x[2 * j + 1] = re * w[2 * j + 1] + im * w[2 * j];
  }
}

static bool convolution(const struct wr_fft_plan *plan, const struct wr_fft_side *from,
                        const struct wr_fft_side *to, float scale) {
  const int64_t n = plan->n, m = plan->length;
  float *work = wr_alloc_aligned(64, (size_t)m * 2 * sizeof *work);
  if (!work) return false;
  for (int64_t j = 0; j < n; j++) {
    work[2 * j] = part(from, j, from->re);
    work[2 * j + 1] = part(from, j, from->im);
  }
  memset(work + 2 * n, 0, (size_t)(m - n) * 2 * sizeof *work);
  times(work, plan->chirp, n);
  bool done = wr_fft_line_in_place(plan, work, false);
  if (done) {
    times(work, plan->kernel, m);
    done = wr_fft_line_in_place(plan, work, true);
  }
  times(work, plan->chirp, n);
  for (int64_t j = 0; j < n && done; j++) {
    put(to, j, to->re, work[2 * j] * scale);
    put(to, j, to->im, work[2 * j + 1] * scale);
  }
  wr_free(work);
  return done;
}

bool wr_fft_line(const struct wr_fft_plan *plan, const struct wr_fft_side *from,
                 const struct wr_fft_side *to, float scale) {
  return plan->chirp ? convolution(plan, from, to, scale) : matrix(plan, from, to, scale);
}
