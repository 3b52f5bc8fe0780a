/* Attention of float32 without the matrix of scores; see attention.cu for the way. A block takes ROWS rows
   of the query heads of one head of keys along tiles of KEYS keys in shared memory. By tensor cores, as
   TF32, each of four warps has 16 rows, and the next tile is copied beside the products. In float32 each
   row belongs to 16 threads, which share its scores through shared memory. WR_VARIANT: how many times 64
   elements keys and values have at most; 4 more where rows do not lie dense on 16 bytes; 8 more for TF32.
   A mask is of WR_B. */

#include "types.cuh"
#include "matrices.cuh"
#include "attention.cuh"

enum {
  LENGTH = 64 * (WR_VARIANT % 4),
  SINGLE = WR_VARIANT / 4 % 2,
  TF32 = WR_VARIANT / 8 % 2,
  ROWS = 64,
#if __CUDA_ARCH__ >= 800
  KEYS = 32,
#else
  KEYS = 16,
#endif
  THREADS = TF32 ? 128 : 256,
  PITCH = LENGTH + 4, /* of a row in shared memory; 4 more meet other banks */
  SHARES = KEYS + 4   /* of a row of scores there */
};

typedef pack<float, 4> four;

/* Four elements of a row from c on, of which `length` exist; zeros elsewhere. */
INLINE void copy_four(float *to, const float *row, i64 step, i64 c, i64 length, bool exists) {
  if (SINGLE) {
#pragma unroll
    for (int e = 0; e < 4; e++) to[e] = exists && c + e < length ? row[(c + e) * step] : 0.0f;
  } else {
    exists = exists && c < length;
    copy_16(to, exists ? row + c : row, exists);
  }
}

INLINE void copy_keys(float *to, const float *from, const places &at, i64 first, i64 m, i64 length) {
  for (int x = threadIdx.x; x < KEYS * (LENGTH / 4); x += THREADS) {
    const int r = x / (LENGTH / 4), c = x % (LENGTH / 4) * 4;
    const bool exists = first + r < m;
    copy_four(to + r * PITCH + c, exists ? from + (first + r) * at.i : from, at.j, c, length, exists);
  }
}

INLINE const float *query(const problem &p, const tile &t, i64 row) {
  const i64 h = t.head * p.group + row / p.l;
  return p.q + t.b * p.q_at.b + h * p.q_at.h + row % p.l * p.q_at.i;
}

/* What a row begins with; one thread of those that have it is the first. */
INLINE void begin_row(float &top, float &total, const problem &p, const tile &t, i64 row, bool first) {
  top = nothing();
  total = 0;
  if (!p.sinks || blockIdx.y > 0 || row >= p.rows) return;
  const float sink = p.sinks[t.head * p.group + row / p.l];
  top = sink; /* a key without a value */
  if (first && sink != nothing()) total = 1 + (sink - sink);
}

/* The greatest score becomes `top`; what was relative to the one before shrinks by the result. Then
   scores are to be relative to `by`. */
INLINE float raise(float &top, float &total, float &by, float greatest) {
  const float before = top;
  top = greatest;
  by = top == nothing() ? 0 : top; /* any number will do, where all are -infinity so far */
  const float shrink = top == nothing() ? 1 : exp2_of((before - top) * LOG2E);
  total *= shrink;
  return shrink;
}

INLINE float weight_of(float score, float by) { return exp2_of((score - by) * LOG2E); }

/* Where row `row` of the tile's head goes, among all. */
INLINE i64 place_of(const problem &p, const tile &t, i64 row) {
  return (t.b * p.heads + t.head) * p.rows + row; /* heads of a group are neighbours */
}

INLINE void put_one(WR_A *out, const parts &w, const problem &p, i64 at, i64 c, float sum, float total) {
  if (c >= p.e) return;
  if (p.splits > 1) {
    const i64 all = p.batch * p.heads * p.rows;
    w.sums[(blockIdx.y * all + at) * p.e + c] = sum;
  } else {
    out[at * p.e + c] = sum / total;
  }
}

INLINE void put_row(const parts &w, const problem &p, i64 at, float top, float total) {
  const i64 all = p.batch * p.heads * p.rows;
  if (p.splits == 1) return;
  w.stats[2 * (blockIdx.y * all + at)] = top;
  w.stats[2 * (blockIdx.y * all + at) + 1] = total;
}

#if __CUDA_ARCH__ >= 800

