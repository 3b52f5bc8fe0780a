/* Attention of WR_A (16 bits) on GPUs of compute capability 9.0, where rows of queries, keys and values
   lie dense on 16 bytes: the way of attention.cu with what that generation has for it, after
   FlashAttention-3 (Shah and others, 2024). A block takes ROWS rows of the query heads of one head of
   keys. Two groups of four warps multiply 64 of them each by a tile of KEYS keys at a time (wgmma); the
   product with the values of one tile runs beside the exponentials of the next. A third group does
   nothing but copy keys and values (cp.async), two tiles ahead; it has few registers, by which the
   others have more. Scores are in units of log2, so that exp is exp2.
   WR_VARIANT: how many times 64 elements keys and values have at most, 1 or 2; with a mask, 2 more.

   Registers are what is scarce: numbers have 32 bits, and where a tile lies is found again rather than
   kept. */

#include "types.cuh"
#include "attention.cuh"
#include "attention_pairs.cuh"

enum {
  GROUPS = 2, /* of four warps, that multiply */
  GROUP = 128,
  ROWS = 64 * GROUPS,
  KEYS = 128,
  STAGES = 2,
  THREADS = GROUP * (GROUPS + 1),
  MASK = WR_VARIANT > 2,
  LENGTH = 64 * (MASK ? WR_VARIANT - 2 : WR_VARIANT),
  CHUNKS = LENGTH / 8, /* of 16 bytes in a row */
  SCORES = KEYS / 2,   /* that a thread has of its group's 64 x KEYS */
  SUMS = LENGTH / 2
};

/* In shared memory a row of 64 elements takes 128 bytes, in which chunk c of row r lies at c ^ r % 8:
   the order that wgmma calls the swizzle of 128 bytes. Longer rows are cut, the second halves behind
   the first of all rows. */
struct alignas(1024) tiles {
  WR_A q[ROWS * LENGTH];
  WR_A k[STAGES][KEYS * LENGTH];
  WR_A v[STAGES][KEYS * LENGTH];
  u64 k_there[STAGES], v_there[STAGES]; /* barriers: copied */
  u64 k_read[STAGES], v_read[STAGES];   /* barriers: all who multiply are done with it */
};

INLINE u32 chunk_at(int rows, int row, int chunk) {
  return (u32)(chunk / 8 * rows * 128 + row * 128 + (chunk % 8 ^ row % 8) * 16);
}

/* ---- barriers in shared memory ---- */

INLINE void barrier_set(u64 &barrier, int arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(&barrier)), "r"(arrivals)
               : "memory");
}
INLINE void barrier_arrive(u64 &barrier) {
  asm volatile("{.reg .b64 state; mbarrier.arrive.shared::cta.b64 state, [%0];}" ::"r"(
                   shared_address(&barrier))
               : "memory");
}
/* Until the phase of this parity is over. */
INLINE void barrier_wait(u64 &barrier, u32 parity) {
  u32 over;
  do {
    asm volatile("{.reg .pred p; mbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2; selp.u32 %0, 1, 0, p;}"
                 : "=r"(over)
                 : "r"(shared_address(&barrier)), "r"(parity)
                 : "memory");
  } while (!over);
}

/* Number n of the tiles that a block reads has this stage, for the n / STAGES-th time. */
INLINE int stage_of(u32 n) { return (int)(n % STAGES); }
INLINE u32 parity_of(u32 n) { return n / STAGES % 2; }

/* ---- products of a group of four warps ---- */

/* d of 64 x LENGTH += a of 64 x 16, each lane with its part, by b of 16 x LENGTH. */
#define SUMS_OF(TYPE, NAME)                                                                        \
  INLINE void multiply_turned(TYPE, float (&d)[32], const u32 *a, u64 b) {                         \
    asm volatile("wgmma.mma_async.sync.aligned.m64n64k16.f32." NAME "." NAME " " NAMES_32          \
                 ", {%32, %33, %34, %35}, %36, 1, 1, 1, 1;"                                        \
                 : D32(d)                                                                          \
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b));                            \
  }                                                                                                \
  INLINE void multiply_turned(TYPE, float (&d)[64], const u32 *a, u64 b) {                         \
    asm volatile("wgmma.mma_async.sync.aligned.m64n128k16.f32." NAME "." NAME " " NAMES_64         \
                 ", {%64, %65, %66, %67}, %68, 1, 1, 1, 1;"                                        \
                 : D64(d)                                                                          \
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b));                            \
  }
SUMS_OF(f16, "f16")
SUMS_OF(bf16, "bf16")

INLINE void scores_of(float (&s)[SCORES], u32 q, u32 k) {
#pragma unroll
  for (int i = 0; i < LENGTH / 16; i++) {
    const u64 a = operand(q + i / 4 * (ROWS * 128) + i % 4 * 32, 16, 1024);
    const u64 b = operand(k + i / 4 * (KEYS * 128) + i % 4 * 32, 16, 1024);
    multiply_rows(WR_A(), s, a, b, i);
  }
}

