/* Template: the rows of the operations of two inputs for one type. Included by binary_*.c and
   rows_*.inc with EL   the element type CT   the compute type: f32, f64, c64, or EL itself for
   integers (whose functions binary_int.h makes) NO_WIDE_PRODUCT   defined where GCC would fuse a
   product with an addition in wide versions NEAR_REMAINDER   defined where the remainder of pairs
   that are not far goes without calls The functions and their table come from the rows of ops.def
   (elementwise_rows.h). */

#define INPUTS 2
#include "backend/cpu/elementwise_names.h"
#include "backend/cpu/stretch_loops.h"

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

WR_INLINE void ROW(_check)(const struct wr_row *r, bool (*f)(C, C)) {
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

#ifdef NEAR_REMAINDER
/* A row with a far pair gives the same bits, element by element. */
WR_INLINE bool ROW(_has_far)(const struct wr_row *r) {
  const E *a = r->in[0], *b = r->in[1];
  const int64_t n = r->n, s = r->stride[0], t = r->stride[1];
  int far = 0;
  for (int64_t i = 0; i < n; i++) far |= OP(_is_far_pair)(LOAD(a[i * s]), LOAD(b[i * t]));
  return far != 0;
}

#define FORM_binary_far(name, rule) WR_NEAR_AND_FAR(name, _map2_stretches)
#else
#define FORM_binary_far(name, rule) \
  static void ROW(_##name)(const struct wr_row *r) { ROW(_map)(r, OP(_##name)); }
#endif
/* What makes floats of whole numbers is made of many instructions. */
#define FORM_binary(name, rule) FORM_binary_##rule(name)
#define FORM_binary_PROMOTE(name) \
  WR_WIDE static void ROW(_##name)(const struct wr_row *r) { ROW(_map)(r, OP(_##name)); }
#define FORM_binary_SHIFT FORM_binary_PROMOTE
#define FORM_binary_LOGICAL FORM_binary_PROMOTE
#define FORM_binary_PROMOTE_FLOAT(name) \
  WR_WIDE static void ROW(_##name)(const struct wr_row *r) { ROW(_map2_stretches)(r, OP(_##name)); }
#ifdef NO_WIDE_PRODUCT
#define FORM_binary_product(name, rule) \
  static void ROW(_##name)(const struct wr_row *r) { ROW(_map)(r, OP(_##name)); }
#else
#define FORM_binary_product FORM_binary
#endif
#define FORM_binary_test(name, rule) \
  WR_WIDE static void ROW(_##name)(const struct wr_row *r) { ROW(_check)(r, OP(_##name)); }

#include "backend/cpu/elementwise_rows.h"

#undef FORM_binary_PROMOTE
#undef FORM_binary_SHIFT
#undef FORM_binary_LOGICAL
#undef FORM_binary_PROMOTE_FLOAT
#undef NEAR_REMAINDER
