/* out = condition ? x : y, for elements of one size, WR_A. */

#include "types.cuh"

enum { K = 16 / sizeof(WR_A) };

/* All dense and aligned to what K elements take. */
extern "C" __global__ void dense(WR_A *out, const u8 *c, const WR_A *x, const WR_A *y, index_t n) {
  const index_t packs = n / K;
  for (index_t i = thread_index(); i < packs; i += thread_count()) {
    const pack<u8, K> which = ((const pack<u8, K> *)c)[i];
    const pack<WR_A, K> a = ((const pack<WR_A, K> *)x)[i], b = ((const pack<WR_A, K> *)y)[i];
    pack<WR_A, K> r;
#pragma unroll
    for (int k = 0; k < K; k++) r.e[k] = which.e[k] ? a.e[k] : b.e[k];
    ((pack<WR_A, K> *)out)[i] = r;
  }
  const index_t rest = packs * K + thread_index();
  if (rest < n) out[rest] = c[rest] ? x[rest] : y[rest];
}

/* n counts packs, and so does the innermost axis, along which the elements of an input lie side by
   side or are one. */
extern "C" __global__ void packs(WR_A *out, const u8 *c, const WR_A *x, const WR_A *y, index_t n,
                                 const __grid_constant__ layout<3> l) {
  const bool one_c = is_same_along(l, 0), one_x = is_same_along(l, 1), one_y = is_same_along(l, 2);
  for (index_t i = thread_index(); i < n; i += thread_count()) {
    i64 at[3];
    neighbours<u8, K> which;
    neighbours<WR_A, K> a, b;
    pack<WR_A, K> r;
    offsets_of<3>(l, i, at);
    which.read(c + at[0], one_c);
    a.read(x + at[1], one_x);
    b.read(y + at[2], one_y);
#pragma unroll
    for (int k = 0; k < K; k++) r.e[k] = which.at(k) ? a.at(k) : b.at(k);
    ((pack<WR_A, K> *)out)[i] = r;
  }
}

extern "C" __global__ void strided(WR_A *out, const u8 *c, const WR_A *x, const WR_A *y, index_t n,
                                   const __grid_constant__ layout<3> l) {
  fill(out, n, [&](index_t i) {
    i64 at[3];
    offsets_of<3>(l, i, at);
    return c[at[0]] ? x[at[1]] : y[at[2]];
  });
}
