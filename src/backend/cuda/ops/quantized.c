/* Quantising matrices, making floats of them again, and products with them. Operands are dense. For
   each way of packing the kernels are compiled anew. */

#include "core/quantized.h"
#include "backend/cuda/ops/internal.h"

enum {
  FEW_ROWS = 8,
  FEWER_ROWS = 4,
  COLUMNS_OF_ONE = 2,
  COLUMNS_OF_FEW = 16,
  TILE = 64,
  TILE_THREADS = 128
};

/* The kernels' structs of these names. */
struct target {
  void *codes, *scales, *biases;
};
struct problem {
  const void *x, *codes, *scales, *biases, *lhs, *rhs;
  int64_t products, m, n, k;
  int64_t x_count, w_count;
  int64_t group;
  int64_t transpose;
  int64_t aligned;
};

/* kernels/packed.cuh */
static uint8_t variant_of(const struct wr_quantized_params *how) {
  return (uint8_t)(how->mode == WR_AFFINE ? how->bits : 15 + how->mode);
}

static struct wr_module_id module_of(enum wr_source source, enum wr_op op, enum wr_dtype t,
                                     const struct wr_quantized_params *how, bool big) {
  return (struct wr_module_id){.source = (uint8_t)source,
                               .op = (uint8_t)op,
                               .a = (uint8_t)t,
                               .b = (uint8_t)t,
                               .big = big,
                               .variant = variant_of(how)};
}

struct wr_error *wr_gpu_quantize(struct wr_run *run, const struct wr_call *call) {
  enum { WARPS = 8 };
  const struct wr_quantized_params *how = call->params;
  const struct wr_tensor *w = &call->in[0];
  const bool affine = how->mode == WR_AFFINE;
  const struct wr_quantized_layout at = wr_quantized_layout_of(w->size, how, w->dtype);
  uint8_t *out = call->out.data;
  const struct target to = {out, out + at.scales, affine ? out + at.biases : NULL};
  const int64_t groups = w->size / how->group;
  struct wr_launch l;
  if (groups == 0) return NULL;
  wr_launch_start(&l, module_of(WR_SOURCE_QUANTIZED, WR_OP_QUANTIZE, w->dtype, how, true),
                  WR_ENTRY_QUANTIZE);
  wr_launch_struct(&l, &to, sizeof to);
  wr_launch_pointer(&l, w->data);
  wr_launch_pointer(&l, call->n_in > 1 ? call->in[1].data : NULL);
  wr_launch_i64(&l, groups);
  wr_launch_i64(&l, how->group);
  wr_launch_i64(&l, how->even);
  wr_launch_threads(&l, run, groups * 32, WARPS * 32);
  return wr_launch(&l, run);
}

struct wr_error *wr_gpu_dequantize(struct wr_run *run, const struct wr_call *call) {
  enum { BLOCK = 8 };
  const struct wr_quantized_params *how = call->params;
  const struct wr_tensor *codes = &call->in[0], *out = &call->out;
  const bool affine = how->mode == WR_AFFINE;
  struct wr_launch l;
  if (out->size == 0) return NULL;
  const int64_t n = out->shape[out->ndim - 1], rows = out->size / n;
  const size_t bytes = BLOCK * wr_dtype_size(out->dtype);
  wr_launch_start(&l, module_of(WR_SOURCE_QUANTIZED, WR_OP_QUANTIZE, out->dtype, how, true),
                  WR_ENTRY_DEQUANTIZE);
  wr_launch_pointer(&l, out->data);
  wr_launch_pointer(&l, codes->data);
  wr_launch_pointer(&l, call->in[1].data);
  wr_launch_pointer(&l, affine ? call->in[2].data : NULL);
  wr_launch_pointer(&l, !affine && call->n_in > 2 ? call->in[2].data : NULL);
  wr_launch_i64(&l, rows);
  wr_launch_i64(&l, n);
  wr_launch_i64(&l, (int64_t)codes->shape[codes->ndim - 1] * 4);
  wr_launch_i64(&l, how->group);
  wr_launch_i64(&l, n % BLOCK == 0 && wr_aligned(out->data, bytes));
  wr_launch_threads(&l, run, rows * ((n + BLOCK - 1) / BLOCK), 256);
  return wr_launch(&l, run);
}

