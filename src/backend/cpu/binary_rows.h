/* Template: the rows of the operations of two inputs for one type. Included by binary.c with
     EL   the element type
     CT   the compute type: f32, f64, c64, or EL itself for integers (whose functions binary_int.h
          makes)
     NO_REMAINDER, NO_DIVIDE   defined where the type has none
     NO_WIDE_MULTIPLY   defined where GCC would fuse it with an addition, where processors can
     NEAR_REMAINDER   defined where the remainder of pairs that are not far goes without calls */

#define E WR_PASTE(wr_el_, EL)
#define C WR_PASTE(wr_ct_, EL)
#define LOAD WR_PASTE(wr_load_, EL)
#define STORE WR_PASTE(wr_store_, EL)
#define ROW(name) WR_PASTE(EL, WR_PASTE(_row, name))
#define OP(name) WR_PASTE(CT, name)

/* Dense and broadcast operands have loops of their own, which compilers vectorise. */
WR_INLINE void ROW(_map)(const struct wr_row *r, C (*f)(C, C)) {
  E *out = r->out;
  const E *a = r->in[0], *b = r->in[1];
  const int64_t n = r->n, s = r->stride[0], t = r->stride[1];
  if (s == 1 && t == 1) {
    WR_INDEPENDENT
    for (int64_t i = 0; i < n; i++) out[i] = STORE(f(LOAD(a[i]), LOAD(b[i])));
  } else if (s == 1 && t == 0) {
    const C y = LOAD(*b);
    WR_INDEPENDENT
    for (int64_t i = 0; i < n; i++) out[i] = STORE(f(LOAD(a[i]), y));
  } else if (s == 0 && t == 1) {
    const C x = LOAD(*a);
    WR_INDEPENDENT
    for (int64_t i = 0; i < n; i++) out[i] = STORE(f(x, LOAD(b[i])));
  } else {
    for (int64_t i = 0; i < n; i++) out[i] = STORE(f(LOAD(a[i * s]), LOAD(b[i * t])));
  }
}

WR_INLINE void ROW(_test)(const struct wr_row *r, bool (*f)(C, C)) {
  uint8_t *out = r->out;
  const E *a = r->in[0], *b = r->in[1];
  const int64_t n = r->n, s = r->stride[0], t = r->stride[1];
  if (s == 1 && t == 1) {
    WR_INDEPENDENT
    for (int64_t i = 0; i < n; i++) out[i] = f(LOAD(a[i]), LOAD(b[i]));
  } else if (s == 1 && t == 0) {
    const C y = LOAD(*b);
    WR_INDEPENDENT
    for (int64_t i = 0; i < n; i++) out[i] = f(LOAD(a[i]), y);
  } else {
    for (int64_t i = 0; i < n; i++) out[i] = f(LOAD(a[i * s]), LOAD(b[i * t]));
  }
}

WR_WIDE static void ROW(_add)(const struct wr_row *r) { ROW(_map)(r, OP(_add)); }
WR_WIDE static void ROW(_maximum)(const struct wr_row *r) { ROW(_map)(r, OP(_maximum)); }
WR_WIDE static void ROW(_minimum)(const struct wr_row *r) { ROW(_map)(r, OP(_minimum)); }
#ifndef NO_WIDE_MULTIPLY
WR_WIDE
#endif
static void ROW(_multiply)(const struct wr_row *r) { ROW(_map)(r, OP(_multiply)); }
WR_WIDE static void ROW(_power)(const struct wr_row *r) { ROW(_map)(r, OP(_power)); }
WR_WIDE static void ROW(_subtract)(const struct wr_row *r) { ROW(_map)(r, OP(_subtract)); }
#ifndef NO_DIVIDE
WR_WIDE static void ROW(_divide)(const struct wr_row *r) { ROW(_map)(r, OP(_divide)); }
#endif
#if defined(NEAR_REMAINDER)
/* A row with a far pair gives the same bits, element by element. */
WR_INLINE bool ROW(_has_far)(const struct wr_row *r) {
  const E *a = r->in[0], *b = r->in[1];
  const int64_t n = r->n, s = r->stride[0], t = r->stride[1];
  int far = 0;
  for (int64_t i = 0; i < n; i++) far |= OP(_is_far_pair)(LOAD(a[i * s]), LOAD(b[i * t]));
  return far != 0;
}

WR_WIDE static void ROW(_remainder)(const struct wr_row *r) {
  if (ROW(_has_far)(r)) {
    ROW(_map)(r, OP(_remainder));
  } else {
    ROW(_map)(r, OP(_near_remainder));
  }
}
#elif !defined(NO_REMAINDER)
static void ROW(_remainder)(const struct wr_row *r) { ROW(_map)(r, OP(_remainder)); }
#endif
WR_WIDE static void ROW(_equal)(const struct wr_row *r) { ROW(_test)(r, OP(_equal)); }
static void ROW(_equal_nan)(const struct wr_row *r) { ROW(_test)(r, OP(_equal_nan)); }
WR_WIDE static void ROW(_greater)(const struct wr_row *r) { ROW(_test)(r, OP(_greater)); }
WR_WIDE static void ROW(_greater_equal)(const struct wr_row *r) {
  ROW(_test)(r, OP(_greater_equal));
}
WR_WIDE static void ROW(_less)(const struct wr_row *r) { ROW(_test)(r, OP(_less)); }
WR_WIDE static void ROW(_less_equal)(const struct wr_row *r) { ROW(_test)(r, OP(_less_equal)); }
WR_WIDE static void ROW(_not_equal)(const struct wr_row *r) { ROW(_test)(r, OP(_not_equal)); }

static const wr_row_fn ROW(s)[WR_OP_COUNT] = {
    [WR_OP_ADD] = ROW(_add),
    [WR_OP_EQUAL] = ROW(_equal),
    [WR_OP_EQUAL_NAN] = ROW(_equal_nan),
    [WR_OP_GREATER] = ROW(_greater),
    [WR_OP_GREATER_EQUAL] = ROW(_greater_equal),
    [WR_OP_LESS] = ROW(_less),
    [WR_OP_LESS_EQUAL] = ROW(_less_equal),
    [WR_OP_MAXIMUM] = ROW(_maximum),
    [WR_OP_MINIMUM] = ROW(_minimum),
    [WR_OP_MULTIPLY] = ROW(_multiply),
    [WR_OP_NOT_EQUAL] = ROW(_not_equal),
    [WR_OP_POWER] = ROW(_power),
    [WR_OP_SUBTRACT] = ROW(_subtract),
#ifndef NO_DIVIDE
    [WR_OP_DIVIDE] = ROW(_divide),
#endif
#ifndef NO_REMAINDER
    [WR_OP_REMAINDER] = ROW(_remainder),
#endif
};

#undef E
#undef C
#undef LOAD
#undef STORE
#undef ROW
#undef OP
#undef EL
#undef CT
