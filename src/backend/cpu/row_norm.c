/* Rows, less their mean or not, divided by the root of the mean of their squares, in float32: the
   row is read block by block, for the mean, for the squares and for the result, from the cache
   after the first time. Sums are of lanes and blocks, which add up in double. 16-bit floats are
   rounded before weight and bias, and after each. Rows spread over the pool; takes no locks,
   allocates nothing. */

#include <math.h>

#include "backend/cpu/kernels.h"
#include "backend/cpu/loop/loop.h"
#include "core/half.h"

enum { LANES = 16, BLOCK = 512 };

struct rows {
  const struct wr_row_norm_params *params;
  const struct wr_tensor *weight, *bias; /* NULL: none */
  const char *in;
  char *out;
  int64_t item; /* bytes of an element */
  enum wr_dtype dtype;
  struct wr_lines lines;
};

/* ---- blocks ---- */

WR_WIDE static void widen_f16(float *restrict out, const uint16_t *restrict in, int64_t n) {
  for (int64_t i = 0; i < n; i++) out[i] = wr_f16_to_f32(in[i]);
}
WR_WIDE static void widen_bf16(float *restrict out, const uint16_t *restrict in, int64_t n) {
  for (int64_t i = 0; i < n; i++) out[i] = wr_bf16_to_f32(in[i]);
}
WR_WIDE static void store_f16(uint16_t *restrict out, const float *restrict in, int64_t n) {
  for (int64_t i = 0; i < n; i++) out[i] = wr_f32_to_f16(in[i]);
}
WR_WIDE static void store_bf16(uint16_t *restrict out, const float *restrict in, int64_t n) {
  for (int64_t i = 0; i < n; i++) out[i] = wr_f32_to_bf16(in[i]);
}
WR_WIDE static void round_f16(float *y, int64_t n) {
  for (int64_t i = 0; i < n; i++) y[i] = wr_f16_to_f32(wr_f32_to_f16(y[i]));
}
WR_WIDE static void round_bf16(float *y, int64_t n) {
  for (int64_t i = 0; i < n; i++) y[i] = wr_bf16_to_f32(wr_f32_to_bf16(y[i]));
}

/* n elements as float32: where they lie, or in `scratch`. */
static const float *floats(float *scratch, const char *in, enum wr_dtype t, int64_t stride,
                           int64_t n) {
  if (t == WR_FLOAT32 && stride == 1) return (const float *)(const void *)in;
  if (stride == 1) {
    (t == WR_FLOAT16 ? widen_f16 : widen_bf16)(scratch, (const uint16_t *)(const void *)in, n);
    return scratch;
  }
  const struct wr_row row = {.out = scratch, .in = {in}, .stride = {stride}, .n = n};
  wr_cpu_cast_row(WR_FLOAT32, t)(&row);
  return scratch;
}

static const float *block_of(float *scratch, const struct rows *r, const char *row, int64_t first,
                             int64_t n) {
  return floats(scratch, row + first * r->lines.stride * r->item, r->dtype, r->lines.stride, n);
}

static const float *factors(float *scratch, const struct wr_tensor *t, int64_t first, int64_t n) {
  const int64_t stride = t->strides[0];
  return floats(scratch, (const char *)t->data + first * stride * (int64_t)wr_dtype_size(t->dtype),
                t->dtype, stride, n);
}

static int64_t block_length(int64_t n, int64_t first) {
  return n - first < BLOCK ? n - first : BLOCK;
}

/* ---- sums ---- */

/* Of x - mean, or of its square. */
WR_INLINE double sum_by(const float *x, int64_t n, float mean, bool squares) {
  float lanes[LANES] = {0};
  double total = 0;
  int64_t i = 0;
  for (; i + LANES <= n; i += LANES) {
    for (int l = 0; l < LANES; l++) {
      const float d = x[i + l] - mean;
      lanes[l] += squares ? d * d : d;
    }
  }
  for (int l = 0; i < n; i++, l++) {
    const float d = x[i] - mean;
    lanes[l] += squares ? d * d : d;
  }
  for (int l = 0; l < LANES; l++) total += (double)lanes[l];
  return total;
}
WR_WIDE static double sum_of_row(const float *x, int64_t n) { return sum_by(x, n, 0, false); }
WR_WIDE static double squares_of(const float *x, int64_t n, float mean) {
  return sum_by(x, n, mean, true);
}

