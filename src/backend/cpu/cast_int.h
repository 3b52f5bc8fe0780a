/* Template: how one integer type is made of each type that stands for the sources. Included by
   cast.c with
     TO    u8 .. u64, i8 .. i64
     CUT   the function that cuts a floating value to int32_t, int64_t or uint64_t
   Values wrap to the type's width; floating ones are cut first. */

#define E WR_PASTE(wr_el_, TO)
#define OF(name) WR_PASTE(TO, WR_PASTE(_of_, name))

WR_INLINE E OF(i32)(int32_t x) { return (E)x; }
WR_INLINE E OF(i64)(int64_t x) { return (E)x; }
WR_INLINE E OF(u64)(uint64_t x) { return (E)x; }
WR_INLINE E OF(f32)(float x) { return (E)CUT(f32)(x); }
WR_INLINE E OF(f64)(double x) { return (E)CUT(f64)(x); }
WR_INLINE E OF(c64)(wr_complex64 x) { return (E)CUT(f32)(x.re); }

#undef E
#undef OF
#undef CUT
#include "backend/cpu/cast_to.h"
