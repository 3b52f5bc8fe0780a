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

/* ---- long rows ---- */

/* Rows in runs of at most THREADS * AHEAD elements, a run to a block: where a row is, all its threads
   find out once. */
enum { THREADS = 256, AHEAD = 4 };

/* Of more bytes, read and written, than caches hold, what is written leaves alone what they have; of
   fewer it is soon read again. */
enum { STREAMED_BYTES = 100 << 20 };

struct runs_of {
  i64 n;    /* elements of a row */
  i64 runs; /* of a row */
  i64 per;  /* elements of a run */
};

/* f(j) reads element j of a row, of which the elements are written `step` apart. */
template <class E, class F>
INLINE void move_run(E *to, i64 step, i64 begin, i64 end, bool streams, F f) {
  E x[AHEAD];
#pragma unroll
  for (int u = 0; u < AHEAD; u++) {
    const i64 j = begin + threadIdx.x + u * THREADS;
    if (j < end) x[u] = f(j);
  }
#pragma unroll
  for (int u = 0; u < AHEAD; u++) {
    const i64 j = begin + threadIdx.x + u * THREADS;
    if (j >= end) continue;
    if (streams) {
      __stcs(to + j * step, x[u]);
    } else {
      to[j * step] = x[u];
    }
  }
}

/* g(row, begin, end) for each run of `rows` rows. */
template <class G>
INLINE void each_run(index_t rows, const runs_of &r, G g) {
  const index_t runs = (index_t)r.runs;
  for (index_t b = blockIdx.x; b < rows * runs; b += gridDim.x) {
    const index_t row = b / runs;
    const i64 begin = (i64)(b - row * runs) * r.per, end = begin + r.per;
    g(row, begin, end < r.n ? end : r.n);
  }
}

template <class E>
INLINE void paste_runs(E *out, const E *a, index_t rows, const runs_of &r, const layout<2> &l) {
  const i64 in_step = l.strides[0][l.ndim - 1], step = l.strides[1][l.ndim - 1];
  const bool streams = (i64)rows * r.n >= STREAMED_BYTES / (i64)(2 * sizeof(E));
  each_run(rows, r, [&](index_t row, i64 begin, i64 end) {
    i64 at[2];
    row_offsets_of<2>(l, row, at);
    const E *from = a + at[0];
    move_run(out + at[1], step, begin, end, streams, [=](i64 j) {
      const E *p = from + j * in_step;
      return streams ? __ldcs(p) : *p;
    });
  });
}

extern "C" __global__ void __launch_bounds__(THREADS)
    paste_rows(WR_A *out, const WR_A *a, index_t rows, runs_of r,
               const __grid_constant__ layout<2> l) {
  paste_runs(out, a, rows, r, l);
}
extern "C" __global__ void __launch_bounds__(THREADS)
    paste_rows_packs(uint4 *out, const uint4 *a, index_t rows, runs_of r,
                     const __grid_constant__ layout<2> l) {
  paste_runs(out, a, rows, r, l);
}

/* Of an array a part that is taken from elsewhere: `count` positions of each axis from `first` on. */
struct part_of_array {
  i64 ndim;
  i64 shape[WR_DIMS];
  i64 around[WR_DIMS]; /* strides of what lies around the part */
  i64 within[WR_DIMS]; /* and of the part */
  i64 first[WR_DIMS];
  i64 count[WR_DIMS];
};

/* A row of the result: whether the part has any of it, and where both would begin on it. */
struct framed_row {
  bool inside;
  const WR_A *around, *within;
};

INLINE framed_row framed_row_of(const part_of_array &p, const WR_A *a, const WR_A *part, index_t i) {
  framed_row row = {true, a, part};
  for (int d = (int)p.ndim - 2; d >= 0; d--) {
    const index_t extent = (index_t)p.shape[d], next = i / extent;
    const i64 at = (i64)(i - next * extent), of_part = at - p.first[d];
    row.inside = row.inside && (u64)of_part < (u64)p.count[d];
    row.around += at * p.around[d];
    row.within += of_part * p.within[d];
    i = next;
  }
  return row;
}

