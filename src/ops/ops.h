#ifndef WR_OPS_OPS_H
#define WR_OPS_OPS_H

/* What leaves the ops module: one function per operation of the API, by family. Each checks shapes,
   dtypes and axes, then records nodes on `s`. Inputs are borrowed and never NULL, *out is owned by
   the caller and untouched on failure. Messages name arguments as mlx-c does. Nothing here waits or
   takes a lock, except that the default random keys take one of rank REGISTRY for an instant. Any
   thread may call any of them. */

#include <stdbool.h>
#include <stdint.h>

#include "core/dtype.h"
#include "core/error.h"
#include "core/op.h"
#include "graph/node.h"

enum { WR_OPS_ALL_AXES = -1 }; /* as n_axes: every axis */

/* unary, binary, ternary: elementwise, NumPy broadcasting, dtypes by the rule in ops.def */
struct wr_error *wr_ops_unary(struct wr_node **out, enum wr_op op, struct wr_node *a,
                              struct wr_stream *s);
/* Of real numbers conjugate and real are the array itself, imag zeros. */
struct wr_error *wr_ops_conjugate(struct wr_node **out, struct wr_node *a, struct wr_stream *s);
struct wr_error *wr_ops_real(struct wr_node **out, struct wr_node *a, struct wr_stream *s);
struct wr_error *wr_ops_imag(struct wr_node **out, struct wr_node *a, struct wr_stream *s);
/* Of bools the logical not. */
struct wr_error *wr_ops_bitwise_invert(struct wr_node **out, struct wr_node *a,
                                       struct wr_stream *s);
struct wr_error *wr_ops_round(struct wr_node **out, struct wr_node *a, int decimals,
                              struct wr_stream *s);
struct wr_error *wr_ops_binary(struct wr_node **out, enum wr_op op, struct wr_node *a,
                               struct wr_node *b, struct wr_stream *s);
struct wr_error *wr_ops_where(struct wr_node **out, struct wr_node *condition, struct wr_node *x,
                              struct wr_node *y, struct wr_stream *s);

/* reduce: ALL ANY MAX MIN PROD SUM; ARGMAX ARGMIN */
struct wr_error *wr_ops_reduce(struct wr_node **out, enum wr_op op, struct wr_node *a,
                               const int *axes, int n_axes, bool keepdims, struct wr_stream *s);
struct wr_error *wr_ops_arg_reduce(struct wr_node **out, enum wr_op op, struct wr_node *a, int axis,
                                   bool keepdims, struct wr_stream *s);
struct wr_error *wr_ops_arg_reduce_all(struct wr_node **out, enum wr_op op, struct wr_node *a,
                                       bool keepdims, struct wr_stream *s);

/* stats: means and variances, composed */
struct wr_error *wr_ops_mean(struct wr_node **out, struct wr_node *a, const int *axes, int n_axes,
                             bool keepdims, struct wr_stream *s);
struct wr_error *wr_ops_var(struct wr_node **out, struct wr_node *a, const int *axes, int n_axes,
                            bool keepdims, int ddof, struct wr_stream *s);
struct wr_error *wr_ops_std(struct wr_node **out, struct wr_node *a, const int *axes, int n_axes,
                            bool keepdims, int ddof, struct wr_stream *s);

/* median; axes must be given */
struct wr_error *wr_ops_median(struct wr_node **out, struct wr_node *a, const int *axes, int n_axes,
                               bool keepdims, struct wr_stream *s);

/* softmax */
struct wr_error *wr_ops_softmax(struct wr_node **out, struct wr_node *a, const int *axes,
                                int n_axes, bool precise, struct wr_stream *s);
struct wr_error *wr_ops_logsumexp(struct wr_node **out, struct wr_node *a, const int *axes,
                                  int n_axes, bool keepdims, struct wr_stream *s);

/* scan and sort; the _all forms work on the flattened array */
struct wr_error *wr_ops_scan(struct wr_node **out, enum wr_op by, struct wr_node *a, int axis,
                             bool reverse, bool inclusive,
                             struct wr_stream *s); /* ADD MULTIPLY MAXIMUM MINIMUM LOGADDEXP */
