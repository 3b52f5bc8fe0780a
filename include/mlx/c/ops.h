#ifndef MLX_OPS_H
#define MLX_OPS_H

/* Operations on arrays. Each records a node and returns at once; nothing is computed before the
   result is forced (mlx/c/array.h).

   Common to all. `res` receives the result; what it held is released. `s` is the stream that
   will run the operation; an empty handle means the calling thread's default stream of the
   default device. Inputs are not consumed. Inputs of several types are cast to MLX's common type
   first; functions of real numbers (exp, log, sin and so on) cast integers and bool to float32.
   Shapes broadcast as in NumPy. An axis counts from the end when negative; one that does not
   exist is an error. Views (transpose, slice, reshape where possible, ...) share memory with
   their input. Values never kill: integer division and remainder by zero give 0, an index out of
   range is clamped where it reads and dropped where it writes.

   Functions return 0, or 1 after an error: weir_last_error() then has the message, which names
   the operation and the parameter, and the handler of mlx_set_error_handler has been called.
   Those that return a handle, a pointer or a value return an empty handle, NULL or 0 instead.
   Any function may be called from any thread with any handle; only changing one handle variable
   while another thread uses that same variable needs a lock of the caller's. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h> /* programs for mlx-c find it here */

#include "mlx/c/array.h"
#include "mlx/c/optional.h"
#include "mlx/c/stream.h"
#include "mlx/c/vector.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Absolute value; of complex64 the magnitude, float32. */
int mlx_abs(mlx_array *res, const mlx_array a, const mlx_stream s);

/* a + b. */
int mlx_add(mlx_array *res, const mlx_array a, const mlx_array b, const mlx_stream s);

/* alpha (a @ b) + beta c; shapes as in mlx_matmul, c broadcasts to the result. What a factor of 0
   stands before is not looked at: its NaN and infinities do not count. */
int mlx_addmm(mlx_array *res, const mlx_array c, const mlx_array a, const mlx_array b, float alpha,
              float beta, const mlx_stream s);

/* Whether all elements over the axes are true, as bool. */
int mlx_all_axes(mlx_array *res, const mlx_array a, const int *axes, size_t axes_num, bool keepdims,
                 const mlx_stream s);
int mlx_all_axis(mlx_array *res, const mlx_array a, int axis, bool keepdims, const mlx_stream s);
int mlx_all(mlx_array *res, const mlx_array a, bool keepdims, const mlx_stream s);

/* Whether all of mlx_isclose hold: a bool without dimensions. */
int mlx_allclose(mlx_array *res, const mlx_array a, const mlx_array b, double rtol, double atol,
                 bool equal_nan, const mlx_stream s);

/* Whether any element over the axes is true, as bool. */
int mlx_any_axes(mlx_array *res, const mlx_array a, const int *axes, size_t axes_num, bool keepdims,
                 const mlx_stream s);
int mlx_any_axis(mlx_array *res, const mlx_array a, int axis, bool keepdims, const mlx_stream s);
int mlx_any(mlx_array *res, const mlx_array a, bool keepdims, const mlx_stream s);

/* start, start + step, ... below stop, or above it where step is negative; one axis. No bools. */
int mlx_arange(mlx_array *res, double start, double stop, double step, mlx_dtype dtype,
               const mlx_stream s);

/* Inverse cosine, in radians. */
int mlx_arccos(mlx_array *res, const mlx_array a, const mlx_stream s);

/* Inverse hyperbolic cosine. */
int mlx_arccosh(mlx_array *res, const mlx_array a, const mlx_stream s);

/* Inverse sine, in radians. */
int mlx_arcsin(mlx_array *res, const mlx_array a, const mlx_stream s);

/* Inverse hyperbolic sine. */
int mlx_arcsinh(mlx_array *res, const mlx_array a, const mlx_stream s);

/* Inverse tangent, in radians. */
int mlx_arctan(mlx_array *res, const mlx_array a, const mlx_stream s);

/* The angle of the point (b, a), in radians, from -pi to pi. No complex64. */
int mlx_arctan2(mlx_array *res, const mlx_array a, const mlx_array b, const mlx_stream s);

/* Inverse hyperbolic tangent. */
int mlx_arctanh(mlx_array *res, const mlx_array a, const mlx_stream s);

/* Index of the first largest element, uint32; without an axis in the flattened array, which may
   have 2^32 elements at most. */
int mlx_argmax_axis(mlx_array *res, const mlx_array a, int axis, bool keepdims, const mlx_stream s);
int mlx_argmax(mlx_array *res, const mlx_array a, bool keepdims, const mlx_stream s);

/* Index of the first smallest element, uint32; without an axis in the flattened array, which may
   have 2^32 elements at most. */
int mlx_argmin_axis(mlx_array *res, const mlx_array a, int axis, bool keepdims, const mlx_stream s);
int mlx_argmin(mlx_array *res, const mlx_array a, bool keepdims, const mlx_stream s);

/* Indices for mlx_partition, uint32. */
int mlx_argpartition_axis(mlx_array *res, const mlx_array a, int kth, int axis, const mlx_stream s);
int mlx_argpartition(mlx_array *res, const mlx_array a, int kth, const mlx_stream s);

/* Indices that sort, uint32, stable; without an axis of the flattened array. */
int mlx_argsort_axis(mlx_array *res, const mlx_array a, int axis, const mlx_stream s);
int mlx_argsort(mlx_array *res, const mlx_array a, const mlx_stream s);

/* Whether shapes and all elements agree: a bool without dimensions. */
int mlx_array_equal(mlx_array *res, const mlx_array a, const mlx_array b, bool equal_nan,
                    const mlx_stream s);

/* A view of a's elements in row-major order, from number `offset` on, with strides in elements,
   which may be 0 or negative. One that leaves them is an error. */
int mlx_as_strided(mlx_array *res, const mlx_array a, const int *shape, size_t shape_num,
                   const int64_t *strides, size_t strides_num, size_t offset, const mlx_stream s);

/* Converts to dtype, rounding once, to the nearest. Float to integer truncates. What int32 cannot
   hold, NaN included, is INT32_MIN in int32 and 0 in narrower types; what int64 cannot hold is
   INT64_MIN in int64 and 0 in uint32. uint64 is right from -2^63, where values wrap, to 2^64; it is
   0 above and 2^63 for the rest. */
int mlx_astype(mlx_array *res, const mlx_array a, mlx_dtype dtype, const mlx_stream s);

/* A view with at least one, two or three axes: of one axis the second of two, or of three, and of
   two the first two of three; what is new has extent 1. */
