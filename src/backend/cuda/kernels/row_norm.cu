/* Rows, less their mean or not, divided by the root of the mean of their squares: in float, and
   rounded to WR_A before weight and bias, and after each. `lanes` threads have a row: a power of two
   up to a warp, or a block. Rows that fit are kept in registers, PACKS packs a thread; others are
   read for the mean, for the squares and for the result. */

#include "types.cuh"
#include "two.cuh"
#include "rows.cuh"

struct problem {
  WR_A *out;
  const WR_A *x, *weight, *bias; /* weight, bias: dense; NULL: none */
  i64 rows, n, stride;
  i64 lanes;
  float eps;
  i32 centred;
};

/* Over the lanes of a row: all get it. */
INLINE float over_lanes(float x, int lanes) {
  __shared__ float warps[32];
  for (int by = (lanes < 32 ? lanes : 32) / 2; by > 0; by /= 2) x += __shfl_xor_sync(~0u, x, by);
  if (lanes <= 32) return x;
  __syncthreads();
  if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = x;
  __syncthreads();
  x = threadIdx.x % 32 < blockDim.x / 32 ? warps[threadIdx.x % 32] : 0;
#pragma unroll
  for (int by = 16; by > 0; by /= 2) x += __shfl_xor_sync(~0u, x, by);
  return x;
}

INLINE float root_of(float squares, const problem &p) {
  return 1.0f / sqrtf(squares / (float)p.n + p.eps);
}

template <int Q>
INLINE pack<WR_A, Q> read(const WR_A *row, i64 at, i64 stride) {
  if (Q > 1) return *(const pack<WR_A, Q> *)(row + at); /* dense */
  return *(const pack<WR_A, Q> *)(row + at * stride);
}

/* A pack of 16-bit floats as words. */
template <int Q>
struct words {
  union {
    pack<WR_A, Q> all;
    u32 w[Q / 2 > 0 ? Q / 2 : 1];
  };
  INLINE words() {}
};

/* Elements from `at` on of what row r becomes: two at once of 16-bit floats. */
template <class E, int Q>
INLINE void put_twos(const problem &p, i64 r, i64 at, const pack<WR_A, Q> &from, float mean,
                     float root) {
  words<Q> x, factor;
  x.all = from;
#pragma unroll
  for (int i = 0; i < Q / 2; i++) {
    x.w[i] = two_of(E(), (low_of(E(), x.w[i]) - mean) * root, (high_of(E(), x.w[i]) - mean) * root);
  }
  if (p.weight) {
    factor.all = read<Q>(p.weight, at, 1);
#pragma unroll
    for (int i = 0; i < Q / 2; i++) x.w[i] = multiply_add(E(), x.w[i], factor.w[i], NOTHING_ADDED);
  }
  if (p.bias) {
    factor.all = read<Q>(p.bias, at, 1);
#pragma unroll
    for (int i = 0; i < Q / 2; i++) x.w[i] = multiply_add(E(), x.w[i], ones_of(E()), factor.w[i]);
  }
  *(pack<WR_A, Q> *)(p.out + r * p.n + at) = x.all;
}

template <int Q>
INLINE void put_ones(const problem &p, i64 r, i64 at, const pack<WR_A, Q> &x, float mean,
                     float root) {
  pack<WR_A, Q> y, factor;
#pragma unroll
  for (int q = 0; q < Q; q++) y.e[q] = store_as<WR_A>::of((load<WR_A>(x.e[q]) - mean) * root);
  if (p.weight) {
    factor = read<Q>(p.weight, at, 1);
#pragma unroll
    for (int q = 0; q < Q; q++) {
      y.e[q] = store_as<WR_A>::of(load<WR_A>(y.e[q]) * load<WR_A>(factor.e[q]));
    }
  }
  if (p.bias) {
    factor = read<Q>(p.bias, at, 1);
#pragma unroll
    for (int q = 0; q < Q; q++) {
      y.e[q] = store_as<WR_A>::of(load<WR_A>(y.e[q]) + load<WR_A>(factor.e[q]));
    }
  }
  *(pack<WR_A, Q> *)(p.out + r * p.n + at) = y;
}

template <int Q>
INLINE void put(const problem &p, i64 r, i64 at, const pack<WR_A, Q> &x, float mean, float root) {
  if constexpr (sizeof(WR_A) == 2 && Q % 2 == 0) {
    put_twos<WR_A>(p, r, at, x, mean, root);
  } else {
    put_ones<Q>(p, r, at, x, mean, root);
  }
}

