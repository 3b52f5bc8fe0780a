/* Attention of WR_A (16 bits) for at most 16 rows of queries of each head of keys, as when text is
   written word by word: what costs is to read keys and values, once. Rows lie dense on 16 bytes. Each
   warp of a block has keys of its own, KEYS at a time, of which the next are on their way from memory
   (cp.async) in the other stages; what the warps found is joined in shared memory at the end, and splits
   by the block that comes last. Scores are in units of log2. WR_VARIANT: how many times 64 elements keys
   and values have at most. */

#include "types.cuh"
#include "attention.cuh"
#include "attention_pairs.cuh"
#include "blocks.cuh"

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
  float sums[WARPS][ROWS][PITCH];
};

/* Four matrices of 8 x 8, turned: lane / 8 says whose row, lane % 8 which, `at` is. */
INLINE void load_four_turned(u32 *out, u32 at) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3])
               : "r"(at)
               : "memory");
}

/* KEYS rows of keys or values from `first` on, of which this lane's first lies at `from`; beyond m,
   zeros. Divisions and products of 64 bits would take longer than the rest of a short block. */
INLINE void copy_rows(u32 to, const WR_A *from, i64 step, int first, int m, int length) {
  const int lane = threadIdx.x % 32, c = lane % CHUNKS;
#pragma unroll
  for (int r = lane / CHUNKS; r < KEYS; r += 32 / CHUNKS, from += 32 / CHUNKS * step) {
    const bool exists = first + r < m && c * 8 < length;
    copy_16(to + (r * PITCH + c * 8) * 2, from, exists);
  }
}

struct state {
  u32 q[LENGTH / 16][4];
  float sums[LENGTH / 8][4];
  float top[2], total[2]; /* of rows lane / 4 and that + 8; total: of this lane's columns alone */
  int i[2], seen[2];      /* of those: which of its head's, how many keys it sees */
};

INLINE void begin(state &s, const problem &p, const tile &t, bool first) {
  const int lane = threadIdx.x % 32, pair = lane % 4 * 2, rows = (int)p.rows, l = (int)p.l;
  const WR_A *q[2];
#pragma unroll
  for (int i = 0; i < 2; i++) {
    const int row = lane / 4 + 8 * i, of = row < rows ? row : 0, h = (int)(t.head * p.group) + of / l;
    s.i[i] = of % l;
    s.seen[i] = (int)p.m - (p.causal && row < rows ? l - 1 - s.i[i] : 0);
    q[i] = p.q + t.b * p.q_at.b + h * p.q_at.h + s.i[i] * p.q_at.i;
    s.top[i] = nothing();
    s.total[i] = 0;
    if (!p.sinks || !first || row >= rows) continue;
    const float sink = p.sinks[h];
    s.top[i] = in_log2(sink); /* a key without a value */
    if (sink != nothing() && lane % 4 == 0) s.total[i] = 1 + (sink - sink);
  }
#pragma unroll
  for (int k = 0; k < LENGTH / 16; k++) {
#pragma unroll
    for (int i = 0; i < 4; i++) {
      const int c = k * 16 + pair + i / 2 * 8;
      s.q[k][i] = lane / 4 + i % 2 * 8 < rows && c < (int)p.d ? two(q[i % 2] + c) : 0;
    }
  }
#pragma unroll
  for (int n = 0; n < LENGTH / 8; n++) {
#pragma unroll
    for (int i = 0; i < 4; i++) s.sums[n][i] = 0;
  }
}

/* What masks leave of a score, in units of log2; r: of which of the lane's rows. */
INLINE float seen_score(const state &s, const problem &p, const tile &t, float score, int r, int key) {
  if (p.mask) {
    return in_log2(masked(p, t, score, threadIdx.x % 32 / 4 + 8 * r, s.i[r], key));
  }
  const float x = in_log2(key < s.seen[r] ? score : hidden());
  return key < (int)p.m ? x : nothing();
}

INLINE void add_keys(state &s, u32 at, const problem &p, const tile &t, int first) {
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
    const int r = i % 4 / 2, key = first + i / 4 * 8 + lane % 4 * 2 + i % 2;
    float &score = x[i / 4][i % 4];
    score = seen_score(s, p, t, score * (float)p.scale, r, key);
    top[r] = fmaxf(top[r], score);
  }
