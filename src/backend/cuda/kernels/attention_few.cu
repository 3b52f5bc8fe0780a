/* Attention of WR_A (16 bits) for at most 16 rows of queries of each head of keys, as when text is
   written word by word: what costs is to read keys and values, once. Rows lie dense on 16 bytes. Each
   warp of a block has keys of its own, KEYS at a time, of which the next are on their way from memory
   (cp.async) in the other stages; what the warps found is joined in shared memory at the end, and splits
   by the kernel of attention.cu. Scores are in units of log2. WR_VARIANT: how many times 64 elements keys
   and values have at most. */

#include "types.cuh"
#include "attention.cuh"
#include "attention_pairs.cuh"

enum {
  ROWS = 16,
  KEYS = 16,
  WARPS = 4,
  STAGES = 3,
  LENGTH = 64 * WR_VARIANT,
  CHUNKS = LENGTH / 8, /* of 16 bytes in a row */
  PITCH = LENGTH + 8   /* of a row in shared memory; 8 more meet other banks */
};

struct alignas(16) stage {
  WR_A k[KEYS * PITCH];
  WR_A v[KEYS * PITCH];
};

/* What warps leave for each other, where the stages were. */
struct found {
  float top[WARPS][ROWS], total[WARPS][ROWS];
  float sums[WARPS][ROWS][LENGTH];
};

/* Four matrices of 8 x 8, turned: lane / 8 says whose row, lane % 8 which, `at` is. */
INLINE void load_four_turned(u32 *out, u32 at) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3])
               : "r"(at)
               : "memory");
}

/* KEYS rows of keys or values from `first` on; beyond m, zeros. */
INLINE void copy_rows(u32 to, const WR_A *from, i64 step, i64 first, i64 m, i64 length) {
  const int lane = threadIdx.x % 32, c = lane % CHUNKS;
#pragma unroll
  for (int r = lane / CHUNKS; r < KEYS; r += 32 / CHUNKS) {
    const bool exists = first + r < m && c * 8 < length;
    const WR_A *at = exists ? from + (first + r) * step + c * 8 : from;
    copy_16(to + (r * PITCH + c * 8) * 2, at, exists);
  }
}

struct state {
  u32 q[LENGTH / 16][4];
  float sums[LENGTH / 8][4];
  float top[2], total[2]; /* of rows lane / 4 and that + 8; total: of this lane's columns alone */
};

INLINE u32 query(const problem &p, const tile &t, i64 row, int c) {
  if (row >= p.rows || c >= p.d) return 0;
  const i64 h = t.head * p.group + row / p.l;
  return two(p.q + t.b * p.q_at.b + h * p.q_at.h + row % p.l * p.q_at.i + c);
}

INLINE void begin(state &s, const problem &p, const tile &t, bool first) {
  const int lane = threadIdx.x % 32, pair = lane % 4 * 2;
#pragma unroll
  for (int i = 0; i < 2; i++) {
    const i64 row = lane / 4 + 8 * i;
    s.top[i] = nothing();
    s.total[i] = 0;
    if (!p.sinks || !first || row >= p.rows) continue;
    const float sink = p.sinks[t.head * p.group + row / p.l];
    s.top[i] = in_log2(sink); /* a key without a value */
    if (sink != nothing() && lane % 4 == 0) s.total[i] = 1 + (sink - sink);
  }
#pragma unroll
  for (int k = 0; k < LENGTH / 16; k++) {
#pragma unroll
    for (int i = 0; i < 4; i++) s.q[k][i] = query(p, t, lane / 4 + i % 2 * 8, k * 16 + pair + i / 2 * 8);
  }
#pragma unroll
  for (int n = 0; n < LENGTH / 8; n++) {
#pragma unroll
    for (int i = 0; i < 4; i++) s.sums[n][i] = 0;
  }
}

INLINE void add_keys(state &s, u32 at, const problem &p, const tile &t, i64 first) {
  const int lane = threadIdx.x % 32, matrix = lane / 8, line = lane % 8;
  const u32 k_at = at + ((matrix / 2 * 8 + line) * PITCH + matrix % 2 * 8) * 2;
  const u32 v_at = at + (KEYS * PITCH + (matrix % 2 * 8 + line) * PITCH + matrix / 2 * 8) * 2;
  float x[2][4];
#pragma unroll
  for (int i = 0; i < 8; i++) x[i / 4][i % 4] = 0;
#pragma unroll
  for (int k = 0; k < LENGTH / 16; k++) {
    u32 b[4];
    load_matrices(b, k_at + k * 32);
    multiply(WR_A(), x[0], s.q[k], b);
    multiply(WR_A(), x[1], s.q[k], b + 2);
  }
  float top[2] = {s.top[0], s.top[1]}, shrink[2];
#pragma unroll
  for (int i = 0; i < 8; i++) {
    const int r = i % 4 / 2;
    const i64 row = lane / 4 + 8 * r, key = first + i / 4 * 8 + lane % 4 * 2 + i % 2;
    float &score = x[i / 4][i % 4];
    score = in_log2(masked(p, t, score * (float)p.scale, row, p.l == 1 ? 0 : row % p.l, key));
    top[r] = fmaxf(top[r], score);
  }
#pragma unroll
  for (int i = 0; i < 2; i++) {
    top[i] = fmaxf(top[i], __shfl_xor_sync(~0u, top[i], 1));
    top[i] = fmaxf(top[i], __shfl_xor_sync(~0u, top[i], 2));
    /* Relative to any number, where all are -infinity so far. */
    shrink[i] = top[i] == nothing() ? 1 : exp2_of(s.top[i] - top[i]);
    s.top[i] = top[i];
    s.total[i] *= shrink[i];
    if (top[i] == nothing()) top[i] = 0;
  }
#pragma unroll
  for (int i = 0; i < 8; i++) {
    float &score = x[i / 4][i % 4];
    score = exp2_of(score - top[i % 4 / 2]);
    s.total[i % 4 / 2] += score;
  }
  const u32 a[4] = {both(x[0][0], x[0][1]), both(x[0][2], x[0][3]), both(x[1][0], x[1][1]),
                    both(x[1][2], x[1][3])};
#pragma unroll
  for (int n = 0; n < LENGTH / 16; n++) {
    u32 b[4];
    load_four_turned(b, v_at + n * 32);
#pragma unroll
    for (int i = 0; i < 8; i++) s.sums[2 * n + i / 4][i % 4] *= shrink[i % 4 / 2];
    multiply(WR_A(), s.sums[2 * n], a, b);
    multiply(WR_A(), s.sums[2 * n + 1], a, b + 2);
  }
}

