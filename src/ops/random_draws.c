/* Distributions made of uniform and normal draws, with MLX's formulas step by step, so that a key
   gives the numbers that it gives there. No locks. */

#include <math.h>

#include "graph/trace.h"
#include "ops/internal.h"

static struct wr_node *uniform(struct wr_compose *c, struct wr_node *low, struct wr_node *high,
                               const int32_t *shape, int ndim, enum wr_dtype dtype,
                               struct wr_node *key) {
  if (c->error) return NULL;
  return wr_compose_step(
      c, wr_ops_random_uniform(wr_compose_slot(c), low, high, shape, ndim, dtype, key, c->stream));
}

static struct wr_node *bits(struct wr_compose *c, const int32_t *shape, int ndim,
                            struct wr_node *key) {
  if (c->error) return NULL;
  return wr_compose_step(c, wr_ops_random_bits(wr_compose_slot(c), shape, ndim, 4, key, c->stream));
}

static struct wr_error *check_real(enum wr_dtype dtype) {
  if (wr_dtype_is_floating(dtype)) return NULL;
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "dtype is %s, not floating point",
                      wr_dtype_name(dtype));
}

/* ---- yes and no ---- */

struct wr_error *wr_ops_random_bernoulli(struct wr_node **out, struct wr_node *p,
                                         const int32_t *shape, int ndim, struct wr_node *key,
                                         struct wr_stream *s) {
  const double scale = 4294967808.0; /* the float32 behind 2^32, so that 1 is always above */
  if (!wr_dtype_is_floating(wr_node_dtype(p))) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "p is %s, not floating point",
                        wr_dtype_name(wr_node_dtype(p)));
  }
  struct wr_error *error = wr_ops_check_shape("shape", shape, ndim);
  if (error) return error;
  if (!wr_shape_broadcasts_to(wr_node_shape(p), wr_node_ndim(p), shape, ndim)) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "p with shape %s cannot be broadcast to %s",
                        wr_ops_shape_text(p).s, wr_ops_dims_text(shape, ndim).s);
  }
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *drawn = bits(&c, shape, ndim, key);
  /* On a GPU the bound is made with the draws, in their kernel: by itself a single one would be a
     kernel and two uploads. On the CPU it is made once. */
  if (wr_stream_device(s).type != WR_DEVICE_CPU) p = wr_compose_broadcast(&c, p, ndim, shape);
  struct wr_node *bound =
      wr_compose_binary(&c, WR_OP_MULTIPLY, p, wr_compose_scalar(&c, scale, WR_FLOAT32));
  return wr_compose_end(&c, out, wr_compose_binary(&c, WR_OP_LESS, drawn, bound));
}

/* ---- Gumbel, and the greatest of sums with it ---- */

static struct wr_node *gumbel(struct wr_compose *c, const int32_t *shape, int ndim,
                              enum wr_dtype dtype, struct wr_node *key) {
  struct wr_node *low = wr_compose_scalar(c, 0, WR_FLOAT32);
  struct wr_node *high = wr_compose_scalar(c, 1, WR_FLOAT32);
  struct wr_node *x = uniform(c, low, high, shape, ndim, dtype, key);
  for (int i = 0; i < 2; i++) {
    x = wr_compose_unary(c, WR_OP_NEGATIVE, wr_compose_unary(c, WR_OP_LOG, x));
  }
  return x;
}

struct wr_error *wr_ops_random_gumbel(struct wr_node **out, const int32_t *shape, int ndim,
                                      enum wr_dtype dtype, struct wr_node *key,
                                      struct wr_stream *s) {
  struct wr_compose c = wr_compose_begin(s);
  return wr_compose_end(&c, out, gumbel(&c, shape, ndim, dtype, key));
}

/* Draws of the shape, which `axis` of the logits is one of the axes of. */
static struct wr_node *greatest(struct wr_compose *c, struct wr_node *logits, const int32_t *shape,
                                int ndim, int axis, struct wr_node *key) {
  struct wr_node *x = gumbel(c, shape, ndim, WR_FLOAT32, key);
  x = wr_compose_binary(c, WR_OP_ADD, x, logits);
  if (c->error) return NULL;
  return wr_compose_step(
      c, wr_ops_arg_reduce(wr_compose_slot(c), WR_OP_ARGMAX, x, axis, false, c->stream));
}

