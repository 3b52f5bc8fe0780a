#ifndef WR_TESTS_SUPPORT_AGAIN_ROWS_H
#define WR_TESTS_SUPPORT_AGAIN_ROWS_H

/* The rows of tests/unit/ops_again.c that are not among those of derivatives: functions that have
   none, or other forms of an operation. */

#include "backend/backend.h"
#include "derivative_rows.h"
#include "ops/internal.h"

/* clang-format off */
UNARY(BITWISE_INVERT) UNARY(CEIL) UNARY(FLOOR) UNARY(ISFINITE) UNARY(ISINF) UNARY(ISNAN)
UNARY(ISNEGINF) UNARY(ISPOSINF) UNARY(LOGICAL_NOT) UNARY(ROUND)
BINARY(BITWISE_AND) BINARY(BITWISE_OR) BINARY(BITWISE_XOR) BINARY(EQUAL) BINARY(EQUAL_NAN)
BINARY(FLOOR_DIVIDE) BINARY(GREATER) BINARY(GREATER_EQUAL) BINARY(LEFT_SHIFT) BINARY(LESS)
BINARY(LESS_EQUAL) BINARY(LOGICAL_AND) BINARY(LOGICAL_OR) BINARY(NOT_EQUAL) BINARY(RIGHT_SHIFT)
REDUCE(ALL) REDUCE(ANY)
/* clang-format on */
#define AS(name, type, of)                                                    \
  BODY(name) {                                                                \
    struct wr_compose c = wr_compose_begin(s);                                \
    struct wr_node *x[2] = {wr_compose_astype(&c, in[0], type), NULL};        \
    struct wr_node **slot = wr_compose_slot(&c);                              \
    x[1] = x[0];                                                              \
    struct wr_node *y = c.error ? NULL : wr_compose_step(&c, of(slot, x, s)); \
    return wr_compose_end(&c, out, y);                                        \
  }
                    AS(of_ints_invert, WR_INT32, u_BITWISE_INVERT)
                        AS(of_ints_and, WR_INT32, b_BITWISE_AND)
                            AS(of_ints_or, WR_INT32, b_BITWISE_OR)
                                AS(of_ints_xor, WR_INT32, b_BITWISE_XOR)
                                    AS(of_ints_left, WR_UINT8, b_LEFT_SHIFT)
                                        AS(of_ints_right, WR_UINT8, b_RIGHT_SHIFT)
                                            AS(of_bools_not, WR_BOOL, u_LOGICAL_NOT)
                                                AS(of_ints_sum, WR_INT8, r_SUM)

                                                    BODY(argmax) {
  return wr_ops_arg_reduce(out, WR_OP_ARGMAX, in[0], 1, false, s);
}
BODY(again_argmin) { return wr_ops_arg_reduce(out, WR_OP_ARGMIN, in[0], 0, true, s); }
BODY(again_argmax_all) { return wr_ops_arg_reduce_all(out, WR_OP_ARGMAX, in[0], false, s); }
BODY(again_argsort) { return wr_ops_sort(out, WR_OP_ARGSORT, in[0], 1, s); }
BODY(again_stop) { return wr_ops_stop_gradient(out, in[0], s); }
BODY(again_view) { return wr_ops_view_dtype(out, in[0], WR_INT16, s); }
BODY(again_logsumexp_kept) { return wr_ops_logsumexp(out, in[0], last, 1, true, s); }
BODY(again_logsumexp_two) { return wr_ops_logsumexp(out, in[0], (const int[]){1, 2}, 2, false, s); }
BODY(again_softmax_precise) { return wr_ops_softmax(out, in[0], last, 1, true, s); }
BODY(again_flatten_some) { return wr_ops_flatten(out, in[0], 1, 2, s); }
BODY(again_flatten_none) {
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *x = wr_compose_reduce(&c, WR_OP_SUM, in[0], NULL, WR_OPS_ALL_AXES, false);
  return wr_compose_end(&c, out, wr_compose_flatten(&c, x));
}
BODY(again_diagonals) { return wr_ops_einsum(out, "iji->j", in, 1, s); }
BODY(again_pad) {
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *zero = wr_compose_scalar(&c, 0, WR_FLOAT32), **slot = wr_compose_slot(&c);
  const int axes[2] = {0, 1}, low[2] = {1, 0}, high[2] = {0, 2};
  return wr_compose_end(
      &c, out,
      wr_compose_step(&c, wr_ops_pad(slot, in[0], axes, 2, low, 2, high, 2, zero, "constant", s)));
}
BODY(again_fft) {
  return wr_ops_fftn(out, WR_FFT_REAL, in[0], (const int[]){3, 6}, 2, (const int[]){0, 1}, 2, 0, s);
}
BODY(again_ifft) {
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node **slot = wr_compose_slot(&c);
  struct wr_node *x = wr_compose_step(&c, again_fft(slot, in, s));
  slot = wr_compose_slot(&c);
  if (c.error) return wr_compose_drop(&c);
  const int n[2] = {3, 6}, axes[2] = {0, 1};
  return wr_compose_end(
      &c, out, wr_compose_step(&c, wr_ops_fftn(slot, WR_FFT_REAL_INVERSE, x, n, 2, axes, 2, 1, s)));
}
BODY(again_conv) {
  return wr_ops_conv_plain(out, in[0], in[1], (const int[]){2}, (const int[]){1}, (const int[]){1},
                           1, 2, s);
}
BODY(again_conv_cut) {
  const int low[] = {-1}, high[] = {2}, two[] = {2};
  const struct wr_ops_conv how = {.stride = {two, 1},
                                  .low = {low, 1},
                                  .high = {high, 1},
                                  .input_dilation = {two, 1},
                                  .groups = 1,
                                  .flip = true};
  return wr_ops_conv(out, in[0], in[1], &how, s);
}

