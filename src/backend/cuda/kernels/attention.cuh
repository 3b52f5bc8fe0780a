/* What the kernels of attention share: the problem, blocks of rows, masks, results of splits. */

struct places {
  i64 b, h, i, j; /* strides */
};

struct problem {
  const WR_A *q, *k, *v;
  const WR_B *mask;   /* NULL: none */
  const float *sinks; /* NULL: none */
  places q_at, k_at, v_at, mask_at;
  i64 batch, heads, group, l, m, d, e;
  i64 rows, tiles; /* of all query heads of a group; of those */
  i64 causal, splits;
  double scale;
};

struct parts {
  float *sums;  /* of each split, of each row, e */
  float *stats; /* of each split, of each row: the greatest score, the sum */
};

INLINE float nothing() { return __uint_as_float(0xff800000u); } /* -infinity */
INLINE float hidden() { return -3.402823466e38f; }


/* ---- d += a b of 16 x 16 by 16 x 8, each lane with its part of the three ---- */

#if __CUDA_ARCH__ >= 800
INLINE void multiply(f16, float *d, const u32 *a, const u32 *b) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
      "{%8, %9}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
INLINE void multiply(bf16, float *d, const u32 *a, const u32 *b) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
      "{%8, %9}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
#else
INLINE float half_of(u32 word, int i) {
  WR_A x;
  x.v = (u16)(word >> (16 * i));
  return load<WR_A>(x);
}
/* The same from the other lanes' words, where there is no such instruction. */
INLINE void multiply(WR_A, float *d, const u32 *a, const u32 *b) {
  const int lane = threadIdx.x % 32;
#pragma unroll
  for (int k = 0; k < 16; k += 2) {
    const int part = k % 8 / 2, high = k / 8;
    const u32 top = __shfl_sync(~0u, a[2 * high], lane / 4 * 4 + part);
    const u32 bottom = __shfl_sync(~0u, a[2 * high + 1], lane / 4 * 4 + part);
    const u32 left = __shfl_sync(~0u, b[high], lane % 4 * 8 + part);
    const u32 right = __shfl_sync(~0u, b[high], lane % 4 * 8 + 4 + part);
#pragma unroll
    for (int i = 0; i < 2; i++) {
      d[0] = fmaf(half_of(top, i), half_of(left, i), d[0]);
      d[1] = fmaf(half_of(top, i), half_of(right, i), d[1]);
      d[2] = fmaf(half_of(bottom, i), half_of(left, i), d[2]);
      d[3] = fmaf(half_of(bottom, i), half_of(right, i), d[3]);
    }
  }
}
#endif

INLINE u32 both(WR_A x, WR_A y) { return (u32)x.v | (u32)y.v << 16; }
INLINE u32 both(f16, float x, float y) {
  u32 r;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(y), "f"(x));
  return r;
}
INLINE u32 both(bf16, float x, float y) {
  u32 r;
#if __CUDA_ARCH__ >= 800
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(y), "f"(x));
#else
  r = both(to_bf16(x), to_bf16(y));
#endif
  return r;
}
INLINE u32 both(float x, float y) { return both(WR_A(), x, y); }
INLINE u32 two(const WR_A *p) { return *(const u32 *)(const void *)p; }
INLINE WR_A zero() { return store_as<WR_A>::of(0.0f); }

/* ---- a block's tile ---- */

struct tile {
  i64 b, head; /* of keys */
  i64 row;     /* the first */
};

/* The longest first, where later rows see more keys. */
INLINE tile tile_of(const problem &p, i64 t, int rows) {
  tile r;
  r.row = (p.tiles - 1 - t % p.tiles) * rows;
  r.head = t / p.tiles % p.heads;
  r.b = t / p.tiles / p.heads;
  return r;
}

struct span {
  i64 some; /* keys that some row of a tile sees; all, where a row sees none */
  i64 all;  /* of the first so many nothing hides any from any row */
};

INLINE span span_of(const problem &p, i64 row, int rows) {
  span r = {p.m, p.mask ? 0 : p.m};
  if (!p.causal) return r;
  const i64 last = (row + rows < p.rows ? row + rows : p.rows) - 1;
  const bool one = row / p.l == last / p.l;
  const i64 least = one ? row % p.l : 0, most = one ? last % p.l : p.l - 1;
  const i64 fewest = least + p.m - p.l + 1, n = most + p.m - p.l + 1;
  if (fewest < r.all) r.all = fewest;
  if (fewest > 0 && n < p.m) r.some = n;
  return r;
}

/* The tiles of `keys` keys that this split of a tile of rows takes. */
struct range {
  i64 from, end;
};

INLINE range range_of(const problem &p, const span &seen, int keys) {
  const i64 count = (seen.some + keys - 1) / keys, each = (count + p.splits - 1) / p.splits;
  const i64 from = blockIdx.y * each;
  return {from, from + each < count ? from + each : count};
}

/* ---- masks ---- */

INLINE float with_mask(float score, b8 seen) { return seen.v ? score : hidden(); }
template <class E>
INLINE float with_mask(float score, E added) {
  return score + (float)load<E>(added);
}

/* The score of row `row` of a group, which is row i of its head. */
INLINE float masked(const problem &p, const tile &t, float score, i64 row, i64 i, i64 key) {
  if (key >= p.m) return nothing();
  if (row >= p.rows) return score;
  if (p.causal && key > i + p.m - p.l) return hidden();
  if (!p.mask) return score;
  const i64 h = t.head * p.group + row / p.l;
  const places &a = p.mask_at;
  return with_mask(score, p.mask[t.b * a.b + h * a.h + i * a.i + key * a.j]);
}

/* ---- exponentials in units of log2 ---- */

#define LOG2E 1.442695040888963f

/* What is finite stays so. */
INLINE float in_log2(float x) {
  const float y = x * LOG2E;
  return y == nothing() && x != nothing() ? hidden() : y;
}

INLINE float exp2_of(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

/* The greatest score, given in log2, and the sum of row `at` of a split. */
INLINE void put_stats(const parts &w, i64 at, float top, float total) {
  w.stats[2 * at] = top / LOG2E;
  w.stats[2 * at + 1] = total;
}
