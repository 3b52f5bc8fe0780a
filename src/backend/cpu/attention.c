/* Attention without the matrix of scores: a tile of query rows goes along tiles of keys, keeps the
   greatest score of each row so far, the sum of the exponentials relative to it, and the values
   that they weigh, all of which shrink when a greater one comes (Milakov, Gimelshein: Online
   normalizer calculation for softmax, 2018; Dao et al.: FlashAttention, 2022). Query heads that
   read one head of keys are rows of one tile, so that decoding reads keys and values once for all
   of them.

   Computed in float32; keys and values that BLAS cannot read where they lie are copied tile by
   tile. What a mask of bool hides, and the causal one, has the least finite score, as in the
   composition (ops/fast_attention.c), which is what this is checked against. Tiles spread over the
   pool; no locks. */

#include <float.h>
#include <math.h>
#include <string.h>

#include "backend/cpu/blas/blas.h"
#include "backend/cpu/kernels.h"
#include "backend/cpu/loop/loop.h"
#include "backend/cpu/row_math.h"
#include "base/atomic.h"
#include "base/base.h"

enum { ROWS = 64, KEYS = 256 };

struct attention {
  const struct wr_attention_params *params;
  const struct wr_tensor *q, *k, *v, *mask, *sinks, *out;
  int64_t heads, group; /* of keys; query heads for each */
  int64_t l, m, d, e;   /* queries, keys, their length, and of values */
  int64_t rows;         /* of all query heads of a group */
  int64_t tiles;        /* for a head of keys */
  wr_atomic_ptr error;  /* atomic ACQ_REL: struct wr_error *, the first one; a reference */
};

/* What a tile works in, in one piece of memory. */
struct scratch {
  float *q, *k, *v, *scores, *sums;
  float top[ROWS], total[ROWS];
};

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* ---- elements ---- */

static const char *element(const struct wr_tensor *t, int64_t b, int64_t h, int64_t i, int64_t j) {
  const int64_t at = b * t->strides[0] + h * t->strides[1] + i * t->strides[2] + j * t->strides[3];
  return (const char *)t->data + at * (int64_t)wr_dtype_size(t->dtype);
}

static void widen(float *out, const void *in, enum wr_dtype t, int64_t n, int64_t stride) {
  struct wr_row row = {.out = out, .in = {in}, .stride = {stride}, .n = n};
  wr_cpu_cast_row(WR_FLOAT32, t)(&row);
}

static void store_row(const struct wr_tensor *t, void *out, const float *x, int64_t n) {
  const struct wr_row row = {.out = out, .in = {x}, .stride = {1}, .n = n};
  if (t->dtype == WR_FLOAT32) {
    memcpy(out, x, (size_t)n * sizeof *x);
  } else {
    wr_cpu_cast_row(t->dtype, WR_FLOAT32)(&row);
  }
}

/* Rows of `n` elements from row `first` on as BLAS reads them: where they lie, or copied to
   `scratch`. */
static const float *lines(const struct wr_tensor *t, int64_t b, int64_t h, int64_t first,
                          int64_t count, int64_t n, float *scratch, int64_t *ld) {
  const bool dense = t->strides[3] == 1 || n == 1;
  const int64_t step = count == 1 ? n : t->strides[2];
  if (t->dtype == WR_FLOAT32 && dense && step >= n && step <= INT32_MAX) {
    *ld = step;
    return (const float *)(const void *)element(t, b, h, first, 0);
  }
  *ld = n;
  for (int64_t i = 0; i < count; i++) {
    widen(scratch + i * n, element(t, b, h, first + i, 0), t->dtype, n, t->strides[3]);
  }
  return scratch;
}

/* ---- masks ---- */

/* Keys of a causal row that are seen, from the first on. */
static int64_t seen(const struct attention *a, int64_t i) { return i + a->m - a->l + 1; }

