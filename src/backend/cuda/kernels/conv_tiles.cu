/* Convolutions as products of matrices that nobody writes down: row i of the left one is what the kernel
   covers at position i of the result, the right one is the weight. A block makes ROWS x COLUMNS of the
   result of one group of channels. Both operands come to shared memory DEPTH elements of their rows at a
   time, copied several stages ahead of the products; a thread copies always the same 16 bytes of those,
   so that where its taps lie is found once for all of its rows. Where there are few tiles the depth is
   cut in splits, whose sums `join` adds.

   What a step's copies have to find out is in the way of the products, since few warps do both. So of a
   kernel of few taps a table says how far each lies from the first, and of each row a word which of them
   cover an element of the input: a copy is a sum and a bit.

   Inputs are not dilated here (ops/conv.c). WR_VARIANT: the shape of tiles, 0 to 3; 4 more where pieces
   of 16 bytes do not lie within one tap, or not on 16 bytes, and elements are copied one by one; 8 more
   to multiply float32 as TF32; 16 more to copy by a table; 32 more for large tiles of which each
   multiprocessor has at most one. 16-bit floats and TF32 use tensor cores where there are such; all else is
   multiplied in its own type. */

#include "types.cuh"
#include "matrices.cuh"
#include "conv.cuh"

enum { LARGE, NARROW, SMALL, SLIM }; /* the first only where four warps multiply */
enum {
  SHAPE = WR_VARIANT % 4,
  SINGLE = WR_VARIANT / 4 % 2,
  TF32 = WR_VARIANT / 8 % 2,
  TABLE = WR_VARIANT / 16 % 2,
  ALONE = WR_VARIANT / 32 % 2,
  ITEM = sizeof(WR_A),
  PACK = 16 / ITEM,
  DEPTH = 128 / ITEM,
  ROWS = SHAPE == SMALL ? 64 : 128,
  COLUMNS = SHAPE == LARGE ? 128 : SHAPE == SLIM ? 32 : 64,
#if __CUDA_ARCH__ >= 800
  STAGES = SHAPE == NARROW || (SHAPE == LARGE && !ALONE) ? 3 : 4
#else
  STAGES = SHAPE == SMALL ? 3 : 2
#endif
};

struct memory {
  u8 a[STAGES][ROWS * 128];
  u8 b[STAGES][COLUMNS * 128];
  line lines[ROWS];
  i64 tap_in_input[TAPS], tap_in_weight[TAPS]; /* from the first, where there is a table */
};

/* ---- ways to multiply: sums of a tile of both operands ---- */

/* BEHIND: how many steps may still be under way when the next one begins. */

/* Sums by single products: thread t has rows t / 16 + 16 i and columns t % 16 + 16 j. */
template <class E>
struct by_products {
  enum { THREADS = 256, BLOCKS = 2, BEHIND = 0, R = ROWS / 16, C = COLUMNS / 16 };
  typedef pack<E, PACK> piece;
  sum_t sums[R][C];
  static INLINE float sum_of(float a, float b, float c) { return fmaf(a, b, c); }
  static INLINE double sum_of(double a, double b, double c) { return fma(a, b, c); }
  static INLINE void see_shared() {}
  INLINE void finish() {}
  INLINE void clear() {
#pragma unroll
    for (int i = 0; i < R * C; i++) sums[i / C][i % C] = 0;
  }
  INLINE void add(const u8 *a, const u8 *b) {
    const int row = threadIdx.x / 16, column = threadIdx.x % 16;
#pragma unroll 1
    for (int k = 0; k < 8; k++) {
      piece x[R];
#pragma unroll
      for (int i = 0; i < R; i++) x[i] = *(const piece *)(a + chunk_of(row + 16 * i, k));
#pragma unroll
      for (int j = 0; j < C; j++) {
        const piece y = *(const piece *)(b + chunk_of(column + 16 * j, k));
#pragma unroll
        for (int e = 0; e < PACK; e++) {
#pragma unroll
          for (int i = 0; i < R; i++) {
            sums[i][j] = sum_of(load<E>(x[i].e[e]), load<E>(y.e[e]), sums[i][j]);
          }
        }
      }
    }
  }
  template <class TO>
  INLINE void put(const TO &to) const {
#pragma unroll
    for (int i = 0; i < R; i++) {
#pragma unroll
      for (int j = 0; j < C; j++) {
        to((int)threadIdx.x / 16 + 16 * i, (int)threadIdx.x % 16 + 16 * j, sums[i][j]);
      }
    }
  }
};

