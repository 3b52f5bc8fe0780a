/* What users' kernels see before their own source: the names that MLX's device utilities have, for
   which such kernels are written. Offered to them as "mlx/backend/cuda/device/utils.cuh"; it needs
   the headers of a CUDA toolkit. Invariant: no name here is one of Weir's own kernels'. */

#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda/std/array>
#include <cuda/std/complex>
#include <cuda/std/cstdint>
#include <cuda/std/limits>
#include <cuda/std/tuple>
#include <cuda/std/type_traits>

#define MAX_NDIM 10
#define WARP_SIZE 32

namespace mlx::core::cu {

using cuda::std::int16_t;
using cuda::std::int32_t;
using cuda::std::int64_t;
using cuda::std::int8_t;
using cuda::std::uint16_t;
using cuda::std::uint32_t;
using cuda::std::uint64_t;
using cuda::std::uint8_t;
using cuda::std::uintptr_t;

/* Of an input, in elements; entries behind its last axis are 0. */
using Shape = cuda::std::array<int32_t, MAX_NDIM>;
using Strides = cuda::std::array<int64_t, MAX_NDIM>;

/* ---- complex numbers ---- */

template <typename T>
using complex_t = cuda::std::complex<T>;
using complex64_t = complex_t<float>;
using complex128_t = complex_t<double>;

template <typename T>
inline constexpr bool is_complex_v = false;
template <typename T>
inline constexpr bool is_complex_v<cuda::std::complex<T>> = true;

/* By real, then imaginary part. */
template <typename T>
__host__ __device__ bool operator<(const complex_t<T> &a, const complex_t<T> &b) {
  return a.real() < b.real() || (a.real() == b.real() && a.imag() < b.imag());
}
template <typename T>
__host__ __device__ bool operator>(const complex_t<T> &a, const complex_t<T> &b) {
  return b < a;
}
template <typename T>
__host__ __device__ bool operator<=(const complex_t<T> &a, const complex_t<T> &b) {
  return a < b || a == b;
}
template <typename T>
__host__ __device__ bool operator>=(const complex_t<T> &a, const complex_t<T> &b) {
  return b <= a;
}

/* ---- several elements at a time ---- */

template <typename T, int N>
struct alignas(sizeof(T) * N) AlignedVector {
  T val[N];