INLINE void add_values(float (&sums)[SUMS], const u32 (&shares)[KEYS / 16][4], u32 v) {
#pragma unroll
  for (int i = 0; i < KEYS / 16; i++) {
    multiply_turned(WR_A(), sums, shares[i], operand(v + i * 2048, KEYS * 128, 1024));
  }
}

/* ---- copies ---- */

/* The 64 rows of this thread's group. */
INLINE void copy_queries(u32 to, const problem &p, const tile &t) {
  const int first = threadIdx.x / GROUP * 64;
  for (int x = threadIdx.x % GROUP; x < 64 * CHUNKS; x += GROUP) {
    const int r = first + x / CHUNKS, c = x % CHUNKS;
    const i64 row = t.row + r;
    const bool exists = row < p.rows && c * 8 < p.d;
    const i64 h = t.head * p.group + (exists ? row / p.l : 0), i = exists ? row % p.l : 0;
    const WR_A *from = p.q + t.b * p.q_at.b + h * p.q_at.h + i * p.q_at.i + (exists ? c * 8 : 0);
    copy_16(to + chunk_at(ROWS, r, c), from, exists);
  }
}

/* KEYS rows from `first` on of keys or of values, of `length` elements, by one group; beyond m, zeros. */
INLINE void copy_tile(u32 to, const WR_A *from, i64 step, i64 first, i64 m, int length) {
  enum { EACH = GROUP / CHUNKS };
  const int c = threadIdx.x % CHUNKS, r = threadIdx.x % GROUP / CHUNKS;
  const WR_A *at = from + (first + r) * step + c * 8;
  const u32 place = to + chunk_at(KEYS, r, c); /* EACH is a multiple of 8 */
  const int rows = c * 8 < length ? (int)(m - first < KEYS ? m - first : KEYS) - r : 0;
#pragma unroll
  for (int i = 0; i < KEYS / EACH; i++) {
    const bool exists = i * EACH < rows;
    copy_16(place + i * EACH * 128, exists ? at : from, exists);
    at += EACH * step;
  }
}

/* All but the last N of what this thread committed is there, also for wgmma, for those who hear of it
   after this. */
template <int N>
INLINE void copied() {
  copies_wait<N>();
  products_see_shared();
}

/* ---- rows ---- */

/* What a lane has: rows lane / 4 and that + 8 of its warp's 16, of each eight columns the two from
   lane % 4 * 2 on. */
struct state {
  float sums[SUMS];
  float top[2], total[2]; /* of both rows; total: of this lane's columns alone */
};

/* Row r of those two, of all rows of the heads of a group; p.rows and more: none. */
INLINE int row_of(int first, int r) {
  return first + (int)threadIdx.x / 32 * 16 + (int)threadIdx.x % 32 / 4 + 8 * r;
}

INLINE void begin(state &s, const problem &p, const tile &t, bool first_split) {
#pragma unroll
  for (int r = 0; r < 2; r++) {
    const int row = row_of((int)t.row, r);
    s.top[r] = nothing();
    s.total[r] = 0;
    if (!p.sinks || !first_split || row >= p.rows) continue;
    const float sink = p.sinks[t.head * p.group + row / p.l];
    s.top[r] = in_log2(sink); /* a key without a value */
    if (sink != nothing() && threadIdx.x % 4 == 0) s.total[r] = 1 + (sink - sink);
  }
#pragma unroll
  for (int i = 0; i < SUMS; i++) s.sums[i] = 0;
}

/* Scores become what masks leave of them, in units of log2. Without an array of masks two numbers say
   which: of this lane's columns the first that does not exist, and the first that a row does not see. */
INLINE void apply_masks(float *x, const problem &p, i64 number, int rows, int first) {
  const int column = (int)threadIdx.x % 4 * 2;
  const float by = (float)p.scale;
  if (MASK) {
    const tile t = tile_of(p, number, ROWS);
    const i64 at[2] = {row_of(rows, 0), row_of(rows, 1)}, i[2] = {at[0] % p.l, at[1] % p.l};
#pragma unroll
    for (int n = 0; n < SCORES; n++) {
      const int r = n % 4 / 2;
      x[n] = in_log2(masked(p, t, x[n] * by, at[r], i[r], first + column + n / 4 * 8 + n % 2));
    }
    return;
  }
  const int end = (int)p.m - first - column;
  int seen[2];
#pragma unroll
  for (int r = 0; r < 2; r++) {
    const int row = row_of(rows, r);
    seen[r] = p.causal && row < (int)p.rows ? row % (int)p.l + 1 - (int)p.l + end : end;
  }
#pragma unroll
  for (int n = 0; n < SCORES; n++) {
    const int at = n / 4 * 8 + n % 2;
    const float y = at >= seen[n % 4 / 2] ? hidden() : x[n] * by * LOG2E;
    x[n] = at >= end ? nothing() : y == nothing() && x[n] * by != nothing() ? hidden() : y;
  }
}