#if __CUDA_ARCH__ >= 800
/* Sums by the tensor cores of single warps, which lie ACROSS beside each other; of 16 rows and 8 columns a
   lane has two neighbours of row lane / 4 and of that + 8. */
template <class E>
struct by_warps {
  enum {
    THREADS = SHAPE == SMALL ? 128 : 256,
    BLOCKS = 2,
    BEHIND = 0,
    ACROSS = 2,
    R = ROWS / (THREADS / 32 / ACROSS), /* of a warp */
    C = COLUMNS / ACROSS
  };
  float sums[R / 16][C / 8][4];
  static INLINE void see_shared() {}
  INLINE void finish() {}
  static INLINE int first_row() { return (int)threadIdx.x / 32 / ACROSS * R; }
  static INLINE int first_column() { return (int)threadIdx.x / 32 % ACROSS * C; }
  INLINE void clear() {
#pragma unroll
    for (int i = 0; i < R * C / 32; i++) sums[i / (C / 2)][i / 4 % (C / 8)][i % 4] = 0;
  }
  static INLINE void round(u32 *x) {
#pragma unroll
    for (int i = 0; i < 4; i++) x[i] = ITEM == 4 ? to_tf32(x[i]) : x[i];
  }
  INLINE void add(const u8 *a, const u8 *b) {
    const int lane = threadIdx.x % 32, matrix = lane / 8;
#pragma unroll
    for (int k = 0; k < 8; k += 2) { /* 32 bytes of each row */
      u32 y[C / 16][4];
#pragma unroll
      for (int j = 0; j < C / 16; j++) {
        const int column = first_column() + 16 * j + matrix / 2 * 8 + lane % 8;
        load_matrices(y[j], b + chunk_of(column, k + matrix % 2));
        round(y[j]);
      }
#pragma unroll
      for (int i = 0; i < R / 16; i++) {
        u32 x[4];
        const int row = first_row() + 16 * i + matrix % 2 * 8 + lane % 8;
        load_matrices(x, a + chunk_of(row, k + matrix / 2));
        round(x);
#pragma unroll
        for (int j = 0; j < C / 8; j++) multiply_pair(E(), sums[i][j], x, y[j / 2] + j % 2 * 2);
      }
    }
  }
  template <class TO>
  INLINE void put(const TO &to) const {
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int i = 0; i < R / 16; i++) {
#pragma unroll
      for (int j = 0; j < C / 8; j++) {
#pragma unroll
        for (int n = 0; n < 4; n++) {
          to(first_row() + 16 * i + lane / 4 + n / 2 * 8,
             first_column() + 8 * j + lane % 4 * 2 + n % 2, sums[i][j][n]);
        }
      }
    }
  }
};
#endif

#ifdef __CUDA_ARCH_FEAT_SM90_ALL
/* Sums by the tensor cores of four warps at a time, which have 64 rows and all columns. */
template <class E>
struct by_groups {
  enum {
    GROUP = 128,
    THREADS = ROWS / 64 * GROUP,
    BLOCKS = ALONE ? 1 : 2,
    BEHIND = SHAPE == NARROW ? 0 : 1
  };
  float sums[COLUMNS / 2];
  static INLINE void see_shared() { products_see_shared(); }
  INLINE void clear() {
#pragma unroll
    for (int i = 0; i < COLUMNS / 2; i++) sums[i] = 0;
  }
  INLINE void add(const u8 *a, const u8 *b) {
    const u32 x = shared_address(a) + threadIdx.x / GROUP * 64 * 128, y = shared_address(b);
    products_begin();
#pragma unroll
    for (int k = 0; k < 4; k++) {
      multiply_rows(E(), sums, operand(x + 32 * k, 16, 1024), operand(y + 32 * k, 16, 1024), 1);
    }
    products_commit();
    products_wait<BEHIND>();
  }
  INLINE void finish() {
    products_wait<0>();
    hold<COLUMNS / 2>(sums);
  }
  template <class TO>
  INLINE void put(const TO &to) const {
    const int row = (int)threadIdx.x / 32 * 16 + (int)threadIdx.x % 32 / 4;
    const int column = (int)threadIdx.x % 4 * 2;
#pragma unroll
    for (int i = 0; i < COLUMNS / 2; i++) to(row + i % 4 / 2 * 8, column + i / 4 * 8 + i % 2, sums[i]);
  }
};
#endif

