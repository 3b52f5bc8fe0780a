/* Random arrays: bits from a key, and distributions composed from them with MLX's formulas, so that
   a key gives the numbers that it gives there. No locks here; keys that the caller leaves out come
   from random_keys.c. */

#include <math.h>

#include "core/half.h"
#include "ops/internal.h"

static struct wr_error *key_from_words(struct wr_node **out, const uint32_t words[2]) {
  int32_t two = 2;
  return wr_node_from_data(out, words, 1, &two, WR_UINT32);
}

struct wr_error *wr_ops_random_key(struct wr_node **out, uint64_t seed) {
  uint32_t words[2] = {(uint32_t)(seed >> 32), (uint32_t)seed};
  return key_from_words(out, words);
}

static struct wr_error *check_key(const struct wr_node *key) {
  if (wr_node_dtype(key) != WR_UINT32) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "key is %s, uint32 is needed",
                        wr_dtype_name(wr_node_dtype(key)));
  }
  if (wr_node_ndim(key) != 1 || wr_node_shape(key)[0] != 2) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "key has shape %s, (2) is needed",
                        wr_ops_shape_text(key).s);
  }
  return NULL;
}

/* The caller's key, or the thread's next one; owned. */
static struct wr_error *take_key(struct wr_node **out, struct wr_node *key) {
  if (!key) {
    uint32_t words[2];
    wr_ops_next_key(words);
    return key_from_words(out, words);
  }
  struct wr_error *error = check_key(key);
  if (!error) *out = wr_node_retain(key);
  return error;
}

struct wr_error *wr_ops_random_bits(struct wr_node **out, const int32_t *shape, int ndim, int width,
                                    struct wr_node *key, struct wr_stream *s) {
  if (width != 1 && width != 2 && width != 4) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "width is %d, not 1, 2 or 4", width);
  }
  struct wr_node *own;
  struct wr_error *error = wr_ops_check_shape("shape", shape, ndim);
  if (!error) error = take_key(&own, key);
  if (error) return error;
  struct wr_bits_params params = {.width = width};
  error = wr_ops_record(out, &(struct wr_record){.op = WR_OP_RANDOM_BITS,
                                                 .dtype = width == 4   ? WR_UINT32
                                                          : width == 2 ? WR_UINT16
                                                                       : WR_UINT8,
                                                 .ndim = ndim,
                                                 .shape = shape,
                                                 .n_in = 1,
                                                 .in = &own,
                                                 .params = &params,
                                                 .params_bytes = sizeof params,
                                                 .stream = s});
  wr_node_release(own);
  return error;
}

struct wr_error *wr_ops_random_split(struct wr_node **out, struct wr_node *key, int num,
                                     struct wr_stream *s) {
  if (num < 0) return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "num is %d, negative", num);
  return wr_ops_random_bits(out, (const int32_t[]){num, 2}, 2, 4, key, s);
}

struct wr_error *wr_ops_random_split_row(struct wr_node **out, struct wr_node *rows, int i,
                                         struct wr_stream *s) {
  int axis = 0;
  struct wr_node *row;
  struct wr_error *error = wr_ops_slice_axis(&row, WR_OP_SLICE, rows, axis, i, i + 1, s);
  if (error) return error;
  error = wr_ops_squeeze(out, row, &axis, 1, s);
  wr_node_release(row);
  return error;
}

/* low and high must broadcast to the shape, without making it larger. */
static struct wr_error *check_bounds(const struct wr_node *low, const struct wr_node *high,
                                     const int32_t *shape, int ndim) {
  struct wr_error *error = wr_ops_check_shape("shape", shape, ndim);
  if (error) return error;
  const struct wr_node *bounds[2] = {low, high};
  for (int i = 0; i < 2; i++) {
    if (!wr_shape_broadcasts_to(wr_node_shape(bounds[i]), wr_node_ndim(bounds[i]), shape, ndim)) {
      return wr_error_new(
          WEIR_ERROR_INVALID_ARGUMENT, "%s with shape %s cannot be broadcast to shape %s",
          i == 0 ? "low" : "high", wr_ops_shape_text(bounds[i]).s, wr_ops_dims_text(shape, ndim).s);
    }
  }
  return NULL;
}

