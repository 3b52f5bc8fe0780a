/* Convolutions of channels that lie side by side are matrix products: what the kernel covers at
   each output position is a row, which is multiplied by the weight. There are four ways:

   - lines: the product finds the rows of some lines of positions in the lines of the input below
     them, which are copied once, with what pads them, or read where they lie.
   - rows, of kernels in three dimensions, inputs with gaps and lines too short: the product asks
     for some rows at a time, which are gathered where it packs them.
   - tiles, of several groups, or few rows or columns: the rows of some positions are gathered in a
     scratch that stays in the second-level cache.
   - groups of one channel or a few: the sums go straight over the channels of all groups, in
     registers and rows of the cache.

   The work spreads over the pool; what each adds up, and in which order, does not depend on how
   many threads there are. 16-bit floats are computed in float32. No locks. */

#include <string.h>

#include "backend/cpu/blas/blas.h"
#include "backend/cpu/kernels.h"
#include "backend/cpu/loop/loop.h"
#include "base/atomic.h"
#include "base/base.h"
#include "core/conv.h"

enum {
  AXES = WR_CONV_AXES,
  TILE_BYTES = 2 << 20, /* of gathered rows */
  TILE_LEAST = 128,     /* rows */
  TILE_MOST = 4096,
  TILES_PER_PROCESSOR = 3,
  FEW_CHANNELS = 4 /* of a group: gathered rows would be too short to multiply */
};
static const double slice_flops = 4e8; /* a few milliseconds (blas.h) */
static const double part_flops = 1e6;  /* worth a second thread */

/* All of it in the type computed in, dense. Spatial axes that are not there are 1 long. */
struct conv {
  const char *input, *weight;
  struct wr_buffer *weight_of; /* whose bytes the weight's are; NULL: a copy's */
  char *out;
  enum wr_dtype dtype;
  int64_t element;
  struct wr_conv_extents x;
  int64_t positions; /* of the result, in all of the batch */
  int64_t taps;      /* elements of the kernel */
  int64_t tile;
  wr_atomic_ptr error; /* atomic ACQ_REL: struct wr_error *, the first one; a reference */
};

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* ---- where a kernel lies ---- */

/* A place of the result: where in the input its kernel begins, along each axis. */
struct place {
  int64_t image;
  int64_t at[AXES]; /* indices of the result */
};

static struct place place_of(const struct conv *c, int64_t position) {
  struct place p;
  for (int i = AXES - 1; i >= 0; i--) {
    p.at[i] = position % c->x.result[i];
    position /= c->x.result[i];
  }
  p.image = position;
  return p;
}

static void place_next(const struct conv *c, struct place *p) {
  for (int i = AXES - 1; i >= 0; i--) {
    if (++p->at[i] < c->x.result[i]) return;
    p->at[i] = 0;
  }
  p->image++;
}

/* The input's index under element k of the kernel along an axis; negative outside of it and between
   its elements. */
static int64_t under(const struct conv *c, int axis, int64_t at, int64_t k) {
  const int64_t x = at * c->x.stride[axis] - c->x.padding[axis] + k * c->x.kernel_dilation[axis];
  const int64_t dilation = c->x.input_dilation[axis];
  if (x < 0) return -1;
  if (dilation > 1) {
    if (x % dilation != 0) return -1;
    return x / dilation < c->x.in[axis] ? x / dilation : -1;
  }
  return x < c->x.in[axis] ? x : -1;
}

/* ---- gathering ---- */

/* `bytes` of one element's channels, of which there are often few. */
static void copy_channels(char *to, const char *from, int64_t bytes) {
  if (bytes > 64) {
    memcpy(to, from, (size_t)bytes);
    return;
  }
  for (int64_t i = 0; i < bytes; i += 4) memcpy(to + i, from + i, 4);
}