  __host__ __device__ T &operator[](int i) { return val[i]; }
  __host__ __device__ T operator[](int i) const { return val[i]; }
};

template <int N, typename T>
__host__ __device__ bool is_aligned(T *x) {
  return reinterpret_cast<uintptr_t>(x) % (N * sizeof(T)) == 0;
}

/* Vector number `offset`, which is aligned. */
template <int N, typename T>
__device__ AlignedVector<T, N> unsafe_load_vector(const T *from, uint32_t offset) {
  return reinterpret_cast<const AlignedVector<T, N> *>(from)[offset];
}

template <int N, typename T>
__device__ void unsafe_store_vector(T *to, uint32_t offset, const AlignedVector<T, N> &v) {
  reinterpret_cast<AlignedVector<T, N> *>(to)[offset] = v;
}

/* The same wherever the elements lie; of `size` elements, those behind them are the fallback; and
   elements that are a stride apart. */
template <int N, typename T>
__device__ AlignedVector<T, N> load_vector(const T *from, uint32_t offset) {
  if (is_aligned<N>(from)) return unsafe_load_vector<N>(from, offset);
  AlignedVector<T, N> v;
#pragma unroll
  for (int i = 0; i < N; i++) v[i] = from[offset * N + i];
  return v;
}

template <int N, typename T, typename SizeT>
__device__ AlignedVector<T, N> load_vector(const T *from, uint32_t offset, SizeT size,
                                           int64_t stride, T fallback) {
  const bool whole = (static_cast<SizeT>(offset) + 1) * N <= size;
  if (stride == 1 && whole && is_aligned<N>(from)) return unsafe_load_vector<N>(from, offset);
  AlignedVector<T, N> v;
#pragma unroll
  for (int i = 0; i < N; i++) {
    const SizeT at = static_cast<SizeT>(offset) * N + i;
    v[i] = at < size ? from[stride * static_cast<int64_t>(at)] : fallback;
  }
  return v;
}

template <int N, typename T, typename SizeT>
__device__ AlignedVector<T, N> load_vector(const T *from, uint32_t offset, SizeT size, T fallback) {
  return load_vector<N, T, SizeT>(from, offset, size, int64_t(1), fallback);
}

template <int N, typename T>
__device__ void store_vector(T *to, uint32_t offset, const AlignedVector<T, N> &v) {
  if (is_aligned<N>(to)) {
    unsafe_store_vector<N>(to, offset, v);
    return;
  }
#pragma unroll
  for (int i = 0; i < N; i++) to[offset * N + i] = v[i];
}

template <int N, typename T, typename SizeT>
__device__ void store_vector(T *to, uint32_t offset, const AlignedVector<T, N> &v, SizeT size,
                             int64_t stride) {
  const bool whole = (static_cast<SizeT>(offset) + 1) * N <= size;
  if (stride == 1 && whole && is_aligned<N>(to)) {
    unsafe_store_vector<N>(to, offset, v);
    return;
  }
#pragma unroll
  for (int i = 0; i < N; i++) {
    const SizeT at = static_cast<SizeT>(offset) * N + i;
    if (at < size) to[stride * static_cast<int64_t>(at)] = v[i];
  }
}

template <int N, typename T, typename SizeT>
__device__ void store_vector(T *to, uint32_t offset, const AlignedVector<T, N> &v, SizeT size) {
  store_vector<N, T, SizeT>(to, offset, v, size, int64_t(1));
}

/* ---- ends of types ---- */

/* Infinite where the type has infinities; finite_max and finite_min never are. */
template <typename T>
struct Limits {
  using limits = cuda::std::numeric_limits<T>;
  static constexpr bool ends = !limits::has_infinity;
  static constexpr __host__ __device__ T finite_max() { return limits::max(); }
  static constexpr __host__ __device__ T finite_min() { return limits::lowest(); }
  static constexpr __host__ __device__ T max() {
    return ends ? limits::max() : limits::infinity();
  }
  static constexpr __host__ __device__ T min() {
    return ends ? limits::lowest() : T(-limits::infinity());
  }
};

template <typename T>
struct Limits<cuda::std::complex<T>> {
  static constexpr __host__ __device__ complex_t<T> max() {
    return {Limits<T>::max(), Limits<T>::max()};
  }
  static constexpr __host__ __device__ complex_t<T> min() {
    return {Limits<T>::min(), Limits<T>::min()};
  }
};

/* ---- from an element's number, row by row, to where it lies ---- */

template <typename IdxT = int64_t>
__host__ __device__ IdxT elem_to_loc(IdxT elem, const int *shape, const int64_t *strides,
                                     int ndim) {
  IdxT at = 0;
  for (int i = ndim - 1; i >= 0 && elem > 0; i--) {
    at += elem % shape[i] * static_cast<IdxT>(strides[i]);
    elem /= shape[i];
  }
  return at;
}

/* The same with the number of axes known to the compiler, for up to three arrays. */
template <int NDIM, typename IdxT = int64_t>
__host__ __device__ IdxT elem_to_loc_nd(IdxT elem, const int *shape, const int64_t *strides) {
  IdxT at = 0;
#pragma unroll
  for (int i = NDIM - 1; i >= 0; i--) {
    at += elem % shape[i] * static_cast<IdxT>(strides[i]);
    elem /= shape[i];
  }
  return at;
}

template <int NDIM, typename IdxT = int64_t>
__host__ __device__ cuda::std::tuple<IdxT, IdxT> elem_to_loc_nd(IdxT elem, const int *shape,
                                                                const int64_t *a,
                                                                const int64_t *b) {
  return {elem_to_loc_nd<NDIM, IdxT>(elem, shape, a), elem_to_loc_nd<NDIM, IdxT>(elem, shape, b)};
}

template <int NDIM, typename IdxT = int64_t>
__host__ __device__ cuda::std::tuple<IdxT, IdxT, IdxT> elem_to_loc_nd(IdxT elem, const int *shape,
                                                                      const int64_t *a,
                                                                      const int64_t *b,
                                                                      const int64_t *c) {
  return {elem_to_loc_nd<NDIM, IdxT>(elem, shape, a), elem_to_loc_nd<NDIM, IdxT>(elem, shape, b),
          elem_to_loc_nd<NDIM, IdxT>(elem, shape, c)};
}

template <typename IdxT = int64_t>
__host__ __device__ cuda::std::tuple<IdxT, IdxT> elem_to_loc(IdxT elem, const int *shape,
                                                             const int64_t *a, const int64_t *b,
                                                             int ndim) {
  return {elem_to_loc<IdxT>(elem, shape, a, ndim), elem_to_loc<IdxT>(elem, shape, b, ndim)};
}

template <typename IdxT = int64_t>
__host__ __device__ cuda::std::tuple<IdxT, IdxT, IdxT> elem_to_loc(IdxT elem, const int *shape,
                                                                   const int64_t *a,
                                                                   const int64_t *b,
                                                                   const int64_t *c, int ndim) {
  return {elem_to_loc<IdxT>(elem, shape, a, ndim), elem_to_loc<IdxT>(elem, shape, b, ndim),
          elem_to_loc<IdxT>(elem, shape, c, ndim)};
}

/* Callers pass Shape and Strides themselves, as well as their data(). */
template <typename IdxT = int64_t>
__host__ __device__ IdxT elem_to_loc(IdxT elem, const Shape &shape, const Strides &strides,
                                     int ndim) {
  return elem_to_loc<IdxT>(elem, shape.data(), strides.data(), ndim);
}

} // namespace mlx::core::cu
