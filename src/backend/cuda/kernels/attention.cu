/* Attention of WR_A (16 bits) without the matrix of scores, by tensor cores; see
   backend/cpu/attention.c for the way, which is the same. A block takes ROWS rows of the query heads
   of one head of keys, and each of its warps 16 of them, along tiles of KEYS keys in shared memory.
   Where there are few rows the keys are cut in splits, whose results another kernel joins. A mask is of
   WR_B. WR_VARIANT: how many times 64 elements keys and values have at most. */

#include "types.cuh"
#include "attention.cuh"
#include "attention_pairs.cuh"

enum {
  ROWS = 64,
  KEYS = 64,
  THREADS = 128,
  LENGTH = 64 * WR_VARIANT,
  PITCH = LENGTH + 8, /* of a key in shared memory; 8 more meet other banks */
  TURNED = KEYS + 8   /* of an element of all values */
};

struct shared_tiles {
  WR_A k[KEYS * PITCH];
  WR_A v[LENGTH * TURNED];
};

INLINE void load_keys(shared_tiles &s, const problem &p, const tile &t, i64 first) {
  const WR_A *k = p.k + t.b * p.k_at.b + t.head * p.k_at.h;
  const WR_A *v = p.v + t.b * p.v_at.b + t.head * p.v_at.h;
  for (int x = threadIdx.x; x < KEYS * LENGTH; x += THREADS) {
    const int key = x / LENGTH, c = x % LENGTH;
    const i64 at = first + key;
    s.k[key * PITCH + c] = at < p.m && c < p.d ? k[at * p.k_at.i + c * p.k_at.j] : zero();
    s.v[c * TURNED + key] = at < p.m && c < p.e ? v[at * p.v_at.i + c * p.v_at.j] : zero();
  }
}

/* What a lane has of its warp's 16 rows: rows lane / 4 and that + 8, which it shares with the three
   lanes beside it, and of each pair of neighbouring columns lane % 4 * 2. */
struct state {
  u32 q[LENGTH / 16][4];
  float sums[LENGTH / 8][4];
  float top[2], total[2]; /* of both rows; total: of this lane's columns alone */
  i64 row[2];             /* of the group's; p.rows and more: none */
};

INLINE WR_A query(const problem &p, const tile &t, i64 row, int c) {
  if (row >= p.rows || c >= p.d) return zero();
  const i64 h = t.head * p.group + row / p.l;
  return p.q[t.b * p.q_at.b + h * p.q_at.h + row % p.l * p.q_at.i + c * p.q_at.j];
}

INLINE void begin(state &s, const problem &p, const tile &t, bool first_split) {
  const int lane = threadIdx.x % 32, pair = lane % 4 * 2;
#pragma unroll
  for (int i = 0; i < 2; i++) {
    s.row[i] = t.row + threadIdx.x / 32 * 16 + lane / 4 + 8 * i;
    s.top[i] = nothing();
    s.total[i] = 0;
    if (!p.sinks || !first_split || s.row[i] >= p.rows) continue;
    const float sink = p.sinks[t.head * p.group + s.row[i] / p.l];
    s.top[i] = sink; /* a key without a value */
    if (sink != nothing() && lane % 4 == 0) s.total[i] = 1 + (sink - sink);
  }
#pragma unroll
  for (int k = 0; k < LENGTH / 16; k++) {
#pragma unroll
    for (int i = 0; i < 4; i++) {
      const int c = k * 16 + pair + i / 2 * 8;
      s.q[k][i] = both(query(p, t, s.row[i % 2], c), query(p, t, s.row[i % 2], c + 1));
    }
  }
#pragma unroll
  for (int n = 0; n < LENGTH / 8; n++) {
#pragma unroll
    for (int i = 0; i < 4; i++) s.sums[n][i] = 0;
  }
}