static struct problem problem_of(const struct wr_call *call) {
  const struct wr_quantized_params *how = call->params;
  const struct wr_tensor *x = &call->in[0], *w = &call->in[1], *out = &call->out;
  struct problem p = {.x = x->data,
                      .codes = w->data,
                      .scales = call->in[2].data,
                      .biases = how->mode == WR_AFFINE ? call->in[3].data : NULL,
                      .m = out->shape[out->ndim - 2],
                      .n = out->shape[out->ndim - 1],
                      .k = x->shape[x->ndim - 1],
                      .group = how->group,
                      .transpose = how->transpose};
  p.products = out->size / (p.m * p.n);
  p.x_count = x->size / (p.m * p.k);
  p.w_count = w->size / ((int64_t)w->shape[w->ndim - 2] * w->shape[w->ndim - 1]);
  p.aligned = wr_aligned(p.x, 16) && wr_aligned(p.codes, 16);
  if (how->gathers) {
    p.lhs = call->in[call->n_in - 2].data;
    p.rhs = call->in[call->n_in - 1].data;
  }
  return p;
}

/* The kernels of quantized_tiles.cu: tiles of the result, how many elements along k a step has, and
   how many steps are in shared memory. */
static const struct tiles {
  int rows, columns, step, stages;
} tiles[] = {{16, 32, 512, 4}, {32, 32, 512, 3}, {64, 32, 256, 3}, {128, 128, 64, 4}};
enum { TILES_WAYS = sizeof tiles / sizeof tiles[0], TILES_THREADS = 256, TILES_DEPTH = 64 };
enum { WIDE_THREADS = 384 };
/* Places along k are counted in 32 bits, some steps further than k. */
enum { FAR = 1 << 30 };

static int64_t tiles_count(const struct tiles *t, const struct problem *p) {
  return (p->m + t->rows - 1) / t->rows * ((p->n + t->columns - 1) / t->columns);
}

static unsigned tiles_bytes(const struct tiles *t, int bits) {
  enum { APART = 16 };
  return (unsigned)(t->stages *
                    (t->rows * t->step * 2 + t->columns * (t->step * bits / 8 + APART)));
}

/* The least that hold all rows; the largest only where they are enough for half of the GPU. NULL:
   another kernel. */
static const struct tiles *tiles_of(const struct wr_run *run, const struct wr_call *call,
                                    const struct problem *p) {
  const struct wr_quantized_params *how = call->params;
  const bool fits = p->transpose && p->aligned && p->k % TILES_DEPTH == 0 && p->k < FAR &&
                    wr_dtype_size(call->out.dtype) == 2 && run->gpu->arch >= 80;
  const struct tiles *t = tiles, *last = tiles + TILES_WAYS - 1;
  if (!fits) return NULL;
  while (t < last && t->rows < p->m) t++;
  if (t == last && tiles_count(t, p) * p->products * 2 < run->gpu->multiprocessors) t--;
  return tiles_bytes(t, how->bits) <= (unsigned)run->gpu->shared_most ? t : NULL;
}

/* kernels/quantized_wide.cu: tiles of as many rows and columns as the largest. */
enum { WIDE_ROWS = 128, WIDE_COLUMNS = 128, WIDE_DEPTH = 64, WIDE_CLUSTER = 2, WIDE_STAGES = 8 };

static unsigned wide_bytes(int bits) {
  enum { FACTORS = 2 * 8, BARRIERS = 16, ALIGNED = 1024 };
  const int line = WIDE_DEPTH * bits / 8;
  return (unsigned)(WIDE_STAGES *
                        (WIDE_ROWS * WIDE_DEPTH * 2 + WIDE_COLUMNS * (line + FACTORS) + BARRIERS) +
                    ALIGNED);
}

/* x, and codes as bytes. */
struct maps {
  struct wr_cu_tensor_map x, codes;
};

/* Of `count` dense matrices boxes of so many rows, `step` elements of each. */
static bool map_of(struct wr_cu_tensor_map *map, const void *data, int type, uint64_t item,
                   const uint64_t *shape, unsigned step, unsigned rows, int swizzle) {
  const uint64_t line = shape[0] * item, strides[] = {line, line * shape[1], 16};
  const unsigned box[] = {step, rows, 1, 1}, steps[] = {1, 1, 1, 1};
  return wr_cu->tensor_map(map, type, 4, (void *)(uintptr_t)data, shape, strides, box, steps, 0,
                           swizzle, WR_CU_TENSOR_MAP_PROMOTION_256, 0) == WR_CU_SUCCESS;
}

static bool maps_of(struct maps *maps, const struct problem *p, int bits) {
  const uint64_t k = (uint64_t)p->k, line = k * (uint64_t)bits / 8;
  const uint64_t x[] = {k, (uint64_t)p->m, (uint64_t)p->x_count, 1};
  const uint64_t codes[] = {line, (uint64_t)p->n, (uint64_t)p->w_count, 1};
  return map_of(&maps->x, p->x, WR_CU_TENSOR_MAP_16_BITS, 2, x, WIDE_DEPTH,
                WIDE_ROWS / WIDE_CLUSTER, WR_CU_TENSOR_MAP_SWIZZLE_128) &&
         map_of(&maps->codes, p->codes, WR_CU_TENSOR_MAP_BYTES, 1, codes,
                (unsigned)(WIDE_DEPTH * bits / 8), WIDE_COLUMNS,
                bits == 4 ? WR_CU_TENSOR_MAP_SWIZZLE_32 : WR_CU_TENSOR_MAP_SWIZZLE_64);
}

