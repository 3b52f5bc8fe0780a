/* Matrix products over any batch axes. An operand whose last two axes a product can read (rows or
   columns dense) is used where it lies; others are first copied into dense scratch, once for each
   matrix that differs (a broadcast batch axis is copied once). The 16-bit floats are computed with
   in float32, which they become on the way (product/short.h). Products of real numbers are Weir's
   own (product/product.h): small ones are spread over the pool matrix by matrix, large ones one
   after another, each in pieces. Those of complex ones are OpenBLAS's: the result is cut into tiles
   that the pool computes in any order; within a tile, slices along k follow each other, each short
   enough for the gate of blas.c. No locks. */

#include <limits.h>
#include <string.h>

#include "backend/cpu/blas/blas.h"
#include "backend/cpu/gemm_short.h"
#include "backend/cpu/kernels.h"
#include "base/atomic.h"
#include "base/base.h"
#include "core/matrix.h"
#include "core/shape.h"

/* Larger tiles pack less, smaller ones balance better: with one tile a processor, the last to start
   is the last to end. A slice is a few milliseconds, counted in operations on real numbers; a byte
   of the operands takes as long as some. What each slice adds up follows from the shape of its tile
   alone. */
enum { TILE = 1024, TILE_MIN = 32, TILES_PER_PROCESSOR = 4, SLICE_K_MIN = 128, LINE = 64 };
static const double slice_flops = 4e8;
static const double byte_flops = 10;
static const double part_flops = 1e6;  /* worth a second thread */
static const double matrix_most = 6e7; /* what one thread does as one piece of work */

/* An input as products want it. */
struct operand {
  const char *data;
  void *scratch; /* owned; NULL when the input is used where it lies */
  bool transposed;
  int64_t ld;
  struct wr_buffer *of;         /* whose bytes data is; NULL: the scratch */
  int64_t strides[WR_MAX_NDIM]; /* elements; of the batch axes */
};

struct product {
  struct wr_gemm gemm; /* of a whole matrix; a, b and c at the first */
  const struct wr_tensor *out;
  const struct wr_tensor *added; /* NULL, or the gemm's d, with its strides */
  struct operand a, b;
  int64_t element; /* bytes, in the type computed in */
  int64_t source;  /* bytes, in the type of the operands */
  int64_t tile_m, tile_n;
  int64_t tiles_m, tiles_n; /* per matrix */
  wr_atomic_ptr error;      /* atomic ACQ_REL: struct wr_error *, the first one; a reference */
};

static enum wr_dtype compute_type(enum wr_dtype t) {
  return t == WR_FLOAT16 || t == WR_BFLOAT16 ? WR_FLOAT32 : t;
}

/* True when a product can read the last two axes of `t`. */
static bool operand_in_place(struct operand *o, const struct wr_tensor *t) {
  const int32_t *shape = t->shape + t->ndim - 2;
  const int64_t *strides = t->strides + t->ndim - 2;
  return wr_matrix_in_place(shape[0], shape[1], strides[0], strides[1], &o->transposed, &o->ld) &&
         o->ld <= INT_MAX;
}

/* A dense copy in type `to`, in which broadcast batch axes stay broadcast. */
static struct wr_error *operand_pack(struct operand *o, const struct wr_tensor *t,
                                     enum wr_dtype to) {
  int32_t shape[WR_MAX_NDIM];
  struct wr_tensor in = *t;
  in.shape = shape;
  in.size = 1;
  in.dense = false;
  for (int d = 0; d < t->ndim; d++) {
    shape[d] = d < t->ndim - 2 && t->strides[d] == 0 ? 1 : t->shape[d];
    in.size *= shape[d];
  }
  wr_shape_row_strides(shape, t->ndim, o->strides);
  for (int d = 0; d < t->ndim; d++) {
    if (shape[d] == 1) o->strides[d] = 0;
  }
  o->scratch = wr_alloc((size_t)in.size * wr_dtype_size(to));
  if (!o->scratch) return wr_error_out_of_memory();
  o->data = o->scratch;
  o->transposed = false;
  o->ld = t->shape[t->ndim - 1];
  wr_cpu_cast(&in, to, o->scratch, o->strides);
  return NULL;
}

