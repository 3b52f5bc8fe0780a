/* Gather and take_along_axis: elements of WR_A, known by their size alone, at indices of type WR_B.
   What does not lie inside the array is the nearest that does. */

#include "types.cuh"
#include "indices.cuh"

/* The result is (axes before, places, axes after). This is for one index array. */
extern "C" __global__ void take(WR_A *out, const WR_A *a, index_t n, i64 count, i64 after,
                                const WR_B *indices, i64 extent, i64 room, i64 stride,
                                layout<1> outer, layout<1> index, layout<1> inner) {
  for (index_t t = thread_index(); t < n; t += thread_count()) {
    const index_t piece = t / (index_t)after, rest = t - piece * (index_t)after;
    const index_t before = piece / (index_t)count, k = piece - before * (index_t)count;
    const i64 i = nearest(place_of<WR_B>(indices[offset_of(index, k)], extent), room);
    out[t] = a[offset_of(outer, before) + i * stride + offset_of(inner, rest)];
  }
}

/* The same where what is taken lies dense, in packs of 16 bytes: n and `after` count packs, the rest
   elements. A thread reads AHEAD packs before it writes them. */
enum { K = 16 / sizeof(WR_A), AHEAD = 4 };

extern "C" __global__ void take_packs(pack<WR_A, K> *out, const WR_A *a, index_t n, i64 count,
                                      i64 after, const WR_B *indices, i64 extent, i64 room,
                                      i64 stride, const __grid_constant__ layout<1> outer,
                                      const __grid_constant__ layout<1> index) {
  for (index_t first = (index_t)blockIdx.x * AHEAD * blockDim.x + threadIdx.x; first < n;
       first += thread_count() * AHEAD) {
    pack<WR_A, K> x[AHEAD];
#pragma unroll
    for (int u = 0; u < AHEAD; u++) {
      const index_t t = first + u * blockDim.x;
      if (t >= n) continue;
      const index_t piece = t / (index_t)after, rest = t - piece * (index_t)after;
      const index_t before = piece / (index_t)count, k = piece - before * (index_t)count;
      const i64 i = nearest(place_of<WR_B>(indices[offset_of(index, k)], extent), room);
      x[u] = ((const pack<WR_A, K> *)(a + offset_of(outer, before) + i * stride))[rest];
    }
#pragma unroll
    for (int u = 0; u < AHEAD; u++) {
      if (first + u * blockDim.x < n) out[first + u * blockDim.x] = x[u];
    }
  }
}

/* The same for several, or none. Operand k of `places` is index array k. */
extern "C" __global__ void gather(WR_A *out, const WR_A *a, index_t n, i64 count, i64 after,
                                  indices_of indices, layout<1> outer, layout<ARRAYS + 1> places,
                                  layout<1> inner) {
  for (index_t t = thread_index(); t < n; t += thread_count()) {
    const index_t piece = t / (index_t)after, rest = t - piece * (index_t)after;
    const index_t before = piece / (index_t)count, place = piece - before * (index_t)count;
    i64 from[ARRAYS + 1];
    offsets_of<ARRAYS + 1>(places, place, from);
    i64 start = offset_of(outer, before);
#pragma unroll
    for (int k = 0; k < ARRAYS; k++) {
      if (k >= indices.count) continue;
      const i64 i = place_of<WR_B>(indices.data[k][from[k]], indices.extent[k]);
      start += nearest(i, indices.room[k]) * indices.stride[k];
    }
    out[t] = a[start + offset_of(inner, rest)];
  }
}

/* Operand 0 is the input without its axis, operand 1 the index array, which has the result's
   shape. */
extern "C" __global__ void take_along(WR_A *out, const WR_A *a, const WR_B *indices, index_t n,
                                      i64 extent, i64 stride, layout<2> both) {
  for (index_t t = thread_index(); t < n; t += thread_count()) {
    i64 at[2];
    offsets_of<2>(both, t, at);
    const i64 i = nearest(place_of<WR_B>(indices[at[1]], extent), extent - 1);
    out[t] = a[at[0] + i * stride];
  }
}
