/* Reductions over rows, by whatever makes their elements: WR_A to WR_B by WR_OP (sum, prod, max,
   min). Whole numbers add up in 64 bits and wrap; 16-bit floats and float in float within a thread
   and in double between threads, for which maxima and minima have no need; double in double;
   complex64 in floats, then doubles. A maximum or minimum is NaN when any element is.

   A reduction can be cut into splits, y of the grid; x goes over results. Each block puts the total
   of its split away and counts itself. The block that comes last for a result finds all totals there
   and folds them in their order: the result does not depend on the order in which blocks run.

   The order in which elements are folded depends on WR_A and on the extents alone, not on where they
   come from (rows.cuh), so that results are the same bit for bit. */

/* ---- what a thread adds up in; totals.cuh has what totals are kept in ---- */

template <class E>
struct part_of : total_of<E> {};
TYPE_OF(part_of, float, float)
TYPE_OF(part_of, f16, float)
TYPE_OF(part_of, bf16, float)
TYPE_OF(part_of, c64, c64)

typedef part_of<WR_A>::type part_t;

INLINE part_t to_part(WR_A x) { return element_as<part_t>::of(x); }

/* ---- the operations ---- */

template <class T>
INLINE T sum(T a, T b) {
  return a + b;
}
INLINE i64 sum(i64 a, i64 b) { return (i64)((u64)a + (u64)b); }
INLINE c64 sum(c64 a, c64 b) { return make_c64(a.re + b.re, a.im + b.im); }
INLINE z128 sum(z128 a, z128 b) { return make_z128(a.re + b.re, a.im + b.im); }

template <class T>
INLINE T prod(T a, T b) {
  return a * b;
}
INLINE i64 prod(i64 a, i64 b) { return (i64)((u64)a * (u64)b); }
INLINE c64 prod(c64 a, c64 b) {
  return make_c64(a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re);
}
INLINE z128 prod(z128 a, z128 b) {
  return make_z128(a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re);
}

/* A NaN in b is taken; a NaN in a stays, since nothing compares greater or less. */
template <class T>
INLINE T max_of(T a, T b) {
  return b > a || b != b ? b : a;
}
template <class T>
INLINE T min_of(T a, T b) {
  return b < a || b != b ? b : a;
}
template <class Z>
INLINE bool is_nan(Z x) {
  return x.re != x.re || x.im != x.im;
}
template <class Z>
INLINE Z max_complex(Z a, Z b) {
  if (is_nan(a)) return a;
  if (is_nan(b)) return b;
  return b.re > a.re || (b.re == a.re && b.im > a.im) ? b : a;
}
template <class Z>
INLINE Z min_complex(Z a, Z b) {
  if (is_nan(a)) return a;
  if (is_nan(b)) return b;
  return b.re < a.re || (b.re == a.re && b.im < a.im) ? b : a;
}
INLINE c64 max_of(c64 a, c64 b) { return max_complex(a, b); }
INLINE z128 max_of(z128 a, z128 b) { return max_complex(a, b); }
INLINE c64 min_of(c64 a, c64 b) { return min_complex(a, b); }
INLINE z128 min_of(z128 a, z128 b) { return min_complex(a, b); }

#define OPERATION(name, f)         \
  struct op_##name {               \
    template <class T>             \
    static INLINE T of(T a, T b) { \
      return f(a, b);              \
    }                              \
  };
OPERATION(sum, sum)
OPERATION(prod, prod)
OPERATION(max, max_of)
OPERATION(min, min_of)
#undef OPERATION

/* A float that is the greatest or least of some stays what it is. */
template <class OP, class P>
struct kept_of : total_of<WR_A> {};
template <>
struct kept_of<op_max, float> {
  typedef float type;
};
template <>
struct kept_of<op_min, float> {
  typedef float type;
};
typedef kept_of<WR_OP, part_t>::type total_t;

INLINE total_t to_total(part_t x) { return element_as<total_t>::of(x); }

