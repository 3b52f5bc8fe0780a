/* What is done around the routines of cuSOLVER and cuBLAS with matrices of WR_A (float or double)
   that lie one behind the other, row by row. */

#include "types.cuh"

/* Zeros below the diagonal, with `upper`, or above it. */
extern "C" __global__ void keep(WR_A *a, i64 rows, i64 columns, i64 count, i64 upper) {
  for (i64 i = thread_index(); i < rows * columns * count; i += thread_count()) {
    const i64 column = i % columns, row = i / columns % rows;
    if (upper ? column < row : column > row) a[i] = 0;
  }
}

/* flags[k] = 1 where matrix k, of n elements, has a NaN or an infinity; they were 0. */
extern "C" __global__ void survey(const WR_A *a, i64 n, i64 count, i32 *flags) {
  for (i64 i = thread_index(); i < n * count; i += thread_count()) {
    if (!isfinite(a[i])) flags[i / n] = 1;
  }
}

/* Zeros for the matrices that have a flag. */
extern "C" __global__ void clear(WR_A *a, i64 n, i64 count, const i32 *flags) {
  for (i64 i = thread_index(); i < n * count; i += thread_count()) {
    if (flags[i / n]) a[i] = 0;
  }
}

/* The triangle above the diagonal, with `upper`, or below it, written to the other one as well. */
extern "C" __global__ void mirror(WR_A *a, i64 n, i64 count, i64 upper) {
  for (i64 i = thread_index(); i < n * n * count; i += thread_count()) {
    const i64 column = i % n, row = i / n % n;
    if (upper ? column < row : column > row) a[i] = a[i + (column - row) * (n - 1)];
  }
}

extern "C" __global__ void identity(WR_A *a, i64 n, i64 count) {
  for (i64 i = thread_index(); i < n * n * count; i += thread_count()) {
    a[i] = (WR_A)(i % (n * n) % (n + 1) == 0);
  }
}
