/* Operations called wrongly: shapes, dtypes, axes, negative and overflowing dimensions, NULL lists.
   Each gives rc 1 and a message that names operation and argument, and leaves its result alone. */

#include <limits.h>
#include <math.h>

#include "fails.h"
#include "mean_cpu.h"

static const mlx_stream none = {NULL}; /* the default stream */
static const mlx_array no_key = {NULL};
static mlx_array a34, b5, i34, scalar, empty03, bools, complexes, floats4d;

static mlx_array zeros(mlx_dtype dtype, const int *shape, int ndim) {
  static const char data[4096];
  return mlx_array_new_data(data, shape, ndim, dtype);
}

static void make_arrays(void) {
  a34 = zeros(MLX_FLOAT32, INTS(3, 4), 2);
  b5 = zeros(MLX_FLOAT32, INTS(5), 1);
  i34 = zeros(MLX_INT32, INTS(3, 4), 2);
  scalar = mlx_array_new_float(1.0f);
  empty03 = zeros(MLX_FLOAT32, INTS(0, 3), 2);
  bools = zeros(MLX_BOOL, INTS(2), 1);
  complexes = zeros(MLX_COMPLEX64, INTS(2), 1);
  floats4d = zeros(MLX_FLOAT32, INTS(2, 3, 1, 2), 4);
}

static void free_arrays(void) {
  mlx_array all[] = {a34, b5, i34, scalar, empty03, bools, complexes, floats4d, res};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) mlx_array_free(all[i]);
}

static void test_elementwise(void) {
  FAILS(mlx_abs, "a is an empty array", &res, no_key, none);
  FAILS(mlx_abs, "res", NULL, a34, none);
  FAILS(mlx_negative, "a is bool", &res, bools, none);
  FAILS(mlx_floor, "a is complex64", &res, complexes, none);
  FAILS(mlx_erf, "a is complex64", &res, complexes, none);
  FAILS(mlx_sigmoid, "a is complex64", &res, complexes, none);
  FAILS(mlx_round, "a", &res, no_key, 2, none);
  FAILS(mlx_add, "cannot be broadcast.", &res, a34, b5, none);
  FAILS(mlx_add, "b is an empty array", &res, a34, no_key, none);
  FAILS(mlx_remainder, "complex64", &res, complexes, scalar, none);
  FAILS(mlx_where, "cannot be broadcast.", &res, bools, a34, b5, none);
  FAILS(mlx_where, "condition", &res, no_key, a34, b5, none);
  FAILS(mlx_clip, "a_min", &res, a34, no_key, no_key, none);
  FAILS(mlx_isclose, "cannot be broadcast.", &res, a34, b5, 0, 0, false, none);
}

static void test_reductions(void) {
  FAILS(mlx_sum_axis, "axis 2", &res, a34, 2, false, none);
  FAILS(mlx_sum_axis, "axis -2147483648", &res, a34, INT_MIN, false, none);
  FAILS(mlx_sum_axes, "axes", &res, a34, INTS(0, -2), 2, false, none);
  FAILS(mlx_sum_axes, "axes: axis 2", &res, a34, INTS(0, 2), 2, false, none);
  FAILS(mlx_sum_axes, "axes is NULL", &res, a34, NULL, 1, false, none);
  FAILS(mlx_sum_axes, "axes", &res, a34, INTS(0, 1, 0), 3, false, none);
  FAILS(mlx_max, "a with shape (0,3)", &res, empty03, false, none);
  FAILS(mlx_argmax, "a with shape (0,3)", &res, empty03, false, none);
  mlx_array vast = mlx_array_new();
  failures += mlx_broadcast_to(&vast, scalar, INTS(65537, 65536), 2, none);
  FAILS(mlx_argmax, "more elements than uint32 can number", &res, vast, false, none);
  FAILS(mlx_argmin, "more elements than uint32 can number", &res, vast, true, none);
  mlx_array_free(vast);
  FAILS(mlx_argmin_axis, "axis 2", &res, a34, 2, false, none);
  FAILS(mlx_mean_axis, "axis 7", &res, a34, 7, false, none);
  FAILS(mlx_var_axes, "axes", &res, a34, INTS(1, 1), 2, false, 0, none);
  FAILS(mlx_std_axis, "axis 0", &res, scalar, 0, false, 0, none);
  FAILS(mlx_softmax_axis, "axis -3", &res, a34, -3, false, none);
  FAILS(mlx_logsumexp, "a with shape (0,3)", &res, empty03, false, none);
  FAILS(mlx_cumsum, "axis 0", &res, scalar, 0, false, true, none);
  FAILS(mlx_cummax, "axis 2", &res, a34, 2, false, true, none);
  FAILS(mlx_cummin, "axis -3", &res, a34, -3, true, true, none);
  FAILS(mlx_cumprod, "axis -2147483648", &res, a34, INT_MIN, false, false, none);
  FAILS(mlx_logcumsumexp, "axis 2147483647", &res, empty03, INT_MAX, false, true, none);
  FAILS(mlx_sort_axis, "axis 2", &res, a34, 2, none);
  FAILS(mlx_argsort_axis, "axis -3", &res, a34, -3, none);
  FAILS(mlx_topk_axis, "k is 5", &res, a34, 5, 1, none);
  FAILS(mlx_topk, "k is -1", &res, a34, -1, none);
}

