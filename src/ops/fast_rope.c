/* Rotary positions, composed. The turned part is seen with the two of each pair along an axis of
   its own, behind the pairs in the traditional order and before them else; angles have the same
   axes, so that one form does for both. All is computed in float32, of float64 in float64, and
   rounded once. No locks. */

#include <math.h>

#include "ops/internal.h"

struct rope {
  int dims;
  bool traditional;
  const float *base; /* NULL: none */
  float scale;
  struct wr_node *offset;
  struct wr_node *freqs;
};

static struct wr_error *check_dims(const struct wr_node *x, int dims) {
  const int32_t extent = wr_node_shape(x)[wr_node_ndim(x) - 1];
  if (dims <= 0) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "dims must be positive but got %d.", dims);
  }
  if (dims % 2 != 0) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "dims must be even but got %d.", dims);
  }
  if (dims <= extent) return NULL;
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                      "dims must not exceed the input's last dimension (%d) but got %d.", extent,
                      dims);
}

static struct wr_error *check_offset(const struct wr_node *x, const struct wr_node *offset) {
  const int32_t batch = wr_node_shape(x)[0];
  if (wr_node_ndim(offset) > 1) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                        "offset must have at most one dimension but has shape %s.",
                        wr_ops_shape_text(offset).s);
  }
  if (wr_node_size(offset) != 1 && wr_node_size(offset) != batch) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                        "offset must be a scalar or vector with %d elements but has shape %s.",
                        batch, wr_ops_shape_text(offset).s);
  }
  if (wr_dtype_is_integer(wr_node_dtype(offset))) return NULL;
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "offset must be an integer but got type %s.",
                      wr_dtype_name(wr_node_dtype(offset)));
}

static struct wr_error *check_frequencies(const float *base, const struct wr_node *freqs,
                                          int dims) {
  if (base && freqs) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "Only one of base or freqs can have a value.");
  }
  if (!base && !freqs) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "Neither base nor freqs has a value.");
  }
  if (!freqs || (wr_node_ndim(freqs) == 1 && wr_node_shape(freqs)[0] == dims / 2)) return NULL;
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                      "freqs must be one dimensional with size %d but got shape %s.", dims / 2,
                      wr_ops_shape_text(freqs).s);
}

static struct wr_error *check_all(const struct wr_node *x, const struct rope *rope) {
  if (wr_node_ndim(x) < 3) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                        "Input must have at least 3 dimensions but got input with %d dimensions.",
                        wr_node_ndim(x));
  }
  if (!wr_dtype_is_floating(wr_node_dtype(x))) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "Input must be a floating type but got %s.",
                        wr_dtype_name(wr_node_dtype(x)));
  }
  struct wr_error *error = check_offset(x, rope->offset);
  if (!error) error = check_dims(x, rope->dims);
  if (!error) error = check_frequencies(rope->base, rope->freqs, rope->dims);
  return error;
}

/* Angles for a step of 1, along the axis of pairs: (dims / 2, 1) or (1, dims / 2). */
static struct wr_node *frequencies(struct wr_compose *c, const struct rope *rope, enum wr_dtype t) {
  const int half = rope->dims / 2;
  const int32_t shape[2] = {rope->traditional ? half : 1, rope->traditional ? 1 : half};
  struct wr_node *f = NULL;
  if (rope->freqs) {
    f = wr_compose_unary(c, WR_OP_RECIPROCAL, wr_compose_astype(c, rope->freqs, t));
  } else if (!c->error) {
    const double log_base = t == WR_FLOAT64 ? log((double)*rope->base) : (double)logf(*rope->base);
    struct wr_node **slot = wr_compose_slot(c);
    f = wr_compose_step(c, wr_ops_arange(slot, 0, -half, -1, t, c->stream));
    f = wr_compose_binary(c, WR_OP_MULTIPLY, f, wr_compose_scalar(c, log_base / half, t));
    f = wr_compose_unary(c, WR_OP_EXP, f);
  }
  return wr_compose_reshape(c, f, 2, shape);
}

/* (t + offset) scale, with two more axes: (T, 1, 1), or (B, 1.., T, 1, 1). */
static struct wr_node *positions(struct wr_compose *c, const struct wr_node *x,
                                 const struct rope *rope, enum wr_dtype t) {
  const int ndim = wr_node_ndim(x);
  const bool many = wr_node_size(rope->offset) != 1;
  int32_t shape[WR_MAX_NDIM + 1];
  int n = 0;
  if (many) {
    shape[n++] = wr_node_shape(x)[0];
    while (n < ndim - 2) shape[n++] = 1;
  }
  shape[n] = shape[n + 1] = shape[n + 2] = 1;
  struct wr_node *offset = wr_compose_astype(c, rope->offset, t);
  offset = wr_compose_reshape(c, offset, n + 3, shape);
  shape[0] = wr_node_shape(x)[ndim - 2];
  shape[1] = shape[2] = 1;
  struct wr_node *p = wr_compose_count(c, 0, shape[0], t);
  p = wr_compose_binary(c, WR_OP_ADD, wr_compose_reshape(c, p, 3, shape), offset);
  return wr_compose_binary(c, WR_OP_MULTIPLY, p, wr_compose_scalar(c, (double)rope->scale, t));
}

