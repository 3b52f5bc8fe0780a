/* Norms of vectors and matrices, composed. Messages are MLX's. No locks. */

#include <math.h>
#include <string.h>

#include "ops/internal.h"

#define INVALID(...) wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, __VA_ARGS__)

static enum wr_dtype at_least_float(enum wr_dtype t) { return wr_dtype_to_inexact(t); }

static struct wr_node *size_of(struct wr_compose *c, struct wr_node *a) {
  return wr_compose_unary(c, WR_OP_ABS, a);
}

/* The root of the sum of squares. */
static struct wr_node *root(struct wr_compose *c, struct wr_node *a, const int *axes, int n,
                            bool keepdims) {
  struct wr_node *x = wr_node_dtype(a) == WR_COMPLEX64 ? size_of(c, a) : a;
  x = wr_compose_unary(c, WR_OP_SQUARE, x);
  return wr_compose_unary(c, WR_OP_SQRT, wr_compose_reduce(c, WR_OP_SUM, x, axes, n, keepdims));
}

static struct wr_node *vector_norm(struct wr_compose *c, struct wr_node *a, double ord,
                                   const int *axes, int n, bool keepdims) {
  const enum wr_dtype t = at_least_float(wr_node_dtype(a));
  if (ord == 2) return root(c, a, axes, n, keepdims);
  struct wr_node *x;
  if (ord == 0) {
    x = wr_compose_binary(c, WR_OP_NOT_EQUAL, a, wr_compose_scalar(c, 0, wr_node_dtype(a)));
    x = wr_compose_reduce(c, WR_OP_SUM, x, axes, n, keepdims);
  } else if (ord == 1) {
    x = wr_compose_reduce(c, WR_OP_SUM, size_of(c, a), axes, n, keepdims);
  } else if (isinf(ord)) {
    x = wr_compose_reduce(c, ord > 0 ? WR_OP_MAX : WR_OP_MIN, size_of(c, a), axes, n, keepdims);
  } else {
    x = wr_compose_binary(c, WR_OP_POWER, size_of(c, a), wr_compose_scalar(c, ord, t));
    x = wr_compose_reduce(c, WR_OP_SUM, x, axes, n, keepdims);
    return wr_compose_binary(c, WR_OP_POWER, x, wr_compose_scalar(c, 1 / ord, t));
  }
  return wr_compose_astype(c, x, t);
}

/* Sums of magnitudes along one axis, and of those the largest or least along the other. */
static struct wr_node *most_of_sums(struct wr_compose *c, struct wr_node *a, enum wr_op most,
                                    int along, int other, bool keepdims) {
  struct wr_node *x = wr_compose_reduce(c, WR_OP_SUM, size_of(c, a), &along, 1, keepdims);
  const int left = !keepdims && other > along ? other - 1 : other;
  return wr_compose_reduce(c, most, x, &left, 1, keepdims);
}

/* a's singular values, along the last axis in the place of the matrices' two. */
static struct wr_node *singular_values(struct wr_compose *c, struct wr_node *a, const int *axes) {
  int order[WR_MAX_NDIM], at = 0;
  const int ndim = wr_node_ndim(a);
  for (int i = 0; i < ndim; i++) {
    if (i != axes[0] && i != axes[1]) order[at++] = i;
  }
  order[at++] = axes[0];
  order[at] = axes[1];
  struct wr_node *x = wr_compose_transpose(c, a, order);
  if (c->error) return NULL;
  return wr_compose_step(c, wr_ops_svd(wr_compose_slot(c), x, false, c->stream));
}

/* Puts back the two axes, 1 long. */
static struct wr_node *kept(struct wr_compose *c, struct wr_node *x, const int *axes) {
  if (c->error) return NULL;
  return wr_compose_step(c, wr_ops_expand_dims(wr_compose_slot(c), x, axes, 2, c->stream));
}