static void test_shapes(void) {
  FAILS(mlx_reshape, "shape", &res, a34, INTS(5, -1), 2, none);
  FAILS(mlx_reshape, "shape", &res, a34, INTS(-1, -1), 2, none);
  FAILS(mlx_reshape, "shape", &res, a34, INTS(-3, -4), 2, none);
  FAILS(mlx_reshape, "shape", &res, a34, INTS(INT_MAX, INT_MAX, INT_MAX), 3, none);
  FAILS(mlx_reshape, "shape is NULL", &res, a34, NULL, 2, none);
  FAILS(mlx_broadcast_to, "shape", &res, a34, INTS(-1, 4), 2, none);
  FAILS(mlx_broadcast_to, "Shapes (3,4) and (4) cannot be broadcast.", &res, a34, INTS(4), 1, none);
  FAILS(mlx_expand_dims, "axis 3", &res, a34, 3, none);
  FAILS(mlx_expand_dims_axes, "axes", &res, a34, INTS(0, 0), 2, none);
  FAILS(mlx_squeeze_axis, "axis 0", &res, a34, 0, none);
  FAILS(mlx_flatten, "start_axis", &res, a34, 1, 0, none);
  FAILS(mlx_transpose_axes, "axes", &res, a34, INTS(0), 1, none);
  FAILS(mlx_transpose_axes, "axes", &res, a34, INTS(0, -2), 2, none);
  FAILS(mlx_swapaxes, "axis1", &res, a34, 2, 0, none);
  FAILS(mlx_slice, "stop", &res, a34, INTS(0, 0), 2, INTS(1), 1, INTS(1, 1), 2, none);
  FAILS(mlx_slice, "strides", &res, a34, INTS(0, 0), 2, INTS(1, 1), 2, INTS(1, 0), 2, none);
  FAILS(mlx_slice_update, "update", &res, a34, b5, INTS(0, 0), 2, INTS(3, 4), 2, INTS(1, 1), 2,
        none);
}

static void test_splits_and_joins(void) {
  mlx_vector_array parts = mlx_vector_array_new();
  mlx_vector_array mixed = mlx_vector_array_new();
  FAILS(mlx_concatenate, "arrays", &res, mixed, none);
  mlx_vector_array_append_value(mixed, a34);
  mlx_vector_array_append_value(mixed, b5);
  FAILS(mlx_split, "num_splits 5", &parts, a34, 5, 1, none);
  FAILS(mlx_split, "num_splits is 0", &parts, a34, 0, 1, none);
  FAILS(mlx_split, "axis 2", &parts, a34, 2, 2, none);
  FAILS(mlx_split_sections, "axis 2", &parts, a34, INTS(1), 1, 2, none);
  FAILS(mlx_split_sections, "indices", &parts, a34, NULL, 1, 0, none);
  FAILS(mlx_concatenate_axis, "arrays", &res, mixed, 0, none);
  FAILS(mlx_concatenate_axis, "axis 2", &res, mixed, 2, none);
  FAILS(mlx_stack, "arrays", &res, mixed, none);
  int ones[32];
  for (int i = 0; i < 32; i++) ones[i] = 1;
  mlx_array deep = mlx_array_new_data(ones, ones, 32, MLX_INT32);
  mlx_vector_array_set_value(&mixed, deep);
  FAILS(mlx_stack, "arrays have 32", &res, mixed, none);
  FAILS(mlx_expand_dims, "a with 32", &res, deep, 0, none);
  mlx_array_free(deep);
  mlx_vector_array_free(mixed);
  mlx_vector_array_free(parts);
}