/* Both the part and what lies around it, so that everything is written once: by packs of the result, of
   which a row has one at least, so that a pack lies on two rows at most. */
extern "C" __global__ void framed(WR_A *out, const WR_A *a, const WR_A *part, index_t n,
                                  const __grid_constant__ part_of_array p) {
  enum { K = 16 / sizeof(WR_A) };
  const int last = (int)p.ndim - 1;
  const i64 around = p.around[last], within = p.within[last], first = p.first[last];
  const u64 count = (u64)p.count[last];
  const index_t extent = (index_t)p.shape[last];
  const auto element = [=](const framed_row &row, i64 j) {
    return row.inside && (u64)(j - first) < count ? row.within[(j - first) * within]
                                                  : row.around[j * around];
  };
  for (index_t i = thread_index(); i < n / K; i += thread_count()) {
    const index_t r = i * K / extent, begin = i * K - r * extent;
    const framed_row row = framed_row_of(p, a, part, r);
    framed_row next = row;
    if (begin + K > extent) next = framed_row_of(p, a, part, r + 1);
    pack<WR_A, K> x;
#pragma unroll
    for (int k = 0; k < K; k++) {
      const i64 j = (i64)begin + k;
      x.e[k] = j < extent ? element(row, j) : element(next, j - extent);
    }
    ((pack<WR_A, K> *)out)[i] = x;
  }
  const index_t rest = n / K * K + thread_index();
  if (rest < n) out[rest] = element(framed_row_of(p, a, part, rest / extent), rest % extent);
}

/* ---- turned ---- */

/* Tiles are TURN by TURN elements, of which a block of LANES by ROWS threads reads all before it keeps
   any. A row of one in shared memory is an odd number of words, or of elements of 8 bytes, so that
   neighbours of a column lie in different banks. */
enum {
  LANES = 32,
  ROWS = 8,
  TURN = sizeof(WR_A) <= 4 ? 64 : 32,
  ODD = TURN + (sizeof(WR_A) < 4 ? 4 / sizeof(WR_A) : 1)
};

/* f(i, j, k) for each place of a tile that the thread has: place k of them is row i, column j. */
template <class F>
INLINE void each_place(F f) {
#pragma unroll
  for (int u = 0; u < TURN / ROWS; u++) {
#pragma unroll
    for (int v = 0; v < TURN / LANES; v++) {
      f((int)threadIdx.y + u * ROWS, (int)threadIdx.x + v * LANES, u * (TURN / LANES) + v);
    }
  }
}

/* Matrices whose columns are dense in memory, written with dense rows by way of tiles in shared memory,
   so that both sides are walked along memory. Elements of a row lie `across` apart where they are
   read, those of a column `down` where they are written; l: where matrices begin, read and written.
   z: the matrix. */
extern "C" __global__ void turn(WR_A *out, const WR_A *a, i64 rows, i64 cols, i64 across, i64 down,
                                i64 matrices, layout<2> l) {
  __shared__ WR_A tile[TURN][ODD];
  const i64 col = (i64)blockIdx.x * TURN;
  for (i64 m = blockIdx.z; m < matrices; m += gridDim.z) {
    i64 at[2];
    offsets_of<2>(l, (index_t)m, at);
    const WR_A *in = a + at[0];
    WR_A *to = out + at[1];
    for (i64 row = (i64)blockIdx.y * TURN; row < rows; row += (i64)gridDim.y * TURN) {
      WR_A x[TURN / ROWS * (TURN / LANES)];
      each_place([&](int i, int j, int k) {
        if (col + i < cols && row + j < rows) x[k] = in[(col + i) * across + row + j];
      });
      each_place([&](int i, int j, int k) { tile[i][j] = x[k]; });
      __syncthreads();
      each_place([&](int i, int j, int) {
        if (row + i < rows && col + j < cols) to[(row + i) * down + col + j] = tile[j][i];
      });
      __syncthreads();
    }
  }
}
