/* Moving elements by their size alone, WR_A: views into dense results and into views of results. */

#include "types.cuh"

template <class E>
INLINE void copy_strided(E *out, const E *a, index_t n, const layout<1> &l) {
  fill(out, n, [&](index_t i) { return a[offset_of(l, i)]; });
}

template <class E>
INLINE void copy_pasted(E *out, const E *a, index_t n, const layout<2> &l) {
  struct moved {
    E e;
    i64 to;
  };
  const auto read = [&](index_t i) {
    i64 at[2];
    offsets_of<2>(l, i, at);
    return moved{a[at[0]], at[1]};
  };
  move_all<4>(n, read, [=](index_t, const moved &m) { out[m.to] = m.e; });
}

extern "C" __global__ void strided(WR_A *out, const WR_A *a, index_t n, layout<1> l) {
  copy_strided(out, a, n, l);
}

/* Operand 0 is read, operand 1 written. */
extern "C" __global__ void paste(WR_A *out, const WR_A *a, index_t n, layout<2> l) {
  copy_pasted(out, a, n, l);
}

/* The same of packs of elements. */
extern "C" __global__ void strided_packs(uint4 *out, const uint4 *a, index_t n, layout<1> l) {
  copy_strided(out, a, n, l);
}
extern "C" __global__ void paste_packs(uint4 *out, const uint4 *a, index_t n, layout<2> l) {
  copy_pasted(out, a, n, l);
}

enum { TILE = 32, ROWS = 8 };

/* Matrices whose columns are dense in memory, written with dense rows by way of tiles in shared memory,
   so that both sides are walked along memory. Elements of a row lie `across` apart where they are
   read, those of a column `down` where they are written; l: where matrices begin, read and written.
   Blocks of TILE by ROWS threads; z: the matrix. */
extern "C" __global__ void turn(WR_A *out, const WR_A *a, i64 rows, i64 cols, i64 across, i64 down,
                                i64 matrices, layout<2> l) {
  __shared__ WR_A tile[TILE][TILE + 1];
  for (i64 m = blockIdx.z; m < matrices; m += gridDim.z) {
    i64 at[2];
    offsets_of<2>(l, (index_t)m, at);
    const WR_A *in = a + at[0];
    WR_A *to = out + at[1];
    for (i64 row = (i64)blockIdx.y * TILE; row < rows; row += (i64)gridDim.y * TILE) {
      const i64 col = (i64)blockIdx.x * TILE;
      for (int k = threadIdx.y; k < TILE; k += ROWS) {
        const i64 c = col + k, r = row + threadIdx.x;
        if (c < cols && r < rows) tile[k][threadIdx.x] = in[c * across + r];
      }
      __syncthreads();
      for (int k = threadIdx.y; k < TILE; k += ROWS) {
        const i64 r = row + k, c = col + threadIdx.x;
        if (r < rows && c < cols) to[r * down + c] = tile[threadIdx.x][k];
      }
      __syncthreads();
    }
  }
}
