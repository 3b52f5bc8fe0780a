/* Copies, casts, joins, and arrays made from nothing. Results are dense and own their buffer,
   except where the input already is what was asked for. No locks. */

#include <math.h>

#include "base/base.h"
#include "base/floats.h"
#include "graph/trace.h"
#include "ops/internal.h"

struct wr_error *wr_ops_astype(struct wr_node **out, struct wr_node *a, enum wr_dtype dtype,
                               struct wr_stream *s) {
  if (wr_node_dtype(a) != dtype) return wr_ops_record_like(out, WR_OP_ASTYPE, a, dtype, s);
  *out = wr_node_retain(a);
  return NULL;
}

struct wr_error *wr_ops_copy(struct wr_node **out, struct wr_node *a, struct wr_stream *s) {
  return wr_ops_record_like(out, WR_OP_COPY, a, wr_node_dtype(a), s);
}

struct wr_error *wr_ops_contiguous(struct wr_node **out, struct wr_node *a, bool allow_col_major,
                                   struct wr_stream *s) {
  if (!wr_node_is_row_contiguous(a) && !(allow_col_major && wr_node_is_col_contiguous(a))) {
    return wr_ops_copy(out, a, s);
  }
  *out = wr_node_retain(a);
  return NULL;
}

/* What stands for an array says nothing of how that lies. */
struct wr_error *wr_ops_as_contiguous(struct wr_node **out, struct wr_node *a, bool allow_col_major,
                                      struct wr_stream *s) {
  if (wr_node_stands_in(a)) return wr_ops_copy(out, a, s);
  return wr_ops_contiguous(out, a, allow_col_major, s);
}

/* The joined shape, and the type that *dtype and all have in common. Arrays agree in every extent
   but the axis. */
static struct wr_error *joined(struct wr_node *const *arrays, int n, int axis, int32_t *shape,
                               enum wr_dtype *dtype) {
  int ndim = wr_node_ndim(arrays[0]);
  int64_t extent = 0;
  for (int i = 0; i < n; i++) {
    const int32_t *dims = wr_node_shape(arrays[i]);
    bool fits = wr_node_ndim(arrays[i]) == ndim;
    for (int d = 0; fits && d < ndim; d++) {
      if (i == 0) shape[d] = dims[d];
      fits = d == axis || dims[d] == shape[d];
    }
    if (!fits) {
      return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                          "arrays: number %d with shape %s does not fit number 0 with shape %s "
                          "along axis %d",
                          i, wr_ops_shape_text(arrays[i]).s, wr_ops_shape_text(arrays[0]).s, axis);
    }
    extent += dims[axis];
    *dtype = wr_dtype_promote(*dtype, wr_node_dtype(arrays[i]));
  }
  if (extent > INT32_MAX) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                        "arrays: together %lld elements along axis %d, which is too large",
                        (long long)extent, axis);
  }
  shape[axis] = (int32_t)extent;
  return NULL;
}

static struct wr_error *record_join(struct wr_node **out, struct wr_node *const *in, int n,
                                    int axis, const int32_t *shape, enum wr_dtype dtype,
                                    struct wr_stream *s) {
  struct wr_axis_params params = {.axis = axis};
  struct wr_record record = wr_ops_command_like(WR_OP_CONCATENATE, in, n, &params, s);
  record.dtype = dtype;
  record.shape = shape;
  return wr_ops_record(out, &record);
}

/* One step for each of many arrays, in an owned list. */
typedef struct wr_error *(*each_fn)(struct wr_node **out, struct wr_node *a, int argument,
                                    struct wr_stream *s);

static void list_free(struct wr_node **list, int n) {
  for (int i = 0; i < n; i++) wr_node_release(list[i]);
  wr_free(list);
}