/* ---- neutral elements; for maxima and minima the ends of the element's own range ---- */

template <class E, class P>
struct limits {
  static INLINE P high() {
    return (P)((E)-1 < (E)0 ? (E)~((E)1 << (sizeof(E) * 8 - 1)) : (E)~(E)0);
  }
  static INLINE P low() { return (P)((E)-1 < (E)0 ? (E)((E)1 << (sizeof(E) * 8 - 1)) : (E)0); }
};
template <class P>
struct limits<b8, P> {
  static INLINE P high() { return (P)1; }
  static INLINE P low() { return (P)0; }
};
template <class P>
struct real_limits {
  static INLINE P high() { return (P)__int_as_float(0x7f800000); }
  static INLINE P low() { return (P)__int_as_float(0xff800000); }
};
template <class P>
struct limits<float, P> : real_limits<P> {};
template <class P>
struct limits<double, P> : real_limits<P> {};
template <class P>
struct limits<f16, P> : real_limits<P> {};
template <class P>
struct limits<bf16, P> : real_limits<P> {};

template <class OP, class E>
struct neutral;
INLINE c64 both_parts(float x) { return make_c64(x, x); }
#define NEUTRAL(op, real, complex)             \
  template <class E>                           \
  struct neutral<op, E> {                      \
    static INLINE part_t of() { return real; } \
  };                                           \
  template <>                                  \
  struct neutral<op, c64> {                    \
    static INLINE c64 of() { return complex; } \
  };
NEUTRAL(op_sum, (part_t)0, make_c64(0, 0))
NEUTRAL(op_prod, (part_t)1, make_c64(1, 0))
NEUTRAL(op_max, (limits<E, part_t>::low()), both_parts(real_limits<float>::low()))
NEUTRAL(op_min, (limits<E, part_t>::high()), both_parts(real_limits<float>::high()))
#undef NEUTRAL

INLINE part_t nothing() { return neutral<WR_OP, WR_A>::of(); }
INLINE part_t fold(part_t a, part_t b) { return WR_OP::of(a, b); }

/* ---- results ---- */

/* The place of the results; where there are splits, also of their totals, and for each result a
   counter that is 0. */
struct target {
  WR_B *out;
  total_t *totals;
  u32 *counters;
};

/* ---- between threads ---- */

template <class T>
INLINE T shuffle_down(T x, int by) {
  return by_words(x, [by](u32 word) { return __shfl_down_sync(~0u, word, by); });
}

INLINE total_t fold_warp(total_t t) {
#pragma unroll
  for (int by = 16; by > 0; by /= 2) t = WR_OP::of(t, shuffle_down(t, by));
  return t;
}

/* The block's total, right in thread 0. */
INLINE total_t fold_block(total_t t) {
  __shared__ total_t warps[32];
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  t = fold_warp(t);
  __syncthreads();
  if (lane == 0) warps[warp] = t;
  __syncthreads();
  t = lane < (int)blockDim.x / 32 ? warps[lane] : to_total(nothing());
  return warp == 0 ? fold_warp(t) : t;
}

/* ---- between blocks ---- */

/* The totals of splits `first`, `first + step` and so on, that lie `apart`; AHEAD are read at a
   time. */
template <int AHEAD>
INLINE total_t fold_totals(const total_t *at, i64 apart, u32 first, u32 step) {
  const u32 splits = gridDim.y;
  total_t total = to_total(nothing());
  for (u32 s = first; s < splits; s += AHEAD * step) {
    total_t x[AHEAD];
#pragma unroll
    for (u32 k = 0; k < AHEAD; k++) {
      if (s + k * step < splits) x[k] = peek(at + (i64)(s + k * step) * apart);
    }
#pragma unroll
    for (u32 k = 0; k < AHEAD; k++) {
      if (s + k * step < splits) total = WR_OP::of(total, x[k]);
    }
  }
  return total;
}

