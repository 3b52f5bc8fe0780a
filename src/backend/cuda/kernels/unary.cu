/* out = WR_OP(a): WR_A to WR_B, elementwise. */

#include "types.cuh"
#include "scalar.cuh"

INLINE WR_B apply(WR_A a) { return store_as<WR_B>::of(WR_OP(load<WR_A>(a))); }

#include "each.cuh"
