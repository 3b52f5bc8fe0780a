/* Elementwise kernels of which some inputs are turned: their neighbours lie along another axis than
   the result's. The result is made tile by tile of that axis and the last, and a turned input is read
   along its own neighbours and goes by way of shared memory, so that all sides are walked along
   memory.

   Layouts are of all inputs and the result; the two axes of tiles are the innermost, rows of tiles
   along the last. A block of LANES by ROWS threads makes a tile of TURN by TURN. */

enum { LANES = 32, ROWS = 8 };

/* The block's tile: where it begins in each operand, how far apart its rows and columns are there, and
   how many of both there are. */
template <int N, int TURN>
struct tile_of {
  const layout<N> &l;
  i64 at[N];
  int rows, cols;
  INLINE tile_of(const layout<N> &all) : l(all) {
    const int last = (int)l.ndim - 1;
    const index_t down = (index_t)((l.shape[last - 1] + TURN - 1) / TURN);
    const index_t across = (index_t)((l.shape[last] + TURN - 1) / TURN);
    const index_t r = blockIdx.x / across, m = r / down;
    const i64 row = (i64)(r - m * down) * TURN, col = (i64)(blockIdx.x - r * across) * TURN;
    row_offsets_of<N, 2>(l, m, at);
#pragma unroll
    for (int k = 0; k < N; k++) at[k] += row * row_step(k) + col * col_step(k);
    rows = (int)(l.shape[last - 1] - row < TURN ? l.shape[last - 1] - row : TURN);
    cols = (int)(l.shape[last] - col < TURN ? l.shape[last] - col : TURN);
  }
  INLINE i64 row_step(int k) const { return l.strides[k][l.ndim - 2]; }
  INLINE i64 col_step(int k) const { return l.strides[k][l.ndim - 1]; }
};

/* f(i, j, k) for each place of a tile that the thread has: place k of them is row i, column j. */
template <int TURN, class F>
INLINE void each_place(F f) {
#pragma unroll
  for (int u = 0; u < TURN / ROWS; u++) {
#pragma unroll
    for (int v = 0; v < TURN / LANES; v++) {
      f((int)threadIdx.y + u * ROWS, (int)threadIdx.x + v * LANES, u * (TURN / LANES) + v);
    }
  }
}

/* The same of so many rows and columns. Nearly all tiles are whole, and those ask about no place. */
template <int TURN, class F>
INLINE void each_place_of(int rows, int cols, F f) {
  if (rows == TURN && cols == TURN) {
    each_place<TURN>(f);
  } else {
    each_place<TURN>([&](int i, int j, int k) {
      if (i < rows && j < cols) f(i, j, k);
    });
  }
}

/* A turned input, by columns. A row here is an odd number of words, or of elements of 8 bytes, so
   that neighbours of a column lie in different banks. */
template <class E, int TURN>
struct shared_tile {
  enum { ODD = TURN + (sizeof(E) < 4 ? 4 / sizeof(E) : 1) };
  E e[TURN][ODD];
  INLINE E at(int i, int j, int) const { return e[j][i]; }
};

/* What a thread has of a tile of an input. */
template <class E, int TURN>
struct held_tile {
  E e[TURN * TURN / (LANES * ROWS)];
  INLINE void read(const E *p, i64 row_step, i64 col_step, int rows, int cols) {
    each_place_of<TURN>(rows, cols,
                        [&](int i, int j, int k) { e[k] = p[i * row_step + j * col_step]; });
  }
  INLINE void put(shared_tile<E, TURN> &s) const {
    each_place<TURN>([&](int i, int j, int k) { s.e[i][j] = e[k]; });
  }
  INLINE E at(int, int, int k) const { return e[k]; }
};
