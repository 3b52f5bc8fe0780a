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
  i64 together; /* heads whose tiles come in turn, in attention_tiles.cu */
  double scale;
};

struct parts {
  float *sums;  /* of each split, of each row, e */
  float *stats; /* of each split, of each row: the greatest score, the sum */
};

INLINE float nothing() { return __uint_as_float(0xff800000u); } /* -infinity */
INLINE float hidden() { return -3.402823466e38f; }

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

/* ---- lanes ---- */

/* Where four neighbouring lanes have a row: of what each has, for all of them. */
INLINE float greatest_of_four(float x) {
  x = fmaxf(x, __shfl_xor_sync(~0u, x, 1));
  return fmaxf(x, __shfl_xor_sync(~0u, x, 2));
}
INLINE float sum_of_four(float x) {
  x += __shfl_xor_sync(~0u, x, 1);
  return x + __shfl_xor_sync(~0u, x, 2);
}

/* ---- results of splits ---- */

/* What a split counts whose greatest score is `own`, where that of all is `top`. */
INLINE float share_of(float own, float top) {
  return own == top ? 1 : own == nothing() ? 0 : expf(own - top);
}

/* Of n rows of e elements they become one. */
INLINE void join_splits(WR_A *out, const parts &w, i64 n, i64 e, i64 splits) {
  for (i64 x = thread_index(); x < n * e; x += thread_count()) {
    const i64 row = x / e, c = x - row * e;
    float top = nothing(), total = 0, sum = 0;
    for (i64 s = 0; s < splits; s++) top = fmaxf(top, w.stats[2 * (s * n + row)]);
    for (i64 s = 0; s < splits; s++) {
      const float share = share_of(w.stats[2 * (s * n + row)], top);
      total += w.stats[2 * (s * n + row) + 1] * share;
      sum += w.sums[(s * n + row) * e + c] * share;
    }
    out[x] = store_as<WR_A>::of(sum / total);
  }
}
