/* Attention of WR_A (16 bits) on GPUs of compute capability 9.0, where rows of queries, keys and values
   lie dense on 16 bytes: the way of attention.cu with what that generation has for it, after
   FlashAttention-3 (Shah and others, 2024). A block takes ROWS rows of the query heads of one head of
   keys. Groups of four warps multiply 64 of them each by a tile of KEYS keys at a time (wgmma); the
   product with the values of one tile runs beside the exponentials of the next, and the first scores
   of the next rows beside the last product of those before. A last group copies: one of its threads
   keys and values in boxes (TMA), its other warps the next rows' queries. It has few registers, by
   which the others have more.

   Scores are in units of log2, so that exp is exp2. What they are taken less is the greatest so far
   only where that has grown by more than LAZY since: else sums would be multiplied for nothing (as
   FlashAttention-4 has it).
   WR_VARIANT: how many times 64 elements keys and values have at most, 1 or 2; with a mask, 2 more;
   with three groups that multiply in place of two, 4 more; with tiles of 176 keys, 8 more.

   Registers are what is scarce: numbers have 32 bits, and what a job is lies in shared memory. */

#include "types.cuh"
#include "attention.cuh"
#include "attention_pairs.cuh"
#include "boxes.cuh"

enum {
  MASK = (WR_VARIANT - 1) / 2 % 2,
  LENGTH = 64 * ((WR_VARIANT - 1) % 2 + 1),
  GROUPS = (WR_VARIANT - 1) / 4 % 2 + 2, /* of four warps, that multiply */
  GROUP = 128,
  ROWS = 64 * GROUPS,
  KEYS = WR_VARIANT > 8 ? 176 : 128,
  TURNS = GROUPS == 2, /* of the groups (turn_take) */
  STAGES = 2,
  MOST = 230000, /* bytes of the operands */
  QUERIES = (2 * ROWS + 2 * STAGES * KEYS) * LENGTH * 2 <= MOST ? 2 : 1, /* stages of queries */
  JOBS = 4,
  THREADS = GROUP * (GROUPS + 1),
  REGISTERS = GROUPS == 2 ? 232 : 160,
  REGISTERS_TO_COPY = GROUPS == 2 ? 40 : 32,
  COPIERS = 96,        /* of queries */
  CHUNKS = LENGTH / 8, /* of 16 bytes in a row */
  SCORES = KEYS / 2,   /* that a thread has of its group's 64 x KEYS */
  SUMS = LENGTH / 2
};
#define LAZY 8.0f

/* A tile of a block: the head of keys, the first row, which tiles of keys. */
struct job {
  int b, head, row; /* row < 0: there is none, and none will come */
  int from, end;
};

/* Longer rows than 64 elements are cut, the second halves behind the first of all rows. */
struct alignas(1024) tiles {
  WR_A q[QUERIES][ROWS * LENGTH];
  WR_A k[STAGES][KEYS * LENGTH];
  WR_A v[STAGES][KEYS * LENGTH];
  u64 q_there[QUERIES][GROUPS], k_there[STAGES], v_there[STAGES]; /* barriers: copied */
  u64 q_read[QUERIES][GROUPS], k_read[STAGES], v_read[STAGES]; /* barriers: who multiply are done with it */
  job jobs[JOBS];                      /* number turn % JOBS for the turn-th time */
  u64 job_there[JOBS], job_read[JOBS]; /* barriers */
};

INLINE u32 chunk_at(int rows, int row, int chunk) {
  return (u32)(chunk / 8 * rows * 128) + chunk_of(row, chunk % 8);
}

/* ---- the tiles of a block ---- */

struct place {
  int b, head, row; /* the head of keys, the first row */
};

/* Number x: of so many heads together the last rows first, of whose tiles each takes longest. */
INLINE place tile_at(const problem &p, u32 x) {
  const u32 each = (u32)p.tiles, all = (u32)(p.batch * p.heads), most = (u32)p.together;
  const u32 first = x / (each * most) * most, rest = x - first * each;
  const u32 heads = all - first < most ? all - first : most, h = first + rest % heads;
  return {(int)(h / (u32)p.heads), (int)(h % (u32)p.heads), (int)(each - 1 - rest / heads) * ROWS};
}

