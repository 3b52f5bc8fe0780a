/* Reading and writing by index. Shapes are checked here; the values of indices are the kernels'
   matter, which define what an index outside the array does. Index arrays are of any integer type.
   No locks. */

#include <stdio.h>

#include "ops/internal.h"

static struct wr_error *check_indices(const struct wr_node *indices) {
  enum wr_dtype t = wr_node_dtype(indices);
  if (wr_dtype_is_integer(t)) return NULL;
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "indices are %s, not integers",
                      wr_dtype_name(t));
}

/* A GATHER of slices of the given shape. */
static struct wr_error *record_gather(struct wr_node **out, struct wr_node *const *in,
                                      const struct wr_gather_params *params, int ndim,
                                      const int32_t *shape, struct wr_stream *s) {
  struct wr_record record = wr_ops_command_like(WR_OP_GATHER, in, 1 + params->n_axes, params, s);
  record.ndim = ndim;
  record.shape = shape;
  return wr_ops_record(out, &record);
}

/* The indices' shape stands in the place of the axis. */
static struct wr_error *record_take(struct wr_node **out, struct wr_node *a,
                                    struct wr_node *indices, int axis, struct wr_stream *s) {
  int32_t shape[2 * WR_MAX_NDIM];
  int ndim = 0;
  for (int d = 0; d < wr_node_ndim(a); d++) {
    if (d != axis) {
      shape[ndim++] = wr_node_shape(a)[d];
      continue;
    }
    for (int i = 0; i < wr_node_ndim(indices); i++) shape[ndim++] = wr_node_shape(indices)[i];
  }
  struct wr_gather_params params = {
      .n_axes = 1, .before = (uint8_t)axis, .dropped = true, .axes = {(uint8_t)axis}};
  return record_gather(out, (struct wr_node *const[]){a, indices}, &params, ndim, shape, s);
}

struct wr_error *wr_ops_take(struct wr_node **out, struct wr_node *a, struct wr_node *indices,
                             int axis, struct wr_stream *s) {
  int normal;
  struct wr_error *error = wr_ops_axis("axis", axis, wr_node_ndim(a), &normal);
  if (!error) error = check_indices(indices);
  if (error) return error;
  if (wr_node_shape(a)[normal] == 0 && wr_node_size(indices) != 0) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                        "a with shape %s has no elements along axis %d to take",
                        wr_ops_shape_text(a).s, normal);
  }
  return record_take(out, a, indices, normal, s);
}

struct wr_error *wr_ops_take_all(struct wr_node **out, struct wr_node *a, struct wr_node *indices,
                                 struct wr_stream *s) {
  struct wr_node *x;
  struct wr_error *error = wr_ops_flatten(&x, a, 0, -1, s);
  return error ? error : wr_ops_and_release(x, wr_ops_take(out, x, indices, 0, s));
}

/* The shapes of a and of indices, broadcast against each other but for the axis. */
static struct wr_error *along_shapes(const struct wr_node *a, const struct wr_node *indices,
                                     int axis, int32_t *a_shape, int32_t *indices_shape) {
  int ndim = wr_node_ndim(a);
  if (wr_node_ndim(indices) != ndim) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                        "indices with shape %s have not as many dimensions as a with shape %s",
                        wr_ops_shape_text(indices).s, wr_ops_shape_text(a).s);
  }
  for (int d = 0; d < ndim; d++) {
    int32_t x = a_shape[d] = wr_node_shape(a)[d];
    int32_t y = indices_shape[d] = wr_node_shape(indices)[d];
    if (d == axis || x == y) continue;
    if (x != 1 && y != 1) {
      return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                          "indices with shape %s and a with shape %s do not fit together beside "
                          "axis %d",
                          wr_ops_shape_text(indices).s, wr_ops_shape_text(a).s, axis);
    }
    a_shape[d] = indices_shape[d] = x == 1 ? y : x;
  }
  return NULL;
}