/* The greatest number below 1 of the type, so that a draw never reaches `high`. */
static double below_one(enum wr_dtype dtype) {
  if (dtype == WR_FLOAT16) return wr_f16_to_f32(0x3bff);
  if (dtype == WR_BFLOAT16) return wr_bf16_to_f32(0x3f7f);
  return nextafterf(1.0f, 0.0f);
}

/* Uniform in [0, 1), of the type. */
static struct wr_node *unit(struct wr_compose *c, const int32_t *shape, int ndim,
                            enum wr_dtype dtype, struct wr_node *key) {
  struct wr_node **slot = wr_compose_slot(c);
  struct wr_node *u = wr_compose_step(c, wr_ops_random_bits(slot, shape, ndim, 4, key, c->stream));
  u = wr_compose_binary(c, WR_OP_DIVIDE, u, wr_compose_scalar(c, 0x1p32, WR_FLOAT32));
  u = wr_compose_binary(c, WR_OP_MINIMUM, u, wr_compose_scalar(c, below_one(dtype), WR_FLOAT32));
  return wr_compose_astype(c, u, dtype);
}

struct wr_error *wr_ops_random_uniform(struct wr_node **out, struct wr_node *low,
                                       struct wr_node *high, const int32_t *shape, int ndim,
                                       enum wr_dtype dtype, struct wr_node *key,
                                       struct wr_stream *s) {
  if (dtype != WR_FLOAT32 && dtype != WR_FLOAT16 && dtype != WR_BFLOAT16) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                        "dtype is %s, not float32, float16 or bfloat16", wr_dtype_name(dtype));
  }
  struct wr_error *error = check_bounds(low, high, shape, ndim);
  if (error) return error;
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *u = unit(&c, shape, ndim, dtype, key);
  struct wr_node *lo = wr_compose_astype(&c, low, dtype);
  struct wr_node *range =
      wr_compose_binary(&c, WR_OP_SUBTRACT, wr_compose_astype(&c, high, dtype), lo);
  struct wr_node *r = wr_compose_binary(&c, WR_OP_MULTIPLY, range, u);
  return wr_compose_end(&c, out, wr_compose_binary(&c, WR_OP_ADD, r, lo));
}

/* erfinv of a uniform draw in (-1, 1): normal with variance 1/2, in float32. */
static struct wr_node *half_normal(struct wr_compose *c, const int32_t *shape, int ndim,
                                   struct wr_node *key) {
  struct wr_node *low = wr_compose_scalar(c, nextafterf(-1.0f, 0.0f), WR_FLOAT32);
  struct wr_node *high = wr_compose_scalar(c, 1, WR_FLOAT32);
  if (c->error) return NULL;
  struct wr_node *u = wr_compose_step(c, wr_ops_random_uniform(wr_compose_slot(c), low, high, shape,
                                                               ndim, WR_FLOAT32, key, c->stream));
  return wr_compose_unary(c, WR_OP_ERFINV, u);
}

/* Column `i` of the last axis, which has extent 2, as complex64. */
static struct wr_node *component(struct wr_compose *c, struct wr_node *pairs, int i) {
  if (c->error) return NULL;
  int last = wr_node_ndim(pairs) - 1;
  struct wr_node *x = wr_compose_step(
      c, wr_ops_slice_axis(wr_compose_slot(c), WR_OP_SLICE, pairs, last, i, i + 1, c->stream));
  if (c->error) return NULL;
  x = wr_compose_step(c, wr_ops_squeeze(wr_compose_slot(c), x, &last, 1, c->stream));
  return wr_compose_astype(c, x, WR_COMPLEX64);
}

/* Real and imaginary parts are neighbours in one draw. */
static struct wr_node *complex_normal(struct wr_compose *c, const int32_t *shape, int ndim,
                                      struct wr_node *key) {
  static const wr_complex64 i_unit = {0, 1};
  int32_t pairs_shape[WR_MAX_NDIM + 1];
  for (int d = 0; d < ndim; d++) pairs_shape[d] = shape[d];
  pairs_shape[ndim] = 2;
  struct wr_node *pairs = half_normal(c, pairs_shape, ndim + 1, key);
  struct wr_node *re = component(c, pairs, 0);
  struct wr_node *im = component(c, pairs, 1);
  if (c->error) return NULL;
  struct wr_node *i =
      wr_compose_step(c, wr_node_from_data(wr_compose_slot(c), &i_unit, 0, NULL, WR_COMPLEX64));
  return wr_compose_binary(c, WR_OP_ADD, re, wr_compose_binary(c, WR_OP_MULTIPLY, im, i));
}

