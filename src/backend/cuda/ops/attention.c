/* Attention whose keys and values have up to 128 elements each. There are three ways to compute it
   for 16-bit floats: kernels/attention_tiles.cu uses the tensor cores of compute capability 9.0,
   attention_few.cu reads each key and value once for a few rows of queries, and attention.cu takes
   any layout. float32 has attention_wide.cu, as TF32 where the precision says so. Where there are
   too few rows to keep all multiprocessors busy, the keys are cut in splits that are computed side
   by side, and a second kernel joins their results. */

#include "backend/cuda/ops/internal.h"

/* A way to compute it: a file of kernels, and how it is launched. */
struct way {
  enum wr_source source;
  int rows, keys;     /* of a tile */
  int threads, split; /* the fewest keys of a split */
  int fill;           /* blocks that a multiprocessor has at a time */
  int splits_most;
};

static const struct way general = {WR_SOURCE_ATTENTION, 64, 64, 128, 128, 2, 64};
static const struct way tiles = {WR_SOURCE_ATTENTION_TILES, 128, 128, 384, 256, 1, 64};
/* Where registers do for three groups of warps: keys and values of 64 elements, without masks. */
static const struct way high_tiles = {WR_SOURCE_ATTENTION_TILES, 192, 128, 512, 256, 1, 64};
/* Of more keys, where there are many: less is not products, but the last tile is larger. */
static const struct way long_tiles = {WR_SOURCE_ATTENTION_TILES, 128, 176, 384, 352, 1, 64};
enum { LONG = 2048 };
static const struct way few = {WR_SOURCE_ATTENTION_FEW, 16, 16, 128, 128, 2, 256};
static const struct way wide = {WR_SOURCE_ATTENTION_WIDE, 64, 32, 128, 128, 2, 64};
static const struct way wide_exact = {WR_SOURCE_ATTENTION_WIDE, 64, 32, 256, 128, 2, 64};

static bool by_tiles(const struct way *way) { return way->source == WR_SOURCE_ATTENTION_TILES; }

/* The kernels' structs of these names. */
struct places {
  int64_t b, h, i, j;
};
struct problem {
  const void *q, *k, *v, *mask;
  const float *sinks;
  struct places q_at, k_at, v_at, mask_at;
  int64_t batch, heads, group, l, m, d, e;
  int64_t rows, tiles;
  int64_t causal, splits;
  int64_t together;
  double scale;
};
struct parts {
  float *sums, *stats;
};

/* What `tiles` has besides: boxes of keys and of values as the GPU's copier knows them. */
struct maps {
  struct wr_cu_tensor_map keys, values;
};

static struct places places_of(const struct wr_tensor *t) {
  return (struct places){t->strides[0], t->strides[1], t->strides[2], t->strides[3]};
}

static struct problem problem_of(const struct wr_call *call) {
  const struct wr_attention_params *params = call->params;
  const struct wr_tensor *q = &call->in[0], *k = &call->in[1], *v = &call->in[2];
  struct problem p = {.q = q->data,
                      .k = k->data,
                      .v = v->data,
                      .q_at = places_of(q),
                      .k_at = places_of(k),
                      .v_at = places_of(v),
                      .batch = q->shape[0],
                      .heads = k->shape[1],
                      .group = q->shape[1] / k->shape[1],
                      .l = q->shape[2],
                      .m = k->shape[2],
                      .d = q->shape[3],
                      .e = v->shape[3],
                      .causal = params->causal,
                      .splits = 1,
                      .scale = (double)params->scale};
  p.rows = p.group * p.l;
  if (params->has_mask) {
    p.mask = call->in[3].data;
    p.mask_at = places_of(&call->in[3]);
  }
  return p;
}

