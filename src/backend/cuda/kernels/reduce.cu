/* Sums, products, maxima and minima over some axes: WR_A to WR_B by WR_OP (sum, prod, max, min).
   Whole numbers add up in 64 bits and wrap; 16-bit floats and float in float within a thread and in
   double between threads; double in double; complex64 in floats, then doubles. A maximum or minimum
   is NaN when any element is.

   A reduction can be cut into `splits`, whose totals `merge` then folds in order: the result does
   not depend on the order in which blocks run. Grids: x over results, y over splits. */

#include "types.cuh"

/* ---- what a thread adds up in, and what totals are kept in ---- */

template <class E>
struct kinds {
  typedef i64 part;
  typedef i64 total;
};
template <>
struct kinds<b8> {
  typedef u64 part;
  typedef u64 total;
};
template <>
struct kinds<u8> : kinds<b8> {};
template <>
struct kinds<u16> : kinds<b8> {};
template <>
struct kinds<u32> : kinds<b8> {};
template <>
struct kinds<u64> : kinds<b8> {};
template <>
struct kinds<float> {
  typedef float part;
  typedef double total;
};
template <>
struct kinds<f16> : kinds<float> {};
template <>
struct kinds<bf16> : kinds<float> {};
template <>
struct kinds<double> {
  typedef double part;
  typedef double total;
};
template <>
struct kinds<c64> {
  typedef c64 part;
  typedef z128 total;
};

typedef kinds<WR_A>::part part_t;
typedef kinds<WR_A>::total total_t;

INLINE u64 to_total(u64 x) { return x; }
INLINE i64 to_total(i64 x) { return x; }
INLINE double to_total(float x) { return (double)x; }
INLINE double to_total(double x) { return x; }
INLINE z128 to_total(c64 x) { return widen(x); }

template <class P>
struct part_as {
  template <class E>
  static INLINE P of(E x) {
    return (P)load<E>(x);
  }
};
template <>
struct part_as<c64> {
  static INLINE c64 of(c64 x) { return x; }
};

INLINE part_t to_part(WR_A x) { return part_as<part_t>::of(x); }

/* ---- the operations ---- */

template <class T>
INLINE T sum(T a, T b) {
  return a + b;
}
INLINE i64 sum(i64 a, i64 b) { return (i64)((u64)a + (u64)b); }
INLINE c64 sum(c64 a, c64 b) { return make_c64(a.re + b.re, a.im + b.im); }
INLINE z128 sum(z128 a, z128 b) { return make_z128(a.re + b.re, a.im + b.im); }

template <class T>
INLINE T prod(T a, T b) {
  return a * b;
}
INLINE i64 prod(i64 a, i64 b) { return (i64)((u64)a * (u64)b); }
INLINE c64 prod(c64 a, c64 b) {
  return make_c64(a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re);
}
INLINE z128 prod(z128 a, z128 b) {
  return make_z128(a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re);
}

/* A NaN in b is taken; a NaN in a stays, since nothing compares greater or less. */
template <class T>
INLINE T max_of(T a, T b) {
  return b > a || b != b ? b : a;
}
template <class T>
INLINE T min_of(T a, T b) {
  return b < a || b != b ? b : a;
}
template <class Z>
INLINE bool is_nan(Z x) {
  return x.re != x.re || x.im != x.im;
}
template <class Z>
INLINE Z max_complex(Z a, Z b) {
  if (is_nan(a)) return a;
  if (is_nan(b)) return b;
  return b.re > a.re || (b.re == a.re && b.im > a.im) ? b : a;
}
template <class Z>
INLINE Z min_complex(Z a, Z b) {
  if (is_nan(a)) return a;
  if (is_nan(b)) return b;
  return b.re < a.re || (b.re == a.re && b.im < a.im) ? b : a;
}
INLINE c64 max_of(c64 a, c64 b) { return max_complex(a, b); }
INLINE z128 max_of(z128 a, z128 b) { return max_complex(a, b); }
INLINE c64 min_of(c64 a, c64 b) { return min_complex(a, b); }
INLINE z128 min_of(z128 a, z128 b) { return min_complex(a, b); }

struct op_sum {
  template <class T>
  static INLINE T of(T a, T b) {
    return sum(a, b);
  }
};
struct op_prod {
  template <class T>
  static INLINE T of(T a, T b) {
    return prod(a, b);
  }
};
struct op_max {
  template <class T>
  static INLINE T of(T a, T b) {
    return max_of(a, b);
  }
};
struct op_min {
  template <class T>
  static INLINE T of(T a, T b) {
    return min_of(a, b);
  }
};

/* ---- neutral elements; for maxima and minima the ends of the element's own range ---- */

