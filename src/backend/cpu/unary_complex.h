#ifndef WR_BACKEND_CPU_UNARY_COMPLEX_H
#define WR_BACKEND_CPU_UNARY_COMPLEX_H

/* The rows of the operations of one input for complex64; part of unary.c. Operations that are not
   in the table have no complex form in MLX either. */

WR_INLINE void c64_row_map(const struct wr_row *r, wr_complex64 (*f)(wr_complex64)) {
  wr_complex64 *out = r->out;
  const wr_complex64 *in = r->in[0];
  const int64_t n = r->n, s = r->stride[0];
  for (int64_t i = 0; i < n; i++) out[i] = f(in[i * s]);
}

WR_INLINE void c64_row_test(const struct wr_row *r, bool (*f)(wr_complex64)) {
  uint8_t *out = r->out;
  const wr_complex64 *in = r->in[0];
  const int64_t n = r->n, s = r->stride[0];
  for (int64_t i = 0; i < n; i++) out[i] = f(in[i * s]);
}

/* complex64 to float32. */
static void c64_row_abs(const struct wr_row *r) {
  float *out = r->out;
  const wr_complex64 *in = r->in[0];
  const int64_t n = r->n, s = r->stride[0];
  for (int64_t i = 0; i < n; i++) out[i] = c64_abs(in[i * s]);
}

static void c64_row_cos(const struct wr_row *r) { c64_row_map(r, c64_cos); }
static void c64_row_exp(const struct wr_row *r) { c64_row_map(r, c64_exp); }
static void c64_row_log(const struct wr_row *r) { c64_row_map(r, c64_log); }
static void c64_row_log1p(const struct wr_row *r) { c64_row_map(r, c64_log1p); }
static void c64_row_log2(const struct wr_row *r) { c64_row_map(r, c64_log2); }
static void c64_row_negative(const struct wr_row *r) { c64_row_map(r, c64_negative); }
static void c64_row_reciprocal(const struct wr_row *r) { c64_row_map(r, c64_reciprocal); }
static void c64_row_round(const struct wr_row *r) { c64_row_map(r, c64_round); }
static void c64_row_rsqrt(const struct wr_row *r) { c64_row_map(r, c64_rsqrt); }
static void c64_row_sign(const struct wr_row *r) { c64_row_map(r, c64_sign); }
static void c64_row_sin(const struct wr_row *r) { c64_row_map(r, c64_sin); }
static void c64_row_sqrt(const struct wr_row *r) { c64_row_map(r, c64_sqrt); }
static void c64_row_square(const struct wr_row *r) { c64_row_map(r, c64_square); }
static void c64_row_tan(const struct wr_row *r) { c64_row_map(r, c64_tan); }
static void c64_row_tanh(const struct wr_row *r) { c64_row_map(r, c64_tanh); }
static void c64_row_isfinite(const struct wr_row *r) { c64_row_test(r, c64_isfinite); }
static void c64_row_isinf(const struct wr_row *r) { c64_row_test(r, c64_isinf); }
static void c64_row_isnan(const struct wr_row *r) { c64_row_test(r, c64_isnan); }

static const wr_row_fn c64_rows[WR_OP_COUNT] = {
    [WR_OP_ABS] = c64_row_abs,
    [WR_OP_COS] = c64_row_cos,
    [WR_OP_EXP] = c64_row_exp,
    [WR_OP_ISFINITE] = c64_row_isfinite,
    [WR_OP_ISINF] = c64_row_isinf,
    [WR_OP_ISNAN] = c64_row_isnan,
    [WR_OP_LOG] = c64_row_log,
    [WR_OP_LOG1P] = c64_row_log1p,
    [WR_OP_LOG2] = c64_row_log2,
    [WR_OP_NEGATIVE] = c64_row_negative,
    [WR_OP_RECIPROCAL] = c64_row_reciprocal,
    [WR_OP_ROUND] = c64_row_round,
    [WR_OP_RSQRT] = c64_row_rsqrt,
    [WR_OP_SIGN] = c64_row_sign,
    [WR_OP_SIN] = c64_row_sin,
    [WR_OP_SQRT] = c64_row_sqrt,
    [WR_OP_SQUARE] = c64_row_square,
    [WR_OP_TAN] = c64_row_tan,
    [WR_OP_TANH] = c64_row_tanh,
};

#endif
