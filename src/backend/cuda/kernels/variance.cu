/* Variances and standard deviations over some axes, of WR_A to WR_B, in one pass: the kernels of
   reduce.cu, which are launched alike (ops/reduce.c), where what elements come to is how many there
   are, their mean and the sum of their squared distances from it.

   A thread reads a few elements into registers and makes both of these few by two passes, in the
   type that WR_A is computed in; they are joined in double by the formula of Chan, Golub and LeVeque
   ("Updating formulae and a pairwise algorithm for computing sample variances", 1979), which loses
   nothing where the spread is small beside the mean, as the difference of two sums would. What is
   joined with what depends on WR_A, the extents and whether elements are read by packs alone, so the
   last bits of a view may be others than those of its copy. */

#include "types.cuh"
#include "rows.cuh"
#include "blocks.cuh"
#include "totals.cuh"

/* What elements are computed in (wr_variance_type of core/op.h). */
TYPES(real_of, float)
TYPE_OF(real_of, i32, double)
TYPE_OF(real_of, u32, double)
TYPE_OF(real_of, i64, double)
TYPE_OF(real_of, u64, double)
TYPE_OF(real_of, double, double)
typedef real_of<WR_A>::type real_t;

INLINE real_t to_real(WR_A x) { return element_as<real_t>::of(x); }

/* The mean is counted from an origin, the first element of the result: from 0 doubles would be as
   coarse as elements, and the mean of equal ones might be another number. */
struct spread {
  double n, mean, squares;
};

INLINE double origin_of(const WR_A *first) { return (double)to_real(*first); }

/* As in reduce.cuh, and what becomes of the squares: they are divided by `divisor`, whose
   reciprocal is `over`, and the root is taken or not. */
struct target {
  WR_B *out;
  spread *totals;
  u32 *counters;
  double divisor, over;
  i64 root;
};

INLINE spread nothing() { return spread{0, 0, 0}; }

/* 1 / n, of n from 1 on: two of Newton's steps behind the float. */
INLINE double inverse(double n) {
  double r = (double)(1.0f / (float)n);
  r = fma(r, fma(-n, r, 1.0), r);
  return fma(r, fma(-n, r, 1.0), r);
}

INLINE spread join(const spread &a, const spread &b) {
  if (b.n == 0) return a;
  if (a.n == 0) return b;
  const double n = a.n + b.n, share = a.n == b.n ? 0.5 : b.n * inverse(n), far = b.mean - a.mean;
  return spread{n, fma(far, share, a.mean), a.squares + b.squares + far * far * (a.n * share)};
}

/* How many a thread works on at once. */
enum { FEW = 16 };

/* The first m of x. Distances are from the first of them, so that equal elements have the variance 0.
 */
template <int M>
INLINE spread few(const real_t (&x)[M], int m, double origin) {
  if (m <= 0) return nothing();
  real_t far[M], sum = 0, squares = 0;
#pragma unroll
  for (int k = 0; k < M; k++) {
    far[k] = k < m ? x[k] - x[0] : 0;
    sum += far[k];
  }
  const real_t mean = m == M ? sum * ((real_t)1 / M) : sum / (real_t)m;
#pragma unroll
  for (int k = 0; k < M; k++) {
    const real_t d = k < m ? far[k] - mean : 0;
    squares = fma(d, d, squares);
  }
  return spread{(double)m, (double)x[0] - origin + (double)mean, (double)squares};
}

INLINE void put(const target &to, index_t r, double squares) {
  const double v = sizeof(WR_B) == sizeof(double) ? squares / to.divisor : squares * to.over;
  to.out[r] = finish<WR_B>::of(to.root ? sqrt(v) : v);
}

/* ---- between threads and blocks ----

   Many are joined at once: the mean of all is a sum, and so is what each of them has to the squares
   of the distances from that. So nothing is divided on the way. */

/* What s has to the squares, where all have this mean. */
INLINE double squares_about(const spread &s, double mean) {
  const double far = s.n > 0 ? s.mean - mean : 0;
  return fma(s.n * far, far, s.squares);
}