/* A line of the kernel over dense neighbours: what is inside is one piece. */
static void gather_piece(const struct conv *c, char *to, const char *line, int64_t at) {
  const int64_t bytes = c->x.in_channels * c->element, n = c->x.kernel[AXES - 1];
  const int64_t first = at * c->x.stride[AXES - 1] - c->x.padding[AXES - 1];
  int64_t low = first < 0 ? -first : 0, high = c->x.in[AXES - 1] - first;
  if (low > n) low = n;
  if (high > n) high = n;
  if (high < low) high = low;
  memset(to, 0, (size_t)(low * bytes));
  if (high > low)
    memcpy(to + low * bytes, line + (first + low) * bytes, (size_t)((high - low) * bytes));
  memset(to + high * bytes, 0, (size_t)((n - high) * bytes));
}

static void gather_elements(const struct conv *c, char *to, const char *line, int64_t at,
                            int64_t bytes) {
  const int64_t step = c->x.in_channels * c->element;
  for (int64_t k = 0; k < c->x.kernel[AXES - 1]; k++, to += bytes) {
    const int64_t x = under(c, AXES - 1, at, k);
    if (x < 0) {
      memset(to, 0, (size_t)bytes);
    } else {
      copy_channels(to, line + x * step, bytes);
    }
  }
}

/* Places [low, high) along a row of what the kernel covers there, of all channels; a place is a
   channel of an element of the kernel. Elements that lie side by side in the input are one piece.
 */
static void gather_places(const struct conv *c, char *to, const struct place *p, int64_t low,
                          int64_t high) {
  const int64_t each = c->x.in_channels, last = AXES - 1, n = c->x.kernel[last];
  const bool whole = c->x.kernel_dilation[last] == 1 && c->x.input_dilation[last] == 1;
  const int64_t first = p->at[last] * c->x.stride[last] - c->x.padding[last];
  while (low < high) {
    const int64_t tap = low / each, k = tap % n, j = tap / n % c->x.kernel[1];
    const int64_t z = under(c, 0, p->at[0], tap / n / c->x.kernel[1]);
    const int64_t y = under(c, 1, p->at[1], j);
    int64_t x = whole ? first + k : under(c, last, p->at[last], k), taps = 1;
    if (z < 0 || y < 0) {
      taps = n - k;
    } else if (whole && x < 0) {
      taps = least(-x, n - k);
    } else if (whole && x < c->x.in[last]) {
      taps = least(c->x.in[last] - x, n - k);
    }
    const int64_t end = least((tap + taps) * each, high), bytes = (end - low) * c->element;
    if (z < 0 || y < 0 || x < 0 || x >= c->x.in[last]) {
      memset(to, 0, (size_t)bytes);
    } else {
      const int64_t at = ((p->image * c->x.in[0] + z) * c->x.in[1] + y) * c->x.in[last] + x;
      memcpy(to, c->input + (at * each + low % each) * c->element, (size_t)bytes);
    }
    to += bytes;
    low = end;
  }
}

/* For products (product.h). */
static void gather_rows(const void *of, void *to, int64_t row, int64_t rows, int64_t p,
                        int64_t depth) {
  const struct conv *c = of;
  struct place place = place_of(c, row);
  for (int64_t i = 0; i < rows; i++, place_next(c, &place)) {
    gather_places(c, (char *)to + i * depth * c->element, &place, p, p + depth);
  }
}

/* What the kernel covers there, of one group's channels, as a row. */
static void gather_row(const struct conv *c, char *to, const struct place *p, int64_t group) {
  const int64_t each = c->x.in_channels / c->x.groups, bytes = each * c->element;
  const int64_t row = c->x.kernel[AXES - 1] * bytes;
  const int64_t line = c->x.in[AXES - 1] * c->x.in_channels * c->element;
  const bool whole =
      c->x.groups == 1 && c->x.kernel_dilation[AXES - 1] == 1 && c->x.input_dilation[AXES - 1] == 1;
  for (int64_t i = 0; i < c->x.kernel[0]; i++) {
    const int64_t z = under(c, 0, p->at[0], i);
    for (int64_t j = 0; j < c->x.kernel[1]; j++, to += row) {
      const int64_t y = under(c, 1, p->at[1], j);
      if (z < 0 || y < 0) {
        memset(to, 0, (size_t)row);
        continue;
      }
      const char *from =
          c->input + ((p->image * c->x.in[0] + z) * c->x.in[1] + y) * line + group * bytes;
      if (whole) {
        gather_piece(c, to, from, p->at[AXES - 1]);
      } else {
        gather_elements(c, to, from, p->at[AXES - 1], bytes);
      }
    }
  }
}

