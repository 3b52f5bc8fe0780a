/* Template: the loop of functions that take many instructions, of one input and of two, for
   unary_float.h and binary_rows.h, which have included elementwise_names.h. One loop serves all
   strides, and its count is a multiple of LANES, so that compilers add none for what is left over:
   strided and broadcast inputs, and the row's end, are copied to where they lie dense. */

#ifndef WR_STRETCH_LANES
/* The row of a function that computes far elements in another way: a part that has such, by its
   _has_far, goes element by element, which gives the others the same bits; the rest go by MAP. */
#define WR_NEAR_AND_FAR(name, MAP)                                                                 \
  WR_WIDE static bool ROW(_is_far_##name)(const struct wr_row *r) { return ROW(_has_far)(r); }     \
  static void ROW(_far_##name)(const struct wr_row *r) { ROW(_map)(r, OP(_##name)); }              \
  WR_WIDE static void ROW(_near_##name)(const struct wr_row *r) { ROW(MAP)(r, OP(_near_##name)); } \
  static void ROW(_##name)(const struct wr_row *r) {                                               \
    for (int64_t at = 0; at < r->n; at += WR_FAR_PART) {                                           \
      const struct wr_row part = ROW(_part)(r, at);                                                \
      (ROW(_is_far_##name)(&part) ? ROW(_far_##name) : ROW(_near_##name))(&part);                  \
    }                                                                                              \
  }
#define WR_FAR_PART 2048 /* elements: in the first-level cache when they are read again */
#define WR_STRETCH_LANES 16
#define WR_STRETCH_BYTES 1024 /* three of them lie on stacks that may be small (K13) */
#endif
#define STRETCH (WR_STRETCH_BYTES / (int64_t)sizeof(E))

/* A row's elements from `at` on, as many as WR_FAR_PART says. */
WR_INLINE struct wr_row ROW(_part)(const struct wr_row *r, int64_t at) {
  struct wr_row part = *r;
  part.n = r->n - at < WR_FAR_PART ? r->n - at : WR_FAR_PART;
  part.out = (E *)r->out + at;
  for (int k = 0; k < INPUTS; k++) part.in[k] = (const E *)r->in[k] + at * r->stride[k];
  return part;
}

/* n elements of input k from `at` on, and more up to `padded`, which are of the same kind. */
WR_INLINE const E *ROW(_stretch)(const struct wr_row *r, int k, int64_t at, int64_t n,
                                 int64_t padded, E *copy) {
  const int64_t s = r->stride[k];
  const E *in = (const E *)r->in[k] + at * s;
  if (s == 1 && n == padded) return in;
  for (int64_t i = 0; i < n; i++) copy[i] = in[i * s];
  for (int64_t i = n; i < padded; i++) copy[i] = copy[n - 1];
  return copy;
}

/* How many elements are next: all that fill vectors, if they need no copies. */
WR_INLINE int64_t ROW(_next)(int64_t left, bool dense) {
  const int64_t whole = left & -(int64_t)WR_STRETCH_LANES;
  if (dense && whole != 0) return whole;
  return left < STRETCH ? left : STRETCH;
}

WR_INLINE void ROW(_map_stretches)(const struct wr_row *r, C (*f)(C)) {
  E copy[STRETCH], result[STRETCH];
  for (int64_t at = 0, n; at < r->n; at += n) {
    n = ROW(_next)(r->n - at, r->stride[0] == 1);
    const int64_t padded = (n + WR_STRETCH_LANES - 1) & -(int64_t)WR_STRETCH_LANES;
    const E *x = ROW(_stretch)(r, 0, at, n, padded, copy);
    E *out = (E *)r->out + at, *y = n == padded ? out : result;
    WR_INDEPENDENT
    for (int64_t i = 0; i < padded; i++) y[i] = STORE(f(LOAD(x[i])));
    if (y != out) memcpy(out, y, (size_t)n * sizeof *y);
  }
}

WR_INLINE void ROW(_map2_stretches)(const struct wr_row *r, C (*f)(C, C)) {
  E a_copy[STRETCH], b_copy[STRETCH], result[STRETCH];
  for (int64_t at = 0, n; at < r->n; at += n) {
    n = ROW(_next)(r->n - at, r->stride[0] == 1 && r->stride[1] == 1);
    const int64_t padded = (n + WR_STRETCH_LANES - 1) & -(int64_t)WR_STRETCH_LANES;
    const E *a = ROW(_stretch)(r, 0, at, n, padded, a_copy);
    const E *b = ROW(_stretch)(r, 1, at, n, padded, b_copy);
    E *out = (E *)r->out + at, *y = n == padded ? out : result;
    WR_INDEPENDENT
    for (int64_t i = 0; i < padded; i++) y[i] = STORE(f(LOAD(a[i]), LOAD(b[i])));
    if (y != out) memcpy(out, y, (size_t)n * sizeof *y);
  }
}

#undef STRETCH
