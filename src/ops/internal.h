#ifndef WR_OPS_INTERNAL_H
#define WR_OPS_INTERNAL_H

/* What the files of this folder share and nobody else sees: checked recording, axes, texts for
   messages and constants. Messages name arguments
   as in mlx-c's prototypes; the caller in api puts the function's name in front. No locks. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ops/ops.h"
#include "ops/steps.h"

/* A shape as text, to be used inside the expression that makes it: shape_text(a).s */
struct wr_ops_text {
  char s[192];
};
struct wr_ops_text wr_ops_dims_text(const int32_t *shape, int ndim);
static inline struct wr_ops_text wr_ops_shape_text(const struct wr_node *a) {
  return wr_ops_dims_text(wr_node_shape(a), wr_node_ndim(a));
}

/* The failure of a broadcast, in MLX's words and with MLX's bracket, for which programs look.
   `names`, as "a and b", are the arguments whose shapes they are. */
struct wr_error *wr_ops_broadcast_error(const int32_t *a, int a_ndim, const int32_t *b, int b_ndim,
                                        const char *names);
static inline struct wr_error *wr_ops_broadcast_to_error(const struct wr_node *a,
                                                         const int32_t *shape, int ndim,
                                                         const char *names) {
  return wr_ops_broadcast_error(wr_node_shape(a), wr_node_ndim(a), shape, ndim, names);
}

/* A command of one of the operations that have a row in ops.def, with as many bytes of parameters
   as the row says. Of its result nothing is said; or that it is like the first input, unless the
   caller changes that. The record is good as long as `in` and `params`. */
static inline struct wr_record wr_ops_command(enum wr_op op, struct wr_node *const *in, int n_in,
                                              const void *params, struct wr_stream *s) {
  return (struct wr_record){.op = op,
                            .n_in = n_in,
                            .in = in,
                            .params = params,
                            .params_bytes = wr_op_info(op)->params_bytes,
                            .stream = s};
}
static inline struct wr_record wr_ops_command_like(enum wr_op op, struct wr_node *const *in,
                                                   int n_in, const void *params,
                                                   struct wr_stream *s) {
  struct wr_record record = wr_ops_command(op, in, n_in, params, s);
  record.dtype = wr_node_dtype(in[0]);
  record.ndim = wr_node_ndim(in[0]);
  record.shape = wr_node_shape(in[0]);
  return record;
}
/* wr_node_record and wr_node_view after a check that the shape has at most WR_MAX_NDIM extents,
   none negative, and a size in range. */
struct wr_error *wr_ops_record(struct wr_node **out, const struct wr_record *record);
struct wr_error *wr_ops_view_of(struct wr_node **out, const struct wr_record *record,
                                const int64_t *strides, int64_t offset);
/* parts.c: records one command with n results (1 to 65535). Of each part the caller says dtype and
   shape, and gets `at`; of the record operation, inputs, parameters and stream. The command runs
   once, when the first of the results is forced, and fails for all of them; out[i] is result i,
   dense, a view of the bytes that they share, which are freed with the last one. The caller owns
   all of out; on an error none is there. */
struct wr_error *wr_ops_record_parts(struct wr_node **out, struct wr_part *parts, int n,
                                     const struct wr_record *record);
/* Result i of such a command. */
struct wr_error *wr_ops_part(struct wr_node **out, struct wr_node *packed, int i,
                             struct wr_stream *s);
/* The command alone, of whose bytes the results are views; says where each begins. */
struct wr_error *wr_ops_record_packed(struct wr_node **out, struct wr_part *parts, int n,
                                      const struct wr_record *record);
/* A record with a's shape, one input and no parameters. */
struct wr_error *wr_ops_record_like(struct wr_node **out, enum wr_op op, struct wr_node *a,
                                    enum wr_dtype dtype, struct wr_stream *s);
/* The error of what was made of `a`, whose reference ends. */
static inline struct wr_error *wr_ops_and_release(struct wr_node *a, struct wr_error *error) {
  wr_node_release(a);
  return error;
}
/* Extents that a caller gave: NULL only when n is 0, at most WR_MAX_NDIM, none negative, in range.
 */