/* What the block's split of result r comes to, right in thread 0. */
INLINE void put_split(const target &to, index_t r, total_t total) {
  if (gridDim.y > 1) {
    total_t *totals = to.totals + (i64)r * gridDim.y;
    if (threadIdx.x == 0) totals[blockIdx.y] = total;
    if (!comes_last(to.counters + r)) return;
    total = fold_block(fold_totals<4>(totals, 1, threadIdx.x, THREADS));
  }
  if (threadIdx.x == 0) to.out[r] = finish<WR_B>::of(total);
}

/* ---- rows ---- */

/* COUNT packs of K elements, THREADS packs apart from `i` on; AHEAD pieces of Q elements are read at
   a time. */
template <int COUNT, int AHEAD, class FROM>
INLINE part_t fold_packs(part_t part, const typename FROM::row &row, i64 i) {
  enum { PIECES = K / FROM::Q };
#pragma unroll 1
  for (int s = 0; s < COUNT * PIECES; s += AHEAD) {
    typename FROM::raw x[AHEAD];
#pragma unroll
    for (int k = 0; k < AHEAD; k++) {
      x[k] = row.packs((i + (s + k) / PIECES * THREADS) * PIECES + (s + k) % PIECES);
    }
#pragma unroll
    for (int k = 0; k < AHEAD; k++) {
#pragma unroll
      for (int q = 0; q < FROM::Q; q++) part = fold(part, to_part(FROM::value(x[k], q)));
    }
  }
  return part;
}

/* A block per result and split; elements go by packs of K as if they lay dense in memory, from a
   multiple of 16 bytes on. */
template <class FROM>
INLINE void reduce_packs(const target &to, const FROM &from, index_t results, i64 n,
                         i64 per_split) {
  const split_range own = own_split(n, per_split);
  for (index_t r = blockIdx.x; r < results; r += gridDim.x) {
    const typename FROM::row row = from.of(r);
    const index_t packs = (index_t)(own.end / K);
    total_t total = to_total(nothing());
    index_t i = (index_t)(own.begin / K) + threadIdx.x;
    for (; i + (UNROLL - 1) * THREADS < packs; i += UNROLL * THREADS) {
      const part_t part = fold_packs<UNROLL, FROM::AHEAD, FROM>(nothing(), row, i);
      total = WR_OP::of(total, to_total(part));
    }
    part_t part = nothing();
#pragma unroll 1
    for (; i < packs; i += THREADS) part = fold_packs<1, 1, FROM>(part, row, i);
    /* Fewer than K are left. */
    const i64 j = (i64)packs * K + threadIdx.x;
    if (j < own.end) part = fold(part, to_part(row.one(j)));
    put_split(to, r, fold_block(WR_OP::of(total, to_total(part))));
  }
}

/* The same for more than the caches hold. Splits take turns, a round of TURN packs a thread each: so the
   blocks that run at once read what lies side by side. */
template <class FROM>
INLINE void reduce_turns(const target &to, const FROM &from, index_t results, i64 n) {
  enum { TURN = 2 * UNROLL, ROUND = TURN * THREADS };
  const index_t packs = (index_t)(n / K);
  for (index_t r = blockIdx.x; r < results; r += gridDim.x) {
    const typename FROM::row row = from.of(r);
    total_t total = to_total(nothing());
    index_t i = blockIdx.y * ROUND + threadIdx.x;
    for (; i + (TURN - 1) * THREADS < packs; i += gridDim.y * ROUND) {
      const part_t part = fold_packs<TURN, FROM::AHEAD, FROM>(nothing(), row, i);
      total = WR_OP::of(total, to_total(part));
    }
    /* What is left of the last round, and fewer than K elements, are its split's. */
    part_t part = nothing();
#pragma unroll 1
    for (; i < packs; i += THREADS) part = fold_packs<1, 1, FROM>(part, row, i);
    const i64 j = (i64)packs * K + threadIdx.x;
    if (j < n && packs / ROUND % gridDim.y == blockIdx.y) part = fold(part, to_part(row.one(j)));
    put_split(to, r, fold_block(WR_OP::of(total, to_total(part))));
  }
}

