/* What is done with the factors of matrices of WR_A (float or double), and with what routines say of
   them. Matrices lie one behind the other, row by row. */

#include "types.cuh"

enum { THREADS = 256, ROWS_SHARED = 8192 };

INLINE i64 least(i64 x) {
  __shared__ unsigned long long all;
  if (threadIdx.x == 0) all = ~0ull;
  __syncthreads();
  if (x >= 0) atomicMin(&all, (unsigned long long)x);
  __syncthreads();
  const i64 result = (i64)all;
  __syncthreads();
  return result;
}

extern "C" __global__ void zero(i32 *out, i64 n) {
  for (i64 i = thread_index(); i < n; i += thread_count()) out[i] = 0;
}

/* info[k] = which element of matrix k's diagonal, from 1, is the first to be 0; 0: none. */
extern "C" __global__ void diagonal(const WR_A *a, i64 n, i64 count, i32 *info) {
  for (i64 k = blockIdx.x; k < count; k += gridDim.x) {
    const WR_A *matrix = a + k * n * n;
    i64 first = -1;
    for (i64 i = threadIdx.x; i < n && first < 0; i += THREADS) {
      if (matrix[i * (n + 1)] == 0) first = i;
    }
    first = least(first);
    if (threadIdx.x == 0) info[k] = (i32)(first + 1);
  }
}

/* Pivots, of 64 bits where they are `wide`, count from 1: row i was exchanged for row pivot[i], for
   each i below `steps` in turn. Where m is 0 `out` gets them, from 0; else where each of m rows went.
   `room` has m elements for each block where m is large. */
extern "C" __global__ void rows(const void *pivots, i64 wide, i64 steps, i64 m, i64 count, u32 *out,
                                u32 *room) {
  __shared__ u32 few[ROWS_SHARED];
  u32 *row = m <= ROWS_SHARED ? few : room + blockIdx.x * m;
  for (i64 k = blockIdx.x; k < count; k += gridDim.x) {
    const i64 *far = (const i64 *)pivots + k * steps;
    const i32 *near = (const i32 *)pivots + k * steps;
    if (m == 0) {
      for (i64 i = threadIdx.x; i < steps; i += blockDim.x) {
        out[k * steps + i] = (u32)((wide ? far[i] : (i64)near[i]) - 1);
      }
      continue;
    }
    for (i64 i = threadIdx.x; i < m; i += blockDim.x) row[i] = (u32)i;
    __syncthreads();
    /* One after another; the pivots themselves are fetched by all threads. */
    for (i64 begin = 0; begin < steps; begin += THREADS) {
      __shared__ u32 next[THREADS];
      const i64 i = begin + threadIdx.x;
      if (i < steps) next[threadIdx.x] = (u32)((wide ? far[i] : (i64)near[i]) - 1);
      __syncthreads();
      if (threadIdx.x == 0) {
        for (i64 j = begin; j < steps && j < begin + THREADS; j++) {
          const u32 other = next[j - begin], kept = row[j];
          /* A matrix of NaNs may have left any number. */
          if (other >= m) continue;
          row[j] = row[other];
          row[other] = kept;
        }
      }
      __syncthreads();
    }
    for (i64 i = threadIdx.x; i < m; i += blockDim.x) out[k * m + row[i]] = (u32)i;
    __syncthreads();
  }
}

/* l and u of what both were left in: k columns below the diagonal, ones on it; k rows from it on. */
extern "C" __global__ void factors(const WR_A *a, i64 m, i64 n, i64 count, WR_A *l, WR_A *u) {
  const i64 k = m < n ? m : n;
  for (i64 i = thread_index(); i < m * k * count; i += thread_count()) {
    const i64 column = i % k, row = i / k % m, matrix = i / (m * k);
    l[i] = column < row ? a[(matrix * m + row) * n + column] : (WR_A)(column == row);
  }
  for (i64 i = thread_index(); i < k * n * count; i += thread_count()) {
    const i64 column = i % n, row = i / n % k, matrix = i / (k * n);
    u[i] = column < row ? (WR_A)0 : a[(matrix * m + row) * n + column];
  }
}

/* Where matrices begin that are so many bytes apart. */
extern "C" __global__ void pointers(u64 *out, const WR_A *a, i64 elements, i64 count) {
  for (i64 i = thread_index(); i < count; i += thread_count()) out[i] = (u64)(a + i * elements);
}

/* The first matrix of which something is said: a flag, as which 1 is written, or an info. */
extern "C" __global__ void judge(i64 *verdict, const i32 *info, const i32 *flags, i64 count,
                                 i64 fault) {
  i64 first = -1;
  for (i64 i = threadIdx.x; i < count && first < 0; i += THREADS) {
    if (info[i] || (flags && flags[i])) first = i;
  }
  first = least(first);
  if (threadIdx.x != 0) return;
  const bool any = first >= 0;
  verdict[0] = first;
  verdict[1] = count;
  verdict[2] = fault;
  verdict[3] = any && flags ? flags[first] : 0;
  verdict[4] = any ? info[first] : 0;
}