static void test_sources(void) {
  FAILS(mlx_astype, "dtype", &res, a34, (mlx_dtype)99, none);
  FAILS(mlx_zeros, "shape", &res, INTS(2, -1), 2, MLX_FLOAT32, none);
  FAILS(mlx_ones, "shape", &res, INTS(INT_MAX, INT_MAX, INT_MAX), 3, MLX_INT8, none);
  FAILS(mlx_full, "vals", &res, INTS(2, 4), 2, b5, MLX_INT8, none);
  FAILS(mlx_full_like, "vals", &res, a34, b5, MLX_INT8, none);
  FAILS(mlx_arange, "step", &res, 0, 1, 0, MLX_FLOAT32, none);
  FAILS(mlx_arange, "dtype", &res, 0, 1, 1, MLX_BOOL, none);
  FAILS(mlx_arange, "stop", &res, 0, 1e18, 1, MLX_INT64, none);
  FAILS(mlx_arange, "start", &res, NAN, 1, 1, MLX_INT64, none);
  FAILS(mlx_linspace, "num", &res, 0, 1, -1, MLX_FLOAT32, none);
  FAILS(mlx_eye, "n is -1", &res, -1, 2, 0, MLX_FLOAT32, none);
  FAILS(mlx_identity, "n is -1", &res, -1, MLX_FLOAT32, none);
  FAILS(mlx_tri, "m is -2", &res, 1, -2, 0, MLX_FLOAT32, none);
  FAILS(mlx_identity, "n and m", &res, INT_MAX, MLX_FLOAT32, none);
  FAILS(mlx_tril, "x with shape (5)", &res, b5, 0, none);
  FAILS(mlx_triu, "x", &res, scalar, 0, none);
}

static void test_indices(void) {
  mlx_vector_array one = mlx_vector_array_new_value(i34);
  FAILS(mlx_take_axis, "axis 2", &res, a34, i34, 2, none);
  FAILS(mlx_take_axis, "indices", &res, a34, b5, 0, none);
  FAILS(mlx_take, "indices", &res, a34, bools, none);
  FAILS(mlx_take_axis, "a with shape (0,3)", &res, empty03, i34, 0, none);
  FAILS(mlx_take_along_axis, "indices", &res, b5, i34, 0, none);
  FAILS(mlx_scatter_add_single, "updates", &res, a34, i34, b5, 0, none);
  FAILS(mlx_scatter_add_single, "axis 2", &res, a34, i34, b5, 2, none);
  FAILS(mlx_scatter_add, "axes", &res, a34, one, b5, INTS(0, 1), 2, none);
  FAILS(mlx_scatter, "updates", &res, a34, one, b5, INTS(0), 1, none);
  FAILS(mlx_scatter, "axes is NULL", &res, a34, one, b5, NULL, 1, none);
  FAILS(mlx_scatter_prod_single, "axis -1 is negative", &res, a34, i34, b5, -1, none);
  FAILS(mlx_scatter_max_single, "indices are float32", &res, a34, b5, b5, 0, none);
  FAILS(mlx_scatter_min_single, "indices are bool", &res, a34, bools, b5, 0, none);
  FAILS(mlx_gather, "axes has 2 entries for 1", &res, a34, one, INTS(0, 1), 2, INTS(1, 1), 2, none);
  FAILS(mlx_gather, "axis -2147483648 is neg", &res, a34, one, INTS(INT_MIN), 1, INTS(1, 1), 2,
        none);
  FAILS(mlx_gather, "slice_sizes has 1", &res, a34, one, INTS(0), 1, INTS(1), 1, none);
  FAILS(mlx_gather, "slice_sizes is NULL", &res, a34, one, INTS(0), 1, NULL, 2, none);
  FAILS(mlx_gather_single, "entry 1 is 5", &res, a34, i34, 0, INTS(1, 5), 2, none);
  FAILS(mlx_gather_single, "entry 0 is -1", &res, a34, i34, 0, INTS(-1, 4), 2, none);
  FAILS(mlx_gather_single, "entry 0 is 1", &res, empty03, i34, 0, INTS(1, 3), 2, none);
  FAILS(mlx_gather_single, "axis 2", &res, a34, i34, 2, INTS(1, 4), 2, none);
  FAILS(mlx_masked_scatter, "[masked_scatter] The mask has to be boolean.", &res, a34, i34, scalar,
        none);
  FAILS(mlx_masked_scatter,
        "[masked_scatter] The boolean mask should have the same shape as the beginning of the "
        "indexed array but the mask has shape (2) and the array has shape (5)",
        &res, b5, bools, scalar, none);
  FAILS(mlx_masked_scatter,
        "[masked_scatter] The mask cannot have more dimensions than the target.", &res, scalar,
        bools, scalar, none);
  FAILS(mlx_masked_scatter,
        "[masked_scatter] Value array shape must be broadcastable with the last 0 dimensions of "
        "the input.",
        &res, bools, bools, floats4d, none);
  FAILS(mlx_hadamard_transform, "[hadamard] Only supports n = m*2^k where m in (1, 12, 20, 28).",
        &res, b5, (mlx_optional_float){0}, none);
  FAILS(mlx_hadamard_transform, "[hadamard_transform] Does not support empty arrays.", &res,
        empty03, (mlx_optional_float){0}, none);
  mlx_array a43 = zeros(MLX_FLOAT32, INTS(4, 3), 2);
  FAILS(mlx_gather_mm, "[gather_mm] Got lhs_indices with invalid dtype. Indices must be integral.",
        &res, a34, a43, b5, no_key, false, none);
  FAILS(mlx_gather_mm, "[gather_mm] Got rhs_indices with invalid dtype. Indices must be integral.",
        &res, a34, a43, i34, bools, false, none);
  mlx_array_free(a43);
  FAILS(mlx_to_fp8, "x is int32", &res, i34, none);
  FAILS(mlx_from_fp8, "x is float32, not uint8", &res, a34, MLX_FLOAT32, none);
  mlx_vector_array_append_value(one, i34);
  FAILS(mlx_gather, "axis 1 is given twice", &res, a34, one, INTS(1, 1), 2, INTS(1, 1), 2, none);
  FAILS(mlx_scatter_add, "axis 0 is given twice", &res, a34, one, b5, INTS(0, 0), 2, none);
  mlx_vector_array_append_value(one, i34);
  FAILS(mlx_gather, "axes: axis 2", &res, a34, one, INTS(0, 1, 2), 3, INTS(1, 1), 2, none);
  FAILS(mlx_slice_update_add, "update and the slice", &res, a34, b5, INTS(0, 0), 2, INTS(3, 4), 2,
        INTS(1, 1), 2, none);
  FAILS(mlx_slice_update_max, "strides", &res, a34, a34, INTS(0, 0), 2, INTS(3, 4), 2, INTS(0, 1),
        2, none);
  FAILS(mlx_slice_update_min, "start", &res, a34, a34, INTS(0), 1, INTS(3, 4), 2, INTS(1, 1), 2,
        none);
  FAILS(mlx_slice_update_prod, "stop is NULL", &res, a34, a34, INTS(0, 0), 2, NULL, 2, INTS(1, 1),
        2, none);
  mlx_vector_array_free(one);
}