/* The same for elements one by one. */
template <class FROM>
INLINE void reduce_rows(const target &to, const FROM &from, index_t results, i64 n,
                        i64 per_split) {
  const split_range own = own_split(n, per_split);
  for (index_t r = blockIdx.x; r < results; r += gridDim.x) {
    const typename FROM::row row = from.of(r);
    total_t total = to_total(nothing());
    for (i64 j = own.begin + threadIdx.x; j < own.end; j += UNROLL * THREADS) {
      part_t part = nothing();
#pragma unroll FROM::AHEAD
      for (int u = 0; u < UNROLL; u++) {
        const i64 at = j + u * THREADS;
        if (at < own.end) part = fold(part, to_part(row.one(at)));
      }
      total = WR_OP::of(total, to_total(part));
    }
    put_split(to, r, fold_block(total));
  }
}

/* A lane's part of a short row: every pack of K elements that is its turn, and the rest of a row one by
   one. */
template <class FROM>
INLINE part_t fold_short(const typename FROM::row &row, i64 n) {
  enum { PIECES = K / FROM::Q };
  part_t part = nothing();
  for (i64 i = threadIdx.x; i * K < n; i += blockDim.x) {
    if ((i + 1) * K > n) {
      for (i64 j = i * K; j < n; j++) part = fold(part, to_part(row.one(j)));
      break;
    }
    typename FROM::raw x[PIECES];
#pragma unroll
    for (int s = 0; s < PIECES; s++) x[s] = row.packs(i * PIECES + s);
#pragma unroll
    for (int k = 0; k < K; k++) part = fold(part, to_part(FROM::value(x[k / FROM::Q], k % FROM::Q)));
  }
  return part;
}

/* A lane's total joined with those of the others that have a part of its row, right in the first. */
INLINE total_t fold_lanes(total_t total) {
#pragma unroll
  for (int by = 16; by > 0; by /= 2) {
    if (by < (int)blockDim.x) total = WR_OP::of(total, shuffle_down(total, by));
  }
  return total;
}

/* For rows of a pack to each lane, as reduce_short_rows has them; a lane reads those of SHORT_ROWS results
   before it folds any. */
enum { SHORT_ROWS = 2 };
INLINE void reduce_single_packs(const target &to, const dense_rows &from, index_t results) {
  for (index_t first = row_index() * SHORT_ROWS; first < results; first += row_count() * SHORT_ROWS) {
    dense_rows::raw x[SHORT_ROWS];
#pragma unroll
    for (int u = 0; u < SHORT_ROWS; u++) {
      const index_t r = first + u * blockDim.y + threadIdx.y;
      if (r < results) x[u] = from.of(r).packs(threadIdx.x);
    }
#pragma unroll
    for (int u = 0; u < SHORT_ROWS; u++) {
      const index_t r = first + u * blockDim.y + threadIdx.y;
      part_t part = nothing();
#pragma unroll
      for (int k = 0; k < K; k++) {
        if (r < results) part = fold(part, to_part(x[u].e[k]));
      }
      const total_t total = fold_lanes(to_total(part));
      if (threadIdx.x == 0 && r < results) to.out[r] = finish<WR_B>::of(total);
    }
  }
}

/* For few elements each: a row of the block per result, which is a power of two up to a warp. */
template <class FROM>
INLINE void reduce_short_rows(const target &to, const FROM &from, index_t results, i64 n) {
  for (index_t first = row_index(); first < results; first += row_count()) {
    const index_t r = first + threadIdx.y;
    const total_t total =
        fold_lanes(to_total(r < results ? fold_short<FROM>(from.of(r), n) : nothing()));
    if (threadIdx.x == 0 && r < results) to.out[r] = finish<WR_B>::of(total);
  }
}