struct wr_error *wr_ops_sort(struct wr_node **out, enum wr_op op, struct wr_node *a, int axis,
                             struct wr_stream *s); /* SORT ARGSORT */
struct wr_error *wr_ops_sort_all(struct wr_node **out, enum wr_op op, struct wr_node *a,
                                 struct wr_stream *s);
struct wr_error *wr_ops_partition(struct wr_node **out, enum wr_op op, struct wr_node *a, int kth,
                                  int axis, struct wr_stream *s); /* PARTITION ARGSORT */
struct wr_error *wr_ops_partition_all(struct wr_node **out, enum wr_op op, struct wr_node *a,
                                      int kth, struct wr_stream *s);
struct wr_error *wr_ops_topk(struct wr_node **out, struct wr_node *a, int k, int axis,
                             struct wr_stream *s);
struct wr_error *wr_ops_topk_all(struct wr_node **out, struct wr_node *a, int k,
                                 struct wr_stream *s);

/* shape: views; reshape and flatten copy when the strides do not allow one */
struct wr_error *wr_ops_broadcast_to(struct wr_node **out, struct wr_node *a, const int32_t *shape,
                                     int ndim, struct wr_stream *s);
struct wr_error *wr_ops_expand_dims(struct wr_node **out, struct wr_node *a, const int *axes,
                                    int n_axes, struct wr_stream *s);
struct wr_error *wr_ops_squeeze(struct wr_node **out, struct wr_node *a, const int *axes,
                                int n_axes, struct wr_stream *s);
struct wr_error *wr_ops_squeeze_all(struct wr_node **out, struct wr_node *a, struct wr_stream *s);
struct wr_error *wr_ops_reshape(struct wr_node **out, struct wr_node *a, const int32_t *shape,
                                int ndim, struct wr_stream *s);
struct wr_error *wr_ops_flatten(struct wr_node **out, struct wr_node *a, int start_axis,
                                int end_axis, struct wr_stream *s);
struct wr_error *wr_ops_transpose(struct wr_node **out, struct wr_node *a, const int *axes,
                                  int n_axes, struct wr_stream *s);
struct wr_error *wr_ops_transpose_all(struct wr_node **out, struct wr_node *a, struct wr_stream *s);
struct wr_error *wr_ops_swapaxes(struct wr_node **out, struct wr_node *a, int axis1, int axis2,
                                 struct wr_stream *s);

/* views: of other layouts */
struct wr_error *wr_ops_atleast(struct wr_node **out, struct wr_node *a, int n,
                                struct wr_stream *s); /* n: 1 to 3 axes */
struct wr_error *wr_ops_moveaxis(struct wr_node **out, struct wr_node *a, int source,
                                 int destination, struct wr_stream *s);
struct wr_error *wr_ops_unflatten(struct wr_node **out, struct wr_node *a, int axis,
                                  const int32_t *shape, int n, struct wr_stream *s);
struct wr_error *wr_ops_diagonal(struct wr_node **out, struct wr_node *a, int offset, int axis1,
                                 int axis2, struct wr_stream *s);
/* Along diagonals of a, as the parameters say. */
struct wr_error *wr_ops_view_diagonal(struct wr_node **out, struct wr_node *a,
                                      const struct wr_diagonal_params *params, int ndim,
                                      const int32_t *shape, const int64_t *strides,
                                      struct wr_stream *s);
struct wr_error *wr_ops_diag(struct wr_node **out, struct wr_node *a, int k, struct wr_stream *s);
struct wr_error *wr_ops_trace(struct wr_node **out, struct wr_node *a, int offset, int axis1,
                              int axis2, enum wr_dtype dtype, struct wr_stream *s);
struct wr_error *wr_ops_as_strided(struct wr_node **out, struct wr_node *a, const int32_t *shape,
                                   int n, const int64_t *strides, int n_strides, size_t offset,
                                   struct wr_stream *s);
struct wr_error *wr_ops_view_dtype(struct wr_node **out, struct wr_node *a, enum wr_dtype to,
                                   struct wr_stream *s);

/* tiling: repeated, rolled, padded, brought to a common shape; the _all forms work on the flattened
   array */