INLINE float shrink_of(float before, float top) {
  return top == nothing() ? 1 : exp2_of(before - top);
}

/* Scores of keys from `first` on become exp of them less the greatest so far, to which sums so far
   shrink. Nothing hides any of the first `seen` keys. */
INLINE void weigh(float *x, state &s, const problem &p, i64 number, int rows, int seen, int first) {
  float by = (float)p.scale * LOG2E, top[2] = {nothing(), nothing()};
  if (MASK || !(by >= 0) || first + KEYS > seen) {
    apply_masks(x, p, number, rows, first);
    by = 1;
  }
#pragma unroll
  for (int n = 0; n < SCORES; n++) top[n % 4 / 2] = fmaxf(top[n % 4 / 2], x[n]);
#pragma unroll
  for (int i = 0; i < 2; i++) {
    top[i] = fmaxf(s.top[i], top[i] * by);
    top[i] = fmaxf(top[i], __shfl_xor_sync(~0u, top[i], 1));
    top[i] = fmaxf(top[i], __shfl_xor_sync(~0u, top[i], 2));
    s.total[i] *= shrink_of(s.top[i], top[i]);
    s.top[i] = top[i];
    if (top[i] == nothing()) top[i] = 0; /* any number will do, where all are -infinity so far */
  }
#pragma unroll
  for (int n = 0; n < SCORES; n++) {
    x[n] = exp2_of(fmaf(x[n], by, -top[n % 4 / 2]));
    s.total[n % 4 / 2] += x[n];
  }
}

/* As the left operand of the product with the values. */
INLINE void shares_of(u32 (&shares)[KEYS / 16][4], const float *x) {
#pragma unroll
  for (int i = 0; i < SCORES / 2; i++) shares[i / 4][i % 4] = both(x[2 * i], x[2 * i + 1]);
}

INLINE void put(WR_A *out, const parts &w, const state &s, const problem &p, const tile &t) {
  const int lane = threadIdx.x % 32, pair = lane % 4 * 2;
  const i64 all = p.batch * p.heads * p.rows, split = blockIdx.y;
#pragma unroll
  for (int i = 0; i < 2; i++) {
    float total = s.total[i];
    total += __shfl_xor_sync(~0u, total, 1);
    total += __shfl_xor_sync(~0u, total, 2);
    const i64 row = row_of((int)t.row, i);
    if (row >= p.rows) continue;
    const i64 at = (t.b * p.heads + t.head) * p.rows + row; /* heads of a group are neighbours */
    if (p.splits > 1 && lane % 4 == 0) put_stats(w, split * all + at, s.top[i], total);
#pragma unroll
    for (int n = 0; n < LENGTH / 8; n++) {
      const i64 c = n * 8 + pair;
      const float x = s.sums[4 * n + 2 * i], y = s.sums[4 * n + 2 * i + 1];
      if (c >= p.e) continue;
      if (p.splits > 1) {
        *(pack<float, 2> *)(w.sums + (split * all + at) * p.e + c) = {x, y};
      } else {
        *(u32 *)(void *)(out + at * p.e + c) = both(x / total, y / total);
      }
    }
  }
}

/* ---- a block ---- */

/* Copies a tile of keys, then the tile of their values, and so on. A tile is announced once it is there,
   which is looked at when two more have been begun: so two are always under way. */
struct copier {
  tiles *m;
  u32 begun; /* twice the number of tiles, and one for keys alone */
  INLINE void announce(u32 n) const {
    barrier_arrive(n % 2 ? m->v_there[stage_of(n / 2)] : m->k_there[stage_of(n / 2)]);
  }
  INLINE void committed() {
    copies_commit();
    copied<2>();
    if (begun >= 2) announce(begun - 2);
    begun++;
  }
  INLINE void finish() const {
    copied<0>();
    if (begun >= 2) announce(begun - 2);
    if (begun >= 1) announce(begun - 1);
  }
};