int mlx_atleast_1d(mlx_array *res, const mlx_array a, const mlx_stream s);
int mlx_atleast_2d(mlx_array *res, const mlx_array a, const mlx_stream s);
int mlx_atleast_3d(mlx_array *res, const mlx_array a, const mlx_stream s);

/* Windows of M values, float32: none where M is below 1, and a 1 where M is 1. Bartlett's triangle;
   Blackman's sum of cosines; Hamming's cosine, which does not reach 0; Hann's, which does. */
int mlx_bartlett(mlx_array *res, int M, const mlx_stream s);
int mlx_blackman(mlx_array *res, int M, const mlx_stream s);
int mlx_hamming(mlx_array *res, int M, const mlx_stream s);
int mlx_hanning(mlx_array *res, int M, const mlx_stream s);

/* Bit by bit, of integers and bools. */
int mlx_bitwise_and(mlx_array *res, const mlx_array a, const mlx_array b, const mlx_stream s);

/* Every bit turned, of integers; of bools the logical not. */
int mlx_bitwise_invert(mlx_array *res, const mlx_array a, const mlx_stream s);

/* Bit by bit, of integers and bools. */
int mlx_bitwise_or(mlx_array *res, const mlx_array a, const mlx_array b, const mlx_stream s);

/* Bit by bit, of integers and bools. */
int mlx_bitwise_xor(mlx_array *res, const mlx_array a, const mlx_array b, const mlx_stream s);

/* a @ b of floating matrices in blocks: mask_lhs and mask_rhs say which blocks of a and b count,
   mask_out which of the result do not stay 0; all have an element for each block_size x block_size
   (32 or 64) elements along the last two axes, the last of which may be less, and broadcast along
   the leading ones. Masks that are not bool are factors; one of the first two makes the other one
   too. Without any mask mlx_matmul. */
int mlx_block_masked_mm(mlx_array *res, const mlx_array a, const mlx_array b, int block_size,
                        const mlx_array mask_out /* may be null */,
                        const mlx_array mask_lhs /* may be null */,
                        const mlx_array mask_rhs /* may be null */, const mlx_stream s);

/* Views of all of them in the shape that they have in common. *res receives a vector. */
int mlx_broadcast_arrays(mlx_vector_array *res, const mlx_vector_array inputs, const mlx_stream s);

/* A view of the given shape. */
int mlx_broadcast_to(mlx_array *res, const mlx_array a, const int *shape, size_t shape_num,
                     const mlx_stream s);

/* Rounds up. */
int mlx_ceil(mlx_array *res, const mlx_array a, const mlx_stream s);

/* Limits to [a_min, a_max], either of which may be an empty handle. */
int mlx_clip(mlx_array *res, const mlx_array a, const mlx_array a_min /* may be null */,
             const mlx_array a_max /* may be null */, const mlx_stream s);

/* Joins one or more arrays along an axis, in which alone their extents may differ; without one the
   flattened arrays. */
int mlx_concatenate_axis(mlx_array *res, const mlx_vector_array arrays, int axis,
                         const mlx_stream s);
int mlx_concatenate(mlx_array *res, const mlx_vector_array arrays, const mlx_stream s);

/* Complex conjugate; of real numbers the array itself. */
int mlx_conjugate(mlx_array *res, const mlx_array a, const mlx_stream s);

/* The same array where it is dense (row-major, or column-major if allowed), else a dense copy. */
int mlx_contiguous(mlx_array *res, const mlx_array a, bool allow_col_major, const mlx_stream s);

/* Convolutions (cross-correlations, as networks have them), channels last: input (N, spatial axes,
   C), weight (O, spatial axes, C / groups), result (N, spatial axes, O). Output channels g O /
   groups and on are made of input channels g C / groups and on. The types are floating, and the
   result has their common type; 16-bit floats are added up in float32. Along an axis the result has
   (e - k) / stride + 1 elements, rounded down, where e = 1 + input_dilation (extent - 1) +
   padding_lo + padding_hi and k = 1 + kernel_dilation (extent of the weight - 1).

   mlx_conv_general: one to three spatial axes; a list has an entry for each, or one for all, or
   none: stride and dilations 1, padding 0. Negative padding cuts the input, before its elements are
   moved input_dilation apart. flip turns the weight backwards along all spatial axes. groups other
   than 1 need one or two spatial axes. On GPUs float32 is computed as weir/matmul.h says. */
int mlx_conv1d(mlx_array *res, const mlx_array input, const mlx_array weight, int stride,
               int padding, int dilation, int groups, const mlx_stream s);
int mlx_conv2d(mlx_array *res, const mlx_array input, const mlx_array weight, int stride_0,
               int stride_1, int padding_0, int padding_1, int dilation_0, int dilation_1,
               int groups, const mlx_stream s);
int mlx_conv3d(mlx_array *res, const mlx_array input, const mlx_array weight, int stride_0,
               int stride_1, int stride_2, int padding_0, int padding_1, int padding_2,
               int dilation_0, int dilation_1, int dilation_2, int groups, const mlx_stream s);
int mlx_conv_general(mlx_array *res, const mlx_array input, const mlx_array weight,
                     const int *stride, size_t stride_num, const int *padding_lo,
                     size_t padding_lo_num, const int *padding_hi, size_t padding_hi_num,
                     const int *kernel_dilation, size_t kernel_dilation_num,
                     const int *input_dilation, size_t input_dilation_num, int groups, bool flip,
                     const mlx_stream s);

/* The convolution whose gradient the one of these parameters is: of mlx_conv_general with
   input_dilation = stride, a flipped weight, and kernel_dilation (extent - 1) - padding in front
   and behind, there output_padding more. The weight is (O, spatial axes, C / groups) here too.
   Along an axis the result has (extent - 1) stride - 2 padding + dilation (extent of the weight -
   1) + output_padding + 1 elements. */
int mlx_conv_transpose1d(mlx_array *res, const mlx_array input, const mlx_array weight, int stride,
                         int padding, int dilation, int output_padding, int groups,
                         const mlx_stream s);
int mlx_conv_transpose2d(mlx_array *res, const mlx_array input, const mlx_array weight,
                         int stride_0, int stride_1, int padding_0, int padding_1, int dilation_0,
                         int dilation_1, int output_padding_0, int output_padding_1, int groups,
                         const mlx_stream s);
int mlx_conv_transpose3d(mlx_array *res, const mlx_array input, const mlx_array weight,
                         int stride_0, int stride_1, int stride_2, int padding_0, int padding_1,
                         int padding_2, int dilation_0, int dilation_1, int dilation_2,
                         int output_padding_0, int output_padding_1, int output_padding_2,
                         int groups, const mlx_stream s);

/* A new array of the same values. */
int mlx_copy(mlx_array *res, const mlx_array a, const mlx_stream s);