struct wr_error *wr_ops_take_along_axis(struct wr_node **out, struct wr_node *a,
                                        struct wr_node *indices, int axis, struct wr_stream *s) {
  int normal;
  int32_t a_shape[WR_MAX_NDIM];
  int32_t indices_shape[WR_MAX_NDIM];
  int ndim = wr_node_ndim(a);
  struct wr_error *error = wr_ops_axis("axis", axis, ndim, &normal);
  if (!error) error = check_indices(indices);
  if (!error) error = along_shapes(a, indices, normal, a_shape, indices_shape);
  if (error) return error;
  if (a_shape[normal] == 0 && wr_node_size(indices) != 0) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                        "a with shape %s has no elements along axis %d to take",
                        wr_ops_shape_text(a).s, normal);
  }
  struct wr_axis_params params = {.axis = normal};
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *in[2] = {wr_compose_broadcast(&c, a, ndim, a_shape),
                           wr_compose_broadcast(&c, indices, ndim, indices_shape)};
  struct wr_record record = wr_ops_command(WR_OP_GATHER_AXIS, in, 2, &params, s);
  record.dtype = wr_node_dtype(a);
  record.ndim = ndim;
  record.shape = indices_shape;
  return wr_compose_end(&c, out, wr_compose_record(&c, &record));
}

/* ---- index arrays for several axes ---- */

/* What they have in common, and which axes they are for. */
struct index_set {
  int n;
  struct wr_node *const *indices;
  uint8_t axes[WR_MAX_NDIM];
  int ndim;
  int32_t shape[WR_MAX_NDIM];
  enum wr_dtype dtype;
};

static struct wr_error *index_type(struct index_set *set) {
  set->dtype = WR_INT32;
  for (int i = 0; i < set->n; i++) {
    struct wr_error *error = check_indices(set->indices[i]);
    if (error) return error;
    enum wr_dtype t = wr_node_dtype(set->indices[i]);
    set->dtype = i == 0 ? t : wr_dtype_promote(set->dtype, t);
  }
  /* uint64 and a signed type have no integer type in common. */
  if (wr_dtype_is_integer(set->dtype)) return NULL;
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                      "indices have no integer type in common: uint64 is mixed with a signed one");
}

static struct wr_error *index_shape(struct index_set *set) {
  set->ndim = 0;
  for (int i = 0; i < set->n; i++) {
    const struct wr_node *x = set->indices[i];
    int32_t shape[WR_MAX_NDIM];
    int ndim;
    if (!wr_shape_broadcast(set->shape, set->ndim, wr_node_shape(x), wr_node_ndim(x), shape,
                            &ndim)) {
      char names[64];
      snprintf(names, sizeof names, "indices: those before number %d and itself", i);
      return wr_ops_broadcast_error(set->shape, set->ndim, wr_node_shape(x), wr_node_ndim(x),
                                    names);
    }
    set->ndim = ndim;
    for (int d = 0; d < ndim; d++) set->shape[d] = shape[d];
  }
  return NULL;
}

/* Axes count from the front alone, as in MLX. */
static struct wr_error *index_axes(struct index_set *set, const int *axes, int n_axes, int ndim) {
  uint32_t mask;
  if (set->n != n_axes) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "axes has %d entries for %d index arrays",
                        n_axes, set->n);
  }
  for (int i = 0; i < n_axes; i++) {
    if (axes[i] < 0) {
      return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "%s %d is negative",
                          n_axes == 1 ? "axis" : "axes: axis", axes[i]);
    }
  }
  struct wr_error *error = wr_ops_axes(axes, n_axes, ndim, &mask);
  for (int i = 0; i < n_axes && !error; i++) set->axes[i] = (uint8_t)axes[i];
  return error;
}

static struct wr_error *index_set_of(struct index_set *set, const struct wr_node *a,
                                     struct wr_node *const *indices, int n_indices, const int *axes,
                                     int n_axes) {
  set->n = n_indices;
  set->indices = indices;
  struct wr_error *error = index_axes(set, axes, n_axes, wr_node_ndim(a));
  if (!error) error = index_type(set);
  return error ? error : index_shape(set);
}

/* The arrays in one type and shape, as inputs. */
static void index_inputs(struct wr_compose *c, const struct index_set *set, struct wr_node **in) {
  for (int i = 0; i < set->n; i++) {
    struct wr_node *x = wr_compose_astype(c, set->indices[i], set->dtype);
    in[i] = wr_compose_broadcast(c, x, set->ndim, set->shape);
  }
}

/* ---- gather ---- */

static struct wr_error *check_slices(const struct wr_node *a, const int *sizes, int n_sizes) {
  if (n_sizes != wr_node_ndim(a)) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                        "slice_sizes has %d entries for a with shape %s", n_sizes,
                        wr_ops_shape_text(a).s);
  }
  for (int d = 0; d < n_sizes; d++) {
    if (sizes[d] < 0 || sizes[d] > wr_node_shape(a)[d]) {
      return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                          "slice_sizes: entry %d is %d, for a with shape %s", d, sizes[d],
                          wr_ops_shape_text(a).s);
    }
  }
  return NULL;
}