/* Tiles by the instructions of compute capability 9.0, where the largest would be taken, and the
   copier can have the operands. */
static bool is_wide(const struct wr_run *run, const struct wr_quantized_params *how,
                    const struct problem *p, const struct tiles *t, struct maps *maps) {
  return t == tiles + TILES_WAYS - 1 && run->gpu->arch == 90 && how->mode == WR_AFFINE &&
         (how->bits == 4 || how->bits == 8) && p->m < FAR && p->n < FAR &&
         wide_bytes(how->bits) <= (unsigned)run->gpu->shared_most && maps_of(maps, p, how->bits);
}

static struct wr_error *by_wide(struct wr_run *run, const struct wr_call *call,
                                const struct problem *p, const struct maps *maps) {
  const struct wr_quantized_params *how = call->params;
  const int64_t rows = (p->m + WIDE_ROWS - 1) / WIDE_ROWS;
  const int64_t columns = (p->n + WIDE_COLUMNS - 1) / WIDE_COLUMNS;
  const int64_t clusters = rows * ((columns + WIDE_CLUSTER - 1) / WIDE_CLUSTER);
  struct wr_launch l;
  wr_launch_start(
      &l, module_of(WR_SOURCE_QUANTIZED_WIDE, WR_OP_QUANTIZED_MATMUL, call->out.dtype, how, true),
      WR_ENTRY_ONLY);
  wr_launch_pointer(&l, call->out.data);
  wr_launch_struct(&l, p, sizeof *p);
  wr_launch_struct(&l, &maps->x, sizeof maps->x);
  wr_launch_struct(&l, &maps->codes, sizeof maps->codes);
  wr_launch_blocks(&l, clusters * WIDE_CLUSTER, p->products, WIDE_THREADS);
  l.shared_bytes = wide_bytes(how->bits);
  return wr_launch(&l, run);
}

static struct wr_error *by_tiles(struct wr_run *run, const struct wr_call *call,
                                 const struct problem *p, const struct tiles *t) {
  const struct wr_quantized_params *how = call->params;
  struct maps maps;
  if (is_wide(run, how, p, t, &maps)) return by_wide(run, call, p, &maps);
  struct wr_launch l;
  wr_launch_start(
      &l, module_of(WR_SOURCE_QUANTIZED_TILES, WR_OP_QUANTIZED_MATMUL, call->out.dtype, how, true),
      WR_ENTRY_QUANTIZED_TILES + (int)(t - tiles));
  wr_launch_pointer(&l, call->out.data);
  wr_launch_struct(&l, p, sizeof *p);
  wr_launch_blocks(&l, tiles_count(t, p), p->products, TILES_THREADS);
  l.shared_bytes = tiles_bytes(t, how->bits);
  return wr_launch(&l, run);
}

struct wr_error *wr_gpu_quantized_matmul(struct wr_run *run, const struct wr_call *call) {
  const struct wr_quantized_params *how = call->params;
  const struct wr_tensor *out = &call->out;
  struct wr_launch l;
  if (out->size == 0) return NULL;
  if (call->in[0].size == 0 || call->in[1].size == 0) { /* sums of nothing */
    return wr_run_zero(run, out->data, (size_t)out->size * wr_dtype_size(out->dtype));
  }
  const struct problem p = problem_of(call);
  const struct tiles *large = p.transpose && p.m <= FEWER_ROWS ? NULL : tiles_of(run, call, &p);
  if (large) return by_tiles(run, call, &p, large);
  const bool few = p.transpose && p.m <= FEW_ROWS;
  const int entry = !few       ? WR_ENTRY_QUANTIZED_MANY
                    : p.m == 1 ? WR_ENTRY_QUANTIZED_ONE
                               : WR_ENTRY_QUANTIZED_FEW;
  wr_launch_start(
      &l, module_of(WR_SOURCE_QUANTIZED_MATMUL, WR_OP_QUANTIZED_MATMUL, out->dtype, how, true),
      entry);
  wr_launch_pointer(&l, out->data);
  wr_launch_struct(&l, &p, sizeof p);
  if (few) {
    const int64_t each = p.m == 1 ? COLUMNS_OF_ONE : COLUMNS_OF_FEW;
    const int64_t blocks = (p.n + each - 1) / each;
    wr_launch_blocks(&l, blocks, p.products, 128);
  } else {
    const int64_t blocks = ((p.n + TILE - 1) / TILE) * ((p.m + TILE - 1) / TILE);
    wr_launch_blocks(&l, blocks, p.products, TILE_THREADS);
  }
  return wr_launch(&l, run);
}