/* TENSOR: on those cores, where the GPU has them. */
template <class E, bool TENSOR>
struct way {
  typedef by_products<E> type;
};
#if __CUDA_ARCH__ >= 800
template <class E>
struct way<E, true> {
  typedef by_warps<E> type;
};
#endif
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
template <>
struct way<f16, true> {
  typedef by_groups<f16> type;
};
template <>
struct way<bf16, true> {
  typedef by_groups<bf16> type;
};
#endif

typedef way<WR_A, TF32 || ITEM == 2>::type sums_t;

enum { THREADS = sums_t::THREADS, AHEAD = STAGES - 1 - sums_t::BEHIND };

/* ---- copies ---- */

/* Where an element of a row lies: tap and channel. */
struct place {
  i32 tap[3], channel;
  INLINE void carry(const problem &p) {
#pragma unroll
    for (int i = 2; i > 0; i--) {
      if (tap[i] >= p.kernel[i]) {
        tap[i] -= p.kernel[i];
        tap[i - 1]++;
      }
    }
  }
  /* DEPTH elements further. */
  INLINE void step(const problem &p) {
    channel += p.next[3];
    if (channel >= p.channels) {
      channel -= p.channels;
      tap[2]++;
    }
#pragma unroll
    for (int i = 0; i < 3; i++) tap[i] += p.next[i];
    carry(p);
  }
  INLINE void one(const problem &p) {
    if (++channel < p.channels) return;
    channel = 0;
    tap[2]++;
    carry(p);
  }
  INLINE bool exists(const problem &p) const { return tap[0] < p.kernel[0]; }
  INLINE i64 in_input(const problem &p) const {
    i64 at = channel;
#pragma unroll
    for (int i = 0; i < 3; i++) at += (i64)(tap[i] * p.dilation[i]) * p.input_at[i + 1];
    return at;
  }
  INLINE i64 in_weight(const problem &p) const {
    i64 at = channel;
#pragma unroll
    for (int i = 0; i < 3; i++) at += (i64)tap[i] * p.weight_at[i + 1];
    return at;
  }
};

INLINE place place_of(const problem &p, i64 k) {
  place r;
  i64 tap = k / p.channels;
  r.channel = (i32)(k % p.channels);
#pragma unroll
  for (int i = 2; i > 0; i--) {
    r.tap[i] = p.kernel[i] ? (i32)(tap % p.kernel[i]) : 0;
    tap = p.kernel[i] ? tap / p.kernel[i] : 0;
  }
  r.tap[0] = (i32)tap;
  return r;
}

/* What a thread copies: of each row its 16 bytes number `chunk`, of rows that are STEP apart. */
struct copier {
  enum { STEP = THREADS / 8, OF_A = ROWS / STEP, OF_B = COLUMNS / STEP };
  const WR_A *input[OF_A], *weight; /* the group's; of each row element 0 */
  i32 at[OF_A][3];
  i32 chunk, row, columns; /* columns: that there are from `row` on */
  place from;

  INLINE void begin(const problem &p, const memory &m, i64 group, i64 column, i64 step) {
    chunk = threadIdx.x % 8;
    row = threadIdx.x / 8;
    columns = (i32)(p.columns - column) - row;
    weight = p.weight + (group * p.columns + column + row) * p.weight_at[0];
#pragma unroll
    for (int i = 0; i < OF_A; i++) {
      const line &l = m.lines[row + STEP * i];
      input[i] = p.input + group * p.channels + l.input;
#pragma unroll
      for (int d = 0; d < 3; d++) at[i][d] = l.at[d];
      if (!l.exists) at[i][0] = -(1 << 30) - (1 << 29); /* further out than any tap reaches in */
    }
    from = place_of(p, step * DEPTH + chunk * PACK);
  }

  /* Whether there is an element of the input, under that tap at that row. */
  INLINE bool covers(const problem &p, int i, const place &k) const {
    bool r = k.exists(p);
#pragma unroll
    for (int d = 0; d < 3; d++) {
      r = r && (u32)(at[i][d] + k.tap[d] * p.dilation[d]) < (u32)p.in[d];
    }
    return r;
  }

