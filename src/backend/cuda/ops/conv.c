/* Convolutions, as products of matrices that are not written down (kernels/conv_tiles.cu); directly
   where groups have few channels (kernels/conv.cu), or where numbers are beyond the tiles' 32 bits.
   Large ones are cuDNN's first (conv_cudnn.c).

   Where the input is dilated, most of what the kernel covers is the zeros between its elements.
   Positions that lie alike between two elements, a phase, cover elements under the same taps: every
   so many-th one, beginning with some. So each phase is a convolution without that dilation, of
   some taps of the weight, whose results lie apart. */

#include <string.h>

#include "backend/cuda/ops/conv.h"

enum {
  SINGLE_TAPS = 128, /* kernels/conv.cu */
  AXES = WR_CONV_AXES,
  PHASES = 64, /* at most */
  FAR = 1 << 30,
  TAPS_MOST = 1 << 12,
  TABLE_TAPS = 64 /* kernels/conv_tiles.cu */
};

/* The kernel's struct of this name. */
struct problem {
  const void *input, *weight;
  void *out;
  int64_t input_at[AXES + 1], weight_at[AXES + 1], out_at[AXES + 1];
  int64_t rows;
  int64_t row_tiles, column_tiles;
  int32_t in[AXES], kernel[AXES], result[AXES];
  int32_t stride[AXES], start[AXES], dilation[AXES];
  int32_t channels, columns;
  int32_t groups, splits;
  int32_t steps;
  int32_t next[AXES + 1];
  int32_t packs;
  int32_t taps, next_taps;
};

/* ---- directly ---- */

/* A tensor whose channels do not lie side by side becomes a dense copy in scratch; with `all` each
   that is not dense does. */
static struct wr_error *lie_side_by_side(struct wr_run *run, struct wr_tensor *t, bool all) {
  const int last = t->ndim - 1;
  void *copy = NULL;
  if (t->dense || (!all && (t->strides[last] == 1 || t->shape[last] == 1))) return NULL;
  struct wr_error *error = wr_run_scratch(run, (size_t)t->size * wr_dtype_size(t->dtype), &copy);
  if (!error) error = wr_gpu_convert(run, t, t->dtype, copy);
  t->data = copy;
  t->dense = true;
  return error;
}

static struct wr_error *directly(struct wr_run *run, struct wr_conv *c) {
  enum { THREADS = 256, ITEMS = 16, POSITIONS = 256, CHUNKS = 8, MOST_Y = 65535 };
  const struct wr_conv_extents *x = &c->x;
  const struct wr_tensor *out = c->out;
  const int64_t pack = ITEMS / (int64_t)wr_dtype_size(out->dtype);
  const int64_t positions = out->size / x->out_channels, slab = CHUNKS * pack;
  const int64_t slabs = (x->in_channels + slab - 1) / slab;
  struct wr_error *error = lie_side_by_side(run, &c->input, true);
  if (!error) error = lie_side_by_side(run, &c->weight, true);
  if (error) return error;
  bool single = x->groups == x->in_channels && x->groups == x->out_channels &&
                x->in_channels % pack == 0 && slabs <= MOST_Y &&
                x->kernel[0] * x->kernel[1] * x->kernel[2] <= SINGLE_TAPS &&
                wr_aligned(c->input.data, ITEMS) && wr_aligned(out->data, ITEMS);
  for (int i = 0; i < AXES; i++) single = single && x->input_dilation[i] == 1;
  const struct wr_module_id id = {.source = WR_SOURCE_CONV,
                                  .op = WR_OP_CONV,
                                  .a = (uint8_t)out->dtype,
                                  .b = (uint8_t)out->dtype,
                                  .big = out->size > INT32_MAX};
  struct wr_launch l;
  wr_launch_start(&l, id, single ? WR_ENTRY_CONV_SINGLE : WR_ENTRY_CONV_SUMS);
  wr_launch_pointer(&l, out->data);
  wr_launch_pointer(&l, c->input.data);
  wr_launch_pointer(&l, c->weight.data);
  wr_launch_struct(&l, x, sizeof *x);
  wr_launch_i64(&l, single ? positions : out->size);
  if (single) {
    wr_launch_blocks(&l, (positions + POSITIONS - 1) / POSITIONS, slabs, THREADS);
  } else {
    wr_launch_threads(&l, run, out->size, THREADS);
  }
  return wr_launch(&l, run);
}

/* ---- tiles ---- */

/* How tiles look: kernels/conv_tiles.cu. */
enum shape { LARGE, NARROW, SMALL, SLIM };
static const struct {
  int rows, columns, stages, stages_before_80;
} shapes[] = {{128, 128, 3, 2}, {128, 64, 3, 2}, {64, 64, 4, 3}, {128, 32, 4, 2}};

