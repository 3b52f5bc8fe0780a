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

/* ---- clusters of blocks ---- */

/* The same place in the shared memory of the cluster's block of that number. */
INLINE u32 address_in(u32 shared, u32 block) {
  u32 r;
  asm("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(r) : "r"(shared), "r"(block));
  return r;
}
/* Where a barrier of any block of the cluster lies, as address_in has it. What this thread has read is
   read by then; what it has written other blocks do not see for it, which would take a fence of the whole
   GPU's, longer than a step. */
INLINE void barrier_arrive_at(u32 barrier) {
  asm volatile("mbarrier.arrive.shared::cluster.b64 _, [%0];" ::"r"(barrier) : "memory");
}
/* Barriers that this thread has set are so for other blocks, and for copies. */
INLINE void barriers_are_set() { asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory"); }
/* All threads of all blocks wait for each other. */
INLINE void cluster_meets() {
  asm volatile("barrier.cluster.arrive.release.aligned;" ::: "memory");
  asm volatile("barrier.cluster.wait.acquire.aligned;" ::: "memory");
}

/* The box comes to the same place in each of the BLOCKS of the cluster, whose own barriers hear of it. */
template <int BLOCKS>
INLINE void copy_box_to_all(u32 to, const tensor_map &map, int i, int j, int k, int l, u64 &there) {
  asm volatile("cp.async.bulk.tensor.4d.shared::cluster.global.mbarrier::complete_tx::bytes"
               ".multicast::cluster [%0], [%1, {%2, %3, %4, %5}], [%6], %7;" ::"r"(to),
               "l"(&map), "r"(i), "r"(j), "r"(k), "r"(l), "r"(shared_address(&there)),
               "h"((u16)((1u << BLOCKS) - 1))
               : "memory");
}

#endif