static struct wr_error *list_map(struct wr_node ***out, struct wr_node *const *arrays, int n,
                                 each_fn fn, int argument, struct wr_stream *s) {
  struct wr_node **list = wr_alloc((size_t)n * sizeof *list);
  if (!list) return wr_error_out_of_memory();
  for (int i = 0; i < n; i++) {
    struct wr_error *error = fn(&list[i], arrays[i], argument, s);
    if (error) {
      list_free(list, i);
      return error;
    }
  }
  *out = list;
  return NULL;
}

static struct wr_error *cast_each(struct wr_node **out, struct wr_node *a, int dtype,
                                  struct wr_stream *s) {
  return wr_ops_astype(out, a, (enum wr_dtype)dtype, s);
}

static struct wr_error *flatten_each(struct wr_node **out, struct wr_node *a, int unused,
                                     struct wr_stream *s) {
  (void)unused;
  return wr_ops_flatten(out, a, 0, -1, s);
}

static struct wr_error *expand_each(struct wr_node **out, struct wr_node *a, int axis,
                                    struct wr_stream *s) {
  return wr_ops_expand_dims(out, a, &axis, 1, s);
}

static struct wr_error *check_some(int n) {
  return n > 0 ? NULL : wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "arrays is empty");
}

struct wr_error *wr_ops_concatenate(struct wr_node **out, struct wr_node *const *arrays, int n,
                                    int axis, struct wr_stream *s) {
  int normal;
  int32_t shape[WR_MAX_NDIM];
  enum wr_dtype dtype;
  struct wr_error *error = check_some(n);
  if (error) return error;
  if (n == 1) { /* whatever the axis, as in MLX: a 0-dimensional array has none */
    *out = wr_node_retain(arrays[0]);
    return NULL;
  }
  dtype = wr_node_dtype(arrays[0]);
  error = wr_ops_axis("axis", axis, wr_node_ndim(arrays[0]), &normal);
  if (!error) error = joined(arrays, n, normal, shape, &dtype);
  if (error) return error;
  struct wr_node **cast = NULL;
  error = list_map(&cast, arrays, n, cast_each, (int)dtype, s);
  if (error) return error;
  error = record_join(out, cast, n, normal, shape, dtype, s);
  list_free(cast, n);
  return error;
}

struct wr_error *wr_ops_concatenate_all(struct wr_node **out, struct wr_node *const *arrays, int n,
                                        struct wr_stream *s) {
  struct wr_node **flat = NULL;
  struct wr_error *error = check_some(n);
  if (error) return error;
  error = list_map(&flat, arrays, n, flatten_each, 0, s);
  if (error) return wr_error_prefix_take(error, "arrays: ");
  error = wr_ops_concatenate(out, flat, n, 0, s);
  list_free(flat, n);
  return error;
}

static struct wr_error *check_stackable(struct wr_node *const *arrays, int n) {
  const struct wr_node *first = arrays[0];
  if (wr_node_ndim(first) == WR_MAX_NDIM) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                        "arrays have %d dimensions, the most that are supported", WR_MAX_NDIM);
  }
  for (int i = 1; i < n; i++) {
    if (!wr_shape_equal(wr_node_shape(first), wr_node_ndim(first), wr_node_shape(arrays[i]),
                        wr_node_ndim(arrays[i]))) {
      return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                          "arrays: number %d has shape %s, number 0 has shape %s", i,
                          wr_ops_shape_text(arrays[i]).s, wr_ops_shape_text(first).s);
    }
  }
  return NULL;
}

struct wr_error *wr_ops_stack(struct wr_node **out, struct wr_node *const *arrays, int n, int axis,
                              struct wr_stream *s) {
  int normal;
  struct wr_node **expanded = NULL;
  struct wr_error *error = check_some(n);
  if (!error) error = check_stackable(arrays, n);
  if (!error) error = wr_ops_axis("axis", axis, wr_node_ndim(arrays[0]) + 1, &normal);
  if (!error) error = list_map(&expanded, arrays, n, expand_each, normal, s);
  if (error) return error;
  error = wr_ops_concatenate(out, expanded, n, normal, s);
  list_free(expanded, n);
  return error;
}