static void hide_later(const struct attention *a, float *scores, int64_t i, int64_t first,
                       int64_t n) {
  int64_t from = seen(a, i) - first;
  for (int64_t j = from < 0 ? 0 : from; j < n; j++) scores[j] = -FLT_MAX;
}

static void apply_mask(const struct attention *a, float *scores, int64_t b, int64_t h, int64_t i,
                       int64_t first, int64_t n) {
  const struct wr_tensor *t = a->mask;
  const char *from = element(t, b, h, i, first);
  if (t->dtype == WR_BOOL) {
    const uint8_t *bools = (const uint8_t *)from;
    for (int64_t j = 0; j < n; j++) {
      if (!bools[j * t->strides[3]]) scores[j] = -FLT_MAX;
    }
    return;
  }
  float added[KEYS];
  widen(added, from, t->dtype, n, t->strides[3]);
  for (int64_t j = 0; j < n; j++) scores[j] += added[j];
}

/* ---- a tile ---- */

/* Scores become weights relative to the row's greatest so far; what the row has is to shrink by the
   factor that is returned. A row that is -infinity everywhere so far has no weights. */
static float weigh(struct scratch *r, float *scores, int64_t row, int64_t n) {
  const float before = r->top[row], top = wr_row_max(scores, n, before);
  if (top == -INFINITY) {
    float sum = 0;
    for (int64_t j = 0; j < n; j++) sum += scores[j];
    memset(scores, 0, (size_t)n * sizeof *scores);
    if (isnan(sum)) r->total[row] = sum;
    return 1;
  }
  const float shrink = before == -INFINITY ? 0 : expf(before - top);
  const float sum = (float)wr_row_exp(scores, scores, n, top);
  r->top[row] = top;
  r->total[row] = r->total[row] * shrink + sum;
  return shrink;
}

static struct wr_error *key_tile(const struct attention *a, struct scratch *r, int64_t b,
                                 int64_t head, int64_t row, int64_t count, int64_t first) {
  const int64_t n = least(KEYS, a->m - first);
  int64_t ldk, ldv;
  const float *k = lines(a->k, b, head, first, n, a->d, r->k, &ldk);
  const struct wr_gemm scores = {.dtype = WR_FLOAT32,
                                 .b_transposed = true,
                                 .m = count,
                                 .n = n,
                                 .k = a->d,
                                 .a = r->q,
                                 .b = k,
                                 .lda = a->d,
                                 .ldb = ldk,
                                 .ldc = n,
                                 .c = r->scores,
                                 .alpha = a->params->scale};
  struct wr_error *error = wr_cpu_gemm(&scores);
  if (error) return error;
  for (int64_t i = 0; i < count; i++) {
    float *line = r->scores + i * n;
    const int64_t h = head * a->group + (row + i) / a->l, at = (row + i) % a->l;
    if (a->params->causal) hide_later(a, line, at, first, n);
    if (a->mask) apply_mask(a, line, b, h, at, first, n);
    const float shrink = weigh(r, line, i, n);
    if (shrink != 1) wr_row_scale(r->sums + i * a->e, a->e, shrink);
  }
  const float *v = lines(a->v, b, head, first, n, a->e, r->v, &ldv);
  const struct wr_gemm sums = {.dtype = WR_FLOAT32,
                               .m = count,
                               .n = a->e,
                               .k = n,
                               .a = r->scores,
                               .b = v,
                               .lda = n,
                               .ldb = ldv,
                               .ldc = a->e,
                               .c = r->sums,
                               .alpha = 1,
                               .beta = 1};
  return wr_cpu_gemm(&sums);
}

