/* Template: the rows of the operations of one input for complex64. Included by unary_c64.c with
     EL   c64 */

WR_INLINE void c64_row_map(const struct wr_row *r, wr_complex64 (*f)(wr_complex64)) {
  wr_complex64 *out = r->out;
  const wr_complex64 *in = r->in[0];
  const int64_t n = r->n, s = r->stride[0];
  for (int64_t i = 0; i < n; i++) out[i] = f(in[i * s]);
}

WR_INLINE void c64_row_check(const struct wr_row *r, bool (*f)(wr_complex64)) {
  uint8_t *out = r->out;
  const wr_complex64 *in = r->in[0];
  const int64_t n = r->n, s = r->stride[0];
  for (int64_t i = 0; i < n; i++) out[i] = f(in[i * s]);
}

WR_INLINE void c64_row_magnitude(const struct wr_row *r, float (*f)(wr_complex64)) {
  float *out = r->out;
  const wr_complex64 *in = r->in[0];
  const int64_t n = r->n, s = r->stride[0];
  for (int64_t i = 0; i < n; i++) out[i] = f(in[i * s]);
}

#define ROW(name) WR_PASTE(c64_row, name)
#define FORM_unary(name, rule) \
  static void c64_row_##name(const struct wr_row *r) { c64_row_map(r, c64_##name); }
#define FORM_unary_magnitude(name, rule) \
  static void c64_row_##name(const struct wr_row *r) { c64_row_magnitude(r, c64_##name); }
#define FORM_unary_test(name, rule) \
  static void c64_row_##name(const struct wr_row *r) { c64_row_check(r, c64_##name); }
#define FORM_unary_turn FORM_unary
#define FORM_unary_usual FORM_unary
#define INPUTS 1
#include "backend/cpu/elementwise_rows.h"