/* Rows of elements that lie side by side and begin on 16 bytes, up to 128 of them. */
static bool is_dense(const struct wr_tensor *t) {
  const int64_t pack = 16 / (int64_t)wr_dtype_size(t->dtype);
  if (t->shape[3] > 128 || t->shape[3] % pack != 0 || !wr_aligned(t->data, 16)) return false;
  if (t->strides[3] != 1 && t->shape[3] > 1) return false;
  for (int i = 0; i < 3; i++) {
    if (t->strides[i] % pack != 0 && t->shape[i] > 1) return false;
  }
  return true;
}

static bool all_dense(const struct wr_call *call) {
  return is_dense(&call->in[0]) && is_dense(&call->in[1]) && is_dense(&call->in[2]);
}

/* Boxes of `rows` keys, 64 elements of each, of 16 bits. An axis that lies nowhere else for another
   index has one index there. False where the copier cannot have them so. */
static bool map_of(const struct wr_tensor *t, int rows, struct wr_cu_tensor_map *map) {
  static const int order[] = {2, 1, 0};
  const unsigned box[] = {64, (unsigned)rows, 1, 1}, steps[] = {1, 1, 1, 1};
  uint64_t shape[4] = {(uint64_t)t->shape[3]}, strides[3];
  for (int i = 0; i < 3; i++) {
    const int axis = order[i];
    const bool one = t->shape[axis] == 1 || (t->strides[axis] == 0 && axis != 2);
    if (!one && t->strides[axis] <= 0) return false;
    shape[i + 1] = one ? 1 : (uint64_t)t->shape[axis];
    strides[i] = one ? 16 : (uint64_t)t->strides[axis] * 2;
  }
  return wr_cu->tensor_map(map, WR_CU_TENSOR_MAP_16_BITS, 4, t->data, shape, strides, box, steps, 0,
                           WR_CU_TENSOR_MAP_SWIZZLE_128, WR_CU_TENSOR_MAP_PROMOTION_256,
                           0) == WR_CU_SUCCESS;
}

static bool maps_of(const struct wr_call *call, const struct way *way, struct maps *maps) {
  return map_of(&call->in[1], way->keys, &maps->keys) &&
         map_of(&call->in[2], way->keys, &maps->values);
}

/* Keys and values twice; or those, queries and shares. */
static unsigned wide_bytes(const struct wr_run *run, const struct way *way, unsigned length) {
  enum { ITEM = 4, MORE = 4, ALIGNED = 16, KEYS_BEFORE_80 = 16 };
  const unsigned keys = (unsigned)(run->gpu->arch < 80 ? KEYS_BEFORE_80 : way->keys);
  const unsigned rows = (unsigned)way->rows, pitch = length + MORE;
  const unsigned all =
      way == &wide ? 4 * keys * pitch : (rows + 2 * keys) * pitch + rows * (keys + MORE);
  return all * ITEM + ALIGNED;
}

static unsigned shared_bytes(const struct wr_run *run, const struct way *way, unsigned variant) {
  enum { ITEM = 2, STAGES = 3, WARPS = 4, MORE = 8, ALIGNED_TILES = 1024, ALIGNED = 16 };
  enum { MOST = 230000 }; /* as attention_tiles.cu has it */
  const unsigned length = 64 * variant;
  if (by_tiles(way)) { /* keys and values twice, queries too where there is room, barriers */
    const unsigned once = (unsigned)(way->rows + 4 * way->keys) * length * ITEM;
    const unsigned twice = once + (unsigned)way->rows * length * ITEM;
    return (twice <= MOST ? twice : once) + 2 * ALIGNED_TILES;
  }
  if (way == &wide || way == &wide_exact) return wide_bytes(run, way, length);
  if (way == &few) return WARPS * STAGES * 2 * 16 * (length + MORE) * ITEM + ALIGNED;
  return 0;
}

/* Kernels add two numbers of rows, or of keys, in 32 bits; so each is to be below this. */
enum { FAR = 1 << 30 };

