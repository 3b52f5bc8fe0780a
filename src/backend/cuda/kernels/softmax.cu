/* Softmax and log-sum-exp over the last axis, relative to the row's maximum: in float for float and
   the 16-bit floats, else in double. A row whose maximum is infinite gives NaN in softmax and the
   maximum in log-sum-exp (NaN if the row has one). A block per row, or of the shortest several; short
   rows are kept in registers between the passes. */

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

extern "C" __global__ void __launch_bounds__(1024)
    logsumexp_1(WR_A *out, const WR_A *a, i64 rows, i64 n, const __grid_constant__ layout<1> l) {
  rows_in_registers<1, logsumexp_way>(out, dense_rows{a, l}, rows, n);
}
extern "C" __global__ void __launch_bounds__(1024)
    logsumexp_4(WR_A *out, const WR_A *a, i64 rows, i64 n, const __grid_constant__ layout<1> l) {
  rows_in_registers<4, logsumexp_way>(out, dense_rows{a, l}, rows, n);
}

/* ---- rows of any length and stride ---- */

INLINE value_t top_of(const WR_A *row, i64 n, i64 stride) {
  value_t top = math::lowest();
  for (i64 i = threadIdx.x; i < n; i += blockDim.x) top = math::larger(top, read(row[i * stride]));
  return over_row<false>(top);
}

/* The thread's part of it. */
INLINE value_t sum_of(const WR_A *row, i64 n, i64 stride, value_t top) {
  value_t sum = math::zero();
  for (i64 i = threadIdx.x; i < n; i += blockDim.x) {
    sum = math::add(sum, math::power(read(row[i * stride]), top));
  }
  return sum;
}

/* f(r, its first element, how many) for each row, which some rows of the block have at a time; of a row
   that does not exist there are no elements. */
template <class F>
INLINE void each_row(const WR_A *a, const layout<1> &l, i64 rows, i64 n, F f) {
  for (i64 first = (i64)blockIdx.x * blockDim.y; first < rows; first += (i64)gridDim.x * blockDim.y) {
    const i64 r = first + threadIdx.y;
    f(r, a + offset_of(l, (index_t)r), r < rows ? n : 0);
  }
}

extern "C" __global__ void softmax(WR_A *out, const WR_A *a, i64 rows, i64 n, i64 stride,
                                   layout<1> l) {
  each_row(a, l, rows, n, [&](i64 r, const WR_A *row, i64 count) {
    const value_t top = top_of(row, count, stride);
    const value_t sum = over_row<true>(sum_of(row, count, stride, top));
    for (i64 i = threadIdx.x; i < count; i += blockDim.x) {
      out[r * n + i] = written<WR_A>(math::share(math::power(read(row[i * stride]), top), sum));
    }
  });
}

/* What NaNs add up to, where there are any. */
INLINE value_t nans_of(const WR_A *row, i64 n, i64 stride) {
  value_t sum = math::zero();
  for (i64 i = threadIdx.x; i < n; i += blockDim.x) {
    if (math::is_nan(read(row[i * stride]))) sum = math::share(math::zero(), math::zero());
  }
  return sum;
}

extern "C" __global__ void logsumexp(WR_A *out, const WR_A *a, i64 rows, i64 n, i64 stride,
                                     layout<1> l) {
  each_row(a, l, rows, n, [&](i64 r, const WR_A *row, i64 count) {
    const value_t top = top_of(row, count, stride);
    const bool unbounded = math::unbounded(top);
    const value_t sum = over_row<true>(unbounded ? nans_of(row, count, stride)
                                                 : sum_of(row, count, stride, top));
    if (threadIdx.x == 0 && count > 0) out[r] = logarithm_of(top, sum);
  });
}