static float row_sum(const struct rows *r, const char *row, float mean, bool squares) {
  float scratch[BLOCK];
  double sum = 0;
  for (int64_t i = 0, n; i < r->lines.n; i += n) {
    n = block_length(r->lines.n, i);
    const float *x = block_of(scratch, r, row, i, n);
    sum += squares ? squares_of(x, n, mean) : sum_of_row(x, n);
  }
  return (float)sum / (float)r->lines.n;
}

/* ---- the result ---- */

WR_WIDE static void scaled(float *y, const float *x, int64_t n, float mean, float by) {
  WR_INDEPENDENT
  for (int64_t i = 0; i < n; i++) y[i] = (x[i] - mean) * by;
}
WR_WIDE static void times_weight(float *y, const float *w, int64_t n) {
  WR_INDEPENDENT
  for (int64_t i = 0; i < n; i++) y[i] *= w[i];
}
WR_WIDE static void plus_bias(float *y, const float *b, int64_t n) {
  WR_INDEPENDENT
  for (int64_t i = 0; i < n; i++) y[i] += b[i];
}

static void put_block(const struct rows *r, const char *row, char *out, int64_t first, int64_t n,
                      float mean, float by) {
  float scratch[BLOCK], made[BLOCK];
  const bool whole = r->dtype == WR_FLOAT32, half = r->dtype == WR_FLOAT16;
  float *y = whole ? (float *)(void *)out : made;
  scaled(y, block_of(scratch, r, row, first, n), n, mean, by);
  for (int k = 0; k < 2; k++) {
    const struct wr_tensor *factor = k == 0 ? r->weight : r->bias;
    if (!factor) continue;
    if (!whole) (half ? round_f16 : round_bf16)(y, n);
    (k == 0 ? times_weight : plus_bias)(y, factors(scratch, factor, first, n), n);
  }
  if (!whole) (half ? store_f16 : store_bf16)((uint16_t *)(void *)out, y, n);
}

static void norm_row(const struct rows *r, const char *row, char *out) {
  const float mean = r->params->centred ? row_sum(r, row, 0, false) : 0;
  const float by = 1 / sqrtf(row_sum(r, row, mean, true) + r->params->eps);
  for (int64_t i = 0, n; i < r->lines.n; i += n) {
    n = block_length(r->lines.n, i);
    put_block(r, row, out + i * r->item, i, n, mean, by);
  }
}

static void rows_body(void *ctx, int64_t begin, int64_t end) {
  const struct rows *r = ctx;
  const int64_t bytes = r->lines.n * r->item;
  struct wr_each e;
  wr_each_start(&e, &r->lines.walk, begin, end);
  while (wr_each_next(&e)) norm_row(r, r->in + e.at[0] * r->item, r->out + e.i * bytes);
}

struct wr_error *wr_cpu_row_norm(const struct wr_call *call) {
  const struct wr_row_norm_params *params = call->params;
  const struct wr_tensor *in = &call->in[0];
  struct rows r = {.params = params,
                   .weight = params->has_weight ? &call->in[1] : NULL,
                   .bias = params->has_bias ? &call->in[call->n_in - 1] : NULL,
                   .in = in->data,
                   .out = call->out.data,
                   .item = (int64_t)wr_dtype_size(in->dtype),
                   .dtype = in->dtype};
  wr_lines_of(&r.lines, in, in->ndim - 1);
  wr_spread_awake(r.lines.walk.size, wr_lines_grain(&r.lines), rows_body, &r);
  return NULL;
}