static const struct way *way_of(const struct wr_run *run, const struct wr_call *call,
                                const struct problem *p, unsigned variant, struct maps *maps) {
  const struct wr_gpu *gpu = run->gpu;
  const struct wr_attention_params *params = call->params;
  const struct way *way = NULL;
  if (call->out.dtype == WR_FLOAT32) {
    /* With one query each it takes as long as reading keys and values, as a product with a vector.
     */
    const bool by_tf32 = params->precision == WR_PRECISION_TF32 && gpu->arch >= 80 && p->l > 1;
    return by_tf32 ? &wide : &wide_exact;
  }
  if (!all_dense(call)) return &general;
  if (p->rows <= few.rows && p->m < FAR && gpu->arch >= 80) way = &few;
  if (p->rows > few.rows && gpu->arch == 90 && p->rows < FAR && p->m < FAR) {
    way = p->mask ? &tiles : variant == 1 ? &high_tiles : p->m >= LONG ? &long_tiles : &tiles;
    if (!maps_of(call, way, maps)) way = NULL;
  }
  return way && shared_bytes(run, way, variant) <= (unsigned)gpu->shared_most ? way : &general;
}

/* In how many splits the keys are cut: enough for every multiprocessor to have all the blocks that
   it can run, but no split has fewer keys than way->split. */
static int64_t splits_of(const struct wr_run *run, const struct problem *p, const struct way *way) {
  const int64_t blocks = p->batch * p->heads * p->tiles;
  const int64_t wanted = way->fill * (int64_t)run->gpu->multiprocessors / blocks;
  int64_t splits = p->m / way->split < wanted ? p->m / way->split : wanted;
  if (splits > way->splits_most) splits = way->splits_most;
  return splits > 1 ? splits : 1;
}

/* With `tiles` a block computes several tiles, one after the other: it begins to copy what the next
   needs while it computes the one before. */
static int64_t blocks_of(const struct wr_run *run, const struct problem *p, const struct way *way) {
  const int64_t blocks = p->batch * p->heads * p->tiles, most = run->gpu->multiprocessors;
  return by_tiles(way) && p->splits == 1 && blocks > most ? most : blocks;
}

/* Where tiles take longer the later their rows are, the longest come first, of so many heads that
   what they read about stays in the cache; of about as many each time, since those of a few heads
   at the end would not keep all multiprocessors busy until theirs end. */
static int64_t together_of(const struct problem *p) {
  enum { CACHED = 24 << 20, ITEM = 2 };
  const int64_t all = p->batch * p->heads, bytes = p->m * (p->d + p->e) * ITEM;
  if (!p->causal || bytes < 1 || bytes > CACHED) return 1;
  const int64_t most = CACHED / bytes, times = all > most ? all / most : 1;
  return (all + times - 1) / times;
}

static struct wr_error *parts_new(struct wr_run *run, const struct problem *p, struct parts *w) {
  const size_t rows = (size_t)(p->splits * p->batch * p->heads * p->rows);
  void *room;
  struct wr_error *error = wr_run_scratch(run, rows * ((size_t)p->e + 2) * sizeof(float), &room);
  if (error) return error;
  w->sums = room;
  w->stats = w->sums + rows * (size_t)p->e;
  return NULL;
}

static struct wr_error *sinks_of(struct wr_run *run, const struct wr_call *call,
                                 struct problem *p) {
  const struct wr_attention_params *params = call->params;
  const struct wr_tensor *sinks = &call->in[3 + params->has_mask];
  void *room;
  if (!params->has_sinks) return NULL;
  struct wr_error *error = wr_run_scratch(run, (size_t)sinks->size * sizeof(float), &room);
  if (!error) error = wr_gpu_convert(run, sinks, WR_FLOAT32, room);
  p->sinks = room;
  return error;
}