/* Cosine. */
int mlx_cos(mlx_array *res, const mlx_array a, const mlx_stream s);

/* Hyperbolic cosine. */
int mlx_cosh(mlx_array *res, const mlx_array a, const mlx_stream s);

/* The largest element so far along an axis, from the end if reverse, without the element itself
   unless inclusive: what comes before all is -inf, the type's least value, false. a's type. A NaN
   stays; complex64 compares by real, then imaginary part. An error where a has no such axis. */
int mlx_cummax(mlx_array *res, const mlx_array a, int axis, bool reverse, bool inclusive,
               const mlx_stream s);

/* The smallest element so far, likewise; what comes before all is inf, the type's greatest value,
   true. */
int mlx_cummin(mlx_array *res, const mlx_array a, int axis, bool reverse, bool inclusive,
               const mlx_stream s);

/* Running products along an axis, likewise; what comes before all is 1. a's type: integers wrap,
   bools are joined by `and`, floats are multiplied in float64 and rounded once for each result. */
int mlx_cumprod(mlx_array *res, const mlx_array a, int axis, bool reverse, bool inclusive,
                const mlx_stream s);

/* Running sums along an axis, from the end if reverse, without the element itself unless
   inclusive; bools give int32. */
int mlx_cumsum(mlx_array *res, const mlx_array a, int axis, bool reverse, bool inclusive,
               const mlx_stream s);

/* a in degrees, where it is in radians. */
int mlx_degrees(mlx_array *res, const mlx_array a, const mlx_stream s);

/* Of one axis a matrix with a on its k-th diagonal and 0 elsewhere; of two the k-th diagonal. */
int mlx_diag(mlx_array *res, const mlx_array a, int k, const mlx_stream s);

/* The diagonal over two axes, `offset` to the right of the main one, as the last axis; of
   extent 0 where there is none. */
int mlx_diagonal(mlx_array *res, const mlx_array a, int offset, int axis1, int axis2,
                 const mlx_stream s);

/* The elements of a matrix that mlx_quantize packed, or any of that form: w in uint32 with packed
   rows along its last axis, scales, and biases in the affine mode alone, both with w's extents but
   for the last. The type is dtype, or that of scales and biases, or bfloat16 in the other modes;
   affine elements are computed in the type of scales and biases, rounded after the product and
   after the sum. An affine group_size may be any, and bits 1 to 8. global_scale as in mlx_quantize.
 */
int mlx_dequantize(mlx_array *res, const mlx_array w, const mlx_array scales,
                   const mlx_array biases /* may be null */, mlx_optional_int group_size,
                   mlx_optional_int bits, const char *mode,
                   const mlx_array global_scale /* may be null */, mlx_optional_dtype dtype,
                   const mlx_stream s);

/* The inputs once more, as views on the calling thread's default stream: each is over only when all
   dependencies are, and fails with the first that does. */
int mlx_depends(mlx_vector_array *res, const mlx_vector_array inputs,
                const mlx_vector_array dependencies);

/* a / b; integers give float32. */
int mlx_divide(mlx_array *res, const mlx_array a, const mlx_array b, const mlx_stream s);

/* Two arrays: mlx_floor_divide and mlx_remainder of a and b. */
int mlx_divmod(mlx_vector_array *res, const mlx_array a, const mlx_array b, const mlx_stream s);

/* Sum of products: a term for each operand, separated by commas, then "->" and the result's. Axes
   with one letter have one extent, or 1; a letter that the result does not have is summed over, one
   that comes twice in a term is a diagonal. "..." stands for the axes without a letter, which
   broadcast. Without "->" the result has those, then each letter that comes once, by its code.
   Sums of products of two operands are matrix products, for floating types and complex64. More than
   two operands go by pairs, in the order that makes the least of each at the moment. */
int mlx_einsum(mlx_array *res, const char *subscripts, const mlx_vector_array operands,
               const mlx_stream s);

/* a == b, as bool. */
int mlx_equal(mlx_array *res, const mlx_array a, const mlx_array b, const mlx_stream s);

/* Error function. */
int mlx_erf(mlx_array *res, const mlx_array a, const mlx_stream s);

/* Inverse of mlx_erf: infinite at -1 and 1, NaN beyond. No complex64. */
int mlx_erfinv(mlx_array *res, const mlx_array a, const mlx_stream s);

/* e^a. */
int mlx_exp(mlx_array *res, const mlx_array a, const mlx_stream s);

/* A view with new axes of extent 1; positions are of the result. */
int mlx_expand_dims_axes(mlx_array *res, const mlx_array a, const int *axes, size_t axes_num,
                         const mlx_stream s);
int mlx_expand_dims(mlx_array *res, const mlx_array a, int axis, const mlx_stream s);

/* e^a - 1. */
int mlx_expm1(mlx_array *res, const mlx_array a, const mlx_stream s);

/* (n, m), ones on the k-th diagonal. */
int mlx_eye(mlx_array *res, int n, int m, int k, mlx_dtype dtype, const mlx_stream s);

/* Makes one axis of start_axis to end_axis. */
int mlx_flatten(mlx_array *res, const mlx_array a, int start_axis, int end_axis,
                const mlx_stream s);

/* Rounds down. */
int mlx_floor(mlx_array *res, const mlx_array a, const mlx_stream s);

/* The greatest whole number that is not above a / b, in the inputs' type; 0 by an integer 0. No
   complex64. */
int mlx_floor_divide(mlx_array *res, const mlx_array a, const mlx_array b, const mlx_stream s);

/* The values of floats of 8 bits (E4M3: a sign, 4 bits of exponent with bias 7, 3 of mantissa, no
   infinities, NaN with all of them set), which lie in uint8, in a real floating type, all exact. */
int mlx_from_fp8(mlx_array *res, const mlx_array x, mlx_dtype dtype, const mlx_stream s);

/* vals, broadcast to the shape. */
int mlx_full(mlx_array *res, const int *shape, size_t shape_num, const mlx_array vals,
             mlx_dtype dtype, const mlx_stream s);

/* vals, broadcast to a's shape. */
int mlx_full_like(mlx_array *res, const mlx_array a, const mlx_array vals, mlx_dtype dtype,
                  const mlx_stream s);

/* Slices of a, one for each place in the indices: one index array per axis in `axes` (from 0 up),
   broadcast against each other. Each slice has slice_sizes, one for each axis of a and at most its
   extent, and begins at the indices along `axes` and at 0 along the others. The result has the
   indices' shape, then slice_sizes. Indices are integers; negative ones count from the end, and a
   slice that does not lie inside a is the nearest that does. Errors: an axis given twice, other
   than integers, index arrays without a common shape or integer type, sizes that a does not have.
 */
