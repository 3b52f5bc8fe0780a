/* The index of the largest or smallest element along some axes, by WR_OP (argmax, argmin). The
   first of equal elements counts; a NaN wins over every number, the first NaN over the others. Cut
   into splits as in reduce.cu, whose answers the block that comes last joins. */

#include "types.cuh"
#include "order.cuh"
#include "blocks.cuh"

typedef compute<WR_A>::type value_t;

struct op_argmax {
  static INLINE bool beats(value_t a, value_t b) { return less<value_t>(b, a); }
};
struct op_argmin {
  static INLINE bool beats(value_t a, value_t b) {
    if (!is_number<value_t>(b)) return false;
    return !is_number<value_t>(a) || less<value_t>(a, b);
  }
};

struct best {
  value_t value;
  i64 index; /* -1: none yet */
};

INLINE best better(best a, best b) {
  if (a.index < 0) return b;
  if (b.index < 0) return a;
  if (WR_OP::beats(b.value, a.value)) return b;
  if (WR_OP::beats(a.value, b.value)) return a;
  return b.index < a.index ? b : a;
}

INLINE best none() {
  best b;
  b.index = -1;
  b.value = value_t();
  return b;
}

/* Blocks of rows. */
enum { THREADS = 256, WARPS = THREADS / 32 };

INLINE best best_of_lanes(best mine, int lanes) {
  for (int by = lanes / 2; by > 0; by /= 2) {
    mine = better(mine, by_words(mine, [by](u32 word) { return __shfl_down_sync(~0u, word, by); }));
  }
  return mine;
}

/* The block's best, right in thread 0. */
INLINE best best_of_block(best mine) {
  __shared__ best all[WARPS];
  mine = best_of_lanes(mine, 32);
  __syncthreads();
  if (threadIdx.x % 32 == 0) all[threadIdx.x / 32] = mine;
  __syncthreads();
  if (threadIdx.x >= 32) return mine;
  return best_of_lanes(threadIdx.x < WARPS ? all[threadIdx.x] : none(), WARPS);
}

/* Splits of one result that was searched: `parts` lie by splits, then results. */
INLINE best peek_part(const best *part) {
  best b;
  b.value = peek(&part->value);
  b.index = peek(&part->index);
  return b;
}

/* A thread meets elements in the order of their places, so one that is equal to its best does not beat it. */
INLINE void meet(best &mine, WR_A x, i64 index) {
  const value_t v = load<WR_A>(x);
  if (mine.index >= 0 && !WR_OP::beats(v, mine.value)) return;
  mine.value = v;
  mine.index = index;
}

/* What this block's split of row r comes to: written where it is all there is; else the block that comes
   last, which a counter for each result, 0 at first, says, joins all. */
INLINE void finish_row(u32 *out, best *parts, u32 *counters, index_t results, index_t r, best mine) {
  mine = best_of_block(mine);
  if (gridDim.y > 1) {
    if (threadIdx.x == 0) parts[(i64)blockIdx.y * results + r] = mine;
    if (!comes_last(counters + r)) return;
    mine = none();
    for (u32 s = threadIdx.x; s < gridDim.y; s += THREADS) {
      mine = better(mine, peek_part(parts + (i64)s * results + r));
    }
    mine = best_of_block(mine);
  }
  if (threadIdx.x == 0) out[r] = (u32)mine.index;
}

extern "C" __global__ void __launch_bounds__(THREADS)
    rows(u32 *out, best *parts, u32 *counters, const WR_A *a, const __grid_constant__ layout<1> kept,
         const __grid_constant__ layout<1> reduced, index_t results, i64 n, i64 per_split) {
  const split_range own = own_split(n, per_split);
  for (index_t r = blockIdx.x; r < results; r += gridDim.x) {
    const WR_A *row = a + offset_of(kept, r);
    best mine = none();
    for (i64 j = own.begin + threadIdx.x; j < own.end; j += THREADS) {
      meet(mine, row[offset_of(reduced, (index_t)j)], j);
    }
    finish_row(out, parts, counters, results, r, mine);
  }
}

/* Of few elements: a row of the block for each, a power of two up to a warp. */
extern "C" __global__ void __launch_bounds__(THREADS)
    short_rows(u32 *out, best *, u32 *, const WR_A *a, const __grid_constant__ layout<1> kept,
               const __grid_constant__ layout<1> reduced, index_t results, i64 n, i64) {
  enum { EACH = 4 };
  const int lanes = (int)blockDim.x;
  for (index_t first = row_index(); first < results; first += row_count()) {
    const index_t r = first + threadIdx.y;
    const WR_A *row = a + offset_of(kept, r);
    best mine = none();
    for (i64 j = threadIdx.x; r < results && j < n; j += EACH * lanes) {
      WR_A x[EACH];
#pragma unroll
      for (int u = 0; u < EACH; u++) {
        if (j + u * lanes < n) x[u] = row[offset_of(reduced, (index_t)(j + u * lanes))];
      }
#pragma unroll
      for (int u = 0; u < EACH; u++) {
        if (j + u * lanes < n) meet(mine, x[u], j + u * lanes);
      }
    }
    mine = best_of_lanes(mine, lanes);
    if (threadIdx.x == 0 && r < results) out[r] = (u32)mine.index;
  }
}

/* The same of rows that lie dense, each beginning at a multiple of 16 bytes; so do splits. */
enum { K = 16 / sizeof(WR_A), AHEAD = 4 };

