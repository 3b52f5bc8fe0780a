/* What every family needs: dtype rules, checked recording, axes and texts for messages. Invariant:
   each shape that reaches the graph has at most WR_MAX_NDIM extents, none negative, and a byte size
   in range, because all go through wr_ops_record and wr_ops_view_of. Pure functions, no locks. */

#include "base/floats.h"
#include "core/half.h"
#include "graph/trace.h"
#include "ops/internal.h"

struct wr_ops_text wr_ops_dims_text(const int32_t *shape, int ndim) {
  struct wr_ops_text text;
  wr_shape_format(shape, ndim, text.s, (int)sizeof text.s);
  return text;
}

/* Programs for mlx-c cut its messages at ". at", behind which it names a line of its own. */
struct wr_error *wr_ops_broadcast_error(const int32_t *a, int a_ndim, const int32_t *b, int b_ndim,
                                        const char *names) {
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                      "[broadcast_shapes] Shapes %s and %s cannot be broadcast. at %s",
                      wr_ops_dims_text(a, a_ndim).s, wr_ops_dims_text(b, b_ndim).s, names);
}

static const char result_shape[] = "the result's shape";

struct wr_error *wr_ops_record(struct wr_node **out, const struct wr_record *record) {
  struct wr_error *error = wr_ops_check_shape(result_shape, record->shape, record->ndim);
  return error ? error : wr_node_record(out, record);
}

struct wr_error *wr_ops_view_of(struct wr_node **out, const struct wr_record *record,
                                const int64_t *strides, int64_t offset) {
  struct wr_error *error = wr_ops_check_shape(result_shape, record->shape, record->ndim);
  return error ? error : wr_node_view(out, record, strides, offset);
}

struct wr_error *wr_ops_view_diagonal(struct wr_node **out, struct wr_node *a,
                                      const struct wr_diagonal_params *params, int ndim,
                                      const int32_t *shape, const int64_t *strides,
                                      struct wr_stream *s) {
  const int a_ndim = wr_node_ndim(a);
  int64_t first = wr_node_offset(a);
  for (int i = 0; i < a_ndim; i++) first += params->axis[i].start * wr_node_strides(a)[i];
  struct wr_record record = wr_ops_command_like(WR_OP_DIAGONAL, &a, 1, params, s);
  record.ndim = ndim;
  record.shape = shape;
  record.params_bytes = (size_t)a_ndim * sizeof params->axis[0];
  return wr_ops_view_of(out, &record, strides, first);
}

struct wr_error *wr_ops_record_like(struct wr_node **out, enum wr_op op, struct wr_node *a,
                                    enum wr_dtype dtype, struct wr_stream *s) {
  return wr_node_record(out, &(struct wr_record){.op = op,
                                                 .dtype = dtype,
                                                 .ndim = wr_node_ndim(a),
                                                 .shape = wr_node_shape(a),
                                                 .n_in = 1,
                                                 .in = &a,
                                                 .stream = s});
}

struct wr_error *wr_ops_check_chosen(const struct wr_node *lhs, const struct wr_node *rhs) {
  const bool wrong = lhs && !wr_dtype_is_integer(wr_node_dtype(lhs));
  if (!wrong && (!rhs || wr_dtype_is_integer(wr_node_dtype(rhs)))) return NULL;
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                      "Got %s_indices with invalid dtype. Indices must be integral.",
                      wrong ? "lhs" : "rhs");
}

struct wr_error *wr_ops_check_shape(const char *argument, const int32_t *shape, int n) {
  if (n < 0 || n > WR_MAX_NDIM) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                        "%s has %d dimensions, at most %d are supported", argument, n, WR_MAX_NDIM);
  }
  for (int i = 0; i < n; i++) {
    if (shape[i] < 0) {
      return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "%s %s has a negative dimension", argument,
                          wr_ops_dims_text(shape, n).s);
    }
  }
  int64_t size;
  if (!wr_shape_size(shape, n, &size)) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "%s %s is too large", argument,
                        wr_ops_dims_text(shape, n).s);
  }
  return NULL;
}

/* The type that sums and products of t are made in. */
static enum wr_dtype widen(enum wr_dtype t) {
  if (t == WR_BOOL) return WR_INT32;
  if (!wr_dtype_is_integer(t)) return t;
  bool wide = wr_dtype_size(t) == 8;
  if (wr_dtype_is_unsigned(t)) return wide ? WR_UINT64 : WR_UINT32;
  return wide ? WR_INT64 : WR_INT32;
}