template <class E, class P>
struct limits {
  static INLINE P high() {
    return (P)((E)-1 < (E)0 ? (E)~((E)1 << (sizeof(E) * 8 - 1)) : (E)~(E)0);
  }
  static INLINE P low() { return (P)((E)-1 < (E)0 ? (E)((E)1 << (sizeof(E) * 8 - 1)) : (E)0); }
};
template <class P>
struct limits<b8, P> {
  static INLINE P high() { return (P)1; }
  static INLINE P low() { return (P)0; }
};
template <class P>
struct real_limits {
  static INLINE P high() { return (P)__int_as_float(0x7f800000); }
  static INLINE P low() { return (P)__int_as_float(0xff800000); }
};
template <class P>
struct limits<float, P> : real_limits<P> {};
template <class P>
struct limits<double, P> : real_limits<P> {};
template <class P>
struct limits<f16, P> : real_limits<P> {};
template <class P>
struct limits<bf16, P> : real_limits<P> {};

template <class OP, class E>
struct neutral;
template <class E>
struct neutral<op_sum, E> {
  static INLINE part_t of() { return (part_t)0; }
};
template <class E>
struct neutral<op_prod, E> {
  static INLINE part_t of() { return (part_t)1; }
};
template <class E>
struct neutral<op_max, E> {
  static INLINE part_t of() { return limits<E, part_t>::low(); }
};
template <class E>
struct neutral<op_min, E> {
  static INLINE part_t of() { return limits<E, part_t>::high(); }
};
template <>
struct neutral<op_sum, c64> {
  static INLINE c64 of() { return make_c64(0, 0); }
};
template <>
struct neutral<op_prod, c64> {
  static INLINE c64 of() { return make_c64(1, 0); }
};
template <>
struct neutral<op_max, c64> {
  static INLINE c64 of() {
    return make_c64(__int_as_float(0xff800000), __int_as_float(0xff800000));
  }
};
template <>
struct neutral<op_min, c64> {
  static INLINE c64 of() {
    return make_c64(__int_as_float(0x7f800000), __int_as_float(0x7f800000));
  }
};

INLINE part_t nothing() { return neutral<WR_OP, WR_A>::of(); }
INLINE part_t fold(part_t a, part_t b) { return WR_OP::of(a, b); }

/* ---- results ---- */

template <class TO>
struct finish {
  static INLINE TO of(total_t t) { return (TO)t; }
};
template <>
struct finish<b8> {
  static INLINE b8 of(u64 t) {
    b8 r;
    r.v = t != 0;
    return r;
  }
};
template <>
struct finish<f16> {
  static INLINE f16 of(double t) { return to_f16((float)t); }
};
template <>
struct finish<bf16> {
  static INLINE bf16 of(double t) { return to_bf16((float)t); }
};
template <>
struct finish<c64> {
  static INLINE c64 of(z128 t) { return narrow(t); }
};

/* The place of a result, or of one split's total. */
struct target {
  WR_B *out;
  total_t *totals; /* splits by results; NULL: there is one split */
};

INLINE void put(const target &to, index_t result, index_t results, index_t split, total_t t) {
  if (to.totals) {
    to.totals[(i64)split * results + result] = t;
  } else {
    to.out[result] = finish<WR_B>::of(t);
  }
}

/* ---- between threads ---- */

template <class T>
INLINE T shuffle_down(T x, int by) {
  union {
    T t;
    u32 w[sizeof(T) / 4];
  } u, v;
  u.t = x;
#pragma unroll
  for (int i = 0; i < (int)(sizeof(T) / 4); i++) v.w[i] = __shfl_down_sync(~0u, u.w[i], by);
  return v.t;
}

INLINE total_t fold_warp(total_t t) {
#pragma unroll
  for (int by = 16; by > 0; by /= 2) t = WR_OP::of(t, shuffle_down(t, by));
  return t;
}

/* The block's total, right in thread 0. */
INLINE total_t fold_block(total_t t) {
  __shared__ total_t warps[32];
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  t = fold_warp(t);
  __syncthreads();
  if (lane == 0) warps[warp] = t;
  __syncthreads();
  t = lane < (int)blockDim.x / 32 ? warps[lane] : to_total(nothing());
  return warp == 0 ? fold_warp(t) : t;
}

/* ---- kernels ---- */

enum { K = 16 / sizeof(WR_A), UNROLL = 4 };

