/* The steps of a composition. Each node that a step makes is owned by the composition until its
   end, so that a composite reads like its formula and has one way out. No locks. */

#include <stdarg.h>
#include <stdio.h>

#include "base/base.h"
#include "graph/trace.h"
#include "ops/internal.h"

/* Room for one more behind the first few; false, with the error, when memory is refused. */
static bool grow(struct wr_compose *c) {
  if (c->count - WR_COMPOSE_FEW < c->room) return true;
  const int room = c->room ? 2 * c->room : 2 * WR_COMPOSE_FEW;
  struct wr_node **many = wr_realloc(c->many, (size_t)room * sizeof *many);
  if (!many) {
    c->error = wr_error_out_of_memory();
    return false;
  }
  c->many = many;
  c->room = room;
  return true;
}

struct wr_node **wr_compose_slot(struct wr_compose *c) {
  if (c->error) return &c->lost;
  if (c->count < WR_COMPOSE_FEW) return &c->few[c->count];
  return grow(c) ? &c->many[c->count - WR_COMPOSE_FEW] : &c->lost;
}

struct wr_node *wr_compose_step(struct wr_compose *c, struct wr_error *error) {
  if (c->error) { /* the slot's: the step was made all the same */
    if (!error) wr_node_release(c->lost);
    wr_error_release(error);
    return NULL;
  }
  if (error) {
    c->error = error;
    return NULL;
  }
  const int i = c->count++;
  return i < WR_COMPOSE_FEW ? c->few[i] : c->many[i - WR_COMPOSE_FEW];
}

void *wr_compose_fail(struct wr_compose *c, const char *format, ...) {
  char text[256];
  va_list args;
  if (c->error) return NULL;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  c->error = wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "%s", text);
  return NULL;
}

struct wr_node *wr_compose_record(struct wr_compose *c, const struct wr_record *record) {
  return c->error ? NULL : wr_compose_step(c, wr_ops_record(wr_compose_slot(c), record));
}

struct wr_node *wr_compose_alike(struct wr_compose *c, enum wr_op op, struct wr_node *x,
                                 const void *params) {
  if (c->error) return NULL;
  const struct wr_record record = wr_ops_command_like(op, &x, 1, params, c->stream);
  return wr_compose_record(c, &record);
}

struct wr_node *wr_compose_unary(struct wr_compose *c, enum wr_op op, struct wr_node *a) {
  if (c->error) return NULL;
  return wr_compose_step(c, wr_ops_unary(wr_compose_slot(c), op, a, c->stream));
}

struct wr_node *wr_compose_binary(struct wr_compose *c, enum wr_op op, struct wr_node *a,
                                  struct wr_node *b) {
  if (c->error) return NULL;
  return wr_compose_step(c, wr_ops_binary(wr_compose_slot(c), op, a, b, c->stream));
}

struct wr_node *wr_compose_where(struct wr_compose *c, struct wr_node *condition, struct wr_node *x,
                                 struct wr_node *y) {
  if (c->error) return NULL;
  return wr_compose_step(c, wr_ops_where(wr_compose_slot(c), condition, x, y, c->stream));
}

struct wr_node *wr_compose_astype(struct wr_compose *c, struct wr_node *a, enum wr_dtype dtype) {
  if (c->error) return NULL;
  return wr_compose_step(c, wr_ops_astype(wr_compose_slot(c), a, dtype, c->stream));
}

struct wr_node *wr_compose_widen(struct wr_compose *c, struct wr_node *a, enum wr_dtype dtype) {
  struct wr_node *x = wr_compose_astype(c, a, dtype);
  if (x && x != a) wr_trace_widens(x);
  return x;
}

struct wr_node *wr_compose_places(struct wr_compose *c, struct wr_node *a) {
  static const double far = 0x1p62;
  struct wr_node *x = a;
  if (!c->error && wr_node_dtype(a) == WR_UINT64) {
    x = wr_compose_binary(c, WR_OP_MINIMUM, a, wr_compose_scalar(c, far, WR_UINT64));
  }
  return wr_compose_astype(c, x, WR_INT64);
}

struct wr_node *wr_compose_scalar(struct wr_compose *c, double value, enum wr_dtype dtype) {
  if (c->error) return NULL;
  return wr_compose_step(c, wr_ops_scalar(wr_compose_slot(c), value, dtype));
}

struct wr_node *wr_compose_reduce(struct wr_compose *c, enum wr_op op, struct wr_node *a,
                                  const int *axes, int n_axes, bool keepdims) {
  if (c->error) return NULL;
  return wr_compose_step(
      c, wr_ops_reduce(wr_compose_slot(c), op, a, axes, n_axes, keepdims, c->stream));
}

struct wr_node *wr_compose_operand(struct wr_compose *c, struct wr_node *a, int ndim,
                                   const int32_t *shape) {
  if (c->error) return NULL;
  return wr_compose_step(c, wr_ops_broadcast_to(wr_compose_slot(c), a, shape, ndim, c->stream));
}

