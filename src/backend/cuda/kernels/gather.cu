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

/* Elements of rows that lie dense, many of each row: a block has the row in shared memory, so that what
   is far apart is not read from far away. Operand 0 of `kept` is where rows begin, operand 1 where the
   indices of each do, which are `step` apart. */
extern "C" __global__ void __launch_bounds__(256)
    take_rows(WR_A *out, const WR_A *a, const WR_B *indices, index_t rows, i64 extent, i64 count,
              i64 step, const __grid_constant__ layout<2> kept) {
  extern __shared__ uint4 room[];
  WR_A *row = (WR_A *)room;
  for (index_t r = blockIdx.x; r < rows; r += gridDim.x) {
    i64 at[2];
    offsets_of<2>(kept, r, at);
    const WR_A *from = a + at[0];
    const WR_B *index = indices + at[1];
    WR_A *to = out + (i64)r * count;
    __syncthreads();
    for (i64 first = threadIdx.x; first < extent; first += AHEAD * blockDim.x) {
      WR_A x[AHEAD];
#pragma unroll
      for (int u = 0; u < AHEAD; u++) {
        if (first + u * blockDim.x < extent) x[u] = from[first + u * blockDim.x];
      }
#pragma unroll
      for (int u = 0; u < AHEAD; u++) {
        if (first + u * blockDim.x < extent) row[first + u * blockDim.x] = x[u];
      }
    }
    __syncthreads();
    for (i64 first = threadIdx.x; first < count; first += AHEAD * blockDim.x) {
      WR_B place[AHEAD];
#pragma unroll
      for (int u = 0; u < AHEAD; u++) {
        if (first + u * blockDim.x < count) place[u] = index[(first + u * blockDim.x) * step];
      }
#pragma unroll
      for (int u = 0; u < AHEAD; u++) {
        if (first + u * blockDim.x >= count) continue;
        to[first + u * blockDim.x] = row[nearest(place_of<WR_B>(place[u], extent), extent - 1)];
      }
    }
  }
}
