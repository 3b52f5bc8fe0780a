/* Arrays made larger by what they hold: repeated, rolled, padded, brought to a common shape.
   Extents are counted in 64 bits and checked before anything is made. No locks. */

#include <string.h>

#include "graph/trace.h"
#include "ops/internal.h"

static struct wr_error *too_large(const char *argument, const struct wr_node *a, int64_t extent) {
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                      "%s: a with shape %s would have %lld elements along one axis", argument,
                      wr_ops_shape_text(a).s, (long long)extent);
}

/* ---- repeating ---- */

/* a, with `times` copies of each part along `axis` side by side: the elements each, or, where the
   copies are of the whole axis, one behind the other. */
static struct wr_node *multiplied(struct wr_compose *c, struct wr_node *a, int axis, int32_t times,
                                  bool whole) {
  if (c->error || times == 1) return a;
  const int ndim = wr_node_ndim(a);
  int32_t wide[WR_MAX_NDIM + 1], shape[WR_MAX_NDIM];
  struct wr_node *x = wr_compose_expand(c, a, whole ? axis : axis + 1);
  if (c->error) return NULL;
  for (int i = 0; i <= ndim; i++) wide[i] = wr_node_shape(x)[i];
  wide[whole ? axis : axis + 1] = times;
  for (int i = 0; i < ndim; i++) shape[i] = wr_node_shape(a)[i];
  shape[axis] *= times;
  x = wr_compose_broadcast(c, x, ndim + 1, wide);
  return wr_compose_reshape(c, x, ndim, shape);
}

static struct wr_error *check_times(const char *argument, const struct wr_node *a, int axis,
                                    int32_t times) {
  if (times < 0) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "%s: %d is negative", argument, times);
  }
  const int64_t extent = (int64_t)wr_node_shape(a)[axis] * times;
  return extent > INT32_MAX ? too_large(argument, a, extent) : NULL;
}

struct wr_error *wr_ops_repeat(struct wr_node **out, struct wr_node *a, int repeats, int axis,
                               struct wr_stream *s) {
  int at;
  struct wr_error *error = wr_ops_axis("axis", axis, wr_node_ndim(a), &at);
  if (!error) error = check_times("repeats", a, at, repeats);
  if (error) return error;
  struct wr_compose c = wr_compose_begin(s);
  return wr_compose_end(&c, out, multiplied(&c, a, at, repeats, false));
}

struct wr_error *wr_ops_repeat_all(struct wr_node **out, struct wr_node *a, int repeats,
                                   struct wr_stream *s) {
  struct wr_node *x;
  struct wr_error *error = wr_ops_flatten(&x, a, 0, -1, s);
  return error ? error : wr_ops_and_release(x, wr_ops_repeat(out, x, repeats, 0, s));
}

/* One view and one copy, when there are axes enough for both parts of each that is tiled. */
static struct wr_node *tiled_at_once(struct wr_compose *c, struct wr_node *a, const int32_t *times,
                                     int extra) {
  const int ndim = wr_node_ndim(a);
  int axes[WR_MAX_NDIM];
  int32_t wide[WR_MAX_NDIM], shape[WR_MAX_NDIM];
  int n = 0, n_axes = 0;
  for (int i = 0; i < ndim; i++) {
    if (times[i] != 1) {
      axes[n_axes++] = n;
      wide[n++] = times[i];
    }
    wide[n++] = wr_node_shape(a)[i];
    shape[i] = wr_node_shape(a)[i] * times[i];
  }
  struct wr_node *x =
      wr_compose_step(c, wr_ops_expand_dims(wr_compose_slot(c), a, axes, extra, c->stream));
  x = wr_compose_broadcast(c, x, n, wide);
  return wr_compose_reshape(c, x, ndim, shape);
}

