/* Layouts, tilings, products over axes, einsum and distributions called wrongly: sizes that
   overflow, axes given twice, views that leave their array, subscripts that are none. Each gives rc
   1 and a message that names operation and argument, and leaves its result alone. */

#include <limits.h>

#include "fails.h"
#include "mean_cpu.h"

static const mlx_stream none = {NULL};
static const mlx_array no_key = {NULL};
static mlx_array a34, b5, i34, scalar, empty03, deep;

static mlx_array zeros(mlx_dtype dtype, const int *shape, int ndim) {
  static const char data[4096];
  return mlx_array_new_data(data, shape, ndim, dtype);
}

static void make_arrays(void) {
  int ones[32];
  for (int i = 0; i < 32; i++) ones[i] = 1;
  a34 = zeros(MLX_FLOAT32, INTS(3, 4), 2);
  b5 = zeros(MLX_FLOAT32, INTS(5), 1);
  i34 = zeros(MLX_INT32, INTS(3, 4), 2);
  scalar = mlx_array_new_float(1.0f);
  empty03 = zeros(MLX_FLOAT32, INTS(0, 3), 2);
  deep = zeros(MLX_FLOAT32, ones, 32);
}

static void free_arrays(void) {
  mlx_array all[] = {a34, b5, i34, scalar, empty03, deep, res};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) mlx_array_free(all[i]);
}

static void test_layouts(void) {
  FAILS(mlx_moveaxis, "source 2", &res, a34, 2, 0, none);
  FAILS(mlx_moveaxis, "destination -2147483648", &res, a34, 0, INT_MIN, none);
  FAILS(mlx_unflatten, "axis 2", &res, a34, 2, INTS(1), 1, none);
  FAILS(mlx_unflatten, "shape is empty", &res, a34, 0, INTS(1), 0, none);
  FAILS(mlx_unflatten, "(-1,-1)", &res, a34, 1, INTS(-1, -1), 2, none);
  FAILS(mlx_unflatten, "(-2,-2)", &res, a34, 1, INTS(-2, -2), 2, none);
  FAILS(mlx_unflatten, "shape", &res, a34, 1, INTS(INT_MAX, INT_MAX, INT_MAX), 3, none);
  FAILS(mlx_unflatten, "(0,-1)", &res, empty03, 0, INTS(0, -1), 2, none);
  FAILS(mlx_unflatten, "more than 32", &res, deep, 0, INTS(1, 1), 2, none);
  FAILS(mlx_atleast_1d, "a is an empty array", &res, no_key, none);
  FAILS(mlx_diag, "a has 0 dimensions", &res, scalar, 0, none);
  FAILS(mlx_diag, "k is 2147483647", &res, b5, INT_MAX, none);
  FAILS(mlx_diag, "k is -2147483648", &res, b5, INT_MIN, none);
  FAILS(mlx_diagonal, "the same axis", &res, a34, 0, 1, -1, none);
  FAILS(mlx_diagonal, "axis1 0", &res, scalar, 0, 0, 1, none);
  FAILS(mlx_trace, "axis2 2", &res, a34, 0, 0, 2, MLX_FLOAT32, none);
  FAILS(mlx_trace, "dtype", &res, a34, 0, 0, 1, (mlx_dtype)99, none);
  FAILS(mlx_view, "a with shape (5) of float32", &res, b5, MLX_COMPLEX64, none);
  FAILS(mlx_view, "a with shape () of float32", &res, scalar, MLX_UINT8, none);
  FAILS(mlx_number_of_elements, "axis 2", &res, a34, INTS(2), 1, false, MLX_INT32, none);
}

static void test_strides(void) {
  FAILS(mlx_as_strided, "strides has 1", &res, a34, INTS(2, 2), 2, STRIDES(1), 1, 0, none);
  FAILS(mlx_as_strided, "strides is NULL", &res, a34, INTS(2), 1, NULL, 1, 0, none);
  FAILS(mlx_as_strided, "shape", &res, a34, INTS(-2), 1, STRIDES(1), 1, 0, none);
  FAILS(mlx_as_strided, "leaves the 12 elements", &res, a34, INTS(13), 1, STRIDES(1), 1, 0, none);
  FAILS(mlx_as_strided, "leaves", &res, a34, INTS(2), 1, STRIDES(-1), 1, 0, none);
  FAILS(mlx_as_strided, "leaves", &res, a34, INTS(1), 1, STRIDES(1), 1, 12, none);
  FAILS(mlx_as_strided, "leaves", &res, a34, INTS(1), 1, STRIDES(1), 1, SIZE_MAX, none);
  FAILS(mlx_as_strided, "leaves", &res, a34, INTS(2), 1, STRIDES(INT64_MIN), 1, 0, none);
  FAILS(mlx_as_strided, "leaves", &res, a34, INTS(3), 1, STRIDES(INT64_MAX), 1, 0, none);
  FAILS(mlx_as_strided, "leaves", &res, a34, INTS(3, 3), 2, STRIDES(INT64_MAX / 2, INT64_MAX / 2),
        2, 1, none);
  FAILS(mlx_as_strided, "leaves the 0 elements", &res, empty03, NULL, 0, NULL, 0, 0, none);
}