/* The pairs, with the two of each along `axis` or `axis` + 1. */
struct pairs {
  struct wr_node *a, *b;
  int axis; /* of the two */
};

static struct pairs pairs_of(struct wr_compose *c, struct wr_node *x, const struct rope *rope,
                             enum wr_dtype t) {
  const int ndim = wr_node_ndim(x), last = ndim - 1, half = rope->dims / 2;
  struct pairs p = {.axis = rope->traditional ? ndim : last};
  const int32_t split[2] = {rope->traditional ? half : 2, rope->traditional ? 2 : half};
  struct wr_node *part = wr_compose_slice_axis(c, x, last, 0, rope->dims);
  if (!c->error) {
    struct wr_node **slot = wr_compose_slot(c);
    part = wr_compose_step(c, wr_ops_unflatten(slot, part, last, split, 2, c->stream));
  }
  p.a = wr_compose_astype(c, wr_compose_slice_axis(c, part, p.axis, 0, 1), t);
  p.b = wr_compose_astype(c, wr_compose_slice_axis(c, part, p.axis, 1, 2), t);
  return p;
}

/* a x + sign b y, rounded to x's type. */
static struct wr_node *turned(struct wr_compose *c, enum wr_op sign, struct wr_node *a,
                              struct wr_node *x, struct wr_node *b, struct wr_node *y,
                              enum wr_dtype t) {
  struct wr_node *r = wr_compose_binary(c, sign, wr_compose_binary(c, WR_OP_MULTIPLY, a, x),
                                        wr_compose_binary(c, WR_OP_MULTIPLY, b, y));
  return wr_compose_astype(c, r, t);
}

/* Pairs need an axis more than x has: where it has all that there can be, the first two between the
   batch and the positions become one, along which nothing differs. */
static struct wr_node *with_room(struct wr_compose *c, struct wr_node *x) {
  if (wr_node_ndim(x) < WR_MAX_NDIM) return x;
  return wr_compose_step(c, wr_ops_flatten(wr_compose_slot(c), x, 1, 2, c->stream));
}

static struct wr_node *roped(struct wr_compose *c, struct wr_node *x, const struct rope *rope) {
  if (c->error) return NULL;
  const enum wr_dtype t = wr_node_dtype(x), wide = t == WR_FLOAT64 ? t : WR_FLOAT32;
  const int ndim = wr_node_ndim(x), last = ndim - 1;
  const int32_t extent = wr_node_shape(x)[last];
  struct wr_node *angle =
      wr_compose_binary(c, WR_OP_MULTIPLY, positions(c, x, rope, wide), frequencies(c, rope, wide));
  struct wr_node *cosine = wr_compose_unary(c, WR_OP_COS, angle);
  struct wr_node *sine = wr_compose_unary(c, WR_OP_SIN, angle);
  const struct pairs p = pairs_of(c, x, rope, wide);
  struct wr_node *both[2] = {turned(c, WR_OP_SUBTRACT, p.a, cosine, p.b, sine, t),
                             turned(c, WR_OP_ADD, p.a, sine, p.b, cosine, t)};
  struct wr_node *r = wr_compose_join(c, both, 2, p.axis);
  if (!c->error) {
    r = wr_compose_step(c, wr_ops_flatten(wr_compose_slot(c), r, last, ndim, c->stream));
  }
  if (rope->dims < extent) {
    struct wr_node *all[2] = {r, wr_compose_slice_axis(c, x, last, rope->dims, extent)};
    r = wr_compose_join(c, all, 2, last);
  }
  return r;
}

static struct wr_error *compose(struct wr_node **out, struct wr_node *x, const struct rope *rope,
                                struct wr_stream *s) {
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *r = roped(&c, with_room(&c, x), rope);
  if (wr_node_ndim(x) == WR_MAX_NDIM) {
    r = wr_compose_reshape(&c, r, WR_MAX_NDIM, wr_node_shape(x));
  }
  return wr_compose_end(&c, out, r);
}

struct wr_error *wr_ops_rope_dynamic(struct wr_node **out, struct wr_node *x, int dims,
                                     bool traditional, const float *base, float scale,
                                     struct wr_node *offset, struct wr_node *freqs,
                                     struct wr_stream *s) {
  const struct rope rope = {.dims = dims,
                            .traditional = traditional,
                            .base = base,
                            .scale = scale,
                            .offset = offset,
                            .freqs = freqs};
  struct wr_error *error = check_all(x, &rope);
  return error ? error : compose(out, x, &rope, s);
}

struct wr_error *wr_ops_rope(struct wr_node **out, struct wr_node *x, int dims, bool traditional,
                             const float *base, float scale, int offset, struct wr_node *freqs,
                             struct wr_stream *s) {
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *at = wr_compose_scalar(&c, offset, WR_INT32);
  struct wr_node *r = NULL;
  if (!c.error) {
    struct wr_node **slot = wr_compose_slot(&c);
    r = wr_compose_step(&c,
                        wr_ops_rope_dynamic(slot, x, dims, traditional, base, scale, at, freqs, s));
  }
  return wr_compose_end(&c, out, r);
}
