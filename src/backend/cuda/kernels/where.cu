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

extern "C" __global__ void strided(WR_A *out, const u8 *c, const WR_A *x, const WR_A *y, index_t n,
                                   layout<3> l) {
  fill(out, n, [&](index_t i) {
    i64 at[3];
    offsets_of<3>(l, i, at);
    return c[at[0]] ? x[at[1]] : y[at[2]];
  });
}
