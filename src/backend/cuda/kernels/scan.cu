/* Scans of WR_A along one axis by WR_OP: add, multiply, maximum, minimum, logaddexp. Whole numbers
   wrap in 64 bits; floats of 16 and 32 bits and double are joined in double, complex64 in two
   doubles, and rounded once for each result. What comes before the first element is the total of
   nothing: 0, 1, the type's least or greatest value, -inf.

   A line is cut into tiles, a block to each (`lines`, by packs of 16 bytes `packed_lines`). A tile
   that is not its line's first needs what all before it come to. Each tells its own total as soon as
   it has it. GROUP tiles are a group, whose last tile tells the group's total as soon as it has heard
   those of the others; SPAN groups are a span, whose last tile tells what the line comes to up to
   there. A tile joins what the spans before it came to, the groups before it in its span, and the
   tiles before it in its group. So a line is read once and written once, as in a scan that looks back
   (Merrill and Garland, 2016), but what is joined with what depends on the tile's number alone, not on
   how far others have come: results have the same bits every time. Only spans wait for each other in
   a row, which are some ten million elements each.

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
#include "totals.cuh"

/* ---- totals ---- */

typedef total_of<WR_A>::type total_t;

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
  GROUP = 32,
  SPAN = THREADS - 32,
  PACKED_BLOCKS = sizeof(total_t) == 8 ? 4 : 2 /* of a multiprocessor, while some wait */
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

/* A warp's part of a line: the lane's elements, `before` of each round what the warp has before it,
   which is nothing in the first round of lane 0, and how many elements the part has. */
struct part {
  WR_A x[EACH];
  total_t before[ROUNDS];
  i64 count;
};

INLINE void read(part &p, const WR_A *in, const lines_of &l, i64 first) {
  p.count = l.n - first;
#pragma unroll
  for (int i = 0; i < EACH; i++) {
    const i64 at = element(i / K) + i % K;
    if (at < p.count) p.x[i] = in[along(l, first + at) * l.stride];
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
    p.x[i] = l.reverse ? raw[i / K].e[K - 1 - i % K] : raw[i / K].e[i % K];
  }
}

/* Element i of the lane; past the line's end there is nothing. */
template <bool WHOLE>
INLINE total_t value(const part &p, int i) {
  return WHOLE || element(i / K) + i % K < p.count ? widened(p.x[i]) : nothing();
}