static struct wr_error *join(struct wr_run *run, struct wr_module_id id, void *out,
                             const struct parts *w, const struct problem *p) {
  struct wr_launch l;
  const int64_t rows = p->batch * p->heads * p->rows;
  wr_launch_start(&l, id, WR_ENTRY_ATTENTION_JOIN);
  wr_launch_pointer(&l, out);
  wr_launch_struct(&l, w, sizeof *w);
  wr_launch_i64(&l, rows);
  wr_launch_i64(&l, p->e);
  wr_launch_i64(&l, p->splits);
  wr_launch_threads(&l, run, rows * p->e, 128);
  return wr_launch(&l, run);
}

/* Counters, by which blocks share out tiles, or hear that they are the last of a head: where keys
   are cut there are fewer heads than multiprocessors, since else there were blocks enough. */
static int64_t counters_of(const struct way *way, const struct problem *p) {
  if (by_tiles(way) && p->splits == 1) return 2;
  return way == &few && p->splits > 1 ? p->batch * p->heads : 0;
}

/* What the way's kernels are compiled for, beside the types. */
static unsigned variant_of(const struct way *way, const struct wr_call *call,
                           const struct problem *p, unsigned lengths) {
  enum { MASKED = 2, HIGH = 4, LONG_TILES = 8, SINGLE = 4, BY_TF32 = 8 };
  if (by_tiles(way)) {
    return lengths + (p->mask ? MASKED : 0) + (way == &high_tiles ? HIGH : 0) +
           (way == &long_tiles ? LONG_TILES : 0);
  }
  if (way != &wide && way != &wide_exact) return lengths;
  return lengths + (all_dense(call) ? 0 : SINGLE) + (way == &wide ? BY_TF32 : 0);
}

struct wr_error *wr_gpu_attention(struct wr_run *run, const struct wr_call *call) {
  struct problem p = problem_of(call);
  struct parts w = {NULL, NULL};
  struct maps maps;
  struct wr_launch l;
  const int64_t longest = p.d > p.e ? p.d : p.e;
  const unsigned variant = (unsigned)((longest + 63) / 64);
  const struct way *way = way_of(run, call, &p, variant, &maps);
  struct wr_module_id id = {.source = (uint8_t)way->source,
                            .op = WR_OP_ATTENTION,
                            .a = (uint8_t)call->out.dtype,
                            .b = (uint8_t)(p.mask ? call->in[3].dtype : WR_BOOL),
                            .big = true,
                            .variant = (uint8_t)variant_of(way, call, &p, variant)};
  struct wr_error *error = sinks_of(run, call, &p);
  if (error) return error;
  p.tiles = (p.rows + way->rows - 1) / way->rows;
  p.splits = splits_of(run, &p, way);
  p.together = together_of(&p);
  if (p.splits > 1) error = parts_new(run, &p, &w);
  if (error) return error;
  uint32_t *counters = NULL;
  if (counters_of(way, &p) > 0) error = wr_run_counters(run, counters_of(way, &p), &counters);
  if (error) return error;
  wr_launch_start(&l, id, WR_ENTRY_ATTENTION);
  wr_launch_pointer(&l, call->out.data);
  wr_launch_struct(&l, &w, sizeof w);
  wr_launch_struct(&l, &p, sizeof p);
  if (by_tiles(way)) {
    wr_launch_struct(&l, &maps.keys, sizeof maps.keys);
    wr_launch_struct(&l, &maps.values, sizeof maps.values);
  }
  if (by_tiles(way) || way == &few) wr_launch_pointer(&l, counters);
  wr_launch_blocks(&l, blocks_of(run, &p, way), p.splits, (unsigned)way->threads);
  l.shared_bytes = shared_bytes(run, way, variant);
  error = wr_launch(&l, run);
  if (error || p.splits == 1 || way == &few) return error; /* few joins by itself */
  if (call->out.dtype != WR_FLOAT32) {
    id.source = WR_SOURCE_ATTENTION;
    id.variant = (uint8_t)variant;
  }
  return join(run, id, call->out.data, &w, &p);
}