struct wr_error *wr_ops_check_shape(const char *argument, const int32_t *shape, int n);
/* What says which matrices are multiplied, NULL for all in their order, has whole numbers. */
struct wr_error *wr_ops_check_chosen(const struct wr_node *lhs, const struct wr_node *rhs);

/* The types that an operation computes in and gives, for inputs of (common) type t. */
struct wr_ops_types {
  enum wr_dtype compute;
  enum wr_dtype result;
};
struct wr_ops_types wr_ops_types_of(enum wr_op op, enum wr_dtype t);

/* Brings `axis` into [0, ndim). */
struct wr_error *wr_ops_axis(const char *argument, int axis, int ndim, int *normal);
/* The same for n axes without repeats, as a mask; WR_OPS_ALL_AXES gives all. */
struct wr_error *wr_ops_axes(const int *axes, int n_axes, int ndim, uint32_t *mask);
static inline bool wr_ops_has_axis(uint32_t mask, int axis) { return (mask >> axis & 1u) != 0; }

/* The calling thread's next default key. */
void wr_ops_next_key(uint32_t key[2]);
/* The caller's key, or if there is none the thread's next one; owned. */
struct wr_error *wr_ops_take_key(struct wr_node **out, struct wr_node *key);
/* low and high must broadcast to the shape, without making it larger. */
struct wr_error *wr_ops_check_bounds(const struct wr_node *low, const struct wr_node *high,
                                     const int32_t *shape, int ndim);
/* The values of two bounds, where they are constants that float64 holds. A bound that is known is
   worth it: what is made of it need not be computed for each draw. */
bool wr_ops_known_bounds(const struct wr_node *low, const struct wr_node *high, double values[2]);

/* One of each family, for wr_ops_again (again.h), and those of some operations in other files. */
struct wr_error *wr_again_diagonal(struct wr_node **out, const struct wr_record *like);
struct wr_error *wr_again_part(struct wr_node **out, const struct wr_record *like);
struct wr_error *wr_again_slice(struct wr_node **out, const struct wr_record *like);
struct wr_error *wr_again_slice_update(struct wr_node **out, const struct wr_record *like);
struct wr_error *wr_again_view(struct wr_node **out, const struct wr_record *like);
struct wr_error *wr_again_attention(struct wr_node **out, const struct wr_record *like);
struct wr_error *wr_again_binary(struct wr_node **out, const struct wr_record *like);
struct wr_error *wr_again_call(struct wr_node **out, const struct wr_record *like);
struct wr_error *wr_again_conv(struct wr_node **out, const struct wr_record *like);
struct wr_error *wr_again_copy(struct wr_node **out, const struct wr_record *like);
struct wr_error *wr_again_fft(struct wr_node **out, const struct wr_record *like);
struct wr_error *wr_again_hadamard(struct wr_node **out, const struct wr_record *like);
struct wr_error *wr_again_index(struct wr_node **out, const struct wr_record *like);
struct wr_error *wr_again_kernel(struct wr_node **out, const struct wr_record *like);
struct wr_error *wr_again_linalg(struct wr_node **out, const struct wr_record *like);
struct wr_error *wr_again_matmul(struct wr_node **out, const struct wr_record *like);
struct wr_error *wr_again_quantized(struct wr_node **out, const struct wr_record *like);
struct wr_error *wr_again_random(struct wr_node **out, const struct wr_record *like);
struct wr_error *wr_again_reduce(struct wr_node **out, const struct wr_record *like);
struct wr_error *wr_again_row_norm(struct wr_node **out, const struct wr_record *like);
struct wr_error *wr_again_scan(struct wr_node **out, const struct wr_record *like);
struct wr_error *wr_again_shape(struct wr_node **out, const struct wr_record *like);
struct wr_error *wr_again_softmax(struct wr_node **out, const struct wr_record *like);
struct wr_error *wr_again_sort(struct wr_node **out, const struct wr_record *like);
struct wr_error *wr_again_ternary(struct wr_node **out, const struct wr_record *like);
struct wr_error *wr_again_unary(struct wr_node **out, const struct wr_record *like);

#endif