/* `count` of them, number i is at(i). */
template <class F>
INLINE spread join_all(u32 count, F at) {
  double n = 0, sum = 0, squares = 0;
  for (u32 i = 0; i < count; i++) {
    const spread s = at(i);
    n += s.n;
    sum += s.n * s.mean;
  }
  if (n == 0) return nothing();
  const double mean = sum * inverse(n);
  for (u32 i = 0; i < count; i++) squares += squares_about(at(i), mean);
  return spread{n, mean, squares};
}

/* Over `lanes` neighbours, a power of two up to a warp: all get it. */
template <class T>
INLINE T sum_lanes(T x, int lanes) {
#pragma unroll
  for (int by = 16; by > 0; by /= 2) {
    if (by >= lanes) continue;
    x += by_words(x, [by](u32 word) { return __shfl_xor_sync(~0u, word, by); });
  }
  return x;
}

/* Over the block: all get it. */
INLINE double sum_block(double x) {
  __shared__ double warps[THREADS / 32];
  double sum = 0;
  x = sum_lanes(x, 32);
  __syncthreads();
  if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = x;
  __syncthreads();
#pragma unroll
  for (int w = 0; w < THREADS / 32; w++) sum += warps[w];
  return sum;
}

/* The block's, of n elements; `over` is 1 / n. */
INLINE spread join_block(const spread &s, double n, double over) {
  const double mean = sum_block(s.n * s.mean) * over;
  return spread{n, mean, sum_block(squares_about(s, mean))};
}
/* The same where n is not known. */
INLINE spread join_block(const spread &s) {
  const double n = sum_block(s.n);
  return join_block(s, n, n > 0 ? inverse(n) : 0);
}

INLINE spread peek(const spread *at) {
  return spread{peek(&at->n), peek(&at->mean), peek(&at->squares)};
}

/* The totals of splits `first`, `first + step` and so on, that lie `apart`. */
INLINE spread join_totals(const spread *at, i64 apart, u32 first, u32 step) {
  const u32 count = first < gridDim.y ? (gridDim.y - first + step - 1) / step : 0;
  return join_all(count, [=](u32 i) { return peek(at + (i64)(first + i * step) * apart); });
}

/* What the block's split of result r comes to. */
INLINE void put_split(const target &to, index_t r, spread s) {
  if (gridDim.y > 1) {
    spread *totals = to.totals + (i64)r * gridDim.y;
    if (threadIdx.x == 0) totals[blockIdx.y] = s;
    if (!comes_last(to.counters + r)) return;
    s = join_block(join_totals(totals, 1, threadIdx.x, THREADS));
  }
  if (threadIdx.x == 0) put(to, r, s.squares);
}

/* ---- rows ---- */

/* Pieces of Q elements, `step` apart from `i` on, COUNT of them or as many as there are below `all`.
   They are read at once, and as many worked on at once as stay in registers. */
template <int COUNT, class FROM>
INLINE spread of_pieces(const typename FROM::row &row, double origin, i64 i, i64 step, i64 all) {
  enum { Q = FROM::Q, EACH = Q < FEW ? FEW / Q : 1, TOGETHER = EACH < COUNT ? EACH : COUNT };
  typename FROM::raw x[COUNT];
  spread s = nothing();
  int m = 0;
#pragma unroll
  for (int u = 0; u < COUNT; u++) {
    if (i + u * step >= all) continue;
    x[u] = row.packs(i + u * step);
    m += Q;
  }
#pragma unroll
  for (int u = 0; u < COUNT; u += TOGETHER) {
    real_t e[TOGETHER * Q];
#pragma unroll
    for (int k = 0; k < TOGETHER * Q; k++) {
      e[k] = u * Q + k < m ? to_real(FROM::value(x[u + k / Q], k % Q)) : (real_t)0;
    }
    s = join(s, few(e, m - u * Q < TOGETHER * Q ? m - u * Q : TOGETHER * Q, origin));
  }
  return s;
}

/* Fewer than K are left behind the packs. */
template <class FROM>
INLINE spread of_rest(const typename FROM::row &row, double origin, i64 j, i64 n) {
  if (j >= n) return nothing();
  const real_t x[1] = {to_real(row.one(j))};
  return few(x, 1, origin);
}

