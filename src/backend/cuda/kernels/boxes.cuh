/* Copies of boxes of an array into shared memory, by a part of the GPU that does nothing else (TMA), and
   the barriers by which threads hear of them. One thread asks for a box; whether its data are there says
   a barrier in shared memory, which counts their bytes. Compute capability 9.0 on. */

#ifdef __CUDA_ARCH_FEAT_SM90_ALL

#include "stages.cuh"

/* ---- barriers, beside those of stages.cuh ---- */

/* An arrival, and so many bytes that copies will bring before the phase is over. */
INLINE void barrier_expect(u64 &barrier, int bytes) {
  asm volatile("{.reg .b64 state; mbarrier.arrive.expect_tx.shared::cta.b64 state, [%0], %1;}" ::"r"(
                   shared_address(&barrier)),
               "r"(bytes)
               : "memory");
}
/* Whether it is over: who asks ahead has the answer when it is needed. */
INLINE bool barrier_over(u64 &barrier, u32 parity) {
  u32 over;
  asm volatile("{.reg .pred p; mbarrier.test_wait.parity.shared::cta.b64 p, [%1], %2; selp.u32 %0, 1, 0, p;}"
               : "=r"(over)
               : "r"(shared_address(&barrier)), "r"(parity)
               : "memory");
  return over;
}

/* ---- boxes ---- */

/* What cuTensorMapEncodeTiled makes. */
struct alignas(64) tensor_map {
  u64 words[16];
};

/* The box that begins at these indices, innermost first; zeros where the array ends. */
INLINE void copy_box(u32 to, const tensor_map &map, int i, int j, int k, int l, u64 &there) {
  asm volatile("cp.async.bulk.tensor.4d.shared::cluster.global.mbarrier::complete_tx::bytes "
               "[%0], [%1, {%2, %3, %4, %5}], [%6];" ::"r"(to),
               "l"(&map), "r"(i), "r"(j), "r"(k), "r"(l), "r"(shared_address(&there))
               : "memory");
}

#endif
