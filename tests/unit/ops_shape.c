/* Views: which shapes, strides and offsets come out, when a reshape copies and when it does not,
   and what is refused. */

#include <limits.h>

#include "ops_case.h"

static struct wr_node *slice2(struct wr_node *a, const int *start, const int *stop,
                              const int *step) {
  struct wr_ops_range range = {start, stop, step, 2, 2, 2};
  struct wr_node *out = NULL;
  EXPECT(wr_ops_slice(&out, a, &range, ops_stream()) == NULL);
  return out;
}

static void test_slices(void) {
  struct wr_node *a = ops_counting(2, SHAPE(3, 4));
  struct wr_node *b = slice2(a, AXES(0, 1), AXES(3, 4), AXES(2, 2));
  EXPECT(ops_has_shape(b, 2, SHAPE(2, 2)) && ops_has_values(b, 4, VALUES(1, 3, 9, 11)));
  struct wr_node *c = slice2(a, AXES(-1, -1), AXES(-4, -5), AXES(-1, -3));
  EXPECT(wr_node_strides(c)[0] == -4 && wr_node_strides(c)[1] == -3);
  EXPECT(ops_has_values(c, 6, VALUES(11, 8, 7, 4, 3, 0)));
  struct wr_node *d = slice2(a, AXES(-99, 2), AXES(99, INT_MIN), AXES(INT_MAX, 1));
  EXPECT(ops_has_shape(d, 2, SHAPE(1, 0)) && ops_has_values(d, 0, NULL));
  struct wr_node *e = slice2(c, AXES(1, 1), AXES(0, 0), AXES(-1, -1));
  EXPECT(ops_has_values(e, 1, VALUES(4)));
  struct wr_node *whole = slice2(a, AXES(0, 0), AXES(3, 4), AXES(1, 1));
  EXPECT(whole == a);
  struct wr_node *all[] = {a, b, c, d, e, whole};
  for (int i = 0; i < 6; i++) wr_node_release(all[i]);
}

static void test_slice_update(void) {
  struct wr_node *a = ops_counting(2, SHAPE(2, 3));
  struct wr_node *u = ops_zeros(0, NULL, WR_INT32);
  struct wr_ops_range range = {AXES(0, 2), AXES(2, 0), AXES(1, -1), 2, 2, 2};
  struct wr_node *out = NULL;
  EXPECT(wr_ops_slice_update(&out, WR_OP_COPY, a, u, &range, ops_stream()) == NULL);
  EXPECT(ops_has_values(out, 6, VALUES(0, 0, 0, 3, 0, 0)));
  wr_node_release(out);
  struct wr_node *wide = ops_counting(1, SHAPE(5));
  EXPECT(ops_fails(wr_ops_slice_update(&out, WR_OP_COPY, a, wide, &range, ops_stream()), "update"));
  range.n_stop = 1;
  EXPECT(ops_fails(wr_ops_slice_update(&out, WR_OP_COPY, a, u, &range, ops_stream()), "stop"));
  range.n_stop = 2;
  range.strides = AXES(1, 0);
  EXPECT(ops_fails(wr_ops_slice_update(&out, WR_OP_COPY, a, u, &range, ops_stream()), "strides"));
  wr_node_release(wide);
  wr_node_release(u);
  wr_node_release(a);
}

static bool shares_buffer(struct wr_node *a, struct wr_node *b) {
  const void *x = NULL, *y = NULL;
  EXPECT(wr_node_host_data(a, &x) == NULL && wr_node_host_data(b, &y) == NULL);
  return x == y;
}

static void test_reshape(void) {
  struct wr_stream *s = ops_stream();
  struct wr_node *a = ops_counting(3, SHAPE(2, 3, 4));
  struct wr_node *b = NULL, *t = NULL, *c = NULL, *d = NULL;
  EXPECT(wr_ops_reshape(&b, a, SHAPE(6, -1, 1), 3, s) == NULL);
  EXPECT(ops_has_shape(b, 3, SHAPE(6, 4, 1)) && shares_buffer(a, b));
  EXPECT(wr_ops_transpose(&t, a, AXES(2, 0, -2), 3, s) == NULL);
  EXPECT(ops_has_shape(t, 3, SHAPE(4, 2, 3)));
  EXPECT(wr_ops_reshape(&c, t, SHAPE(2, 2, 6), 3, s) == NULL);
  EXPECT(wr_node_strides(c)[0] == 2 && wr_node_strides(c)[1] == 1 && wr_node_strides(c)[2] == 4);
  EXPECT(wr_ops_reshape(&d, t, SHAPE(-1), 1, s) == NULL);
  EXPECT(wr_node_is_row_contiguous(d) && !shares_buffer(a, d));
  EXPECT(ops_has_values(d, 24,
                        VALUES(0, 4, 8, 12, 16, 20, 1, 5, 9, 13, 17, 21, 2, 6, 10, 14, 18, 22, 3, 7,
                               11, 15, 19, 23)));
  struct wr_node *out = NULL;
  EXPECT(ops_fails(wr_ops_reshape(&out, a, SHAPE(-1, -1), 2, s), "shape"));
  EXPECT(ops_fails(wr_ops_reshape(&out, a, SHAPE(5, -1), 2, s), "shape"));
  EXPECT(ops_fails(wr_ops_reshape(&out, a, SHAPE(0, -1), 2, s), "shape"));
  EXPECT(ops_fails(wr_ops_reshape(&out, a, SHAPE(-2, -12), 2, s), "negative"));
  EXPECT(ops_fails(wr_ops_reshape(&out, a, SHAPE(INT_MAX, INT_MAX, INT_MAX), 3, s), "too large"));
  struct wr_node *all[] = {a, b, t, c, d};
  for (int i = 0; i < 5; i++) wr_node_release(all[i]);
}