/* Rounds of COUNT pieces a thread, `apart` from each other, from the block's first one on. */
template <int COUNT, class FROM>
INLINE spread of_rounds(const typename FROM::row &row, double origin, i64 first, i64 apart,
                        i64 all) {
  spread s = nothing();
  for (i64 i = first + threadIdx.x; i < all; i += apart) {
    s = join(s, of_pieces<COUNT, FROM>(row, origin, i, THREADS, all));
  }
  return s;
}

template <class FROM>
INLINE void spread_of_packs(const target &to, const FROM &from, index_t results, i64 n,
                            i64 per_split) {
  const split_range own = own_split(n, per_split);
  const double count = (double)(own.end - own.begin), over = inverse(count);
  for (index_t r = blockIdx.x; r < results; r += gridDim.x) {
    const typename FROM::row row = from.of(r);
    const double origin = origin_of(row.a);
    const i64 packs = own.end / K;
    spread s = of_rounds<UNROLL, FROM>(row, origin, own.begin / K, UNROLL * THREADS, packs);
    s = join(s, of_rest<FROM>(row, origin, packs * K + threadIdx.x, own.end));
    put_split(to, r, join_block(s, count, over));
  }
}

/* The same for more than the caches hold: splits take turns. */
template <class FROM>
INLINE void spread_of_turns(const target &to, const FROM &from, index_t results, i64 n) {
  enum { TURN = 2 * UNROLL, ROUND = TURN * THREADS };
  const i64 packs = n / K;
  for (index_t r = blockIdx.x; r < results; r += gridDim.x) {
    const typename FROM::row row = from.of(r);
    const double origin = origin_of(row.a);
    spread s = of_rounds<TURN, FROM>(row, origin, blockIdx.y * ROUND, (i64)gridDim.y * ROUND, packs);
    if (packs / ROUND % gridDim.y == blockIdx.y) {
      s = join(s, of_rest<FROM>(row, origin, packs * K + threadIdx.x, n));
    }
    put_split(to, r, join_block(s));
  }
}

extern "C" __global__ void __launch_bounds__(256, 4)
    rows_dense(const __grid_constant__ target to, const WR_A *a,
               const __grid_constant__ layout<1> kept, index_t results, i64 n, i64 per_split) {
  spread_of_packs(to, dense_rows{a, kept}, results, n, per_split);
}

extern "C" __global__ void __launch_bounds__(256, 2)
    rows_streamed(const __grid_constant__ target to, const WR_A *a,
                  const __grid_constant__ layout<1> kept, index_t results, i64 n) {
  spread_of_turns(to, rows_of_packs<true>{a, kept}, results, n);
}

/* Elements one by one: for rows of any strides, and of a type whose packs do not begin on 16 bytes. */
extern "C" __global__ void rows(const __grid_constant__ target to, const WR_A *a,
                                const __grid_constant__ layout<1> kept,
                                const __grid_constant__ layout<1> reduced, index_t results, i64 n,
                                i64 per_split) {
  enum { ROUND = 2 * UNROLL };
  const split_range own = own_split(n, per_split);
  const strided_rows from{a, kept, reduced};
  for (index_t r = blockIdx.x; r < results; r += gridDim.x) {
    const strided_rows::row row = from.of(r);
    put_split(to, r,
              join_block(of_rounds<ROUND, strided_rows>(row, origin_of(row.a), own.begin,
                                                        ROUND * THREADS, own.end)));
  }
}

/* Rows that some lanes of a warp have are read twice, the second time from the first-level cache: of
   so few elements the distances from the first do as they are. A lane has every piece that is its
   turn, and of those that are not whole every element. */