static struct wr_node *tiled(struct wr_compose *c, struct wr_node *a, const int32_t *times) {
  const int ndim = wr_node_ndim(a);
  int extra = 0;
  for (int i = 0; i < ndim; i++) extra += times[i] != 1;
  if (extra == 0) return a;
  if (ndim + extra <= WR_MAX_NDIM) return tiled_at_once(c, a, times, extra);
  for (int i = 0; i < ndim; i++) a = multiplied(c, a, i, times[i], true);
  return a;
}

struct wr_error *wr_ops_tile(struct wr_node **out, struct wr_node *a, const int *reps, int n_reps,
                             struct wr_stream *s) {
  int ndim = wr_node_ndim(a);
  if (n_reps > WR_MAX_NDIM) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                        "reps has %d entries, at most %d are supported", n_reps, WR_MAX_NDIM);
  }
  struct wr_compose c = wr_compose_begin(s);
  int32_t shape[WR_MAX_NDIM], times[WR_MAX_NDIM];
  const int to = n_reps > ndim ? n_reps : ndim;
  for (int i = 0; i < to; i++) {
    shape[i] = i < to - ndim ? 1 : wr_node_shape(a)[i - (to - ndim)];
    times[i] = i < to - n_reps ? 1 : reps[i - (to - n_reps)];
  }
  struct wr_node *x = wr_compose_reshape(&c, a, to, shape);
  for (int i = 0; i < to && !c.error; i++) c.error = check_times("reps", x, i, times[i]);
  if (!c.error) x = tiled(&c, x, times);
  return wr_compose_end(&c, out, x);
}

/* ---- rolling ---- */

static struct wr_node *rolled(struct wr_compose *c, struct wr_node *a, int axis, int64_t shift) {
  if (c->error) return NULL;
  const int32_t extent = wr_node_shape(a)[axis];
  int32_t by = extent ? (int32_t)(shift % extent) : 0;
  if (by < 0) by += extent;
  if (by == 0) {
    if (shift != 0) wr_trace_pin(WR_PIN_EXTENTS); /* all around, of this extent alone */
    return a;
  }
  struct wr_node *parts[2] = {wr_compose_slice_axis(c, a, axis, extent - by, extent),
                              wr_compose_slice_axis(c, a, axis, 0, extent - by)};
  return wr_compose_join(c, parts, 2, axis);
}

static int64_t sum_of(const int *shift, int n) {
  int64_t sum = 0;
  for (int i = 0; i < n; i++) sum += shift[i];
  return sum;
}

struct wr_error *wr_ops_roll(struct wr_node **out, struct wr_node *a, const int *shift, int n_shift,
                             int axis, struct wr_stream *s) {
  int at;
  struct wr_error *error = wr_ops_axis("axis", axis, wr_node_ndim(a), &at);
  if (error) return error;
  struct wr_compose c = wr_compose_begin(s);
  return wr_compose_end(&c, out, wr_compose_dense(&c, rolled(&c, a, at, sum_of(shift, n_shift))));
}

struct wr_error *wr_ops_roll_axes(struct wr_node **out, struct wr_node *a, const int *shift,
                                  int n_shift, const int *axes, int n_axes, struct wr_stream *s) {
  if (n_shift < n_axes) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "shift has %d entries for %d axes", n_shift,
                        n_axes);
  }
  int64_t by[WR_MAX_NDIM] = {0};
  for (int i = 0; i < n_axes; i++) { /* those of an axis that comes again add up */
    int at;
    struct wr_error *error = wr_ops_axis("axes: axis", axes[i], wr_node_ndim(a), &at);
    if (error) return error;
    by[at] += shift[i];
  }
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *x = a;
  for (int i = 0; i < wr_node_ndim(a); i++) x = rolled(&c, x, i, by[i]);
  return wr_compose_end(&c, out, wr_compose_dense(&c, x));
}

struct wr_error *wr_ops_roll_all(struct wr_node **out, struct wr_node *a, const int *shift,
                                 int n_shift, struct wr_stream *s) {
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *x = rolled(&c, wr_compose_flatten(&c, a), 0, sum_of(shift, n_shift));
  x = wr_compose_reshape(&c, x, wr_node_ndim(a), wr_node_shape(a));
  return wr_compose_end(&c, out, wr_compose_dense(&c, x));
}