int mlx_gather(mlx_array *res, const mlx_array a, const mlx_vector_array indices, const int *axes,
               size_t axes_num, const int *slice_sizes, size_t slice_sizes_num, const mlx_stream s);

/* The same with one index array and axis. */
int mlx_gather_single(mlx_array *res, const mlx_array a, const mlx_array indices, int axis,
                      const int *slice_sizes, size_t slice_sizes_num, const mlx_stream s);

/* a @ b of chosen floating matrices; lhs_indices, rhs_indices and sorted_indices as in
   mlx_gather_qmm. Without either index array mlx_matmul. */
int mlx_gather_mm(mlx_array *res, const mlx_array a, const mlx_array b,
                  const mlx_array lhs_indices /* may be null */,
                  const mlx_array rhs_indices /* may be null */, bool sorted_indices,
                  const mlx_stream s);

/* As mlx_quantized_matmul, of chosen matrices: those of x along its leading axes by lhs_indices,
   those of w by rhs_indices, both as if these axes were one. One that is absent counts 0, 1, ..
   over the leading axes. They are of an integer type, broadcast together, and give the leading axes
   of the result; an index below 0 counts from the end, one outside is the nearest. x has at least
   two axes. sorted_indices promises an order and changes nothing. */
int mlx_gather_qmm(mlx_array *res, const mlx_array x, const mlx_array w, const mlx_array scales,
                   const mlx_array biases /* may be null */,
                   const mlx_array lhs_indices /* may be null */,
                   const mlx_array rhs_indices /* may be null */, bool transpose,
                   mlx_optional_int group_size, mlx_optional_int bits, const char *mode,
                   bool sorted_indices, const mlx_stream s);

/* a > b, as bool. */
int mlx_greater(mlx_array *res, const mlx_array a, const mlx_array b, const mlx_stream s);

/* a >= b, as bool. */
int mlx_greater_equal(mlx_array *res, const mlx_array a, const mlx_array b, const mlx_stream s);

/* Each row along the last axis multiplied by a Hadamard matrix, of order n = m 2^k with m of 1, 12,
   20 and 28 and k up to 26, and by the scale, 1 / sqrt(n) where it has no value. Floats keep their
   type, 16-bit ones are computed in float32; others are cast to float32, complex64 without its
   imaginary part. Errors: another extent, no elements. */
int mlx_hadamard_transform(mlx_array *res, const mlx_array a, mlx_optional_float scale,
                           const mlx_stream s);

/* (n, n), ones on the diagonal. */
int mlx_identity(mlx_array *res, int n, mlx_dtype dtype, const mlx_stream s);

/* The imaginary part, float32; of real numbers zeros of their type. */
int mlx_imag(mlx_array *res, const mlx_array a, const mlx_stream s);

/* Sum of products over the last axes, whose extents are equal; a product where one has no axes. */
int mlx_inner(mlx_array *res, const mlx_array a, const mlx_array b, const mlx_stream s);

/* |a - b| <= atol + rtol |b|, as bool, in float64; of integers a - b is exact, unless uint64 meets
   a signed type, and of complex64 it is complex64. Equal infinities are close, NaNs if equal_nan.
 */
int mlx_isclose(mlx_array *res, const mlx_array a, const mlx_array b, double rtol, double atol,
                bool equal_nan, const mlx_stream s);

/* Tests each element, as bool. */
int mlx_isfinite(mlx_array *res, const mlx_array a, const mlx_stream s);
int mlx_isinf(mlx_array *res, const mlx_array a, const mlx_stream s);
int mlx_isnan(mlx_array *res, const mlx_array a, const mlx_stream s);

/* Whether an element is minus infinity (and 0 i), as bool. */
int mlx_isneginf(mlx_array *res, const mlx_array a, const mlx_stream s);

/* Whether an element is infinity (and 0 i), as bool. */
int mlx_isposinf(mlx_array *res, const mlx_array a, const mlx_stream s);

/* Each element of a times all of b, in b's place of a block; axes count from the last. None may be
   empty. */
int mlx_kron(mlx_array *res, const mlx_array a, const mlx_array b, const mlx_stream s);

/* a shifted by b bits, of integers; bool counts as uint8. By a count that is negative or not less
   than the width: 0. */
int mlx_left_shift(mlx_array *res, const mlx_array a, const mlx_array b, const mlx_stream s);

/* a < b, as bool. */
int mlx_less(mlx_array *res, const mlx_array a, const mlx_array b, const mlx_stream s);

/* a <= b, as bool. */
int mlx_less_equal(mlx_array *res, const mlx_array a, const mlx_array b, const mlx_stream s);

/* num numbers from start to stop, both included and as they are given. Between them float64 is
   computed in, and between whole numbers of at most 53 bits times num, those that are whole come
   out so. Integer types cut them. */
int mlx_linspace(mlx_array *res, double start, double stop, int num, mlx_dtype dtype,
                 const mlx_stream s);

/* Natural logarithm. */
int mlx_log(mlx_array *res, const mlx_array a, const mlx_stream s);

/* Logarithm to base 10. */
int mlx_log10(mlx_array *res, const mlx_array a, const mlx_stream s);

/* log(1 + a). */
int mlx_log1p(mlx_array *res, const mlx_array a, const mlx_stream s);

/* Logarithm to base 2. */
int mlx_log2(mlx_array *res, const mlx_array a, const mlx_stream s);

/* log(e^a + e^b), without overflow on the way. */
int mlx_logaddexp(mlx_array *res, const mlx_array a, const mlx_array b, const mlx_stream s);

/* log of the running sums of exp along an axis, from the end if reverse, without the element itself
   unless inclusive: what comes before all is -inf. Integers and bools give float32; floats are
   computed in float64 and rounded once for each result. An error where a has no such axis. */
int mlx_logcumsumexp(mlx_array *res, const mlx_array a, int axis, bool reverse, bool inclusive,
                     const mlx_stream s);

/* Logic on truth values (not zero is true), as bool. */
int mlx_logical_and(mlx_array *res, const mlx_array a, const mlx_array b, const mlx_stream s);
int mlx_logical_not(mlx_array *res, const mlx_array a, const mlx_stream s);
int mlx_logical_or(mlx_array *res, const mlx_array a, const mlx_array b, const mlx_stream s);

/* log of the sum of exp over the axes. */
int mlx_logsumexp_axes(mlx_array *res, const mlx_array a, const int *axes, size_t axes_num,
                       bool keepdims, const mlx_stream s);
int mlx_logsumexp_axis(mlx_array *res, const mlx_array a, int axis, bool keepdims,
                       const mlx_stream s);
