#ifndef WR_TESTS_SUPPORT_VMAP_ROWS_H
#define WR_TESTS_SUPPORT_VMAP_ROWS_H

/* The rows of tests/unit/vmap.c beside those of derivative_rows.h: functions that have no
   derivative, and ways of mapping indices, keys and matrices. Inputs are floats; functions cast
   them. */

#include "derivative_rows.h"

#define STEP(...) wr_compose_step(&c, __VA_ARGS__)
#define SLOT wr_compose_slot(&c)

static struct wr_node *as(struct wr_compose *c, struct wr_node *a, enum wr_dtype t) {
  return wr_compose_astype(c, a, t);
}

#define TEST1(ID) \
  BODY(t_##ID) { return wr_ops_unary(out, WR_OP_##ID, in[0], s); }
#define WHOLE2(ID)                                                                            \
  BODY(w_##ID) {                                                                              \
    struct wr_compose c = wr_compose_begin(s);                                                \
    return wr_compose_end(                                                                    \
        &c, out,                                                                              \
        wr_compose_binary(&c, WR_OP_##ID, as(&c, in[0], WR_INT32), as(&c, in[1], WR_INT32))); \
  }
/* clang-format off */
TEST1(CEIL) TEST1(FLOOR) TEST1(ROUND) TEST1(ISFINITE) TEST1(ISINF) TEST1(ISNAN) TEST1(ISNEGINF)
TEST1(ISPOSINF) TEST1(LOGICAL_NOT)
WHOLE2(BITWISE_AND) WHOLE2(BITWISE_OR) WHOLE2(BITWISE_XOR) WHOLE2(EQUAL) WHOLE2(EQUAL_NAN)
WHOLE2(FLOOR_DIVIDE) WHOLE2(GREATER) WHOLE2(GREATER_EQUAL) WHOLE2(LEFT_SHIFT) WHOLE2(LESS)
WHOLE2(LESS_EQUAL) WHOLE2(LOGICAL_AND) WHOLE2(LOGICAL_OR) WHOLE2(NOT_EQUAL) WHOLE2(RIGHT_SHIFT)
BODY(bitwise_invert) {
  struct wr_compose c = wr_compose_begin(s);
  return wr_compose_end(&c, out,
                        STEP(wr_ops_bitwise_invert(SLOT, as(&c, in[0], WR_INT32), s)));
}
/* clang-format on */
BODY(all_rows) { return wr_ops_reduce(out, WR_OP_ALL, in[0], last, 1, true, s); }
BODY(any_all) { return wr_ops_reduce(out, WR_OP_ANY, in[0], NULL, WR_OPS_ALL_AXES, false, s); }
BODY(argmax) { return wr_ops_arg_reduce(out, WR_OP_ARGMAX, in[0], 0, false, s); }
BODY(argmin_kept) { return wr_ops_arg_reduce(out, WR_OP_ARGMIN, in[0], -1, true, s); }
BODY(argmax_all) { return wr_ops_arg_reduce_all(out, WR_OP_ARGMAX, in[0], false, s); }
BODY(argmin_all) { return wr_ops_arg_reduce_all(out, WR_OP_ARGMIN, in[0], true, s); }
BODY(argsort) { return wr_ops_sort(out, WR_OP_ARGSORT, in[0], 0, s); }
BODY(median) { return wr_ops_median(out, in[0], last, 1, false, s); }
BODY(stopped) { return wr_ops_stop_gradient(out, in[0], s); }
BODY(view_same) {
  struct wr_compose c = wr_compose_begin(s);
  return wr_compose_end(&c, out,
                        STEP(wr_ops_view_dtype(SLOT, as(&c, in[0], WR_INT32), WR_UINT32, s)));
}
BODY(view_narrow) {
  struct wr_compose c = wr_compose_begin(s);
  return wr_compose_end(&c, out,
                        STEP(wr_ops_view_dtype(SLOT, as(&c, in[0], WR_INT32), WR_UINT8, s)));
}
BODY(constant) {
  (void)in;
  return wr_ops_fill(out, &group, 0, 3, WR_FLOAT32, s);
}
BODY(itself) {
  (void)s;
  *out = wr_node_retain(in[0]);
  return NULL;
}

/* ---- by index: of whole numbers that are inputs ---- */

BODY(take_mapped) {
  struct wr_compose c = wr_compose_begin(s);
  return wr_compose_end(&c, out, STEP(wr_ops_take(SLOT, in[0], as(&c, in[1], WR_INT32), 1, s)));
}
BODY(take_first) {
  struct wr_compose c = wr_compose_begin(s);
  return wr_compose_end(&c, out, STEP(wr_ops_take(SLOT, in[0], as(&c, in[1], WR_UINT8), 0, s)));
}
BODY(gather_mapped) {
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *at[2] = {as(&c, in[1], WR_INT64), as(&c, in[2], WR_INT64)};
  if (c.error) return wr_compose_drop(&c);
  return wr_compose_end(
      &c, out, STEP(wr_ops_gather(SLOT, in[0], at, 2, both, 2, (const int[]){1, 2, 1}, 3, s)));
}
BODY(along_mapped) {
  struct wr_compose c = wr_compose_begin(s);
  return wr_compose_end(&c, out,
                        STEP(wr_ops_take_along_axis(SLOT, in[0], as(&c, in[1], WR_INT32), 1, s)));
}
static struct wr_error *scatter_mapped(struct wr_node **out, struct wr_node *const *in,
                                       struct wr_stream *s, enum wr_op by) {
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *at = as(&c, in[2], WR_INT32);
  if (c.error) return wr_compose_drop(&c);
  return wr_compose_end(&c, out, STEP(wr_ops_scatter(SLOT, by, in[0], &at, 1, in[1], first, 1, s)));
}
BODY(scatter_add_mapped) { return scatter_mapped(out, in, s, WR_OP_ADD); }
BODY(scatter_max_mapped) { return scatter_mapped(out, in, s, WR_OP_MAXIMUM); }
/* Without index arrays, the updates go to the beginning. */
BODY(scatter_at_once) { return wr_ops_scatter(out, WR_OP_ADD, in[0], NULL, 0, in[1], NULL, 0, s); }
BODY(slice_update_at_once) {
  struct wr_compose c = wr_compose_begin(s);
  return wr_compose_end(&c, out,
                        STEP(wr_ops_slice_update_dynamic(
                            SLOT, in[0], in[1], as(&c, in[2], WR_INT32), (const int[]){1}, 1, s)));
}
BODY(put_mapped) {
  struct wr_compose c = wr_compose_begin(s);
  return wr_compose_end(
      &c, out,
      STEP(wr_ops_scatter_axis(SLOT, WR_OP_ADD, in[0], as(&c, in[1], WR_INT32), in[2], 1, s)));
}
BODY(slice_dynamic) {
  static const int32_t size[] = {2, 2};
  struct wr_compose c = wr_compose_begin(s);
  return wr_compose_end(&c, out,
                        STEP(wr_ops_slice_dynamic(SLOT, in[0], as(&c, in[1], WR_INT32),
                                                  (const int[]){1}, 1, size, 2, s)));
}

/* ---- keys ---- */

static struct wr_error *drawn(struct wr_node **out, struct wr_node *key, struct wr_stream *s,
                              int width) {
  struct wr_compose c = wr_compose_begin(s);
  return wr_compose_end(
      &c, out,
      STEP(wr_ops_random_bits(SLOT, (const int32_t[]){3, 5}, 2, width, as(&c, key, WR_UINT32), s)));
}
BODY(bits_wide) { return drawn(out, in[0], s, 4); }
BODY(bits_narrow) { return drawn(out, in[0], s, 1); }
BODY(normal) {
  struct wr_compose c = wr_compose_begin(s);
  return wr_compose_end(&c, out,
                        STEP(wr_ops_random_normal(SLOT, (const int32_t[]){7}, 1, WR_FLOAT32, 1, 2,
                                                  as(&c, in[0], WR_UINT32), s)));
}

/* ---- results in parts, joined to one ---- */

static struct wr_error *joined(struct wr_node **out, struct wr_node **parts, int n, enum wr_dtype t,
                               struct wr_stream *s) {
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *flat[3] = {NULL};
  for (int i = 0; i < n; i++) flat[i] = as(&c, wr_compose_flatten(&c, parts[i]), t);
  struct wr_node *all = wr_compose_join(&c, flat, n, 0);
  struct wr_error *error = wr_compose_end(&c, out, all);
  for (int i = 0; i < n; i++) wr_node_release(parts[i]);
  return error;
}
#define PARTS(name, n, type, ...)                          \
  BODY(name) {                                             \
    struct wr_node *parts[3] = {NULL};                     \
    struct wr_error *error = __VA_ARGS__;                  \
    return error ? error : joined(out, parts, n, type, s); \
  }
PARTS(qr, 2, WR_FLOAT64, wr_ops_qr(parts, in[0], s))
PARTS(lu, 3, WR_FLOAT64, wr_ops_lu(parts, in[0], s))
PARTS(lu_factor, 2, WR_FLOAT64, wr_ops_lu_factor(parts, in[0], s))
PARTS(svd, 3, WR_FLOAT64, wr_ops_svd(parts, in[0], true, s))
PARTS(svd_values, 1, WR_FLOAT64, wr_ops_svd(parts, in[0], false, s))
PARTS(eigh, 2, WR_FLOAT64, wr_ops_eigh(parts, in[0], "L", true, s))
PARTS(eig, 2, WR_COMPLEX64, wr_ops_eig(parts, in[0], true, s))
static struct wr_error *quantize_as(struct wr_node **out, struct wr_node *w, const char *mode,
                                    int size, int width, struct wr_stream *s) {
  const struct wr_ops_how how = {&size, &width, mode};
  struct wr_node *parts[3] = {NULL};
  int n;
  struct wr_error *error = wr_ops_quantize(parts, &n, w, &how, NULL, s);
  return error ? error : joined(out, parts, n, WR_FLOAT32, s);
}
BODY(quantize) { return quantize_as(out, in[0], "affine", 32, 4, s); }
BODY(quantize_mxfp4) { return quantize_as(out, in[0], "mxfp4", 32, 4, s); }
BODY(dequantize_all) {
  const struct wr_ops_how how = {&group, &bits, "affine"};
  struct wr_node *parts[3] = {NULL};
  int n;
  struct wr_error *error = wr_ops_quantize(parts, &n, in[0], &how, NULL, s);
  if (error) return error;
  error = wr_ops_dequantize(out, parts[0], parts[1], parts[2], &how, NULL, NULL, s);
  for (int i = 0; i < n; i++) wr_node_release(parts[i]);
  return error;
}

/* Keys stand for values too. */
BODY(attention_sinks) {
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *mask = wr_compose_count(&c, -1, 2, WR_FLOAT32), **slot = wr_compose_slot(&c);
  if (c.error) return wr_compose_drop(&c);
  struct wr_error *error =
      wr_ops_attention(slot, in[0], in[1], in[1], 0.5f, "array", mask, in[2], s);
  return wr_compose_end(&c, out, wr_compose_step(&c, error));
}

static const struct row vmap_rows[] = {
    F(t_CEIL, {3, 4}),
    F(t_FLOOR, {3, 4}),
    F(t_ROUND, {3, 4}),
    F(t_ISFINITE, {3, 4}),
    F(t_ISINF, {3, 4}),
    F(t_ISNAN, {3, 4}),
    F(t_ISNEGINF, {3, 4}),
    F(t_ISPOSINF, {3, 4}),
    F(t_LOGICAL_NOT, {3, 4}),
    F(bitwise_invert, {3, 4}),
    G(w_BITWISE_AND, 2, {3, 4}, {4}),
    G(w_BITWISE_OR, 2, {3, 4}, {4}),
    G(w_BITWISE_XOR, 2, {3, 4}, {3, 1}),
    G(w_EQUAL, 2, {3, 4}, {4}),
    G(w_EQUAL_NAN, 2, {3, 4}, {4}),
    G(w_FLOOR_DIVIDE, 2, {3, 4}, {4}),
    G(w_GREATER, 2, {3, 4}, {4}),
    G(w_GREATER_EQUAL, 2, {3, 4}, {4}),
    {"left shifts", w_LEFT_SHIFT, 2, {{3, 4}, {4}}, 0, 4, false, false},
    {"right shifts", w_RIGHT_SHIFT, 2, {{3, 4}, {4}}, 0, 4, false, false},
    G(w_LESS, 2, {3, 4}, {4}),
    G(w_LESS_EQUAL, 2, {3, 4}, {4}),
    G(w_LOGICAL_AND, 2, {3, 4}, {4}),
    G(w_LOGICAL_OR, 2, {3, 4}, {4}),
    G(w_NOT_EQUAL, 2, {3, 4}, {4}),
    F(all_rows, {3, 4}),
    F(any_all, {3, 4}),
    F(argmax, {3, 4}),
    F(argmin_kept, {3, 4}),
    F(argmax_all, {3, 4}),
    F(argmin_all, {3, 4}),
    F(argsort, {3, 4}),
    F(median, {3, 5}),
    F(stopped, {3, 4}),
    F(view_same, {3, 4}),
    F(view_narrow, {3, 4}),
    F(constant, {3, 4}),
    F(itself, {3, 4}),
    {"take by inputs", take_mapped, 2, {{2, 4, 3}, {2, 2}}, 0, 3.9, false, false},
    {"take by bytes", take_first, 2, {{4, 3}, {5}}, 0, 3.9, false, false},
    {"gather by inputs", gather_mapped, 3, {{2, 3, 2}, {2, 3}, {2, 3}}, 0, 1.9, false, false},
    {"along by inputs", along_mapped, 2, {{2, 4}, {2, 3}}, 0, 3.9, false, false},
    {"scatter by inputs", scatter_add_mapped, 3, {{3, 2}, {4, 1, 2}, {4}}, 0, 2.9, false, false},
    {"greatest by inputs", scatter_max_mapped, 3, {{3, 2}, {2, 1, 2}, {2}}, 0, 2.9, false, false},
    {"scatter at once", scatter_at_once, 2, {{3, 2}, {2, 1}}, 0, 2.9, false, false},
    {"update at once", slice_update_at_once, 3, {{3, 2}, {1, 2}, {1}}, 0, 1.9, false, false},
    {"put by inputs", put_mapped, 3, {{2, 4}, {2, 3}, {2, 3}}, 0, 3.9, false, false},
    {"slice by inputs", slice_dynamic, 2, {{2, 4}, {1}}, 0, 3.9, false, false},
    {"wide bits", bits_wide, 1, {{2}}, 0, 1000, false, false},
    {"narrow bits", bits_narrow, 1, {{2}}, 0, 1000, false, false},
    {"normal", normal, 1, {{2}}, 0, 1000, false, false},
    F(qr, {3, 2}),
    F(lu, {3, 3}),
    F(lu_factor, {2, 3, 3}),
    F(svd, {2, 3}),
    F(svd_values, {3, 2}),
    F(eigh, {3, 3}),
    F(eig, {3, 3}),
    Q(quantize, 1, {2, 32}),
    Q(quantize_mxfp4, 1, {1, 32}),
    Q(dequantize_all, 1, {2, 32}),
    Q(attention, 3, {1, 2, 3, 2}, {1, 1, 3, 2}, {1, 1, 3, 2}),
    Q(attention_sinks, 3, {2, 4, 3, 2}, {2, 2, 3, 2}, {4}),
    Q(softmax, 1, {3, 4}),
    Q(layer_norm_plain, 1, {4}),
    Q(var_middle, 1, {2, 3, 2}),
    Q(std_ends, 1, {2, 3, 2}),
};

#endif
