/* Reductions over some axes of an array: see reduce.cuh. */

#include "types.cuh"
#include "rows.cuh"
#include "blocks.cuh"
#include "totals.cuh"
#include "reduce.cuh"

extern "C" __global__ void __launch_bounds__(256, 8)
    rows_dense(target to, const WR_A *a, const __grid_constant__ layout<1> kept, index_t results,
               i64 n, i64 per_split) {
  reduce_packs(to, dense_rows{a, kept}, results, n, per_split);
}

extern "C" __global__ void __launch_bounds__(256, 4)
    rows_streamed(target to, const WR_A *a, const __grid_constant__ layout<1> kept,
                  index_t results, i64 n) {
  reduce_turns(to, rows_of_packs<true>{a, kept}, results, n);
}

extern "C" __global__ void rows(target to, const WR_A *a, const __grid_constant__ layout<1> kept,
                                const __grid_constant__ layout<1> reduced, index_t results, i64 n,
                                i64 per_split) {
  reduce_rows(to, strided_rows{a, kept, reduced}, results, n, per_split);
}

extern "C" __global__ void short_rows(target to, const WR_A *a,
                                      const __grid_constant__ layout<1> kept,
                                      const __grid_constant__ layout<1> reduced, index_t results,
                                      i64 n) {
  reduce_short_rows(to, strided_rows{a, kept, reduced}, results, n);
}

extern "C" __global__ void short_rows_dense(target to, const WR_A *a,
                                            const __grid_constant__ layout<1> kept,
                                            index_t results, i64 n) {
  const dense_rows from = {a, kept};
  if (n == (i64)blockDim.x * K) {
    reduce_single_packs(to, from, results);
  } else {
    reduce_short_rows(to, from, results, n);
  }
}

/* Neighbouring results lie side by side in memory: a thread per result, SIDE threads of the block
   share its elements. Blocks of 32 by SIDE threads. */
enum { SIDE = 8 };

/* A column's total over the block, right in the threads of the first row. */
INLINE total_t fold_side(total_t total) {
  return join_columns<SIDE>(total, [](total_t a, total_t b) { return WR_OP::of(a, b); });
}

/* A round of a thread's elements of a column, of which the first is j: all are read before any is
   folded. `place` says where element i lies. */
template <bool WHOLE, class F>
INLINE part_t part_of_column(const WR_A *column, F place, i64 j, i64 end) {
  part_t part = nothing();
  WR_A x[UNROLL];
#pragma unroll
  for (int u = 0; u < UNROLL; u++) {
    const i64 i = j + u * SIDE;
    if (WHOLE || i < end) x[u] = column[place(i)];
  }
#pragma unroll
  for (int u = 0; u < UNROLL; u++) {
    if (WHOLE || j + u * SIDE < end) part = fold(part, to_part(x[u]));
  }
  return part;
}

template <class F>
INLINE total_t total_by_places(const WR_A *column, F place, i64 begin, i64 end) {
  total_t total = to_total(nothing());
  i64 j = begin + threadIdx.y;
#pragma unroll 1
  for (; j + (UNROLL - 1) * SIDE < end; j += UNROLL * SIDE) {
    total = WR_OP::of(total, to_total(part_of_column<true>(column, place, j, end)));
  }
  if (j < end) total = WR_OP::of(total, to_total(part_of_column<false>(column, place, j, end)));
  return total;
}

INLINE total_t total_of_column(const WR_A *column, const layout<1> &reduced, i64 begin, i64 end) {
  if (reduced.ndim == 1) {
    const i64 step = reduced.strides[0][0];
    return total_by_places(column, [=](i64 i) { return i * step; }, begin, end);
  }
  return total_by_places(
      column, [&](i64 i) { return offset_of(reduced, (index_t)i); }, begin, end);
}

/* The same for results that lie as packs of K on 16 bytes, a pack to a thread; what is folded with what
   does not change. */
INLINE void fold_sides(total_t *total) {
  __shared__ total_t side[SIDE][32 * K];
  __syncthreads();
#pragma unroll
  for (int k = 0; k < K; k++) side[threadIdx.y][k * 32 + threadIdx.x] = total[k];
  __syncthreads();
  if (threadIdx.y > 0) return;
#pragma unroll
  for (int k = 0; k < K; k++) {
    for (int y = 1; y < SIDE; y++) total[k] = WR_OP::of(total[k], side[y][k * 32 + threadIdx.x]);
  }
}

INLINE void totals_of_columns(total_t *total, const WR_A *columns, const layout<1> &reduced,
                              i64 begin, i64 end) {
  for (i64 j = begin + threadIdx.y; j < end; j += UNROLL * SIDE) {
    part_t part[K];
    pack<WR_A, K> x[UNROLL];
#pragma unroll
    for (int k = 0; k < K; k++) part[k] = nothing();
#pragma unroll
    for (int u = 0; u < UNROLL; u++) {
      const i64 at = j + u * SIDE;
      if (at < end) x[u] = *(const pack<WR_A, K> *)(columns + offset_of(reduced, (index_t)at));
    }
#pragma unroll
    for (int u = 0; u < UNROLL; u++) {
      if (j + u * SIDE >= end) continue;
#pragma unroll
      for (int k = 0; k < K; k++) part[k] = fold(part[k], to_part(x[u].e[k]));
    }
#pragma unroll
    for (int k = 0; k < K; k++) total[k] = WR_OP::of(total[k], to_total(part[k]));
  }
}

