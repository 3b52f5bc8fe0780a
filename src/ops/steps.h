#ifndef WR_OPS_STEPS_H
#define WR_OPS_STEPS_H

/* Operations made of others: steps, for this folder and for the rules of transforms. No locks. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ops/ops.h"

/* A 0-dimensional constant of any dtype, converted on the host as a cast would. */
struct wr_error *wr_ops_scalar(struct wr_node **out, double value, enum wr_dtype dtype);

/* Composition: steps that hand on borrowed nodes. The first failure sticks, later steps then do
   nothing and give NULL; the end releases all that the steps made, in one place. */
enum { WR_COMPOSE_FEW = 24 };
struct wr_compose {
  struct wr_stream *stream;
  struct wr_error *error;
  int count;
  int room;              /* how many `many` can hold */
  struct wr_node **many; /* all behind the first few, of wr_alloc; NULL while there are none */
  struct wr_node *lost;  /* where a step writes for which there was no memory */
  struct wr_node *few[WR_COMPOSE_FEW];
};
static inline struct wr_compose wr_compose_begin(struct wr_stream *s) {
  return (struct wr_compose){.stream = s};
}
/* For steps without a wrapper: `if (!c.error) x = wr_compose_step(&c, f(wr_compose_slot(&c), ..))`.
 */
struct wr_node **wr_compose_slot(struct wr_compose *c);
struct wr_node *wr_compose_step(struct wr_compose *c, struct wr_error *error);
/* Sets the error, if there is none yet, and gives NULL. */
__attribute__((format(printf, 2, 3))) void *wr_compose_fail(struct wr_compose *c,
                                                            const char *format, ...);
/* A command that is recorded as it stands, unless a step before it failed. */
struct wr_node *wr_compose_record(struct wr_compose *c, const struct wr_record *record);
/* A command on x whose result has x's dtype and shape. */
struct wr_node *wr_compose_alike(struct wr_compose *c, enum wr_op op, struct wr_node *x,
                                 const void *params);
struct wr_node *wr_compose_unary(struct wr_compose *c, enum wr_op op, struct wr_node *a);
struct wr_node *wr_compose_binary(struct wr_compose *c, enum wr_op op, struct wr_node *a,
                                  struct wr_node *b);
struct wr_node *wr_compose_where(struct wr_compose *c, struct wr_node *condition, struct wr_node *x,
                                 struct wr_node *y);
struct wr_node *wr_compose_astype(struct wr_compose *c, struct wr_node *a, enum wr_dtype dtype);
/* The same as part of a sum or product, whose cotangents keep the type. */
struct wr_node *wr_compose_widen(struct wr_compose *c, struct wr_node *a, enum wr_dtype dtype);
/* Integers that say places, as int64; what that does not hold is beyond any end, and stays so. */
struct wr_node *wr_compose_places(struct wr_compose *c, struct wr_node *a);
struct wr_node *wr_compose_scalar(struct wr_compose *c, double value, enum wr_dtype dtype);
struct wr_node *wr_compose_reduce(struct wr_compose *c, enum wr_op op, struct wr_node *a,
                                  const int *axes, int n_axes, bool keepdims);
/* To the common shape of operands of an elementwise operation, which makes such views again for
   operands of other extents. */
struct wr_node *wr_compose_operand(struct wr_compose *c, struct wr_node *a, int ndim,
                                   const int32_t *shape);
/* This and wr_compose_reshape take a shape that comes from extents: what is captured holds for the
   shapes that arrays have now. */
struct wr_node *wr_compose_broadcast(struct wr_compose *c, struct wr_node *a, int ndim,
                                     const int32_t *shape);
/* x itself, or a copy of it that is dense. */
struct wr_node *wr_compose_dense(struct wr_compose *c, struct wr_node *x);
struct wr_node *wr_compose_flatten(struct wr_compose *c, struct wr_node *a);
struct wr_node *wr_compose_reshape(struct wr_compose *c, struct wr_node *a, int ndim,
                                   const int32_t *shape);
struct wr_node *wr_compose_transpose(struct wr_compose *c, struct wr_node *a, const int *axes);
struct wr_node *wr_compose_expand(struct wr_compose *c, struct wr_node *a, int axis);
struct wr_node *wr_compose_slice_axis(struct wr_compose *c, struct wr_node *a, int axis,
                                      int32_t start, int32_t stop);
struct wr_node *wr_compose_join(struct wr_compose *c, struct wr_node *const *arrays, int n,
                                int axis);
struct wr_node *wr_compose_take(struct wr_compose *c, struct wr_node *a, struct wr_node *indices,
                                int axis);
struct wr_node *wr_compose_sort(struct wr_compose *c, enum wr_op op, struct wr_node *a, int axis);
struct wr_node *wr_compose_matmul(struct wr_compose *c, struct wr_node *a, struct wr_node *b);
/* start, start + 1, ... below stop. */
struct wr_node *wr_compose_count(struct wr_compose *c, double start, double stop,
                                 enum wr_dtype dtype);
/* Zeros of a shape. */
struct wr_node *wr_compose_zeros(struct wr_compose *c, int ndim, const int32_t *shape,
                                 enum wr_dtype dtype);
/* The end of one without a result of its own. */
struct wr_error *wr_compose_drop(struct wr_compose *c);
/* Gives the caller its own reference of `result` in *out, or the error. */
struct wr_error *wr_compose_end(struct wr_compose *c, struct wr_node **out, struct wr_node *result);

#endif