/* As span_of has it. */
struct seen {
  int some, all;
};

INLINE seen seen_of(const problem &p, int row, int rows) {
  const int m = (int)p.m, l = (int)p.l;
  seen r = {m, p.mask ? 0 : m};
  if (!p.causal) return r;
  const int last = (row + rows < (int)p.rows ? row + rows : (int)p.rows) - 1;
  const bool one = p.group == 1 || row / l == last / l;
  const int least = p.group == 1 ? row : one ? row % l : 0;
  const int most = one ? least + last - row : l - 1;
  const int fewest = least + m - l + 1, n = most + m - l + 1;
  if (fewest < r.all) r.all = fewest;
  if (fewest > 0 && n < m) r.some = n;
  return r;
}

/* The tiles of keys that this split of a tile takes. */
INLINE void keys_of(const problem &p, int row, int &from, int &end) {
  const int count = (seen_of(p, row, ROWS).some + KEYS - 1) / KEYS;
  from = 0;
  end = count;
  if (p.splits == 1) return;
  const int each = (count + (int)p.splits - 1) / (int)p.splits;
  from = (int)blockIdx.y * each;
  end = from + each < count ? from + each : count;
}

/* ---- stages ---- */

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

#define D88(d) D64(d), D16(d, 64), D4(d, 80), D4(d, 84)
#define NAMES_88                                                                                   \
  "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, "    \
  "%20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, %32, %33, %34, %35, %36, %37, "     \
  "%38, %39, %40, %41, %42, %43, %44, %45, %46, %47, %48, %49, %50, %51, %52, %53, %54, %55, "     \
  "%56, %57, %58, %59, %60, %61, %62, %63, %64, %65, %66, %67, %68, %69, %70, %71, %72, %73, "     \
  "%74, %75, %76, %77, %78, %79, %80, %81, %82, %83, %84, %85, %86, %87}"

/* d of 64 x 176, as those of matrices.cuh. */
#define SCORES_OF_176(TYPE, NAME)                                                                  \
  INLINE void multiply_rows(TYPE, float (&d)[88], u64 a, u64 b, int adds) {                        \
    asm volatile("{.reg .pred p; setp.ne.b32 p, %90, 0; "                                          \
                 "wgmma.mma_async.sync.aligned.m64n176k16.f32." NAME "." NAME " " NAMES_88         \
                 ", %88, %89, p, 1, 1, 0, 0;}"                                                     \
                 : D88(d)                                                                          \
                 : "l"(a), "l"(b), "r"(adds));                                                     \
  }
SCORES_OF_176(f16, "f16")
SCORES_OF_176(bf16, "bf16")

/* The lower half of what wgmma reads from shared memory (operand), to which addresses may be added in
   units of 16 bytes; of all three matrices the upper half is the same. */
INLINE u32 half_operand(u32 address, u32 first) { return (u32)operand(address, first, 0); }
INLINE u64 whole_operand(u32 half) {
  u64 r;
  asm("mov.b64 %0, {%1, %2};" : "=l"(r) : "r"(half), "n"(1024 / 16 | 1 << 30));
  return r;
}

INLINE void scores_of(float (&s)[SCORES], u32 q, u32 k) {
#pragma unroll
  for (int i = 0; i < LENGTH / 16; i++) {
    const u64 a = whole_operand(q + (i / 4 * (ROWS * 128) + i % 4 * 32) / 16);
    const u64 b = whole_operand(k + (i / 4 * (KEYS * 128) + i % 4 * 32) / 16);
    multiply_rows(WR_A(), s, a, b, i);
  }
}

INLINE void add_values(float (&sums)[SUMS], const u32 (&shares)[KEYS / 16][4], u32 v) {
#pragma unroll
  for (int i = 0; i < KEYS / 16; i++) {
    multiply_turned(WR_A(), sums, shares[i], whole_operand(v + i * (16 * 128 / 16)));
  }
}

/* ---- copies ---- */

