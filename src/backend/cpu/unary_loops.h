/* Template: the loops of operations of one input, for unary_float.h and unary_int.h, which have
   included elementwise_names.h. */

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

WR_INLINE void ROW(_check)(const struct wr_row *r, bool (*f)(C)) {
  uint8_t *out = r->out;
  const E *in = r->in[0];
  const int64_t n = r->n, s = r->stride[0];
  for (int64_t i = 0; i < n; i++) out[i] = f(LOAD(in[i * s]));
}