static struct wr_error *operand_prepare(struct operand *o, const struct wr_tensor *t,
                                        enum wr_dtype to) {
  o->scratch = NULL;
  o->of = NULL;
  if (to != t->dtype || !operand_in_place(o, t)) return operand_pack(o, t, to);
  o->data = t->data;
  o->of = t->buffer;
  memcpy(o->strides, t->strides, (size_t)t->ndim * sizeof *t->strides);
  return NULL;
}

/* The offset of matrix `index` of an operand. */
static int64_t batch_offset(const struct product *p, const int64_t *strides, int64_t index) {
  int64_t offset = 0;
  if (p->out->ndim == 3) return index * strides[0];
  for (int d = p->out->ndim - 3; d >= 0; d--) {
    offset += index % p->out->shape[d] * strides[d];
    index /= p->out->shape[d];
  }
  return offset;
}

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

/* The extent along k of a slice of the tile. A few rows or columns are read as slowly as memory is,
   by lines where the elements lie apart. */
static int64_t slice_k(const struct wr_gemm *g, int64_t element) {
  const int64_t bytes = most(g->m * element, LINE) + most(g->n * element, LINE);
  const double flops = (g->dtype == WR_COMPLEX64 ? 8.0 : 2.0) * (double)g->m * (double)g->n;
  const double one = flops + byte_flops * (double)bytes;
  return most((int64_t)(slice_flops / one), SLICE_K_MIN);
}

static void tiles_run(void *ctx, int64_t begin, int64_t end) {
  struct product *p = ctx;
  const int64_t per_matrix = p->tiles_m * p->tiles_n;
  for (int64_t t = begin; t < end; t++) {
    const int64_t matrix = t / per_matrix;
    const int64_t row = t % per_matrix / p->tiles_n * p->tile_m;
    const int64_t col = t % p->tiles_n * p->tile_n;
    struct wr_gemm g = p->gemm;
    const int64_t a = batch_offset(p, p->a.strides, matrix) + row * (g.a_transposed ? 1 : g.lda);
    const int64_t b = batch_offset(p, p->b.strides, matrix) + col * (g.b_transposed ? g.ldb : 1);
    g.a = (const char *)g.a + a * p->element;
    g.b = (const char *)g.b + b * p->element;
    g.c = (char *)g.c + (matrix * g.m * g.n + row * g.ldc + col) * p->element;
    g.m = least(p->tile_m, g.m - row);
    g.n = least(p->tile_n, g.n - col);
    wr_error_keep_first(&p->error, wr_cpu_gemm_slices(g, slice_k(&g, p->element), p->element));
  }
}

static int64_t parts(int64_t extent, int64_t tile) { return (extent + tile - 1) / tile; }

/* Halves the tiles until every processor has a few, as long as they are worth a thread. */
static void choose_tiles(struct product *p, int64_t matrices) {
  const int64_t enough = wr_cpu_count() * TILES_PER_PROCESSOR;
  const int64_t tile = p->gemm.dtype == WR_COMPLEX64 ? TILE / 2 : TILE;
  p->tile_m = least(p->gemm.m, tile);
  p->tile_n = least(p->gemm.n, tile);
  for (;;) {
    p->tiles_m = parts(p->gemm.m, p->tile_m);
    p->tiles_n = parts(p->gemm.n, p->tile_n);
    const double flops = 2.0 * (double)p->tile_m * (double)p->tile_n * (double)p->gemm.k;
    if (matrices * p->tiles_m * p->tiles_n >= enough) return;
    if (flops < 2 * part_flops || (p->tile_m <= TILE_MIN && p->tile_n <= TILE_MIN)) return;
    if (p->tile_m >= p->tile_n) {
      p->tile_m = parts(p->tile_m, 2);
    } else {
      p->tile_n = parts(p->tile_n, 2);
    }
  }
}

static void spread_complex(struct product *p, int64_t matrices, double matrix_flops) {
  if (matrix_flops * (double)matrices < 2 * part_flops) {
    p->tile_m = p->gemm.m;
    p->tile_n = p->gemm.n;
    p->tiles_m = p->tiles_n = 1;
    tiles_run(p, 0, matrices);
    return;
  }
  choose_tiles(p, matrices);
  const int64_t tiles = matrices * p->tiles_m * p->tiles_n;
  const int64_t grain = (int64_t)(part_flops * (double)tiles / (matrix_flops * (double)matrices));
  wr_parallel_for(tiles, grain > 1 ? grain : 1, tiles_run, p);
}