struct wr_ops_types wr_ops_types_of(enum wr_op op, enum wr_dtype t) {
  switch ((enum wr_dtype_rule)wr_op_info(op)->rule) {
    case WR_RULE_GIVEN:
    case WR_RULE_SAME:
    case WR_RULE_PROMOTE:
    case WR_RULE_SELECT:
      return (struct wr_ops_types){t, t};
    case WR_RULE_SHIFT:
      return t == WR_BOOL ? (struct wr_ops_types){WR_UINT8, WR_UINT8} : (struct wr_ops_types){t, t};
    case WR_RULE_ABS:
      return (struct wr_ops_types){t, t == WR_COMPLEX64 ? WR_FLOAT32 : t};
    case WR_RULE_FLOAT:
    case WR_RULE_PROMOTE_FLOAT:
      return (struct wr_ops_types){wr_dtype_to_inexact(t), wr_dtype_to_inexact(t)};
    case WR_RULE_PREDICATE:
    case WR_RULE_COMPARE:
      return (struct wr_ops_types){t, WR_BOOL};
    case WR_RULE_LOGICAL:
    case WR_RULE_REDUCE_BOOL:
      return (struct wr_ops_types){WR_BOOL, WR_BOOL};
    case WR_RULE_REDUCE_SUM:
      return (struct wr_ops_types){widen(t), widen(t)};
    case WR_RULE_INDEX:
      return (struct wr_ops_types){t, WR_UINT32};
  }
  return (struct wr_ops_types){t, t};
}

struct wr_error *wr_ops_axis(const char *argument, int axis, int ndim, int *normal) {
  if (axis < -ndim || axis >= ndim) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                        "%s %d is out of bounds for an array with %d dimensions", argument, axis,
                        ndim);
  }
  *normal = axis < 0 ? axis + ndim : axis;
  return NULL;
}

struct wr_error *wr_ops_axes(const int *axes, int n_axes, int ndim, uint32_t *mask) {
  if (n_axes == WR_OPS_ALL_AXES) {
    *mask = ndim == 32 ? UINT32_MAX : (UINT32_C(1) << ndim) - 1u;
    return NULL;
  }
  *mask = 0;
  /* One may come from a function whose parameter is `axis`. */
  const char *argument = n_axes == 1 ? "axis" : "axes: axis";
  for (int i = 0; i < n_axes; i++) {
    int axis = 0;
    struct wr_error *error = wr_ops_axis(argument, axes[i], ndim, &axis);
    if (error) return error;
    if (wr_ops_has_axis(*mask, axis)) {
      return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "axes: axis %d is given twice", axes[i]);
    }
    *mask |= UINT32_C(1) << axis;
  }
  return NULL;
}

/* Casts of doubles outside an integer type's range are undefined in C; they saturate here. */
static int64_t to_int64(double value) {
  if (!(value >= -0x1p63)) return INT64_MIN;
  return value >= 0x1p63 ? INT64_MAX : (int64_t)value;
}

static uint64_t to_uint64(double value) {
  if (value < 0) return (uint64_t)to_int64(value);
  return value < 0x1p64 ? (uint64_t)value : UINT64_MAX;
}

struct wr_error *wr_ops_scalar(struct wr_node **out, double value, enum wr_dtype dtype) {
  union {
    uint64_t u; /* little-endian: narrower integers are its first bytes */
    uint16_t h;
    float f;
    double d;
    wr_complex64 c;
  } bytes = {0};
  wr_trace_pin(WR_PIN_NUMBER);
  struct wr_floats callers = wr_floats_enter(); /* what it rounds to is no matter of the thread */
  switch (dtype) {
    case WR_BOOL:
      bytes.u = value != 0;
      break;
    case WR_FLOAT16:
      bytes.h = wr_f64_to_f16(value);
      break;
    case WR_BFLOAT16:
      bytes.h = wr_f64_to_bf16(value);
      break;
    case WR_FLOAT32:
      bytes.f = (float)value;
      break;
    case WR_FLOAT64:
      bytes.d = value;
      break;
    case WR_COMPLEX64:
      bytes.c.re = (float)value;
      break;
    default:
      bytes.u = wr_dtype_is_unsigned(dtype) ? to_uint64(value) : (uint64_t)to_int64(value);
  }
  wr_floats_leave(callers);
  return wr_node_from_data(out, &bytes, 0, NULL, dtype);
}
