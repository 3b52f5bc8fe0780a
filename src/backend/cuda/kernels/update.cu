/* slice_update by WR_OP (add, multiply, maximum, minimum): elements of WR_A joined with a part of a
   result, each with its own. */

#include "types.cuh"
#include "scalar.cuh"

/* Operand 0 is read, operand 1 written. */
extern "C" __global__ void update(WR_A *out, const WR_A *a, index_t n, layout<2> l) {
  for (index_t i = thread_index(); i < n; i += thread_count()) {
    i64 at[2];
    offsets_of<2>(l, i, at);
    WR_A *p = &out[at[1]];
    *p = store_as<WR_A>::of(WR_OP(load<WR_A>(*p), load<WR_A>(a[at[0]])));
  }
}
