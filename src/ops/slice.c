/* Parts of arrays: views by start, stop and step, splits, and the copy with a part replaced.
   Ranges are read as Python reads them: negative positions count from the end, out-of-range ones
   are clamped. All arithmetic is in 64 bits, so that no position overflows. No locks. */

#include "ops/internal.h"

/* A range after clamping, so that all it selects lies within a. */
struct part {
  struct wr_slice_params at;
  int32_t shape[WR_MAX_NDIM];
  bool reversed; /* some step is negative */
};

static int64_t clamp(int64_t x, int64_t low, int64_t high) {
  return x < low ? low : x > high ? high : x;
}

static void normalize_axis(struct part *p, int d, int64_t n, int64_t start, int64_t stop,
                           int64_t step) {
  if (start < 0) start += n;
  if (stop < 0) stop += n;
  int64_t count;
  if (step < 0) {
    start = clamp(start, -1, n - 1);
    stop = clamp(stop, -1, start);
    count = (start - stop - step - 1) / -step;
    p->reversed = true;
  } else {
    start = clamp(start, 0, n);
    stop = clamp(stop, start, n);
    count = (stop - start + step - 1) / step;
  }
  /* An empty part has no first element: any position inside will do for the address. */
  p->at.axis[d].start = (int32_t)(count == 0 ? 0 : start);
  p->at.axis[d].step = (int32_t)(count <= 1 ? 1 : step);
  p->shape[d] = (int32_t)count;
}

static struct wr_error *check_range(const struct wr_node *a, const struct wr_ops_range *range) {
  const struct {
    const char *name;
    int n;
  } lists[] = {{"start", range->n_start}, {"stop", range->n_stop}, {"strides", range->n_strides}};
  for (int i = 0; i < 3; i++) {
    if (lists[i].n != wr_node_ndim(a)) {
      return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                          "%s has %d entries for an array with shape %s", lists[i].name, lists[i].n,
                          wr_ops_shape_text(a).s);
    }
  }
  for (int i = 0; i < range->n_strides; i++) {
    if (range->strides[i] == 0) {
      return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "strides: entry %d is 0", i);
    }
  }
  return NULL;
}

static struct wr_error *normalize(const struct wr_node *a, const struct wr_ops_range *range,
                                  struct part *p) {
  struct wr_error *error = check_range(a, range);
  if (error) return error;
  p->reversed = false;
  for (int d = 0; d < wr_node_ndim(a); d++) {
    normalize_axis(p, d, wr_node_shape(a)[d], range->start[d], range->stop[d], range->strides[d]);
  }
  return NULL;
}

static bool is_whole(const struct wr_node *a, const struct part *p) {
  int ndim = wr_node_ndim(a);
  return !p->reversed && wr_shape_equal(wr_node_shape(a), ndim, p->shape, ndim);
}

static struct wr_error *view_part(struct wr_node **out, enum wr_op op, struct wr_node *a,
                                  const struct part *p, struct wr_stream *s) {
  int64_t strides[WR_MAX_NDIM];
  int64_t offset = wr_node_offset(a);
  int ndim = wr_node_ndim(a);
  const struct wr_record record = {.op = op,
                                   .dtype = wr_node_dtype(a),
                                   .ndim = ndim,
                                   .shape = p->shape,
                                   .n_in = 1,
                                   .in = &a,
                                   .params = &p->at,
                                   .params_bytes = (size_t)ndim * sizeof p->at.axis[0],
                                   .stream = s};
  /* Extents beside a 0 have no bound, so products with them could overflow. */
  if (wr_node_size(a) == 0) wr_shape_row_strides(p->shape, ndim, strides);
  for (int d = 0; d < ndim && wr_node_size(a) > 0; d++) {
    strides[d] = wr_node_strides(a)[d] * p->at.axis[d].step;
    offset += wr_node_strides(a)[d] * p->at.axis[d].start;
  }
  return wr_ops_view_of(out, &record, strides, offset);
}

struct wr_error *wr_ops_slice(struct wr_node **out, struct wr_node *a,
                              const struct wr_ops_range *range, struct wr_stream *s) {
  struct part p;
  struct wr_error *error = normalize(a, range, &p);
  if (error) return error;
  if (!is_whole(a, &p)) return view_part(out, WR_OP_SLICE, a, &p, s);
  *out = wr_node_retain(a);
  return NULL;
}

struct wr_error *wr_ops_slice_axis(struct wr_node **out, enum wr_op op, struct wr_node *a, int axis,
                                   int32_t start, int32_t stop, struct wr_stream *s) {
  struct part p = {.reversed = false};
  for (int d = 0; d < wr_node_ndim(a); d++) {
    normalize_axis(&p, d, wr_node_shape(a)[d], 0, wr_node_shape(a)[d], 1);
  }
  normalize_axis(&p, axis, wr_node_shape(a)[axis], start, stop, 1);
  return view_part(out, op, a, &p, s);
}

