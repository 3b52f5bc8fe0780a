/* Softmax and log-sum-exp over the last axis, both relative to the row's maximum. 16-bit floats and
   float32 are computed in float32 (so softmax's `precise` changes nothing), their sums by lanes and
   blocks that add up in double; float64 in double; complex64 with the maximum by real part, then by
   imaginary part. A row whose maximum is infinite gives NaN in softmax, as MLX does, and the
   maximum in log-sum-exp. Rows spread over the pool; takes no locks, allocates nothing.

   At the end of a group each row is computed where its result will be and then taken in place,
   while it is in the cache. */

#include <complex.h>
#include <math.h>

#include "backend/cpu/elements.h"
#include "backend/cpu/fused.h"
#include "backend/cpu/kernels.h"
#include "backend/cpu/loop/loop.h"
#include "backend/cpu/row_math.h"

enum {
  LANES = 16,
  BLOCK = 512,
  FEW = 1024 /* elements of short rows that a group computes at a time */
};

struct rows {
  const char *in;
  char *out;
  int64_t item; /* bytes of an element */
  enum wr_dtype dtype;
  struct wr_lines lines;
};

static void softmax_dense(const float *x, float *y, int64_t n) {
  float top = wr_row_max(x, n, -INFINITY);
  wr_row_scale(y, n, (float)(1.0 / wr_row_exp(x, y, n, top)));
}

/* Up to BLOCK elements of a row as float32. */
static void load_block(float *block, const struct rows *r, const char *row, int64_t first,
                       int64_t n) {
  int64_t s = r->lines.stride;
  const uint16_t *h = (const uint16_t *)(const void *)row;
  const float *f = (const float *)(const void *)row;
  switch (r->dtype) {
    case WR_FLOAT16:
      for (int64_t i = 0; i < n; i++) block[i] = wr_f16_to_f32(h[(first + i) * s]);
      break;
    case WR_BFLOAT16:
      for (int64_t i = 0; i < n; i++) block[i] = wr_bf16_to_f32(h[(first + i) * s]);
      break;
    default:
      for (int64_t i = 0; i < n; i++) block[i] = f[(first + i) * s];
      break;
  }
}

static void store_block(const float *block, const struct rows *r, char *row, int64_t first,
                        int64_t n, float scale) {
  uint16_t *h = (uint16_t *)(void *)row;
  float *f = (float *)(void *)row;
  switch (r->dtype) {
    case WR_FLOAT16:
      for (int64_t i = 0; i < n; i++) h[first + i] = wr_f32_to_f16(block[i] * scale);
      break;
    case WR_BFLOAT16:
      for (int64_t i = 0; i < n; i++) h[first + i] = wr_f32_to_bf16(block[i] * scale);
      break;
    default:
      for (int64_t i = 0; i < n; i++) f[first + i] = block[i] * scale;
      break;
  }
}

static int64_t block_length(int64_t n, int64_t first) {
  return n - first < BLOCK ? n - first : BLOCK;
}

/* The maximum of a row and the sum of e^(x - maximum). */
static float row_top_and_sum(const struct rows *r, const char *row, double *sum) {
  float block[BLOCK];
  int64_t n = r->lines.n;
  float top = -INFINITY;
  for (int64_t i = 0; i < n; i += BLOCK) {
    load_block(block, r, row, i, block_length(n, i));
    top = wr_row_max(block, block_length(n, i), top);
  }
  *sum = 0.0;
  for (int64_t i = 0; i < n; i += BLOCK) {
    load_block(block, r, row, i, block_length(n, i));
    *sum += wr_row_exp(block, block, block_length(n, i), top);
  }
  return top;
}

static void softmax_f32(const struct rows *r, const char *row, char *out) {
  int64_t n = r->lines.n;
  if (r->dtype == WR_FLOAT32 && r->lines.stride == 1) {
    softmax_dense((const float *)(const void *)row, (float *)(void *)out, n);
    return;
  }
  float block[BLOCK];
  double sum;
  float top = row_top_and_sum(r, row, &sum);
  for (int64_t i = 0; i < n; i += BLOCK) {
    load_block(block, r, row, i, block_length(n, i));
    wr_row_exp(block, block, block_length(n, i), top);
    store_block(block, r, out, i, block_length(n, i), (float)(1.0 / sum));
  }
}

static void logsumexp_f32(const struct rows *r, const char *row, char *out) {
  double sum;
  float top = row_top_and_sum(r, row, &sum);
  float result = isinf(top) ? top : (float)((double)top + log(sum));
  if (isinf(top)) {
    /* An infinite maximum makes the sum NaN by itself; only a NaN among the inputs counts. */
    for (int64_t i = 0; i < r->lines.n; i++) {
      float x;
      load_block(&x, r, row, i, 1);
      if (isnan(x)) result = x;
    }
  }
  store_block(&result, r, out, 0, 1, 1.0f);
}

static double max_f64(const double *x, int64_t n, int64_t stride) {
  double top = -(double)INFINITY;
  for (int64_t i = 0; i < n; i++) {
    double v = x[i * stride];
    if (v > top || isnan(v)) top = v;
    if (isnan(top)) break;
  }
  return top;
}

static void softmax_f64(const struct rows *r, const char *row, char *out) {
  const double *x = (const double *)(const void *)row;
  double *y = (double *)(void *)out;
  int64_t n = r->lines.n;
  double top = max_f64(x, n, r->lines.stride);
  double sum = 0.0;
  for (int64_t i = 0; i < n; i++) sum += y[i] = exp(x[i * r->lines.stride] - top);
  for (int64_t i = 0; i < n; i++) y[i] /= sum;
}

