/* Reading and adding by index. Shapes are checked here; the values of indices are the kernels'
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
  struct wr_axis_params params = {.axis = axis};
  struct wr_node *in[2] = {a, indices};
  return wr_ops_record(out, &(struct wr_record){.op = WR_OP_GATHER,
                                                .dtype = wr_node_dtype(a),
                                                .ndim = ndim,
                                                .shape = shape,
                                                .n_in = 2,
                                                .in = in,
                                                .params = &params,
                                                .params_bytes = sizeof params,
                                                .stream = s});
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
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *x = wr_compose_flatten(&c, a);
  struct wr_node *r = NULL;
  if (!c.error) r = wr_compose_step(&c, wr_ops_take(wr_compose_slot(&c), x, indices, 0, s));
  return wr_compose_end(&c, out, r);
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
  struct wr_record record = {.op = WR_OP_GATHER_AXIS,
                             .dtype = wr_node_dtype(a),
                             .ndim = ndim,
                             .shape = indices_shape,
                             .n_in = 2,
                             .in = in,
                             .params = &params,
                             .params_bytes = sizeof params,
                             .stream = s};
  struct wr_node *r = NULL;
  if (!c.error) r = wr_compose_step(&c, wr_ops_record(wr_compose_slot(&c), &record));
  return wr_compose_end(&c, out, r);
}

/* What the index arrays of a scatter have in common. */
struct index_set {
  int ndim;
  int32_t shape[WR_MAX_NDIM];
  enum wr_dtype dtype;
};

static struct wr_error *common_indices(struct wr_node *const *indices, int n,
                                       struct index_set *set) {
  *set = (struct index_set){.dtype = WR_INT32};
  for (int i = 0; i < n; i++) {
    struct wr_error *error = check_indices(indices[i]);
    if (error) return error;
    enum wr_dtype t = wr_node_dtype(indices[i]);
    set->dtype = i == 0 ? t : wr_dtype_promote(set->dtype, t);
    int32_t shape[WR_MAX_NDIM];
    int ndim;
    if (!wr_shape_broadcast(set->shape, set->ndim, wr_node_shape(indices[i]),
                            wr_node_ndim(indices[i]), shape, &ndim)) {
      char names[64];
      snprintf(names, sizeof names, "indices: those before number %d and itself", i);
      return wr_ops_broadcast_error(set->shape, set->ndim, wr_node_shape(indices[i]),
                                    wr_node_ndim(indices[i]), names);
    }
    set->ndim = ndim;
    for (int d = 0; d < ndim; d++) set->shape[d] = shape[d];
  }
  /* uint64 and a signed type have no integer type in common. */
  if (wr_dtype_is_integer(set->dtype)) return NULL;
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                      "indices have no integer type in common: uint64 is mixed with a signed one");
}

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

static struct wr_error *scatter_axes(const struct wr_node *a, int n_indices, const int *axes,
                                     int n_axes, struct wr_scatter_params *params) {
  if (n_indices != n_axes) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "axes has %d entries for %d index arrays",
                        n_axes, n_indices);
  }
  uint32_t mask;
  struct wr_error *error = wr_ops_axes(axes, n_axes, wr_node_ndim(a), &mask);
  if (error) return error;
  params->n_axes = n_axes;
  for (int i = 0; i < n_axes; i++) {
    params->axes[i] = axes[i] < 0 ? axes[i] + wr_node_ndim(a) : axes[i];
  }
  return NULL;
}

static struct wr_error *record_scatter(struct wr_node **out, struct wr_node *a,
                                       struct wr_node *const *indices, struct wr_node *updates,
                                       const struct index_set *set,
                                       const struct wr_scatter_params *params,
                                       struct wr_stream *s) {
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *in[2 + WR_MAX_NDIM] = {a};
  in[1] = wr_compose_astype(&c, updates, wr_node_dtype(a));
  for (int i = 0; i < params->n_axes; i++) {
    struct wr_node *x = wr_compose_astype(&c, indices[i], set->dtype);
    in[2 + i] = wr_compose_broadcast(&c, x, set->ndim, set->shape);
  }
  struct wr_record record = {.op = WR_OP_SCATTER_ADD,
                             .dtype = wr_node_dtype(a),
                             .ndim = wr_node_ndim(a),
                             .shape = wr_node_shape(a),
                             .n_in = 2 + params->n_axes,
                             .in = in,
                             .params = params,
                             .params_bytes = sizeof *params,
                             .stream = s};
  struct wr_node *r = NULL;
  if (!c.error) r = wr_compose_step(&c, wr_ops_record(wr_compose_slot(&c), &record));
  return wr_compose_end(&c, out, r);
}

struct wr_error *wr_ops_scatter_add(struct wr_node **out, struct wr_node *a,
                                    struct wr_node *const *indices, int n_indices,
                                    struct wr_node *updates, const int *axes, int n_axes,
                                    struct wr_stream *s) {
  struct wr_scatter_params params = {0};
  struct index_set set;
  struct wr_error *error = scatter_axes(a, n_indices, axes, n_axes, &params);
  if (!error) error = common_indices(indices, n_indices, &set);
  if (!error) error = check_updates(a, updates, &set);
  if (error) return error;
  if (wr_node_dtype(a) != WR_FLOAT16 && wr_node_dtype(a) != WR_BFLOAT16) {
    return record_scatter(out, a, indices, updates, &set, &params, s);
  }
  /* Sums of 16 bits would be rounded at each step, and stop growing. */
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *x = wr_compose_astype(&c, a, WR_FLOAT32);
  if (!c.error) {
    struct wr_node **slot = wr_compose_slot(&c);
    struct wr_node *u = wr_compose_step(&c, wr_ops_astype(slot, updates, wr_node_dtype(a), s));
    if (!c.error) {
      slot = wr_compose_slot(&c);
      x = wr_compose_step(&c, record_scatter(slot, x, indices, u, &set, &params, s));
    }
  }
  return wr_compose_end(&c, out, wr_compose_astype(&c, x, wr_node_dtype(a)));
}
