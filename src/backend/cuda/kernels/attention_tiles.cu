/* Attention of WR_A (16 bits) on GPUs of compute capability 9.0, where rows of queries, keys and values
   lie dense on 16 bytes: the way of attention.cu with what that generation has for it. A block takes
   ROWS rows of the query heads of one head of keys; each of its groups of four warps multiplies 64
   of them by a tile of KEYS keys at a time (wgmma), while the copies of the next keys are under way
   (cp.async). The product with the values of one tile runs beside the exponentials of the next, after
   FlashAttention-3 (Shah and others, 2024). Scores are in units of log2, so that exp is exp2.
   WR_VARIANT: how many times 64 elements keys and values have at most, 1 or 2. */

#include "types.cuh"
#include "attention.cuh"

enum {
  GROUPS = 2, /* of four warps */
  ROWS = 64 * GROUPS,
  KEYS = 128,
  THREADS = 128 * GROUPS,
  LENGTH = 64 * WR_VARIANT,
  CHUNKS = LENGTH / 8, /* of 16 bytes in a row */
  SCORES = KEYS / 2,   /* that a thread has of its group's 64 x KEYS */
  SUMS = LENGTH / 2
};

/* In shared memory a row of 64 elements takes 128 bytes, in which chunk c of row r lies at c ^ r % 8:
   the order that wgmma calls the swizzle of 128 bytes. Longer rows are cut, the second halves behind
   the first of all rows. */
struct alignas(1024) tiles {
  WR_A q[ROWS * LENGTH];
  WR_A k[2][KEYS * LENGTH];
  WR_A v[2][KEYS * LENGTH];
};

INLINE u32 shared_address(const void *p) { return (u32)__cvta_generic_to_shared(p); }

INLINE u32 chunk_at(int rows, int row, int chunk) {
  return (u32)(chunk / 8 * rows * 128 + row * 128 + (chunk % 8 ^ row % 8) * 16);
}

INLINE void copy_chunk(u32 to, const void *from, bool exists) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(exists ? 16 : 0)
               : "memory");
}

/* ---- products of a group of four warps ---- */

/* What the instruction reads from shared memory: an address in units of 16 bytes, two distances, the
   swizzle. Along rows (K-major) the second is between groups of eight rows; across them, of a matrix
   that is read turned, the first is between its halves and the second between groups of eight rows. */
INLINE u64 operand(u32 address, u32 first, u32 second) {
  return (u64)(address >> 4 & 0x3fffu) | (u64)(first >> 4) << 16 | (u64)(second >> 4) << 32 |
         (u64)1 << 62;
}

INLINE void products_begin() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
INLINE void products_commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
template <int N>
INLINE void products_wait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(N) : "memory");
}
/* Nothing of these is read or written across this point. */
template <int N>
INLINE void hold(float *x) {
#pragma unroll
  for (int i = 0; i < N; i++) asm volatile("" : "+f"(x[i])::"memory");
}

#define D4(d, i) "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3])
#define D16(d, i) D4(d, i), D4(d, i + 4), D4(d, i + 8), D4(d, i + 12)
#define D32(d) D16(d, 0), D16(d, 16)
#define D64(d) D16(d, 0), D16(d, 16), D16(d, 32), D16(d, 48)
#define NAMES_32                                                                                   \
  "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, "    \
  "%20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31}"
#define NAMES_64                                                                                   \
  "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, "    \
  "%20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, %32, %33, %34, %35, %36, %37, "     \
  "%38, %39, %40, %41, %42, %43, %44, %45, %46, %47, %48, %49, %50, %51, %52, %53, %54, %55, "     \
  "%56, %57, %58, %59, %60, %61, %62, %63}"

/* d of 64 x 128 = or += a of 64 x 16 by the rows of b, 128 x 16. */
#define SCORES_OF(TYPE, NAME)                                                                      \
  INLINE void multiply_rows(TYPE, float *d, u64 a, u64 b, int adds) {                              \
    asm volatile("{.reg .pred p; setp.ne.b32 p, %66, 0; "                                          \
                 "wgmma.mma_async.sync.aligned.m64n128k16.f32." NAME "." NAME " " NAMES_64         \
                 ", %64, %65, p, 1, 1, 0, 0;}"                                                     \
                 : D64(d)                                                                          \
                 : "l"(a), "l"(b), "r"(adds));                                                     \
  }
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
SCORES_OF(f16, "f16")
SCORES_OF(bf16, "bf16")
SUMS_OF(f16, "f16")
SUMS_OF(bf16, "bf16")

