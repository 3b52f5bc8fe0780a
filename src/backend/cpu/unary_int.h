/* Template: the rows of the operations of one input for one integer type, or bool. Included by
   unary.c with
     EL       b8 (bool), u8 .. u64, i8 .. i64
     SIGNED   defined for i8 .. i64
   Arithmetic goes through uint64_t, so that overflow wraps: -INT_MIN is INT_MIN. */

#define E WR_PASTE(wr_el_, EL)
#define STORE WR_PASTE(wr_store_, EL)
#define ROW(name) WR_PASTE(EL, WR_PASTE(_row, name))

WR_INLINE void ROW(_map)(const struct wr_row *r, E (*f)(E)) {
  E *out = r->out;
  const E *in = r->in[0];
  const int64_t n = r->n, s = r->stride[0];
  if (s == 1) {
    WR_INDEPENDENT
    for (int64_t i = 0; i < n; i++) out[i] = STORE(f(in[i]));
  } else {
    for (int64_t i = 0; i < n; i++) out[i] = STORE(f(in[i * s]));
  }
}

WR_INLINE E ROW(_one_negative)(E x) { return (E)(0 - (uint64_t)x); }
#ifdef SIGNED
WR_INLINE E ROW(_one_abs)(E x) { return x < 0 ? ROW(_one_negative)(x) : x; }
WR_INLINE E ROW(_one_sign)(E x) { return (E)((x > 0) - (x < 0)); }
#else
WR_INLINE E ROW(_one_abs)(E x) { return x; }
WR_INLINE E ROW(_one_sign)(E x) { return x != 0; }
#endif
WR_INLINE E ROW(_one_square)(E x) { return (E)((uint64_t)x * (uint64_t)x); }
WR_INLINE E ROW(_one_same)(E x) { return x; }

static void ROW(_abs)(const struct wr_row *r) { ROW(_map)(r, ROW(_one_abs)); }
static void ROW(_negative)(const struct wr_row *r) { ROW(_map)(r, ROW(_one_negative)); }
static void ROW(_sign)(const struct wr_row *r) { ROW(_map)(r, ROW(_one_sign)); }
static void ROW(_square)(const struct wr_row *r) { ROW(_map)(r, ROW(_one_square)); }
static void ROW(_same)(const struct wr_row *r) { ROW(_map)(r, ROW(_one_same)); }

static const wr_row_fn ROW(s)[WR_OP_COUNT] = {
    [WR_OP_ABS] = ROW(_abs),           [WR_OP_CEIL] = ROW(_same),
    [WR_OP_FLOOR] = ROW(_same),        [WR_OP_ISFINITE] = integer_is,
    [WR_OP_ISINF] = integer_is_not,    [WR_OP_ISNAN] = integer_is_not,
    [WR_OP_NEGATIVE] = ROW(_negative), [WR_OP_ROUND] = ROW(_same),
    [WR_OP_SIGN] = ROW(_sign),         [WR_OP_SQUARE] = ROW(_square),
};

#undef E
#undef STORE
#undef ROW
#undef EL
#undef SIGNED
