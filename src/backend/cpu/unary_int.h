/* Template: the rows of the operations of one input for one integer type, or bool. Included by
   unary_int.c with
     EL       b8 (bool), u8 .. u64, i8 .. i64
     SIGNED   defined for i8 .. i64
   Arithmetic goes through uint64_t, so that overflow wraps: -INT_MIN is INT_MIN. */

#define INPUTS 1
#include "backend/cpu/elementwise_names.h"
#include "backend/cpu/unary_loops.h"
#define ONE(name) WR_PASTE(EL, WR_PASTE(_, name))

WR_INLINE E ONE(negative)(E x) { return (E)(0 - (uint64_t)x); }
#ifdef SIGNED
WR_INLINE E ONE(abs)(E x) { return x < 0 ? ONE(negative)(x) : x; }
WR_INLINE E ONE(sign)(E x) { return (E)((x > 0) - (x < 0)); }
#else
WR_INLINE E ONE(abs)(E x) { return x; }
WR_INLINE E ONE(sign)(E x) { return x != 0; }
#endif
WR_INLINE E ONE(square)(E x) { return (E)((uint64_t)x * (uint64_t)x); }
WR_INLINE E ONE(ceil)(E x) { return x; }
WR_INLINE E ONE(floor)(E x) { return x; }
WR_INLINE E ONE(round)(E x) { return x; }
WR_INLINE E ONE(logical_not)(E x) { return x == 0; }
WR_INLINE E ONE(bitwise_invert)(E x) { return (E)~x; }
/* Every integer is finite. */
WR_INLINE bool ONE(isfinite)(E x) { return (void)x, true; }
WR_INLINE bool ONE(isinf)(E x) { return (void)x, false; }
WR_INLINE bool ONE(isnan)(E x) { return (void)x, false; }
WR_INLINE bool ONE(isneginf)(E x) { return (void)x, false; }
WR_INLINE bool ONE(isposinf)(E x) { return (void)x, false; }

#define FORM_unary(name, rule) \
  WR_WIDE static void ROW(_##name)(const struct wr_row *r) { ROW(_map)(r, ONE(name)); }
#define FORM_unary_magnitude FORM_unary
#define FORM_unary_test(name, rule) \
  static void ROW(_##name)(const struct wr_row *r) { ROW(_check)(r, ONE(name)); }
#include "backend/cpu/elementwise_rows.h"

#undef ONE
#undef SIGNED
