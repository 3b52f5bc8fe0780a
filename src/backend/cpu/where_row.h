/* Template: the row of `where` for elements of one size. Included by ternary.c with
     EL   u8, u16, u32, u64 or c64 */

#define E WR_PASTE(wr_el_, EL)

WR_INLINE void WR_PASTE(EL, _choose)(E *out, const uint8_t *c, const E *x, int64_t t, const E *y,
                                     int64_t u, int64_t n) {
  WR_INDEPENDENT
  for (int64_t i = 0; i < n; i++) {
    /* Both are read, so that the choice is a blend. */
    const E a = x[i * t], b = y[i * u];
    out[i] = c[i] ? a : b;
  }
}

WR_WIDE static void WR_PASTE(EL, _where)(const struct wr_row *r) {
  E *out = r->out;
  const uint8_t *c = r->in[0];
  const E *x = r->in[1], *y = r->in[2];
  const int64_t n = r->n, s = r->stride[0], t = r->stride[1], u = r->stride[2];
  if (s == 1 && t == 1 && u == 1) {
    WR_PASTE(EL, _choose)(out, c, x, 1, y, 1, n);
  } else if (s == 1 && t == 1 && u == 0) {
    WR_PASTE(EL, _choose)(out, c, x, 1, y, 0, n);
  } else if (s == 1 && t == 0 && u == 1) {
    WR_PASTE(EL, _choose)(out, c, x, 0, y, 1, n);
  } else {
    for (int64_t i = 0; i < n; i++) out[i] = c[i * s] ? x[i * t] : y[i * u];
  }
}

#undef E
#undef EL