/* A block per result and split; the reduced elements are dense, and all rows aligned to 16 bytes. */
extern "C" __global__ void __launch_bounds__(256, 8) rows_dense(target to, const WR_A *a, layout<1> kept, index_t results,
                                      i64 n, i64 per_split) {
  const i64 begin = (i64)blockIdx.y * per_split;
  const i64 end = begin + per_split < n ? begin + per_split : n;
  for (index_t r = blockIdx.x; r < results; r += gridDim.x) {
    const WR_A *row = a + offset_of(kept, r);
    total_t total = to_total(nothing());
    const i64 packs = (end - begin) / K;
    const pack<WR_A, K> *p = (const pack<WR_A, K> *)(row + begin);
    i64 i = threadIdx.x;
    for (; i + (UNROLL - 1) * blockDim.x < packs; i += UNROLL * blockDim.x) {
      pack<WR_A, K> x[UNROLL];
#pragma unroll
      for (int u = 0; u < UNROLL; u++) x[u] = p[i + u * blockDim.x];
      part_t part = nothing();
#pragma unroll
      for (int u = 0; u < UNROLL; u++) {
#pragma unroll
        for (int k = 0; k < K; k++) part = fold(part, to_part(x[u].e[k]));
      }
      total = WR_OP::of(total, to_total(part));
    }
    part_t part = nothing();
    for (; i < packs; i += blockDim.x) {
      const pack<WR_A, K> x = p[i];
#pragma unroll
      for (int k = 0; k < K; k++) part = fold(part, to_part(x.e[k]));
    }
    for (i64 j = begin + packs * K + threadIdx.x; j < end; j += blockDim.x) {
      part = fold(part, to_part(row[j]));
    }
    total = fold_block(WR_OP::of(total, to_total(part)));
    if (threadIdx.x == 0) put(to, r, results, blockIdx.y, total);
  }
}

/* The same for reduced elements of any strides. */
extern "C" __global__ void rows(target to, const WR_A *a, layout<1> kept, layout<1> reduced,
                                index_t results, i64 n, i64 per_split) {
  const i64 begin = (i64)blockIdx.y * per_split;
  const i64 end = begin + per_split < n ? begin + per_split : n;
  for (index_t r = blockIdx.x; r < results; r += gridDim.x) {
    const WR_A *row = a + offset_of(kept, r);
    total_t total = to_total(nothing());
    for (i64 j = begin + threadIdx.x; j < end; j += UNROLL * blockDim.x) {
      part_t part = nothing();
#pragma unroll
      for (int u = 0; u < UNROLL; u++) {
        const i64 at = j + u * (i64)blockDim.x;
        if (at < end) part = fold(part, to_part(row[offset_of(reduced, (index_t)at)]));
      }
      total = WR_OP::of(total, to_total(part));
    }
    total = fold_block(total);
    if (threadIdx.x == 0) put(to, r, results, blockIdx.y, total);
  }
}

/* A warp per result, for few elements each. */
extern "C" __global__ void short_rows(target to, const WR_A *a, layout<1> kept, layout<1> reduced,
                                      index_t results, i64 n) {
  const index_t warps = thread_count() / 32;
  for (index_t r = thread_index() / 32; r < results; r += warps) {
    const WR_A *row = a + offset_of(kept, r);
    part_t part = nothing();
    for (i64 j = threadIdx.x % 32; j < n; j += 32) {
      part = fold(part, to_part(row[offset_of(reduced, (index_t)j)]));
    }
    const total_t total = fold_warp(to_total(part));
    if (threadIdx.x % 32 == 0) put(to, r, results, 0, total);
  }
}

/* Neighbouring results lie side by side in memory: a thread per result, `y` threads of the block
   share its elements. Blocks of 32 by 8 threads. */
extern "C" __global__ void columns(target to, const WR_A *a, layout<1> kept, layout<1> reduced,
                                   index_t results, i64 n, i64 per_split) {
  enum { SIDE = 8 };
  __shared__ total_t side[SIDE][32];
  const i64 begin = (i64)blockIdx.y * per_split;
  const i64 end = begin + per_split < n ? begin + per_split : n;
  for (index_t first = blockIdx.x * 32; first < results; first += gridDim.x * 32) {
    const index_t r = first + threadIdx.x;
    total_t total = to_total(nothing());
    if (r < results) {
      const WR_A *column = a + offset_of(kept, r);
      for (i64 j = begin + threadIdx.y; j < end; j += UNROLL * SIDE) {
        part_t part = nothing();
#pragma unroll
        for (int u = 0; u < UNROLL; u++) {
          const i64 at = j + u * SIDE;
          if (at < end) part = fold(part, to_part(column[offset_of(reduced, (index_t)at)]));
        }
        total = WR_OP::of(total, to_total(part));
      }
    }
    side[threadIdx.y][threadIdx.x] = total;
    __syncthreads();
    if (threadIdx.y == 0 && r < results) {
      for (int k = 1; k < SIDE; k++) total = WR_OP::of(total, side[k][threadIdx.x]);
      put(to, r, results, blockIdx.y, total);
    }
    __syncthreads();
  }
}

/* A warp per result folds the totals of its splits. */
extern "C" __global__ void merge(WR_B *out, const total_t *totals, index_t results, i64 splits) {
  const index_t warps = thread_count() / 32;
  for (index_t r = thread_index() / 32; r < results; r += warps) {
    total_t total = to_total(nothing());
    for (i64 s = threadIdx.x % 32; s < splits; s += 32) {
      total = WR_OP::of(total, totals[s * results + r]);
    }
    total = fold_warp(total);
    if (threadIdx.x % 32 == 0) out[r] = finish<WR_B>::of(total);
  }
}