static void logsumexp_f64(const struct rows *r, const char *row, char *out) {
  const double *x = (const double *)(const void *)row;
  double top = max_f64(x, r->lines.n, r->lines.stride);
  double sum = 0.0;
  for (int64_t i = 0; i < r->lines.n; i++) sum += exp(x[i * r->lines.stride] - top);
  *(double *)(void *)out = isinf(top) ? top : top + log(sum);
}

static double complex to_double(wr_complex64 x) {
  double complex z;
  ((double *)&z)[0] = (double)x.re;
  ((double *)&z)[1] = (double)x.im;
  return z;
}

static wr_complex64 to_complex64(double complex z) {
  return (wr_complex64){(float)creal(z), (float)cimag(z)};
}

/* The sum of e^(x - maximum) of a complex row. */
static double complex complex_sum(const wr_complex64 *x, int64_t n, int64_t stride,
                                  double complex *top) {
  wr_complex64 most = x[0];
  for (int64_t i = 1; i < n; i++) {
    if (less_c64(most, x[i * stride])) most = x[i * stride];
  }
  *top = to_double(most);
  double complex sum = 0.0;
  for (int64_t i = 0; i < n; i++) sum += cexp(to_double(x[i * stride]) - *top);
  return sum;
}

static void softmax_c64(const struct rows *r, const char *row, char *out) {
  const wr_complex64 *x = (const wr_complex64 *)(const void *)row;
  wr_complex64 *y = (wr_complex64 *)(void *)out;
  double complex top;
  double complex sum = complex_sum(x, r->lines.n, r->lines.stride, &top);
  for (int64_t i = 0; i < r->lines.n; i++) {
    y[i] = to_complex64(cexp(to_double(x[i * r->lines.stride]) - top) / sum);
  }
}

static void logsumexp_c64(const struct rows *r, const char *row, char *out) {
  double complex top;
  double complex sum =
      complex_sum((const wr_complex64 *)(const void *)row, r->lines.n, r->lines.stride, &top);
  *(wr_complex64 *)(void *)out = to_complex64(isinf(creal(top)) ? top : top + clog(sum));
}

typedef void (*row_fn)(const struct rows *r, const char *row, char *out);

struct row_job {
  struct rows rows;
  row_fn row;
  int64_t out_step; /* bytes from one result row to the next */
};

static void rows_body(void *ctx, int64_t begin, int64_t end) {
  const struct row_job *job = ctx;
  const struct rows *r = &job->rows;
  struct wr_each e;
  wr_each_start(&e, &r->lines.walk, begin, end);
  while (wr_each_next(&e)) job->row(r, r->in + e.at[0] * r->item, r->out + e.i * job->out_step);
}

static struct wr_error *over_rows(const struct wr_call *call, row_fn f32, row_fn f64, row_fn c64,
                                  bool whole_rows) {
  const struct wr_tensor *in = &call->in[0];
  if (in->size == 0) return NULL;
  struct row_job job = {
      .rows = {.in = in->data,
               .out = call->out.data,
               .item = (int64_t)wr_dtype_size(in->dtype),
               .dtype = in->dtype},
      .row = in->dtype == WR_FLOAT64     ? f64
             : in->dtype == WR_COMPLEX64 ? c64
                                         : f32,
  };
  wr_lines_of(&job.rows.lines, in, in->ndim - 1);
  job.out_step = (whole_rows ? job.rows.lines.n : 1) * job.rows.item;
  wr_spread_awake(job.rows.lines.walk.size, wr_lines_grain(&job.rows.lines), rows_body, &job);
  return NULL;
}

struct wr_error *wr_cpu_softmax(const struct wr_call *call) {
  return over_rows(call, softmax_f32, softmax_f64, softmax_c64, true);
}

struct wr_error *wr_cpu_logsumexp(const struct wr_call *call) {
  return over_rows(call, logsumexp_f32, logsumexp_f64, logsumexp_c64, false);
}

/* ---- at the end of a group ---- */

struct fused_rows {
  const struct wr_fused_program *program;
  struct rows rows; /* of the result */
};

WR_FUSED_BODY fused_body(void *ctx, int64_t begin, int64_t end) {
  const struct fused_rows *f = ctx;
  const struct rows *r = &f->rows;
  const int64_t n = r->lines.n, bytes = n * r->item, each = n >= FEW ? 1 : FEW / n;
  struct wr_fused_part part; /* not initialised, as any part */
  part.program = f->program;
  wr_fused_start(&part, begin * n, end * n);
  for (int64_t i = begin; i < end; i += each) {
    const int64_t count = end - i < each ? end - i : each;
    char *row = r->out + i * bytes;
    wr_fused_run(&part, i * n, count * n, row);
    for (int64_t k = 0; k < count; k++, row += bytes) {
      (r->dtype == WR_FLOAT64 ? softmax_f64 : softmax_f32)(r, row, row);
    }
  }
}

/* Complex rows are composed of other operations (ops/softmax.c). */
struct wr_error *wr_fused_softmax(const struct wr_fused_program *program) {
  const struct wr_tensor *out = &program->group->out;
  struct fused_rows f = {.program = program,
                         .rows = {.out = out->data,
                                  .item = (int64_t)wr_dtype_size(out->dtype),
                                  .dtype = out->dtype,
                                  .lines = {.n = out->shape[out->ndim - 1], .stride = 1}}};
  wr_spread_awake(out->size / f.rows.lines.n, wr_lines_grain(&f.rows.lines), fused_body, &f);
  return NULL;
}
