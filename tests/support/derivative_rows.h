#ifndef WR_TESTS_SUPPORT_DERIVATIVE_ROWS_H
#define WR_TESTS_SUPPORT_DERIVATIVE_ROWS_H

/* The rows of tests/unit/derivatives.c: functions of up to three arrays, and where they are
   differentiated. */

#include <stdbool.h>
#include <stdint.h>

#include "ops/steps.h"

typedef struct wr_error *body(struct wr_node **out, struct wr_node *const *in, struct wr_stream *s);

struct row {
  const char *name;
  body *of;
  int n;
  int32_t shape[3][6]; /* ends with 0 */
  double low, high;    /* of real parts; imaginary ones are in -1 .. 1 */
  bool complex;
  bool narrow; /* in float32, for which there are kernels */
};

#define BODY(name) \
  static struct wr_error *name(struct wr_node **out, struct wr_node *const *in, struct wr_stream *s)
#define UNARY(ID) \
  BODY(u_##ID) { return wr_ops_unary(out, WR_OP_##ID, in[0], s); }
#define BINARY(ID) \
  BODY(b_##ID) { return wr_ops_binary(out, WR_OP_##ID, in[0], in[1], s); }
/* clang-format off */
UNARY(ABS) UNARY(ARCCOS) UNARY(ARCCOSH) UNARY(ARCSIN) UNARY(ARCSINH) UNARY(ARCTAN) UNARY(ARCTANH)
UNARY(COS) UNARY(COSH) UNARY(ERF) UNARY(ERFINV) UNARY(EXP) UNARY(EXPM1) UNARY(LOG) UNARY(LOG10)
UNARY(LOG1P) UNARY(LOG2) UNARY(NEGATIVE) UNARY(RECIPROCAL) UNARY(RSQRT) UNARY(SIGMOID) UNARY(SIGN)
UNARY(SIN) UNARY(SINH) UNARY(SQRT) UNARY(SQUARE) UNARY(TAN) UNARY(TANH)
BINARY(ADD) BINARY(ARCTAN2) BINARY(DIVIDE) BINARY(LOGADDEXP) BINARY(MAXIMUM) BINARY(MINIMUM)
BINARY(MULTIPLY) BINARY(POWER) BINARY(REMAINDER) BINARY(SUBTRACT)
BODY(conjugate) {
  return wr_ops_conjugate(out, in[0], s);
}
/* clang-format on */
BODY(real) { return wr_ops_real(out, in[0], s); }
BODY(imag) { return wr_ops_imag(out, in[0], s); }
BODY(twice) { return wr_ops_binary(out, WR_OP_MULTIPLY, in[0], in[0], s); }
BODY(where) {
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *up = wr_compose_binary(&c, WR_OP_GREATER, in[0], in[1]);
  return wr_compose_end(&c, out, wr_compose_where(&c, up, in[1], in[2]));
}
static const int first[] = {0}, both[] = {0, 2}, last[] = {-1};
#define REDUCE(ID)                                                                  \
  BODY(r_##ID) { return wr_ops_reduce(out, WR_OP_##ID, in[0], both, 2, false, s); } \
  BODY(k_##ID) { return wr_ops_reduce(out, WR_OP_##ID, in[0], first, 1, true, s); }
/* clang-format off */
REDUCE(MAX) REDUCE(MIN) REDUCE(PROD) REDUCE(SUM)
BODY(softmax) {
  return wr_ops_softmax(out, in[0], last, 1, false, s);
}
/* clang-format on */
BODY(logsumexp) { return wr_ops_logsumexp(out, in[0], last, 1, false, s); }
BODY(softmax_first) { return wr_ops_softmax(out, in[0], first, 1, false, s); }
#define SCAN(ID)                                                                    \
  BODY(s_##ID) { return wr_ops_scan(out, WR_OP_##ID, in[0], 1, false, true, s); }   \
  BODY(sx_##ID) { return wr_ops_scan(out, WR_OP_##ID, in[0], 0, false, false, s); } \
  BODY(sr_##ID) { return wr_ops_scan(out, WR_OP_##ID, in[0], 1, true, true, s); }   \
  BODY(srx_##ID) { return wr_ops_scan(out, WR_OP_##ID, in[0], 1, true, false, s); }
/* clang-format off */
SCAN(ADD) SCAN(MULTIPLY) SCAN(MAXIMUM) SCAN(MINIMUM) SCAN(LOGADDEXP)
/* clang-format on */
/* An exclusive one begins with an infinity, which has no difference. */
#define FINITE(ID)                                                                 \
  BODY(finite_sx_##ID) {                                                           \
    struct wr_compose c = wr_compose_begin(s);                                     \
    struct wr_node *y = wr_compose_step(&c, sx_##ID(wr_compose_slot(&c), in, s));  \
    return wr_compose_end(&c, out, wr_compose_slice_axis(&c, y, 0, 1, 3));         \
  }                                                                                \
  BODY(finite_srx_##ID) {                                                          \
    struct wr_compose c = wr_compose_begin(s);                                     \
    struct wr_node *y = wr_compose_step(&c, srx_##ID(wr_compose_slot(&c), in, s)); \
    return wr_compose_end(&c, out, wr_compose_slice_axis(&c, y, 1, 0, 3));         \
  }
    /* clang-format off */
FINITE(MAXIMUM) FINITE(MINIMUM) FINITE(LOGADDEXP)
BODY(sort) {
  return wr_ops_sort(out, WR_OP_SORT, in[0], 0, s);
}
/* clang-format on */
BODY(partition) { return wr_ops_partition(out, WR_OP_PARTITION, in[0], 2, 1, s); }
BODY(topk) { return wr_ops_topk(out, in[0], 2, 1, s); }
BODY(broadcast) { return wr_ops_broadcast_to(out, in[0], (const int32_t[]){2, 3, 4}, 3, s); }
BODY(reshape) { return wr_ops_reshape(out, in[0], (const int32_t[]){2, 6}, 2, s); }
BODY(flatten) { return wr_ops_flatten(out, in[0], 0, -1, s); }
BODY(expand) { return wr_ops_expand_dims(out, in[0], first, 1, s); }
BODY(squeeze) { return wr_ops_squeeze(out, in[0], first, 1, s); }
BODY(transpose) { return wr_ops_transpose(out, in[0], (const int[]){1, 2, 0}, 3, s); }
BODY(diagonal) { return wr_ops_diagonal(out, in[0], 1, 0, 2, s); }
BODY(strided) {
  return wr_ops_as_strided(out, in[0], (const int32_t[]){3, 4}, 2, (const int64_t[]){2, 1}, 2, 1,
                           s);
}
static const struct wr_ops_range some = {
    (const int[]){2, 3}, (const int[]){0, 0}, (const int[]){-1, -2}, 2, 2, 2};
static const struct wr_ops_range whole = {
    (const int[]){2, 0}, (const int[]){-9, 4}, (const int[]){-2, 1}, 2, 2, 2};
BODY(slice) { return wr_ops_slice(out, in[0], &some, s); }
BODY(slice_whole) { return wr_ops_slice(out, in[0], &whole, s); }
BODY(split) { return wr_ops_split_part(out, in[0], 2, 1, 1, s); }
BODY(to_complex) { return wr_ops_astype(out, in[0], WR_COMPLEX64, s); }
BODY(copy) { return wr_ops_copy(out, in[0], s); }
BODY(concatenate) { return wr_ops_concatenate(out, in, 3, 1, s); }
BODY(depends) { return wr_ops_depends(out, in[0], &in[1], 1, s); }
#define UPDATE(ID) \
  BODY(up_##ID) { return wr_ops_slice_update(out, WR_OP_##ID, in[0], in[1], &some, s); }
/* clang-format off */
UPDATE(COPY) UPDATE(ADD) UPDATE(MULTIPLY) UPDATE(MAXIMUM) UPDATE(MINIMUM)

static struct wr_node *indices(struct wr_compose *c, const int32_t *values, int n, int m) {
  struct wr_node **slot = wr_compose_slot(c);
  const int32_t shape[2] = {n, m};
  return wr_compose_step(c, wr_node_from_data(slot, values, 2, shape, WR_INT32));
}
/* clang-format on */
static const int32_t repeated[] = {1, 0, 1, -1}, apart[] = {2, 0};
BODY(take) {
  struct wr_compose c = wr_compose_begin(s);
  return wr_compose_end(&c, out, wr_compose_take(&c, in[0], indices(&c, repeated, 2, 2), 1));
}
BODY(gather) {
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *at[2] = {indices(&c, repeated, 2, 2), indices(&c, repeated, 2, 2)};
  struct wr_node **slot = wr_compose_slot(&c);
  struct wr_node *y = wr_compose_step(
      &c, wr_ops_gather(slot, in[0], at, 2, (const int[]){0, 2}, 2, (const int[]){1, 3, 1}, 3, s));
  return wr_compose_end(&c, out, y);
}
BODY(along) {
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *at = indices(&c, repeated, 1, 4), **slot = wr_compose_slot(&c);
  return wr_compose_end(&c, out,
                        wr_compose_step(&c, wr_ops_take_along_axis(slot, in[0], at, 1, s)));
}
static struct wr_error *scatter(struct wr_node **out, struct wr_node *const *in,
                                struct wr_stream *s, enum wr_op by, bool twice_at) {
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *at = wr_compose_flatten(&c, indices(&c, twice_at ? repeated : apart, 1, 2));
  if (twice_at) at = wr_compose_flatten(&c, indices(&c, repeated + 2, 1, 2));
  struct wr_node **slot = wr_compose_slot(&c);
  return wr_compose_end(
      &c, out, wr_compose_step(&c, wr_ops_scatter(slot, by, in[0], &at, 1, in[1], first, 1, s)));
}
BODY(scatter_copy) { return scatter(out, in, s, WR_OP_COPY, false); }
BODY(scatter_add) { return scatter(out, in, s, WR_OP_ADD, true); }
BODY(scatter_max) { return scatter(out, in, s, WR_OP_MAXIMUM, false); }
BODY(scatter_min) { return scatter(out, in, s, WR_OP_MINIMUM, false); }
BODY(put) {
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *at = indices(&c, apart, 1, 2), **slot = wr_compose_slot(&c);
  return wr_compose_end(
      &c, out, wr_compose_step(&c, wr_ops_scatter_axis(slot, WR_OP_COPY, in[0], at, in[1], 1, s)));
}
/* Two matrices of two rows with 32 codes of 4 bits. */
static struct wr_node *packed(struct wr_compose *c, int n) {
  static const uint32_t words[16] = {0x01234567, 0x89abcdef, 0xfedcba98, 0x76543210,
                                     0x13579bdf, 0x2468ace0, 0x0f1e2d3c, 0x4b5a6978,
                                     0xdeadbeef, 0xcafef00d, 0x31415926, 0x27182818,
                                     0x16180339, 0x57721566, 0x14142135, 0x17320508};
  const int32_t shape[3] = {2, 2, 4};
  struct wr_node **slot = wr_compose_slot(c);
  return wr_compose_step(c, wr_node_from_data(slot, words, n, shape + 3 - n, WR_UINT32));
}
static const int group = 32, bits = 4;
static struct wr_error *quantized(struct wr_node **out, struct wr_node *const *in,
                                  struct wr_stream *s, bool transpose) {
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *w = packed(&c, 2), **slot = wr_compose_slot(&c);
  struct wr_error *error =
      wr_ops_quantized_matmul(slot, in[0], w, in[1], in[2], transpose, &group, &bits, "affine", s);
  return wr_compose_end(&c, out, wr_compose_step(&c, error));
}
BODY(quantized_rows) { return quantized(out, in, s, true); }
BODY(quantized_columns) { return quantized(out, in, s, false); }
static struct wr_error *gathered(struct wr_node **out, struct wr_node *const *in,
                                 struct wr_stream *s, bool transpose) {
  static const int32_t left[] = {0, 1, 0}, right[] = {1, 1, 0};
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *w = packed(&c, 3), *l = wr_compose_flatten(&c, indices(&c, left, 1, 3));
  struct wr_node *r = wr_compose_flatten(&c, indices(&c, right, 1, 3)),
                 **slot = wr_compose_slot(&c);
  struct wr_error *error = wr_ops_gather_qmm(slot, in[0], w, in[1], in[2], l, r, transpose, &group,
                                             &bits, "affine", false, s);
  return wr_compose_end(&c, out, wr_compose_step(&c, error));
}
BODY(gathered_rows) { return gathered(out, in, s, true); }
BODY(gathered_columns) { return gathered(out, in, s, false); }
BODY(dequantize) {
  const struct wr_ops_how how = {&group, &bits, "affine"};
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *w = packed(&c, 2), **slot = wr_compose_slot(&c);
  return wr_compose_end(
      &c, out, wr_compose_step(&c, wr_ops_dequantize(slot, w, in[0], in[1], &how, NULL, NULL, s)));
}
BODY(hadamard) { return wr_ops_hadamard(out, in[0], NULL, s); }
BODY(matmul) { return wr_ops_matmul(out, in[0], in[1], s); }
BODY(addmm) { return wr_ops_addmm(out, in[2], in[0], in[1], 2.5f, -0.5f, s); }

/* ---- convolutions, in each direction that stride, padding, dilation and groups have ---- */

struct kernel {
  int axes, stride, low, high, kernel_dilation, input_dilation, groups;
  bool flip;
};
static struct wr_error *conv(struct wr_node **out, struct wr_node *const *in, struct wr_stream *s,
                             struct kernel k) {
  const struct wr_ops_conv how = {.stride = {&k.stride, 1},
                                  .low = {&k.low, 1},
                                  .high = {&k.high, 1},
                                  .kernel_dilation = {&k.kernel_dilation, 1},
                                  .input_dilation = {&k.input_dilation, 1},
                                  .groups = k.groups,
                                  .flip = k.flip};
  return wr_ops_conv(out, in[0], in[1], &how, s);
}
#define CONV(name, ...) \
  BODY(name) { return conv(out, in, s, (struct kernel){__VA_ARGS__}); }
CONV(conv_plain, 1, 1, 0, 0, 1, 1, 1, false)
CONV(conv_padded, 1, 2, 2, 1, 1, 1, 1, false)
CONV(conv_far, 1, 1, 5, 4, 1, 1, 1, false)
CONV(conv_far_strided, 1, 3, 7, 5, 1, 1, 1, true)
CONV(conv_cut, 1, 2, -1, -1, 1, 1, 1, false)
CONV(conv_dilated, 1, 2, 1, 0, 2, 3, 1, false)
CONV(conv_groups, 1, 2, 1, 1, 1, 2, 2, true)
CONV(conv_area, 2, 2, 1, 0, 1, 1, 1, false)
CONV(conv_area_groups, 2, 1, 1, 1, 2, 1, 2, false)
CONV(conv_volume, 3, 1, 1, 0, 1, 1, 1, false)
CONV(conv_point, 2, 2, 0, 0, 1, 1, 1, false)
BODY(conv_transposed) {
  return wr_ops_conv_transpose(out, in[0], in[1], (const int[]){2}, (const int[]){1},
                               (const int[]){2}, (const int[]){1}, 1, 1, s);
}

/* ---- Fourier transforms ---- */

static struct wr_error *fourier(struct wr_node **out, struct wr_node *const *in,
                                struct wr_stream *s, enum wr_fft_kind kind, int n, int axis) {
  return wr_ops_fftn(out, kind, in[0], &n, 1, &axis, 1, 0, s);
}
BODY(fft) { return fourier(out, in, s, WR_FFT_FORWARD, 4, 1); }
BODY(fft_cropped) { return fourier(out, in, s, WR_FFT_FORWARD, 2, 0); }
BODY(ifft_filled) { return fourier(out, in, s, WR_FFT_INVERSE, 6, 1); }
BODY(rfft_even) { return fourier(out, in, s, WR_FFT_REAL, 4, 1); }
BODY(rfft_odd) { return fourier(out, in, s, WR_FFT_REAL, 5, 0); }
BODY(irfft_even) { return fourier(out, in, s, WR_FFT_REAL_INVERSE, 6, 1); }
BODY(irfft_odd) { return fourier(out, in, s, WR_FFT_REAL_INVERSE, 5, 0); }
BODY(fft_area) {
  return wr_ops_fftn(out, WR_FFT_FORWARD, in[0], (const int[]){3, 4}, 2, (const int[]){0, 1}, 2, 1,
                     s);
}
BODY(rfft_area) {
  return wr_ops_fftn(out, WR_FFT_REAL, in[0], (const int[]){4, 3}, 2, (const int[]){1, 0}, 2, 2, s);
}
BODY(irfft_area) {
  return wr_ops_fftn(out, WR_FFT_REAL_INVERSE, in[0], (const int[]){3, 4}, 2, (const int[]){0, 1},
                     2, 0, s);
}

/* ---- linear algebra, of matrices with a large diagonal ---- */

static struct wr_node *firm(struct wr_compose *c, struct wr_node *a) {
  struct wr_node **slot = wr_compose_slot(c);
  const int n = wr_node_shape(a)[wr_node_ndim(a) - 1];
  struct wr_node *eye = wr_compose_step(c, wr_ops_eye(slot, n, n, 0, WR_FLOAT64, c->stream));
  eye = wr_compose_binary(c, WR_OP_MULTIPLY, eye, wr_compose_scalar(c, 5, WR_FLOAT64));
  return wr_compose_binary(c, WR_OP_ADD, a, eye);
}
#define LINALG(name, ...)                                                      \
  BODY(name) {                                                                 \
    struct wr_compose c = wr_compose_begin(s);                                 \
    struct wr_node *a = firm(&c, in[0]), **slot = wr_compose_slot(&c);         \
    return wr_compose_end(&c, out, wr_compose_step(&c, wr_ops_##__VA_ARGS__)); \
  }
LINALG(inv, inv(slot, a, s))
LINALG(tri_inv_lower, tri_inv(slot, a, false, s))
LINALG(tri_inv_upper, tri_inv(slot, a, true, s))
LINALG(cholesky_lower, cholesky(slot, a, false, s))
LINALG(cholesky_upper, cholesky(slot, a, true, s))
LINALG(cholesky_inv, cholesky_inv(slot, a, true, s))
LINALG(solve, solve(slot, a, in[1], s))
LINALG(solve_lower, solve_triangular(slot, a, in[1], false, s))
LINALG(solve_upper, solve_triangular(slot, a, in[1], true, s))
BODY(cross) { return wr_ops_cross(out, in[0], in[1], -1, s); }
BODY(norm) { return wr_ops_norm_l2(out, in[0], (const int[]){1}, 1, false, s); }
BODY(norm_three) { return wr_ops_norm(out, in[0], 3, (const int[]){0}, 1, true, s); }
BODY(norm_columns) { return wr_ops_norm(out, in[0], 1, both, 2, false, s); }

/* ---- products of chosen matrices, by parts and by blocks ---- */

BODY(gather_mm) {
  static const int32_t left[] = {0, 1, 0}, right[] = {1, 1, 0};
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *l = wr_compose_flatten(&c, indices(&c, left, 1, 3));
  struct wr_node *r = wr_compose_flatten(&c, indices(&c, right, 1, 3));
  struct wr_node **slot = wr_compose_slot(&c);
  return wr_compose_end(&c, out,
                        wr_compose_step(&c, wr_ops_gather_mm(slot, in[0], in[1], l, r, false, s)));
}
BODY(segmented_mm) {
  static const int32_t ends[] = {0, 3, 3, 3, 1, 4};
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *segments = indices(&c, ends, 3, 2), **slot = wr_compose_slot(&c);
  return wr_compose_end(&c, out,
                        wr_compose_step(&c, wr_ops_segmented_mm(slot, in[0], in[1], segments, s)));
}
BODY(block_masked_mm) {
  return wr_ops_block_masked_mm(out, in[0], in[1], 32, in[2], NULL, in[2], s);
}
BODY(masked_scatter) {
  static const bool chosen[] = {true, false, true, true};
  const int32_t n = 4;
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node **slot = wr_compose_slot(&c);
  struct wr_node *mask = wr_compose_step(&c, wr_node_from_data(slot, chosen, 1, &n, WR_BOOL));
  slot = wr_compose_slot(&c);
  return wr_compose_end(&c, out,
                        wr_compose_step(&c, wr_ops_masked_scatter(slot, in[0], mask, in[1], s)));
}

/* ---- what models are made of ---- */

BODY(var_middle) { return wr_ops_var(out, in[0], (const int[]){1}, 1, false, 1, s); }
BODY(std_ends) { return wr_ops_std(out, in[0], (const int[]){0, 2}, 2, true, 0, s); }
BODY(rms_norm) { return wr_ops_rms_norm(out, in[0], in[1], 1e-3f, s); }
BODY(layer_norm) { return wr_ops_layer_norm(out, in[0], in[1], in[2], 1e-3f, s); }
BODY(rope) {
  const float base = 100;
  return wr_ops_rope(out, in[0], 4, true, &base, 0.5f, 1, NULL, s);
}
BODY(layer_norm_plain) { return wr_ops_layer_norm(out, in[0], NULL, NULL, 1e-3f, s); }
BODY(layer_norm_biased) { return wr_ops_layer_norm(out, in[0], NULL, in[1], 1e-3f, s); }
BODY(attention) {
  return wr_ops_attention(out, in[0], in[1], in[2], 0.7f, "causal", NULL, NULL, s);
}

/* Edges: the elements of one column are 0, and the function is smooth all the same. */
static struct wr_node *with_zeros(struct wr_compose *c, struct wr_node *x) {
  static const double column[4] = {1, 0, 1, 0};
  const int32_t n = 4;
  struct wr_node **slot = wr_compose_slot(c);
  struct wr_node *keep = wr_compose_step(c, wr_node_from_data(slot, column, 1, &n, WR_FLOAT64));
  return wr_compose_binary(c, WR_OP_MULTIPLY, x, keep);
}
BODY(zeros_in_product) {
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *x = wr_compose_binary(&c, WR_OP_ADD, with_zeros(&c, in[0]), in[0]);
  x = wr_compose_binary(&c, WR_OP_SUBTRACT, x, in[0]);
  return wr_compose_end(&c, out, wr_compose_reduce(&c, WR_OP_PROD, x, last, 1, false));
}
BODY(zeros_in_scan) {
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *x = with_zeros(&c, in[0]), **slot = wr_compose_slot(&c);
  struct wr_node *y = wr_compose_step(&c, wr_ops_scan(slot, WR_OP_MULTIPLY, x, 1, false, true, s));
  return wr_compose_end(&c, out, y);
}

#define U(ID, low, high) \
  { #ID, u_##ID, 1, {{3, 4 } }, low, high, false, false }
#define C(ID, low, high) \
  { #ID ", complex", u_##ID, 1, {{3, 4 } }, low, high, true, false }
#define B(ID, low, high) \
  { #ID, b_##ID, 2, {{3, 4 }, {1, 4 } }, low, high, false, false }
#define BC(ID, low, high) \
  { #ID ", complex", b_##ID, 2, {{3, 4 }, {4 } }, low, high, true, false }
#define F(name, ...) \
  { #name, name, 1, {__VA_ARGS__ }, -2, 2, false, false }
#define FC(name, ...) \
  { #name ", complex", name, 1, {__VA_ARGS__ }, -2, 2, true, false }
#define G(name, n, ...) \
  { #name, name, n, {__VA_ARGS__ }, -2, 2, false, false }
#define GC(name, n, ...) \
  { #name ", complex", name, n, {__VA_ARGS__ }, -2, 2, true, false }
#define Q(name, n, ...) \
  { #name, name, n, {__VA_ARGS__ }, -1, 1, false, true }
#define SCANS(ID) F(s_##ID, {3, 4}), F(sr_##ID, {3, 4})

static const struct row rows[] = {
    U(ABS, -2, 2),
    U(ARCCOS, -.9, .9),
    U(ARCCOSH, 1.2, 3),
    U(ARCSIN, -.9, .9),
    U(ARCSINH, -3, 3),
    U(ARCTAN, -3, 3),
    U(ARCTANH, -.9, .9),
    U(COS, -4, 4),
    U(COSH, -2, 2),
    U(ERF, -2, 2),
    U(ERFINV, -.8, .8),
    U(EXP, -2, 2),
    U(EXPM1, -2, 2),
    U(LOG, .3, 3),
    U(LOG10, .3, 3),
    U(LOG1P, -.7, 2),
    U(LOG2, .3, 3),
    U(NEGATIVE, -2, 2),
    U(RECIPROCAL, .4, 2),
    U(RSQRT, .4, 3),
    U(SIGMOID, -3, 3),
    U(SIGN, .1, 2),
    U(SIN, -4, 4),
    U(SINH, -2, 2),
    U(SQRT, .3, 3),
    U(SQUARE, -2, 2),
    U(TAN, -1.2, 1.2),
    U(TANH, -2, 2),
    C(ABS, .4, 2),
    C(ARCCOS, -.9, .9),
    C(ARCCOSH, 1.2, 3),
    C(ARCSIN, -.8, .8),
    C(ARCSINH, .4, 2),
    C(ARCTAN, .6, 2),
    C(ARCTANH, -.5, .5),
    C(COS, -2, 2),
    C(COSH, -1, 1),
    C(EXP, -1, 1),
    C(LOG, .5, 3),
    C(LOG10, .5, 3),
    C(LOG2, .5, 3),
    C(NEGATIVE, -2, 2),
    C(RECIPROCAL, .8, 2),
    C(RSQRT, .8, 3),
    C(SIGN, .6, 2),
    C(SIN, -2, 2),
    C(SINH, -1, 1),
    C(SQRT, .5, 3),
    C(SQUARE, -2, 2),
    C(TAN, -.8, .8),
    C(TANH, -.8, .8),
    FC(conjugate, {3, 4}),
    FC(real, {3, 4}),
    FC(imag, {3, 4}),
    F(twice, {3, 4}),
    FC(twice, {3, 4}),
    B(ADD, -2, 2),
    B(ARCTAN2, .3, 2),
    B(DIVIDE, .5, 2),
    B(LOGADDEXP, -2, 2),
    B(MAXIMUM, -2, 2),
    B(MINIMUM, -2, 2),
    B(MULTIPLY, -2, 2),
    B(POWER, .4, 2),
    B(REMAINDER, .4, 3),
    B(SUBTRACT, -2, 2),
    BC(ADD, -2, 2),
    BC(DIVIDE, .6, 2),
    BC(LOGADDEXP, -1, 1),
    BC(MULTIPLY, -2, 2),
    BC(POWER, .6, 1.6),
    BC(SUBTRACT, -2, 2),
    G(where, 3, {3, 4}, {3, 4}, {1, 4}),
    F(r_MAX, {2, 3, 2}),
    F(r_MIN, {2, 3, 2}),
    F(r_PROD, {2, 3, 2}),
    F(r_SUM, {2, 3, 2}),
    F(k_MAX, {3, 4}),
    F(k_MIN, {3, 4}),
    F(k_PROD, {3, 4}),
    F(k_SUM, {3, 4}),
    FC(r_PROD, {2, 3, 2}),
    FC(k_SUM, {3, 4}),
    F(softmax, {3, 4}),
    F(logsumexp, {3, 4}),
    F(softmax_first, {3, 4}),
    SCANS(ADD),
    SCANS(MULTIPLY),
    SCANS(MAXIMUM),
    SCANS(MINIMUM),
    SCANS(LOGADDEXP),
    F(sx_ADD, {3, 4}),
    F(finite_sx_MAXIMUM, {3, 4}),
    F(finite_sx_MINIMUM, {3, 4}),
    F(finite_srx_MINIMUM, {3, 4}),
    F(finite_srx_LOGADDEXP, {3, 4}),
    F(finite_srx_MAXIMUM, {3, 4}),
    F(finite_sx_LOGADDEXP, {3, 4}),
    F(srx_ADD, {3, 4}),
    F(sx_MULTIPLY, {3, 4}),
    F(srx_MULTIPLY, {3, 4}),
    FC(s_MULTIPLY, {2, 3}),
    FC(sr_MULTIPLY, {2, 3}),
    FC(s_ADD, {2, 3}),
    FC(s_LOGADDEXP, {2, 3}),
    F(sort, {3, 4}),
    F(partition, {3, 5}),
    F(topk, {2, 5}),
    F(broadcast, {3, 1}),
    F(reshape, {3, 4}),
    F(flatten, {3, 4}),
    F(expand, {3, 4}),
    F(squeeze, {1, 4}),
    F(transpose, {2, 3, 2}),
    F(diagonal, {3, 2, 4}),
    F(strided, {3, 4}),
    F(slice, {3, 4}),
    F(slice_whole, {3, 4}),
    F(split, {3, 4}),
    F(copy, {3, 4}),
    FC(transpose, {2, 3, 2}),
    FC(slice, {3, 4}),
    G(concatenate, 3, {2, 1}, {2, 3}, {2, 2}),
    G(up_COPY, 2, {3, 4}, {2, 2}),
    G(up_ADD, 2, {3, 4}, {2, 2}),
    G(up_MULTIPLY, 2, {3, 4}, {2, 2}),
    G(up_MAXIMUM, 2, {3, 4}, {2, 2}),
    G(up_MINIMUM, 2, {3, 4}, {2, 2}),
    GC(up_MULTIPLY, 2, {3, 4}, {2, 2}),
    F(take, {2, 3}),
    F(gather, {2, 3, 2}),
    F(along, {3, 4}),
    FC(take, {2, 3}),
    G(scatter_copy, 2, {3, 4}, {2, 1, 4}),
    G(scatter_add, 2, {3, 4}, {2, 1, 4}),
    G(scatter_max, 2, {3, 4}, {2, 1, 4}),
    G(scatter_min, 2, {3, 4}, {2, 1, 4}),
    G(put, 2, {1, 4}, {1, 2}),
    F(hadamard, {2, 4}),
    F(hadamard, {12}),
    F(hadamard, {20}),
    F(hadamard, {28}),
    F(hadamard, {40}),
    G(matmul, 2, {3, 4}, {4, 2}),
    GC(matmul, 2, {3, 4}, {4, 2}),
    G(matmul, 2, {2, 2, 3}, {3, 2}),
    G(addmm, 3, {3, 4}, {4, 2}, {3, 2}),
    G(depends, 2, {3, 4}, {2}),
    Q(to_complex, 1, {3, 4}),
    Q(quantized_rows, 3, {1, 32}, {2, 1}, {2, 1}),
    Q(quantized_columns, 3, {3, 2}, {2, 1}, {2, 1}),
    Q(gathered_rows, 3, {2, 1, 32}, {2, 2, 1}, {2, 2, 1}),
    Q(gathered_columns, 3, {2, 1, 2}, {2, 2, 1}, {2, 2, 1}),
    Q(dequantize, 2, {2, 1}, {2, 1}),
    G(conv_plain, 2, {2, 5, 2}, {3, 3, 2}),
    G(conv_padded, 2, {2, 5, 2}, {3, 2, 2}),
    G(conv_far, 2, {1, 3, 1}, {2, 2, 1}),
    G(conv_far_strided, 2, {1, 3, 2}, {2, 2, 2}),
    G(conv_cut, 2, {1, 8, 2}, {2, 2, 2}),
    G(conv_dilated, 2, {2, 4, 2}, {2, 3, 2}),
    G(conv_groups, 2, {2, 4, 4}, {6, 2, 2}),
    G(conv_area, 2, {1, 4, 5, 2}, {2, 2, 3, 2}),
    G(conv_area_groups, 2, {2, 3, 4, 2}, {4, 2, 2, 1}),
    G(conv_volume, 2, {1, 2, 3, 2, 2}, {2, 2, 1, 2, 2}),
    G(conv_point, 2, {1, 3, 4, 2}, {3, 1, 1, 2}),
    G(conv_transposed, 2, {2, 3, 2}, {2, 3, 2}),
    FC(fft, {3, 4}),
    FC(fft_cropped, {3, 4}),
    FC(ifft_filled, {2, 4}),
    FC(irfft_even, {2, 4}),
    FC(irfft_odd, {3, 2}),
    FC(fft_area, {3, 4}),
    FC(irfft_area, {3, 3}),
    Q(rfft_even, 1, {3, 4}),
    Q(rfft_odd, 1, {5, 2}),
    Q(rfft_area, 1, {3, 4}),
    F(inv, {2, 3, 3}),
    F(tri_inv_lower, {3, 3}),
    F(tri_inv_upper, {2, 3, 3}),
    F(cholesky_lower, {3, 3}),
    F(cholesky_upper, {2, 3, 3}),
    F(cholesky_inv, {3, 3}),
    G(solve, 2, {2, 3, 3}, {2, 3, 2}),
    G(solve, 2, {3, 3}, {3}),
    G(solve_lower, 2, {3, 3}, {3, 2}),
    G(solve_upper, 2, {3, 3}, {3}),
    G(cross, 2, {2, 3}, {3}),
    G(cross, 2, {2, 2}, {3}),
    F(norm, {3, 4}),
    FC(norm, {3, 4}),
    F(norm_three, {3, 4}),
    F(norm_columns, {2, 3, 2}),
    G(gather_mm, 2, {2, 2, 3}, {2, 3, 2}),
    G(segmented_mm, 2, {3, 4}, {4, 2}),
    G(block_masked_mm, 3, {3, 4}, {4, 2}, {1, 1}),
    G(masked_scatter, 2, {4, 2}, {3, 2}),
    F(var_middle, {2, 3, 2}),
    FC(var_middle, {2, 3, 2}),
    F(std_ends, {2, 3, 2}),
    G(rms_norm, 2, {3, 4}, {4}),
    G(layer_norm, 3, {3, 4}, {4}, {4}),
    F(rope, {1, 3, 4}),
    G(layer_norm_plain, 1, {3, 4}),
    G(layer_norm_biased, 2, {3, 4}, {4}),
    G(attention, 3, {1, 2, 3, 2}, {1, 1, 3, 2}, {1, 1, 3, 2}),
    {"zeros in products", zeros_in_product, 1, {{3, 4}}, -2, 2, false, false},
    {"zeros in scans", zeros_in_scan, 1, {{3, 4}}, -2, 2, false, false},
};

#endif
