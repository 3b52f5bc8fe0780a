/* Scans of WR_A along one axis by WR_OP: add, multiply, maximum, minimum, logaddexp. Whole numbers
   wrap in 64 bits; floats of 16 and 32 bits and double are joined in double, complex64 in two
   doubles, and rounded once for each result. What comes before the first element is the total of
   nothing: 0, 1, the type's least or greatest value, -inf.

   A line is cut into tiles, a block to each (`lines`, by packs of 16 bytes `packed_lines`). A tile
   that is not its line's first needs what all before it come to. Each tells its own total as soon as
   it has it. GROUP tiles are a group: a tile joins the totals of those before it in its group, and
   before them what the last tile of the group before told, which is what the line comes to up to
   there. So a line is read once and written once, as in a scan that looks back (Merrill and Garland,
   2016), but what is joined with what depends on the tile's number alone, not on how far others have
   come: results have the same bits every time. Waits go from group to group, and else only for totals
   that nobody waits for.

   A block waits for tiles of lower numbers alone. Numbers are drawn as blocks begin, so those tiles
   have begun on some multiprocessor, and the lowest tile that is not done waits for nothing.

   Totals are written, then fenced, then the flag is set; who has seen the flag fences and then reads
   the total. The two fences and the flag between them make a release and an acquire of the memory
   model (PTX ISA, "Release and acquire patterns"), so the total is seen.

   Lines of few elements have a warp each (`short_lines`); many lines side by side in memory have a
   thread each, in `columns`. */

#include "types.cuh"
#include "scalar.cuh"
#include "blocks.cuh"

/* ---- totals ---- */

template <class E>
struct kinds {
  typedef i64 total;
};
template <>
struct kinds<b8> {
  typedef u64 total;
};
template <>
struct kinds<u8> : kinds<b8> {};
template <>
struct kinds<u16> : kinds<b8> {};
template <>
struct kinds<u32> : kinds<b8> {};
template <>
struct kinds<u64> : kinds<b8> {};
template <>
struct kinds<double> {
  typedef double total;
};
template <>
struct kinds<f16> : kinds<double> {};
template <>
struct kinds<bf16> : kinds<double> {};
template <>
struct kinds<float> : kinds<double> {};
template <>
struct kinds<c64> {
  typedef z128 total;
};

typedef kinds<WR_A>::total total_t;

template <class T>
struct total_as {
  template <class E>
  static INLINE T of(E x) {
    return (T)load<E>(x);
  }
};
template <>
struct total_as<z128> {
  static INLINE z128 of(c64 x) { return widen(x); }
};

INLINE total_t widened(WR_A x) { return total_as<total_t>::of(x); }

template <class E>
struct written {
  static INLINE E of(total_t x) { return (E)x; }
};
template <>
struct written<b8> {
  static INLINE b8 of(u64 x) { return store_as<b8>::of(x); }
};
template <>
struct written<f16> {
  static INLINE f16 of(double x) { return to_f16(x); }
};
template <>
struct written<bf16> {
  static INLINE bf16 of(double x) { return to_bf16(x); }
};
template <>
struct written<c64> {
  static INLINE c64 of(z128 x) { return narrow(x); }
};

/* ---- what joins them; those of single numbers are in scalar.cuh ---- */

INLINE z128 op_add(z128 a, z128 b) { return make_z128(a.re + b.re, a.im + b.im); }
INLINE z128 op_multiply(z128 a, z128 b) {
  return make_z128(a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re);
}
INLINE bool is_nan(z128 x) { return x.re != x.re || x.im != x.im; }
INLINE bool is_less(z128 a, z128 b) { return a.re < b.re || (a.re == b.re && a.im < b.im); }
INLINE z128 op_maximum(z128 a, z128 b) { return is_nan(a) || is_less(b, a) ? a : b; }
INLINE z128 op_minimum(z128 a, z128 b) { return is_nan(a) || is_less(a, b) ? a : b; }
/* log(e^a + e^b) from the one that is greater in the order of complex numbers. */
INLINE z128 op_logaddexp(z128 a, z128 b) {
  const z128 most = op_maximum(a, b), least = op_minimum(a, b);
  if (is_nan(most)) return make_z128(most.re + most.im, most.re + most.im);
  if (op_isneginf(least.re) || op_isposinf(most.re)) return most;
  const z128 e = z_exp(make_z128(least.re - most.re, least.im - most.im));
  const double square = e.re * (2 + e.re) + e.im * e.im;
  const double size = square < -0.5 ? log(hypot(1 + e.re, e.im)) : 0.5 * log1p(square);
  return make_z128(most.re + size, most.im + atan2(e.im, 1 + e.re));
}