/* Positive definite: x x' + 4. */
static struct wr_node *definite(struct wr_compose *c, struct wr_node *x) {
  struct wr_node *square = wr_compose_matmul(c, x, wr_compose_transpose(c, x, (const int[]){1, 0}));
  struct wr_node **slot = wr_compose_slot(c);
  if (c->error) return NULL;
  struct wr_node *eye = wr_compose_step(c, wr_ops_eye(slot, 3, 3, 0, WR_FLOAT32, c->stream));
  struct wr_node *four = wr_compose_scalar(c, 4, WR_FLOAT32);
  return wr_compose_binary(c, WR_OP_ADD, square, wr_compose_binary(c, WR_OP_MULTIPLY, eye, four));
}
/* The sum of several results, of any shape and type. */
static struct wr_node *sum_of(struct wr_compose *c, struct wr_node **parts, int n) {
  struct wr_node *sum = wr_compose_scalar(c, 0, WR_COMPLEX64);
  for (int i = 0; i < n; i++) {
    struct wr_node **slot = wr_compose_slot(c); /* owns it from here on */
    *slot = c->error ? NULL : parts[i];
    if (c->error) wr_node_release(parts[i]);
    struct wr_node *part = wr_compose_step(c, NULL);
    part = wr_compose_reduce(c, WR_OP_SUM, part, NULL, WR_OPS_ALL_AXES, false);
    sum = wr_compose_binary(c, WR_OP_ADD, sum, part);
  }
  return sum;
}
#define PARTS(name, n, call)                              \
  BODY(name) {                                            \
    struct wr_compose c = wr_compose_begin(s);            \
    struct wr_node *x = definite(&c, in[0]), *parts[3];   \
    if (c.error) return wr_compose_drop(&c);              \
    struct wr_error *error = call;                        \
    if (error) {                                          \
      (void)wr_compose_drop(&c);                          \
      return error;                                       \
    }                                                     \
    return wr_compose_end(&c, out, sum_of(&c, parts, n)); \
  }
PARTS(again_qr, 2, wr_ops_qr(parts, x, s))
PARTS(again_lu, 3, wr_ops_lu(parts, x, s))
PARTS(again_lu_factor, 2, wr_ops_lu_factor(parts, x, s))
PARTS(again_svd, 3, wr_ops_svd(parts, x, true, s))
PARTS(again_svd_values, 1, wr_ops_svd(parts, x, false, s))
PARTS(again_eigh, 2, wr_ops_eigh(parts, x, "U", true, s))
PARTS(again_eigh_values, 1, wr_ops_eigh(parts, x, "L", false, s))
PARTS(again_eig, 2, wr_ops_eig(parts, x, true, s))
PARTS(again_cholesky, 1, wr_ops_cholesky(parts, x, true, s))
PARTS(again_inv, 1, wr_ops_inv(parts, x, s))
PARTS(again_tri_inv, 1, wr_ops_tri_inv(parts, x, false, s))
PARTS(again_solve, 1, wr_ops_solve(parts, x, in[0], s))
PARTS(again_solve_triangular, 1, wr_ops_solve_triangular(parts, x, in[0], true, s))