struct wr_error *wr_ops_random_categorical(struct wr_node **out, struct wr_node *logits, int axis,
                                           struct wr_node *key, struct wr_stream *s) {
  const int ndim = wr_node_ndim(logits);
  int at;
  struct wr_error *error = wr_ops_axis("axis", axis, ndim, &at);
  if (error) return error;
  struct wr_compose c = wr_compose_begin(s);
  return wr_compose_end(&c, out, greatest(&c, logits, wr_node_shape(logits), ndim, at, key));
}

struct wr_error *wr_ops_random_categorical_num_samples(struct wr_node **out, struct wr_node *logits,
                                                       int axis, int num_samples,
                                                       struct wr_node *key, struct wr_stream *s) {
  const int ndim = wr_node_ndim(logits);
  int at;
  int32_t shape[WR_MAX_NDIM + 1];
  struct wr_error *error = wr_ops_axis("axis", axis, ndim, &at);
  if (error) return error;
  for (int i = 0; i < ndim; i++) shape[i] = wr_node_shape(logits)[i];
  shape[ndim] = num_samples;
  error = wr_ops_check_shape("num_samples behind the shape of logits:", shape, ndim + 1);
  if (error) return error;
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *x = wr_compose_expand(&c, logits, ndim);
  return wr_compose_end(&c, out, greatest(&c, x, shape, ndim + 1, at, key));
}

/* The reduced logits must broadcast to the shape, which gets their axis back for the draw. */
struct wr_error *wr_ops_random_categorical_shape(struct wr_node **out, struct wr_node *logits,
                                                 int axis, const int32_t *shape, int n,
                                                 struct wr_node *key, struct wr_stream *s) {
  const int ndim = wr_node_ndim(logits);
  int at;
  int32_t reduced[WR_MAX_NDIM], drawn[WR_MAX_NDIM + 1];
  struct wr_error *error = wr_ops_axis("axis", axis, ndim, &at);
  if (!error) error = wr_ops_check_shape("shape", shape, n);
  if (error) return error;
  for (int i = 0, to = 0; i < ndim; i++) {
    if (i != at) reduced[to++] = wr_node_shape(logits)[i];
  }
  if (!wr_shape_broadcasts_to(reduced, ndim - 1, shape, n)) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                        "logits with shape %s, without axis %d, cannot be broadcast to shape %s",
                        wr_ops_shape_text(logits).s, at, wr_ops_dims_text(shape, n).s);
  }
  const int place = n - (ndim - 1) + at;
  for (int i = 0; i <= n; i++) {
    drawn[i] = i == place ? wr_node_shape(logits)[at] : shape[i - (i > place)];
  }
  error = wr_ops_check_shape("shape with the axis of logits:", drawn, n + 1);
  if (error) return error;
  struct wr_compose c = wr_compose_begin(s);
  return wr_compose_end(&c, out, greatest(&c, logits, drawn, n + 1, place, key));
}

/* ---- continuous ones ---- */

/* Uniform in (-1, 1), float32. */
static struct wr_node *around_zero(struct wr_compose *c, const int32_t *shape, int ndim,
                                   struct wr_node *key) {
  struct wr_node *low = wr_compose_scalar(c, (double)nextafterf(-1.0f, 0.0f), WR_FLOAT32);
  struct wr_node *high = wr_compose_scalar(c, 1, WR_FLOAT32);
  return uniform(c, low, high, shape, ndim, WR_FLOAT32, key);
}

struct wr_error *wr_ops_random_laplace(struct wr_node **out, const int32_t *shape, int ndim,
                                       enum wr_dtype dtype, float loc, float scale,
                                       struct wr_node *key, struct wr_stream *s) {
  struct wr_error *error = check_real(dtype);
  if (error) return error;
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *u = around_zero(&c, shape, ndim, key);
  struct wr_node *rest = wr_compose_unary(&c, WR_OP_NEGATIVE, wr_compose_unary(&c, WR_OP_ABS, u));
  struct wr_node *x = wr_compose_binary(&c, WR_OP_MULTIPLY, wr_compose_unary(&c, WR_OP_SIGN, u),
                                        wr_compose_unary(&c, WR_OP_LOG1P, rest));
  x = wr_compose_astype(&c, x, dtype);
  if (scale != 1) {
    x = wr_compose_binary(&c, WR_OP_MULTIPLY, wr_compose_scalar(&c, (double)scale, dtype), x);
  }
  if (loc != 0) {
    x = wr_compose_binary(&c, WR_OP_ADD, wr_compose_scalar(&c, (double)loc, dtype), x);
  }
  return wr_compose_end(&c, out, x);
}

