/* Elements of WR_A as WR_B. */

#include "types.cuh"
#include "cast.cuh"

INLINE WR_B apply(WR_A a) { return cast_to<WR_B>::of(load<WR_A>(a)); }

#include "each.cuh"
