/* Template: the rows of the operations of one input for one floating type. Included by unary_*.c
   with
     EL   f32, f64 or bf16
     CT   what it computes in: f32 or f64 */

#include "backend/cpu/elementwise_names.h"
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

WR_INLINE void ROW(_turn)(const struct wr_row *r, C (*near)(C), C (*any)(C)) {
  if (ROW(_has_far)(r)) {
    ROW(_map)(r, any);
  } else {
    ROW(_map)(r, near);
  }
}

#define FORM_unary(name) \
  WR_WIDE static void ROW(_##name)(const struct wr_row *r) { ROW(_map)(r, OP(_##name)); }
#define FORM_unary_magnitude FORM_unary
#define FORM_unary_test(name) \
  static void ROW(_##name)(const struct wr_row *r) { ROW(_check)(r, OP(_##name)); }
#define FORM_unary_turn(name)                                \
  WR_WIDE static void ROW(_##name)(const struct wr_row *r) { \
    ROW(_turn)(r, OP(_near_##name), OP(_##name));            \
  }
#define INPUTS 1
#include "backend/cpu/elementwise_rows.h"
