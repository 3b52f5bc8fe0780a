/* The median: the axes become one, which is sorted, and of which the middle is taken. NaN stands
   last there, and is the median if there is one. The mean of two middle elements is made in a type
   in which their sum neither overflows nor is rounded. Of long lines on a GPU, which a partition
   reads three times and a sort once for each byte of an element and again to move all, a partition
   finds the middle. No locks. */

#include "backend/backend.h"
#include "graph/trace.h"
#include "ops/internal.h"
#include "stream/stream.h"

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

/* What a median is made of, each of extent 1 along the last axis. */
struct middle {
  struct wr_node *high; /* element extent / 2 of the order */
  struct wr_node *low;  /* the one before it, where extent is even */
  struct wr_node *last;
};

static struct wr_node *one(struct wr_compose *c, struct wr_node *x, int32_t place) {
  if (c->error) return NULL;
  return wr_compose_slice_axis(c, x, wr_node_ndim(x) - 1, place, place + 1);
}

static void sort(struct wr_compose *c, struct middle *m, struct wr_node *x, int32_t extent) {
  if (extent > 1 && !c->error) {
    x = wr_compose_sort(c, WR_OP_SORT, x, wr_node_ndim(x) - 1);
  }
  m->high = one(c, x, extent / 2);
  if (extent % 2 == 0) m->low = one(c, x, extent / 2 - 1);
  m->last = one(c, x, extent - 1);
}

static struct wr_node *greatest(struct wr_compose *c, struct wr_node *x) {
  if (c->error) return NULL;
  const int last = wr_node_ndim(x) - 1;
  return wr_compose_reduce(c, WR_OP_MAX, x, &last, 1, true);
}

/* Those equal to the kth stand together, in the order in which a sort has them; so if the one
   before it is not equal it is the greatest of all before. */
static void part(struct wr_compose *c, struct middle *m, struct wr_node *x, int32_t extent) {
  if (c->error) return;
  const int last = wr_node_ndim(x) - 1;
  const int32_t high = extent / 2;
  struct wr_node *parted = wr_compose_step(
      c, wr_ops_partition(wr_compose_slot(c), WR_OP_PARTITION, x, high, last, c->stream));
  m->high = one(c, parted, high);
  if (extent % 2 == 0) {
    struct wr_node *before = one(c, parted, high - 1);
    struct wr_node *most = greatest(c, wr_compose_slice_axis(c, parted, last, 0, high));
    struct wr_node *same = wr_compose_binary(c, WR_OP_EQUAL, before, m->high);
    m->low = wr_compose_where(c, same, before, most);
  }
  /* NaN where there is one. */
  m->last = greatest(c, x);
}

/* A partition and the greatest have other derivatives where elements are equal. The greatest of
   complex numbers is not what their order has last. */
static bool is_parted(const struct wr_node *a, int32_t extent, const struct wr_stream *s) {
  enum { LONG = 8192 };
  return extent > LONG && wr_stream_backend(s)->type == WR_DEVICE_GPU && !wr_trace_derives() &&
         wr_node_dtype(a) != WR_COMPLEX64;
}

static struct wr_node *mean_of(struct wr_compose *c, const struct middle *m) {
  if (c->error || !m->low) return m->high;
  const enum wr_dtype t = wr_node_dtype(m->high) == WR_COMPLEX64 ? WR_COMPLEX64 : WR_FLOAT64;
  return wr_compose_binary(c, WR_OP_ADD, half(c, m->low, t), half(c, m->high, t));
}

static struct wr_node *nan_or(struct wr_compose *c, struct wr_node *last, struct wr_node *median) {
  if (c->error) return NULL;
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
  struct middle m = {0};
  (is_parted(a, extent, s) ? part : sort)(&c, &m, merged(&c, a, mask, extent), extent);
  const enum wr_dtype t = wr_dtype_to_inexact(wr_node_dtype(a));
  struct wr_node *median = wr_compose_astype(&c, mean_of(&c, &m), t);
  if (t == wr_node_dtype(a)) median = nan_or(&c, m.last, median);
  return wr_compose_end(&c, out, wr_compose_reshape(&c, median, ndim, shape));
}
