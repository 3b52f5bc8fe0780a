/* What a product of float32 needs to be three products of TF32 (matmul_split.c): which rows of a
   and columns of b can be split, the two parts of each element, and the products of what cannot be
   split.

   TF32 is float32 with 10 bits behind the point in place of 23. The high part of x is x rounded to
   that; the low part is what is left, which is exact in float32, rounded the same way, so that it
   differs from x - high by no more than 2^-23 of x. */

#include "types.cuh"

/* An operand as it lies: `rows` of `cols` elements, and several of such matrices. */
struct matrix {
  i64 rows, cols, ld, batch_stride, batches;
};

/* |x| as a number that grows with it; a NaN is above infinity. */
INLINE u32 magnitude(float x) { return __float_as_uint(x) & 0x7fffffffu; }

/* The largest magnitude of a row of a, or a column of b, says whether it can be split. Above 2^40,
   a NaN included, parts of products could be infinite, of opposite signs, where the product is not.
   Below 2^-90 the low parts lose bits to the smallest number of TF32, 2^-136, that matter beside
   the largest of the row. */
INLINE bool splits(u32 largest) {
  return largest == 0 || (largest >= (127u - 90u) << 23 && largest <= (127u + 40u) << 23);
}

/* To nearest; halves go away from zero. */
INLINE float to_tf32(float x) { return __uint_as_float((__float_as_uint(x) + 0x1000u) & ~0x1fffu); }

/* The largest magnitude of each row; a block for each. */
extern "C" __global__ void survey_rows(u32 *largest, const float *a, matrix m) {
  __shared__ u32 of_warp[32];
  const i64 lines = m.rows * m.batches;
  for (i64 line = blockIdx.x; line < lines; line += gridDim.x) {
    const float *row = a + line / m.rows * m.batch_stride + line % m.rows * m.ld;
    u32 most = 0;
    for (i64 i = threadIdx.x; i < m.cols; i += blockDim.x) most = max(most, magnitude(row[i]));
    for (int step = 16; step > 0; step /= 2) most = max(most, __shfl_xor_sync(~0u, most, step));
    __syncthreads(); /* the line before has been read */
    if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = most;
    __syncthreads();
    if (threadIdx.x > 0) continue;
    for (int i = 1; i < (int)blockDim.x / 32; i++) most = max(most, of_warp[i]);
    largest[line] = most;
  }
}

enum { TALL = 64 };

/* Of each column: a thread for TALL elements, so that a warp reads along rows. `largest` is 0. */
extern "C" __global__ void survey_columns(u32 *largest, const float *a, matrix m) {
  const i64 pieces = (m.rows + TALL - 1) / TALL;
  for (i64 piece = blockIdx.y; piece < pieces * m.batches; piece += gridDim.y) {
    const i64 batch = piece / pieces, first = piece % pieces * TALL;
    const i64 end = min(first + TALL, m.rows);
    for (i64 c = (i64)blockIdx.x * blockDim.x + threadIdx.x; c < m.cols;
         c += (i64)gridDim.x * blockDim.x) {
      u32 most = 0;
      for (i64 r = first; r < end; r++) {
        most = max(most, magnitude(a[batch * m.batch_stride + r * m.ld + c]));
      }
      atomicMax(&largest[batch * m.cols + c], most);
    }
  }
}

/* Both parts of each element, in matrices whose rows are `pitch` apart; 0 where a row (by_row) or
   column is not split, and then *any is set. */
extern "C" __global__ void split(float *high, float *low, u32 *any, const float *a,
                                 const u32 *largest, matrix m, i64 pitch, i64 by_row) {
  for (i64 line = blockIdx.y; line < m.rows * m.batches; line += gridDim.y) {
    const i64 batch = line / m.rows;
    const float *row = a + batch * m.batch_stride + line % m.rows * m.ld;
    for (i64 c = (i64)blockIdx.x * blockDim.x + threadIdx.x; c < m.cols;
         c += (i64)gridDim.x * blockDim.x) {
      const bool fits = splits(largest[by_row ? line : batch * m.cols + c]);
      const float x = fits ? row[c] : 0.0f;
      const float part = to_tf32(x);
      high[line * pitch + c] = part;
      low[line * pitch + c] = to_tf32(x - part);
      if (!fits) *any = 1;
    }
  }
}

/* The product that was asked for; steps in elements. */
struct product {
  i64 m, n, k, batches;
  i64 a_row, a_column, a_batch, b_row, b_column, b_batch;
  i64 a_lines, b_lines; /* of `largest` from one matrix to the next */
};

/* Adds alpha a b to the results whose row or column was not split, which have nothing of it yet. */
extern "C" __global__ void mend(float *out, const u32 *any, const float *a, const float *b,
                                const u32 *largest_a, const u32 *largest_b, product p,
                                float alpha) {
  if (*any == 0) return;
  const i64 results = p.m * p.n * p.batches;
  for (i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x; i < results;
       i += (i64)gridDim.x * blockDim.x) {
    const i64 column = i % p.n, row = i / p.n % p.m, batch = i / p.n / p.m;
    if (splits(largest_a[batch * p.a_lines + row]) &&
        splits(largest_b[batch * p.b_lines + column])) {
      continue;
    }
    const float *x = a + batch * p.a_batch + row * p.a_row;
    const float *y = b + batch * p.b_batch + column * p.b_column;
    float sum = 0.0f;
    for (i64 k = 0; k < p.k; k++) sum = fmaf(x[k * p.a_column], y[k * p.b_row], sum);
    out[i] += alpha * sum;
  }
}