/* One copy of what is long, whose compilation would take as many seconds as there are copies. */
struct length_op_add {
  enum { LONG = 0 };
};
struct length_op_multiply : length_op_add {};
struct length_op_maximum : length_op_add {};
struct length_op_minimum : length_op_add {};
struct length_op_logaddexp {
  enum { LONG = 1 };
};
#define LENGTH(op) length_##op
#define LENGTH_OF(op) LENGTH(op)

__device__ __noinline__ total_t join_by_call(total_t a, total_t b) { return WR_OP(a, b); }

INLINE total_t join(total_t a, total_t b) {
  return LENGTH_OF(WR_OP)::LONG ? join_by_call(a, b) : WR_OP(a, b);
}

/* ---- the totals of nothing ---- */

/* As totals; cut to the element's width they are its type's. */
template <class E, class T>
struct ends {
  static INLINE T least() { return is_signed<E>::value ? (T)(~(u64)0 << (8 * sizeof(E) - 1)) : 0; }
  static INLINE T most() { return ~least(); }
};
template <class E>
struct ends<E, double> {
  static INLINE double most() { return __longlong_as_double(0x7ff0000000000000ll); }
  static INLINE double least() { return -most(); }
};
template <class E>
struct ends<E, z128> {
  static INLINE z128 most() {
    const double inf = ends<E, double>::most();
    return make_z128(inf, inf);
  }
  static INLINE z128 least() { return make_z128(-most().re, -most().re); }
};
template <>
struct is_signed<b8> {
  static const bool value = false;
};

template <class T>
struct number {
  static INLINE T of(double x) { return (T)x; }
};
template <>
struct number<z128> {
  static INLINE z128 of(double x) { return make_z128(x, 0); }
};

typedef ends<WR_A, total_t> ends_of;

struct nothing_op_add {
  static INLINE total_t of() { return number<total_t>::of(0); }
};
struct nothing_op_multiply {
  static INLINE total_t of() { return number<total_t>::of(1); }
};
struct nothing_op_maximum {
  static INLINE total_t of() { return ends_of::least(); }
};
struct nothing_op_minimum {
  static INLINE total_t of() { return ends_of::most(); }
};
struct nothing_op_logaddexp {
  static INLINE total_t of() { return number<total_t>::of(-ends<WR_A, double>::most()); }
};

#define NOTHING(op) nothing_##op
#define NOTHING_OF(op) NOTHING(op)
INLINE total_t nothing() { return NOTHING_OF(WR_OP)::of(); }

/* ---- the kernels ---- */

struct lines_of {
  i64 lines;
  i64 n;      /* extent of the axis */
  i64 stride; /* of the input along it */
  i64 inner;  /* of the result */
  i64 reverse, inclusive;
  i64 tiles; /* of a line */
};

enum {
  THREADS = 256,
  WARPS = THREADS / 32,
  K = 16 / sizeof(WR_A),
  EACH = sizeof(WR_A) == 8 ? 8 : 16,
  ROUNDS = EACH / K,
  OF_WARP = 32 * EACH,
  TILE = THREADS * EACH,
  GROUP = THREADS
};

INLINE i64 along(const lines_of &l, i64 i) { return l.reverse ? l.n - 1 - i : i; }

/* Round r of a lane's elements: K neighbours. */
INLINE i64 element(int r) { return (r * 32 + threadIdx.x % 32) * K; }

INLINE total_t shuffle_up(total_t x, int by) {
  return by_words(x, [by](u32 word) { return __shfl_up_sync(~0u, word, by); });
}
INLINE total_t shuffle(total_t x, int lane) {
  return by_words(x, [lane](u32 word) { return __shfl_sync(~0u, word, lane); });
}

/* What the lanes up to this one come to. */
INLINE total_t join_lanes(total_t mine) {
#pragma unroll
  for (int by = 1; by < 32; by *= 2) {
    const total_t lower = shuffle_up(mine, by);
    if (threadIdx.x % 32 >= by) mine = join(lower, mine);
  }
  return mine;
}

/* A warp's part of a line: x is, in each round, what the elements up to this one come to; `before`
   what comes before the round, which is nothing in the first round of lane 0. */
struct part {
  total_t x[EACH];
  total_t before[ROUNDS];
};

/* Elements past the line's end are nothing. */
INLINE void read(part &p, const WR_A *in, const lines_of &l, i64 first) {
#pragma unroll
  for (int i = 0; i < EACH; i++) {
    const i64 at = first + element(i / K) + i % K;
    p.x[i] = at < l.n ? widened(in[along(l, at) * l.stride]) : nothing();
  }
}