struct wr_error *wr_ops_repeat(struct wr_node **out, struct wr_node *a, int repeats, int axis,
                               struct wr_stream *s);
struct wr_error *wr_ops_repeat_all(struct wr_node **out, struct wr_node *a, int repeats,
                                   struct wr_stream *s);
struct wr_error *wr_ops_tile(struct wr_node **out, struct wr_node *a, const int *reps, int n_reps,
                             struct wr_stream *s);
struct wr_error *wr_ops_roll(struct wr_node **out, struct wr_node *a, const int *shift, int n_shift,
                             int axis, struct wr_stream *s);
struct wr_error *wr_ops_roll_axes(struct wr_node **out, struct wr_node *a, const int *shift,
                                  int n_shift, const int *axes, int n_axes, struct wr_stream *s);
struct wr_error *wr_ops_roll_all(struct wr_node **out, struct wr_node *a, const int *shift,
                                 int n_shift, struct wr_stream *s);
struct wr_error *wr_ops_pad(struct wr_node **out, struct wr_node *a, const int *axes, int n_axes,
                            const int *low, int n_low, const int *high, int n_high,
                            struct wr_node *value, const char *mode, struct wr_stream *s);
struct wr_error *wr_ops_pad_symmetric(struct wr_node **out, struct wr_node *a, int width,
                                      struct wr_node *value, const char *mode, struct wr_stream *s);
/* `shape` holds WR_MAX_NDIM extents. */
struct wr_error *wr_ops_common_shape(struct wr_node *const *arrays, size_t n, int32_t *shape,
                                     int *ndim);
/* Array i of a grid; swapped: its first two axes. */
struct wr_error *wr_ops_meshgrid_part(struct wr_node **out, struct wr_node *const *arrays, int n,
                                      int i, bool sparse, bool swapped, struct wr_stream *s);

/* a itself, over when it and all dependencies are. */
struct wr_error *wr_ops_depends(struct wr_node **out, struct wr_node *a,
                                struct wr_node *const *dependencies, size_t n, struct wr_stream *s);
struct wr_error *wr_ops_stop_gradient(struct wr_node **out, struct wr_node *a, struct wr_stream *s);

/* slice: views of parts, and writing into one. A range has one entry per axis, as in Python. */
struct wr_ops_range {
  const int *start;
  const int *stop;
  const int *strides;
  int n_start;
  int n_stop;
  int n_strides;
};
struct wr_error *wr_ops_slice(struct wr_node **out, struct wr_node *a,
                              const struct wr_ops_range *range, struct wr_stream *s);
/* by: COPY ADD MULTIPLY MAXIMUM MINIMUM */
struct wr_error *wr_ops_slice_update(struct wr_node **out, enum wr_op by, struct wr_node *src,
                                     struct wr_node *update, const struct wr_ops_range *range,
                                     struct wr_stream *s);
/* The part [start, stop) of one axis in [0, ndim), read as a range is. */
struct wr_error *wr_ops_slice_axis(struct wr_node **out, enum wr_op op, struct wr_node *a, int axis,
                                   int32_t start, int32_t stop, struct wr_stream *s);
/* Part `i` of n equal ones, and of the n_indices + 1 parts between cutting points. */
struct wr_error *wr_ops_split_check(struct wr_node *a, int num_splits, int axis);
struct wr_error *wr_ops_split_part(struct wr_node **out, struct wr_node *a, int num_splits,
                                   int axis, int i, struct wr_stream *s);
struct wr_error *wr_ops_split_section(struct wr_node **out, struct wr_node *a, const int *indices,
                                      int n_indices, int axis, int i, struct wr_stream *s);

/* copy: dense results, joins, and arrays from nothing */
struct wr_error *wr_ops_astype(struct wr_node **out, struct wr_node *a, enum wr_dtype dtype,
                               struct wr_stream *s);
struct wr_error *wr_ops_copy(struct wr_node **out, struct wr_node *a, struct wr_stream *s);
struct wr_error *wr_ops_contiguous(struct wr_node **out, struct wr_node *a, bool allow_col_major,
                                   struct wr_stream *s);