struct wr_error *wr_ops_gather(struct wr_node **out, struct wr_node *a,
                               struct wr_node *const *indices, int n_indices, const int *axes,
                               int n_axes, const int *slice_sizes, int n_slice_sizes,
                               struct wr_stream *s) {
  struct index_set set;
  struct wr_error *error = index_set_of(&set, a, indices, n_indices, axes, n_axes);
  if (!error) error = check_slices(a, slice_sizes, n_slice_sizes);
  if (error) return error;
  struct wr_gather_params params = {.n_axes = (uint8_t)set.n};
  int32_t shape[2 * WR_MAX_NDIM];
  int ndim = 0;
  for (int i = 0; i < set.n; i++) params.axes[i] = set.axes[i];
  for (int d = 0; d < set.ndim; d++) shape[ndim++] = set.shape[d];
  for (int d = 0; d < n_slice_sizes; d++) shape[ndim++] = slice_sizes[d];
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *in[1 + WR_MAX_NDIM] = {a};
  struct wr_node *r = NULL;
  index_inputs(&c, &set, in + 1);
  if (!c.error) {
    r = wr_compose_step(&c, record_gather(wr_compose_slot(&c), in, &params, ndim, shape, s));
  }
  return wr_compose_end(&c, out, r);
}

/* ---- scatter ---- */

/* Updates have the indices' shape, then one extent per axis of a, not larger than a's. */
static struct wr_error *check_updates(const struct wr_node *a, const struct wr_node *updates,
                                      const struct index_set *set) {
  bool fits = wr_node_ndim(updates) == set->ndim + wr_node_ndim(a);
  for (int d = 0; fits && d < wr_node_ndim(updates); d++) {
    int32_t extent = wr_node_shape(updates)[d];
    fits = d < set->ndim ? extent == set->shape[d] : extent <= wr_node_shape(a)[d - set->ndim];
  }
  if (fits) return NULL;
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                      "updates with shape %s fit neither indices with shape %s nor a with shape %s",
                      wr_ops_shape_text(updates).s, wr_ops_dims_text(set->shape, set->ndim).s,
                      wr_ops_shape_text(a).s);
}

static struct wr_error *record_scatter(struct wr_node **out, struct wr_scatter_params params,
                                       struct wr_node *a, struct wr_node *updates,
                                       const struct index_set *set, struct wr_stream *s) {
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *in[2 + WR_MAX_NDIM] = {a};
  params.n_axes = (uint8_t)set->n;
  for (int i = 0; i < set->n; i++) params.axes[i] = set->axes[i];
  in[1] = wr_compose_astype(&c, updates, wr_node_dtype(a));
  index_inputs(&c, set, in + 2);
  struct wr_record record = wr_ops_command_like(WR_OP_SCATTER, in, 2 + set->n, &params, s);
  return wr_compose_end(&c, out, wr_compose_record(&c, &record));
}

/* Sums of 16 bits would be rounded at each step, and stop growing; products likewise. */
static bool is_rounded(enum wr_op by, enum wr_dtype t) {
  return (t == WR_FLOAT16 || t == WR_BFLOAT16) && (by == WR_OP_ADD || by == WR_OP_MULTIPLY);
}

static struct wr_error *scatter(struct wr_node **out, struct wr_scatter_params params,
                                struct wr_node *a, const struct index_set *set,
                                struct wr_node *updates, struct wr_stream *s) {
  struct wr_error *error = check_updates(a, updates, set);
  if (error) return error;
  const enum wr_dtype t = wr_node_dtype(a);
  if (!is_rounded(params.by, t)) return record_scatter(out, params, a, updates, set, s);
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *x = wr_compose_astype(&c, a, WR_FLOAT32);
  struct wr_node *u = wr_compose_astype(&c, updates, t);
  if (!c.error) x = wr_compose_step(&c, record_scatter(wr_compose_slot(&c), params, x, u, set, s));
  return wr_compose_end(&c, out, wr_compose_astype(&c, x, t));
}

struct wr_error *wr_ops_scatter(struct wr_node **out, enum wr_op by, struct wr_node *a,
                                struct wr_node *const *indices, int n_indices,
                                struct wr_node *updates, const int *axes, int n_axes,
                                struct wr_stream *s) {
  struct index_set set;
  struct wr_error *error = index_set_of(&set, a, indices, n_indices, axes, n_axes);
  if (error) return error;
  return scatter(out, (struct wr_scatter_params){.by = by}, a, &set, updates, s);
}