static void test_tilings(void) {
  FAILS(mlx_repeat_axis, "axis 2", &res, a34, 1, 2, none);
  FAILS(mlx_repeat_axis, "repeats: -1", &res, a34, -1, 0, none);
  FAILS(mlx_repeat, "repeats", &res, a34, INT_MAX, none);
  FAILS(mlx_tile, "reps: -2", &res, a34, INTS(-2), 1, none);
  FAILS(mlx_tile, "reps", &res, a34, INTS(1, INT_MAX), 2, none);
  FAILS(mlx_tile, "reps has 33 entries", &res, a34, (const int[33]){1}, 33, none);
  FAILS(mlx_roll_axis, "axis -3", &res, a34, INTS(1), 1, -3, none);
  FAILS(mlx_roll_axes, "shift has 1", &res, a34, INTS(1), 1, INTS(0, 1), 2, none);
  FAILS(mlx_roll, "shift is NULL", &res, a34, NULL, 1, none);
  FAILS(mlx_pad, "high_pad_size 0", &res, a34, INTS(0), 1, INTS(1), 1, NULL, 0, scalar, "edge",
        none);
  FAILS(mlx_pad, "entry 0 is -1", &res, a34, INTS(0), 1, INTS(-1), 1, INTS(1), 1, scalar, "edge",
        none);
  FAILS(mlx_pad, "axis 2", &res, a34, INTS(2), 1, INTS(1), 1, INTS(1), 1, scalar, "edge", none);
  FAILS(mlx_pad, "mode is \"up\"", &res, a34, INTS(0), 1, INTS(1), 1, INTS(1), 1, scalar, "up",
        none);
  FAILS(mlx_pad, "4294967297 elements", &res, a34, INTS(0), 1, INTS(INT_MAX), 1, INTS(INT_MAX), 1,
        scalar, "constant", none);
  FAILS(mlx_pad, "no edge", &res, empty03, INTS(0), 1, INTS(1), 1, INTS(1), 1, scalar, "edge",
        none);
  FAILS(mlx_pad_symmetric, "pad_width is -1", &res, a34, -1, scalar, "constant", none);
  FAILS(mlx_pad_symmetric, "pad_value", &res, a34, 1, no_key, "constant", none);
}

static void test_order(void) {
  FAILS(mlx_median, "axes is empty", &res, a34, NULL, 0, false, none);
  FAILS(mlx_median, "axis -1 is given twice", &res, a34, INTS(1, -1), 2, false, none);
  FAILS(mlx_median, "no elements", &res, empty03, INTS(0), 1, false, none);
  FAILS(mlx_partition_axis, "kth 4", &res, a34, 4, 1, none);
  FAILS(mlx_partition_axis, "axis 2", &res, a34, 0, 2, none);
  FAILS(mlx_partition, "kth -13", &res, a34, -13, none);
  FAILS(mlx_argpartition, "kth 0", &res, empty03, 0, none);
  FAILS(mlx_argpartition_axis, "kth -2147483648", &res, a34, INT_MIN, 0, none);
}

static void test_places(void) {
  mlx_array two = zeros(MLX_INT32, INTS(2), 1);
  FAILS(mlx_slice_dynamic, "start is float32", &res, a34, b5, INTS(0), 1, INTS(1, 1), 2, none);
  FAILS(mlx_slice_dynamic, "start with shape (2)", &res, a34, two, INTS(0), 1, INTS(1, 1), 2, none);
  FAILS(mlx_slice_dynamic, "axis -1 is given twice", &res, a34, two, INTS(1, -1), 2, INTS(1, 1), 2,
        none);
  FAILS(mlx_slice_dynamic, "slice_size (4,1)", &res, a34, two, INTS(0, 1), 2, INTS(4, 1), 2, none);
  FAILS(mlx_slice_update_dynamic, "update with shape (5)", &res, a34, b5, two, INTS(0, 1), 2, none);
  FAILS(mlx_put_along_axis, "indices are float32", &res, a34, a34, a34, 0, none);
  FAILS(mlx_put_along_axis, "axis 2", &res, a34, i34, a34, 2, none);
  FAILS(mlx_put_along_axis, "do not fit a", &res, a34, two, a34, 0, none);
  FAILS(mlx_scatter_add_axis, "do not fit a", &res, a34, i34, b5, 0, none);
  mlx_array_free(two);
}