struct wr_error *wr_ops_random_truncated_normal(struct wr_node **out, struct wr_node *lower,
                                                struct wr_node *upper, const int32_t *shape,
                                                int ndim, enum wr_dtype dtype, struct wr_node *key,
                                                struct wr_stream *s) {
  struct wr_error *error = check_real(dtype);
  if (error) return error;
  struct wr_node *bounds[2] = {lower, upper}, *ends[2];
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *root = wr_compose_scalar(&c, sqrt(2.0), dtype);
  for (int i = 0; i < 2; i++) {
    bounds[i] = wr_compose_astype(&c, bounds[i], dtype);
    ends[i] = wr_compose_unary(&c, WR_OP_ERF, wr_compose_binary(&c, WR_OP_DIVIDE, bounds[i], root));
  }
  struct wr_node *u = uniform(&c, ends[0], ends[1], shape, ndim, dtype, key);
  struct wr_node *x =
      wr_compose_binary(&c, WR_OP_MULTIPLY, root, wr_compose_unary(&c, WR_OP_ERFINV, u));
  x = wr_compose_binary(&c, WR_OP_MINIMUM, x, bounds[1]);
  return wr_compose_end(&c, out, wr_compose_binary(&c, WR_OP_MAXIMUM, x, bounds[0]));
}

/* loc and scale may make the result larger than the shape that is drawn. */
struct wr_error *wr_ops_random_normal_broadcast(struct wr_node **out, const int32_t *shape,
                                                int ndim, enum wr_dtype dtype, struct wr_node *loc,
                                                struct wr_node *scale, struct wr_node *key,
                                                struct wr_stream *s) {
  if (dtype != WR_COMPLEX64 && !wr_dtype_is_floating(dtype)) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                        "dtype is %s, neither floating point nor complex", wr_dtype_name(dtype));
  }
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *x, *factor = NULL;
  if (scale) factor = wr_compose_astype(&c, scale, dtype);
  if (dtype == WR_COMPLEX64) {
    struct wr_node **slot = wr_compose_slot(&c);
    x = wr_compose_step(&c, wr_ops_random_normal(slot, shape, ndim, dtype, 0, 1, key, s));
  } else {
    x = wr_compose_unary(&c, WR_OP_ERFINV, around_zero(&c, shape, ndim, key));
    x = wr_compose_astype(&c, x, dtype);
    struct wr_node *root = wr_compose_scalar(&c, sqrt(2.0), dtype);
    factor = factor ? wr_compose_binary(&c, WR_OP_MULTIPLY, root, factor) : root;
  }
  if (factor) x = wr_compose_binary(&c, WR_OP_MULTIPLY, factor, x);
  if (loc) {
    x = wr_compose_binary(&c, WR_OP_ADD, wr_compose_astype(&c, loc, dtype), x);
  }
  return wr_compose_end(&c, out, x);
}

/* ---- orders ---- */

struct wr_error *wr_ops_random_permutation_arange(struct wr_node **out, int x, struct wr_node *key,
                                                  struct wr_stream *s) {
  if (x < 0) return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "x is %d, negative", x);
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *drawn = bits(&c, &x, 1, key);
  return wr_compose_end(&c, out, wr_compose_sort(&c, WR_OP_ARGSORT, drawn, 0));
}

struct wr_error *wr_ops_random_permutation(struct wr_node **out, struct wr_node *x, int axis,
                                           struct wr_node *key, struct wr_stream *s) {
  int at;
  struct wr_error *error = wr_ops_axis("axis", axis, wr_node_ndim(x), &at);
  if (error) return error;
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node **slot = wr_compose_slot(&c);
  const int32_t extent = wr_node_shape(x)[at];
  wr_trace_pin(WR_PIN_EXTENTS);
  struct wr_node *order =
      wr_compose_step(&c, wr_ops_random_permutation_arange(slot, extent, key, s));
  return wr_compose_end(&c, out, wr_compose_take(&c, x, order, at));
}
