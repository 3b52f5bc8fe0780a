/* Random integers from MLX's bits. Where float32 can name every integer between the bounds, they
   are the floors of uniform float32 draws, and so MLX's own; elsewhere they are scaled in wider
   types, so that each of them can come. No locks. */

#include <math.h>

#include "ops/internal.h"

/* What is asked for; `key` is there. */
struct integers {
  struct wr_node *low, *high, *key;
  const int32_t *shape;
  int ndim;
  enum wr_dtype dtype;
};

/* All integers up to here are float32 numbers, and u has as many steps. */
static const double float32_integers = 0x1p24;

/* The last integer below `high`, in the result's type. Where it is known it is no operation: of one
   element that would be a command by itself. */
static struct wr_node *last_of(struct wr_compose *c, const struct integers *r) {
  double b[2];
  const bool wide = r->dtype == WR_INT32 || r->dtype == WR_INT64;
  if (wide && wr_ops_known_bounds(r->low, r->high, b) && fabs(b[1]) <= float32_integers) {
    return wr_compose_scalar(c, trunc(b[1]) - 1, r->dtype);
  }
  struct wr_node *one = wr_compose_scalar(c, 1, r->dtype);
  return wr_compose_binary(c, WR_OP_SUBTRACT, wr_compose_astype(c, r->high, r->dtype), one);
}

/* A float32 draw can lie beside integer bounds, by its rounding or because a bound has a fraction;
   so it is held between low and high - 1, and low wins where no integer is between them. Bools have
   no step below `high`. */
static struct wr_node *within(struct wr_compose *c, struct wr_node *x, const struct integers *r) {
  if (r->dtype != WR_BOOL) x = wr_compose_binary(c, WR_OP_MINIMUM, x, last_of(c, r));
  return wr_compose_binary(c, WR_OP_MAXIMUM, x, wr_compose_astype(c, r->low, r->dtype));
}

static struct wr_node *near_ones(struct wr_compose *c, const struct integers *r) {
  if (c->error) return NULL;
  struct wr_node *u =
      wr_compose_step(c, wr_ops_random_uniform(wr_compose_slot(c), r->low, r->high, r->shape,
                                               r->ndim, WR_FLOAT32, r->key, c->stream));
  u = wr_compose_astype(c, wr_compose_unary(c, WR_OP_FLOOR, u), r->dtype);
  return within(c, u, r);
}

static struct wr_node *bits(struct wr_compose *c, const struct integers *r, struct wr_node *key) {
  if (c->error) return NULL;
  struct wr_node **slot = wr_compose_slot(c);
  return wr_compose_step(c, wr_ops_random_bits(slot, r->shape, r->ndim, 4, key, c->stream));
}

/* ---- types of 32 bits: low + floor(word / 2^32 (high - low)) ---- */

/* In double, which holds a word, and the product to 53 bits. */
static struct wr_node *far_ones(struct wr_compose *c, const struct integers *r) {
  struct wr_node *low = wr_compose_astype(c, r->low, WR_INT64);
  struct wr_node *high = wr_compose_astype(c, r->high, WR_INT64);
  struct wr_node *range = wr_compose_binary(c, WR_OP_SUBTRACT, high, low);
  range = wr_compose_binary(c, WR_OP_MAXIMUM, range, wr_compose_scalar(c, 0, WR_INT64));
  struct wr_node *scale =
      wr_compose_binary(c, WR_OP_MULTIPLY, wr_compose_astype(c, range, WR_FLOAT64),
                        wr_compose_scalar(c, 0x1p-32, WR_FLOAT64));
  struct wr_node *x = wr_compose_astype(c, bits(c, r, r->key), WR_FLOAT64);
  x = wr_compose_unary(c, WR_OP_FLOOR, wr_compose_binary(c, WR_OP_MULTIPLY, x, scale));
  x = wr_compose_binary(c, WR_OP_ADD, wr_compose_astype(c, x, WR_INT64), low);
  return wr_compose_astype(c, x, r->dtype);
}

/* ---- types of 64 bits: the same with two words, in halves of 32 bits ---- */

/* The lower half, and the upper one, of uint64. */
static struct wr_node *lower(struct wr_compose *c, struct wr_node *x) {
  return wr_compose_astype(c, wr_compose_astype(c, x, WR_UINT32), WR_UINT64);
}

static struct wr_node *upper(struct wr_compose *c, struct wr_node *x) {
  /* Without the lower half float64 holds it exactly. */
  x = wr_compose_astype(c, wr_compose_binary(c, WR_OP_SUBTRACT, x, lower(c, x)), WR_FLOAT64);
  x = wr_compose_binary(c, WR_OP_MULTIPLY, x, wr_compose_scalar(c, 0x1p-32, WR_FLOAT64));
  return wr_compose_astype(c, x, WR_UINT64);
}

static struct wr_node *times(struct wr_compose *c, struct wr_node *a, struct wr_node *b) {
  return wr_compose_binary(c, WR_OP_MULTIPLY, a, b);
}