/* ---- as TF32 ---- */

struct by_warps {
  struct memory {
    float k[2][KEYS * PITCH], v[2][KEYS * PITCH];
  };
  u32 q[LENGTH / 8][4];
  float sums[LENGTH / 8][4];
  float top[2], total[2]; /* of rows lane / 4 and that + 8 of 16; total: of this lane's columns alone */
  i64 row[2];

  static INLINE u32 rounded(float x) { return to_tf32(__float_as_uint(x)); }

  INLINE void begin(const problem &p, const tile &t) {
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int i = 0; i < 2; i++) {
      row[i] = t.row + threadIdx.x / 32 * 16 + lane / 4 + 8 * i;
      begin_row(top[i], total[i], p, t, row[i], lane % 4 == 0);
      const float *from = query(p, t, row[i] < p.rows ? row[i] : 0);
#pragma unroll
      for (int k = 0; k < LENGTH / 8 * 2; k++) {
        const int c = k * 4 + lane % 4;
        const bool exists = row[i] < p.rows && c < p.d;
        q[k / 2][k % 2 * 2 + i] = exists ? rounded(from[c * p.q_at.j]) : 0u;
      }
    }
#pragma unroll
    for (int i = 0; i < LENGTH / 2; i++) sums[i / 4][i % 4] = 0;
  }

  /* Keys from `first` on; nothing hides any of the first `seen`. */
  INLINE void add(const float *keys, const float *values, const problem &p, const tile &t, i64 first,
                  i64 seen) {
    const int lane = threadIdx.x % 32, g = lane / 4, own = lane % 4;
    float x[KEYS / 8][4], most[2] = {top[0], top[1]}, by[2], shrink[2];
#pragma unroll
    for (int n = 0; n < KEYS / 8; n++) {
#pragma unroll
      for (int i = 0; i < 4; i++) x[n][i] = 0;
#pragma unroll
      for (int k = 0; k < LENGTH / 8; k++) {
        const float *at = keys + (n * 8 + g) * PITCH + k * 8 + own;
        const u32 b[2] = {rounded(at[0]), rounded(at[4])};
        multiply_pair(0.0f, x[n], q[k], b);
      }
    }
    const i64 line[2] = {row[0] % p.l, row[1] % p.l};
#pragma unroll
    for (int n = 0; n < KEYS / 8; n++) {
#pragma unroll
      for (int i = 0; i < 4; i++) {
        x[n][i] *= (float)p.scale;
        const i64 key = first + n * 8 + own * 2 + i % 2;
        if (first + KEYS > seen) x[n][i] = masked(p, t, x[n][i], row[i / 2], line[i / 2], key);
        most[i / 2] = fmaxf(most[i / 2], x[n][i]);
      }
    }
#pragma unroll
    for (int i = 0; i < 2; i++) {
      shrink[i] = raise(top[i], total[i], by[i], greatest_of_four(most[i]));
    }
#pragma unroll
    for (int n = 0; n < KEYS / 8; n++) {
#pragma unroll
      for (int i = 0; i < 4; i++) {
        x[n][i] = weight_of(x[n][i], by[i / 2]);
        total[i / 2] += x[n][i];
      }
    }
    /* Keys in another order, the same for both operands: each lane has of its two neighbours the first
       as number `own` of eight, the second as own + 4. */
#pragma unroll
    for (int n = 0; n < LENGTH / 8; n++) {
#pragma unroll
      for (int i = 0; i < 4; i++) sums[n][i] *= shrink[i / 2];
#pragma unroll
      for (int k = 0; k < KEYS / 8; k++) {
        const u32 a[4] = {rounded(x[k][0]), rounded(x[k][2]), rounded(x[k][1]), rounded(x[k][3])};
        const float *at = values + (k * 8 + own * 2) * PITCH + n * 8 + g;
        const u32 b[2] = {rounded(at[0]), rounded(at[PITCH])};
        multiply_pair(0.0f, sums[n], a, b);
      }
    }
  }

  INLINE void put(WR_A *out, const parts &w, const problem &p, const tile &t) {
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int i = 0; i < 2; i++) {
      const float all = sum_of_four(total[i]);
      if (row[i] >= p.rows) continue;
      const i64 at = place_of(p, t, row[i]);
      if (lane % 4 == 0) put_row(w, p, at, top[i], all);
#pragma unroll
      for (int n = 0; n < LENGTH / 4; n++) {
        put_one(out, w, p, at, n / 2 * 8 + lane % 4 * 2 + n % 2, sums[n / 2][2 * i + n % 2], all);
      }
    }
  }

  static INLINE void attend(WR_A *out, memory &m, const parts &w, const problem &p, const tile &t) {
    const span all = span_of(p, t.row, ROWS);
    const range r = range_of(p, all, KEYS);
    const float *keys = p.k + t.b * p.k_at.b + t.head * p.k_at.h;
    const float *values = p.v + t.b * p.v_at.b + t.head * p.v_at.h;
    const auto copy = [&](i64 j) {
      const int stage = (int)((j - r.from) % 2);
      copy_keys(m.k[stage], keys, p.k_at, j * KEYS, p.m, p.d);
      copy_keys(m.v[stage], values, p.v_at, j * KEYS, p.m, p.e);
      copies_commit();
    };
    by_warps s;
    __syncthreads(); /* what was there before has been read */
    if (r.from < r.end) copy(r.from);
    s.begin(p, t);
    for (i64 j = r.from; j < r.end; j++) {
      const int stage = (int)((j - r.from) % 2);
      copies_wait<0>();
      __syncthreads(); /* this tile is there, and the one before has been read */
      if (j + 1 < r.end) copy(j + 1);
      s.add(m.k[stage], m.v[stage], p, t, j * KEYS, all.all);
    }
    s.put(out, w, p, t);
  }
};