/* ---- real numbers ---- */

/* *g, p's own but for what follows from that, becomes matrix i's. */
static void matrix_set(struct wr_gemm *g, const struct product *p, int64_t i) {
  const struct wr_gemm *first = &p->gemm;
  g->a = (const char *)first->a + batch_offset(p, p->a.strides, i) * p->source;
  g->b = (const char *)first->b + batch_offset(p, p->b.strides, i) * p->source;
  g->c = (char *)first->c + i * g->m * g->n * p->element;
  if (g->d) g->d = (const char *)first->d + batch_offset(p, p->added->strides, i) * p->element;
}

/* Matrices along the last batch axis are as far from each other as any two of them. */
static void matrices_run(void *ctx, int64_t begin, int64_t end) {
  struct product *p = ctx;
  struct wr_gemm g = p->gemm;
  const int axis = p->out->ndim - 3;
  const int64_t line = axis < 0 ? 1 : p->out->shape[axis];
  struct wr_gemm_apart apart = {.c = g.m * g.n * p->element};
  if (axis >= 0) {
    apart.a = p->a.strides[axis] * p->source;
    apart.b = p->b.strides[axis] * p->source;
    if (p->added) apart.d = p->added->strides[axis] * p->element;
  }
  for (int64_t i = begin, n; i < end; i += n) {
    n = least(end - i, line - i % line);
    matrix_set(&g, p, i);
    wr_error_keep_first(&p->error, wr_gemm_run_many(&g, n, &apart));
  }
}

/* A matrix on its own where there are a few for each processor, or it is small. */
static void spread_real(struct product *p, int64_t matrices, double matrix_flops) {
  const bool whole = matrix_flops < matrix_most && matrices >= 2 * (int64_t)wr_cpu_count();
  const double flops = matrix_flops * (double)matrices;
  if (flops < 2 * part_flops / WR_PARALLEL_AWAKE) {
    matrices_run(p, 0, matrices);
  } else if (matrices > 1 && (whole || matrix_flops < 2 * part_flops)) {
    const double grain = part_flops / matrix_flops, least = grain / WR_PARALLEL_AWAKE;
    wr_parallel_for_awake(matrices, flops < 2 * part_flops ? matrices : (int64_t)grain,
                          (int64_t)least, matrices_run, p);
  } else {
    struct wr_gemm g = p->gemm;
    for (int64_t i = 0; i < matrices; i++) {
      matrix_set(&g, p, i);
      wr_error_keep_first(&p->error, wr_gemm_spread(&g));
    }
  }
}

static void spread(struct product *p) {
  const int64_t matrices = p->out->size / (p->gemm.m * p->gemm.n);
  const double matrix_flops = 2.0 * (double)p->gemm.m * (double)p->gemm.n * (double)p->gemm.k;
  if (p->out->dtype == WR_COMPLEX64) {
    spread_complex(p, matrices, matrix_flops);
  } else {
    spread_real(p, matrices, matrix_flops);
  }
}

/* With `added`, that is c; else c, when there is one, has been put into the result already. */
static struct wr_error *multiply(const struct wr_tensor *in, const struct wr_tensor *added,
                                 const struct wr_tensor *out, float alpha, float beta) {
  struct product p = {.out = out, .added = added, .element = (int64_t)wr_dtype_size(out->dtype)};
  const enum wr_dtype from = in[0].dtype == in[1].dtype ? in[0].dtype : out->dtype;
  p.source = (int64_t)wr_dtype_size(from);
  struct wr_error *error = operand_prepare(&p.a, &in[0], from);
  if (error) return error;
  error = operand_prepare(&p.b, &in[1], from);
  if (error) goto free_a;
  p.gemm = (struct wr_gemm){
      .dtype = out->dtype,
      .from = wr_cpu_gemm_short(from),
      .a_transposed = p.a.transposed,
      .b_transposed = p.b.transposed,
      .m = out->shape[out->ndim - 2],
      .n = out->shape[out->ndim - 1],
      .k = in[0].shape[in[0].ndim - 1],
      .a = p.a.data,
      .b = p.b.data,
      .lda = p.a.ld,
      .ldb = p.b.ld,
      .ldc = out->shape[out->ndim - 1],
      .c = out->data,
      .alpha = alpha,
      .beta = beta,
      .d = added ? added->data : NULL,
      .ldd = added ? added->strides[added->ndim - 2] : 0,
      .b_of = p.b.of,
  };
  spread(&p);
  error = wr_load_acquire(&p.error); /* the pool has finished */
  wr_free(p.b.scratch);
free_a:
  wr_free(p.a.scratch);
  return error;
}