/* ---- the warps of a block ---- */

INLINE void leave(found &f, const state &s) {
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, pair = lane % 4 * 2;
#pragma unroll
  for (int i = 0; i < 2; i++) {
    const int row = lane / 4 + 8 * i;
    float total = s.total[i];
    total += __shfl_xor_sync(~0u, total, 1);
    total += __shfl_xor_sync(~0u, total, 2);
    if (lane % 4 == 0) {
      f.top[warp][row] = s.top[i];
      f.total[warp][row] = total;
    }
#pragma unroll
    for (int n = 0; n < LENGTH / 8; n++) {
#pragma unroll
      for (int j = 0; j < 2; j++) f.sums[warp][row][n * 8 + pair + j] = s.sums[n][2 * i + j];
    }
  }
}

INLINE void put(WR_A *out, const parts &w, const found &f, const problem &p, const tile &t) {
  const i64 all = p.batch * p.heads * p.rows, split = blockIdx.y;
  for (int x = threadIdx.x; x < (int)p.rows * LENGTH; x += WARPS * 32) {
    const int row = x / LENGTH, c = x % LENGTH;
    float top = nothing(), total = 0, sum = 0;
#pragma unroll
    for (int i = 0; i < WARPS; i++) top = fmaxf(top, f.top[i][row]);
#pragma unroll
    for (int i = 0; i < WARPS; i++) {
      const float own = f.top[i][row];
      const float share = own == top ? 1 : own == nothing() ? 0 : exp2_of(own - top);
      total += f.total[i][row] * share;
      sum += f.sums[i][row][c] * share;
    }
    const i64 at = (t.b * p.heads + t.head) * p.rows + row;
    if (p.splits > 1 && c == 0) put_stats(w, split * all + at, top, total);
    if (c >= p.e) continue;
    if (p.splits > 1) {
      w.sums[(split * all + at) * p.e + c] = sum;
    } else {
      out[at * p.e + c] = store_as<WR_A>::of(sum / total);
    }
  }
}

INLINE void attend_tile(WR_A *out, u8 *memory, const parts &w, const problem &p, const tile &t) {
  const int warp = threadIdx.x / 32;
  const range r = range_of(p, span_of(p, t.row, ROWS), KEYS);
  const i64 from = r.from + warp, end = r.end;
  const WR_A *keys = p.k + t.b * p.k_at.b + t.head * p.k_at.h;
  const WR_A *values = p.v + t.b * p.v_at.b + t.head * p.v_at.h;
  const u32 own = shared_address(memory) + warp * STAGES * (u32)sizeof(stage);
  const auto copy = [&](i64 j) {
    const u32 at = own + (u32)((j - from) / WARPS % STAGES * sizeof(stage));
    if (j < end) {
      copy_rows(at, keys, p.k_at.i, j * KEYS, p.m, p.d);
      copy_rows(at + KEYS * PITCH * 2, values, p.v_at.i, j * KEYS, p.m, p.e);
    }
    copies_commit(); /* also of nothing, so that their number tells */
  };
  state s;
#pragma unroll
  for (int i = 0; i < STAGES - 1; i++) copy(from + i * WARPS);
  begin(s, p, t, blockIdx.y == 0 && warp == 0);
  for (i64 j = from; j < end; j += WARPS) {
    copies_wait<STAGES - 2>();
    __syncwarp(); /* the copies of all lanes are there, and all are done with the stage before */
    copy(j + (STAGES - 1) * WARPS);
    add_keys(s, own + (u32)((j - from) / WARPS % STAGES * sizeof(stage)), p, t, j * KEYS);
  }
  copies_wait<0>();
  found &f = *(found *)memory;
  __syncthreads();
  leave(f, s);
  __syncthreads();
  put(out, w, f, p, t);
  __syncthreads(); /* before the next copies */
}

extern "C" __global__ void __launch_bounds__(WARPS * 32) attend(WR_A *out, parts w, problem p) {
  extern __shared__ u8 dynamic[];
  u8 *memory = dynamic + (16 - (u64)dynamic % 16) % 16;
  const i64 count = p.batch * p.heads;
  for (i64 x = blockIdx.x; x < count; x += gridDim.x) {
    attend_tile(out, memory, w, p, tile_of(p, x, ROWS));
  }
}
