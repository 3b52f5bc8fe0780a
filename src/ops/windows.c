/* Functions of one number: windows, angles, what replaces NaN and infinities, counts. No locks. */

#include <math.h>

#include "ops/internal.h"

static const double pi = 3.14159265358979323846;

/* ---- windows: m values, float32, made in float64 so that long ones are as good ---- */

/* 2 pi n / (m - 1) by `turns` halves, for n from 0 on. */
static struct wr_node *angles(struct wr_compose *c, int m, double turns) {
  struct wr_node *n = wr_compose_count(c, 0, m, WR_FLOAT64);
  return wr_compose_binary(c, WR_OP_MULTIPLY, n,
                           wr_compose_scalar(c, turns * pi / (m - 1), WR_FLOAT64));
}

/* first + second x, float64. */
static struct wr_node *line(struct wr_compose *c, double first, double second, struct wr_node *x) {
  x = wr_compose_binary(c, WR_OP_MULTIPLY, x, wr_compose_scalar(c, second, WR_FLOAT64));
  return wr_compose_binary(c, WR_OP_ADD, x, wr_compose_scalar(c, first, WR_FLOAT64));
}

static struct wr_node *bartlett(struct wr_compose *c, int m) {
  struct wr_node *x = line(c, -1, 2.0 / (m - 1), wr_compose_count(c, 0, m, WR_FLOAT64));
  return line(c, 1, -1, wr_compose_unary(c, WR_OP_ABS, x));
}

static struct wr_node *blackman(struct wr_compose *c, int m) {
  struct wr_node *once = wr_compose_unary(c, WR_OP_COS, angles(c, m, 2));
  struct wr_node *twice = wr_compose_unary(c, WR_OP_COS, angles(c, m, 4));
  return wr_compose_binary(c, WR_OP_ADD, line(c, 0.42, -0.5, once), line(c, 0, 0.08, twice));
}

static struct wr_node *hamming(struct wr_compose *c, int m) {
  return line(c, 0.54, -0.46, wr_compose_unary(c, WR_OP_COS, angles(c, m, 2)));
}

static struct wr_node *hanning(struct wr_compose *c, int m) {
  return wr_compose_unary(c, WR_OP_SQUARE, wr_compose_unary(c, WR_OP_SIN, angles(c, m, 1)));
}

struct wr_error *wr_ops_window(struct wr_node **out, enum wr_ops_window kind, int m,
                               struct wr_stream *s) {
  static struct wr_node *(*const make[])(struct wr_compose *, int) = {
      [WR_OPS_BARTLETT] = bartlett,
      [WR_OPS_BLACKMAN] = blackman,
      [WR_OPS_HAMMING] = hamming,
      [WR_OPS_HANNING] = hanning,
  };
  if (m <= 1) {
    const int32_t extent = m == 1;
    return wr_ops_fill(out, &extent, 1, 1, WR_FLOAT32, s);
  }
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *x = make[kind](&c, m);
  return wr_compose_end(&c, out, wr_compose_astype(&c, x, WR_FLOAT32));
}

/* ---- elementwise ---- */

static struct wr_error *scaled(struct wr_node **out, struct wr_node *a, double factor,
                               struct wr_stream *s) {
  const enum wr_dtype t = wr_dtype_to_inexact(wr_node_dtype(a));
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *x = wr_compose_astype(&c, a, t);
  return wr_compose_end(&c, out,
                        wr_compose_binary(&c, WR_OP_MULTIPLY, x, wr_compose_scalar(&c, factor, t)));
}

struct wr_error *wr_ops_degrees(struct wr_node **out, struct wr_node *a, struct wr_stream *s) {
  return scaled(out, a, 180 / pi, s);
}

struct wr_error *wr_ops_radians(struct wr_node **out, struct wr_node *a, struct wr_stream *s) {
  return scaled(out, a, pi / 180, s);
}

static double greatest_of(enum wr_dtype t) {
  if (t == WR_FLOAT16) return 65504;
  return t == WR_BFLOAT16 ? 0x1.fep127 : 0x1.fffffep127;
}

/* `value` where `a` is the infinity of that sign. */
static struct wr_node *instead(struct wr_compose *c, struct wr_node *a, double infinity,
                               struct wr_node *other, double value) {
  const enum wr_dtype t = wr_node_dtype(a);
  struct wr_node *is = wr_compose_binary(c, WR_OP_EQUAL, a, wr_compose_scalar(c, infinity, t));
  return wr_compose_where(c, is, wr_compose_scalar(c, value, t), other);
}

/* Infinities become the greatest numbers, which keep their derivative: where both operands are
   equal it goes to the second. */
static struct wr_node *bounded(struct wr_compose *c, struct wr_node *a, double greatest) {
  const enum wr_dtype t = wr_node_dtype(a);
  struct wr_node *x = wr_compose_binary(c, WR_OP_MINIMUM, wr_compose_scalar(c, greatest, t), a);
  return wr_compose_binary(c, WR_OP_MAXIMUM, wr_compose_scalar(c, -greatest, t), x);
}

struct wr_error *wr_ops_nan_to_num(struct wr_node **out, struct wr_node *a, float nan,
                                   const float *posinf, const float *neginf, struct wr_stream *s) {
  const enum wr_dtype t = wr_node_dtype(a);
  if (!wr_dtype_is_floating(t) && t != WR_COMPLEX64) {
    *out = wr_node_retain(a);
    return NULL;
  }
  if ((t == WR_FLOAT64 || t == WR_COMPLEX64) && (!posinf || !neginf)) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "a is %s, which needs posinf and neginf",
                        wr_dtype_name(t));
  }
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *x = a;
  if (posinf || neginf) {
    x = instead(&c, a, INFINITY, x, posinf ? (double)*posinf : greatest_of(t));
    x = instead(&c, a, -INFINITY, x, neginf ? (double)*neginf : -greatest_of(t));
  } else {
    x = bounded(&c, x, greatest_of(t));
  }
  return wr_compose_end(&c, out,
                        wr_compose_where(&c, wr_compose_unary(&c, WR_OP_ISNAN, a),
                                         wr_compose_scalar(&c, (double)nan, t), x));
}

/* ---- counts ---- */

struct wr_error *wr_ops_number_of_elements(struct wr_node **out, struct wr_node *a, const int *axes,
                                           int n_axes, bool inverted, enum wr_dtype dtype,
                                           struct wr_stream *s) {
  (void)s; /* known at once */
  double count = 1;
  for (int i = 0; i < n_axes; i++) {
    int at;
    struct wr_error *error = wr_ops_axis("axes: axis", axes[i], wr_node_ndim(a), &at);
    if (error) return error;
    count *= wr_node_shape(a)[at];
  }
  return wr_ops_scalar(out, inverted ? 1 / count : count, dtype);
}