BODY(again_bits_drawn) {
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *key = wr_compose_astype(&c, in[0], WR_UINT32), **slot = wr_compose_slot(&c);
  if (c.error) return wr_compose_drop(&c);
  return wr_compose_end(
      &c, out,
      wr_compose_step(&c, wr_ops_random_bits(slot, (const int32_t[]){3, 5}, 2, 2, key, s)));
}
BODY(again_quantize) {
  const struct wr_ops_how how = {&group, &bits, "affine"};
  struct wr_node *parts[3];
  int n;
  struct wr_error *error = wr_ops_quantize(parts, &n, in[0], &how, NULL, s);
  if (error) return error;
  struct wr_compose c = wr_compose_begin(s);
  return wr_compose_end(&c, out, sum_of(&c, parts, n));
}
BODY(again_rms_norm) { return wr_ops_rms_norm(out, in[0], NULL, 1e-3f, s); }
BODY(again_attention) {
  return wr_ops_attention(out, in[0], in[1], in[2], 0.5f, "causal", NULL, NULL, s);
}
BODY(again_attention_masked) {
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *mask = wr_compose_count(&c, -1, 3, WR_FLOAT32);
  struct wr_node *sinks = wr_compose_count(&c, 0, 2, WR_FLOAT32), **slot = wr_compose_slot(&c);
  if (c.error) return wr_compose_drop(&c);
  struct wr_error *error =
      wr_ops_attention(slot, in[0], in[1], in[2], 0.5f, "array", mask, sinks, s);
  return wr_compose_end(&c, out, wr_compose_step(&c, error));
}

/* A callee with two results: the negative, and how many elements there are. */
static struct wr_error *two_run(const struct wr_call *call) {
  float *negative = wr_call_part(call, 0);
  double *count = wr_call_part(call, 1);
  const struct wr_tensor *x = &call->in[0];
  for (int64_t i = 0; i < x->size; i++) negative[i] = -((const float *)x->data)[i * x->strides[0]];
  *count = (double)x->size;
  return NULL;
}
static const struct wr_callee two = {
    .name = "two", .params_bytes = sizeof(struct wr_call_params), .run = two_run};
BODY(again_callee) {
  const struct wr_call_params params = {.callee = &two};
  const int32_t n = wr_node_shape(in[0])[0];
  struct wr_part made[2] = {{.shape = &n, .ndim = 1, .dtype = WR_FLOAT32},
                            {.ndim = 0, .dtype = WR_FLOAT64}};
  const struct wr_record record = {.op = WR_OP_CALL,
                                   .n_in = 1,
                                   .in = in,
                                   .params = &params,
                                   .params_bytes = sizeof params,
                                   .stream = s};
  struct wr_node *parts[2];
  struct wr_error *error = wr_ops_record_parts(parts, made, 2, &record);
  if (error) return error;
  struct wr_compose c = wr_compose_begin(s);
  return wr_compose_end(&c, out, sum_of(&c, parts, 2));
}

/* The result of a function with a vmap of its own: once more it is the result alone. */
BODY(custom) {
  const struct wr_custom_params params = {.call = NULL, .index = 0};
  const struct wr_record record = {.op = WR_OP_CUSTOM,
                                   .dtype = wr_node_dtype(in[0]),
                                   .ndim = wr_node_ndim(in[0]),
                                   .shape = wr_node_shape(in[0]),
                                   .n_in = 2,
                                   .in = in,
                                   .params = &params,
                                   .params_bytes = sizeof params,
                                   .stream = s};
  return wr_ops_view_of(out, &record, wr_node_strides(in[0]), wr_node_offset(in[0]));
}

