/* Template: the rows of the operations of one input for one floating type. Included by unary_*.c
   with
     EL   f32 or f64
     CT   the same */

#include "backend/cpu/elementwise_names.h"
#include "backend/cpu/stretch_loops.h"
#include "backend/cpu/unary_loops.h"

/* Trigonometric functions: a row without far angles goes without calls. The others get the same
   bits element by element. */
WR_INLINE bool ROW(_has_far)(const struct wr_row *r) {
  const E *in = r->in[0];
  const int64_t n = r->n, s = r->stride[0];
  int far = 0;
  for (int64_t i = 0; i < n; i++) far |= OP(_is_far)(LOAD(in[i * s]));
  return far != 0;
}

/* What makes floats of whole numbers is made of many instructions. */
#define FORM_unary(name, rule) FORM_unary_##rule(name)
#define FORM_unary_SAME(name) \
  WR_WIDE static void ROW(_##name)(const struct wr_row *r) { ROW(_map)(r, OP(_##name)); }
#define FORM_unary_FLOAT(name) \
  WR_WIDE static void ROW(_##name)(const struct wr_row *r) { ROW(_map_stretches)(r, OP(_##name)); }
#define FORM_unary_magnitude(name, rule) FORM_unary_SAME(name)
#define FORM_unary_test(name, rule) \
  WR_WIDE static void ROW(_##name)(const struct wr_row *r) { ROW(_check)(r, OP(_##name)); }
#define FORM_unary_turn(name, rule) WR_NEAR_AND_FAR(name, _map_stretches)
#define INPUTS 1
#include "backend/cpu/elementwise_rows.h"

#undef FORM_unary_SAME
#undef FORM_unary_FLOAT
