/* What blocks of one launch tell each other. */

/* True, for all threads of the block, when the blocks of the other splits have been here before:
   what their threads wrote before this can be read after it. Writes are fenced before they are
   counted, and the count is read before the fence behind which reads begin.

   The counter wraps to 0 with the last block, so that whatever runs next on the stream finds it as
   this kernel did, also when the launch is a node of a graph that is launched again. No two kernels
   that run at once share counters: they belong to a stream, whose kernels run one after the other. */
INLINE bool comes_last(u32 *counter, bool &last) { /* last: in shared memory */
  __threadfence();
  __syncthreads();
  if (threadIdx.x == 0 && threadIdx.y == 0) {
    last = atomicInc(counter, gridDim.y - 1) == gridDim.y - 1;
  }
  __syncthreads();
  __threadfence();
  return last;
}
INLINE bool comes_last(u32 *counter) {
  __shared__ bool last;
  return comes_last(counter, last);
}

/* Past the first-level cache, which may hold what stood there before other blocks wrote. */
template <class T>
INLINE T peek(const T *at) {
  return *(const volatile T *)at;
}
INLINE z128 peek(const z128 *at) { return make_z128(peek(&at->re), peek(&at->im)); }
INLINE c64 peek(const c64 *at) { return make_c64(peek(&at->re), peek(&at->im)); }

/* Work that is cut into splits, y of the grid: the block's own part of n elements. */
struct split_range {
  i64 begin, end;
};
INLINE split_range own_split(i64 n, i64 per_split) {
  const i64 begin = (i64)blockIdx.y * per_split;
  return split_range{begin, begin + per_split < n ? begin + per_split : n};
}

/* What `join` makes of the values in each column of a block of 32 by SIDE threads, right in the first
   of them. */
template <int SIDE, class T, class F>
INLINE T join_columns(T mine, F join) {
  __shared__ T side[SIDE][32];
  __syncthreads();
  side[threadIdx.y][threadIdx.x] = mine;
  __syncthreads();
  if (threadIdx.y > 0) return mine;
  for (int k = 1; k < SIDE; k++) mine = join(mine, side[k][threadIdx.x]);
  return mine;
}

/* Blocks of 32 threads by some, x of them a result each: f(the number of the 32, the result, whether
   the thread is the one that writes it). All threads of a block come to f as often. */
template <class F>
INLINE void each_column(index_t results, F f) {
  for (index_t first = blockIdx.x * 32; first < results; first += gridDim.x * 32) {
    const index_t r = first + threadIdx.x;
    f(first / 32, r, threadIdx.y == 0 && r < results);
  }
}
