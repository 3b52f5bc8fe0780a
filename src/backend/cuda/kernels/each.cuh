/* The kernels of operations of one input, after WR_B apply(WR_A): for operands that are dense and
   aligned to 16 bytes, or to what K elements take, and for others. */

enum { K = 16 / (sizeof(WR_A) > sizeof(WR_B) ? sizeof(WR_A) : sizeof(WR_B)) };

extern "C" __global__ void dense(WR_B *out, const WR_A *a, index_t n) {
  const index_t packs = n / K;
  for (index_t i = thread_index(); i < packs; i += thread_count()) {
    const pack<WR_A, K> x = ((const pack<WR_A, K> *)a)[i];
    pack<WR_B, K> y;
#pragma unroll
    for (int k = 0; k < K; k++) y.e[k] = apply(x.e[k]);
    ((pack<WR_B, K> *)out)[i] = y;
  }
  const index_t rest = packs * K + thread_index();
  if (rest < n) out[rest] = apply(a[rest]);
}

extern "C" __global__ void strided(WR_B *out, const WR_A *a, index_t n, layout<1> l) {
  fill(out, n, [&](index_t i) { return apply(a[offset_of(l, i)]); });
}