static struct wr_error *arange_length(double start, double stop, double step, int32_t *length) {
  if (!isfinite(start) || !isfinite(stop) || isnan(step)) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "start %g, stop %g and step %g give no length",
                        start, stop, step);
  }
  if (step == 0) return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "step is 0");
  /* An infinite step takes the first element alone, if the direction is right. */
  double n =
      isinf(step) ? ((step > 0) == (start < stop) && start != stop) : ceil((stop - start) / step);
  if (n > INT32_MAX) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                        "start %g, stop %g and step %g give %g elements, which is too many", start,
                        stop, step, n);
  }
  *length = n > 0 ? (int32_t)n : 0;
  return NULL;
}

/* Integers count from the first element in steps as long as that to the second, both cut to
   integers, as in MLX and NumPy. Floating ranges keep start and step in double, so that rounding
   does not add up over a long one. */
static struct wr_arange_params arange_params(double start, double step, enum wr_dtype dtype) {
  if (isinf(step)) step = 0; /* there is the first element alone */
  if (wr_dtype_is_integer(dtype)) {
    step = trunc(start + step) - trunc(start);
    start = trunc(start);
  }
  return (struct wr_arange_params){.start = start, .step = step};
}

struct wr_error *wr_ops_arange(struct wr_node **out, double start, double stop, double step,
                               enum wr_dtype dtype, struct wr_stream *s) {
  if (dtype == WR_BOOL) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "dtype is bool, which has no ranges");
  }
  int32_t length;
  wr_trace_pin(WR_PIN_EXTENTS);
  struct wr_floats callers = wr_floats_enter();
  struct wr_error *error = arange_length(start, stop, step, &length);
  struct wr_arange_params params = arange_params(start, step, dtype);
  wr_floats_leave(callers);
  if (error) return error;
  struct wr_record record = wr_ops_command(WR_OP_ARANGE, NULL, 0, &params, s);
  record.dtype = dtype;
  record.ndim = 1;
  record.shape = &length;
  return wr_ops_record(out, &record);
}

/* (start (last - i) + stop i) / last for i = 0 .. last, float64, with the ends as they were given:
   where start and stop are whole numbers, the sum is exact, and so is every element that is one. */
static struct wr_node *between(struct wr_compose *c, double start, double stop, int last) {
  const enum wr_dtype t = WR_FLOAT64;
  /* Products with i that would overflow are made of a part of the numbers. */
  const double part = fmax(fabs(start), fabs(stop)) > 0x1p960 ? 0x1p-64 : 1;
  if (c->error) return NULL;
  struct wr_node *i =
      wr_compose_step(c, wr_ops_arange(wr_compose_slot(c), 0, last + 1.0, 1, t, c->stream));
  struct wr_node *end = wr_compose_scalar(c, last, t);
  struct wr_node *rest = wr_compose_binary(c, WR_OP_SUBTRACT, end, i);
  struct wr_node *x =
      wr_compose_binary(c, WR_OP_MULTIPLY, rest, wr_compose_scalar(c, start * part, t));
  struct wr_node *y = wr_compose_binary(c, WR_OP_MULTIPLY, i, wr_compose_scalar(c, stop * part, t));
  x = wr_compose_binary(c, WR_OP_DIVIDE, wr_compose_binary(c, WR_OP_ADD, x, y), end);
  if (part != 1) x = wr_compose_binary(c, WR_OP_MULTIPLY, x, wr_compose_scalar(c, 1 / part, t));
  struct wr_node *first = wr_compose_binary(c, WR_OP_EQUAL, i, wr_compose_scalar(c, 0, t));
  x = wr_compose_where(c, first, wr_compose_scalar(c, start, t), x);
  return wr_compose_where(c, wr_compose_binary(c, WR_OP_EQUAL, i, end),
                          wr_compose_scalar(c, stop, t), x);
}