/* ---- padding ---- */

/* How much each axis of a grows in front and behind. */
struct margins {
  int64_t low[WR_MAX_NDIM];
  int64_t high[WR_MAX_NDIM];
};

static struct wr_error *check_margins(const struct wr_node *a, struct margins *m) {
  for (int i = 0; i < wr_node_ndim(a); i++) {
    const int64_t extent = wr_node_shape(a)[i] + m->low[i] + m->high[i];
    if (extent > INT32_MAX) return too_large("the padding sizes", a, extent);
  }
  return NULL;
}

static struct wr_error *margins_of(const struct wr_node *a, const int *axes, int n_axes,
                                   const int *low, int n_low, const int *high, int n_high,
                                   struct margins *m) {
  if (n_axes != n_low || n_axes != n_high) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                        "low_pad_size has %d entries and high_pad_size %d for %d axes", n_low,
                        n_high, n_axes);
  }
  *m = (struct margins){{0}, {0}};
  for (int i = 0; i < n_axes; i++) { /* those of an axis that comes again add up */
    int at;
    struct wr_error *error = wr_ops_axis("axes: axis", axes[i], wr_node_ndim(a), &at);
    if (error) return error;
    if (low[i] < 0 || high[i] < 0) {
      return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "%s: entry %d is %d, negative",
                          low[i] < 0 ? "low_pad_size" : "high_pad_size", i,
                          low[i] < 0 ? low[i] : high[i]);
    }
    m->low[at] += low[i];
    m->high[at] += high[i];
  }
  return check_margins(a, m);
}

/* The first element of the value, which is what MLX pads with; 0 where it has none. */
static struct wr_node *pad_element(struct wr_compose *c, struct wr_node *value, enum wr_dtype t) {
  if (wr_node_size(value) == 0) return wr_compose_scalar(c, 0, t);
  for (int i = 0; i < wr_node_ndim(value); i++) value = wr_compose_slice_axis(c, value, i, 0, 1);
  return wr_compose_astype(c, wr_compose_reshape(c, value, 0, NULL), t);
}

static struct wr_node *pad_constant(struct wr_compose *c, struct wr_node *a,
                                    const struct margins *m, struct wr_node *value) {
  const int ndim = wr_node_ndim(a);
  int32_t shape[WR_MAX_NDIM];
  int start[WR_MAX_NDIM], stop[WR_MAX_NDIM], strides[WR_MAX_NDIM];
  for (int i = 0; i < ndim; i++) {
    start[i] = (int)m->low[i];
    stop[i] = start[i] + wr_node_shape(a)[i];
    shape[i] = (int32_t)(stop[i] + m->high[i]);
    strides[i] = 1;
  }
  const struct wr_ops_range range = {start, stop, strides, ndim, ndim, ndim};
  struct wr_node *all =
      wr_compose_broadcast(c, pad_element(c, value, wr_node_dtype(a)), ndim, shape);
  if (c->error) return NULL;
  return wr_compose_step(
      c, wr_ops_slice_update(wr_compose_slot(c), WR_OP_COPY, all, a, &range, c->stream));
}

/* `count` copies of the part of a that is at `at` along the axis. */
static struct wr_node *border(struct wr_compose *c, struct wr_node *a, int axis, int32_t at,
                              int64_t count) {
  int32_t shape[WR_MAX_NDIM];
  struct wr_node *x = wr_compose_slice_axis(c, a, axis, at, at + 1);
  if (c->error) return NULL;
  for (int i = 0; i < wr_node_ndim(a); i++) shape[i] = wr_node_shape(x)[i];
  shape[axis] = (int32_t)count;
  return wr_compose_broadcast(c, x, wr_node_ndim(a), shape);
}