/* The same as the caller's wish: also of arrays that will come in the place of a. */
struct wr_error *wr_ops_as_contiguous(struct wr_node **out, struct wr_node *a, bool allow_col_major,
                                      struct wr_stream *s);
struct wr_error *wr_ops_concatenate(struct wr_node **out, struct wr_node *const *arrays, int n,
                                    int axis, struct wr_stream *s);
struct wr_error *wr_ops_concatenate_all(struct wr_node **out, struct wr_node *const *arrays, int n,
                                        struct wr_stream *s);
struct wr_error *wr_ops_stack(struct wr_node **out, struct wr_node *const *arrays, int n, int axis,
                              struct wr_stream *s);
struct wr_error *wr_ops_arange(struct wr_node **out, double start, double stop, double step,
                               enum wr_dtype dtype, struct wr_stream *s);
struct wr_error *wr_ops_linspace(struct wr_node **out, double start, double stop, int num,
                                 enum wr_dtype dtype, struct wr_stream *s);
struct wr_error *wr_ops_full(struct wr_node **out, const int32_t *shape, int ndim,
                             struct wr_node *vals, enum wr_dtype dtype, struct wr_stream *s);
struct wr_error *wr_ops_fill(struct wr_node **out, const int32_t *shape, int ndim, double value,
                             enum wr_dtype dtype, struct wr_stream *s);
struct wr_error *wr_ops_full_like(struct wr_node **out, struct wr_node *a, struct wr_node *vals,
                                  enum wr_dtype dtype, struct wr_stream *s);
struct wr_error *wr_ops_fill_like(struct wr_node **out, struct wr_node *a, double value,
                                  struct wr_stream *s);

/* index */
struct wr_error *wr_ops_take(struct wr_node **out, struct wr_node *a, struct wr_node *indices,
                             int axis, struct wr_stream *s);
struct wr_error *wr_ops_take_all(struct wr_node **out, struct wr_node *a, struct wr_node *indices,
                                 struct wr_stream *s);
struct wr_error *wr_ops_take_along_axis(struct wr_node **out, struct wr_node *a,
                                        struct wr_node *indices, int axis, struct wr_stream *s);
struct wr_error *wr_ops_gather(struct wr_node **out, struct wr_node *a,
                               struct wr_node *const *indices, int n_indices, const int *axes,
                               int n_axes, const int *slice_sizes, int n_slice_sizes,
                               struct wr_stream *s);
/* by: COPY ADD MULTIPLY MAXIMUM MINIMUM */
struct wr_error *wr_ops_scatter(struct wr_node **out, enum wr_op by, struct wr_node *a,
                                struct wr_node *const *indices, int n_indices,
                                struct wr_node *updates, const int *axes, int n_axes,
                                struct wr_stream *s);
/* The same where all index arrays but number k count: what array i holds is the position along axis
   i of the indices' shape, which has as many axes as a, and a's extents but for axis k. */
struct wr_error *wr_ops_scatter_along(struct wr_node **out, enum wr_op by, struct wr_node *a,
                                      struct wr_node *const *indices, int n, int k,
                                      struct wr_node *updates, struct wr_stream *s);

/* along_axis: writing with indices along one axis, joined as in a scatter */
struct wr_error *wr_ops_scatter_axis(struct wr_node **out, enum wr_op by, struct wr_node *a,
                                     struct wr_node *indices, struct wr_node *values, int axis,
                                     struct wr_stream *s);

/* dynamic: parts that begin where `start`, an array, says */
struct wr_error *wr_ops_slice_dynamic(struct wr_node **out, struct wr_node *a,
                                      struct wr_node *start, const int *axes, int n_axes,
                                      const int32_t *size, int n_size, struct wr_stream *s);
struct wr_error *wr_ops_slice_update_dynamic(struct wr_node **out, struct wr_node *src,
                                             struct wr_node *update, struct wr_node *start,
                                             const int *axes, int n_axes, struct wr_stream *s);

/* masked, composed */
struct wr_error *wr_ops_masked_scatter(struct wr_node **out, struct wr_node *a,
                                       struct wr_node *mask, struct wr_node *src,
                                       struct wr_stream *s);

