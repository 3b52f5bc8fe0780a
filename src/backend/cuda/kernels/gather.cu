/* take and take_along_axis: elements of WR_A, known by their size alone, at indices of type WR_B.
   An index below 0 counts from the end; what is still outside the axis takes the nearest element. */

#include "types.cuh"
#include "place.cuh"

INLINE i64 nearest(i64 i, i64 extent) { return i < 0 ? 0 : i < extent ? i : extent - 1; }

/* The result is (before the axis, index array, after the axis). */
extern "C" __global__ void take(WR_A *out, const WR_A *a, const WR_B *indices, index_t n,
                                i64 extent, i64 stride, i64 count, i64 after, layout<1> outer,
                                layout<1> index, layout<1> inner) {
  for (index_t t = thread_index(); t < n; t += thread_count()) {
    const index_t piece = t / (index_t)after, rest = t - piece * (index_t)after;
    const index_t before = piece / (index_t)count, k = piece - before * (index_t)count;
    const i64 i = nearest(place_of<WR_B>(indices[offset_of(index, k)], extent), extent);
    out[t] = a[offset_of(outer, before) + i * stride + offset_of(inner, rest)];
  }
}

/* Operand 0 is the input without its axis, operand 1 the index array, which has the result's
   shape. */
extern "C" __global__ void take_along(WR_A *out, const WR_A *a, const WR_B *indices, index_t n,
                                      i64 extent, i64 stride, layout<2> both) {
  for (index_t t = thread_index(); t < n; t += thread_count()) {
    i64 at[2];
    offsets_of<2>(both, t, at);
    const i64 i = nearest(place_of<WR_B>(indices[at[1]], extent), extent);
    out[t] = a[at[0] + i * stride];
  }
}