INLINE void scores_of(float *s, u32 q, u32 k) {
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

INLINE void copy_queries(u32 to, const problem &p, const tile &t) {
  for (int x = threadIdx.x; x < ROWS * CHUNKS; x += THREADS) {
    const int r = x / CHUNKS, c = x % CHUNKS;
    const i64 row = t.row + r;
    const bool exists = row < p.rows && c * 8 < p.d;
    const i64 h = t.head * p.group + (exists ? row / p.l : 0), i = exists ? row % p.l : 0;
    const WR_A *from = p.q + t.b * p.q_at.b + h * p.q_at.h + i * p.q_at.i + (exists ? c * 8 : 0);
    copy_chunk(to + chunk_at(ROWS, r, c), from, exists);
  }
}

/* KEYS rows from `first` on of keys or of values, `length` elements each; beyond m, zeros. */
INLINE void copy_tile(u32 to, const WR_A *from, i64 step, i64 first, i64 m, int length) {
  enum { EACH = THREADS / CHUNKS };
  const int c = threadIdx.x % CHUNKS, r = threadIdx.x / CHUNKS;
  const WR_A *at = from + (first + r) * step + c * 8;
  const u32 place = to + chunk_at(KEYS, r, c); /* EACH is a multiple of 8 */
#pragma unroll
  for (int i = 0; i < KEYS / EACH; i++) {
    const bool exists = first + r + i * EACH < m && c * 8 < length;
    copy_chunk(place + i * EACH * 128, exists ? at + i * EACH * step : from, exists);
  }
}

/* What this thread copied is there, also for wgmma, once all threads have met. */
INLINE void copies_wait() {
  asm volatile("cp.async.wait_all;" ::: "memory");
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

/* ---- rows ---- */

/* What a lane has: rows lane / 4 and that + 8 of its warp's 16, of each eight columns the two from
   lane % 4 * 2 on. */
struct state {
  float sums[SUMS];
  float top[2], total[2]; /* of both rows; total: of this lane's columns alone */
  i64 row[2];             /* of the group's; p.rows and more: none */
  int i[2];               /* the row of its own head */
};

INLINE void begin(state &s, const problem &p, const tile &t, bool first_split) {
  const int lane = threadIdx.x % 32;
#pragma unroll
  for (int i = 0; i < 2; i++) {
    s.row[i] = t.row + threadIdx.x / 32 * 16 + lane / 4 + 8 * i;
    s.i[i] = (int)(s.row[i] % p.l);
    s.top[i] = nothing();
    s.total[i] = 0;
    if (!p.sinks || !first_split || s.row[i] >= p.rows) continue;
    const float sink = p.sinks[t.head * p.group + s.row[i] / p.l];
    s.top[i] = in_log2(sink); /* a key without a value */
    if (sink != nothing() && lane % 4 == 0) s.total[i] = 1 + (sink - sink);
  }
#pragma unroll
  for (int i = 0; i < SUMS; i++) s.sums[i] = 0;
}

/* Scores become what masks leave of them, in units of log2. */
INLINE void apply_masks(float *x, const state &s, const problem &p, const tile &t, i64 first) {
  const i64 column = first + threadIdx.x % 4 * 2;
#pragma unroll
  for (int n = 0; n < SCORES; n++) {
    const int r = n % 4 / 2;
    const i64 key = column + n / 4 * 8 + n % 2;
    x[n] = in_log2(masked(p, t, x[n] * (float)p.scale, s.row[r], s.i[r], key));
  }
}

INLINE float shrink_of(float before, float top) {
  return top == nothing() ? 1 : exp2_of(before - top);
}

/* Scores of keys from `first` on become exp of them less the greatest so far, to which sums so far
   shrink. */
INLINE void weigh(float *x, state &s, const problem &p, const tile &t, const span &seen, i64 first) {
  float by = (float)p.scale * LOG2E, top[2] = {nothing(), nothing()};
  if (!(by >= 0) || first + KEYS > seen.all) {
    apply_masks(x, s, p, t, first);
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
    if (s.row[i] >= p.rows) continue;
    const i64 at = (t.b * p.heads + t.head) * p.rows + s.row[i]; /* heads of a group are neighbours */
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

INLINE void attend_tile(WR_A *out, tiles &m, const parts &w, const problem &p, const tile &t) {
  const span seen = span_of(p, t.row, ROWS);
  const i64 count = (seen.some + KEYS - 1) / KEYS;
  const i64 each = (count + p.splits - 1) / p.splits, from = blockIdx.y * each;
  const i64 end = from + each < count ? from + each : count;
  const WR_A *keys = p.k + t.b * p.k_at.b + t.head * p.k_at.h;
  const WR_A *values = p.v + t.b * p.v_at.b + t.head * p.v_at.h;
  const u32 q = shared_address(m.q), k = shared_address(m.k), v = shared_address(m.v);
  const u32 own = q + threadIdx.x / 128 * 64 * 128; /* the rows of this group of warps */
  enum { TILE = KEYS * LENGTH * 2 };
  state s;
  begin(s, p, t, blockIdx.y == 0);
  float x[SCORES];
  u32 shares[KEYS / 16][4];
  __syncthreads(); /* the tile before has been read */
  if (from < end) {
    /* At the head of a turn come the keys of j and the values of j - 1, and every thread is done with
       those before. */
    copy_queries(q, p, t);
    copy_tile(k, keys, p.k_at.i, from * KEYS, p.m, (int)p.d);
    copies_wait();
    __syncthreads();
    copy_tile(v, values, p.v_at.i, from * KEYS, p.m, (int)p.e);
    copy_tile(k + TILE, keys, p.k_at.i, (from + 1) * KEYS, p.m, (int)p.d);
    products_begin();
    scores_of(x, own, k);
    products_commit();
    products_wait<0>();
    hold<SCORES>(x);
    weigh(x, s, p, t, seen, from * KEYS);
    shares_of(shares, x);
    for (i64 j = from + 1; j < end; j++) {
      const int now = (int)(j - from) % 2;
      const float top[2] = {s.top[0], s.top[1]};
      copies_wait();
      __syncthreads();
      copy_tile(v + now * TILE, values, p.v_at.i, j * KEYS, p.m, (int)p.e);
      copy_tile(k + (1 - now) * TILE, keys, p.k_at.i, (j + 1) * KEYS, p.m, (int)p.d);
      products_begin();
      scores_of(x, own, k + now * TILE);
      products_commit();
      add_values(s.sums, shares, v + (1 - now) * TILE);
      products_commit();
      products_wait<1>();
      hold<SCORES>(x);
      weigh(x, s, p, t, seen, j * KEYS);
      products_wait<0>();
      hold<SUMS>(s.sums);
      const float shrink[2] = {shrink_of(top[0], s.top[0]), shrink_of(top[1], s.top[1])};
#pragma unroll
      for (int i = 0; i < SUMS; i++) s.sums[i] *= shrink[i % 4 / 2];
      shares_of(shares, x);
    }
    copies_wait();
    __syncthreads();
    products_begin();
    add_values(s.sums, shares, v + (int)(end - 1 - from) % 2 * TILE);
    products_commit();
    products_wait<0>();
    hold<SUMS>(s.sums);
  }
  put(out, w, s, p, t);
}

extern "C" __global__ void __launch_bounds__(THREADS, 1) attend(WR_A *out, parts w, problem p) {
  extern __shared__ u8 memory[];
  tiles &m = *(tiles *)(((u64)memory + 1023) / 1024 * 1024);
  const i64 count = p.batch * p.heads * p.tiles;
  for (i64 x = blockIdx.x; x < count; x += gridDim.x) {
    attend_tile(out, m, w, p, tile_of(p, x, ROWS));
  }
}