int mlx_logsumexp(mlx_array *res, const mlx_array a, bool keepdims, const mlx_stream s);

/* a with the rows of src, in order, where mask is true: mask is bool, of a's shape or the beginning
   of it, and src (rows, a's further extents), the latter broadcast; with fewer dimensions all trues
   get src. It is cast to a's type. Rows that are left over are not looked at; where there are too
   few the last one is repeated, which MLX refuses on the CPU. Errors: another mask, too many
   dimensions of src, or no rows. */
int mlx_masked_scatter(mlx_array *res, const mlx_array a, const mlx_array mask, const mlx_array src,
                       const mlx_stream s);

/* Matrix product over the last two axes, (..., n, k) @ (..., k, m); leading axes broadcast; a
   vector counts as a row on the left and a column on the right. Floating types and complex64. */
int mlx_matmul(mlx_array *res, const mlx_array a, const mlx_array b, const mlx_stream s);

/* Largest element over the axes, NaN if there is one; of no elements an error. */
int mlx_max_axes(mlx_array *res, const mlx_array a, const int *axes, size_t axes_num, bool keepdims,
                 const mlx_stream s);
int mlx_max_axis(mlx_array *res, const mlx_array a, int axis, bool keepdims, const mlx_stream s);
int mlx_max(mlx_array *res, const mlx_array a, bool keepdims, const mlx_stream s);

/* The larger of a and b; NaN if either is. */
int mlx_maximum(mlx_array *res, const mlx_array a, const mlx_array b, const mlx_stream s);

/* Arithmetic mean over the axes; integers give float32. 16-bit floats and integers up to 16 bits
   are added in float32, longer integers in float64, and the result is rounded once. */
int mlx_mean_axes(mlx_array *res, const mlx_array a, const int *axes, size_t axes_num,
                  bool keepdims, const mlx_stream s);
int mlx_mean_axis(mlx_array *res, const mlx_array a, int axis, bool keepdims, const mlx_stream s);
int mlx_mean(mlx_array *res, const mlx_array a, bool keepdims, const mlx_stream s);

/* The middle element over the axes, or the mean of the two middle ones; NaN if there is one.
   Integers give float32. Of no elements, or over no axes, an error. */
int mlx_median(mlx_array *res, const mlx_array a, const int *axes, size_t axes_num, bool keepdims,
               const mlx_stream s);

/* Views of the arrays, flattened, along one axis each of a common grid; where sparse with extent 1
   in the others. `indexing` is "ij", or "xy", which swaps the first two axes. *res receives a
   vector. */
int mlx_meshgrid(mlx_vector_array *res, const mlx_vector_array arrays, bool sparse,
                 const char *indexing, const mlx_stream s);

/* Smallest element over the axes, NaN if there is one; of no elements an error. */
int mlx_min_axes(mlx_array *res, const mlx_array a, const int *axes, size_t axes_num, bool keepdims,
                 const mlx_stream s);
int mlx_min_axis(mlx_array *res, const mlx_array a, int axis, bool keepdims, const mlx_stream s);
int mlx_min(mlx_array *res, const mlx_array a, bool keepdims, const mlx_stream s);

/* The smaller of a and b; NaN if either is. */
int mlx_minimum(mlx_array *res, const mlx_array a, const mlx_array b, const mlx_stream s);

/* A view in which one axis stands in another place. */
int mlx_moveaxis(mlx_array *res, const mlx_array a, int source, int destination,
                 const mlx_stream s);

/* a b. */
int mlx_multiply(mlx_array *res, const mlx_array a, const mlx_array b, const mlx_stream s);

/* a with other numbers in the place of NaN and of infinities: without a value the greatest and the
   least that the type has, which is an error for float64 and complex64. Integers stay as they are.
 */
int mlx_nan_to_num(mlx_array *res, const mlx_array a, float nan, mlx_optional_float posinf,
                   mlx_optional_float neginf, const mlx_stream s);

/* -a. */
int mlx_negative(mlx_array *res, const mlx_array a, const mlx_stream s);

/* a != b, as bool. */
int mlx_not_equal(mlx_array *res, const mlx_array a, const mlx_array b, const mlx_stream s);

/* The product of a's extents along the axes, or one by it, without dimensions. */
int mlx_number_of_elements(mlx_array *res, const mlx_array a, const int *axes, size_t axes_num,
                           bool inverted, mlx_dtype dtype, const mlx_stream s);

/* Ones. */
int mlx_ones(mlx_array *res, const int *shape, size_t shape_num, mlx_dtype dtype,
             const mlx_stream s);
int mlx_ones_like(mlx_array *res, const mlx_array a, const mlx_stream s);

/* Each element of a by each of b: (size of a, size of b). */
int mlx_outer(mlx_array *res, const mlx_array a, const mlx_array b, const mlx_stream s);

/* a with more in front and behind along the axes; sizes of an axis that comes twice add up. `mode`
   is "constant", with the first element of pad_value, or "edge", with copies of the border.
   pad_symmetric: pad_width on both sides of all axes. */
int mlx_pad(mlx_array *res, const mlx_array a, const int *axes, size_t axes_num,
            const int *low_pad_size, size_t low_pad_size_num, const int *high_pad_size,
            size_t high_pad_size_num, const mlx_array pad_value, const char *mode,
            const mlx_stream s);
int mlx_pad_symmetric(mlx_array *res, const mlx_array a, int pad_width, const mlx_array pad_value,
                      const char *mode, const mlx_stream s);

/* Element kth stands where sorting would put it, none before it is greater, none behind it less;
   NaN is the greatest. Without an axis of the flattened array; kth counts from the end when
   negative. */
int mlx_partition_axis(mlx_array *res, const mlx_array a, int kth, int axis, const mlx_stream s);
int mlx_partition(mlx_array *res, const mlx_array a, int kth, const mlx_stream s);

/* a^b; a^0 is 1 for every a. Integers: a negative power truncates 1 / a^-b, with 0^-n = 0. */
int mlx_power(mlx_array *res, const mlx_array a, const mlx_array b, const mlx_stream s);

/* Product over the axes. Types as in mlx_sum. */
int mlx_prod_axes(mlx_array *res, const mlx_array a, const int *axes, size_t axes_num,
                  bool keepdims, const mlx_stream s);
int mlx_prod_axis(mlx_array *res, const mlx_array a, int axis, bool keepdims, const mlx_stream s);
int mlx_prod(mlx_array *res, const mlx_array a, bool keepdims, const mlx_stream s);

/* a with values put at indices along one axis: as mlx_take_along_axis reads. Indices and values
   broadcast to each other, and to a but for the axis. Of several values for one element the last
   one stays on the CPU, and any of them on a GPU. */