enum { SINGLE = 4, BY_TF32 = 8, TABLE = 16, ALONE = 32 }; /* of a variant */

static int64_t up(int64_t a, int64_t b) { return (a + b - 1) / b; }

/* Both operands, the rows' places, the table of taps, and what the beginning is moved by to lie on
   1024 bytes. Tiles that are alone on their multiprocessor have one stage more. */
static unsigned shared_bytes(const struct wr_run *run, enum shape s, bool alone) {
  enum { STEP = 128, LINE = 40, TAP = 16, ALIGNED = 1024 };
  const int stages = (run->gpu->arch < 80 ? shapes[s].stages_before_80 : shapes[s].stages) + alone;
  return (unsigned)((shapes[s].rows + shapes[s].columns) * STEP * stages + shapes[s].rows * LINE +
                    TABLE_TAPS * TAP + ALIGNED);
}

static int64_t tiles_of(const struct problem *p, enum shape s) {
  return up(p->rows, shapes[s].rows) * up(p->columns, shapes[s].columns) * p->groups;
}

static bool is_tensor(const struct wr_run *run, const struct wr_conv *c) {
  const enum wr_dtype t = c->out->dtype;
  if (run->gpu->arch < 80) return false;
  return t == WR_FLOAT16 || t == WR_BFLOAT16 ||
         (t == WR_FLOAT32 && c->precision == WR_PRECISION_TF32);
}

/* The largest that the columns are worth and of which there are enough; measured on an H200, on
   which a large tile by wgmma is as fast where the depth is cut. */
static enum shape shape_of(const struct wr_run *run, const struct wr_conv *c,
                           const struct problem *p) {
  const int64_t enough = run->gpu->multiprocessors;
  if (p->columns <= shapes[SLIM].columns) return SLIM;
  if (c->out->dtype == WR_FLOAT64) return SMALL;
  if (p->columns > shapes[NARROW].columns && run->gpu->arch == 90 &&
      wr_dtype_size(c->out->dtype) == 2 && tiles_of(p, LARGE) * 4 >= enough &&
      shared_bytes(run, LARGE, true) <= (unsigned)run->gpu->shared_most) {
    return LARGE;
  }
  return tiles_of(p, NARROW) >= enough ? NARROW : SMALL;
}

/* In how many splits the depth is cut: for every multiprocessor to have a block, since what more
   would save is lost to writing and reading their sums, but none has fewer than LEAST steps. */
static int32_t splits_of(const struct wr_run *run, const struct problem *p, enum shape s) {
  enum { LEAST = 8, MOST = 64 };
  const int64_t wanted = run->gpu->multiprocessors / tiles_of(p, s);
  const int64_t possible = p->steps / LEAST;
  int64_t splits = wanted < possible ? wanted : possible;
  if (splits > MOST) splits = MOST;
  if (splits <= 1) return 1;
  const int64_t each = up(p->steps, splits);
  return (int32_t)up(p->steps, each); /* none is empty */
}

/* DEPTH elements of a row as taps along each axis and channels. */
static void step_of(struct problem *p, int64_t depth) {
  const int64_t taps = depth / p->channels;
  p->next[AXES] = (int32_t)(depth % p->channels);
  int64_t rest = taps;
  for (int i = AXES - 1; i > 0; i--) {
    const int64_t extent = p->kernel[i] ? p->kernel[i] : 1;
    p->next[i] = (int32_t)(rest % extent);
    rest /= extent;
  }
  p->next[0] = (int32_t)rest;
}

/* Whether copies go by a table of taps, of which there are few. */
static bool has_table(struct problem *p, int64_t depth) {
  int64_t taps = 1;
  for (int i = 0; i < AXES && taps <= TABLE_TAPS; i++) taps *= p->kernel[i];
  if (taps == 0 || taps > TABLE_TAPS) return false;
  p->taps = (int32_t)taps;
  p->next_taps = (int32_t)(depth / p->channels);
  return true;
}

/* Whether all pieces of 16 bytes lie within a tap, and on 16 bytes. */
static bool has_packs(const struct problem *p, int64_t pack) {
  if (p->channels % pack != 0 || !wr_aligned(p->input, 16) || !wr_aligned(p->weight, 16)) {
    return false;
  }
  for (int i = 0; i <= AXES; i++) {
    if (p->input_at[i] % pack != 0 || p->weight_at[i] % pack != 0) return false;
  }
  return true;
}

