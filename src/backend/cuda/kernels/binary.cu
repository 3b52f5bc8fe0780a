/* out = WR_OP(a, b): both WR_A, to WR_B, elementwise. */

#include "types.cuh"
#include "scalar.cuh"

enum { K = pack_of<WR_A, WR_B, 16>::COUNT };

INLINE WR_B apply(WR_A a, WR_A b) {
  return store_as<WR_B>::of(WR_OP(load<WR_A>(a), load<WR_A>(b)));
}

template <bool SCALAR>
INLINE pack<WR_A, K> fetch(const WR_A *p, index_t i) {
  if (!SCALAR) return ((const pack<WR_A, K> *)p)[i];
  pack<WR_A, K> x;
#pragma unroll
  for (int k = 0; k < K; k++) x.e[k] = *p;
  return x;
}

template <bool A_SCALAR, bool B_SCALAR>
INLINE void run_dense(WR_B *out, const WR_A *a, const WR_A *b, index_t n) {
  const index_t packs = n / K;
  for (index_t i = thread_index(); i < packs; i += thread_count()) {
    const pack<WR_A, K> x = fetch<A_SCALAR>(a, i), y = fetch<B_SCALAR>(b, i);
    pack<WR_B, K> z;
#pragma unroll
    for (int k = 0; k < K; k++) z.e[k] = apply(x.e[k], y.e[k]);
    ((pack<WR_B, K> *)out)[i] = z;
  }
  const index_t rest = packs * K + thread_index();
  if (rest < n) out[rest] = apply(a[A_SCALAR ? 0 : rest], b[B_SCALAR ? 0 : rest]);
}

/* All dense, or one element for all, and aligned to what K elements take. */
extern "C" __global__ void dense(WR_B *out, const WR_A *a, const WR_A *b, index_t n) {
  run_dense<false, false>(out, a, b, n);
}
extern "C" __global__ void scalar_left(WR_B *out, const WR_A *a, const WR_A *b, index_t n) {
  run_dense<true, false>(out, a, b, n);
}
extern "C" __global__ void scalar_right(WR_B *out, const WR_A *a, const WR_A *b, index_t n) {
  run_dense<false, true>(out, a, b, n);
}

/* n counts packs, and so does the innermost axis, along which the elements of an input lie side by
   side or are one. */
extern "C" __global__ void packs(WR_B *out, const WR_A *a, const WR_A *b, index_t n,
                                 const __grid_constant__ layout<2> l) {
  const bool one_a = is_same_along(l, 0), one_b = is_same_along(l, 1);
  for (index_t i = thread_index(); i < n; i += thread_count()) {
    i64 at[2];
    neighbours<WR_A, K> x, y;
    pack<WR_B, K> z;
    offsets_of<2>(l, i, at);
    x.read(a + at[0], one_a);
    y.read(b + at[1], one_b);
#pragma unroll
    for (int k = 0; k < K; k++) z.e[k] = apply(x.at(k), y.at(k));
    ((pack<WR_B, K> *)out)[i] = z;
  }
}

extern "C" __global__ void strided(WR_B *out, const WR_A *a, const WR_A *b, index_t n,
                                   const __grid_constant__ layout<2> l) {
  fill(out, n, [&](index_t i) {
    i64 at[2];
    offsets_of<2>(l, i, at);
    return apply(a[at[0]], b[at[1]]);
  });
}