int mlx_put_along_axis(mlx_array *res, const mlx_array a, const mlx_array indices,
                       const mlx_array values, int axis, const mlx_stream s);

/* x @ w' where both are quantised: x on the way, and w, where it is floating, as well. The mode is
   "nvfp4" or "mxfp8". w is (N, K), floating, or packed with w_scales; x is (.., K), and the result
   (.., N) in x's type; neither is float64. Quantised as by mlx_quantize, but that E2M1 is rounded
   to even. global_scale_x and global_scale_w, both or neither, as in mlx_quantize. */
int mlx_qqmm(mlx_array *res, const mlx_array x, const mlx_array w,
             const mlx_array w_scales /* may be null */, mlx_optional_int group_size,
             mlx_optional_int bits, const char *mode,
             const mlx_array global_scale_x /* may be null */,
             const mlx_array global_scale_w /* may be null */, const mlx_stream s);

/* Packs a floating matrix, of at least two axes, in groups of elements along the last. *res
   receives a vector of codes in uint32, scales and, in the affine mode, biases. A row is one stream
   of bits, least significant first. The modes, and what group_size and bits may be:

   - "affine": groups of 32, 64 (where not given) or 128; 1, 2, 3, 4 (where not given), 5, 6 or 8
     bits. An element is code scale + bias, and 0 is exact; scales and biases are of w's type.
   - "mxfp4": groups of 32, 4 bits: E2M1 times a power of two in uint8 (E8M0).
   - "mxfp8": groups of 32, 8 bits: E4M3 (mlx_from_fp8) times the same.
   - "nvfp4": groups of 16, 4 bits: E2M1 times E4M3 in uint8, and times global_scale / 2688 where
     that is given: a float32, the greatest magnitude in all of w.

   E2M1 has the values 0, 0.5, 1, 1.5, 2, 3, 4, 6 and their negatives; between two the one nearer to
   0 is taken. E2M1, E4M3 and E8M0 are those of the OCP Microscaling Formats, 2023. */
int mlx_quantize(mlx_vector_array *res, const mlx_array w, mlx_optional_int group_size,
                 mlx_optional_int bits, const char *mode,
                 const mlx_array global_scale /* may be null */, const mlx_stream s);

/* x @ w', or x @ w where not transposed, of a packed w (mlx_quantize) that is never unpacked as a
   whole; group sizes and bits are those of mlx_quantize. Leading axes broadcast; of one axis x is a
   row. The type is the common one of x, scales and biases, or x's where there are no biases; sums
   are made in float32, of float64 in float64. */
int mlx_quantized_matmul(mlx_array *res, const mlx_array x, const mlx_array w,
                         const mlx_array scales, const mlx_array biases /* may be null */,
                         bool transpose, mlx_optional_int group_size, mlx_optional_int bits,
                         const char *mode, const mlx_stream s);

/* a in radians, where it is in degrees. */
int mlx_radians(mlx_array *res, const mlx_array a, const mlx_stream s);

/* The real part, float32; real numbers are the array itself. */
int mlx_real(mlx_array *res, const mlx_array a, const mlx_stream s);

/* 1 / a. */
int mlx_reciprocal(mlx_array *res, const mlx_array a, const mlx_stream s);

/* a - b floor(a / b), with the sign of b; integers by zero give 0. */
int mlx_remainder(mlx_array *res, const mlx_array a, const mlx_array b, const mlx_stream s);

/* Each element `repeats` times along the axis; without one of the flattened array. */
int mlx_repeat_axis(mlx_array *res, const mlx_array arr, int repeats, int axis, const mlx_stream s);
int mlx_repeat(mlx_array *res, const mlx_array arr, int repeats, const mlx_stream s);

/* The same elements in row-major order under another shape, one extent of which may be -1. */
int mlx_reshape(mlx_array *res, const mlx_array a, const int *shape, size_t shape_num,
                const mlx_stream s);

/* a shifted by b bits, of integers; the sign is kept, bool counts as uint8. By a count that is
   negative or not less than the width: 0, or -1 where a is negative. */
int mlx_right_shift(mlx_array *res, const mlx_array a, const mlx_array b, const mlx_stream s);

/* Moves elements towards the end, and those that leave it to the front: along one axis by the sum
   of the shifts, along several by one each, which add up where an axis comes again; without an axis
   as if flattened. */
int mlx_roll_axis(mlx_array *res, const mlx_array a, const int *shift, size_t shift_num, int axis,
                  const mlx_stream s);
int mlx_roll_axes(mlx_array *res, const mlx_array a, const int *shift, size_t shift_num,
                  const int *axes, size_t axes_num, const mlx_stream s);
int mlx_roll(mlx_array *res, const mlx_array a, const int *shift, size_t shift_num,
             const mlx_stream s);

/* To `decimals` places, halves to even; to tens, hundreds .. where negative. Integers stay exact,
   and wrap where their type does not hold the result. Floats of 16 bits are computed in float32; a
   float with no digits behind the place stays as it is, and so does a complex number that is not
   finite. */
int mlx_round(mlx_array *res, const mlx_array a, int decimals, const mlx_stream s);

/* 1 / sqrt(a). */
int mlx_rsqrt(mlx_array *res, const mlx_array a, const mlx_stream s);

/* a with the updates in place of slices of it, one for each place in the indices: one index array
   per axis in `axes` (from 0 up), broadcast against each other. Updates have the indices' shape,
   then one extent for each axis of a, at most a's: a slice that begins at the indices along `axes`
   and at 0 along the others. They are cast to a's type. Indices are integers; negative ones count
   from the end, and an update that does not lie inside a whole is left out. Where several write one
   element, the last one stays on the CPU, and any of them on a GPU, which takes at most 8 index
   arrays. Errors: an axis given twice, other than integers, index arrays without a common shape or
   integer type, updates of another shape. */
int mlx_scatter(mlx_array *res, const mlx_array a, const mlx_vector_array indices,
                const mlx_array updates, const int *axes, size_t axes_num, const mlx_stream s);

/* a with values added at indices along one axis: as mlx_take_along_axis reads. Indices and values
   broadcast to each other, and to a but for the axis. Repeated indices add up, 16-bit floats in
   float32. */
int mlx_scatter_add_axis(mlx_array *res, const mlx_array a, const mlx_array indices,
                         const mlx_array values, int axis, const mlx_stream s);

/* The same with one index array and axis. */
int mlx_scatter_single(mlx_array *res, const mlx_array a, const mlx_array indices,
                       const mlx_array updates, int axis, const mlx_stream s);

/* a with the updates added there; all else is as in mlx_scatter. Repeated indices add up, 16-bit
   floats in float32; a GPU adds floats in any order. */