static struct wr_node *plus(struct wr_compose *c, struct wr_node *a, struct wr_node *b) {
  return wr_compose_binary(c, WR_OP_ADD, a, b);
}

/* The upper 64 bits of (first 2^32 + second) range. */
static struct wr_node *scaled(struct wr_compose *c, struct wr_node *first, struct wr_node *second,
                              struct wr_node *range) {
  struct wr_node *r_low = lower(c, range), *r_high = upper(c, range);
  struct wr_node *a = times(c, first, r_low), *b = times(c, second, r_high);
  struct wr_node *middle = plus(c, lower(c, a), lower(c, b));
  middle = plus(c, middle, upper(c, times(c, second, r_low)));
  struct wr_node *sum = plus(c, upper(c, a), upper(c, b));
  sum = plus(c, sum, upper(c, middle));
  return plus(c, times(c, first, r_high), sum);
}

/* The second word's key comes from the first's: MLX has none. */
static struct wr_node *second_key(struct wr_compose *c, struct wr_node *key) {
  if (c->error) return NULL;
  struct wr_node **slot = wr_compose_slot(c);
  int32_t two = 2;
  return wr_compose_step(c, wr_ops_random_bits(slot, &two, 1, 4, key, c->stream));
}

/* high - low as uint64, exact for both types; 0 where high is not above low. */
static struct wr_node *range_of(struct wr_compose *c, struct wr_node *low, struct wr_node *high) {
  struct wr_node *range =
      wr_compose_astype(c, wr_compose_binary(c, WR_OP_SUBTRACT, high, low), WR_UINT64);
  return wr_compose_where(c, wr_compose_binary(c, WR_OP_GREATER, high, low), range,
                          wr_compose_scalar(c, 0, WR_UINT64));
}

static struct wr_error *farthest(struct wr_node **out, const struct integers *r,
                                 struct wr_stream *s) {
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *low = wr_compose_astype(&c, r->low, r->dtype);
  struct wr_node *range = range_of(&c, low, wr_compose_astype(&c, r->high, r->dtype));
  struct wr_node *first = wr_compose_astype(&c, bits(&c, r, r->key), WR_UINT64);
  struct wr_node *second = wr_compose_astype(&c, bits(&c, r, second_key(&c, r->key)), WR_UINT64);
  struct wr_node *x = wr_compose_astype(&c, scaled(&c, first, second, range), r->dtype);
  return wr_compose_end(&c, out, wr_compose_binary(&c, WR_OP_ADD, x, low));
}

static struct wr_node *far(struct wr_compose *c, const struct integers *r) {
  if (wr_dtype_size(r->dtype) < 8) return far_ones(c, r);
  if (c->error) return NULL;
  return wr_compose_step(c, farthest(wr_compose_slot(c), r, c->stream));
}

/* ---- which ---- */

/* Whether float32 has all integers between the bounds. */
static struct wr_node *is_near(struct wr_compose *c, const struct integers *r) {
  struct wr_node *low = wr_compose_astype(c, r->low, WR_FLOAT64);
  struct wr_node *high = wr_compose_astype(c, r->high, WR_FLOAT64);
  struct wr_node *most = wr_compose_binary(c, WR_OP_MAXIMUM, wr_compose_unary(c, WR_OP_ABS, low),
                                           wr_compose_unary(c, WR_OP_ABS, high));
  most = wr_compose_binary(c, WR_OP_MAXIMUM, most, wr_compose_binary(c, WR_OP_SUBTRACT, high, low));
  return wr_compose_binary(c, WR_OP_LESS_EQUAL, most,
                           wr_compose_scalar(c, float32_integers, WR_FLOAT64));
}

static struct wr_node *draw(struct wr_compose *c, const struct integers *r) {
  double b[2];
  if (wr_ops_known_bounds(r->low, r->high, b)) {
    const double most = fmax(fmax(fabs(b[0]), fabs(b[1])), b[1] - b[0]);
    return most <= float32_integers ? near_ones(c, r) : far(c, r);
  }
  struct wr_node *near = near_ones(c, r);
  return wr_compose_where(c, is_near(c, r), near, far(c, r));
}

struct wr_error *wr_ops_random_randint(struct wr_node **out, struct wr_node *low,
                                       struct wr_node *high, const int32_t *shape, int ndim,
                                       enum wr_dtype dtype, struct wr_node *key,
                                       struct wr_stream *s) {
  if (dtype != WR_BOOL && !wr_dtype_is_integer(dtype)) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "dtype is %s, neither integer nor bool",
                        wr_dtype_name(dtype));
  }
  struct integers r = {low, high, NULL, shape, ndim, dtype};
  struct wr_error *error = wr_ops_check_bounds(low, high, shape, ndim);
  if (!error) error = wr_ops_take_key(&r.key, key);
  if (error) return error;
  struct wr_compose c = wr_compose_begin(s);
  error = wr_compose_end(&c, out, draw(&c, &r));
  wr_node_release(r.key);
  return error;
}
