/* Uniform draws: MLX's bits and MLX's formula, low + (high - low) u with u in [0, 1), in the
   result's type. Its sum may be rounded to `high`, and the difference may overflow: there, and
   nowhere else, results are others than MLX's. No locks. */

#include <float.h>
#include <math.h>

#include "core/half.h"
#include "ops/internal.h"

struct wr_error *wr_ops_check_bounds(const struct wr_node *low, const struct wr_node *high,
                                     const int32_t *shape, int ndim) {
  struct wr_error *error = wr_ops_check_shape("shape", shape, ndim);
  if (error) return error;
  const struct wr_node *bounds[2] = {low, high};
  for (int i = 0; i < 2; i++) {
    if (!wr_shape_broadcasts_to(wr_node_shape(bounds[i]), wr_node_ndim(bounds[i]), shape, ndim)) {
      return wr_ops_broadcast_to_error(bounds[i], shape, ndim,
                                       i == 0 ? "low and the result" : "high and the result");
    }
  }
  return NULL;
}

static bool known(const struct wr_node *a, double *value) {
  const void *p = wr_node_size(a) == 1 ? wr_node_constant(a) : NULL;
  if (!p) return false;
  switch (wr_node_dtype(a)) {
    case WR_FLOAT32:
      *value = (double)*(const float *)p;
      return true;
    case WR_FLOAT64:
      *value = *(const double *)p;
      return true;
    case WR_INT32:
      *value = *(const int32_t *)p;
      return true;
    default:
      return false;
  }
}

bool wr_ops_known_bounds(const struct wr_node *low, const struct wr_node *high, double values[2]) {
  return known(low, &values[0]) && known(high, &values[1]);
}

/* What draws of a type are made of. */
struct precision {
  enum wr_dtype dtype;
  double below_one; /* the greatest number below 1 */
  double least;     /* the least above 0 */
};

static struct precision precision_of(enum wr_dtype dtype) {
  if (dtype == WR_FLOAT16) return (struct precision){dtype, 1 - 0x1p-11, 0x1p-24};
  if (dtype == WR_BFLOAT16) return (struct precision){dtype, 1 - 0x1p-8, 0x1p-133};
  return (struct precision){dtype, 1 - 0x1p-24, 0x1p-149};
}

/* A number from which x + and x - it are rounded to x's neighbours in the type: more than half and
   less than one and a half of the distance to each. */
static double step_factor(const struct precision *p) {
  const double half = 1 - p->below_one; /* of the distance between 1 and the next */
  return half * (1 + half);
}

/* Uniform in [0, 1), of the type. */
static struct wr_node *unit(struct wr_compose *c, const int32_t *shape, int ndim,
                            const struct precision *p, struct wr_node *key) {
  struct wr_node **slot = wr_compose_slot(c);
  struct wr_node *u = wr_compose_step(c, wr_ops_random_bits(slot, shape, ndim, 4, key, c->stream));
  /* MLX divides by 2^32: the same number, at many times the instructions. */
  u = wr_compose_binary(c, WR_OP_MULTIPLY, u, wr_compose_scalar(c, 0x1p-32, WR_FLOAT32));
  u = wr_compose_binary(c, WR_OP_MINIMUM, u, wr_compose_scalar(c, p->below_one, WR_FLOAT32));
  return wr_compose_astype(c, u, p->dtype);
}

/* ---- bounds that are known ---- */

static float rounded(float x, enum wr_dtype dtype) {
  if (dtype == WR_FLOAT16) return wr_f16_to_f32(wr_f32_to_f16(x));
  return dtype == WR_BFLOAT16 ? wr_bf16_to_f32(wr_f32_to_bf16(x)) : x;
}

/* A bound in the type. */
static float bound_of(double x, enum wr_dtype dtype) {
  if (dtype == WR_FLOAT16) return wr_f16_to_f32(wr_f64_to_f16(x));
  return dtype == WR_BFLOAT16 ? wr_bf16_to_f32(wr_f64_to_bf16(x)) : (float)x;
}

/* `high`, one step towards `low`. */
static float last_of(float low, float high, const struct precision *p) {
  const double step = fmax(fabs((double)high) * step_factor(p), 0.75 * p->least);
  return bound_of(low < high ? (double)high - step : (double)high + step, p->dtype);
}

/* Every step is one that the kernels make, with the same rounding, so that it is known here whether
   the last draw, and with it any, can reach `high`. False where the ends are none, or so far apart
   that their distance overflows. */
