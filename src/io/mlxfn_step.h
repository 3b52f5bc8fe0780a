#ifndef WR_IO_MLXFN_STEP_H
#define WR_IO_MLXFN_STEP_H

/* One step of a capture while it is written: for mlxfn_steps.c, mlxfn_elementwise.c and
   mlxfn_matrices.c. Functions add to the state of the operation that comes next, or put operations;
   no locks. */

#include "core/op.h"
#include "io/mlxfn_put.h"

struct wr_fn_step {
  struct wr_fn_put *w;
  const struct wr_capture_step *is;
  struct wr_node *like;
  enum wr_op op;
  const void *params;
  uint64_t *in;
  struct wr_node **from; /* what says dtype and shape of each */
  size_t n;
  struct wr_fn_value out;
  struct wr_bytes state;
  uint64_t id; /* of the result */
};

static inline struct wr_fn_value wr_fn_value_of(const struct wr_node *node) {
  return (struct wr_fn_value){wr_node_dtype(node), wr_node_ndim(node), wr_node_shape(node)};
}

static inline void wr_fn_step_i32(struct wr_fn_step *s, int64_t x) { wr_fn_put_i32(&s->state, x); }
static inline void wr_fn_step_flag(struct wr_fn_step *s, bool x) { wr_fn_put_bool(&s->state, x); }

/* An operation with the state that was put; its id. */
uint64_t wr_fn_step_put(struct wr_fn_step *s, enum wr_fn_kind kind, const uint64_t *in, size_t n,
                        const struct wr_fn_value *out);
/* All of the step. */
void wr_fn_step_whole(struct wr_fn_step *s, enum wr_fn_kind kind);
/* It cannot be stored. */
void wr_fn_step_unable(struct wr_fn_step *s);
/* A number of the type and in the shape that `like` says, which is that of the value `shaped`. */
uint64_t wr_fn_step_number(struct wr_fn_step *s, double x, const struct wr_fn_value *like,
                           uint64_t shaped);
/* An operation of two inputs and no state, or Equal, to which NaNs differ. */
uint64_t wr_fn_step_two(struct wr_fn_step *s, enum wr_fn_kind kind, uint64_t a, uint64_t b,
                        const struct wr_fn_value *out);

/* mlxfn_elementwise.c */
void wr_fn_step_elementwise(struct wr_fn_step *s);

/* mlxfn_matrices.c */
void wr_fn_step_quantized(struct wr_fn_step *s);
void wr_fn_step_linalg(struct wr_fn_step *s);
void wr_fn_step_kernel(struct wr_fn_step *s);

#endif