/* Extents that the array has anyway are none of another's. */
static void pin_to(const struct wr_node *a, int ndim, const int32_t *shape) {
  if (!wr_shape_equal(wr_node_shape(a), wr_node_ndim(a), shape, ndim)) wr_trace_pin(WR_PIN_EXTENTS);
}

struct wr_node *wr_compose_broadcast(struct wr_compose *c, struct wr_node *a, int ndim,
                                     const int32_t *shape) {
  if (c->error) return NULL;
  pin_to(a, ndim, shape);
  return wr_compose_operand(c, a, ndim, shape);
}

struct wr_node *wr_compose_dense(struct wr_compose *c, struct wr_node *x) {
  if (c->error) return NULL;
  return wr_compose_step(c, wr_ops_contiguous(wr_compose_slot(c), x, false, c->stream));
}

struct wr_node *wr_compose_flatten(struct wr_compose *c, struct wr_node *a) {
  if (c->error) return NULL;
  return wr_compose_step(c, wr_ops_flatten(wr_compose_slot(c), a, 0, -1, c->stream));
}

struct wr_node *wr_compose_reshape(struct wr_compose *c, struct wr_node *a, int ndim,
                                   const int32_t *shape) {
  if (c->error) return NULL;
  pin_to(a, ndim, shape);
  return wr_compose_step(c, wr_ops_reshape(wr_compose_slot(c), a, shape, ndim, c->stream));
}

struct wr_node *wr_compose_transpose(struct wr_compose *c, struct wr_node *a, const int *axes) {
  if (c->error) return NULL;
  const int ndim = wr_node_ndim(a);
  int in_place = 0;
  while (in_place < ndim && axes[in_place] == in_place) in_place++;
  if (in_place == ndim) return a;
  return wr_compose_step(c, wr_ops_transpose(wr_compose_slot(c), a, axes, ndim, c->stream));
}

struct wr_node *wr_compose_expand(struct wr_compose *c, struct wr_node *a, int axis) {
  if (c->error) return NULL;
  return wr_compose_step(c, wr_ops_expand_dims(wr_compose_slot(c), a, &axis, 1, c->stream));
}

struct wr_node *wr_compose_slice_axis(struct wr_compose *c, struct wr_node *a, int axis,
                                      int32_t start, int32_t stop) {
  if (c->error) return NULL;
  struct wr_node **slot = wr_compose_slot(c);
  return wr_compose_step(c, wr_ops_slice_axis(slot, WR_OP_SLICE, a, axis, start, stop, c->stream));
}

struct wr_node *wr_compose_join(struct wr_compose *c, struct wr_node *const *arrays, int n,
                                int axis) {
  if (c->error) return NULL;
  return wr_compose_step(c, wr_ops_concatenate(wr_compose_slot(c), arrays, n, axis, c->stream));
}

struct wr_node *wr_compose_take(struct wr_compose *c, struct wr_node *a, struct wr_node *indices,
                                int axis) {
  if (c->error) return NULL;
  return wr_compose_step(c, wr_ops_take(wr_compose_slot(c), a, indices, axis, c->stream));
}

struct wr_node *wr_compose_sort(struct wr_compose *c, enum wr_op op, struct wr_node *a, int axis) {
  if (c->error) return NULL;
  return wr_compose_step(c, wr_ops_sort(wr_compose_slot(c), op, a, axis, c->stream));
}

struct wr_node *wr_compose_matmul(struct wr_compose *c, struct wr_node *a, struct wr_node *b) {
  if (c->error) return NULL;
  return wr_compose_step(c, wr_ops_matmul(wr_compose_slot(c), a, b, c->stream));
}

struct wr_node *wr_compose_count(struct wr_compose *c, double start, double stop,
                                 enum wr_dtype dtype) {
  if (c->error) return NULL;
  struct wr_node **slot = wr_compose_slot(c);
  return wr_compose_step(c, wr_ops_arange(slot, start, stop, 1, dtype, c->stream));
}

struct wr_node *wr_compose_zeros(struct wr_compose *c, int ndim, const int32_t *shape,
                                 enum wr_dtype dtype) {
  struct wr_node *zero = wr_compose_scalar(c, 0, dtype);
  return wr_compose_broadcast(c, zero, ndim, shape);
}

struct wr_error *wr_compose_drop(struct wr_compose *c) {
  for (int i = c->count - 1; i >= 0; i--) {
    wr_node_release(i < WR_COMPOSE_FEW ? c->few[i] : c->many[i - WR_COMPOSE_FEW]);
  }
  wr_free(c->many);
  return c->error;
}

struct wr_error *wr_compose_end(struct wr_compose *c, struct wr_node **out,
                                struct wr_node *result) {
  if (!c->error) *out = wr_node_retain(result);
  return wr_compose_drop(c);
}