/* Returns what the part comes to. */
template <bool WHOLE>
INLINE total_t join_part(part &p) {
  total_t sum;
#pragma unroll
  for (int r = 0; r < ROUNDS; r++) {
    total_t mine = value<WHOLE>(p, r * K);
#pragma unroll
    for (int k = 1; k < K; k++) mine = join(mine, value<WHOLE>(p, r * K + k));
    const total_t upto = join_lanes(mine), lower = shuffle_up(upto, 1);
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

/* The results of round r; `carry` is what comes before the part, if anything does. */
template <bool WHOLE>
INLINE pack<WR_A, K> results(const part &p, int r, const lines_of &l, bool any, total_t carry) {
  pack<WR_A, K> out;
  const bool round = r > 0 || threadIdx.x % 32 > 0;
  total_t sum = p.before[r];
  if (any) sum = round ? join(carry, sum) : carry;
  any = any || round;
#pragma unroll
  for (int k = 0; k < K; k++) {
    const total_t before = any ? sum : nothing(), x = value<WHOLE>(p, r * K + k);
    sum = any ? join(sum, x) : x;
    any = true;
    out.e[k] = finish<WR_A>::of(l.inclusive ? sum : before);
  }
  return out;
}

INLINE void write(const part &p, WR_A *to, const lines_of &l, i64 first, bool any, total_t carry) {
#pragma unroll
  for (int r = 0; r < ROUNDS; r++) {
    const pack<WR_A, K> out = results<false>(p, r, l, any, carry);
#pragma unroll
    for (int k = 0; k < K; k++) {
      const i64 at = element(r) + k;
      if (at < p.count) to[along(l, first + at) * l.inner] = out.e[k];
    }
  }
}

INLINE void write_packs(const part &p, WR_A *to, const lines_of &l, i64 first, bool any,
                        total_t carry) {
#pragma unroll
  for (int r = 0; r < ROUNDS; r++) {
    const pack<WR_A, K> out = results<true>(p, r, l, any, carry);
    pack<WR_A, K> raw;
#pragma unroll
    for (int k = 0; k < K; k++) raw.e[k] = l.reverse ? out.e[K - 1 - k] : out.e[k];
    const i64 at = first + element(r);
    *(pack<WR_A, K> *)(to + (l.reverse ? l.n - K - at : at)) = raw;
  }
}

/* What tiles tell each other; all flags and `drawn` are 0 at first. Of each line: the totals of its
   tiles, of its groups, and what it comes to up to the end of each span. */
struct told {
  u32 *drawn;
  u32 *has_total, *has_group, *has_upto;
  total_t *totals, *groups, *upto;
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

/* A tile among those of its line. */
struct place {
  u32 in_group, in_span;    /* tiles of the group, groups of the span before it */
  i64 tile, group, span;    /* its own among all that tell */
  bool told_on, more_spans; /* others come behind it; there are spans before it */
};

INLINE place place_of(const lines_of &l, i64 line, u32 tile) {
  const i64 groups = (l.tiles + GROUP - 1) / GROUP, spans = (groups + SPAN - 1) / SPAN;
  const u32 group = tile / GROUP, span = group / SPAN;
  place p;
  p.in_group = tile % GROUP;
  p.in_span = group % SPAN;
  p.tile = line * l.tiles + tile;
  p.group = line * groups + group;
  p.span = line * spans + span;
  p.told_on = tile + 1 < l.tiles;
  p.more_spans = span > 0;
  return p;
}

/* What comes before this tile, which is not its line's first, for all threads of the block; its own
   total is `own`. The first warp hears the tiles, and tells what its group comes to without waiting
   for anything else; the other warps hear the groups, the last thread the spans. */
INLINE total_t look_back(const told &t, const place &p, total_t own) {
  __shared__ total_t sums[WARPS];
  __shared__ total_t upto;
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  const u32 others = warp == 0 ? p.in_group : p.in_span, i = warp == 0 ? lane : threadIdx.x - 32;
  total_t x = nothing();
  if (i < others) {
    const i64 at = warp == 0 ? p.tile - others + i : p.group - others + i;
    x = hear((warp == 0 ? t.totals : t.groups) + at, (warp == 0 ? t.has_total : t.has_group) + at);
  }
  if (threadIdx.x == THREADS - 1 && p.more_spans) {
    upto = hear(t.upto + p.span - 1, t.has_upto + p.span - 1);
  }
  x = join_lanes(x);
  if (i < others && (lane == 31 || i == others - 1)) sums[warp] = x;
  const bool ends_group = p.told_on && p.in_group == GROUP - 1, ends_span = p.in_span == SPAN - 1;
  if (warp == 0 && lane == GROUP - 2 && ends_group && !ends_span) {
    tell(t.groups + p.group, t.has_group + p.group, join(x, own));
  }
  __syncthreads();
  bool any = p.more_spans;
  total_t sum = upto;
  for (u32 w = 1; w < WARPS && (w - 1) * 32 < p.in_span; w++) {
    sum = any ? join(sum, sums[w]) : sums[w];
    any = true;
  }
  if (p.in_group > 0) sum = any ? join(sum, sums[0]) : sums[0];
  if (threadIdx.x == 0 && ends_group && ends_span) {
    tell(t.upto + p.span, t.has_upto + p.span, join(sum, own));
  }
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
  total_t mine;
  if (packs) {
    read_packs(p, in, l, first);
    mine = join_part<true>(p);
  } else {
    read(p, in, l, first);
    mine = join_part<false>(p);
  }
  if (threadIdx.x % 32 == 0) sums[warp] = mine;
  __syncthreads();
  total_t before = mine, all = sums[0];
#pragma unroll
  for (int w = 1; w < WARPS; w++) {
    if (w == warp) before = all;
    all = join(all, sums[w]);
  }
  total_t carry = before;
  if (l.tiles > 1) {
    const place at = place_of(l, line, tile);
    if (threadIdx.x == 0 && at.told_on && at.in_group < GROUP - 1) {
      tell(t.totals + at.tile, t.has_total + at.tile, all);
    }
    if (tile > 0) {
      const total_t sum = look_back(t, at, all);
      carry = warp == 0 ? sum : join(sum, before);
    }
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
extern "C" __global__ void __launch_bounds__(THREADS, PACKED_BLOCKS)
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
    (void)join_part<false>(p);
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
      to[at * l.inner] = finish<WR_A>::of(l.inclusive ? total : before);
    }
  }
}
