/* The median: the axes become one, which is sorted, and of which the middle is taken. NaN stands
   last there, and is the median if there is one. The mean of two middle elements is made in a type
   in which their sum neither overflows nor is rounded. No locks. */

#include "ops/internal.h"

/* The axes of the mask last, as one. */
static struct wr_node *merged(struct wr_compose *c, struct wr_node *a, uint32_t mask,
                              int32_t extent) {
  const int ndim = wr_node_ndim(a);
  int order[WR_MAX_NDIM];
  int32_t shape[WR_MAX_NDIM];
  int n = 0;
  for (int i = 0; i < ndim; i++) {
    if (wr_ops_has_axis(mask, i)) continue;
    shape[n] = wr_node_shape(a)[i];
    order[n++] = i;
  }
  shape[n] = extent;
  for (int i = 0, to = n; i < ndim; i++) {
    if (wr_ops_has_axis(mask, i)) order[to++] = i;
  }
  return wr_compose_reshape(c, wr_compose_transpose(c, a, order), n + 1, shape);
}

/* Half of it, in the type that means are made in. */
static struct wr_node *half(struct wr_compose *c, struct wr_node *x, enum wr_dtype t) {
  return wr_compose_binary(c, WR_OP_MULTIPLY, wr_compose_astype(c, x, t),
                           wr_compose_scalar(c, 0.5, t));
}

static struct wr_node *middle(struct wr_compose *c, struct wr_node *sorted, int32_t extent) {
  if (c->error) return NULL;
  const int last = wr_node_ndim(sorted) - 1;
  const int32_t high = extent / 2;
  struct wr_node *x = wr_compose_slice_axis(c, sorted, last, high, high + 1);
  if (extent % 2 == 1) return x;
  struct wr_node *y = wr_compose_slice_axis(c, sorted, last, high - 1, high);
  const enum wr_dtype t = wr_node_dtype(sorted) == WR_COMPLEX64 ? WR_COMPLEX64 : WR_FLOAT64;
  return wr_compose_binary(c, WR_OP_ADD, half(c, y, t), half(c, x, t));
}

static struct wr_node *nan_or(struct wr_compose *c, struct wr_node *sorted, int32_t extent,
                              struct wr_node *median) {
  if (c->error) return NULL;
  struct wr_node *last =
      wr_compose_slice_axis(c, sorted, wr_node_ndim(sorted) - 1, extent - 1, extent);
  return wr_compose_where(c, wr_compose_unary(c, WR_OP_ISNAN, last), last, median);
}

static struct wr_error *extent_of(const struct wr_node *a, uint32_t mask, int32_t *extent) {
  int64_t size = 1;
  for (int i = 0; i < wr_node_ndim(a); i++) {
    if (wr_ops_has_axis(mask, i)) size *= wr_node_shape(a)[i];
    if (size > INT32_MAX) size = (int64_t)INT32_MAX + 1;
  }
  *extent = (int32_t)(size <= INT32_MAX ? size : 0);
  if (size > 0 && size <= INT32_MAX) return NULL;
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "a with shape %s has %s elements over the axes",
                      wr_ops_shape_text(a).s, size == 0 ? "no" : "too many");
}

struct wr_error *wr_ops_median(struct wr_node **out, struct wr_node *a, const int *axes, int n_axes,
                               bool keepdims, struct wr_stream *s) {
  uint32_t mask;
  int32_t extent, shape[WR_MAX_NDIM];
  struct wr_error *error = wr_ops_axes(axes, n_axes, wr_node_ndim(a), &mask);
  if (!error && n_axes == 0 && wr_node_ndim(a) > 0) {
    error = wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "axes is empty");
  }
  if (!error) error = extent_of(a, mask, &extent);
  if (error) return error;
  int ndim = 0;
  for (int i = 0; i < wr_node_ndim(a); i++) {
    const bool gone = wr_ops_has_axis(mask, i);
    if (!gone || keepdims) shape[ndim++] = gone ? 1 : wr_node_shape(a)[i];
  }
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *x = merged(&c, a, mask, extent);
  if (extent > 1 && !c.error) {
    x = wr_compose_sort(&c, WR_OP_SORT, x, wr_node_ndim(x) - 1);
  }
  const enum wr_dtype t = wr_dtype_to_inexact(wr_node_dtype(a));
  struct wr_node *m = wr_compose_astype(&c, middle(&c, x, extent), t);
  x = t == wr_node_dtype(a) ? nan_or(&c, x, extent, m) : m;
  return wr_compose_end(&c, out, wr_compose_reshape(&c, x, ndim, shape));
}