struct wr_error *wr_ops_scatter_along(struct wr_node **out, enum wr_op by, struct wr_node *a,
                                      struct wr_node *const *indices, int n, int k,
                                      struct wr_node *updates, struct wr_stream *s) {
  struct index_set set;
  int axes[WR_MAX_NDIM];
  for (int i = 0; i < n; i++) axes[i] = i;
  struct wr_error *error = index_set_of(&set, a, indices, n, axes, n);
  if (error) return error;
  const struct wr_scatter_params params = {.by = by, .along = (uint8_t)(1 + k)};
  return scatter(out, params, a, &set, updates, s);
}

/* ---- again ---- */

static struct wr_error *no_inputs(enum wr_op op) {
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "%s has no inputs to be repeated on",
                      wr_op_info(op)->name);
}

/* The index arrays' axes stand among those of the slices, in the place of dropped ones or in front
   of them: a record from elsewhere may say otherwise. */
static struct wr_error *check_before(const struct wr_gather_params *p, int ndim) {
  bool fits = p->before <= ndim;
  for (int i = 0; i < p->n_axes; i++) fits = fits && !(p->dropped && p->axes[i] < p->before);
  if (fits) return NULL;
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                      "no gather puts its indices before axis %d of %d here", p->before, ndim);
}

/* Slices are as they were, but whole along the other axes where they lie around the dropped ones.
 */
static struct wr_error *gather_again(struct wr_node **out, const struct wr_record *like) {
  const struct wr_gather_params *p = like->params;
  struct wr_node *a = like->in[0];
  const int ndim = wr_node_ndim(a);
  int32_t sizes[WR_MAX_NDIM], shape[2 * WR_MAX_NDIM];
  int axes[WR_MAX_NDIM], n = 0;
  struct index_set set;
  for (int i = 0; i < p->n_axes; i++) axes[i] = p->axes[i];
  struct wr_error *error = index_set_of(&set, a, like->in + 1, like->n_in - 1, axes, p->n_axes);
  if (!error) error = check_before(p, ndim);
  if (error) return error;
  if (!p->dropped) (void)wr_gather_sizes(p, ndim, like->ndim, like->shape, sizes);
  uint32_t indexed = 0;
  for (int i = 0; i < p->n_axes; i++) indexed |= UINT32_C(1) << p->axes[i];
  for (int d = 0; d < ndim && p->dropped; d++) {
    sizes[d] = wr_ops_has_axis(indexed, d) ? 1 : wr_node_shape(a)[d];
  }
  int64_t places = 0;
  if (!wr_shape_size(set.shape, set.ndim, &places) || places > 0) {
    error = check_slices(a, sizes, ndim);
    if (error) return error;
  }
  for (int d = 0; d <= ndim; d++) {
    for (int k = 0; d == p->before && k < set.ndim; k++) shape[n++] = set.shape[k];
    if (d < ndim && !(p->dropped && wr_ops_has_axis(indexed, d))) shape[n++] = sizes[d];
  }
  struct wr_compose c = wr_compose_begin(like->stream);
  struct wr_node *in[1 + WR_MAX_NDIM] = {a}, *r = NULL;
  index_inputs(&c, &set, in + 1);
  if (!c.error) {
    r = wr_compose_step(&c, record_gather(wr_compose_slot(&c), in, p, n, shape, like->stream));
  }
  return wr_compose_end(&c, out, r);
}

static struct wr_error *scatter_again(struct wr_node **out, const struct wr_record *like) {
  const struct wr_scatter_params *p = like->params;
  int axes[WR_MAX_NDIM];
  for (int i = 0; i < p->n_axes; i++) axes[i] = p->axes[i];
  return wr_ops_scatter(out, p->by, like->in[0], like->in + 2, like->n_in - 2, like->in[1], axes,
                        p->n_axes, like->stream);
}

struct wr_error *wr_again_index(struct wr_node **out, const struct wr_record *like) {
  switch ((int)like->op) {
    case WR_OP_GATHER:
      return gather_again(out, like);
    case WR_OP_GATHER_AXIS:
      return wr_ops_take_along_axis(out, like->in[0], like->in[1],
                                    ((const struct wr_axis_params *)like->params)->axis,
                                    like->stream);
    case WR_OP_SCATTER:
      return scatter_again(out, like);
    default:
      return no_inputs(like->op);
  }
}