/* fp8: floats of 8 bits, in uint8 */
struct wr_error *wr_ops_to_fp8(struct wr_node **out, struct wr_node *x, struct wr_stream *s);
struct wr_error *wr_ops_from_fp8(struct wr_node **out, struct wr_node *x, enum wr_dtype dtype,
                                 struct wr_stream *s);

/* hadamard; scale may be NULL: 1 / sqrt(n) */
struct wr_error *wr_ops_hadamard(struct wr_node **out, struct wr_node *a, const float *scale,
                                 struct wr_stream *s);

/* matmul */
/* How products of float32 that are recorded from now on, on any thread, are computed on GPUs
   (precision.c). */
void wr_ops_set_precision(enum wr_precision precision);
enum wr_precision wr_ops_precision(void);
struct wr_error *wr_ops_matmul(struct wr_node **out, struct wr_node *a, struct wr_node *b,
                               struct wr_stream *s);
struct wr_error *wr_ops_addmm(struct wr_node **out, struct wr_node *c, struct wr_node *a,
                              struct wr_node *b, float alpha, float beta, struct wr_stream *s);

/* products: sums of products over chosen axes, and einsum */
struct wr_error *wr_ops_tensordot(struct wr_node **out, struct wr_node *a, struct wr_node *b,
                                  const int *axes_a, int n_a, const int *axes_b, int n_b,
                                  struct wr_stream *s);
struct wr_error *wr_ops_tensordot_axis(struct wr_node **out, struct wr_node *a, struct wr_node *b,
                                       int axis, struct wr_stream *s);
struct wr_error *wr_ops_inner(struct wr_node **out, struct wr_node *a, struct wr_node *b,
                              struct wr_stream *s);
struct wr_error *wr_ops_outer(struct wr_node **out, struct wr_node *a, struct wr_node *b,
                              struct wr_stream *s);
struct wr_error *wr_ops_kron(struct wr_node **out, struct wr_node *a, struct wr_node *b,
                             struct wr_stream *s);
struct wr_error *wr_ops_einsum(struct wr_node **out, const char *subscripts,
                               struct wr_node *const *operands, int n, struct wr_stream *s);

/* conv: lists of no entry mean the default, of one that for each spatial axis */
struct wr_ops_ints {
  const int *at;
  int n;
};
struct wr_ops_conv {
  struct wr_ops_ints stride, low, high, kernel_dilation, input_dilation;
  int groups;
  bool flip;
  bool volumes; /* groups of volumes too, which a caller may not ask for, but transforms make */
};
struct wr_error *wr_ops_conv(struct wr_node **out, struct wr_node *input, struct wr_node *weight,
                             const struct wr_ops_conv *how, struct wr_stream *s);
/* The short forms, of n spatial axes; n entries in each list. */
struct wr_error *wr_ops_conv_plain(struct wr_node **out, struct wr_node *input,
                                   struct wr_node *weight, const int *stride, const int *padding,
                                   const int *dilation, int n, int groups, struct wr_stream *s);
struct wr_error *wr_ops_conv_transpose(struct wr_node **out, struct wr_node *input,
                                       struct wr_node *weight, const int *stride,
                                       const int *padding, const int *dilation,
                                       const int *output_padding, int n, int groups,
                                       struct wr_stream *s);

/* linalg: out has room for all results */
struct wr_error *wr_ops_cholesky(struct wr_node **out, struct wr_node *a, bool upper,
                                 struct wr_stream *s);
struct wr_error *wr_ops_cholesky_inv(struct wr_node **out, struct wr_node *a, bool upper,
                                     struct wr_stream *s);
struct wr_error *wr_ops_inv(struct wr_node **out, struct wr_node *a, struct wr_stream *s);
struct wr_error *wr_ops_tri_inv(struct wr_node **out, struct wr_node *a, bool upper,
                                struct wr_stream *s);
struct wr_error *wr_ops_pinv(struct wr_node **out, struct wr_node *a, struct wr_stream *s);
struct wr_error *wr_ops_qr(struct wr_node **out, struct wr_node *a, struct wr_stream *s); /* 2 */
struct wr_error *wr_ops_lu(struct wr_node **out, struct wr_node *a, struct wr_stream *s); /* 3 */
struct wr_error *wr_ops_lu_factor(struct wr_node **out, struct wr_node *a,
                                  struct wr_stream *s); /* 2 */
