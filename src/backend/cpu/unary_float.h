/* Template: the rows of the operations of one input for one floating type. Included by unary.c with
     EL   f16, f32, f64 or bf16
     CT   what it computes in: f32 or f64 */

#define E WR_PASTE(wr_el_, EL)
#define C WR_PASTE(wr_ct_, EL)
#define LOAD WR_PASTE(wr_load_, EL)
#define STORE WR_PASTE(wr_store_, EL)
#define ROW(name) WR_PASTE(EL, WR_PASTE(_row, name))
#define OP(name) WR_PASTE(CT, name)

WR_INLINE void ROW(_map)(const struct wr_row *r, C (*f)(C)) {
  E *out = r->out;
  const E *in = r->in[0];
  const int64_t n = r->n, s = r->stride[0];
  if (s == 1) {
    WR_INDEPENDENT
    for (int64_t i = 0; i < n; i++) out[i] = STORE(f(LOAD(in[i])));
  } else {
    for (int64_t i = 0; i < n; i++) out[i] = STORE(f(LOAD(in[i * s])));
  }
}

WR_INLINE void ROW(_test)(const struct wr_row *r, bool (*f)(C)) {
  uint8_t *out = r->out;
  const E *in = r->in[0];
  const int64_t n = r->n, s = r->stride[0];
  for (int64_t i = 0; i < n; i++) out[i] = f(LOAD(in[i * s]));
}

/* Trigonometric functions: a row without far angles goes without calls. The others get the same
   bits element by element. */
WR_INLINE bool ROW(_has_far)(const struct wr_row *r) {
  const E *in = r->in[0];
  const int64_t n = r->n, s = r->stride[0];
  int far = 0;
  for (int64_t i = 0; i < n; i++) far |= OP(_is_far)(LOAD(in[i * s]));
  return far != 0;
}

WR_INLINE void ROW(_turn)(const struct wr_row *r, C (*near)(C), C (*any)(C)) {
  if (ROW(_has_far)(r)) {
    ROW(_map)(r, any);
  } else {
    ROW(_map)(r, near);
  }
}

WR_WIDE static void ROW(_abs)(const struct wr_row *r) { ROW(_map)(r, OP(_abs)); }
WR_WIDE static void ROW(_ceil)(const struct wr_row *r) { ROW(_map)(r, OP(_ceil)); }
WR_WIDE static void ROW(_cos)(const struct wr_row *r) { ROW(_turn)(r, OP(_near_cos), OP(_cos)); }
WR_WIDE static void ROW(_erf)(const struct wr_row *r) { ROW(_map)(r, OP(_erf)); }
WR_WIDE static void ROW(_erfinv)(const struct wr_row *r) { ROW(_map)(r, OP(_erfinv)); }
WR_WIDE static void ROW(_exp)(const struct wr_row *r) { ROW(_map)(r, OP(_exp)); }
WR_WIDE static void ROW(_expm1)(const struct wr_row *r) { ROW(_map)(r, OP(_expm1)); }
WR_WIDE static void ROW(_floor)(const struct wr_row *r) { ROW(_map)(r, OP(_floor)); }
WR_WIDE static void ROW(_log)(const struct wr_row *r) { ROW(_map)(r, OP(_log)); }
WR_WIDE static void ROW(_log1p)(const struct wr_row *r) { ROW(_map)(r, OP(_log1p)); }
WR_WIDE static void ROW(_log2)(const struct wr_row *r) { ROW(_map)(r, OP(_log2)); }
WR_WIDE static void ROW(_negative)(const struct wr_row *r) { ROW(_map)(r, OP(_negative)); }
WR_WIDE static void ROW(_reciprocal)(const struct wr_row *r) { ROW(_map)(r, OP(_reciprocal)); }
WR_WIDE static void ROW(_round)(const struct wr_row *r) { ROW(_map)(r, OP(_round)); }
WR_WIDE static void ROW(_rsqrt)(const struct wr_row *r) { ROW(_map)(r, OP(_rsqrt)); }
WR_WIDE static void ROW(_sigmoid)(const struct wr_row *r) { ROW(_map)(r, OP(_sigmoid)); }
WR_WIDE static void ROW(_sign)(const struct wr_row *r) { ROW(_map)(r, OP(_sign)); }
WR_WIDE static void ROW(_sin)(const struct wr_row *r) { ROW(_turn)(r, OP(_near_sin), OP(_sin)); }
WR_WIDE static void ROW(_sqrt)(const struct wr_row *r) { ROW(_map)(r, OP(_sqrt)); }
WR_WIDE static void ROW(_square)(const struct wr_row *r) { ROW(_map)(r, OP(_square)); }
WR_WIDE static void ROW(_tan)(const struct wr_row *r) { ROW(_turn)(r, OP(_near_tan), OP(_tan)); }
WR_WIDE static void ROW(_tanh)(const struct wr_row *r) { ROW(_map)(r, OP(_tanh)); }
static void ROW(_isfinite)(const struct wr_row *r) { ROW(_test)(r, OP(_isfinite)); }
static void ROW(_isinf)(const struct wr_row *r) { ROW(_test)(r, OP(_isinf)); }
static void ROW(_isnan)(const struct wr_row *r) { ROW(_test)(r, OP(_isnan)); }

static const wr_row_fn ROW(s)[WR_OP_COUNT] = {
    [WR_OP_ABS] = ROW(_abs),           [WR_OP_CEIL] = ROW(_ceil),
    [WR_OP_COS] = ROW(_cos),           [WR_OP_ERF] = ROW(_erf),
    [WR_OP_ERFINV] = ROW(_erfinv),     [WR_OP_EXP] = ROW(_exp),
    [WR_OP_EXPM1] = ROW(_expm1),       [WR_OP_FLOOR] = ROW(_floor),
    [WR_OP_ISFINITE] = ROW(_isfinite), [WR_OP_ISINF] = ROW(_isinf),
    [WR_OP_ISNAN] = ROW(_isnan),       [WR_OP_LOG] = ROW(_log),
    [WR_OP_LOG1P] = ROW(_log1p),       [WR_OP_LOG2] = ROW(_log2),
    [WR_OP_NEGATIVE] = ROW(_negative), [WR_OP_RECIPROCAL] = ROW(_reciprocal),
    [WR_OP_ROUND] = ROW(_round),       [WR_OP_RSQRT] = ROW(_rsqrt),
    [WR_OP_SIGMOID] = ROW(_sigmoid),   [WR_OP_SIGN] = ROW(_sign),
    [WR_OP_SIN] = ROW(_sin),           [WR_OP_SQRT] = ROW(_sqrt),
    [WR_OP_SQUARE] = ROW(_square),     [WR_OP_TAN] = ROW(_tan),
    [WR_OP_TANH] = ROW(_tanh),
};

#undef E
#undef C
#undef LOAD
#undef STORE
#undef ROW
#undef OP
#undef EL
#undef CT