extern "C" __global__ void __launch_bounds__(THREADS, 6)
    packed_rows(u32 *out, best *parts, u32 *counters, const WR_A *a,
                const __grid_constant__ layout<1> kept, const __grid_constant__ layout<1> reduced,
                index_t results, i64 n, i64 per_split) {
  const split_range own = own_split(n, per_split);
  for (index_t r = blockIdx.x; r < results; r += gridDim.x) {
    const WR_A *row = a + offset_of(kept, r);
    const pack<WR_A, K> *packs = (const pack<WR_A, K> *)row;
    best mine = none();
    const i64 whole = own.end / K;
    for (i64 i = own.begin / K + threadIdx.x; i < whole; i += AHEAD * THREADS) {
      pack<WR_A, K> x[AHEAD];
#pragma unroll
      for (int u = 0; u < AHEAD; u++) {
        if (i + u * THREADS < whole) x[u] = packs[i + u * THREADS];
      }
#pragma unroll
      for (int u = 0; u < AHEAD; u++) {
        if (i + u * THREADS >= whole) continue;
#pragma unroll
        for (int k = 0; k < K; k++) meet(mine, x[u].e[k], (i + u * THREADS) * K + k);
      }
    }
    /* Fewer than K are left. */
    const i64 j = whole * K + threadIdx.x;
    if (j < own.end) meet(mine, row[j], j);
    finish_row(out, parts, counters, results, r, mine);
  }
}

/* Neighbouring results lie side by side in memory: a thread per result, SIDE threads of the block
   share its elements. Blocks of 32 by SIDE threads. */
enum { SIDE = 8, UNROLL = 8 };

INLINE best best_of_side(best mine) {
  return join_columns<SIDE>(mine, [](best a, best b) { return better(a, b); });
}

INLINE best best_of_column(const WR_A *column, const layout<1> &reduced, i64 begin, i64 end) {
  best mine = none();
  for (i64 j = begin + threadIdx.y; j < end; j += UNROLL * SIDE) {
    WR_A x[UNROLL];
#pragma unroll
    for (int u = 0; u < UNROLL; u++) {
      const i64 at = j + u * SIDE;
      if (at < end) x[u] = column[offset_of(reduced, (index_t)at)];
    }
#pragma unroll
    for (int u = 0; u < UNROLL; u++) {
      const i64 at = j + u * SIDE;
      if (at < end) meet(mine, x[u], at);
    }
  }
  return mine;
}

/* `parts` lie by splits, then results; there are counters for every 32 results, which are 0. */
extern "C" __global__ void columns(u32 *out, best *parts, u32 *counters, const WR_A *a,
                                   const __grid_constant__ layout<1> kept,
                                   const __grid_constant__ layout<1> reduced, index_t results,
                                   i64 n, i64 per_split) {
  const split_range own = own_split(n, per_split);
  each_column(results, [&](index_t column, index_t r, bool mine) {
    best top = none();
    if (r < results) top = best_of_column(a + offset_of(kept, r), reduced, own.begin, own.end);
    top = best_of_side(top);
    if (gridDim.y > 1) {
      if (mine) parts[(i64)blockIdx.y * results + r] = top;
      if (!comes_last(counters + column)) return;
      top = none();
      for (u32 s = threadIdx.y; r < results && s < gridDim.y; s += SIDE) {
        top = better(top, peek_part(parts + (i64)s * results + r));
      }
      top = best_of_side(top);
    }
    if (mine) out[r] = (u32)top.index;
  });
}

/* The same for results that lie as packs of K on 16 bytes, a pack to a thread; counters are for every
   32 packs. */
INLINE void bests_of_columns(best *tops, const WR_A *columns, const layout<1> &reduced, i64 begin,
                             i64 end) {
  for (i64 j = begin + threadIdx.y; j < end; j += AHEAD * SIDE) {
    pack<WR_A, K> x[AHEAD];
#pragma unroll
    for (int u = 0; u < AHEAD; u++) {
      const i64 at = j + u * SIDE;
      if (at < end) x[u] = *(const pack<WR_A, K> *)(columns + offset_of(reduced, (index_t)at));
    }
#pragma unroll
    for (int u = 0; u < AHEAD; u++) {
      const i64 at = j + u * SIDE;
      if (at >= end) continue;
#pragma unroll
      for (int k = 0; k < K; k++) meet(tops[k], x[u].e[k], at);
    }
  }
}

extern "C" __global__ void __launch_bounds__(32 * SIDE)
    packed_columns(u32 *out, best *parts, u32 *counters, const WR_A *a,
                   const __grid_constant__ layout<1> kept,
                   const __grid_constant__ layout<1> reduced, index_t results, i64 n,
                   i64 per_split) {
  const split_range own = own_split(n, per_split);
  for (index_t first = blockIdx.x * 32 * K; first < results; first += gridDim.x * 32 * K) {
    const index_t r = first + threadIdx.x * K;
    best tops[K];
#pragma unroll
    for (int k = 0; k < K; k++) tops[k] = none();
    if (r < results) {
      bests_of_columns(tops, a + offset_of(kept, r), reduced, own.begin, own.end);
    }
#pragma unroll
    for (int k = 0; k < K; k++) {
      tops[k] = best_of_side(tops[k]);
      if (threadIdx.y > 0 || r >= results) continue;
      if (gridDim.y > 1) {
        parts[(i64)blockIdx.y * results + r + k] = tops[k];
      } else {
        out[r + k] = (u32)tops[k].index;
      }
    }
    if (gridDim.y == 1 || !comes_last(counters + first / (32 * K))) continue;
    const index_t end = results - first < 32 * K ? results : first + 32 * K;
    for (index_t c = first + threadIdx.y * 32 + threadIdx.x; c < end; c += 32 * SIDE) {
      best top = none();
      for (u32 s = 0; s < gridDim.y; s++) {
        top = better(top, peek_part(parts + (i64)s * results + c));
      }
      out[c] = (u32)top.index;
    }
  }
}
