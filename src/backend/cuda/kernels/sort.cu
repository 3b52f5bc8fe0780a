/* Sorting lines of WR_A along one axis, stable, NaN last: the elements, or (WR_ORDER) their places
   as WR_B. Tiles of TILE elements are sorted in shared memory by a bitonic network over pairs of
   element and place; then neighbouring runs are merged, each element finding its rank in the other
   run by bisection. Runs lie dense in scratch memory, line after line; whoever is last writes the
   result, whose elements are `inner` apart. */

#include "types.cuh"
#include "order.cuh"

typedef compute<WR_A>::type value_t;

enum { TILE = 2048, THREADS = 512 };

struct lines_of {
  i64 lines;
  i64 n;
  i64 stride; /* of the input */
  i64 inner;  /* of the result */
};

/* Where sorted elements go: the result, or scratch for the next merge. */
struct target {
  WR_B *out; /* NULL: there is a next merge */
  WR_A *keys;
  u32 *places; /* NULL unless places are asked for */
};

INLINE bool comes_first(WR_A a, WR_A b) { return less<value_t>(load<WR_A>(a), load<WR_A>(b)); }

INLINE void put(const target &to, const lines_of &l, i64 line, i64 rank, WR_A key, u32 place) {
  if (!to.out) {
    to.keys[line * l.n + rank] = key;
    if (to.places) to.places[line * l.n + rank] = place;
    return;
  }
#if WR_ORDER
  to.out[line_start(line, l.n, l.inner) + rank * l.inner] = place;
#else
  to.out[line_start(line, l.n, l.inner) + rank * l.inner] = key;
#endif
}

/* Blocks: x tiles of a line, y lines. What lies past the line's end counts as last. */
extern "C" __global__ void tiles(target to, const WR_A *a, lines_of l, layout<1> other) {
  __shared__ WR_A keys[TILE];
  __shared__ u16 places[TILE];
  const i64 first = (i64)blockIdx.x * TILE;
  const int count = l.n - first < TILE ? (int)(l.n - first) : TILE;
  int width = 2;
  while (width < count) width *= 2;
  for (i64 line = blockIdx.y; line < l.lines; line += gridDim.y) {
    const WR_A *in = a + offset_of(other, (index_t)line);
    for (int i = threadIdx.x; i < width; i += THREADS) {
      places[i] = (u16)i;
      if (i < count) keys[i] = in[(first + i) * l.stride];
    }
    __syncthreads();
    for (int size = 2; size <= width; size *= 2) {
      for (int gap = size / 2; gap > 0; gap /= 2) {
        for (int t = threadIdx.x; t < width / 2; t += THREADS) {
          const int i = 2 * t - (t & (gap - 1)), j = i + gap;
          const int p = places[i], q = places[j];
          /* Past the end, by element, then by place: an order without equals. */
          bool swapped;
          if (p >= count || q >= count) {
            swapped = q < p;
          } else {
            swapped = comes_first(keys[j], keys[i]) || (!comes_first(keys[i], keys[j]) && q < p);
          }
          if (swapped == ((i & size) == 0)) {
            const WR_A key = keys[i];
            keys[i] = keys[j];
            keys[j] = key;
            places[i] = (u16)q;
            places[j] = (u16)p;
          }
        }
        __syncthreads();
      }
    }
    for (int i = threadIdx.x; i < count; i += THREADS) {
      put(to, l, line, first + i, keys[i], (u32)(first + places[i]));
    }
    __syncthreads();
  }
}

/* How many of run[0..n) come before `key`; those equal to it count when `equal` is. */
INLINE i64 rank_in(const WR_A *run, i64 n, WR_A key, bool equal) {
  i64 low = 0, high = n;
  while (low < high) {
    const i64 middle = (low + high) / 2;
    const bool before =
        equal ? !comes_first(key, run[middle]) : comes_first(run[middle], key);
    if (before) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

/* Merges runs of `width` in pairs; a thread per element. */
extern "C" __global__ void merge(target to, const WR_A *keys, const u32 *places, lines_of l,
                                 i64 width) {
  const i64 all = l.lines * l.n;
  for (i64 t = (i64)blockIdx.x * blockDim.x + threadIdx.x; t < all;
       t += (i64)gridDim.x * blockDim.x) {
    const i64 line = t / l.n, i = t % l.n;
    const WR_A *row = keys + line * l.n;
    const i64 pair = i / (2 * width) * 2 * width;
    const i64 second = pair + width < l.n ? pair + width : l.n;
    const i64 end = second + width < l.n ? second + width : l.n;
    const WR_A key = row[i];
    /* Equal elements of the first run stay ahead of those of the second. */
    const i64 rank = i < second ? i + rank_in(row + second, end - second, key, false)
                                : i - second + pair + rank_in(row + pair, second - pair, key, true);
    put(to, l, line, rank, key, places ? places[t] : 0);
  }
}