  INLINE void copy_packs(const problem &p, u8 *a, u8 *b) const {
    const i64 in_input = from.in_input(p), in_weight = from.in_weight(p);
#pragma unroll
    for (int i = 0; i < OF_A; i++) {
      const bool exists = covers(p, i, from);
      copy_16(a + chunk_of(row + STEP * i, chunk), exists ? input[i] + in_input : p.weight, exists);
    }
#pragma unroll
    for (int j = 0; j < OF_B; j++) {
      const bool exists = from.exists(p) && STEP * j < columns;
      const WR_A *at = weight + (i64)(STEP * j) * p.weight_at[0] + in_weight;
      copy_16(b + chunk_of(row + STEP * j, chunk), exists ? at : p.weight, exists);
    }
  }

  INLINE void copy_elements(const problem &p, u8 *a, u8 *b) const {
    pack<WR_A, PACK> x[OF_A], y[OF_B];
    place k = from;
#pragma unroll
    for (int e = 0; e < PACK; e++) {
      const i64 in_input = k.in_input(p), in_weight = k.in_weight(p);
#pragma unroll
      for (int i = 0; i < OF_A; i++) x[i].e[e] = covers(p, i, k) ? input[i][in_input] : WR_A();
#pragma unroll
      for (int j = 0; j < OF_B; j++) {
        const bool exists = k.exists(p) && STEP * j < columns;
        y[j].e[e] = exists ? weight[(i64)(STEP * j) * p.weight_at[0] + in_weight] : WR_A();
      }
      k.one(p);
    }
#pragma unroll
    for (int i = 0; i < OF_A; i++) {
      *(pack<WR_A, PACK> *)(a + chunk_of(row + STEP * i, chunk)) = x[i];
    }
#pragma unroll
    for (int j = 0; j < OF_B; j++) {
      *(pack<WR_A, PACK> *)(b + chunk_of(row + STEP * j, chunk)) = y[j];
    }
  }

  /* The next DEPTH elements. */
  INLINE void copy(const problem &p, u8 *a, u8 *b) {
    if (SINGLE) {
      copy_elements(p, a, b);
    } else {
      copy_packs(p, a, b);
    }
    from.step(p);
  }
};

/* ---- copies by a table ---- */

/* As `copier`. What the next step needs of the table is read in the step before. */
struct table_copier {
  enum { STEP = copier::STEP, OF_A = copier::OF_A, OF_B = copier::OF_B };
  const WR_A *input[OF_A], *weight[OF_B]; /* of each row element 0 */
  u64 taps[OF_A];
  const memory *m;
  i64 in_input, in_weight; /* of tap and channel */
  i32 tap, channel, chunk, row, columns;

  INLINE void look(const problem &p) {
    const int at = tap < p.taps ? tap : 0;
    in_input = m->tap_in_input[at] + channel;
    in_weight = m->tap_in_weight[at] + channel;
  }

  INLINE void begin(const problem &p, const memory &all, i64 group, i64 column, i32 step) {
    m = &all;
    chunk = threadIdx.x % 8;
    row = threadIdx.x / 8;
    columns = (i32)(p.columns - column) - row;
#pragma unroll
    for (int i = 0; i < OF_A; i++) {
      const line &l = all.lines[row + STEP * i];
      input[i] = p.input + group * p.channels + l.input;
      taps[i] = l.taps;
    }
#pragma unroll
    for (int j = 0; j < OF_B; j++) {
      weight[j] = p.weight + (group * p.columns + column + row + STEP * j) * p.weight_at[0];
    }
    const i32 k = step * DEPTH + chunk * PACK;
    tap = k / p.channels;
    channel = k % p.channels;
    look(p);
  }

  INLINE void copy(const problem &p, u8 *a, u8 *b) {
    const bool any = tap < p.taps;
#pragma unroll
    for (int i = 0; i < OF_A; i++) {
      copy_16(a + chunk_of(row, chunk) + STEP * i * 128, input[i] + in_input,
              any && (taps[i] >> tap & 1));
    }
#pragma unroll
    for (int j = 0; j < OF_B; j++) {
      copy_16(b + chunk_of(row, chunk) + STEP * j * 128, weight[j] + in_weight,
              any && STEP * j < columns);
    }
    tap += p.next_taps;
    channel += p.next[3];
    if (channel >= p.channels) {
      channel -= p.channels;
      tap++;
    }
    look(p);
  }
};