/* ---- rows in registers ---- */

template <int Q, int PACKS>
INLINE void in_registers(const problem &p, const layout<1> &l) {
  const int lanes = (int)p.lanes, lane = (int)threadIdx.x % lanes, n = (int)p.n;
  const i64 each = (int)blockDim.x / lanes;
  for (i64 first = blockIdx.x * each; first < p.rows; first += gridDim.x * each) {
    const i64 r = first + (int)threadIdx.x / lanes;
    const bool exists = r < p.rows; /* if not, the thread goes along with those of its warp */
    const WR_A *row = p.x + offset_of(l, (index_t)(exists ? r : p.rows - 1));
    pack<WR_A, Q> x[PACKS];
    float mean = 0, sum = 0;
#pragma unroll
    for (int i = 0; i < PACKS; i++) {
      const int at = (i * lanes + lane) * Q;
      if (at < n) x[i] = read<Q>(row, at, p.stride);
    }
    if (p.centred) {
#pragma unroll
      for (int i = 0; i < PACKS; i++) {
        if ((i * lanes + lane) * Q >= n) continue;
#pragma unroll
        for (int q = 0; q < Q; q++) sum += load<WR_A>(x[i].e[q]);
      }
      mean = over_lanes(sum, lanes) / (float)p.n;
      sum = 0;
    }
#pragma unroll
    for (int i = 0; i < PACKS; i++) {
      if ((i * lanes + lane) * Q >= n) continue;
#pragma unroll
      for (int q = 0; q < Q; q++) {
        const float d = load<WR_A>(x[i].e[q]) - mean;
        sum = fmaf(d, d, sum);
      }
    }
    const float root = root_of(over_lanes(sum, lanes), p);
#pragma unroll
    for (int i = 0; i < PACKS; i++) {
      const int at = (i * lanes + lane) * Q;
      if (exists && at < n) put<Q>(p, r, at, x[i], mean, root);
    }
  }
}

/* ---- rows of any length ---- */

/* By a block. */
template <int Q, bool SQUARES>
INLINE float sum_of(const problem &p, const WR_A *row, float mean) {
  float sum = 0;
#pragma unroll 4
  for (i64 at = (i64)threadIdx.x * Q; at < p.n; at += (i64)blockDim.x * Q) {
    const pack<WR_A, Q> x = read<Q>(row, at, p.stride);
#pragma unroll
    for (int q = 0; q < Q; q++) {
      const float d = load<WR_A>(x.e[q]) - mean;
      sum = SQUARES ? fmaf(d, d, sum) : sum + d;
    }
  }
  return over_lanes(sum, (int)p.lanes);
}

template <int Q>
INLINE void in_passes(const problem &p, const layout<1> &l) {
  for (i64 r = blockIdx.x; r < p.rows; r += gridDim.x) {
    const WR_A *row = p.x + offset_of(l, (index_t)r);
    const float mean = p.centred ? sum_of<Q, false>(p, row, 0) / (float)p.n : 0;
    const float root = root_of(sum_of<Q, true>(p, row, mean), p);
    for (i64 at = (i64)threadIdx.x * Q; at < p.n; at += (i64)blockDim.x * Q) {
      put<Q>(p, r, at, read<Q>(row, at, p.stride), mean, root);
    }
  }
}

/* Packs: of dense rows that, as the factors, begin on 16 bytes, and whose length is a multiple of
   K. Else element by element. */
extern "C" __global__ void __launch_bounds__(1024)
    packs_1(const __grid_constant__ problem p, const __grid_constant__ layout<1> l) {
  in_registers<K, 1>(p, l);
}
extern "C" __global__ void __launch_bounds__(1024)
    packs_4(const __grid_constant__ problem p, const __grid_constant__ layout<1> l) {
  in_registers<K, 4>(p, l);
}
extern "C" __global__ void __launch_bounds__(1024)
    packs_long(const __grid_constant__ problem p, const __grid_constant__ layout<1> l) {
  in_passes<K>(p, l);
}
extern "C" __global__ void __launch_bounds__(1024)
    ones_8(const __grid_constant__ problem p, const __grid_constant__ layout<1> l) {
  in_registers<1, 8>(p, l);
}
extern "C" __global__ void __launch_bounds__(1024)
    ones_long(const __grid_constant__ problem p, const __grid_constant__ layout<1> l) {
  in_passes<1>(p, l);
}