static const struct row others[] = {
    G(custom, 2, {3, 4}, {2}),
    Q(of_ints_invert, 1, {3, 4}),
    Q(of_ints_and, 1, {3, 4}),
    Q(of_ints_or, 1, {3, 4}),
    Q(of_ints_xor, 1, {3, 4}),
    Q(of_ints_left, 1, {3, 4}),
    Q(of_ints_right, 1, {3, 4}),
    Q(of_bools_not, 1, {3, 4}),
    Q(of_ints_sum, 1, {2, 3, 2}),
    Q(u_CEIL, 1, {3, 4}),
    Q(u_FLOOR, 1, {3, 4}),
    Q(u_ISFINITE, 1, {3, 4}),
    Q(u_ISINF, 1, {3, 4}),
    Q(u_ISNAN, 1, {3, 4}),
    Q(u_ISNEGINF, 1, {3, 4}),
    Q(u_ISPOSINF, 1, {3, 4}),
    Q(u_ROUND, 1, {3, 4}),
    Q(b_EQUAL, 2, {3, 4}, {1, 4}),
    Q(b_EQUAL_NAN, 2, {3, 4}, {4}),
    Q(b_FLOOR_DIVIDE, 2, {3, 4}, {1, 4}),
    Q(b_GREATER, 2, {3, 4}, {1, 4}),
    Q(b_GREATER_EQUAL, 2, {3, 4}, {1, 4}),
    Q(b_LESS, 2, {3, 4}, {1, 4}),
    Q(b_LESS_EQUAL, 2, {3, 4}, {1, 4}),
    Q(b_LOGICAL_AND, 2, {3, 4}, {1, 4}),
    Q(b_LOGICAL_OR, 2, {3, 4}, {1, 4}),
    Q(b_NOT_EQUAL, 2, {3, 4}, {1, 4}),
    Q(r_ALL, 1, {2, 3, 2}),
    Q(k_ANY, 1, {3, 4}),
    Q(r_ANY, 1, {2, 3, 2}),
    Q(k_ALL, 1, {3, 4}),
    Q(argmax, 1, {3, 4}),
    Q(again_argmin, 1, {3, 4}),
    Q(again_argmax_all, 1, {3, 4}),
    Q(again_argsort, 1, {3, 4}),
    Q(again_stop, 1, {3, 4}),
    Q(again_view, 1, {3, 4}),
    Q(again_logsumexp_kept, 1, {3, 4}),
    Q(again_logsumexp_two, 1, {3, 1, 4}),
    Q(again_softmax_precise, 1, {3, 4}),
    Q(again_flatten_some, 1, {2, 3, 2}),
    Q(again_flatten_none, 1, {2, 3, 2}),
    Q(again_diagonals, 1, {3, 2, 3}),
    Q(again_pad, 1, {3, 4}),
    Q(again_rms_norm, 1, {3, 5}),
    Q(var_middle, 1, {2, 3, 2}),
    Q(std_ends, 1, {2, 3, 2}),
    Q(again_fft, 1, {3, 5}),
    Q(again_ifft, 1, {3, 5}),
    Q(again_conv, 2, {2, 7, 4}, {4, 3, 2}),
    Q(again_conv_cut, 2, {1, 6, 2}, {3, 2, 2}),
    Q(again_qr, 1, {3, 3}),
    Q(again_lu, 1, {3, 3}),
    Q(again_lu_factor, 1, {3, 3}),
    Q(again_svd, 1, {3, 3}),
    Q(again_svd_values, 1, {3, 3}),
    Q(again_eigh, 1, {3, 3}),
    Q(again_eigh_values, 1, {3, 3}),
    Q(again_eig, 1, {3, 3}),
    Q(again_cholesky, 1, {3, 3}),
    Q(again_inv, 1, {3, 3}),
    Q(again_tri_inv, 1, {3, 3}),
    Q(again_solve, 1, {3, 3}),
    Q(again_solve_triangular, 1, {3, 3}),
    Q(again_bits_drawn, 1, {2}),
    Q(again_quantize, 1, {2, 32}),
    Q(again_callee, 1, {5}),
};

BODY(again_attention_row) {
  struct wr_compose c = wr_compose_begin(s);
  static const int32_t q[4] = {1, 2, 3, 4}, k[4] = {1, 1, 4, 4};
  struct wr_node *x[3] = {wr_compose_reshape(&c, in[0], 4, q), wr_compose_reshape(&c, in[1], 4, k),
                          wr_compose_reshape(&c, in[2], 4, k)};
  struct wr_node **slot = wr_compose_slot(&c);
  if (c.error) return wr_compose_drop(&c);
  struct wr_node *y = wr_compose_step(&c, again_attention(slot, x, s));
  slot = wr_compose_slot(&c);
  if (c.error) return wr_compose_drop(&c);
  return wr_compose_end(
      &c, out,
      wr_compose_binary(&c, WR_OP_ADD, y, wr_compose_step(&c, again_attention_masked(slot, x, s))));
}
static const struct row attention_rows[] = {Q(again_attention_row, 3, {24}, {16}, {16})};

#endif