struct wr_error *wr_ops_svd(struct wr_node **out, struct wr_node *a, bool compute_uv,
                            struct wr_stream *s); /* 3, or the values alone */
struct wr_error *wr_ops_eigh(struct wr_node **out, struct wr_node *a, const char *uplo,
                             bool vectors, struct wr_stream *s); /* 2, or the values alone */
struct wr_error *wr_ops_eig(struct wr_node **out, struct wr_node *a, bool vectors,
                            struct wr_stream *s); /* the same */
struct wr_error *wr_ops_solve(struct wr_node **out, struct wr_node *a, struct wr_node *b,
                              struct wr_stream *s);
struct wr_error *wr_ops_solve_triangular(struct wr_node **out, struct wr_node *a, struct wr_node *b,
                                         bool upper, struct wr_stream *s);
struct wr_error *wr_ops_cross(struct wr_node **out, struct wr_node *a, struct wr_node *b, int axis,
                              struct wr_stream *s);
/* norm; axis NULL: none given */
struct wr_error *wr_ops_norm(struct wr_node **out, struct wr_node *a, double ord, const int *axis,
                             int n, bool keepdims, struct wr_stream *s);
struct wr_error *wr_ops_norm_matrix(struct wr_node **out, struct wr_node *a, const char *ord,
                                    const int *axis, int n, bool keepdims, struct wr_stream *s);
struct wr_error *wr_ops_norm_l2(struct wr_node **out, struct wr_node *a, const int *axis, int n,
                                bool keepdims, struct wr_stream *s);

/* fft: n_num and n_axes are to be equal; norm is an mlx_fft_norm; real: half a spectrum's */
struct wr_error *wr_ops_fftn(struct wr_node **out, enum wr_fft_kind kind, struct wr_node *a,
                             const int *n, int n_num, const int *axes, int n_axes, int norm,
                             struct wr_stream *s);
struct wr_error *wr_ops_fftshift(struct wr_node **out, struct wr_node *a, const int *axes,
                                 int n_axes, bool inverse, struct wr_stream *s);
struct wr_error *wr_ops_fftfreq(struct wr_node **out, int n, double d, bool real,
                                struct wr_stream *s);

/* fast: what models are made of, composed; weight, bias, base, freqs, mask_arr and sinks may be
   NULL */
struct wr_error *wr_ops_rms_norm(struct wr_node **out, struct wr_node *x, struct wr_node *weight,
                                 float eps, struct wr_stream *s);
struct wr_error *wr_ops_layer_norm(struct wr_node **out, struct wr_node *x, struct wr_node *weight,
                                   struct wr_node *bias, float eps, struct wr_stream *s);
struct wr_error *wr_ops_rope(struct wr_node **out, struct wr_node *x, int dims, bool traditional,
                             const float *base, float scale, int offset, struct wr_node *freqs,
                             struct wr_stream *s);
struct wr_error *wr_ops_rope_dynamic(struct wr_node **out, struct wr_node *x, int dims,
                                     bool traditional, const float *base, float scale,
                                     struct wr_node *offset, struct wr_node *freqs,
                                     struct wr_stream *s);
struct wr_error *wr_ops_attention(struct wr_node **out, struct wr_node *queries,
                                  struct wr_node *keys, struct wr_node *values, float scale,
                                  const char *mask_mode, struct wr_node *mask_arr,
                                  struct wr_node *sinks, struct wr_stream *s);

/* masked_products: the index arrays may be NULL, all masks too */
struct wr_error *wr_ops_gather_mm(struct wr_node **out, struct wr_node *a, struct wr_node *b,
                                  struct wr_node *lhs, struct wr_node *rhs, bool sorted,
                                  struct wr_stream *s);
struct wr_error *wr_ops_segmented_mm(struct wr_node **out, struct wr_node *a, struct wr_node *b,
                                     struct wr_node *segments, struct wr_stream *s);
