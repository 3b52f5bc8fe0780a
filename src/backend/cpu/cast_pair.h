/* Template: one row that turns FROM into TO by way of VIA; see cast_to.h. */

#ifndef WIDE
#define WIDE
#endif

WIDE static void WR_PASTE(WR_PASTE(TO, _from_), FROM)(const struct wr_row *r) {
  WR_PASTE(wr_el_, TO) *out = r->out;
  const WR_PASTE(wr_el_, FROM) *in = r->in[0];
  const int64_t n = r->n, s = r->stride[0];
  if (s == 1) {
    WR_INDEPENDENT
    for (int64_t i = 0; i < n; i++) {
      out[i] = WR_PASTE(WR_PASTE(TO, _of_), VIA)(WR_PASTE(wr_load_, FROM)(in[i]));
    }
  } else {
    for (int64_t i = 0; i < n; i++) {
      out[i] = WR_PASTE(WR_PASTE(TO, _of_), VIA)(WR_PASTE(wr_load_, FROM)(in[i * s]));
    }
  }
}

#undef FROM
#undef VIA
#undef WIDE