static bool draw_known(struct wr_compose *c, struct wr_node *u, const double bounds[2],
                       const struct precision *p, struct wr_node **out) {
  const enum wr_dtype t = p->dtype;
  const float low = bound_of(bounds[0], t), high = bound_of(bounds[1], t);
  const float range = rounded(high - low, t);
  if (!isfinite(low) || !isfinite(high) || !isfinite(range)) return false;
  const float product = rounded(range * (float)p->below_one, t);
  const float top = rounded(product + low, t);
  struct wr_node *r = u;
  if (range != 1) r = wr_compose_binary(c, WR_OP_MULTIPLY, wr_compose_scalar(c, range, t), r);
  if (low != 0) r = wr_compose_binary(c, WR_OP_ADD, r, wr_compose_scalar(c, low, t));
  if (top == high && low != high) {
    enum wr_op op = low < high ? WR_OP_MINIMUM : WR_OP_MAXIMUM;
    r = wr_compose_binary(c, op, r, wr_compose_scalar(c, last_of(low, high, p), t));
  }
  *out = r;
  return true;
}

/* ---- bounds that are arrays ---- */

/* `high`, one step towards `low`, or `high` where they are equal. */
static struct wr_node *last_one(struct wr_compose *c, struct wr_node *low, struct wr_node *high,
                                const struct precision *p) {
  const enum wr_dtype wide = WR_FLOAT64;
  struct wr_node *x = wr_compose_astype(c, low, wide), *y = wr_compose_astype(c, high, wide);
  struct wr_node *step = wr_compose_binary(c, WR_OP_MULTIPLY, wr_compose_unary(c, WR_OP_ABS, y),
                                           wr_compose_scalar(c, step_factor(p), wide));
  step = wr_compose_binary(c, WR_OP_MAXIMUM, step, wr_compose_scalar(c, 0.75 * p->least, wide));
  struct wr_node *way = wr_compose_unary(c, WR_OP_SIGN, wr_compose_binary(c, WR_OP_SUBTRACT, x, y));
  y = wr_compose_binary(c, WR_OP_ADD, y, wr_compose_binary(c, WR_OP_MULTIPLY, way, step));
  return wr_compose_astype(c, y, p->dtype);
}

/* Where the distance overflows, half of all is drawn, and doubled. Draws are held between the first
   and the last number that may come. */
static struct wr_node *draw_any(struct wr_compose *c, struct wr_node *u, struct wr_node *low,
                                struct wr_node *high, const struct precision *p) {
  const enum wr_dtype t = p->dtype;
  struct wr_node *lo = wr_compose_astype(c, low, t), *hi = wr_compose_astype(c, high, t);
  struct wr_node *last = last_one(c, lo, hi, p);
  struct wr_node *fits =
      wr_compose_unary(c, WR_OP_ISFINITE, wr_compose_binary(c, WR_OP_SUBTRACT, hi, lo));
  struct wr_node *one = wr_compose_scalar(c, 1, t);
  struct wr_node *part = wr_compose_where(c, fits, one, wr_compose_scalar(c, 0.5, t));
  struct wr_node *whole = wr_compose_where(c, fits, one, wr_compose_scalar(c, 2, t));
  struct wr_node *base = wr_compose_binary(c, WR_OP_MULTIPLY, lo, part);
  struct wr_node *range =
      wr_compose_binary(c, WR_OP_SUBTRACT, wr_compose_binary(c, WR_OP_MULTIPLY, hi, part), base);
  struct wr_node *r = wr_compose_binary(c, WR_OP_MULTIPLY, range, u);
  r = wr_compose_binary(c, WR_OP_MULTIPLY, wr_compose_binary(c, WR_OP_ADD, r, base), whole);
  r = wr_compose_binary(c, WR_OP_MINIMUM, r, wr_compose_binary(c, WR_OP_MAXIMUM, lo, last));
  return wr_compose_binary(c, WR_OP_MAXIMUM, r, wr_compose_binary(c, WR_OP_MINIMUM, lo, last));
}

struct wr_error *wr_ops_random_uniform(struct wr_node **out, struct wr_node *low,
                                       struct wr_node *high, const int32_t *shape, int ndim,
                                       enum wr_dtype dtype, struct wr_node *key,
                                       struct wr_stream *s) {
  if (dtype != WR_FLOAT32 && dtype != WR_FLOAT16 && dtype != WR_BFLOAT16) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                        "dtype is %s, not float32, float16 or bfloat16", wr_dtype_name(dtype));
  }
  struct wr_error *error = wr_ops_check_bounds(low, high, shape, ndim);
  if (error) return error;
  const struct precision p = precision_of(dtype);
  double bounds[2];
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *u = unit(&c, shape, ndim, &p, key);
  struct wr_node *r;
  if (!wr_ops_known_bounds(low, high, bounds) || !draw_known(&c, u, bounds, &p, &r)) {
    r = draw_any(&c, u, low, high, &p);
  }
  return wr_compose_end(&c, out, r);
}
