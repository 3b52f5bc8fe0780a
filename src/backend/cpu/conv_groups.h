/* Template: positions [begin, end) of a convolution whose groups have few channels, for one type.
   The weight has the output's channels last. Included by conv.c with
     T        float or double
     NAME(f)  name of a function for it */

/* y += x w, over all channels: one input and one output channel for each group. */
WR_WIDE static void NAME(add_each)(T *restrict y, const T *restrict x, const T *restrict w,
                                   int64_t n) {
  WR_INDEPENDENT
  for (int64_t i = 0; i < n; i++) y[i] += x[i] * w[i];
}

/* The same where each of the groups has `in` input and `out` output channels: w is of one of the
   input's. */
static void NAME(add_groups)(T *restrict y, const T *restrict x, const T *restrict w,
                             int64_t groups, int64_t in, int64_t out) {
  for (int64_t g = 0; g < groups; g++) {
    for (int64_t o = 0; o < out; o++) y[g * out + o] += x[g * in] * w[g * out + o];
  }
}

/* What element `tap` of the kernel adds, at x. */
static void NAME(add_tap)(const struct conv *c, T *y, const T *x, const T *w) {
  const int64_t in = c->x.in_channels / c->x.groups, out = c->x.out_channels / c->x.groups;
  if (in == 1 && out == 1) {
    NAME(add_each)(y, x, w, c->x.out_channels);
    return;
  }
  for (int64_t i = 0; i < in; i++) {
    NAME(add_groups)(y, x + i, w + i * c->x.out_channels, c->x.groups, in, out);
  }
}

static void NAME(position)(const struct conv *c, const struct place *p, T *y) {
  const T *w = (const T *)(const void *)c->weight;
  const int64_t step = c->x.in_channels / c->x.groups * c->x.out_channels;
  memset(y, 0, (size_t)c->x.out_channels * sizeof *y);
  for (int64_t i = 0; i < c->x.kernel[0]; i++) {
    const int64_t z = under(c, 0, p->at[0], i);
    for (int64_t j = 0; j < c->x.kernel[1]; j++) {
      const int64_t v = under(c, 1, p->at[1], j);
      for (int64_t k = 0; k < c->x.kernel[2]; k++, w += step) {
        const int64_t u = under(c, 2, p->at[2], k);
        if (z < 0 || v < 0 || u < 0) continue;
        const int64_t at = ((p->image * c->x.in[0] + z) * c->x.in[1] + v) * c->x.in[2] + u;
        NAME(add_tap)(c, y, (const T *)(const void *)c->input + at * c->x.in_channels, w);
      }
    }
  }
}

static void NAME(positions)(void *ctx, int64_t begin, int64_t end) {
  const struct conv *c = ctx;
  struct place p = place_of(c, begin);
  for (int64_t i = begin; i < end; i++, place_next(c, &p)) {
    NAME(position)(c, &p, (T *)(void *)c->out + i * c->x.out_channels);
  }
}

#undef T
#undef NAME