template <bool BY_TABLE>
struct way_to_copy {
  typedef copier type;
};
template <>
struct way_to_copy<true> {
  typedef table_copier type;
};

/* ---- a tile ---- */

/* By way of shared memory, where the operands are no longer needed, so that neighbours are written
   together. `out` is where the tile's first column begins; rows lie at `at(row)`. */
template <class E, class AT>
INLINE void put(const sums_t &sums, u8 *room, E *out, const problem &p, i32 columns, const AT &at) {
  enum { PITCH = tile_of<E, COLUMNS>::PITCH };
  static_assert(ROWS * PITCH * sizeof(E) <= sizeof(memory::a) + sizeof(memory::b), "has room");
  E *tile = (E *)(void *)room;
  __syncthreads();
  sums.put([&](int row, int column, sum_t sum) { tile[row * PITCH + column] = store_as<E>::of(sum); });
  __syncthreads();
  write_tile<ROWS, COLUMNS, THREADS>(tile, out, p, columns, at);
}

extern "C" __global__ void __launch_bounds__(THREADS, sums_t::BLOCKS) tiles(problem p) {
  extern __shared__ u8 bytes[];
  memory &m = *(memory *)(((u64)bytes + 1023) / 1024 * 1024);
  u32 rest = blockIdx.x;
  const i64 column = (i64)(rest % (u32)p.column_tiles) * COLUMNS;
  rest /= (u32)p.column_tiles;
  const i64 row = (i64)(rest % (u32)p.row_tiles) * ROWS;
  rest /= (u32)p.row_tiles;
  const i64 group = rest % (u32)p.groups, split = rest / (u32)p.groups;
  const i32 each = (p.steps + p.splits - 1) / p.splits, first = (i32)split * each;
  const i32 steps = p.steps - first < each ? p.steps - first : each;
  for (int i = threadIdx.x; i < ROWS; i += THREADS) {
    line l = line_of(p, (index_t)(row + i));
    l.taps = TABLE ? taps_of(p, l) : 0;
    m.lines[i] = l;
  }
  if (TABLE) table_of(p, m.tap_in_input, m.tap_in_weight, 0, THREADS);
  __syncthreads();

  sums_t sums;
  way_to_copy<TABLE>::type c;
  c.begin(p, m, group, column, first);
  sums.clear();
#pragma unroll
  for (int i = 0; i < AHEAD; i++) {
    if (i < steps) c.copy(p, m.a[i], m.b[i]);
    copies_commit();
  }
  int now = 0, next = AHEAD;
  for (int i = 0; i < steps; i++) {
    copies_wait<AHEAD - 1>();
    sums_t::see_shared();
    __syncthreads(); /* this stage is there, and `next` has been read */
    if (i + AHEAD < steps) c.copy(p, m.a[next], m.b[next]);
    copies_commit();
    sums.add(m.a[now], m.b[now]);
    now = now + 1 < STAGES ? now + 1 : 0;
    next = next + 1 < STAGES ? next + 1 : 0;
  }
  sums.finish();
  copies_wait<0>();
  const i32 columns = (i32)(p.columns - column);
  const i64 channel = group * p.columns + column;
  if (p.splits > 1) {
    const i64 pitch = (i64)p.groups * p.columns, from = split * p.rows + row;
    put<sum_t>(sums, m.a[0], (sum_t *)p.out + from * pitch + channel, p, columns,
               [&](int r) { return row + r < p.rows ? r * pitch : -1; });
  } else {
    put<WR_A>(sums, m.a[0], (WR_A *)p.out + channel, p, columns,
              [&](int r) { return m.lines[r].exists ? m.lines[r].out : -1; });
  }
}

/* n results, each the total of so many sums that lie n apart. */
extern "C" __global__ void join(WR_A *out, const sum_t *sums, i64 n, i64 splits) {
  for (i64 i = thread_index(); i < n; i += thread_count()) {
    sum_t total = 0;
    for (i64 s = 0; s < splits; s++) total += sums[s * n + i];
    out[i] = store_as<WR_A>::of(total);
  }
}