struct wr_error *wr_ops_block_masked_mm(struct wr_node **out, struct wr_node *a, struct wr_node *b,
                                        int block, struct wr_node *mask_out,
                                        struct wr_node *mask_lhs, struct wr_node *mask_rhs,
                                        struct wr_stream *s);

/* quantized: group_size and bits may be NULL, the mode's own; biases, global scales, dtype, and one
   of the index arrays too. `parts` are *n: codes, scales, and of affine ones biases */
struct wr_ops_how {
  const int *group_size, *bits;
  const char *mode;
};
struct wr_error *wr_ops_quantize(struct wr_node *parts[3], int *n, struct wr_node *w,
                                 const struct wr_ops_how *given, struct wr_node *global_scale,
                                 struct wr_stream *s);
struct wr_error *wr_ops_dequantize(struct wr_node **out, struct wr_node *w, struct wr_node *scales,
                                   struct wr_node *biases, const struct wr_ops_how *given,
                                   struct wr_node *global_scale, const enum wr_dtype *dtype,
                                   struct wr_stream *s);
struct wr_error *wr_ops_quantized_matmul(struct wr_node **out, struct wr_node *x, struct wr_node *w,
                                         struct wr_node *scales, struct wr_node *biases,
                                         bool transpose, const int *group_size, const int *bits,
                                         const char *mode, struct wr_stream *s);
struct wr_error *wr_ops_gather_qmm(struct wr_node **out, struct wr_node *x, struct wr_node *w,
                                   struct wr_node *scales, struct wr_node *biases,
                                   struct wr_node *lhs, struct wr_node *rhs, bool transpose,
                                   const int *group_size, const int *bits, const char *mode,
                                   bool sorted, struct wr_stream *s);
struct wr_error *wr_ops_qqmm(struct wr_node **out, struct wr_node *x, struct wr_node *w,
                             struct wr_node *w_scales, const int *group_size, const int *bits,
                             const char *mode, struct wr_node *global_scale_x,
                             struct wr_node *global_scale_w, struct wr_stream *s);

/* windows: functions of one number */
enum wr_ops_window { WR_OPS_BARTLETT, WR_OPS_BLACKMAN, WR_OPS_HAMMING, WR_OPS_HANNING };
struct wr_error *wr_ops_window(struct wr_node **out, enum wr_ops_window kind, int m,
                               struct wr_stream *s);
struct wr_error *wr_ops_degrees(struct wr_node **out, struct wr_node *a, struct wr_stream *s);
struct wr_error *wr_ops_radians(struct wr_node **out, struct wr_node *a, struct wr_stream *s);
/* NULL for posinf and neginf: the ends of the type. */
struct wr_error *wr_ops_nan_to_num(struct wr_node **out, struct wr_node *a, float nan,
                                   const float *posinf, const float *neginf, struct wr_stream *s);
struct wr_error *wr_ops_number_of_elements(struct wr_node **out, struct wr_node *a, const int *axes,
                                           int n_axes, bool inverted, enum wr_dtype dtype,
                                           struct wr_stream *s);

/* compose: operations made of others */
struct wr_error *wr_ops_isclose(struct wr_node **out, struct wr_node *a, struct wr_node *b,
                                double rtol, double atol, bool equal_nan, struct wr_stream *s);
struct wr_error *wr_ops_allclose(struct wr_node **out, struct wr_node *a, struct wr_node *b,
                                 double rtol, double atol, bool equal_nan, struct wr_stream *s);
struct wr_error *wr_ops_array_equal(struct wr_node **out, struct wr_node *a, struct wr_node *b,
                                    bool equal_nan, struct wr_stream *s);
/* a_min or a_max may be NULL, not both. */
struct wr_error *wr_ops_clip(struct wr_node **out, struct wr_node *a, struct wr_node *a_min,
                             struct wr_node *a_max, struct wr_stream *s);
struct wr_error *wr_ops_eye(struct wr_node **out, int n, int m, int k, enum wr_dtype dtype,
                            struct wr_stream *s);
struct wr_error *wr_ops_tri(struct wr_node **out, int n, int m, int k, enum wr_dtype type,
                            struct wr_stream *s);
