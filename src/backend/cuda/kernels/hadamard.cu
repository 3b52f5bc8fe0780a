/* The Hadamard transform of rows of WR_A (float or double), in place, in passes: each thread takes
   elements of its own, so a pass reads and writes each once. The last pass has the scale, others 1. */

#include "types.cuh"

enum { MOST = 28 };

struct matrix {
  u32 rows[MOST]; /* bit j: column j is -1 */
};

/* R elements a distance h apart, by the matrix of order R. */
template <int R>
INLINE void pass(WR_A *x, i64 n, i64 h, WR_A scale) {
  for (i64 t = thread_index(); t < n / R; t += thread_count()) {
    WR_A *p = x + t / h * (h * R) + t % h;
    WR_A v[R];
#pragma unroll
    for (int i = 0; i < R; i++) v[i] = p[i * h];
#pragma unroll
    for (int by = 1; by < R; by *= 2) {
#pragma unroll
      for (int i = 0; i < R; i++) {
        if (i & by) continue;
        const WR_A sum = v[i] + v[i + by], difference = v[i] - v[i + by];
        v[i] = sum;
        v[i + by] = difference;
      }
    }
#pragma unroll
    for (int i = 0; i < R; i++) p[i * h] = v[i] * scale;
  }
}

extern "C" __global__ void by_8(WR_A *x, i64 n, i64 h, double scale) { pass<8>(x, n, h, (WR_A)scale); }
extern "C" __global__ void by_2(WR_A *x, i64 n, i64 h, double scale) { pass<2>(x, n, h, (WR_A)scale); }

/* m segments of a row, each of `segment` elements, by a matrix of order m. */
extern "C" __global__ void across(WR_A *x, i64 n, i64 segment, i64 m, matrix a, double scale) {
  for (i64 t = thread_index(); t < n / m; t += thread_count()) {
    WR_A *p = x + t / segment * (segment * m) + t % segment;
    WR_A v[MOST];
    for (int i = 0; i < m; i++) v[i] = p[i * segment];
    for (int i = 0; i < m; i++) {
      WR_A sum = 0;
      for (int k = 0; k < m; k++) sum += (a.rows[i] >> k & 1u) ? -v[k] : v[k];
      p[i * segment] = sum * (WR_A)scale;
    }
  }
}