/* The sink of a row is a key that has been met, without a value. */
static void begin(const struct attention *a, struct scratch *r, int64_t b, int64_t head,
                  int64_t row, int64_t count) {
  memset(r->sums, 0, (size_t)(count * a->e) * sizeof *r->sums);
  for (int64_t i = 0; i < count; i++) {
    const int64_t h = head * a->group + (row + i) / a->l;
    widen(r->q + i * a->d, element(a->q, b, h, (row + i) % a->l, 0), a->q->dtype, a->d,
          a->q->strides[3]);
    r->top[i] = -INFINITY;
    r->total[i] = 0;
    if (!a->sinks) continue;
    const char *sink = (const char *)a->sinks->data +
                       h * a->sinks->strides[0] * (int64_t)wr_dtype_size(a->sinks->dtype);
    widen(&r->top[i], sink, a->sinks->dtype, 1, 1);
    if (r->top[i] != -INFINITY) r->total[i] = 1 + (r->top[i] - r->top[i]);
  }
}

/* How many keys the rows have to look at: all, unless later ones are hidden from each of them and
   none is without any. */
static int64_t keys_of(const struct attention *a, int64_t row, int64_t count) {
  if (!a->params->causal) return a->m;
  int64_t most = 0;
  for (int64_t i = row; i < row + count; i++) {
    const int64_t n = seen(a, i % a->l);
    if (n <= 0) return a->m;
    most = n > most ? n : most;
  }
  return least(most, a->m);
}

static struct wr_error *query_tile(const struct attention *a, struct scratch *r, int64_t tile) {
  const int64_t pair = tile / a->tiles, row = tile % a->tiles * ROWS;
  const int64_t b = pair / a->heads, head = pair % a->heads, count = least(ROWS, a->rows - row);
  const int64_t keys = keys_of(a, row, count);
  begin(a, r, b, head, row, count);
  for (int64_t first = 0; first < keys; first += KEYS) {
    struct wr_error *error = key_tile(a, r, b, head, row, count, first);
    if (error) return error;
  }
  for (int64_t i = 0; i < count; i++) {
    const int64_t h = head * a->group + (row + i) / a->l;
    float *sums = r->sums + i * a->e;
    wr_row_scale(sums, a->e, 1 / r->total[i]);
    store_row(a->out, (void *)element(a->out, b, h, (row + i) % a->l, 0), sums, a->e);
  }
  return NULL;
}

/* One piece: the struct, then what it points to. */
static struct scratch *scratch_new(const struct attention *a) {
  const size_t q = (size_t)(ROWS * a->d), k = (size_t)(KEYS * a->d), v = (size_t)(KEYS * a->e);
  const size_t scores = (size_t)ROWS * KEYS, sums = (size_t)(ROWS * a->e);
  struct scratch *r = wr_alloc(sizeof *r + (q + k + v + scores + sums) * sizeof(float));
  if (!r) return NULL;
  r->q = (float *)(void *)(r + 1);
  r->k = r->q + q;
  r->v = r->k + k;
  r->scores = r->v + v;
  r->sums = r->scores + scores;
  return r;
}

static void tiles_body(void *ctx, int64_t first, int64_t end) {
  struct attention *a = ctx;
  struct scratch *r = scratch_new(a);
  struct wr_error *error = r ? NULL : wr_error_out_of_memory();
  for (int64_t t = first; t < end && !error; t++) error = query_tile(a, r, t);
  wr_free(r);
  wr_error_keep_first(&a->error, error);
}

struct wr_error *wr_cpu_attention(const struct wr_call *call) {
  const struct wr_attention_params *params = call->params;
  const struct wr_tensor *in = call->in, *out = &call->out;
  struct attention a = {.params = params, .q = in, .k = in + 1, .v = in + 2, .out = out};
  if (params->has_mask) a.mask = in + 3;
  if (params->has_sinks) a.sinks = in + 3 + params->has_mask;
  if (out->size == 0) return NULL;
  a.heads = in[1].shape[1];
  a.group = in[0].shape[1] / a.heads;
  a.l = in[0].shape[2];
  a.m = in[1].shape[2];
  a.d = in[0].shape[3];
  a.e = in[2].shape[3];
  a.rows = a.group * a.l;
  a.tiles = (a.rows + ROWS - 1) / ROWS;
  wr_spread(in[0].shape[0] * a.heads * a.tiles, 1, tiles_body, &a);
  return wr_load_acquire(&a.error); /* the pool has finished */
}