template <bool SQUARES, class FROM>
INLINE real_t sum_short(const typename FROM::row &row, i64 n, real_t first, real_t mean) {
  const i64 pieces = n / FROM::Q;
  real_t sum = 0;
  for (i64 i = threadIdx.x; i < pieces; i += blockDim.x) {
    const typename FROM::raw x = row.packs(i);
#pragma unroll
    for (int q = 0; q < FROM::Q; q++) {
      const real_t d = to_real(FROM::value(x, q)) - first - mean;
      sum = SQUARES ? fma(d, d, sum) : sum + d;
    }
  }
  for (i64 j = pieces * FROM::Q + threadIdx.x; j < n; j += blockDim.x) {
    const real_t d = to_real(row.one(j)) - first - mean;
    sum = SQUARES ? fma(d, d, sum) : sum + d;
  }
  return sum;
}

template <class FROM>
INLINE void spread_of_short_rows(const target &to, const FROM &from, index_t results, i64 n) {
  const real_t over = (real_t)1 / (real_t)n;
  const int lanes = (int)blockDim.x;
  for (index_t start = row_index(); start < results; start += row_count()) {
    const index_t r = start + threadIdx.y;
    const typename FROM::row row = from.of(r < results ? r : results - 1);
    const real_t first = to_real(row.one(0));
    const real_t mean = sum_lanes(sum_short<false, FROM>(row, n, first, 0), lanes) * over;
    const real_t squares = sum_lanes(sum_short<true, FROM>(row, n, first, mean), lanes);
    if (threadIdx.x == 0 && r < results) put(to, r, (double)squares);
  }
}

extern "C" __global__ void short_rows(const __grid_constant__ target to, const WR_A *a,
                                      const __grid_constant__ layout<1> kept,
                                      const __grid_constant__ layout<1> reduced, index_t results,
                                      i64 n) {
  spread_of_short_rows(to, strided_rows{a, kept, reduced}, results, n);
}

extern "C" __global__ void short_rows_dense(const __grid_constant__ target to, const WR_A *a,
                                            const __grid_constant__ layout<1> kept,
                                            index_t results, i64 n) {
  spread_of_short_rows(to, dense_rows{a, kept}, results, n);
}

/* ---- columns: blocks of 32 by SIDE threads, as in reduce.cu ---- */

/* How many of a column a thread reads at once, by single elements, and by packs as they fit in
   registers. */
enum { SIDE = 8, DEEP = 4 * UNROLL, PACKED_DEEP = K > 8 ? UNROLL : 2 * UNROLL };

/* A column's over the block, right in the threads of the first row. */
INLINE spread join_side(const spread &s) {
  __shared__ spread side[SIDE][32];
  __syncthreads();
  side[threadIdx.y][threadIdx.x] = s;
  __syncthreads();
  if (threadIdx.y > 0) return s;
  return join_all(SIDE, [&](u32 y) { return side[y][threadIdx.x]; });
}

INLINE spread of_column(const WR_A *column, const layout<1> &reduced, i64 begin, i64 end) {
  const double origin = origin_of(column);
  spread s = nothing();
  for (i64 j = begin + threadIdx.y; j < end; j += DEEP * SIDE) {
    real_t x[DEEP];
    int m = 0;
#pragma unroll
    for (int u = 0; u < DEEP; u++) {
      const i64 at = j + u * SIDE;
      x[u] = 0;
      if (at >= end) continue;
      x[u] = to_real(column[offset_of(reduced, (index_t)at)]);
      m++;
    }
    s = join(s, few(x, m, origin));
  }
  return s;
}

extern "C" __global__ void columns(const __grid_constant__ target to, const WR_A *a,
                                   const __grid_constant__ layout<1> kept,
                                   const __grid_constant__ layout<1> reduced, index_t results,
                                   i64 n, i64 per_split) {
  const split_range own = own_split(n, per_split);
  each_column(results, [&](index_t column, index_t r, bool mine) {
    spread s = nothing();
    if (r < results) s = of_column(a + offset_of(kept, r), reduced, own.begin, own.end);
    s = join_side(s);
    if (gridDim.y > 1) {
      if (mine) to.totals[(i64)blockIdx.y * results + r] = s;
      if (!comes_last(to.counters + column)) return;
      s = nothing();
      if (r < results) s = join_totals(to.totals + r, results, threadIdx.y, SIDE);
      s = join_side(s);
    }
    if (mine) put(to, r, s.squares);
  });
}

