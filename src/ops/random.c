/* Random arrays: bits from a key, and the normal distribution composed from them with MLX's
   formula, so that a key gives the numbers that it gives there (random_uniform.c and
   random_integers.c have the other distributions). No locks here; keys that the caller leaves out
   come from random_keys.c. */

#include <math.h>

#include "ops/capture.h"
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

struct wr_error *wr_ops_take_key(struct wr_node **out, struct wr_node *key) {
  if (!key) {
    struct wr_error *error = wr_capture_key(out);
    if (error || *out) return error;
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
  if (!error) error = wr_ops_take_key(&own, key);
  if (error) return error;
  struct wr_bits_params params = {.width = width};
  struct wr_record record = wr_ops_command(WR_OP_RANDOM_BITS, &own, 1, &params, s);
  record.dtype = width == 4 ? WR_UINT32 : width == 2 ? WR_UINT16 : WR_UINT8;
  record.ndim = ndim;
  record.shape = shape;
  return wr_ops_and_release(own, wr_ops_record(out, &record));
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
  return wr_ops_and_release(row, wr_ops_squeeze(out, row, &axis, 1, s));
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

struct wr_error *wr_again_random(struct wr_node **out, const struct wr_record *like) {
  const struct wr_node *key = like->in[0];
  const int n = wr_node_ndim(key) - 1;
  if (wr_node_dtype(key) == WR_UINT32 && n >= 0 && wr_node_shape(key)[n] == 2 && n <= like->ndim &&
      wr_shape_equal(wr_node_shape(key), n, like->shape, n)) {
    return wr_ops_record(out, like);
  }
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                      "keys with shape %s do not fit bits with shape %s", wr_ops_shape_text(key).s,
                      wr_ops_dims_text(like->shape, like->ndim).s);
}