INLINE void copy_all(tiles &m, const problem &p, i64 count) {
  copier c = {&m, 0};
  u32 n = 0;
  for (i64 x = blockIdx.x; x < count; x += gridDim.x) {
    const tile t = tile_of(p, x, ROWS);
    const range r = range_of(p, span_of(p, t.row, ROWS), KEYS);
    const WR_A *keys = p.k + t.b * p.k_at.b + t.head * p.k_at.h;
    const WR_A *values = p.v + t.b * p.v_at.b + t.head * p.v_at.h;
    for (int j = (int)r.from; j < (int)r.end; j++, n++) {
      const int i = stage_of(n);
      barrier_wait(m.k_read[i], parity_of(n) ^ 1);
      copy_tile(shared_address(m.k[i]), keys, p.k_at.i, (i64)j * KEYS, p.m, (int)p.d);
      c.committed();
      barrier_wait(m.v_read[i], parity_of(n) ^ 1);
      copy_tile(shared_address(m.v[i]), values, p.v_at.i, (i64)j * KEYS, p.m, (int)p.e);
      c.committed();
    }
  }
  c.finish();
}

INLINE void group_meets() {
  asm volatile("bar.sync %0, %1;" ::"r"((int)threadIdx.x / GROUP + 1), "r"((int)GROUP) : "memory");
}

/* One thread of each warp says so for it. */
INLINE void done_with(u64 &barrier) {
  if (threadIdx.x % 32 == 0) barrier_arrive(barrier);
}

/* n: of the first of its tiles of keys among the block's; gives that of the next tile's. */
INLINE u32 attend_tile(WR_A *out, tiles &m, const parts &w, const problem &p, i64 number, u32 n) {
  const u32 q = shared_address(m.q), own = q + threadIdx.x / GROUP * 64 * 128;
  state s;
  int from, end, rows, seen;
  {
    const tile t = tile_of(p, number, ROWS);
    const span all = span_of(p, t.row, ROWS);
    const range r = range_of(p, all, KEYS);
    from = (int)r.from;
    end = (int)r.end;
    rows = (int)t.row;
    seen = (int)all.all;
    begin(s, p, t, blockIdx.y == 0);
    group_meets(); /* the rows before have been read */
    if (from < end) copy_queries(q, p, t);
    copies_commit();
    copied<0>();
    group_meets();
  }
  if (from < end) {
    float x[SCORES];
    u32 shares[KEYS / 16][4];
    barrier_wait(m.k_there[stage_of(n)], parity_of(n));
    products_begin();
    scores_of(x, own, shared_address(m.k[stage_of(n)]));
    products_commit();
    products_wait<0>();
    hold<SCORES>(x);
    done_with(m.k_read[stage_of(n)]);
    weigh(x, s, p, number, rows, seen, from * KEYS);
    shares_of(shares, x);
    for (int j = from + 1; j < end; j++, n++) {
      const int last = stage_of(n), now = stage_of(n + 1);
      const float top[2] = {s.top[0], s.top[1]};
      barrier_wait(m.k_there[now], parity_of(n + 1));
      products_begin();
      scores_of(x, own, shared_address(m.k[now]));
      products_commit();
      barrier_wait(m.v_there[last], parity_of(n));
      add_values(s.sums, shares, shared_address(m.v[last]));
      products_commit();
      products_wait<1>();
      hold<SCORES>(x);
      done_with(m.k_read[now]);
      weigh(x, s, p, number, rows, seen, j * KEYS);
      products_wait<0>();
      hold<SUMS>(s.sums);
      done_with(m.v_read[last]);
      const float shrink[2] = {shrink_of(top[0], s.top[0]), shrink_of(top[1], s.top[1])};
#pragma unroll
      for (int i = 0; i < SUMS; i++) s.sums[i] *= shrink[i % 4 / 2];
      shares_of(shares, x);
    }
    barrier_wait(m.v_there[stage_of(n)], parity_of(n));
    products_begin();
    add_values(s.sums, shares, shared_address(m.v[stage_of(n)]));
    products_commit();
    products_wait<0>();
    hold<SUMS>(s.sums);
    done_with(m.v_read[stage_of(n)]);
    n++;
  }
  put(out, w, s, p, tile_of(p, number, ROWS));
  return n;
}

extern "C" __global__ void __launch_bounds__(THREADS, 1) attend(WR_A *out, parts w, problem p) {
  extern __shared__ u8 memory[];
  tiles &m = *(tiles *)(((u64)memory + 1023) / 1024 * 1024);
  const i64 count = p.batch * p.heads * p.tiles;
  if (threadIdx.x == 0) {
    for (int i = 0; i < STAGES; i++) {
      barrier_set(m.k_there[i], GROUP);
      barrier_set(m.v_there[i], GROUP);
      barrier_set(m.k_read[i], GROUPS * 4);
      barrier_set(m.v_read[i], GROUPS * 4);
    }
  }
  __syncthreads();
  if (threadIdx.x >= GROUPS * GROUP) {
    asm volatile("setmaxnreg.dec.sync.aligned.u32 40;");
    copy_all(m, p, count);
  } else {
    asm volatile("setmaxnreg.inc.sync.aligned.u32 232;");
    u32 n = 0;
    for (i64 x = blockIdx.x; x < count; x += gridDim.x) n = attend_tile(out, m, w, p, x, n);
  }
}