static void convert(const struct wr_tensor *in, const struct wr_tensor *out) {
  const struct wr_call call = {.op = WR_OP_ASTYPE, .n_in = 1, .in = in, .out = *out};
  wr_loop_run(&call, wr_cpu_cast_row(out->dtype, in->dtype));
}

/* beta x, in place; what alpha a b + beta c comes to when k is 0. */
static struct wr_error *scale(const struct wr_tensor *x, float beta) {
  const wr_complex64 factor = {beta, 0};
  const int64_t broadcast[WR_MAX_NDIM] = {0};
  double value[1];
  const struct wr_tensor from = {.data = (void *)&factor,
                                 .strides = broadcast,
                                 .size = 1,
                                 .dtype = WR_COMPLEX64,
                                 .dense = true};
  const struct wr_tensor to = {
      .data = value, .strides = broadcast, .size = 1, .dtype = x->dtype, .dense = true};
  convert(&from, &to);
  struct wr_tensor in[2] = {*x, *x};
  in[1].data = value;
  in[1].strides = broadcast;
  in[1].dense = false;
  const struct wr_call call = {.op = WR_OP_MULTIPLY, .n_in = 2, .in = in, .out = *x};
  return wr_cpu_binary(&call);
}

/* Whether a product can add c where it lies. */
static bool added_in_place(const struct wr_tensor *c, const struct wr_tensor *out) {
  return c->dtype == out->dtype && c->dtype != WR_COMPLEX64 &&
         (c->strides[c->ndim - 1] == 1 || out->shape[out->ndim - 1] == 1);
}

/* alpha a b + beta c, in the type computed in; c is NULL for a plain product. */
static struct wr_error *multiply_add(const struct wr_tensor *in, const struct wr_tensor *c,
                                     const struct wr_tensor *out, float alpha, float beta) {
  const bool some = in[0].shape[in[0].ndim - 1] > 0;
  if (c && some && added_in_place(c, out)) return multiply(in, c, out, alpha, beta);
  if (c) convert(c, out);
  if (some) return multiply(in, NULL, out, alpha, beta);
  if (c) return scale(out, beta);
  memset(out->data, 0, (size_t)out->size * wr_dtype_size(out->dtype));
  return NULL;
}

static struct wr_error *run(const struct wr_call *call, const struct wr_tensor *in,
                            const struct wr_tensor *c, float alpha, float beta) {
  const enum wr_dtype to = compute_type(call->out.dtype);
  if (!wr_dtype_is_floating(to) && to != WR_COMPLEX64) {
    return wr_error_new(WEIR_ERROR_UNSUPPORTED, "%s has no CPU kernel for %s",
                        wr_op_info(call->op)->name, wr_dtype_name(to));
  }
  if (call->out.size == 0) return NULL;
  if (to == call->out.dtype) return multiply_add(in, c, &call->out, alpha, beta);
  struct wr_tensor wide = call->out;
  wide.dtype = to;
  wide.data = wr_alloc((size_t)wide.size * wr_dtype_size(to));
  if (!wide.data) return wr_error_out_of_memory();
  struct wr_error *error = multiply_add(in, c, &wide, alpha, beta);
  if (!error) convert(&wide, &call->out);
  wr_free(wide.data);
  return error;
}

struct wr_error *wr_cpu_matmul(const struct wr_call *call) {
  return run(call, call->in, NULL, 1.0f, 0.0f);
}

struct wr_error *wr_cpu_addmm(const struct wr_call *call) {
  const struct wr_addmm_params *params = call->params;
  return run(call, call->in + 1, call->in, params->alpha, params->beta);
}