static void test_broadcast(void) {
  struct wr_stream *s = ops_stream();
  struct wr_node *a = ops_counting(2, SHAPE(3, 1));
  struct wr_node *b = NULL, *c = NULL, *out = NULL;
  EXPECT(wr_ops_broadcast_to(&b, a, SHAPE(2, 3, 2), 3, s) == NULL);
  EXPECT(wr_node_strides(b)[0] == 0 && wr_node_strides(b)[2] == 0);
  EXPECT(ops_has_values(b, 12, VALUES(0, 0, 1, 1, 2, 2, 0, 0, 1, 1, 2, 2)));
  EXPECT(wr_ops_broadcast_to(&c, a, SHAPE(3, 0), 2, s) == NULL && wr_node_size(c) == 0);
  EXPECT(ops_fails(wr_ops_broadcast_to(&out, a, SHAPE(4, 1), 2, s), "broadcast"));
  EXPECT(ops_fails(wr_ops_broadcast_to(&out, a, SHAPE(1), 1, s), "broadcast"));
  EXPECT(ops_fails(wr_ops_broadcast_to(&out, a, SHAPE(3, -1), 2, s), "negative"));
  EXPECT(ops_fails(wr_ops_broadcast_to(&out, a, SHAPE(INT_MAX, INT_MAX, INT_MAX, 3, 1), 5, s),
                   "too large"));
  wr_node_release(a);
  wr_node_release(b);
  wr_node_release(c);
}

/* As in MLX, the result is as large as both together. */
static void test_full_like(void) {
  struct wr_stream *s = ops_stream();
  struct wr_node *a = ops_counting(2, SHAPE(3, 1)), *b = ops_counting(2, SHAPE(1, 2));
  struct wr_node *c = ops_counting(1, SHAPE(4)), *out = NULL;
  EXPECT(wr_ops_full_like(&out, a, b, WR_INT8, s) == NULL && ops_has_shape(out, 2, SHAPE(3, 2)));
  wr_node_release(out);
  EXPECT(ops_fails(wr_ops_full_like(&out, b, c, WR_INT8, s), "vals"));
  wr_node_release(a);
  wr_node_release(b);
  wr_node_release(c);
}

static void test_axes(void) {
  struct wr_stream *s = ops_stream();
  struct wr_node *a = ops_counting(3, SHAPE(1, 3, 1));
  struct wr_node *out = NULL;
  EXPECT(wr_ops_squeeze_all(&out, a, s) == NULL && ops_has_shape(out, 1, SHAPE(3)));
  wr_node_release(out);
  EXPECT(wr_ops_squeeze(&out, a, AXES(-1), 1, s) == NULL && ops_has_shape(out, 2, SHAPE(1, 3)));
  wr_node_release(out);
  EXPECT(wr_ops_expand_dims(&out, a, AXES(0, -1), 2, s) == NULL);
  EXPECT(ops_has_shape(out, 5, SHAPE(1, 1, 3, 1, 1)));
  wr_node_release(out);
  EXPECT(wr_ops_flatten(&out, a, -99, 1, s) == NULL && ops_has_shape(out, 2, SHAPE(3, 1)));
  wr_node_release(out);
  EXPECT(ops_fails(wr_ops_squeeze(&out, a, AXES(1), 1, s), "axis 1"));
  EXPECT(ops_fails(wr_ops_squeeze(&out, a, AXES(0, -3), 2, s), "twice"));
  EXPECT(ops_fails(wr_ops_squeeze(&out, a, AXES(3), 1, s), "axis 3"));
  EXPECT(ops_fails(wr_ops_expand_dims(&out, a, AXES(INT_MIN), 1, s), "axis"));
  EXPECT(ops_fails(wr_ops_expand_dims(&out, a, AXES(0), INT_MAX, s), "axes"));
  EXPECT(ops_fails(wr_ops_transpose(&out, a, AXES(0, 1), 2, s), "axes"));
  EXPECT(ops_fails(wr_ops_transpose(&out, a, AXES(0, 1, 1), 3, s), "twice"));
  EXPECT(ops_fails(wr_ops_swapaxes(&out, a, 0, 3, s), "axis2"));
  EXPECT(ops_fails(wr_ops_flatten(&out, a, 2, 1, s), "start_axis"));
  wr_node_release(a);
}

/* Extents beside a 0 may be as large as they like; nothing may overflow on the way. */
static void test_huge_empty(void) {
  struct wr_stream *s = ops_stream();
  struct wr_node *a = ops_zeros(4, SHAPE(0, INT_MAX, INT_MAX, INT_MAX), WR_FLOAT32);
  struct wr_node *out = NULL;
  struct wr_ops_range range = {
      AXES(0, INT_MAX, 5, INT_MAX), AXES(0, INT_MIN, 9, INT_MIN), AXES(1, -5, 1, -7), 4, 4, 4};
  EXPECT(wr_ops_slice(&out, a, &range, s) == NULL && wr_node_size(out) == 0);
  wr_node_release(out);
  EXPECT(ops_fails(wr_ops_flatten(&out, a, 1, 3, s), "too many"));
  EXPECT(wr_ops_flatten(&out, a, 0, 3, s) == NULL && ops_has_shape(out, 1, SHAPE(0)));
  wr_node_release(out);
  wr_node_release(a);
}

int main(void) {
  test_slices();
  test_slice_update();
  test_reshape();
  test_broadcast();
  test_full_like();
  test_axes();
  test_huge_empty();
  return ops_case_failures() != 0;
}
