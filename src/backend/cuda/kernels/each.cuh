/* The kernels of operations of one input, after WR_B apply(WR_A): for operands that are dense and
   aligned to 16 bytes, or to what K elements take; for rows that are; and for others. */

enum { K = pack_of<WR_A, WR_B, 32>::COUNT };

INLINE void put_pack(WR_B *out, index_t i, const pack<WR_A, K> &x) {
  pack<WR_B, K> y;
#pragma unroll
  for (int k = 0; k < K; k++) y.e[k] = apply(x.e[k]);
  ((pack<WR_B, K> *)out)[i] = y;
}

extern "C" __global__ void dense(WR_B *out, const WR_A *a, index_t n) {
  const index_t packs = n / K;
  for (index_t i = thread_index(); i < packs; i += thread_count()) {
    put_pack(out, i, ((const pack<WR_A, K> *)a)[i]);
  }
  const index_t rest = packs * K + thread_index();
  if (rest < n) out[rest] = apply(a[rest]);
}

/* n counts packs, and so does the innermost axis, along which elements lie side by side. */
extern "C" __global__ void packs(WR_B *out, const WR_A *a, index_t n,
                                 const __grid_constant__ layout<1> l) {
  for (index_t i = thread_index(); i < n; i += thread_count()) {
    put_pack(out, i, *(const pack<WR_A, K> *)(a + offset_of(l, i)));
  }
}

extern "C" __global__ void strided(WR_B *out, const WR_A *a, index_t n,
                                   const __grid_constant__ layout<1> l) {
  fill(out, n, [&](index_t i) { return apply(a[offset_of(l, i)]); });
}