/* One tile of keys, from `first` on. */
INLINE void add_keys(state &s, const shared_tiles &m, const problem &p, const tile &t, i64 first) {
  const int lane = threadIdx.x % 32, pair = lane % 4 * 2;
  float scores[KEYS / 8][4];
#pragma unroll
  for (int n = 0; n < KEYS / 8; n++) {
#pragma unroll
    for (int i = 0; i < 4; i++) scores[n][i] = 0;
#pragma unroll
    for (int k = 0; k < LENGTH / 16; k++) {
      const WR_A *at = m.k + (n * 8 + lane / 4) * PITCH + k * 16 + pair;
      const u32 b[2] = {two(at), two(at + 8)};
      multiply(WR_A(), scores[n], s.q[k], b);
    }
  }
  float top[2] = {s.top[0], s.top[1]};
#pragma unroll
  for (int n = 0; n < KEYS / 8; n++) {
#pragma unroll
    for (int i = 0; i < 4; i++) {
      const i64 key = first + n * 8 + pair + i % 2;
      scores[n][i] = masked(p, t, scores[n][i] * (float)p.scale, s.row[i / 2], s.row[i / 2] % p.l, key);
      top[i / 2] = fmaxf(top[i / 2], scores[n][i]);
    }
  }
  float shrink[2];
#pragma unroll
  for (int i = 0; i < 2; i++) {
    top[i] = greatest_of_four(top[i]);
    /* Relative to any number, where all are -infinity so far. */
    shrink[i] = top[i] == nothing() ? 1 : expf(s.top[i] - top[i]);
    s.top[i] = top[i];
    s.total[i] *= shrink[i];
    if (top[i] == nothing()) top[i] = 0;
  }
#pragma unroll
  for (int n = 0; n < KEYS / 8; n++) {
#pragma unroll
    for (int i = 0; i < 4; i++) {
      scores[n][i] = expf(scores[n][i] - top[i / 2]);
      s.total[i / 2] += scores[n][i];
    }
  }
#pragma unroll
  for (int n = 0; n < LENGTH / 8; n++) {
#pragma unroll
    for (int i = 0; i < 4; i++) s.sums[n][i] *= shrink[i / 2];
#pragma unroll
    for (int k = 0; k < KEYS / 16; k++) {
      const float *x = scores[2 * k], *y = scores[2 * k + 1];
      const u32 a[4] = {both(x[0], x[1]), both(x[2], x[3]), both(y[0], y[1]), both(y[2], y[3])};
      const WR_A *at = m.v + (n * 8 + lane / 4) * TURNED + k * 16 + pair;
      const u32 b[2] = {two(at), two(at + 8)};
      multiply(WR_A(), s.sums[n], a, b);
    }
  }
}

INLINE void put(WR_A *out, const parts &w, const state &s, const problem &p, const tile &t) {
  const int lane = threadIdx.x % 32, pair = lane % 4 * 2;
  const i64 all = p.batch * p.heads * p.rows, split = blockIdx.y;
#pragma unroll
  for (int i = 0; i < 2; i++) {
    const float total = sum_of_four(s.total[i]);
    const i64 row = s.row[i];
    if (row >= p.rows) continue;
    const i64 at = (t.b * p.heads + t.head) * p.rows + row; /* heads of a group are neighbours */
    if (p.splits > 1 && lane % 4 == 0) {
      w.stats[2 * (split * all + at)] = s.top[i];
      w.stats[2 * (split * all + at) + 1] = total;
    }
#pragma unroll
    for (int n = 0; n < LENGTH / 8; n++) {
#pragma unroll
      for (int j = 0; j < 2; j++) {
        const i64 c = n * 8 + pair + j;
        const float sum = s.sums[n][2 * i + j];
        if (c >= p.e) continue;
        if (p.splits > 1) {
          w.sums[(split * all + at) * p.e + c] = sum;
        } else {
          out[at * p.e + c] = store_as<WR_A>::of(sum / total);
        }
      }
    }
  }
}

extern "C" __global__ void __launch_bounds__(THREADS) attend(WR_A *out, parts w, problem p) {
  __shared__ shared_tiles m;
  const i64 count = p.batch * p.heads * p.tiles;
  for (i64 x = blockIdx.x; x < count; x += gridDim.x) {
    const tile t = tile_of(p, x, ROWS);
    const range r = range_of(p, span_of(p, t.row, ROWS), KEYS);
    state s;
    begin(s, p, t, blockIdx.y == 0);
    for (i64 i = r.from; i < r.end; i++) {
      __syncthreads();
      load_keys(m, p, t, i * KEYS);
      __syncthreads();
      add_keys(s, m, p, t, i * KEYS);
    }
    put(out, w, s, p, t);
  }
}

extern "C" __global__ void join(WR_A *out, parts w, i64 n, i64 e, i64 splits) {
  join_splits(out, w, n, e, splits);
}