#pragma unroll
  for (int i = 0; i < 2; i++) {
    top[i] = greatest_of_four(top[i]);
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

INLINE void leave(found &f, const state &s, int rows) {
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, pair = lane % 4 * 2;
#pragma unroll
  for (int i = 0; i < 2; i++) {
    const int row = lane / 4 + 8 * i;
    if (8 * i >= rows) break;
    const float total = sum_of_four(s.total[i]);
    if (lane % 4 == 0) {
      f.top[warp][row] = s.top[i];
      f.total[warp][row] = total;
    }
#pragma unroll
    for (int n = 0; n < LENGTH / 8; n++) {
      *(pack<float, 2> *)(f.sums[warp][row] + n * 8 + pair) = {s.sums[n][2 * i], s.sums[n][2 * i + 1]};
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

/* N neighbours, past the first-level cache, which may hold what stood there before. */
INLINE void load_past(float (&x)[4], const float *at) {
  asm volatile("ld.global.cg.v4.f32 {%0, %1, %2, %3}, [%4];"
               : "=f"(x[0]), "=f"(x[1]), "=f"(x[2]), "=f"(x[3])
               : "l"(at)
               : "memory");
}
INLINE void load_past(float (&x)[2], const float *at) {
  asm volatile("ld.global.cg.v2.f32 {%0, %1}, [%2];" : "=f"(x[0]), "=f"(x[1]) : "l"(at) : "memory");
}

/* What all splits of a tile found, by one block: a warp takes a row, a lane some columns. */
INLINE void join_here(WR_A *out, float *memory, const parts &w, const problem &p, const tile &t) {
  enum { COLUMNS = LENGTH / 32, AHEAD = 8 };
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, splits = (int)p.splits;
  const i64 all = p.batch * p.heads * p.rows, first = (t.b * p.heads + t.head) * p.rows;
  float *shares = memory + warp * splits;
  for (int row = warp; row < (int)p.rows; row += WARPS) {
    const float *stats = w.stats + 2 * (first + row), *sums = w.sums + (first + row) * p.e;
    float top = nothing(), total = 0, found[COLUMNS];
    for (int s = lane; s < splits; s += 32) top = fmaxf(top, shares[s] = peek(stats + 2 * s * all));
#pragma unroll
    for (int by = 16; by > 0; by /= 2) top = fmaxf(top, __shfl_xor_sync(~0u, top, by));
    for (int s = lane; s < splits; s += 32) {
      const float share = share_of(shares[s], top);
      total = fmaf(peek(stats + 2 * s * all + 1), share, total);
      shares[s] = share;
    }
#pragma unroll
    for (int by = 16; by > 0; by /= 2) total += __shfl_xor_sync(~0u, total, by);
    __syncwarp();
#pragma unroll
    for (int i = 0; i < COLUMNS; i++) found[i] = 0;
    const int c = lane * COLUMNS;
    for (int s = 0; c < (int)p.e && s < splits; s += AHEAD) {
      float x[AHEAD][COLUMNS];
#pragma unroll
      for (int k = 0; k < AHEAD; k++) {
        load_past(x[k], sums + (s + k < splits ? s + k : s) * all * p.e + c);
      }
#pragma unroll
      for (int k = 0; k < AHEAD; k++) {
        const float share = s + k < splits ? shares[s + k] : 0;
#pragma unroll
        for (int i = 0; i < COLUMNS; i++) found[i] = fmaf(x[k][i], share, found[i]);
      }
    }
#pragma unroll
    for (int i = 0; c < (int)p.e && i < COLUMNS; i += 2) {
      *(u32 *)(void *)(out + (first + row) * p.e + c + i) =
          both(found[i] / total, found[i + 1] / total);
    }
    __syncwarp(); /* before shares of the next row */
  }
}

INLINE void attend_tile(WR_A *out, u8 *memory, const parts &w, const problem &p, const tile &t,
                        u32 *counters) {
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, m = (int)p.m;
  const int some = p.causal ? (int)span_of(p, 0, ROWS).some : m;
  const int count = (some + KEYS - 1) / KEYS, splits = (int)p.splits;
  const int each = (count + splits - 1) / splits, first = (int)blockIdx.y * each;
  const int from = first + warp, end = first + each < count ? first + each : count;
  const i64 k_step = p.k_at.i, v_step = p.v_at.i;
  const int row = from * KEYS + lane / CHUNKS, c = lane % CHUNKS * 8;
  const WR_A *keys = p.k + t.b * p.k_at.b + t.head * p.k_at.h + row * k_step + c;
  const WR_A *values = p.v + t.b * p.v_at.b + t.head * p.v_at.h + row * v_step + c;
  const u32 own = shared_address(memory) + warp * STAGES * (u32)sizeof(stage);
  int ahead = from, into = 0, now = 0; /* the next tile to copy, and stages */
  const auto copy = [&]() {
    if (ahead < end) {
      const u32 at = own + into * (u32)sizeof(stage);
      copy_rows(at, keys, k_step, ahead * KEYS, m, (int)p.d);
      copy_rows(at + KEYS * PITCH * 2, values, v_step, ahead * KEYS, m, (int)p.e);
    }
    copies_commit(); /* also of nothing, so that their number tells */
    ahead += WARPS;
    keys += WARPS * KEYS * k_step;
    values += WARPS * KEYS * v_step;
    into = into + 1 == STAGES ? 0 : into + 1;
  };
  state s;
#pragma unroll
  for (int i = 0; i < STAGES - 1; i++) copy();
  begin(s, p, t, blockIdx.y == 0 && warp == 0);
  for (int j = from; j < end; j += WARPS) {
    copies_wait<STAGES - 2>();
    __syncwarp(); /* the copies of all lanes are there, and all are done with the stage before */
    copy();
    add_keys(s, own + now * (u32)sizeof(stage), p, t, j * KEYS);
    now = now + 1 == STAGES ? 0 : now + 1;
  }
  copies_wait<0>();
  found &f = *(found *)memory;
  __syncthreads();
  leave(f, s, (int)p.rows);
  __syncthreads();
  put(out, w, f, p, t);
  if (p.splits > 1) {
    if (comes_last(counters + t.b * p.heads + t.head, *(bool *)memory)) {
      __syncthreads();
      join_here(out, (float *)memory, w, p, t);
    }
  }
  __syncthreads(); /* before the next copies */
}

extern "C" __global__ void __launch_bounds__(WARPS * 32)
    attend(WR_A *out, parts w, problem p, u32 *counters) {
  extern __shared__ u8 dynamic[];
  u8 *memory = dynamic + (16 - (u64)dynamic % 16) % 16;
  const u32 count = (u32)(p.batch * p.heads), heads = (u32)p.heads;
  for (u32 x = blockIdx.x; x < count; x += gridDim.x) {
    const tile t = {x / heads, x % heads, 0};
    attend_tile(out, memory, w, p, t, counters);
  }
}