struct wr_error *wr_ops_tril(struct wr_node **out, struct wr_node *x, int k, struct wr_stream *s);
struct wr_error *wr_ops_triu(struct wr_node **out, struct wr_node *x, int k, struct wr_stream *s);

/* random: MLX's sequences. `key` may be NULL: the calling thread's next one (W4). */
struct wr_error *wr_ops_random_seed(uint64_t seed);
struct wr_error *wr_ops_random_key(struct wr_node **out, uint64_t seed);
struct wr_error *wr_ops_random_bits(struct wr_node **out, const int32_t *shape, int ndim, int width,
                                    struct wr_node *key, struct wr_stream *s);
struct wr_error *wr_ops_random_split(struct wr_node **out, struct wr_node *key, int num,
                                     struct wr_stream *s);
/* Row `i` of a split in two. */
struct wr_error *wr_ops_random_split_row(struct wr_node **out, struct wr_node *rows, int i,
                                         struct wr_stream *s);
struct wr_error *wr_ops_random_uniform(struct wr_node **out, struct wr_node *low,
                                       struct wr_node *high, const int32_t *shape, int ndim,
                                       enum wr_dtype dtype, struct wr_node *key,
                                       struct wr_stream *s);
struct wr_error *wr_ops_random_normal(struct wr_node **out, const int32_t *shape, int ndim,
                                      enum wr_dtype dtype, float loc, float scale,
                                      struct wr_node *key, struct wr_stream *s);
struct wr_error *wr_ops_random_randint(struct wr_node **out, struct wr_node *low,
                                       struct wr_node *high, const int32_t *shape, int ndim,
                                       enum wr_dtype dtype, struct wr_node *key,
                                       struct wr_stream *s);

/* random_draws: distributions made of these */
struct wr_error *wr_ops_random_bernoulli(struct wr_node **out, struct wr_node *p,
                                         const int32_t *shape, int ndim, struct wr_node *key,
                                         struct wr_stream *s);
struct wr_error *wr_ops_random_gumbel(struct wr_node **out, const int32_t *shape, int ndim,
                                      enum wr_dtype dtype, struct wr_node *key,
                                      struct wr_stream *s);
struct wr_error *wr_ops_random_categorical(struct wr_node **out, struct wr_node *logits, int axis,
                                           struct wr_node *key, struct wr_stream *s);
struct wr_error *wr_ops_random_categorical_num_samples(struct wr_node **out, struct wr_node *logits,
                                                       int axis, int num_samples,
                                                       struct wr_node *key, struct wr_stream *s);
struct wr_error *wr_ops_random_categorical_shape(struct wr_node **out, struct wr_node *logits,
                                                 int axis, const int32_t *shape, int n,
                                                 struct wr_node *key, struct wr_stream *s);
struct wr_error *wr_ops_random_laplace(struct wr_node **out, const int32_t *shape, int ndim,
                                       enum wr_dtype dtype, float loc, float scale,
                                       struct wr_node *key, struct wr_stream *s);
struct wr_error *wr_ops_random_truncated_normal(struct wr_node **out, struct wr_node *lower,
                                                struct wr_node *upper, const int32_t *shape,
                                                int ndim, enum wr_dtype dtype, struct wr_node *key,
                                                struct wr_stream *s);
struct wr_error *wr_ops_random_normal_broadcast(struct wr_node **out, const int32_t *shape,
                                                int ndim, enum wr_dtype dtype, struct wr_node *loc,
                                                struct wr_node *scale, struct wr_node *key,
                                                struct wr_stream *s);
struct wr_error *wr_ops_random_multivariate_normal(struct wr_node **out, struct wr_node *mean,
                                                   struct wr_node *cov, const int32_t *shape, int n,
                                                   enum wr_dtype dtype, struct wr_node *key,
                                                   struct wr_stream *s);
struct wr_error *wr_ops_random_permutation(struct wr_node **out, struct wr_node *x, int axis,
                                           struct wr_node *key, struct wr_stream *s);
struct wr_error *wr_ops_random_permutation_arange(struct wr_node **out, int x, struct wr_node *key,
                                                  struct wr_stream *s);

#endif