int mlx_scatter_add(mlx_array *res, const mlx_array a, const mlx_vector_array indices,
                    const mlx_array updates, const int *axes, size_t axes_num, const mlx_stream s);
int mlx_scatter_add_single(mlx_array *res, const mlx_array a, const mlx_array indices,
                           const mlx_array updates, int axis, const mlx_stream s);

/* a with the larger of a and the updates, as in mlx_maximum, there; all else is as in
   mlx_scatter. Repeated indices take all. */
int mlx_scatter_max(mlx_array *res, const mlx_array a, const mlx_vector_array indices,
                    const mlx_array updates, const int *axes, size_t axes_num, const mlx_stream s);
int mlx_scatter_max_single(mlx_array *res, const mlx_array a, const mlx_array indices,
                           const mlx_array updates, int axis, const mlx_stream s);

/* a with the smaller of a and the updates, as in mlx_minimum, there; all else is as in
   mlx_scatter. Repeated indices take all. */
int mlx_scatter_min(mlx_array *res, const mlx_array a, const mlx_vector_array indices,
                    const mlx_array updates, const int *axes, size_t axes_num, const mlx_stream s);
int mlx_scatter_min_single(mlx_array *res, const mlx_array a, const mlx_array indices,
                           const mlx_array updates, int axis, const mlx_stream s);

/* a multiplied by the updates there; all else is as in mlx_scatter. Repeated indices multiply,
   16-bit floats in float32; a GPU multiplies floats in any order. */
int mlx_scatter_prod(mlx_array *res, const mlx_array a, const mlx_vector_array indices,
                     const mlx_array updates, const int *axes, size_t axes_num, const mlx_stream s);
int mlx_scatter_prod_single(mlx_array *res, const mlx_array a, const mlx_array indices,
                            const mlx_array updates, int axis, const mlx_stream s);

/* Products of parts: for each pair (s, e) along the last axis of the integer array segments, a's
   columns from s below e by b's rows, floating; zeros where e is not above s. (.., M, N). Copies of
   both factors are masked, for so many segments at a time as take 64 MB, or for one. */
int mlx_segmented_mm(mlx_array *res, const mlx_array a, const mlx_array b, const mlx_array segments,
                     const mlx_stream s);

/* 1 / (1 + e^-a). */
int mlx_sigmoid(mlx_array *res, const mlx_array a, const mlx_stream s);

/* -1, 0 or 1; complex64: a / |a|. */
int mlx_sign(mlx_array *res, const mlx_array a, const mlx_stream s);

/* Sine. */
int mlx_sin(mlx_array *res, const mlx_array a, const mlx_stream s);

/* Hyperbolic sine. */
int mlx_sinh(mlx_array *res, const mlx_array a, const mlx_stream s);

/* A view of a[start:stop:stride] per axis, as in NumPy, negative strides included. */
int mlx_slice(mlx_array *res, const mlx_array a, const int *start, size_t start_num,
              const int *stop, size_t stop_num, const int *strides, size_t strides_num,
              const mlx_stream s);

/* The part of a of the extents slice_size, one for each axis of a, that begins at the values of
   `start`, one for each of `axes`, and at 0 along others. Values are clamped so that it lies in a.
 */
int mlx_slice_dynamic(mlx_array *res, const mlx_array a, const mlx_array start, const int *axes,
                      size_t axes_num, const int *slice_size, size_t slice_size_num,
                      const mlx_stream s);

/* src with that slice replaced by update, which broadcasts to it. */
int mlx_slice_update(mlx_array *res, const mlx_array src, const mlx_array update, const int *start,
                     size_t start_num, const int *stop, size_t stop_num, const int *strides,
                     size_t strides_num, const mlx_stream s);

/* src with update added to that slice, 16-bit floats in float32; update broadcasts to it and is
   cast to src's type. */
int mlx_slice_update_add(mlx_array *res, const mlx_array src, const mlx_array update,
                         const int *start, size_t start_num, const int *stop, size_t stop_num,
                         const int *strides, size_t strides_num, const mlx_stream s);

/* src with `update` in the place of such a part. An axis that update does not have is one of extent
   1 among `axes`, and else the whole of src's. */
int mlx_slice_update_dynamic(mlx_array *res, const mlx_array src, const mlx_array update,
                             const mlx_array start, const int *axes, size_t axes_num,
                             const mlx_stream s);

/* src with the larger of that slice and update there, as in mlx_maximum; update broadcasts to it
   and is cast to src's type. */
int mlx_slice_update_max(mlx_array *res, const mlx_array src, const mlx_array update,
                         const int *start, size_t start_num, const int *stop, size_t stop_num,
                         const int *strides, size_t strides_num, const mlx_stream s);

/* src with the smaller of that slice and update there, as in mlx_minimum; update broadcasts to it
   and is cast to src's type. */
int mlx_slice_update_min(mlx_array *res, const mlx_array src, const mlx_array update,
                         const int *start, size_t start_num, const int *stop, size_t stop_num,
                         const int *strides, size_t strides_num, const mlx_stream s);

/* src with that slice multiplied by update; update broadcasts to it and is cast to
   src's type. */
int mlx_slice_update_prod(mlx_array *res, const mlx_array src, const mlx_array update,
                          const int *start, size_t start_num, const int *stop, size_t stop_num,
                          const int *strides, size_t strides_num, const mlx_stream s);

/* exp(a) / sum(exp(a)) over the axes. 16-bit types are computed in float32, whether `precise` or
   not. */
int mlx_softmax_axes(mlx_array *res, const mlx_array a, const int *axes, size_t axes_num,
                     bool precise, const mlx_stream s);
int mlx_softmax_axis(mlx_array *res, const mlx_array a, int axis, bool precise, const mlx_stream s);
int mlx_softmax(mlx_array *res, const mlx_array a, bool precise, const mlx_stream s);

/* Sorted in rising order, NaN last; without an axis the flattened array. */
int mlx_sort_axis(mlx_array *res, const mlx_array a, int axis, const mlx_stream s);
int mlx_sort(mlx_array *res, const mlx_array a, const mlx_stream s);

/* Views: num_splits equal parts, an error where they do not come out even; or the parts between the
   indices, which are read as in mlx_slice. *res receives a vector. */
int mlx_split(mlx_vector_array *res, const mlx_array a, int num_splits, int axis,
              const mlx_stream s);
int mlx_split_sections(mlx_vector_array *res, const mlx_array a, const int *indices,
                       size_t indices_num, int axis, const mlx_stream s);

/* Square root. */
int mlx_sqrt(mlx_array *res, const mlx_array a, const mlx_stream s);

/* a a. */
int mlx_square(mlx_array *res, const mlx_array a, const mlx_stream s);