/* The same of a whole part that lies dense in packs on 16 bytes. */
INLINE void read_packs(part &p, const WR_A *in, const lines_of &l, i64 first) {
  pack<WR_A, K> raw[ROUNDS];
#pragma unroll
  for (int r = 0; r < ROUNDS; r++) {
    const i64 at = first + element(r);
    raw[r] = *(const pack<WR_A, K> *)(in + (l.reverse ? l.n - K - at : at));
  }
#pragma unroll
  for (int i = 0; i < EACH; i++) {
    p.x[i] = widened(l.reverse ? raw[i / K].e[K - 1 - i % K] : raw[i / K].e[i % K]);
  }
}

/* Returns what the part comes to. */
INLINE total_t join_part(part &p) {
  total_t sum;
#pragma unroll
  for (int r = 0; r < ROUNDS; r++) {
    total_t *x = p.x + r * K;
#pragma unroll
    for (int k = 1; k < K; k++) x[k] = join(x[k - 1], x[k]);
    const total_t upto = join_lanes(x[K - 1]), lower = shuffle_up(upto, 1);
    const total_t round = shuffle(upto, 31);
    if (r == 0) {
      p.before[r] = lower;
      sum = round;
    } else {
      p.before[r] = threadIdx.x % 32 == 0 ? sum : join(sum, lower);
      sum = join(sum, round);
    }
  }
  return sum;
}

/* Result i of the lane; `carry` is what comes before the part, if anything does. */
INLINE total_t result(const part &p, int i, const lines_of &l, bool any, total_t carry) {
  const int r = i / K;
  const bool round = r > 0 || threadIdx.x % 32 > 0;
  total_t before = p.before[r];
  if (any) before = round ? join(carry, before) : carry;
  if (l.inclusive) return any || round ? join(before, p.x[i]) : p.x[i];
  if (i % K == 0) return any || round ? before : nothing();
  return any || round ? join(before, p.x[i - 1]) : p.x[i - 1];
}

INLINE void write(const part &p, WR_A *to, const lines_of &l, i64 first, bool any, total_t carry) {
#pragma unroll
  for (int i = 0; i < EACH; i++) {
    const i64 at = first + element(i / K) + i % K;
    const total_t x = result(p, i, l, any, carry);
    if (at < l.n) to[along(l, at) * l.inner] = written<WR_A>::of(x);
  }
}

INLINE void write_packs(const part &p, WR_A *to, const lines_of &l, i64 first, bool any,
                        total_t carry) {
#pragma unroll
  for (int r = 0; r < ROUNDS; r++) {
    pack<WR_A, K> raw;
#pragma unroll
    for (int k = 0; k < K; k++) {
      const WR_A x = written<WR_A>::of(result(p, r * K + k, l, any, carry));
      if (l.reverse) {
        raw.e[K - 1 - k] = x;
      } else {
        raw.e[k] = x;
      }
    }
    const i64 at = first + element(r);
    *(pack<WR_A, K> *)(to + (l.reverse ? l.n - K - at : at)) = raw;
  }
}

/* What tiles tell each other; all flags and `drawn` are 0 at first. For each tile of each line its
   total, and for each group of each line what the line comes to up to its end. */
struct told {
  u32 *drawn;
  u32 *has_total, *has_upto;
  total_t *totals, *upto;
};

INLINE void tell(total_t *at, u32 *flag, total_t x) {
  *at = x;
  __threadfence();
  *(volatile u32 *)flag = 1;
}
INLINE total_t hear(const total_t *at, const u32 *flag) {
  while (!peek(flag)) continue;
  __threadfence();
  return peek(at);
}

/* What comes before this tile, which is not the first, for all threads of the block. */
INLINE total_t look_back(const told &t, i64 tiles_before, i64 groups_before, u32 tile) {
  __shared__ total_t sums[WARPS];
  __shared__ total_t upto;
  const u32 group = tile / GROUP, others = tile % GROUP, i = threadIdx.x;
  const bool mine = i < others;
  const i64 from = tiles_before + (i64)group * GROUP;
  total_t x = nothing();
  if (mine) x = hear(t.totals + from + i, t.has_total + from + i);
  if (i == THREADS - 1 && group > 0) {
    upto = hear(t.upto + groups_before + group - 1, t.has_upto + groups_before + group - 1);
  }
  x = join_lanes(x);
  if (mine && (i % 32 == 31 || i == others - 1)) sums[i / 32] = x;
  __syncthreads();
  total_t sum = upto;
  for (u32 w = 0; w * 32 < others; w++) sum = w == 0 && group == 0 ? sums[0] : join(sum, sums[w]);
  return sum;
}