static void test_products(void) {
  FAILS(mlx_inner, "axis -1 of a", &res, a34, b5, none);
  FAILS(mlx_inner, "a is int32", &res, i34, i34, none);
  FAILS(mlx_kron, "a has no elements", &res, empty03, a34, none);
  FAILS(mlx_kron, "a has 32 dimensions", &res, deep, a34, none);
  FAILS(mlx_tensordot_axis, "axis is -1", &res, a34, a34, -1, none);
  FAILS(mlx_tensordot_axis, "axis is 3", &res, a34, a34, 3, none);
  FAILS(mlx_tensordot, "axes_a has 1", &res, a34, a34, INTS(0), 1, INTS(0, 1), 2, none);
  FAILS(mlx_tensordot, "axes_b: ", &res, a34, a34, INTS(0, 1), 2, INTS(0, 0), 2, none);
}

static void sum_fails(int line, const char *subscripts, int n, const char *word) {
  const mlx_array both[2] = {a34, a34};
  mlx_vector_array operands = mlx_vector_array_new_data(both, (size_t)n);
  fails(mlx_einsum(&res, subscripts, operands, none), line, "mlx_einsum", word);
  mlx_vector_array_free(operands);
}
#define SUM_FAILS(subscripts, n, word) sum_fails(__LINE__, subscripts, n, word)

static void test_sums(void) {
  char many[512];
  memset(many, 'i', sizeof many);
  many[sizeof many - 1] = '\0';
  SUM_FAILS(NULL, 1, "subscripts is NULL");
  SUM_FAILS("ij", 0, "operands is empty");
  SUM_FAILS("ij,", 2, "1 terms for 2 operands");
  SUM_FAILS("ij,jk,kl->il", 2, "3 terms for 2 operands");
  SUM_FAILS("i1->i", 1, "neither a letter");
  SUM_FAILS("i..j", 1, "neither a letter");
  SUM_FAILS("ij-ji", 1, "neither a letter");
  SUM_FAILS("ij->j->i", 1, "neither a letter");
  SUM_FAILS("...i...->i", 1, "more than once");
  SUM_FAILS("i", 1, "1 letters for number 0");
  SUM_FAILS("ijk...", 1, "3 letters and \"...\"");
  SUM_FAILS("ii", 1, "letter i of shape (3,4)");
  SUM_FAILS("ij->ii", 1, "letter i twice");
  SUM_FAILS("ij->k", 1, "letter k, which no operand has");
  SUM_FAILS("ij,jk->ik", 2, "does not fit the others");
  SUM_FAILS(many, 1, "too many letters");
  const mlx_array whole[2] = {i34, i34};
  mlx_vector_array operands = mlx_vector_array_new_data(whole, 2);
  FAILS(mlx_einsum, "int32", &res, "ij,ij->i", operands, none);
  mlx_vector_array_free(operands);
}

static void test_lists(void) {
  mlx_vector_array parts = mlx_vector_array_new(), mixed = mlx_vector_array_new_value(a34);
  mlx_vector_array_append_value(mixed, b5);
  FAILS(mlx_broadcast_arrays, "Shapes (3,4) and (5) cannot be broadcast.", &parts, mixed, none);
  FAILS(mlx_meshgrid, "indexing", &parts, mixed, false, "yx", none);
  mlx_array vast = mlx_array_new();
  failures += mlx_broadcast_to(&vast, scalar, INTS(65537, 65536), 2, none);
  mlx_vector_array_append_value(mixed, vast);
  FAILS(mlx_meshgrid, "arrays", &parts, mixed, false, "ij", none);
  mlx_array_free(vast);
  mlx_vector_array_free(mixed);
  mlx_vector_array_free(parts);
}

static void test_random(void) {
  FAILS(mlx_random_bernoulli, "p is int32", &res, i34, INTS(3, 4), 2, no_key, none);
  FAILS(mlx_random_bernoulli, "p with shape (5)", &res, b5, INTS(3), 1, no_key, none);
  FAILS(mlx_random_categorical, "axis 2", &res, a34, 2, no_key, none);
  FAILS(mlx_random_categorical_num_samples, "num_samples", &res, a34, 0, -1, no_key, none);
  FAILS(mlx_random_categorical_shape, "cannot be broadcast to", &res, a34, 0, INTS(3), 1, no_key,
        none);
  FAILS(mlx_random_gumbel, "dtype", &res, INTS(2), 1, MLX_INT32, no_key, none);
  FAILS(mlx_random_laplace, "dtype", &res, INTS(2), 1, MLX_BOOL, 0, 1, no_key, none);
  FAILS(mlx_random_truncated_normal, "dtype", &res, scalar, scalar, INTS(2), 1, MLX_INT8, no_key,
        none);
  FAILS(mlx_random_normal_broadcast, "dtype", &res, INTS(2), 1, MLX_INT8, no_key, no_key, no_key,
        none);
  FAILS(mlx_random_permutation, "axis 2", &res, a34, 2, no_key, none);
  FAILS(mlx_random_permutation_arange, "x is -1", &res, -1, no_key, none);
}

int main(void) {
  mean_cpu();
  begin_failing();
  make_arrays();
  test_layouts();
  test_strides();
  test_tilings();
  test_order();
  test_places();
  test_products();
  test_sums();
  test_lists();
  test_random();
  free_arrays();
  return failures != 0;
}