static struct wr_error *record_update(struct wr_node **out, enum wr_op by, struct wr_node *src,
                                      struct wr_node *update, const struct part *p,
                                      struct wr_stream *s) {
  struct wr_slice_update_params params = {.by = by};
  for (int d = 0; d < wr_node_ndim(src); d++) params.at.axis[d] = p->at.axis[d];
  struct wr_node *in[2] = {src, update};
  return wr_ops_record(out, &(struct wr_record){.op = WR_OP_SLICE_UPDATE,
                                                .dtype = wr_node_dtype(src),
                                                .ndim = wr_node_ndim(src),
                                                .shape = wr_node_shape(src),
                                                .n_in = 2,
                                                .in = in,
                                                .params = &params,
                                                .params_bytes = sizeof params,
                                                .stream = s});
}

static struct wr_error *check_update(const struct wr_node *update, const struct part *p, int ndim) {
  if (wr_shape_broadcasts_to(wr_node_shape(update), wr_node_ndim(update), p->shape, ndim)) {
    return NULL;
  }
  return wr_ops_broadcast_to_error(update, p->shape, ndim, "update and the slice");
}

struct wr_error *wr_ops_slice_update(struct wr_node **out, enum wr_op by, struct wr_node *src,
                                     struct wr_node *update, const struct wr_ops_range *range,
                                     struct wr_stream *s) {
  struct part p;
  int ndim = wr_node_ndim(src);
  struct wr_error *error = normalize(src, range, &p);
  if (!error) error = check_update(update, &p, ndim);
  if (error) return error;
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *u = wr_compose_astype(&c, update, wr_node_dtype(src));
  u = wr_compose_broadcast(&c, u, ndim, p.shape);
  if (!c.error && (by != WR_OP_COPY || !is_whole(src, &p))) {
    u = wr_compose_step(&c, record_update(wr_compose_slot(&c), by, src, u, &p, s));
  }
  return wr_compose_end(&c, out, u);
}

struct wr_error *wr_ops_split_check(struct wr_node *a, int num_splits, int axis) {
  int normal;
  struct wr_error *error = wr_ops_axis("axis", axis, wr_node_ndim(a), &normal);
  if (error) return error;
  if (num_splits <= 0) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "num_splits is %d, not positive", num_splits);
  }
  if (wr_node_shape(a)[normal] % num_splits != 0) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                        "num_splits %d does not divide axis %d of a with shape %s", num_splits,
                        normal, wr_ops_shape_text(a).s);
  }
  return NULL;
}

struct wr_error *wr_ops_split_part(struct wr_node **out, struct wr_node *a, int num_splits,
                                   int axis, int i, struct wr_stream *s) {
  struct wr_error *error = wr_ops_split_check(a, num_splits, axis);
  if (error) return error;
  if (num_splits == 1) {
    *out = wr_node_retain(a);
    return NULL;
  }
  int normal = axis < 0 ? axis + wr_node_ndim(a) : axis;
  int32_t part = wr_node_shape(a)[normal] / num_splits;
  return wr_ops_slice_axis(out, WR_OP_SPLIT, a, normal, i * part, (i + 1) * part, s);
}

struct wr_error *wr_ops_split_section(struct wr_node **out, struct wr_node *a, const int *indices,
                                      int n_indices, int axis, int i, struct wr_stream *s) {
  int normal;
  struct wr_error *error = wr_ops_axis("axis", axis, wr_node_ndim(a), &normal);
  if (error) return error;
  int32_t start = i == 0 ? 0 : indices[i - 1];
  int32_t stop = i == n_indices ? wr_node_shape(a)[normal] : indices[i];
  return wr_ops_slice_axis(out, WR_OP_SPLIT, a, normal, start, stop, s);
}

/* ---- again ---- */

/* The part with these starts, steps and extents of a. */
static struct wr_error *part_of(struct part *p, const struct wr_node *a,
                                const struct wr_slice_axis *at, int ndim, const int32_t *shape) {
  bool fits = ndim == wr_node_ndim(a);
  for (int d = 0; fits && d < ndim; d++) {
    const int64_t last = at[d].start + (int64_t)at[d].step * (shape[d] - 1);
    const int32_t extent = wr_node_shape(a)[d];
    fits = shape[d] == 0 ||
           (shape[d] > 0 && at[d].start >= 0 && at[d].start < extent && last >= 0 && last < extent);
    p->at.axis[d] = shape[d] == 0 ? (struct wr_slice_axis){.start = 0, .step = 1} : at[d];
    p->shape[d] = shape[d];
  }
  if (fits) return NULL;
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "a with shape %s has no such part of shape %s",
                      wr_ops_shape_text(a).s, wr_ops_dims_text(shape, ndim).s);
}

struct wr_error *wr_again_slice(struct wr_node **out, const struct wr_record *like) {
  const struct wr_slice_params *at = like->params;
  struct part p;
  struct wr_error *error = part_of(&p, like->in[0], at->axis, like->ndim, like->shape);
  return error ? error : view_part(out, like->op, like->in[0], &p, like->stream);
}

struct wr_error *wr_again_slice_update(struct wr_node **out, const struct wr_record *like) {
  const struct wr_slice_update_params *params = like->params;
  struct wr_node *src = like->in[0], *update = like->in[1];
  struct part p;
  struct wr_error *error =
      part_of(&p, src, params->at.axis, wr_node_ndim(update), wr_node_shape(update));
  return error ? error : record_update(out, params->by, src, update, &p, like->stream);
}
