/* Template: the rows of the operations of one input for one floating type. Included by
   rows_*.inc with
     EL   f32 or f64
     CT   the same */

#define INPUTS 1
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

/* Logarithms: a part of positive, normal and finite numbers goes without what the others need.
   Where there are others, the first are found soon more often than not. */
WR_INLINE bool ROW(_is_usual)(const struct wr_row *r) {
  enum { SOON = 256 };
  const E *in = r->in[0];
  const int64_t s = r->stride[0];
  int unusual = 0;
  for (int64_t at = 0; at < r->n && !unusual; at += SOON) {
    const int64_t end = r->n - at < SOON ? r->n : at + SOON;
    for (int64_t i = at; i < end; i++) unusual |= !OP(_is_usual)(LOAD(in[i * s]));
  }
  return unusual == 0;
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
#define FORM_unary_usual(name, rule)                                                            \
  static void ROW(_usual_##name)(const struct wr_row *r) {                                      \
    ROW(_map_stretches)(r, OP(_usual_##name));                                                  \
  }                                                                                             \
  static void ROW(_any_##name)(const struct wr_row *r) { ROW(_map_stretches)(r, OP(_##name)); } \
  static void ROW(_##name)(const struct wr_row *r) {                                            \
    for (int64_t at = 0; at < r->n; at += WR_FAR_PART) {                                        \
      const struct wr_row part = ROW(_part)(r, at);                                             \
      (ROW(_is_usual)(&part) ? ROW(_usual_##name) : ROW(_any_##name))(&part);                   \
    }                                                                                           \
  }
#include "backend/cpu/elementwise_rows.h"

#undef FORM_unary_SAME
#undef FORM_unary_FLOAT