/* ---- products ---- */

/* What the rows of lines are that windows lie over, and how: for kernels along the last two axes
   that do not meet an input's gaps. */
struct lines {
  const struct conv *c;
  struct wr_gemm_windows w;
  int64_t *at;
};

/* Lines from the images' first one on, each with what pads it. */
static void bring_lines(const void *of, void *to, int64_t line, int64_t lines) {
  const struct lines *l = of;
  const struct conv *c = l->c;
  const int64_t bytes = c->x.in_channels * c->element, length = l->w.length * c->element;
  const int64_t left = least(c->x.padding[2] * bytes, length);
  const int64_t inside = least(c->x.in[2] * bytes, length - left);
  char *out = to;
  for (int64_t i = line; i < line + lines; i++, out += length) {
    const int64_t image = i / l->w.image, y = i % l->w.image - c->x.padding[1];
    if (y < 0 || y >= c->x.in[1]) {
      memset(out, 0, (size_t)length);
      continue;
    }
    memset(out, 0, (size_t)left);
    memcpy(out + left, c->input + (image * c->x.in[1] + y) * c->x.in[2] * bytes, (size_t)inside);
    memset(out + left + inside, 0, (size_t)(length - left - inside));
  }
}

/* False: they have no lines in common, or there is no memory for their places. */
static bool lines_of(struct lines *l, const struct conv *c) {
  const struct wr_conv_extents *x = &c->x;
  const int64_t *dilation = x->kernel_dilation;
  if (x->kernel[0] != 1 || x->stride[0] != 1 || x->in[0] != x->result[0] ||
      x->input_dilation[1] != 1 || x->input_dilation[2] != 1) {
    return false;
  }
  const int64_t high = (x->kernel[1] - 1) * dilation[1] + 1;
  const int64_t wide = (x->result[2] - 1) * x->stride[2] + (x->kernel[2] - 1) * dilation[2] + 1;
  /* Before the input or behind it. */
  const bool padded = x->padding[1] > 0 || x->padding[2] > 0 || wide > x->in[2] ||
                      (x->result[1] - 1) * x->stride[1] + high > x->in[1];
  *l = (struct lines){.c = c, .at = wr_alloc((size_t)c->taps * sizeof *l->at)};
  if (!l->at) return false;
  l->w = (struct wr_gemm_windows){
      .bring = padded ? bring_lines : NULL,
      .of = l,
      .length = (padded ? wide : x->in[2]) * x->in_channels,
      .run = x->result[2],
      .runs = x->result[1],
      .apart = x->stride[1],
      .image = padded ? (x->result[1] - 1) * x->stride[1] + high : x->in[1],
      .high = high,
      .taps = c->taps,
      .each = x->in_channels,
      .at = l->at,
  };
  for (int64_t i = 0; i < c->taps; i++) {
    const int64_t row = i / x->kernel[2] * dilation[1], col = i % x->kernel[2] * dilation[2];
    l->at[i] = row * l->w.length + col * x->in_channels;
  }
  return true;
}

/* Whether each position is a row of the input as it lies. */
static bool one_to_one(const struct conv *c) {
  for (int i = 0; i < AXES; i++) {
    if (c->x.kernel[i] != 1 || c->x.stride[i] != 1 || c->x.in[i] != c->x.result[i]) return false;
  }
  return true;
}

