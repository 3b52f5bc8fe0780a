/* Softmax and log-sum-exp over the last axis, relative to the row's maximum: in float for float and
   the 16-bit floats, else in double. A row whose maximum is infinite gives NaN in softmax and the
   maximum in log-sum-exp (NaN if the row has one). A block per row; short rows are kept in registers
   between the three passes. */

#include "types.cuh"
#include "rows.cuh"
#include "softmax.cuh"

/* Dense rows whose length is a multiple of K, aligned to 16 bytes. */
extern "C" __global__ void __launch_bounds__(1024)
    softmax_1(WR_A *out, const WR_A *a, i64 rows, i64 n, const __grid_constant__ layout<1> l) {
  softmax_rows<1>(out, dense_rows{a, l}, rows, n);
}
extern "C" __global__ void __launch_bounds__(1024)
    softmax_4(WR_A *out, const WR_A *a, i64 rows, i64 n, const __grid_constant__ layout<1> l) {
  softmax_rows<4>(out, dense_rows{a, l}, rows, n);
}

/* ---- rows of any length and stride ---- */

INLINE value_t top_of(const WR_A *row, i64 n, i64 stride) {
  value_t top = math::lowest();
  for (i64 i = threadIdx.x; i < n; i += blockDim.x) top = math::larger(top, read(row[i * stride]));
  return over_block<false>(top);
}

INLINE value_t sum_of(const WR_A *row, i64 n, i64 stride, value_t top) {
  value_t sum = math::zero();
  for (i64 i = threadIdx.x; i < n; i += blockDim.x) {
    sum = math::add(sum, math::power(read(row[i * stride]), top));
  }
  return over_block<true>(sum);
}

extern "C" __global__ void softmax(WR_A *out, const WR_A *a, i64 rows, i64 n, i64 stride,
                                   layout<1> l) {
  for (i64 r = blockIdx.x; r < rows; r += gridDim.x) {
    const WR_A *row = a + offset_of(l, (index_t)r);
    const value_t top = top_of(row, n, stride);
    const value_t sum = sum_of(row, n, stride, top);
    for (i64 i = threadIdx.x; i < n; i += blockDim.x) {
      out[r * n + i] = written<WR_A>(math::share(math::power(read(row[i * stride]), top), sum));
    }
  }
}

extern "C" __global__ void logsumexp(WR_A *out, const WR_A *a, i64 rows, i64 n, i64 stride,
                                     layout<1> l) {
  for (i64 r = blockIdx.x; r < rows; r += gridDim.x) {
    const WR_A *row = a + offset_of(l, (index_t)r);
    value_t top = top_of(row, n, stride);
    if (math::unbounded(top)) {
      int nan = 0;
      for (i64 i = threadIdx.x; i < n; i += blockDim.x) nan |= math::is_nan(read(row[i * stride]));
      nan = __syncthreads_or(nan);
      if (threadIdx.x == 0) out[r] = written<WR_A>(nan ? math::share(math::zero(), math::zero()) : top);
      continue;
    }
    const value_t sum = sum_of(row, n, stride, top);
    if (threadIdx.x == 0) out[r] = written<WR_A>(math::whole(top, sum));
  }
}
