/* What a view keeps of how it was made: the axes of a transposition, the starts and steps of a
   slice and of the parts of a split, what runs along a diagonal, strides that were named; all
   counted in its input. A view may have another dtype than its input, and more inputs than one. */

#include "graph/internal.h"
#include "ops/internal.h"
#include "ops_case.h"

static void expect_axes(struct wr_node *taken, int ndim, const int *axes) {
  const struct wr_axes_params *params = taken->params;
  EXPECT(taken->op == WR_OP_TRANSPOSE && wr_node_ndim(taken) == ndim);
  for (int d = 0; d < ndim; d++) EXPECT(params->axes[d] == axes[d]);
  wr_node_release(taken);
}

static void test_transpositions(void) {
  struct wr_node *a = ops_counting(3, SHAPE(2, 3, 4)), *out = NULL;
  EXPECT(wr_ops_transpose(&out, a, AXES(-1, 0, 1), 3, ops_stream()) == NULL);
  expect_axes(out, 3, AXES(2, 0, 1));
  EXPECT(wr_ops_transpose_all(&out, a, ops_stream()) == NULL);
  expect_axes(out, 3, AXES(2, 1, 0));
  EXPECT(wr_ops_swapaxes(&out, a, 0, -1, ops_stream()) == NULL);
  expect_axes(out, 3, AXES(2, 1, 0));
  wr_node_release(a);
}

static void expect_slice(struct wr_node *taken, enum wr_op op, int ndim, const int *start,
                         const int *step) {
  const struct wr_slice_params *params = taken->params;
  EXPECT(taken->op == op && wr_node_ndim(taken) == ndim);
  for (int d = 0; d < ndim; d++) {
    EXPECT(params->axis[d].start == start[d] && params->axis[d].step == step[d]);
  }
  wr_node_release(taken);
}

static void test_slices(void) {
  struct wr_node *a = ops_counting(2, SHAPE(6, 8)), *turned = NULL, *out = NULL;
  struct wr_ops_range range = {AXES(-1, 1), AXES(-9, 8), AXES(-2, 3), 2, 2, 2};
  EXPECT(wr_ops_slice(&out, a, &range, ops_stream()) == NULL);
  expect_slice(out, WR_OP_SLICE, 2, AXES(5, 1), AXES(-2, 3));
  EXPECT(wr_ops_transpose_all(&turned, a, ops_stream()) == NULL);
  EXPECT(wr_ops_slice(&out, turned, &range, ops_stream()) == NULL);
  expect_slice(out, WR_OP_SLICE, 2, AXES(7, 1), AXES(-2, 3)); /* of its input, not of the buffer */
  EXPECT(wr_ops_split_part(&out, a, 2, 1, 1, ops_stream()) == NULL);
  expect_slice(out, WR_OP_SPLIT, 2, AXES(0, 4), AXES(1, 1));
  EXPECT(wr_ops_split_section(&out, a, AXES(2, 5), 2, 0, 1, ops_stream()) == NULL);
  expect_slice(out, WR_OP_SPLIT, 2, AXES(2, 0), AXES(1, 1));
  wr_node_release(turned);
  wr_node_release(a);
}

static void test_diagonals(void) {
  struct wr_node *a = ops_counting(3, SHAPE(3, 2, 5)), *out = NULL;
  EXPECT(wr_ops_diagonal(&out, a, -1, 2, 0, ops_stream()) == NULL);
  EXPECT(out->op == WR_OP_COPY && wr_node_is_row_contiguous(out)); /* as MLX's */
  const struct wr_node *view = wr_edges_of(out)->in[0];
  const struct wr_diagonal_params *params = view->params;
  EXPECT(view->op == WR_OP_DIAGONAL && ops_has_shape(out, 2, SHAPE(2, 3)));
  EXPECT(params->axis[0].with == 1 && params->axis[1].with == 0 && params->axis[2].with == 1);
  EXPECT(params->axis[0].start == 0 && params->axis[1].start == 0 && params->axis[2].start == 1);
  EXPECT(ops_has_values(out, 6, VALUES(1, 12, 23, 6, 17, 28)));
  wr_node_release(out);
  wr_node_release(a);
}

static void test_named_strides(void) {
  struct wr_node *a = ops_counting(2, SHAPE(3, 4)), *out = NULL;
  EXPECT(wr_ops_as_strided(&out, a, SHAPE(2, 3), 2, (const int64_t[]){-4, 2}, 2, 5, ops_stream()) ==
         NULL);
  const struct wr_as_strided_params *params = out->params;
  EXPECT(out->op == WR_OP_AS_STRIDED && params->offset == 5);
  EXPECT(params->strides[0] == -4 && params->strides[1] == 2);
  EXPECT(ops_has_values(out, 6, VALUES(5, 7, 9, 1, 3, 5)));
  wr_node_release(out);
  wr_node_release(a);
}

/* The high halves of float32 numbers, backwards: bfloat16 with twice the stride. */
static void test_other_dtype(void) {
  struct wr_node *a = ops_counting(1, SHAPE(5)), *out = NULL, *wide = NULL;
  const struct wr_record record = {.op = WR_OP_SLICE,
                                   .dtype = WR_BFLOAT16,
                                   .ndim = 1,
                                   .shape = SHAPE(5),
                                   .n_in = 1,
                                   .in = &a,
                                   .stream = ops_stream()};
  EXPECT(wr_ops_view_of(&out, &record, (const int64_t[]){-2}, 9) == NULL);
  EXPECT(!wr_node_is_row_contiguous(out));
  EXPECT(wr_ops_astype(&wide, out, WR_FLOAT32, ops_stream()) == NULL);
  EXPECT(ops_has_values(wide, 5, VALUES(4, 3, 2, 1, 0)));
  wr_node_release(wide);
  wr_node_release(out);
  wr_node_release(a);
}

static void test_more_inputs(void) {
  struct wr_node *a = ops_counting(2, SHAPE(2, 3)), *b = NULL, *turned = NULL, *out = NULL;
  EXPECT(wr_ops_unary(&b, WR_OP_EXP, a, ops_stream()) == NULL);
  EXPECT(wr_ops_transpose_all(&turned, a, ops_stream()) == NULL);
  EXPECT(wr_ops_depends(&out, turned, &b, 1, ops_stream()) == NULL);
  EXPECT(!wr_node_is_available(b));
  EXPECT(ops_has_values(out, 6, VALUES(0, 3, 1, 4, 2, 5)));
  EXPECT(wr_node_is_available(b));
  wr_node_release(out);
  wr_node_release(turned);
  wr_node_release(b);
  wr_node_release(a);
}

int main(void) {
  test_transpositions();
  test_slices();
  test_diagonals();
  test_named_strides();
  test_other_dtype();
  test_more_inputs();
  return ops_case_failures() != 0;
}