static bool results_have_packs(const struct problem *p, const void *out, size_t item) {
  const int64_t pack = 16 / (int64_t)item;
  return p->columns % pack == 0 && wr_aligned(out, 16);
}

static struct wr_error *join(struct wr_run *run, struct wr_module_id id, const struct wr_conv *c,
                             const struct problem *p) {
  struct wr_launch l;
  wr_launch_start(&l, id, WR_ENTRY_CONV_JOIN);
  wr_launch_pointer(&l, c->out->data);
  wr_launch_pointer(&l, p->out);
  wr_launch_i64(&l, c->out->size);
  wr_launch_i64(&l, p->splits);
  wr_launch_threads(&l, run, c->out->size, 256);
  return wr_launch(&l, run);
}

/* One phase; `whole`: there is no other. */
static struct wr_error *run_tiles(struct wr_run *run, const struct wr_conv *c, struct problem *p,
                                  bool whole) {
  const enum wr_dtype t = c->out->dtype;
  const size_t item = wr_dtype_size(t), sum = t == WR_FLOAT64 ? sizeof(double) : sizeof(float);
  const int64_t depth = 128 / (int64_t)item;
  const enum shape s = shape_of(run, c, p);
  const bool tensor = is_tensor(run, c);
  p->steps = (int32_t)up((int64_t)p->kernel[0] * p->kernel[1] * p->kernel[2] * p->channels, depth);
  p->splits = whole ? splits_of(run, p, s) : 1;
  const bool alone = s == LARGE && tiles_of(p, s) * p->splits <= run->gpu->multiprocessors;
  p->row_tiles = up(p->rows, shapes[s].rows);
  p->column_tiles = up(p->columns, shapes[s].columns);
  step_of(p, depth);
  if (p->splits > 1) {
    struct wr_error *error =
        wr_run_scratch(run, (size_t)p->splits * (size_t)c->out->size * sum, &p->out);
    if (error) return error;
  }
  p->packs = results_have_packs(p, p->out, p->splits > 1 ? sum : item);
  const bool packs = has_packs(p, 16 / (int64_t)item), table = packs && has_table(p, depth);
  const int copies = !packs ? SINGLE : table ? TABLE : 0;
  const struct wr_module_id id = {.source = WR_SOURCE_CONV_TILES,
                                  .op = WR_OP_CONV,
                                  .a = (uint8_t)t,
                                  .b = (uint8_t)t,
                                  .big = p->rows > INT32_MAX,
                                  .variant = (uint8_t)((int)s + copies + (alone ? ALONE : 0) +
                                                       (tensor && t == WR_FLOAT32 ? BY_TF32 : 0))};
  const bool fewer = tensor && s == SMALL;
  struct wr_launch l;
  wr_launch_start(&l, id, WR_ENTRY_CONV_TILES);
  wr_launch_struct(&l, p, sizeof *p);
  wr_launch_blocks(&l, p->row_tiles * p->column_tiles * p->groups * p->splits, 1,
                   fewer ? 128 : 256);
  l.shared_bytes = shared_bytes(run, s, alone);
  struct wr_error *error = wr_launch(&l, run);
  return error || p->splits == 1 ? error : join(run, id, c, p);
}

/* ---- phases ---- */

