/* Moving elements by their size alone, WR_A: views into dense results and into views of results. */

#include "types.cuh"

extern "C" __global__ void strided(WR_A *out, const WR_A *a, index_t n, layout<1> l) {
  for (index_t i = thread_index(); i < n; i += thread_count()) out[i] = a[offset_of(l, i)];
}

/* Operand 0 is read, operand 1 written. */
extern "C" __global__ void paste(WR_A *out, const WR_A *a, index_t n, layout<2> l) {
  for (index_t i = thread_index(); i < n; i += thread_count()) {
    i64 at[2];
    offsets_of<2>(l, i, at);
    out[at[1]] = a[at[0]];
  }
}

enum { TILE = 32, ROWS = 8 };

/* Matrices whose columns are dense in memory, made row-major by way of tiles in shared memory, so
   that both sides are walked along memory. Blocks of TILE by ROWS threads; z: the matrix. */
extern "C" __global__ void turn(WR_A *out, const WR_A *a, i64 rows, i64 cols, i64 col_stride,
                                i64 matrices, layout<1> l) {
  __shared__ WR_A tile[TILE][TILE + 1];
  for (i64 m = blockIdx.z; m < matrices; m += gridDim.z) {
    const WR_A *in = a + offset_of(l, (index_t)m);
    WR_A *to = out + m * rows * cols;
    for (i64 row = (i64)blockIdx.y * TILE; row < rows; row += (i64)gridDim.y * TILE) {
      const i64 col = (i64)blockIdx.x * TILE;
      for (int k = threadIdx.y; k < TILE; k += ROWS) {
        const i64 c = col + k, r = row + threadIdx.x;
        if (c < cols && r < rows) tile[k][threadIdx.x] = in[c * col_stride + r];
      }
      __syncthreads();
      for (int k = threadIdx.y; k < TILE; k += ROWS) {
        const i64 r = row + k, c = col + threadIdx.x;
        if (r < rows && c < cols) to[r * cols + c] = tile[threadIdx.x][k];
      }
      __syncthreads();
    }
  }
}
