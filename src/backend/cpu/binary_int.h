/* Template: the functions of two values for one integer type, or bool, and then their rows.
   Included by binary_bool.c, binary_unsigned.c and binary_signed.c with
     EL       b8 (bool), u8 .. u64, i8 .. i64
     SIGNED   defined for i8 .. i64
   Arithmetic goes through uint64_t, so that overflow wraps; bool's results become 0 or 1 when they
   are stored. kernels.h has the rules where C has none. */

#define E WR_PASTE(wr_el_, EL)
#define F(name) WR_PASTE(EL, name)

WR_INLINE E F(_add)(E a, E b) { return (E)((uint64_t)a + (uint64_t)b); }
WR_INLINE E F(_subtract)(E a, E b) { return (E)((uint64_t)a - (uint64_t)b); }
WR_INLINE E F(_multiply)(E a, E b) { return (E)((uint64_t)a * (uint64_t)b); }
WR_INLINE E F(_maximum)(E a, E b) { return a > b ? a : b; }
WR_INLINE E F(_minimum)(E a, E b) { return a < b ? a : b; }
WR_INLINE bool F(_equal)(E a, E b) { return a == b; }
WR_INLINE bool F(_equal_nan)(E a, E b) { return a == b; }
WR_INLINE bool F(_greater)(E a, E b) { return a > b; }
WR_INLINE bool F(_greater_equal)(E a, E b) { return a >= b; }
WR_INLINE bool F(_less)(E a, E b) { return a < b; }
WR_INLINE bool F(_less_equal)(E a, E b) { return a <= b; }
WR_INLINE bool F(_not_equal)(E a, E b) { return a != b; }

WR_INLINE E F(_logical_and)(E a, E b) { return (a != 0) & (b != 0); }
WR_INLINE E F(_logical_or)(E a, E b) { return (a != 0) | (b != 0); }

WR_INLINE E F(_bitwise_and)(E a, E b) { return (E)(a & b); }
WR_INLINE E F(_bitwise_or)(E a, E b) { return (E)(a | b); }
WR_INLINE E F(_bitwise_xor)(E a, E b) { return (E)(a ^ b); }
/* A count that is negative or past the width shifts everything out. */
WR_INLINE E F(_left_shift)(E a, E b) {
  return (E)((uint64_t)b < 8 * sizeof(E) ? (uint64_t)a << ((uint64_t)b & 63) : 0);
}

#ifdef SIGNED

/* -1 takes its own way: INT_MIN % -1 traps on x86. */
WR_INLINE E F(_remainder)(E a, E b) {
  if (b == 0 || b == -1) return 0;
  E r = (E)(a % b);
  return (E)(r != 0 && (r < 0) != (b < 0) ? r + b : r);
}

/* The smallest integer by -1 wraps to itself. */
WR_INLINE E F(_floor_divide)(E a, E b) {
  if (b == 0) return 0;
  if (b == -1) return (E)(0 - (uint64_t)a);
  E q = (E)(a / b);
  return (E)(a % b != 0 && (a < 0) != (b < 0) ? q - 1 : q);
}
WR_INLINE E F(_right_shift)(E a, E b) {
  const unsigned most = 8 * sizeof(E) - 1;
  return (E)(a >> ((uint64_t)b < most ? (unsigned)b : most));
}

WR_INLINE E F(_power)(E a, E b) {
  if (b < 0) return (E)(a == 1 ? 1 : a == -1 ? (b & 1 ? -1 : 1) : 0);
  return (E)wr_integer_power((uint64_t)a, (uint64_t)b);
}

#else

WR_INLINE E F(_remainder)(E a, E b) { return (E)(b == 0 ? 0 : a % b); }
WR_INLINE E F(_floor_divide)(E a, E b) { return (E)(b == 0 ? 0 : a / b); }
WR_INLINE E F(_right_shift)(E a, E b) {
  return (E)((uint64_t)b < 8 * sizeof(E) ? a >> ((uint64_t)b & 63) : 0);
}
WR_INLINE E F(_power)(E a, E b) { return (E)wr_integer_power(a, b); }

#endif

#undef E
#undef F
#define CT EL
#include "backend/cpu/binary_rows.h"