static struct wr_node *of_values(struct wr_compose *c, struct wr_node *a, enum wr_op op,
                                 const int *axes, bool keepdims) {
  const int last = -1;
  struct wr_node *x = singular_values(c, a, axes);
  x = wr_compose_reduce(c, op, x, &last, 1, false);
  return keepdims ? kept(c, x, axes) : x;
}

static struct wr_node *matrix_norm(struct wr_compose *c, struct wr_node *a, double ord,
                                   const int *axes, bool keepdims) {
  const enum wr_dtype t = at_least_float(wr_node_dtype(a));
  const enum wr_op most = ord > 0 ? WR_OP_MAX : WR_OP_MIN;
  struct wr_node *x;
  if (fabs(ord) == 1) {
    x = most_of_sums(c, a, most, axes[0], axes[1], keepdims);
  } else if (isinf(ord)) {
    x = most_of_sums(c, a, most, axes[1], axes[0], keepdims);
  } else if (fabs(ord) == 2) {
    x = of_values(c, a, most, axes, keepdims);
  } else {
    if (!c->error) c->error = INVALID("[linalg::norm] Invalid ord %g for matrix norm.", ord);
    return NULL;
  }
  return wr_compose_astype(c, x, t);
}

/* The axes given, each once and in [0, ndim), or all where there are none. */
struct axes {
  int n;
  int at[WR_MAX_NDIM];
};

static struct wr_error *take_axes(struct axes *to, const struct wr_node *a, const int *axes,
                                  int n) {
  const int ndim = wr_node_ndim(a);
  uint32_t mask;
  to->n = axes ? n : ndim;
  if (!axes) {
    for (int i = 0; i < ndim; i++) to->at[i] = i;
    return NULL;
  }
  struct wr_error *error = wr_ops_axes(axes, n, ndim, &mask);
  for (int i = 0; i < n && !error; i++) to->at[i] = axes[i] < 0 ? axes[i] + ndim : axes[i];
  return error;
}

static struct wr_error *too_many(void) {
  return INVALID("[linalg::norm] Received too many axes for norm.");
}

struct wr_error *wr_ops_norm(struct wr_node **out, struct wr_node *a, double ord, const int *axis,
                             int n, bool keepdims, struct wr_stream *s) {
  struct axes axes;
  const int count = axis ? n : wr_node_ndim(a);
  if (count != 1 && count != 2) return too_many();
  struct wr_error *error = take_axes(&axes, a, axis, n);
  if (error) return error;
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *x = axes.n == 1 ? vector_norm(&c, a, ord, axes.at, 1, keepdims)
                                  : matrix_norm(&c, a, ord, axes.at, keepdims);
  return wr_compose_end(&c, out, x);
}

struct wr_error *wr_ops_norm_matrix(struct wr_node **out, struct wr_node *a, const char *ord,
                                    const int *axis, int n, bool keepdims, struct wr_stream *s) {
  struct axes axes;
  const int count = axis ? n : wr_node_ndim(a);
  if (count != 2) {
    return INVALID(
        "[linalg::norm] Norm '%.40s' only supported for matrices, but received %d axis/axes.", ord,
        count);
  }
  const bool squares = strcmp(ord, "f") == 0 || strcmp(ord, "fro") == 0;
  if (!squares && strcmp(ord, "nuc") != 0) {
    return INVALID("[linalg::norm] Invalid ord value '%.40s' for matrix norm.", ord);
  }
  struct wr_error *error = take_axes(&axes, a, axis, n);
  if (error) return error;
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *x =
      squares ? root(&c, a, axes.at, 2, keepdims) : of_values(&c, a, WR_OP_SUM, axes.at, keepdims);
  return wr_compose_end(&c, out, x);
}

struct wr_error *wr_ops_norm_l2(struct wr_node **out, struct wr_node *a, const int *axis, int n,
                                bool keepdims, struct wr_stream *s) {
  struct axes axes;
  if (axis && n > 2) return too_many();
  struct wr_error *error = take_axes(&axes, a, axis, n);
  if (error) return error;
  struct wr_compose c = wr_compose_begin(s);
  return wr_compose_end(&c, out, root(&c, a, axes.at, axes.n, keepdims));
}