struct wr_error *wr_ops_linspace(struct wr_node **out, double start, double stop, int num,
                                 enum wr_dtype dtype, struct wr_stream *s) {
  if (num < 0) return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "num is %d, negative", num);
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *x = NULL;
  if (num > 1) {
    x = between(&c, start, stop, num - 1);
  } else { /* none, or the start alone */
    struct wr_node **slot = wr_compose_slot(&c);
    x = wr_compose_step(&c, wr_ops_fill(slot, &num, 1, start, WR_FLOAT64, s));
  }
  return wr_compose_end(&c, out, wr_compose_astype(&c, x, dtype));
}

/* Broadcasts the value, already of the result's type, and makes it dense. */
static struct wr_error *full(struct wr_node **out, const int32_t *shape, int ndim,
                             struct wr_node *vals, struct wr_stream *s) {
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *x = wr_compose_broadcast(&c, vals, ndim, shape);
  if (!c.error) x = wr_compose_step(&c, wr_ops_copy(wr_compose_slot(&c), x, s));
  return wr_compose_end(&c, out, x);
}

struct wr_error *wr_ops_full(struct wr_node **out, const int32_t *shape, int ndim,
                             struct wr_node *vals, enum wr_dtype dtype, struct wr_stream *s) {
  struct wr_error *error = wr_ops_check_shape("shape", shape, ndim);
  if (error) return error;
  if (!wr_shape_broadcasts_to(wr_node_shape(vals), wr_node_ndim(vals), shape, ndim)) {
    return wr_ops_broadcast_to_error(vals, shape, ndim, "vals and the result");
  }
  struct wr_node *cast;
  error = wr_ops_astype(&cast, vals, dtype, s);
  if (error) return error;
  return wr_ops_and_release(cast, full(out, shape, ndim, cast, s));
}

struct wr_error *wr_ops_fill(struct wr_node **out, const int32_t *shape, int ndim, double value,
                             enum wr_dtype dtype, struct wr_stream *s) {
  struct wr_error *error = wr_ops_check_shape("shape", shape, ndim);
  if (error) return error;
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *x = wr_compose_scalar(&c, value, dtype);
  if (!c.error) x = wr_compose_step(&c, full(wr_compose_slot(&c), shape, ndim, x, s));
  return wr_compose_end(&c, out, x);
}

struct wr_error *wr_ops_full_like(struct wr_node **out, struct wr_node *a, struct wr_node *vals,
                                  enum wr_dtype dtype, struct wr_stream *s) {
  int32_t shape[WR_MAX_NDIM];
  int ndim;
  /* MLX broadcasts both: the result may be larger than a. */
  if (wr_shape_broadcast(wr_node_shape(a), wr_node_ndim(a), wr_node_shape(vals), wr_node_ndim(vals),
                         shape, &ndim)) {
    wr_trace_pin(WR_PIN_EXTENTS);
    return wr_ops_full(out, shape, ndim, vals, dtype, s);
  }
  return wr_ops_broadcast_to_error(a, wr_node_shape(vals), wr_node_ndim(vals), "a and vals");
}

struct wr_error *wr_ops_fill_like(struct wr_node **out, struct wr_node *a, double value,
                                  struct wr_stream *s) {
  return wr_ops_fill(out, wr_node_shape(a), wr_node_ndim(a), value, wr_node_dtype(a), s);
}

struct wr_error *wr_again_copy(struct wr_node **out, const struct wr_record *like) {
  switch ((int)like->op) {
    case WR_OP_ASTYPE:
      return wr_ops_astype(out, like->in[0], like->dtype, like->stream);
    case WR_OP_COPY:
      return wr_ops_copy(out, like->in[0], like->stream);
    case WR_OP_CONCATENATE:
      return wr_ops_concatenate(out, like->in, like->n_in,
                                ((const struct wr_axis_params *)like->params)->axis, like->stream);
    case WR_OP_SLICE_UPDATE:
      return wr_again_slice_update(out, like);
    default: /* ARANGE */
      return wr_ops_record(out, like);
  }
}