/* `t` is only looked at where a line has more than one tile. The first tiles of all lines are drawn
   first, so that there are many to work on while few wait. */
template <bool PACKS>
INLINE void scan_tile(WR_A *out, const WR_A *a, const told &t, const lines_of &l,
                      const layout<1> &other) {
  __shared__ total_t sums[WARPS];
  __shared__ u32 number;
  if (l.tiles > 1) {
    if (threadIdx.x == 0) number = atomicAdd(t.drawn, 1u);
    __syncthreads();
  }
  const u32 drawn = l.tiles > 1 ? number : blockIdx.x;
  const u32 tile = drawn / (u32)l.lines;
  const i64 line = drawn % (u32)l.lines;
  const int warp = threadIdx.x / 32;
  const i64 first = (i64)tile * TILE + warp * OF_WARP;
  const WR_A *in = a + offset_of(other, (index_t)line);
  WR_A *to = out + line_start(line, l.n, l.inner);
  const bool packs = PACKS && first + OF_WARP <= l.n;
  part p;
  if (packs) {
    read_packs(p, in, l, first);
  } else {
    read(p, in, l, first);
  }
  const total_t mine = join_part(p);
  if (threadIdx.x % 32 == 0) sums[warp] = mine;
  __syncthreads();
  total_t before = mine, all = sums[0];
#pragma unroll
  for (int w = 1; w < WARPS; w++) {
    if (w == warp) before = all;
    all = join(all, sums[w]);
  }
  const i64 groups = (l.tiles + GROUP - 1) / GROUP;
  const i64 tiles_before = line * l.tiles, groups_before = line * groups;
  const bool told_on = tile + 1 < l.tiles, ends_group = tile % GROUP == GROUP - 1;
  if (threadIdx.x == 0 && told_on && !ends_group) {
    tell(t.totals + tiles_before + tile, t.has_total + tiles_before + tile, all);
  }
  total_t carry = before;
  if (tile > 0) {
    const total_t sum = look_back(t, tiles_before, groups_before, tile);
    carry = warp == 0 ? sum : join(sum, before);
    all = join(sum, all);
  }
  if (threadIdx.x == 0 && told_on && ends_group) {
    const i64 g = groups_before + tile / GROUP;
    tell(t.upto + g, t.has_upto + g, all);
  }
  const bool any = tile > 0 || warp > 0;
  if (packs) {
    write_packs(p, to, l, first, any, carry);
  } else {
    write(p, to, l, first, any, carry);
  }
}

extern "C" __global__ void __launch_bounds__(THREADS)
    lines(WR_A *out, const WR_A *a, told t, lines_of l, const __grid_constant__ layout<1> other) {
  scan_tile<false>(out, a, t, l, other);
}

/* Elements lie dense, lines and the ends at which they begin on 16 bytes. */
extern "C" __global__ void __launch_bounds__(THREADS)
    packed_lines(WR_A *out, const WR_A *a, told t, lines_of l,
                 const __grid_constant__ layout<1> other) {
  scan_tile<true>(out, a, t, l, other);
}

/* A warp for each line of at most OF_WARP elements. */
extern "C" __global__ void __launch_bounds__(THREADS)
    short_lines(WR_A *out, const WR_A *a, lines_of l, const __grid_constant__ layout<1> other) {
  for (i64 line = (i64)blockIdx.x * WARPS + threadIdx.x / 32; line < l.lines;
       line += (i64)gridDim.x * WARPS) {
    part p;
    read(p, a + offset_of(other, (index_t)line), l, 0);
    (void)join_part(p);
    write(p, out + line_start(line, l.n, l.inner), l, 0, false, nothing());
  }
}

extern "C" __global__ void columns(WR_A *out, const WR_A *a, lines_of l,
                                   const __grid_constant__ layout<1> other) {
  for (i64 line = thread_index(); line < l.lines; line += thread_count()) {
    const WR_A *in = a + offset_of(other, (index_t)line);
    WR_A *to = out + line_start(line, l.n, l.inner);
    total_t total = nothing();
    for (i64 i = 0; i < l.n; i++) {
      const i64 at = along(l, i);
      const total_t before = total;
      total = join(total, widened(in[at * l.stride]));
      to[at * l.inner] = written<WR_A>::of(l.inclusive ? total : before);
    }
  }
}