/* scale * x + loc in x's type, without the steps that would change nothing. */
static struct wr_node *scale_and_shift(struct wr_compose *c, struct wr_node *x, enum wr_dtype dtype,
                                       struct wr_node *scale, float loc) {
  if (scale) x = wr_compose_binary(c, WR_OP_MULTIPLY, scale, x);
  if (loc != 0) x = wr_compose_binary(c, WR_OP_ADD, wr_compose_scalar(c, loc, dtype), x);
  return x;
}

static struct wr_node *real_normal(struct wr_compose *c, const int32_t *shape, int ndim,
                                   enum wr_dtype dtype, float loc, float scale,
                                   struct wr_node *key) {
  struct wr_node *factor = wr_compose_scalar(c, sqrt(2.0), dtype);
  if (scale != 1) {
    /* In the result's type, twice rounded, as MLX does. */
    factor = wr_compose_binary(c, WR_OP_MULTIPLY, factor, wr_compose_scalar(c, scale, dtype));
  }
  struct wr_node *x = wr_compose_astype(c, half_normal(c, shape, ndim, key), dtype);
  return scale_and_shift(c, x, dtype, factor, loc);
}

struct wr_error *wr_ops_random_normal(struct wr_node **out, const int32_t *shape, int ndim,
                                      enum wr_dtype dtype, float loc, float scale,
                                      struct wr_node *key, struct wr_stream *s) {
  struct wr_error *error = wr_ops_check_shape("shape", shape, ndim);
  if (error) return error;
  struct wr_compose c = wr_compose_begin(s);
  if (dtype == WR_COMPLEX64) {
    struct wr_node *x = complex_normal(&c, shape, ndim, key);
    struct wr_node *factor = scale != 1 ? wr_compose_scalar(&c, scale, dtype) : NULL;
    return wr_compose_end(&c, out, scale_and_shift(&c, x, dtype, factor, loc));
  }
  if (!wr_dtype_is_floating(dtype)) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                        "dtype is %s, neither floating point nor complex", wr_dtype_name(dtype));
  }
  return wr_compose_end(&c, out, real_normal(&c, shape, ndim, dtype, loc, scale, key));
}

/* A float32 draw can lie beside integer bounds, by its rounding or because a bound has a fraction;
   so it is held between low and high - 1, and low wins where no integer is between them. Bools have
   no step below `high`. */
static struct wr_node *within(struct wr_compose *c, struct wr_node *x, struct wr_node *low,
                              struct wr_node *high, enum wr_dtype dtype) {
  if (dtype != WR_BOOL) {
    struct wr_node *one = wr_compose_scalar(c, 1, dtype);
    struct wr_node *top =
        wr_compose_binary(c, WR_OP_SUBTRACT, wr_compose_astype(c, high, dtype), one);
    x = wr_compose_binary(c, WR_OP_MINIMUM, x, top);
  }
  return wr_compose_binary(c, WR_OP_MAXIMUM, x, wr_compose_astype(c, low, dtype));
}

struct wr_error *wr_ops_random_randint(struct wr_node **out, struct wr_node *low,
                                       struct wr_node *high, const int32_t *shape, int ndim,
                                       enum wr_dtype dtype, struct wr_node *key,
                                       struct wr_stream *s) {
  if (dtype != WR_BOOL && !wr_dtype_is_integer(dtype)) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "dtype is %s, neither integer nor bool",
                        wr_dtype_name(dtype));
  }
  struct wr_error *error = check_bounds(low, high, shape, ndim);
  if (error) return error;
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node **slot = wr_compose_slot(&c);
  struct wr_node *u =
      wr_compose_step(&c, wr_ops_random_uniform(slot, low, high, shape, ndim, WR_FLOAT32, key, s));
  u = wr_compose_astype(&c, wr_compose_unary(&c, WR_OP_FLOOR, u), dtype);
  return wr_compose_end(&c, out, within(&c, u, low, high, dtype));
}