#endif

/* ---- in float32 ---- */

/* Thread t has rows t / 16 * 4 .. + 3 of the block's; of the scores keys t % 16 + 16 j, of values the four
   elements from t % 16 * 4 + 64 j on. */
struct by_products {
  enum { K = KEYS / 16, C = LENGTH / 64 };
  struct memory {
    float q[ROWS * PITCH], k[KEYS * PITCH], v[KEYS * PITCH], shares[ROWS * SHARES];
  };
  float sums[4][C][4];
  float top[4], total[4]; /* total: of this thread's keys alone */

  static INLINE i64 row_of(const tile &t, int i) { return t.row + threadIdx.x / 16 * 4 + i; }

  INLINE void begin(const problem &p, const tile &t) {
#pragma unroll
    for (int i = 0; i < 4; i++) {
      begin_row(top[i], total[i], p, t, row_of(t, i), threadIdx.x % 16 == 0);
#pragma unroll
      for (int j = 0; j < 4 * C; j++) sums[i][j / 4][j % 4] = 0;
    }
  }

  static INLINE void copy_queries(float *to, const problem &p, const tile &t) {
    for (int x = threadIdx.x; x < ROWS * (LENGTH / 4); x += THREADS) {
      const int r = x / (LENGTH / 4), c = x % (LENGTH / 4) * 4;
      const bool exists = t.row + r < p.rows;
      copy_four(to + r * PITCH + c, query(p, t, exists ? t.row + r : 0), p.q_at.j, c, p.d, exists);
    }
  }

  INLINE void scores_of(float (&x)[4][K], const memory &m) const {
    const int row = threadIdx.x / 16 * 4, key = threadIdx.x % 16;
#pragma unroll
    for (int i = 0; i < 4 * K; i++) x[i / K][i % K] = 0;
#pragma unroll 4
    for (int c = 0; c < LENGTH; c += 4) {
      four a[4];
#pragma unroll
      for (int i = 0; i < 4; i++) a[i] = *(const four *)(m.q + (row + i) * PITCH + c);
#pragma unroll
      for (int j = 0; j < K; j++) {
        const four b = *(const four *)(m.k + (key + 16 * j) * PITCH + c);
#pragma unroll
        for (int i = 0; i < 16; i++) x[i / 4][j] = fmaf(a[i / 4].e[i % 4], b.e[i % 4], x[i / 4][j]);
      }
    }
  }

