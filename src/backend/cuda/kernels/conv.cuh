/* What tiles of convolutions are made of: the problem, rows of its left operand, tables of taps, and how a
   tile of results is written. */

typedef typename compute<WR_A>::type sum_t;

/* As conv.c fills it. */
struct problem {
  const WR_A *input, *weight;
  void *out;                             /* where there are splits: their sums, dense, of sum_t */
  i64 input_at[4], weight_at[4], out_at[4]; /* strides: batch or output channels, spatial axes */
  i64 rows;                              /* positions of the result */
  i64 row_tiles, column_tiles;
  i32 in[3], kernel[3], result[3];
  i32 stride[3], start[3], dilation[3]; /* start: where element 0 of the kernel lies at position 0 */
  i32 channels, columns;                /* of a group: of the input, of the result */
  i32 groups, splits;
  i32 steps;   /* of DEPTH elements of a row */
  i32 next[4]; /* DEPTH elements further: so many taps along each axis, and channels */
  i32 packs;   /* results can be written 16 bytes at a time */
  i32 taps, next_taps; /* where there is a table: how many, and those that are DEPTH elements further */
};

/* A row of the left operand. */
struct line {
  i64 input, out;
  i32 at[3]; /* of the input under element 0 of the kernel */
  i32 exists;
  u64 taps; /* with a table: a bit for each that covers an element of the input */
};

enum { TAPS = 64 /* at most in a table */ };

/* Row `row` of the left operand, by which its position is found once. */
INLINE line line_of(const problem &p, index_t row) {
  line r;
  r.exists = row < (index_t)p.rows;
  r.input = r.out = 0;
#pragma unroll
  for (int i = 2; i >= 0; i--) {
    const index_t next = row / (index_t)p.result[i];
    const i32 at = (i32)(row - next * (index_t)p.result[i]);
    r.at[i] = at * p.stride[i] + p.start[i];
    r.input += (i64)r.at[i] * p.input_at[i + 1];
    r.out += (i64)at * p.out_at[i + 1];
    row = next;
  }
  r.input += (i64)row * p.input_at[0];
  r.out += (i64)row * p.out_at[0];
  return r;
}

/* The taps that cover an element of the input at this row. */
INLINE u64 taps_of(const problem &p, const line &l) {
  u64 all = l.exists;
  int width = 1;
#pragma unroll
  for (int d = 2; d >= 0; d--) {
    u64 wider = 0;
    for (int k = 0; k < p.kernel[d]; k++) {
      if ((u32)(l.at[d] + k * p.dilation[d]) < (u32)p.in[d]) wider |= all << (k * width);
    }
    all = wider;
    width *= p.kernel[d];
  }
  return all;
}

/* How far in both operands each tap lies from the first: by threads from number `first` on, so many. */
INLINE void table_of(const problem &p, i64 *input, i64 *weight, int first, int threads) {
  for (int tap = (int)threadIdx.x - first; tap < p.taps; tap += threads) {
    i64 in_input = 0, in_weight = 0;
    int rest = tap;
#pragma unroll
    for (int d = 2; d >= 0; d--) {
      const int k = rest % p.kernel[d];
      rest /= p.kernel[d];
      in_input += (i64)(k * p.dilation[d]) * p.input_at[d + 1];
      in_weight += (i64)k * p.weight_at[d + 1];
    }
    input[tap] = in_input;
    weight[tap] = in_weight;
  }
}

/* How rows of a tile of results lie in shared memory. */
template <class E, int COLUMNS>
struct tile_of {
  enum { SIDE = 16 / sizeof(E), PITCH = COLUMNS + SIDE };
};

/* By all threads; `out` is where the tile's first column begins, and rows lie at `at(row)`. */
template <int ROWS, int COLUMNS, int THREADS, class E, class AT>
INLINE void write_tile(const E *tile, E *out, const problem &p, i32 columns, const AT &at) {
  enum { SIDE = tile_of<E, COLUMNS>::SIDE, PITCH = tile_of<E, COLUMNS>::PITCH };
  if (p.packs) {
    for (int i = threadIdx.x; i < ROWS * (COLUMNS / SIDE); i += THREADS) {
      const int row = i / (COLUMNS / SIDE), column = i % (COLUMNS / SIDE) * SIDE;
      const i64 to = at(row);
      if (to < 0 || column >= columns) continue;
      *(chunk16 *)(void *)(out + to + column) = *(const chunk16 *)(const void *)(tile + row * PITCH + column);
    }
  } else {
    for (int i = threadIdx.x; i < ROWS * COLUMNS; i += THREADS) {
      const int row = i / COLUMNS, column = i % COLUMNS;
      const i64 to = at(row);
      if (to >= 0 && column < columns) out[to + column] = tile[row * PITCH + column];
    }
  }
}