static void test_products(void) {
  FAILS(mlx_matmul, "b with shape (3,4)", &res, a34, a34, none);
  FAILS(mlx_matmul, "a has no dimensions", &res, scalar, b5, none);
  FAILS(mlx_matmul, "a is int32", &res, i34, i34, none);
  FAILS(mlx_matmul, "a with shape (2,3,1,2)", &res, floats4d, floats4d, none);
  FAILS(mlx_addmm, "c and", &res, a34, b5, b5, 1, 1, none);
}

/* The blocks of the largest extents are counted too, before the result is found too large. */
static void test_blocks_of_the_largest(void) {
  mlx_array tall = mlx_array_new(), wide = mlx_array_new();
  failures += mlx_broadcast_to(&tall, scalar, INTS(INT_MAX, 1), 2, none);
  failures += mlx_broadcast_to(&wide, scalar, INTS(1, INT_MAX), 2, none);
  mlx_array mask = mlx_array_new_data((const bool[]){true}, INTS(1, 1), 2, MLX_BOOL);
  FAILS(mlx_block_masked_mm, "(2147483647,2147483647) is too large", &res, tall, wide, 64, no_key,
        mask, mask, none);
  FAILS(mlx_block_masked_mm, "(33554432,1)", &res, tall, wide, 64, no_key, a34, no_key, none);
  mlx_array_free(mask);
  mlx_array_free(wide);
  mlx_array_free(tall);
}

static void test_random(void) {
  FAILS(mlx_random_bits, "width is 3", &res, INTS(2), 1, 3, no_key, none);
  FAILS(mlx_random_bits, "shape", &res, INTS(-2), 1, 4, no_key, none);
  FAILS(mlx_random_bits, "key is float32", &res, INTS(2), 1, 4, b5, none);
  FAILS(mlx_random_uniform, "dtype", &res, scalar, scalar, INTS(2), 1, MLX_INT32, no_key, none);
  FAILS(mlx_random_uniform, "low", &res, b5, scalar, INTS(2), 1, MLX_FLOAT32, no_key, none);
  FAILS(mlx_random_normal, "dtype", &res, INTS(2), 1, MLX_BOOL, 0, 1, no_key, none);
  FAILS(mlx_random_randint, "dtype", &res, scalar, scalar, INTS(2), 1, MLX_FLOAT32, no_key, none);
  FAILS(mlx_random_randint, "high", &res, scalar, b5, INTS(2), 1, MLX_INT32, no_key, none);
  FAILS(mlx_random_split_num, "num is -1", &res, scalar, -1, none);
  FAILS(mlx_random_split, "key", &res, &res, no_key, none);
  FAILS(mlx_random_key, "res", NULL, 1);
}

int main(void) {
  mean_cpu();
  begin_failing();
  make_arrays();
  test_elementwise();
  test_reductions();
  test_shapes();
  test_splits_and_joins();
  test_sources();
  test_indices();
  test_products();
  test_blocks_of_the_largest();
  test_random();
  free_arrays();
  return failures != 0;
}
