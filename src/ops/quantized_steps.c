/* What dequantize gives, made of steps: for files of functions on CPUs, where MLX has no such
   operation and ends the process. Codes are cut out of pairs of words, so that those that stand in
   two are whole; the values of short floats come from tables. No locks. */

#include <string.h>

#include "graph/trace.h"
#include "ops/quantized.h"

/* 0, 1, .. below n, each times and then divided or taken by a number. */
static struct wr_node *counted(struct wr_compose *c, int32_t n, int times, enum wr_op op, int by) {
  struct wr_node *at = wr_compose_binary(c, WR_OP_MULTIPLY, wr_compose_count(c, 0, n, WR_INT64),
                                         wr_compose_scalar(c, times, WR_INT64));
  return wr_compose_binary(c, op, at, wr_compose_scalar(c, by, WR_INT64));
}

static struct wr_node *word(struct wr_compose *c, struct wr_node *words, struct wr_node *at) {
  return wr_compose_astype(c, wr_compose_take(c, words, at, -1), WR_UINT64);
}

/* The code of each element, as uint64. */
static struct wr_node *codes(struct wr_compose *c, struct wr_node *words, int32_t n, int bits) {
  if (c->error) return NULL;
  const int32_t last = wr_node_shape(words)[wr_node_ndim(words) - 1] - 1;
  struct wr_node *first = counted(c, n, bits, WR_OP_FLOOR_DIVIDE, 32);
  struct wr_node *second =
      wr_compose_binary(c, WR_OP_ADD, first, wr_compose_scalar(c, 1, WR_INT64));
  second = wr_compose_binary(c, WR_OP_MINIMUM, second, wr_compose_scalar(c, last, WR_INT64));
  struct wr_node *shift = counted(c, n, bits, WR_OP_REMAINDER, 32);
  struct wr_node *high = wr_compose_binary(c, WR_OP_LEFT_SHIFT, word(c, words, second),
                                           wr_compose_scalar(c, 32, WR_UINT64));
  struct wr_node *both = wr_compose_binary(c, WR_OP_BITWISE_OR, high, word(c, words, first));
  both = wr_compose_binary(c, WR_OP_RIGHT_SHIFT, both, wr_compose_astype(c, shift, WR_UINT64));
  const double mask = (double)((1 << bits) - 1);
  return wr_compose_binary(c, WR_OP_BITWISE_AND, both, wr_compose_scalar(c, mask, WR_UINT64));
}

/* What a byte, or half of one, stands for. */
static struct wr_node *looked_up(struct wr_compose *c, struct wr_node *code,
                                 float (*value)(unsigned), int bits) {
  float table[256];
  const int32_t n = 1 << bits;
  for (int32_t i = 0; i < n; i++) table[i] = value((unsigned)i);
  if (c->error) return NULL;
  struct wr_node **slot = wr_compose_slot(c);
  struct wr_node *all = wr_compose_step(c, wr_node_from_data(slot, table, 1, &n, WR_FLOAT32));
  return wr_compose_take(c, all, wr_compose_astype(c, code, WR_UINT32), 0);
}

static float e2m1(unsigned code) { return wr_e2m1_value(code); }
static float e4m3(unsigned code) { return wr_e4m3_value(code); }
static float e8m0(unsigned code) { return wr_e8m0_value(code); }

/* Elements in groups, times a number of each group, plus another. */
static struct wr_node *scaled(struct wr_compose *c, struct wr_node *x, struct wr_node *scales,
                              struct wr_node *biases, int32_t group) {
  int32_t shape[WR_MAX_NDIM + 1], flat[WR_MAX_NDIM];
  if (c->error) return NULL;
  const int ndim = wr_node_ndim(x);
  memcpy(flat, wr_node_shape(x), (size_t)ndim * sizeof *flat);
  memcpy(shape, flat, (size_t)ndim * sizeof *flat);
  shape[ndim - 1] = flat[ndim - 1] / group;
  shape[ndim] = group;
  struct wr_node *r = wr_compose_reshape(c, x, ndim + 1, shape);
  r = wr_compose_binary(c, WR_OP_MULTIPLY, r, wr_compose_expand(c, scales, -1));
  if (biases) r = wr_compose_binary(c, WR_OP_ADD, r, wr_compose_expand(c, biases, -1));
  return wr_compose_reshape(c, r, ndim, flat);
}

struct wr_error *wr_ops_quantized_steps(struct wr_node **out, const struct wr_packed *p,
                                        struct wr_node *global, enum wr_dtype dtype,
                                        struct wr_stream *s) {
  const enum wr_dtype wide = dtype == WR_FLOAT64 ? WR_FLOAT64 : WR_FLOAT32;
  const bool affine = p->how.mode == WR_AFFINE, eight = p->how.mode == WR_MXFP8;
  struct wr_compose c = wr_compose_begin(s);
  wr_trace_pin(WR_PIN_EXTENTS); /* the elements of a row are counted */
  struct wr_node *x = codes(&c, p->w, (int32_t)wr_ops_packed_elements(p), p->how.bits);
  struct wr_node *scales = p->scales, *biases = NULL;
  if (affine) {
    x = wr_compose_astype(&c, x, wide);
    scales = wr_compose_astype(&c, wr_compose_astype(&c, scales, dtype), wide);
    biases = wr_compose_astype(&c, wr_compose_astype(&c, p->biases, dtype), wide);
  } else {
    x = looked_up(&c, x, eight ? e4m3 : e2m1, p->how.bits);
    scales = looked_up(&c, scales, p->how.mode == WR_NVFP4 ? e4m3 : e8m0, 8);
  }
  if (global) {
    struct wr_node *all = wr_compose_reshape(&c, global, 0, NULL);
    all = wr_compose_binary(&c, WR_OP_DIVIDE, all,
                            wr_compose_scalar(&c, (double)WR_NVFP4_MOST, WR_FLOAT32));
    scales = wr_compose_binary(&c, WR_OP_MULTIPLY, scales, all);
  }
  struct wr_node *r = scaled(&c, x, scales, biases, p->how.group);
  return wr_compose_end(&c, out, wr_compose_astype(&c, r, dtype));
}