static int64_t gcd(int64_t a, int64_t b) {
  while (b) {
    const int64_t rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

/* Along an axis: how many phases there are, up to the number of positions. */
static int64_t phases_of(const struct wr_conv_extents *x, int axis) {
  const int64_t n = x->input_dilation[axis] / gcd(x->input_dilation[axis], x->stride[axis]);
  return n < x->result[axis] ? n : x->result[axis];
}

/* The first tap that lies on an element at this phase; none: the kernel's extent. */
static int64_t first_tap(const struct wr_conv_extents *x, int axis, int64_t phase) {
  const int64_t apart = x->input_dilation[axis];
  const int64_t start = phase * x->stride[axis] - x->padding[axis];
  for (int64_t k = 0; k < x->kernel[axis] && k < apart; k++) {
    if ((start + k * x->kernel_dilation[axis]) % apart == 0) return k;
  }
  return x->kernel[axis];
}

/* Restricts one axis of the problem to a phase. */
static void take_phase(struct problem *p, const struct wr_conv *c, int axis, int64_t phase) {
  const struct wr_conv_extents *x = &c->x;
  const int64_t apart = x->input_dilation[axis], item = (int64_t)wr_dtype_size(c->out->dtype);
  const int64_t positions = apart / gcd(apart, x->stride[axis]);
  const int64_t taps = apart / gcd(apart, x->kernel_dilation[axis]);
  const int64_t first = first_tap(x, axis, phase);
  const int64_t start =
      phase * x->stride[axis] - x->padding[axis] + first * x->kernel_dilation[axis];
  const bool any = first < x->kernel[axis];
  p->in[axis] = (int32_t)x->in[axis];
  p->result[axis] = (int32_t)up(x->result[axis] - phase, positions);
  p->kernel[axis] = (int32_t)up(x->kernel[axis] - first, taps);
  p->start[axis] = any ? (int32_t)(start / apart) : 0;
  p->stride[axis] = (int32_t)(x->stride[axis] * positions / apart);
  p->dilation[axis] = (int32_t)(x->kernel_dilation[axis] * taps / apart);
  if (any) p->weight = (const char *)p->weight + first * p->weight_at[axis + 1] * item;
  p->weight_at[axis + 1] *= taps;
  p->out = (char *)p->out + phase * p->out_at[axis + 1] * item;
  p->out_at[axis + 1] *= positions;
}

/* The strides of the first axis and of the spatial ones; those of axes 1 long do not matter. */
static void strides_of(int64_t *at, const struct wr_tensor *t) {
  int64_t dense = 1;
  for (int i = 0; i <= AXES; i++) at[i] = 0;
  for (int i = t->ndim - 1; i >= 0; i--) {
    const int64_t stride = t->dense ? dense : t->strides[i];
    dense *= t->shape[i];
    if (i == t->ndim - 1 || t->shape[i] == 1) continue;
    at[i == 0 ? 0 : i - 1 + AXES - (t->ndim - 2) + 1] = stride;
  }
}

static struct problem problem_of(const struct wr_conv *c, int64_t phase) {
  const struct wr_conv_extents *x = &c->x;
  struct problem p = {.input = c->input.data,
                      .weight = c->weight.data,
                      .out = c->out->data,
                      .channels = (int32_t)(x->in_channels / x->groups),
                      .columns = (int32_t)(x->out_channels / x->groups),
                      .groups = (int32_t)x->groups};
  strides_of(p.input_at, &c->input);
  strides_of(p.weight_at, &c->weight);
  strides_of(p.out_at, c->out);
  p.rows = c->out->shape[0];
  for (int i = AXES - 1; i >= 0; i--) {
    const int64_t n = phases_of(x, i);
    take_phase(&p, c, i, phase % n);
    phase /= n;
    p.rows *= p.result[i];
  }
  return p;
}

/* Places are counted in 32 bits, with room for one more reach of the kernel; and the first tap of a
   phase is looked for one by one. */
static bool is_near(const struct wr_conv_extents *x) {
  int64_t depth = x->in_channels / x->groups;
  for (int i = 0; i < AXES; i++) {
    const int64_t reach = x->kernel[i] * x->kernel_dilation[i];
    if (x->result[i] * x->stride[i] + x->padding[i] >= FAR || reach >= FAR / 2) return false;
    if (x->kernel[i] > TAPS_MOST && x->input_dilation[i] > TAPS_MOST) return false;
    if (x->in[i] >= FAR || x->input_dilation[i] >= FAR || depth >= FAR) return false;
    depth *= x->kernel[i];
  }
  return depth < FAR;
}

static struct wr_error *by_tiles(struct wr_run *run, struct wr_conv *c, int64_t phases) {
  struct wr_error *error = lie_side_by_side(run, &c->input, false);
  if (!error) error = lie_side_by_side(run, &c->weight, false);
  for (int64_t i = 0; i < phases && !error; i++) {
    struct problem p = problem_of(c, i);
    error = run_tiles(run, c, &p, phases == 1);
  }
  return error;
}

struct wr_error *wr_gpu_conv(struct wr_run *run, const struct wr_call *call) {
  const struct wr_conv_params *params = call->params;
  const struct wr_tensor *out = &call->out;
  struct wr_conv c = {
      .out = out, .input = call->in[0], .weight = call->in[1], .precision = params->precision};
  if (out->size == 0) return NULL;
  wr_conv_extents_of(&c.x, params, call->in[0].shape, call->in[1].shape, out->shape);
  if (call->in[1].size == 0) {
    return wr_run_zero(run, out->data, (size_t)out->size * wr_dtype_size(out->dtype));
  }
  bool ran;
  struct wr_error *error = wr_conv_by_cudnn(run, &c, &ran);
  if (error || ran) return error;
  int64_t phases = 1;
  for (int i = 0; i < AXES && phases <= PHASES; i++) phases *= phases_of(&c.x, i);
  const bool tiles = !wr_conv_has_few_channels(&c.x) && phases <= PHASES && is_near(&c.x);
  return tiles ? by_tiles(run, &c, phases) : directly(run, &c);
}
