/* Stages of shared memory between warps that copy and warps that multiply: barriers, on which a phase is over
   when as many as were said have arrived. Compute capability 9.0. */

INLINE void barrier_set(u64 &barrier, int arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(&barrier)), "r"(arrivals)
               : "memory");
}
/* Its memory may be used otherwise. */
INLINE void barrier_end(u64 &barrier) {
  asm volatile("mbarrier.inval.shared::cta.b64 [%0];" ::"r"(shared_address(&barrier)) : "memory");
}
INLINE void barrier_arrive(u64 &barrier) {
  asm volatile("{.reg .b64 state; mbarrier.arrive.shared::cta.b64 state, [%0];}" ::"r"(
                   shared_address(&barrier))
               : "memory");
}
/* Until the phase of this parity is over. */
INLINE void barrier_wait(u64 &barrier, u32 parity) {
  u32 over;
  do {
    asm volatile("{.reg .pred p; mbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2; selp.u32 %0, 1, 0, p;}"
                 : "=r"(over)
                 : "r"(shared_address(&barrier)), "r"(parity)
                 : "memory");
  } while (!over);
}