/* What the splits of a result come to, joined in the order of `columns`, by one thread. */
INLINE total_t total_of_splits(const total_t *at, i64 apart) {
  enum { TOGETHER = sizeof(total_t) > 8 ? SIDE / 4 : SIDE };
  total_t total = to_total(nothing());
#pragma unroll 1
  for (int first = 0; first < SIDE; first += TOGETHER) {
    total_t side[TOGETHER];
#pragma unroll
    for (int y = 0; y < TOGETHER; y++) side[y] = to_total(nothing());
    for (u32 s = first; s < gridDim.y; s += SIDE) {
      total_t x[TOGETHER];
#pragma unroll
      for (int y = 0; y < TOGETHER; y++) {
        if (s + y < gridDim.y) x[y] = peek(at + (i64)(s + y) * apart);
      }
#pragma unroll
      for (int y = 0; y < TOGETHER; y++) {
        if (s + y < gridDim.y) side[y] = WR_OP::of(side[y], x[y]);
      }
    }
    if (first > 0) side[0] = WR_OP::of(total, side[0]);
#pragma unroll
    for (int y = 1; y < TOGETHER; y++) side[0] = WR_OP::of(side[0], side[y]);
    total = side[0];
  }
  return total;
}

/* The totals of the columns of a pack; bools, which are 0 or 1, are joined four to a word. */
template <class OP, class E>
struct totals_of_pack {
  static INLINE void of(total_t *total, const E *columns, const layout<1> &reduced, i64 begin,
                        i64 end) {
    totals_of_columns(total, columns, reduced, begin, end);
  }
};

template <bool ANY>
struct totals_of_bools {
  static INLINE u32 join(u32 a, u32 b) { return ANY ? a | b : a & b; }
  template <class T>
  static INLINE void of(T *total, const b8 *columns, const layout<1> &reduced, i64 begin,
                        i64 end) {
    const u32 none = ANY ? 0 : ~0u;
    uint4 seen = make_uint4(none, none, none, none);
    for (i64 j = begin + threadIdx.y; j < end; j += UNROLL * SIDE) {
      uint4 x[UNROLL];
#pragma unroll
      for (int u = 0; u < UNROLL; u++) {
        const i64 at = j + u * SIDE;
        x[u] = make_uint4(none, none, none, none);
        if (at < end) x[u] = *(const uint4 *)(columns + offset_of(reduced, (index_t)at));
      }
#pragma unroll
      for (int u = 0; u < UNROLL; u++) {
        seen = make_uint4(join(seen.x, x[u].x), join(seen.y, x[u].y), join(seen.z, x[u].z),
                          join(seen.w, x[u].w));
      }
    }
    const u32 words[4] = {seen.x, seen.y, seen.z, seen.w};
#pragma unroll
    for (int k = 0; k < 16; k++) total[k] = (T)(words[k / 4] >> (k % 4 * 8) & 1u);
  }
};
template <>
struct totals_of_pack<op_max, b8> : totals_of_bools<true> {};
template <>
struct totals_of_pack<op_min, b8> : totals_of_bools<false> {};

INLINE void no_totals(total_t *total) {
#pragma unroll
  for (int k = 0; k < K; k++) total[k] = to_total(nothing());
}

extern "C" __global__ void __launch_bounds__(32 * SIDE, K > 8 ? 2 : K > 2 ? 4 : 3)
    packed_columns(target to, const WR_A *a,
                                          const __grid_constant__ layout<1> kept,
                                          const __grid_constant__ layout<1> reduced,
                                          index_t results, i64 n, i64 per_split) {
  const split_range own = own_split(n, per_split);
  for (index_t first = blockIdx.x * 32 * K; first < results; first += gridDim.x * 32 * K) {
    const index_t r = first + threadIdx.x * K;
    const bool mine = threadIdx.y == 0 && r < results;
    total_t total[K];
    no_totals(total);
    if (r < results) {
      totals_of_pack<WR_OP, WR_A>::of(total, a + offset_of(kept, r), reduced, own.begin, own.end);
    }
    fold_sides(total);
    if (gridDim.y > 1) {
#pragma unroll
      for (int k = 0; k < K; k++) {
        if (mine) to.totals[(i64)blockIdx.y * results + r + k] = total[k];
      }
      if (!comes_last(to.counters + first / (32 * K))) continue;
      /* Neighbouring threads read neighbouring totals, whoever made them. */
      const index_t end = results - first < 32 * K ? results : first + 32 * K;
      for (index_t c = first + threadIdx.y * 32 + threadIdx.x; c < end; c += 32 * SIDE) {
        to.out[c] = finish<WR_B>::of(total_of_splits(to.totals + c, results));
      }
      continue;
    }
#pragma unroll
    for (int k = 0; k < K; k++) {
      if (mine) to.out[r + k] = finish<WR_B>::of(total[k]);
    }
  }
}

/* Totals lie by splits, then results: neighbours are read by neighbours. */
extern "C" __global__ void __launch_bounds__(32 * SIDE, sizeof(total_t) > 8 ? 3 : 6)
    columns(target to, const WR_A *a, const __grid_constant__ layout<1> kept,
            const __grid_constant__ layout<1> reduced, index_t results, i64 n, i64 per_split) {
  const split_range own = own_split(n, per_split);
  each_column(results, [&](index_t column, index_t r, bool mine) {
    total_t total = to_total(nothing());
    if (r < results) total = total_of_column(a + offset_of(kept, r), reduced, own.begin, own.end);
    total = fold_side(total);
    if (gridDim.y > 1) {
      if (mine) to.totals[(i64)blockIdx.y * results + r] = total;
      if (!comes_last(to.counters + column)) return;
      total = to_total(nothing());
      if (r < results) total = fold_totals<4>(to.totals + r, results, threadIdx.y, SIDE);
      total = fold_side(total);
    }
    if (mine) to.out[r] = finish<WR_B>::of(total);
  });
}