static struct wr_node *pad_edges(struct wr_compose *c, struct wr_node *a, const struct margins *m) {
  for (int i = 0; i < wr_node_ndim(a) && !c->error; i++) {
    if (m->low[i] + m->high[i] == 0) continue;
    const int32_t extent = wr_node_shape(a)[i];
    if (extent == 0) {
      c->error =
          wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "a with shape %s has no edge along axis %d",
                       wr_ops_shape_text(a).s, i);
      return NULL;
    }
    struct wr_node *parts[3];
    int n = 0;
    if (m->low[i]) parts[n++] = border(c, a, i, 0, m->low[i]);
    parts[n++] = a;
    if (m->high[i]) parts[n++] = border(c, a, i, extent - 1, m->high[i]);
    a = wr_compose_join(c, parts, n, i);
  }
  return a;
}

static struct wr_error *pad(struct wr_node **out, struct wr_node *a, const struct margins *m,
                            struct wr_node *value, const char *mode, struct wr_stream *s) {
  const bool constant = strcmp(mode, "constant") == 0;
  if (!constant && strcmp(mode, "edge") != 0) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                        "mode is \"%.40s\", neither \"constant\" nor \"edge\"", mode);
  }
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *r = constant ? pad_constant(&c, a, m, value) : pad_edges(&c, a, m);
  return wr_compose_end(&c, out, wr_compose_dense(&c, r));
}

struct wr_error *wr_ops_pad(struct wr_node **out, struct wr_node *a, const int *axes, int n_axes,
                            const int *low, int n_low, const int *high, int n_high,
                            struct wr_node *value, const char *mode, struct wr_stream *s) {
  struct margins m;
  struct wr_error *error = margins_of(a, axes, n_axes, low, n_low, high, n_high, &m);
  return error ? error : pad(out, a, &m, value, mode, s);
}

struct wr_error *wr_ops_pad_symmetric(struct wr_node **out, struct wr_node *a, int width,
                                      struct wr_node *value, const char *mode,
                                      struct wr_stream *s) {
  if (width < 0) return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "pad_width is %d", width);
  struct margins m;
  for (int i = 0; i < wr_node_ndim(a); i++) m.low[i] = m.high[i] = width;
  struct wr_error *error = check_margins(a, &m);
  return error ? error : pad(out, a, &m, value, mode, s);
}

/* ---- a common shape ---- */

struct wr_error *wr_ops_common_shape(struct wr_node *const *arrays, size_t n, int32_t *shape,
                                     int *ndim) {
  *ndim = 0;
  for (size_t i = 0; i < n; i++) {
    int32_t wider[WR_MAX_NDIM];
    int wider_ndim;
    if (!wr_shape_broadcast(shape, *ndim, wr_node_shape(arrays[i]), wr_node_ndim(arrays[i]), wider,
                            &wider_ndim)) {
      return wr_ops_broadcast_error(shape, *ndim, wr_node_shape(arrays[i]), wr_node_ndim(arrays[i]),
                                    "arrays among inputs");
    }
    *ndim = wider_ndim;
    memcpy(shape, wider, (size_t)wider_ndim * sizeof *shape);
  }
  return NULL;
}

struct wr_error *wr_ops_meshgrid_part(struct wr_node **out, struct wr_node *const *arrays, int n,
                                      int i, bool sparse, bool swapped, struct wr_stream *s) {
  int32_t shape[WR_MAX_NDIM], grid[WR_MAX_NDIM];
  if (n > WR_MAX_NDIM) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "arrays: %d of them, at most %d are supported",
                        n, WR_MAX_NDIM);
  }
  struct wr_error *error = NULL;
  for (int k = 0; k < n && !error; k++) {
    const int axis = swapped && n > 1 && k < 2 ? 1 - k : k;
    const int64_t size = wr_node_size(arrays[k]);
    if (size > INT32_MAX) error = too_large("arrays", arrays[k], size);
    grid[axis] = (int32_t)size;
    shape[axis] = k == i ? grid[axis] : 1;
  }
  if (error) return error;
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *x = wr_compose_reshape(&c, arrays[i], n, shape);
  return wr_compose_end(&c, out, sparse ? x : wr_compose_broadcast(&c, x, n, grid));
}
