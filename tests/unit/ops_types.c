/* Which dtype comes out, which steps are recorded on the way, and that an operation which changes
   nothing gives its input back. Kernels do not run here. */

#include "ops_case.h"

static enum wr_dtype unary_type(enum wr_op op, enum wr_dtype t) {
  struct wr_node *a = ops_zeros(1, SHAPE(2), t);
  struct wr_node *out = NULL;
  enum wr_dtype result = WR_DTYPE_COUNT;
  if (EXPECT(wr_ops_unary(&out, op, a, ops_stream()) == NULL)) result = wr_node_dtype(out);
  wr_node_release(out);
  wr_node_release(a);
  return result;
}

static enum wr_dtype binary_type(enum wr_op op, enum wr_dtype t, enum wr_dtype u) {
  struct wr_node *a = ops_zeros(2, SHAPE(2, 1), t);
  struct wr_node *b = ops_zeros(1, SHAPE(3), u);
  struct wr_node *out = NULL;
  enum wr_dtype result = WR_DTYPE_COUNT;
  if (EXPECT(wr_ops_binary(&out, op, a, b, ops_stream()) == NULL)) {
    EXPECT(ops_has_shape(out, 2, SHAPE(2, 3)));
    result = wr_node_dtype(out);
  }
  wr_node_release(out);
  wr_node_release(b);
  wr_node_release(a);
  return result;
}

static enum wr_dtype reduce_type(enum wr_op op, enum wr_dtype t, int ndim) {
  struct wr_node *a = ops_zeros(ndim, SHAPE(2, 3), t);
  struct wr_node *out = NULL;
  enum wr_dtype result = WR_DTYPE_COUNT;
  if (EXPECT(wr_ops_reduce(&out, op, a, NULL, WR_OPS_ALL_AXES, false, ops_stream()) == NULL)) {
    EXPECT(wr_node_ndim(out) == 0);
    result = wr_node_dtype(out);
  }
  wr_node_release(out);
  wr_node_release(a);
  return result;
}

static void test_unary(void) {
  EXPECT(unary_type(WR_OP_EXP, WR_INT64) == WR_FLOAT32);
  EXPECT(unary_type(WR_OP_EXP, WR_BFLOAT16) == WR_BFLOAT16);
  EXPECT(unary_type(WR_OP_ABS, WR_COMPLEX64) == WR_FLOAT32);
  EXPECT(unary_type(WR_OP_ABS, WR_INT8) == WR_INT8);
  EXPECT(unary_type(WR_OP_ISNAN, WR_INT8) == WR_BOOL);
  EXPECT(unary_type(WR_OP_LOGICAL_NOT, WR_FLOAT16) == WR_BOOL);
  EXPECT(unary_type(WR_OP_FLOOR, WR_INT16) == WR_INT16);
}

static void test_binary(void) {
  EXPECT(binary_type(WR_OP_ADD, WR_UINT8, WR_INT8) == WR_INT16);
  EXPECT(binary_type(WR_OP_ADD, WR_FLOAT16, WR_BFLOAT16) == WR_FLOAT32);
  EXPECT(binary_type(WR_OP_DIVIDE, WR_INT32, WR_INT32) == WR_FLOAT32);
  EXPECT(binary_type(WR_OP_LESS, WR_INT32, WR_FLOAT32) == WR_BOOL);
  EXPECT(binary_type(WR_OP_LOGICAL_OR, WR_INT32, WR_FLOAT32) == WR_BOOL);
  EXPECT(binary_type(WR_OP_POWER, WR_BOOL, WR_BOOL) == WR_BOOL);
}

static void test_reduce(void) {
  EXPECT(reduce_type(WR_OP_SUM, WR_BOOL, 2) == WR_INT32);
  EXPECT(reduce_type(WR_OP_SUM, WR_BOOL, 0) == WR_BOOL);
  EXPECT(reduce_type(WR_OP_SUM, WR_UINT16, 2) == WR_UINT32);
  EXPECT(reduce_type(WR_OP_PROD, WR_INT64, 1) == WR_INT64);
  EXPECT(reduce_type(WR_OP_MAX, WR_INT8, 2) == WR_INT8);
  EXPECT(reduce_type(WR_OP_ALL, WR_COMPLEX64, 2) == WR_BOOL);
}

/* Nothing to do: the same node, one more reference. */
static void test_identities(void) {
  struct wr_stream *s = ops_stream();
  struct wr_node *a = ops_counting(2, SHAPE(2, 3));
  struct wr_node *out[6] = {NULL};
  EXPECT(wr_ops_astype(&out[0], a, WR_FLOAT32, s) == NULL);
  EXPECT(wr_ops_reshape(&out[1], a, SHAPE(2, 3), 2, s) == NULL);
  EXPECT(wr_ops_broadcast_to(&out[2], a, SHAPE(2, 3), 2, s) == NULL);
  EXPECT(wr_ops_contiguous(&out[3], a, false, s) == NULL);
  EXPECT(wr_ops_squeeze_all(&out[4], a, s) == NULL);
  EXPECT(wr_ops_copy(&out[5], a, s) == NULL);
  for (int i = 0; i < 5; i++) EXPECT(out[i] == a);
  EXPECT(out[5] != a);
  for (int i = 0; i < 6; i++) wr_node_release(out[i]);
  wr_node_release(a);
}

int main(void) {
  test_unary();
  test_binary();
  test_reduce();
  test_identities();
  return ops_case_failures() != 0;
}