  /* Scores become the rows' shares in shared memory. */
  INLINE void weigh(float (&x)[4][K], memory &m, const problem &p, const tile &t, i64 first, i64 seen) {
    const int row = threadIdx.x / 16 * 4, own = threadIdx.x % 16;
#pragma unroll
    for (int i = 0; i < 4; i++) {
      float most = top[i], by;
      const i64 at = row_of(t, i), line = at % p.l;
#pragma unroll
      for (int j = 0; j < K; j++) {
        x[i][j] *= (float)p.scale;
        if (first + KEYS > seen) x[i][j] = masked(p, t, x[i][j], at, line, first + own + 16 * j);
        most = fmaxf(most, x[i][j]);
      }
#pragma unroll
      for (int step = 8; step > 0; step /= 2) most = fmaxf(most, __shfl_xor_sync(~0u, most, step));
      const float shrink = raise(top[i], total[i], by, most);
#pragma unroll
      for (int j = 0; j < K; j++) {
        const float share = weight_of(x[i][j], by);
        total[i] += share;
        m.shares[(row + i) * SHARES + own + 16 * j] = share;
      }
#pragma unroll
      for (int j = 0; j < 4 * C; j++) sums[i][j / 4][j % 4] *= shrink;
    }
  }

  INLINE void add_values(const memory &m) {
    const int row = threadIdx.x / 16 * 4, own = threadIdx.x % 16 * 4;
#pragma unroll 2
    for (int k = 0; k < KEYS; k += 4) {
      four a[4];
#pragma unroll
      for (int i = 0; i < 4; i++) a[i] = *(const four *)(m.shares + (row + i) * SHARES + k);
#pragma unroll
      for (int e = 0; e < 4; e++) {
#pragma unroll
        for (int j = 0; j < C; j++) {
          const four b = *(const four *)(m.v + (k + e) * PITCH + own + 64 * j);
#pragma unroll
          for (int i = 0; i < 16; i++) {
            sums[i / 4][j][i % 4] = fmaf(a[i / 4].e[e], b.e[i % 4], sums[i / 4][j][i % 4]);
          }
        }
      }
    }
  }

  INLINE void put(WR_A *out, const parts &w, const problem &p, const tile &t) {
    const int own = threadIdx.x % 16;
#pragma unroll
    for (int i = 0; i < 4; i++) {
      float all = total[i];
#pragma unroll
      for (int step = 8; step > 0; step /= 2) all += __shfl_xor_sync(~0u, all, step);
      if (row_of(t, i) >= p.rows) continue;
      const i64 at = place_of(p, t, row_of(t, i));
      if (own == 0) put_row(w, p, at, top[i], all);
#pragma unroll
      for (int j = 0; j < 4 * C; j++) {
        put_one(out, w, p, at, own * 4 + j / 4 * 64 + j % 4, sums[i][j / 4][j % 4], all);
      }
    }
  }

  static INLINE void attend(WR_A *out, memory &m, const parts &w, const problem &p, const tile &t) {
    const span all = span_of(p, t.row, ROWS);
    const range r = range_of(p, all, KEYS);
    const float *keys = p.k + t.b * p.k_at.b + t.head * p.k_at.h;
    const float *values = p.v + t.b * p.v_at.b + t.head * p.v_at.h;
    const bool mine = t.row + threadIdx.x / 32 * 8 < p.rows; /* the warp has any row */
    by_products s;
    s.begin(p, t);
    __syncthreads(); /* what was there before has been read */
    copy_queries(m.q, p, t);
    for (i64 j = r.from; j < r.end; j++) {
      float x[4][K];
      copy_keys(m.k, keys, p.k_at, j * KEYS, p.m, p.d);
      copy_keys(m.v, values, p.v_at, j * KEYS, p.m, p.e);
      copies_commit();
      copies_wait<0>();
      __syncthreads();
      if (mine) {
        s.scores_of(x, m);
        s.weigh(x, m, p, t, j * KEYS, all.all);
        __syncwarp(); /* a row's threads are of one warp */
        s.add_values(m);
      }
      __syncthreads();
    }
    copies_wait<0>();
    s.put(out, w, p, t);
  }
};

template <int BY_TF32>
struct way {
  typedef by_products type;
};
#if __CUDA_ARCH__ >= 800
template <>
struct way<1> {
  typedef by_warps type;
};
#endif
typedef way<TF32>::type way_t;

extern "C" __global__ void __launch_bounds__(THREADS, 2) attend(WR_A *out, parts w, problem p) {
  extern __shared__ u8 bytes[];
  way_t::memory &m = *(way_t::memory *)(bytes + (16 - (u64)bytes % 16) % 16);
  const i64 count = p.batch * p.heads * p.tiles;
  for (i64 x = blockIdx.x; x < count; x += gridDim.x) way_t::attend(out, m, w, p, tile_of(p, x, ROWS));
}

extern "C" __global__ void join(WR_A *out, parts w, i64 n, i64 e, i64 splits) {
  join_splits(out, w, n, e, splits);
}
