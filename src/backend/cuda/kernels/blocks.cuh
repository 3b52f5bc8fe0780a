/* What blocks of one launch tell each other. */

/* True, for all threads of the block, when the blocks of the other splits have been here before:
   what their threads wrote before this can be read after it. Writes are fenced before they are
   counted, and the count is read before the fence behind which reads begin.

   The counter wraps to 0 with the last block, so that whatever runs next on the stream finds it as
   this kernel did, also when the launch is a node of a graph that is launched again. No two kernels
   that run at once share counters: they belong to a stream, whose kernels run one after the other. */
INLINE bool comes_last(u32 *counter) {
  __shared__ bool last;
  __threadfence();
  __syncthreads();
  if (threadIdx.x == 0 && threadIdx.y == 0) {
    last = atomicInc(counter, gridDim.y - 1) == gridDim.y - 1;
  }
  __syncthreads();
  __threadfence();
  return last;
}

/* Past the first-level cache, which may hold what stood there before other blocks wrote. */
template <class T>
INLINE T peek(const T *at) {
  return *(const volatile T *)at;
}
INLINE z128 peek(const z128 *at) { return make_z128(peek(&at->re), peek(&at->im)); }
INLINE c64 peek(const c64 *at) { return make_c64(peek(&at->re), peek(&at->im)); }
