/* Convolutions. For each position of the result, the inputs that the weight covers there are
   gathered as a row, and cuBLASLt multiplies the rows by the weight; a bounded scratch holds the
   rows, so a large result is made in several stretches. Where groups have few channels such a
   product would be too narrow, and one kernel makes the sums directly, one thread each. */

#include <string.h>

#include "backend/cuda/ops/internal.h"
#include "backend/cuda/ops/matmul.h"
#include "core/conv.h"

enum {
  FEW_CHANNELS = 8,       /* of a group */
  SCRATCH_BYTES = 1 << 28 /* of gathered rows */
};

/* *out is the tensor's own address where it is dense, and else that of a dense copy in scratch. */
static struct wr_error *dense(struct wr_run *run, const struct wr_tensor *t, const void **out) {
  void *copy = NULL;
  *out = t->data;
  if (t->dense) return NULL;
  struct wr_error *error = wr_run_scratch(run, (size_t)t->size * wr_dtype_size(t->dtype), &copy);
  if (!error) error = wr_gpu_convert(run, t, t->dtype, copy);
  *out = copy;
  return error;
}

static struct wr_launch start(enum wr_dtype t, int entry) {
  struct wr_launch l;
  const struct wr_module_id id = {
      .source = WR_SOURCE_CONV, .op = WR_OP_CONV, .a = (uint8_t)t, .b = (uint8_t)t, .big = true};
  wr_launch_start(&l, id, entry);
  return l;
}

static struct wr_error *sums(struct wr_run *run, const struct wr_conv_extents *c,
                             const struct wr_tensor *out, const void *input, const void *weight) {
  struct wr_launch l = start(out->dtype, WR_ENTRY_CONV_SUMS);
  wr_launch_pointer(&l, out->data);
  wr_launch_pointer(&l, input);
  wr_launch_pointer(&l, weight);
  wr_launch_struct(&l, c, sizeof *c);
  wr_launch_i64(&l, out->size);
  wr_launch_threads(&l, run, out->size, 128);
  return wr_launch(&l, run);
}

/* Positions of the result that are made at a time: as one product, or as one for each group. */
struct stretch {
  struct wr_conv_extents *c;
  const struct wr_tensor *out;
  const void *input, *weight;
  void *rows;
  void *products; /* of several groups, one after the other; else NULL */
  int64_t k;      /* elements of a row, of one group */
  int32_t precision;
};

static struct wr_error *gather(struct wr_run *run, const struct stretch *s, int64_t first,
                               int64_t n) {
  struct wr_launch l = start(s->out->dtype, WR_ENTRY_CONV_GATHER);
  wr_launch_pointer(&l, s->rows);
  wr_launch_pointer(&l, s->input);
  wr_launch_struct(&l, s->c, sizeof *s->c);
  wr_launch_i64(&l, first);
  wr_launch_i64(&l, n);
  wr_launch_threads(&l, run, n * s->k * s->c->groups, 256);
  return wr_launch(&l, run);
}

/* Each group's product lies by itself; at `to` the channels of all groups stand side by side. */
static struct wr_error *join_groups(struct wr_run *run, const struct stretch *s, int64_t n,
                                    void *to) {
  const int64_t each = s->c->out_channels / s->c->groups;
  const int32_t shape[3] = {(int32_t)n, (int32_t)s->c->groups, (int32_t)each};
  const int64_t strides[3] = {each, n * each, 1};
  const struct wr_tensor from = {s->products,   shape, strides, n * s->c->out_channels,
                                 s->out->dtype, 3,     false};
  return wr_gpu_convert(run, &from, s->out->dtype, to);
}

static struct wr_error *run_stretch(struct wr_run *run, const struct stretch *s, int64_t first,
                                    int64_t n) {
  const struct wr_conv_extents *c = s->c;
  const int64_t m = c->out_channels / c->groups;
  char *to =
      (char *)s->out->data + (size_t)(first * c->out_channels) * wr_dtype_size(s->out->dtype);
  struct wr_product p = {
      .a = {.data = s->rows, .ld = s->k, .batch_stride = n * s->k},
      .b = {.data = s->weight, .transposed = true, .ld = s->k, .batch_stride = m * s->k},
      .m = n,
      .n = m,
      .k = s->k,
      .batch = c->groups,
      .dtype = s->out->dtype,
      .out = s->products ? s->products : to,
      .alpha = 1.0f};
  struct wr_error *error = gather(run, s, first, n);
  if (!error) error = wr_product_run_as(run, &p, s->precision);
  return error || !s->products ? error : join_groups(run, s, n, to);
}

static struct wr_error *products(struct wr_run *run, struct wr_conv_extents *c,
                                 const struct wr_call *call, const void *input,
                                 const void *weight) {
  const struct wr_conv_params *params = call->params;
  const struct wr_tensor *out = &call->out;
  const int64_t size = (int64_t)wr_dtype_size(out->dtype);
  const int64_t positions = out->size / c->out_channels;
  const int64_t taps = c->kernel[0] * c->kernel[1] * c->kernel[2];
  struct stretch s = {.c = c,
                      .out = out,
                      .input = input,
                      .weight = weight,
                      .k = taps * (c->in_channels / c->groups),
                      .precision = params->precision};
  const int64_t row = taps * c->in_channels * size;
  int64_t n = row < SCRATCH_BYTES ? SCRATCH_BYTES / row : 1;
  if (n > positions) n = positions;
  struct wr_error *error = wr_run_scratch(run, (size_t)(n * row), &s.rows);
  if (!error && c->groups > 1) {
    error = wr_run_scratch(run, (size_t)(n * c->out_channels * size), &s.products);
  }
  for (int64_t first = 0; first < positions && !error; first += n) {
    error = run_stretch(run, &s, first, positions - first < n ? positions - first : n);
  }
  return error;
}

struct wr_error *wr_gpu_conv(struct wr_run *run, const struct wr_call *call) {
  const struct wr_tensor *out = &call->out;
  struct wr_conv_extents c = {0};
  const void *input, *weight;
  if (out->size == 0) return NULL;
  wr_conv_extents_of(&c, call->params, call->in[0].shape, call->in[1].shape, call->out.shape);
  if (call->in[1].size == 0) {
    return wr_run_zero(run, out->data, (size_t)out->size * wr_dtype_size(out->dtype));
  }
  struct wr_error *error = dense(run, &call->in[0], &input);
  if (!error) error = dense(run, &call->in[1], &weight);
  if (error) return error;
  const bool few = c.groups > 1 && c.in_channels / c.groups <= FEW_CHANNELS;
  return few ? sums(run, &c, out, input, weight) : products(run, &c, call, input, weight);
}