/* Results that lie as packs of K on 16 bytes, a pack to a thread. All of a thread's are of as many
   elements. */
struct spreads {
  double n, mean[K], squares[K];
  INLINE spread of(int k) const { return spread{n, mean[k], squares[k]}; }
};

INLINE void clear(spreads &s) {
  s.n = 0;
#pragma unroll
  for (int k = 0; k < K; k++) s.mean[k] = s.squares[k] = 0;
}

/* Joins `more` with column k, whose number of elements the caller sets when all have theirs. */
INLINE void join_one(spreads &s, int k, const spread &more) {
  const spread both = join(s.of(k), more);
  s.mean[k] = both.mean;
  s.squares[k] = both.squares;
}

/* Gives how many rows there are. */
INLINE int read_columns(pack<WR_A, K> (&x)[PACKED_DEEP], const WR_A *columns,
                        const layout<1> &reduced, i64 j, i64 end) {
  int m = 0;
#pragma unroll
  for (int u = 0; u < PACKED_DEEP; u++) {
    const i64 at = j + u * SIDE;
    if (at >= end) continue;
    x[u] = *(const pack<WR_A, K> *)(columns + offset_of(reduced, (index_t)at));
    m++;
  }
  return m;
}

/* What comes next is read before what is there is worked on: with so much in registers there are few
   other warps to do so. */
INLINE void of_columns(spreads &s, const WR_A *columns, const layout<1> &reduced, i64 begin,
                       i64 end) {
  pack<WR_A, K> x[PACKED_DEEP], next[PACKED_DEEP];
  i64 j = begin + threadIdx.y;
  for (int m = read_columns(x, columns, reduced, j, end), more; m > 0; m = more) {
    j += PACKED_DEEP * SIDE;
    more = read_columns(next, columns, reduced, j, end);
#pragma unroll
    for (int k = 0; k < K; k++) {
      real_t e[PACKED_DEEP];
#pragma unroll
      for (int u = 0; u < PACKED_DEEP; u++) e[u] = u < m ? to_real(x[u].e[k]) : (real_t)0;
      join_one(s, k, few(e, m, origin_of(columns + k)));
    }
    s.n += m;
#pragma unroll
    for (int u = 0; u < PACKED_DEEP; u++) x[u] = next[u];
  }
}

/* What the rows of threads have, right in the first; one column of each thread at a time, since all
   at once would not fit. */
INLINE void join_sides(spreads &s) {
  double n = s.n;
#pragma unroll
  for (int k = 0; k < K; k++) {
    const spread all = join_side(s.of(k));
    s.mean[k] = all.mean;
    s.squares[k] = all.squares;
    n = all.n;
  }
  s.n = n;
}

extern "C" __global__ void packed_columns(const __grid_constant__ target to, const WR_A *a,
                                          const __grid_constant__ layout<1> kept,
                                          const __grid_constant__ layout<1> reduced,
                                          index_t results, i64 n, i64 per_split) {
  const split_range own = own_split(n, per_split);
  for (index_t first = blockIdx.x * 32 * K; first < results; first += gridDim.x * 32 * K) {
    const index_t r = first + threadIdx.x * K;
    const bool mine = threadIdx.y == 0 && r < results;
    spreads s;
    clear(s);
    if (r < results) of_columns(s, a + offset_of(kept, r), reduced, own.begin, own.end);
    join_sides(s);
    if (gridDim.y > 1) {
#pragma unroll
      for (int k = 0; k < K; k++) {
        if (mine) to.totals[(i64)blockIdx.y * results + r + k] = s.of(k);
      }
      if (!comes_last(to.counters + first / (32 * K))) continue;
      double count = 0;
      clear(s);
#pragma unroll
      for (int k = 0; k < K; k++) {
        if (r >= results) continue;
        const spread all = join_totals(to.totals + r + k, results, threadIdx.y, SIDE);
        join_one(s, k, all);
        count = all.n;
      }
      s.n = count;
      join_sides(s);
    }
#pragma unroll
    for (int k = 0; k < K; k++) {
      if (mine) put(to, r + k, s.squares[k]);
    }
  }
}