/* A view without axes of extent 1, others are an error; without a list, without all of them. */
int mlx_squeeze_axes(mlx_array *res, const mlx_array a, const int *axes, size_t axes_num,
                     const mlx_stream s);
int mlx_squeeze_axis(mlx_array *res, const mlx_array a, int axis, const mlx_stream s);
int mlx_squeeze(mlx_array *res, const mlx_array a, const mlx_stream s);

/* Joins one or more arrays of one shape along a new axis; without one it is the first. */
int mlx_stack_axis(mlx_array *res, const mlx_vector_array arrays, int axis, const mlx_stream s);
int mlx_stack(mlx_array *res, const mlx_vector_array arrays, const mlx_stream s);

/* Standard deviation over the axes, with divisor n - ddof; computed as mlx_var, and rounded once.
 */
int mlx_std_axes(mlx_array *res, const mlx_array a, const int *axes, size_t axes_num, bool keepdims,
                 int ddof, const mlx_stream s);
int mlx_std_axis(mlx_array *res, const mlx_array a, int axis, bool keepdims, int ddof,
                 const mlx_stream s);
int mlx_std(mlx_array *res, const mlx_array a, bool keepdims, int ddof, const mlx_stream s);

/* A view of a that gradients do not go through. */
int mlx_stop_gradient(mlx_array *res, const mlx_array a, const mlx_stream s);

/* a - b. */
int mlx_subtract(mlx_array *res, const mlx_array a, const mlx_array b, const mlx_stream s);

/* Sum over the axes. Bools and integers of up to 32 bits give int32, or uint32 where unsigned. */
int mlx_sum_axes(mlx_array *res, const mlx_array a, const int *axes, size_t axes_num, bool keepdims,
                 const mlx_stream s);
int mlx_sum_axis(mlx_array *res, const mlx_array a, int axis, bool keepdims, const mlx_stream s);
int mlx_sum(mlx_array *res, const mlx_array a, bool keepdims, const mlx_stream s);

/* A view with two axes swapped. */
int mlx_swapaxes(mlx_array *res, const mlx_array a, int axis1, int axis2, const mlx_stream s);

/* The elements at the indices along an axis, in whose place the result has the indices' shape;
   without one of the flattened array. Indices are integers; negative ones count from the end. */
int mlx_take_axis(mlx_array *res, const mlx_array a, const mlx_array indices, int axis,
                  const mlx_stream s);
int mlx_take(mlx_array *res, const mlx_array a, const mlx_array indices, const mlx_stream s);

/* For each position of the indices the element at that index along the axis; the other axes
   broadcast. */
int mlx_take_along_axis(mlx_array *res, const mlx_array a, const mlx_array indices, int axis,
                        const mlx_stream s);

/* Tangent. */
int mlx_tan(mlx_array *res, const mlx_array a, const mlx_stream s);

/* Hyperbolic tangent. */
int mlx_tanh(mlx_array *res, const mlx_array a, const mlx_stream s);

/* Sum of products over pairs of axes with equal extents; the result has the other axes of a, then
   those of b. With a number: over the last so many of a and the first of b. Floating types and
   complex64. */
int mlx_tensordot(mlx_array *res, const mlx_array a, const mlx_array b, const int *axes_a,
                  size_t axes_a_num, const int *axes_b, size_t axes_b_num, const mlx_stream s);
int mlx_tensordot_axis(mlx_array *res, const mlx_array a, const mlx_array b, int axis,
                       const mlx_stream s);

/* Copies of the whole, so many along each axis; the shorter of shape and reps gets 1 in front. */
int mlx_tile(mlx_array *res, const mlx_array arr, const int *reps, size_t reps_num,
             const mlx_stream s);

/* The nearest floats of 8 bits (as of mlx_from_fp8) of a real floating type, in uint8, rounded once
   and to even. What is greater than 448, infinities and NaN among it, is 448, by its sign. */
int mlx_to_fp8(mlx_array *res, const mlx_array x, const mlx_stream s);

/* The k largest elements along an axis, in no particular order; without one of the flattened
   array. k is at most the extent. */
int mlx_topk_axis(mlx_array *res, const mlx_array a, int k, int axis, const mlx_stream s);
int mlx_topk(mlx_array *res, const mlx_array a, int k, const mlx_stream s);

/* Sum of mlx_diagonal cast to dtype; its type is that of mlx_sum. */
int mlx_trace(mlx_array *res, const mlx_array a, int offset, int axis1, int axis2, mlx_dtype dtype,
              const mlx_stream s);

/* A view with the axes, each once, in the given order; without one reversed. */
int mlx_transpose_axes(mlx_array *res, const mlx_array a, const int *axes, size_t axes_num,
                       const mlx_stream s);
int mlx_transpose(mlx_array *res, const mlx_array a, const mlx_stream s);

/* (n, m), ones at and below the k-th diagonal. */
int mlx_tri(mlx_array *res, int n, int m, int k, mlx_dtype type, const mlx_stream s);

/* x with zeros above (below) the k-th diagonal of the last two axes. */
int mlx_tril(mlx_array *res, const mlx_array x, int k, const mlx_stream s);
int mlx_triu(mlx_array *res, const mlx_array x, int k, const mlx_stream s);

/* One axis as several, one extent of which may be -1. */
int mlx_unflatten(mlx_array *res, const mlx_array a, int axis, const int *shape, size_t shape_num,
                  const mlx_stream s);

/* Variance over the axes, with divisor n - ddof; in the types of mlx_mean. 0 for equal elements. */
int mlx_var_axes(mlx_array *res, const mlx_array a, const int *axes, size_t axes_num, bool keepdims,
                 int ddof, const mlx_stream s);
int mlx_var_axis(mlx_array *res, const mlx_array a, int axis, bool keepdims, int ddof,
                 const mlx_stream s);
int mlx_var(mlx_array *res, const mlx_array a, bool keepdims, int ddof, const mlx_stream s);

/* The same bytes as elements of another type: the extent of the last axis changes with the size,
   and must come out whole. Where the elements do not lie as the type needs them a is copied. Bytes
   other than 0 are true. */
int mlx_view(mlx_array *res, const mlx_array a, mlx_dtype dtype, const mlx_stream s);

/* x where condition is true, else y. */
int mlx_where(mlx_array *res, const mlx_array condition, const mlx_array x, const mlx_array y,
              const mlx_stream s);

/* Zeros. */
int mlx_zeros(mlx_array *res, const int *shape, size_t shape_num, mlx_dtype dtype,
              const mlx_stream s);
int mlx_zeros_like(mlx_array *res, const mlx_array a, const mlx_stream s);

#ifdef __cplusplus
}
#endif

#endif