/* All positions by all of the weight. */
static struct wr_error *run_whole(const struct conv *c) {
  const int64_t k = c->taps * c->x.in_channels;
  struct lines lines = {0};
  struct wr_gemm g = {.dtype = c->dtype,
                      .b_transposed = true,
                      .m = c->positions,
                      .n = c->x.out_channels,
                      .k = k,
                      .a = c->input,
                      .b = c->weight,
                      .lda = k,
                      .ldb = k,
                      .c = c->out,
                      .ldc = c->x.out_channels,
                      .alpha = 1.0f,
                      .b_of = c->weight_of};
  if (!one_to_one(c)) {
    if (lines_of(&lines, c)) g.windows = &lines.w;
    if (g.windows && wr_gemm_takes_windows(&g)) {
      g.lda = c->x.stride[2] * c->x.in_channels;
    } else {
      g.windows = NULL;
      g.a_rows = gather_rows;
      g.a_of = c;
    }
  }
  struct wr_error *error = wr_gemm_spread(&g);
  wr_free(lines.at);
  return error;
}

/* rows of the tile times the group's weight, in slices along what is added up. */
static struct wr_error *multiply(const struct conv *c, const char *rows, int64_t n, char *out,
                                 int64_t group) {
  const int64_t k = c->taps * (c->x.in_channels / c->x.groups), m = c->x.out_channels / c->x.groups;
  const char *weight = c->weight + group * m * k * c->element;
  int64_t step = (int64_t)(slice_flops / (2.0 * (double)n * (double)m));
  if (step < 64) step = 64;
  const struct wr_gemm g = {.dtype = c->dtype,
                            .b_transposed = true,
                            .m = n,
                            .n = m,
                            .k = k,
                            .a = rows,
                            .b = weight,
                            .lda = k,
                            .ldb = k,
                            .c = out + group * m * c->element,
                            .ldc = c->x.out_channels,
                            .alpha = 1.0f};
  return wr_cpu_gemm_slices(g, step, c->element);
}

static void tiles_body(void *ctx, int64_t begin, int64_t end) {
  struct conv *c = ctx;
  const int64_t row = c->taps * (c->x.in_channels / c->x.groups) * c->element;
  char *rows = wr_alloc_aligned(64, (size_t)(c->tile * row));
  if (!rows) {
    wr_error_keep_first(&c->error, wr_error_out_of_memory());
    return;
  }
  for (int64_t t = begin; t < end; t++) {
    const int64_t group = t % c->x.groups, first = t / c->x.groups * c->tile;
    const int64_t n = c->positions - first < c->tile ? c->positions - first : c->tile;
    struct place p = place_of(c, first);
    for (int64_t i = 0; i < n; i++, place_next(c, &p)) gather_row(c, rows + i * row, &p, group);
    wr_error_keep_first(
        &c->error, multiply(c, rows, n, c->out + first * c->x.out_channels * c->element, group));
  }
  wr_free(rows);
}

static int64_t parts(int64_t n, int64_t part) { return (n + part - 1) / part; }

static void run_tiles(struct conv *c) {
  const int64_t row = c->taps * (c->x.in_channels / c->x.groups) * c->element;
  const double flops =
      2.0 * (double)c->positions * (double)c->x.out_channels * (double)row / (double)c->element;
  int64_t tile = TILE_BYTES / row;
  if (tile > TILE_MOST) tile = TILE_MOST;
  /* A few for each processor, where there is so much to do. */
  const int64_t even =
      parts(c->positions * c->x.groups, wr_cpu_count() * (int64_t)TILES_PER_PROCESSOR);
  if (tile > even) tile = even;
  if (tile < TILE_LEAST) tile = TILE_LEAST;
  c->tile = tile < c->positions ? tile : c->positions;
  const int64_t tiles = parts(c->positions, c->tile) * c->x.groups;
  const double per_tile = flops / (double)tiles;
  wr_spread(tiles, per_tile < part_flops ? (int64_t)(part_flops / (per_tile + 1)) + 1 : 1,
            tiles_body, c);
}

/* ---- groups of few channels ---- */

#define T float
#define NAME(f) f32_##f
#include "backend/cpu/conv_groups.h"
#define T double
#define NAME(f) f64_##f
#include "backend/cpu/conv_groups.h"

static void run_groups(struct conv *c) {
  const int64_t each = c->x.in_channels / c->x.groups;
  const int64_t work = c->taps * each * c->x.out_channels;
  wr_spread(c->positions, wr_cpu_grain(work),
            c->dtype == WR_FLOAT64 ? f64_positions : f32_positions, c);
}