/* 64 rows of queries from `first` on, by COPIERS threads, of which this is number `mine`. */
INLINE void copy_queries(u32 to, const problem &p, const job &t, int first, int mine) {
  const int c = mine % CHUNKS;
  const WR_A *from = p.q + t.b * p.q_at.b + (t.head * p.group + first / (int)p.l) * p.q_at.h + c * 8;
  int i = first % (int)p.l + mine / CHUNKS;
#pragma unroll 1
  for (int r = mine / CHUNKS; r < 64; r += COPIERS / CHUNKS, i += COPIERS / CHUNKS) {
    const bool exists = first + r < (int)p.rows && c * 8 < (int)p.d;
    for (; exists && i >= (int)p.l; i -= (int)p.l) from += p.q_at.h;
    copy_16(to + chunk_at(ROWS, r, c), exists ? from + i * p.q_at.i : p.q, exists);
  }
}

/* KEYS rows from `first` on of keys or of values; beyond what there is, zeros. `at`: their strides;
   where those are 0 the map has one alone. */
INLINE void copy_tile(u32 to, const tensor_map &map, u64 &there, const places &at, const job &t,
                      int first) {
  const int head = at.h ? t.head : 0, b = at.b ? t.b : 0;
  barrier_expect(there, KEYS * LENGTH * (int)sizeof(WR_A));
#pragma unroll
  for (int i = 0; i < LENGTH; i += 64) {
    copy_box(to + i / 64 * KEYS * 128, map, i, first, head, b, there);
  }
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

INLINE void begin(state &s, const problem &p, const job &t, bool first_split) {
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

/* The same where each row sees some key and the scale is more than 0: no units change. */
INLINE void hide(float *x, const problem &p, int rows, int first) {
  const int end = (int)p.m - first - (int)threadIdx.x % 4 * 2;
  int seen[2];
#pragma unroll
  for (int r = 0; r < 2; r++) {
    const int row = row_of(rows, r), i = p.group == 1 ? row : row % (int)p.l;
    seen[r] = p.causal && row < (int)p.rows ? i + 1 - (int)p.l + end : end;
  }
#pragma unroll
  for (int n = 0; n < SCORES; n++) {
    if (n / 4 * 8 + n % 2 >= seen[n % 4 / 2]) x[n] = nothing();
  }
}

/* Scores become what masks leave of them, in units of log2. Without an array of masks two numbers say
   which: of this lane's columns the first that does not exist, and the first that a row does not see. */
INLINE void apply_masks(float *x, const problem &p, const job &own, int rows, int first) {
  const int column = (int)threadIdx.x % 4 * 2;
  const float by = (float)p.scale;
  if (MASK) {
    const tile t = {own.b, own.head, own.row};
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
    const float score = x[n] * by, y = score * LOG2E;
    const bool hides = (at >= seen[n % 4 / 2]) | ((y == nothing()) & (score != nothing()));
    x[n] = at >= end ? nothing() : hides ? hidden() : y;
  }
}

INLINE float shrink_of(float before, float top) {
  return top == nothing() ? 1 : exp2_of(before - top);
}

/* Scores times `by` become exp of them less the top. Where that has to grow, sums so far are to be
   multiplied by `shrink`, and the result is true, for the whole warp. */
INLINE bool weigh(float *x, state &s, float by, float (&shrink)[2]) {
  float top[4];
#pragma unroll
  for (int i = 0; i < 4; i++) top[i] = fmaxf(x[i], x[i + 4]);
#pragma unroll
  for (int n = 8; n < SCORES; n++) top[n % 4] = fmaxf(top[n % 4], x[n]);
#pragma unroll
  for (int i = 0; i < 2; i++) top[i] = fmaxf(top[2 * i], top[2 * i + 1]) * by;
  const bool grows = __any_sync(~0u, (top[0] > s.top[0] + LAZY) | (top[1] > s.top[1] + LAZY));
  if (grows) {
#pragma unroll
    for (int i = 0; i < 2; i++) {
      top[i] = fmaxf(s.top[i], top[i]);
      top[i] = greatest_of_four(top[i]);
      shrink[i] = shrink_of(s.top[i], top[i]);
      s.total[i] *= shrink[i];
      s.top[i] = top[i];
    }
  }
#pragma unroll
  for (int i = 0; i < 2; i++) {
    top[i] = s.top[i] == nothing() ? 0 : s.top[i]; /* any number will do, where all are -infinity so far */
  }
#pragma unroll
  for (int n = 0; n < SCORES; n++) {
    x[n] = exp2_of(fmaf(x[n], by, -top[n % 4 / 2]));
    s.total[n % 4 / 2] += x[n];
  }
  return grows;
}

/* Sleeps where a total is below 0, which none is. Without that the assembler moves the wait for a
   product that is under way to before the exponentials, which are to run beside it. */
INLINE void weighed(const state &s) {
  asm volatile("{.reg .pred p; setp.lt.f32 p, %0, 0f00000000; setp.lt.or.f32 p, %1, 0f00000000, p; "
               "@p nanosleep.u32 1;}" ::"f"(s.total[0]),
               "f"(s.total[1])
               : "memory");
}

/* As the left operand of the product with the values. */
INLINE void shares_of(u32 (&shares)[KEYS / 16][4], const float *x) {
#pragma unroll
  for (int i = 0; i < SCORES / 2; i++) shares[i / 4][i % 4] = both(x[2 * i], x[2 * i + 1]);
}

/* Of four lanes each has a word of each of four chunks; lane j gets all of chunk j. */
INLINE void turn_words(u32 (&w)[4]) {
  const bool odd = threadIdx.x & 1, high = threadIdx.x & 2;
#pragma unroll
  for (int i = 0; i < 4; i += 2) {
    const u32 got = __shfl_xor_sync(~0u, odd ? w[i] : w[i + 1], 1);
    if (odd) w[i] = got;
    else w[i + 1] = got;
  }
#pragma unroll
  for (int i = 0; i < 2; i++) {
    const u32 got = __shfl_xor_sync(~0u, high ? w[i] : w[i + 2], 2);
    if (high) w[i] = got;
    else w[i + 2] = got;
  }
}

INLINE void put(WR_A *out, const parts &w, const state &s, const problem &p, const job &t) {
  const int lane = threadIdx.x % 32, pair = lane % 4 * 2;
  const i64 all = p.batch * p.heads * p.rows, split = blockIdx.y;
#pragma unroll
  for (int i = 0; i < 2; i++) {
    const float total = sum_of_four(s.total[i]);
    const int row = row_of((int)t.row, i), e = (int)p.e;
    const bool exists = row < (int)p.rows;
    const i64 at = (t.b * p.heads + t.head) * p.rows + row; /* heads of a group are neighbours */
    if (p.splits > 1) {
      if (exists && lane % 4 == 0) put_stats(w, split * all + at, s.top[i], total);
#pragma unroll
      for (int n = 0; n < LENGTH / 8; n++) {
        const int c = n * 8 + pair;
        if (!exists || c >= e) continue;
        const float x = s.sums[4 * n + 2 * i], y = s.sums[4 * n + 2 * i + 1];
        *(pack<float, 2> *)(w.sums + (split * all + at) * e + c) = {x, y};
      }
      continue;
    }
    const float by = 1 / total;
#pragma unroll
    for (int n = 0; n < LENGTH / 8; n += 4) {
      u32 words[4];
#pragma unroll
      for (int k = 0; k < 4; k++) {
        words[k] = both(s.sums[4 * (n + k) + 2 * i] * by, s.sums[4 * (n + k) + 2 * i + 1] * by);
      }
      turn_words(words);
      const int c = (n + lane % 4) * 8;
      if (!exists || c >= e) continue;
      *(chunk16 *)(void *)(out + at * e + c) = {words[0], words[1], words[2], words[3]};
    }
  }
}

/* ---- a block ---- */

/* One thread of each warp says so for it. */
INLINE void done_with(u64 &barrier) {
  if (threadIdx.x % 32 == 0) barrier_arrive(barrier);
}

/* The block's job for the turn-th time, as the copier of keys says. */
INLINE job job_of(tiles &m, u32 turn) {
  barrier_wait(m.job_there[turn % JOBS], turn / JOBS % 2);
  const volatile job &t = m.jobs[turn % JOBS];
  return {t.b, t.head, t.row, t.from, t.end};
}
INLINE void done_with_job(tiles &m, u32 turn) {
  __syncwarp();
  done_with(m.job_read[turn % JOBS]);
}

/* Job number `turn` of the block is tile x. */
INLINE void say_job(tiles &m, const problem &p, u32 turn, u32 x, u32 count) {
  job t = {0, 0, -1, 0, 0};
  if (x < count) {
    const place at = tile_at(p, x);
    t.b = at.b;
    t.head = at.head;
    t.row = at.row;
    keys_of(p, t.row, t.from, t.end);
  }
  barrier_wait(m.job_read[turn % JOBS], turn / JOBS % 2 ^ 1);
  m.jobs[turn % JOBS] = t;
  barrier_arrive(m.job_there[turn % JOBS]);
}

/* By one thread, which also says which tiles the block takes: each the first that no block has, where
   blocks share a counter; it counts from gridDim.x on. counters[1]: how many blocks are through; the
   last leaves both at 0. */
INLINE void copy_all_keys(tiles &m, const problem &p, const tensor_map &keys, const tensor_map &values,
                          u32 count, u32 *counters) {
  u32 n = 0, x = blockIdx.x;
  say_job(m, p, 0, x, count);
  for (u32 turn = 0; x < count; turn++) {
    const job t = m.jobs[turn % JOBS];
    x = (counters ? atomicAdd(counters, 1u) : x) + gridDim.x;
    for (int j = t.end - 1; j >= t.from; j--, n++) {
      const int i = stage_of(n);
      barrier_wait(m.k_read[i], parity_of(n) ^ 1);
      copy_tile(shared_address(m.k[i]), keys, m.k_there[i], p.k_at, t, j * KEYS);
      barrier_wait(m.v_read[i], parity_of(n) ^ 1);
      copy_tile(shared_address(m.v[i]), values, m.v_there[i], p.v_at, t, j * KEYS);
      if (j == t.end - 1) say_job(m, p, turn + 1, x, count); /* in time for its queries */
    }
    if (t.end <= t.from) say_job(m, p, turn + 1, x, count);
  }
  if (counters && atomicAdd(counters + 1, 1u) == gridDim.x - 1) counters[0] = counters[1] = 0;
}

/* By the last three warps. */
INLINE void copy_all_queries(tiles &m, const problem &p) {
  for (u32 turn = 0;; turn++) {
    const job t = job_of(m, turn);
    done_with_job(m, turn);
    if (t.row < 0) return;
    const u32 i = turn % QUERIES;
#pragma unroll 1
    for (int g = 0; g < GROUPS; g++) {
      barrier_wait(m.q_read[i][g], turn / QUERIES % 2 ^ 1);
      copy_queries(shared_address(m.q[i]) + g * 64 * 128, p, t, t.row + g * 64,
                   (int)threadIdx.x - (THREADS - COPIERS));
      copies_commit();
      copies_wait<0>();
      products_see_shared();
      barrier_arrive(m.q_there[i][g]);
    }
  }
}

/* What a group does with a job: which tiles of keys it takes, from the last to the first, since masks
   hide the last ones. */
struct work {
  int from, j;
  int skips; /* tiles that are copied behind j, of which no row of the group sees any */
  int full;  /* that are not masked */
};

INLINE work work_of(const problem &p, const job &t, float scale) {
  work w;
  const int row = t.row + (int)threadIdx.x / GROUP * 64;
  const bool exists = row < (int)p.rows;
  const seen own = seen_of(p, exists ? row : t.row, 64);
  const int some = exists ? (own.some + KEYS - 1) / KEYS : 0;
  w.from = t.from;
  w.j = (some < t.end ? some : t.end) - 1;
  const int skips = t.end - 1 - (w.j < t.from - 1 ? t.from - 1 : w.j);
  w.skips = skips > 0 ? skips : 0;
  w.full = MASK || !(scale >= 0) ? 0 : own.all / KEYS;
  return w;
}

/* Groups ask for products in turn, so that one has its exponentials while the other multiplies: once
   for each tile of keys of a job. Three groups were slower so: exponentials take them as long as
   products. */
INLINE void turn_take() {
  if (TURNS) asm volatile("bar.sync %0, 256;" ::"r"(1 + (int)threadIdx.x / GROUP) : "memory");
}
INLINE void turn_give() {
  if (TURNS) {
    const int group = threadIdx.x / GROUP;
    asm volatile("bar.arrive %0, 256;" ::"r"(group == GROUPS - 1 ? 1 : 2 + group) : "memory");
  }
}

/* All jobs of a block, by a group. While the last values of one are added, the first scores of the next
   are computed. */
INLINE void attend_all(WR_A *out, tiles &m, const parts &w, const problem &p) {
  enum { STAGE = KEYS * LENGTH * 2 / 16, Q_STAGE = ROWS * LENGTH * 2 / 16 };
  const int group = threadIdx.x / GROUP;
  const float scale = (float)p.scale * LOG2E;
  const bool plain = !MASK && scale > 0 && (!p.causal || p.m >= p.l);
  const u32 q = half_operand(shared_address(m.q) + group * 64 * 128, 16);
  const u32 k = half_operand(shared_address(m.k), 16);
  const u32 v = half_operand(shared_address(m.v), KEYS * 128);
  float x[SCORES];
  u32 n = 0, turn = 0;
  bool under_way = false; /* the first scores are there */
  work a = work_of(p, job_of(m, 0), scale);
  int rows = (int)m.jobs[0].row;
  if (rows < 0) return;
  if (group == GROUPS - 1) turn_give();
  for (;;) {
    state s;
    begin(s, p, job_of(m, turn), blockIdx.y == 0);
    const u32 qs = turn % QUERIES;
    if (!under_way) {
#pragma unroll 1
      for (int i = 0; i < a.skips; i++, n++) {
        barrier_wait(m.k_there[stage_of(n)], parity_of(n));
        done_with(m.k_read[stage_of(n)]);
        barrier_wait(m.v_there[stage_of(n)], parity_of(n));
        done_with(m.v_read[stage_of(n)]);
        turn_take();
        turn_give();
      }
      barrier_wait(m.q_there[qs][group], turn / QUERIES % 2);
      if (a.from <= a.j) {
        barrier_wait(m.k_there[stage_of(n)], parity_of(n));
        turn_take();
        products_begin();
        scores_of(x, q + qs * Q_STAGE, k + stage_of(n) * STAGE);
        products_commit();
        turn_give();
        products_wait<0>();
        hold<SCORES>(x);
      }
    }
    work next;
    int next_rows;
    if (a.from <= a.j) {
      float shrink[2];
      u32 shares[KEYS / 16][4];
      int j = a.j;
      done_with(m.k_read[stage_of(n)]);
      if (a.from == j) done_with(m.q_read[qs][group]);
      if (j >= a.full) {
        if (plain) hide(x, p, rows, j * KEYS);
        else apply_masks(x, p, job_of(m, turn), rows, j * KEYS);
      }
      weigh(x, s, j >= a.full && !plain ? 1 : scale, shrink); /* all sums are 0 */
      shares_of(shares, x);
      bool keys_there = false;
      for (j--; j >= a.from; j--, n++) {
        const int last = stage_of(n), now = stage_of(n + 1);
        if (!keys_there) barrier_wait(m.k_there[now], parity_of(n + 1));
        turn_take();
        products_begin();
        scores_of(x, q + qs * Q_STAGE, k + now * STAGE);
        products_commit();
        barrier_wait(m.v_there[last], parity_of(n));
        products_begin();
        add_values(s.sums, shares, v + last * STAGE);
        products_commit();
        turn_give();
        products_wait<1>();
        hold<SCORES>(x);
        done_with(m.k_read[now]);
        if (a.from == j) done_with(m.q_read[qs][group]);
        if (j >= a.full) {
          if (plain) hide(x, p, rows, j * KEYS);
          else apply_masks(x, p, job_of(m, turn), rows, j * KEYS);
        }
        keys_there = barrier_over(m.k_there[stage_of(n + 2)], parity_of(n + 2));
        const bool grows = weigh(x, s, j >= a.full && !plain ? 1 : scale, shrink);
        weighed(s);
        products_wait<0>();
        hold<SUMS>(s.sums);
        done_with(m.v_read[last]);
        if (grows) {
#pragma unroll
          for (int i = 0; i < SUMS; i++) s.sums[i] *= shrink[i % 4 / 2];
        }
        shares_of(shares, x);
      }
      const job t = job_of(m, turn + 1);
      next = work_of(p, t, scale);
      next_rows = t.row;
      under_way = next_rows >= 0 && next.skips == 0 && next.from <= next.j;
      barrier_wait(m.v_there[stage_of(n)], parity_of(n));
      if (under_way) {
        const u32 qn = (turn + 1) % QUERIES;
        products_begin();
        add_values(s.sums, shares, v + stage_of(n) * STAGE);
        products_commit();
        barrier_wait(m.q_there[qn][group], (turn + 1) / QUERIES % 2);
        barrier_wait(m.k_there[stage_of(n + 1)], parity_of(n + 1));
        turn_take();
        products_begin();
        scores_of(x, q + qn * Q_STAGE, k + stage_of(n + 1) * STAGE);
        products_commit();
        turn_give();
        products_wait<1>();
        hold<SUMS>(s.sums);
        done_with(m.v_read[stage_of(n)]);
        put(out, w, s, p, job_of(m, turn));
        products_wait<0>();
        hold<SCORES>(x);
      } else {
        products_begin();
        add_values(s.sums, shares, v + stage_of(n) * STAGE);
        products_commit();
        products_wait<0>();
        hold<SUMS>(s.sums);
        done_with(m.v_read[stage_of(n)]);
        put(out, w, s, p, job_of(m, turn));
      }
      n++;
    } else { /* of no keys */
      done_with(m.q_read[qs][group]);
      const job t = job_of(m, turn + 1);
      next = work_of(p, t, scale);
      next_rows = t.row;
      under_way = false;
      put(out, w, s, p, job_of(m, turn));
    }
    done_with_job(m, turn);
    turn++;
    a = next;
    rows = next_rows;
    if (rows < 0) return;
  }
}

extern "C" __global__ void __launch_bounds__(THREADS, 1)
    attend(WR_A *out, parts w, problem p, const __grid_constant__ tensor_map keys,
           const __grid_constant__ tensor_map values, u32 *counters) {
  extern __shared__ u8 memory[];
  tiles &m = *(tiles *)(((u64)memory + 1023) / 1024 * 1024);
  const u32 count = (u32)(p.batch * p.heads * p.tiles);
  if (threadIdx.x == 0) {
    for (int i = 0; i < QUERIES * GROUPS; i++) {
      barrier_set(m.q_there[0][i], COPIERS);
      barrier_set(m.q_read[0][i], 4);
    }
    for (int i = 0; i < STAGES; i++) {
      barrier_set(m.k_there[i], 1);
      barrier_set(m.v_there[i], 1);
      barrier_set(m.k_read[i], GROUPS * 4);
      barrier_set(m.v_read[i], GROUPS * 4);
    }
    for (int i = 0; i < JOBS; i++) {
      barrier_set(m.job_there[i], 1);
      barrier_set(m.job_read[i], (GROUPS * GROUP + COPIERS) / 32);
    }
    products_see_shared(); /* nor do copies of boxes otherwise */
  }
  __syncthreads();
  if (threadIdx.x >= GROUPS * GROUP) {
    asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"((int)REGISTERS_TO_COPY));
    if (threadIdx.x >= GROUPS * GROUP + 32) {
      copy_all_queries(m, p);
    } else if (threadIdx.x == GROUPS * GROUP) {
      copy_all_keys(m, p, keys, values, count, counters);
    }
  } else {
    asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"((int)REGISTERS));
    attend_all(out, m, w, p);
  }
}