/* The weight with the output's channels last: by tap, then by channel of a group. */
static struct wr_error *turn_weight(const struct conv *c, char **out) {
  const int64_t n = c->taps * (c->x.in_channels / c->x.groups), m = c->x.out_channels;
  char *turned = wr_alloc((size_t)(n * m * c->element));
  if (!turned) return wr_error_out_of_memory();
  for (int64_t i = 0; i < n; i++) {
    wr_copy_run(turned + i * m * c->element, 1, c->weight + i * c->element, n, m, (int)c->element);
  }
  *out = turned;
  return NULL;
}

static struct wr_error *run(struct conv *c) {
  if (c->x.groups == 1 && c->positions > WR_GEMM_FEW && c->x.out_channels > WR_GEMM_FEW) {
    return run_whole(c);
  }
  if (c->x.groups == 1 || c->x.in_channels / c->x.groups > FEW_CHANNELS) {
    run_tiles(c);
  } else {
    char *turned = NULL;
    struct wr_error *error = turn_weight(c, &turned);
    if (error) return error;
    c->weight = turned;
    run_groups(c);
    wr_free(turned);
  }
  return wr_load_acquire(&c->error); /* the pool has finished */
}

/* ---- the call ---- */

/* A dense operand in the type computed in: where it lies, or a copy, which *scratch owns. */
static struct wr_error *operand(const struct wr_tensor *t, enum wr_dtype to, const char **data,
                                void **scratch) {
  *scratch = NULL;
  *data = t->data;
  if (t->dtype == to && t->dense) return NULL;
  int64_t strides[WR_MAX_NDIM];
  wr_shape_row_strides(t->shape, t->ndim, strides);
  *scratch = wr_alloc((size_t)t->size * wr_dtype_size(to));
  if (!*scratch) return wr_error_out_of_memory();
  wr_cpu_cast(t, to, *scratch, strides);
  *data = *scratch;
  return NULL;
}

static void describe(struct conv *c, const struct wr_call *call) {
  struct wr_conv_extents *x = &c->x;
  wr_conv_extents_of(x, call->params, call->in[0].shape, call->in[1].shape, call->out.shape);
  c->positions = call->out.shape[0];
  c->taps = 1;
  for (int i = 0; i < AXES; i++) {
    c->positions *= x->result[i];
    c->taps *= x->kernel[i];
  }
}

static void convert(const struct conv *c, const struct wr_tensor *out) {
  struct wr_tensor from = *out;
  from.dtype = c->dtype;
  from.data = c->out;
  const struct wr_call call = {.op = WR_OP_ASTYPE, .n_in = 1, .in = &from, .out = *out};
  wr_loop_run(&call, wr_cpu_cast_row(out->dtype, c->dtype));
}

struct wr_error *wr_cpu_conv(const struct wr_call *call) {
  const struct wr_tensor *out = &call->out;
  const enum wr_dtype t = out->dtype == WR_FLOAT64 ? WR_FLOAT64 : WR_FLOAT32;
  struct conv c = {.dtype = t, .element = (int64_t)wr_dtype_size(t), .out = out->data};
  void *input, *weight, *result = NULL;
  if (out->size == 0) return NULL;
  describe(&c, call);
  if (c.taps * c.x.in_channels == 0) {
    memset(out->data, 0, (size_t)out->size * wr_dtype_size(out->dtype));
    return NULL;
  }
  struct wr_error *error = operand(&call->in[0], t, &c.input, &input);
  if (error) return error;
  error = operand(&call->in[1], t, &c.weight, &weight);
  if (error) goto free_input;
  if (!weight) c.weight_of = call->in[1].buffer;
  if (t != out->dtype) {
    result = wr_alloc((size_t)out->size * wr_dtype_size(t));
    if (!result) error = wr_error_out_of_memory();
    c.out = result;
  }
  if (!error) error = run(&c);
  if (!error && result) convert(&c, out);
  wr_free(result);
  wr_free(weight);
free_input:
  wr_free(input);
  return error;
}
